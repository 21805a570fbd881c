/* SPDX-License-Identifier: MIT */
/* mail/error.h - what can go wrong, in one domain.
 *
 * The message of such an error says what was being done and what happened:
 * "read INBOX/42: connection closed by server".
 */
#pragma once

#include <glib.h>

typedef enum {
    MAIL_ERROR_CANCELLED,   /* the caller gave up */
    MAIL_ERROR_OFFLINE,     /* cannot connect, or the connection was lost */
    MAIL_ERROR_TIMEOUT,     /* no answer in time */
    MAIL_ERROR_TLS,         /* certificate or handshake */
    MAIL_ERROR_AUTH,        /* the credentials were refused */
    MAIL_ERROR_PERMISSION,  /* logged in, but not allowed */
    MAIL_ERROR_READ_ONLY,   /* this mailbox or mount cannot be changed */
    MAIL_ERROR_NOT_FOUND,   /* no such mailbox or message */
    MAIL_ERROR_GONE,        /* it was there: expunged, or the mailbox was replaced */
    MAIL_ERROR_EXISTS,      /* the name is in use */
    MAIL_ERROR_BUSY,        /* locked or throttled: later */
    MAIL_ERROR_QUOTA,       /* the account is full */
    MAIL_ERROR_TOO_BIG,     /* over a limit of ours or of the server */
    MAIL_ERROR_INVALID,     /* the input makes no sense: options, URLs, non-messages */
    MAIL_ERROR_UNSUPPORTED, /* this server cannot do it */
    MAIL_ERROR_PROTOCOL,    /* the server broke the protocol */
    MAIL_ERROR_SERVER,      /* the server said no and gave no reason that we know */
    MAIL_ERROR_NO_SPACE,    /* our disk is full */
    MAIL_ERROR_LOCAL,       /* our disk, our bug */
} MailError;

#define MAIL_ERROR (mail_error_quark())
GQuark mail_error_quark(void);

/* What an errno of a disk of ours means: NO_SPACE or LOCAL. */
MailError mail_error_of_disk(int errsv);

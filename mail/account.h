/* SPDX-License-Identifier: MIT */
/* mail/account.h - which account on which server, as its URL says. */
#pragma once

#include <glib.h>

typedef enum {
    MAIL_PROTOCOL_IMAP,
    MAIL_PROTOCOL_POP3,
} MailProtocol;

typedef enum {
    MAIL_SECURITY_TLS,      /* TLS from the first byte (RFC 8314) */
    MAIL_SECURITY_STARTTLS, /* STARTTLS or STLS, required */
    MAIL_SECURITY_NONE,     /* plain text; the user spelled it out */
} MailSecurity;

typedef struct {
    MailSecurity security;
    char *user;
    char *host; /* a name or an address, without brackets */
    guint16 port;
    MailProtocol protocol;
} MailAccount;

/* Reads "imaps://user@host[:port]/", "imap://" or "imap+insecure://", or the same
 * with "pop3s://", "pop3://" or "pop3+insecure://".  The user ends at the last '@' and may be
 * percent-encoded.  A password in the URL is refused, for everybody can read it in the process
 * list.  Fails with INVALID. */
MailAccount *mail_account_parse(const char *url, GError **error) G_GNUC_WARN_UNUSED_RESULT;

void mail_account_free(MailAccount *account);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MailAccount, mail_account_free)

/* The URL again, without the port where it is the scheme's own.  Newly allocated. */
char *mail_account_dup_url(const MailAccount *account);

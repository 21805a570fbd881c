/* SPDX-License-Identifier: MIT */
/* mail/part.h - the MIME tree of a message, as BODYSTRUCTURE or a parse gives it. */
#pragma once

#include <glib.h>

#define MAIL_PART_DEPTH_MAX 100
#define MAIL_PARTS_MAX      10000

typedef struct MailPart MailPart;

struct MailPart {
    char *type;        /* lower case, "text" */
    char *subtype;     /* lower case, "plain" */
    char *charset;     /* of text, or NULL */
    char *name;        /* file name, raw as the header had it, or NULL */
    char *encoding;    /* lower case, "base64" */
    char *disposition; /* lower case, "attachment", or NULL */
    guint64 size;      /* encoded octets */
    GPtrArray *parts;  /* MailPart, of a multipart or of the message in a message/rfc822; or NULL */
};

MailPart *mail_part_new(void);
void mail_part_free(MailPart *part);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MailPart, mail_part_free)

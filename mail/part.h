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
    guint64 size;      /* encoded octets; of a multipart: not told */
    gboolean has_offsets;
    guint64 header_off, body_off; /* octets of the message; where the part is the root, of all */
    GPtrArray *parts; /* MailPart, of a multipart or of the message in a message/rfc822; or NULL */
};

MailPart *mail_part_new(void);
void mail_part_free(MailPart *part);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MailPart, mail_part_free)
/* An array that owns its MailParts, for part->parts. */
GPtrArray *mail_parts_new(void);

/* The tree as octets, to be kept; new.  What is not UTF-8 in its texts becomes so. */
GBytes *mail_part_to_bytes(const MailPart *part);
/* NULL when that is no tree, or one beyond the limits. */
MailPart *mail_part_from_bytes(GBytes *bytes);

/* SPDX-License-Identifier: MIT */
/* mail/part.h - the MIME tree of a message, as BODYSTRUCTURE or a parse gives it. */
#pragma once

#include <glib.h>

#define MAIL_PART_DEPTH_MAX 100
#define MAIL_PARTS_MAX      10000
#define MAIL_SECTION_MAX    220 /* octets of a section's number */

/* Base64 in lines of one length, with padding at its end alone (RFC 2045 6.8): where a decoded
 * octet lies can be computed. */
typedef struct {
    guint64 line_len; /* characters in a line, a multiple of 4 */
    guint eol_len;    /* octets of a line end: 1 or 2; 0 when there is one line */
    guint64 n_chars;  /* digits and padding */
    guint64 size;     /* decoded octets */
} MailBase64;

/* What is known of what a part decodes to, without having decoded it. */
typedef enum {
    MAIL_PART_UNMEASURED,
    MAIL_PART_REGULAR,   /* it is base64 as part->base64 has it */
    MAIL_PART_IRREGULAR, /* only decoding it can tell */
} MailPartMeasure;

typedef struct MailPart MailPart;

struct MailPart {
    char *type;        /* lower case, "text" */
    char *subtype;     /* lower case, "plain" */
    char *charset;     /* of text, or NULL */
    char *name;        /* file name, decoded, or NULL */
    char *encoding;    /* lower case, "base64" */
    char *disposition; /* lower case, "attachment", or NULL */
    guint64 size;      /* encoded octets; of a multipart: not told */
    gboolean has_offsets;
    guint64 header_off, body_off; /* octets of the message; where the part is the root, of all */
    MailPartMeasure measure;
    MailBase64 base64;
    GPtrArray *parts; /* MailPart, of a multipart or of the message in a message/rfc822; or NULL */
    /* By mail_part_number(): */
    char *section; /* as IMAP numbers it; "" for a multipart that is the root */
    guint nth;     /* among all, each before its children; the root is 0 */
};

MailPart *mail_part_new(void);
void mail_part_free(MailPart *part);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MailPart, mail_part_free)
/* An array that owns its MailParts, for part->parts. */
GPtrArray *mail_parts_new(void);

gboolean mail_part_is_multipart(const MailPart *part);
/* Whether it holds a message whose parts are known. */
gboolean mail_part_is_message(const MailPart *part);

/* Whether it is text that is shown in UTF-8: an attachment comes out as it was put in. */
gboolean mail_part_is_converted(const MailPart *part);
/* Whether its measure is of use: it is in base64, and not converted. */
gboolean mail_part_can_be_measured(const MailPart *part);

/* Numbers all parts (RFC 9051 6.4.5.1).  Takes out those whose section would be longer than
 * MAIL_SECTION_MAX. */
void mail_part_number(MailPart *root);
/* Of a numbered tree; NULL when there is none. */
MailPart *mail_part_nth(MailPart *root, guint nth);
/* The index of the last child of @part that does not come after the @nth part, or 0; it has one. */
guint mail_part_child(const MailPart *part, guint nth);
MailPart *mail_part_of_section(MailPart *root, const char *section);
/* The part that holds the message of which @part is the root, or NULL. */
MailPart *mail_part_holder(MailPart *root, const MailPart *part);
/* The innermost part that holds the message which @part is in, or NULL. */
MailPart *mail_part_around(MailPart *root, const MailPart *part);

/* The tree as octets, to be kept; new.  What is not UTF-8 in its texts becomes so. */
GBytes *mail_part_to_bytes(const MailPart *part);
/* The tree, numbered; NULL when that is no tree, or one beyond the limits. */
MailPart *mail_part_from_bytes(GBytes *bytes);

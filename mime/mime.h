/* SPDX-License-Identifier: MIT */
/* mime/mime.h - taking messages apart: a thin layer over GMime.  Pure: bytes in, values out.
 *
 * Call mime_init() once, before anything else here.
 */
#pragma once

#include "mail/mail.h"

void mime_init(void);

/* A header's value as people read it: encoded words decoded (RFC 2047), folds taken out, control
 * characters made blanks.  Unknown charsets and wrong bytes degrade to U+FFFD; never fails, and the
 * result is valid UTF-8 without NUL.  Looks at the first 64 KiB only. */
char *mime_header_decode(const char *bytes, gsize len);

/* --- the part tree (mime/structure.c) --- */

#define MIME_HEADER_MAX ((guint64)1024 * 1024) /* octets of one header */

/* Reads up to @len octets at @offset; 0 or less where there are none. */
typedef gssize (*MimeReadFunc)(gpointer data, guint64 offset, guint8 *bytes, gsize len);

/* The tree of a message of @size octets, which @read gives, in order and once; new.  Parts beyond
 * MAIL_PARTS_MAX or MAIL_PART_DEPTH_MAX are left out; NULL when the octets are no message. */
MailPart *mime_structure_parse(guint64 size, MimeReadFunc read, gpointer data);

/* --- transfer encodings (mime/decode.c) --- */

typedef struct MimeDecoder MimeDecoder;

/* @encoding in any case; one that is unknown, or NULL, leaves the octets as they are.  What does
 * not belong into an encoding is skipped. */
MimeDecoder *mime_decoder_new(const char *encoding);
void mime_decoder_free(MimeDecoder *decoder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MimeDecoder, mime_decoder_free)
/* Appends what the next @len octets decode to. */
void mime_decoder_take(MimeDecoder *decoder, const guint8 *bytes, gsize len, GByteArray *out);
/* Appends what is left at the end. */
void mime_decoder_end(MimeDecoder *decoder, GByteArray *out);

/* --- regular base64 (mime/base64.c): lines of one length, padding only at the end --- */

/* Takes the measure of a section of @size octets by its first and its last ones (which may
 * overlap). FALSE when they are not regular; TRUE proves nothing of what lies between. */
gboolean mime_base64_measure(const guint8 *head, gsize n_head, const guint8 *tail, gsize n_tail,
                             guint64 size, MailBase64 *ret_layout);
/* Where the group of four characters begins that holds the decoded octet. */
guint64 mime_base64_offset(const MailBase64 *layout, guint64 decoded);
/* Whether the octets at @offset are as @layout has them. */
gboolean mime_base64_fits(const MailBase64 *layout, guint64 offset, const guint8 *bytes, gsize len);

/* --- charsets (mime/charset.c) --- */

typedef struct MimeCharset MimeCharset;

gboolean mime_charset_is_known(const char *name);
/* Converts to UTF-8; never fails.  Octets that are wrong in the charset become U+FFFD; where @name
 * is unknown or NULL, so do those that are not UTF-8. */
MimeCharset *mime_charset_new(const char *name);
void mime_charset_free(MimeCharset *charset);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MimeCharset, mime_charset_free)
/* Appends what the next @len octets mean. */
void mime_charset_take(MimeCharset *charset, const guint8 *bytes, gsize len, GByteArray *out);
/* Appends what is left at the end. */
void mime_charset_end(MimeCharset *charset, GByteArray *out);

/* --- HTML as text (mime/html.c) --- */

typedef struct MimeHtml MimeHtml;

MimeHtml *mime_html_new(void);
/* The next octets, UTF-8; what the document says of its charset does not count. */
void mime_html_take(MimeHtml *html, const char *text, gsize len);
/* Ends the document, frees @html and returns the text, with LF at line ends. */
char *mime_html_end(MimeHtml *html);

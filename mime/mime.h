/* SPDX-License-Identifier: MIT */
/* mime/mime.h - taking messages apart.  Pure: bytes in, values out.
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

/* As it stands, but as valid UTF-8 with a blank for each octet of a control character; new. */
char *mime_text_clean(const char *bytes, gsize len);

/* The date of RFC 5322 3.3 and 4.3, or what looks like one, in seconds since 1970.  FALSE: there is
 * none, or it is before that. */
gboolean mime_date_parse(const char *text, gint64 *ret_date);

/* A media type, an encoding or the like as trees have it: in lower case, without controls, cut to
 * 127 octets (RFC 6838 4.2); @text may be anything. */
char *mime_token_dup(const char *text);

/* --- the part tree (mime/structure.c) --- */

#define MIME_HEADER_MAX ((guint64)1024 * 1024) /* octets of one header that are looked at */

/* Reads up to @len octets at @offset; 0 or less where there are none. */
typedef gssize (*MimeReadFunc)(gpointer data, guint64 offset, guint8 *bytes, gsize len);

/* The tree of a message of @size octets, which @read gives, in order and once; new.  It is the one
 * that imap_bodystructure_parse() makes of what a server tells.  Of every part the octets
 * [header_off, body_off) are the header with the empty line at its end, and [body_off, body_off +
 * size) the body, encoded; a part without either is empty there.  Parts beyond MAIL_PARTS_MAX or
 * MAIL_PART_DEPTH_MAX are in the body of one that is not.  Where @read fails the message ends.
 * There is always one part. */
MailPart *mime_structure_parse(guint64 size, MimeReadFunc read, gpointer data);

/* --- parameters of Content-Type and Content-Disposition (mime/params.c) --- */

#define MIME_PARAM_MAX ((gsize)1024) /* octets of a parameter, decoded */

typedef struct MimeParams MimeParams;

MimeParams *mime_params_new(void);
void mime_params_free(MimeParams *params);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MimeParams, mime_params_free)
/* Adds one as it stands, unquoted; its name may be that of a piece (RFC 2231 3).  Those beyond the
 * first 200 or 64 KiB are left out. */
void mime_params_add(MimeParams *params, const char *name, const char *value);
/* The parameter as people read it, whether its sender extended it (RFC 2231), used encoded words
 * (RFC 2047) or bare octets; new, UTF-8 without control characters, of more than MIME_PARAM_MAX
 * octets the beginning and the end.  NULL when there is none, or it is empty. */
char *mime_params_dup_text(const MimeParams *params, const char *name);
/* The charset of text; new.  NULL when there is none, or the default, us-ascii: some servers tell
 * that where nothing is said. */
char *mime_params_dup_charset(const MimeParams *params);

/* --- transfer encodings (mime/decode.c) --- */

typedef struct MimeDecoder MimeDecoder;

/* Whether it leaves the octets as they are: 7bit, 8bit, binary, one that is unknown, NULL. */
gboolean mime_encoding_is_identity(const char *encoding);
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

#define MIME_BASE64_EDGE 256 /* octets at either end that are enough to measure it */

/* Takes the measure of a section of @size octets by its first and its last ones (which may
 * overlap). FALSE when they are not regular; TRUE proves nothing of what lies between. */
gboolean mime_base64_measure(const guint8 *head, gsize n_head, const guint8 *tail, gsize n_tail,
                             guint64 size, MailBase64 *ret_layout);
/* Where the group of four characters begins that holds the decoded octet. */
guint64 mime_base64_offset(const MailBase64 *layout, guint64 decoded);
/* Whether the octets at @offset are as @layout has them. */
gboolean mime_base64_fits(const MailBase64 *layout, guint64 offset, const guint8 *bytes, gsize len);

/* --- parts as they are shown (mime/reader.c) --- */

typedef enum {
    MIME_DECODED,   /* the transfer encoding undone */
    MIME_CONVERTED, /* and text converted to UTF-8, its line ends as they are */
    MIME_TEXT,      /* UTF-8 with LF at the end of each line, HTML as text, no controls but TAB */
} MimeForm;

typedef struct MimeReader MimeReader;

/* The form of a leaf's file: what was attached comes out as it was put in. */
MimeForm mime_form_of_file(const MailPart *part);
/* Whether the form leaves the octets of the part as they are. */
gboolean mime_is_identity(const MailPart *part, MimeForm form);

/* Keeps nothing of @part, and of what it takes a bounded piece. */
MimeReader *mime_reader_new(const MailPart *part, MimeForm form);
void mime_reader_free(MimeReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MimeReader, mime_reader_free)
/* Appends what the next @len octets of the part become. */
void mime_reader_take(MimeReader *reader, const guint8 *bytes, gsize len, GByteArray *out);
/* Appends what is left at the end. */
void mime_reader_end(MimeReader *reader, GByteArray *out);

/* --- what of a message is read as text (mime/plan.c) --- */

typedef enum {
    MIME_SHOW_TEXT,       /* the part as MIME_TEXT */
    MIME_SHOW_HEADER,     /* the header of the message that the part holds */
    MIME_SHOW_ATTACHMENT, /* its name */
} MimeShow;

typedef struct {
    MimeShow show;
    const MailPart *part;
} MimePiece;

/* The pieces in their order, new; they borrow the parts.  Of alternatives only one is read. */
GArray *mime_plan(const MailPart *root);

/* --- envelopes (mime/envelope.c) --- */

/* What a header of up to MIME_HEADER_MAX octets says; what follows it is not looked at.  Never
 * fails. */
MailEnvelope *mime_envelope_parse(const guint8 *bytes, gsize len);
/* Appends header lines as people read them, without those that are absent. */
void mime_envelope_print(const MailEnvelope *envelope, GByteArray *out);

/* Appends an address to a field as it is shown, "Name <a@b>, c@d"; neither is NULL. */
void mime_address_append(GString *field, const char *name, const char *address);

/* --- what programs write (mime/intake.c) --- */

typedef struct MimeIntake MimeIntake;

/* Tells whether octets are a message (RFC 5322 2), and makes their form for the network: CRLF for
 * each LF, and an empty line behind a header that has none.  The rest stays as it is, CR alone and
 * 8-bit octets too. */
MimeIntake *mime_intake_new(void);
void mime_intake_free(MimeIntake *intake);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MimeIntake, mime_intake_free)
/* Appends what the next @len octets become.  INVALID, with the line that is at fault: NUL anywhere,
 * a header line that is neither a field (blanks before its colon are let pass) nor, behind one, a
 * continuation, an mbox, no header, one of more than MIME_HEADER_MAX octets.  Then nothing is
 * appended, and the intake can only be freed. */
gboolean mime_intake_feed(MimeIntake *intake, const guint8 *bytes, gsize len, GByteArray *out,
                          GError **error);
/* Appends what is missing at the end.  INVALID also where there was nothing at all. */
gboolean mime_intake_end(MimeIntake *intake, GByteArray *out, GError **error);

/* SPDX-License-Identifier: MIT */
/* mime/private.h - what the files of mime/ share. */
#pragma once

#include "mime/mime.h"

/* --- what text must not bring to a terminal --- */

/* Octets of the control character (C0, DEL or C1) that the UTF-8 @text begins with; 0 where it
 * begins with none. */
static inline gsize mime_control_len(const char *text, gsize len)
{
    guchar c = (guchar)text[0];

    if (c < 0x20 || c == 0x7f)
        return 1;
    return c == 0xc2 && len > 1 && (guchar)text[1] < 0xa0 ? 2 : 0;
}

/* Makes a blank of each octet of a control character of the UTF-8 @text, in place. */
static inline void mime_blank_controls(char *text, gsize len)
{
    for (gsize i = 0, n; i < len; i += MAX(n, 1)) {
        n = mime_control_len(text + i, len - i);
        for (gsize k = 0; k < n; k++)
            text[i + k] = ' ';
    }
}

/* --- header.c --- */

/* @text with its encoded words decoded (RFC 2047), by MimeCharset; new, UTF-8 without NUL, in time
 * that grows with its length.  What is bare and not UTF-8 is read as windows-1252. */
char *mime_words_decode(const char *text);

/* --- params.c --- */

/* Adds those of the field's value, from the first semicolon on: what is none is skipped.  Returns
 * how many there were. */
guint mime_params_read(MimeParams *params, const char *text, gsize len);
/* The parameter in one piece, but not decoded; new.  NULL when there is none, or it is extended. */
char *mime_params_dup_raw(const MimeParams *params, const char *name);
/* The word that @*at begins with, after blanks and comments (RFC 2045 5.1, token); new.  @*at goes
 * on to what is neither blank nor comment behind it. */
char *mime_word_read(const char **at, const char *end);

/* --- charset.c --- */

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

/* --- html.c: HTML as text --- */

typedef struct MimeHtml MimeHtml;

MimeHtml *mime_html_new(void);
void mime_html_free(MimeHtml *html);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MimeHtml, mime_html_free)
/* Takes the next octets, UTF-8, and appends the text that is ready, with LF at line ends.  What the
 * document says of its charset does not count. */
void mime_html_take(MimeHtml *html, const char *text, gsize len, GByteArray *out);
/* Appends what is left at the end. */
void mime_html_end(MimeHtml *html, GByteArray *out);

/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/letter.h - messages with parts. */
#pragma once

#include <glib.h>

/* A multipart/mixed of the parts up to NULL, each with its header; @fields are what else is in its
 * own header, whole lines.  Parts in parts need other boundaries.  New. */
char *letter_mixed(const char *boundary, const char *fields, ...) G_GNUC_NULL_TERMINATED;
/* A part of that type and encoding, an attachment where @name is not NULL.  New. */
char *letter_part(const char *type, const char *encoding, const char *name, const char *body);

/* An octet of what letter_base64() encodes. */
guint8 letter_byte(gsize offset);
/* @len of them in lines of @line_len digits.  New. */
char *letter_base64(gsize len, gsize line_len);
/* The same, but a group of line @at stands in the next one. */
char *letter_irregular_base64(gsize len, gsize line_len, gsize at);

/* A small letter with parts of all kinds.  New. */
GBytes *letter_of_all_kinds(void);

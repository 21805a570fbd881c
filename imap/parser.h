/* SPDX-License-Identifier: MIT */
/* imap/parser.h - text and literals of one response to values; used by imap/response.c alone.
 *
 * Works in place: quoted strings are unescaped and atoms ended where they stand.
 */
#pragma once

#include "imap/reader.h"

typedef struct {
    gsize off;        /* in the bytes of all literals */
    gsize len;        /* what was kept; a NUL follows */
    guint64 full_len; /* what was sent */
} ImapLiteral;

/* One response as it was framed. */
typedef struct {
    char *text; /* NUL-ended, without line ends and without NUL; each LF stands for a literal */
    gboolean is_cut; /* the text goes on, but was not kept */
    const char *literal_bytes;
    const ImapLiteral *literals;
    guint n_literals;
} ImapRaw;

typedef struct {
    const ImapValue *values; /* a chain through next; valid until imap_parser_reset() */
    gboolean is_cut;
    gboolean is_malformed;
} ImapParsed;

typedef struct ImapParser ImapParser;

ImapParser *imap_parser_new(const ImapLimits *limits);
void imap_parser_free(ImapParser *parser);

/* Makes values of the part of raw->text that begins at @text, with a delimiter: a blank, a
 * parenthesis, an LF or the NUL.  The delimiter becomes a NUL, which ends the word before it. */
ImapParsed imap_parser_run(ImapParser *parser, const ImapRaw *raw, char *text);
/* Instead of what the limits say. */
void imap_parser_set_values_max(ImapParser *parser, gsize values_max);
/* Takes the values of all runs back; values_max counts from here. */
void imap_parser_reset(ImapParser *parser);

/* The ']' for a '[' that stands before @text, beyond balanced parentheses and quoted strings; or
 * NULL and where the search ended. */
char *imap_parser_find_bracket(char *text, char **ret_stop);

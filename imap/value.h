/* SPDX-License-Identifier: MIT */
/* imap/value.h - one response of a server, as values.
 *
 * Everything lives in one arena that belongs to the reader (imap/reader.h) and is borrowed until
 * its next call.  Accessors give 0, NULL or FALSE on a wrong type, so that a strange server cannot
 * crash who reads.
 */
#pragma once

#include "mail/mail.h"

typedef enum {
    IMAP_VALUE_NIL,
    IMAP_VALUE_ATOM,   /* also numbers, flags and "BODY[HEADER.FIELDS (X)]<0>", as one piece */
    IMAP_VALUE_STRING, /* quoted (unescaped) or literal */
    IMAP_VALUE_LIST,
} ImapValueType;

typedef struct ImapValue ImapValue;

struct ImapValue {
    ImapValueType type;
    const ImapValue *next;  /* the value after this one in its list */
    const ImapValue *first; /* of a list; NULL when it is empty */
    const char *bytes;      /* of an atom or string, followed by a NUL that does not count */
    gsize len;
    guint64 full_len; /* as the server sent it; more than len when a literal was over the limit */
};

typedef enum {
    IMAP_RESPONSE_CONTINUATION, /* "+" */
    IMAP_RESPONSE_UNTAGGED,     /* "*" */
    IMAP_RESPONSE_TAGGED,
} ImapResponseKind;

typedef struct {
    ImapResponseKind kind;
    const char *tag;     /* of a tagged response */
    const char *name;    /* upper case: "OK", "FETCH", "EXISTS"; "" for a continuation */
    gboolean has_number; /* "* 5 EXISTS" */
    guint64 number;
    gboolean is_status; /* tagged, a continuation, or untagged OK, NO, BAD, BYE, PREAUTH */
    const char *code;   /* of a status: upper case "UIDVALIDITY", or NULL */
    const ImapValue *code_args;
    const char *text;        /* of a status: for people, never NULL; any byte but NUL, CR, LF */
    const ImapValue *values; /* of all others: what follows the name, a chain through next */
    gboolean is_cut;         /* over the limit: only the values that came before it are here */
    gboolean has_nul;        /* outside literals; a '?' stands for it */
    gboolean is_malformed;   /* breaks the grammar: likewise; but its end is certain */
} ImapResponse;

const ImapValue *imap_value_nth(const ImapValue *list, guint nth); /* of a list */
/* A plain decimal number, at most @max; "00012" and "+5" are none. */
gboolean imap_number_parse(const char *digits, gsize len, guint64 max, guint64 *ret_number);
/* The same of an atom. */
gboolean imap_value_number(const ImapValue *value, guint64 *ret_number);
/* The bytes of an atom or string, NUL-ended; NULL for NIL, lists and what holds a NUL. */
const char *imap_value_text(const ImapValue *value);
/* Whether @value is an atom that reads @word, in any case. */
gboolean imap_value_is(const ImapValue *value, const char *word);

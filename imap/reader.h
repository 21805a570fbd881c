/* SPDX-License-Identifier: MIT */
/* imap/reader.h - bytes of a server in, responses out (RFC 9051 9, RFC 3501 9).
 *
 * No I/O, no logging; may be stopped and resumed at any byte.  Memory grows with the bytes
 * received, never with the bytes announced.
 */
#pragma once

#include "imap/value.h"

typedef struct {
    gsize text_hold;     /* octets outside literals that are kept of one response, at least 64; the
                            rest is dropped */
    guint64 text_max;    /* more than this is an error */
    gsize literal_hold;  /* octets kept of one literal; the rest is dropped */
    gsize literals_hold; /* octets kept of all literals of one response; the rest is dropped */
    guint literals_max;  /* literals in one response; beyond, the response is cut */
    guint64 literal_max; /* a literal announced as more than this is an error */
    guint64 literal_ask; /* one announced as more than this gives IMAP_READ_LITERAL; 0: none does */
    guint depth_max;     /* nested lists */
    gsize values_max;    /* values in one response; beyond, the response is cut */
} ImapLimits;

/* 1 MiB, 128 MiB, 1 MiB, 4 MiB, 20,000, 4 GiB - 1, none, 210, 4 million */
extern const ImapLimits imap_limits_default;

typedef struct ImapReader ImapReader;

ImapReader *imap_reader_new(const ImapLimits *limits);
void imap_reader_free(ImapReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapReader, imap_reader_free)

typedef enum {
    IMAP_READ_MORE,     /* all bytes are used up */
    IMAP_READ_RESPONSE, /* *ret_response, until the next call */
    IMAP_READ_LITERAL,  /* a long literal begins; *ret_response, until the next call, is what came
                           before it, cut, and the literal as its last value, empty */
    IMAP_READ_PIECE,    /* the bytes used are the next ones of a literal that is streamed */
    IMAP_READ_ERROR,    /* the stream is beyond repair: PROTOCOL, with what and where */
} ImapReadResult;

/* Takes bytes up to the end of one response, or to what else is to be told; *ret_used says how
 * many.
 */
ImapReadResult imap_reader_next(ImapReader *reader, const guint8 *bytes, gsize len, gsize *ret_used,
                                const ImapResponse **ret_response, GError **error);

/* After IMAP_READ_LITERAL: nothing of this literal is kept, its octets come as IMAP_READ_PIECEs. */
void imap_reader_stream(ImapReader *reader);

/* From the next response on; depth_max stays what it was.  Not while a response is inside. */
void imap_reader_set_limits(ImapReader *reader, const ImapLimits *limits);

/* Whether a response has begun and not ended. */
gboolean imap_reader_is_inside(const ImapReader *reader);

/* SPDX-License-Identifier: MIT */
/* pop/reader.h - bytes of a server in, answers out (RFC 1939 3, RFC 2449 8, RFC 5034 4).
 *
 * No I/O, no logging; may be stopped and resumed at any byte.  Whether data follow a status is
 * known from the command alone, so who reads says it.
 */
#pragma once

#include "mail/mail.h"

typedef struct {
    gsize status_max; /* octets of a status; more is an error */
    gsize line_hold;  /* octets kept of a line of data; the rest is dropped */
    guint lines_max;  /* lines of data in one answer; more is an error */
    guint64 data_max; /* octets of data in one answer; more is an error */
} PopLimits;

/* 8 KiB, 1,024, 1,000,001, 4 GiB - 1 */
extern const PopLimits pop_limits_default;

/* What comes behind a +OK. */
typedef enum {
    POP_SHAPE_STATUS, /* nothing */
    POP_SHAPE_LINES,  /* a list: UIDL, CAPA */
    POP_SHAPE_STREAM, /* a message: RETR, TOP */
} PopShape;

typedef struct {
    gboolean is_ok;
    const char *code; /* "IN-USE", in any case, or NULL (RFC 2449 8) */
    const char *text; /* for people, never NULL; any byte but NUL and LF */
} PopStatus;

typedef enum {
    POP_READ_MORE,      /* all bytes are used up */
    POP_READ_STATUS,    /* status: the whole answer, unless pop_reader_follow() is called now */
    POP_READ_CHALLENGE, /* status.text is what stands behind the "+ " */
    POP_READ_LINE,      /* bytes, len, is_cut: a line without its end and without stuffing */
    POP_READ_PIECE,     /* bytes, len: the next octets of a message */
    POP_READ_END,       /* of the data */
    POP_READ_ERROR,     /* the stream is beyond repair: PROTOCOL, with what and where */
} PopReadResult;

/* What was read; good until the next call, and while the bytes given are. */
typedef struct {
    PopStatus status;
    const guint8 *bytes;
    gsize len;
    gboolean is_cut; /* the line was longer than it is here */
} PopEvent;

typedef struct PopReader PopReader;

PopReader *pop_reader_new(const PopLimits *limits);
void pop_reader_free(PopReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PopReader, pop_reader_free)

/* Takes bytes up to what is to be told next; *ret_used says how many. */
PopReadResult pop_reader_next(PopReader *reader, const guint8 *bytes, gsize len, gsize *ret_used,
                              PopEvent *ret_event, GError **error);

/* After a POP_READ_STATUS that is +OK: such data follow it.  Their lines end in CRLF, or in a bare
 * LF too where the status did; what a message ends with before the final "." is part of it. */
void pop_reader_follow(PopReader *reader, PopShape shape);

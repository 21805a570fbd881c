/* SPDX-License-Identifier: MIT */
/* imap/fetch.h - a FETCH of bodies in flight: what imap/fetch.c asks and imap/fetch-answer.c gets.
 */
#pragma once

#include "imap/worker.h"

/* One message of a job, and who wants what of it. */
typedef struct {
    guint32 uid;
    guint64 length; /* of the section, as far as is known, or 0 */
    GArray *wants;  /* guint64: of the first block, and of those behind it in their order */
} ImapPiece;

/* A body that is cut into blocks. */
typedef struct {
    guint32 uid;      /* 0: there is none */
    guint64 at;       /* octet of the section that comes next */
    guint64 end;      /* beyond its last one */
    guint64 kept_off; /* the first octet that a block of ours begins with */
    gboolean is_end;  /* the section ends there, too */
    gboolean has_put; /* a block at least */
    guint8 *block;    /* the one that is being filled, as large as it will be; owned */
} ImapBody;

typedef struct {
    ImapJob job;
    guint32 generation;
    const char *section; /* interned */
    guint32 first;       /* block */
    guint64 len;         /* octets asked for, from the first block on */
    guint64 n_asked;     /* still counted in worker->n_asked */
    gboolean is_whole;   /* BODY[] as it is, to learn its length */
    GHashTable *pieces;  /* uid -> ImapPiece */
    ImapBody body;
} ImapFetch;

/* Makes @fetch deal with its answers. */
void imap_fetch_expect(ImapFetch *fetch);

/* Asks for the block in which a message of @length octets ends, for nobody but the cache, which
 * learns the length from it. */
void imap_fetch_send_end(const ImapFetch *fetch, guint32 uid, guint64 length);

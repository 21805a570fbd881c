/* SPDX-License-Identifier: MIT */
/* imap/fetch-answer.c - bodies that come: checked before a byte of them is believed.
 *
 * Each answer tells the message's date and size again, which must be those that the index has: so a
 * mailbox that was replaced behind our back cannot put its bytes under another's name.  A long body
 * whose answer tells that ahead, as servers do, is stored block by block while it comes; another is
 * stored when its answer is at its end, as far as the reader kept it.
 *
 * Where a message does not end where its size says, it is asked for as a whole, once: the length of
 * that is believed, and from then on nothing that contradicts it.
 */
#include <string.h>

#include "imap/fetch.h"

#define TOLD_BEFORE (IMAP_ITEM_UID | IMAP_ITEM_DATE | IMAP_ITEM_SIZE | IMAP_ITEM_BODY)
#define RENEW_US    G_USEC_PER_SEC

static const char not_there[] = "the server does not have the message any more";
static const char too_little[] = "the server sent less than it was asked for";

/* What a body is worth, by its place and length. */
typedef struct {
    guint64 start, end; /* octets of the section */
    gboolean is_end;    /* the section ends there, too */
    gboolean is_beyond; /* it begins behind the end of the message */
    gboolean is_doubtful;
    const char *wrong; /* why it is refused, or NULL */
} Verdict;

static void piece_done(ImapFetch *fetch, ImapPiece *piece, const GError *error)
{
    for (guint i = 0; i < piece->wants->len; i++)
        imap_job_want_done(&fetch->job, g_array_index(piece->wants, guint64, i), error);
    g_hash_table_remove(fetch->pieces, GUINT_TO_POINTER(piece->uid));
}

/* Another command will ask for it. */
static void piece_again(ImapFetch *fetch, ImapPiece *piece)
{
    for (guint i = 0; i < piece->wants->len; i++)
        imap_job_put_back(&fetch->job, g_array_index(piece->wants, guint64, i));
    g_hash_table_remove(fetch->pieces, GUINT_TO_POINTER(piece->uid));
}

static void piece_gone(ImapFetch *fetch, ImapPiece *piece, const char *why)
{
    g_autoptr(GError) error = g_error_new(MAIL_ERROR, MAIL_ERROR_GONE, "%s", why);

    cache_box_suspect(imap_worker_cache(fetch->job.worker), fetch->job.box);
    piece_done(fetch, piece, error);
}

/* --- what it is worth --- */

static gboolean is_same_message(const CacheMessage *message, const ImapItems *items)
{
    if (items->present & IMAP_ITEM_DATE && items->date != message->date)
        return FALSE;
    return !(items->present & IMAP_ITEM_SIZE) || message->is_size_proved ||
           items->size == message->size;
}

/* Whether the answer is this job's. */
static gboolean is_answer(const ImapFetch *fetch, const ImapItems *items)
{
    return g_hash_table_contains(fetch->pieces, GUINT_TO_POINTER(items->uid)) &&
           fetch->job.worker->box == fetch->job.box &&
           items->present & (IMAP_ITEM_BODY | IMAP_ITEM_BODY_NIL) &&
           g_ascii_strcasecmp(items->section, fetch->section) == 0;
}

/* Why the answer is not about the message that the index has, or NULL. */
static const char *find_stranger(const ImapFetch *fetch, const ImapItems *items,
                                 CacheMessage *ret_message)
{
    ImapWorker *worker = fetch->job.worker;

    if (!worker->is_in_box ||
        !cache_get_message(imap_worker_cache(worker), fetch->generation, items->uid, ret_message))
        return "the mailbox was replaced by another one";
    if (!(items->present & IMAP_ITEM_BODY))
        return not_there;
    if (!is_same_message(ret_message, items))
        return "the server has another message under its UID";
    return NULL;
}

static Verdict judge_whole(const ImapFetch *fetch, const ImapItems *items,
                           const CacheMessage *message)
{
    Verdict verdict = {.end = items->body->full_len, .is_end = TRUE};

    if (verdict.end == 0 || (items->has_origin && items->origin))
        verdict.wrong = "the server sent an empty message for one that is not";
    else if (verdict.end < message->size &&
             cache_has(imap_worker_cache(fetch->job.worker), fetch->generation, items->uid,
                       fetch->section, verdict.end, 1))
        verdict.wrong = "the server sends less than it did before";
    return verdict;
}

/* How long the message is for sure; FALSE when there is only the server's word for it. */
static gboolean find_length(const ImapFetch *fetch, const CacheMessage *message,
                            guint64 *ret_length)
{
    guint64 learned;

    *ret_length = message->size;
    if (message->is_size_proved)
        return TRUE;
    if (!imap_backend_is_in_doubt(fetch->job.worker->backend, fetch->generation, message->uid,
                                  &learned) ||
        !learned)
        return FALSE;
    *ret_length = learned;
    return TRUE;
}

/* The octets that came, against those that were asked for and those that there are. */
static Verdict judge_part(const ImapFetch *fetch, const ImapItems *items,
                          const CacheMessage *message)
{
    guint64 first = (guint64)fetch->first * CACHE_BLOCK_SIZE, length;
    guint64 start = items->has_origin ? items->origin : 0;
    Verdict verdict = {.start = start, .end = start + items->body->full_len};
    gboolean is_sure, is_contradicted;

    verdict.is_end = verdict.end < first + fetch->len;
    if (start > first) {
        verdict.wrong = "the server sent other octets than it was asked for";
        return verdict;
    }
    if (*fetch->section)
        return verdict;
    is_sure = find_length(fetch, message, &length);
    is_contradicted = verdict.is_end ? verdict.end != length : verdict.end > length;
    verdict.is_doubtful = !is_sure && is_contradicted;
    verdict.is_beyond = first > length;
    if (is_contradicted)
        verdict.wrong = "the server sent more or less than there is";
    return verdict;
}

static Verdict judge(const ImapFetch *fetch, const ImapItems *items, const CacheMessage *message)
{
    return fetch->is_whole ? judge_whole(fetch, items, message) : judge_part(fetch, items, message);
}

/* --- a body at once --- */

static void put_block(ImapFetch *fetch, guint32 uid, guint64 number, GBytes *bytes, gboolean is_end)
{
    cache_put_block(imap_worker_cache(fetch->job.worker), fetch->generation, uid, fetch->section,
                    (guint32)number, bytes, is_end);
}

/* The first octet at @start or behind it that begins a block which was asked for. */
static guint64 first_kept(const ImapFetch *fetch, guint64 start)
{
    guint64 number = (start + CACHE_BLOCK_SIZE - 1) / CACHE_BLOCK_SIZE;

    return MAX(fetch->first, number) * CACHE_BLOCK_SIZE;
}

/* Stores the blocks that [start, start + len) covers; @is_end: the section ends there.  FALSE when
 * that is not one. */
static gboolean put_blocks(ImapFetch *fetch, guint32 uid, guint64 start, const char *bytes,
                           gsize len, gboolean is_end)
{
    guint64 end = start + len, at = first_kept(fetch, start);
    gboolean has_put = FALSE;

    while (at + CACHE_BLOCK_SIZE <= end || (is_end && at <= end)) {
        gsize size = MIN(end - at, CACHE_BLOCK_SIZE);
        g_autoptr(GBytes) block = g_bytes_new(bytes + (at - start), size);
        gboolean is_last = is_end && at + size == end;

        put_block(fetch, uid, at / CACHE_BLOCK_SIZE, block, is_last);
        has_put = TRUE;
        if (is_last)
            break;
        at += CACHE_BLOCK_SIZE;
    }
    return has_put;
}

/* What the reader kept of it; a command that asks for less will get the rest. */
static void take_kept(ImapFetch *fetch, ImapPiece *piece, const ImapItems *items,
                      const Verdict *verdict)
{
    const ImapValue *body = items->body;
    gboolean is_all = body->len == body->full_len;
    gboolean has_put = put_blocks(fetch, piece->uid, verdict->start, body->bytes, body->len,
                                  verdict->is_end && is_all);

    if (!is_all)
        fetch->job.worker->tells_ahead = FALSE;
    if (fetch->is_whole && !is_all) {
        imap_fetch_send_end(fetch, piece->uid, verdict->end);
        piece_again(fetch, piece);
    } else if (has_put) {
        piece_done(fetch, piece, NULL);
    } else {
        piece_gone(fetch, piece, too_little);
    }
}

static void take_body(ImapFetch *fetch, ImapPiece *piece, const ImapItems *items,
                      const CacheMessage *message)
{
    ImapBackend *backend = fetch->job.worker->backend;
    Verdict verdict = judge(fetch, items, message);

    if (verdict.is_doubtful) {
        imap_backend_set_length(backend, fetch->generation, piece->uid, 0);
        piece_again(fetch, piece);
    } else if (verdict.is_beyond) {
        piece_done(fetch, piece, NULL);
    } else if (verdict.wrong) {
        piece_gone(fetch, piece, verdict.wrong);
    } else {
        if (fetch->is_whole)
            imap_backend_set_length(backend, fetch->generation, piece->uid, verdict.end);
        take_kept(fetch, piece, items, &verdict);
    }
}

/* --- a body that is streamed --- */

/* Something comes: what waits for more of it does not wait in vain. */
static void renew_wants(ImapFetch *fetch)
{
    gint64 now = g_get_monotonic_time();

    if (now - fetch->renewed_us < RENEW_US)
        return;
    fetch->renewed_us = now;
    for (guint i = 0; i < fetch->job.wants->len; i++)
        cache_want_renew(imap_worker_cache(fetch->job.worker),
                         g_array_index(fetch->job.wants, guint64, i));
}

/* What has come is not in flight any more: perhaps there is room for more. */
static void count_down(ImapFetch *fetch)
{
    ImapWorker *worker = fetch->job.worker;
    gboolean was_full = imap_fetch_is_full(worker);
    guint64 n = MIN(fetch->n_asked, CACHE_BLOCK_SIZE);

    fetch->n_asked -= n;
    worker->n_asked -= n;
    if (was_full && !imap_fetch_is_full(worker))
        imap_backend_dispatch_later(worker->backend);
}

static void end_block(ImapFetch *fetch, ImapPiece *piece, guint64 at, gsize len)
{
    ImapStream *stream = &fetch->stream;
    g_autoptr(GBytes) block = g_bytes_new_take(g_steal_pointer(&stream->block), len);
    guint64 nth = at / CACHE_BLOCK_SIZE - fetch->first;

    stream->has_put = TRUE;
    put_block(fetch, stream->uid, at / CACHE_BLOCK_SIZE, block,
              stream->is_end && at + len == stream->end);
    if (nth < piece->wants->len)
        imap_job_want_done(&fetch->job, g_array_index(piece->wants, guint64, nth), NULL);
    renew_wants(fetch);
    count_down(fetch);
}

/* Takes up to the end of a block; returns how many octets that is. */
static gsize take_some(ImapFetch *fetch, ImapPiece *piece, const guint8 *bytes, gsize len)
{
    ImapStream *stream = &fetch->stream;
    gsize off = (gsize)(stream->at % CACHE_BLOCK_SIZE), n;

    if (stream->at < stream->kept_off) {
        n = (gsize)MIN(len, stream->kept_off - stream->at);
        stream->at += n;
        return n;
    }
    n = MIN(len, CACHE_BLOCK_SIZE - off);
    if (!stream->block)
        stream->block = g_malloc(CACHE_BLOCK_SIZE);
    memcpy(stream->block + off, bytes, n);
    stream->at += n;
    if (off + n == CACHE_BLOCK_SIZE || (stream->is_end && stream->at == stream->end))
        end_block(fetch, piece, stream->at - off - n, off + n);
    return n;
}

static void streamed(ImapJob *job, const guint8 *bytes, gsize len)
{
    ImapFetch *fetch = (ImapFetch *)job;
    ImapPiece *piece = g_hash_table_lookup(fetch->pieces, GUINT_TO_POINTER(fetch->stream.uid));

    while (len > 0) {
        gsize n = take_some(fetch, piece, bytes, len);

        bytes += n;
        len -= n;
    }
}

static gboolean announced(ImapJob *job, const ImapItems *items)
{
    ImapFetch *fetch = (ImapFetch *)job;
    CacheMessage message;
    Verdict verdict;

    if ((items->present & TOLD_BEFORE) != TOLD_BEFORE || !is_answer(fetch, items) ||
        find_stranger(fetch, items, &message))
        return FALSE;
    verdict = judge(fetch, items, &message);
    if (verdict.wrong || verdict.is_beyond)
        return FALSE;
    if (fetch->is_whole)
        imap_backend_set_length(job->worker->backend, fetch->generation, items->uid, verdict.end);
    fetch->stream = (ImapStream){
        .uid = items->uid,
        .at = verdict.start,
        .end = verdict.end,
        .kept_off = first_kept(fetch, verdict.start),
        .is_end = verdict.is_end,
    };
    return TRUE;
}

/* The answer is at its end; no octets at all may be left to tell where the section ends. */
static void end_stream(ImapFetch *fetch, ImapPiece *piece)
{
    ImapStream *stream = &fetch->stream;

    if (stream->is_end && stream->end == stream->kept_off)
        end_block(fetch, piece, stream->end, 0);
    g_clear_pointer(&stream->block, g_free);
    stream->uid = 0;
    if (stream->has_put)
        piece_done(fetch, piece, NULL);
    else
        piece_gone(fetch, piece, too_little);
}

/* --- */

static gboolean fetched(ImapJob *job, const ImapItems *items)
{
    ImapFetch *fetch = (ImapFetch *)job;
    ImapPiece *piece = g_hash_table_lookup(fetch->pieces, GUINT_TO_POINTER(items->uid));
    CacheMessage message;
    const char *why;

    if (!is_answer(fetch, items))
        return FALSE;
    why = find_stranger(fetch, items, &message);
    if (why)
        piece_gone(fetch, piece, why);
    else if (fetch->stream.uid)
        end_stream(fetch, piece);
    else
        take_body(fetch, piece, items, &message);
    return TRUE;
}

static void finish(ImapJob *job, const ImapResponse *response, const GError *error)
{
    ImapFetch *fetch = (ImapFetch *)job;
    GHashTableIter iter;
    gpointer piece;

    if (error)
        return;
    /* Answered, but without these. */
    for (;;) {
        g_hash_table_iter_init(&iter, fetch->pieces);
        if (!g_hash_table_iter_next(&iter, NULL, &piece))
            return;
        piece_gone(fetch, piece, not_there);
    }
}

void imap_fetch_expect(ImapFetch *fetch)
{
    fetch->job.announced = announced;
    fetch->job.streamed = streamed;
    fetch->job.fetched = fetched;
    fetch->job.finish = finish;
}

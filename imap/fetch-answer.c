/* SPDX-License-Identifier: MIT */
/* imap/fetch-answer.c - bodies that come: checked before a byte of them is believed.
 *
 * Each answer tells the message's date and size again, which must be those that the index has: so a
 * mailbox that was replaced behind our back cannot put its bytes under another's name.  A long body
 * whose answer tells that ahead, as servers do, is cut into blocks while it comes; another when its
 * answer is at its end, as far as the reader kept it.
 *
 * Where a message does not end where its size says, it is asked for as a whole, once: the length of
 * that is believed, and from then on nothing that contradicts it.
 */
#include <string.h>

#include "imap/fetch.h"

#define TOLD_BEFORE (IMAP_ITEM_UID | IMAP_ITEM_DATE | IMAP_ITEM_SIZE | IMAP_ITEM_BODY)

static const char nothing[] = "the server sent nothing of a part that is not empty";
static const char too_little[] = "the server sent less than it was asked for";

/* What a body is worth, by its place and length. */
typedef struct {
    guint64 start, end; /* octets of the section */
    gboolean is_end;    /* the section ends there, too */
    gboolean is_beyond; /* it begins behind the end of the message */
    gboolean is_doubtful;
    gboolean is_short; /* less of a part than its tree says */
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

/* It is another message, or none. */
static void piece_gone(ImapFetch *fetch, ImapPiece *piece, const char *why)
{
    g_autoptr(GError) error = imap_worker_gone(fetch->job.worker, fetch->job.box, why);

    piece_done(fetch, piece, error);
}

/* It is the message, but not what was asked for of it. */
static void piece_refused(ImapFetch *fetch, ImapPiece *piece, const char *why)
{
    g_autoptr(GError) error = g_error_new(MAIL_ERROR, MAIL_ERROR_PROTOCOL, "%s", why);

    piece_done(fetch, piece, error);
}

/* --- what it is worth --- */

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
    const char *why =
        imap_worker_find_stranger(fetch->job.worker, fetch->generation, items, ret_message);

    return why || *fetch->section || items->present & IMAP_ITEM_BODY ? why : IMAP_NOT_THERE;
}

/* Octets that were sent; NIL is none. */
static guint64 n_sent(const ImapItems *items)
{
    return items->body ? items->body->full_len : 0;
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
    if (!imap_marks_get(fetch->job.worker->account->lengths, fetch->generation, message->uid,
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
    const ImapPiece *piece = g_hash_table_lookup(fetch->pieces, GUINT_TO_POINTER(items->uid));
    guint64 first = (guint64)fetch->first * CACHE_BLOCK_SIZE, length;
    guint64 start = items->has_origin ? items->origin : 0;
    Verdict verdict = {.start = start, .end = start + n_sent(items)};
    gboolean is_sure, is_contradicted;

    verdict.is_end = verdict.end < first + fetch->len;
    if (start > first) {
        verdict.wrong = "the server sent other octets than it was asked for";
        return verdict;
    }
    if (*fetch->section) {
        verdict.is_short = verdict.is_end && n_sent(items) && verdict.end < piece->length;
        if (verdict.is_short)
            verdict.wrong = too_little;
        else
            verdict.wrong = n_sent(items) || first >= piece->length ? NULL : nothing;
        return verdict;
    }
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

/* --- octets to blocks --- */

static void drop_body(ImapFetch *fetch)
{
    g_clear_pointer(&fetch->body.block, g_free);
    fetch->body.uid = 0;
}

/* From now on octets of the message @uid come, from @start up to @end; @is_end: the section ends
 * there. */
static void begin_body(ImapFetch *fetch, guint32 uid, guint64 start, guint64 end, gboolean is_end)
{
    guint64 block = (start + CACHE_BLOCK_SIZE - 1) / CACHE_BLOCK_SIZE;

    drop_body(fetch);
    fetch->body = (ImapBody){
        .uid = uid,
        .at = start,
        .end = end,
        .kept_off = MAX(fetch->first, block) * CACHE_BLOCK_SIZE,
        .is_end = is_end,
    };
}

/* What has come is not in flight any more: perhaps there is room for more. */
static void count_down(ImapFetch *fetch, gsize len)
{
    ImapWorker *worker = fetch->job.worker;
    gboolean was_full = imap_fetch_is_full(worker);
    guint64 n = MIN(fetch->n_asked, len);

    fetch->n_asked -= n;
    worker->n_asked -= n;
    if (was_full && !imap_fetch_is_full(worker))
        worker->events->has_room(worker, worker->owner);
}

/* Stores the block that begins at @off. */
static void end_block(ImapFetch *fetch, const ImapPiece *piece, guint64 off)
{
    ImapBody *body = &fetch->body;
    gsize len = (gsize)(body->at - off);
    g_autoptr(GBytes) block = g_bytes_new_take(g_steal_pointer(&body->block), len);
    guint64 number = off / CACHE_BLOCK_SIZE, nth = number - fetch->first;

    body->has_put = TRUE;
    cache_put_block(imap_worker_cache(fetch->job.worker), fetch->generation, body->uid,
                    fetch->section, (guint32)number, block, body->is_end && body->at == body->end);
    if (nth < piece->wants->len)
        imap_job_want_done(&fetch->job, g_array_index(piece->wants, guint64, nth), NULL);
    imap_job_renew_wants(&fetch->job);
    count_down(fetch, len);
}

/* Takes octets up to the end of a block; returns how many. */
static gsize take_some(ImapFetch *fetch, const ImapPiece *piece, const guint8 *bytes, gsize len)
{
    ImapBody *body = &fetch->body;
    guint64 off = body->at - body->at % CACHE_BLOCK_SIZE;
    guint64 stop = MIN(off + CACHE_BLOCK_SIZE, body->end);

    if (body->at < body->kept_off) {
        len = (gsize)MIN(len, body->kept_off - body->at);
        body->at += len;
        return len;
    }
    len = (gsize)MIN(len, stop - body->at);
    if (!body->block)
        body->block = g_malloc((gsize)(stop - off));
    memcpy(body->block + (body->at - off), bytes, len);
    body->at += len;
    if (body->at == off + CACHE_BLOCK_SIZE || (body->is_end && body->at == body->end))
        end_block(fetch, piece, off);
    return len;
}

static void take_octets(ImapFetch *fetch, const ImapPiece *piece, const guint8 *bytes, gsize len)
{
    len = (gsize)MIN(len, fetch->body.end - fetch->body.at);
    while (len > 0) {
        gsize n = take_some(fetch, piece, bytes, len);

        bytes += n;
        len -= n;
    }
}

/* FALSE when that was not one block. */
static gboolean end_body(ImapFetch *fetch, const ImapPiece *piece)
{
    ImapBody *body = &fetch->body;

    /* That a section ends where a block begins is told by a block without octets. */
    if (body->is_end && body->at == body->end && body->end == body->kept_off)
        end_block(fetch, piece, body->end);
    drop_body(fetch);
    return body->has_put;
}

/* --- answers --- */

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
        imap_marks_set(job->worker->account->lengths, fetch->generation, items->uid, verdict.end);
    begin_body(fetch, items->uid, verdict.start, verdict.end, verdict.is_end);
    return TRUE;
}

static void streamed(ImapJob *job, const guint8 *bytes, gsize len)
{
    ImapFetch *fetch = (ImapFetch *)job;

    take_octets(fetch, g_hash_table_lookup(fetch->pieces, GUINT_TO_POINTER(fetch->body.uid)), bytes,
                len);
}

/* What the reader kept of it; a command that asks for less will get the rest. */
static void take_kept(ImapFetch *fetch, ImapPiece *piece, const ImapItems *items,
                      const Verdict *verdict)
{
    gsize n_kept = items->body ? items->body->len : 0;
    gboolean is_all = n_kept == n_sent(items);

    begin_body(fetch, piece->uid, verdict->start, verdict->start + n_kept,
               verdict->is_end && is_all);
    if (n_kept)
        take_octets(fetch, piece, (const guint8 *)items->body->bytes, n_kept);
    if (!is_all)
        fetch->job.worker->tells_ahead = FALSE;
    if (!end_body(fetch, piece)) {
        piece_refused(fetch, piece, too_little);
    } else if (fetch->is_whole && !is_all) {
        imap_fetch_send_end(fetch, piece->uid, verdict->end);
        piece_again(fetch, piece);
    } else {
        piece_done(fetch, piece, NULL);
    }
}

static void take_answer(ImapFetch *fetch, ImapPiece *piece, const ImapItems *items,
                        const CacheMessage *message)
{
    ImapMarks *lengths = fetch->job.worker->account->lengths;
    Verdict verdict = judge(fetch, items, message);

    if (verdict.is_short)
        cache_doubt_tree(imap_worker_cache(fetch->job.worker), fetch->generation, piece->uid);
    if (verdict.is_doubtful) {
        imap_marks_set(lengths, fetch->generation, piece->uid, 0);
        piece_again(fetch, piece);
    } else if (verdict.is_beyond) {
        piece_done(fetch, piece, NULL);
    } else if (verdict.wrong && verdict.end == verdict.start && !*fetch->section) {
        piece_gone(fetch, piece, verdict.wrong);
    } else if (verdict.wrong) {
        piece_refused(fetch, piece, verdict.wrong);
    } else {
        if (fetch->is_whole)
            imap_marks_set(lengths, fetch->generation, piece->uid, verdict.end);
        take_kept(fetch, piece, items, &verdict);
    }
}

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
    else if (fetch->body.uid != items->uid)
        take_answer(fetch, piece, items, &message);
    else if (end_body(fetch, piece))
        piece_done(fetch, piece, NULL);
    else
        piece_refused(fetch, piece, too_little);
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
        piece_gone(fetch, piece, IMAP_NOT_THERE);
    }
}

void imap_fetch_expect(ImapFetch *fetch)
{
    fetch->job.announced = announced;
    fetch->job.streamed = streamed;
    fetch->job.fetched = fetched;
    fetch->job.finish = finish;
}

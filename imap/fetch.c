/* SPDX-License-Identifier: MIT */
/* imap/fetch.c - blocks of messages: wants merged into few FETCHes, and answers checked before a
 * byte of them is believed.
 *
 * What somebody waits for is asked for first, a message a command.  What is read ahead goes
 * together: many small messages in one command with a UID set.  Each answer tells the message's
 * date and size again, which must be those that the index has: so a mailbox that was replaced
 * behind our back cannot put its bytes under another's name.
 *
 * Where a message does not end where its size says, it is asked for as a whole, once: the length of
 * that is believed, and from then on nothing that contradicts it.
 */
#include <string.h>

#include "imap/backend.h"

#define RUN_MAX       16 /* blocks of one message in a command: 1 MiB */
#define RUN_FIRST     4  /* the same, when somebody waits for the first of them */
#define GROUP_BYTES   ((guint64)4 * 1024 * 1024)
#define GROUP_MAX     256 /* messages */
#define IN_FLIGHT_MAX ((guint64)16 * 1024 * 1024)
#define JOBS_MAX      24

/* One message of a job, and who wants what of it. */
typedef struct {
    guint32 uid;
    GArray *wants; /* guint64 */
} Piece;

typedef struct {
    ImapJob job;
    guint32 generation;
    const char *section; /* interned */
    guint32 first;       /* block */
    guint64 len;         /* octets asked for, from the first block on */
    guint64 n_asked;     /* counted in worker->n_asked */
    gboolean is_whole;   /* BODY[] as it is, to learn its length */
    GHashTable *pieces;  /* uid -> Piece */
} FetchJob;

static void piece_free(gpointer data)
{
    Piece *piece = data;

    g_array_unref(piece->wants);
    g_free(piece);
}

static void clear(ImapJob *job)
{
    FetchJob *fetch = (FetchJob *)job;

    job->worker->n_asked -= fetch->n_asked;
    g_hash_table_unref(fetch->pieces);
}

/* --- answers --- */

static void piece_done(FetchJob *fetch, Piece *piece, const GError *error)
{
    for (guint i = 0; i < piece->wants->len; i++)
        imap_job_want_done(&fetch->job, g_array_index(piece->wants, guint64, i), error);
    g_hash_table_remove(fetch->pieces, GUINT_TO_POINTER(piece->uid));
}

/* Another command will ask for it. */
static void piece_again(FetchJob *fetch, Piece *piece)
{
    for (guint i = 0; i < piece->wants->len; i++)
        imap_job_put_back(&fetch->job, g_array_index(piece->wants, guint64, i));
    g_hash_table_remove(fetch->pieces, GUINT_TO_POINTER(piece->uid));
}

static void piece_gone(FetchJob *fetch, Piece *piece, const char *why)
{
    g_autoptr(GError) error = g_error_new(MAIL_ERROR, MAIL_ERROR_GONE, "%s", why);

    cache_box_suspect(imap_worker_cache(fetch->job.worker), fetch->job.box);
    piece_done(fetch, piece, error);
}

/* Whether the answer speaks of the message that the index has. */
static gboolean is_same_message(const CacheMessage *message, const ImapItems *items)
{
    if (items->present & IMAP_ITEM_DATE && items->date != message->date)
        return FALSE;
    return !(items->present & IMAP_ITEM_SIZE) || message->is_size_proved ||
           items->size == message->size;
}

/* Stores the blocks that [start, start + len) covers; @is_end: the section ends there.  FALSE when
 * that is not one. */
static gboolean put_blocks(FetchJob *fetch, guint32 uid, guint64 start, const char *bytes,
                           gsize len, gboolean is_end)
{
    Cache *cache = imap_worker_cache(fetch->job.worker);
    guint64 end = start + len;
    guint64 number = MAX(fetch->first, (start + CACHE_BLOCK_SIZE - 1) / CACHE_BLOCK_SIZE);
    gboolean has_put = FALSE;

    for (; number <= G_MAXUINT32; number++) {
        guint64 offset = number * CACHE_BLOCK_SIZE;
        guint64 left = end > offset ? end - offset : 0;
        gsize size = MIN(left, CACHE_BLOCK_SIZE);
        gboolean is_last = is_end && left <= CACHE_BLOCK_SIZE;

        if (offset > end || (size < CACHE_BLOCK_SIZE && !is_last))
            return has_put;
        cache_put_block(cache, fetch->generation, uid, fetch->section, (guint32)number,
                        (const guint8 *)bytes + (offset - start), size, is_last);
        has_put = TRUE;
        if (is_last)
            return TRUE;
    }
    return has_put;
}

static void send_end(const FetchJob *fetch, guint32 uid, guint64 length);

/* The whole message, or as much of it as the reader keeps. */
static void take_whole(FetchJob *fetch, Piece *piece, const ImapItems *items,
                       const CacheMessage *message)
{
    const ImapValue *body = items->body;
    guint64 length = body->full_len;

    if (length == 0 || (items->has_origin && items->origin)) {
        piece_gone(fetch, piece, "the server sent an empty message for one that is not");
        return;
    }
    if (length < message->size && cache_has(imap_worker_cache(fetch->job.worker), fetch->generation,
                                            piece->uid, fetch->section, length, 1)) {
        piece_gone(fetch, piece, "the server sends less than it did before");
        return;
    }
    imap_backend_set_length(fetch->job.worker->backend, fetch->generation, piece->uid, length);
    put_blocks(fetch, piece->uid, 0, body->bytes, body->len, body->len == length);
    if (body->len == length) {
        piece_done(fetch, piece, NULL);
        return;
    }
    send_end(fetch, piece->uid, length);
    piece_again(fetch, piece);
}

/* The octets that came, against those that were asked for and those that there are. */
static void take_body(FetchJob *fetch, Piece *piece, const ImapItems *items,
                      const CacheMessage *message)
{
    ImapBackend *backend = fetch->job.worker->backend;
    guint64 first = (guint64)fetch->first * CACHE_BLOCK_SIZE;
    guint64 start = items->has_origin ? items->origin : 0;
    guint64 got_end = start + items->body->full_len;
    gboolean is_end = got_end < first + fetch->len;
    guint64 learned;
    gboolean is_sure =
        *fetch->section || message->is_size_proved ||
        (imap_backend_is_in_doubt(backend, fetch->generation, piece->uid, &learned) && learned);
    guint64 length =
        is_sure && !*fetch->section && !message->is_size_proved ? learned : message->size;

    if (start > first) {
        piece_gone(fetch, piece, "the server sent other octets than it was asked for");
    } else if (!is_sure && (is_end ? got_end != message->size : got_end > message->size)) {
        imap_backend_set_length(backend, fetch->generation, piece->uid, 0);
        piece_again(fetch, piece);
    } else if (!*fetch->section && first > length) {
        piece_done(fetch, piece, NULL);
    } else if (!*fetch->section && (is_end ? got_end != length : got_end > length)) {
        piece_gone(fetch, piece, "the server sent more or less than there is");
    } else if (put_blocks(fetch, piece->uid, start, items->body->bytes, items->body->len,
                          is_end && items->body->len == items->body->full_len)) {
        piece_done(fetch, piece, NULL);
    } else {
        piece_gone(fetch, piece, "the server sent less than it was asked for");
    }
}

static gboolean fetched(ImapJob *job, const ImapItems *items)
{
    FetchJob *fetch = (FetchJob *)job;
    Piece *piece = g_hash_table_lookup(fetch->pieces, GUINT_TO_POINTER(items->uid));
    CacheMessage message;

    if (!piece || job->worker->box != job->box ||
        !(items->present & (IMAP_ITEM_BODY | IMAP_ITEM_BODY_NIL)) ||
        g_ascii_strcasecmp(items->section, fetch->section) != 0)
        return FALSE;
    if (!job->worker->is_in_box ||
        !cache_get_message(imap_worker_cache(job->worker), fetch->generation, items->uid, &message))
        piece_gone(fetch, piece, "the mailbox was replaced by another one");
    else if (!(items->present & IMAP_ITEM_BODY))
        piece_gone(fetch, piece, "the server does not have the message any more");
    else if (!is_same_message(&message, items))
        piece_gone(fetch, piece, "the server has another message under its UID");
    else if (fetch->is_whole)
        take_whole(fetch, piece, items, &message);
    else
        take_body(fetch, piece, items, &message);
    return TRUE;
}

static void finish(ImapJob *job, const ImapResponse *response, const GError *error)
{
    FetchJob *fetch = (FetchJob *)job;
    GHashTableIter iter;
    gpointer piece;

    if (error)
        return;
    /* Answered, but without these. */
    for (;;) {
        g_hash_table_iter_init(&iter, fetch->pieces);
        if (!g_hash_table_iter_next(&iter, NULL, &piece))
            return;
        piece_gone(fetch, piece, "the server does not have the message any more");
    }
}

/* --- questions --- */

typedef struct {
    ImapWorker *worker;
    const CacheBox *box;
    GQueue *todo;         /* CacheWant, those that somebody waits for first */
    GHashTable *by_block; /* uid << 32 | block -> CacheWant of the whole message */
} Batch;

static FetchJob *fetch_new(ImapWorker *worker, guint32 box, guint32 generation, const char *section,
                           guint32 first, guint64 len)
{
    FetchJob *fetch = imap_job_new(worker, sizeof *fetch, box);

    fetch->job.fetched = fetched;
    fetch->job.finish = finish;
    fetch->job.clear = clear;
    fetch->generation = generation;
    fetch->section = section;
    fetch->first = first;
    fetch->len = len;
    fetch->pieces = g_hash_table_new_full(NULL, NULL, NULL, piece_free);
    return fetch;
}

static guint64 block_key(guint32 uid, guint32 block)
{
    return (guint64)uid << 32 | block;
}

static const CacheWant *pending(Batch *batch, const CacheWant *like, guint32 block)
{
    guint64 key = block_key(like->uid, block);
    const CacheWant *want = g_hash_table_lookup(batch->by_block, &key);

    return want && !want->is_taken && want->section == like->section ? want : NULL;
}

/* How many blocks in a row, from that of @want on, are wanted. */
static guint run_length(Batch *batch, const CacheWant *want)
{
    guint n = 1, limit = want->n_waiting ? RUN_FIRST : RUN_MAX;

    while (n < limit && pending(batch, want, want->block + n))
        n++;
    return n;
}

static Piece *add_piece(FetchJob *fetch, guint32 uid)
{
    Piece *piece = g_new0(Piece, 1);

    piece->uid = uid;
    piece->wants = g_array_new(FALSE, FALSE, sizeof(guint64));
    g_hash_table_insert(fetch->pieces, GUINT_TO_POINTER(uid), piece);
    return piece;
}

static void take_run(Batch *batch, FetchJob *fetch, const CacheWant *want, guint n)
{
    Piece *piece = add_piece(fetch, want->uid);
    guint64 asked = (guint64)n * CACHE_BLOCK_SIZE;

    for (guint i = 0; i < n; i++) {
        const CacheWant *one = i ? pending(batch, want, want->block + i) : want;

        g_array_append_val(piece->wants, one->id);
        imap_job_take(&fetch->job, one);
    }
    fetch->n_asked += asked;
    fetch->job.worker->n_asked += asked;
}

static void send(FetchJob *fetch, const MailSet *uids)
{
    ImapCommand *command = imap_worker_command(fetch->job.worker, "UID FETCH");
    g_autofree char *set = mail_set_format(uids);

    imap_command_add(command, set);
    if (fetch->is_whole)
        imap_command_add(command, "(INTERNALDATE RFC822.SIZE BODY.PEEK[])");
    else
        imap_command_addf(command,
                          "(INTERNALDATE RFC822.SIZE BODY.PEEK[%s]<%" G_GUINT64_FORMAT
                          ".%" G_GUINT64_FORMAT ">)",
                          fetch->section, (guint64)fetch->first * CACHE_BLOCK_SIZE, fetch->len);
    imap_job_send(fetch, command);
}

static void send_one(FetchJob *fetch, guint32 uid)
{
    g_autoptr(MailSet) uids = mail_set_new();

    mail_set_add(uids, uid, uid);
    send(fetch, uids);
}

/* For nobody but the cache, which learns from it how long the message is. */
static void send_end(const FetchJob *fetch, guint32 uid, guint64 length)
{
    FetchJob *end = fetch_new(fetch->job.worker, fetch->job.box, fetch->generation, fetch->section,
                              (guint32)(length / CACHE_BLOCK_SIZE), CACHE_BLOCK_SIZE);

    add_piece(end, uid);
    send_one(end, uid);
}

/* One octet more than the message should have: whether it ends there shows then. */
static guint64 length_to_ask(const CacheMessage *message, const CacheWant *want, guint n)
{
    guint64 end = ((guint64)want->block + n) * CACHE_BLOCK_SIZE;

    return (guint64)n * CACHE_BLOCK_SIZE + (!*want->section && end >= message->size);
}

static void send_run(Batch *batch, const CacheWant *want, const CacheMessage *message)
{
    guint n = run_length(batch, want);
    FetchJob *fetch = fetch_new(batch->worker, batch->box->id, batch->box->generation,
                                want->section, want->block, length_to_ask(message, want, n));

    take_run(batch, fetch, want, n);
    send_one(fetch, want->uid);
}

/* Whether the length of @message is to be learned before a byte of it is believed. */
static gboolean is_in_doubt(Batch *batch, const CacheWant *want, const CacheMessage *message)
{
    guint64 length;

    return !*want->section && !message->is_size_proved &&
           imap_backend_is_in_doubt(batch->worker->backend, want->generation, want->uid, &length) &&
           !length;
}

static void send_whole(Batch *batch, const CacheWant *want)
{
    FetchJob *fetch = fetch_new(batch->worker, batch->box->id, batch->box->generation,
                                want->section, 0, G_MAXUINT32);

    fetch->is_whole = TRUE;
    take_run(batch, fetch, want, run_length(batch, want));
    send_one(fetch, want->uid);
}

/* The number of blocks of a message that is wanted whole and fits a command; 0 for others. */
static guint whole(Batch *batch, const CacheWant *want, const CacheMessage *message)
{
    guint n;

    if (want->block != 0 || *want->section || is_in_doubt(batch, want, message) ||
        message->size > (guint64)RUN_MAX * CACHE_BLOCK_SIZE)
        return 0;
    n = run_length(batch, want);
    return (guint64)n * CACHE_BLOCK_SIZE >= message->size ? n : 0;
}

static gboolean get_message(Batch *batch, const CacheWant *want, CacheMessage *ret_message)
{
    return cache_get_message(imap_worker_cache(batch->worker), batch->box->generation, want->uid,
                             ret_message);
}

/* All messages like @first, small or large, that are wanted whole, in one command. */
static void send_group(Batch *batch, const CacheWant *first, guint n_first)
{
    g_autoptr(MailSet) uids = mail_set_new();
    guint limit = n_first == 1 ? 1 : RUN_MAX, n_messages = 0;
    FetchJob *fetch = fetch_new(batch->worker, batch->box->id, batch->box->generation,
                                first->section, 0, (guint64)limit * CACHE_BLOCK_SIZE + 1);
    guint64 bytes = 0;

    for (GList *link = batch->todo->head; link && n_messages < GROUP_MAX && bytes < GROUP_BYTES;
         link = link->next) {
        const CacheWant *want = link->data;
        CacheMessage message;
        guint n;

        if (want->is_taken || !get_message(batch, want, &message))
            continue;
        n = whole(batch, want, &message);
        if (!n || n > limit || (limit > 1 && n == 1))
            continue;
        take_run(batch, fetch, want, n);
        mail_set_add(uids, want->uid, want->uid);
        n_messages++;
        bytes += message.size;
    }
    send(fetch, uids);
}

static void send_want(Batch *batch, const CacheWant *want)
{
    g_autoptr(GError) gone = NULL;
    CacheMessage message;
    guint n;

    if (!get_message(batch, want, &message)) {
        gone = g_error_new(MAIL_ERROR, MAIL_ERROR_GONE, "the message is not there any more");
        cache_want_done(imap_worker_cache(batch->worker), want->id, gone);
        return;
    }
    if (is_in_doubt(batch, want, &message)) {
        send_whole(batch, want);
        return;
    }
    n = want->n_waiting ? 0 : whole(batch, want, &message);
    if (n)
        send_group(batch, want, n);
    else
        send_run(batch, want, &message);
}

static void collect(Batch *batch, gboolean are_waited_for)
{
    for (GList *link = cache_wants(imap_worker_cache(batch->worker))->head; link;
         link = link->next) {
        CacheWant *want = link->data;

        if (want->kind != CACHE_WANT_BLOCK || want->box != batch->box->id || want->is_taken ||
            want->generation != batch->box->generation || (want->n_waiting > 0) != are_waited_for)
            continue;
        g_queue_push_tail(batch->todo, want);
        if (!*want->section) {
            guint64 key = block_key(want->uid, want->block);

            g_hash_table_insert(batch->by_block, g_memdup2(&key, sizeof key), want);
        }
    }
}

void imap_fetch_send(ImapWorker *worker, guint32 box)
{
    g_autoptr(GQueue) todo = g_queue_new();
    g_autoptr(GHashTable) by_block =
        g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    Batch batch = {worker, cache_box(imap_worker_cache(worker), box), todo, by_block};

    if (!batch.box)
        return;
    collect(&batch, TRUE);
    collect(&batch, FALSE);
    for (GList *link = todo->head; link; link = link->next) {
        const CacheWant *want = link->data;

        if (worker->n_asked >= IN_FLIGHT_MAX || worker->jobs.length >= JOBS_MAX)
            return;
        if (!want->is_taken)
            send_want(&batch, want);
    }
}

/* SPDX-License-Identifier: MIT */
/* imap/fetch.c - blocks of messages: wants merged into few FETCHes.
 *
 * What somebody waits for is asked for first, a message a command.  What is read ahead goes
 * together: many small messages, or the same section of many, in one command with a UID set.
 */
#include "imap/fetch.h"

/* Blocks of one message in a command.  One command costs a server much less than many, but where
 * bodies are stored only when their answer is at its end, it must fit what the reader keeps. */
#define RUN_MAX       256
#define RUN_KEPT_MAX  16
#define RUN_FIRST     4 /* there, when somebody waits for the first of them */
#define GROUP_RUN_MAX 16
#define GROUP_BYTES   ((guint64)4 * 1024 * 1024)
#define GROUP_MAX     256 /* messages */
#define IN_FLIGHT_MAX ((guint64)8 * 1024 * 1024)
#define JOBS_MAX      24

static void piece_free(gpointer data)
{
    ImapPiece *piece = data;

    g_array_unref(piece->wants);
    g_free(piece);
}

static void clear(ImapJob *job)
{
    ImapFetch *fetch = (ImapFetch *)job;

    job->worker->n_asked -= fetch->n_asked;
    g_hash_table_unref(fetch->pieces);
    g_free(fetch->body.block);
}

typedef struct {
    ImapWorker *worker;
    const CacheBox *box;
    GQueue *todo;         /* CacheWant, those that somebody waits for first */
    GHashTable *by_block; /* CacheWant -> itself, by message, section and block */
} Batch;

static ImapFetch *fetch_new(ImapWorker *worker, guint32 box, guint32 generation,
                            const char *section, guint32 first, guint64 len)
{
    ImapFetch *fetch = imap_job_new(worker, sizeof *fetch, box);

    imap_fetch_expect(fetch);
    fetch->job.clear = clear;
    fetch->generation = generation;
    fetch->section = section;
    fetch->first = first;
    fetch->len = len;
    fetch->pieces = g_hash_table_new_full(NULL, NULL, NULL, piece_free);
    return fetch;
}

static guint block_hash(gconstpointer data)
{
    const CacheWant *want = data;

    return want->uid * 2654435761u ^ want->block * 97u ^ g_direct_hash(want->section);
}

static gboolean is_same_block(gconstpointer a, gconstpointer b)
{
    const CacheWant *left = a, *right = b;

    return left->uid == right->uid && left->block == right->block &&
           left->section == right->section;
}

static const CacheWant *pending(Batch *batch, const CacheWant *like, guint32 block)
{
    CacheWant key = {.uid = like->uid, .section = like->section, .block = block};
    const CacheWant *want = g_hash_table_lookup(batch->by_block, &key);

    return want && !want->is_taken ? want : NULL;
}

/* How many blocks in a row, from that of @want on, are wanted. */
static guint run_length(Batch *batch, const CacheWant *want)
{
    guint n = 1, limit = RUN_MAX;

    if (!batch->worker->tells_ahead)
        limit = want->n_waiting ? RUN_FIRST : RUN_KEPT_MAX;
    while (n < limit && pending(batch, want, want->block + n))
        n++;
    return n;
}

static ImapPiece *add_piece(ImapFetch *fetch, guint32 uid)
{
    ImapPiece *piece = g_new0(ImapPiece, 1);

    piece->uid = uid;
    piece->wants = g_array_new(FALSE, FALSE, sizeof(guint64));
    g_hash_table_insert(fetch->pieces, GUINT_TO_POINTER(uid), piece);
    return piece;
}

static void take_run(Batch *batch, ImapFetch *fetch, const CacheWant *want, guint n)
{
    ImapPiece *piece = add_piece(fetch, want->uid);
    guint64 start = (guint64)want->block * CACHE_BLOCK_SIZE;
    guint64 asked = (guint64)n * CACHE_BLOCK_SIZE;

    if (want->length > start)
        asked = MIN(asked, want->length - start);
    piece->length = want->length;
    for (guint i = 0; i < n; i++) {
        const CacheWant *one = i ? pending(batch, want, want->block + i) : want;

        g_array_append_val(piece->wants, one->id);
        imap_job_take(&fetch->job, one);
    }
    fetch->n_asked += asked;
    fetch->job.worker->n_asked += asked;
}

static void send(ImapFetch *fetch, const MailSet *uids)
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

static void send_one(ImapFetch *fetch, guint32 uid)
{
    g_autoptr(MailSet) uids = mail_set_new();

    mail_set_add(uids, uid, uid);
    send(fetch, uids);
}

void imap_fetch_send_end(const ImapFetch *fetch, guint32 uid, guint64 length)
{
    ImapFetch *end = fetch_new(fetch->job.worker, fetch->job.box, fetch->generation, fetch->section,
                               (guint32)(length / CACHE_BLOCK_SIZE), CACHE_BLOCK_SIZE);

    add_piece(end, uid);
    send_one(end, uid);
}

/* How long the section of @want is, as far as is known; or 0. */
static guint64 length_of(const CacheWant *want, const CacheMessage *message)
{
    return *want->section ? want->length : message->size;
}

/* One octet more than there should be: whether it ends there shows then. */
static guint64 length_to_ask(const CacheWant *want, const CacheMessage *message, guint n)
{
    guint64 end = ((guint64)want->block + n) * CACHE_BLOCK_SIZE;

    return (guint64)n * CACHE_BLOCK_SIZE + (end >= length_of(want, message));
}

static void send_run(Batch *batch, const CacheWant *want, const CacheMessage *message)
{
    guint n = run_length(batch, want);
    ImapFetch *fetch = fetch_new(batch->worker, batch->box->id, batch->box->generation,
                                 want->section, want->block, length_to_ask(want, message, n));

    take_run(batch, fetch, want, n);
    send_one(fetch, want->uid);
}

/* Whether the length of @message is to be learned before a byte of it is believed. */
static gboolean is_in_doubt(Batch *batch, const CacheWant *want, const CacheMessage *message)
{
    guint64 length;

    return !*want->section && !message->is_size_proved &&
           imap_marks_get(batch->worker->account->lengths, want->generation, want->uid, &length) &&
           !length;
}

static void send_whole(Batch *batch, const CacheWant *want)
{
    ImapFetch *fetch = fetch_new(batch->worker, batch->box->id, batch->box->generation,
                                 want->section, 0, G_MAXUINT32);

    fetch->is_whole = TRUE;
    take_run(batch, fetch, want, run_length(batch, want));
    send_one(fetch, want->uid);
}

/* The number of blocks of what is wanted whole and fits a command; 0 for others. */
static guint whole(Batch *batch, const CacheWant *want, const CacheMessage *message)
{
    guint64 length = length_of(want, message);
    guint n;

    if (want->block != 0 || is_in_doubt(batch, want, message) ||
        length > (guint64)GROUP_RUN_MAX * CACHE_BLOCK_SIZE)
        return 0;
    n = run_length(batch, want);
    return (guint64)n * CACHE_BLOCK_SIZE >= length ? n : 0;
}

static gboolean get_message(Batch *batch, const CacheWant *want, CacheMessage *ret_message)
{
    return cache_get_message(imap_worker_cache(batch->worker), batch->box->generation, want->uid,
                             ret_message);
}

/* All like @first, small or large, that are wanted whole, in one command: messages, or the same
 * section of each. */
static void send_group(Batch *batch, const CacheWant *first, guint n_first)
{
    g_autoptr(MailSet) uids = mail_set_new();
    guint limit = n_first == 1 ? 1 : GROUP_RUN_MAX, n_messages = 0;
    ImapFetch *fetch = fetch_new(batch->worker, batch->box->id, batch->box->generation,
                                 first->section, 0, (guint64)limit * CACHE_BLOCK_SIZE + 1);
    guint64 bytes = 0;

    for (GList *link = batch->todo->head; link && n_messages < GROUP_MAX && bytes < GROUP_BYTES;
         link = link->next) {
        const CacheWant *want = link->data;
        CacheMessage message;
        guint n;

        if (want->is_taken || want->section != first->section ||
            !get_message(batch, want, &message))
            continue;
        n = whole(batch, want, &message);
        if (!n || n > limit || (limit > 1 && n == 1))
            continue;
        take_run(batch, fetch, want, n);
        mail_set_add(uids, want->uid, want->uid);
        n_messages++;
        bytes += length_of(want, &message);
    }
    send(fetch, uids);
}

static void send_want(Batch *batch, const CacheWant *want)
{
    CacheMessage message;
    guint n;

    if (!get_message(batch, want, &message))
        return;
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

/* Whether the message of @want is there; else that ends. */
static gboolean is_there(Batch *batch, const CacheWant *want)
{
    g_autoptr(GError) gone = NULL;
    CacheMessage message;

    if (get_message(batch, want, &message))
        return TRUE;
    gone = g_error_new(MAIL_ERROR, MAIL_ERROR_GONE, "the message is not there any more");
    cache_want_done(imap_worker_cache(batch->worker), want->id, gone);
    return FALSE;
}

static void collect(Batch *batch, gboolean are_waited_for)
{
    for (GList *link = cache_wants(imap_worker_cache(batch->worker))->head, *next; link;
         link = next) {
        CacheWant *want = link->data;

        next = link->next;
        if (!imap_want_is_open(want, CACHE_WANT_BLOCK, batch->box) ||
            (want->n_waiting > 0) != are_waited_for || !is_there(batch, want))
            continue;
        g_queue_push_tail(batch->todo, want);
        g_hash_table_add(batch->by_block, want);
    }
}

gboolean imap_fetch_is_full(const ImapWorker *worker)
{
    return worker->n_asked >= IN_FLIGHT_MAX || worker->jobs.length >= JOBS_MAX;
}

void imap_fetch_send(ImapWorker *worker, guint32 box)
{
    g_autoptr(GQueue) todo = g_queue_new();
    g_autoptr(GHashTable) by_block = g_hash_table_new(block_hash, is_same_block);
    Batch batch = {worker, cache_box(imap_worker_cache(worker), box), todo, by_block};

    if (!batch.box)
        return;
    collect(&batch, TRUE);
    collect(&batch, FALSE);
    for (GList *link = todo->head; link; link = link->next) {
        const CacheWant *want = link->data;

        if (imap_fetch_is_full(worker))
            return;
        if (!want->is_taken)
            send_want(&batch, want);
    }
}

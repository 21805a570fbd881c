/* SPDX-License-Identifier: MIT */
/* imap/look.c - what became of changes whose answer was lost: looking for messages in the mailbox
 * to which they were sent.
 *
 *      enter the target -> fetch what came since -> match -> [note the unsent] -> [sources]
 *
 * Where the target has another UIDVALIDITY than when they were sent, its UIDs say nothing: then all
 * of it is looked at.  What is not found is sent again: a message may be there twice after that,
 * but never be lost.
 */
#include <string.h>

#include "imap/append.h"
#include "imap/prints.h"

typedef struct {
    ImapTask task; /* ids: in the order in which they were sent */
    guint32 target;
    gboolean is_answered; /* the server has said OK to all of them */
    GArray *sought;       /* guint32, those of the ids that can be recognised */
    ImapPrints *prints;   /* of them */
    GArray *unsent;       /* guint32 */
    GArray *sources;      /* ImapSource */
} Look;

static Look *look_of(const ImapWorker *worker)
{
    return (Look *)worker->task;
}

static void clear(ImapTask *task)
{
    Look *look = (Look *)task;

    g_array_unref(look->sought);
    imap_prints_free(look->prints);
    g_array_unref(look->unsent);
    g_array_unref(look->sources);
}

static GArray *ids_new(void)
{
    return g_array_new(FALSE, FALSE, sizeof(guint32));
}

/* --- the end --- */

static void finish(ImapWorker *worker)
{
    Look *look = look_of(worker);
    ImapChangesDone done = look->task.done;
    g_autoptr(GArray) sources = g_array_ref(look->sources);

    if (!sources->len) {
        imap_task_end(worker);
        return;
    }
    imap_task_free(g_steal_pointer(&worker->task));
    imap_sources_start(worker, sources, done);
}

static void on_noted(ImapWorker *worker, const GError *error)
{
    finish(worker);
}

/* --- what was found --- */

/* What is looked for here; mailboxes are where they are changed. */
static gboolean is_of_message(const CacheChange *change)
{
    return change && !change->is_done && change->kind < CACHE_CHANGE_CREATE;
}

static gboolean takes_away(const CacheChange *change)
{
    return change->kind == CACHE_CHANGE_MOVE ||
           (change->kind == CACHE_CHANGE_APPEND && change->uid != 0);
}

/* Whether the answer says that it has come.  MOVE succeeds for messages that it did not take, too,
 * but COPY takes all or none. */
static gboolean is_answered(const ImapWorker *worker, const CacheChange *change)
{
    gboolean has_move = imap_worker_has(worker, "MOVE") || imap_worker_has(worker, "IMAP4REV2");

    return look_of(worker)->is_answered && (change->kind != CACHE_CHANGE_MOVE || !has_move);
}

/* Whether a copy cannot be recognised before more is known of its message: that is asked for. */
static gboolean waits_for_line(const ImapWorker *worker, const CacheChange *change)
{
    Cache *cache = imap_worker_cache(worker);
    CacheMessage message;
    guint64 want;

    return change->kind == CACHE_CHANGE_COPY &&
           !cache_get_message(cache, change->generation, change->uid, &message) &&
           cache_find_message(cache, change->box, change->uid, &message, &want, NULL) == CACHE_WAIT;
}

/* @uid: where it was found, or 0. */
static void settle(ImapWorker *worker, const CacheChange *change, guint32 uid)
{
    Look *look = look_of(worker);
    gboolean has_come = uid || is_answered(worker, change);
    /* UIDs of another UIDVALIDITY than the noted one are of no use to the cache. */
    guint32 new_uid = worker->told.uidvalidity == change->sent_uidvalidity ? uid : 0;
    ImapSource source = {change->id, has_come, new_uid};

    if (takes_away(change) && (has_come || change->kind == CACHE_CHANGE_MOVE))
        g_array_append_val(look->sources, source);
    else if (has_come)
        cache_change_done(imap_worker_cache(worker), change->id, new_uid);
    else if (!waits_for_line(worker, change))
        g_array_append_val(look->unsent, change->id);
}

static void conclude(ImapWorker *worker)
{
    Look *look = look_of(worker);
    g_autoptr(GArray) uids = imap_prints_find(look->prints);
    guint n_sought = 0;

    for (guint i = 0; i < look->task.ids->len; i++) {
        guint32 id = g_array_index(look->task.ids, guint32, i), uid = 0;
        const CacheChange *change = cache_change(imap_worker_cache(worker), id);

        if (n_sought < look->sought->len && g_array_index(look->sought, guint32, n_sought) == id)
            uid = g_array_index(uids, guint32, n_sought++);
        if (is_of_message(change))
            settle(worker, change, uid);
    }
    if (look->unsent->len)
        imap_task_note(worker, look->unsent, 0, 0, on_noted);
    else
        finish(worker);
}

/* It cannot be looked for now: what has come all the same, and takes nothing away, need not wait.
 */
static void give_up(ImapWorker *worker, const GError *error)
{
    const Look *look = look_of(worker);

    for (guint i = 0; look->is_answered && i < look->task.ids->len; i++) {
        guint32 id = g_array_index(look->task.ids, guint32, i);
        const CacheChange *change = cache_change(imap_worker_cache(worker), id);

        if (change && !takes_away(change))
            cache_change_done(imap_worker_cache(worker), id, 0);
    }
    if (error)
        imap_task_put_off(worker, look->target, look->task.ids, error);
    imap_task_end(worker);
}

/* --- looking --- */

static gboolean fetched(ImapJob *job, const ImapItems *items)
{
    ImapWorker *worker = job->worker;
    g_autoptr(MailEnvelope) envelope = NULL;

    if (!(items->present & IMAP_ITEM_ENVELOPE) || !(items->present & IMAP_ITEM_SIZE) ||
        worker->box != job->box)
        return FALSE;
    envelope = imap_envelope_parse(items->envelope);
    imap_prints_tell(look_of(worker)->prints, items->uid,
                     imap_print_new(envelope,
                                    items->present & IMAP_ITEM_DATE ? items->date : G_MININT64,
                                    items->size));
    return TRUE;
}

static void on_fetched(ImapWorker *worker, const GError *error)
{
    if (error && !imap_task_is_final(worker, error)) {
        give_up(worker, error);
        return;
    }
    imap_changes_were_answered(worker, look_of(worker)->target);
    conclude(worker);
}

static gboolean make_print(ImapWorker *worker, const CacheChange *change, ImapPrint *ret_print)
{
    Cache *cache = imap_worker_cache(worker);
    g_autoptr(MailEnvelope) envelope = NULL;
    g_autoptr(GBytes) bytes = NULL;
    CacheMessage message;

    if (change->kind == CACHE_CHANGE_APPEND) {
        bytes = cache_change_data(cache, change->id, NULL);
        if (bytes)
            *ret_print = imap_print_of_bytes(bytes, change->date);
        return bytes != NULL;
    }
    envelope = cache_dup_envelope(cache, change->generation, change->uid);
    if (!envelope || !cache_get_message(cache, change->generation, change->uid, &message))
        return FALSE;
    *ret_print = imap_print_new(envelope, message.date, message.size);
    return TRUE;
}

/* The UID in the target that @change takes the place of, or 0. */
static guint32 replaced_by(const ImapWorker *worker, const CacheChange *change)
{
    return change->kind == CACHE_CHANGE_APPEND && change->box == look_of(worker)->target
               ? change->uid
               : 0;
}

/* Returns the lowest UID that may be one of them; 0: there is nothing to look for. */
static guint32 seek(ImapWorker *worker)
{
    Look *look = look_of(worker);
    guint32 low = 0;

    for (guint i = 0; i < look->task.ids->len; i++) {
        guint32 id = g_array_index(look->task.ids, guint32, i), uidnext = 1;
        const CacheChange *change = cache_change(imap_worker_cache(worker), id);
        ImapPrint print;

        if (!is_of_message(change) || !make_print(worker, change, &print))
            continue;
        if (change->sent_uidvalidity == worker->told.uidvalidity)
            uidnext = MAX(1, change->sent_uidnext);
        low = low ? MIN(low, uidnext) : uidnext;
        g_array_append_val(look->sought, id);
        imap_prints_seek(look->prints, uidnext, replaced_by(worker, change), print);
    }
    return low;
}

static void fetch(ImapWorker *worker)
{
    guint32 low = seek(worker);
    ImapCommand *command;
    ImapJob *step;

    if (!low || !worker->told.exists) {
        conclude(worker);
        return;
    }
    step = imap_step_new(worker, look_of(worker)->target, on_fetched);
    step->fetched = fetched;
    command = imap_worker_command(worker, "UID FETCH");
    imap_command_addf(command, "%u:* (INTERNALDATE RFC822.SIZE ENVELOPE)", low);
    imap_job_send(step, command);
}

static void on_entered(ImapWorker *worker, const GError *error)
{
    if (error) {
        on_fetched(worker, error);
        return;
    }
    imap_worker_check_box(worker);
    fetch(worker);
}

static void start(ImapWorker *worker, const GArray *ids, gboolean is_answered, ImapChangesDone done)
{
    Look *look = imap_task_new(worker, sizeof *look, ids, done, clear);
    const CacheChange *change =
        ids->len ? cache_change(imap_worker_cache(worker), g_array_index(ids, guint32, 0)) : NULL;

    look->target = change ? change->target : 0;
    look->is_answered = is_answered;
    look->sought = ids_new();
    look->prints = imap_prints_new();
    look->unsent = ids_new();
    look->sources = g_array_new(FALSE, FALSE, sizeof(ImapSource));
    /* Anew where it is entered already: what came last may not have been told. */
    if (imap_session_is_closed(worker->session))
        give_up(worker, NULL);
    else if (!change || !imap_examine(worker, look->target, NULL, on_entered))
        conclude(worker);
}

void imap_look_start(ImapWorker *worker, const GArray *ids, ImapChangesDone done)
{
    guint32 first = ids->len ? g_array_index(ids, guint32, 0) : 0;
    const CacheChange *change = cache_change(imap_worker_cache(worker), first);

    if (change && change->kind >= CACHE_CHANGE_CREATE)
        imap_box_change_start(worker, first, done);
    else
        start(worker, ids, FALSE, done);
}

void imap_look_answered(ImapWorker *worker, const GArray *ids, ImapChangesDone done)
{
    start(worker, ids, TRUE, done);
}

/* SPDX-License-Identifier: MIT */
/* imap/sources.c - what is left of messages that a change takes away, where they come from: of
 * moves that were cut off, and of messages that are replaced.
 *
 *      portion of one mailbox -> [confirm] -> [remove] -> next portion -> [note the unsent]
 */
#include "imap/append.h"

typedef struct {
    ImapTask task;
    GArray *sources; /* ImapSource, those that were not looked at */
    GArray *portion; /* ImapSource, those that are */
    guint32 box, generation;
    MailSet *removed; /* of the portion */
    GArray *unsent;   /* guint32 */
} Sources;

static void next(ImapWorker *worker);

static Sources *sources_of(const ImapWorker *worker)
{
    return (Sources *)worker->task;
}

static void clear(ImapTask *task)
{
    Sources *sources = (Sources *)task;

    g_array_unref(sources->sources);
    g_array_unref(sources->portion);
    g_array_unref(sources->removed);
    g_array_unref(sources->unsent);
}

/* --- the end --- */

static void on_noted(ImapWorker *worker, const GError *error)
{
    imap_task_end(worker);
}

static void finish(ImapWorker *worker)
{
    const GArray *unsent = sources_of(worker)->unsent;

    if (unsent->len)
        imap_task_note(worker, unsent, 0, 0, on_noted);
    else
        imap_task_end(worker);
}

/* --- one portion --- */

static void done(ImapWorker *worker, const ImapSource *source)
{
    cache_change_done(imap_worker_cache(worker), source->id, source->new_uid);
}

static void put_off(ImapWorker *worker, const GError *error)
{
    const Sources *sources = sources_of(worker);

    imap_task_put_off(worker, sources->box, sources->task.ids, error);
    imap_task_end(worker);
}

static void on_removed(ImapWorker *worker, const GError *error)
{
    Sources *sources = sources_of(worker);

    if (error && !imap_task_is_final(worker, error)) {
        put_off(worker, error);
        return;
    }
    imap_changes_were_answered(worker, sources->box);
    /* What cannot be removed stays; that it has come is true all the same. */
    for (guint i = 0; i < sources->portion->len; i++) {
        const ImapSource *source = &g_array_index(sources->portion, ImapSource, i);
        const CacheChange *change = cache_change(imap_worker_cache(worker), source->id);

        if (change && mail_set_contains(sources->removed, change->uid))
            done(worker, source);
    }
    next(worker);
}

/* Its message is there as it was. */
static void settle_present(ImapWorker *worker, const ImapSource *source, guint32 uid)
{
    Sources *sources = sources_of(worker);

    if (source->has_come)
        mail_set_add(sources->removed, uid, uid);
    else
        g_array_append_val(sources->unsent, source->id);
}

/* Whether it only counts as a stranger because the cache does not know its message. */
static gboolean is_unknown(const ImapWorker *worker, const CacheChange *change)
{
    CacheMessage message;

    return worker->is_in_box &&
           !cache_get_message(imap_worker_cache(worker), change->generation, change->uid, &message);
}

static void settle_portion(ImapWorker *worker, const MailSet *same, const MailSet *strangers)
{
    const GArray *portion = sources_of(worker)->portion;

    for (guint i = 0; i < portion->len; i++) {
        const ImapSource *source = &g_array_index(portion, ImapSource, i);
        const CacheChange *change = cache_change(imap_worker_cache(worker), source->id);
        gboolean is_stranger;

        if (!change || change->is_done)
            continue;
        is_stranger = mail_set_contains(strangers, change->uid);
        if (mail_set_contains(same, change->uid) ||
            (is_stranger && !source->has_come && is_unknown(worker, change)))
            settle_present(worker, source, change->uid);
        /* One that has not come is looked for again when the mailbox was compared. */
        else if (source->has_come || !is_stranger)
            done(worker, source);
    }
}

/* The mailbox cannot be entered, or is another one. */
static void fail_portion(ImapWorker *worker, const GError *error)
{
    const GArray *portion = sources_of(worker)->portion;

    for (guint i = 0; i < portion->len; i++) {
        const ImapSource *source = &g_array_index(portion, ImapSource, i);

        if (source->has_come)
            done(worker, source);
        else if (!g_error_matches(error, MAIL_ERROR, MAIL_ERROR_GONE))
            cache_change_refused(imap_worker_cache(worker), source->id, error);
    }
}

static void on_confirmed(ImapWorker *worker, const MailSet *same, const MailSet *strangers,
                         const GError *error)
{
    Sources *sources = sources_of(worker);

    if (error && !imap_task_is_final(worker, error) &&
        !g_error_matches(error, MAIL_ERROR, MAIL_ERROR_GONE)) {
        put_off(worker, error);
        return;
    }
    if (error)
        fail_portion(worker, error);
    else
        settle_portion(worker, same, strangers);
    if (sources->removed->len)
        imap_remove(worker, sources->box, sources->removed, on_removed);
    else
        on_removed(worker, NULL);
}

/* Takes the first ones that are of one mailbox; returns their UIDs. */
static MailSet *take_portion(ImapWorker *worker)
{
    Sources *sources = sources_of(worker);
    GArray *left = g_array_new(FALSE, FALSE, sizeof(ImapSource));
    MailSet *uids = mail_set_new();

    g_array_set_size(sources->portion, 0);
    g_array_set_size(sources->removed, 0);
    for (guint i = 0; i < sources->sources->len; i++) {
        const ImapSource *source = &g_array_index(sources->sources, ImapSource, i);
        const CacheChange *change = cache_change(imap_worker_cache(worker), source->id);

        if (!change || change->is_done)
            continue;
        if (!sources->portion->len) {
            sources->box = change->box;
            sources->generation = change->generation;
        }
        if (change->box == sources->box && change->generation == sources->generation &&
            sources->portion->len < IMAP_CONFIRM_MAX) {
            g_array_append_val(sources->portion, *source);
            mail_set_add(uids, change->uid, change->uid);
        } else {
            g_array_append_val(left, *source);
        }
    }
    g_array_unref(sources->sources);
    sources->sources = left;
    return uids;
}

static void next(ImapWorker *worker)
{
    g_autoptr(MailSet) uids = take_portion(worker);
    const Sources *sources = sources_of(worker);

    if (uids->len)
        imap_confirm_start(worker, sources->box, sources->generation, uids, on_confirmed);
    else
        finish(worker);
}

void imap_sources_start(ImapWorker *worker, const GArray *array, ImapChangesDone done_func)
{
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(guint32));
    Sources *sources;

    for (guint i = 0; i < array->len; i++)
        g_array_append_val(ids, g_array_index(array, ImapSource, i).id);
    sources = imap_task_new(worker, sizeof *sources, ids, done_func, clear);
    sources->sources = g_array_copy((GArray *)array);
    sources->portion = g_array_new(FALSE, FALSE, sizeof(ImapSource));
    sources->removed = mail_set_new();
    sources->unsent = g_array_new(FALSE, FALSE, sizeof(guint32));
    next(worker);
}

/* SPDX-License-Identifier: MIT */
/* imap/probe.c - what must be known before messages are changed: that they are there, that they are
 * the ones that the cache knows, and what their targets have. */
#include <string.h>

#include "imap/batch.h"

#define PROBED_ALL_MAX 100 /* of so many messages each is looked at */
#define PROBED         20  /* of more, so many */

static ImapBatch *batch_of(const ImapWorker *worker)
{
    return (ImapBatch *)worker->task;
}

static void end_step(ImapBatch *batch, const GError *error)
{
    if (error && !batch->error)
        batch->error = g_error_copy(error);
    imap_batch_step_done(batch);
}

static const ImapMessageChange *change_at(const ImapBatch *batch, guint nth)
{
    return &g_array_index(batch->changes, ImapMessageChange, nth);
}

/* --- the mailbox --- */

static void on_entered(ImapWorker *worker, const GError *error)
{
    if (!error)
        imap_worker_check_box(worker);
    end_step(batch_of(worker), error);
}

static gboolean enter(ImapBatch *batch)
{
    ImapWorker *worker = batch->task.worker;

    batch->may_be_behind = imap_worker_has_selected(worker, batch->box);
    if (batch->may_be_behind)
        return TRUE;
    batch->n_steps++;
    if (imap_examine(worker, batch->box, NULL, on_entered))
        return TRUE;
    batch->error = g_error_new(MAIL_ERROR, MAIL_ERROR_NOT_FOUND, "there is no such mailbox");
    imap_batch_step_done(batch);
    return FALSE;
}

/* --- presence --- */

static void ask_presence(ImapBatch *batch);

static void on_refreshed(ImapWorker *worker, const GError *error)
{
    if (!error)
        ask_presence(batch_of(worker));
    end_step(batch_of(worker), error);
}

/* A session may not see what has come since its last command, nor in the one behind it as long as
 * that is not answered. */
static void refresh(ImapBatch *batch)
{
    batch->may_be_behind = FALSE;
    batch->n_steps++;
    imap_job_send(imap_step_new(batch->task.worker, batch->box, on_refreshed),
                  imap_worker_command(batch->task.worker, "NOOP"));
}

static gboolean lacks_some(const ImapBatch *batch, const MailSet *present)
{
    for (guint i = 0; i < batch->changes->len; i++)
        if (!mail_set_contains(present, change_at(batch, i)->uid))
            return TRUE;
    return FALSE;
}

static void on_present(ImapWorker *worker, MailSet *uids, const GError *error)
{
    ImapBatch *batch = batch_of(worker);

    if (uids && batch->may_be_behind && lacks_some(batch, uids)) {
        refresh(batch);
        end_step(batch, NULL);
        return;
    }
    if (uids) {
        g_array_unref(batch->present);
        batch->present = g_array_ref(uids);
    }
    end_step(batch, error);
}

/* What does not fit in a line is asked for with all that is between. */
static char *format_criteria(const MailSet *uids)
{
    g_autofree char *set = mail_set_format(uids);

    if (strlen(set) <= IMAP_SET_LEN_MAX)
        return g_strconcat("UID ", set, NULL);
    return g_strdup_printf("UID %u:%u", mail_set_range(uids, 0)->first,
                           mail_set_range(uids, uids->len - 1)->last);
}

static void ask_presence(ImapBatch *batch)
{
    g_autoptr(MailSet) uids = imap_group_dup_uids(batch->changes);
    g_autofree char *criteria = format_criteria(uids);

    batch->n_steps++;
    imap_uids_search(batch->task.worker, batch->box, criteria, on_present);
}

/* --- identity --- */

static gboolean on_probed(ImapJob *job, const ImapItems *items)
{
    Cache *cache = imap_worker_cache(job->worker);
    ImapBatch *batch = batch_of(job->worker);
    CacheMessage message;

    if (!(items->present & IMAP_ITEM_DATE) || !mail_set_contains(batch->probed, items->uid))
        return FALSE;
    if (cache_get_message(cache, batch->generation, items->uid, &message) && message.is_listed &&
        !imap_is_same_message(cache, &message, items))
        mail_set_add(batch->strangers, items->uid, items->uid);
    return TRUE;
}

/* One that is gone meanwhile (RFC 9051 7.1, EXPUNGEISSUED) is no reason to doubt the others. */
static void on_probed_all(ImapWorker *worker, const GError *error)
{
    gboolean is_gone = g_error_matches(error, MAIL_ERROR, MAIL_ERROR_GONE);

    end_step(batch_of(worker), is_gone ? NULL : error);
}

static gboolean is_destructive(const ImapMessageChange *change)
{
    return change->kind == CACHE_CHANGE_MOVE || change->kind == CACHE_CHANGE_EXPUNGE ||
           change->add & MAIL_FLAG_DELETED;
}

/* Those that could do the most harm. */
static GArray *dup_grave(const ImapBatch *batch)
{
    GArray *changes = g_array_new(FALSE, FALSE, sizeof(ImapMessageChange));

    for (guint i = 0; i < batch->changes->len; i++)
        if (is_destructive(change_at(batch, i)))
            g_array_append_val(changes, *change_at(batch, i));
    if (!changes->len)
        g_array_append_vals(changes, batch->changes->data, batch->changes->len);
    return changes;
}

static void choose_probed(ImapBatch *batch)
{
    g_autoptr(GArray) changes = dup_grave(batch);
    guint n = changes->len <= PROBED_ALL_MAX ? changes->len : PROBED;

    for (guint i = 0; i < n; i++) {
        guint nth = n == 1 ? 0 : (guint)((guint64)i * (changes->len - 1) / (n - 1));
        guint32 uid = g_array_index(changes, ImapMessageChange, nth).uid;

        mail_set_add(batch->probed, uid, uid);
    }
}

/* Some servers give UIDs to other messages, and do not tell. */
static void ask_identity(ImapBatch *batch)
{
    ImapWorker *worker = batch->task.worker;
    g_autofree char *set = NULL;
    ImapCommand *command;
    ImapJob *step;

    choose_probed(batch);
    if (!batch->probed->len)
        return;
    set = mail_set_format(batch->probed);
    command = imap_worker_command(worker, "UID FETCH");
    imap_command_addf(command, "%s (INTERNALDATE RFC822.SIZE)", set);
    step = imap_step_new(worker, batch->box, on_probed_all);
    step->fetched = on_probed;
    batch->n_steps++;
    imap_job_send(step, command);
}

/* --- targets --- */

/* Some servers do not tell UIDNEXT. */
static void set_told(ImapBatch *batch, ImapTarget *target, guint32 uidvalidity, guint32 uidnext)
{
    guint32 newest = cache_newest_uid(imap_worker_cache(batch->task.worker), target->box);

    target->uidvalidity = uidvalidity;
    target->uidnext = uidnext ? uidnext : MIN(newest, G_MAXUINT32 - 1) + 1;
}

ImapTarget *imap_batch_target(ImapBatch *batch, guint32 box)
{
    const ImapTold *told = &batch->task.worker->told;
    ImapTarget new = {.box = box};

    for (guint i = 0; i < batch->targets->len; i++) {
        ImapTarget *target = &g_array_index(batch->targets, ImapTarget, i);

        if (target->box == box)
            return target;
    }
    /* STATUS is not for the mailbox that was entered (RFC 9051 6.3.11); what came since it was is
     * known. */
    if (box == batch->box) {
        set_told(batch, &new, told->uidvalidity, 0);
        new.uidnext = MAX(new.uidnext, told->uidnext);
    }
    g_array_append_val(batch->targets, new);
    return &g_array_index(batch->targets, ImapTarget, batch->targets->len - 1);
}

static ImapTarget *find_target(const ImapBatch *batch, const char *wire)
{
    for (guint i = 0; i < batch->targets->len; i++) {
        ImapTarget *target = &g_array_index(batch->targets, ImapTarget, i);
        const CacheBox *box = cache_box(imap_worker_cache(batch->task.worker), target->box);

        if (box && g_strcmp0(box->wire, wire) == 0)
            return target;
    }
    return NULL;
}

/* Answers come in any order (RFC 9051 5.5); of a mailbox that has another name meanwhile, what the
 * cache knows has to do. */
static void on_status(ImapWorker *worker, const ImapStatus *status, const GError *error)
{
    ImapBatch *batch = batch_of(worker);
    ImapTarget *target = find_target(batch, status->wire);

    if (target && error)
        target->error = g_error_copy(error);
    else if (target)
        set_told(batch, target, status->uidvalidity, status->uidnext);
    imap_batch_step_done(batch);
}

static void ask_target(ImapBatch *batch, ImapTarget *target)
{
    const CacheBox *box = cache_box(imap_worker_cache(batch->task.worker), target->box);

    if (box && box->wire) {
        batch->n_steps++;
        set_told(batch, target, 0, 0);
        imap_status_send(batch->task.worker, box->wire, on_status);
    } else {
        target->error = g_error_new(MAIL_ERROR, MAIL_ERROR_NOT_FOUND, "there is no such mailbox");
    }
}

static void ask_targets(ImapBatch *batch)
{
    for (guint i = 0; i < batch->changes->len; i++) {
        guint32 target = change_at(batch, i)->target;

        if (target && target != batch->box)
            imap_batch_target(batch, target);
    }
    for (guint i = 0; i < batch->targets->len; i++)
        ask_target(batch, &g_array_index(batch->targets, ImapTarget, i));
}

void imap_batch_ask(ImapBatch *batch)
{
    if (!enter(batch))
        return;
    ask_presence(batch);
    ask_identity(batch);
    ask_targets(batch);
}

/* SPDX-License-Identifier: MIT */
/* imap/message-changes.c - a batch of changes of messages: what is sent of it, and what becomes of
 * it. */
#include <string.h>

#include "imap/batch.h"

#define IN_VAIN_MAX  64   /* so many refusals in a row, and halving ends */
#define TRANSFER_MAX 1000 /* copied by one command: each answer shows that the server goes on */

/* --- life --- */

static void clear_target(gpointer data)
{
    g_clear_error(&((ImapTarget *)data)->error);
}

static void unit_unref(ImapUnit *unit)
{
    if (--unit->n_refs)
        return;
    g_array_unref(unit->changes);
    g_clear_pointer(&unit->new_uids, g_hash_table_unref);
    g_clear_error(&unit->error);
    g_free(unit);
}

static void clear(ImapTask *task)
{
    ImapBatch *batch = (ImapBatch *)task;

    g_array_unref(batch->changes);
    g_array_unref(batch->targets);
    g_array_unref(batch->present);
    g_array_unref(batch->probed);
    g_array_unref(batch->strangers);
    g_ptr_array_unref(batch->unnoted);
    g_ptr_array_unref(batch->halves);
    g_array_unref(batch->unplaced);
    g_clear_error(&batch->error);
}

static Cache *cache_of(const ImapBatch *batch)
{
    return imap_worker_cache(batch->task.worker);
}

static gboolean is_closed(const ImapBatch *batch)
{
    return imap_session_is_closed(batch->task.worker->session);
}

static void take_changes(ImapBatch *batch)
{
    for (guint i = 0; i < batch->task.ids->len; i++) {
        const CacheChange *change =
            cache_change(cache_of(batch), g_array_index(batch->task.ids, guint32, i));
        ImapMessageChange copy;

        if (!change)
            continue;
        copy = (ImapMessageChange){change->id,     change->uid, change->kind,
                                   change->target, change->add, change->remove};
        batch->generation = change->generation;
        g_array_append_val(batch->changes, copy);
    }
}

/* The cache has settled some itself, where their mailbox was found to be gone meanwhile. */
static void drop_settled(ImapBatch *batch, GArray *changes)
{
    for (guint i = changes->len; i-- > 0;) {
        guint32 id = g_array_index(changes, ImapMessageChange, i).id;
        const CacheChange *change = cache_change(cache_of(batch), id);

        if (!change || change->is_done)
            g_array_remove_index(changes, i);
    }
}

static void refuse(ImapBatch *batch, const GArray *changes, const GError *error)
{
    for (guint i = 0; i < changes->len; i++)
        cache_change_refused(cache_of(batch), g_array_index(changes, ImapMessageChange, i).id,
                             error);
}

/* --- units --- */

typedef struct {
    ImapJob job;
    ImapUnit *unit;
} UnitJob;

static void clear_job(ImapJob *job)
{
    unit_unref(((UnitJob *)job)->unit);
}

ImapUnit *imap_unit_of(ImapJob *job)
{
    return ((UnitJob *)job)->unit;
}

ImapCommand *imap_unit_command(const ImapUnit *unit, const char *name)
{
    ImapCommand *command = imap_worker_command(unit->batch->task.worker, name);
    g_autoptr(MailSet) uids = imap_group_dup_uids(unit->changes);
    g_autofree char *set = mail_set_format(uids);

    imap_command_add(command, set);
    return command;
}

static void finish_job(ImapJob *job, const ImapResponse *response, const GError *error)
{
    ImapUnit *unit = imap_unit_of(job);

    imap_changes_renew(job->worker);
    if (response)
        imap_transfer_told(unit, response);
    if (error && !unit->error)
        unit->error = g_error_copy(error);
    if (--unit->n_commands == 0)
        unit->end(unit);
}

void imap_unit_send(ImapUnit *unit, ImapCommand *command,
                    gboolean (*untagged)(ImapJob *job, const ImapResponse *response))
{
    UnitJob *job = imap_job_new(unit->batch->task.worker, sizeof *job, unit->batch->box);

    job->job.untagged = untagged;
    job->job.finish = finish_job;
    job->job.clear = clear_job;
    job->unit = unit;
    unit->n_refs++;
    unit->n_commands++;
    imap_job_send(job, command);
}

/* Of @changes: of one group, which fit in a line. */
static ImapUnit *unit_new(ImapBatch *batch, const GArray *changes)
{
    ImapUnit *unit = g_new0(ImapUnit, 1);

    unit->batch = batch;
    unit->changes = g_array_copy((GArray *)changes);
    unit->n_refs = 1;
    unit->end = imap_unit_end;
    batch->n_steps++;
    return unit;
}

static void send_unit(ImapUnit *unit)
{
    CacheChangeKind kind = g_array_index(unit->changes, ImapMessageChange, 0).kind;

    if (kind == CACHE_CHANGE_FLAGS)
        imap_store_send(unit);
    else if (kind == CACHE_CHANGE_EXPUNGE || unit->is_copied)
        imap_removal_send(unit);
    else
        imap_transfer_send(unit);
}

static gboolean is_transfer(const ImapMessageChange *change)
{
    return change->kind == CACHE_CHANGE_MOVE || change->kind == CACHE_CHANGE_COPY;
}

/* Those that the server does not name among what it took were not there. */
static void settle_transfer(ImapUnit *unit, const ImapMessageChange *change)
{
    Cache *cache = cache_of(unit->batch);
    g_autoptr(GError) gone = NULL;
    gpointer new_uid = NULL;

    if (!unit->new_uids) {
        g_array_append_val(unit->batch->unplaced, change->id);
    } else if (g_hash_table_lookup_extended(unit->new_uids, GUINT_TO_POINTER(change->uid), NULL,
                                            &new_uid)) {
        cache_change_done(cache, change->id, GPOINTER_TO_UINT(new_uid));
    } else {
        gone = g_error_new(MAIL_ERROR, MAIL_ERROR_GONE, IMAP_NOT_THERE);
        cache_change_refused(cache, change->id, gone);
    }
}

static void settle(ImapUnit *unit, const ImapMessageChange *change)
{
    if (is_transfer(change))
        settle_transfer(unit, change);
    else
        cache_change_done(cache_of(unit->batch), change->id, 0);
}

/* Those that are named in a COPYUID were taken before the rest was refused (RFC 6851 3.3). */
static void settle_taken(ImapUnit *unit)
{
    for (guint i = unit->changes->len; unit->new_uids && i-- > 0;) {
        const ImapMessageChange *change = &g_array_index(unit->changes, ImapMessageChange, i);

        if (g_hash_table_contains(unit->new_uids, GUINT_TO_POINTER(change->uid))) {
            settle(unit, change);
            g_array_remove_index(unit->changes, i);
        }
    }
}

/* From the step that was refused: nothing is copied twice. */
static void add_halves(const ImapUnit *unit)
{
    g_autoptr(GPtrArray) halves = imap_group_halve(unit->changes);

    for (guint i = halves->len; i-- > 0;) {
        ImapUnit *half = unit_new(unit->batch, halves->pdata[i]);

        half->is_copied = unit->is_copied;
        half->new_uids =
            unit->is_copied && unit->new_uids ? g_hash_table_ref(unit->new_uids) : NULL;
        g_ptr_array_add(unit->batch->halves, half);
    }
}

/* One after the other, so that of few bad ones among many no long row is refused. */
static void send_next_half(ImapBatch *batch)
{
    ImapUnit *half = g_ptr_array_steal_index(batch->halves, batch->halves->len - 1);

    drop_settled(batch, half->changes);
    if (half->changes->len)
        send_unit(half);
    else
        imap_unit_end(half);
}

static void drop_halves(ImapBatch *batch)
{
    batch->n_steps -= batch->halves->len;
    g_ptr_array_set_size(batch->halves, 0);
}

static void end_refused(ImapUnit *unit)
{
    ImapBatch *batch = unit->batch;

    if (!unit->is_copied)
        settle_taken(unit);
    drop_settled(batch, unit->changes);
    batch->n_in_vain++;
    if (unit->changes->len > 1 && batch->n_in_vain < IN_VAIN_MAX &&
        !imap_task_is_final(batch->task.worker, unit->error))
        add_halves(unit);
    else
        refuse(batch, unit->changes, unit->error);
}

void imap_unit_end(ImapUnit *unit)
{
    ImapBatch *batch = unit->batch;

    if (!unit->error) {
        batch->n_in_vain = 0;
        for (guint i = 0; i < unit->changes->len; i++)
            settle(unit, &g_array_index(unit->changes, ImapMessageChange, i));
    } else if (!imap_task_must_wait(batch->task.worker, unit->error)) {
        end_refused(unit);
    } else {
        drop_halves(batch);
    }
    unit_unref(unit);
    imap_batch_step_done(batch);
}

/* --- sending --- */

/* The name of the target is in the line, too. */
static gsize set_len_max(const ImapBatch *batch, const GArray *group)
{
    const CacheBox *target =
        cache_box(cache_of(batch), g_array_index(group, ImapMessageChange, 0).target);
    gsize name_len = target && target->wire ? 2 * strlen(target->wire) : 0;

    return IMAP_SET_LEN_MAX - MIN(name_len, IMAP_SET_LEN_MAX / 2);
}

static void send_group(ImapBatch *batch, GArray *group)
{
    gsize len_max = set_len_max(batch, group);
    guint max =
        is_transfer(&g_array_index(group, ImapMessageChange, 0)) ? TRANSFER_MAX : group->len;
    g_autoptr(GPtrArray) pieces = NULL;

    drop_settled(batch, group);
    pieces = imap_group_cut(group, max, len_max);
    for (guint i = 0; i < pieces->len; i++)
        send_unit(unit_new(batch, pieces->pdata[i]));
}

static void note_next(ImapBatch *batch);

static void on_noted(ImapWorker *worker, const GError *error)
{
    ImapBatch *batch = (ImapBatch *)worker->task;
    g_autoptr(GArray) group = g_ptr_array_steal_index(batch->unnoted, batch->unnoted->len - 1);

    if (is_closed(batch))
        g_ptr_array_set_size(batch->unnoted, 0);
    else if (!error)
        send_group(batch, group);
    note_next(batch);
}

/* What could be done twice is noted before it is sent. */
static void note_next(ImapBatch *batch)
{
    const GArray *group;
    const ImapTarget *target;
    g_autoptr(GArray) ids = NULL;

    if (!batch->unnoted->len) {
        imap_batch_step_done(batch);
        return;
    }
    group = batch->unnoted->pdata[batch->unnoted->len - 1];
    target = imap_batch_target(batch, g_array_index(group, ImapMessageChange, 0).target);
    ids = imap_group_dup_ids(group);
    imap_task_note(batch->task.worker, ids, target->uidvalidity, target->uidnext, on_noted);
}

static gboolean is_refused_here(const ImapBatch *batch, const ImapMessageChange *change)
{
    return batch->task.worker->told.is_read_only && change->kind != CACHE_CHANGE_COPY;
}

static void start_group(ImapBatch *batch, GArray *group)
{
    const ImapMessageChange *first = &g_array_index(group, ImapMessageChange, 0);
    const ImapTarget *target = is_transfer(first) ? imap_batch_target(batch, first->target) : NULL;
    g_autoptr(GArray) ids = imap_group_dup_ids(group);
    g_autoptr(GError) read_only = NULL;

    if (is_refused_here(batch, first)) {
        read_only = g_error_new(MAIL_ERROR, MAIL_ERROR_READ_ONLY, "the mailbox is read-only");
        refuse(batch, group, read_only);
    } else if (!target) {
        send_group(batch, group);
    } else if (!target->error) {
        imap_changes_were_answered(batch->task.worker, target->box);
        g_ptr_array_add(batch->unnoted, g_array_ref(group));
    } else {
        imap_task_put_off(batch->task.worker, target->box, ids, target->error);
    }
}

static void send_all(ImapBatch *batch)
{
    g_autoptr(GPtrArray) groups = imap_groups_new(batch->changes);

    batch->n_steps++;
    for (guint i = 0; i < groups->len; i++)
        start_group(batch, groups->pdata[i]);
    note_next(batch);
}

/* What is gone need not be changed, and cannot be taken anywhere. */
static void settle_absent(ImapBatch *batch)
{
    g_autoptr(GError) gone = g_error_new(MAIL_ERROR, MAIL_ERROR_GONE, IMAP_NOT_THERE);

    for (guint i = batch->changes->len; i-- > 0;) {
        const ImapMessageChange change = g_array_index(batch->changes, ImapMessageChange, i);

        if (mail_set_contains(batch->present, change.uid))
            continue;
        g_array_remove_index_fast(batch->changes, i);
        if (is_transfer(&change))
            cache_change_refused(cache_of(batch), change.id, gone);
        else
            cache_change_done(cache_of(batch), change.id, 0);
    }
}

/* --- the course --- */

/* What is done to them was meant for others. */
static void refuse_strangers(ImapBatch *batch)
{
    g_autoptr(GError) gone =
        g_error_new(MAIL_ERROR, MAIL_ERROR_GONE, "the server has another message under its UID");

    for (guint i = 0; i < batch->changes->len; i++) {
        const ImapMessageChange *change = &g_array_index(batch->changes, ImapMessageChange, i);

        if (mail_set_contains(batch->strangers, change->uid))
            cache_change_refused(cache_of(batch), change->id, gone);
    }
    cache_put_gone(cache_of(batch), batch->box, batch->strangers);
}

/* Nothing is sent before the mailbox was compared anew. */
static void doubt(ImapBatch *batch)
{
    const CacheBox *box = cache_box(cache_of(batch), batch->box);
    guint64 want;

    g_message("%s: the mailbox may be another one than it was", box ? box->name : "gone");
    cache_box_suspect(cache_of(batch), batch->box);
    cache_box_is_fresh(cache_of(batch), batch->box, G_MAXINT64, &want, NULL);
}

/* All that was asked was answered. */
static void conclude(ImapBatch *batch)
{
    ImapWorker *worker = batch->task.worker;

    if (batch->error) {
        imap_task_put_off(worker, batch->box, batch->task.ids, batch->error);
        imap_task_end(worker);
        return;
    }
    imap_changes_were_answered(worker, batch->box);
    if (!worker->is_in_box || batch->strangers->len) {
        if (worker->is_in_box)
            refuse_strangers(batch);
        doubt(batch);
        imap_task_end(worker);
    } else {
        settle_absent(batch);
        send_all(batch);
    }
}

/* Takes out of unplaced those that are in the target of the first. */
static GArray *steal_of_one_target(ImapBatch *batch)
{
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(guint32));
    guint32 target = 0;

    for (guint i = 0; i < batch->unplaced->len;) {
        guint32 id = g_array_index(batch->unplaced, guint32, i);
        const CacheChange *change = cache_change(cache_of(batch), id);
        guint32 its = change ? change->target : 0;

        if (target && its != target) {
            i++;
            continue;
        }
        target = its;
        g_array_append_val(ids, id);
        g_array_remove_index(batch->unplaced, i);
    }
    return ids;
}

/* What the server took without telling new UIDs is looked for, in one target; in the others it will
 * be seen when they are listed. */
static void end(ImapBatch *batch)
{
    ImapWorker *worker = batch->task.worker;
    ImapChangesDone done = batch->task.done;
    g_autoptr(GArray) ids = steal_of_one_target(batch);

    for (guint i = 0; i < batch->unplaced->len; i++)
        cache_change_done(cache_of(batch), g_array_index(batch->unplaced, guint32, i), 0);
    if (!ids->len) {
        imap_task_end(worker);
        return;
    }
    imap_task_free(g_steal_pointer(&worker->task));
    imap_look_answered(worker, ids, done);
}

void imap_batch_step_done(ImapBatch *batch)
{
    if (--batch->n_steps > 0) {
        if (batch->n_steps == batch->halves->len)
            send_next_half(batch);
        return;
    }
    if (!batch->is_sent) {
        batch->is_sent = TRUE;
        conclude(batch);
    } else {
        end(batch);
    }
}

void imap_message_changes_start(ImapWorker *worker, guint32 box, const GArray *ids,
                                ImapChangesDone done)
{
    ImapBatch *batch = imap_task_new(worker, sizeof *batch, ids, done, clear);

    batch->box = box;
    batch->changes = g_array_new(FALSE, FALSE, sizeof(ImapMessageChange));
    batch->targets = g_array_new(FALSE, TRUE, sizeof(ImapTarget));
    g_array_set_clear_func(batch->targets, clear_target);
    batch->present = mail_set_new();
    batch->probed = mail_set_new();
    batch->strangers = mail_set_new();
    batch->unplaced = g_array_new(FALSE, FALSE, sizeof(guint32));
    batch->unnoted = g_ptr_array_new_with_free_func((GDestroyNotify)g_array_unref);
    batch->halves = g_ptr_array_new_with_free_func((GDestroyNotify)unit_unref);
    take_changes(batch);
    batch->n_steps = 1;
    imap_batch_ask(batch);
    imap_batch_step_done(batch);
}

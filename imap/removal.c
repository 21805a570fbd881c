/* SPDX-License-Identifier: MIT */
/* imap/removal.c - messages that go for good: \Deleted and UID EXPUNGE (RFC 4315 2.1), never
 * EXPUNGE or CLOSE, for these take also what others marked. */
#include "imap/batch.h"

#define MARK "+FLAGS.SILENT (\\Deleted)"

static gboolean has_uid_expunge(const ImapWorker *worker)
{
    return imap_worker_has(worker, "UIDPLUS") || imap_worker_has(worker, "IMAP4REV2");
}

void imap_removal_send(ImapUnit *unit)
{
    ImapCommand *mark = imap_unit_command(unit, "UID STORE");

    imap_command_add(mark, MARK);
    imap_unit_send(unit, mark, NULL);
    if (has_uid_expunge(unit->batch->task.worker))
        imap_unit_send(unit, imap_unit_command(unit, "UID EXPUNGE"), NULL);
}

/* --- outside of batches --- */

typedef struct {
    guint n_refs;
    GError *error;
    void (*gone)(ImapWorker *worker, const GError *error);
} Removal;

typedef struct {
    ImapJob job;
    Removal *removal;
} RemovalJob;

static void clear(ImapJob *job)
{
    Removal *removal = ((RemovalJob *)job)->removal;

    if (--removal->n_refs)
        return;
    g_clear_error(&removal->error);
    g_free(removal);
}

static void finish(ImapJob *job, const ImapResponse *response, const GError *error)
{
    Removal *removal = ((RemovalJob *)job)->removal;

    if (error && !removal->error)
        removal->error = g_error_copy(error);
    if (removal->n_refs == 1)
        removal->gone(job->worker, removal->error);
}

static void send(ImapWorker *worker, guint32 box, Removal *removal, ImapCommand *command)
{
    RemovalJob *job = imap_job_new(worker, sizeof *job, box);

    job->job.finish = finish;
    job->job.clear = clear;
    job->removal = removal;
    removal->n_refs++;
    imap_job_send(job, command);
}

static void remove_piece(ImapWorker *worker, guint32 box, Removal *removal, const char *set)
{
    ImapCommand *command = imap_worker_command(worker, "UID STORE");

    imap_command_addf(command, "%s %s", set, MARK);
    send(worker, box, removal, command);
    if (!has_uid_expunge(worker))
        return;
    command = imap_worker_command(worker, "UID EXPUNGE");
    imap_command_add(command, set);
    send(worker, box, removal, command);
}

void imap_remove(ImapWorker *worker, guint32 box, const MailSet *uids,
                 void (*gone)(ImapWorker *worker, const GError *error))
{
    g_auto(GStrv) sets = imap_set_cut(uids, IMAP_SET_LEN_MAX);
    Removal *removal;

    if (!uids->len) {
        gone(worker, NULL);
        return;
    }
    removal = g_new0(Removal, 1);
    removal->gone = gone;
    for (char **set = sets; *set; set++)
        remove_piece(worker, box, removal, *set);
}

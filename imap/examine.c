/* SPDX-License-Identifier: MIT */
/* imap/examine.c - entering a mailbox (RFC 9051 6.3.2, 6.3.3, RFC 7162 3.1, 3.2.5). */
#include <string.h>

#include "imap/worker.h"

typedef struct {
    ImapJob job;
    gboolean has_parameters;
    gboolean is_select;
    guint32 generation;
    void (*done)(ImapWorker *worker, const GError *error);
} Examine;

/* From here on what comes untagged is of the new mailbox. */
static void begin(ImapJob *job)
{
    ImapWorker *worker = job->worker;

    worker->box = job->box;
    worker->entered = ((Examine *)job)->generation;
    worker->has_selected = ((Examine *)job)->is_select;
    worker->is_in_box = worker->is_synced = worker->is_dirty = worker->has_new_flags = FALSE;
    g_free(worker->told.mailboxid);
    worker->told = (ImapTold){0};
    worker->n_untold = 0;
}

static gboolean is_refusal(const GError *error)
{
    return g_error_matches(error, MAIL_ERROR, MAIL_ERROR_SERVER) ||
           g_error_matches(error, MAIL_ERROR, MAIL_ERROR_PROTOCOL);
}

static void finish(ImapJob *job, const ImapResponse *response, const GError *error)
{
    g_autoptr(GError) told = NULL;
    const CacheBox *box = cache_box(imap_worker_cache(job->worker), job->box);

    if (error) {
        job->worker->box = 0;
        job->worker->is_simple |= ((Examine *)job)->has_parameters && is_refusal(error);
        told = g_error_copy(error);
        g_prefix_error(&told, "%s: ", box ? box->name : "a mailbox");
    } else {
        job->worker->is_in_box = TRUE;
        job->worker->told.is_read_only = response->code && g_str_equal(response->code, "READ-ONLY");
    }
    ((Examine *)job)->done(job->worker, told);
}

/* Whether the server shall tell what changed. */
static gboolean add_parameters(const ImapWorker *worker, const CacheSync *known,
                               ImapCommand *command)
{
    gboolean has_qresync = imap_session_has_enabled(worker->session, "QRESYNC");

    if (worker->is_simple)
        return FALSE;
    if (known && known->uidvalidity && known->modseq && known->is_complete && has_qresync)
        imap_command_addf(command, "(QRESYNC (%u %" G_GUINT64_FORMAT "))", known->uidvalidity,
                          known->modseq);
    else if (worker->does_lists && imap_worker_has(worker, "CONDSTORE") && !has_qresync)
        imap_command_add(command, "(CONDSTORE)");
    else
        return FALSE;
    return TRUE;
}

gboolean imap_examine(ImapWorker *worker, guint32 id, const CacheSync *known,
                      void (*done)(ImapWorker *worker, const GError *error))
{
    const CacheBox *box = cache_box(imap_worker_cache(worker), id);
    gboolean is_select = worker->does_changes;
    g_autoptr(ImapCommand) command = imap_worker_command(worker, is_select ? "SELECT" : "EXAMINE");
    Examine *examine;

    if (!box || !box->wire || box->attributes & CACHE_BOX_NOSELECT ||
        !imap_command_add_string(command, box->wire, strlen(box->wire), NULL))
        return FALSE;
    examine = imap_job_new(worker, sizeof *examine, id);
    examine->is_select = is_select;
    examine->generation = box->generation;
    examine->has_parameters = add_parameters(worker, known, command);
    examine->job.begin = begin;
    examine->job.finish = finish;
    examine->done = done;
    imap_job_send(examine, g_steal_pointer(&command));
    return TRUE;
}

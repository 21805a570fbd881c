/* SPDX-License-Identifier: MIT */
/* imap/idle.c - hearing what others do while there is nothing to do: IDLE (RFC 2177) in the mailbox
 * that was listed last. */
#include "imap/worker.h"

#define QUIET_MS   1000 /* without a command: who lists a mailbox often lists another one next */
#define NEWS_MS    50   /* more of it may come */
#define LOSSES_MAX 3    /* by accident */
#define LOSS_US    ((gint64)90 * G_USEC_PER_SEC)

static gboolean can_idle(const ImapWorker *worker)
{
    return worker->does_lists && !worker->does_changes && worker->has_listed &&
           imap_worker_is_ready(worker) && !worker->jobs.length && !worker->sync &&
           worker->is_in_box && worker->is_synced && !worker->lacks_idle &&
           *worker->account->n_idle_losses < LOSSES_MAX && imap_worker_has(worker, "IDLE");
}

static void finish(ImapJob *job, const ImapResponse *response, const GError *error)
{
    ImapWorker *worker = job->worker;
    gint64 age_us = g_get_monotonic_time() - worker->used_us;

    worker->is_idling = FALSE;
    worker->lacks_idle |= error && !imap_session_is_closed(worker->session);
    /* Some things on the way do not know it, though the server does. */
    if (job->is_culprit && age_us < LOSS_US)
        ++*worker->account->n_idle_losses;
}

static gboolean on_quiet(gpointer data)
{
    ImapWorker *worker = data;
    ImapJob *job;

    worker->quiet_source = 0;
    if (g_get_monotonic_time() - worker->used_us < (gint64)QUIET_MS * 1000) {
        imap_idle_later(worker);
    } else if (can_idle(worker)) {
        job = imap_job_new(worker, sizeof *job, worker->box);
        job->finish = finish;
        worker->is_idling = TRUE;
        imap_job_send(job, imap_command_new_idle());
    }
    return G_SOURCE_REMOVE;
}

void imap_idle_later(ImapWorker *worker)
{
    if (!worker->quiet_source && can_idle(worker))
        worker->quiet_source = g_timeout_add(QUIET_MS, on_quiet, worker);
}

static gboolean on_news(gpointer data)
{
    ImapWorker *worker = data;
    CacheSync known;

    worker->news_source = 0;
    if (!worker->sync && worker->is_in_box && worker->is_synced)
        imap_sync_start(worker, worker->box,
                        cache_sync(imap_worker_cache(worker), worker->box, &known) &&
                            known.is_complete);
    return G_SOURCE_REMOVE;
}

void imap_idle_heard(ImapWorker *worker)
{
    if (worker->is_idling && !worker->news_source)
        worker->news_source = g_timeout_add(NEWS_MS, on_news, worker);
}

void imap_idle_clear(ImapWorker *worker)
{
    g_clear_handle_id(&worker->quiet_source, g_source_remove);
    g_clear_handle_id(&worker->news_source, g_source_remove);
}

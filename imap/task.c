/* SPDX-License-Identifier: MIT */
/* imap/task.c - something done about changes that takes several commands. */
#include "imap/append.h"

#include <string.h>

/* What the cache holds while something is noted: it cannot be taken back. */
typedef struct ImapTicket {
    ImapWorker *worker; /* NULL: the task is over */
    void (*noted)(ImapWorker *worker, const GError *error);
} ImapTicket;

gpointer imap_task_new(ImapWorker *worker, gsize size, const GArray *ids, ImapChangesDone done,
                       void (*clear)(ImapTask *task))
{
    ImapTask *task = g_malloc0(size);

    task->worker = worker;
    task->ids = g_array_copy((GArray *)ids);
    task->done = done;
    task->clear = clear;
    for (guint i = 0; i < ids->len; i++)
        cache_change_take(imap_worker_cache(worker), g_array_index(ids, guint32, i));
    g_assert(!worker->task);
    worker->task = task;
    return task;
}

void imap_task_free(ImapTask *task)
{
    if (!task)
        return;
    if (task->ticket)
        task->ticket->worker = NULL;
    for (guint i = 0; i < task->ids->len; i++)
        cache_change_put_back(imap_worker_cache(task->worker),
                              g_array_index(task->ids, guint32, i));
    if (task->clear)
        task->clear(task);
    imap_confirm_free(task->confirm);
    g_array_unref(task->ids);
    g_free(task);
}

void imap_task_end(ImapWorker *worker)
{
    ImapTask *task = g_steal_pointer(&worker->task);
    ImapChangesDone done = task->done;

    imap_task_free(task);
    done(worker);
}

gboolean imap_task_must_wait(const ImapWorker *worker, const GError *error)
{
    return imap_session_is_closed(worker->session) ||
           g_error_matches(error, MAIL_ERROR, MAIL_ERROR_BUSY);
}

gboolean imap_task_is_final(const ImapWorker *worker, const GError *error)
{
    return !imap_session_is_closed(worker->session) &&
           (g_error_matches(error, MAIL_ERROR, MAIL_ERROR_NOT_FOUND) ||
            g_error_matches(error, MAIL_ERROR, MAIL_ERROR_PERMISSION) ||
            g_error_matches(error, MAIL_ERROR, MAIL_ERROR_READ_ONLY));
}

void imap_task_refuse(ImapWorker *worker, const GArray *ids, const GError *error)
{
    for (guint i = 0; i < ids->len; i++)
        cache_change_refused(imap_worker_cache(worker), g_array_index(ids, guint32, i), error);
}

void imap_task_put_off(ImapWorker *worker, guint32 box, const GArray *ids, const GError *error)
{
    if (!imap_task_must_wait(worker, error) &&
        (imap_task_is_final(worker, error) || !imap_changes_may_ask_again(worker, box)))
        imap_task_refuse(worker, ids, error);
}

/* --- noting --- */

static void on_noted(const GError *error, gpointer data)
{
    g_autofree ImapTicket *ticket = data;

    if (!ticket->worker)
        return;
    ticket->worker->task->ticket = NULL;
    ticket->noted(ticket->worker, error);
}

void imap_task_note(ImapWorker *worker, const GArray *ids, guint32 uidvalidity, guint32 uidnext,
                    void (*noted)(ImapWorker *worker, const GError *error))
{
    ImapTicket *ticket = g_new0(ImapTicket, 1);

    *ticket = (ImapTicket){worker, noted};
    worker->task->ticket = ticket;
    cache_changes_note_sent(imap_worker_cache(worker), ids, uidvalidity, uidnext, on_noted, ticket);
}

/* --- commands --- */

static void finish(ImapJob *job, const ImapResponse *response, const GError *error)
{
    ((ImapStep *)job)->then(job->worker, error);
}

ImapJob *imap_step_new(ImapWorker *worker, guint32 box,
                       void (*then)(ImapWorker *worker, const GError *error))
{
    ImapStep *step = imap_job_new(worker, sizeof *step, box);

    step->job.finish = finish;
    step->then = then;
    return &step->job;
}

void imap_step_send(ImapJob *step, const char *name, const char *wire)
{
    ImapCommand *command = imap_worker_command(step->worker, name);

    if (!imap_command_add_string(command, wire, strlen(wire), NULL))
        g_assert_not_reached(); /* only a NUL cannot be sent */
    imap_job_send(step, command);
}

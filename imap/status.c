/* SPDX-License-Identifier: MIT */
/* imap/status.c - what a mailbox has, without entering it. */
#include <string.h>

#include "imap/hierarchy.h"
#include "imap/task.h"

typedef struct {
    ImapJob job;
    char *wire;
    ImapStatus status;
    void (*then)(ImapWorker *worker, const ImapStatus *status, const GError *error);
} StatusJob;

static guint32 to_uid(guint64 number)
{
    return number <= G_MAXUINT32 ? (guint32)number : 0;
}

static gboolean untagged(ImapJob *job, const ImapResponse *response);

static gboolean is_alone(const ImapJob *job)
{
    for (GList *link = job->worker->jobs.head; link; link = link->next)
        if (link->data != job && ((const ImapJob *)link->data)->untagged == untagged)
            return FALSE;
    return TRUE;
}

/* Some servers call a mailbox by another name than they were asked for. */
static gboolean is_asked(const StatusJob *job, const ImapValue *name)
{
    const char *wire = imap_value_text(name);

    return (wire && imap_is_same_box(wire, job->wire)) || is_alone(&job->job);
}

/* "* STATUS box (MESSAGES 2 UIDNEXT 5)" */
static gboolean untagged(ImapJob *job, const ImapResponse *response)
{
    ImapStatus *status = &((StatusJob *)job)->status;
    const ImapValue *list = response->values ? response->values->next : NULL;
    guint64 number;

    if (!g_str_equal(response->name, "STATUS") || !is_asked((StatusJob *)job, response->values))
        return FALSE;
    for (const ImapValue *value = list ? list->first : NULL; value && value->next;
         value = value->next->next) {
        if (!imap_value_number(value->next, &number))
            continue;
        if (imap_value_is(value, "UIDVALIDITY"))
            status->uidvalidity = to_uid(number);
        else if (imap_value_is(value, "UIDNEXT"))
            status->uidnext = to_uid(number);
        else if (imap_value_is(value, "APPENDLIMIT"))
            status->append_limit = number;
        else if (imap_value_is(value, "MESSAGES")) {
            status->has_messages = TRUE;
            status->messages = number;
        }
    }
    return TRUE;
}

static void finish(ImapJob *job, const ImapResponse *response, const GError *error)
{
    const StatusJob *status = (StatusJob *)job;

    status->then(job->worker, &status->status, error);
}

static void clear(ImapJob *job)
{
    g_free(((StatusJob *)job)->wire);
}

static void ask(ImapWorker *worker, const char *wire, const char *items,
                void (*then)(ImapWorker *worker, const ImapStatus *status, const GError *error))
{
    StatusJob *job = imap_job_new(worker, sizeof *job, 0);
    ImapCommand *command = imap_worker_command(worker, "STATUS");

    job->job.untagged = untagged;
    job->job.finish = finish;
    job->job.clear = clear;
    job->wire = g_strdup(wire);
    job->status.wire = job->wire;
    job->then = then;
    if (!imap_command_add_string(command, wire, strlen(wire), NULL))
        g_assert_not_reached(); /* only a NUL cannot be sent */
    imap_command_add(command, items);
    imap_job_send(job, command);
}

void imap_status_send(ImapWorker *worker, const char *wire,
                      void (*then)(ImapWorker *worker, const ImapStatus *status,
                                   const GError *error))
{
    ask(worker, wire, "(MESSAGES UIDNEXT UIDVALIDITY)", then);
}

void imap_status_send_limit(ImapWorker *worker, const char *wire,
                            void (*then)(ImapWorker *worker, const ImapStatus *status,
                                         const GError *error))
{
    ask(worker, wire, "(APPENDLIMIT)", then);
}

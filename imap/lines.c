/* SPDX-License-Identifier: MIT */
/* imap/lines.c - listing messages: UID, flags, date, size and envelope. */
#include <string.h>

#include "imap/worker.h"

#define LINE_ITEMS    "(FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)"
#define SET_TEXT_MAX  4000 /* octets of a set in one command; some servers take 8,000 a line */
#define IN_FLIGHT_MAX 4

typedef struct {
    ImapJob job;
    MailSet *missing;   /* of what was asked, what has not come yet */
    gboolean is_single; /* the UIDs were named by the reader, and may well not exist */
} LinesJob;

static void clear(ImapJob *job)
{
    g_array_unref(((LinesJob *)job)->missing);
}

static gboolean fetched(ImapJob *job, const ImapItems *items)
{
    LinesJob *lines = (LinesJob *)job;
    Cache *cache = imap_worker_cache(job->worker);
    g_autoptr(MailEnvelope) envelope = NULL;
    CacheMessage message = {.uid = items->uid};

    /* Without a size there is nothing to show: such a message counts as not told of. */
    if (!(items->present & IMAP_ITEM_SIZE) || !mail_set_contains(lines->missing, items->uid) ||
        job->worker->box != job->box)
        return FALSE;
    mail_set_remove(lines->missing, items->uid, items->uid);
    message.size = items->size;
    message.date = items->present & IMAP_ITEM_DATE ? items->date : 0;
    message.flags = imap_flags_parse(cache, items->flags);
    envelope = imap_envelope_parse(items->present & IMAP_ITEM_ENVELOPE ? items->envelope : NULL);
    cache_put_line(cache, job->box, &message, envelope);
    return TRUE;
}

static void forget_missing(LinesJob *lines)
{
    Cache *cache = imap_worker_cache(lines->job.worker);
    g_autofree char *text = mail_set_format(lines->missing);

    if (!lines->missing->len)
        return;
    if (!lines->is_single)
        g_debug("the server counts the messages %.100s, but does not tell of them", text);
    if (!lines->is_single && lines->job.box == lines->job.worker->box)
        lines->job.worker->n_untold += mail_set_count(lines->missing);
    cache_put_gone(cache, lines->job.box, lines->missing);
}

static void finish(ImapJob *job, const ImapResponse *response, const GError *error)
{
    if (error)
        return;
    forget_missing((LinesJob *)job);
    imap_job_wants_done(job, NULL);
}

static LinesJob *lines_new(ImapWorker *worker, gboolean is_single)
{
    LinesJob *lines = imap_job_new(worker, sizeof *lines, worker->box);

    lines->job.fetched = fetched;
    lines->job.finish = finish;
    lines->job.clear = clear;
    lines->missing = mail_set_new();
    lines->is_single = is_single;
    return lines;
}

static void send(LinesJob *lines)
{
    ImapCommand *command = imap_worker_command(lines->job.worker, "UID FETCH");
    g_autofree char *set = mail_set_format(lines->missing);

    imap_command_add(command, set);
    imap_command_add(command, LINE_ITEMS);
    imap_job_send(lines, command);
}

/* Ranges from @set's start that make no more than SET_TEXT_MAX; removed from it. */
static void cut_set(MailSet *set, MailSet *part)
{
    gsize len = 0;
    guint n = 0;

    while (n < set->len && len < SET_TEXT_MAX) {
        const MailRange *range = mail_set_range(set, n++);

        mail_set_add(part, range->first, range->last);
        len += sizeof "4294967295:4294967295";
    }
    g_array_remove_range(set, 0, n);
}

static void send_window(ImapWorker *worker, const CacheWant *want)
{
    g_autoptr(MailSet) set =
        cache_dup_unlisted(imap_worker_cache(worker), want->box, want->low, want->uid);
    LinesJob *lines;

    if (!set->len) {
        cache_want_done(imap_worker_cache(worker), want->id, NULL);
        return;
    }
    do {
        lines = lines_new(worker, FALSE);
        cut_set(set, lines->missing);
        if (!set->len)
            imap_job_take(&lines->job, want);
        send(lines);
    } while (set->len);
}

static void send_single(ImapWorker *worker, const CacheWant *want)
{
    LinesJob *lines = lines_new(worker, TRUE);

    mail_set_add(lines->missing, want->uid, want->uid);
    imap_job_take(&lines->job, want);
    send(lines);
}

static guint n_in_flight(const ImapWorker *worker)
{
    guint n = 0;

    for (GList *link = worker->jobs.head; link; link = link->next)
        n += ((ImapJob *)link->data)->fetched == fetched;
    return n;
}

void imap_lines_send(ImapWorker *worker)
{
    Cache *cache = imap_worker_cache(worker);
    guint n = n_in_flight(worker);

    for (GList *link = cache_wants(cache)->head, *next; link; link = next) {
        const CacheWant *want = link->data;

        next = link->next;
        if (want->box != worker->box || want->is_taken)
            continue;
        if (want->kind == CACHE_WANT_LINE) {
            send_single(worker, want);
        } else if (want->kind == CACHE_WANT_LINES && n < IN_FLIGHT_MAX) {
            send_window(worker, want);
            n++;
        }
    }
}

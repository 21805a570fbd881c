/* SPDX-License-Identifier: MIT */
/* imap/uids.c - asking which messages there are: UID SEARCH (RFC 9051 6.4.4). */
#include "imap/worker.h"

typedef struct {
    ImapJob job;
    GArray *told; /* MailRange, as they come */
    GError *error;
    void (*done)(ImapWorker *worker, MailSet *uids, const GError *error);
} Search;

static void clear(ImapJob *job)
{
    g_array_unref(((Search *)job)->told);
    g_clear_error(&((Search *)job)->error);
}

static void fail(Search *search, MailError code, const char *why)
{
    if (!search->error)
        search->error = g_error_new(MAIL_ERROR, code, "list the messages: %s", why);
}

/* UIDs in a row, as they mostly come, are one range. */
static void add_uid(GArray *ranges, guint32 uid)
{
    MailRange *last = ranges->len ? &g_array_index(ranges, MailRange, ranges->len - 1) : NULL;
    MailRange range = {uid, uid};

    if (last && last->last == uid - 1)
        last->last = uid;
    else
        g_array_append_val(ranges, range);
}

/* "* SEARCH 2 3 6" */
static void on_search(Search *search, const ImapValue *value)
{
    guint64 uid;

    for (; value; value = value->next)
        if (imap_value_number(value, &uid) && uid && uid <= G_MAXUINT32)
            add_uid(search->told, (guint32)uid);
}

/* "* ESEARCH (TAG "A1") UID ALL 2:3,6" (RFC 4731) */
static void on_esearch(Search *search, const ImapValue *value)
{
    for (; value && value->next; value = value->next) {
        const char *text = imap_value_is(value, "ALL") ? imap_value_text(value->next) : NULL;
        g_autoptr(MailSet) set = text ? mail_set_parse(text, IMAP_MESSAGES_MAX) : NULL;

        if (set)
            g_array_append_vals(search->told, set->data, set->len);
        else if (text)
            fail(search, MAIL_ERROR_PROTOCOL, "the server's list makes no sense");
    }
}

static gboolean untagged(ImapJob *job, const ImapResponse *response)
{
    Search *search = (Search *)job;

    if (g_str_equal(response->name, "SEARCH"))
        on_search(search, response->values);
    else if (g_str_equal(response->name, "ESEARCH"))
        on_esearch(search, response->values);
    else
        return FALSE;
    if (response->is_cut || search->told->len > IMAP_MESSAGES_MAX)
        fail(search, MAIL_ERROR_TOO_BIG, "there are too many");
    if (search->error)
        g_array_set_size(search->told, 0);
    return TRUE;
}

static void finish(ImapJob *job, const ImapResponse *response, const GError *error)
{
    Search *search = (Search *)job;
    g_autoptr(MailSet) uids = mail_set_join(search->told);

    if (mail_set_count(uids) > IMAP_MESSAGES_MAX)
        fail(search, MAIL_ERROR_TOO_BIG, "there are too many");
    if (!error)
        error = search->error;
    search->done(job->worker, error ? NULL : uids, error);
}

void imap_uids_search(ImapWorker *worker, guint32 box, const char *criteria,
                      void (*done)(ImapWorker *worker, MailSet *uids, const GError *error))
{
    Search *search = imap_job_new(worker, sizeof *search, box);
    ImapCommand *command = imap_worker_command(worker, "UID SEARCH");

    search->job.untagged = untagged;
    search->job.finish = finish;
    search->job.clear = clear;
    search->told = g_array_new(FALSE, FALSE, sizeof(MailRange));
    search->done = done;
    if (imap_worker_has(worker, "ESEARCH"))
        imap_command_add(command, "RETURN (ALL)");
    imap_command_add(command, criteria);
    imap_job_send(search, command);
}

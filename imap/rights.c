/* SPDX-License-Identifier: MIT */
/* imap/rights.c - what may be done in a mailbox: what SELECT tells (RFC 9051 6.3.2, 7.1), and
 * MYRIGHTS (RFC 4314); and how much more it takes: GETQUOTAROOT (RFC 9208), APPENDLIMIT (RFC 7889).
 */
#include <string.h>

#include "imap/letters.h"
#include "imap/quota.h"
#include "imap/task.h"

struct ImapRights {
    guint32 box;
    guint n_steps;
    char *letters;    /* NULL: the server told none */
    ImapQuota *quota; /* NULL: likewise */
    guint64 append_limit;
    GError *error;
    ImapChangesDone done;
};

void imap_rights_free(struct ImapRights *rights)
{
    if (!rights)
        return;
    g_free(rights->letters);
    imap_quota_free(rights->quota);
    g_clear_error(&rights->error);
    g_free(rights);
}

/* --- the end --- */

static CacheRights tell_rights(const ImapTold *told, const char *letters)
{
    CacheRights rights = {.is_read_only = told->is_read_only,
                          .may_insert = !told->is_read_only,
                          .may_remove = !told->is_read_only,
                          .may_create = TRUE,
                          .may_rename = TRUE};

    if (!told->is_read_only) {
        rights.permanent = told->has_permanent ? told->permanent : told->flags;
        rights.may_invent = told->may_invent;
    }
    if (rights.may_invent)
        rights.permanent |= MAIL_FLAG_FORWARDED; /* a keyword, too */
    if (letters)
        imap_letters_apply(letters, &rights);
    return rights;
}

/* Octets are told in units, perhaps rounded up: so much is used at least. */
static void apply_quota(const ImapQuota *quota, CacheRights *rights)
{
    imap_quota_tell(quota, &rights->storage, &rights->messages);
    rights->storage.used -= MIN(rights->storage.used, 1023);
}

static void end_wants(Cache *cache, guint32 box, const GError *error)
{
    for (GList *link = cache_wants(cache)->head, *next; link; link = next) {
        const CacheWant *want = link->data;

        next = link->next;
        if (want->kind == CACHE_WANT_RIGHTS && want->box == box)
            cache_want_done(cache, want->id, error);
    }
}

/* After the loss of the connection another one is asked. */
static void end_step(ImapWorker *worker)
{
    struct ImapRights *rights = worker->rights;
    Cache *cache = imap_worker_cache(worker);
    ImapChangesDone done = rights->done;
    CacheRights told;

    if (--rights->n_steps)
        return;
    if (!imap_session_is_closed(worker->session)) {
        told = tell_rights(&worker->told, rights->letters);
        told.append_limit = rights->append_limit;
        if (rights->quota)
            apply_quota(rights->quota, &told);
        if (!rights->error)
            cache_put_rights(cache, rights->box, &told);
        end_wants(cache, rights->box, rights->error);
    }
    imap_rights_free(g_steal_pointer(&worker->rights));
    done(worker);
}

/* --- SELECT --- */

static void on_entered(ImapWorker *worker, const GError *error)
{
    if (error)
        worker->rights->error = g_error_copy(error);
    else
        imap_worker_check_box(worker);
    end_step(worker);
}

static void enter(ImapWorker *worker, guint32 box)
{
    if (imap_worker_has_selected(worker, box))
        return;
    worker->rights->n_steps++;
    if (imap_examine(worker, box, NULL, on_entered))
        return;
    worker->rights->error =
        g_error_new(MAIL_ERROR, MAIL_ERROR_NOT_FOUND, "there is no such mailbox");
    end_step(worker);
}

/* --- MYRIGHTS, GETQUOTAROOT and APPENDLIMIT: a server that does not tell still decides --- */

/* "* MYRIGHTS INBOX lrsw" */
static gboolean on_myrights(ImapJob *job, const ImapResponse *response)
{
    struct ImapRights *rights = job->worker->rights;
    const char *letters = response->values ? imap_value_text(response->values->next) : NULL;

    if (!g_str_equal(response->name, "MYRIGHTS"))
        return FALSE;
    g_free(rights->letters);
    rights->letters = g_strdup(letters);
    return TRUE;
}

static void finish_myrights(ImapJob *job, const ImapResponse *response, const GError *error)
{
    end_step(job->worker);
}

static gboolean on_quota(ImapJob *job, const ImapResponse *response)
{
    return imap_quota_take(job->worker->rights->quota, response);
}

static void finish_quota(ImapJob *job, const ImapResponse *response, const GError *error)
{
    if (error)
        g_clear_pointer(&job->worker->rights->quota, imap_quota_free);
    end_step(job->worker);
}

static void ask(ImapWorker *worker, const char *name,
                gboolean (*untagged)(ImapJob *job, const ImapResponse *response),
                void (*finish)(ImapJob *job, const ImapResponse *response, const GError *error))
{
    ImapJob *job = imap_job_new(worker, sizeof *job, 0);

    job->untagged = untagged;
    job->finish = finish;
    worker->rights->n_steps++;
    imap_step_send(job, name, cache_box(imap_worker_cache(worker), worker->rights->box)->wire);
}

static void on_status(ImapWorker *worker, const ImapStatus *status, const GError *error)
{
    worker->rights->append_limit = status->append_limit;
    end_step(worker);
}

/* Before the mailbox is entered: STATUS is not for one that was (RFC 9051 6.3.11). */
static void ask_limit(ImapWorker *worker, guint32 box)
{
    const CacheBox *known = cache_box(imap_worker_cache(worker), box);

    if (!known || !known->wire || !imap_worker_has(worker, "APPENDLIMIT"))
        return;
    worker->rights->n_steps++;
    imap_status_send_limit(worker, known->wire, on_status);
}

void imap_rights_start(ImapWorker *worker, guint32 box, ImapChangesDone done)
{
    worker->rights = g_new0(struct ImapRights, 1);
    worker->rights->box = box;
    worker->rights->done = done;
    worker->rights->n_steps = 1;
    ask_limit(worker, box);
    enter(worker, box);
    if (!worker->rights->error && imap_worker_has(worker, "ACL"))
        ask(worker, "MYRIGHTS", on_myrights, finish_myrights);
    if (!worker->rights->error && imap_worker_has(worker, "QUOTA")) {
        worker->rights->quota = imap_quota_new();
        ask(worker, "GETQUOTAROOT", on_quota, finish_quota);
    }
    end_step(worker);
}

void imap_rights_tell_limit(ImapWorker *worker)
{
    cache_put_append_limit(imap_worker_cache(worker),
                           imap_worker_capability_number(worker, "APPENDLIMIT="));
}

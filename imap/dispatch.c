/* SPDX-License-Identifier: MIT */
/* imap/dispatch.c - which wants a connection takes, and in which mailbox. */
#include <string.h>

#include "imap/changes.h"

#define LIST_JOBS_MAX 8

static gboolean is_for(const ImapWorker *worker, const CacheWant *want)
{
    return (worker->does_lists && imap_want_is_list(want)) ||
           (worker->does_bodies && imap_want_is_body(want));
}

/* --- choosing --- */

/* A mailbox is one connection's; a second enters it only for somebody who would have to wait until
 * the first has got what it has asked for. */
static gboolean is_left_to_other(const GPtrArray *bodies, const ImapWorker *worker,
                                 const CacheWant *want)
{
    if (!imap_want_is_body(want) || (worker && worker->box == want->box))
        return FALSE;
    for (guint i = 0; i < bodies->len; i++) {
        const ImapWorker *other = bodies->pdata[i];

        if (other->box == want->box && !(want->n_waiting && imap_fetch_is_full(other)))
            return TRUE;
    }
    return FALSE;
}

/* The want that has waited longest for this worker, or else what is read ahead. */
static const CacheWant *next_want(const GPtrArray *bodies, const ImapWorker *worker)
{
    const CacheWant *ahead = NULL;

    for (GList *link = cache_wants(imap_worker_cache(worker))->head; link; link = link->next) {
        const CacheWant *want = link->data;

        if (want->is_taken || !is_for(worker, want) || is_left_to_other(bodies, worker, want))
            continue;
        if (want->n_waiting)
            return want;
        if (!ahead)
            ahead = want;
    }
    return ahead;
}

gboolean imap_dispatch_wants_body(Cache *cache, const GPtrArray *bodies)
{
    for (GList *link = cache_wants(cache)->head; link; link = link->next) {
        const CacheWant *want = link->data;

        if (want->kind == CACHE_WANT_READY && !bodies->len)
            return TRUE;
        if (imap_want_is_body(want) && !want->is_taken && !is_left_to_other(bodies, NULL, want))
            return TRUE;
    }
    return FALSE;
}

void imap_dispatch_end_ready(Cache *cache)
{
    for (GList *link = cache_wants(cache)->head, *next; link; link = next) {
        const CacheWant *want = link->data;

        next = link->next;
        if (want->kind == CACHE_WANT_READY)
            cache_want_done(cache, want->id, NULL);
    }
}

static gboolean has_want(Cache *cache, guint32 box, CacheWantKind kind)
{
    for (GList *link = cache_wants(cache)->head; link; link = link->next) {
        const CacheWant *want = link->data;

        if (want->box == box && want->kind == kind && !want->is_taken)
            return TRUE;
    }
    return FALSE;
}

/* --- listings --- */

static void send_account_wants(ImapWorker *worker)
{
    for (GList *link = cache_wants(imap_worker_cache(worker))->head, *next; link; link = next) {
        const CacheWant *want = link->data;

        next = link->next;
        if (!want->is_taken && want->kind == CACHE_WANT_QUOTA)
            imap_quota_start(worker, want);
    }
}

static gboolean is_synced(const ImapWorker *worker)
{
    return worker->is_in_box && worker->is_synced && !worker->sync;
}

static void send_bodies(ImapWorker *worker, guint32 box)
{
    imap_trees_send(worker, box, FALSE);
    imap_measure_send(worker, box, FALSE);
    imap_fetch_send(worker, box);
}

void imap_dispatch_lister(ImapWorker *worker, const GPtrArray *bodies)
{
    Cache *cache = imap_worker_cache(worker);
    const CacheWant *want;

    /* Before, it is not known yet what could be enabled. */
    if (!imap_worker_is_ready(worker) || !worker->has_listed)
        return;
    send_account_wants(worker);
    if (worker->jobs.length >= LIST_JOBS_MAX || imap_changes_are_due(worker))
        return;
    if (is_synced(worker) && !imap_suspects_were_right(worker->account->suspects)) {
        imap_trees_send(worker, worker->box, TRUE);
        imap_measure_send(worker, worker->box, TRUE);
    }
    want = worker->sync ? NULL : next_want(bodies, worker);
    if (!want) {
        imap_idle_later(worker);
        return;
    }
    if (want->box != worker->box || !is_synced(worker) || want->kind == CACHE_WANT_SYNC ||
        want->kind == CACHE_WANT_UIDS) {
        imap_sync_start(worker, want->box, has_want(cache, want->box, CACHE_WANT_UIDS));
        return;
    }
    imap_lines_send(worker);
    if (worker->does_bodies)
        send_bodies(worker, worker->box);
}

/* --- bodies --- */

static void on_body_box(ImapWorker *worker, const GError *error)
{
    if (error && imap_session_is_closed(worker->session)) {
        return; /* what was sent behind the EXAMINE is for another connection */
    } else if (error) {
        /* What was sent behind it fails for the same reason. */
        for (GList *link = worker->jobs.head; link; link = link->next)
            imap_job_wants_done(link->data, error);
    } else if (!imap_worker_knows_box(worker)) {
        worker->is_in_box = FALSE;
        cache_box_suspect(imap_worker_cache(worker), worker->box);
    }
}

/* In a mailbox; what comes before the first one holds nobody up. */
static gboolean is_at_work(const ImapWorker *worker)
{
    const ImapJob *last = g_queue_peek_tail((GQueue *)&worker->jobs);

    return last && last->box;
}

/* Whether something is wanted of a message that has come since the mailbox was entered: this
 * session may not see it before it is told to look. */
static gboolean is_behind(const ImapWorker *worker, guint32 box)
{
    for (GList *link = cache_wants(imap_worker_cache(worker))->head; link; link = link->next) {
        const CacheWant *want = link->data;

        if (want->box == box && !want->is_taken && imap_want_is_body(want) &&
            worker->told.uidnext && want->uid >= worker->told.uidnext)
            return TRUE;
    }
    return FALSE;
}

static guint32 generation_of(const ImapWorker *worker, guint32 box)
{
    const CacheBox *known = cache_box(imap_worker_cache(worker), box);

    return known ? known->generation : 0;
}

void imap_dispatch_body(ImapWorker *worker, const GPtrArray *bodies)
{
    const CacheWant *want = imap_worker_is_ready(worker) ? next_want(bodies, worker) : NULL;
    guint32 box;

    if (!want)
        return;
    box = want->box;
    if (worker->box == box && worker->is_in_box && worker->entered == generation_of(worker, box) &&
        !is_behind(worker, box)) {
        send_bodies(worker, box);
        return;
    }
    if (is_at_work(worker))
        return;
    if (!imap_examine(worker, box, NULL, on_body_box)) {
        g_autoptr(GError) error =
            g_error_new(MAIL_ERROR, MAIL_ERROR_NOT_FOUND, "there is no such mailbox");

        cache_want_done(imap_worker_cache(worker), want->id, error);
        worker->events->has_room(worker, worker->owner);
        return;
    }
    send_bodies(worker, box);
}

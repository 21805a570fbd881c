/* SPDX-License-Identifier: MIT */
/* pop/retrieval.c - messages that are wanted, and not here yet: the visit retrieves them. */
#include "pop/backend.h"

static void free_wants(gpointer wants)
{
    g_array_unref(wants);
}

void pop_retrieval_init(PopBackend *backend)
{
    backend->retrievals = g_hash_table_new_full(NULL, NULL, NULL, free_wants);
}

void pop_retrieval_clear(PopBackend *backend)
{
    g_hash_table_unref(backend->retrievals);
}

/* --- asking --- */

static void retrieve(PopBackend *backend, PopVisit *visit, const CacheWant *want)
{
    gpointer number = GUINT_TO_POINTER(want->uid);
    GArray *wants = g_hash_table_lookup(backend->retrievals, number);

    if (!wants) {
        wants = g_array_new(FALSE, FALSE, sizeof(guint64));
        g_hash_table_insert(backend->retrievals, number, wants);
    }
    g_array_append_val(wants, want->id);
    cache_want_take(backend->cache, want->id);
    pop_visit_retrieve(visit, want->uid);
}

static void end_gone(PopBackend *backend, guint64 want)
{
    g_autoptr(GError) error =
        g_error_new(MAIL_ERROR, MAIL_ERROR_GONE, "the message is not there any more");

    cache_want_done(backend->cache, want, error);
}

/* What is only read ahead is no reason for a visit. */
static PopVisit *visit_for(PopBackend *backend, const CacheWant *want)
{
    if (want->n_waiting)
        return pop_calls_need(backend);
    return backend->visit && pop_visit_is_open(backend->visit) ? backend->visit : NULL;
}

static void run(PopBackend *backend, const CacheWant *want)
{
    const PopMessage *message = pop_spool_get(backend->spool, want->uid);
    PopVisit *visit;

    if (!message || message->place == POP_PLACE_GONE) {
        end_gone(backend, want->id);
    } else if (message->place != POP_PLACE_WAITING) {
        cache_want_done(backend->cache, want->id, NULL);
    } else {
        visit = visit_for(backend, want);
        if (visit)
            retrieve(backend, visit, want);
    }
}

void pop_retrieval_run(PopBackend *backend)
{
    for (GList *link = cache_wants(backend->cache)->head, *next; link; link = next) {
        const CacheWant *want = link->data;

        next = link->next;
        if (want->kind == CACHE_WANT_BLOCK)
            run(backend, want);
    }
}

/* --- what comes of it --- */

void pop_retrieval_renew(PopBackend *backend)
{
    gint64 now = g_get_monotonic_time();
    GHashTableIter iter;
    gpointer value;

    if (now - backend->renewed_us < G_USEC_PER_SEC)
        return;
    backend->renewed_us = now;
    g_hash_table_iter_init(&iter, backend->retrievals);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const GArray *wants = value;

        for (guint i = 0; i < wants->len; i++)
            cache_want_renew(backend->cache, g_array_index(wants, guint64, i));
    }
    /* What waits for the next visit waits for this one. */
    for (GList *link = cache_wants(backend->cache)->head; link; link = link->next)
        cache_want_renew(backend->cache, ((const CacheWant *)link->data)->id);
    cache_changes_renew(backend->cache);
}

/* It need not be so the next time. */
static gboolean is_passing(const GError *error)
{
    return g_error_matches(error, MAIL_ERROR, MAIL_ERROR_OFFLINE) ||
           g_error_matches(error, MAIL_ERROR, MAIL_ERROR_TIMEOUT) ||
           g_error_matches(error, MAIL_ERROR, MAIL_ERROR_BUSY) ||
           g_error_matches(error, MAIL_ERROR, MAIL_ERROR_CANCELLED);
}

/* FALSE: the server is there, and refuses the message. */
static gboolean is_visit_over(const PopBackend *backend)
{
    return !backend->visit || !pop_visit_is_open(backend->visit);
}

/* The next visit is asked for what one has not brought; what the server refused is not asked for
 * again and again. */
static void end(PopBackend *backend, guint64 want, const GError *error)
{
    if (is_passing(error) && is_visit_over(backend))
        cache_want_put_back(backend->cache, want);
    else if (g_error_matches(error, MAIL_ERROR, MAIL_ERROR_NOT_FOUND))
        end_gone(backend, want);
    else
        cache_want_done(backend->cache, want, error);
}

static void tell_changes(PopBackend *backend, guint32 number, const GError *error)
{
    const PopMessage *message = pop_spool_get(backend->spool, number);

    if (!message || message->place != POP_PLACE_WAITING)
        pop_drain_release(backend, number);
    else if (is_passing(error))
        pop_drain_keep(backend, number, !is_visit_over(backend));
    else
        pop_drain_fail(backend, number, error);
}

/* This visit has failed over it, and the next would; NULL: it may be otherwise then. */
static GError *dup_suspect_error(const PopBackend *backend, guint32 number, const GError *error)
{
    if (!error || !is_passing(error) ||
        !pop_suspects_has_since(backend->suspects, POP_SUSPECT_RETR, number, backend->tried_us))
        return NULL;
    return g_error_new(MAIL_ERROR, MAIL_ERROR_SERVER,
                       "retrieve message %u: the connection ends each time (%s)", number,
                       error->message);
}

void pop_retrieval_done(PopBackend *backend, guint32 number, guint32 stored, const GError *error)
{
    g_autoptr(GError) suspicion = dup_suspect_error(backend, number, error);
    gpointer wants = NULL;

    if (suspicion)
        error = suspicion;
    if (!error)
        pop_lines_put(backend, stored);
    if (number)
        tell_changes(backend, number, error);
    backend->is_behind |= !error && stored != number;
    g_hash_table_steal_extended(backend->retrievals, GUINT_TO_POINTER(number), NULL, &wants);
    for (guint i = 0; wants && i < ((const GArray *)wants)->len; i++)
        end(backend, g_array_index((const GArray *)wants, guint64, i), error);
    if (wants)
        free_wants(wants);
    pop_backend_dispatch_later(backend);
}

void pop_retrieval_fail(PopBackend *backend, const GError *error)
{
    for (GList *link = cache_wants(backend->cache)->head, *next; link; link = next) {
        const CacheWant *want = link->data;

        next = link->next;
        if (want->kind == CACHE_WANT_BLOCK)
            cache_want_done(backend->cache, want->id, error);
    }
}

/* SPDX-License-Identifier: MIT */
/* pop/calls.c - visits of the maildrop: when there is one, and how we stand to the server. */
#include "pop/backend.h"

#define LINGER_S     5    /* after what was wanted last: somebody may read on */
#define LONG_MS      2000 /* a visit that does not end in this time is not waited for */
#define ASKED_US     ((gint64)2 * G_USEC_PER_SEC)
#define BUSY_FIRST_S 60
#define BUSY_MAX_S   900
#define DELAY_MAX_S  86400  /* that we heed */
#define REFUSED_MS   300000 /* after a refused login: accounts get locked */

/* --- the start --- */

static gboolean on_start(gpointer data)
{
    PopBackend *backend = data;
    g_autoptr(GError) error = g_steal_pointer(&backend->start_error);

    backend->start_source = 0;
    backend->options.started(error, backend->options.data);
    return G_SOURCE_REMOVE;
}

void pop_calls_tell_start(PopBackend *backend, const GError *error)
{
    if (backend->has_started)
        return;
    backend->has_started = TRUE;
    backend->has_failed = error != NULL;
    backend->start_error = error ? g_error_copy(error) : NULL;
    backend->start_source = g_idle_add(on_start, backend);
}

/* --- long visits --- */

static void forget_long(PopBackend *backend)
{
    g_clear_handle_id(&backend->long_source, g_source_remove);
    backend->is_long = FALSE;
}

static gboolean on_long(gpointer data)
{
    PopBackend *backend = data;

    backend->long_source = 0;
    backend->is_long = TRUE;
    pop_backend_dispatch_later(backend);
    return G_SOURCE_REMOVE;
}

/* Listings wait for the visit at hand: to list, for as long as their time allows; to end, if it
 * only lingers. */
static void wait_for_visit(PopBackend *backend)
{
    guint patient_ms = backend->options.timeout_s * 1000 / 2;

    if (backend->visit && !backend->long_source && !backend->is_long)
        backend->long_source = g_timeout_add(
            backend->has_listed ? MIN(LONG_MS, patient_ms) : patient_ms, on_long, backend);
}

/* --- beginning and ending --- */

static gboolean is_busy(const GError *error)
{
    return g_error_matches(error, MAIL_ERROR, MAIL_ERROR_BUSY);
}

static void on_listed(PopVisit *visit, gpointer owner)
{
    PopBackend *backend = owner;

    backend->has_listed = TRUE;
    backend->logged_in_us = g_get_monotonic_time();
    backend->listed_us = backend->tried_us;
    backend->is_stale = backend->is_refused = FALSE;
    backend->busy_s = 0;
    backend->is_behind = TRUE;
    forget_long(backend);
    pop_answers_end_listings(backend);
    cache_set_state(backend->cache, CACHE_ONLINE, NULL);
    pop_calls_tell_start(backend, NULL);
    pop_backend_dispatch_later(backend);
}

static void on_comes(PopVisit *visit, guint32 number, gpointer owner)
{
    pop_retrieval_renew(owner);
}

static void on_retrieved(PopVisit *visit, guint32 number, guint32 stored, const GError *error,
                         gpointer owner)
{
    pop_retrieval_done(owner, number, stored, error);
}

static void on_ended(PopVisit *visit, const GError *error, gpointer owner);

static void begin(PopBackend *backend)
{
    static const PopVisitEvents events = {on_listed, on_comes, on_retrieved, on_ended};

    g_clear_handle_id(&backend->retry_source, g_source_remove);
    backend->tried_us = g_get_monotonic_time();
    backend->has_listed = FALSE;
    pop_drain_visit(backend);
    backend->visit =
        pop_visit_new(&backend->options, backend->spool, backend->suspects, &events, backend);
}

void pop_calls_start(PopBackend *backend)
{
    begin(backend);
}

/* What the server wants between two visits (LOGIN-DELAY, RFC 2449 6.5), as far as it is not over.
 */
static guint rest_ms(const PopBackend *backend)
{
    gint64 left_us = backend->rests_until_us - g_get_monotonic_time();

    return left_us > 0 ? (guint)(left_us / 1000) + 1 : 0;
}

/* The call of who waits for that would fail. */
static gboolean rests_long(const PopBackend *backend)
{
    return rest_ms(backend) >= backend->options.timeout_s * 1000 / 2;
}

static gboolean on_rested(gpointer data)
{
    PopBackend *backend = data;

    backend->rest_source = 0;
    pop_backend_dispatch_later(backend);
    return G_SOURCE_REMOVE;
}

/* At once, or when the server lets us in again: who waits goes on waiting. */
static void begin_or_rest(PopBackend *backend)
{
    guint left_ms = rest_ms(backend);

    if (!left_ms)
        begin(backend);
    else if (!backend->rest_source)
        backend->rest_source = g_timeout_add(left_ms, on_rested, backend);
}

static gboolean on_retry(gpointer data)
{
    PopBackend *backend = data;

    backend->retry_source = 0;
    if (!backend->is_barred) {
        begin(backend);
        return G_SOURCE_REMOVE;
    }
    backend->is_barred = FALSE;
    cache_set_state(backend->cache, CACHE_ONLINE, NULL);
    pop_backend_dispatch_later(backend);
    return G_SOURCE_REMOVE;
}

/* What is here is served meanwhile. */
static void go_offline(PopBackend *backend, const GError *error, guint wait_ms)
{
    pop_answers_end_listings(backend);
    cache_set_state(backend->cache, CACHE_OFFLINE, error);
    pop_retrieval_fail(backend, error);
    backend->retry_source = g_timeout_add(MAX(wait_ms, rest_ms(backend)), on_retry, backend);
}

static guint next_wait_ms(PopBackend *backend, const GError *error, guint delay_s)
{
    guint first_s = delay_s ? delay_s : BUSY_FIRST_S;

    if (backend->is_refused)
        return net_patience_jitter(REFUSED_MS);
    if (!is_busy(error))
        return net_patience_wait_ms(&backend->patience);
    backend->busy_s = CLAMP(backend->busy_s * 2, first_s, MAX(first_s, BUSY_MAX_S));
    return net_patience_jitter(backend->busy_s * 1000);
}

/* Once, and not at each attempt. */
static void tell_failure(const PopBackend *backend, const GError *error)
{
    const GError *before = cache_state_error(backend->cache);

    if (!before || !g_str_equal(before->message, error->message))
        g_message("visit of the maildrop: %s", error->message);
}

static void fail(PopBackend *backend, const GError *error, guint delay_s)
{
    backend->is_refused = g_error_matches(error, MAIL_ERROR, MAIL_ERROR_AUTH) ||
                          g_error_matches(error, MAIL_ERROR, MAIL_ERROR_TLS);
    tell_failure(backend, error);
    if (!backend->has_listed || !g_error_matches(error, MAIL_ERROR, MAIL_ERROR_OFFLINE) ||
        rests_long(backend) || !net_patience_allows_at_once(&backend->patience, backend->tried_us))
        go_offline(backend, error, next_wait_ms(backend, error, delay_s));
    /* At once, what waits goes on waiting. */
    else if (backend->options.retrieves_all)
        begin_or_rest(backend);
    else
        pop_backend_dispatch_later(backend);
}

/* Nobody waits long for the server to let us in again. */
static void rest(PopBackend *backend, guint delay_s)
{
    g_autoptr(GError) error = NULL;

    if (!rests_long(backend))
        return;
    error = g_error_new(MAIL_ERROR, MAIL_ERROR_BUSY, "%s lets us in every %u seconds only",
                        backend->options.account->host, delay_s);
    backend->is_barred = TRUE;
    go_offline(backend, error, rest_ms(backend));
}

/* Somebody should know why the maildrop gets full. */
static void tell_stop(PopBackend *backend)
{
    PopFigures figures;

    pop_spool_figures(backend->spool, &figures);
    if (figures.stopped && !backend->has_told_stop)
        g_message("nothing is deleted at the server any more: %s", figures.stopped);
    backend->has_told_stop = figures.stopped != NULL;
}

static void note_rest(PopBackend *backend, guint delay_s)
{
    if (!backend->has_listed)
        backend->logged_in_us = g_get_monotonic_time();
    if (delay_s)
        backend->rests_until_us = backend->logged_in_us + delay_s * G_USEC_PER_SEC;
}

static void on_ended(PopVisit *visit, const GError *error, gpointer owner)
{
    PopBackend *backend = owner;
    guint delay_s = MIN(pop_visit_login_delay(visit), DELAY_MAX_S);
    gboolean has_list = pop_visit_has_list(visit);

    g_clear_handle_id(&backend->linger_source, g_source_remove);
    g_clear_pointer(&backend->visit, pop_visit_free);
    forget_long(backend);
    note_rest(backend, delay_s);
    tell_stop(backend);
    if (!error) {
        rest(backend, delay_s);
        pop_backend_dispatch_later(backend);
    } else if (!backend->has_started && !has_list && !is_busy(error)) {
        pop_calls_tell_start(backend, error);
    } else {
        fail(backend, error, delay_s);
        pop_calls_tell_start(backend, NULL);
    }
}

void pop_calls_clear(PopBackend *backend)
{
    g_clear_pointer(&backend->visit, pop_visit_free);
    g_clear_handle_id(&backend->retry_source, g_source_remove);
    g_clear_handle_id(&backend->linger_source, g_source_remove);
    g_clear_handle_id(&backend->rest_source, g_source_remove);
    g_clear_handle_id(&backend->long_source, g_source_remove);
    g_clear_handle_id(&backend->start_source, g_source_remove);
    g_clear_error(&backend->start_error);
}

/* --- who needs the server --- */

/* While we wait for better times: one attempt, if the last was not just now, and if it did not
 * reach the server: one that sent us away gets its time. */
static gboolean may_retry(const PopBackend *backend)
{
    return !backend->is_refused && !is_busy(cache_state_error(backend->cache)) &&
           g_get_monotonic_time() - backend->tried_us >= ASKED_US;
}

PopVisit *pop_calls_need(PopBackend *backend)
{
    if (!backend->visit && (!backend->retry_source || may_retry(backend)))
        begin_or_rest(backend);
    return backend->visit && pop_visit_is_open(backend->visit) ? backend->visit : NULL;
}

void pop_calls_try_again(PopBackend *backend)
{
    if (backend->retry_source && !backend->is_barred && may_retry(backend))
        begin_or_rest(backend);
}

/* --- who needs to know what the server has --- */

/* The maildrop is locked while it is visited: nobody sees more in it than the visit has told. */
static gboolean tells_all(const PopBackend *backend)
{
    return backend->is_long && backend->has_listed;
}

gboolean pop_calls_is_fresh(const PopBackend *backend, gboolean is_urgent)
{
    gint64 age_us = g_get_monotonic_time() - backend->listed_us;

    if (backend->retry_source || tells_all(backend))
        return TRUE;
    return !is_urgent && backend->listed_us &&
           (backend->is_long || rest_ms(backend) ||
            (!backend->is_stale && age_us < backend->options.poll_s * G_USEC_PER_SEC));
}

gint64 pop_calls_told_us(const PopBackend *backend)
{
    return tells_all(backend) ? g_get_monotonic_time() : backend->listed_us;
}

void pop_calls_look_again(PopBackend *backend)
{
    /* What has come since it began is seen by the next one. */
    if (backend->visit && backend->has_listed)
        pop_visit_end(backend->visit);
    else
        (void)pop_calls_need(backend);
    wait_for_visit(backend);
}

/* --- lingering --- */

static gboolean on_linger(gpointer data)
{
    PopBackend *backend = data;

    backend->linger_source = 0;
    pop_visit_end(backend->visit);
    return G_SOURCE_REMOVE;
}

void pop_calls_settle(PopBackend *backend)
{
    gboolean is_idle = backend->visit && backend->has_listed && pop_visit_is_open(backend->visit) &&
                       !backend->n_draining && !pop_visit_n_pending(backend->visit);

    if (!is_idle)
        g_clear_handle_id(&backend->linger_source, g_source_remove);
    else if (!backend->linger_source)
        backend->linger_source = g_timeout_add_seconds(LINGER_S, on_linger, backend);
}

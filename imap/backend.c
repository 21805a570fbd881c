/* SPDX-License-Identifier: MIT */
/* imap/backend.c - the connections of an account: who does what, and coming back after a loss.
 *
 * One connection, the first, lists, compares and answers what is short, and compresses.  Bodies
 * come over others, which are made when they are wanted and left when idle; where the server allows
 * no more than one, the first does that too.
 */
#include "imap/backend.h"

#include <string.h>

#define BODY_WORKERS_MAX 3
#define LIST_JOBS_MAX    8
#define TICK_S           5
#define BODY_IDLE_US     ((gint64)60 * G_USEC_PER_SEC)
#define KEEP_ALIVE_US    ((gint64)300 * G_USEC_PER_SEC)
#define AT_ONCE_MAX      3 /* lost connections in a row that are made again at once */
#define LASTED_US        ((gint64)10 * G_USEC_PER_SEC) /* so long makes a row end */
#define RETRY_FIRST_MS   1000
#define RETRY_MAX_MS     60000
#define REFUSED_MS       300000 /* after a refused login: accounts get locked */
#define LENGTHS_MAX      10000
#define ASKED_US         ((gint64)2 * G_USEC_PER_SEC)

/* Connections that were of no use, in a row. */
typedef struct {
    guint n_at_once; /* made again without waiting */
    guint retry_ms;  /* what to wait next; 0: RETRY_FIRST_MS */
} Patience;

struct ImapBackend {
    Cache *cache;
    ImapOptions options;
    ImapWorker *lister;
    GPtrArray *bodies; /* ImapWorker */
    guint max_bodies;
    GPtrArray *dead; /* ImapWorker, to be freed */
    gboolean has_started;
    gboolean was_ready; /* since the last attempt to connect */
    gboolean is_refused;
    Patience patience, body_patience;
    gint64 tried_us;
    GHashTable *lengths; /* generation << 32 | uid -> length of a message whose size is a lie */
    guint dispatch_source, retry_source, tick_source, bury_source, start_source;
    guint body_retry_source; /* no new connection for bodies until then */
    GError *start_error;
};

Cache *imap_backend_cache(const ImapBackend *backend)
{
    return backend->cache;
}

const ImapOptions *imap_backend_options(const ImapBackend *backend)
{
    return &backend->options;
}

gboolean imap_backend_is_in_doubt(ImapBackend *backend, guint32 generation, guint32 uid,
                                  guint64 *ret_length)
{
    guint64 key = (guint64)generation << 32 | uid;
    const guint64 *length = g_hash_table_lookup(backend->lengths, &key);

    *ret_length = length ? *length : 0;
    return length != NULL;
}

void imap_backend_set_length(ImapBackend *backend, guint32 generation, guint32 uid, guint64 length)
{
    guint64 key = (guint64)generation << 32 | uid;

    if (g_hash_table_size(backend->lengths) > LENGTHS_MAX)
        g_hash_table_remove_all(backend->lengths);
    g_hash_table_insert(backend->lengths, g_memdup2(&key, sizeof key),
                        g_memdup2(&length, sizeof length));
}

/* --- who does what --- */

static gboolean is_list_kind(const CacheWant *want)
{
    return want->kind == CACHE_WANT_SYNC || want->kind == CACHE_WANT_UIDS ||
           want->kind == CACHE_WANT_LINES || want->kind == CACHE_WANT_LINE;
}

static gboolean is_for(const ImapWorker *worker, const CacheWant *want)
{
    return (worker->does_lists && is_list_kind(want)) ||
           (worker->does_bodies && want->kind == CACHE_WANT_BLOCK);
}

/* A mailbox is one connection's; a second enters it only for somebody who would have to wait until
 * the first has got what it has asked for. */
static gboolean is_left_to_other(ImapBackend *backend, const ImapWorker *worker,
                                 const CacheWant *want)
{
    if (want->kind != CACHE_WANT_BLOCK || (worker && worker->box == want->box))
        return FALSE;
    for (guint i = 0; i < backend->bodies->len; i++) {
        const ImapWorker *other = backend->bodies->pdata[i];

        if (other->box == want->box && !(want->n_waiting && imap_fetch_is_full(other)))
            return TRUE;
    }
    return FALSE;
}

/* The want that has waited longest for this worker, or else what is read ahead. */
static const CacheWant *next_want(ImapBackend *backend, const ImapWorker *worker)
{
    const CacheWant *ahead = NULL;

    for (GList *link = cache_wants(backend->cache)->head; link; link = link->next) {
        const CacheWant *want = link->data;

        if (want->is_taken || !is_for(worker, want) || is_left_to_other(backend, worker, want))
            continue;
        if (want->n_waiting)
            return want;
        if (!ahead)
            ahead = want;
    }
    return ahead;
}

/* --- listings --- */

static gboolean has_want(ImapBackend *backend, guint32 box, CacheWantKind kind)
{
    for (GList *link = cache_wants(backend->cache)->head; link; link = link->next) {
        const CacheWant *want = link->data;

        if (want->box == box && want->kind == kind && !want->is_taken)
            return TRUE;
    }
    return FALSE;
}

static void on_listed(ImapWorker *worker, const GError *error);

static void dispatch_account_wants(ImapBackend *backend)
{
    for (GList *link = cache_wants(backend->cache)->head, *next; link; link = next) {
        const CacheWant *want = link->data;

        next = link->next;
        if (want->is_taken)
            continue;
        if (want->kind == CACHE_WANT_QUOTA)
            imap_quota_start(backend->lister, want);
    }
}

static void dispatch_lister(ImapBackend *backend)
{
    ImapWorker *worker = backend->lister;
    const CacheWant *want;

    /* Before, it is not known yet what could be enabled. */
    if (!imap_worker_is_ready(worker) || !worker->has_listed)
        return;
    dispatch_account_wants(backend);
    want = worker->sync || worker->jobs.length >= LIST_JOBS_MAX ? NULL : next_want(backend, worker);
    if (!want)
        return;
    if (want->box != worker->box || !worker->is_in_box || !worker->is_synced ||
        want->kind == CACHE_WANT_SYNC || want->kind == CACHE_WANT_UIDS) {
        imap_sync_start(worker, want->box, has_want(backend, want->box, CACHE_WANT_UIDS));
        return;
    }
    imap_lines_send(worker);
    if (worker->does_bodies)
        imap_fetch_send(worker, worker->box);
}

/* --- bodies --- */

/* Whether the mailbox that a body worker entered is the one that the cache knows. */
static void on_body_box(ImapWorker *worker, const GError *error)
{
    Cache *cache = worker->backend->cache;
    CacheSync known;

    if (error || !cache_sync(cache, worker->box, &known))
        return;
    if (worker->told.uidvalidity == known.uidvalidity &&
        (!worker->told.mailboxid || !known.mailboxid ||
         g_str_equal(worker->told.mailboxid, known.mailboxid)))
        return;
    worker->is_in_box = FALSE;
    cache_box_suspect(cache, worker->box);
}

static void dispatch_body(ImapBackend *backend, ImapWorker *worker)
{
    const CacheWant *want = imap_worker_is_ready(worker) ? next_want(backend, worker) : NULL;
    guint32 box;

    if (!want)
        return;
    box = want->box;
    if (worker->box == box && worker->is_in_box) {
        imap_fetch_send(worker, box);
        return;
    }
    if (worker->jobs.length)
        return;
    if (!imap_examine(worker, box, NULL, on_body_box)) {
        g_autoptr(GError) error =
            g_error_new(MAIL_ERROR, MAIL_ERROR_NOT_FOUND, "there is no such mailbox");

        cache_want_done(backend->cache, want->id, error);
        imap_backend_dispatch_later(backend);
        return;
    }
    imap_fetch_send(worker, box);
}

static gboolean wants_bodies(ImapBackend *backend)
{
    for (GList *link = cache_wants(backend->cache)->head; link; link = link->next) {
        const CacheWant *want = link->data;

        if (want->kind == CACHE_WANT_BLOCK && !want->is_taken &&
            !is_left_to_other(backend, NULL, want))
            return TRUE;
    }
    return FALSE;
}

static gboolean has_idle_body_worker(ImapBackend *backend)
{
    for (guint i = 0; i < backend->bodies->len; i++) {
        const ImapWorker *worker = backend->bodies->pdata[i];

        if (!imap_worker_is_ready(worker) || !worker->jobs.length)
            return TRUE;
    }
    return FALSE;
}

static void dispatch_bodies(ImapBackend *backend)
{
    for (guint i = 0; i < backend->bodies->len; i++)
        dispatch_body(backend, backend->bodies->pdata[i]);
    if (imap_worker_is_ready(backend->lister) && !backend->lister->does_bodies &&
        !backend->body_retry_source && backend->bodies->len < backend->max_bodies &&
        !has_idle_body_worker(backend) && wants_bodies(backend))
        g_ptr_array_add(backend->bodies, imap_worker_new(backend, FALSE, TRUE));
}

static void connect_lister(ImapBackend *backend);

/* Somebody asks for something while we wait for better times: one attempt, if the last was not just
 * now, and if it did not reach the server: one that sent us away gets its time. */
static void retry_if_asked(ImapBackend *backend)
{
    if (!backend->retry_source || backend->is_refused || backend->was_ready ||
        g_error_matches(cache_state_error(backend->cache), MAIL_ERROR, MAIL_ERROR_BUSY) ||
        g_get_monotonic_time() - backend->tried_us < ASKED_US)
        return;
    g_clear_handle_id(&backend->retry_source, g_source_remove);
    connect_lister(backend);
}

static gboolean on_dispatch(gpointer data)
{
    ImapBackend *backend = data;

    backend->dispatch_source = 0;
    if (!backend->lister) {
        retry_if_asked(backend);
    } else {
        dispatch_lister(backend);
        dispatch_bodies(backend);
    }
    return G_SOURCE_REMOVE;
}

void imap_backend_dispatch_later(ImapBackend *backend)
{
    if (!backend->dispatch_source)
        backend->dispatch_source =
            g_idle_add_full(G_PRIORITY_DEFAULT + 10, on_dispatch, backend, NULL);
}

static void on_wants_changed(gpointer data)
{
    imap_backend_dispatch_later(data);
}

/* --- coming and going --- */

static gboolean on_start(gpointer data)
{
    ImapBackend *backend = data;
    g_autoptr(GError) error = g_steal_pointer(&backend->start_error);

    backend->start_source = 0;
    backend->options.started(error, backend->options.data);
    return G_SOURCE_REMOVE;
}

/* Tells the outcome of the first attempt, once. */
static void tell_start(ImapBackend *backend, const GError *error)
{
    if (backend->has_started)
        return;
    backend->has_started = TRUE;
    backend->start_error = error ? g_error_copy(error) : NULL;
    backend->start_source = g_idle_add(on_start, backend);
}

static void connect_lister(ImapBackend *backend)
{
    backend->tried_us = g_get_monotonic_time();
    backend->was_ready = FALSE;
    backend->lister = imap_worker_new(backend, TRUE, backend->max_bodies == 0);
}

static gboolean on_retry(gpointer data)
{
    ImapBackend *backend = data;

    backend->retry_source = 0;
    connect_lister(backend);
    return G_SOURCE_REMOVE;
}

/* Not all clients of a server that comes back at once. */
static guint with_jitter(guint wait_ms)
{
    return wait_ms + (guint)g_random_int_range(0, (gint32)wait_ms / 2 + 1);
}

static guint next_wait_ms(Patience *patience)
{
    guint wait_ms = MAX(patience->retry_ms, RETRY_FIRST_MS);

    patience->retry_ms = MIN(wait_ms * 2, RETRY_MAX_MS);
    return with_jitter(wait_ms);
}

/* Whether a connection of some use, which began at @since_us, may be made again without waiting. */
static gboolean may_at_once(Patience *patience, gint64 since_us)
{
    if (g_get_monotonic_time() - since_us > LASTED_US)
        *patience = (Patience){0};
    return patience->n_at_once++ < AT_ONCE_MAX;
}

/* Nobody waits for news of a mailbox of which all is known: what is known must do. */
static void let_go_of_listings(ImapBackend *backend)
{
    for (GList *link = cache_wants(backend->cache)->head, *next; link; link = next) {
        const CacheWant *want = link->data;
        CacheSync known;

        next = link->next;
        if ((want->kind == CACHE_WANT_SYNC || want->kind == CACHE_WANT_UIDS) &&
            cache_sync(backend->cache, want->box, &known) && known.is_complete)
            cache_want_done(backend->cache, want->id, NULL);
    }
}

/* Without a connection that lists; tries again later. */
static void go_offline(ImapBackend *backend, const GError *error)
{
    cache_set_state(backend->cache, CACHE_OFFLINE, error);
    let_go_of_listings(backend);
    cache_wants_fail(backend->cache, error);
    if (!backend->retry_source)
        backend->retry_source = g_timeout_add(
            backend->is_refused ? with_jitter(REFUSED_MS) : next_wait_ms(&backend->patience),
            on_retry, backend);
}

static void bury(ImapBackend *backend, ImapWorker *worker);

/* The server lets us in and does not list: of no use as it is. */
static void leave_lister(ImapBackend *backend, const GError *error)
{
    bury(backend, g_steal_pointer(&backend->lister));
    g_message("%s", error->message);
    go_offline(backend, error);
}

static void on_listed(ImapWorker *worker, const GError *error)
{
    ImapBackend *backend = worker->backend;

    if (error && !backend->has_started) {
        tell_start(backend, error);
        return;
    }
    if (error) {
        if (!imap_session_is_closed(worker->session))
            leave_lister(backend, error);
        return;
    }
    worker->has_listed = TRUE;
    cache_set_state(backend->cache, CACHE_ONLINE, NULL);
    tell_start(backend, NULL);
    imap_backend_dispatch_later(backend);
}

/* The extensions that must be switched on (RFC 5161).  Answers come as "* ENABLED". */
static void send_enable(ImapWorker *worker)
{
    gboolean has_qresync = imap_worker_has(worker, "QRESYNC");
    gboolean has_utf8 = imap_worker_has(worker, "UTF8=ACCEPT");
    ImapCommand *command;

    if (!imap_worker_has(worker, "ENABLE") || (!has_qresync && !has_utf8))
        return;
    command = imap_worker_command(worker, "ENABLE");
    if (has_qresync)
        imap_command_add(command, "QRESYNC");
    if (has_utf8)
        imap_command_add(command, "UTF8=ACCEPT");
    imap_job_send(imap_job_new(worker, sizeof(ImapJob), 0), command);
}

/* RFC 2971: some providers serve only clients that say who they are. */
static void send_id(ImapWorker *worker)
{
    ImapCommand *command;

    if (!imap_worker_has(worker, "ID"))
        return;
    command = imap_worker_command(worker, "ID");
    imap_command_add(command, "(\"name\" \"mailfs\" \"version\" \"" MAILFS_VERSION "\")");
    imap_job_send(imap_job_new(worker, sizeof(ImapJob), 0), command);
}

void imap_backend_worker_ready(ImapBackend *backend, ImapWorker *worker)
{
    if (worker == backend->lister) {
        backend->was_ready = TRUE;
        backend->is_refused = FALSE;
        send_id(worker);
        send_enable(worker);
        imap_list_start(worker, on_listed);
        imap_session_compress(worker->session);
    }
    imap_backend_dispatch_later(backend);
}

void imap_backend_worker_stalled(ImapBackend *backend, ImapWorker *worker, gboolean is_stalled)
{
    if (worker != backend->lister || !backend->has_started)
        return;
    cache_set_state(backend->cache, is_stalled ? CACHE_STALLED : CACHE_ONLINE, NULL);
    if (is_stalled)
        let_go_of_listings(backend);
}

static gboolean on_bury(gpointer data)
{
    ImapBackend *backend = data;

    backend->bury_source = 0;
    g_ptr_array_set_size(backend->dead, 0);
    return G_SOURCE_REMOVE;
}

/* Workers end inside their own events: they are freed a turn later. */
static void bury(ImapBackend *backend, ImapWorker *worker)
{
    if (g_ptr_array_find(backend->dead, worker, NULL))
        return;
    g_ptr_array_add(backend->dead, worker);
    if (!backend->bury_source)
        backend->bury_source = g_idle_add(on_bury, backend);
}

/* The server lets in no more connections: those that are there do the work. */
static void do_without_another(ImapBackend *backend)
{
    backend->max_bodies = backend->bodies->len;
    if (!backend->max_bodies && backend->lister)
        backend->lister->does_bodies = TRUE;
}

static gboolean on_body_retry(gpointer data)
{
    ImapBackend *backend = data;

    backend->body_retry_source = 0;
    imap_backend_dispatch_later(backend);
    return G_SOURCE_REMOVE;
}

/* It may be something in what is wanted that makes the server hang up. */
static void give_up_bodies(ImapBackend *backend, const GError *error)
{
    for (GList *link = cache_wants(backend->cache)->head, *next; link; link = next) {
        const CacheWant *want = link->data;

        next = link->next;
        if (want->kind == CACHE_WANT_BLOCK && !want->is_taken)
            cache_want_done(backend->cache, want->id, error);
    }
    if (!backend->body_retry_source)
        backend->body_retry_source =
            g_timeout_add(next_wait_ms(&backend->body_patience), on_body_retry, backend);
}

static void body_closed(ImapBackend *backend, ImapWorker *worker, const GError *error)
{
    gboolean was_used = worker->box != 0;

    if (!g_ptr_array_remove(backend->bodies, worker))
        return;
    if (!was_used && imap_session_is_greeted(worker->session) &&
        imap_worker_is_ready(backend->lister)) {
        g_message("no further connection: %s", error->message);
        do_without_another(backend);
    } else if (!may_at_once(&backend->body_patience, worker->born_us)) {
        g_message("connection lost: %s", error->message);
        give_up_bodies(backend, error);
    }
}

static void lister_closed(ImapBackend *backend, const GError *error)
{
    backend->lister = NULL;
    if (!backend->has_started || backend->start_error) {
        tell_start(backend, error);
        return;
    }
    backend->is_refused = g_error_matches(error, MAIL_ERROR, MAIL_ERROR_AUTH) ||
                          g_error_matches(error, MAIL_ERROR, MAIL_ERROR_TLS);
    g_message("connection lost: %s", error->message);
    /* At once, what waits goes on waiting. */
    if (backend->was_ready && !g_error_matches(error, MAIL_ERROR, MAIL_ERROR_TIMEOUT) &&
        may_at_once(&backend->patience, backend->tried_us))
        connect_lister(backend);
    else
        go_offline(backend, error);
}

void imap_backend_worker_closed(ImapBackend *backend, ImapWorker *worker, const GError *error)
{
    if (worker == backend->lister)
        lister_closed(backend, error);
    else
        body_closed(backend, worker, error);
    bury(backend, worker);
    imap_backend_dispatch_later(backend);
}

/* --- now and then --- */

static void leave_idle_bodies(ImapBackend *backend, gint64 now)
{
    for (guint i = backend->bodies->len; i-- > 0;) {
        ImapWorker *worker = backend->bodies->pdata[i];

        if (imap_worker_is_ready(worker) && !worker->jobs.length &&
            now - worker->used_us > BODY_IDLE_US) {
            g_ptr_array_remove_index(backend->bodies, i);
            bury(backend, worker);
        }
    }
}

static gboolean on_tick(gpointer data)
{
    ImapBackend *backend = data;
    ImapWorker *lister = backend->lister;
    gint64 now = g_get_monotonic_time();

    leave_idle_bodies(backend, now);
    if (imap_worker_is_ready(lister) && !lister->jobs.length &&
        now - lister->used_us > KEEP_ALIVE_US)
        imap_job_send(imap_job_new(lister, sizeof(ImapJob), lister->box),
                      imap_worker_command(lister, "NOOP"));
    return G_SOURCE_CONTINUE;
}

static void free_worker(gpointer worker)
{
    imap_worker_free(worker);
}

ImapBackend *imap_backend_new(Cache *cache, const ImapOptions *options)
{
    static const CacheBackend vtable = {on_wants_changed};
    ImapBackend *backend = g_new0(ImapBackend, 1);

    backend->cache = cache;
    backend->options = *options;
    backend->max_bodies = BODY_WORKERS_MAX;
    backend->bodies = g_ptr_array_new();
    backend->dead = g_ptr_array_new_with_free_func(free_worker);
    backend->lengths = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
    cache_set_backend(cache, &vtable, backend);
    backend->tick_source = g_timeout_add_seconds(TICK_S, on_tick, backend);
    connect_lister(backend);
    return backend;
}

void imap_backend_free(ImapBackend *backend)
{
    if (!backend)
        return;
    cache_set_backend(backend->cache, NULL, NULL);
    for (guint i = 0; i < backend->bodies->len; i++)
        imap_worker_free(backend->bodies->pdata[i]);
    imap_worker_free(backend->lister);
    g_ptr_array_unref(backend->bodies);
    g_ptr_array_unref(backend->dead);
    g_hash_table_unref(backend->lengths);
    g_clear_handle_id(&backend->dispatch_source, g_source_remove);
    g_clear_handle_id(&backend->retry_source, g_source_remove);
    g_clear_handle_id(&backend->body_retry_source, g_source_remove);
    g_clear_handle_id(&backend->tick_source, g_source_remove);
    g_clear_handle_id(&backend->bury_source, g_source_remove);
    g_clear_handle_id(&backend->start_source, g_source_remove);
    g_clear_error(&backend->start_error);
    g_free(backend);
}

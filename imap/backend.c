/* SPDX-License-Identifier: MIT */
/* imap/backend.c - the connections of an account: making them, and coming back after a loss.
 *
 * One connection, the first, lists, compares and answers what is short, and compresses.  Bodies
 * come over others, and changes are made over one of their own, which are made when they are wanted
 * and left when idle; where the server allows no more than one, the first does that too.
 */
#include "imap/changes.h"

#define OTHERS_MAX    3 /* connections beside the first */
#define TICK_S        5
#define IDLE_US       ((gint64)60 * G_USEC_PER_SEC)
#define KEEP_ALIVE_US ((gint64)300 * G_USEC_PER_SEC)
#define REFUSED_MS    300000 /* after a refused login: accounts get locked */
#define ASKED_US      ((gint64)2 * G_USEC_PER_SEC)

struct ImapBackend {
    Cache *cache;
    ImapOptions options;
    ImapAccount account; /* what the workers see of these */
    ImapWorker *lister;
    ImapWorker *writer; /* or NULL */
    GPtrArray *bodies;  /* ImapWorker */
    guint max_others;   /* with the writer */
    GPtrArray *dead;    /* ImapWorker, to be freed */
    gboolean has_started;
    gboolean was_ready; /* since the last attempt to connect */
    gboolean is_refused;
    NetPatience patience, body_patience, writer_patience;
    gint64 tried_us;
    guint dispatch_source, retry_source, tick_source, bury_source, start_source;
    guint room_source;       /* no more connections than there are until then */
    guint body_retry_source; /* no new connection for bodies until then */
    guint writer_retry_source;
    GError *start_error;
};

static gboolean on_dispatch(gpointer data);

/* Looks at the wants again, from the main loop. */
static void dispatch_later(ImapBackend *backend)
{
    if (!backend->dispatch_source)
        backend->dispatch_source =
            g_idle_add_full(G_PRIORITY_DEFAULT + 10, on_dispatch, backend, NULL);
}

static ImapWorker *new_worker(ImapBackend *backend, ImapRole role);
static void bury(ImapBackend *backend, ImapWorker *worker);

/* --- who does what --- */

static gboolean has_idle_body_worker(ImapBackend *backend)
{
    for (guint i = 0; i < backend->bodies->len; i++) {
        const ImapWorker *worker = backend->bodies->pdata[i];

        if (!imap_worker_is_ready(worker) || !worker->jobs.length)
            return TRUE;
    }
    return FALSE;
}

static guint n_others(const ImapBackend *backend)
{
    return backend->bodies->len + (backend->writer ? 1 : 0);
}

static void dispatch_bodies(ImapBackend *backend)
{
    for (guint i = 0; i < backend->bodies->len; i++)
        imap_dispatch_body(backend->bodies->pdata[i], backend->bodies);
    if (imap_worker_is_ready(backend->lister) && !backend->lister->does_bodies &&
        !backend->body_retry_source && n_others(backend) < backend->max_others &&
        !has_idle_body_worker(backend) && imap_dispatch_wants_body(backend->cache, backend->bodies))
        g_ptr_array_add(backend->bodies, new_worker(backend, IMAP_BODIES));
    imap_dispatch_end_ready(backend->cache);
}

/* What the last of those that get bodies has asked for, best one that has nothing to do, another
 * will ask for. */
static void make_room(ImapBackend *backend)
{
    guint nth = backend->bodies->len - 1;

    for (guint i = 0; i < backend->bodies->len; i++)
        if (!((ImapWorker *)backend->bodies->pdata[i])->jobs.length)
            nth = i;
    bury(backend, g_ptr_array_remove_index(backend->bodies, nth));
}

static void connect_writer(ImapBackend *backend)
{
    gboolean has_room = n_others(backend) < backend->max_others;

    if (!has_room && backend->bodies->len < 2) {
        backend->lister->does_changes = TRUE;
        dispatch_later(backend);
        return;
    }
    if (!has_room)
        make_room(backend);
    backend->writer = new_worker(backend, IMAP_WRITER);
}

static void dispatch_changes(ImapBackend *backend)
{
    ImapWorker *lister = backend->lister;

    if (backend->options.is_read_only)
        return;
    if (backend->writer)
        imap_dispatch_changes(backend->writer);
    else if (!imap_worker_is_ready(lister) || !lister->has_listed)
        return;
    else if (lister->does_changes)
        imap_dispatch_changes(lister);
    else if (!backend->writer_retry_source && !imap_changes_are_under_way(lister) &&
             imap_changes_are_wanted(backend->cache))
        connect_writer(backend);
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
        dispatch_changes(backend);
        imap_dispatch_lister(backend->lister, backend->bodies);
        dispatch_bodies(backend);
    }
    return G_SOURCE_REMOVE;
}

static void on_wants_changed(gpointer data)
{
    dispatch_later(data);
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
    backend->lister = new_worker(backend, IMAP_LISTER);
}

static gboolean on_retry(gpointer data)
{
    ImapBackend *backend = data;

    backend->retry_source = 0;
    connect_lister(backend);
    return G_SOURCE_REMOVE;
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
        backend->retry_source =
            g_timeout_add(backend->is_refused ? net_patience_jitter(REFUSED_MS)
                                              : net_patience_wait_ms(&backend->patience),
                          on_retry, backend);
}

/* The server lets us in and does not list: of no use as it is. */
static void leave_lister(ImapBackend *backend, const GError *error)
{
    bury(backend, g_steal_pointer(&backend->lister));
    g_message("%s", error->message);
    go_offline(backend, error);
}

static void on_listed(ImapWorker *worker, const GError *error)
{
    ImapBackend *backend = worker->owner;

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
    dispatch_later(backend);
}

/* As many connections as in the beginning. */
static void try_all_again(ImapBackend *backend)
{
    g_clear_handle_id(&backend->room_source, g_source_remove);
    backend->max_others = OTHERS_MAX;
    if (backend->lister)
        backend->lister->does_bodies = backend->lister->does_changes = FALSE;
    dispatch_later(backend);
}

/* The extensions that must be switched on (RFC 5161), in each connection: the names of mailboxes
 * mean other ones without UTF8=ACCEPT.  Answers come as "* ENABLED". */
static void send_enable(ImapWorker *worker)
{
    gboolean has_qresync = worker->does_lists && imap_worker_has(worker, "QRESYNC");
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

static void on_ready(ImapWorker *worker, gpointer data)
{
    ImapBackend *backend = data;

    send_id(worker);
    send_enable(worker);
    if (worker == backend->lister) {
        backend->was_ready = TRUE;
        backend->is_refused = FALSE;
        try_all_again(backend);
        imap_rights_tell_limit(worker);
        imap_list_start(worker, on_listed);
        imap_session_compress(worker->session);
    }
    dispatch_later(backend);
}

static void on_stalled(ImapWorker *worker, gboolean is_stalled, gpointer data)
{
    ImapBackend *backend = data;

    if (worker != backend->lister || !worker->has_listed)
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

static gboolean on_room_again(gpointer data)
{
    ImapBackend *backend = data;

    if (backend->lister && imap_changes_are_under_way(backend->lister))
        return G_SOURCE_CONTINUE;
    backend->room_source = 0;
    try_all_again(backend);
    return G_SOURCE_REMOVE;
}

/* The server lets in no more connections: those that are there do the work, for some time. */
static void do_without_another(ImapBackend *backend)
{
    backend->max_others = n_others(backend);
    if (!backend->bodies->len)
        backend->lister->does_bodies = TRUE;
    if (!backend->room_source)
        backend->room_source =
            g_timeout_add(net_patience_jitter(REFUSED_MS), on_room_again, backend);
}

static gboolean on_body_retry(gpointer data)
{
    ImapBackend *backend = data;

    backend->body_retry_source = 0;
    dispatch_later(backend);
    return G_SOURCE_REMOVE;
}

static gboolean on_writer_retry(gpointer data)
{
    ImapBackend *backend = data;

    backend->writer_retry_source = 0;
    dispatch_later(backend);
    return G_SOURCE_REMOVE;
}

/* It may be something in what is wanted that makes the server hang up. */
static void give_up(ImapBackend *backend, gboolean (*is_meant)(const CacheWant *want),
                    const GError *error)
{
    g_message("connection lost: %s", error->message);
    for (GList *link = cache_wants(backend->cache)->head, *next; link; link = next) {
        const CacheWant *want = link->data;

        next = link->next;
        if (is_meant(want) && !want->is_taken)
            cache_want_done(backend->cache, want->id, error);
    }
}

/* The server did not let it in, though it lets us in. */
static gboolean is_one_too_many(ImapBackend *backend, const ImapWorker *worker)
{
    return !worker->was_ready && imap_session_is_greeted(worker->session) &&
           imap_worker_is_ready(backend->lister);
}

static void body_closed(ImapBackend *backend, ImapWorker *worker, const GError *error)
{
    if (!g_ptr_array_remove(backend->bodies, worker))
        return;
    if (is_one_too_many(backend, worker)) {
        g_message("no further connection: %s", error->message);
        do_without_another(backend);
    } else if (!worker->has_convict &&
               !net_patience_allows_at_once(&backend->body_patience, worker->born_us)) {
        give_up(backend, imap_want_is_body, error);
        if (!backend->body_retry_source)
            backend->body_retry_source = g_timeout_add(
                net_patience_wait_ms(&backend->body_patience), on_body_retry, backend);
    }
}

/* Nothing that is wanted can be why; and if nobody reaches the server, we are soon offline. */
static gboolean was_out_of_reach(const ImapWorker *worker, const GError *error)
{
    return !worker->was_ready && (g_error_matches(error, MAIL_ERROR, MAIL_ERROR_OFFLINE) ||
                                  g_error_matches(error, MAIL_ERROR, MAIL_ERROR_TIMEOUT));
}

static void writer_closed(ImapBackend *backend, ImapWorker *worker, const GError *error)
{
    backend->writer = NULL;
    if (is_one_too_many(backend, worker)) {
        g_message("no further connection: %s", error->message);
        do_without_another(backend);
    } else if (!net_patience_allows_at_once(&backend->writer_patience, worker->born_us)) {
        if (!was_out_of_reach(worker, error))
            give_up(backend, imap_want_is_change, error);
        if (!backend->writer_retry_source)
            backend->writer_retry_source = g_timeout_add(
                net_patience_wait_ms(&backend->writer_patience), on_writer_retry, backend);
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
        net_patience_allows_at_once(&backend->patience, backend->tried_us))
        connect_lister(backend);
    else
        go_offline(backend, error);
}

static void on_closed(ImapWorker *worker, const GError *error, gpointer data)
{
    ImapBackend *backend = data;

    if (worker == backend->lister)
        lister_closed(backend, error);
    else if (worker == backend->writer)
        writer_closed(backend, worker, error);
    else
        body_closed(backend, worker, error);
    bury(backend, worker);
    dispatch_later(backend);
}

static void on_has_room(ImapWorker *worker, gpointer data)
{
    dispatch_later(data);
}

static ImapWorker *new_worker(ImapBackend *backend, ImapRole role)
{
    static const ImapWorkerEvents events = {on_ready, on_stalled, on_has_room, on_closed};

    return imap_worker_new(&backend->account, role, &events, backend);
}

/* --- now and then --- */

static gboolean is_idle(const ImapWorker *worker, gint64 now)
{
    return imap_worker_is_ready(worker) && !worker->jobs.length && now - worker->used_us > IDLE_US;
}

static void leave_idle(ImapBackend *backend, gint64 now)
{
    for (guint i = backend->bodies->len; i-- > 0;)
        if (is_idle(backend->bodies->pdata[i], now))
            bury(backend, g_ptr_array_remove_index(backend->bodies, i));
    if (is_idle(backend->writer, now) && !imap_changes_are_under_way(backend->writer) &&
        !imap_changes_are_wanted(backend->cache))
        bury(backend, g_steal_pointer(&backend->writer));
}

static gboolean on_tick(gpointer data)
{
    ImapBackend *backend = data;
    ImapWorker *lister = backend->lister;
    gint64 now = g_get_monotonic_time();

    leave_idle(backend, now);
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
    backend->max_others = OTHERS_MAX;
    backend->bodies = g_ptr_array_new();
    backend->dead = g_ptr_array_new_with_free_func(free_worker);
    imap_account_init(&backend->account, cache, &backend->options);
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
    imap_worker_free(backend->writer);
    imap_worker_free(backend->lister);
    g_ptr_array_unref(backend->bodies);
    g_ptr_array_unref(backend->dead);
    imap_account_clear(&backend->account);
    g_clear_handle_id(&backend->dispatch_source, g_source_remove);
    g_clear_handle_id(&backend->retry_source, g_source_remove);
    g_clear_handle_id(&backend->body_retry_source, g_source_remove);
    g_clear_handle_id(&backend->writer_retry_source, g_source_remove);
    g_clear_handle_id(&backend->room_source, g_source_remove);
    g_clear_handle_id(&backend->tick_source, g_source_remove);
    g_clear_handle_id(&backend->bury_source, g_source_remove);
    g_clear_handle_id(&backend->start_source, g_source_remove);
    g_clear_error(&backend->start_error);
    g_free(backend);
}

/* SPDX-License-Identifier: MIT */
/* pop/backend.c - the account: what it shows, and in which order its parts get to work. */
#include "pop/backend.h"

#define DAY_S      86400
#define KEPT_FLAGS (((MailFlags)1 << MAIL_FLAG_FIRST_KEYWORD) - 1) /* those with a fixed letter */

/* --- the mailboxes --- */

static void put_boxes(PopBackend *backend)
{
    static const char *const inbox[] = {"INBOX", NULL}, *const read[] = {"Read", NULL};
    static const gboolean is_raw[] = {FALSE};
    static const CacheBoxNews boxes[] = {
        {"INBOX", inbox, is_raw, CACHE_BOX_READ_ONCE},
        {"Read", read, is_raw, CACHE_BOX_READ},
    };
    Cache *cache = backend->cache;
    const CacheBox *box;

    cache_put_boxes(cache, boxes, G_N_ELEMENTS(boxes));
    for (box = cache_box_next_child(cache, CACHE_ROOT, 0); box;
         box = cache_box_next_child(cache, CACHE_ROOT, box->id))
        *(box->attributes & CACHE_BOX_READ ? &backend->read : &backend->inbox) = box->id;
}

guint32 pop_backend_box(const PopBackend *backend, PopPlace place)
{
    switch (place) {
    case POP_PLACE_WAITING:
    case POP_PLACE_INBOX: return backend->inbox;
    case POP_PLACE_READ: return backend->read;
    default: return 0;
    }
}

void pop_backend_tell_rights(PopBackend *backend, guint32 box)
{
    static const CacheRights rights = {
        .may_insert = TRUE,
        .may_remove = TRUE,
        .permanent = KEPT_FLAGS,
    };

    cache_put_rights(backend->cache, box, &rights);
}

static CacheAnswer read_here(guint32 box, guint32 uid, guint64 offset, gsize size,
                             GPtrArray *ret_slices, GError **error, gpointer data)
{
    const PopBackend *backend = data;
    const PopMessage *message = pop_spool_get(backend->spool, uid);

    if (!message || !pop_message_is_stored(message))
        return CACHE_ABSENT;
    return pop_files_read(backend->files, uid, offset, size, ret_slices, error) ? CACHE_FOUND
                                                                                : CACHE_FAILED;
}

/* --- work --- */

static gboolean on_dispatch(gpointer data)
{
    PopBackend *backend = data;

    backend->dispatch_source = 0;
    if (!backend->spool || backend->has_failed)
        return G_SOURCE_REMOVE;
    pop_drain_run(backend);
    pop_retrieval_run(backend);
    pop_answers_run(backend);
    pop_calls_settle(backend);
    return G_SOURCE_REMOVE;
}

void pop_backend_dispatch_later(PopBackend *backend)
{
    if (!backend->dispatch_source)
        backend->dispatch_source =
            g_idle_add_full(G_PRIORITY_DEFAULT + 10, on_dispatch, backend, NULL);
}

static void on_wants_changed(gpointer data)
{
    pop_calls_try_again(data);
    pop_backend_dispatch_later(data);
}

static void on_cleaned(guint32 n, const GError *error, gpointer data)
{
    if (error && !g_error_matches(error, MAIL_ERROR, MAIL_ERROR_CANCELLED))
        g_message("%s", error->message);
}

static gboolean on_clean(gpointer data)
{
    PopBackend *backend = data;

    pop_spool_clean(backend->spool, g_get_real_time() / G_USEC_PER_SEC, on_cleaned, NULL);
    return G_SOURCE_CONTINUE;
}

/* --- life --- */

static void open_account(PopBackend *backend)
{
    cache_set_spool(backend->cache, read_here, backend);
    put_boxes(backend);
    pop_answers_tell(backend);
    pop_backend_tell_rights(backend, backend->inbox);
    pop_backend_tell_rights(backend, backend->read);
    if (!backend->options.is_read_only) {
        on_clean(backend);
        backend->clean_source = g_timeout_add_seconds(DAY_S, on_clean, backend);
    }
    pop_calls_start(backend);
}

PopBackend *pop_backend_new(Cache *cache, const PopOptions *options)
{
    static const CacheBackend vtable = {on_wants_changed};
    PopBackend *backend = g_new0(PopBackend, 1);
    g_autoptr(GError) error = NULL;

    backend->cache = cache;
    backend->options = *options;
    backend->suspects = pop_suspects_new();
    pop_answers_init(backend);
    pop_retrieval_init(backend);
    pop_drain_init(backend);
    backend->spool = pop_spool_open(cache_state_dir(cache), &error);
    if (!backend->spool) {
        pop_calls_tell_start(backend, error);
        return backend;
    }
    backend->files = pop_files_new(backend->spool);
    cache_set_backend(cache, &vtable, backend);
    open_account(backend);
    return backend;
}

void pop_backend_free(PopBackend *backend)
{
    if (!backend)
        return;
    cache_set_backend(backend->cache, NULL, NULL);
    g_clear_handle_id(&backend->dispatch_source, g_source_remove);
    g_clear_handle_id(&backend->clean_source, g_source_remove);
    pop_calls_clear(backend);
    pop_drain_clear(backend);
    pop_lines_clear(backend);
    cache_set_spool(backend->cache, NULL, NULL);
    pop_files_free(backend->files);
    g_clear_pointer(&backend->spool, pop_spool_close);
    pop_answers_clear(backend);
    pop_retrieval_clear(backend);
    pop_suspects_free(backend->suspects);
    g_free(backend);
}

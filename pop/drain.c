/* SPDX-License-Identifier: MIT */
/* pop/drain.c - the changes of the journal are made in the spool: one of each message at a time.
 *
 * Each can be made again: what was done before we died and is in the journal still is there
 * already.
 */
#include "pop/backend.h"

#define GATHER_MS 100

typedef struct {
    PopBackend *backend;
    guint32 change, number;
    CacheChangeKind kind;
} Draining;

/* What waits until it is noted that it is begun. */
struct PopBatch {
    PopBackend *backend; /* NULL: it is gone */
    GArray *ids;         /* guint32 */
};

static void refuse(PopBackend *backend, guint32 change, MailError code, const char *why)
{
    g_autoptr(GError) error = g_error_new_literal(MAIL_ERROR, code, why);

    cache_change_refused(backend->cache, change, error);
}

/* --- making them --- */

static void end_one(PopBackend *backend)
{
    if (--backend->n_draining == 0)
        pop_backend_dispatch_later(backend);
}

static void on_done(guint32 number, const GError *error, gpointer data)
{
    g_autofree Draining *draining = data;
    PopBackend *backend = draining->backend;
    gboolean is_gone = g_error_matches(error, MAIL_ERROR, MAIL_ERROR_NOT_FOUND);

    if (!backend->spool)
        return;
    if (error && !(is_gone && draining->kind == CACHE_CHANGE_EXPUNGE)) {
        backend->is_behind = TRUE;
        cache_change_refused(backend->cache, draining->change, error);
    } else {
        cache_change_done(backend->cache, draining->change,
                          draining->kind == CACHE_CHANGE_MOVE ? draining->number : 0);
        pop_lines_put(backend, draining->number);
    }
    end_one(backend);
}

static PopPlace place_of(const PopBackend *backend, const CacheChange *change)
{
    if (change->kind == CACHE_CHANGE_EXPUNGE)
        return POP_PLACE_TRASH;
    return change->target == backend->read ? POP_PLACE_READ : POP_PLACE_INBOX;
}

static void make(PopBackend *backend, const CacheChange *change)
{
    const PopMessage *message = pop_spool_get(backend->spool, change->uid);
    Draining *draining = g_new0(Draining, 1);

    *draining = (Draining){backend, change->id, change->uid, change->kind};
    if (change->kind == CACHE_CHANGE_FLAGS)
        pop_spool_set_flags(backend->spool, change->uid,
                            ((message ? message->flags : 0) | change->add) & ~change->remove,
                            on_done, draining);
    else
        pop_spool_move(backend->spool, change->uid, place_of(backend, change), on_done, draining);
}

static void make_or_refuse(PopBackend *backend, guint32 id, const GError *error)
{
    const CacheChange *change = cache_change(backend->cache, id);

    if (change && !change->is_done && !error) {
        make(backend, change);
        return;
    }
    if (change && !change->is_done)
        cache_change_refused(backend->cache, id, error);
    end_one(backend);
}

static void on_noted(const GError *error, gpointer data)
{
    struct PopBatch *batch = data;
    PopBackend *backend = batch->backend;

    if (backend)
        backend->batch = NULL;
    for (guint i = 0; backend && i < batch->ids->len; i++)
        make_or_refuse(backend, g_array_index(batch->ids, guint32, i), error);
    g_array_unref(batch->ids);
    g_free(batch);
}

/* --- choosing --- */

static gboolean can_be_made(const PopBackend *backend, const CacheChange *change)
{
    switch (change->kind) {
    case CACHE_CHANGE_FLAGS:
    case CACHE_CHANGE_EXPUNGE: return TRUE;
    case CACHE_CHANGE_MOVE:
        return change->target == backend->inbox || change->target == backend->read;
    default: return FALSE;
    }
}

/* Those that are new: they come last. */
static void take_new(PopBackend *backend)
{
    const GQueue *changes = cache_changes(backend->cache);
    const GList *link = changes->tail;

    while (link && ((const CacheChange *)link->data)->id > backend->seen_change)
        link = link->prev;
    for (link = link ? link->next : changes->head; link; link = link->next) {
        backend->seen_change = ((const CacheChange *)link->data)->id;
        g_array_append_val(backend->due, backend->seen_change);
    }
}

/* Nothing is lost that was never here: it is retrieved first. */
static void hold(PopBackend *backend, const CacheChange *change)
{
    gpointer number = GUINT_TO_POINTER(change->uid);
    GArray *ids = g_hash_table_lookup(backend->held, number);

    if (!ids) {
        ids = g_array_new(FALSE, FALSE, sizeof(guint32));
        g_hash_table_insert(backend->held, number, ids);
        g_queue_push_tail(&backend->unasked, number);
    }
    g_array_append_val(ids, change->id);
}

static gboolean must_be_held(const PopBackend *backend, guint32 number)
{
    const PopMessage *message = pop_spool_get(backend->spool, number);

    /* What is held already is made first. */
    return (message && message->place == POP_PLACE_WAITING) ||
           g_hash_table_contains(backend->held, GUINT_TO_POINTER(number));
}

/* @numbers: of @chosen, which has one change of each. */
static void choose_or_keep(PopBackend *backend, guint32 id, GHashTable *numbers, GArray *chosen)
{
    const CacheChange *change = cache_change(backend->cache, id);

    if (!change || change->is_done || change->is_refused)
        return;
    if (change->is_taken || g_hash_table_contains(numbers, GUINT_TO_POINTER(change->uid))) {
        g_array_append_val(backend->due, id);
    } else if (!can_be_made(backend, change)) {
        refuse(backend, id, MAIL_ERROR_READ_ONLY, "a POP3 account cannot do that");
    } else if (must_be_held(backend, change->uid)) {
        hold(backend, change);
    } else {
        g_hash_table_add(numbers, GUINT_TO_POINTER(change->uid));
        g_array_append_val(chosen, id);
    }
}

static GArray *choose(PopBackend *backend)
{
    g_autoptr(GHashTable) numbers = g_hash_table_new(NULL, NULL);
    g_autoptr(GArray) due = g_steal_pointer(&backend->due);
    GArray *chosen = g_array_new(FALSE, FALSE, sizeof(guint32));

    backend->due = g_array_new(FALSE, FALSE, sizeof(guint32));
    for (guint i = 0; i < due->len; i++)
        choose_or_keep(backend, g_array_index(due, guint32, i), numbers, chosen);
    return chosen;
}

/* Takes @ids.  The cache notes where messages go: what is known of them follows them there. */
static void begin(PopBackend *backend, GArray *ids)
{
    backend->batch = g_new0(struct PopBatch, 1);
    backend->batch->backend = backend;
    backend->batch->ids = ids;
    backend->n_draining = ids->len;
    backend->drained_us = g_get_monotonic_time();
    for (guint i = 0; i < ids->len; i++)
        cache_change_take(backend->cache, g_array_index(ids, guint32, i));
    cache_changes_note_sent(backend->cache, ids, pop_spool_validity(backend->spool), 0, on_noted,
                            backend->batch);
}

static void run(PopBackend *backend)
{
    g_autoptr(GArray) ids = NULL;

    take_new(backend);
    ids = choose(backend);
    if (ids->len)
        begin(backend, g_steal_pointer(&ids));
}

/* --- gathering: the disk is asked for many at a time --- */

static gboolean on_gathered(gpointer data)
{
    PopBackend *backend = data;

    backend->gather_source = 0;
    pop_backend_dispatch_later(backend);
    return G_SOURCE_REMOVE;
}

/* Whether the last were begun just now, so that more may come, and nobody waits for those that are
 * there. */
static gboolean is_gathering(PopBackend *backend)
{
    gint64 left_us = backend->drained_us + (gint64)GATHER_MS * 1000 - g_get_monotonic_time();

    if (left_us <= 0 || cache_changes_are_awaited(backend->cache))
        return FALSE;
    if (!backend->gather_source)
        backend->gather_source = g_timeout_add((guint)(left_us / 1000) + 1, on_gathered, backend);
    return TRUE;
}

/* --- retrieving what they are of --- */

static void ask(PopBackend *backend)
{
    gpointer number;

    while ((number = g_queue_peek_head(&backend->unasked))) {
        gboolean is_held = g_hash_table_contains(backend->held, number);
        PopVisit *visit = is_held ? pop_calls_need(backend) : NULL;

        if (is_held && !visit)
            return;
        g_queue_pop_head(&backend->unasked);
        if (visit)
            pop_visit_retrieve(visit, GPOINTER_TO_UINT(number));
    }
}

void pop_drain_visit(PopBackend *backend)
{
    gpointer number;

    while ((number = g_queue_pop_head(&backend->put_off)))
        g_queue_push_tail(&backend->unasked, number);
}

static GArray *steal_held(PopBackend *backend, guint32 number)
{
    gpointer ids = NULL;

    g_hash_table_steal_extended(backend->held, GUINT_TO_POINTER(number), NULL, &ids);
    return ids;
}

void pop_drain_release(PopBackend *backend, guint32 number)
{
    g_autoptr(GArray) ids = steal_held(backend, number);

    if (ids)
        g_array_append_vals(backend->due, ids->data, ids->len);
}

void pop_drain_fail(PopBackend *backend, guint32 number, const GError *error)
{
    g_autoptr(GArray) ids = steal_held(backend, number);

    for (guint i = 0; ids && i < ids->len; i++)
        cache_change_refused(backend->cache, g_array_index(ids, guint32, i), error);
}

void pop_drain_keep(PopBackend *backend, guint32 number, gboolean is_put_off)
{
    if (g_hash_table_contains(backend->held, GUINT_TO_POINTER(number)))
        g_queue_push_tail(is_put_off ? &backend->put_off : &backend->unasked,
                          GUINT_TO_POINTER(number));
}

/* --- life --- */

void pop_drain_run(PopBackend *backend)
{
    if (backend->options.is_read_only)
        return;
    if (!backend->n_draining && !is_gathering(backend))
        run(backend);
    ask(backend);
}

static void free_ids(gpointer ids)
{
    g_array_unref(ids);
}

void pop_drain_init(PopBackend *backend)
{
    backend->due = g_array_new(FALSE, FALSE, sizeof(guint32));
    backend->held = g_hash_table_new_full(NULL, NULL, NULL, free_ids);
}

void pop_drain_clear(PopBackend *backend)
{
    g_clear_handle_id(&backend->gather_source, g_source_remove);
    if (backend->batch)
        backend->batch->backend = NULL;
    g_array_unref(backend->due);
    g_hash_table_unref(backend->held);
    g_queue_clear(&backend->unasked);
    g_queue_clear(&backend->put_off);
}

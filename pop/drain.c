/* SPDX-License-Identifier: MIT */
/* pop/drain.c - the changes of the journal are made in the spool: one of each message at a time.
 *
 * Each can be made again: what was done before we died and is in the journal still is there
 * already.
 */
#include "pop/backend.h"

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

/* Nothing is lost that was never here: it is retrieved first. */
static void retrieve(PopBackend *backend, guint32 number)
{
    PopVisit *visit = pop_calls_need(backend);

    if (visit)
        pop_visit_retrieve(visit, number);
}

/* Whether @change is for this batch, which has one of each of @numbers. */
static gboolean is_ready(PopBackend *backend, const CacheChange *change, GHashTable *numbers)
{
    const PopMessage *message = pop_spool_get(backend->spool, change->uid);

    if (!can_be_made(backend, change)) {
        refuse(backend, change->id, MAIL_ERROR_READ_ONLY, "a POP3 account cannot do that");
        return FALSE;
    }
    if (message && message->place == POP_PLACE_WAITING) {
        retrieve(backend, message->number);
        return FALSE;
    }
    return g_hash_table_add(numbers, GUINT_TO_POINTER(change->uid));
}

static GArray *dup_untaken(const PopBackend *backend)
{
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(guint32));

    for (GList *link = cache_changes(backend->cache)->head; link; link = link->next) {
        const CacheChange *change = link->data;

        if (!change->is_taken)
            g_array_append_val(ids, change->id);
    }
    return ids;
}

static GArray *choose(PopBackend *backend)
{
    g_autoptr(GHashTable) numbers = g_hash_table_new(NULL, NULL);
    g_autoptr(GArray) ids = dup_untaken(backend);
    GArray *chosen = g_array_new(FALSE, FALSE, sizeof(guint32));

    for (guint i = 0; i < ids->len; i++) {
        const CacheChange *change = cache_change(backend->cache, g_array_index(ids, guint32, i));

        if (change && !change->is_done && is_ready(backend, change, numbers))
            g_array_append_val(chosen, change->id);
    }
    return chosen;
}

/* Takes @ids.  The cache notes where messages go: what is known of them follows them there. */
static void begin(PopBackend *backend, GArray *ids)
{
    backend->batch = g_new0(struct PopBatch, 1);
    backend->batch->backend = backend;
    backend->batch->ids = ids;
    backend->n_draining = ids->len;
    for (guint i = 0; i < ids->len; i++)
        cache_change_take(backend->cache, g_array_index(ids, guint32, i));
    cache_changes_note_sent(backend->cache, ids, pop_spool_validity(backend->spool), 0, on_noted,
                            backend->batch);
}

void pop_drain_run(PopBackend *backend)
{
    g_autoptr(GArray) ids = NULL;

    if (backend->options.is_read_only || backend->n_draining)
        return;
    ids = choose(backend);
    if (ids->len)
        begin(backend, g_steal_pointer(&ids));
}

void pop_drain_clear(PopBackend *backend)
{
    if (backend->batch)
        backend->batch->backend = NULL;
}

void pop_drain_fail(PopBackend *backend, guint32 number, const GError *error)
{
    g_autoptr(GArray) ids = dup_untaken(backend);

    for (guint i = 0; i < ids->len; i++) {
        const CacheChange *change = cache_change(backend->cache, g_array_index(ids, guint32, i));

        if (change && !change->is_done && change->uid == number)
            cache_change_refused(backend->cache, change->id, error);
    }
}

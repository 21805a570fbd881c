/* SPDX-License-Identifier: MIT */
/* imap/changes.c - which of the changes in the journal are done next, and together.
 *
 * The oldest that can be done decides: with it goes all that the same commands can do.  Changes of
 * one message go in their order, each when the one before is settled.  What was sent, and not
 * answered, is looked for before anything else.
 */
#include "imap/patience.h"
#include "imap/task.h"

#define BATCH_MAX        10000 /* changes of messages */
#define APPENDS_MAX      1000
#define GATHER_MS        100
#define GATHER_SLOWLY_MS 1600 /* while changes keep coming and nobody waits for them */

struct ImapChanges {
    ImapWorker *worker;
    GArray *ids;      /* guint32, under way */
    gboolean is_busy; /* with them, or with rights */
    gboolean is_looking;
    guint32 newest;  /* when something was last begun: what is beyond it is new */
    gint64 since_us; /* new ones wait since then; 0: none do */
    guint gather_ms; /* for so long */
    guint gather_source;
    gboolean has_entered; /* the mailbox of the first, ahead */
    GHashTable *held;     /* ids of changes that must wait, as the server wants it */
    guint held_source;
    ImapPatience patience;
};

/* --- life --- */

static struct ImapChanges *changes_of(ImapWorker *worker)
{
    struct ImapChanges *changes = worker->changes;

    if (changes)
        return changes;
    changes = worker->changes = g_new0(struct ImapChanges, 1);
    changes->worker = worker;
    changes->ids = g_array_new(FALSE, FALSE, sizeof(guint32));
    changes->held = g_hash_table_new(NULL, NULL);
    changes->gather_ms = GATHER_MS;
    changes->since_us = worker->does_lists ? 0 : worker->born_us;
    return changes;
}

void imap_changes_free(struct ImapChanges *changes)
{
    if (!changes)
        return;
    g_clear_handle_id(&changes->gather_source, g_source_remove);
    g_clear_handle_id(&changes->held_source, g_source_remove);
    g_array_unref(changes->ids);
    g_hash_table_unref(changes->held);
    g_free(changes);
}

/* --- what waits --- */

gboolean imap_changes_are_wanted(Cache *cache)
{
    for (GList *link = cache_changes(cache)->head; link; link = link->next)
        if (!((const CacheChange *)link->data)->is_taken)
            return TRUE;
    for (GList *link = cache_wants(cache)->head; link; link = link->next)
        if (imap_want_is_change(link->data) && !((const CacheWant *)link->data)->is_taken)
            return TRUE;
    return FALSE;
}

static const CacheWant *find_rights_want(Cache *cache)
{
    for (GList *link = cache_wants(cache)->head; link; link = link->next)
        if (imap_want_is_change(link->data) && !((const CacheWant *)link->data)->is_taken)
            return link->data;
    return NULL;
}

static gboolean is_of_message(const CacheChange *change)
{
    return change->kind <= CACHE_CHANGE_EXPUNGE;
}

static gboolean is_of_box(const CacheChange *change)
{
    return change->kind >= CACHE_CHANGE_CREATE;
}

/* Messages are looked for; whether a mailbox was changed can be seen when it is done. */
static gboolean was_sent(const CacheChange *change)
{
    return change->sent_uidnext != 0 && !is_of_box(change);
}

/* Those that were passed over: what comes after them and depends on them is, too. */
typedef struct {
    const struct ImapChanges *changes;
    GHashTable *messages; /* key -> itself, owned */
    GHashTable *boxes;    /* that they concern */
    GHashTable *targets;  /* of those that were sent */
} Passed;

static Passed passed_new(const struct ImapChanges *changes)
{
    return (Passed){changes, g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL),
                    g_hash_table_new(NULL, NULL), g_hash_table_new(NULL, NULL)};
}

static void passed_clear(Passed *passed)
{
    g_hash_table_unref(passed->messages);
    g_hash_table_unref(passed->boxes);
    g_hash_table_unref(passed->targets);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Passed, passed_clear)

static gint64 key_of(const CacheChange *change)
{
    return (gint64)((guint64)change->generation << 32 | change->uid);
}

/* @change is not settled: the next one of its message waits. */
static void pass(Passed *passed, const CacheChange *change)
{
    gint64 key = key_of(change);

    if (change->uid)
        g_hash_table_add(passed->messages, g_memdup2(&key, sizeof key));
    g_hash_table_add(passed->boxes, GUINT_TO_POINTER(change->box));
    g_hash_table_add(passed->boxes, GUINT_TO_POINTER(change->target));
    if (was_sent(change))
        g_hash_table_add(passed->targets, GUINT_TO_POINTER(change->target));
}

static gboolean concerns(GHashTable *boxes, guint32 box)
{
    return box && g_hash_table_contains(boxes, GUINT_TO_POINTER(box));
}

static gboolean is_free(const Passed *passed, const CacheChange *change)
{
    gint64 key = key_of(change);

    if (change->is_taken ||
        g_hash_table_contains(passed->changes->held, GUINT_TO_POINTER(change->id)) ||
        (change->uid && g_hash_table_contains(passed->messages, &key)))
        return FALSE;
    /* What comes there now must not be taken for what came before. */
    if (!was_sent(change) && concerns(passed->targets, change->target))
        return FALSE;
    return !is_of_box(change) ||
           !(concerns(passed->boxes, change->box) || concerns(passed->boxes, change->target));
}

/* Whether @change can be done together with @first. */
static gboolean goes_with(const CacheChange *first, const CacheChange *change)
{
    if (was_sent(first) || was_sent(change))
        return was_sent(first) && was_sent(change) && change->target == first->target;
    if (is_of_message(first))
        return is_of_message(change) && change->box == first->box &&
               change->generation == first->generation;
    return first->kind == CACHE_CHANGE_APPEND && change->kind == CACHE_CHANGE_APPEND &&
           change->target == first->target && !first->uid && !change->uid;
}

/* Collects in changes->ids the oldest that is free, of those that were sent or of the others, and
 * what goes with it, up to @max.  NULL when there is none. */
static const CacheChange *collect(struct ImapChanges *changes, gboolean of_sent, guint max)
{
    g_auto(Passed) passed = passed_new(changes);
    const CacheChange *first = NULL;

    for (GList *link = cache_changes(imap_worker_cache(changes->worker))->head;
         link && changes->ids->len < max; link = link->next) {
        const CacheChange *change = link->data;

        if (was_sent(change) == of_sent && is_free(&passed, change) &&
            (!first || goes_with(first, change))) {
            if (!first && change->kind == CACHE_CHANGE_APPEND)
                max = MIN(max, APPENDS_MAX);
            first = first ? first : change;
            g_array_append_val(changes->ids, change->id);
        }
        pass(&passed, change);
    }
    return first;
}

static const CacheChange *choose(struct ImapChanges *changes, guint max)
{
    const CacheChange *first = collect(changes, TRUE, max);

    return first ? first : collect(changes, FALSE, max);
}

static gboolean has_work(struct ImapChanges *changes)
{
    gboolean has = choose(changes, 1) != NULL;

    g_array_set_size(changes->ids, 0);
    return has;
}

/* --- gathering --- */

static gboolean on_gathered(gpointer data)
{
    struct ImapChanges *changes = data;

    changes->gather_source = 0;
    changes->worker->events->has_room(changes->worker, changes->worker->owner);
    return G_SOURCE_REMOVE;
}

static gboolean is_waited_for(Cache *cache)
{
    for (GList *link = cache_wants(cache)->head; link; link = link->next) {
        const CacheWant *want = link->data;

        if (want->kind == CACHE_WANT_SETTLED && want->n_waiting)
            return TRUE;
    }
    return FALSE;
}

/* Whether there are none but new ones, more of which may come. */
static gboolean is_gathering(struct ImapChanges *changes)
{
    Cache *cache = imap_worker_cache(changes->worker);
    const CacheChange *oldest = NULL;
    gint64 left_us, now = g_get_monotonic_time();

    for (GList *link = cache_changes(cache)->head; link && !oldest; link = link->next)
        if (!g_hash_table_contains(changes->held,
                                   GUINT_TO_POINTER(((const CacheChange *)link->data)->id)))
            oldest = link->data;
    if (!oldest || oldest->id <= changes->newest || is_waited_for(cache))
        return FALSE;
    if (!changes->since_us)
        changes->since_us = now;
    left_us = changes->since_us + (gint64)changes->gather_ms * 1000 - now;
    if (left_us > 0 && !changes->gather_source)
        changes->gather_source = g_timeout_add((guint)(left_us / 1000) + 1, on_gathered, changes);
    return left_us > 0;
}

/* The mailbox is entered meanwhile; what comes of it is seen when it is needed. */
static void on_entered(ImapWorker *worker, const GError *error)
{
    if (!error)
        imap_worker_check_box(worker);
}

static void enter_ahead(struct ImapChanges *changes)
{
    const GQueue *queue = cache_changes(imap_worker_cache(changes->worker));
    const CacheChange *first = g_queue_peek_head((GQueue *)queue);

    if (changes->has_entered || changes->worker->jobs.length || changes->worker->does_lists)
        return;
    changes->has_entered = TRUE;
    if (first && is_of_message(first) && changes->newest < first->id &&
        !imap_worker_has_selected(changes->worker, first->box))
        imap_examine(changes->worker, first->box, NULL, on_entered);
}

/* --- one after the other --- */

static gboolean on_held_enough(gpointer data)
{
    struct ImapChanges *changes = data;

    changes->held_source = 0;
    g_hash_table_remove_all(changes->held);
    changes->worker->events->has_room(changes->worker, changes->worker->owner);
    return G_SOURCE_REMOVE;
}

/* What was under way and is not settled must wait, unless it was only found not to have been sent.
 */
static void hold_unsettled(struct ImapChanges *changes)
{
    g_autoptr(GHashTable) ids = g_hash_table_new(NULL, NULL);

    for (guint i = 0; i < changes->ids->len; i++)
        g_hash_table_add(ids, GUINT_TO_POINTER(g_array_index(changes->ids, guint32, i)));
    for (GList *link = cache_changes(imap_worker_cache(changes->worker))->head; link;
         link = link->next) {
        const CacheChange *change = link->data;

        if (g_hash_table_contains(ids, GUINT_TO_POINTER(change->id)) &&
            (!changes->is_looking || was_sent(change)))
            g_hash_table_add(changes->held, GUINT_TO_POINTER(change->id));
    }
    if (!g_hash_table_size(changes->held) && !changes->is_looking)
        changes->patience = (ImapPatience){0};
    else if (g_hash_table_size(changes->held) && !changes->held_source)
        changes->held_source =
            g_timeout_add(imap_patience_wait_ms(&changes->patience), on_held_enough, changes);
}

static gboolean has_new(const struct ImapChanges *changes)
{
    const GQueue *queue = cache_changes(imap_worker_cache(changes->worker));
    const CacheChange *last = g_queue_peek_tail((GQueue *)queue);

    return last && last->id > changes->newest;
}

static void end(struct ImapChanges *changes)
{
    ImapWorker *worker = changes->worker;

    changes->is_busy = changes->has_entered = FALSE;
    changes->since_us = 0;
    worker->events->has_room(worker, worker->owner);
}

static void on_done(ImapWorker *worker)
{
    struct ImapChanges *changes = worker->changes;

    changes->gather_ms =
        has_new(changes) ? MIN(changes->gather_ms * 2, GATHER_SLOWLY_MS) : GATHER_MS;
    if (!imap_session_is_closed(worker->session))
        hold_unsettled(changes);
    g_array_set_size(changes->ids, 0);
    cache_changes_renew(imap_worker_cache(worker));
    end(changes);
}

static void on_rights_done(ImapWorker *worker)
{
    end(worker->changes);
}

static void start(struct ImapChanges *changes, const CacheChange *first)
{
    ImapWorker *worker = changes->worker;
    Cache *cache = imap_worker_cache(worker);
    g_autoptr(GArray) ids = g_array_copy(changes->ids);
    const CacheChange *last = g_queue_peek_tail((GQueue *)cache_changes(cache));

    changes->newest = last->id;
    changes->is_busy = TRUE;
    changes->is_looking = was_sent(first);
    cache_changes_renew(cache);
    if (changes->is_looking)
        imap_look_start(worker, ids, on_done);
    else if (is_of_message(first))
        imap_message_changes_start(worker, first->box, ids, on_done);
    else if (is_of_box(first))
        imap_box_change_start(worker, first->id, on_done);
    else
        imap_append_start(worker, ids, on_done);
}

static void start_rights(struct ImapChanges *changes, guint32 box)
{
    changes->is_busy = TRUE;
    imap_rights_start(changes->worker, box, on_rights_done);
}

gboolean imap_changes_are_under_way(const ImapWorker *worker)
{
    return worker->changes && worker->changes->is_busy;
}

gboolean imap_changes_are_due(ImapWorker *worker)
{
    Cache *cache = imap_worker_cache(worker);

    return imap_changes_are_under_way(worker) ||
           (worker->does_changes &&
            (find_rights_want(cache) ||
             (!is_gathering(changes_of(worker)) && has_work(changes_of(worker)))));
}

void imap_dispatch_changes(ImapWorker *worker)
{
    struct ImapChanges *changes = changes_of(worker);
    Cache *cache = imap_worker_cache(worker);
    const CacheWant *want = find_rights_want(cache);
    const CacheChange *first;

    if (!imap_worker_is_ready(worker) || changes->is_busy || worker->sync ||
        !imap_changes_are_wanted(cache))
        return;
    if (!want && is_gathering(changes)) {
        enter_ahead(changes);
        return;
    }
    if (worker->jobs.length)
        return;
    if (want) {
        start_rights(changes, want->box);
        return;
    }
    first = choose(changes, BATCH_MAX);
    if (first)
        start(changes, first);
}

/* SPDX-License-Identifier: MIT */
/* imap/changes.c - which of the changes in the journal are done next, and together.
 *
 * The oldest that can be done decides: with it goes all that the same commands can do.  Changes of
 * one message go in their order, each when the one before is settled.  What was sent, and not
 * answered, is looked for before anything else.  What had a setback goes last: it may be what makes
 * the server hang up.
 */
#include "imap/task.h"

#define BATCH_MAX        10000 /* changes of messages */
#define APPENDS_MAX      1000
#define APPENDS_ALONE    100 /* where listings must wait for them */
#define GATHER_MS        100
#define GATHER_SLOWLY_MS 1600 /* while changes keep coming and nobody waits for them */
#define SETBACKS_MAX     5
#define SET_BACK_MS      1000
#define TURN_MS          1000 /* of listings, between two batches */
/* Locks, overload and restarts are over by then. */
#define UNTOLD_US ((gint64)600 * G_USEC_PER_SEC)
/* More than is waited between two questions: then it is another row. */
#define ROW_US ((gint64)120 * G_USEC_PER_SEC)

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
    gint64 turn_us; /* until then who waits for listings goes first */
    guint turn_source;
    guint32 idle_newest; /* with this one last, and so many, none could be done */
    guint idle_len;
    NetPatience patience;
};

/* --- setbacks --- */

/* Messages are looked for; whether a mailbox was changed can be seen when it is done. */
static gboolean was_sent(const CacheChange *change)
{
    return change->sent_uidnext != 0 && change->kind < CACHE_CHANGE_CREATE;
}

static guint count_of(GHashTable *table, guint32 id)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(table, GUINT_TO_POINTER(id)));
}

static void count_one(GHashTable *table, guint32 id)
{
    g_hash_table_insert(table, GUINT_TO_POINTER(id), GUINT_TO_POINTER(count_of(table, id) + 1));
}

static guint n_setbacks(const ImapWorker *worker, guint32 id)
{
    return count_of(worker->account->setbacks, id);
}

static guint n_lost_looks(const ImapWorker *worker, const CacheChange *change)
{
    return was_sent(change) ? count_of(worker->account->lost_looks, change->id) : 0;
}

/* Whether the connection was lost each time that it was to be sent, or looked for. */
static gboolean is_in_vain(const ImapWorker *worker, const CacheChange *change)
{
    return (was_sent(change) ? n_lost_looks(worker, change) : n_setbacks(worker, change->id)) >=
           SETBACKS_MAX;
}

gboolean imap_changes_may_ask_again(const ImapWorker *worker, guint32 box)
{
    GHashTable *untold = worker->account->untold;
    ImapRow *row = g_hash_table_lookup(untold, GUINT_TO_POINTER(box));
    gint64 now = g_get_monotonic_time();

    if (!row || now - row->last_us > ROW_US) {
        row = g_new(ImapRow, 1);
        row->first_us = now;
        g_hash_table_insert(untold, GUINT_TO_POINTER(box), row);
    }
    row->last_us = now;
    return now - row->first_us < UNTOLD_US;
}

void imap_changes_were_answered(const ImapWorker *worker, guint32 box)
{
    g_hash_table_remove(worker->account->untold, GUINT_TO_POINTER(box));
}

static gboolean on_held_enough(gpointer data);

/* A new connection does not begin with what the one before was lost over, unless that is to be
 * given up. */
static void hold_set_back(struct ImapChanges *changes)
{
    guint most = 0;

    for (GList *link = cache_changes(imap_worker_cache(changes->worker))->head; link;
         link = link->next) {
        const CacheChange *change = link->data;
        guint n = n_setbacks(changes->worker, change->id);

        n = MAX(n, n_lost_looks(changes->worker, change));
        if (!n || n >= SETBACKS_MAX)
            continue;
        g_hash_table_add(changes->held, GUINT_TO_POINTER(change->id));
        most = MAX(most, n);
    }
    if (most)
        changes->held_source =
            g_timeout_add(net_patience_jitter(SET_BACK_MS << (most - 1)), on_held_enough, changes);
}

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
    hold_set_back(changes);
    return changes;
}

void imap_changes_free(struct ImapChanges *changes)
{
    if (!changes)
        return;
    g_clear_handle_id(&changes->gather_source, g_source_remove);
    g_clear_handle_id(&changes->held_source, g_source_remove);
    g_clear_handle_id(&changes->turn_source, g_source_remove);
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
static gboolean goes_with(const ImapWorker *worker, const CacheChange *first,
                          const CacheChange *change)
{
    /* All together: what is found is one's only. */
    if (was_sent(first) || was_sent(change))
        return was_sent(first) && was_sent(change) && change->target == first->target;
    if (n_setbacks(worker, first->id) != n_setbacks(worker, change->id))
        return FALSE;
    if (is_of_message(first))
        return is_of_message(change) && change->box == first->box &&
               change->generation == first->generation;
    return first->kind == CACHE_CHANGE_APPEND && change->kind == CACHE_CHANGE_APPEND &&
           change->target == first->target && !first->uid && !change->uid;
}

/* With how many others; after setbacks with fewer, at last alone. */
static guint batch_max(const ImapWorker *worker, const CacheChange *first)
{
    guint n = was_sent(first) ? 0 : n_setbacks(worker, first->id), max = BATCH_MAX;

    if (first->kind == CACHE_CHANGE_APPEND)
        max = worker->does_lists && !was_sent(first) ? APPENDS_ALONE : APPENDS_MAX;
    return n > 1 ? MAX(1, max >> 5 * (MIN(n, SETBACKS_MAX) - 1)) : max;
}

static gboolean is_to_be_found(const ImapWorker *worker, const CacheChange *change)
{
    return was_sent(change);
}

static gboolean is_unharmed(const ImapWorker *worker, const CacheChange *change)
{
    return !was_sent(change) && !n_setbacks(worker, change->id);
}

static gboolean is_set_back(const ImapWorker *worker, const CacheChange *change)
{
    return !was_sent(change) && n_setbacks(worker, change->id);
}

/* Collects in changes->ids the oldest that is free, of those that are meant, and what goes with it,
 * up to @max.  NULL when there is none. */
static const CacheChange *collect(struct ImapChanges *changes,
                                  gboolean (*is_meant)(const ImapWorker *worker,
                                                       const CacheChange *change),
                                  guint max)
{
    const ImapWorker *worker = changes->worker;
    g_auto(Passed) passed = passed_new(changes);
    const CacheChange *first = NULL;

    for (GList *link = cache_changes(imap_worker_cache(worker))->head;
         link && changes->ids->len < max; link = link->next) {
        const CacheChange *change = link->data;

        if (is_meant(worker, change) && is_free(&passed, change) &&
            (!first || goes_with(worker, first, change))) {
            if (!first)
                max = MIN(max, batch_max(worker, change));
            first = first ? first : change;
            g_array_append_val(changes->ids, change->id);
        }
        pass(&passed, change);
    }
    return first;
}

/* Whether nothing has come, or gone, since none could be done. */
static gboolean is_idle(const struct ImapChanges *changes)
{
    const GQueue *queue = cache_changes(imap_worker_cache(changes->worker));
    const CacheChange *last = g_queue_peek_tail((GQueue *)queue);

    return !last || (changes->idle_newest == last->id && changes->idle_len == queue->length);
}

static void note_idle(struct ImapChanges *changes)
{
    const GQueue *queue = cache_changes(imap_worker_cache(changes->worker));
    const CacheChange *last = g_queue_peek_tail((GQueue *)queue);

    changes->idle_newest = last->id;
    changes->idle_len = queue->length;
}

static const CacheChange *choose(struct ImapChanges *changes, guint max)
{
    const CacheChange *first;

    if (is_idle(changes))
        return NULL;
    first = collect(changes, is_to_be_found, max);
    if (!first)
        first = collect(changes, is_unharmed, max);
    if (!first)
        first = collect(changes, is_set_back, max);
    if (!first)
        note_idle(changes);
    return first;
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

/* Whether there are none but new ones, more of which may come. */
static gboolean is_gathering(struct ImapChanges *changes)
{
    Cache *cache = imap_worker_cache(changes->worker);
    const CacheChange *oldest = NULL;
    gint64 left_us, now = g_get_monotonic_time();

    if (is_idle(changes))
        return FALSE;
    for (GList *link = cache_changes(cache)->head; link && !oldest; link = link->next)
        if (!g_hash_table_contains(changes->held,
                                   GUINT_TO_POINTER(((const CacheChange *)link->data)->id)))
            oldest = link->data;
    if (!oldest || oldest->id <= changes->newest || cache_changes_are_awaited(cache))
        return FALSE;
    if (!changes->since_us)
        changes->since_us = now;
    left_us = changes->since_us + (gint64)changes->gather_ms * 1000 - now;
    if (left_us > 0 && !changes->gather_source)
        changes->gather_source = g_timeout_add((guint)(left_us / 1000) + 1, on_gathered, changes);
    return left_us > 0;
}

/* --- one connection for all --- */

static gboolean is_listing_waited_for(const ImapWorker *worker)
{
    for (GList *link = cache_wants(imap_worker_cache(worker))->head; link; link = link->next) {
        const CacheWant *want = link->data;

        if (want->n_waiting &&
            (imap_want_is_list(want) || (worker->does_bodies && imap_want_is_body(want))))
            return TRUE;
    }
    return FALSE;
}

static gboolean on_turn_over(gpointer data)
{
    struct ImapChanges *changes = data;

    changes->turn_source = 0;
    changes->worker->events->has_room(changes->worker, changes->worker->owner);
    return G_SOURCE_REMOVE;
}

/* Whether it is the turn of listings, on the connection that does both. */
static gboolean gives_way(struct ImapChanges *changes)
{
    gint64 left_us = changes->turn_us - g_get_monotonic_time();

    if (left_us <= 0 || !changes->worker->does_lists || !is_listing_waited_for(changes->worker))
        return FALSE;
    if (!changes->turn_source)
        changes->turn_source = g_timeout_add((guint)(left_us / 1000) + 1, on_turn_over, changes);
    return TRUE;
}

/* --- ahead --- */

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

    changes->held_source = changes->idle_newest = 0;
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
        changes->patience = (NetPatience){0};
    else if (g_hash_table_size(changes->held) && !changes->held_source)
        changes->held_source =
            g_timeout_add(net_patience_wait_ms(&changes->patience), on_held_enough, changes);
}

/* What was lost with the connection. */
static void set_back_unsettled(const struct ImapChanges *changes)
{
    const ImapAccount *account = changes->worker->account;

    for (guint i = 0; i < changes->ids->len; i++) {
        guint32 id = g_array_index(changes->ids, guint32, i);
        const CacheChange *change = cache_change(account->cache, id);

        if (change && !change->is_done)
            count_one(changes->is_looking ? account->lost_looks : account->setbacks, id);
    }
}

static void forget_settled(const struct ImapChanges *changes)
{
    const ImapAccount *account = changes->worker->account;

    for (guint i = 0; i < changes->ids->len; i++) {
        guint32 id = g_array_index(changes->ids, guint32, i);
        const CacheChange *change = cache_change(account->cache, id);
        gboolean is_settled = !change || change->is_done;

        if (is_settled)
            g_hash_table_remove(account->setbacks, GUINT_TO_POINTER(id));
        if (is_settled || !was_sent(change))
            g_hash_table_remove(account->lost_looks, GUINT_TO_POINTER(id));
    }
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
    changes->since_us = changes->idle_newest = 0;
    changes->turn_us = g_get_monotonic_time() + TURN_MS * 1000;
    worker->events->has_room(worker, worker->owner);
}

static void on_done(ImapWorker *worker)
{
    struct ImapChanges *changes = worker->changes;

    changes->gather_ms =
        has_new(changes) ? MIN(changes->gather_ms * 2, GATHER_SLOWLY_MS) : GATHER_MS;
    forget_settled(changes);
    if (imap_session_is_closed(worker->session)) {
        set_back_unsettled(changes);
    } else {
        hold_unsettled(changes);
        imap_changes_renew(worker);
    }
    g_array_set_size(changes->ids, 0);
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
    if (!n_setbacks(worker, first->id))
        imap_changes_renew(worker);
    if (changes->is_looking)
        imap_look_start(worker, ids, on_done);
    else if (is_of_message(first))
        imap_message_changes_start(worker, first->box, ids, on_done);
    else if (is_of_box(first))
        imap_box_change_start(worker, first->id, on_done);
    else
        imap_append_start(worker, ids, on_done);
}

/* After all these times: what was looked for, and is not there, or could not be looked for. */
static void refuse_chosen(struct ImapChanges *changes)
{
    ImapWorker *worker = changes->worker;
    g_autoptr(GArray) ids = g_array_copy(changes->ids);
    g_autoptr(GError) error =
        g_error_new(MAIL_ERROR, MAIL_ERROR_SERVER,
                    "the connection was lost each time that the server was to do it");

    for (guint i = 0; i < ids->len; i++)
        cache_change_refused(imap_worker_cache(worker), g_array_index(ids, guint32, i), error);
    forget_settled(changes);
    g_array_set_size(changes->ids, 0);
    worker->events->has_room(worker, worker->owner);
}

static void start_rights(struct ImapChanges *changes, guint32 box)
{
    changes->is_busy = TRUE;
    imap_rights_start(changes->worker, box, on_rights_done);
}

void imap_changes_renew(const ImapWorker *worker)
{
    Cache *cache = imap_worker_cache(worker);

    cache_changes_renew(cache);
    for (GList *link = cache_wants(cache)->head; link; link = link->next)
        if (imap_want_is_change(link->data))
            cache_want_renew(cache, ((const CacheWant *)link->data)->id);
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
             (!gives_way(changes_of(worker)) && !is_gathering(changes_of(worker)) &&
              has_work(changes_of(worker)))));
}

void imap_dispatch_changes(ImapWorker *worker)
{
    struct ImapChanges *changes = changes_of(worker);
    Cache *cache = imap_worker_cache(worker);
    const CacheWant *want = find_rights_want(cache);
    const CacheChange *first;

    if (!imap_worker_is_ready(worker) || changes->is_busy || worker->sync ||
        !imap_changes_are_wanted(cache) || (!want && gives_way(changes)))
        return;
    if (!want && is_gathering(changes)) {
        enter_ahead(changes);
        return;
    }
    if (worker->jobs.length) {
        imap_session_end_idle(worker->session);
        return;
    }
    if (want) {
        start_rights(changes, want->box);
        return;
    }
    first = choose(changes, BATCH_MAX);
    if (first && is_in_vain(worker, first))
        refuse_chosen(changes);
    else if (first)
        start(changes, first);
}

/* SPDX-License-Identifier: MIT */
/* cache/wants.c - what is wanted and who waits for it. */
#include "cache/private.h"

#define CHECK_MS      200
#define AGAIN_US      G_USEC_PER_SEC
#define SUGGESTED_MAX 8192

typedef struct {
    CacheWant pub; /* first: a Want is its own key */
    GList link;
    GQueue waiters; /* Waiter, owned */
} Want;

typedef struct {
    guint64 ticket;
    Want *want; /* NULL once it has ended */
    CacheWakeFunc wake;
    gpointer data;
    GError *error;
    GList link;
} Waiter;

struct Wants {
    GHashTable *by_id;  /* &id -> Want */
    GHashTable *by_key; /* Want -> Want */
    GQueue order;       /* the backend's that it has not taken, oldest first */
    GQueue making;      /* the same of the maker */
    GQueue taken;
    GHashTable *tickets; /* &ticket -> Waiter */
    GQueue ready;        /* Waiter, to be woken */
    guint64 last_id, last_ticket;
    guint n_suggested;
    GHashTable *in_vain; /* &message_key(box, uid) of what was waited for in vain, owned */
    gint64 in_vain_us;   /* when that was, for the last of them */
    guint wake_source, tell_source, deadline_source;
};

static guint want_hash(gconstpointer data)
{
    const CacheWant *want = data;

    return want->kind ^ want->box * 31u ^ want->generation * 40503u ^ want->uid * 2654435761u ^
           want->block * 97u;
}

static gboolean want_equal(gconstpointer a, gconstpointer b)
{
    const CacheWant *left = a, *right = b;

    return left->kind == right->kind && left->box == right->box &&
           left->generation == right->generation && left->uid == right->uid &&
           left->block == right->block && left->section == right->section &&
           left->is_urgent == right->is_urgent;
}

void wants_init(Cache *cache)
{
    struct Wants *wants = g_new0(struct Wants, 1);

    wants->by_id = g_hash_table_new(g_int64_hash, g_int64_equal);
    wants->by_key = g_hash_table_new(want_hash, want_equal);
    wants->tickets = g_hash_table_new(g_int64_hash, g_int64_equal);
    wants->in_vain = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    cache->wants = wants;
}

static void waiter_free(Cache *cache, Waiter *waiter)
{
    g_hash_table_remove(cache->wants->tickets, &waiter->ticket);
    g_clear_error(&waiter->error);
    g_free(waiter);
}

/* What the maker makes of what is here. */
static gboolean is_for_maker(const CacheWant *want)
{
    return want->kind == CACHE_WANT_PARSE || want->kind == CACHE_WANT_MADE;
}

/* Whether the change is of what a spool has: what is not there has to be retrieved first. */
static gboolean settles_here(Cache *cache, guint32 id)
{
    const CacheChange *change = cache_change(cache, id);

    return change && spool_has(cache, change->generation, change->uid);
}

/* What depends on no server. */
static gboolean is_local(Cache *cache, const CacheWant *want)
{
    return is_for_maker(want) || want->kind == CACHE_WANT_SYNCED ||
           (want->kind == CACHE_WANT_SETTLED && settles_here(cache, want->uid));
}

static GQueue *queue_of(struct Wants *wants, const CacheWant *want)
{
    if (is_for_maker(want))
        return &wants->making;
    return want->is_taken ? &wants->taken : &wants->order;
}

/* Takes @want out of all tables; its waiters must be gone. */
static void want_free(Cache *cache, Want *want)
{
    struct Wants *wants = cache->wants;

    if (!want->pub.n_waiting)
        wants->n_suggested--;
    g_hash_table_remove(wants->by_id, &want->pub.id);
    g_hash_table_remove(wants->by_key, want);
    g_queue_unlink(queue_of(wants, &want->pub), &want->link);
    g_free(want);
}

/* All of @queue, with those who wait for them. */
static void free_all(Cache *cache, GQueue *queue)
{
    while (queue->head) {
        Want *want = queue->head->data;

        while (want->waiters.head) {
            Waiter *waiter = want->waiters.head->data;

            g_queue_unlink(&want->waiters, &waiter->link);
            waiter_free(cache, waiter);
        }
        want_free(cache, want);
    }
}

void wants_free(Cache *cache)
{
    struct Wants *wants = cache->wants;

    free_all(cache, &wants->order);
    free_all(cache, &wants->making);
    free_all(cache, &wants->taken);
    while (wants->ready.head) {
        Waiter *waiter = wants->ready.head->data;

        g_queue_unlink(&wants->ready, &waiter->link);
        waiter_free(cache, waiter);
    }
    g_clear_handle_id(&wants->wake_source, g_source_remove);
    g_clear_handle_id(&wants->tell_source, g_source_remove);
    g_clear_handle_id(&wants->deadline_source, g_source_remove);
    g_hash_table_unref(wants->by_id);
    g_hash_table_unref(wants->by_key);
    g_hash_table_unref(wants->tickets);
    g_hash_table_unref(wants->in_vain);
    g_free(wants);
}

guint wants_count(Cache *cache)
{
    return cache->wants->order.length + cache->wants->making.length + cache->wants->taken.length;
}

/* --- telling the backend --- */

static gboolean on_tell(gpointer data)
{
    Cache *cache = data;

    cache->wants->tell_source = 0;
    if (cache->backend)
        cache->backend->wants_changed(cache->backend_data);
    if (cache->maker)
        cache->maker->wants_changed(cache->maker_data);
    return G_SOURCE_REMOVE;
}

static void tell_backend(Cache *cache)
{
    /* At the end of the turn, when all that can be wanted together is. */
    if (!cache->wants->tell_source)
        cache->wants->tell_source = g_idle_add_full(G_PRIORITY_DEFAULT + 10, on_tell, cache, NULL);
}

static GError *timeout_error(Cache *cache)
{
    return g_error_new(MAIL_ERROR, MAIL_ERROR_TIMEOUT, "the server did not answer in %u seconds",
                       (guint)(cache->timeout_us / G_USEC_PER_SEC));
}

/* The kernel asks for a page again when its read-ahead failed: one call of a program would wait
 * twice. */
gboolean wants_are_in_vain(Cache *cache, guint32 box, guint32 uid)
{
    gint64 key = message_key(box, uid);

    return g_hash_table_contains(cache->wants->in_vain, &key) &&
           g_get_monotonic_time() - cache->wants->in_vain_us < AGAIN_US;
}

static void note_in_vain(struct Wants *wants, const CacheWant *want, gint64 now)
{
    gint64 key = message_key(want->box, want->uid);

    if (now - wants->in_vain_us >= AGAIN_US)
        g_hash_table_remove_all(wants->in_vain);
    wants->in_vain_us = now;
    g_hash_table_add(wants->in_vain, g_memdup2(&key, sizeof key));
}

/* What the maker is at waits for other wants, each of which has a time of its own. */
static gboolean has_deadline(const Want *want)
{
    return !want->pub.is_taken || !is_for_maker(&want->pub);
}

/* Fails those of @queue whose time is over. */
static void fail_overdue(Cache *cache, const GQueue *queue, gint64 now)
{
    for (GList *link = queue->head, *next; link; link = next) {
        const Want *want = link->data;

        next = link->next;
        if (want->pub.deadline_us <= now && has_deadline(want)) {
            g_autoptr(GError) error = timeout_error(cache);

            if (want->pub.n_waiting)
                note_in_vain(cache->wants, &want->pub, now);
            cache_want_done(cache, want->pub.id, error);
        }
    }
}

static gboolean on_deadline(gpointer data)
{
    Cache *cache = data;
    gint64 now = g_get_monotonic_time();

    fail_overdue(cache, &cache->wants->order, now);
    fail_overdue(cache, &cache->wants->making, now);
    fail_overdue(cache, &cache->wants->taken, now);
    if (wants_count(cache))
        return G_SOURCE_CONTINUE;
    cache->wants->deadline_source = 0;
    return G_SOURCE_REMOVE;
}

static Want *want_add(Cache *cache, const CacheWant *wanted)
{
    struct Wants *wants = cache->wants;
    Want *want = g_new0(Want, 1);

    want->pub = *wanted;
    want->pub.id = ++wants->last_id;
    want->pub.deadline_us = g_get_monotonic_time() + cache->timeout_us;
    want->link.data = want;
    g_hash_table_insert(wants->by_id, &want->pub.id, want);
    g_hash_table_add(wants->by_key, want);
    g_queue_push_tail_link(queue_of(wants, wanted), &want->link);
    wants->n_suggested++;
    if (!wants->deadline_source)
        wants->deadline_source = g_timeout_add(CHECK_MS, on_deadline, cache);
    tell_backend(cache);
    return want;
}

static Want *window_in(const GQueue *queue, const CacheWant *wanted)
{
    for (GList *link = queue->head; link; link = link->next) {
        Want *want = link->data;

        if (want->pub.kind == CACHE_WANT_LINES && want->pub.box == wanted->box &&
            want->pub.low <= wanted->uid && wanted->uid <= want->pub.uid)
            return want;
    }
    return NULL;
}

/* Lines are wanted in windows: one that holds the message will do. */
static Want *window_with(Cache *cache, const CacheWant *wanted)
{
    Want *want = window_in(&cache->wants->order, wanted);

    return want ? want : window_in(&cache->wants->taken, wanted);
}

static Want *want_find(Cache *cache, const CacheWant *wanted)
{
    if (wanted->kind == CACHE_WANT_LINES)
        return window_with(cache, wanted);
    return g_hash_table_lookup(cache->wants->by_key, wanted);
}

CacheAnswer wants_answer(Cache *cache, const CacheWant *wanted, guint64 *ret_want, GError **error)
{
    Want *want;

    if (cache->state == CACHE_OFFLINE && !is_local(cache, wanted)) {
        if (cache->state_error)
            g_propagate_error(error, g_error_copy(cache->state_error));
        else
            g_set_error(error, MAIL_ERROR, MAIL_ERROR_OFFLINE, "not connected");
        tell_backend(cache);
        return CACHE_FAILED;
    }
    want = want_find(cache, wanted);
    if (!want && !is_local(cache, wanted) && wants_are_in_vain(cache, wanted->box, wanted->uid)) {
        g_propagate_error(error, timeout_error(cache));
        return CACHE_FAILED;
    }
    if (!want)
        want = want_add(cache, wanted);
    *ret_want = want->pub.id;
    return CACHE_WAIT;
}

gboolean wants_has(Cache *cache, const CacheWant *wanted)
{
    return want_find(cache, wanted) != NULL;
}

gboolean wants_suggest(Cache *cache, const CacheWant *wanted)
{
    if (want_find(cache, wanted))
        return TRUE;
    if (cache->state != CACHE_ONLINE || cache->wants->n_suggested >= SUGGESTED_MAX)
        return FALSE;
    want_add(cache, wanted);
    return TRUE;
}

static CacheWant block_want(Cache *cache, const BodyKey *key, guint32 block)
{
    BodyKey whole = {key->generation, key->uid, g_intern_static_string("")};

    /* A spool gets a message whole. */
    if (cache_is_spool(cache)) {
        key = &whole;
        block = 0;
    }
    return (CacheWant){
        .kind = CACHE_WANT_BLOCK,
        .box = cache_box_of_generation(cache, key->generation)->id,
        .generation = key->generation,
        .uid = key->uid,
        .section = key->section,
        .block = block,
        .length = sections_length(cache, key),
    };
}

CacheAnswer wants_answer_block(Cache *cache, const BodyKey *key, guint32 block, guint64 *ret_want,
                               GError **error)
{
    CacheWant want = block_want(cache, key, block);

    switch (spool_find(cache, key->generation, key->uid, error)) {
    case CACHE_ABSENT: return wants_answer(cache, &want, ret_want, error);
    case CACHE_FAILED: return CACHE_FAILED;
    default: return CACHE_ABSENT; /* what is not found in the message is nowhere */
    }
}

gboolean wants_has_block(Cache *cache, const BodyKey *key, guint32 block)
{
    CacheWant want = block_want(cache, key, block);

    return wants_has(cache, &want);
}

void wants_suggest_block(Cache *cache, const BodyKey *key, guint32 block)
{
    CacheWant want = block_want(cache, key, block);

    if (!blocks_has(cache->blocks, key, block) && !spool_has(cache, key->generation, key->uid))
        wants_suggest(cache, &want);
}

void wants_suggest_blocks(Cache *cache, const BodyKey *key, guint64 from, guint64 to)
{
    to = cache_is_spool(cache) ? MIN(to, from + 1) : MIN(to, CACHE_SIZE_MAX);
    for (guint64 block = from / CACHE_BLOCK_SIZE; block * CACHE_BLOCK_SIZE < to; block++)
        wants_suggest_block(cache, key, (guint32)block);
}

static CacheWant message_want(Cache *cache, CacheWantKind kind, guint32 generation, guint32 uid,
                              const char *section)
{
    return (CacheWant){
        .kind = kind,
        .box = cache_box_of_generation(cache, generation)->id,
        .generation = generation,
        .uid = uid,
        .section = section,
    };
}

CacheAnswer wants_answer_message(Cache *cache, CacheWantKind kind, guint32 generation, guint32 uid,
                                 const char *section, guint64 *ret_want, GError **error)
{
    CacheWant want = message_want(cache, kind, generation, uid, section);

    return wants_answer(cache, &want, ret_want, error);
}

gboolean wants_has_tree(Cache *cache, guint32 generation, guint32 uid)
{
    CacheWant want = message_want(cache, CACHE_WANT_TREE, generation, uid, NULL);

    return wants_has(cache, &want);
}

gboolean wants_suggest_tree(Cache *cache, guint32 generation, guint32 uid)
{
    CacheWant want = message_want(cache, CACHE_WANT_TREE, generation, uid, NULL);

    return wants_suggest(cache, &want);
}

gboolean wants_suggest_made(Cache *cache, const BodyKey *made)
{
    CacheWant want =
        message_want(cache, CACHE_WANT_MADE, made->generation, made->uid, made->section);

    return wants_suggest(cache, &want);
}

/* --- waiting --- */

guint64 cache_wait(Cache *cache, guint64 id, CacheWakeFunc wake, gpointer data)
{
    struct Wants *wants = cache->wants;
    Want *want = g_hash_table_lookup(wants->by_id, &id);
    Waiter *waiter = g_new0(Waiter, 1);

    g_assert(want);
    waiter->ticket = ++wants->last_ticket;
    waiter->want = want;
    waiter->wake = wake;
    waiter->data = data;
    waiter->link.data = waiter;
    g_hash_table_insert(wants->tickets, &waiter->ticket, waiter);
    g_queue_push_tail_link(&want->waiters, &waiter->link);
    if (want->pub.n_waiting++ == 0) {
        wants->n_suggested--;
        want->pub.deadline_us = g_get_monotonic_time() + cache->timeout_us;
        tell_backend(cache);
    }
    return waiter->ticket;
}

void cache_wait_cancel(Cache *cache, guint64 ticket)
{
    Waiter *waiter = g_hash_table_lookup(cache->wants->tickets, &ticket);
    Want *want = waiter ? waiter->want : NULL;

    if (!waiter)
        return;
    g_queue_unlink(want ? &want->waiters : &cache->wants->ready, &waiter->link);
    waiter_free(cache, waiter);
    if (!want || --want->pub.n_waiting > 0)
        return;
    cache->wants->n_suggested++;
    if (!want->pub.is_taken)
        want_free(cache, want);
}

static gboolean on_wake(gpointer data)
{
    Cache *cache = data;
    GQueue *ready = &cache->wants->ready;

    cache->wants->wake_source = 0;
    /* Those that become ready meanwhile are for the next turn. */
    for (guint n = ready->length; n > 0 && ready->head; n--) {
        Waiter *waiter = ready->head->data;
        g_autoptr(GError) error = g_steal_pointer(&waiter->error);
        CacheWakeFunc wake = waiter->wake;
        gpointer wake_data = waiter->data;

        g_queue_unlink(ready, &waiter->link);
        waiter_free(cache, waiter);
        wake(error, wake_data);
    }
    if (ready->length && !cache->wants->wake_source)
        cache->wants->wake_source = g_idle_add_full(G_PRIORITY_DEFAULT, on_wake, cache, NULL);
    return G_SOURCE_REMOVE;
}

void cache_want_done(Cache *cache, guint64 id, const GError *error)
{
    struct Wants *wants = cache->wants;
    Want *want = g_hash_table_lookup(wants->by_id, &id);

    if (!want)
        return;
    if (!error)
        g_hash_table_remove_all(wants->in_vain);
    while (want->waiters.head) {
        Waiter *waiter = want->waiters.head->data;

        g_queue_unlink(&want->waiters, &waiter->link);
        waiter->want = NULL;
        waiter->error = error ? g_error_copy(error) : NULL;
        g_queue_push_tail_link(&wants->ready, &waiter->link);
    }
    if (wants->ready.length && !wants->wake_source)
        wants->wake_source = g_idle_add_full(G_PRIORITY_DEFAULT, on_wake, cache, NULL);
    want_free(cache, want);
}

/* --- for backends --- */

const GQueue *cache_wants(Cache *cache)
{
    return &cache->wants->order;
}

const GQueue *cache_maker_wants(Cache *cache)
{
    return &cache->wants->making;
}

void cache_want_take(Cache *cache, guint64 id)
{
    struct Wants *wants = cache->wants;
    Want *want = g_hash_table_lookup(wants->by_id, &id);

    if (!want || want->pub.is_taken)
        return;
    g_queue_unlink(queue_of(wants, &want->pub), &want->link);
    want->pub.is_taken = TRUE;
    g_queue_push_tail_link(queue_of(wants, &want->pub), &want->link);
}

/* Ids are in the order of age. */
static void insert_by_age(GQueue *queue, Want *want)
{
    GList *after = queue->head;

    while (after && ((const Want *)after->data)->pub.id < want->pub.id)
        after = after->next;
    g_queue_insert_before_link(queue, after, &want->link);
}

void cache_want_put_back(Cache *cache, guint64 id)
{
    struct Wants *wants = cache->wants;
    Want *want = g_hash_table_lookup(wants->by_id, &id);

    if (!want)
        return;
    if (!want->pub.n_waiting) {
        want_free(cache, want);
        return;
    }
    if (cache->state == CACHE_OFFLINE && want->pub.kind == CACHE_WANT_RIGHTS) {
        cache_want_done(cache, id, NULL);
        return;
    }
    g_queue_unlink(queue_of(wants, &want->pub), &want->link);
    want->pub.is_taken = FALSE;
    insert_by_age(queue_of(wants, &want->pub), want);
    tell_backend(cache);
}

void cache_want_renew(Cache *cache, guint64 id)
{
    Want *want = g_hash_table_lookup(cache->wants->by_id, &id);

    if (want)
        want->pub.deadline_us = g_get_monotonic_time() + cache->timeout_us;
}

static void fail_if(Cache *cache, const GQueue *queue,
                    gboolean (*matches)(const Want *want, guint32 number), guint32 number,
                    const GError *error)
{
    for (GList *link = queue->head, *next; link; link = next) {
        const Want *want = link->data;

        next = link->next;
        if (matches(want, number))
            cache_want_done(cache, want->pub.id, error);
    }
}

/* Of all queues. */
static void fail_all_if(Cache *cache, gboolean (*matches)(const Want *want, guint32 number),
                        guint32 number, const GError *error)
{
    fail_if(cache, &cache->wants->order, matches, number, error);
    fail_if(cache, &cache->wants->making, matches, number, error);
    fail_if(cache, &cache->wants->taken, matches, number, error);
}

static gboolean is_any(const Want *want, guint32 number)
{
    return TRUE;
}

static gboolean is_of_box(const Want *want, guint32 number)
{
    return want->pub.box == number;
}

static gboolean is_of_generation(const Want *want, guint32 number)
{
    return want->pub.generation == number;
}

static gboolean is_about_rights(const Want *want, guint32 number)
{
    return want->pub.kind == CACHE_WANT_RIGHTS;
}

void cache_wants_fail(Cache *cache, const GError *error)
{
    /* Where they cannot be asked for, what is known of them must do. */
    if (cache->state == CACHE_OFFLINE)
        fail_if(cache, &cache->wants->order, is_about_rights, 0, NULL);
    fail_if(cache, &cache->wants->order, is_any, 0, error);
}

void wants_end_box(Cache *cache, guint32 id, const GError *error)
{
    fail_all_if(cache, is_of_box, id, error);
}

static gboolean is_own(const CacheWant *want, CacheWantKind kind, guint32 uid)
{
    return want->kind == kind && (!uid || want->uid == uid);
}

static void end_own(Cache *cache, const GQueue *queue, CacheWantKind kind, guint32 uid,
                    const GError *error)
{
    for (GList *link = queue->head, *next; link; link = next) {
        const CacheWant *want = link->data;

        next = link->next;
        if (is_own(want, kind, uid))
            cache_want_done(cache, want->id, error);
    }
}

void wants_end_own(Cache *cache, CacheWantKind kind, guint32 uid, const GError *error)
{
    const Want *want = uid ? want_find(cache, &(CacheWant){.kind = kind, .uid = uid}) : NULL;

    if (want) {
        cache_want_done(cache, want->pub.id, error);
    } else if (!uid) {
        end_own(cache, &cache->wants->order, kind, uid, error);
        end_own(cache, &cache->wants->taken, kind, uid, error);
    }
}

void wants_renew(Cache *cache, CacheWantKind kind)
{
    for (GList *link = cache->wants->order.head; link; link = link->next)
        if (is_own(link->data, kind, 0))
            cache_want_renew(cache, ((const CacheWant *)link->data)->id);
}

void wants_tell_backend(Cache *cache)
{
    tell_backend(cache);
}

void wants_fail_generation(Cache *cache, guint32 generation)
{
    g_autoptr(GError) error =
        g_error_new(MAIL_ERROR, MAIL_ERROR_GONE, "the mailbox was replaced by another one");

    fail_all_if(cache, is_of_generation, generation, error);
}

/* SPDX-License-Identifier: MIT */
/* cache/bodies.c - how much each body takes on disk and when it was last used; eviction. */
#include "cache/bodies.h"

#define DISK_BLOCK  4096
#define EVICT_STEP  64
#define TOUCHES_MAX 1024
#define OTHERS_MIN  ((guint64)1024 * 1024) /* room that the one which is kept leaves to others */
#define USED_STEP_US                                                                               \
    (3600 * (gint64)G_USEC_PER_SEC) /* a use that near to the last one need not be noted */

typedef struct {
    BodyKey key; /* first: a Change is its own key */
    guint64 bytes;
    gint64 used_us; /* real time */
} Change;

struct Bodies {
    Cache *cache;
    guint64 total;
    GHashTable *changes; /* since the last flush */
    gboolean has_grown;  /* some of them are new bytes */
    BodyKey kept;        /* the last that was made here, which is of use only as a whole */
    guint64 kept_bytes;
};

static gsize on_disk(gsize bytes)
{
    return (bytes + DISK_BLOCK - 1) / DISK_BLOCK * DISK_BLOCK;
}

/* --- the one that is kept, however large --- */

static gboolean is_being_made(const Bodies *bodies, const BodyKey *key)
{
    const CacheBox *box = cache_box_of_generation(bodies->cache, key->generation);

    return box && wants_has(bodies->cache, &(CacheWant){.kind = CACHE_WANT_MADE,
                                                        .box = box->id,
                                                        .generation = key->generation,
                                                        .uid = key->uid,
                                                        .section = key->section});
}

static void keep(Bodies *bodies, const BodyKey *key, guint64 more)
{
    if (!body_key_equal(&bodies->kept, key)) {
        bodies->kept = *key;
        bodies->kept_bytes = 0;
    }
    bodies->kept_bytes += more;
}

/* A block of a body that is made here takes @bytes. */
static void note_made(Bodies *bodies, const BodyKey *key, gsize bytes)
{
    gboolean is_kept = body_key_equal(&bodies->kept, key);

    /* What is small is not in the way of what is large, and the first to be made is made first. */
    if (is_kept || (bytes > SMALL_MAX && !is_being_made(bodies, &bodies->kept)))
        keep(bodies, key, on_disk(bytes));
}

/* Of one message or, with 0, of all. */
static void unkeep(Bodies *bodies, guint32 generation, guint32 uid)
{
    if (bodies->kept.generation == generation && (!uid || bodies->kept.uid == uid))
        keep(bodies, &(BodyKey){0}, 0);
}

static gboolean is_kept(const Bodies *bodies, gint64 id, const char *section)
{
    return id == message_key(bodies->kept.generation, bodies->kept.uid) &&
           g_strcmp0(section, bodies->kept.section) == 0;
}

/* Of all bodies. */
static guint64 limit(const Bodies *bodies)
{
    guint64 size_max = bodies->cache->size_max;

    return MAX(size_max, bodies->kept_bytes + MIN(size_max, OTHERS_MIN));
}

/* --- how much there is --- */

void bodies_reload(Bodies *bodies)
{
    sqlite3_stmt *sum = index_get(bodies->cache->index, SQL_SUM_BODIES);

    g_hash_table_remove_all(bodies->changes);
    keep(bodies, &(BodyKey){0}, 0);
    bodies->total = 0;
    if (index_step(bodies->cache->index, sum))
        bodies->total = (guint64)MAX(sqlite3_column_int64(sum, 0), 0);
    sqlite3_reset(sum);
    bodies->has_grown = bodies->total > bodies->cache->size_max;
    if (bodies->has_grown)
        index_touch(bodies->cache->index);
}

Bodies *bodies_new(Cache *cache)
{
    Bodies *bodies = g_new0(Bodies, 1);

    bodies->cache = cache;
    bodies->changes = g_hash_table_new_full(body_key_hash, body_key_equal, g_free, NULL);
    bodies_reload(bodies);
    return bodies;
}

void bodies_free(Bodies *bodies)
{
    g_hash_table_unref(bodies->changes);
    g_free(bodies);
}

static Change *change_of(Bodies *bodies, const BodyKey *key)
{
    Change *change = g_hash_table_lookup(bodies->changes, key);

    if (!change) {
        change = g_new0(Change, 1);
        change->key = *key;
        g_hash_table_add(bodies->changes, change);
    }
    change->used_us = g_get_real_time();
    return change;
}

void bodies_add(Bodies *bodies, const BodyKey *key, gsize before, gsize now)
{
    Change *change = change_of(bodies, key);
    gsize more = on_disk(MAX(now, before)) - on_disk(before);

    if (cache_section_is_made(key->section))
        note_made(bodies, key, now);
    change->bytes += more;
    bodies->total += more;
    bodies->has_grown = TRUE;
    index_touch(bodies->cache->index);
}

void bodies_touch(Bodies *bodies, const BodyKey *key)
{
    change_of(bodies, key);
    if (g_hash_table_size(bodies->changes) >= TOUCHES_MAX)
        index_touch(bodies->cache->index);
}

static void put_change(Bodies *bodies, const Change *change)
{
    sqlite3_stmt *put =
        index_get(bodies->cache->index, change->bytes ? SQL_PUT_BODY : SQL_TOUCH_BODY);

    sqlite3_bind_int64(put, 1, message_key(change->key.generation, change->key.uid));
    sqlite3_bind_text(put, 2, change->key.section, -1, SQLITE_STATIC);
    sqlite3_bind_int64(put, 3, change->used_us);
    sqlite3_bind_int64(put, 4,
                       change->bytes ? (gint64)change->bytes : change->used_us - USED_STEP_US);
    index_run(bodies->cache->index, put);
}

static void take_off(Bodies *bodies, guint64 bytes)
{
    bodies->total -= MIN(bytes, bodies->total);
}

/* A step of a statement that deletes rows and returns their bytes first. */
static gboolean delete_next(Bodies *bodies, sqlite3_stmt *delete)
{
    if (!index_step(bodies->cache->index, delete))
        return FALSE;
    take_off(bodies, (guint64)MAX(sqlite3_column_int64(delete, 0), 0));
    return TRUE;
}

/* Removes the row; the file is the evict function's. */
static void drop_row(Bodies *bodies, gint64 id, const char *section)
{
    sqlite3_stmt *delete = index_get(bodies->cache->index, SQL_DELETE_BODY);

    sqlite3_bind_int64(delete, 1, id);
    sqlite3_bind_text(delete, 2, section, -1, SQLITE_TRANSIENT);
    while (delete_next(bodies, delete))
        ;
}

typedef struct {
    gint64 id;
    char *section;
} Victim;

static void victim_clear(gpointer data)
{
    g_free(((Victim *)data)->section);
}

static GArray *oldest(Bodies *bodies)
{
    sqlite3_stmt *select = index_get(bodies->cache->index, SQL_OLDEST_BODIES);
    GArray *victims = g_array_new(FALSE, FALSE, sizeof(Victim));

    g_array_set_clear_func(victims, victim_clear);
    sqlite3_bind_int(select, 1, EVICT_STEP);
    while (index_step(bodies->cache->index, select)) {
        const char *section = (const char *)sqlite3_column_text(select, 1);
        Victim victim = {sqlite3_column_int64(select, 0), g_strdup(section ? section : "")};

        g_array_append_val(victims, victim);
    }
    return victims;
}

static void evict_some(Bodies *bodies, BodiesEvictFunc func, gpointer data)
{
    g_autoptr(GArray) victims = oldest(bodies);

    if (!victims->len)
        bodies->total = 0;
    for (guint i = 0; i < victims->len && bodies->total > limit(bodies); i++) {
        Victim *victim = &g_array_index(victims, Victim, i);

        if (is_kept(bodies, victim->id, victim->section))
            continue;
        drop_row(bodies, victim->id, victim->section);
        func((guint32)((guint64)victim->id >> 32), (guint32)victim->id, victim->section, data);
    }
}

static void evict(Bodies *bodies, BodiesEvictFunc func, gpointer data)
{
    guint64 before = G_MAXUINT64;

    /* Rows that cannot be deleted free nothing. */
    while (bodies->total > limit(bodies) && bodies->total < before) {
        before = bodies->total;
        evict_some(bodies, func, data);
    }
}

/* Uses are gathered for long: a commit a read would cost more than the read. */
static gboolean is_worth_a_flush(const Bodies *bodies)
{
    return bodies->has_grown || g_hash_table_size(bodies->changes) >= TOUCHES_MAX;
}

void bodies_flush(Bodies *bodies, gboolean also_uses, BodiesEvictFunc func, gpointer data)
{
    GHashTableIter iter;
    gpointer change;

    if (!also_uses && !is_worth_a_flush(bodies))
        return;
    bodies->has_grown = FALSE;

    g_hash_table_iter_init(&iter, bodies->changes);
    while (g_hash_table_iter_next(&iter, &change, NULL))
        put_change(bodies, change);
    g_hash_table_remove_all(bodies->changes);
    evict(bodies, func, data);
}

void bodies_forget_message(Bodies *bodies, guint32 generation, guint32 uid, BodiesEvictFunc func,
                           gpointer data)
{
    sqlite3_stmt *delete = index_get(bodies->cache->index, SQL_DELETE_BODIES_OF);

    unkeep(bodies, generation, uid);
    bodies_flush(bodies, TRUE, func, data);
    sqlite3_bind_int64(delete, 1, message_key(generation, uid));
    while (delete_next(bodies, delete)) {
        const char *section = (const char *)sqlite3_column_text(delete, 1);

        func(generation, uid, section ? section : "", data);
    }
}

void bodies_forget_generation(Bodies *bodies, guint32 generation)
{
    sqlite3_stmt *delete = index_get(bodies->cache->index, SQL_DELETE_BODIES_OF_GENERATION);
    GHashTableIter iter;
    gpointer change;

    unkeep(bodies, generation, 0);
    g_hash_table_iter_init(&iter, bodies->changes);
    while (g_hash_table_iter_next(&iter, &change, NULL))
        if (((Change *)change)->key.generation == generation) {
            take_off(bodies, ((Change *)change)->bytes);
            g_hash_table_iter_remove(&iter);
        }
    sqlite3_bind_int64(delete, 1, message_key(generation, 0));
    sqlite3_bind_int64(delete, 2, message_key(generation + 1, 0));
    while (delete_next(bodies, delete))
        ;
    index_touch(bodies->cache->index);
}

static void run(Bodies *bodies, IndexStatement which)
{
    index_run(bodies->cache->index, index_get(bodies->cache->index, which));
}

void bodies_begin_count(Bodies *bodies)
{
    run(bodies, SQL_UNCOUNT_BODIES);
}

void bodies_count(Bodies *bodies, guint32 generation, guint32 uid, const char *section,
                  guint64 bytes)
{
    sqlite3_stmt *count = index_get(bodies->cache->index, SQL_COUNT_BODY);

    sqlite3_bind_int64(count, 1, message_key(generation, uid));
    sqlite3_bind_text(count, 2, section, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(count, 3, (gint64)bytes);
    index_run(bodies->cache->index, count);
}

void bodies_end_count(Bodies *bodies)
{
    run(bodies, SQL_DELETE_UNCOUNTED);
    bodies_reload(bodies);
}

guint64 bodies_total(const Bodies *bodies)
{
    return bodies->total;
}

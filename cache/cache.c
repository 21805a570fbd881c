/* SPDX-License-Identifier: MIT */
/* cache/cache.c - opening and closing, the state of the connection, quota, figures. */
#include <string.h>
#include <unistd.h>

#include "cache/changes.h"

/* --- life --- */

gint64 cache_get_meta(Cache *cache, const char *key)
{
    sqlite3_stmt *get = index_get(cache->index, SQL_GET_META);
    gint64 value = 0;

    sqlite3_bind_text(get, 1, key, -1, SQLITE_STATIC);
    if (index_step(cache->index, get))
        value = sqlite3_column_int64(get, 0);
    sqlite3_reset(get);
    return value;
}

void cache_put_meta(Cache *cache, const char *key, gint64 value)
{
    sqlite3_stmt *put = index_get(cache->index, SQL_SET_META);

    sqlite3_bind_text(put, 1, key, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(put, 2, value);
    index_run(cache->index, put);
}

/* All that is known besides messages and bodies, for an index that does not know it. */
static void save_all(Cache *cache)
{
    GHashTableIter iter;
    gpointer box;

    keywords_save(cache);
    numbers_save(cache);
    cache_put_meta(cache, "sizes_lie", cache->sizes_lie);
    g_hash_table_iter_init(&iter, cache->boxes);
    while (g_hash_table_iter_next(&iter, NULL, &box))
        box_dirty(cache, box);
}

static void before_commit(gpointer data)
{
    Cache *cache = data;

    if (index_take_loss(cache->index))
        save_all(cache);
    boxes_flush(cache);
    blocks_flush(cache->blocks, FALSE);
}

static void on_damaged(gpointer data);

static void watch_index(Cache *cache)
{
    index_set_before_commit(cache->index, before_commit, cache);
    index_set_damaged(cache->index, on_damaged, cache);
    index_set_delay(cache->index, cache->delay_us);
}

/* The index is gone while we run: a new one takes its place, with the mailboxes that we know, the
 * keywords and the numbers that were given; the messages are fetched again. */
static void on_damaged(gpointer data)
{
    Cache *cache = data;
    GHashTableIter iter;
    gpointer value;

    index_close(cache->index);
    cache->index = index_open(cache->dir, TRUE, NULL);
    /* Where no file can be written it is in memory: nothing is left but to have no memory. */
    if (!cache->index)
        g_error("the index of the cache %s: out of memory", cache->dir);
    blocks_reload(cache->blocks);
    watch_index(cache);
    save_all(cache);
    g_hash_table_iter_init(&iter, cache->boxes);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Box *box = value;

        if (box->pub.generation)
            box_begin_anew(cache, box);
    }
}

/* Removes the messages of all generations that no mailbox has. */
static void remove_orphans(Cache *cache)
{
    for (guint32 generation = 0;;) {
        sqlite3_stmt *next = index_get(cache->index, SQL_NEXT_MESSAGE);

        sqlite3_bind_int64(next, 1, message_key(generation + 1, 0));
        if (!index_step(cache->index, next))
            return;
        generation = (guint32)((guint64)sqlite3_column_int64(next, 0) >> 32);
        sqlite3_reset(next);
        if (!g_hash_table_contains(cache->generations, GUINT_TO_POINTER(generation)))
            messages_delete_generation(cache, generation);
    }
}

static void load(Cache *cache)
{
    keywords_load(cache);
    cache->next_number = 1;
    boxes_load(cache);
    remove_orphans(cache);
    numbers_load(cache);
    cache->sizes_lie = cache_get_meta(cache, "sizes_lie") != 0;
    if (index_was_behind(cache->index)) {
        boxes_distrust(cache);
        cache_put_meta(cache, "behind", 0);
    }
    /* What is on disk stays for the day when the index can be read again. */
    if (index_is_temporary(cache->index))
        return;
    blocks_sweep(cache->blocks, cache->generations);
    if (index_was_unclean(cache->index))
        blocks_recount(cache->blocks);
}

Cache *cache_open(const MailAccount *account, const CacheOptions *options, GError **error)
{
    g_autoptr(Cache) cache = g_new0(Cache, 1);
    g_autofree char *name = cache_dir_name(account);
    g_autofree char *state_dir = g_build_filename(options->state_dir, name, NULL);

    cache->dir = g_build_filename(options->dir, name, NULL);
    cache->size_max = options->size_max;
    cache->delay_us = options->delay_ms * (gint64)1000;
    cache->timeout_us = options->timeout_s * (gint64)G_USEC_PER_SEC;
    cache->boxes = g_hash_table_new_full(NULL, NULL, NULL, box_free);
    cache->generations = g_hash_table_new(NULL, NULL);
    cache->keywords = g_ptr_array_new_with_free_func(g_free);
    wants_init(cache);
    ahead_init(cache);
    ahead_walk_init(cache);
    ahead_list_init(cache);
    listing_init(cache);
    trees_init(cache);
    changes_init(cache);
    cache->dir_fd = cache_dir_open(cache->dir, error);
    if (cache->dir_fd < 0)
        return NULL;
    cache->index = index_open(cache->dir, FALSE, error);
    if (!cache->index)
        return NULL;
    cache->blocks = blocks_open(cache, error);
    if (!cache->blocks)
        return NULL;
    load(cache);
    watch_index(cache);
    if (!changes_open(cache, state_dir, error))
        return NULL;
    return g_steal_pointer(&cache);
}

void cache_close(Cache *cache)
{
    if (!cache)
        return;
    wants_free(cache);
    if (cache->blocks) {
        blocks_flush(cache->blocks, TRUE);
        boxes_flush_all(cache);
        numbers_close(cache);
    }
    index_close(cache->index);
    blocks_close(cache->blocks);
    changes_free(cache);
    trees_free(cache);
    listing_free(cache);
    ahead_list_free(cache);
    ahead_walk_free(cache);
    ahead_free(cache);
    g_ptr_array_unref(cache->keywords);
    g_hash_table_unref(cache->generations);
    g_hash_table_unref(cache->boxes);
    if (cache->dir_fd >= 0)
        close(cache->dir_fd);
    g_clear_error(&cache->state_error);
    g_free(cache->dir);
    g_free(cache);
}

void cache_set_news(Cache *cache, const CacheNews *news, gpointer data)
{
    cache->news = news;
    cache->news_data = data;
}

void cache_set_backend(Cache *cache, const CacheBackend *backend, gpointer data)
{
    cache->backend = backend;
    cache->backend_data = data;
}

void cache_set_maker(Cache *cache, const CacheMaker *maker, gpointer data)
{
    cache->maker = maker;
    cache->maker_data = data;
}

/* --- state --- */

/* Nobody waits for freshness that cannot be had. */
static void end_fresh_wants(Cache *cache)
{
    for (GList *link = cache_wants(cache)->head, *next; link; link = next) {
        const CacheWant *want = link->data;
        const CacheBox *box = cache_box(cache, want->box);

        next = link->next;
        if (want->kind == CACHE_WANT_SYNC && box && box->generation)
            cache_want_done(cache, want->id, NULL);
    }
}

void cache_set_state(Cache *cache, CacheState state, const GError *error)
{
    cache->state = state;
    g_clear_error(&cache->state_error);
    if (error)
        cache->state_error = g_error_copy(error);
    if (state == CACHE_ONLINE) {
        boxes_tell_rest(cache);
        changes_bind(cache, FALSE);
    } else {
        end_fresh_wants(cache);
    }
}

CacheState cache_state(const Cache *cache)
{
    return cache->state;
}

const GError *cache_state_error(const Cache *cache)
{
    return cache->state_error;
}

CacheAnswer cache_quota(Cache *cache, CacheQuota *ret_quota, guint64 *ret_want, GError **error)
{
    if (!cache->quota.is_known && cache->state == CACHE_ONLINE)
        return wants_answer(cache, &(CacheWant){.kind = CACHE_WANT_QUOTA}, ret_want, error);
    *ret_quota = cache->quota;
    return CACHE_FOUND;
}

void cache_quota_known(Cache *cache, CacheQuota *ret_quota)
{
    *ret_quota = cache->quota;
}

void cache_put_quota(Cache *cache, const CacheQuota *quota)
{
    cache->quota = *quota;
}

void cache_figures(Cache *cache, CacheFigures *ret_figures)
{
    *ret_figures = (CacheFigures){
        .block_bytes = blocks_total(cache->blocks),
        .block_bytes_max = cache->size_max,
        .n_boxes = g_hash_table_size(cache->boxes) - 1,
        .n_wants = wants_count(cache),
        .n_changes = cache_changes(cache)->length,
        .n_damaged = blocks_n_damaged(cache->blocks),
    };
}

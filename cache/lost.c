/* SPDX-License-Identifier: MIT */
/* cache/lost.c - lost+found: messages that the server refused when nobody waited for its answer. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cache/changes.h"

struct Lost {
    GPtrArray *entries; /* CacheLost, ascending, owned */
};

static void entry_free(gpointer data)
{
    CacheLost *lost = data;

    g_free((char *)lost->name);
    g_free((char *)lost->reason);
    g_free(lost);
}

void lost_init(Cache *cache)
{
    cache->changes->lost = g_new0(struct Lost, 1);
    cache->changes->lost->entries = g_ptr_array_new_with_free_func(entry_free);
}

void lost_free(Cache *cache)
{
    g_ptr_array_unref(cache->changes->lost->entries);
    g_free(cache->changes->lost);
}

static void insert(const CacheLost *lost, gpointer data)
{
    GPtrArray *entries = data;
    CacheLost *entry = g_memdup2(lost, sizeof *lost);
    guint at = entries->len;

    entry->name = g_strdup(lost->name);
    entry->reason = g_strdup(lost->reason);
    while (at > 0 && ((const CacheLost *)entries->pdata[at - 1])->id > lost->id)
        at--;
    g_ptr_array_insert(entries, (int)at, entry);
}

void lost_load(Cache *cache)
{
    journal_load_lost(cache->changes->journal, insert, cache->changes->lost->entries);
    for (guint i = 0; i < cache->changes->lost->entries->len; i++)
        journal_note_id(cache->changes->journal,
                        ((const CacheLost *)cache->changes->lost->entries->pdata[i])->id);
}

gboolean lost_note(Cache *cache, guint32 id, const char *name, const char *reason, guint64 size)
{
    g_autoptr(GError) error = NULL;
    CacheLost lost = {
        .id = id,
        .name = name,
        .reason = reason,
        .size = size,
        .time = g_get_real_time() / G_USEC_PER_SEC,
    };

    if (journal_put_lost(cache->changes->journal, &lost, &error)) {
        insert(&lost, cache->changes->lost->entries);
        return TRUE;
    }
    g_message("note what is in lost+found: %s", error->message);
    return FALSE;
}

/* A file that is in either place without its record there is put right at the next start. */
gboolean lost_add(Cache *cache, guint32 id, const char *name, const char *reason, guint64 size)
{
    g_autoptr(GError) error = NULL;

    if (!draft_move_file(cache, DATA_FOLDER, LOST_FOLDER, id, &error)) {
        g_message("put a message into lost+found: %s", error->message);
        return FALSE;
    }
    if (lost_note(cache, id, name, reason, size))
        return TRUE;
    draft_move_file(cache, LOST_FOLDER, DATA_FOLDER, id, NULL);
    return FALSE;
}

gboolean lost_has(Cache *cache, guint32 id)
{
    const CacheLost *lost = cache_lost_next(cache, id - 1);

    return lost && lost->id == id;
}

const CacheLost *cache_lost_next(Cache *cache, guint32 after)
{
    const GPtrArray *entries = cache->changes->lost->entries;

    for (guint i = 0; i < entries->len; i++)
        if (((const CacheLost *)entries->pdata[i])->id > after)
            return entries->pdata[i];
    return NULL;
}

gboolean cache_lost_read(Cache *cache, guint32 id, guint64 offset, gsize size,
                         GPtrArray *ret_slices, GError **error)
{
    return draft_read_file(cache, LOST_FOLDER, id, offset, size, ret_slices, error);
}

void cache_lost_remove(Cache *cache, guint32 id)
{
    GPtrArray *entries = cache->changes->lost->entries;

    for (guint i = 0; i < entries->len; i++)
        if (((const CacheLost *)entries->pdata[i])->id == id) {
            journal_delete_lost(cache->changes->journal, id);
            draft_remove_file(cache, LOST_FOLDER, id);
            g_ptr_array_remove_index(entries, i);
            return;
        }
}

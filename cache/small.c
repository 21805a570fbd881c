/* SPDX-License-Identifier: MIT */
/* cache/small.c - bodies of one small block are kept in the index: thousands of files would take
 * longer to make than they take to be fetched. */
#include <string.h>
#include <zlib.h>

#include "cache/private.h"

static sqlite3_stmt *bind(Cache *cache, IndexStatement which, const BodyKey *key)
{
    sqlite3_stmt *statement = index_get(cache->index, which);

    sqlite3_bind_int64(statement, 1, message_key(key->generation, key->uid));
    sqlite3_bind_text(statement, 2, key->section, -1, SQLITE_STATIC);
    return statement;
}

static gint64 sum_of(const BodyKey *key, gconstpointer bytes, gsize len)
{
    gint64 id = message_key(key->generation, key->uid);
    uLong sum = crc32(0, (const Bytef *)&id, sizeof id);

    sum = crc32(sum, (const Bytef *)key->section, (uInt)strlen(key->section));
    return (gint64)(len ? crc32(sum, bytes, (uInt)len) : sum);
}

void small_put(Cache *cache, const BodyKey *key, GBytes *bytes)
{
    sqlite3_stmt *put = bind(cache, SQL_PUT_SMALL, key);
    gsize len;
    gconstpointer data = g_bytes_get_data(bytes, &len);

    sqlite3_bind_blob(put, 3, len ? data : "", (int)len, SQLITE_STATIC);
    sqlite3_bind_int64(put, 4, sum_of(key, data, len));
    index_run(cache->index, put);
}

GBytes *small_get(Cache *cache, const BodyKey *key, gboolean *ret_is_damaged)
{
    sqlite3_stmt *get = bind(cache, SQL_GET_SMALL, key);
    GBytes *bytes = NULL;

    *ret_is_damaged = FALSE;
    if (index_step(cache->index, get)) {
        gconstpointer data = sqlite3_column_blob(get, 0);
        gsize len = (gsize)sqlite3_column_bytes(get, 0);

        *ret_is_damaged = sum_of(key, data, len) != sqlite3_column_int64(get, 1);
        if (!*ret_is_damaged)
            bytes = g_bytes_new(data, len);
    }
    sqlite3_reset(get);
    return bytes;
}

gboolean small_has(Cache *cache, const BodyKey *key)
{
    sqlite3_stmt *has = bind(cache, SQL_HAS_SMALL, key);
    gboolean is_there = index_step(cache->index, has);

    sqlite3_reset(has);
    return is_there;
}

void small_delete(Cache *cache, guint32 generation, guint32 uid, const char *section)
{
    BodyKey key = {generation, uid, section};

    index_run(cache->index, bind(cache, SQL_DELETE_SMALL, &key));
}

void small_delete_generation(Cache *cache, guint32 generation)
{
    sqlite3_stmt *delete = index_get(cache->index, SQL_DELETE_SMALL_OF_GENERATION);

    sqlite3_bind_int64(delete, 1, message_key(generation, 0));
    sqlite3_bind_int64(delete, 2, message_key(generation + 1, 0));
    index_run(cache->index, delete);
}

void small_foreach(Cache *cache, BodyFunc func, gpointer data)
{
    sqlite3_stmt *all = index_get(cache->index, SQL_ALL_SMALL);

    while (index_step(cache->index, all)) {
        guint64 id = (guint64)sqlite3_column_int64(all, 0);
        const char *section = (const char *)sqlite3_column_text(all, 1);

        func((guint32)(id >> 32), (guint32)id, section ? section : "",
             (guint64)sqlite3_column_int64(all, 2), data);
    }
}

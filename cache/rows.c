/* SPDX-License-Identifier: MIT */
/* cache/rows.c - a row of a few words for each message of a mailbox, in memory ascending by UID,
 * and the same with the envelope in the index. */
#include <string.h>
#include <zlib.h>

#include "cache/private.h"

#define UNLISTED_RANGES_MAX 4000000

guint rows_lower_bound(const GArray *rows, guint32 uid)
{
    guint low = 0, high = rows->len;

    while (low < high) {
        guint middle = low + (high - low) / 2;

        if (g_array_index(rows, CacheMessage, middle).uid < uid)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* --- the index --- */

/* What guards the flags, apart because they change alone: in the upper half of a row's sum. */
static gint64 flags_sum(gint64 id, MailFlags flags)
{
    guint64 words[2] = {(guint64)id, flags};

    return (gint64)(crc32(0, (const Bytef *)words, sizeof words) & 0x7fffffff) << 32;
}

/* What guards a row against damage. */
static gint64 row_sum(gint64 id, const CacheMessage *row, gconstpointer envelope, gsize len)
{
    gint64 words[4] = {id, (gint64)row->size, row->date, row->is_size_proved};
    uLong sum = crc32(0, (const Bytef *)words, sizeof words);

    return (gint64)crc32(sum, envelope, (uInt)len) | flags_sum(id, row->flags);
}

void message_store(Cache *cache, const Box *box, const CacheMessage *row,
                   const MailEnvelope *envelope)
{
    sqlite3_stmt *put = index_get(cache->index, SQL_PUT_MESSAGE);
    gint64 id = message_key(box->pub.generation, row->uid);
    gsize len;
    gconstpointer bytes = mail_envelope_peek_bytes(envelope, &len);

    sqlite3_bind_int64(put, 1, id);
    sqlite3_bind_int64(put, 2, (gint64)row->flags);
    sqlite3_bind_int64(put, 3, (gint64)row->size);
    sqlite3_bind_int64(put, 4, row->date);
    sqlite3_bind_int(put, 5, row->is_size_proved);
    sqlite3_bind_blob(put, 6, bytes, (int)len, SQLITE_STATIC);
    sqlite3_bind_int64(put, 7, row_sum(id, row, bytes, len));
    index_run(cache->index, put);
}

void message_store_flags(Cache *cache, const Box *box, const CacheMessage *row)
{
    sqlite3_stmt *set = index_get(cache->index, SQL_SET_FLAGS);
    gint64 id = message_key(box->pub.generation, row->uid);

    sqlite3_bind_int64(set, 1, id);
    sqlite3_bind_int64(set, 2, (gint64)row->flags);
    sqlite3_bind_int64(set, 3, flags_sum(id, row->flags));
    index_run(cache->index, set);
}

void messages_delete(Cache *cache, guint32 generation, guint32 first, guint32 last)
{
    sqlite3_stmt *delete = index_get(cache->index, SQL_DELETE_GENERATION);

    sqlite3_bind_int64(delete, 1, message_key(generation, first) - 1);
    sqlite3_bind_int64(delete, 2, message_key(generation, last) + 1);
    index_run(cache->index, delete);
    trees_delete(cache, generation, first, last);
}

void messages_delete_generation(Cache *cache, guint32 generation)
{
    messages_delete(cache, generation, 0, G_MAXUINT32);
}

static gboolean load_row(sqlite3_stmt *select, CacheMessage *ret_row)
{
    gint64 id = sqlite3_column_int64(select, 0);

    *ret_row = (CacheMessage){
        .uid = (guint32)id,
        .is_listed = TRUE,
        .is_size_proved = sqlite3_column_int(select, 4) != 0,
        .flags = (MailFlags)sqlite3_column_int64(select, 1),
        .size = (guint64)sqlite3_column_int64(select, 2),
        .date = sqlite3_column_int64(select, 3),
    };
    return row_sum(id, ret_row, sqlite3_column_blob(select, 5), sqlite3_column_bytes(select, 5)) ==
           sqlite3_column_int64(select, 6);
}

static MailSet *parse_unlisted(const Box *box)
{
    MailSet *set = box->unlisted ? mail_set_parse(box->unlisted, UNLISTED_RANGES_MAX) : NULL;

    return set ? set : mail_set_new();
}

/* The lowest UID that may be appended. */
static guint64 beyond_last(const GArray *rows)
{
    return rows->len ? (guint64)g_array_index(rows, CacheMessage, rows->len - 1).uid + 1 : 0;
}

/* Appends what @set has below @below; *nth is the range of it where that ends. */
static void append_unlisted(Box *box, const MailSet *set, guint *nth, guint64 below)
{
    for (; *nth < set->len; (*nth)++) {
        const MailRange *range = mail_set_range(set, *nth);
        guint64 uid = MAX(range->first, beyond_last(box->rows));

        for (; uid <= range->last && uid < below; uid++) {
            CacheMessage row = {.uid = (guint32)uid};

            g_array_append_val(box->rows, row);
            box->n_unlisted++;
        }
        if (uid <= range->last)
            return;
    }
}

static void load_rows(Cache *cache, Box *box)
{
    sqlite3_stmt *select;
    g_autoptr(MailSet) unlisted = NULL;
    guint nth = 0;
    CacheMessage row;

    box->rows = g_array_new(FALSE, FALSE, sizeof(CacheMessage));
    box->n_unlisted = 0;
    if (!box->pub.generation)
        return;
    unlisted = parse_unlisted(box);
    select = index_get(cache->index, SQL_MESSAGES);
    sqlite3_bind_int64(select, 1, message_key(box->pub.generation, 0));
    sqlite3_bind_int64(select, 2, message_key(box->pub.generation + 1, 0));
    while (index_step(cache->index, select)) {
        gboolean is_sound = load_row(select, &row);

        append_unlisted(box, unlisted, &nth, row.uid);
        if (row.uid < beyond_last(box->rows))
            continue;
        if (!is_sound) {
            g_message("an entry of the index is damaged (message %u/%u): it will be fetched again",
                      box->pub.generation, row.uid);
            row = (CacheMessage){.uid = row.uid};
            box->n_unlisted++;
            box_distrust(cache, box);
        }
        g_array_append_val(box->rows, row);
    }
    append_unlisted(box, unlisted, &nth, (guint64)G_MAXUINT32 + 1);
    g_clear_pointer(&box->unlisted, g_free);
    if (box->rows->len != box->n_stored)
        box_distrust(cache, box);
}

GArray *box_rows(Cache *cache, Box *box)
{
    if (!box->rows)
        load_rows(cache, box);
    return box->rows;
}

CacheMessage *box_row(Cache *cache, Box *box, guint32 uid)
{
    GArray *rows = box_rows(cache, box);

    /* One message is mostly asked for several times in a row. */
    if (box->hint >= rows->len || g_array_index(rows, CacheMessage, box->hint).uid != uid)
        box->hint = rows_lower_bound(rows, uid);
    if (box->hint >= rows->len || g_array_index(rows, CacheMessage, box->hint).uid != uid)
        return NULL;
    return &g_array_index(rows, CacheMessage, box->hint);
}

void message_set_size(Cache *cache, Box *box, CacheMessage *row, guint64 size, gboolean is_proved)
{
    g_autoptr(MailEnvelope) envelope = cache_dup_envelope(cache, box->pub.generation, row->uid);
    gboolean is_corrected = row->size != size;

    row->size = size;
    row->is_size_proved = is_proved;
    if (envelope)
        message_store(cache, box, row, envelope);
    if (is_corrected && cache->news)
        cache->news->size_corrected(box->pub.id, row->uid, cache->news_data);
}

void box_forget_messages(Cache *cache, Box *box)
{
    messages_delete_generation(cache, box->pub.generation);
    blocks_forget_generation(cache->blocks, box->pub.generation);
    listing_forget(cache, box->pub.generation);
    g_clear_pointer(&box->rows, g_array_unref);
    g_clear_pointer(&box->unlisted, g_free);
    box->n_stored = 0;
    box->n_unlisted = 0;
}

/* SPDX-License-Identifier: MIT */
/* cache/messages.c - the messages of a mailbox: a row of a few words each in memory, ascending by
 * UID, and the same with the envelope in the index. */
#include <string.h>
#include <zlib.h>

#include "cache/private.h"

#define UNLISTED_RANGES_MAX 4000000
#define UNLISTED_STEP       4096 /* messages listed between two writes of what is not */

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

static void put_message(Cache *cache, const Box *box, const CacheMessage *row,
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

/* Some of what the index had is lost: all is to be compared with the server. */
static void distrust(Cache *cache, Box *box)
{
    box->is_complete = FALSE;
    box->modseq = 0;
    box_dirty(cache, box);
}

/* The lowest UID that may be appended. */
static guint64 beyond_last(const GArray *rows)
{
    return rows->len ? (guint64)g_array_index(rows, CacheMessage, rows->len - 1).uid + 1 : 0;
}

static void append_unlisted(Box *box, const MailSet *set, guint *nth, guint32 *next, guint64 below)
{
    for (; *nth < set->len; (*nth)++, *next = 0) {
        const MailRange *range = mail_set_range(set, *nth);
        guint64 uid = MAX(MAX(range->first, *next), beyond_last(box->rows));

        for (; uid <= range->last && uid < below; uid++) {
            CacheMessage row = {.uid = (guint32)uid};

            g_array_append_val(box->rows, row);
            box->n_unlisted++;
        }
        *next = (guint32)uid;
        if (uid <= range->last)
            return;
    }
}

static void load_rows(Cache *cache, Box *box)
{
    sqlite3_stmt *select;
    g_autoptr(MailSet) unlisted = NULL;
    guint nth = 0;
    guint32 next = 0;
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

        append_unlisted(box, unlisted, &nth, &next, row.uid);
        if (box->rows->len &&
            g_array_index(box->rows, CacheMessage, box->rows->len - 1).uid >= row.uid)
            continue;
        if (!is_sound) {
            g_message("an entry of the index is damaged (message %u/%u): it will be fetched again",
                      box->pub.generation, row.uid);
            row = (CacheMessage){.uid = row.uid};
            box->n_unlisted++;
            distrust(cache, box);
        }
        g_array_append_val(box->rows, row);
        next = MAX(next, row.uid + 1);
    }
    append_unlisted(box, unlisted, &nth, &next, (guint64)G_MAXUINT32 + 1);
    g_clear_pointer(&box->unlisted, g_free);
    if (box->rows->len != box->n_stored)
        distrust(cache, box);
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

/* --- asking --- */

static gboolean is_offline_but_known(Cache *cache, const Box *box)
{
    return (cache->state != CACHE_ONLINE || wants_are_in_vain(cache)) && box->pub.generation;
}

CacheAnswer cache_box_is_fresh(Cache *cache, guint32 id, gint64 max_age_us, guint64 *ret_want,
                               GError **error)
{
    Box *box = boxes_get(cache, id);
    CacheWantKind kind;

    if (!box)
        return CACHE_ABSENT;
    if (box->pub.attributes & CACHE_BOX_NOSELECT || is_offline_but_known(cache, box))
        return CACHE_FOUND;
    if (box->is_proved &&
        (max_age_us == G_MAXINT64 || g_get_monotonic_time() - box->synced_us <= max_age_us))
        return CACHE_FOUND;
    /* A listing will need all UIDs: both are asked for at once. */
    kind = max_age_us != G_MAXINT64 && !box->is_complete ? CACHE_WANT_UIDS : CACHE_WANT_SYNC;
    return wants_answer(cache, &(CacheWant){.kind = kind, .box = id}, ret_want, error);
}

CacheAnswer cache_find_message(Cache *cache, guint32 id, guint32 uid, CacheMessage *ret_message,
                               guint64 *ret_want, GError **error)
{
    CacheAnswer fresh = cache_box_is_fresh(cache, id, G_MAXINT64, ret_want, error);
    Box *box = boxes_get(cache, id);
    const CacheMessage *row;

    if (fresh != CACHE_FOUND)
        return fresh;
    row = box->pub.generation ? box_row(cache, box, uid) : NULL;
    if (row && row->is_listed) {
        *ret_message = *row;
        return CACHE_FOUND;
    }
    if (box->pub.attributes & CACHE_BOX_NOSELECT || (!row && box->is_complete))
        return CACHE_ABSENT;
    return wants_answer(cache, &(CacheWant){.kind = CACHE_WANT_LINE, .box = id, .uid = uid},
                        ret_want, error);
}

gboolean cache_get_message(Cache *cache, guint32 generation, guint32 uid, CacheMessage *ret_message)
{
    Box *box = g_hash_table_lookup(cache->generations, GUINT_TO_POINTER(generation));
    const CacheMessage *row = box ? box_row(cache, box, uid) : NULL;

    if (!row || !row->is_listed)
        return FALSE;
    *ret_message = *row;
    return TRUE;
}

guint cache_box_n_messages(Cache *cache, guint32 id)
{
    Box *box = boxes_get(cache, id);

    return box && box->pub.generation ? box_rows(cache, box)->len : 0;
}

guint32 cache_newest_uid(Cache *cache, guint32 id)
{
    Box *box = boxes_get(cache, id);
    const GArray *rows = box && box->pub.generation ? box_rows(cache, box) : NULL;

    return rows && rows->len ? g_array_index(rows, CacheMessage, rows->len - 1).uid : 0;
}

/* --- what the server told --- */

gboolean cache_sync(Cache *cache, guint32 id, CacheSync *ret_sync)
{
    Box *box = boxes_get(cache, id);

    if (!box)
        return FALSE;
    *ret_sync = (CacheSync){
        .uidvalidity = box->pub.generation ? box->uidvalidity : 0,
        .uidnext = box->uidnext,
        .modseq = box->modseq,
        .mailboxid = box->mailboxid,
        .is_complete = box->is_complete,
        .is_proved = box->is_proved,
    };
    return TRUE;
}

MailSet *cache_dup_uids(Cache *cache, guint32 id)
{
    Box *box = boxes_get(cache, id);
    MailSet *set = mail_set_new();
    const GArray *rows = box ? box_rows(cache, box) : NULL;

    for (guint i = 0; rows && i < rows->len; i++) {
        guint32 uid = g_array_index(rows, CacheMessage, i).uid;

        mail_set_add(set, uid, uid);
    }
    return set;
}

MailSet *cache_dup_sample(Cache *cache, guint32 id, guint n)
{
    Box *box = boxes_get(cache, id);
    const GArray *rows = box && box->pub.generation ? box_rows(cache, box) : NULL;
    MailSet *set = mail_set_new();

    for (guint i = 0; rows && rows->len && i < n; i++) {
        guint at = n > 1 ? (guint)((guint64)(rows->len - 1) * i / (n - 1)) : 0;
        const CacheMessage *row = &g_array_index(rows, CacheMessage, at);

        if (row->is_listed)
            mail_set_add(set, row->uid, row->uid);
    }
    return set;
}

MailSet *cache_dup_unlisted(Cache *cache, guint32 id, guint32 low, guint32 high)
{
    Box *box = boxes_get(cache, id);
    const GArray *rows = box ? box_rows(cache, box) : NULL;
    MailSet *set = mail_set_new();

    for (guint i = rows ? rows_lower_bound(rows, low) : 0; rows && i < rows->len; i++) {
        const CacheMessage *row = &g_array_index(rows, CacheMessage, i);

        if (row->uid > high)
            break;
        if (!row->is_listed)
            mail_set_add(set, row->uid, row->uid);
    }
    return set;
}

void message_set_size(Cache *cache, Box *box, CacheMessage *row, guint64 size)
{
    g_autoptr(MailEnvelope) envelope = cache_dup_envelope(cache, box->pub.generation, row->uid);
    gboolean is_corrected = row->size != size;

    row->size = size;
    row->is_size_proved = TRUE;
    if (envelope)
        put_message(cache, box, row, envelope);
    if (is_corrected && cache->news)
        cache->news->size_corrected(box->pub.id, row->uid, cache->news_data);
}

void messages_delete_generation(Cache *cache, guint32 generation)
{
    sqlite3_stmt *delete = index_get(cache->index, SQL_DELETE_GENERATION);

    sqlite3_bind_int64(delete, 1, message_key(generation, 0));
    sqlite3_bind_int64(delete, 2, message_key(generation + 1, 0));
    index_run(cache->index, delete);
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

void cache_box_replace(Cache *cache, guint32 id, guint32 uidvalidity, const char *mailboxid)
{
    Box *box = boxes_get(cache, id);
    guint32 old;

    if (!box)
        return;
    old = box->pub.generation;
    if (old) {
        wants_fail_generation(cache, old);
        box_forget_messages(cache, box);
    }
    g_clear_pointer(&box->rows, g_array_unref);
    box->uidvalidity = uidvalidity;
    g_free(box->mailboxid);
    box->mailboxid = g_strdup(mailboxid);
    box->uidnext = 0;
    box->modseq = 0;
    box->is_complete = FALSE;
    box_set_generation(cache, box, cache_new_number(cache));
    if (!old)
        return;
    box_changed(cache, box);
    if (cache->news)
        cache->news->box_replaced(id, old, cache->news_data);
}

static void forget_message(Cache *cache, Box *box, const CacheMessage *row)
{
    sqlite3_stmt *delete;

    if (!row->is_listed) {
        box->n_unlisted--;
        return;
    }
    if (cache->news)
        cache->news->message_going(box->pub.id, row->uid, cache->news_data);
    delete = index_get(cache->index, SQL_DELETE_MESSAGE);
    sqlite3_bind_int64(delete, 1, message_key(box->pub.generation, row->uid));
    index_run(cache->index, delete);
    blocks_forget_message(cache->blocks, box->pub.generation, row->uid);
}

/* Keeps the rows for which @keep is what @set says. */
static void remove_rows(Cache *cache, Box *box, const MailSet *set, gboolean keep)
{
    GArray *rows = box_rows(cache, box);
    guint64 last = keep || !set->len ? G_MAXUINT64 : mail_set_range(set, set->len - 1)->last;
    guint n = keep || !set->len ? 0 : rows_lower_bound(rows, mail_set_range(set, 0)->first);
    guint i = n, nth = 0;

    for (; i < rows->len && g_array_index(rows, CacheMessage, i).uid <= last; i++) {
        const CacheMessage *row = &g_array_index(rows, CacheMessage, i);

        while (nth < set->len && mail_set_range(set, nth)->last < row->uid)
            nth++;
        if ((nth < set->len && mail_set_range(set, nth)->first <= row->uid) == keep)
            g_array_index(rows, CacheMessage, n++) = *row;
        else
            forget_message(cache, box, row);
    }
    if (n == i)
        return;
    g_array_remove_range(rows, n, i - n);
    listing_forget(cache, box->pub.generation);
    box_changed(cache, box);
}

/* Appends the rows of @old from @at with a UID below @uid; returns where it stopped. */
static guint keep_rows(GArray *rows, const GArray *old, guint at, guint64 uid)
{
    for (; at < old->len && g_array_index(old, CacheMessage, at).uid < uid; at++)
        g_array_append_val(rows, g_array_index(old, CacheMessage, at));
    return at;
}

void cache_add_uids(Cache *cache, guint32 id, const MailSet *uids)
{
    Box *box = boxes_get(cache, id);
    GArray *old = box && box->pub.generation ? box_rows(cache, box) : NULL, *rows;
    guint at = 0;

    if (!old)
        return;
    rows = g_array_sized_new(FALSE, FALSE, sizeof(CacheMessage), old->len);
    for (guint nth = 0; nth < uids->len; nth++) {
        const MailRange *range = mail_set_range(uids, nth);

        for (guint64 uid = range->first; uid <= range->last; uid++) {
            CacheMessage row = {.uid = (guint32)uid};

            at = keep_rows(rows, old, at, uid);
            if (at < old->len && g_array_index(old, CacheMessage, at).uid == uid)
                continue;
            g_array_append_val(rows, row);
            box->n_unlisted++;
        }
    }
    keep_rows(rows, old, at, G_MAXUINT64);
    box->rows = rows;
    if (rows->len != old->len)
        box_changed(cache, box);
    g_array_unref(old);
}

void cache_put_uids(Cache *cache, guint32 id, const MailSet *uids)
{
    Box *box = boxes_get(cache, id);

    if (!box || !box->pub.generation)
        return;
    remove_rows(cache, box, uids, TRUE);
    cache_add_uids(cache, id, uids);
}

void cache_box_suspect(Cache *cache, guint32 id)
{
    Box *box = boxes_get(cache, id);

    if (!box)
        return;
    box->is_proved = FALSE;
    box->synced_us = 0;
}

void cache_put_gone(Cache *cache, guint32 id, const MailSet *uids)
{
    Box *box = boxes_get(cache, id);

    if (box && box->pub.generation)
        remove_rows(cache, box, uids, FALSE);
}

static CacheMessage *row_get_or_add(Cache *cache, Box *box, guint32 uid)
{
    GArray *rows = box_rows(cache, box);
    guint at = rows_lower_bound(rows, uid);
    CacheMessage row = {.uid = uid};

    if (at == rows->len || g_array_index(rows, CacheMessage, at).uid != uid) {
        g_array_insert_val(rows, at, row);
        box->n_unlisted++;
        box_changed(cache, box);
    }
    return &g_array_index(rows, CacheMessage, at);
}

void cache_put_line(Cache *cache, guint32 id, const CacheMessage *message, MailEnvelope *envelope)
{
    Box *box = boxes_get(cache, id);
    CacheMessage *row;

    if (!box || !box->pub.generation)
        return;
    row = row_get_or_add(cache, box, message->uid);
    if (row->is_listed) {
        cache_put_flags(cache, id, message->uid, message->flags);
        return;
    }
    *row = *message;
    row->is_listed = TRUE;
    row->is_size_proved = FALSE;
    box->n_unlisted--;
    /* The set of unlisted UIDs may hold more than it should: what is listed counts. */
    if (box->n_unlisted % UNLISTED_STEP == 0)
        box_dirty(cache, box);
    put_message(cache, box, row, envelope);
}

void cache_put_flags(Cache *cache, guint32 id, guint32 uid, MailFlags flags)
{
    Box *box = boxes_get(cache, id);
    CacheMessage *row = box && box->pub.generation ? box_row(cache, box, uid) : NULL;
    sqlite3_stmt *set;
    gint64 key;

    if (!row || !row->is_listed || row->flags == flags)
        return;
    if (cache->news)
        cache->news->flags_changing(id, uid, cache->news_data);
    row->flags = flags;
    box_changed(cache, box);
    key = message_key(box->pub.generation, uid);
    set = index_get(cache->index, SQL_SET_FLAGS);
    sqlite3_bind_int64(set, 1, key);
    sqlite3_bind_int64(set, 2, (gint64)flags);
    sqlite3_bind_int64(set, 3, flags_sum(key, flags));
    index_run(cache->index, set);
}

void cache_put_synced(Cache *cache, guint32 id, guint32 uidnext, guint64 modseq,
                      gboolean is_complete)
{
    Box *box = boxes_get(cache, id);

    if (!box || !box->pub.generation)
        return;
    box->is_proved = TRUE;
    box->synced_us = g_get_monotonic_time();
    if (box->uidnext == uidnext && box->modseq == modseq && box->is_complete == is_complete)
        return;
    box->uidnext = uidnext;
    box->modseq = modseq;
    box->is_complete = is_complete;
    box_dirty(cache, box);
}

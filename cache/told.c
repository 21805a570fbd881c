/* SPDX-License-Identifier: MIT */
/* cache/told.c - what the server told of a mailbox and its messages. */
#include "cache/changes.h"

#define UNLISTED_STEP 4096 /* messages listed between two writes of what is not */

/* --- which mailbox it is --- */

static void forget_state(Cache *cache, Box *box)
{
    box->uidnext = 0;
    box->modseq = 0;
    box->is_complete = FALSE;
    cache_box_suspect(cache, box->pub.id);
    box_dirty(cache, box);
}

static void set_identity(Box *box, guint32 uidvalidity, const char *mailboxid)
{
    char *old = box->mailboxid;

    box->uidvalidity = uidvalidity;
    box->mailboxid = g_strdup(mailboxid);
    g_free(old);
}

/* The messages of the old @generation are gone. */
static void tell_replaced(Cache *cache, Box *box, guint32 generation)
{
    box_changed(cache, box);
    if (cache->news)
        cache->news->box_replaced(box->pub.id, generation, cache->news_data);
}

/* Who waits for messages that can have no numbers would wait for ever. */
static void fail_without_number(Cache *cache, const Box *box)
{
    g_autoptr(GError) error =
        g_error_new(MAIL_ERROR, MAIL_ERROR_LOCAL, "the cache has no numbers for mailboxes left");

    if (!cache->has_run_out)
        g_message("the cache %s has no numbers for mailboxes left: remove it", cache->dir);
    cache->has_run_out = TRUE;
    wants_end_box(cache, box->pub.id, error);
}

void box_begin_anew(Cache *cache, Box *box)
{
    guint32 old = box->pub.generation;

    if (old) {
        wants_fail_generation(cache, old);
        changes_generation_gone(cache, old);
        box_forget_messages(cache, box);
    }
    g_clear_pointer(&box->rows, g_array_unref);
    box->knows_rights = FALSE;
    forget_state(cache, box);
    box_set_generation(cache, box, cache_new_number(cache));
    if (!box->pub.generation)
        fail_without_number(cache, box);
    if (old)
        tell_replaced(cache, box, old);
}

void cache_box_replace(Cache *cache, guint32 id, guint32 uidvalidity, const char *mailboxid)
{
    Box *box = boxes_get(cache, id);

    if (!box)
        return;
    set_identity(box, uidvalidity, mailboxid);
    box_begin_anew(cache, box);
    changes_bind(cache, FALSE);
}

void box_forget_incarnation(Cache *cache, Box *box)
{
    guint32 old = box->pub.generation;

    if (!old)
        return;
    wants_fail_generation(cache, old);
    changes_generation_gone(cache, old);
    box_forget_messages(cache, box);
    set_identity(box, 0, NULL);
    forget_state(cache, box);
    box_set_generation(cache, box, 0);
    tell_replaced(cache, box, old);
}

void cache_box_suspect(Cache *cache, guint32 id)
{
    Box *box = boxes_get(cache, id);

    if (!box)
        return;
    box->is_proved = FALSE;
    box->synced_us = 0;
}

/* --- which messages there are --- */

/* While all of them can still be asked for. */
static void tell_going(Cache *cache, const Box *box, const MailSet *gone)
{
    const GArray *rows = box->rows;

    for (guint nth = 0; cache->news && nth < gone->len; nth++) {
        const MailRange *range = mail_set_range(gone, nth);

        for (guint i = rows_lower_bound(rows, range->first); i < rows->len; i++) {
            const CacheMessage *row = &g_array_index(rows, CacheMessage, i);

            if (row->uid > range->last)
                break;
            if (row->is_listed && !shades_hide(cache, box->pub.generation, row->uid))
                cache->news->message_going(box->pub.id, row->uid, cache->news_data);
        }
    }
}

/* Forgets what is stored of the rows from @at on up to the UID @last; returns where it stopped. */
static guint forget_rows(Cache *cache, Box *box, guint at, guint32 last)
{
    const GArray *rows = box->rows;
    guint from = at, n_listed = 0;

    for (; at < rows->len && g_array_index(rows, CacheMessage, at).uid <= last; at++) {
        const CacheMessage *row = &g_array_index(rows, CacheMessage, at);

        if (row->is_listed)
            blocks_forget_message(cache->blocks, box->pub.generation, row->uid);
        n_listed += row->is_listed ? 1 : 0;
    }
    box->n_unlisted -= at - from - n_listed;
    if (n_listed)
        messages_delete(cache, box->pub.generation, g_array_index(rows, CacheMessage, from).uid,
                        last);
    return at;
}

static void remove_rows(Cache *cache, Box *box, const MailSet *gone)
{
    GArray *rows = box_rows(cache, box);
    guint kept = gone->len ? rows_lower_bound(rows, mail_set_range(gone, 0)->first) : rows->len;
    guint at = kept;

    tell_going(cache, box, gone);
    for (guint nth = 0; nth < gone->len && at < rows->len; nth++) {
        const MailRange *range = mail_set_range(gone, nth);

        while (at < rows->len && g_array_index(rows, CacheMessage, at).uid < range->first)
            g_array_index(rows, CacheMessage, kept++) = g_array_index(rows, CacheMessage, at++);
        at = forget_rows(cache, box, at, range->last);
    }
    if (at == kept)
        return;
    g_array_remove_range(rows, kept, at - kept);
    listing_forget(cache, box->pub.generation);
    box_dirty(cache, box);
    box_messages_changed(cache, box);
}

/* Appends the rows of @old from @at with a UID below @uid; returns where it stopped. */
static guint keep_rows(GArray *rows, const GArray *old, guint at, guint64 uid)
{
    for (; at < old->len && g_array_index(old, CacheMessage, at).uid < uid; at++)
        g_array_append_val(rows, g_array_index(old, CacheMessage, at));
    return at;
}

/* One message that is newer than all others. */
static gboolean add_behind(Cache *cache, Box *box, GArray *rows, const MailSet *uids)
{
    CacheMessage row = {.uid = uids->len ? mail_set_range(uids, 0)->first : 0};

    if (mail_set_count(uids) != 1 || shades_is_gone(cache, box->pub.generation, row.uid) ||
        (rows->len && g_array_index(rows, CacheMessage, rows->len - 1).uid >= row.uid))
        return FALSE;
    g_array_append_val(rows, row);
    box->n_unlisted++;
    box_dirty(cache, box);
    box_messages_changed(cache, box);
    return TRUE;
}

void cache_add_uids(Cache *cache, guint32 id, const MailSet *uids)
{
    Box *box = boxes_get(cache, id);
    GArray *old = box && box->pub.generation ? box_rows(cache, box) : NULL, *rows;
    guint at = 0;

    if (!old || add_behind(cache, box, old, uids))
        return;
    rows = g_array_sized_new(FALSE, FALSE, sizeof(CacheMessage), old->len);
    for (guint nth = 0; nth < uids->len; nth++) {
        const MailRange *range = mail_set_range(uids, nth);

        for (guint64 uid = range->first; uid <= range->last; uid++) {
            CacheMessage row = {.uid = (guint32)uid};

            at = keep_rows(rows, old, at, uid);
            if (at < old->len && g_array_index(old, CacheMessage, at).uid == uid)
                continue;
            if (shades_is_gone(cache, box->pub.generation, row.uid))
                continue;
            g_array_append_val(rows, row);
            box->n_unlisted++;
        }
    }
    keep_rows(rows, old, at, G_MAXUINT64);
    box->rows = rows;
    if (rows->len != old->len) {
        box_dirty(cache, box);
        box_messages_changed(cache, box);
    }
    g_array_unref(old);
}

/* All that is not in @set. */
static MailSet *dup_complement(const MailSet *set)
{
    MailSet *others = mail_set_new();
    guint64 next = 1;

    for (guint nth = 0; nth < set->len; nth++) {
        const MailRange *range = mail_set_range(set, nth);

        if (range->first > next)
            mail_set_add(others, (guint32)next, range->first - 1);
        next = (guint64)range->last + 1;
    }
    if (next <= G_MAXUINT32)
        mail_set_add(others, (guint32)next, G_MAXUINT32);
    return others;
}

void cache_put_uids(Cache *cache, guint32 id, const MailSet *uids)
{
    Box *box = boxes_get(cache, id);
    g_autoptr(MailSet) gone = NULL;

    if (!box || !box->pub.generation)
        return;
    changes_flush_gone(cache);
    gone = dup_complement(uids);
    shades_keep(cache, box->pub.generation, gone);
    remove_rows(cache, box, gone);
    cache_add_uids(cache, id, uids);
}

void cache_put_gone(Cache *cache, guint32 id, const MailSet *uids)
{
    Box *box = boxes_get(cache, id);

    if (box && uids->len == 1 && mail_set_count(uids) == 1)
        ahead_note_absent(cache, id, mail_set_range(uids, 0)->first);
    if (box && box->pub.generation)
        remove_rows(cache, box, uids);
}

/* --- messages --- */

static CacheMessage *row_get_or_add(Cache *cache, Box *box, guint32 uid)
{
    GArray *rows = box_rows(cache, box);
    guint at = rows_lower_bound(rows, uid);
    CacheMessage row = {.uid = uid};

    if (at == rows->len || g_array_index(rows, CacheMessage, at).uid != uid) {
        g_array_insert_val(rows, at, row);
        box->n_unlisted++;
        box_dirty(cache, box);
        box_messages_changed(cache, box);
    }
    return &g_array_index(rows, CacheMessage, at);
}

void cache_put_line(Cache *cache, guint32 id, const CacheMessage *message, MailEnvelope *envelope)
{
    Box *box = boxes_get(cache, id);
    CacheMessage *row;

    if (!box || !box->pub.generation || shades_is_gone(cache, box->pub.generation, message->uid))
        return;
    row = row_get_or_add(cache, box, message->uid);
    if (row->is_listed) {
        cache_put_flags(cache, id, message->uid, message->flags);
        if (cache_is_spool(cache))
            spool_put_size(cache, box, row, message->size, message->is_size_proved);
        return;
    }
    *row = (CacheMessage){
        .uid = message->uid,
        .is_listed = TRUE,
        .is_size_proved = cache_is_spool(cache) && message->is_size_proved,
        .flags = message->flags,
        .size = message->size,
        .date = message->date,
    };
    box->n_unlisted--;
    /* The set of unlisted UIDs may hold more than it should: what is listed counts. */
    if (box->n_unlisted % UNLISTED_STEP == 0)
        box_dirty(cache, box);
    message_store(cache, box, row, envelope);
}

void cache_put_flags(Cache *cache, guint32 id, guint32 uid, MailFlags flags)
{
    Box *box = boxes_get(cache, id);
    CacheMessage *row = box && box->pub.generation ? box_row(cache, box, uid) : NULL;

    if (!row || !row->is_listed || row->flags == flags)
        return;
    if (cache->news)
        cache->news->flags_changing(id, uid, cache->news_data);
    row->flags = flags;
    box_messages_changed(cache, box);
    message_store_flags(cache, box, row);
}

void told_flags(Cache *cache, guint32 generation, guint32 uid, MailFlags add, MailFlags remove)
{
    Box *box = g_hash_table_lookup(cache->generations, GUINT_TO_POINTER(generation));
    CacheMessage *row = box ? box_row(cache, box, uid) : NULL;

    if (!row || !row->is_listed)
        return;
    row->flags = (row->flags | add) & ~remove;
    message_store_flags(cache, box, row);
}

void cache_put_synced(Cache *cache, guint32 id, guint32 uidnext, guint64 modseq,
                      gboolean is_complete, gint64 began_us)
{
    Box *box = boxes_get(cache, id);

    if (!box || !box->pub.generation)
        return;
    shades_synced(cache, box->pub.generation, began_us);
    box->is_proved = TRUE;
    box->synced_us = g_get_monotonic_time();
    box->compared_us = MAX(box->compared_us, began_us);
    if (box->uidnext == uidnext && box->modseq == modseq && box->is_complete == is_complete)
        return;
    box->uidnext = uidnext;
    box->modseq = modseq;
    box->is_complete = is_complete;
    box_dirty(cache, box);
}

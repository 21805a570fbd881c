/* SPDX-License-Identifier: MIT */
/* cache/messages.c - asking what is known of a mailbox and its messages. */
#include "cache/changes.h"

static gboolean is_offline_but_known(Cache *cache, const Box *box)
{
    return (cache->state != CACHE_ONLINE || wants_are_in_vain(cache, box->pub.id, 0)) &&
           box->pub.generation;
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

CacheAnswer cache_box_check(Cache *cache, guint32 id, gint64 since_us, guint64 *ret_want,
                            GError **error)
{
    const Box *box = boxes_get(cache, id);
    const CacheWant want = {.kind = CACHE_WANT_SYNC, .box = id, .is_urgent = TRUE};

    if (!box)
        return CACHE_ABSENT;
    if (box->pub.attributes & CACHE_BOX_NOSELECT || box->compared_us >= since_us)
        return CACHE_FOUND;
    return wants_answer(cache, &want, ret_want, error);
}

void cache_expect_made(Cache *cache, guint32 id, const char *section)
{
    Box *box = boxes_get(cache, id);

    if (!box || box->pub.attributes & CACHE_BOX_NOSELECT || cache->state != CACHE_ONLINE ||
        (box->is_complete && !box->n_unlisted))
        return;
    wants_suggest(cache, &(CacheWant){.kind = CACHE_WANT_READY});
    if (box->pub.generation)
        ahead_expect_made(cache, box, g_intern_string(section));
}

CacheAnswer cache_find_message(Cache *cache, guint32 id, guint32 uid, CacheMessage *ret_message,
                               guint64 *ret_want, GError **error)
{
    CacheAnswer fresh = cache_box_is_fresh(cache, id, G_MAXINT64, ret_want, error);
    Box *box = boxes_get(cache, id);
    const CacheMessage *row;

    if (fresh != CACHE_FOUND)
        return fresh;
    if (box->pub.generation && shades_hide(cache, box->pub.generation, uid))
        return CACHE_ABSENT;
    row = box->pub.generation ? box_row(cache, box, uid) : NULL;
    if (row && row->is_listed) {
        *ret_message = *row;
        shades_apply(cache, box->pub.generation, ret_message);
        return CACHE_FOUND;
    }
    if (box->pub.attributes & CACHE_BOX_NOSELECT ||
        (!row && (box->is_complete || ahead_is_absent(cache, id, uid))))
        return CACHE_ABSENT;
    /* The connection that lists may not have heard of it yet. */
    if (row && shades_has_come(cache, box->pub.generation, uid))
        return wants_answer(cache, &(CacheWant){.kind = CACHE_WANT_SYNC, .box = id}, ret_want,
                            error);
    return ahead_lookup(cache, box, uid, ret_want, error);
}

gboolean cache_get_message(Cache *cache, guint32 generation, guint32 uid, CacheMessage *ret_message)
{
    Box *box = g_hash_table_lookup(cache->generations, GUINT_TO_POINTER(generation));
    const CacheMessage *row = box ? box_row(cache, box, uid) : NULL;

    if (!row || !row->is_listed)
        return FALSE;
    *ret_message = *row;
    shades_apply(cache, generation, ret_message);
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

/* --- for backends --- */

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

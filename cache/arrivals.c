/* SPDX-License-Identifier: MIT */
/* cache/arrivals.c - where changes are shown: what is on its way into a mailbox, under the name
 * that it was given; and where messages went that somebody may still know by their old place.
 */
#include <string.h>

#include "cache/changes.h"

#define CHAIN_MAX 1000 /* changes of one message that are followed */

struct Arrivals {
    GHashTable *by_name; /* "box/name" -> Change */
    GHashTable *by_box;  /* box -> GPtrArray of Change, ascending, that are listed; owned */
    GHashTable *settled; /* box -> GPtrArray of ids that still have their names; owned */
    GHashTable *forward; /* &message_key() of where it was -> Change, keys owned */
};

void arrivals_init(Cache *cache)
{
    struct Arrivals *arrivals = g_new0(struct Arrivals, 1);

    arrivals->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    arrivals->by_box = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)g_ptr_array_unref);
    arrivals->settled = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)g_array_unref);
    arrivals->forward = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    cache->changes->arrivals = arrivals;
}

void arrivals_free(Cache *cache)
{
    struct Arrivals *arrivals = cache->changes->arrivals;

    g_hash_table_unref(arrivals->by_name);
    g_hash_table_unref(arrivals->by_box);
    g_hash_table_unref(arrivals->settled);
    g_hash_table_unref(arrivals->forward);
    g_free(arrivals);
}

static char *name_key(guint32 box, const char *name)
{
    return g_strdup_printf("%u/%s", box, name);
}

/* Whether it brings a file to its target. */
static gboolean brings_file(const CacheChange *change)
{
    return change->kind == CACHE_CHANGE_MOVE || change->kind == CACHE_CHANGE_COPY ||
           change->kind == CACHE_CHANGE_APPEND;
}

/* Whether the message that it names is to be found at its end. */
static gboolean leads_on(const CacheChange *change)
{
    return change->uid &&
           (change->kind == CACHE_CHANGE_MOVE || change->kind == CACHE_CHANGE_APPEND);
}

static void remove_name(Cache *cache, const Change *change)
{
    g_autofree char *key = name_key(change->pub.target, change->pub.name);

    if (g_hash_table_lookup(cache->changes->arrivals->by_name, key) == change)
        g_hash_table_remove(cache->changes->arrivals->by_name, key);
}

static void remove_forward(Cache *cache, const Change *change)
{
    gint64 key = message_key(change->pub.generation, change->pub.uid);

    if (g_hash_table_lookup(cache->changes->arrivals->forward, &key) == change)
        g_hash_table_remove(cache->changes->arrivals->forward, &key);
}

/* The ids of drafts are given out before they become changes. */
static void insert_sorted(GPtrArray *pending, Change *change)
{
    guint at = pending->len;

    while (at > 0 && ((const Change *)pending->pdata[at - 1])->pub.id > change->pub.id)
        at--;
    g_ptr_array_insert(pending, (int)at, change);
}

void arrivals_add(Cache *cache, Change *change)
{
    struct Arrivals *arrivals = cache->changes->arrivals;
    gpointer box = GUINT_TO_POINTER(change->pub.target);
    gint64 key = message_key(change->pub.generation, change->pub.uid);
    GPtrArray *pending;

    if (!brings_file(&change->pub))
        return;
    pending = g_hash_table_lookup(arrivals->by_box, box);
    if (!pending)
        g_hash_table_insert(arrivals->by_box, box, pending = g_ptr_array_new());
    insert_sorted(pending, change);
    g_hash_table_insert(arrivals->by_name, name_key(change->pub.target, change->pub.name), change);
    if (leads_on(&change->pub))
        g_hash_table_insert(arrivals->forward, g_memdup2(&key, sizeof key), change);
}

static void remove_pending(Cache *cache, Change *change)
{
    gpointer box = GUINT_TO_POINTER(change->pub.target);
    GPtrArray *pending = g_hash_table_lookup(cache->changes->arrivals->by_box, box);

    if (!pending)
        return;
    g_ptr_array_remove(pending, change);
    if (!pending->len)
        g_hash_table_remove(cache->changes->arrivals->by_box, box);
}

static void note_settled(Cache *cache, const Change *change)
{
    GHashTable *settled = cache->changes->arrivals->settled;
    gpointer box = GUINT_TO_POINTER(change->pub.target);
    GArray *ids = g_hash_table_lookup(settled, box);

    if (!ids)
        g_hash_table_insert(settled, box, ids = g_array_new(FALSE, FALSE, sizeof(guint32)));
    g_array_append_val(ids, change->pub.id);
}

/* The generation in which the message that @change has brought has its new UID; 0 where that is not
 * known.  It is the first one of its target that has the UIDVALIDITY to which it was sent: one that
 * comes later is another mailbox, though its UIDVALIDITY may be the same. */
static guint32 new_generation(Cache *cache, const CacheChange *change)
{
    Change *found = changes_get(cache, change->id);
    const Box *target = boxes_get(cache, change->target);

    if (!found->pub.new_generation && change->new_uid && target &&
        target->uidvalidity == change->sent_uidvalidity)
        found->pub.new_generation = target->pub.generation;
    return found->pub.new_generation;
}

void arrivals_settle(Cache *cache, Change *change, gboolean is_there)
{
    if (!brings_file(&change->pub))
        return;
    /* In a spool it goes on under the same name: a listing that is under way goes on, too. */
    if (!is_there || !cache_is_spool(cache))
        remove_pending(cache, change);
    if (is_there) {
        (void)new_generation(cache, &change->pub);
        note_settled(cache, change);
        return;
    }
    remove_name(cache, change);
    remove_forward(cache, change);
}

void arrivals_forget(Cache *cache, Change *change)
{
    if (!brings_file(&change->pub))
        return;
    remove_pending(cache, change);
    remove_name(cache, change);
    remove_forward(cache, change);
}

/* --- for fs/ --- */

/* The change by which the message that @change has brought went on, or NULL. */
static const Change *find_next(Cache *cache, const CacheChange *change)
{
    gint64 key = message_key(new_generation(cache, change), change->new_uid);
    const Change *next = g_hash_table_lookup(cache->changes->arrivals->forward, &key);

    /* In a spool a message comes back to where it was: by an older one it left there before. */
    return next && cache_is_spool(cache) && next->pub.id < change->id ? NULL : next;
}

/* The last of the changes that lead on from @change. */
static const CacheChange *find_last(Cache *cache, const CacheChange *change)
{
    const Change *next;

    for (guint n = 0; n < CHAIN_MAX && (next = find_next(cache, change)); n++)
        change = &next->pub;
    return change;
}

/* Whether what has arrived in a mailbox is known to have gone on to another, or away. */
static gboolean has_left(Cache *cache, const CacheChange *change)
{
    const CacheChange *last = find_last(cache, change);
    guint32 generation = new_generation(cache, last);
    Box *target = boxes_get(cache, last->target);

    if (last->target != change->target)
        return TRUE;
    if (!generation || !target)
        return FALSE;
    return target->pub.generation != generation ||
           (target->is_complete && !box_row(cache, target, last->new_uid)) ||
           shades_hide(cache, generation, last->new_uid);
}

guint32 cache_arrival_find(Cache *cache, guint32 box, const char *name)
{
    g_autofree char *key = NULL;
    const Change *change;

    if (!g_hash_table_size(cache->changes->arrivals->by_name))
        return 0;
    key = name_key(box, name);
    change = g_hash_table_lookup(cache->changes->arrivals->by_name, key);
    return change && !has_left(cache, &change->pub) ? change->pub.id : 0;
}

gboolean cache_arrival_rename(Cache *cache, guint32 id, const char *name, GError **error)
{
    Change *change = changes_get(cache, id);
    char *old = change ? (char *)change->pub.name : NULL;

    if (!change || !brings_file(&change->pub))
        return TRUE;
    remove_name(cache, change);
    change->pub.name = g_strdup(name);
    g_hash_table_insert(cache->changes->arrivals->by_name, name_key(change->pub.target, name),
                        change);
    g_free(old);
    return change->pub.is_done || change_update(cache, change, error);
}

/* Whether it can still be sent otherwise: what was sent is looked for as it was. */
static gboolean is_unsent(const CacheChange *change)
{
    return !change->is_done && !change->is_taken && !change->sent_uidnext;
}

gboolean cache_arrival_date(Cache *cache, guint32 id, gint64 date, GError **error)
{
    const CacheChange *named = cache_change(cache, id);
    Change *change = named ? changes_get(cache, find_last(cache, named)->id) : NULL;
    gint64 before;

    if (!change || change->pub.kind != CACHE_CHANGE_APPEND || !is_unsent(&change->pub))
        return TRUE;
    before = change->pub.date;
    change->pub.date = date;
    if (change_update(cache, change, error))
        return TRUE;
    change->pub.date = before;
    return FALSE;
}

/* Settled, and its file has gone on or has another name. */
static gboolean is_over(Cache *cache, const CacheChange *change)
{
    return change->is_done && cache_arrival_find(cache, change->target, change->name) != change->id;
}

const CacheChange *cache_arrival_next(Cache *cache, guint32 box, guint32 after)
{
    const GPtrArray *pending =
        g_hash_table_lookup(cache->changes->arrivals->by_box, GUINT_TO_POINTER(box));
    guint low = 0, high = pending ? pending->len : 0;

    while (low < high) {
        guint middle = low + (high - low) / 2;

        if (((const Change *)pending->pdata[middle])->pub.id <= after)
            low = middle + 1;
        else
            high = middle;
    }
    while (pending && low < pending->len && is_over(cache, pending->pdata[low]))
        low++;
    return pending && low < pending->len ? pending->pdata[low] : NULL;
}

void cache_arrivals_settle(Cache *cache, guint32 box,
                           void (*gone)(guint32 box, const char *name, gpointer data),
                           gpointer data)
{
    g_autoptr(GArray) ids = NULL;

    if (!g_hash_table_steal_extended(cache->changes->arrivals->settled, GUINT_TO_POINTER(box), NULL,
                                     (gpointer *)&ids))
        return;
    for (guint i = 0; i < ids->len; i++) {
        Change *change = changes_get(cache, g_array_index(ids, guint32, i));

        if (change)
            remove_pending(cache, change);
        if (change && cache_arrival_find(cache, box, change->pub.name) == change->pub.id) {
            remove_name(cache, change);
            gone(box, change->pub.name, data);
        }
    }
}

/* A message that has settled, in the mailbox where it is now. */
static CacheAnswer find_settled(Cache *cache, const CacheChange *change, guint32 *ret_generation,
                                guint32 *ret_uid, guint64 *ret_want, GError **error)
{
    CacheMessage message;
    CacheAnswer answer;

    if (!change->new_uid)
        return CACHE_ABSENT;
    answer = cache_find_message(cache, change->target, change->new_uid, &message, ret_want, error);
    if (answer != CACHE_FOUND)
        return answer;
    if (cache_box(cache, change->target)->generation != new_generation(cache, change))
        return CACHE_ABSENT;
    *ret_generation = new_generation(cache, change);
    *ret_uid = change->new_uid;
    return CACHE_FOUND;
}

CacheAnswer cache_arrival_message(Cache *cache, guint32 id, guint32 *ret_generation,
                                  guint32 *ret_uid, guint64 *ret_want, GError **error)
{
    const CacheChange *change = cache_change(cache, id);

    if (!change || !brings_file(change))
        return CACHE_ABSENT;
    change = find_last(cache, change);
    if (change->is_done)
        return find_settled(cache, change, ret_generation, ret_uid, ret_want, error);
    if (change->kind == CACHE_CHANGE_APPEND)
        return CACHE_ABSENT;
    *ret_generation = change->generation;
    *ret_uid = change->uid;
    return CACHE_FOUND;
}

/* Whether the end of @change is known to the cache as a message. */
static gboolean has_landed(Cache *cache, const CacheChange *change)
{
    CacheMessage message;

    return cache_get_message(cache, new_generation(cache, change), change->new_uid, &message);
}

/* Whether a message that left by @last is where it was again, though by no change: in a spool other
 * programs move messages, too. */
static gboolean is_back(Cache *cache, const CacheChange *last, guint32 generation, guint32 uid)
{
    CacheMessage message;

    return cache_is_spool(cache) && last->is_done && !has_landed(cache, last) &&
           cache_get_message(cache, generation, uid, &message) &&
           !shades_hide(cache, generation, uid);
}

gboolean cache_forward(Cache *cache, guint32 *generation, guint32 *uid, guint32 *ret_id)
{
    gint64 key = message_key(*generation, *uid);
    const Change *first = g_hash_table_size(cache->changes->arrivals->forward)
                              ? g_hash_table_lookup(cache->changes->arrivals->forward, &key)
                              : NULL;
    const CacheChange *last = first ? find_last(cache, &first->pub) : NULL;

    if (!last || (new_generation(cache, last) == *generation && last->new_uid == *uid) ||
        is_back(cache, last, *generation, *uid))
        return FALSE;
    *ret_id = last->id;
    if (has_landed(cache, last)) {
        *generation = new_generation(cache, last);
        *uid = last->new_uid;
    } else if (!last->is_done && last->uid) {
        *generation = last->generation;
        *uid = last->uid;
    }
    return TRUE;
}

gboolean cache_arrival_read(Cache *cache, guint32 id, guint64 offset, gsize size,
                            GPtrArray *ret_slices, GError **error)
{
    return draft_read_file(cache, DATA_FOLDER, id, offset, size, ret_slices, error);
}

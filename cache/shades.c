/* SPDX-License-Identifier: MIT */
/* cache/shades.c - what changes make of messages, over what the server told.
 *
 * A message with a change that is not settled has a shade: its flags are shown with it, or it is
 * not shown.  When the server has taken the change the shade stays until a comparison that began
 * later has ended, for one that began before may bring what was.
 */
#include "cache/changes.h"

typedef struct {
    gint64 key;                 /* message_key() */
    GPtrArray *pending;         /* Change in order, borrowed */
    MailFlags add, remove;      /* settled */
    gboolean is_gone, has_come; /* settled */
    gint64 settled_us;          /* monotonic; 0: nothing was */
} Shade;

struct Shades {
    GHashTable *by_message; /* &key -> Shade, owned */
};

static void shade_free(gpointer data)
{
    Shade *shade = data;

    g_ptr_array_unref(shade->pending);
    g_free(shade);
}

void shades_init(Cache *cache)
{
    cache->changes->shades = g_new0(struct Shades, 1);
    cache->changes->shades->by_message =
        g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, shade_free);
}

void shades_free(Cache *cache)
{
    g_hash_table_unref(cache->changes->shades->by_message);
    g_free(cache->changes->shades);
}

static Shade *shade_get(Cache *cache, guint32 generation, guint32 uid)
{
    GHashTable *by_message = cache->changes->shades->by_message;
    gint64 key = message_key(generation, uid);

    /* Mostly there is none at all. */
    return g_hash_table_size(by_message) ? g_hash_table_lookup(by_message, &key) : NULL;
}

static Shade *shade_get_or_add(Cache *cache, guint32 generation, guint32 uid)
{
    Shade *shade = shade_get(cache, generation, uid);

    if (shade)
        return shade;
    shade = g_new0(Shade, 1);
    shade->key = message_key(generation, uid);
    shade->pending = g_ptr_array_new();
    g_hash_table_insert(cache->changes->shades->by_message, &shade->key, shade);
    return shade;
}

static void drop_if_empty(Cache *cache, const Shade *shade)
{
    if (!shade->pending->len && !shade->settled_us)
        g_hash_table_remove(cache->changes->shades->by_message, &shade->key);
}

/* --- pending --- */

static gboolean takes_away(const CacheChange *change)
{
    return change->uid &&
           (change->kind == CACHE_CHANGE_MOVE || change->kind == CACHE_CHANGE_EXPUNGE ||
            change->kind == CACHE_CHANGE_APPEND);
}

void shades_add(Cache *cache, const Change *change, int by)
{
    Shade *shade;

    if (!change->pub.uid)
        return;
    shade = shade_get_or_add(cache, change->pub.generation, change->pub.uid);
    if (by > 0)
        g_ptr_array_add(shade->pending, (gpointer)change);
    else
        g_ptr_array_remove(shade->pending, (gpointer)change);
    drop_if_empty(cache, shade);
}

void shades_apply(Cache *cache, guint32 generation, CacheMessage *message)
{
    const Shade *shade = shade_get(cache, generation, message->uid);

    if (!shade)
        return;
    message->flags = (message->flags | shade->add) & ~shade->remove;
    for (guint i = 0; i < shade->pending->len; i++) {
        const CacheChange *change = shade->pending->pdata[i];

        if (change->kind == CACHE_CHANGE_FLAGS)
            message->flags = (message->flags | change->add) & ~change->remove;
    }
}

gboolean shades_hide(Cache *cache, guint32 generation, guint32 uid)
{
    const Shade *shade = shade_get(cache, generation, uid);

    for (guint i = 0; shade && i < shade->pending->len; i++)
        if (takes_away(shade->pending->pdata[i]))
            return TRUE;
    return shade && shade->is_gone;
}

const GPtrArray *shades_pending(Cache *cache, guint32 generation, guint32 uid)
{
    const Shade *shade = shade_get(cache, generation, uid);

    return shade ? shade->pending : NULL;
}

Change *shades_find_flags(Cache *cache, guint32 generation, guint32 uid)
{
    const GPtrArray *pending = shades_pending(cache, generation, uid);
    Change *last = pending && pending->len ? pending->pdata[pending->len - 1] : NULL;

    return last && last->pub.kind == CACHE_CHANGE_FLAGS && !last->pub.is_taken ? last : NULL;
}

/* --- settled --- */

static Shade *settle(Cache *cache, guint32 generation, guint32 uid)
{
    Shade *shade = shade_get_or_add(cache, generation, uid);

    shade->settled_us = g_get_monotonic_time();
    return shade;
}

void shades_settle_gone(Cache *cache, guint32 generation, guint32 uid)
{
    settle(cache, generation, uid)->is_gone = TRUE;
}

void shades_settle_came(Cache *cache, guint32 generation, guint32 uid)
{
    settle(cache, generation, uid)->has_come = TRUE;
}

void shades_settle_flags(Cache *cache, guint32 generation, guint32 uid, MailFlags add,
                         MailFlags remove)
{
    Shade *shade = settle(cache, generation, uid);

    shade->add = (shade->add & ~remove) | add;
    shade->remove = (shade->remove & ~add) | remove;
}

gboolean shades_is_gone(Cache *cache, guint32 generation, guint32 uid)
{
    const Shade *shade = shade_get(cache, generation, uid);

    return shade && shade->is_gone;
}

gboolean shades_has_come(Cache *cache, guint32 generation, guint32 uid)
{
    const Shade *shade = shade_get(cache, generation, uid);

    return shade && shade->has_come;
}

void shades_keep(Cache *cache, guint32 generation, MailSet *gone)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, cache->changes->shades->by_message);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Shade *shade = value;
        guint32 uid = (guint32)shade->key;

        if (shade->has_come && (guint32)((guint64)shade->key >> 32) == generation)
            mail_set_remove(gone, uid, uid);
    }
}

static void forget_settled(Shade *shade)
{
    shade->add = shade->remove = 0;
    shade->is_gone = shade->has_come = FALSE;
    shade->settled_us = 0;
}

void shades_synced(Cache *cache, guint32 generation, gint64 began_us)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, cache->changes->shades->by_message);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Shade *shade = value;

        if ((guint32)((guint64)shade->key >> 32) != generation || !shade->settled_us ||
            shade->settled_us > began_us)
            continue;
        forget_settled(shade);
        if (!shade->pending->len)
            g_hash_table_iter_remove(&iter);
    }
}

void shades_forget_settled(Cache *cache, guint32 generation, guint32 uid)
{
    Shade *shade = shade_get(cache, generation, uid);

    if (!shade)
        return;
    forget_settled(shade);
    drop_if_empty(cache, shade);
}

void shades_forget_generation(Cache *cache, guint32 generation)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, cache->changes->shades->by_message);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if ((guint32)((guint64)((Shade *)value)->key >> 32) == generation)
            g_hash_table_iter_remove(&iter);
}

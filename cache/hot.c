/* SPDX-License-Identifier: MIT */
/* cache/hot.c - blocks in memory, the last used first. */
#include "cache/hot.h"

#define BYTES_MAX ((gsize)4 * 1024 * 1024)
#define TELL_US   (10 * G_USEC_PER_SEC)
#define COST_MIN  ((gsize)1024) /* of the smallest: so their number has a bound as well */

typedef struct {
    BodyKey body;
    guint32 number;
} HotKey;

typedef struct {
    HotKey key; /* first: a HotBlock is its own key */
    Block block;
    GList link;
    gint64 told_us; /* when the index was told last that it is in use */
} HotBlock;

struct Hot {
    GHashTable *by_key; /* HotBlock */
    GHashTable *counts; /* message_key(), owned -> how many there are of the message */
    GQueue order;       /* the last used at the head */
    gsize bytes;
};

static guint key_hash(gconstpointer data)
{
    const HotKey *key = data;

    return body_key_hash(&key->body) ^ key->number * 97u;
}

static gboolean key_equal(gconstpointer a, gconstpointer b)
{
    const HotKey *left = a, *right = b;

    return body_key_equal(&left->body, &right->body) && left->number == right->number;
}

static gsize cost(GBytes *bytes)
{
    return MAX(g_bytes_get_size(bytes), COST_MIN);
}

static guint n_of_message(const Hot *hot, gint64 message)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(hot->counts, &message));
}

static void count(Hot *hot, const BodyKey *body, int more)
{
    gint64 message = message_key(body->generation, body->uid);
    guint n = n_of_message(hot, message) + (guint)more;

    if (n)
        g_hash_table_insert(hot->counts, g_memdup2(&message, sizeof message), GUINT_TO_POINTER(n));
    else
        g_hash_table_remove(hot->counts, &message);
}

static void drop(Hot *hot, HotBlock *block)
{
    count(hot, &block->key.body, -1);
    hot->bytes -= cost(block->block.bytes);
    g_queue_unlink(&hot->order, &block->link);
    g_hash_table_remove(hot->by_key, block);
    g_bytes_unref(block->block.bytes);
    g_free(block);
}

static HotBlock *find(const Hot *hot, const BodyKey *key, guint32 number)
{
    HotKey wanted = {*key, number};

    return g_hash_table_lookup(hot->by_key, &wanted);
}

const Block *hot_get(Hot *hot, const BodyKey *key, guint32 number)
{
    HotBlock *block = find(hot, key, number);

    if (!block)
        return NULL;
    g_queue_unlink(&hot->order, &block->link);
    g_queue_push_head_link(&hot->order, &block->link);
    return &block->block;
}

gboolean hot_is_due(Hot *hot, const BodyKey *key, guint32 number)
{
    HotBlock *block = find(hot, key, number);
    gint64 now = g_get_monotonic_time();

    if (now - block->told_us < TELL_US)
        return FALSE;
    block->told_us = now;
    return TRUE;
}

Block hot_put(Hot *hot, const BodyKey *key, guint32 number, GBytes *bytes, gboolean is_end)
{
    HotBlock *block = find(hot, key, number);

    if (block)
        drop(hot, block);
    block = g_new0(HotBlock, 1);
    block->key = (HotKey){*key, number};
    block->block = (Block){g_bytes_ref(bytes), is_end};
    block->link.data = block;
    block->told_us = g_get_monotonic_time();
    g_hash_table_add(hot->by_key, block);
    count(hot, key, 1);
    g_queue_push_head_link(&hot->order, &block->link);
    hot->bytes += cost(bytes);
    while (hot->bytes > BYTES_MAX && hot->order.length > 1)
        drop(hot, hot->order.tail->data);
    return block->block;
}

void hot_drop_of(Hot *hot, guint32 generation, guint32 uid, const char *section)
{
    if (uid && !n_of_message(hot, message_key(generation, uid)))
        return;
    for (GList *link = hot->order.head, *next; link; link = next) {
        HotBlock *block = link->data;
        const BodyKey *body = &block->key.body;

        next = link->next;
        if (body->generation == generation && (!uid || body->uid == uid) &&
            (!section || g_str_equal(body->section, section)))
            drop(hot, block);
    }
}

Hot *hot_new(void)
{
    Hot *hot = g_new0(Hot, 1);

    hot->by_key = g_hash_table_new(key_hash, key_equal);
    hot->counts = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    return hot;
}

void hot_free(Hot *hot)
{
    while (hot->order.head)
        drop(hot, hot->order.head->data);
    g_hash_table_unref(hot->by_key);
    g_hash_table_unref(hot->counts);
    g_free(hot);
}

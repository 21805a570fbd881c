/* SPDX-License-Identifier: MIT */
/* cache/renames.c - mailboxes that were renamed though no answer came: the list tells. */
#include "cache/changes.h"

static gboolean is_listed(const CacheBoxNews *boxes, gsize n_boxes, const char *wire)
{
    for (gsize i = 0; i < n_boxes; i++)
        if (g_str_equal(boxes[i].wire, wire))
            return TRUE;
    return FALSE;
}

/* Whether the first @n names of @news lead to the mailbox @id. */
static gboolean leads_to(Cache *cache, const CacheBoxNews *news, guint n, guint32 id)
{
    const CacheBox *box = cache_box(cache, id);

    while (box && box->id != CACHE_ROOT && n > 0) {
        n--;
        if (box->is_raw != news->are_raw[n] || !g_str_equal(box->name, news->names[n]))
            return FALSE;
        box = cache_box(cache, box->parent);
    }
    return box && box->id == CACHE_ROOT && n == 0;
}

static const CacheBoxNews *find_new_place(Cache *cache, const CacheBoxNews *boxes, gsize n_boxes,
                                          const CacheChange *rename)
{
    for (gsize i = 0; i < n_boxes; i++) {
        guint n = g_strv_length((char **)boxes[i].names);

        if (n && !boxes[i].are_raw[n - 1] && g_str_equal(boxes[i].names[n - 1], rename->name) &&
            leads_to(cache, &boxes[i], n - 1, rename->target))
            return &boxes[i];
    }
    return NULL;
}

static gboolean has_child(Cache *cache, guint32 parent, const char *name)
{
    for (const CacheBox *box = cache_box_next_child(cache, parent, 0); box;
         box = cache_box_next_child(cache, parent, box->id))
        if (!box->is_raw && g_str_equal(box->name, name))
            return TRUE;
    return FALSE;
}

void changes_follow_renames(Cache *cache, const CacheBoxNews *boxes, gsize n_boxes)
{
    for (GList *link = cache->changes->queue.head; link; link = link->next) {
        const CacheChange *change = link->data;
        const CacheBoxNews *news;

        if (change->kind != CACHE_CHANGE_RENAME || !change->sent_uidnext || !change->wire ||
            is_listed(boxes, n_boxes, change->wire) ||
            has_child(cache, change->target, change->name))
            continue;
        news = find_new_place(cache, boxes, n_boxes, change);
        if (news)
            cache_box_renamed(cache, changes_find_box(cache, change->box, change->wire),
                              change->target, change->name, news->wire);
    }
}

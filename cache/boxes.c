/* SPDX-License-Identifier: MIT */
/* cache/boxes.c - the tree of mailboxes, in memory and in the index. */
#include <string.h>
#include <zlib.h>

#include "cache/changes.h"

#define DEPTH_MAX 1000 /* of what is loaded */

void box_free(gpointer data)
{
    Box *box = data;

    g_free((char *)box->pub.name);
    g_free((char *)box->pub.wire);
    g_free(box->mailboxid);
    g_free(box->unlisted);
    g_array_unref(box->children);
    g_clear_pointer(&box->rows, g_array_unref);
    g_free(box);
}

static Box *box_new(Cache *cache, guint32 id, guint32 parent, const char *name, gboolean is_raw)
{
    Box *box = g_new0(Box, 1);

    box->pub.id = id;
    box->pub.parent = parent;
    box->pub.name = g_strdup(name);
    box->pub.is_raw = is_raw;
    box->pub.changed = g_get_real_time();
    box->children = g_array_new(FALSE, FALSE, sizeof(guint32));
    g_hash_table_insert(cache->boxes, GUINT_TO_POINTER(id), box);
    return box;
}

static void adopt(Cache *cache, const Box *child)
{
    Box *parent = boxes_get(cache, child->pub.parent);

    if (parent && child->pub.id != CACHE_ROOT)
        g_array_append_val(parent->children, child->pub.id);
}

Box *boxes_get(Cache *cache, guint32 id)
{
    return g_hash_table_lookup(cache->boxes, GUINT_TO_POINTER(id));
}

const CacheBox *cache_box(Cache *cache, guint32 id)
{
    Box *box = boxes_get(cache, id);

    return box ? &box->pub : NULL;
}

const CacheBox *cache_box_of_generation(Cache *cache, guint32 generation)
{
    Box *box = g_hash_table_lookup(cache->generations, GUINT_TO_POINTER(generation));

    return box ? &box->pub : NULL;
}

const CacheBox *cache_box_next_child(Cache *cache, guint32 id, guint32 after_id)
{
    Box *box = boxes_get(cache, id);
    guint low = 0, high = box ? box->children->len : 0;

    while (low < high) {
        guint middle = (low + high) / 2;

        if (g_array_index(box->children, guint32, middle) <= after_id)
            low = middle + 1;
        else
            high = middle;
    }
    return box && low < box->children->len
               ? cache_box(cache, g_array_index(box->children, guint32, low))
               : NULL;
}

guint cache_box_n_children(Cache *cache, guint32 id)
{
    Box *box = boxes_get(cache, id);

    return box ? box->children->len : 0;
}

/* --- the index --- */

void box_dirty(Cache *cache, Box *box)
{
    box->is_dirty = TRUE;
    index_touch(cache->index);
}

void box_changed(Cache *cache, Box *box)
{
    box->pub.changed = g_get_real_time();
    box->is_older = TRUE;
    if (cache->news)
        cache->news->listing_changed(box->pub.id, cache->news_data);
}

void box_messages_changed(Cache *cache, Box *box)
{
    gint64 before = box->pub.changed;

    box_changed(cache, box);
    if (!box->is_complete)
        box->pub.changed = before;
}

void boxes_tell_rest(Cache *cache)
{
    GHashTableIter iter;
    gpointer data;

    g_hash_table_iter_init(&iter, cache->boxes);
    while (g_hash_table_iter_next(&iter, NULL, &data)) {
        Box *box = data;

        if (!box->is_told_short)
            continue;
        box->is_told_short = FALSE;
        box_changed(cache, box);
    }
}

static void bind_bytes(sqlite3_stmt *statement, int nth, const char *text)
{
    if (text)
        sqlite3_bind_blob(statement, nth, text, (int)strlen(text), SQLITE_TRANSIENT);
}

/* What guards a mailbox's row against damage. */
static gint64 box_sum(const Box *box, guint n_messages, const char *unlisted)
{
    g_autofree char *text = g_strdup_printf(
        "%u %u %d %u %u %" G_GINT64_FORMAT " %u %u %" G_GUINT64_FORMAT " %d %u\n%s\n%s\n%s\n%s",
        box->pub.id, box->pub.parent, box->pub.is_raw, box->pub.attributes, box->pub.generation,
        box->pub.changed, box->uidvalidity, box->uidnext, box->modseq, box->is_complete, n_messages,
        box->pub.name, box->pub.wire ? box->pub.wire : "", box->mailboxid ? box->mailboxid : "",
        unlisted ? unlisted : "");

    return (gint64)crc32(0, (const Bytef *)text, (uInt)strlen(text));
}

static char *dup_unlisted(Cache *cache, const Box *box)
{
    g_autoptr(MailSet) set = NULL;

    if (!box->rows)
        return g_strdup(box->unlisted);
    if (!box->n_unlisted)
        return NULL;
    set = cache_dup_unlisted(cache, box->pub.id, 1, G_MAXUINT32);
    return mail_set_format(set);
}

static void put_box(Cache *cache, Box *box)
{
    g_autofree char *unlisted = dup_unlisted(cache, box);
    guint n_messages = box->rows ? box->rows->len : box->n_stored;
    sqlite3_stmt *put = index_get(cache->index, SQL_PUT_BOX);

    sqlite3_bind_int64(put, 1, box->pub.id);
    sqlite3_bind_int64(put, 2, box->pub.parent);
    bind_bytes(put, 3, box->pub.name);
    sqlite3_bind_int(put, 4, box->pub.is_raw);
    bind_bytes(put, 5, box->pub.wire);
    sqlite3_bind_int64(put, 6, box->pub.attributes);
    sqlite3_bind_int64(put, 7, box->pub.generation);
    sqlite3_bind_int64(put, 8, box->pub.changed);
    sqlite3_bind_int64(put, 9, box->uidvalidity);
    sqlite3_bind_int64(put, 10, box->uidnext);
    sqlite3_bind_int64(put, 11, (gint64)box->modseq);
    sqlite3_bind_text(put, 12, box->mailboxid, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int(put, 13, box->is_complete);
    sqlite3_bind_text(put, 14, unlisted, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(put, 15, n_messages);
    sqlite3_bind_int64(put, 16, box_sum(box, n_messages, unlisted));
    index_run(cache->index, put);
    box->is_dirty = FALSE;
    box->is_older = FALSE;
}

void boxes_flush(Cache *cache)
{
    GHashTableIter iter;
    gpointer box;

    g_hash_table_iter_init(&iter, cache->boxes);
    while (g_hash_table_iter_next(&iter, NULL, &box))
        if (((Box *)box)->is_dirty && ((Box *)box)->pub.id != CACHE_ROOT)
            put_box(cache, box);
}

void boxes_flush_all(Cache *cache)
{
    GHashTableIter iter;
    gpointer box;

    g_hash_table_iter_init(&iter, cache->boxes);
    while (g_hash_table_iter_next(&iter, NULL, &box))
        if (((Box *)box)->is_older)
            box_dirty(cache, box);
    boxes_flush(cache);
}

static char *column_bytes(sqlite3_stmt *row, int nth)
{
    const char *bytes = sqlite3_column_blob(row, nth);

    return bytes ? g_strndup(bytes, sqlite3_column_bytes(row, nth)) : NULL;
}

/* FALSE when the row is damaged, or its parent's was. */
static gboolean load_box(Cache *cache, sqlite3_stmt *row)
{
    g_autofree char *name = column_bytes(row, 2);
    gint64 id = sqlite3_column_int64(row, 0), parent = sqlite3_column_int64(row, 1);
    Box *box;

    if (id <= CACHE_ROOT || id > NUMBER_MAX || parent < 0 || parent > NUMBER_MAX)
        return FALSE;
    box = box_new(cache, (guint32)id, (guint32)parent, name ? name : "",
                  sqlite3_column_int(row, 3) != 0);
    box->pub.wire = column_bytes(row, 4);
    box->pub.attributes = (guint)sqlite3_column_int64(row, 5);
    box->pub.generation = (guint32)sqlite3_column_int64(row, 6);
    box->pub.changed = sqlite3_column_int64(row, 7);
    box->uidvalidity = (guint32)sqlite3_column_int64(row, 8);
    box->uidnext = (guint32)sqlite3_column_int64(row, 9);
    box->modseq = (guint64)sqlite3_column_int64(row, 10);
    box->mailboxid = g_strdup((const char *)sqlite3_column_text(row, 11));
    box->is_complete = sqlite3_column_int(row, 12) != 0;
    box->unlisted = g_strdup((const char *)sqlite3_column_text(row, 13));
    box->n_stored = (guint)sqlite3_column_int64(row, 14);
    if (box_sum(box, box->n_stored, box->unlisted) != sqlite3_column_int64(row, 15)) {
        g_hash_table_remove(cache->boxes, GUINT_TO_POINTER((guint32)id));
        return FALSE;
    }
    if (box->pub.generation)
        g_hash_table_insert(cache->generations, GUINT_TO_POINTER(box->pub.generation), box);
    cache->next_number = MAX(cache->next_number, MAX(box->pub.id, box->pub.generation) + 1);
    return TRUE;
}

static void delete_box(Cache *cache, gint64 id)
{
    sqlite3_stmt *delete = index_get(cache->index, SQL_DELETE_BOX);

    sqlite3_bind_int64(delete, 1, id);
    index_run(cache->index, delete);
}

static void remove_damaged(Cache *cache, const GArray *ids)
{
    for (guint i = 0; i < ids->len; i++) {
        g_message("an entry of the index is damaged (mailbox %" G_GINT64_FORMAT
                  "): it will be asked for again",
                  g_array_index(ids, gint64, i));
        delete_box(cache, g_array_index(ids, gint64, i));
    }
}

/* Whether its parents are there, up to the root. */
static gboolean is_rooted(Cache *cache, const Box *box)
{
    guint depth = 0;

    for (; box && box->pub.id != CACHE_ROOT; box = boxes_get(cache, box->pub.parent))
        if (++depth > DEPTH_MAX)
            return FALSE;
    return box != NULL;
}

static void find_unrooted(Cache *cache, GArray *damaged)
{
    GHashTableIter iter;
    gpointer data;

    g_hash_table_iter_init(&iter, cache->boxes);
    while (g_hash_table_iter_next(&iter, NULL, &data)) {
        const Box *box = data;
        gint64 id = box->pub.id;

        if (!is_rooted(cache, box))
            g_array_append_val(damaged, id);
    }
}

static void forget_unrooted(Cache *cache, const GArray *damaged)
{
    for (guint i = 0; i < damaged->len; i++) {
        gpointer id = GUINT_TO_POINTER((guint32)g_array_index(damaged, gint64, i));
        const Box *box = g_hash_table_lookup(cache->boxes, id);

        if (box && box->pub.generation)
            g_hash_table_remove(cache->generations, GUINT_TO_POINTER(box->pub.generation));
        g_hash_table_remove(cache->boxes, id);
    }
}

static int compare_ids(gconstpointer a, gconstpointer b)
{
    guint32 left = *(const guint32 *)a, right = *(const guint32 *)b;

    return left < right ? -1 : left > right;
}

void boxes_load(Cache *cache)
{
    sqlite3_stmt *all = index_get(cache->index, SQL_ALL_BOXES);
    g_autoptr(GArray) damaged = g_array_new(FALSE, FALSE, sizeof(gint64));
    GHashTableIter iter;
    gpointer box;

    box_new(cache, CACHE_ROOT, CACHE_ROOT, "", FALSE);
    boxes_get(cache, CACHE_ROOT)->pub.attributes = CACHE_BOX_NOSELECT;
    while (index_step(cache->index, all))
        if (!load_box(cache, all)) {
            gint64 id = sqlite3_column_int64(all, 0);

            g_array_append_val(damaged, id);
        }
    find_unrooted(cache, damaged);
    remove_damaged(cache, damaged);
    forget_unrooted(cache, damaged);
    g_hash_table_iter_init(&iter, cache->boxes);
    while (g_hash_table_iter_next(&iter, NULL, &box))
        adopt(cache, box);
    g_hash_table_iter_init(&iter, cache->boxes);
    while (g_hash_table_iter_next(&iter, NULL, &box))
        g_array_sort(((Box *)box)->children, compare_ids);
}

void box_distrust(Cache *cache, Box *box)
{
    box->is_complete = FALSE;
    box->modseq = 0;
    box_dirty(cache, box);
}

void boxes_distrust(Cache *cache)
{
    GHashTableIter iter;
    gpointer box;

    g_hash_table_iter_init(&iter, cache->boxes);
    while (g_hash_table_iter_next(&iter, NULL, &box))
        box_distrust(cache, box);
}

void box_set_generation(Cache *cache, Box *box, guint32 generation)
{
    if (box->pub.generation)
        g_hash_table_remove(cache->generations, GUINT_TO_POINTER(box->pub.generation));
    box->pub.generation = generation;
    if (generation)
        g_hash_table_insert(cache->generations, GUINT_TO_POINTER(generation), box);
    box_dirty(cache, box);
}

/* --- a new list from the server --- */

static char *child_key(guint32 parent, const char *name, gboolean is_raw)
{
    return g_strdup_printf("%u %d %s", parent, is_raw, name);
}

static GHashTable *index_children(Cache *cache)
{
    GHashTable *known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GHashTableIter iter;
    gpointer data;

    g_hash_table_iter_init(&iter, cache->boxes);
    while (g_hash_table_iter_next(&iter, NULL, &data)) {
        Box *box = data;

        if (box->pub.id != CACHE_ROOT)
            g_hash_table_insert(known, child_key(box->pub.parent, box->pub.name, box->pub.is_raw),
                                box);
    }
    return known;
}

static Box *child_get_or_make(Cache *cache, GHashTable *known, Box *parent, const char *name,
                              gboolean is_raw, gboolean *ret_changed)
{
    g_autofree char *key = child_key(parent->pub.id, name, is_raw);
    Box *box = g_hash_table_lookup(known, key);
    guint32 id;

    if (box)
        return box;
    id = cache_new_number(cache);
    if (!id)
        return NULL;
    box = box_new(cache, id, parent->pub.id, name, is_raw);
    box->pub.attributes = CACHE_BOX_NOSELECT;
    adopt(cache, box);
    box_dirty(cache, box);
    box_changed(cache, parent);
    g_hash_table_insert(known, g_steal_pointer(&key), box);
    *ret_changed = TRUE;
    return box;
}

/* Whether messages are called by other names in a box that has @attributes now. */
static gboolean has_renamed(const Box *box, guint attributes)
{
    const guint own = CACHE_BOX_SENT | CACHE_BOX_DRAFTS;

    return box->pub.generation && !(box->pub.attributes & own) != !(attributes & own);
}

static void put_attributes(Cache *cache, Box *box, const char *wire, guint attributes,
                           gboolean *ret_changed)
{
    if (box->pub.attributes == attributes && g_strcmp0(box->pub.wire, wire) == 0)
        return;
    if (has_renamed(box, attributes))
        box_changed(cache, box);
    g_free((char *)box->pub.wire);
    box->pub.wire = g_strdup(wire);
    box->pub.attributes = attributes;
    box_dirty(cache, box);
    if (attributes & CACHE_BOX_NOSELECT)
        box_forget_incarnation(cache, box);
    *ret_changed = TRUE;
}

/* Its parent still has it among its children. */
static void remove_box(Cache *cache, Box *box)
{
    changes_box_gone(cache, box->pub.id);
    if (box->pub.generation) {
        wants_fail_generation(cache, box->pub.generation);
        box_forget_messages(cache, box);
        box_set_generation(cache, box, 0);
    }
    wants_end_box(cache, box->pub.id, NULL);
    delete_box(cache, box->pub.id);
    g_hash_table_remove(cache->boxes, GUINT_TO_POINTER(box->pub.id));
}

static void drop_lost_children(Cache *cache, Box *parent)
{
    GArray *children = parent->children;
    guint n = 0;

    for (guint i = 0; i < children->len; i++) {
        guint32 id = g_array_index(children, guint32, i);

        if (boxes_get(cache, id))
            g_array_index(children, guint32, n++) = id;
    }
    g_array_set_size(children, n);
    box_changed(cache, parent);
}

static gboolean remove_unseen(Cache *cache, GHashTable *seen)
{
    g_autoptr(GPtrArray) unseen = g_ptr_array_new();
    g_autoptr(GHashTable) parents = g_hash_table_new(NULL, NULL);
    GHashTableIter iter;
    gpointer box, id;

    g_hash_table_iter_init(&iter, cache->boxes);
    while (g_hash_table_iter_next(&iter, NULL, &box))
        if (((Box *)box)->pub.id != CACHE_ROOT && !g_hash_table_contains(seen, box))
            g_ptr_array_add(unseen, box);
    for (guint i = 0; i < unseen->len; i++) {
        g_hash_table_add(parents, GUINT_TO_POINTER(((Box *)unseen->pdata[i])->pub.parent));
        remove_box(cache, unseen->pdata[i]);
    }
    g_hash_table_iter_init(&iter, parents);
    while (g_hash_table_iter_next(&iter, &id, NULL))
        if (boxes_get(cache, GPOINTER_TO_UINT(id)))
            drop_lost_children(cache, boxes_get(cache, GPOINTER_TO_UINT(id)));
    return unseen->len > 0;
}

/* A box that is only made up as a parent: whatever it was before. */
static void demote(Cache *cache, GHashTable *seen, GHashTable *listed, gboolean *ret_changed)
{
    GHashTableIter iter;
    gpointer box;

    g_hash_table_iter_init(&iter, seen);
    while (g_hash_table_iter_next(&iter, &box, NULL))
        if (!g_hash_table_contains(listed, box))
            put_attributes(cache, box, NULL, CACHE_BOX_NOSELECT, ret_changed);
}

void cache_put_boxes(Cache *cache, const CacheBoxNews *boxes, gsize n_boxes)
{
    g_autoptr(GHashTable) known = NULL, seen = g_hash_table_new(NULL, NULL),
                          listed = g_hash_table_new(NULL, NULL);
    gboolean is_changed = FALSE;

    changes_follow_renames(cache, boxes, n_boxes);
    known = index_children(cache);
    for (gsize i = 0; i < n_boxes; i++) {
        Box *box = boxes_get(cache, CACHE_ROOT);

        for (guint n = 0; box && boxes[i].names[n]; n++) {
            box = child_get_or_make(cache, known, box, boxes[i].names[n], boxes[i].are_raw[n],
                                    &is_changed);
            if (box)
                g_hash_table_add(seen, box);
        }
        if (!box || box->pub.id == CACHE_ROOT)
            continue;
        put_attributes(cache, box, boxes[i].wire, boxes[i].attributes, &is_changed);
        g_hash_table_add(listed, box);
    }
    demote(cache, seen, listed, &is_changed);
    is_changed |= remove_unseen(cache, seen);
    if (is_changed && cache->news)
        cache->news->boxes_changed(cache->news_data);
    changes_bind(cache, TRUE);
}

/* --- what we renamed --- */

/* The name of what is below a mailbox begins with the mailbox's own.  Each that has another one
 * gets into @renamed, by the old one. */
static void replace_wire(Cache *cache, Box *box, const char *old, const char *new,
                         GHashTable *renamed)
{
    char *wire = box->pub.wire ? g_strconcat(new, box->pub.wire + strlen(old), NULL) : NULL;

    for (guint i = 0; i < box->children->len; i++) {
        Box *child = boxes_get(cache, g_array_index(box->children, guint32, i));

        if (child && (!child->pub.wire || g_str_has_prefix(child->pub.wire, old)))
            replace_wire(cache, child, old, new, renamed);
    }
    if (wire)
        g_hash_table_insert(renamed, (char *)box->pub.wire, box);
    box->pub.wire = wire;
    box_dirty(cache, box);
}

static void leave_parent(Cache *cache, const Box *child)
{
    Box *parent = boxes_get(cache, child->pub.parent);

    for (guint i = 0; parent && i < parent->children->len; i++)
        if (g_array_index(parent->children, guint32, i) == child->pub.id) {
            g_array_remove_index(parent->children, i);
            box_changed(cache, parent);
            return;
        }
}

void cache_box_renamed(Cache *cache, guint32 id, guint32 parent_id, const char *name,
                       const char *wire)
{
    Box *box = boxes_get(cache, id), *parent = boxes_get(cache, parent_id);
    g_autofree char *old = box ? g_strdup(box->pub.wire) : NULL;
    g_autoptr(GHashTable) renamed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    if (!box || !parent || !old)
        return;
    leave_parent(cache, box);
    g_free((char *)box->pub.name);
    box->pub.name = g_strdup(name);
    box->pub.is_raw = FALSE;
    box->pub.parent = parent_id;
    adopt(cache, box);
    g_array_sort(parent->children, compare_ids);
    box_changed(cache, parent);
    replace_wire(cache, box, old, wire, renamed);
    changes_boxes_renamed(cache, renamed);
    if (cache->news)
        cache->news->boxes_changed(cache->news_data);
}

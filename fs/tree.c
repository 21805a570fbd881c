/* SPDX-License-Identifier: MIT */
/* fs/tree.c - the directory names of mailboxes, both ways. */
#include "fs/private.h"

typedef struct {
    guint32 box, parent;
    char *name;
} Dir;

struct FsTree {
    Cache *cache;
    GHashTable *by_box;  /* id -> Dir, owned */
    GHashTable *by_name; /* "parent/name" -> Dir */
};

static void dir_free(gpointer data)
{
    Dir *dir = data;

    g_free(dir->name);
    g_free(dir);
}

static char *name_key(guint32 parent, const char *name)
{
    return g_strdup_printf("%u/%s", parent, name);
}

static void add(FsTree *tree, const CacheBox *box)
{
    Dir *dir = g_new(Dir, 1);

    *dir = (Dir){box->id, box->parent, fs_names_box(box->name, box->is_raw, box->wire)};
    g_hash_table_insert(tree->by_box, GUINT_TO_POINTER(box->id), dir);
    g_hash_table_insert(tree->by_name, name_key(dir->parent, dir->name), dir);
}

static void add_children(FsTree *tree)
{
    g_autoptr(GArray) todo = g_array_new(FALSE, FALSE, sizeof(guint32));
    guint32 parent = CACHE_ROOT;

    g_array_append_val(todo, parent);
    while (todo->len) {
        const CacheBox *box = NULL;

        parent = g_array_index(todo, guint32, todo->len - 1);
        g_array_set_size(todo, todo->len - 1);
        while ((box = cache_box_next_child(tree->cache, parent, box ? box->id : 0))) {
            add(tree, box);
            g_array_append_val(todo, box->id);
        }
    }
}

static void fill(FsTree *tree)
{
    tree->by_box = g_hash_table_new_full(NULL, NULL, NULL, dir_free);
    tree->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    add_children(tree);
}

FsTree *fs_tree_new(Cache *cache)
{
    FsTree *tree = g_new0(FsTree, 1);

    tree->cache = cache;
    fill(tree);
    return tree;
}

void fs_tree_free(FsTree *tree)
{
    if (!tree)
        return;
    g_hash_table_unref(tree->by_name);
    g_hash_table_unref(tree->by_box);
    g_free(tree);
}

guint32 fs_tree_child(FsTree *tree, guint32 parent, const char *name)
{
    g_autofree char *key = name_key(parent, name);
    const Dir *dir = g_hash_table_lookup(tree->by_name, key);

    return dir ? dir->box : 0;
}

const char *fs_tree_name(FsTree *tree, guint32 box)
{
    const Dir *dir = g_hash_table_lookup(tree->by_box, GUINT_TO_POINTER(box));

    return dir ? dir->name : NULL;
}

void fs_tree_refresh(FsTree *tree,
                     void (*gone)(guint32 parent, guint32 box, const char *name, gpointer data),
                     gpointer data)
{
    g_autoptr(GHashTable) old_by_box = g_steal_pointer(&tree->by_box);
    GHashTableIter iter;
    gpointer value;

    g_hash_table_unref(tree->by_name);
    fill(tree);
    g_hash_table_iter_init(&iter, old_by_box);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Dir *dir = value;

        if (fs_tree_child(tree, dir->parent, dir->name) != dir->box)
            gone(dir->parent, dir->box, dir->name, data);
    }
}

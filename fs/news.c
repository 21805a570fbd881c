/* SPDX-License-Identifier: MIT */
/* fs/news.c - what the cache tells, translated into what the kernel must forget. */
#include "fs/private.h"

static guint64 dir_ino(FsKind kind, guint32 box)
{
    return fs_node_pack((FsNode){kind, box, 0});
}

static gboolean is_shown(Fs *fs, guint32 generation)
{
    return g_hash_table_contains(fs->shown, GUINT_TO_POINTER(generation));
}

static void on_dir_gone(guint32 parent, guint32 box, const char *name, gpointer data)
{
    Fs *fs = data;

    fs_notify_entry(fs->notifier, dir_ino(FS_KIND_BOX, parent), name);
    fs_notify_entry(fs->notifier, dir_ino(FS_KIND_UID_BOX, parent), name);
}

static void on_boxes_changed(gpointer data)
{
    Fs *fs = data;

    fs_tree_refresh(fs->tree, on_dir_gone, fs);
}

static void on_message_going(guint32 id, guint32 uid, gpointer data)
{
    Fs *fs = data;
    guint32 generation = cache_box(fs->cache, id)->generation;
    char name[FS_MESSAGE_NAME], short_name[32];

    if (!is_shown(fs, generation))
        return;
    if (fs_message_name(fs, id, uid, name))
        fs_notify_gone(fs->notifier, dir_ino(FS_KIND_BOX, id),
                       fs_node_pack((FsNode){FS_KIND_MESSAGE, generation, uid}), name);
    g_snprintf(short_name, sizeof short_name, "u%u.eml", uid);
    fs_notify_entry(fs->notifier, dir_ino(FS_KIND_BOX, id), short_name);
    fs_notify_entry(fs->notifier, dir_ino(FS_KIND_UID_BOX, id), short_name + 1);
}

static void on_flags_changing(guint32 id, guint32 uid, gpointer data)
{
    Fs *fs = data;
    char name[FS_MESSAGE_NAME];

    if (is_shown(fs, cache_box(fs->cache, id)->generation) && fs_message_name(fs, id, uid, name))
        fs_notify_entry(fs->notifier, dir_ino(FS_KIND_BOX, id), name);
}

static void on_listing_changed(guint32 id, gpointer data)
{
    Fs *fs = data;

    fs_notify_inode(fs->notifier, dir_ino(FS_KIND_BOX, id));
    fs_notify_inode(fs->notifier, dir_ino(FS_KIND_UID_BOX, id));
}

static guint64 message_key(guint32 generation, guint32 uid)
{
    return (guint64)generation << 32 | uid;
}

static void on_size_corrected(guint32 id, guint32 uid, gpointer data)
{
    Fs *fs = data;
    guint32 generation = cache_box(fs->cache, id)->generation;
    static const FsKind kinds[] = {FS_KIND_MESSAGE, FS_KIND_ALIAS, FS_KIND_UID_MESSAGE};
    guint64 key = message_key(generation, uid);

    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
        fs_notify_inode(fs->notifier, fs_node_pack((FsNode){kinds[i], generation, uid}));
    g_hash_table_insert(fs->resized, g_memdup2(&key, sizeof key),
                        GUINT_TO_POINTER(fs_notifier_mark(fs->notifier)));
}

gboolean fs_is_resizing(Fs *fs, guint32 generation, guint32 uid)
{
    guint64 key = message_key(generation, uid);
    gpointer mark;

    if (!g_hash_table_lookup_extended(fs->resized, &key, NULL, &mark))
        return FALSE;
    if (!fs_notifier_has_told(fs->notifier, GPOINTER_TO_UINT(mark)))
        return TRUE;
    g_hash_table_remove(fs->resized, &key);
    return FALSE;
}

static void on_box_replaced(guint32 id, guint32 old_generation, gpointer data)
{
    Fs *fs = data;
    const CacheBox *box = cache_box(fs->cache, id);
    const char *name = fs_tree_name(fs->tree, id);

    /* With the directory's own entry go all that are below it. */
    if (is_shown(fs, old_generation) && name) {
        fs_notify_entry(fs->notifier, dir_ino(FS_KIND_BOX, box->parent), name);
        fs_notify_entry(fs->notifier, dir_ino(FS_KIND_UID_BOX, box->parent), name);
    }
    g_hash_table_remove(fs->shown, GUINT_TO_POINTER(old_generation));
    on_listing_changed(id, fs);
}

const CacheNews fs_news = {
    .boxes_changed = on_boxes_changed,
    .message_going = on_message_going,
    .flags_changing = on_flags_changing,
    .listing_changed = on_listing_changed,
    .size_corrected = on_size_corrected,
    .box_replaced = on_box_replaced,
};

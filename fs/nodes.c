/* SPDX-License-Identifier: MIT */
/* fs/nodes.c - what nodes stand for: the views that there are, and what is where in them. */
#include "fs/views.h"

const FsBoxView fs_box_views[FS_N_BOX_VIEWS] = {
    {FS_KIND_BOX, FS_KIND_MESSAGE, FS_NAME_FULL, FS_KIND_ALIAS, FS_NAME_SHORT, "mail"},
    {FS_KIND_UID_BOX, FS_KIND_UID_MESSAGE, FS_NAME_UID, 0, 0, "uid"},
    {FS_KIND_TEXT_BOX, FS_KIND_TEXT, FS_NAME_TEXT, 0, 0, "text"},
    {FS_KIND_PARTS_BOX, FS_KIND_PARTS, FS_NAME_PARTS, FS_KIND_PARTS_LINK, FS_NAME_UID_ONLY,
     "parts"},
};

const FsBoxView *fs_box_view(FsKind kind)
{
    for (gsize i = 0; i < FS_N_BOX_VIEWS; i++) {
        const FsBoxView *view = &fs_box_views[i];

        if (kind == view->box || kind == view->message || kind == view->alias)
            return view;
    }
    return NULL;
}

/* --- nodes --- */

FsNode fs_root(const Fs *fs)
{
    return (FsNode){.kind = fs->options.root, .number = CACHE_ROOT};
}

static gboolean is_root(const Fs *fs, FsNode node)
{
    return node.kind == fs->options.root && node.number == CACHE_ROOT;
}

guint64 fs_ino(const Fs *fs, FsNode node)
{
    return is_root(fs, node) ? FUSE_ROOT_ID : fs_node_pack(node);
}

gboolean fs_node(const Fs *fs, guint64 ino, FsNode *ret_node)
{
    if (ino != FUSE_ROOT_ID)
        return fs_node_unpack(ino, ret_node);
    *ret_node = fs_root(fs);
    return TRUE;
}

gboolean fs_node_is_message(FsNode node)
{
    return node.uid != 0;
}

const CacheBox *fs_node_box(Fs *fs, FsNode node)
{
    if (fs_node_is_message(node))
        return cache_box_of_generation(fs->cache, node.number);
    return fs_box_view(node.kind) ? cache_box(fs->cache, node.number) : NULL;
}

gboolean fs_node_message(Fs *fs, FsNode node, CacheMessage *ret_message)
{
    return fs_node_is_message(node) &&
           cache_get_message(fs->cache, node.number, node.uid, ret_message);
}

gboolean fs_node_is_gone(Fs *fs, FsNode node)
{
    CacheMessage message;

    if (fs_node_is_message(node))
        return !fs_node_message(fs, node, &message);
    return fs_box_view(node.kind) && !fs_node_box(fs, node);
}

/* What is above the mailboxes of a view: "" or ".mailfs/uid". */
static char *view_path(const Fs *fs, FsNode node)
{
    const FsBoxView *view = fs_box_view(node.kind);

    if (node.kind == FS_KIND_CONTROL)
        return g_strdup(FS_CONTROL_NAME);
    if (node.kind == FS_KIND_STATUS)
        return g_strdup(FS_CONTROL_NAME "/" FS_STATUS_NAME);
    if (!view)
        view = fs_box_view(FS_KIND_PARTS);
    return view->box == fs->options.root ? g_strdup("")
                                         : g_strconcat(FS_CONTROL_NAME "/", view->name, NULL);
}

static void append_message(GString *path, FsNode node)
{
    g_string_append_printf(path, "/u%u", node.uid);
    if (!fs_box_view(node.kind))
        g_string_append_printf(path, "/part %u", node.part);
    else
        g_string_append(path, fs_view(node.kind)->next ? "" : ".eml");
}

char *fs_node_path(Fs *fs, FsNode node)
{
    g_autoptr(GString) path = g_string_new(NULL);
    g_autofree char *top = view_path(fs, node);
    const CacheBox *box = fs_node_box(fs, node);

    if (fs_node_is_message(node))
        append_message(path, node);
    for (; box && box->id != CACHE_ROOT; box = cache_box(fs->cache, box->parent)) {
        const char *name = fs_tree_name(fs->tree, box->id);

        g_string_prepend(path, name ? name : "?");
        g_string_prepend_c(path, '/');
    }
    g_string_prepend(path, top);
    if (path->str[0] == '/')
        g_string_erase(path, 0, 1);
    if (!path->len)
        g_string_append_c(path, '.');
    return g_string_free(g_steal_pointer(&path), FALSE);
}

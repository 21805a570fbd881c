/* SPDX-License-Identifier: MIT */
/* fs/nodes.c - what nodes stand for: the views that there are, and what is where in them. */
#include "fs/changing.h"

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

/* --- in a spool ---
 *
 * A message has the same UID in each of its mailboxes.  So that a file keeps its inode number when
 * it was read, it has that of a message in the one for what is to be read once.
 */

const CacheBox *fs_box_with(const Fs *fs, CacheBoxAttributes attribute)
{
    const CacheBox *box = NULL;

    while ((box = cache_box_next_child(fs->cache, CACHE_ROOT, box ? box->id : 0)))
        if (box->attributes & attribute)
            return box;
    return NULL;
}

/* @node, which is of a message in the mailbox with @from, in the one with @to; or as it is. */
static FsNode transfer(const Fs *fs, FsNode node, CacheBoxAttributes from, CacheBoxAttributes to)
{
    const CacheBox *box = fs_node_is_message(node) && cache_is_spool(fs->cache)
                              ? cache_box_of_generation(fs->cache, node.number)
                              : NULL;

    if (box && box->attributes & from && (box = fs_box_with(fs, to)) && box->generation)
        node.number = box->generation;
    return node;
}

/* The node by which the kernel knows @node. */
static FsNode canonical(const Fs *fs, FsNode node)
{
    const CacheChange *change = node.kind == FS_KIND_NEW && cache_is_spool(fs->cache)
                                    ? cache_change(fs->cache, node.uid)
                                    : NULL;

    /* On its way to another mailbox. */
    if (change && change->kind == CACHE_CHANGE_MOVE)
        node = (FsNode){FS_KIND_MESSAGE, change->generation, change->uid, 0};
    return transfer(fs, node, CACHE_BOX_READ, CACHE_BOX_READ_ONCE);
}

/* The message that the kernel knows by @node, where it is now. */
static FsNode resolve(const Fs *fs, FsNode node)
{
    FsNode there = transfer(fs, node, CACHE_BOX_READ_ONCE, CACHE_BOX_READ);
    CacheMessage message;

    if (there.number == node.number ||
        cache_get_message(fs->cache, node.number, node.uid, &message))
        return node;
    return cache_get_message(fs->cache, there.number, there.uid, &message) ? there : node;
}

/* --- numbers --- */

guint64 fs_ino(const Fs *fs, FsNode node)
{
    return is_root(fs, node) ? FUSE_ROOT_ID : fs_node_pack(canonical(fs, node));
}

/* Where the message is now: the kernel may know it by where it was. */
static FsNode forward(const Fs *fs, FsNode node)
{
    FsNode there = node;
    const CacheChange *change;
    CacheMessage message;
    guint32 id;

    if (!fs_node_is_message(node) || !cache_forward(fs->cache, &there.number, &there.uid, &id))
        return node;
    change = cache_change(fs->cache, id);
    /* Until the server has taken it, what moves is where it was, but not what is replaced. */
    if (fs_is_mail(node) && change &&
        ((change->kind == CACHE_CHANGE_APPEND && !change->is_done) ||
         !cache_get_message(fs->cache, there.number, there.uid, &message)))
        return (FsNode){.kind = FS_KIND_NEW, .number = 1, .uid = id};
    return there;
}

gboolean fs_node(const Fs *fs, guint64 ino, FsNode *ret_node)
{
    FsNode node = fs_root(fs);

    if (ino != FUSE_ROOT_ID && !fs_node_unpack(ino, &node))
        return FALSE;
    *ret_node = forward(fs, resolve(fs, node));
    return TRUE;
}

gboolean fs_node_is_message(FsNode node)
{
    return node.uid != 0 && node.kind != FS_KIND_NEW && node.kind != FS_KIND_LOST_FILE;
}

const CacheBox *fs_node_box(Fs *fs, FsNode node)
{
    const CacheChange *change;

    if (fs_node_is_message(node))
        return cache_box_of_generation(fs->cache, node.number);
    if (node.kind == FS_KIND_NEW) {
        change = cache_change(fs->cache, node.uid);
        return change ? cache_box(fs->cache, change->target) : NULL;
    }
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
    if (node.kind == FS_KIND_LOST || node.kind == FS_KIND_LOST_FILE)
        return g_strdup(FS_CONTROL_NAME "/" FS_LOST_NAME);
    if (node.kind == FS_KIND_NEW)
        view = fs_box_view(FS_KIND_BOX);
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

static void append_new(const Fs *fs, GString *path, FsNode node)
{
    const CacheChange *change = cache_change(fs->cache, node.uid);

    g_string_append_printf(path, "/%s", change ? change->name : "(new)");
}

char *fs_node_path(Fs *fs, FsNode node)
{
    g_autoptr(GString) path = g_string_new(NULL);
    g_autofree char *top = view_path(fs, node);
    const CacheBox *box = fs_node_box(fs, node);

    if (fs_node_is_message(node))
        append_message(path, node);
    else if (node.kind == FS_KIND_NEW)
        append_new(fs, path, node);
    else if (node.kind == FS_KIND_LOST_FILE)
        g_string_append_printf(path, "/%u", node.uid);
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

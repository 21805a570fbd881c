/* SPDX-License-Identifier: MIT */
/* fs/views.c - the kinds of nodes and their rows. */
#include "fs/views.h"

#include <string.h>

#include "fs/changing.h"

static const FsView *const views[FS_N_KINDS] = {
    [FS_KIND_BOX] = &fs_view_boxes,
    [FS_KIND_MESSAGE] = &fs_view_message,
    [FS_KIND_ALIAS] = &fs_view_message,
    [FS_KIND_CONTROL] = &fs_view_control,
    [FS_KIND_STATUS] = &fs_view_status,
    [FS_KIND_UID_BOX] = &fs_view_boxes,
    [FS_KIND_UID_MESSAGE] = &fs_view_message,
    [FS_KIND_TEXT_BOX] = &fs_view_boxes,
    [FS_KIND_TEXT] = &fs_view_text,
    [FS_KIND_PARTS_BOX] = &fs_view_boxes,
    [FS_KIND_PARTS] = &fs_view_parts,
    [FS_KIND_PARTS_LINK] = &fs_view_parts_link,
    [FS_KIND_NEW] = &fs_view_new,
    [FS_KIND_LOST] = &fs_view_lost,
    [FS_KIND_LOST_FILE] = &fs_view_lost_file,
    [FS_KIND_PART] = &fs_view_part,
    [FS_KIND_PART_DIR] = &fs_view_part_dir,
    [FS_KIND_PART_HEADER] = &fs_view_part_header,
    [FS_KIND_PART_WHOLE] = &fs_view_part,
};

const FsView *fs_view(FsKind kind)
{
    return views[kind];
}

static mode_t mode_of(Fs *fs, FsNode node)
{
    mode_t mode = fs_view(node.kind)->mode;

    return fs_is_writable(fs, node) ? mode | S_IWUSR : mode;
}

CacheAnswer fs_attr(FsRequest *request, FsNode node, struct stat *attr)
{
    const FsView *view = fs_view(node.kind);
    CacheAnswer answer;

    memset(attr, 0, sizeof *attr);
    attr->st_ino = fs_ino(request->fs, node);
    attr->st_mode = mode_of(request->fs, node);
    attr->st_uid = request->fs->uid;
    attr->st_gid = request->fs->gid;
    attr->st_blksize = 4096;
    answer = view->attr(request, node, attr);
    if (answer == CACHE_FOUND && view->is_listed_unsized)
        g_hash_table_add(request->fs->sized, GSIZE_TO_POINTER((gsize)attr->st_ino));
    /* Fewer blocks than the size takes would say: sparse (cp looks). */
    attr->st_blocks = (attr->st_size + 511) / 512;
    return answer;
}

/* Whether its attributes are known without getting anything for them. */
static gboolean can_tell_attr(const FsRequest *request, FsNode node)
{
    const FsView *view = fs_view(node.kind);

    return !view->knows_attr ||
           (view->knows_attr(request->fs, node) && !fs_is_resizing(request->fs, node));
}

/* Whether the kernel was told a size: it would take none for an empty file. */
static gboolean was_sized(const FsRequest *request, FsNode node)
{
    return g_hash_table_contains(request->fs->sized,
                                 GSIZE_TO_POINTER((gsize)fs_ino(request->fs, node)));
}

static CacheAnswer fill(FsRequest *request, FsNode node, gboolean with_size,
                        struct fuse_entry_param *entry)
{
    const FsView *view = fs_view(node.kind);

    memset(entry, 0, sizeof *entry);
    entry->ino = entry->attr.st_ino = fs_ino(request->fs, node);
    entry->attr.st_mode = mode_of(request->fs, node);
    entry->entry_timeout = view->timeout;
    entry->attr_timeout = with_size ? view->timeout : 0;
    return with_size ? fs_attr(request, node, &entry->attr) : CACHE_FOUND;
}

CacheAnswer fs_fill_entry(FsRequest *request, FsNode node, struct fuse_entry_param *entry)
{
    /* Lookups in one directory wait for each other, so none gets anything: without a size the
     * kernel will ask for it. */
    gboolean with_size = can_tell_attr(request, node) || was_sized(request, node);

    return fill(request, node, with_size, entry);
}

gboolean fs_fill_listed(FsRequest *request, FsNode node, struct fuse_entry_param *entry)
{
    gboolean with_size = can_tell_attr(request, node);

    if (!with_size && (!fs_view(node.kind)->is_listed_unsized || was_sized(request, node)))
        return FALSE;
    return fill(request, node, with_size, entry) == CACHE_FOUND;
}

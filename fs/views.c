/* SPDX-License-Identifier: MIT */
/* fs/views.c - the kinds of nodes and their rows. */
#include "fs/views.h"

#include <string.h>

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
    [FS_KIND_PART] = &fs_view_part,
    [FS_KIND_PART_DIR] = &fs_view_part_dir,
    [FS_KIND_PART_HEADER] = &fs_view_part_header,
    [FS_KIND_PART_WHOLE] = &fs_view_part,
};

const FsView *fs_view(FsKind kind)
{
    return views[kind];
}

CacheAnswer fs_attr(FsRequest *request, FsNode node, struct stat *attr)
{
    const FsView *view = fs_view(node.kind);
    CacheAnswer answer;

    memset(attr, 0, sizeof *attr);
    attr->st_ino = fs_ino(request->fs, node);
    attr->st_mode = view->mode;
    attr->st_uid = request->fs->uid;
    attr->st_gid = request->fs->gid;
    attr->st_blksize = 4096;
    answer = view->attr(request, node, attr);
    /* Fewer blocks than the size takes would say: sparse (cp looks). */
    attr->st_blocks = (attr->st_size + 511) / 512;
    return answer;
}

/* SPDX-License-Identifier: MIT */
/* fs/inode.c - inode numbers. */
#include "fs/inode.h"

#define ROOT_INO    1 /* the kernel's number for the root (FUSE_ROOT_ID) */
#define NUMBER_BITS 24
#define NUMBER_MAX  ((1u << NUMBER_BITS) - 1)

guint64 fs_node_pack(FsNode node)
{
    if (node.kind == FS_KIND_BOX && node.number == 0)
        return ROOT_INO;
    return (guint64)node.kind << 56 | (guint64)node.number << 32 | node.uid;
}

static gboolean has_uid(FsKind kind)
{
    return kind == FS_KIND_MESSAGE || kind == FS_KIND_ALIAS || kind == FS_KIND_UID_MESSAGE;
}

gboolean fs_node_unpack(guint64 ino, FsNode *ret_node)
{
    FsNode node = {
        .kind = (FsKind)(ino >> 56),
        .number = (guint32)(ino >> 32) & NUMBER_MAX,
        .uid = (guint32)ino,
    };

    if (ino == ROOT_INO)
        node = (FsNode){.kind = FS_KIND_BOX};
    else if (node.kind < FS_KIND_BOX || node.kind >= FS_N_KINDS ||
             (node.uid != 0) != has_uid(node.kind))
        return FALSE;
    *ret_node = node;
    return TRUE;
}

/* SPDX-License-Identifier: MIT */
/* fs/inode.c - inode numbers. */
#include "fs/inode.h"

#include "mail/mail.h"

#define NUMBER_BITS 24
#define NUMBER_MAX  ((1u << NUMBER_BITS) - 1)

/* Of parts. */
#define FORM_SHIFT       62
#define FORM_NEAR        ((guint64)2)
#define FORM_FAR         ((guint64)3)
#define KIND_SHIFT       60
#define KIND_MASK        3u
#define PART_SHIFT       46
#define PART_MASK        ((1u << 14) - 1) /* MAIL_PARTS_MAX fits */
#define NEAR_NUMBER_MASK ((1u << 14) - 1)
#define FAR_UID_BITS     22
#define FAR_UID_MASK     ((1u << FAR_UID_BITS) - 1)

static gboolean is_part(FsKind kind)
{
    return kind >= FS_KIND_PART && kind <= FS_KIND_PART_WHOLE;
}

static guint64 pack_part(FsNode node)
{
    guint64 head = (guint64)(node.kind - FS_KIND_PART) << KIND_SHIFT | (guint64)node.part
                                                                           << PART_SHIFT;

    if (node.part >= MAIL_PARTS_MAX)
        return 0;
    if (node.number <= NEAR_NUMBER_MASK)
        return FORM_NEAR << FORM_SHIFT | head | (guint64)node.number << 32 | node.uid;
    if (node.uid > FAR_UID_MASK)
        return 0;
    return FORM_FAR << FORM_SHIFT | head | (guint64)node.number << FAR_UID_BITS | node.uid;
}

guint64 fs_node_pack(FsNode node)
{
    if (is_part(node.kind))
        return pack_part(node);
    return (guint64)node.kind << 56 | (guint64)node.number << 32 | node.uid;
}

static gboolean has_uid(FsKind kind)
{
    switch (kind) {
    case FS_KIND_MESSAGE:
    case FS_KIND_ALIAS:
    case FS_KIND_UID_MESSAGE:
    case FS_KIND_TEXT:
    case FS_KIND_PARTS:
    case FS_KIND_PARTS_LINK:
    case FS_KIND_NEW:
    case FS_KIND_LOST_FILE: return TRUE;
    default: return FALSE;
    }
}

static gboolean unpack_part(guint64 ino, FsNode *ret_node)
{
    gboolean is_near = ino >> FORM_SHIFT == FORM_NEAR;
    FsNode node = {
        .kind = FS_KIND_PART + ((guint)(ino >> KIND_SHIFT) & KIND_MASK),
        .part = (guint32)(ino >> PART_SHIFT) & PART_MASK,
        .number = is_near ? (guint32)(ino >> 32) & NEAR_NUMBER_MASK
                          : (guint32)(ino >> FAR_UID_BITS) & NUMBER_MAX,
        .uid = is_near ? (guint32)ino : (guint32)ino & FAR_UID_MASK,
    };

    if (!node.uid || node.part >= MAIL_PARTS_MAX || (!is_near && node.number <= NEAR_NUMBER_MASK))
        return FALSE;
    *ret_node = node;
    return TRUE;
}

gboolean fs_node_unpack(guint64 ino, FsNode *ret_node)
{
    FsNode node = {
        .kind = (FsKind)(ino >> 56),
        .number = (guint32)(ino >> 32) & NUMBER_MAX,
        .uid = (guint32)ino,
    };

    if (ino >> FORM_SHIFT >= FORM_NEAR)
        return unpack_part(ino, ret_node);
    if (node.kind < FS_KIND_BOX || node.kind >= FS_KIND_PART ||
        (node.uid != 0) != has_uid(node.kind))
        return FALSE;
    *ret_node = node;
    return TRUE;
}

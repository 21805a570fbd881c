/* SPDX-License-Identifier: MIT */
/* fs/inode.h - what a node of the mount stands for, packed into its inode number.
 *
 * The number is the node: nothing is remembered of what the kernel was told, and a number that came
 * from an earlier mount still says what it meant, or is stale.
 *
 *      63   62 61      56 55         32 31          0
 *      0    0  kind       number        uid
 *
 * number is a mailbox's id in directories and its generation in messages (cache/cache.h: both fit
 * 24 bits and are never used twice).  The two top bits are kept for kinds with more fields.
 */
#pragma once

#include <glib.h>

typedef enum {
    FS_KIND_BOX = 1, /* a mailbox as a directory; number 0 is the root of the account */
    FS_KIND_MESSAGE, /* a message under its name */
    FS_KIND_ALIAS,   /* the same as u4711.eml: a node of its own, see DESIGN "Message names" */
    FS_KIND_CONTROL, /* .mailfs */
    FS_KIND_STATUS,  /* .mailfs/status */
    FS_KIND_UID_BOX, /* .mailfs/uid/... */
    FS_KIND_UID_MESSAGE,
    FS_N_KINDS
} FsKind;

typedef struct {
    FsKind kind;
    guint32 number;
    guint32 uid;
} FsNode;

guint64 fs_node_pack(FsNode node);
/* FALSE for a number that we never gave. */
gboolean fs_node_unpack(guint64 ino, FsNode *ret_node);

/* SPDX-License-Identifier: MIT */
/* fs/inode.h - what a node of the mount stands for, packed into its inode number.
 *
 * The number is the node: nothing is remembered of what the kernel was told, and a number that came
 * from an earlier mount still says what it meant, or is stale.
 *
 *      63 62   61      56 55         32 31          0
 *      0  0       kind       number         uid
 *      1  0    61 60  59   46 45     32 31          0       of parts
 *              kind    part    number       uid
 *      1  1    61 60  59   46 45         22 21      0       the same, where the number is larger
 *
 * number is a mailbox's id in directories and its generation in messages (cache/cache.h: both fit
 * 24 bits and are never used twice).
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
    FS_KIND_TEXT_BOX, /* .mailfs/text/... */
    FS_KIND_TEXT,
    FS_KIND_PARTS_BOX,   /* .mailfs/parts/... */
    FS_KIND_PARTS,       /* a message as the directory of its parts */
    FS_KIND_PARTS_LINK,  /* 4711, which leads to it */
    FS_KIND_NEW,         /* a draft or an arrival: number 1, uid is the change's id */
    FS_KIND_LOST,        /* .mailfs/lost+found */
    FS_KIND_LOST_FILE,   /* uid is the id of what was lost */
    FS_KIND_PART,        /* a leaf */
    FS_KIND_PART_DIR,    /* a message in the message */
    FS_KIND_PART_HEADER, /* of the message whose root is that part */
    FS_KIND_PART_WHOLE,  /* a message in the message as a file */
    FS_N_KINDS
} FsKind;

typedef struct {
    FsKind kind;
    guint32 number;
    guint32 uid;
    guint32 part; /* its MailPart.nth */
} FsNode;

/* 0 for a part that is too far out: of a mailbox beyond the 16,383rd and a UID beyond 4,194,303. */
guint64 fs_node_pack(FsNode node);
/* FALSE for a number that we never gave. */
gboolean fs_node_unpack(guint64 ino, FsNode *ret_node);

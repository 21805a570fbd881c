/* SPDX-License-Identifier: MIT */
/* fs/views.h - what is in the mount: a row a kind of node, and the functions that the rows name. */
#pragma once

#include <sys/stat.h>

#include "fs/private.h"

/* Invalidation by the notifier makes the kernel forget what changed; until then it may keep all. */
#define FS_LONG 86400.0

typedef struct {
    FsNode node;
    guint64 cookie; /* where the listing goes on after it */
    char name[FS_NAME_MAX + 1];
} FsEntry;

/* What does not apply to a kind is NULL. */
typedef struct {
    mode_t mode;
    double timeout; /* seconds for which the kernel may keep name and attributes */
    /* The child called @name. */
    CacheAnswer (*lookup)(FsRequest *request, FsNode dir, const char *name, FsNode *ret_child);
    /* The entry after @cookie (0: the first). */
    CacheAnswer (*next)(FsRequest *request, FsNode dir, guint64 cookie, FsEntry *ret_entry);
    /* The parent directory. */
    FsNode (*parent)(Fs *fs, FsNode node);
    /* Size, times and link count; the rest comes from the row. */
    CacheAnswer (*attr)(FsRequest *request, FsNode node, struct stat *attr);
    /* Whether attr would tell at once; NULL: it does. */
    gboolean (*knows_attr)(Fs *fs, FsNode node);
    /* Whether listings show it without a size, as long as none was told. */
    gboolean is_listed_unsized;
    /* The size that readers go by, as far as is known without making it; or G_MAXUINT64. */
    guint64 (*size_told)(Fs *fs, FsNode node);
    /* Says what the kernel may keep of a file.  Not called under -o ro. */
    void (*open)(FsRequest *request, struct fuse_file_info *fi);
    /* Adds GBytes. */
    CacheAnswer (*read)(FsRequest *request, FsNode node, guint64 offset, gsize size,
                        GPtrArray *ret_slices);
    /* Whether read would do without the network; NULL: it does. */
    gboolean (*is_here)(Fs *fs, FsNode node, guint64 offset, gsize size);
    /* Where a symbolic link leads; newly allocated. */
    CacheAnswer (*readlink)(FsRequest *request, FsNode node, char **ret_target);
} FsView;

const FsView *fs_view(FsKind kind);
/* All attributes of @node. */
CacheAnswer fs_attr(FsRequest *request, FsNode node, struct stat *attr);
/* What the kernel is told of a name that it looks up: the same, but without a size where that would
 * take getting something. */
CacheAnswer fs_fill_entry(FsRequest *request, FsNode node, struct fuse_entry_param *entry);
/* The same of one that it lists.  FALSE when it is told nothing but the name. */
gboolean fs_fill_listed(FsRequest *request, FsNode node, struct fuse_entry_param *entry);

/* --- listing.c --- */

/* Looks for news in the mailbox that is touched, when its times are set.  FALSE: @request waits. */
gboolean fs_touch(FsRequest *request);

/* --- nodes.c --- */

/* What mailboxes and messages look like in one of the views. */
typedef struct {
    FsKind box, message;
    FsNameForm form;
    FsKind alias; /* how a message is reached by another name, which is not listed; or 0 */
    FsNameForm alias_form;
    const char *name; /* in .mailfs, where it is not the root */
} FsBoxView;

#define FS_N_BOX_VIEWS 4
extern const FsBoxView fs_box_views[FS_N_BOX_VIEWS];

/* The view of a mailbox's directory or of a message in it; NULL for other kinds. */
const FsBoxView *fs_box_view(FsKind kind);
/* --- view-boxes.c --- */

/* The name of a message in @view as it is now; FALSE when it is gone. */
gboolean fs_message_name(Fs *fs, const FsBoxView *view, guint32 box, guint32 uid,
                         char name[FS_MESSAGE_NAME]);
/* The node of a message of which the kernel is going to know a name. */
FsNode fs_show_message(Fs *fs, FsKind kind, guint32 generation, guint32 uid);
FsNode fs_message_parent(Fs *fs, FsNode node);

extern const FsView fs_view_boxes;

/* --- view-control.c --- */

#define FS_CONTROL_NAME ".mailfs"
#define FS_STATUS_NAME  "status"
#define FS_LOST_NAME    "lost+found"

extern const FsView fs_view_control, fs_view_status;

/* --- view-new.c, view-lost.c --- */

extern const FsView fs_view_new, fs_view_lost, fs_view_lost_file;

/* --- view-message.c, view-text.c --- */

void fs_open_kept(FsRequest *request, struct fuse_file_info *fi);
/* The times of a message; FALSE when it is gone. */
gboolean fs_message_times(Fs *fs, FsNode node, struct stat *attr);
/* Whether all of it is here: what is made of it needs no network. */
gboolean fs_has_message(Fs *fs, FsNode node);

extern const FsView fs_view_message, fs_view_text;

/* --- view-parts.c, part-file.c --- */

extern const FsView fs_view_parts, fs_view_parts_link, fs_view_part_dir;
extern const FsView fs_view_part, fs_view_part_header;

/* The part that @node stands for, in *ret_root, the tree of its message; both borrowed until the
 * return to the main loop. */
CacheAnswer fs_part(FsRequest *request, FsNode node, MailPart **ret_root, MailPart **ret_part);
/* Wants what fs_attr() of the files of @parts (MailPart) will need, where that is little: it may be
 * asked next. */
void fs_parts_expect(Fs *fs, FsNode dir, const GPtrArray *parts);

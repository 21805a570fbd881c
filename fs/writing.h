/* SPDX-License-Identifier: MIT */
/* fs/writing.h - files that are being written: drafts, and messages that are rewritten.
 *
 * A draft is a file that was created here, or a message that was opened for writing.  What is in it
 * is local until it is closed (flush) or synced under a name that is not scratch: then it becomes a
 * message.
 */
#pragma once

#include "fs/views.h"

typedef struct FsDrafts FsDrafts;

FsDrafts *fs_drafts_new(Fs *fs);
void fs_drafts_free(FsDrafts *drafts);

/* The calls of the kernel (fs/ops.c). */
void fs_run_create(FsRequest *request);
/* open() for writing, of a draft or a message. */
void fs_run_open_writing(FsRequest *request);
void fs_run_write(FsRequest *request);
void fs_run_setattr(FsRequest *request);
void fs_run_copy_file_range(FsRequest *request);
void fs_run_flush(FsRequest *request);
void fs_run_fsync(FsRequest *request);
void fs_run_release(FsRequest *request);

/* Where drafts are shown (fs/view-boxes.c): the node of the draft called @name in @box. */
gboolean fs_draft_find(Fs *fs, guint32 box, const char *name, FsNode *ret_node);
/* The first draft beyond @after (a draft's number) in @box, for listings. */
gboolean fs_draft_next(Fs *fs, guint32 box, guint32 after, guint32 *ret_number,
                       const char **ret_name);

/* rename() and unlink() of a draft (fs/rename.c, fs/remove.c).  Renaming one to a name that is not
 * scratch, once it has bytes, makes it a message. */
void fs_run_rename_draft(FsRequest *request, guint32 number);
void fs_run_unlink_draft(FsRequest *request, guint32 number);
/* The message was removed here: what is still written into it has no name any more. */
void fs_drafts_unname(Fs *fs, guint32 generation, guint32 uid);

/* A file that is a draft or an arrival: FS_KIND_NEW. */
extern const FsView fs_view_new;

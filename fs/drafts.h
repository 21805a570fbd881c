/* SPDX-License-Identifier: MIT */
/* fs/drafts.h - the table of drafts, for the files that are about them. */
#pragma once

#include "fs/writing.h"

#define FS_DRAFTS_MAX     1000
#define FS_DRAFT_SIZE_MAX ((guint64)1 << 30)

typedef struct FsOutgoing FsOutgoing;

typedef struct {
    Fs *fs;
    guint32 number; /* of its node; the first change that it becomes has the same */
    int fd;         /* what was written */
    guint32 box;
    char *name;     /* in it; NULL once it was removed */
    fuse_ino_t ino; /* by which it was opened */
    pid_t writer;   /* the process that made or opened it; 0: unknown */
    guint n_open;

    guint32 generation, uid;               /* the message in whose place it will be, or 0 */
    gboolean is_rewrite;                   /* that is shown by it as long as it is written */
    guint32 source_generation, source_uid; /* the message that holds what is not in @fd yet, or 0 */
    guint64 source_size, n_loaded;
    gboolean has_date; /* was set */
    gint64 date;       /* Unix seconds */

    gboolean is_dirty;    /* it holds what no change has */
    guint32 change;       /* the last one that it became, or 0 */
    guint32 former;       /* the one before */
    guint32 next;         /* the number of the next one, if it has one already, or 0 */
    gboolean is_ready;    /* the data for it is on the disk */
    GError *error;        /* why it cannot be a message as it is */
    FsOutgoing *outgoing; /* is at work on that data, or NULL */
    GQueue waiting;       /* FsRequest, for the end of that */
} FsDraft;

/* An empty one; without a name it is shown nowhere. */
FsDraft *fs_draft_new(Fs *fs, GError **error);
gboolean fs_drafts_are_full(const Fs *fs);
/* Each NULL when there is none. */
FsDraft *fs_draft_of_number(Fs *fs, guint32 number);
FsDraft *fs_draft_of_message(Fs *fs, guint32 generation, guint32 uid);
FsDraft *fs_draft_of_node(Fs *fs, FsNode node);
FsDraft *fs_draft_of_handle(Fs *fs, guint64 handle);
guint64 fs_draft_handle(const FsDraft *draft);
/* The node of the arrival @number leads to @draft, also when that is a change. */
void fs_draft_lead(FsDraft *draft, guint32 number);
/* The arrival to which that number leads; itself if to no other. */
guint32 fs_draft_led(const Fs *fs, guint32 number);

void fs_draft_rename(FsDraft *draft, guint32 box, const char *name);
/* Whether what is called so is no message: of names with a dot before them. */
gboolean fs_draft_is_scratch(const char *name);
/* What it holds was changed. */
void fs_draft_touch(FsDraft *draft);
guint64 fs_draft_size(const FsDraft *draft);
/* Whether it is a file without a byte, which waits to be written. */
gboolean fs_draft_is_blank(const FsDraft *draft);
/* What the source holds is in the file from then on.  WAIT: as told by the cache; or, if
 * request->again_source is set, @request runs again, for others have their turn between two pieces
 * of it. */
CacheAnswer fs_draft_load(FsRequest *request, FsDraft *draft);
/* Sees to it that there is a number for the next change. */
gboolean fs_draft_number_next(FsDraft *draft, GError **error);
/* What it holds is the next change from now on. */
void fs_draft_became(FsDraft *draft);
/* That change was refused. */
void fs_draft_came_back(FsDraft *draft, guint32 change);
/* Frees it when nobody has it open and there is no reason to keep it. */
void fs_draft_drop_if_over(FsDraft *draft);

/* --- draft-calls.c --- */

/* Whether a file called @name may be made in @dir; if not, @request waits or was answered. */
gboolean fs_may_come(FsRequest *request, FsNode dir, const char *name);

/* A handle of it. */
void fs_draft_open(FsRequest *request, FsDraft *draft, struct fuse_file_info *fi);

/* --- view-new.c --- */

/* Size, times and link count. */
void fs_draft_attr(const FsDraft *draft, struct stat *attr);
CacheAnswer fs_draft_read(FsRequest *request, const FsDraft *draft, guint64 offset, gsize size,
                          GPtrArray *ret_slices);
/* The draft that a reader of @node has open, or that @node is; or NULL. */
FsDraft *fs_draft_of_reader(const FsRequest *request, FsNode node);

/* --- outgoing.c --- */

/* Whether something is at work on @draft: then @request runs again after that. */
gboolean fs_draft_holds(FsDraft *draft, FsRequest *request);
/* Begins to make the data for the next change; then is_ready or error is set.  FALSE: it cannot. */
gboolean fs_outgoing_start(FsDraft *draft, GError **error);
/* Nobody is told any more. */
void fs_outgoing_detach(FsOutgoing *outgoing);
/* "@act: no space left", of the kind that @code (errno) is. */
void fs_set_disk_error(GError **error, const char *act, int code);

/* --- sending.c --- */

/* Nobody has @draft open any more: makes it a message, unless it is one or is to be none. */
void fs_draft_send_released(FsRequest *request, FsDraft *draft);

/* --- writer.c --- */

/* The process that a thread is of. */
pid_t fs_writer_of_thread(pid_t thread);
/* Whether it is sed or perl. */
gboolean fs_writer_is_stream_editor(pid_t pid);
/* Whether @pid has one of the files open for writing.  In doubt it has not. */
gboolean fs_writer_has_open(pid_t pid, const guint64 *inos, gsize n_inos);

/* SPDX-License-Identifier: MIT */
/* fs/private.h - what the files of fs/ share. */
#pragma once

#include <fuse_lowlevel.h>

#include "fs/fs.h"
#include "fs/inode.h"

typedef struct FsNotifier FsNotifier;
typedef struct FsTree FsTree;
typedef struct FsFailures FsFailures;
typedef struct FsRequest FsRequest;
typedef struct FsMaker FsMaker;
typedef struct FsDrafts FsDrafts;
typedef struct FsAsides FsAsides;
typedef struct FsOnce FsOnce;

struct Fs {
    Cache *cache;
    FsOptions options;
    struct fuse_session *session;
    struct fuse_buf buffer;
    gboolean is_mounted;
    guint fd_source, ended_source;
    GQueue parked; /* FsRequest */
    FsNotifier *notifier;
    FsMaker *maker;
    FsTree *tree;
    FsFailures *failures;
    FsDrafts *drafts;
    FsAsides *asides;
    FsOnce *once;
    guint32 trash;       /* the \Trash mailbox as it was last found, or 0 */
    GHashTable *shown;   /* generations of which the kernel may know names */
    GHashTable *resized; /* files whose new size the kernel may not know: ino -> notifier's mark */
    GHashTable *sized;   /* inos of those that are listed unsized, whose size was told */
    GBytes *status;      /* the text of .mailfs/status as it was last looked at */
    GHashTable *opened;  /* that text as each of its readers opened it, by file handle */
    gsize last_handle;
    guint n_refused; /* reads that the guard refused */
    uid_t uid;
    gid_t gid;
};

/* --- request.c: one call of the kernel, answered exactly once --- */

struct FsRequest {
    Fs *fs;
    fuse_req_t req;   /* NULL once answered */
    const char *verb; /* "read" */
    /* Runs from the top; calls one of fs_answer_...() or fs_conclude(). */
    void (*run)(FsRequest *request);
    fuse_ino_t ino;
    FsNode node; /* @ino unpacked */
    char *name;  /* of lookup and xattrs, of what is made, removed or renamed */
    gsize size;
    off_t offset;
    struct fuse_file_info fi; /* of open, opendir, read and what is written (of a copy: of @to) */
    guint64 first_size;       /* of the file, when the read began */
    fuse_ino_t to_ino;        /* of rename: the other directory; of a copy: the other file */
    FsNode to;                /* the same, unpacked */
    off_t to_offset;          /* of a copy */
    char *new_name;           /* of rename */
    unsigned flags;           /* of rename: RENAME_NOREPLACE and the like; of setattr: which; of
                                 setxattr: XATTR_CREATE and the like; of access: what is asked */
    struct stat attr;         /* of setattr; of create: the mode */
    GBytes *bytes;            /* of write and setxattr */
    guint32 change;           /* that it has made, and waits for */
    guint32 until;            /* of fsync: the last change that it waits for */
    gint64 began_us;          /* of touching a mailbox: monotonic */

    guint64 want;   /* set with CACHE_WAIT */
    GError *error;  /* set with CACHE_FAILED */
    GError *missed; /* why the last want failed, with may_fail */
    guint64 ticket; /* while parked */
    guint n_runs;
    gboolean may_fail;  /* runs again also when the want failed; said by each run */
    guint again_source; /* while it waits for a moment */
    guint interrupt_source;
    GList link; /* in fs->parked */
};

/* A request whose other fields its maker fills in before it runs.  @name is copied, and may be
 * NULL. */
FsRequest *fs_request_new(fuse_req_t req, const char *verb, void (*run)(FsRequest *request),
                          fuse_ino_t ino, const char *name);
void fs_request_run(FsRequest *request);
/* Makes the request and runs it.  @name is copied, @fi may be NULL. */
void fs_request_start(fuse_req_t req, const char *verb, void (*run)(FsRequest *request),
                      fuse_ino_t ino, const char *name, gsize size, off_t offset,
                      const struct fuse_file_info *fi);
/* Ends a run for which the cache did not find all: parks it, or answers the error, or @absent. */
void fs_conclude(FsRequest *request, CacheAnswer answer, int absent);
/* Whether its caller has given up and the change that it made stays: then it waits only until that
 * is on the disk. */
gboolean fs_is_hurried(const FsRequest *request);
/* Runs the request again in a moment; FALSE when that was done for long enough. */
gboolean fs_run_again(FsRequest *request);
/* Each answers and frees the request. */
void fs_answer_error(FsRequest *request, int code);
void fs_answer_entry(FsRequest *request, const struct fuse_entry_param *entry);
void fs_answer_attr(FsRequest *request, const struct stat *attr, double timeout);
void fs_answer_bytes(FsRequest *request, gconstpointer bytes, gsize len);
/* @slices: GBytes, one after the other. */
void fs_answer_slices(FsRequest *request, const GPtrArray *slices);
void fs_answer_open(FsRequest *request, const struct fuse_file_info *fi);
void fs_answer_create(FsRequest *request, const struct fuse_entry_param *entry,
                      const struct fuse_file_info *fi);
/* That @len bytes were taken. */
void fs_answer_written(FsRequest *request, gsize len);
void fs_answer_statfs(FsRequest *request, const struct statvfs *st);
void fs_answer_xattr_size(FsRequest *request, gsize size);
void fs_answer_link(FsRequest *request, const char *target);
/* Answers all that are parked with @code. */
void fs_requests_end(Fs *fs, int code);

/* --- ops.c --- */

extern const struct fuse_lowlevel_ops fs_ops;

/* --- nodes.c; what is in the mount is in fs/views.h --- */

/* The node of the mount's root. */
FsNode fs_root(const Fs *fs);
/* The inode number of @node; and back, FALSE for one that we never gave. */
guint64 fs_ino(const Fs *fs, FsNode node);
gboolean fs_node(const Fs *fs, guint64 ino, FsNode *ret_node);
/* The message that @node is, or is of, or FALSE. */
gboolean fs_node_message(Fs *fs, FsNode node, CacheMessage *ret_message);
gboolean fs_node_is_message(FsNode node);
/* Whether it was a mailbox, or of a message, that is not there any more. */
gboolean fs_node_is_gone(Fs *fs, FsNode node);
/* The top-level mailbox with @attribute, or NULL. */
const CacheBox *fs_box_with(const Fs *fs, CacheBoxAttributes attribute);
/* The mailbox that a directory is or a message is in, or NULL. */
const CacheBox *fs_node_box(Fs *fs, FsNode node);
/* "INBOX/u42.eml", for people; newly allocated. */
char *fs_node_path(Fs *fs, FsNode node);

/* --- tree.c: directory names of mailboxes --- */

FsTree *fs_tree_new(Cache *cache);
void fs_tree_free(FsTree *tree);
/* The child of @parent with that directory name, or 0. */
guint32 fs_tree_child(FsTree *tree, guint32 parent, const char *name);
/* Borrowed; NULL when there is no such box. */
const char *fs_tree_name(FsTree *tree, guint32 box);
/* Reads the mailboxes anew; calls @gone for each name that is no more. */
void fs_tree_refresh(FsTree *tree,
                     void (*gone)(guint32 parent, guint32 box, const char *name, gpointer data),
                     gpointer data);

/* --- listing.c --- */

void fs_run_opendir(FsRequest *request);
void fs_run_readdir(FsRequest *request);
void fs_run_readdirplus(FsRequest *request);

/* --- xattr.c --- */

void fs_run_getxattr(FsRequest *request);
void fs_run_listxattr(FsRequest *request);

/* --- notify.c: telling the kernel what changed, from a thread of its own --- */

FsNotifier *fs_notifier_new(struct fuse_session *session);
/* Before the unmount: from then on nothing is told, so that nobody uses the closed descriptor. */
void fs_notifier_stop(FsNotifier *notifier);
/* After the unmount; waits for the thread. */
void fs_notifier_free(FsNotifier *notifier);
void fs_notify_inode(FsNotifier *notifier, guint64 ino);
void fs_notify_entry(FsNotifier *notifier, guint64 parent, const char *name);
void fs_notify_gone(FsNotifier *notifier, guint64 parent, guint64 child, const char *name);

/* @code: an errno, or 0. */
typedef void (*FsRenamedFunc)(int code, gpointer data);

/* Where the session is mounted, now; without it, or if it is not there any more, nothing can be
 * renamed. */
void fs_notifier_set_mount(FsNotifier *notifier, const char *mountpoint);
/* Renames a file through the mount, so that who watches it hears of it; the paths are relative to
 * its root, and nothing is replaced.  @done is called once, from the main loop; not after
 * fs_notifier_free(). */
void fs_notify_rename(FsNotifier *notifier, const char *from, const char *to, FsRenamedFunc done,
                      gpointer data);

/* The notes of so far, and whether the kernel was told all of them. */
guint fs_notifier_mark(const FsNotifier *notifier);
gboolean fs_notifier_has_told(const FsNotifier *notifier, guint mark);

/* --- news.c: what the cache tells, translated for the notifier --- */

extern const CacheNews fs_news;
/* The kernel forgets @name in @box. */
void fs_forget_name(Fs *fs, guint32 box, const char *name);
/* Whether the kernel may still believe in an older size of the file. */
gboolean fs_is_resizing(Fs *fs, FsNode node);

/* --- read-once.c: files that leave their mailbox when they were read to their end ---
 *
 * The mailbox has CACHE_BOX_READ_ONCE.  A file in it was read when one open file has handed out all
 * its octets, and after that nothing, or as much as was asked for up to the very end.
 */

FsOnce *fs_once_new(void);
/* Who waits is answered. */
void fs_once_free(FsOnce *once);
/* FALSE when the file that is opened is none of these, or its reader does not count. */
gboolean fs_once_open(FsRequest *request, struct fuse_file_info *fi);
/* @slices are handed out for what was asked. */
void fs_once_read(const FsRequest *request, guint64 offset, gsize size, const GPtrArray *slices);
/* FALSE when it was not opened so; else answers when the file has gone where it has to go, and
 * after a second at the latest. */
gboolean fs_once_flush(FsRequest *request);
void fs_once_release(Fs *fs, guint64 handle);

/* --- errors.c --- */

int fs_errno(const GError *error);

/* --- failures.c: the last failed calls, for the log and for status --- */

FsFailures *fs_failures_new(void);
void fs_failures_free(FsFailures *failures);
void fs_failures_add(FsFailures *failures, const char *text);
void fs_failures_print(const FsFailures *failures, GString *out);
/* Callers choose names and servers choose texts: neither may begin a line or move the cursor.
 * Newly allocated. */
char *fs_one_line(const char *text);

/* --- status.c --- */

/* The text of .mailfs/status now; yours. */
GBytes *fs_status_text(Fs *fs);

/* --- guard.c --- */

/* Whether @pid is one that reads all it sees only to make thumbnails or an index. */
gboolean fs_guard_refuses(pid_t pid);

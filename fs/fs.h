/* SPDX-License-Identifier: MIT */
/* fs/fs.h - an account as a filesystem: the FUSE session on the engine loop.
 *
 * Thread: engine; the notifier thread (fs/notify.c) is the only other that calls libfuse.
 */
#pragma once

#include "cache/cache.h"
#include "fs/inode.h"
#include "fs/names.h"

typedef struct Fs Fs;

/* What unlink() does to a message. */
typedef enum {
    FS_DELETE_TRASH,   /* moves it to the \Trash mailbox, if there is one; else marks it */
    FS_DELETE_EXPUNGE, /* for good */
    FS_DELETE_MARK,    /* sets \Deleted */
} FsDelete;

/* Which calls wait until the server has taken what they changed. */
typedef enum {
    FS_WAITS_USUAL, /* close() of a new message, fsync(), and what is done to mailboxes */
    FS_WAITS_ALWAYS,
    FS_WAITS_FOR_DISK, /* only what is done to mailboxes; close() and fsync() wait for the disk */
} FsWaits;

typedef struct {
    const char *source; /* the account's URL, for the mount table and status */
    FsKind root;        /* the view that the mount shows: a kind of mailbox directory; 0: mail */
    FsNameStyle names;
    gboolean is_read_only; /* -o ro: no call in the mount will ever change mail */
    FsDelete deletes;
    FsWaits waits;
    gboolean may_change_special; /* mailboxes of special use may be removed and renamed */
    gboolean allow_other;
    gboolean has_guard;
    gboolean is_debug; /* log each request */
    /* Called once, from the main loop, when the mount is gone: unmounted or failed. */
    void (*ended)(gpointer data);
    gpointer data;
} FsOptions;

/* Makes the session; nothing is mounted yet.  @options is copied, @cache borrowed. */
Fs *fs_new(Cache *cache, const FsOptions *options, GError **error);
gboolean fs_mount(Fs *fs, const char *mountpoint, GError **error);
/* Without a kernel: @fd carries one request or reply a message (SOCK_SEQPACKET); taken. */
gboolean fs_attach(Fs *fs, int fd, GError **error);
/* Unmounts; what waits is answered with an error. */
void fs_free(Fs *fs);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Fs, fs_free)

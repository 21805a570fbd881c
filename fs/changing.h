/* SPDX-License-Identifier: MIT */
/* fs/changing.h - what changes mail by its names and attributes: renaming, removing, making.
 *
 * Each call finds what the name stands for, records a change in the cache, and answers; with -o
 * sync, and for mailboxes, it waits until the server has taken it.
 */
#pragma once

#include "fs/views.h"

/* --- rename.c, remove.c, folders.c, xattr.c: the calls of the kernel --- */

void fs_run_rename(FsRequest *request);
void fs_run_unlink(FsRequest *request);
void fs_run_mkdir(FsRequest *request);
void fs_run_rmdir(FsRequest *request);
/* setxattr(); without request->bytes removexattr(). */
void fs_run_change_xattr(FsRequest *request);

/* rename() of the mailbox @box (fs/rename.c). */
void fs_run_rename_folder(FsRequest *request, guint32 box);

/* unlink() of a file in lost+found (fs/view-lost.c): the reason goes with its message only. */
void fs_run_unlink_lost(FsRequest *request, FsNode node);

/* --- settle.c: waiting for the server --- */

/* FOUND when the server has taken the change @id; WAIT; FAILED when it refused, or we are offline.
 * A request that waits here runs again also when waiting failed. */
CacheAnswer fs_settle(FsRequest *request, guint32 id);
/* Answers a call that has done its work, of which request->change is what the server has to do, or
 * 0. */
void fs_answer_changed(FsRequest *request);
void fs_run_fsyncdir(FsRequest *request);

/* --- rights.c: what may be written --- */

/* Whether something can be changed there, as far as is known: mode bits say so. */
gboolean fs_is_writable(Fs *fs, FsNode node);
/* Whether it is a directory in which messages have names that may change: of the views, mail and
 * uid. */
gboolean fs_is_changeable(FsNode dir);
void fs_run_access(FsRequest *request);

/* --- target.c: what is changed --- */

/* What @name stands for in @dir: as fs_view()->lookup. */
CacheAnswer fs_find(FsRequest *request, FsNode dir, const char *name, FsNode *ret_node);
gboolean fs_is_directory(FsNode node);
/* Whether @node is a file of the views mail or uid that came by mail, or is on its way. */
gboolean fs_is_mail(FsNode node);
/* The message that the file @node is: where it is only a change as yet, when that has settled. */
CacheAnswer fs_find_message(FsRequest *request, FsNode node, guint32 *ret_generation,
                            guint32 *ret_uid);

/* --- aside.c: messages under names of backups ---
 *
 * Editors rename a file to "name~", write a new one and remove the backup.  A message that is
 * renamed so, within its mailbox, is known by that name alone as long as the mount lasts: the
 * server hears nothing of it.
 */

FsAsides *fs_asides_new(void);
void fs_asides_free(FsAsides *asides);
/* Whether editors call their backups so. */
gboolean fs_is_backup_name(const char *name);
/* From now on the message that was called @name is called @backup. */
void fs_aside_add(Fs *fs, guint32 box, const char *name, const char *backup, guint32 generation,
                  guint32 uid);
void fs_aside_remove(Fs *fs, guint32 generation, guint32 uid);
/* The message of @box that was called @name before it was set aside: a file that is written under
 * that name replaces it. */
gboolean fs_aside_find(Fs *fs, guint32 box, const char *name, guint32 *ret_generation,
                       guint32 *ret_uid);
/* The message of @box that is called @backup now. */
gboolean fs_aside_lookup(Fs *fs, guint32 box, const char *backup, guint32 *ret_generation,
                         guint32 *ret_uid);
/* What it is called, and what it was called before (or NULL); NULL when it is not set aside.
 * Borrowed. */
const char *fs_aside_name(Fs *fs, guint32 generation, guint32 uid, const char **ret_before);
/* Another message was made under the name that it had before: it goes for good with its backup. */
void fs_aside_succeed(Fs *fs, guint32 generation, guint32 uid);
gboolean fs_aside_has_successor(Fs *fs, guint32 generation, guint32 uid);

/* SPDX-License-Identifier: MIT */
/* pop/maildir.h - three Maildirs as files: INBOX, and .Read and .Trash in it (Maildir++).
 *
 * The name of a file of ours is "<date>.M<spool><random>U<number>.mailfs", and ":2,<flags>" in
 * cur/. The spool is a number (8 hexadecimal digits), random are as many. Other programs may use
 * the Maildirs meanwhile, as the rules for Maildirs allow them to.
 *
 * Thread: any; a PopMaildir does not change once it is open.  All of it waits for the disk.
 * Errors: NO_SPACE when the disk is full; NOT_FOUND as told; else LOCAL.
 */
#pragma once

#include <time.h>

#include "pop/message.h"

/* Numbers end before this. */
#define POP_NUMBER_MAX ((guint32)0x7fffffff)

typedef enum {
    POP_NEW,
    POP_CUR,
    POP_TMP,
} PopSub;

typedef struct {
    PopPlace place; /* INBOX, READ or TRASH */
    PopSub sub;
    char *name;     /* NULL: no file */
    guint32 number; /* 0 when the name is not of ours, and so the next two */
    guint32 spool;
    gint64 date;
    MailFlags flags;
} PopFile;

/* What reading a file tells. */
typedef struct {
    guint8 hash[POP_HASH_LEN];
    guint64 size;
    gint64 modified;
} PopProof;

typedef struct PopMaildir PopMaildir;

/* When the directories changed. */
typedef struct {
    struct timespec times[POP_N_PLACES][POP_TMP];
    gboolean is_settled; /* a later change has a later time */
} PopStamp;

/* Opens the Maildir @path, making what is missing, and locks it against other processes. */
PopMaildir *pop_maildir_open(const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void pop_maildir_close(PopMaildir *maildir);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PopMaildir, pop_maildir_close)

/* Clears it; does not free it. */
void pop_file_clear(PopFile *file);
PopFile pop_file_copy(const PopFile *file);

/* What a new file's name has before the number; @date is not before 1970 there.  Newly allocated.
 */
char *pop_maildir_stem(guint32 spool, gint64 date);
/* What it has before the flags; newly allocated. */
char *pop_file_dup_base(const PopFile *file);
/* A file of ours, by a stem; @file owns its name. */
PopFile pop_maildir_name(const char *stem, guint32 number, PopPlace place, PopSub sub,
                         MailFlags flags);
/* @file, somewhere else or with other flags, in cur/. */
PopFile pop_maildir_rename(const PopFile *file, PopPlace place, MailFlags flags);

/* Every file in new/ and cur/ (PopFile), in no order.  What is no file, or has a name with a dot
 * first, is none. */
GArray *pop_maildir_scan(const PopMaildir *maildir, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean pop_maildir_stamp(const PopMaildir *maildir, PopStamp *ret_stamp,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Whether nothing was added, removed or renamed between the two. */
gboolean pop_stamp_equal(const PopStamp *a, const PopStamp *b);
/* Where @file is now, in whatever directory and with whatever flags; FALSE when it is nowhere. */
gboolean pop_maildir_find(const PopMaildir *maildir, const PopFile *file, PopFile *ret_file);

/* Opens it to be read, also under the name that another program gave it: NOT_FOUND when it is
 * nowhere. */
int pop_maildir_open_file(const PopMaildir *maildir, const PopFile *file,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Whether it is there, under the name that is known, and of @size. */
gboolean pop_maildir_has_file(const PopMaildir *maildir, const PopFile *file, guint64 size);
/* Reads all of it, and syncs it to the disk. */
gboolean pop_maildir_prove(const PopMaildir *maildir, const PopFile *file, PopProof *ret_proof,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* A new file in tmp/, of INBOX. */
int pop_maildir_create(const PopMaildir *maildir, const char *stem,
                       GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Moves it out of there. */
gboolean pop_maildir_deliver(const PopMaildir *maildir, const char *stem, const PopFile *to,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Renames; nothing is ever replaced.  NOT_FOUND when it is not there. */
gboolean pop_maildir_move(const PopMaildir *maildir, const PopFile *from, const PopFile *to,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* NOT_FOUND when it is not there. */
gboolean pop_maildir_remove(const PopMaildir *maildir, const PopFile *file,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
void pop_maildir_discard(const PopMaildir *maildir, const char *stem);
/* What was added to the directory, moved or removed is on the disk. */
gboolean pop_maildir_sync(const PopMaildir *maildir, PopPlace place, PopSub sub,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Removes what deliveries that died have left in tmp/: ours, and others' after 36 hours. */
void pop_maildir_sweep(const PopMaildir *maildir);

/* Says that @doing with the file @name failed, for @errsv. */
void pop_maildir_fail(GError **error, int errsv, const char *doing, const char *name);

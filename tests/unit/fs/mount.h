/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/mount.h - a mount without a kernel: cache, backend, kernel and what is tested, and
 * the calls of the kernel as functions.
 *
 * There are INBOX (UIDs 1 to 3), Archive, Archive/2024 and Sent (UID 7); see fakebackend.h for what
 * messages are like.
 */
#pragma once

#include "fakebackend.h"
#include "fakekernel.h"
#include "fs/private.h"

#define INO_ROOT FUSE_ROOT_ID

/* What messages of INBOX and Sent are called, up to their UID. */
#define INBOX_NAME "2026-02-15_1430_Alice-Möller_Re-Budget"
#define SENT_NAME  "2026-02-15_1430_Bob_Re-Budget"

typedef struct {
    char *dir;
    Cache *cache;
    FakeBackend *backend;
    FakeKernel *kernel;
    Fs *fs;
    guint n_ended;
    guint32 inbox, sent, read; /* boxes */
} Mount;

/* @options: FsOptions, or NULL for the usual ones. */
void mount_set_up(Mount *mount, gconstpointer options);
/* The same of a spool: INBOX (UIDs 1 to 3), where messages are read once, and Read (UID 7). */
void mount_set_up_spool(Mount *mount, gconstpointer options);
/* With the usual options, for tests with data of their own. */
void mount_set_up_usual(Mount *mount, gconstpointer data);
void mount_set_up_usual_spool(Mount *mount, gconstpointer data);
void mount_tear_down(Mount *mount, gconstpointer data);
/* Unmounts. */
void mount_end(Mount *mount);

#define mount_test(path, options, func)                                                            \
    g_test_add(path, Mount, options, mount_set_up, func, mount_tear_down)

#define spool_test(path, options, func)                                                            \
    g_test_add(path, Mount, options, mount_set_up_spool, func, mount_tear_down)

/* --- calls: those with send in their name return the request, the others wait for the answer ---
 */

const FakeAnswer *mount_call(Mount *mount, guint32 opcode, guint64 ino, gconstpointer arg,
                             gsize len, const char *name);

guint64 mount_send_lookup(Mount *mount, guint64 dir, const char *name);
/* The answer is for the kernel to keep; an @ino of 0 says that there is none. */
const struct fuse_entry_out *mount_lookup(Mount *mount, guint64 dir, const char *name);
int mount_lookup_code(Mount *mount, guint64 dir, const char *name);
/* The inode number at the end of a path from the root. */
guint64 mount_ino(Mount *mount, const char *path);

guint64 mount_send_getattr(Mount *mount, guint64 ino);
const struct fuse_attr *mount_getattr(Mount *mount, guint64 ino);
int mount_getattr_code(Mount *mount, guint64 ino);

guint64 mount_send_read(Mount *mount, guint64 ino, guint64 offset, guint32 size);
const FakeAnswer *mount_read(Mount *mount, guint64 ino, guint64 offset, guint32 size);
/* Reads the file to its end. */
void mount_read_all(Mount *mount, guint64 ino);
/* Runs the main loop until there are so many wants of the kind. */
void mount_wait_for_wants(Mount *mount, CacheWantKind kind, guint n);
/* What a file holds, as text. */
char *mount_read_text(Mount *mount, const char *path);

guint64 mount_send_open(Mount *mount, guint32 opcode, guint64 ino, guint32 flags);
const FakeAnswer *mount_open(Mount *mount, guint32 opcode, guint64 ino, guint32 flags);

/* @dir and @to are paths; "" is the root. */
guint64 mount_send_rename(Mount *mount, const char *dir, const char *name, const char *to,
                          const char *new_name, guint32 flags);
int mount_rename(Mount *mount, const char *dir, const char *name, const char *to,
                 const char *new_name);
int mount_unlink(Mount *mount, const char *dir, const char *name);
guint64 mount_send_rmdir(Mount *mount, const char *dir, const char *name);
guint64 mount_send_mkdir(Mount *mount, const char *dir, const char *name);

/* --- directories --- */

typedef struct {
    guint64 dir, cookie;
    guint32 opcode; /* FUSE_READDIR or FUSE_READDIRPLUS */
    guint32 size;   /* of a page */
    gboolean is_at_end;
    GPtrArray *names; /* so far */
} DirReader;

DirReader *dirreader_new(guint64 dir, guint32 opcode, guint32 size);
void dirreader_free(DirReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DirReader, dirreader_free)
guint64 dirreader_send(Mount *mount, const DirReader *reader);
void dirreader_take(DirReader *reader, const FakeAnswer *answer);
/* Sends and takes one page; FALSE when there was none. */
gboolean dirreader_next(Mount *mount, DirReader *reader);
/* All names of @dir, each followed by a blank. */
char *mount_list(Mount *mount, guint64 dir);

/* --- notes --- */

/* All notes up to now, one a line, as "entry INBOX name", "gone INBOX name" or "inode
 * INBOX/u1.eml". */
char *mount_take_notes(Mount *mount);

/* --- checks --- */

#define assert_code(answer, expected) g_assert_cmpint((answer)->code, ==, expected)

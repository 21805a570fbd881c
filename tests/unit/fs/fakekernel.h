/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/fakekernel.h - the kernel's side of a FUSE session, over a socket.
 *
 * Sends requests as the kernel would and keeps what comes back: answers by the unique number of
 * their request, of which each may come only once, and notes, which the daemon sends of its own
 * accord. It runs on the main loop of the test: nothing sleeps.
 */
#pragma once

#include <glib.h>
#include <linux/fuse.h>
#include <sys/types.h>

typedef struct {
    int code; /* errno, or 0 */
    const guint8 *bytes;
    gsize len;
} FakeAnswer;

typedef struct {
    int code;    /* FUSE_NOTIFY_... */
    guint64 ino; /* of the inode, else of the directory */
    char *name;  /* of the entry, or NULL */
} FakeNote;

typedef struct {
    int fd;
    pid_t pid; /* who calls */
    guint64 last_unique;
    GHashTable *requests; /* &unique -> what became of it */
    GQueue notes;         /* FakeNote */
    gboolean is_hostile;  /* sends what no kernel sends: answers are not checked */
} FakeKernel;

/* *ret_fd is the daemon's end, for fs_attach(). */
FakeKernel *fakekernel_new(int *ret_fd);
/* When the daemon's end is gone.  Checks that each request was answered, once. */
void fakekernel_free(FakeKernel *kernel);

/* Sends a request whose body is @arg and, unless it is NULL, @name; returns its unique number. */
guint64 fakekernel_send(FakeKernel *kernel, guint32 opcode, guint64 ino, gconstpointer arg,
                        gsize len, const char *name);
void fakekernel_send_bytes(FakeKernel *kernel, gconstpointer bytes, gsize len);
void fakekernel_interrupt(FakeKernel *kernel, guint64 unique);
/* The first request of a session; waits for the answer. */
void fakekernel_init(FakeKernel *kernel);

/* Runs the main loop until nothing more happens. */
void fakekernel_settle(FakeKernel *kernel);
/* Runs it until that is so. */
void fakekernel_run_until(FakeKernel *kernel, gboolean (*is_so)(gpointer data), gpointer data);
/* Whether it was by now, without running the main loop. */
gboolean fakekernel_is_answered(FakeKernel *kernel, guint64 unique);
/* The answer to @unique once all has settled; NULL when there is none.  Good as long as @kernel. */
const FakeAnswer *fakekernel_peek(FakeKernel *kernel, guint64 unique);
/* The same where there must be one; waits for it, as threads may be at work. */
const FakeAnswer *fakekernel_wait(FakeKernel *kernel, guint64 unique);

/* The next note; waits for it, for it comes from a thread.  Free it with fakenote_free(). */
FakeNote *fakekernel_wait_note(FakeKernel *kernel);
void fakenote_free(FakeNote *note);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FakeNote, fakenote_free)

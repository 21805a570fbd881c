/* SPDX-License-Identifier: MIT */
/* fs/notify.c - telling the kernel what changed.
 *
 * The kernel may have to wait for an answer of ours before it can take such a note (it locks the
 * directory, and a listing of that directory may be parked): called from the engine, that would be
 * the end.  So one thread does nothing else.  It is the only caller of fuse_lowlevel_notify_...().
 */
#include <string.h>

#include "fs/private.h"

typedef enum {
    NOTE_INODE,
    NOTE_ENTRY,
    NOTE_GONE,
    NOTE_STOP
} NoteKind;

typedef struct {
    NoteKind kind;
    guint64 ino, child;
    char name[];
} Note;

struct FsNotifier {
    struct fuse_session *session;
    GAsyncQueue *notes;
    GThread *thread;
    guint n_pushed;
    guint n_told; /* atomic */
};

static void tell(struct fuse_session *session, const Note *note)
{
    /* What the kernel does not know of needs no telling: its errors mean that. */
    switch (note->kind) {
    case NOTE_INODE: fuse_lowlevel_notify_inval_inode(session, note->ino, 0, 0); break;
    case NOTE_ENTRY:
        fuse_lowlevel_notify_inval_entry(session, note->ino, note->name, strlen(note->name));
        break;
    case NOTE_GONE:
        fuse_lowlevel_notify_delete(session, note->ino, note->child, note->name,
                                    strlen(note->name));
        break;
    case NOTE_STOP: break;
    }
}

static gpointer run(gpointer data)
{
    FsNotifier *notifier = data;
    gboolean is_stopped = FALSE;

    while (!is_stopped) {
        g_autofree Note *note = g_async_queue_pop(notifier->notes);

        is_stopped = note->kind == NOTE_STOP;
        tell(notifier->session, note);
        g_atomic_int_inc(&notifier->n_told);
    }
    return NULL;
}

FsNotifier *fs_notifier_new(struct fuse_session *session)
{
    FsNotifier *notifier = g_new0(FsNotifier, 1);

    notifier->session = session;
    notifier->notes = g_async_queue_new_full(g_free);
    notifier->thread = g_thread_new("notifier", run, notifier);
    return notifier;
}

static void push(FsNotifier *notifier, NoteKind kind, guint64 ino, guint64 child, const char *name)
{
    gsize size = strlen(name) + 1;
    Note *note = g_malloc(sizeof *note + size);

    note->kind = kind;
    note->ino = ino;
    note->child = child;
    memcpy(note->name, name, size);
    notifier->n_pushed++;
    g_async_queue_push(notifier->notes, note);
}

guint fs_notifier_mark(const FsNotifier *notifier)
{
    return notifier->n_pushed;
}

gboolean fs_notifier_has_told(const FsNotifier *notifier, guint mark)
{
    return (gint)((guint)g_atomic_int_get(&notifier->n_told) - mark) >= 0;
}

void fs_notifier_free(FsNotifier *notifier)
{
    if (!notifier)
        return;
    push(notifier, NOTE_STOP, 0, 0, "");
    g_thread_join(notifier->thread);
    g_async_queue_unref(notifier->notes);
    g_free(notifier);
}

void fs_notify_inode(FsNotifier *notifier, guint64 ino)
{
    push(notifier, NOTE_INODE, ino, 0, "");
}

void fs_notify_entry(FsNotifier *notifier, guint64 parent, const char *name)
{
    push(notifier, NOTE_ENTRY, parent, 0, name);
}

void fs_notify_gone(FsNotifier *notifier, guint64 parent, guint64 child, const char *name)
{
    push(notifier, NOTE_GONE, parent, child, name);
}

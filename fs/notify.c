/* SPDX-License-Identifier: MIT */
/* fs/notify.c - telling the kernel what changed.
 *
 * The kernel may have to wait for an answer of ours before it can take such a note (it locks the
 * directory, and a listing of that directory may be parked): called from the engine, that would be
 * the end.  So one thread does nothing else.  It is the only caller of fuse_lowlevel_notify_...().
 *
 * While it waits there it cannot be killed: see fs/deadman.h.
 */
#include <string.h>

#include "fs/private.h"

#define TELL_MAX_US (G_USEC_PER_SEC / 10)

typedef enum {
    NOTE_INODE,
    NOTE_ENTRY,
    NOTE_GONE,
    NOTE_LAST
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

    GMutex mutex;
    GCond told;
    gboolean is_telling, is_stopped; /* under @mutex */
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
    case NOTE_LAST: break;
    }
}

/* FALSE when the session may not be used any more. */
static gboolean begin_telling(FsNotifier *notifier)
{
    gboolean may_tell;

    g_mutex_lock(&notifier->mutex);
    may_tell = notifier->is_telling = !notifier->is_stopped;
    g_mutex_unlock(&notifier->mutex);
    return may_tell;
}

static void end_telling(FsNotifier *notifier)
{
    g_mutex_lock(&notifier->mutex);
    notifier->is_telling = FALSE;
    g_cond_signal(&notifier->told);
    g_mutex_unlock(&notifier->mutex);
}

static gpointer run(gpointer data)
{
    FsNotifier *notifier = data;
    gboolean is_last = FALSE;

    while (!is_last) {
        g_autofree Note *note = g_async_queue_pop(notifier->notes);

        is_last = note->kind == NOTE_LAST;
        if (begin_telling(notifier)) {
            tell(notifier->session, note);
            end_telling(notifier);
        }
        g_atomic_int_inc(&notifier->n_told);
    }
    return NULL;
}

FsNotifier *fs_notifier_new(struct fuse_session *session)
{
    FsNotifier *notifier = g_new0(FsNotifier, 1);

    notifier->session = session;
    g_mutex_init(&notifier->mutex);
    g_cond_init(&notifier->told);
    notifier->notes = g_async_queue_new_full(g_free);
    notifier->thread = g_thread_new("notifier", run, notifier);
    return notifier;
}

static Note *note_new(NoteKind kind, guint64 ino, guint64 child, const char *name)
{
    gsize size = strlen(name) + 1;
    Note *note = g_malloc(sizeof *note + size);

    note->kind = kind;
    note->ino = ino;
    note->child = child;
    memcpy(note->name, name, size);
    return note;
}

static void push(FsNotifier *notifier, Note *note)
{
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

void fs_notifier_stop(FsNotifier *notifier)
{
    gint64 end = g_get_monotonic_time() + TELL_MAX_US;

    g_mutex_lock(&notifier->mutex);
    notifier->is_stopped = TRUE;
    /* A note that takes longer waits in the kernel, which has the file itself by then: that the
     * number of the descriptor may soon be another's cannot matter to it. */
    while (notifier->is_telling && g_cond_wait_until(&notifier->told, &notifier->mutex, end))
        ;
    g_mutex_unlock(&notifier->mutex);
}

void fs_notifier_free(FsNotifier *notifier)
{
    if (!notifier)
        return;
    push(notifier, note_new(NOTE_LAST, 0, 0, ""));
    g_thread_join(notifier->thread);
    g_async_queue_unref(notifier->notes);
    g_mutex_clear(&notifier->mutex);
    g_cond_clear(&notifier->told);
    g_free(notifier);
}

void fs_notify_inode(FsNotifier *notifier, guint64 ino)
{
    push(notifier, note_new(NOTE_INODE, ino, 0, ""));
}

void fs_notify_entry(FsNotifier *notifier, guint64 parent, const char *name)
{
    push(notifier, note_new(NOTE_ENTRY, parent, 0, name));
}

void fs_notify_gone(FsNotifier *notifier, guint64 parent, guint64 child, const char *name)
{
    push(notifier, note_new(NOTE_GONE, parent, child, name));
}

/* SPDX-License-Identifier: MIT */
/* fs/notify.c - telling the kernel what changed.
 *
 * The kernel may have to wait for an answer of ours before it can take such a note (it locks the
 * directory, and a listing of that directory may be parked): called from the engine, that would be
 * the end.  So one thread does nothing else.  It is the only caller of fuse_lowlevel_notify_...().
 *
 * Of a rename the kernel takes no note: that thread does it through the mount, as anybody would,
 * and it comes back to the engine as a request.  When the connection is cut, as at the unmount, the
 * kernel answers that itself.
 *
 * While it waits there it cannot be killed: see fs/deadman.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/private.h"

#define TELL_MAX_US (G_USEC_PER_SEC / 10)

typedef enum {
    NOTE_INODE,
    NOTE_ENTRY,
    NOTE_GONE,
    NOTE_RENAME,
    NOTE_LAST
} NoteKind;

/* The engine's, but for @code until @source is attached. */
typedef struct {
    FsNotifier *notifier;
    char *from, *to;
    int code;
    GSource *source; /* tells the engine that it is over */
    FsRenamedFunc done;
    gpointer data;
    GList link; /* in notifier->renames */
} Rename;

typedef struct {
    NoteKind kind;
    guint64 ino, child;
    Rename *rename;
    char name[];
} Note;

struct FsNotifier {
    struct fuse_session *session;
    char *mountpoint; /* or NULL, and its device */
    guint device_major, device_minor;
    GAsyncQueue *notes;
    GThread *thread;
    GQueue renames; /* Rename, the engine's */
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
    case NOTE_RENAME:
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

/* --- renaming --- */

/* Of what is there without asking it. */
static gboolean get_device(int fd, const char *path, guint *ret_major, guint *ret_minor)
{
    struct statx attr;

    if (statx(fd, path, AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &attr) < 0)
        return FALSE;
    *ret_major = attr.stx_dev_major;
    *ret_minor = attr.stx_dev_minor;
    return TRUE;
}

/* Whether @top is our mount and not what it was mounted on, or what was mounted on it since. */
static gboolean is_ours(const FsNotifier *notifier, int top)
{
    guint device_major, device_minor;

    return get_device(top, "", &device_major, &device_minor) &&
           device_major == notifier->device_major && device_minor == notifier->device_minor;
}

/* An errno, or 0. */
static int rename_below(const FsNotifier *notifier, const char *from, const char *to)
{
    int top = open(notifier->mountpoint, O_PATH | O_DIRECTORY | O_CLOEXEC), code = 0;

    if (top < 0)
        return errno;
    if (!is_ours(notifier, top))
        code = EXDEV;
    else if (renameat2(top, from, top, to, RENAME_NOREPLACE) < 0)
        code = errno;
    close(top);
    return code;
}

static gboolean has_stopped(FsNotifier *notifier)
{
    gboolean is_stopped;

    g_mutex_lock(&notifier->mutex);
    is_stopped = notifier->is_stopped;
    g_mutex_unlock(&notifier->mutex);
    return is_stopped;
}

static void do_rename(FsNotifier *notifier, Rename *rename)
{
    g_autoptr(GSource) source = g_source_ref(rename->source);

    rename->code = notifier->mountpoint && !has_stopped(notifier)
                       ? rename_below(notifier, rename->from, rename->to)
                       : ENODEV;
    g_source_attach(source, NULL);
}

/* --- the thread --- */

static gpointer run(gpointer data)
{
    FsNotifier *notifier = data;
    gboolean is_last = FALSE;

    while (!is_last) {
        g_autofree Note *note = g_async_queue_pop(notifier->notes);

        is_last = note->kind == NOTE_LAST;
        if (note->kind == NOTE_RENAME) {
            do_rename(notifier, note->rename);
        } else if (begin_telling(notifier)) {
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

void fs_notifier_set_mount(FsNotifier *notifier, const char *mountpoint)
{
    if (get_device(AT_FDCWD, mountpoint, &notifier->device_major, &notifier->device_minor))
        notifier->mountpoint = g_strdup(mountpoint);
}

static Note *note_new(NoteKind kind, guint64 ino, guint64 child, const char *name)
{
    gsize size = strlen(name) + 1;
    Note *note = g_malloc(sizeof *note + size);

    note->kind = kind;
    note->ino = ino;
    note->child = child;
    note->rename = NULL;
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

static void rename_free(Rename *rename)
{
    g_queue_unlink(&rename->notifier->renames, &rename->link);
    g_source_destroy(rename->source);
    g_source_unref(rename->source);
    g_free(rename->from);
    g_free(rename->to);
    g_free(rename);
}

void fs_notifier_free(FsNotifier *notifier)
{
    if (!notifier)
        return;
    push(notifier, note_new(NOTE_LAST, 0, 0, ""));
    g_thread_join(notifier->thread);
    while (notifier->renames.head)
        rename_free(notifier->renames.head->data);
    g_free(notifier->mountpoint);
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

static gboolean on_renamed(gpointer data)
{
    Rename *rename = data;
    FsRenamedFunc done = rename->done;
    gpointer done_data = rename->data;
    int code = rename->code;

    rename_free(rename);
    done(code, done_data);
    return G_SOURCE_REMOVE;
}

void fs_notify_rename(FsNotifier *notifier, const char *from, const char *to, FsRenamedFunc done,
                      gpointer data)
{
    Note *note = note_new(NOTE_RENAME, 0, 0, "");
    Rename *rename = note->rename = g_new0(Rename, 1);

    rename->notifier = notifier;
    rename->from = g_strdup(from);
    rename->to = g_strdup(to);
    rename->done = done;
    rename->data = data;
    rename->link.data = rename;
    rename->source = g_idle_source_new();
    g_source_set_priority(rename->source, G_PRIORITY_DEFAULT);
    g_source_set_callback(rename->source, on_renamed, rename, NULL);
    g_queue_push_tail_link(&notifier->renames, &rename->link);
    push(notifier, note);
}

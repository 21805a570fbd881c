/* SPDX-License-Identifier: MIT */
/* fs/outgoing.c - what was written, as it goes to the network: made in a thread, and on the disk
 * when that is done. */
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <unistd.h>

#include "fs/drafts.h"
#include "mime/mime.h"

#define PIECE ((gsize)256 * 1024)

/* The thread's until it is done, but for @draft. */
struct FsOutgoing {
    FsDraft *draft; /* NULL: gone */
    int from, to;
    int is_detached; /* atomic */
    GError *error;
};

static void outgoing_free(FsOutgoing *outgoing)
{
    close(outgoing->from);
    close(outgoing->to);
    g_clear_error(&outgoing->error);
    g_free(outgoing);
}

void fs_set_disk_error(GError **error, const char *act, int code)
{
    g_set_error(error, MAIL_ERROR, mail_error_of_disk(code), "%s: %s", act, g_strerror(code));
}

/* --- in the thread --- */

static gboolean put(int fd, const GByteArray *out, GError **error)
{
    for (guint done = 0; done < out->len;) {
        ssize_t n = write(fd, out->data + done, out->len - done);

        if (n < 0 && errno != EINTR) {
            fs_set_disk_error(error, "keep what is to be sent", errno);
            return FALSE;
        }
        done += n > 0 ? (guint)n : 0;
    }
    return TRUE;
}

/* Returns how many octets there were; -1 with an error. */
static gssize take_piece(FsOutgoing *outgoing, MimeIntake *intake, guint64 offset, GByteArray *out)
{
    g_autofree guint8 *piece = g_malloc(PIECE);
    ssize_t n;

    do
        n = pread(outgoing->from, piece, PIECE, (off_t)offset);
    while (n < 0 && errno == EINTR);
    g_byte_array_set_size(out, 0);
    if (n < 0)
        fs_set_disk_error(&outgoing->error, "read what was written", errno);
    else if (n > 0)
        (void)mime_intake_feed(intake, piece, (gsize)n, out, &outgoing->error);
    else
        (void)mime_intake_end(intake, out, &outgoing->error);
    return outgoing->error ? -1 : n;
}

static void convert(FsOutgoing *outgoing)
{
    g_autoptr(MimeIntake) intake = mime_intake_new();
    g_autoptr(GByteArray) out = g_byte_array_new();
    guint64 offset = 0;
    gssize n;

    do {
        n = take_piece(outgoing, intake, offset, out);
        if (n < 0 || !put(outgoing->to, out, &outgoing->error))
            return;
        offset += (guint64)n;
    } while (n > 0 && !g_atomic_int_get(&outgoing->is_detached));
    if (fdatasync(outgoing->to) < 0)
        fs_set_disk_error(&outgoing->error, "keep what is to be sent", errno);
}

static void on_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    convert(data);
    g_task_return_boolean(task, TRUE);
}

/* --- in the engine --- */

gboolean fs_draft_holds(FsDraft *draft, FsRequest *request)
{
    if (!draft->outgoing)
        return FALSE;
    g_queue_push_tail(&draft->waiting, request);
    return TRUE;
}

/* Each may be the one after which the draft is gone, and then it was the last. */
static void wake(FsDraft *draft)
{
    GQueue waiting = draft->waiting;

    g_queue_init(&draft->waiting);
    for (FsRequest *request; (request = g_queue_pop_head(&waiting));)
        request->run(request);
}

static void on_done(GObject *source, GAsyncResult *result, gpointer data)
{
    FsOutgoing *outgoing = data;
    FsDraft *draft = outgoing->draft;

    if (draft) {
        draft->outgoing = NULL;
        draft->is_ready = !outgoing->error;
        draft->error = g_steal_pointer(&outgoing->error);
    }
    outgoing_free(outgoing);
    if (draft)
        wake(draft);
}

gboolean fs_outgoing_start(FsDraft *draft, GError **error)
{
    g_autoptr(GTask) task = NULL;
    FsOutgoing *outgoing;
    int from, to;

    if (!fs_draft_number_next(draft, error))
        return FALSE;
    to = cache_draft_open_data(draft->fs->cache, draft->next, error);
    if (to < 0)
        return FALSE;
    from = fcntl(draft->fd, F_DUPFD_CLOEXEC, 0);
    if (from < 0) {
        fs_set_disk_error(error, "read what was written", errno);
        close(to);
        return FALSE;
    }
    outgoing = draft->outgoing = g_new0(FsOutgoing, 1);
    outgoing->draft = draft;
    outgoing->from = from;
    outgoing->to = to;
    task = g_task_new(NULL, NULL, on_done, outgoing);
    g_task_set_task_data(task, outgoing, NULL);
    g_task_run_in_thread(task, on_thread);
    return TRUE;
}

void fs_outgoing_detach(FsOutgoing *outgoing)
{
    outgoing->draft = NULL;
    g_atomic_int_set(&outgoing->is_detached, 1);
}

/* SPDX-License-Identifier: MIT */
/* fs/request.c - one call of the kernel: run, parked on a want, run again, answered once. */
#include <errno.h>
#include <string.h>

#include "fs/changing.h"
#include "fs/writing.h"

/* A call that was woken as often as this and still misses something is not getting anywhere. */
#define RUNS_MAX 20000
#define AGAIN_MS 2
/* Not for long: the kernel may be waiting for us before it hears anything. */
#define AGAIN_MAX 100

static void unpark(FsRequest *request)
{
    if (request->ticket)
        cache_wait_cancel(request->fs->cache, request->ticket);
    if (request->ticket || request->again_source)
        g_queue_unlink(&request->fs->parked, &request->link);
    request->ticket = 0;
    g_clear_handle_id(&request->again_source, g_source_remove);
}

static void request_free(FsRequest *request)
{
    unpark(request);
    g_clear_handle_id(&request->interrupt_source, g_source_remove);
    g_clear_error(&request->error);
    g_clear_error(&request->missed);
    g_clear_pointer(&request->bytes, g_bytes_unref);
    g_free(request->new_name);
    g_free(request->name);
    g_free(request);
}

/* "lookup INBOX/u1.eml", in one line. */
static char *describe(const FsRequest *request)
{
    g_autofree char *path = fs_node_path(request->fs, request->node);
    g_autofree char *text =
        g_strconcat(request->verb, " ", path, request->name ? "/" : NULL, request->name, NULL);

    return fs_one_line(text);
}

/* @code: what it came to, or 0. */
static void log_call(const FsRequest *request, int code)
{
    g_autofree char *call = NULL;

    if (!request->fs->options.is_debug)
        return;
    call = describe(request);
    g_debug("%s%s%s", call, code ? ": " : "", code ? g_strerror(code) : "");
}

FsRequest *fs_request_new(fuse_req_t req, const char *verb, void (*run)(FsRequest *request),
                          fuse_ino_t ino, const char *name)
{
    FsRequest *request = g_new0(FsRequest, 1);

    request->fs = fuse_req_userdata(req);
    request->req = req;
    request->verb = verb;
    request->run = run;
    request->ino = ino;
    request->name = g_strdup(name);
    request->first_size = G_MAXUINT64;
    request->link.data = request;
    return request;
}

/* Each time anew: a message may have moved while the request was parked. */
static void resolve_and_run(FsRequest *request)
{
    if (!fs_node(request->fs, request->ino, &request->node) ||
        (request->to_ino && !fs_node(request->fs, request->to_ino, &request->to)))
        fs_answer_error(request, ESTALE);
    else
        request->run(request);
}

void fs_request_run(FsRequest *request)
{
    if (fs_node(request->fs, request->ino, &request->node))
        log_call(request, 0);
    resolve_and_run(request);
}

void fs_request_start(fuse_req_t req, const char *verb, void (*run)(FsRequest *request),
                      fuse_ino_t ino, const char *name, gsize size, off_t offset,
                      const struct fuse_file_info *fi)
{
    FsRequest *request = fs_request_new(req, verb, run, ino, name);

    request->size = size;
    request->offset = offset;
    if (fi)
        request->fi = *fi;
    fs_request_run(request);
}

/* --- answers --- */

static void answered(FsRequest *request, int result)
{
    /* The kernel has lost interest (interrupted, or the mount is gone): nothing to be done. */
    if (result < 0 && result != -ENOENT && result != -ENODEV)
        g_debug("answer to %s: %s", request->verb, g_strerror(-result));
    request_free(request);
}

void fs_answer_error(FsRequest *request, int code)
{
    if (code)
        log_call(request, code);
    if (code && request->change)
        cache_change_withdraw(request->fs->cache, request->change);
    answered(request, fuse_reply_err(request->req, code));
}

void fs_answer_entry(FsRequest *request, const struct fuse_entry_param *entry)
{
    answered(request, fuse_reply_entry(request->req, entry));
}

void fs_answer_attr(FsRequest *request, const struct stat *attr, double timeout)
{
    answered(request, fuse_reply_attr(request->req, attr, timeout));
}

void fs_answer_bytes(FsRequest *request, gconstpointer bytes, gsize len)
{
    answered(request, fuse_reply_buf(request->req, bytes, len));
}

void fs_answer_slices(FsRequest *request, const GPtrArray *slices)
{
    g_autofree struct iovec *vector = g_new(struct iovec, slices->len);

    for (guint i = 0; i < slices->len; i++) {
        gsize len;

        vector[i].iov_base = (void *)g_bytes_get_data(slices->pdata[i], &len);
        vector[i].iov_len = len;
    }
    answered(request, fuse_reply_iov(request->req, vector, (int)slices->len));
}

void fs_answer_link(FsRequest *request, const char *target)
{
    answered(request, fuse_reply_readlink(request->req, target));
}

void fs_answer_open(FsRequest *request, const struct fuse_file_info *fi)
{
    answered(request, fuse_reply_open(request->req, fi));
}

void fs_answer_create(FsRequest *request, const struct fuse_entry_param *entry,
                      const struct fuse_file_info *fi)
{
    answered(request, fuse_reply_create(request->req, entry, fi));
}

void fs_answer_written(FsRequest *request, gsize len)
{
    answered(request, fuse_reply_write(request->req, len));
}

void fs_answer_statfs(FsRequest *request, const struct statvfs *st)
{
    answered(request, fuse_reply_statfs(request->req, st));
}

void fs_answer_xattr_size(FsRequest *request, gsize size)
{
    answered(request, fuse_reply_xattr(request->req, size));
}

static void fail(FsRequest *request, const GError *error)
{
    g_autofree char *call = describe(request),
                    *line = g_strdup_printf("%s: %s", call, error->message);
    int code = fs_errno(error);

    fs_failures_add(request->fs->failures, line);
    /* Only a name can be absent; of a listing, ENOENT would mean that it ends here. */
    fs_answer_error(request, code == ENOENT && !request->name ? ESTALE : code);
}

/* --- waiting --- */

static void on_wake(const GError *error, gpointer data)
{
    FsRequest *request = data;
    gboolean may_fail = request->may_fail;

    request->ticket = 0;
    request->may_fail = FALSE;
    g_queue_unlink(&request->fs->parked, &request->link);
    if (error && !may_fail) {
        fail(request, error);
        return;
    }
    g_clear_error(&request->missed);
    request->missed = error ? g_error_copy(error) : NULL;
    resolve_and_run(request);
}

/* Of a message.  Who syncs asks for more than that it is recorded, and may ask again. */
static gboolean has_recorded(const FsRequest *request)
{
    const CacheChange *change = cache_change(request->fs->cache, request->change);

    return change && change->kind < CACHE_CHANGE_CREATE && request->run != fs_run_fsync &&
           request->run != fs_run_fsyncdir;
}

gboolean fs_is_hurried(const FsRequest *request)
{
    return fuse_req_interrupted(request->req) && has_recorded(request);
}

static gboolean on_interrupt_idle(gpointer data)
{
    FsRequest *request = data;

    request->interrupt_source = 0;
    /* A draft that is at work has it, and not for long; if it parks after that, it hears of it. */
    if (!request->ticket && !request->again_source)
        return G_SOURCE_REMOVE;
    if (has_recorded(request)) {
        unpark(request);
        resolve_and_run(request);
    } else {
        fs_answer_error(request, EINTR);
    }
    return G_SOURCE_REMOVE;
}

/* libfuse calls this with a lock held: the answer is given from the main loop. */
static void on_interrupt(fuse_req_t req, void *data)
{
    FsRequest *request = data;

    if (!request->interrupt_source)
        request->interrupt_source =
            g_idle_add_full(G_PRIORITY_HIGH, on_interrupt_idle, request, NULL);
}

static void hold(FsRequest *request)
{
    g_queue_push_tail_link(&request->fs->parked, &request->link);
    if (!fs_is_hurried(request))
        fuse_req_interrupt_func(request->req, on_interrupt, request);
}

static void park(FsRequest *request)
{
    if (++request->n_runs > RUNS_MAX) {
        g_autoptr(GError) error = g_error_new(MAIL_ERROR, MAIL_ERROR_SERVER,
                                              "the server answers, but never with what is asked");

        fail(request, error);
        return;
    }
    request->ticket = cache_wait(request->fs->cache, request->want, on_wake, request);
    hold(request);
}

static gboolean on_again(gpointer data)
{
    FsRequest *request = data;

    request->again_source = 0;
    g_queue_unlink(&request->fs->parked, &request->link);
    resolve_and_run(request);
    return G_SOURCE_REMOVE;
}

gboolean fs_run_again(FsRequest *request)
{
    if (++request->n_runs > AGAIN_MAX)
        return FALSE;
    request->again_source = g_timeout_add(AGAIN_MS, on_again, request);
    hold(request);
    return TRUE;
}

void fs_conclude(FsRequest *request, CacheAnswer answer, int absent)
{
    if (answer == CACHE_WAIT)
        park(request);
    else if (answer == CACHE_FAILED)
        fail(request, request->error);
    else
        fs_answer_error(request, absent);
}

void fs_requests_end(Fs *fs, int code)
{
    while (fs->parked.head)
        fs_answer_error(fs->parked.head->data, code);
}

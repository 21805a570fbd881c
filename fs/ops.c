/* SPDX-License-Identifier: MIT */
/* fs/ops.c - what the kernel can ask, answered from the views. */
#include <errno.h>
#include <string.h>

#include "fs/changing.h"
#include "fs/writing.h"

#define READAHEAD_MAX  (128 * 1024)
#define BACKGROUND_MAX 512 /* requests that may wait without the kernel holding others back */
#define DOT_TIMEOUT    3600.0

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
    static const unsigned wanted[] = {
        FUSE_CAP_ASYNC_READ,
        FUSE_CAP_PARALLEL_DIROPS,
        FUSE_CAP_READDIRPLUS,
        FUSE_CAP_AUTO_INVAL_DATA,
    };

    for (gsize i = 0; i < G_N_ELEMENTS(wanted); i++)
        conn->want |= conn->capable & wanted[i];
    /* Programs list a whole directory and then look at each file: by then the kernel, left to
     * choose, would have asked for no attributes after the first page. */
    conn->want &= ~(unsigned)FUSE_CAP_READDIRPLUS_AUTO;
    conn->max_readahead = READAHEAD_MAX;
    conn->max_background = BACKGROUND_MAX;
    conn->congestion_threshold = BACKGROUND_MAX * 3 / 4;
}

/* --- names and attributes --- */

static void answer_absent_name(FsRequest *request)
{
    /* A nodeid of 0 lets the kernel remember that there is none: file managers ask again and again
     * for .hidden and the like. */
    struct fuse_entry_param none = {.entry_timeout = DOT_TIMEOUT};

    if (request->name[0] == '.')
        fs_answer_entry(request, &none);
    else
        fs_answer_error(request, ENOENT);
}

/* Whoever has heard of a size reads by it: the kernel must have heard that it is a new one. */
static gboolean waits_for_news(FsRequest *request, FsNode node)
{
    return fs_is_resizing(request->fs, node) && fs_run_again(request);
}

static void run_lookup(FsRequest *request)
{
    const FsView *view = fs_view(request->node.kind);
    struct fuse_entry_param entry = {0};
    CacheAnswer answer;
    FsNode child;

    if (!view->lookup) {
        fs_answer_error(request, ENOTDIR);
        return;
    }
    if (strlen(request->name) > FS_NAME_MAX) {
        fs_answer_error(request, ENAMETOOLONG);
        return;
    }
    answer = view->lookup(request, request->node, request->name, &child);
    if (answer == CACHE_FOUND)
        answer = fs_fill_entry(request, child, &entry);
    if (answer == CACHE_FOUND)
        fs_answer_entry(request, &entry);
    else if (answer == CACHE_ABSENT)
        answer_absent_name(request);
    else
        fs_conclude(request, answer, ENOENT);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    fs_request_start(req, "lookup", run_lookup, parent, name, 0, 0, NULL);
}

static void run_getattr(FsRequest *request)
{
    FsNode node = request->node;
    struct stat attr;
    CacheAnswer answer = fs_attr(request, node, &attr);

    if (answer == CACHE_FOUND && waits_for_news(request, node))
        return;
    /* What has moved keeps the number by which it is known. */
    attr.st_ino = request->ino;
    if (answer == CACHE_FOUND)
        fs_answer_attr(request, &attr, fs_view(request->node.kind)->timeout);
    else
        fs_conclude(request, answer, ESTALE);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    fs_request_start(req, "getattr", run_getattr, ino, NULL, 0, 0, NULL);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t n)
{
    fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t n, struct fuse_forget_data *forgets)
{
    fuse_reply_none(req);
}

static void op_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
    FsRequest *request = fs_request_new(req, "access", fs_run_access, ino, NULL);

    request->flags = (unsigned)mask;
    fs_request_run(request);
}

/* --- files --- */

static void run_open(FsRequest *request)
{
    const FsView *view = fs_view(request->node.kind);
    struct fuse_file_info fi = request->fi;
    gboolean is_writing = (fi.flags & O_ACCMODE) != O_RDONLY;

    if (!view->open) {
        fs_answer_error(request, EISDIR);
        return;
    }
    if (is_writing &&
        (cache_is_spool(request->fs->cache) || !fs_is_writable(request->fs, request->node))) {
        fs_answer_error(request, EROFS);
        return;
    }
    /* A name that was in use while its mailbox became another one may still be the old message's in
     * the kernel, which looks again when it hears this. */
    if (fs_node_is_gone(request->fs, request->node)) {
        fs_answer_error(request, ESTALE);
        return;
    }
    /* It is in no listing: a copy of that name from another mailbox is not meant to replace it. */
    if (is_writing && request->node.kind == FS_KIND_ALIAS) {
        fs_answer_error(request, EEXIST);
        return;
    }
    if (is_writing) {
        fs_run_open_writing(request);
        return;
    }
    if (request->fs->options.is_read_only) {
        /* From now on the kernel opens without asking. */
        fs_answer_error(request, ENOSYS);
        return;
    }
    fi.noflush = 1;
    view->open(request, &fi);
    fs_answer_open(request, &fi);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    fs_request_start(req, "open", run_open, ino, NULL, 0, 0, fi);
}

/* Only what was opened to be written has a handle, what may be read once, and status. */
static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    Fs *fs = fuse_req_userdata(req);
    FsNode node;

    fs_once_release(fs, fi->fh);
    if (fi->fh && fs_node(fs, ino, &node) && fs_is_mail(node)) {
        fs_request_start(req, "release", fs_run_release, ino, NULL, 0, 0, fi);
        return;
    }
    g_hash_table_remove(fs->opened, GSIZE_TO_POINTER(fi->fh));
    fuse_reply_err(req, 0);
}

static void run_flush(FsRequest *request)
{
    if (fs_once_flush(request))
        return;
    if (fs_is_mail(request->node))
        fs_run_flush(request);
    else
        fs_answer_error(request, 0);
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    const Fs *fs = fuse_req_userdata(req);

    /* From now on the kernel closes without asking. */
    if (fs->options.is_read_only)
        fuse_reply_err(req, ENOSYS);
    else
        fs_request_start(req, "close", run_flush, ino, NULL, 0, 0, fi);
}

static void run_fsync(FsRequest *request)
{
    if (fs_is_mail(request->node))
        fs_run_fsync(request);
    else
        fs_answer_error(request, 0);
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    fs_request_start(req, "fsync", run_fsync, ino, NULL, 0, 0, fi);
}

/* Whether the guard keeps the reader from what would have to come over the network. */
static gboolean is_refused(FsRequest *request)
{
    const FsView *view = fs_view(request->node.kind);

    return request->fs->options.has_guard && request->n_runs == 0 && view->is_here &&
           !view->is_here(request->fs, request->node, (guint64)request->offset, request->size) &&
           fs_guard_refuses(fuse_req_ctx(request->req)->pid);
}

/* Whether the size of a file turned out to be another than we said while it was being read: the
 * reader may have settled for the old one, and would take a part for the whole; and the kernel
 * fills up with zeros to the old end until it has heard of the new one. */
static gboolean is_size_in_flux(FsRequest *request)
{
    const FsView *view = fs_view(request->node.kind);
    CacheMessage message;
    guint64 size;

    if (!view->size_told || !fs_node_message(request->fs, request->node, &message))
        return FALSE;
    size = view->size_told(request->fs, request->node);
    if (request->first_size == G_MAXUINT64)
        request->first_size = size;
    /* In a spool a handle is of a file that is not read through the kernel's pages. */
    return size != request->first_size ||
           (!(cache_is_spool(request->fs->cache) && request->fi.fh) &&
            fs_is_resizing(request->fs, request->node));
}

static void run_read(FsRequest *request)
{
    const FsView *view = fs_view(request->node.kind);
    g_autoptr(GPtrArray) slices = NULL;
    CacheAnswer answer;

    if (!view->read) {
        fs_answer_error(request, EISDIR);
        return;
    }
    if (is_refused(request)) {
        request->fs->n_refused++;
        fs_answer_error(request, EACCES);
        return;
    }
    if (is_size_in_flux(request)) {
        g_set_error(&request->error, MAIL_ERROR, MAIL_ERROR_SERVER,
                    "it has another size than was told; read it again");
        fs_conclude(request, CACHE_FAILED, ESTALE);
        return;
    }
    slices = cache_slices_new();
    answer = view->read(request, request->node, (guint64)request->offset, request->size, slices);
    if (answer == CACHE_FOUND)
        fs_answer_slices(request, slices);
    else
        fs_conclude(request, answer, ESTALE);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                    struct fuse_file_info *fi)
{
    fs_request_start(req, "read", run_read, ino, NULL, size, offset, fi);
}

static void run_readlink(FsRequest *request)
{
    const FsView *view = fs_view(request->node.kind);
    g_autofree char *target = NULL;
    CacheAnswer answer;

    if (!view->readlink) {
        fs_answer_error(request, EINVAL);
        return;
    }
    answer = view->readlink(request, request->node, &target);
    if (answer == CACHE_FOUND)
        fs_answer_link(request, target);
    else
        fs_conclude(request, answer, ESTALE);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
    fs_request_start(req, "readlink", run_readlink, ino, NULL, 0, 0, NULL);
}

/* --- directories --- */

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    fs_request_start(req, "opendir", fs_run_opendir, ino, NULL, 0, 0, fi);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                       struct fuse_file_info *fi)
{
    fs_request_start(req, "readdir", fs_run_readdir, ino, NULL, size, offset, NULL);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                           struct fuse_file_info *fi)
{
    fs_request_start(req, "readdir", fs_run_readdirplus, ino, NULL, size, offset, NULL);
}

/* --- the filesystem --- */

static void run_statfs(FsRequest *request)
{
    struct statvfs st = {.f_bsize = 4096, .f_frsize = 4096, .f_namemax = FS_NAME_MAX};
    CacheQuota quota = {0};
    CacheAnswer answer = CACHE_FOUND;

    /* Asked once; a server that fails to tell is one without a quota. */
    request->may_fail = TRUE;
    if (request->n_runs == 0)
        answer = cache_quota(request->fs->cache, &quota, &request->want, &request->error);
    else
        cache_quota_known(request->fs->cache, &quota);
    if (answer == CACHE_WAIT) {
        fs_conclude(request, answer, 0);
        return;
    }
    st.f_blocks = quota.is_known && quota.limit ? quota.limit / 4096 : (fsblkcnt_t)1 << 38;
    st.f_bfree = st.f_blocks - MIN(quota.used / 4096, st.f_blocks);
    st.f_bavail = st.f_bfree;
    fs_answer_statfs(request, &st);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
    fs_request_start(req, "statfs", run_statfs, FUSE_ROOT_ID, NULL, 0, 0, NULL);
}

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
    fs_request_start(req, "getxattr", fs_run_getxattr, ino, name, size, 0, NULL);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
    fs_request_start(req, "listxattr", fs_run_listxattr, ino, NULL, size, 0, NULL);
}

static void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    fs_request_start(req, "fsync", fs_run_fsyncdir, ino, NULL, 0, 0, fi);
}

/* --- what changes something --- */

/* The request for it; NULL when that was answered, for in this mount nothing is changed. */
static FsRequest *new_change(fuse_req_t req, const char *verb, void (*run)(FsRequest *request),
                             fuse_ino_t ino, const char *name)
{
    const Fs *fs = fuse_req_userdata(req);

    if (!fs->options.is_read_only)
        return fs_request_new(req, verb, run, ino, name);
    fuse_reply_err(req, EROFS);
    return NULL;
}

static void start_change(fuse_req_t req, const char *verb, void (*run)(FsRequest *request),
                         fuse_ino_t ino, const char *name)
{
    FsRequest *request = new_change(req, verb, run, ino, name);

    if (request)
        fs_request_run(request);
}

/* Whether other files and mailboxes may come to be where @request is. */
static gboolean may_grow(const FsRequest *request)
{
    return !cache_is_spool(request->fs->cache) && fs_is_writable(request->fs, request->node);
}

/* What there is none of in mail. */
static void run_refused(FsRequest *request)
{
    fs_answer_error(request, may_grow(request) ? EPERM : EROFS);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
    start_change(req, "mknod", run_refused, parent, name);
}

static void op_symlink(fuse_req_t req, const char *link, fuse_ino_t parent, const char *name)
{
    start_change(req, "symlink", run_refused, parent, name);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_parent, const char *new_name)
{
    start_change(req, "link", run_refused, new_parent, new_name);
}

static void run_unsupported(FsRequest *request)
{
    fs_answer_error(request, may_grow(request) ? EOPNOTSUPP : EROFS);
}

static void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
                         struct fuse_file_info *fi)
{
    start_change(req, "fallocate", run_unsupported, ino, NULL);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    start_change(req, "mkdir", fs_run_mkdir, parent, name);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    start_change(req, "unlink", fs_run_unlink, parent, name);
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    start_change(req, "rmdir", fs_run_rmdir, parent, name);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
                      const char *new_name, unsigned int flags)
{
    FsRequest *request = new_change(req, "rename", fs_run_rename, parent, name);

    if (!request)
        return;
    request->to_ino = new_parent;
    request->new_name = g_strdup(new_name);
    request->flags = flags;
    fs_request_run(request);
}

/* Whether the kernel has sent these bytes: libfuse does not look. */
static gboolean were_sent(const Fs *fs, const char *bytes, gsize size)
{
    const char *message = fs->buffer.mem;

    return bytes >= message && size <= fs->buffer.size &&
           (gsize)(bytes - message) <= fs->buffer.size - size;
}

/* What is to be written; NULL when that was answered. */
static FsRequest *new_write(fuse_req_t req, const char *verb, void (*run)(FsRequest *request),
                            fuse_ino_t ino, const char *name, const char *bytes, gsize size)
{
    FsRequest *request = new_change(req, verb, run, ino, name);

    if (!request)
        return NULL;
    if (!were_sent(request->fs, bytes, size)) {
        fs_answer_error(request, EINVAL);
        return NULL;
    }
    request->bytes = g_bytes_new(bytes, size);
    return request;
}

static void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
                        size_t size, int flags)
{
    FsRequest *request = new_write(req, "setxattr", fs_run_change_xattr, ino, name, value, size);

    if (!request)
        return;
    request->flags = (unsigned)flags;
    fs_request_run(request);
}

static void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
    start_change(req, "removexattr", fs_run_change_xattr, ino, name);
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int which,
                       struct fuse_file_info *fi)
{
    FsRequest *request = new_change(req, "setattr", fs_run_setattr, ino, NULL);

    if (!request)
        return;
    request->attr = *attr;
    request->flags = (unsigned)which;
    if (fi)
        request->fi = *fi;
    fs_request_run(request);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
                      struct fuse_file_info *fi)
{
    FsRequest *request = new_change(req, "create", fs_run_create, parent, name);

    if (!request)
        return;
    request->attr.st_mode = mode;
    request->fi = *fi;
    fs_request_run(request);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *bytes, size_t size, off_t offset,
                     struct fuse_file_info *fi)
{
    FsRequest *request = new_write(req, "write", fs_run_write, ino, NULL, bytes, size);

    if (!request)
        return;
    request->offset = offset;
    request->fi = *fi;
    fs_request_run(request);
}

static void op_copy_file_range(fuse_req_t req, fuse_ino_t from, off_t offset,
                               struct fuse_file_info *from_fi, fuse_ino_t to, off_t to_offset,
                               struct fuse_file_info *to_fi, size_t len, int flags)
{
    FsRequest *request = new_change(req, "copy", fs_run_copy_file_range, from, NULL);

    if (!request)
        return;
    request->offset = offset;
    request->to_ino = to;
    request->to_offset = to_offset;
    request->fi = *to_fi;
    request->size = len;
    fs_request_run(request);
}

const struct fuse_lowlevel_ops fs_ops = {
    .init = op_init,
    .lookup = op_lookup,
    .forget = op_forget,
    .forget_multi = op_forget_multi,
    .getattr = op_getattr,
    .setattr = op_setattr,
    .readlink = op_readlink,
    .access = op_access,
    .mknod = op_mknod,
    .mkdir = op_mkdir,
    .unlink = op_unlink,
    .rmdir = op_rmdir,
    .symlink = op_symlink,
    .rename = op_rename,
    .link = op_link,
    .open = op_open,
    .read = op_read,
    .flush = op_flush,
    .release = op_release,
    .fsync = op_fsync,
    .fsyncdir = op_fsyncdir,
    .opendir = op_opendir,
    .readdir = op_readdir,
    .readdirplus = op_readdirplus,
    .statfs = op_statfs,
    .setxattr = op_setxattr,
    .getxattr = op_getxattr,
    .listxattr = op_listxattr,
    .removexattr = op_removexattr,
    .create = op_create,
    .write = op_write,
    .fallocate = op_fallocate,
    .copy_file_range = op_copy_file_range,
};

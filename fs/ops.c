/* SPDX-License-Identifier: MIT */
/* fs/ops.c - what the kernel can ask, answered from the views. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "fs/maker.h"
#include "fs/views.h"

#define READAHEAD_MAX  (128 * 1024)
#define BACKGROUND_MAX 512 /* requests that may wait without the kernel holding others back */
#define DOT_TIMEOUT    3600.0
#define FRESH_US       (2 * G_USEC_PER_SEC)
#define LISTING_MAX    (1024 * 1024) /* bytes of one page of a directory */

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

/* Whether its attributes are known without getting anything for them. */
static gboolean can_tell_attr(FsRequest *request, FsNode node)
{
    const FsView *view = fs_view(node.kind);

    return !view->knows_attr ||
           (view->knows_attr(request->fs, node) && !fs_is_resizing(request->fs, node));
}

static CacheAnswer fill_entry(FsRequest *request, FsNode node, struct fuse_entry_param *entry)
{
    const FsView *view = fs_view(node.kind);
    CacheAnswer answer = fs_attr(request, node, &entry->attr);

    entry->ino = fs_ino(request->fs, node);
    entry->generation = 0;
    entry->entry_timeout = entry->attr_timeout = view->timeout;
    return answer;
}

/* Lookups in one directory wait for each other, so none gets anything: without a size the kernel
 * will ask for it. */
static void fill_entry_without_size(FsRequest *request, FsNode node, struct fuse_entry_param *entry)
{
    const FsView *view = fs_view(node.kind);

    entry->ino = entry->attr.st_ino = fs_ino(request->fs, node);
    entry->attr.st_mode = view->mode;
    entry->entry_timeout = view->timeout;
}

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
    if (answer == CACHE_FOUND && !can_tell_attr(request, child))
        fill_entry_without_size(request, child, &entry);
    else if (answer == CACHE_FOUND)
        answer = fill_entry(request, child, &entry);
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
    fuse_reply_err(req, mask & W_OK ? EROFS : 0);
}

/* --- files --- */

static gboolean is_message_gone(const FsRequest *request)
{
    CacheMessage message;

    return fs_node_is_message(request->node) &&
           !fs_node_message(request->fs, request->node, &message);
}

static void run_open(FsRequest *request)
{
    const FsView *view = fs_view(request->node.kind);
    struct fuse_file_info fi = request->fi;

    if (!view->open) {
        fs_answer_error(request, EISDIR);
        return;
    }
    if ((fi.flags & O_ACCMODE) != O_RDONLY) {
        fs_answer_error(request, EROFS);
        return;
    }
    /* A name that was in use while its mailbox became another one may still be the old message's in
     * the kernel, which looks again when it hears this. */
    if (is_message_gone(request)) {
        fs_answer_error(request, ESTALE);
        return;
    }
    if (request->fs->options.is_read_only) {
        /* From now on the kernel opens without asking. */
        fs_answer_error(request, ENOSYS);
        return;
    }
    view->open(request, &fi);
    fi.noflush = 1;
    fs_answer_open(request, &fi);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    fs_request_start(req, "open", run_open, ino, NULL, 0, 0, fi);
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    Fs *fs = fuse_req_userdata(req);

    g_hash_table_remove(fs->opened, GSIZE_TO_POINTER(fi->fh));
    fuse_reply_err(req, 0);
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    fuse_reply_err(req, ENOSYS);
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    fuse_reply_err(req, 0);
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
    return size != request->first_size || fs_is_resizing(request->fs, request->node);
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

/* The mailbox or the message that it was is gone. */
static gboolean is_stale_dir(FsRequest *request)
{
    if (fs_node_is_message(request->node))
        return is_message_gone(request);
    return request->node.kind != FS_KIND_CONTROL && !fs_node_box(request->fs, request->node);
}

/* Answers unless there is a directory to look into. */
static gboolean is_no_dir(FsRequest *request)
{
    if (!fs_view(request->node.kind)->next)
        fs_answer_error(request, ENOTDIR);
    else if (is_stale_dir(request))
        fs_answer_error(request, ESTALE);
    else
        return FALSE;
    return TRUE;
}

/* Files of text have no size before they are made: who lists them asks for that, at least. */
static void expect_reads(const FsRequest *request)
{
    if (request->node.kind == FS_KIND_TEXT_BOX)
        cache_expect_made(request->fs->cache, request->node.number, FS_SECTION_TEXT);
}

static void run_opendir(FsRequest *request)
{
    struct fuse_file_info fi = request->fi;
    const CacheBox *box = fs_node_box(request->fs, request->node);
    CacheAnswer answer = CACHE_FOUND;

    if (is_no_dir(request))
        return;
    if (box && !fs_node_is_message(request->node) && request->n_runs == 0)
        answer = cache_box_is_fresh(request->fs->cache, box->id, FRESH_US, &request->want,
                                    &request->error);
    expect_reads(request);
    if (answer != CACHE_FOUND) {
        fs_conclude(request, answer, ESTALE);
        return;
    }
    /* What changes in a mailbox, the notifier tells. */
    fi.cache_readdir = fi.keep_cache = box != NULL;
    fs_answer_open(request, &fi);
}

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    fs_request_start(req, "opendir", run_opendir, ino, NULL, 0, 0, fi);
}

typedef struct {
    FsRequest *request;
    gboolean plus;
    char *bytes;
    gsize len;
} Listing;

/* Without a nodeid the kernel keeps only the name. */
static void fill_child(FsRequest *request, FsNode node, struct fuse_entry_param *entry)
{
    if (!can_tell_attr(request, node))
        fill_entry_without_size(request, node, entry);
    else if (fill_entry(request, node, entry) != CACHE_FOUND)
        memset(entry, 0, sizeof *entry);
}

/* FALSE when the entry does not fit any more. */
static gboolean add_entry(Listing *listing, const char *name, FsNode node, off_t next,
                          gboolean is_child)
{
    FsRequest *request = listing->request;
    struct fuse_entry_param entry = {0};
    char *at = listing->bytes + listing->len;
    gsize room = request->size - listing->len, taken;

    if (listing->plus && is_child)
        fill_child(request, node, &entry);
    entry.attr.st_ino = fs_ino(request->fs, node);
    entry.attr.st_mode = fs_view(node.kind)->mode;
    taken = listing->plus ? fuse_add_direntry_plus(request->req, at, room, name, &entry, next)
                          : fuse_add_direntry(request->req, at, room, name, &entry.attr, next);
    if (taken > room)
        return FALSE;
    listing->len += taken;
    return TRUE;
}

/* "." and "..", whose cookies are 1 and 2. */
static gboolean add_dots(Listing *listing)
{
    FsRequest *request = listing->request;
    const FsView *view = fs_view(request->node.kind);

    if (request->offset < 1 && !add_entry(listing, ".", request->node, 1, FALSE))
        return FALSE;
    return request->offset >= 2 ||
           add_entry(listing, "..", view->parent(request->fs, request->node), 2, FALSE);
}

static CacheAnswer add_children(Listing *listing)
{
    FsRequest *request = listing->request;
    const FsView *view = fs_view(request->node.kind);
    guint64 cookie = request->offset > 2 ? (guint64)request->offset : 0;
    FsEntry entry;
    CacheAnswer answer;

    for (;; cookie = entry.cookie) {
        answer = view->next(request, request->node, cookie, &entry);
        if (answer != CACHE_FOUND)
            return answer;
        if (!add_entry(listing, entry.name, entry.node, (off_t)entry.cookie, TRUE))
            return CACHE_FOUND;
    }
}

/* One page. */
static CacheAnswer fill(Listing *listing)
{
    return add_dots(listing) ? add_children(listing) : CACHE_FOUND;
}

static void list(FsRequest *request, gboolean plus)
{
    g_autofree char *bytes = NULL;
    Listing listing = {.request = request, .plus = plus};
    CacheAnswer answer;

    if (is_no_dir(request))
        return;
    expect_reads(request);
    request->size = MIN(request->size, LISTING_MAX);
    listing.bytes = bytes = g_malloc(request->size);
    answer = fill(&listing);
    /* What is here is told before the rest is waited for. */
    if (listing.len || answer == CACHE_FOUND || answer == CACHE_ABSENT) {
        g_clear_error(&request->error);
        fs_answer_bytes(request, bytes, listing.len);
    } else {
        fs_conclude(request, answer, ESTALE);
    }
}

static void run_readdir(FsRequest *request)
{
    list(request, FALSE);
}

static void run_readdirplus(FsRequest *request)
{
    list(request, TRUE);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                       struct fuse_file_info *fi)
{
    fs_request_start(req, "readdir", run_readdir, ino, NULL, size, offset, NULL);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                           struct fuse_file_info *fi)
{
    fs_request_start(req, "readdir", run_readdirplus, ino, NULL, size, offset, NULL);
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

/* --- what would change something: not in this mount --- */

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int which,
                       struct fuse_file_info *fi)
{
    fuse_reply_err(req, EROFS);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
    fuse_reply_err(req, EROFS);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    fuse_reply_err(req, EROFS);
}

static void op_remove(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    fuse_reply_err(req, EROFS);
}

static void op_symlink(fuse_req_t req, const char *link, fuse_ino_t parent, const char *name)
{
    fuse_reply_err(req, EROFS);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
                      const char *new_name, unsigned int flags)
{
    fuse_reply_err(req, EROFS);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t new_parent, const char *new_name)
{
    fuse_reply_err(req, EROFS);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
                      struct fuse_file_info *fi)
{
    fuse_reply_err(req, EROFS);
}

/* Under -o ro the kernel opens without asking us, for writing too. */
static void op_write(fuse_req_t req, fuse_ino_t ino, const char *bytes, size_t size, off_t offset,
                     struct fuse_file_info *fi)
{
    fuse_reply_err(req, EROFS);
}

static void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
                         struct fuse_file_info *fi)
{
    fuse_reply_err(req, EROFS);
}

static void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
                        size_t size, int flags)
{
    fuse_reply_err(req, EROFS);
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
    .unlink = op_remove,
    .rmdir = op_remove,
    .symlink = op_symlink,
    .rename = op_rename,
    .link = op_link,
    .open = op_open,
    .read = op_read,
    .flush = op_flush,
    .release = op_release,
    .fsync = op_fsync,
    .opendir = op_opendir,
    .readdir = op_readdir,
    .readdirplus = op_readdirplus,
    .statfs = op_statfs,
    .setxattr = op_setxattr,
    .getxattr = op_getxattr,
    .listxattr = op_listxattr,
    .removexattr = op_remove,
    .create = op_create,
    .write = op_write,
    .fallocate = op_fallocate,
};

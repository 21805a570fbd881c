/* SPDX-License-Identifier: MIT */
/* fs/draft-calls.c - making files, opening them for writing, and what is written. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fs/changing.h"
#include "fs/drafts.h"

#define TRASH_NAME ".Trash" /* of file managers, which offer deletion where they cannot have it */

static gboolean answer_code(FsRequest *request, int code)
{
    if (code)
        fs_answer_error(request, code);
    return code != 0;
}

/* --- making --- */

/* What is wrong with the place, whatever the server allows. */
static int check_place(FsRequest *request, FsNode dir, const char *name)
{
    const CacheBox *box = fs_node_box(request->fs, dir);

    if (!fs_is_directory(dir))
        return ENOTDIR;
    if (request->fs->options.is_read_only || dir.kind != FS_KIND_BOX ||
        cache_is_spool(request->fs->cache))
        return EROFS;
    if (!box)
        return ESTALE;
    if (strlen(name) > FS_NAME_MAX)
        return ENAMETOOLONG;
    if (g_str_has_prefix(name, TRASH_NAME) || box->id == CACHE_ROOT || !box->wire ||
        box->attributes & CACHE_BOX_NOSELECT)
        return EPERM;
    return 0;
}

gboolean fs_may_come(FsRequest *request, FsNode dir, const char *name)
{
    CacheRights rights;
    CacheAnswer answer;

    if (answer_code(request, check_place(request, dir, name)))
        return FALSE;
    answer = cache_rights(request->fs->cache, dir.number, &rights, &request->want, &request->error);
    if (answer != CACHE_FOUND)
        fs_conclude(request, answer, ESTALE);
    else if (rights.is_read_only)
        fs_answer_error(request, EROFS);
    else if (!rights.may_insert)
        fs_answer_error(request, EACCES);
    else
        return TRUE;
    return FALSE;
}

void fs_draft_open(FsRequest *request, FsDraft *draft, struct fuse_file_info *fi)
{
    fi->fh = fs_draft_handle(draft);
    /* What is written is not what will be read, nor as long. */
    fi->direct_io = 1;
    if ((fi->flags & O_ACCMODE) != O_RDONLY) {
        draft->writer = fs_writer_of_thread(fuse_req_ctx(request->req)->pid);
        draft->ino = request->ino;
    }
    draft->n_open++;
}

static void answer_new(FsRequest *request, FsDraft *draft)
{
    FsNode node = {.kind = FS_KIND_NEW, .number = 1, .uid = draft->number};
    struct fuse_file_info fi = request->fi;
    struct fuse_entry_param entry;

    (void)fs_fill_entry(request, node, &entry);
    fs_draft_open(request, draft, &fi);
    draft->ino = entry.ino;
    fs_answer_create(request, &entry, &fi);
}

void fs_run_create(FsRequest *request)
{
    Fs *fs = request->fs;
    FsDraft *draft;
    FsNode there;
    CacheAnswer answer;

    if (!fs_may_come(request, request->node, request->name))
        return;
    answer = fs_find(request, request->node, request->name, &there);
    if (answer == CACHE_FOUND) {
        fs_answer_error(request, EEXIST);
        return;
    }
    if (answer != CACHE_ABSENT) {
        fs_conclude(request, answer, ENOENT);
        return;
    }
    if (answer_code(request, fs_drafts_are_full(fs) ? ENFILE : 0))
        return;
    draft = fs_draft_new(fs, &request->error);
    if (!draft) {
        fs_conclude(request, CACHE_FAILED, EIO);
        return;
    }
    fs_draft_rename(draft, request->node.number, request->name);
    (void)fs_aside_find(fs, draft->box, draft->name, &draft->generation, &draft->uid);
    answer_new(request, draft);
}

/* --- opening for writing --- */

static gboolean may_rewrite(FsRequest *request, guint32 generation)
{
    const CacheBox *box = cache_box_of_generation(request->fs->cache, generation);
    CacheRights rights;
    CacheAnswer answer;

    if (answer_code(request, box ? 0 : ESTALE))
        return FALSE;
    answer = cache_rights(request->fs->cache, box->id, &rights, &request->want, &request->error);
    if (answer != CACHE_FOUND)
        fs_conclude(request, answer, ESTALE);
    else if (rights.is_read_only)
        fs_answer_error(request, EROFS);
    else if (!rights.may_insert || !rights.may_remove)
        fs_answer_error(request, EACCES);
    else
        return TRUE;
    return FALSE;
}

/* A draft in place of the message, which it is at first. */
static FsDraft *rewrite(FsRequest *request, guint32 generation, guint32 uid, guint64 size)
{
    Fs *fs = request->fs;
    const CacheBox *box = cache_box_of_generation(fs->cache, generation);
    FsDraft *draft = fs_draft_new(fs, &request->error);
    char name[FS_MESSAGE_NAME];

    if (!draft)
        return NULL;
    if (!fs_message_name(fs, fs_box_view(FS_KIND_BOX), box->id, uid, name))
        g_snprintf(name, sizeof name, "u%u.eml", uid);
    fs_draft_rename(draft, box->id, name);
    draft->generation = draft->source_generation = generation;
    draft->uid = draft->source_uid = uid;
    draft->source_size = size;
    draft->is_rewrite = TRUE;
    if (request->node.kind == FS_KIND_NEW)
        fs_draft_lead(draft, request->node.uid);
    return draft;
}

/* NULL: the request waits or was answered. */
static FsDraft *open_message(FsRequest *request)
{
    Fs *fs = request->fs;
    guint32 generation, uid;
    guint64 size;
    FsDraft *draft;
    CacheAnswer answer = fs_find_message(request, request->node, &generation, &uid);

    if (answer == CACHE_FOUND && !may_rewrite(request, generation))
        return NULL;
    if (answer == CACHE_FOUND && (draft = fs_draft_of_message(fs, generation, uid)))
        return draft;
    if (answer == CACHE_FOUND)
        answer =
            cache_message_size(fs->cache, generation, uid, &size, &request->want, &request->error);
    if (answer == CACHE_FOUND && answer_code(request, fs_drafts_are_full(fs) ? ENFILE : 0))
        return NULL;
    draft = answer == CACHE_FOUND ? rewrite(request, generation, uid, size) : NULL;
    if (!draft)
        fs_conclude(request, answer == CACHE_FOUND ? CACHE_FAILED : answer, ESTALE);
    return draft;
}

static int resize(FsDraft *draft, guint64 size)
{
    if (size > FS_DRAFT_SIZE_MAX)
        return EFBIG;
    if (size == 0)
        draft->source_generation = draft->source_uid = 0;
    if (ftruncate(draft->fd, (off_t)size) < 0)
        return errno;
    fs_draft_touch(draft);
    return 0;
}

void fs_run_open_writing(FsRequest *request)
{
    struct fuse_file_info fi = request->fi;
    FsDraft *draft = fs_draft_of_node(request->fs, request->node);

    if (request->fs->options.is_read_only || !fs_is_mail(request->node)) {
        fs_answer_error(request, EROFS);
        return;
    }
    if (!draft)
        draft = open_message(request);
    if (!draft || fs_draft_holds(draft, request) ||
        (fi.flags & O_TRUNC && answer_code(request, resize(draft, 0))))
        return;
    fs_draft_open(request, draft, &fi);
    fs_answer_open(request, &fi);
}

static void run_released(FsRequest *request)
{
    FsDraft *draft = fs_draft_of_handle(request->fs, request->fi.fh);

    if (draft && draft->n_open == 0)
        fs_draft_send_released(request, draft);
    else
        fs_answer_error(request, 0);
}

void fs_run_release(FsRequest *request)
{
    FsDraft *draft = fs_draft_of_handle(request->fs, request->fi.fh);

    if (draft)
        draft->n_open--;
    request->run = run_released;
    run_released(request);
}

/* --- writing --- */

/* The draft of a handle, to be changed now: with all bytes, and nobody at work on it.  NULL: the
 * request waits or was answered. */
static FsDraft *get_ready(FsRequest *request, FsDraft *draft)
{
    CacheAnswer answer;

    if (!draft) {
        fs_answer_error(request, EBADF);
        return NULL;
    }
    if (fs_draft_holds(draft, request))
        return NULL;
    answer = fs_draft_load(request, draft);
    if (answer == CACHE_FOUND)
        return draft;
    if (!request->again_source)
        fs_conclude(request, answer, ESTALE);
    return NULL;
}

void fs_run_write(FsRequest *request)
{
    FsDraft *draft = get_ready(request, fs_draft_of_handle(request->fs, request->fi.fh));
    guint64 offset;
    gsize len;
    const void *bytes;
    ssize_t n;

    if (!draft)
        return;
    bytes = g_bytes_get_data(request->bytes, &len);
    /* Of where the end is, the kernel has only an idea. */
    offset = request->fi.flags & O_APPEND ? fs_draft_size(draft) : (guint64)request->offset;
    if (answer_code(request, offset > FS_DRAFT_SIZE_MAX - len ? EFBIG : 0))
        return;
    n = pwrite(draft->fd, bytes, len, (off_t)offset);
    if (answer_code(request, n < 0 ? errno : 0))
        return;
    fs_draft_touch(draft);
    fs_answer_written(request, (gsize)n);
}

/* --- attributes --- */

static void answer_attr(FsRequest *request)
{
    struct stat attr;
    CacheAnswer answer = fs_attr(request, request->node, &attr);

    attr.st_ino = request->ino;
    if (answer == CACHE_FOUND)
        fs_answer_attr(request, &attr, 0);
    else
        fs_conclude(request, answer, ESTALE);
}

/* Whether it is one of the files and directories whose attributes programs try to keep. */
static gboolean is_settable(const FsRequest *request)
{
    return fs_is_mail(request->node) || fs_is_changeable(request->node);
}

/* The change that has what the file holds: of @draft or, without one, what it is by now; or 0. */
static guint32 change_of(const FsRequest *request, const FsDraft *draft)
{
    if (draft)
        return draft->is_dirty ? 0 : draft->change;
    return request->node.kind == FS_KIND_NEW ? fs_draft_led(request->fs, request->node.uid) : 0;
}

static gboolean set_times(FsRequest *request, FsDraft *draft)
{
    gboolean is_now = (request->flags & FUSE_SET_ATTR_MTIME_NOW) != 0;
    gint64 date = is_now ? g_get_real_time() / G_USEC_PER_SEC : request->attr.st_mtim.tv_sec;

    if (!(request->flags & FUSE_SET_ATTR_MTIME))
        return TRUE;
    if (!cache_arrival_date(request->fs->cache, change_of(request, draft), date, &request->error))
        return FALSE;
    if (draft) {
        draft->has_date = !is_now;
        draft->date = date;
    }
    return TRUE;
}

/* Owner and mode are accepted and stay as they are, as are the times of what was sent: programs
 * that copy files would take it for an error. */
void fs_run_setattr(FsRequest *request)
{
    gboolean is_resize = (request->flags & FUSE_SET_ATTR_SIZE) != 0;
    FsDraft *draft = fs_draft_of_handle(request->fs, request->fi.fh);

    if (!draft)
        draft = fs_draft_of_node(request->fs, request->node);
    if (request->fs->options.is_read_only || !is_settable(request)) {
        fs_answer_error(request, EROFS);
        return;
    }
    /* Without a handle nothing would say when it is over. */
    if (is_resize && !draft) {
        fs_answer_error(request, cache_is_spool(request->fs->cache) ? EROFS : EPERM);
        return;
    }
    if (fs_is_directory(request->node) && !fs_touch(request))
        return;
    if (is_resize && request->attr.st_size > 0 && !get_ready(request, draft))
        return;
    if (is_resize && fs_draft_holds(draft, request))
        return;
    if (is_resize && answer_code(request, resize(draft, (guint64)request->attr.st_size)))
        return;
    if (set_times(request, draft))
        answer_attr(request);
    else
        fs_conclude(request, CACHE_FAILED, EIO);
}

/* --- copying within the account --- */

/* Whether the message, as a whole, is to be the whole of the draft. */
static gboolean is_whole(const FsRequest *request, const FsDraft *draft, guint64 size)
{
    return request->offset == 0 && request->to_offset == 0 && request->size >= size && size > 0 &&
           size <= FS_DRAFT_SIZE_MAX && fs_draft_size(draft) == 0;
}

void fs_run_copy_file_range(FsRequest *request)
{
    Fs *fs = request->fs;
    FsDraft *draft = fs_draft_of_handle(fs, request->fi.fh);
    guint32 generation, uid;
    guint64 size;
    CacheAnswer answer;

    if (answer_code(request, cache_is_spool(fs->cache) ? EROFS : 0))
        return;
    /* The kernel reads and writes instead. */
    if (answer_code(request,
                    !draft || !fs_is_mail(request->node) || fs_draft_of_node(fs, request->node)
                        ? EOPNOTSUPP
                        : 0))
        return;
    if (fs_draft_holds(draft, request))
        return;
    answer = fs_find_message(request, request->node, &generation, &uid);
    if (answer == CACHE_FOUND)
        answer =
            cache_message_size(fs->cache, generation, uid, &size, &request->want, &request->error);
    if (answer == CACHE_WAIT) {
        fs_conclude(request, answer, 0);
        return;
    }
    if (answer_code(request,
                    answer == CACHE_FOUND && is_whole(request, draft, size) ? 0 : EOPNOTSUPP))
        return;
    draft->source_generation = generation;
    draft->source_uid = uid;
    draft->source_size = size;
    draft->n_loaded = 0;
    fs_draft_touch(draft);
    fs_answer_written(request, size);
}

/* --- removing --- */

void fs_run_unlink_draft(FsRequest *request, guint32 number)
{
    FsDraft *draft = fs_draft_of_number(request->fs, number);

    if (answer_code(request, draft ? 0 : ENOENT))
        return;
    g_clear_pointer(&draft->name, g_free);
    fs_draft_drop_if_over(draft);
    fs_answer_error(request, 0);
}

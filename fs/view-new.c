/* SPDX-License-Identifier: MIT */
/* fs/view-new.c - a file that is no message yet: a draft, or what is on its way to its mailbox. */
#include <errno.h>
#include <unistd.h>

#include "fs/drafts.h"

/* The message that the arrival is by now.  ABSENT: it is only here, as data; *ret_change says
 * which, or is NULL when it is gone. */
static CacheAnswer find_message(FsRequest *request, guint32 id, FsNode *ret_node,
                                const CacheChange **ret_change)
{
    Cache *cache = request->fs->cache;
    FsNode node = {.kind = FS_KIND_MESSAGE};
    const CacheChange *change = cache_change(cache, id), *next;
    guint32 next_id;
    CacheAnswer answer =
        cache_arrival_message(cache, id, &node.number, &node.uid, &request->want, &request->error);

    *ret_change = NULL;
    if (answer == CACHE_ABSENT && change && change->kind == CACHE_CHANGE_APPEND && !change->is_done)
        *ret_change = change;
    if (answer != CACHE_FOUND)
        return answer;
    /* It may have been written anew. */
    if (cache_forward(cache, &node.number, &node.uid, &next_id) && next_id > id) {
        next = cache_change(cache, next_id);
        if (next && next->kind == CACHE_CHANGE_APPEND && !next->is_done) {
            *ret_change = next;
            return CACHE_ABSENT;
        }
    }
    *ret_node = node;
    return CACHE_FOUND;
}

/* --- attributes --- */

/* When it was made is not noted: about then, its mailbox was changed. */
static gint64 date_of(Fs *fs, const CacheChange *change)
{
    const CacheBox *box = cache_box(fs->cache, change->target);

    if (change->date != G_MININT64)
        return change->date;
    return box ? box->changed / G_USEC_PER_SEC : 0;
}

void fs_draft_attr(const FsDraft *draft, struct stat *attr)
{
    struct stat file = {0};

    (void)fstat(draft->fd, &file);
    attr->st_nlink = draft->name ? 1 : 0;
    attr->st_size = (off_t)fs_draft_size(draft);
    attr->st_mtime = draft->has_date ? draft->date : file.st_mtime;
    attr->st_ctime = attr->st_atime = attr->st_mtime;
}

static CacheAnswer new_attr(FsRequest *request, FsNode node, struct stat *attr)
{
    const FsDraft *draft = fs_draft_of_node(request->fs, node);
    const CacheChange *change;
    CacheAnswer answer;
    FsNode message;

    if (draft) {
        fs_draft_attr(draft, attr);
        return CACHE_FOUND;
    }
    answer = find_message(request, fs_draft_led(request->fs, node.uid), &message, &change);
    if (answer == CACHE_FOUND)
        return fs_view_message.attr(request, message, attr);
    if (answer != CACHE_ABSENT || !change)
        return answer;
    attr->st_nlink = 1;
    attr->st_size = (off_t)change->size;
    attr->st_mtime = attr->st_ctime = attr->st_atime = date_of(request->fs, change);
    return CACHE_FOUND;
}

static FsNode new_parent(Fs *fs, FsNode node)
{
    const FsDraft *draft = fs_draft_of_node(fs, node);
    const CacheBox *box = draft ? cache_box(fs->cache, draft->box) : fs_node_box(fs, node);

    return (FsNode){.kind = FS_KIND_BOX, .number = box ? box->id : CACHE_ROOT};
}

/* --- bytes --- */

CacheAnswer fs_draft_read(FsRequest *request, const FsDraft *draft, guint64 offset, gsize size,
                          GPtrArray *ret_slices)
{
    g_autofree guint8 *bytes = NULL;
    guint64 whole = fs_draft_size(draft);
    ssize_t n;

    if (draft->source_uid)
        return cache_read(draft->fs->cache, draft->source_generation, draft->source_uid, "", offset,
                          size, ret_slices, &request->want, &request->error);
    size = (gsize)MIN(size, whole - MIN(offset, whole));
    bytes = g_malloc(size);
    n = pread(draft->fd, bytes, size, (off_t)offset);
    if (n < 0) {
        fs_set_disk_error(&request->error, "read what was written", errno);
        return CACHE_FAILED;
    }
    if (n > 0)
        g_ptr_array_add(ret_slices, g_bytes_new_take(g_steal_pointer(&bytes), (gsize)n));
    return CACHE_FOUND;
}

FsDraft *fs_draft_of_reader(const FsRequest *request, FsNode node)
{
    FsDraft *draft = fs_draft_of_handle(request->fs, request->fi.fh);

    return draft ? draft : fs_draft_of_node(request->fs, node);
}

static CacheAnswer new_read(FsRequest *request, FsNode node, guint64 offset, gsize size,
                            GPtrArray *ret_slices)
{
    const FsDraft *draft = fs_draft_of_reader(request, node);
    const CacheChange *change;
    CacheAnswer answer;
    FsNode message;

    if (draft)
        return fs_draft_read(request, draft, offset, size, ret_slices);
    answer = find_message(request, fs_draft_led(request->fs, node.uid), &message, &change);
    if (answer == CACHE_FOUND)
        return fs_view_message.read(request, message, offset, size, ret_slices);
    if (answer != CACHE_ABSENT || !change)
        return answer;
    return cache_arrival_read(request->fs->cache, change->id, offset, size, ret_slices,
                              &request->error)
               ? CACHE_FOUND
               : CACHE_FAILED;
}

static void new_open(FsRequest *request, struct fuse_file_info *fi)
{
    FsDraft *draft = fs_draft_of_node(request->fs, request->node);

    if (draft)
        fs_draft_open(request, draft, fi);
}

const FsView fs_view_new = {
    .mode = S_IFREG | 0400,
    .parent = new_parent,
    .attr = new_attr,
    .open = new_open,
    .read = new_read,
};

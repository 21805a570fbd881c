/* SPDX-License-Identifier: MIT */
/* fs/view-message.c - a message as the file that came by mail. */
#include "fs/drafts.h"

gboolean fs_message_times(Fs *fs, FsNode node, struct stat *attr)
{
    CacheMessage message;

    if (!fs_node_message(fs, node, &message))
        return FALSE;
    attr->st_nlink = 1;
    attr->st_mtime = attr->st_ctime = attr->st_atime = message.date;
    return TRUE;
}

gboolean fs_has_message(Fs *fs, FsNode node)
{
    return cache_has(fs->cache, node.number, node.uid, "", 0, G_MAXSIZE);
}

void fs_open_kept(FsRequest *request, struct fuse_file_info *fi)
{
    fi->keep_cache = 1;
}

/* One that is being written is read as it is at that moment. */
static void message_open(FsRequest *request, struct fuse_file_info *fi)
{
    if (fs_draft_of_node(request->fs, request->node))
        fi->direct_io = 1;
    else if (!fs_once_open(request, fi))
        fs_open_kept(request, fi);
}

static CacheAnswer message_attr(FsRequest *request, FsNode node, struct stat *attr)
{
    const FsDraft *draft = fs_draft_of_node(request->fs, node);
    guint64 size;
    CacheAnswer answer;

    if (draft) {
        fs_draft_attr(draft, attr);
        return CACHE_FOUND;
    }
    if (!fs_message_times(request->fs, node, attr))
        return CACHE_ABSENT;
    answer = cache_message_size(request->fs->cache, node.number, node.uid, &size, &request->want,
                                &request->error);
    if (answer == CACHE_FOUND)
        attr->st_size = (off_t)size;
    return answer;
}

static gboolean message_knows_attr(Fs *fs, FsNode node)
{
    return fs_draft_of_node(fs, node) || cache_size_is_known(fs->cache, node.number, node.uid);
}

static guint64 message_size_told(Fs *fs, FsNode node)
{
    CacheMessage message;

    return !fs_draft_of_node(fs, node) && fs_node_message(fs, node, &message) ? message.size
                                                                              : G_MAXUINT64;
}

static CacheAnswer message_read(FsRequest *request, FsNode node, guint64 offset, gsize size,
                                GPtrArray *ret_slices)
{
    const FsDraft *draft = fs_draft_of_reader(request, node);
    CacheAnswer answer;

    if (draft)
        return fs_draft_read(request, draft, offset, size, ret_slices);
    answer = cache_read(request->fs->cache, node.number, node.uid, "", offset, size, ret_slices,
                        &request->want, &request->error);
    if (answer == CACHE_FOUND)
        fs_once_read(request, offset, size, ret_slices);
    return answer;
}

static gboolean message_is_here(Fs *fs, FsNode node, guint64 offset, gsize size)
{
    return fs_draft_of_node(fs, node) ||
           cache_has(fs->cache, node.number, node.uid, "", offset, size);
}

const FsView fs_view_message = {
    .mode = S_IFREG | 0400,
    .timeout = FS_LONG,
    .parent = fs_message_parent,
    .attr = message_attr,
    .knows_attr = message_knows_attr,
    .size_told = message_size_told,
    .open = message_open,
    .read = message_read,
    .is_here = message_is_here,
};

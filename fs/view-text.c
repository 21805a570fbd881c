/* SPDX-License-Identifier: MIT */
/* fs/view-text.c - a message as text to read: see fs/maker.h for what is in it. */
#include "fs/maker.h"
#include "fs/views.h"

static CacheAnswer text_attr(FsRequest *request, FsNode node, struct stat *attr)
{
    guint64 size;
    CacheAnswer answer;

    if (!fs_message_times(request->fs, node, attr))
        return CACHE_ABSENT;
    answer = cache_section_size(request->fs->cache, node.number, node.uid, FS_SECTION_TEXT, &size,
                                &request->want, &request->error);
    if (answer == CACHE_FOUND)
        attr->st_size = (off_t)size;
    return answer;
}

static gboolean text_knows_attr(Fs *fs, FsNode node)
{
    return cache_has(fs->cache, node.number, node.uid, FS_SECTION_TEXT, 0, 1);
}

static CacheAnswer text_read(FsRequest *request, FsNode node, guint64 offset, gsize size,
                             GPtrArray *ret_slices)
{
    return cache_read(request->fs->cache, node.number, node.uid, FS_SECTION_TEXT, offset, size,
                      ret_slices, &request->want, &request->error);
}

static gboolean text_is_here(Fs *fs, FsNode node, guint64 offset, gsize size)
{
    return cache_has(fs->cache, node.number, node.uid, FS_SECTION_TEXT, offset, size) ||
           fs_has_message(fs, node);
}

const FsView fs_view_text = {
    .mode = S_IFREG | 0400,
    .timeout = FS_LONG,
    .parent = fs_message_parent,
    .attr = text_attr,
    .knows_attr = text_knows_attr,
    .is_listed_unsized = TRUE,
    .open = fs_open_kept,
    .read = text_read,
    .is_here = text_is_here,
};

/* SPDX-License-Identifier: MIT */
/* fs/view-control.c - .mailfs: the other views, and the state as text. */
#include <string.h>

#include "fs/views.h"

/* --- the directory --- */

/* The @nth of what there is; FALSE behind the last. */
static gboolean get_control(const Fs *fs, guint64 nth, FsNode *ret_node, const char **ret_name)
{
    for (gsize i = 0; i < FS_N_BOX_VIEWS; i++) {
        const FsBoxView *view = &fs_box_views[i];

        /* A directory has one place: that of the root is not here. */
        if (view->box == fs->options.root || nth-- > 0)
            continue;
        *ret_node = (FsNode){.kind = view->box};
        *ret_name = view->name;
        return TRUE;
    }
    *ret_node = (FsNode){.kind = nth == 0 ? FS_KIND_LOST : FS_KIND_STATUS};
    *ret_name = nth == 0 ? FS_LOST_NAME : FS_STATUS_NAME;
    return nth <= 1;
}

static CacheAnswer control_lookup(FsRequest *request, FsNode dir, const char *name,
                                  FsNode *ret_child)
{
    const char *there;
    FsNode node;

    for (guint i = 0; get_control(request->fs, i, &node, &there); i++)
        if (g_str_equal(there, name)) {
            *ret_child = node;
            return CACHE_FOUND;
        }
    return CACHE_ABSENT;
}

static CacheAnswer control_next(FsRequest *request, FsNode dir, guint64 cookie, FsEntry *ret_entry)
{
    /* "." and ".." have 1 and 2. */
    guint64 nth = cookie > 2 ? cookie - 2 : 0;
    const char *name;

    if (!get_control(request->fs, nth, &ret_entry->node, &name))
        return CACHE_ABSENT;
    ret_entry->cookie = nth + 3;
    g_strlcpy(ret_entry->name, name, sizeof ret_entry->name);
    return CACHE_FOUND;
}

static FsNode control_parent(Fs *fs, FsNode node)
{
    return node.kind == FS_KIND_STATUS ? (FsNode){.kind = FS_KIND_CONTROL} : fs_root(fs);
}

static CacheAnswer control_attr(FsRequest *request, FsNode node, struct stat *attr)
{
    attr->st_nlink = 2 + FS_N_BOX_VIEWS - 1 + 1;
    attr->st_mtime = attr->st_ctime = attr->st_atime = g_get_real_time() / G_USEC_PER_SEC;
    return CACHE_FOUND;
}

const FsView fs_view_control = {
    .mode = S_IFDIR | 0500,
    .lookup = control_lookup,
    .next = control_next,
    .parent = control_parent,
    .attr = control_attr,
};

/* --- status --- */

static CacheAnswer status_attr(FsRequest *request, FsNode node, struct stat *attr)
{
    Fs *fs = request->fs;
    gint64 now = g_get_real_time();

    g_clear_pointer(&fs->status, g_bytes_unref);
    fs->status = fs_status_text(fs);
    attr->st_nlink = 1;
    attr->st_size = (off_t)g_bytes_get_size(fs->status);
    /* A new time each time, so that the kernel drops the pages of the last look. */
    attr->st_mtim = (struct timespec){now / G_USEC_PER_SEC, (now % G_USEC_PER_SEC) * 1000};
    attr->st_ctim = attr->st_atim = attr->st_mtim;
    return CACHE_FOUND;
}

/* Each reader gets one text from beginning to end, whatever size was told meanwhile. */
static void status_open(FsRequest *request, struct fuse_file_info *fi)
{
    Fs *fs = request->fs;

    fi->fh = ++fs->last_handle;
    fi->direct_io = 1;
    g_hash_table_insert(fs->opened, GSIZE_TO_POINTER(fi->fh), fs_status_text(fs));
}

static CacheAnswer status_read(FsRequest *request, FsNode node, guint64 offset, gsize size,
                               GPtrArray *ret_slices)
{
    GBytes *text = g_hash_table_lookup(request->fs->opened, GSIZE_TO_POINTER(request->fi.fh));
    gsize len;

    /* Under -o ro nobody opens. */
    if (!text)
        text = request->fs->status;
    len = text ? g_bytes_get_size(text) : 0;
    if (offset < len)
        g_ptr_array_add(ret_slices, g_bytes_new_from_bytes(text, offset, MIN(size, len - offset)));
    return CACHE_FOUND;
}

const FsView fs_view_status = {
    .mode = S_IFREG | 0400,
    .parent = control_parent,
    .attr = status_attr,
    .open = status_open,
    .read = status_read,
};

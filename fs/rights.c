/* SPDX-License-Identifier: MIT */
/* fs/rights.c - what may be written: mode bits and access(). */
#include <errno.h>
#include <unistd.h>

#include "fs/changing.h"

gboolean fs_is_changeable(FsNode dir)
{
    return dir.kind == FS_KIND_BOX || dir.kind == FS_KIND_UID_BOX;
}

/* Whether the mailbox can be changed in any way. */
static gboolean is_box_writable(Fs *fs, FsNode node)
{
    const CacheBox *box = fs_node_box(fs, node);
    CacheRights rights;

    if (!box)
        return FALSE;
    cache_known_rights(fs->cache, box->id, &rights);
    return !rights.is_read_only;
}

gboolean fs_is_writable(Fs *fs, FsNode node)
{
    if (fs->options.is_read_only)
        return FALSE;
    switch (node.kind) {
    case FS_KIND_BOX:
    case FS_KIND_UID_BOX:
    case FS_KIND_MESSAGE:
    case FS_KIND_ALIAS:
    case FS_KIND_UID_MESSAGE: return is_box_writable(fs, node);
    case FS_KIND_NEW:
    case FS_KIND_LOST: return TRUE;
    default: return FALSE;
    }
}

void fs_run_access(FsRequest *request)
{
    gboolean is_refused = request->flags & W_OK && !fs_is_writable(request->fs, request->node);

    fs_answer_error(request, is_refused ? EROFS : 0);
}

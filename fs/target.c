/* SPDX-License-Identifier: MIT */
/* fs/target.c - what a call that changes something is about. */
#include "fs/changing.h"

CacheAnswer fs_find(FsRequest *request, FsNode dir, const char *name, FsNode *ret_node)
{
    const FsView *view = fs_view(dir.kind);

    return view->lookup ? view->lookup(request, dir, name, ret_node) : CACHE_ABSENT;
}

gboolean fs_is_directory(FsNode node)
{
    return S_ISDIR(fs_view(node.kind)->mode);
}

gboolean fs_is_mail(FsNode node)
{
    return node.kind == FS_KIND_MESSAGE || node.kind == FS_KIND_ALIAS ||
           node.kind == FS_KIND_UID_MESSAGE || node.kind == FS_KIND_NEW;
}

CacheAnswer fs_find_message(FsRequest *request, FsNode node, guint32 *ret_generation,
                            guint32 *ret_uid)
{
    CacheAnswer answer;

    if (node.kind != FS_KIND_NEW) {
        *ret_generation = node.number;
        *ret_uid = node.uid;
        return CACHE_FOUND;
    }
    answer = fs_settle(request, node.uid);
    if (answer != CACHE_FOUND)
        return answer;
    return cache_arrival_message(request->fs->cache, node.uid, ret_generation, ret_uid,
                                 &request->want, &request->error);
}

/* SPDX-License-Identifier: MIT */
/* fs/remove.c - unlink(): by policy to the trash, marked, or for good. */
#include <errno.h>

#include "fs/changing.h"
#include "fs/writing.h"

/* The one nearest to the root, or 0: others may be somebody else's, who shares them with us. */
static guint32 find_nearest_trash(Cache *cache)
{
    g_autoptr(GArray) parents = g_array_new(FALSE, FALSE, sizeof(guint32));
    guint32 root = CACHE_ROOT;

    g_array_append_val(parents, root);
    for (guint i = 0; i < parents->len; i++) {
        guint32 parent = g_array_index(parents, guint32, i);
        const CacheBox *child = NULL;

        while ((child = cache_box_next_child(cache, parent, child ? child->id : 0))) {
            if (child->attributes & CACHE_BOX_TRASH)
                return child->id;
            g_array_append_val(parents, child->id);
        }
    }
    return 0;
}

static guint32 find_trash(Fs *fs)
{
    const CacheBox *last = fs->trash ? cache_box(fs->cache, fs->trash) : NULL;

    if (!last || !(last->attributes & CACHE_BOX_TRASH))
        fs->trash = find_nearest_trash(fs->cache);
    return fs->trash;
}

static CacheAnswer move_to(FsRequest *request, guint32 trash, guint32 box, guint32 generation,
                           guint32 uid)
{
    char name[FS_MESSAGE_NAME];

    if (!fs_message_name(request->fs, fs_box_view(FS_KIND_BOX), box, uid, name))
        return CACHE_ABSENT;
    return cache_change_move(request->fs->cache, generation, uid, trash, name, &request->change,
                             &request->want, &request->error);
}

static CacheAnswer remove_message(FsRequest *request, guint32 generation, guint32 uid)
{
    Fs *fs = request->fs;
    const CacheBox *box = cache_box_of_generation(fs->cache, generation);
    FsDelete deletes = fs->options.deletes;
    guint32 trash = find_trash(fs);

    if (!box)
        return CACHE_ABSENT;
    /* Who keeps a spool keeps what is removed from it, too. */
    if (deletes == FS_DELETE_EXPUNGE || box->id == trash || cache_is_spool(fs->cache) ||
        fs_aside_has_successor(fs, generation, uid))
        return cache_change_expunge(fs->cache, generation, uid, &request->change, &request->want,
                                    &request->error);
    if (deletes == FS_DELETE_TRASH && trash)
        return move_to(request, trash, box->id, generation, uid);
    return cache_change_flags(fs->cache, generation, uid, MAIL_FLAG_DELETED, 0, &request->change,
                              &request->want, &request->error);
}

/* Whether a backup is all that is left of a message: what was written in its place has replaced it,
 * or will.  Not where it stays until the backup goes. */
static gboolean is_replaced(Fs *fs, const CacheBox *box, const char *before, guint32 generation,
                            guint32 uid)
{
    FsNode draft;
    guint32 id;

    return !fs_aside_has_successor(fs, generation, uid) &&
           (fs_draft_find(fs, box->id, before, &draft) ||
            cache_forward(fs->cache, &generation, &uid, &id));
}

/* A message, which may be set aside. */
static void unlink_message(FsRequest *request, FsNode node)
{
    Fs *fs = request->fs;
    const char *before = NULL;
    guint32 generation, uid;
    CacheAnswer answer = fs_find_message(request, node, &generation, &uid);
    const CacheBox *box =
        answer == CACHE_FOUND ? cache_box_of_generation(fs->cache, generation) : NULL;
    gboolean is_aside = box && fs_aside_name(fs, generation, uid, &before);

    if (answer == CACHE_FOUND && !(is_aside && is_replaced(fs, box, before, generation, uid)))
        answer = remove_message(request, generation, uid);
    if (answer == CACHE_FOUND) {
        fs_aside_remove(fs, generation, uid);
        fs_drafts_unname(fs, generation, uid);
        fs_answer_changed(request);
    } else {
        fs_conclude(request, answer, ENOENT);
    }
}

static void unlink_node(FsRequest *request, FsNode node)
{
    FsNode draft;

    if (fs_is_directory(node)) {
        fs_answer_error(request, EISDIR);
    } else if (node.kind == FS_KIND_LOST_FILE) {
        fs_run_unlink_lost(request, node);
    } else if (node.kind == FS_KIND_NEW &&
               fs_draft_find(request->fs, request->node.number, request->name, &draft)) {
        fs_run_unlink_draft(request, draft.uid);
    } else if (fs_is_mail(node)) {
        unlink_message(request, node);
    } else {
        fs_answer_error(request, EROFS);
    }
}

void fs_run_unlink(FsRequest *request)
{
    CacheAnswer answer;
    FsNode node;

    if (request->change) {
        fs_answer_changed(request);
        return;
    }
    if (!fs_is_writable(request->fs, request->node)) {
        fs_answer_error(request, EROFS);
        return;
    }
    answer = fs_find(request, request->node, request->name, &node);
    if (answer == CACHE_FOUND)
        unlink_node(request, node);
    else
        fs_conclude(request, answer, ENOENT);
}

/* SPDX-License-Identifier: MIT */
/* fs/settle.c - waiting until the server has taken what was changed. */
#include <errno.h>

#include "fs/changing.h"

static gboolean is_over(FsRequest *request, guint32 id)
{
    const CacheChange *change = cache_change(request->fs->cache, id);

    return !change || change->is_done;
}

static gboolean is_offline(FsRequest *request)
{
    return cache_state(request->fs->cache) == CACHE_OFFLINE;
}

CacheAnswer fs_settle(FsRequest *request, guint32 id)
{
    request->may_fail = !is_over(request, id);
    /* Its end says more than what it waited for. */
    if (!request->may_fail)
        g_clear_error(&request->missed);
    /* A connection that was lost meanwhile is another matter: there may be a new one. */
    if (request->missed && !is_offline(request)) {
        g_propagate_error(&request->error, g_steal_pointer(&request->missed));
        return CACHE_FAILED;
    }
    return cache_change_settled(request->fs->cache, id, &request->want, &request->error);
}

/* The same where it is enough, offline or for who has given up, that the change will not be lost.
 */
static CacheAnswer settle_or_sync(FsRequest *request, guint32 id)
{
    if (!fs_is_hurried(request)) {
        CacheAnswer answer = fs_settle(request, id);

        if (answer != CACHE_FAILED || is_over(request, id) || !is_offline(request))
            return answer;
        g_clear_error(&request->error);
    }
    return cache_change_is_synced(request->fs->cache, id, &request->want, &request->error);
}

static gboolean is_of_mailbox(const CacheChange *change)
{
    return change->kind == CACHE_CHANGE_CREATE || change->kind == CACHE_CHANGE_DELETE ||
           change->kind == CACHE_CHANGE_RENAME;
}

void fs_answer_changed(FsRequest *request)
{
    const CacheChange *change = cache_change(request->fs->cache, request->change);
    CacheAnswer answer = CACHE_FOUND;

    if (change && is_of_mailbox(change))
        answer = fs_settle(request, change->id);
    else if (change && request->fs->options.waits == FS_WAITS_ALWAYS)
        answer = settle_or_sync(request, request->change);
    if (answer == CACHE_FOUND)
        fs_answer_error(request, 0);
    else
        fs_conclude(request, answer, EIO);
}

/* Only for what was changed before the call: others may go on changing. */
static CacheAnswer settle_box(FsRequest *request, guint32 box)
{
    Cache *cache = request->fs->cache;

    /* What was refused is told below, whichever change of the mailbox it was. */
    if (is_over(request, request->change))
        g_clear_error(&request->missed);
    request->change = cache_box_unsettled(cache, box, request->until);
    if (request->n_runs == 0)
        request->until = request->change;
    if (!request->change)
        return CACHE_FOUND;
    if (request->fs->options.waits == FS_WAITS_FOR_DISK || request->fs->options.is_read_only)
        return cache_change_is_synced(cache, request->change, &request->want, &request->error);
    return settle_or_sync(request, request->change);
}

void fs_run_fsyncdir(FsRequest *request)
{
    guint32 box = request->node.number;
    CacheAnswer answer = fs_is_changeable(request->node) ? settle_box(request, box) : CACHE_FOUND;

    if (answer == CACHE_FOUND && fs_is_changeable(request->node)) {
        request->error = cache_box_take_refusal(request->fs->cache, box);
        answer = request->error ? CACHE_FAILED : CACHE_FOUND;
    }
    if (answer == CACHE_FOUND)
        fs_answer_error(request, 0);
    else
        fs_conclude(request, answer, EIO);
}

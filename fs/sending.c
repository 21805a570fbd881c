/* SPDX-License-Identifier: MIT */
/* fs/sending.c - how a draft becomes a message: when it is closed, synced or gets its name. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "fs/changing.h"
#include "fs/drafts.h"

/* Those flags that have a letter in a name. */
#define LETTERED (mail_flag_keyword(26) - 1)

/* Where it will be, and in place of which message, if any. */
typedef struct {
    guint32 box;
    const char *name;
    guint32 generation, uid;
} Place;

static Place place_of(const FsDraft *draft)
{
    return (Place){draft->box, draft->name, draft->generation, draft->uid};
}

/* --- steps: TRUE to go on; else the request waits, or was answered --- */

static gboolean go_on(FsRequest *request, CacheAnswer answer)
{
    if (answer != CACHE_FOUND)
        fs_conclude(request, answer, ESTALE);
    return answer == CACHE_FOUND;
}

static gboolean is_over(const FsRequest *request, guint32 id)
{
    const CacheChange *change = cache_change(request->fs->cache, id);

    return !change || change->is_done;
}

/* The message that it became before, unless that is no more; else the one that is named already, or
 * that an editor has set aside. */
static CacheAnswer find_replaced(FsRequest *request, FsDraft *draft, Place *place)
{
    Fs *fs = request->fs;
    CacheAnswer answer = CACHE_ABSENT;

    if (draft->change)
        answer = fs_settle(request, draft->change);
    if (answer == CACHE_FAILED && is_over(request, draft->change)) {
        g_clear_error(&request->error);
        fs_draft_came_back(draft, draft->change);
        answer = CACHE_ABSENT;
    }
    if (answer == CACHE_FOUND)
        answer = cache_arrival_message(fs->cache, draft->change, &place->generation, &place->uid,
                                       &request->want, &request->error);
    if (answer == CACHE_ABSENT && !place->uid)
        (void)fs_aside_find(fs, place->box, place->name, &place->generation, &place->uid);
    return answer == CACHE_ABSENT ? CACHE_FOUND : answer;
}

static gboolean prepare(FsRequest *request, FsDraft *draft)
{
    if (!draft->is_ready && !draft->error) {
        if (fs_outgoing_start(draft, &request->error))
            (void)fs_draft_holds(draft, request);
        else
            fs_conclude(request, CACHE_FAILED, EIO);
        return FALSE;
    }
    if (draft->error) {
        request->error = g_error_copy(draft->error);
        fs_conclude(request, CACHE_FAILED, EIO);
        return FALSE;
    }
    return TRUE;
}

static CacheAnswer append(FsRequest *request, const FsDraft *draft, const Place *place)
{
    Cache *cache = request->fs->cache;
    gint64 date = draft->has_date ? draft->date : G_MININT64;
    CacheMessage replaced;
    FsGivenName given;

    fs_names_given(place->name, &given);
    if (place->uid && cache_get_message(cache, place->generation, place->uid, &replaced)) {
        given.flags = replaced.flags;
        date = draft->has_date ? draft->date : replaced.date;
    }
    return cache_change_append(cache, draft->next, place->box, place->name, given.flags, date,
                               place->generation, place->uid, &request->want, &request->error);
}

static CacheAnswer append_or_replace(FsRequest *request, const FsDraft *draft, Place *place)
{
    CacheAnswer answer = append(request, draft, place);

    /* Somebody has removed it: what was written is a message all the same. */
    if (answer == CACHE_ABSENT && place->uid) {
        place->generation = place->uid = 0;
        answer = append(request, draft, place);
    }
    return answer;
}

static CacheAnswer copy(FsRequest *request, FsDraft *draft, const Place *place)
{
    if (!fs_draft_number_next(draft, &request->error))
        return CACHE_FAILED;
    return cache_change_copy(request->fs->cache, draft->source_generation, draft->source_uid,
                             place->box, place->name, draft->next, &request->want, &request->error);
}

/* What is closed and cannot be sent goes when it is released; what was to be renamed stays. */
static void note_failure(const FsRequest *request, FsDraft *draft, const Place *place)
{
    if (place->name != draft->name)
        return;
    g_clear_error(&draft->error);
    draft->error = g_error_copy(request->error);
}

static gboolean record(FsRequest *request, FsDraft *draft, Place *place)
{
    CacheAnswer answer = find_replaced(request, draft, place);
    gboolean is_copy = draft->source_uid && !place->uid;

    if (answer == CACHE_FOUND && !is_copy)
        answer = fs_draft_load(request, draft);
    if (!go_on(request, answer) || (!is_copy && !prepare(request, draft)))
        return FALSE;
    answer = is_copy ? copy(request, draft, place) : append_or_replace(request, draft, place);
    if (answer == CACHE_FAILED)
        note_failure(request, draft, place);
    if (!go_on(request, answer))
        return FALSE;
    fs_draft_became(draft);
    request->change = draft->change;
    return TRUE;
}

static gboolean is_copy(const FsRequest *request)
{
    const CacheChange *change = cache_change(request->fs->cache, request->change);

    return change && change->kind == CACHE_CHANGE_COPY;
}

/* The message that is to be copied, or the copy. */
static CacheAnswer get_copied(FsRequest *request, guint32 *ret_generation, guint32 *ret_uid,
                              MailFlags *ret_flags)
{
    Cache *cache = request->fs->cache;
    CacheMessage message;
    CacheAnswer answer = cache_arrival_message(cache, request->change, ret_generation, ret_uid,
                                               &request->want, &request->error);

    if (answer == CACHE_FOUND && !cache_get_message(cache, *ret_generation, *ret_uid, &message))
        answer = CACHE_ABSENT;
    if (answer == CACHE_FOUND)
        *ret_flags = message.flags;
    return answer;
}

/* A copy has the flags of its message: others that its name tells are set when it is there.  It is
 * a copy without them, too: only what the server says of the copy itself is an error. */
static CacheAnswer set_given_flags(FsRequest *request, const Place *place)
{
    guint32 generation, uid;
    MailFlags flags = 0;
    FsGivenName given;
    CacheAnswer answer;

    fs_names_given(place->name, &given);
    if (!given.has_flags || !is_copy(request))
        return CACHE_FOUND;
    answer = get_copied(request, &generation, &uid, &flags);
    if (answer == CACHE_FOUND && !((flags ^ given.flags) & LETTERED))
        return CACHE_FOUND;
    if (answer == CACHE_FOUND) {
        answer = fs_settle(request, request->change);
        if (answer == CACHE_FAILED && is_over(request, request->change))
            return CACHE_FAILED;
    }
    if (answer == CACHE_FOUND)
        answer = get_copied(request, &generation, &uid, &flags);
    if (answer == CACHE_FOUND)
        answer = cache_change_flags(request->fs->cache, generation, uid, given.flags & ~flags,
                                    flags & ~given.flags & LETTERED, NULL, &request->want,
                                    &request->error);
    g_clear_error(&request->error);
    return answer == CACHE_WAIT ? CACHE_WAIT : CACHE_FOUND;
}

/* Offline it is enough that the change will not be lost. */
static CacheAnswer wait_until_safe(FsRequest *request, gboolean is_lazy)
{
    Cache *cache = request->fs->cache;
    FsWaits waits = request->fs->options.waits;
    CacheAnswer answer;

    if (is_lazy && waits != FS_WAITS_ALWAYS)
        return CACHE_FOUND;
    answer = cache_change_is_synced(cache, request->change, &request->want, &request->error);
    if (answer != CACHE_FOUND || waits == FS_WAITS_FOR_DISK)
        return answer;
    answer = fs_settle(request, request->change);
    if (answer != CACHE_FAILED || is_over(request, request->change))
        return answer;
    g_clear_error(&request->error);
    return CACHE_FOUND;
}

/* --- closing, syncing --- */

static gboolean is_to_be_sent(const FsDraft *draft)
{
    return draft->name && !fs_draft_is_scratch(draft->name) && !fs_draft_is_blank(draft) &&
           (draft->is_dirty || draft->error);
}

/* A shell lends its file to one program after the other, and each closes it. */
static gboolean is_still_written(FsDraft *draft)
{
    guint64 inos[] = {
        draft->ino,
        fs_ino(draft->fs, (FsNode){.kind = FS_KIND_NEW, .number = 1, .uid = draft->number}),
    };

    return fs_writer_has_open(draft->writer, inos, G_N_ELEMENTS(inos));
}

/* @is_sync: fsync waits for copies, too. */
static void send_and_answer(FsRequest *request, FsDraft *draft, gboolean is_sync)
{
    Place place = place_of(draft);
    CacheAnswer answer;

    if (!request->change && !record(request, draft, &place))
        return;
    answer = set_given_flags(request, &place);
    if (answer == CACHE_FOUND)
        answer = wait_until_safe(request, is_copy(request) && !is_sync);
    if (answer == CACHE_FAILED && is_over(request, request->change)) {
        fs_draft_came_back(draft, request->change);
        g_clear_error(&draft->error);
        draft->error = g_error_copy(request->error);
    }
    if (go_on(request, answer))
        fs_answer_error(request, 0);
}

void fs_run_flush(FsRequest *request)
{
    FsDraft *draft = fs_draft_of_handle(request->fs, request->fi.fh);

    if (!draft)
        fs_answer_error(request, 0);
    else if (fs_draft_holds(draft, request))
        return;
    else if (request->change || (is_to_be_sent(draft) && !is_still_written(draft)))
        send_and_answer(request, draft, FALSE);
    else
        fs_answer_error(request, 0);
}

/* What is done to a message is done in its mailbox. */
static void sync_box(FsRequest *request)
{
    const FsView *view = fs_view(request->node.kind);
    FsNode dir = view->parent ? view->parent(request->fs, request->node) : request->node;

    request->ino = fs_ino(request->fs, dir);
    request->node = dir;
    request->run = fs_run_fsyncdir;
    fs_run_fsyncdir(request);
}

void fs_run_fsync(FsRequest *request)
{
    FsDraft *draft = fs_draft_of_handle(request->fs, request->fi.fh);

    if (!draft) {
        sync_box(request);
        return;
    }
    if (fs_draft_holds(draft, request))
        return;
    if (!request->change && !is_to_be_sent(draft))
        request->change = draft->change;
    if (request->change || is_to_be_sent(draft))
        send_and_answer(request, draft, TRUE);
    else
        fs_answer_error(request, 0);
}

/* Nobody hears of an error any more, so nobody waits for the server. */
void fs_draft_send_released(FsRequest *request, FsDraft *draft)
{
    Place place = place_of(draft);

    if (fs_draft_holds(draft, request))
        return;
    if (draft->is_dirty && !draft->error && is_to_be_sent(draft) && !record(request, draft, &place))
        return;
    fs_draft_drop_if_over(draft);
    fs_answer_error(request, 0);
}

/* --- renaming --- */

/* The message that has the new name, if any. */
static gboolean find_target(FsRequest *request, Place *place)
{
    FsNode target;
    CacheAnswer answer = fs_find(request, request->to, request->new_name, &target);

    if (answer == CACHE_ABSENT)
        return TRUE;
    if (!go_on(request, answer))
        return FALSE;
    if (fs_is_directory(target) || request->flags & RENAME_NOREPLACE) {
        fs_answer_error(request, fs_is_directory(target) ? EISDIR : EEXIST);
        return FALSE;
    }
    /* Another draft just loses its name. */
    return fs_draft_find(request->fs, place->box, place->name, &target) ||
           go_on(request, fs_find_message(request, target, &place->generation, &place->uid));
}

static void take_name(FsRequest *request, FsDraft *draft)
{
    guint32 box = request->to.number;
    FsNode other;
    FsDraft *loser = fs_draft_find(request->fs, box, request->new_name, &other)
                         ? fs_draft_of_number(request->fs, other.uid)
                         : NULL;

    if (loser && loser != draft) {
        g_clear_pointer(&loser->name, g_free);
        fs_draft_drop_if_over(loser);
    }
    fs_draft_rename(draft, box, request->new_name);
}

static void finish_rename(FsRequest *request, FsDraft *draft, const Place *place)
{
    CacheAnswer answer = CACHE_FOUND;

    if (request->change)
        answer = set_given_flags(request, place);
    if (request->change && answer == CACHE_FOUND)
        answer = wait_until_safe(request, is_copy(request));
    /* It keeps its old name, and the next one may do. */
    if (answer == CACHE_FAILED && is_over(request, request->change)) {
        fs_draft_came_back(draft, request->change);
        fs_draft_touch(draft);
    }
    if (!go_on(request, answer))
        return;
    take_name(request, draft);
    fs_draft_drop_if_over(draft);
    fs_answer_error(request, 0);
}

static void run_rename(FsRequest *request)
{
    FsDraft *draft = fs_draft_of_handle(request->fs, request->fi.fh);
    Place place = {.box = request->to.number, .name = request->new_name};

    if (!draft) {
        fs_answer_error(request, ENOENT);
        return;
    }
    if (fs_draft_holds(draft, request))
        return;
    if (!request->change) {
        if (!fs_may_come(request, request->to, request->new_name) || !find_target(request, &place))
            return;
        if (!fs_draft_is_scratch(request->new_name) && (place.uid || !fs_draft_is_blank(draft)) &&
            !record(request, draft, &place))
            return;
    }
    finish_rename(request, draft, &place);
}

void fs_run_rename_draft(FsRequest *request, guint32 number)
{
    FsDraft *draft = fs_draft_of_number(request->fs, number);

    if (!draft || request->flags & ~(unsigned)RENAME_NOREPLACE) {
        fs_answer_error(request, draft ? EINVAL : ENOENT);
        return;
    }
    request->fi.fh = fs_draft_handle(draft);
    request->run = run_rename;
    run_rename(request);
}

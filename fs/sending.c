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

static gboolean is_refused(const FsRequest *request, guint32 id)
{
    const CacheChange *change = cache_change(request->fs->cache, id);

    return change && change->is_refused;
}

/* A message that was moved elsewhere is not replaced. */
static void forget_moved(FsRequest *request, Place *place)
{
    Cache *cache = request->fs->cache;
    guint32 generation = place->generation, uid = place->uid, id;
    const CacheBox *box;

    (void)cache_forward(cache, &generation, &uid, &id);
    box = cache_box_of_generation(cache, generation);
    if (!box || box->id != place->box)
        place->generation = place->uid = 0;
}

/* The message that it became before, unless that is no more; else the one that is named already, or
 * that an editor has set aside. */
static CacheAnswer find_replaced(FsRequest *request, FsDraft *draft, Place *place)
{
    Fs *fs = request->fs;
    CacheAnswer answer = CACHE_ABSENT;

    if (draft->change)
        answer = fs_settle(request, draft->change);
    if (answer == CACHE_FAILED && is_refused(request, draft->change)) {
        g_clear_error(&request->error);
        fs_draft_came_back(draft, draft->change);
        answer = CACHE_ABSENT;
    }
    if (answer == CACHE_FOUND)
        answer = cache_arrival_message(fs->cache, draft->change, &place->generation, &place->uid,
                                       &request->want, &request->error);
    if (answer == CACHE_ABSENT && !place->uid)
        (void)fs_aside_find(fs, place->box, place->name, &place->generation, &place->uid);
    forget_moved(request, place);
    return answer == CACHE_ABSENT ? CACHE_FOUND : answer;
}

/* WAIT: for what is at work on @draft from then on. */
static CacheAnswer prepare(FsRequest *request, FsDraft *draft)
{
    if (!draft->is_ready && !draft->error)
        return fs_outgoing_start(draft, &request->error) ? CACHE_WAIT : CACHE_FAILED;
    if (draft->error)
        request->error = g_error_copy(draft->error);
    return draft->error ? CACHE_FAILED : CACHE_FOUND;
}

static CacheAnswer append(FsRequest *request, const FsDraft *draft, const Place *place)
{
    Cache *cache = request->fs->cache;
    gint64 date = draft->has_date ? draft->date : G_MININT64;
    CacheMessage replaced;
    FsGivenName given;
    CacheAnswer answer;
    /* An editor's backup is the old message until it is removed. */
    gboolean is_kept =
        place->uid && fs_aside_name(request->fs, place->generation, place->uid, NULL);

    fs_names_given(place->name, &given);
    if (place->uid && cache_get_message(cache, place->generation, place->uid, &replaced)) {
        given.flags = replaced.flags;
        date = draft->has_date ? draft->date : replaced.date;
    }
    answer = cache_change_append(cache, draft->next, place->box, place->name, given.flags, date,
                                 is_kept ? 0 : place->generation, is_kept ? 0 : place->uid,
                                 &request->want, &request->error);
    if (answer == CACHE_FOUND && is_kept)
        fs_aside_succeed(request->fs, place->generation, place->uid);
    return answer;
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

/* What it holds cannot be sent, and goes when it is released. */
static void set_failure(const FsRequest *request, FsDraft *draft)
{
    g_clear_error(&draft->error);
    draft->error = g_error_copy(request->error);
}

/* WAIT where the request runs again by itself, too. */
static CacheAnswer try_to_record(FsRequest *request, FsDraft *draft, Place *place)
{
    CacheAnswer answer = find_replaced(request, draft, place);
    gboolean is_copy = draft->source_uid && !place->uid;

    if (answer == CACHE_FOUND && !is_copy)
        answer = fs_draft_load(request, draft);
    if (answer == CACHE_FOUND && !is_copy)
        answer = prepare(request, draft);
    if (answer != CACHE_FOUND)
        return answer;
    answer = is_copy ? copy(request, draft, place) : append_or_replace(request, draft, place);
    /* What was to be renamed stays. */
    if (answer == CACHE_FAILED && place->name == draft->name)
        set_failure(request, draft);
    if (answer != CACHE_FOUND)
        return answer;
    fs_draft_became(draft);
    request->change = draft->change;
    return CACHE_FOUND;
}

/* Whether @request runs again by itself: for the next piece, or after what is at work on @draft. */
static gboolean runs_again(FsRequest *request, FsDraft *draft)
{
    return request->again_source || fs_draft_holds(draft, request);
}

static gboolean record(FsRequest *request, FsDraft *draft, Place *place)
{
    CacheAnswer answer = try_to_record(request, draft, place);

    return !runs_again(request, draft) && go_on(request, answer);
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
    if (!given.has_flags || !is_copy(request) || fs_is_hurried(request))
        return CACHE_FOUND;
    request->may_fail = TRUE;
    if (request->missed && !is_refused(request, request->change)) {
        g_clear_error(&request->missed);
        return CACHE_FOUND;
    }
    answer = get_copied(request, &generation, &uid, &flags);
    if (answer == CACHE_FOUND && !((flags ^ given.flags) & LETTERED))
        return CACHE_FOUND;
    if (answer == CACHE_FOUND) {
        answer = fs_settle(request, request->change);
        if (answer == CACHE_FAILED && is_refused(request, request->change))
            return CACHE_FAILED;
    }
    request->may_fail = TRUE;
    if (answer == CACHE_FOUND)
        answer = get_copied(request, &generation, &uid, &flags);
    if (answer == CACHE_FOUND)
        answer = cache_change_flags(request->fs->cache, generation, uid, given.flags & ~flags,
                                    flags & ~given.flags & LETTERED, NULL, &request->want,
                                    &request->error);
    g_clear_error(&request->error);
    return answer == CACHE_WAIT ? CACHE_WAIT : CACHE_FOUND;
}

/* Offline, and for who has given up, it is enough that the change will not be lost. */
static CacheAnswer wait_until_safe(FsRequest *request, gboolean is_lazy)
{
    Cache *cache = request->fs->cache;
    FsWaits waits = request->fs->options.waits;
    CacheAnswer answer;

    answer = cache_change_is_synced(cache, request->change, &request->want, &request->error);
    if (answer != CACHE_FOUND || waits == FS_WAITS_FOR_DISK || fs_is_hurried(request) ||
        (is_lazy && waits != FS_WAITS_ALWAYS))
        return answer;
    answer = fs_settle(request, request->change);
    if (answer != CACHE_FAILED || is_refused(request, request->change))
        return answer;
    g_clear_error(&request->error);
    return CACHE_FOUND;
}

/* The writer hears of it, and has what was refused: @draft is what it was. */
static void take_back(FsRequest *request, FsDraft *draft)
{
    fs_draft_came_back(draft, request->change);
    cache_lost_remove(request->fs->cache, request->change);
}

/* --- closing, syncing --- */

/* Whether it is what sed -i ("sedAbC123") or perl -i ("XXaB3_x9") writes before it renames it. */
static gboolean is_of_stream_editor(const FsDraft *draft)
{
    return (g_str_has_prefix(draft->name, "sed") || g_str_has_prefix(draft->name, "XX")) &&
           fs_writer_is_stream_editor(draft->writer);
}

static gboolean is_to_be_sent(const FsDraft *draft)
{
    return draft->name && (draft->is_dirty || draft->error) && !fs_draft_is_scratch(draft->name) &&
           !fs_draft_is_blank(draft) && !is_of_stream_editor(draft);
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
    if (answer == CACHE_FAILED && is_refused(request, request->change)) {
        take_back(request, draft);
        set_failure(request, draft);
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

    request->run = fs_run_fsync;
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

static CacheAnswer record_released(FsRequest *request, FsDraft *draft)
{
    Place place = place_of(draft);
    CacheAnswer answer = CACHE_FOUND;

    if (request->missed) {
        g_propagate_error(&request->error, g_steal_pointer(&request->missed));
        return CACHE_FAILED;
    }
    if (draft->is_dirty && !draft->error && is_to_be_sent(draft))
        answer = try_to_record(request, draft, &place);
    if (answer == CACHE_ABSENT) {
        g_set_error_literal(&request->error, MAIL_ERROR, MAIL_ERROR_GONE,
                            "the message is not there any more");
        answer = CACHE_FAILED;
    }
    /* Also when what it waits for fails, it is to be dropped. */
    request->may_fail = TRUE;
    return answer;
}

/* Nobody hears of an error any more, so nobody waits for the server. */
void fs_draft_send_released(FsRequest *request, FsDraft *draft)
{
    CacheAnswer answer;

    if (fs_draft_holds(draft, request))
        return;
    answer = record_released(request, draft);
    if (runs_again(request, draft))
        return;
    /* It cannot be sent, and nobody else will try. */
    if (answer == CACHE_FAILED)
        set_failure(request, draft);
    if (answer != CACHE_WAIT)
        fs_draft_drop_if_over(draft);
    if (go_on(request, answer))
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
    if (answer == CACHE_FAILED && is_refused(request, request->change)) {
        take_back(request, draft);
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

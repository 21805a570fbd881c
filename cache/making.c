/* SPDX-License-Identifier: MIT */
/* cache/making.c - making changes: of messages, and of mailboxes. */
#include "cache/changes.h"

/* --- changes of messages --- */

/* Where a message is that is called by an old place; WAIT until that is known. */
static CacheAnswer find(Cache *cache, guint32 *generation, guint32 *uid, CacheMessage *ret_message,
                        guint64 *ret_want, GError **error)
{
    guint32 id;

    if (cache_forward(cache, generation, uid, &id)) {
        const CacheChange *change = cache_change(cache, id);
        CacheAnswer answer =
            change->is_done ? cache_arrival_message(cache, id, generation, uid, ret_want, error)
                            : cache_change_settled(cache, id, ret_want, error);

        if (answer != CACHE_FOUND)
            return answer;
    }
    if (!cache_get_message(cache, *generation, *uid, ret_message) ||
        shades_hide(cache, *generation, *uid))
        return CACHE_ABSENT;
    return CACHE_FOUND;
}

static Change *new_of_message(Cache *cache, CacheChangeKind kind, guint32 id, guint32 generation,
                              guint32 uid, GError **error)
{
    Change *change = change_new(cache, kind, id, error);

    if (!change)
        return NULL;
    change->pub.box = cache_box_of_generation(cache, generation)->id;
    change->pub.generation = generation;
    change->pub.uid = uid;
    return change;
}

static void tell_going(Cache *cache, guint32 box, guint32 uid)
{
    if (cache->news)
        cache->news->message_going(box, uid, cache->news_data);
}

/* One more that was not sent yet: both are one. */
static gboolean fold(Cache *cache, Change *change, MailFlags add, MailFlags remove, GError **error)
{
    CacheChange before = change->pub;

    change->pub.add = (before.add & ~remove) | add;
    change->pub.remove = (before.remove & ~add) | remove;
    if (change_update(cache, change, error)) {
        changes_tell_listing(cache, change->pub.box);
        return TRUE;
    }
    change->pub.add = before.add;
    change->pub.remove = before.remove;
    return FALSE;
}

static CacheAnswer change_flags(Cache *cache, guint32 generation, guint32 uid, MailFlags add,
                                MailFlags remove, guint32 *ret_id, GError **error)
{
    Change *change = shades_find_flags(cache, generation, uid);

    changes_tell_flags(cache, cache_box_of_generation(cache, generation)->id, uid);
    if (change) {
        if (!fold(cache, change, add, remove, error))
            return CACHE_FAILED;
    } else {
        change = new_of_message(cache, CACHE_CHANGE_FLAGS, 0, generation, uid, error);
        if (!change)
            return CACHE_FAILED;
        change->pub.add = add;
        change->pub.remove = remove;
        if (!change_record(cache, change, error))
            return CACHE_FAILED;
    }
    if (ret_id)
        *ret_id = change->pub.id;
    return CACHE_FOUND;
}

CacheAnswer cache_change_flags(Cache *cache, guint32 generation, guint32 uid, MailFlags add,
                               MailFlags remove, guint32 *ret_id, guint64 *ret_want, GError **error)
{
    CacheMessage message;
    CacheAnswer answer = find(cache, &generation, &uid, &message, ret_want, error);

    if (answer != CACHE_FOUND)
        return answer;
    if (ret_id)
        *ret_id = 0;
    add &= ~message.flags;
    remove &= message.flags;
    if (!add && !remove)
        return CACHE_FOUND;
    answer = rights_check_flags(cache, cache_box_of_generation(cache, generation)->id, add | remove,
                                ret_want, error);
    if (answer != CACHE_FOUND)
        return answer;
    return change_flags(cache, generation, uid, add, remove, ret_id, error);
}

/* It may have been in the target before: what is known of that is not of what comes. */
static void expect_same_uid(Cache *cache, const Change *change)
{
    const Box *target = boxes_get(cache, change->pub.target);

    changes_flush_gone(cache);
    if (target)
        shades_forget_settled(cache, target->pub.generation, change->pub.uid);
}

/* A message that will be shown in another mailbox. */
static CacheAnswer transfer(Cache *cache, CacheChangeKind kind, guint32 id, guint32 generation,
                            guint32 uid, guint32 target, const char *name, guint32 *ret_id,
                            GError **error)
{
    Change *change = new_of_message(cache, kind, id, generation, uid, error);

    if (!change)
        return CACHE_FAILED;
    change->pub.target = target;
    change->pub.name = g_strdup(name);
    if (cache_is_spool(cache))
        expect_same_uid(cache, change);
    if (ret_id)
        *ret_id = change->pub.id;
    return change_record(cache, change, error) ? CACHE_FOUND : CACHE_FAILED;
}

CacheAnswer cache_change_move(Cache *cache, guint32 generation, guint32 uid, guint32 target,
                              const char *name, guint32 *ret_id, guint64 *ret_want, GError **error)
{
    CacheMessage message;
    CacheAnswer answer = find(cache, &generation, &uid, &message, ret_want, error);
    guint32 box = answer == CACHE_FOUND ? cache_box_of_generation(cache, generation)->id : 0;

    if (answer == CACHE_FOUND)
        answer = rights_check_remove(cache, box, ret_want, error);
    if (answer == CACHE_FOUND)
        answer = rights_check_insert(cache, target, ret_want, error);
    if (answer != CACHE_FOUND)
        return answer;
    tell_going(cache, box, uid);
    return transfer(cache, CACHE_CHANGE_MOVE, 0, generation, uid, target, name, ret_id, error);
}

CacheAnswer cache_change_copy(Cache *cache, guint32 generation, guint32 uid, guint32 target,
                              const char *name, guint32 id, guint64 *ret_want, GError **error)
{
    CacheMessage message;
    CacheAnswer answer = spool_refuses(cache, error)
                             ? CACHE_FAILED
                             : find(cache, &generation, &uid, &message, ret_want, error);

    if (answer == CACHE_FOUND)
        answer = rights_check_insert(cache, target, ret_want, error);
    if (answer == CACHE_FOUND)
        answer = rights_check_room(
            cache,
            &(CacheChange){
                .kind = CACHE_CHANGE_COPY, .generation = generation, .uid = uid, .target = target},
            ret_want, error);
    if (answer != CACHE_FOUND)
        return answer;
    return transfer(cache, CACHE_CHANGE_COPY, id, generation, uid, target, name, NULL, error);
}

CacheAnswer cache_change_expunge(Cache *cache, guint32 generation, guint32 uid, guint32 *ret_id,
                                 guint64 *ret_want, GError **error)
{
    CacheMessage message;
    CacheAnswer answer = find(cache, &generation, &uid, &message, ret_want, error);
    Change *change;

    if (answer == CACHE_FOUND)
        answer = rights_check_remove(cache, cache_box_of_generation(cache, generation)->id,
                                     ret_want, error);
    if (answer != CACHE_FOUND)
        return answer;
    change = new_of_message(cache, CACHE_CHANGE_EXPUNGE, 0, generation, uid, error);
    if (!change)
        return CACHE_FAILED;
    tell_going(cache, change->pub.box, uid);
    if (ret_id)
        *ret_id = change->pub.id;
    return change_record(cache, change, error) ? CACHE_FOUND : CACHE_FAILED;
}

/* The smaller one of the account's and the mailbox's; 0: none is known. */
static guint64 append_limit(Cache *cache, guint32 target)
{
    guint64 limit = cache->changes->append_limit;
    CacheRights rights;

    cache_known_rights(cache, target, &rights);
    return limit && rights.append_limit ? MIN(limit, rights.append_limit)
                                        : MAX(limit, rights.append_limit);
}

/* What it takes the place of must be in the same mailbox: it has that one's name. */
static CacheAnswer check_append(Cache *cache, guint32 target, guint64 size, guint64 *ret_want,
                                GError **error)
{
    CacheAnswer answer = rights_check_insert(cache, target, ret_want, error);
    guint64 limit = append_limit(cache, target);

    if (answer != CACHE_FOUND || !limit || size <= limit)
        return answer;
    g_set_error(error, MAIL_ERROR, MAIL_ERROR_TOO_BIG,
                "the server takes messages of %" G_GUINT64_FORMAT
                " bytes, and this one has %" G_GUINT64_FORMAT,
                limit, size);
    return CACHE_FAILED;
}

CacheAnswer cache_change_append(Cache *cache, guint32 id, guint32 target, const char *name,
                                MailFlags flags, gint64 date, guint32 generation, guint32 uid,
                                guint64 *ret_want, GError **error)
{
    CacheMessage message;
    guint64 size;
    CacheAnswer answer = !spool_refuses(cache, error) && draft_size(cache, id, &size, error)
                             ? check_append(cache, target, size, ret_want, error)
                             : CACHE_FAILED;
    Change *change;

    if (answer == CACHE_FOUND && uid)
        answer = find(cache, &generation, &uid, &message, ret_want, error);
    if (answer == CACHE_FOUND && uid)
        answer = rights_check_remove(cache, cache_box_of_generation(cache, generation)->id,
                                     ret_want, error);
    if (answer == CACHE_FOUND)
        answer = rights_check_room(cache,
                                   &(CacheChange){.kind = CACHE_CHANGE_APPEND,
                                                  .generation = generation,
                                                  .uid = uid,
                                                  .target = target,
                                                  .size = size},
                                   ret_want, error);
    if (answer != CACHE_FOUND)
        return answer;
    change = uid ? new_of_message(cache, CACHE_CHANGE_APPEND, id, generation, uid, error)
                 : change_new(cache, CACHE_CHANGE_APPEND, id, error);
    if (!change)
        return CACHE_FAILED;
    if (uid)
        tell_going(cache, change->pub.box, uid);
    change->pub.target = target;
    change->pub.name = g_strdup(name);
    change->pub.add = flags;
    change->pub.date = date;
    change->pub.size = size;
    return change_record(cache, change, error) ? CACHE_FOUND : CACHE_FAILED;
}

void cache_put_append_limit(Cache *cache, guint64 limit)
{
    cache->changes->append_limit = limit;
}

/* --- changes of mailboxes --- */

static CacheAnswer change_box(Cache *cache, CacheChangeKind kind, guint32 box, guint32 target,
                              const char *name, guint32 *ret_id, GError **error)
{
    Change *change;

    if (spool_refuses(cache, error))
        return CACHE_FAILED;
    if (cache->state == CACHE_OFFLINE) {
        g_propagate_error(error, cache->state_error ? g_error_copy(cache->state_error)
                                                    : g_error_new(MAIL_ERROR, MAIL_ERROR_OFFLINE,
                                                                  "not connected"));
        return CACHE_FAILED;
    }
    change = change_new(cache, kind, 0, error);
    if (!change)
        return CACHE_FAILED;
    change->pub.box = box;
    change->pub.target = target;
    change->pub.name = g_strdup(name);
    *ret_id = change->pub.id;
    return change_record(cache, change, error) ? CACHE_FOUND : CACHE_FAILED;
}

void cache_change_withdraw(Cache *cache, guint32 id)
{
    const CacheChange *change = cache_change(cache, id);
    g_autoptr(GError) why = NULL;

    if (!change || change->kind < CACHE_CHANGE_CREATE || change->is_taken || change->is_done ||
        change->is_refused || change->sent_uidnext)
        return;
    why = g_error_new(MAIL_ERROR, MAIL_ERROR_CANCELLED, "the caller has given up");
    cache_change_refused(cache, id, why);
}

CacheAnswer cache_change_create(Cache *cache, guint32 parent, const char *name, guint32 *ret_id,
                                GError **error)
{
    return change_box(cache, CACHE_CHANGE_CREATE, 0, parent, name, ret_id, error);
}

CacheAnswer cache_change_delete(Cache *cache, guint32 box, guint32 *ret_id, GError **error)
{
    return change_box(cache, CACHE_CHANGE_DELETE, box, 0, NULL, ret_id, error);
}

CacheAnswer cache_change_rename(Cache *cache, guint32 box, guint32 parent, const char *name,
                                guint32 *ret_id, GError **error)
{
    return change_box(cache, CACHE_CHANGE_RENAME, box, parent, name, ret_id, error);
}

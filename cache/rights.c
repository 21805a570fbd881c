/* SPDX-License-Identifier: MIT */
/* cache/rights.c - what may be done in mailboxes, and has room there, as far as the server told
 * since the start. */
#include "cache/changes.h"

#define KNOWN_US  ((gint64)300 * G_USEC_PER_SEC) /* for which they are believed */
#define RECENT_US (G_USEC_PER_SEC / 10)          /* the same where they leave no room */

static const CacheRights everything = {
    .may_insert = TRUE,
    .may_remove = TRUE,
    .may_create = TRUE,
    .may_rename = TRUE,
    .permanent = ~(MailFlags)0,
    .may_invent = TRUE,
};

void cache_known_rights(Cache *cache, guint32 id, CacheRights *ret_rights)
{
    const Box *box = boxes_get(cache, id);

    *ret_rights = box && box->knows_rights ? box->rights : everything;
    if (box && !box->knows_rights)
        ret_rights->is_read_only = box->is_read_only;
}

gboolean cache_has_rights(Cache *cache, guint32 id)
{
    const Box *box = boxes_get(cache, id);

    return box && (box->knows_rights || box->has_hint);
}

static gboolean are_known(const Box *box)
{
    return box->knows_rights && g_get_monotonic_time() - box->rights_us < KNOWN_US;
}

static CacheAnswer ask(Cache *cache, guint32 id, guint64 *ret_want, GError **error)
{
    return wants_answer(cache, &(CacheWant){.kind = CACHE_WANT_RIGHTS, .box = id}, ret_want, error);
}

CacheAnswer cache_rights(Cache *cache, guint32 id, CacheRights *ret_rights, guint64 *ret_want,
                         GError **error)
{
    const Box *box = boxes_get(cache, id);

    if (!box)
        return CACHE_ABSENT;
    if (!are_known(box) && cache->state != CACHE_OFFLINE &&
        !(box->pub.attributes & CACHE_BOX_NOSELECT))
        return ask(cache, id, ret_want, error);
    cache_known_rights(cache, id, ret_rights);
    return CACHE_FOUND;
}

/* --- room --- */

typedef struct {
    guint64 octets;
    guint messages;
} Need;

/* What takes the place of a message needs what it is longer; a move needs nothing. */
static Need need_of(Cache *cache, const CacheChange *change)
{
    CacheMessage message = {0};

    if (change->uid)
        (void)cache_get_message(cache, change->generation, change->uid, &message);
    if (change->kind == CACHE_CHANGE_COPY)
        return (Need){message.size, 1};
    if (change->kind != CACHE_CHANGE_APPEND)
        return (Need){0};
    if (change->uid)
        return (Need){change->size - MIN(change->size, message.size), 0};
    return (Need){change->size, 1};
}

static guint64 left(const CacheResource *resource)
{
    if (!resource->limit)
        return G_MAXUINT64;
    return resource->limit > resource->used ? resource->limit - resource->used : 0;
}

static void take(CacheResource *resource, guint64 n)
{
    resource->used += MIN(n, G_MAXUINT64 - resource->used);
}

void rights_take_room(Cache *cache, const CacheChange *change)
{
    Box *box = boxes_get(cache, change->target);
    Need need;

    if (!box || !box->knows_rights)
        return;
    need = need_of(cache, change);
    take(&box->rights.storage, need.octets);
    take(&box->rights.messages, need.messages);
}

/* Without what was sent and not answered: the server may have counted it. */
static void take_pending(Cache *cache, guint32 box)
{
    for (const CacheChange *change = cache_arrival_next(cache, box, 0); change;
         change = cache_arrival_next(cache, box, change->id))
        if (!change->sent_uidnext && !change->is_done)
            rights_take_room(cache, change);
}

/* Whether messages are to leave their mailboxes before what is recorded now is sent. */
static gboolean is_room_made(Cache *cache)
{
    for (GList *link = cache->changes->queue.head; link; link = link->next) {
        const CacheChange *change = link->data;

        if (change->kind == CACHE_CHANGE_EXPUNGE || change->kind == CACHE_CHANGE_MOVE)
            return TRUE;
    }
    return FALSE;
}

static CacheAnswer refuse_room(const CacheResource *resource, guint64 need, const char *unit,
                               GError **error)
{
    g_set_error(error, MAIL_ERROR, MAIL_ERROR_QUOTA,
                "the quota of %" G_GUINT64_FORMAT " %s leaves %" G_GUINT64_FORMAT
                ", and this needs %" G_GUINT64_FORMAT,
                resource->limit, unit, left(resource), need);
    return CACHE_FAILED;
}

CacheAnswer rights_check_room(Cache *cache, const CacheChange *change, guint64 *ret_want,
                              GError **error)
{
    const Box *box = boxes_get(cache, change->target);
    Need need = need_of(cache, change);
    gboolean has_storage = !box || need.octets <= left(&box->rights.storage),
             has_messages = !box || need.messages <= left(&box->rights.messages);

    if ((has_storage && has_messages) || cache->state == CACHE_OFFLINE || is_room_made(cache))
        return CACHE_FOUND;
    if (g_get_monotonic_time() - box->rights_us >= RECENT_US)
        return ask(cache, change->target, ret_want, error);
    return has_storage ? refuse_room(&box->rights.messages, need.messages, "messages", error)
                       : refuse_room(&box->rights.storage, need.octets, "bytes", error);
}

/* --- what the server tells --- */

static gboolean is_equal(const CacheRights *a, const CacheRights *b)
{
    return a->is_read_only == b->is_read_only && a->may_insert == b->may_insert &&
           a->may_remove == b->may_remove && a->may_create == b->may_create &&
           a->may_rename == b->may_rename && a->permanent == b->permanent &&
           a->may_invent == b->may_invent;
}

void cache_put_rights(Cache *cache, guint32 id, const CacheRights *rights)
{
    Box *box = boxes_get(cache, id);
    CacheRights before;

    if (!box)
        return;
    cache_known_rights(cache, id, &before);
    box->knows_rights = TRUE;
    box->rights_us = g_get_monotonic_time();
    box->rights = *rights;
    take_pending(cache, id);
    if (cache->news && !is_equal(&before, rights))
        cache->news->rights_changed(id, cache->news_data);
}

void cache_put_read_only(Cache *cache, guint32 id, gboolean is_read_only)
{
    Box *box = boxes_get(cache, id);

    if (!box || box->knows_rights)
        return;
    box->has_hint = TRUE;
    if (box->is_read_only == is_read_only)
        return;
    box->is_read_only = is_read_only;
    if (cache->news)
        cache->news->rights_changed(id, cache->news_data);
}

/* --- what changes ask --- */

static CacheAnswer refuse(GError **error, MailError code, const char *why)
{
    g_set_error_literal(error, MAIL_ERROR, code, why);
    return CACHE_FAILED;
}

/* The rights of a mailbox that can be written at all. */
static CacheAnswer check(Cache *cache, guint32 box, CacheRights *ret_rights, guint64 *ret_want,
                         GError **error)
{
    CacheAnswer answer = cache_rights(cache, box, ret_rights, ret_want, error);

    if (answer == CACHE_FOUND && ret_rights->is_read_only)
        return refuse(error, MAIL_ERROR_READ_ONLY, "the mailbox is read-only");
    return answer;
}

CacheAnswer rights_check_insert(Cache *cache, guint32 box, guint64 *ret_want, GError **error)
{
    CacheRights rights;
    CacheAnswer answer = check(cache, box, &rights, ret_want, error);

    if (answer == CACHE_FOUND && !rights.may_insert)
        return refuse(error, MAIL_ERROR_PERMISSION, "the mailbox takes no messages from you");
    return answer;
}

CacheAnswer rights_check_remove(Cache *cache, guint32 box, guint64 *ret_want, GError **error)
{
    CacheRights rights;
    CacheAnswer answer = check(cache, box, &rights, ret_want, error);

    if (answer == CACHE_FOUND && !rights.may_remove)
        return refuse(error, MAIL_ERROR_PERMISSION, "you may not take messages from the mailbox");
    return answer;
}

CacheAnswer rights_check_flags(Cache *cache, guint32 box, MailFlags changed, guint64 *ret_want,
                               GError **error)
{
    const MailFlags keywords =
        MAIL_FLAG_FORWARDED | ~(((MailFlags)1 << MAIL_FLAG_FIRST_KEYWORD) - 1);
    CacheRights rights;
    CacheAnswer answer = check(cache, box, &rights, ret_want, error);
    MailFlags refused;

    if (answer != CACHE_FOUND)
        return answer;
    if (!rights.permanent && !rights.may_invent)
        return refuse(error, MAIL_ERROR_PERMISSION, "you may not change flags in the mailbox");
    refused = changed & ~rights.permanent;
    if (rights.may_invent)
        refused &= ~keywords;
    if (refused)
        return refuse(error, MAIL_ERROR_UNSUPPORTED,
                      "the mailbox does not keep such a flag or keyword");
    return CACHE_FOUND;
}

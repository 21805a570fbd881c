/* SPDX-License-Identifier: MIT */
/* cache/rights.c - what may be done in mailboxes, as far as the server told since the start. */
#include "cache/changes.h"

#define KNOWN_US ((gint64)300 * G_USEC_PER_SEC) /* for which they are believed */

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
}

static gboolean are_known(const Box *box)
{
    return box->knows_rights && g_get_monotonic_time() - box->rights_us < KNOWN_US;
}

CacheAnswer cache_rights(Cache *cache, guint32 id, CacheRights *ret_rights, guint64 *ret_want,
                         GError **error)
{
    const Box *box = boxes_get(cache, id);

    if (!box)
        return CACHE_ABSENT;
    if (!are_known(box) && cache->state != CACHE_OFFLINE &&
        !(box->pub.attributes & CACHE_BOX_NOSELECT))
        return wants_answer(cache, &(CacheWant){.kind = CACHE_WANT_RIGHTS, .box = id}, ret_want,
                            error);
    cache_known_rights(cache, id, ret_rights);
    return CACHE_FOUND;
}

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
    if (cache->news && !is_equal(&before, rights))
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

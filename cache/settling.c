/* SPDX-License-Identifier: MIT */
/* cache/settling.c - what becomes of changes: the server has done them, or will not. */
#include "cache/changes.h"

#define SETTLED_MAX 100000 /* that are remembered */

/* Its data goes only when there is no record of it any more: a file without a record is nothing, a
 * record without its file would be a message lost. */
static void drop_data(Cache *cache, const Change *change)
{
    if (change->pub.kind != CACHE_CHANGE_APPEND || !journal_commit(cache->changes->journal, NULL))
        return;
    draft_remove_file(cache, DATA_FOLDER, change->pub.id);
}

/* Whether the data is to be kept where somebody can find it: whoever waits has it still. */
static gboolean is_lost(Cache *cache, const Change *change)
{
    return change->pub.kind == CACHE_CHANGE_APPEND && change->refusal &&
           !wants_is_waited_for(cache, CACHE_WANT_SETTLED, change->pub.id);
}

/* It counts no more, but is remembered. */
static void end(Cache *cache, Change *change, const GError *error)
{
    struct Changes *changes = cache->changes;
    gboolean was_lost = is_lost(cache, change);

    g_queue_unlink(&changes->queue, &change->link);
    g_queue_push_tail_link(&changes->settled, &change->link);
    journal_delete(changes->journal, change->pub.id);
    if (was_lost)
        lost_add(cache, change->pub.id, change->pub.name, error->message, change->pub.size);
    else
        drop_data(cache, change);
    wants_end_own(cache, CACHE_WANT_SETTLED, change->pub.id, error);
    cache_changes_renew(cache);
    while (changes->settled.length > SETTLED_MAX) {
        Change *oldest = changes->settled.head->data;

        g_queue_unlink(&changes->settled, &oldest->link);
        arrivals_forget(cache, oldest);
        g_hash_table_remove(changes->by_id, GUINT_TO_POINTER(oldest->pub.id));
    }
    wants_tell_backend(cache);
}

static void add_unlisted(Cache *cache, const CacheChange *change)
{
    g_autoptr(MailSet) came = mail_set_new();

    mail_set_add(came, change->new_uid, change->new_uid);
    cache_add_uids(cache, change->target, came);
}

/* What is known of the message is known of it in the target, too. */
static void put_in_target(Cache *cache, const CacheChange *change)
{
    g_autoptr(MailEnvelope) envelope = NULL;
    CacheMessage message;

    if (change->kind != CACHE_CHANGE_APPEND &&
        cache_get_message(cache, change->generation, change->uid, &message))
        envelope = cache_dup_envelope(cache, change->generation, change->uid);
    message.uid = change->new_uid;
    if (envelope)
        cache_put_line(cache, change->target, &message, envelope);
    else
        add_unlisted(cache, change);
}

/* The message is in the target now. */
static void bring(Cache *cache, const CacheChange *change)
{
    Box *target = boxes_get(cache, change->target);

    if (!target)
        return;
    /* Who lists it next has it compared with the server. */
    target->synced_us = 0;
    if (!change->new_uid || !target->pub.generation ||
        target->uidvalidity != change->sent_uidvalidity)
        return;
    put_in_target(cache, change);
    shades_settle_came(cache, target->pub.generation, change->new_uid);
}

static void take_away(Cache *cache, const CacheChange *change)
{
    g_autoptr(MailSet) gone = mail_set_new();

    mail_set_add(gone, change->uid, change->uid);
    shades_settle_gone(cache, change->generation, change->uid);
    cache_put_gone(cache, change->box, gone);
}

static void set_flags(Cache *cache, const CacheChange *change)
{
    shades_settle_flags(cache, change->generation, change->uid, change->add, change->remove);
    told_flags(cache, change->generation, change->uid, change->add, change->remove);
}

static void apply(Cache *cache, const CacheChange *change)
{
    switch (change->kind) {
    case CACHE_CHANGE_FLAGS: set_flags(cache, change); break;
    case CACHE_CHANGE_COPY: bring(cache, change); break;
    case CACHE_CHANGE_MOVE:
        bring(cache, change);
        take_away(cache, change);
        break;
    case CACHE_CHANGE_APPEND:
        bring(cache, change);
        if (change->uid)
            take_away(cache, change);
        break;
    case CACHE_CHANGE_EXPUNGE: take_away(cache, change); break;
    default: break;
    }
}

void cache_change_done(Cache *cache, guint32 id, guint32 new_uid)
{
    Change *change = changes_get(cache, id);

    if (!change || change->pub.is_done)
        return;
    change->pub.is_done = TRUE;
    change->pub.is_taken = FALSE;
    change->pub.new_uid = new_uid;
    shades_add(cache, change, -1);
    apply(cache, &change->pub);
    if (cache->news)
        cache->news->change_settling(&change->pub, cache->news_data);
    arrivals_settle(cache, change, TRUE);
    changes_tell_listing(cache, change->pub.target);
    end(cache, change, NULL);
}

static void note_refusal(Cache *cache, guint32 box, const GError *error)
{
    GHashTable *refusals = cache->changes->refusals;

    if (box && !g_hash_table_contains(refusals, GUINT_TO_POINTER(box)))
        g_hash_table_insert(refusals, GUINT_TO_POINTER(box), g_error_copy(error));
}

void cache_change_refused(Cache *cache, guint32 id, const GError *error)
{
    Change *change = changes_get(cache, id);

    if (!change || change->pub.is_done)
        return;
    change->pub.is_done = change->pub.is_refused = TRUE;
    change->refusal = g_error_copy(error);
    change->pub.is_taken = FALSE;
    if (change->pub.kind == CACHE_CHANGE_FLAGS)
        changes_tell_flags(cache, change->pub.box, change->pub.uid);
    if (cache->news)
        cache->news->change_refused(&change->pub, error, cache->news_data);
    shades_add(cache, change, -1);
    note_refusal(cache, change->pub.box, error);
    if (change->pub.target != change->pub.box)
        note_refusal(cache, change->pub.target, error);
    arrivals_settle(cache, change, FALSE);
    changes_tell_listing(cache, change->pub.uid ? change->pub.box : 0);
    changes_tell_listing(cache, change->pub.target);
    end(cache, change, error);
}

/* --- what is not there any more --- */

static void refuse_if(Cache *cache, gboolean (*matches)(const CacheChange *change, guint32 number),
                      guint32 number, const GError *error)
{
    for (GList *link = cache->changes->queue.head, *next; link; link = next) {
        const CacheChange *change = link->data;

        next = link->next;
        if (matches(change, number))
            cache_change_refused(cache, change->id, error);
    }
}

static gboolean is_of_generation(const CacheChange *change, guint32 number)
{
    return change->generation == number;
}

static gboolean is_of_box(const CacheChange *change, guint32 number)
{
    return change->kind != CACHE_CHANGE_DELETE &&
           (change->box == number || (change->target == number && number != CACHE_ROOT));
}

void changes_generation_gone(Cache *cache, guint32 generation)
{
    g_autoptr(GError) error =
        g_error_new(MAIL_ERROR, MAIL_ERROR_GONE, "the mailbox was replaced by another one");

    refuse_if(cache, is_of_generation, generation, error);
    shades_forget_generation(cache, generation);
}

void changes_box_gone(Cache *cache, guint32 id)
{
    g_autoptr(GError) error =
        g_error_new(MAIL_ERROR, MAIL_ERROR_NOT_FOUND, "the mailbox is not there any more");

    refuse_if(cache, is_of_box, id, error);
}

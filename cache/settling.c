/* SPDX-License-Identifier: MIT */
/* cache/settling.c - what becomes of changes: the server has done them, or will not. */
#include "cache/changes.h"

#define SETTLED_MAX 10000 /* that are remembered */

/* Data goes when it is on the disk that there is no record of it any more: a file without a record
 * is nothing, a record without its file would be a message lost. */
void changes_drop_stale(Cache *cache, gboolean is_closed)
{
    struct Changes *changes = cache->changes;

    for (guint i = changes->stale->len; i-- > 0;) {
        const ChangeStale *stale = &g_array_index(changes->stale, ChangeStale, i);

        if (!is_closed && stale->n_written > journal_n_synced(changes->journal))
            continue;
        draft_remove_file(cache, DATA_FOLDER, stale->id);
        g_array_remove_index_fast(changes->stale, i);
    }
}

/* Forgets the record of a change.  Data that the server refused goes to lost+found; where that
 * cannot be, the record stays, and the change is tried again at the next start. */
static void forget_record(Cache *cache, const Change *change, const GError *error)
{
    struct Changes *changes = cache->changes;
    gboolean has_data = change->pub.kind == CACHE_CHANGE_APPEND;
    ChangeStale stale = {.id = change->pub.id};

    if (has_data && error && !draft_is_gone(cache, change->pub.id)) {
        lost_add(cache, change->pub.id, change->pub.name, error->message, change->pub.size);
        return;
    }
    journal_delete(changes->journal, change->pub.id);
    stale.n_written = journal_n_written(changes->journal) + 1;
    if (has_data && !error)
        g_array_append_val(changes->stale, stale);
}

static void forget_oldest(struct Changes *changes, Cache *cache)
{
    while (changes->settled.length > SETTLED_MAX) {
        Change *oldest = changes->settled.head->data;

        g_queue_unlink(&changes->settled, &oldest->link);
        arrivals_forget(cache, oldest);
        g_hash_table_remove(changes->by_id, GUINT_TO_POINTER(oldest->pub.id));
    }
}

/* It counts no more, but is remembered. */
static void end(Cache *cache, Change *change, const GError *error)
{
    struct Changes *changes = cache->changes;

    g_queue_unlink(&changes->queue, &change->link);
    g_queue_push_tail_link(&changes->settled, &change->link);
    forget_record(cache, change, error);
    wants_end_own(cache, CACHE_WANT_SETTLED, change->pub.id, error);
    cache_changes_renew(cache);
    forget_oldest(changes, cache);
    wants_tell_backend(cache);
}

/* --- done --- */

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
    /* A spool never tells what was. */
    if (!cache_is_spool(cache))
        shades_settle_came(cache, target->pub.generation, change->new_uid);
}

/* A spool tells what is, now: what is there again is believed. */
static void forget_gone(Cache *cache, guint32 generation, const MailSet *gone)
{
    for (guint nth = 0; nth < gone->len && cache_is_spool(cache); nth++) {
        const MailRange *range = mail_set_range(gone, nth);

        for (guint64 uid = range->first; uid <= range->last; uid++)
            shades_forget_settled(cache, generation, (guint32)uid);
    }
}

/* What is gone is not shown from now on; that it is removed is for the end of the turn: of
 * thousands in a mailbox each would move all that are behind it. */
void changes_flush_gone(Cache *cache)
{
    g_autoptr(GHashTable) gone = g_steal_pointer(&cache->changes->gone);
    GHashTableIter iter;
    gpointer generation, set;

    g_clear_handle_id(&cache->changes->gone_source, g_source_remove);
    if (!gone)
        return;
    g_hash_table_iter_init(&iter, gone);
    while (g_hash_table_iter_next(&iter, &generation, &set)) {
        const CacheBox *box = cache_box_of_generation(cache, GPOINTER_TO_UINT(generation));

        if (box)
            cache_put_gone(cache, box->id, set);
        forget_gone(cache, GPOINTER_TO_UINT(generation), set);
    }
}

static gboolean on_gone(gpointer data)
{
    Cache *cache = data;

    cache->changes->gone_source = 0;
    changes_flush_gone(cache);
    return G_SOURCE_REMOVE;
}

static void take_away(Cache *cache, const CacheChange *change)
{
    struct Changes *changes = cache->changes;
    gpointer generation = GUINT_TO_POINTER(change->generation);
    MailSet *set;

    if (!changes->gone)
        changes->gone = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)g_array_unref);
    set = g_hash_table_lookup(changes->gone, generation);
    if (!set)
        g_hash_table_insert(changes->gone, generation, set = mail_set_new());
    mail_set_add(set, change->uid, change->uid);
    shades_settle_gone(cache, change->generation, change->uid);
    if (!changes->gone_source)
        changes->gone_source = g_idle_add_full(G_PRIORITY_DEFAULT, on_gone, cache, NULL);
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

/* --- refused --- */

static void note_refusal(Cache *cache, guint32 box, const GError *error)
{
    GHashTable *refusals = cache->changes->refusals;

    if (box && !g_hash_table_contains(refusals, GUINT_TO_POINTER(box)))
        g_hash_table_insert(refusals, GUINT_TO_POINTER(box), g_error_copy(error));
}

/* Whether the message is gone for its user when that is done. */
static gboolean removes(Cache *cache, const Change *change)
{
    guint32 id = changes_find_box(cache, change->pub.target, change->target_wire);
    const CacheBox *target = cache_box(cache, id);

    switch (change->pub.kind) {
    case CACHE_CHANGE_EXPUNGE: return TRUE;
    case CACHE_CHANGE_FLAGS: return change->pub.add & MAIL_FLAG_DELETED;
    case CACHE_CHANGE_MOVE: return target && target->attributes & CACHE_BOX_TRASH;
    default: return FALSE;
    }
}

/* By what the server calls them: the numbers of one that is not bound are of another index. */
static gboolean are_of_same_message(const Change *a, const Change *b)
{
    return a->pub.uid == b->pub.uid && a->uidvalidity == b->uidvalidity &&
           g_strcmp0(a->pub.wire, b->pub.wire) == 0;
}

static gboolean is_removal(Cache *cache, const Change *change, const Change *copy)
{
    return change->pub.id > copy->pub.id && are_of_same_message(change, copy) &&
           !(change->is_bound && change->pub.is_taken) && removes(cache, change);
}

/* Thousands of copies may be refused together: only one whose numbers mean nothing looks at all
 * changes. */
static const CacheChange *find_removal(Cache *cache, const Change *copy)
{
    const GPtrArray *pending = shades_pending(cache, copy->pub.generation, copy->pub.uid);

    for (guint i = 0; pending && i < pending->len; i++)
        if (is_removal(cache, pending->pdata[i], copy))
            return pending->pdata[i];
    for (GList *link = copy->is_bound ? NULL : cache->changes->queue.head; link; link = link->next)
        if (is_removal(cache, link->data, copy))
            return link->data;
    return NULL;
}

/* Whoever copied a message and then removed it has it nowhere, if there is no copy. */
static void keep_original(Cache *cache, const Change *copy, const GError *error)
{
    const CacheChange *removal = find_removal(cache, copy);

    if (removal)
        cache_change_refused(cache, removal->id, error);
}

void cache_change_refused(Cache *cache, guint32 id, const GError *error)
{
    Change *change = changes_get(cache, id);

    if (!change || change->pub.is_done)
        return;
    if (!change->is_bound)
        changes_renumber(cache, change);
    change->pub.is_done = change->pub.is_refused = TRUE;
    change->refusal = g_error_copy(error);
    change->pub.is_taken = FALSE;
    if (change->pub.kind == CACHE_CHANGE_FLAGS)
        changes_tell_flags(cache, change->pub.box, change->pub.uid);
    if (cache->news)
        cache->news->change_refused(&change->pub, error, cache->news_data);
    shades_add(cache, change, -1);
    note_refusal(cache, change->pub.box, error);
    note_refusal(cache, change->pub.target, error);
    arrivals_settle(cache, change, FALSE);
    changes_tell_listing(cache, change->pub.uid ? change->pub.box : 0);
    changes_tell_listing(cache, change->pub.target);
    end(cache, change, error);
    if (change->pub.kind == CACHE_CHANGE_COPY)
        keep_original(cache, change, error);
}

/* --- what is not there any more --- */

static const CacheChange *find_if(Cache *cache,
                                  gboolean (*matches)(const CacheChange *change, guint32 number),
                                  guint32 number)
{
    for (GList *link = cache->changes->queue.head; link; link = link->next)
        if (matches(link->data, number))
            return link->data;
    return NULL;
}

/* With one, others may be refused. */
static void refuse_if(Cache *cache, gboolean (*matches)(const CacheChange *change, guint32 number),
                      guint32 number, const GError *error)
{
    const CacheChange *change;

    while ((change = find_if(cache, matches, number)))
        cache_change_refused(cache, change->id, error);
}

static gboolean is_of_generation(const CacheChange *change, guint32 number)
{
    return ((const Change *)change)->is_bound && change->generation == number;
}

static gboolean is_of_box(const CacheChange *change, guint32 number)
{
    return ((const Change *)change)->is_bound && change->kind != CACHE_CHANGE_DELETE &&
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

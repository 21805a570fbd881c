/* SPDX-License-Identifier: MIT */
/* cache/changes.c - the changes that users make: recorded, counted, waited for. */
#include "cache/changes.h"

#include <string.h>
#include <unistd.h>

#define RENEW_US G_USEC_PER_SEC

/* --- life --- */

static void change_free(gpointer data)
{
    Change *change = data;

    g_clear_error(&change->refusal);
    g_free((char *)change->pub.name);
    g_free((char *)change->pub.wire);
    g_free((char *)change->target_wire);
    g_free(change);
}

static void free_refusal(gpointer error)
{
    g_error_free(error);
}

void changes_init(Cache *cache)
{
    struct Changes *changes = g_new0(struct Changes, 1);

    cache->changes = changes;
    changes->dir_fd = -1;
    changes->by_id = g_hash_table_new_full(NULL, NULL, NULL, change_free);
    changes->dropped = g_array_new(FALSE, FALSE, sizeof(guint32));
    changes->stale = g_array_new(FALSE, FALSE, sizeof(ChangeStale));
    changes->refusals = g_hash_table_new_full(NULL, NULL, NULL, free_refusal);
    shades_init(cache);
    arrivals_init(cache);
    lost_init(cache);
}

void changes_free(Cache *cache)
{
    struct Changes *changes = cache->changes;

    g_clear_handle_id(&changes->gone_source, g_source_remove);
    g_clear_pointer(&changes->gone, g_hash_table_unref);
    journal_close(changes->journal);
    if (changes->journal)
        changes_drop_stale(cache, TRUE);
    notes_free(cache);
    shades_free(cache);
    arrivals_free(cache);
    lost_free(cache);
    g_array_unref(changes->dropped);
    g_array_unref(changes->stale);
    g_hash_table_unref(changes->refusals);
    g_hash_table_unref(changes->by_id);
    if (changes->dir_fd >= 0)
        close(changes->dir_fd);
    g_free(changes->dir);
    g_free(changes);
}

Change *changes_get(Cache *cache, guint32 id)
{
    return g_hash_table_lookup(cache->changes->by_id, GUINT_TO_POINTER(id));
}

const CacheChange *cache_change(Cache *cache, guint32 id)
{
    Change *change = changes_get(cache, id);

    return change ? &change->pub : NULL;
}

const GQueue *cache_changes(Cache *cache)
{
    return &cache->changes->queue;
}

/* --- recording --- */

Change *change_new(Cache *cache, CacheChangeKind kind, guint32 id, GError **error)
{
    Change *change;

    if (!id)
        id = journal_new_id(cache->changes->journal, error);
    if (!id)
        return NULL;
    change = g_new0(Change, 1);
    change->pub.id = id;
    change->pub.kind = kind;
    change->pub.date = G_MININT64;
    change->is_bound = TRUE;
    change->link.data = change;
    return change;
}

/* The names that flags have in any index. */
static char *flag_names(Cache *cache, MailFlags flags)
{
    g_autoptr(GString) out = g_string_new(NULL);

    for (guint bit = 0; bit < 64; bit++) {
        MailFlags flag = flags & (MailFlags)1 << bit;
        const char *name = flag ? mail_flag_to_imap(flag) : NULL;

        if (flag && !name)
            name = cache_keyword(cache, flag);
        if (name)
            g_string_append_printf(out, "%s%s", out->len ? " " : "", name);
    }
    return g_string_free(g_steal_pointer(&out), FALSE);
}

MailFlags change_parse_flags(Cache *cache, const char *names)
{
    g_auto(GStrv) words = g_strsplit(names ? names : "", " ", -1);
    MailFlags flags = 0;

    for (guint i = 0; words[i]; i++) {
        MailFlags flag = mail_flag_from_imap(words[i], strlen(words[i]));

        flags |= flag || !*words[i] ? flag : cache_keyword_flag(cache, words[i]);
    }
    return flags;
}

gboolean change_put(Cache *cache, Change *change, GError **error)
{
    g_autofree char *added = flag_names(cache, change->pub.add),
                    *removed = flag_names(cache, change->pub.remove);
    JournalRecord record = {
        .change = change->pub,
        .target_wire = change->target_wire,
        .uidvalidity = change->uidvalidity,
        .added = added,
        .removed = removed,
    };

    return journal_put(cache->changes->journal, &record, error);
}

gboolean change_update(Cache *cache, Change *change, GError **error)
{
    if (!change_put(cache, change, error) || !journal_commit(cache->changes->journal, error))
        return FALSE;
    change->n_written = journal_n_written(cache->changes->journal);
    return TRUE;
}

void change_count(Cache *cache, Change *change)
{
    g_hash_table_insert(cache->changes->by_id, GUINT_TO_POINTER(change->pub.id), change);
    g_queue_push_tail_link(&cache->changes->queue, &change->link);
    if (!change->is_bound)
        return;
    shades_add(cache, change, 1);
    arrivals_add(cache, change);
    rights_take_room(cache, &change->pub);
}

static void note_place(Cache *cache, Change *change)
{
    const Box *box = boxes_get(cache, change->pub.box);
    const CacheBox *target = cache_box(cache, change->pub.target);

    if (box) {
        change->pub.wire = g_strdup(box->pub.wire);
        change->uidvalidity = box->uidvalidity;
    }
    if (target)
        change->target_wire = g_strdup(target->wire);
}

void changes_tell_listing(Cache *cache, guint32 id)
{
    Box *box = boxes_get(cache, id);

    if (id && box)
        box_messages_changed(cache, box);
}

void changes_tell_flags(Cache *cache, guint32 box, guint32 uid)
{
    if (box && cache->news)
        cache->news->flags_changing(box, uid, cache->news_data);
}

gboolean change_record(Cache *cache, Change *change, GError **error)
{
    note_place(cache, change);
    /* What is known of the message is needed when an answer is lost with us. */
    index_commit(cache->index);
    if (!change_update(cache, change, error)) {
        change_free(change);
        return FALSE;
    }
    change_count(cache, change);
    changes_tell_listing(cache, change->pub.uid ? change->pub.box : 0);
    if (change->pub.target != change->pub.box)
        changes_tell_listing(cache, change->pub.target);
    wants_tell_backend(cache);
    return TRUE;
}

static gboolean take_new_wire(const char **wire, GHashTable *renamed)
{
    const CacheBox *box = *wire ? g_hash_table_lookup(renamed, *wire) : NULL;

    if (!box)
        return FALSE;
    g_free((char *)*wire);
    *wire = g_strdup(box->wire);
    return TRUE;
}

void changes_boxes_renamed(Cache *cache, GHashTable *renamed)
{
    g_autoptr(GError) error = NULL;
    gboolean is_written = TRUE;

    for (GList *link = cache->changes->queue.head; link; link = link->next) {
        Change *change = link->data;
        gboolean is_of = take_new_wire(&change->pub.wire, renamed),
                 is_to = take_new_wire(&change->target_wire, renamed);

        if (is_of || is_to)
            is_written = is_written && change_put(cache, change, &error);
    }
    if (!is_written || !journal_commit(cache->changes->journal, &error))
        g_message("%s", error->message);
}

/* --- waiting --- */

CacheAnswer cache_change_settled(Cache *cache, guint32 id, guint64 *ret_want, GError **error)
{
    const Change *change = changes_get(cache, id);

    if (change && change->refusal) {
        g_propagate_error(error, g_error_copy(change->refusal));
        return CACHE_FAILED;
    }
    if (!change || change->pub.is_done)
        return CACHE_FOUND;
    return wants_answer(cache, &(CacheWant){.kind = CACHE_WANT_SETTLED, .uid = id}, ret_want,
                        error);
}

guint32 cache_box_unsettled(Cache *cache, guint32 box, guint32 until)
{
    for (GList *link = cache->changes->queue.tail; link; link = link->prev) {
        const CacheChange *change = link->data;

        if ((!until || change->id <= until) && (change->box == box || change->target == box))
            return change->id;
    }
    return 0;
}

GError *cache_box_take_refusal(Cache *cache, guint32 box)
{
    gpointer error = NULL;

    g_hash_table_steal_extended(cache->changes->refusals, GUINT_TO_POINTER(box), NULL, &error);
    return error;
}

CacheAnswer cache_change_is_synced(Cache *cache, guint32 id, guint64 *ret_want, GError **error)
{
    struct Changes *changes = cache->changes;
    const Change *change = changes_get(cache, id);
    CacheAnswer answer;

    if (!journal_check(changes->journal, error))
        return CACHE_FAILED;
    if (!change || change->pub.is_done || change->n_written <= journal_n_synced(changes->journal))
        return CACHE_FOUND;
    journal_sync(changes->journal);
    answer =
        wants_answer(cache, &(CacheWant){.kind = CACHE_WANT_SYNCED, .uid = id}, ret_want, error);
    if (answer == CACHE_WAIT)
        cache_want_take(cache, *ret_want);
    return answer;
}

/* --- for backends --- */

void cache_change_take(Cache *cache, guint32 id)
{
    Change *change = changes_get(cache, id);

    if (change)
        change->pub.is_taken = TRUE;
}

void cache_change_put_back(Cache *cache, guint32 id)
{
    Change *change = changes_get(cache, id);

    if (!change || change->pub.is_done || !change->pub.is_taken)
        return;
    change->pub.is_taken = FALSE;
    wants_tell_backend(cache);
}

gboolean cache_changes_are_awaited(Cache *cache)
{
    for (GList *link = cache_wants(cache)->head; link; link = link->next) {
        const CacheWant *want = link->data;

        if (want->kind == CACHE_WANT_SETTLED && want->n_waiting)
            return TRUE;
    }
    return FALSE;
}

void cache_changes_renew(Cache *cache)
{
    gint64 now = g_get_monotonic_time();

    if (now - cache->changes->renewed_us < RENEW_US)
        return;
    cache->changes->renewed_us = now;
    wants_renew(cache, CACHE_WANT_SETTLED);
}

/* What is not on record was not sent. */
static void restore_sent(Cache *cache, const GArray *ids, const GArray *before)
{
    for (guint i = 0; i < before->len; i++) {
        const CacheChange *old = &g_array_index(before, CacheChange, i);
        Change *change = changes_get(cache, g_array_index(ids, guint32, i));

        if (!change || !old->id)
            continue;
        change->pub.sent_uidvalidity = old->sent_uidvalidity;
        change->pub.sent_uidnext = old->sent_uidnext;
    }
}

gboolean changes_put_sent(Cache *cache, const GArray *ids, guint32 uidvalidity, guint32 uidnext,
                          GError **error)
{
    g_autoptr(GArray) before = g_array_new(FALSE, TRUE, sizeof(CacheChange));
    gboolean is_put = TRUE;

    for (guint i = 0; i < ids->len && is_put; i++) {
        Change *change = changes_get(cache, g_array_index(ids, guint32, i));
        CacheChange old = change && !change->pub.is_done ? change->pub : (CacheChange){0};

        g_array_append_val(before, old);
        if (!old.id)
            continue;
        change->pub.sent_uidvalidity = uidvalidity;
        change->pub.sent_uidnext = uidnext;
        is_put = change_put(cache, change, error);
    }
    if (is_put && journal_commit(cache->changes->journal, error))
        return TRUE;
    restore_sent(cache, ids, before);
    return FALSE;
}

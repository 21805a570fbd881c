/* SPDX-License-Identifier: MIT */
/* cache/reload.c - the changes that an earlier run has left: reading them, and finding what they
 * are of in an index that may be another one. */
#include "cache/changes.h"

static const Box *find_wire(Cache *cache, const char *wire)
{
    GHashTableIter iter;
    gpointer box;

    g_hash_table_iter_init(&iter, cache->boxes);
    while (wire && g_hash_table_iter_next(&iter, NULL, &box))
        if (g_strcmp0(((const Box *)box)->pub.wire, wire) == 0)
            return box;
    return NULL;
}

/* A number alone says nothing: those of an index that was lost may be given out again. */
guint32 changes_find_box(Cache *cache, guint32 id, const char *wire)
{
    const CacheBox *known = id ? cache_box(cache, id) : NULL;
    const Box *named;

    if (known && g_strcmp0(known->wire, wire) == 0)
        return id;
    named = find_wire(cache, wire);
    return named ? named->pub.id : 0;
}

void changes_renumber(Cache *cache, Change *change)
{
    change->pub.box = changes_find_box(cache, change->pub.box, change->pub.wire);
    change->pub.target = changes_find_box(cache, change->pub.target, change->target_wire);
    change->pub.generation = 0;
}

static gboolean is_missing(guint32 id, guint32 found)
{
    return id != CACHE_ROOT && found == CACHE_ROOT;
}

/* Whether the mailbox has the messages that the change was made of. */
static gboolean has_messages(const Change *change, const Box *box)
{
    return box->pub.generation && box->uidvalidity && box->uidvalidity == change->uidvalidity;
}

/* Takes the numbers that things have now, if all are known. */
static void try_to_bind(Cache *cache, Change *change)
{
    guint32 id = changes_find_box(cache, change->pub.box, change->pub.wire);
    guint32 target = changes_find_box(cache, change->pub.target, change->target_wire);
    const Box *box = boxes_get(cache, id);

    if (is_missing(change->pub.box, id) || is_missing(change->pub.target, target))
        return;
    if (change->pub.uid && !box->pub.generation)
        wants_suggest(cache, &(CacheWant){.kind = CACHE_WANT_SYNC, .box = id});
    if (change->pub.uid && !has_messages(change, box))
        return;
    change->pub.box = id;
    change->pub.target = target;
    change->pub.generation = change->pub.uid ? box->pub.generation : 0;
    change->is_bound = TRUE;
    change->pub.is_taken = FALSE;
    shades_add(cache, change, 1);
    arrivals_add(cache, change);
}

/* Whether what it is of is known to be gone. */
static gboolean is_lost(Cache *cache, const Change *change, gboolean are_all_known)
{
    guint32 id = changes_find_box(cache, change->pub.box, change->pub.wire);
    guint32 target = changes_find_box(cache, change->pub.target, change->target_wire);
    const Box *box = boxes_get(cache, id);

    if (change->pub.uid && box && box->pub.generation && !has_messages(change, box))
        return TRUE;
    return are_all_known &&
           (is_missing(change->pub.box, id) || is_missing(change->pub.target, target));
}

static Change *find_lost(Cache *cache, gboolean are_all_known)
{
    for (GList *link = cache->changes->queue.head; link; link = link->next) {
        Change *change = link->data;

        if (!change->is_bound && is_lost(cache, change, are_all_known))
            return change;
    }
    return NULL;
}

void changes_bind(Cache *cache, gboolean are_all_known)
{
    g_autoptr(GError) error =
        g_error_new(MAIL_ERROR, MAIL_ERROR_NOT_FOUND, "the mailbox is not there any more");
    const Change *lost;

    for (GList *link = cache->changes->queue.head; link; link = link->next)
        if (!((Change *)link->data)->is_bound)
            try_to_bind(cache, link->data);
    while ((lost = find_lost(cache, are_all_known)))
        cache_change_refused(cache, lost->pub.id, error);
}

static gboolean is_of_mailbox(const CacheChange *change)
{
    return change->kind >= CACHE_CHANGE_CREATE;
}

static void load_change(const JournalRecord *record, gpointer data)
{
    Cache *cache = data;
    Change *change;

    journal_note_id(cache->changes->journal, record->change.id);
    /* Whoever asked for it was told that it failed. */
    if (is_of_mailbox(&record->change) && !record->change.sent_uidnext) {
        g_array_append_val(cache->changes->dropped, record->change.id);
        return;
    }
    change = g_new0(Change, 1);
    change->pub = record->change;
    change->pub.name = g_strdup(record->change.name);
    change->pub.add = change_parse_flags(cache, record->added);
    change->pub.remove = change_parse_flags(cache, record->removed);
    change->pub.is_taken = TRUE; /* until it is bound */
    change->pub.wire = g_strdup(record->change.wire);
    change->target_wire = g_strdup(record->target_wire);
    change->uidvalidity = record->uidvalidity;
    change->link.data = change;
    change_count(cache, change);
    try_to_bind(cache, change);
}

static void drop(Cache *cache)
{
    GArray *dropped = cache->changes->dropped;

    for (guint i = 0; i < dropped->len; i++)
        journal_delete(cache->changes->journal, g_array_index(dropped, guint32, i));
    g_array_set_size(dropped, 0);
}

/* What cannot be read of a damaged journal is kept; what can be goes on in a new one. */
static gboolean renew_journal(Cache *cache, GError **error)
{
    struct Changes *changes = cache->changes;

    journal_close(g_steal_pointer(&changes->journal));
    if (!journal_move_aside(changes->dir, error))
        return FALSE;
    changes->journal = journal_open(changes->dir, error);
    if (!changes->journal)
        return FALSE;
    for (GList *link = changes->queue.head; link; link = link->next) {
        const Change *change = link->data;

        journal_note_id(changes->journal, change->pub.id);
        if (!change_put(cache, link->data, error))
            return FALSE;
    }
    return journal_commit(changes->journal, error);
}

gboolean changes_open(Cache *cache, const char *dir, GError **error)
{
    struct Changes *changes = cache->changes;

    changes->dir = g_strdup(dir);
    if (!g_str_equal(dir, cache->dir)) {
        changes->dir_fd = cache_dir_open(dir, error);
        if (changes->dir_fd < 0)
            return FALSE;
    }
    if (!drafts_open(cache, error))
        return FALSE;
    changes->journal = journal_open(dir, error);
    if (!changes->journal)
        return FALSE;
    if (!journal_load(changes->journal, load_change, cache) && !renew_journal(cache, error))
        return FALSE;
    drop(cache);
    notes_init(cache);
    lost_load(cache);
    if (drafts_sweep(cache, journal_has_orphans(changes->journal)))
        journal_forget_orphans(changes->journal);
    return TRUE;
}

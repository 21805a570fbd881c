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

/* The mailbox that had the number @id, or else that has the name @wire now. */
static guint32 bind_box(Cache *cache, guint32 id, const char *wire)
{
    const CacheBox *known = cache_box(cache, id);
    const Box *named;

    if (!id || (known && g_strcmp0(known->wire, wire) == 0))
        return id;
    named = find_wire(cache, wire);
    return named ? named->pub.id : id;
}

static void load_change(const JournalRecord *record, gpointer data)
{
    Cache *cache = data;
    Change *change = g_new0(Change, 1);

    change->pub = record->change;
    change->pub.name = g_strdup(record->change.name);
    change->pub.add = change_parse_flags(cache, record->added);
    change->pub.remove = change_parse_flags(cache, record->removed);
    change->wire = g_strdup(record->wire);
    change->target_wire = g_strdup(record->target_wire);
    change->uidvalidity = record->uidvalidity;
    change->link.data = change;
    change->pub.box = bind_box(cache, change->pub.box, change->wire);
    change->pub.target = bind_box(cache, change->pub.target, change->target_wire);
    journal_note_id(cache->changes->journal, change->pub.id);
    change_count(cache, change);
}

/* Whether the messages are those that the change was made of. */
static gboolean has_message(Cache *cache, const Change *change)
{
    const Box *box = boxes_get(cache, change->pub.box);

    return !change->pub.uid || (box && box->pub.generation == change->pub.generation);
}

static gboolean has_target(Cache *cache, const Change *change)
{
    return !change->target_wire || cache_box(cache, change->pub.target);
}

/* Its mailbox has another number now, or its messages have. */
static void move_to(Cache *cache, Change *change, guint32 box, guint32 target, guint32 generation)
{
    shades_add(cache, change, -1);
    arrivals_forget(cache, change);
    change->pub.box = box;
    change->pub.target = target;
    change->pub.generation = generation;
    shades_add(cache, change, 1);
    arrivals_add(cache, change);
}

/* Whether the mailbox that the messages were in has others now. */
static gboolean is_other(const Change *change, const Box *box)
{
    return change->pub.uid && box && box->pub.generation &&
           box->pub.generation != change->pub.generation && box->uidvalidity != change->uidvalidity;
}

static void bind(Cache *cache, Change *change)
{
    guint32 id = bind_box(cache, change->pub.box, change->wire);
    guint32 target = bind_box(cache, change->pub.target, change->target_wire);
    const Box *box = boxes_get(cache, id);
    guint32 known = box ? box->pub.generation : 0;

    move_to(cache, change, id, target, known && change->pub.uid ? known : change->pub.generation);
    if (change->pub.uid && box && !known)
        wants_suggest(cache, &(CacheWant){.kind = CACHE_WANT_SYNC, .box = id});
    /* As long as it is not known what it is of, it is nothing for the backend. */
    change->pub.is_taken = !has_message(cache, change) || !has_target(cache, change);
}

/* Whether what it is of is known to be gone. */
static gboolean is_lost(Cache *cache, const Change *change, gboolean are_all_known)
{
    const Box *box = boxes_get(cache, bind_box(cache, change->pub.box, change->wire));
    guint32 target = bind_box(cache, change->pub.target, change->target_wire);

    if (is_other(change, box))
        return TRUE;
    return are_all_known &&
           ((change->pub.uid && !box) || (change->target_wire && !cache_box(cache, target)));
}

void changes_bind(Cache *cache, gboolean are_all_known)
{
    for (GList *link = cache->changes->queue.head, *next; link; link = next) {
        Change *change = link->data;

        next = link->next;
        if (has_message(cache, change) && has_target(cache, change))
            continue;
        if (is_lost(cache, change, are_all_known)) {
            g_autoptr(GError) error =
                g_error_new(MAIL_ERROR, MAIL_ERROR_NOT_FOUND, "the mailbox is not there any more");

            cache_change_refused(cache, change->pub.id, error);
        } else {
            bind(cache, change);
        }
    }
}

static gboolean open_journal(Cache *cache, gboolean *ret_is_damaged, GError **error)
{
    struct Changes *changes = cache->changes;

    changes->journal = journal_open(changes->dir, NULL);
    if (!changes->journal) {
        *ret_is_damaged = TRUE;
        if (!journal_move_aside(changes->dir, error))
            return FALSE;
        changes->journal = journal_open(changes->dir, error);
    }
    return changes->journal != NULL;
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
    gboolean is_damaged = FALSE;

    changes->dir = g_strdup(dir);
    if (!g_str_equal(dir, cache->dir)) {
        changes->dir_fd = cache_dir_open(dir, error);
        if (changes->dir_fd < 0)
            return FALSE;
    }
    if (!drafts_open(cache, error) || !open_journal(cache, &is_damaged, error))
        return FALSE;
    if (!journal_load(changes->journal, load_change, cache)) {
        is_damaged = TRUE;
        if (!renew_journal(cache, error))
            return FALSE;
    }
    notes_init(cache);
    lost_load(cache);
    drafts_sweep(cache, is_damaged);
    return TRUE;
}

/* SPDX-License-Identifier: MIT */
/* imap/trees.c - the parts of messages as the server tells them, many messages in one command.
 *
 * Strangers write messages, and servers take them apart: where a command fails, or an answer cannot
 * be read, its messages are asked for one by one, and the one that it was is taken apart here.
 */
#include "imap/worker.h"

#define GROUP_MAX 512 /* messages */

typedef struct {
    guint64 want;
    gboolean is_told_of; /* an answer came, but no tree */
} Asked;

typedef struct {
    ImapJob job;
    guint32 generation;
    GHashTable *asked; /* uid -> Asked: those whose trees have not come */
    gboolean is_alone;
    gboolean is_broken;  /* the response that is looked at */
    gboolean was_broken; /* one of them */
} TreesJob;

static TreesJob *trees_new(ImapWorker *worker, const CacheBox *box);
static void send(TreesJob *trees);

static void clear(ImapJob *job)
{
    g_hash_table_unref(((TreesJob *)job)->asked);
}

static Asked *find(const TreesJob *trees, guint32 uid)
{
    return g_hash_table_lookup(trees->asked, GUINT_TO_POINTER(uid));
}

static void add(TreesJob *trees, guint32 uid, guint64 want)
{
    Asked *asked = g_new0(Asked, 1);

    asked->want = want;
    g_hash_table_insert(trees->asked, GUINT_TO_POINTER(uid), asked);
}

/* --- how it ends for a message --- */

static void end(TreesJob *trees, guint32 uid, const GError *error)
{
    imap_job_want_done(&trees->job, find(trees, uid)->want, error);
    g_hash_table_remove(trees->asked, GUINT_TO_POINTER(uid));
}

static void put_tree(TreesJob *trees, guint32 uid, MailPart *tree)
{
    cache_put_tree(imap_worker_cache(trees->job.worker), trees->generation, uid, tree);
    end(trees, uid, NULL);
}

/* It is another message, or none. */
static void put_gone(TreesJob *trees, guint32 uid, const char *why)
{
    g_autoptr(GError) error = imap_worker_gone(trees->job.worker, trees->job.box, why);

    end(trees, uid, error);
}

static void ask_alone(TreesJob *trees, guint32 uid)
{
    ImapWorker *worker = trees->job.worker;
    const CacheBox *box = cache_box_of_generation(imap_worker_cache(worker), trees->generation);
    guint64 want = find(trees, uid)->want;
    TreesJob *alone;

    if (!box) {
        put_gone(trees, uid, IMAP_NOT_THERE);
        return;
    }
    alone = trees_new(worker, box);
    add(alone, uid, want);
    imap_job_hand_on(&trees->job, want, &alone->job);
    imap_job_renew_wants(&alone->job);
    g_hash_table_remove(trees->asked, GUINT_TO_POINTER(uid));
    send(alone);
}

/* --- answers --- */

/* A response that breaks the rules, or our limits, may lack even the UID of its message. */
static gboolean untagged(ImapJob *job, const ImapResponse *response)
{
    TreesJob *trees = (TreesJob *)job;
    ImapItems items;

    trees->is_broken =
        g_str_equal(response->name, "FETCH") &&
        (response->is_cut || response->is_malformed || !imap_items_parse(response->values, &items));
    trees->was_broken |= trees->is_broken;
    return FALSE;
}

static gboolean fetched(ImapJob *job, const ImapItems *items)
{
    TreesJob *trees = (TreesJob *)job;
    Asked *asked = find(trees, items->uid);
    CacheMessage message;
    const char *why;

    if (!asked || job->worker->box != job->box)
        return FALSE;
    asked->is_told_of |= trees->is_broken || items->present & (IMAP_ITEM_DATE | IMAP_ITEM_SIZE);
    why = imap_worker_find_stranger(job->worker, trees->generation, items, &message);
    if (!why && (trees->is_broken || !(items->present & IMAP_ITEM_BODYSTRUCTURE)))
        return FALSE;
    imap_job_renew_wants(job);
    if (why)
        put_gone(trees, items->uid, why);
    else
        put_tree(trees, items->uid, imap_bodystructure_parse(items->bodystructure));
    return TRUE;
}

/* Deals with what is left; in doubt it may be the fault of any of these messages. */
static void settle(TreesJob *trees, gboolean is_doubtful)
{
    GHashTableIter iter;
    gpointer key, value;

    for (;;) {
        g_hash_table_iter_init(&iter, trees->asked);
        if (!g_hash_table_iter_next(&iter, &key, &value))
            return;
        if (is_doubtful && !trees->is_alone)
            ask_alone(trees, GPOINTER_TO_UINT(key));
        else if (is_doubtful || ((const Asked *)value)->is_told_of)
            put_tree(trees, GPOINTER_TO_UINT(key), NULL);
        else
            put_gone(trees, GPOINTER_TO_UINT(key), IMAP_NOT_THERE);
    }
}

/* The connection could not be read on, very likely because of the message whose turn it was:
 * servers answer in ascending order. */
static void blame_next(TreesJob *trees)
{
    GHashTableIter iter;
    gpointer key, value;
    guint32 next = 0;

    g_hash_table_iter_init(&iter, trees->asked);
    while (g_hash_table_iter_next(&iter, &key, &value))
        if (!((const Asked *)value)->is_told_of && (!next || GPOINTER_TO_UINT(key) < next))
            next = GPOINTER_TO_UINT(key);
    if (next)
        put_tree(trees, next, NULL);
}

static void finish(ImapJob *job, const ImapResponse *response, const GError *error)
{
    TreesJob *trees = (TreesJob *)job;
    gboolean is_closed = imap_session_is_closed(job->worker->session);

    if (is_closed && g_error_matches(error, MAIL_ERROR, MAIL_ERROR_PROTOCOL))
        blame_next(trees);
    else if (g_error_matches(error, MAIL_ERROR, MAIL_ERROR_BUSY))
        imap_job_wants_done(job, error); /* that says nothing of the messages */
    else if (!is_closed && (!error || imap_worker_is_inside(job->worker, job->box)))
        settle(trees, error || trees->was_broken);
}

/* --- questions --- */

static TreesJob *trees_new(ImapWorker *worker, const CacheBox *box)
{
    TreesJob *trees = imap_job_new(worker, sizeof *trees, box->id);

    trees->job.untagged = untagged;
    trees->job.fetched = fetched;
    trees->job.finish = finish;
    trees->job.clear = clear;
    trees->generation = box->generation;
    trees->asked = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    return trees;
}

static void send(TreesJob *trees)
{
    ImapCommand *command = imap_worker_command(trees->job.worker, "UID FETCH");
    g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(MailRange));
    g_autoptr(MailSet) uids = NULL;
    g_autofree char *set = NULL;
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, trees->asked);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        MailRange range = {GPOINTER_TO_UINT(key), GPOINTER_TO_UINT(key)};

        g_array_append_val(ranges, range);
    }
    uids = mail_set_join(ranges);
    set = mail_set_format(uids);
    trees->is_alone = g_hash_table_size(trees->asked) == 1;
    imap_command_add(command, set);
    imap_command_add(command, "(INTERNALDATE RFC822.SIZE BODYSTRUCTURE)");
    imap_job_send(trees, command);
}

/* The oldest of the wants that somebody waits for, or that nobody does; or NULL. */
static TreesJob *gather(ImapWorker *worker, const CacheBox *box, gboolean are_waited_for)
{
    TreesJob *trees = NULL;

    for (GList *link = cache_wants(imap_worker_cache(worker))->head, *next; link; link = next) {
        const CacheWant *want = link->data;

        next = link->next;
        if (!imap_want_is_open(want, CACHE_WANT_TREE, box) ||
            (want->n_waiting > 0) != are_waited_for)
            continue;
        if (!trees)
            trees = trees_new(worker, box);
        add(trees, want->uid, want->id);
        imap_job_take(&trees->job, want);
        if (g_hash_table_size(trees->asked) == GROUP_MAX)
            break;
    }
    return trees;
}

static void send_all(ImapWorker *worker, const CacheBox *box, gboolean are_waited_for)
{
    TreesJob *trees;

    while (!imap_fetch_is_full(worker) && (trees = gather(worker, box, are_waited_for)))
        send(trees);
}

void imap_trees_send(ImapWorker *worker, guint32 id, gboolean is_short)
{
    const CacheBox *box = cache_box(imap_worker_cache(worker), id);

    if (!box)
        return;
    send_all(worker, box, TRUE);
    if (!is_short)
        send_all(worker, box, FALSE);
}

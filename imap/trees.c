/* SPDX-License-Identifier: MIT */
/* imap/trees.c - the parts of messages as the server tells them, many messages in one command.
 *
 * Strangers write messages, and servers take them apart: where a command fails, or an answer cannot
 * be read, half as many are asked for at a time, and the one that it was is taken apart here. Where
 * a connection ended, they are asked for one by one.
 */
#include "imap/worker.h"

#define GROUP_MAX   512 /* messages */
#define REFUSED_MAX 8   /* alone, one after the other */

typedef struct {
    guint64 want;
    gboolean is_asked;   /* by this command */
    gboolean is_told_of; /* an answer came, but no tree */
} Asked;

typedef struct {
    ImapJob job;
    guint32 generation;
    GHashTable *asked;   /* uid -> Asked: those whose trees have not come */
    guint n_asked;       /* by this command */
    guint n_refused;     /* alone, by those before it */
    gboolean is_broken;  /* the response that is looked at */
    gboolean was_broken; /* one of them */
} TreesJob;

static TreesJob *trees_new(ImapWorker *worker, const CacheBox *box);
static void send(TreesJob *trees, guint n_max);

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
    imap_suspects_remove(trees->job.worker->account->suspects, trees->generation, uid);
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

/* --- what is left --- */

/* One of those that this command asked for, or 0. */
static guint32 any_asked(const TreesJob *trees)
{
    GHashTableIter iter;
    gpointer key, value;

    g_hash_table_iter_init(&iter, trees->asked);
    while (g_hash_table_iter_next(&iter, &key, &value))
        if (((const Asked *)value)->is_asked)
            return GPOINTER_TO_UINT(key);
    return 0;
}

static void put_no_tree(TreesJob *trees)
{
    GHashTableIter iter;
    gpointer key;

    for (;;) {
        g_hash_table_iter_init(&iter, trees->asked);
        if (!g_hash_table_iter_next(&iter, &key, NULL))
            return;
        put_tree(trees, GPOINTER_TO_UINT(key), NULL);
    }
}

/* The command was answered, and well. */
static void settle(TreesJob *trees)
{
    guint32 uid;

    while ((uid = any_asked(trees))) {
        if (find(trees, uid)->is_told_of)
            put_tree(trees, uid, NULL);
        else
            put_gone(trees, uid, IMAP_NOT_THERE);
    }
}

/* Asks for what is left, @n_max at a time; in another mailbox that is for later. */
static void go_on(TreesJob *trees, guint n_max, guint n_refused)
{
    ImapWorker *worker = trees->job.worker;
    const CacheBox *box = cache_box_of_generation(imap_worker_cache(worker), trees->generation);
    GHashTableIter iter;
    gpointer key, value;
    TreesJob *next;

    if (!box || !g_hash_table_size(trees->asked))
        return;
    if (!imap_worker_stays_in(worker, box->id)) {
        imap_job_put_all_back(&trees->job);
        return;
    }
    next = trees_new(worker, box);
    next->n_refused = n_refused;
    g_hash_table_iter_init(&iter, trees->asked);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        guint64 want = ((const Asked *)value)->want;

        add(next, GPOINTER_TO_UINT(key), want);
        imap_job_hand_on(&trees->job, want, &next->job);
    }
    imap_job_renew_wants(&next->job);
    send(next, n_max);
}

/* The command failed, or something in the answers to it was no good: it may be the fault of any of
 * its messages that are left. */
static void doubt(TreesJob *trees)
{
    guint32 uid = any_asked(trees);
    guint n_refused = trees->n_refused;

    if (trees->n_asked == 1 && uid) {
        put_tree(trees, uid, NULL);
        n_refused++;
    }
    if (n_refused < REFUSED_MAX)
        go_on(trees, MAX(trees->n_asked / 2, 1), n_refused);
    else
        put_no_tree(trees);
}

static void suspect_all(const TreesJob *trees)
{
    GHashTableIter iter;
    gpointer key, value;

    g_hash_table_iter_init(&iter, trees->asked);
    while (g_hash_table_iter_next(&iter, &key, &value))
        if (((const Asked *)value)->is_asked)
            imap_suspects_add(trees->job.worker->account->suspects, trees->generation,
                              GPOINTER_TO_UINT(key));
}

/* The connection ended over this command. */
static void blame(TreesJob *trees, const GError *error)
{
    guint32 uid = any_asked(trees);

    if (trees->n_asked > 1)
        suspect_all(trees);
    else if (uid && imap_job_convicts(&trees->job, trees->generation, uid, error))
        put_tree(trees, uid, NULL);
}

static void finish(ImapJob *job, const ImapResponse *response, const GError *error)
{
    TreesJob *trees = (TreesJob *)job;

    if (imap_session_is_closed(job->worker->session)) {
        if (job->is_culprit)
            blame(trees, error);
    } else if (g_error_matches(error, MAIL_ERROR, MAIL_ERROR_BUSY)) {
        imap_job_wants_done(job, error); /* that says nothing of the messages */
    } else if (error && !imap_worker_is_inside(job->worker, job->box)) {
        return;
    } else if (error || trees->was_broken) {
        doubt(trees);
    } else {
        settle(trees);
        go_on(trees, trees->n_asked * 2, 0);
    }
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

/* The UIDs of the first @n_max, which are asked from now on. */
static MailSet *choose(TreesJob *trees, guint n_max)
{
    g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(MailRange));
    GHashTableIter iter;
    gpointer key, value;

    g_hash_table_iter_init(&iter, trees->asked);
    while (trees->n_asked < n_max && g_hash_table_iter_next(&iter, &key, &value)) {
        MailRange range = {GPOINTER_TO_UINT(key), GPOINTER_TO_UINT(key)};

        g_array_append_val(ranges, range);
        ((Asked *)value)->is_asked = TRUE;
        trees->n_asked++;
    }
    return mail_set_join(ranges);
}

static void send(TreesJob *trees, guint n_max)
{
    ImapCommand *command = imap_worker_command(trees->job.worker, "UID FETCH");
    g_autoptr(MailSet) uids = choose(trees, n_max);
    g_autofree char *set = mail_set_format(uids);

    imap_command_add(command, set);
    imap_command_add(command, "(INTERNALDATE RFC822.SIZE BODYSTRUCTURE)");
    imap_job_send(trees, command);
}

static gboolean is_suspect(const ImapWorker *worker, const CacheWant *want)
{
    return imap_suspects_has(worker->account->suspects, want->generation, want->uid);
}

/* The oldest of the wants that somebody waits for, or that nobody does; or NULL.  One that is
 * suspected goes alone, or is left if @is_short. */
static TreesJob *gather(ImapWorker *worker, const CacheBox *box, gboolean are_waited_for,
                        gboolean is_short)
{
    TreesJob *trees = NULL;

    for (GList *link = cache_wants(imap_worker_cache(worker))->head, *next; link; link = next) {
        const CacheWant *want = link->data;
        gboolean is_alone = is_suspect(worker, want);

        next = link->next;
        if (!imap_want_is_open(want, CACHE_WANT_TREE, box) ||
            (want->n_waiting > 0) != are_waited_for || (is_alone && (trees || is_short)))
            continue;
        if (!trees)
            trees = trees_new(worker, box);
        add(trees, want->uid, want->id);
        imap_job_take(&trees->job, want);
        if (is_alone || g_hash_table_size(trees->asked) == GROUP_MAX)
            break;
    }
    return trees;
}

static void send_all(ImapWorker *worker, const CacheBox *box, gboolean are_waited_for,
                     gboolean is_short)
{
    TreesJob *trees;

    while (!imap_fetch_is_full(worker) && (trees = gather(worker, box, are_waited_for, is_short)))
        send(trees, GROUP_MAX);
}

/* None is told. */
static void do_without(ImapWorker *worker, const CacheBox *box)
{
    Cache *cache = imap_worker_cache(worker);

    for (GList *link = cache_wants(cache)->head, *next; link; link = next) {
        const CacheWant *want = link->data;

        next = link->next;
        if (!imap_want_is_open(want, CACHE_WANT_TREE, box))
            continue;
        cache_put_tree(cache, want->generation, want->uid, NULL);
        cache_want_done(cache, want->id, NULL);
    }
}

void imap_trees_send(ImapWorker *worker, guint32 id, gboolean is_short)
{
    const CacheBox *box = cache_box(imap_worker_cache(worker), id);

    if (!box)
        return;
    if (imap_suspects_were_many(worker->account->suspects))
        do_without(worker, box);
    send_all(worker, box, TRUE, is_short);
    if (!is_short)
        send_all(worker, box, FALSE, FALSE);
}

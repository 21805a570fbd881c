/* SPDX-License-Identifier: MIT */
/* imap/sync.c - comparing a mailbox with what the cache knows of it.
 *
 * A mailbox that is entered is told apart by UIDVALIDITY and MAILBOXID; where there is no
 * MAILBOXID, by a sample of its messages, for some servers give equal UIDVALIDITYs to different
 * mailboxes.  What changed comes by QRESYNC, by CONDSTORE and a list of UIDs, or by all flags,
 * whichever the server has.  All that does not depend on an answer is sent at once.
 *
 *      start -> [examine | noop] [proof] [uids | flags]  -> conclude -> [uids] -> conclude
 */
#include <string.h>

#include "imap/letters.h"

#define SAMPLE           3
#define KNOWN_RANGES_MAX 200
#define SEARCHES_MAX     2

typedef struct {
    guint32 uid;
    MailFlags flags;
} Change;

struct ImapSync {
    guint32 box;
    gboolean with_uids;
    gboolean was_known;   /* there is a generation to compare with */
    gboolean is_other;    /* the samples say so */
    gboolean is_replaced; /* what was known has been given up */
    gboolean is_narrowed; /* the list of new UIDs was asked for already */
    gboolean is_retry;    /* without the parameters of EXAMINE that were refused */
    gboolean trusts_id;   /* no proof was asked for, because MAILBOXID is one */
    gboolean has_asked_flags;
    guint n_searches; /* for all UIDs */
    gboolean was_simple;
    gint64 began_us;
    CacheSync known;
    char *known_mailboxid;
    guint n_steps;       /* in flight */
    MailSet *uids;       /* all there are, or NULL as long as they were not told */
    GArray *came;        /* MailRange in any order: some that are there */
    MailSet *checked;    /* those whose flags were asked for one by one, or NULL */
    MailSet *unanswered; /* those of them that may be gone, or NULL */
    GArray *vanished;    /* MailRange in any order: since the comparison before */
    GArray *changes;     /* Change */
    GError *error;
};

static void conclude(ImapWorker *worker);

void imap_sync_free(struct ImapSync *sync)
{
    if (!sync)
        return;
    g_free(sync->known_mailboxid);
    g_array_unref(sync->came);
    g_array_unref(sync->vanished);
    g_array_unref(sync->changes);
    g_clear_pointer(&sync->uids, g_array_unref);
    g_clear_pointer(&sync->checked, g_array_unref);
    g_clear_pointer(&sync->unanswered, g_array_unref);
    g_clear_error(&sync->error);
    g_free(sync);
}

/* A sync lasts until its last step is done. */
static void step_done(ImapWorker *worker, const GError *error)
{
    struct ImapSync *sync = worker->sync;

    if (error && !sync->error)
        sync->error = g_error_copy(error);
    if (--sync->n_steps == 0)
        conclude(worker);
}

static void finish_step(ImapJob *job, const ImapResponse *response, const GError *error)
{
    step_done(job->worker, error);
}

static ImapJob *step_new(ImapWorker *worker, gsize size)
{
    ImapJob *job = imap_job_new(worker, size, worker->sync->box);

    job->finish = finish_step;
    worker->sync->n_steps++;
    return job;
}

/* Replaces *held by @set (taken). */
static void hold(MailSet **held, MailSet *set)
{
    g_clear_pointer(held, g_array_unref);
    *held = set;
}

/* --- the proof --- */

typedef struct {
    ImapJob job;
    MailSet *asked;
} SampleJob;

static void clear_sample(ImapJob *job)
{
    g_array_unref(((SampleJob *)job)->asked);
}

static gboolean is_same(ImapWorker *worker, const ImapItems *items)
{
    Cache *cache = imap_worker_cache(worker);
    const CacheBox *box = cache_box(cache, worker->sync->box);
    g_autoptr(MailEnvelope) known = NULL, told = NULL;
    CacheMessage message;

    if (!cache_get_message(cache, box->generation, items->uid, &message))
        return TRUE;
    if (!imap_is_same_message(cache, &message, items))
        return FALSE;
    known = cache_dup_envelope(cache, box->generation, items->uid);
    if (!known || !(items->present & IMAP_ITEM_ENVELOPE))
        return TRUE;
    told = imap_envelope_parse(items->envelope);
    return g_str_equal(mail_envelope_get(known, MAIL_ENVELOPE_MESSAGE_ID),
                       mail_envelope_get(told, MAIL_ENVELOPE_MESSAGE_ID));
}

static gboolean on_sample(ImapJob *job, const ImapItems *items)
{
    if (!(items->present & IMAP_ITEM_DATE) || job->worker->box != job->box ||
        !mail_set_contains(((SampleJob *)job)->asked, items->uid))
        return FALSE;
    if (cache_box(imap_worker_cache(job->worker), job->box))
        job->worker->sync->is_other |= !is_same(job->worker, items);
    return TRUE;
}

static void send_proof(ImapWorker *worker)
{
    g_autoptr(MailSet) sample =
        cache_dup_sample(imap_worker_cache(worker), worker->sync->box, SAMPLE);
    g_autofree char *set = mail_set_format(sample);
    ImapCommand *command;
    SampleJob *job;

    if (!sample->len)
        return;
    job = (SampleJob *)step_new(worker, sizeof *job);
    job->job.fetched = on_sample;
    job->job.clear = clear_sample;
    job->asked = g_steal_pointer(&sample);
    command = imap_worker_command(worker, "UID FETCH");
    imap_command_add(command, set);
    imap_command_add(command, "(INTERNALDATE RFC822.SIZE ENVELOPE)");
    imap_job_send(job, command);
}

/* --- lists of UIDs --- */

static GArray *ranges_new(void)
{
    return g_array_new(FALSE, FALSE, sizeof(MailRange));
}

static void add_uid(GArray *ranges, guint32 uid)
{
    MailRange range = {uid, uid};

    g_array_append_val(ranges, range);
}

static void search(ImapWorker *worker, const char *criteria,
                   void (*done)(ImapWorker *worker, MailSet *uids, const GError *error))
{
    worker->sync->n_steps++;
    imap_uids_search(worker, worker->sync->box, criteria, done);
}

static void search_all(ImapWorker *worker);

/* A message that comes while the server looks is counted and not listed. */
static gboolean is_short(const ImapWorker *worker, const MailSet *uids)
{
    return mail_set_count(uids) < worker->told.exists && worker->sync->n_searches < SEARCHES_MAX;
}

static void on_all(ImapWorker *worker, MailSet *uids, const GError *error)
{
    g_autoptr(GError) nonsense = NULL;

    if (uids && is_short(worker, uids)) {
        search_all(worker);
        step_done(worker, NULL);
        return;
    }
    /* Nothing is not believed so easily: a whole mailbox would be forgotten. */
    if (uids && !uids->len && worker->told.exists)
        nonsense = g_error_new(MAIL_ERROR, MAIL_ERROR_PROTOCOL,
                               "list the messages: the server counts some and lists none");
    else if (uids)
        hold(&worker->sync->uids, g_array_ref(uids));
    step_done(worker, error ? error : nonsense);
}

static void search_all(ImapWorker *worker)
{
    worker->sync->n_searches++;
    search(worker, "ALL", on_all);
}

static void on_new(ImapWorker *worker, MailSet *uids, const GError *error)
{
    if (uids)
        g_array_append_vals(worker->sync->came, uids->data, uids->len);
    step_done(worker, error);
}

/* Those from @uid on; and the last, which may be before it. */
static void search_new(ImapWorker *worker, guint32 uid)
{
    g_autofree char *criteria = g_strdup_printf("UID %u:*", uid);

    search(worker, criteria, on_new);
}

static void on_unanswered(ImapWorker *worker, MailSet *uids, const GError *error)
{
    if (uids) {
        g_autoptr(MailSet) gone = mail_set_minus(worker->sync->unanswered, uids);

        cache_put_gone(imap_worker_cache(worker), worker->sync->box, gone);
    }
    g_clear_pointer(&worker->sync->unanswered, g_array_unref);
    step_done(worker, error);
}

static gboolean search_unanswered(ImapWorker *worker)
{
    const MailSet *set = worker->sync->unanswered;
    g_autofree char *text = NULL, *criteria = NULL;

    if (!set || !set->len)
        return FALSE;
    text = mail_set_format(set);
    criteria = g_strconcat("UID ", text, NULL);
    search(worker, criteria, on_unanswered);
    return TRUE;
}

/* --- flags --- */

static MailSet *dup_told_uids(const struct ImapSync *sync)
{
    g_autoptr(GArray) ranges = ranges_new();

    for (guint i = 0; i < sync->changes->len; i++)
        add_uid(ranges, g_array_index(sync->changes, Change, i).uid);
    return mail_set_join(ranges);
}

/* A FETCH says what is there, but not what is gone: some leave out what they cannot read. */
static void finish_flags(ImapJob *job, const ImapResponse *response, const GError *error)
{
    ImapWorker *worker = job->worker;

    /* "1:*" in an empty mailbox is an error for some. */
    if (!error || worker->told.exists == 0) {
        g_autoptr(MailSet) told = dup_told_uids(worker->sync);

        if (mail_set_count(told) >= worker->told.exists)
            hold(&worker->sync->uids, g_steal_pointer(&told));
        else
            worker->is_dirty = TRUE;
        error = NULL;
    }
    step_done(worker, error);
}

/* All flags, and so as a rule all UIDs too. */
static void send_all_flags(ImapWorker *worker)
{
    ImapJob *job = step_new(worker, sizeof *job);
    ImapCommand *command = imap_worker_command(worker, "UID FETCH");

    job->finish = finish_flags;
    imap_command_add(command, "1:* (FLAGS)");
    imap_job_send(job, command);
}

static void send_changed_flags(ImapWorker *worker, guint64 modseq)
{
    ImapJob *job = step_new(worker, sizeof *job);
    ImapCommand *command = imap_worker_command(worker, "UID FETCH");

    imap_command_addf(command, "1:* (FLAGS) (CHANGEDSINCE %" G_GUINT64_FORMAT ")", modseq);
    imap_job_send(job, command);
}

/* The few messages that are known of a mailbox which was never listed. */
static void send_flags_of_known(ImapWorker *worker)
{
    struct ImapSync *sync = worker->sync;
    g_autoptr(MailSet) known = cache_dup_uids(imap_worker_cache(worker), sync->box);
    g_autofree char *set = mail_set_format(known);
    ImapCommand *command;

    if (known->len > KNOWN_RANGES_MAX) {
        send_all_flags(worker);
    } else if (known->len) {
        sync->checked = g_steal_pointer(&known);
        command = imap_worker_command(worker, "UID FETCH");
        imap_command_addf(command, "%s (FLAGS)", set);
        imap_job_send(step_new(worker, sizeof(ImapJob)), command);
    }
}

gboolean imap_sync_fetched(ImapWorker *worker, const ImapItems *items)
{
    Change change = {items->uid, 0};

    if (!worker->sync || worker->sync->box != worker->box || !(items->present & IMAP_ITEM_FLAGS))
        return FALSE;
    change.flags = imap_flags_parse(imap_worker_cache(worker), items->flags);
    if (worker->sync->changes->len < IMAP_MESSAGES_MAX)
        g_array_append_val(worker->sync->changes, change);
    return TRUE;
}

void imap_sync_vanished(ImapWorker *worker, const ImapResponse *response)
{
    struct ImapSync *sync = worker->sync;
    const ImapValue *value = response->values;
    gboolean is_earlier = value && value->type == IMAP_VALUE_LIST;
    const char *text = imap_value_text(is_earlier ? value->next : value);
    g_autoptr(MailSet) set = text ? mail_set_parse(text, IMAP_MESSAGES_MAX) : NULL;

    if (!set || response->is_cut) {
        worker->is_dirty = TRUE;
        return;
    }
    /* Of the mailbox as it was known, if it is that one. */
    if (is_earlier) {
        if (sync && sync->box == worker->box && sync->vanished->len < IMAP_MESSAGES_MAX)
            g_array_append_vals(sync->vanished, set->data, set->len);
        return;
    }
    worker->told.exists -= MIN(mail_set_count(set), worker->told.exists);
    if (cache_box(imap_worker_cache(worker), worker->box))
        cache_put_gone(imap_worker_cache(worker), worker->box, set);
}

/* --- the end --- */

static void end_wants(ImapWorker *worker, guint32 box, const GError *error)
{
    Cache *cache = imap_worker_cache(worker);
    CacheSync now;
    gboolean is_there = cache_sync(cache, box, &now);

    for (GList *link = cache_wants(cache)->head, *next; link; link = next) {
        const CacheWant *want = link->data;

        next = link->next;
        if (want->box != box)
            continue;
        if (want->kind == CACHE_WANT_SYNC ||
            (want->kind == CACHE_WANT_UIDS && (error || !is_there || now.is_complete)))
            cache_want_done(cache, want->id, error);
        else if (error && !want->is_taken && (imap_want_is_list(want) || imap_want_is_body(want)))
            cache_want_done(cache, want->id, error);
    }
}

static void start(ImapWorker *worker, guint32 box, gboolean with_uids, gboolean is_retry);

static void end(ImapWorker *worker)
{
    struct ImapSync *sync = g_steal_pointer(&worker->sync);
    gboolean is_closed = imap_session_is_closed(worker->session);

    if (!is_closed && sync->error && worker->is_simple && !sync->was_simple)
        start(worker, sync->box, sync->with_uids, TRUE);
    /* Where the connection is gone, the next one will do what is wanted. */
    else if (!is_closed)
        end_wants(worker, sync->box, sync->error);
    imap_sync_free(sync);
    worker->events->has_room(worker, worker->owner);
}

/* Whether what was entered is what the cache knows. */
static gboolean is_known_box(const ImapWorker *worker)
{
    const struct ImapSync *sync = worker->sync;
    const ImapTold *told = &worker->told;

    if (!sync->was_known || sync->is_other || told->uidvalidity != sync->known.uidvalidity)
        return FALSE;
    /* Without UIDVALIDITY it is ours only until we leave. */
    if (!told->uidvalidity && !worker->is_synced && !sync->is_replaced)
        return FALSE;
    return !told->mailboxid || !sync->known_mailboxid ||
           g_str_equal(told->mailboxid, sync->known_mailboxid);
}

/* Those of checked that no flags were told of; then is done with checked. */
static void note_unanswered(struct ImapSync *sync)
{
    g_autoptr(MailSet) told = dup_told_uids(sync);

    hold(&sync->unanswered, mail_set_minus(sync->checked, told));
    g_clear_pointer(&sync->checked, g_array_unref);
}

static void add_new(ImapWorker *worker)
{
    struct ImapSync *sync = worker->sync;
    g_autoptr(MailSet) came = NULL;

    for (guint i = 0; i < sync->changes->len; i++) {
        guint32 uid = g_array_index(sync->changes, Change, i).uid;

        if (uid >= sync->known.uidnext)
            add_uid(sync->came, uid);
    }
    came = mail_set_join(sync->came);
    if (came->len)
        cache_add_uids(imap_worker_cache(worker), sync->box, came);
}

static void put_vanished(ImapWorker *worker)
{
    g_autoptr(MailSet) gone = mail_set_join(worker->sync->vanished);

    if (gone->len)
        cache_put_gone(imap_worker_cache(worker), worker->sync->box, gone);
    g_array_set_size(worker->sync->vanished, 0);
}

static void apply(ImapWorker *worker)
{
    Cache *cache = imap_worker_cache(worker);
    struct ImapSync *sync = worker->sync;

    if (sync->checked)
        note_unanswered(sync);
    if (sync->uids) {
        cache_put_uids(cache, sync->box, sync->uids);
        worker->n_untold = 0;
    } else if (sync->known.is_complete) {
        add_new(worker);
    }
    put_vanished(worker);
    for (guint i = 0; i < sync->changes->len; i++) {
        const Change *change = &g_array_index(sync->changes, Change, i);

        cache_put_flags(cache, sync->box, change->uid, change->flags);
    }
    g_array_set_size(sync->changes, 0);
}

/* Whether the number of messages says that some are missing or too many; then asks which. */
static gboolean has_gap(ImapWorker *worker, gboolean is_complete)
{
    struct ImapSync *sync = worker->sync;
    guint64 n = cache_box_n_messages(imap_worker_cache(worker), sync->box) + worker->n_untold;

    if (!is_complete || sync->uids || (!worker->is_dirty && worker->told.exists == n))
        return FALSE;
    if (!worker->is_dirty && worker->told.exists > n && !sync->is_narrowed && sync->known.uidnext) {
        sync->is_narrowed = TRUE;
        search_new(worker, sync->known.uidnext);
    } else {
        search_all(worker);
    }
    return TRUE;
}

static guint32 next_uid(ImapWorker *worker)
{
    guint32 newest = cache_newest_uid(imap_worker_cache(worker), worker->sync->box);

    return MAX(worker->told.uidnext, newest == G_MAXUINT32 ? newest : newest + 1);
}

/* The mailbox is another one: what is known of it begins anew. */
static void replace(ImapWorker *worker)
{
    struct ImapSync *sync = worker->sync;

    cache_box_replace(imap_worker_cache(worker), sync->box, worker->told.uidvalidity,
                      worker->told.mailboxid);
    cache_sync(imap_worker_cache(worker), sync->box, &sync->known);
    g_free(sync->known_mailboxid);
    sync->known.mailboxid = sync->known_mailboxid = g_strdup(sync->known.mailboxid);
    sync->known.is_proved = sync->was_known = TRUE;
    sync->is_other = FALSE;
    sync->is_replaced = TRUE;
    g_array_set_size(sync->changes, 0);
    g_clear_pointer(&sync->checked, g_array_unref);
    g_array_set_size(sync->vanished, 0);
}

/* QRESYNC told what changed since a time that the server does not remember. */
static gboolean went_back(const ImapWorker *worker)
{
    return worker->told.modseq && worker->told.modseq < worker->sync->known.modseq;
}

/* MAILBOXID was to be the proof that the mailbox is ours, and was not told. */
static gboolean ask_for_proof(ImapWorker *worker)
{
    struct ImapSync *sync = worker->sync;

    if (!sync->trusts_id || worker->told.mailboxid)
        return FALSE;
    sync->trusts_id = FALSE;
    send_proof(worker);
    return sync->n_steps > 0;
}

static gboolean has_condstore(const ImapWorker *worker)
{
    return imap_worker_has(worker, "CONDSTORE") && !worker->is_simple;
}

/* Somebody else changed flags, and the server told by sequence number of which messages.  What it
 * tells so meanwhile is for the next comparison. */
static gboolean ask_for_new_flags(ImapWorker *worker)
{
    guint64 modseq = worker->sync->known.modseq;

    if (!worker->has_new_flags || worker->sync->has_asked_flags)
        return FALSE;
    worker->has_new_flags = FALSE;
    worker->sync->has_asked_flags = TRUE;
    if (modseq && has_condstore(worker))
        send_changed_flags(worker, modseq);
    else
        send_all_flags(worker);
    return TRUE;
}

static void conclude(ImapWorker *worker)
{
    Cache *cache = imap_worker_cache(worker);
    struct ImapSync *sync = worker->sync;
    gboolean is_complete;

    if (sync->error || worker->box != sync->box || !worker->is_in_box) {
        end(worker);
        return;
    }
    if (is_known_box(worker) && ask_for_proof(worker))
        return;
    if (!is_known_box(worker)) {
        replace(worker);
    } else if (went_back(worker)) {
        sync->known.modseq = 0;
        send_all_flags(worker);
        return;
    }
    apply(worker);
    is_complete = sync->known.is_complete || sync->uids;
    if (sync->with_uids && !is_complete) {
        search_all(worker);
        return;
    }
    if (search_unanswered(worker) || ask_for_new_flags(worker) || has_gap(worker, is_complete))
        return;
    worker->is_synced = TRUE;
    worker->is_dirty = FALSE;
    cache_put_synced(cache, sync->box, next_uid(worker), worker->told.modseq, is_complete,
                     sync->began_us);
    end(worker);
}

/* --- the start --- */

static void on_examined(ImapWorker *worker, const GError *error)
{
    /* It was not for its parameters that it was refused. */
    if (error && worker->sync->is_retry)
        worker->is_simple = FALSE;
    step_done(worker, error);
}

/* A server that does not tell does not hide its messages, either. */
static void on_letters(ImapWorker *worker)
{
    step_done(worker, NULL);
}

static gboolean has_qresync(const ImapWorker *worker)
{
    return imap_session_has_enabled(worker->session, "QRESYNC") && !worker->is_simple;
}

/* What must be sent to learn what changed, beyond EXAMINE. */
static void send_comparison(ImapWorker *worker)
{
    struct ImapSync *sync = worker->sync;
    gboolean has_modseq = sync->known.modseq != 0;

    if (!sync->was_known || !sync->known.is_complete) {
        if (sync->with_uids)
            search_all(worker);
        if (sync->was_known)
            send_flags_of_known(worker);
        return;
    }
    if (has_modseq && has_qresync(worker))
        return;
    if (has_modseq && has_condstore(worker)) {
        send_changed_flags(worker, sync->known.modseq);
        search_all(worker);
    } else {
        send_all_flags(worker);
    }
}

static gboolean enter(ImapWorker *worker)
{
    struct ImapSync *sync = worker->sync;

    sync->n_steps++;
    if (!imap_examine(worker, sync->box, sync->was_known ? &sync->known : NULL, on_examined)) {
        sync->n_steps--;
        return FALSE;
    }
    sync->trusts_id = sync->known_mailboxid && imap_worker_has(worker, "OBJECTID");
    if (sync->was_known && !sync->trusts_id)
        send_proof(worker);
    send_comparison(worker);
    if (imap_letters_ask(worker, sync->box, on_letters))
        sync->n_steps++;
    return TRUE;
}

static void send_noop(ImapWorker *worker)
{
    imap_job_send(step_new(worker, sizeof(ImapJob)), imap_worker_command(worker, "NOOP"));
}

static void start(ImapWorker *worker, guint32 box, gboolean with_uids, gboolean is_retry)
{
    Cache *cache = imap_worker_cache(worker);
    struct ImapSync *sync = g_new0(struct ImapSync, 1);
    const CacheBox *known = cache_box(cache, box);

    sync->box = box;
    sync->began_us = g_get_monotonic_time();
    sync->with_uids = with_uids;
    sync->is_retry = is_retry;
    sync->was_simple = worker->is_simple;
    sync->came = ranges_new();
    sync->vanished = ranges_new();
    sync->changes = g_array_new(FALSE, FALSE, sizeof(Change));
    sync->was_known = known && known->generation;
    cache_sync(cache, box, &sync->known);
    sync->known_mailboxid = g_strdup(sync->known.mailboxid);
    sync->known.mailboxid = sync->known_mailboxid;
    worker->sync = sync;
    if (worker->box == box && worker->is_in_box && worker->is_synced && sync->known.is_proved) {
        if (with_uids && !sync->known.is_complete)
            search_all(worker);
        else
            send_noop(worker);
    } else if (!enter(worker)) {
        sync->error = g_error_new(MAIL_ERROR, MAIL_ERROR_NOT_FOUND, "there is no such mailbox");
        end(worker);
    }
}

void imap_sync_start(ImapWorker *worker, guint32 box, gboolean with_uids)
{
    start(worker, box, with_uids, FALSE);
}

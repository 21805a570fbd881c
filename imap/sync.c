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

#include "imap/worker.h"

#define SAMPLE           3
#define MESSAGES_MAX     4000000
#define KNOWN_RANGES_MAX 200

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
    CacheSync known;
    char *known_mailboxid;
    guint n_steps; /* in flight */
    MailSet *uids; /* all there are, when has_uids */
    gboolean has_uids;
    MailSet *came;    /* some that are there */
    MailSet *checked; /* those whose flags were asked for one by one, or NULL */
    GArray *changes;  /* Change */
    GError *error;
};

static void conclude(ImapWorker *worker);

void imap_sync_free(struct ImapSync *sync)
{
    if (!sync)
        return;
    g_free(sync->known_mailboxid);
    g_array_unref(sync->uids);
    g_array_unref(sync->came);
    g_array_unref(sync->changes);
    g_clear_pointer(&sync->checked, g_array_unref);
    g_clear_error(&sync->error);
    g_free(sync);
}

static void step_done(ImapWorker *worker, const GError *error)
{
    struct ImapSync *sync = worker->sync;

    if (!sync)
        return;
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

/* --- the proof --- */

static gboolean is_same(ImapWorker *worker, const ImapItems *items)
{
    Cache *cache = imap_worker_cache(worker);
    const CacheBox *box = cache_box(cache, worker->sync->box);
    g_autoptr(MailEnvelope) known = NULL, told = NULL;
    CacheMessage message;

    if (!cache_get_message(cache, box->generation, items->uid, &message))
        return TRUE;
    if (items->present & IMAP_ITEM_DATE && items->date != message.date)
        return FALSE;
    if (items->present & IMAP_ITEM_SIZE && !message.is_size_proved && items->size != message.size)
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
    if (!(items->present & IMAP_ITEM_DATE))
        return FALSE;
    if (job->worker->sync && cache_box(imap_worker_cache(job->worker), job->box))
        job->worker->sync->is_other |= !is_same(job->worker, items);
    return TRUE;
}

static void send_proof(ImapWorker *worker)
{
    g_autoptr(MailSet) sample =
        cache_dup_sample(imap_worker_cache(worker), worker->sync->box, SAMPLE);
    g_autofree char *set = mail_set_format(sample);
    ImapCommand *command;
    ImapJob *job;

    if (!sample->len || imap_worker_has(worker, "OBJECTID"))
        return;
    job = step_new(worker, sizeof *job);
    job->fetched = on_sample;
    command = imap_worker_command(worker, "UID FETCH");
    imap_command_add(command, set);
    imap_command_add(command, "(INTERNALDATE RFC822.SIZE ENVELOPE)");
    imap_job_send(job, command);
}

/* --- lists of UIDs --- */

typedef struct {
    ImapJob job;
    MailSet *set;
    gboolean is_all; /* not only from some UID on */
} UidsJob;

static void clear_uids(ImapJob *job)
{
    g_array_unref(((UidsJob *)job)->set);
}

static gboolean add_all(MailSet *set, const MailSet *other)
{
    for (guint i = 0; i < other->len; i++)
        mail_set_add(set, mail_set_range(other, i)->first, mail_set_range(other, i)->last);
    return TRUE;
}

/* "* SEARCH 2 3 6" */
static void on_search(UidsJob *uids, const ImapValue *value)
{
    guint64 uid;

    for (; value; value = value->next)
        if (imap_value_number(value, &uid) && uid && uid <= G_MAXUINT32)
            mail_set_add(uids->set, (guint32)uid, (guint32)uid);
}

/* "* ESEARCH (TAG "A1") UID ALL 2:3,6" (RFC 4731).  FALSE when there is no sense in it. */
static gboolean on_esearch(UidsJob *uids, const ImapValue *value)
{
    for (; value && value->next; value = value->next) {
        const char *text = imap_value_is(value, "ALL") ? imap_value_text(value->next) : NULL;
        g_autoptr(MailSet) set = text ? mail_set_parse(text, MESSAGES_MAX) : NULL;

        if (text && !set)
            return FALSE;
        if (set)
            add_all(uids->set, set);
    }
    return TRUE;
}

static void fail_list(struct ImapSync *sync)
{
    if (!sync->error)
        sync->error = g_error_new(MAIL_ERROR, MAIL_ERROR_PROTOCOL,
                                  "list the messages: the server's list makes no sense");
}

static gboolean on_uids(ImapJob *job, const ImapResponse *response)
{
    UidsJob *uids = (UidsJob *)job;
    struct ImapSync *sync = job->worker->sync;

    if (g_str_equal(response->name, "SEARCH"))
        on_search(uids, response->values);
    else if (!g_str_equal(response->name, "ESEARCH"))
        return FALSE;
    else if (!on_esearch(uids, response->values) && sync)
        fail_list(sync);
    if (sync && !sync->error && (response->is_cut || mail_set_count(uids->set) > MESSAGES_MAX))
        sync->error = g_error_new(MAIL_ERROR, MAIL_ERROR_TOO_BIG,
                                  "list the messages: there are more than %d", MESSAGES_MAX);
    return TRUE;
}

static void finish_uids(ImapJob *job, const ImapResponse *response, const GError *error)
{
    UidsJob *uids = (UidsJob *)job;
    struct ImapSync *sync = job->worker->sync;

    if (sync && !error) {
        add_all(uids->is_all ? sync->uids : sync->came, uids->set);
        sync->has_uids |= uids->is_all;
        /* Nothing is not believed so easily: a whole mailbox would be forgotten. */
        if (uids->is_all && !uids->set->len && job->worker->told.exists)
            fail_list(sync);
    }
    step_done(job->worker, error);
}

/* Asks for all UIDs from @from on. */
static void send_search(ImapWorker *worker, guint32 from)
{
    UidsJob *uids = (UidsJob *)step_new(worker, sizeof *uids);
    ImapCommand *command = imap_worker_command(worker, "UID SEARCH");

    uids->job.untagged = on_uids;
    uids->job.finish = finish_uids;
    uids->job.clear = clear_uids;
    uids->set = mail_set_new();
    uids->is_all = from <= 1;
    if (imap_worker_has(worker, "ESEARCH"))
        imap_command_add(command, "RETURN (ALL)");
    if (uids->is_all)
        imap_command_add(command, "ALL");
    else
        imap_command_addf(command, "UID %u:*", from);
    imap_job_send(uids, command);
}

/* --- flags --- */

static void finish_flags(ImapJob *job, const ImapResponse *response, const GError *error)
{
    struct ImapSync *sync = job->worker->sync;

    /* "1:*" in an empty mailbox is an error for some. */
    if (sync && (!error || job->worker->told.exists == 0)) {
        for (guint i = 0; i < sync->changes->len; i++) {
            guint32 uid = g_array_index(sync->changes, Change, i).uid;

            mail_set_add(sync->uids, uid, uid);
        }
        sync->has_uids = TRUE;
        error = NULL;
    }
    step_done(job->worker, error);
}

/* All flags, and so all UIDs too. */
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
    if (worker->sync->changes->len < MESSAGES_MAX)
        g_array_append_val(worker->sync->changes, change);
    return TRUE;
}

void imap_sync_vanished(ImapWorker *worker, const ImapResponse *response)
{
    const ImapValue *value = response->values;
    const CacheBox *box = cache_box(imap_worker_cache(worker), worker->box);
    gboolean is_earlier = value && value->type == IMAP_VALUE_LIST;
    const char *text = imap_value_text(is_earlier ? value->next : value);
    g_autoptr(MailSet) set = text ? mail_set_parse(text, MESSAGES_MAX) : NULL;

    if (!set || response->is_cut) {
        worker->is_dirty = TRUE;
        return;
    }
    if (!is_earlier)
        worker->told.exists -= MIN(mail_set_count(set), worker->told.exists);
    if (box)
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
        else if (error && !want->is_taken)
            cache_want_done(cache, want->id, error);
    }
}

static void end(ImapWorker *worker)
{
    struct ImapSync *sync = g_steal_pointer(&worker->sync);

    /* Where the connection is gone, the next one will do what is wanted. */
    if (!imap_session_is_closed(worker->session))
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

/* Those that were asked for and not told of are gone. */
static void drop_unanswered(ImapWorker *worker)
{
    struct ImapSync *sync = worker->sync;

    for (guint i = 0; i < sync->changes->len; i++) {
        guint32 uid = g_array_index(sync->changes, Change, i).uid;

        mail_set_remove(sync->checked, uid, uid);
    }
    if (sync->checked->len)
        cache_put_gone(imap_worker_cache(worker), sync->box, sync->checked);
    g_clear_pointer(&sync->checked, g_array_unref);
}

static void apply(ImapWorker *worker)
{
    Cache *cache = imap_worker_cache(worker);
    struct ImapSync *sync = worker->sync;

    if (sync->checked)
        drop_unanswered(worker);
    if (sync->has_uids)
        cache_put_uids(cache, sync->box, sync->uids);
    else if (sync->known.is_complete) {
        for (guint i = 0; i < sync->changes->len; i++) {
            guint32 uid = g_array_index(sync->changes, Change, i).uid;

            if (uid >= sync->known.uidnext)
                mail_set_add(sync->came, uid, uid);
        }
        if (sync->came->len)
            cache_add_uids(cache, sync->box, sync->came);
    }
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
    guint n = cache_box_n_messages(imap_worker_cache(worker), sync->box);

    if (!is_complete || sync->has_uids || (!worker->is_dirty && worker->told.exists == n))
        return FALSE;
    if (!worker->is_dirty && worker->told.exists > n && !sync->is_narrowed && sync->known.uidnext) {
        sync->is_narrowed = TRUE;
        send_search(worker, sync->known.uidnext);
    } else {
        send_search(worker, 1);
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
}

/* QRESYNC told what changed since a time that the server does not remember. */
static gboolean went_back(const ImapWorker *worker)
{
    return worker->told.modseq && worker->told.modseq < worker->sync->known.modseq;
}

/* Somebody else changed flags, and the server told by sequence number of which messages. */
static gboolean ask_for_new_flags(ImapWorker *worker)
{
    guint64 modseq = worker->sync->known.modseq;

    if (!worker->has_new_flags)
        return FALSE;
    worker->has_new_flags = FALSE;
    if (modseq && imap_worker_has(worker, "CONDSTORE"))
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
    if (!is_known_box(worker)) {
        replace(worker);
    } else if (went_back(worker)) {
        sync->known.modseq = 0;
        send_all_flags(worker);
        return;
    }
    apply(worker);
    is_complete = sync->known.is_complete || sync->has_uids;
    if (sync->with_uids && !is_complete) {
        send_search(worker, 1);
        return;
    }
    if (ask_for_new_flags(worker))
        return;
    if (has_gap(worker, is_complete))
        return;
    worker->is_synced = TRUE;
    worker->is_dirty = FALSE;
    cache_put_synced(cache, sync->box, next_uid(worker), worker->told.modseq, is_complete);
    end(worker);
}

/* --- the start --- */

static void on_examined(ImapWorker *worker, const GError *error)
{
    step_done(worker, error);
}

static gboolean has_qresync(const ImapWorker *worker)
{
    return imap_session_has_enabled(worker->session, "QRESYNC");
}

/* What must be sent to learn what changed, beyond EXAMINE. */
static void send_comparison(ImapWorker *worker)
{
    struct ImapSync *sync = worker->sync;
    gboolean has_modseq = sync->known.modseq != 0;

    if (!sync->was_known || !sync->known.is_complete) {
        if (sync->with_uids)
            send_search(worker, 1);
        if (sync->was_known)
            send_flags_of_known(worker);
        return;
    }
    if (has_modseq && has_qresync(worker))
        return;
    if (has_modseq && imap_worker_has(worker, "CONDSTORE")) {
        send_changed_flags(worker, sync->known.modseq);
        send_search(worker, 1);
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
    if (sync->was_known)
        send_proof(worker);
    send_comparison(worker);
    return TRUE;
}

static void send_noop(ImapWorker *worker)
{
    imap_job_send(step_new(worker, sizeof(ImapJob)), imap_worker_command(worker, "NOOP"));
}

void imap_sync_start(ImapWorker *worker, guint32 box, gboolean with_uids)
{
    Cache *cache = imap_worker_cache(worker);
    struct ImapSync *sync = g_new0(struct ImapSync, 1);
    const CacheBox *known = cache_box(cache, box);

    sync->box = box;
    sync->with_uids = with_uids;
    sync->uids = mail_set_new();
    sync->came = mail_set_new();
    sync->changes = g_array_new(FALSE, FALSE, sizeof(Change));
    sync->was_known = known && known->generation;
    cache_sync(cache, box, &sync->known);
    sync->known_mailboxid = g_strdup(sync->known.mailboxid);
    sync->known.mailboxid = sync->known_mailboxid;
    worker->sync = sync;
    if (worker->box == box && worker->is_in_box && worker->is_synced && sync->known.is_proved) {
        if (with_uids && !sync->known.is_complete)
            send_search(worker, 1);
        else
            send_noop(worker);
    } else if (!enter(worker)) {
        sync->error = g_error_new(MAIL_ERROR, MAIL_ERROR_NOT_FOUND, "there is no such mailbox");
        end(worker);
    }
}

/* SPDX-License-Identifier: MIT */
/* imap/worker.c - a connection at work: jobs, and what comes untagged. */
#include "imap/task.h"

#include <string.h>

#define RENEW_US G_USEC_PER_SEC

/* --- jobs --- */

gpointer imap_job_new(ImapWorker *worker, gsize size, guint32 box)
{
    ImapJob *job = g_malloc0(size);

    job->worker = worker;
    job->box = box;
    job->wants = g_array_new(FALSE, FALSE, sizeof(guint64));
    return job;
}

static void job_free(ImapJob *job)
{
    if (job->clear)
        job->clear(job);
    g_array_unref(job->wants);
    g_free(job);
}

void imap_job_take(ImapJob *job, const CacheWant *want)
{
    g_array_append_val(job->wants, want->id);
    cache_want_take(imap_worker_cache(job->worker), want->id);
}

/* Whether the job had taken it. */
static gboolean release(ImapJob *job, guint64 want)
{
    for (guint i = 0; i < job->wants->len; i++)
        if (g_array_index(job->wants, guint64, i) == want) {
            g_array_remove_index_fast(job->wants, i);
            return TRUE;
        }
    return FALSE;
}

void imap_job_want_done(ImapJob *job, guint64 want, const GError *error)
{
    if (release(job, want))
        cache_want_done(imap_worker_cache(job->worker), want, error);
}

void imap_job_put_back(ImapJob *job, guint64 want)
{
    if (release(job, want))
        cache_want_put_back(imap_worker_cache(job->worker), want);
}

void imap_job_put_all_back(ImapJob *job)
{
    for (guint i = 0; i < job->wants->len; i++)
        cache_want_put_back(imap_worker_cache(job->worker), g_array_index(job->wants, guint64, i));
    g_array_set_size(job->wants, 0);
}

void imap_job_hand_on(ImapJob *job, guint64 want, ImapJob *to)
{
    if (release(job, want))
        g_array_append_val(to->wants, want);
}

void imap_job_renew_wants(ImapJob *job)
{
    gint64 now = g_get_monotonic_time();

    if (now - job->renewed_us < RENEW_US)
        return;
    job->renewed_us = now;
    for (guint i = 0; i < job->wants->len; i++)
        cache_want_renew(imap_worker_cache(job->worker), g_array_index(job->wants, guint64, i));
}

void imap_job_wants_done(ImapJob *job, const GError *error)
{
    while (job->wants->len)
        imap_job_want_done(job, g_array_index(job->wants, guint64, 0), error);
}

static void begin_next(ImapWorker *worker)
{
    ImapJob *job = g_queue_peek_head(&worker->jobs);

    if (job && job->begin)
        job->begin(job);
}

/* What the job has not settled itself: after the loss of the connection another may do it. */
static void settle_wants(ImapJob *job, const GError *error)
{
    if (error && imap_session_is_closed(job->worker->session))
        imap_job_put_all_back(job);
    else
        imap_job_wants_done(job, error);
}

static void on_done(const ImapResponse *response, const GError *error, gpointer data)
{
    ImapJob *job = data;
    ImapWorker *worker = job->worker;
    gboolean was_oldest = g_queue_peek_head(&worker->jobs) == job;

    if (imap_session_is_closed(worker->session) && !worker->has_culprit)
        job->is_culprit = worker->has_culprit = TRUE;
    g_queue_remove(&worker->jobs, job);
    if (worker->streaming == job)
        worker->streaming = NULL;
    if (job->finish)
        job->finish(job, response, error);
    settle_wants(job, error);
    job_free(job);
    if (imap_session_is_closed(worker->session))
        return;
    if (was_oldest)
        begin_next(worker);
    worker->events->has_room(worker, worker->owner);
}

gboolean imap_job_convicts(ImapJob *job, guint32 generation, guint32 uid, const GError *error)
{
    ImapWorker *worker = job->worker;

    worker->has_convict =
        imap_suspects_convict(worker->account->suspects, generation, uid,
                              g_error_matches(error, MAIL_ERROR, MAIL_ERROR_PROTOCOL));
    return worker->has_convict;
}

void imap_job_send(gpointer data, ImapCommand *command)
{
    ImapJob *job = data;
    ImapWorker *worker = job->worker;

    worker->used_us = g_get_monotonic_time();
    g_queue_push_tail(&worker->jobs, job);
    if (worker->jobs.length == 1)
        begin_next(worker);
    imap_session_send(worker->session, command, on_done, job);
}

/* --- untagged responses --- */

MailFlags imap_flags_parse(Cache *cache, const ImapValue *list)
{
    MailFlags flags = 0;

    for (const ImapValue *value = list ? list->first : NULL; value; value = value->next) {
        const char *name = imap_value_text(value);
        MailFlags flag = name ? mail_flag_from_imap(name, value->len) : 0;

        if (!flag && name && name[0] != '\\')
            flag = cache_keyword_flag(cache, name);
        flags |= flag;
    }
    return flags;
}

static MailFlags find_keyword(Cache *cache, const char *name)
{
    for (guint i = 0; i < MAIL_FLAG_N_KEYWORDS; i++) {
        const char *keyword = cache_keyword(cache, mail_flag_keyword(i));

        if (keyword && g_ascii_strcasecmp(keyword, name) == 0)
            return mail_flag_keyword(i);
    }
    return 0;
}

MailFlags imap_flags_parse_known(Cache *cache, const ImapValue *list)
{
    MailFlags flags = 0;

    for (const ImapValue *value = list ? list->first : NULL; value; value = value->next) {
        const char *name = imap_value_text(value);
        MailFlags flag = name ? mail_flag_from_imap(name, value->len) : 0;

        if (name)
            flags |= flag ? flag : find_keyword(cache, name);
    }
    return flags;
}

gboolean imap_is_same_message(const Cache *cache, const CacheMessage *message,
                              const ImapItems *items)
{
    if (items->present & IMAP_ITEM_DATE && items->date != message->date)
        return FALSE;
    return !(items->present & IMAP_ITEM_SIZE) || items->size == message->size ||
           cache_sizes_lie(cache);
}

const char *imap_worker_find_stranger(const ImapWorker *worker, guint32 generation,
                                      const ImapItems *items, CacheMessage *ret_message)
{
    Cache *cache = imap_worker_cache(worker);

    if (!worker->is_in_box || !cache_get_message(cache, generation, items->uid, ret_message))
        return "the mailbox was replaced by another one";
    if (!imap_is_same_message(cache, ret_message, items))
        return "the server has another message under its UID";
    return NULL;
}

GError *imap_worker_gone(const ImapWorker *worker, guint32 box, const char *why)
{
    cache_box_suspect(imap_worker_cache(worker), box);
    return g_error_new(MAIL_ERROR, MAIL_ERROR_GONE, "%s", why);
}

static void on_fetch(ImapWorker *worker, const ImapResponse *response)
{
    ImapItems items;

    worker->streaming = NULL;
    if (!imap_items_parse(response->values, &items))
        return;
    if (!(items.present & IMAP_ITEM_UID)) {
        worker->has_new_flags = TRUE;
        imap_idle_heard(worker);
        return;
    }
    for (GList *link = worker->jobs.head; link; link = link->next) {
        ImapJob *job = link->data;

        if (job->fetched && job->fetched(job, &items))
            return;
    }
    if (imap_sync_fetched(worker, &items))
        return;
    if (items.present & IMAP_ITEM_FLAGS && worker->is_in_box)
        cache_put_flags(imap_worker_cache(worker), worker->box, items.uid,
                        imap_flags_parse(imap_worker_cache(worker), items.flags));
}

/* "PERMANENTFLAGS (\Answered \*)": what is told last holds. */
static void on_permanent(ImapWorker *worker, const ImapValue *list)
{
    worker->told.has_permanent = TRUE;
    worker->told.permanent = imap_flags_parse_known(imap_worker_cache(worker), list);
    worker->told.may_invent = FALSE;
    for (const ImapValue *value = list ? list->first : NULL; value; value = value->next)
        worker->told.may_invent |= imap_value_is(value, "\\*");
}

static void on_code(ImapWorker *worker, const ImapResponse *response)
{
    const char *id;
    guint64 number;

    if (g_str_equal(response->code, "MAILBOXID")) {
        id = imap_value_text(imap_value_nth(response->code_args, 0));
        g_free(worker->told.mailboxid);
        worker->told.mailboxid = g_strdup(id);
    } else if (g_str_equal(response->code, "PERMANENTFLAGS")) {
        on_permanent(worker, response->code_args);
    }
    if (!imap_value_number(response->code_args, &number))
        return;
    if (g_str_equal(response->code, "UIDVALIDITY"))
        worker->told.uidvalidity = number <= G_MAXUINT32 ? (guint32)number : 0;
    else if (g_str_equal(response->code, "UIDNEXT"))
        worker->told.uidnext = number <= G_MAXUINT32 ? (guint32)number : 0;
    else if (g_str_equal(response->code, "HIGHESTMODSEQ"))
        worker->told.modseq = number;
}

static void on_size(ImapWorker *worker, const ImapResponse *response)
{
    if (!response->has_number)
        return;
    if (g_str_equal(response->name, "EXISTS")) {
        if (response->number == worker->told.exists)
            return;
        /* Fewer without a word of which went: the count alone cannot be trusted. */
        worker->is_dirty |= worker->is_synced && response->number < worker->told.exists;
        worker->told.exists = response->number;
    } else {
        /* EXPUNGE; or EXPUNGED, as one server says it. */
        worker->is_dirty = TRUE;
        if (worker->told.exists)
            worker->told.exists--;
    }
    imap_idle_heard(worker);
}

/* Mostly the oldest job's; but a server may tell the result of a search before it says OK to the
 * FETCH in front.  What is behind an EXAMINE that has not begun cannot have been answered. */
static gboolean is_taken_by_job(ImapWorker *worker, const ImapResponse *response)
{
    for (GList *link = worker->jobs.head; link; link = link->next) {
        ImapJob *job = link->data;

        if (job->begin && link != worker->jobs.head)
            return FALSE;
        if (job->untagged && job->untagged(job, response))
            return TRUE;
    }
    return FALSE;
}

static void on_untagged(ImapSession *session, const ImapResponse *response, gpointer data)
{
    ImapWorker *worker = data;

    if (is_taken_by_job(worker, response))
        return;
    if (g_str_equal(response->name, "FETCH"))
        on_fetch(worker, response);
    else if (g_str_equal(response->name, "VANISHED"))
        imap_sync_vanished(worker, response);
    else if (g_str_equal(response->name, "EXISTS") || g_str_has_prefix(response->name, "EXPUNGE"))
        on_size(worker, response);
    else if (g_str_equal(response->name, "FLAGS"))
        worker->told.flags = imap_flags_parse_known(imap_worker_cache(worker), response->values);
    else if (response->is_status && response->code)
        on_code(worker, response);
}

static gboolean on_literal(ImapSession *session, const ImapResponse *response, gpointer data)
{
    ImapWorker *worker = data;
    ImapItems items;

    /* Only the literal that is announced, which is the last value, can be the body. */
    if (worker->streaming || !g_str_equal(response->name, "FETCH") ||
        !imap_items_parse(response->values, &items) || !items.body || items.body->next)
        return FALSE;
    for (GList *link = worker->jobs.head; link && !worker->streaming; link = link->next) {
        ImapJob *job = link->data;

        if (job->announced && job->announced(job, &items))
            worker->streaming = job;
    }
    return worker->streaming != NULL;
}

static void on_piece(ImapSession *session, const guint8 *bytes, gsize len, gpointer data)
{
    ImapWorker *worker = data;

    worker->streaming->streamed(worker->streaming, bytes, len);
}

/* --- life --- */

void imap_account_init(ImapAccount *account, Cache *cache, const ImapOptions *options)
{
    *account = (ImapAccount){
        .cache = cache,
        .options = options,
        .lengths = imap_marks_new(),
        .suspects = imap_suspects_new(),
        .setbacks = g_hash_table_new(NULL, NULL),
        .lost_looks = g_hash_table_new(NULL, NULL),
        .untold = g_hash_table_new_full(NULL, NULL, NULL, g_free),
        .n_idle_losses = g_new0(guint, 1),
    };
}

void imap_account_clear(ImapAccount *account)
{
    imap_marks_free(account->lengths);
    imap_suspects_free(account->suspects);
    g_hash_table_unref(account->setbacks);
    g_hash_table_unref(account->lost_looks);
    g_hash_table_unref(account->untold);
    g_free(account->n_idle_losses);
}

static void on_ready(ImapSession *session, gpointer data)
{
    ImapWorker *worker = data;

    worker->was_ready = TRUE;
    worker->events->ready(worker, worker->owner);
}

static void on_stalled(ImapSession *session, gboolean is_stalled, gpointer data)
{
    ImapWorker *worker = data;

    worker->events->stalled(worker, is_stalled, worker->owner);
}

static void on_closed(ImapSession *session, const GError *error, gpointer data)
{
    ImapWorker *worker = data;

    worker->events->closed(worker, error, worker->owner);
}

ImapWorker *imap_worker_new(const ImapAccount *account, ImapRole role,
                            const ImapWorkerEvents *events, gpointer owner)
{
    static const ImapSessionEvents session_events = {on_ready, on_untagged, on_literal,
                                                     on_piece, on_stalled,  on_closed};
    ImapWorker *worker = g_new0(ImapWorker, 1);

    worker->account = account;
    worker->events = events;
    worker->owner = owner;
    worker->does_lists = role == IMAP_LISTER;
    worker->does_changes = role == IMAP_WRITER;
    worker->does_bodies = role == IMAP_BODIES;
    worker->tells_ahead = TRUE;
    worker->used_us = worker->born_us = g_get_monotonic_time();
    worker->session = imap_session_new(account->options, &session_events, worker);
    return worker;
}

void imap_worker_free(ImapWorker *worker)
{
    ImapJob *job;

    if (!worker)
        return;
    imap_idle_clear(worker);
    imap_session_logout(worker->session);
    imap_session_free(worker->session);
    while ((job = g_queue_pop_head(&worker->jobs))) {
        imap_job_put_all_back(job);
        job_free(job);
    }
    imap_sync_free(worker->sync);
    imap_task_free(worker->task);
    imap_changes_free(worker->changes);
    imap_rights_free(worker->rights);
    g_free(worker->told.mailboxid);
    g_free(worker);
}

gboolean imap_worker_is_ready(const ImapWorker *worker)
{
    return worker && imap_session_is_ready(worker->session);
}

Cache *imap_worker_cache(const ImapWorker *worker)
{
    return worker->account->cache;
}

ImapCommand *imap_worker_command(const ImapWorker *worker, const char *name)
{
    return imap_command_new(name, imap_session_literal_mode(worker->session));
}

gboolean imap_worker_has(const ImapWorker *worker, const char *capability)
{
    return imap_session_has(worker->session, capability);
}

gboolean imap_worker_is_inside(const ImapWorker *worker, guint32 box)
{
    return worker->box == box && worker->is_in_box;
}

gboolean imap_worker_has_selected(const ImapWorker *worker, guint32 box)
{
    const CacheBox *known = cache_box(imap_worker_cache(worker), box);

    return imap_worker_is_inside(worker, box) && worker->has_selected && known &&
           known->generation == worker->entered;
}

gboolean imap_worker_knows_box(const ImapWorker *worker)
{
    CacheSync known;

    if (!cache_sync(imap_worker_cache(worker), worker->box, &known))
        return TRUE;
    return worker->told.uidvalidity == known.uidvalidity &&
           (!worker->told.mailboxid || !known.mailboxid ||
            g_str_equal(worker->told.mailboxid, known.mailboxid));
}

void imap_worker_check_box(ImapWorker *worker)
{
    worker->is_in_box &= imap_worker_knows_box(worker);
}

gboolean imap_worker_stays_in(const ImapWorker *worker, guint32 box)
{
    for (GList *link = worker->jobs.tail; link; link = link->prev) {
        const ImapJob *job = link->data;

        if (job->box)
            return job->box == box;
    }
    return worker->box == box;
}

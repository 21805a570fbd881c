/* SPDX-License-Identifier: MIT */
/* imap/measure.c - how long the parts of a message are once they are decoded, without having them:
 * the first and the last octets of base64 tell.  That is no proof: who reads the part will find
 * out.
 *
 * BINARY.SIZE (RFC 3516 4.3) would tell, too, but not the truth: of several parts of one message
 * Dovecot 2.3 has only the last one's right.
 */
#include <string.h>

#include "imap/worker.h"
#include "mime/mime.h"

#define ROUND_MAX 12 /* parts, two commands each: no more than imap_fetch_is_full() lets */

typedef struct {
    char *section;
    guint64 size;        /* encoded, as the tree has it */
    guint n_asked;       /* commands in flight */
    GBytes *head, *tail; /* NULL as long as they have not come */
} Part;

/* A round of questions about a message; lives as long as its jobs.  The want is put back between
 * rounds: then it ends where nobody waits for it any more. */
typedef struct {
    ImapWorker *worker;
    guint n_refs;
    guint32 box, generation, uid;
    guint64 want;
    gboolean is_over; /* the want has ended */
    GPtrArray *parts; /* Part */
    guint n_in_flight;
    gboolean is_last; /* of the rounds */
} Measure;

typedef enum {
    ASK_HEAD,
    ASK_TAIL,
    ASK_ALL
} Question;

typedef struct {
    ImapJob job;
    Measure *measure;
    Part *part;
    Question question;
    guint64 origin;
    guint64 len; /* octets that there should be from there on, and no more */
} MeasureJob;

static void part_free(gpointer data)
{
    Part *part = data;

    g_clear_pointer(&part->head, g_bytes_unref);
    g_clear_pointer(&part->tail, g_bytes_unref);
    g_free(part->section);
    g_free(part);
}

static void measure_unref(Measure *measure)
{
    if (--measure->n_refs > 0)
        return;
    if (!measure->is_over)
        cache_want_put_back(imap_worker_cache(measure->worker), measure->want);
    g_ptr_array_unref(measure->parts);
    g_free(measure);
}

static void clear(ImapJob *job)
{
    measure_unref(((MeasureJob *)job)->measure);
}

/* --- how it ends --- */

static void end(Measure *measure, const GError *error)
{
    imap_suspects_remove(measure->worker->account->suspects, measure->generation, measure->uid);
    if (!measure->is_over)
        cache_want_done(imap_worker_cache(measure->worker), measure->want, error);
    measure->is_over = TRUE;
}

static void end_gone(Measure *measure, const char *why)
{
    g_autoptr(GError) error = imap_worker_gone(measure->worker, measure->box, why);

    end(measure, error);
}

/* What nothing was told of is irregular. */
static void conclude(Measure *measure)
{
    cache_put_measured(imap_worker_cache(measure->worker), measure->generation, measure->uid);
    end(measure, NULL);
}

/* --- what a part is --- */

static gboolean is_regular(const Part *part, MailBase64 *ret_layout)
{
    const guint8 *head, *tail;
    gsize n_head, n_tail;

    if (!part->head || !part->tail)
        return FALSE;
    head = g_bytes_get_data(part->head, &n_head);
    tail = g_bytes_get_data(part->tail, &n_tail);
    return mime_base64_measure(head, n_head, tail, n_tail, part->size, ret_layout) &&
           mime_base64_fits(ret_layout, 0, head, n_head) &&
           mime_base64_fits(ret_layout, part->size - n_tail, tail, n_tail);
}

static void judge(const Measure *measure, const Part *part)
{
    MailBase64 layout;
    gboolean is_good = is_regular(part, &layout);

    cache_put_measure(imap_worker_cache(measure->worker), measure->generation, measure->uid,
                      part->section, is_good ? MAIL_PART_REGULAR : MAIL_PART_IRREGULAR,
                      is_good ? &layout : NULL);
}

/* --- answers --- */

static gboolean is_answer(const MeasureJob *ask, const ImapItems *items)
{
    return items->present & (IMAP_ITEM_BODY | IMAP_ITEM_BODY_NIL) &&
           g_str_equal(items->section, ask->part->section) &&
           (items->has_origin ? items->origin : 0) == ask->origin;
}

static void hold(GBytes **held, const ImapValue *body)
{
    g_clear_pointer(held, g_bytes_unref);
    *held = g_bytes_new(body->bytes, body->len);
}

static void take(const MeasureJob *ask, const ImapItems *items)
{
    Part *part = ask->part;

    if (!items->body || items->body->full_len != ask->len || items->body->len != ask->len)
        return;
    if (ask->question != ASK_TAIL)
        hold(&part->head, items->body);
    if (ask->question != ASK_HEAD)
        hold(&part->tail, items->body);
}

static gboolean fetched(ImapJob *job, const ImapItems *items)
{
    const MeasureJob *ask = (const MeasureJob *)job;
    Measure *measure = ask->measure;
    CacheMessage message;
    const char *why;

    if (items->uid != measure->uid || job->worker->box != job->box || !is_answer(ask, items))
        return FALSE;
    why = imap_worker_find_stranger(job->worker, measure->generation, items, &message);
    if (why)
        end_gone(measure, why);
    else
        take(ask, items);
    cache_want_renew(imap_worker_cache(job->worker), measure->want);
    return TRUE;
}

static void finish(ImapJob *job, const ImapResponse *response, const GError *error)
{
    const MeasureJob *ask = (const MeasureJob *)job;
    Measure *measure = ask->measure;

    if (imap_session_is_closed(job->worker->session)) {
        /* The next connection would end at the same octets. */
        if (job->is_culprit && !measure->is_over &&
            imap_job_convicts(job, measure->generation, measure->uid, error))
            conclude(measure);
        return;
    }
    if (error && (!imap_worker_is_inside(job->worker, job->box) ||
                  g_error_matches(error, MAIL_ERROR, MAIL_ERROR_BUSY)))
        end(measure, error);
    if (--ask->part->n_asked > 0 || measure->is_over)
        return;
    judge(measure, ask->part);
    g_clear_pointer(&ask->part->head, g_bytes_unref);
    g_clear_pointer(&ask->part->tail, g_bytes_unref);
    if (--measure->n_in_flight == 0 && measure->is_last)
        conclude(measure);
}

/* --- questions --- */

static MeasureJob *ask_new(Measure *measure, Part *part, Question question)
{
    MeasureJob *ask = imap_job_new(measure->worker, sizeof *ask, measure->box);

    ask->job.fetched = fetched;
    ask->job.finish = finish;
    ask->job.clear = clear;
    ask->measure = measure;
    ask->part = part;
    ask->question = question;
    measure->n_refs++;
    part->n_asked++;
    return ask;
}

static void send(MeasureJob *ask, const char *item)
{
    ImapCommand *command = imap_worker_command(ask->job.worker, "UID FETCH");

    imap_command_addf(command, "%u (INTERNALDATE RFC822.SIZE %s)", ask->measure->uid, item);
    imap_job_send(ask, command);
}

/* @n_more octets behind the @len show whether the section ends there. */
static void ask_octets(Measure *measure, Part *part, Question question, guint64 origin, guint64 len,
                       guint n_more)
{
    MeasureJob *ask = ask_new(measure, part, question);
    g_autofree char *item =
        g_strdup_printf("BODY.PEEK[%s]<%" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT ">", part->section,
                        origin, len + n_more);

    ask->origin = origin;
    ask->len = len;
    send(ask, item);
}

static void send_part(Measure *measure, Part *part)
{
    if (part->size <= 2 * MIME_BASE64_EDGE) {
        ask_octets(measure, part, ASK_ALL, 0, part->size, 1);
    } else {
        ask_octets(measure, part, ASK_HEAD, 0, MIME_BASE64_EDGE, 0);
        ask_octets(measure, part, ASK_TAIL, part->size - MIME_BASE64_EDGE, MIME_BASE64_EDGE, 1);
    }
}

static void send_round(Measure *measure)
{
    guint n = 0;

    while (n < MIN(ROUND_MAX, measure->parts->len) && !imap_fetch_is_full(measure->worker))
        send_part(measure, measure->parts->pdata[n++]);
    measure->n_in_flight = n;
    measure->is_last = n == measure->parts->len;
    if (!n)
        conclude(measure);
}

/* Those of which there is something to ask. */
static void add_parts(const MailPart *part, GPtrArray *parts)
{
    if (part->measure == MAIL_PART_UNMEASURED && mail_part_can_be_measured(part) &&
        part->size > 0) {
        Part *added = g_new0(Part, 1);

        added->section = g_strdup(part->section);
        added->size = part->size;
        g_ptr_array_add(parts, added);
    }
    for (guint i = 0; part->parts && i < part->parts->len; i++)
        add_parts(part->parts->pdata[i], parts);
}

static void start(ImapWorker *worker, const CacheWant *want, GPtrArray *parts)
{
    Measure *measure = g_new0(Measure, 1);

    measure->worker = worker;
    measure->n_refs = 1;
    measure->box = want->box;
    measure->generation = want->generation;
    measure->uid = want->uid;
    measure->want = want->id;
    measure->parts = g_ptr_array_ref(parts);
    cache_want_take(imap_worker_cache(worker), want->id);
    send_round(measure);
    measure_unref(measure);
}

static void send_want(ImapWorker *worker, const CacheWant *want, gboolean is_short)
{
    Cache *cache = imap_worker_cache(worker);
    g_autoptr(GPtrArray) parts = g_ptr_array_new_with_free_func(part_free);
    const MailPart *tree = cache_known_tree(cache, want->generation, want->uid);

    if (!tree || imap_suspects_were_many(worker->account->suspects)) {
        /* Who asked for the measures will ask for the tree, if there is none. */
        cache_put_measured(cache, want->generation, want->uid);
        cache_want_done(cache, want->id, NULL);
        return;
    }
    add_parts(tree, parts);
    if (!is_short || parts->len <= ROUND_MAX)
        start(worker, want, parts);
}

void imap_measure_send(ImapWorker *worker, guint32 id, gboolean is_short)
{
    Cache *cache = imap_worker_cache(worker);
    const CacheBox *box = cache_box(cache, id);

    if (!box)
        return;
    for (GList *link = cache_wants(cache)->head, *next; link; link = next) {
        const CacheWant *want = link->data;

        next = link->next;
        if (imap_fetch_is_full(worker))
            return;
        if (imap_want_is_open(want, CACHE_WANT_MEASURE, box) && (want->n_waiting || !is_short))
            send_want(worker, want, is_short);
    }
}

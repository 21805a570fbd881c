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

/* Of a command, whose line servers take up to 8,192 octets (RFC 7162 4). */
#define PARTS_MAX 32
#define LEN_MAX   7000
#define ITEM_LEN  56 /* "BODY.PEEK[]<18446744073709551615.257> ", and more, without the section */

#define COMMANDS_MAX 8 /* in flight, on one connection: what is small goes beside them */
#define REFUSED_MAX  8 /* parts of one message, each alone */

typedef struct {
    char *section;
    guint64 size;        /* encoded, as the tree has it */
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
    guint n_refused;
    gboolean is_last; /* of the rounds */
} Measure;

/* A command that asks of some parts in a row. */
typedef struct {
    ImapJob job;
    Measure *measure;
    guint first, n; /* of measure->parts */
    guint stop;     /* those behind, up to there, are asked of when it has ended */
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

static void judge(const Measure *measure, Part *part)
{
    MailBase64 layout;
    gboolean is_good = is_regular(part, &layout);

    cache_put_measure(imap_worker_cache(measure->worker), measure->generation, measure->uid,
                      part->section, is_good ? MAIL_PART_REGULAR : MAIL_PART_IRREGULAR,
                      is_good ? &layout : NULL);
    g_clear_pointer(&part->head, g_bytes_unref);
    g_clear_pointer(&part->tail, g_bytes_unref);
}

/* --- answers --- */

/* All of a small part is asked for; of others, as much at either end. */
static guint64 edge_of(const Part *part)
{
    return part->size <= 2 * MIME_BASE64_EDGE ? part->size : MIME_BASE64_EDGE;
}

/* The part that the BODY[] of @items is of, or NULL when it was not asked for. */
static Part *part_of(const MeasureJob *ask, const ImapItems *items)
{
    guint64 origin = items->has_origin ? items->origin : 0;

    if (!(items->present & (IMAP_ITEM_BODY | IMAP_ITEM_BODY_NIL)))
        return NULL;
    for (guint i = ask->first; i < ask->first + ask->n; i++) {
        Part *part = ask->measure->parts->pdata[i];

        if (g_str_equal(items->section, part->section))
            return origin == 0 || origin == part->size - edge_of(part) ? part : NULL;
    }
    return NULL;
}

static void hold(GBytes **held, const ImapValue *body)
{
    g_clear_pointer(held, g_bytes_unref);
    *held = g_bytes_new(body->bytes, body->len);
}

static void take(Part *part, const ImapItems *items)
{
    guint64 origin = items->has_origin ? items->origin : 0, len = edge_of(part);

    if (!items->body || items->body->full_len != len || items->body->len != len)
        return;
    if (origin == 0)
        hold(&part->head, items->body);
    if (origin == part->size - len)
        hold(&part->tail, items->body);
}

/* FALSE when nothing of it was asked for. */
static gboolean take_all(const MeasureJob *ask, const ImapItems *items)
{
    ImapItems next = *items;
    gboolean is_answer = FALSE;

    do {
        Part *part = part_of(ask, &next);

        is_answer |= part != NULL;
        if (part)
            take(part, &next);
    } while (imap_items_next_body(&next));
    return is_answer;
}

static gboolean fetched(ImapJob *job, const ImapItems *items)
{
    const MeasureJob *ask = (const MeasureJob *)job;
    Measure *measure = ask->measure;
    CacheMessage message;
    const char *why;

    if (items->uid != measure->uid || job->worker->box != job->box || !take_all(ask, items))
        return FALSE;
    why = imap_worker_find_stranger(job->worker, measure->generation, items, &message);
    if (why)
        end_gone(measure, why);
    cache_want_renew(imap_worker_cache(job->worker), measure->want);
    return TRUE;
}

/* --- questions --- */

static void finish(ImapJob *job, const ImapResponse *response, const GError *error);

/* One octet more than there should be, at the end, shows whether the section ends there. */
static void add_items(GString *items, const Part *part)
{
    guint64 edge = edge_of(part);

    if (edge < part->size)
        g_string_append_printf(items, " BODY.PEEK[%s]<0.%" G_GUINT64_FORMAT ">", part->section,
                               edge);
    g_string_append_printf(items, " BODY.PEEK[%s]<%" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT ">",
                           part->section, part->size - edge, edge + 1);
}

/* Asks of @n parts from @first on, and later of those up to @stop. */
static void send(Measure *measure, guint first, guint n, guint stop)
{
    ImapCommand *command = imap_worker_command(measure->worker, "UID FETCH");
    MeasureJob *ask = imap_job_new(measure->worker, sizeof *ask, measure->box);
    g_autoptr(GString) items = g_string_new(NULL);

    ask->job.fetched = fetched;
    ask->job.finish = finish;
    ask->job.clear = clear;
    ask->measure = measure;
    ask->first = first;
    ask->n = n;
    ask->stop = stop;
    measure->n_refs++;
    measure->n_in_flight++;
    for (guint i = first; i < first + n; i++)
        add_items(items, measure->parts->pdata[i]);
    imap_command_addf(command, "%u (INTERNALDATE RFC822.SIZE%s)", measure->uid, items->str);
    imap_job_send(ask, command);
}

/* How many parts from @first on one command asks of. */
static guint count_fitting(const Measure *measure, guint first)
{
    gsize len = 0;
    guint n = 0;

    for (; n < PARTS_MAX && first + n < measure->parts->len; n++) {
        const Part *part = measure->parts->pdata[first + n];

        len += 2 * (ITEM_LEN + strlen(part->section));
        if (len > LEN_MAX)
            break;
    }
    return n;
}

static gboolean has_room(const ImapWorker *worker)
{
    guint n = 0;

    for (GList *link = worker->jobs.head; link; link = link->next)
        n += ((const ImapJob *)link->data)->finish == finish;
    return n < COMMANDS_MAX && !imap_fetch_is_full(worker);
}

static void send_round(Measure *measure)
{
    guint first = 0;

    while (first < measure->parts->len && has_room(measure->worker)) {
        guint n = count_fitting(measure, first);

        send(measure, first, n, first + n);
        first += n;
    }
    measure->is_last = first == measure->parts->len;
    if (!first)
        conclude(measure);
}

/* --- how a command ends --- */

/* The connection ended over this command, and the next one would end at the same octets. */
static void blame(MeasureJob *ask, const GError *error)
{
    Measure *measure = ask->measure;

    if (ask->job.is_culprit && !measure->is_over &&
        imap_job_convicts(&ask->job, measure->generation, measure->uid, error))
        conclude(measure);
}

/* Asks of what is left, of @n parts first; in another mailbox that is for later. */
static void go_on(const MeasureJob *ended, guint first, guint n)
{
    Measure *measure = ended->measure;

    if (first == ended->stop)
        return;
    if (imap_worker_stays_in(measure->worker, measure->box))
        send(measure, first, MIN(n, ended->stop - first), ended->stop);
    else
        measure->is_last = FALSE;
}

/* The server was asked of too much at once, or of one part that it refuses to tell of. */
static void refuse(const MeasureJob *ask)
{
    Measure *measure = ask->measure;

    cache_want_renew(imap_worker_cache(measure->worker), measure->want);
    if (ask->n > 1) {
        go_on(ask, ask->first, ask->n / 2);
        return;
    }
    judge(measure, measure->parts->pdata[ask->first]);
    if (++measure->n_refused < REFUSED_MAX)
        go_on(ask, ask->first + 1, 1);
    else
        conclude(measure);
}

static void settle(const MeasureJob *ask)
{
    for (guint i = ask->first; i < ask->first + ask->n; i++)
        judge(ask->measure, ask->measure->parts->pdata[i]);
    go_on(ask, ask->first + ask->n, ask->n * 2);
}

static void finish(ImapJob *job, const ImapResponse *response, const GError *error)
{
    MeasureJob *ask = (MeasureJob *)job;
    Measure *measure = ask->measure;

    if (imap_session_is_closed(job->worker->session)) {
        blame(ask, error);
        return;
    }
    if (error && (!imap_worker_is_inside(job->worker, job->box) ||
                  g_error_matches(error, MAIL_ERROR, MAIL_ERROR_BUSY)))
        end(measure, error);
    if (!measure->is_over && error)
        refuse(ask);
    else if (!measure->is_over)
        settle(ask);
    if (--measure->n_in_flight == 0 && measure->is_last && !measure->is_over)
        conclude(measure);
}

/* --- wants --- */

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
    if (!is_short || parts->len <= PARTS_MAX)
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
        if (!has_room(worker))
            return;
        if (imap_want_is_open(want, CACHE_WANT_MEASURE, box) && (want->n_waiting || !is_short))
            send_want(worker, want, is_short);
    }
}

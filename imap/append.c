/* SPDX-License-Identifier: MIT */
/* imap/append.c - putting messages into a mailbox: APPEND (RFC 9051 6.3.12), many in one command
 * (RFC 3502), in place of another one (REPLACE, RFC 8508).
 *
 *      [confirm what is replaced] -> batch: status -> note -> send -> next batch
 *                                                                  -> [look] or [sources]
 */
#include "imap/append.h"

#include <string.h>

#include "imap/prints.h"
#include "mime/mime.h"

#define BATCH_MAX       100
#define BATCH_BYTES_MAX ((guint64)8 * 1024 * 1024)
#define WAIT_BYTES      ((gsize)64 * 1024) /* more than that is offered before it is sent */
#define MINUS_BYTES     ((gsize)4096)      /* not to be waited for with LITERAL- (RFC 7888 5) */
#define RENEW_MS        1000

/* How a server with UTF8=ACCEPT takes a header in UTF-8: as an item of its own (RFC 6855 4), or as
 * any other (RFC 9755, which has none); the first that it takes tells. */
typedef enum {
    UTF8_UNKNOWN,
    UTF8_AS_ITEM,
    UTF8_AS_ANY
} Utf8Mode;

/* A message of a batch. */
typedef struct {
    guint32 id;
    GBytes *bytes;
    gboolean has_utf8;    /* in the header */
    gboolean was_refused; /* as an item of its own */
    ImapPrint print;
    MailFlags flags;
    gint64 date;
    guint32 replaced; /* UID */
} Upload;

typedef struct {
    ImapTask task; /* ids: all of them */
    guint32 target;
    guint n_begun;        /* so many of the ids were in a batch */
    GPtrArray *batch;     /* Upload */
    guint32 uidvalidity;  /* of the target */
    gboolean can_replace; /* by REPLACE: the mailbox is entered, and the message is there */
    guint n_flying;       /* commands */
    gboolean must_wait;   /* some were put off: no more is sent */
    Utf8Mode utf8;
    GArray *unknown; /* guint32: done, and where is not told */
    GArray *sources; /* ImapSource: done, and what is replaced is to be removed */
    guint renew_source;
    gint64 heard_us; /* the server, when last looked at */
} Append;

/* A command with some of the batch. */
typedef struct {
    ImapJob job;
    guint first, n;
    gboolean is_replace;
    gboolean has_keywords;
    gboolean is_item; /* for UTF-8 */
    GArray *uids;     /* guint32, as told; or NULL */
} UploadJob;

static void next_batch(ImapWorker *worker);
static void send_again(ImapWorker *worker, guint nth, gboolean with_keywords);

static Append *append_of(const ImapWorker *worker)
{
    return (Append *)worker->task;
}

static Upload *upload_at(const ImapWorker *worker, guint nth)
{
    return append_of(worker)->batch->pdata[nth];
}

static void upload_free(gpointer data)
{
    Upload *upload = data;

    g_bytes_unref(upload->bytes);
    imap_print_clear(&upload->print);
    g_free(upload);
}

static void clear(ImapTask *task)
{
    Append *append = (Append *)task;

    g_clear_handle_id(&append->renew_source, g_source_remove);
    g_ptr_array_unref(append->batch);
    g_array_unref(append->unknown);
    g_array_unref(append->sources);
}

/* --- the end --- */

/* What has come is looked for where it must be, or removed where it came from; the rest is begun
 * again. */
static void end(ImapWorker *worker)
{
    Append *append = append_of(worker);
    ImapChangesDone done = append->task.done;
    g_autoptr(GArray) unknown = g_array_ref(append->unknown);
    g_autoptr(GArray) sources = g_array_ref(append->sources);

    if (!unknown->len && (!sources->len || imap_session_is_closed(worker->session))) {
        imap_task_end(worker);
        return;
    }
    imap_task_free(g_steal_pointer(&worker->task));
    if (unknown->len)
        imap_look_answered(worker, unknown, done);
    else
        imap_sources_start(worker, sources, done);
}

static void batch_done(ImapWorker *worker)
{
    Append *append = append_of(worker);

    g_clear_handle_id(&append->renew_source, g_source_remove);
    if (append->must_wait)
        end(worker);
    else
        next_batch(worker);
}

/* --- the answer --- */

GArray *imap_appenduid_parse(const ImapValue *args, guint32 uidvalidity, guint n)
{
    const char *text = imap_value_text(args ? args->next : NULL);
    g_autoptr(MailSet) set = text ? mail_set_parse(text, n) : NULL;
    g_autoptr(GArray) uids = NULL;
    guint64 told;

    if (!set || !uidvalidity || !imap_value_number(args, &told) || told != uidvalidity ||
        mail_set_count(set) != n)
        return NULL;
    uids = g_array_new(FALSE, FALSE, sizeof(guint32));
    for (guint i = 0; i < set->len; i++)
        for (guint64 uid = mail_set_range(set, i)->first; uid <= mail_set_range(set, i)->last;
             uid++) {
            guint32 number = (guint32)uid;

            g_array_append_val(uids, number);
        }
    return g_steal_pointer(&uids);
}

static void take_code(UploadJob *upload, const ImapResponse *response)
{
    if (!response->code || !g_str_equal(response->code, "APPENDUID") || upload->uids)
        return;
    upload->uids = imap_appenduid_parse(response->code_args,
                                        append_of(upload->job.worker)->uidvalidity, upload->n);
}

/* REPLACE tells the UID before it is done. */
static gboolean untagged(ImapJob *job, const ImapResponse *response)
{
    if (!response->is_status || !response->code || !g_str_equal(response->code, "APPENDUID"))
        return FALSE;
    take_code((UploadJob *)job, response);
    return TRUE;
}

static void learn_utf8(const UploadJob *upload)
{
    ImapWorker *worker = upload->job.worker;

    if (upload_at(worker, upload->first)->has_utf8)
        append_of(worker)->utf8 = upload->is_item ? UTF8_AS_ITEM : UTF8_AS_ANY;
}

static void take_done(const UploadJob *upload, guint nth)
{
    ImapWorker *worker = upload->job.worker;
    Append *append = append_of(worker);
    const Upload *message = upload_at(worker, upload->first + nth);
    ImapSource source = {message->id, TRUE, 0};

    if (!upload->uids) {
        g_array_append_val(append->unknown, message->id);
        return;
    }
    source.new_uid = g_array_index(upload->uids, guint32, nth);
    if (message->replaced && !upload->is_replace)
        g_array_append_val(append->sources, source);
    else
        cache_change_done(imap_worker_cache(worker), message->id, source.new_uid);
}

/* A refused command has done nothing (RFC 3502 3): it is tried again with less. */
static void take_refusal(const UploadJob *upload, const GError *error)
{
    ImapWorker *worker = upload->job.worker;
    Append *append = append_of(worker);

    if (upload->n > 1) {
        for (guint i = 0; i < upload->n; i++)
            send_again(worker, upload->first + i, TRUE);
    } else if (upload->is_replace) {
        append->can_replace = FALSE;
        send_again(worker, upload->first, TRUE);
    } else if (upload->is_item && append->utf8 == UTF8_UNKNOWN) {
        upload_at(worker, upload->first)->was_refused = TRUE;
        send_again(worker, upload->first, TRUE);
    } else if (upload->has_keywords) {
        send_again(worker, upload->first, FALSE);
    } else {
        cache_change_refused(imap_worker_cache(worker), upload_at(worker, upload->first)->id,
                             error);
    }
}

static void finish(ImapJob *job, const ImapResponse *response, const GError *error)
{
    UploadJob *upload = (UploadJob *)job;
    Append *append = append_of(job->worker);

    append->n_flying--;
    if (!error) {
        take_code(upload, response);
        learn_utf8(upload);
        for (guint i = 0; i < upload->n; i++)
            take_done(upload, i);
    } else if (append->must_wait || imap_task_must_wait(job->worker, error)) {
        append->must_wait = TRUE;
    } else {
        take_refusal(upload, error);
    }
    if (!append->n_flying)
        batch_done(job->worker);
}

static void clear_job(ImapJob *job)
{
    g_clear_pointer(&((UploadJob *)job)->uids, g_array_unref);
}

/* --- the commands --- */

/* The flags that the target keeps: others would be lost, or the message refused. */
static MailFlags kept_flags(const ImapWorker *worker, MailFlags flags, gboolean with_keywords)
{
    const MailFlags system = MAIL_FLAG_DRAFT | MAIL_FLAG_FLAGGED | MAIL_FLAG_ANSWERED |
                             MAIL_FLAG_SEEN | MAIL_FLAG_DELETED;
    CacheRights rights;

    cache_known_rights(imap_worker_cache(worker), append_of(worker)->target, &rights);
    flags &= rights.permanent | (rights.may_invent ? ~system : 0);
    return with_keywords ? flags : flags & system;
}

/* Whether it can stand in a command as it is (RFC 9051 9, flag-keyword). */
static gboolean is_atom(const char *word)
{
    for (const char *c = word; *c; c++)
        if (*c <= ' ' || *c >= 0x7f || strchr("(){%*\"\\]", *c))
            return FALSE;
    return *word != '\0';
}

static void add_flags(const ImapWorker *worker, ImapCommand *command, MailFlags flags)
{
    g_autoptr(GString) list = g_string_new("(");

    for (guint bit = 0; bit < 64; bit++) {
        MailFlags flag = flags & (MailFlags)1 << bit;
        const char *fixed = flag ? mail_flag_to_imap(flag) : NULL;
        const char *name = fixed ? fixed : cache_keyword(imap_worker_cache(worker), flag);

        if (flag && name && (fixed || is_atom(name)))
            g_string_append_printf(list, "%s%s", list->len > 1 ? " " : "", name);
    }
    g_string_append_c(list, ')');
    imap_command_add(command, list->str);
}

static gboolean is_item(const ImapWorker *worker, const Upload *upload)
{
    return upload->has_utf8 && !upload->was_refused && append_of(worker)->utf8 != UTF8_AS_ANY &&
           imap_session_has_enabled(worker->session, "UTF8=ACCEPT");
}

/* A server that does not know the item could take the message for commands: it must ask for it. */
static gboolean is_trial(const ImapWorker *worker, const Upload *upload)
{
    return append_of(worker)->utf8 == UTF8_UNKNOWN && is_item(worker, upload);
}

static gboolean add_upload(const ImapWorker *worker, ImapCommand *command, const Upload *upload,
                           gboolean with_keywords, GError **error)
{
    gboolean must_wait = g_bytes_get_size(upload->bytes) > WAIT_BYTES || is_trial(worker, upload);

    add_flags(worker, command, kept_flags(worker, upload->flags, with_keywords));
    if (upload->date != G_MININT64)
        imap_command_add_date_time(command, upload->date);
    return is_item(worker, upload)
               ? imap_command_add_utf8(command, upload->bytes, must_wait, error)
               : imap_command_add_literal(command, upload->bytes, must_wait, error);
}

static gboolean has_keywords(const ImapWorker *worker, const Upload *upload)
{
    return kept_flags(worker, upload->flags, TRUE) != kept_flags(worker, upload->flags, FALSE);
}

static ImapCommand *make_command(const ImapWorker *worker, guint first, guint n,
                                 gboolean with_keywords, GError **error)
{
    const Append *append = append_of(worker);
    const CacheBox *target = cache_box(imap_worker_cache(worker), append->target);
    g_autoptr(ImapCommand) command =
        imap_worker_command(worker, append->can_replace ? "UID REPLACE" : "APPEND");

    if (!target || !target->wire) {
        g_set_error(error, MAIL_ERROR, MAIL_ERROR_NOT_FOUND, "there is no such mailbox");
        return NULL;
    }
    if (append->can_replace)
        imap_command_addf(command, "%u", upload_at(worker, first)->replaced);
    if (!imap_command_add_string(command, target->wire, strlen(target->wire), error))
        return NULL;
    for (guint i = 0; i < n; i++)
        if (!add_upload(worker, command, upload_at(worker, first + i), with_keywords, error))
            return NULL;
    return g_steal_pointer(&command);
}

/* One command with @n of the batch from @first on. */
static void send_uploads(ImapWorker *worker, guint first, guint n, gboolean with_keywords)
{
    Append *append = append_of(worker);
    g_autoptr(GError) error = NULL;
    ImapCommand *command = make_command(worker, first, n, with_keywords, &error);
    UploadJob *upload;

    if (!command) {
        for (guint i = 0; i < n; i++)
            cache_change_refused(imap_worker_cache(worker), upload_at(worker, first + i)->id,
                                 error);
        return;
    }
    upload = imap_job_new(worker, sizeof *upload, 0);
    upload->job.untagged = untagged;
    upload->job.finish = finish;
    upload->job.clear = clear_job;
    upload->first = first;
    upload->n = n;
    upload->is_replace = append->can_replace;
    upload->is_item = is_item(worker, upload_at(worker, first));
    upload->has_keywords = with_keywords && has_keywords(worker, upload_at(worker, first));
    append->n_flying++;
    imap_job_send(upload, command);
}

static gboolean is_settled(const ImapWorker *worker, const Upload *upload)
{
    const CacheChange *change = cache_change(imap_worker_cache(worker), upload->id);

    return !change || change->is_done;
}

static void send_again(ImapWorker *worker, guint nth, gboolean with_keywords)
{
    if (!is_settled(worker, upload_at(worker, nth)))
        send_uploads(worker, nth, 1, with_keywords);
}

/* --- a batch --- */

/* Whether it goes in a command with others: what must be waited for does not. */
static gboolean can_join(const ImapWorker *worker, const Upload *upload)
{
    gsize size = g_bytes_get_size(upload->bytes);

    if (!imap_worker_has(worker, "MULTIAPPEND"))
        return FALSE;
    switch (imap_session_literal_mode(worker->session)) {
    case IMAP_LITERAL_PLUS: return size <= WAIT_BYTES;
    case IMAP_LITERAL_MINUS: return size <= MINUS_BYTES;
    case IMAP_LITERAL_SYNC: return FALSE;
    }
    return FALSE;
}

/* The cache has settled some itself, where their mailbox was found to be gone meanwhile. */
static void drop_settled(ImapWorker *worker)
{
    GPtrArray *batch = append_of(worker)->batch;

    for (guint i = batch->len; i-- > 0;)
        if (is_settled(worker, batch->pdata[i]))
            g_ptr_array_remove_index(batch, i);
}

/* Who waits is let go when the server says nothing, and takes nothing, for too long. */
static gboolean on_renew(gpointer data)
{
    ImapWorker *worker = data;
    Append *append = append_of(worker);
    gint64 heard_us = imap_session_heard_us(worker->session);

    if (heard_us > append->heard_us)
        imap_changes_renew(worker);
    append->heard_us = heard_us;
    return G_SOURCE_CONTINUE;
}

static void send_batch(ImapWorker *worker)
{
    Append *append = append_of(worker);
    guint len, n;

    drop_settled(worker);
    len = append->batch->len;
    append->renew_source = g_timeout_add(RENEW_MS, on_renew, worker);
    for (guint first = 0; first < len; first += n) {
        n = 1;
        if (can_join(worker, upload_at(worker, first)))
            while (first + n < len && can_join(worker, upload_at(worker, first + n)))
                n++;
        send_uploads(worker, first, n, TRUE);
    }
    if (!append->n_flying)
        batch_done(worker);
}

static void on_noted(ImapWorker *worker, const GError *error)
{
    if (error)
        end(worker);
    else
        send_batch(worker);
}

static GArray *dup_batch_ids(const ImapWorker *worker)
{
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(guint32));

    for (guint i = 0; i < append_of(worker)->batch->len; i++)
        g_array_append_val(ids, upload_at(worker, i)->id);
    return ids;
}

static void note_batch(ImapWorker *worker, guint32 uidvalidity, guint32 uidnext)
{
    g_autoptr(GArray) ids = dup_batch_ids(worker);

    append_of(worker)->uidvalidity = uidvalidity;
    imap_changes_were_answered(worker, append_of(worker)->target);
    imap_task_note(worker, ids, uidvalidity, uidnext, on_noted);
}

/* The others are not refused with those that were to be sent now, unless none can be. */
static void put_off(ImapWorker *worker, const GError *error)
{
    const Append *append = append_of(worker);
    g_autoptr(GArray) batch = dup_batch_ids(worker);

    imap_task_put_off(worker, append->target,
                      imap_task_is_final(worker, error) ? append->task.ids : batch, error);
    end(worker);
}

/* Some servers tell no UIDNEXT, or refuse STATUS of the mailbox that was entered: what was told of
 * it then is old, which makes more messages candidates if the answer is lost. */
static void on_status(ImapWorker *worker, const ImapStatus *status, const GError *error)
{
    guint32 target = append_of(worker)->target;
    guint32 newest = cache_newest_uid(imap_worker_cache(worker), target);
    guint32 next = MIN(newest, G_MAXUINT32 - 1) + 1;

    if (error && imap_task_must_wait(worker, error)) {
        end(worker);
    } else if (!error && status->uidnext) {
        note_batch(worker, status->uidvalidity, status->uidnext);
    } else if (imap_worker_is_inside(worker, target)) {
        note_batch(worker, worker->told.uidvalidity, MAX(worker->told.uidnext, next));
    } else if (!error) {
        note_batch(worker, status->uidvalidity, next);
    } else {
        put_off(worker, error);
    }
}

/* Of a message with CRLF: whether its header is in UTF-8, and not in ASCII. */
static gboolean has_utf8(GBytes *bytes)
{
    gsize len, end = 0;
    const char *data = g_bytes_get_data(bytes, &len);
    gboolean is_ascii = TRUE;

    len = MIN(len, MIME_HEADER_MAX);
    for (; end < len && (len - end < 4 || memcmp(data + end, "\r\n\r\n", 4) != 0); end++)
        is_ascii &= (guchar)data[end] < 0x80;
    return !is_ascii && g_utf8_validate_len(data, end, NULL);
}

/* NULL, and the change refused, when its data cannot be read. */
static Upload *upload_new(ImapWorker *worker, const CacheChange *change)
{
    g_autoptr(GError) error = NULL;
    GBytes *bytes = cache_change_data(imap_worker_cache(worker), change->id, &error);
    Upload *upload;

    if (!bytes) {
        cache_change_refused(imap_worker_cache(worker), change->id, error);
        return NULL;
    }
    upload = g_new0(Upload, 1);
    upload->id = change->id;
    upload->bytes = bytes;
    upload->has_utf8 = has_utf8(bytes);
    upload->print = imap_print_of_bytes(bytes, change->date);
    upload->flags = change->add;
    upload->date = change->date;
    upload->replaced = change->uid;
    return upload;
}

/* Messages that look alike are not sent together: when some answers were lost it could not be told
 * whose of them came.  And a trial goes alone, so that others have its result. */
static gboolean fits_batch(const ImapWorker *worker, const Upload *upload)
{
    const GPtrArray *batch = append_of(worker)->batch;

    if (batch->len && (is_trial(worker, upload) || is_trial(worker, batch->pdata[0])))
        return FALSE;
    for (guint i = 0; i < batch->len; i++)
        if (imap_print_is_like(&((const Upload *)batch->pdata[i])->print, &upload->print))
            return FALSE;
    return TRUE;
}

static void fill_batch(ImapWorker *worker)
{
    Append *append = append_of(worker);
    guint64 n_bytes = 0;

    g_ptr_array_set_size(append->batch, 0);
    for (; append->n_begun < append->task.ids->len && append->batch->len < BATCH_MAX;
         append->n_begun++) {
        const CacheChange *change = cache_change(
            imap_worker_cache(worker), g_array_index(append->task.ids, guint32, append->n_begun));
        Upload *upload;

        if (!change || change->is_done)
            continue;
        n_bytes += change->size;
        if (append->batch->len && n_bytes > BATCH_BYTES_MAX)
            return;
        upload = upload_new(worker, change);
        if (upload && !fits_batch(worker, upload)) {
            upload_free(upload);
            return;
        }
        if (upload)
            g_ptr_array_add(append->batch, upload);
    }
}

static void next_batch(ImapWorker *worker)
{
    const CacheBox *target = cache_box(imap_worker_cache(worker), append_of(worker)->target);
    g_autoptr(GError) error = NULL;

    if (!target || !target->wire) {
        error = g_error_new(MAIL_ERROR, MAIL_ERROR_NOT_FOUND, "there is no such mailbox");
        imap_task_refuse(worker, append_of(worker)->task.ids, error);
        end(worker);
        return;
    }
    fill_batch(worker);
    if (append_of(worker)->batch->len)
        imap_status_send(worker, target->wire, on_status);
    else
        end(worker);
}

/* --- the start --- */

static void on_confirmed(ImapWorker *worker, const MailSet *same, const MailSet *strangers,
                         const GError *error)
{
    if (error && imap_task_must_wait(worker, error)) {
        end(worker);
        return;
    }
    append_of(worker)->can_replace = !error && same->len == 1;
    next_batch(worker);
}

void imap_append_start(ImapWorker *worker, const GArray *ids, ImapChangesDone done)
{
    Append *append = imap_task_new(worker, sizeof *append, ids, done, clear);
    const CacheChange *change =
        ids->len ? cache_change(imap_worker_cache(worker), g_array_index(ids, guint32, 0)) : NULL;
    g_autoptr(MailSet) replaced = mail_set_new();

    append->target = change ? change->target : 0;
    append->batch = g_ptr_array_new_with_free_func(upload_free);
    append->unknown = g_array_new(FALSE, FALSE, sizeof(guint32));
    append->sources = g_array_new(FALSE, FALSE, sizeof(ImapSource));
    if (!change || !change->uid || !imap_worker_has(worker, "REPLACE")) {
        next_batch(worker);
        return;
    }
    mail_set_add(replaced, change->uid, change->uid);
    imap_confirm_start(worker, change->box, change->generation, replaced, on_confirmed);
}

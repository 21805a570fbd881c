/* SPDX-License-Identifier: MIT */
/* fs/parse.c - a message is parsed in a thread that asks the engine for blocks. */
#include "fs/parse.h"

#include <string.h>

#include "mime/mime.h"

struct FsParse {
    Cache *cache;
    guint32 generation, uid;
    guint64 size;
    void (*done)(MailPart *root, const GError *error, gpointer data);
    gpointer data;
    guint64 ticket;
    GError *error;
    guint begin_source;
    GThread *thread;

    /* The thread's alone, until it has ended. */
    GBytes *held; /* the block at hand */
    guint64 held_off;
    MailPart *root;

    GMutex mutex;
    GCond answered;
    /* Guarded. */
    guint64 asked_off;
    gboolean is_answered, is_closed;
    GBytes *answer; /* NULL: there is none */
    guint source;   /* for the engine, added by the thread */
};

/* --- in the thread --- */

static gboolean on_asked(gpointer data);
static gboolean on_ended(gpointer data);

/* Makes the engine call @func; with the mutex held. */
static void tell_engine(FsParse *parse, GSourceFunc func)
{
    parse->source = g_idle_add_full(FS_MAKING, func, parse, NULL);
}

/* The block at @off; FALSE when there is none. */
static gboolean ask(FsParse *parse, guint64 off)
{
    g_clear_pointer(&parse->held, g_bytes_unref);
    g_mutex_lock(&parse->mutex);
    parse->asked_off = off;
    parse->is_answered = FALSE;
    if (!parse->is_closed)
        tell_engine(parse, on_asked);
    while (!parse->is_answered && !parse->is_closed)
        g_cond_wait(&parse->answered, &parse->mutex);
    parse->held = g_steal_pointer(&parse->answer);
    parse->held_off = off;
    g_mutex_unlock(&parse->mutex);
    return parse->held != NULL;
}

static gssize read_octets(gpointer data, guint64 offset, guint8 *bytes, gsize len)
{
    FsParse *parse = data;
    guint64 off = offset - offset % CACHE_BLOCK_SIZE;
    gsize n_held, skip = (gsize)(offset - off);
    const guint8 *held;

    if ((!parse->held || parse->held_off != off) && !ask(parse, off))
        return -1;
    held = g_bytes_get_data(parse->held, &n_held);
    if (skip >= n_held)
        return 0;
    len = MIN(len, n_held - skip);
    memcpy(bytes, held + skip, len);
    return (gssize)len;
}

/* Up to @len octets at @offset, though they lie in two blocks. */
static gsize read_all(FsParse *parse, guint64 offset, guint8 *bytes, gsize len)
{
    gsize all = 0;

    while (all < len) {
        gssize n = read_octets(parse, offset + all, bytes + all, len - all);

        if (n <= 0)
            break;
        all += (gsize)n;
    }
    return all;
}

/* Whether every octet is as the layout has it. */
static gboolean is_regular(FsParse *parse, const MailPart *part)
{
    g_autofree guint8 *bytes = g_malloc(CACHE_BLOCK_SIZE);

    for (guint64 at = 0; at < part->size;) {
        gsize len = read_all(parse, part->body_off + at, bytes,
                             (gsize)MIN(part->size - at, CACHE_BLOCK_SIZE));

        if (!len || !mime_base64_fits(&part->base64, at, bytes, len))
            return FALSE;
        at += len;
    }
    return TRUE;
}

static void measure_part(FsParse *parse, MailPart *part)
{
    gsize len = (gsize)MIN(part->size, MIME_BASE64_EDGE), n_head, n_tail;
    guint8 head[MIME_BASE64_EDGE], tail[MIME_BASE64_EDGE];

    if (g_strcmp0(part->encoding, "base64") != 0 || !part->has_offsets)
        return;
    n_head = read_all(parse, part->body_off, head, len);
    n_tail = read_all(parse, part->body_off + part->size - len, tail, len);
    if (mime_base64_measure(head, n_head, tail, n_tail, part->size, &part->base64) &&
        is_regular(parse, part))
        part->measure = MAIL_PART_REGULAR;
}

static void measure(FsParse *parse, MailPart *part)
{
    if (mail_part_can_be_measured(part))
        measure_part(parse, part);
    for (guint i = 0; part->parts && i < part->parts->len; i++)
        measure(parse, part->parts->pdata[i]);
}

static gpointer run(gpointer data)
{
    FsParse *parse = data;

    parse->root = mime_structure_parse(parse->size, read_octets, parse);
    measure(parse, parse->root);
    g_mutex_lock(&parse->mutex);
    if (!parse->is_closed)
        tell_engine(parse, on_ended);
    g_mutex_unlock(&parse->mutex);
    return NULL;
}

/* --- in the engine --- */

static void end(FsParse *parse, const GError *error)
{
    g_autoptr(GError) reason = error ? g_error_copy(error) : NULL;

    parse->done(error ? NULL : g_steal_pointer(&parse->root), reason, parse->data);
}

static void go_on(FsParse *parse);

/* Whether its blocks told another size than the one by which it was parsed. */
static gboolean has_another_size(const FsParse *parse)
{
    CacheMessage message;

    return cache_get_message(parse->cache, parse->generation, parse->uid, &message) &&
           message.size != parse->size;
}

static gboolean on_ended(gpointer data)
{
    FsParse *parse = data;

    g_thread_join(g_steal_pointer(&parse->thread));
    parse->source = 0;
    if (parse->error || !has_another_size(parse)) {
        end(parse, parse->error);
        return G_SOURCE_REMOVE;
    }
    g_clear_pointer(&parse->root, mail_part_free);
    g_clear_pointer(&parse->held, g_bytes_unref);
    go_on(parse);
    return G_SOURCE_REMOVE;
}

/* @bytes: taken; NULL: there are none. */
static void answer(FsParse *parse, GBytes *bytes)
{
    g_mutex_lock(&parse->mutex);
    parse->answer = bytes;
    parse->is_answered = TRUE;
    g_cond_signal(&parse->answered);
    g_mutex_unlock(&parse->mutex);
}

/* Why no more octets come; the thread ends with what it has. */
static void fail(FsParse *parse, const GError *error)
{
    if (!parse->error)
        parse->error =
            error ? g_error_copy(error)
                  : g_error_new(MAIL_ERROR, MAIL_ERROR_GONE, "the message is not there any more");
    if (parse->thread)
        answer(parse, NULL);
    else
        end(parse, parse->error);
}

static void on_wake(const GError *error, gpointer data)
{
    FsParse *parse = data;

    parse->ticket = 0;
    if (error)
        fail(parse, error);
    else
        go_on(parse);
}

/* The cache did not find it. */
static void conclude(FsParse *parse, CacheAnswer result, guint64 want, const GError *error)
{
    if (result == CACHE_WAIT)
        parse->ticket = cache_wait(parse->cache, want, on_wake, parse);
    else
        fail(parse, error);
}

static void read_block(FsParse *parse)
{
    g_autoptr(GPtrArray) slices = cache_slices_new();
    g_autoptr(GError) error = NULL;
    guint64 want;
    CacheAnswer result = cache_read(parse->cache, parse->generation, parse->uid, "",
                                    parse->asked_off, CACHE_BLOCK_SIZE, slices, &want, &error);

    /* They begin where a block does: one slice holds all. */
    if (result == CACHE_FOUND)
        answer(parse, slices->len ? g_bytes_ref(slices->pdata[0]) : g_bytes_new(NULL, 0));
    else
        conclude(parse, result, want, error);
}

/* The size first; then the thread can begin. */
static void go_on(FsParse *parse)
{
    g_autoptr(GError) error = NULL;
    guint64 want;
    CacheAnswer result;

    if (parse->thread) {
        read_block(parse);
        return;
    }
    result = cache_message_size(parse->cache, parse->generation, parse->uid, &parse->size, &want,
                                &error);
    if (result == CACHE_FOUND)
        parse->thread = g_thread_new("parse", run, parse);
    else
        conclude(parse, result, want, error);
}

static gboolean on_asked(gpointer data)
{
    FsParse *parse = data;

    g_mutex_lock(&parse->mutex);
    parse->source = 0;
    g_mutex_unlock(&parse->mutex);
    go_on(parse);
    return G_SOURCE_REMOVE;
}

static gboolean on_begin(gpointer data)
{
    FsParse *parse = data;

    parse->begin_source = 0;
    go_on(parse);
    return G_SOURCE_REMOVE;
}

FsParse *fs_parse_new(Cache *cache, guint32 generation, guint32 uid,
                      void (*done)(MailPart *root, const GError *error, gpointer data),
                      gpointer data)
{
    FsParse *parse = g_new0(FsParse, 1);

    parse->cache = cache;
    parse->generation = generation;
    parse->uid = uid;
    parse->done = done;
    parse->data = data;
    g_mutex_init(&parse->mutex);
    g_cond_init(&parse->answered);
    parse->begin_source = g_idle_add_full(FS_MAKING, on_begin, parse, NULL);
    return parse;
}

static void stop_thread(FsParse *parse)
{
    g_mutex_lock(&parse->mutex);
    parse->is_closed = TRUE;
    g_cond_signal(&parse->answered);
    g_mutex_unlock(&parse->mutex);
    g_thread_join(g_steal_pointer(&parse->thread));
}

void fs_parse_free(FsParse *parse)
{
    if (!parse)
        return;
    g_clear_handle_id(&parse->begin_source, g_source_remove);
    if (parse->ticket)
        cache_wait_cancel(parse->cache, parse->ticket);
    if (parse->thread)
        stop_thread(parse);
    g_clear_handle_id(&parse->source, g_source_remove);
    g_clear_pointer(&parse->held, g_bytes_unref);
    g_clear_pointer(&parse->answer, g_bytes_unref);
    mail_part_free(parse->root);
    g_clear_error(&parse->error);
    g_mutex_clear(&parse->mutex);
    g_cond_clear(&parse->answered);
    g_free(parse);
}

/* SPDX-License-Identifier: MIT */
/* fs/maker.c - makes sections of others: reads what they are made of from the cache, piece by piece
 * and waiting where it is missing, and puts what becomes of it there. */
#include "fs/maker.h"

#include <string.h>

#include "fs/parse.h"
#include "fs/recipe.h"

#define READ_LEN   ((gsize)2 * CACHE_BLOCK_SIZE)
#define TURN_US    500
#define PARSES_MAX 8 /* most of the time they wait */
#define AHEAD_MAX  64

struct FsMaker {
    Cache *cache;
    GQueue jobs;   /* Job */
    GQueue able;   /* those that do not wait */
    GQueue parses; /* Parsing */
    guint turn_source;
};

typedef struct {
    FsMaker *maker;
    guint64 want;
    guint32 generation, uid;
    const char *section; /* interned */
    FsRecipe *recipe;    /* NULL: to be made */
    guint nth;           /* of the ingredients */
    guint n_expected;    /* of them: they were suggested */
    guint64 offset;      /* in it */
    MimeReader *reader;  /* of it, when it is a part */
    GByteArray *header;  /* of it, when it is one */
    GByteArray *out;     /* what is not stored yet */
    gboolean is_begun;   /* something was put out */
    guint32 n_blocks;
    guint64 ticket; /* while it waits */
    GList link, able_link;
} Job;

static void job_free(Job *job)
{
    if (job->ticket)
        cache_wait_cancel(job->maker->cache, job->ticket);
    else
        g_queue_unlink(&job->maker->able, &job->able_link);
    g_queue_unlink(&job->maker->jobs, &job->link);
    mime_reader_free(job->reader);
    fs_recipe_free(job->recipe);
    g_byte_array_unref(job->header);
    g_byte_array_unref(job->out);
    g_free(job);
}

/* --- turns: a step of one job after the other, for a moment in each of the main loop's --- */

static gboolean on_turn(gpointer maker);

static void enable(Job *job)
{
    FsMaker *maker = job->maker;

    g_queue_push_tail_link(&maker->able, &job->able_link);
    if (!maker->turn_source)
        maker->turn_source = g_idle_add_full(FS_MAKING, on_turn, maker, NULL);
}

/* --- how a step ends, if the job does not just go on --- */

static void end_job(Job *job, const GError *error)
{
    cache_want_done(job->maker->cache, job->want, error);
    job_free(job);
}

static void on_wake(const GError *error, gpointer data)
{
    Job *job = data;

    job->ticket = 0;
    enable(job);
    if (error)
        end_job(job, error);
}

/* The cache did not find all. */
static void conclude(Job *job, CacheAnswer answer, guint64 want, const GError *error)
{
    g_autoptr(GError) gone = NULL;

    if (answer == CACHE_WAIT) {
        g_queue_unlink(&job->maker->able, &job->able_link);
        job->ticket = cache_wait(job->maker->cache, want, on_wake, job);
        return;
    }
    if (answer == CACHE_ABSENT)
        gone = g_error_new(MAIL_ERROR, MAIL_ERROR_GONE,
                           "the message or the part is not there any more");
    end_job(job, gone ? gone : error);
}

/* --- what comes out --- */

static void put_block(Job *job, gsize len, gboolean is_end)
{
    g_autoptr(GBytes) bytes = g_bytes_new(job->out->data, len);

    cache_put_block(job->maker->cache, job->generation, job->uid, job->section, job->n_blocks++,
                    bytes, is_end);
    if (len)
        g_byte_array_remove_range(job->out, 0, (guint)len);
}

/* Stores the blocks that are full; an end may still come. */
static void put_full_blocks(Job *job)
{
    while (job->out->len > CACHE_BLOCK_SIZE)
        put_block(job, CACHE_BLOCK_SIZE, FALSE);
}

/* Something else begins. */
static void space(Job *job)
{
    if (job->recipe->is_spaced && job->is_begun)
        g_byte_array_append(job->out, (const guint8 *)"\n", 1);
    job->is_begun = TRUE;
}

static void put_out(Job *job, const GByteArray *bytes)
{
    if (!bytes->len)
        return;
    space(job);
    g_byte_array_append(job->out, bytes->data, bytes->len);
}

static void finish(Job *job)
{
    g_autoptr(GError) error = NULL;

    put_out(job, job->recipe->after);
    put_full_blocks(job);
    put_block(job, job->out->len, TRUE);
    if (!cache_has(job->maker->cache, job->generation, job->uid, job->section, 0, G_MAXSIZE))
        error = g_error_new(MAIL_ERROR, MAIL_ERROR_LOCAL, "keep it: the cache has no room for it");
    end_job(job, error);
}

/* --- what goes in --- */

/* That the next ones are asked for together with what is waited for. */
static void expect_next(Job *job)
{
    const GArray *ingredients = job->recipe->ingredients;
    guint end = MIN(ingredients->len, job->nth + AHEAD_MAX);

    for (; job->n_expected < end; job->n_expected++)
        cache_expect_read(job->maker->cache, job->generation, job->uid,
                          g_array_index(ingredients, FsIngredient, job->n_expected).section);
}

static void begin(Job *job)
{
    Cache *cache = job->maker->cache;
    g_autoptr(MailEnvelope) envelope = NULL;
    g_autoptr(GError) error = NULL;
    guint64 want;
    MailPart *root;
    CacheAnswer answer = cache_tree(cache, job->generation, job->uid, &root, &want, &error);

    if (answer != CACHE_FOUND) {
        conclude(job, answer, want, error);
        return;
    }
    envelope = cache_dup_envelope(cache, job->generation, job->uid);
    job->recipe = fs_recipe_new(job->section, root, envelope);
    if (!job->recipe) {
        conclude(job, CACHE_ABSENT, 0, NULL);
        return;
    }
    put_out(job, job->recipe->before);
    expect_next(job);
}

static void begin_ingredient(Job *job, const FsIngredient *ingredient)
{
    MailPart *root, *part;
    g_autoptr(GError) error = NULL;
    guint64 want;
    CacheAnswer answer =
        cache_tree(job->maker->cache, job->generation, job->uid, &root, &want, &error);

    if (answer != CACHE_FOUND) {
        conclude(job, answer, want, error);
        return;
    }
    part = mail_part_nth(root, ingredient->nth);
    if (!part) {
        conclude(job, CACHE_ABSENT, 0, NULL);
        return;
    }
    job->reader = mime_reader_new(part, ingredient->form);
    space(job);
}

static void end_ingredient(Job *job, const FsIngredient *ingredient)
{
    g_autoptr(GByteArray) lines = g_byte_array_new();
    g_autoptr(MailEnvelope) envelope = NULL;

    if (ingredient->is_header) {
        envelope = mime_envelope_parse(job->header->data, job->header->len);
        mime_envelope_print(envelope, lines);
        put_out(job, lines);
        g_byte_array_set_size(job->header, 0);
    } else {
        mime_reader_end(job->reader, job->out);
        g_clear_pointer(&job->reader, mime_reader_free);
    }
    job->offset = 0;
    job->nth++;
    expect_next(job);
}

static gsize take(Job *job, const FsIngredient *ingredient, const GPtrArray *slices)
{
    gsize all = 0;

    for (guint i = 0; i < slices->len; i++) {
        gsize len;
        const guint8 *bytes = g_bytes_get_data(slices->pdata[i], &len);

        if (!ingredient->is_header)
            mime_reader_take(job->reader, bytes, len, job->out);
        else if (job->header->len < MIME_HEADER_MAX)
            g_byte_array_append(job->header, bytes, (guint)len);
        all += len;
    }
    return all;
}

static void read_some(Job *job, const FsIngredient *ingredient)
{
    g_autoptr(GPtrArray) slices = cache_slices_new();
    g_autoptr(GError) error = NULL;
    guint64 want;
    CacheAnswer answer =
        cache_read(job->maker->cache, job->generation, job->uid, ingredient->section, job->offset,
                   READ_LEN, slices, &want, &error);
    gsize len;

    if (answer != CACHE_FOUND) {
        conclude(job, answer, want, error);
        return;
    }
    len = take(job, ingredient, slices);
    job->offset += len;
    if (len < READ_LEN)
        end_ingredient(job, ingredient);
    put_full_blocks(job);
}

static void step(Job *job)
{
    const FsIngredient *ingredient = NULL;

    if (job->recipe && job->nth < job->recipe->ingredients->len)
        ingredient = &g_array_index(job->recipe->ingredients, FsIngredient, job->nth);
    if (!job->recipe)
        begin(job);
    else if (!ingredient)
        finish(job);
    else if (!ingredient->is_header && !job->reader)
        begin_ingredient(job, ingredient);
    else
        read_some(job, ingredient);
}

static gboolean on_turn(gpointer data)
{
    FsMaker *maker = data;
    gint64 end = g_get_monotonic_time() + TURN_US;
    Job *job;

    do {
        job = g_queue_peek_head(&maker->able);
        if (!job) {
            maker->turn_source = 0;
            return G_SOURCE_REMOVE;
        }
        g_queue_unlink(&maker->able, &job->able_link);
        g_queue_push_tail_link(&maker->able, &job->able_link);
        step(job);
    } while (g_get_monotonic_time() < end);
    return G_SOURCE_CONTINUE;
}

static void start_job(FsMaker *maker, const CacheWant *want)
{
    Job *job = g_new0(Job, 1);

    job->maker = maker;
    job->want = want->id;
    job->generation = want->generation;
    job->uid = want->uid;
    job->section = want->section;
    job->header = g_byte_array_new();
    job->out = g_byte_array_new();
    job->link.data = job->able_link.data = job;
    g_queue_push_tail_link(&maker->jobs, &job->link);
    cache_want_take(maker->cache, want->id);
    enable(job);
}

/* --- trees --- */

typedef struct {
    FsMaker *maker;
    guint64 want;
    guint32 generation, uid;
    FsParse *parse;
    GList link;
} Parsing;

static void look(FsMaker *maker);

static void parsing_free(Parsing *parsing)
{
    fs_parse_free(parsing->parse);
    g_queue_unlink(&parsing->maker->parses, &parsing->link);
    g_free(parsing);
}

static void on_parsed(MailPart *root, const GError *error, gpointer data)
{
    Parsing *parsing = data;
    FsMaker *maker = parsing->maker;

    if (root)
        cache_put_parsed(maker->cache, parsing->generation, parsing->uid, root);
    cache_want_done(maker->cache, parsing->want, error);
    parsing_free(parsing);
    look(maker);
}

static void start_parse(FsMaker *maker, const CacheWant *want)
{
    Parsing *parsing = g_new0(Parsing, 1);

    parsing->maker = maker;
    parsing->want = want->id;
    parsing->generation = want->generation;
    parsing->uid = want->uid;
    parsing->link.data = parsing;
    g_queue_push_tail_link(&maker->parses, &parsing->link);
    cache_want_take(maker->cache, want->id);
    parsing->parse = fs_parse_new(maker->cache, want->generation, want->uid, on_parsed, parsing);
}

/* --- wants --- */

static const CacheWant *next_want(FsMaker *maker)
{
    for (GList *link = cache_maker_wants(maker->cache)->head; link; link = link->next) {
        const CacheWant *want = link->data;

        if (!want->is_taken &&
            (want->kind == CACHE_WANT_MADE ||
             (want->kind == CACHE_WANT_PARSE && maker->parses.length < PARSES_MAX)))
            return want;
    }
    return NULL;
}

static void look(FsMaker *maker)
{
    const CacheWant *want;

    while ((want = next_want(maker))) {
        if (want->kind == CACHE_WANT_MADE)
            start_job(maker, want);
        else
            start_parse(maker, want);
    }
}

static void on_wants_changed(gpointer data)
{
    look(data);
}

FsMaker *fs_maker_new(Cache *cache)
{
    static const CacheMaker vtable = {on_wants_changed, fs_recipe_foreach_source};
    FsMaker *maker = g_new0(FsMaker, 1);

    maker->cache = cache;
    cache_set_maker(cache, &vtable, maker);
    return maker;
}

void fs_maker_free(FsMaker *maker)
{
    if (!maker)
        return;
    cache_set_maker(maker->cache, NULL, NULL);
    while (maker->jobs.head) {
        cache_want_put_back(maker->cache, ((Job *)maker->jobs.head->data)->want);
        job_free(maker->jobs.head->data);
    }
    while (maker->parses.head) {
        cache_want_put_back(maker->cache, ((Parsing *)maker->parses.head->data)->want);
        parsing_free(maker->parses.head->data);
    }
    g_clear_handle_id(&maker->turn_source, g_source_remove);
    g_free(maker);
}

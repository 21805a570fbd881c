/* SPDX-License-Identifier: MIT */
/* tests/unit/cache/reads.c - bytes of messages at any offset, and what a size is worth. */
#include <string.h>

#include "fixture.h"

#define SIZE ((guint64)2 * CACHE_BLOCK_SIZE + 1000)

static CacheAnswer size_of(Fixture *fixture, guint32 box, guint32 uid, guint64 *ret_size)
{
    guint64 want;

    return cache_message_size(fixture->cache, fixture_generation(fixture, box), uid, ret_size,
                              &want, NULL);
}

static void test_offsets(Fixture *fixture, gconstpointer data)
{
    static const guint64 offsets[] = {0,      1,      999,      65535, 65536,    65537,
                                      131071, 131072, SIZE - 1, SIZE,  SIZE + 1, G_MAXINT64};
    static const gsize sizes[] = {0, 1, 4096, 65536, 65537, 200000};
    guint32 box = fixture_put_inbox(fixture, 1, SIZE);
    guint64 want;
    gsize len;

    fixture_put_body(fixture, box, 1, SIZE);
    for (gsize i = 0; i < G_N_ELEMENTS(offsets); i++)
        for (gsize j = 0; j < G_N_ELEMENTS(sizes); j++) {
            guint64 left = offsets[i] < SIZE ? SIZE - offsets[i] : 0;

            g_assert_cmpint(fixture_read(fixture, box, 1, offsets[i], sizes[j], &len, &want), ==,
                            CACHE_FOUND);
            g_assert_cmpuint(len, ==, MIN(left, sizes[j]));
        }
}

/* The last block of a section. */
static void put_text(Fixture *fixture, guint32 generation, guint32 uid, const char *section,
                     guint32 block, const char *text)
{
    g_autoptr(GBytes) bytes = g_bytes_new_static(text, strlen(text));

    cache_put_block(fixture->cache, generation, uid, section, block, bytes, TRUE);
}

static void test_sections_are_apart(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 1, 5), generation = fixture_generation(fixture, box);
    g_autoptr(GPtrArray) slices = cache_slices_new();
    g_autoptr(GBytes) bytes = NULL;
    guint64 want;

    put_text(fixture, generation, 1, "", 0, "whole");
    put_text(fixture, generation, 1, "1.2.MIME", 0, "of a part");
    fixture_reopen(fixture);
    g_assert_cmpint(
        cache_read(fixture->cache, generation, 1, "1.2.MIME", 3, 100, slices, &want, NULL), ==,
        CACHE_FOUND);
    bytes = fixture_join(slices);
    g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), "a part",
                    6); /* not cut to the message's size */
    g_assert_cmpint(cache_read(fixture->cache, generation, 1, "1", 0, 1, slices, &want, NULL), ==,
                    CACHE_WAIT);
}

static void test_missing_blocks_are_wanted(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 1, 10 * CACHE_BLOCK_SIZE);
    guint32 generation = fixture_generation(fixture, box);
    g_autofree char *wants = NULL;
    guint64 want;
    gsize len;

    fixture_put_block(fixture, box, 1, 6, 10 * CACHE_BLOCK_SIZE);
    g_assert_false(cache_has(fixture->cache, generation, 1, "", 0, 1));
    g_assert_true(cache_has(fixture->cache, generation, 1, "", 6 * CACHE_BLOCK_SIZE, 65536));
    g_assert_false(cache_has(fixture->cache, generation, 1, "", 6 * CACHE_BLOCK_SIZE, 65537));
    g_assert_cmpint(fixture_read(fixture, box, 1, 5 * CACHE_BLOCK_SIZE + 1, 131072, &len, &want),
                    ==, CACHE_WAIT);
    wants = fixture_wants(fixture);
    g_assert_cmpstr(wants, ==, "block-1/5 block-1/7 ");
}

static void test_gone(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 1, SIZE),
            generation = fixture_generation(fixture, box);
    guint64 want, size;
    gsize len;

    g_assert_cmpint(fixture_read(fixture, box, 2, 0, 1, &len, &want), ==, CACHE_ABSENT);
    g_assert_cmpint(size_of(fixture, box, 2, &size), ==, CACHE_ABSENT);
    fixture_put_block(fixture, box, 2, 0, SIZE); /* came late: nothing */
    put_text(fixture, generation + 1, 1, "", 0, "x");
    fixture_put_body(fixture, box, 1, SIZE);
    fixture_put_boxes(fixture, NULL, NULL);
    g_assert_cmpint(cache_read(fixture->cache, generation, 1, "", 0, 1, NULL, &want, NULL), ==,
                    CACHE_ABSENT);
}

/* --- sizes --- */

typedef struct {
    const char *name;
    guint64 told, is;
} Lie;

static const Lie lies[] = {
    {"more", 1000, 1500},       {"less", 1500, 1000},     {"block-more", 1000, SIZE},
    {"block-less", SIZE, 1000}, {"to-edge", 1000, 65536}, {"from-edge", 65536, 1000},
};

static void check_lie(Fixture *fixture, const Lie *lie)
{
    guint32 box = fixture_put_inbox(fixture, 2, lie->told);
    guint32 generation = fixture_generation(fixture, box),
            last = (guint32)(lie->is / CACHE_BLOCK_SIZE);
    guint64 size, want;
    gsize len;

    g_assert_cmpint(size_of(fixture, box, 1, &size), ==, CACHE_FOUND);
    g_assert_cmpuint(size, ==, lie->told);
    for (guint32 block = 0; block <= last; block++)
        fixture_put_block(fixture, box, 1, block, lie->is);
    g_assert_nonnull(strstr(fixture->news->str, "size-1 "));
    g_assert_cmpint(size_of(fixture, box, 1, &size), ==, CACHE_FOUND);
    g_assert_cmpuint(size, ==, lie->is);
    g_assert_cmpint(size_of(fixture, box, 2, &size), ==, CACHE_WAIT);
    g_assert_false(cache_size_is_known(fixture->cache, generation, 2));
    g_assert_true(cache_size_is_known(fixture->cache, generation, 1));
    fixture_reopen(fixture);
    g_assert_cmpint(size_of(fixture, box, 1, &size), ==, CACHE_FOUND);
    g_assert_cmpuint(size, ==, lie->is);
    g_assert_cmpint(size_of(fixture, box, 2, &size), ==, CACHE_WAIT);
    g_assert_cmpint(fixture_read(fixture, box, 1, lie->is, 10, &len, &want), ==, CACHE_FOUND);
    g_assert_cmpuint(len, ==, 0);
}

static void test_lie(gconstpointer data)
{
    Fixture fixture = {0};

    fixture_set_up(&fixture, NULL);
    check_lie(&fixture, data);
    fixture_tear_down(&fixture, NULL);
}

/* Nothing came for a block beyond the true end: that is no proof of where the end is. */
static void test_empty_beyond_end(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 1, 3 * CACHE_BLOCK_SIZE + 1);
    guint32 generation = fixture_generation(fixture, box);
    guint64 size;

    put_text(fixture, generation, 1, "", 3, "");
    g_assert_cmpint(size_of(fixture, box, 1, &size), !=, CACHE_FOUND);
    fixture_put_body(fixture, box, 1, 1000);
    g_assert_cmpint(size_of(fixture, box, 1, &size), ==, CACHE_FOUND);
    g_assert_cmpuint(size, ==, 1000);
}

/* A message of whole blocks ends where nothing follows. */
static void test_empty_at_end(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 1, 70000),
            generation = fixture_generation(fixture, box);
    guint64 size;

    fixture_put_block(fixture, box, 1, 0, 70000);
    put_text(fixture, generation, 1, "", 1, "");
    g_assert_cmpint(size_of(fixture, box, 1, &size), ==, CACHE_FOUND);
    g_assert_cmpuint(size, ==, 65536);
}

/* The message goes on where its size says that it ends: never a short file that looks whole. */
static void test_longer_than_told(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 1, 70000);
    guint64 size, want;
    gsize len;

    fixture_put_block(fixture, box, 1, 0, SIZE);
    fixture_expect_news(fixture, "");
    fixture_put_block(fixture, box, 1, 1, SIZE);
    fixture_expect_news(fixture, "size-1 ");
    g_assert_cmpint(size_of(fixture, box, 1, &size), ==, CACHE_WAIT);
    g_assert_cmpint(fixture_read(fixture, box, 1, 65536, 131072, &len, &want), ==, CACHE_WAIT);
    fixture_put_block(fixture, box, 1, 2, SIZE);
    g_assert_cmpint(size_of(fixture, box, 1, &size), ==, CACHE_FOUND);
    g_assert_cmpuint(size, ==, SIZE);
    g_assert_cmpint(fixture_read(fixture, box, 1, 65536, 131072, &len, &want), ==, CACHE_FOUND);
    g_assert_cmpuint(len, ==, SIZE - 65536);
}

/* An account whose server told a wrong size for another message; message 1 has @told octets. */
static guint32 put_liars_inbox(Fixture *fixture, guint64 told)
{
    guint32 box = fixture_put_inbox(fixture, 0, 0);

    fixture_put_line(fixture, box, 2, 10);
    fixture_put_body(fixture, box, 2, 20);
    fixture_put_line(fixture, box, 1, told);
    return box;
}

static guint32 wanted_block(const Fixture *fixture, guint64 id)
{
    const GList *link = cache_wants(fixture->cache)->head;

    while (((const CacheWant *)link->data)->id != id)
        link = link->next;
    return ((const CacheWant *)link->data)->block;
}

/* Brings what is wanted of message 1, which has @size octets, until its size is known, a commit
 * after each block; the number of blocks. */
static guint find_size(Fixture *fixture, guint32 box, guint64 size)
{
    guint64 found, want;
    guint n = 0;

    while (cache_message_size(fixture->cache, fixture_generation(fixture, box), 1, &found, &want,
                              NULL) == CACHE_WAIT) {
        fixture_put_block(fixture, box, 1, wanted_block(fixture, want), size);
        fixture_end_wants(fixture);
        fixture_settle();
        g_assert_cmpuint(++n, <, 100);
    }
    g_assert_cmpuint(found, ==, size);
    return n;
}

/* Where the told size ends, or which message is behind the end, shows at once what it is worth. */
static void test_size_by_last_block(Fixture *fixture, gconstpointer data)
{
    guint32 box = put_liars_inbox(fixture, 40 * CACHE_BLOCK_SIZE + 5);

    g_assert_cmpuint(find_size(fixture, box, 40 * CACHE_BLOCK_SIZE + 7), ==, 1);
}

static void test_size_beyond_last_block(Fixture *fixture, gconstpointer data)
{
    guint32 box = put_liars_inbox(fixture, 40 * CACHE_BLOCK_SIZE);

    g_assert_cmpuint(find_size(fixture, box, 43 * CACHE_BLOCK_SIZE), ==, 4);
}

/* A message that is larger than the cache: what was read and went is not read again. */
static void test_size_before_last_block(Fixture *fixture, gconstpointer data)
{
    guint32 box;

    fixture->options.size_max = 8 * CACHE_BLOCK_SIZE;
    fixture_reopen(fixture);
    box = put_liars_inbox(fixture, 43 * CACHE_BLOCK_SIZE);
    g_assert_cmpuint(find_size(fixture, box, 40 * CACHE_BLOCK_SIZE), ==, 42);
}

/* Nothing can be said of what the server does not give, so it is not asked for twice. */
static void test_size_without_last_block(Fixture *fixture, gconstpointer data)
{
    guint32 box = put_liars_inbox(fixture, SIZE);
    g_autofree char *wants = NULL;
    guint64 size;

    g_assert_cmpint(size_of(fixture, box, 1, &size), ==, CACHE_WAIT);
    fixture_end_wants(fixture);
    g_assert_cmpint(size_of(fixture, box, 1, &size), ==, CACHE_WAIT);
    wants = fixture_wants(fixture);
    g_assert_true(g_str_has_prefix(wants, "block-1/0 "));
}

/* More than there are numbers for blocks. */
static void test_huge(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 1, G_MAXINT64);
    guint32 generation = fixture_generation(fixture, box);
    g_autoptr(GPtrArray) slices = cache_slices_new();
    g_autoptr(GError) error = NULL;
    guint64 want, limit = (guint64)G_MAXUINT32 * CACHE_BLOCK_SIZE;

    g_assert_cmpint(
        cache_read(fixture->cache, generation, 1, "", limit - 10, 10, slices, &want, &error), ==,
        CACHE_WAIT);
    fixture_end_wants(fixture);
    g_assert_cmpint(
        cache_read(fixture->cache, generation, 1, "", limit - 10, 11, slices, &want, &error), ==,
        CACHE_FAILED);
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_TOO_BIG);
    g_assert_cmpuint(cache_wants(fixture->cache)->length, ==, 0);
    g_assert_true(cache_has(fixture->cache, generation, 1, "", limit, 1));
}

/* What was proved once and goes on nevertheless is in doubt again. */
static void test_longer_than_proved(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 1, 1000);
    guint64 size;

    fixture_put_body(fixture, box, 1, 1000);
    fixture_put_block(fixture, box, 1, 0, SIZE);
    g_assert_cmpint(size_of(fixture, box, 1, &size), ==, CACHE_WAIT);
    fixture_put_body(fixture, box, 1, SIZE);
    g_assert_cmpint(size_of(fixture, box, 1, &size), ==, CACHE_FOUND);
    g_assert_cmpuint(size, ==, SIZE);
}

static void test_told_empty(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 2, 0);
    guint64 size, want;
    gsize len;

    g_assert_cmpint(size_of(fixture, box, 1, &size), ==, CACHE_WAIT);
    g_assert_cmpint(fixture_read(fixture, box, 1, 0, 100, &len, &want), ==, CACHE_WAIT);
    fixture_put_body(fixture, box, 1, 50);
    g_assert_cmpint(fixture_read(fixture, box, 1, 0, 100, &len, &want), ==, CACHE_FOUND);
    g_assert_cmpuint(len, ==, 50);
    put_text(fixture, fixture_generation(fixture, box), 2, "", 0, "");
    g_assert_cmpint(size_of(fixture, box, 2, &size), ==, CACHE_FOUND);
    g_assert_cmpuint(size, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    FIXTURE_TEST("/cache/reads/offsets", test_offsets);
    FIXTURE_TEST("/cache/reads/sections-are-apart", test_sections_are_apart);
    FIXTURE_TEST("/cache/reads/missing-blocks-are-wanted", test_missing_blocks_are_wanted);
    FIXTURE_TEST("/cache/reads/gone", test_gone);
    for (gsize i = 0; i < G_N_ELEMENTS(lies); i++) {
        g_autofree char *path = g_strdup_printf("/cache/reads/size-lies/%s", lies[i].name);

        g_test_add_data_func(path, &lies[i], test_lie);
    }
    FIXTURE_TEST("/cache/reads/empty-beyond-end", test_empty_beyond_end);
    FIXTURE_TEST("/cache/reads/empty-at-end", test_empty_at_end);
    FIXTURE_TEST("/cache/reads/longer-than-told", test_longer_than_told);
    FIXTURE_TEST("/cache/reads/size-by-last-block", test_size_by_last_block);
    FIXTURE_TEST("/cache/reads/size-beyond-last-block", test_size_beyond_last_block);
    FIXTURE_TEST("/cache/reads/size-before-last-block", test_size_before_last_block);
    FIXTURE_TEST("/cache/reads/size-without-last-block", test_size_without_last_block);
    FIXTURE_TEST("/cache/reads/huge", test_huge);
    FIXTURE_TEST("/cache/reads/longer-than-proved", test_longer_than_proved);
    FIXTURE_TEST("/cache/reads/told-empty", test_told_empty);
    return g_test_run();
}

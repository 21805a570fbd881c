/* SPDX-License-Identifier: MIT */
/* tests/unit/cache/parts.c - the parts of messages: their trees, and sections by way of them. */
#include <string.h>

#include "cache/private.h"
#include "file-limit.h"
#include "fixture.h"

/* A message of two parts, the second of them a message:
 *
 *    0 header of 10 octets; 10 to 19 a delimiter; 20 header of 5; 25 body of 15 (section 1);
 *   50 header of 10; 60 body of 30 (section 2), which is a message: 60 header of 8, 68 body of 22.
 */
#define SIZE 100

static MailPart *part_new(const char *type, const char *encoding, guint64 size)
{
    MailPart *part = mail_part_new();

    part->type = g_strdup(type);
    part->subtype = g_strdup("x");
    part->encoding = g_strdup(encoding);
    part->size = size;
    return part;
}

static MailPart *place(MailPart *part, guint64 header_off, guint64 body_off)
{
    part->has_offsets = TRUE;
    part->header_off = header_off;
    part->body_off = body_off;
    return part;
}

static MailPart *add(MailPart *part, MailPart *child)
{
    if (!part->parts)
        part->parts = mail_parts_new();
    g_ptr_array_add(part->parts, child);
    return child;
}

/* As a server tells it. */
static MailPart *told(void)
{
    MailPart *root = part_new("multipart", NULL, 0);

    add(root, part_new("image", "base64", 15));
    add(add(root, part_new("message", "7bit", 30)), part_new("text", "7bit", 22));
    return root;
}

/* As it is found in the message. */
static MailPart *parsed(void)
{
    MailPart *root = told(), *second = root->parts->pdata[1], *first = root->parts->pdata[0];

    place(root, 0, 10);
    place(first, 20, 25);
    first->measure = MAIL_PART_REGULAR;
    first->base64 = (MailBase64){12, 0, 12, 9};
    place(second, 50, 60);
    place(second->parts->pdata[0], 60, 68);
    return root;
}

typedef struct {
    Fixture *fixture;
    guint32 box, generation;
} Parts;

static Parts set_up(Fixture *fixture)
{
    guint32 box = fixture_put_inbox(fixture, 3, SIZE);
    Parts parts = {fixture, box, fixture_generation(fixture, box)};

    g_string_truncate(fixture->news, 0);
    return parts;
}

static void expect_wants(const Parts *parts, const char *expected)
{
    g_autofree char *wants = fixture_wants(parts->fixture);

    g_assert_cmpstr(wants, ==, expected);
    fixture_end_wants(parts->fixture);
}

static CacheAnswer tree(const Parts *parts, guint32 uid, MailPart **ret_root)
{
    guint64 want;

    return cache_tree(parts->fixture->cache, parts->generation, uid, ret_root, &want, NULL);
}

static CacheAnswer measured(const Parts *parts, guint32 uid, MailPart **ret_root)
{
    guint64 want;

    return cache_measured_tree(parts->fixture->cache, parts->generation, uid, ret_root, &want,
                               NULL);
}

static CacheAnswer size_of(const Parts *parts, guint32 uid, const char *section, guint64 *ret_size)
{
    guint64 want;

    return cache_section_size(parts->fixture->cache, parts->generation, uid, section, ret_size,
                              &want, NULL);
}

/* A block of a section that is not the message. */
static void put(const Parts *parts, guint32 uid, const char *section, guint32 block, gsize len,
                gboolean is_end)
{
    g_autofree char *text = g_strnfill(len, 'x');
    g_autoptr(GBytes) bytes = g_bytes_new(text, len);

    cache_put_block(parts->fixture->cache, parts->generation, uid, section, block, bytes, is_end);
}

/* --- trees --- */

static void test_tree_is_wanted_and_kept(Fixture *fixture, gconstpointer data)
{
    Parts parts = set_up(fixture);
    MailPart *root;

    g_assert_cmpint(tree(&parts, 2, &root), ==, CACHE_WAIT);
    expect_wants(&parts, "tree-2 ");
    cache_put_tree(fixture->cache, parts.generation, 2, told());
    g_assert_cmpint(tree(&parts, 2, &root), ==, CACHE_FOUND);
    g_assert_cmpstr(mail_part_nth(root, 3)->section, ==, "2.1");
    fixture_reopen(fixture);
    g_assert_cmpint(tree(&parts, 2, &root), ==, CACHE_FOUND);
    g_assert_cmpuint(mail_part_of_section(root, "2")->size, ==, 30);
    g_assert_cmpint(tree(&parts, 4, &root), ==, CACHE_ABSENT);
    fixture_expect_news(fixture, "");
}

static void test_tree_goes_with_the_message(Fixture *fixture, gconstpointer data)
{
    Parts parts = set_up(fixture);
    g_autoptr(MailSet) gone = mail_set_new();
    MailPart *root;

    cache_put_tree(fixture->cache, parts.generation, 1, told());
    cache_put_tree(fixture->cache, parts.generation, 2, told());
    mail_set_add(gone, 1, 1);
    cache_put_gone(fixture->cache, parts.box, gone);
    fixture_put_line(fixture, parts.box, 1, SIZE);
    g_assert_cmpint(tree(&parts, 1, &root), ==, CACHE_WAIT);
    g_assert_cmpint(tree(&parts, 2, &root), ==, CACHE_FOUND);
}

static void test_useless_tree(Fixture *fixture, gconstpointer data)
{
    Parts parts = set_up(fixture);
    MailPart *root;

    cache_put_tree(fixture->cache, parts.generation, 1, NULL);
    g_assert_cmpint(tree(&parts, 1, &root), ==, CACHE_WAIT);
    expect_wants(&parts, "parse-1 ");
    cache_put_parsed(fixture->cache, parts.generation, 1, parsed());
    g_assert_cmpint(tree(&parts, 1, &root), ==, CACHE_FOUND);
    g_assert_true(root->has_offsets);
}

/* No server is needed, nor asked. */
static void test_tree_of_what_is_here(Fixture *fixture, gconstpointer data)
{
    Parts parts = set_up(fixture);
    MailPart *root;

    fixture_put_body(fixture, parts.box, 1, SIZE);
    g_assert_cmpint(tree(&parts, 1, &root), ==, CACHE_WAIT);
    expect_wants(&parts, "parse-1 ");
    fixture_offline(fixture);
    g_assert_cmpint(tree(&parts, 1, &root), ==, CACHE_WAIT);
    expect_wants(&parts, "parse-1 ");
    g_assert_cmpint(tree(&parts, 2, &root), ==, CACHE_FAILED);
}

static void test_tree_of_another_shape(Fixture *fixture, gconstpointer data)
{
    Parts parts = set_up(fixture);
    MailPart *root;
    guint64 size;

    fixture_put_body(fixture, parts.box, 1, SIZE);
    cache_put_tree(fixture->cache, parts.generation, 1, told());
    cache_put_parsed(fixture->cache, parts.generation, 1,
                     place(part_new("text", "7bit", 90), 0, 10));
    g_assert_cmpint(tree(&parts, 1, &root), ==, CACHE_FOUND);
    g_assert_cmpstr(root->type, ==, "multipart");
    g_assert_cmpint(size_of(&parts, 1, "1", &size), ==, CACHE_WAIT);
    expect_wants(&parts, "block-1/1/0 ");
    fixture_expect_news(fixture, "");
}

/* Its answer overtaken by the message itself, which knew more. */
static void test_tree_comes_late(Fixture *fixture, gconstpointer data)
{
    Parts parts = set_up(fixture);
    MailPart *root;

    cache_put_parsed(fixture->cache, parts.generation, 1, parsed());
    cache_put_tree(fixture->cache, parts.generation, 1, told());
    g_assert_cmpint(measured(&parts, 1, &root), ==, CACHE_FOUND);
    g_assert_true(root->has_offsets);
    cache_put_tree(fixture->cache, parts.generation, 1, NULL);
    g_assert_cmpint(measured(&parts, 1, &root), ==, CACHE_FOUND);
    fixture_expect_news(fixture, "");
}

/* As many as are held in memory, and more: all are found again. */
static void test_many_trees(Fixture *fixture, gconstpointer data)
{
    const guint n = 6000;
    guint32 box = fixture_put_inbox(fixture, n, SIZE);
    Parts parts = {fixture, box, fixture_generation(fixture, box)};
    MailPart *root;

    for (guint32 uid = 1; uid <= n; uid++) {
        cache_put_tree(fixture->cache, parts.generation, uid, told());
        if (uid % 1000 == 0)
            fixture_settle();
    }
    for (guint32 uid = 1; uid <= n; uid++)
        g_assert_cmpint(tree(&parts, uid, &root), ==, CACHE_FOUND);
}

/* All that was said of its parts may be wrong. */
static void test_doubted_tree(Fixture *fixture, gconstpointer data)
{
    Parts parts = set_up(fixture);
    g_autoptr(GPtrArray) slices = cache_slices_new();
    MailPart *root;
    guint64 want;

    cache_put_tree(fixture->cache, parts.generation, 1, told());
    cache_doubt_tree(fixture->cache, parts.generation, 1);
    fixture_expect_news(fixture, "part-1/1 part-1/2 part-1/2.1 ");
    g_assert_cmpint(tree(&parts, 1, &root), ==, CACHE_WAIT);
    expect_wants(&parts, "parse-1 ");
    cache_put_parsed(fixture->cache, parts.generation, 1, parsed());
    cache_doubt_tree(fixture->cache, parts.generation, 1);
    fixture_expect_news(fixture, "");
    g_assert_cmpint(tree(&parts, 1, &root), ==, CACHE_FOUND);
    /* Where its parts are in the message is true, and what the server sends of them is not. */
    g_assert_cmpint(
        cache_read(fixture->cache, parts.generation, 1, "1", 0, 10, slices, &want, NULL), ==,
        CACHE_WAIT);
    expect_wants(&parts, "block-1/0 ");
}

/* --- measures --- */

static void test_measures(Fixture *fixture, gconstpointer data)
{
    const MailBase64 base64 = {12, 2, 12, 9};
    Parts parts = set_up(fixture);
    MailPart *root;

    cache_put_tree(fixture->cache, parts.generation, 1, told());
    g_assert_cmpint(measured(&parts, 1, &root), ==, CACHE_WAIT);
    expect_wants(&parts, "measure-1 ");
    cache_put_measure(fixture->cache, parts.generation, 1, "1", MAIL_PART_REGULAR, &base64);
    cache_put_measured(fixture->cache, parts.generation, 1);
    g_assert_cmpint(measured(&parts, 1, &root), ==, CACHE_FOUND);
    fixture_expect_news(fixture, "");
    fixture_reopen(fixture);
    g_assert_cmpint(measured(&parts, 1, &root), ==, CACHE_FOUND);
    g_assert_cmpuint(mail_part_of_section(root, "1")->base64.size, ==, 9);
    /* It turned out otherwise: that is told, once. */
    cache_put_measure(fixture->cache, parts.generation, 1, "1", MAIL_PART_IRREGULAR, NULL);
    cache_put_measure(fixture->cache, parts.generation, 1, "1", MAIL_PART_IRREGULAR, NULL);
    fixture_expect_news(fixture, "part-1/1 ");
}

static void test_nothing_to_measure_by(Fixture *fixture, gconstpointer data)
{
    Parts parts = set_up(fixture);
    MailPart *root;

    cache_put_tree(fixture->cache, parts.generation, 1, told());
    cache_put_measured(fixture->cache, parts.generation, 1);
    g_assert_cmpint(measured(&parts, 1, &root), ==, CACHE_FOUND);
    g_assert_cmpint(mail_part_of_section(root, "1")->measure, ==, MAIL_PART_IRREGULAR);
    fixture_expect_news(fixture, "");
}

static void test_measured_by_what_is_here(Fixture *fixture, gconstpointer data)
{
    Parts parts = set_up(fixture);
    MailPart *root;

    fixture_put_body(fixture, parts.box, 1, SIZE);
    cache_put_tree(fixture->cache, parts.generation, 1, told());
    g_assert_cmpint(measured(&parts, 1, &root), ==, CACHE_WAIT);
    expect_wants(&parts, "parse-1 ");
}

/* Nothing was told of what only now is known. */
static void test_measured_first_by_the_message(Fixture *fixture, gconstpointer data)
{
    Parts parts = set_up(fixture);

    cache_put_tree(fixture->cache, parts.generation, 1, told());
    cache_put_parsed(fixture->cache, parts.generation, 1, parsed());
    fixture_expect_news(fixture, "");
}

static void test_sizes_corrected_by_the_message(Fixture *fixture, gconstpointer data)
{
    const MailBase64 base64 = {12, 2, 12, 8};
    Parts parts = set_up(fixture);
    MailPart *larger = parsed();

    ((MailPart *)larger->parts->pdata[1])->size = 31;
    cache_put_tree(fixture->cache, parts.generation, 1, told());
    cache_put_measure(fixture->cache, parts.generation, 1, "1", MAIL_PART_REGULAR, &base64);
    cache_put_parsed(fixture->cache, parts.generation, 1, larger);
    fixture_expect_news(fixture, "part-1/1 part-1/2 ");
}

/* --- sections --- */

static void check_section(const Parts *parts, const char *section, guint64 from, guint64 len)
{
    g_autoptr(GPtrArray) slices = cache_slices_new();
    g_autoptr(GBytes) bytes = NULL;
    guint64 want, size;
    const guint8 *octets;
    gsize n;

    g_assert_cmpint(size_of(parts, 1, section, &size), ==, CACHE_FOUND);
    g_assert_cmpuint(size, ==, len);
    g_assert_true(cache_has(parts->fixture->cache, parts->generation, 1, section, 0, 1000));
    g_assert_cmpint(cache_read(parts->fixture->cache, parts->generation, 1, section, 2, 1000,
                               slices, &want, NULL),
                    ==, CACHE_FOUND);
    bytes = fixture_join(slices);
    octets = g_bytes_get_data(bytes, &n);
    g_assert_cmpuint(n, ==, len - 2);
    for (gsize i = 0; i < n; i++)
        g_assert_cmpuint(octets[i], ==, fixture_byte(1, from + 2 + i));
}

static void test_sections_of_what_is_here(Fixture *fixture, gconstpointer data)
{
    Parts parts = set_up(fixture);

    fixture_put_body(fixture, parts.box, 1, SIZE);
    cache_put_parsed(fixture->cache, parts.generation, 1, parsed());
    fixture_offline(fixture);
    check_section(&parts, "HEADER", 0, 10);
    check_section(&parts, "1", 25, 15);
    check_section(&parts, "1.MIME", 20, 5);
    check_section(&parts, "2", 60, 30);
    check_section(&parts, "2.HEADER", 60, 8);
    check_section(&parts, "2.1", 68, 22);
    expect_wants(&parts, "");
}

static void test_place_is_found_first(Fixture *fixture, gconstpointer data)
{
    Parts parts = set_up(fixture);
    g_autoptr(GPtrArray) slices = cache_slices_new();
    guint64 want, size;

    fixture_put_body(fixture, parts.box, 1, SIZE);
    cache_put_tree(fixture->cache, parts.generation, 1, told());
    g_assert_cmpint(
        cache_read(fixture->cache, parts.generation, 1, "1", 0, 10, slices, &want, NULL), ==,
        CACHE_WAIT);
    expect_wants(&parts, "parse-1 ");
    g_assert_cmpint(size_of(&parts, 1, "HEADER", &size), ==, CACHE_WAIT);
    expect_wants(&parts, "parse-1 ");
    cache_put_parsed(fixture->cache, parts.generation, 1, parsed());
    check_section(&parts, "1", 25, 15);
}

static void test_size_by_what_came(Fixture *fixture, gconstpointer data)
{
    Parts parts = set_up(fixture);
    guint64 size;

    g_assert_cmpint(size_of(&parts, 1, "HEADER", &size), ==, CACHE_WAIT);
    expect_wants(&parts, "block-1/HEADER/0 ");
    put(&parts, 1, "HEADER", 0, CACHE_BLOCK_SIZE, FALSE);
    g_assert_cmpint(size_of(&parts, 1, "HEADER", &size), ==, CACHE_WAIT);
    expect_wants(&parts, "block-1/HEADER/1 ");
    put(&parts, 1, "HEADER", 1, 7, TRUE);
    g_assert_cmpint(size_of(&parts, 1, "HEADER", &size), ==, CACHE_FOUND);
    g_assert_cmpuint(size, ==, CACHE_BLOCK_SIZE + 7);
    fixture_reopen(fixture);
    g_assert_cmpint(size_of(&parts, 1, "HEADER", &size), ==, CACHE_FOUND);
    g_assert_cmpuint(size, ==, CACHE_BLOCK_SIZE + 7);
}

/* Who asks for what lies behind the last block need not wait for it to be told empty. */
static void test_section_ends_with_a_block(Fixture *fixture, gconstpointer data)
{
    Parts parts = set_up(fixture);
    g_autoptr(GPtrArray) slices = cache_slices_new();
    guint64 want;

    put(&parts, 1, "HEADER", 0, CACHE_BLOCK_SIZE, TRUE);
    fixture_offline(fixture);
    g_assert_cmpint(cache_read(fixture->cache, parts.generation, 1, "HEADER", CACHE_BLOCK_SIZE, 10,
                               slices, &want, NULL),
                    ==, CACHE_FOUND);
    g_assert_cmpuint(slices->len, ==, 0);
}

/* What was asked for beyond the end comes empty, and ends nothing. */
static void test_section_ends_where_it_ended(Fixture *fixture, gconstpointer data)
{
    static const gsize sizes[] = {100, SMALL_MAX + 1, CACHE_BLOCK_SIZE - 1};
    Parts parts = set_up(fixture);
    guint64 size;

    for (guint32 uid = 1; uid <= G_N_ELEMENTS(sizes); uid++) {
        put(&parts, uid, "HEADER", 0, sizes[uid - 1], TRUE);
        put(&parts, uid, "HEADER", 1, 0, TRUE);
        put(&parts, uid, "HEADER", 2, 0, TRUE);
    }
    for (int n = 0; n < 2; n++) {
        for (guint32 uid = 1; uid <= G_N_ELEMENTS(sizes); uid++) {
            g_assert_cmpint(size_of(&parts, uid, "HEADER", &size), ==, CACHE_FOUND);
            g_assert_cmpuint(size, ==, sizes[uid - 1]);
        }
        fixture_reopen(fixture);
    }
}

/* Nor are blocks wanted beyond the first of what has no length yet. */
static void test_read_of_unknown_length(Fixture *fixture, gconstpointer data)
{
    Parts parts = set_up(fixture);
    g_autoptr(GPtrArray) slices = cache_slices_new();
    guint64 want;

    g_assert_cmpint(cache_read(fixture->cache, parts.generation, 1, "HEADER", 0,
                               3 * CACHE_BLOCK_SIZE, slices, &want, NULL),
                    ==, CACHE_WAIT);
    expect_wants(&parts, "block-1/HEADER/0 ");
}

/* What lies behind the end that was told is not wanted. */
static void test_read_of_a_short_part(Fixture *fixture, gconstpointer data)
{
    Parts parts = set_up(fixture);
    g_autoptr(GPtrArray) slices = cache_slices_new();
    guint64 want;

    cache_put_tree(fixture->cache, parts.generation, 1, told());
    g_assert_cmpint(cache_read(fixture->cache, parts.generation, 1, "1", 0, 3 * CACHE_BLOCK_SIZE,
                               slices, &want, NULL),
                    ==, CACHE_WAIT);
    expect_wants(&parts, "block-1/1/0 ");
}

/* Its beginning was fetched alone, and then the message. */
static void test_part_of_a_section_is_here(Fixture *fixture, gconstpointer data)
{
    const guint64 size = 4 * CACHE_BLOCK_SIZE;
    guint32 box = fixture_put_inbox(fixture, 1, size);
    Parts parts = {fixture, box, fixture_generation(fixture, box)};
    MailPart *root = place(part_new("image", "7bit", size - 100), 0, 100);
    g_autoptr(GPtrArray) slices = cache_slices_new();
    g_autoptr(GBytes) bytes = NULL;
    guint64 want;

    put(&parts, 1, "1", 0, CACHE_BLOCK_SIZE, FALSE);
    fixture_put_body(fixture, box, 1, size);
    cache_put_parsed(fixture->cache, parts.generation, 1, root);
    fixture_offline(fixture);
    g_assert_cmpint(cache_read(fixture->cache, parts.generation, 1, "1", 0, 2 * CACHE_BLOCK_SIZE,
                               slices, &want, NULL),
                    ==, CACHE_FOUND);
    bytes = fixture_join(slices);
    g_assert_cmpuint(g_bytes_get_size(bytes), ==, 2 * CACHE_BLOCK_SIZE);
}

/* Which only one that is decoded as a whole can tell then. */
static void test_part_of_another_length(Fixture *fixture, gconstpointer data)
{
    Parts parts = set_up(fixture);
    MailPart *root;

    cache_put_tree(fixture->cache, parts.generation, 1, told());
    put(&parts, 1, "2", 0, 30, TRUE);
    put(&parts, 1, "2.1", 0, 22, TRUE);
    fixture_expect_news(fixture, "");
    put(&parts, 1, "2.1", 0, 21, TRUE);
    fixture_expect_news(fixture, "part-1/2.1 ");
    put(&parts, 1, "2", 0, 31, TRUE);
    fixture_expect_news(fixture, "part-1/2 ");
    g_assert_cmpint(tree(&parts, 1, &root), ==, CACHE_FOUND);
    g_assert_cmpint(mail_part_of_section(root, "2")->measure, ==, MAIL_PART_IRREGULAR);
}

static void test_longest_section(Fixture *fixture, gconstpointer data)
{
    Parts parts = set_up(fixture);
    g_autofree char *number = g_strnfill(MAIL_SECTION_MAX, '1');
    g_autofree char *section = g_strconcat(number, ".file", NULL);
    guint64 size;

    put(&parts, 1, section, 0, 5, TRUE);
    fixture_reopen(fixture);
    g_assert_cmpint(size_of(&parts, 1, section, &size), ==, CACHE_FOUND);
    g_assert_cmpuint(size, ==, 5);
}

/* --- what is made here --- */

static void test_made(Fixture *fixture, gconstpointer data)
{
    Parts parts = set_up(fixture);
    g_autoptr(GPtrArray) slices = cache_slices_new();
    guint64 want, size;

    g_assert_true(cache_section_is_made("1.file"));
    g_assert_false(cache_section_is_made("1.MIME"));
    fixture_offline(fixture);
    g_assert_cmpint(size_of(&parts, 1, "text", &size), ==, CACHE_WAIT);
    expect_wants(&parts, "made-1/text ");
    put(&parts, 1, "text", 0, CACHE_BLOCK_SIZE, FALSE);
    g_assert_cmpint(size_of(&parts, 1, "text", &size), ==, CACHE_WAIT);
    fixture_end_wants(fixture);
    put(&parts, 1, "text", 1, 7, TRUE);
    g_assert_cmpint(size_of(&parts, 1, "text", &size), ==, CACHE_FOUND);
    g_assert_cmpuint(size, ==, CACHE_BLOCK_SIZE + 7);
    g_assert_cmpint(cache_read(fixture->cache, parts.generation, 1, "text", CACHE_BLOCK_SIZE + 5,
                               1000, slices, &want, NULL),
                    ==, CACHE_FOUND);
    g_assert_cmpuint(g_bytes_get_size(slices->pdata[0]), ==, 2);
    fixture_expect_news(fixture, "");
}

/* Beyond its end there is nothing to be made. */
static void test_read_beyond_what_is_made(Fixture *fixture, gconstpointer data)
{
    Parts parts = set_up(fixture);
    g_autoptr(GPtrArray) slices = cache_slices_new();
    guint64 want;

    put(&parts, 1, "text", 0, 7, TRUE);
    for (guint block = 0; block < 3; block++)
        g_assert_cmpint(cache_read(fixture->cache, parts.generation, 1, "text",
                                   (guint64)block * CACHE_BLOCK_SIZE + 7, 10, slices, &want, NULL),
                        ==, CACHE_FOUND);
    g_assert_cmpuint(slices->len, ==, 0);
}

/* Where nothing can be written, what was made is found as long as it is held in memory. */
static void test_made_without_a_disk(Fixture *fixture, gconstpointer data)
{
    Parts parts = set_up(fixture);
    guint64 size;

    limit_files(0);
    put(&parts, 1, "text", 0, CACHE_BLOCK_SIZE, FALSE);
    g_assert_cmpint(size_of(&parts, 1, "text", &size), ==, CACHE_WAIT);
    put(&parts, 1, "text", 1, 7, TRUE);
    g_assert_cmpint(size_of(&parts, 1, "text", &size), ==, CACHE_FOUND);
    g_assert_cmpuint(size, ==, CACHE_BLOCK_SIZE + 7);
    g_assert_true(cache_has(fixture->cache, parts.generation, 1, "text", 0, G_MAXSIZE));
    limit_files(RLIM_INFINITY);
}

/* All of it stays, for it is of use only as a whole, and leaves room for what it is made of; while
 * something small is made, and until something else is. */
static void test_made_larger_than_the_cache(Fixture *fixture, gconstpointer data)
{
    const guint n = 20;
    CacheFigures figures;
    Parts parts;
    guint64 size;

    fixture->options.size_max = 4 * CACHE_BLOCK_SIZE;
    fixture_reopen(fixture);
    parts = set_up(fixture);
    g_assert_cmpint(size_of(&parts, 1, "text", &size), ==, CACHE_WAIT);
    for (guint block = 0; block < n; block++) {
        put(&parts, 1, "text", block, CACHE_BLOCK_SIZE, block + 1 == n);
        put(&parts, 3, "text", 0, block, TRUE);
        if (block < n / 2)
            put(&parts, 2, "2.file", block, CACHE_BLOCK_SIZE, FALSE);
        fixture_settle();
    }
    fixture_end_wants(fixture);
    put(&parts, 1, "1", 0, CACHE_BLOCK_SIZE, FALSE);
    fixture_settle();
    g_assert_true(cache_has(fixture->cache, parts.generation, 1, "1", 0, 1));
    g_assert_true(cache_has(fixture->cache, parts.generation, 1, "text", 0, G_MAXSIZE));
    put(&parts, 2, "text", 0, SMALL_MAX + 1, TRUE);
    fixture_settle();
    g_assert_false(cache_has(fixture->cache, parts.generation, 1, "text", 0, 1));
    cache_figures(fixture->cache, &figures);
    g_assert_cmpuint(figures.block_bytes, <=, fixture->options.size_max);
}

/* Half of it was made before the end of an earlier mount. */
static void test_half_made(Fixture *fixture, gconstpointer data)
{
    Parts parts = set_up(fixture);

    put(&parts, 1, "text", 0, CACHE_BLOCK_SIZE, FALSE);
    g_assert_false(cache_has(fixture->cache, parts.generation, 1, "text", 0, 1));
    put(&parts, 1, "text", 1, 0, TRUE);
    g_assert_true(cache_has(fixture->cache, parts.generation, 1, "text", 0, 1));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    FIXTURE_TEST("/parts/tree/kept", test_tree_is_wanted_and_kept);
    FIXTURE_TEST("/parts/tree/gone", test_tree_goes_with_the_message);
    FIXTURE_TEST("/parts/tree/useless", test_useless_tree);
    FIXTURE_TEST("/parts/tree/here", test_tree_of_what_is_here);
    FIXTURE_TEST("/parts/tree/doubted", test_doubted_tree);
    FIXTURE_TEST("/parts/tree/another-shape", test_tree_of_another_shape);
    FIXTURE_TEST("/parts/tree/late", test_tree_comes_late);
    FIXTURE_TEST("/parts/tree/many", test_many_trees);
    FIXTURE_TEST("/parts/measures/told", test_measures);
    FIXTURE_TEST("/parts/measures/none", test_nothing_to_measure_by);
    FIXTURE_TEST("/parts/measures/here", test_measured_by_what_is_here);
    FIXTURE_TEST("/parts/measures/first", test_measured_first_by_the_message);
    FIXTURE_TEST("/parts/measures/corrected", test_sizes_corrected_by_the_message);
    FIXTURE_TEST("/parts/sections/here", test_sections_of_what_is_here);
    FIXTURE_TEST("/parts/sections/place", test_place_is_found_first);
    FIXTURE_TEST("/parts/sections/size", test_size_by_what_came);
    FIXTURE_TEST("/parts/sections/whole-blocks", test_section_ends_with_a_block);
    FIXTURE_TEST("/parts/sections/short", test_read_of_a_short_part);
    FIXTURE_TEST("/parts/sections/beyond-the-end", test_section_ends_where_it_ended);
    FIXTURE_TEST("/parts/sections/unknown-length", test_read_of_unknown_length);
    FIXTURE_TEST("/parts/sections/partly-here", test_part_of_a_section_is_here);
    FIXTURE_TEST("/parts/sections/another-length", test_part_of_another_length);
    FIXTURE_TEST("/parts/sections/longest", test_longest_section);
    FIXTURE_TEST("/parts/made/waits", test_made);
    FIXTURE_TEST("/parts/made/beyond", test_read_beyond_what_is_made);
    FIXTURE_TEST("/parts/made/no-disk", test_made_without_a_disk);
    FIXTURE_TEST("/parts/made/half", test_half_made);
    FIXTURE_TEST("/parts/made/larger-than-the-cache", test_made_larger_than_the_cache);
    return g_test_run();
}

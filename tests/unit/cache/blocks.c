/* SPDX-License-Identifier: MIT */
/* tests/unit/cache/blocks.c - damaged block files give no byte; eviction goes by use and counts
 * right. */
#include <glib/gstdio.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/private.h"
#include "fixture.h"

#define SIZE   ((guint64)3 * CACHE_BLOCK_SIZE)
#define RECORD ((gsize)CACHE_BLOCK_SIZE + 64)

static char *body_path(const Fixture *fixture, guint32 box, guint32 uid)
{
    g_autofree char *name = g_strdup_printf("blocks/%u/%u", fixture_generation(fixture, box), uid);

    return fixture_path(fixture, name);
}

static void write_body(const char *path, const char *bytes, gsize len)
{
    g_assert_true(
        g_file_set_contents_full(path, bytes, (gssize)len, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
}

static gboolean has_block(Fixture *fixture, guint32 box, guint32 uid, guint32 block)
{
    guint64 want;
    gsize len;

    return fixture_read(fixture, box, uid, (guint64)block * CACHE_BLOCK_SIZE, CACHE_BLOCK_SIZE,
                        &len, &want) == CACHE_FOUND;
}

/* --- damage --- */

/* What is done to the records of message 1, and which of its blocks are lost by it. */
static const struct {
    const char *name;
    const char *lost;
    gsize at, len; /* where a byte is flipped, or what is zeroed */
} damages[] = {
    {"magic", "0", 3, 0},
    {"length", "0", 8, 0},
    {"end", "0", 12, 0},
    {"sum", "0", 40, 0},
    {"first-byte", "0", 64, 0},
    {"last-byte", "0", RECORD - 1, 0},
    {"second", "1", RECORD + 99, 0},
    {"zeroed", "1", RECORD, RECORD},
    {"zeroed-bytes", "2", 2 * RECORD + 64, 100},
};

static void test_flips(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 2, SIZE);
    g_autofree char *path = body_path(fixture, box, 1), *bytes = NULL;
    gsize len;

    fixture_put_body(fixture, box, 1, SIZE);
    g_assert_true(g_file_get_contents(path, &bytes, &len, NULL));
    for (gsize i = 0; i < G_N_ELEMENTS(damages); i++) {
        g_autofree char *damaged = g_memdup2(bytes, len);
        CacheFigures figures;

        g_test_message("%s", damages[i].name);
        if (damages[i].len)
            memset(damaged + damages[i].at, 0, damages[i].len);
        else
            damaged[damages[i].at] ^= 0x10;
        fixture_close(fixture);
        write_body(path, damaged, len);
        fixture_open(fixture);
        for (guint32 block = 0; block < 3; block++)
            g_assert_cmpint(has_block(fixture, box, 1, block), ==,
                            block != (guint32)(damages[i].lost[0] - '0'));
        cache_figures(fixture->cache, &figures);
        g_assert_cmpuint(figures.n_damaged, <=, 1);
        fixture_put_body(fixture, box, 1, SIZE);
    }
}

static void test_truncated(Fixture *fixture, gconstpointer data)
{
    static const gsize lengths[] = {
        0, 1, 63, 64, 65, RECORD - 1, RECORD, RECORD + 64, 3 * RECORD - 1};
    guint32 box = fixture_put_inbox(fixture, 1, SIZE);
    g_autofree char *path = body_path(fixture, box, 1);

    for (gsize i = 0; i < G_N_ELEMENTS(lengths); i++) {
        fixture_put_body(fixture, box, 1, SIZE);
        fixture_close(fixture);
        g_assert_cmpint(truncate(path, (off_t)lengths[i]), ==, 0);
        fixture_open(fixture);
        for (guint32 block = 0; block < 3; block++)
            g_assert_cmpint(has_block(fixture, box, 1, block), ==,
                            (block + 1) * RECORD <= lengths[i]);
    }
}

/* A record that is whole, but of another block, message, generation or account. */
static void test_moved(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 3, SIZE), old = fixture_generation(fixture, box);
    g_autofree char *first = body_path(fixture, box, 1), *second = body_path(fixture, box, 2);
    g_autofree char *bytes = NULL, *swapped = NULL, *third = NULL;
    gsize len;

    fixture_put_body(fixture, box, 1, SIZE);
    fixture_put_body(fixture, box, 2, SIZE);
    g_assert_true(g_file_get_contents(first, &bytes, &len, NULL));
    fixture_close(fixture);
    swapped = g_memdup2(bytes, len);
    memcpy(swapped, bytes + RECORD, RECORD);
    memcpy(swapped + RECORD, bytes, RECORD);
    write_body(first, swapped, len);
    write_body(second, bytes, len);
    fixture_open(fixture);
    for (guint32 block = 0; block < 3; block++) {
        g_assert_cmpint(has_block(fixture, box, 1, block), ==, block == 2);
        g_assert_false(has_block(fixture, box, 2, block));
    }
    fixture_put_inbox(fixture, 3, SIZE);
    g_assert_cmpuint(fixture_generation(fixture, box), !=, old);
    fixture_put_body(fixture, box, 3, SIZE);
    third = body_path(fixture, box, 1);
    write_body(third, bytes, len);
    g_assert_false(has_block(fixture, box, 1, 0));
}

static void test_other_account(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 1, SIZE);
    g_autofree char *other =
        g_build_filename(fixture->options.dir, "imap.you@example.org.993", NULL);

    fixture_put_body(fixture, box, 1, SIZE);
    fixture_close(fixture);
    g_assert_cmpint(g_rename(fixture->dir, other), ==, 0);
    mail_account_free(fixture->account);
    fixture->account = mail_account_parse("imaps://you@example.org", NULL);
    fixture_open(fixture);
    g_assert_cmpuint(cache_box_n_messages(fixture->cache, box), ==, 1);
    g_assert_false(has_block(fixture, box, 1, 0));
}

static void put_symlink(const char *path, const char *away)
{
    g_assert_cmpint(symlink(away, path), ==, 0);
}

static void put_hard_link(const char *path, const char *away)
{
    g_assert_cmpint(link(away, path), ==, 0);
}

static void put_fifo(const char *path, const char *away)
{
    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
}

static void put_directory(const char *path, const char *away)
{
    g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
}

/* The file is the right one, but not ours alone: it is neither read nor written. */
static void test_no_plain_file(Fixture *fixture, gconstpointer data)
{
    static void (*const puts[])(const char *, const char *) = {put_symlink, put_hard_link, put_fifo,
                                                               put_directory};
    guint32 box = fixture_put_inbox(fixture, 1, SIZE);
    g_autofree char *path = body_path(fixture, box, 1), *away = fixture_path(fixture, "away");
    g_autofree char *bytes = NULL, *after = NULL;
    gsize len, after_len;

    fixture_put_body(fixture, box, 1, SIZE);
    fixture_close(fixture);
    g_assert_cmpint(g_rename(path, away), ==, 0);
    g_assert_true(g_file_get_contents(away, &bytes, &len, NULL));
    for (gsize i = 0; i < G_N_ELEMENTS(puts); i++) {
        puts[i](path, away);
        fixture_open(fixture);
        g_assert_false(has_block(fixture, box, 1, 0));
        fixture_put_block(fixture, box, 1, 0, SIZE);
        g_assert_true(has_block(fixture, box, 1, 0)); /* from memory */
        fixture_close(fixture);
        g_assert_cmpint(g_remove(path), ==, 0);
    }
    g_assert_true(g_file_get_contents(away, &after, &after_len, NULL));
    g_assert_cmpmem(bytes, len, after, after_len);
}

/* --- names --- */

static guint n_entries(const Fixture *fixture, const char *name)
{
    g_autofree char *path = fixture_path(fixture, name);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    guint n = 0;

    while (dir && g_dir_read_name(dir))
        n++;
    return n;
}

/* One that no file can have is not cut: two bodies would share the file. */
static void test_long_section(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 1, SIZE);
    g_autofree char *section = g_strnfill(300, '1');
    g_autofree char *dir = g_strdup_printf("blocks/%u", fixture_generation(fixture, box));
    g_autoptr(GBytes) bytes = g_bytes_new("body", 4);
    g_autoptr(GPtrArray) slices = cache_slices_new();
    guint64 want;

    cache_put_block(fixture->cache, fixture_generation(fixture, box), 1, section, 0, bytes, TRUE);
    g_assert_cmpuint(n_entries(fixture, dir), ==, 0);
    g_assert_cmpint(cache_read(fixture->cache, fixture_generation(fixture, box), 1, section, 0, 4,
                               slices, &want, NULL),
                    ==, CACHE_FOUND);
}

/* Of a body that ends where a block does. */
static void test_last_block_without_octets(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 1, SIZE),
            generation = fixture_generation(fixture, box);
    g_autofree guint8 *octets = g_malloc0(CACHE_BLOCK_SIZE);
    g_autoptr(GBytes) full = g_bytes_new(octets, CACHE_BLOCK_SIZE), empty = g_bytes_new(NULL, 0);
    CacheFigures figures;
    guint64 want, size;

    cache_put_block(fixture->cache, generation, 1, "1", 0, full, FALSE);
    cache_put_block(fixture->cache, generation, 1, "1", 1, empty, TRUE);
    fixture_reopen(fixture);
    g_assert_cmpint(cache_section_size(fixture->cache, generation, 1, "1", &size, &want, NULL), ==,
                    CACHE_FOUND);
    g_assert_cmpuint(size, ==, CACHE_BLOCK_SIZE);
    cache_figures(fixture->cache, &figures);
    g_assert_cmpuint(figures.n_damaged, ==, 0);
}

/* --- memory --- */

/* Small blocks cost more than their octets. */
static void test_small_blocks_in_memory(Fixture *fixture, gconstpointer data)
{
    const guint32 n = 5000;
    guint32 box = fixture_put_inbox(fixture, n, 10);

    for (guint32 uid = 1; uid <= n; uid++)
        fixture_put_body(fixture, box, uid, 10);
    small_delete(fixture->cache, fixture_generation(fixture, box), 1, "");
    small_delete(fixture->cache, fixture_generation(fixture, box), n, "");
    g_assert_true(has_block(fixture, box, n, 0));
    g_assert_false(has_block(fixture, box, 1, 0));
}

/* --- small bodies --- */

/* Up to the limit there is no file. */
static void test_small_has_no_file(Fixture *fixture, gconstpointer data)
{
    static const guint64 sizes[] = {1, SMALL_MAX, SMALL_MAX + 1};

    for (guint32 uid = 1; uid <= G_N_ELEMENTS(sizes); uid++) {
        guint64 size = sizes[uid - 1], want;
        guint32 box = fixture_put_inbox(fixture, 3, size);
        g_autofree char *path = body_path(fixture, box, uid);
        gsize len;

        fixture_put_body(fixture, box, uid, size);
        fixture_reopen(fixture);
        g_assert_cmpint(fixture_read(fixture, box, uid, 0, SMALL_MAX * 2, &len, &want), ==,
                        CACHE_FOUND);
        g_assert_cmpuint(len, ==, size);
        g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS) == (size > SMALL_MAX));
    }
}

static void run_sql(const Fixture *fixture, const char *text)
{
    g_autofree char *path = fixture_path(fixture, "index.sqlite");
    sqlite3 *db;

    g_assert_cmpint(sqlite3_open(path, &db), ==, SQLITE_OK);
    g_assert_cmpint(sqlite3_exec(db, text, NULL, NULL, NULL), ==, SQLITE_OK);
    g_assert_cmpint(sqlite3_close(db), ==, SQLITE_OK);
}

/* Other octets, those of another message, or of another section: none is believed. */
static void test_small_damaged(Fixture *fixture, gconstpointer data)
{
    static const char *const changes[] = {
        "UPDATE small SET bytes = x'00' || substr(bytes, 2)",
        "UPDATE small SET bytes = substr(bytes, 2)",
        "UPDATE small SET bytes = 'text'",
        "UPDATE small SET id = id + 1",
        "UPDATE small SET section = '1'",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(changes); i++) {
        guint32 box = fixture_put_inbox(fixture, 3, 100);
        guint32 generation = fixture_generation(fixture, box);
        g_autoptr(GPtrArray) slices = cache_slices_new();
        guint64 want;

        fixture_put_body(fixture, box, 1, 100);
        fixture_close(fixture);
        run_sql(fixture, changes[i]);
        fixture_open(fixture);
        for (guint32 uid = 1; uid <= 2; uid++)
            g_assert_cmpint(
                cache_read(fixture->cache, generation, uid, "", 0, 100, slices, &want, NULL), ==,
                CACHE_WAIT);
        g_assert_cmpint(cache_read(fixture->cache, generation, 1, "1", 0, 100, slices, &want, NULL),
                        ==, CACHE_WAIT);
        g_assert_cmpuint(slices->len, ==, 0);
        cache_box_replace(fixture->cache, box, 7, NULL);
    }
}

static CacheAnswer read_section(Fixture *fixture, guint32 generation, const char *section)
{
    g_autoptr(GPtrArray) slices = cache_slices_new();
    guint64 want;

    return cache_read(fixture->cache, generation, 1, section, 0, 10, slices, &want, NULL);
}

/* It has grown since: its file is found. */
static void test_damaged_small_becomes_a_file(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 1, 100), generation = fixture_generation(fixture, box);
    g_autofree char *text = g_strnfill(SMALL_MAX + 1, 'x');
    g_autoptr(GBytes) small = g_bytes_new(text, 100), large = g_bytes_new(text, SMALL_MAX + 1);

    cache_put_block(fixture->cache, generation, 1, "1", 0, small, TRUE);
    fixture_close(fixture);
    run_sql(fixture, "UPDATE small SET sum = sum + 1");
    fixture_open(fixture);
    g_assert_cmpint(read_section(fixture, generation, "1"), ==, CACHE_WAIT);
    cache_put_block(fixture->cache, generation, 1, "1", 0, large, TRUE);
    fixture_reopen(fixture);
    g_assert_cmpint(read_section(fixture, generation, "1"), ==, CACHE_FOUND);
}

static void test_small_goes_with_the_generation(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 2, 100), generation = fixture_generation(fixture, box);
    BodyKey key = {generation, 1, ""};
    g_autoptr(MailSet) gone = mail_set_new();

    fixture_put_body(fixture, box, 1, 100);
    fixture_put_body(fixture, box, 2, 100);
    mail_set_add(gone, 1, 1);
    cache_put_gone(fixture->cache, box, gone);
    g_assert_false(small_has(fixture->cache, &key));
    key.uid = 2;
    g_assert_true(small_has(fixture->cache, &key));
    cache_box_replace(fixture->cache, box, 7, NULL);
    g_assert_false(small_has(fixture->cache, &key));
}

/* --- how much there is --- */

static guint64 total(const Fixture *fixture)
{
    CacheFigures figures;

    cache_figures(fixture->cache, &figures);
    return figures.block_bytes;
}

/* Octets on disk of all files below blocks/, by their lengths. */
static guint64 on_disk(const Fixture *fixture, guint32 box)
{
    g_autofree char *name = g_strdup_printf("blocks/%u", fixture_generation(fixture, box));
    g_autofree char *path = fixture_path(fixture, name);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *entry;
    guint64 sum = 0;

    while (dir && (entry = g_dir_read_name(dir))) {
        g_autofree char *file = g_build_filename(path, entry, NULL);
        struct stat st;

        g_assert_cmpint(stat(file, &st), ==, 0);
        sum += (guint64)st.st_size;
    }
    return sum;
}

static void test_total(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 3, SIZE);
    g_autoptr(MailSet) gone = mail_set_parse("2", 1);
    guint64 one;

    fixture_put_body(fixture, box, 1, SIZE);
    one = total(fixture);
    g_assert_cmpuint(one, >=, 3 * RECORD);
    g_assert_cmpuint(one, <, 3 * RECORD + 3 * 4096);
    fixture_put_body(fixture, box, 1, SIZE);
    g_assert_cmpuint(total(fixture), ==, one);
    fixture_put_body(fixture, box, 2, SIZE);
    fixture_put_body(fixture, box, 3, SIZE);
    g_assert_cmpuint(total(fixture), ==, 3 * one);
    fixture_reopen(fixture);
    g_assert_cmpuint(total(fixture), ==, 3 * one);
    cache_put_gone(fixture->cache, box, gone);
    g_assert_cmpuint(total(fixture), ==, 2 * one);
    g_assert_cmpuint(on_disk(fixture, box), ==, 6 * RECORD);
    fixture_reopen(fixture);
    g_assert_cmpuint(total(fixture), ==, 2 * one);
    fixture_put_body(fixture, box, 1, SIZE);
    cache_box_replace(fixture->cache, box, 8, NULL);
    g_assert_cmpuint(total(fixture), ==, 0);
}

/* Many files are not removed at one go, be it that the cache is closed meanwhile. */
static void test_replaced(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 40, 20000), old = fixture_generation(fixture, box);
    g_autofree char *before = g_strdup_printf("blocks/%u", old);
    g_autofree char *after = g_strdup_printf("blocks/gone.%u", old);

    for (guint32 uid = 1; uid <= 40; uid++)
        fixture_put_body(fixture, box, uid, 20000);
    cache_box_replace(fixture->cache, box, 8, NULL);
    g_assert_cmpuint(n_entries(fixture, before), ==, 0);
    g_assert_cmpuint(n_entries(fixture, after), ==, 40);
    g_main_context_iteration(NULL, FALSE);
    fixture_close(fixture);
    g_assert_cmpuint(n_entries(fixture, after), >, 0);
    fixture_open(fixture);
    fixture_settle();
    g_assert_cmpuint(n_entries(fixture, "blocks"), ==, 0);
}

/* A use within the hour need not be noted. */
static void pass_a_day(const Fixture *fixture)
{
    run_sql(fixture, "UPDATE body SET used = used - 86400000000");
}

static void test_eviction(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 4, SIZE);

    for (guint32 uid = 1; uid <= 3; uid++) {
        fixture_put_body(fixture, box, uid, SIZE);
        fixture_settle();
    }
    fixture->options.size_max = total(fixture);
    fixture_close(fixture);
    pass_a_day(fixture);
    fixture_open(fixture);
    g_assert_true(has_block(fixture, box, 1, 0)); /* now 2 was not used for longest */
    fixture_reopen(fixture);
    fixture_put_body(fixture, box, 4, SIZE);
    fixture_settle();
    g_assert_cmpuint(total(fixture), ==, fixture->options.size_max);
    g_assert_cmpuint(on_disk(fixture, box), ==, 9 * RECORD);
    for (guint32 uid = 1; uid <= 4; uid++)
        g_assert_cmpint(has_block(fixture, box, uid, 0), ==, uid != 2);
}

static void test_small_eviction(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 40, 1000);
    guint n_here = 0;

    for (guint32 uid = 1; uid <= 20; uid++)
        fixture_put_body(fixture, box, uid, 1000);
    fixture->options.size_max = total(fixture);
    fixture_reopen(fixture);
    for (guint32 uid = 21; uid <= 40; uid++)
        fixture_put_body(fixture, box, uid, 1000);
    fixture_settle();
    g_assert_cmpuint(total(fixture), ==, fixture->options.size_max);
    for (guint32 uid = 1; uid <= 40; uid++) {
        BodyKey key = {fixture_generation(fixture, box), uid, ""};

        n_here += small_has(fixture->cache, &key);
    }
    g_assert_cmpuint(n_here, ==, 20);
}

/* One that is larger than all the cache may hold, while it is wanted: no loop, and it is wanted
 * anew. */
static void test_evicted_while_wanted(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 1, SIZE);
    guint64 want, ticket;
    Waker waker = {0};
    gsize len;

    fixture->options.size_max = CACHE_BLOCK_SIZE;
    fixture_reopen(fixture);
    g_assert_cmpint(fixture_read(fixture, box, 1, 0, SIZE, &len, &want), ==, CACHE_WAIT);
    ticket = cache_wait(fixture->cache, want, waker_wake, &waker);
    g_assert_cmpuint(ticket, !=, 0);
    fixture_put_body(fixture, box, 1, SIZE);
    fixture_settle();
    g_assert_cmpuint(total(fixture), ==, 0);
    g_assert_cmpuint(on_disk(fixture, box), ==, 0);
    cache_want_done(fixture->cache, want, NULL);
    fixture_settle();
    g_assert_cmpuint(waker.n, ==, 1);
    g_assert_cmpint(fixture_read(fixture, box, 1, 0, SIZE, &len, &want), ==, CACHE_WAIT);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    FIXTURE_TEST("/cache/blocks/flips", test_flips);
    FIXTURE_TEST("/cache/blocks/truncated", test_truncated);
    FIXTURE_TEST("/cache/blocks/moved", test_moved);
    FIXTURE_TEST("/cache/blocks/other-account", test_other_account);
    FIXTURE_TEST("/cache/blocks/no-plain-file", test_no_plain_file);
    FIXTURE_TEST("/cache/blocks/long-section", test_long_section);
    FIXTURE_TEST("/cache/blocks/last-without-octets", test_last_block_without_octets);
    FIXTURE_TEST("/cache/blocks/small-blocks-in-memory", test_small_blocks_in_memory);
    FIXTURE_TEST("/cache/blocks/small/no-file", test_small_has_no_file);
    FIXTURE_TEST("/cache/blocks/small/damaged", test_small_damaged);
    FIXTURE_TEST("/cache/blocks/small/damaged-and-grown", test_damaged_small_becomes_a_file);
    FIXTURE_TEST("/cache/blocks/small/gone", test_small_goes_with_the_generation);
    FIXTURE_TEST("/cache/blocks/small/eviction", test_small_eviction);
    FIXTURE_TEST("/cache/blocks/total", test_total);
    FIXTURE_TEST("/cache/blocks/replaced", test_replaced);
    FIXTURE_TEST("/cache/blocks/eviction", test_eviction);
    FIXTURE_TEST("/cache/blocks/evicted-while-wanted", test_evicted_while_wanted);
    return g_test_run();
}

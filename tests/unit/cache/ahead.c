/* SPDX-License-Identifier: MIT */
/* tests/unit/cache/ahead.c - what is read ahead, and what is not. */
#include <string.h>

#include "fixture.h"

#define BLOCK  ((guint64)CACHE_BLOCK_SIZE)
#define MIB    ((guint64)1024 * 1024)
#define WINDOW (16 * MIB)

/* The wanted blocks of @uid from @first to @last come. */
static void arrive(Fixture *fixture, guint32 box, guint32 uid, guint32 first, guint32 last,
                   guint64 size)
{
    for (GList *link = cache_wants(fixture->cache)->head, *next; link; link = next) {
        const CacheWant *want = link->data;

        next = link->next;
        if (want->uid != uid || want->block < first || want->block > last)
            continue;
        fixture_put_block(fixture, box, uid, want->block, size);
        cache_want_done(fixture->cache, want->id, NULL);
    }
}

/* Asks as fs/ does: again once it is here. */
static void read_all(Fixture *fixture, guint32 box, guint32 uid, guint64 offset, gsize size)
{
    CacheMessage message;
    guint64 want;
    gsize len;

    g_assert_true(
        cache_get_message(fixture->cache, fixture_generation(fixture, box), uid, &message));
    while (fixture_read(fixture, box, uid, offset, size, &len, &want) == CACHE_WAIT)
        arrive(fixture, box, uid, (guint32)(offset / BLOCK), (guint32)((offset + size - 1) / BLOCK),
               message.size);
}

static guint n_wants(const Fixture *fixture)
{
    return cache_wants(fixture->cache)->length;
}

/* --- inside a file --- */

/* As `head` or a file manager reads: once answered, nothing more is wanted. */
static void test_small_first_read(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 1, 10 * MIB);
    guint64 want;
    gsize len;

    g_assert_cmpint(fixture_read(fixture, box, 1, 0, 4096, &len, &want), ==, CACHE_WAIT);
    g_assert_cmpuint(n_wants(fixture), ==, 1);
    fixture_put_block(fixture, box, 1, 0, 10 * MIB);
    cache_want_done(fixture->cache, want, NULL);
    g_assert_cmpint(fixture_read(fixture, box, 1, 0, 4096, &len, &want), ==, CACHE_FOUND);
    g_assert_cmpuint(n_wants(fixture), ==, 0);
}

static void test_large_first_read(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 2, 2 * WINDOW);
    guint64 want;
    gsize len;

    g_assert_cmpint(fixture_read(fixture, box, 1, 0, 131072, &len, &want), ==, CACHE_WAIT);
    g_assert_cmpuint(n_wants(fixture), ==, (131072 + WINDOW) / BLOCK);
    fixture_end_wants(fixture);
    /* The second of two that the kernel sent at once may come first. */
    g_assert_cmpint(fixture_read(fixture, box, 2, 131072, 131072, &len, &want), ==, CACHE_WAIT);
    g_assert_cmpuint(n_wants(fixture), ==, (131072 + WINDOW) / BLOCK);
}

/* As the kernel reads for a program that said that it goes from end to end. */
static void test_goes_on_within_window(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 1, 2 * WINDOW);
    guint64 want;
    gsize len;

    g_assert_cmpint(fixture_read(fixture, box, 1, 0, 131072, &len, &want), ==, CACHE_WAIT);
    g_assert_cmpint(fixture_read(fixture, box, 1, 9 * MIB, 131072, &len, &want), ==, CACHE_WAIT);
    g_assert_cmpuint(n_wants(fixture), ==, (9 * MIB + 131072 + WINDOW) / BLOCK);
}

static void test_not_beyond_end(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 1, 3 * BLOCK + 1);
    guint64 want;
    gsize len;

    g_assert_cmpint(fixture_read(fixture, box, 1, 0, 131072, &len, &want), ==, CACHE_WAIT);
    g_assert_cmpuint(n_wants(fixture), ==, 4);
}

static void test_window_grows(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 1, 2 * WINDOW);
    guint most = 0;

    for (guint64 offset = 0; offset < 2 * MIB; offset += 16384) {
        read_all(fixture, box, 1, offset, 16384);
        most = MAX(most, n_wants(fixture));
        g_assert_cmpuint(n_wants(fixture), <=, WINDOW / BLOCK);
    }
    g_assert_cmpuint(most, >, MIB / BLOCK);
}

/* Far apart, also as large as a fault of mmap reads around. */
static void test_random(Fixture *fixture, gconstpointer data)
{
    static const guint64 places[] = {5, 1, 8, 3, 9, 2, 7, 4};
    guint32 box = fixture_put_inbox(fixture, 1, 10 * MIB);

    for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
        read_all(fixture, box, 1, places[i] * MIB, 4096);
        read_all(fixture, box, 1, places[i] * MIB + MIB / 2, 131072);
        g_assert_cmpuint(n_wants(fixture), ==, 0);
    }
}

static void test_not_offline(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 1, 10 * MIB);
    guint64 want;
    gsize len;

    fixture_put_body(fixture, box, 1, 131072);
    cache_set_state(fixture->cache, CACHE_STALLED, NULL);
    g_assert_cmpint(fixture_read(fixture, box, 1, 0, 65536, &len, &want), ==, CACHE_FOUND);
    g_assert_cmpuint(n_wants(fixture), ==, 0);
}

/* --- over the messages --- */

typedef struct {
    guint32 first, last;
    int step;
    guint64 size;
    guint most, least; /* that are wanted ahead at most, and at least reached */
} Walk;

/* How many messages beyond @uid are wanted, and how many octets of them at most. */
static guint n_ahead(const Fixture *fixture, const Walk *walk, guint32 uid, guint64 *ret_bytes)
{
    g_autoptr(GHashTable) uids = g_hash_table_new(NULL, NULL);

    for (const GList *link = cache_wants(fixture->cache)->head; link; link = link->next) {
        const CacheWant *want = link->data;

        if (walk->step > 0 ? want->uid > uid : want->uid < uid)
            g_hash_table_add(uids, GUINT_TO_POINTER(want->uid));
    }
    *ret_bytes = g_hash_table_size(uids) * MIN(walk->size, MIB);
    return g_hash_table_size(uids);
}

static void check_walk(Fixture *fixture, const Walk *walk)
{
    guint32 box = fixture_put_inbox(fixture, 1500, walk->size);
    guint reached = 0;
    guint64 bytes;

    for (guint32 uid = walk->first;; uid += (guint32)walk->step) {
        guint64 want;
        gsize len;

        fixture_read(fixture, box, uid, 0, 4096, &len, &want);
        arrive(fixture, box, uid, 0, G_MAXUINT32, walk->size);
        reached = MAX(reached, n_ahead(fixture, walk, uid, &bytes));
        g_assert_cmpuint(reached, <=, walk->most);
        g_assert_cmpuint(bytes, <=, 9 * MIB); /* 8, and the one that crosses */
        if (uid == walk->last)
            break;
    }
    g_assert_cmpuint(reached, >=, walk->least);
}

static const struct {
    const char *name;
    Walk walk;
} walks[] = {
    {"up", {1, 1500, 1, 3000, 512, 512}},         {"down", {1500, 1, -1, 3000, 512, 512}},
    {"by-two", {1, 1001, 2, 3000, 512, 512}},     {"first-three", {1, 3, 1, 3000, 8, 8}},
    {"only-two", {1, 2, 1, 3000, 0, 0}},          {"large-messages", {1, 100, 1, 2 * MIB, 9, 8}},
    {"too-far-apart", {1, 1001, 10, 3000, 0, 0}},
};

static void test_walk(gconstpointer data)
{
    Fixture fixture = {0};

    fixture_set_up(&fixture, NULL);
    check_walk(&fixture, data);
    fixture_tear_down(&fixture, NULL);
}

/* --- over what is made of the messages --- */

#define TEXT_LEN 100

static void on_wants_changed(gpointer data)
{
}

static void text_sources(MailPart *tree, const char *section,
                         void (*each)(const char *section, gpointer each_data), gpointer each_data)
{
    g_assert_cmpstr(section, ==, "text");
    each(tree->section, each_data);
}

static void set_up_texts(Fixture *fixture, gconstpointer data)
{
    static const CacheMaker maker = {on_wants_changed, text_sources};

    fixture_set_up(fixture, data);
    cache_set_maker(fixture->cache, &maker, NULL);
}

#define TEXTS_TEST(path, func)                                                                     \
    g_test_add(path, Fixture, NULL, set_up_texts, func, fixture_tear_down)

static CacheAnswer ask_size(Fixture *fixture, guint32 generation, guint32 uid)
{
    guint64 size, want;

    return cache_section_size(fixture->cache, generation, uid, "text", &size, &want, NULL);
}

static void put_text(Fixture *fixture, guint32 generation, guint32 uid, const char *section)
{
    g_autoptr(GBytes) bytes = g_bytes_new_take(g_strnfill(TEXT_LEN, 'x'), TEXT_LEN);

    cache_put_block(fixture->cache, generation, uid, section, 0, bytes, TRUE);
}

static void put_tree(Fixture *fixture, guint32 generation, guint32 uid)
{
    MailPart *part = mail_part_new();

    part->type = g_strdup("text");
    part->subtype = g_strdup("plain");
    part->encoding = g_strdup("7bit");
    part->size = TEXT_LEN;
    cache_put_tree(fixture->cache, generation, uid, part);
}

/* All that the server is asked comes. */
static void round_trip(Fixture *fixture, guint *n_trips)
{
    (*n_trips)++;
    for (GList *link = cache_wants(fixture->cache)->head, *next; link; link = next) {
        const CacheWant *want = link->data;

        next = link->next;
        if (want->kind == CACHE_WANT_READY)
            ;
        else if (want->kind == CACHE_WANT_TREE)
            put_tree(fixture, want->generation, want->uid);
        else
            put_text(fixture, want->generation, want->uid, want->section);
        cache_want_done(fixture->cache, want->id, NULL);
    }
    fixture_settle();
}

/* As the maker makes it. */
static void make_text(Fixture *fixture, guint32 generation, guint32 uid, guint *n_trips)
{
    g_autoptr(GPtrArray) slices = cache_slices_new();
    MailPart *root;
    guint64 want;

    while (cache_tree(fixture->cache, generation, uid, &root, &want, NULL) == CACHE_WAIT)
        round_trip(fixture, n_trips);
    while (cache_read(fixture->cache, generation, uid, "1", 0, 131072, slices, &want, NULL) ==
           CACHE_WAIT)
        round_trip(fixture, n_trips);
    put_text(fixture, generation, uid, "text");
}

static void make_all(Fixture *fixture, guint *n_trips)
{
    const CacheWant *want;

    while ((want = g_queue_peek_head((GQueue *)cache_maker_wants(fixture->cache)))) {
        make_text(fixture, want->generation, want->uid, n_trips);
        cache_want_done(fixture->cache, want->id, NULL);
    }
}

/* As grep goes over the texts of a mailbox: hardly one of them is waited for. */
static void test_texts(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 3000, 5000);
    guint32 generation = fixture_generation(fixture, box);
    guint n_trips = 0, n_waits = 0;

    for (guint32 uid = 3000; uid > 0; uid--) {
        if (ask_size(fixture, generation, uid) == CACHE_WAIT)
            n_waits++;
        make_all(fixture, &n_trips);
        g_assert_cmpint(ask_size(fixture, generation, uid), ==, CACHE_FOUND);
    }
    g_assert_cmpuint(n_trips, <, 25);
    g_assert_cmpuint(n_waits, <, 20);
}

/* What was asked for is lost with a connection, once. */
static void test_texts_after_a_loss(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 3000, 5000);
    guint32 generation = fixture_generation(fixture, box);
    guint n_trips = 0;

    for (guint32 uid = 3000; uid > 0; uid--) {
        (void)ask_size(fixture, generation, uid);
        if (uid == 2900)
            fixture_end_wants(fixture);
        make_text(fixture, generation, uid, &n_trips);
        make_all(fixture, &n_trips);
    }
    g_assert_cmpuint(n_trips, <, 40);
}

static guint n_wants_of(const Fixture *fixture, CacheWantKind kind)
{
    guint n = 0;

    for (const GList *link = cache_wants(fixture->cache)->head; link; link = link->next)
        n += ((const CacheWant *)link->data)->kind == kind ? 1 : 0;
    return n;
}

/* Who lists a mailbox that is new to us, to read its texts, need not begin to walk first. */
static void test_texts_that_are_listed(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 1, 100);
    guint32 generation = fixture_generation(fixture, box), newest = 3000;
    guint n_trips = 0;

    fixture_put_range(fixture, box, 1, newest);
    cache_expect_made(fixture->cache, box, "text");
    g_assert_cmpuint(n_wants_of(fixture, CACHE_WANT_READY), ==, 1);
    for (guint32 uid = newest; uid > 1000; uid--) {
        fixture_put_line(fixture, box, uid, 5000);
        cache_expect_made(fixture->cache, box, "text");
    }
    g_assert_cmpuint(n_wants_of(fixture, CACHE_WANT_TREE), ==, 512);
    round_trip(fixture, &n_trips);
    g_assert_cmpint(ask_size(fixture, generation, newest), ==, CACHE_WAIT);
    g_assert_cmpuint(n_wants_of(fixture, CACHE_WANT_BLOCK), ==, 64);
}

/* Of a mailbox that is listed already, only what is read is asked for. */
static void test_texts_that_were_listed(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 100, 5000);
    guint32 generation = fixture_generation(fixture, box);

    cache_expect_made(fixture->cache, box, "text");
    g_assert_cmpint(ask_size(fixture, generation, 100), ==, CACHE_WAIT);
    g_assert_cmpuint(cache_wants(fixture->cache)->length, ==, 0);
}

/* Nothing is asked for the sake of one who reads what is here. */
static void test_texts_that_are_here(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 100, 5000);
    guint32 generation = fixture_generation(fixture, box);
    g_autofree char *wants = NULL;

    for (guint32 uid = 100; uid > 50; uid--) {
        put_text(fixture, generation, uid, "text");
        g_assert_cmpint(ask_size(fixture, generation, uid), ==, CACHE_FOUND);
    }
    wants = fixture_wants(fixture);
    g_assert_cmpstr(wants, ==, "");
}

/* --- lines --- */

static CacheAnswer next_line(Fixture *fixture, guint32 box, guint32 before, guint32 *ret_uid)
{
    g_autoptr(MailEnvelope) envelope = NULL;
    CacheMessage message;
    guint64 want;
    CacheAnswer answer =
        cache_next_message(fixture->cache, box, before, &message, &envelope, &want, NULL);

    if (answer == CACHE_FOUND)
        *ret_uid = message.uid;
    return answer;
}

static void fulfil_lines(Fixture *fixture, guint32 box)
{
    CacheWant want = *(CacheWant *)cache_wants(fixture->cache)->head->data;
    g_autoptr(MailSet) unlisted = cache_dup_unlisted(fixture->cache, box, want.low, want.uid);

    g_assert_cmpint(want.kind, ==, CACHE_WANT_LINES);
    for (guint i = 0; i < unlisted->len; i++)
        for (guint32 uid = mail_set_range(unlisted, i)->first;
             uid <= mail_set_range(unlisted, i)->last; uid++)
            fixture_put_line(fixture, box, uid, 100);
    cache_want_done(fixture->cache, want.id, NULL);
}

static void test_lines(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 0, 0), uid = 0, before = 0;
    g_autofree char *first = NULL;
    guint n = 0, n_windows = 0;
    CacheAnswer answer;

    fixture_put_range(fixture, box, 1, 20000);
    g_assert_cmpint(next_line(fixture, box, 0, &uid), ==, CACHE_WAIT);
    first = fixture_wants(fixture);
    g_assert_cmpstr(first, ==, "lines-20000:19873 lines-19872:19361 ");
    while ((answer = next_line(fixture, box, before, &uid)) != CACHE_ABSENT) {
        if (answer == CACHE_WAIT) {
            fulfil_lines(fixture, box);
            n_windows++;
            continue;
        }
        g_assert_cmpuint(uid, ==, 20000 - n);
        before = uid;
        n++;
    }
    g_assert_cmpuint(n, ==, 20000);
    g_assert_cmpuint(n_windows, <, 12);
    g_assert_cmpuint(n_wants(fixture), ==, 0);
}

/* --- in a spool --- */

static CacheAnswer has_none(guint32 box, guint32 uid, guint64 offset, gsize size,
                            GPtrArray *ret_slices, GError **error, gpointer data)
{
    return CACHE_ABSENT;
}

/* Each is a command of its own there. */
static void test_walk_in_spool(Fixture *fixture, gconstpointer data)
{
    const guint n_messages = 64;
    guint32 box;
    guint n_before = 0, n_times = 0;

    cache_set_spool(fixture->cache, has_none, NULL);
    box = fixture_put_inbox(fixture, n_messages, 1024 * 1024);
    for (guint32 uid = n_messages; uid > 10; uid--) {
        gsize len;
        guint64 want;
        guint n;

        g_assert_cmpint(fixture_read(fixture, box, uid, 0, 1, &len, &want), ==, CACHE_WAIT);
        n = cache_wants(fixture->cache)->length - n_before;
        g_assert_true(n == 0 || n >= 4 || uid > n_messages - 10);
        n_times += n > 0;
        n_before += n;
    }
    g_assert_cmpuint(n_times, >, 5);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    FIXTURE_TEST("/cache/ahead/small-first-read", test_small_first_read);
    FIXTURE_TEST("/cache/ahead/large-first-read", test_large_first_read);
    FIXTURE_TEST("/cache/ahead/goes-on-within-window", test_goes_on_within_window);
    FIXTURE_TEST("/cache/ahead/not-beyond-end", test_not_beyond_end);
    FIXTURE_TEST("/cache/ahead/window-grows", test_window_grows);
    FIXTURE_TEST("/cache/ahead/random", test_random);
    FIXTURE_TEST("/cache/ahead/not-offline", test_not_offline);
    for (gsize i = 0; i < G_N_ELEMENTS(walks); i++) {
        g_autofree char *path = g_strdup_printf("/cache/ahead/walk/%s", walks[i].name);

        g_test_add_data_func(path, &walks[i].walk, test_walk);
    }
    TEXTS_TEST("/cache/ahead/texts", test_texts);
    TEXTS_TEST("/cache/ahead/texts-after-a-loss", test_texts_after_a_loss);
    TEXTS_TEST("/cache/ahead/texts-that-are-listed", test_texts_that_are_listed);
    TEXTS_TEST("/cache/ahead/texts-that-were-listed", test_texts_that_were_listed);
    TEXTS_TEST("/cache/ahead/texts-that-are-here", test_texts_that_are_here);
    FIXTURE_TEST("/cache/ahead/lines", test_lines);
    FIXTURE_TEST("/cache/ahead/walk-in-spool", test_walk_in_spool);
    return g_test_run();
}

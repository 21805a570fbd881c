/* SPDX-License-Identifier: MIT */
/* tests/unit/cache/boxes.c - the tree of mailboxes, and that no number is used twice. */
#include <glib/gstdio.h>
#include <zlib.h>

#include "fixture.h"

static void test_root(Fixture *fixture, gconstpointer data)
{
    const CacheBox *root = cache_box(fixture->cache, CACHE_ROOT);

    g_assert_cmpuint(root->id, ==, CACHE_ROOT);
    g_assert_null(root->wire);
    g_assert_cmpuint(root->attributes, ==, CACHE_BOX_NOSELECT);
    g_assert_cmpuint(cache_box_n_children(fixture->cache, CACHE_ROOT), ==, 0);
    g_assert_null(cache_box_next_child(fixture->cache, CACHE_ROOT, 0));
    g_assert_null(cache_box(fixture->cache, 1));
    fixture_put_boxes(fixture, "INBOX", NULL);
    fixture_put_boxes(fixture, NULL, NULL);
    g_assert_nonnull(cache_box(fixture->cache, CACHE_ROOT));
    g_assert_cmpuint(cache_box_n_children(fixture->cache, CACHE_ROOT), ==, 0);
}

static void test_parents_are_made_up(Fixture *fixture, gconstpointer data)
{
    const CacheBox *parent;
    guint32 id;

    fixture_put_boxes(fixture, "a/b/c", NULL);
    fixture_expect_news(fixture, "listing listing listing boxes ");
    parent = cache_box(fixture->cache, fixture_find_box(fixture, "a/b"));
    g_assert_null(parent->wire);
    g_assert_cmpuint(parent->attributes, ==, CACHE_BOX_NOSELECT);
    id = fixture_find_box(fixture, "a/b/c");
    g_assert_cmpstr(cache_box(fixture->cache, id)->wire, ==, "a/b/c");
    g_assert_cmpuint(cache_box(fixture->cache, id)->parent, ==, parent->id);
    fixture_put_boxes(fixture, "a/b/c", NULL);
    fixture_expect_news(fixture, "");
    fixture_put_boxes(fixture, "a/b/c", "a/b", NULL);
    g_assert_cmpuint(fixture_find_box(fixture, "a/b/c"), ==, id);
    g_assert_cmpstr(cache_box(fixture->cache, parent->id)->wire, ==, "a/b");
}

static void test_removed_with_children(Fixture *fixture, gconstpointer data)
{
    guint32 parent, child;

    fixture_put_boxes(fixture, "keep", "a", "a/b", "a/b/c", NULL);
    parent = fixture_find_box(fixture, "a");
    child = fixture_find_box(fixture, "a/b/c");
    cache_box_replace(fixture->cache, child, 7, NULL);
    fixture_put_line(fixture, child, 1, 100);
    fixture_put_body(fixture, child, 1, 100);
    fixture_put_boxes(fixture, "keep", NULL);
    g_assert_null(cache_box(fixture->cache, parent));
    g_assert_null(cache_box(fixture->cache, child));
    g_assert_cmpuint(cache_box_n_children(fixture->cache, CACHE_ROOT), ==, 1);
    fixture_reopen(fixture);
    g_assert_null(cache_box(fixture->cache, child));
    g_assert_cmpuint(cache_box_n_children(fixture->cache, CACHE_ROOT), ==, 1);
}

/* Many may go: the parent changes once. */
static void test_removed_together(Fixture *fixture, gconstpointer data)
{
    guint32 left;

    fixture_put_boxes(fixture, "a", "b", "c", "d/e", "d/f", NULL);
    left = fixture_find_box(fixture, "b");
    fixture_expect_news(fixture, "listing listing listing listing listing listing boxes ");
    fixture_put_boxes(fixture, "b", NULL);
    fixture_expect_news(fixture, "listing boxes ");
    g_assert_cmpuint(cache_box_next_child(fixture->cache, CACHE_ROOT, 0)->id, ==, left);
    g_assert_null(cache_box_next_child(fixture->cache, CACHE_ROOT, left));
}

/* It is not selectable any more, but has children: what was in it is forgotten, also when one of
 * its name comes again. */
static void test_demoted(Fixture *fixture, gconstpointer data)
{
    CacheFigures figures;
    guint32 id, generation;
    CacheSync sync;

    fixture_put_boxes(fixture, "a", "a/b", NULL);
    id = fixture_find_box(fixture, "a");
    cache_box_replace(fixture->cache, id, 7, "M-1");
    fixture_put_line(fixture, id, 1, 100);
    fixture_put_body(fixture, id, 1, 100);
    cache_put_synced(fixture->cache, id, 2, 100, TRUE, g_get_monotonic_time());
    generation = fixture_generation(fixture, id);
    g_string_truncate(fixture->news, 0);
    fixture_put_boxes(fixture, "a/b", NULL);
    fixture_expect_news(fixture, "listing replaced boxes ");
    g_assert_cmpuint(fixture_find_box(fixture, "a"), ==, id);
    g_assert_null(cache_box(fixture->cache, id)->wire);
    g_assert_cmpuint(cache_box(fixture->cache, id)->attributes, ==, CACHE_BOX_NOSELECT);
    g_assert_null(cache_box_of_generation(fixture->cache, generation));
    cache_figures(fixture->cache, &figures);
    g_assert_cmpuint(figures.block_bytes, ==, 0);
    fixture_put_boxes(fixture, "a", "a/b", NULL);
    fixture_reopen(fixture);
    g_assert_cmpuint(fixture_generation(fixture, id), ==, 0);
    g_assert_true(cache_sync(fixture->cache, id, &sync));
    g_assert_cmpuint(sync.uidvalidity, ==, 0);
    g_assert_cmpuint(sync.uidnext, ==, 0);
    g_assert_cmpuint(sync.modseq, ==, 0);
    g_assert_null(sync.mailboxid);
    g_assert_false(sync.is_complete || sync.is_proved);
}

static void put_box_for(Fixture *fixture, guint attributes)
{
    static const char *const names[] = {"a", NULL};
    static const gboolean plain[] = {FALSE};
    const CacheBoxNews news = {"a", names, plain, attributes};

    cache_put_boxes(fixture->cache, &news, 1);
}

/* Messages are called by their recipient where they are one's own. */
static void test_special_use_renames(Fixture *fixture, gconstpointer data)
{
    put_box_for(fixture, 0);
    cache_box_replace(fixture->cache, fixture_find_box(fixture, "a"), 7, NULL);
    g_string_truncate(fixture->news, 0);
    put_box_for(fixture, CACHE_BOX_JUNK);
    fixture_expect_news(fixture, "boxes ");
    put_box_for(fixture, CACHE_BOX_SENT);
    fixture_expect_news(fixture, "listing boxes ");
    put_box_for(fixture, CACHE_BOX_DRAFTS | CACHE_BOX_FLAGGED);
    fixture_expect_news(fixture, "boxes ");
    put_box_for(fixture, 0);
    fixture_expect_news(fixture, "listing boxes ");
}

/* Two changes within a second have two times; the last one is known the next time. */
static void test_time_of_change(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 1, 100);
    gint64 before = g_get_real_time(), changed;

    cache_put_flags(fixture->cache, box, 1, MAIL_FLAG_DELETED);
    changed = cache_box(fixture->cache, box)->changed;
    g_assert_cmpint(changed, >=, before);
    g_assert_cmpint(changed, <=, g_get_real_time());
    fixture_reopen(fixture);
    g_assert_cmpint(cache_box(fixture->cache, box)->changed, ==, changed);
}

static void test_raw_twins(Fixture *fixture, gconstpointer data)
{
    static const char *const names[] = {"&-", NULL};
    static const gboolean plain[] = {FALSE}, raw[] = {TRUE};
    const CacheBoxNews twins[] = {{"&--", names, plain, 0}, {"&-", names, raw, 0}};
    const CacheBox *first, *second;

    cache_put_boxes(fixture->cache, twins, 2);
    fixture_reopen(fixture);
    g_assert_cmpuint(cache_box_n_children(fixture->cache, CACHE_ROOT), ==, 2);
    first = cache_box_next_child(fixture->cache, CACHE_ROOT, 0);
    second = cache_box_next_child(fixture->cache, CACHE_ROOT, first->id);
    g_assert_cmpstr(first->wire, ==, "&--");
    g_assert_false(first->is_raw);
    g_assert_cmpstr(second->wire, ==, "&-");
    g_assert_true(second->is_raw);
}

static void test_kept(Fixture *fixture, gconstpointer data)
{
    static const char *const names[] = {"Gesendet \303\274\377\n", NULL};
    static const gboolean raw[] = {TRUE};
    const CacheBoxNews news = {"Gesendet \377", names, raw, CACHE_BOX_SENT | CACHE_BOX_ALL};
    const CacheBox *box;
    CacheSync sync;
    guint32 generation;

    cache_put_boxes(fixture->cache, &news, 1);
    cache_box_replace(fixture->cache, 1, 4000000000u, "M-1");
    cache_put_synced(fixture->cache, 1, 4294967295u, G_MAXINT64, TRUE, g_get_monotonic_time());
    generation = fixture_generation(fixture, 1);
    fixture_reopen(fixture);
    box = cache_box(fixture->cache, 1);
    g_assert_cmpstr(box->name, ==, names[0]);
    g_assert_cmpstr(box->wire, ==, news.wire);
    g_assert_true(box->is_raw);
    g_assert_cmpuint(box->attributes, ==, news.attributes);
    g_assert_true(cache_box_of_generation(fixture->cache, generation) == box);
    g_assert_true(cache_sync(fixture->cache, 1, &sync));
    g_assert_cmpuint(sync.uidvalidity, ==, 4000000000u);
    g_assert_cmpuint(sync.uidnext, ==, 4294967295u);
    g_assert_cmpuint(sync.modseq, ==, G_MAXINT64);
    g_assert_cmpstr(sync.mailboxid, ==, "M-1");
    g_assert_true(sync.is_complete);
    g_assert_false(sync.is_proved);
}

/* Ten thousand flat ones, then none: nothing is quadratic. */
static void test_many(Fixture *fixture, gconstpointer data)
{
    enum {
        N = 10000
    };
    static const gboolean are_raw[2];
    g_autofree CacheBoxNews *news = g_new0(CacheBoxNews, N);
    g_autofree const char **names = g_new0(const char *, 2 * N);
    gint64 start = g_get_monotonic_time();
    guint32 last = 0;

    for (guint i = 0; i < N; i++) {
        names[2 * i] = g_strdup_printf("box %u", i);
        news[i] = (CacheBoxNews){names[2 * i], &names[2 * i], are_raw, 0};
    }
    cache_put_boxes(fixture->cache, news, N);
    fixture_reopen(fixture);
    cache_put_boxes(fixture->cache, news, N);
    g_assert_cmpuint(cache_box_n_children(fixture->cache, CACHE_ROOT), ==, N);
    for (const CacheBox *box; (box = cache_box_next_child(fixture->cache, CACHE_ROOT, last));) {
        g_assert_cmpuint(box->id, >, last);
        last = box->id;
    }
    cache_put_boxes(fixture->cache, news, 0);
    fixture_settle();
    g_assert_cmpint(g_get_monotonic_time() - start, <, 20 * G_USEC_PER_SEC);
    for (guint i = 0; i < N; i++)
        g_free((char *)names[2 * i]);
}

/* Who waits for something of a mailbox that goes is told to ask again. */
static void test_waiting_for_removed(Fixture *fixture, gconstpointer data)
{
    Waker waker = {0};
    CacheMessage message;
    guint64 want;
    guint32 box;

    fixture_put_boxes(fixture, "a", NULL);
    box = fixture_find_box(fixture, "a");
    g_assert_cmpint(cache_find_message(fixture->cache, box, 1, &message, &want, NULL), ==,
                    CACHE_WAIT);
    cache_wait(fixture->cache, want, waker_wake, &waker);
    fixture_put_boxes(fixture, NULL, NULL);
    fixture_settle();
    g_assert_cmpuint(waker.n, ==, 1);
    g_assert_no_error(waker.error);
    g_assert_cmpint(cache_find_message(fixture->cache, box, 1, &message, &want, NULL), ==,
                    CACHE_ABSENT);
}

/* --- numbers --- */

static guint32 new_number(Fixture *fixture)
{
    fixture_put_boxes(fixture, NULL, NULL);
    fixture_put_boxes(fixture, "new", NULL);
    return fixture_find_box(fixture, "new");
}

static void test_numbers(Fixture *fixture, gconstpointer data)
{
    g_autofree char *index = fixture_path(fixture, "index.sqlite");
    g_autofree char *numbers = fixture_path(fixture, "numbers");
    guint32 last = new_number(fixture), next;

    g_assert_cmpuint(last, ==, 1);
    cache_box_replace(fixture->cache, last, 1, NULL);
    g_assert_cmpuint(fixture_generation(fixture, last), ==, 2);
    g_assert_cmpuint(last = new_number(fixture), ==, 3);
    fixture_reopen(fixture);
    g_assert_cmpuint(last = new_number(fixture), ==, 4); /* a clean end wastes none */

    fixture_close(fixture);
    g_assert_cmpint(g_unlink(index), ==, 0);
    fixture_open(fixture);
    g_assert_cmpuint(next = new_number(fixture), >, last);
    last = next;

    fixture_close(fixture);
    g_assert_cmpint(g_unlink(numbers), ==, 0);
    fixture_open(fixture);
    g_assert_cmpuint(next = new_number(fixture), >, last);
    last = next;

    fixture_close(fixture);
    g_assert_true(g_file_set_contents(numbers, "0000000001 00000000\n", -1, NULL));
    fixture_open(fixture);
    g_assert_cmpuint(next = new_number(fixture), >, last);
}

/* A mailbox that can have no generation cannot be read: that is told, not asked for for ever. */
static void test_numbers_run_out(Fixture *fixture, gconstpointer data)
{
    const guint32 last = (1 << 24) - 1;
    g_autofree char *numbers = fixture_path(fixture, "numbers");
    g_autofree char *mark = g_strdup_printf(
        "%010u %08lx\n", last, crc32(0, (const Bytef *)(gconstpointer)&last, sizeof last));
    Waker waker = {0};
    CacheMessage message;
    guint64 want;

    fixture_close(fixture);
    g_assert_true(g_file_set_contents(numbers, mark, -1, NULL));
    fixture_open(fixture);
    g_assert_cmpuint(new_number(fixture), ==, last);
    g_assert_cmpint(cache_find_message(fixture->cache, last, 1, &message, &want, NULL), ==,
                    CACHE_WAIT);
    cache_wait(fixture->cache, want, waker_wake, &waker);
    cache_box_replace(fixture->cache, last, 7, NULL);
    fixture_settle();
    g_assert_error(waker.error, MAIL_ERROR, MAIL_ERROR_LOCAL);
    g_clear_error(&waker.error);
}

/* When all else is lost: what has blocks counts as given. */
static void test_numbers_from_blocks(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 1, 20000),
            generation = fixture_generation(fixture, box);
    g_autofree char *index = fixture_path(fixture, "index.sqlite");
    g_autofree char *numbers = fixture_path(fixture, "numbers");

    fixture_put_body(fixture, box, 1, 20000);
    fixture_close(fixture);
    g_assert_cmpint(g_unlink(index), ==, 0);
    g_assert_cmpint(g_unlink(numbers), ==, 0);
    fixture_open(fixture);
    fixture_reopen(fixture); /* the blocks are gone, but the number is not free */
    g_assert_cmpuint(new_number(fixture), >, generation);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    FIXTURE_TEST("/cache/boxes/root", test_root);
    FIXTURE_TEST("/cache/boxes/parents-are-made-up", test_parents_are_made_up);
    FIXTURE_TEST("/cache/boxes/removed-with-children", test_removed_with_children);
    FIXTURE_TEST("/cache/boxes/removed-together", test_removed_together);
    FIXTURE_TEST("/cache/boxes/demoted", test_demoted);
    FIXTURE_TEST("/cache/boxes/special-use-renames", test_special_use_renames);
    FIXTURE_TEST("/cache/boxes/time-of-change", test_time_of_change);
    FIXTURE_TEST("/cache/boxes/raw-twins", test_raw_twins);
    FIXTURE_TEST("/cache/boxes/kept", test_kept);
    FIXTURE_TEST("/cache/boxes/many", test_many);
    FIXTURE_TEST("/cache/boxes/waiting-for-removed", test_waiting_for_removed);
    FIXTURE_TEST("/cache/boxes/numbers", test_numbers);
    FIXTURE_TEST("/cache/boxes/numbers-run-out", test_numbers_run_out);
    FIXTURE_TEST("/cache/boxes/numbers-from-blocks", test_numbers_from_blocks);
    return g_test_run();
}

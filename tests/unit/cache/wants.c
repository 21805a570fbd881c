/* SPDX-License-Identifier: MIT */
/* tests/unit/cache/wants.c - what is wanted, who waits, and when they wake. */
#include "fixture.h"

static guint64 want_line(Fixture *fixture, guint32 uid)
{
    CacheMessage message;
    guint64 want = 0;

    g_assert_cmpint(cache_find_message(fixture->cache, fixture_find_box(fixture, "INBOX"), uid,
                                       &message, &want, NULL),
                    ==, CACHE_WAIT);
    return want;
}

static void expect_wants(Fixture *fixture, const char *expected)
{
    g_autofree char *wants = fixture_wants(fixture);

    g_assert_cmpstr(wants, ==, expected);
}

/* INBOX is compared, but its UIDs are not known. */
static void put_open_box(Fixture *fixture)
{
    guint32 box = fixture_put_inbox(fixture, 0, 0);

    cache_put_synced(fixture->cache, box, 1, 1, FALSE, g_get_monotonic_time());
}

static void count(gpointer n)
{
    ++*(guint *)n;
}

static const CacheBackend counting = {.wants_changed = count};

static void test_merged(Fixture *fixture, gconstpointer data)
{
    Waker first = {0}, second = {0};
    guint n_told = 0;
    guint64 want;

    put_open_box(fixture);
    cache_set_backend(fixture->cache, &counting, &n_told);
    want = want_line(fixture, 5);
    g_assert_cmpuint(want_line(fixture, 5), ==, want);
    g_assert_cmpuint(want_line(fixture, 6), !=, want);
    cache_wait(fixture->cache, want, waker_wake, &first);
    cache_wait(fixture->cache, want, waker_wake, &second);
    g_assert_cmpuint(n_told, ==, 0); /* not from inside a call */
    fixture_settle();
    g_assert_cmpuint(n_told, ==, 1); /* once for many */
    expect_wants(fixture, "line-5 line-6 ");
    g_assert_cmpuint(((CacheWant *)cache_wants(fixture->cache)->head->data)->n_waiting, ==, 2);
    cache_want_done(fixture->cache, want, NULL);
    g_assert_cmpuint(first.n, ==, 0);
    fixture_settle();
    g_assert_cmpuint(first.n, ==, 1);
    g_assert_cmpuint(second.n, ==, 1);
    g_assert_no_error(first.error);
    expect_wants(fixture, "line-6 ");
    cache_want_done(fixture->cache, want, NULL); /* an unknown one is nothing */
}

static void test_cancelled(Fixture *fixture, gconstpointer data)
{
    Waker first = {0}, second = {0}, late = {0};
    guint64 want, tickets[3];

    put_open_box(fixture);
    want = want_line(fixture, 5);
    tickets[0] = cache_wait(fixture->cache, want, waker_wake, &first);
    tickets[1] = cache_wait(fixture->cache, want, waker_wake, &second);
    cache_wait_cancel(fixture->cache, tickets[0]);
    cache_wait_cancel(fixture->cache, tickets[0]);
    expect_wants(fixture, "line-5 ");
    cache_wait_cancel(fixture->cache, tickets[1]);
    expect_wants(fixture, "");

    /* One that was taken goes on. */
    want = want_line(fixture, 5);
    tickets[0] = cache_wait(fixture->cache, want, waker_wake, &first);
    cache_want_take(fixture->cache, want);
    cache_wait_cancel(fixture->cache, tickets[0]);
    expect_wants(fixture, "");
    g_assert_cmpuint(want_line(fixture, 5), ==, want);
    cache_want_put_back(fixture->cache, want);
    expect_wants(fixture, "");

    /* Ready, but not woken yet. */
    want = want_line(fixture, 5);
    tickets[2] = cache_wait(fixture->cache, want, waker_wake, &late);
    cache_want_done(fixture->cache, want, NULL);
    cache_wait_cancel(fixture->cache, tickets[2]);
    fixture_settle();
    g_assert_cmpuint(first.n + second.n + late.n, ==, 0);
}

static void test_put_back(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) lost = g_error_new(MAIL_ERROR, MAIL_ERROR_OFFLINE, "lost");
    Waker waker = {0};
    guint n_told = 0;
    guint64 want;

    put_open_box(fixture);
    want = want_line(fixture, 5);
    cache_wait(fixture->cache, want, waker_wake, &waker);
    cache_want_take(fixture->cache, want);
    fixture_settle();
    cache_set_backend(fixture->cache, &counting, &n_told);
    (void)want_line(fixture, 6);
    cache_want_put_back(fixture->cache, want);
    fixture_settle();
    g_assert_cmpuint(n_told, ==, 1);
    expect_wants(fixture, "line-5 line-6 "); /* as old as before */
    g_assert_false(((CacheWant *)cache_wants(fixture->cache)->head->data)->is_taken);
    cache_want_take(fixture->cache, want);
    cache_wants_fail(fixture->cache, lost); /* taken: spared */
    fixture_settle();
    g_assert_cmpuint(waker.n, ==, 0);
    cache_want_put_back(fixture->cache, want);
    cache_wants_fail(fixture->cache, lost);
    fixture_settle();
    g_assert_error(waker.error, MAIL_ERROR, MAIL_ERROR_OFFLINE);
    g_clear_error(&waker.error);
}

static void test_deadline(Fixture *fixture, gconstpointer data)
{
    Waker waker = {0};
    gint64 start, waited;

    fixture->options.timeout_s = 1;
    fixture_reopen(fixture);
    put_open_box(fixture);
    start = g_get_monotonic_time();
    cache_wait(fixture->cache, want_line(fixture, 5), waker_wake, &waker);
    cache_want_take(fixture->cache, want_line(fixture, 5));
    want_line(fixture, 6); /* nobody waits */
    while (!waker.n)
        g_main_context_iteration(NULL, TRUE);
    waited = g_get_monotonic_time() - start;
    g_assert_error(waker.error, MAIL_ERROR, MAIL_ERROR_TIMEOUT);
    g_assert_cmpint(waited, >=, G_USEC_PER_SEC);
    g_assert_cmpint(waited, <, 2 * G_USEC_PER_SEC);
    expect_wants(fixture, "");
    g_clear_error(&waker.error);
}

/* What is being made ends when what it waits for does. */
static void test_no_deadline_of_what_is_made(Fixture *fixture, gconstpointer data)
{
    Waker slow = {0}, stuck = {0};
    guint32 box, generation;
    guint64 made, block;

    fixture->options.timeout_s = 1;
    fixture_reopen(fixture);
    box = fixture_put_inbox(fixture, 1, 100);
    generation = fixture_generation(fixture, box);
    g_assert_cmpint(cache_section_size(fixture->cache, generation, 1, "text", &block, &made, NULL),
                    ==, CACHE_WAIT);
    cache_wait(fixture->cache, made, waker_wake, &slow);
    cache_want_take(fixture->cache, made);
    g_assert_cmpint(fixture_read(fixture, box, 1, 0, 10, NULL, &block), ==, CACHE_WAIT);
    cache_wait(fixture->cache, block, waker_wake, &stuck);
    while (!stuck.n)
        g_main_context_iteration(NULL, TRUE);
    fixture_settle();
    g_assert_cmpuint(slow.n, ==, 0);
    cache_want_put_back(fixture->cache, made);
    while (!slow.n)
        g_main_context_iteration(NULL, TRUE);
    g_assert_error(slow.error, MAIL_ERROR, MAIL_ERROR_TIMEOUT);
    g_clear_error(&slow.error);
    g_clear_error(&stuck.error);
}

static CacheAnswer find(Fixture *fixture, guint32 box, guint32 uid, GError **error)
{
    CacheMessage message;
    guint64 want;

    return cache_find_message(fixture->cache, box, uid, &message, &want, error);
}

/* Who asks again at once for what did not come does not wait again; others do wait. */
static void test_in_vain(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    Waker waker = {0};
    guint32 box;

    fixture->options.timeout_s = 1;
    fixture_reopen(fixture);
    put_open_box(fixture);
    box = fixture_find_box(fixture, "INBOX");
    cache_wait(fixture->cache, want_line(fixture, 5), waker_wake, &waker);
    while (!waker.n)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpint(find(fixture, box, 5, &error), ==, CACHE_FAILED);
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_TIMEOUT);
    cache_want_done(fixture->cache, want_line(fixture, 6), NULL);
    /* The server answers after all. */
    g_assert_cmpint(find(fixture, box, 5, NULL), ==, CACHE_WAIT);
    g_clear_error(&waker.error);
}

/* One block did not come; another one of the message is on its way. */
static void test_in_vain_but_coming(Fixture *fixture, gconstpointer data)
{
    Waker waker = {0}, patient = {0};
    guint64 late, coming, again;
    guint32 box;
    gsize len;

    fixture->options.timeout_s = 1;
    fixture_reopen(fixture);
    box = fixture_put_inbox(fixture, 1, 10 * CACHE_BLOCK_SIZE);
    fixture_read(fixture, box, 1, 0, 10, &len, &late);
    fixture_read(fixture, box, 1, 5 * CACHE_BLOCK_SIZE, 10, &len, &coming);
    cache_wait(fixture->cache, late, waker_wake, &waker);
    cache_wait(fixture->cache, coming, waker_wake, &patient);
    while (!waker.n) {
        cache_want_renew(fixture->cache, coming);
        g_main_context_iteration(NULL, TRUE);
    }
    g_assert_cmpint(fixture_read(fixture, box, 1, 0, 10, &len, &again), ==, CACHE_FAILED);
    g_assert_cmpint(fixture_read(fixture, box, 1, 5 * CACHE_BLOCK_SIZE, 10, &len, &again), ==,
                    CACHE_WAIT);
    g_assert_cmpuint(again, ==, coming);
    g_assert_cmpuint(patient.n, ==, 0);
    g_clear_error(&waker.error);
}

/* An hour or two is no second. */
static void test_long_timeout(Fixture *fixture, gconstpointer data)
{
    const CacheWant *want;

    fixture->options.timeout_s = 7200;
    fixture_reopen(fixture);
    put_open_box(fixture);
    want_line(fixture, 5);
    want = cache_wants(fixture->cache)->head->data;
    g_assert_cmpint(want->deadline_us - g_get_monotonic_time(), >, 7000 * (gint64)G_USEC_PER_SEC);
}

static void test_offline(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    CacheMessage message;
    guint64 want;

    put_open_box(fixture);
    fixture_offline(fixture);
    g_assert_cmpint(cache_find_message(fixture->cache, fixture_find_box(fixture, "INBOX"), 5,
                                       &message, &want, &error),
                    ==, CACHE_FAILED);
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_OFFLINE);
    g_assert_cmpstr(error->message, ==, "the cable is cut");
    expect_wants(fixture, "");
}

/* Freshness is not waited for any longer; a list of UIDs that is not known is. */
static void test_going_offline(Fixture *fixture, gconstpointer data)
{
    Waker fresh = {0}, uids = {0};
    guint32 box;
    guint64 want;

    put_open_box(fixture);
    box = fixture_find_box(fixture, "INBOX");
    g_assert_cmpint(cache_box_is_fresh(fixture->cache, box, -1, &want, NULL), ==, CACHE_WAIT);
    cache_wait(fixture->cache, want, waker_wake, &uids);
    cache_put_synced(fixture->cache, box, 1, 1, TRUE, g_get_monotonic_time());
    g_assert_cmpint(cache_box_is_fresh(fixture->cache, box, -1, &want, NULL), ==, CACHE_WAIT);
    cache_wait(fixture->cache, want, waker_wake, &fresh);
    expect_wants(fixture, "uids sync ");
    cache_set_state(fixture->cache, CACHE_STALLED, NULL);
    fixture_settle();
    g_assert_cmpuint(fresh.n, ==, 1);
    g_assert_no_error(fresh.error);
    g_assert_cmpuint(uids.n, ==, 0);
    g_assert_cmpint(cache_box_is_fresh(fixture->cache, box, -1, &want, NULL), ==, CACHE_FOUND);
}

static void test_replaced(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 1, 100);
    Waker waker = {0};
    guint64 want;
    gsize len;

    g_assert_cmpint(fixture_read(fixture, box, 1, 0, 10, &len, &want), ==, CACHE_WAIT);
    cache_wait(fixture->cache, want, waker_wake, &waker);
    cache_box_replace(fixture->cache, box, 8, NULL);
    fixture_settle();
    g_assert_error(waker.error, MAIL_ERROR, MAIL_ERROR_GONE);
    g_clear_error(&waker.error);
}

typedef struct {
    Fixture *fixture;
    guint n_left;
    guint64 other; /* a ticket to be cancelled, or 0 */
} Again;

static void ask_again(const GError *error, gpointer data)
{
    Again *again = data;
    guint64 want;

    if (again->other)
        cache_wait_cancel(again->fixture->cache, again->other);
    if (again->n_left-- == 0)
        return;
    want = want_line(again->fixture, 5);
    cache_wait(again->fixture->cache, want, ask_again, again);
    cache_want_done(again->fixture->cache, want, NULL);
}

static void test_asks_again(Fixture *fixture, gconstpointer data)
{
    Again again = {fixture, 3, 0};
    guint64 want;

    put_open_box(fixture);
    want = want_line(fixture, 5);
    cache_wait(fixture->cache, want, ask_again, &again);
    cache_want_done(fixture->cache, want, NULL);
    fixture_settle();
    g_assert_cmpuint(again.n_left, ==, G_MAXUINT);
    expect_wants(fixture, "");
}

/* Who wakes first cancels the other, which is ready too. */
static void test_cancels_another(Fixture *fixture, gconstpointer data)
{
    Again again = {fixture, 0, 0};
    Waker waker = {0};
    guint64 want;

    put_open_box(fixture);
    want = want_line(fixture, 5);
    cache_wait(fixture->cache, want, ask_again, &again);
    again.other = cache_wait(fixture->cache, want, waker_wake, &waker);
    cache_want_done(fixture->cache, want, NULL);
    fixture_settle();
    g_assert_cmpuint(again.n_left, ==, G_MAXUINT);
    g_assert_cmpuint(waker.n, ==, 0);
}

/* Those that wait when it ends are not called. */
static void test_closed(Fixture *fixture, gconstpointer data)
{
    Waker waiting = {0}, ready = {0};
    guint64 want;

    put_open_box(fixture);
    cache_wait(fixture->cache, want_line(fixture, 5), waker_wake, &waiting);
    want = want_line(fixture, 6);
    cache_wait(fixture->cache, want, waker_wake, &ready);
    cache_want_done(fixture->cache, want, NULL);
    fixture_reopen(fixture);
    g_assert_cmpuint(waiting.n + ready.n, ==, 0);
}

/* Who asks for news gets a comparison that began after the question, however new another is. */
static void test_check(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 3, 10);
    gint64 since_us = g_get_monotonic_time();
    g_autoptr(GError) error = NULL;
    guint64 want;

    g_assert_cmpint(cache_box_check(fixture->cache, box, since_us, &want, NULL), ==, CACHE_WAIT);
    expect_wants(fixture, "sync ");
    g_assert_true(((CacheWant *)cache_wants(fixture->cache)->head->data)->is_urgent);
    cache_put_synced(fixture->cache, box, 4, 100, TRUE, since_us - 1);
    cache_want_done(fixture->cache, want, NULL);
    g_assert_cmpint(cache_box_check(fixture->cache, box, since_us, &want, NULL), ==, CACHE_WAIT);
    cache_put_synced(fixture->cache, box, 4, 100, TRUE, since_us);
    cache_want_done(fixture->cache, want, NULL);
    g_assert_cmpint(cache_box_check(fixture->cache, box, since_us, &want, NULL), ==, CACHE_FOUND);
    fixture_offline(fixture);
    g_assert_cmpint(cache_box_check(fixture->cache, box, since_us + 1, &want, &error), ==,
                    CACHE_FAILED);
    g_assert_cmpstr(error->message, ==, "the cable is cut");
    g_assert_cmpint(cache_box_check(fixture->cache, box + 1, since_us, &want, NULL), ==,
                    CACHE_ABSENT);
    g_assert_cmpint(cache_box_check(fixture->cache, CACHE_ROOT, since_us, &want, NULL), ==,
                    CACHE_FOUND);
}

/* A listing that is content with less does not stand in its way. */
static void test_check_is_a_want_of_its_own(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 3, 10);
    guint64 listing, check;

    g_assert_cmpint(cache_box_is_fresh(fixture->cache, box, -1, &listing, NULL), ==, CACHE_WAIT);
    g_assert_cmpint(cache_box_check(fixture->cache, box, g_get_monotonic_time(), &check, NULL), ==,
                    CACHE_WAIT);
    g_assert_cmpuint(check, !=, listing);
    expect_wants(fixture, "sync sync ");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    FIXTURE_TEST("/cache/wants/merged", test_merged);
    FIXTURE_TEST("/cache/wants/cancelled", test_cancelled);
    FIXTURE_TEST("/cache/wants/put-back", test_put_back);
    FIXTURE_TEST("/cache/wants/deadline", test_deadline);
    FIXTURE_TEST("/cache/wants/in-vain", test_in_vain);
    FIXTURE_TEST("/cache/wants/made", test_no_deadline_of_what_is_made);
    FIXTURE_TEST("/cache/wants/in-vain-but-coming", test_in_vain_but_coming);
    FIXTURE_TEST("/cache/wants/long-timeout", test_long_timeout);
    FIXTURE_TEST("/cache/wants/offline", test_offline);
    FIXTURE_TEST("/cache/wants/going-offline", test_going_offline);
    FIXTURE_TEST("/cache/wants/replaced", test_replaced);
    FIXTURE_TEST("/cache/wants/asks-again", test_asks_again);
    FIXTURE_TEST("/cache/wants/cancels-another", test_cancels_another);
    FIXTURE_TEST("/cache/wants/closed", test_closed);
    FIXTURE_TEST("/cache/wants/check", test_check);
    FIXTURE_TEST("/cache/wants/check-is-a-want-of-its-own", test_check_is_a_want_of_its_own);
    return g_test_run();
}

/* SPDX-License-Identifier: MIT */
/* tests/unit/pop/backend.c - an account: what it shows, and when its maildrop is visited. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "account.h"

static void expect_log(Account *account, const char *expected)
{
    g_autofree char *log = maildrop_take_log(account->drop);

    g_assert_cmpstr(log, ==, expected);
}

static void expect_subject(Account *account, guint32 uid, const char *expected)
{
    guint32 generation = fixture_generation(&account->fixture, account_inbox(account));
    g_autoptr(MailEnvelope) envelope = cache_dup_envelope(account->fixture.cache, generation, uid);

    g_assert_nonnull(envelope);
    g_assert_cmpstr(mail_envelope_get(envelope, MAIL_ENVELOPE_SUBJECT), ==, expected);
}

static void expect_offline(const Account *account, MailError code)
{
    const Cache *cache = account->fixture.cache;

    g_assert_cmpint(cache_state(cache), ==, CACHE_OFFLINE);
    g_assert_error(cache_state_error(cache), MAIL_ERROR, (int)code);
}

/* Of INBOX, in the spool; new. */
static char *path_of_only_file(const Account *account)
{
    g_autofree char *path =
        g_build_filename(cache_state_dir(account->fixture.cache), "spool", "new", NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name = g_dir_read_name(dir);

    g_assert_nonnull(name);
    return g_build_filename(path, name, NULL);
}

/* --- the start --- */

static void test_first_visit_lists(Account *account, gconstpointer data)
{
    account_start(account);
    g_assert_true(cache_is_spool(account->fixture.cache));
    account_list(account, account_inbox(account));
    account_expect_uids(account, account_inbox(account), "1:2");
    account_expect_uids(account, account_read_box(account), "");
    expect_subject(account, 2, "number 2");
    expect_log(account, "PASS UIDL LIST TOP:2:0 TOP:1:0 ");
}

/* Also what nobody asked for before the server went out of reach. */
static void test_lists_ahead(Account *account, gconstpointer data)
{
    CacheMessage message;
    guint32 generation;

    account_start(account);
    generation = fixture_generation(&account->fixture, account_inbox(account));
    client_await(cache_get_message(account->fixture.cache, generation, 1, &message));
    expect_subject(account, 1, "number 1");
}

static void test_rights(Account *account, gconstpointer data)
{
    CacheRights rights;

    account_start(account);
    cache_known_rights(account->fixture.cache, account_inbox(account), &rights);
    g_assert_true(rights.may_insert && rights.may_remove);
    g_assert_false(rights.may_create || rights.may_rename || rights.may_invent);
    g_assert_cmpuint(rights.permanent, ==,
                     MAIL_FLAG_DRAFT | MAIL_FLAG_FLAGGED | MAIL_FLAG_FORWARDED |
                         MAIL_FLAG_ANSWERED | MAIL_FLAG_SEEN | MAIL_FLAG_DELETED);
}

static void test_refused_at_start(Account *account, gconstpointer data)
{
    maildrop_refuse(account->drop, "-ERR [AUTH] who are you");
    account_begin(account);
    g_assert_error(account->start_error, MAIL_ERROR, MAIL_ERROR_AUTH);
}

static void test_out_of_reach_at_start(Account *account, gconstpointer data)
{
    g_clear_pointer(&account->drop, maildrop_free);
    account_begin(account);
    g_assert_error(account->start_error, MAIL_ERROR, MAIL_ERROR_OFFLINE);
}

/* What is here is served. */
static void test_busy_at_start(Account *account, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    account_start(account);
    account_read(account, account_inbox(account), 1);
    account_end(account);
    maildrop_refuse(account->drop, "-ERR [IN-USE] somebody else is in");
    account_start(account);
    expect_offline(account, MAIL_ERROR_BUSY);
    account_expect_uids(account, account_inbox(account), "1:2");
    account_read(account, account_inbox(account), 1);
    g_assert_false(account_try_read(account, account_inbox(account), 2, &error));
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_BUSY);
}

static void test_spool_in_use(Account *account, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PopSpool) other = NULL;

    other = pop_spool_open(cache_state_dir(account->fixture.cache), &error);
    g_assert_no_error(error);
    account_begin(account);
    g_assert_error(account->start_error, MAIL_ERROR, MAIL_ERROR_LOCAL);
}

/* --- reading --- */

static void test_retrieves_once(Account *account, gconstpointer data)
{
    account_start(account);
    account_read(account, account_inbox(account), 2);
    account_read(account, account_inbox(account), 2);
    account_expect_place(account, 2, POP_PLACE_INBOX);
    account_expect_place(account, 1, POP_PLACE_WAITING);
    g_assert_cmpuint(maildrop_count(account->drop, "RETR:2"), ==, 1);
}

/* As many as are wanted together are asked for in one visit. */
static void test_retrieves_many(Account *account, gconstpointer data)
{
    guint32 generation, inbox;
    Waker wakers[3] = {{0}};

    account_start(account);
    inbox = account_inbox(account);
    account_list(account, inbox);
    generation = fixture_generation(&account->fixture, inbox);
    for (guint32 uid = 1; uid <= 3; uid++) {
        g_autoptr(GPtrArray) slices = cache_slices_new();
        guint64 want;

        g_assert_cmpint(
            cache_read(account->fixture.cache, generation, uid, "", 0, 10, slices, &want, NULL), ==,
            CACHE_WAIT);
        cache_wait(account->fixture.cache, want, waker_wake, &wakers[uid - 1]);
    }
    client_await(wakers[0].n && wakers[1].n && wakers[2].n);
    for (guint32 uid = 1; uid <= 3; uid++)
        account_read(account, inbox, uid);
    g_assert_cmpuint(maildrop_count(account->drop, "PASS"), ==, 1);
}

/* What is read ahead is got by the visit that is there. */
static void test_read_ahead(Account *account, gconstpointer data)
{
    account_start(account);
    account_list(account, account_inbox(account));
    account_read(account, account_inbox(account), 8);
    account_read(account, account_inbox(account), 7);
    account_read(account, account_inbox(account), 6);
    client_await(pop_spool_get(account->backend->spool, 1)->place == POP_PLACE_INBOX);
    g_assert_cmpuint(maildrop_count(account->drop, "PASS"), ==, 1);
}

/* The server announces what cannot be. */
static void test_size_that_cannot_be(Account *account, gconstpointer data)
{
    CacheMessage message;
    guint32 generation;

    maildrop_announce(account->drop, G_MAXINT64);
    account_start(account);
    account_list(account, account_inbox(account));
    generation = fixture_generation(&account->fixture, account_inbox(account));
    g_assert_true(cache_get_message(account->fixture.cache, generation, 1, &message));
    g_assert_cmpuint(message.size, ==, CACHE_SIZE_MAX);
}

/* The server announced another size. */
static void test_true_size(Account *account, gconstpointer data)
{
    g_autofree char *text = account_mail(1);
    CacheMessage message;
    guint32 generation;

    maildrop_announce(account->drop, 5000);
    account_start(account);
    account_list(account, account_inbox(account));
    account_read(account, account_inbox(account), 1);
    generation = fixture_generation(&account->fixture, account_inbox(account));
    g_assert_true(cache_get_message(account->fixture.cache, generation, 1, &message));
    g_assert_cmpuint(message.size, ==, strlen(text));
    g_assert_true(message.is_size_proved);
}

/* The connection is lost, and there is another. */
static void test_connection_lost(Account *account, gconstpointer data)
{
    account_start(account);
    maildrop_cut_after(account->drop, 1);
    account_read(account, account_inbox(account), 1);
    account_read(account, account_inbox(account), 2);
    g_assert_cmpint(cache_state(account->fixture.cache), ==, CACHE_ONLINE);
    g_assert_cmpuint(maildrop_count(account->drop, "PASS"), ==, 2);
}

static void test_server_refuses(Account *account, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    account_start(account);
    maildrop_lose(account->drop, 2);
    g_assert_false(account_try_read(account, account_inbox(account), 2, &error));
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_SERVER);
    account_read(account, account_inbox(account), 1);
}

/* Who reads hears of it, and it is asked for again when he reads again. */
static void test_server_is_busy(Account *account, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    account_start(account);
    maildrop_refuse_messages(account->drop, "-ERR [SYS/TEMP] later");
    g_assert_false(account_try_read(account, account_inbox(account), 1, &error));
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_BUSY);
    g_assert_cmpuint(maildrop_count(account->drop, "RETR:1"), ==, 1);
    maildrop_refuse_messages(account->drop, NULL);
    account_read(account, account_inbox(account), 1);
    g_assert_cmpuint(maildrop_count(account->drop, "PASS"), ==, 1);
}

/* More than stay open. */
static void test_many_files(Account *account, gconstpointer data)
{
    account_start(account);
    for (guint round = 0; round < 2; round++)
        for (guint32 uid = 1; uid <= 12; uid++)
            account_read(account, account_inbox(account), uid);
}

/* Somebody has cut its file: it is listed, and who reads it hears of it. */
static void test_damaged_file(Account *account, gconstpointer data)
{
    g_autofree char *path = NULL;
    g_autoptr(GError) error = NULL;

    account_start(account);
    account_read(account, account_inbox(account), 1);
    path = path_of_only_file(account);
    account_end(account);
    g_assert_no_errno(truncate(path, 5));
    account_start(account);
    account_list(account, account_inbox(account));
    account_expect_uids(account, account_inbox(account), "1");
    g_assert_false(account_try_read(account, account_inbox(account), 1, &error));
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_LOCAL);
}

/* What was not retrieved is not there any more when the server does not have it. */
static void test_gone_from_server(Account *account, gconstpointer data)
{
    account_start(account);
    account_read(account, account_inbox(account), 1);
    maildrop_remove(account->drop, 2);
    maildrop_remove(account->drop, 1);
    g_assert_true(account_check(account, NULL));
    account_list(account, account_inbox(account));
    account_expect_uids(account, account_inbox(account), "1");
    account_read(account, account_inbox(account), 1);
}

/* That it is here already is found out before it is shown. */
static void test_new_uidl(Account *account, gconstpointer data)
{
    account_start(account);
    account_read(account, account_inbox(account), 1);
    maildrop_renumber(account->drop);
    g_assert_true(account_check(account, NULL));
    account_list(account, account_inbox(account));
    account_expect_uids(account, account_inbox(account), "1");
    account_read(account, account_inbox(account), 1);
}

/* --- dates --- */

#define RECEIVED 1767323045

static void add_dated(Account *account)
{
    maildrop_add(account->drop, "Received: by example.org; 2 Jan 2026 03:04:05 +0000\r\n"
                                "Date: 1 Jan 2026 00:00:00 +0000\r\n"
                                "\r\n"
                                "text\r\n");
}

static void expect_date(Account *account, gint64 expected)
{
    guint32 inbox = account_inbox(account);
    CacheMessage message;

    account_list(account, inbox);
    g_assert_true(cache_get_message(account->fixture.cache,
                                    fixture_generation(&account->fixture, inbox), 1, &message));
    g_assert_cmpint(message.date, ==, expected);
}

static void test_date_of_header(Account *account, gconstpointer data)
{
    add_dated(account);
    account_start(account);
    account_expect_place(account, 1, POP_PLACE_WAITING);
    expect_date(account, RECEIVED);
}

static void test_date_of_file(Account *account, gconstpointer data)
{
    static const char *const disabled[] = {"TOP", NULL};

    add_dated(account);
    account->options.disabled = disabled;
    account_start(account);
    account_expect_place(account, 1, POP_PLACE_INBOX);
    expect_date(account, RECEIVED);
}

/* What is in the message is no header. */
static void test_no_date(Account *account, gconstpointer data)
{
    static const char *const disabled[] = {"TOP", NULL};

    maildrop_add(account->drop, "Subject: none\r\n\r\nDate: 1 Jan 2026 00:00:00 +0000\r\n");
    account->options.disabled = disabled;
    account_start(account);
    expect_date(account, pop_spool_get(account->backend->spool, 1)->date);
}

/* --- when the server is asked --- */

static void test_poll(Account *account, gconstpointer data)
{
    g_autofree char *text = account_mail(2);

    account_start(account);
    maildrop_add(account->drop, text);
    account_list(account, account_inbox(account));
    account_expect_uids(account, account_inbox(account), "1");
    account->backend->options.poll_s = 0;
    account_list(account, account_inbox(account));
    account_expect_uids(account, account_inbox(account), "1:2");
    g_assert_cmpuint(maildrop_count(account->drop, "PASS"), ==, 2);
}

static void test_check(Account *account, gconstpointer data)
{
    g_autofree char *text = account_mail(2);
    g_autoptr(GError) error = NULL;

    account_start(account);
    maildrop_add(account->drop, text);
    g_assert_true(account_check(account, &error));
    g_assert_no_error(error);
    account_expect_uids(account, account_inbox(account), "1:2");
    g_assert_cmpuint(maildrop_count(account->drop, "PASS"), ==, 2);
}

static guint64 begin_to_read(Account *account, guint32 uid)
{
    guint32 generation = fixture_generation(&account->fixture, account_inbox(account));
    g_autoptr(GPtrArray) slices = cache_slices_new();
    guint64 want = 0;

    g_assert_cmpint(
        cache_read(account->fixture.cache, generation, uid, "", 0, 10, slices, &want, NULL), ==,
        CACHE_WAIT);
    return want;
}

/* Nobody who lists waits for what somebody reads; but what he asked for is seen as soon as it can
 * be. */
static void test_long_visit(Account *account, gconstpointer data)
{
    g_autofree char *text = account_mail(2);
    Waker waker = {0};

    account_start(account);
    account_list(account, account_inbox(account));
    maildrop_hold(account->drop, "RETR");
    cache_wait(account->fixture.cache, begin_to_read(account, 1), waker_wake, &waker);
    client_await(maildrop_count(account->drop, "RETR:1"));
    maildrop_add(account->drop, text);
    account->backend->options.poll_s = 0;
    account_list(account, account_inbox(account));
    account->backend->options.poll_s = 300;
    g_assert_true(account_check(account, NULL));
    g_assert_cmpuint(waker.n, ==, 0);
    maildrop_hold(account->drop, NULL);
    client_await(waker.n);
    g_assert_no_error(waker.error);
    account_await_end_of_visit(account);
    account_list(account, account_inbox(account));
    account_expect_uids(account, account_inbox(account), "1:2");
}

/* It is told, and what is here is listed all the same. */
static void test_check_fails(Account *account, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    account_start(account);
    maildrop_refuse(account->drop, "-ERR [SYS/TEMP] tomorrow");
    g_assert_false(account_check(account, &error));
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_BUSY);
    expect_offline(account, MAIL_ERROR_BUSY);
    account_list(account, account_inbox(account));
    account_expect_uids(account, account_inbox(account), "1");
}

static void test_stale_listing_fails(Account *account, gconstpointer data)
{
    account_start(account);
    maildrop_refuse(account->drop, "-ERR [AUTH] no");
    account->backend->options.poll_s = 0;
    account_list(account, account_inbox(account));
    account_expect_uids(account, account_inbox(account), "1");
    expect_offline(account, MAIL_ERROR_AUTH);
    g_assert_true(account->backend->is_refused);
}

/* Who asks waits until the server lets us in again. */
static void test_short_login_delay(Account *account, gconstpointer data)
{
    gint64 began_us;

    maildrop_tell(account->drop, "LOGIN-DELAY 1");
    began_us = g_get_monotonic_time();
    account_start(account);
    account->backend->options.poll_s = 0;
    account_list(account, account_inbox(account));
    g_assert_cmpuint(maildrop_count(account->drop, "PASS"), ==, 1);
    g_assert_true(account_check(account, NULL));
    g_assert_cmpuint(maildrop_count(account->drop, "PASS"), ==, 2);
    g_assert_cmpint(g_get_monotonic_time() - began_us, >=, G_USEC_PER_SEC);
}

/* It is the logins that lie so far apart. */
static void test_login_delay_of_slow_login(Account *account, gconstpointer data)
{
    gint64 logged_in_us;

    maildrop_tell(account->drop, "LOGIN-DELAY 1");
    maildrop_hold(account->drop, "PASS");
    account->backend = pop_backend_new(account->fixture.cache, &account->options);
    client_await(maildrop_count(account->drop, "PASS"));
    client_run_ms(500);
    logged_in_us = g_get_monotonic_time();
    maildrop_hold(account->drop, NULL);
    client_await(account->has_started);
    g_assert_true(account_check(account, NULL));
    g_assert_cmpuint(maildrop_count(account->drop, "PASS"), ==, 2);
    g_assert_cmpint(g_get_monotonic_time() - logged_in_us, >=, G_USEC_PER_SEC);
}

/* Also one whose visit has failed. */
static void test_login_delay_after_failure(Account *account, gconstpointer data)
{
    gint64 began_us;

    maildrop_tell(account->drop, "LOGIN-DELAY 3");
    began_us = g_get_monotonic_time();
    account_start(account);
    account->backend->patience.n_at_once = G_MAXUINT / 2;
    maildrop_cut_after(account->drop, 1);
    account_read(account, account_inbox(account), 1);
    g_assert_false(account_try_read(account, account_inbox(account), 2, NULL));
    expect_offline(account, MAIL_ERROR_OFFLINE);
    client_await(maildrop_count(account->drop, "PASS") == 2);
    g_assert_cmpint(g_get_monotonic_time() - began_us, >=, 3 * G_USEC_PER_SEC);
}

/* Who asks is a reason to try again, before its time. */
static void test_asked_while_offline(Account *account, gconstpointer data)
{
    account_start(account);
    account->backend->patience = (NetPatience){.n_at_once = G_MAXUINT / 2, .retry_ms = 30000};
    maildrop_cut_after(account->drop, 1);
    account_read(account, account_inbox(account), 1);
    g_assert_false(account_try_read(account, account_inbox(account), 2, NULL));
    expect_offline(account, MAIL_ERROR_OFFLINE);
    client_await(account_try_read(account, account_inbox(account), 2, NULL));
}

/* A look that could not be had is made up for as soon as it can. */
static void test_check_is_remembered(Account *account, gconstpointer data)
{
    g_autofree char *text = account_mail(2);

    maildrop_tell(account->drop, "LOGIN-DELAY 1");
    account->options.timeout_s = 1;
    account_start(account);
    maildrop_add(account->drop, text);
    g_assert_false(account_check(account, NULL));
    client_await(cache_state(account->fixture.cache) == CACHE_ONLINE);
    account_list(account, account_inbox(account));
    account_expect_uids(account, account_inbox(account), "1:2");
}

/* But not for ever. */
static void test_long_login_delay(Account *account, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    maildrop_tell(account->drop, "LOGIN-DELAY 900");
    account_start(account);
    g_assert_false(account_check(account, &error));
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_BUSY);
    g_assert_cmpuint(maildrop_count(account->drop, "PASS"), ==, 1);
}

static void read_down(Account *account, guint32 from, guint32 to)
{
    for (guint32 uid = from; uid >= to; uid--)
        account_read(account, account_inbox(account), uid);
}

/* And then the server is left alone, also by what is only read ahead. */
static void test_lingers(Account *account, gconstpointer data)
{
    gint64 began_us;

    account_start(account);
    account_list(account, account_inbox(account));
    read_down(account, 40, 38);
    began_us = g_get_monotonic_time();
    account_await_end_of_visit(account);
    g_assert_cmpint(g_get_monotonic_time() - began_us, >, 3 * G_USEC_PER_SEC);
    g_assert_cmpuint(maildrop_count(account->drop, "QUIT"), ==, 1);
    g_assert_cmpint(cache_state(account->fixture.cache), ==, CACHE_ONLINE);
    read_down(account, 37, 32);
    fixture_settle();
    g_assert_cmpuint(cache_wants(account->fixture.cache)->length, >, 0);
    g_assert_null(account->backend->visit);
}

/* --- other programs --- */

static void test_others_move(Account *account, gconstpointer data)
{
    g_autofree char *from = NULL, *name = NULL, *to = NULL;

    account_start(account);
    account_read(account, account_inbox(account), 1);
    from = path_of_only_file(account);
    name = g_path_get_basename(from);
    to =
        g_strdup_printf("%s/spool/.Read/cur/%s:2,F", cache_state_dir(account->fixture.cache), name);
    g_assert_no_errno(rename(from, to));
    account_list(account, account_inbox(account));
    account_list(account, account_read_box(account));
    account_expect_uids(account, account_inbox(account), "");
    account_expect_uids(account, account_read_box(account), "1");
    account_read(account, account_read_box(account), 1);
}

/* --- the log --- */

static GLogWriterOutput count_stops(GLogLevelFlags level, const GLogField *fields, gsize n_fields,
                                    gpointer n_stops)
{
    for (gsize i = 0; i < n_fields; i++)
        if (g_str_equal(fields[i].key, "MESSAGE") &&
            g_str_has_prefix(fields[i].value, "nothing is deleted at the server any more: "))
            ++*(guint *)n_stops;
    return G_LOG_WRITER_HANDLED;
}

/* Once, though it stays so. */
static void test_tells_of_stop(Account *account, gconstpointer data)
{
    static guint n_stops;
    g_autofree char *text = account_mail(2);

    g_log_set_writer_func(count_stops, &n_stops, NULL);
    account_start(account);
    account_read(account, account_inbox(account), 1);
    maildrop_remove(account->drop, 1);
    g_assert_true(account_check(account, NULL));
    maildrop_repeat(account->drop, 1);
    maildrop_add(account->drop, text);
    g_assert_true(account_check(account, NULL));
    g_assert_cmpuint(n_stops, ==, 0);
    g_assert_true(account_check(account, NULL));
    g_assert_true(account_check(account, NULL));
    g_assert_cmpuint(n_stops, ==, 1);
    account_list(account, account_inbox(account));
    account_expect_uids(account, account_inbox(account), "1:2");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ACCOUNT_TEST("/backend/first-visit-lists", 2, test_first_visit_lists);
    ACCOUNT_TEST("/backend/lists-ahead", 2, test_lists_ahead);
    ACCOUNT_TEST("/backend/rights", 0, test_rights);
    ACCOUNT_TEST("/backend/refused-at-start", 0, test_refused_at_start);
    ACCOUNT_TEST("/backend/out-of-reach-at-start", 0, test_out_of_reach_at_start);
    ACCOUNT_TEST("/backend/busy-at-start", 2, test_busy_at_start);
    ACCOUNT_TEST("/backend/spool-in-use", 0, test_spool_in_use);
    ACCOUNT_TEST("/backend/retrieves-once", 2, test_retrieves_once);
    ACCOUNT_TEST("/backend/retrieves-many", 3, test_retrieves_many);
    ACCOUNT_TEST("/backend/read-ahead", 8, test_read_ahead);
    ACCOUNT_TEST("/backend/size-that-cannot-be", 1, test_size_that_cannot_be);
    ACCOUNT_TEST("/backend/true-size", 1, test_true_size);
    ACCOUNT_TEST("/backend/connection-lost", 2, test_connection_lost);
    ACCOUNT_TEST("/backend/many-files", 12, test_many_files);
    ACCOUNT_TEST("/backend/damaged-file", 1, test_damaged_file);
    ACCOUNT_TEST("/backend/server-refuses", 2, test_server_refuses);
    ACCOUNT_TEST("/backend/server-is-busy", 1, test_server_is_busy);
    ACCOUNT_TEST("/backend/gone-from-server", 2, test_gone_from_server);
    ACCOUNT_TEST("/backend/new-uidl", 1, test_new_uidl);
    ACCOUNT_TEST("/backend/date-of-header", 0, test_date_of_header);
    ACCOUNT_TEST("/backend/date-of-file", 0, test_date_of_file);
    ACCOUNT_TEST("/backend/no-date", 0, test_no_date);
    ACCOUNT_TEST("/backend/poll", 1, test_poll);
    ACCOUNT_TEST("/backend/check", 1, test_check);
    ACCOUNT_TEST("/backend/long-visit", 1, test_long_visit);
    ACCOUNT_TEST("/backend/check-fails", 1, test_check_fails);
    ACCOUNT_TEST("/backend/stale-listing-fails", 1, test_stale_listing_fails);
    ACCOUNT_TEST("/backend/short-login-delay", 1, test_short_login_delay);
    ACCOUNT_TEST("/backend/login-delay-of-slow-login", 1, test_login_delay_of_slow_login);
    ACCOUNT_TEST("/backend/login-delay-after-failure", 2, test_login_delay_after_failure);
    ACCOUNT_TEST("/backend/asked-while-offline", 2, test_asked_while_offline);
    ACCOUNT_TEST("/backend/check-is-remembered", 1, test_check_is_remembered);
    ACCOUNT_TEST("/backend/long-login-delay", 1, test_long_login_delay);
    ACCOUNT_TEST("/backend/lingers", 40, test_lingers);
    ACCOUNT_TEST("/backend/others-move", 1, test_others_move);
    ACCOUNT_TEST("/backend/tells-of-stop", 1, test_tells_of_stop);
    return g_test_run();
}

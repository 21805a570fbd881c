/* SPDX-License-Identifier: MIT */
/* tests/unit/pop/account.c - an account at a maildrop, with its cache. */
#include "account.h"

#include <string.h>

#include "mime/mime.h"

/* --- life --- */

char *account_mail(guint nth)
{
    return g_strdup_printf("From: Bob <bob@example.org>\r\n"
                           "Subject: number %u\r\n"
                           "\r\n"
                           "%0*u\r\n",
                           nth, (int)nth, nth);
}

static void open_drop(Account *account, guint n)
{
    g_autofree char *url = NULL;

    account->drop = maildrop_new();
    for (guint nth = 1; nth <= n; nth++) {
        g_autofree char *text = account_mail(nth);

        maildrop_add(account->drop, text);
    }
    url = g_strdup_printf("pop3+insecure://alice@localhost:%u", maildrop_port(account->drop));
    account->at_drop = mail_account_parse(url, NULL);
}

static void on_started(const GError *error, gpointer data)
{
    Account *account = data;

    g_assert_false(account->has_started);
    account->has_started = TRUE;
    account->start_error = error ? g_error_copy(error) : NULL;
}

void account_set_up(Account *account, gconstpointer data)
{
    mime_init();
    fixture_set_up(&account->fixture, NULL);
    open_drop(account, GPOINTER_TO_UINT(data));
    account->options = (PopOptions){
        .account = account->at_drop,
        .secret = net_secret_new("secret", 6, "test", NULL),
        .timeout_s = 60,
        .poll_s = 300,
        .keep_days = POP_KEEP_FOREVER,
        .started = on_started,
        .data = account,
    };
}

static void end_backend(Account *account)
{
    g_clear_pointer(&account->backend, pop_backend_free);
    g_clear_error(&account->start_error);
    account->has_started = FALSE;
}

void account_tear_down(Account *account, gconstpointer data)
{
    end_backend(account);
    fixture_tear_down(&account->fixture, NULL);
    maildrop_free(account->drop);
    net_secret_unref(account->options.secret);
    mail_account_free(account->at_drop);
}

void account_begin(Account *account)
{
    account->backend = pop_backend_new(account->fixture.cache, &account->options);
    client_await(account->has_started);
}

void account_start(Account *account)
{
    account_begin(account);
    g_assert_no_error(account->start_error);
}

void account_end(Account *account)
{
    end_backend(account);
    fixture_reopen(&account->fixture);
}

void account_await_end_of_visit(Account *account)
{
    client_await(!account->backend->visit);
}

/* --- what is there --- */

guint32 account_inbox(const Account *account)
{
    return fixture_find_box(&account->fixture, "INBOX");
}

guint32 account_read_box(const Account *account)
{
    return fixture_find_box(&account->fixture, "Read");
}

static gboolean wait_for(Account *account, guint64 want, GError **error)
{
    Waker waker = {0};

    cache_wait(account->fixture.cache, want, waker_wake, &waker);
    client_await(waker.n);
    if (!waker.error)
        return TRUE;
    g_propagate_error(error, waker.error);
    return FALSE;
}

static void list_lines(Account *account, guint32 box)
{
    g_autoptr(GError) error = NULL;
    CacheMessage message = {0};
    MailEnvelope *envelope;
    CacheAnswer answer;
    guint64 want;

    do {
        answer = cache_next_message(account->fixture.cache, box, message.uid, &message, &envelope,
                                    &want, &error);
        g_assert_no_error(error);
        if (answer == CACHE_WAIT)
            g_assert_true(wait_for(account, want, &error));
        else if (answer == CACHE_FOUND)
            mail_envelope_unref(envelope);
    } while (answer != CACHE_ABSENT);
}

void account_list(Account *account, guint32 box)
{
    g_autoptr(GError) error = NULL;
    guint64 want;
    CacheAnswer answer = cache_box_is_fresh(account->fixture.cache, box, 0, &want, &error);

    g_assert_no_error(error);
    if (answer == CACHE_WAIT)
        g_assert_true(wait_for(account, want, &error));
    list_lines(account, box);
}

gboolean account_check(Account *account, GError **error)
{
    gint64 since_us = g_get_monotonic_time();
    CacheAnswer answer;
    guint64 want;

    do
        answer =
            cache_box_check(account->fixture.cache, account_inbox(account), since_us, &want, error);
    while (answer == CACHE_WAIT && wait_for(account, want, NULL));
    return answer == CACHE_FOUND;
}

void account_expect_uids(Account *account, guint32 box, const char *expected)
{
    g_autofree char *uids = fixture_uids(&account->fixture, box);

    g_assert_cmpstr(uids, ==, expected);
}

static gboolean find(Account *account, guint32 box, guint32 uid, GError **error)
{
    CacheMessage message;
    CacheAnswer answer;
    guint64 want;

    do
        answer = cache_find_message(account->fixture.cache, box, uid, &message, &want, error);
    while (answer == CACHE_WAIT && wait_for(account, want, error));
    return answer == CACHE_FOUND;
}

/* FALSE without an error: it is not there. */
static gboolean read_bytes(Account *account, guint32 box, guint32 uid, GPtrArray *slices,
                           GError **error)
{
    guint32 generation = fixture_generation(&account->fixture, box);
    CacheAnswer answer;
    guint64 want;

    do
        answer =
            cache_read(account->fixture.cache, generation, uid, "", 0, 65536, slices, &want, error);
    while (answer == CACHE_WAIT && wait_for(account, want, error));
    return answer == CACHE_FOUND;
}

gboolean account_try_read(Account *account, guint32 box, guint32 uid, GError **error)
{
    g_autofree char *expected = account_mail(uid);
    g_autoptr(GPtrArray) slices = cache_slices_new();
    g_autoptr(GBytes) bytes = NULL;

    if (!find(account, box, uid, error) || !read_bytes(account, box, uid, slices, error))
        return FALSE;
    bytes = fixture_join(slices);
    g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), expected,
                    strlen(expected));
    return TRUE;
}

void account_read(Account *account, guint32 box, guint32 uid)
{
    g_autoptr(GError) error = NULL;
    gboolean is_read = account_try_read(account, box, uid, &error);

    g_assert_no_error(error);
    g_assert_true(is_read);
}

void account_expect_place(const Account *account, guint32 uid, PopPlace place)
{
    const PopMessage *message = pop_spool_get(account->backend->spool, uid);

    g_assert_nonnull(message);
    g_assert_cmpint(message->place, ==, place);
}

/* --- changes --- */

guint32 account_move(Account *account, guint32 from, guint32 uid, guint32 to)
{
    g_autoptr(GError) error = NULL;
    guint32 id;
    guint64 want;
    CacheAnswer answer =
        cache_change_move(account->fixture.cache, fixture_generation(&account->fixture, from), uid,
                          to, "name", &id, &want, &error);

    g_assert_no_error(error);
    g_assert_cmpint(answer, ==, CACHE_FOUND);
    return id;
}

guint32 account_expunge(Account *account, guint32 box, guint32 uid)
{
    g_autoptr(GError) error = NULL;
    guint32 id;
    guint64 want;
    CacheAnswer answer =
        cache_change_expunge(account->fixture.cache, fixture_generation(&account->fixture, box),
                             uid, &id, &want, &error);

    g_assert_no_error(error);
    g_assert_cmpint(answer, ==, CACHE_FOUND);
    return id;
}

guint32 account_mark(Account *account, guint32 box, guint32 uid, MailFlags add, MailFlags remove)
{
    g_autoptr(GError) error = NULL;
    guint32 id;
    guint64 want;
    CacheAnswer answer =
        cache_change_flags(account->fixture.cache, fixture_generation(&account->fixture, box), uid,
                           add, remove, &id, &want, &error);

    g_assert_no_error(error);
    g_assert_cmpint(answer, ==, CACHE_FOUND);
    return id;
}

GError *account_settle(Account *account, guint32 change)
{
    GError *error = NULL;
    guint64 want;
    CacheAnswer answer;

    do
        answer = cache_change_settled(account->fixture.cache, change, &want, &error);
    while (answer == CACHE_WAIT && wait_for(account, want, &error));
    return error;
}

void account_settle_well(Account *account, guint32 change)
{
    g_autoptr(GError) error = account_settle(account, change);

    g_assert_no_error(error);
}

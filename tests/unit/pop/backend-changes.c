/* SPDX-License-Identifier: MIT */
/* tests/unit/pop/backend-changes.c - what users do to messages: it is done in the spool, and at the
 * server by policy. */
#include "account.h"

static void start_and_read(Account *account, guint n)
{
    account_start(account);
    account_list(account, account_inbox(account));
    for (guint32 uid = 1; uid <= n; uid++)
        account_read(account, account_inbox(account), uid);
}

static void test_flags(Account *account, gconstpointer data)
{
    guint32 change;

    start_and_read(account, 1);
    change =
        account_mark(account, account_inbox(account), 1, MAIL_FLAG_FLAGGED | MAIL_FLAG_SEEN, 0);
    account_settle_well(account, change);
    g_assert_cmpuint(pop_spool_get(account->backend->spool, 1)->flags, ==,
                     MAIL_FLAG_FLAGGED | MAIL_FLAG_SEEN);
    change = account_mark(account, account_inbox(account), 1, MAIL_FLAG_ANSWERED, MAIL_FLAG_SEEN);
    account_settle_well(account, change);
    g_assert_cmpuint(pop_spool_get(account->backend->spool, 1)->flags, ==,
                     MAIL_FLAG_FLAGGED | MAIL_FLAG_ANSWERED);
}

/* There and back, by the same number. */
static void test_move(Account *account, gconstpointer data)
{
    guint32 inbox, read;

    start_and_read(account, 1);
    inbox = account_inbox(account);
    read = account_read_box(account);
    account_settle_well(account, account_move(account, inbox, 1, read));
    account_expect_place(account, 1, POP_PLACE_READ);
    account_list(account, inbox);
    account_expect_uids(account, inbox, "");
    account_expect_uids(account, read, "1");
    account_read(account, read, 1);
    account_settle_well(account, account_move(account, read, 1, inbox));
    account_list(account, inbox);
    account_expect_place(account, 1, POP_PLACE_INBOX);
    account_expect_uids(account, inbox, "1");
    account_expect_uids(account, read, "");
    account_read(account, inbox, 1);
}

/* Both are made, one after the other. */
static void test_two_changes_of_one(Account *account, gconstpointer data)
{
    guint32 marked, moved;

    start_and_read(account, 1);
    marked = account_mark(account, account_inbox(account), 1, MAIL_FLAG_FLAGGED, 0);
    moved = account_move(account, account_inbox(account), 1, account_read_box(account));
    account_settle_well(account, moved);
    account_settle_well(account, marked);
    account_expect_place(account, 1, POP_PLACE_READ);
    g_assert_cmpuint(pop_spool_get(account->backend->spool, 1)->flags, ==, MAIL_FLAG_FLAGGED);
}

/* The first was at work when we died. */
static void test_flags_twice(Account *account, gconstpointer data)
{
    guint32 inbox, first, second;

    start_and_read(account, 1);
    inbox = account_inbox(account);
    g_clear_pointer(&account->backend, pop_backend_free);
    first = account_mark(account, inbox, 1, MAIL_FLAG_FLAGGED, 0);
    cache_change_take(account->fixture.cache, first);
    second = account_mark(account, inbox, 1, MAIL_FLAG_ANSWERED, 0);
    g_assert_cmpuint(second, !=, first);
    account_end(account);
    account_start(account);
    account_settle_well(account, first);
    account_settle_well(account, second);
    g_assert_cmpuint(pop_spool_get(account->backend->spool, 1)->flags, ==,
                     MAIL_FLAG_FLAGGED | MAIL_FLAG_ANSWERED);
}

static void test_expunge(Account *account, gconstpointer data)
{
    start_and_read(account, 1);
    account_settle_well(account, account_expunge(account, account_inbox(account), 1));
    account_expect_place(account, 1, POP_PLACE_TRASH);
    account_list(account, account_inbox(account));
    account_expect_uids(account, account_inbox(account), "2");
}

/* Nothing is lost that was never here. */
static void test_expunge_unread(Account *account, gconstpointer data)
{
    start_and_read(account, 0);
    account_settle_well(account, account_expunge(account, account_inbox(account), 2));
    account_expect_place(account, 2, POP_PLACE_TRASH);
    g_assert_cmpuint(maildrop_count(account->drop, "RETR:2"), ==, 1);
}

/* What cannot be retrieved stays where it was. */
static void test_server_refuses(Account *account, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    guint32 change;

    start_and_read(account, 0);
    maildrop_lose(account->drop, 1);
    change = account_expunge(account, account_inbox(account), 1);
    error = account_settle(account, change);
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_SERVER);
    account_expect_place(account, 1, POP_PLACE_WAITING);
}

/* It is not asked for again by a visit that it was refused to, nor is one begun for it; the next
 * one will do. */
static void test_server_is_busy(Account *account, gconstpointer data)
{
    guint32 change;

    start_and_read(account, 0);
    maildrop_refuse_messages(account->drop, "-ERR [SYS/TEMP] later");
    change = account_expunge(account, account_inbox(account), 1);
    account_await_end_of_visit(account);
    fixture_settle();
    g_assert_null(account->backend->visit);
    g_assert_cmpuint(maildrop_count(account->drop, "RETR:1"), ==, 1);
    maildrop_refuse_messages(account->drop, NULL);
    g_assert_true(account_check(account, NULL));
    account_settle_well(account, change);
    account_expect_place(account, 1, POP_PLACE_TRASH);
}

/* All changes of what is not here yet are made when it is, in their order. */
static void test_two_changes_of_one_unread(Account *account, gconstpointer data)
{
    guint32 marked, moved;

    start_and_read(account, 0);
    marked = account_mark(account, account_inbox(account), 1, MAIL_FLAG_FLAGGED, 0);
    moved = account_move(account, account_inbox(account), 1, account_read_box(account));
    account_settle_well(account, moved);
    account_settle_well(account, marked);
    account_expect_place(account, 1, POP_PLACE_READ);
    g_assert_cmpuint(pop_spool_get(account->backend->spool, 1)->flags, ==, MAIL_FLAG_FLAGGED);
    g_assert_cmpuint(maildrop_count(account->drop, "RETR:1"), ==, 1);
}

/* The visit that was to retrieve it is lost: there is another. */
static void test_connection_lost(Account *account, gconstpointer data)
{
    guint32 first, second;

    start_and_read(account, 0);
    maildrop_cut_after(account->drop, 1);
    first = account_expunge(account, account_inbox(account), 1);
    second = account_expunge(account, account_inbox(account), 2);
    account_settle_well(account, first);
    account_settle_well(account, second);
    account_expect_place(account, 1, POP_PLACE_TRASH);
    account_expect_place(account, 2, POP_PLACE_TRASH);
}

/* Nobody can retrieve it: it is gone as it should be. */
static void test_expunge_gone(Account *account, gconstpointer data)
{
    start_and_read(account, 0);
    account_await_end_of_visit(account);
    maildrop_remove(account->drop, 1);
    account_settle_well(account, account_expunge(account, account_inbox(account), 1));
    account_list(account, account_inbox(account));
    account_expect_uids(account, account_inbox(account), "2");
}

/* What was read is gone from there at the end of the visit, and what was not stays. */
static void test_keep_none(Account *account, gconstpointer data)
{
    account->options.keep_days = 0;
    start_and_read(account, 2);
    account_settle_well(
        account, account_move(account, account_inbox(account), 1, account_read_box(account)));
    account_await_end_of_visit(account);
    g_assert_cmpuint(maildrop_count(account->drop, "DELE:1"), ==, 1);
    g_assert_cmpuint(maildrop_count(account->drop, "DELE:2"), ==, 0);
    g_assert_cmpuint(maildrop_n(account->drop), ==, 1);
}

/* With "ro" what an earlier run has left is neither made nor forgotten, and nothing is deleted. */
static void test_read_only(Account *account, gconstpointer data)
{
    guint32 inbox, read, change;

    start_and_read(account, 2);
    inbox = account_inbox(account);
    read = account_read_box(account);
    account_settle_well(account, account_move(account, inbox, 2, read));
    g_clear_pointer(&account->backend, pop_backend_free);
    change = account_move(account, inbox, 1, read);
    account_end(account);
    account->options.keep_days = 0;
    account->options.is_read_only = TRUE;
    account_start(account);
    g_assert_true(account_check(account, NULL));
    account_expect_place(account, 1, POP_PLACE_INBOX);
    g_assert_nonnull(cache_change(account->fixture.cache, change));
    g_assert_cmpuint(maildrop_n(account->drop), ==, 2);
    account_end(account);
    account->options.is_read_only = FALSE;
    account_start(account);
    account_settle_well(account, change);
    account_expect_place(account, 1, POP_PLACE_READ);
    g_assert_true(account_check(account, NULL));
    g_assert_cmpuint(maildrop_n(account->drop), ==, 0);
}

/* It was done, and the journal does not know. */
static void test_made_again(Account *account, gconstpointer data)
{
    guint32 inbox, read, change;

    start_and_read(account, 1);
    inbox = account_inbox(account);
    read = account_read_box(account);
    pop_spool_move(account->backend->spool, 1, POP_PLACE_READ, NULL, NULL);
    change = account_move(account, inbox, 1, read);
    account_settle_well(account, change);
    account_expect_place(account, 1, POP_PLACE_READ);
    account_list(account, read);
    account_expect_uids(account, read, "1");
    account_expect_uids(account, inbox, "");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ACCOUNT_TEST("/backend-changes/flags", 1, test_flags);
    ACCOUNT_TEST("/backend-changes/move", 1, test_move);
    ACCOUNT_TEST("/backend-changes/two-changes-of-one", 1, test_two_changes_of_one);
    ACCOUNT_TEST("/backend-changes/flags-twice", 1, test_flags_twice);
    ACCOUNT_TEST("/backend-changes/expunge", 2, test_expunge);
    ACCOUNT_TEST("/backend-changes/expunge-unread", 2, test_expunge_unread);
    ACCOUNT_TEST("/backend-changes/server-refuses", 1, test_server_refuses);
    ACCOUNT_TEST("/backend-changes/server-is-busy", 1, test_server_is_busy);
    ACCOUNT_TEST("/backend-changes/two-changes-of-one-unread", 1, test_two_changes_of_one_unread);
    ACCOUNT_TEST("/backend-changes/connection-lost", 2, test_connection_lost);
    ACCOUNT_TEST("/backend-changes/expunge-gone", 2, test_expunge_gone);
    ACCOUNT_TEST("/backend-changes/keep-none", 2, test_keep_none);
    ACCOUNT_TEST("/backend-changes/read-only", 2, test_read_only);
    ACCOUNT_TEST("/backend-changes/made-again", 1, test_made_again);
    return g_test_run();
}

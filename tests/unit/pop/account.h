/* SPDX-License-Identifier: MIT */
/* tests/unit/pop/account.h - an account at a maildrop, with its cache. */
#pragma once

#include "maildrop.h"
#include "pop/backend.h"
#include "tests/unit/cache/fixture.h"
#include "tests/unit/net/client.h"

typedef struct {
    Fixture fixture;
    Maildrop *drop;
    MailAccount *at_drop;
    PopOptions options;
    PopBackend *backend;
    gboolean has_started;
    GError *start_error;
} Account;

/* With a maildrop that has @data messages, account_mail(1) ...; the backend has not begun. */
void account_set_up(Account *account, gconstpointer data);
void account_tear_down(Account *account, gconstpointer data);
#define ACCOUNT_TEST(path, n, func)                                                                \
    g_test_add(path, Account, GUINT_TO_POINTER(n), account_set_up, func, account_tear_down)

/* "Subject: 1\r\n..."; new. */
char *account_mail(guint nth);
/* Begins, and waits for the outcome of the start. */
void account_begin(Account *account);
/* The same, and it went well. */
void account_start(Account *account);
/* Ends, and opens the cache anew. */
void account_end(Account *account);

guint32 account_inbox(const Account *account);
guint32 account_read_box(const Account *account);
/* Lists @box as who wants to know how it is now; all lines too. */
void account_list(Account *account, guint32 box);
/* Asks to look for news; TRUE when that was done. */
gboolean account_check(Account *account, GError **error);
/* The UIDs of @box are those. */
void account_expect_uids(Account *account, guint32 box, const char *expected);
/* Waits until all of the message is read; it must be account_mail(@uid). */
void account_read(Account *account, guint32 box, guint32 uid);
/* FALSE, with why, when it cannot be read. */
gboolean account_try_read(Account *account, guint32 box, guint32 uid, GError **error);
guint32 account_move(Account *account, guint32 from, guint32 uid, guint32 to);
guint32 account_expunge(Account *account, guint32 box, guint32 uid);
guint32 account_mark(Account *account, guint32 box, guint32 uid, MailFlags add, MailFlags remove);
/* Waits until the change is settled; why it was refused, if it was. */
GError *account_settle(Account *account, guint32 change);
void account_settle_well(Account *account, guint32 change);
void account_expect_place(const Account *account, guint32 uid, PopPlace place);
/* Waits for the end of the visit that is under way. */
void account_await_end_of_visit(Account *account);

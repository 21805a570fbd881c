/* SPDX-License-Identifier: MIT */
/* tests/unit/pop/visit-faults.c - the connection is lost, or the disk refuses, at each step of a
 * visit: each message is there once, and deleted at the server only if it is here. */
#include <errno.h>
#include <string.h>

#include "disk.h"
#include "visit-drop.h"

static void begin(Caller *caller)
{
    disk_reset();
    disk_set_lazy(TRUE);
    caller_set_up(caller, NULL);
    caller_add_some(caller, 3);
    caller->wants_all = caller->reads = TRUE;
}

static void finish(Caller *caller)
{
    caller_tear_down(caller, NULL);
    disk_reset();
    disk_set_lazy(FALSE);
    memset(caller, 0, sizeof *caller);
}

/* What the server has deleted is here. */
static void expect_nothing_lost(Caller *caller)
{
    guint n_here = fixture_count_files(&caller->spool, "spool/new") +
                   fixture_count_files(&caller->spool, "spool/cur") +
                   fixture_count_files(&caller->spool, "spool/.Read/cur") +
                   fixture_count_files(&caller->spool, "spool/.Read/new");

    if (drop_n_gone(&caller->drop))
        g_assert_cmpuint(n_here, ==, caller->drop.n);
}

static void move_all(Caller *caller)
{
    const PopMessage *message;
    guint32 number = 0;

    while ((message = pop_spool_next(caller->spool.spool, number))) {
        number = message->number;
        if (message->place == POP_PLACE_INBOX)
            fixture_move(&caller->spool, number, POP_PLACE_READ);
    }
}

/* A process that starts anew, at a server and a disk that are well. */
static void expect_recovery(Caller *caller)
{
    expect_nothing_lost(caller);
    caller->drop.cut_after = 0;
    disk_fail(0, 0, 0);
    fixture_reopen(&caller->spool);
    move_all(caller);
    caller_visit_well(caller);
    caller_expect_all(caller, POP_PLACE_READ);
    g_assert_cmpuint(drop_n_gone(&caller->drop), ==, caller->drop.n);
    g_assert_cmpuint(fixture_count_files(&caller->spool, "spool/tmp"), ==, 0);
}

static void test_cut(void)
{
    Caller caller = {0};
    guint n_octets, n_without_end = 0;

    begin(&caller);
    caller_visit_well(&caller);
    n_octets = caller.drop.n_sent;
    finish(&caller);
    for (guint cut = 1; cut < n_octets; cut++) {
        begin(&caller);
        caller.drop.cut_after = cut;
        caller_visit(&caller);
        g_assert_error(caller.error, MAIL_ERROR, MAIL_ERROR_OFFLINE);
        n_without_end += !drop_n_gone(&caller.drop);
        expect_recovery(&caller);
        finish(&caller);
    }
    /* All but those inside the answer to QUIT. */
    g_assert_cmpuint(n_without_end, >=, n_octets - strlen("+OK\r\n"));
}

/* SQLite does not always say which. */
static gboolean is_of_disk(const GError *error)
{
    return g_error_matches(error, MAIL_ERROR, MAIL_ERROR_NO_SPACE) ||
           g_error_matches(error, MAIL_ERROR, MAIL_ERROR_LOCAL);
}

static void test_disk(void)
{
    Caller caller = {0};
    guint before, n_calls;

    begin(&caller);
    before = disk_n_calls();
    caller_visit_well(&caller);
    n_calls = disk_n_calls();
    finish(&caller);
    g_assert_cmpuint(n_calls, >, before + 10);
    for (guint nth = before + 1; nth <= n_calls; nth++) {
        begin(&caller);
        disk_fail(nth, G_MAXUINT, ENOSPC);
        caller_visit(&caller);
        if (caller.error) {
            g_assert_true(is_of_disk(caller.error));
            g_assert_null(strstr(caller.drop.log->str, "QUIT"));
            g_assert_cmpuint(drop_n_gone(&caller.drop), ==, 0);
        }
        expect_recovery(&caller);
        finish(&caller);
    }
}

/* What was asked for is told of, with the error, and before the end. */
static void test_full_disk(void)
{
    Caller caller = {0};

    begin(&caller);
    caller_visit_well(&caller);
    g_string_truncate(caller.drop.log, 0);
    caller_add(&caller, "x", "S: x\r\n\r\n");
    caller_add(&caller, "y", "S: y\r\n\r\n");
    caller.wants_all = FALSE;
    caller_start(&caller);
    client_await(caller.has_listed);
    disk_fail(1, G_MAXUINT, ENOSPC);
    pop_visit_retrieve(caller.visit, 4);
    pop_visit_retrieve(caller.visit, 5);
    client_await(caller.has_ended);
    caller_end(&caller);
    caller_expect_failure(&caller, MAIL_ERROR_NO_SPACE, "No space left");
    g_assert_cmpuint(caller.told->len, ==, strlen("4! 5! "));
    caller_expect_log(&caller, "UIDL LIST TOP:2:0 TOP:1:0 RETR:1 RETR:2 ");
    disk_fail(0, 0, 0);
    finish(&caller);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pop/visit/cut", test_cut);
    g_test_add_func("/pop/visit/disk", test_disk);
    g_test_add_func("/pop/visit/full-disk", test_full_disk);
    return g_test_run();
}

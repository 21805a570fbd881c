/* SPDX-License-Identifier: MIT */
/* tests/unit/pop/visit-suspects.c - visits of a server that hangs up at a message, each time. */
#include "visit-drop.h"

static void fail_visits(Caller *caller, guint n)
{
    for (guint i = 0; i < n; i++) {
        caller_visit(caller);
        caller_expect_failure(caller, MAIL_ERROR_OFFLINE, "");
    }
    g_string_truncate(caller->drop.log, 0);
}

/* The others come, and what was read is deleted. */
static void test_retr(Caller *caller, gconstpointer data)
{
    caller_add_some(caller, 3);
    caller->drop.messages[1].ends_retr = TRUE;
    caller->options.retrieves_all = caller->reads = TRUE;
    fail_visits(caller, 1);
    fixture_expect_list(&caller->spool, "1 read, 2 waiting, 3 waiting");
    fail_visits(caller, 1);
    caller->reads = FALSE;
    caller_visit_well(caller);
    caller_expect_log(caller, "UIDL LIST RETR:3 DELE:1 QUIT ");
    fixture_expect_list(&caller->spool, "1 read, 2 waiting, 3 inbox");
}

/* Who wants it gets it, behind all others. */
static void test_wanted(Caller *caller, gconstpointer data)
{
    caller_add_some(caller, 3);
    caller->drop.messages[1].ends_retr = TRUE;
    caller->wants_all = TRUE;
    fail_visits(caller, 2);
    caller->drop.messages[1].ends_retr = FALSE;
    caller_visit_well(caller);
    caller_expect_log(caller, "UIDL LIST RETR:3 RETR:2 QUIT ");
    g_assert_cmpstr(caller->told->str, ==, "3=3 2=2 ");
    caller_expect_all(caller, POP_PLACE_INBOX);
}

static void test_wanted_in_vain(Caller *caller, gconstpointer data)
{
    caller_add_some(caller, 3);
    caller->drop.messages[0].ends_retr = TRUE;
    caller->wants_all = TRUE;
    fail_visits(caller, 2);
    caller_visit(caller);
    caller_expect_failure(caller, MAIL_ERROR_OFFLINE, "");
    caller_expect_log(caller, "UIDL LIST RETR:2 RETR:3 RETR:1 ");
    g_assert_cmpstr(caller->told->str, ==, "2=2 3=3 1! ");
}

/* What has no header is retrieved, as far as that is possible. */
static void test_top(Caller *caller, gconstpointer data)
{
    caller_add_some(caller, 3);
    caller->drop.messages[1].ends_top = TRUE;
    fail_visits(caller, 2);
    caller_visit_well(caller);
    caller_expect_log(caller, "UIDL LIST TOP:1:0 RETR:2 QUIT ");
    caller_expect_header(caller, 1, "S: a\r\n\r\n");
    fixture_expect_list(&caller->spool, "1 waiting, 2 inbox, 3 waiting");
}

static void test_top_and_retr(Caller *caller, gconstpointer data)
{
    caller_add_some(caller, 3);
    caller->drop.messages[1].ends_top = caller->drop.messages[1].ends_retr = TRUE;
    fail_visits(caller, 4);
    caller_visit_well(caller);
    caller_expect_log(caller, "UIDL LIST QUIT ");
    caller->wants_all = TRUE;
    caller_visit(caller);
    caller_expect_log(caller, "UIDL LIST RETR:1 RETR:3 RETR:2 ");
    fixture_expect_list(&caller->spool, "1 inbox, 2 waiting, 3 inbox");
}

/* Where RETR brings another message than TOP, no number means what it says: nothing is deleted. */
static void test_another_message(Caller *caller, gconstpointer data)
{
    caller_add(caller, "a", "Message-ID: <1>\r\n\r\none\r\n");
    caller_add(caller, "b", "Message-ID: <2>\r\n\r\ntwo\r\n");
    caller->drop.messages[1].retr_text = "Message-ID: <3>\r\n\r\ntwo\r\n";
    caller->options.retrieves_all = caller->reads = TRUE;
    for (guint i = 0; i < 4; i++) {
        caller_visit(caller);
        caller_expect_failure(caller, MAIL_ERROR_PROTOCOL, "sends another message");
    }
    caller_expect_not_sent(caller, "DELE");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    CALLER_TEST("/pop/visit/suspects/retr", test_retr);
    CALLER_TEST("/pop/visit/suspects/wanted", test_wanted);
    CALLER_TEST("/pop/visit/suspects/wanted-in-vain", test_wanted_in_vain);
    CALLER_TEST("/pop/visit/suspects/top", test_top);
    CALLER_TEST("/pop/visit/suspects/top-and-retr", test_top_and_retr);
    CALLER_TEST("/pop/visit/suspects/another-message", test_another_message);
    return g_test_run();
}

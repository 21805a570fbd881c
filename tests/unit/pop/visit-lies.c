/* SPDX-License-Identifier: MIT */
/* tests/unit/pop/visit-lies.c - visits of a server that says what cannot be, or loses count. */
#include "visit-drop.h"

/* --- lists --- */

static const struct {
    const char *uidl, *list, *text;
    MailError code;
} bad_lists[] = {
    {"x a\r\n", NULL, "uidl: line 1 of localhost is not a number and an id", MAIL_ERROR_PROTOCOL},
    {"1 a\r\n-2 b\r\n", NULL, "uidl: line 2 of localhost is not", MAIL_ERROR_PROTOCOL},
    {"1\r\n", NULL, "uidl: line 1 of", MAIL_ERROR_PROTOCOL},
    {"\r\n", NULL, "uidl: line 1 of", MAIL_ERROR_PROTOCOL},
    {" 1 a\r\n", NULL, "uidl: line 1 of", MAIL_ERROR_PROTOCOL},
    {"0 a\r\n", NULL, "uidl: line 1 of", MAIL_ERROR_PROTOCOL},
    {"1 a\r\n1 b\r\n", NULL, "uidl: line 2 of localhost is of a message that was listed before",
     MAIL_ERROR_PROTOCOL},
    {"1000001 a\r\n", NULL, "uidl: localhost has a message 1000001", MAIL_ERROR_TOO_BIG},
    {"99999999999999999999999 a\r\n", NULL, "uidl: localhost has", MAIL_ERROR_TOO_BIG},
    {NULL, "1 x\r\n", "list: line 1 of localhost is not a number and a size", MAIL_ERROR_PROTOCOL},
    {NULL, "1 5x\r\n", "list: line 1 of", MAIL_ERROR_PROTOCOL},
    {NULL, "1 -5\r\n", "list: line 1 of", MAIL_ERROR_PROTOCOL},
    {NULL, "1 \r\n", "list: line 1 of", MAIL_ERROR_PROTOCOL},
    {NULL, "1 9223372036854775808\r\n", "list: line 1 of", MAIL_ERROR_PROTOCOL},
    {NULL, "1 5\r\n1 5\r\n", "list: line 2 of localhost is of a message", MAIL_ERROR_PROTOCOL},
    {NULL, "1000001 5\r\n", "list: localhost has", MAIL_ERROR_TOO_BIG},
    {NULL, "1 5\r\n2 5\r\n", "list: localhost has message 2 in LIST only", MAIL_ERROR_PROTOCOL},
    {"1 a\r\n2 b\r\n", NULL, "list: localhost has message 2 in UIDL only", MAIL_ERROR_PROTOCOL},
};

static void test_bad_lists(Caller *caller, gconstpointer data)
{
    caller_add_some(caller, 1);
    for (guint i = 0; i < G_N_ELEMENTS(bad_lists); i++) {
        caller->drop.uidl_lines = bad_lists[i].uidl;
        caller->drop.list_lines = bad_lists[i].list;
        caller_visit(caller);
        caller_expect_failure(caller, bad_lists[i].code, bad_lists[i].text);
        g_assert_false(caller->has_listed);
        caller_expect_not_sent(caller, "QUIT");
        fixture_expect_list(&caller->spool, "");
    }
}

/* Gaps in the numbers, blanks, and what stands behind a size. */
static void test_odd_lists(Caller *caller, gconstpointer data)
{
    caller->drop.uidl_lines = "7 a \r\n3  b\r\n";
    caller->drop.list_lines = "3\t10 octets\r\n7  20\r\n";
    caller->drop.has_no_top = TRUE;
    caller_visit_well(caller);
    caller_expect_log(caller, "UIDL LIST TOP:7:0 TOP:3:0 RETR:7 RETR:3 QUIT ");
    g_assert_cmpstr(pop_spool_get(caller->spool.spool, 1)->uidl, ==, "b");
    g_assert_cmpuint(pop_spool_get(caller->spool.spool, 1)->size, ==, 10);
    g_assert_cmpstr(pop_spool_get(caller->spool.spool, 2)->uidl, ==, "a");
    g_assert_cmpuint(pop_spool_get(caller->spool.spool, 2)->size, ==, 20);
}

/* An id that is none: what is in the message tells. */
static void test_bad_ids(Caller *caller, gconstpointer data)
{
    g_autofree char *lengthy = g_strnfill(2000, 'x');

    caller_add_some(caller, 3);
    caller->drop.messages[0].uidl = "";
    caller->drop.messages[1].uidl = lengthy;
    caller->drop.messages[2].uidl = "a b";
    caller_visit_well(caller);
    g_assert_cmpstr(caller->told->str, ==, "0=1 0=2 0=3 ");
    caller_expect_all(caller, POP_PLACE_INBOX);
}

/* --- a server that loses count --- */

/* It answers once too often, so that each message comes for another: they are proved later, and
 * nothing of it is deleted before. */
static void test_surplus_message(Caller *caller, gconstpointer data)
{
    caller_add_some(caller, 3);
    caller->drop.surplus = "RETR 1";
    caller->wants_all = TRUE;
    caller_start(caller);
    client_await(caller->has_ended);
    caller_end(caller);
    caller_expect_failure(caller, MAIL_ERROR_PROTOCOL, "the server says");
    /* The third may have been refused. */
    for (guint32 number = 1; number <= 2; number++) {
        g_assert_cmpint(pop_spool_get(caller->spool.spool, number)->presence, ==, POP_DOUBTFUL);
        fixture_move(&caller->spool, number, POP_PLACE_READ);
    }
    fixture_reopen(&caller->spool);
    caller->drop.surplus = NULL;
    caller->options.keep_days = 0;
    caller_visit_well(caller);
    caller_expect_not_sent(caller, "DELE");
    fixture_expect(&caller->spool, 4, POP_PLACE_INBOX, "S: a\r\n\r\none\r\n");
    g_assert_cmpstr(pop_spool_get(caller->spool.spool, 4)->uidl, ==, "a");
}

static void test_surplus_header(Caller *caller, gconstpointer data)
{
    caller_add_some(caller, 3);
    caller->drop.surplus = "TOP 3 0";
    caller_start(caller);
    client_await(caller->has_ended);
    caller_end(caller);
    caller_expect_failure(caller, MAIL_ERROR_PROTOCOL, "the server says");
    fixture_reopen(&caller->spool);
    caller->drop.surplus = NULL;
    caller_visit_well(caller);
    caller_expect_header(caller, 1, "S: a\r\n\r\n");
    caller_expect_header(caller, 3, "S: c\r\n\r\n");
}

/* Listed by this visit, or by the one before. */
static void test_another_message(Caller *caller, gconstpointer data)
{
    caller_add(caller, "a", "Message-ID: <1>\r\n\r\none\r\n");
    if (data)
        caller_visit_well(caller);
    caller_start(caller);
    client_await(caller->has_listed);
    caller->drop.messages[0].text = "Message-Id: <2>\r\n\r\ntwo\r\n";
    pop_visit_retrieve(caller->visit, 1);
    client_await(caller->has_ended);
    caller_end(caller);
    caller_expect_failure(caller, MAIL_ERROR_PROTOCOL,
                          "retr 1: localhost sends another message than it showed before");
    g_assert_cmpstr(caller->told->str, ==, "1! ");
    fixture_expect_list(&caller->spool, "1 waiting");
    caller->wants_all = TRUE;
    caller_visit_well(caller);
    caller_expect_all(caller, POP_PLACE_INBOX);
}

/* Servers change headers. */
static void test_changed_header(Caller *caller, gconstpointer data)
{
    caller_add(caller, "a", "Message-ID: <1>\r\nStatus: N\r\n\r\none\r\n");
    caller_visit_well(caller);
    caller->drop.messages[0].text = "Status: RO\r\nmessage-id:\r\n <1> \r\n\r\none\r\n";
    caller->wants_all = TRUE;
    caller_visit_well(caller);
    caller_expect_all(caller, POP_PLACE_INBOX);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    CALLER_TEST("/pop/visit/bad-lists", test_bad_lists);
    CALLER_TEST("/pop/visit/odd-lists", test_odd_lists);
    CALLER_TEST("/pop/visit/bad-ids", test_bad_ids);
    CALLER_TEST("/pop/visit/surplus-message", test_surplus_message);
    CALLER_TEST("/pop/visit/surplus-header", test_surplus_header);
    CALLER_TEST("/pop/visit/another-message", test_another_message);
    g_test_add("/pop/visit/another-message-later", Caller, "later", caller_set_up,
               test_another_message, caller_tear_down);
    CALLER_TEST("/pop/visit/changed-header", test_changed_header);
    return g_test_run();
}

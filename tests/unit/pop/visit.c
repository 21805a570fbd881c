/* SPDX-License-Identifier: MIT */
/* tests/unit/pop/visit.c - a visit of the maildrop: what is listed, retrieved and deleted. */
#include <string.h>

#include "pop/visit-private.h"
#include "visit-drop.h"

#define MIB ((gsize)1024 * 1024)

static void expect_sent(Caller *caller, const char *word)
{
    if (!strstr(caller->drop.log->str, word))
        g_error("no %s in %s", word, caller->drop.log->str);
}

/* --- the whole of it --- */

static void test_all(Caller *caller, gconstpointer data)
{
    caller_add_some(caller, 3);
    caller->wants_all = TRUE;
    caller_visit_well(caller);
    g_assert_cmpstr(caller->told->str, ==, "1=1 2=2 3=3 ");
    g_assert_cmpuint(caller->n_comes, >=, 3);
    caller_expect_all(caller, POP_PLACE_INBOX);
    caller_expect_log(caller, "UIDL LIST TOP:3:0 TOP:2:0 TOP:1:0 RETR:1 RETR:2 RETR:3 QUIT ");
    /* What is here is not asked for again. */
    caller_visit_well(caller);
    caller_expect_log(caller, "UIDL LIST QUIT ");
}

static void test_empty_drop(Caller *caller, gconstpointer data)
{
    caller->wants_all = TRUE;
    caller_visit_well(caller);
    caller_expect_log(caller, "UIDL LIST QUIT ");
}

static void test_lost_at_login(Caller *caller, gconstpointer data)
{
    caller_add_some(caller, 1);
    caller->drop.cut_after = (guint)strlen("+OK hi\r\n+OK");
    caller_visit(caller);
    g_assert_false(caller->has_listed);
    g_assert_error(caller->error, MAIL_ERROR, MAIL_ERROR_OFFLINE);
}

static guint32 delay;

static void note_delay(PopVisit *visit, const GError *error, gpointer owner)
{
    delay = pop_visit_login_delay(visit);
}

static void test_login_delay(Caller *caller, gconstpointer data)
{
    PopVisitEvents events;

    caller->drop.capa = "USER\r\nLOGIN-DELAY 77\r\n";
    caller_start(caller);
    events = *caller->visit->events;
    events.ended = note_delay;
    caller->visit->events = &events;
    pop_visit_end(caller->visit);
    client_await(delay);
    g_assert_cmpuint(delay, ==, 77);
    g_clear_pointer(&caller->visit, pop_visit_free);
    g_clear_pointer(&caller->server, server_stop);
}

/* --- headers --- */

static void test_headers(Caller *caller, gconstpointer data)
{
    caller_add(caller, "a", "Date: Thu, 1 Jan 1970 00:00:05 +0000\r\n\r\nbody\r\n");
    caller_add(caller, "b", "no header");
    caller_add(caller, "c", "");
    caller_visit_well(caller);
    caller_expect_log(caller, "UIDL LIST TOP:3:0 TOP:2:0 TOP:1:0 QUIT ");
    caller_expect_header(caller, 1, "Date: Thu, 1 Jan 1970 00:00:05 +0000\r\n\r\n");
    caller_expect_header(caller, 2, "no header\r\n");
    caller_expect_header(caller, 3, "");
    g_assert_cmpint(pop_spool_get(caller->spool.spool, 1)->date, ==, 5);
    g_assert_cmpint(pop_spool_get(caller->spool.spool, 2)->date, >, 1000000000);
    fixture_expect_list(&caller->spool, "1 waiting, 2 waiting, 3 waiting");
    /* They are known now. */
    caller_visit_well(caller);
    caller_expect_log(caller, "UIDL LIST QUIT ");
}

static void test_long_header(Caller *caller, gconstpointer data)
{
    g_autofree char *text = g_strnfill(300 * 1024, 'x');
    g_autoptr(GBytes) header = NULL;

    caller_add(caller, "a", text);
    caller_visit_well(caller);
    header = pop_spool_dup_header(caller->spool.spool, 1);
    g_assert_cmpuint(g_bytes_get_size(header), ==, 256 * 1024);
}

/* More than are asked for at once, the last ones in order too. */
static void test_many_headers(Caller *caller, gconstpointer data)
{
    caller_add_many(caller, DROP_MAX, 0);
    caller_visit_well(caller);
    for (guint i = 0; i < DROP_MAX; i++)
        caller_expect_header(caller, i + 1, caller->drop.messages[i].text);
    caller_free_many(caller);
}

/* Whoever waits for the list is told that it comes. */
static void test_list_comes(Caller *caller, gconstpointer data)
{
    caller_add_some(caller, 1);
    caller_visit_well(caller);
    g_assert_cmpuint(caller->n_comes_of_list, >=, 1);
}

/* Whether CAPA says so or is refused: one question is enough, and all are retrieved, so that they
 * can be listed. */
static void test_no_top(Caller *caller, gconstpointer capa)
{
    caller_add_some(caller, 3);
    caller->drop.has_no_top = TRUE;
    caller->drop.capa = capa;
    caller_visit_well(caller);
    caller_expect_log(caller, "UIDL LIST TOP:3:0 RETR:3 RETR:2 RETR:1 QUIT ");
    caller_expect_all(caller, POP_PLACE_INBOX);
}

static void test_no_top_in_capa(Caller *caller, gconstpointer data)
{
    test_no_top(caller, "USER\r\nUIDL\r\nPIPELINING\r\n");
}

static void test_no_top_nor_capa(Caller *caller, gconstpointer data)
{
    test_no_top(caller, NULL);
}

static void test_top_disabled(Caller *caller, gconstpointer data)
{
    static const char *const disabled[] = {"top", NULL};

    caller_add_some(caller, 2);
    caller->options.disabled = disabled;
    caller_visit_well(caller);
    caller_expect_log(caller, "UIDL LIST RETR:2 RETR:1 QUIT ");
}

/* CAPA is silent, but it works. */
static void test_top_untold(Caller *caller, gconstpointer data)
{
    caller_add_some(caller, 3);
    caller->drop.capa = NULL;
    caller_visit_well(caller);
    caller_expect_log(caller, "UIDL LIST TOP:3:0 TOP:2:0 TOP:1:0 QUIT ");
}

static void test_one_top_refused(Caller *caller, gconstpointer data)
{
    caller_add_some(caller, 3);
    caller->drop.messages[1].refuses_top = TRUE;
    caller_visit_well(caller);
    caller_expect_log(caller, "UIDL LIST TOP:3:0 TOP:2:0 TOP:1:0 RETR:2 QUIT ");
    g_assert_cmpstr(caller->told->str, ==, "2=2 ");
    fixture_expect_list(&caller->spool, "1 waiting, 2 inbox, 3 waiting");
}

/* Then it has none, and is listed without. */
static void test_top_and_retr_refused(Caller *caller, gconstpointer data)
{
    caller_add_some(caller, 2);
    caller->drop.messages[0].refuses_top = caller->drop.messages[0].refuses_retr = TRUE;
    caller_visit_well(caller);
    caller_expect_log(caller, "UIDL LIST TOP:2:0 TOP:1:0 RETR:1 QUIT ");
    g_assert_cmpstr(caller->told->str, ==, "1! ");
    fixture_expect_list(&caller->spool, "1 waiting, 2 waiting");
}

/* --- identity --- */

static void test_no_uidl(Caller *caller, gconstpointer data)
{
    caller_add_some(caller, 3);
    caller->drop.has_no_uidl = TRUE;
    caller->drop.capa = NULL;
    caller_visit_well(caller);
    g_assert_cmpstr(caller->told->str, ==, "0=1 0=2 0=3 ");
    caller_expect_all(caller, POP_PLACE_INBOX);
    caller_expect_log(caller, "UIDL LIST RETR:1 RETR:2 RETR:3 QUIT ");
    /* Their content tells that they are here; and they are never deleted. */
    caller->reads = TRUE;
    caller->options.keep_days = 0;
    caller_visit_well(caller);
    g_assert_cmpstr(caller->told->str, ==, "0=1 0=2 0=3 ");
    caller_expect_all(caller, POP_PLACE_READ);
    caller_expect_log(caller, "UIDL LIST RETR:1 RETR:2 RETR:3 QUIT ");
}

/* None is listed twice: content tells that they are here, before anything is listed. */
static void test_all_uidls_changed(Caller *caller, gconstpointer data)
{
    caller_add_some(caller, 2);
    caller->options.keep_days = POP_KEEP_FOREVER;
    caller->wants_all = caller->reads = TRUE;
    caller_visit_well(caller);
    g_string_truncate(caller->drop.log, 0);
    caller->drop.messages[0].uidl = "x";
    caller->drop.messages[1].uidl = "y";
    caller_start(caller);
    client_await(caller->has_listed);
    fixture_expect_list(&caller->spool, "1 read, 2 read");
    caller_settle(caller);
    caller_end(caller);
    caller_expect_log(caller, "UIDL LIST RETR:1 RETR:2 QUIT ");
}

static void test_uidl_out_of_order(Caller *caller, gconstpointer data)
{
    caller_add_some(caller, 1);
    caller_visit_well(caller);
    caller->drop.has_no_uidl = TRUE;
    /* It has it, or so it said. */
    caller_visit(caller);
    caller_expect_failure(caller, MAIL_ERROR_SERVER, "uidl: the server says -ERR what");
    caller->drop.capa = NULL;
    caller->drop.uidl_error = "-ERR [SYS/TEMP] later";
    caller_visit(caller);
    caller_expect_failure(caller, MAIL_ERROR_BUSY, "uidl: the server says -ERR [SYS/TEMP] later");
    fixture_expect_list(&caller->spool, "1 waiting");
}

static void test_same_uidl(Caller *caller, gconstpointer data)
{
    caller_add_some(caller, 3);
    caller->drop.messages[2].uidl = "a";
    caller->reads = TRUE;
    caller_visit_well(caller);
    caller_expect_log(caller, "UIDL LIST TOP:2:0 RETR:1 RETR:3 QUIT ");
    fixture_expect_list(&caller->spool, "1 waiting, 2 read, 3 read");
}

/* Its UIDL comes back after it had left. */
static void test_doubtful(Caller *caller, gconstpointer data)
{
    caller_add_some(caller, 1);
    caller->wants_all = caller->reads = TRUE;
    caller->options.keep_days = POP_KEEP_FOREVER;
    caller_visit_well(caller);
    fixture_match_none(&caller->spool);
    g_string_truncate(caller->drop.log, 0);
    caller_visit_well(caller);
    caller_expect_log(caller, "UIDL LIST RETR:1 QUIT ");
    g_assert_cmpint(pop_spool_get(caller->spool.spool, 1)->presence, ==, POP_LISTED);
    fixture_expect_list(&caller->spool, "1 read");
}

/* --- lists --- */

static void test_500000(Caller *caller, gconstpointer data)
{
    const guint n = 500000;
    g_autoptr(GString) ids = g_string_new(NULL), sizes = g_string_new(NULL);

    for (guint i = 1; i <= n; i++) {
        g_string_append_printf(ids, "%u an-id-of-the-usual-length-%u\r\n", i, i);
        g_string_append_printf(sizes, "%u %u\r\n", i, i);
    }
    caller->drop.uidl_lines = ids->str;
    caller->drop.list_lines = sizes->str;
    caller_start(caller);
    while (pop_spool_next_number(caller->spool.spool) <= n)
        client_turn();
    g_assert_cmpuint(pop_spool_get(caller->spool.spool, n)->size, ==, n);
    g_clear_pointer(&caller->visit, pop_visit_free);
    g_clear_pointer(&caller->server, server_stop);
}

/* --- messages --- */

static void test_octets(Caller *caller, gconstpointer data)
{
    caller_add(caller, "a", ".dot\r\n..two\r\n.\r\n\r\n.");
    caller_add(caller, "b", "bare\nLF\n.\n\rand CR\r\n");
    caller_add(caller, "c", "no end");
    caller_add(caller, "d", "");
    caller->options.retrieves_all = TRUE;
    caller_visit_well(caller);
    g_assert_cmpstr(caller->told->str, ==, "1=1 2=2 3=3 4=4 ");
    caller_expect_all(caller, POP_PLACE_INBOX);
}

static void test_wrong_sizes(Caller *caller, gconstpointer data)
{
    caller_add_some(caller, 3);
    caller->drop.messages[0].told = 1;
    caller->drop.messages[1].told = 40 * MIB;
    caller->options.retrieves_all = TRUE;
    caller_visit_well(caller);
    caller_expect_all(caller, POP_PLACE_INBOX);
    g_assert_cmpuint(pop_spool_get(caller->spool.spool, 2)->size, ==, 13);
}

/* It cannot come whole; those that can do. */
static void test_too_big(Caller *caller, gconstpointer data)
{
    caller_add_some(caller, 2);
    caller->drop.messages[0].told = (guint64)G_MAXUINT32 + 1;
    caller->wants_all = caller->options.retrieves_all = TRUE;
    caller_visit_well(caller);
    g_assert_nonnull(strstr(caller->told->str, "1! "));
    g_assert_nonnull(strstr(caller->told->str, "2=2 "));
    caller_expect_not_sent(caller, "RETR:1");
}

/* What is wanted goes ahead of all else, in the order of the calls; what was asked for before the
 * list was known too. */
static void test_order(Caller *caller, gconstpointer data)
{
    caller_add_some(caller, 4);
    caller_visit_well(caller);
    caller_expect_log(caller, "UIDL LIST TOP:4:0 TOP:3:0 TOP:2:0 TOP:1:0 QUIT ");
    caller_add(caller, "e", "S: e\r\n\r\n");
    caller->options.retrieves_all = TRUE;
    caller_start(caller);
    pop_visit_retrieve(caller->visit, 4);
    pop_visit_retrieve(caller->visit, 2);
    pop_visit_retrieve(caller->visit, 4);
    pop_visit_retrieve(caller->visit, 77);
    g_assert_cmpuint(pop_visit_n_pending(caller->visit), ==, 3);
    caller_settle(caller);
    caller_end(caller);
    g_assert_no_error(caller->error);
    g_assert_cmpstr(caller->told->str, ==, "77! 4=4 2=2 1=1 3=3 5=5 ");
    caller_expect_log(caller, "UIDL LIST RETR:4 RETR:2 TOP:5:0 RETR:1 RETR:3 RETR:5 QUIT ");
}

static void test_wanted_again(Caller *caller, gconstpointer data)
{
    caller_add_some(caller, 2);
    caller->drop.messages[1].refuses_retr = TRUE;
    caller_start(caller);
    for (guint32 i = 0; i < 4; i++) {
        pop_visit_retrieve(caller->visit, i % 2 + 1);
        caller_settle(caller);
    }
    caller_end(caller);
    g_assert_cmpstr(caller->told->str, ==, "1=1 2! 1=1 2! ");
    caller_expect_log(caller, "UIDL LIST RETR:1 TOP:2:0 RETR:2 RETR:2 QUIT ");
}

/* The server does not answer the first before it has 128 of them; the rest are not sent one by
 * one. */
static void test_ahead(Caller *caller, gconstpointer data)
{
    PopFigures figures;

    caller_add_many(caller, 250, 8 * 1024);
    caller->drop.hold = 128;
    caller->wants_all = TRUE;
    caller_visit_well(caller);
    g_assert_cmpuint(caller->max_coming, ==, 128);
    g_assert_cmpuint(caller->n_full, <=, 2);
    pop_spool_figures(caller->spool.spool, &figures);
    g_assert_cmpuint(figures.n[POP_PLACE_INBOX], ==, 250);
    caller_free_many(caller);
}

/* Nor do they wait for the list. */
static void test_all_follow_headers(Caller *caller, gconstpointer data)
{
    caller_add_many(caller, 200, 0);
    caller->drop.tops_wait = TRUE;
    caller->options.retrieves_all = TRUE;
    caller_visit_well(caller);
    caller_expect_all(caller, POP_PLACE_INBOX);
    caller_free_many(caller);
}

/* One after the other, so that what is wanted waits for one only. */
static void test_no_pipelining(Caller *caller, gconstpointer data)
{
    caller_add_some(caller, 3);
    caller->drop.capa = "USER\r\nTOP\r\nUIDL\r\n";
    caller->wants_all = TRUE;
    caller_visit_well(caller);
    g_assert_cmpuint(caller->max_coming, ==, 1);
    caller_expect_all(caller, POP_PLACE_INBOX);
}

static char *big_text(char letter, gsize len)
{
    g_autofree char *filling = g_strnfill(len, letter);

    return g_strconcat("S: big\r\n\r\n", filling, "\r\n", NULL);
}

/* Large ones: not more than is announced are under way, nor more than the disk has taken. */
static void test_big(Caller *caller, gconstpointer data)
{
    g_autofree char *texts[] = {big_text('a', 20 * MIB), big_text('b', 9 * MIB),
                                big_text('c', 9 * MIB),  big_text('d', 5 * MIB),
                                big_text('e', 40 * MIB), NULL};

    for (guint i = 0; i < 5; i++)
        caller_add(caller, (const char *const[]){"a", "b", "c", "d", "e"}[i], texts[i]);
    caller->wants_all = TRUE;
    caller_visit_well(caller);
    g_assert_cmpuint(caller->max_coming, ==, 2);
    g_assert_cmpuint(caller->max_octets, ==, strlen(texts[4]));
    caller_expect_all(caller, POP_PLACE_INBOX);
    for (guint i = 1; i < G_N_ELEMENTS(texts); i++)
        g_free(texts[i]);
}

/* --- what is deleted --- */

static void test_keep(Caller *caller, guint days, const char *last)
{
    g_autofree char *expected = g_strconcat("UIDL LIST TOP:2:0 TOP:1:0 RETR:1 RETR:2 ", last, NULL);

    caller_add_some(caller, 2);
    caller->options.keep_days = days;
    caller->wants_all = caller->reads = TRUE;
    caller_visit_well(caller);
    caller_expect_log(caller, expected);
    caller_expect_all(caller, POP_PLACE_READ);
}

static void test_keep_none(Caller *caller, gconstpointer data)
{
    test_keep(caller, 0, "DELE:1 DELE:2 QUIT ");
    g_assert_cmpuint(drop_n_gone(&caller->drop), ==, 2);
    g_assert_cmpint(pop_spool_get(caller->spool.spool, 1)->presence, ==, POP_ABSENT);
    caller_visit_well(caller);
    caller_expect_log(caller, "UIDL LIST QUIT ");
}

static void test_keep_forever(Caller *caller, gconstpointer data)
{
    test_keep(caller, POP_KEEP_FOREVER, "QUIT ");
}

static void test_keep_days(Caller *caller, gconstpointer data)
{
    test_keep(caller, 1, "QUIT ");
}

static void test_read_only(Caller *caller, gconstpointer data)
{
    caller->options.is_read_only = TRUE;
    test_keep(caller, 0, "QUIT ");
}

/* Unread, read, in the trash, and not retrieved. */
static void test_places(Caller *caller, gconstpointer data)
{
    caller_add_some(caller, 4);
    caller_start(caller);
    client_await(caller->has_listed);
    for (guint32 number = 1; number <= 3; number++)
        pop_visit_retrieve(caller->visit, number);
    caller_settle(caller);
    fixture_move(&caller->spool, 2, POP_PLACE_READ);
    fixture_move(&caller->spool, 3, POP_PLACE_TRASH);
    caller_end(caller);
    g_assert_no_error(caller->error);
    expect_sent(caller, "RETR:3 DELE:2 DELE:3 QUIT ");
    fixture_expect_list(&caller->spool, "1 inbox, 2 read, 3 trash, 4 waiting");
}

/* Then the connection is dropped, and the server has deleted nothing. */
static void test_dele_refused(Caller *caller, gconstpointer data)
{
    caller_add_some(caller, 2);
    caller->drop.messages[1].refuses_dele = TRUE;
    caller->wants_all = caller->reads = TRUE;
    caller_visit(caller);
    caller_expect_failure(caller, MAIL_ERROR_SERVER, "dele 2: the server says -ERR no");
    expect_sent(caller, "DELE:1 DELE:2 ");
    caller_expect_not_sent(caller, "QUIT");
    g_assert_cmpuint(drop_n_gone(&caller->drop), ==, 0);
    g_assert_cmpint(pop_spool_get(caller->spool.spool, 1)->presence, ==, POP_UNSURE);
    /* They are deleted when it is in better shape. */
    caller->drop.messages[1].refuses_dele = FALSE;
    caller_visit_well(caller);
    g_assert_cmpuint(drop_n_gone(&caller->drop), ==, 2);
}

static void test_quit_refused(Caller *caller, gconstpointer data)
{
    caller_add_some(caller, 1);
    caller->wants_all = caller->reads = TRUE;
    caller->drop.refuses_quit = TRUE;
    caller_visit(caller);
    caller_expect_failure(caller, MAIL_ERROR_SERVER, "quit: the server says -ERR some are left");
    g_assert_cmpint(pop_spool_get(caller->spool.spool, 1)->presence, ==, POP_UNSURE);
}

/* The others come, nothing is deleted, and the server is told goodbye. */
static void test_retr_refused(Caller *caller, gconstpointer data)
{
    caller_add_some(caller, 3);
    caller->drop.messages[1].refuses_retr = TRUE;
    caller->wants_all = caller->reads = TRUE;
    caller_visit_well(caller);
    g_assert_true(strstr(caller->told->str, "1=1 ") && strstr(caller->told->str, "2! ") &&
                  strstr(caller->told->str, "3=3 "));
    caller_expect_not_sent(caller, "DELE");
    expect_sent(caller, "QUIT");
    fixture_expect_list(&caller->spool, "1 read, 2 waiting, 3 read");
}

/* --- its life --- */

static void test_freed(Caller *caller, gconstpointer data)
{
    caller_add_some(caller, 2);
    caller->options.retrieves_all = TRUE;
    caller_start(caller);
    client_await(caller->n_comes);
    g_clear_pointer(&caller->visit, pop_visit_free);
    g_clear_pointer(&caller->server, server_stop);
    fixture_reopen(&caller->spool);
    caller_visit_well(caller);
    caller_expect_all(caller, POP_PLACE_INBOX);
}

static void test_ended_at_once(Caller *caller, gconstpointer data)
{
    caller_add_some(caller, 2);
    caller_start(caller);
    pop_visit_end(caller->visit);
    caller_end(caller);
    g_assert_no_error(caller->error);
    g_assert_true(caller->has_listed);
}

/* What somebody reads goes ahead of what nobody does, as long as that lasts. */
static void test_wanted_at_the_end(Caller *caller, gconstpointer data)
{
    caller_add_many(caller, 50, 0);
    caller->drop.capa = "USER\r\nTOP\r\nUIDL\r\n";
    caller->options.retrieves_all = TRUE;
    caller_start(caller);
    pop_visit_end(caller->visit);
    client_await(caller->max_coming);
    g_assert_true(pop_visit_is_open(caller->visit));
    pop_visit_retrieve(caller->visit, 50);
    caller_end(caller);
    g_assert_no_error(caller->error);
    g_assert_nonnull(strstr(strstr(caller->drop.log->str, "RETR:50 "), "RETR:49 "));
    caller_expect_all(caller, POP_PLACE_INBOX);
    caller_free_many(caller);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    CALLER_TEST("/pop/visit/all", test_all);
    CALLER_TEST("/pop/visit/empty-drop", test_empty_drop);
    CALLER_TEST("/pop/visit/lost-at-login", test_lost_at_login);
    CALLER_TEST("/pop/visit/login-delay", test_login_delay);
    CALLER_TEST("/pop/visit/headers", test_headers);
    CALLER_TEST("/pop/visit/long-header", test_long_header);
    CALLER_TEST("/pop/visit/many-headers", test_many_headers);
    CALLER_TEST("/pop/visit/list-comes", test_list_comes);
    CALLER_TEST("/pop/visit/no-top-in-capa", test_no_top_in_capa);
    CALLER_TEST("/pop/visit/no-top-nor-capa", test_no_top_nor_capa);
    CALLER_TEST("/pop/visit/top-disabled", test_top_disabled);
    CALLER_TEST("/pop/visit/top-untold", test_top_untold);
    CALLER_TEST("/pop/visit/one-top-refused", test_one_top_refused);
    CALLER_TEST("/pop/visit/top-and-retr-refused", test_top_and_retr_refused);
    CALLER_TEST("/pop/visit/no-uidl", test_no_uidl);
    CALLER_TEST("/pop/visit/all-uidls-changed", test_all_uidls_changed);
    CALLER_TEST("/pop/visit/uidl-out-of-order", test_uidl_out_of_order);
    CALLER_TEST("/pop/visit/same-uidl", test_same_uidl);
    CALLER_TEST("/pop/visit/doubtful", test_doubtful);
    CALLER_TEST("/pop/visit/500000", test_500000);
    CALLER_TEST("/pop/visit/octets", test_octets);
    CALLER_TEST("/pop/visit/wrong-sizes", test_wrong_sizes);
    CALLER_TEST("/pop/visit/too-big", test_too_big);
    CALLER_TEST("/pop/visit/order", test_order);
    CALLER_TEST("/pop/visit/wanted-again", test_wanted_again);
    CALLER_TEST("/pop/visit/ahead", test_ahead);
    CALLER_TEST("/pop/visit/all-follow-headers", test_all_follow_headers);
    CALLER_TEST("/pop/visit/no-pipelining", test_no_pipelining);
    CALLER_TEST("/pop/visit/big", test_big);
    CALLER_TEST("/pop/visit/keep-none", test_keep_none);
    CALLER_TEST("/pop/visit/keep-forever", test_keep_forever);
    CALLER_TEST("/pop/visit/keep-days", test_keep_days);
    CALLER_TEST("/pop/visit/read-only", test_read_only);
    CALLER_TEST("/pop/visit/places", test_places);
    CALLER_TEST("/pop/visit/dele-refused", test_dele_refused);
    CALLER_TEST("/pop/visit/quit-refused", test_quit_refused);
    CALLER_TEST("/pop/visit/retr-refused", test_retr_refused);
    CALLER_TEST("/pop/visit/freed", test_freed);
    CALLER_TEST("/pop/visit/ended-at-once", test_ended_at_once);
    CALLER_TEST("/pop/visit/wanted-at-the-end", test_wanted_at_the_end);
    return g_test_run();
}

/* SPDX-License-Identifier: MIT */
/* tests/unit/cache/keywords.c - each keyword has its bit, for ever. */
#include <sqlite3.h>
#include <string.h>

#include "fixture.h"

static void test_given_out(Fixture *fixture, gconstpointer data)
{
    for (guint nth = 0; nth < MAIL_FLAG_N_KEYWORDS; nth++) {
        g_autofree char *name = g_strdup_printf("Keyword%u", nth);

        g_assert_cmpuint(cache_keyword_flag(fixture->cache, name), ==, mail_flag_keyword(nth));
    }
    g_assert_cmpuint(cache_keyword_flag(fixture->cache, "one-more"), ==, 0);
    fixture_reopen(fixture);
    g_assert_cmpuint(cache_keyword_flag(fixture->cache, "one-more"), ==, 0);
    for (guint nth = 0; nth < MAIL_FLAG_N_KEYWORDS; nth++) {
        g_autofree char *name = g_strdup_printf("Keyword%u", nth);
        g_autofree char *small = g_ascii_strdown(name, -1);

        g_assert_cmpuint(cache_keyword_flag(fixture->cache, small), ==, mail_flag_keyword(nth));
        g_assert_cmpstr(cache_keyword(fixture->cache, mail_flag_keyword(nth)), ==, name);
    }
}

static void test_refused(Fixture *fixture, gconstpointer data)
{
    g_autofree char *fits = g_strnfill(255, 'x'), *over = g_strnfill(256, 'x');

    g_assert_cmpuint(cache_keyword_flag(fixture->cache, ""), ==, 0);
    g_assert_cmpuint(cache_keyword_flag(fixture->cache, "\377"), ==, 0);
    g_assert_cmpuint(cache_keyword_flag(fixture->cache, over), ==, 0);
    g_assert_cmpuint(cache_keyword_flag(fixture->cache, fits), ==, mail_flag_keyword(0));
    g_assert_null(cache_keyword(fixture->cache, 0));
    g_assert_null(cache_keyword(fixture->cache, MAIL_FLAG_SEEN));
    g_assert_null(cache_keyword(fixture->cache, mail_flag_keyword(1)));
    g_assert_null(cache_keyword(fixture->cache, mail_flag_keyword(0) | mail_flag_keyword(1)));
}

/* One is lost from the index: the others keep their bits, and its bit is not given to another. */
static void test_hole(Fixture *fixture, gconstpointer data)
{
    g_autofree char *path = fixture_path(fixture, "index.sqlite");
    sqlite3 *db;

    cache_keyword_flag(fixture->cache, "a");
    cache_keyword_flag(fixture->cache, "b");
    fixture_close(fixture);
    g_assert_cmpint(sqlite3_open(path, &db), ==, SQLITE_OK);
    g_assert_cmpint(sqlite3_exec(db, "DELETE FROM keyword WHERE nth = 0", NULL, NULL, NULL), ==,
                    SQLITE_OK);
    sqlite3_close(db);
    fixture_open(fixture);
    g_assert_cmpstr(cache_keyword(fixture->cache, mail_flag_keyword(1)), ==, "b");
    g_assert_null(cache_keyword(fixture->cache, mail_flag_keyword(0)));
    g_assert_cmpuint(cache_keyword_flag(fixture->cache, "c"), ==, mail_flag_keyword(2));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    FIXTURE_TEST("/cache/keywords/given-out", test_given_out);
    FIXTURE_TEST("/cache/keywords/refused", test_refused);
    FIXTURE_TEST("/cache/keywords/hole", test_hole);
    return g_test_run();
}

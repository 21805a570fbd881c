/* SPDX-License-Identifier: MIT */
/* tests/unit/imap/quota.c - what is told of the quota of a mailbox. */
#include "tests/unit/imap/play.h"
#include "tests/unit/imap/writer.h"
#include "tests/unit/net/client.h"

typedef struct {
    const char *name;
    const char *told[4]; /* by GETQUOTAROOT */
    const char *answer;
    CacheResource storage, messages;
} Row;

#define MAX_NUMBER "18446744073709551615"

static const Row rows[] = {
    {"both",
     {"QUOTAROOT A \"User quota\"", "QUOTA \"User quota\" (STORAGE 58 100 MESSAGE 3 20)"},
     "OK",
     {58 * 1024 - 1023, 100 * 1024},
     {3, 20}},
    {"empty-name", {"QUOTAROOT A \"\"", "QUOTA \"\" (STORAGE 0 100)"}, "OK", {0, 102400}, {0, 0}},
    {"other-order", {"QUOTA r (storage 1 2)", "QUOTAROOT A r"}, "OK", {1, 2048}, {0, 0}},
    {"used-up", {"QUOTAROOT A r", "QUOTA r (STORAGE 5 1)"}, "OK", {4097, 1024}, {0, 0}},
    {"strictest",
     {"QUOTAROOT A r s t", "QUOTA r (STORAGE 0 9 MESSAGE 8 9)", "QUOTA s (STORAGE 90 98)",
      "QUOTA t (MESSAGE 0 5)"},
     "OK",
     {90 * 1024 - 1023, 98 * 1024},
     {8, 9}},
    {"other-root", {"QUOTAROOT A r", "QUOTA s (STORAGE 9 9)"}, "OK", {0, 0}, {0, 0}},
    {"no-root", {"QUOTAROOT A", "QUOTA s (STORAGE 9 9)"}, "OK", {0, 0}, {0, 0}},
    {"nothing", {NULL}, "OK", {0, 0}, {0, 0}},
    {"no", {"QUOTAROOT A r", "QUOTA r (STORAGE 9 9)"}, "NO", {0, 0}, {0, 0}},
    {"bad", {NULL}, "BAD", {0, 0}, {0, 0}},
    {"no-limit", {"QUOTAROOT A r", "QUOTA r ()"}, "OK", {0, 0}, {0, 0}},
    {"other-resource",
     {"QUOTAROOT A r", "QUOTA r (MAILBOX 1 2 STORAGE 1 4)"},
     "OK",
     {1, 4096},
     {0, 0}},
    {"too-large",
     {"QUOTAROOT A r", "QUOTA r (STORAGE 1 " MAX_NUMBER " MESSAGE " MAX_NUMBER "0 1)"},
     "OK",
     {0, 0},
     {0, 0}},
    {"negative", {"QUOTAROOT A r", "QUOTA r (STORAGE -1 -1)"}, "OK", {0, 0}, {0, 0}},
    {"cut-short", {"QUOTAROOT A r", "QUOTA r (STORAGE 1)"}, "OK", {0, 0}, {0, 0}},
    {"not-a-list", {"QUOTAROOT A r", "QUOTA r STORAGE 1 2"}, "OK", {0, 0}, {0, 0}},
    {"no-words", {"QUOTAROOT", "QUOTA", "QUOTAROOT A (r)", "QUOTA (r)"}, "OK", {0, 0}, {0, 0}},
};

/* All is asked before anything is answered. */
static void play_quota(int fd, gconstpointer data)
{
    const Row *row = data;
    g_autofree char *select = play_expect(fd, "SELECT A"), *rights = play_expect(fd, "MYRIGHTS A"),
                    *quota = play_expect(fd, "GETQUOTAROOT A");

    play_say(fd, "%s OK [READ-WRITE] done", select);
    play_say(fd, "* MYRIGHTS A lrsi");
    play_say(fd, "%s OK done", rights);
    for (gsize i = 0; i < G_N_ELEMENTS(row->told) && row->told[i]; i++)
        play_say(fd, "* %s", row->told[i]);
    play_say(fd, "%s %s done", quota, row->answer);
}

static void on_done(ImapWorker *worker)
{
}

/* What may be done in A. */
static CacheRights ask(Writer *writer)
{
    CacheRights rights;

    imap_rights_start(writer->worker, writer->a, on_done);
    client_await(!writer->worker->rights);
    cache_known_rights(writer->fixture.cache, writer->a, &rights);
    return rights;
}

static void test_row(gconstpointer data)
{
    const Row *row = data;
    g_autoptr(Writer) writer = writer_new("IMAP4rev1 ACL QUOTA", play_quota, row);
    CacheRights rights = ask(writer);

    g_assert_cmpuint(rights.storage.used, ==, row->storage.used);
    g_assert_cmpuint(rights.storage.limit, ==, row->storage.limit);
    g_assert_cmpuint(rights.messages.used, ==, row->messages.used);
    g_assert_cmpuint(rights.messages.limit, ==, row->messages.limit);
    g_assert_true(rights.may_insert);
    g_assert_false(rights.may_remove);
}

/* The last of the roots is one too many. */
static void play_many(int fd, gconstpointer data)
{
    g_autoptr(GString) names = g_string_new(NULL);
    g_autofree char *tag = NULL;

    for (guint i = 0; i <= 100; i++)
        g_string_append_printf(names, " r%u", i);
    play_accept(fd, "SELECT A");
    tag = play_expect(fd, "GETQUOTAROOT A");
    play_say(fd, "* QUOTAROOT A%s", names->str);
    play_say(fd, "* QUOTA r99 (MESSAGE 2 9)");
    play_say(fd, "* QUOTA r100 (MESSAGE 9 9)");
    play_say(fd, "%s OK done", tag);
}

static void test_many_roots(void)
{
    g_autoptr(Writer) writer = writer_new("IMAP4rev1 QUOTA", play_many, NULL);
    CacheRights rights = ask(writer);

    g_assert_cmpuint(rights.messages.used, ==, 2);
}

static void play_without(int fd, gconstpointer data)
{
    play_accept(fd, "SELECT A");
}

static void test_servers_without(void)
{
    g_autoptr(Writer) writer = writer_new("IMAP4rev1", play_without, NULL);
    CacheRights rights = ask(writer);

    g_assert_cmpuint(rights.storage.limit, ==, 0);
}

/* --- of the account --- */

static void play_account(int fd, gconstpointer data)
{
    g_autofree char *tag = play_expect(fd, "GETQUOTAROOT INBOX");

    play_say(fd, "* QUOTAROOT INBOX r");
    play_say(fd, "* QUOTA r (STORAGE 58 100)");
    play_say(fd, "%s OK done", tag);
}

static void test_account(void)
{
    g_autoptr(Writer) writer = writer_new("IMAP4rev1 QUOTA", play_account, NULL);
    Cache *cache = writer->fixture.cache;
    CacheQuota quota;
    guint64 want;

    g_assert_cmpint(cache_quota(cache, &quota, &want, NULL), ==, CACHE_WAIT);
    imap_quota_start(writer->worker, g_queue_peek_head((GQueue *)cache_wants(cache)));
    client_await(!writer->worker->jobs.length);
    g_assert_cmpint(cache_quota(cache, &quota, &want, NULL), ==, CACHE_FOUND);
    g_assert_cmpuint(quota.used, ==, 58 * 1024);
    g_assert_cmpuint(quota.limit, ==, 100 * 1024);
    g_assert_cmpuint(cache_wants(cache)->length, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strconcat("/imap/quota/told/", rows[i].name, NULL);

        g_test_add_data_func(path, &rows[i], test_row);
    }
    g_test_add_func("/imap/quota/many-roots", test_many_roots);
    g_test_add_func("/imap/quota/account", test_account);
    g_test_add_func("/imap/quota/servers-without", test_servers_without);
    return g_test_run();
}

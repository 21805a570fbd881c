/* SPDX-License-Identifier: MIT */
/* tests/unit/imap/rights.c - how large a message a mailbox takes. */
#include "tests/unit/imap/play.h"
#include "tests/unit/imap/writer.h"
#include "tests/unit/net/client.h"

typedef struct {
    const char *name;
    const char *capabilities;
    const char *told; /* by STATUS; NULL: it is not asked */
    guint64 expected;
} Row;

static const Row rows[] = {
    {"number", "IMAP4rev1 APPENDLIMIT", "A (APPENDLIMIT 1000)", 1000},
    {"largest", "IMAP4rev1 APPENDLIMIT", "A (APPENDLIMIT 18446744073709551615)", G_MAXUINT64},
    {"too-large", "IMAP4rev1 APPENDLIMIT", "A (APPENDLIMIT 18446744073709551616)", 0},
    {"zero", "IMAP4rev1 APPENDLIMIT", "A (APPENDLIMIT 0)", 0},
    {"negative", "IMAP4rev1 APPENDLIMIT", "A (APPENDLIMIT -1)", 0},
    {"nil", "IMAP4rev1 APPENDLIMIT", "A (APPENDLIMIT NIL)", 0},
    {"string", "IMAP4rev1 APPENDLIMIT", "A (APPENDLIMIT \"1000\")", 0},
    {"list", "IMAP4rev1 APPENDLIMIT", "A (APPENDLIMIT (1000))", 0},
    {"no-value", "IMAP4rev1 APPENDLIMIT", "A (APPENDLIMIT)", 0},
    {"not-told", "IMAP4rev1 APPENDLIMIT", "A ()", 0},
    {"one-for-all", "IMAP4rev1 APPENDLIMIT=1000", NULL, 0},
    {"both", "IMAP4rev1 APPENDLIMIT APPENDLIMIT=5000", "A (APPENDLIMIT 1000)", 1000},
    {"none", "IMAP4rev1", NULL, 0},
};

static void play_rights(int fd, gconstpointer data)
{
    const Row *row = data;
    g_autofree char *tag = NULL;

    if (row->told) {
        tag = play_expect(fd, "STATUS A (APPENDLIMIT)");
        play_say(fd, "* STATUS %s", row->told);
        play_say(fd, "%s OK done", tag);
    }
    play_accept(fd, "SELECT A");
}

static void play_refusal(int fd, gconstpointer data)
{
    g_autofree char *tag = play_expect(fd, "STATUS A (APPENDLIMIT)");

    play_say(fd, "%s NO not now", tag);
    play_accept(fd, "SELECT A");
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
    g_autoptr(Writer) writer = writer_new(row->capabilities, play_rights, row);
    CacheRights rights = ask(writer);

    g_assert_cmpuint(rights.append_limit, ==, row->expected);
    g_assert_true(rights.may_insert);
}

static void test_refusal(void)
{
    g_autoptr(Writer) writer = writer_new("IMAP4rev1 APPENDLIMIT", play_refusal, NULL);
    CacheRights rights = ask(writer);

    g_assert_cmpuint(rights.append_limit, ==, 0);
    g_assert_true(rights.may_insert);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strconcat("/imap/rights/limit/", rows[i].name, NULL);

        g_test_add_data_func(path, &rows[i], test_row);
    }
    g_test_add_func("/imap/rights/limit-is-refused", test_refusal);
    return g_test_run();
}

/* SPDX-License-Identifier: MIT */
/* tests/unit/pop/spool-disk.c - in which order things reach the disk, what it costs, and what a
 * spool is without its index. */
#include <errno.h>
#include <glib/gstdio.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk.h"
#include "spool-fixture.h"

static void set_up(Fixture *fixture, gconstpointer data)
{
    disk_reset();
    fixture_set_up(fixture, data);
    disk_reset();
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    disk_reset();
    disk_set_lazy(FALSE);
    fixture_tear_down(fixture, data);
}

#define DISK_TEST(path, func) g_test_add(path, Fixture, NULL, set_up, func, tear_down)

static void expect_log(const char *expected)
{
    g_autofree char *log = disk_take_log();

    g_assert_cmpstr(log, ==, expected);
    g_assert_cmpuint(disk_n_engine_syncs(), ==, 0);
}

/* --- order --- */

static void test_order(Fixture *fixture, gconstpointer data)
{
    Answer answer = {0};

    MATCH(fixture, "a", "b");
    expect_log("sync-index ");
    fixture_store(fixture, 1, "text");
    expect_log("sync-file move sync-dir sync-index ");
    /* The same again. */
    fixture_store(fixture, 1, "text");
    expect_log("remove ");
    fixture_move(fixture, 1, POP_PLACE_READ);
    expect_log("move sync-dir sync-dir sync-index ");
    fixture_move(fixture, 1, POP_PLACE_READ);
    expect_log("");
    fixture_move(fixture, 1, POP_PLACE_TRASH);
    g_free(disk_take_log());
    pop_spool_clean(fixture->spool, G_MAXINT32, answer_done, &answer);
    answer_number(&answer);
    expect_log("remove sync-dir sync-index ");
}

static void test_order_of_others(Fixture *fixture, gconstpointer data)
{
    fixture_write(fixture, "spool/new/foreign", "text");
    g_free(disk_take_log());
    g_assert_true(fixture_refresh(fixture));
    expect_log("sync-file move sync-dir sync-dir sync-dir sync-dir sync-dir sync-dir sync-index ");
}

/* Nothing is promised by the engine's own writes: a big message is not synced there either. */
static void test_big(Fixture *fixture, gconstpointer data)
{
    g_autofree char *big = g_strnfill(300000, 'x');

    MATCH(fixture, "a");
    expect_log("sync-index ");
    fixture_store(fixture, 1, big);
    expect_log("sync-file move sync-dir sync-index ");
}

/* --- cost --- */

#define N_MANY 1000

static guint n_done;

static void on_done(guint32 number, const GError *error, gpointer data)
{
    g_assert_no_error((GError *)error);
    n_done++;
}

static void match_many(Fixture *fixture, guint n)
{
    g_autoptr(GPtrArray) uidls = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < n; i++)
        g_ptr_array_add(uidls, g_strdup_printf("uidl-%u", i));
    fixture_match(fixture, (const char *const *)uidls->pdata, n);
}

static void receive_many(Fixture *fixture, guint n)
{
    n_done = 0;
    for (guint32 number = 1; number <= n; number++) {
        g_autofree char *text = g_strdup_printf("Subject: %u\r\n\r\n", number);
        PopWriter *writer = pop_spool_receive(fixture->spool, number);

        g_assert_true(pop_writer_append(writer, text, strlen(text), NULL));
        pop_writer_finish(writer, on_done, NULL);
    }
    while (n_done < n)
        g_main_context_iteration(NULL, TRUE);
}

static void test_many_at_once(Fixture *fixture, gconstpointer data)
{
    g_autofree char *log = NULL;

    disk_set_lazy(TRUE);
    match_many(fixture, N_MANY);
    g_free(disk_take_log());
    receive_many(fixture, N_MANY);
    log = disk_take_log();
    g_assert_cmpuint(disk_count(log, "sync-file "), ==, N_MANY);
    g_assert_cmpuint(disk_count(log, "sync-dir "), <=, 5);
    g_assert_cmpuint(disk_count(log, "sync-index "), <=, 10);
    g_assert_cmpuint(disk_n_engine_syncs(), ==, 0);
    g_assert_cmpuint(fixture_count_files(fixture, "spool/new"), ==, N_MANY);
}

/* No file is opened, and no row is written. */
static void test_opens_fast(Fixture *fixture, gconstpointer data)
{
    PopFigures figures;

    disk_set_lazy(TRUE);
    match_many(fixture, 10 * N_MANY);
    receive_many(fixture, 10 * N_MANY);
    fixture_close(fixture);
    disk_reset();
    fixture_open(fixture);
    g_assert_cmpuint(disk_n_opens(), <, 50);
    g_assert_cmpuint(disk_n_calls(), <, 50);
    pop_spool_figures(fixture->spool, &figures);
    g_assert_cmpuint(figures.n[POP_PLACE_INBOX], ==, 10 * N_MANY);
    fixture_expect(fixture, 4711, POP_PLACE_INBOX, "Subject: 4711\r\n\r\n");
}

/* --- a disk that is full, or bad --- */

static const char *failure_of(const Fixture *fixture)
{
    PopFigures figures;

    pop_spool_figures(fixture->spool, &figures);
    return figures.failure;
}

static void test_full(Fixture *fixture, gconstpointer data)
{
    Answer answer = {0};

    MATCH(fixture, "a");
    disk_fail(0, G_MAXUINT, ENOSPC);
    fixture_receive(fixture, 1, "text", 4, &answer);
    answer_error(&answer, MAIL_ERROR_NO_SPACE);
    g_assert_nonnull(failure_of(fixture));
    fixture_expect_list(fixture, "1 waiting");
    g_assert_cmpuint(fixture_count_files(fixture, "spool/new"), ==, 0);
    disk_reset();
    fixture_store(fixture, 1, "text");
    g_assert_null(failure_of(fixture));
    fixture_expect(fixture, 1, POP_PLACE_INBOX, "text");
}

static void test_full_while_writing(Fixture *fixture, gconstpointer data)
{
    g_autofree char *big = g_strnfill(200000, 'x');
    g_autoptr(PopWriter) writer = pop_spool_receive(fixture->spool, POP_NUMBER_OF_CONTENT);
    g_autoptr(GError) error = NULL, again = NULL;

    g_assert_true(pop_writer_append(writer, big, 100000, NULL));
    disk_fail(0, G_MAXUINT, ENOSPC);
    g_assert_false(pop_writer_append(writer, big, 100000, &error));
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_NO_SPACE);
    disk_reset();
    /* What is missing in the middle is missed in the end. */
    g_assert_false(pop_writer_append(writer, big, 1, &again));
    g_assert_error(again, MAIL_ERROR, MAIL_ERROR_NO_SPACE);
}

/* One that cannot be synced does not hold up the others, and is not there. */
static void test_bad_file_of_many(Fixture *fixture, gconstpointer data)
{
    Answer answers[3] = {0};

    MATCH(fixture, "a", "b", "c");
    disk_reset();
    for (guint i = 0; i < 3; i++)
        fixture_receive(fixture, i + 1, &"xyz"[i], 1, &answers[i]);
    /* Each is created and written; then the first is synced and moved, and then comes this. */
    disk_fail(9, 9, EIO);
    g_assert_cmpuint(answer_number(&answers[0]), ==, 1);
    answer_error(&answers[1], MAIL_ERROR_LOCAL);
    g_assert_cmpuint(answer_number(&answers[2]), ==, 3);
    fixture_expect_list(fixture, "1 inbox, 2 waiting, 3 inbox");
    g_assert_cmpuint(fixture_count_files(fixture, "spool/new"), ==, 2);
    g_assert_cmpuint(fixture_count_files(fixture, "spool/tmp"), ==, 0);
}

static void test_directory_cannot_be_synced(Fixture *fixture, gconstpointer data)
{
    Answer answer = {0};

    MATCH(fixture, "a");
    disk_reset();
    fixture_receive(fixture, 1, "text", 4, &answer);
    /* It is created, written, synced and moved. */
    disk_fail(5, 5, EIO);
    answer_error(&answer, MAIL_ERROR_LOCAL);
    fixture_expect_list(fixture, "1 waiting");
    g_assert_cmpuint(fixture_count_files(fixture, "spool/new"), ==, 0);
    g_assert_cmpuint(fixture_count_files(fixture, "spool/tmp"), ==, 0);
    g_assert_cmpuint(fixture_store(fixture, 1, "text"), ==, 1);
}

/* The index cannot be written, but the message is here: it is known when the disk is in order. */
static void test_index_fails(Fixture *fixture, gconstpointer data)
{
    Answer failed = {0};

    MATCH(fixture, "a");
    disk_reset();
    fixture_receive(fixture, 1, "text", 4, &failed);
    /* It is created, written, synced and moved, and the directory is synced. */
    disk_fail(6, G_MAXUINT, ENOSPC);
    answer_error(&failed, MAIL_ERROR_NO_SPACE);
    fixture_expect_list(fixture, "1 waiting");
    g_assert_false(pop_spool_may_delete(fixture->spool, 1, 0, G_MAXINT32));
    disk_reset();
    g_assert_true(fixture_refresh(fixture));
    g_assert_false(fixture_refresh(fixture));
    fixture_expect(fixture, 1, POP_PLACE_INBOX, "text");
    g_assert_true(pop_spool_may_delete(fixture->spool, 1, 0, G_MAXINT32));
    fixture_reopen(fixture);
    fixture_expect_list(fixture, "1 inbox");
}

/* Then it cannot be read either, and comes again from the server: it is not doubled. */
static void test_index_fails_and_file(Fixture *fixture, gconstpointer data)
{
    Answer failed = {0};

    MATCH(fixture, "a");
    disk_reset();
    fixture_receive(fixture, 1, "text", 4, &failed);
    disk_fail(6, G_MAXUINT, EIO);
    answer_error(&failed, MAIL_ERROR_LOCAL);
    disk_reset();
    disk_fail(1, 1, EIO);
    g_assert_cmpuint(fixture_store(fixture, 1, "text"), ==, 1);
    g_assert_cmpuint(fixture_count_files(fixture, "spool/new"), ==, 1);
    fixture_reopen(fixture);
    fixture_expect_list(fixture, "1 inbox");
    fixture_expect(fixture, 1, POP_PLACE_INBOX, "text");
}

/* What was found meanwhile is told to who asks. */
static void test_news_are_kept(Fixture *fixture, gconstpointer data)
{
    Answer failed = {0};

    MATCH(fixture, "a", "b");
    disk_reset();
    fixture_receive(fixture, 1, "text", 4, &failed);
    disk_fail(6, G_MAXUINT, EIO);
    answer_error(&failed, MAIL_ERROR_LOCAL);
    disk_reset();
    fixture_store(fixture, 2, "other");
    fixture_expect_list(fixture, "1 inbox, 2 inbox");
    g_assert_true(fixture_refresh(fixture));
    g_assert_false(fixture_refresh(fixture));
}

/* --- without its index --- */

static void write_bytes(const char *path, const char *bytes, gsize len)
{
    g_assert_true(g_file_set_contents(path, bytes, (gssize)len, NULL));
}

static void do_sql(const char *path, const char *sql)
{
    sqlite3 *db;

    g_assert_cmpint(sqlite3_open(path, &db), ==, SQLITE_OK);
    g_assert_cmpint(sqlite3_exec(db, sql, NULL, NULL, NULL), ==, SQLITE_OK);
    sqlite3_close(db);
}

static void remove_it(const char *path)
{
    g_assert_cmpint(g_unlink(path), ==, 0);
}

static void empty_it(const char *path)
{
    g_assert_cmpint(truncate(path, 0), ==, 0);
}

static void put_garbage(const char *path)
{
    g_autofree char *garbage = g_strnfill(20000, 'x');

    write_bytes(path, garbage, 20000);
}

static void halve_it(const char *path)
{
    struct stat st;

    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmpint(truncate(path, st.st_size / 2), ==, 0);
}

static void put_later_version(const char *path)
{
    do_sql(path, "PRAGMA user_version = 999");
}

static void drop_table(const char *path)
{
    do_sql(path, "DROP TABLE message");
}

static void put_nonsense(const char *path)
{
    do_sql(path, "UPDATE message SET place = 77");
}

static void shorten_hashes(const char *path)
{
    do_sql(path, "UPDATE message SET hash = x'00'");
}

/* In the middle of the rows, which it was not closed with. */
static void put_garbage_page(const char *path)
{
    g_autofree char *bytes = NULL;
    gsize len;

    do_sql(path, "UPDATE meta SET value = '0' WHERE key = 'clean'");
    g_assert_true(g_file_get_contents(path, &bytes, &len, NULL));
    memset(bytes + len - 4096, 'x', 4096);
    write_bytes(path, bytes, len);
}

static const struct {
    const char *name;
    void (*damage)(const char *path);
} damages[] = {
    {"removed", remove_it},
    {"emptied", empty_it},
    {"garbage", put_garbage},
    {"halved", halve_it},
    {"later-version", put_later_version},
    {"table-dropped", drop_table},
    {"nonsense", put_nonsense},
    {"hashes-shortened", shorten_hashes},
    {"garbage-page", put_garbage_page},
};

/* The messages keep their numbers, and are not doubled when they are retrieved again. */
static void test_damaged(Fixture *fixture, gconstpointer data)
{
    g_autofree char *path = fixture_path(fixture, "pop.sqlite");
    Answer answer;
    guint32 validity;

    MATCH(fixture, "a", "b", "c");
    fixture_store(fixture, 1, "one");
    fixture_store(fixture, 3, "three");
    fixture_move(fixture, 3, POP_PLACE_TRASH);
    fixture_move(fixture, 1, POP_PLACE_READ);
    validity = pop_spool_validity(fixture->spool);
    fixture_reopen(fixture);
    g_assert_cmpuint(pop_spool_validity(fixture->spool), ==, validity);
    fixture_close(fixture);
    damages[GPOINTER_TO_UINT(data)].damage(path);
    fixture_open(fixture);
    g_assert_cmpuint(pop_spool_validity(fixture->spool), !=, validity);
    fixture_expect_list(fixture, "1 read, 3 trash");
    fixture_expect(fixture, 1, POP_PLACE_READ, "one");
    fixture_expect(fixture, 3, POP_PLACE_TRASH, "three");
    g_assert_cmpint(pop_spool_get(fixture->spool, 3)->trashed, >, 0);
    g_assert_false(pop_spool_may_delete(fixture->spool, 1, 0, G_MAXINT32));
    answer = MATCH(fixture, "a", "b");
    g_assert_cmpint(answer.matches[0].kind, ==, POP_MATCH_NEW);
    g_assert_cmpuint(answer.matches[0].number, ==, 4);
    g_assert_cmpuint(fixture_store(fixture, 4, "one"), ==, 1);
    fixture_reopen(fixture);
    fixture_expect_list(fixture, "1 read, 3 trash, 5 waiting");
    g_assert_true(pop_spool_may_delete(fixture->spool, 1, 0, G_MAXINT32));
}

/* A disk that refuses, at any step of opening it, does not make an index a damaged one. */
static void test_index_cannot_be_written(Fixture *fixture, gconstpointer data)
{
    guint n = 0;

    fixture_store(fixture, POP_NUMBER_OF_CONTENT, "text");
    fixture_close(fixture);
    for (; !fixture->spool; n++) {
        g_autoptr(GError) error = NULL;

        disk_reset();
        disk_fail(n, G_MAXUINT, n % 2 ? EIO : ENOSPC);
        fixture->spool = pop_spool_open(fixture->dir, &error);
        g_assert_true(fixture->spool || error);
    }
    g_assert_cmpuint(n, >, 3);
    disk_reset();
    fixture_reopen(fixture);
    fixture_expect_list(fixture, "1 inbox");
    /* The Maildir, the index and its log. */
    g_assert_cmpuint(fixture_count_files(fixture, ""), ==, 3);
}

static void add_damages(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(damages); i++) {
        g_autofree char *path = g_strdup_printf("/pop/spool-disk/damaged/%s", damages[i].name);

        g_test_add(path, Fixture, GUINT_TO_POINTER(i), set_up, test_damaged, tear_down);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    DISK_TEST("/pop/spool-disk/order", test_order);
    DISK_TEST("/pop/spool-disk/order-of-others", test_order_of_others);
    DISK_TEST("/pop/spool-disk/big", test_big);
    DISK_TEST("/pop/spool-disk/many-at-once", test_many_at_once);
    DISK_TEST("/pop/spool-disk/opens-fast", test_opens_fast);
    DISK_TEST("/pop/spool-disk/full", test_full);
    DISK_TEST("/pop/spool-disk/full-while-writing", test_full_while_writing);
    DISK_TEST("/pop/spool-disk/bad-file-of-many", test_bad_file_of_many);
    DISK_TEST("/pop/spool-disk/directory-cannot-be-synced", test_directory_cannot_be_synced);
    DISK_TEST("/pop/spool-disk/index-fails", test_index_fails);
    DISK_TEST("/pop/spool-disk/index-fails-and-file", test_index_fails_and_file);
    DISK_TEST("/pop/spool-disk/news-are-kept", test_news_are_kept);
    add_damages();
    DISK_TEST("/pop/spool-disk/index-cannot-be-written", test_index_cannot_be_written);
    return g_test_run();
}

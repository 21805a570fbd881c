/* SPDX-License-Identifier: MIT */
/* tests/unit/cache/recovery.c - the log of the index stays short and is synced by others than the
 * engine; writes that fail cost no more than they must; the index is put right after an unclean
 * end. */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file-limit.h"
#include "fixture.h"

#define SIZE        ((guint64)3 * CACHE_BLOCK_SIZE)
#define PATIENCE_US (20 * (gint64)G_USEC_PER_SEC)

static gboolean has_file(const Fixture *fixture, const char *name)
{
    g_autofree char *path = fixture_path(fixture, name);

    return g_access(path, F_OK) == 0;
}

static char *body_path(const Fixture *fixture, guint32 box, const char *body)
{
    g_autofree char *name = g_strdup_printf("blocks/%u/%s", fixture_generation(fixture, box), body);

    return fixture_path(fixture, name);
}

static void do_sql(const Fixture *fixture, const char *sql)
{
    g_autofree char *path = fixture_path(fixture, "index.sqlite");
    sqlite3 *db;

    g_assert_cmpint(sqlite3_open(path, &db), ==, SQLITE_OK);
    g_assert_cmpint(sqlite3_exec(db, sql, NULL, NULL, NULL), ==, SQLITE_OK);
    sqlite3_close(db);
}

static guint64 total(const Fixture *fixture)
{
    CacheFigures figures;

    cache_figures(fixture->cache, &figures);
    return figures.block_bytes;
}

/* --- syncs, which are counted, and can be held up in other threads --- */

static GThread *engine;
static guint n_engine_syncs;
static GMutex gate_mutex;
static GCond gate_cond;
static gboolean gate_is_shut, somebody_is_at_gate;

static int count_sync(long call, int fd)
{
    if (g_thread_self() == engine) {
        n_engine_syncs++;
    } else {
        g_mutex_lock(&gate_mutex);
        somebody_is_at_gate = TRUE;
        g_cond_broadcast(&gate_cond);
        while (gate_is_shut)
            g_cond_wait(&gate_cond, &gate_mutex);
        somebody_is_at_gate = FALSE;
        g_mutex_unlock(&gate_mutex);
    }
    return (int)syscall(call, fd);
}

int fsync(int fd)
{
    return count_sync(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return count_sync(SYS_fdatasync, fd);
}

static void shut_gate(void)
{
    g_mutex_lock(&gate_mutex);
    gate_is_shut = TRUE;
    g_mutex_unlock(&gate_mutex);
}

static void wait_at_gate(void)
{
    gint64 end = g_get_monotonic_time() + PATIENCE_US;

    g_mutex_lock(&gate_mutex);
    while (!somebody_is_at_gate)
        g_assert_true(g_cond_wait_until(&gate_cond, &gate_mutex, end));
    g_mutex_unlock(&gate_mutex);
}

static void open_gate(void)
{
    g_mutex_lock(&gate_mutex);
    gate_is_shut = FALSE;
    g_cond_broadcast(&gate_cond);
    g_mutex_unlock(&gate_mutex);
}

/* --- the log --- */

#define N_BULK 1000

/* @n messages whose rows have ten thousand octets, all in this turn. */
static void put_bulk(Fixture *fixture, guint32 box, guint n)
{
    g_autofree char *field = g_strnfill(MAIL_ENVELOPE_FIELD_MAX, 'x');
    const char *fields[MAIL_ENVELOPE_N_FIELDS];
    g_autoptr(MailEnvelope) envelope = NULL;
    guint32 first = cache_newest_uid(fixture->cache, box) + 1;

    for (gsize i = 0; i < G_N_ELEMENTS(fields); i++)
        fields[i] = field;
    envelope = mail_envelope_new(fields);
    for (guint32 uid = first; uid < first + n; uid++)
        cache_put_line(fixture->cache, box, &(CacheMessage){.uid = uid, .size = SIZE}, envelope);
}

/* How often the log began anew: the checkpoint sequence number in its head. */
static guint32 log_number(const Fixture *fixture)
{
    g_autofree char *path = fixture_path(fixture, "index.sqlite-wal");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    guint32 words[4] = {0};

    g_assert_cmpint(read(fd, words, sizeof words), ==, sizeof words);
    close(fd);
    return GUINT32_FROM_BE(words[3]);
}

/* Fills the log until it is brought into the database and begins anew. */
static void turn_log_over(Fixture *fixture, guint32 box)
{
    gint64 end = g_get_monotonic_time() + PATIENCE_US;
    guint32 number = log_number(fixture);

    put_bulk(fixture, box, N_BULK);
    fixture_settle();
    for (guint n = 0; log_number(fixture) == number && g_get_monotonic_time() < end; n++) {
        cache_put_flags(fixture->cache, box, 1, n & 1 ? MAIL_FLAG_SEEN : 0);
        fixture_settle();
    }
    g_assert_cmpuint(log_number(fixture), >, number);
}

static void test_log_begins_anew(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 1, SIZE);

    turn_log_over(fixture, box);
    turn_log_over(fixture, box);
    fixture_reopen(fixture);
    g_assert_cmpuint(cache_box_n_messages(fixture->cache, box), ==, 1 + 2 * N_BULK);
}

static void test_engine_syncs_at_end_only(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 1, SIZE);

    n_engine_syncs = 0;
    turn_log_over(fixture, box);
    g_assert_cmpuint(n_engine_syncs, ==, 0);
    fixture_close(fixture);
    g_assert_cmpuint(n_engine_syncs, >, 0);
}

/* --- damage --- */

/* Overwrites in place, as a failing disk does. */
static void overwrite(const Fixture *fixture, const char *name)
{
    g_autofree char *path = fixture_path(fixture, name), *garbage = g_strnfill(4096, 'x');
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    struct stat st;

    g_assert_cmpint(fstat(fd, &st), ==, 0);
    for (off_t at = 0; at < st.st_size; at += 4096)
        g_assert_cmpint(pwrite(fd, garbage, 4096, at), ==, 4096);
    close(fd);
}

static void touch_all(Fixture *fixture, guint32 box)
{
    guint32 generation = fixture_generation(fixture, box);

    for (guint32 uid = 1; uid <= N_BULK; uid++)
        mail_envelope_unref(cache_dup_envelope(fixture->cache, generation, uid));
}

/* The files are not moved under a checkpoint. */
static void test_damaged_during_checkpoint(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 1, SIZE), old = fixture_generation(fixture, box);
    gint64 end = g_get_monotonic_time() + PATIENCE_US;

    shut_gate();
    put_bulk(fixture, box, N_BULK);
    fixture_settle();
    wait_at_gate();
    overwrite(fixture, "index.sqlite");
    overwrite(fixture, "index.sqlite-wal");
    touch_all(fixture, box);
    fixture_settle();
    g_assert_cmpuint(fixture_generation(fixture, box), ==, old);
    g_assert_false(has_file(fixture, "index.sqlite.damaged"));
    open_gate();
    while (!has_file(fixture, "index.sqlite.damaged") && g_get_monotonic_time() < end)
        g_main_context_iteration(NULL, FALSE);
    g_assert_cmpuint(fixture_generation(fixture, box), >, old);
    fixture_put_inbox(fixture, 5, SIZE);
    fixture_reopen(fixture);
    g_assert_cmpuint(cache_box_n_messages(fixture->cache, box), ==, 5);
}

/* It is kept for who wants to look into it while the mount lasts. */
static void test_damaged_is_removed(Fixture *fixture, gconstpointer data)
{
    fixture_put_inbox(fixture, 5, SIZE);
    fixture_close(fixture);
    overwrite(fixture, "index.sqlite");
    fixture_open(fixture);
    g_assert_true(has_file(fixture, "index.sqlite.damaged"));
    fixture_close(fixture);
    g_assert_false(has_file(fixture, "index.sqlite.damaged"));
}

/* --- writes that fail --- */

/* That is no damage. */
static void test_writes_refused(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 5, SIZE), old = fixture_generation(fixture, box);

    limit_files(60000);
    put_bulk(fixture, box, N_BULK);
    fixture_settle();
    limit_files(RLIM_INFINITY);
    g_assert_cmpuint(fixture_generation(fixture, box), ==, old);
    g_assert_cmpuint(cache_box_n_messages(fixture->cache, box), ==, 5 + N_BULK);
    g_assert_false(has_file(fixture, "index.sqlite.damaged"));
    fixture_reopen(fixture);
    g_assert_cmpuint(fixture_generation(fixture, box), ==, old);
}

/* What is known besides messages is written again when a transaction was lost: in its midst, for
 * there is more than the index keeps unwritten, or at its end. */
static void test_lost_transaction(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 5, SIZE);
    MailFlags first = cache_keyword_flag(fixture->cache, "first"), second;

    limit_files(60000);
    put_bulk(fixture, box, N_BULK);
    limit_files(RLIM_INFINITY);
    fixture_settle();
    second = cache_keyword_flag(fixture->cache, "second");
    for (guint32 uid = 2000; uid < 3000; uid++)
        fixture_put_line(fixture, box, uid, SIZE);
    limit_files(60000);
    fixture_settle();
    limit_files(RLIM_INFINITY);
    cache_put_flags(fixture->cache, box, 1, MAIL_FLAG_SEEN);
    fixture_reopen(fixture);
    g_assert_cmpstr(cache_keyword(fixture->cache, first), ==, "first");
    g_assert_cmpstr(cache_keyword(fixture->cache, second), ==, "second");
}

/* That changes were lost is known at the next start, even when they were the last. */
static void test_lost_at_end(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 5, SIZE);
    CacheSync sync;

    put_bulk(fixture, box, 200);
    limit_files(1000000);
    fixture_close(fixture);
    limit_files(RLIM_INFINITY);
    fixture_open(fixture);
    g_assert_true(cache_sync(fixture->cache, box, &sync));
    g_assert_false(sync.is_complete);
}

/* A crash of the system may keep a later change and lose an earlier one. */
static void test_end_of_system(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 5, SIZE);
    CacheSync sync;

    fixture_close(fixture);
    do_sql(fixture, "UPDATE meta SET value = 0 WHERE key = 'clean'");
    fixture_open(fixture);
    g_assert_true(cache_sync(fixture->cache, box, &sync));
    g_assert_true(sync.is_complete);
    fixture_close(fixture);
    do_sql(fixture, "UPDATE meta SET value = 0 WHERE key = 'clean';"
                    "UPDATE meta SET value = 'another' WHERE key = 'boot'");
    fixture_open(fixture);
    g_assert_true(cache_sync(fixture->cache, box, &sync));
    g_assert_false(sync.is_complete);
}

/* Nothing tells of them when the index on disk can be used again. */
static void test_no_blocks_without_index(Fixture *fixture, gconstpointer data)
{
    g_autofree char *body = NULL;
    guint32 box;
    guint64 want;
    gsize len;

    fixture_close(fixture);
    limit_files(0);
    fixture_open(fixture);
    limit_files(RLIM_INFINITY);
    box = fixture_put_inbox(fixture, 1, SIZE);
    fixture_put_body(fixture, box, 1, SIZE);
    g_assert_cmpint(fixture_read(fixture, box, 1, 0, SIZE, &len, &want), ==, CACHE_FOUND);
    g_assert_cmpuint(len, ==, SIZE);
    body = body_path(fixture, box, "1");
    g_assert_cmpint(g_access(body, F_OK), !=, 0);
}

/* --- rows that are in the way --- */

/* Their removal was lost. */
static void test_messages_of_nobody(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 5, SIZE);

    fixture_close(fixture);
    do_sql(fixture, "INSERT INTO message (id) VALUES (77 << 32 | 5)");
    fixture_reopen(fixture);
    fixture_close(fixture);
    /* Fails when it is there. */
    do_sql(fixture, "INSERT INTO message (id) VALUES (77 << 32 | 5)");
    fixture_open(fixture);
    g_assert_cmpuint(cache_box_n_messages(fixture->cache, box), ==, 5);
}

/* A body whose row cannot be removed, and has no name, makes room for nobody. */
static void test_stubborn_body(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 5, SIZE);

    fixture_close(fixture);
    do_sql(fixture, "DROP TABLE body; CREATE TABLE body (id INTEGER, section TEXT, bytes INTEGER,"
                    " used INTEGER, PRIMARY KEY (id, section));"
                    "INSERT INTO body VALUES (2 << 32 | 1, NULL, 1 << 40, 0)");
    fixture_open(fixture);
    g_assert_cmpuint(total(fixture), ==, (guint64)1 << 40);
    fixture_put_body(fixture, box, 1, SIZE);
    fixture_settle();
    g_assert_cmpuint(total(fixture), ==, (guint64)1 << 40);
}

/* --- an engine that is never idle --- */

static gboolean stay_busy(gpointer data)
{
    return G_SOURCE_CONTINUE;
}

static void test_busy(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 20, SIZE);
    gint64 end = g_get_monotonic_time() + PATIENCE_US;
    guint busy;

    fixture->options.size_max = 4 * SIZE;
    fixture_reopen(fixture);
    busy = g_idle_add_full(G_PRIORITY_DEFAULT, stay_busy, NULL, NULL);
    for (guint32 uid = 1; uid <= 20; uid++)
        fixture_put_body(fixture, box, uid, SIZE);
    while (total(fixture) > fixture->options.size_max && g_get_monotonic_time() < end)
        g_main_context_iteration(NULL, FALSE);
    g_assert_cmpuint(total(fixture), <=, fixture->options.size_max);
    g_source_remove(busy);
}

/* --- bodies and their rows after an unclean end --- */

/* As stat() tells it. */
static guint64 room_of(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? (guint64)st.st_blocks * 512 : 0;
}

static void put_body_and_die(Fixture *fixture, guint32 box, guint32 uid)
{
    pid_t child;

    fixture_close(fixture);
    child = fork();
    g_assert_cmpint(child, >=, 0);
    if (child == 0) {
        fixture_open(fixture);
        fixture_put_body(fixture, box, uid, SIZE);
        raise(SIGKILL);
    }
    waitpid(child, NULL, 0);
    fixture_open(fixture);
}

static void test_body_of_killed(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 3, SIZE);
    g_autofree char *first = body_path(fixture, box, "1"), *second = body_path(fixture, box, "2");
    g_autoptr(MailSet) gone = mail_set_parse("2", 1);

    fixture_put_body(fixture, box, 1, SIZE);
    put_body_and_die(fixture, box, 2);
    g_assert_cmpuint(room_of(second), >=, SIZE);
    g_assert_cmpuint(total(fixture), ==, room_of(first) + room_of(second));
    cache_put_gone(fixture->cache, box, gone);
    g_assert_cmpuint(room_of(second), ==, 0);
    g_assert_cmpuint(total(fixture), ==, room_of(first));
}

/* Files that are none of ours go; a row without a file goes. */
static void test_recount(Fixture *fixture, gconstpointer data)
{
    static const char *const strange[] = {"0", "01", "1.", "-1", "4294967296", "x", "1x", "5"};
    guint32 box = fixture_put_inbox(fixture, 3, SIZE);
    g_autofree char *first = body_path(fixture, box, "1"), *second = body_path(fixture, box, "2");
    g_autofree char *part = body_path(fixture, box, "3.1.MIME"), *bytes = NULL;
    gsize len;

    fixture_put_body(fixture, box, 1, SIZE);
    fixture_put_body(fixture, box, 2, SIZE);
    g_assert_true(g_file_get_contents(first, &bytes, &len, NULL));
    g_assert_true(g_file_set_contents(part, bytes, (gssize)len, NULL));
    for (gsize i = 0; i < G_N_ELEMENTS(strange); i++) {
        g_autofree char *path = body_path(fixture, box, strange[i]);

        g_assert_true(g_file_set_contents(path, "", 0, NULL));
    }
    fixture_close(fixture);
    g_assert_cmpint(g_unlink(second), ==, 0);
    do_sql(fixture, "UPDATE meta SET value = 0 WHERE key = 'clean'");
    fixture_open(fixture);
    g_assert_cmpuint(total(fixture), ==, room_of(first) + room_of(part));
    for (gsize i = 0; i < G_N_ELEMENTS(strange); i++) {
        g_autofree char *path = body_path(fixture, box, strange[i]);

        g_assert_cmpint(g_access(path, F_OK), !=, 0);
    }
    /* What nobody was seen to use is the first to go. */
    fixture->options.size_max = room_of(first);
    fixture_reopen(fixture);
    fixture_settle();
    g_assert_cmpuint(room_of(first), >, 0);
    g_assert_cmpuint(room_of(part), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    engine = g_thread_self();
    FIXTURE_TEST("/cache/recovery/log-begins-anew", test_log_begins_anew);
    FIXTURE_TEST("/cache/recovery/engine-syncs-at-end-only", test_engine_syncs_at_end_only);
    FIXTURE_TEST("/cache/recovery/damaged-during-checkpoint", test_damaged_during_checkpoint);
    FIXTURE_TEST("/cache/recovery/damaged-is-removed", test_damaged_is_removed);
    FIXTURE_TEST("/cache/recovery/writes-refused", test_writes_refused);
    FIXTURE_TEST("/cache/recovery/lost-transaction", test_lost_transaction);
    FIXTURE_TEST("/cache/recovery/lost-at-end", test_lost_at_end);
    FIXTURE_TEST("/cache/recovery/end-of-system", test_end_of_system);
    FIXTURE_TEST("/cache/recovery/no-blocks-without-index", test_no_blocks_without_index);
    FIXTURE_TEST("/cache/recovery/messages-of-nobody", test_messages_of_nobody);
    FIXTURE_TEST("/cache/recovery/stubborn-body", test_stubborn_body);
    FIXTURE_TEST("/cache/recovery/busy", test_busy);
    FIXTURE_TEST("/cache/recovery/body-of-killed", test_body_of_killed);
    FIXTURE_TEST("/cache/recovery/recount", test_recount);
    return g_test_run();
}

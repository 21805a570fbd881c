/* SPDX-License-Identifier: MIT */
/* tests/unit/cache/survival.c - whatever happens to the index: the cache opens again, never tells
 * what is not true, and forgets at most. */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

#define N_MESSAGES 6 /* of which the last two are not listed */
#define N_LISTED   4
#define SIZE       ((guint64)70000)

/* --- what must hold --- */

/* The server's view of INBOX, and a body. */
static void put_all(Fixture *fixture)
{
    guint32 box = fixture_put_inbox(fixture, N_LISTED, SIZE);

    fixture_put_range(fixture, box, 1, N_MESSAGES);
    cache_put_synced(fixture->cache, box, N_MESSAGES + 1, 100, TRUE, g_get_monotonic_time());
    fixture_put_body(fixture, box, 1, SIZE);
}

static void check_message(Fixture *fixture, guint32 box, guint32 uid)
{
    guint32 generation = fixture_generation(fixture, box);
    g_autofree char *subject = g_strdup_printf("subject %u", uid);
    g_autoptr(MailEnvelope) envelope = cache_dup_envelope(fixture->cache, generation, uid);
    CacheMessage message;
    guint64 want;
    gsize len;

    if (!cache_get_message(fixture->cache, generation, uid, &message))
        return;
    g_assert_cmpuint(message.size, ==, SIZE);
    g_assert_cmpuint(message.flags, ==, fixture_flags(uid));
    g_assert_cmpint(message.date, ==, 1000000 + uid);
    if (envelope)
        g_assert_cmpstr(mail_envelope_get(envelope, MAIL_ENVELOPE_SUBJECT), ==, subject);
    if (fixture_read(fixture, box, uid, 0, SIZE, &len, &want) == CACHE_FOUND)
        g_assert_cmpuint(len, ==, SIZE);
}

/* What is said to be complete is; what is told of a message is true. */
static void check_truth(Fixture *fixture)
{
    guint32 box = fixture_find_box(fixture, "INBOX");
    g_autofree char *uids = box ? fixture_uids(fixture, box) : NULL;
    CacheSync sync;

    if (!box || !fixture_generation(fixture, box))
        return;
    cache_sync(fixture->cache, box, &sync);
    if (sync.is_complete) {
        g_assert_cmpstr(uids, ==, sync.uidnext == N_MESSAGES + 1 ? "1:6" : "1:4");
        g_assert_cmpuint(sync.uidvalidity, ==, 7);
        g_assert_cmpstr(cache_box(fixture->cache, box)->wire, ==, "INBOX");
    }
    for (guint32 uid = 1; uid <= N_MESSAGES; uid++)
        check_message(fixture, box, uid);
}

static void check_identity(Fixture *fixture, guint32 box, guint32 uidvalidity,
                           const char *mailboxid)
{
    CacheSync sync;

    g_assert_true(cache_sync(fixture->cache, box, &sync));
    g_assert_true(sync.is_complete);
    g_assert_cmpuint(sync.uidvalidity, ==, uidvalidity);
    g_assert_cmpstr(sync.mailboxid, ==, mailboxid);
}

/* The cache is of use again. */
static void check_works(Fixture *fixture)
{
    guint64 want;
    gsize len;

    put_all(fixture);
    fixture_reopen(fixture);
    check_truth(fixture);
    g_assert_cmpint(
        fixture_read(fixture, fixture_find_box(fixture, "INBOX"), 1, 0, SIZE, &len, &want), ==,
        CACHE_FOUND);
}

/* A number is not used twice, whatever happened since @highest was given out. */
static void check_new_number(Fixture *fixture, guint32 highest)
{
    fixture_put_boxes(fixture, "INBOX", NULL);
    fixture_put_boxes(fixture, "INBOX", "new", NULL);
    g_assert_cmpuint(fixture_find_box(fixture, "new"), >, highest);
}

/* --- kill --- */

typedef struct {
    guint32 highest; /* number that was given out */
    gboolean is_done;
} Shared;

static void note_number(Shared *shared, guint32 number)
{
    shared->highest = MAX(shared->highest, number);
}

/* All that a mount does in its life; dies before the step @n, if there are as many. */
static void live(Fixture *fixture, Shared *shared, int n, gboolean is_slow, void (*die)(void))
{
    for (int step = 0; !shared->is_done; step++) {
        guint32 box = fixture->cache ? fixture_find_box(fixture, "INBOX") : 0;

        if (fixture->cache && is_slow)
            fixture_settle();
        if (step == n)
            die();
        switch (step) {
        case 0: fixture_open(fixture); break;
        case 1: fixture_put_boxes(fixture, "INBOX", "a/b", NULL); break;
        case 2: put_all(fixture); break;
        case 3: fixture_put_boxes(fixture, "INBOX", "c", NULL); break;
        case 4: fixture_put_body(fixture, box, 2, SIZE); break;
        case 5: cache_box_replace(fixture->cache, box, 8, NULL); break;
        case 6: put_all(fixture); break;
        case 7: fixture_put_boxes(fixture, "INBOX", NULL); break;
        case 8: fixture_close(fixture); break;
        default: shared->is_done = TRUE;
        }
        if (fixture->cache && step > 0) {
            note_number(shared, fixture_generation(fixture, fixture_find_box(fixture, "INBOX")));
            note_number(shared, fixture_find_box(fixture, "a/b"));
            note_number(shared, fixture_find_box(fixture, "c"));
        }
    }
}

static void die_by_signal(void)
{
    raise(SIGKILL);
}

static void die_by_exit(void)
{
    _exit(0);
}

static void kill_at_each_step(Fixture *fixture, gboolean is_slow, void (*die)(void))
{
    Shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    fixture_close(fixture);
    for (int n = 0; !shared->is_done; n++) {
        pid_t child = fork();

        g_assert_cmpint(child, >=, 0);
        if (child == 0) {
            live(fixture, shared, n, is_slow, die);
            _exit(0);
        }
        waitpid(child, NULL, 0);
        fixture_open(fixture);
        check_truth(fixture);
        check_new_number(fixture, shared->highest);
        fixture_close(fixture);
    }
    fixture_open(fixture);
    check_works(fixture);
    munmap(shared, sizeof *shared);
}

static void test_kill(Fixture *fixture, gconstpointer data)
{
    kill_at_each_step(fixture, FALSE, die_by_signal);
}

static void test_kill_after_commit(Fixture *fixture, gconstpointer data)
{
    kill_at_each_step(fixture, TRUE, die_by_signal);
}

static void test_exit(Fixture *fixture, gconstpointer data)
{
    kill_at_each_step(fixture, TRUE, die_by_exit);
}

/* --- damage --- */

static void write_file(const char *path, const char *bytes, gsize len)
{
    g_assert_true(
        g_file_set_contents_full(path, bytes, (gssize)len, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
}

static void do_sql(const char *path, const char *sql)
{
    sqlite3 *db;

    g_assert_cmpint(sqlite3_open(path, &db), ==, SQLITE_OK);
    g_assert_cmpint(sqlite3_exec(db, sql, NULL, NULL, NULL), ==, SQLITE_OK);
    sqlite3_close(db);
}

static void truncate_half(const char *path)
{
    struct stat st;

    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmpint(truncate(path, st.st_size / 2), ==, 0);
}

static void truncate_all(const char *path)
{
    g_assert_cmpint(truncate(path, 0), ==, 0);
}

static void put_garbage(const char *path)
{
    g_autofree char *garbage = g_strnfill(20000, 'x');

    write_file(path, garbage, 20000);
}

static void put_garbage_wal(const char *path)
{
    g_autofree char *wal = g_strconcat(path, "-wal", NULL);

    put_garbage(wal);
}

static void put_later_version(const char *path)
{
    do_sql(path, "PRAGMA user_version = 999");
}

static void put_other_database(const char *path)
{
    g_unlink(path);
    do_sql(path, "CREATE TABLE box (what TEXT)");
}

static void drop_table(const char *path)
{
    do_sql(path, "DROP TABLE message");
}

static void remove_it(const char *path)
{
    g_assert_cmpint(g_unlink(path), ==, 0);
}

static void put_directory(const char *path)
{
    g_unlink(path);
    g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
}

static void put_fifo(const char *path)
{
    g_unlink(path);
    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
}

static void put_symlink(const char *path)
{
    g_autofree char *away = g_strconcat(path, ".away", NULL);

    g_assert_cmpint(g_rename(path, away), ==, 0);
    g_assert_cmpint(symlink(away, path), ==, 0);
}

static void put_hard_link(const char *path)
{
    g_autofree char *other = g_strconcat(path, ".other", NULL);

    g_assert_cmpint(link(path, other), ==, 0);
}

static const struct {
    const char *name;
    void (*damage)(const char *path);
} damages[] = {
    {"truncated", truncate_half},
    {"emptied", truncate_all},
    {"garbage", put_garbage},
    {"garbage-wal", put_garbage_wal},
    {"later-version", put_later_version},
    {"other-database", put_other_database},
    {"table-dropped", drop_table},
    {"removed", remove_it},
    {"directory", put_directory},
    {"fifo", put_fifo},
    {"symlink", put_symlink},
    {"hard-link", put_hard_link},
};

static void test_damage_closed(Fixture *fixture, gconstpointer data)
{
    g_autofree char *index = fixture_path(fixture, "index.sqlite");

    for (gsize i = 0; i < G_N_ELEMENTS(damages); i++) {
        guint32 highest;

        g_test_message("%s", damages[i].name);
        put_all(fixture);
        fixture_put_boxes(fixture, "INBOX", "last", NULL);
        highest = fixture_find_box(fixture, "last");
        fixture_close(fixture);
        damages[i].damage(index);
        fixture_open(fixture);
        check_truth(fixture);
        check_new_number(fixture, highest);
        check_works(fixture);
    }
}

static void test_bit_flips(Fixture *fixture, gconstpointer data)
{
    g_autofree char *index = fixture_path(fixture, "index.sqlite");
    g_autofree char *blocks = NULL, *name = NULL, *body = NULL, *bytes = NULL;
    gsize len, body_len;

    put_all(fixture);
    name = g_strdup_printf("blocks/%u/1",
                           fixture_generation(fixture, fixture_find_box(fixture, "INBOX")));
    blocks = fixture_path(fixture, name);
    fixture_close(fixture);
    g_assert_true(g_file_get_contents(index, &bytes, &len, NULL));
    g_assert_true(g_file_get_contents(blocks, &body, &body_len, NULL));
    for (int i = 0; i < 300; i++) {
        char mask = (char)(1 << g_test_rand_int_range(0, 8));
        g_autofree char *dir = g_path_get_dirname(blocks);
        gsize at;

        do
            at = (gsize)g_test_rand_int_range(0, (gint32)len);
        while (!bytes[at]); /* most of a small database is empty */
        bytes[at] ^= mask;
        write_file(index, bytes, len);
        bytes[at] ^= mask;
        g_mkdir(dir, 0700);
        write_file(blocks, body, body_len);
        fixture_open(fixture);
        check_truth(fixture);
        fixture_close(fixture);
    }
    fixture_open(fixture);
    put_all(fixture); /* which may be the first to meet the last of them */
    fixture_settle();
    check_works(fixture);
}

/* Overwrites in place, as a failing disk does. */
static void overwrite(const char *path)
{
    char garbage[4096];
    int fd = open(path, O_WRONLY);
    struct stat st;

    if (fd < 0)
        return;
    memset(garbage, 'x', sizeof garbage);
    g_assert_cmpint(fstat(fd, &st), ==, 0);
    for (off_t at = 0; at < st.st_size; at += sizeof garbage)
        g_assert_cmpint(pwrite(fd, garbage, sizeof garbage, at), ==, sizeof garbage);
    close(fd);
}

/* A mailbox of which the start alone says nothing of the rest. */
static guint32 put_large(Fixture *fixture)
{
    guint32 box;

    fixture_put_boxes(fixture, "INBOX", "large", NULL);
    box = fixture_find_box(fixture, "large");
    cache_box_replace(fixture->cache, box, 7, NULL);
    for (guint32 uid = 1; uid <= 1000; uid++)
        fixture_put_line(fixture, box, uid, SIZE);
    return box;
}

/* Both mailboxes are in a file that turns bad, and is read then. */
static void damage_open(Fixture *fixture)
{
    g_autofree char *index = fixture_path(fixture, "index.sqlite");
    g_autofree char *wal = fixture_path(fixture, "index.sqlite-wal");
    guint32 large;

    put_all(fixture);
    large = put_large(fixture);
    fixture_reopen(fixture);
    overwrite(index);
    overwrite(wal);
    check_truth(fixture);
    cache_box_n_messages(fixture->cache, large);
}

static void test_damage_open(Fixture *fixture, gconstpointer data)
{
    MailFlags flag = cache_keyword_flag(fixture->cache, "before");
    guint32 box, generation;

    damage_open(fixture);
    fixture_settle();
    box = fixture_find_box(fixture, "INBOX");
    generation = fixture_generation(fixture, box);
    g_assert_cmpuint(cache_box_n_messages(fixture->cache, box), ==, 0);
    cache_keyword_flag(fixture->cache, "after");
    check_works(fixture);
    g_assert_cmpuint(fixture_generation(fixture, box), >, generation);
    g_assert_cmpstr(cache_keyword(fixture->cache, flag), ==, "before");
    g_assert_cmpstr(cache_keyword(fixture->cache, flag << 1), ==, "after");
}

/* Damage to our file says nothing of the server's mailbox: who is in the middle of telling what is
 * in it goes on. */
static void test_damage_while_told(Fixture *fixture, gconstpointer data)
{
    guint32 box, generation;

    damage_open(fixture);
    box = fixture_find_box(fixture, "INBOX");
    cache_box_replace(fixture->cache, box, 7, "M-1");
    fixture_put_line(fixture, box, 1, SIZE);
    generation = fixture_generation(fixture, box);
    fixture_settle();
    g_assert_cmpuint(fixture_generation(fixture, box), >, generation);
    fixture_put_range(fixture, box, 1, N_MESSAGES);
    cache_put_synced(fixture->cache, box, N_MESSAGES + 1, 100, TRUE, g_get_monotonic_time());
    check_truth(fixture);
    fixture_reopen(fixture);
    check_truth(fixture);
    check_identity(fixture, box, 7, "M-1");
}

/* What was counted for the old index is not counted for the new. */
static void test_damage_open_resets_total(Fixture *fixture, gconstpointer data)
{
    CacheFigures figures;

    damage_open(fixture);
    cache_figures(fixture->cache, &figures);
    g_assert_cmpuint(figures.block_bytes, >=, SIZE);
    fixture_settle();
    cache_figures(fixture->cache, &figures);
    g_assert_cmpuint(figures.block_bytes, ==, 0);
}

static void test_removed_while_open(Fixture *fixture, gconstpointer data)
{
    g_autofree char *command = g_strdup_printf("rm -rf '%s'", fixture->options.dir);
    guint32 box;

    put_all(fixture);
    fixture_settle();
    g_assert_cmpint(system(command), ==, 0);
    box = fixture_find_box(fixture, "INBOX");
    fixture_put_body(fixture, box, 2, SIZE);
    fixture_settle();
    check_truth(fixture);
    fixture_reopen(fixture);
    g_assert_cmpuint(fixture_find_box(fixture, "INBOX"), ==, CACHE_ROOT);
    check_works(fixture);
}

/* --- a disk that cannot be written --- */

/* A file system of @options at the fixture's cache directory, or FALSE. */
static gboolean mount_at(Fixture *fixture, const char *options, gulong flags)
{
    fixture_close(fixture);
    if (geteuid() != 0) {
        g_test_skip("only root can mount");
        return FALSE;
    }
    if (mount("tmpfs", fixture->options.dir, "tmpfs", flags, options) < 0) {
        g_test_skip("cannot mount a tmpfs here");
        return FALSE;
    }
    return TRUE;
}

static void unmount(Fixture *fixture)
{
    fixture_close(fixture);
    g_assert_cmpint(umount(fixture->options.dir), ==, 0);
}

static void fill(const Fixture *fixture)
{
    g_autofree char *path = g_build_filename(fixture->options.dir, "fill", NULL);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    char zeros[512] = {0};

    while (write(fd, zeros, sizeof zeros) == sizeof zeros)
        continue;
    close(fd);
}

static void empty(const Fixture *fixture)
{
    g_autofree char *path = g_build_filename(fixture->options.dir, "fill", NULL);

    g_assert_cmpint(g_unlink(path), ==, 0);
}

static void test_disk_full(Fixture *fixture, gconstpointer data)
{
    guint32 box;
    guint64 want;
    gsize len;

    if (!mount_at(fixture, "size=2m,mode=700", 0))
        return;
    fixture_open(fixture);
    put_all(fixture);
    fixture_settle();
    fill(fixture);
    box = fixture_find_box(fixture, "INBOX");
    /* More than the page cache of the index holds unwritten. */
    for (guint32 uid = 100; uid < 3000; uid++)
        fixture_put_line(fixture, box, uid, SIZE);
    fixture_put_body(fixture, box, 3, SIZE);
    fixture_settle();
    g_assert_cmpint(fixture_read(fixture, box, 1, 0, SIZE, &len, &want), ==, CACHE_FOUND);
    g_assert_cmpint(fixture_read(fixture, box, 3, 0, SIZE, &len, &want), ==, CACHE_FOUND);
    for (guint32 uid = 1; uid <= N_MESSAGES; uid++)
        check_message(fixture, box, uid);
    unmount(fixture);
}

/* Lost changes are not taken for what the server has. */
static void test_disk_full_for_a_while(Fixture *fixture, gconstpointer data)
{
    guint32 box;
    CacheSync sync;

    if (!mount_at(fixture, "size=2m,mode=700", 0))
        return;
    fixture_open(fixture);
    put_all(fixture);
    fixture_settle();
    box = fixture_find_box(fixture, "INBOX");
    fill(fixture);
    for (guint32 uid = 100; uid < 3000; uid++)
        fixture_put_line(fixture, box, uid, SIZE);
    cache_put_flags(fixture->cache, box, 1, MAIL_FLAG_SEEN);
    fixture_settle();
    empty(fixture);
    cache_put_synced(fixture->cache, box, 3000, 200, TRUE, g_get_monotonic_time());
    fixture_settle();
    fixture_reopen(fixture);
    cache_sync(fixture->cache, box, &sync);
    g_assert_false(sync.is_complete);
    g_assert_cmpuint(sync.modseq, ==, 0);
    fixture_reopen(fixture);
    unmount(fixture);
}

static void test_opened_on_full_disk(Fixture *fixture, gconstpointer data)
{
    if (!mount_at(fixture, "size=2m,mode=700", 0))
        return;
    fixture_open(fixture);
    put_all(fixture);
    fixture_close(fixture);
    fill(fixture);
    fixture_open(fixture);
    check_truth(fixture);
    fixture_put_boxes(fixture, "INBOX", "other", NULL);
    put_all(fixture);
    check_truth(fixture);
    fixture_close(fixture);
    empty(fixture);
    fixture_open(fixture);
    check_truth(fixture);
    g_assert_cmpuint(cache_box_n_messages(fixture->cache, fixture_find_box(fixture, "INBOX")), ==,
                     N_MESSAGES);
    check_works(fixture);
    unmount(fixture);
}

static void test_read_only_disk(Fixture *fixture, gconstpointer data)
{
    if (!mount_at(fixture, "size=2m,mode=700", 0))
        return;
    fixture_open(fixture);
    put_all(fixture);
    fixture_close(fixture);
    g_assert_cmpint(mount(NULL, fixture->options.dir, NULL, MS_REMOUNT | MS_RDONLY, NULL), ==, 0);
    fixture_open(fixture);
    put_all(fixture);
    check_truth(fixture);
    fixture_close(fixture);
    g_assert_cmpint(mount(NULL, fixture->options.dir, NULL, MS_REMOUNT, NULL), ==, 0);
    fixture_open(fixture);
    g_assert_cmpuint(cache_box_n_messages(fixture->cache, fixture_find_box(fixture, "INBOX")), ==,
                     N_MESSAGES);
    check_works(fixture);
    unmount(fixture);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    FIXTURE_TEST("/cache/survival/kill", test_kill);
    FIXTURE_TEST("/cache/survival/kill-after-commit", test_kill_after_commit);
    FIXTURE_TEST("/cache/survival/exit", test_exit);
    FIXTURE_TEST("/cache/survival/damage-closed", test_damage_closed);
    FIXTURE_TEST("/cache/survival/bit-flips", test_bit_flips);
    FIXTURE_TEST("/cache/survival/damage-open", test_damage_open);
    FIXTURE_TEST("/cache/survival/damage-while-told", test_damage_while_told);
    FIXTURE_TEST("/cache/survival/damage-open-resets-total", test_damage_open_resets_total);
    FIXTURE_TEST("/cache/survival/removed-while-open", test_removed_while_open);
    FIXTURE_TEST("/cache/survival/disk-full", test_disk_full);
    FIXTURE_TEST("/cache/survival/disk-full-for-a-while", test_disk_full_for_a_while);
    FIXTURE_TEST("/cache/survival/opened-on-full-disk", test_opened_on_full_disk);
    FIXTURE_TEST("/cache/survival/read-only-disk", test_read_only_disk);
    return g_test_run();
}

/* SPDX-License-Identifier: MIT */
/* tests/unit/pop/spool-others.c - what other programs do to the Maildirs is taken over, while the
 * spool is open and while it is not. */
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

#include "spool-fixture.h"

/* --- directories that are read, counted --- */

static guint n_dirs_read;
static const char *move_from, *move_to; /* paths; when the second directory is read */

DIR *fdopendir(int fd)
{
    DIR *(*next)(int) = (DIR * (*)(int)) dlsym(RTLD_NEXT, "fdopendir");

    if (++n_dirs_read == 2 && move_from)
        g_assert_cmpint(g_rename(move_from, move_to), ==, 0);
    return next(fd);
}

/* --- what other programs do --- */

/* As mutt does: the file of @folder goes to @to, with its name and @tail. */
static void move_file(const Fixture *fixture, const char *folder, const char *to, const char *tail)
{
    g_autofree char *old = fixture_only_file(fixture, folder), *base = g_path_get_basename(old);
    g_autofree char *new = NULL;

    base[strcspn(base, ":")] = '\0';
    new = g_strdup_printf("%s/%s/%s%s", fixture->dir, to, base, tail);
    g_assert_cmpint(g_rename(old, new), ==, 0);
}

/* They do it while the spool is open (@data) and looks again, or while it is not. */
static void close_if_closed(Fixture *fixture, gconstpointer data)
{
    if (!data)
        fixture_close(fixture);
}

static void open_if_closed(Fixture *fixture, gconstpointer data)
{
    if (!data)
        fixture_open(fixture);
    else
        g_assert_true(fixture_refresh(fixture));
}

/* Only the fourth has a name as we give them, and is believed when nothing else is known. */
static void test_delivered(Fixture *fixture, gconstpointer data)
{
    static const char *const names[] = {
        "spool/new/1700000000.M1P2.host",
        "spool/cur/1700000000.M2P2.host,S=3:2,FRS",
        "spool/.Read/cur/new\nline and blank \xff.u7,FS.eml:2,",
        "spool/.Trash/new/12.M0123456789abcdefU99.mailfs",
        "spool/new/1.M0123456789abcdeU1.mailfs",
        "spool/new/1.M0123456789abcdefU0.mailfs",
        "spool/new/1.M0123456789abcdefU4294967297.mailfs",
        "spool/new/-1.M0123456789abcdefU5.mailfs",
        "spool/new/1.M0123456789abcdefU.mailfs",
        "spool/new/1.M0123456789abcdefU7.mailfs.x",
    };
    const PopMessage *message;

    close_if_closed(fixture, data);
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
        fixture_write(fixture, names[i], names[i]);
    open_if_closed(fixture, data);
    g_assert_cmpuint(pop_spool_next_number(fixture->spool), >=, 11);
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        guint n = 0;

        for (message = pop_spool_next(fixture->spool, 0); message;
             message = pop_spool_next(fixture->spool, message->number)) {
            g_autoptr(GBytes) bytes = fixture_read(fixture, message->number);

            if (g_bytes_get_size(bytes) != strlen(names[i]) ||
                memcmp(g_bytes_get_data(bytes, NULL), names[i], strlen(names[i])) != 0)
                continue;
            n++;
            /* Of the file, or as its name tells. */
            g_assert_true((message->date == 12) == (i == 3 && !data));
            g_assert_cmpint(message->date, !=, 1);
            g_assert_cmpint(message->place, ==,
                            strstr(names[i], ".Read")    ? POP_PLACE_READ
                            : strstr(names[i], ".Trash") ? POP_PLACE_TRASH
                                                         : POP_PLACE_INBOX);
            g_assert_cmpuint(message->flags, ==,
                             i == 1 ? MAIL_FLAG_FLAGGED | MAIL_FLAG_ANSWERED | MAIL_FLAG_SEEN : 0);
            g_assert_true((message->trashed > 0) == (message->place == POP_PLACE_TRASH));
        }
        g_assert_cmpuint(n, ==, 1);
    }
    g_assert_false(fixture_refresh(fixture));
    fixture_reopen(fixture);
    g_assert_cmpuint(fixture_count_files(fixture, "spool/new"), ==, 7);
}

/* Another account's file has a number that is, was or will be one of ours. */
static void test_number_of_another_spool(Fixture *fixture, gconstpointer data)
{
    g_autofree char *file = NULL;

    MATCH(fixture, "a", "b");
    fixture_store(fixture, 1, "one");
    close_if_closed(fixture, data);
    file = fixture_only_file(fixture, "spool/new");
    g_assert_cmpint(g_unlink(file), ==, 0);
    fixture_write(fixture, "spool/new/12.M0123456789abcdefU1.mailfs", "who");
    fixture_write(fixture, "spool/new/12.M0123456789abcdefU2.mailfs", "are");
    fixture_write(fixture, "spool/new/12.M0123456789abcdefU77.mailfs", "you");
    open_if_closed(fixture, data);
    fixture_expect_list(fixture, "2 waiting, 3 inbox, 4 inbox, 5 inbox");
    g_assert_cmpint(pop_spool_get(fixture->spool, 1)->place, ==, POP_PLACE_GONE);
    fixture_store(fixture, 2, "two");
    fixture_reopen(fixture);
    fixture_expect_list(fixture, "2 inbox, 3 inbox, 4 inbox, 5 inbox");
    fixture_expect(fixture, 2, POP_PLACE_INBOX, "two");
}

static void test_date_of_file(Fixture *fixture, gconstpointer data)
{
    g_autofree char *path = fixture_path(fixture, "spool/new/foreign");

    close_if_closed(fixture, data);
    fixture_write(fixture, "spool/new/foreign", "text");
    g_assert_cmpint(utime(path, &(struct utimbuf){1234567, 1234567}), ==, 0);
    open_if_closed(fixture, data);
    g_assert_cmpint(pop_spool_get(fixture->spool, 1)->date, ==, 1234567);
    fixture_reopen(fixture);
    g_assert_cmpint(pop_spool_get(fixture->spool, 1)->date, ==, 1234567);
}

static void test_flags(Fixture *fixture, gconstpointer data)
{
    fixture_deliver(fixture, "a", "text");
    close_if_closed(fixture, data);
    move_file(fixture, "spool/new", "spool/cur", ":2,:2,FXS");
    open_if_closed(fixture, data);
    fixture_expect(fixture, 1, POP_PLACE_INBOX, "text");
    g_assert_cmpuint(pop_spool_get(fixture->spool, 1)->flags, ==,
                     MAIL_FLAG_FLAGGED | MAIL_FLAG_SEEN);
    close_if_closed(fixture, data);
    move_file(fixture, "spool/cur", "spool/new", "");
    open_if_closed(fixture, data);
    g_assert_cmpuint(pop_spool_get(fixture->spool, 1)->flags, ==, 0);
}

static void test_moved(Fixture *fixture, gconstpointer data)
{
    fixture_deliver(fixture, "a", "text");
    close_if_closed(fixture, data);
    move_file(fixture, "spool/new", "spool/.Read/cur", ":2,S");
    open_if_closed(fixture, data);
    fixture_expect(fixture, 1, POP_PLACE_READ, "text");
    close_if_closed(fixture, data);
    move_file(fixture, "spool/.Read/cur", "spool/.Trash/cur", ":2,S");
    open_if_closed(fixture, data);
    fixture_expect(fixture, 1, POP_PLACE_TRASH, "text");
    g_assert_cmpint(pop_spool_get(fixture->spool, 1)->trashed, >, 0);
    g_assert_cmpstr(pop_spool_get(fixture->spool, 1)->uidl, ==, "a");
}

/* By a program that gives it a name of its own there. */
static void test_moved_under_another_name(Fixture *fixture, gconstpointer data)
{
    g_autofree char *file = NULL;

    fixture_deliver(fixture, "a", "text");
    close_if_closed(fixture, data);
    file = fixture_only_file(fixture, "spool/new");
    g_assert_cmpint(g_unlink(file), ==, 0);
    fixture_write(fixture, "spool/.Read/cur/123.mutt:2,RS", "text");
    open_if_closed(fixture, data);
    fixture_expect_list(fixture, "1 read");
    fixture_expect(fixture, 1, POP_PLACE_READ, "text");
    g_assert_cmpstr(pop_spool_get(fixture->spool, 1)->uidl, ==, "a");
}

static void test_copied(Fixture *fixture, gconstpointer data)
{
    g_autofree char *file = NULL, *base = NULL, *copy = NULL;

    fixture_deliver(fixture, "a", "text");
    fixture_move(fixture, 1, POP_PLACE_READ);
    close_if_closed(fixture, data);
    file = fixture_only_file(fixture, "spool/.Read/cur");
    base = g_path_get_basename(file);
    copy = g_build_filename("spool/cur", base, NULL);
    fixture_write(fixture, copy, "text");
    open_if_closed(fixture, data);
    fixture_expect_list(fixture, "1 read, 2 inbox");
    fixture_expect(fixture, 2, POP_PLACE_INBOX, "text");
    fixture_reopen(fixture);
    fixture_expect_list(fixture, "1 read, 2 inbox");
}

/* A copy that nobody has looked at yet is not overwritten. */
static void test_copy_in_the_way(Fixture *fixture, gconstpointer data)
{
    g_autofree char *file = NULL, *base = NULL, *copy = NULL;
    Answer answer = {0};

    fixture_deliver(fixture, "a", "text");
    file = fixture_only_file(fixture, "spool/new");
    base = g_path_get_basename(file);
    copy = g_strdup_printf("spool/.Read/cur/%s:2,", base);
    fixture_write(fixture, copy, "precious");
    pop_spool_move(fixture->spool, 1, POP_PLACE_READ, answer_done, &answer);
    answer_error(&answer, MAIL_ERROR_LOCAL);
    g_assert_true(fixture_refresh(fixture));
    fixture_expect(fixture, 1, POP_PLACE_INBOX, "text");
    fixture_expect(fixture, 2, POP_PLACE_READ, "precious");
}

static void test_removed(Fixture *fixture, gconstpointer data)
{
    g_autofree char *file = NULL;

    fixture_deliver(fixture, "a", "text");
    close_if_closed(fixture, data);
    file = fixture_only_file(fixture, "spool/new");
    g_assert_cmpint(g_unlink(file), ==, 0);
    open_if_closed(fixture, data);
    fixture_expect_list(fixture, "");
    g_assert_cmpint(pop_spool_get(fixture->spool, 1)->place, ==, POP_PLACE_GONE);
    g_assert_false(pop_spool_may_delete(fixture->spool, 1, 0, G_MAXINT32));
    g_assert_cmpint(MATCH(fixture, "a").matches[0].kind, ==, POP_MATCH_STORED);
}

/* It comes into a directory that was read already, out of one that was not. */
static void test_moved_while_looking(Fixture *fixture, gconstpointer data)
{
    g_autofree char *from = NULL, *base = NULL, *to = NULL;

    fixture_deliver(fixture, "a", "text");
    fixture_move(fixture, 1, POP_PLACE_READ);
    from = fixture_only_file(fixture, "spool/.Read/cur");
    base = g_path_get_basename(from);
    to = g_build_filename(fixture->dir, "spool/new", base, NULL);
    n_dirs_read = 0;
    move_from = from;
    move_to = to;
    g_assert_true(fixture_refresh(fixture));
    move_from = NULL;
    fixture_expect(fixture, 1, POP_PLACE_INBOX, "text");
}

/* Whoever was told that it is gone would not know what it is under its old number. */
static void test_restored(Fixture *fixture, gconstpointer data)
{
    g_autofree char *file = NULL, *base = NULL, *name = NULL;
    Answer answer = {0};

    fixture_deliver(fixture, "a", "text");
    fixture_move(fixture, 1, POP_PLACE_TRASH);
    file = fixture_only_file(fixture, "spool/.Trash/cur");
    base = g_path_get_basename(file);
    name = g_build_filename("spool/cur", base, NULL);
    pop_spool_clean(fixture->spool, G_MAXINT32, answer_done, &answer);
    answer_number(&answer);
    close_if_closed(fixture, data);
    fixture_write(fixture, name, "text");
    open_if_closed(fixture, data);
    fixture_expect_list(fixture, "2 inbox");
    fixture_expect(fixture, 2, POP_PLACE_INBOX, "text");
}

static void test_no_files(Fixture *fixture, gconstpointer data)
{
    g_autofree char *folder = fixture_path(fixture, "spool/cur/folder");
    g_autofree char *link = fixture_path(fixture, "spool/new/1.M0U1.mailfs");
    g_autofree char *fifo = fixture_path(fixture, "spool/new/fifo");

    g_assert_cmpint(g_mkdir(folder, 0700), ==, 0);
    g_assert_cmpint(symlink("/etc/passwd", link), ==, 0);
    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    fixture_write(fixture, "spool/new/.hidden", "text");
    g_assert_false(fixture_refresh(fixture));
    fixture_reopen(fixture);
    fixture_expect_list(fixture, "");
    g_assert_cmpuint(fixture_count_files(fixture, "spool/new"), ==, 3);
}

static void test_folder_is_removed(Fixture *fixture, gconstpointer data)
{
    g_autofree char *folder = fixture_path(fixture, "spool/.Trash/new");
    Answer answer = {0};

    fixture_deliver(fixture, "a", "text");
    g_assert_cmpint(g_rmdir(folder), ==, 0);
    pop_spool_refresh(fixture->spool, answer_done, &answer);
    answer_error(&answer, MAIL_ERROR_LOCAL);
    fixture_expect_list(fixture, "1 inbox");
    fixture_reopen(fixture);
    fixture_expect_list(fixture, "1 inbox");
}

/* What was renamed since is found when it is wanted. */
static void test_renamed_under_us(Fixture *fixture, gconstpointer data)
{
    Answer answer = {0};

    fixture_deliver(fixture, "a", "text");
    move_file(fixture, "spool/new", "spool/cur", ":2,F");
    fixture_expect(fixture, 1, POP_PLACE_INBOX, "text");
    fixture_move(fixture, 1, POP_PLACE_READ);
    fixture_expect(fixture, 1, POP_PLACE_READ, "text");
    g_assert_cmpuint(pop_spool_get(fixture->spool, 1)->flags, ==, MAIL_FLAG_FLAGGED);
    move_file(fixture, "spool/.Read/cur", "spool/.Trash/cur", ":2,");
    pop_spool_set_flags(fixture->spool, 1, MAIL_FLAG_SEEN, answer_done, &answer);
    answer_number(&answer);
    fixture_expect(fixture, 1, POP_PLACE_TRASH, "text");
}

/* Another program saves a message from the trash while we are about to empty it. */
static void test_saved_from_trash(Fixture *fixture, gconstpointer data)
{
    Answer answer = {0};

    fixture_deliver(fixture, "a", "text");
    fixture_move(fixture, 1, POP_PLACE_TRASH);
    move_file(fixture, "spool/.Trash/cur", "spool/cur", ":2,S");
    pop_spool_clean(fixture->spool, G_MAXINT32, answer_done, &answer);
    answer_number(&answer);
    g_assert_true(fixture_refresh(fixture));
    fixture_expect(fixture, 1, POP_PLACE_INBOX, "text");
}

static void test_left_in_tmp(Fixture *fixture, gconstpointer data)
{
    g_autofree char *old = fixture_path(fixture, "spool/.Read/tmp/old");

    fixture_write(fixture, "spool/tmp/1.M1.mailfs", "half");
    fixture_write(fixture, "spool/tmp/young", "somebody is at it");
    fixture_write(fixture, "spool/.Read/tmp/old", "nobody is at it");
    g_assert_cmpint(utime(old, &(struct utimbuf){1234567, 1234567}), ==, 0);
    fixture_reopen(fixture);
    g_assert_cmpuint(fixture_count_files(fixture, "spool/tmp"), ==, 1);
    g_assert_cmpuint(fixture_count_files(fixture, "spool/.Read/tmp"), ==, 0);
    fixture_expect_list(fixture, "");
}

/* --- the price --- */

static void set_back(const Fixture *fixture)
{
    static const char *const folders[] = {"spool/new",        "spool/cur",
                                          "spool/.Read/new",  "spool/.Read/cur",
                                          "spool/.Trash/new", "spool/.Trash/cur"};

    for (gsize i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autofree char *path = fixture_path(fixture, folders[i]);

        g_assert_cmpint(utime(path, &(struct utimbuf){1234567, 1234567}), ==, 0);
    }
}

static void test_nothing_changed(Fixture *fixture, gconstpointer data)
{
    fixture_deliver(fixture, "a", "text");
    set_back(fixture);
    fixture_refresh(fixture);
    n_dirs_read = 0;
    g_assert_false(fixture_refresh(fixture));
    g_assert_cmpuint(n_dirs_read, ==, 0);
    move_file(fixture, "spool/new", "spool/cur", ":2,F");
    g_assert_true(fixture_refresh(fixture));
    g_assert_cmpuint(n_dirs_read, ==, 6);
}

/* One that was renamed waits until it was looked at. */
static void test_deletion_looks_at_one(Fixture *fixture, gconstpointer data)
{
    fixture_deliver(fixture, "a", "text");
    move_file(fixture, "spool/new", "spool/cur", ":2,F");
    n_dirs_read = 0;
    g_assert_false(pop_spool_may_delete(fixture->spool, 1, 0, G_MAXINT32));
    g_assert_cmpuint(n_dirs_read, ==, 0);
    g_assert_true(fixture_refresh(fixture));
    g_assert_true(pop_spool_may_delete(fixture->spool, 1, 0, G_MAXINT32));
}

/* A change that comes within the tick of the clock in which the directories were read is seen. */
static void test_changed_at_once(Fixture *fixture, gconstpointer data)
{
    g_autofree char *folder = fixture_path(fixture, "spool/new");
    struct stat st;

    fixture_write(fixture, "spool/new/one", "one");
    g_assert_true(fixture_refresh(fixture));
    g_assert_false(fixture_refresh(fixture));
    g_assert_cmpint(stat(folder, &st), ==, 0);
    fixture_write(fixture, "spool/new/two", "two");
    g_assert_cmpint(utimensat(AT_FDCWD, folder, (struct timespec[]){st.st_atim, st.st_mtim}, 0), ==,
                    0);
    g_assert_true(fixture_refresh(fixture));
    fixture_expect_list(fixture, "1 inbox, 2 inbox");
}

/* Each while the spool is closed, and while it is open. */
static void add(const char *name, void (*func)(Fixture *fixture, gconstpointer data))
{
    g_autofree char *closed = g_strdup_printf("/pop/spool-others/%s/closed", name),
                    *open = g_strdup_printf("/pop/spool-others/%s/open", name);

    g_test_add(closed, Fixture, NULL, fixture_set_up, func, fixture_tear_down);
    g_test_add(open, Fixture, "open", fixture_set_up, func, fixture_tear_down);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("delivered", test_delivered);
    add("number-of-another-spool", test_number_of_another_spool);
    add("date-of-file", test_date_of_file);
    add("flags", test_flags);
    add("moved", test_moved);
    add("moved-under-another-name", test_moved_under_another_name);
    add("copied", test_copied);
    FIXTURE_TEST("/pop/spool-others/copy-in-the-way", test_copy_in_the_way);
    add("removed", test_removed);
    add("restored", test_restored);
    FIXTURE_TEST("/pop/spool-others/moved-while-looking", test_moved_while_looking);
    FIXTURE_TEST("/pop/spool-others/no-files", test_no_files);
    FIXTURE_TEST("/pop/spool-others/folder-is-removed", test_folder_is_removed);
    FIXTURE_TEST("/pop/spool-others/renamed-under-us", test_renamed_under_us);
    FIXTURE_TEST("/pop/spool-others/saved-from-trash", test_saved_from_trash);
    FIXTURE_TEST("/pop/spool-others/left-in-tmp", test_left_in_tmp);
    FIXTURE_TEST("/pop/spool-others/nothing-changed", test_nothing_changed);
    FIXTURE_TEST("/pop/spool-others/deletion-looks-at-one", test_deletion_looks_at_one);
    FIXTURE_TEST("/pop/spool-others/changed-at-once", test_changed_at_once);
    return g_test_run();
}

/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/spool.c - an account whose mailboxes are what they are: what may be done there. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "fakefile.h"

#define U1   INBOX_NAME ".u1,.eml"
#define U2   INBOX_NAME ".u2,.eml"
#define U2_F INBOX_NAME ".u2,F.eml"
#define U3   INBOX_NAME ".u3,.eml"
#define U7   INBOX_NAME ".u7,.eml"

/* --- nothing comes into being --- */

static int make_dir(Mount *mount, const char *dir, const char *name)
{
    return fakekernel_wait(mount->kernel, mount_send_mkdir(mount, dir, name))->code;
}

static int make_node(Mount *mount, const char *dir, const char *name)
{
    const struct fuse_mknod_in arg = {.mode = S_IFREG | 0600};

    return mount_call(mount, FUSE_MKNOD, mount_ino(mount, dir), &arg, sizeof arg, name)->code;
}

/* The target comes behind the name: nobody gets as far as looking at it. */
static int make_symlink(Mount *mount, const char *dir, const char *name)
{
    return mount_call(mount, FUSE_SYMLINK, mount_ino(mount, dir), "link", 5, name)->code;
}

static int make_link(Mount *mount, const char *dir, const char *name)
{
    const struct fuse_link_in arg = {.oldnodeid = mount_ino(mount, "INBOX/" U2)};

    return mount_call(mount, FUSE_LINK, mount_ino(mount, dir), &arg, sizeof arg, name)->code;
}

static void test_nothing_is_made(Mount *mount, gconstpointer data)
{
    static const struct {
        int (*make)(Mount *mount, const char *dir, const char *name);
        const char *dir, *name;
    } rows[] = {
        {fakefile_create_code, "INBOX", "new.eml"},
        {fakefile_create_code, "Read", ".scratch"},
        {fakefile_create_code, "", "new.eml"},
        {make_dir, "", "New"},
        {make_dir, "INBOX", "Below"},
        {make_node, "INBOX", "node"},
        {make_symlink, "INBOX", "link"},
        {make_link, "Read", "link"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s/%s", rows[i].dir, rows[i].name);
        g_assert_cmpint(rows[i].make(mount, rows[i].dir, rows[i].name), ==, EROFS);
    }
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
}

static void test_nothing_is_written(Mount *mount, gconstpointer data)
{
    static const struct {
        const char *path;
        guint32 flags;
    } rows[] = {
        {"INBOX/" U2, O_WRONLY},
        {"INBOX/" U2, O_RDWR},
        {"INBOX/" U2, O_WRONLY | O_APPEND},
        {"INBOX/u2.eml", O_WRONLY | O_TRUNC},
        {"Read/" U7, O_WRONLY},
        {".mailfs/uid/Read/7.eml", O_WRONLY},
    };
    FakeFile file = {mount, mount_ino(mount, "INBOX/" U2), 0};

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].path);
        assert_code(mount_open(mount, FUSE_OPEN, mount_ino(mount, rows[i].path), rows[i].flags),
                    EROFS);
    }
    g_assert_cmpint(fakefile_set_attr(&file, FATTR_SIZE, 0), ==, EROFS);
    g_assert_cmpint(fakefile_copy(&file, "Read/" U7, 100), ==, -EROFS);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
}

static void test_mailboxes_stay(Mount *mount, gconstpointer data)
{
    g_assert_cmpint(fakekernel_wait(mount->kernel, mount_send_rmdir(mount, "", "Read"))->code, ==,
                    EROFS);
    g_assert_cmpint(mount_rename(mount, "", "Read", "", "Done"), ==, EROFS);
    g_assert_cmpint(mount_rename(mount, "", "Read", "INBOX", "Read"), ==, EROFS);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
}

/* For rm and mv. */
static void test_directories_look_writable(Mount *mount, gconstpointer data)
{
    g_assert_cmpuint(mount_getattr(mount, mount_ino(mount, "INBOX"))->mode & 07777, ==, 0700);
    g_assert_cmpuint(mount_getattr(mount, mount_ino(mount, "Read"))->mode & 07777, ==, 0700);
}

/* --- what messages may do --- */

static const CacheChange *check_change(Mount *mount, CacheChangeKind kind, guint32 uid)
{
    const CacheChange *change = fakebackend_change(mount->backend, kind);

    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 1);
    g_assert_nonnull(change);
    g_assert_cmpuint(change->uid, ==, uid);
    return change;
}

static void test_rename(Mount *mount, gconstpointer data)
{
    guint64 ino = mount_ino(mount, "INBOX/" U2);

    g_assert_cmpint(mount_rename(mount, "INBOX", U2, "Read", U2), ==, 0);
    g_assert_cmpuint(check_change(mount, CACHE_CHANGE_MOVE, 2)->target, ==, mount->read);
    fakebackend_do_all(mount->backend);
    g_assert_cmpuint(mount_ino(mount, "Read/" U2), ==, ino);
    ino = mount_ino(mount, "Read/" U7);
    g_assert_cmpint(mount_rename(mount, "Read", U7, "INBOX", U7), ==, 0);
    g_assert_cmpuint(check_change(mount, CACHE_CHANGE_MOVE, 7)->target, ==, mount->inbox);
    g_assert_cmpuint(mount_ino(mount, "INBOX/" U7), ==, ino);
    fakebackend_do_all(mount->backend);
    g_assert_cmpuint(mount_ino(mount, "INBOX/" U7), ==, ino);
}

/* The kernel may know numbers from an earlier mount. */
static void test_number_of_what_was_read(Mount *mount, gconstpointer data)
{
    guint64 ino = mount_ino(mount, "Read/" U7);
    FsNode node;

    (void)mount_ino(mount, "INBOX/" U2);
    ino = mount_ino(mount, "Read/" U7);
    g_assert_true(fs_node_unpack(ino, &node));
    g_assert_cmpuint(node.number, ==, cache_box(mount->cache, mount->inbox)->generation);
    g_assert_cmpuint(mount_getattr(mount, ino)->size, ==, 1007);
    g_assert_cmpuint(mount_getattr(mount, ino)->ino, ==, ino);
    g_assert_cmpuint(mount_ino(mount, ".mailfs/uid/Read/7.eml"), !=, ino);
}

static void test_flags(Mount *mount, gconstpointer data)
{
    g_assert_cmpint(mount_rename(mount, "INBOX", U2, "INBOX", U2_F), ==, 0);
    g_assert_cmphex(check_change(mount, CACHE_CHANGE_FLAGS, 2)->add, ==, MAIL_FLAG_FLAGGED);
}

static void test_other_names(Mount *mount, gconstpointer data)
{
    static const char *const names[] = {U2 "~", ".hidden", "other.eml", INBOX_NAME ".u9,.eml"};

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_test_message("%s", names[i]);
        g_assert_cmpint(mount_rename(mount, "INBOX", U2, "INBOX", names[i]), ==, EROFS);
    }
    g_assert_cmpint(mount_rename(mount, "INBOX", U2, "Read", U7), ==, EEXIST);
    g_assert_cmpint(mount_rename(mount, "INBOX", U2, "", U2), ==, EROFS);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
}

/* Nor is another one replaced by what is on its way. */
static void test_nothing_is_replaced(Mount *mount, gconstpointer data)
{
    g_assert_cmpint(mount_rename(mount, "INBOX", U2, "Read", "mine.eml"), ==, 0);
    g_assert_cmpint(mount_rename(mount, "Read", "mine.eml", "Read", U7), ==, EEXIST);
    check_change(mount, CACHE_CHANGE_MOVE, 2);
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Entry by entry; after the first so many of them have come to their end. */
static void list_while(Mount *mount, guint n_done)
{
    g_autoptr(DirReader) reader = dirreader_new(mount_ino(mount, "Read"), FUSE_READDIR, 128);
    g_autofree char *names = NULL;

    g_assert_cmpint(mount_rename(mount, "INBOX", U1, "Read", U1), ==, 0);
    g_assert_cmpint(mount_rename(mount, "INBOX", U2, "Read", U2), ==, 0);
    g_assert_cmpint(mount_rename(mount, "INBOX", U3, "Read", U3), ==, 0);
    assert_code(mount_open(mount, FUSE_OPENDIR, reader->dir, 0), 0);
    while (reader->names->len < 3)
        g_assert_true(dirreader_next(mount, reader));
    for (guint i = 0; i < n_done; i++)
        fakebackend_do(mount->backend, fakebackend_change(mount->backend, CACHE_CHANGE_MOVE));
    while (dirreader_next(mount, reader))
        ;
    g_ptr_array_sort(reader->names, compare_names);
    g_ptr_array_add(reader->names, NULL);
    names = g_strjoinv(" ", (char **)reader->names->pdata);
    g_assert_cmpstr(names, ==, ". .. " U1 " " U2 " " U3 " " U7);
}

static void test_list_one_done(Mount *mount, gconstpointer data)
{
    list_while(mount, 1);
}

static void test_list_all_done(Mount *mount, gconstpointer data)
{
    list_while(mount, 3);
}

/* Whatever the policy is: there is a trash elsewhere. */
static const FsOptions policies[] = {
    {.deletes = FS_DELETE_TRASH}, {.deletes = FS_DELETE_EXPUNGE}, {.deletes = FS_DELETE_MARK}};

static void test_remove(Mount *mount, gconstpointer data)
{
    g_assert_cmpint(mount_unlink(mount, "INBOX", U2), ==, 0);
    check_change(mount, CACHE_CHANGE_EXPUNGE, 2);
    fakebackend_do_all(mount->backend);
    g_assert_cmpint(mount_unlink(mount, "Read", "u7.eml"), ==, 0);
    check_change(mount, CACHE_CHANGE_EXPUNGE, 7);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_writer_default_set_use_stderr(TRUE);
    spool_test("/spool/make", NULL, test_nothing_is_made);
    spool_test("/spool/write", NULL, test_nothing_is_written);
    spool_test("/spool/mailboxes", NULL, test_mailboxes_stay);
    spool_test("/spool/modes", NULL, test_directories_look_writable);
    spool_test("/spool/rename", NULL, test_rename);
    spool_test("/spool/number", NULL, test_number_of_what_was_read);
    spool_test("/spool/flags", NULL, test_flags);
    spool_test("/spool/names", NULL, test_other_names);
    spool_test("/spool/replace", NULL, test_nothing_is_replaced);
    spool_test("/spool/list/one-done", NULL, test_list_one_done);
    spool_test("/spool/list/all-done", NULL, test_list_all_done);
    spool_test("/spool/remove/trash", &policies[0], test_remove);
    spool_test("/spool/remove/expunge", &policies[1], test_remove);
    spool_test("/spool/remove/mark", &policies[2], test_remove);
    return g_test_run();
}

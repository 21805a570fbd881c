/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/remove.c - what rm does to messages, by policy. */
#include "mount.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define U2 INBOX_NAME ".u2,.eml"

static void add_trash(Mount *mount)
{
    fakebackend_set_boxes(mount->backend, "INBOX", "Archive", "Archive/2024", "Sent", "Trash",
                          NULL);
}

/* The only change, of that kind and of message @uid of INBOX or @box. */
static const CacheChange *check_change(Mount *mount, CacheChangeKind kind, guint32 uid)
{
    const CacheChange *change = fakebackend_change(mount->backend, kind);

    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 1);
    g_assert_nonnull(change);
    g_assert_cmpuint(change->uid, ==, uid);
    return change;
}

static void test_to_the_trash(Mount *mount, gconstpointer data)
{
    const CacheChange *change;

    add_trash(mount);
    g_assert_cmpint(mount_unlink(mount, "INBOX", U2), ==, 0);
    change = check_change(mount, CACHE_CHANGE_MOVE, 2);
    g_assert_cmpuint(change->target, ==, fakebackend_box(mount->backend, "Trash"));
    g_assert_cmpstr(change->name, ==, U2);
    g_assert_cmpint(mount_lookup_code(mount, mount_ino(mount, "INBOX"), U2), ==, ENOENT);
    (void)mount_ino(mount, "Trash/" U2);
    fakebackend_do_all(mount->backend);
    (void)mount_ino(mount, "Trash/" INBOX_NAME ".u1,.eml");
}

/* Somebody else's mailboxes, which are shared with us, have one of their own. */
static void test_nearest_trash(Mount *mount, gconstpointer data)
{
    static const gboolean none_raw[3];
    static const char *const inbox[] = {"INBOX", NULL}, *const trash[] = {"Trash", NULL},
                             *const others[] = {"Others", "bob", "Trash", NULL};
    static const CacheBoxNews boxes[] = {
        {"INBOX", inbox, none_raw, 0},
        {"Others/bob/Trash", others, none_raw, CACHE_BOX_TRASH},
        {"Trash", trash, none_raw, CACHE_BOX_TRASH},
    };

    cache_put_boxes(mount->cache, boxes, G_N_ELEMENTS(boxes));
    g_assert_cmpint(mount_unlink(mount, "INBOX", U2), ==, 0);
    g_assert_cmpuint(check_change(mount, CACHE_CHANGE_MOVE, 2)->target, ==,
                     fakebackend_box(mount->backend, "Trash"));
}

/* Where it is for good. */
static void test_in_the_trash(Mount *mount, gconstpointer data)
{
    guint32 trash;

    add_trash(mount);
    trash = fakebackend_box(mount->backend, "Trash");
    fakebackend_add(mount->backend, trash, 9);
    g_assert_cmpint(mount_unlink(mount, "Trash", "u9.eml"), ==, 0);
    check_change(mount, CACHE_CHANGE_EXPUNGE, 9);
    fakebackend_do_all(mount->backend);
    g_assert_null(fakebackend_message(mount->backend, trash, 9));
}

/* Also what was just thrown away, as soon as it is there. */
static void test_just_moved_there(Mount *mount, gconstpointer data)
{
    guint64 unique;

    add_trash(mount);
    g_assert_cmpint(mount_unlink(mount, "INBOX", U2), ==, 0);
    unique = fakekernel_send(mount->kernel, FUSE_UNLINK, mount_ino(mount, "Trash"), NULL, 0, U2);
    g_assert_null(fakekernel_peek(mount->kernel, unique));
    fakebackend_do_all(mount->backend);
    assert_code(fakekernel_wait(mount->kernel, unique), 0);
    check_change(mount, CACHE_CHANGE_EXPUNGE, 1);
}

static void test_without_a_trash(Mount *mount, gconstpointer data)
{
    g_assert_cmpint(mount_unlink(mount, "INBOX", U2), ==, 0);
    g_assert_cmphex(check_change(mount, CACHE_CHANGE_FLAGS, 2)->add, ==, MAIL_FLAG_DELETED);
    (void)mount_ino(mount, "INBOX/" INBOX_NAME ".u2,T.eml");
}

static const FsOptions mark = {.deletes = FS_DELETE_MARK};

static void test_mark(Mount *mount, gconstpointer data)
{
    add_trash(mount);
    g_assert_cmpint(mount_unlink(mount, "INBOX", "u2.eml"), ==, 0);
    g_assert_cmphex(check_change(mount, CACHE_CHANGE_FLAGS, 2)->add, ==, MAIL_FLAG_DELETED);
}

static const FsOptions expunge = {.deletes = FS_DELETE_EXPUNGE};

static void test_expunge(Mount *mount, gconstpointer data)
{
    guint64 ino = mount_ino(mount, "INBOX/" U2);

    add_trash(mount);
    g_assert_cmpint(mount_unlink(mount, ".mailfs/uid/INBOX", "2.eml"), ==, 0);
    check_change(mount, CACHE_CHANGE_EXPUNGE, 2);
    g_assert_cmpint(mount_lookup_code(mount, mount_ino(mount, "INBOX"), U2), ==, ENOENT);
    fakebackend_do_all(mount->backend);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_assert_cmpint(mount_getattr_code(mount, ino), ==, ESTALE);
}

static void test_refused(Mount *mount, gconstpointer data)
{
    add_trash(mount);
    g_assert_cmpint(mount_unlink(mount, "INBOX", U2), ==, 0);
    fakebackend_refuse(mount->backend, MAIL_ERROR_PERMISSION, "not yours");
    (void)mount_ino(mount, "INBOX/" U2);
    g_assert_cmpint(mount_lookup_code(mount, mount_ino(mount, "Trash"), U2), ==, ENOENT);
}

static void test_what_cannot_go(Mount *mount, gconstpointer data)
{
    static const struct {
        const char *dir, *name;
        int code;
    } rows[] = {
        {"INBOX", INBOX_NAME ".u2,S.eml", ENOENT}, /* a name that it does not have */
        {"INBOX", "u99.eml", ENOENT},
        {"", "INBOX", EISDIR},
        {"", ".mailfs", EISDIR},
        {".mailfs", "status", EROFS},
        {".mailfs/text/INBOX", INBOX_NAME ".u2.txt", EROFS},
        {".mailfs/parts/INBOX", "2", EROFS},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s/%s", rows[i].dir, rows[i].name);
        g_assert_cmpint(mount_unlink(mount, rows[i].dir, rows[i].name), ==, rows[i].code);
    }
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
}

/* A mailbox in which nothing may be changed. */
static void test_rights(Mount *mount, gconstpointer data)
{
    const CacheRights none = {.is_read_only = TRUE};
    guint64 inbox = mount_ino(mount, "INBOX"), ino = mount_ino(mount, "INBOX/" U2);
    g_autofree char *notes = NULL;
    const char *note;

    g_assert_cmpuint(mount_getattr(mount, inbox)->mode & 07777, ==, 0700);
    g_assert_cmpuint(mount_getattr(mount, ino)->mode & 07777, ==, 0600);
    mount->backend->rights = none;
    g_assert_cmpint(mount_unlink(mount, "INBOX", U2), ==, EROFS);
    notes = mount_take_notes(mount);
    /* By its name, by its alias and by its number. */
    note = strstr(notes, "inode INBOX/u2.eml\n");
    g_assert_nonnull(note);
    g_assert_nonnull(strstr(note + 1, "inode INBOX/u2.eml\n"));
    g_assert_nonnull(strstr(notes, "inode .mailfs/uid/INBOX/u2.eml\n"));
    g_assert_cmpuint(mount_getattr(mount, inbox)->mode & 07777, ==, 0500);
    g_assert_cmpuint(mount_getattr(mount, ino)->mode & 07777, ==, 0400);
    assert_code(mount_open(mount, FUSE_OPEN, ino, O_WRONLY), EROFS);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mount_test("/remove/trash", NULL, test_to_the_trash);
    mount_test("/remove/nearest-trash", NULL, test_nearest_trash);
    mount_test("/remove/in-trash", NULL, test_in_the_trash);
    mount_test("/remove/just-moved", NULL, test_just_moved_there);
    mount_test("/remove/no-trash", NULL, test_without_a_trash);
    mount_test("/remove/mark", &mark, test_mark);
    mount_test("/remove/expunge", &expunge, test_expunge);
    mount_test("/remove/refused", NULL, test_refused);
    mount_test("/remove/rules", NULL, test_what_cannot_go);
    mount_test("/remove/rights", NULL, test_rights);
    return g_test_run();
}

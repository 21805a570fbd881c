/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/rewriting.c - messages that are opened for writing, and copied. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "fakefile.h"

#define OLD    "Subject: Old\r\n\r\nOld.\r\n"
#define LETTER "Subject: New\n\nNew.\n"
#define SENT   "Subject: New\r\n\r\nNew.\r\n"

static const FsOptions for_disk = {.waits = FS_WAITS_FOR_DISK};
static const FsOptions always = {.waits = FS_WAITS_ALWAYS};

static void set_up(Mount *mount, gconstpointer options)
{
    FakeMessage *message;

    mount_set_up(mount, options);
    message =
        fakebackend_add_raw(mount->backend, mount->inbox, 9, g_bytes_new_static(OLD, strlen(OLD)));
    message->flags = MAIL_FLAG_DRAFT;
}

static const CacheChange *check_change(Mount *mount, CacheChangeKind kind, guint32 uid)
{
    const CacheChange *change = fakebackend_change(mount->backend, kind);

    g_assert_nonnull(change);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 1);
    g_assert_cmpuint(change->uid, ==, uid);
    return change;
}

static void check_data(Mount *mount, const CacheChange *change, const char *expected)
{
    g_autoptr(GBytes) data = cache_change_data(mount->cache, change->id, NULL);
    gsize len;
    const char *bytes = g_bytes_get_data(data, &len);

    g_assert_cmpmem(bytes, len, expected, strlen(expected));
}

/* --- in an editor --- */

static void test_truncated(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_open_path(mount, ".mailfs/uid/INBOX/9.eml", O_WRONLY | O_TRUNC);
    const CacheChange *change;

    g_assert_cmpuint(mount_getattr(mount, file.ino)->size, ==, 0);
    fakefile_write(&file, 0, LETTER);
    g_assert_cmpuint(mount_getattr(mount, file.ino)->size, ==, strlen(LETTER));
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    change = check_change(mount, CACHE_CHANGE_APPEND, 9);
    check_data(mount, change, SENT);
    g_assert_cmpuint(change->add, ==, MAIL_FLAG_DRAFT);
    g_assert_cmpint(change->date, ==, fakebackend_message(mount->backend, mount->inbox, 9)->date);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
    g_assert_cmpuint(mount_getattr(mount, file.ino)->size, ==, strlen(SENT));
    fakebackend_do_all(mount->backend);
    g_assert_null(fakebackend_message(mount->backend, mount->inbox, 9));
    g_assert_cmpuint(mount_getattr(mount, file.ino)->size, ==, strlen(SENT));
}

/* What it held is fetched when the first byte is written. */
static void test_in_place(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_open_path(mount, ".mailfs/uid/INBOX/9.eml", O_RDWR);

    fakefile_check(&file, OLD);
    fakefile_write(&file, strlen("Subject: "), "New");
    fakefile_check(&file, "Subject: New\r\n\r\nOld.\r\n");
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    check_data(mount, check_change(mount, CACHE_CHANGE_APPEND, 9), "Subject: New\r\n\r\nOld.\r\n");
    g_assert_cmpint(fakefile_release(&file), ==, 0);
}

static void test_unwritten(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_open_path(mount, ".mailfs/uid/INBOX/9.eml", O_RDWR);

    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
    g_assert_cmpuint(mount_getattr(mount, file.ino)->size, ==, strlen(OLD));
}

/* It is as it was. */
static void test_spoiled(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_open_path(mount, ".mailfs/uid/INBOX/9.eml", O_WRONLY | O_TRUNC);
    g_autofree char *text = NULL, *notes = NULL;

    g_assert_cmpint(fakefile_flush(&file), ==, EINVAL);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
    /* Under each of its names. */
    g_assert_cmpuint(g_hash_table_size(mount->fs->resized), ==, 3);
    notes = mount_take_notes(mount);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
    text = mount_read_text(mount, "INBOX/u9.eml");
    g_assert_cmpstr(text, ==, OLD);
}

static void test_removed_meanwhile(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_open_path(mount, ".mailfs/uid/INBOX/9.eml", O_WRONLY | O_TRUNC);

    fakefile_write(&file, 0, LETTER);
    fakebackend_expunge(mount->backend, mount->inbox, 9);
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    check_data(mount, check_change(mount, CACHE_CHANGE_APPEND, 0), SENT);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
}

/* The one that is elsewhere stays. */
static void test_moved_meanwhile(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_open_path(mount, ".mailfs/uid/INBOX/9.eml", O_WRONLY | O_TRUNC);

    fakefile_write(&file, 0, LETTER);
    g_assert_cmpint(mount_rename(mount, "INBOX", INBOX_NAME ".u9,D.eml", "Sent", "kept.eml"), ==,
                    0);
    fakebackend_do_all(mount->backend);
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    check_data(mount, check_change(mount, CACHE_CHANGE_APPEND, 0), SENT);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
}

static void test_attributes(Mount *mount, gconstpointer data)
{
    FakeFile file = {mount, mount_ino(mount, "INBOX/u9.eml"), 0};

    g_assert_cmpint(fakefile_set_attr(&file, FATTR_MODE | FATTR_UID | FATTR_GID, 0), ==, 0);
    g_assert_cmpint(fakefile_set_attr(&file, FATTR_ATIME | FATTR_MTIME, 1), ==, 0);
    g_assert_cmpint(fakefile_set_attr(&file, FATTR_SIZE, 0), ==, EPERM);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
}

/* --- copying --- */

static void test_copy(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "Sent", "copy.eml");

    g_assert_cmpint(fakefile_copy(&file, "INBOX/u9.eml", 1 << 30), ==, strlen(OLD));
    g_assert_cmpuint(mount_getattr(mount, file.ino)->size, ==, strlen(OLD));
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    g_assert_cmpuint(check_change(mount, CACHE_CHANGE_COPY, 9)->target, ==, mount->sent);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
    g_assert_null(fakebackend_find(mount->backend, CACHE_WANT_BLOCK));
    g_assert_cmpuint(mount_getattr(mount, file.ino)->size, ==, strlen(OLD));
    fakebackend_do_all(mount->backend);
    g_assert_cmpuint(mount_getattr(mount, file.ino)->size, ==, strlen(OLD));
}

/* It is in the journal, and that on the disk. */
static void test_copy_is_safe(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "Sent", "copy.eml");
    guint64 flush;

    g_assert_cmpint(fakefile_copy(&file, "INBOX/u9.eml", 1 << 30), ==, strlen(OLD));
    flush = fakefile_send_flush(&file);
    fakefile_wait_for_change(&file);
    g_assert_false(fakekernel_is_answered(mount->kernel, flush));
    assert_code(fakekernel_wait(mount->kernel, flush), 0);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
}

static void test_copy_sync(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "Sent", "copy.eml");
    guint64 flush;

    g_assert_cmpint(fakefile_copy(&file, "INBOX/u9.eml", 1 << 30), ==, strlen(OLD));
    flush = fakefile_send_flush(&file);
    fakefile_wait_for_change(&file);
    g_assert_null(fakekernel_peek(mount->kernel, flush));
    fakebackend_do_all(mount->backend);
    assert_code(fakekernel_wait(mount->kernel, flush), 0);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
}

/* Then the bytes are needed. */
static void test_copy_changed(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "Sent", "copy.eml");

    g_assert_cmpint(fakefile_copy(&file, "INBOX/u9.eml", 1 << 30), ==, strlen(OLD));
    fakefile_write(&file, strlen(OLD), "More.\n");
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    check_data(mount, check_change(mount, CACHE_CHANGE_APPEND, 0), OLD "More.\r\n");
    g_assert_cmpint(fakefile_release(&file), ==, 0);
}

/* The kernel reads and writes instead. */
static void test_copy_of_a_piece(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "Sent", "copy.eml");

    g_assert_cmpint(fakefile_copy(&file, "INBOX/u9.eml", strlen(OLD) - 1), ==, -EOPNOTSUPP);
    g_assert_cmpint(fakefile_copy(&file, ".mailfs/status", 1 << 30), ==, -EOPNOTSUPP);
    fakefile_write(&file, 0, LETTER);
    g_assert_cmpint(fakefile_copy(&file, "INBOX/u9.eml", 1 << 30), ==, -EOPNOTSUPP);
    g_assert_cmpint(fakefile_set_attr(&file, FATTR_SIZE, 0), ==, 0);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
}

/* The copy has the flags of its name, not those of the message. */
static void test_copy_with_flags(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "Sent", "copy.u9,FS.eml");
    const CacheChange *change;

    g_assert_cmpint(fakefile_copy(&file, "INBOX/u9.eml", 1 << 30), ==, strlen(OLD));
    g_assert_cmpint(fakefile_flush_done(&file), ==, 0);
    change = check_change(mount, CACHE_CHANGE_FLAGS, 8);
    g_assert_cmpuint(change->add, ==, MAIL_FLAG_FLAGGED | MAIL_FLAG_SEEN);
    g_assert_cmpuint(change->remove, ==, MAIL_FLAG_DRAFT);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
}

#define rewriting_test(path, options, func)                                                        \
    g_test_add(path, Mount, options, set_up, func, mount_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rewriting_test("/rewriting/truncated", &for_disk, test_truncated);
    rewriting_test("/rewriting/in-place", &for_disk, test_in_place);
    rewriting_test("/rewriting/unwritten", NULL, test_unwritten);
    rewriting_test("/rewriting/spoiled", NULL, test_spoiled);
    rewriting_test("/rewriting/removed", &for_disk, test_removed_meanwhile);
    rewriting_test("/rewriting/moved", &for_disk, test_moved_meanwhile);
    rewriting_test("/rewriting/attributes", NULL, test_attributes);
    rewriting_test("/copying/whole", NULL, test_copy);
    rewriting_test("/copying/safe", &for_disk, test_copy_is_safe);
    rewriting_test("/copying/sync", &always, test_copy_sync);
    rewriting_test("/copying/changed", &for_disk, test_copy_changed);
    rewriting_test("/copying/piece", NULL, test_copy_of_a_piece);
    rewriting_test("/copying/flags", NULL, test_copy_with_flags);
    return g_test_run();
}

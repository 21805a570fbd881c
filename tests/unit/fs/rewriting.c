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

/* By us: then it has no name, as any file that is removed while it is written. */
static void test_removed_here(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_open_path(mount, ".mailfs/uid/INBOX/9.eml", O_WRONLY | O_TRUNC);

    fakefile_write(&file, 0, LETTER);
    g_assert_cmpint(mount_unlink(mount, "INBOX", INBOX_NAME ".u9,D.eml"), ==, 0);
    fakebackend_do_all(mount->backend);
    fakefile_write(&file, strlen(LETTER), "More.\n");
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
}

/* A new one, when it was a message already. */
static void test_new_removed_here(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", "new.eml");

    fakefile_write(&file, 0, LETTER);
    g_assert_cmpint(fakefile_flush_done(&file), ==, 0);
    g_assert_cmpint(mount_unlink(mount, "INBOX", "new.eml"), ==, 0);
    fakebackend_do_all(mount->backend);
    fakefile_write(&file, strlen(LETTER), "More.\n");
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
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

/* By the number that the message had, what is sent in its place is dated. */
static void test_date(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_open_path(mount, ".mailfs/uid/INBOX/9.eml", O_WRONLY | O_TRUNC);

    fakefile_write(&file, 0, LETTER);
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
    g_assert_cmpint(fakefile_set_attr(&file, FATTR_MTIME, 1000000), ==, 0);
    g_assert_cmpint(check_change(mount, CACHE_CHANGE_APPEND, 9)->date, ==, 1000000);
    g_assert_cmpuint(mount_getattr(mount, file.ino)->mtime, ==, 1000000);
}

/* --- a large message: what it held is taken over in pieces --- */

#define LARGE      ((gsize)8 << 20)
#define LARGE_END  (LARGE - strlen("end\r\n"))
#define LARGE_PATH ".mailfs/uid/INBOX/11.eml"

/* UID 11, which is here. */
static void add_large(Mount *mount)
{
    char *text = g_strnfill(LARGE, 'x');

    memcpy(text, OLD, strlen(OLD));
    for (gsize at = strlen(OLD) + 70; at < LARGE_END; at += 72)
        memcpy(text + at, "\r\n", 2);
    memcpy(text + LARGE_END, "end\r\n", strlen("end\r\n"));
    fakebackend_add_raw(mount->backend, mount->inbox, 11, g_bytes_new_take(text, LARGE));
    mount_read_all(mount, mount_ino(mount, LARGE_PATH));
}

static FakeFile open_large(Mount *mount)
{
    add_large(mount);
    return fakefile_open_path(mount, LARGE_PATH, O_RDWR);
}

/* The first piece is taken over by then, and the last one is not. */
static guint64 write_to_large(FakeFile *file)
{
    guint64 another = mount_ino(file->mount, ".mailfs/uid/INBOX/9.eml"),
            write = fakefile_send_write(file, LARGE_END, "END"),
            other = mount_send_getattr(file->mount, another);

    while (!fakekernel_is_answered(file->mount->kernel, other))
        g_main_context_iteration(NULL, TRUE);
    g_assert_false(fakekernel_is_answered(file->mount->kernel, write));
    return write;
}

static void check_large(Mount *mount, guint32 uid, const char *expected)
{
    const CacheChange *change = check_change(mount, CACHE_CHANGE_APPEND, uid);
    g_autoptr(GBytes) data = cache_change_data(mount->cache, change->id, NULL);
    gsize len;
    const char *bytes = g_bytes_get_data(data, &len);

    g_assert_cmpuint(len, ==, LARGE);
    g_assert_cmpmem(bytes, strlen(OLD), OLD, strlen(OLD));
    g_assert_cmpmem(bytes + LARGE_END, strlen(expected), expected, strlen(expected));
}

static void test_large(Mount *mount, gconstpointer data)
{
    FakeFile file = open_large(mount);
    guint64 write = write_to_large(&file);

    assert_code(fakekernel_wait(mount->kernel, write), 0);
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    check_large(mount, 11, "END\r\n");
    g_assert_cmpint(fakefile_release(&file), ==, 0);
}

static void test_large_interrupted(Mount *mount, gconstpointer data)
{
    FakeFile file = open_large(mount);
    guint64 write = write_to_large(&file);

    fakekernel_interrupt(mount->kernel, write);
    assert_code(fakekernel_wait(mount->kernel, write), EINTR);
    g_assert_cmpuint(mount_getattr(mount, file.ino)->size, ==, LARGE);
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
    /* It can be tried again. */
    fakefile_write(&file, LARGE_END, "END");
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    check_large(mount, 11, "END\r\n");
    g_assert_cmpint(fakefile_release(&file), ==, 0);
}

static void test_large_gone(Mount *mount, gconstpointer data)
{
    FakeFile file = open_large(mount);
    guint64 write = write_to_large(&file);

    fakebackend_expunge(mount->backend, mount->inbox, 11);
    assert_code(fakekernel_wait(mount->kernel, write), ESTALE);
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
    g_assert_cmpint(mount_getattr_code(mount, file.ino), ==, ESTALE);
}

static void test_large_written_by_two(Mount *mount, gconstpointer data)
{
    FakeFile file = open_large(mount);
    guint64 one = write_to_large(&file), other = fakefile_send_write(&file, 0, "Z");

    assert_code(fakekernel_wait(mount->kernel, one), 0);
    assert_code(fakekernel_wait(mount->kernel, other), 0);
    g_assert_cmpint(fakefile_set_attr(&file, FATTR_SIZE, 9), ==, 0);
    fakefile_check(&file, "Zubject: ");
    g_assert_cmpint(fakefile_set_attr(&file, FATTR_SIZE, 0), ==, 0);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
}

static void test_large_emptied(Mount *mount, gconstpointer data)
{
    FakeFile file = open_large(mount);
    guint64 write = write_to_large(&file);

    g_assert_cmpint(fakefile_set_attr(&file, FATTR_SIZE, 0), ==, 0);
    assert_code(fakekernel_wait(mount->kernel, write), 0);
    g_assert_cmpuint(mount_getattr(mount, file.ino)->size, ==, LARGE_END + strlen("END"));
    g_assert_cmpint(fakefile_set_attr(&file, FATTR_SIZE, 0), ==, 0);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
}

/* A copy of it is to replace another message: then the bytes are needed. */
static void test_large_renamed(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", ".copy");

    add_large(mount);
    g_assert_cmpint(fakefile_copy(&file, LARGE_PATH, LARGE), ==, LARGE);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
    g_assert_cmpint(mount_rename(mount, "INBOX", ".copy", "INBOX", INBOX_NAME ".u9,D.eml"), ==, 0);
    check_large(mount, 9, "end\r\n");
}

static void test_large_unmounted(Mount *mount, gconstpointer data)
{
    FakeFile file = open_large(mount);
    guint64 write = write_to_large(&file);

    mount_end(mount);
    assert_code(fakekernel_wait(mount->kernel, write), ENODEV);
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
    rewriting_test("/rewriting/removed-here", &for_disk, test_removed_here);
    rewriting_test("/rewriting/new-removed-here", NULL, test_new_removed_here);
    rewriting_test("/rewriting/moved", &for_disk, test_moved_meanwhile);
    rewriting_test("/rewriting/attributes", NULL, test_attributes);
    rewriting_test("/rewriting/date", &for_disk, test_date);
    rewriting_test("/rewriting/large", &for_disk, test_large);
    rewriting_test("/rewriting/large-interrupted", &for_disk, test_large_interrupted);
    rewriting_test("/rewriting/large-gone", &for_disk, test_large_gone);
    rewriting_test("/rewriting/large-written-by-two", &for_disk, test_large_written_by_two);
    rewriting_test("/rewriting/large-emptied", &for_disk, test_large_emptied);
    rewriting_test("/rewriting/large-renamed", &for_disk, test_large_renamed);
    rewriting_test("/rewriting/large-unmounted", &for_disk, test_large_unmounted);
    rewriting_test("/copying/whole", NULL, test_copy);
    rewriting_test("/copying/safe", &for_disk, test_copy_is_safe);
    rewriting_test("/copying/sync", &always, test_copy_sync);
    rewriting_test("/copying/changed", &for_disk, test_copy_changed);
    rewriting_test("/copying/piece", NULL, test_copy_of_a_piece);
    rewriting_test("/copying/flags", NULL, test_copy_with_flags);
    return g_test_run();
}

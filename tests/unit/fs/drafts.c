/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/drafts.c - files that are made and written: when they become messages, and when
 * they do not. */
#include "fakefile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "fs/drafts.h"

#define LETTER      "From: alice@example.org\nSubject: Budget\n\nHello.\n"
#define LETTER_TAIL "om: alice@example.org\r\nSubject: Budget\r\n\r\nHello.\r\n"
#define SENT        "Fr" LETTER_TAIL

static const FsOptions read_only = {.is_read_only = TRUE};
static const FsOptions for_disk = {.waits = FS_WAITS_FOR_DISK};

/* The data of the change that is next. */
static void check_data(Mount *mount, const char *expected)
{
    const CacheChange *change = fakebackend_change(mount->backend, CACHE_CHANGE_APPEND);
    g_autoptr(GBytes) data = NULL;
    gsize len;
    const char *bytes;

    g_assert_nonnull(change);
    data = cache_change_data(mount->cache, change->id, NULL);
    g_assert_nonnull(data);
    bytes = g_bytes_get_data(data, &len);
    g_assert_cmpmem(bytes, len, expected, strlen(expected));
    g_assert_cmpuint(change->size, ==, len);
}

/* --- becoming a message --- */

static void test_close(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", "new.eml");
    guint64 flush;

    fakefile_write(&file, 0, LETTER);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
    flush = fakefile_send_flush(&file);
    fakefile_wait_for_change(&file);
    check_data(mount, SENT);
    g_assert_null(fakekernel_peek(mount->kernel, flush));
    fakebackend_do_all(mount->backend);
    assert_code(fakekernel_wait(mount->kernel, flush), 0);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
    g_assert_nonnull(fakebackend_message(mount->backend, mount->inbox, 4));
}

/* From beginning to end it is one file under one number. */
static void test_one_inode(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", "new.eml");
    guint64 flush;

    fakefile_write(&file, 0, LETTER);
    g_assert_cmpuint(mount_getattr(mount, file.ino)->size, ==, strlen(LETTER));
    g_assert_cmpuint(mount_ino(mount, "INBOX/new.eml"), ==, file.ino);
    flush = fakefile_send_flush(&file);
    fakefile_wait_for_change(&file);
    g_assert_cmpuint(mount_ino(mount, "INBOX/new.eml"), ==, file.ino);
    fakebackend_do_all(mount->backend);
    assert_code(fakekernel_wait(mount->kernel, flush), 0);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
    g_assert_cmpuint(mount_ino(mount, "INBOX/new.eml"), ==, file.ino);
    g_assert_cmpuint(mount_getattr(mount, file.ino)->size, ==, strlen(SENT));
}

static void test_async(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", "new.eml");

    fakefile_write(&file, 0, LETTER);
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 1);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
}

/* It is in the journal. */
static void test_offline(Mount *mount, gconstpointer data)
{
    FakeFile file;

    (void)mount_ino(mount, "INBOX/u1.eml");
    file = fakefile_new(mount, "INBOX", "new.eml");
    fakebackend_go_offline(mount->backend, MAIL_ERROR_OFFLINE, "connection refused");
    fakefile_write(&file, 0, LETTER);
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 1);
    g_assert_cmpuint(mount_getattr(mount, file.ino)->size, ==, strlen(SENT));
}

static void test_lost_connection(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", "new.eml");
    guint64 flush;

    fakefile_write(&file, 0, LETTER);
    flush = fakefile_send_flush(&file);
    fakefile_wait_for_change(&file);
    g_assert_null(fakekernel_peek(mount->kernel, flush));
    fakebackend_go_offline(mount->backend, MAIL_ERROR_OFFLINE, "connection reset");
    assert_code(fakekernel_wait(mount->kernel, flush), 0);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 1);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
}

static void test_flags_of_name(Mount *mount, gconstpointer data)
{
    static const struct {
        const char *name;
        MailFlags flags;
    } rows[] = {
        {"a.eml", 0},
        {"b.u4711,FS.eml", MAIL_FLAG_FLAGGED | MAIL_FLAG_SEEN},
        {"1771165800.M1.host:2,RS", MAIL_FLAG_ANSWERED | MAIL_FLAG_SEEN},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        FakeFile file = fakefile_new(mount, "INBOX", rows[i].name);

        fakefile_write(&file, 0, LETTER);
        g_assert_cmpint(fakefile_flush(&file), ==, 0);
        g_assert_cmpuint(fakebackend_change(mount->backend, CACHE_CHANGE_APPEND)->add, ==,
                         rows[i].flags);
        fakebackend_do_all(mount->backend);
        g_assert_cmpint(fakefile_release(&file), ==, 0);
    }
}

/* As rsync, install and cp -a leave it. */
static void test_date(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", "new.eml");

    fakefile_write(&file, 0, LETTER);
    g_assert_cmpint(fakefile_set_attr(&file, FATTR_MODE | FATTR_UID | FATTR_GID, 0), ==, 0);
    g_assert_cmpint(fakefile_set_attr(&file, FATTR_ATIME | FATTR_MTIME, 1000000), ==, 0);
    g_assert_cmpuint(mount_getattr(mount, file.ino)->mtime, ==, 1000000);
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    g_assert_cmpint(fakebackend_change(mount->backend, CACHE_CHANGE_APPEND)->date, ==, 1000000);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
}

static gint64 date_of_change(Mount *mount)
{
    return fakebackend_change(mount->backend, CACHE_CHANGE_APPEND)->date;
}

/* As Python's shutil.copy2() leaves it: when it is closed, of which the kernel tells us later. */
static void test_date_after_close(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", "new.eml");
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;

    fakefile_write(&file, 0, LETTER);
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    g_assert_cmpint(fakefile_set_attr(&file, FATTR_MTIME, 1000000), ==, 0);
    g_assert_cmpint(date_of_change(mount), ==, 1000000);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
    g_assert_cmpint(fakefile_set_attr(&file, FATTR_ATIME | FATTR_MTIME, 2000000), ==, 0);
    g_assert_cmpint(date_of_change(mount), ==, 2000000);
    g_assert_cmpuint(mount_getattr(mount, mount_ino(mount, "INBOX/new.eml"))->mtime, ==, 2000000);
    g_assert_cmpint(fakefile_set_attr(&file, FATTR_ATIME, 3000000), ==, 0);
    g_assert_cmpint(date_of_change(mount), ==, 2000000);
    g_assert_cmpint(fakefile_set_attr(&file, FATTR_MTIME | FATTR_MTIME_NOW, 0), ==, 0);
    g_assert_cmpint(date_of_change(mount), >=, now);
}

/* It is on its way. */
static void test_date_too_late(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", "new.eml");

    fakefile_write(&file, 0, LETTER);
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
    cache_change_take(mount->cache, fakebackend_change(mount->backend, CACHE_CHANGE_APPEND)->id);
    g_assert_cmpint(fakefile_set_attr(&file, FATTR_MTIME, 1000000), ==, 0);
    g_assert_cmpint(date_of_change(mount), ==, G_MININT64);
    g_assert_cmpuint(mount_getattr(mount, file.ino)->mtime, !=, 1000000);
}

/* It is that of what was written, not of what is to be sent before. */
static void test_date_of_written_on(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", "new.eml");

    fakefile_write(&file, 0, LETTER);
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    fakefile_write(&file, strlen(LETTER), "More.\n");
    g_assert_cmpint(fakefile_set_attr(&file, FATTR_MTIME, 1000000), ==, 0);
    g_assert_cmpint(date_of_change(mount), ==, G_MININT64);
    fakebackend_do_all(mount->backend);
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    g_assert_cmpint(date_of_change(mount), ==, 1000000);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
}

static void test_resize(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", "new.eml");

    fakefile_write(&file, 0, LETTER "and more");
    g_assert_cmpint(fakefile_set_attr(&file, FATTR_SIZE, strlen(LETTER)), ==, 0);
    g_assert_cmpint(fakefile_set_attr(&file, FATTR_SIZE, ((guint64)1 << 30) + 1), ==, EFBIG);
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    check_data(mount, SENT);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
}

/* What is written after it was sent makes another message in its place. */
static void test_written_on(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", "new.eml");
    const CacheChange *change;

    fakefile_write(&file, 0, LETTER);
    g_assert_cmpint(fakefile_flush_done(&file), ==, 0);
    fakefile_write(&file, strlen(LETTER), "More.\n");
    g_assert_cmpuint(mount_getattr(mount, file.ino)->size, ==, strlen(LETTER "More.\n"));
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    check_data(mount, SENT "More.\r\n");
    change = fakebackend_change(mount->backend, CACHE_CHANGE_APPEND);
    g_assert_cmpuint(change->uid, ==, 4);
    fakebackend_do_all(mount->backend);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
    g_assert_null(fakebackend_message(mount->backend, mount->inbox, 4));
    g_assert_cmpuint(mount_getattr(mount, file.ino)->size, ==, strlen(SENT "More.\r\n"));
}

/* Where the mailbox is another one by then, whoever has the number there is not touched. */
static void test_written_on_replaced(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", "new.eml");
    guint64 stranger;

    fakefile_write(&file, 0, LETTER);
    g_assert_cmpint(fakefile_flush_done(&file), ==, 0);
    fakefile_write(&file, strlen(LETTER), "More.\n");
    fakebackend_replace(mount->backend, mount->inbox);
    stranger = mount_ino(mount, "INBOX/u4.eml");
    g_assert_cmpuint(mount_getattr(mount, stranger)->size, ==, strlen(SENT));
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    check_data(mount, SENT "More.\r\n");
    g_assert_cmpuint(fakebackend_change(mount->backend, CACHE_CHANGE_APPEND)->uid, ==, 0);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
}

/* What is on its way is whole. */
static void test_written_meanwhile(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", "new.eml");
    const FsDraft *draft = fs_draft_of_handle(mount->fs, file.handle);
    guint64 flush, write;

    fakefile_write(&file, 0, LETTER);
    flush = fakefile_send_flush(&file);
    while (!draft->outgoing)
        g_main_context_iteration(NULL, TRUE);
    write = fakefile_send_write(&file, 0, "To");
    assert_code(fakekernel_wait(mount->kernel, flush), 0);
    assert_code(fakekernel_wait(mount->kernel, write), 0);
    check_data(mount, SENT);
    fakebackend_do_all(mount->backend);
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    check_data(mount, "To" LETTER_TAIL);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
}

/* Each close of a descriptor is told. */
static void test_closed_twice(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", "new.eml");

    fakefile_write(&file, 0, LETTER);
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 1);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
}

static void test_fsync(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", "new.eml");
    guint64 fsync;

    fakefile_write(&file, 0, LETTER);
    fsync = fakefile_send_fsync(&file);
    fakefile_wait_for_change(&file);
    g_assert_null(fakekernel_peek(mount->kernel, fsync));
    fakebackend_do_all(mount->backend);
    assert_code(fakekernel_wait(mount->kernel, fsync), 0);
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
}

/* What another descriptor wrote is kept, wherever the kernel thought that the end is. */
static void test_append(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", "new.eml");
    struct {
        struct fuse_write_in in;
        char text[sizeof "More.\n" - 1];
    } arg = {.in = {.fh = file.handle, .flags = O_WRONLY | O_APPEND, .size = sizeof arg.text},
             .text = {'M', 'o', 'r', 'e', '.', '\n'}};

    fakefile_write(&file, 0, LETTER);
    assert_code(
        mount_call(mount, FUSE_WRITE, file.ino, &arg, sizeof arg.in + sizeof arg.text, NULL), 0);
    fakefile_check(&file, LETTER "More.\n");
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
}

/* It is known what it became, and it stays that. */
static void test_written_on_unseen(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "Archive", "new.eml");
    guint64 flush;

    fakefile_write(&file, 0, LETTER);
    g_assert_cmpint(fakefile_flush_done(&file), ==, 0);
    fakefile_write(&file, strlen(LETTER), "More.\n");
    mount->backend->is_held = TRUE;
    flush = fakefile_send_flush(&file);
    g_assert_null(fakekernel_peek(mount->kernel, flush));
    fakebackend_fail_all(mount->backend, MAIL_ERROR_TIMEOUT, "timed out");
    assert_code(fakekernel_wait(mount->kernel, flush), ETIMEDOUT);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
    mount->backend->is_held = FALSE;
    fakebackend_fulfil_all(mount->backend);
    g_assert_cmpint(fakefile_flush_done(&file), ==, 0);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
    g_assert_null(
        fakebackend_message(mount->backend, fakebackend_box(mount->backend, "Archive"), 1));
}

/* A size is the kernel's, and may be any. */
static void test_read_size(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", ".new");
    g_autoptr(GPtrArray) slices = cache_slices_new();
    FsRequest request = {.fs = mount->fs};

    fakefile_write(&file, 0, LETTER);
    g_assert_cmpint(
        fs_draft_read(&request, fs_draft_of_handle(mount->fs, file.handle), 2, G_MAXSSIZE, slices),
        ==, CACHE_FOUND);
    g_assert_cmpuint(slices->len, ==, 1);
    g_assert_cmpuint(g_bytes_get_size(slices->pdata[0]), ==, strlen(LETTER) - 2);
}

/* --- callers that give up: what is recorded is done --- */

static void test_interrupted(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", "new.eml");
    guint64 flush;

    fakefile_write(&file, 0, LETTER);
    flush = fakefile_send_flush(&file);
    fakefile_wait_for_change(&file);
    g_assert_null(fakekernel_peek(mount->kernel, flush));
    fakekernel_interrupt(mount->kernel, flush);
    assert_code(fakekernel_wait(mount->kernel, flush), 0);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 1);
}

static void test_interrupted_rename(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", ".new");
    guint64 rename;

    fakefile_write(&file, 0, LETTER);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
    rename = mount_send_rename(mount, "INBOX", ".new", "Sent", "new.eml", 0);
    fakefile_wait_for_change(&file);
    g_assert_null(fakekernel_peek(mount->kernel, rename));
    fakekernel_interrupt(mount->kernel, rename);
    assert_code(fakekernel_wait(mount->kernel, rename), 0);
    g_assert_cmpuint(mount_ino(mount, "Sent/new.eml"), ==, file.ino);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 1);
}

/* After it had waited for the rights of the mailbox. */
static void test_interrupted_while_made(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", ".new");
    const FsDraft *draft = fs_draft_of_handle(mount->fs, file.handle);
    guint64 rename;

    fakefile_write(&file, 0, LETTER);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
    rename = mount_send_rename(mount, "INBOX", ".new", "Sent", "new.eml", 0);
    while (!draft->outgoing)
        g_main_context_iteration(NULL, TRUE);
    fakekernel_interrupt(mount->kernel, rename);
    assert_code(fakekernel_wait(mount->kernel, rename), 0);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 1);
}

/* It was not told what became of it, and may ask again. */
static void test_interrupted_fsync(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", "new.eml");
    guint64 fsync;

    fakefile_write(&file, 0, LETTER);
    fsync = fakefile_send_fsync(&file);
    fakefile_wait_for_change(&file);
    g_assert_null(fakekernel_peek(mount->kernel, fsync));
    fakekernel_interrupt(mount->kernel, fsync);
    assert_code(fakekernel_wait(mount->kernel, fsync), EINTR);
    fsync = fakefile_send_fsync(&file);
    g_assert_null(fakekernel_peek(mount->kernel, fsync));
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 1);
    fakebackend_do_all(mount->backend);
    assert_code(fakekernel_wait(mount->kernel, fsync), 0);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
}

/* --- becoming none --- */

static void test_no_message(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", "new.eml");

    fakefile_write(&file, 0, "this is a letter, but no message\n");
    g_assert_cmpint(fakefile_flush(&file), ==, EINVAL);
    g_assert_cmpint(fakefile_flush(&file), ==, EINVAL);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
    g_assert_cmpint(mount_lookup_code(mount, mount_ino(mount, "INBOX"), "new.eml"), ==, ENOENT);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
}

/* Without a flush: nobody is told. */
static void test_released(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", "new.eml");

    cache_put_append_limit(mount->cache, strlen(LETTER) - 1);
    fakefile_write(&file, 0, LETTER);
    (void)fakefile_release(&file);
    g_assert_null(fs_draft_of_handle(mount->fs, file.handle));
    g_assert_cmpint(mount_lookup_code(mount, mount_ino(mount, "INBOX"), "new.eml"), ==, ENOENT);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
}

static void test_made_good(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", "new.eml");

    fakefile_write(&file, 0, "none");
    g_assert_cmpint(fakefile_flush(&file), ==, EINVAL);
    fakefile_write(&file, 0, LETTER);
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    check_data(mount, SENT);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
}

static void test_refused(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", "new.eml");
    guint64 flush;

    fakefile_write(&file, 0, LETTER);
    flush = fakefile_send_flush(&file);
    fakefile_wait_for_change(&file);
    g_assert_null(fakekernel_peek(mount->kernel, flush));
    fakebackend_refuse(mount->backend, MAIL_ERROR_QUOTA, "mailbox is full");
    assert_code(fakekernel_wait(mount->kernel, flush), EDQUOT);
    g_assert_null(cache_lost_next(mount->cache, 0));
    g_assert_cmpint(fakefile_release(&file), ==, 0);
    g_assert_cmpint(mount_lookup_code(mount, mount_ino(mount, "INBOX"), "new.eml"), ==, ENOENT);
}

static void test_empty(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", "new.eml");
    g_autofree char *list = NULL;

    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
    list = mount_list(mount, mount_ino(mount, "INBOX"));
    g_assert_nonnull(strstr(list, " new.eml "));
    /* Another program goes on with it. */
    fakefile_open(&file, O_WRONLY);
    fakefile_write(&file, 0, LETTER);
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    check_data(mount, SENT);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
}

static void test_scratch(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", ".new.eml.Xy1");
    g_autofree char *text = NULL;

    fakefile_write(&file, 0, LETTER);
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
    text = mount_read_text(mount, "INBOX/.new.eml.Xy1");
    g_assert_cmpstr(text, ==, LETTER);
    g_assert_cmpint(mount_unlink(mount, "INBOX", ".new.eml.Xy1"), ==, 0);
    g_assert_cmpuint(mount_lookup(mount, mount_ino(mount, "INBOX"), ".new.eml.Xy1")->nodeid, ==, 0);
}

/* What looks like an editor's may be a letter all the same. */
static void test_names_of_editors(Mount *mount, gconstpointer data)
{
    static const struct {
        const char *name;
        gboolean is_scratch;
    } rows[] = {
        {"sedAbC123", FALSE},
        {"XXaB3_x9", FALSE},
        {"new.eml~", FALSE},
        {".new.eml.swp", TRUE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        FakeFile file = fakefile_new(mount, "INBOX", rows[i].name);

        fakefile_write(&file, 0, LETTER);
        g_assert_cmpint(fakefile_flush(&file), ==, 0);
        g_assert_cmpint(fakefile_release(&file), ==, 0);
        g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, rows[i].is_scratch ? 0 : 1);
        fakebackend_do_all(mount->backend);
    }
}

static void test_removed_while_open(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", "new.eml");

    fakefile_write(&file, 0, LETTER);
    g_assert_cmpint(mount_unlink(mount, "INBOX", "new.eml"), ==, 0);
    fakefile_write(&file, strlen(LETTER), "More.\n");
    fakefile_check(&file, LETTER "More.\n");
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
}

/* --- renaming --- */

/* As rsync does. */
static void test_rename(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", ".new.eml.Xy1");
    guint64 rename;

    fakefile_write(&file, 0, LETTER);
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
    rename = mount_send_rename(mount, "INBOX", ".new.eml.Xy1", "Sent", "new.eml", 0);
    fakefile_wait_for_change(&file);
    check_data(mount, SENT);
    g_assert_null(fakekernel_peek(mount->kernel, rename));
    fakebackend_do_all(mount->backend);
    assert_code(fakekernel_wait(mount->kernel, rename), 0);
    g_assert_cmpuint(mount_ino(mount, "Sent/new.eml"), ==, file.ino);
    g_assert_cmpuint(mount_lookup(mount, mount_ino(mount, "INBOX"), ".new.eml.Xy1")->nodeid, ==, 0);
}

static void test_rename_over(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", ".goutputstream-Xy1");
    const CacheChange *change;

    fakebackend_set_flags(mount->backend, mount->inbox, 2, MAIL_FLAG_SEEN);
    fakefile_write(&file, 0, LETTER);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
    g_assert_cmpint(
        mount_rename(mount, "INBOX", ".goutputstream-Xy1", "INBOX", INBOX_NAME ".u2,S.eml"), ==, 0);
    change = fakebackend_change(mount->backend, CACHE_CHANGE_APPEND);
    g_assert_cmpuint(change->uid, ==, 2);
    g_assert_cmpuint(change->add, ==, MAIL_FLAG_SEEN);
    g_assert_cmpint(change->date, ==, fakebackend_message(mount->backend, mount->inbox, 2)->date);
}

/* The old one is as it was, and so is the new one under its old name. */
static void test_rename_refused(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", ".new");
    guint64 rename;

    fakefile_write(&file, 0, LETTER);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
    rename = mount_send_rename(mount, "INBOX", ".new", "INBOX", INBOX_NAME ".u2,.eml", 0);
    fakefile_wait_for_change(&file);
    g_assert_null(fakekernel_peek(mount->kernel, rename));
    fakebackend_refuse(mount->backend, MAIL_ERROR_TOO_BIG, "too big");
    assert_code(fakekernel_wait(mount->kernel, rename), EFBIG);
    g_assert_null(cache_lost_next(mount->cache, 0));
    g_assert_cmpuint(mount_ino(mount, "INBOX/.new"), ==, file.ino);
    (void)mount_ino(mount, "INBOX/" INBOX_NAME ".u2,.eml");
    rename = mount_send_rename(mount, "INBOX", ".new", "INBOX", "new.eml", 0);
    fakefile_wait_for_change(&file);
    check_data(mount, SENT);
    fakebackend_do_all(mount->backend);
    assert_code(fakekernel_wait(mount->kernel, rename), 0);
    g_assert_cmpuint(mount_getattr(mount, file.ino)->size, ==, strlen(SENT));
}

static void test_rename_no_message(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", ".new");

    fakefile_write(&file, 0, "none");
    g_assert_cmpint(fakefile_release(&file), ==, 0);
    g_assert_cmpint(mount_rename(mount, "INBOX", ".new", "INBOX", "new.eml"), ==, EINVAL);
    g_assert_cmpuint(mount_ino(mount, "INBOX/.new"), ==, file.ino);
}

static void test_rename_scratch(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", ".new"),
             other = fakefile_new(mount, "INBOX", ".other");

    g_assert_cmpint(fakefile_release(&file), ==, 0);
    g_assert_cmpint(fakefile_release(&other), ==, 0);
    g_assert_cmpint(mount_rename(mount, "INBOX", ".new", "INBOX", ".other"), ==, 0);
    g_assert_cmpuint(mount_ino(mount, "INBOX/.other"), ==, file.ino);
    g_assert_cmpint(mount_getattr_code(mount, other.ino), ==, ESTALE);
}

/* --- where they may not be --- */

static void test_refused_places(Mount *mount, gconstpointer data)
{
    static const struct {
        const char *dir, *name;
        int code;
    } rows[] = {
        {"", "new.eml", EPERM},
        {"INBOX", ".Trash-1000", EPERM},
        {"INBOX", "u1.eml", EEXIST},
        {".mailfs", "new.eml", EROFS},
        {".mailfs/uid/INBOX", "9.eml", EROFS},
        {".mailfs/text/INBOX", "new.txt", EROFS},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        g_assert_cmpint(fakefile_create_code(mount, rows[i].dir, rows[i].name), ==, rows[i].code);
}

static void test_read_only(Mount *mount, gconstpointer data)
{
    g_assert_cmpint(fakefile_create_code(mount, "INBOX", "new.eml"), ==, EROFS);
}

static void test_rights(Mount *mount, gconstpointer data)
{
    mount->backend->rights.may_insert = FALSE;
    g_assert_cmpint(fakefile_create_code(mount, "INBOX", "new.eml"), ==, EACCES);
    mount->backend->rights.is_read_only = TRUE;
    g_assert_cmpint(fakefile_create_code(mount, "Sent", "new.eml"), ==, EROFS);
}

static void test_too_many(Mount *mount, gconstpointer data)
{
    while (!fs_drafts_are_full(mount->fs))
        g_assert_nonnull(fs_draft_new(mount->fs, NULL));
    g_assert_cmpint(fakefile_create_code(mount, "INBOX", "new.eml"), ==, ENFILE);
    assert_code(mount_open(mount, FUSE_OPEN, mount_ino(mount, "INBOX/" INBOX_NAME ".u1,.eml"),
                           O_WRONLY | O_TRUNC),
                ENFILE);
}

static void test_no_handle(Mount *mount, gconstpointer data)
{
    FakeFile file = {mount, mount_ino(mount, "INBOX/u1.eml"), 0};

    assert_code(fakekernel_wait(mount->kernel, fakefile_send_write(&file, 0, LETTER)), EBADF);
    file.handle = G_MAXUINT64;
    assert_code(fakekernel_wait(mount->kernel, fakefile_send_write(&file, 0, LETTER)), EBADF);
}

/* --- the end --- */

/* Whatever is under way. */
static void test_unmounted(Mount *mount, gconstpointer data)
{
    FakeFile file = fakefile_new(mount, "INBOX", "new.eml");
    const FsDraft *draft;
    guint64 flush;

    fakefile_write(&file, 0, LETTER);
    flush = fakefile_send_flush(&file);
    draft = fs_draft_of_handle(mount->fs, file.handle);
    while (!draft->outgoing)
        g_main_context_iteration(NULL, TRUE);
    mount_end(mount);
    assert_code(fakekernel_wait(mount->kernel, flush), ENODEV);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mount_test("/drafts/close", NULL, test_close);
    mount_test("/drafts/one-inode", NULL, test_one_inode);
    mount_test("/drafts/async", &for_disk, test_async);
    mount_test("/drafts/offline", NULL, test_offline);
    mount_test("/drafts/lost-connection", NULL, test_lost_connection);
    mount_test("/drafts/flags-of-name", &for_disk, test_flags_of_name);
    mount_test("/drafts/date", &for_disk, test_date);
    mount_test("/drafts/date-after-close", &for_disk, test_date_after_close);
    mount_test("/drafts/date-too-late", &for_disk, test_date_too_late);
    mount_test("/drafts/date-of-written-on", &for_disk, test_date_of_written_on);
    mount_test("/drafts/resize", &for_disk, test_resize);
    mount_test("/drafts/written-on", &for_disk, test_written_on);
    mount_test("/drafts/written-on-replaced", &for_disk, test_written_on_replaced);
    mount_test("/drafts/written-meanwhile", &for_disk, test_written_meanwhile);
    mount_test("/drafts/closed-twice", &for_disk, test_closed_twice);
    mount_test("/drafts/fsync", NULL, test_fsync);
    mount_test("/drafts/append", &for_disk, test_append);
    mount_test("/drafts/written-on-unseen", NULL, test_written_on_unseen);
    mount_test("/drafts/read-size", NULL, test_read_size);
    mount_test("/drafts/interrupted/close", NULL, test_interrupted);
    mount_test("/drafts/interrupted/rename", NULL, test_interrupted_rename);
    mount_test("/drafts/interrupted/while-made", &for_disk, test_interrupted_while_made);
    mount_test("/drafts/interrupted/fsync", NULL, test_interrupted_fsync);
    mount_test("/drafts/released", NULL, test_released);
    mount_test("/drafts/no-message", NULL, test_no_message);
    mount_test("/drafts/made-good", &for_disk, test_made_good);
    mount_test("/drafts/refused", NULL, test_refused);
    mount_test("/drafts/empty", &for_disk, test_empty);
    mount_test("/drafts/scratch", NULL, test_scratch);
    mount_test("/drafts/names-of-editors", &for_disk, test_names_of_editors);
    mount_test("/drafts/removed-while-open", NULL, test_removed_while_open);
    mount_test("/drafts/rename", NULL, test_rename);
    mount_test("/drafts/rename/over", &for_disk, test_rename_over);
    mount_test("/drafts/rename/refused", NULL, test_rename_refused);
    mount_test("/drafts/rename/no-message", NULL, test_rename_no_message);
    mount_test("/drafts/rename/scratch", NULL, test_rename_scratch);
    mount_test("/drafts/places", NULL, test_refused_places);
    mount_test("/drafts/read-only", &read_only, test_read_only);
    mount_test("/drafts/rights", NULL, test_rights);
    mount_test("/drafts/too-many", NULL, test_too_many);
    mount_test("/drafts/no-handle", NULL, test_no_handle);
    mount_test("/drafts/unmounted", NULL, test_unmounted);
    return g_test_run();
}

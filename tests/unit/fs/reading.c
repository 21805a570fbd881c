/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/reading.c - the bytes of messages: the true ones, or an error. */
#include "mount.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>

#include "thumbnailer.h"

#define BIG   200000 /* four blocks, the last one short */
#define HUGE  4000000
#define FAR   3000000 /* in it: too far from its beginning to be read ahead */
#define WHOLE (128 * 1024)

/* A message of INBOX, 4 by UID, of @size bytes, told to have @size_told; the number is returned. */
static guint64 big_message(Mount *mount, guint64 size, guint64 size_told)
{
    FakeMessage *message = fakebackend_add(mount->backend, mount->inbox, 4);

    message->size = size;
    message->size_told = size_told;
    return mount_ino(mount, "INBOX/u4.eml");
}

static void check_read(Mount *mount, guint64 ino, guint64 offset, guint32 size, gsize len)
{
    const FakeAnswer *answer = mount_read(mount, ino, offset, size);

    assert_code(answer, 0);
    g_assert_cmpuint(answer->len, ==, len);
    fakebackend_check_bytes(4, offset, answer->bytes, len);
}

static void test_any_offset(Mount *mount, gconstpointer data)
{
    static const struct {
        guint64 offset;
        guint32 size;
        gsize len;
    } rows[] = {
        {0, 1, 1},
        {1, 99, 99},
        {0, WHOLE, WHOLE},
        {65535, 1, 1},
        {65535, 2, 2},
        {65536, 1, 1},
        {12345, WHOLE, WHOLE},
        {131071, 70000, BIG - 131071},
        {BIG - 1, 1, 1},
        {BIG - 1, 4096, 1},
        {BIG, 4096, 0},
        {BIG + 1, 1, 0},
        {G_MAXINT64, 4096, 0},
        {G_MAXUINT64, 4096, 0},
        {G_MAXUINT64 - 4095, 8192, 0},
        {7, 0, 0},
    };
    guint64 ino = big_message(mount, BIG, BIG);

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        check_read(mount, ino, rows[i].offset, rows[i].size, rows[i].len);
}

static void test_every_view(Mount *mount, gconstpointer data)
{
    static const char *const paths[] = {
        "INBOX/u4.eml",
        "INBOX/" INBOX_NAME ".u4,.eml",
        ".mailfs/uid/INBOX/4.eml",
    };

    (void)big_message(mount, BIG, BIG);
    for (gsize i = 0; i < G_N_ELEMENTS(paths); i++)
        check_read(mount, mount_ino(mount, paths[i]), 1000, 1000, 1000);
}

static void test_empty_message(Mount *mount, gconstpointer data)
{
    check_read(mount, big_message(mount, 0, 0), 0, 4096, 0);
}

/* The blocks come from the last to the first. */
static void test_blocks_in_any_order(Mount *mount, gconstpointer data)
{
    guint64 ino = big_message(mount, BIG, BIG), unique;
    const GQueue *wants = cache_wants(mount->cache);

    mount->backend->is_held = TRUE;
    unique = mount_send_read(mount, ino, 1000, WHOLE);
    while (!fakekernel_peek(mount->kernel, unique))
        fakebackend_fulfil(mount->backend, wants->tail->data);
    mount->backend->is_held = FALSE;
    check_read(mount, ino, 1000, WHOLE, WHOLE);
    fakebackend_check_bytes(4, 1000, fakekernel_wait(mount->kernel, unique)->bytes, WHOLE);
}

static void test_many_readers_one_want(Mount *mount, gconstpointer data)
{
    guint64 ino = big_message(mount, BIG, BIG), uniques[50];

    mount->backend->is_held = TRUE;
    for (guint i = 0; i < G_N_ELEMENTS(uniques); i++)
        uniques[i] = mount_send_read(mount, ino, 10 * i, 10);
    fakekernel_settle(mount->kernel);
    g_assert_cmpuint(fakebackend_find(mount->backend, CACHE_WANT_BLOCK)->n_waiting, ==, 50);
    fakebackend_fulfil_all(mount->backend);
    for (guint i = 0; i < G_N_ELEMENTS(uniques); i++)
        fakebackend_check_bytes(4, 10 * i, fakekernel_wait(mount->kernel, uniques[i])->bytes, 10);
}

/* As `head` reads, or a file manager that sniffs. */
static void test_first_block_alone(Mount *mount, gconstpointer data)
{
    guint64 ino = big_message(mount, 100 * BIG, 100 * BIG), unique;

    mount->backend->is_held = TRUE;
    unique = mount_send_read(mount, ino, 0, 4096);
    fakekernel_settle(mount->kernel);
    g_assert_cmpuint(cache_wants(mount->cache)->length, ==, 1);
    fakebackend_fulfil_all(mount->backend);
    assert_code(fakekernel_wait(mount->kernel, unique), 0);
    g_assert_null(cache_wants(mount->cache)->head);
}

/* --- what is gone --- */

static void test_expunged(Mount *mount, gconstpointer data)
{
    guint64 ino = big_message(mount, BIG, BIG);

    check_read(mount, ino, 0, 4096, 4096);
    fakebackend_expunge(mount->backend, mount->inbox, 4);
    assert_code(mount_read(mount, ino, 0, 4096), ESTALE);
    g_assert_cmpint(mount_getattr_code(mount, ino), ==, ESTALE);
    g_assert_cmpint(mount_lookup_code(mount, mount_ino(mount, "INBOX"), "u4.eml"), ==, ENOENT);
}

static void test_expunged_while_parked(Mount *mount, gconstpointer data)
{
    guint64 ino = big_message(mount, BIG, BIG), unique;

    mount->backend->is_held = TRUE;
    unique = mount_send_read(mount, ino, 0, 4096);
    fakekernel_settle(mount->kernel);
    fakebackend_expunge(mount->backend, mount->inbox, 4);
    fakebackend_fulfil_all(mount->backend);
    assert_code(fakekernel_wait(mount->kernel, unique), ESTALE);
}

/* The same name and the same UIDs, but another mailbox: nothing of the old one is served. */
static void test_mailbox_replaced(Mount *mount, gconstpointer data)
{
    guint64 ino = big_message(mount, HUGE, HUGE), parked;

    check_read(mount, ino, 0, 4096, 4096);
    mount->backend->is_held = TRUE;
    parked = mount_send_read(mount, ino, FAR, 4096);
    g_assert_null(fakekernel_peek(mount->kernel, parked));
    fakebackend_replace(mount->backend, mount->inbox);
    mount->backend->is_held = FALSE;
    assert_code(fakekernel_wait(mount->kernel, parked), ESTALE);
    assert_code(mount_read(mount, ino, 0, 4096), ESTALE);
    assert_code(mount_open(mount, FUSE_OPEN, ino, O_RDONLY), ESTALE);
    g_assert_cmpint(mount_getattr_code(mount, ino), ==, ESTALE);
    g_assert_cmpuint(mount_ino(mount, "INBOX/u4.eml"), !=, ino);
}

static void test_mailbox_removed(Mount *mount, gconstpointer data)
{
    guint64 ino = big_message(mount, BIG, BIG), inbox = mount_ino(mount, "INBOX");

    check_read(mount, ino, 0, 4096, 4096);
    fakebackend_set_boxes(mount->backend, "Sent", NULL);
    assert_code(mount_read(mount, ino, 0, 4096), ESTALE);
    g_assert_cmpint(mount_getattr_code(mount, inbox), ==, ESTALE);
    g_assert_cmpint(mount_lookup_code(mount, INO_ROOT, "INBOX"), ==, ENOENT);
}

/* --- sizes that lie --- */

/* The reader may have settled for the size that was told: a part must not look like the whole. */
static void test_grown(Mount *mount, gconstpointer data)
{
    guint64 ino = big_message(mount, 60000, 900);
    g_autofree char *notes = NULL;

    g_assert_cmpuint(mount_getattr(mount, ino)->size, ==, 900);
    assert_code(mount_read(mount, ino, 0, WHOLE), EIO);
    notes = mount_take_notes(mount);
    g_assert_nonnull(strstr(notes, "inode INBOX/u4.eml\n"));
    g_assert_nonnull(strstr(notes, "inode .mailfs/uid/INBOX/u4.eml\n"));
    g_assert_cmpuint(mount_getattr(mount, ino)->size, ==, 60000);
    check_read(mount, ino, 0, WHOLE, 60000);
}

/* The end is not in the block that was asked for by the size that was told. */
static void test_grown_by_blocks(Mount *mount, gconstpointer data)
{
    guint64 ino = big_message(mount, BIG, 900);

    assert_code(mount_read(mount, ino, 0, WHOLE), EIO);
    /* Told only when the kernel has heard of it, so that the next read is good. */
    g_assert_cmpuint(mount_getattr(mount, ino)->size, ==, BIG);
    check_read(mount, ino, 0, WHOLE, WHOLE);
}

static void test_shrunk(Mount *mount, gconstpointer data)
{
    guint64 ino = big_message(mount, 70000, BIG);
    g_autofree char *notes = NULL;

    /* A short answer would be filled up with zeros to the end that the kernel believes in. */
    assert_code(mount_read(mount, ino, 0, WHOLE), EIO);
    notes = mount_take_notes(mount);
    g_assert_nonnull(strstr(notes, "inode INBOX/u4.eml\n"));
    g_assert_cmpuint(mount_getattr(mount, ino)->size, ==, 70000);
    check_read(mount, ino, 0, WHOLE, 70000);
}

static void test_changed_size_is_in_status(Mount *mount, gconstpointer data)
{
    g_autofree char *status = NULL;

    assert_code(mount_read(mount, big_message(mount, 60000, 900), 0, WHOLE), EIO);
    status = mount_read_text(mount, ".mailfs/status");
    g_assert_nonnull(strstr(status, "Z read INBOX/u4.eml: it has another size than was told; "
                                    "read it again\n"));
}

/* From then on a size is told only of what is here. */
static void test_no_size_is_believed_any_more(Mount *mount, gconstpointer data)
{
    guint64 inbox = mount_ino(mount, "INBOX"), unique;
    const struct fuse_entry_out *entry;

    (void)mount_read(mount, big_message(mount, 60000, 900), 0, WHOLE);
    mount->backend->is_held = TRUE;
    unique = mount_send_lookup(mount, inbox, "u2.eml");
    fakekernel_settle(mount->kernel);
    fakebackend_fulfil_all(mount->backend);
    entry = (gconstpointer)fakekernel_wait(mount->kernel, unique)->bytes;
    g_assert_cmpuint(entry->attr_valid, ==, 0);
    g_assert_cmpuint(entry->attr_valid_nsec, ==, 0);
    unique = mount_send_getattr(mount, entry->nodeid);
    fakekernel_settle(mount->kernel);
    g_assert_null(fakekernel_peek(mount->kernel, unique));
    g_assert_cmpuint(fakebackend_find(mount->backend, CACHE_WANT_BLOCK)->uid, ==, 2);
    fakebackend_fulfil_all(mount->backend);
    assert_code(fakekernel_wait(mount->kernel, unique), 0);
}

/* --- errors --- */

static const struct {
    const char *path;
    MailError error;
    int code;
} errors[] = {
    {"/reading/fails/offline", MAIL_ERROR_OFFLINE, EHOSTUNREACH},
    {"/reading/fails/timeout", MAIL_ERROR_TIMEOUT, ETIMEDOUT},
    {"/reading/fails/login", MAIL_ERROR_AUTH, EACCES},
    {"/reading/fails/tls", MAIL_ERROR_TLS, EACCES},
    {"/reading/fails/rights", MAIL_ERROR_PERMISSION, EACCES},
    {"/reading/fails/gone", MAIL_ERROR_GONE, ESTALE},
    {"/reading/fails/absent", MAIL_ERROR_NOT_FOUND, ESTALE}, /* of an open file */
    {"/reading/fails/busy", MAIL_ERROR_BUSY, EBUSY},
    {"/reading/fails/protocol", MAIL_ERROR_PROTOCOL, EIO},
    {"/reading/fails/local", MAIL_ERROR_LOCAL, EIO},
};

static void test_want_fails(Mount *mount, gconstpointer nth)
{
    guint64 ino = mount_ino(mount, "INBOX/u2.eml"), unique;

    mount->backend->is_held = TRUE;
    unique = mount_send_read(mount, ino, 0, 4096);
    g_assert_null(fakekernel_peek(mount->kernel, unique));
    fakebackend_fail_all(mount->backend, errors[GPOINTER_TO_UINT(nth)].error, "so it is");
    assert_code(fakekernel_wait(mount->kernel, unique), errors[GPOINTER_TO_UINT(nth)].code);
}

static void test_offline(Mount *mount, gconstpointer data)
{
    guint64 ino = big_message(mount, HUGE, HUGE);

    check_read(mount, ino, 0, 4096, 4096);
    fakebackend_go_offline(mount->backend, MAIL_ERROR_AUTH, "wrong password");
    check_read(mount, ino, 10, 4096, 4096);
    assert_code(mount_read(mount, ino, FAR, 4096), EACCES);
    g_assert_cmpint(mount_lookup_code(mount, mount_ino(mount, "INBOX"), "u1.eml"), ==, EACCES);
    cache_set_state(mount->cache, CACHE_ONLINE, NULL);
    check_read(mount, ino, FAR, 4096, 4096);
}

/* What is here is not held up by a server that is silent. */
static void test_stalled(Mount *mount, gconstpointer data)
{
    guint64 ino = big_message(mount, HUGE, HUGE);

    check_read(mount, ino, 0, 4096, 4096);
    mount->backend->is_held = TRUE;
    cache_set_state(mount->cache, CACHE_STALLED, NULL);
    check_read(mount, ino, 10, 4096, 4096);
    assert_code(mount_open(mount, FUSE_OPENDIR, mount_ino(mount, "INBOX"), 0), 0);
}

static void test_failures_are_in_status(Mount *mount, gconstpointer data)
{
    guint64 ino = mount_ino(mount, "INBOX/u2.eml");
    g_autofree char *status = NULL;

    fakebackend_go_offline(mount->backend, MAIL_ERROR_OFFLINE, "connection refused");
    for (guint i = 0; i < 3; i++)
        assert_code(mount_read(mount, ino, 0, 4096), EHOSTUNREACH);
    status = mount_read_text(mount, ".mailfs/status");
    g_assert_nonnull(strstr(status, "state: offline: connection refused\n"));
    g_assert_nonnull(strstr(status, "Z read INBOX/u2.eml: connection refused (3 times)\n"));
}

/* A name is the caller's to choose: it must not make lines of its own. */
static void test_failures_are_one_line_each(Mount *mount, gconstpointer data)
{
    guint64 inbox = mount_ino(mount, "INBOX");
    g_autofree char *status = NULL;

    fakebackend_go_offline(mount->backend, MAIL_ERROR_OFFLINE, "connection refused");
    g_assert_cmpint(mount_lookup_code(mount, inbox, "x\nstate: fine\x1b.u9,.eml"), ==,
                    EHOSTUNREACH);
    status = mount_read_text(mount, ".mailfs/status");
    g_assert_null(strchr(status, '\x1b'));
    g_assert_null(strstr(status, "\nstate: fine"));
    g_assert_nonnull(strstr(status, "lookup INBOX/x?state: fine?.u9,.eml: connection refused\n"));
}

/* --- open --- */

static void test_open(Mount *mount, gconstpointer data)
{
    guint64 message = mount_ino(mount, "INBOX/u2.eml"), status = mount_ino(mount, ".mailfs/status");
    const FakeAnswer *answer = mount_open(mount, FUSE_OPEN, message, O_RDONLY);

    g_assert_true(((const struct fuse_open_out *)(gconstpointer)answer->bytes)->open_flags &
                  FOPEN_KEEP_CACHE);
    answer = mount_open(mount, FUSE_OPEN, status, O_RDONLY);
    g_assert_false(((const struct fuse_open_out *)(gconstpointer)answer->bytes)->open_flags &
                   FOPEN_KEEP_CACHE);
    assert_code(mount_open(mount, FUSE_OPEN, status, O_WRONLY), EROFS);
    assert_code(mount_open(mount, FUSE_OPEN, status, O_RDWR), EROFS);
    assert_code(mount_open(mount, FUSE_OPEN, mount_ino(mount, "INBOX"), O_RDONLY), EISDIR);
    assert_code(mount_read(mount, mount_ino(mount, "INBOX"), 0, 4096), EISDIR);
}

static const FakeAnswer *read_handle(Mount *mount, guint64 ino, guint64 handle, guint64 offset)
{
    const struct fuse_read_in arg = {.fh = handle, .offset = offset, .size = 4096};

    return mount_call(mount, FUSE_READ, ino, &arg, sizeof arg, NULL);
}

/* What a reader has opened stays as it was, whatever happens and whoever else looks. */
static void test_status_stays_as_it_was_opened(Mount *mount, gconstpointer data)
{
    guint64 ino = mount_ino(mount, ".mailfs/status"), message = mount_ino(mount, "INBOX/u2.eml");
    const FakeAnswer *answer = mount_open(mount, FUSE_OPEN, ino, O_RDONLY);
    const struct fuse_open_out *opened = (gconstpointer)answer->bytes;
    const struct fuse_release_in closed = {.fh = opened->fh};
    const FakeAnswer *before, *after;

    g_assert_true(opened->open_flags & FOPEN_DIRECT_IO);
    before = read_handle(mount, ino, opened->fh, 0);
    fakebackend_go_offline(mount->backend, MAIL_ERROR_OFFLINE, "connection refused");
    assert_code(mount_read(mount, message, 0, 4096), EHOSTUNREACH);
    g_assert_cmpuint(mount_getattr(mount, ino)->size, >, before->len);
    assert_code(mount_open(mount, FUSE_OPEN, ino, O_RDONLY), 0);
    after = read_handle(mount, ino, opened->fh, 0);
    g_assert_cmpmem(before->bytes, before->len, after->bytes, after->len);
    g_assert_cmpuint(read_handle(mount, ino, opened->fh, before->len)->len, ==, 0);
    assert_code(mount_call(mount, FUSE_RELEASE, ino, &closed, sizeof closed, NULL), 0);
}

static void test_release(Mount *mount, gconstpointer data)
{
    const struct fuse_release_in arg = {0};

    assert_code(
        mount_call(mount, FUSE_RELEASE, mount_ino(mount, "INBOX/u2.eml"), &arg, sizeof arg, NULL),
        0);
    assert_code(
        mount_call(mount, FUSE_RELEASEDIR, mount_ino(mount, "INBOX"), &arg, sizeof arg, NULL), 0);
}

/* Under -o ro the kernel need not ask: not before opening, not after closing. */
static void test_open_read_only(Mount *mount, gconstpointer data)
{
    const struct fuse_flush_in arg = {0};
    guint64 ino = mount_ino(mount, "INBOX/u2.eml");

    assert_code(mount_open(mount, FUSE_OPEN, ino, O_RDONLY), ENOSYS);
    assert_code(mount_call(mount, FUSE_FLUSH, ino, &arg, sizeof arg, NULL), ENOSYS);
}

/* The reader gets what was there when the file was last looked at. */
static void test_status_without_open(Mount *mount, gconstpointer data)
{
    g_autofree char *before = mount_read_text(mount, ".mailfs/status"), *after = NULL;

    fakebackend_go_offline(mount->backend, MAIL_ERROR_OFFLINE, "connection refused");
    after = mount_read_text(mount, ".mailfs/status");
    g_assert_nonnull(strstr(before, "state: online\n"));
    g_assert_nonnull(strstr(after, "state: offline: connection refused\n"));
}

/* --- the guard --- */

static const FsOptions guarded = {.has_guard = TRUE};

static void test_guard(Mount *mount, gconstpointer data)
{
    guint64 ino = big_message(mount, HUGE, HUGE);
    Thumbnailer thumbnailer;

    check_read(mount, ino, 0, 4096, 4096);
    thumbnailer_start(&thumbnailer, mount, "tumblerd", NULL);
    check_read(mount, ino, 10, 4096, 4096);
    assert_code(mount_read(mount, ino, FAR, 4096), EACCES);
    assert_code(mount_read(mount, mount_ino(mount, ".mailfs/status"), 0, 4096), 0);
    g_assert_null(cache_wants(mount->cache)->head);

    /* Its file was replaced by an update. */
    g_assert_no_errno(g_unlink(thumbnailer.path));
    assert_code(mount_read(mount, ino, FAR, 4096), EACCES);
    thumbnailer_stop(&thumbnailer);
}

/* One program of KDE's does both: it copies files, and it makes thumbnails of them. */
static void test_guard_tells_copies_from_thumbnails(Mount *mount, gconstpointer data)
{
    static const struct {
        const char *name, *task;
        int code;
    } rows[] = {
        {"kioslave5", "/usr/lib/kf5/kio/thumbnail.so", EACCES},
        {"kioworker", "thumbnail", EACCES},
        {"kioslave5", "/usr/lib/kf5/kio/file.so", 0},
        {"kioworker", NULL, 0},
    };
    guint64 ino = big_message(mount, HUGE, HUGE);

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        Thumbnailer thumbnailer;

        thumbnailer_start(&thumbnailer, mount, rows[i].name, rows[i].task);
        assert_code(mount_read(mount, ino, FAR, 4096), rows[i].code);
        thumbnailer_stop(&thumbnailer);
    }
}

static void test_refusals_are_in_status(Mount *mount, gconstpointer data)
{
    guint64 ino = big_message(mount, BIG, BIG);
    g_autofree char *before = mount_read_text(mount, ".mailfs/status"), *after = NULL;
    Thumbnailer thumbnailer;

    g_assert_nonnull(strstr(before, "\nrefused by the guard: 0\n"));
    thumbnailer_start(&thumbnailer, mount, "tumblerd", NULL);
    for (guint i = 0; i < 3; i++)
        assert_code(mount_read(mount, ino, 0, 4096), EACCES);
    thumbnailer_stop(&thumbnailer);
    after = mount_read_text(mount, ".mailfs/status");
    g_assert_nonnull(strstr(after, "\nrefused by the guard: 3\n"));
}

static void test_guard_lets_others_read(Mount *mount, gconstpointer data)
{
    check_read(mount, big_message(mount, BIG, BIG), 100000, 4096, 4096);
    mount->kernel->pid = 0; /* from another PID namespace */
    check_read(mount, mount_ino(mount, "INBOX/u4.eml"), 0, 4096, 4096);
}

static void test_guard_off(Mount *mount, gconstpointer data)
{
    guint64 ino = big_message(mount, BIG, BIG);
    Thumbnailer thumbnailer;

    thumbnailer_start(&thumbnailer, mount, "tumblerd", NULL);
    check_read(mount, ino, 0, 4096, 4096);
    thumbnailer_stop(&thumbnailer);
}

static const FsOptions read_only = {.is_read_only = TRUE};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_writer_default_set_use_stderr(TRUE);
    mount_test("/reading/any-offset", NULL, test_any_offset);
    mount_test("/reading/every-view", NULL, test_every_view);
    mount_test("/reading/empty", NULL, test_empty_message);
    mount_test("/reading/blocks-in-any-order", NULL, test_blocks_in_any_order);
    mount_test("/reading/many-readers", NULL, test_many_readers_one_want);
    mount_test("/reading/expunged", NULL, test_expunged);
    mount_test("/reading/expunged-while-parked", NULL, test_expunged_while_parked);
    mount_test("/reading/mailbox-replaced", NULL, test_mailbox_replaced);
    mount_test("/reading/mailbox-removed", NULL, test_mailbox_removed);
    mount_test("/reading/grown", NULL, test_grown);
    mount_test("/reading/shrunk", NULL, test_shrunk);
    mount_test("/reading/no-size-is-believed", NULL, test_no_size_is_believed_any_more);
    for (guint i = 0; i < G_N_ELEMENTS(errors); i++)
        g_test_add(errors[i].path, Mount, GUINT_TO_POINTER(i), mount_set_up_usual, test_want_fails,
                   mount_tear_down);
    mount_test("/reading/offline", NULL, test_offline);
    mount_test("/reading/stalled", NULL, test_stalled);
    mount_test("/reading/failures-in-status", NULL, test_failures_are_in_status);
    mount_test("/reading/failures-are-lines", NULL, test_failures_are_one_line_each);
    mount_test("/open/usual", NULL, test_open);
    mount_test("/open/status", NULL, test_status_stays_as_it_was_opened);
    mount_test("/open/release", NULL, test_release);
    mount_test("/open/status-read-only", &read_only, test_status_without_open);
    mount_test("/open/read-only", &read_only, test_open_read_only);
    mount_test("/guard/on", &guarded, test_guard);
    mount_test("/guard/copies", &guarded, test_guard_tells_copies_from_thumbnails);
    mount_test("/guard/status", &guarded, test_refusals_are_in_status);
    mount_test("/guard/others", &guarded, test_guard_lets_others_read);
    mount_test("/guard/off", NULL, test_guard_off);
    mount_test("/sizes/grown-by-blocks", NULL, test_grown_by_blocks);
    mount_test("/sizes/status", NULL, test_changed_size_is_in_status);
    mount_test("/ahead/first-block", NULL, test_first_block_alone);
    return g_test_run();
}

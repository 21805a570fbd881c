/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/touch.c - touching a mailbox looks for new mail there. */
#include <errno.h>

#include "mount.h"

#define NOW (FATTR_ATIME | FATTR_MTIME | FATTR_ATIME_NOW | FATTR_MTIME_NOW)

static guint64 send_setattr(Mount *mount, const char *path, guint32 valid)
{
    const struct fuse_setattr_in arg = {
        .valid = valid, .mode = 0755, .atime = 1000000, .mtime = 1000000};
    guint64 ino = *path ? mount_ino(mount, path) : INO_ROOT;

    return fakekernel_send(mount->kernel, FUSE_SETATTR, ino, &arg, sizeof arg, NULL);
}

static gint64 mtime_of(Mount *mount, const char *path)
{
    return (gint64)mount_getattr(mount, mount_ino(mount, path))->mtime;
}

/* However lately it was looked at. */
static void test_touch(Mount *mount, gconstpointer data)
{
    static const guint32 ways[] = {NOW, FATTR_MTIME, FATTR_ATIME};
    static const char *const paths[] = {"INBOX", ".mailfs/uid/INBOX"};
    guint32 uid = 3;

    (void)mount_ino(mount, "INBOX/u1.eml");
    for (gsize i = 0; i < G_N_ELEMENTS(ways) * G_N_ELEMENTS(paths); i++) {
        const char *path = paths[i % G_N_ELEMENTS(paths)];
        guint32 way = ways[i / G_N_ELEMENTS(paths)];
        const struct fuse_attr_out *out;
        guint64 unique;

        g_test_message("%s %x", path, way);
        mount->backend->is_held = TRUE;
        unique = send_setattr(mount, path, way);
        g_assert_null(fakekernel_peek(mount->kernel, unique));
        g_assert_true(fakebackend_find(mount->backend, CACHE_WANT_SYNC)->is_urgent);
        fakebackend_add(mount->backend, mount->inbox, ++uid);
        fakebackend_fulfil_all(mount->backend);
        assert_code(fakekernel_wait(mount->kernel, unique), 0);
        out = (gconstpointer)fakekernel_wait(mount->kernel, unique)->bytes;
        mount->backend->is_held = FALSE;
        g_assert_cmpint((gint64)out->attr.mtime, ==, mtime_of(mount, path));
        g_assert_cmpint((gint64)out->attr.mtime, !=, 1000000);
        g_assert_cmpuint(cache_newest_uid(mount->cache, mount->inbox), ==, uid);
    }
}

static void test_other_attributes(Mount *mount, gconstpointer data)
{
    (void)mount_ino(mount, "INBOX/u1.eml");
    mount->backend->is_held = TRUE;
    assert_code(fakekernel_wait(mount->kernel, send_setattr(mount, "INBOX", FATTR_MODE)), 0);
    assert_code(fakekernel_wait(mount->kernel, send_setattr(mount, "", NOW)), 0);
    assert_code(fakekernel_wait(mount->kernel, send_setattr(mount, "INBOX", FATTR_SIZE | NOW)),
                EPERM);
    g_assert_null(fakebackend_find(mount->backend, CACHE_WANT_SYNC));
}

/* Programs that copy directories do it, too. */
static void test_nobody_to_ask(Mount *mount, gconstpointer data)
{
    guint64 unique;

    (void)mount_ino(mount, "INBOX/u1.eml");
    mount->backend->is_held = TRUE;
    unique = send_setattr(mount, "INBOX", NOW);
    g_assert_null(fakekernel_peek(mount->kernel, unique));
    fakebackend_fail_all(mount->backend, MAIL_ERROR_TIMEOUT, "silent");
    assert_code(fakekernel_wait(mount->kernel, unique), 0);
    fakebackend_go_offline(mount->backend, MAIL_ERROR_OFFLINE, "connection refused");
    assert_code(fakekernel_wait(mount->kernel, send_setattr(mount, "INBOX", NOW)), 0);
}

static const FsOptions read_only = {.is_read_only = TRUE};

static void test_read_only(Mount *mount, gconstpointer data)
{
    assert_code(fakekernel_wait(mount->kernel, send_setattr(mount, "INBOX", NOW)), EROFS);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_writer_default_set_use_stderr(TRUE);
    mount_test("/touch/imap", NULL, test_touch);
    spool_test("/touch/spool", NULL, test_touch);
    mount_test("/touch/other", NULL, test_other_attributes);
    mount_test("/touch/nobody", NULL, test_nobody_to_ask);
    mount_test("/touch/read-only", &read_only, test_read_only);
    return g_test_run();
}

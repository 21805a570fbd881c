/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/folders.c - making, removing and renaming mailboxes. */
#include "mount.h"

#include <errno.h>
#include <string.h>

/* The answer to @unique, which waits until the server has done what is asked. */
static const FakeAnswer *after_doing(Mount *mount, guint64 unique)
{
    g_assert_null(fakekernel_peek(mount->kernel, unique));
    fakebackend_do_all(mount->backend);
    return fakekernel_wait(mount->kernel, unique);
}

static void test_mkdir(Mount *mount, gconstpointer data)
{
    const FakeAnswer *answer =
        after_doing(mount, mount_send_mkdir(mount, "Archive", "100%25 Möbel"));
    const struct fuse_entry_out *entry = (gconstpointer)answer->bytes;

    assert_code(answer, 0);
    g_assert_cmpuint(entry->nodeid, ==, mount_ino(mount, "Archive/100%25 Möbel"));
    g_assert_cmpuint(fakebackend_box(mount->backend, "Archive/100% Möbel"), !=, 0);
    assert_code(after_doing(mount, mount_send_mkdir(mount, "", "New")), 0);
    (void)mount_ino(mount, "New");
}

/* The server writes it in its own way. */
static void test_mkdir_altered(Mount *mount, gconstpointer data)
{
    static const char *const names[] = {"NEW", "New-2"};

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        guint64 unique = mount_send_mkdir(mount, "", "new");
        const FakeAnswer *answer;

        g_assert_null(fakekernel_peek(mount->kernel, unique));
        fakebackend_do_all(mount->backend);
        fakebackend_set_boxes(mount->backend, "INBOX", "Archive", "Archive/2024", "Sent", names[i],
                              NULL);
        answer = fakekernel_wait(mount->kernel, unique);
        assert_code(answer, 0);
        g_assert_cmpuint(((const struct fuse_entry_out *)(gconstpointer)answer->bytes)->nodeid, ==,
                         mount_ino(mount, names[i]));
    }
}

static void test_mkdir_refused(Mount *mount, gconstpointer data)
{
    guint64 unique = mount_send_mkdir(mount, "Archive", "New");

    g_assert_null(fakekernel_peek(mount->kernel, unique));
    fakebackend_refuse(mount->backend, MAIL_ERROR_PERMISSION, "not yours");
    assert_code(fakekernel_wait(mount->kernel, unique), EACCES);
    g_assert_cmpint(mount_lookup_code(mount, mount_ino(mount, "Archive"), "New"), ==, ENOENT);
}

static void test_mkdir_offline(Mount *mount, gconstpointer data)
{
    fakebackend_go_offline(mount->backend, MAIL_ERROR_OFFLINE, "connection refused");
    assert_code(fakekernel_wait(mount->kernel, mount_send_mkdir(mount, "", "New")), EHOSTUNREACH);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
}

/* Nor when it is online again: who was told that it failed does not expect it. */
static void test_lost_connection(Mount *mount, gconstpointer data)
{
    guint64 make = mount_send_mkdir(mount, "", "New"),
            rename = mount_send_rename(mount, "", "Archive", "", "Done", 0);

    g_assert_null(fakekernel_peek(mount->kernel, rename));
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 2);
    fakebackend_go_offline(mount->backend, MAIL_ERROR_OFFLINE, "connection refused");
    assert_code(fakekernel_wait(mount->kernel, make), EHOSTUNREACH);
    assert_code(fakekernel_wait(mount->kernel, rename), EHOSTUNREACH);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
}

static void test_given_up(Mount *mount, gconstpointer data)
{
    guint64 unique = mount_send_mkdir(mount, "", "New");

    g_assert_null(fakekernel_peek(mount->kernel, unique));
    fakekernel_interrupt(mount->kernel, unique);
    assert_code(fakekernel_wait(mount->kernel, unique), EINTR);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
}

static void test_names(Mount *mount, gconstpointer data)
{
    static const struct {
        const char *dir, *name;
        int code;
    } rows[] = {
        {"", "Archive", EEXIST},    {"INBOX", "u2.eml", EINVAL},    {"", ".Trash", EPERM},
        {"", ".Trash-1000", EPERM}, {"", ".hidden", EPERM},         {"", "50%", EINVAL},
        {"", "x.eml", EINVAL},      {".mailfs/text", "New", EROFS}, {".mailfs", "New", EROFS},
        {"", "%0D", EINVAL},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s/%s", rows[i].dir, rows[i].name);
        assert_code(
            fakekernel_wait(mount->kernel, mount_send_mkdir(mount, rows[i].dir, rows[i].name)),
            rows[i].code);
    }
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
}

static void test_rmdir(Mount *mount, gconstpointer data)
{
    assert_code(after_doing(mount, mount_send_rmdir(mount, "Archive", "2024")), 0);
    g_assert_cmpint(mount_lookup_code(mount, mount_ino(mount, "Archive"), "2024"), ==, ENOENT);
    assert_code(after_doing(mount, mount_send_rmdir(mount, "", "Archive")), 0);
}

static void test_what_cannot_go(Mount *mount, gconstpointer data)
{
    static const struct {
        const char *dir, *name;
        int code;
    } rows[] = {
        {"", "Archive", ENOTEMPTY}, {"", "INBOX", EPERM},
        {"", "Sent", EPERM},        {"", ".mailfs", EPERM},
        {"", "none", ENOENT},       {"INBOX", "u2.eml", ENOTDIR},
        {".mailfs", "text", EROFS}, {".mailfs/text", "Archive", EROFS},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s/%s", rows[i].dir, rows[i].name);
        assert_code(
            fakekernel_wait(mount->kernel, mount_send_rmdir(mount, rows[i].dir, rows[i].name)),
            rows[i].code);
    }
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
}

static const FsOptions consent = {.may_change_special = TRUE, .deletes = FS_DELETE_EXPUNGE};

/* As rm -r does: what it has removed may be on its way yet. */
static void test_rmdir_after_rm(Mount *mount, gconstpointer data)
{
    guint64 unique;

    assert_code(fakekernel_wait(mount->kernel, mount_send_rmdir(mount, "", "Sent")), ENOTEMPTY);
    g_assert_cmpint(mount_unlink(mount, "Sent", "u7.eml"), ==, 0);
    unique = mount_send_rmdir(mount, "", "Sent");
    g_assert_null(fakekernel_peek(mount->kernel, unique));
    fakebackend_do_all(mount->backend);
    assert_code(after_doing(mount, unique), 0);
}

/* Somebody has put a message there meanwhile. */
static void test_rmdir_refused(Mount *mount, gconstpointer data)
{
    guint64 unique = mount_send_rmdir(mount, "Archive", "2024");

    g_assert_null(fakekernel_peek(mount->kernel, unique));
    fakebackend_refuse(mount->backend, MAIL_ERROR_EXISTS, "it holds messages");
    assert_code(fakekernel_wait(mount->kernel, unique), ENOTEMPTY);
    (void)mount_ino(mount, "Archive/2024");
}

static void test_rename(Mount *mount, gconstpointer data)
{
    guint64 archive = mount_ino(mount, "Archive"), below = mount_ino(mount, "Archive/2024");

    assert_code(after_doing(mount, mount_send_rename(mount, "", "Archive", "", "Old", 0)), 0);
    g_assert_cmpuint(mount_ino(mount, "Old"), ==, archive);
    g_assert_cmpuint(mount_ino(mount, "Old/2024"), ==, below);
    g_assert_cmpint(mount_lookup_code(mount, INO_ROOT, "Archive"), ==, ENOENT);
    assert_code(after_doing(mount, mount_send_rename(mount, "Old", "2024", "INBOX", "x", 0)), 0);
    g_assert_cmpuint(mount_ino(mount, "INBOX/x"), ==, below);
}

static void test_what_cannot_be_renamed(Mount *mount, gconstpointer data)
{
    static const struct {
        const char *dir, *name, *to, *new_name;
        int code;
    } rows[] = {
        {"", "INBOX", "", "Old", EPERM},
        {"", "Sent", "", "Old", EPERM},
        {"", ".mailfs", "", "Old", EPERM},
        {"", "Archive", "", ".old", EPERM},
        {"", "Archive", "", "50%", EINVAL},
        {"", "Archive", "", "Sent", EEXIST},
        {"", "Archive", "Archive/2024", "x", EINVAL},
        {"", "Archive", "INBOX", "u2.eml", ENOTDIR},
        {"", "Archive", ".mailfs/text", "x", EROFS},
        {"INBOX", "u2.eml", "", "Archive", EISDIR},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s to %s/%s", rows[i].name, rows[i].to, rows[i].new_name);
        g_assert_cmpint(
            mount_rename(mount, rows[i].dir, rows[i].name, rows[i].to, rows[i].new_name), ==,
            rows[i].code);
    }
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
}

static void test_consent(Mount *mount, gconstpointer data)
{
    assert_code(after_doing(mount, mount_send_rename(mount, "", "Sent", "", "Mine", 0)), 0);
    (void)mount_ino(mount, "Mine/u7.eml");
    g_assert_cmpint(mount_rename(mount, "", "INBOX", "", "Old"), ==, EPERM);
}

/* Known before anything is sent. */
static void test_rights(Mount *mount, gconstpointer data)
{
    guint32 year = fakebackend_box(mount->backend, "Archive/2024");
    CacheRights rights = mount->backend->rights;
    g_autofree char *notes = NULL;

    rights.may_create = rights.may_rename = FALSE;
    cache_put_rights(mount->cache, year, &rights);
    notes = mount_take_notes(mount);
    g_assert_nonnull(strstr(notes, "inode Archive/2024\n"));
    assert_code(fakekernel_wait(mount->kernel, mount_send_mkdir(mount, "Archive/2024", "x")),
                EACCES);
    assert_code(fakekernel_wait(mount->kernel, mount_send_rmdir(mount, "Archive", "2024")), EACCES);
    g_assert_cmpint(mount_rename(mount, "Archive", "2024", "", "x"), ==, EACCES);
    g_assert_cmpint(mount_rename(mount, "", "Archive", "Archive/2024", "x"), ==, EACCES);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mount_test("/mkdir/done", NULL, test_mkdir);
    mount_test("/mkdir/altered", NULL, test_mkdir_altered);
    mount_test("/mkdir/refused", NULL, test_mkdir_refused);
    mount_test("/mkdir/offline", NULL, test_mkdir_offline);
    mount_test("/folders/lost-connection", NULL, test_lost_connection);
    mount_test("/mkdir/given-up", NULL, test_given_up);
    mount_test("/mkdir/names", NULL, test_names);
    mount_test("/rmdir/done", NULL, test_rmdir);
    mount_test("/rmdir/rules", NULL, test_what_cannot_go);
    mount_test("/rmdir/after-rm", &consent, test_rmdir_after_rm);
    mount_test("/rmdir/refused", NULL, test_rmdir_refused);
    mount_test("/rename/done", NULL, test_rename);
    mount_test("/rename/rules", NULL, test_what_cannot_be_renamed);
    mount_test("/rename/consent", &consent, test_consent);
    mount_test("/rights/mailboxes", NULL, test_rights);
    return g_test_run();
}

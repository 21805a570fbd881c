/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/lookup.c - which names there are, and what is said of them. */
#include "mount.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static guint64 inbox_ino(Mount *mount)
{
    return mount_ino(mount, "INBOX");
}

static void test_full_name(Mount *mount, gconstpointer data)
{
    const struct fuse_entry_out *entry =
        mount_lookup(mount, inbox_ino(mount), INBOX_NAME ".u2,.eml");

    g_assert_cmpuint(entry->attr.size, ==, 1002);
    g_assert_cmpuint(entry->attr.blocks, ==, 2);
    g_assert_cmpuint(entry->attr.mode, ==, S_IFREG | 0600);
    g_assert_cmpuint(entry->attr.mtime, ==, 1771165800);
    g_assert_cmpuint(entry->attr.nlink, ==, 1);
    g_assert_cmpuint(entry->attr.ino, ==, entry->nodeid);
    g_assert_cmpuint(entry->entry_valid, >, 0);
    g_assert_cmpuint(entry->attr_valid, >, 0);
}

static void test_short_name_is_a_node_of_its_own(Mount *mount, gconstpointer data)
{
    const struct fuse_entry_out *entry = mount_lookup(mount, inbox_ino(mount), "u2.eml");
    guint64 full = mount_lookup(mount, inbox_ino(mount), INBOX_NAME ".u2,.eml")->nodeid;

    g_assert_cmpuint(entry->nodeid, !=, 0);
    g_assert_cmpuint(entry->nodeid, !=, full);
    g_assert_cmpuint(entry->attr.size, ==, 1002);
}

static void test_name_with_flags(Mount *mount, gconstpointer data)
{
    guint64 inbox = inbox_ino(mount);
    guint64 before = mount_lookup(mount, inbox, INBOX_NAME ".u2,.eml")->nodeid;

    fakebackend_set_flags(mount->backend, mount->inbox, 2,
                          MAIL_FLAG_SEEN | MAIL_FLAG_FLAGGED | mail_flag_keyword(0));
    g_assert_cmpuint(mount_lookup(mount, inbox, INBOX_NAME ".u2,FSa.eml")->nodeid, ==, before);
    g_assert_cmpint(mount_lookup_code(mount, inbox, INBOX_NAME ".u2,.eml"), ==, ENOENT);
}

static void test_no_such_name(Mount *mount, gconstpointer data)
{
    static const char *const names[] = {
        "x",
        "u4.eml",
        "u0.eml",
        "u02.eml",
        "2.eml",
        INBOX_NAME ".u4,.eml",
        INBOX_NAME ".u2,S.eml",
        INBOX_NAME ".u2,",
        INBOX_NAME ".u4294967296,.eml",
        "2026-02-15_1430_Alice-Möller_Re-Budge.u2,.eml",
        "x.u2,.eml",
        "inbox",
        "2024",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
        g_assert_cmpint(mount_lookup_code(mount, inbox_ino(mount), names[i]), ==, ENOENT);
}

static void test_dot_name_is_absent_for_long(Mount *mount, gconstpointer data)
{
    static const char *const names[] = {".hidden", ".git", "..u2,.eml", ".mailfs"};

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        const struct fuse_entry_out *entry = mount_lookup(mount, inbox_ino(mount), names[i]);

        g_assert_cmpuint(entry->nodeid, ==, 0);
        g_assert_cmpuint(entry->entry_valid, >, 0);
    }
}

static void test_dot_name_asks_nobody(Mount *mount, gconstpointer data)
{
    mount->backend->is_held = TRUE;
    g_assert_cmpuint(mount_lookup(mount, inbox_ino(mount), ".hidden")->nodeid, ==, 0);
    g_assert_null(cache_wants(mount->cache)->head);
}

static void test_long_name(Mount *mount, gconstpointer data)
{
    char name[FS_NAME_MAX + 2];

    memset(name, 'x', sizeof name);
    name[FS_NAME_MAX + 1] = '\0';
    g_assert_cmpint(mount_lookup_code(mount, inbox_ino(mount), name), ==, ENAMETOOLONG);
    name[FS_NAME_MAX] = '\0';
    g_assert_cmpint(mount_lookup_code(mount, inbox_ino(mount), name), ==, ENOENT);
}

static void test_mailbox(Mount *mount, gconstpointer data)
{
    const struct fuse_entry_out *archive = mount_lookup(mount, INO_ROOT, "Archive");
    const struct fuse_entry_out *year = mount_lookup(mount, archive->nodeid, "2024");

    g_assert_cmpuint(archive->attr.mode, ==, S_IFDIR | 0700);
    g_assert_cmpuint(archive->attr.nlink, ==, 3);
    g_assert_cmpuint(year->attr.nlink, ==, 2);
    g_assert_cmpint(mount_lookup_code(mount, INO_ROOT, "2024"), ==, ENOENT);
}

static void test_sent_is_by_recipient(Mount *mount, gconstpointer data)
{
    g_assert_cmpuint(mount_ino(mount, "Sent/" SENT_NAME ".u7,.eml"), !=, 0);
}

/* One look at a message fetches one line, not the list. */
static void test_lookup_wants_one_line(Mount *mount, gconstpointer data)
{
    guint64 inbox = inbox_ino(mount), unique;

    mount->backend->is_held = mount->backend->is_lazy = TRUE;
    unique = mount_send_lookup(mount, inbox, "u2.eml");
    g_assert_null(fakekernel_peek(mount->kernel, unique));
    fakebackend_fulfil(mount->backend, fakebackend_find(mount->backend, CACHE_WANT_SYNC));
    g_assert_null(fakekernel_peek(mount->kernel, unique));
    g_assert_cmpuint(fakebackend_find(mount->backend, CACHE_WANT_LINE)->uid, ==, 2);
    g_assert_null(fakebackend_find(mount->backend, CACHE_WANT_LINES));
    fakebackend_fulfil_all(mount->backend);
    assert_code(fakekernel_wait(mount->kernel, unique), 0);
}

/* --- .mailfs --- */

static void test_control_is_there_but_not_listed(Mount *mount, gconstpointer data)
{
    g_autofree char *names = mount_list(mount, INO_ROOT);

    g_assert_cmpstr(names, ==, ". .. INBOX Archive Sent ");
    g_assert_cmpuint(mount_lookup(mount, INO_ROOT, ".mailfs")->attr.mode, ==, S_IFDIR | 0500);
}

static void test_control_lists(Mount *mount, gconstpointer data)
{
    g_autofree char *control = mount_list(mount, mount_ino(mount, ".mailfs"));
    g_autofree char *boxes = mount_list(mount, mount_ino(mount, ".mailfs/uid"));
    g_autofree char *messages = mount_list(mount, mount_ino(mount, ".mailfs/uid/INBOX"));

    g_assert_cmpstr(control, ==, ". .. uid text parts lost+found status ");
    g_assert_cmpstr(boxes, ==, ". .. INBOX Archive Sent ");
    g_assert_cmpstr(messages, ==, ". .. 3.eml 2.eml 1.eml ");
}

static void test_uid_tree(Mount *mount, gconstpointer data)
{
    guint64 inbox = mount_ino(mount, ".mailfs/uid/INBOX");

    g_assert_cmpuint(mount_lookup(mount, inbox, "2.eml")->attr.size, ==, 1002);
    g_assert_cmpint(mount_lookup_code(mount, inbox, "4.eml"), ==, ENOENT);
    g_assert_cmpint(mount_lookup_code(mount, inbox, "u2.eml"), ==, ENOENT);
    g_assert_cmpint(mount_lookup_code(mount, inbox, INBOX_NAME ".u2,.eml"), ==, ENOENT);
    g_assert_cmpuint(mount_ino(mount, ".mailfs/uid/Archive/2024"), !=,
                     mount_ino(mount, "Archive/2024"));
}

static void test_status(Mount *mount, gconstpointer data)
{
    g_autofree char *text = mount_read_text(mount, ".mailfs/status");

    g_assert_true(g_str_has_prefix(text, "account: imaps://alice@imap.example.org/\n"
                                         "state: online\n"
                                         "mailboxes: 4\n"
                                         "cache: 0 of 67108864 bytes, 0 damaged blocks\n"));
}

static void test_status_is_not_kept(Mount *mount, gconstpointer data)
{
    const struct fuse_entry_out *entry = mount_lookup(mount, mount_ino(mount, ".mailfs"), "status");

    g_assert_cmpuint(entry->entry_valid, ==, 0);
    g_assert_cmpuint(entry->attr_valid, ==, 0);
}

/* --- what is no directory, and what is not there --- */

static void test_lookup_below_a_file(Mount *mount, gconstpointer data)
{
    g_assert_cmpint(mount_lookup_code(mount, mount_ino(mount, "INBOX/u2.eml"), "x"), ==, ENOTDIR);
    g_assert_cmpint(mount_lookup_code(mount, mount_ino(mount, ".mailfs/status"), "x"), ==, ENOTDIR);
}

static guint64 ino_of(FsKind kind, guint32 number, guint32 uid)
{
    return fs_node_pack((FsNode){.kind = kind, .number = number, .uid = uid});
}

static void test_numbers_never_given(Mount *mount, gconstpointer data)
{
    const guint64 inos[] = {
        0,
        2,
        G_MAXUINT64,
        ino_of(FS_N_KINDS, 0, 0),
        ino_of(FS_KIND_BOX, 4711, 0),
        ino_of(FS_KIND_UID_BOX, 4711, 0),
        ino_of(FS_KIND_MESSAGE, 4711, 1),
        ino_of(FS_KIND_ALIAS, 4711, 1),
    };

    for (gsize i = 0; i < G_N_ELEMENTS(inos); i++)
        g_assert_cmpint(mount_getattr_code(mount, inos[i]), ==, ESTALE);
}

static void test_directories_never_given(Mount *mount, gconstpointer data)
{
    const guint64 inos[] = {ino_of(FS_KIND_BOX, 4711, 0), ino_of(FS_KIND_UID_BOX, 4711, 0)};

    for (gsize i = 0; i < G_N_ELEMENTS(inos); i++) {
        g_autoptr(DirReader) reader = dirreader_new(inos[i], FUSE_READDIR, 4096);

        assert_code(mount_open(mount, FUSE_OPENDIR, inos[i], 0), ESTALE);
        assert_code(fakekernel_wait(mount->kernel, dirreader_send(mount, reader)), ESTALE);
        g_assert_cmpint(mount_lookup_code(mount, inos[i], "u1.eml"), ==, ENOENT);
    }
}

static void test_root(Mount *mount, gconstpointer data)
{
    const struct fuse_attr *attr = mount_getattr(mount, INO_ROOT);

    g_assert_cmpuint(attr->ino, ==, INO_ROOT);
    g_assert_cmpuint(attr->mode, ==, S_IFDIR | 0700);
    g_assert_cmpuint(attr->nlink, ==, 5);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mount_test("/lookup/full-name", NULL, test_full_name);
    mount_test("/lookup/short-name", NULL, test_short_name_is_a_node_of_its_own);
    mount_test("/lookup/flags", NULL, test_name_with_flags);
    mount_test("/lookup/no-such-name", NULL, test_no_such_name);
    mount_test("/lookup/dot-name", NULL, test_dot_name_is_absent_for_long);
    mount_test("/lookup/dot-name-asks-nobody", NULL, test_dot_name_asks_nobody);
    mount_test("/lookup/long-name", NULL, test_long_name);
    mount_test("/lookup/mailbox", NULL, test_mailbox);
    mount_test("/lookup/sent", NULL, test_sent_is_by_recipient);
    mount_test("/lookup/one-line", NULL, test_lookup_wants_one_line);
    mount_test("/lookup/root", NULL, test_root);
    mount_test("/lookup/below-a-file", NULL, test_lookup_below_a_file);
    mount_test("/lookup/never-given", NULL, test_numbers_never_given);
    mount_test("/lookup/never-given-directories", NULL, test_directories_never_given);
    mount_test("/control/not-listed", NULL, test_control_is_there_but_not_listed);
    mount_test("/control/lists", NULL, test_control_lists);
    mount_test("/control/uid", NULL, test_uid_tree);
    mount_test("/control/status", NULL, test_status);
    mount_test("/control/status-is-not-kept", NULL, test_status_is_not_kept);
    return g_test_run();
}

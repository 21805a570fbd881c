/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/calls.c - what is refused, and calls that change nothing: statfs, xattrs, access.
 */
#include "mount.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* --- writing --- */

/* The longest of the arguments of these calls, and two names. */
typedef struct {
    guint8 arg[sizeof(struct fuse_setattr_in)];
    char names[8];
} Words;

/* The answer to a call whose argument is all zeros, but for two names behind it. */
static int code_of(Mount *mount, guint32 opcode, const char *path, gsize len)
{
    Words words = {.names = {0}};
    guint64 ino = *path ? mount_ino(mount, path) : INO_ROOT;

    memcpy((guint8 *)&words + len, "a\0b", 4);
    g_test_message("opcode %u on %s", opcode, path);
    return mount_call(mount, opcode, ino, &words, len + 4, NULL)->code;
}

static const FsOptions read_only = {.is_read_only = TRUE};

static void test_read_only(Mount *mount, gconstpointer data)
{
    static const struct {
        guint32 opcode;
        const char *path;
        gsize len; /* of the argument */
    } rows[] = {
        {FUSE_SETATTR, "INBOX/u2.eml", sizeof(struct fuse_setattr_in)},
        {FUSE_MKNOD, "INBOX", sizeof(struct fuse_mknod_in)},
        {FUSE_MKDIR, "INBOX", sizeof(struct fuse_mkdir_in)},
        {FUSE_CREATE, "INBOX", sizeof(struct fuse_create_in)},
        {FUSE_UNLINK, "INBOX", 0},
        {FUSE_RMDIR, "INBOX", 0},
        {FUSE_SYMLINK, "INBOX", 0},
        {FUSE_RENAME, "INBOX", sizeof(struct fuse_rename_in)},
        {FUSE_RENAME2, "INBOX", sizeof(struct fuse_rename2_in)},
        {FUSE_LINK, "INBOX", sizeof(struct fuse_link_in)},
        {FUSE_WRITE, "INBOX/u2.eml", sizeof(struct fuse_write_in)},
        {FUSE_FALLOCATE, "INBOX/u2.eml", sizeof(struct fuse_fallocate_in)},
        {FUSE_COPY_FILE_RANGE, "INBOX/u2.eml", sizeof(struct fuse_copy_file_range_in)},
        {FUSE_SETXATTR, "INBOX/u2.eml", FUSE_COMPAT_SETXATTR_IN_SIZE},
        {FUSE_REMOVEXATTR, "INBOX/u2.eml", 0},
        {FUSE_MKDIR, "", sizeof(struct fuse_mkdir_in)},
        {FUSE_UNLINK, ".mailfs", 0},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        g_assert_cmpint(code_of(mount, rows[i].opcode, rows[i].path, rows[i].len), ==, EROFS);
}

/* What there is none of in a mailbox, and views that are made of messages. */
static void test_not_for_mail(Mount *mount, gconstpointer data)
{
    static const struct {
        guint32 opcode;
        const char *path;
        gsize len;
        int code;
    } rows[] = {
        {FUSE_MKNOD, "INBOX", sizeof(struct fuse_mknod_in), EPERM},
        {FUSE_SYMLINK, "INBOX", 0, EPERM},
        {FUSE_FALLOCATE, "INBOX/u2.eml", sizeof(struct fuse_fallocate_in), EOPNOTSUPP},
        {FUSE_LSEEK, "INBOX/u2.eml", sizeof(struct fuse_lseek_in), ENOSYS},
        {FUSE_SYMLINK, ".mailfs/text/INBOX", 0, EROFS},
        {FUSE_CREATE, ".mailfs/text/INBOX", sizeof(struct fuse_create_in), EROFS},
        {FUSE_CREATE, ".mailfs", sizeof(struct fuse_create_in), EROFS},
        {FUSE_SETATTR, ".mailfs/status", sizeof(struct fuse_setattr_in), EROFS},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        g_assert_cmpint(code_of(mount, rows[i].opcode, rows[i].path, rows[i].len), ==,
                        rows[i].code);
}

/* So that file managers offer to delete instead. */
static void test_trash_of_desktop(Mount *mount, gconstpointer data)
{
    static const char *const names[] = {".Trash", ".Trash-1000"};
    const struct fuse_create_in arg = {.mode = 0600};

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
        assert_code(mount_call(mount, FUSE_CREATE, INO_ROOT, &arg, sizeof arg, names[i]), EPERM);
}

static int access_code(Mount *mount, const char *path, guint32 mask)
{
    const struct fuse_access_in arg = {.mask = mask};

    return mount_call(mount, FUSE_ACCESS, mount_ino(mount, path), &arg, sizeof arg, NULL)->code;
}

static void test_access(Mount *mount, gconstpointer data)
{
    g_assert_cmpint(access_code(mount, "INBOX", R_OK | X_OK), ==, 0);
    g_assert_cmpint(access_code(mount, "INBOX", W_OK), ==, 0);
    g_assert_cmpint(access_code(mount, "INBOX/u2.eml", W_OK), ==, 0);
    g_assert_cmpint(access_code(mount, ".mailfs/text/INBOX", W_OK), ==, EROFS);
    g_assert_cmpint(access_code(mount, ".mailfs/status", W_OK), ==, EROFS);
}

static void test_access_to_read(Mount *mount, gconstpointer data)
{
    g_assert_cmpint(access_code(mount, "INBOX", R_OK | X_OK), ==, 0);
    g_assert_cmpint(access_code(mount, "INBOX", W_OK), ==, EROFS);
    g_assert_cmpuint(mount_getattr(mount, mount_ino(mount, "INBOX"))->mode & 07777, ==, 0500);
    g_assert_cmpuint(mount_getattr(mount, mount_ino(mount, "INBOX/u2.eml"))->mode & 07777, ==,
                     0400);
}

/* cp -a and rsync do so; it means nothing. */
static void test_attributes_of_a_mailbox(Mount *mount, gconstpointer data)
{
    const struct fuse_setattr_in arg = {.valid = FATTR_MODE | FATTR_MTIME, .mode = 0755};
    guint64 ino = mount_ino(mount, "INBOX");

    assert_code(mount_call(mount, FUSE_SETATTR, ino, &arg, sizeof arg, NULL), 0);
}

static void test_fsync(Mount *mount, gconstpointer data)
{
    const struct fuse_fsync_in arg = {0};

    assert_code(
        mount_call(mount, FUSE_FSYNC, mount_ino(mount, "INBOX/u2.eml"), &arg, sizeof arg, NULL), 0);
}

/* --- statfs --- */

static guint64 send_statfs(Mount *mount)
{
    return fakekernel_send(mount->kernel, FUSE_STATFS, INO_ROOT, NULL, 0, NULL);
}

static const struct fuse_kstatfs *statfs_of(const FakeAnswer *answer)
{
    assert_code(answer, 0);
    return &((const struct fuse_statfs_out *)(gconstpointer)answer->bytes)->st;
}

static void check_statfs(Mount *mount, CacheQuota quota, guint64 blocks, guint64 free)
{
    const struct fuse_kstatfs *st;

    mount->backend->quota = quota;
    cache_put_quota(mount->cache, &(CacheQuota){0});
    st = statfs_of(fakekernel_wait(mount->kernel, send_statfs(mount)));
    g_assert_cmpuint(st->frsize, ==, 4096);
    g_assert_cmpuint(st->namelen, ==, FS_NAME_MAX);
    g_assert_cmpuint(st->blocks, ==, blocks);
    g_assert_cmpuint(st->bfree, ==, free);
    g_assert_cmpuint(st->bavail, ==, free);
}

static void test_statfs(Mount *mount, gconstpointer data)
{
    const guint64 much = (guint64)1 << 38;

    check_statfs(mount, (CacheQuota){TRUE, 4 << 20, 10 << 20}, 2560, 1536);
    check_statfs(mount, (CacheQuota){TRUE, 12 << 20, 10 << 20}, 2560, 0);
    check_statfs(mount, (CacheQuota){TRUE, 0, 0}, much, much);
    check_statfs(mount, (CacheQuota){0}, much, much);
}

/* df, file managers and cp ask: a quota that cannot be had must not fail them. */
static void test_statfs_without_an_answer(Mount *mount, gconstpointer data)
{
    guint64 unique;

    mount->backend->is_held = TRUE;
    unique = send_statfs(mount);
    g_assert_null(fakekernel_peek(mount->kernel, unique));
    fakebackend_fail_all(mount->backend, MAIL_ERROR_TIMEOUT, "no answer");
    g_assert_cmpuint(statfs_of(fakekernel_wait(mount->kernel, unique))->blocks, >, 0);
    fakebackend_go_offline(mount->backend, MAIL_ERROR_OFFLINE, "connection refused");
    g_assert_cmpuint(statfs_of(fakekernel_wait(mount->kernel, send_statfs(mount)))->blocks, >, 0);
}

/* --- xattrs --- */

static const FakeAnswer *getxattr_of(Mount *mount, const char *path, const char *name, guint32 size)
{
    const struct fuse_getxattr_in arg = {.size = size};

    return mount_call(mount, FUSE_GETXATTR, mount_ino(mount, path), &arg, sizeof arg, name);
}

static const FakeAnswer *listxattr_of(Mount *mount, const char *path, guint32 size)
{
    const struct fuse_getxattr_in arg = {.size = size};

    return mount_call(mount, FUSE_LISTXATTR, mount_ino(mount, path), &arg, sizeof arg, NULL);
}

static guint32 size_told(const FakeAnswer *answer)
{
    assert_code(answer, 0);
    g_assert_cmpuint(answer->len, ==, sizeof(struct fuse_getxattr_out));
    return ((const struct fuse_getxattr_out *)(gconstpointer)answer->bytes)->size;
}

static void set_many_flags(Mount *mount)
{
    MailFlags keywords =
        cache_keyword_flag(mount->cache, "$Label1") | cache_keyword_flag(mount->cache, "work");

    (void)mount_ino(mount, "INBOX/u2.eml");
    fakebackend_set_flags(mount->backend, mount->inbox, 2,
                          MAIL_FLAG_SEEN | MAIL_FLAG_FORWARDED | keywords);
}

static void test_getxattr(Mount *mount, gconstpointer data)
{
    static const struct {
        const char *name, *value;
    } rows[] = {
        {"user.mail.uid", "2"},
        {"user.mail.flags", "$Forwarded \\Seen"},
        {"user.mail.keywords", "$Label1 work"},
        {"user.xdg.tags", "$Label1,work"},
        {"user.mail.from", "Alice Möller"},
        {"user.mail.subject", "Re: Budget"},
    };

    set_many_flags(mount);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        guint32 len = (guint32)strlen(rows[i].value);
        const FakeAnswer *answer = getxattr_of(mount, "INBOX/u2.eml", rows[i].name, 1000);

        assert_code(answer, 0);
        g_assert_cmpmem(answer->bytes, answer->len, rows[i].value, len);
        g_assert_cmpuint(size_told(getxattr_of(mount, "INBOX/u2.eml", rows[i].name, 0)), ==, len);
        assert_code(getxattr_of(mount, "INBOX/u2.eml", rows[i].name, len), 0);
        if (len > 1)
            assert_code(getxattr_of(mount, "INBOX/u2.eml", rows[i].name, len - 1), ERANGE);
    }
}

static void test_no_such_xattr(Mount *mount, gconstpointer data)
{
    static const struct {
        const char *path, *name;
        int code;
    } rows[] = {
        {"INBOX/u2.eml", "user.mail.x", ENODATA},
        {"INBOX/u2.eml", "user.mail.keywords", ENODATA},
        {"INBOX/u2.eml", "user.mail.message-id", ENODATA},
        {"INBOX", "user.mail.uid", ENODATA},
        {".mailfs/status", "user.mail.uid", ENODATA},
        {"INBOX/u2.eml", "security.selinux", EOPNOTSUPP},
        {"INBOX/u2.eml", "system.posix_acl_access", EOPNOTSUPP},
        {"INBOX/u2.eml", "", EOPNOTSUPP},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        assert_code(getxattr_of(mount, rows[i].path, rows[i].name, 0), rows[i].code);
        assert_code(getxattr_of(mount, rows[i].path, rows[i].name, 1000), rows[i].code);
    }
}

static void test_xattrs_of_what_is_gone(Mount *mount, gconstpointer data)
{
    const struct fuse_getxattr_in arg = {.size = 1000};
    guint64 ino = mount_ino(mount, "INBOX/u2.eml");

    fakebackend_expunge(mount->backend, mount->inbox, 2);
    assert_code(mount_call(mount, FUSE_GETXATTR, ino, &arg, sizeof arg, "user.mail.uid"), ESTALE);
    assert_code(mount_call(mount, FUSE_LISTXATTR, ino, &arg, sizeof arg, NULL), ESTALE);
}

static void test_listxattr(Mount *mount, gconstpointer data)
{
    static const char few[] = "user.mail.uid\0user.mail.from\0user.mail.to\0user.mail.subject";
    static const char more[] =
        "user.mail.uid\0user.mail.flags\0user.mail.keywords\0user.mail.from\0"
        "user.mail.to\0user.mail.subject\0user.xdg.tags";
    const FakeAnswer *answer;

    answer = listxattr_of(mount, "INBOX/u2.eml", 1000);
    g_assert_cmpmem(answer->bytes, answer->len, few, sizeof few);
    set_many_flags(mount);
    answer = listxattr_of(mount, "INBOX/u2.eml", sizeof more);
    g_assert_cmpmem(answer->bytes, answer->len, more, sizeof more);
    g_assert_cmpuint(size_told(listxattr_of(mount, "INBOX/u2.eml", 0)), ==, answer->len);
    assert_code(listxattr_of(mount, "INBOX/u2.eml", (guint32)answer->len - 1), ERANGE);
    g_assert_cmpuint(size_told(listxattr_of(mount, "INBOX", 0)), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mount_test("/writing/read-only", &read_only, test_read_only);
    mount_test("/writing/not-for-mail", NULL, test_not_for_mail);
    mount_test("/writing/desktop", NULL, test_trash_of_desktop);
    mount_test("/writing/access", NULL, test_access);
    mount_test("/writing/access-to-read", &read_only, test_access_to_read);
    mount_test("/writing/mailbox-attributes", NULL, test_attributes_of_a_mailbox);
    mount_test("/writing/fsync", NULL, test_fsync);
    mount_test("/statfs/quota", NULL, test_statfs);
    mount_test("/statfs/no-answer", NULL, test_statfs_without_an_answer);
    mount_test("/xattr/get", NULL, test_getxattr);
    mount_test("/xattr/absent", NULL, test_no_such_xattr);
    mount_test("/xattr/list", NULL, test_listxattr);
    mount_test("/xattr/gone", NULL, test_xattrs_of_what_is_gone);
    return g_test_run();
}

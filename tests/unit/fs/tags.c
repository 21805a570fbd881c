/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/tags.c - flags and keywords that are written as extended attributes. */
#include "mount.h"

#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

static int setxattr_with(Mount *mount, const char *path, const char *name, const char *value,
                         guint32 flags)
{
    /* As the kernel does that was not told of its longer form. */
    const guint32 head[] = {(guint32)strlen(value), flags};
    g_autoptr(GByteArray) arg = g_byte_array_new();

    g_byte_array_append(arg, (const guint8 *)head, sizeof head);
    g_byte_array_append(arg, (const guint8 *)name, (guint)strlen(name) + 1);
    g_byte_array_append(arg, (const guint8 *)value, (guint)strlen(value));
    return mount_call(mount, FUSE_SETXATTR, mount_ino(mount, path), arg->data, arg->len, NULL)
        ->code;
}

static int set_of_u2(Mount *mount, const char *name, const char *value)
{
    return setxattr_with(mount, "INBOX/u2.eml", name, value, 0);
}

static int remove_of_u2(Mount *mount, const char *name)
{
    return mount_call(mount, FUSE_REMOVEXATTR, mount_ino(mount, "INBOX/u2.eml"), NULL, 0, name)
        ->code;
}

/* What is to be changed of message 2, which is done then. */
static void check_delta(Mount *mount, MailFlags add, MailFlags remove)
{
    const CacheChange *change = fakebackend_change(mount->backend, CACHE_CHANGE_FLAGS);

    g_assert_nonnull(change);
    g_assert_cmpuint(change->uid, ==, 2);
    g_assert_cmphex(change->add, ==, add);
    g_assert_cmphex(change->remove, ==, remove);
    fakebackend_do_all(mount->backend);
}

static void test_flags(Mount *mount, gconstpointer data)
{
    MailFlags work = cache_keyword_flag(mount->cache, "work");

    (void)mount_ino(mount, "INBOX/u2.eml");
    fakebackend_set_flags(mount->backend, mount->inbox, 2, MAIL_FLAG_SEEN | work);
    g_assert_cmpint(set_of_u2(mount, "user.mail.flags", "\\flagged $Forwarded"), ==, 0);
    check_delta(mount, MAIL_FLAG_FLAGGED | MAIL_FLAG_FORWARDED, MAIL_FLAG_SEEN);
    g_assert_cmpint(set_of_u2(mount, "user.mail.flags", "$Forwarded \\Flagged"), ==, 0);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
    g_assert_cmpint(remove_of_u2(mount, "user.mail.flags"), ==, 0);
    check_delta(mount, 0, MAIL_FLAG_FLAGGED | MAIL_FLAG_FORWARDED);
    g_assert_cmphex(fakebackend_message(mount->backend, mount->inbox, 2)->flags, ==, work);
}

static void test_keywords(Mount *mount, gconstpointer data)
{
    MailFlags one, two;

    (void)mount_ino(mount, "INBOX/u2.eml");
    fakebackend_set_flags(mount->backend, mount->inbox, 2, MAIL_FLAG_SEEN);
    g_assert_cmpint(set_of_u2(mount, "user.mail.keywords", "one  two"), ==, 0);
    one = cache_keyword_flag(mount->cache, "one");
    two = cache_keyword_flag(mount->cache, "two");
    check_delta(mount, one | two, 0);
    g_assert_cmpint(set_of_u2(mount, "user.xdg.tags", "two,three"), ==, 0);
    check_delta(mount, cache_keyword_flag(mount->cache, "three"), one);
    g_assert_cmpint(set_of_u2(mount, "user.xdg.tags", ""), ==, 0);
    check_delta(mount, 0, two | cache_keyword_flag(mount->cache, "three"));
}

static void test_what_is_refused(Mount *mount, gconstpointer data)
{
    static const struct {
        const char *path, *name, *value;
        guint32 flags;
        int code;
    } rows[] = {
        {"INBOX/u2.eml", "user.mail.flags", "\\Recent", 0, EINVAL},
        {"INBOX/u2.eml", "user.mail.flags", "work", 0, EINVAL},
        {"INBOX/u2.eml", "user.mail.keywords", "\\Other", 0, EINVAL},
        {"INBOX/u2.eml", "user.mail.keywords", "a(b", 0, EINVAL},
        {"INBOX/u2.eml", "user.mail.keywords", "a]", 0, EINVAL},
        {"INBOX/u2.eml", "user.mail.keywords", "fünf", 0, EINVAL},
        {"INBOX/u2.eml", "user.xdg.tags", "two words", 0, EINVAL},
        {"INBOX/u2.eml", "user.mail.flags", "\\Seen", XATTR_REPLACE, ENODATA},
        {"INBOX/u2.eml", "user.mail.subject", "Other", 0, EPERM},
        {"INBOX/u2.eml", "user.mail.subject", "Re: Budget", XATTR_CREATE, EEXIST},
        {"INBOX/u2.eml", "user.mail.subject", "Re: Budget", 0, 0}, /* as cp writes what it read */
        {"INBOX/u2.eml", "user.other", "x", 0, EOPNOTSUPP},
        {"INBOX/u2.eml", "security.selinux", "x", 0, EOPNOTSUPP},
        {"INBOX", "user.mail.keywords", "x", 0, EOPNOTSUPP},
        {".mailfs/status", "user.mail.keywords", "x", 0, EROFS},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s: %s", rows[i].name, rows[i].value);
        g_assert_cmpint(
            setxattr_with(mount, rows[i].path, rows[i].name, rows[i].value, rows[i].flags), ==,
            rows[i].code);
    }
    g_assert_cmpint(remove_of_u2(mount, "user.mail.keywords"), ==, ENODATA);
    g_assert_cmpint(remove_of_u2(mount, "user.mail.subject"), ==, EPERM);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
}

static void test_too_many(Mount *mount, gconstpointer data)
{
    for (guint i = 0; i < MAIL_FLAG_N_KEYWORDS; i++) {
        char keyword[8];

        g_snprintf(keyword, sizeof keyword, "k%u", i);
        g_assert_cmphex(cache_keyword_flag(mount->cache, keyword), !=, 0);
    }
    g_assert_cmpint(set_of_u2(mount, "user.mail.keywords", "one-more"), ==, ENOSPC);
    g_assert_cmpint(set_of_u2(mount, "user.mail.keywords", "k7"), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mount_test("/tags/flags", NULL, test_flags);
    mount_test("/tags/keywords", NULL, test_keywords);
    mount_test("/tags/refused", NULL, test_what_is_refused);
    mount_test("/tags/full", NULL, test_too_many);
    return g_test_run();
}

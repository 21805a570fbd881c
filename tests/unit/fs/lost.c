/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/lost.c - what was refused when nobody waited for it is in .mailfs/lost+found. */
#include <errno.h>
#include <string.h>

#include "fakefile.h"

#define LETTER "Subject: Budget\n\nHello.\n"
#define SENT   "Subject: Budget\r\n\r\nHello.\r\n"

static const FsOptions for_disk = {.waits = FS_WAITS_FOR_DISK};

/* Loses a file of that name; the number in the names of what is found. */
static guint32 lose(Mount *mount, const char *name)
{
    FakeFile file = fakefile_new(mount, "INBOX", name);
    guint32 id;

    fakefile_write(&file, 0, LETTER);
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
    id = fakebackend_change(mount->backend, CACHE_CHANGE_APPEND)->id;
    fakebackend_refuse(mount->backend, MAIL_ERROR_QUOTA, "mailbox is full");
    return id;
}

static void check_text(Mount *mount, const char *expected, guint32 id, const char *name)
{
    g_autofree char *path = g_strdup_printf(".mailfs/lost+found/%u-%s", id, name),
                    *text = mount_read_text(mount, path);

    g_assert_cmpstr(text, ==, expected);
}

static void test_nothing(Mount *mount, gconstpointer data)
{
    g_autofree char *control = mount_list(mount, mount_ino(mount, ".mailfs")),
                    *lost = mount_list(mount, mount_ino(mount, ".mailfs/lost+found"));

    g_assert_nonnull(strstr(control, " lost+found "));
    g_assert_cmpstr(lost, ==, ". .. ");
}

static void test_found(Mount *mount, gconstpointer data)
{
    guint32 first = lose(mount, "new.eml"), second = lose(mount, "tab\there");
    g_autofree char *list = mount_list(mount, mount_ino(mount, ".mailfs/lost+found"));
    g_autofree char *expected =
        g_strdup_printf(". .. %u-new.eml %u-new.reason.txt %u-tab?here.eml %u-tab?here.reason.txt ",
                        first, first, second, second);

    g_assert_cmpstr(list, ==, expected);
    check_text(mount, SENT, first, "new.eml");
    check_text(mount, "mailbox is full\n", first, "new.reason.txt");
    check_text(mount, SENT, second, "tab?here.eml");
}

static void test_long_name(Mount *mount, gconstpointer data)
{
    g_autoptr(GString) name = g_string_new(NULL);
    guint32 id;

    for (guint i = 0; i < 60; i++)
        g_string_append(name, "\xe2\x82\xac");
    for (guint i = 0; i < 60; i++)
        g_string_append_c(name, 'x');
    id = lose(mount, name->str);
    g_string_truncate(name, 200);
    g_string_append(name, ".eml");
    check_text(mount, SENT, id, name->str);
}

/* Both files go together. */
static void test_remove(Mount *mount, gconstpointer data)
{
    guint32 id = lose(mount, "new.eml");
    g_autofree char *name = g_strdup_printf("%u-new.eml", id);
    g_autofree char *list = NULL;

    g_assert_cmpint(mount_unlink(mount, ".mailfs/lost+found", "new.eml"), ==, ENOENT);
    g_assert_cmpint(mount_unlink(mount, ".mailfs/lost+found", name), ==, 0);
    list = mount_list(mount, mount_ino(mount, ".mailfs/lost+found"));
    g_assert_cmpstr(list, ==, ". .. ");
}

/* The text alone is not what is thrown away. */
static void test_keep_reason(Mount *mount, gconstpointer data)
{
    guint32 id = lose(mount, "new.eml");
    g_autofree char *name = g_strdup_printf("%u-new.reason.txt", id);

    g_assert_cmpint(mount_unlink(mount, ".mailfs/lost+found", name), ==, EPERM);
    check_text(mount, SENT, id, "new.eml");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mount_test("/lost/nothing", NULL, test_nothing);
    mount_test("/lost/found", &for_disk, test_found);
    mount_test("/lost/long-name", &for_disk, test_long_name);
    mount_test("/lost/remove", &for_disk, test_remove);
    mount_test("/lost/reason", &for_disk, test_keep_reason);
    return g_test_run();
}

/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/notes.c - what the kernel is told to forget when the server changes something. */
#include "mount.h"

#include <string.h>

/* In each of the views. */
#define LISTING_OF(box)                                                                            \
    "inode " box "\n"                                                                              \
    "inode .mailfs/uid/" box "\n"                                                                  \
    "inode .mailfs/text/" box "\n"                                                                 \
    "inode .mailfs/parts/" box "\n"
#define LISTING_NOTES   LISTING_OF("INBOX")
#define LISTING_OF_ROOT "inode .\ninode .mailfs/uid\ninode .mailfs/text\ninode .mailfs/parts\n"
#define INBOX_ENTRIES                                                                              \
    "entry . INBOX\nentry .mailfs/uid INBOX\n"                                                     \
    "entry .mailfs/text INBOX\nentry .mailfs/parts INBOX\n"

static void check_notes(Mount *mount, const char *expected)
{
    g_autofree char *notes = mount_take_notes(mount);

    g_assert_cmpstr(notes, ==, expected);
}

/* The kernel knows the names of INBOX; what was told until then is forgotten. */
static void show_inbox(Mount *mount)
{
    g_free(mount_list(mount, mount_ino(mount, "INBOX")));

    g_free(mount_take_notes(mount));
}

static void test_flags(Mount *mount, gconstpointer data)
{
    show_inbox(mount);
    fakebackend_set_flags(mount->backend, mount->inbox, 2, MAIL_FLAG_SEEN);
    check_notes(mount, "entry INBOX " INBOX_NAME ".u2,.eml\n" LISTING_NOTES);
    fakebackend_set_flags(mount->backend, mount->inbox, 2, MAIL_FLAG_SEEN | MAIL_FLAG_DRAFT);
    check_notes(mount, "entry INBOX " INBOX_NAME ".u2,S.eml\n" LISTING_NOTES);
    fakebackend_set_flags(mount->backend, mount->inbox, 2, MAIL_FLAG_SEEN | MAIL_FLAG_DRAFT);
    check_notes(mount, "");
}

/* All names of it. */
static void test_expunge(Mount *mount, gconstpointer data)
{
    show_inbox(mount);
    fakebackend_expunge(mount->backend, mount->inbox, 2);
    check_notes(mount, "gone INBOX " INBOX_NAME ".u2,.eml\n"
                       "entry INBOX u2.eml\n"
                       "gone .mailfs/uid/INBOX 2.eml\n"
                       "gone .mailfs/text/INBOX " INBOX_NAME ".u2.txt\n"
                       "gone .mailfs/parts/INBOX " INBOX_NAME ".u2\n"
                       "entry .mailfs/parts/INBOX 2\n" LISTING_NOTES);
}

static void test_new_mail(Mount *mount, gconstpointer data)
{
    show_inbox(mount);
    fakebackend_deliver(mount->backend, mount->inbox, 4);
    check_notes(mount, LISTING_NOTES);
    g_assert_cmpuint(mount_ino(mount, "INBOX/" INBOX_NAME ".u4,.eml"), !=, 0);
}

static void test_by_recipient(Mount *mount, gconstpointer data)
{
    (void)mount_ino(mount, "Sent/u7.eml");
    g_free(mount_take_notes(mount));
    fakebackend_set_flags(mount->backend, mount->sent, 7, MAIL_FLAG_SEEN);
    check_notes(mount, "entry Sent " SENT_NAME ".u7,.eml\n" LISTING_OF("Sent"));
}

/* A lookup of one name is enough for the kernel to keep it. */
static void test_looked_up_only(Mount *mount, gconstpointer data)
{
    mount->backend->is_lazy = TRUE;
    (void)mount_ino(mount, "INBOX/u1.eml");
    g_free(mount_take_notes(mount));
    fakebackend_expunge(mount->backend, mount->inbox, 1);
    check_notes(mount, "gone INBOX " INBOX_NAME ".u1,.eml\n"
                       "entry INBOX u1.eml\n"
                       "gone .mailfs/uid/INBOX 1.eml\n"
                       "gone .mailfs/text/INBOX " INBOX_NAME ".u1.txt\n"
                       "gone .mailfs/parts/INBOX " INBOX_NAME ".u1\n"
                       "entry .mailfs/parts/INBOX 1\n" LISTING_NOTES);
}

static void test_unseen_names_are_not_told(Mount *mount, gconstpointer data)
{
    mount->backend->is_held = TRUE;
    (void)mount_send_lookup(mount, mount_ino(mount, "INBOX"), "u1.eml");
    fakekernel_settle(mount->kernel);
    fakebackend_fulfil(mount->backend, fakebackend_find(mount->backend, CACHE_WANT_SYNC));
    g_free(mount_take_notes(mount));
    fakebackend_expunge(mount->backend, mount->inbox, 2);
    check_notes(mount, LISTING_NOTES);
    fakebackend_fulfil_all(mount->backend);
}

static void test_mailbox_gone(Mount *mount, gconstpointer data)
{
    show_inbox(mount);
    fakebackend_set_boxes(mount->backend, "Archive", "Archive/2024", "Sent", NULL);
    check_notes(mount, LISTING_OF_ROOT INBOX_ENTRIES);
}

static void test_mailbox_below_gone(Mount *mount, gconstpointer data)
{
    fakebackend_set_boxes(mount->backend, "INBOX", "Archive", "Sent", NULL);
    check_notes(mount, LISTING_OF("Archive") "entry Archive 2024\n"
                                             "entry .mailfs/uid/Archive 2024\n"
                                             "entry .mailfs/text/Archive 2024\n"
                                             "entry .mailfs/parts/Archive 2024\n");
}

static void test_new_mailbox(Mount *mount, gconstpointer data)
{
    fakebackend_set_boxes(mount->backend, "INBOX", "Archive", "Archive/2024", "Sent", "New", NULL);
    check_notes(mount, LISTING_OF_ROOT);
    g_assert_cmpuint(mount_ino(mount, "New"), !=, 0);
}

static void test_same_mailboxes(Mount *mount, gconstpointer data)
{
    fakebackend_set_boxes(mount->backend, "INBOX", "Archive", "Archive/2024", "Sent", NULL);
    check_notes(mount, "");
}

/* With the entry of the directory go all that the kernel knows below it. */
static void test_mailbox_replaced(Mount *mount, gconstpointer data)
{
    g_autofree char *notes = NULL;

    show_inbox(mount);
    fakebackend_replace(mount->backend, mount->inbox);
    notes = mount_take_notes(mount);
    g_assert_nonnull(strstr(notes, INBOX_ENTRIES));
    g_assert_true(g_str_has_suffix(notes, LISTING_NOTES));
}

/* Whoever waits inside a directory does not keep the notifier from telling of it. */
static void test_while_parked(Mount *mount, gconstpointer data)
{
    guint64 ino, unique;

    show_inbox(mount);
    ino = mount_ino(mount, "INBOX/u2.eml");
    mount->backend->is_held = TRUE;
    unique = mount_send_read(mount, ino, 0, 100);
    fakebackend_set_flags(mount->backend, mount->inbox, 2, MAIL_FLAG_SEEN);
    check_notes(mount, "entry INBOX " INBOX_NAME ".u2,.eml\n" LISTING_NOTES);
    fakebackend_fulfil_all(mount->backend);
    assert_code(fakekernel_wait(mount->kernel, unique), 0);
}

static void test_many_are_told_in_order(Mount *mount, gconstpointer data)
{
    g_autofree char *notes = NULL;
    const char *at;

    for (guint32 uid = 4; uid <= 12; uid++)
        fakebackend_add(mount->backend, mount->inbox, uid);
    show_inbox(mount);
    for (guint32 uid = 1; uid <= 12; uid++)
        fakebackend_expunge(mount->backend, mount->inbox, uid);
    at = notes = mount_take_notes(mount);
    for (guint32 uid = 1; uid <= 12; uid++) {
        g_autofree char *line = g_strdup_printf("gone INBOX " INBOX_NAME ".u%u,.eml\n", uid);

        at = strstr(at, line);
        g_assert_nonnull(at);
    }
}

/* After the unmount the number of the kernel's descriptor may be another file's. */
static void test_nothing_is_told_after_the_stop(Mount *mount, gconstpointer data)
{
    show_inbox(mount);
    fs_notifier_stop(mount->fs->notifier);
    fakebackend_deliver(mount->backend, mount->inbox, 4);
    mount_end(mount); /* the notifier has had all notes by then */
    fakekernel_settle(mount->kernel);
    g_assert_cmpuint(mount->kernel->notes.length, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mount_test("/notes/flags", NULL, test_flags);
    mount_test("/notes/expunge", NULL, test_expunge);
    mount_test("/notes/new-mail", NULL, test_new_mail);
    mount_test("/notes/by-recipient", NULL, test_by_recipient);
    mount_test("/notes/looked-up-only", NULL, test_looked_up_only);
    mount_test("/notes/unseen", NULL, test_unseen_names_are_not_told);
    mount_test("/notes/mailbox-gone", NULL, test_mailbox_gone);
    mount_test("/notes/mailbox-below-gone", NULL, test_mailbox_below_gone);
    mount_test("/notes/new-mailbox", NULL, test_new_mailbox);
    mount_test("/notes/same-mailboxes", NULL, test_same_mailboxes);
    mount_test("/notes/mailbox-replaced", NULL, test_mailbox_replaced);
    mount_test("/notes/while-parked", NULL, test_while_parked);
    mount_test("/notes/stopped", NULL, test_nothing_is_told_after_the_stop);
    mount_test("/notes/many", NULL, test_many_are_told_in_order);
    return g_test_run();
}

/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/rename.c - messages that get other flags, go to other mailboxes or are set aside.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "fakefile.h"
#include "fs/changing.h"

#define U2 INBOX_NAME ".u2,"

/* --- flags --- */

static void check_delta(Mount *mount, MailFlags add, MailFlags remove)
{
    const CacheChange *change = fakebackend_change(mount->backend, CACHE_CHANGE_FLAGS);

    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 1);
    g_assert_nonnull(change);
    g_assert_cmpuint(change->uid, ==, 2);
    g_assert_cmphex(change->add, ==, add);
    g_assert_cmphex(change->remove, ==, remove);
}

static void test_flags(Mount *mount, gconstpointer data)
{
    g_assert_cmpint(mount_rename(mount, "INBOX", U2 ".eml", "INBOX", U2 "FS.eml"), ==, 0);
    check_delta(mount, MAIL_FLAG_FLAGGED | MAIL_FLAG_SEEN, 0);
    g_assert_cmpint(mount_lookup_code(mount, mount_ino(mount, "INBOX"), U2 ".eml"), ==, ENOENT);
    (void)mount_ino(mount, "INBOX/" U2 "FS.eml");
    fakebackend_do_all(mount->backend);
    (void)mount_ino(mount, "INBOX/" U2 "FS.eml");
    g_assert_cmphex(fakebackend_message(mount->backend, mount->inbox, 2)->flags, ==,
                    MAIL_FLAG_FLAGGED | MAIL_FLAG_SEEN);
}

/* What the name does not show is left alone. */
static void test_only_the_difference(Mount *mount, gconstpointer data)
{
    MailFlags hidden = 0;

    for (guint i = 0; i < 27; i++) {
        char keyword[8];

        g_snprintf(keyword, sizeof keyword, "k%u", i);
        hidden = cache_keyword_flag(mount->cache, keyword);
    }
    (void)mount_ino(mount, "INBOX/u2.eml");
    fakebackend_set_flags(mount->backend, mount->inbox, 2, MAIL_FLAG_SEEN | hidden);
    g_assert_cmpint(mount_rename(mount, "INBOX", U2 "S.eml", "INBOX", U2 "Fb.eml"), ==, 0);
    check_delta(mount, MAIL_FLAG_FLAGGED | mail_flag_keyword(1), MAIL_FLAG_SEEN);
}

static void test_by_the_alias(Mount *mount, gconstpointer data)
{
    (void)mount_ino(mount, "INBOX/u2.eml");
    fakebackend_set_flags(mount->backend, mount->inbox, 2, MAIL_FLAG_SEEN);
    g_assert_cmpint(mount_rename(mount, "INBOX", "u2.eml", "INBOX", U2 "F.eml"), ==, 0);
    check_delta(mount, MAIL_FLAG_FLAGGED, MAIL_FLAG_SEEN);
}

/* The kernel is not to keep a name that is not the message's. */
static void test_letters_in_disorder(Mount *mount, gconstpointer data)
{
    g_autofree char *notes = NULL;

    (void)mount_ino(mount, "INBOX/u2.eml");
    g_assert_cmpint(mount_rename(mount, "INBOX", U2 ".eml", "INBOX", U2 "SF.eml"), ==, 0);
    notes = mount_take_notes(mount);
    g_assert_nonnull(strstr(notes, "entry INBOX " U2 "SF.eml\n"));
    (void)mount_ino(mount, "INBOX/" U2 "FS.eml");
}

static void test_what_may_not_change(Mount *mount, gconstpointer data)
{
    static const struct {
        const char *name;
        int code;
    } rows[] = {
        {INBOX_NAME ".u4,.eml", EINVAL},
        {U2 "a.eml", EINVAL}, /* no such keyword */
        {U2 "X.eml", EINVAL},
        {"other.u2,S.eml", EPERM},
        {INBOX_NAME ".eml", EPERM},
        {U2, EPERM},
        {INBOX_NAME ".u3,.eml", EEXIST},
        {"u3.eml", EEXIST},
        {U2 ".eml", 0},
        {"u2.eml", 0}, /* the same file */
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s", rows[i].name);
        g_assert_cmpint(mount_rename(mount, "INBOX", U2 ".eml", "INBOX", rows[i].name), ==,
                        rows[i].code);
    }
    g_assert_cmpint(mount_rename(mount, "INBOX", U2 "S.eml", "INBOX", U2 "F.eml"), ==, ENOENT);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
}

static void test_refused(Mount *mount, gconstpointer data)
{
    g_autofree char *status = NULL;

    g_assert_cmpint(mount_rename(mount, "INBOX", U2 ".eml", "INBOX", U2 "S.eml"), ==, 0);
    (void)mount_ino(mount, "INBOX/" U2 "S.eml");
    g_free(mount_take_notes(mount));
    fakebackend_refuse(mount->backend, MAIL_ERROR_PERMISSION, "not yours");
    status = mount_take_notes(mount);
    g_assert_nonnull(strstr(status, "entry INBOX " U2 "S.eml\n"));
    (void)mount_ino(mount, "INBOX/" U2 ".eml");
    g_free(status);
    status = mount_read_text(mount, ".mailfs/status");
    g_assert_nonnull(strstr(status, "flag INBOX/u2.eml: refused: not yours\n"));
}

/* --- other mailboxes --- */

static void test_move(Mount *mount, gconstpointer data)
{
    guint64 ino = mount_ino(mount, "INBOX/" U2 ".eml");
    const CacheChange *change;
    g_autofree char *list = NULL;

    g_assert_cmpint(mount_rename(mount, "INBOX", U2 ".eml", "Archive", "plan.eml"), ==, 0);
    change = fakebackend_change(mount->backend, CACHE_CHANGE_MOVE);
    g_assert_cmpuint(change->uid, ==, 2);
    g_assert_cmpuint(change->target, ==, fakebackend_box(mount->backend, "Archive"));
    g_assert_cmpint(mount_lookup_code(mount, mount_ino(mount, "INBOX"), U2 ".eml"), ==, ENOENT);
    g_assert_cmpint(mount_lookup_code(mount, mount_ino(mount, "INBOX"), "u2.eml"), ==, ENOENT);
    list = mount_list(mount, mount_ino(mount, "Archive"));
    g_assert_cmpstr(list, ==, ". .. 2024 plan.eml ");
    mount_read_all(mount, ino);
}

/* Who knows the message by its old place finds it at the new one; the name that was given holds
 * until somebody lists the mailbox. */
static void test_moved(Mount *mount, gconstpointer data)
{
    guint64 ino = mount_ino(mount, "INBOX/" U2 ".eml"), archive = mount_ino(mount, "Archive");
    g_autofree char *list = NULL, *notes = NULL;

    g_free(mount_list(mount, archive));
    g_assert_cmpint(mount_rename(mount, "INBOX", U2 ".eml", "Archive", "plan.eml"), ==, 0);
    g_free(mount_take_notes(mount));
    fakebackend_do_all(mount->backend);
    notes = mount_take_notes(mount);
    g_assert_nonnull(strstr(notes, "entry Archive plan.eml\n"));
    g_assert_cmpuint(mount_getattr(mount, ino)->size, ==, 1002);
    g_assert_cmpuint(mount_getattr(mount, ino)->ino, ==, ino);
    (void)mount_lookup(mount, archive, "plan.eml");
    list = mount_list(mount, archive);
    g_assert_cmpstr(list, ==, ". .. 2024 " INBOX_NAME ".u1,.eml ");
    g_assert_cmpint(mount_lookup_code(mount, archive, "plan.eml"), ==, ENOENT);
    g_assert_cmpuint(mount_getattr(mount, ino)->size, ==, 1002);
}

/* Then there is another mailbox of that name, with the same numbers: what was moved is nowhere. */
static void test_moved_to_replaced(Mount *mount, gconstpointer data)
{
    guint64 ino = mount_ino(mount, "INBOX/" U2 ".eml");

    g_assert_cmpint(mount_rename(mount, "INBOX", U2 ".eml", "Archive", "plan.eml"), ==, 0);
    fakebackend_do_all(mount->backend);
    (void)mount_ino(mount, "Archive/plan.eml");
    fakebackend_replace(mount->backend, fakebackend_box(mount->backend, "Archive"));
    g_assert_cmpint(mount_unlink(mount, "Archive", "plan.eml"), ==, ENOENT);
    g_assert_cmpint(mount_getattr_code(mount, ino), ==, ESTALE);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
    (void)mount_ino(mount, "Archive/u1.eml");
}

static void test_move_with_other_flags(Mount *mount, gconstpointer data)
{
    g_assert_cmpint(mount_rename(mount, "INBOX", U2 ".eml", "Archive", U2 "S.eml"), ==, 0);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 2);
    fakebackend_do_all(mount->backend);
    (void)mount_ino(mount, "Archive/" INBOX_NAME ".u1,S.eml");
}

/* It has a new number, of which the name that it was given knows nothing. */
static void test_flags_of_what_was_moved(Mount *mount, gconstpointer data)
{
    guint64 unique;

    g_assert_cmpint(mount_rename(mount, "INBOX", U2 ".eml", "Archive", U2 ".eml"), ==, 0);
    unique = mount_send_rename(mount, "Archive", U2 ".eml", "Archive", U2 "F.eml", 0);
    g_assert_null(fakekernel_peek(mount->kernel, unique));
    fakebackend_do_all(mount->backend);
    assert_code(fakekernel_wait(mount->kernel, unique), 0);
    (void)mount_ino(mount, "Archive/" INBOX_NAME ".u1,F.eml");
}

static void test_refused_move(Mount *mount, gconstpointer data)
{
    g_assert_cmpint(mount_rename(mount, "INBOX", U2 ".eml", "Archive", "plan.eml"), ==, 0);
    fakebackend_refuse(mount->backend, MAIL_ERROR_QUOTA, "full");
    (void)mount_ino(mount, "INBOX/" U2 ".eml");
    g_assert_cmpint(mount_lookup_code(mount, mount_ino(mount, "Archive"), "plan.eml"), ==, ENOENT);
}

static void test_places(Mount *mount, gconstpointer data)
{
    static const struct {
        const char *from, *name, *to;
        int code;
    } rows[] = {
        {"INBOX", U2 ".eml", "", EPERM},
        {"INBOX", U2 ".eml", ".mailfs/uid/Archive", EPERM},
        {"INBOX", U2 ".eml", ".mailfs/text/Archive", EROFS},
        {"INBOX", U2 ".eml", ".mailfs", EROFS},
        {".mailfs/text/INBOX", INBOX_NAME ".u2.txt", "Archive", EROFS},
        {"INBOX", "no such file", "Archive", ENOENT},
        {"", ".mailfs", "Archive", EPERM},
        {".mailfs/uid/INBOX", "2.eml", "Archive", 0},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_test_message("%s to %s", rows[i].name, rows[i].to);
        g_assert_cmpint(mount_rename(mount, rows[i].from, rows[i].name, rows[i].to, "x"), ==,
                        rows[i].code);
    }
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 1);
}

static int rename_with(Mount *mount, const char *to, guint32 flags)
{
    return fakekernel_wait(mount->kernel,
                           mount_send_rename(mount, "INBOX", U2 ".eml", "INBOX", to, flags))
        ->code;
}

static void test_how(Mount *mount, gconstpointer data)
{
    g_assert_cmpint(rename_with(mount, U2 "S.eml", RENAME_EXCHANGE), ==, EINVAL);
    g_assert_cmpint(rename_with(mount, INBOX_NAME ".u3,.eml", RENAME_NOREPLACE), ==, EEXIST);
    g_assert_cmpint(rename_with(mount, U2 "S.eml", RENAME_NOREPLACE), ==, 0);
}

/* --- set aside --- */

static void test_aside(Mount *mount, gconstpointer data)
{
    guint64 inbox = mount_ino(mount, "INBOX");
    g_autofree char *list = NULL;

    g_assert_cmpint(mount_rename(mount, "INBOX", U2 ".eml", "INBOX", U2 ".eml~"), ==, 0);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
    g_assert_cmpint(mount_lookup_code(mount, inbox, U2 ".eml"), ==, ENOENT);
    g_assert_cmpint(mount_lookup_code(mount, inbox, "u2.eml"), ==, ENOENT);
    mount_read_all(mount, mount_ino(mount, "INBOX/" U2 ".eml~"));
    list = mount_list(mount, inbox);
    g_assert_nonnull(strstr(list, " " U2 ".eml~ "));
    g_assert_null(strstr(list, " " U2 ".eml "));
    (void)mount_ino(mount, ".mailfs/uid/INBOX/2.eml");
    g_assert_cmpint(mount_rename(mount, "INBOX", U2 ".eml~", "INBOX", U2 ".eml"), ==, 0);
    (void)mount_ino(mount, "INBOX/" U2 ".eml");
    g_assert_cmpint(mount_lookup_code(mount, inbox, U2 ".eml~"), ==, ENOENT);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
}

static void test_aside_is_removed(Mount *mount, gconstpointer data)
{
    g_assert_cmpint(mount_rename(mount, "INBOX", U2 ".eml", "INBOX", U2 ".eml~"), ==, 0);
    g_assert_cmpint(mount_unlink(mount, "INBOX", U2 ".eml~"), ==, 0);
    check_delta(mount, MAIL_FLAG_DELETED, 0);
}

/* A backup is a message until it is removed, and nothing more when another has its name. */
static void test_succeeded(Mount *mount, gconstpointer data)
{
    g_assert_cmpint(mount_rename(mount, "INBOX", U2 ".eml", "INBOX", U2 ".eml~"), ==, 0);
    fs_aside_succeed(mount->fs, cache_box(mount->cache, mount->inbox)->generation, 2);
    mount_read_all(mount, mount_ino(mount, "INBOX/" U2 ".eml~"));
    g_assert_cmpint(mount_unlink(mount, "INBOX", U2 ".eml~"), ==, 0);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 1);
    g_assert_cmpuint(fakebackend_change(mount->backend, CACHE_CHANGE_EXPUNGE)->uid, ==, 2);
    g_assert_cmpint(mount_lookup_code(mount, mount_ino(mount, "INBOX"), U2 ".eml"), ==, ENOENT);
}

/* Also one that has no other name yet than the one that it was given. */
static void test_arrival_aside(Mount *mount, gconstpointer data)
{
    guint64 archive = mount_ino(mount, "Archive");

    g_assert_cmpint(mount_rename(mount, "INBOX", U2 ".eml", "Archive", "a.eml"), ==, 0);
    fakebackend_do_all(mount->backend);
    g_assert_cmpint(mount_rename(mount, "Archive", "a.eml", "Archive", "a.eml~"), ==, 0);
    g_assert_cmpint(mount_lookup_code(mount, archive, "a.eml"), ==, ENOENT);
    (void)mount_ino(mount, "Archive/a.eml~");
    g_assert_cmpint(mount_rename(mount, "Archive", "a.eml~", "Archive", "a.eml"), ==, 0);
    g_assert_cmpint(mount_lookup_code(mount, archive, "a.eml~"), ==, ENOENT);
    (void)mount_ino(mount, "Archive/a.eml");
}

/* --- in place of another --- */

/* A new file of INBOX, which the server has. */
static void write_letter(Mount *mount, const char *name)
{
    FakeFile file = fakefile_new(mount, "INBOX", name);

    fakefile_write(&file, 0, "Subject: New\n\nNew.\n");
    g_assert_cmpint(fakefile_flush_done(&file), ==, 0);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
}

static void test_replace(Mount *mount, gconstpointer data)
{
    (void)mount_ino(mount, "INBOX/u2.eml");
    fakebackend_set_flags(mount->backend, mount->inbox, 2, MAIL_FLAG_FLAGGED);
    write_letter(mount, "new.eml");
    g_assert_cmpint(mount_rename(mount, "INBOX", "new.eml", "INBOX", U2 "F.eml"), ==, 0);
    g_assert_cmpuint(fakebackend_change(mount->backend, CACHE_CHANGE_EXPUNGE)->uid, ==, 2);
    g_assert_cmphex(fakebackend_change(mount->backend, CACHE_CHANGE_FLAGS)->add, ==,
                    MAIL_FLAG_FLAGGED);
}

static void test_replace_refused(Mount *mount, gconstpointer data)
{
    mount->backend->rights.may_remove = FALSE;
    write_letter(mount, "new.eml");
    g_assert_cmpint(mount_rename(mount, "INBOX", "new.eml", "INBOX", U2 ".eml"), ==, EACCES);
    (void)mount_ino(mount, "INBOX/new.eml");
    (void)mount_ino(mount, "INBOX/" U2 ".eml");
}

/* Two names of one message: POSIX has rename() do nothing. */
static void test_replace_itself(Mount *mount, gconstpointer data)
{
    char real[FS_MESSAGE_NAME];

    write_letter(mount, "new.eml");
    (void)mount_ino(mount, "INBOX/u4.eml");
    g_assert_true(fs_message_name(mount->fs, fs_box_view(FS_KIND_BOX), mount->inbox, 4, real));
    g_assert_cmpint(mount_rename(mount, "INBOX", "new.eml", "INBOX", real), ==, 0);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
    (void)mount_ino(mount, "INBOX/new.eml");
}

/* Who writes to a name that is in no listing means another mailbox's message of that number. */
static void test_by_chance(Mount *mount, gconstpointer data)
{
    FakeFile draft = fakefile_new(mount, "INBOX", ".u2.eml.tmp");

    write_letter(mount, "new.eml");
    g_assert_cmpint(mount_rename(mount, "INBOX", "new.eml", "INBOX", "u2.eml"), ==, EEXIST);
    g_assert_cmpint(mount_rename(mount, "INBOX", ".u2.eml.tmp", "INBOX", "u2.eml"), ==, EEXIST);
    assert_code(mount_open(mount, FUSE_OPEN, mount_ino(mount, "INBOX/u2.eml"), O_WRONLY | O_TRUNC),
                EEXIST);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
    g_assert_cmpint(fakefile_release(&draft), ==, 0);
}

/* --- waiting --- */

static const FsOptions sync_options = {.waits = FS_WAITS_ALWAYS};

static void test_sync(Mount *mount, gconstpointer data)
{
    guint64 unique = mount_send_rename(mount, "INBOX", U2 ".eml", "INBOX", U2 "S.eml", 0);

    g_assert_null(fakekernel_peek(mount->kernel, unique));
    fakebackend_do_all(mount->backend);
    assert_code(fakekernel_wait(mount->kernel, unique), 0);
}

static void test_sync_refused(Mount *mount, gconstpointer data)
{
    guint64 unique = mount_send_rename(mount, "INBOX", U2 ".eml", "INBOX", U2 "S.eml", 0);

    g_assert_null(fakekernel_peek(mount->kernel, unique));
    fakebackend_refuse(mount->backend, MAIL_ERROR_PERMISSION, "not yours");
    assert_code(fakekernel_wait(mount->kernel, unique), EACCES);
}

/* What is in the journal is not lost. */
static void test_sync_offline(Mount *mount, gconstpointer data)
{
    guint64 unique = mount_send_rename(mount, "INBOX", U2 ".eml", "INBOX", U2 "S.eml", 0);

    g_assert_null(fakekernel_peek(mount->kernel, unique));
    fakebackend_go_offline(mount->backend, MAIL_ERROR_OFFLINE, "connection refused");
    assert_code(fakekernel_wait(mount->kernel, unique), 0);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 1);
}

static guint64 send_fsyncdir(Mount *mount, const char *path)
{
    const struct fuse_fsync_in arg = {0};

    return fakekernel_send(mount->kernel, FUSE_FSYNCDIR, mount_ino(mount, path), &arg, sizeof arg,
                           NULL);
}

static void test_fsyncdir(Mount *mount, gconstpointer data)
{
    guint64 unique;

    assert_code(fakekernel_wait(mount->kernel, send_fsyncdir(mount, "INBOX")), 0);
    g_assert_cmpint(mount_rename(mount, "INBOX", U2 ".eml", "INBOX", U2 "S.eml"), ==, 0);
    unique = send_fsyncdir(mount, "INBOX");
    g_assert_null(fakekernel_peek(mount->kernel, unique));
    /* It does not wait for what comes later. */
    g_assert_cmpint(
        mount_rename(mount, "INBOX", INBOX_NAME ".u3,.eml", "INBOX", INBOX_NAME ".u3,S.eml"), ==,
        0);
    fakebackend_do(mount->backend, fakebackend_change(mount->backend, CACHE_CHANGE_FLAGS));
    assert_code(fakekernel_wait(mount->kernel, unique), 0);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 1);
    assert_code(fakekernel_wait(mount->kernel, send_fsyncdir(mount, "Archive")), 0);
}

static void test_fsyncdir_refused(Mount *mount, gconstpointer data)
{
    g_assert_cmpint(mount_rename(mount, "INBOX", U2 ".eml", "INBOX", U2 "S.eml"), ==, 0);
    fakebackend_refuse(mount->backend, MAIL_ERROR_QUOTA, "full");
    assert_code(fakekernel_wait(mount->kernel, send_fsyncdir(mount, "INBOX")), EDQUOT);
    assert_code(fakekernel_wait(mount->kernel, send_fsyncdir(mount, "INBOX")), 0);
}

static void test_fsyncdir_offline(Mount *mount, gconstpointer data)
{
    g_assert_cmpint(mount_rename(mount, "INBOX", U2 ".eml", "INBOX", U2 "S.eml"), ==, 0);
    fakebackend_go_offline(mount->backend, MAIL_ERROR_OFFLINE, "connection refused");
    assert_code(fakekernel_wait(mount->kernel, send_fsyncdir(mount, "INBOX")), 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mount_test("/rename/flags", NULL, test_flags);
    mount_test("/rename/difference", NULL, test_only_the_difference);
    mount_test("/rename/alias", NULL, test_by_the_alias);
    mount_test("/rename/disorder", NULL, test_letters_in_disorder);
    mount_test("/rename/rules", NULL, test_what_may_not_change);
    mount_test("/rename/refused", NULL, test_refused);
    mount_test("/rename/how", NULL, test_how);
    mount_test("/move/pending", NULL, test_move);
    mount_test("/move/done", NULL, test_moved);
    mount_test("/move/replaced", NULL, test_moved_to_replaced);
    mount_test("/move/flags", NULL, test_move_with_other_flags);
    mount_test("/move/flags-after", NULL, test_flags_of_what_was_moved);
    mount_test("/move/refused", NULL, test_refused_move);
    mount_test("/move/places", NULL, test_places);
    mount_test("/aside/there-and-back", NULL, test_aside);
    mount_test("/aside/removed", NULL, test_aside_is_removed);
    mount_test("/aside/succeeded", NULL, test_succeeded);
    mount_test("/aside/arrival", NULL, test_arrival_aside);
    mount_test("/replace/done", NULL, test_replace);
    mount_test("/replace/refused", NULL, test_replace_refused);
    mount_test("/replace/itself", NULL, test_replace_itself);
    mount_test("/replace/by-chance", NULL, test_by_chance);
    mount_test("/sync/done", &sync_options, test_sync);
    mount_test("/sync/refused", &sync_options, test_sync_refused);
    mount_test("/sync/offline", &sync_options, test_sync_offline);
    mount_test("/fsyncdir/done", NULL, test_fsyncdir);
    mount_test("/fsyncdir/refused", NULL, test_fsyncdir_refused);
    mount_test("/fsyncdir/offline", NULL, test_fsyncdir_offline);
    return g_test_run();
}

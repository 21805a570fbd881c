/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/read-once.c - messages that leave their mailbox when they were read to their end.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "fakefile.h"
#include "thumbnailer.h"

#define U2    INBOX_NAME ".u2,.eml"
#define U2_S  INBOX_NAME ".u2,S.eml"
#define SIZE  1002 /* of it */
#define WHOLE (64 * 1024)

static FakeFile open_file(Mount *mount, const char *path)
{
    return fakefile_open_path(mount, path, O_RDONLY);
}

static gsize read_file(FakeFile *file, guint64 offset, guint32 size)
{
    const struct fuse_read_in arg = {.fh = file->handle, .offset = offset, .size = size};
    const FakeAnswer *answer =
        mount_call(file->mount, FUSE_READ, file->ino, &arg, sizeof arg, NULL);

    assert_code(answer, 0);
    fakebackend_check_bytes(2, offset, answer->bytes, answer->len);
    return answer->len;
}

/* As cat does. */
static void read_to_end(FakeFile *file)
{
    guint64 offset = 0;

    for (gsize len; (len = read_file(file, offset, WHOLE));)
        offset += len;
}

/* As the kernel does it. */
static void close_file(FakeFile *file)
{
    g_assert_cmpint(fakefile_flush(file), ==, 0);
    g_assert_cmpint(fakefile_release(file), ==, 0);
}

static void check_stayed(Mount *mount)
{
    fakekernel_settle(mount->kernel);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
    (void)mount_ino(mount, "INBOX/" U2);
}

/* By one change. */
static void check_left(Mount *mount, const char *name)
{
    const CacheChange *change = fakebackend_change(mount->backend, CACHE_CHANGE_MOVE);

    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 1);
    g_assert_nonnull(change);
    g_assert_cmpuint(change->uid, ==, 2);
    g_assert_cmpuint(change->target, ==, mount->read);
    g_assert_cmpstr(change->name, ==, name);
    g_assert_cmpint(mount_lookup_code(mount, mount_ino(mount, "INBOX"), name), ==, ENOENT);
}

/* --- what is read --- */

static void test_open(Mount *mount, gconstpointer data)
{
    static const struct {
        const char *path;
        gboolean is_once;
    } rows[] = {
        {"INBOX/" U2, TRUE},
        {"INBOX/u2.eml", TRUE},
        {"Read/u7.eml", FALSE},
        {".mailfs/uid/INBOX/2.eml", FALSE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        const FakeAnswer *answer =
            mount_open(mount, FUSE_OPEN, mount_ino(mount, rows[i].path), O_RDONLY);
        const struct fuse_open_out *out = (gconstpointer)answer->bytes;

        g_test_message("%s", rows[i].path);
        assert_code(answer, 0);
        g_assert_cmpint((out->open_flags & FOPEN_DIRECT_IO) != 0, ==, rows[i].is_once);
        g_assert_cmpint((out->open_flags & FOPEN_KEEP_CACHE) != 0, ==, !rows[i].is_once);
        g_assert_cmpint((out->open_flags & FOPEN_NOFLUSH) != 0, ==, !rows[i].is_once);
    }
}

typedef struct {
    guint64 offset;
    guint32 size;
} Read;

#define READS_MAX 4

static const struct {
    const char *path;
    Read reads[READS_MAX]; /* up to one of no size */
    gboolean leaves;
} readers[] = {
    {"/once/reader/cat", {{0, WHOLE}, {SIZE, WHOLE}}, TRUE},
    {"/once/reader/in-pieces", {{0, 500}, {500, 500}, {1000, 500}, {SIZE, 500}}, TRUE},
    {"/once/reader/by-the-size", {{0, SIZE}}, TRUE},
    {"/once/reader/by-the-size-in-pieces", {{0, 1000}, {1000, 2}}, TRUE},
    {"/once/reader/overlapping", {{0, 600}, {500, 600}, {SIZE, 1}}, TRUE},
    {"/once/reader/twice", {{0, WHOLE}, {0, WHOLE}, {SIZE, 1}}, TRUE},
    {"/once/reader/nobody", {{0}}, FALSE},
    {"/once/reader/head", {{0, WHOLE}}, FALSE},            /* it was all, and nobody knows that */
    {"/once/reader/file", {{0, WHOLE}, {0, SIZE}}, FALSE}, /* as it does */
    {"/once/reader/head-again", {{0, WHOLE}, {0, WHOLE}}, FALSE},
    {"/once/reader/head-of-it", {{0, 512}}, FALSE},
    {"/once/reader/all-but-one", {{0, SIZE - 1}}, FALSE},
    {"/once/reader/tail", {{500, WHOLE}, {SIZE, WHOLE}}, FALSE},
    {"/once/reader/gap", {{0, 500}, {501, WHOLE}, {SIZE, WHOLE}}, FALSE},
    {"/once/reader/end-alone", {{SIZE, WHOLE}}, FALSE},
};

static void test_reader(Mount *mount, gconstpointer nth)
{
    FakeFile file = open_file(mount, "INBOX/" U2);
    const Read *reads = readers[GPOINTER_TO_UINT(nth)].reads;

    for (guint i = 0; i < READS_MAX && reads[i].size; i++)
        (void)read_file(&file, reads[i].offset, reads[i].size);
    check_stayed(mount);
    close_file(&file);
    if (readers[GPOINTER_TO_UINT(nth)].leaves)
        check_left(mount, U2);
    else
        check_stayed(mount);
}

/* Each open file counts for itself. */
static void test_shared_work(Mount *mount, gconstpointer data)
{
    FakeFile first = open_file(mount, "INBOX/" U2), second = open_file(mount, "INBOX/" U2);

    (void)read_file(&first, 0, 500);
    (void)read_file(&second, 500, WHOLE);
    (void)read_file(&second, SIZE, WHOLE);
    close_file(&first);
    close_file(&second);
    check_stayed(mount);
}

static void test_by_the_alias(Mount *mount, gconstpointer data)
{
    FakeFile file = open_file(mount, "INBOX/u2.eml");

    read_to_end(&file);
    close_file(&file);
    check_left(mount, U2);
}

/* Whoever looks at another view only peeks. */
static void test_peeks(Mount *mount, gconstpointer data)
{
    FakeFile file = open_file(mount, ".mailfs/uid/INBOX/2.eml");

    read_to_end(&file);
    close_file(&file);
    check_stayed(mount);
}

static const FsOptions read_only = {.is_read_only = TRUE};

static void test_read_only(Mount *mount, gconstpointer data)
{
    FakeFile file = {mount, mount_ino(mount, "INBOX/" U2), 0};

    assert_code(mount_open(mount, FUSE_OPEN, file.ino, O_RDONLY), ENOSYS);
    read_to_end(&file);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
    check_stayed(mount);
}

static const FsOptions guarded = {.has_guard = TRUE};

static void read_as_thumbnailer(Mount *mount)
{
    pid_t pid = mount->kernel->pid;
    Thumbnailer thumbnailer;
    FakeFile file;

    mount_read_all(mount, mount_ino(mount, "INBOX/" U2)); /* now it is here */
    thumbnailer_start(&thumbnailer, mount, "tumblerd", NULL);
    file = open_file(mount, "INBOX/" U2);
    read_to_end(&file);
    thumbnailer_stop(&thumbnailer);
    close_file(&file);
    mount->kernel->pid = pid;
}

static void test_thumbnailer(Mount *mount, gconstpointer data)
{
    read_as_thumbnailer(mount);
    check_stayed(mount);
}

static void test_without_guard(Mount *mount, gconstpointer data)
{
    read_as_thumbnailer(mount);
    check_left(mount, U2);
}

/* --- what becomes of it --- */

static void test_keeps_its_number(Mount *mount, gconstpointer data)
{
    guint64 inbox = mount_ino(mount, "INBOX"), read = mount_ino(mount, "Read");
    FakeFile file = open_file(mount, "INBOX/" U2);
    g_autofree char *list = NULL;

    read_to_end(&file);
    close_file(&file);
    check_left(mount, U2);
    g_assert_cmpuint(mount_lookup(mount, read, U2)->nodeid, ==, file.ino);
    mount_read_all(mount, file.ino);
    fakebackend_do_all(mount->backend);
    g_assert_cmpuint(mount_lookup(mount, read, U2)->nodeid, ==, file.ino);
    g_assert_cmpuint(mount_getattr(mount, file.ino)->size, ==, SIZE);
    g_assert_cmpint(mount_lookup_code(mount, inbox, U2), ==, ENOENT);
    list = mount_list(mount, read);
    g_assert_nonnull(strstr(list, " " U2 " "));
    g_assert_cmpuint(mount_lookup(mount, read, U2)->attr.ino, ==, file.ino);
    mount_read_all(mount, file.ino);
}

/* The kernel hears of it as if others had done it. */
static void test_is_told(Mount *mount, gconstpointer data)
{
    FakeFile file = open_file(mount, "INBOX/" U2);
    g_autofree char *notes = NULL;

    g_free(mount_list(mount, mount_ino(mount, "INBOX")));
    g_free(mount_take_notes(mount));
    read_to_end(&file);
    close_file(&file);
    notes = mount_take_notes(mount);
    g_assert_nonnull(strstr(notes, "gone INBOX " U2 "\n"));
    g_assert_nonnull(strstr(notes, "inode INBOX\n"));
    g_assert_nonnull(strstr(notes, "inode Read\n"));
}

/* Who has closed it does not see it in INBOX any more. */
static void test_flush_waits(Mount *mount, gconstpointer data)
{
    FakeFile file = open_file(mount, "INBOX/" U2);

    read_to_end(&file);
    g_assert_cmpint(fakefile_flush(&file), ==, 0);
    check_left(mount, U2);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
    check_left(mount, U2);
}

/* But not for the network. */
static void test_flush_waits_a_second(Mount *mount, gconstpointer data)
{
    FakeFile file = open_file(mount, "INBOX/" U2);

    read_to_end(&file);
    mount->backend->is_held = TRUE;
    close_file(&file);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
    fakebackend_fulfil_all(mount->backend);
    mount->backend->is_held = FALSE;
    fakefile_wait_for_change(&file);
    check_left(mount, U2);
}

static void test_released_without_flush(Mount *mount, gconstpointer data)
{
    FakeFile file = open_file(mount, "INBOX/" U2);

    read_to_end(&file);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
    fakefile_wait_for_change(&file);
    check_left(mount, U2);
}

static void test_two_readers(Mount *mount, gconstpointer data)
{
    FakeFile first = open_file(mount, "INBOX/" U2), second = open_file(mount, "INBOX/" U2);
    guint64 uniques[2];

    read_to_end(&first);
    g_assert_cmpuint(read_file(&second, 0, 500), ==, 500);
    close_file(&first);
    check_left(mount, U2);
    g_assert_cmpuint(read_file(&second, 500, WHOLE), ==, SIZE - 500);
    fakebackend_do_all(mount->backend);
    read_to_end(&second);
    close_file(&second);
    fakekernel_settle(mount->kernel);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
    (void)mount_ino(mount, "Read/" U2);

    /* And both at once. */
    first = open_file(mount, "INBOX/u3.eml");
    second = open_file(mount, "INBOX/u3.eml");
    mount_read_all(mount, first.ino);
    for (guint i = 0; i < 2; i++) {
        FakeFile *file = i ? &second : &first;
        const struct fuse_read_in all = {.fh = file->handle, .size = 1003};

        (void)mount_call(mount, FUSE_READ, file->ino, &all, sizeof all, NULL);
    }
    uniques[0] = fakefile_send_flush(&first);
    uniques[1] = fakefile_send_flush(&second);
    for (guint i = 0; i < 2; i++)
        assert_code(fakekernel_wait(mount->kernel, uniques[i]), 0);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 1);
    g_assert_cmpint(fakefile_release(&first), ==, 0);
    g_assert_cmpint(fakefile_release(&second), ==, 0);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 1);
}

static void test_read_again(Mount *mount, gconstpointer data)
{
    FakeFile file = open_file(mount, "INBOX/" U2);

    read_to_end(&file);
    close_file(&file);
    fakebackend_do_all(mount->backend);
    file = open_file(mount, "Read/" U2);
    read_to_end(&file);
    close_file(&file);
    fakekernel_settle(mount->kernel);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 0);
    (void)mount_ino(mount, "Read/" U2);
}

static void test_put_back(Mount *mount, gconstpointer data)
{
    FakeFile file = open_file(mount, "INBOX/" U2);

    read_to_end(&file);
    close_file(&file);
    fakebackend_do_all(mount->backend);
    g_assert_cmpint(mount_rename(mount, "Read", U2, "INBOX", U2), ==, 0);
    fakebackend_do_all(mount->backend);
    g_assert_cmpuint(mount_ino(mount, "INBOX/" U2), ==, file.ino);
    fakefile_open(&file, O_RDONLY);
    read_to_end(&file);
    close_file(&file);
    check_left(mount, U2);
}

/* It is read where it is going. */
static void test_on_its_way_back(Mount *mount, gconstpointer data)
{
    FakeFile file = open_file(mount, "INBOX/" U2);
    guint64 unique;

    read_to_end(&file);
    close_file(&file);
    fakebackend_do_all(mount->backend);
    g_assert_cmpint(mount_rename(mount, "Read", U2, "INBOX", U2), ==, 0);
    file = open_file(mount, "INBOX/" U2);
    read_to_end(&file);
    unique = fakefile_send_flush(&file);
    fakekernel_settle(mount->kernel);
    fakebackend_do_all(mount->backend);
    assert_code(fakekernel_wait(mount->kernel, unique), 0);
    check_left(mount, U2);
    g_assert_cmpint(fakefile_release(&file), ==, 0);
}

/* Who has it open is told its end by each read, and not by what the kernel knows of it. */
static void test_size_on_its_way(Mount *mount, gconstpointer data)
{
    FakeFile file = open_file(mount, "INBOX/" U2);
    guint never = fs_notifier_mark(mount->fs->notifier) + 1000;

    g_hash_table_insert(mount->fs->resized, g_memdup2(&file.ino, sizeof file.ino),
                        GUINT_TO_POINTER(never));
    g_assert_cmpuint(read_file(&file, 0, WHOLE), ==, SIZE);
}

static void test_removed_meanwhile(Mount *mount, gconstpointer data)
{
    FakeFile file = open_file(mount, "INBOX/" U2);

    read_to_end(&file);
    g_assert_cmpint(mount_unlink(mount, "INBOX", U2), ==, 0);
    close_file(&file);
    fakekernel_settle(mount->kernel);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 1);
    g_assert_nonnull(fakebackend_change(mount->backend, CACHE_CHANGE_EXPUNGE));
}

static void test_cannot(Mount *mount, gconstpointer data)
{
    FakeFile file = open_file(mount, "INBOX/" U2);
    g_autofree char *status = NULL;

    mount->backend->rights.may_remove = FALSE;
    read_to_end(&file);
    close_file(&file);
    check_stayed(mount);
    status = mount_read_text(mount, ".mailfs/status");
    g_assert_nonnull(strstr(status, "Z move INBOX/u2.eml, which was read: "));
}

static void test_unmounted_meanwhile(Mount *mount, gconstpointer data)
{
    FakeFile file = open_file(mount, "INBOX/" U2);
    guint64 unique;

    read_to_end(&file);
    mount->backend->is_held = TRUE;
    unique = fakefile_send_flush(&file);
    g_assert_null(fakekernel_peek(mount->kernel, unique));
    mount_end(mount);
    assert_code(fakekernel_wait(mount->kernel, unique), 0);
}

/* --- through the mount --- */

/* What there is for the notifier where the mount should be: files of INBOX. */
typedef struct {
    char *top, *inbox, *read;
} Place;

static void place_init(Place *place, Mount *mount, const char *name)
{
    g_autofree char *path = NULL;

    place->top = g_build_filename(mount->dir, "top", NULL);
    place->inbox = g_build_filename(place->top, "INBOX", NULL);
    place->read = g_build_filename(place->top, "Read", NULL);
    path = g_build_filename(place->inbox, name, NULL);
    g_assert_no_errno(g_mkdir_with_parents(place->inbox, 0700));
    g_assert_no_errno(g_mkdir_with_parents(place->read, 0700));
    g_assert_true(g_file_set_contents(path, "", 0, NULL));
}

static void place_clear(Place *place)
{
    g_free(place->top);
    g_free(place->inbox);
    g_free(place->read);
}

static gboolean has_file(const char *dir, const char *name)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);

    return g_file_test(path, G_FILE_TEST_EXISTS);
}

static void test_renamed(Mount *mount, gconstpointer data)
{
    FakeFile file = open_file(mount, "INBOX/" U2);
    Place place;

    place_init(&place, mount, U2);
    fs_notifier_set_mount(mount->fs->notifier, place.top);
    read_to_end(&file);
    g_assert_true(has_file(place.inbox, U2));
    close_file(&file);
    g_assert_false(has_file(place.inbox, U2));
    g_assert_true(has_file(place.read, U2));
    place_clear(&place);
}

/* Where the mail is in the view that is shown. */
static const FsOptions by_uid = {.root = FS_KIND_UID_BOX};

static void test_renamed_in_another_view(Mount *mount, gconstpointer data)
{
    FakeFile file = open_file(mount, ".mailfs/mail/INBOX/" U2);
    g_autofree char *top = g_build_filename(mount->dir, "top", NULL),
                    *inbox = g_build_filename(top, ".mailfs/mail/INBOX", NULL),
                    *read = g_build_filename(top, ".mailfs/mail/Read", NULL),
                    *path = g_build_filename(inbox, U2, NULL);

    g_assert_no_errno(g_mkdir_with_parents(inbox, 0700));
    g_assert_no_errno(g_mkdir_with_parents(read, 0700));
    g_assert_true(g_file_set_contents(path, "", 0, NULL));
    fs_notifier_set_mount(mount->fs->notifier, top);
    read_to_end(&file);
    close_file(&file);
    g_assert_true(has_file(read, U2));
}

/* Closes it: the notifier has done what it can, and the engine has not heard of it. */
static guint64 close_until_renamed(FakeFile *file)
{
    Mount *mount = file->mount;
    FsNotifier *notifier = mount->fs->notifier;
    gboolean is_done = FALSE;
    guint64 unique;
    guint mark;

    /* Now there is nothing that it would have to wait for. */
    (void)mount_ino(mount, "Read/u7.eml");
    cache_put_rights(mount->cache, mount->inbox, &mount->backend->rights);
    cache_put_rights(mount->cache, mount->read, &mount->backend->rights);
    mark = fs_notifier_mark(notifier);
    unique = fakefile_send_flush(file);
    while (fs_notifier_mark(notifier) == mark)
        g_main_context_iteration(NULL, TRUE);
    fs_notify_inode(notifier, G_MAXUINT64);
    while (!is_done) {
        g_autoptr(FakeNote) note = fakekernel_wait_note(mount->kernel);

        is_done = note->ino == G_MAXUINT64;
    }
    return unique;
}

/* The notifier, for whom all wait, does not wait for the network. */
static void test_all_is_known_before(Mount *mount, gconstpointer data)
{
    FakeFile file = open_file(mount, "INBOX/" U2);
    guint64 unique;
    Place place;

    place_init(&place, mount, U2);
    fs_notifier_set_mount(mount->fs->notifier, place.top);
    cache_put_rights(mount->cache, mount->inbox, &mount->backend->rights);
    read_to_end(&file);
    mount->backend->is_held = TRUE;
    unique = fakefile_send_flush(&file);
    mount_wait_for_wants(mount, CACHE_WANT_SYNC, 1);
    g_free(mount_take_notes(mount));
    g_assert_true(has_file(place.inbox, U2));
    fakebackend_fulfil_all(mount->backend);
    mount->backend->is_held = FALSE;
    assert_code(fakekernel_wait(mount->kernel, unique), 0);
    g_assert_true(has_file(place.read, U2));
    place_clear(&place);
}

/* The name changes while the notifier is at it. */
static void test_renamed_under_a_new_name(Mount *mount, gconstpointer data)
{
    FakeFile file = open_file(mount, "INBOX/" U2);
    guint64 unique;
    Place place;

    place_init(&place, mount, U2_S);
    fs_notifier_set_mount(mount->fs->notifier, place.top);
    read_to_end(&file);
    unique = close_until_renamed(&file);
    g_assert_true(has_file(place.inbox, U2_S));
    fakebackend_set_flags(mount->backend, mount->inbox, 2, MAIL_FLAG_SEEN);
    assert_code(fakekernel_wait(mount->kernel, unique), 0);
    g_assert_true(has_file(place.read, U2_S));
    place_clear(&place);
}

/* Nobody is left to hear of it. */
static void test_unmounted_while_renamed(Mount *mount, gconstpointer data)
{
    FakeFile file = open_file(mount, "INBOX/" U2);
    guint64 unique;
    Place place;

    place_init(&place, mount, U2);
    fs_notifier_set_mount(mount->fs->notifier, place.top);
    read_to_end(&file);
    unique = close_until_renamed(&file);
    mount_end(mount);
    assert_code(fakekernel_wait(mount->kernel, unique), 0);
    place_clear(&place);
}

/* Something else is at that place now, which is none of ours: a mount was there. */
static void test_other_place(Mount *mount, gconstpointer data)
{
    FakeFile file = open_file(mount, "INBOX/" U2);
    g_autofree char *link = g_build_filename(mount->dir, "mountpoint", NULL);
    Place place;

    place_init(&place, mount, U2);
    g_assert_no_errno(symlink("/proc", link));
    fs_notifier_set_mount(mount->fs->notifier, link);
    g_assert_no_errno(g_unlink(link));
    g_assert_no_errno(symlink(place.top, link));
    read_to_end(&file);
    close_file(&file);
    check_left(mount, U2);
    g_assert_true(has_file(place.inbox, U2));
    g_assert_no_errno(g_unlink(link));
    place_clear(&place);
}

/* Nothing is renamed where the mount was. */
static void test_stopped(Mount *mount, gconstpointer data)
{
    FakeFile file = open_file(mount, "INBOX/" U2);
    Place place;

    place_init(&place, mount, U2);
    fs_notifier_set_mount(mount->fs->notifier, place.top);
    read_to_end(&file);
    fs_notifier_stop(mount->fs->notifier);
    close_file(&file);
    g_assert_true(has_file(place.inbox, U2));
    place_clear(&place);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_writer_default_set_use_stderr(TRUE);
    spool_test("/once/open", NULL, test_open);
    for (guint i = 0; i < G_N_ELEMENTS(readers); i++)
        g_test_add(readers[i].path, Mount, GUINT_TO_POINTER(i), mount_set_up_usual_spool,
                   test_reader, mount_tear_down);
    spool_test("/once/shared-work", NULL, test_shared_work);
    spool_test("/once/alias", NULL, test_by_the_alias);
    spool_test("/once/peeks", NULL, test_peeks);
    spool_test("/once/read-only", &read_only, test_read_only);
    spool_test("/once/thumbnailer", &guarded, test_thumbnailer);
    spool_test("/once/without-guard", NULL, test_without_guard);
    spool_test("/once/number", NULL, test_keeps_its_number);
    spool_test("/once/told", NULL, test_is_told);
    spool_test("/once/flush", NULL, test_flush_waits);
    spool_test("/once/flush-a-second", NULL, test_flush_waits_a_second);
    spool_test("/once/no-flush", NULL, test_released_without_flush);
    spool_test("/once/two-readers", NULL, test_two_readers);
    spool_test("/once/read-again", NULL, test_read_again);
    spool_test("/once/put-back", NULL, test_put_back);
    spool_test("/once/on-its-way-back", NULL, test_on_its_way_back);
    spool_test("/once/size", NULL, test_size_on_its_way);
    spool_test("/once/removed", NULL, test_removed_meanwhile);
    spool_test("/once/cannot", NULL, test_cannot);
    spool_test("/once/unmounted", NULL, test_unmounted_meanwhile);
    spool_test("/once/renamed", NULL, test_renamed);
    spool_test("/once/renamed-in-view", &by_uid, test_renamed_in_another_view);
    spool_test("/once/known-before", NULL, test_all_is_known_before);
    spool_test("/once/renamed-anew", NULL, test_renamed_under_a_new_name);
    spool_test("/once/renamed-at-the-end", NULL, test_unmounted_while_renamed);
    spool_test("/once/other-place", NULL, test_other_place);
    spool_test("/once/stopped", NULL, test_stopped);
    return g_test_run();
}

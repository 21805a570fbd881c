/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/interrupts.c - callers that give up, at every moment: each call is answered once
 * (fakekernel_free() checks that), nothing is left behind, and what arrives late is no harm. */
#include "mount.h"

#include <errno.h>
#include <sys/socket.h>

static const FsOptions always = {.waits = FS_WAITS_ALWAYS};

/* --- the calls that may wait --- */

static guint64 send_lookup(Mount *mount)
{
    return mount_send_lookup(mount, mount_ino(mount, "Sent"), "u7.eml");
}

static guint64 send_opendir(Mount *mount)
{
    return mount_send_open(mount, FUSE_OPENDIR, mount_ino(mount, "Sent"), 0);
}

static guint64 send_readdir(Mount *mount)
{
    g_autoptr(DirReader) reader = dirreader_new(mount_ino(mount, "Sent"), FUSE_READDIRPLUS, 4096);

    reader->cookie = 2;
    return dirreader_send(mount, reader);
}

static guint64 send_statfs(Mount *mount)
{
    return fakekernel_send(mount->kernel, FUSE_STATFS, INO_ROOT, NULL, 0, NULL);
}

static guint64 send_read(Mount *mount)
{
    guint64 ino;

    mount->backend->is_held = FALSE;
    ino = mount_ino(mount, "INBOX/u2.eml");
    mount->backend->is_held = TRUE;
    return mount_send_read(mount, ino, 0, 4096);
}

static guint64 (*const senders[])(Mount *mount) = {
    send_lookup, send_opendir, send_readdir, send_statfs, send_read,
};

/* Sends the call that @data points at, and lets it park. */
static guint64 park(Mount *mount, gconstpointer data)
{
    guint64 (*send)(Mount * mount) = *(guint64(*const *)(Mount *))data;
    guint64 unique;

    mount->backend->is_held = TRUE;
    unique = send(mount);
    g_assert_null(fakekernel_peek(mount->kernel, unique));
    g_assert_cmpuint(mount->fs->parked.length, ==, 1);
    return unique;
}

static void check_all_is_well(Mount *mount)
{
    g_assert_cmpuint(mount->fs->parked.length, ==, 0);
    mount->backend->is_held = FALSE;
    fakebackend_fulfil_all(mount->backend);
    g_assert_cmpuint(mount_ino(mount, "Sent/u7.eml"), !=, 0);
}

/* --- when --- */

static void test_parked(Mount *mount, const void *sender)
{
    guint64 unique = park(mount, sender);

    fakekernel_interrupt(mount->kernel, unique);
    assert_code(fakekernel_wait(mount->kernel, unique), EINTR);
    g_assert_null(cache_wants(mount->cache)->head);
    check_all_is_well(mount);
}

static void test_twice(Mount *mount, const void *sender)
{
    guint64 unique = park(mount, sender);

    fakekernel_interrupt(mount->kernel, unique);
    fakekernel_interrupt(mount->kernel, unique);
    assert_code(fakekernel_wait(mount->kernel, unique), EINTR);
    fakekernel_interrupt(mount->kernel, unique);
    check_all_is_well(mount);
}

/* The interrupt overtakes its request, as it may where there are several queues. */
static void test_before(Mount *mount, gconstpointer data)
{
    guint64 unique;

    mount->backend->is_held = TRUE;
    (void)mount_ino(mount, "Sent");
    fakekernel_interrupt(mount->kernel, mount->kernel->last_unique + 2);
    unique = mount_send_read(mount, INO_ROOT, 0, 1);
    assert_code(fakekernel_wait(mount->kernel, unique), EISDIR);

    fakekernel_interrupt(mount->kernel, mount->kernel->last_unique + 2);
    unique = send_statfs(mount);
    assert_code(fakekernel_wait(mount->kernel, unique), EINTR);
    check_all_is_well(mount);
}

/* The command is on its way: it is let run, and what it brings is for the next caller. */
static void test_late_result(Mount *mount, const void *sender)
{
    guint64 unique = park(mount, sender);
    const CacheWant *want = cache_wants(mount->cache)->head->data;

    cache_want_take(mount->cache, want->id);
    fakekernel_interrupt(mount->kernel, unique);
    assert_code(fakekernel_wait(mount->kernel, unique), EINTR);
    g_assert_null(cache_wants(mount->cache)->head);
    fakebackend_fulfil(mount->backend, want);
    check_all_is_well(mount);
}

/* The want has ended, its waiter was not told yet. */
static void test_between_done_and_wake(Mount *mount, const void *sender)
{
    guint64 unique = park(mount, sender);

    fakebackend_fulfil_all(mount->backend);
    fakekernel_interrupt(mount->kernel, unique);
    mount->backend->is_held = FALSE;
    g_assert_nonnull(fakekernel_peek(mount->kernel, unique));
    check_all_is_well(mount);
}

/* Woken, run, parked again for the next thing that is missing. */
static void test_parked_again(Mount *mount, gconstpointer data)
{
    guint64 unique = park(mount, &senders[0]);

    mount->backend->is_lazy = TRUE;
    fakebackend_fulfil(mount->backend, fakebackend_find(mount->backend, CACHE_WANT_SYNC));
    g_assert_null(fakekernel_peek(mount->kernel, unique));
    g_assert_nonnull(fakebackend_find(mount->backend, CACHE_WANT_LINE));
    fakekernel_interrupt(mount->kernel, unique);
    assert_code(fakekernel_wait(mount->kernel, unique), EINTR);
    check_all_is_well(mount);
}

static void test_answered(Mount *mount, gconstpointer data)
{
    guint64 unique = send_statfs(mount);

    assert_code(fakekernel_wait(mount->kernel, unique), 0);
    fakekernel_interrupt(mount->kernel, unique);
    check_all_is_well(mount);
}

static void test_one_of_two(Mount *mount, gconstpointer data)
{
    guint64 ino = mount_ino(mount, "INBOX/u2.eml"), first, second;

    mount->backend->is_held = TRUE;
    first = mount_send_read(mount, ino, 0, 100);
    second = mount_send_read(mount, ino, 200, 100);
    fakekernel_interrupt(mount->kernel, first);
    assert_code(fakekernel_wait(mount->kernel, first), EINTR);
    g_assert_cmpuint(cache_wants(mount->cache)->length, ==, 1);
    fakebackend_fulfil_all(mount->backend);
    g_assert_cmpuint(fakekernel_wait(mount->kernel, second)->len, ==, 100);
}

static void test_storm(Mount *mount, gconstpointer data)
{
    guint64 ino = mount_ino(mount, "INBOX/u2.eml"), uniques[300];

    mount->backend->is_held = TRUE;
    for (guint i = 0; i < G_N_ELEMENTS(uniques); i++)
        uniques[i] = mount_send_read(mount, ino, i, 10);
    fakekernel_settle(mount->kernel);
    g_assert_cmpuint(mount->fs->parked.length, ==, G_N_ELEMENTS(uniques));
    for (guint i = 0; i < G_N_ELEMENTS(uniques); i++)
        fakekernel_interrupt(mount->kernel, uniques[G_N_ELEMENTS(uniques) - 1 - i]);
    for (guint i = 0; i < G_N_ELEMENTS(uniques); i++)
        assert_code(fakekernel_wait(mount->kernel, uniques[i]), EINTR);
    g_assert_null(cache_wants(mount->cache)->head);
    check_all_is_well(mount);
}

/* --- changes --- */

/* It will be done: only the server is not waited for. */
static void test_recorded(Mount *mount, gconstpointer data)
{
    guint64 unique = mount_send_rename(mount, "INBOX", "u1.eml", "Sent", "one.eml", 0);

    g_assert_null(fakekernel_peek(mount->kernel, unique));
    fakekernel_interrupt(mount->kernel, unique);
    assert_code(fakekernel_wait(mount->kernel, unique), 0);
    g_assert_cmpuint(fakebackend_n_changes(mount->backend), ==, 1);
}

/* Nothing is there before the server says so. */
static void test_mailbox(Mount *mount, gconstpointer data)
{
    guint64 unique = mount_send_mkdir(mount, "", "New");

    g_assert_null(fakekernel_peek(mount->kernel, unique));
    fakekernel_interrupt(mount->kernel, unique);
    assert_code(fakekernel_wait(mount->kernel, unique), EINTR);
}

/* --- the end --- */

static void test_unmounted_while_parked(Mount *mount, const void *sender)
{
    guint64 unique = park(mount, sender);

    mount_end(mount);
    assert_code(fakekernel_wait(mount->kernel, unique), ENODEV);
    g_assert_null(cache_wants(mount->cache)->head);
}

static void test_unmounted_while_interrupted(Mount *mount, gconstpointer data)
{
    guint64 unique = park(mount, &senders[0]);

    fakekernel_interrupt(mount->kernel, unique);
    g_main_context_iteration(NULL, FALSE);
    mount_end(mount);
    g_assert_nonnull(fakekernel_peek(mount->kernel, unique));
}

static void test_destroy(Mount *mount, gconstpointer data)
{
    assert_code(mount_call(mount, FUSE_DESTROY, 0, NULL, 0, NULL), 0);
    g_assert_cmpuint(mount->n_ended, ==, 0);
    mount_end(mount);
    g_assert_cmpuint(mount->n_ended, ==, 0);
}

static void test_kernel_hangs_up(Mount *mount, gconstpointer data)
{
    (void)park(mount, &senders[0]);
    mount->kernel->is_hostile = TRUE;
    shutdown(mount->kernel->fd, SHUT_RDWR);
    fakekernel_settle(mount->kernel);
    g_assert_cmpuint(mount->n_ended, ==, 1);
}

/* --- forgets --- */

static void test_forgets(Mount *mount, gconstpointer data)
{
    const struct fuse_forget_in one = {.nlookup = 1};
    struct {
        struct fuse_batch_forget_in head;
        struct fuse_forget_one ones[100];
    } many = {.head = {.count = G_N_ELEMENTS(many.ones)}};

    for (guint i = 0; i < G_N_ELEMENTS(many.ones); i++)
        many.ones[i] = (struct fuse_forget_one){.nodeid = i, .nlookup = G_MAXUINT64};
    for (guint i = 0; i < 1000; i++) {
        fakekernel_send(mount->kernel, FUSE_FORGET, i, &one, sizeof one, NULL);
        fakekernel_send(mount->kernel, FUSE_BATCH_FORGET, 0, &many, sizeof many, NULL);
    }
    check_all_is_well(mount);
}

static void test_forget_while_parked(Mount *mount, gconstpointer data)
{
    const struct fuse_forget_in one = {.nlookup = 1};
    guint64 ino = mount_ino(mount, "INBOX/u2.eml"), unique;

    mount->backend->is_held = TRUE;
    unique = mount_send_read(mount, ino, 0, 100);
    fakekernel_send(mount->kernel, FUSE_FORGET, ino, &one, sizeof one, NULL);
    fakekernel_settle(mount->kernel);
    fakebackend_fulfil_all(mount->backend);
    assert_code(fakekernel_wait(mount->kernel, unique), 0);
}

static void add_for_each_call(const char *when, void (*func)(Mount *mount, gconstpointer sender))
{
    static const char *const names[] = {"lookup", "opendir", "readdir", "statfs", "read"};

    for (gsize i = 0; i < G_N_ELEMENTS(senders); i++) {
        g_autofree char *path = g_strdup_printf("/interrupt/%s/%s", when, names[i]);

        g_test_add(path, Mount, &senders[i], mount_set_up_usual, func, mount_tear_down);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_for_each_call("parked", test_parked);
    add_for_each_call("twice", test_twice);
    add_for_each_call("late-result", test_late_result);
    add_for_each_call("between-done-and-wake", test_between_done_and_wake);
    add_for_each_call("unmounted", test_unmounted_while_parked);
    mount_test("/interrupt/before", NULL, test_before);
    mount_test("/interrupt/parked-again", NULL, test_parked_again);
    mount_test("/interrupt/answered", NULL, test_answered);
    mount_test("/interrupt/one-of-two", NULL, test_one_of_two);
    mount_test("/interrupt/storm", NULL, test_storm);
    mount_test("/interrupt/unmounted-while-interrupted", NULL, test_unmounted_while_interrupted);
    mount_test("/interrupt/recorded", &always, test_recorded);
    mount_test("/interrupt/mailbox", NULL, test_mailbox);
    mount_test("/end/destroy", NULL, test_destroy);
    mount_test("/end/hang-up", NULL, test_kernel_hangs_up);
    mount_test("/forget/storm", NULL, test_forgets);
    mount_test("/forget/while-parked", NULL, test_forget_while_parked);
    return g_test_run();
}

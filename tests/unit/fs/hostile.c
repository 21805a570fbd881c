/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/hostile.c - bytes that no kernel sends: the session may end, nothing else. */
#include "mount.h"

#include <string.h>
#include <unistd.h>

#include "letter.h"
#include "mime/mime.h"

#define OPCODE_MAX 60

static void send_request(Mount *mount, guint32 opcode, guint64 ino, gconstpointer body, gsize len)
{
    g_autofree guint8 *message = g_malloc0(sizeof(struct fuse_in_header) + len + 1);
    const struct fuse_in_header head = {
        .len = (guint32)(sizeof head + len),
        .opcode = opcode,
        .unique = opcode + 1,
        .nodeid = ino,
        .pid = (guint32)getpid(),
    };

    memcpy(message, &head, sizeof head);
    if (len)
        memcpy(message + sizeof head, body, len);
    fakekernel_send_bytes(mount->kernel, message, head.len);
    fakekernel_settle(mount->kernel);
}

/* Two that a session need not survive, and two that libfuse leaks where they belong to nothing. */
static gboolean is_left_out(guint32 opcode)
{
    return opcode == FUSE_DESTROY || opcode == FUSE_INIT || opcode == FUSE_NOTIFY_REPLY ||
           opcode == FUSE_INTERRUPT;
}

/* Of messages 4 and 5, the second has a tree that only we can tell. */
static void set_up_hostile(Mount *mount, gconstpointer data)
{
    mount_set_up(mount, NULL);
    fakebackend_add_raw(mount->backend, mount->inbox, 4, letter_of_all_kinds());
    fakebackend_add_raw(mount->backend, mount->inbox, 5, letter_of_all_kinds())->tells_no_tree =
        TRUE;
    (void)mount_ino(mount, "INBOX/u2.eml");
    mount->kernel->is_hostile = TRUE;
}

/* Of each request every beginning, with zeros and with ones. */
static void test_truncated(Mount *mount, gconstpointer data)
{
    guint8 zeros[48] = {0}, ones[48];

    memset(ones, 0xff, sizeof ones);
    for (guint32 opcode = 0; opcode < OPCODE_MAX; opcode++)
        for (gsize len = 0; len <= sizeof zeros && !is_left_out(opcode); len += 4) {
            send_request(mount, opcode, INO_ROOT, zeros, len);
            send_request(mount, opcode, INO_ROOT, ones, len);
        }
    g_assert_cmpuint(mount->n_ended, ==, 0);
    g_assert_cmpuint(mount->fs->parked.length, ==, 0);
}

static void test_short_header(Mount *mount, gconstpointer data)
{
    const guint8 bytes[8] = {0};

    fakekernel_send_bytes(mount->kernel, bytes, sizeof bytes);
    fakekernel_settle(mount->kernel);
    g_assert_cmpuint(mount->n_ended, ==, 1);
}

/* Reads, listings and lookups of whatever a part might be. */
static void test_all_nodes_of_parts(Mount *mount, gconstpointer data)
{
    static const guint32 opcodes[] = {FUSE_LOOKUP,  FUSE_GETATTR, FUSE_OPEN,        FUSE_READ,
                                      FUSE_OPENDIR, FUSE_READDIR, FUSE_READDIRPLUS, FUSE_READLINK};
    const struct fuse_read_in arg = {.size = 4096};
    guint32 generation = cache_box(mount->cache, mount->inbox)->generation;

    for (guint i = 0; i < G_N_ELEMENTS(opcodes) * FS_N_KINDS * 10 * 2; i++) {
        guint k = i / 2;
        FsNode node = {.number = generation, .uid = 4 + i % 2, .part = k % 10};

        node.kind = (FsKind)(k / 10 % FS_N_KINDS);
        send_request(mount, opcodes[k / 10 / FS_N_KINDS], fs_node_pack(node), &arg, sizeof arg);
    }
    g_assert_cmpuint(mount->n_ended, ==, 0);
}

/* Any node, any opcode, any arguments; the seed is in the test's name. */
static void test_garbage(Mount *mount, gconstpointer seed)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(GPOINTER_TO_UINT(seed));

    for (guint i = 0; i < 1000 && !mount->n_ended; i++) {
        guint8 body[256];
        gsize len = (gsize)g_rand_int_range(rand, 0, sizeof body);
        FsNode node = {
            .kind = (FsKind)g_rand_int_range(rand, 0, FS_N_KINDS + 1),
            .number = (guint32)g_rand_int_range(rand, 0, 8),
            .uid = (guint32)g_rand_int_range(rand, 0, 7),
            .part = (guint32)g_rand_int_range(rand, 0, 10),
        };
        guint32 opcode = (guint32)g_rand_int_range(rand, 0, OPCODE_MAX);

        for (gsize k = 0; k < len; k++)
            body[k] = (guint8)(g_rand_boolean(rand) ? g_rand_int(rand) : 0);
        if (!is_left_out(opcode))
            send_request(mount, opcode, fs_node_pack(node), body, len);
    }
    g_assert_cmpuint(mount->n_ended, ==, 0);
}

static void test_init_again(Mount *mount, gconstpointer data)
{
    const struct fuse_init_in arg = {.major = 99, .minor = 99, .flags = G_MAXUINT32};

    send_request(mount, FUSE_INIT, 0, &arg, sizeof arg);
    send_request(mount, FUSE_GETATTR, INO_ROOT, &arg, sizeof arg);
    g_assert_cmpuint(mount->fs->parked.length, ==, 0);
}

static void test_after_destroy(Mount *mount, gconstpointer data)
{
    send_request(mount, FUSE_DESTROY, 0, NULL, 0);
    send_request(mount, FUSE_GETATTR, INO_ROOT, (const guint8[16]){0}, 16);
    g_assert_cmpuint(mount->fs->parked.length, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mime_init();
#define hostile_test(path, data, func)                                                             \
    g_test_add(path, Mount, data, set_up_hostile, func, mount_tear_down)
    hostile_test("/hostile/truncated", NULL, test_truncated);
    hostile_test("/hostile/short-header", NULL, test_short_header);
    hostile_test("/hostile/parts", NULL, test_all_nodes_of_parts);
    hostile_test("/hostile/garbage/1", GUINT_TO_POINTER(1), test_garbage);
    hostile_test("/hostile/garbage/2", GUINT_TO_POINTER(2), test_garbage);
    hostile_test("/hostile/init-again", NULL, test_init_again);
    hostile_test("/hostile/after-destroy", NULL, test_after_destroy);
    return g_test_run();
}

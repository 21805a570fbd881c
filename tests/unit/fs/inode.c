/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/inode.c - nodes as numbers and back. */
#include "fs/inode.h"

#define NUMBER_MAX 0xffffff

static gboolean has_uid(FsKind kind)
{
    static const FsKind without[] = {FS_KIND_BOX,     FS_KIND_CONTROL,  FS_KIND_STATUS,
                                     FS_KIND_UID_BOX, FS_KIND_TEXT_BOX, FS_KIND_PARTS_BOX,
                                     FS_KIND_LOST};

    for (gsize i = 0; i < G_N_ELEMENTS(without); i++)
        if (kind == without[i])
            return FALSE;
    return TRUE;
}

static void check_there_and_back(FsNode node)
{
    FsNode back;
    guint64 ino = fs_node_pack(node);

    g_assert_cmpuint(ino, >, 1); /* which is the kernel's number for the root */
    g_assert_true(fs_node_unpack(ino, &back));
    g_assert_cmpint(back.kind, ==, node.kind);
    g_assert_cmpuint(back.number, ==, node.number);
    g_assert_cmpuint(back.uid, ==, node.uid);
    g_assert_cmpuint(back.part, ==, node.part);
}

static void test_there_and_back(void)
{
    static const guint32 numbers[] = {0, 1, 2, 0xffff, NUMBER_MAX - 1, NUMBER_MAX};
    static const guint32 uids[] = {1, 2, 0x80000000, G_MAXUINT32};

    for (FsKind kind = FS_KIND_BOX; kind < FS_KIND_PART; kind++)
        for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++)
            for (gsize k = 0; k < G_N_ELEMENTS(uids); k++)
                check_there_and_back((FsNode){
                    .kind = kind, .number = numbers[i], .uid = has_uid(kind) ? uids[k] : 0});
}

/* All parts of mailboxes and messages as there are, and those of the strange ones that fit. */
static void test_parts(void)
{
    static const struct {
        guint32 number, uid;
    } messages[] = {{0, 1},     {1, G_MAXUINT32}, {16383, G_MAXUINT32},
                    {16384, 1}, {16384, 4194303}, {NUMBER_MAX, 4194303}};
    static const guint32 parts[] = {0, 1, 9999};

    for (FsKind kind = FS_KIND_PART; kind < FS_N_KINDS; kind++) {
        for (gsize i = 0; i < G_N_ELEMENTS(messages); i++)
            for (gsize k = 0; k < G_N_ELEMENTS(parts); k++)
                check_there_and_back((FsNode){kind, messages[i].number, messages[i].uid, parts[k]});
        g_assert_cmpuint(fs_node_pack((FsNode){kind, 16384, 4194304, 0}), ==, 0);
        g_assert_cmpuint(fs_node_pack((FsNode){kind, 1, 1, 10000}), ==, 0);
    }
}

static void test_refused(void)
{
    const guint64 inos[] = {
        0,
        2,
        G_MAXUINT64,
        (guint64)FS_N_KINDS << 56,
        (guint64)1 << 63,
        (guint64)3 << 62 | 7,
        (guint64)(0x40 | FS_KIND_BOX) << 56,
        (guint64)FS_KIND_BOX << 56 | 1,
        (guint64)FS_KIND_STATUS << 56 | 1,
        (guint64)FS_KIND_MESSAGE << 56,
        (guint64)FS_KIND_UID_MESSAGE << 56 | (guint64)7 << 32,
    };

    for (gsize i = 0; i < G_N_ELEMENTS(inos); i++) {
        FsNode node = {FS_KIND_STATUS, 7, 7, 7};

        g_assert_false(fs_node_unpack(inos[i], &node));
        g_assert_cmpint(node.kind, ==, FS_KIND_STATUS);
    }
}

/* Every number is refused or stands for a node that packs to it again. */
static void test_one_number_a_node(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);

    for (guint i = 0; i < 10000; i++) {
        guint64 ino = (guint64)g_rand_int_range(rand, 0, FS_N_KINDS + 2) << 56 |
                      (guint64)g_rand_int_range(rand, 0, NUMBER_MAX + 1) << 32 |
                      (g_rand_boolean(rand) ? g_rand_int(rand) : 0);
        FsNode node;

        if (g_rand_boolean(rand))
            ino = (guint64)g_rand_int(rand) << 32 | g_rand_int(rand);
        if (fs_node_unpack(ino, &node))
            g_assert_cmpuint(fs_node_pack(node), ==, ino);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/inode/there-and-back", test_there_and_back);
    g_test_add_func("/inode/parts", test_parts);
    g_test_add_func("/inode/refused", test_refused);
    g_test_add_func("/inode/one-number-a-node", test_one_number_a_node);
    return g_test_run();
}

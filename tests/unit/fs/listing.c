/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/listing.c - directories page by page: nothing lost, nothing twice, whatever happens
 * meanwhile. */
#include "cache/private.h"
#include "mount.h"

#include <errno.h>
#include <string.h>

#define N_MANY 300

static const guint32 opcodes[] = {FUSE_READDIR, FUSE_READDIRPLUS};

/* Just enough for any one entry here, with its attributes or without. */
static guint32 least_size(guint32 opcode)
{
    return (opcode == FUSE_READDIRPLUS ? FUSE_NAME_OFFSET_DIRENTPLUS : FUSE_NAME_OFFSET) + 64;
}

static void add_many(Mount *mount, guint32 first)
{
    for (guint32 uid = first; uid <= N_MANY; uid++)
        fakebackend_add(mount->backend, mount->inbox, uid);
}

static void open_inbox(Mount *mount)
{
    assert_code(mount_open(mount, FUSE_OPENDIR, mount_ino(mount, "INBOX"), 0), 0);
}

/* How often the message @uid was listed. */
static guint n_listed(const DirReader *reader, guint32 uid)
{
    g_autofree char *tail = g_strdup_printf(".u%u,", uid);
    guint n = 0;

    for (guint i = 0; i < reader->names->len; i++)
        n += strstr(reader->names->pdata[i], tail) != NULL;
    return n;
}

static void test_pages(Mount *mount, gconstpointer data)
{
    guint64 inbox = mount_ino(mount, "INBOX");

    add_many(mount, 4);
    open_inbox(mount);
    for (gsize i = 0; i < G_N_ELEMENTS(opcodes); i++)
        for (guint32 more = 0; more < 400; more += 133) {
            g_autoptr(DirReader) reader =
                dirreader_new(inbox, opcodes[i], least_size(opcodes[i]) + more);

            while (dirreader_next(mount, reader))
                ;
            g_assert_cmpuint(reader->names->len, ==, N_MANY + 2);
            g_assert_cmpstr(reader->names->pdata[0], ==, ".");
            g_assert_cmpstr(reader->names->pdata[1], ==, "..");
            g_assert_cmpstr(reader->names->pdata[2], ==, INBOX_NAME ".u300,.eml");
            for (guint32 uid = 1; uid <= N_MANY; uid++)
                g_assert_cmpuint(n_listed(reader, uid), ==, 1);
        }
}

/* An entry at a time; between them the next two go, and new ones come. */
static void test_comings_and_goings(Mount *mount, gconstpointer opcode)
{
    guint32 size = least_size(*(const guint32 *)opcode);
    g_autoptr(DirReader) reader =
        dirreader_new(mount_ino(mount, "INBOX"), *(const guint32 *)opcode, size);

    add_many(mount, 4);
    open_inbox(mount);
    for (guint32 turn = 0; dirreader_next(mount, reader); turn++) {
        if (turn >= 10 && turn < 20) {
            fakebackend_expunge(mount->backend, mount->inbox, 200 + turn);
            fakebackend_expunge(mount->backend, mount->inbox, 100 + turn);
            fakebackend_deliver(mount->backend, mount->inbox, N_MANY + turn);
            fakebackend_set_flags(mount->backend, mount->inbox, 290, turn % 2);
        }
    }
    for (guint32 uid = 1; uid <= N_MANY; uid++) {
        gboolean is_gone = (uid >= 110 && uid < 120) || (uid >= 210 && uid < 220);

        g_assert_cmpuint(n_listed(reader, uid), ==, is_gone ? 0 : 1);
    }
}

/* The message that a cookie stands for goes: the cookie still says where to go on. */
static void test_cookie_outlives_its_message(Mount *mount, gconstpointer data)
{
    g_autoptr(DirReader) reader =
        dirreader_new(mount_ino(mount, "INBOX"), FUSE_READDIR, least_size(FUSE_READDIR));
    guint64 cookie;

    open_inbox(mount);
    while (!n_listed(reader, 3))
        g_assert_true(dirreader_next(mount, reader));
    cookie = reader->cookie;
    fakebackend_expunge(mount->backend, mount->inbox, 3);
    fakebackend_deliver(mount->backend, mount->inbox, 4);
    for (guint i = 0; i < 2; i++) {
        reader->cookie = cookie;
        g_assert_true(dirreader_next(mount, reader));
    }
    g_assert_cmpuint(n_listed(reader, 2), ==, 2);
    g_assert_cmpuint(n_listed(reader, 4), ==, 0);
}

/* What arrives meanwhile may be there twice, under each of its names, but not be missed. */
static void test_arrivals_settle(Mount *mount, gconstpointer data)
{
    static const char *const given[] = {"a.eml", "b.eml", "c.eml"};
    g_autoptr(DirReader) reader =
        dirreader_new(mount_ino(mount, "Archive"), FUSE_READDIR, least_size(FUSE_READDIR));

    for (guint32 i = 0; i < G_N_ELEMENTS(given); i++) {
        g_autofree char *name = g_strdup_printf(INBOX_NAME ".u%u,.eml", i + 1);

        g_assert_cmpint(mount_rename(mount, "INBOX", name, "Archive", given[i]), ==, 0);
    }
    assert_code(mount_open(mount, FUSE_OPENDIR, reader->dir, 0), 0);
    do {
        g_assert_true(dirreader_next(mount, reader));
    } while (!g_str_equal(reader->names->pdata[reader->names->len - 1], given[0]));
    fakebackend_do_all(mount->backend);
    while (dirreader_next(mount, reader))
        ;
    for (guint32 uid = 1; uid <= G_N_ELEMENTS(given); uid++)
        g_assert_cmpuint(n_listed(reader, uid), ==, 1);
}

static void test_mailboxes_come_and_go(Mount *mount, gconstpointer data)
{
    g_autoptr(DirReader) reader = dirreader_new(INO_ROOT, FUSE_READDIR, least_size(FUSE_READDIR));
    g_autofree char *all = NULL;

    while (reader->names->len < 4)
        g_assert_true(dirreader_next(mount, reader));
    fakebackend_set_boxes(mount->backend, "INBOX", "Sent", "New", NULL);
    while (dirreader_next(mount, reader))
        ;
    g_ptr_array_add(reader->names, NULL);
    all = g_strjoinv(" ", (char **)reader->names->pdata);
    g_assert_cmpstr(all, ==, ". .. INBOX Archive Sent New");
}

static void test_cookies_never_given(Mount *mount, gconstpointer data)
{
    static const guint64 cookies[] = {
        3,           1 << 20,     0xffffffff, 0x1ffffffff, 0x200000000,
        0x2ffffffff, 0x300000000, G_MAXINT64, G_MAXUINT64,
    };
    const guint64 dirs[] = {
        INO_ROOT,
        mount_ino(mount, "INBOX"),
        mount_ino(mount, ".mailfs"),
        mount_ino(mount, ".mailfs/uid/INBOX"),
        mount_ino(mount, ".mailfs/text/INBOX"),
        mount_ino(mount, ".mailfs/parts/INBOX"),
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cookies); i++)
        for (gsize k = 0; k < G_N_ELEMENTS(dirs); k++) {
            g_autoptr(DirReader) reader = dirreader_new(dirs[k], FUSE_READDIRPLUS, G_MAXUINT32);

            reader->cookie = cookies[i];
            (void)dirreader_next(mount, reader);
            g_assert_cmpuint(reader->names->len, <=, 7);
        }
}

/* The first names are told while the rest is on its way. */
static void test_windows(Mount *mount, gconstpointer data)
{
    guint64 inbox = mount_ino(mount, "INBOX"), unique;
    g_autoptr(DirReader) reader = dirreader_new(inbox, FUSE_READDIR, 128 * 1024);
    guint n_first;

    add_many(mount, 4);
    mount->backend->is_held = TRUE;
    unique = mount_send_open(mount, FUSE_OPENDIR, inbox, 0);
    g_assert_null(fakekernel_peek(mount->kernel, unique));
    fakebackend_fulfil(mount->backend, fakebackend_find(mount->backend, CACHE_WANT_UIDS));
    assert_code(fakekernel_wait(mount->kernel, unique), 0);

    g_assert_true(dirreader_next(mount, reader));
    g_assert_cmpuint(reader->names->len, ==, 2);
    unique = dirreader_send(mount, reader);
    g_assert_null(fakekernel_peek(mount->kernel, unique));
    g_assert_cmpuint(fakebackend_find(mount->backend, CACHE_WANT_LINES)->uid, ==, N_MANY);
    fakebackend_fulfil(mount->backend, fakebackend_find(mount->backend, CACHE_WANT_LINES));
    dirreader_take(reader, fakekernel_wait(mount->kernel, unique));
    n_first = reader->names->len;
    g_assert_cmpuint(n_first, >, 2);
    g_assert_cmpuint(n_first, <, N_MANY);

    mount->backend->is_held = FALSE;
    while (dirreader_next(mount, reader))
        ;
    g_assert_cmpuint(reader->names->len, ==, N_MANY + 2);
}

/* The windows come in the wrong order, late, and one of them fails first. */
static void test_windows_out_of_order(Mount *mount, gconstpointer data)
{
    guint64 inbox = mount_ino(mount, "INBOX"), unique;
    g_autoptr(DirReader) reader = dirreader_new(inbox, FUSE_READDIR, 128 * 1024);
    const GQueue *wants = cache_wants(mount->cache);

    add_many(mount, 4);
    open_inbox(mount);
    mount->backend->is_held = TRUE;
    g_assert_true(dirreader_next(mount, reader));
    unique = dirreader_send(mount, reader);
    g_assert_null(fakekernel_peek(mount->kernel, unique));
    g_assert_cmpuint(wants->length, >=, 2);
    fakebackend_fulfil(mount->backend, wants->tail->data);
    g_assert_null(fakekernel_peek(mount->kernel, unique));
    fakebackend_fail_all(mount->backend, MAIL_ERROR_SERVER, "not now");
    assert_code(fakekernel_wait(mount->kernel, unique), EIO);

    mount->backend->is_held = FALSE;
    while (dirreader_next(mount, reader))
        ;
    g_assert_cmpuint(reader->names->len, ==, N_MANY + 2);
}

static void test_plus_tells_attributes(Mount *mount, gconstpointer data)
{
    guint64 inbox = mount_ino(mount, "INBOX");
    g_autoptr(DirReader) reader = dirreader_new(inbox, FUSE_READDIRPLUS, 4096);
    const FakeAnswer *answer;
    const struct fuse_direntplus *entry;

    open_inbox(mount);
    reader->cookie = 2;
    answer = fakekernel_wait(mount->kernel, dirreader_send(mount, reader));
    entry = (gconstpointer)answer->bytes;
    g_assert_cmpuint(entry->entry_out.nodeid, ==, mount_ino(mount, "INBOX/" INBOX_NAME ".u3,.eml"));
    g_assert_cmpuint(entry->entry_out.attr.size, ==, 1003);
    g_assert_cmpuint(entry->entry_out.attr_valid, >, 0);
    g_assert_cmpuint(entry->dirent.ino, ==, entry->entry_out.nodeid);
}

/* Where sizes lied once, those that are not proved are not told: the kernel asks one by one. */
static void test_plus_leaves_out_doubtful_sizes(Mount *mount, gconstpointer data)
{
    guint64 inbox = mount_ino(mount, "INBOX");
    g_autoptr(DirReader) reader = dirreader_new(inbox, FUSE_READDIRPLUS, 4096);
    const struct fuse_direntplus *entry;
    g_autofree char *all = NULL, *notes = NULL;

    fakebackend_add(mount->backend, mount->inbox, 4)->size_told = 900;
    all = mount_list(mount, inbox);
    assert_code(mount_read(mount, mount_ino(mount, "INBOX/u4.eml"), 0, 4096), EIO);
    /* Until the kernel has heard of the new size, that one is left out as well. */
    notes = mount_take_notes(mount);
    reader->cookie = 2;
    mount->backend->is_held = TRUE;
    entry = (gconstpointer)fakekernel_wait(mount->kernel, dirreader_send(mount, reader))->bytes;
    g_assert_cmpuint(entry->entry_out.attr.size, ==, 1004);
    entry = (gconstpointer)((const char *)entry + FUSE_DIRENTPLUS_SIZE(entry));
    g_assert_cmpuint(entry->entry_out.nodeid, ==, 0);
    g_assert_cmpuint(entry->dirent.ino, !=, 0);
}

static const struct fuse_direntplus *first_text(Mount *mount, guint64 dir)
{
    g_autoptr(DirReader) reader = dirreader_new(dir, FUSE_READDIRPLUS, 4096);

    reader->cookie = 2;
    return (gconstpointer)fakekernel_wait(mount->kernel, dirreader_send(mount, reader))->bytes;
}

/* A text without a size is told, so that it is not looked up again; but the kernel would take it
 * for empty if it has heard of a size before. */
static void test_plus_of_texts(Mount *mount, gconstpointer data)
{
    guint64 texts = mount_ino(mount, ".mailfs/text/INBOX"), ino;
    const CacheBox *box = cache_box(mount->cache, mount->inbox);
    const struct fuse_direntplus *entry;

    open_inbox(mount);
    entry = first_text(mount, texts);
    ino = entry->entry_out.nodeid;
    g_assert_cmpuint(ino, !=, 0);
    g_assert_cmpuint(entry->entry_out.entry_valid, >, 0);
    g_assert_cmpuint(entry->entry_out.attr_valid, ==, 0);
    g_assert_cmpuint(mount_getattr(mount, ino)->size, >, 0);
    g_assert_cmpuint(first_text(mount, texts)->entry_out.attr_valid, >, 0);
    /* As when it had to go for others. */
    blocks_forget_message(mount->cache->blocks, box->generation, 3);
    entry = first_text(mount, texts);
    g_assert_cmpuint(entry->entry_out.nodeid, ==, 0);
    g_assert_cmpuint(entry->dirent.ino, ==, ino);
}

/* Which is not all: no copy of it must look whole. */
static void test_offline_lists_what_is_known(Mount *mount, gconstpointer data)
{
    guint64 inbox = mount_ino(mount, "INBOX");
    g_autoptr(DirReader) reader = dirreader_new(inbox, FUSE_READDIR, 4096);

    g_assert_cmpuint(mount_lookup(mount, inbox, "u2.eml")->nodeid, !=, 0);
    fakebackend_go_offline(mount->backend, MAIL_ERROR_OFFLINE, "connection refused");
    open_inbox(mount);
    g_assert_true(dirreader_next(mount, reader));
    g_assert_cmpuint(reader->names->len, ==, 3);
    g_assert_cmpstr(reader->names->pdata[2], ==, INBOX_NAME ".u2,.eml");
    assert_code(fakekernel_wait(mount->kernel, dirreader_send(mount, reader)), EHOSTUNREACH);
}

static void test_mailbox_fails(Mount *mount, gconstpointer data)
{
    guint64 inbox = mount_ino(mount, "INBOX"), unique;

    mount->backend->is_held = TRUE;
    unique = mount_send_open(mount, FUSE_OPENDIR, inbox, 0);
    fakekernel_settle(mount->kernel);
    fakebackend_fail_all(mount->backend, MAIL_ERROR_PERMISSION, "not yours");
    assert_code(fakekernel_wait(mount->kernel, unique), EACCES);
}

static void test_mailbox_goes_while_it_is_listed(Mount *mount, gconstpointer data)
{
    g_autoptr(DirReader) reader =
        dirreader_new(mount_ino(mount, "INBOX"), FUSE_READDIR, least_size(FUSE_READDIR));
    guint64 unique;

    open_inbox(mount);
    mount->backend->is_held = TRUE;
    fakebackend_deliver(mount->backend, mount->inbox, 4);
    reader->cookie = 2;
    unique = dirreader_send(mount, reader);
    g_assert_null(fakekernel_peek(mount->kernel, unique));
    fakebackend_set_boxes(mount->backend, "Sent", NULL);
    fakebackend_fulfil_all(mount->backend);
    assert_code(fakekernel_wait(mount->kernel, unique), ESTALE);
    assert_code(fakekernel_wait(mount->kernel, dirreader_send(mount, reader)), ESTALE);
}

static void test_files_are_no_directories(Mount *mount, gconstpointer data)
{
    static const char *const paths[] = {"INBOX/u2.eml", ".mailfs/status"};

    for (gsize i = 0; i < G_N_ELEMENTS(paths); i++) {
        guint64 ino = mount_ino(mount, paths[i]);
        g_autoptr(DirReader) reader = dirreader_new(ino, FUSE_READDIR, 4096);

        assert_code(mount_open(mount, FUSE_OPENDIR, ino, 0), ENOTDIR);
        assert_code(fakekernel_wait(mount->kernel, dirreader_send(mount, reader)), ENOTDIR);
    }
}

static const struct fuse_open_out *open_dir(Mount *mount, const char *path)
{
    return (gconstpointer)mount_open(mount, FUSE_OPENDIR, mount_ino(mount, path), 0)->bytes;
}

/* What a mailbox holds, the notifier takes back; of .mailfs it does not speak. */
static void test_kernel_may_keep_mailboxes(Mount *mount, gconstpointer data)
{
    g_assert_cmpuint(open_dir(mount, "INBOX")->open_flags, ==, FOPEN_CACHE_DIR | FOPEN_KEEP_CACHE);
    g_assert_cmpuint(open_dir(mount, ".mailfs")->open_flags, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mount_test("/listing/pages", NULL, test_pages);
    g_test_add("/listing/comings-and-goings", Mount, &opcodes[0], mount_set_up_usual,
               test_comings_and_goings, mount_tear_down);
    g_test_add("/listing/comings-and-goings-plus", Mount, &opcodes[1], mount_set_up_usual,
               test_comings_and_goings, mount_tear_down);
    mount_test("/listing/cookie-outlives-message", NULL, test_cookie_outlives_its_message);
    mount_test("/listing/arrivals-settle", NULL, test_arrivals_settle);
    mount_test("/listing/mailboxes", NULL, test_mailboxes_come_and_go);
    mount_test("/listing/cookies-never-given", NULL, test_cookies_never_given);
    mount_test("/listing/windows", NULL, test_windows);
    mount_test("/listing/windows-out-of-order", NULL, test_windows_out_of_order);
    mount_test("/listing/plus", NULL, test_plus_tells_attributes);
    mount_test("/listing/plus-texts", NULL, test_plus_of_texts);
    mount_test("/listing/plus-doubtful-sizes", NULL, test_plus_leaves_out_doubtful_sizes);
    mount_test("/listing/offline", NULL, test_offline_lists_what_is_known);
    mount_test("/listing/mailbox-fails", NULL, test_mailbox_fails);
    mount_test("/listing/mailbox-goes", NULL, test_mailbox_goes_while_it_is_listed);
    mount_test("/listing/files", NULL, test_files_are_no_directories);
    mount_test("/listing/kept-by-kernel", NULL, test_kernel_may_keep_mailboxes);
    return g_test_run();
}

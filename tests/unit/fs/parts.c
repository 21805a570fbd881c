/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/parts.c - messages as directories: what is in them, how large it is, its octets. */
#include "mount.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "letter.h"
#include "mime/mime.h"
#include "thumbnailer.h"

#define DIR    ".mailfs/parts/INBOX/" INBOX_NAME ".u9"
#define FIELDS "From: alice@example.org\r\nSubject: Budget\r\n"
#define INNER  "From: bob@example.org\r\nSubject: inner\r\n"
#define PHOTO  300000 /* octets; encoded seven blocks */
#define NOTES  "a =3D b\r\n"

static char *make_inner(void)
{
    g_autofree char *digits = letter_irregular_base64(PHOTO, 76, 1);
    g_autofree char *text = letter_part("text/plain", "7bit", NULL, "inner text\r\n");
    g_autofree char *scan = letter_part("image/tiff", "base64", "scan.tif", digits);

    return letter_mixed("inner", INNER, text, scan, NULL);
}

/* Parts 1 to 5 as the names of the tests below say; 5 is a message. */
static GBytes *make_letter(void)
{
    g_autofree char *digits = letter_base64(PHOTO, 76), *inner = make_inner();
    g_autofree char *text =
        letter_part("text/plain; charset=iso-8859-1", "quoted-printable", NULL, "Gr=FC=DFe\r\n");
    g_autofree char *photo = letter_part("image/png", "base64", "photo.png", digits);
    g_autofree char *notes = letter_part("application/pdf", "quoted-printable", "notes.pdf", NOTES);
    g_autofree char *readme = letter_part("text/plain", "7bit", "readme.txt", "as it is\r\n");
    g_autofree char *message = letter_part("message/rfc822", "7bit", NULL, inner);
    char *all = letter_mixed("outer", FIELDS, text, photo, notes, readme, message, NULL);

    return g_bytes_new_take(all, strlen(all));
}

/* The inode number of a part, whether the kernel was told or not. */
static guint64 mount_ino_of(Mount *mount, guint32 uid, guint part)
{
    guint32 generation = cache_box(mount->cache, mount->inbox)->generation;

    return fs_ino(mount->fs, (FsNode){FS_KIND_PART, generation, uid, part});
}

static FakeMessage *letter(Mount *mount)
{
    return fakebackend_message(mount->backend, mount->inbox, 9);
}

static void set_up(Mount *mount, gconstpointer data)
{
    mount_set_up(mount, data);
    fakebackend_add_raw(mount->backend, mount->inbox, 9, make_letter());
}

static void set_up_usual(Mount *mount, gconstpointer data)
{
    set_up(mount, NULL);
}

/* --- what is there --- */

static void test_listing(Mount *mount, gconstpointer data)
{
    g_autofree char *all = mount_list(mount, mount_ino(mount, DIR)),
                    *inner = mount_list(mount, mount_ino(mount, DIR "/5-message"));

    g_assert_cmpstr(all, ==,
                    ". .. header 1-text.txt 2-photo.png 3-notes.pdf 4-readme.txt 5-message ");
    g_assert_cmpstr(inner, ==, ". .. header message.eml 5.1-text.txt 5.2-scan.tif ");
}

static void test_absent_names(Mount *mount, gconstpointer data)
{
    static const char *const names[] = {"1", "2-photo.pn", "6-text.txt", "message.eml", "5"};
    guint64 dir = mount_ino(mount, DIR);

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
        g_assert_cmpint(mount_lookup_code(mount, dir, names[i]), ==, ENOENT);
    g_assert_cmpuint(mount_lookup(mount, dir, ".hidden")->nodeid, ==, 0);
    g_assert_cmpint(mount_lookup_code(mount, mount_ino(mount, DIR "/header"), "x"), ==, ENOTDIR);
}

/* A letter of @n parts of one octet. */
static GBytes *make_long_letter(guint n)
{
    GString *letter = g_string_new("Content-Type: multipart/mixed; boundary=x\r\n\r\n");

    for (guint i = 0; i < n; i++)
        g_string_append(letter, "--x\r\nContent-Type: application/pdf\r\n\r\n.\r\n");
    g_string_append(letter, "--x--\r\n");
    return g_string_free_to_bytes(letter);
}

/* From page to page, and each from the cookie that the one before ended with. */
static void check_pages(Mount *mount, guint64 dir, guint32 opcode, guint n_expected)
{
    g_autoptr(DirReader) reader = dirreader_new(dir, opcode, 4096);

    while (dirreader_next(mount, reader))
        ;
    g_assert_cmpuint(reader->names->len, ==, n_expected);
    for (guint i = 0; i + 3 < n_expected; i++) {
        g_autofree char *name = g_strdup_printf("%u-application.pdf", i + 1);

        g_assert_cmpstr(reader->names->pdata[i + 3], ==, name);
    }
}

static void test_many_parts(Mount *mount, gconstpointer data)
{
    guint64 dir;

    fakebackend_add_raw(mount->backend, mount->inbox, 10, make_long_letter(1000));
    dir = mount_ino(mount, ".mailfs/parts/INBOX/" INBOX_NAME ".u10");
    check_pages(mount, dir, FUSE_READDIR, 1003);
    check_pages(mount, dir, FUSE_READDIRPLUS, 1003);
}

static void test_link(Mount *mount, gconstpointer data)
{
    guint64 ino = mount_ino(mount, ".mailfs/parts/INBOX/9");
    const FakeAnswer *answer = mount_call(mount, FUSE_READLINK, ino, NULL, 0, NULL);

    assert_code(answer, 0);
    g_assert_cmpmem(answer->bytes, answer->len, INBOX_NAME ".u9", strlen(INBOX_NAME ".u9"));
    g_assert_cmpuint(mount_getattr(mount, ino)->size, ==, answer->len);
    g_assert_cmpint(mount_call(mount, FUSE_READLINK, mount_ino(mount, DIR), NULL, 0, NULL)->code,
                    ==, EINVAL);
}

/* --- octets --- */

/* That the file holds letter_byte() or, where it is not NULL, @text: by pieces of @size. */
static void check_octets(Mount *mount, guint64 ino, gsize len, const char *text, guint32 size)
{
    g_assert_cmpuint(mount_getattr(mount, ino)->size, ==, len);
    for (gsize at = 0; at < len + size; at += size) {
        const FakeAnswer *answer = mount_read(mount, ino, at, size);

        assert_code(answer, 0);
        g_assert_cmpuint(answer->len, ==, at < len ? MIN(size, len - at) : 0);
        for (gsize i = 0; i < answer->len; i++)
            g_assert_cmpuint(answer->bytes[i], ==,
                             text ? (guint8)text[at + i] : letter_byte(at + i));
    }
}

static void check_file(Mount *mount, const char *path, gsize len, const char *text)
{
    check_octets(mount, mount_ino(mount, path), len, text, 65536);
}

static void check_text(Mount *mount, const char *path, const char *text)
{
    for (guint32 size = 1; size <= 5; size++)
        check_octets(mount, mount_ino(mount, path), strlen(text), text, size);
}

static void check_all_files(Mount *mount)
{
    g_autofree char *inner = make_inner();

    check_text(mount, DIR "/1-text.txt", "Grüße\r\n");
    check_file(mount, DIR "/2-photo.png", PHOTO, NULL);
    check_text(mount, DIR "/3-notes.pdf", "a = b\r\n");
    check_text(mount, DIR "/4-readme.txt", "as it is\r\n");
    check_file(mount, DIR "/5-message/message.eml", strlen(inner), inner);
    check_text(mount, DIR "/5-message/5.1-text.txt", "inner text\r\n");
    check_file(mount, DIR "/5-message/5.2-scan.tif", PHOTO, NULL);
    check_text(mount, DIR "/header",
               FIELDS "Content-Type: multipart/mixed; boundary=\"outer\"\r\n\r\n");
    check_text(mount, DIR "/5-message/header",
               INNER "Content-Type: multipart/mixed; boundary=\"inner\"\r\n\r\n");
}

static void test_files(Mount *mount, gconstpointer data)
{
    check_all_files(mount);
}

/* The message itself tells the parts where the server does not. */
static void test_useless_tree(Mount *mount, gconstpointer data)
{
    letter(mount)->tells_no_tree = TRUE;
    check_all_files(mount);
}

static void test_any_offset(Mount *mount, gconstpointer data)
{
    static const struct {
        guint64 offset;
        guint32 size;
        gsize len;
    } rows[] = {
        {0, 1, 1},
        {1, 1, 1},
        {2, 2, 2},
        {56, 3, 3}, /* a line holds 57 */
        {57, 57, 57},
        {49152, 1, 1},
        {47900, 131072, 131072},
        {PHOTO - 1, 1, 1},
        {PHOTO - 2, 4096, 2},
        {PHOTO, 4096, 0},
        {G_MAXINT64, 4096, 0},
        {G_MAXUINT64 - 4095, 8192, 0},
        {7, 0, 0},
        {0, 0, 0},
    };
    guint64 ino = mount_ino(mount, DIR "/2-photo.png");

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        const FakeAnswer *answer = mount_read(mount, ino, rows[i].offset, rows[i].size);

        assert_code(answer, 0);
        g_assert_cmpuint(answer->len, ==, rows[i].len);
        for (gsize k = 0; k < answer->len; k++)
            g_assert_cmpuint(answer->bytes[k], ==, letter_byte(rows[i].offset + k));
    }
}

/* --- waiting --- */

static void test_getattr_waits_lookup_does_not(Mount *mount, gconstpointer data)
{
    guint64 dir = mount_ino(mount, DIR), unique;
    const struct fuse_entry_out *entry;

    fakekernel_settle(mount->kernel);
    (void)mount_lookup(mount, dir, "header");
    mount->backend->is_held = TRUE;
    entry = mount_lookup(mount, dir, "2-photo.png");
    g_assert_cmpuint(entry->attr_valid, ==, 0);
    unique = mount_send_getattr(mount, entry->nodeid);
    g_assert_null(fakekernel_peek(mount->kernel, unique));
    g_assert_nonnull(fakebackend_find(mount->backend, CACHE_WANT_MEASURE));
    mount->backend->is_held = FALSE;
    fakebackend_fulfil_all(mount->backend);
    assert_code(fakekernel_wait(mount->kernel, unique), 0);
    g_assert_cmpuint(mount_getattr(mount, entry->nodeid)->size, ==, PHOTO);
}

static void check_nothing_is_wanted(Mount *mount)
{
    CacheFigures figures;

    cache_figures(mount->cache, &figures);
    g_assert_cmpuint(figures.n_wants, ==, 0);
}

static void test_expunged_while_waiting(Mount *mount, const void *path)
{
    guint64 ino, unique;

    /* A lookup of the file itself begins to get it. */
    (void)mount_ino(mount, DIR "/header");
    mount->backend->is_held = TRUE;
    ino = mount_ino(mount, path);
    unique = mount_send_read(mount, ino, 0, 4096);
    g_assert_null(fakekernel_peek(mount->kernel, unique));
    fakebackend_expunge(mount->backend, mount->inbox, 9);
    mount->backend->is_held = FALSE;
    fakebackend_fulfil_all(mount->backend);
    assert_code(fakekernel_wait(mount->kernel, unique), ESTALE);
    g_assert_cmpint(mount_getattr_code(mount, ino), ==, ESTALE);
    fakekernel_settle(mount->kernel);
    check_nothing_is_wanted(mount);
}

static void test_replaced_while_waiting(Mount *mount, gconstpointer data)
{
    guint64 unique;

    (void)mount_ino(mount, DIR "/header");
    mount->backend->is_held = TRUE;
    unique = mount_send_getattr(mount, mount_ino(mount, DIR "/3-notes.pdf"));
    g_assert_null(fakekernel_peek(mount->kernel, unique));
    fakebackend_replace(mount->backend, mount->inbox);
    assert_code(fakekernel_wait(mount->kernel, unique), ESTALE);
}

static GBytes *make_short_letter(void)
{
    g_autofree char *text = letter_part("text/plain", "quoted-printable", NULL, "x");
    char *all = letter_mixed("outer", FIELDS, text, text, text, NULL);

    return g_bytes_new_take(all, strlen(all));
}

/* Whoever lists many directories and looks at nothing does not make all of it be fetched. */
static void test_expectations_are_bounded(Mount *mount, gconstpointer data)
{
    const guint n = 40;

    for (guint32 uid = 10; uid < 10 + n; uid++)
        fakebackend_add_raw(mount->backend, mount->inbox, uid, make_short_letter());
    g_free(mount_list(mount, mount_ino(mount, ".mailfs/parts/INBOX")));
    for (guint32 uid = 10; uid < 10 + n; uid++) {
        g_autofree char *path = g_strdup_printf(".mailfs/parts/INBOX/" INBOX_NAME ".u%u", uid);
        guint64 dir = mount_ino(mount, path);

        (void)mount_lookup_code(mount, dir, "none");
        mount->backend->is_held = TRUE;
        g_free(mount_list(mount, dir));
        mount->backend->is_held = FALSE;
    }
    g_assert_cmpuint(cache_maker_wants(mount->cache)->length, <=, 64);
    fakebackend_fulfil_all(mount->backend);
}

/* What a page of READDIRPLUS tells of @name. */
static const struct fuse_entry_out *find_told(const FakeAnswer *page, const char *name)
{
    for (gsize at = 0; at < page->len;) {
        const struct fuse_direntplus *entry = (gconstpointer)(page->bytes + at);

        if (entry->dirent.namelen == strlen(name) &&
            memcmp(entry->dirent.name, name, strlen(name)) == 0)
            return &entry->entry_out;
        at += FUSE_DIRENTPLUS_SIZE(entry);
    }
    g_assert_not_reached();
}

/* To tell how much it decodes to takes all of it: that is for who asks. */
static void test_listing_leaves_large_parts(Mount *mount, gconstpointer data)
{
    g_autofree char *body = g_strnfill(100000, 'a'),
                    *large = letter_part("application/pdf", "quoted-printable", "a.pdf", body),
                    *small = letter_part("application/pdf", "quoted-printable", "b.pdf", NOTES),
                    *all = letter_mixed("outer", FIELDS, large, small, NULL);
    g_autoptr(DirReader) reader = NULL;
    const FakeAnswer *page;

    fakebackend_add_raw(mount->backend, mount->inbox, 10, g_bytes_new(all, strlen(all)));
    reader = dirreader_new(mount_ino(mount, ".mailfs/parts/INBOX/" INBOX_NAME ".u10"),
                           FUSE_READDIRPLUS, 4096);
    (void)mount_lookup_code(mount, reader->dir, "none");
    mount->backend->is_held = TRUE;
    page = fakekernel_wait(mount->kernel, dirreader_send(mount, reader));
    assert_code(page, 0);
    g_assert_cmpuint(find_told(page, "1-a.pdf")->attr_valid, ==, 0);
    mount_wait_for_wants(mount, CACHE_WANT_BLOCK, 1);
    fakekernel_settle(mount->kernel);
    g_assert_cmpuint(cache_wants(mount->cache)->length, ==, 1);
    g_assert_cmpstr(fakebackend_find(mount->backend, CACHE_WANT_BLOCK)->section, ==, "2");
    mount->backend->is_held = FALSE;
    fakebackend_fulfil_all(mount->backend);
    g_assert_cmpuint(mount_getattr(mount, mount_ino_of(mount, 10, 1))->size, ==, 100000);
}

/* --- sizes that turn out wrong --- */

static void check_is_corrected(Mount *mount, guint64 ino, const char *note)
{
    g_autofree char *notes = mount_take_notes(mount);

    g_assert_nonnull(strstr(notes, note));
    check_octets(mount, ino, PHOTO, NULL, 65536);
}

static void test_irregular_base64(Mount *mount, gconstpointer data)
{
    g_autofree char *digits = letter_irregular_base64(PHOTO, 76, 2000),
                    *photo = letter_part("image/png", "base64", "photo.png", digits),
                    *text = letter_part("text/plain", "7bit", NULL, "x"),
                    *all = letter_mixed("outer", FIELDS, text, photo, NULL);
    guint64 ino;

    fakebackend_add_raw(mount->backend, mount->inbox, 10, g_bytes_new(all, strlen(all)));
    ino = mount_ino(mount, ".mailfs/parts/INBOX/" INBOX_NAME ".u10/2-photo.png");
    (void)mount_getattr(mount, ino);
    assert_code(mount_read(mount, ino, 0, 4096), 0);
    assert_code(mount_read(mount, ino, 2000 * 57, 4096), EIO);
    check_is_corrected(mount, ino, "inode .mailfs/parts/INBOX/u10/part 2\n");
}

/* The tree of what is here of it would be that of another message. */
static void test_message_longer_than_told(Mount *mount, gconstpointer data)
{
    letter(mount)->tells_no_tree = TRUE;
    letter(mount)->size_told = 1000;
    check_all_files(mount);
}

static gboolean is_block_waited_for(gpointer data)
{
    for (const GList *link = cache_wants(data)->head; link; link = link->next) {
        const CacheWant *want = link->data;

        if (want->kind == CACHE_WANT_BLOCK && want->n_waiting)
            return TRUE;
    }
    return FALSE;
}

/* The tree of what had come until then would be that of another message. */
static void test_parse_fails(Mount *mount, gconstpointer data)
{
    guint64 unique;

    letter(mount)->tells_no_tree = TRUE;
    (void)mount_ino(mount, DIR);
    mount->backend->is_held = TRUE;
    unique = mount_send_getattr(mount, mount_ino_of(mount, 9, 2));
    fakekernel_settle(mount->kernel);
    fakebackend_fulfil(mount->backend, fakebackend_find(mount->backend, CACHE_WANT_TREE));
    fakekernel_run_until(mount->kernel, is_block_waited_for, mount->cache);
    fakebackend_fail_all(mount->backend, MAIL_ERROR_TIMEOUT, "no answer");
    assert_code(fakekernel_wait(mount->kernel, unique), ETIMEDOUT);
    g_assert_null(cache_wants(mount->cache)->head);
}

/* Large messages that come slowly do not hold up those after them. */
static void test_many_are_parsed_at_once(Mount *mount, gconstpointer data)
{
    guint64 dirs[4], lookups[4];

    for (guint i = 0; i < G_N_ELEMENTS(dirs); i++)
        fakebackend_add_raw(mount->backend, mount->inbox, 10 + i, make_short_letter())
            ->tells_no_tree = TRUE;
    for (guint i = 0; i < G_N_ELEMENTS(dirs); i++) {
        g_autofree char *path = g_strdup_printf(".mailfs/parts/INBOX/" INBOX_NAME ".u%u", 10 + i);

        dirs[i] = mount_ino(mount, path);
    }
    mount->backend->is_held = TRUE;
    for (guint i = 0; i < G_N_ELEMENTS(dirs); i++) {
        lookups[i] = mount_send_lookup(mount, dirs[i], "none");
        fakekernel_settle(mount->kernel);
        fakebackend_fulfil(mount->backend, fakebackend_find(mount->backend, CACHE_WANT_TREE));
        mount_wait_for_wants(mount, CACHE_WANT_BLOCK, i + 1);
    }
    mount->backend->is_held = FALSE;
    fakebackend_fulfil_all(mount->backend);
    for (guint i = 0; i < G_N_ELEMENTS(dirs); i++)
        assert_code(fakekernel_wait(mount->kernel, lookups[i]), ENOENT);
}

/* --- offline --- */

static void test_offline(Mount *mount, gconstpointer data)
{
    guint64 dir = mount_ino(mount, DIR);
    guint64 readme = mount_ino(mount, DIR "/4-readme.txt"),
            notes = mount_ino(mount, DIR "/3-notes.pdf");

    (void)mount_getattr(mount, readme);
    fakekernel_settle(mount->kernel);
    fakebackend_go_offline(mount->backend, MAIL_ERROR_OFFLINE, "the cable is cut");
    g_assert_cmpint(mount_getattr_code(mount, notes), ==, EHOSTUNREACH);
    assert_code(mount_read(mount, notes, 0, 10), EHOSTUNREACH);
    assert_code(mount_read(mount, readme, 0, 10), EHOSTUNREACH);
    g_assert_cmpuint(mount_lookup(mount, dir, "3-notes.pdf")->nodeid, ==, notes);
}

/* All that is needed is in the message. */
static void test_offline_with_the_message(Mount *mount, gconstpointer data)
{
    (void)mount_ino(mount, DIR);
    mount_read_all(mount, mount_ino(mount, "INBOX/u9.eml"));
    fakebackend_go_offline(mount->backend, MAIL_ERROR_OFFLINE, "the cable is cut");
    check_all_files(mount);
}

/* --- the guard --- */

static void test_guard(Mount *mount, gconstpointer data)
{
    guint64 notes = mount_ino(mount, DIR "/3-notes.pdf"),
            readme = mount_ino(mount, DIR "/4-readme.txt"),
            header = mount_ino(mount, DIR "/header");
    Thumbnailer thumbnailer;

    (void)mount_getattr(mount, header);
    thumbnailer_start(&thumbnailer, mount, "tumblerd", NULL);
    assert_code(mount_read(mount, notes, 0, 10), EACCES);
    assert_code(mount_read(mount, readme, 0, 10), EACCES);
    assert_code(mount_read(mount, header, 0, 10), 0);
    g_assert_cmpuint(mount->fs->n_refused, ==, 2);
    thumbnailer_stop(&thumbnailer);
    mount->kernel->pid = getpid();
    mount_read_all(mount, mount_ino(mount, "INBOX/u9.eml"));
    thumbnailer_start(&thumbnailer, mount, "tumblerd", NULL);
    assert_code(mount_read(mount, notes, 0, 10), 0);
    assert_code(mount_read(mount, readme, 0, 10), 0);
    assert_code(mount_read(mount, header, 0, 10), 0);
    thumbnailer_stop(&thumbnailer);
}

/* What is made needs all of the part. */
static void test_guard_where_half_is_here(Mount *mount, gconstpointer data)
{
    g_autofree char *body = g_strnfill(100000, 'a'),
                    *part = letter_part("application/pdf", "quoted-printable", "a.pdf", body),
                    *all = letter_mixed("outer", FIELDS, part, NULL);
    Thumbnailer thumbnailer;
    guint64 ino, unique;

    fakebackend_add_raw(mount->backend, mount->inbox, 10, g_bytes_new(all, strlen(all)));
    ino = mount_ino(mount, ".mailfs/parts/INBOX/" INBOX_NAME ".u10/1-a.pdf");
    mount->backend->is_held = TRUE;
    unique = mount_send_getattr(mount, ino);
    mount_wait_for_wants(mount, CACHE_WANT_BLOCK, 2);
    fakebackend_fulfil(mount->backend, fakebackend_find(mount->backend, CACHE_WANT_BLOCK));
    thumbnailer_start(&thumbnailer, mount, "tumblerd", NULL);
    assert_code(mount_read(mount, ino, 0, 10), EACCES);
    thumbnailer_stop(&thumbnailer);
    fakebackend_fulfil_all(mount->backend);
    assert_code(fakekernel_wait(mount->kernel, unique), 0);
}

/* --- the end --- */

/* A job waits for a block, a thread that parses for another. */
static void test_unmounted_while_making(Mount *mount, gconstpointer data)
{
    guint64 notes, dir, first, second;

    fakebackend_add_raw(mount->backend, mount->inbox, 10, make_letter())->tells_no_tree = TRUE;
    notes = mount_ino(mount, DIR "/3-notes.pdf");
    dir = mount_ino(mount, ".mailfs/parts/INBOX/" INBOX_NAME ".u10");
    mount->backend->is_held = TRUE;
    first = mount_send_read(mount, notes, 0, 10);
    second = mount_send_lookup(mount, dir, "header");
    fakekernel_settle(mount->kernel);
    fakebackend_fulfil(mount->backend, fakebackend_find(mount->backend, CACHE_WANT_TREE));
    mount_wait_for_wants(mount, CACHE_WANT_BLOCK, 2);
    mount_end(mount);
    assert_code(fakekernel_wait(mount->kernel, first), ENODEV);
    assert_code(fakekernel_wait(mount->kernel, second), ENODEV);
    g_assert_null(cache_maker_wants(mount->cache)->head);
}

/* --- other roots --- */

static void test_root(Mount *mount, gconstpointer data)
{
    check_text(mount, "INBOX/" INBOX_NAME ".u9/4-readme.txt", "as it is\r\n");
    check_text(mount, "INBOX/" INBOX_NAME ".u9/1-text.txt", "Grüße\r\n");
}

int main(int argc, char **argv)
{
    const FsOptions guarded = {.has_guard = TRUE}, rooted = {.root = FS_KIND_PARTS_BOX};

    g_test_init(&argc, &argv, NULL);
    mime_init();
#define expunged_test(name, path)                                                                  \
    g_test_add(name, Mount, path, set_up_usual, test_expunged_while_waiting, mount_tear_down)
#define parts_test(path, options, func)                                                            \
    g_test_add(path, Mount, options, set_up, func, mount_tear_down)
    parts_test("/parts/listing", NULL, test_listing);
    parts_test("/parts/absent", NULL, test_absent_names);
    parts_test("/parts/many", NULL, test_many_parts);
    parts_test("/parts/link", NULL, test_link);
    parts_test("/parts/files", NULL, test_files);
    parts_test("/parts/useless-tree", NULL, test_useless_tree);
    parts_test("/parts/any-offset", NULL, test_any_offset);
    parts_test("/parts/getattr-waits", NULL, test_getattr_waits_lookup_does_not);
    expunged_test("/parts/expunged/decoded-here", DIR "/2-photo.png");
    expunged_test("/parts/expunged/made", DIR "/3-notes.pdf");
    expunged_test("/parts/expunged/identity", DIR "/4-readme.txt");
    parts_test("/parts/replaced", NULL, test_replaced_while_waiting);
    parts_test("/parts/wrong/irregular", NULL, test_irregular_base64);
    parts_test("/parts/wrong/message", NULL, test_message_longer_than_told);
    parts_test("/parts/parse/fails", NULL, test_parse_fails);
    parts_test("/parts/parse/many", NULL, test_many_are_parsed_at_once);
    parts_test("/parts/expect/bounded", NULL, test_expectations_are_bounded);
    parts_test("/parts/expect/large", NULL, test_listing_leaves_large_parts);
    parts_test("/parts/offline/nothing-here", NULL, test_offline);
    parts_test("/parts/offline/message-here", NULL, test_offline_with_the_message);
    parts_test("/parts/guard/on", &guarded, test_guard);
    parts_test("/parts/guard/half", &guarded, test_guard_where_half_is_here);
    parts_test("/parts/unmounted", NULL, test_unmounted_while_making);
    parts_test("/parts/root", &rooted, test_root);
    return g_test_run();
}

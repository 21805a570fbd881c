/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/text.c - messages as text: what it holds, and who waits for it. */
#include "mount.h"

#include <errno.h>
#include <string.h>

#include "letter.h"
#include "mime/mime.h"

#define PATH   ".mailfs/text/INBOX/" INBOX_NAME ".u9.txt"
#define FIELDS "From: alice@example.org\r\nSubject: Budget\r\n"

static GBytes *make_letter(void)
{
    g_autofree char *text = letter_part("text/plain; charset=iso-8859-1", "quoted-printable", NULL,
                                        "Gr=FC=DFe\r\n"),
                    *notes = letter_part("application/pdf", "7bit", "notes.pdf", "%PDF\r\n");
    char *all = letter_mixed("outer", FIELDS, text, notes, NULL);

    return g_bytes_new_take(all, strlen(all));
}

/* One text of @len octets. */
static GBytes *make_long_letter(gsize len)
{
    g_autofree char *fill = g_strnfill(len, '.'), *text = NULL;
    char *all;

    for (gsize i = 71; i < len; i += 72)
        fill[i] = '\n';
    text = letter_part("text/plain; charset=utf-8", "8bit", NULL, fill);
    all = letter_mixed("outer", FIELDS, text, NULL);
    return g_bytes_new_take(all, strlen(all));
}

static void set_up(Mount *mount, gconstpointer data)
{
    mount_set_up(mount, data);
    fakebackend_add_raw(mount->backend, mount->inbox, 9, make_letter());
}

/* So many texts. */
static GBytes *make_letter_of_texts(guint n)
{
    GString *letter = g_string_new(FIELDS "Content-Type: multipart/mixed; boundary=x\r\n\r\n");

    for (guint i = 0; i < n; i++)
        g_string_append_printf(letter, "--x\r\nContent-Type: text/plain\r\n\r\nText %u.\r\n\r\n",
                               i);
    g_string_append(letter, "--x--\r\n");
    return g_string_free_to_bytes(letter);
}

/* The inode number without a lookup, which would begin to make the text. */
static guint64 text_ino(Mount *mount, guint32 uid)
{
    (void)mount_ino(mount, "INBOX/u9.eml");
    return fs_ino(mount->fs, (FsNode){.kind = FS_KIND_TEXT,
                                      .number = cache_box(mount->cache, mount->inbox)->generation,
                                      .uid = uid});
}

static void check_text(Mount *mount)
{
    g_autofree char *text = mount_read_text(mount, PATH);

    g_assert_true(
        g_str_has_suffix(text, "\n\nGrüße\n\nAttachment: 2-notes.pdf (application/pdf)\n"));
    g_assert_nonnull(strstr(text, "Subject: Re: Budget\n"));
}

static void test_text(Mount *mount, gconstpointer data)
{
    check_text(mount);
}

static void test_any_offset(Mount *mount, gconstpointer data)
{
    g_autofree char *text = mount_read_text(mount, PATH);
    guint64 ino = mount_ino(mount, PATH);
    gsize len = strlen(text);

    for (gsize at = 0; at < len + 3; at++) {
        const FakeAnswer *answer = mount_read(mount, ino, at, 7);
        gsize n = at < len ? MIN(7, len - at) : 0;

        assert_code(answer, 0);
        g_assert_cmpmem(answer->bytes, answer->len, text + MIN(at, len), n);
    }
}

static void test_useless_tree(Mount *mount, gconstpointer data)
{
    fakebackend_message(mount->backend, mount->inbox, 9)->tells_no_tree = TRUE;
    check_text(mount);
}

static void test_large(Mount *mount, gconstpointer data)
{
    const gsize len = 1000000;
    guint64 ino;

    fakebackend_add_raw(mount->backend, mount->inbox, 10, make_long_letter(len));
    ino = mount_ino(mount, ".mailfs/text/INBOX/" INBOX_NAME ".u10.txt");
    g_assert_cmpuint(mount_getattr(mount, ino)->size, >, len);
    mount_read_all(mount, ino);
    assert_code(mount_read(mount, ino, 2 * len, 4096), 0);
    g_assert_cmpuint(mount_read(mount, ino, 2 * len, 4096)->len, ==, 0);
}

/* What was begun goes on, for the next who asks. */
static void test_interrupted(Mount *mount, gconstpointer data)
{
    guint64 ino = text_ino(mount, 9), unique;

    mount->backend->is_held = TRUE;
    unique = mount_send_getattr(mount, ino);
    g_assert_null(fakekernel_peek(mount->kernel, unique));
    fakekernel_interrupt(mount->kernel, unique);
    assert_code(fakekernel_wait(mount->kernel, unique), EINTR);
    mount->backend->is_held = FALSE;
    fakebackend_fulfil_all(mount->backend);
    check_text(mount);
    g_assert_null(cache_maker_wants(mount->cache)->head);
}

static void test_expunged(Mount *mount, gconstpointer data)
{
    guint64 ino = text_ino(mount, 9), unique;

    mount->backend->is_held = TRUE;
    unique = mount_send_getattr(mount, ino);
    g_assert_null(fakekernel_peek(mount->kernel, unique));
    fakebackend_expunge(mount->backend, mount->inbox, 9);
    mount->backend->is_held = FALSE;
    fakebackend_fulfil_all(mount->backend);
    assert_code(fakekernel_wait(mount->kernel, unique), ESTALE);
}

static void test_offline(Mount *mount, gconstpointer data)
{
    guint64 ino = text_ino(mount, 9);

    fakebackend_go_offline(mount->backend, MAIL_ERROR_OFFLINE, "the cable is cut");
    g_assert_cmpint(mount_getattr_code(mount, ino), ==, EHOSTUNREACH);
    assert_code(mount_read(mount, ino, 0, 10), EHOSTUNREACH);
}

static void test_offline_with_the_message(Mount *mount, gconstpointer data)
{
    guint64 ino = mount_ino(mount, "INBOX/u9.eml");

    (void)mount_ino(mount, ".mailfs/text/INBOX");
    mount_read_all(mount, ino);
    fakebackend_go_offline(mount->backend, MAIL_ERROR_OFFLINE, "the cable is cut");
    check_text(mount);
}

static void test_unmounted(Mount *mount, gconstpointer data)
{
    guint64 ino = text_ino(mount, 9), unique;

    mount->backend->is_held = TRUE;
    unique = mount_send_getattr(mount, ino);
    g_assert_null(fakekernel_peek(mount->kernel, unique));
    mount_end(mount);
    assert_code(fakekernel_wait(mount->kernel, unique), ENODEV);
    g_assert_null(cache_maker_wants(mount->cache)->head);
}

/* --- what is asked for together --- */

/* Asks for the size of the text of a new message of @n texts, whose tree is here; the answers of
 * the server are held. */
static guint64 send_getattr_of_texts(Mount *mount, guint n)
{
    guint64 ino;

    fakebackend_add_raw(mount->backend, mount->inbox, 10, make_letter_of_texts(n));
    ino = text_ino(mount, 10);
    (void)mount_ino(mount, ".mailfs/parts/INBOX/" INBOX_NAME ".u10/header");
    fakekernel_settle(mount->kernel);
    mount->backend->is_held = TRUE;
    return mount_send_getattr(mount, ino);
}

static void test_texts_are_wanted_together(Mount *mount, gconstpointer data)
{
    guint64 unique = send_getattr_of_texts(mount, 10);

    mount_wait_for_wants(mount, CACHE_WANT_BLOCK, 10);
    fakebackend_fulfil_all(mount->backend);
    assert_code(fakekernel_wait(mount->kernel, unique), 0);
}

static void test_many_texts_are_wanted_bit_by_bit(Mount *mount, gconstpointer data)
{
    guint64 unique = send_getattr_of_texts(mount, 200);
    g_autofree char *text = NULL;
    guint n_turns = 0;

    for (; !fakekernel_peek(mount->kernel, unique); n_turns++) {
        g_assert_cmpuint(n_turns, <, 4);
        g_assert_cmpuint(cache_wants(mount->cache)->length, <=, 64);
        fakebackend_fulfil_all(mount->backend);
    }
    text = mount_read_text(mount, ".mailfs/text/INBOX/" INBOX_NAME ".u10.txt");
    g_assert_true(g_str_has_suffix(text, "\n\nText 198.\n\nText 199.\n"));
}

/* What is here already is not asked for again. */
static void test_texts_of_a_message_that_is_here(Mount *mount, gconstpointer data)
{
    guint64 unique;

    mount_read_all(mount, mount_ino(mount, "INBOX/u9.eml"));
    (void)mount_ino(mount, ".mailfs/text/INBOX");
    fakekernel_settle(mount->kernel);
    mount->backend->is_held = TRUE;
    unique = mount_send_getattr(mount, text_ino(mount, 9));
    assert_code(fakekernel_wait(mount->kernel, unique), 0);
    g_assert_null(cache_wants(mount->cache)->head);
}

/* --- who else is served --- */

/* All is here already: only the making takes its time, and that is shared. */
static void test_many_do_not_hold_up_others(Mount *mount, gconstpointer data)
{
    guint64 inos[20], texts[20], statfs;

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
        fakebackend_add_raw(mount->backend, mount->inbox, 10 + i, make_long_letter(400000));
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autofree char *message = g_strdup_printf("INBOX/u%u.eml", 10 + i);
        g_autofree char *header =
            g_strdup_printf(".mailfs/parts/INBOX/" INBOX_NAME ".u%u/header", 10 + i);

        mount_read_all(mount, mount_ino(mount, message));
        (void)mount_ino(mount, header);
        inos[i] = text_ino(mount, 10 + i);
    }
    fakekernel_settle(mount->kernel);
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
        texts[i] = mount_send_getattr(mount, inos[i]);
    while (!cache_maker_wants(mount->cache)->head)
        g_main_context_iteration(NULL, TRUE);
    statfs = fakekernel_send(mount->kernel, FUSE_STATFS, INO_ROOT, NULL, 0, NULL);
    while (!fakekernel_is_answered(mount->kernel, statfs))
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpuint(cache_maker_wants(mount->cache)->length, >, G_N_ELEMENTS(texts) / 2);
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
        assert_code(fakekernel_wait(mount->kernel, texts[i]), 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mime_init();
#define text_test(path, func) g_test_add(path, Mount, NULL, set_up, func, mount_tear_down)
    text_test("/text/holds", test_text);
    text_test("/text/any-offset", test_any_offset);
    text_test("/text/useless-tree", test_useless_tree);
    text_test("/text/large", test_large);
    text_test("/text/interrupted", test_interrupted);
    text_test("/text/expunged", test_expunged);
    text_test("/text/offline/nothing-here", test_offline);
    text_test("/text/offline/message-here", test_offline_with_the_message);
    text_test("/text/unmounted", test_unmounted);
    text_test("/text/together/few", test_texts_are_wanted_together);
    text_test("/text/together/many", test_many_texts_are_wanted_bit_by_bit);
    text_test("/text/together/here", test_texts_of_a_message_that_is_here);
    text_test("/text/many", test_many_do_not_hold_up_others);
    return g_test_run();
}

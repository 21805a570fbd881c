/* SPDX-License-Identifier: MIT */
/* tests/fuzz/fuzz-imap-names.c - names, sets and arguments: what is written is what is read. */
#include <string.h>

#include "imap/command.h"
#include "imap/reader.h"
#include "mail/set.h"
#include "imap/utf7.h"

#include "tests/fuzz/fuzz.h"

static void check_utf7(const char *text)
{
    g_autofree char *decoded = imap_utf7_decode(text);

    if (decoded) {
        g_autofree char *again = imap_utf7_encode(decoded);

        g_assert_true(g_utf8_validate(decoded, -1, NULL));
        g_assert_cmpstr(again, ==, text);
    }
    if (g_utf8_validate(text, -1, NULL)) {
        g_autofree char *encoded = imap_utf7_encode(text);
        g_autofree char *again = imap_utf7_decode(encoded);

        g_assert_cmpstr(again, ==, text);
    }
}

static void check_set_text(const char *text)
{
    g_autoptr(MailSet) set = mail_set_parse(text, 1000);
    g_autoptr(MailSet) parsed = NULL;
    g_autofree char *first = NULL, *second = NULL;

    if (!set)
        return;
    first = mail_set_format(set);
    parsed = mail_set_parse(first, 1000);
    g_assert_nonnull(parsed);
    second = mail_set_format(parsed);
    g_assert_cmpstr(second, ==, first);
    for (guint i = 0; i < set->len; i++)
        g_assert_true(mail_set_contains(set, mail_set_range(set, i)->first));
}

/* Three bytes are one addition or removal, in a set and in a bitmap. */
static void check_set_changes(const uint8_t *data, size_t size)
{
    g_autoptr(MailSet) set = mail_set_new();
    gboolean bitmap[256] = {FALSE};

    for (; size >= 3; data += 3, size -= 3) {
        guint32 first = MIN(data[1], data[2]), last = MAX(data[1], data[2]);
        gboolean adds = data[0] & 1;

        if (adds)
            mail_set_add(set, first, last);
        else
            mail_set_remove(set, first, last);
        for (guint32 uid = first; uid <= last; uid++)
            bitmap[uid] = adds;
    }
    for (guint32 uid = 0; uid < 256; uid++)
        g_assert_cmpint(mail_set_contains(set, uid), ==, bitmap[uid]);
}

/* An argument of a command, read as if a server had sent it. */
static void check_argument(const char *bytes, gsize len, ImapLiteralMode mode)
{
    g_autoptr(ImapCommand) command = imap_command_new("X", mode);
    g_autoptr(ImapReader) reader = imap_reader_new(&imap_limits_default);
    g_autoptr(GString) all = g_string_new(NULL);
    const ImapResponse *response;
    gsize used;

    if (!imap_command_add_string(command, bytes, len, NULL)) {
        g_assert_nonnull(memchr(bytes, '\0', len));
        return;
    }
    imap_command_finish(command, "*");
    for (guint i = 0; i < imap_command_n_pieces(command); i++) {
        gsize piece_len;
        const char *piece = imap_command_piece(command, i, &piece_len);

        g_string_append_len(all, piece, (gssize)piece_len);
    }
    g_assert_cmpint(
        imap_reader_next(reader, (const guint8 *)all->str, all->len, &used, &response, NULL), ==,
        IMAP_READ_RESPONSE);
    g_assert_cmpuint(used, ==, all->len);
    g_assert_false(response->is_malformed);
    g_assert_null(response->values->next);
    g_assert_cmpmem(response->values->bytes, response->values->len, bytes, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);

    check_utf7(text);
    check_set_text(text);
    check_set_changes(data, size);
    check_argument((const char *)data, size, IMAP_LITERAL_SYNC);
    check_argument((const char *)data, size, IMAP_LITERAL_PLUS);
    return 0;
}

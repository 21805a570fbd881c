/* SPDX-License-Identifier: MIT */
/* tests/unit/mime/base64.c - regular base64: its measure, and where things lie in it. */
#include <string.h>

#include "mime/mime.h"

/* A section of @size octets, in lines. */
static GString *section_of(gsize size, gsize line_len, const char *eol, gboolean has_last_eol)
{
    g_autofree guint8 *bytes = g_malloc(size + 1);
    g_autofree char *raw = NULL;
    GString *section = g_string_new(NULL);
    gsize len;

    for (gsize i = 0; i < size; i++)
        bytes[i] = (guint8)(i * 31 + i / 256);
    raw = g_base64_encode(bytes, size);
    len = strlen(raw);
    for (gsize at = 0; at < len; at += line_len) {
        if (at > 0)
            g_string_append(section, eol);
        g_string_append_len(section, raw + at, (gssize)MIN(line_len, len - at));
    }
    if (has_last_eol)
        g_string_append(section, eol);
    return section;
}

static gboolean measure(const GString *section, gsize n_head, gsize n_tail, MailBase64 *layout)
{
    const guint8 *bytes = (const guint8 *)section->str;

    n_head = MIN(n_head, section->len);
    n_tail = MIN(n_tail, section->len);
    return mime_base64_measure(bytes, n_head, bytes + section->len - n_tail, n_tail, section->len,
                               layout);
}

static void check_octets(const GString *section, const MailBase64 *layout, gsize size)
{
    for (gsize i = 0; i < size; i++) {
        g_autoptr(MimeDecoder) decoder = mime_decoder_new("base64");
        g_autoptr(GByteArray) out = g_byte_array_new();
        guint64 offset = mime_base64_offset(layout, i);

        g_assert_cmpuint(offset, <=, section->len);
        mime_decoder_take(decoder, (const guint8 *)section->str + offset, section->len - offset,
                          out);
        mime_decoder_end(decoder, out);
        g_assert_cmpuint(out->len, ==, size - i / 3 * 3);
        g_assert_cmpuint(out->data[i % 3], ==, (guint8)(i * 31 + i / 256));
    }
}

static void test_regular(void)
{
    static const char *const eols[] = {"\r\n", "\n"};

    for (gsize size = 1; size < 300; size++)
        for (guint variant = 0; variant < 8; variant++) {
            g_autoptr(GString) section =
                section_of(size, variant & 4 ? 76 : 60, eols[variant & 1], (variant & 2) != 0);
            MailBase64 layout;

            g_assert_true(measure(section, 100, 100, &layout));
            g_assert_cmpuint(layout.size, ==, size);
            g_assert_true(mime_base64_fits(&layout, 0, (const guint8 *)section->str, section->len));
            if (size % 57 < 3)
                check_octets(section, &layout, size);
        }
}

/* One line, however long, with or without an end. */
static void test_one_line(void)
{
    for (gsize size = 1; size < 300; size++)
        for (guint variant = 0; variant < 2; variant++) {
            g_autoptr(GString) section = section_of(size, 1000, "\r\n", variant != 0);
            MailBase64 layout;

            g_assert_true(measure(section, 100, 100, &layout));
            g_assert_cmpuint(layout.size, ==, size);
            g_assert_true(mime_base64_fits(&layout, 0, (const guint8 *)section->str, section->len));
            if (size % 57 < 3)
                check_octets(section, &layout, size);
        }
}

/* Each octet of a section is looked at. */
static void test_one_wrong_octet(void)
{
    g_autoptr(GString) section = section_of(170, 76, "\r\n", TRUE);
    MailBase64 layout;

    g_assert_true(measure(section, 100, 100, &layout));
    for (gsize i = 0; i < section->len; i++) {
        char was = section->str[i];

        section->str[i] = '!';
        g_assert_false(
            mime_base64_fits(&layout, i / 2, (const guint8 *)section->str + i / 2, 1 + i - i / 2));
        section->str[i] = was;
    }
}

static const struct {
    const char *name, *section;
} irregular[] = {
    {"nothing", ""},
    {"no digit", "\r\n\r\n"},
    {"words", "This is a multi-part message.\r\n"},
    {"odd line", "SGVsb\r\nG8sI\r\n"},
    {"odd end", "SGVsbG8s\r\nSGVsb\r\n"},
    {"long last line", "SGVs\r\nbG8sSGVs\r\n"},
    {"padding alone", "SGVs\r\n===\r\n"},
    {"four paddings", "SGVs\r\n====\r\n"},
    {"only line ends at the end", "SGVsbG8s\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n"},
};

static void test_irregular(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(irregular); i++) {
        g_autoptr(GString) section = g_string_new(irregular[i].section);
        MailBase64 layout;

        g_test_message("%s", irregular[i].name);
        g_assert_false(measure(section, 20, 20, &layout) &&
                       mime_base64_fits(&layout, 0, (const guint8 *)section->str, section->len));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mime_init();
    g_test_add_func("/mime/base64/regular", test_regular);
    g_test_add_func("/mime/base64/one-line", test_one_line);
    g_test_add_func("/mime/base64/one-wrong-octet", test_one_wrong_octet);
    g_test_add_func("/mime/base64/irregular", test_irregular);
    return g_test_run();
}

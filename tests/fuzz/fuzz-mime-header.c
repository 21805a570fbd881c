/* SPDX-License-Identifier: MIT */
/* tests/fuzz/fuzz-mime-header.c - a header, and its octets as one value: text without controls. */
#include <string.h>

#include "mime/mime.h"

#include "tests/fuzz/fuzz.h"

static void check_line(const char *text)
{
    g_assert_true(g_utf8_validate(text, -1, NULL));
    for (; *text; text = g_utf8_next_char(text))
        g_assert_false(g_unichar_iscntrl(g_utf8_get_char(text)));
}

static void check_value(const uint8_t *data, size_t size)
{
    g_autofree char *decoded = mime_header_decode((const char *)data, size);

    check_line(decoded);
}

/* One line a field. */
static void check_print(const MailEnvelope *envelope)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_auto(GStrv) lines = NULL;
    guint n_lines;

    mime_envelope_print(envelope, out);
    g_byte_array_append(out, (const guint8 *)"", 1);
    g_assert_cmpuint(strlen((const char *)out->data), ==, out->len - 1);
    lines = g_strsplit((const char *)out->data, "\n", -1);
    n_lines = g_strv_length(lines);
    g_assert_cmpuint(n_lines, <=, 6);
    for (guint i = 0; i < n_lines; i++) {
        check_line(lines[i]);
        g_assert_true((strlen(lines[i]) == 0) == (i == n_lines - 1));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(MailEnvelope) envelope = NULL;

    mime_init();
    check_value(data, size);
    envelope = mime_envelope_parse(data, size);
    for (int i = 0; i < MAIL_ENVELOPE_N_FIELDS; i++) {
        check_line(mail_envelope_get(envelope, i));
        g_assert_cmpuint(strlen(mail_envelope_get(envelope, i)), <=, MAIL_ENVELOPE_FIELD_MAX);
    }
    check_print(envelope);
    return 0;
}

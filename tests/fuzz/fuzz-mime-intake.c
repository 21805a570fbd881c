/* SPDX-License-Identifier: MIT */
/* tests/fuzz/fuzz-mime-intake.c - what somebody writes, whole and split: the same message or fault.
 *
 * Input: two octets say how much is written at a time, the rest what.
 */
#include <string.h>

#include "mime/mime.h"

#include "tests/fuzz/fuzz.h"

#define HEAD 2

/* @out becomes the message, or says what is wrong with it. */
static gboolean run(const uint8_t *data, size_t size, size_t step, GByteArray *out)
{
    g_autoptr(MimeIntake) intake = mime_intake_new();
    g_autoptr(GError) error = NULL;
    gboolean is_fine = TRUE;

    for (size_t i = 0; is_fine && i < size; i += step)
        is_fine = mime_intake_feed(intake, data + i, MIN(step, size - i), out, &error);
    is_fine = is_fine && mime_intake_end(intake, out, &error);
    g_assert_true(is_fine == !error);
    if (!is_fine) {
        g_assert_error(error, MAIL_ERROR, MAIL_ERROR_INVALID);
        g_byte_array_set_size(out, 0);
        g_byte_array_append(out, (const guint8 *)error->message, (guint)strlen(error->message));
    }
    return is_fine;
}

/* Nothing but CR before LF was added, and line ends behind all. */
static void check_kept(const uint8_t *data, size_t size, const GByteArray *out)
{
    guint at = 0;

    for (size_t i = 0; i < size; i++) {
        if (data[i] == '\n' && (i == 0 || data[i - 1] != '\r'))
            g_assert_cmpint(out->data[at++], ==, '\r');
        g_assert_cmpint(out->data[at++], ==, data[i]);
    }
    g_assert_cmpuint(out->len - at, <=, strlen("\r\n\r\n"));
    for (; at < out->len; at++)
        g_assert_nonnull(memchr("\r\n", out->data[at], 2));
}

static void check_message(const GByteArray *out)
{
    g_autoptr(GByteArray) again = g_byte_array_new();

    g_assert_nonnull(g_strstr_len((const char *)out->data, out->len, "\r\n\r\n"));
    g_assert_null(memchr(out->data, '\0', out->len));
    g_assert_true(run(out->data, out->len, out->len, again));
    g_assert_cmpmem(again->data, again->len, out->data, out->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GByteArray) whole = g_byte_array_new(), parts = g_byte_array_new(),
                          octets = g_byte_array_new();
    size_t step;
    gboolean is_fine;

    if (size < HEAD)
        return 0;
    step = ((size_t)data[0] << 8 | data[1]) + 1;
    data += HEAD;
    size -= HEAD;
    is_fine = run(data, size, MAX(size, 1), whole);
    g_assert_cmpint(run(data, size, step, parts), ==, is_fine);
    g_assert_cmpint(run(data, size, 1, octets), ==, is_fine);
    g_assert_cmpmem(parts->data, parts->len, whole->data, whole->len);
    g_assert_cmpmem(octets->data, octets->len, whole->data, whole->len);
    if (is_fine) {
        check_kept(data, size, whole);
        check_message(whole);
    }
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* tests/fuzz/fuzz-mime-base64.c - a section of base64, measured and decoded: the same.
 *
 * Input: two octets say how much of its head and of its tail is measured, the rest is the section.
 */
#include <string.h>

#include "mime/mime.h"

#include "tests/fuzz/fuzz.h"

static GByteArray *decode(const uint8_t *data, size_t size)
{
    g_autoptr(MimeDecoder) decoder = mime_decoder_new("base64");
    GByteArray *out = g_byte_array_new();

    mime_decoder_take(decoder, data, size, out);
    mime_decoder_end(decoder, out);
    return out;
}

/* Where each group of three octets is said to lie, there it lies. */
static void check_offsets(const MailBase64 *layout, const uint8_t *data, size_t size,
                          const GByteArray *whole)
{
    for (guint i = 0; i < whole->len; i++) {
        guint64 offset = mime_base64_offset(layout, i);
        guint first = i / 3 * 3;
        g_autoptr(GByteArray) group = NULL;

        g_assert_cmpuint(offset, <=, size - 4);
        group = decode(data + offset, 4);
        g_assert_cmpmem(group->data, group->len, whole->data + first, MIN(3, whole->len - first));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree guint8 *head = NULL, *tail = NULL;
    g_autoptr(GByteArray) whole = NULL;
    MailBase64 layout;
    gsize n_head, n_tail;

    mime_init();
    if (size < 2)
        return 0;
    n_head = MIN((gsize)data[0] + 1, size - 2);
    n_tail = MIN((gsize)data[1] + 1, size - 2);
    data += 2;
    size -= 2;
    head = g_memdup2(data, n_head);
    tail = g_memdup2(data + size - n_tail, n_tail);
    if (!mime_base64_measure(head, n_head, tail, n_tail, size, &layout) ||
        !mime_base64_fits(&layout, 0, data, size))
        return 0;
    whole = decode(data, size);
    g_assert_cmpuint(layout.size, ==, whole->len);
    check_offsets(&layout, data, size, whole);
    return 0;
}

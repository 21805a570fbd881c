/* SPDX-License-Identifier: MIT */
/* tests/fuzz/fuzz-pop-reader.c - bytes of a server, whole, split and by bytes: the same, and within
 * limits.
 *
 * Input: two bytes say where to split, the third which limits hold ('d' the default, 's' small
 * ones).  Behind "+OK l" comes a list, behind "+OK m" a message.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/pop/dump.h"

static const PopLimits small = {
    .status_max = 40,
    .line_hold = 8,
    .lines_max = 4,
    .data_max = 60,
};

static char *run(const PopLimits *limits, const uint8_t *data, size_t size, size_t split)
{
    g_autoptr(PopReader) reader = pop_reader_new(limits);
    GString *out = g_string_new(NULL);

    if (dump_feed(out, reader, data, split))
        dump_feed(out, reader, data + split, size - split);
    return g_string_free(out, FALSE);
}

static char *run_by_bytes(const PopLimits *limits, const uint8_t *data, size_t size)
{
    g_autoptr(PopReader) reader = pop_reader_new(limits);
    GString *out = g_string_new(NULL);

    while (size-- > 0 && dump_feed(out, reader, data++, 1))
        continue;
    return g_string_free(out, FALSE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *whole = NULL, *parts = NULL, *bytes = NULL;
    const PopLimits *limits;
    size_t split;

    if (size < 3)
        return 0;
    limits = data[2] & 1 ? &small : &pop_limits_default;
    split = ((size_t)data[0] << 8 | data[1]) % (size - 2);
    data += 3;
    size -= 3;
    whole = run(limits, data, size, 0);
    parts = run(limits, data, size, split);
    bytes = run_by_bytes(limits, data, size);
    g_assert_cmpstr(whole, ==, parts);
    g_assert_cmpstr(whole, ==, bytes);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* tests/fuzz/fuzz-imap-reader.c - bytes of a server, whole and split: the same, and within limits.
 *
 * Input: two bytes say where to split, the third which limits hold ('d' the default, 's' small
 * ones).
 */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/imap/dump.h"

static const ImapLimits small = {
    .text_hold = 64,
    .text_max = 2000,
    .literal_hold = 10,
    .literals_hold = 25,
    .literals_max = 5,
    .literal_max = 1000,
    .literal_ask = 5,
    .depth_max = 4,
    .values_max = 12,
};

/* What one response holds. */
typedef struct {
    const ImapLimits *limits;
    gsize n_values, n_bytes;
} Sum;

static void check_values(Sum *sum, const ImapValue *value, guint depth)
{
    for (; value; value = value->next) {
        g_assert_cmpuint(depth, <=, sum->limits->depth_max);
        g_assert_cmpuint(value->len, <=, value->full_len);
        g_assert_true(value->type == IMAP_VALUE_LIST || !value->first);
        if (value->len != value->full_len)
            g_assert_cmpuint(value->len, <=, sum->limits->literal_hold);
        g_assert_cmpuint(value->full_len, <=,
                         MAX(sum->limits->literal_max, sum->limits->text_hold));
        sum->n_values++;
        sum->n_bytes += value->len;
        check_values(sum, value->first, depth + 1);
    }
}

static void check_response(const ImapLimits *limits, const ImapResponse *response)
{
    Sum sum = {.limits = limits};

    check_values(&sum, response->values, 0);
    check_values(&sum, response->code_args, 0);
    g_assert_cmpuint(sum.n_values, <=, limits->values_max);
    g_assert_cmpuint(sum.n_bytes, <=, limits->text_hold + limits->literals_hold);
    g_assert_cmpuint(strlen(response->text), <=, limits->text_hold);
    g_assert_true(response->is_status || !response->code);
    g_assert_true((response->kind == IMAP_RESPONSE_TAGGED) == (response->tag != NULL));
}

/* FALSE after an error. */
static gboolean feed(GString *out, ImapReader *reader, const ImapLimits *limits,
                     const uint8_t *data, size_t size)
{
    g_autofree guint8 *piece = g_memdup2(data, size);
    gsize used = 0;

    for (gsize off = 0; off < size; off += used) {
        const ImapResponse *response;
        g_autoptr(GError) error = NULL;

        switch (imap_reader_next(reader, piece + off, size - off, &used, &response, &error)) {
        case IMAP_READ_MORE: g_assert_cmpuint(used, ==, size - off); break;
        case IMAP_READ_RESPONSE:
            check_response(limits, response);
            dump_response(out, response);
            break;
        case IMAP_READ_LITERAL:
            check_response(limits, response);
            dump_announced(out, reader, response);
            break;
        case IMAP_READ_PIECE: dump_bytes(out, (const char *)piece + off, used); break;
        case IMAP_READ_ERROR:
            g_assert_error(error, MAIL_ERROR, MAIL_ERROR_PROTOCOL);
            g_string_append(out, error->message);
            return FALSE;
        }
    }
    return TRUE;
}

static char *run(const ImapLimits *limits, const uint8_t *data, size_t size, size_t split)
{
    g_autoptr(ImapReader) reader = imap_reader_new(limits);
    GString *out = g_string_new(NULL);

    if (feed(out, reader, limits, data, split) &&
        feed(out, reader, limits, data + split, size - split) && imap_reader_is_inside(reader))
        g_string_append(out, "...");
    return g_string_free(out, FALSE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const ImapLimits *limits;
    size_t split;

    if (size < 3)
        return 0;
    limits = data[2] & 1 ? &small : &imap_limits_default;
    split = ((size_t)data[0] << 8 | data[1]) % (size - 2);
    data += 3;
    size -= 3;
    {
        g_autofree char *whole = run(limits, data, size, 0);
        g_autofree char *parts = run(limits, data, size, split);

        g_assert_cmpstr(whole, ==, parts);
    }
    return 0;
}

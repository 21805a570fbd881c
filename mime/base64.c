/* SPDX-License-Identifier: MIT */
/* mime/base64.c - where in regular base64 a decoded octet lies (RFC 2045 6.8). */
#include <string.h>

#include "mime/mime.h"

static gboolean is_digit(guint8 c)
{
    return g_ascii_isalnum(c) || c == '+' || c == '/';
}

/* Octets of line end at @bytes, 0 where there is none. */
static guint line_end(const guint8 *bytes, gsize len)
{
    if (len >= 2 && bytes[0] == '\r' && bytes[1] == '\n')
        return 2;
    return len >= 1 && bytes[0] == '\n' ? 1 : 0;
}

/* How many characters of base64 there are from the beginning on. */
static gsize count_chars(const guint8 *bytes, gsize len)
{
    gsize n = 0;

    while (n < len && (is_digit(bytes[n]) || bytes[n] == '='))
        n++;
    return n;
}

/* The first line.  One that does not end among the octets at hand is all there is, if the last one
 * does not begin among those of the end. */
static gboolean measure_line(const guint8 *head, gsize n_head, const guint8 *tail, gsize n_tail,
                             guint64 used, MailBase64 *layout)
{
    gsize n = count_chars(head, n_head);

    layout->line_len = n;
    layout->eol_len = line_end(head + n, n_head - n);
    if (layout->eol_len == 0 && n == n_head && count_chars(tail, n_tail) == n_tail)
        layout->line_len = used;
    return layout->line_len > 0 && layout->line_len % 4 == 0 &&
           (layout->eol_len > 0 || layout->line_len == used);
}

/* What of the section are digits and padding, beginning at 0: without line ends at its end. */
static guint64 trim(const guint8 *tail, gsize n_tail, guint64 size)
{
    while (n_tail > 0 && (tail[n_tail - 1] == '\r' || tail[n_tail - 1] == '\n')) {
        n_tail--;
        size--;
    }
    return size;
}

static guint count_padding(const guint8 *tail, gsize n_tail, guint64 n_trimmed)
{
    gsize end = n_tail - (gsize)n_trimmed;
    guint n = 0;

    while (n < end && n < 3 && tail[end - 1 - n] == '=')
        n++;
    return n;
}

gboolean mime_base64_measure(const guint8 *head, gsize n_head, const guint8 *tail, gsize n_tail,
                             guint64 size, MailBase64 *ret_layout)
{
    MailBase64 layout = {0};
    guint64 used, n_chars;
    guint padding;

    if (size == 0)
        return FALSE;
    used = trim(tail, n_tail, size);
    if (size - used >= n_tail ||
        !measure_line(head, n_head, tail, n_tail - (gsize)(size - used), used, &layout))
        return FALSE;
    n_chars = used / (layout.line_len + layout.eol_len) * layout.line_len;
    if (used % (layout.line_len + layout.eol_len) > layout.line_len)
        return FALSE;
    n_chars += used % (layout.line_len + layout.eol_len);
    padding = count_padding(tail, n_tail, size - used);
    if (n_chars % 4 != 0 || padding > 2)
        return FALSE;
    layout.n_chars = n_chars;
    layout.size = n_chars / 4 * 3 - padding;
    *ret_layout = layout;
    return TRUE;
}

guint64 mime_base64_offset(const MailBase64 *layout, guint64 decoded)
{
    guint64 n = decoded / 3 * 4;

    return n / layout->line_len * (layout->line_len + layout->eol_len) + n % layout->line_len;
}

/* What stands at @at of a regular section. */
static gboolean is_expected(const MailBase64 *layout, guint64 at, guint8 c)
{
    guint64 step = layout->line_len + layout->eol_len, column = at % step;
    guint64 nth = at / step * layout->line_len + MIN(column, layout->line_len);
    guint64 n_digits = layout->n_chars - (3 - layout->size % 3) % 3;

    if (nth >= layout->n_chars)
        return c == '\r' || c == '\n';
    if (column < layout->line_len)
        return nth < n_digits ? is_digit(c) : c == '=';
    return c == (column == step - 1 ? '\n' : '\r');
}

gboolean mime_base64_fits(const MailBase64 *layout, guint64 offset, const guint8 *bytes, gsize len)
{
    for (gsize i = 0; i < len; i++)
        if (!is_expected(layout, offset + i, bytes[i]))
            return FALSE;
    return TRUE;
}

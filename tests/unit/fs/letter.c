/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/letter.c - messages with parts. */
#include "letter.h"

#include <string.h>

char *letter_mixed(const char *boundary, const char *fields, ...)
{
    GString *letter = g_string_new(fields);
    const char *part;
    va_list parts;

    g_string_append_printf(letter, "Content-Type: multipart/mixed; boundary=\"%s\"\r\n\r\n",
                           boundary);
    va_start(parts, fields);
    while ((part = va_arg(parts, const char *)))
        g_string_append_printf(letter, "--%s\r\n%s\r\n", boundary, part);
    va_end(parts);
    g_string_append_printf(letter, "--%s--\r\n", boundary);
    return g_string_free(letter, FALSE);
}

char *letter_part(const char *type, const char *encoding, const char *name, const char *body)
{
    g_autofree char *disposition =
        name ? g_strdup_printf("Content-Disposition: attachment; filename=\"%s\"\r\n", name)
             : g_strdup("");

    return g_strdup_printf("Content-Type: %s\r\nContent-Transfer-Encoding: %s\r\n%s\r\n%s", type,
                           encoding, disposition, body);
}

guint8 letter_byte(gsize offset)
{
    return (guint8)(offset * 7 + (offset >> 8) * 13 + (offset >> 16) * 31);
}

static char *digits(gsize len)
{
    g_autofree guint8 *bytes = g_malloc(len);

    for (gsize i = 0; i < len; i++)
        bytes[i] = letter_byte(i);
    return g_base64_encode(bytes, len);
}

char *letter_irregular_base64(gsize len, gsize line_len, gsize at)
{
    g_autofree char *all = digits(len);
    GString *lines = g_string_new(NULL);
    const char *from = all;
    gsize last_shift = 0;

    for (gsize nth = 0; *from; nth++) {
        gsize shift = nth == at ? 4 : 0, n = MIN(line_len - shift + last_shift, strlen(from));

        g_string_append_len(lines, from, (gssize)n);
        g_string_append(lines, "\r\n");
        from += n;
        last_shift = shift;
    }
    g_string_truncate(lines, lines->len - 2);
    return g_string_free(lines, FALSE);
}

char *letter_base64(gsize len, gsize line_len)
{
    return letter_irregular_base64(len, line_len, G_MAXSIZE);
}

GBytes *letter_of_all_kinds(void)
{
    g_autofree char *digits = letter_base64(1000, 76),
                    *text = letter_part("text/html; charset=utf-16", "quoted-printable", NULL, "x"),
                    *inner = letter_mixed("inner", "Subject: x\r\n", text, NULL),
                    *photo = letter_part("image/png", "base64", "photo.png", digits),
                    *message = letter_part("message/rfc822", "7bit", NULL, inner);
    char *all = letter_mixed("outer", "", text, photo, message, NULL);

    return g_bytes_new_take(all, strlen(all));
}

/* SPDX-License-Identifier: MIT */
/* imap/utf7.c - modified UTF-7: printable ASCII as it is, the rest as UTF-16 in base64. */
#include "imap/utf7.h"

#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static gboolean is_printable(char c)
{
    return c >= 0x20 && c <= 0x7e;
}

static void append_shifted(GString *out, const gunichar2 *units, glong n_units)
{
    guint32 bits = 0;
    guint n_bits = 0;

    g_string_append_c(out, '&');
    for (glong i = 0; i < n_units; i++) {
        bits = bits << 16 | units[i];
        for (n_bits += 16; n_bits >= 6; n_bits -= 6)
            g_string_append_c(out, digits[bits >> (n_bits - 6) & 63]);
    }
    if (n_bits > 0)
        g_string_append_c(out, digits[bits << (6 - n_bits) & 63]);
    g_string_append_c(out, '-');
}

char *imap_utf7_encode(const char *name)
{
    GString *out = g_string_new(NULL);

    while (*name) {
        const char *end = name;
        g_autofree gunichar2 *units = NULL;
        glong n_units;

        if (*name == '&') {
            g_string_append(out, "&-");
            name++;
            continue;
        }
        if (is_printable(*name)) {
            g_string_append_c(out, *name++);
            continue;
        }
        while (*end && !is_printable(*end))
            end++;
        units = g_utf8_to_utf16(name, end - name, NULL, &n_units, NULL);
        if (units)
            append_shifted(out, units, n_units);
        name = end;
    }
    return g_string_free(out, FALSE);
}

/* Base64 to UTF-16 to UTF-8.  Loose; the caller compares. */
static gboolean append_unshifted(GString *out, const char *text, gsize len)
{
    g_autoptr(GArray) units = g_array_new(FALSE, FALSE, sizeof(gunichar2));
    g_autofree char *utf8 = NULL;
    guint32 bits = 0;
    guint n_bits = 0;

    for (gsize i = 0; i < len; i++) {
        const char *digit = strchr(digits, text[i]);
        gunichar2 unit;

        if (!digit)
            return FALSE;
        bits = bits << 6 | (guint32)(digit - digits);
        n_bits += 6;
        if (n_bits < 16)
            continue;
        n_bits -= 16;
        unit = (gunichar2)(bits >> n_bits);
        if (unit == 0)
            return FALSE;
        g_array_append_val(units, unit);
    }
    if (units->len == 0)
        return FALSE;
    utf8 = g_utf16_to_utf8((gunichar2 *)(gpointer)units->data, units->len, NULL, NULL, NULL);
    if (!utf8)
        return FALSE;
    g_string_append(out, utf8);
    return TRUE;
}

static char *decode_loosely(const char *name)
{
    g_autoptr(GString) out = g_string_new(NULL);

    while (*name) {
        gsize len = strcspn(name, "&");
        const char *end;

        g_string_append_len(out, name, (gssize)len);
        name += len;
        if (*name == '\0')
            break;
        end = strchr(name, '-');
        if (!end)
            return NULL;
        if (end == name + 1)
            g_string_append_c(out, '&');
        else if (!append_unshifted(out, name + 1, (gsize)(end - name - 1)))
            return NULL;
        name = end + 1;
    }
    return g_string_free(g_steal_pointer(&out), FALSE);
}

char *imap_utf7_decode(const char *name)
{
    g_autofree char *decoded = decode_loosely(name);
    g_autofree char *again = NULL;

    if (!decoded || !g_utf8_validate(decoded, -1, NULL))
        return NULL;
    again = imap_utf7_encode(decoded);
    return g_str_equal(again, name) ? g_steal_pointer(&decoded) : NULL;
}

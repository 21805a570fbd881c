/* SPDX-License-Identifier: MIT */
/* fs/box-names.c - how mailboxes are called in the mount.
 *
 * What must not be in a name becomes %XX; so does '%' itself.  A name that the server wrote in its
 * own way, or that is too long, ends in '~' and 32 hex digits of a sum of its whole name; a name
 * that ends like that by itself has its '~' encoded, so the two never meet.
 */
#include <string.h>

#include "fs/names.h"

#define SUM_DIGITS 32
#define CUT_LEN    (FS_NAME_MAX - 1 - SUM_DIGITS)

static gboolean is_bidi(gunichar c)
{
    return c == 0x61c || (c >= 0x200e && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

static gboolean is_shown(gunichar c)
{
    return c >= 0x20 && c != '/' && c != '%' && !(c >= 0x7f && c < 0xa0) && c != 0x2028 &&
           c != 0x2029 && !is_bidi(c);
}

static void append_encoded(GString *out, const char *bytes, gsize len)
{
    for (gsize i = 0; i < len; i++)
        g_string_append_printf(out, "%%%02X", (guchar)bytes[i]);
}

static void encode_utf8(GString *out, const char *name)
{
    for (const char *p = name; *p;) {
        gunichar c = g_utf8_get_char_validated(p, -1);
        gboolean is_valid = c != (gunichar)-1 && c != (gunichar)-2;
        gsize width = is_valid ? (gsize)(g_utf8_next_char(p) - p) : 1;

        if (is_valid && is_shown(c))
            g_string_append_len(out, p, width);
        else
            append_encoded(out, p, width);
        p += width;
    }
}

static void encode_raw(GString *out, const char *name)
{
    for (; *name; name++)
        if (*name == '&' || (guchar)*name >= 0x7f || !is_shown((guchar)*name))
            append_encoded(out, name, 1);
        else
            g_string_append_c(out, *name);
}

/* Whether @name ends as sums do. */
static gboolean has_sum(const char *name, gsize len)
{
    const char *tail = name + len - SUM_DIGITS;

    if (len <= SUM_DIGITS || tail[-1] != '~')
        return FALSE;
    return strspn(tail, "0123456789abcdef") == SUM_DIGITS;
}

static void encode_at(GString *name, gsize at)
{
    char byte = name->str[at];

    g_string_erase(name, at, 1);
    g_string_insert(name, at, byte == '.' ? "%2E" : "%7E");
}

static void append_sum(GString *out, const char *wire)
{
    g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, wire, -1);
    const char *end;

    if (out->len > CUT_LEN) {
        end = g_utf8_find_prev_char(out->str, out->str + CUT_LEN + 1);
        g_string_truncate(out, end - out->str);
    }
    g_string_append_printf(out, "~%.*s", SUM_DIGITS, sum);
}

char *fs_names_box(const char *name, gboolean is_raw, const char *wire)
{
    g_autoptr(GString) out = g_string_new(NULL);
    guint32 uid;

    if (is_raw)
        encode_raw(out, name);
    else
        encode_utf8(out, name);
    if (!out->len)
        g_string_append_c(out, '%');
    if (out->str[0] == '.')
        encode_at(out, 0);
    if (g_str_has_suffix(out->str, ".eml"))
        encode_at(out, out->len - 4);
    if (fs_names_parse(out->str, FS_NAME_TEXT, &uid) ||
        fs_names_parse(out->str, FS_NAME_PARTS, &uid))
        encode_at(out, strrchr(out->str, '.') - out->str);
    if (!is_raw && has_sum(out->str, out->len))
        encode_at(out, out->len - SUM_DIGITS - 1);
    if (is_raw || out->len > FS_NAME_MAX)
        append_sum(out, wire ? wire : name);
    return g_string_free(g_steal_pointer(&out), FALSE);
}

/* Appends the byte that begins at @p; returns how many it is written with. */
static gsize take_byte(GString *out, const char *p)
{
    if (p[0] == '%' && g_ascii_isxdigit(p[1]) && g_ascii_isxdigit(p[2])) {
        g_string_append_c(out,
                          (char)(g_ascii_xdigit_value(p[1]) * 16 + g_ascii_xdigit_value(p[2])));
        return 3;
    }
    g_string_append_c(out, p[0]);
    return 1;
}

/* What is wrong with a mailbox's component; NULL when nothing is. */
static const char *find_fault(const GString *name)
{
    g_autofree char *shown = NULL;

    if (!name->len)
        return "is empty";
    for (gsize i = 0; i < name->len; i++)
        if (strchr("\r\n", name->str[i])) /* finds the NUL at its end, too */
            return "holds a line end or NUL";
    if (!g_utf8_validate(name->str, (gssize)name->len, NULL))
        return "is not UTF-8";
    shown = fs_names_box(name->str, FALSE, name->str);
    return has_sum(shown, strlen(shown)) ? "is too long" : NULL;
}

char *fs_names_box_decode(const char *name, GError **error)
{
    g_autoptr(GString) out = g_string_new(NULL);
    const char *fault;

    while (*name)
        name += take_byte(out, name);
    fault = find_fault(out);
    if (fault) {
        g_set_error(error, MAIL_ERROR, MAIL_ERROR_INVALID, "the name %s", fault);
        return NULL;
    }
    return g_string_free(g_steal_pointer(&out), FALSE);
}

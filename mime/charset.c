/* SPDX-License-Identifier: MIT */
/* mime/charset.c - text of any charset to UTF-8.
 *
 * Only charsets of this list are asked for by name: what mail says goes nowhere else.  Names that
 * stand for less than senders mean by them stand for the larger set, as they do in browsers.
 */
#include <errno.h>
#include <string.h>

#include "mime/private.h"

#define REPLACEMENT "\357\277\275" /* U+FFFD */
#define PIECE_MAX   ((gsize)16 * 1024)
#define CARRY_MAX   16 /* octets of a character that has not come whole */

static const struct {
    const char *name, *converter;
} charsets[] = {
    {"utf-8", "UTF-8"},
    {"utf8", "UTF-8"},
    {"us-ascii", "UTF-8"},
    {"ascii", "UTF-8"},
    {"latin1", "CP1252"},
    {"iso-8859-1", "CP1252"},
    {"iso-8859-2", "ISO-8859-2"},
    {"iso-8859-3", "ISO-8859-3"},
    {"iso-8859-4", "ISO-8859-4"},
    {"iso-8859-5", "ISO-8859-5"},
    {"iso-8859-6", "ISO-8859-6"},
    {"iso-8859-7", "ISO-8859-7"},
    {"iso-8859-8", "ISO-8859-8"},
    {"iso-8859-8-i", "ISO-8859-8"},
    {"iso-8859-9", "CP1254"},
    {"iso-8859-10", "ISO-8859-10"},
    {"iso-8859-11", "CP874"},
    {"iso-8859-13", "ISO-8859-13"},
    {"iso-8859-14", "ISO-8859-14"},
    {"iso-8859-15", "ISO-8859-15"},
    {"iso-8859-16", "ISO-8859-16"},
    {"windows-1250", "CP1250"},
    {"windows-1251", "CP1251"},
    {"windows-1252", "CP1252"},
    {"windows-1253", "CP1253"},
    {"windows-1254", "CP1254"},
    {"windows-1255", "CP1255"},
    {"windows-1256", "CP1256"},
    {"windows-1257", "CP1257"},
    {"windows-1258", "CP1258"},
    {"windows-874", "CP874"},
    {"cp1250", "CP1250"},
    {"cp1251", "CP1251"},
    {"cp1252", "CP1252"},
    {"cp437", "CP437"},
    {"cp850", "CP850"},
    {"cp866", "CP866"},
    {"ibm850", "CP850"},
    {"ibm866", "CP866"},
    {"koi8-r", "KOI8-R"},
    {"koi8-u", "KOI8-U"},
    {"macintosh", "MACINTOSH"},
    {"tis-620", "CP874"},
    {"viscii", "VISCII"},
    {"gb2312", "GB18030"},
    {"gbk", "GB18030"},
    {"gb18030", "GB18030"},
    {"big5", "BIG5-HKSCS"},
    {"euc-jp", "EUC-JP"},
    {"iso-2022-jp", "ISO-2022-JP-2"},
    {"iso-2022-jp-2", "ISO-2022-JP-2"},
    {"shift_jis", "CP932"},
    {"shift-jis", "CP932"},
    {"windows-31j", "CP932"},
    {"euc-kr", "CP949"},
    {"ks_c_5601-1987", "CP949"},
    {"iso-2022-kr", "ISO-2022-KR"},
    {"utf-7", "UTF-7"},
    {"utf-16", "UTF-16"},
    {"utf-16be", "UTF-16BE"},
    {"utf-16le", "UTF-16LE"},
};

struct MimeCharset {
    GIConv converter; /* NULL: it is UTF-8, or meant to be */
    gsize piece_max;
    char carry[CARRY_MAX];
    gsize n_carry;
};

static const char *find_converter(const char *name)
{
    for (gsize i = 0; name && i < G_N_ELEMENTS(charsets); i++)
        if (g_ascii_strcasecmp(name, charsets[i].name) == 0)
            return charsets[i].converter;
    return NULL;
}

gboolean mime_charset_is_known(const char *name)
{
    return find_converter(name) != NULL;
}

MimeCharset *mime_charset_new(const char *name)
{
    MimeCharset *charset = g_new0(MimeCharset, 1);
    const char *from = find_converter(name);

    if (from && !g_str_equal(from, "UTF-8"))
        charset->converter = g_iconv_open("UTF-8", from);
    /* Behind an error glibc's state depends on how much it was given at once, and makes all that
     * follows wrong. */
    charset->piece_max = g_strcmp0(from, "UTF-7") == 0 ? 1 : PIECE_MAX;
    if (charset->converter == (GIConv)-1) /* the system's converters are not all there */
        charset->converter = NULL;
    return charset;
}

void mime_charset_free(MimeCharset *charset)
{
    if (!charset)
        return;
    if (charset->converter)
        g_iconv_close(charset->converter);
    g_free(charset);
}

static void put(GByteArray *out, const char *text, gsize len)
{
    g_byte_array_append(out, (const guint8 *)text, (guint)len);
}

/* --- each converts what can be, and returns how many octets that took: all but an incomplete
 * character --- */

static gsize convert(MimeCharset *charset, const char *bytes, gsize len, GByteArray *out)
{
    char *at = (char *)bytes, text[4096];
    gsize left = len;

    while (left > 0) {
        char *to = text;
        gsize room = sizeof text;
        int code = g_iconv(charset->converter, &at, &left, &to, &room) == (gsize)-1 ? errno : 0;

        put(out, text, sizeof text - room);
        if (code == EINVAL)
            break;
        if (code != 0 && code != E2BIG) {
            put(out, REPLACEMENT, strlen(REPLACEMENT));
            if (charset->piece_max == 1)
                g_iconv(charset->converter, NULL, NULL, NULL, NULL);
            at++;
            left--;
        }
    }
    return len - left;
}

/* Whether a character begins that goes on behind @end; where a NUL stands in it, it is wrong. */
static gboolean is_cut(const char *at, const char *end)
{
    return g_utf8_get_char_validated(at, end - at) == (gunichar)-2 &&
           !memchr(at, '\0', (gsize)(end - at));
}

static gsize copy_utf8(const char *bytes, gsize len, GByteArray *out)
{
    const char *at = bytes, *end = bytes + len, *wrong;

    while (at < end) {
        g_utf8_validate_len(at, (gsize)(end - at), &wrong);
        put(out, at, (gsize)(wrong - at));
        at = wrong;
        if (at == end || is_cut(at, end))
            break;
        if (*at == '\0') /* only g_utf8_validate_len() minds */
            put(out, at, 1);
        else
            put(out, REPLACEMENT, strlen(REPLACEMENT));
        at++;
    }
    return (gsize)(at - bytes);
}

static void take_piece(MimeCharset *charset, const char *bytes, gsize len, GByteArray *out)
{
    g_autofree char *joined = NULL;
    gsize n_taken;

    if (charset->n_carry > 0) {
        joined = g_malloc(charset->n_carry + len);
        memcpy(joined, charset->carry, charset->n_carry);
        memcpy(joined + charset->n_carry, bytes, len);
        bytes = joined;
        len += charset->n_carry;
    }
    n_taken = charset->converter ? convert(charset, bytes, len, out) : copy_utf8(bytes, len, out);
    charset->n_carry = MIN(len - n_taken, CARRY_MAX);
    memmove(charset->carry, bytes + n_taken, charset->n_carry);
}

void mime_charset_take(MimeCharset *charset, const guint8 *bytes, gsize len, GByteArray *out)
{
    for (gsize n; len > 0; bytes += n, len -= n) {
        n = MIN(len, charset->piece_max);
        take_piece(charset, (const char *)bytes, n, out);
    }
}

void mime_charset_end(MimeCharset *charset, GByteArray *out)
{
    char text[64], *to = text;
    gsize room = sizeof text;

    if (charset->n_carry > 0)
        put(out, REPLACEMENT, strlen(REPLACEMENT));
    charset->n_carry = 0;
    if (!charset->converter)
        return;
    g_iconv(charset->converter, NULL, NULL, &to, &room);
    put(out, text, sizeof text - room);
}

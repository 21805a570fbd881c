/* SPDX-License-Identifier: MIT */
/* tests/unit/mime/charset.c - charsets to UTF-8, however the octets are sliced. */
#include <string.h>

#include "mime/private.h"
#include "tests/unit/trickle.h"

#define FFFD "\357\277\275"

typedef struct {
    const char *name, *charset, *raw, *expected;
} Row;

static const Row rows[] = {
    {"utf-8", "UTF-8", "Gr\303\274\303\237e \360\237\246\206",
     "Gr\303\274\303\237e \360\237\246\206"},
    {"utf-8-wrong", "utf-8", "a\374b\303", "a" FFFD "b" FFFD},
    {"utf-8-overlong", "utf-8", "\300\257", FFFD FFFD},
    {"utf-8-surrogate", "utf-8", "\355\240\200", FFFD FFFD FFFD},
    {"utf-8-cut-inside", "utf-8", "a\342\202b\360\237", "a" FFFD FFFD "b" FFFD},
    {"utf-8-beyond", "utf-8", "\364\220\200\200", FFFD FFFD FFFD FFFD},
    {"us-ascii", "US-ASCII", "plain", "plain"},
    {"us-ascii-that-is-not", "us-ascii", "\303\274 \374", "\303\274 " FFFD},
    {"none", NULL, "\303\274 \374", "\303\274 " FFFD},
    {"unknown", "x-klingon", "a\303\274\374", "a\303\274" FFFD},
    {"hostile", "../../etc/passwd//TRANSLIT", "a", "a"},
    {"latin-1", "iso-8859-1", "Gr\374\337e \200", "Gr\303\274\303\237e \342\202\254"},
    {"latin-1-undefined", "iso-8859-1", "a\201b", "a" FFFD "b"},
    {"latin-9", "ISO-8859-15", "\244", "\342\202\254"},
    {"windows-1251", "windows-1251", "\317\360\350", "\320\237\321\200\320\270"},
    {"koi8-r", "KOI8-R", "\360\322", "\320\237\321\200"},
    {"greek", "iso-8859-7", "\341\342", "\316\261\316\262"},
    {"shift_jis", "Shift_JIS", "\223\372\226{", "\346\227\245\346\234\254"},
    {"iso-2022-jp", "iso-2022-jp", "a\033$BF|K\\\033(Bb", "a\346\227\245\346\234\254b"},
    {"euc-jp", "euc-jp", "\306\374\313\334", "\346\227\245\346\234\254"},
    {"gb2312", "gb2312", "\326\320\316\304", "\344\270\255\346\226\207"},
    {"gb18030", "gb18030", "\201\060\204\066", "\302\245"},
    {"big5", "big5", "\244\244\244\345", "\344\270\255\346\226\207"},
    {"euc-kr", "euc-kr", "\307\321\261\333", "\355\225\234\352\270\200"},
    {"ks_c", "ks_c_5601-1987", "\307\321", "\355\225\234"},
    {"utf-7", "utf-7", "Gr+APwA3w-e", "Gr\303\274\303\237e"},
    {"utf-7-wrong", "utf-7", "+333-b", FFFD "-b"},
    {"thai", "tis-620", "\241", "\340\270\201"},
    {"cut", "shift_jis", "a\223", "a" FFFD},
};

typedef struct {
    MimeCharset *charset;
    GByteArray *out;
} Run;

static const char *charset; /* of the row at hand */

static gpointer begin(void)
{
    Run *run = g_new0(Run, 1);

    run->charset = mime_charset_new(charset);
    run->out = g_byte_array_new();
    return run;
}

static void feed(gpointer parser, const guint8 *bytes, gsize len)
{
    Run *run = parser;

    mime_charset_take(run->charset, bytes, len, run->out);
}

static char *finish(gpointer parser)
{
    Run *run = parser;
    char *text;

    mime_charset_end(run->charset, run->out);
    text = g_strndup((const char *)run->out->data, run->out->len);
    g_byte_array_unref(run->out);
    mime_charset_free(run->charset);
    g_free(run);
    return text;
}

static const Trickle trickle = {begin, feed, finish};

static void test_row(gconstpointer data)
{
    const Row *row = data;
    g_autofree char *text = NULL;

    charset = row->charset;
    text = trickle_run(&trickle, row->raw, strlen(row->raw), 100);
    g_assert_cmpstr(text, ==, row->expected);
}

/* Whatever the octets are, the text is UTF-8. */
static void test_any_octets(void)
{
    static const char *const names[] = {
        "utf-8",       "iso-8859-1", "shift_jis", "gb18030",   "euc-kr",      "big5",      "utf-7",
        "iso-2022-jp", "utf-16",     "koi8-r",    "x-unknown", "iso-2022-kr", "iso-8859-6"};

    for (gsize n = 0; n < G_N_ELEMENTS(names); n++) {
        g_autofree guint8 *bytes = g_malloc(5000);
        g_autofree char *text = NULL;

        for (guint i = 0; i < 5000; i++)
            bytes[i] = (guint8)(i * i * 7 + i / 13);
        charset = names[n];
        text = trickle_run(&trickle, bytes, 5000, 0);
        g_assert_true(g_utf8_validate(text, -1, NULL));
    }
}

/* Names are only looked up. */
static void test_long_name(void)
{
    g_autofree char *name = g_strnfill(1024 * 1024, 'x');
    g_autofree char *text = NULL;

    charset = name;
    text = trickle_run(&trickle, "a\303\274\377", 4, 100);
    g_assert_cmpstr(text, ==, "a\303\274" FFFD);
}

/* A NUL is a character, and ends one that is cut. */
static void test_nul(void)
{
    static const char raw[] = "a\0b\372\226\0c", expected[] = "a\0b" FFFD FFFD "\0c";

    for (gsize cut = 0; cut < sizeof raw; cut++) {
        g_autoptr(MimeCharset) utf8 = mime_charset_new("utf-8");
        g_autoptr(GByteArray) out = g_byte_array_new();

        mime_charset_take(utf8, (const guint8 *)raw, cut, out);
        mime_charset_take(utf8, (const guint8 *)raw + cut, sizeof raw - 1 - cut, out);
        mime_charset_end(utf8, out);
        g_assert_cmpmem(out->data, out->len, expected, sizeof expected - 1);
    }
}

static void test_known(void)
{
    g_assert_true(mime_charset_is_known("Windows-1252"));
    g_assert_false(mime_charset_is_known("x-unknown"));
    g_assert_false(mime_charset_is_known(NULL));
    mime_charset_free(NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mime_init();
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strconcat("/mime/charset/", rows[i].name, NULL);

        g_test_add_data_func(path, &rows[i], test_row);
    }
    g_test_add_func("/mime/charset/any-octets", test_any_octets);
    g_test_add_func("/mime/charset/long-name", test_long_name);
    g_test_add_func("/mime/charset/nul", test_nul);
    g_test_add_func("/mime/charset/known", test_known);
    return g_test_run();
}

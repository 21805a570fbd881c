/* SPDX-License-Identifier: MIT */
/* tests/unit/mime/header.c - header values as people read them. */
#include <string.h>

#include "mime/mime.h"

#define FFFD "\357\277\275"

typedef struct {
    const char *name, *raw, *expected;
} Row;

static const Row rows[] = {
    {"empty", "", ""},
    {"plain", "Re: Budget 2026", "Re: Budget 2026"},
    {"folded", "a long\r\n subject", "a long subject"},
    {"folded-bare", "a long\n\tsubject", "a long subject"},
    {"folded-encoded", "=?utf-8?q?a?=\r\n =?utf-8?q?b?=", "ab"},
    {"q", "=?utf-8?Q?Entw=C3=BCrfe_neu?=", "Entw\303\274rfe neu"},
    {"b", "=?UTF-8?B?R3LDvMOfZQ==?=", "Gr\303\274\303\237e"},
    {"latin-1", "=?iso-8859-1?q?Gr=FC=DFe?=", "Gr\303\274\303\237e"},
    {"windows-1252", "=?windows-1252?q?=80_5?=", "\342\202\254 5"},
    {"iso-2022-jp", "=?ISO-2022-JP?B?GyRCRnxLXBsoQg==?=", "\346\227\245\346\234\254"},
    {"koi8-r", "=?koi8-r?B?8NLJ18XU?=", "\320\237\321\200\320\270\320\262\320\265\321\202"},
    {"language", "=?us-ascii*en?q?hello?=", "hello"}, /* RFC 2231 */
    {"language-unknown", "=?x*en?q?a?= =?X*de?q?b?=", "ab"},
    {"latin-1-as-browsers", "=?iso-8859-1?q?=80_5?=", "\342\202\254 5"},
    {"gb2312-as-browsers", "=?gb2312?b?gTCENg==?=", "\302\245"},
    {"not-listed", "=?ibm037?q?=C1?=", FFFD}, /* that iconv knows */
    {"not-listed-b", "a =?IBM037?B?wcI=?= b", "a " FFFD FFFD " b"},
    {"not-listed-language", "=?ibm037*en?q?=C1?=", FFFD},
    {"not-listed-suffix", "=?us-ascii//translit?q?=FC?=", FFFD},
    {"not-listed-utf-8", "=?x-unknown?q?=C3=A4=FC?=", "\303\244" FFFD},
    {"no-charset", "=?\?q?=C3=A4?=", "\303\244"},
    {"blank-in-charset", "=?ibm 037?q?=C1?=", "=?ibm 037?q?=C1?="},
    {"beside-text", "Re: =?utf-8?q?=C3=A4?= end", "Re: \303\244 end"},
    {"split-character", "=?utf-8?q?=C3?= =?utf-8?q?=A4?=", "\303\244"},
    {"split-character-b", "=?utf-8?b?ww==?= =?UTF-8?B?pA==?=", "\303\244"},
    {"split-character-mixed", "=?utf-8?b?ww==?= =?utf-8?q?=A4?=", "\303\244"},
    {"split-character-cases", "=?gb2312?q?=D6?= =?GB2312?B?0A==?=", "\344\270\255"},
    {"split-character-charsets", "=?utf-8?q?=C3?= =?koi8-r?q?=F0?=", FFFD "\320\237"},
    {"split-character-text", "=?utf-8?q?=C3?= a =?utf-8?q?=A4?=", FFFD " a " FFFD},
    {"split-folded", "=?utf-8?q?=C3?=\r\n\t =?utf-8?q?=A4?= x", "\303\244 x"},
    {"padded", "=?utf-8?B?YWI=?= =?utf-8?B?ZGVm?=", "abdef"},
    {"padded-all", "=?utf-8?B?YQ==?= =?utf-8?B?YmM=?= =?utf-8?B?ZA==?=", "abcd"},
    {"padded-adjacent", "=?utf-8?B?YWI=?==?utf-8?B?ZGVm?=", "abdef"},
    {"padded-empty", "=?utf-8?B?YWI=?= =?utf-8?B?\?= =?utf-8?B?ZGVm?=", "abdef"},
    {"padded-latin-1", "=?iso-8859-1?B?/A==?= =?iso-8859-1?B?3w==?=", "\303\274\303\237"},
    {"padded-charsets", "=?iso-8859-1?B?/A==?= =?utf-8?B?w58=?=", "\303\274\303\237"},
    {"padded-iso-2022-jp",
     "=?ISO-2022-JP?B?GyRCRnwbKEI=?= =?ISO-2022-JP?B?GyRCS1wbKEI=?=", "\346\227\245\346\234\254"},
    {"padded-language", "=?utf-8*en?B?YWI=?= =?utf-8*de?B?ZGVm?=", "abdef"},
    {"padded-text", "=?utf-8?B?YWI=?= - =?utf-8?B?ZGVm?=", "ab - def"},
    {"padded-blank", "=?utf-8?B?YSA=?= =?utf-8?B?IGI=?=", "a  b"},
    {"unpadded", "=?utf-8?B?YWI?= =?utf-8?B?ZGVm?=", "abdef"},
    {"empty-word", "=?utf-8?q?a?= =?utf-8?q?\?= =?utf-8?q?b?=", "ab"},
    {"raw-utf-8", "Gr\303\274\303\237e", "Gr\303\274\303\237e"},
    {"raw-latin-1", "Gr\374\337e", "Gr\303\274\303\237e"},
    {"raw-both", "\303\274 \374 \303\274", "\303\274 \303\274 \303\274"},
    {"raw-beside-word", "\374=?utf-8?q?=C3=A4?= \374", "\303\274\303\244 \303\274"},
    {"q-that-is-not", "=?utf-8?q?a=b=C_=?=", "a=b=C ="},
    {"decoded-is-no-word", "=?utf-8?q?=3D=3Futf-8=3Fq=3Fa=3F=3D?=", "=?utf-8?q?a?="},
    {"no-end", "=?utf-8?q?abc", "=?utf-8?q?abc"},
    {"control", "a\033[31mb\177c\002", "a [31mb c "},
    {"encoded-control", "=?utf-8?q?a=0D=0Ab=1B?=", "a  b "},
    {"control-c1", "=?utf-8?q?a=C2=9B31mb?=", "a  31mb"}, /* U+009B begins a sequence, too */
    {"bare-cr", "a\rb", "a b"},
};

static void test_row(gconstpointer data)
{
    const Row *row = data;
    g_autofree char *decoded = mime_header_decode(row->raw, strlen(row->raw));

    g_assert_cmpstr(decoded, ==, row->expected);
}

/* Valid UTF-8 without controls, and as many bytes as it says. */
static void check_clean(const char *bytes, gsize len)
{
    g_autofree char *exact = len ? g_memdup2(bytes, len) : g_strdup("");
    g_autofree char *decoded = mime_header_decode(exact, len);

    g_assert_nonnull(decoded);
    g_assert_true(g_utf8_validate(decoded, -1, NULL));
    for (const char *p = decoded; *p; p = g_utf8_next_char(p))
        g_assert_false(g_unichar_iscntrl(g_utf8_get_char(p)));
}

static void test_nul(void)
{
    g_autofree char *raw = mime_header_decode("a\0b", 3);
    g_autofree char *encoded = mime_header_decode("\303\244\0b", 4);
    static const char hidden[] = "=?utf-8?q?a=00b?=";

    g_assert_cmpstr(raw, ==, "a b");
    g_assert_cmpstr(encoded, ==, "\303\244 b");
    check_clean(hidden, strlen(hidden));
}

/* What cannot be decoded degrades. */
static void test_hostile(void)
{
    static const char *const values[] = {
        "=?x-unknown?q?a=FFb?=",
        "=?utf-8?q?=FF=FE?=",
        "=?utf-8?b?!!!!?=",
        "=?utf-8?x?abc?=",
        "=?utf-8?q?"
        "?=",
        "=?"
        "?q?abc?=",
        "=?utf-8?b?4pyT4p?=",
        "=?",
        "=?=?=?=?=?=?",
        "=?utf-8?q?=?=",
        "=?utf-8?q?=C?=",
        "=?utf-7?q?+AAAA-?=",
        "=?utf-16?b?AAAA?=",
        "=?utf-8?q?\377\376?=",
        "\377\376\375 =?utf-8?",
        "=?utf-8?q?=ED=A0=80?=",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(values); i++)
        for (gsize len = 0; len <= strlen(values[i]); len++)
            check_clean(values[i], len);
}

static void test_random(void)
{
    static const char alphabet[] = "=?=?utf-8?qQbB_ \t\r\n\377\303\274\200aA0=+/";

    for (int run = 0; run < 2000; run++) {
        char bytes[64];
        gsize len = (gsize)g_test_rand_int_range(0, sizeof bytes);

        for (gsize i = 0; i < len; i++)
            bytes[i] = alphabet[g_test_rand_int_range(0, sizeof alphabet)]; /* the NUL as well */
        check_clean(bytes, len);
    }
}

/* A megabyte of encoded words is neither slow nor kept. */
static void test_limit(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *decoded = NULL;

    while (text->len < 1 << 20)
        g_string_append(text, "=?utf-8?q?=C3=A4?= ");
    decoded = mime_header_decode(text->str, text->len);
    g_assert_cmpuint(strlen(decoded), <=, 64 * 1024);
    g_assert_true(g_str_has_prefix(decoded, "\303\244\303\244"));
    g_assert_true(g_utf8_validate(decoded, -1, NULL));
}

/* As many as a value can have: of other charsets by turns, bare octets, or without end. */
static void test_many_words(void)
{
    static const struct {
        const char *raw, *expected;
    } units[] = {
        {"=?gb18030?q?a?==?euc-jp?q?b?=", "ab"},
        {"\374 ", "\303\274 "},
        {"=?a?q?b ", "=?a?q?b "},
        {"=?", "=?"},
        {"?=", "?="},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(units); i++) {
        g_autoptr(GString) raw = g_string_new(NULL), expected = g_string_new(NULL);
        g_autofree char *decoded = NULL;

        while (raw->len + strlen(units[i].raw) <= 64 * 1024) {
            g_string_append(raw, units[i].raw);
            g_string_append(expected, units[i].expected);
        }
        decoded = mime_header_decode(raw->str, raw->len);
        g_assert_cmpstr(decoded, ==, expected->str);
    }
}

static void test_token(void)
{
    g_autofree char *long_text = g_strnfill(100000, 'A');
    g_autofree char *cut = mime_token_dup(long_text),
                    *clean = mime_token_dup("X-\302\233\033a\374");

    g_assert_cmpuint(strlen(cut), ==, 127);
    g_assert_cmpuint(strspn(cut, "a"), ==, 127);
    g_assert_cmpstr(clean, ==, "x-   a\357\277\275");
}

static const struct {
    const char *text;
    gint64 date; /* -1: it is none */
} dates[] = {
    {"Thu, 01 Jan 1970 00:00:00 +0000", 0},
    {"Fri, 13 Feb 2009 23:31:30 +0000", 1234567890},
    {"Fri, 13 Feb 2009 18:31:30 -0500 (EST)", 1234567890},
    {"Sat, 14 Feb 2009 05:01:30 +0530", 1234567890},
    {"13 Feb 2009 23:31:30 GMT", 1234567890},
    {"  13 feb 09 23:31:30", 1234567890},
    {"13-FEB-2009 23:31:30 +0000", 1234567890},
    {"Fri,\r\n\t13 Feb\r\n 2009 23:31:30\r\n +0000", 1234567890},
    {"1 Jan 1970 00:01 +0000", 60},
    {"1 Jan 70 00:01", 60},
    {"31 Dec 1998 23:59:60 +0000", -1},
    {"1 Mar 2100 00:00:00 +0000", 4107542400},
    {"", -1},
    {"today", -1},
    {"0 Jan 1970 00:00:00 +0000", -1},
    {"30 Feb 2009 00:00:00 +0000", -1},
    {"13 Anf 2009 23:31:30 +0000", -1},
    {"13 Fe 2009 23:31:30 +0000", -1},
    {"13 Feb 2009 24:00:00 +0000", -1},
    {"13 Feb 2009 23:60:00 +0000", -1},
    {"13 Feb 2009", 1234483200},
    {"31 Dec 1969 23:59:59 +0000", -1},
    {"99999999999999999999", -1},
};

static void test_date(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(dates); i++) {
        gint64 date = -1;
        gboolean is_ok = mime_date_parse(dates[i].text, &date);

        if (is_ok != (dates[i].date >= 0) || (is_ok && date != dates[i].date))
            g_error("\"%s\": %" G_GINT64_FORMAT, dates[i].text, date);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mime_init();
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strdup_printf("/mime/header/decode/%s", rows[i].name);

        g_test_add_data_func(path, &rows[i], test_row);
    }
    g_test_add_func("/mime/header/nul", test_nul);
    g_test_add_func("/mime/header/hostile", test_hostile);
    g_test_add_func("/mime/header/random", test_random);
    g_test_add_func("/mime/header/limit", test_limit);
    g_test_add_func("/mime/header/many-words", test_many_words);
    g_test_add_func("/mime/header/token", test_token);
    g_test_add_func("/mime/date/parse", test_date);
    return g_test_run();
}

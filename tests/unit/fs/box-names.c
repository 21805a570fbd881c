/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/box-names.c - how mailboxes are called: harmless, reversible, no two alike. */
#include "fs/names.h"

#include <string.h>

#define SUM "0123456789abcdef0123456789abcdef" /* looks like one */

static const struct {
    const char *name, *expected;
} rows[] = {
    {"INBOX", "INBOX"},
    {"Ärger & Co", "Ärger & Co"},
    {"", "%"},
    {".", "%2E"},
    {"..", "%2E."},
    {".hidden", "%2Ehidden"},
    {".mailfs", "%2Emailfs"},
    {"a.b.", "a.b."},
    {"a/b", "a%2Fb"},
    {"%2F", "%252F"},
    {"100%", "100%25"},
    {"a\tb\r\n", "a%09b%0D%0A"},
    {"\x1b[31m\x7f", "%1B[31m%7F"},
    {"\xc2\x9b", "%C2%9B"},            /* C1: CSI */
    {"in\u202Efdp", "in%E2%80%AEfdp"}, /* bidi */
    {"\u2066\u2069\u200E\u200F\u061C", "%E2%81%A6%E2%81%A9%E2%80%8E%E2%80%8F%D8%9C"},
    {"\uFEFFx", "%EF%BB%BFx"},
    {"x\u2028y\u2029", "x%E2%80%A8y%E2%80%A9"},
    {"\xff", "%FF"},
    {"\xc0\xaf", "%C0%AF"},        /* overlong */
    {"\xed\xa0\x80", "%ED%A0%80"}, /* a surrogate */
    {"caf\xe9", "caf%E9"},         /* Latin-1 */
    {"\xe2\x82", "%E2%82"},        /* cut short */
    {"x.u4711,FS.eml", "x.u4711,FS%2Eeml"},
    {"u4711.eml", "u4711%2Eeml"},
    {"4711.eml", "4711%2Eeml"},
    {".eml", "%2Eeml"},
    {"x.emlx", "x.emlx"},
    {"x.u4711.txt", "x.u4711%2Etxt"},
    {"x.u4711", "x%2Eu4711"},
    {"x.txt", "x.txt"},
    {"4711", "4711"},
    {"a~" SUM, "a%7E" SUM},
    {"~" SUM, "%7E" SUM},
    {"a" SUM, "a" SUM},
    {"a~0" SUM, "a~0" SUM},
    {"a~x" SUM, "a~x" SUM},
    {"-rf", "-rf"},
};

static void test_table(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *name = fs_names_box(rows[i].name, FALSE, rows[i].name);

        g_assert_cmpstr(name, ==, rows[i].expected);
    }
}

/* The one name that each of these has must not be that of another. */
static void check_distinct(const char *a, gboolean a_is_raw, const char *b, gboolean b_is_raw)
{
    g_autofree char *first = fs_names_box(a, a_is_raw, a), *second = fs_names_box(b, b_is_raw, b);

    g_assert_cmpstr(first, !=, second);
}

static void test_distinct(void)
{
    static const char *const pairs[][2] = {
        {"Foo", "foo"},       {"é", "e\u0301"},     {"a/b", "a%2Fb"}, {"%", ""},
        {"%25", "%"},         {"x.eml", "x%2Eeml"}, {".a", "%2Ea"},   {"a~" SUM, "a%7E" SUM},
        {"\xc3\xa9", "\xe9"}, {"a", "a "},          {"a\n", "a%0A"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(pairs); i++)
        check_distinct(pairs[i][0], FALSE, pairs[i][1], FALSE);
    check_distinct("A&B", FALSE, "A&B", TRUE);
    check_distinct("A", FALSE, "A", TRUE);
    check_distinct("&AGE-", TRUE, "&AGE", TRUE);
}

/* Raw names may look alike in the mount only up to the sum of the whole. */
static void test_raw(void)
{
    g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, "x.A&B\xe9", -1);
    g_autofree char *expected = g_strdup_printf("A%%26B%%E9~%.32s", sum);
    g_autofree char *name = fs_names_box("A&B\xe9", TRUE, "x.A&B\xe9");

    g_assert_cmpstr(name, ==, expected);
}

static char *undo(const char *name)
{
    GString *out = g_string_new(NULL);

    for (; *name; name++)
        if (*name == '%' && g_ascii_isxdigit(name[1]) && g_ascii_isxdigit(name[2])) {
            g_string_append_c(
                out, (char)(g_ascii_xdigit_value(name[1]) * 16 + g_ascii_xdigit_value(name[2])));
            name += 2;
        } else if (*name != '%') {
            g_string_append_c(out, *name);
        }
    return g_string_free(out, FALSE);
}

static void expect_refused(const char *given, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name = fs_names_box_decode(given, &error);

    g_assert_null(name);
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_INVALID);
    g_assert_cmpstr(error->message, ==, expected);
}

static void expect_decoded(const char *given, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name = fs_names_box_decode(given, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(name, ==, expected);
}

/* What is shown for @name means it again, unless nobody may name a mailbox so. */
static void check_back(const char *name, const char *shown)
{
    if (!*name)
        expect_decoded(shown, "%");
    else if (strpbrk(name, "\r\n"))
        expect_refused(shown, "the name holds a line end or NUL");
    else if (!g_utf8_validate(name, -1, NULL))
        expect_refused(shown, "the name is not UTF-8");
    else
        expect_decoded(shown, name);
}

static void check_harmless(const char *name)
{
    guint32 uid;

    g_assert_cmpuint(strlen(name), >, 0);
    g_assert_cmpuint(strlen(name), <=, FS_NAME_MAX);
    g_assert_true(g_utf8_validate(name, -1, NULL));
    g_assert_cmpint(name[0], !=, '.');
    g_assert_false(fs_names_parse(name, FS_NAME_FULL, &uid));
    g_assert_false(fs_names_parse(name, FS_NAME_TEXT, &uid));
    g_assert_false(fs_names_parse(name, FS_NAME_PARTS, &uid));
    g_assert_false(fs_names_parse(name, FS_NAME_SHORT, &uid));
    g_assert_false(fs_names_parse(name, FS_NAME_UID, &uid));
    for (const char *p = name; *p; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);

        g_assert_false(g_unichar_iscntrl(c));
        g_assert_true(c != '/' && !(c >= 0x202a && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069));
    }
}

/* Bytes from few pieces, so that what matters comes often and pairs come close. */
static char *random_name(GRand *rand)
{
    static const char *const pieces[] = {
        "a",    "A",    ".",    "..", "/",       "%",      "%2F",    "%25", "~",
        "0",    SUM,    ".eml", "u7", ",S",      "&",      "-",      "\n",  "\x1b",
        "\xff", "\xc3", "\xa9", "é",  "e\u0301", "\u202E", "\uFEFF", "日",  " ",
    };
    GString *name = g_string_new(NULL);

    for (int n = g_rand_int_range(rand, 0, 8); n > 0; n--)
        g_string_append(name, pieces[g_rand_int_range(rand, 0, G_N_ELEMENTS(pieces))]);
    return g_string_free(name, FALSE);
}

static void test_random_names(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

    for (guint i = 0; i < 5000; i++) {
        g_autofree char *name = random_name(rand);
        char *shown = fs_names_box(name, FALSE, name);
        g_autofree char *undone = undo(shown);
        const char *other = g_hash_table_lookup(seen, shown);

        check_harmless(shown);
        g_assert_cmpstr(undone, ==, name);
        check_back(name, shown);
        if (other)
            g_assert_cmpstr(other, ==, name);
        g_hash_table_replace(seen, shown, g_steal_pointer(&name));
    }
}

static void test_random_raw_names(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(2);

    for (guint i = 0; i < 5000; i++) {
        g_autofree char *a = random_name(rand), *b = random_name(rand);
        g_autofree char *raw = fs_names_box(a, TRUE, a);

        check_harmless(raw);
        check_distinct(a, TRUE, b, FALSE);
        if (!g_str_equal(a, b))
            check_distinct(a, TRUE, b, TRUE);
    }
}

static void test_long(void)
{
    static const char *const pieces[] = {"x", "é", "日", "\xff", "/", "&", "𝒳", "~", ".eml"};

    for (gsize i = 0; i < G_N_ELEMENTS(pieces); i++)
        for (guint len = 200; len < 320; len++) {
            g_autoptr(GString) name = g_string_new(NULL);
            g_autofree char *shown = NULL, *raw = NULL, *other = NULL;

            while (name->len + strlen(pieces[i]) <= len)
                g_string_append(name, pieces[i]);
            shown = fs_names_box(name->str, FALSE, name->str);
            raw = fs_names_box(name->str, TRUE, name->str);
            check_harmless(shown);
            check_harmless(raw);
            g_string_append(name, "!");
            other = fs_names_box(name->str, FALSE, name->str);
            g_assert_cmpstr(other, !=, shown);
        }
}

/* --- names that are given --- */

static void test_back(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        check_back(rows[i].name, rows[i].expected);
}

/* As users type them, and as they are shown then. */
static void test_decode(void)
{
    static const struct {
        const char *given, *name, *shown;
    } given_rows[] = {
        {"Work", "Work", "Work"},
        {"100%", "100%", "100%25"},
        {"%", "%", "%25"},
        {"%%", "%%", "%25%25"},
        {"%2", "%2", "%252"},
        {"%2x", "%2x", "%252x"},
        {"%x2", "%x2", "%25x2"},
        {"%%41", "%A", "%25A"},
        {"%2541", "%41", "%2541"},
        {"%41", "A", "A"},
        {"a%2fb", "a/b", "a%2Fb"},
        {"%c3%A4", "ä", "ä"},
        {".hidden", ".hidden", "%2Ehidden"},
        {"x.eml", "x.eml", "x%2Eeml"},
        {"x.u4711", "x.u4711", "x%2Eu4711"},
        {"a~" SUM, "a~" SUM, "a%7E" SUM},
        {"a\tb", "a\tb", "a%09b"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(given_rows); i++) {
        g_autofree char *shown = fs_names_box(given_rows[i].name, FALSE, given_rows[i].name);

        expect_decoded(given_rows[i].given, given_rows[i].name);
        expect_decoded(given_rows[i].shown, given_rows[i].name);
        g_assert_cmpstr(shown, ==, given_rows[i].shown);
    }
}

static void test_refused(void)
{
    static const struct {
        const char *given, *expected;
    } given_rows[] = {
        {"", "the name is empty"},
        {"%00", "the name holds a line end or NUL"},
        {"a%00b", "the name holds a line end or NUL"},
        {"a%0Db", "the name holds a line end or NUL"},
        {"a%0a", "the name holds a line end or NUL"},
        {"a\nb", "the name holds a line end or NUL"},
        {"a\rb", "the name holds a line end or NUL"},
        {"\xff", "the name is not UTF-8"},
        {"caf%E9", "the name is not UTF-8"},
        {"%C3", "the name is not UTF-8"},
        {"\xc3%C3\xa4", "the name is not UTF-8"},
        {"%C0%AF", "the name is not UTF-8"},
        {"%ED%A0%80", "the name is not UTF-8"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(given_rows); i++)
        expect_refused(given_rows[i].given, given_rows[i].expected);
}

/* The limit is of the name that is shown, in full. */
static void test_decode_long(void)
{
    g_autofree char *plain = g_strnfill(FS_NAME_MAX, 'x'), *plain_more = g_strnfill(256, 'x');
    g_autofree char *percents = g_strnfill(FS_NAME_MAX / 3, '%');
    g_autofree char *percents_more = g_strnfill(FS_NAME_MAX / 3 + 1, '%');

    expect_decoded(plain, plain);
    expect_refused(plain_more, "the name is too long");
    expect_decoded(percents, percents);
    expect_refused(percents_more, "the name is too long");
}

static void test_very_long(void)
{
    g_autofree char *name = g_strnfill(100 * 1024, '\n');
    g_autofree char *shown = fs_names_box(name, FALSE, name);

    check_harmless(shown);
}

/* What is cut is told apart by the whole name on the server: the same component elsewhere too. */
static void test_sum_is_of_the_whole_name(void)
{
    g_autofree char *name = g_strnfill(300, 'x');
    g_autofree char *one = fs_names_box(name, FALSE, "A.x"),
                    *two = fs_names_box(name, FALSE, "B.x");
    g_autofree char *parent = fs_names_box(name, FALSE, NULL);

    g_assert_cmpstr(one, !=, two);
    check_harmless(parent);
}

/* Whoever names mailboxes must not find two that hide each other: these two agree in the first 32
 * bits of their sums. */
static void test_sum_is_long(void)
{
    g_autofree char *begin = g_strnfill(300, 'x');
    g_autofree char *one = g_strconcat(begin, "57797", NULL),
                    *two = g_strconcat(begin, "2762", NULL);

    check_distinct(one, FALSE, two, FALSE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/box-names/table", test_table);
    g_test_add_func("/box-names/distinct", test_distinct);
    g_test_add_func("/box-names/raw", test_raw);
    g_test_add_func("/box-names/random", test_random_names);
    g_test_add_func("/box-names/random-raw", test_random_raw_names);
    g_test_add_func("/box-names/long", test_long);
    g_test_add_func("/box-names/back", test_back);
    g_test_add_func("/box-names/decode", test_decode);
    g_test_add_func("/box-names/refused", test_refused);
    g_test_add_func("/box-names/decode-long", test_decode_long);
    g_test_add_func("/box-names/very-long", test_very_long);
    g_test_add_func("/box-names/sum", test_sum_is_of_the_whole_name);
    g_test_add_func("/box-names/long-sum", test_sum_is_long);
    return g_test_run();
}

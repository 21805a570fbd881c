/* SPDX-License-Identifier: MIT */
/* tests/unit/imap/utf7.c - mailbox names in modified UTF-7, there and back. */
#include "imap/utf7.h"

#include <string.h>

static const struct {
    const char *utf8, *utf7;
} pairs[] = {
    {"", ""},
    {"INBOX", "INBOX"},
    {"a b/c.d~!\"\\", "a b/c.d~!\"\\"},
    {"A&B", "A&-B"},
    {"&", "&-"},
    {"&&", "&-&-"},
    {"&-", "&--"},
    {"-", "-"},
    {"Entw\303\274rfe", "Entw&APw-rfe"},
    {"\303\274", "&APw-"},
    {"\303\274\303\244", "&APwA5A-"},
    {"\303\274\303\244\303\266", "&APwA5AD2-"},
    {"\303\274&\303\244", "&APw-&-&AOQ-"},
    {"~peter/mail/\345\217\260\345\214\227/\346\227\245\346\234\254\350\252\236",
     "~peter/mail/&U,BTFw-/&ZeVnLIqe-"},
    {"\360\237\223\254", "&2D3c7A-"},
    {"\033", "&ABs-"},
    {"\177", "&AH8-"},
    {"a\n", "a&AAo-"},
    {"\302\233", "&AJs-"},
    {"\357\277\277", "&,,8-"},
};

static const struct {
    const char *name, *utf7;
} refused[] = {
    {"unfinished", "&"},
    {"unfinished-shift", "&APw"},
    {"unfinished-name", "&APw-&APw"},
    {"8-bit", "Entw\303\274rfe"},
    {"latin-1", "\374"},
    {"control", "a\033"},
    {"delete", "a\177"},
    {"needless-letter", "&AGE-a"},
    {"needless-ampersand", "&ACY-"},
    {"needless-slash", "&AC8-"},
    {"needless-shift", "&APw-&AOQ-"},
    {"nul", "&AAA-"},
    {"nul-among", "&APwAAADk-"},
    {"padding", "&APw=-"},
    {"slash-digit", "&U/BTFw-"},
    {"padding-bits", "&APx-"},
    {"extra-digit", "&APwA-"},
    {"one-digit", "&A-"},
    {"two-digits", "&AA-"},
    {"high-surrogate", "&2D0-"},
    {"low-surrogate", "&3Ow-"},
    {"swapped-surrogates", "&3OzYPQ-"},
    {"blank-inside", "&AP w-"},
    {"ampersand-inside", "&AP&w-"},
    {"8-bit-inside", "&AP\303\274-"},
    {"quoted-printable", "&=41-"},
};

static void test_pairs(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(pairs); i++) {
        g_autofree char *encoded = imap_utf7_encode(pairs[i].utf8);
        g_autofree char *decoded = imap_utf7_decode(pairs[i].utf7);

        g_assert_cmpstr(encoded, ==, pairs[i].utf7);
        g_assert_cmpstr(decoded, ==, pairs[i].utf8);
    }
}

static void test_refused(gconstpointer utf7)
{
    g_assert_null(imap_utf7_decode(utf7));
}

static gunichar random_char(void)
{
    static const gunichar ends[] = {0x80, 0x800, 0x10000, 0x110000};
    gunichar c;

    do
        c = (gunichar)g_test_rand_int_range(1, (gint32)ends[g_test_rand_int_range(0, 4)]);
    while (c >= 0xd800 && c < 0xe000);
    return c;
}

static void test_random(void)
{
    for (int run = 0; run < 20000; run++) {
        g_autoptr(GString) name = g_string_new(NULL);
        g_autofree char *encoded = NULL, *decoded = NULL;

        for (int n = g_test_rand_int_range(0, 12); n > 0; n--)
            g_string_append_unichar(name, random_char());
        encoded = imap_utf7_encode(name->str);
        for (const char *at = encoded; *at; at++)
            g_assert_true(*at >= 0x20 && *at <= 0x7e);
        decoded = imap_utf7_decode(encoded);
        g_assert_cmpstr(decoded, ==, name->str);
    }
}

/* Whatever decodes is the only spelling of what it decodes to. */
static void test_random_bytes(void)
{
    static const char alphabet[] = "&&&--Aaw,+/=\303\274\001";

    for (int run = 0; run < 50000; run++) {
        char name[9] = "";
        g_autofree char *decoded = NULL, *again = NULL;

        for (int i = 0; i < 8; i++)
            name[i] = alphabet[g_test_rand_int_range(0, sizeof alphabet)];
        decoded = imap_utf7_decode(name);
        if (!decoded)
            continue;
        again = imap_utf7_encode(decoded);
        g_assert_cmpstr(again, ==, name);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/imap/utf7/pairs", test_pairs);
    for (gsize i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autofree char *path = g_strconcat("/imap/utf7/refused/", refused[i].name, NULL);

        g_test_add_data_func(path, refused[i].utf7, test_refused);
    }
    g_test_add_func("/imap/utf7/random", test_random);
    g_test_add_func("/imap/utf7/random-bytes", test_random_bytes);
    return g_test_run();
}

/* SPDX-License-Identifier: MIT */
/* tests/unit/mail/flags.c - letters and IMAP names of flags. */
#include "mail/flags.h"

#include <string.h>

static const struct {
    MailFlags flag;
    const char *letter, *imap;
} system_flags[] = {
    {MAIL_FLAG_DRAFT, "D", "\\Draft"},        {MAIL_FLAG_FLAGGED, "F", "\\Flagged"},
    {MAIL_FLAG_FORWARDED, "P", "$Forwarded"}, {MAIL_FLAG_ANSWERED, "R", "\\Answered"},
    {MAIL_FLAG_SEEN, "S", "\\Seen"},          {MAIL_FLAG_DELETED, "T", "\\Deleted"},
};

static void expect_letters(MailFlags flags, const char *expected)
{
    char letters[MAIL_FLAGS_LETTERS_MAX];

    mail_flags_letters(flags, letters);
    g_assert_cmpstr(letters, ==, expected);
}

static void test_system_flags(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(system_flags); i++) {
        g_autofree char *upper = g_ascii_strup(system_flags[i].imap, -1);

        expect_letters(system_flags[i].flag, system_flags[i].letter);
        g_assert_cmpstr(mail_flag_to_imap(system_flags[i].flag), ==, system_flags[i].imap);
        g_assert_cmpuint(mail_flag_from_imap(upper, strlen(upper)), ==, system_flags[i].flag);
    }
}

static void test_keyword_letters(void)
{
    expect_letters(0, "");
    expect_letters(mail_flag_keyword(0), "a");
    expect_letters(mail_flag_keyword(25), "z");
    expect_letters(mail_flag_keyword(26), ""); /* it has none */
    expect_letters(mail_flag_keyword(MAIL_FLAG_N_KEYWORDS - 1), "");
    expect_letters(mail_flag_keyword(1) | MAIL_FLAG_SEEN | MAIL_FLAG_FLAGGED, "FSb");
    expect_letters(~(MailFlags)0, "DFPRSTabcdefghijklmnopqrstuvwxyz");
}

#define NONE         MAIL_FLAG_DRAFT /* what is there before */
#define KEYWORD(nth) ((MailFlags)1 << (MAIL_FLAG_FIRST_KEYWORD + (nth)))

static void test_from_letters(void)
{
    static const struct {
        const char *letters;
        gboolean is_fine;
        MailFlags flags;
    } rows[] = {
        {"", TRUE, 0},
        {"FS", TRUE, MAIL_FLAG_FLAGGED | MAIL_FLAG_SEEN},
        {"SF", TRUE, MAIL_FLAG_FLAGGED | MAIL_FLAG_SEEN},
        {"SS", TRUE, MAIL_FLAG_SEEN},
        {"bSaS", TRUE, MAIL_FLAG_SEEN | KEYWORD(0) | KEYWORD(1)},
        {"X", FALSE, NONE},
        {"SX", FALSE, NONE},
        {"f,", FALSE, NONE},
        {"`", FALSE, NONE},
        {"{", FALSE, NONE},
        {"S ", FALSE, NONE},
        {"\303\244", FALSE, NONE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        gsize len = strlen(rows[i].letters);
        MailFlags flags = NONE;

        g_assert_cmpint(mail_flags_from_letters(rows[i].letters, len, &flags), ==, rows[i].is_fine);
        g_assert_cmpuint(flags, ==, rows[i].flags);
    }
}

static void test_from_letters_by_length(void)
{
    MailFlags flags = NONE;

    g_assert_true(mail_flags_from_letters("FS.eml", 2, &flags));
    g_assert_cmpuint(flags, ==, MAIL_FLAG_FLAGGED | MAIL_FLAG_SEEN);
    g_assert_false(mail_flags_from_letters("S", 2, &flags)); /* its NUL is no letter */
}

/* Whatever has a letter comes back from it. */
static void test_letters_and_back(void)
{
    for (guint bit = 0; bit < MAIL_FLAG_FIRST_KEYWORD + 26; bit++) {
        MailFlags flag = (MailFlags)1 << bit, flags = 0;
        char letters[MAIL_FLAGS_LETTERS_MAX];

        mail_flags_letters(flag, letters);
        g_assert_true(mail_flags_from_letters(letters, strlen(letters), &flags));
        g_assert_cmpuint(flags, ==, flag);
    }
}

static void test_bits_are_apart(void)
{
    MailFlags all = 0;

    for (gsize i = 0; i < G_N_ELEMENTS(system_flags); i++)
        all |= system_flags[i].flag;
    for (guint nth = 0; nth < MAIL_FLAG_N_KEYWORDS; nth++) {
        g_assert_cmpuint(all & mail_flag_keyword(nth), ==, 0);
        all |= mail_flag_keyword(nth);
    }
    g_assert_cmpuint(all, ==, ~(MailFlags)0);
}

static void test_unknown(void)
{
    static const char *const names[] = {"",      "\\",      "\\Recent",  "Seen", "\\Seen ",
                                        "\\See", "\\Seenx", "Forwarded", "\\*"};

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
        g_assert_cmpuint(mail_flag_from_imap(names[i], strlen(names[i])), ==, 0);
    g_assert_cmpuint(mail_flag_from_imap("\\Seen\0x", 7), ==, 0);
    g_assert_cmpuint(mail_flag_from_imap("\\Seenx", 5), ==, MAIL_FLAG_SEEN); /* by length */
    g_assert_null(mail_flag_to_imap(0));
    g_assert_null(mail_flag_to_imap(mail_flag_keyword(0)));
    g_assert_null(mail_flag_to_imap(MAIL_FLAG_SEEN | MAIL_FLAG_DRAFT));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mail/flags/system-flags", test_system_flags);
    g_test_add_func("/mail/flags/keyword-letters", test_keyword_letters);
    g_test_add_func("/mail/flags/from-letters", test_from_letters);
    g_test_add_func("/mail/flags/from-letters-by-length", test_from_letters_by_length);
    g_test_add_func("/mail/flags/letters-and-back", test_letters_and_back);
    g_test_add_func("/mail/flags/bits-are-apart", test_bits_are_apart);
    g_test_add_func("/mail/flags/unknown", test_unknown);
    return g_test_run();
}

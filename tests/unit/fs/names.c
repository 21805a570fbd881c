/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/names.c - how messages are called, and what names say. */
#include "fs/names.h"

#include <string.h>

#define DATE 1771165800 /* 2026-02-15 14:30 */

typedef struct {
    const char *from, *from_address, *to, *to_address, *subject;
} Who;

static MailEnvelope *envelope_of(Who who)
{
    const char *const fields[MAIL_ENVELOPE_N_FIELDS] = {
        [MAIL_ENVELOPE_FROM_NAME] = who.from,  [MAIL_ENVELOPE_FROM_ADDRESS] = who.from_address,
        [MAIL_ENVELOPE_TO_NAME] = who.to,      [MAIL_ENVELOPE_TO_ADDRESS] = who.to_address,
        [MAIL_ENVELOPE_SUBJECT] = who.subject,
    };

    return mail_envelope_new(fields);
}

static void check_name(FsNameStyle style, CacheMessage message, Who who, gboolean by_recipient,
                       const char *expected)
{
    g_autoptr(MailEnvelope) envelope = envelope_of(who);
    char name[FS_MESSAGE_NAME];

    fs_names_message(style, FS_NAME_FULL, &message, envelope, by_recipient, name);
    g_assert_cmpstr(name, ==, expected);
}

static void check_subject(const char *subject, const char *expected)
{
    g_autofree char *name = g_strconcat("2026-02-15_1430_A_", expected, ".u1,.eml", NULL);

    check_name(FS_NAMES_DASHED, (CacheMessage){.uid = 1, .date = DATE},
               (Who){.from = "A", .subject = subject}, FALSE, name);
}

static void check_date(gint64 date, const char *expected)
{
    g_autofree char *name = g_strconcat(expected, "_A_B.u1,.eml", NULL);

    check_name(FS_NAMES_DASHED, (CacheMessage){.uid = 1, .date = date},
               (Who){.from = "A", .subject = "B"}, FALSE, name);
}

static void test_examples(void)
{
    const CacheMessage message = {
        .uid = 4711, .date = DATE, .flags = MAIL_FLAG_SEEN | MAIL_FLAG_FLAGGED};
    const Who who = {.from = "Alice Möller", .subject = "Re: Budget"};

    check_name(FS_NAMES_DASHED, message, who, FALSE,
               "2026-02-15_1430_Alice-Möller_Re-Budget.u4711,FS.eml");
    check_name(FS_NAMES_SPACED, message, who, FALSE,
               "2026-02-15 1430 Alice Möller - Re Budget.u4711,FS.eml");
}

static void test_forms(void)
{
    static const struct {
        FsNameStyle style;
        FsNameForm form;
        const char *expected;
    } rows[] = {
        {FS_NAMES_DASHED, FS_NAME_FULL, "2026-02-15_1430_Alice-Möller_Re-Budget.u4711,FS.eml"},
        {FS_NAMES_DASHED, FS_NAME_TEXT, "2026-02-15_1430_Alice-Möller_Re-Budget.u4711.txt"},
        {FS_NAMES_DASHED, FS_NAME_PARTS, "2026-02-15_1430_Alice-Möller_Re-Budget.u4711"},
        {FS_NAMES_SPACED, FS_NAME_TEXT, "2026-02-15 1430 Alice Möller - Re Budget.u4711.txt"},
        {FS_NAMES_SPACED, FS_NAME_PARTS, "2026-02-15 1430 Alice Möller - Re Budget.u4711"},
    };
    const CacheMessage message = {
        .uid = 4711, .date = DATE, .flags = MAIL_FLAG_SEEN | MAIL_FLAG_FLAGGED};
    g_autoptr(MailEnvelope) envelope =
        envelope_of((Who){.from = "Alice Möller", .subject = "Re: Budget"});

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        char name[FS_MESSAGE_NAME];

        fs_names_message(rows[i].style, rows[i].form, &message, envelope, FALSE, name);
        g_assert_cmpstr(name, ==, rows[i].expected);
    }
}

static void test_subjects(void)
{
    static const struct {
        const char *subject, *expected;
    } rows[] = {
        {"", "no-subject"},
        {"  ", "no-subject"},
        {"...", "no-subject"},
        {"!?*", "no-subject"},
        {"a/b\\c:d", "a-b-c-d"},
        {"-rf", "rf"},
        {".hidden", "hidden"},
        {"a  --  b", "a-b"},
        {"(a)", "a"},
        {"a\tb\nc\x1b[31md", "a-b-c-31md"},
        {"it's \"so\"", "it-s-so"},
        {"日本語の件名", "日本語の件名"},
        {"Привет, мир", "Привет-мир"},
        {"e\u0301", "é"},                      /* NFC */
        {"\u202Efdp.exe", "fdp-exe"},          /* bidi */
        {"a\u200Bb\uFEFFc\u00ADd", "a-b-c-d"}, /* invisible */
        {"x\u2028y\xc2\x85z", "x-y-z"},        /* lines */
        {"x\u00A0y\u3000z", "x-y-z"},          /* blanks */
        {"q\u0323\u0301", "q\u0323\u0301"},    /* marks with no composed form */
        {"\u0301", "no-subject"},              /* a mark and nothing below it */
        {"\u2764\uFE0F", "no-subject"},        /* an emoji and its selector */
        {"I \u2764\uFE0F NY", "I-NY"},
        {"हिन्दी", "हिन्दी"},
        {"\xff\xfe", "no-subject"},
        {"\xed\xa0\x80z", "z"},
        {"½ ² x", "½-²-x"},
        {"x.u7,S.eml", "x-u7-S-eml"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        check_subject(rows[i].subject, rows[i].expected);
}

static void test_who(void)
{
    const CacheMessage message = {.uid = 1, .date = DATE};

#define check_who(who, by_recipient, expected)                                                     \
    check_name(FS_NAMES_DASHED, message, who, by_recipient,                                        \
               "2026-02-15_1430_" expected "_no-subject.u1,.eml")
    check_who(((Who){.from = "Al B.", .from_address = "x@y", .to = "Bo"}), FALSE, "Al-B");
    check_who(((Who){.from_address = "al.b@y.org"}), FALSE, "al-b");
    check_who(((Who){.from = "\"\"", .from_address = "al@y.org"}), FALSE, "al");
    check_who(((Who){.from_address = "@y.org"}), FALSE, "unknown");
    check_who(((Who){.from = NULL}), FALSE, "unknown");
    check_who(((Who){.from = "Al", .to = "Bo"}), TRUE, "Bo");
    check_who(((Who){.from = "Al", .to_address = "bo@y"}), TRUE, "bo");
    check_who(((Who){.from = "Al", .from_address = "al@y"}), TRUE, "unknown");
    check_name(FS_NAMES_SPACED, message, (Who){.from = NULL}, FALSE,
               "2026-02-15 1430 unknown - no subject.u1,.eml");
#undef check_who
}

static void test_dates(void)
{
    check_date(0, "1970-01-01_0000");
    check_date(59, "1970-01-01_0000");
    check_date(-1, "1969-12-31_2359");
    check_date(-62135596800, "0001-01-01_0000");
    check_date(253402300799, "9999-12-31_2359");
    check_date(253402300800, "1970-01-01_0000");
    check_date(-62135596801, "1970-01-01_0000");
    check_date(G_MAXINT64, "1970-01-01_0000");
    check_date(G_MININT64, "1970-01-01_0000");
}

/* --- limits --- */

static char *repeat(const char *text, gsize n)
{
    GString *out = g_string_new(NULL);

    while (n-- > 0)
        g_string_append(out, text);
    return g_string_free(out, FALSE);
}

static const char *const longest_tails[] = {
    [FS_NAME_FULL] = ".u4294967295,DFPRSTabcdefghijklmnopqrstuvwxyz.eml",
    [FS_NAME_TEXT] = ".u4294967295.txt",
    [FS_NAME_PARTS] = ".u4294967295",
};

/* The name of the worst case of a tail: all letters, the longest UID. */
static void check_long(FsNameForm form, const char *from, const char *subject,
                       char name[FS_MESSAGE_NAME])
{
    const CacheMessage message = {.uid = G_MAXUINT32, .date = DATE, .flags = G_MAXUINT64};
    g_autoptr(MailEnvelope) envelope = envelope_of((Who){.from = from, .subject = subject});

    fs_names_message(FS_NAMES_DASHED, form, &message, envelope, FALSE, name);
    g_assert_cmpuint(strlen(name), <=, 200);
    g_assert_true(g_str_has_suffix(name, longest_tails[form]));
    g_assert_true(g_utf8_validate(name, -1, NULL));
}

static void check_cut(FsNameForm form, const char *text)
{
    char name[FS_MESSAGE_NAME];

    check_long(form, "A", text, name);
    g_assert_cmpuint(strlen(name), >, 195);
    check_long(form, text, "subject", name);
    g_assert_nonnull(strstr(name, "_subject."));
    check_long(form, text, text, name);
    check_long(form, text, "", name);
}

static void test_cut(void)
{
    static const char *const pieces[] = {"x", "ä", "日", "𝒳", "x ", "日 ", "word "};

    for (gsize i = 0; i < G_N_ELEMENTS(pieces); i++) {
        g_autofree char *text = repeat(pieces[i], 10240);

        check_cut(FS_NAME_FULL, text);
        check_cut(FS_NAME_TEXT, text);
        check_cut(FS_NAME_PARTS, text);
    }
}

static gunichar random_char(GRand *rand)
{
    static const gunichar ends[] = {0x80, 0x800, 0x3000, 0x10000, 0x110000};
    gunichar c;

    do
        c = (gunichar)g_rand_int_range(rand, 1,
                                       (gint32)ends[g_rand_int_range(rand, 0, G_N_ELEMENTS(ends))]);
    while (!g_unichar_validate(c));
    return c;
}

static char *random_text(GRand *rand)
{
    GString *text = g_string_new(NULL);

    for (int n = g_rand_int_range(rand, 0, 100); n > 0; n--)
        g_string_append_unichar(text, random_char(rand));
    return g_string_free(text, FALSE);
}

/* No other character than letters, digits, their marks, and what we put there ourselves. */
static void check_harmless(const char *name, const char *ours)
{
    g_assert_true(g_utf8_validate(name, -1, NULL));
    for (const char *p = name; *p; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);

        g_assert_true(g_unichar_isalnum(c) || g_unichar_ismark(c) ||
                      (c < 0x80 && strchr(ours, (int)c)));
    }
}

static const FsNameForm forms[] = {FS_NAME_FULL,  FS_NAME_TEXT, FS_NAME_PARTS,
                                   FS_NAME_SHORT, FS_NAME_UID,  FS_NAME_UID_ONLY};

#define NONE (-1)

/* That @name has @form, no other, and tells @uid; with NONE that it has none. */
static void check_form(const char *name, int form, guint32 uid)
{
    for (gsize i = 0; i < G_N_ELEMENTS(forms); i++) {
        gboolean is_it = (int)forms[i] == form;
        guint32 told = 17;

        g_assert_cmpint(fs_names_parse(name, forms[i], &told), ==, is_it);
        g_assert_cmpuint(told, ==, is_it ? uid : 17);
    }
}

static void test_random_subjects(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);

    for (guint32 i = 1; i <= 2000; i++) {
        g_autofree char *from = random_text(rand), *subject = random_text(rand);
        g_autoptr(MailEnvelope) envelope = envelope_of((Who){.from = from, .subject = subject});
        CacheMessage message = {.uid = g_rand_int(rand) | 1,
                                .date = (gint64)g_rand_int(rand),
                                .flags = g_rand_int(rand)};
        FsNameForm form = forms[i % 3];
        char name[FS_MESSAGE_NAME];

        fs_names_message(FS_NAMES_DASHED, form, &message, envelope, FALSE, name);
        check_harmless(name, "-_.,");
        check_form(name, form, message.uid);
        fs_names_message(FS_NAMES_SPACED, form, &message, envelope, FALSE, name);
        check_harmless(name, "- .,");
        check_form(name, form, message.uid);
    }
}

/* --- parsing --- */

static void test_parse(void)
{
    static const struct {
        const char *name;
        int form;
        guint32 uid;
    } rows[] = {
        {"x.u4711,FS.eml", FS_NAME_FULL, 4711},
        {"x.u1,.eml", FS_NAME_FULL, 1},
        {"x.u7,.u8,S.eml", FS_NAME_FULL, 8},
        {"x.u4294967295,a.eml", FS_NAME_FULL, G_MAXUINT32},
        {"u4711.eml", FS_NAME_SHORT, 4711},
        {"4711.eml", FS_NAME_UID, 4711},
        {"x.u4711.txt", FS_NAME_TEXT, 4711},
        {"x.u7,S.eml.u4711.txt", FS_NAME_TEXT, 4711},
        {"x.u4711", FS_NAME_PARTS, 4711},
        {"x.u7.txt.u4294967295", FS_NAME_PARTS, G_MAXUINT32},
        {"4711", FS_NAME_UID_ONLY, 4711},
        {"4294967295", FS_NAME_UID_ONLY, G_MAXUINT32},
        {"u4711.txt", NONE, 0},
        {"4711.txt", NONE, 0},
        {".u4711.txt", NONE, 0},
        {"x.u.txt", NONE, 0},
        {"x.u0.txt", NONE, 0},
        {"x.u01.txt", NONE, 0},
        {"x.u4294967296.txt", NONE, 0},
        {"x.u1,S.txt", NONE, 0},
        {"x.u1.TXT", NONE, 0},
        {"x.v1.txt", NONE, 0},
        {"xu1.txt", NONE, 0},
        {".txt", NONE, 0},
        {"u4711", NONE, 0},
        {".u4711", NONE, 0},
        {"x.u", NONE, 0},
        {"x.u01", NONE, 0},
        {"x.u4294967296", NONE, 0},
        {"x.v1", NONE, 0},
        {"xu1", NONE, 0},
        {"x.u1/", NONE, 0},
        {"0", NONE, 0},
        {"04711", NONE, 0},
        {"4294967296", NONE, 0},
        {"-4711", NONE, 0},
        {"4711 ", NONE, 0},
        {"", NONE, 0},
        {"x", NONE, 0},
        {"eml", NONE, 0},
        {".eml", NONE, 0},
        {"u.eml", NONE, 0},
        {"u0.eml", NONE, 0},
        {"0.eml", NONE, 0},
        {"u01.eml", NONE, 0},
        {"xu1.eml", NONE, 0},
        {"u4294967296.eml", NONE, 0},
        {"u99999999999999999999.eml", NONE, 0},
        {"u-1.eml", NONE, 0},
        {"u1.EML", NONE, 0},
        {"u1.eml~", NONE, 0},
        {".u1,.eml", NONE, 0},
        {"u1,.eml", NONE, 0},
        {"x.u1,S", NONE, 0},
        {"x.u1.eml", NONE, 0},
        {"x.u1,1.eml", NONE, 0},
        {"x.u01,.eml", NONE, 0},
        {"x.v1,.eml", NONE, 0},
        {"xu1,.eml", NONE, 0},
        {",.eml", NONE, 0},
        {",S.eml", NONE, 0},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        check_form(rows[i].name, rows[i].form, rows[i].uid);
}

/* --- names that are given --- */

#define FLAGS_FS (MAIL_FLAG_FLAGGED | MAIL_FLAG_SEEN)
#define FLAG_A   ((MailFlags)1 << MAIL_FLAG_FIRST_KEYWORD)
#define NEITHER  FALSE, 0, FALSE, 0

static void test_given(void)
{
    static const struct {
        const char *name;
        gboolean has_uid;
        guint32 uid;
        gboolean has_flags;
        MailFlags flags;
        const char *stem;
    } rows[] = {
        {"x.u4711,FS.eml", TRUE, 4711, TRUE, FLAGS_FS, "x.u4711,"},
        {"x.u4711,SFS.eml", TRUE, 4711, TRUE, FLAGS_FS, "x.u4711,"},
        {"x.u4711,.eml", TRUE, 4711, TRUE, 0, "x.u4711,"},
        {"x.u4711,aS", TRUE, 4711, TRUE, MAIL_FLAG_SEEN | FLAG_A, "x.u4711,"},
        {"x.u1,.u4294967295,S.eml", TRUE, G_MAXUINT32, TRUE, MAIL_FLAG_SEEN, "x.u1,.u4294967295,"},
        {"x:2,F.u7,S.eml", TRUE, 7, TRUE, MAIL_FLAG_SEEN, "x:2,F.u7,"},
        {"x.u4711,FX.eml", TRUE, 4711, FALSE, 0, "x.u4711,"},
        {"17.M1P2.host,S=9,W=9:2,FS", FALSE, 0, TRUE, FLAGS_FS, "17.M1P2.host,S=9,W=9"},
        {"17.1_2.host,U=4711:2,", FALSE, 0, TRUE, 0, "17.1_2.host,U=4711"},
        {"17.host:2,a", FALSE, 0, TRUE, FLAG_A, "17.host"},
        {"17.host:2,FS.eml", FALSE, 0, TRUE, FLAGS_FS, "17.host"},
        {"x.u7,S.eml:2,FS", FALSE, 0, TRUE, FLAGS_FS, "x.u7,S.eml"},
        {"17.host:2,FX", FALSE, 0, FALSE, 0, "17.host"},
        {"17.host", NEITHER, "17.host"},
        {"17.host:1,S", NEITHER, "17.host:1,S"},
        {"17.host2,S", NEITHER, "17.host2,S"},
        {"17.host:2", NEITHER, "17.host:2"},
        {"17.host:2,S1", NEITHER, "17.host:2,S1"},
        {":2,S", NEITHER, ":2,S"},
        {"2,S", NEITHER, "2,S"},
        {"letter.eml", NEITHER, "letter.eml"},
        {"x,y.eml", NEITHER, "x,y.eml"},
        {"x,S", NEITHER, "x,S"},
        {",S.eml", NEITHER, ",S.eml"},
        {"x.u4711.eml", NEITHER, "x.u4711.eml"},
        {"x.u4711", NEITHER, "x.u4711"},
        {"x.u0,S.eml", NEITHER, "x.u0,S.eml"},
        {"x.u4294967296,S.eml", NEITHER, "x.u4294967296,S.eml"},
        {"xu1,S.eml", NEITHER, "xu1,S.eml"},
        {".u1,S.eml", NEITHER, ".u1,S.eml"},
        {"x.u1,S.EML", NEITHER, "x.u1,S.EML"},
        {"x.u1,S1.eml", NEITHER, "x.u1,S1.eml"},
        {"x.u1,S.txt", NEITHER, "x.u1,S.txt"},
        {"u4711.eml", NEITHER, "u4711.eml"},
        {"4711.eml", NEITHER, "4711.eml"},
        {".eml", NEITHER, ".eml"},
        {"", NEITHER, ""},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *stem = NULL;
        FsGivenName given;

        fs_names_given(rows[i].name, &given);
        stem = g_strndup(rows[i].name, given.stem_len);
        g_assert_cmpstr(stem, ==, rows[i].stem);
        g_assert_cmpint(given.has_uid, ==, rows[i].has_uid);
        g_assert_cmpuint(given.uid, ==, rows[i].uid);
        g_assert_cmpint(given.has_flags, ==, rows[i].has_flags);
        g_assert_cmpuint(given.flags, ==, rows[i].flags);
    }
}

/* What a message is called says what it is, and all before its flags stays when they change. */
static void test_given_back(void)
{
    static const MailFlags flags[] = {0, MAIL_FLAG_SEEN, FLAGS_FS | FLAG_A};
    g_autoptr(MailEnvelope) envelope = envelope_of((Who){.from = "A", .subject = "B"});
    const char *stem = "2026-02-15_1430_A_B.u4711,";

    for (gsize i = 0; i < G_N_ELEMENTS(flags); i++) {
        const CacheMessage message = {.uid = 4711, .date = DATE, .flags = flags[i]};
        char name[FS_MESSAGE_NAME];
        FsGivenName given;

        fs_names_message(FS_NAMES_DASHED, FS_NAME_FULL, &message, envelope, FALSE, name);
        fs_names_given(name, &given);
        g_assert_true(given.has_uid && given.has_flags);
        g_assert_cmpuint(given.uid, ==, 4711);
        g_assert_cmpuint(given.flags, ==, flags[i]);
        g_assert_cmpmem(name, given.stem_len, stem, strlen(stem));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/names/examples", test_examples);
    g_test_add_func("/names/forms", test_forms);
    g_test_add_func("/names/subjects", test_subjects);
    g_test_add_func("/names/who", test_who);
    g_test_add_func("/names/dates", test_dates);
    g_test_add_func("/names/cut", test_cut);
    g_test_add_func("/names/random-subjects", test_random_subjects);
    g_test_add_func("/names/parse", test_parse);
    g_test_add_func("/names/given", test_given);
    g_test_add_func("/names/given-back", test_given_back);
    return g_test_run();
}

/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/part-names.c - how parts are called: harmless, and as their senders called them. */
#include "fs/names.h"

#include <string.h>

static char *name_of(const char *section, const char *type, const char *subtype, const char *name)
{
    const MailPart part = {.section = (char *)section,
                           .type = (char *)type,
                           .subtype = (char *)subtype,
                           .name = (char *)name};

    return fs_part_name(&part);
}

/* --- names that parts have --- */

/* As an octet stream, which adds no extension; @expected is what follows the section. */
static void check_named(const char *name, const char *expected)
{
    g_autofree char *whole = g_strconcat("2.1-", expected, NULL);
    g_autofree char *got = name_of("2.1", "application", "octet-stream", name);

    g_assert_cmpstr(got, ==, whole);
}

#define NAMELESS "application.bin"

static void test_kept(void)
{
    static const char *const names[] = {
        "Budget 2026.xlsx",
        "Ärger & Co (2).pdf",
        "it's 100% so,_+=~#@!$^;[]{}`.txt",
        "日本語の件名.docx",
        "Привет.pdf",
        "שלום.pdf", /* right to left */
        "مرحبا بالعالم.pdf",
        "हिन्दी.pdf",
        "\u2764\uFE0F.png", /* an emoji and its selector */
        "q\u0323\u0301",    /* marks with no composed form */
        "a.b.tar.gz",
        "-rf",
        "con",
        "NUL.txt",
        "no extension",
        "a..b",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
        check_named(names[i], names[i]);
}

static void test_made_safe(void)
{
    static const struct {
        const char *name, *expected;
    } rows[] = {
        {"e\u0301.pdf", "é.pdf"}, /* NFC */
        /* paths */
        {"../../.bashrc", "bashrc"},
        {"../../x", "x"},
        {"/etc/passwd", "passwd"},
        {"C:\\x", "x"},
        {"a\\b/c\\d.pdf", "d.pdf"},
        {"C:x", "C-x"},
        /* ends */
        {".hidden", "hidden"},
        {"...a...", "a"},
        {" . a.pdf . ", "a.pdf"},
        {"?a?", "a"},
        {".\u202E.a. \t.", "a"},
        {"\u0301a", "a"}, /* a mark and nothing below it */
        /* blanks */
        {"a  b", "a b"},
        {"x\u00A0y\u3000\u202Fz", "x y z"},
        /* controls */
        {"a\tb\r\nc\x1b[31md\x7fz", "a-b-c-[31md-z"},
        {"x\xc2\x9by\xc2\x85z", "x-y-z"}, /* C1: CSI, NEL */
        {"x\u2028y\u2029z", "x-y-z"},
        /* format characters */
        {"invoice\u202Efdp.exe", "invoice-fdp.exe"},
        {"a\u202Ab\u202Bc\u202Cd\u202De", "a-b-c-d-e"},
        {"a\u2066b\u2067c\u2068d\u2069e", "a-b-c-d-e"},
        {"a\u200Eb\u200Fc\u061Cd", "a-b-c-d"},
        {"a\u200Bb\u200Cc\u200Dd\uFEFFe\u00ADf", "a-b-c-d-e-f"},
        {"a\U000E0041b", "a-b"},                                         /* a tag */
        {"\U0001F469\u200D\U0001F4BB.png", "\U0001F469-\U0001F4BB.png"}, /* joined emoji */
        /* no characters */
        {"a\uE000b\U000F0000c", "a-b-c"}, /* private */
        {"a\u0378b\uFFFFc", "a-b-c"},     /* unassigned */
        /* what Windows forbids */
        {"Re: <a>|\"b\"?*.pdf", "Re- -a-b-.pdf"},
        {"a<>:\"|?*b", "a-b"},
        /* no UTF-8, though the tree has none */
        {"caf\xe9.pdf", "caf\uFFFD.pdf"},
        {"x\xc0\xafz", "x\uFFFD\uFFFDz"},           /* overlong */
        {"x\xed\xa0\x80z", "x\uFFFD\uFFFD\uFFFDz"}, /* a surrogate */
        {"a\xe2\x82", "a\uFFFD\uFFFD"},             /* cut short */
        /* nothing left */
        {NULL, NAMELESS},
        {"", NAMELESS},
        {" ", NAMELESS},
        {".", NAMELESS},
        {"..", NAMELESS},
        {". . .", NAMELESS},
        {"/", NAMELESS},
        {"a/", NAMELESS},
        {"a\\..", NAMELESS},
        {"???", NAMELESS},
        {"\u202E\u2066", NAMELESS},
        {"\u0301\u0302", NAMELESS},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        check_named(rows[i].name, rows[i].expected);
}

/* --- types --- */

static void test_types(void)
{
    static const struct {
        const char *type, *subtype, *name, *expected;
    } rows[] = {
        {"text", "plain", NULL, "1-text.txt"},
        {"text", "html", NULL, "1-text.html"},
        {"text", "calendar", NULL, "1-text.ics"},
        {"image", "jpeg", NULL, "1-image.jpg"},
        {"image", "svg+xml", NULL, "1-image.svg"},
        {"application", "pdf", NULL, "1-application.pdf"},
        {"application", "octet-stream", NULL, "1-application.bin"},
        {"application", "pkcs7-signature", NULL, "1-application.p7s"},
        {"message", "delivery-status", NULL, "1-message.txt"},
        {"message", "rfc822", NULL, "1-message.eml"},
        {"message", "partial", NULL, "1-message.eml"},
        /* not in the table */
        {"image", "avif", NULL, "1-image.avif"},
        {"image", "a1b2c3d4", NULL, "1-image.a1b2c3d4"},
        {"image", "a1b2c3d4e", NULL, "1-image.bin"},
        {"image", "x-icon", NULL, "1-image.bin"},
        {"image", "é", NULL, "1-image.bin"},
        {"image", "", NULL, "1-image.bin"},
        {"plain", "text", NULL, "1-plain.text"},
        /* hostile */
        {"../..", "x", NULL, "1-x"},
        {"a/b\n\u202E", "/", NULL, "1-b-.bin"},
        {"", "", NULL, "1-bin"},
        /* extensions that names lack */
        {"image", "png", "Foto", "1-Foto.png"},
        {"application", "pdf", "Version 2.0", "1-Version 2.0.pdf"},
        {"application", "pdf", "Mr. Smith", "1-Mr. Smith.pdf"},

        {"application", "pdf", "a.sixteenletters12", "1-a.sixteenletters12.pdf"},
        {"application", "pdf", ".pdf", "1-pdf.pdf"},
        {"application", "pdf", "a.", "1-a.pdf"},
        {"message", "rfc822", "Fwd", "1-Fwd.eml"},
        /* and those that they have */
        {"image", "png", "Foto.jpeg", "1-Foto.jpeg"},
        {"application", "pdf", "a.fifteenletters1", "1-a.fifteenletters1"},
        {"text", "plain", "x.7z", "1-x.7z"},
        {"image", "avif", "Foto", "1-Foto"},
        {"message", "partial", "Fwd", "1-Fwd"},
        {"application", "octet-stream", "README", "1-README"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *name = name_of("1", rows[i].type, rows[i].subtype, rows[i].name);

        g_assert_cmpstr(name, ==, rows[i].expected);
    }
}

static MailPart *new_part(const char *type, const char *subtype, const char *name)
{
    MailPart *part = mail_part_new();

    part->type = g_strdup(type);
    part->subtype = g_strdup(subtype);
    part->name = g_strdup(name);
    return part;
}

/* A multipart of two parts called @name, a message with a text in it, and an image. */
static MailPart *new_tree(const char *name)
{
    MailPart *root = new_part("multipart", "mixed", NULL);
    MailPart *message = new_part("message", "rfc822", name);

    message->parts = mail_parts_new();
    g_ptr_array_add(message->parts, new_part("text", "plain", NULL));
    root->parts = mail_parts_new();
    g_ptr_array_add(root->parts, message);
    g_ptr_array_add(root->parts, new_part("image", "png", name));
    mail_part_number(root);
    return root;
}

static void test_messages(void)
{
    static const struct {
        const char *name, *expected;
    } rows[] = {
        {NULL, "1-message"},          {"..", "1-message"},  {"???", "1-message"},
        {"Fwd: Hi.eml", "1-Fwd- Hi"}, {"Fwd.EML", "1-Fwd"}, {"Fwd. .eml", "1-Fwd"},
        {"Fwd.eml ", "1-Fwd"},        {"Fwd", "1-Fwd"},     {"Fwd.txt", "1-Fwd.txt"},
        {"../x.eml", "1-x"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(MailPart) root = new_tree(rows[i].name);
        g_autofree char *name = fs_part_name(mail_part_of_section(root, "1"));

        g_assert_cmpstr(name, ==, rows[i].expected);
    }
}

static void test_two_of_one_name(void)
{
    g_autoptr(MailPart) root = new_tree("a.png");
    g_autofree char *one = fs_part_name(mail_part_of_section(root, "1"));
    g_autofree char *inner = fs_part_name(mail_part_of_section(root, "1.1"));
    g_autofree char *two = fs_part_name(mail_part_of_section(root, "2"));

    g_assert_cmpstr(one, ==, "1-a.png");
    g_assert_cmpstr(inner, ==, "1.1-text.txt");
    g_assert_cmpstr(two, ==, "2-a.png");
}

/* --- limits --- */

static char *repeat(const char *text, gsize n)
{
    GString *out = g_string_new(NULL);

    while (n-- > 0)
        g_string_append(out, text);
    return g_string_free(out, FALSE);
}

static void check_harmless(const char *section, const char *name)
{
    g_autofree char *composed = g_utf8_normalize(name, -1, G_NORMALIZE_NFC);

    g_assert_cmpuint(strlen(name), >, strlen(section) + 1);
    g_assert_cmpuint(strlen(name), <=, FS_NAME_MAX);
    g_assert_true(g_str_has_prefix(name, section));
    g_assert_cmpint(name[strlen(section)], ==, '-');
    g_assert_cmpstr(name, ==, composed); /* so it is UTF-8, too */
    g_assert_null(strpbrk(name, "/\\<>:\"|?*"));
    g_assert_null(strchr(". ", name[strlen(name) - 1]));
    for (const char *p = name; *p; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);

        g_assert_true(g_unichar_isgraph(c) || c == ' ' || g_unichar_ismark(c));
        g_assert_true(g_unichar_isdefined(c));
        g_assert_cmpint(g_unichar_type(c), !=, G_UNICODE_FORMAT);
        g_assert_cmpint(g_unichar_type(c), !=, G_UNICODE_PRIVATE_USE);
    }
}

static void test_long(void)
{
    static const char *const pieces[] = {
        "x", "ä", "日", "𝒳", "x ", "x.", ". x", "\t", "/x", "?", "\xff", "a\u0308", "\u0301\u0323",
    };
    static const char *const tails[] = {"", ".pdf", ".fifteenletters1", "/x.pdf"};
    g_autofree char *deep = g_strnfill(MAIL_SECTION_MAX, '1');
    const char *const sections[] = {"1", "10.2", deep};

    for (gsize i = 0; i < G_N_ELEMENTS(pieces); i++)
        for (gsize j = 0; j < G_N_ELEMENTS(tails); j++)
            for (gsize k = 0; k < G_N_ELEMENTS(sections); k++) {
                g_autofree char *text = repeat(pieces[i], 65536 / strlen(pieces[i]));
                g_autofree char *whole = g_strconcat(text, tails[j], NULL);
                g_autofree char *named = name_of(sections[k], "application", "zip", whole);
                g_autofree char *typed = name_of(sections[k], whole, whole, NULL);

                check_harmless(sections[k], named);
                check_harmless(sections[k], typed);
            }
}

/* Where the cut is, and that as much stays as has room. */
static void test_cut(void)
{
    static const struct {
        const char *begin, *piece, *end;
        gsize n_kept;
        const char *kept, *tail;
    } rows[] = {
        {"", "x", "", 253, "x", ""},
        {"", "x", ".pdf", 249, "x", ".pdf"},
        {"", "x", ".fifteenletters1", 237, "x", ".fifteenletters1"},
        {"", "x", ".sixteenletters12", 253, "x", ""},
        {"", "ä", ".pdf", 124, "ä", ".pdf"},
        {"", "a\u0308", ".pdf", 124, "ä", ".pdf"},
        {"", "日", ".pdf", 83, "日", ".pdf"},
        {"", "q\u0323\u0301", ".pdf", 49, "q\u0323\u0301", ".pdf"}, /* not q\u0323 */
        {"q", "\u0323", ".pdf", 124, "\u0323", ".pdf"},             /* nothing else to cut */
        {"x", " .", "y.pdf", 0, "", ".pdf"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text = repeat(rows[i].piece, 10240);
        g_autofree char *whole = g_strconcat(rows[i].begin, text, rows[i].end, NULL);
        g_autofree char *name = name_of("1", "application", "octet-stream", whole);
        g_autofree char *kept = repeat(rows[i].kept, rows[i].n_kept);
        g_autofree char *expected = g_strconcat("1-", rows[i].begin, kept, rows[i].tail, NULL);

        g_assert_cmpstr(name, ==, expected);
    }
}

static void test_deep_section(void)
{
    g_autofree char *section = g_strnfill(MAIL_SECTION_MAX, '1');
    g_autofree char *text = repeat("x", 10240);
    g_autofree char *whole = g_strconcat(text, ".fifteenletters1", NULL);
    g_autofree char *name = name_of(section, "application", "octet-stream", whole);
    g_autofree char *expected = g_strconcat(section, "-xxxxxxxxxxxxxxxxxx.fifteenletters1", NULL);

    g_assert_cmpstr(name, ==, expected);
    g_assert_cmpuint(strlen(name), ==, FS_NAME_MAX);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/part-names/kept", test_kept);
    g_test_add_func("/part-names/made-safe", test_made_safe);
    g_test_add_func("/part-names/types", test_types);
    g_test_add_func("/part-names/messages", test_messages);
    g_test_add_func("/part-names/two-of-one-name", test_two_of_one_name);
    g_test_add_func("/part-names/long", test_long);
    g_test_add_func("/part-names/cut", test_cut);
    g_test_add_func("/part-names/deep-section", test_deep_section);
    return g_test_run();
}

/* SPDX-License-Identifier: MIT */
/* tests/unit/mime/reader.c - the octets of a part to what is shown, however they are sliced. */
#include <string.h>

#include "mime/mime.h"
#include "tests/unit/mime/memory.h"
#include "tests/unit/trickle.h"

#define FFFD "\357\277\275"
#define BOM  "\357\273\277"

typedef struct {
    const char *name;
    MimeForm form;
    const char *type, *charset, *encoding, *raw, *expected;
} Row;

static const Row rows[] = {
    {"decoded", MIME_DECODED, "text/plain", "iso-8859-1", "quoted-printable", "a=FC\r\n=\r\nb",
     "a\374\r\nb"},
    {"decoded-none", MIME_DECODED, "text/plain", "iso-8859-1", NULL, "a\374=FC\033\r\n",
     "a\374=FC\033\r\n"},
    {"decoded-unknown", MIME_DECODED, "image/png", NULL, "x-made-up", BOM "SGVs", BOM "SGVs"},
    {"converted", MIME_CONVERTED, "text/plain", "iso-8859-1", "base64",
     "YfwNCg==", "a\303\274\r\n"},
    {"converted-controls", MIME_CONVERTED, "text/html", "utf-8", "8bit", BOM "<p>\033\r\n",
     BOM "<p>\033\r\n"},
    {"converted-no-text", MIME_CONVERTED, "image/png", "iso-8859-1", "base64",
     "YfwNCg==", "a\374\r\n"},
    {"text", MIME_TEXT, "text/plain", "us-ascii", "7bit", "a\r\nb \r\n\tc", "a\nb \n\tc\n"},
    {"text-empty", MIME_TEXT, "text/plain", "us-ascii", "7bit", "", ""},
    {"text-ended", MIME_TEXT, "text/plain", "us-ascii", "7bit", "a\r\n\r\n", "a\n\n"},
    {"text-line-ends", MIME_TEXT, "text/plain", NULL, NULL, "\ra\rb\nc\r\r\n\n\rd\r",
     "\na\nb\nc\n\n\n\nd\n"},
    {"text-controls", MIME_TEXT, "text/plain", "utf-8", NULL, "a\033[31m\177\b\f\302\233m\302\240",
     "a" FFFD "[31m" FFFD FFFD FFFD FFFD "m\302\240\n"},
    {"text-c1-of-charset", MIME_TEXT, "text/plain", "iso-8859-2", NULL, "a\233", "a" FFFD "\n"},
    {"text-wrong", MIME_TEXT, "text/plain", "utf-8", NULL, "\300\257\302", FFFD FFFD FFFD "\n"},
    {"text-unknown-charset", MIME_TEXT, "text/plain", "x-klingon", NULL, "\303\274\374",
     "\303\274" FFFD "\n"},
    {"text-order-mark", MIME_TEXT, "text/plain", "utf-8", "base64", "77u/Ye+7vw==", "a" BOM "\n"},
    {"text-order-mark-alone", MIME_TEXT, "text/plain", "utf-8", NULL, BOM, ""},
    {"text-order-mark-utf-16", MIME_TEXT, "text/plain", "utf-16", "base64", "//5hAPwA",
     "a\303\274\n"},
    {"text-order-mark-utf-16le", MIME_TEXT, "text/plain", "utf-16le", "base64", "//5hAPwA",
     "a\303\274\n"},
    {"text-status", MIME_TEXT, "message/delivery-status", NULL, "7bit", "Action: failed\r\n",
     "Action: failed\n"},
    {"text-flowed", MIME_TEXT, "text/plain", NULL, NULL, "> a \r\n> b\r\n", "> a \n> b\n"},
    {"html", MIME_TEXT, "text/html", "iso-8859-1", "quoted-printable",
     "<p>Gr=FC=DFe,<br>=\r\n&euro;&#27;</p>\r\n<p>b", "Gr\303\274\303\237e,\n\342\202\254\n\nb\n"},
    {"html-order-mark", MIME_TEXT, "text/html", "utf-8", NULL, BOM "<p>a", "a\n"},
    {"html-empty", MIME_TEXT, "text/html", "utf-8", NULL, "<p>", ""},
    {"html-cut", MIME_TEXT, "text/html", "utf-8", "base64", "PGI+YQ", "a\n"},
};

static MailPart *make_part(const Row *row)
{
    MailPart *part = mail_part_new();
    g_auto(GStrv) type = g_strsplit(row->type, "/", 2);

    part->type = g_strdup(type[0]);
    part->subtype = g_strdup(type[1]);
    part->charset = g_strdup(row->charset);
    part->encoding = g_strdup(row->encoding);
    return part;
}

typedef struct {
    MimeReader *reader;
    GByteArray *out;
} Run;

static const Row *current;

static gpointer begin(void)
{
    Run *run = g_new0(Run, 1);
    g_autoptr(MailPart) part = make_part(current);

    run->reader = mime_reader_new(part, current->form);
    run->out = g_byte_array_new();
    return run;
}

static void feed(gpointer parser, const guint8 *bytes, gsize len)
{
    Run *run = parser;

    mime_reader_take(run->reader, bytes, len, run->out);
}

static char *finish(gpointer parser)
{
    Run *run = parser;
    char *text;

    mime_reader_end(run->reader, run->out);
    g_byte_array_append(run->out, (const guint8 *)"", 1);
    text = (char *)g_byte_array_free(run->out, FALSE);
    mime_reader_free(run->reader);
    g_free(run);
    return text;
}

static const Trickle trickle = {begin, feed, finish};

static void test_row(gconstpointer data)
{
    g_autofree char *text = NULL;

    current = data;
    text = trickle_run(&trickle, current->raw, strlen(current->raw), 200);
    g_assert_cmpstr(text, ==, current->expected);
}

static void test_form(void)
{
    static const struct {
        const char *type, *disposition;
        MimeForm form;
    } parts[] = {
        {"text", NULL, MIME_CONVERTED},       {"text", "inline", MIME_CONVERTED},
        {"text", "attachment", MIME_DECODED}, {"image", "inline", MIME_DECODED},
        {"message", NULL, MIME_DECODED},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autoptr(MailPart) part = mail_part_new();

        part->type = g_strdup(parts[i].type);
        part->disposition = g_strdup(parts[i].disposition);
        g_assert_cmpint(mime_form_of_file(part), ==, parts[i].form);
    }
}

static void test_identity(void)
{
    static const struct {
        const char *type, *encoding;
        MimeForm form;
        gboolean is_identity;
    } parts[] = {
        {"text", "7bit", MIME_DECODED, TRUE},
        {"image", "binary", MIME_DECODED, TRUE},
        {"image", NULL, MIME_DECODED, TRUE},
        {"image", "x-made-up", MIME_DECODED, TRUE},
        {"image", "8bit", MIME_CONVERTED, TRUE},
        {"image", "base64", MIME_DECODED, FALSE},
        {"text", "8bit", MIME_CONVERTED, FALSE},
        {"message", "7bit", MIME_TEXT, FALSE},
        {"text", "quoted-printable", MIME_DECODED, FALSE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autoptr(MailPart) part = mail_part_new();

        part->type = g_strdup(parts[i].type);
        part->encoding = g_strdup(parts[i].encoding);
        g_assert_cmpint(mime_is_identity(part, parts[i].form), ==, parts[i].is_identity);
    }
}

/* Of what is longer than any buffer nothing is kept. */
static void check_bounded(const Row *row, guint n_pieces)
{
    g_autoptr(MailPart) part = make_part(row);
    g_autoptr(MimeReader) reader = mime_reader_new(part, row->form);
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autofree char *piece = g_strnfill(64 * 1024, ' ');
    gsize len = 64 * 1024 / strlen(row->raw) * strlen(row->raw), before = 0, taken = 0;

    for (gsize i = 0; i < len; i++)
        piece[i] = row->raw[i % strlen(row->raw)];
    for (guint i = 0; i < n_pieces; i++) {
        g_byte_array_set_size(out, 0);
        mime_reader_take(reader, (const guint8 *)piece, len, out);
        taken += out->len;
        g_assert_cmpuint(out->len, <=, 10 * len);
        if (i == 10)
            before = memory_in_use();
    }
    g_assert_cmpuint(memory_in_use(), <=, before + 16 * 1024);
    g_assert_cmpuint(taken, >=, strlen(row->expected) * n_pieces);
}

static void test_bounded(void)
{
    static const Row streams[] = {
        {"qp", MIME_TEXT, "text/plain", "utf-8", "quoted-printable", "=C3=BCber =\r\n", "xxxxxx"},
        {"base64", MIME_TEXT, "text/plain", "iso-8859-1", "base64", "/Pz8\r\n", "xxx"},
        {"iconv", MIME_TEXT, "text/plain", "shift_jis", NULL, "\223\372\226{", "xxx"},
        {"html", MIME_TEXT, "text/html", "utf-8", "base64", "PGI+YTwvYj4g\n", "xx"},
        {"html-tag", MIME_TEXT, "text/html", "utf-8", NULL, "<a b='", ""},
        {"converted", MIME_CONVERTED, "text/html", "koi8-r", NULL, "\360<", "xx"},
        {"wrong", MIME_TEXT, "text/plain", "utf-8", NULL, "\377\360\237", "xx"},
    };
    static const Row plain = {
        "plain", MIME_TEXT, "text/plain", "utf-8", NULL, "Gr\303\274\303\237e\r\n", "xxxxxx"};

    for (gsize i = 0; i < G_N_ELEMENTS(streams); i++)
        check_bounded(&streams[i], 64);
    check_bounded(&plain, 1024);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mime_init();
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strconcat("/mime/reader/", rows[i].name, NULL);

        g_test_add_data_func(path, &rows[i], test_row);
    }
    g_test_add_func("/mime/reader/form-of-file", test_form);
    g_test_add_func("/mime/reader/identity", test_identity);
    g_test_add_func("/mime/reader/bounded", test_bounded);
    mime_reader_free(NULL);
    return g_test_run();
}

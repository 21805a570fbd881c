/* SPDX-License-Identifier: MIT */
/* tests/unit/mime/decode.c - transfer encodings, however the octets are sliced. */
#include <string.h>

#include "mime/mime.h"
#include "tests/unit/trickle.h"

typedef struct {
    const char *name, *encoding, *raw, *expected;
} Row;

static const Row rows[] = {
    {"base64", "base64", "SGVsbG8sIHdvcmxkIQ==", "Hello, world!"},
    {"base64-case", "BASE64", "SGVsbG8=", "Hello"},
    {"base64-lines", "base64", "SGVs\r\nbG8s\r\nIA==\r\n", "Hello, "},
    {"base64-odd-lines", "base64", "S\nGVsb\r\n\r\nG8", "Hello"},
    {"base64-dirt", "base64", "SG!V*s\tbG 8=", "Hello"},
    {"base64-no-padding", "base64", "SGVsbG8", "Hello"},
    {"base64-one-digit-left", "base64", "SGVsbG8sS", "Hello,"},
    {"base64-empty", "base64", "", ""},
    {"qp", "quoted-printable", "Gr=C3=BC=c3=9Fe", "Gr\303\274\303\237e"},
    {"qp-soft", "quoted-printable", "a=\r\nb =\nc", "ab c"},
    {"qp-hard", "quoted-printable", "a\r\nb\r\n", "a\r\nb\r\n"},
    {"qp-wrong", "quoted-printable", "100 = 10=0, =G1", "100 = 10=0, =G1"},
    {"qp-end", "quoted-printable", "a=", "a"},
    {"uuencode", "x-uuencode", "begin 644 a\r\n%2&5L;&\\`\r\n`\r\nend\r\nbehind\r\n", "Hello"},
    {"uuencode-lines", "uuencode", "before\nbegin 644 a\n#2&5L\n\n\n\"1TP \n#;&\\!\n`\nend",
     "HelGLlo\001"},
    {"uuencode-none", "x-uuencode", "Hello\r\nend\r\n", ""},
    {"8bit", "8bit", "Gr\303\274=C3=9F=\r\n", "Gr\303\274=C3=9F=\r\n"},
    {"unknown", "x-made-up", "SGVsbG8=", "SGVsbG8="},
    {"none", NULL, "SGVsbG8=", "SGVsbG8="},
};

typedef struct {
    MimeDecoder *decoder;
    GByteArray *out;
} Run;

static const char *encoding; /* of the row at hand */

static gpointer begin(void)
{
    Run *run = g_new0(Run, 1);

    run->decoder = mime_decoder_new(encoding);
    run->out = g_byte_array_new();
    return run;
}

static void feed(gpointer parser, const guint8 *bytes, gsize len)
{
    Run *run = parser;

    mime_decoder_take(run->decoder, bytes, len, run->out);
}

static char *finish(gpointer parser)
{
    Run *run = parser;
    char *text;

    mime_decoder_end(run->decoder, run->out);
    text = g_strndup((const char *)run->out->data, run->out->len);
    g_byte_array_unref(run->out);
    mime_decoder_free(run->decoder);
    g_free(run);
    return text;
}

static void test_row(gconstpointer data)
{
    static const Trickle trickle = {begin, feed, finish};
    const Row *row = data;
    g_autofree char *decoded = NULL;

    encoding = row->encoding;
    decoded = trickle_run(&trickle, row->raw, strlen(row->raw), 100);
    g_assert_cmpstr(decoded, ==, row->expected);
}

/* As many octets as go into it, and no more than it makes of them. */
static void test_much(void)
{
    enum {
        N = 3 * 100 * 1024
    };
    g_autofree guint8 *bytes = g_malloc(N);
    g_autofree char *raw = NULL;
    g_autoptr(MimeDecoder) decoder = mime_decoder_new("base64");
    g_autoptr(GByteArray) out = g_byte_array_new();

    for (guint i = 0; i < N; i++)
        bytes[i] = (guint8)(i * 7 + i / 256);
    raw = g_base64_encode(bytes, N);
    mime_decoder_take(decoder, (const guint8 *)raw, strlen(raw), out);
    mime_decoder_end(decoder, out);
    g_assert_cmpmem(out->data, out->len, bytes, N);
    mime_decoder_free(NULL);
}

static void test_identity(void)
{
    static const char *const as_they_are[] = {"7bit", "8BIT", "binary", "", "x-made-up", NULL};
    static const char *const encoded[] = {"base64", "Quoted-Printable", "x-uuencode"};

    for (gsize i = 0; i < G_N_ELEMENTS(as_they_are); i++)
        g_assert_true(mime_encoding_is_identity(as_they_are[i]));
    for (gsize i = 0; i < G_N_ELEMENTS(encoded); i++)
        g_assert_false(mime_encoding_is_identity(encoded[i]));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mime_init();
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strconcat("/mime/decode/", rows[i].name, NULL);

        g_test_add_data_func(path, &rows[i], test_row);
    }
    g_test_add_func("/mime/decode/much", test_much);
    g_test_add_func("/mime/decode/identity", test_identity);
    return g_test_run();
}

/* SPDX-License-Identifier: MIT */
/* tests/fuzz/fuzz-mime-reader.c - the octets of a part, whole and split: the same.
 *
 * Input: four octets choose form, type, encoding and charset, the fifth and sixth where to split.
 */
#include <string.h>

#include "mime/mime.h"

#include "tests/fuzz/fuzz.h"

#define HEAD 6

static const char *const subtypes[] = {"plain", "html"};
static const char *const encodings[] = {"7bit", "base64", "quoted-printable", "x-uuencode"};
static const char *const charsets[] = {
    "utf-8",   "us-ascii", "iso-8859-1", "windows-1251", "shift_jis", "iso-2022-jp", "euc-jp",
    "gb18030", "big5",     "euc-kr",     "utf-7",        "utf-16",    "utf-16le",    "iso-2022-kr",
    "tis-620", "viscii",   "x-unknown",  "windows-1258", "macintosh", NULL,
};

static GByteArray *run(const MailPart *part, MimeForm form, const uint8_t *data, size_t size,
                       size_t split)
{
    g_autoptr(MimeReader) reader = mime_reader_new(part, form);
    GByteArray *out = g_byte_array_new();

    mime_reader_take(reader, data, split, out);
    mime_reader_take(reader, data + split, size - split, out);
    mime_reader_end(reader, out);
    g_byte_array_append(out, (const guint8 *)"", 1);
    return out;
}

static GByteArray *run_by_octets(const MailPart *part, MimeForm form, const uint8_t *data,
                                 size_t size)
{
    g_autoptr(MimeReader) reader = mime_reader_new(part, form);
    GByteArray *out = g_byte_array_new();

    for (size_t i = 0; i < size; i++)
        mime_reader_take(reader, data + i, 1, out);
    mime_reader_end(reader, out);
    g_byte_array_append(out, (const guint8 *)"", 1);
    return out;
}

static void check_text(const GByteArray *out)
{
    const char *text = (const char *)out->data;

    g_assert_cmpuint(strlen(text), ==, out->len - 1);
    g_assert_true(g_utf8_validate(text, -1, NULL));
    g_assert_true(!*text || text[out->len - 2] == '\n');
    for (const char *p = text; *p; p = g_utf8_next_char(p))
        g_assert_true(*p == '\n' || *p == '\t' || !g_unichar_iscntrl(g_utf8_get_char(p)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(MailPart) part = mail_part_new();
    g_autoptr(GByteArray) whole = NULL, parts = NULL, octets = NULL;
    MimeForm form;
    size_t split;

    mime_init();
    if (size < HEAD)
        return 0;
    form = data[0] % 3;
    part->type = g_strdup("text");
    part->subtype = g_strdup(subtypes[data[1] % G_N_ELEMENTS(subtypes)]);
    part->encoding = g_strdup(encodings[data[2] % G_N_ELEMENTS(encodings)]);
    part->charset = g_strdup(charsets[data[3] % G_N_ELEMENTS(charsets)]);
    split = ((size_t)data[4] << 8 | data[5]) % (size - HEAD + 1);
    data += HEAD;
    size -= HEAD;
    whole = run(part, form, data, size, 0);
    parts = run(part, form, data, size, split);
    octets = run_by_octets(part, form, data, size);
    g_assert_cmpmem(parts->data, parts->len, whole->data, whole->len);
    g_assert_cmpmem(octets->data, octets->len, whole->data, whole->len);
    if (mime_is_identity(part, form))
        g_assert_cmpmem(whole->data, whole->len - 1, data, size);
    if (form == MIME_TEXT)
        check_text(whole);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* mime/decode.c - undoing transfer encodings (RFC 2045 6), piece by piece. */
#include <gmime/gmime.h>
#include <string.h>

#include "mime/mime.h"

#define PIECE_MAX   ((gsize)64 * 1024)
#define UU_LINE_MAX ((gsize)1024)

struct MimeDecoder {
    GMimeEncoding encoding;
    GByteArray *line;   /* the one at hand of uuencode; else NULL */
    gboolean is_inside; /* of uuencode, behind its line "begin" and before "end" */
};

static GMimeContentEncoding find_encoding(const char *name)
{
    return g_mime_content_encoding_from_string(name ? name : "");
}

gboolean mime_encoding_is_identity(const char *encoding)
{
    switch (find_encoding(encoding)) {
    case GMIME_CONTENT_ENCODING_BASE64:
    case GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE:
    case GMIME_CONTENT_ENCODING_UUENCODE: return FALSE;
    default: return TRUE;
    }
}

MimeDecoder *mime_decoder_new(const char *encoding)
{
    MimeDecoder *decoder = g_new0(MimeDecoder, 1);

    g_mime_encoding_init_decode(&decoder->encoding, find_encoding(encoding));
    if (decoder->encoding.encoding == GMIME_CONTENT_ENCODING_UUENCODE)
        decoder->line = g_byte_array_new();
    return decoder;
}

void mime_decoder_free(MimeDecoder *decoder)
{
    if (decoder && decoder->line)
        g_byte_array_unref(decoder->line);
    g_free(decoder);
}

static void take_piece(MimeDecoder *decoder, const char *bytes, gsize len, GByteArray *out)
{
    guint before = out->len;
    gsize room = g_mime_encoding_outlen(&decoder->encoding, len), n;

    g_byte_array_set_size(out, before + (guint)room);
    n = g_mime_encoding_step(&decoder->encoding, bytes, len, (char *)out->data + before);
    g_byte_array_set_size(out, before + (guint)n);
}

static gboolean line_begins(const GByteArray *line, const char *word)
{
    return line->len >= strlen(word) && memcmp(line->data, word, strlen(word)) == 0;
}

/* GMime decodes the lines, but knows nothing of what stands around them. */
static void end_line(MimeDecoder *decoder, GByteArray *out)
{
    GByteArray *line = decoder->line;

    if (!decoder->is_inside)
        decoder->is_inside = line_begins(line, "begin ");
    else if (line_begins(line, "end"))
        decoder->is_inside = FALSE;
    else
        take_piece(decoder, (const char *)line->data, line->len, out);
    g_byte_array_set_size(line, 0);
}

static void take_lines(MimeDecoder *decoder, const guint8 *bytes, gsize len, GByteArray *out)
{
    for (gsize i = 0; i < len; i++) {
        g_byte_array_append(decoder->line, bytes + i, 1);
        if (bytes[i] == '\n' || decoder->line->len == UU_LINE_MAX)
            end_line(decoder, out);
    }
}

void mime_decoder_take(MimeDecoder *decoder, const guint8 *bytes, gsize len, GByteArray *out)
{
    if (decoder->line) {
        take_lines(decoder, bytes, len, out);
        return;
    }
    for (gsize n; len > 0; bytes += n, len -= n) {
        n = MIN(len, PIECE_MAX);
        take_piece(decoder, (const char *)bytes, n, out);
    }
}

void mime_decoder_end(MimeDecoder *decoder, GByteArray *out)
{
    guint before;
    gsize room, n;

    /* Some leave the padding out; where it is not missing, this makes no group. */
    if (decoder->encoding.encoding == GMIME_CONTENT_ENCODING_BASE64)
        take_piece(decoder, "==", 2, out);
    if (decoder->line && decoder->line->len > 0)
        end_line(decoder, out);
    before = out->len;
    room = g_mime_encoding_outlen(&decoder->encoding, 0);
    g_byte_array_set_size(out, before + (guint)room);
    n = g_mime_encoding_flush(&decoder->encoding, "", 0, (char *)out->data + before);
    g_byte_array_set_size(out, before + (guint)n);
}

/* SPDX-License-Identifier: MIT */
/* mime/decode.c - undoing transfer encodings (RFC 2045 6), piece by piece. */
#include <gmime/gmime.h>

#include "mime/mime.h"

#define PIECE_MAX ((gsize)64 * 1024)

struct MimeDecoder {
    GMimeEncoding encoding;
};

MimeDecoder *mime_decoder_new(const char *encoding)
{
    MimeDecoder *decoder = g_new0(MimeDecoder, 1);
    GMimeContentEncoding known = g_mime_content_encoding_from_string(encoding ? encoding : "");

    g_mime_encoding_init_decode(&decoder->encoding, known);
    return decoder;
}

void mime_decoder_free(MimeDecoder *decoder)
{
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

void mime_decoder_take(MimeDecoder *decoder, const guint8 *bytes, gsize len, GByteArray *out)
{
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
    before = out->len;
    room = g_mime_encoding_outlen(&decoder->encoding, 0);
    g_byte_array_set_size(out, before + (guint)room);
    n = g_mime_encoding_flush(&decoder->encoding, "", 0, (char *)out->data + before);
    g_byte_array_set_size(out, before + (guint)n);
}

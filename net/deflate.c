/* SPDX-License-Identifier: MIT */
/* net/deflate.c - raw deflate in both directions (RFC 4978). */
#include "net/deflate-private.h"

#include <zlib.h>

#include "mail/mail.h"

/* The ratio is judged whenever so much has been inflated. */
#define SPAN_LEN  (1024 * 1024)
#define RATIO_MAX 1000

#define BLOCK_LEN (16 * 1024)

struct NetDeflate {
    z_stream out, in;
    GByteArray *input;
    gsize input_off;               /* what lies before has been inflated */
    gsize span_input, span_output; /* since the ratio was judged last */
    gboolean is_ended;             /* the peer has finished its stream */
};

NetDeflate *net_deflate_new(void)
{
    NetDeflate *codec = g_new0(NetDeflate, 1);

    if (deflateInit2(&codec->out, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK ||
        inflateInit2(&codec->in, -MAX_WBITS) != Z_OK)
        g_error("no memory for compression");
    codec->input = g_byte_array_sized_new(BLOCK_LEN);
    return codec;
}

void net_deflate_free(NetDeflate *codec)
{
    if (!codec)
        return;
    deflateEnd(&codec->out);
    inflateEnd(&codec->in);
    g_byte_array_unref(codec->input);
    g_free(codec);
}

void net_deflate_compress(NetDeflate *codec, gconstpointer bytes, gsize len, NetQueue *queue)
{
    guint8 block[BLOCK_LEN];
    z_stream *out = &codec->out;

    g_return_if_fail(len <= G_MAXUINT);

    out->next_in = (guint8 *)bytes;
    out->avail_in = (guint)len;
    do {
        out->next_out = block;
        out->avail_out = sizeof block;
        deflate(out, Z_SYNC_FLUSH);
        net_queue_append(queue, block, sizeof block - out->avail_out);
    } while (out->avail_out == 0);
}

void net_deflate_put(NetDeflate *codec, const guint8 *bytes, gsize len)
{
    g_return_if_fail(len <= G_MAXUINT - codec->input->len);

    g_byte_array_append(codec->input, bytes, (guint)len);
}

static gboolean deflate_fail(const char *why, GError **error)
{
    g_set_error_literal(error, MAIL_ERROR, MAIL_ERROR_PROTOCOL, why);
    return FALSE;
}

static void input_take(NetDeflate *codec, gsize n)
{
    codec->input_off += n;
    if (codec->input_off < codec->input->len)
        return;
    g_byte_array_set_size(codec->input, 0);
    codec->input_off = 0;
}

static gboolean ratio_check(NetDeflate *codec, gsize n_input, gsize n_output)
{
    codec->span_input += n_input;
    codec->span_output += n_output;
    if (codec->span_output <= SPAN_LEN)
        return TRUE;
    if (codec->span_output / RATIO_MAX > codec->span_input)
        return FALSE;
    codec->span_input = codec->span_output = 0;
    return TRUE;
}

gboolean net_deflate_next(NetDeflate *codec, guint8 *bytes, gsize size, gsize *ret_n,
                          GError **error)
{
    z_stream *in = &codec->in;
    gsize n_input, n_output;
    int result;

    in->next_in = codec->input->data + codec->input_off;
    in->avail_in = codec->input->len - (guint)codec->input_off;
    in->next_out = bytes;
    in->avail_out = (guint)MIN(size, G_MAXUINT);
    if (codec->is_ended && in->avail_in > 0)
        return deflate_fail("the compressed stream goes on after its end", error);

    n_input = in->avail_in;
    n_output = in->avail_out;
    result = codec->is_ended ? Z_BUF_ERROR : inflate(in, Z_SYNC_FLUSH);
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
        return deflate_fail("the compressed stream is damaged", error);
    codec->is_ended |= result == Z_STREAM_END;
    n_input -= in->avail_in;
    n_output -= in->avail_out;
    input_take(codec, n_input);
    if (!ratio_check(codec, n_input, n_output))
        return deflate_fail("the compressed stream inflates too much", error);
    *ret_n = n_output;
    return TRUE;
}

/* SPDX-License-Identifier: MIT */
/* mime/reader.c - the octets of a part to what is shown of it, piece by piece.
 *
 *      octets -> decoder -> charset -> (without a mark of byte order -> HTML -> clean lines)
 *
 * Behind the charset all is UTF-8, and no character is ever cut between two pieces.
 */
#include <string.h>

#include "mime/private.h"

#define PIECE_MAX   ((gsize)16 * 1024)
#define ORDER_MARK  "\357\273\277" /* U+FEFF */
#define REPLACEMENT "\357\277\275" /* U+FFFD */

struct MimeReader {
    MimeDecoder *decoder; /* NULL: as the octets are */
    MimeCharset *charset; /* NULL: likewise */
    MimeHtml *html;       /* NULL: no HTML */
    gboolean is_text;
    GByteArray *decoded, *converted, *rendered; /* of the piece at hand */

    gboolean is_begun;                /* whether a character came out of the charset */
    gboolean is_behind_cr, is_inside; /* of a line */
};

static gboolean is_text(const MailPart *part)
{
    return g_strcmp0(part->type, "text") == 0;
}

static gboolean is_html(const MailPart *part)
{
    return is_text(part) && g_strcmp0(part->subtype, "html") == 0;
}

static gboolean is_converted(const MailPart *part, MimeForm form)
{
    return form == MIME_TEXT || (form == MIME_CONVERTED && is_text(part));
}

MimeForm mime_form_of_file(const MailPart *part)
{
    return mail_part_is_converted(part) ? MIME_CONVERTED : MIME_DECODED;
}

gboolean mime_is_identity(const MailPart *part, MimeForm form)
{
    return mime_encoding_is_identity(part->encoding) && !is_converted(part, form);
}

MimeReader *mime_reader_new(const MailPart *part, MimeForm form)
{
    MimeReader *reader = g_new0(MimeReader, 1);

    if (!mime_encoding_is_identity(part->encoding))
        reader->decoder = mime_decoder_new(part->encoding);
    if (is_converted(part, form))
        reader->charset = mime_charset_new(part->charset);
    if (form == MIME_TEXT && is_html(part))
        reader->html = mime_html_new();
    reader->is_text = form == MIME_TEXT;
    reader->decoded = g_byte_array_sized_new(PIECE_MAX);
    reader->converted = g_byte_array_sized_new(PIECE_MAX);
    reader->rendered = g_byte_array_sized_new(PIECE_MAX);
    return reader;
}

void mime_reader_free(MimeReader *reader)
{
    if (!reader)
        return;
    mime_decoder_free(reader->decoder);
    mime_charset_free(reader->charset);
    mime_html_free(reader->html);
    g_byte_array_unref(reader->decoded);
    g_byte_array_unref(reader->converted);
    g_byte_array_unref(reader->rendered);
    g_free(reader);
}

/* --- clean lines --- */

static void put(GByteArray *out, const char *text, gsize len)
{
    g_byte_array_append(out, (const guint8 *)text, (guint)len);
}

/* How many octets of @text stand before a control character other than TAB and LF, or CR. */
static gsize span_clean(const char *text, gsize len)
{
    gsize n = 0;

    while (n < len && (text[n] == '\n' || text[n] == '\t' || !mime_control_len(text + n, len - n)))
        n++;
    return n;
}

/* Puts what replaces the control character, and returns its octets. */
static gsize replace_control(MimeReader *reader, const char *text, gsize len, GByteArray *out)
{
    reader->is_behind_cr = *text == '\r';
    if (reader->is_behind_cr)
        put(out, "\n", 1);
    else
        put(out, REPLACEMENT, strlen(REPLACEMENT));
    return mime_control_len(text, len);
}

static void clean(MimeReader *reader, const char *text, gsize len, GByteArray *out)
{
    guint before = out->len;

    for (gsize i = 0, n; i < len;) {
        if (reader->is_behind_cr && text[i] == '\n')
            i++;
        reader->is_behind_cr = FALSE;
        n = span_clean(text + i, len - i);
        put(out, text + i, n);
        i += n;
        if (i < len)
            i += replace_control(reader, text + i, len - i, out);
    }
    if (out->len > before)
        reader->is_inside = out->data[out->len - 1] != '\n';
}

/* --- stages: each passes on what the one before it made --- */

/* Takes @text of the charset, in whole characters; nothing at the end. */
static void pass_text(MimeReader *reader, const GByteArray *converted, gboolean is_end,
                      GByteArray *out)
{
    const char *text = (const char *)converted->data;
    gsize len = converted->len, skipped = 0;

    if (!reader->is_begun && len >= strlen(ORDER_MARK) &&
        memcmp(text, ORDER_MARK, strlen(ORDER_MARK)) == 0)
        skipped = strlen(ORDER_MARK);
    reader->is_begun |= len > 0;
    if (!reader->html) {
        clean(reader, text + skipped, len - skipped, out);
        return;
    }
    g_byte_array_set_size(reader->rendered, 0);
    mime_html_take(reader->html, text + skipped, len - skipped, reader->rendered);
    if (is_end)
        mime_html_end(reader->html, reader->rendered);
    clean(reader, (const char *)reader->rendered->data, reader->rendered->len, out);
}

static void pass_decoded(MimeReader *reader, const guint8 *bytes, gsize len, gboolean is_end,
                         GByteArray *out)
{
    GByteArray *converted = reader->is_text ? reader->converted : out;

    if (!reader->charset) {
        g_byte_array_append(out, bytes, (guint)len);
        return;
    }
    g_byte_array_set_size(reader->converted, 0);
    mime_charset_take(reader->charset, bytes, len, converted);
    if (is_end)
        mime_charset_end(reader->charset, converted);
    if (reader->is_text)
        pass_text(reader, converted, is_end, out);
}

static void pass_encoded(MimeReader *reader, const guint8 *bytes, gsize len, gboolean is_end,
                         GByteArray *out)
{
    if (!reader->decoder) {
        pass_decoded(reader, bytes, len, is_end, out);
        return;
    }
    g_byte_array_set_size(reader->decoded, 0);
    mime_decoder_take(reader->decoder, bytes, len, reader->decoded);
    if (is_end)
        mime_decoder_end(reader->decoder, reader->decoded);
    pass_decoded(reader, reader->decoded->data, reader->decoded->len, is_end, out);
}

void mime_reader_take(MimeReader *reader, const guint8 *bytes, gsize len, GByteArray *out)
{
    for (gsize n; len > 0; bytes += n, len -= n) {
        n = MIN(len, PIECE_MAX);
        pass_encoded(reader, bytes, n, FALSE, out);
    }
}

void mime_reader_end(MimeReader *reader, GByteArray *out)
{
    pass_encoded(reader, NULL, 0, TRUE, out);
    if (reader->is_inside)
        put(out, "\n", 1);
}

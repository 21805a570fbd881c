/* SPDX-License-Identifier: MIT */
/* mime/header.c - decoding header values. */
#include "mime/private.h"

#include <gmime/gmime.h>
#include <string.h>

#define HEADER_MAX ((gsize)64 * 1024)
#define TOKEN_MAX  ((gsize)127)

static GRegex *base64_word; /* its charset, a language (RFC 2231 5), its text */

void mime_init(void)
{
    /* For raw 8-bit headers: UTF-8 if it is that, else what most such mail is. */
    static const char *const charsets[] = {"utf-8", "windows-1252", NULL};
    GMimeParserOptions *options;

    g_mime_init();
    options = g_mime_parser_options_get_default();
    g_mime_parser_options_set_fallback_charsets(options, (const char **)charsets);
    if (!base64_word)
        base64_word = g_regex_new("=\\?([^?*\\s]++)(\\*[^?\\s]*+)?\\?[bB]\\?([^?]*+)\\?=",
                                  G_REGEX_RAW | G_REGEX_OPTIMIZE, 0, NULL);
}

/* Plain ASCII without encoded words is most of all mail, and needs no decoder. */
static gboolean is_plain(const char *s)
{
    for (; *s; s++)
        if ((guchar)*s >= 0x7f || (s[0] == '=' && s[1] == '?'))
            return FALSE;
    return TRUE;
}

/* A NUL would end the text for everybody else: a blank instead. */
static char *dup_without_nul(const char *bytes, gsize len)
{
    char *text = g_malloc(len + 1);

    for (gsize i = 0; i < len; i++)
        text[i] = bytes[i] ? bytes[i] : ' ';
    text[len] = '\0';
    return text;
}

char *mime_text_clean(const char *bytes, gsize len)
{
    g_autofree char *text = dup_without_nul(bytes, len);
    char *valid = g_utf8_make_valid(text, -1);

    mime_blank_controls(valid, strlen(valid));
    return valid;
}

static gboolean append_as_q(const GMatchInfo *match, GString *out, gpointer data)
{
    g_autofree char *charset = g_match_info_fetch(match, 1);
    g_autofree char *encoded = g_match_info_fetch(match, 3);
    g_autoptr(MimeDecoder) decoder = mime_decoder_new("base64");
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    mime_decoder_take(decoder, (const guint8 *)encoded, strlen(encoded), bytes);
    mime_decoder_end(decoder, bytes);
    g_string_append_printf(out, "=?%s?q?", charset);
    for (guint i = 0; i < bytes->len; i++)
        g_string_append_printf(out, "=%02X", bytes->data[i]);
    g_string_append(out, "?=");
    return FALSE;
}

char *mime_header_without_base64(const char *text)
{
    char *without = g_regex_replace_eval(base64_word, text, -1, 0, 0, append_as_q, NULL, NULL);

    return without ? without : g_strdup(text);
}

char *mime_header_decode(const char *bytes, gsize len)
{
    g_autofree char *raw = dup_without_nul(bytes, MIN(len, HEADER_MAX));
    g_autofree char *unfolded = NULL, *words = NULL, *decoded = NULL;

    if (strchr(raw, '\n'))
        unfolded = g_mime_utils_header_unfold(raw);
    else
        unfolded = g_steal_pointer(&raw);
    if (is_plain(unfolded))
        return mime_text_clean(unfolded, strlen(unfolded));
    words = mime_header_without_base64(unfolded);
    decoded = g_mime_utils_header_decode_text(NULL, words);
    return mime_text_clean(decoded, strlen(decoded));
}

char *mime_token_dup(const char *text)
{
    g_autofree char *clean = mime_text_clean(text, strnlen(text, TOKEN_MAX));

    return g_ascii_strdown(clean, -1);
}

/* SPDX-License-Identifier: MIT */
/* mime/header.c - decoding header values. */
#include "mime/private.h"

#include <gmime/gmime.h>
#include <string.h>

#define HEADER_MAX ((gsize)64 * 1024)
#define TOKEN_MAX  ((gsize)127)

void mime_init(void)
{
    /* For bare octets in names: UTF-8 if it is that, else what most such mail is. */
    static const char *const charsets[] = {"utf-8", "windows-1252", NULL};
    GMimeParserOptions *options;

    g_mime_init();
    options = g_mime_parser_options_get_default();
    g_mime_parser_options_set_fallback_charsets(options, (const char **)charsets);
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

/* --- encoded words (RFC 2047) --- */

typedef struct {
    const char *charset, *text; /* neither ends in a NUL */
    gsize n_charset, n_text;
    gboolean is_base64;
} Word;

/* Returns what follows the word that @at begins with, NULL where it begins with none.  @last is the
 * last "?=" of the text, so that the end of one that has none is not sought time and again. */
static const char *read_word(const char *at, const char *last, Word *ret_word)
{
    const char *charset, *mark, *end;
    gsize n_charset;

    if (!g_str_has_prefix(at, "=?"))
        return NULL;
    charset = at + strlen("=?");
    n_charset = strcspn(charset, "*? \t"); /* a language may follow (RFC 2231 5) */
    mark = charset + n_charset + strcspn(charset + n_charset, "? \t");
    if (mark[0] != '?' || !mark[1] || !strchr("BbQq", mark[1]) || mark[2] != '?' || mark + 3 > last)
        return NULL;
    end = strstr(mark + 3, "?=");
    *ret_word = (Word){
        .charset = charset,
        .n_charset = n_charset,
        .text = mark + 3,
        .n_text = (gsize)(end - mark - 3),
        .is_base64 = g_ascii_tolower(mark[1]) == 'b',
    };
    return end + strlen("?=");
}

static void decode_q(const char *text, gsize len, GByteArray *bytes)
{
    for (gsize i = 0; i < len; i++) {
        guint8 octet = (guint8)(text[i] == '_' ? ' ' : text[i]);

        if (text[i] == '=' && len - i > 2 && g_ascii_isxdigit(text[i + 1]) &&
            g_ascii_isxdigit(text[i + 2])) {
            octet = (guint8)(g_ascii_xdigit_value(text[i + 1]) << 4 |
                             g_ascii_xdigit_value(text[i + 2]));
            i += 2;
        }
        g_byte_array_append(bytes, &octet, 1);
    }
}

static GByteArray *decode_word(const Word *word)
{
    GByteArray *bytes = g_byte_array_new();

    if (word->is_base64) {
        g_autoptr(MimeDecoder) decoder = mime_decoder_new("base64");

        mime_decoder_take(decoder, (const guint8 *)word->text, word->n_text, bytes);
        mime_decoder_end(decoder, bytes);
    } else {
        decode_q(word->text, word->n_text, bytes);
    }
    return bytes;
}

typedef struct {
    GByteArray *out;
    GHashTable *charsets; /* by name; each is opened once */
    MimeCharset *inside;  /* that of the word before, which the next may go on with; else NULL */
} Decoding;

static MimeCharset *find_charset(Decoding *decoding, const char *name, gsize len)
{
    g_autofree char *key = g_ascii_strdown(name, (gssize)len);
    MimeCharset *charset = g_hash_table_lookup(decoding->charsets, key);

    if (!charset) {
        charset = mime_charset_new(key);
        g_hash_table_insert(decoding->charsets, g_steal_pointer(&key), charset);
    }
    return charset;
}

static void go_inside(Decoding *decoding, MimeCharset *charset)
{
    if (decoding->inside && decoding->inside != charset)
        mime_charset_end(decoding->inside, decoding->out);
    decoding->inside = charset;
}

/* Adjacent words of one charset may share a character. */
static void put_word(Decoding *decoding, const Word *word)
{
    g_autoptr(GByteArray) bytes = decode_word(word);

    go_inside(decoding, find_charset(decoding, word->charset, word->n_charset));
    mime_charset_take(decoding->inside, bytes->data, bytes->len, decoding->out);
}

/* Bare octets are UTF-8 if they are that, else what most such mail is: up to each blank anew. */
static void put_bare(Decoding *decoding, const char *text, gsize len)
{
    go_inside(decoding, NULL);
    for (gsize n; len > 0; text += n, len -= n) {
        const char *blank = memchr(text, ' ', len), *name;
        MimeCharset *charset;

        n = blank ? (gsize)(blank + 1 - text) : len;
        name = g_utf8_validate_len(text, n, NULL) ? "utf-8" : "windows-1252";
        charset = find_charset(decoding, name, strlen(name));
        mime_charset_take(charset, (const guint8 *)text, n, decoding->out);
        mime_charset_end(charset, decoding->out);
    }
}

static gboolean is_blank(const char *text, gsize len)
{
    for (gsize i = 0; i < len; i++)
        if (!g_ascii_isspace(text[i]))
            return FALSE;
    return TRUE;
}

char *mime_words_decode(const char *text)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autoptr(GHashTable) charsets =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)mime_charset_free);
    Decoding decoding = {.out = out, .charsets = charsets};
    const char *last = g_strrstr(text, "?="), *bare = text, *at = text, *end;
    Word word;

    while (*at) {
        end = last ? read_word(at, last, &word) : NULL;
        if (!end) {
            at++;
            continue;
        }
        if (!decoding.inside || !is_blank(bare, (gsize)(at - bare)))
            put_bare(&decoding, bare, (gsize)(at - bare));
        put_word(&decoding, &word);
        bare = at = end;
    }
    put_bare(&decoding, bare, strlen(bare));
    return dup_without_nul((const char *)out->data, out->len);
}

char *mime_header_decode(const char *bytes, gsize len)
{
    g_autofree char *raw = dup_without_nul(bytes, MIN(len, HEADER_MAX));
    g_autofree char *unfolded = NULL, *decoded = NULL;

    if (strchr(raw, '\n'))
        unfolded = g_mime_utils_header_unfold(raw);
    else
        unfolded = g_steal_pointer(&raw);
    if (is_plain(unfolded))
        return mime_text_clean(unfolded, strlen(unfolded));
    decoded = mime_words_decode(unfolded);
    return mime_text_clean(decoded, strlen(decoded));
}

char *mime_token_dup(const char *text)
{
    g_autofree char *clean = mime_text_clean(text, strnlen(text, TOKEN_MAX));

    return g_ascii_strdown(clean, -1);
}

gboolean mime_date_parse(const char *text, gint64 *ret_date)
{
    g_autoptr(GDateTime) date = g_mime_utils_header_decode_date(text);

    if (!date)
        return FALSE;
    *ret_date = g_date_time_to_unix(date);
    return *ret_date >= 0;
}

/* SPDX-License-Identifier: MIT */
/* mime/params.c - the parameters of Content-Type and Content-Disposition (RFC 2045 5.1, RFC 2231).
 *
 * What is wrong is read as Dovecot does, whose BODYSTRUCTURE tells the same parameters.
 */
#include <string.h>

#include "mime/private.h"

#define PARAMS_MAX 200 /* pieces are sought among them one by one */
#define PARAMS_LEN ((gsize)64 * 1024)
#define END_LEN    (MIME_PARAM_MAX / 4) /* what stays of the end of one that is too long */

struct MimeParams {
    GPtrArray *strings; /* names, each before its value */
    gsize len;
};

/* --- words --- */

typedef struct {
    const char *at, *end;
} Cursor;

static gboolean is_at(const Cursor *cursor, char c)
{
    return cursor->at < cursor->end && *cursor->at == c;
}

static gboolean is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* FALSE when it has no end. */
static gboolean skip_comment(Cursor *cursor)
{
    guint depth = 0;

    for (; cursor->at < cursor->end; cursor->at++) {
        if (*cursor->at == '(')
            depth++;
        else if (*cursor->at == ')' && --depth == 0) {
            cursor->at++;
            return TRUE;
        } else if (*cursor->at == '\\' && ++cursor->at == cursor->end)
            break;
    }
    return FALSE;
}

static gboolean skip_blanks(Cursor *cursor)
{
    for (;;) {
        while (cursor->at < cursor->end && is_blank(*cursor->at))
            cursor->at++;
        if (!is_at(cursor, '('))
            return TRUE;
        if (!skip_comment(cursor))
            return FALSE;
    }
}

static gboolean is_in_word(char c)
{
    return (guchar)c > ' ' && c != 0x7f && !strchr("()<>@,;:\\\"/[]?=", c);
}

static gboolean read_word(Cursor *cursor, GString *word)
{
    const char *first = cursor->at;

    while (cursor->at < cursor->end && is_in_word(*cursor->at))
        cursor->at++;
    g_string_append_len(word, first, cursor->at - first);
    return skip_blanks(cursor);
}

char *mime_word_read(const char **at, const char *end)
{
    Cursor cursor = {*at, end};
    GString *word = g_string_new(NULL);

    if (skip_blanks(&cursor))
        read_word(&cursor, word);
    *at = cursor.at;
    return g_string_free(word, FALSE);
}

/* Folds are taken out.  FALSE when it has no end. */
static gboolean read_quoted(Cursor *cursor, GString *value)
{
    for (cursor->at++; cursor->at < cursor->end; cursor->at++) {
        if (*cursor->at == '"') {
            cursor->at++;
            return skip_blanks(cursor);
        }
        if (*cursor->at == '\\' && ++cursor->at == cursor->end)
            break;
        if (*cursor->at == '\n') {
            if (value->len && value->str[value->len - 1] == '\r')
                g_string_truncate(value, value->len - 1);
            continue;
        }
        g_string_append_c(value, *cursor->at);
    }
    return FALSE;
}

/* name==?utf-8?q?a_b?= */
static gboolean read_encoded_word(Cursor *cursor, GString *value)
{
    for (; cursor->at < cursor->end && *cursor->at != ';' && !is_blank(*cursor->at); cursor->at++)
        g_string_append_c(value, *cursor->at);
    return TRUE;
}

static gboolean read_value(Cursor *cursor, GString *value)
{
    if (!skip_blanks(cursor))
        return FALSE;
    if (is_at(cursor, '"'))
        return read_quoted(cursor, value);
    return is_at(cursor, '=') ? read_encoded_word(cursor, value) : read_word(cursor, value);
}

/* ";name=value", with what is blank behind it. */
static gboolean read_param(Cursor *cursor, GString *name, GString *value)
{
    if (!is_at(cursor, ';'))
        return FALSE;
    cursor->at++;
    if (!skip_blanks(cursor) || !read_word(cursor, name) || !is_at(cursor, '='))
        return FALSE;
    cursor->at++;
    return read_value(cursor, value);
}

/* --- parameters --- */

MimeParams *mime_params_new(void)
{
    MimeParams *params = g_new0(MimeParams, 1);

    params->strings = g_ptr_array_new_with_free_func(g_free);
    return params;
}

void mime_params_free(MimeParams *params)
{
    if (!params)
        return;
    g_ptr_array_unref(params->strings);
    g_free(params);
}

void mime_params_add(MimeParams *params, const char *name, const char *value)
{
    gsize len = strlen(name) + strlen(value);

    if (params->strings->len >= 2 * PARAMS_MAX || len > PARAMS_LEN - params->len)
        return;
    params->len += len;
    g_ptr_array_add(params->strings, g_strdup(name));
    g_ptr_array_add(params->strings, g_strdup(value));
}

guint mime_params_read(MimeParams *params, const char *text, gsize len)
{
    Cursor cursor = {text, text + len};
    guint n_read = 0;
    g_autoptr(GString) name = g_string_new(NULL);
    g_autoptr(GString) value = g_string_new(NULL);

    while (cursor.at < cursor.end) {
        g_string_truncate(name, 0);
        g_string_truncate(value, 0);
        if (read_param(&cursor, name, value)) {
            mime_params_add(params, name->str, value->str);
            n_read++;
        } else if (cursor.at < cursor.end) {
            cursor.at++;
        }
    }
    return n_read;
}

static const char *find(const MimeParams *params, const char *name)
{
    for (guint i = 0; i < params->strings->len; i += 2)
        if (g_ascii_strcasecmp(params->strings->pdata[i], name) == 0)
            return params->strings->pdata[i + 1];
    return NULL;
}

/* --- pieces --- */

/* Whether @text is the @nth piece of @name: "name*0", "name*0*", or "name*", which is the first. */
static gboolean is_piece(const char *text, const char *name, guint nth, gboolean *ret_is_extended)
{
    gsize len = strlen(name);
    guint64 number = 0;
    gboolean is_extended;

    if (g_ascii_strncasecmp(text, name, len) != 0 || text[len] != '*')
        return FALSE;
    text += len + 1;
    is_extended = *text == '\0';
    for (; g_ascii_isdigit(*text) && number <= PARAMS_MAX; text++)
        number = number * 10 + (guint64)g_ascii_digit_value(*text);
    is_extended |= g_str_equal(text, "*");
    if (number != nth || (*text && !is_extended))
        return FALSE;
    *ret_is_extended = is_extended;
    return TRUE;
}

static const char *find_piece(const MimeParams *params, const char *name, guint nth,
                              gboolean *ret_is_extended)
{
    for (guint i = 0; i < params->strings->len; i += 2)
        if (is_piece(params->strings->pdata[i], name, nth, ret_is_extended))
            return params->strings->pdata[i + 1];
    return NULL;
}

static gboolean has_extended_piece(const MimeParams *params, const char *name)
{
    gboolean is_extended = FALSE;

    for (guint n = 0; !is_extended && find_piece(params, name, n, &is_extended); n++)
        ;
    return is_extended;
}

static void append_escaped(GString *joined, const char *piece)
{
    for (; *piece; piece++)
        g_string_append(joined, *piece == '%' ? "%25" : (char[]){*piece, '\0'});
}

/* The pieces in their order, up to one that is missing.  With @is_extended one value of that kind,
 * whatever kind each piece is of. */
static char *join_pieces(const MimeParams *params, const char *name, gboolean is_extended)
{
    g_autoptr(GString) joined = g_string_new(NULL);
    gboolean is_piece_extended;
    const char *piece;

    for (guint n = 0; (piece = find_piece(params, name, n, &is_piece_extended)); n++) {
        if (n == 0 && is_extended && !is_piece_extended)
            g_string_append(joined, "''");
        if (is_extended && !is_piece_extended)
            append_escaped(joined, piece);
        else
            g_string_append(joined, piece);
    }
    return joined->len ? g_string_free(g_steal_pointer(&joined), FALSE) : NULL;
}

char *mime_params_dup_raw(const MimeParams *params, const char *name)
{
    const char *whole = find(params, name);

    if (whole)
        return g_strdup(whole);
    return has_extended_piece(params, name) ? NULL : join_pieces(params, name, FALSE);
}

/* --- texts --- */

static void append_unescaped(GByteArray *octets, const char *text)
{
    for (; *text; text++) {
        gboolean is_escape = *text == '%' && g_ascii_isxdigit(text[1]) && g_ascii_isxdigit(text[2]);
        guint8 octet = (guint8)*text;

        if (is_escape) {
            octet = (guint8)(g_ascii_xdigit_value(text[1]) * 16 + g_ascii_xdigit_value(text[2]));
            text += 2;
        }
        g_byte_array_append(octets, &octet, 1);
    }
}

static GByteArray *convert(const GByteArray *octets, const char *charset_name)
{
    g_autoptr(MimeCharset) charset = mime_charset_new(charset_name);
    GByteArray *text = g_byte_array_sized_new(octets->len + 1);

    mime_charset_take(charset, octets->data, octets->len, text);
    mime_charset_end(charset, text);
    return text;
}

/* Without a charset that we know: what it most likely is. */
static const char *choose_charset(const char *name, const GByteArray *octets)
{
    if (mime_charset_is_known(name))
        return name;
    return g_utf8_validate((const char *)octets->data, octets->len, NULL) ? "utf-8"
                                                                          : "windows-1252";
}

/* "utf-8'en'a%20b" (RFC 2231 4); one without the quotes is all text. */
static char *decode_extended(const char *value)
{
    const char *quote = strchr(value, '\''), *second = quote ? strchr(quote + 1, '\'') : NULL;
    g_autofree char *name = second ? g_strndup(value, (gsize)(quote - value)) : NULL;
    g_autoptr(GByteArray) octets = g_byte_array_sized_new((guint)strlen(value) + 1);
    g_autoptr(GByteArray) text = NULL;

    append_unescaped(octets, second ? second + 1 : value);
    text = convert(octets, choose_charset(name, octets));
    mime_blank_controls((char *)text->data, text->len);
    return g_strndup((const char *)text->data, text->len);
}

/* Whether @text goes on within a character of UTF-8. */
static gboolean is_within(const char *text)
{
    return ((guchar)*text & 0xc0) == 0x80;
}

/* To MIME_PARAM_MAX octets, in the middle: a file name's end is its extension. */
static void cut(char *text)
{
    gsize len = strlen(text), from = MIME_PARAM_MAX - END_LEN, to;

    if (len <= MIME_PARAM_MAX)
        return;
    to = len - END_LEN;
    while (is_within(text + from))
        from--;
    while (is_within(text + to))
        to++;
    memmove(text + from, text + to, len + 1 - to);
}

char *mime_params_dup_text(const MimeParams *params, const char *name)
{
    gboolean is_extended = has_extended_piece(params, name);
    g_autofree char *raw =
        is_extended ? join_pieces(params, name, TRUE) : mime_params_dup_raw(params, name);
    g_autofree char *text = NULL;

    if (!raw)
        return NULL;
    text = is_extended ? decode_extended(raw) : mime_header_decode(raw, strlen(raw));
    cut(text);
    return *text ? g_steal_pointer(&text) : NULL;
}

char *mime_params_dup_charset(const MimeParams *params)
{
    g_autofree char *charset = mime_params_dup_text(params, "charset");

    return charset && g_ascii_strcasecmp(charset, "us-ascii") != 0 ? g_steal_pointer(&charset)
                                                                   : NULL;
}

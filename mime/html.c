/* SPDX-License-Identifier: MIT */
/* mime/html.c - HTML as text: what it says, its paragraphs, lists and tables, and nothing of how it
 * looks.
 *
 *      octets -> pieces of a measure -> libxml2's push parser -> lines
 *
 * A piece is text with the tag behind it.  The parser gets it whole, and what it would keep of it
 * is bounded: so the text does not depend on how the octets come, and memory not on how many they
 * are.
 */
#include <libxml/HTMLparser.h>
#include <string.h>

#include "mime/private.h"

#define TEXT_MAX        ((gsize)16 * 1024) /* octets of a piece, where it has a blank */
#define TAG_MAX         ((gsize)4 * 1024)  /* octets of a tag that are looked at */
#define NAMES_MAX       ((gsize)64 * 1024) /* octets of names that one parser keeps */
#define KEPT_MAX        (64 * 1024)        /* octets that it keeps behind it */
#define DEPTH_MAX       500
#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-:_"
#define BLANKS          " \t\r\n\f"
#define NBSP            "\302\240"
#define QUOTE_MAX       20 /* marks before a line */
#define BREAKS_MAX      50 /* empty lines in a row */

/* What an element does to the text around it. */
typedef enum {
    BREAK = 1,     /* stands on lines of its own */
    PARAGRAPH = 2, /* the same, with an empty line before and after */
    CELL = 4,
    SKIP = 8, /* holds nothing to be read, and no elements */
    ITEM = 16,
    QUOTE = 32,
    VERBATIM = 64,
    IMAGE = 128,
    OMIT = 256, /* the parser is in a body all the time */
} Effect;

static const struct {
    guint effects;
    const char *names; /* a blank around each */
} elements[] = {
    {BREAK, " address article br center dd div dt footer form header option section textarea tr "},
    {PARAGRAPH, " dl h1 h2 h3 h4 h5 h6 hr ol p table ul "},
    {PARAGRAPH | QUOTE, " blockquote "},
    {PARAGRAPH | VERBATIM, " pre "},
    {BREAK | ITEM, " li "},
    {CELL, " td th "},
    {IMAGE, " img "},
    {SKIP, " iframe script style title "},
    {OMIT, " html head body "},
};

typedef enum {
    IN_TEXT,
    AT_OPENING, /* behind "<" */
    IN_TAG,
    IN_DECLARATION, /* of whatever kind, or a comment */
    IN_SKIPPED,     /* a script or the like, until its end tag */
} State;

struct MimeHtml {
    GByteArray *out; /* of the call at hand, borrowed */
    gboolean is_begun;
    guint n_breaks;     /* line ends that are due before the next word */
    gboolean is_spaced; /* a blank is due */
    guint quote_depth, verbatim_depth;

    htmlParserCtxtPtr parser;
    guint depth;

    State state;
    GString *piece;
    GString *tag; /* its octets between "<" and ">"; of what is skipped, its end tag */
    char quote;   /* around the value at hand in a tag, or 0 */
    gboolean is_value_due;
    gsize n_matched; /* dashes in a comment or a declaration, octets of an end tag */
};

/* --- text --- */

static void put(MimeHtml *html, const char *text, gsize len)
{
    g_byte_array_append(html->out, (const guint8 *)text, (guint)len);
}

static void put_breaks(MimeHtml *html)
{
    if (html->is_begun && !html->n_breaks)
        return;
    for (guint i = 0; html->is_begun && i < html->n_breaks; i++)
        put(html, "\n", 1);
    html->is_begun = TRUE;
    html->n_breaks = 0;
    html->is_spaced = FALSE;
    for (guint i = 0; i < MIN(html->quote_depth, QUOTE_MAX); i++)
        put(html, "> ", 2);
}

static void put_word(MimeHtml *html, const char *word, gsize len)
{
    put_breaks(html);
    if (html->is_spaced)
        put(html, " ", 1);
    html->is_spaced = FALSE;
    /* A blank that may not break is one to search for all the same. */
    for (const char *nbsp; (nbsp = g_strstr_len(word, (gssize)len, NBSP));) {
        put(html, word, (gsize)(nbsp - word));
        put(html, " ", 1);
        len -= (gsize)(nbsp - word) + sizeof NBSP - 1;
        word = nbsp + sizeof NBSP - 1;
    }
    put(html, word, len);
}

static void put_verbatim(MimeHtml *html, const char *text, gsize len)
{
    for (gsize i = 0, n = 0; i < len; i += n + 1, n = 0) {
        while (i + n < len && text[i + n] != '\r' && text[i + n] != '\n')
            n++;
        if (n > 0)
            put_word(html, text + i, n);
        if (i + n < len && text[i + n] == '\n')
            html->n_breaks = MIN(html->n_breaks + 1, BREAKS_MAX);
    }
}

static void put_text(MimeHtml *html, const char *text, gsize len)
{
    if (html->verbatim_depth) {
        put_verbatim(html, text, len);
        return;
    }
    for (gsize i = 0, n = 0; i < len; i += n + 1, n = 0) {
        while (i + n < len && !g_ascii_isspace(text[i + n]))
            n++;
        if (n > 0)
            put_word(html, text + i, n);
        if (i + n < len)
            html->is_spaced = html->is_begun;
    }
}

/* --- elements --- */

/* @name is in lower case. */
static guint effects_of(const char *name)
{
    char word[16]; /* longer than any of them */

    g_snprintf(word, sizeof word, " %s ", name);
    for (gsize i = 0; i < G_N_ELEMENTS(elements); i++)
        if (strstr(elements[i].names, word))
            return elements[i].effects;
    return 0;
}

/* Around an element, before and after. */
static void set_apart(MimeHtml *html, guint effects)
{
    if (effects & (PARAGRAPH | BREAK))
        html->n_breaks = MAX(html->n_breaks, effects & PARAGRAPH ? 2u : 1u);
    else if (effects & CELL)
        html->is_spaced = html->is_begun;
}

static const char *find_attribute(const xmlChar **attributes, const char *name)
{
    for (; attributes && attributes[0]; attributes += 2)
        if (g_str_equal(attributes[0], name))
            return (const char *)attributes[1];
    return NULL;
}

static void on_start(void *data, const xmlChar *name, const xmlChar **attributes)
{
    MimeHtml *html = data;
    guint effects = effects_of((const char *)name);
    const char *alt = effects & IMAGE ? find_attribute(attributes, "alt") : NULL;

    html->depth++;
    set_apart(html, effects);
    html->quote_depth += (effects & QUOTE) != 0;
    html->verbatim_depth += (effects & VERBATIM) != 0;
    if (effects & ITEM)
        put_text(html, "- ", 2);
    if (alt)
        put_text(html, alt, strlen(alt));
}

static void on_end(void *data, const xmlChar *name)
{
    MimeHtml *html = data;
    guint effects = effects_of((const char *)name);

    html->depth--;
    html->verbatim_depth -= (effects & VERBATIM) != 0;
    set_apart(html, effects);
    html->quote_depth -= (effects & QUOTE) != 0;
}

/* A reference to one of the octets 0x80 to 0x9f, which comes alone, means windows-1252. */
static void on_characters(void *data, const xmlChar *text, int len)
{
    gboolean is_c1 = len == 2 && text[0] == 0xc2 && text[1] < 0xa0;
    g_autofree char *meant =
        is_c1 ? g_convert((const char *)text + 1, 1, "UTF-8", "WINDOWS-1252", NULL, NULL, NULL)
              : NULL;

    if (meant)
        put_text(data, meant, strlen(meant));
    else
        put_text(data, (const char *)text, (gsize)len);
}

/* --- the parser --- */

static void parse(MimeHtml *html, const char *text, gsize len, gboolean is_end)
{
    htmlParseChunk(html->parser, text, (int)len, is_end);
}

static void begin_parser(MimeHtml *html)
{
    static htmlSAXHandler handler = {
        .startElement = on_start,
        .endElement = on_end,
        .characters = on_characters,
        .ignorableWhitespace = on_characters,
    };

    html->depth = html->quote_depth = html->verbatim_depth = 0;
    html->parser = htmlCreatePushParserCtxt(&handler, html, NULL, 0, NULL, XML_CHAR_ENCODING_UTF8);
    htmlCtxtUseOptions(html->parser, HTML_PARSE_IGNORE_ENC | HTML_PARSE_NONET | HTML_PARSE_NOERROR |
                                         HTML_PARSE_NOWARNING);
    parse(html, "<body>", strlen("<body>"), FALSE);
}

/* Ends the elements that are open. */
static void end_parser(MimeHtml *html)
{
    parse(html, "", 0, TRUE);
    htmlFreeParserCtxt(g_steal_pointer(&html->parser));
}

/* Another parser goes on where this one would become slow, big or deaf: it compares each end tag
 * with all open elements, keeps all names, keeps what it takes for half a tag, and may have given
 * up. */
static gboolean is_worn_out(const MimeHtml *html)
{
    const xmlParserInput *input = html->parser->input;

    return html->depth > DEPTH_MAX || xmlDictGetUsage(html->parser->dict) > NAMES_MAX ||
           input->end - input->base > KEPT_MAX || input->cur < input->end ||
           html->parser->instate == XML_PARSER_EOF;
}

static void parse_piece(MimeHtml *html)
{
    parse(html, html->piece->str, html->piece->len, FALSE);
    g_string_truncate(html->piece, 0);
    if (is_worn_out(html)) {
        end_parser(html);
        begin_parser(html);
    }
}

/* The parser keeps text until a tag or a comment comes. */
static void end_piece(MimeHtml *html)
{
    g_string_append(html->piece, "<!---->");
    parse_piece(html);
}

/* --- octets: each returns whether the octet is done with, or to be taken in the new state --- */

/* Not inside a character; not inside an entity, unless no blank ever comes. */
static gboolean is_piece_end(const MimeHtml *html, char c)
{
    gsize len = html->piece->len;

    return (len >= TEXT_MAX && g_ascii_isspace(c)) ||
           (len >= 2 * TEXT_MAX && ((guchar)c & 0xc0) != 0x80);
}

static void append_text(MimeHtml *html, const char *text, gsize len)
{
    if (is_piece_end(html, *text))
        end_piece(html);
    g_string_append_len(html->piece, text, (gssize)len);
}

static gboolean take_in_text(MimeHtml *html, char c)
{
    if (c == '<')
        html->state = AT_OPENING;
    else
        append_text(html, &c, 1);
    return TRUE;
}

static gboolean take_at_opening(MimeHtml *html, char c)
{
    g_string_truncate(html->tag, 0);
    html->n_matched = 0;
    if (g_ascii_isalpha(c) || c == '/') {
        html->state = IN_TAG;
    } else if (c == '!' || c == '?') {
        html->state = IN_DECLARATION;
    } else {
        html->state = IN_TEXT;
        append_text(html, "&lt;", strlen("&lt;"));
    }
    return FALSE;
}

/* Goes over an attribute's value at *@at, which may be in quotes; new. */
static char *read_value(const char **at)
{
    gboolean is_quoted = **at == '"' || **at == '\'';
    const char quotes[] = {**at, '\0'}, *value = *at + is_quoted;
    gsize len = strcspn(value, is_quoted ? quotes : BLANKS);

    *at = value + len + (is_quoted && value[len]);
    return g_strndup(value, len);
}

/* What an image shows in words, or NULL; new. */
static char *find_alt(const char *tag)
{
    g_autofree char *alt = NULL;

    for (const char *at = tag + strspn(tag, NAME_CHARACTERS); *at && !alt;) {
        g_autofree char *value = NULL;
        gsize len;
        gboolean is_alt;

        at += strspn(at, BLANKS "/");
        len = strcspn(at, BLANKS "=/");
        is_alt = len == strlen("alt") && g_ascii_strncasecmp(at, "alt", len) == 0;
        at += len;
        at += strspn(at, BLANKS);
        if (*at != '=')
            continue;
        at++;
        at += strspn(at, BLANKS);
        value = read_value(&at);
        if (is_alt)
            alt = g_steal_pointer(&value);
    }
    return g_steal_pointer(&alt);
}

/* The tag as the parser gets it, which must not find another end of it than we have: of attributes,
 * only the words of an image are of use. */
static void append_tag(GString *piece, const char *tag, const char *name, guint effects)
{
    gboolean is_end = tag[0] == '/', is_empty = g_str_has_suffix(tag, "/");
    g_autofree char *alt = effects & IMAGE && !is_end ? find_alt(tag) : NULL;
    char quote = alt && strchr(alt, '"') ? '\'' : '"';

    g_string_append(piece, is_end ? "</" : "<");
    g_string_append(piece, name);
    if (alt && !strchr(alt, quote))
        g_string_append_printf(piece, " alt=%c%s%c", quote, alt, quote);
    g_string_append(piece, is_empty ? "/>" : ">");
}

static void take_tag(MimeHtml *html)
{
    g_autofree char *tag = g_utf8_make_valid(html->tag->str, (gssize)html->tag->len);
    gboolean is_end = tag[0] == '/';
    g_autofree char *name =
        g_ascii_strdown(tag + is_end, (gssize)strspn(tag + is_end, NAME_CHARACTERS));
    guint effects = effects_of(name);

    html->state = IN_TEXT;
    html->is_value_due = FALSE;
    if (effects & (SKIP | OMIT) || !g_ascii_isalpha(*name)) {
        end_piece(html);
    } else {
        append_tag(html->piece, tag, name, effects);
        parse_piece(html);
    }
    if (effects & SKIP && !is_end && !g_str_has_suffix(tag, "/")) {
        g_string_printf(html->tag, "</%s", name);
        html->n_matched = 0;
        html->state = IN_SKIPPED;
    }
}

static void find_quote(MimeHtml *html, char c)
{
    gboolean is_value_due = html->is_value_due;

    html->is_value_due = !html->quote && (c == '=' || (is_value_due && g_ascii_isspace(c)));
    if (html->quote)
        html->quote = c == html->quote ? 0 : html->quote;
    else if (is_value_due && (c == '"' || c == '\''))
        html->quote = c;
}

static gboolean take_in_tag(MimeHtml *html, char c)
{
    if (c == '>' && !html->quote) {
        take_tag(html);
        return TRUE;
    }
    find_quote(html, c);
    if (html->tag->len >= TAG_MAX)
        return TRUE;
    g_string_append_c(html->tag, c);
    if (html->tag->len == TAG_MAX && html->quote)
        g_string_append_c(html->tag, html->quote);
    return TRUE;
}

static gboolean take_in_declaration(MimeHtml *html, char c)
{
    gboolean is_comment = g_str_has_prefix(html->tag->str, "!--");

    if (c == '>' && (!is_comment || html->n_matched >= 2)) {
        html->state = IN_TEXT;
        end_piece(html);
    }
    html->n_matched = c == '-' ? html->n_matched + 1 : 0;
    if (html->tag->len < strlen("!--"))
        g_string_append_c(html->tag, c);
    return TRUE;
}

static gboolean take_in_skipped(MimeHtml *html, char c)
{
    if (html->n_matched == html->tag->len && strchr(BLANKS "/>", c)) {
        g_string_erase(html->tag, 0, 1);
        html->state = IN_TAG;
        return FALSE;
    }
    if (g_ascii_tolower(c) == html->tag->str[html->n_matched])
        html->n_matched++;
    else
        html->n_matched = c == '<';
    return TRUE;
}

static gboolean (*const takers[])(MimeHtml *html, char c) = {
    [IN_TEXT] = take_in_text,       [AT_OPENING] = take_at_opening,
    [IN_TAG] = take_in_tag,         [IN_DECLARATION] = take_in_declaration,
    [IN_SKIPPED] = take_in_skipped,
};

void mime_html_take(MimeHtml *html, const char *text, gsize len, GByteArray *out)
{
    html->out = out;
    for (gsize i = 0; i < len;)
        i += !text[i] || takers[html->state](html, text[i]);
}

void mime_html_end(MimeHtml *html, GByteArray *out)
{
    html->out = out;
    if (html->state == AT_OPENING)
        g_string_append(html->piece, "&lt;");
    parse(html, html->piece->str, html->piece->len, FALSE);
    end_parser(html);
    if (html->is_begun)
        put(html, "\n", 1);
}

MimeHtml *mime_html_new(void)
{
    MimeHtml *html = g_new0(MimeHtml, 1);

    html->piece = g_string_new(NULL);
    html->tag = g_string_new(NULL);
    begin_parser(html);
    return html;
}

void mime_html_free(MimeHtml *html)
{
    if (!html)
        return;
    if (html->parser)
        htmlFreeParserCtxt(html->parser);
    g_string_free(html->piece, TRUE);
    g_string_free(html->tag, TRUE);
    g_free(html);
}

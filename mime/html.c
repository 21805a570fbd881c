/* SPDX-License-Identifier: MIT */
/* mime/html.c - HTML as text: what it says, its paragraphs, lists and tables, and nothing of how it
 * looks.
 *
 *      octets -> tags cut to a measure -> libxml2's push parser -> lines
 *
 * libxml2 compares each attribute of a tag with all others, and each end tag with all open
 * elements: so tags are cut, and what is nested too deeply is only stripped of its tags.
 */
#include <libxml/HTMLparser.h>
#include <string.h>

#include "mime/mime.h"

#define TAG_MAX   4096
#define DEPTH_MAX 500
#define QUOTE_MAX 20 /* marks before a line */

/* What an element does to the text around it. */
typedef enum {
    BREAK = 1,     /* stands on lines of its own */
    PARAGRAPH = 2, /* the same, with an empty line before and after */
    CELL = 4,
    SKIP = 8, /* holds nothing to be read */
    ITEM = 16,
    QUOTE = 32,
    VERBATIM = 64,
} Effect;

static const struct {
    const char *name;
    guint effects;
} elements[] = {
    {"address", BREAK},
    {"article", BREAK},
    {"blockquote", PARAGRAPH | QUOTE},
    {"br", BREAK},
    {"center", BREAK},
    {"dd", BREAK},
    {"div", BREAK},
    {"dl", PARAGRAPH},
    {"dt", BREAK},
    {"footer", BREAK},
    {"form", BREAK},
    {"h1", PARAGRAPH},
    {"h2", PARAGRAPH},
    {"h3", PARAGRAPH},
    {"h4", PARAGRAPH},
    {"h5", PARAGRAPH},
    {"h6", PARAGRAPH},
    {"head", SKIP},
    {"header", BREAK},
    {"hr", PARAGRAPH},
    {"li", BREAK | ITEM},
    {"ol", PARAGRAPH},
    {"option", BREAK},
    {"p", PARAGRAPH},
    {"pre", PARAGRAPH | VERBATIM},
    {"script", SKIP},
    {"section", BREAK},
    {"style", SKIP},
    {"table", PARAGRAPH},
    {"td", CELL},
    {"textarea", BREAK},
    {"th", CELL},
    {"title", SKIP},
    {"tr", BREAK},
    {"ul", PARAGRAPH},
};

struct MimeHtml {
    htmlParserCtxtPtr parser; /* NULL once it has given up: tags are only left out */
    GString *out;
    guint n_breaks;     /* line ends that are due before the next word */
    gboolean is_spaced; /* a blank is due */
    guint depth, skip_depth, quote_depth, verbatim_depth;

    /* The tag at hand. */
    GString *cut;  /* octets for the parser */
    gsize tag_len; /* 0 outside */
    char quote;
};

/* --- text --- */

static void begin_line(MimeHtml *html)
{
    for (guint i = 0; i < MIN(html->quote_depth, QUOTE_MAX); i++)
        g_string_append(html->out, "> ");
}

static void put_breaks(MimeHtml *html)
{
    gboolean is_first = html->out->len == 0;

    if (!is_first && !html->n_breaks)
        return;
    for (guint i = 0; !is_first && i < html->n_breaks; i++)
        g_string_append_c(html->out, '\n');
    html->n_breaks = 0;
    html->is_spaced = FALSE;
    begin_line(html);
}

static void want_breaks(MimeHtml *html, guint n)
{
    html->n_breaks = MAX(html->n_breaks, n);
}

static void put_word(MimeHtml *html, const char *word, gsize len)
{
    put_breaks(html);
    if (html->is_spaced)
        g_string_append_c(html->out, ' ');
    html->is_spaced = FALSE;
    g_string_append_len(html->out, word, (gssize)len);
}

static void put_verbatim(MimeHtml *html, const char *text, gsize len)
{
    for (gsize i = 0; i < len; i++) {
        if (text[i] == '\n') {
            html->n_breaks++;
        } else if (text[i] != '\r') {
            put_word(html, text + i, 1);
        }
    }
}

static void put_text(MimeHtml *html, const char *text, gsize len)
{
    static const char blanks[] = " \t\r\n\f";

    if (html->skip_depth)
        return;
    if (html->verbatim_depth) {
        put_verbatim(html, text, len);
        return;
    }
    for (gsize i = 0; i < len;) {
        gsize end = i;

        while (end < len && !memchr(blanks, text[end], sizeof blanks - 1))
            end++;
        if (end > i)
            put_word(html, text + i, end - i);
        if (end < len)
            html->is_spaced = html->out->len > 0;
        i = end + 1;
    }
}

/* --- elements --- */

static guint effects_of(const xmlChar *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(elements); i++)
        if (g_ascii_strcasecmp((const char *)name, elements[i].name) == 0)
            return elements[i].effects;
    return 0;
}

/* Around an element, before and after. */
static void set_apart(MimeHtml *html, guint effects)
{
    if (effects & PARAGRAPH)
        want_breaks(html, 2);
    else if (effects & BREAK)
        want_breaks(html, 1);
    else if (effects & CELL)
        html->is_spaced = html->out->len > 0;
}

static const char *find_attribute(const xmlChar **attributes, const char *name)
{
    for (; attributes && attributes[0]; attributes += 2)
        if (g_ascii_strcasecmp((const char *)attributes[0], name) == 0)
            return (const char *)attributes[1];
    return NULL;
}

static void on_start(void *data, const xmlChar *name, const xmlChar **attributes)
{
    MimeHtml *html = data;
    guint effects = effects_of(name);
    const char *alt = find_attribute(attributes, "alt");

    if (++html->depth > DEPTH_MAX)
        xmlStopParser(html->parser);
    set_apart(html, effects);
    html->skip_depth += (effects & SKIP) != 0;
    html->quote_depth += (effects & QUOTE) != 0;
    html->verbatim_depth += (effects & VERBATIM) != 0;
    if (effects & ITEM)
        put_text(html, "- ", 2);
    if (alt && g_ascii_strcasecmp((const char *)name, "img") == 0)
        put_text(html, alt, strlen(alt));
}

static void on_end(void *data, const xmlChar *name)
{
    MimeHtml *html = data;
    guint effects = effects_of(name);

    html->depth -= html->depth > 0;
    html->skip_depth -= effects & SKIP && html->skip_depth;
    html->verbatim_depth -= effects & VERBATIM && html->verbatim_depth;
    set_apart(html, effects);
    html->quote_depth -= effects & QUOTE && html->quote_depth;
}

static void on_characters(void *data, const xmlChar *text, int len)
{
    put_text(data, (const char *)text, (gsize)len);
}

/* --- octets --- */

static void parse(MimeHtml *html, const char *text, gsize len)
{
    if (!html->parser)
        return;
    htmlParseChunk(html->parser, text, (int)len, 0);
    if (html->depth <= DEPTH_MAX)
        return;
    htmlFreeParserCtxt(g_steal_pointer(&html->parser));
    html->skip_depth = html->quote_depth = html->verbatim_depth = 0;
    want_breaks(html, 1);
}

static gboolean begins_tag(char c)
{
    return g_ascii_isalpha(c) || c == '/';
}

/* One octet of a tag: it ends, or it is passed on, or it is too much. */
static void take_in_tag(MimeHtml *html, char c)
{
    html->tag_len++;
    if (html->tag_len == 2 && !begins_tag(c)) {
        html->tag_len = 0;
        g_string_append_c(html->cut, c);
        return;
    }
    if (html->quote ? c == html->quote : c == '"' || c == '\'')
        html->quote = html->quote ? 0 : c;
    if (html->tag_len < TAG_MAX)
        g_string_append_c(html->cut, c);
    if (html->tag_len == TAG_MAX && html->quote)
        g_string_append_c(html->cut, html->quote);
    if (c != '>' || html->quote)
        return;
    if (html->tag_len >= TAG_MAX)
        g_string_append_c(html->cut, '>');
    html->tag_len = 0;
}

/* Text without tags, for when nothing better is left. */
static void take_stripped(MimeHtml *html, const char *text, gsize len)
{
    gboolean is_tag = html->tag_len > 0;

    for (gsize i = 0; i < len; i++) {
        gsize n = strcspn(text + i, "<>");

        n = MIN(n, len - i);
        if (!is_tag)
            put_text(html, text + i, n);
        i += n;
        if (i < len)
            is_tag = text[i] == '<';
        html->is_spaced = TRUE;
    }
    html->tag_len = is_tag;
}

void mime_html_take(MimeHtml *html, const char *text, gsize len)
{
    gsize i = 0;

    g_string_truncate(html->cut, 0);
    for (; i < len && html->parser; i++) {
        if (html->tag_len > 0) {
            take_in_tag(html, text[i]);
        } else {
            html->tag_len = text[i] == '<';
            html->quote = 0;
            g_string_append_c(html->cut, text[i]);
        }
        if (html->cut->len >= TAG_MAX && html->tag_len == 0) {
            parse(html, html->cut->str, html->cut->len);
            g_string_truncate(html->cut, 0);
        }
    }
    parse(html, html->cut->str, html->cut->len);
    if (!html->parser)
        take_stripped(html, text + i, len - i);
}

MimeHtml *mime_html_new(void)
{
    static htmlSAXHandler handler = {
        .startElement = on_start,
        .endElement = on_end,
        .characters = on_characters,
        .ignorableWhitespace = on_characters,
    };
    MimeHtml *html = g_new0(MimeHtml, 1);

    html->out = g_string_new(NULL);
    html->cut = g_string_new(NULL);
    html->parser = htmlCreatePushParserCtxt(&handler, html, NULL, 0, NULL, XML_CHAR_ENCODING_UTF8);
    htmlCtxtUseOptions(html->parser, HTML_PARSE_IGNORE_ENC | HTML_PARSE_NONET | HTML_PARSE_NOERROR |
                                         HTML_PARSE_NOWARNING);
    return html;
}

char *mime_html_end(MimeHtml *html)
{
    GString *out = html->out;

    if (html->parser) {
        htmlParseChunk(html->parser, "", 0, 1);
        htmlFreeParserCtxt(html->parser);
    }
    if (out->len > 0)
        g_string_append_c(out, '\n');
    g_string_free(html->cut, TRUE);
    g_free(html);
    return g_string_free(out, FALSE);
}

/* SPDX-License-Identifier: MIT */
/* mime/html.c - HTML as text: what it says, its paragraphs, lists and tables, and nothing of how it
 * looks.
 *
 * A tokenizer after the HTML standard (13.2.5) without a tree: a parser that keeps open elements,
 * names or text until they end would grow with what strangers send.  libxml2 knows the entities.
 */
#include <libxml/HTMLparser.h>
#include <string.h>

#include "mime/mime.h"

#define TAG_MAX    4096 /* octets of a tag that are looked at */
#define ENTITY_MAX 31
#define QUOTE_MAX  20 /* marks before a line */
#define BREAKS_MAX 50 /* empty lines in a row */

static const char blanks[] = " \t\r\n\f";

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
    {"header", BREAK},
    {"hr", PARAGRAPH},
    {"iframe", SKIP},
    {"img", IMAGE},
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

typedef enum {
    IN_TEXT,
    IN_ENTITY,
    AT_OPENING, /* behind "<" */
    IN_TAG,
    AT_DECLARATION, /* behind "<!" or "<?" */
    IN_DECLARATION,
    IN_COMMENT,
    IN_SKIPPED, /* a script or the like, until its end tag */
} State;

struct MimeHtml {
    GByteArray *out; /* of the call at hand, borrowed */
    gboolean is_begun;
    guint n_breaks;     /* line ends that are due before the next word */
    gboolean is_spaced; /* a blank is due */
    guint quote_depth, verbatim_depth;

    State state;
    GString *kept; /* of an entity or a tag; of what is skipped, its end tag */
    char quote;    /* around the value at hand in a tag, or 0 */
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

/* --- entities --- */

/* References to the octets 0x80 to 0x9f mean windows-1252 (13.2.5.80). */
static const guint16 windows_1252[32] = {
    0x20ac, 0x81,   0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x8d,   0x017d, 0x8f,   0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
    0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x9d,   0x017e, 0x0178,
};

/* Of the digits behind "&#"; 0 when they are none. */
static gunichar numbered_character(const char *digits)
{
    gboolean is_hex = g_ascii_tolower(*digits) == 'x';
    const char *begin = digits + is_hex;
    char *end;
    guint64 value = g_ascii_strtoull(begin, &end, is_hex ? 16 : 10);

    if (end == begin || *end)
        return 0;
    if (value >= 0x80 && value < 0xa0)
        return windows_1252[value - 0x80];
    return value > 0 && value <= G_MAXUINT32 && g_unichar_validate((gunichar)value)
               ? (gunichar)value
               : 0xfffd;
}

static gunichar named_character(const char *name)
{
    const htmlEntityDesc *entity = htmlEntityLookup((const xmlChar *)name);

    return entity ? entity->value : 0;
}

/* Ends the entity at hand; what is none stands as it was written. */
static void end_entity(MimeHtml *html, gboolean is_complete)
{
    const char *name = html->kept->str + 1;
    gunichar c = *name == '#' ? numbered_character(name + 1) : named_character(name);
    char text[6];

    html->state = IN_TEXT;
    if (c) {
        put_text(html, text, (gsize)g_unichar_to_utf8(c, text));
        return;
    }
    put_text(html, html->kept->str, html->kept->len);
    if (is_complete)
        put_text(html, ";", 1);
}

static gboolean take_in_entity(MimeHtml *html, char c)
{
    gboolean is_name = g_ascii_isalnum(c) || (c == '#' && html->kept->len == 1);

    if (is_name && html->kept->len <= ENTITY_MAX) {
        g_string_append_c(html->kept, c);
        return TRUE;
    }
    end_entity(html, c == ';');
    return c == ';';
}

/* --- elements --- */

static guint effects_of(const char *name, gsize len)
{
    for (gsize i = 0; i < G_N_ELEMENTS(elements); i++)
        if (strlen(elements[i].name) == len &&
            g_ascii_strncasecmp(name, elements[i].name, len) == 0)
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

/* The value of an attribute, UTF-8; @at: behind the name of the tag. New, or NULL. */
static char *dup_attribute(const char *at, const char *wanted)
{
    while (*at) {
        const char *name = at += strspn(at, " \t\r\n\f/"), *value;
        gsize n_name = strcspn(at, "= \t\r\n\f/"), n_value;
        char quote[2] = {0};

        at += n_name;
        at += strspn(at, blanks);
        if (*at != '=')
            continue;
        at++;
        at += strspn(at, blanks);
        if (*at == '"' || *at == '\'')
            quote[0] = *at++;
        value = at;
        n_value = strcspn(at, quote[0] ? quote : blanks);
        at += n_value;
        at += quote[0] && *at;
        if (n_name == strlen(wanted) && g_ascii_strncasecmp(name, wanted, n_name) == 0)
            return g_utf8_make_valid(value, (gssize)n_value);
    }
    return NULL;
}

static void put_attribute(MimeHtml *html, const char *text)
{
    while (*text) {
        gsize n = strcspn(text, "&");

        put_text(html, text, n);
        text += n;
        if (!*text)
            break;
        g_string_assign(html->kept, "&");
        html->state = IN_ENTITY;
        for (text++; *text && html->state == IN_ENTITY;)
            text += take_in_entity(html, *text);
        if (html->state == IN_ENTITY)
            end_entity(html, FALSE);
    }
}

static void end_element(MimeHtml *html, guint effects)
{
    html->verbatim_depth -= effects & VERBATIM && html->verbatim_depth;
    set_apart(html, effects);
    html->quote_depth -= effects & QUOTE && html->quote_depth;
}

static void begin_element(MimeHtml *html, guint effects, const char *attributes)
{
    set_apart(html, effects);
    html->quote_depth += (effects & QUOTE) != 0;
    html->verbatim_depth += (effects & VERBATIM) != 0;
    if (effects & ITEM)
        put_text(html, "- ", 2);
    if (effects & IMAGE) {
        g_autofree char *alt = dup_attribute(attributes, "alt");

        if (alt)
            put_attribute(html, alt);
    }
}

/* @name is the beginning of what is kept. */
static void begin_skipping(MimeHtml *html, gsize n_name)
{
    g_string_truncate(html->kept, n_name);
    g_string_ascii_down(html->kept);
    g_string_prepend(html->kept, "</");
    html->n_matched = 0;
    html->state = IN_SKIPPED;
}

static void take_tag(MimeHtml *html)
{
    GString *tag = html->kept;
    gboolean is_end = tag->str[0] == '/', is_empty = tag->str[tag->len - 1] == '/';
    const char *name = tag->str + is_end;
    gsize n_name = strcspn(name, " \t\r\n\f/");
    guint effects = effects_of(name, n_name);

    html->state = IN_TEXT;
    if (is_end)
        end_element(html, effects);
    else if (effects & SKIP && !is_empty)
        begin_skipping(html, n_name);
    else
        begin_element(html, effects, name + n_name);
}

/* --- octets: each returns whether the octet is done with, or to be taken in the new state --- */

static gboolean take_in_text(MimeHtml *html, char c)
{
    g_string_truncate(html->kept, 0);
    if (c == '&')
        g_string_append_c(html->kept, c);
    html->state = c == '&' ? IN_ENTITY : AT_OPENING;
    return TRUE;
}

static gboolean take_at_opening(MimeHtml *html, char c)
{
    html->quote = 0;
    html->is_value_due = FALSE;
    html->n_matched = 0;
    if (g_ascii_isalpha(c) || c == '/') {
        html->state = IN_TAG;
        return FALSE;
    }
    html->state = c == '!' || c == '?' ? AT_DECLARATION : IN_TEXT;
    if (html->state == IN_TEXT)
        put_text(html, "<", 1);
    return html->state == AT_DECLARATION;
}

static gboolean take_in_tag(MimeHtml *html, char c)
{
    gboolean is_value_due = html->is_value_due;

    if (c == '>' && !html->quote) {
        take_tag(html);
        return TRUE;
    }
    if (html->kept->len < TAG_MAX)
        g_string_append_c(html->kept, c);
    html->is_value_due = !html->quote && (c == '=' || (is_value_due && g_ascii_isspace(c)));
    if (html->quote)
        html->quote = c == html->quote ? 0 : html->quote;
    else if (is_value_due && (c == '"' || c == '\''))
        html->quote = c;
    return TRUE;
}

static gboolean take_at_declaration(MimeHtml *html, char c)
{
    if (c != '-') {
        html->state = IN_DECLARATION;
        return FALSE;
    }
    if (++html->n_matched == 2)
        html->state = IN_COMMENT;
    return TRUE;
}

static gboolean take_in_declaration(MimeHtml *html, char c)
{
    if (c == '>')
        html->state = IN_TEXT;
    return TRUE;
}

static gboolean take_in_comment(MimeHtml *html, char c)
{
    if (c == '>' && html->n_matched >= 2)
        html->state = IN_TEXT;
    html->n_matched = c == '-' ? html->n_matched + 1 : 0;
    return TRUE;
}

static gboolean take_in_skipped(MimeHtml *html, char c)
{
    if (g_ascii_tolower(c) == html->kept->str[html->n_matched])
        html->n_matched++;
    else
        html->n_matched = c == '<';
    if (html->n_matched == html->kept->len) {
        g_string_erase(html->kept, 0, 1);
        html->state = IN_TAG;
    }
    return TRUE;
}

static gboolean (*const takers[])(MimeHtml *html, char c) = {
    [IN_TEXT] = take_in_text,
    [IN_ENTITY] = take_in_entity,
    [AT_OPENING] = take_at_opening,
    [IN_TAG] = take_in_tag,
    [AT_DECLARATION] = take_at_declaration,
    [IN_DECLARATION] = take_in_declaration,
    [IN_COMMENT] = take_in_comment,
    [IN_SKIPPED] = take_in_skipped,
};

void mime_html_take(MimeHtml *html, const char *text, gsize len, GByteArray *out)
{
    html->out = out;
    for (gsize i = 0, n; i < len;) {
        for (n = 0; html->state == IN_TEXT && i + n < len; n++)
            if (text[i + n] == '<' || text[i + n] == '&')
                break;
        put_text(html, text + i, n);
        i += n;
        if (i < len)
            i += takers[html->state](html, text[i]);
    }
}

void mime_html_end(MimeHtml *html, GByteArray *out)
{
    html->out = out;
    if (html->state == IN_ENTITY)
        end_entity(html, FALSE);
    else if (html->state == AT_OPENING)
        put_text(html, "<", 1);
    if (html->is_begun)
        put(html, "\n", 1);
}

MimeHtml *mime_html_new(void)
{
    MimeHtml *html = g_new0(MimeHtml, 1);

    html->kept = g_string_new(NULL);
    return html;
}

void mime_html_free(MimeHtml *html)
{
    if (!html)
        return;
    g_string_free(html->kept, TRUE);
    g_free(html);
}

/* SPDX-License-Identifier: MIT */
/* tests/unit/mime/html.c - HTML as text, however it is sliced. */
#include <string.h>

#include "mime/private.h"
#include "tests/unit/mime/memory.h"
#include "tests/unit/trickle.h"

#define MEMORY_MAX ((gsize)384 * 1024)
#define PIECE      ((gsize)4096)

typedef struct {
    const char *name, *html, *text;
} Row;

static const Row rows[] = {
    {"nothing", "", ""},
    {"text", "Hello, world", "Hello, world\n"},
    {"blanks", "  a \r\n\t b&#32;c  ", "a b c\n"},
    {"inline", "a<b>b</b>c <i>d</i> e", "abc d e\n"},
    {"paragraphs", "<p>a</p><p>b</p>c", "a\n\nb\n\nc\n"},
    {"lines", "a<br>b<br/>c<div>d</div>e", "a\nb\nc\nd\ne\n"},
    {"list", "<ul><li>a</li><li>b<ol><li>c</ol></ul>d", "- a\n- b\n\n- c\n\nd\n"},
    {"table", "<table><tr><td>a</td><td>b</td></tr><tr><th>c<td>d</table>", "a b\nc d\n"},
    {"pre", "<pre>a\n  b\n\nc</pre>d", "a\n  b\n\nc\n\nd\n"},
    {"quote", "a<blockquote>b<br>c<blockquote>d</blockquote></blockquote>e",
     "a\n\n> b\n> c\n\n> > d\n\ne\n"},
    {"entities", "&lt;a&gt; &amp; &uuml;&#x20AC;&nbsp;&unknown;",
     "<a> & \303\274\342\202\254 &unknown;\n"},
    {"quoted-end", "a<a='>'>b<img ='>'>c<b=\"x>\">d</b>", "abcd\n"},
    {"nbsp", "a&nbsp;&nbsp;b &nbsp;c\302\240", "a  b  c \n"},
    {"head", "<html><head><title>t</title><style>s{}</style></head><body>b</body></html>", "b\n"},
    {"script", "a<script>if (1 < 2) document.write('<p>x')</script>b", "ab\n"},
    {"comment", "a<!-- b <p> -->c", "ac\n"},
    {"conditional", "a<!--[if mso]><p>x</p><![endif]-->b", "ab\n"},
    {"image", "a <img alt=\"a duck\" src='x'> <img src=y>b", "a a duck b\n"},
    {"link", "see <a href=\"https://example.org/\">the page</a>.", "see the page.\n"},
    {"utf-8", "<meta charset=latin1>Gr\303\274\303\237e", "Gr\303\274\303\237e\n"},
    {"less-than", "1 < 2 and 3<4", "1 < 2 and 3<4\n"},
    {"greater-than", "a > b", "a > b\n"},
    {"unclosed", "<p>a<b>b<p>c", "ab\n\nc\n"},
    {"unopened", "a</b></p>b", "ab\n"},
    {"tag-at-end", "a<p", "a\n"},
    {"doctype", "<!DOCTYPE html><p>a", "a\n"},
    {"entity-bare", "a &amp b &copy", "a &amp b &copy\n"},
    {"entity-numbers", "a&#150;&#0;&#xD800;&#99999999999;&#;&#x;b", "a\342\200\223b\n"},
    {"entity-and-comment", "a&am<!-- -->p;", "a&amp;\n"},
    {"entity-long", "&aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;",
     "&aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;\n"},
    {"comment-empty", "a<!-->b<!--->c<!-- x --y--->d<!-x->e", "abcde\n"},
    {"comment-open", "a<!-- b", "a\n"},
    {"cdata", "a<![CDATA[x<y]]>b", "ab\n"},
    {"instruction", "<?xml version='1.0'?>a", "a\n"},
    {"image-entity", "<img title='alt=x' alt = 'a &amp; &lt;b> &c'>", "a & <b> &c\n"},
    {"attribute-quotes", "<a href='>' it's>b</a>", "b\n"},
    {"script-end", "<SCRIPT>a</scripT >b<script></scr</script>c", "bc\n"},
    {"script-end-whole", "a<script>b</scriptx>c</script-->d</scrip</SCRIPT\t>e", "ae\n"},
    {"script-end-slash", "a<style>b</style</style/>c<title>d</title\n x=y>e", "ace\n"},
    {"script-open", "a<script>b", "a\n"},
    {"title-empty-xml", "<title/>a", "a\n"},
    {"less-than-at-end", "a<", "a<\n"},
    {"closing-without-name", "a</>b</3>c</ p>d", "abcd\n"},
    {"body-and-more", "<body>a</body>b</html>c<html><head></head><body>d", "abcd\n"},
    {"script-value", "<script a=>b</script \">\"c", "\"c\n"},
    {"image-odd", "<img \"a= alt=b>c<img a= =\"> alt=d>e", "c\n"},
    {"pre-blank-lines", "<pre>a\r\n\tb</pre>", "a\n\tb\n"},
    {"cells-and-words", "<td>a</td>b", "a b\n"},
};

typedef struct {
    MimeHtml *html;
    GByteArray *out;
} Run;

static gpointer begin(void)
{
    Run *run = g_new0(Run, 1);

    run->html = mime_html_new();
    run->out = g_byte_array_new();
    return run;
}

static void feed(gpointer parser, const guint8 *bytes, gsize len)
{
    Run *run = parser;

    mime_html_take(run->html, (const char *)bytes, len, run->out);
}

static char *finish(gpointer parser)
{
    Run *run = parser;
    char *text;

    mime_html_end(run->html, run->out);
    g_byte_array_append(run->out, (const guint8 *)"", 1);
    text = (char *)g_byte_array_free(run->out, FALSE);
    mime_html_free(run->html);
    g_free(run);
    return text;
}

static const Trickle trickle = {begin, feed, finish};

static void test_row(gconstpointer data)
{
    const Row *row = data;
    g_autofree char *text = trickle_run(&trickle, row->html, strlen(row->html), 100);

    g_assert_cmpstr(text, ==, row->text);
}

/* What a picture in a tag takes is not kept, what stands around it is. */
static void test_long_tags(void)
{
    g_autofree char *data = g_strnfill(1024 * 1024, 'A');
    g_autofree char *html =
        g_strconcat("a <img alt=x src=\"data:", data, ">\" alt=y> b <i ", data, "> c", NULL);
    g_autofree char *text = trickle_run(&trickle, html, strlen(html), 0);

    g_assert_cmpstr(text, ==, "a x b c\n");
}

/* What comes out of a long text without tags is never far behind, and no entity is cut. */
static void test_flow(void)
{
    static const char unit[] = "a&amp;\303\244 ";
    Run *run = begin();
    g_autofree char *text = NULL;

    for (guint n = 1; n <= 100000; n++) {
        feed(run, (const guint8 *)unit, strlen(unit));
        g_assert_cmpuint(run->out->len + 32 * 1024, >=, n * strlen("a&\303\244 "));
    }
    text = finish(run);
    g_assert_cmpuint(strlen(text), ==, 100000 * strlen("a&\303\244 "));
    for (const char *at = text; *at; at += strlen("a&\303\244 "))
        g_assert_true(g_str_has_prefix(at, "a&\303\244"));
}

/* The same where there is no blank, nor any end of a character in sight. */
static void test_long_word(void)
{
    g_autoptr(GString) html = g_string_new("a");
    g_autofree char *text = NULL;

    while (html->len < 200000)
        g_string_append(html, "\303\244");
    text = trickle_run(&trickle, html->str, html->len, 0);
    g_assert_cmpuint(strlen(text), ==, html->len + 1);
    g_assert_true(g_str_has_prefix(text, html->str));
}

/* @unit as often as it takes; each %x in it is another number. */
static GString *repeat(const char *unit, gsize len, guint *n_units)
{
    GString *text = g_string_new(NULL);

    while (text->len < len) {
        const char *number = strstr(unit, "%x");

        g_string_append_len(text, unit, number ? number - unit : (gssize)strlen(unit));
        if (number)
            g_string_append_printf(text, "%x%s", ++*n_units, number + 2);
    }
    return text;
}

/* The most that it keeps while twice as much is pushed. */
static void check_memory(const char *unit)
{
    g_autoptr(MimeHtml) html = mime_html_new();
    g_autoptr(GByteArray) out = g_byte_array_new();
    gsize before = memory_in_use(), most = before;
    guint n_units = 0;

    for (guint n = 0; n < 2 * MEMORY_MAX / PIECE; n++) {
        g_autoptr(GString) piece = repeat(unit, PIECE, &n_units);

        g_byte_array_set_size(out, 0);
        mime_html_take(html, piece->str, piece->len, out);
        most = MAX(most, memory_in_use());
    }
    g_test_message("%s: %" G_GSIZE_FORMAT, unit, most - before);
    g_assert_cmpuint(most - before, <=, MEMORY_MAX);
}

/* Whatever repeats, little is kept of it. */
static void test_repeats(void)
{
    static const char *const units[] = {
        "word ", "word",  "<b>",    "</b>",      "<p>",     "<table><tr><td>", "<blockquote>",
        "<",     "<a \"", "<!--",   "<![",       "<script", "<script>a",       "<img a= =\">",
        "&",     "&n%x;", "</n%x>", "<img n%x>",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(units); i++)
        check_memory(units[i]);
}

/* However deep it is, words are still there. */
static void test_depth(void)
{
    Run *run = begin();
    g_autofree char *text = NULL;

    for (guint i = 0; i < 1000; i++)
        feed(run, (const guint8 *)"<blockquote>word ", 17);
    text = finish(run);
    g_assert_true(g_str_has_prefix(text, "> word\n\n> > word\n"));
    g_assert_true(g_str_has_suffix(text, "> > word\n"));
    g_assert_cmpuint(strlen(text), <, 1000 * 50);
}

/* Each split of a stream of many attributes. */
static void test_attributes(void)
{
    g_autoptr(GString) html = g_string_new("a<p ");
    g_autofree char *text = NULL;

    for (guint i = 0; i < 100000; i++)
        g_string_append_printf(html, "a%u ", i);
    g_string_append(html, ">b");
    text = trickle_run(&trickle, html->str, html->len, 0);
    g_assert_cmpstr(text, ==, "a\n\nb\n");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mime_init();
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strconcat("/mime/html/", rows[i].name, NULL);

        g_test_add_data_func(path, &rows[i], test_row);
    }
    g_test_add_func("/mime/html/flow", test_flow);
    g_test_add_func("/mime/html/long-word", test_long_word);
    g_test_add_func("/mime/html/long-tags", test_long_tags);
    g_test_add_func("/mime/html/attributes", test_attributes);
    g_test_add_func("/mime/html/depth", test_depth);
    g_test_add_func("/mime/html/repeats", test_repeats);
    return g_test_run();
}

/* SPDX-License-Identifier: MIT */
/* tests/unit/mime/html.c - HTML as text, however it is sliced. */
#include <string.h>

#include "mime/mime.h"
#include "tests/unit/trickle.h"

typedef struct {
    const char *name, *html, *text;
} Row;

static const Row rows[] = {
    {"nothing", "", ""},
    {"text", "Hello, world", "Hello, world\n"},
    {"blanks", "  a \r\n\t b&#32;c  ", "a b c\n"},
    {"inline", "a<b>b</b>c <i>d</i> e", "abc d e\n"},
    {"paragraphs", "<p>a</p><p>b</p>c", "a\n\nb\n\nc\n"},
    {"lines", "a<br>b<br/>c<div>d</div>e", "a\nb\nc\n\nd\ne\n"},
    {"list", "<ul><li>a</li><li>b<ol><li>c</ol></ul>d", "- a\n- b\n\n- c\n\nd\n"},
    {"table", "<table><tr><td>a</td><td>b</td></tr><tr><th>c<td>d</table>", "a b\nc d\n"},
    {"pre", "<pre>a\n  b\n\nc</pre>d", "a\n  b\n\nc\n\nd\n"},
    {"quote", "a<blockquote>b<br>c<blockquote>d</blockquote></blockquote>e",
     "a\n\n> b\n> c\n\n> > d\n\ne\n"},
    {"entities", "&lt;a&gt; &amp; &uuml;&#x20AC;&nbsp;&unknown;",
     "<a> & \303\274\342\202\254\302\240&unknown;\n"},
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
    {"unopened", "a</b></p>b", "a\n\nb\n"},
    {"tag-at-end", "a<p", "a\n"},
    {"doctype", "<!DOCTYPE html><p>a", "a\n"},
    {"cells-and-words", "<td>a</td>b", "a b\n"},
};

static gpointer begin(void)
{
    return mime_html_new();
}

static void feed(gpointer html, const guint8 *bytes, gsize len)
{
    mime_html_take(html, (const char *)bytes, len);
}

static char *finish(gpointer html)
{
    return mime_html_end(html);
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

static char *repeat(const char *unit, guint n)
{
    GString *html = g_string_new("first ");

    for (guint i = 0; i < n; i++)
        g_string_append(html, unit);
    g_string_append(html, " last");
    return g_string_free(html, FALSE);
}

/* Each of these would take minutes if all were compared with all. */
static void test_repeats(void)
{
    static const char *const units[] = {
        "<b>",  "</b>", "<b></i>", "<p>",      "<table><tr><td>", "<a b=c ", "<",     "<!--",
        "&amp", "&",    "<![",     "<ul><li>", "<blockquote>",    "\" '",    "<a \"",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(units); i++) {
        g_autofree char *html = repeat(units[i], 200000);
        MimeHtml *parser = mime_html_new();
        g_autofree char *text = NULL;
        gint64 began = g_get_monotonic_time();

        g_test_message("%s", units[i]);
        mime_html_take(parser, html, strlen(html));
        text = mime_html_end(parser);
        g_assert_true(g_str_has_prefix(text, "first"));
        g_assert_cmpint(g_get_monotonic_time() - began, <, 20 * G_USEC_PER_SEC);
    }
}

/* Beyond the depth, words are still there. */
static void test_depth(void)
{
    g_autofree char *html = repeat("<b>word ", 1000);
    g_autofree char *text = NULL;
    MimeHtml *parser = mime_html_new();

    mime_html_take(parser, html, strlen(html));
    text = mime_html_end(parser);
    g_assert_true(g_str_has_suffix(text, "last\n"));
    g_assert_null(strchr(text, '<'));
    g_assert_cmpuint(strlen(text), >, 4900);
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
    g_test_add_func("/mime/html/long-tags", test_long_tags);
    g_test_add_func("/mime/html/attributes", test_attributes);
    g_test_add_func("/mime/html/depth", test_depth);
    g_test_add_func("/mime/html/repeats", test_repeats);
    return g_test_run();
}

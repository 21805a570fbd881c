/* SPDX-License-Identifier: MIT */
/* tests/unit/mime/params.c - parameters as senders write them, to what people read. */
#include <string.h>

#include "mime/private.h"

typedef struct {
    const char *name;
    const char *field; /* from the first semicolon on */
    const char *text;  /* of the parameter "n", or NULL */
} Row;

static const Row rows[] = {
    {"token", "; n=a.txt", "a.txt"},
    {"quoted", "; n=\"a \\\"b\\\\.txt\"", "a \"b\\.txt"},
    {"any-case", "; N=a", "a"},
    {"second", "; m=x; n=a; n=b", "a"},
    {"comments", " (c) ; (d (e) \\) f) n (g) = (h) a (i)", "a"},
    {"folded", ";\r\n\tn=\"a\r\n b\"", "a b"},
    {"none", "; m=a", NULL},
    {"empty", "; n=\"\"", NULL},
    {"nothing", "", NULL},
    {"bare-blanks", "; n=a b.txt", "a"},
    {"no-quote-at-end", "; n=\"a", NULL},
    {"no-comment-end", "; n=a (b", NULL},
    {"goes-on-behind-nonsense", "x; m y; n=a", "a"},
    {"bare-encoded-word", "; n==?utf-8?q?=C3=BC.txt?=; m=x", "\303\274.txt"},
    {"encoded-words", "; n=\"=?utf-8?q?=C3=BC?= =?utf-8?q?=C3=BC?=\"", "\303\274\303\274"},
    {"encoded-word-latin1", "; n=\"=?iso-8859-1?Q?=FC?=\"", "\303\274"},
    {"utf-8", "; n=\"\303\274\"", "\303\274"},
    {"latin1", "; n=\"\374\"", "\303\274"},
    {"controls", "; n=\"a\033b\x7f\"", "a b "},
    {"percent-is-itself", "; n=\"a%20b\"", "a%20b"},

    {"extended", "; n*=utf-8'en'%e2%82%ac%20x", "\342\202\254 x"},
    {"extended-latin1", "; n*=iso-8859-1''%FC", "\303\274"},
    {"extended-wins", "; n=a; n*=utf-8''b", "b"},
    {"extended-no-charset", "; n*=''%c3%bc", "\303\274"},
    {"extended-unknown-charset", "; n*=x-y''%fc", "\303\274"},
    {"extended-wrong-charset", "; n*=utf-8''%fc", "\357\277\275"},
    {"extended-no-quotes", "; n*=a%20b", "a b"},
    {"extended-one-quote", "; n*=\"a'%20b\"", "a' b"},
    {"extended-empty", "; n*=utf-8''", NULL},
    {"extended-not-hex", "; n*=utf-8''%g0%2", "%g0%2"},
    {"extended-controls", "; n*=utf-8''a%C2%9B31m%7f", "a  31m "},
    {"extended-nul", "; n*=utf-8''a%00%0ab", "a  b"},

    {"pieces", "; n*0=a; n*1=b; n*2=c", "abc"},
    {"pieces-in-any-order", "; n*1=b; n*2=c; n*0=a", "abc"},
    {"pieces-extended", "; n*0*=utf-8''%c3; n*1*=%bc; n*2=\"%20\"", "\303\274%20"},
    {"pieces-extended-later", "; n*0=\"it's '%\"; n*1*=%20b", "it's '% b"},
    {"pieces-gap", "; n*0=a; n*2=c", "a"},
    {"pieces-late", "; n*1=b", NULL},
    {"pieces-late-extended", "; n=a; n*1*=b", "a"},
    {"pieces-gap-extended", "; n*0=a; n*1=b; n*3*=c", "ab"},
    {"pieces-twice", "; n*0=a; n*0=b", "a"},
    {"pieces-encoded-word", "; n*0=\"=?utf-8?q?=C3\"; n*1=\"=BC?=\"", "\303\274"},
    {"pieces-after-whole", "; n*0=a; n*1=b; n=c", "c"},
    {"pieces-huge-number", "; n*0=a; n*18446744073709551617=b", "a"},
    {"pieces-no-number", "; n*x=a; n*0x=b; n**=c", "c"},
};

static MimeParams *read_field(const char *field)
{
    g_autofree char *exact = g_memdup2(field, strlen(field) + 1);
    MimeParams *params = mime_params_new();

    mime_params_read(params, exact, strlen(field));
    return params;
}

static void test_row(gconstpointer data)
{
    const Row *row = data;
    g_autoptr(MimeParams) params = read_field(row->field);
    g_autofree char *text = mime_params_dup_text(params, "n");

    g_assert_cmpstr(text, ==, row->text);
}

/* Cut anywhere, it is still read to its end, and no further. */
static void test_cut(gconstpointer data)
{
    const Row *row = data;

    for (gsize len = 0; len < strlen(row->field); len++) {
        g_autofree char *cut = g_memdup2(row->field, MAX(len, 1));
        g_autoptr(MimeParams) params = mime_params_new();
        g_autofree char *text = NULL;

        mime_params_read(params, cut, len);
        text = mime_params_dup_text(params, "n");
        g_assert_true(!text || g_utf8_validate(text, -1, NULL));
    }
}

/* A server may have joined the pieces, escaping those that were not extended. */
static void test_joined_elsewhere(void)
{
    g_autoptr(MimeParams) pieces = read_field("; n*0=\"100% '\"; n*1*=%c3%bc");
    g_autoptr(MimeParams) joined = mime_params_new();
    g_autofree char *one = NULL, *other = NULL;

    mime_params_add(joined, "n*", "''100%25 '%c3%bc");
    one = mime_params_dup_text(pieces, "n");
    other = mime_params_dup_text(joined, "n");
    g_assert_cmpstr(one, ==, "100% '\303\274");
    g_assert_cmpstr(other, ==, one);
}

static void test_raw(void)
{
    g_autoptr(MimeParams) params = read_field("; b=\"=?x?q?=41?=\"; p*0=a; p*1=b; x*=us-ascii''c");
    g_autofree char *whole = mime_params_dup_raw(params, "b");
    g_autofree char *joined = mime_params_dup_raw(params, "p");

    g_assert_cmpstr(whole, ==, "=?x?q?=41?=");
    g_assert_cmpstr(joined, ==, "ab");
    g_assert_null(mime_params_dup_raw(params, "x"));
    g_assert_null(mime_params_dup_raw(params, "y"));
}

static void test_charset(void)
{
    g_autoptr(MimeParams) told = read_field("; charset=\"UTF-8\"");
    g_autoptr(MimeParams) usual = read_field("; charset=US-ASCII");
    g_autoptr(MimeParams) empty = read_field("; charset=");
    g_autofree char *charset = mime_params_dup_charset(told);

    g_assert_cmpstr(charset, ==, "UTF-8");
    g_assert_null(mime_params_dup_charset(usual));
    g_assert_null(mime_params_dup_charset(empty));
}

static void test_word(void)
{
    const char *field = " (c) text (d) / plain; x", *at = field, *end = field + strlen(field);
    g_autofree char *type = mime_word_read(&at, end), *subtype = NULL, *none = NULL;

    g_assert_cmpstr(type, ==, "text");
    g_assert_cmpint(*at++, ==, '/');
    subtype = mime_word_read(&at, end);
    g_assert_cmpstr(subtype, ==, "plain");
    none = mime_word_read(&at, end);
    g_assert_cmpstr(none, ==, "");
    g_assert_cmpstr(at, ==, "; x");
}

/* Of what is too long the beginning and the end stay, in whole characters. */
static void test_long(void)
{
    static const struct {
        const char *begin, *piece, *end;
    } long_rows[] = {
        {"; n=a", "x", ".pdf"},
        {"; n=\"a", "\303\274", ".pdf\""},
        {"; n*=utf-8''a", "%E6%97%A5", ".pdf"},
        {"; n*=iso-8859-1''a", "%fc", ".pdf"},
        {"; n*0*=utf-8''a", "%C3%A4", "; n*1=.pdf"},
        {"; n=\"a", "=?utf-8?q?=F0=9D=92=B3?= ", "=?utf-8?q?.pdf?=\""},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(long_rows); i++)
        for (gsize shift = 0; shift < 4; shift++) {
            g_autoptr(GString) field = g_string_new(long_rows[i].begin);
            g_autoptr(MimeParams) params = NULL;
            g_autofree char *text = NULL;

            g_string_append_len(field, "xxx", (gssize)shift);
            for (gsize n = 0; n < MIME_PARAM_MAX + 1; n++)
                g_string_append(field, long_rows[i].piece);
            g_string_append(field, long_rows[i].end);
            params = read_field(field->str);
            text = mime_params_dup_text(params, "n");
            g_assert_true(g_utf8_validate(text, -1, NULL));
            g_assert_null(strstr(text, "\357\277\275"));
            g_assert_true(g_str_has_prefix(text, "a"));
            g_assert_true(g_str_has_suffix(text, ".pdf"));
            g_assert_cmpuint(strlen(text), <=, MIME_PARAM_MAX);
            g_assert_cmpuint(strlen(text), >, MIME_PARAM_MAX - 8);
        }
}

static void test_limits(void)
{
    g_autoptr(MimeParams) params = mime_params_new();
    g_autofree char *long_value = g_strnfill(60 * 1024, '\374'), *text = NULL, *pieces = NULL;

    mime_params_add(params, "n", long_value);
    mime_params_add(params, "too-much", long_value);
    for (guint i = 0; i < 5000; i++) {
        g_autofree char *name = g_strdup_printf("m*%u", i);

        mime_params_add(params, name, "x");
    }
    text = mime_params_dup_text(params, "n");
    g_assert_cmpuint(strlen(text), ==, MIME_PARAM_MAX);
    g_assert_true(g_utf8_validate(text, -1, NULL));
    g_assert_null(mime_params_dup_raw(params, "too-much"));
    pieces = mime_params_dup_raw(params, "m");
    g_assert_cmpuint(strlen(pieces), <, 1000);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mime_init();
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strconcat("/mime/params/", rows[i].name, NULL);
        g_autofree char *cut = g_strconcat("/mime/params/cut/", rows[i].name, NULL);

        g_test_add_data_func(path, &rows[i], test_row);
        g_test_add_data_func(cut, &rows[i], test_cut);
    }
    g_test_add_func("/mime/params/joined-elsewhere", test_joined_elsewhere);
    g_test_add_func("/mime/params/raw", test_raw);
    g_test_add_func("/mime/params/charset", test_charset);
    g_test_add_func("/mime/params/word", test_word);
    g_test_add_func("/mime/params/long", test_long);
    g_test_add_func("/mime/params/limits", test_limits);
    return g_test_run();
}

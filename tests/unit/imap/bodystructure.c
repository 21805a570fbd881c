/* SPDX-License-Identifier: MIT */
/* tests/unit/imap/bodystructure.c - BODYSTRUCTUREs as servers send them, to part trees or NULL. */
#include "imap/fetch-items.h"
#include "mime/mime.h"

#include "tests/unit/imap/dump.h"

typedef struct {
    const char *name;
    const char *list;
    const char *expected; /* NULL: the caller must parse the message itself */
} Row;

#define PLAIN      "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 5 1)"
#define PLAIN_TREE "text/plain 7bit 5"
#define ENVELOPE   "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"

static const Row rows[] = {
    {"text", "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 2279 48)",
     "text/plain 7bit 2279"},
    {"text-extended",
     "(\"text\" \"html\" (\"charset\" \"utf-8\" \"name\" \"a.html\") \"<id>\" \"about\" "
     "\"quoted-printable\" 10 2 \"md5\" (\"inline\" (\"filename\" \"b.html\")) (\"en\" \"de\") "
     "\"http://x\")",
     "text/html quoted-printable 10 charset=utf-8 name=b.html disposition=inline"},
    {"text-courier", "(\"text\" \"plain\" NIL NIL NIL \"8bit\" 5 1 NIL NIL NIL)",
     "text/plain 8bit 5"},
    {"basic",
     "(\"application\" \"pdf\" (\"name\" \"x.pdf\") NIL NIL \"base64\" 1000 NIL "
     "(\"ATTACHMENT\" NIL) NIL NIL)",
     "application/pdf base64 1000 name=x.pdf disposition=attachment"},
    {"basic-charset", "(\"application\" \"x\" (\"charset\" \"utf-8\") NIL NIL \"base64\" 1)",
     "application/x base64 1"},
    {"mixed", "(" PLAIN PLAIN " \"MIXED\")", "multipart/mixed [" PLAIN_TREE "] [" PLAIN_TREE "]"},
    {"mixed-extended", "(" PLAIN " \"mixed\" (\"boundary\" \"=_x\") (\"inline\" NIL) NIL NIL)",
     "multipart/mixed disposition=inline [" PLAIN_TREE "]"},
    {"nested",
     "((" PLAIN "(" PLAIN " \"related\")"
     " \"alternative\") " PLAIN " \"mixed\")",
     "multipart/mixed [multipart/alternative [" PLAIN_TREE "] [multipart/related [" PLAIN_TREE
     "]]] [" PLAIN_TREE "]"},
    {"message", "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 300 " ENVELOPE " " PLAIN " 9)",
     "message/rfc822 7bit 300 [" PLAIN_TREE "]"},
    {"message-extended",
     "(\"MESSAGE\" \"GLOBAL\" (\"name\" \"m\") NIL NIL \"8BIT\" 300 () (" PLAIN
     " \"mixed\") 9 NIL (\"attachment\" (\"filename\" \"f\")))",
     "message/global 8bit 300 name=f disposition=attachment [multipart/mixed [" PLAIN_TREE "]]"},
    {"message-encoded",
     "(\"MESSAGE\" \"RFC822\" NIL NIL NIL \"BASE64\" 300 NIL (\"attachment\" NIL) NIL)",
     "message/rfc822 base64 300 disposition=attachment"},
    {"message-encoded-parts",
     "(\"message\" \"rfc822\" NIL NIL NIL \"quoted-printable\" 300 " ENVELOPE " " PLAIN " 9)",
     "message/rfc822 quoted-printable 300"},
    {"type-controls", "(\"application\" \"x-\302\233\" NIL NIL NIL \"base64\" 300)",
     "application/x-   base64 300"},
    {"type-empty", "(\"\" \"\" NIL NIL NIL \"base64\" 300 NIL (\"inline\" NIL))",
     "text/plain base64 300 disposition=inline"},
    {"subtype-empty", "(\"text\" \"\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 5 1)",
     "text/plain 7bit 5"},
    {"message-other", "(\"message\" \"delivery-status\" NIL NIL NIL \"7bit\" 5)",
     "message/delivery-status 7bit 5"},
    {"disposition-bare", "(\"image\" \"png\" NIL NIL NIL \"base64\" 5 NIL \"INLINE\")",
     "image/png base64 5 disposition=inline"},
    {"disposition-alone", "(\"image\" \"png\" NIL NIL NIL \"base64\" 5 NIL (\"inline\"))",
     "image/png base64 5 disposition=inline"},
    {"name-2231",
     "(\"a\" \"b\" (\"NAME*\" \"utf-8''%e2%82%ac\" \"name\" \"x\") NIL NIL \"base64\" 5)",
     "a/b base64 5 name=\342\202\254"},
    {"name-pieces",
     "(\"a\" \"b\" (\"name*0*\" \"utf-8''%e2\" \"x\" \"y\" \"name*1\" \"cd\" \"name*2*\" \"e\" "
     "\"name*4\" \"f\") NIL NIL \"base64\" 5)",
     "a/b base64 5 name=\357\277\275cde"},
    {"name-pieces-start-late", "(\"a\" \"b\" (\"name*1\" \"cd\") NIL NIL \"base64\" 5)",
     "a/b base64 5"},
    {"name-pieces-odd",
     "(\"a\" \"b\" (\"name*\" \"x\" \"name*00\" \"y\" \"name*0x\" \"z\" \"name0\" \"w\") NIL NIL "
     "\"base64\" 5)",
     "a/b base64 5 name=x"},
    {"name-2047", "(\"a\" \"b\" (\"name\" \"=?utf-8?q?=C3=BC?=\") NIL NIL \"base64\" 5)",
     "a/b base64 5 name=\303\274"},
    {"name-latin1", "(\"a\" \"b\" (\"name\" \"\374\") NIL NIL \"base64\" 5)",
     "a/b base64 5 name=\303\274"},
    {"name-empty",
     "(\"a\" \"b\" (\"name\" \"n\") NIL NIL \"base64\" 5 NIL (\"inline\" (\"filename\" \"\")))",
     "a/b base64 5 name=n disposition=inline"},
    {"name-of-multipart", "(" PLAIN " \"mixed\" (\"name\" \"n\"))",
     "multipart/mixed name=n [" PLAIN_TREE "]"},
    {"filename-wins",
     "(\"a\" \"b\" (\"name*\" \"n\") NIL NIL \"base64\" 5 NIL (\"attachment\" (\"FILENAME\" "
     "\"f\")))",
     "a/b base64 5 name=f disposition=attachment"},
    {"filename-pieces",
     "(\"a\" \"b\" NIL NIL NIL \"base64\" 5 NIL (\"attachment\" (\"filename*0\" \"f\" "
     "\"filename*1\" \"g\")))",
     "a/b base64 5 name=fg disposition=attachment"},
    {"name-path", "(\"a\" \"b\" (\"name\" \"../../.bashrc\") NIL NIL \"base64\" 5)",
     "a/b base64 5 name=../../.bashrc"},
    {"atoms", "(text plain (charset x) NIL NIL 7bit 5 1)", "text/plain 7bit 5 charset=x"},
    {"size-big", "(\"a\" \"b\" NIL NIL NIL \"7bit\" 9223372036854775807)",
     "a/b 7bit 9223372036854775807"},
    {"extension-more", "(\"a\" \"b\" NIL NIL NIL \"7bit\" 1 NIL NIL NIL NIL (x (y)) 5)",
     "a/b 7bit 1"},

    {"nil", "NIL", NULL},
    {"string", "\"text\"", NULL},
    {"empty", "()", NULL},
    {"empty-inside", "(())", NULL},
    {"office365", "(NIL NIL NIL NIL NIL \"7BIT\" 0 NIL NIL NIL NIL)", NULL},
    {"nil-nil", "(NIL NIL)", NULL},
    {"nil-alternative", "(NIL \"alternative\" (\"boundary\" \"x\") NIL NIL)", NULL},
    {"alternative-alone", "(\"ALTERNATIVE\")", NULL},
    {"boundary-nil", "(" PLAIN " \"mixed\" (\"boundary\" NIL))", NULL},
    {"param-nil", "(\"text\" \"plain\" (\"charset\" NIL) NIL NIL \"7bit\" 5 1)", NULL},
    {"param-odd", "(\"text\" \"plain\" (\"charset\") NIL NIL \"7bit\" 5 1)", NULL},
    {"param-list", "(\"text\" \"plain\" (\"charset\" (\"x\")) NIL NIL \"7bit\" 5 1)", NULL},
    {"param-name-nil", "(\"text\" \"plain\" (NIL \"x\") NIL NIL \"7bit\" 5 1)", NULL},
    {"params-string", "(\"text\" \"plain\" \"charset\" NIL NIL \"7bit\" 5 1)", NULL},
    {"subtype-missing", "(\"text\" NIL NIL NIL NIL \"7bit\" 5 1)", NULL},
    {"subtype-missing-multipart", "(" PLAIN ")", NULL},
    {"subtype-nil-multipart", "(" PLAIN " NIL)", NULL},
    {"size-negative", "(\"a\" \"b\" NIL NIL NIL \"7bit\" -1)", NULL},
    {"size-nil", "(\"a\" \"b\" NIL NIL NIL \"7bit\" NIL)", NULL},
    {"size-float", "(\"a\" \"b\" NIL NIL NIL \"7bit\" 9.3736e+06)", NULL},
    {"size-quoted", "(\"a\" \"b\" NIL NIL NIL \"7bit\" \"5\")", NULL},
    {"size-over", "(\"a\" \"b\" NIL NIL NIL \"7bit\" 9223372036854775808)", NULL},
    {"encoding-nil", "(\"a\" \"b\" NIL NIL NIL NIL 5)", NULL},
    {"short", "(\"a\" \"b\" NIL NIL NIL \"7bit\")", NULL},
    {"text-without-lines", "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 5)", NULL},
    {"text-lines-nil", "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 5 NIL)", NULL},
    {"id-list", "(\"a\" \"b\" NIL (x) NIL \"7bit\" 5)", NULL},
    {"md5-list", "(\"a\" \"b\" NIL NIL NIL \"7bit\" 5 (\"inline\" NIL))", NULL},
    {"message-without-envelope", "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 300)", NULL},
    {"message-basic",
     "(\"MESSAGE\" \"RFC822\" NIL NIL NIL \"8BIT\" 300 NIL (\"attachment\" NIL) NIL)", NULL},
    {"message-without-body", "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 300 () NIL 9)", NULL},
    {"message-without-lines", "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 300 () " PLAIN ")",
     NULL},
    {"message-wrong-body", "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 300 () (\"x\") 9)", NULL},
    {"disposition-nil-nil", "(\"a\" \"b\" NIL NIL NIL \"7bit\" 5 NIL (NIL NIL))", NULL},
    {"disposition-empty", "(\"a\" \"b\" NIL NIL NIL \"7bit\" 5 NIL ())", NULL},
    {"disposition-string", "(\"a\" \"b\" NIL NIL NIL \"7bit\" 5 NIL (\"inline\" \"x\"))", NULL},
    {"one-wrong-among-right", "(" PLAIN "(NIL NIL)" PLAIN " \"mixed\")", NULL},
};

static void dump_field(GString *out, const char *name, const char *value)
{
    if (value)
        g_string_append_printf(out, " %s=%s", name, value);
}

static void dump_part(GString *out, const MailPart *part)
{
    g_string_append_printf(out, "%s/%s", part->type, part->subtype);
    if (!mail_part_is_multipart(part))
        g_string_append_printf(out, " %s %" G_GUINT64_FORMAT, part->encoding, part->size);
    dump_field(out, "charset", part->charset);
    dump_field(out, "name", part->name);
    dump_field(out, "disposition", part->disposition);
    for (guint i = 0; part->parts && i < part->parts->len; i++) {
        g_string_append(out, " [");
        dump_part(out, g_ptr_array_index(part->parts, i));
        g_string_append_c(out, ']');
    }
}

static MailPart *parse(const char *list)
{
    ImapLimits limits = imap_limits_default;
    g_autoptr(ImapReader) reader = NULL;

    limits.text_hold = limits.values_max = G_MAXUINT32;
    reader = imap_reader_new(&limits);
    return imap_bodystructure_parse(value_from_text(reader, list));
}

static void test_row(gconstpointer data)
{
    const Row *row = data;
    g_autoptr(MailPart) part = parse(row->list);
    g_autoptr(GString) text = g_string_new(NULL);

    if (part)
        dump_part(text, part);
    g_assert_cmpstr(part ? text->str : NULL, ==, row->expected);
}

static void test_missing(void)
{
    g_assert_null(imap_bodystructure_parse(NULL));
}

/* @depth multiparts in each other, or messages. */
static MailPart *parse_nested(guint depth, const char *before, const char *after)
{
    g_autoptr(GString) list = g_string_new(NULL);

    for (guint i = 0; i < depth; i++)
        g_string_append(list, before);
    g_string_append(list, PLAIN);
    for (guint i = 0; i < depth; i++)
        g_string_append(list, after);
    return parse(list->str);
}

static void test_depth(void)
{
    static const struct {
        const char *before, *after;
    } kinds[] = {
        {"(", " \"mixed\")"},
        {"(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 300 " ENVELOPE, " 9)"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autoptr(MailPart) fits =
            parse_nested(MAIL_PART_DEPTH_MAX - 1, kinds[i].before, kinds[i].after);

        g_assert_nonnull(fits);
        g_assert_null(parse_nested(MAIL_PART_DEPTH_MAX, kinds[i].before, kinds[i].after));
        g_assert_null(parse_nested(1000, kinds[i].before, kinds[i].after));
        g_assert_null(parse_nested(100000, kinds[i].before, kinds[i].after));
    }
}

static MailPart *parse_wide(guint n_parts)
{
    g_autoptr(GString) list = g_string_new("(");

    for (guint i = 0; i < n_parts; i++)
        g_string_append(list, PLAIN);
    g_string_append(list, " \"mixed\")");
    return parse(list->str);
}

static void test_width(void)
{
    g_autoptr(MailPart) fits = parse_wide(MAIL_PARTS_MAX - 1);

    g_assert_nonnull(fits);
    g_assert_cmpuint(fits->parts->len, ==, MAIL_PARTS_MAX - 1);
    g_assert_null(parse_wide(MAIL_PARTS_MAX));
    g_assert_null(parse_wide(100000));
}

static void test_many_params(void)
{
    g_autoptr(GString) list = g_string_new("(\"a\" \"b\" (");
    g_autoptr(MailPart) part = NULL;

    for (int i = 0; i < 1000000; i++)
        g_string_append_printf(list, "\"name*%d\" \"x\" ", i);
    g_string_append(list, ") NIL NIL \"7bit\" 5)");
    part = parse(list->str);
    g_assert_nonnull(part);
    g_assert_cmpuint(strlen(part->name), ==, 200);
}

static void test_long_strings(void)
{
    g_autofree char *million = g_strnfill(1024 * 1024, 'x');
    g_autofree char *boundary =
        g_strdup_printf("(" PLAIN " \"mixed\" (\"boundary\" \"%s\"))", million);
    g_autofree char *type = g_strdup_printf("(\"%s\" \"b\" NIL NIL NIL \"7bit\" 5)", million);
    g_autofree char *name =
        g_strdup_printf("(\"a\" \"b\" (\"name\" \"%s\") NIL NIL \"7bit\" 5)", million);
    g_autoptr(MailPart) bounded = parse(boundary), named = parse(name);

    g_assert_nonnull(bounded);
    g_assert_null(parse(type));
    g_assert_nonnull(named);
    g_assert_null(named->name);
}

static void test_literals(void)
{
    static const char input[] = "* X ({4}\r\nTEXT {5}\r\nPLAIN NIL NIL NIL {4}\r\n7BIT 5 1)\r\n"
                                "* Y ({4}\r\nTE\0T \"x\" NIL NIL NIL {4}\r\n7BIT 5 1)\r\n";
    g_autoptr(ImapReader) reader = imap_reader_new(&imap_limits_default);
    g_autoptr(MailPart) part = NULL;
    const ImapResponse *response;
    gsize used, rest;

    imap_reader_next(reader, (const guint8 *)input, sizeof input - 1, &used, &response, NULL);
    part = imap_bodystructure_parse(response->values);
    g_assert_nonnull(part);
    g_assert_cmpstr(part->subtype, ==, "plain");
    imap_reader_next(reader, (const guint8 *)input + used, sizeof input - 1 - used, &rest,
                     &response, NULL);
    g_assert_cmpstr(response->name, ==, "Y");
    g_assert_null(imap_bodystructure_parse(response->values));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mime_init();
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strconcat("/imap/bodystructure/", rows[i].name, NULL);

        g_test_add_data_func(path, &rows[i], test_row);
    }
    g_test_add_func("/imap/bodystructure/missing", test_missing);
    g_test_add_func("/imap/bodystructure/depth", test_depth);
    g_test_add_func("/imap/bodystructure/width", test_width);
    g_test_add_func("/imap/bodystructure/many-params", test_many_params);
    g_test_add_func("/imap/bodystructure/long-strings", test_long_strings);
    g_test_add_func("/imap/bodystructure/literals", test_literals);
    return g_test_run();
}

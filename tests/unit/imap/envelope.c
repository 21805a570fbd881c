/* SPDX-License-Identifier: MIT */
/* tests/unit/imap/envelope.c - ENVELOPEs as servers send them, decoded. */
#include "imap/fetch-items.h"
#include "mime/mime.h"

#include "tests/unit/imap/dump.h"
#include "tests/unit/mail/dump.h"

typedef struct {
    const char *name;
    const char *list;
    const char *expected; /* the fields that are not empty */
} Row;

static const Row rows[] = {
    {"whole",
     "(\"Mon, 1 Jan 2024\" \"Hi\" ((\"Al\" NIL \"al\" \"a.org\")) ((\"S\" NIL \"s\" \"s.org\")) "
     "((\"R\" NIL \"r\" \"r.org\")) ((NIL NIL \"bo\" \"b.org\")(\"Cy\" NIL \"cy\" \"c.org\")) "
     "((\"Di\" NIL \"di\" \"d.org\")) ((NIL NIL \"secret\" \"e.org\")) \"<1@a>\" \"<2@a>\")",
     "from-name=Al from-address=al@a.org to-address=bo@b.org from=Al <al@a.org> "
     "to=bo@b.org, Cy <cy@c.org> cc=Di <di@d.org> subject=Hi id=<2@a> date=Mon, 1 Jan 2024"},
    {"nil", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)", ""},
    {"empty", "()", ""},
    {"empty-strings", "(\"\" \"\" () () () () () () \"\" \"\")", ""},
    {"no-list", "NIL", ""},
    {"string", "\"x\"", ""},
    {"short", "(\"d\" \"s\" ((NIL NIL \"a\" \"b\")))",
     "from-address=a@b from=a@b subject=s date=d"},
    {"no-message-id", "(NIL \"s\" NIL NIL NIL NIL NIL NIL NIL)", "subject=s"},
    {"long", "(NIL \"s\" NIL NIL NIL NIL NIL NIL NIL \"<i>\" x (y) \"z\")", "subject=s id=<i>"},
    {"wrong-types", "((a) (b) \"c\" d e \"f\" g NIL NIL (h))", ""},
    {"atoms", "(d s ((N NIL m h)))", "from-name=N from-address=m@h from=N <m@h> subject=s date=d"},
    {"wrong-addresses", "(NIL NIL (a \"b\" NIL () (NIL) (NIL NIL) (NIL NIL \"m\")) NIL NIL NIL)",
     "from-address=m from=m"},
    {"encoded",
     "(NIL \"=?utf-8?q?=C3=BCber?= alles\" ((\"=?iso-8859-1?q?J=FCrgen?=\" NIL \"j\" \"h\")))",
     "from-name=J\303\274rgen from-address=j@h from=J\303\274rgen <j@h> "
     "subject=\303\274ber alles"},
    {"encoded-address", "(NIL NIL ((NIL NIL \"=?utf-8?q?a=40b?=\" \"h\")))",
     "from-address==?utf-8?q?a=40b?=@h from==?utf-8?q?a=40b?=@h"},
    {"8-bit", "(NIL \"\303\274ber\" NIL NIL NIL ((\"\374\" NIL \"a\" \"\374\")))",
     "to-name=\303\274 to-address=a@\357\277\275 to=\303\274 <a@\357\277\275> subject=\303\274ber"},
    {"controls",
     "(\"a\tb\" \"c\td\033\" ((\"e\tf\" NIL \"g\th\" \"i\177\")) NIL NIL NIL NIL NIL NIL "
     "\"<\t>\")",
     "from-name=e f from-address=g h@i  from=e f <g h@i > subject=c d  id=< > date=a b"},
    {"controls-c1",
     "(\"a\302\233b\" NIL ((NIL NIL \"g\302\205h\" \"i\")) NIL NIL NIL NIL NIL NIL "
     "\"<\302\220>\")",
     "from-address=g  h@i from=g  h@i id=<  > date=a  b"},
    {"controls-c1-after-wrong", "(\"a\302\377\302\233b\" NIL ((NIL NIL \"g\377\302\205h\" \"i\")))",
     "from-address=g\357\277\275  h@i from=g\357\277\275  h@i "
     "date=a\357\277\275\357\277\275  b"},
    {"quoted-names",
     "(NIL NIL ((\"Doe, Jo\" NIL \"jo\" \"h\")(\"a \\\"b\\\" \\\\ c\" NIL \"x\" \"y\")"
     "(\"good@bank <x@y>\" NIL \"evil\" \"h\")(\"J. Doe\" NIL \"j\" \"h\")))",
     "from-name=Doe, Jo from-address=jo@h from=\"Doe, Jo\" <jo@h>, \"a \\\"b\\\" \\\\ c\" <x@y>, "
     "\"good@bank <x@y>\" <evil@h>, J. Doe <j@h>"},
    {"missing-domain", "(NIL NIL ((NIL NIL \"root\" \"MISSING_DOMAIN\")(\"N\" NIL \"a\" NIL)))",
     "from-address=root from=root, N <a>"},
    {"missing-domain-alone", "(NIL NIL ((NIL NIL \"root\" NIL)))", "from-address=root from=root"},
    {"missing-mailbox",
     "(NIL NIL ((\"N\" NIL \"MISSING_MAILBOX\" \"MISSING_DOMAIN\")(\"M\" NIL NIL \"h\")))",
     "from-name=N from=N, M"},
    {"missing-all",
     "(NIL NIL ((NIL NIL \"MISSING_MAILBOX\" \"MISSING_DOMAIN\")(NIL NIL \"b\" \"h\")))",
     "from-address=b@h from=b@h"},
    {"missing-others",
     "(NIL NIL ((NIL NIL \"a\" \"unspecified-domain\")(NIL NIL \"b\" \".SYNTAX-ERROR.\")"
     "(NIL NIL \"c\" \".MISSING-HOST-NAME.\")(NIL NIL \"d\" \"\")))",
     "from-address=a from=a, b, c, d"},
    {"group-empty",
     "(NIL NIL NIL NIL NIL ((NIL NIL \"undisclosed-recipients\" NIL)(NIL NIL NIL NIL)))", ""},
    {"group",
     "(NIL NIL NIL NIL NIL ((NIL NIL \"x\" \"y\")(NIL NIL \"team\" NIL)(\"A\" NIL \"a\" \"h\")"
     "(NIL NIL \"b\" \"h\")(NIL NIL NIL NIL)(NIL NIL \"local\" NIL)))",
     "to-address=x@y to=x@y, A <a@h>, b@h, local"},
    {"group-two",
     "(NIL NIL NIL NIL NIL ((NIL NIL \"g\" NIL)(NIL NIL NIL NIL)(NIL NIL \"h\" NIL)"
     "(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL)))",
     "to-address=a@b to=a@b"},
    {"swapped", "(NIL NIL ((\"a@b.org\" NIL \"Al Bo\" \"MISSING_DOMAIN\")))",
     "from-name=a@b.org from-address=Al Bo from=\"a@b.org\" <Al Bo>"},
    {"route", "(NIL NIL ((\"N\" \"@x,@y\" \"a\" \"b\")))",
     "from-name=N from-address=a@b from=N <a@b>"},
};

static MailEnvelope *parse(const char *list)
{
    ImapLimits limits = imap_limits_default;
    g_autoptr(ImapReader) reader = NULL;

    limits.text_hold = limits.values_max = G_MAXUINT32;
    reader = imap_reader_new(&limits);
    return imap_envelope_parse(value_from_text(reader, list));
}

static void test_row(gconstpointer data)
{
    const Row *row = data;
    g_autoptr(MailEnvelope) envelope = parse(row->list);
    g_autofree char *text = dump_envelope(envelope);

    g_assert_cmpstr(text, ==, row->expected);
}

static void test_missing(void)
{
    g_autoptr(MailEnvelope) envelope = imap_envelope_parse(NULL);
    g_autofree char *text = dump_envelope(envelope);

    g_assert_cmpstr(text, ==, "");
}

static void test_literals(void)
{
    static const char input[] =
        "* X (NIL {6}\r\na\0b\r\nc (({4}\r\nx\ny\n NIL {3}\r\na\0b {1}\r\n\n))"
        " NIL NIL NIL NIL NIL NIL {3}\r\n<\r>)\r\n";
    g_autoptr(ImapReader) reader = imap_reader_new(&imap_limits_default);
    g_autoptr(MailEnvelope) envelope = NULL;
    g_autofree char *text = NULL;
    const ImapResponse *response;
    gsize used;

    g_assert_cmpint(
        imap_reader_next(reader, (const guint8 *)input, sizeof input - 1, &used, &response, NULL),
        ==, IMAP_READ_RESPONSE);
    g_assert_false(response->is_malformed);
    envelope = imap_envelope_parse(response->values);
    text = dump_envelope(envelope);
    g_assert_null(strpbrk(text, "\r\n\033"));
    g_assert_cmpstr(mail_envelope_get(envelope, MAIL_ENVELOPE_MESSAGE_ID), ==, "< >");
}

static void test_long_subject(void)
{
    g_autofree char *subject = g_strnfill(10240, 's');
    g_autofree char *list = g_strdup_printf("(NIL \"%s\" NIL)", subject);
    g_autoptr(MailEnvelope) envelope = parse(list);

    g_assert_cmpuint(strlen(mail_envelope_get(envelope, MAIL_ENVELOPE_SUBJECT)), ==,
                     MAIL_ENVELOPE_FIELD_MAX);
}

/* Ends inside a character, wherever the limit is. */
static void test_long_characters(void)
{
    g_autoptr(GString) name = g_string_new(NULL);
    g_autofree char *list = NULL;
    g_autoptr(MailEnvelope) envelope = NULL;
    g_autofree char *text = NULL;

    while (name->len < 10000)
        g_string_append(name, "\342\202\254");
    list = g_strdup_printf("(\"%s\" \"%s\" ((\"%s\" NIL \"%s\" \"%s\")))", name->str, name->str,
                           name->str, name->str, name->str);
    envelope = parse(list);
    text = dump_envelope(envelope);
    g_assert_true(g_str_has_prefix(text, "from-name=\342\202\254"));
}

static void test_many_addresses(void)
{
    g_autoptr(GString) list = g_string_new("(NIL NIL NIL NIL NIL (");
    g_autoptr(MailEnvelope) envelope = NULL;
    const char *to;

    for (int i = 0; i < 1000000; i++)
        g_string_append(list, "(NIL NIL \"a\" \"b\")");
    g_string_append(list, ") ((NIL NIL \"c\" \"d\")))");
    envelope = parse(list->str);
    to = mail_envelope_get(envelope, MAIL_ENVELOPE_TO);
    g_assert_cmpuint(strlen(to), ==, MAIL_ENVELOPE_FIELD_MAX);
    g_assert_true(g_str_has_prefix(to, "a@b, a@b, "));
    g_assert_cmpstr(mail_envelope_get(envelope, MAIL_ENVELOPE_CC), ==, "c@d");
}

/* Those that show nothing are counted too. */
static void test_many_empty_addresses(void)
{
    g_autoptr(GString) list = g_string_new("(NIL NIL (");
    g_autoptr(MailEnvelope) envelope = NULL;
    g_autofree char *text = NULL;

    for (int i = 0; i < 1000; i++)
        g_string_append(list, "(NIL NIL NIL \"h\")");
    g_string_append(list, "(NIL NIL \"a\" \"b\")))");
    envelope = parse(list->str);
    text = dump_envelope(envelope);
    g_assert_cmpstr(text, ==, "");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mime_init();
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strconcat("/imap/envelope/", rows[i].name, NULL);

        g_test_add_data_func(path, &rows[i], test_row);
    }
    g_test_add_func("/imap/envelope/missing", test_missing);
    g_test_add_func("/imap/envelope/literals", test_literals);
    g_test_add_func("/imap/envelope/long-subject", test_long_subject);
    g_test_add_func("/imap/envelope/long-characters", test_long_characters);
    g_test_add_func("/imap/envelope/many-addresses", test_many_addresses);
    g_test_add_func("/imap/envelope/many-empty-addresses", test_many_empty_addresses);
    return g_test_run();
}

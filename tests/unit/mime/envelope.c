/* SPDX-License-Identifier: MIT */
/* tests/unit/mime/envelope.c - headers to what a server's ENVELOPE would say, and to lines. */
#include <string.h>

#include "mime/mime.h"
#include "tests/unit/mail/dump.h"

typedef struct {
    const char *name, *header, *expected; /* the fields that are not empty */
} Row;

/* Of a charset that iconv knows, but we do not ask for. */
#define NOT_LISTED "to-name=\357\277\275 to-address=a@b to=\357\277\275 <a@b>, \357\277\275 <c@d>"

static const Row rows[] = {
    {"empty", "", ""},
    {"no-header", "\r\nSubject: body\r\n", ""},
    {"whole",
     "Received: x\r\nDate: Mon, 1 Jan 2024\r\nSubject: Hi\r\nFrom: Al <al@a.org>\r\n"
     "Sender: S <s@s.org>\r\nTo: bo@b.org, Cy <cy@c.org>\r\nCc: Di <di@d.org>\r\n"
     "Bcc: secret@e.org\r\nMessage-ID: <2@a>\r\n\r\nTo: body\r\n",
     "from-name=Al from-address=al@a.org to-address=bo@b.org from=Al <al@a.org> "
     "to=bo@b.org, Cy <cy@c.org> cc=Di <di@d.org> subject=Hi id=<2@a> date=Mon, 1 Jan 2024"},
    {"line-ends", "Subject: a\nFROM:b@c\n\nTo: d@e\n", "from-address=b@c from=b@c subject=a"},
    {"cut-off", "From: a@b\r\nSubj", "from-address=a@b from=a@b"},
    {"names", "Subject : a\r\nSubjects: b\r\nTo\r\nX-To: c@d\r\n", "subject=a"},
    {"twice", "Subject: a\r\nSubject: b\r\nFrom: a@b\r\nFrom: c@d\r\n",
     "from-address=a@b from=a@b subject=a"},
    {"mbox-line", "From a@b Mon Jan  1 00:00:00 2024\nSubject: a\n", "subject=a"},
    {"folds",
     "Subject: a\r\n b\r\n\tc\r\nTo: A\r\n B <a@b>,\r\n\tc@d\r\nDate: Mon,\r\n 1 Jan\r\n"
     "Message-ID:\r\n <1@a>\r\n",
     "to-name=A B to-address=a@b to=A B <a@b>, c@d subject=a b c id=<1@a> date=Mon, 1 Jan"},
    {"encoded",
     "Subject: =?utf-8?q?=C3=BCber?= alles\r\nFrom: =?iso-8859-1?q?J=FCrgen?=\r\n"
     " =?iso-8859-1?q?_M?= <j@h>\r\nTo: \"=?utf-8?q?=C3=BC?=\" <a@b>\r\n",
     "from-name=J\303\274rgen M from-address=j@h to-name=\303\274 to-address=a@b "
     "from=J\303\274rgen M <j@h> to=\303\274 <a@b> subject=\303\274ber alles"},
    {"encoded-padded",
     "From: =?utf-8?B?YWI=?=\r\n =?utf-8?B?ZGVm?= <a@b>, \"=?utf-8?B?w7w=?=\" <c@d>\r\n",
     "from-name=abdef from-address=a@b from=abdef <a@b>, \303\274 <c@d>"},
    {"encoded-structure",
     "To: =?utf-8?q?Doe=2C_Al_=3Cx=40y=3E=2C?= <al@h>, =?utf-8?b?eEB5LCA=?= =?utf-8?b?ekB5?= "
     "<c@d>\r\n",
     "to-name=Doe, Al <x@y>, to-address=al@h to=\"Doe, Al <x@y>,\" <al@h>, \"x@y, z@y\" <c@d>"},
    {"encoded-blanks", "To: =?utf-8?q?_Al_?= <a@b>\r\n", "to-name=Al to-address=a@b to=Al <a@b>"},
    {"encoded-split", "To: =?gb2312?q?=D6?=\r\n =?gb2312?b?0A==?= <a@b>\r\n",
     "to-name=\344\270\255 to-address=a@b to=\344\270\255 <a@b>"},
    {"encoded-as-browsers", "To: =?iso-8859-1?q?=80?= <a@b>\r\n",
     "to-name=\342\202\254 to-address=a@b to=\342\202\254 <a@b>"},
    {"not-listed", "To: =?ibm037?q?=C1?= <a@b>, =?ibm037?b?wQ==?= <c@d>\r\n", NOT_LISTED},
    {"not-listed-quoted", "To: \"=\\?ibm037?q?=C1?=\" <a@b>, \"=\"?ibm037?q?=C1?= <c@d>\r\n",
     NOT_LISTED},
    {"not-listed-comment", "To: a@b (=?ibm037?q?=C1?=), c@d (=\\?ibm037?q?=C1?=)\r\n", NOT_LISTED},
    {"question-marks", "To: {? \"?{{q\" <a?{q{@b>, ?? <c{?q@d?>\r\n",
     "to-name={? ?{{q to-address=a?{q{@b to={? ?{{q <a?{q{@b>, ?? <c{?q@d?>"},
    {"encoded-address", "From: =?utf-8?q?a=40b?=@h\r\n",
     "from-address==?utf-8?q?a=40b?=@h from==?utf-8?q?a=40b?=@h"},
    {"8-bit", "Subject: \303\274ber\r\nTo: \374 <a@b>\r\n",
     "to-name=\303\274 to-address=a@b to=\303\274 <a@b> subject=\303\274ber"},
    {"controls",
     "Subject: c\td\033\r\nFrom: e\tf <g@i>\r\nTo: =?utf-8?q?=C2=9B31=0D=0A?= <a@b>\r\n"
     "Date: a\tb\302\233\r\n",
     "from-name=e f from-address=g@i to-name=  31 to-address=a@b from=e f <g@i> "
     "to=  31 <a@b> subject=c d date=a b"},
    {"quoted-names",
     "From: \"Doe, Jo\" <jo@h>, \"a \\\"b\\\" \\\\ c\" <x@y>, \"good@bank <x@y>\" <evil@h>,\r\n"
     " J. Doe <j@h>, =?utf-8?q?Doe=2C_Al?= <al@h>\r\n",
     "from-name=Doe, Jo from-address=jo@h from=\"Doe, Jo\" <jo@h>, \"a \\\"b\\\" \\\\ c\" <x@y>, "
     "\"good@bank <x@y>\" <evil@h>, J. Doe <j@h>, \"Doe, Al\" <al@h>"},
    {"quoted-local", "From: \"a b\"@h\r\n", "from-address=a b@h from=a b@h"},
    {"comment", "From: a@b (Al)\r\n", "from-name=Al from-address=a@b from=Al <a@b>"},
    {"missing-domain", "From: N <a>, root\r\n", "from-name=N from-address=a from=N <a>, root"},
    {"no-address", "From: Al Bo\r\nTo: a.@b\r\n",
     "from-name=Al Bo to-name=a.@b from=Al Bo to=\"a.@b\""},
    {"group-empty", "To: undisclosed-recipients:;\r\n", ""},
    {"group", "To: x@y, team: A <a@h>, b@h;, local\r\n",
     "to-address=x@y to=x@y, A <a@h>, b@h, local"},
    {"group-two", "To: g:;, h: a@b;\r\n", "to-address=a@b to=a@b"},
    {"route", "From: N <@x,@y:a@b>\r\n", "from-name=N from-address=a@b from=N <a@b>"},
    {"holes", "To: a@b, , c@d,\r\n", "to-address=a@b to=a@b, c@d"},
};

/* In a block of exactly its size. */
static MailEnvelope *parse(const char *header, gsize len)
{
    g_autofree guint8 *bytes = g_memdup2(header, len);

    return mime_envelope_parse(bytes, len);
}

static void test_row(gconstpointer data)
{
    const Row *row = data;
    g_autoptr(MailEnvelope) envelope = parse(row->header, strlen(row->header));
    g_autofree char *text = dump_envelope(envelope);

    g_assert_cmpstr(text, ==, row->expected);
}

/* Wherever a header is cut, what came before it is told. */
static void test_cut(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        for (gsize len = 0; len < strlen(rows[i].header); len++) {
            g_autoptr(MailEnvelope) envelope = parse(rows[i].header, len);

            g_assert_nonnull(envelope);
        }
}

static void test_nul(void)
{
    static const char header[] = "Subject: a\0b\nTo: \"c\0d\" <e@f>\nDate: \0g\n";
    g_autoptr(MailEnvelope) envelope = parse(header, sizeof header - 1);
    g_autofree char *text = dump_envelope(envelope);

    g_assert_cmpstr(text, ==, "to-name=c d to-address=e@f to=c d <e@f> subject=a b date=g");
}

static void test_long_header(void)
{
    g_autoptr(GString) header = g_string_new("Subject: a\n");
    g_autoptr(MailEnvelope) envelope = NULL;

    while (header->len < MIME_HEADER_MAX)
        g_string_append(header, "X-Filler: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n");
    g_string_append(header, "To: a@b\n\n");
    envelope = parse(header->str, header->len);
    g_assert_cmpstr(mail_envelope_get(envelope, MAIL_ENVELOPE_SUBJECT), ==, "a");
    g_assert_cmpstr(mail_envelope_get(envelope, MAIL_ENVELOPE_TO), ==, "");
}

/* A field that fills the header, of what costs a parser the most. */
static void test_long_fields(void)
{
    static const char *const units[] = {"a@b, ", "a:",  "(",    "<",          "\"",   "\\",
                                        ",",     "x:;", "a b ", "=?utf-8?q?", "\n\t", "\377"};

    for (gsize i = 0; i < G_N_ELEMENTS(units); i++) {
        g_autoptr(GString) header = g_string_new("Cc: c@d\nFrom: ");
        g_autoptr(MailEnvelope) envelope = NULL;

        while (header->len < MIME_HEADER_MAX)
            g_string_append(header, units[i]);
        envelope = parse(header->str, header->len);
        g_assert_cmpstr(mail_envelope_get(envelope, MAIL_ENVELOPE_CC), ==, "c@d");
    }
}

/* Those that show nothing are counted too. */
static void test_many_addresses(void)
{
    g_autoptr(GString) header = g_string_new("To: ");
    g_autoptr(MailEnvelope) envelope = NULL, short_one = NULL;

    for (int i = 0; i < 1000; i++)
        g_string_append(header, "x:;,");
    g_string_append(header, "a@b\n");
    envelope = parse(header->str, header->len);
    g_assert_cmpstr(mail_envelope_get(envelope, MAIL_ENVELOPE_TO), ==, "");
    g_string_erase(header, 4, 4);
    short_one = parse(header->str, header->len);
    g_assert_cmpstr(mail_envelope_get(short_one, MAIL_ENVELOPE_TO), ==, "a@b");
}

/* Groups in groups, as deep as one likes: shown, and not taken apart. */
static void test_groups_without_end(void)
{
    g_autoptr(GString) header = g_string_new("From: ");
    g_autoptr(MailEnvelope) envelope = NULL;

    for (guint i = 0; i < 500000; i++)
        g_string_append(header, "a:");
    g_string_append(header, "\r\nSubject: b\r\n");
    envelope = mime_envelope_parse((const guint8 *)header->str, header->len);
    g_assert_cmpstr(mail_envelope_get(envelope, MAIL_ENVELOPE_SUBJECT), ==, "b");
    g_assert_true(
        g_str_has_prefix(mail_envelope_get(envelope, MAIL_ENVELOPE_FROM_NAME), "a:a:a:a:"));
}

static char *print(const MailEnvelope *envelope)
{
    GByteArray *out = g_byte_array_new();

    mime_envelope_print(envelope, out);
    g_byte_array_append(out, (const guint8 *)"", 1);
    return (char *)g_byte_array_free(out, FALSE);
}

static void test_print(void)
{
    static const char header[] = "Cc: d@e\nSubject: =?utf-8?q?=C3=BC=0A?= b\nFrom: Al <a@b>\n"
                                 "Message-ID: <1>\nDate: Mon, 1 Jan 2024\nTo: c@d, d@e\n";
    g_autoptr(MailEnvelope) envelope = parse(header, strlen(header));
    g_autoptr(MailEnvelope) empty = parse("", 0);
    g_autofree char *text = print(envelope), *nothing = print(empty);

    g_assert_cmpstr(text, ==,
                    "From: Al <a@b>\nTo: c@d, d@e\nCc: d@e\nDate: Mon, 1 Jan 2024\n"
                    "Subject: \303\274  b\n");
    g_assert_cmpstr(nothing, ==, "");
}

/* As a server may have told it. */
static void test_print_controls(void)
{
    const char *const fields[MAIL_ENVELOPE_N_FIELDS] = {
        [MAIL_ENVELOPE_FROM] = "a\033[31m\n",
        [MAIL_ENVELOPE_DATE] = "\302\233b\302\240\177",
    };
    g_autoptr(MailEnvelope) envelope = mail_envelope_new(fields);
    g_autofree char *text = print(envelope);

    g_assert_cmpstr(text, ==, "From: a [31m \nDate:   b\302\240 \n");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mime_init();
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strconcat("/mime/envelope/", rows[i].name, NULL);

        g_test_add_data_func(path, &rows[i], test_row);
    }
    g_test_add_func("/mime/envelope/cut-anywhere", test_cut);
    g_test_add_func("/mime/envelope/nul", test_nul);
    g_test_add_func("/mime/envelope/long-header", test_long_header);
    g_test_add_func("/mime/envelope/long-fields", test_long_fields);
    g_test_add_func("/mime/envelope/many-addresses", test_many_addresses);
    g_test_add_func("/mime/envelope/groups-without-end", test_groups_without_end);
    g_test_add_func("/mime/envelope/print", test_print);
    g_test_add_func("/mime/envelope/print-controls", test_print_controls);
    return g_test_run();
}

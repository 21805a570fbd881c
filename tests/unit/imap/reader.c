/* SPDX-License-Identifier: MIT */
/* tests/unit/imap/reader.c - server bytes to responses, however they are sliced. */
#include "imap/reader.h"

#include "tests/unit/imap/dump.h"
#include "tests/unit/trickle.h"

/* Small enough that a row can reach each of them. */
static const ImapLimits small = {
    .text_hold = 64,
    .text_max = 1000,
    .literal_hold = 10,
    .literals_hold = 25,
    .literals_max = 5,
    .literal_max = 100,
    .depth_max = 4,
    .values_max = 12,
};

/* Long literals are announced. */
static const ImapLimits asking = {
    .text_hold = 5000,
    .text_max = 10000,
    .literal_hold = 10,
    .literals_hold = 25,
    .literals_max = 5,
    .literal_max = 100,
    .literal_ask = 5,
    .depth_max = 4,
    .values_max = 12,
};

typedef struct {
    ImapReader *reader;
    GString *out;
    gboolean has_failed;
} Run;

static gpointer begin_with(const ImapLimits *limits)
{
    Run *run = g_new0(Run, 1);

    run->reader = imap_reader_new(limits);
    run->out = g_string_new(NULL);
    return run;
}

static gpointer begin_default(void)
{
    return begin_with(&imap_limits_default);
}

static gpointer begin_small(void)
{
    return begin_with(&small);
}

static gpointer begin_asking(void)
{
    return begin_with(&asking);
}

static void feed(gpointer parser, const guint8 *bytes, gsize len)
{
    Run *run = parser;

    if (!run->has_failed)
        run->has_failed = !dump_feed(run->out, run->reader, bytes, len);
}

static char *finish(gpointer parser)
{
    Run *run = parser;
    char *out;

    if (!run->has_failed && imap_reader_is_inside(run->reader))
        g_string_append(run->out, "...");
    out = g_string_free(run->out, FALSE);
    imap_reader_free(run->reader);
    g_free(run);
    return out;
}

static const Trickle trickle = {begin_default, feed, finish};
static const Trickle trickle_small = {begin_small, feed, finish};
static const Trickle trickle_asking = {begin_asking, feed, finish};

typedef struct {
    const char *name;
    const char *input;
    const char *expected;
} Row;

static const Row status_rows[] = {
    {"ok", "* OK ready\r\n", "* OK {ready}\n"},
    {"case", "* pReAuth hi\r\na1 no sorry\r\n", "* PREAUTH {hi}\na1 NO {sorry}\n"},
    {"no-text", "* OK\r\nA1 OK\r\nA2 OK \r\n* BYE\r\n", "* OK {}\nA1 OK {}\nA2 OK {}\n* BYE {}\n"},
    {"continuation", "+\r\n+ \r\n+ go on\r\n+OK\r\n", "+ {}\n+ {}\n+ {go on}\n+ {OK}\n"},
    {"continuation-code", "+ [ALERT] now\r\n", "+ [ALERT] {now}\n"},
    {"code", "* OK [UIDVALIDITY 12] fine\r\n", "* OK [UIDVALIDITY 12] {fine}\n"},
    {"code-without-text", "* OK [HIGHESTMODSEQ 5]\r\n", "* OK [HIGHESTMODSEQ 5] {}\n"},
    {"code-case", "* ok [permanentflags (\\Seen \\*)] x\r\n",
     "* OK [PERMANENTFLAGS (\\Seen \\*)] {x}\n"},
    {"code-adjacent", "* OK[ALERT]x\r\nA1 NO[X]\r\n", "* OK [ALERT] {x}\nA1 NO [X] {}\n"},
    {"code-list-adjacent", "* OK [FLAGS(a b)] x\r\n", "* OK [FLAGS (a b)] {x}\n"},
    {"code-copyuid", "A1 OK [COPYUID 7 1:3,5 9:11,12] x\r\n",
     "A1 OK [COPYUID 7 1:3,5 9:11,12] {x}\n"},
    {"code-quoted", "* OK [X \"a]\\\"b\" c] d\r\n", "* OK [X \"a]\"b\" c] {d}\n"},
    {"code-brackets", "* OK [FLAGS (a[1] b)] x\r\n", "* OK [FLAGS (a[1] b)] {x}\n"},
    {"code-unclosed", "* OK [ALERT fire\r\n* OK [X (]\r\n* OK [X \"a] b\r\n",
     "* OK {[ALERT fire}\n* OK {[X (]}\n* OK {[X \"a] b}\n"},
    {"code-empty", "* OK [] x\r\n* OK [ A ] x\r\n", "* OK [] {x}\n* OK [A] {x}\n"},
    {"code-without-ok", "* [COPYUID 1 2 3] done\r\n", "* OK [COPYUID 1 2 3] {done}\n"},
    {"no-literal-in-status", "* OK see {12}\r\n* NO {5}\r\nA1 BAD {3+}\r\n+ {1}\r\n* OK [X {4}\r\n",
     "* OK {see {12}}\n* NO {{5}}\nA1 BAD {{3+}}\n+ {{1}}\n* OK {[X {4}}\n"},
    {"no-literal-in-tagged", "A1 FETCH {5}\r\n", "A1 FETCH {{5}} MALFORMED\n"},
    {"no-literal-after-status", "* OK{5}\r\n* NO ~{5}\r\n* {1}\r\nx\r\n* [{1}\r\n*{1}\r\n",
     "* OK {{5}}\n* NO {~{5}}\n* \"x\" MALFORMED\n* OK {[{1}}\n*{1} {} MALFORMED\n"},
    {"no-status-before-literal", "* OK~{2}\r\nxy\r\n", "* OK \"xy\"\n"},
    {"wrong-literal-in-status", "* OK {-1}\r\n", "* OK {{-1}}\n"},
    {"controls", "* NO [ALERT] \033[2J\a\tx\ry\r\n", "* NO [ALERT] {<1b>[2J<07><09>x y}\n"},
    {"8-bit", "* NO \303\274\377\r\n", "* NO {<c3><bc><ff>}\n"},
    {"tagged-unknown", "A1\r\nA2 WHAT ever\r\nA3 BYE x\r\n",
     "A1 {} MALFORMED\nA2 WHAT {ever} MALFORMED\nA3 BYE {x} MALFORMED\n"},
    {"blanks", "  *   OK   [ X   1  ]   text \r\n", "* OK [X 1] {text }\n"},
    {"capability", "* OK [CAPABILITY IMAP4rev1 LITERAL+ AUTH=PLAIN ] hi\r\n",
     "* OK [CAPABILITY IMAP4rev1 LITERAL+ AUTH=PLAIN] {hi}\n"},
};

static const Row data_rows[] = {
    {"exists", "* 5 EXISTS\r\n", "* 5 EXISTS\n"},
    {"case", "* 5 exists\r\n* fLags (a)\r\n", "* 5 EXISTS\n* FLAGS (a)\n"},
    {"number-max", "* 4294967295 EXISTS\r\n* 0 FETCH ()\r\n",
     "* 4294967295 EXISTS\n* 0 FETCH ()\n"},
    {"number-wrong",
     "* 4294967296 EXISTS\r\n* 007 EXPUNGE\r\n* +5 EXISTS\r\n* -5 EXISTS\r\n"
     "* 9.3736e+06 EXISTS\r\n* 5x FETCH ()\r\n",
     "* EXISTS MALFORMED\n* EXPUNGE MALFORMED\n* EXISTS MALFORMED\n* EXISTS MALFORMED\n"
     "* EXISTS MALFORMED\n* FETCH () MALFORMED\n"},
    {"no-name", "*\r\n* \r\n* 5\r\n* ()\r\n",
     "* MALFORMED\n* MALFORMED\n* 5 MALFORMED\n* () MALFORMED\n"},
    {"star-glued", "*5 EXISTS\r\n", "*5 EXISTS {} MALFORMED\n"},
    {"number-then-status", "* 5 OK {2}\r\nab\r\n", "* 5 OK \"ab\"\n"},
    {"expunged", "* 2 EXPUNGED\r\n", "* 2 EXPUNGED\n"},
    {"search", "* SEARCH 1 2 3\r\n* SEARCH\r\n* SEARCH \r\n",
     "* SEARCH 1 2 3\n* SEARCH\n* SEARCH\n"},
    {"list", "* LIST (\\HasNoChildren) \"/\" INBOX\r\n", "* LIST (\\HasNoChildren) \"/\" INBOX\n"},
    {"list-glued", "* LIST() \"/\"INBOX\r\n", "* LIST () \"/\" INBOX\n"},
    {"list-nil", "* LIST (\\Noselect) NIL {4}\r\nn\"\\x (a)\r\n",
     "* LIST (\\Noselect) NIL \"n\"\\x\" (a)\n"},
    {"list-brackets", "* LIST () \"/\" [Gmail]/All\r\n* LIST () \"/\" a[b\r\n",
     "* LIST () \"/\" [Gmail]/All\n* LIST () \"/\" a[b\n"},
    {"list-brace", "* LIST () \"/\" foo}\r\n* LIST () \"{\" foo}\r\n",
     "* LIST () \"/\" foo}\n* LIST () \"{\" foo}\n"},
    {"nil", "* X NIL nil Nil NILL ni \"NIL\" {3}\r\nNIL\r\n",
     "* X NIL NIL NIL NILL ni \"NIL\" \"NIL\"\n"},
    {"flags", "* FLAGS (\\Seen \\* $Forwarded a:b/c,d%)\r\n",
     "* FLAGS (\\Seen \\* $Forwarded a:b/c,d%)\n"},
    {"empty-list", "* X () (() ())\r\n", "* X () (() ())\n"},
    {"blanks", "*  X   a  ( b  )  \r\n* CAPABILITY IMAP4rev1 LITERAL + \r\n",
     "* X a (b)\n* CAPABILITY IMAP4rev1 LITERAL +\n"},
    {"tabs", "* X\ta\t(\tb\t)\r\n", "* X a (b)\n"},
    {"glued", "* X (a)(b)\"c\"\"d\"(\"e\"f)\r\n", "* X (a) (b) \"c\" \"d\" (\"e\" f)\n"},
    {"quoted", "* X \"\" \"a\\\"b\" \"\\\\\" \"\\a(){5}\" \"\\\\\\\"\"\r\n",
     "* X \"\" \"a\"b\" \"\\\" \"a(){5}\" \"\\\"\"\n"},
    {"quoted-8-bit", "* X \"\303\244\377\r\001\"\r\n", "* X \"<c3><a4><ff><0d><01>\"\n"},
    {"quoted-nul-word", "* X \"a\\\\0\"\r\n", "* X \"a\\0\"\n"},
    {"quote-in-atom", "* X a\"b c\r\n", "* X a\"b c\n"},
    {"quoted-unfinished", "* X a \"b\r\n* Y \"b\\\"\r\n* Z (\"\\\r\n* OK x\r\n",
     "* X a MALFORMED\n* Y MALFORMED\n* Z () MALFORMED\n* OK {x}\n"},
    {"unbalanced", "* X a) b\r\n* Y (a (b)\r\n* Z (\r\n* OK x\r\n",
     "* X a MALFORMED\n* Y (a (b)) MALFORMED\n* Z () MALFORMED\n* OK {x}\n"},
    {"bare-lf", "* X a\n* Y b\r\r\n* Z c\r\r\r\n\n", "* X a\n* Y b\n* Z c\n"},
    {"empty-lines", "\r\n\n\r\r\n \r\n* X a\r\n\r\n", "* X a\n"},
    {"bare-cr", "* X a\rb\r\n", "* X a b\n"},
    {"unfinished", "* X a\r", "..."},
    {"unfinished-literal", "* X {5}\r\nab", "..."},
    {"section", "* 1 FETCH (BODY[HEADER.FIELDS (SUBJECT TO)] {2}\r\nab UID 7)\r\n",
     "* 1 FETCH (BODY[HEADER.FIELDS (SUBJECT TO)] \"ab\" UID 7)\n"},
    {"section-quoted", "* 1 FETCH (BODY[HEADER.FIELDS (\"SUB)]\" \"T\\\"\")]<0> \"x\")\r\n",
     "* 1 FETCH (BODY[HEADER.FIELDS (\"SUB)]\" \"T\\\"\")]<0> \"x\")\n"},
    {"section-origin", "* 1 FETCH (BODY[]<4096> {2}\r\nab BINARY[1.2]<5> NIL)\r\n",
     "* 1 FETCH (BODY[]<4096> \"ab\" BINARY[1.2]<5> NIL)\n"},
    {"section-unclosed",
     "* 1 FETCH (FLAGS (a[b) BODY[] {1}\r\nx)\r\n* 1 FETCH (BODY[\"x UID 5)\r\n",
     "* 1 FETCH (FLAGS (a[b) BODY[] \"x\")\n* 1 FETCH (BODY[\"x UID 5)\n"},
    {"section-literal", "* 1 FETCH (BODY[H ({1}\r\nX)] {1}\r\ny UID 5)\r\n",
     "* 1 FETCH (BODY[H (\"X\") ] \"y\" UID 5)\n"},
    {"fetch-unknown", "* 1 FETCH (X-A (a (b) {1}\r\n) \"(\") X-B NIL UID 5)\r\n",
     "* 1 FETCH (X-A (a (b) \")\" \"(\") X-B NIL UID 5)\n"},
};

static const Row literal_rows[] = {
    {"crlf", "* X {4}\r\na\r\nb {0}\r\n\r\n", "* X \"a<0d><0a>b\" \"\"\n"},
    {"lf", "* X {3}\nabc {1}\r\r\nd\n", "* X \"abc\" \"d\"\n"},
    {"plus", "* X {3+}\r\nabc\r\n", "* X \"abc\"\n"},
    {"binary", "* X ~{3}\r\nabc ~{2+}\r\nde\r\n", "* X \"abc\" \"de\"\n"},
    {"glued", "* X{1}\r\nab{1}\r\nc({1}\r\nd)\r\n", "* X \"a\" b \"c\" (\"d\")\n"},
    {"looks-like-response", "* X {11}\r\nA1 OK done\n\r\nA2 OK {2}\r\n",
     "* X \"A1 OK done<0a>\"\nA2 OK {{2}}\n"},
    {"looks-like-literal", "* X {5}\r\n{99}\n y\r\n", "* X \"{99}<0a>\" y\n"},
    {"many", "* X {1}\r\na{1}\r\nb{1}\r\nc\r\n", "* X \"a\" \"b\" \"c\"\n"},
    {"blank-line-in", "* X {2}\r\nab\r\n\r\n* Y\r\n", "* X \"ab\"\n* Y\n"},
    {"in-quotes", "* X \"a {2}\r\nbc\" d\r\n* Y\r\n", "* X MALFORMED\n* Y\n"},
    {"in-number", "* 5{2}\r\nab FETCH\r\n* Y\r\n", "* FETCH MALFORMED\n* Y\n"},
    {"empty", "* X {}\r\n",
     "ERROR read response at octet 0 of the connection: "
     "the size of a literal is no number\n"},
    {"negative", "* X\r\n* X {-1}\r\n",
     "* X\nERROR read response at octet 5 of the connection: "
     "the size of a literal is no number\n"},
    {"blank", "* X { 5}\r\n",
     "ERROR read response at octet 0 of the connection: "
     "the size of a literal is no number\n"},
    {"letter", "* X {5x}\r\n",
     "ERROR read response at octet 0 of the connection: "
     "the size of a literal is no number\n"},
    {"plus-alone", "* X {+}\r\n",
     "ERROR read response at octet 0 of the connection: "
     "the size of a literal is no number\n"},
    {"plus-twice", "* X {5++}\r\n",
     "ERROR read response at octet 0 of the connection: "
     "the size of a literal is no number\n"},
    {"zeros", "* X {05}\r\n",
     "ERROR read response at octet 0 of the connection: "
     "the size of a literal is no number\n"},
    {"2^64", "* X {18446744073709551616}\r\n",
     "ERROR read response at octet 0 of the connection: "
     "the size of a literal is no number\n"},
    {"2^64-1", "* X {18446744073709551615}\r\n",
     "ERROR read response at octet 0 of the "
     "connection: a literal is too big\n"},
    {"2^32", "* X {4294967296}\r\n",
     "ERROR read response at octet 0 of the connection: a literal is too big\n"},
    {"2^32-1", "* X {4294967295}\r\nabc", "..."},
};

/* With the limits above. */
static const Row limit_rows[] = {
    {"literal-hold", "* X {12}\r\n0123456789ab y\r\n", "* X \"0123456789\"/12 y\n"},
    {"literals-hold",
     "* X {10}\r\n0123456789 {10}\r\n0123456789 {10}\r\n0123456789 {3}\r\nabc z\r\n",
     "* X \"0123456789\" \"0123456789\" \"012\"/10 \"\"/3 z\n"},
    {"literal-max", "* X {100}\r\n", "..."},
    {"literal-over-max", "* X {101}\r\n",
     "ERROR read response at octet 0 of the connection: a literal is too big\n"},
    {"literals-max", "* X {1}\r\na {1}\r\nb {1}\r\nc {1}\r\nd {1}\r\ne\r\n* Y\r\n",
     "* X \"a\" \"b\" \"c\" \"d\" \"e\"\n* Y\n"},
    {"literals-over", "* X ({1}\r\na {1}\r\nb {1}\r\nc {1}\r\nd {1}\r\ne {1}\r\n) z) y\r\n* Y\r\n",
     "* X (\"a\" \"b\" \"c\" \"d\" \"e\") CUT\n* Y\n"},
    {"depth", "* X (a (b (c (d)))) e\r\n", "* X (a (b (c (d)))) e\n"},
    {"depth-over", "* X (((((d \")\" ((x) {1}\r\n)) f) g)))) e\r\n* Y\r\n",
     "* X ((((NIL g)))) e\n* Y\n"},
    {"depth-over-unbalanced", "* X ((((((d\r\n* Y\r\n", "* X ((((NIL)))) MALFORMED\n* Y\n"},
    {"values", "* X 1 2 3 4 5 6 7 8 9 10 11 12\r\n", "* X 1 2 3 4 5 6 7 8 9 10 11 12\n"},
    {"values-over", "* X 1 2 3 4 5 6 7 8 9 10 (11 12) \"x\r\n* Y\r\n",
     "* X 1 2 3 4 5 6 7 8 9 10 (11) CUT\n* Y\n"},
    {"values-skipped", "* X ((((( 1 2 3 4 5 6 7 8 9 10 11 12 13 ))))) b\r\n",
     "* X ((((NIL)))) b\n"},
    {"values-code", "* OK [X 1 2 3 4 5 6 7 8 9 10 11 12 13] x\r\n",
     "* OK [X 1 2 3 4 5 6 7 8 9 10 11 12] {x} CUT\n"},
    {"hold", "* X 6789012345678901234567890123456789012345678901234567890123 6\r\n",
     "* X 6789012345678901234567890123456789012345678901234567890123 CUT\n"},
    {"hold-atom", "* X (6789012345678901234567890123456789012345678901234567890123456789)\r\n",
     "* X () CUT\n"},
    {"hold-quoted",
     "* X (a \"89012345678901234567890123456789012345678901234567890123456789\" b)\r\n",
     "* X (a) CUT\n"},
    {"hold-before-literal",
     "* X 67890123456789012345678901234567890123456789012345678901 {6}\r\n* Y\r\nb c (d) "
     "{2}\r\n\r\n"
     " e\r\n* Z\r\n",
     "* X 67890123456789012345678901234567890123456789012345678901 CUT\n* Z\n"},
    {"hold-after-literal",
     "* X 6789012345678901234567890123456789012345678901234567890 {6}\r\n* Y\r\nb c (d) {2}\r\n\r\n"
     " e\r\n* Z\r\n",
     "* X 6789012345678901234567890123456789012345678901234567890 \"* Y<0d><0a>b\" CUT\n* Z\n"},
    {"hold-far-literal",
     "* X a 6789012345678901234567890123456789012345678901234567890 \"bcdefghijklmnopqrstuvwxyz\" "
     "\"bcdefghijklmnopqrstuvwxyz\" \"bcdefghijklmnopqrstuvwxyz\" ~{4+}\r\n\r\n* b\r\n* Z\r\n",
     "* X a 6789012345678901234567890123456789012345678901234567890 CUT\n* Z\n"},
    {"hold-literal-kept",
     "* X {3}\r\nabc 3456789012345678901234567890123456789012345678901234 x y\r\n",
     "* X \"abc\" 3456789012345678901234567890123456789012345678901234 CUT\n"},
    {"hold-status", "* OK 789012345678901234567890123456789012345678901234567890123456789\r\n",
     "* OK {78901234567890123456789012345678901234567890123456789012345} CUT\n"},
    {"hold-code",
     "* OK [X 1] 2345678901234567890123456789012345678901234567890123456789\r\n"
     "* OK [X 901234567890123456789012345678901234567890123456789012345678901234]\r\n",
     "* OK [X 1] {23456789012345678901234567890123456789012345678901234} CUT\n"
     "* OK {[X 90123456789012345678901234567890123456789012345678901234} CUT\n"},
    {"hold-number",
     "* 5 FETCH (UID 5 FLAGS (\\Seen \\Answered) X "
     "(abcdefghijklmnopqrstuvwxyzabcdefgh) UID 6)\r\n",
     "* 5 FETCH (UID 5 FLAGS (\\Seen \\Answered) X ()) CUT\n"},
};

/* More than 5 octets are announced; those of a FETCH are streamed. */
static const Row ask_rows[] = {
    {"short", "* 1 FETCH (UID 5 BODY[] {5}\r\n12345)\r\n", "* 1 FETCH (UID 5 BODY[] \"12345\")\n"},
    {"streamed", "* 1 FETCH (UID 5 BODY[] {12}\r\n\r\n(\"]{2}\r\n* X X \"y\")\r\n* Y\r\n",
     "? * 1 FETCH (UID 5 BODY[] \"\"/12) CUT\n"
     "<0d><0a>(\"]{2}<0d><0a>* * 1 FETCH (UID 5 BODY[] \"\"/12 X X \"y\")\n* Y\n"},
    {"quoted-before", "* 1 FETCH (A \"\\\"\\\\\" B {2}\r\nxy C {6}\r\n123456 D {3}\r\nabc)\r\n",
     "? * 1 FETCH (A \"\"\\\" B \"xy\" C \"\"/6) CUT\n"
     "123456* 1 FETCH (A \"\"\\\" B \"xy\" C \"\"/6 D \"abc\")\n"},
    {"two", "* 1 FETCH (A {6}\r\n123456 B ~{7+}\r\n1234567)\r\n",
     "? * 1 FETCH (A \"\"/6) CUT\n"
     "123456? * 1 FETCH (A \"\"/6 B \"\"/7) CUT\n"
     "1234567* 1 FETCH (A \"\"/6 B \"\"/7)\n"},
    {"kept", "* X {12}\r\n0123456789ab y\r\n", "? * X \"\"/12 CUT\n* X \"0123456789\"/12 y\n"},
    {"values-count-once", "* X 1 2 3 4 5 6 7 8 9 10 11 {6}\r\n123456\r\n",
     "? * X 1 2 3 4 5 6 7 8 9 10 11 \"\"/6 CUT\n* X 1 2 3 4 5 6 7 8 9 10 11 \"123456\"\n"},
    {"end-inside", "* 1 FETCH (BODY[] {100}\r\nabc", "? * 1 FETCH (BODY[] \"\"/100) CUT\nabc..."},
};

static void test_ask_row(gconstpointer data)
{
    const Row *row = data;
    g_autofree char *result = trickle_run(&trickle_asking, row->input, strlen(row->input), 200);

    g_assert_cmpstr(result, ==, row->expected);
}

/* What stands before a literal is copied to be shown: not when that is much. */
static void test_ask_late(void)
{
    g_autofree char *head = g_strnfill(4097, 'x');
    g_autofree char *input = g_strconcat("* 1 FETCH (", head, " {6}\r\n123456)\r\n", NULL);
    g_autofree char *result = trickle_run(&trickle_asking, input, strlen(input), 0);

    g_assert_true(g_str_has_prefix(result, "* 1 FETCH (xxx"));
    g_assert_true(g_str_has_suffix(result, "x \"123456\")\n"));
}

static void test_row(gconstpointer data)
{
    const Row *row = data;
    g_autofree char *result = trickle_run(&trickle, row->input, strlen(row->input), 200);

    g_assert_cmpstr(result, ==, row->expected);
}

static void test_limit_row(gconstpointer data)
{
    const Row *row = data;
    g_autofree char *result = trickle_run(&trickle_small, row->input, strlen(row->input), 300);

    g_assert_cmpstr(result, ==, row->expected);
}

static void add_rows(const char *table, const Row *rows, gsize n_rows, GTestDataFunc test)
{
    for (gsize i = 0; i < n_rows; i++) {
        g_autofree char *path = g_strdup_printf("/imap/reader/%s/%s", table, rows[i].name);

        g_test_add_data_func(path, &rows[i], test);
    }
}

static void test_nul(void)
{
    static const char in_text[] = "* X a\0b\r\n", in_quoted[] = "* X \"\0\"\r\n";
    static const char in_literal[] = "* X {3}\r\na\0b\r\n";
    static const char behind_literal[] = "* X {1}\r\na \0\0 b\r\n", in_marker[] = "* X {\0}\r\n";
    static const char
        in_tag[] = "\0\r\n* Y\r\n",
        dropped[] = "* X 6789012345678901234567890123456789012345678901234567890123 6\0\r\n* Y\r\n";
    g_autofree char *text = trickle_run(&trickle, in_text, sizeof in_text - 1, 100);
    g_autofree char *quoted = trickle_run(&trickle, in_quoted, sizeof in_quoted - 1, 100);
    g_autofree char *literal = trickle_run(&trickle, in_literal, sizeof in_literal - 1, 100);

    g_autofree char *behind = trickle_run(&trickle, behind_literal, sizeof behind_literal - 1, 100);
    g_autofree char *marker = trickle_run(&trickle, in_marker, sizeof in_marker - 1, 100);
    g_autofree char *tag = trickle_run(&trickle, in_tag, sizeof in_tag - 1, 100);
    g_autofree char *tail = trickle_run(&trickle_small, dropped, sizeof dropped - 1, 100);

    g_assert_cmpstr(text, ==, "* X a?b NUL\n");
    g_assert_cmpstr(quoted, ==, "* X \"?\" NUL\n");
    g_assert_cmpstr(literal, ==, "* X \"a<00>b\"\n");
    g_assert_cmpstr(behind, ==, "* X \"a\" ?? b NUL\n");
    g_assert_cmpstr(marker, ==,
                    "ERROR read response at octet 0 of the connection: "
                    "the size of a literal is no number\n");
    g_assert_cmpstr(tag, ==, "? {} MALFORMED NUL\n* Y\n");
    g_assert_cmpstr(tail, ==,
                    "* X 6789012345678901234567890123456789012345678901234567890123 CUT NUL\n"
                    "* Y\n");
}

static void test_text_max(void)
{
    g_autofree char *long_text = g_strnfill(995, 'x'), *blanks = g_strnfill(1001, ' ');
    g_autofree char *fits = g_strconcat("* OK ", long_text, "\n", NULL);
    g_autofree char *over = g_strconcat("* OK x", long_text, "\n", NULL);
    g_autofree char *fits_result = trickle_run(&trickle_small, fits, strlen(fits), 0);
    g_autofree char *over_result = trickle_run(&trickle_small, over, strlen(over), 0);
    g_autofree char *blank_result = trickle_run(&trickle_small, blanks, strlen(blanks), 0);

    g_assert_true(g_str_has_prefix(fits_result, "* OK {xxx"));
    g_assert_cmpstr(over_result, ==,
                    "ERROR read response at octet 0 of the connection: "
                    "it is too long\n");
    g_assert_cmpstr(blank_result, ==, over_result);
}

/* Literals count for nothing, the text between them for all. */
static void test_text_max_over_literals(void)
{
    g_autoptr(GString) input = g_string_new("* X");
    g_autofree char *result = NULL;

    for (int i = 0; i < 300; i++)
        g_string_append(input, " {9}\r\n123456789");
    result = trickle_run(&trickle_small, input->str, input->len, 0);
    g_assert_cmpstr(result, ==,
                    "ERROR read response at octet 0 of the connection: "
                    "it is too long\n");
}

static void test_other_limits(void)
{
    static const guint8 input[] = "* X 1 2 3 4 5 6 7 8 9 10 11 12 13 {4}\r\nabcd\r\n";
    g_autoptr(ImapReader) reader = imap_reader_new(&small);
    g_autoptr(GString) out = g_string_new(NULL);
    ImapLimits other = small;

    other.values_max = 14;
    other.literal_hold = 3;
    g_assert_true(dump_feed(out, reader, input, sizeof input - 1));
    imap_reader_set_limits(reader, &other);
    g_assert_true(dump_feed(out, reader, input, sizeof input - 1));
    g_assert_cmpstr(out->str, ==,
                    "* X 1 2 3 4 5 6 7 8 9 10 11 12 CUT\n"
                    "* X 1 2 3 4 5 6 7 8 9 10 11 12 13 \"abc\"/4\n");
}

static void test_error_lasts(void)
{
    g_autoptr(ImapReader) reader = imap_reader_new(&imap_limits_default);
    g_autoptr(GString) out = g_string_new(NULL);

    g_assert_false(dump_feed(out, reader, (const guint8 *)"* X {}\r\n", 8));
    g_assert_false(dump_feed(out, reader, (const guint8 *)"* OK x\r\n", 8));
}

static void test_one_at_a_time(void)
{
    static const guint8 input[] = "* OK a\r\n* OK b\r\n";
    g_autoptr(ImapReader) reader = imap_reader_new(&imap_limits_default);
    const ImapResponse *response;
    gsize used;

    g_assert_false(imap_reader_is_inside(reader));
    g_assert_cmpint(imap_reader_next(reader, input, 3, &used, &response, NULL), ==, IMAP_READ_MORE);
    g_assert_true(imap_reader_is_inside(reader));
    g_assert_cmpint(imap_reader_next(reader, input + 3, 13, &used, &response, NULL), ==,
                    IMAP_READ_RESPONSE);
    g_assert_cmpuint(used, ==, 5);
    g_assert_cmpstr(response->text, ==, "a");
    g_assert_false(imap_reader_is_inside(reader));
    g_assert_cmpint(imap_reader_next(reader, input + 8, 0, &used, &response, NULL), ==,
                    IMAP_READ_MORE);
    g_assert_false(imap_reader_is_inside(reader));
}

static gsize resident_bytes(void)
{
    g_autofree char *text = NULL;
    gsize pages = 0;

    g_assert_true(g_file_get_contents("/proc/self/statm", &text, NULL, NULL));
    pages = g_ascii_strtoull(strchr(text, ' '), NULL, 10);
    return pages * 4096;
}

static gsize virtual_bytes(void)
{
    g_autofree char *text = NULL;

    g_assert_true(g_file_get_contents("/proc/self/statm", &text, NULL, NULL));
    return g_ascii_strtoull(text, NULL, 10) * 4096;
}

static void test_memory_follows_bytes(void)
{
    ImapLimits limits = imap_limits_default;
    g_autoptr(ImapReader) reader = NULL;
    g_autoptr(GString) out = g_string_new(NULL);
    static const char input[] = "* 1 FETCH (BODY[] {2147483647}\r\n0123456789";
    gsize before = virtual_bytes();

    limits.literal_hold = limits.literals_hold = G_MAXUINT32;
    reader = imap_reader_new(&limits);
    g_assert_true(dump_feed(out, reader, (const guint8 *)input, strlen(input)));
    g_assert_true(imap_reader_is_inside(reader));
    g_assert_cmpuint(virtual_bytes() - before, <, 64 * 1024 * 1024);
}

/* What is dropped costs nothing, and the reader does not keep what a long response needed. */
static void test_memory_is_bounded(void)
{
    g_autoptr(ImapReader) reader = imap_reader_new(&imap_limits_default);
    g_autoptr(GString) out = g_string_new(NULL);
    g_autofree char *block = g_malloc(1024 * 1024);
    gsize before;

    memset(block, '(', 1024 * 1024);
    g_assert_true(dump_feed(out, reader, (const guint8 *)"* X {94371840}\r\n", 16));
    before = resident_bytes();
    for (int i = 0; i < 90; i++)
        g_assert_true(dump_feed(out, reader, (const guint8 *)block, 1024 * 1024));
    g_assert_true(dump_feed(out, reader, (const guint8 *)" ", 1));
    for (int i = 0; i < 90; i++)
        g_assert_true(dump_feed(out, reader, (const guint8 *)block, 1024 * 1024));
    g_assert_cmpuint(resident_bytes() - MIN(before, resident_bytes()), <, 32 * 1024 * 1024);
    g_assert_true(dump_feed(out, reader, (const guint8 *)"\r\n", 2));
    g_assert_true(g_str_has_suffix(out->str, "CUT\n"));
}

static void test_deep_nesting(void)
{
    enum {
        DEPTH = 1000000
    };
    ImapLimits limits = imap_limits_default;
    g_autoptr(ImapReader) reader = NULL;
    g_autoptr(GString) input = g_string_new("* 1 FETCH (UID 5 BODYSTRUCTURE ");
    const ImapResponse *response;
    const ImapValue *list;
    gsize used;

    limits.text_hold = 3 * DEPTH;
    reader = imap_reader_new(&limits);
    for (int i = 0; i < DEPTH; i++)
        g_string_append_c(input, '(');
    for (int i = 0; i < DEPTH; i++)
        g_string_append_c(input, ')');
    g_string_append(input, " RFC822.SIZE 7)\r\n");
    g_assert_cmpint(
        imap_reader_next(reader, (const guint8 *)input->str, input->len, &used, &response, NULL),
        ==, IMAP_READ_RESPONSE);
    g_assert_false(response->is_malformed);
    list = response->values;
    g_assert_true(imap_value_is(imap_value_nth(list, 1), "5"));
    g_assert_true(imap_value_is(imap_value_nth(list, 4), "RFC822.SIZE"));
    g_assert_true(imap_value_is(imap_value_nth(list, 5), "7"));
}

/* Linear, whatever is repeated: each of these would take minutes if every unit looked ahead. */
static void test_long_repeats(void)
{
    static const char *const units[] = {"a[", "[", "\"[ ", "a[\" ", "(a[",  "\\", "\"\" ",
                                        "{",  "}", "[(",   "(]",    "\\\"", "a ", "{1}\n "};

    for (gsize i = 0; i < G_N_ELEMENTS(units); i++) {
        g_autoptr(ImapReader) reader = imap_reader_new(&imap_limits_default);
        g_autoptr(GString) input = g_string_new("* X ");
        const ImapResponse *response;
        gsize used;

        while (input->len < 900 * 1024)
            g_string_append(input, units[i]);
        g_string_append(input, "\r\n");
        g_assert_cmpint(imap_reader_next(reader, (const guint8 *)input->str, input->len, &used,
                                         &response, NULL),
                        ==, IMAP_READ_RESPONSE);
        g_assert_cmpint(
            imap_reader_next(reader, (const guint8 *)"* Y\r\n", 5, &used, &response, NULL), ==,
            IMAP_READ_RESPONSE);
        g_assert_cmpstr(response->name, ==, "Y");
    }
    imap_reader_free(NULL);
}

static void test_value_kinds(void)
{
    g_autoptr(ImapReader) reader = imap_reader_new(&imap_limits_default);
    const ImapValue *list = value_from_text(
        reader, "(Abc NIL (x) \"5\" 18446744073709551615 18446744073709551616 05 +5 0)");
    guint64 number = 7;

    g_assert_cmpstr(imap_value_text(imap_value_nth(list, 0)), ==, "Abc");
    g_assert_null(imap_value_text(imap_value_nth(list, 1)));
    g_assert_null(imap_value_text(imap_value_nth(list, 2)));
    g_assert_cmpstr(imap_value_text(imap_value_nth(list, 3)), ==, "5");
    g_assert_null(imap_value_text(NULL));
    g_assert_null(imap_value_nth(list, 9));
    g_assert_null(imap_value_nth(imap_value_nth(list, 0), 0));
    g_assert_null(imap_value_nth(NULL, 0));
    g_assert_true(imap_value_is(imap_value_nth(list, 0), "aBC"));
    g_assert_false(imap_value_is(imap_value_nth(list, 0), "ab"));
    g_assert_false(imap_value_is(imap_value_nth(list, 3), "5"));
    g_assert_false(imap_value_is(NULL, "5"));
    for (guint i = 0; i < 9; i++)
        g_assert_cmpint(imap_value_number(imap_value_nth(list, i), &number), ==, i == 4 || i == 8);
    g_assert_cmpuint(number, ==, 0);
    g_assert_true(imap_value_number(imap_value_nth(list, 4), &number));
    g_assert_cmpuint(number, ==, G_MAXUINT64);
    g_assert_false(imap_value_number(NULL, &number));
}

static void test_value_with_nul(void)
{
    static const guint8 input[] = "* X {3}\r\na\0b\r\n";
    g_autoptr(ImapReader) reader = imap_reader_new(&imap_limits_default);
    const ImapResponse *response;
    gsize used;

    g_assert_cmpint(imap_reader_next(reader, input, sizeof input - 1, &used, &response, NULL), ==,
                    IMAP_READ_RESPONSE);
    g_assert_cmpuint(response->values->len, ==, 3);
    g_assert_null(imap_value_text(response->values));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_rows("status", status_rows, G_N_ELEMENTS(status_rows), test_row);
    add_rows("data", data_rows, G_N_ELEMENTS(data_rows), test_row);
    add_rows("literal", literal_rows, G_N_ELEMENTS(literal_rows), test_row);
    add_rows("limit", limit_rows, G_N_ELEMENTS(limit_rows), test_limit_row);
    add_rows("ask", ask_rows, G_N_ELEMENTS(ask_rows), test_ask_row);
    g_test_add_func("/imap/reader/ask/late", test_ask_late);
    g_test_add_func("/imap/reader/nul", test_nul);
    g_test_add_func("/imap/reader/text-max", test_text_max);
    g_test_add_func("/imap/reader/text-max-over-literals", test_text_max_over_literals);
    g_test_add_func("/imap/reader/other-limits", test_other_limits);
    g_test_add_func("/imap/reader/error-lasts", test_error_lasts);
    g_test_add_func("/imap/reader/one-at-a-time", test_one_at_a_time);
    g_test_add_func("/imap/reader/memory-follows-bytes", test_memory_follows_bytes);
    g_test_add_func("/imap/reader/memory-is-bounded", test_memory_is_bounded);
    g_test_add_func("/imap/reader/deep-nesting", test_deep_nesting);
    g_test_add_func("/imap/reader/long-repeats", test_long_repeats);
    g_test_add_func("/imap/value/kinds", test_value_kinds);
    g_test_add_func("/imap/value/nul", test_value_with_nul);
    return g_test_run();
}

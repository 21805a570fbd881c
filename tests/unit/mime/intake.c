/* SPDX-License-Identifier: MIT */
/* tests/unit/mime/intake.c - what is a message, and its form for the network, however sliced. */
#include <string.h>

#include "mime/mime.h"
#include "tests/unit/trickle.h"

/* The network's form of what was written; or the error, "! " before it. */
typedef struct {
    const char *name, *written, *expected;
} Row;

#define NO_FIELD(line)                                                                             \
    "! line " line " is neither a header field nor a continuation of one nor empty"
#define NO_HEADER "! line 1 is empty: there is no header"
#define NO_FIRST  "! line 1 begins with a blank, and there is no header field before it"
#define MBOX      "! line 1 begins with \"From \": this is an mbox, not one message"

static const Row rows[] = {
    {"crlf", "A: b\r\nC: d\r\n\r\ne\r\n\r\nf", "A: b\r\nC: d\r\n\r\ne\r\n\r\nf"},
    {"lf", "A: b\nC: d\n\ne\n\nf\n", "A: b\r\nC: d\r\n\r\ne\r\n\r\nf\r\n"},
    {"mixed", "A: b\r\nC: d\n\r\ne\nf\r\n", "A: b\r\nC: d\r\n\r\ne\r\nf\r\n"},
    {"lf-behind-crlf", "A: b\r\n\n\r\n\n", "A: b\r\n\r\n\r\n\r\n"},
    {"cr", "A: b\rc\r\r\nD:\r\n\r\n\r\re\rf\r\r\n\r", "A: b\rc\r\r\nD:\r\n\r\n\r\re\rf\r\r\n\r"},
    {"8bit", "A: \303\274\n\n\377\200", "A: \303\274\r\n\r\n\377\200"},
    {"folded", "A:\n b\n\t c\n \nD: e\n\n", "A:\r\n b\r\n\t c\r\n \r\nD: e\r\n\r\n"},
    {"blanks-before-colon", "From : a\nB\t : c\n\n", "From : a\r\nB\t : c\r\n\r\n"},
    {"odd-names", "a!~\"#;<>@[]9: b\n-:\n\n", "a!~\"#;<>@[]9: b\r\n-:\r\n\r\n"},
    {"colons", "A:::b\n\n", "A:::b\r\n\r\n"},
    {"from-in-body", "A: b\n\nFrom x\n:\n", "A: b\r\n\r\nFrom x\r\n:\r\n"},
    {"controls-in-value", "A: \001\033\177\n\n\001\177", "A: \001\033\177\r\n\r\n\001\177"},
    {"no-body", "A: b\n\n", "A: b\r\n\r\n"},
    {"no-empty-line", "A: b\r\nC: d\n", "A: b\r\nC: d\r\n\r\n"},
    {"no-line-end", "A: b", "A: b\r\n\r\n"},
    {"no-value", "A:", "A:\r\n\r\n"},
    {"half-a-line-end", "A: b\r", "A: b\r\n\r\n"},
    {"half-an-empty-line", "A: b\r\n\r", "A: b\r\n\r\n"},

    {"empty", "", "! the file is empty"},
    {"empty-line-first", "\nA: b\n\n", NO_HEADER},
    {"empty-crlf-first", "\r\nA: b\r\n\r\n", NO_HEADER},
    {"cr-alone", "\r", NO_HEADER},
    {"continuation-first", " A: b\n\n", NO_FIRST},
    {"tab-first", "\tb\n\n", NO_FIRST},
    {"mbox", "From a@b Mon Jan  1 00:00:00 2024\nA: b\n\n", MBOX},
    {"mbox-cut", "From ", MBOX},
    {"from-without-blank", "From\nA: b\n\n", NO_FIELD("1")},
    {"mbox-later", "A: b\nFrom a@b Mon\n\n", NO_FIELD("2")},
    {"words", "Dear Bob,\n", NO_FIELD("1")},
    {"words-cut", "Dear", NO_FIELD("1")},
    {"words-behind-header", "A: b\n c\nDear: Bob\n\rHello\n", NO_FIELD("4")},
    {"no-name", "A: b\n: c\n", NO_FIELD("2")},
    {"name-8bit", "A: b\nB\303\274: c\n", NO_FIELD("2")},
    {"name-del", "A\177: b\n", NO_FIELD("1")},
    {"name-order-mark", "\357\273\277A: b\n", NO_FIELD("1")},
    {"name-cr", "A: b\r\nC\r: d\n", NO_FIELD("2")},
    {"name-two-words", "A b: c\n", NO_FIELD("1")},
    {"name-cut", "A: b\nC", NO_FIELD("2")},
    {"blanks-cut", "A: b\nC ", NO_FIELD("2")},
};

/* A NUL stands for "\1" of the row. */
static const Row nul_rows[] = {
    {"first", "\1", "! line 1 holds a NUL"},
    {"name", "A: b\nC\1: d\n\n", "! line 2 holds a NUL"},
    {"value", "A: b\r\n c\1\r\n\r\n", "! line 2 holds a NUL"},
    {"mbox", "From \1", "! line 1 holds a NUL"},
    {"body", "A: b\n\n\r\nc\n\1\1\n", "! line 5 holds a NUL"},
    {"last", "A: b\r\n\r\nc\1", "! line 3 holds a NUL"},
};

typedef struct {
    MimeIntake *intake;
    GByteArray *out;
    GError *error;
} Run;

static gpointer begin(void)
{
    Run *run = g_new0(Run, 1);

    run->intake = mime_intake_new();
    run->out = g_byte_array_new();
    return run;
}

/* What fails leaves what was there. */
static void check_out(const Run *run, guint before)
{
    if (run->error) {
        g_assert_error(run->error, MAIL_ERROR, MAIL_ERROR_INVALID);
        g_assert_cmpuint(run->out->len, ==, before);
    }
}

static void feed(gpointer parser, const guint8 *bytes, gsize len)
{
    Run *run = parser;
    guint before = run->out->len;

    if (run->error)
        return;
    g_assert_cmpint(mime_intake_feed(run->intake, bytes, len, run->out, &run->error), ==,
                    !run->error);
    check_out(run, before);
}

static void end(Run *run)
{
    guint before = run->out->len;

    if (run->error)
        return;
    g_assert_cmpint(mime_intake_end(run->intake, run->out, &run->error), ==, !run->error);
    check_out(run, before);
}

static char *finish(gpointer parser)
{
    Run *run = parser;
    char *text;

    end(run);
    text = run->error ? g_strconcat("! ", run->error->message, NULL)
                      : g_strndup((const char *)run->out->data, run->out->len);
    g_clear_error(&run->error);
    g_byte_array_unref(run->out);
    mime_intake_free(run->intake);
    g_free(run);
    return text;
}

static const Trickle trickle = {begin, feed, finish};

static void test_row(gconstpointer data)
{
    const Row *row = data;
    g_autofree char *got = trickle_run(&trickle, row->written, strlen(row->written), 100);

    g_assert_cmpstr(got, ==, row->expected);
}

static void test_nul_row(gconstpointer data)
{
    const Row *row = data;
    gsize len = strlen(row->written);
    g_autofree char *written = g_strdelimit(g_strdup(row->written), "\1", '\0');
    g_autofree char *got = trickle_run(&trickle, written, len, 100);

    g_assert_cmpstr(got, ==, row->expected);
}

/* The network's form of a message is its own. */
static void test_again(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *again = NULL;

        if (rows[i].expected[0] == '!')
            continue;
        again = trickle_run(&trickle, rows[i].expected, strlen(rows[i].expected), 0);
        g_assert_cmpstr(again, ==, rows[i].expected);
    }
}

static char *run_whole(const GString *written)
{
    gpointer run = begin();

    feed(run, (const guint8 *)written->str, written->len);
    return finish(run);
}

/* One field and @end, which make a header of @n_header octets for the network. */
static void check_long_header(gsize n_header, const char *end, const char *expected_end)
{
    g_autoptr(GString) written = g_string_new("A:");
    g_autofree char *got = NULL;

    while (written->len < n_header - strlen("\r\n\r\n"))
        g_string_append_c(written, 'x');
    g_string_append(written, end);
    got = run_whole(written);
    g_assert_true(g_str_has_suffix(got, expected_end));
    if (got[0] != '!')
        g_assert_cmpuint(strlen(got), ==, n_header - strlen("\r\n\r\n") + strlen(expected_end));
}

static void test_header_max(void)
{
    static const char fault[] = "! line 2 is beyond the 1 MiB that a header may have";

    check_long_header(MIME_HEADER_MAX, "\r\n\r\nbody", "\r\n\r\nbody");
    check_long_header(MIME_HEADER_MAX, "\n\nbody", "\r\n\r\nbody");
    check_long_header(MIME_HEADER_MAX, "", "\r\n\r\n");
    check_long_header(MIME_HEADER_MAX + 1, "\r\n\r\nbody", fault);
    check_long_header(MIME_HEADER_MAX + 1, "\n\nbody", fault);
    check_long_header(MIME_HEADER_MAX + 1, "", fault);
}

/* A body has no limit here, and neither have its lines. */
static void test_long_body(void)
{
    g_autoptr(GString) written = g_string_new("A: b\r\n\r\n");
    g_autofree char *got = NULL;

    while (written->len < 2 * MIME_HEADER_MAX)
        g_string_append_c(written, 'x');
    got = run_whole(written);
    g_assert_cmpstr(got, ==, written->str);
}

static void add_rows(const char *folder, const Row *first, gsize n_rows, GTestDataFunc test)
{
    for (gsize i = 0; i < n_rows; i++) {
        g_autofree char *path = g_strconcat(folder, first[i].name, NULL);

        g_test_add_data_func(path, &first[i], test);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_rows("/mime/intake/", rows, G_N_ELEMENTS(rows), test_row);
    add_rows("/mime/intake/nul/", nul_rows, G_N_ELEMENTS(nul_rows), test_nul_row);
    g_test_add_func("/mime/intake/again", test_again);
    g_test_add_func("/mime/intake/header-max", test_header_max);
    g_test_add_func("/mime/intake/long-body", test_long_body);
    return g_test_run();
}

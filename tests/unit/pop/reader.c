/* SPDX-License-Identifier: MIT */
/* tests/unit/pop/reader.c - server bytes to answers, however they are sliced. */
#include "pop/reader.h"

#include "tests/unit/pop/dump.h"
#include "tests/unit/trickle.h"

/* Small enough that a row can reach each of them. */
static const PopLimits small = {
    .status_max = 20,
    .line_hold = 4,
    .lines_max = 3,
    .data_max = 25,
};

typedef struct {
    PopReader *reader;
    GString *out;
    gboolean has_failed;
} Run;

static gpointer begin_with(const PopLimits *limits)
{
    Run *run = g_new0(Run, 1);

    run->reader = pop_reader_new(limits);
    run->out = g_string_new(NULL);
    return run;
}

static gpointer begin_default(void)
{
    return begin_with(&pop_limits_default);
}

static gpointer begin_small(void)
{
    return begin_with(&small);
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
    char *out = g_string_free(run->out, FALSE);

    pop_reader_free(run->reader);
    g_free(run);
    return out;
}

static const Trickle trickle = {begin_default, feed, finish};
static const Trickle trickle_small = {begin_small, feed, finish};

/* Behind "+OK l" comes a list, behind "+OK m" a message. */
typedef struct {
    const char *name;
    const char *input;
    const char *expected;
} Row;

#define NEITHER(off)                                                                               \
    "ERROR an answer that is neither +OK nor -ERR (it begins at octet " off " of the "             \
    "connection)\n"

static const Row status_rows[] = {
    {"ok", "+OK ready\r\n", "+OK {ready}\n"},
    {"err", "-ERR no such message\r\n", "-ERR {no such message}\n"},
    {"no-text", "+OK\r\n-ERR\r\n+OK \r\n", "+OK {}\n-ERR {}\n+OK {}\n"},
    {"case", "+ok a\r\n-Err b\r\n", "+OK {a}\n-ERR {b}\n"},
    {"bare-lf", "+OK a\n-ERR b\n", "+OK {a}\n-ERR {b}\n"},
    {"more-cr", "+OK a\r\r\n", "+OK {a}\n"},
    {"cr-inside", "+OK a\rb\r\n", "+OK {a<0d>b}\n"},
    {"8-bit", "+OK \303\274\377\r\n", "+OK {<c3><bc><ff>}\n"},
    {"controls", "-ERR \033[2J\a\tx\r\n", "-ERR {<1b>[2J<07><09>x}\n"},
    {"code", "-ERR [IN-USE] locked\r\n", "-ERR [IN-USE] {locked}\n"},
    {"code-case", "-ERR [Sys/Temp] later\r\n", "-ERR [Sys/Temp] {later}\n"},
    {"code-alone", "-ERR [AUTH]\r\n", "-ERR [AUTH] {}\n"},
    {"code-glued", "-ERR[AUTH]no\r\n", "-ERR [AUTH] {no}\n"},
    {"code-ok", "+OK [X] fine\r\n", "+OK [X] {fine}\n"},
    {"code-empty", "-ERR [] x\r\n", "-ERR {[] x}\n"},
    {"code-unclosed", "-ERR [AUTH x\r\n", "-ERR {[AUTH x}\n"},
    {"code-inside", "-ERR x [AUTH] y\r\n", "-ERR {x [AUTH] y}\n"},
    {"std53", "+OK POP3 clients that break here, they violate STD53.\r\n",
     "+OK {POP3 clients that break here, they violate STD53.}\n"},
    {"challenge", "+ abc=\r\n+ \r\n+\r\n+ +/==\r\n", "+ {abc=}\n+ {}\n+ {}\n+ {+/==}\n"},
    {"neither-imap", "* OK ready\r\n", NEITHER("0")},
    {"neither-empty", "+OK\r\n\r\n", "+OK {}\n" NEITHER("5")},
    {"neither-longer", "+OKAY\r\n", NEITHER("0")},
    {"neither-shorter", "-ER\r\n", NEITHER("0")},
    {"neither-plus", "+x\r\n", NEITHER("0")},
    {"neither-blank", " +OK\r\n", NEITHER("0")},
};

static const Row list_rows[] = {
    {"list", "+OK l\r\n1 120\r\n2 200\r\n.\r\n+OK x\r\n", "+OK {l}\n1 120\n2 200\nEND\n+OK {x}\n"},
    {"list-empty", "+OK l\r\n.\r\n", "+OK {l}\nEND\n"},
    {"list-empty-lines", "+OK l\r\n\r\n\r\n.\r\n", "+OK {l}\n\n\nEND\n"},
    {"list-refused", "-ERR l\r\n+OK x\r\n", "-ERR {l}\n+OK {x}\n"},
    {"list-stuffed", "+OK l\r\n..\r\n...\r\n.x\r\n.\r\n", "+OK {l}\n.\n..\nx\nEND\n"},
    {"list-end-in-lf", "+OK l\r\n1 a\r\n.\n+OK x\r\n", "+OK {l}\n1 a\nEND\n+OK {x}\n"},
    {"list-lf-inside", "+OK l\r\n1 a\n2 b\r\n.\r\n", "+OK {l}\n1 a<0a>2 b\nEND\n"},
    {"list-bare", "+OK l\n1 a\n2 b\r\n.\n", "+OK {l}\n1 a\n2 b\nEND\n"},
    {"list-cr", "+OK l\r\na\rb\r\r\n\r.\r\n.\r\n", "+OK {l}\na<0d>b<0d>\n<0d>.\nEND\n"},
    {"list-dot-cr", "+OK l\r\n.\rx\r\n.\r\r\n.\r\n", "+OK {l}\n<0d>x\n<0d>\nEND\n"},
    {"list-8-bit", "+OK l\r\n\377\033\r\n.\r\n", "+OK {l}\n<ff><1b>\nEND\n"},
    {"list-unended", "+OK l\r\n1 a\r\n.", "+OK {l}\n1 a\n"},
};

static const Row message_rows[] = {
    {"message", "+OK m\r\nA: b\r\n\r\nx\r\n.\r\n+OK x\r\n",
     "+OK {m}\nA: b<0d><0a><0d><0a>x<0d><0a>END\n+OK {x}\n"},
    {"message-empty", "+OK m\r\n.\r\n", "+OK {m}\nEND\n"},
    {"message-one-line-end", "+OK m\r\n\r\n.\r\n", "+OK {m}\n<0d><0a>END\n"},
    {"message-stuffed", "+OK m\r\n..\r\n...\r\n..x\r\n.\r\n",
     "+OK {m}\n.<0d><0a>..<0d><0a>.x<0d><0a>END\n"},
    /* A dot that should have been stuffed, and was not. */
    {"message-dot", "+OK m\r\n.x\r\n. \r\n.\r\n", "+OK {m}\nx<0d><0a> <0d><0a>END\n"},
    {"message-dots-inside", "+OK m\r\na.b\r\nc.\r\n.\r\n", "+OK {m}\na.b<0d><0a>c.<0d><0a>END\n"},
    {"message-end-in-lf", "+OK m\r\na\r\n.\n-ERR x\r\n", "+OK {m}\na<0d><0a>END\n-ERR {x}\n"},
    {"message-bare-lf", "+OK m\r\na\nb\n\r\n.\r\n", "+OK {m}\na<0a>b<0a><0d><0a>END\n"},
    {"message-bare-lf-dot", "+OK m\r\na\n.\nb\n.\r\n..c\n..\r\n.\r\n",
     "+OK {m}\na<0a>.<0a>b<0a>.<0d><0a>.c<0a>..<0d><0a>END\n"},
    {"message-lf-first", "+OK m\r\n\n.\r\n\r\n\n.\r\n.\r\n",
     "+OK {m}\n<0a>.<0d><0a><0d><0a><0a>.<0d><0a>END\n"},
    {"message-bare", "+OK m\nA: b\n\n..x\n.\n+OK x\n", "+OK {m}\nA: b<0a><0a>.x<0a>END\n+OK {x}\n"},
    {"message-bare-crlf", "+OK m\na\r\n.\r\n", "+OK {m}\na<0d><0a>END\n"},
    /* How the lines of one answer end says nothing of the next. */
    {"message-bare-then-not", "+OK x\n+OK m\r\na\n.\nb\r\n.\r\n",
     "+OK {x}\n+OK {m}\na<0a>.<0a>b<0d><0a>END\n"},
    {"message-cr", "+OK m\r\na\rb\r\r\n\r.\r\n\r\n.\r\n",
     "+OK {m}\na<0d>b<0d><0d><0a><0d>.<0d><0a><0d><0a>END\n"},
    {"message-dot-cr", "+OK m\r\n.\rx\r\n.\r\r\n.\r.\r\n.\r\n",
     "+OK {m}\n<0d>x<0d><0a><0d><0d><0a><0d>.<0d><0a>END\n"},
    {"message-8-bit", "+OK m\r\n\377\033\303\274\r\n.\r\n",
     "+OK {m}\n<ff><1b><c3><bc><0d><0a>END\n"},
    {"message-like-status", "+OK m\r\n-ERR no\r\n+OK\r\n.\r\n",
     "+OK {m}\n-ERR no<0d><0a>+OK<0d><0a>END\n"},
    {"message-refused", "-ERR m\r\n+OK x\r\n", "-ERR {m}\n+OK {x}\n"},
    {"messages", "+OK m\r\na\r\n.\r\n+OK m\r\nb\r\n.\r\n",
     "+OK {m}\na<0d><0a>END\n+OK {m}\nb<0d><0a>END\n"},
    {"message-behind", "+OK m\r\na\r\n.\r\nb\r\n.\r\n", "+OK {m}\na<0d><0a>END\n" NEITHER("13")},
};

#define TOO(what, off) "ERROR " what " (it begins at octet " off " of the connection)\n"

static const Row small_rows[] = {
    {"status-longest", "+OK 67890123456789\r\n", "+OK {67890123456789}\n"},
    {"status-too-long", "+OK x\r\n+OK 678901234567890123\r\n",
     "+OK {x}\n" TOO("an answer is too long", "7")},
    {"status-endless", "+OK 678901234567890123", TOO("an answer is too long", "0")},
    {"line-longest", "+OK l\r\n1234\r\n.\r\n", "+OK {l}\n1234\nEND\n"},
    {"line-cut", "+OK l\r\n12345\r\n123456789\r\nx\r\n.\r\n",
     "+OK {l}\n1234...\n1234...\nx\nEND\n"},
    {"line-cut-cr", "+OK l\r\n1234\rx\r\n1234\r\r\n.\r\n", "+OK {l}\n1234...\n1234...\nEND\n"},
    {"line-cut-bare", "+OK l\n1234\n12345\n123\r\n.\n", "+OK {l}\n1234\n1234...\n123\nEND\n"},
    {"lines-most", "+OK l\r\n1\r\n2\r\n3\r\n.\r\n", "+OK {l}\n1\n2\n3\nEND\n"},
    {"lines-too-many", "+OK l\r\n1\r\n2\r\n3\r\n\r\n",
     "+OK {l}\n1\n2\n3\n" TOO("a list has too many lines", "0")},
    {"lines-again", "+OK l\r\n1\r\n2\r\n.\r\n+OK l\r\n1\r\n2\r\n.\r\n",
     "+OK {l}\n1\n2\nEND\n+OK {l}\n1\n2\nEND\n"},
    {"line-endless", "+OK l\r\n12345678901234567890123456",
     "+OK {l}\n" TOO("an answer has too much data", "0")},
    {"message-biggest", "+OK m\r\n1234567890\r\n12345678901\r\n.\r\n",
     "+OK {m}\n1234567890<0d><0a>12345678901<0d><0a>END\n"},
    {"message-too-big", "+OK m\r\n1234567890\r\n123456789012\r\n.\r\n",
     "+OK {m}\n1234567890<0d><0a>123456789012<0d>" TOO("an answer has too much data", "0")},
    {"message-too-big-cr", "+OK m\r\n1234567890\r\n12345678901\r\n.\rx",
     "+OK {m}\n1234567890<0d><0a>12345678901<0d><0a>" TOO("an answer has too much data", "0")},
};

static void run_rows(const Row *rows, gsize n_rows, const Trickle *with)
{
    for (gsize i = 0; i < n_rows; i++) {
        g_autofree char *out = trickle_run(with, rows[i].input, strlen(rows[i].input), 1000);

        g_test_message("%s", rows[i].name);
        g_assert_cmpstr(out, ==, rows[i].expected);
    }
}

static void test_status(void)
{
    run_rows(status_rows, G_N_ELEMENTS(status_rows), &trickle);
}

static void test_list(void)
{
    run_rows(list_rows, G_N_ELEMENTS(list_rows), &trickle);
}

static void test_message(void)
{
    run_rows(message_rows, G_N_ELEMENTS(message_rows), &trickle);
}

static void test_limits(void)
{
    run_rows(small_rows, G_N_ELEMENTS(small_rows), &trickle_small);
}

static void test_nul(void)
{
    static const char in_data[] = "+OK m\r\na\0b\r\n\0\r\n.\r\n+OK l\r\n\0\r\n.\r\n";
    static const char in_status[] = "+OK a\0b\r\n";
    g_autofree char *data = trickle_run(&trickle, in_data, sizeof in_data - 1, 1000);
    g_autofree char *status = trickle_run(&trickle, in_status, sizeof in_status - 1, 1000);

    g_assert_cmpstr(data, ==, "+OK {m}\na<00>b<0d><0a><00><0d><0a>END\n+OK {l}\n<00>\nEND\n");
    g_assert_cmpstr(status, ==, TOO("an answer has a NUL in it", "0"));
}

static void test_after_error(void)
{
    g_autoptr(PopReader) reader = pop_reader_new(&pop_limits_default);
    g_autoptr(GString) out = g_string_new(NULL);

    g_assert_false(dump_feed(out, reader, (const guint8 *)"x\n", 2));
    g_assert_false(dump_feed(out, reader, (const guint8 *)"+OK\n", 4));
    g_assert_nonnull(strstr(out->str, "broken before"));
}

/* --- the default limits --- */

static GString *repeat(const char *head, const char *text, guint n, const char *tail)
{
    GString *out = g_string_new(head);

    while (n--)
        g_string_append(out, text);
    return g_string_append(out, tail);
}

static char *run_whole(const GString *input)
{
    gpointer run = begin_default();

    feed(run, (const guint8 *)input->str, input->len);
    return finish(run);
}

/* How it ends: POP_READ_END or POP_READ_ERROR. */
static PopReadResult count_lines(const GString *list, guint *ret_n_lines)
{
    g_autoptr(PopReader) reader = pop_reader_new(&pop_limits_default);
    PopReadResult result = POP_READ_MORE;
    gsize used;

    *ret_n_lines = 0;
    for (gsize off = 0; result != POP_READ_END && result != POP_READ_ERROR; off += used) {
        PopEvent event;

        g_assert_cmpuint(off, <, list->len);
        result = pop_reader_next(reader, (const guint8 *)list->str + off, list->len - off, &used,
                                 &event, NULL);
        if (result == POP_READ_STATUS)
            pop_reader_follow(reader, POP_SHAPE_LINES);
        *ret_n_lines += result == POP_READ_LINE;
    }
    return result;
}

static void test_most_lines(void)
{
    g_autoptr(GString) most = repeat("+OK l\r\n", "1 a\r\n", 1000001, ".\r\n");
    g_autoptr(GString) more = repeat("+OK l\r\n", "1 a\r\n", 1000002, ".\r\n");
    guint n_lines;

    g_assert_cmpint(count_lines(most, &n_lines), ==, POP_READ_END);
    g_assert_cmpuint(n_lines, ==, 1000001);
    g_assert_cmpint(count_lines(more, &n_lines), ==, POP_READ_ERROR);
    g_assert_cmpuint(n_lines, ==, 1000001);
}

static void test_long_lines(void)
{
    g_autoptr(GString) status = repeat("+OK ", "x", 8 * 1024 - 5, "\r\n");
    g_autoptr(GString) longer = repeat("+OK ", "x", 8 * 1024 - 4, "\r\n");
    g_autoptr(GString) list = repeat("+OK l\r\n", "x", 1025, "\r\n.\r\n");
    g_autoptr(GString) message = repeat("+OK m\r\n", "x", 1 << 20, "\r\n.\r\n");
    g_autofree char *a = run_whole(status), *b = run_whole(longer), *c = run_whole(list),
                    *d = run_whole(message);

    g_assert_true(g_str_has_prefix(a, "+OK {xxx"));
    g_assert_true(g_str_has_prefix(b, "ERROR an answer is too long"));
    g_assert_cmpuint(strlen(c), ==, strlen("+OK {l}\n") + 1024 + strlen("...\nEND\n"));
    g_assert_cmpuint(strlen(d), ==, strlen("+OK {m}\n") + (1 << 20) + strlen("<0d><0a>END\n"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pop/reader/status", test_status);
    g_test_add_func("/pop/reader/list", test_list);
    g_test_add_func("/pop/reader/message", test_message);
    g_test_add_func("/pop/reader/limits", test_limits);
    g_test_add_func("/pop/reader/nul", test_nul);
    g_test_add_func("/pop/reader/after-error", test_after_error);
    g_test_add_func("/pop/reader/most-lines", test_most_lines);
    g_test_add_func("/pop/reader/long-lines", test_long_lines);
    return g_test_run();
}

/* SPDX-License-Identifier: MIT */
/* tests/unit/imap/command.c - commands as bytes, in the pieces that must wait for the server. */
#include "imap/command.h"

#include <string.h>

#define SECRET "pass-phrase-of-nobody"

static guint n_wiped;

/* Stands before the C library's: counts the memory with the secret that is wiped. */
void explicit_bzero(void *bytes, size_t len);
void explicit_bzero(void *bytes, size_t len)
{
    const char *volatile before = bytes; /* declared as only written to: warnings follow it */

    if (memmem(before, len, SECRET, strlen(SECRET)))
        n_wiped++;
    memset(bytes, 0, len);
    __asm__ volatile("" : : "r"(bytes) : "memory");
}

/* All pieces, with '|' before each that waits for a "+". */
static char *dup_pieces(const ImapCommand *command)
{
    GString *all = g_string_new(NULL);
    guint pause = imap_command_next_pause(command, 0);

    for (guint i = 0; i < imap_command_n_pieces(command); i++) {
        gsize len;
        const char *bytes = imap_command_piece(command, i, &len);

        if (i == pause) {
            g_string_append_c(all, '|');
            pause = imap_command_next_pause(command, i);
        }
        g_string_append_len(all, bytes, (gssize)len);
    }
    return g_string_free(all, FALSE);
}

typedef struct {
    const char *name;
    const char *argument;
    const char *sync, *plus, *log;
} Row;

static const Row rows[] = {
    {"atom", "INBOX", "A1 X INBOX\r\n", NULL, "A1 X INBOX"},
    {"atom-odd", "a/b.c&-]+<>!#$'", "A1 X a/b.c&-]+<>!#$'\r\n", NULL, "A1 X a/b.c&-]+<>!#$'"},
    {"empty", "", "A1 X \"\"\r\n", NULL, "A1 X \"\""},
    {"nil", "nil", "A1 X \"nil\"\r\n", NULL, "A1 X \"nil\""},
    {"blank", "a b", "A1 X \"a b\"\r\n", NULL, "A1 X \"a b\""},
    {"specials", "a\"b\\c", "A1 X \"a\\\"b\\\\c\"\r\n", NULL, "A1 X \"a\\\"b\\\\c\""},
    {"star", "*", "A1 X \"*\"\r\n", NULL, "A1 X \"*\""},
    {"percent", "a%", "A1 X \"a%\"\r\n", NULL, "A1 X \"a%\""},
    {"parenthesis", "a)", "A1 X \"a)\"\r\n", NULL, "A1 X \"a)\""},
    {"like-literal", "{5}", "A1 X \"{5}\"\r\n", NULL, "A1 X \"{5}\""},
    {"8-bit", "\303\274", "A1 X {2}\r\n|\303\274\r\n", "A1 X {2+}\r\n\303\274\r\n",
     "A1 X (2 bytes)"},
    {"cr-lf", "a\r\nA2 LOGOUT", "A1 X {12}\r\n|a\r\nA2 LOGOUT\r\n",
     "A1 X {12+}\r\na\r\nA2 LOGOUT\r\n", "A1 X (12 bytes)"},
    {"escape", "\033[2J", "A1 X {4}\r\n|\033[2J\r\n", "A1 X {4+}\r\n\033[2J\r\n", "A1 X (4 bytes)"},
    {"delete", "\177", "A1 X {1}\r\n|\177\r\n", "A1 X {1+}\r\n\177\r\n", "A1 X (1 bytes)"},
};

static void check(const Row *row, ImapLiteralMode mode, const char *expected)
{
    g_autoptr(ImapCommand) command = imap_command_new("X", mode);
    g_autoptr(GError) error = NULL;
    g_autofree char *pieces = NULL;

    g_assert_true(imap_command_add_string(command, row->argument, strlen(row->argument), &error));
    g_assert_no_error(error);
    imap_command_finish(command, "A1");
    pieces = dup_pieces(command);
    g_assert_cmpstr(pieces, ==, expected);
    g_assert_cmpstr(imap_command_log_text(command), ==, row->log);
}

static void test_row(gconstpointer data)
{
    const Row *row = data;
    const char *plus = row->plus ? row->plus : row->sync;

    check(row, IMAP_LITERAL_SYNC, row->sync);
    check(row, IMAP_LITERAL_MINUS, plus);
    check(row, IMAP_LITERAL_PLUS, plus);
}

/* For a message in UTF-8 (RFC 6855 4), and what follows it. */
static void check_utf8(ImapLiteralMode mode, gboolean must_wait, const char *expected)
{
    g_autoptr(ImapCommand) command = imap_command_new("X", mode);
    g_autoptr(GBytes) bytes = g_bytes_new_static("\303\274\r\n", 4);
    g_autoptr(GError) error = NULL;
    g_autofree char *pieces = NULL;

    g_assert_true(imap_command_add_utf8(command, bytes, must_wait, &error));
    g_assert_no_error(error);
    imap_command_add(command, "()");
    imap_command_finish(command, "A1");
    pieces = dup_pieces(command);
    g_assert_cmpstr(pieces, ==, expected);
    g_assert_cmpstr(imap_command_log_text(command), ==, "A1 X UTF8 (~(4 bytes)) ()");
}

static void test_utf8(void)
{
    const char *waiting = "A1 X UTF8 (~{4}\r\n|\303\274\r\n) ()\r\n";
    const char *plus = "A1 X UTF8 (~{4+}\r\n\303\274\r\n) ()\r\n";

    check_utf8(IMAP_LITERAL_SYNC, FALSE, waiting);
    check_utf8(IMAP_LITERAL_MINUS, FALSE, plus);
    check_utf8(IMAP_LITERAL_PLUS, FALSE, plus);
    check_utf8(IMAP_LITERAL_PLUS, TRUE, waiting);
}

static void test_text(void)
{
    g_autoptr(ImapCommand) command = imap_command_new("UID FETCH", IMAP_LITERAL_SYNC);
    g_autofree char *pieces = NULL;

    imap_command_add(command, "1:5");
    imap_command_addf(command, "(BODY.PEEK[%s]<%u.%u>)", "1.2", 0, 65536);
    imap_command_finish(command, "A7");
    pieces = dup_pieces(command);
    g_assert_cmpstr(imap_command_name(command), ==, "UID FETCH");
    g_assert_cmpstr(pieces, ==, "A7 UID FETCH 1:5 (BODY.PEEK[1.2]<0.65536>)\r\n");
    g_assert_cmpstr(imap_command_log_text(command), ==,
                    "A7 UID FETCH 1:5 (BODY.PEEK[1.2]<0.65536>)");
}

static void test_bare(void)
{
    g_autoptr(ImapCommand) command = imap_command_new("NOOP", IMAP_LITERAL_SYNC);
    g_autofree char *pieces = NULL;

    imap_command_finish(command, "t");
    pieces = dup_pieces(command);
    g_assert_cmpstr(pieces, ==, "t NOOP\r\n");
}

/* Each literal ends a piece; what follows waits with it. */
static void test_many_literals(void)
{
    g_autoptr(ImapCommand) command = imap_command_new("RENAME", IMAP_LITERAL_SYNC);
    g_autofree char *pieces = NULL;

    g_assert_true(imap_command_add_string(command, "\303\244", 2, NULL));
    imap_command_add(command, "x");
    g_assert_true(imap_command_add_string(command, "\303\266", 2, NULL));
    imap_command_finish(command, "A1");
    pieces = dup_pieces(command);
    g_assert_cmpuint(imap_command_n_pieces(command), ==, 3);
    g_assert_cmpstr(pieces, ==, "A1 RENAME {2}\r\n|\303\244 x {2}\r\n|\303\266\r\n");
}

static void add_literal(ImapCommand *command, const char *text, gboolean must_wait)
{
    g_autoptr(GBytes) bytes = g_bytes_new_static(text, strlen(text));
    g_autoptr(GError) error = NULL;

    g_assert_true(imap_command_add_literal(command, bytes, must_wait, &error));
    g_assert_no_error(error);
}

/* Even what would go as an atom, and nothing at all, goes as a literal. */
static void test_literal(void)
{
    static const struct {
        ImapLiteralMode mode;
        gboolean must_wait;
        const char *expected;
    } cases[] = {
        {IMAP_LITERAL_SYNC, FALSE, "A1 APPEND x {5}\r\n|a\r\nb\n {0}\r\n| y\r\n"},
        {IMAP_LITERAL_MINUS, FALSE, "A1 APPEND x {5+}\r\na\r\nb\n {0+}\r\n y\r\n"},
        {IMAP_LITERAL_PLUS, FALSE, "A1 APPEND x {5+}\r\na\r\nb\n {0+}\r\n y\r\n"},
        {IMAP_LITERAL_PLUS, TRUE, "A1 APPEND x {5}\r\n|a\r\nb\n {0}\r\n| y\r\n"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(ImapCommand) command = imap_command_new("APPEND", cases[i].mode);
        g_autofree char *pieces = NULL;

        imap_command_add(command, "x");
        add_literal(command, "a\r\nb\n", cases[i].must_wait);
        add_literal(command, "", cases[i].must_wait);
        imap_command_add(command, "y");
        imap_command_finish(command, "A1");
        pieces = dup_pieces(command);
        g_assert_cmpstr(pieces, ==, cases[i].expected);
        g_assert_cmpstr(imap_command_log_text(command), ==, "A1 APPEND x (5 bytes) (0 bytes) y");
    }
}

/* Some that wait among some that do not, and an argument that is a literal by itself. */
static void test_mixed_literals(void)
{
    g_autoptr(ImapCommand) command = imap_command_new("APPEND", IMAP_LITERAL_PLUS);
    g_autofree char *pieces = NULL;

    g_assert_true(imap_command_add_string(command, "\303\244", 2, NULL));
    add_literal(command, "one", FALSE);
    imap_command_add(command, "()");
    add_literal(command, "two", TRUE);
    add_literal(command, "three", FALSE);
    imap_command_finish(command, "A1");
    pieces = dup_pieces(command);
    g_assert_cmpstr(pieces, ==,
                    "A1 APPEND {2+}\r\n\303\244 {3+}\r\none () {3}\r\n|two {5+}\r\nthree\r\n");
}

static void note_release(gpointer data)
{
    *(gboolean *)data = TRUE;
}

/* The bytes are where they were, and kept until the command is freed. */
static void test_literal_is_not_copied(void)
{
    static const char text[] = "Subject: x\r\n\r\n";
    gboolean is_released = FALSE;
    GBytes *bytes = g_bytes_new_with_free_func(text, sizeof text - 1, note_release, &is_released);
    ImapCommand *command = imap_command_new("APPEND", IMAP_LITERAL_SYNC);
    gsize len;

    g_assert_true(imap_command_add_literal(command, bytes, FALSE, NULL));
    imap_command_finish(command, "A1");
    g_bytes_unref(bytes);
    g_assert_true(imap_command_piece(command, 1, &len) == text);
    g_assert_cmpuint(len, ==, sizeof text - 1);
    g_assert_false(is_released);
    imap_command_free(command);
    g_assert_true(is_released);
}

static void test_date_time(void)
{
    static const struct {
        gint64 unix_s;
        const char *expected;
    } cases[] = {
        {0, "A1 X \"01-Jan-1970 00:00:00 +0000\"\r\n"},
        {1704103872, "A1 X \"01-Jan-2024 10:11:12 +0000\"\r\n"},
        {1709251199, "A1 X \"29-Feb-2024 23:59:59 +0000\"\r\n"},
        {-1, "A1 X \"31-Dec-1969 23:59:59 +0000\"\r\n"},
        {-62135596800, "A1 X \"01-Jan-0001 00:00:00 +0000\"\r\n"},
        {-62135596801, "A1 X \"01-Jan-0001 00:00:00 +0000\"\r\n"},
        {253402300799, "A1 X \"31-Dec-9999 23:59:59 +0000\"\r\n"},
        {253402300800, "A1 X \"31-Dec-9999 23:59:59 +0000\"\r\n"},
        {G_MININT64, "A1 X \"01-Jan-0001 00:00:00 +0000\"\r\n"},
        {G_MAXINT64, "A1 X \"31-Dec-9999 23:59:59 +0000\"\r\n"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(ImapCommand) command = imap_command_new("X", IMAP_LITERAL_SYNC);
        g_autofree char *pieces = NULL;

        imap_command_add_date_time(command, cases[i].unix_s);
        imap_command_finish(command, "A1");
        pieces = dup_pieces(command);
        g_assert_cmpstr(pieces, ==, cases[i].expected);
    }
}

/* What add_string makes of @len times 'x'; only its first piece. */
static char *dup_first_piece(gsize len, ImapLiteralMode mode, guint *ret_n_pieces)
{
    g_autoptr(ImapCommand) command = imap_command_new("X", mode);
    g_autofree char *argument = g_strnfill(len, 'x');
    const char *bytes;
    gsize piece_len;

    g_assert_true(imap_command_add_string(command, argument, len, NULL));
    imap_command_finish(command, "A1");
    *ret_n_pieces = imap_command_n_pieces(command);
    bytes = imap_command_piece(command, 0, &piece_len);
    return g_strndup(bytes, MIN(piece_len, 12));
}

static void test_long(void)
{
    static const struct {
        gsize len;
        ImapLiteralMode mode;
        guint n_pieces;
        const char *begins;
    } cases[] = {
        {1000, IMAP_LITERAL_SYNC, 1, "A1 X xxxxxxx"},
        {1001, IMAP_LITERAL_SYNC, 2, "A1 X {1001}\r"},
        {1001, IMAP_LITERAL_MINUS, 1, "A1 X {1001+}"},
        {4096, IMAP_LITERAL_MINUS, 1, "A1 X {4096+}"},
        {4097, IMAP_LITERAL_MINUS, 2, "A1 X {4097}\r"},
        {4097, IMAP_LITERAL_PLUS, 1, "A1 X {4097+}"},
        {10240, IMAP_LITERAL_SYNC, 2, "A1 X {10240}"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        guint n_pieces;
        g_autofree char *begins = dup_first_piece(cases[i].len, cases[i].mode, &n_pieces);

        g_assert_cmpuint(n_pieces, ==, cases[i].n_pieces);
        g_assert_cmpstr(begins, ==, cases[i].begins);
    }
}

static void test_nul(void)
{
    g_autoptr(ImapCommand) command = imap_command_new("LOGIN", IMAP_LITERAL_PLUS);
    g_autoptr(GBytes) bytes = g_bytes_new_static("a\0b", 3);
    g_autoptr(GError) error = NULL, other = NULL, third = NULL;
    g_autofree char *pieces = NULL;

    g_assert_false(imap_command_add_string(command, "a\0b", 3, &error));
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_INVALID);
    g_assert_false(imap_command_add_secret(command, SECRET "\0b", strlen(SECRET) + 2, &other));
    g_assert_error(other, MAIL_ERROR, MAIL_ERROR_INVALID);
    g_assert_null(strstr(other->message, SECRET));
    g_assert_false(imap_command_add_literal(command, bytes, FALSE, &third));
    g_assert_error(third, MAIL_ERROR, MAIL_ERROR_INVALID);
    imap_command_finish(command, "A1");
    pieces = dup_pieces(command);
    g_assert_cmpstr(pieces, ==, "A1 LOGIN\r\n");
}

static void test_line_end_in_text(void)
{
    static const char *const texts[] = {"a\r\nA2 LOGOUT", "a\n", "\r"};

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(ImapCommand) command = imap_command_new("X", IMAP_LITERAL_PLUS);
        g_autofree char *pieces = NULL;

        g_test_expect_message(NULL, G_LOG_LEVEL_CRITICAL, "*strpbrk*");
        imap_command_add(command, texts[i]);
        g_test_assert_expected_messages();
        imap_command_finish(command, "A1");
        pieces = dup_pieces(command);
        g_assert_cmpstr(pieces, ==, "A1 X\r\n");
    }
}

static void test_add_after_finish(void)
{
    g_autoptr(ImapCommand) command = imap_command_new("X", IMAP_LITERAL_PLUS);
    g_autofree char *pieces = NULL;

    imap_command_finish(command, "A1");
    g_test_expect_message(NULL, G_LOG_LEVEL_CRITICAL, "*is_finished*");
    imap_command_add(command, "y");
    g_test_assert_expected_messages();
    pieces = dup_pieces(command);
    g_assert_cmpstr(pieces, ==, "A1 X\r\n");
}

static void login_with(const char *secret, const char *expected)
{
    g_autoptr(ImapCommand) command = imap_command_new("LOGIN", IMAP_LITERAL_SYNC);
    g_autofree char *pieces = NULL;

    g_assert_true(imap_command_add_string(command, "alice", 5, NULL));
    g_assert_true(imap_command_add_secret(command, secret, strlen(secret), NULL));
    for (int i = 0; i < 100; i++)
        imap_command_add(command, "and so the memory must grow");
    imap_command_finish(command, "A1");
    g_assert_true(g_str_has_prefix(imap_command_log_text(command),
                                   "A1 LOGIN alice <secret> and so the memory must grow"));
    g_assert_null(strstr(imap_command_log_text(command), secret));
    pieces = dup_pieces(command);
    g_assert_true(g_str_has_prefix(pieces, expected));
}

static void test_secret(void)
{
    login_with(SECRET, "A1 LOGIN alice " SECRET " and");
    login_with("a \"b\\", "A1 LOGIN alice \"a \\\"b\\\\\" and");
    login_with("\303\274ber", "A1 LOGIN alice {5}\r\n|\303\274ber and");
}

/* The memory that was outgrown and the last one. */
static void test_wiped(void)
{
    n_wiped = 0;
    login_with(SECRET, "A1 LOGIN");
    g_assert_cmpuint(n_wiped, >=, 4);
    n_wiped = 0;
    login_with(SECRET "\303\274", "A1 LOGIN");
    g_assert_cmpuint(n_wiped, >=, 4);
    imap_command_free(NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strconcat("/imap/command/string/", rows[i].name, NULL);

        g_test_add_data_func(path, &rows[i], test_row);
    }
    g_test_add_func("/imap/command/utf8", test_utf8);
    g_test_add_func("/imap/command/text", test_text);
    g_test_add_func("/imap/command/bare", test_bare);
    g_test_add_func("/imap/command/many-literals", test_many_literals);
    g_test_add_func("/imap/command/literal", test_literal);
    g_test_add_func("/imap/command/mixed-literals", test_mixed_literals);
    g_test_add_func("/imap/command/literal-is-not-copied", test_literal_is_not_copied);
    g_test_add_func("/imap/command/date-time", test_date_time);
    g_test_add_func("/imap/command/long", test_long);
    g_test_add_func("/imap/command/nul", test_nul);
    g_test_add_func("/imap/command/line-end-in-text", test_line_end_in_text);
    g_test_add_func("/imap/command/add-after-finish", test_add_after_finish);
    g_test_add_func("/imap/command/secret", test_secret);
    g_test_add_func("/imap/command/wiped", test_wiped);
    return g_test_run();
}

/* SPDX-License-Identifier: MIT */
/* tests/unit/pop/session.c - commands and their answers, in order, slow, broken and cut. */
#include <string.h>

#include "pop/session-private.h"
#include "tests/unit/pop/trial.h"

#define URL "pop3+insecure://alice@localhost"

#define UNTIL_IN                                                                                   \
    "S: +OK hi", "C: CAPA", "S: -ERR what", "C: USER alice", "S: +OK", "C: PASS secret", "S: +OK"
#define LOGIN  UNTIL_IN, "C: CAPA", "S: -ERR what"
#define PIPING UNTIL_IN, "C: CAPA", "S: +OK", "S: PIPELINING", "S: ."

static Trial *start(Script script)
{
    const TrialOptions options = {.script = script, .url = URL};

    return trial_new(&options);
}

static Trial *start_hasty(Script script)
{
    const TrialOptions options = {.script = script, .url = URL, .timeout_s = 1};

    return trial_new(&options);
}

static void await_answers(Trial *trial, const char *expected)
{
    client_await(trial->answers->len >= strlen(expected) || trial->is_closed);
    g_assert_cmpstr(trial->answers->str, ==, expected);
}

/* --- in order --- */

/* What is sent before the login waits for it. */
static void test_one_by_one(void)
{
    static const char *const script[] = {LOGIN,
                                         "C: NOOP",
                                         "WAIT",
                                         "S: +OK",
                                         "C: UIDL",
                                         "S: +OK",
                                         "S: 1 abc",
                                         "S: 2 ..def",
                                         "S: .",
                                         "C: RETR 1",
                                         "S: +OK here",
                                         "S: A: b",
                                         "S: ",
                                         "S: ..",
                                         "S: .",
                                         "C: RETR 2",
                                         "S: -ERR no such message",
                                         "C: DELE 1",
                                         "S: +OK",
                                         NULL};
    g_autoptr(Trial) trial = start(script);

    trial_send(trial, "NOOP", POP_SHAPE_STATUS);
    trial_send(trial, "UIDL", POP_SHAPE_LINES);
    trial_send(trial, "RETR 1", POP_SHAPE_STREAM);
    trial_send(trial, "RETR 2", POP_SHAPE_STREAM);
    trial_send(trial, "DELE 1", POP_SHAPE_STATUS);
    trial_await_ready(trial);
    g_assert_cmpuint(trial->session->in_flight.length, ==, 1);
    trial_go_on(trial);
    await_answers(trial, "= NOOP\n"
                         "1 abc\n2 ..def\n= UIDL\n"
                         "{A: b\r\n\r\n.\r\n}= RETR 1\n"
                         "! retr 2: the server says -ERR no such message\n"
                         "= DELE 1\n");
}

static void test_pipelined(void)
{
    static const char *const script[] = {PIPING,
                                         "C: TOP 1 0",
                                         "C: UIDL",
                                         "C: DELE 2",
                                         "C: TOP 3 0",
                                         "S: +OK",
                                         "S: a",
                                         "S: .",
                                         "S: +OK",
                                         "S: .",
                                         "S: -ERR [SYS/TEMP] no",
                                         "S: +OK",
                                         "S: b",
                                         "S: .",
                                         "C: NOOP",
                                         "S: +OK",
                                         NULL};
    g_autoptr(Trial) trial = start(script);

    trial_await_ready(trial);
    trial_send(trial, "TOP 1 0", POP_SHAPE_STREAM);
    trial_send(trial, "UIDL", POP_SHAPE_LINES);
    trial_send(trial, "DELE 2", POP_SHAPE_STATUS);
    trial_send(trial, "TOP 3 0", POP_SHAPE_STREAM);
    await_answers(trial, "{a\r\n}= TOP 1 0\n"
                         "= UIDL\n"
                         "! dele 2: the server says -ERR [SYS/TEMP] no\n"
                         "{b\r\n}= TOP 3 0\n");
    trial_send(trial, "NOOP", POP_SHAPE_STATUS);
    client_await(g_str_has_suffix(trial->answers->str, "= NOOP\n"));
}

/* All answers in one segment, and all by octets. */
static void test_slices(void)
{
#define ANSWERS "+OK\r\n1 a\r\n.\r\n+OK\r\n..\r\n\r\n.\r\n+OK"
    static const char *const whole[] = {PIPING,    "C: UIDL",     "C: RETR 1",
                                        "C: NOOP", "S: " ANSWERS, NULL};
    static const char *const by_octets[] = {
        PIPING, "C: UIDL", "C: RETR 1", "C: NOOP", "s: " ANSWERS "\\r\\n", NULL};
    static const Script scripts[] = {whole, by_octets};

    for (gsize i = 0; i < G_N_ELEMENTS(scripts); i++) {
        g_autoptr(Trial) trial = start(scripts[i]);

        trial_send(trial, "UIDL", POP_SHAPE_LINES);
        trial_send(trial, "RETR 1", POP_SHAPE_STREAM);
        trial_send(trial, "NOOP", POP_SHAPE_STATUS);
        await_answers(trial, "1 a\n= UIDL\n{.\r\n\r\n}= RETR 1\n= NOOP\n");
    }
}

#define N_MANY 2000

/* However many wait: what was sent and not answered is little. */
static void test_window(void)
{
    static const char *const begin[] = {PIPING, "WAIT"};
    g_autoptr(GPtrArray) script = g_ptr_array_new();
    g_autoptr(GString) answers = g_string_new(NULL);
    g_autoptr(Trial) trial = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(begin); i++)
        g_ptr_array_add(script, (char *)begin[i]);
    for (guint i = 0; i < N_MANY; i++) {
        g_ptr_array_add(script, (char *)"C: DELE 1234");
        g_ptr_array_add(script, (char *)"S: +OK");
        g_string_append(answers, "= DELE 1234\n");
    }
    g_ptr_array_add(script, NULL);
    trial = start((Script)script->pdata);
    trial_await_ready(trial);
    for (guint i = 0; i < N_MANY; i++)
        trial_send(trial, "DELE 1234", POP_SHAPE_STATUS);
    g_assert_cmpuint(trial->session->n_in_flight, <=, 4096);
    g_assert_cmpuint(trial->session->n_in_flight, >, 4000);
    trial_go_on(trial);
    await_answers(trial, answers->str);
    g_assert_cmpuint(trial->session->n_in_flight, ==, 0);
}

static void test_cut_line(void)
{
    g_autofree char *text = g_strnfill(1100, 'x');
    g_autofree char *line = g_strconcat("S: ", text, NULL);
    const char *const script[] = {LOGIN, "C: UIDL", "S: +OK", line, "S: 2 b", "S: .", NULL};
    g_autoptr(Trial) trial = start(script);
    g_autofree char *expected = g_strdup_printf("%.1024s...\n2 b\n= UIDL\n", text);

    trial_send(trial, "UIDL", POP_SHAPE_LINES);
    await_answers(trial, expected);
}

/* --- QUIT --- */

static void test_quit(void)
{
    static const char *const script[] = {PIPING,   "C: DELE 1", "C: DELE 2",  "WAIT", "S: +OK",
                                         "S: +OK", "C: QUIT",   "S: +OK bye", NULL};
    g_autoptr(Trial) trial = start(script);

    trial_await_ready(trial);
    trial_send(trial, "DELE 1", POP_SHAPE_STATUS);
    trial_send(trial, "DELE 2", POP_SHAPE_STATUS);
    trial_quit(trial);
    g_assert_cmpuint(trial->session->in_flight.length, ==, 2);
    trial_go_on(trial);
    trial_await_end(trial);
    g_assert_cmpstr(trial->answers->str, ==, "= DELE 1\n= DELE 2\n= QUIT\n");
}

static void test_quit_refused(void)
{
    static const char *const script[] = {LOGIN, "C: QUIT", "S: -ERR not all deleted", NULL};
    g_autoptr(Trial) trial = start(script);

    trial_quit(trial);
    trial_await_end(trial);
    g_assert_cmpstr(trial->answers->str, ==, "! quit: the server says -ERR not all deleted\n");
}

static void test_quit_cut(void)
{
    static const char *const script[] = {LOGIN, "C: QUIT", "CUT", NULL};
    g_autoptr(Trial) trial = start(script);

    trial_quit(trial);
    client_await(trial->is_closed);
    g_assert_error(trial->error, MAIL_ERROR, MAIL_ERROR_OFFLINE);
    g_assert_true(g_str_has_prefix(trial->answers->str, "! "));
}

/* Nothing of it is said where the session is just freed. */
static void test_dropped(void)
{
    static const char *const script[] = {PIPING, "C: DELE 1", "C: DELE 2", NULL};
    g_autoptr(Trial) trial = start(script);

    trial_await_ready(trial);
    trial_send(trial, "DELE 1", POP_SHAPE_STATUS);
    trial_send(trial, "DELE 2", POP_SHAPE_STATUS);
    trial_quit(trial);
}

static void test_freed_in_answer(void)
{
    static const char *const script[] = {PIPING, "C: NOOP", "C: NOOP", "S: +OK\r\n+OK", NULL};
    g_autoptr(Trial) trial = start(script);

    trial->frees_in_answer = TRUE;
    trial_send(trial, "NOOP", POP_SHAPE_STATUS);
    trial_send(trial, "NOOP", POP_SHAPE_STATUS);
    client_await(!trial->session);
    g_assert_cmpstr(trial->answers->str, ==, "= NOOP\n");
    g_assert_false(trial->is_closed);
}

/* --- broken --- */

static void breaks(Script script, const char *command, PopShape shape, const char *text)
{
    g_autoptr(Trial) trial = start(script);

    trial_send(trial, command, shape);
    trial_await_failure(trial, MAIL_ERROR_PROTOCOL, text);
    g_assert_false(strstr(trial->answers->str, "= "));
}

/* Where a line of it that should have been stuffed was not, the message has not come whole. */
static void test_more_than_asked(void)
{
    static const char *const script[] = {LOGIN, "C: RETR 1", "S: +OK\r\na\r\n.\r\nb\r\n.", NULL};

    breaks(script, "RETR 1", POP_SHAPE_STREAM,
           "retr 1: the server says more than was asked: somebody meddles, or it is confused");
}

static void test_more_than_a_list(void)
{
    static const char *const script[] = {LOGIN, "C: UIDL", "S: +OK\r\n.\r\n+OK", NULL};

    breaks(script, "UIDL", POP_SHAPE_LINES,
           "uidl: the server says more than was asked: somebody meddles, or it is confused");
}

static void test_neither(void)
{
    static const char *const script[] = {LOGIN, "C: NOOP", "S: OK", NULL};

    breaks(script, "NOOP", POP_SHAPE_STATUS,
           "noop: an answer that is neither +OK nor -ERR (it begins at octet 40 of the "
           "connection)");
}

static void test_challenge(void)
{
    static const char *const script[] = {LOGIN, "C: NOOP", "S: + go on", NULL};

    breaks(script, "NOOP", POP_SHAPE_STATUS, "noop: a \"+\" that nothing asked for");
}

static void test_long_status(void)
{
    g_autofree char *text = g_strnfill(9000, 'x');
    g_autofree char *line = g_strconcat("S: +OK ", text, NULL);
    const char *const script[] = {LOGIN, "C: NOOP", line, NULL};

    breaks(script, "NOOP", POP_SHAPE_STATUS,
           "noop: an answer is too long (it begins at octet 40 of the connection)");
}

static void test_unasked(void)
{
    static const char *const script[] = {LOGIN, "WAIT", "S: +OK", NULL};
    g_autoptr(Trial) trial = start(script);

    trial_await_ready(trial);
    trial_go_on(trial);
    trial_await_failure(trial, MAIL_ERROR_PROTOCOL, "wait: the server says what nothing asked for");
}

/* All get to know it, also what was not sent. */
static void test_cut(void)
{
    static const char *const script[] = {LOGIN, "C: RETR 1", "s: +OK\\r\\nab\\r\\n.", "CUT", NULL};
    g_autoptr(Trial) trial = start(script);
    g_autofree char *expected = NULL;

    trial_send(trial, "RETR 1", POP_SHAPE_STREAM);
    trial_send(trial, "RETR 2", POP_SHAPE_STREAM);
    client_await(trial->is_closed);
    g_assert_error(trial->error, MAIL_ERROR, MAIL_ERROR_OFFLINE);
    expected =
        g_strdup_printf("{ab\r\n}! %s\n! %s\n", trial->error->message, trial->error->message);
    g_assert_cmpstr(trial->answers->str, ==, expected);
}

/* --- slow --- */

static void test_silence(void)
{
    static const char *const script[] = {PIPING,           "C: RETR 1", "C: RETR 2",
                                         "s: +OK\\r\\nab", "WAIT",      NULL};
    g_autoptr(Trial) trial = start_hasty(script);

    trial_send(trial, "RETR 1", POP_SHAPE_STREAM);
    trial_send(trial, "RETR 2", POP_SHAPE_STREAM);
    trial_await_failure(trial, MAIL_ERROR_TIMEOUT, "retr 1: no answer for 1 seconds");
    g_assert_cmpstr(trial->answers->str, ==,
                    "{ab}! localhost: retr 1: no answer for 1 seconds\n"
                    "! localhost: retr 1: no answer for 1 seconds\n");
}

/* Where nothing is asked nothing is waited for. */
static void test_idle(void)
{
    static const char *const script[] = {LOGIN, NULL};
    g_autoptr(Trial) trial = start_hasty(script);

    trial_await_ready(trial);
    trial->session->came_on_us -= 100 * G_USEC_PER_SEC;
    client_run_ms(1200);
    g_assert_false(trial->is_closed);
}

/* Whether @n more octets of a message are progress. */
static gboolean is_progress(gsize n)
{
    g_autofree char *text = g_strnfill(n, 'b'), *line = g_strconcat("s: ", text, NULL);
    g_autofree char *expected = g_strconcat("{a", text, NULL);
    const char *const script[] = {LOGIN, "C: RETR 1", "s: +OK\\r\\na", "WAIT", line, NULL};
    g_autoptr(Trial) trial = start(script);
    gint64 before_us;

    trial_send(trial, "RETR 1", POP_SHAPE_STREAM);
    await_answers(trial, "{a");
    before_us = trial->session->came_on_us;
    trial_go_on(trial);
    await_answers(trial, expected);
    return trial->session->came_on_us > before_us;
}

/* So few that it would take for ever are not. */
static void test_progress(void)
{
    g_assert_true(is_progress(1024));
    g_assert_false(is_progress(1));
}

/* --- back-pressure --- */

#define MUCH (16 * 1024 * 1024) /* more than the sockets of both sides hold */

typedef struct {
    Trial *trial;
    gsize n_octets;
    gboolean is_done;
} Swallow;

static void on_piece(const guint8 *bytes, gsize len, gpointer data)
{
    Swallow *swallow = data;

    if (swallow->n_octets == 0)
        pop_session_set_paused(swallow->trial->session, TRUE);
    swallow->n_octets += len;
}

static void on_done(const GError *error, gpointer data)
{
    Swallow *swallow = data;

    g_assert_no_error(error);
    swallow->is_done = TRUE;
}

static void test_paused(void)
{
    static const PopAnswer answer = {NULL, on_piece, on_done};
    g_autofree char *text = g_strnfill(MUCH, 'x');
    g_autofree char *line = g_strconcat("S: ", text, NULL);
    const char *const script[] = {LOGIN, "C: RETR 1", "S: +OK", line, "S: .", NULL};
    g_autoptr(Trial) trial = start_hasty(script);
    Swallow swallow = {.trial = trial};
    gsize n_first;

    pop_session_send(trial->session, "RETR 1", POP_SHAPE_STREAM, &answer, &swallow);
    client_await(swallow.n_octets);
    n_first = swallow.n_octets;
    trial->session->came_on_us -= 100 * G_USEC_PER_SEC;
    client_run_ms(1200);
    g_assert_cmpuint(swallow.n_octets, ==, n_first);
    g_assert_cmpuint(n_first, <=, 64 * 1024);
    g_assert_false(trial->is_closed);
    pop_session_set_paused(trial->session, FALSE);
    client_await(swallow.is_done);
    g_assert_cmpuint(swallow.n_octets, ==, MUCH + 2);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    client_fake_resolver();
    g_test_add_func("/pop/session/one-by-one", test_one_by_one);
    g_test_add_func("/pop/session/pipelined", test_pipelined);
    g_test_add_func("/pop/session/slices", test_slices);
    g_test_add_func("/pop/session/window", test_window);
    g_test_add_func("/pop/session/cut-line", test_cut_line);
    g_test_add_func("/pop/session/quit", test_quit);
    g_test_add_func("/pop/session/quit-refused", test_quit_refused);
    g_test_add_func("/pop/session/quit-cut", test_quit_cut);
    g_test_add_func("/pop/session/dropped", test_dropped);
    g_test_add_func("/pop/session/freed-in-answer", test_freed_in_answer);
    g_test_add_func("/pop/session/more-than-asked", test_more_than_asked);
    g_test_add_func("/pop/session/more-than-a-list", test_more_than_a_list);
    g_test_add_func("/pop/session/neither", test_neither);
    g_test_add_func("/pop/session/challenge", test_challenge);
    g_test_add_func("/pop/session/long-status", test_long_status);
    g_test_add_func("/pop/session/unasked", test_unasked);
    g_test_add_func("/pop/session/cut", test_cut);
    g_test_add_func("/pop/session/silence", test_silence);
    g_test_add_func("/pop/session/idle", test_idle);
    g_test_add_func("/pop/session/progress", test_progress);
    g_test_add_func("/pop/session/paused", test_paused);
    return g_test_run();
}

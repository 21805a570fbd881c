/* SPDX-License-Identifier: MIT */
/* tests/unit/imap/session-send.c - whole messages in commands: in chunks, refused, under way for
 * long. */
#include <string.h>
#include <sys/socket.h>

#include "imap/session-private.h"
#include "tests/unit/imap/play.h"
#include "tests/unit/net/client.h"
#include "tests/unit/net/server.h"

#define BIG (20 * 1024 * 1024) /* more than the sockets of both sides hold */
/* What the session may have in the stream. */
#define UNSENT_MAX (256 * 1024)

typedef struct Trial Trial;

/* What the server does once the client is logged in. */
typedef void (*Play)(Trial *trial, int fd);

struct Trial {
    Play play;
    gint may_go_on; /* what a play waits for */
    GBytes *load;

    Server *server;
    MailAccount *account;
    NetSecret *secret;
    ImapOptions options;
    ImapSession *session; /* NULL when it was freed inside an event */
    gboolean frees_when_answered;
    guint n_stalled;
    gsize unsent_max; /* the most that was in the stream */
    GString *answers; /* a line each */
    GError *closed;
};

/* --- the server's side --- */

/* APPEND of the load, as far as its literal's marker. */
static char *expect_append(const Trial *trial, int fd, const char *marker_end)
{
    g_autofree char *line = g_strdup_printf("APPEND box {%" G_GSIZE_FORMAT "%s}",
                                            g_bytes_get_size(trial->load), marker_end);

    return play_expect(fd, line);
}

/* Takes the load from @off to @end, in small pieces. */
static void take(const Trial *trial, int fd, gsize off, gsize end)
{
    const guint8 *bytes = g_bytes_get_data(trial->load, NULL);
    guint8 piece[4096];

    while (off < end) {
        gsize n = MIN(end - off, sizeof piece);

        server_receive(fd, piece, n);
        g_assert_cmpint(memcmp(piece, bytes + off, n), ==, 0);
        off += n;
    }
}

static void take_noop(int fd)
{
    g_autofree char *tag = play_expect(fd, "NOOP");

    play_say(fd, "%s OK nothing done", tag);
}

static void await_go(Trial *trial)
{
    while (!g_atomic_int_get(&trial->may_go_on))
        g_usleep(1000);
}

static void expect_end(int fd)
{
    char byte;

    g_assert_cmpint(recv(fd, &byte, 1, 0), <=, 0);
}

static void serve(int fd, gpointer data)
{
    Trial *trial = data;

    play_login(fd, "IMAP4rev1");
    trial->play(trial, fd);
}

/* --- the client's side --- */

static void on_untagged(ImapSession *session, const ImapResponse *response, gpointer owner)
{
}

static gboolean on_literal(ImapSession *session, const ImapResponse *response, gpointer owner)
{
    return FALSE;
}

static void on_piece(ImapSession *session, const guint8 *bytes, gsize len, gpointer owner)
{
}

static void on_ready(ImapSession *session, gpointer owner)
{
}

static void on_stalled(ImapSession *session, gboolean is_stalled, gpointer owner)
{
    ((Trial *)owner)->n_stalled += is_stalled;
}

static void on_closed(ImapSession *session, const GError *error, gpointer owner)
{
    Trial *trial = owner;

    g_assert_null(trial->closed);
    trial->closed = g_error_copy(error);
}

static void trial_free_session(Trial *trial)
{
    g_clear_pointer(&trial->session, imap_session_free);
}

static void on_done(const ImapResponse *response, const GError *error, gpointer data)
{
    Trial *trial = data;

    g_string_append_printf(trial->answers, "%s\n", error ? error->message : response->text);
    if (trial->frees_when_answered)
        trial_free_session(trial);
}

/* A message has no NUL. */
static GBytes *load_new(gsize len)
{
    guint8 *bytes = client_sample(len);

    for (gsize i = 0; i < len; i++)
        bytes[i] |= 0x40;
    return g_bytes_new_take(bytes, len);
}

static Trial *trial_new(Play play, gsize len, guint timeout_s)
{
    static const ImapSessionEvents events = {on_ready, on_untagged, on_literal,
                                             on_piece, on_stalled,  on_closed};
    Trial *trial = g_new0(Trial, 1);
    g_autofree char *url = NULL;

    trial->play = play;
    trial->load = load_new(len);
    trial->answers = g_string_new(NULL);
    trial->server = server_start(serve, trial);
    url = g_strdup_printf("imap+insecure://alice@localhost:%u/", server_port(trial->server));
    trial->account = mail_account_parse(url, NULL);
    trial->secret = net_secret_new("secret", 6, "test", NULL);
    trial->options.account = trial->account;
    trial->options.secret = trial->secret;
    trial->options.timeout_s = timeout_s;
    trial->session = imap_session_new(&trial->options, &events, trial);
    client_await(imap_session_is_ready(trial->session));
    return trial;
}

/* Ends when the play has come to its end. */
static void trial_free(Trial *trial)
{
    g_atomic_int_set(&trial->may_go_on, TRUE);
    trial_free_session(trial);
    server_stop(trial->server);
    g_clear_error(&trial->closed);
    g_string_free(trial->answers, TRUE);
    g_bytes_unref(trial->load);
    net_secret_unref(trial->secret);
    mail_account_free(trial->account);
    g_free(trial);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Trial, trial_free)

static void send_command(Trial *trial, ImapCommand *command)
{
    imap_session_send(trial->session, command, on_done, trial);
}

static ImapCommand *append_new(const Trial *trial, ImapLiteralMode mode)
{
    ImapCommand *command = imap_command_new("APPEND", mode);

    imap_command_add(command, "box");
    g_assert_true(imap_command_add_literal(command, trial->load, FALSE, NULL));
    return command;
}

/* An APPEND of the load, and a NOOP behind it. */
static void send_append(Trial *trial, ImapLiteralMode mode)
{
    send_command(trial, append_new(trial, mode));
    send_command(trial, imap_command_new("NOOP", mode));
}

static gboolean has_answers(Trial *trial, guint n)
{
    if (trial->session && trial->session->stream)
        trial->unsent_max = MAX(trial->unsent_max, net_stream_unsent(trial->session->stream));
    for (const char *p = trial->answers->str; (p = strchr(p, '\n')); p++)
        n--;
    return n == 0;
}

static void await_answers(Trial *trial, guint n, const char *expected)
{
    client_await(has_answers(trial, n));
    g_assert_cmpstr(trial->answers->str, ==, expected);
    g_assert_cmpuint(trial->unsent_max, <=, UNSENT_MAX);
}

static void await_closed(Trial *trial, MailError code)
{
    client_await(trial->closed);
    g_test_message("%s", trial->closed->message);
    g_assert_error(trial->closed, MAIL_ERROR, (int)code);
}

/* --- much --- */

#define BOTH_DONE "appended\nnothing done\n"

static void take_append(Trial *trial, int fd, const char *tag)
{
    take(trial, fd, 0, g_bytes_get_size(trial->load));
    play_expect_line(fd, "");
    play_say(fd, "%s OK appended", tag);
    take_noop(fd);
    expect_end(fd);
}

static void play_synchronizing(Trial *trial, int fd)
{
    g_autofree char *tag = expect_append(trial, fd, "");

    play_say(fd, "+ go ahead");
    take_append(trial, fd, tag);
}

static void play_plus(Trial *trial, int fd)
{
    g_autofree char *tag = expect_append(trial, fd, "+");

    take_append(trial, fd, tag);
}

static void test_big_synchronizing(void)
{
    g_autoptr(Trial) trial = trial_new(play_synchronizing, BIG, 60);

    send_append(trial, IMAP_LITERAL_SYNC);
    await_answers(trial, 2, BOTH_DONE);
}

static void test_big_plus(void)
{
    g_autoptr(Trial) trial = trial_new(play_plus, BIG, 60);

    send_append(trial, IMAP_LITERAL_PLUS);
    await_answers(trial, 2, BOTH_DONE);
}

static void test_empty(void)
{
    g_autoptr(Trial) trial = trial_new(play_synchronizing, 0, 60);

    send_append(trial, IMAP_LITERAL_SYNC);
    await_answers(trial, 2, BOTH_DONE);
}

/* --- refused --- */

#define REFUSED   "append: the server says NO [OVERQUOTA] full\n"
#define BOTH_OVER REFUSED "nothing done\n"

static void refuse(int fd, const char *tag)
{
    play_say(fd, "%s NO [OVERQUOTA] full", tag);
}

static void play_refusal(Trial *trial, int fd)
{
    g_autofree char *tag = expect_append(trial, fd, "");

    refuse(fd, tag);
    take_noop(fd);
    expect_end(fd);
}

static void test_refused(void)
{
    g_autoptr(Trial) trial = trial_new(play_refusal, 5, 60);

    send_append(trial, IMAP_LITERAL_SYNC);
    await_answers(trial, 2, BOTH_OVER);
}

static void play_second_refused(Trial *trial, int fd)
{
    g_autofree char *tag = expect_append(trial, fd, "");

    play_say(fd, "+ go ahead");
    take(trial, fd, 0, 5);
    play_expect_line(fd, " {5}");
    refuse(fd, tag);
    take_noop(fd);
    expect_end(fd);
}

static void test_second_refused(void)
{
    g_autoptr(Trial) trial = trial_new(play_second_refused, 5, 60);
    ImapCommand *command = append_new(trial, IMAP_LITERAL_SYNC);

    g_assert_true(imap_command_add_literal(command, trial->load, FALSE, NULL));
    send_command(trial, command);
    send_command(trial, imap_command_new("NOOP", IMAP_LITERAL_SYNC));
    await_answers(trial, 2, BOTH_OVER);
}

/* --- refused while it is under way --- */

#define BEGIN 1000

static void play_refusal_amid(Trial *trial, int fd)
{
    g_autofree char *tag = expect_append(trial, fd, "+");

    take(trial, fd, 0, BEGIN);
    refuse(fd, tag);
    await_go(trial);
    take(trial, fd, BEGIN, BIG);
    play_expect_line(fd, "");
    take_noop(fd);
    expect_end(fd);
}

/* What the server has to swallow comes all the same, and nothing between. */
static void test_refused_amid(void)
{
    g_autoptr(Trial) trial = trial_new(play_refusal_amid, BIG, 60);

    send_append(trial, IMAP_LITERAL_PLUS);
    await_answers(trial, 1, REFUSED);
    g_atomic_int_set(&trial->may_go_on, TRUE);
    await_answers(trial, 2, BOTH_OVER);
}

static void play_refusal_amid_first(Trial *trial, int fd)
{
    g_autofree char *tag = expect_append(trial, fd, "+");

    take(trial, fd, 0, BEGIN);
    refuse(fd, tag);
    take(trial, fd, BEGIN, BIG);
    play_expect_line(fd, " {20971520}");
    take_noop(fd);
    expect_end(fd);
}

/* As far as the next literal that would have to be asked for. */
static void test_refused_amid_first(void)
{
    g_autoptr(Trial) trial = trial_new(play_refusal_amid_first, BIG, 60);
    ImapCommand *command = append_new(trial, IMAP_LITERAL_PLUS);

    g_assert_true(imap_command_add_literal(command, trial->load, TRUE, NULL));
    send_command(trial, command);
    send_command(trial, imap_command_new("NOOP", IMAP_LITERAL_SYNC));
    await_answers(trial, 2, BOTH_OVER);
}

static void play_refusal_until_end(Trial *trial, int fd)
{
    g_autofree char *tag = expect_append(trial, fd, "+");

    take(trial, fd, 0, BEGIN);
    refuse(fd, tag);
    server_await_end(fd);
}

static void test_freed_amid(void)
{
    g_autoptr(Trial) trial = trial_new(play_refusal_until_end, BIG, 60);

    trial->frees_when_answered = TRUE;
    send_append(trial, IMAP_LITERAL_PLUS);
    await_answers(trial, 1, REFUSED);
    g_assert_null(trial->session);
}

/* --- nonsense --- */

static void play_second_refusal(Trial *trial, int fd)
{
    g_autofree char *tag = expect_append(trial, fd, "+");

    take(trial, fd, 0, BEGIN);
    refuse(fd, tag);
    refuse(fd, tag);
    server_await_end(fd);
}

static void test_refused_twice(void)
{
    g_autoptr(Trial) trial = trial_new(play_second_refusal, BIG, 60);

    send_command(trial, append_new(trial, IMAP_LITERAL_PLUS));
    await_closed(trial, MAIL_ERROR_PROTOCOL);
    await_answers(trial, 1, REFUSED);
}

static void play_early_ok(Trial *trial, int fd)
{
    g_autofree char *tag = expect_append(trial, fd, "+");

    take(trial, fd, 0, BEGIN);
    play_say(fd, "%s OK appended", tag);
    server_await_end(fd);
}

/* Nobody can have stored a message that is still here. */
static void test_early_ok(void)
{
    g_autoptr(Trial) trial = trial_new(play_early_ok, BIG, 60);

    send_command(trial, append_new(trial, IMAP_LITERAL_PLUS));
    await_closed(trial, MAIL_ERROR_PROTOCOL);
    await_answers(trial, 1, "localhost: an OK to half a command\n");
}

static void play_unasked_go_ahead(Trial *trial, int fd)
{
    g_free(expect_append(trial, fd, "+"));
    take(trial, fd, 0, BEGIN);
    play_say(fd, "+ go ahead");
    server_await_end(fd);
}

static void test_unasked_go_ahead(void)
{
    g_autoptr(Trial) trial = trial_new(play_unasked_go_ahead, BIG, 60);

    send_command(trial, append_new(trial, IMAP_LITERAL_PLUS));
    await_closed(trial, MAIL_ERROR_PROTOCOL);
    await_answers(trial, 1, "localhost: a \"+\" that nothing asked for\n");
}

/* --- good-bye --- */

static void play_silence(Trial *trial, int fd)
{
    g_free(expect_append(trial, fd, ""));
    expect_end(fd);
}

/* A LOGOUT here would be taken for what is to be appended. */
static void test_logout_amid(void)
{
    g_autoptr(Trial) trial = trial_new(play_silence, 11, 60);

    send_command(trial, append_new(trial, IMAP_LITERAL_SYNC));
    imap_session_logout(trial->session);
}

/* --- slow --- */

static char *take_whole(Trial *trial, int fd)
{
    char *tag = expect_append(trial, fd, "+");

    take(trial, fd, 0, g_bytes_get_size(trial->load));
    play_expect_line(fd, "");
    return tag;
}

static void play_scan(Trial *trial, int fd)
{
    g_autofree char *tag = take_whole(trial, fd);

    await_go(trial);
    play_say(fd, "%s OK appended", tag);
    expect_end(fd);
}

static void age(Trial *trial, gint64 us)
{
    trial->session->heard_us -= us;
    trial->session->came_on_us -= us;
}

/* What the server has whole, and is at in silence, is not given up and so sent again. */
static void test_at_work(void)
{
    g_autoptr(Trial) trial = trial_new(play_scan, 11, 1);

    send_command(trial, append_new(trial, IMAP_LITERAL_PLUS));
    client_await(trial->n_stalled);
    age(trial, 300 * (gint64)G_USEC_PER_SEC);
    client_run_ms(1000);
    g_atomic_int_set(&trial->may_go_on, TRUE);
    await_answers(trial, 1, "appended\n");
}

static void test_at_work_for_ever(void)
{
    g_autoptr(Trial) trial = trial_new(play_scan, 11, 1);

    send_command(trial, append_new(trial, IMAP_LITERAL_PLUS));
    client_await(trial->n_stalled);
    age(trial, 600 * (gint64)G_USEC_PER_SEC);
    await_closed(trial, MAIL_ERROR_TIMEOUT);
    await_answers(trial, 1, "localhost: no answer for 600 seconds\n");
}

static void play_stop(Trial *trial, int fd)
{
    g_free(expect_append(trial, fd, "+"));
    take(trial, fd, 0, BEGIN);
    await_go(trial);
}

static void test_stopped(void)
{
    g_autoptr(Trial) trial = trial_new(play_stop, BIG, 1);

    send_command(trial, append_new(trial, IMAP_LITERAL_PLUS));
    await_closed(trial, MAIL_ERROR_TIMEOUT);
    await_answers(trial, 1, "localhost: no answer for 1 seconds\n");
    g_assert_cmpuint(trial->n_stalled, ==, 1);
}

static void play_refusal_and_stop(Trial *trial, int fd)
{
    g_autofree char *tag = expect_append(trial, fd, "+");

    take(trial, fd, 0, BEGIN);
    refuse(fd, tag);
    await_go(trial);
}

/* That no answer is waited for is no reason to write for ever. */
static void test_refused_and_stopped(void)
{
    g_autoptr(Trial) trial = trial_new(play_refusal_and_stop, BIG, 1);

    send_command(trial, append_new(trial, IMAP_LITERAL_PLUS));
    await_closed(trial, MAIL_ERROR_TIMEOUT);
    await_answers(trial, 1, REFUSED);
}

#define HOUR_US    (3600 * (gint64)G_USEC_PER_SEC)
#define STEADY_LEN (5 * 1024 * 1024)
#define STEP       (64 * 1024)
#define STEP_US    50000

/* Takes 4 s for what our socket holds most of. */
static void play_steady(Trial *trial, int fd)
{
    const int room = STEP;
    g_autofree char *tag = NULL;

    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    tag = expect_append(trial, fd, "+");
    for (gsize off = 0; off < STEADY_LEN; off += STEP) {
        g_usleep(STEP_US);
        take(trial, fd, off, off + STEP);
    }
    play_expect_line(fd, "");
    play_say(fd, "%s OK appended", tag);
    expect_end(fd);
}

/* Neither its pace nor that it has lasted for an hour is the end of it. */
static void test_steady(void)
{
    g_autoptr(Trial) trial = trial_new(play_steady, STEADY_LEN, 2);

    send_command(trial, append_new(trial, IMAP_LITERAL_PLUS));
    trial->session->came_on_us -= HOUR_US;
    await_answers(trial, 1, "appended\n");
    g_assert_cmpuint(trial->n_stalled, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    client_fake_resolver();
    g_test_add_func("/imap/session-send/big-synchronizing", test_big_synchronizing);
    g_test_add_func("/imap/session-send/big-plus", test_big_plus);
    g_test_add_func("/imap/session-send/empty", test_empty);
    g_test_add_func("/imap/session-send/refused", test_refused);
    g_test_add_func("/imap/session-send/second-refused", test_second_refused);
    g_test_add_func("/imap/session-send/refused-amid", test_refused_amid);
    g_test_add_func("/imap/session-send/refused-amid-first", test_refused_amid_first);
    g_test_add_func("/imap/session-send/freed-amid", test_freed_amid);
    g_test_add_func("/imap/session-send/refused-twice", test_refused_twice);
    g_test_add_func("/imap/session-send/early-ok", test_early_ok);
    g_test_add_func("/imap/session-send/unasked-go-ahead", test_unasked_go_ahead);
    g_test_add_func("/imap/session-send/logout-amid", test_logout_amid);
    g_test_add_func("/imap/session-send/at-work", test_at_work);
    g_test_add_func("/imap/session-send/at-work-for-ever", test_at_work_for_ever);
    g_test_add_func("/imap/session-send/stopped", test_stopped);
    g_test_add_func("/imap/session-send/refused-and-stopped", test_refused_and_stopped);
    g_test_add_func("/imap/session-send/steady", test_steady);
    return g_test_run();
}

/* SPDX-License-Identifier: MIT */
/* tests/unit/imap/session-idle.c - IDLE: begun, ended by the next command, lasting, refused. */
#include <string.h>

#include "imap/session-private.h"
#include "tests/unit/imap/play.h"
#include "tests/unit/net/client.h"
#include "tests/unit/net/server.h"

typedef struct {
    void (*play)(int fd);
    Server *server;
    MailAccount *account;
    NetSecret *secret;
    ImapOptions options;
    ImapSession *session;
    GString *answers; /* a line each */
    guint n_stalled;
    GError *closed;
} Trial;

/* --- the server's side --- */

static void serve(int fd, gpointer data)
{
    play_login(fd, "IMAP4rev1 IDLE");
    ((Trial *)data)->play(fd);
}

/* Nothing is answered before all has come: it costs no round trip to end it. */
static void play_next_command(int fd)
{
    g_autofree char *idle = play_expect(fd, "IDLE"), *noop = NULL;

    play_say(fd, "+ idling");
    play_say(fd, "* 3 EXISTS");
    play_expect_line(fd, "DONE");
    noop = play_expect(fd, "NOOP");
    play_say(fd, "%s OK idled", idle);
    play_say(fd, "%s OK nothing done", noop);
}

static void play_late_plus(int fd)
{
    g_usleep(300000);
    play_next_command(fd);
}

static void play_refusal(int fd)
{
    g_autofree char *tag = play_expect(fd, "IDLE");

    play_say(fd, "%s NO not here", tag);
    play_accept(fd, "NOOP");
}

static void play_refusal_later(int fd)
{
    g_autofree char *tag = play_expect(fd, "IDLE");

    play_say(fd, "+ idling");
    play_say(fd, "%s NO no more", tag);
    play_accept(fd, "NOOP");
}

static void play_deafness(int fd)
{
    static const char *const lines[] = {"C: $ IDLE", "S: + idling", "C: DONE", NULL};

    play_script(fd, lines);
    g_usleep(6 * G_USEC_PER_SEC);
}

static void play_end_unasked(int fd)
{
    static const char *const lines[] = {"C: $ IDLE", "S: + idling", "S: $ OK enough", NULL};

    play_script(fd, lines);
}

static void play_end(int fd)
{
    static const char *const lines[] = {"C: $ IDLE", "S: + idling", "C: DONE", "S: $ OK idled",
                                        NULL};

    play_script(fd, lines);
}

static void play_bye(int fd)
{
    static const char *const lines[] = {"C: $ IDLE", "S: + idling", "S: * BYE shutting down", NULL};

    play_script(fd, lines);
}

static void play_logout(int fd)
{
    static const char *const lines[] = {"C: $ IDLE", "S: + idling", "C: DONE", "C: ZZ LOGOUT",
                                        NULL};

    play_script(fd, lines);
}

/* --- the client's side --- */

static void on_ready(ImapSession *session, gpointer owner)
{
}

static void on_untagged(ImapSession *session, const ImapResponse *response, gpointer owner)
{
    g_string_append_printf(((Trial *)owner)->answers, "* %s\n", response->name);
}

static gboolean on_literal(ImapSession *session, const ImapResponse *response, gpointer owner)
{
    return FALSE;
}

static void on_piece(ImapSession *session, const guint8 *bytes, gsize len, gpointer owner)
{
}

static void on_stalled(ImapSession *session, gboolean is_stalled, gpointer owner)
{
    ((Trial *)owner)->n_stalled += is_stalled;
}

static void on_closed(ImapSession *session, const GError *error, gpointer owner)
{
    ((Trial *)owner)->closed = g_error_copy(error);
}

static void on_done(const ImapResponse *response, const GError *error, gpointer data)
{
    g_string_append_printf(((Trial *)data)->answers, "%s\n",
                           error ? error->message : response->text);
}

static void send_command(Trial *trial, ImapCommand *command)
{
    imap_session_send(trial->session, command, on_done, trial);
}

static void send_noop(Trial *trial)
{
    send_command(trial, imap_command_new("NOOP", IMAP_LITERAL_SYNC));
}

/* IDLE was sent. */
static Trial *trial_new(void (*play)(int fd), guint timeout_s)
{
    static const ImapSessionEvents events = {on_ready, on_untagged, on_literal,
                                             on_piece, on_stalled,  on_closed};
    Trial *trial = g_new0(Trial, 1);
    g_autofree char *url = NULL;

    trial->play = play;
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
    send_command(trial, imap_command_new_idle());
    return trial;
}

static void trial_free(Trial *trial)
{
    imap_session_free(trial->session);
    server_stop(trial->server);
    g_clear_error(&trial->closed);
    g_string_free(trial->answers, TRUE);
    net_secret_unref(trial->secret);
    mail_account_free(trial->account);
    g_free(trial);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Trial, trial_free)

static void await_answers(Trial *trial, const char *expected)
{
    client_await(trial->closed || trial->answers->len >= strlen(expected));
    g_assert_cmpstr(trial->answers->str, ==, expected);
}

/* --- tests --- */

static void test_next_command(void)
{
    g_autoptr(Trial) trial = trial_new(play_next_command, 60);

    await_answers(trial, "* EXISTS\n");
    send_noop(trial);
    await_answers(trial, "* EXISTS\nidled\nnothing done\n");
}

static void test_late_plus(void)
{
    g_autoptr(Trial) trial = trial_new(play_late_plus, 60);

    send_noop(trial);
    await_answers(trial, "* EXISTS\nidled\nnothing done\n");
}

static void test_refused(gconstpointer data)
{
    g_autoptr(Trial) trial = trial_new(data ? play_refusal_later : play_refusal, 60);

    client_await(trial->answers->len);
    g_assert_nonnull(strstr(trial->answers->str, "idle: the server says NO"));
    g_string_truncate(trial->answers, 0);
    send_noop(trial);
    client_await(trial->answers->len);
    g_assert_null(strstr(trial->answers->str, "says NO"));
}

static gboolean on_late(gpointer data)
{
    *(gboolean *)data = TRUE;
    return G_SOURCE_REMOVE;
}

/* As long as it lasts the server may be silent, and then not. */
static void test_silence(void)
{
    g_autoptr(Trial) trial = trial_new(play_deafness, 3);
    gboolean is_late = FALSE;

    client_await(trial->session->is_idling);
    trial->n_stalled = 0;
    g_timeout_add(4500, on_late, &is_late);
    client_await(is_late);
    g_assert_no_error(trial->closed);
    g_assert_cmpuint(trial->n_stalled, ==, 0);
    send_noop(trial);
    client_await(trial->closed);
    g_assert_error(trial->closed, MAIL_ERROR, MAIL_ERROR_TIMEOUT);
}

static void test_ended_unasked(void)
{
    g_autoptr(Trial) trial = trial_new(play_end_unasked, 60);

    client_await(trial->closed);
    g_assert_error(trial->closed, MAIL_ERROR, MAIL_ERROR_PROTOCOL);
}

static void test_lasts_long(void)
{
    g_autoptr(Trial) trial = trial_new(play_end, 60);

    client_await(trial->session->is_idling);
    trial->session->idle_us -= (gint64)1000 * G_USEC_PER_SEC;
    await_answers(trial, "idled\n");
}

static void test_logout(void)
{
    g_autoptr(Trial) trial = trial_new(play_logout, 60);

    client_await(trial->session->is_idling);
    imap_session_logout(trial->session);
    client_await(trial->closed);
}

static void test_bye(void)
{
    g_autoptr(Trial) trial = trial_new(play_bye, 60);

    client_await(trial->closed);
    imap_session_logout(trial->session);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/imap/session/idle/next-command", test_next_command);
    g_test_add_func("/imap/session/idle/late-plus", test_late_plus);
    g_test_add_data_func("/imap/session/idle/refused", NULL, test_refused);
    g_test_add_data_func("/imap/session/idle/refused-later", "later", test_refused);
    g_test_add_func("/imap/session/idle/silence", test_silence);
    g_test_add_func("/imap/session/idle/ended-unasked", test_ended_unasked);
    g_test_add_func("/imap/session/idle/lasts-long", test_lasts_long);
    g_test_add_func("/imap/session/idle/logout", test_logout);
    g_test_add_func("/imap/session/idle/bye", test_bye);
    return g_test_run();
}

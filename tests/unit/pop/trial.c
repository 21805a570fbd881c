/* SPDX-License-Identifier: MIT */
/* tests/unit/pop/trial.c - a session at a server that plays a script. */
#include "tests/unit/pop/trial.h"

#include <gsasl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define LONG_S 60

/* --- the server's side --- */

typedef struct {
    int fd;
    SSL *ssl; /* or NULL */
} Wire;

static void wire_send(const Wire *wire, gconstpointer bytes, gsize len)
{
    if (wire->ssl)
        g_assert_cmpint(SSL_write(wire->ssl, bytes, (int)len), ==, (int)len);
    else
        server_send(wire->fd, bytes, len);
}

static gboolean wire_take(const Wire *wire, char *ret_octet)
{
    return wire->ssl ? SSL_read(wire->ssl, ret_octet, 1) == 1
                     : recv(wire->fd, ret_octet, 1, 0) == 1;
}

static void say(const Wire *wire, const char *text)
{
    g_autofree char *line = g_strconcat(text, "\r\n", NULL);

    wire_send(wire, line, strlen(line));
}

static void say_octets(const Wire *wire, const char *escaped)
{
    g_autofree char *octets = g_strcompress(escaped);

    for (const char *p = octets; *p; p++)
        wire_send(wire, p, 1);
}

/* Without its end; what came of it where the connection ends. */
static char *take_line(const Wire *wire)
{
    g_autoptr(GString) line = g_string_new(NULL);
    char octet;

    while (!g_str_has_suffix(line->str, "\r\n") && wire_take(wire, &octet))
        g_string_append_c(line, octet);
    return g_strndup(line->str, line->len - MIN(2, line->len));
}

static void expect(const Wire *wire, const char *expected, gboolean is_whole)
{
    g_autofree char *line = take_line(wire);

    if (!is_whole && strlen(line) > strlen(expected))
        line[strlen(expected)] = '\0';
    g_assert_cmpstr(line, ==, expected);
}

static int on_scram_property(Gsasl *context, Gsasl_session *session, Gsasl_property property)
{
    const Trial *trial = gsasl_callback_hook_get(context);

    switch (property) {
    case GSASL_PASSWORD:
        return gsasl_property_set(session, property, net_secret_peek(trial->secret));
    case GSASL_SCRAM_ITER: return gsasl_property_set(session, property, "4096");
    default: return GSASL_NO_CALLBACK;
    }
}

static void play_scram(Trial *trial, const Wire *wire)
{
    static const char auth[] = "AUTH SCRAM-SHA-256 ";
    g_autofree char *line = take_line(wire);
    const char *response = line + strlen(auth);
    Gsasl *context;
    Gsasl_session *session;
    int result = GSASL_NEEDS_MORE;

    g_assert_true(g_str_has_prefix(line, auth));
    g_assert_cmpint(gsasl_init(&context), ==, GSASL_OK);
    gsasl_callback_hook_set(context, trial);
    gsasl_callback_set(context, on_scram_property);
    g_assert_cmpint(gsasl_server_start(context, "SCRAM-SHA-256", &session), ==, GSASL_OK);
    while (result == GSASL_NEEDS_MORE) {
        char *challenge = NULL;
        g_autofree char *text = NULL;

        result = gsasl_step64(session, response, &challenge);
        g_assert_true(result == GSASL_NEEDS_MORE || result == GSASL_OK);
        text = g_strconcat("+ ", challenge, NULL);
        gsasl_free(challenge);
        say(wire, text);
        g_free(line);
        line = take_line(wire);
        response = line;
    }
    g_assert_cmpstr(line, ==, "");
    gsasl_finish(session);
    gsasl_done(context);
}

static void expect_end(const Wire *wire)
{
    char octet;

    if (wire_take(wire, &octet))
        g_error("\"%c\" comes at the end", octet);
}

static void play(Trial *trial, Wire *wire)
{
    ServerTls tls = {.cert = trial->options.cert};

    for (Script line = trial->options.script; *line; line++) {
        const char *text = *line + strlen("S: ");

        if (g_str_equal(*line, "TLS")) {
            wire->ssl = server_tls_accept(wire->fd, &tls);
            g_assert_nonnull(wire->ssl);
        } else if (g_str_equal(*line, "SCRAM")) {
            play_scram(trial, wire);
        } else if (g_str_equal(*line, "CUT")) {
            return;
        } else if (g_str_equal(*line, "WAIT")) {
            while (!g_atomic_int_get(&trial->may_go_on))
                g_usleep(1000);
        } else if (**line == 'S') {
            say(wire, text);
        } else if (**line == 's') {
            say_octets(wire, text);
        } else {
            expect(wire, text, **line == 'C');
        }
    }
    expect_end(wire);
}

static void serve(int fd, gpointer data)
{
    Wire wire = {.fd = fd};
    const int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    play(data, &wire);
    if (wire.ssl)
        server_tls_free(wire.ssl);
}

/* --- the client's side --- */

typedef struct {
    Trial *trial;
    char *command;
    gboolean is_inside; /* a message */
} Asked;

static void asked_free(gpointer data)
{
    Asked *asked = data;

    g_free(asked->command);
    g_free(asked);
}

static void on_ready(PopSession *session, gpointer owner)
{
    Trial *trial = owner;

    g_assert_false(trial->is_ready || trial->is_closed);
    trial->is_ready = TRUE;
    if (trial->on_ready)
        trial->on_ready(trial);
}

static void on_closed(PopSession *session, const GError *error, gpointer owner)
{
    Trial *trial = owner;

    g_assert_false(trial->is_closed);
    trial->is_closed = TRUE;
    trial->error = error ? g_error_copy(error) : NULL;
}

Trial *trial_new(const TrialOptions *options)
{
    static const PopSessionEvents events = {on_ready, on_closed};
    Trial *trial = g_new0(Trial, 1);
    const char *secret = options->secret ? options->secret : "secret";
    g_autofree char *url = NULL;

    trial->options = *options;
    trial->answers = g_string_new(NULL);
    trial->asked = g_ptr_array_new_with_free_func(asked_free);
    trial->server = server_start(serve, trial);
    url = g_strdup_printf("%s:%u", options->url, server_port(trial->server));
    trial->account = mail_account_parse(url, NULL);
    trial->secret = net_secret_new(secret, strlen(secret), "test", NULL);
    trial->pop = (PopOptions){
        .account = trial->account,
        .secret = trial->secret,
        .trust = options->trust,
        .disabled = options->disabled,
        .timeout_s = options->timeout_s ? options->timeout_s : LONG_S,
    };
    trial->session = pop_session_new(&trial->pop, &events, trial);
    return trial;
}

void trial_free(Trial *trial)
{
    trial_go_on(trial);
    pop_session_free(trial->session);
    server_stop(trial->server);
    g_clear_error(&trial->error);
    g_string_free(trial->answers, TRUE);
    g_ptr_array_unref(trial->asked);
    net_secret_unref(trial->secret);
    mail_account_free(trial->account);
    g_free(trial);
}

/* --- commands --- */

static void on_line(const char *line, gsize len, gboolean is_cut, gpointer data)
{
    Asked *asked = data;

    g_assert_cmpuint(strlen(line), ==, len);
    g_string_append_printf(asked->trial->answers, "%s%s\n", line, is_cut ? "..." : "");
}

static void on_piece(const guint8 *bytes, gsize len, gpointer data)
{
    Asked *asked = data;

    if (!asked->is_inside)
        g_string_append_c(asked->trial->answers, '{');
    asked->is_inside = TRUE;
    g_string_append_len(asked->trial->answers, (const char *)bytes, (gssize)len);
}

static void on_done(const GError *error, gpointer data)
{
    Asked *asked = data;
    Trial *trial = asked->trial;

    g_assert_false(trial->is_closed);
    if (asked->is_inside)
        g_string_append_c(trial->answers, '}');
    g_string_append_printf(trial->answers, "%s %s\n", error ? "!" : "=",
                           error ? error->message : asked->command);
    if (trial->frees_in_answer)
        g_clear_pointer(&trial->session, pop_session_free);
}

static const PopAnswer answer = {on_line, on_piece, on_done};

static Asked *asked_new(Trial *trial, const char *command)
{
    Asked *asked = g_new0(Asked, 1);

    asked->trial = trial;
    asked->command = g_strdup(command);
    g_ptr_array_add(trial->asked, asked);
    return asked;
}

void trial_send(Trial *trial, const char *command, PopShape shape)
{
    pop_session_send(trial->session, command, shape, &answer, asked_new(trial, command));
}

void trial_quit(Trial *trial)
{
    pop_session_quit(trial->session, &answer, asked_new(trial, "QUIT"));
}

void trial_go_on(Trial *trial)
{
    g_atomic_int_set(&trial->may_go_on, TRUE);
}

/* --- waiting --- */

void trial_await_ready(Trial *trial)
{
    client_await(trial->is_ready || trial->is_closed);
    if (trial->error)
        g_error("%s", trial->error->message);
}

void trial_await_end(Trial *trial)
{
    client_await(trial->is_closed);
    if (trial->error)
        g_error("%s", trial->error->message);
}

void trial_await_failure(Trial *trial, MailError code, const char *text)
{
    g_autofree char *expected = g_strdup_printf("%s: %s", trial->account->host, text);

    client_await(trial->is_closed);
    g_assert_nonnull(trial->error);
    g_assert_cmpstr(trial->error->message, ==, expected);
    g_assert_error(trial->error, MAIL_ERROR, (int)code);
}

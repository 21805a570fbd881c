/* SPDX-License-Identifier: MIT */
/* pop/login.c - from the greeting to a session that is logged in: CAPA, STLS, UTF8, authentication
 * (RFC 1939 4 and 7, RFC 2449, RFC 2595 4, RFC 5034, RFC 6856 2).
 *
 * Steps stand in the order in which they happen.  Two rules hold the classic holes shut: what was
 * told in clear is forgotten when TLS comes up, and credentials leave only through
 * send_credentials().
 */
#include "pop/login.h"

#include <string.h>

#include "pop/apop.h"

#define COMMAND_MAX 255 /* octets of a line, CRLF included (RFC 5034 4) */

static void authenticate(PopSession *session);

/* Whether what is said here can be heard, and said, by others, and must not be. */
static gboolean is_exposed(const PopSession *session)
{
    return session->options->account->security != MAIL_SECURITY_NONE &&
           !net_stream_is_tls(session->stream);
}

/* --- UTF8 --- */

/* A server that refuses is used as it is. */
static void on_utf8(PopSession *session, const GError *error)
{
    authenticate(session);
}

static void on_login_capabilities(PopSession *session, const GError *error)
{
    if (pop_session_has(session, "UTF8"))
        pop_session_step(session, pop_flight_new("UTF8", NULL, MAIL_ERROR_SERVER), on_utf8);
    else
        authenticate(session);
}

/* --- STLS --- */

void pop_login_tls_is_up(PopSession *session)
{
    pop_capabilities_ask(session, on_login_capabilities);
}

static void on_stls(PopSession *session, const GError *error)
{
    if (error)
        pop_session_give_up(session, error);
    else
        net_stream_start_tls(session->stream);
}

static void on_clear_capabilities(PopSession *session, const GError *error)
{
    if (pop_session_has(session, "STLS"))
        pop_session_step(session, pop_flight_new("STLS", NULL, MAIL_ERROR_TLS), on_stls);
    else
        pop_session_fail_with(session, MAIL_ERROR_TLS,
                              "the server offers no STLS on this port (pop3s:// is the other way "
                              "to TLS)");
}

/* --- the greeting --- */

void pop_login_greeted(PopSession *session, const PopStatus *greeting)
{
    g_autoptr(GError) error = NULL;

    if (!greeting->is_ok) {
        error = pop_session_explain(session, greeting, "greeting", MAIL_ERROR_OFFLINE);
        pop_session_give_up(session, error);
        return;
    }
    session->timestamp = pop_apop_dup_timestamp(greeting->text);
    if (session->options->account->security == MAIL_SECURITY_STARTTLS)
        pop_capabilities_ask(session, on_clear_capabilities);
    else
        pop_capabilities_ask(session, on_login_capabilities);
}

/* --- ready --- */

static void on_last_capabilities(PopSession *session, const GError *error)
{
    pop_session_become_ready(session);
}

static void on_authenticated(PopSession *session, const GError *error)
{
    g_autoptr(GError) told = NULL;

    if (error) {
        told = g_error_copy(error);
        g_prefix_error(&told, "log in as %s: ", session->options->account->user);
        pop_session_give_up(session, told);
        return;
    }
    if (session->sasl && !net_sasl_done(session->sasl)) {
        pop_session_fail_with(session, MAIL_ERROR_AUTH,
                              "the server has not proved that it knows us");
        return;
    }
    g_clear_pointer(&session->sasl, net_sasl_free);
    pop_capabilities_ask(session, on_last_capabilities);
}

/* --- credentials --- */

static void send_credentials(PopSession *session, PopFlight *flight, PopStepFunc next)
{
    if (is_exposed(session)) {
        pop_flight_free(flight);
        pop_session_fail_with(session, MAIL_ERROR_TLS, "the connection is not secure");
        return;
    }
    pop_session_step(session, flight, next);
}

/* --- AUTH --- */

static void on_sasl_response(NetSasl *sasl, const char *response, const GError *error,
                             gpointer data)
{
    if (error)
        pop_session_give_up(data, error);
    else
        pop_session_write_line(data, response);
}

static void on_challenge(PopSession *session, const char *text)
{
    if (session->held_response) {
        pop_session_write_line(session, session->held_response);
        g_clear_pointer(&session->held_response, pop_secret_free);
    } else if (net_sasl_is_busy(session->sasl)) {
        pop_session_fail_with(session, MAIL_ERROR_PROTOCOL, "a second challenge before our answer");
    } else {
        net_sasl_step(session->sasl, text, on_sasl_response, session);
    }
}

static void send_auth(PopSession *session, const char *initial_response)
{
    g_autofree char *command = g_strconcat("AUTH ", net_sasl_mechanism(session->sasl), NULL);
    PopFlight *flight = pop_flight_new(command, initial_response, MAIL_ERROR_AUTH);

    flight->on_challenge = on_challenge;
    send_credentials(session, flight, on_authenticated);
}

static void on_initial_response(NetSasl *sasl, const char *response, const GError *error,
                                gpointer data)
{
    PopSession *session = data;
    gsize len;

    if (error) {
        pop_session_give_up(session, error);
        return;
    }
    len = strlen("AUTH ") + strlen(net_sasl_mechanism(sasl)) + 1 + strlen(response) + 2;
    if (len <= COMMAND_MAX) {
        send_auth(session, *response ? response : "=");
        return;
    }
    session->held_response = g_strdup(response);
    send_auth(session, NULL);
}

static void use_sasl(PopSession *session)
{
    if (net_sasl_client_first(session->sasl))
        net_sasl_step(session->sasl, "", on_initial_response, session);
    else
        send_auth(session, NULL);
}

/* --- APOP --- */

/* The digest shows no password, but is of MD5, and the server has to know the password as it is.
 * So it is for connections in clear alone, and what SASL has there without showing the password is
 * better. */
static gboolean can_use_apop(const PopSession *session)
{
    return session->timestamp && !net_stream_is_tls(session->stream) &&
           !strchr(session->options->account->user, ' ');
}

static void use_apop(PopSession *session)
{
    g_autofree char *command = g_strconcat("APOP ", session->options->account->user, NULL);
    char *digest = pop_apop_dup_digest(session->timestamp, session->options->secret);

    send_credentials(session, pop_flight_new(command, digest, MAIL_ERROR_AUTH), on_authenticated);
    pop_secret_free(digest);
}

/* --- USER and PASS --- */

static void on_user(PopSession *session, const GError *error)
{
    const char *password = net_secret_peek(session->options->secret);

    if (error)
        on_authenticated(session, error);
    else
        send_credentials(session, pop_flight_new("PASS", password, MAIL_ERROR_AUTH),
                         on_authenticated);
}

static gboolean can_use_pass(const PopSession *session)
{
    return !session->knows_capabilities || pop_session_has(session, "USER");
}

static void use_pass(PopSession *session)
{
    g_autofree char *command = g_strconcat("USER ", session->options->account->user, NULL);

    send_credentials(session, pop_flight_new(command, NULL, MAIL_ERROR_AUTH), on_user);
}

/* --- which way --- */

static gboolean shows_password(const NetSasl *sasl)
{
    return g_str_equal(net_sasl_mechanism(sasl), "PLAIN") ||
           g_str_equal(net_sasl_mechanism(sasl), "LOGIN");
}

static NetSasl *choose_sasl(PopSession *session, GError **error)
{
    const PopOptions *options = session->options;
    const char *offers = pop_capabilities_arguments(session, "SASL");
    g_auto(GStrv) mechanisms = g_strsplit_set(offers ? offers : "", " \t", -1);

    return net_sasl_new((const char *const *)mechanisms, net_stream_is_tls(session->stream), "pop",
                        options->account->host, options->account->user, options->secret, error);
}

static void authenticate(PopSession *session)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(NetSasl) sasl = choose_sasl(session, &error);

    if (can_use_apop(session) && (!sasl || shows_password(sasl))) {
        use_apop(session);
    } else if (sasl) {
        session->sasl = g_steal_pointer(&sasl);
        use_sasl(session);
    } else if (can_use_pass(session)) {
        use_pass(session);
    } else {
        pop_session_give_up(session, error);
    }
}

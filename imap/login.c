/* SPDX-License-Identifier: MIT */
/* imap/login.c - from the greeting to a session that is logged in: STARTTLS, capabilities,
 * authentication (RFC 9051 6.1, 6.2, 7.1).
 *
 * Steps stand in the order in which they happen.  Two rules hold the classic holes shut: what was
 * told in clear is forgotten when TLS comes up, and credentials leave only through
 * send_credentials().
 */
#include <string.h>

#include "imap/errors.h"
#include "imap/session-private.h"

static void authenticate(ImapSession *session);

gboolean imap_login_is_exposed(const ImapSession *session)
{
    return session->options->account->security != MAIL_SECURITY_NONE &&
           !net_stream_is_tls(session->stream);
}

static ImapSession *failed(ImapSession *session, const GError *error)
{
    g_autoptr(GError) told = g_error_copy(error);

    g_prefix_error(&told, "%s: ", session->options->account->host);
    imap_session_fail(session, told);
    return NULL;
}

/* --- capabilities, then what they allow --- */

static void with_capabilities(ImapSession *session, ImapDoneFunc next)
{
    const ImapResponse none = {0};

    if (session->knows_capabilities)
        next(&none, NULL, session);
    else
        imap_session_send_first(session, imap_command_new("CAPABILITY", IMAP_LITERAL_SYNC), FALSE,
                                NULL, next);
}

/* --- STARTTLS --- */

static void on_starttls(const ImapResponse *response, const GError *error, gpointer data)
{
    ImapSession *session = data;

    if (error) {
        failed(session, error);
        return;
    }
    if (session->n_unread) {
        imap_session_fail_with(session, MAIL_ERROR_PROTOCOL,
                               "bytes in clear after its go-ahead for TLS: somebody meddles");
        return;
    }
    imap_session_forget_capabilities(session);
    net_stream_start_tls(session->stream);
}

static void on_clear_capabilities(const ImapResponse *response, const GError *error, gpointer data)
{
    ImapSession *session = data;

    if (error)
        failed(session, error);
    else if (!imap_session_has(session, "STARTTLS"))
        imap_session_fail_with(session, MAIL_ERROR_TLS,
                               "the server offers no STARTTLS on this port (imaps:// is the other "
                               "way to TLS)");
    else
        imap_session_send_first(session, imap_command_new("STARTTLS", IMAP_LITERAL_SYNC), TRUE,
                                NULL, on_starttls);
}

static void on_login_capabilities(const ImapResponse *response, const GError *error, gpointer data)
{
    ImapSession *session = data;

    if (error)
        failed(session, error);
    else
        authenticate(session);
}

void imap_login_tls_is_up(ImapSession *session)
{
    imap_session_forget_capabilities(session);
    with_capabilities(session, on_login_capabilities);
}

/* --- the greeting --- */

void imap_login_greeted(ImapSession *session, const ImapResponse *greeting)
{
    g_autoptr(GError) error = NULL;

    if (greeting->kind != IMAP_RESPONSE_UNTAGGED || !greeting->is_status) {
        imap_session_fail_with(session, MAIL_ERROR_PROTOCOL, "this is no IMAP server");
        return;
    }
    if (g_str_equal(greeting->name, "PREAUTH")) {
        imap_session_fail_with(session, MAIL_ERROR_PROTOCOL,
                               "the server takes us for logged in (PREAUTH), which nobody is here");
        return;
    }
    if (!g_str_equal(greeting->name, "OK")) {
        error = imap_session_explain(session, greeting, session->options->account->host);
        imap_session_fail(session, error);
        return;
    }
    if (greeting->code && g_str_equal(greeting->code, "CAPABILITY"))
        imap_session_set_capabilities(session, greeting->code_args);
    if (session->options->account->security == MAIL_SECURITY_STARTTLS)
        with_capabilities(session, on_clear_capabilities);
    else
        with_capabilities(session, on_login_capabilities);
}

/* --- ready --- */

static void on_last_capabilities(const ImapResponse *response, const GError *error, gpointer data)
{
    ImapSession *session = data;

    if (error)
        failed(session, error);
    else
        imap_session_become_ready(session);
}

static void logged_in(ImapSession *session, const ImapResponse *response)
{
    /* Told before the tagged OK or in it; what the server had before the login is forgotten. */
    if (response->code && g_str_equal(response->code, "CAPABILITY"))
        imap_session_set_capabilities(session, response->code_args);
    with_capabilities(session, on_last_capabilities);
}

static void on_authenticated(const ImapResponse *response, const GError *error, gpointer data)
{
    ImapSession *session = data;
    g_autoptr(GError) told = NULL;

    if (!error && session->sasl && !net_sasl_done(session->sasl)) {
        imap_session_fail_with(session, MAIL_ERROR_AUTH,
                               "the server has not proved that it knows us");
        return;
    }
    g_clear_pointer(&session->sasl, net_sasl_free);
    if (!error) {
        logged_in(session, response);
        return;
    }
    /* A plain NO to a login means the credentials, unless its code says something else. */
    told = g_error_copy(error);
    if (told->code == MAIL_ERROR_SERVER)
        told->code = MAIL_ERROR_AUTH;
    g_prefix_error(&told, "log in as %s: ", session->options->account->user);
    failed(session, told);
}

/* --- credentials --- */

static void send_credentials(ImapSession *session, ImapCommand *command,
                             void (*on_continue)(ImapSession *session, const char *text))
{
    if (imap_login_is_exposed(session)) {
        imap_command_free(command);
        imap_session_fail_with(session, MAIL_ERROR_TLS, "the connection is not secure");
        return;
    }
    /* The answer tells the capabilities of the next state; those of this one end here. */
    session->knows_capabilities = FALSE;
    imap_session_send_first(session, command, TRUE, on_continue, on_authenticated);
}

static void on_sasl_response(NetSasl *sasl, const char *response, const GError *error,
                             gpointer data)
{
    ImapSession *session = data;

    if (error)
        failed(session, error);
    else
        imap_session_write_line(session, response);
}

static void on_challenge(ImapSession *session, const char *text)
{
    if (!session->sasl)
        return;
    if (net_sasl_is_busy(session->sasl))
        imap_session_fail_with(session, MAIL_ERROR_PROTOCOL,
                               "a second challenge before our answer");
    else
        net_sasl_step(session->sasl, text, on_sasl_response, session);
}

static void on_initial_response(NetSasl *sasl, const char *response, const GError *error,
                                gpointer data)
{
    ImapSession *session = data;
    ImapCommand *command;
    const char *sent = *response ? response : "=";

    if (error) {
        failed(session, error);
        return;
    }
    command = imap_command_new("AUTHENTICATE", IMAP_LITERAL_SYNC);
    imap_command_add(command, net_sasl_mechanism(sasl));
    if (!imap_command_add_secret(command, sent, strlen(sent), NULL)) {
        imap_command_free(command);
        imap_session_fail_with(session, MAIL_ERROR_AUTH, "the login cannot be sent");
        return;
    }
    send_credentials(session, command, on_challenge);
}

static void authenticate_with_sasl(ImapSession *session)
{
    ImapCommand *command;

    if (net_sasl_client_first(session->sasl) && imap_session_has(session, "SASL-IR")) {
        net_sasl_step(session->sasl, "", on_initial_response, session);
        return;
    }
    command = imap_command_new("AUTHENTICATE", IMAP_LITERAL_SYNC);
    imap_command_add(command, net_sasl_mechanism(session->sasl));
    send_credentials(session, command, on_challenge);
}

static void log_in(ImapSession *session)
{
    const ImapOptions *options = session->options;
    const char *password = net_secret_peek(options->secret);
    g_autoptr(ImapCommand) command = imap_command_new("LOGIN", imap_session_literal_mode(session));
    g_autoptr(GError) error = NULL;

    if (imap_session_has(session, "LOGINDISABLED")) {
        imap_session_fail_with(session, MAIL_ERROR_AUTH, "the server allows no login here");
        return;
    }
    if (!imap_command_add_string(command, options->account->user, strlen(options->account->user),
                                 &error) ||
        !imap_command_add_secret(command, password, strlen(password), &error))
        failed(session, error);
    else
        send_credentials(session, g_steal_pointer(&command), NULL);
}

/* What comes after "AUTH=" in the capabilities. */
static GPtrArray *dup_mechanisms(ImapSession *session)
{
    GPtrArray *mechanisms = g_ptr_array_new();
    GHashTableIter iter;
    gpointer word;

    g_hash_table_iter_init(&iter, session->capabilities);
    while (g_hash_table_iter_next(&iter, &word, NULL))
        if (g_str_has_prefix(word, "AUTH="))
            g_ptr_array_add(mechanisms, (char *)word + strlen("AUTH="));
    return mechanisms;
}

static void authenticate(ImapSession *session)
{
    const ImapOptions *options = session->options;
    g_autoptr(GPtrArray) mechanisms = dup_mechanisms(session);
    g_autoptr(GError) error = NULL;

    if (!mechanisms->len) {
        log_in(session);
        return;
    }
    g_ptr_array_add(mechanisms, NULL);
    session->sasl = net_sasl_new((const char *const *)mechanisms->pdata,
                                 net_stream_is_tls(session->stream), "imap", options->account->host,
                                 options->account->user, options->secret, &error);
    if (session->sasl)
        authenticate_with_sasl(session);
    else if (!imap_session_has(session, "LOGINDISABLED"))
        log_in(session);
    else
        failed(session, error);
}

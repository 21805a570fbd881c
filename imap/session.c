/* SPDX-License-Identifier: MIT */
/* imap/session.c - one connection: commands out, responses in. */
#include <string.h>

#include "imap/errors.h"
#include "imap/session-private.h"

#define WATCH_MS         500
#define CAPABILITIES_MAX 1000
#define ALERTS_MAX       10 /* shown of one connection */
/* The stream gets a chunk when it holds less than one. */
#define CHUNK_LEN ((gsize)128 * 1024)
/* To have so much on its way is an upload. */
#define UPLOAD_MIN ((gsize)16 * 1024)

/* Literals that are not streamed are asked for in pieces of 1 MiB at most (imap/fetch.c); a set of
 * a million UIDs is text. */
static const ImapLimits limits = {
    .text_hold = (gsize)16 * 1024 * 1024,
    .text_max = (guint64)128 * 1024 * 1024,
    .literal_hold = (gsize)1024 * 1024 + 65536,
    .literals_hold = (gsize)4 * 1024 * 1024,
    .literals_max = 20000,
    .literal_max = G_MAXUINT32 - 1,
    .literal_ask = CACHE_BLOCK_SIZE + 1,
    .depth_max = 2 * MAIL_PART_DEPTH_MAX + 10,
    .values_max = 1000000,
};

/* Until the server has let us in, and we know it. */
static const ImapLimits stranger_limits = {
    .text_hold = (gsize)64 * 1024,
    .text_max = (guint64)1024 * 1024,
    .literal_hold = (gsize)64 * 1024,
    .literals_hold = (gsize)64 * 1024,
    .literals_max = 100,
    .literal_max = (guint64)64 * 1024,
    .depth_max = 2 * MAIL_PART_DEPTH_MAX + 10,
    .values_max = 2000,
};

static void send_more(ImapSession *session);

/* --- life --- */

static void flight_free(ImapFlight *flight)
{
    imap_command_free(flight->command);
    g_free(flight->tag);
    g_free(flight);
}

static void really_free(ImapSession *session)
{
    ImapFlight *flight;

    while ((flight = g_queue_pop_head(&session->queue)))
        flight_free(flight);
    while ((flight = g_queue_pop_head(&session->in_flight)))
        flight_free(flight);
    g_clear_handle_id(&session->watch_source, g_source_remove);
    net_sasl_free(session->sasl);
    net_stream_free(session->stream);
    imap_reader_free(session->reader);
    g_hash_table_unref(session->capabilities);
    g_hash_table_unref(session->enabled);
    g_free(session);
}

void imap_session_free(ImapSession *session)
{
    if (!session)
        return;
    session->is_freed = TRUE;
    if (session->n_calls == 0)
        really_free(session);
}

/* Around everything that may call the owner: TRUE from leave() means that the session is gone. */
static void enter(ImapSession *session)
{
    session->n_calls++;
}

static gboolean leave(ImapSession *session)
{
    if (--session->n_calls > 0 || !session->is_freed)
        return session->is_freed;
    really_free(session);
    return TRUE;
}

static void answer_all(ImapSession *session, const GError *error)
{
    ImapFlight *flight;

    while (!session->is_freed && ((flight = g_queue_pop_head(&session->in_flight)) ||
                                  (flight = g_queue_pop_head(&session->queue)))) {
        if (flight->done)
            flight->done(NULL, error, flight->data);
        flight_free(flight);
    }
}

void imap_session_fail(ImapSession *session, const GError *error)
{
    if (session->is_closed)
        return;
    session->is_closed = TRUE;
    session->is_ready = session->is_idling = FALSE;
    g_clear_handle_id(&session->watch_source, g_source_remove);
    g_clear_pointer(&session->sasl, net_sasl_free);
    g_clear_pointer(&session->stream, net_stream_free);
    enter(session);
    answer_all(session, error);
    if (!session->is_freed)
        session->events->closed(session, error, session->owner);
    leave(session);
}

void imap_session_fail_with(ImapSession *session, MailError code, const char *format, ...)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    error = g_error_new(MAIL_ERROR, code, "%s: %s", session->options->account->host, text);
    imap_session_fail(session, error);
}

/* --- capabilities --- */

void imap_session_forget_capabilities(ImapSession *session)
{
    g_hash_table_remove_all(session->capabilities);
    session->knows_capabilities = FALSE;
}

void imap_session_set_capabilities(ImapSession *session, const ImapValue *words)
{
    const char *const *disabled = session->options->disabled;

    imap_session_forget_capabilities(session);
    session->knows_capabilities = TRUE;
    for (guint n = 0; words && n < CAPABILITIES_MAX; words = words->next, n++) {
        const char *word = imap_value_text(words);

        if (word)
            g_hash_table_add(session->capabilities, g_ascii_strup(word, -1));
    }
    for (; disabled && *disabled; disabled++) {
        g_autofree char *word = g_ascii_strup(*disabled, -1);

        g_hash_table_remove(session->capabilities, word);
    }
}

gboolean imap_session_has(const ImapSession *session, const char *capability)
{
    return g_hash_table_contains(session->capabilities, capability);
}

gboolean imap_session_has_enabled(const ImapSession *session, const char *capability)
{
    return g_hash_table_contains(session->enabled, capability);
}

ImapLiteralMode imap_session_literal_mode(const ImapSession *session)
{
    if (imap_session_has(session, "LITERAL+"))
        return IMAP_LITERAL_PLUS;
    return imap_session_has(session, "LITERAL-") ? IMAP_LITERAL_MINUS : IMAP_LITERAL_SYNC;
}

static void note_enabled(ImapSession *session, const ImapValue *words)
{
    for (; words; words = words->next) {
        const char *word = imap_value_text(words);

        if (word && g_hash_table_size(session->enabled) < CAPABILITIES_MAX)
            g_hash_table_add(session->enabled, g_ascii_strup(word, -1));
    }
}

/* --- commands --- */

gboolean imap_session_is_ready(const ImapSession *session)
{
    return session->is_ready;
}

gboolean imap_session_is_greeted(const ImapSession *session)
{
    return session->is_greeted;
}

gboolean imap_session_is_closed(const ImapSession *session)
{
    return session->is_closed;
}

gint64 imap_session_heard_us(const ImapSession *session)
{
    return session->heard_us;
}

gboolean imap_flight_is_whole(const ImapFlight *flight)
{
    return flight->next_piece == imap_command_n_pieces(flight->command);
}

/* Whether the server expects more of it, without a further "+". */
static gboolean is_owed(const ImapFlight *flight)
{
    return flight->next_piece < flight->n_allowed;
}

static void write_chunk(ImapSession *session, ImapFlight *flight)
{
    gsize len;
    const char *piece = imap_command_piece(flight->command, flight->next_piece, &len);
    gsize n = MIN(len - flight->next_off, CHUNK_LEN);

    if (n > 0)
        net_stream_write(session->stream, piece + flight->next_off, n);
    flight->next_off += n;
    if (flight->next_off < len)
        return;
    flight->next_piece++;
    flight->next_off = 0;
}

/* What was answered goes when nothing is owed any more. */
static void drop_if_over(ImapSession *session, ImapFlight *flight)
{
    if (!flight->is_answered || is_owed(flight))
        return;
    g_queue_remove(&session->in_flight, flight);
    flight_free(flight);
}

/* Writes of the last command as much as the stream has room for. */
static void write_on(ImapSession *session)
{
    ImapFlight *last = g_queue_peek_tail(&session->in_flight);

    if (!last)
        return;
    while (is_owed(last) && net_stream_unsent(session->stream) < CHUNK_LEN)
        write_chunk(session, last);
    if (net_stream_unsent(session->stream) >= UPLOAD_MIN)
        session->is_uploading = TRUE;
    drop_if_over(session, last);
}

static void allow(ImapSession *session, ImapFlight *flight)
{
    flight->n_allowed = imap_command_next_pause(flight->command, flight->n_allowed);
    write_on(session);
}

static void launch(ImapSession *session, ImapFlight *flight)
{
    gint64 now = g_get_monotonic_time();

    if (!session->in_flight.length)
        session->heard_us = session->came_on_us = now;
    flight->tag = g_strdup_printf("%s%u", session->prefix, ++session->n_tags);
    session->ends_idle = session->queue.length > 0;
    imap_command_finish(flight->command, flight->tag);
    g_debug("> %s", imap_command_log_text(flight->command));
    g_queue_push_tail(&session->in_flight, flight);
    allow(session, flight);
}

/* Whether something may be sent behind all that was: nothing behind a command that stands alone,
 * waits for its "+" or is not written whole. */
static gboolean is_free_to_send(ImapSession *session)
{
    const ImapFlight *last = g_queue_peek_tail(&session->in_flight);

    return session->stream && (!last || (!last->is_alone && imap_flight_is_whole(last)));
}

static void send_more(ImapSession *session)
{
    while (session->queue.length && is_free_to_send(session))
        launch(session, g_queue_pop_head(&session->queue));
}

static ImapFlight *flight_new(ImapCommand *command, ImapDoneFunc done, gpointer data)
{
    ImapFlight *flight = g_new0(ImapFlight, 1);

    flight->command = command;
    flight->done = done;
    flight->data = data;
    return flight;
}

void imap_session_send_first(ImapSession *session, ImapCommand *command, gboolean is_alone,
                             void (*on_continue)(ImapSession *session, const char *text),
                             ImapDoneFunc done)
{
    ImapFlight *flight = flight_new(command, done, session);

    flight->is_alone = is_alone;
    flight->on_continue = on_continue;
    g_queue_push_head(&session->queue, flight);
    send_more(session);
}

void imap_session_end_idle(ImapSession *session)
{
    session->ends_idle = TRUE;
    if (!session->is_idling)
        return;
    session->is_idling = FALSE;
    session->heard_us = session->came_on_us = g_get_monotonic_time();
    allow(session, g_queue_peek_tail(&session->in_flight));
}

void imap_session_send(ImapSession *session, ImapCommand *command, ImapDoneFunc done, gpointer data)
{
    g_queue_push_tail(&session->queue, flight_new(command, done, data));
    if (!session->is_ready)
        return;
    imap_session_end_idle(session);
    send_more(session);
}

void imap_session_write_line(ImapSession *session, const char *line)
{
    net_stream_write(session->stream, line, strlen(line));
    net_stream_write(session->stream, "\r\n", 2);
}

void imap_session_logout(ImapSession *session)
{
    imap_session_end_idle(session);
    if (session->is_ready && is_free_to_send(session))
        imap_session_write_line(session, "ZZ LOGOUT");
}

void imap_session_become_ready(ImapSession *session)
{
    session->is_ready = TRUE;
    imap_reader_set_limits(session->reader, &limits);
    session->events->ready(session, session->owner);
    if (!session->is_freed && !session->is_closed)
        send_more(session);
}

/* --- responses --- */

static gboolean repeats_password(const ImapSession *session, const char *text)
{
    const ImapOptions *options = session->options;

    return net_secret_is_in(options->secret, options->account->user, text);
}

GError *imap_session_explain(const ImapSession *session, const ImapResponse *response,
                             const char *doing)
{
    ImapResponse silenced = *response;

    if (repeats_password(session, response->text))
        silenced.text = "(words that hold the password)";
    return imap_error_new(&silenced, doing);
}

static GError *explain(ImapSession *session, const ImapFlight *flight, const ImapResponse *response)
{
    g_autofree char *doing = g_ascii_strdown(imap_command_name(flight->command), -1);

    return imap_session_explain(session, response, doing);
}

static ImapFlight *flight_of(ImapSession *session, const char *tag)
{
    for (GList *link = session->in_flight.head; link; link = link->next) {
        ImapFlight *flight = link->data;

        if (!flight->is_answered && g_str_equal(flight->tag, tag))
            return flight;
    }
    return NULL;
}

static void answer(ImapSession *session, ImapFlight *flight, const ImapResponse *response,
                   const GError *error)
{
    ImapDoneFunc done = g_steal_pointer(&flight->done);
    gpointer data = flight->data;

    if (g_queue_peek_head(&session->in_flight) == flight)
        session->came_on_us = g_get_monotonic_time();
    flight->is_answered = TRUE;
    drop_if_over(session, flight);
    if (done)
        done(error ? NULL : response, error, data);
}

static void on_tagged(ImapSession *session, const ImapResponse *response)
{
    ImapFlight *flight = flight_of(session, response->tag);
    g_autoptr(GError) error = NULL;

    if (!flight) {
        imap_session_fail_with(session, MAIL_ERROR_PROTOCOL, "an answer to no command of ours");
        return;
    }
    if (!g_str_equal(response->name, "OK"))
        error = explain(session, flight, response);
    if (error && !g_str_equal(response->name, "NO") && !g_str_equal(response->name, "BAD")) {
        imap_session_fail_with(session, MAIL_ERROR_PROTOCOL, "an answer that is no OK, NO or BAD");
        return;
    }
    if (!error && !imap_flight_is_whole(flight)) {
        imap_session_fail_with(session, MAIL_ERROR_PROTOCOL, "an OK to half a command");
        return;
    }
    session->is_idling &= !imap_command_is_idle(flight->command);
    answer(session, flight, response, error);
    if (!session->is_freed && !session->is_closed)
        send_more(session);
}

static void on_continuation(ImapSession *session, const ImapResponse *response)
{
    ImapFlight *flight = g_queue_peek_tail(&session->in_flight);

    if (flight && !imap_flight_is_whole(flight) && !is_owed(flight)) {
        session->is_idling = imap_command_is_idle(flight->command) && !session->ends_idle;
        session->idle_us = g_get_monotonic_time();
        if (session->is_idling)
            return;
        allow(session, flight);
        send_more(session);
    } else if (flight && imap_flight_is_whole(flight) && flight->on_continue) {
        flight->on_continue(session, response->text);
    } else {
        imap_session_fail_with(session, MAIL_ERROR_PROTOCOL, "a \"+\" that nothing asked for");
    }
}

static void log_alert(ImapSession *session, const ImapResponse *response)
{
    g_autofree char *text = imap_clean_text(response->text);

    if (imap_login_is_exposed(session) || session->n_alerts >= ALERTS_MAX)
        return;
    session->n_alerts++;
    if (!repeats_password(session, response->text))
        g_message("%s says: %s", session->options->account->host, text);
}

static void on_untagged(ImapSession *session, const ImapResponse *response)
{
    g_autoptr(GError) error = NULL;

    if (g_str_equal(response->name, "BYE")) {
        error = imap_session_explain(session, response, session->options->account->host);
        imap_session_fail(session, error);
        return;
    }
    if (response->code && g_str_equal(response->code, "ALERT"))
        log_alert(session, response);
    if (response->code && g_str_equal(response->code, "CAPABILITY"))
        imap_session_set_capabilities(session, response->code_args);
    if (g_str_equal(response->name, "CAPABILITY"))
        imap_session_set_capabilities(session, response->values);
    else if (!session->is_ready)
        return;
    else if (g_str_equal(response->name, "ENABLED"))
        note_enabled(session, response->values);
    else
        session->events->untagged(session, response, session->owner);
}

/* What has a NUL outside literals means nothing (RFC 9051 9): left out, where nothing waits for it.
 */
static void on_nul(ImapSession *session, const ImapResponse *response)
{
    if (!session->is_greeted || session->has_streamed || response->kind != IMAP_RESPONSE_UNTAGGED) {
        imap_session_fail_with(session, MAIL_ERROR_PROTOCOL, "an answer has a NUL in it");
        return;
    }
    if (!session->has_seen_nul)
        g_message("%s sends responses with a NUL in them: they are left out",
                  session->options->account->host);
    session->has_seen_nul = TRUE;
}

static void on_response(ImapSession *session, const ImapResponse *response)
{
    if (response->has_nul) {
        on_nul(session, response);
        return;
    }
    if (!session->is_greeted) {
        session->is_greeted = TRUE;
        imap_login_greeted(session, response);
        return;
    }
    switch (response->kind) {
    case IMAP_RESPONSE_TAGGED: on_tagged(session, response); return;
    case IMAP_RESPONSE_CONTINUATION: on_continuation(session, response); return;
    case IMAP_RESPONSE_UNTAGGED: on_untagged(session, response); return;
    }
}

static void on_literal(ImapSession *session, const ImapResponse *response)
{
    if (!session->is_ready || response->kind != IMAP_RESPONSE_UNTAGGED || response->has_nul ||
        !session->events->literal(session, response, session->owner))
        return;
    session->has_streamed = TRUE;
    imap_reader_stream(session->reader);
}

static gboolean stops_reading(const ImapSession *session)
{
    return session->is_freed || session->is_closed || session->is_deflating;
}

static void on_received(NetStream *stream, const guint8 *bytes, gsize len, gpointer data)
{
    ImapSession *session = data;
    gsize used = 0;

    enter(session);
    imap_session_note_life(session);
    session->is_deflating = FALSE;
    while (!stops_reading(session) && len) {
        const ImapResponse *response;
        g_autoptr(GError) error = NULL;
        ImapReadResult result =
            imap_reader_next(session->reader, bytes, len, &used, &response, &error);

        if (result == IMAP_READ_PIECE) {
            session->came_on_us = session->heard_us;
            session->events->piece(session, bytes, used, session->owner);
        }
        bytes += used;
        len -= used;
        session->n_unread = len;
        session->unread = bytes;
        switch (result) {
        case IMAP_READ_ERROR: imap_session_fail(session, error); break;
        case IMAP_READ_RESPONSE:
            on_response(session, response);
            session->has_streamed = FALSE;
            break;
        case IMAP_READ_LITERAL: on_literal(session, response); break;
        case IMAP_READ_PIECE:
        case IMAP_READ_MORE: break;
        }
    }
    session->n_unread = 0;
    leave(session);
}

/* --- the stream --- */

static void on_ready(NetStream *stream, gpointer data)
{
    ImapSession *session = data;

    session->heard_us = g_get_monotonic_time();
    enter(session);
    if (session->is_greeted)
        imap_login_tls_is_up(session);
    leave(session);
}

static void on_closed(NetStream *stream, const GError *error, gpointer data)
{
    ImapSession *session = data;

    enter(session);
    imap_session_fail(session, error);
    leave(session);
}

static void on_sent(NetStream *stream, gpointer data)
{
    ImapSession *session = data;

    write_on(session);
    send_more(session);
}

static const NetStreamEvents stream_events = {on_ready, on_received, on_closed, on_sent};

static gboolean on_watch(gpointer data)
{
    ImapSession *session = data;

    enter(session);
    imap_session_check_deadlines(session);
    leave(session);
    /* Where the session ended, the source went with it. */
    return G_SOURCE_CONTINUE;
}

static void make_prefix(ImapSession *session)
{
    static const char letters[] = "ABCDEFGHJKLMNPQRSTUVWXYZ";

    for (gsize i = 0; i < 4; i++)
        session->prefix[i] = letters[g_random_int_range(0, sizeof letters - 1)];
}

ImapSession *imap_session_new(const ImapOptions *options, const ImapSessionEvents *events,
                              gpointer owner)
{
    ImapSession *session = g_new0(ImapSession, 1);
    NetEndpoint endpoint = {
        .host = options->account->host,
        .port = options->account->port,
        .tls = options->account->security == MAIL_SECURITY_TLS,
        .trust = options->trust,
        .timeout_s = options->timeout_s,
    };

    session->options = options;
    session->events = events;
    session->owner = owner;
    session->reader = imap_reader_new(&stranger_limits);
    session->capabilities = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    session->enabled = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    make_prefix(session);
    session->watch_source = g_timeout_add(WATCH_MS, on_watch, session);
    session->stream = net_stream_new(&endpoint, &stream_events, session);
    return session;
}

/* --- compression --- */

static void on_compress(const ImapResponse *response, const GError *error, gpointer data)
{
    ImapSession *session = data;

    /* A server that refuses is used as it is. */
    if (!response)
        return;
    session->is_deflating = TRUE;
    net_stream_start_deflate(session->stream, session->unread, session->n_unread);
}

void imap_session_compress(ImapSession *session)
{
    ImapFlight *flight;

    if (!imap_session_has(session, "COMPRESS=DEFLATE"))
        return;
    flight = flight_new(imap_command_new("COMPRESS", IMAP_LITERAL_SYNC), on_compress, session);
    imap_command_add(flight->command, "DEFLATE");
    flight->is_alone = TRUE;
    g_queue_push_tail(&session->queue, flight);
    send_more(session);
}

/* SPDX-License-Identifier: MIT */
/* pop/session.c - one connection: commands out, answers in, deadlines. */
#include "pop/session.h"

#include <string.h>

#include "pop/errors.h"
#include "pop/login.h"

#define WATCH_MS 500
/* Octets of commands that are sent and not answered.  A server may read no further while it waits
 * for us to take its answers (RFC 2449 6.6), so this is what its socket surely takes. */
#define IN_FLIGHT_MAX 4096
#define PROGRESS_MIN  1024 /* octets of an answer; who sends less within the timeout is silent */

/* --- life --- */

void pop_secret_free(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    g_free(text);
}

PopFlight *pop_flight_new(const char *command, const char *secret, MailError plain_error)
{
    PopFlight *flight = g_new0(PopFlight, 1);

    flight->command = g_strdup(command);
    flight->secret = g_strdup(secret);
    flight->plain_error = plain_error;
    return flight;
}

void pop_flight_free(PopFlight *flight)
{
    g_free(flight->command);
    pop_secret_free(flight->secret);
    g_free(flight);
}

static void really_free(PopSession *session)
{
    PopFlight *flight;

    while ((flight = g_queue_pop_head(&session->in_flight)) ||
           (flight = g_queue_pop_head(&session->queue)))
        pop_flight_free(flight);
    g_clear_handle_id(&session->watch_source, g_source_remove);
    net_sasl_free(session->sasl);
    net_stream_free(session->stream);
    pop_reader_free(session->reader);
    g_hash_table_unref(session->capabilities);
    pop_secret_free(session->held_response);
    g_free(session->timestamp);
    g_free(session);
}

void pop_session_free(PopSession *session)
{
    if (!session)
        return;
    session->is_freed = TRUE;
    if (session->n_calls == 0)
        really_free(session);
}

/* Around everything that may call the owner. */
static void enter(PopSession *session)
{
    session->n_calls++;
}

static void leave(PopSession *session)
{
    if (--session->n_calls == 0 && session->is_freed)
        really_free(session);
}

gboolean pop_session_is_closed(const PopSession *session)
{
    return session->is_closed;
}

static gboolean is_open(const PopSession *session)
{
    return !session->is_freed && !session->is_closed;
}

static void answer_all(PopSession *session, const GError *error)
{
    PopFlight *flight;

    while (!session->is_freed && ((flight = g_queue_pop_head(&session->in_flight)) ||
                                  (flight = g_queue_pop_head(&session->queue)))) {
        flight->answer->done(error, flight->data);
        pop_flight_free(flight);
    }
}

static void fail(PopSession *session, const GError *error)
{
    if (session->is_closed)
        return;
    session->is_closed = TRUE;
    session->is_ready = FALSE;
    g_clear_handle_id(&session->watch_source, g_source_remove);
    g_clear_pointer(&session->sasl, net_sasl_free);
    g_clear_pointer(&session->stream, net_stream_free);
    enter(session);
    answer_all(session, error);
    if (!session->is_freed)
        session->events->closed(session, error, session->owner);
    leave(session);
}

void pop_session_give_up(PopSession *session, const GError *error)
{
    g_autoptr(GError) told = g_error_copy(error);

    g_prefix_error(&told, "%s: ", session->options->account->host);
    fail(session, told);
}

void pop_session_fail_with(PopSession *session, MailError code, const char *format, ...)
{
    g_autoptr(GError) error = NULL;
    va_list args;

    va_start(args, format);
    error = g_error_new_valist(MAIL_ERROR, (int)code, format, args);
    va_end(args);
    pop_session_give_up(session, error);
}

/* "retr 5": what the server is to answer now. */
static char *dup_doing(const PopSession *session)
{
    const PopFlight *flight = g_queue_peek_head((GQueue *)&session->in_flight);
    char *doing;

    if (!flight)
        return g_strdup(session->is_ready ? "wait" : session->is_greeted ? "log in" : "greeting");
    doing = g_strdup(flight->command);
    for (char *p = doing; *p && *p != ' '; p++)
        *p = g_ascii_tolower(*p);
    return doing;
}

static void break_off(PopSession *session, MailError code, const char *what)
{
    g_autofree char *doing = dup_doing(session);

    pop_session_fail_with(session, code, "%s: %s", doing, what);
}

static gboolean repeats_password(const PopSession *session, const char *text)
{
    const PopOptions *options = session->options;

    return net_secret_is_in(options->secret, options->account->user, text);
}

GError *pop_session_explain(const PopSession *session, const PopStatus *status, const char *doing,
                            MailError plain)
{
    PopStatus silenced = *status;

    if (repeats_password(session, status->text) ||
        (status->code && repeats_password(session, status->code))) {
        silenced.code = NULL;
        silenced.text = "(words that hold the password)";
    }
    return pop_error_new(&silenced, doing, plain);
}

/* --- commands --- */

static gsize flight_len(const PopFlight *flight)
{
    return strlen(flight->command) + (flight->secret ? 1 + strlen(flight->secret) : 0) + 2;
}

static void launch(PopSession *session, PopFlight *flight)
{
    g_debug("> %s%s", flight->command, flight->secret ? " <secret>" : "");
    if (!session->in_flight.length)
        session->came_on_us = g_get_monotonic_time();
    g_queue_push_tail(&session->in_flight, flight);
    session->n_in_flight += flight_len(flight);
    net_stream_write(session->stream, flight->command, strlen(flight->command));
    if (flight->secret) {
        net_stream_write(session->stream, " ", 1);
        net_stream_write(session->stream, flight->secret, strlen(flight->secret));
    }
    net_stream_write(session->stream, "\r\n", 2);
}

/* Whether @next may be sent behind all that was. */
static gboolean is_free_to_send(const PopSession *session, const PopFlight *next)
{
    if (!session->in_flight.length)
        return TRUE;
    return pop_session_has(session, "PIPELINING") && !next->is_quit &&
           session->n_in_flight + flight_len(next) <= IN_FLIGHT_MAX;
}

/* What did not fit is sent together, when half is answered: each command by itself would cost a
 * packet. */
static void send_more(PopSession *session)
{
    if (session->is_full && session->n_in_flight > IN_FLIGHT_MAX / 2)
        return;
    while (session->is_ready && session->queue.length &&
           is_free_to_send(session, g_queue_peek_head(&session->queue)))
        launch(session, g_queue_pop_head(&session->queue));
    session->is_full = session->queue.length > 0;
}

static void queue(PopSession *session, PopFlight *flight, const PopAnswer *answer, gpointer data)
{
    flight->answer = answer;
    flight->data = data;
    g_queue_push_tail(&session->queue, flight);
    send_more(session);
}

void pop_session_send(PopSession *session, const char *command, PopShape shape,
                      const PopAnswer *answer, gpointer data)
{
    PopFlight *flight;

    g_return_if_fail(!session->is_quitting && !strpbrk(command, "\r\n"));

    flight = pop_flight_new(command, NULL, MAIL_ERROR_SERVER);
    flight->shape = shape;
    queue(session, flight, answer, data);
}

void pop_session_quit(PopSession *session, const PopAnswer *answer, gpointer data)
{
    PopFlight *flight;

    g_return_if_fail(!session->is_quitting);

    session->is_quitting = TRUE;
    flight = pop_flight_new("QUIT", NULL, MAIL_ERROR_SERVER);
    flight->is_quit = TRUE;
    queue(session, flight, answer, data);
}

static void on_step_done(const GError *error, gpointer data)
{
    PopSession *session = data;

    if (!session->is_closed)
        session->next_step(session, error);
}

void pop_session_step(PopSession *session, PopFlight *flight, PopStepFunc next)
{
    static const PopAnswer answer = {.done = on_step_done};

    g_return_if_fail(!session->in_flight.length);

    if (!flight->answer)
        flight->answer = &answer;
    flight->data = session;
    session->next_step = next;
    launch(session, flight);
}

void pop_session_write_line(PopSession *session, const char *line)
{
    net_stream_write(session->stream, line, strlen(line));
    net_stream_write(session->stream, "\r\n", 2);
}

void pop_session_become_ready(PopSession *session)
{
    session->is_ready = TRUE;
    session->events->ready(session, session->owner);
    if (is_open(session))
        send_more(session);
}

/* --- answers --- */

/* What comes behind the last answer was said before we asked: whoever said it, nobody knows any
 * more what answers what.  So the answer is none either. */
static gboolean is_followed_by_nothing(PopSession *session, const GError *error)
{
    if (session->in_flight.length > 1 || !session->n_unread)
        return TRUE;
    if (error)
        pop_session_give_up(session, error);
    else
        break_off(session, MAIL_ERROR_PROTOCOL,
                  "the server says more than was asked: somebody meddles, or it is confused");
    return FALSE;
}

/* To the oldest command. */
static void answer(PopSession *session, const GError *error)
{
    PopFlight *flight;
    gboolean is_quit;

    if (!is_followed_by_nothing(session, error))
        return;
    flight = g_queue_pop_head(&session->in_flight);
    session->n_in_flight -= flight_len(flight);
    is_quit = flight->is_quit;
    flight->answer->done(error, flight->data);
    pop_flight_free(flight);
    if (is_open(session) && is_quit)
        fail(session, NULL);
    else if (is_open(session))
        send_more(session);
}

static void greet(PopSession *session, const PopStatus *status)
{
    if (status->is_ok && session->n_unread) {
        break_off(session, MAIL_ERROR_PROTOCOL, "the server says more than its greeting");
        return;
    }
    session->is_greeted = TRUE;
    pop_login_greeted(session, status);
}

static void on_status(PopSession *session, const PopStatus *status)
{
    const PopFlight *flight = g_queue_peek_head(&session->in_flight);
    g_autofree char *doing = dup_doing(session);
    g_autoptr(GError) error = NULL;

    if (!flight) {
        greet(session, status);
        return;
    }
    if (!status->is_ok) {
        error = pop_session_explain(session, status, doing, flight->plain_error);
        answer(session, error);
    } else if (flight->shape == POP_SHAPE_STATUS) {
        answer(session, NULL);
    } else {
        pop_reader_follow(session->reader, flight->shape);
    }
}

static void on_challenge(PopSession *session, const char *text)
{
    const PopFlight *flight = g_queue_peek_head(&session->in_flight);

    if (flight && flight->on_challenge && !session->n_unread)
        flight->on_challenge(session, text);
    else
        break_off(session, MAIL_ERROR_PROTOCOL, "a \"+\" that nothing asked for");
}

static void on_event(PopSession *session, PopReadResult result, const PopEvent *event)
{
    const PopFlight *flight = g_queue_peek_head(&session->in_flight);

    switch (result) {
    case POP_READ_STATUS: on_status(session, &event->status); return;
    case POP_READ_CHALLENGE: on_challenge(session, event->status.text); return;
    case POP_READ_LINE:
        flight->answer->line((const char *)event->bytes, event->len, event->is_cut, flight->data);
        return;
    case POP_READ_PIECE: flight->answer->piece(event->bytes, event->len, flight->data); return;
    case POP_READ_END: answer(session, NULL); return;
    case POP_READ_MORE:
    case POP_READ_ERROR: return;
    }
}

/* An answer that comes octet by octet would take for ever. */
static void note_progress(PopSession *session, PopReadResult result, gsize len)
{
    gboolean is_inside =
        result == POP_READ_MORE || result == POP_READ_LINE || result == POP_READ_PIECE;

    session->n_came += len;
    if (is_inside && session->n_came < PROGRESS_MIN)
        return;
    session->n_came = 0;
    session->came_on_us = g_get_monotonic_time();
}

static void read_next(PopSession *session, const guint8 *bytes, gsize len)
{
    PopEvent event;
    gsize used = 0;
    g_autoptr(GError) error = NULL;
    PopReadResult result = pop_reader_next(session->reader, bytes, len, &used, &event, &error);

    session->n_unread = len - used;
    note_progress(session, result, used);
    if (error)
        break_off(session, MAIL_ERROR_PROTOCOL, error->message);
    else if (result != POP_READ_MORE)
        on_event(session, result, &event);
}

static void on_received(NetStream *stream, const guint8 *bytes, gsize len, gpointer data)
{
    PopSession *session = data;

    enter(session);
    while (is_open(session) && len) {
        if (session->is_greeted && !session->in_flight.length) {
            break_off(session, MAIL_ERROR_PROTOCOL, "the server says what nothing asked for");
            break;
        }
        read_next(session, bytes, len);
        bytes += len - session->n_unread;
        len = session->n_unread;
    }
    leave(session);
}

/* --- the stream --- */

static void on_ready(NetStream *stream, gpointer data)
{
    PopSession *session = data;

    session->came_on_us = g_get_monotonic_time();
    if (session->is_greeted)
        pop_login_tls_is_up(session);
}

static void on_closed(NetStream *stream, const GError *error, gpointer data)
{
    fail(data, error);
}

static void on_sent(NetStream *stream, gpointer data)
{
}

static const NetStreamEvents stream_events = {on_ready, on_received, on_closed, on_sent};

/* Anything after the connect, until it is ready; then the answers to commands. */
static gboolean is_waiting(const PopSession *session)
{
    return session->came_on_us && !session->is_paused &&
           (!session->is_ready || session->in_flight.length);
}

static gboolean on_watch(gpointer data)
{
    PopSession *session = data;
    guint timeout_s = session->options->timeout_s;
    gint64 silent_us = g_get_monotonic_time() - session->came_on_us;
    g_autofree char *text = NULL;

    if (is_waiting(session) && silent_us > (gint64)timeout_s * G_USEC_PER_SEC) {
        text = g_strdup_printf("no answer for %u seconds", timeout_s);
        break_off(session, MAIL_ERROR_TIMEOUT, text);
    }
    /* Where the session ended, the source went with it. */
    return G_SOURCE_CONTINUE;
}

void pop_session_set_paused(PopSession *session, gboolean paused)
{
    if (!session->stream || session->is_paused == paused)
        return;
    session->is_paused = paused;
    session->came_on_us = g_get_monotonic_time();
    net_stream_set_paused(session->stream, paused);
}

PopSession *pop_session_new(const PopOptions *options, const PopSessionEvents *events,
                            gpointer owner)
{
    PopSession *session = g_new0(PopSession, 1);
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
    session->reader = pop_reader_new(&pop_limits_default);
    session->capabilities = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    session->watch_source = g_timeout_add(WATCH_MS, on_watch, session);
    session->stream = net_stream_new(&endpoint, &stream_events, session);
    return session;
}

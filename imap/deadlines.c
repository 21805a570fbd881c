/* SPDX-License-Identifier: MIT */
/* imap/deadlines.c - when a server that says nothing counts as stalled, and when it is given up. */
#include "imap/session-private.h"

#define STALLED_US ((gint64)3 * G_USEC_PER_SEC)
/* For an answer that trickles, and for what servers do in silence for minutes (scan a message, copy
 * thousands): when that is given up and begun again, it is done twice. */
#define ANSWER_MIN_US ((gint64)600 * G_USEC_PER_SEC)
/* Before servers (29 minutes, RFC 2177) and what is on the way take it for dead. */
#define IDLE_MAX_US ((gint64)280 * G_USEC_PER_SEC)

/* What the session waits for from the server: anything after the connect, until it is ready; then
 * the answers to commands. */
static gboolean is_waiting(const ImapSession *session)
{
    return !session->is_freed && !session->is_closed && session->heard_us && !session->is_idling &&
           (!session->is_ready || session->in_flight.length);
}

/* Whether the server has all of what it may take long over, so that its silence means nothing. */
static gboolean is_at_work(const ImapSession *session)
{
    const ImapFlight *first = g_queue_peek_head((GQueue *)&session->in_flight);
    guint64 n_delivered;

    return first && imap_command_may_take_long(first->command) && imap_flight_is_whole(first) &&
           net_stream_undelivered(session->stream, &n_delivered) == 0;
}

static void check(ImapSession *session)
{
    gint64 now = g_get_monotonic_time(), silent_us = now - session->heard_us;
    gint64 timeout_us = (gint64)session->options->timeout_s * G_USEC_PER_SEC;
    gint64 answer_us = MAX(ANSWER_MIN_US, timeout_us);
    gint64 silent_max_us = is_at_work(session) ? answer_us : timeout_us;

    if (silent_us > silent_max_us) {
        imap_session_fail_with(session, MAIL_ERROR_TIMEOUT, "no answer for %u seconds",
                               (guint)(silent_max_us / G_USEC_PER_SEC));
    } else if (session->in_flight.length && now - session->came_on_us > answer_us) {
        imap_session_fail_with(session, MAIL_ERROR_TIMEOUT, "words, but no answer for %u seconds",
                               (guint)(answer_us / G_USEC_PER_SEC));
    } else if (silent_us > MIN(STALLED_US, timeout_us / 2) && !session->is_stalled &&
               session->is_ready) {
        session->is_stalled = TRUE;
        session->events->stalled(session, TRUE, session->owner);
    }
}

/* Not what the socket takes counts: that may be megabytes, which leave it slowly. */
static void watch_upload(ImapSession *session)
{
    guint64 n_delivered;

    session->is_uploading = net_stream_undelivered(session->stream, &n_delivered) > 0;
    if (n_delivered <= session->n_delivered)
        return;
    session->n_delivered = n_delivered;
    session->came_on_us = g_get_monotonic_time();
    imap_session_note_life(session);
}

void imap_session_note_life(ImapSession *session)
{
    session->heard_us = g_get_monotonic_time();
    if (!session->is_stalled)
        return;
    session->is_stalled = FALSE;
    session->events->stalled(session, FALSE, session->owner);
}

void imap_session_check_deadlines(ImapSession *session)
{
    if (session->is_uploading)
        watch_upload(session);
    if (session->is_idling && g_get_monotonic_time() - session->idle_us > IDLE_MAX_US)
        imap_session_end_idle(session);
    if (is_waiting(session))
        check(session);
}

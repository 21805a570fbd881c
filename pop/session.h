/* SPDX-License-Identifier: MIT */
/* pop/session.h - one connection to a POP3 server.
 *
 * Connects, logs in, keeps commands in flight, matches answers to commands, notices when the link
 * dies.  Knows nothing of what is wanted, nor of what answers mean.
 *
 *      connecting -> greeting -> [STLS] -> login -> ready -> closed
 *
 * Any step may lead to closed.  Deletions are done by the server when it gets QUIT, and only then
 * (RFC 1939 6): a session that is freed without it has deleted nothing.
 */
#pragma once

#include "pop/pop.h"
#include "pop/reader.h"

typedef struct PopSession PopSession;

/* Any of these may free the session. */
typedef struct {
    /* Logged in. */
    void (*ready)(PopSession *session, gpointer owner);
    /* Once; all commands were answered with the same error before.  @error is NULL after QUIT was
     * answered. */
    void (*closed)(PopSession *session, const GError *error, gpointer owner);
} PopSessionEvents;

/* Who waits for the answer to a command; line() or piece() may be NULL where its shape has none.
 * Any of these may free the session. */
typedef struct {
    /* A line of POP_SHAPE_LINES, NUL-ended, without its end and without stuffing. */
    void (*line)(const char *line, gsize len, gboolean is_cut, gpointer data);
    /* The next octets of POP_SHAPE_STREAM. */
    void (*piece)(const guint8 *bytes, gsize len, gpointer data);
    /* Once: NULL behind the last of the data, or what the server's -ERR means, or why the session
     * ended; then what came before is not the whole answer. */
    void (*done)(const GError *error, gpointer data);
} PopAnswer;

/* @options must outlive the session. */
PopSession *pop_session_new(const PopOptions *options, const PopSessionEvents *events,
                            gpointer owner);
/* Accepts NULL; allowed in events.  Commands in flight are not answered any more. */
void pop_session_free(PopSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PopSession, pop_session_free)

/* Whether CAPA tells of @capability (upper case) now, in this state. */
gboolean pop_session_has(const PopSession *session, const char *capability);
/* How many seconds must lie between two logins as far as the server told (RFC 2449 6.5), or 0; also
 * after the end. */
guint pop_session_login_delay(const PopSession *session);

/* Sends @command, "RETR 5", once logged in: at once where the server has PIPELINING, else when all
 * before it are answered.  @shape says what follows a +OK to it.  @answer must live until it is
 * done. */
void pop_session_send(PopSession *session, const char *command, PopShape shape,
                      const PopAnswer *answer, gpointer data);
/* Sends QUIT when all before it are answered; nothing can be sent after it. */
void pop_session_quit(PopSession *session, const PopAnswer *answer, gpointer data);

/* TRUE in done() when the error is that of the connection. */
gboolean pop_session_is_closed(const PopSession *session);

/* Stops and resumes reading, for an owner that has too much in hand; what was received before is
 * still told.  No deadline runs meanwhile. */
void pop_session_set_paused(PopSession *session, gboolean paused);

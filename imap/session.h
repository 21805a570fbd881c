/* SPDX-License-Identifier: MIT */
/* imap/session.h - one connection to an IMAP server.
 *
 * Connects, logs in, keeps commands in flight, matches answers to commands, notices when the link
 * dies. Knows nothing of which mailbox is wanted by whom (imap/backend.c), nor what answers mean
 * (imap/sync.c, imap/fetch.c).
 *
 *      connecting -> greeting -> [STARTTLS] -> login -> ready -> closed
 *
 * Any step may lead to closed.
 */
#pragma once

#include "imap/command.h"
#include "imap/imap.h"
#include "imap/reader.h"

typedef struct ImapSession ImapSession;

/* Any of these may free the session. */
typedef struct {
    /* Logged in. */
    void (*ready)(ImapSession *session, gpointer owner);
    /* An untagged response that is none of the session's own affairs. */
    void (*untagged)(ImapSession *session, const ImapResponse *response, gpointer owner);
    /* A long literal begins in an untagged response, of which this is what came before: TRUE to
     * have its octets as pieces. */
    gboolean (*literal)(ImapSession *session, const ImapResponse *response, gpointer owner);
    void (*piece)(ImapSession *session, const guint8 *bytes, gsize len, gpointer owner);
    /* Commands are in flight and the server has been silent for seconds; or it speaks again. */
    void (*stalled)(ImapSession *session, gboolean is_stalled, gpointer owner);
    /* Once; all commands were answered with the same error before. */
    void (*closed)(ImapSession *session, const GError *error, gpointer owner);
} ImapSessionEvents;

/* Called once for each command: with the tagged OK, or with an error: what the server's NO or BAD
 * means, or why the session ended.  @response is good during the call. */
typedef void (*ImapDoneFunc)(const ImapResponse *response, const GError *error, gpointer data);

/* @options must outlive the session. */
ImapSession *imap_session_new(const ImapOptions *options, const ImapSessionEvents *events,
                              gpointer owner);
/* Accepts NULL; allowed in events.  Commands in flight are not answered any more. */
void imap_session_free(ImapSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapSession, imap_session_free)

gboolean imap_session_is_ready(const ImapSession *session);
/* Whether the server said anything at all. */
gboolean imap_session_is_greeted(const ImapSession *session);
gboolean imap_session_is_closed(const ImapSession *session);
/* When the server last said something, or took some of an upload; monotonic. */
gint64 imap_session_heard_us(const ImapSession *session);
/* Whether the server has @capability (upper case) now, in this state. */
gboolean imap_session_has(const ImapSession *session, const char *capability);
/* Whether "* ENABLED" told so. */
gboolean imap_session_has_enabled(const ImapSession *session, const char *capability);
ImapLiteralMode imap_session_literal_mode(const ImapSession *session);

/* Sends @command (taken) as soon as those before it allow.  A NO may come before all of it is
 * written; then what the server still expects of it follows. */
void imap_session_send(ImapSession *session, ImapCommand *command, ImapDoneFunc done,
                       gpointer data);
/* Ends IDLE, if it was sent: as any other command is, and ended also when the next one is sent, or
 * when it has lasted for long. */
void imap_session_end_idle(ImapSession *session);
/* Sends COMPRESS where offered; what is sent later waits for its answer (RFC 4978). */
void imap_session_compress(ImapSession *session);
/* Sends LOGOUT, unless that would fall into another command, and does not wait. */
void imap_session_logout(ImapSession *session);

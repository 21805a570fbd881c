/* SPDX-License-Identifier: MIT */
/* imap/session-private.h - what imap/session.c, imap/deadlines.c and imap/login.c share. */
#pragma once

#include "imap/session.h"

typedef struct {
    ImapCommand *command;
    char *tag;
    guint next_piece;     /* the first piece not written whole */
    gsize next_off;       /* in it */
    guint n_allowed;      /* pieces that need no further "+" */
    gboolean is_alone;    /* nothing may be sent behind it before it is answered */
    gboolean is_answered; /* and done() called: what the server expects of it is still written */
    ImapDoneFunc done;
    gpointer data;
    void (*on_continue)(ImapSession *session, const char *text); /* answers a "+" */
} ImapFlight;

struct ImapSession {
    const ImapOptions *options;
    const ImapSessionEvents *events;
    gpointer owner;

    NetStream *stream;
    ImapReader *reader;
    NetSasl *sasl;
    GHashTable *capabilities; /* upper case */
    GHashTable *enabled;
    gboolean knows_capabilities; /* told in the present state */
    gboolean is_greeted, is_ready, is_closed, is_stalled, is_deflating;
    gboolean is_idling; /* the last command is IDLE, and the server waits for its end */
    gint64 idle_us;     /* since when */
    gboolean ends_idle; /* as soon as it has begun */
    GQueue queue;       /* ImapFlight, not yet sent */
    GQueue in_flight;   /* ImapFlight, oldest first; only the last may be not written whole */
    char prefix[8];
    guint n_tags;
    const guint8 *unread; /* received and not yet read: bytes behind the response at hand */
    gsize n_unread;
    gint64 heard_us;       /* when the server was last heard, or had to begin to speak */
    gint64 came_on_us;     /* when it last answered a command, or sent a piece of a long answer */
    gboolean is_uploading; /* much was written: that it arrives counts as heard, and as coming on */
    guint64 n_delivered;   /* when last looked at */
    gboolean has_streamed; /* some of the response at hand */
    gboolean has_seen_nul;
    guint n_alerts;
    guint watch_source;
    int n_calls; /* events being called: then free() is put off */
    gboolean is_freed;
};

/* Sends @command ahead of the owner's; @on_continue as in ImapFlight. */
void imap_session_send_first(ImapSession *session, ImapCommand *command, gboolean is_alone,
                             void (*on_continue)(ImapSession *session, const char *text),
                             ImapDoneFunc done);
void imap_session_fail(ImapSession *session, const GError *error);
void imap_session_fail_with(ImapSession *session, MailError code, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
void imap_session_set_capabilities(ImapSession *session, const ImapValue *words);
void imap_session_forget_capabilities(ImapSession *session);
void imap_session_become_ready(ImapSession *session);
/* Bytes that answer a "+". */
void imap_session_write_line(ImapSession *session, const char *line);
/* Whether all of it was written. */
gboolean imap_flight_is_whole(const ImapFlight *flight);

/* As imap_error_new(), but silent where the server repeats the password. */
GError *imap_session_explain(const ImapSession *session, const ImapResponse *response,
                             const char *doing);

/* --- deadlines.c --- */

/* The server is alive. */
void imap_session_note_life(ImapSession *session);
/* To be called now and then: looks whether the server is, and gives it up when it is not for too
 * long. */
void imap_session_check_deadlines(ImapSession *session);

/* --- login.c --- */

/* Whether what is said here can be heard, and said, by others, and must not be. */
gboolean imap_login_is_exposed(const ImapSession *session);

/* From the greeting to ready. */
void imap_login_greeted(ImapSession *session, const ImapResponse *greeting);
/* The stream is ready again: after STARTTLS. */
void imap_login_tls_is_up(ImapSession *session);

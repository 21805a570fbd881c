/* SPDX-License-Identifier: MIT */
/* pop/session-private.h - what pop/session.c, pop/login.c and pop/capabilities.c share. */
#pragma once

#include "pop/session.h"

typedef struct {
    char *command; /* "APOP alice" */
    char *secret;  /* what comes behind it and is never shown, or NULL; wiped */
    PopShape shape;
    gboolean is_quit;
    MailError plain_error; /* what a -ERR without a code that we know means */
    const PopAnswer *answer;
    gpointer data;
    void (*on_challenge)(PopSession *session, const char *text); /* answers a "+", or NULL */
} PopFlight;

/* What comes when a command of the login is answered; @error is the server's -ERR. */
typedef void (*PopStepFunc)(PopSession *session, const GError *error);

struct PopSession {
    const PopOptions *options;
    const PopSessionEvents *events;
    gpointer owner;

    NetStream *stream;
    PopReader *reader;
    gboolean is_greeted, is_ready, is_quitting, is_paused, is_closed;
    GQueue queue;      /* PopFlight, not yet sent */
    GQueue in_flight;  /* PopFlight, oldest first */
    gsize n_in_flight; /* octets of them */
    gboolean is_full;  /* what is in the queue waits for them */
    gsize n_unread;    /* octets behind the answer at hand */
    gsize n_came;      /* octets of the answer since */
    gint64 came_on_us; /* when the server last got on with an answer, or had to begin one */
    guint watch_source;
    int n_calls; /* events being called: then free() is put off */
    gboolean is_freed;

    /* Of the login: */
    GHashTable *capabilities;    /* upper case, to what comes behind it */
    gboolean knows_capabilities; /* CAPA was not refused */
    PopStepFunc next_step;
    char *timestamp; /* of the greeting, or NULL */
    NetSasl *sasl;
    char *held_response; /* the initial one, too long for the command; wiped */
};

/* Sends a command of the login; nothing else may be in flight. */
void pop_session_step(PopSession *session, PopFlight *flight, PopStepFunc next);
/* For pop_session_step().  @secret is copied, or NULL. */
PopFlight *pop_flight_new(const char *command, const char *secret, MailError plain_error);
void pop_flight_free(PopFlight *flight);
/* A line that answers a "+". */
void pop_session_write_line(PopSession *session, const char *line);
void pop_session_become_ready(PopSession *session);

/* Closes, with the host's name before the text. */
void pop_session_give_up(PopSession *session, const GError *error);
void pop_session_fail_with(PopSession *session, MailError code, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
/* As pop_error_new(), but silent where the server repeats the password. */
GError *pop_session_explain(const PopSession *session, const PopStatus *status, const char *doing,
                            MailError plain);

/* Wiped, not only freed; accepts NULL. */
void pop_secret_free(char *text);

/* --- capabilities.c --- */

/* Asks by CAPA; what was told before is forgotten.  A server that refuses offers nothing. */
void pop_capabilities_ask(PopSession *session, PopStepFunc next);
/* What comes behind @capability, or NULL. */
const char *pop_capabilities_arguments(const PopSession *session, const char *capability);

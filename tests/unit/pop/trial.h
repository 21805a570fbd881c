/* SPDX-License-Identifier: MIT */
/* tests/unit/pop/trial.h - a session at a server that plays a script. */
#pragma once

#include "pop/session.h"
#include "tests/unit/net/client.h"
#include "tests/unit/net/server.h"

/* What the server does, line by line, NULL-ended:
 *
 *      S: +OK hello    says this line
 *      s: +OK\n        says these octets, with their escapes, one a write
 *      C: CAPA         takes a line, which must be this one
 *      c: AUTH         takes a line that begins so
 *      TLS             shakes hands; the rest goes over TLS
 *      SCRAM           takes a login by AUTH SCRAM-SHA-256, up to its last challenge
 *      CUT             ends the connection
 *      WAIT            waits for trial_go_on()
 *
 * In the end it waits for the end of the connection; nothing may come before. */
typedef const char *const *Script;

typedef struct {
    Script script;
    const char *url;    /* "pop3s://alice@pop.example.org"; the port is added */
    const char *secret; /* NULL: "secret" */
    guint timeout_s;    /* 0: long */
    NetTrust *trust;    /* for TLS, with @cert */
    const Cert *cert;
    const char *const *disabled; /* or NULL */
} TrialOptions;

typedef struct {
    TrialOptions options;
    Server *server;
    MailAccount *account;
    NetSecret *secret;
    PopOptions pop;
    PopSession *session; /* NULL when it was freed inside an event */
    gint may_go_on;
    gboolean is_ready;
    gboolean is_closed;
    GError *error;    /* of its end; NULL after QUIT */
    GString *answers; /* lines as they are, messages in {}, the ends of answers: see trial_send() */
    GPtrArray *asked; /* who waits for answers */
    gboolean frees_in_answer;
    void (*on_ready)(gpointer trial); /* or NULL */
} Trial;

Trial *trial_new(const TrialOptions *options);
/* The script has come to its end then. */
void trial_free(Trial *trial);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Trial, trial_free)

/* Its answer comes into answers: "= RETR 5\n" behind its data, or "! text of the error\n". */
void trial_send(Trial *trial, const char *command, PopShape shape);
void trial_quit(Trial *trial);
void trial_go_on(Trial *trial);

void trial_await_ready(Trial *trial);
/* Until closed by QUIT. */
void trial_await_end(Trial *trial);
/* Until closed with this error, whose text is @text behind the host's name and ": ". */
void trial_await_failure(Trial *trial, MailError code, const char *text);

/* SPDX-License-Identifier: MIT */
/* tests/unit/pop/visit-drop.h - a maildrop and its server, and visits of it. */
#pragma once

#include "pop/visit.h"
#include "spool-fixture.h"
#include "tests/unit/net/client.h"
#include "tests/unit/net/server.h"

#define DROP_MAX 256

typedef struct {
    const char *uidl, *text; /* @text as it stands in a maildrop; the server adds a last CRLF */
    guint64 told;            /* its size in LIST; 0: the true one */
    const char *retr_text;   /* what RETR brings instead, or NULL */
    gboolean refuses_top, refuses_retr, refuses_dele;
    gboolean ends_top, ends_retr; /* the connection ends instead of an answer */
    gboolean is_marked, is_gone;  /* for deletion, and at QUIT */
} DropMessage;

typedef struct {
    DropMessage messages[DROP_MAX];
    guint n;
    const char *capa; /* its lines, "TOP\r\n"; NULL: CAPA is refused */
    gboolean has_no_uidl, has_no_top, refuses_quit;
    const char *uidl_error; /* instead of "-ERR what" where there is no UIDL, or NULL */
    const char *uidl_lines, *list_lines; /* instead of what would be true, or NULL */
    const char *surplus; /* before the answer to this command it says a message more, or NULL */
    guint hold;          /* no RETR is answered before so many have come */
    gboolean tops_wait;  /* for a RETR to come */
    guint cut_after;     /* octets of the server, then the connection ends; 0: never */
    guint n_sent;        /* octets by the last visit */
    GString *log;        /* of all visits, behind the login: "UIDL LIST TOP:1:0 " */
} Drop;

typedef struct {
    Fixture spool;
    Drop drop;
    PopOptions options;
    PopSuspects *suspects;
    Server *server;
    PopVisit *visit;
    gboolean wants_all; /* that are waiting, when it has listed */
    gboolean reads;     /* whatever comes, to its end */
    gboolean has_listed, has_ended;
    GError *error;  /* of the end */
    GString *told;  /* "1=1 2! ", as retrieved() was */
    guint n_moving; /* to Read */
    guint n_comes, max_coming;
    guint n_comes_of_list;
    guint n_full; /* messages that came while so many were under way */
    guint32 last_coming;
    guint64 max_octets;
} Caller;

void caller_set_up(Caller *caller, gconstpointer data);
void caller_tear_down(Caller *caller, gconstpointer data);
#define CALLER_TEST(path, func)                                                                    \
    g_test_add(path, Caller, NULL, caller_set_up, func, caller_tear_down)

void caller_add(Caller *caller, const char *uidl, const char *text);
/* "S: u" and a body of its own, by UIDL. */
void caller_add_some(Caller *caller, guint n);
/* Each of its own, with a body of so many octets; free them in the end. */
void caller_add_many(Caller *caller, guint n, gsize n_octets);
void caller_free_many(Caller *caller);
/* What is in the spool of a message that the server has: with a last CRLF. */
char *drop_dup_text(const DropMessage *message);

/* Begins one; what was told of the one before is forgotten. */
void caller_start(Caller *caller);
/* Waits until all that was asked for is told. */
void caller_settle(Caller *caller);
/* Ends it, and waits for that and for the server. */
void caller_end(Caller *caller);
/* All of these. */
void caller_visit(Caller *caller);
/* The same, and it ended well. */
void caller_visit_well(Caller *caller);
/* It ended with this error, and this text in it. */
void caller_expect_failure(const Caller *caller, MailError code, const char *text);
/* What was said to the server since the last time. */
void caller_expect_log(Caller *caller, const char *expected);
void caller_expect_not_sent(const Caller *caller, const char *word);
void caller_expect_header(const Caller *caller, guint32 number, const char *text);
/* The spool has each message of the drop once, as it stands, in @place. */
void caller_expect_all(const Caller *caller, PopPlace place);
guint drop_n_gone(const Drop *drop);

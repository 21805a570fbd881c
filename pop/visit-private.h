/* SPDX-License-Identifier: MIT */
/* pop/visit-private.h - what the files of a visit share.
 *
 * Answers put the state in order; what follows from it is done by a step, from the main loop.
 */
#pragma once

#include "pop/session.h"
#include "pop/visit.h"

typedef enum {
    POP_VISIT_LISTS,   /* until the list is matched */
    POP_VISIT_FETCHES, /* headers and messages */
    POP_VISIT_PICKS,   /* what is to be deleted */
    POP_VISIT_NOTES,   /* that the server will be told to */
    POP_VISIT_DELETES,
    POP_VISIT_QUITS,
    POP_VISIT_DOUBTS, /* what the server said, and so what came of it */
    POP_VISIT_IS_OVER,
} PopVisitPhase;

typedef enum {
    POP_ENTRY_THERE,  /* at the server */
    POP_ENTRY_COMING, /* or being stored */
    POP_ENTRY_HERE,
} PopEntryState;

/* A message of the server's list. */
typedef struct {
    guint32 nth;    /* the server's number */
    guint32 number; /* the spool's, or POP_NUMBER_OF_CONTENT */
    guint64 size;
    guint id; /* pop_header_id() of what TOP brought, by this visit; else 0 */
    PopMatchKind kind;
    PopEntryState state;
    gboolean is_needed;  /* listed() waits for it */
    gboolean is_refused; /* it was, so it is asked for again only when it is wanted again */
} PopEntry;

typedef struct PopVisitList PopVisitList;

struct PopVisit {
    const PopOptions *options;
    PopSpool *spool;
    PopSuspects *suspects;
    const PopVisitEvents *events;
    gpointer owner;
    guint n_refs; /* the owner, and each callback of the spool that is due */
    gboolean is_freed;
    PopSession *session; /* NULL when it has ended */
    guint login_delay;
    PopVisitPhase phase;
    gboolean is_ending, has_list, has_told_list;
    gboolean has_lost;     /* its connection: what was due then is known */
    gboolean has_refusals; /* of messages: so nothing is deleted */
    GError *failure;
    guint step_source;
    gint64 told_us;  /* that something of the list or a header came */
    GArray *touched; /* guint32: what was stored, or got a header */

    /* The list: */
    PopVisitList *list;    /* NULL once it is matched */
    GArray *entries;       /* PopEntry, in the server's order */
    GHashTable *by_number; /* number: index of its entry */

    /* Headers: */
    guint n_unlooked;       /* entries that were not looked at, from the first */
    gboolean has_no_top;    /* what has no header is retrieved */
    gboolean has_top;       /* it has answered one */
    GQueue tops;            /* index + 1: in flight */
    GArray *refused_tops;   /* guint, indices */
    GByteArray *header;     /* of the first that is in flight */
    guint n_headers_stored; /* being stored, that is */
    gsize n_header_octets;  /* of these */

    /* Messages: */
    GHashTable *asked; /* numbers that retrieved() is owed for */
    GQueue wanted;     /* the same, in order, as far as they were not looked at */
    GQueue risky;      /* of these, the ones at which connections ended: the last of all */
    GArray *due;       /* guint: indices of what is retrieved in any case */
    guint n_due;       /* of these are done with */
    guint n_all;       /* entries are done with, when all are retrieved */
    guint n_needed;    /* entries that listed() waits for */
    GQueue coming;     /* PopFetch: in flight */
    guint64 n_coming;  /* octets of them, as announced */
    GQueue refused;    /* PopFetch: by the server, or with its end */
    guint n_storing;

    /* Deletion: */
    GArray *picked;          /* PopEntry */
    guint n_picked;          /* entries were looked at */
    guint n_told, n_deleted; /* of picked: sent, and answered */
};

/* --- visit.c --- */

/* For a callback of the spool that is due: the visit is there until it is dropped. */
PopVisit *pop_visit_hold(PopVisit *visit);
/* FALSE when nobody waits for what it was held for: it may be gone then. */
gboolean pop_visit_drop(PopVisit *visit);
/* Something may have to be done. */
void pop_visit_step_later(PopVisit *visit);
/* Drops the connection; ends when nothing is at work. */
void pop_visit_fail(PopVisit *visit, const GError *error);
void pop_visit_fail_with(PopVisit *visit, MailError code, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
/* Something of the list or a header came. */
void pop_visit_comes(PopVisit *visit);
/* The spool has something of @number by what this visit was told. */
void pop_visit_touch(PopVisit *visit, guint32 number);
/* In done(), with an error: if it is that of the connection, this was due first of all. */
void pop_visit_note_loss(PopVisit *visit, PopSuspectKind kind, guint32 number);
/* How many commands may be in flight, of @max with PIPELINING. */
guint pop_visit_window(const PopVisit *visit, guint max);
PopEntry *pop_visit_entry(const PopVisit *visit, guint index);
/* "TOP 5 0"; @more may be "". */
void pop_visit_send(PopVisit *visit, const char *verb, guint32 nth, const char *more,
                    PopShape shape, const PopAnswer *answer);

/* --- visit-list.c: UIDL, LIST, and the match --- */

void pop_visit_list(PopVisit *visit);
void pop_visit_list_free(PopVisitList *list);

/* --- visit-top.c: headers of what is new --- */

void pop_visit_top_step(PopVisit *visit);
/* All that were to be asked for are stored, or refused. */
gboolean pop_visit_top_is_done(const PopVisit *visit);

/* --- visit-retrieve.c: messages --- */

void pop_visit_retrieve_step(PopVisit *visit);
/* Whether nothing is left to be retrieved, or under way. */
gboolean pop_visit_retrieve_is_done(PopVisit *visit);
/* The entry is retrieved whether somebody wants it or not. */
void pop_visit_require(PopVisit *visit, guint index, gboolean is_needed);
/* What was asked for and not told: it is not to be had. */
void pop_visit_retrieve_fail(PopVisit *visit, const GError *error);
/* What is in flight is lost with the connection. */
void pop_visit_retrieve_drop(PopVisit *visit);

/* --- visit-delete.c: what was read or removed --- */

/* Also QUIT, at last. */
void pop_visit_delete_step(PopVisit *visit);
/* It was answered, and the spool knows; ends. */
void pop_visit_is_over(PopVisit *visit);

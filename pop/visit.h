/* SPDX-License-Identifier: MIT */
/* pop/visit.h - one visit of the maildrop, which is locked for as long as it lasts.
 *
 *      log in -> UIDL, LIST -> match -> TOP of what is new -> RETR of what is wanted -> DELE ->
 * QUIT
 *
 * Messages are asked for ahead of their answers, and are stored in the spool.  DELE is sent at the
 * end, for what the spool allows and was read or removed; QUIT only when every step succeeded:
 * otherwise the connection is dropped, so that the server deletes nothing.  Where the server only
 * refused a message nothing is deleted, and QUIT is sent.  Thread: engine.
 */
#pragma once

#include "pop/pop.h"
#include "pop/spool.h"
#include "pop/suspects.h"

typedef struct PopVisit PopVisit;

/* None may free the visit, but ended(). */
typedef struct {
    /* The spool knows what the server has, and the headers of what is new as far as the server
     * tells them; pop_visit_retrieve() may have been called before.  What cannot be listed without
     * it was retrieved before.  Once. */
    void (*listed)(PopVisit *visit, gpointer owner);
    /* Octets come, of @number, or with 0 of the list or a header (then once a second): who waits
     * for that does not wait in vain. */
    void (*comes)(PopVisit *visit, guint32 number, gpointer owner);
    /* What was asked for by @number is durable as @stored, or why not.  Once each.  Also for what
     * nobody asked for, since the visit retrieves of itself what only its content tells (then
     * @number may be POP_NUMBER_OF_CONTENT), what the server has no header of, and by option all.
     */
    void (*retrieved)(PopVisit *visit, guint32 number, guint32 stored, const GError *error,
                      gpointer owner);
    /* Once, the last: NULL when QUIT was answered.  Everything retrieved was told before. */
    void (*ended)(PopVisit *visit, const GError *error, gpointer owner);
} PopVisitEvents;

/* @options, @spool and @suspects must outlive the visit.  No event comes from inside a call. */
PopVisit *pop_visit_new(const PopOptions *options, PopSpool *spool, PopSuspects *suspects,
                        const PopVisitEvents *events, gpointer owner);
/* Accepts NULL; drops the connection without QUIT if it is there still; nothing is told any more.
 * What was received whole is stored all the same. */
void pop_visit_free(PopVisit *visit);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PopVisit, pop_visit_free)

/* @number, WAITING, is wanted; in the order of the calls, at once or when the list is known.  Twice
 * is once.  retrieved() tells NOT_FOUND when the server does not have it.  While the visit is open
 * only. */
void pop_visit_retrieve(PopVisit *visit, guint32 number);
/* FALSE when it will take nothing more: it deletes already, or has ended. */
gboolean pop_visit_is_open(const PopVisit *visit);
/* The spool knows what the server has; also in ended(). */
gboolean pop_visit_has_list(const PopVisit *visit);
/* So many were asked for and are not told yet. */
guint pop_visit_n_pending(const PopVisit *visit);
/* Ends when what was asked for is done, also since, and by option all the rest. */
void pop_visit_end(PopVisit *visit);
/* How many seconds must lie between two logins as far as the server told, or 0; also in ended(). */
guint pop_visit_login_delay(const PopVisit *visit);

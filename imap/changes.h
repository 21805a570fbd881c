/* SPDX-License-Identifier: MIT */
/* imap/changes.h - what the connection that writes does: the journal's changes, and finding out
 * what may be done.
 *
 * One thing at a time is done on it; each of these is started when nothing else is under way, and
 * ends with one call of @done, also when the connection is lost.  What becomes of a change is told
 * to the cache; what was not settled until @done is put back, and tried again later.
 */
#pragma once

#include "imap/worker.h"

typedef void (*ImapChangesDone)(ImapWorker *worker);

/* --- changes.c --- */

/* Sends what the journal has next, or finds out what is wanted of rights. */
void imap_dispatch_changes(ImapWorker *worker);
/* Whether there is something to do for a connection that writes. */
gboolean imap_changes_are_wanted(Cache *cache);
/* Whether something is under way, or will be as soon as nothing else is. */
gboolean imap_changes_are_due(ImapWorker *worker);
gboolean imap_changes_are_under_way(const ImapWorker *worker);
/* The server would not tell, or do, what changes that concern @box need first: they may be put
 * back, to be tried again later.  FALSE when it has been so for minutes. */
gboolean imap_changes_may_ask_again(const ImapWorker *worker, guint32 box);
/* It did. */
void imap_changes_were_answered(const ImapWorker *worker, guint32 box);
/* The server does something about changes: who waits for them, or for a turn, waits on. */
void imap_changes_renew(const ImapWorker *worker);
/* Accepts NULL. */
void imap_changes_free(struct ImapChanges *changes);

/* --- rights.c --- */

/* Enters @box and tells the cache what may be done there; ends the RIGHTS wants for it. */
void imap_rights_start(ImapWorker *worker, guint32 box, ImapChangesDone done);
void imap_rights_free(struct ImapRights *rights);
/* Tells the cache how large a message may be, as far as the server does. */
void imap_rights_tell_limit(ImapWorker *worker);

/* --- message-changes.c --- */

/* All of @ids (guint32) are of messages of @box, one a message, and none is an APPEND; copies and
 * moves that were sent before have been looked for. */
void imap_message_changes_start(ImapWorker *worker, guint32 box, const GArray *ids,
                                ImapChangesDone done);

/* --- append.c --- */

/* @ids: APPENDs to one target, none of which was sent before; in place of a message, only one. */
void imap_append_start(ImapWorker *worker, const GArray *ids, ImapChangesDone done);

/* --- look.c --- */

/* What became of @ids, which were sent to one target and of which no answer came: those that are
 * there are done; the others are put back as if they had not been sent.  A lost answer is resolved
 * by looking, never by repeating. */
void imap_look_start(ImapWorker *worker, const GArray *ids, ImapChangesDone done);

/* --- box-changes.c --- */

/* CREATE, DELETE or RENAME of a mailbox, unless it turns out to have been done; then lists the
 * mailboxes anew. */
void imap_box_change_start(ImapWorker *worker, guint32 id, ImapChangesDone done);

/* --- removal.c --- */

/* Removes messages of the box that was entered by SELECT, of which each was found present since,
 * for good: UID EXPUNGE; where the server has none, marks them as deleted and leaves them.  @gone
 * gets the result once. */
void imap_remove(ImapWorker *worker, guint32 box, const MailSet *uids,
                 void (*gone)(ImapWorker *worker, const GError *error));

/* SPDX-License-Identifier: MIT */
/* imap/append.h - what the files share that send messages and find out what became of them. */
#pragma once

#include "imap/task.h"

/* --- append.c --- */

/* The UIDs that "[APPENDUID uidvalidity set]" tells of @n messages, in their order; new, guint32.
 * NULL when it tells of another number of them, or of another mailbox than the one of
 * @uidvalidity. */
GArray *imap_appenduid_parse(const ImapValue *args, guint32 uidvalidity, guint n);

/* --- confirm.c --- */

#define IMAP_CONFIRM_MAX 200

/* Enters @box by SELECT, unless it is inside, and asks which of @uids, at most IMAP_CONFIRM_MAX,
 * are there and the same that the cache knows as messages of @generation.  @then gets them, and
 * those that are strangers: then the mailbox is suspect; or why they cannot be told, GONE where it
 * is another one. */
void imap_confirm_start(ImapWorker *worker, guint32 box, guint32 generation, const MailSet *uids,
                        void (*then)(ImapWorker *worker, const MailSet *same,
                                     const MailSet *strangers, const GError *error));
void imap_confirm_free(struct ImapConfirm *confirm);

/* --- sources.c --- */

/* A change that brings a message and takes one away. */
typedef struct {
    guint32 id;
    gboolean has_come; /* else it is not known to be where it should be */
    guint32 new_uid;   /* there, or 0 */
} ImapSource;

/* Of those that have come (@sources, ImapSource), removes what is left where they come from, and
 * they are done.  The others, moves, are done if their message is gone; else they were not. */
void imap_sources_start(ImapWorker *worker, const GArray *sources, ImapChangesDone done);

/* --- look.c --- */

/* As imap_look_start(), of changes to which the server has said OK: what is not found is there all
 * the same. */
void imap_look_answered(ImapWorker *worker, const GArray *ids, ImapChangesDone done);

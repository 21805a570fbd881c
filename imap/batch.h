/* SPDX-License-Identifier: MIT */
/* imap/batch.h - changes of messages of one mailbox that are being done together.
 *
 *      start -> [select] [search] [prints] [status ...] -> send -> units ... -> end
 *
 * A unit is what one command does to many messages, with all the commands that this takes.  One
 * that is refused is done again in halves, so that one message is not in the way of the others.
 */
#pragma once

#include "imap/append.h"
#include "imap/groups.h"

#define IMAP_SET_LEN_MAX 7500 /* octets; some servers take 8,000 a line */

typedef struct ImapBatch ImapBatch;
typedef struct ImapUnit ImapUnit;

typedef struct {
    guint32 box;
    guint32 uidvalidity, uidnext; /* 0: not told */
    GError *error;                /* why nothing can go there */
} ImapTarget;

struct ImapBatch {
    ImapTask task;
    guint32 box, generation;
    GArray *changes;        /* ImapMessageChange: after the search, of messages that are there */
    GArray *targets;        /* ImapTarget */
    gboolean may_be_behind; /* the mailbox was entered before: what came since may not be seen */
    MailSet *present, *probed;
    MailSet *strangers; /* other messages than the cache knows by these UIDs */
    GError *error;      /* why nothing is sent */
    gboolean is_sent;   /* all was asked and answered */
    guint n_steps;      /* under way: questions, then units */
    GPtrArray *halves;  /* ImapUnit, of n_steps: sent one after the other, the last first */
    GPtrArray *unnoted; /* groups that are sent when it is noted; the last is being noted */
    GArray *unplaced;   /* guint32, ids of what the server took without telling new UIDs */
    guint n_in_vain;    /* commands refused in a row */
};

struct ImapUnit {
    ImapBatch *batch;
    GArray *changes;    /* ImapMessageChange of one group */
    gboolean is_copied; /* a move without MOVE: what is left is to remove them */
    guint n_refs, n_commands;
    GError *error;
    GHashTable *new_uids;        /* by UID, as COPYUID told; NULL: it did not */
    void (*end)(ImapUnit *unit); /* all its commands were answered */
};

/* --- probe.c --- */

/* Asks which of the batch's messages are there, whether they are the ones that the cache knows, and
 * what the targets have; each question is a step. */
void imap_batch_ask(ImapBatch *batch);
/* What was told of a target. */
ImapTarget *imap_batch_target(ImapBatch *batch, guint32 box);

/* --- message-changes.c --- */

/* One of n_steps is over. */
void imap_batch_step_done(ImapBatch *batch);
/* Sends @command (taken) for @unit; @untagged as in ImapJob, or NULL. */
void imap_unit_send(ImapUnit *unit, ImapCommand *command,
                    gboolean (*untagged)(ImapJob *job, const ImapResponse *response));
/* The unit of a job of imap_unit_send(). */
ImapUnit *imap_unit_of(ImapJob *job);
/* The server did it, or not, as unit->error says; frees the unit. */
void imap_unit_end(ImapUnit *unit);

/* --- store.c, transfer.c, removal.c: begin a unit --- */

void imap_store_send(ImapUnit *unit);
void imap_transfer_send(ImapUnit *unit);
void imap_removal_send(ImapUnit *unit);

/* What a COPYUID in @response tells the unit; FALSE when it is none, or of other messages. */
gboolean imap_transfer_told(ImapUnit *unit, const ImapResponse *response);
/* The command for @name and the unit's messages: "UID MOVE 1:5". */
ImapCommand *imap_unit_command(const ImapUnit *unit, const char *name);

/* SPDX-License-Identifier: MIT */
/* imap/task.h - something done about changes that takes several commands, one after the other.
 *
 * A worker has one task at a time, in worker->task.
 */
#pragma once

#include "imap/changes.h"

typedef struct ImapTask ImapTask;

struct ImapTask {
    ImapWorker *worker;
    GArray *ids; /* guint32, taken: what is not settled of them at the end is put back */
    ImapChangesDone done;
    void (*clear)(ImapTask *task); /* frees what the extended struct owns; may be NULL */
    struct ImapTicket *ticket;     /* of what is being noted, or NULL */
    struct ImapConfirm *confirm;   /* at work: imap/confirm.c */
};

/* Takes the changes @ids.  @size of the extended struct, whose first member is the ImapTask, and
 * which is the worker's from now on. */
gpointer imap_task_new(ImapWorker *worker, gsize size, const GArray *ids, ImapChangesDone done,
                       void (*clear)(ImapTask *task));
/* It is over: frees the worker's task and calls done(). */
void imap_task_end(ImapWorker *worker);
/* The same without done(), for a worker that ends; accepts NULL. */
void imap_task_free(ImapTask *task);

/* Whether the answer leaves open what becomes of the changes: the connection is lost, or the server
 * will do it later. */
gboolean imap_task_must_wait(const ImapWorker *worker, const GError *error);
/* Whether it says that what was asked about a mailbox cannot be learned, now or later; after
 * another error nothing is known, and it is asked again. */
gboolean imap_task_is_final(const ImapWorker *worker, const GError *error);
/* Refuses those of the changes @ids that are not settled. */
void imap_task_refuse(ImapWorker *worker, const GArray *ids, const GError *error);
/* After an error in what must be known or done of @box before @ids are: refuses them if it is
 * final, or has lasted for minutes; else they go back when the task ends. */
void imap_task_put_off(ImapWorker *worker, guint32 box, const GArray *ids, const GError *error);

/* cache_changes_note_sent() for the worker's task; @noted is not called when that is over. */
void imap_task_note(ImapWorker *worker, const GArray *ids, guint32 uidvalidity, guint32 uidnext,
                    void (*noted)(ImapWorker *worker, const GError *error));

/* A command of a task; @then gets its answer. */
typedef struct {
    ImapJob job;
    void (*then)(ImapWorker *worker, const GError *error);
} ImapStep;

/* It concerns the mailbox @box, or none (0). */
ImapJob *imap_step_new(ImapWorker *worker, guint32 box,
                       void (*then)(ImapWorker *worker, const GError *error));
/* Sends "@name @wire" for it (taken). */
void imap_step_send(ImapJob *step, const char *name, const char *wire);

/* --- status.c --- */

typedef struct {
    const char *wire;             /* of which mailbox */
    guint32 uidvalidity, uidnext; /* 0: not told */
    gboolean has_messages;
    guint64 messages;
    guint64 append_limit; /* octets; 0: none was told */
} ImapStatus;

/* STATUS (RFC 9051 6.3.11) of the mailbox that the server calls @wire; @then gets what was told. */
void imap_status_send(ImapWorker *worker, const char *wire,
                      void (*then)(ImapWorker *worker, const ImapStatus *status,
                                   const GError *error));
/* The same for the append_limit (RFC 7889), and nothing else. */
void imap_status_send_limit(ImapWorker *worker, const char *wire,
                            void (*then)(ImapWorker *worker, const ImapStatus *status,
                                         const GError *error));

/* SPDX-License-Identifier: MIT */
/* pop/spool-private.h - what the files of the spool share: operations, and batches of them.
 *
 * What changes something is an operation.  They wait in a queue; a batch of them is done by a
 * helper thread, and then the engine takes what became of it into the model.  So the model changes
 * only while no batch is at work, and a batch may read it.  Operations of one batch do not touch
 * the same message, nor messages of the same content.
 */
#pragma once

#include "pop/index.h"
#include "pop/model.h"
#include "pop/spool.h"

typedef struct Op Op;
typedef struct Batch Batch;

typedef struct {
    gboolean is_alone; /* in its batch */
    /* The steps of the helper thread.  The first may be NULL; it begins what the second waits for.
     * They report in @op->error. */
    void (*prepare)(Batch *batch, Op *op);
    void (*act)(Batch *batch, Op *op);
    /* Takes back what act() did to the files; NULL: it stays, and is looked at again. */
    void (*undo)(Batch *batch, Op *op);
    /* Of the engine: it is over, and the spool still there; or NULL. */
    void (*end)(Op *op);
    /* Of the engine: calls back; NULL: as @done of the operation says. */
    void (*answer)(Op *op);
    void (*free)(Op *op);
} OpKind;

struct Op {
    const OpKind *kind;
    guint32 number; /* of its message; in the end, what @done is told */
    PopDone done;   /* or NULL */
    gpointer data;
    GError *error;
    gboolean has_moved; /* it did something to files */
    /* What becomes of it. */
    GPtrArray *put;   /* PopRow: for the index and the model */
    GPtrArray *shown; /* PopRow: for the model only */
    GArray *removed;  /* guint32 */
    char *stopped;
    GBytes *header; /* of the message */
};

struct Batch {
    PopSpool *spool; /* NULL once the engine has taken what became of it */
    GPtrArray *ops;
    gint64 now;
    guint32 next; /* number that is free */
    gboolean dirty[POP_N_PLACES][POP_TMP];
    gboolean is_behind; /* the index or the model is not as the files are */
    PopStamp stamp;     /* of the files, when they were looked at */
    GMutex mutex;
    GCond cond;
    gboolean is_done;
};

struct PopSpool {
    PopMaildir *maildir;
    PopIndex *index;
    gboolean is_rebuilding; /* the numbers of files are believed */
    PopModel *model;
    guint32 next;
    char *stopped, *failure;
    PopStamp stamp;
    gboolean is_behind;
    gboolean has_looked; /* the last batch was a look at the files */
    gboolean has_news;   /* something was found that nobody was told of */
    GQueue queue;        /* Op, owned */
    Batch *batch;        /* at work; its task owns it */
    guint start_source;
    guint64 backlog;
};

/* Whether the file was named by this spool, and not by one that it was copied from. */
static inline gboolean spool_is_own(const PopSpool *spool, const PopFile *file)
{
    return file->number && file->spool == pop_index_validity(spool->index);
}

/* --- spool-batch.c --- */

/* @op is of @size and zeroed but for what is given here. */
Op *op_new(gsize size, const OpKind *kind, guint32 number, PopDone done, gpointer data);
/* Takes @op. */
void spool_push(PopSpool *spool, Op *op);
/* The same in this thread, while nothing else is under way; nobody is called back. */
gboolean spool_do_now(PopSpool *spool, Op *op, GError **error);
/* Waits for the batch that is at work, and fails the others; to be answered, they are yours. */
GPtrArray *spool_end(PopSpool *spool, const GError *error);
/* Calls back, and takes @ops.  The spool may be gone. */
void spool_answer(GPtrArray *ops);

/* For act(): a message is so now (@row is taken), has a file of another name (the same), is gone
 * from the index, or has lost its file. */
void op_put(const Batch *batch, Op *op, PopRow *row);
void op_show(Op *op, PopRow *row);
void op_remove(Op *op, guint32 number);
void op_put_gone(const Batch *batch, Op *op, const PopRow *row);
/* That files were added to or removed from the directory of @file. */
void op_touch(Batch *batch, Op *op, const PopFile *file);
/* A number that no message had; 0 with @op->error when there is none. */
guint32 op_new_number(Batch *batch, Op *op);
/* The message must be here; NULL with @op->error. */
const PopRow *op_stored_row(const Batch *batch, Op *op);

/* --- spool-receive.c --- */

extern const OpKind receive_op;
/* Of the content that is being stored. */
const guint8 *receive_op_hash(const Op *op);

/* --- spool-refresh.c --- */

extern const OpKind refresh_op;

/* SPDX-License-Identifier: MIT */
/* pop/spool-moves.c - what users do to messages that are here: move them, mark them, remove them.
 */
#include "pop/spool-private.h"

#define DAY_S       86400
#define FORGET_DAYS 90 /* after this what is gone may come back, if the server does */

/* --- moving and marking --- */

typedef struct {
    Op op;
    PopPlace place; /* WAITING: where it is */
    gboolean has_flags;
    MailFlags flags;
} MoveOp;

static PopFile target_of(const MoveOp *self, const PopFile *from)
{
    return pop_maildir_rename(from, self->place == POP_PLACE_WAITING ? from->place : self->place,
                              self->has_flags ? self->flags : from->flags);
}

static gboolean is_same(const PopFile *a, const PopFile *b)
{
    return a->place == b->place && a->sub == b->sub && g_str_equal(a->name, b->name);
}

/* Clears @from. */
static gboolean move_from(Batch *batch, MoveOp *self, PopFile from, PopFile *ret_file,
                          GError **error)
{
    PopFile to = target_of(self, &from);
    gboolean is_there = is_same(&from, &to);

    if (!is_there && !pop_maildir_move(batch->spool->maildir, &from, &to, error)) {
        pop_file_clear(&from);
        pop_file_clear(&to);
        return FALSE;
    }
    if (!is_there) {
        op_touch(batch, &self->op, &from);
        op_touch(batch, &self->op, &to);
    }
    pop_file_clear(&from);
    *ret_file = to;
    return TRUE;
}

/* Also when another program has renamed it since. */
static gboolean move_file(Batch *batch, MoveOp *self, const PopFile *file, PopFile *ret_file)
{
    PopFile found;

    if (move_from(batch, self, pop_file_copy(file), ret_file, &self->op.error))
        return TRUE;
    if (!g_error_matches(self->op.error, MAIL_ERROR, MAIL_ERROR_NOT_FOUND) ||
        !pop_maildir_find(batch->spool->maildir, file, &found))
        return FALSE;
    g_clear_error(&self->op.error);
    return move_from(batch, self, found, ret_file, &self->op.error);
}

static void move_act(Batch *batch, Op *op)
{
    const PopRow *row = op_stored_row(batch, op);
    PopFile file;
    PopRow *moved;

    if (!row || !move_file(batch, (MoveOp *)op, &row->file, &file))
        return;
    if (is_same(&file, &row->file)) {
        pop_file_clear(&file);
        return;
    }
    moved = pop_row_copy(row);
    if (file.place != POP_PLACE_TRASH)
        moved->message.trashed = 0;
    else if (row->message.place != POP_PLACE_TRASH)
        moved->message.trashed = batch->now;
    pop_row_take_file(moved, file);
    op_put(batch, op, moved);
}

static const OpKind move_op = {.act = move_act};

void pop_spool_move(PopSpool *spool, guint32 number, PopPlace place, PopDone done, gpointer data)
{
    MoveOp *self = (MoveOp *)op_new(sizeof *self, &move_op, number, done, data);

    g_return_if_fail(place != POP_PLACE_WAITING && place != POP_PLACE_GONE);
    self->place = place;
    spool_push(spool, &self->op);
}

void pop_spool_set_flags(PopSpool *spool, guint32 number, MailFlags flags, PopDone done,
                         gpointer data)
{
    MoveOp *self = (MoveOp *)op_new(sizeof *self, &move_op, number, done, data);

    self->has_flags = TRUE;
    self->flags = flags;
    spool_push(spool, &self->op);
}

/* --- cleaning --- */

typedef struct {
    Op op;
    gint64 now;
} CleanOp;

/* What another program renamed or moved meanwhile stays until it was looked at again. */
static void remove_old(Batch *batch, Op *op, const PopRow *row)
{
    g_autoptr(GError) error = NULL;

    if (pop_maildir_remove(batch->spool->maildir, &row->file, &error)) {
        op_touch(batch, op, &row->file);
        op_put_gone(batch, op, row);
    } else if (!g_error_matches(error, MAIL_ERROR, MAIL_ERROR_NOT_FOUND) && !op->error) {
        op->error = g_steal_pointer(&error);
    }
}

static gboolean is_older(gint64 time, gint64 now, gint64 days)
{
    return time > 0 && now - time >= days * DAY_S;
}

static void clean_act(Batch *batch, Op *op)
{
    const PopModel *model = batch->spool->model;
    gint64 now = ((CleanOp *)op)->now;

    for (const PopRow *row = pop_model_next(model, 0); row;
         row = pop_model_next(model, row->message.number)) {
        const PopMessage *message = &row->message;

        if (message->place == POP_PLACE_TRASH && is_older(message->trashed, now, POP_TRASH_DAYS))
            remove_old(batch, op, row);
        else if (message->place == POP_PLACE_GONE && is_older(message->left, now, FORGET_DAYS))
            op_remove(op, message->number);
    }
}

static const OpKind clean_op = {.is_alone = TRUE, .act = clean_act};

void pop_spool_clean(PopSpool *spool, gint64 now, PopDone done, gpointer data)
{
    CleanOp *self = (CleanOp *)op_new(sizeof *self, &clean_op, 0, done, data);

    self->now = now;
    spool_push(spool, &self->op);
}

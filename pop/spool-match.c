/* SPDX-License-Identifier: MIT */
/* pop/spool-match.c - what the server has, and what it is told to delete. */
#include <string.h>

#include "pop/spool-private.h"

/* --- the list --- */

typedef struct {
    Op op;
    PopListed *listed; /* their UIDLs are owned */
    PopMatch *matches;
    guint n;
    PopMatched matched;
} MatchOp;

/* RFC 1939: 1 to 70 octets from 0x21 to 0x7e. */
static gboolean is_uidl(const char *uidl)
{
    gsize len = uidl ? strlen(uidl) : 0;

    for (gsize i = 0; i < len; i++)
        if (uidl[i] < 0x21 || uidl[i] > 0x7e)
            return FALSE;
    return len > 0 && len <= POP_UIDL_MAX;
}

/* UIDL: index in the list + 1, or 0 when it is there more than once. */
static GHashTable *index_list(const MatchOp *self)
{
    GHashTable *index = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < self->n; i++) {
        const char *uidl = self->listed[i].uidl;

        if (is_uidl(uidl))
            g_hash_table_insert(index, (char *)uidl,
                                GUINT_TO_POINTER(g_hash_table_contains(index, uidl) ? 0 : i + 1));
    }
    return index;
}

static void set_presence(Batch *batch, Op *op, const PopRow *row, PopPresence presence)
{
    PopRow *changed;

    if (row->message.presence == presence)
        return;
    changed = pop_row_copy(row);
    changed->message.presence = presence;
    op_put(batch, op, changed);
}

static PopMatch match_new(Batch *batch, Op *op, const PopListed *listed)
{
    PopMessage message = {
        .number = op_new_number(batch, op),
        .place = POP_PLACE_WAITING,
        .presence = POP_LISTED,
        .size = listed->size,
        .date = batch->now,
        .uidl = listed->uidl,
    };

    if (message.number)
        op_put(batch, op, pop_row_new(&message));
    return (PopMatch){.kind = POP_MATCH_NEW, .number = message.number};
}

static PopMatch match_known(Batch *batch, Op *op, const PopRow *row)
{
    PopMatch match = {.kind = POP_MATCH_STORED, .number = row->message.number};

    if (row->message.place == POP_PLACE_WAITING)
        match.kind = POP_MATCH_WAITING;
    else if (row->message.presence != POP_LISTED)
        match.kind = POP_MATCH_DOUBTFUL;
    set_presence(batch, op, row, match.kind == POP_MATCH_DOUBTFUL ? POP_DOUBTFUL : POP_LISTED);
    return match;
}

/* One that is known and not among those that are listed once. */
static void match_unlisted(Batch *batch, Op *op, const PopRow *row, gboolean is_ambiguous)
{
    if (row->message.place == POP_PLACE_WAITING)
        op_remove(op, row->message.number);
    else
        set_presence(batch, op, row, is_ambiguous ? POP_DOUBTFUL : POP_ABSENT);
}

/* Whether nothing says any more which message of the server it is. */
static gboolean has_lost_uidl(const PopRow *row, GHashTable *index)
{
    const PopMessage *message = &row->message;

    if (!message->uidl)
        return pop_message_is_stored(message);
    return message->place != POP_PLACE_WAITING && !g_hash_table_contains(index, message->uidl) &&
           (message->presence == POP_LISTED || message->presence == POP_DOUBTFUL);
}

static void suspect_new(MatchOp *self)
{
    for (guint i = 0; i < self->n; i++)
        self->matches[i].may_be_stored = self->matches[i].kind == POP_MATCH_NEW;
}

static void match_act(Batch *batch, Op *op)
{
    MatchOp *self = (MatchOp *)op;
    const PopModel *model = batch->spool->model;
    g_autoptr(GHashTable) index = index_list(self);
    gboolean is_lost = FALSE;

    for (guint i = 0; i < self->n; i++) {
        const PopListed *listed = &self->listed[i];
        const PopRow *row;

        self->matches[i] = (PopMatch){.kind = POP_MATCH_AMBIGUOUS};
        if (!is_uidl(listed->uidl) || !g_hash_table_lookup(index, listed->uidl))
            continue;
        row = pop_model_get_uidl(model, listed->uidl);
        self->matches[i] = row ? match_known(batch, op, row) : match_new(batch, op, listed);
    }
    for (const PopRow *row = pop_model_next(model, 0); row;
         row = pop_model_next(model, row->message.number)) {
        const char *uidl = row->message.uidl;

        if (uidl && !g_hash_table_lookup(index, uidl))
            match_unlisted(batch, op, row, g_hash_table_contains(index, uidl));
        is_lost |= has_lost_uidl(row, index);
    }
    if (is_lost)
        suspect_new(self);
}

static void match_answer(Op *op)
{
    MatchOp *self = (MatchOp *)op;

    self->matched(op->error ? NULL : self->matches, op->error ? 0 : self->n, op->error, op->data);
}

static void match_free(Op *op)
{
    MatchOp *self = (MatchOp *)op;

    for (guint i = 0; i < self->n; i++)
        g_free((char *)self->listed[i].uidl);
    g_free(self->listed);
    g_free(self->matches);
}

static const OpKind match_op = {
    .is_alone = TRUE,
    .act = match_act,
    .answer = match_answer,
    .free = match_free,
};

void pop_spool_match(PopSpool *spool, const PopListed *listed, guint n, PopMatched matched,
                     gpointer data)
{
    MatchOp *self = (MatchOp *)op_new(sizeof *self, &match_op, 0, NULL, data);

    self->matched = matched;
    self->n = n;
    self->listed = g_new0(PopListed, n);
    self->matches = g_new0(PopMatch, n);
    for (guint i = 0; i < n; i++)
        self->listed[i] = (PopListed){g_strdup(listed[i].uidl), listed[i].size};
    spool_push(spool, &self->op);
}

/* --- headers --- */

typedef struct {
    Op op;
    gint64 date;
} HeaderOp;

static void header_act(Batch *batch, Op *op)
{
    const PopRow *row = pop_model_get(batch->spool->model, op->number);
    PopRow *changed;

    if (!row || row->message.place != POP_PLACE_WAITING) {
        g_set_error(&op->error, MAIL_ERROR, MAIL_ERROR_NOT_FOUND, "message %u is not waiting",
                    op->number);
        return;
    }
    changed = pop_row_copy(row);
    changed->message.date = ((HeaderOp *)op)->date;
    changed->message.has_header = TRUE;
    op_put(batch, op, changed);
}

static const OpKind header_op = {.act = header_act};

void pop_spool_put_header(PopSpool *spool, guint32 number, gint64 date, GBytes *header,
                          PopDone done, gpointer data)
{
    HeaderOp *self = (HeaderOp *)op_new(sizeof *self, &header_op, number, done, data);

    self->date = date;
    self->op.header = g_bytes_ref(header);
    spool_push(spool, &self->op);
}

/* --- deletion, and doubt --- */

typedef struct {
    Op op;
    GArray *numbers;
    PopPresence presence; /* that they have now */
} NoteOp;

static void forget_header(Batch *batch, Op *op, const PopRow *row)
{
    PopRow *bare;

    if (!row->message.has_header)
        return;
    bare = pop_row_copy(row);
    bare->message.has_header = FALSE;
    op_remove(op, row->message.number); /* with its header, and before it is put */
    op_put(batch, op, bare);
}

static void note_act(Batch *batch, Op *op)
{
    NoteOp *self = (NoteOp *)op;

    for (guint i = 0; i < self->numbers->len; i++) {
        const PopRow *row =
            pop_model_get(batch->spool->model, g_array_index(self->numbers, guint32, i));

        if (row && row->message.place == POP_PLACE_WAITING)
            forget_header(batch, op, row);
        else if (row && row->message.uidl)
            set_presence(batch, op, row, self->presence);
    }
}

static void note_free(Op *op)
{
    g_array_unref(((NoteOp *)op)->numbers);
}

static const OpKind note_op = {.is_alone = TRUE, .act = note_act, .free = note_free};

static void note(PopSpool *spool, const guint32 *numbers, guint n, PopPresence presence,
                 PopDone done, gpointer data)
{
    NoteOp *self = (NoteOp *)op_new(sizeof *self, &note_op, 0, done, data);

    self->numbers = g_array_new(FALSE, FALSE, sizeof(guint32));
    g_array_append_vals(self->numbers, numbers, n);
    self->presence = presence;
    spool_push(spool, &self->op);
}

void pop_spool_note_deleted(PopSpool *spool, const guint32 *numbers, guint n, gboolean is_confirmed,
                            PopDone done, gpointer data)
{
    note(spool, numbers, n, is_confirmed ? POP_ABSENT : POP_UNSURE, done, data);
}

void pop_spool_note_doubt(PopSpool *spool, const guint32 *numbers, guint n, PopDone done,
                          gpointer data)
{
    note(spool, numbers, n, POP_DOUBTFUL, done, data);
}

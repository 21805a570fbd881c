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
    return (PopMatch){POP_MATCH_NEW, message.number};
}

static PopMatch match_known(Batch *batch, Op *op, const PopRow *row)
{
    PopMatch match = {POP_MATCH_STORED, row->message.number};

    if (row->message.place == POP_PLACE_WAITING)
        match.kind = POP_MATCH_WAITING;
    else if (row->message.presence == POP_ABSENT || row->message.presence == POP_DOUBTFUL)
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

static void match_act(Batch *batch, Op *op)
{
    MatchOp *self = (MatchOp *)op;
    const PopModel *model = batch->spool->model;
    g_autoptr(GHashTable) index = index_list(self);

    for (guint i = 0; i < self->n; i++) {
        const PopListed *listed = &self->listed[i];
        const PopRow *row;

        self->matches[i] = (PopMatch){POP_MATCH_AMBIGUOUS, 0};
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
    }
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

/* --- deletion --- */

typedef struct {
    Op op;
    GArray *numbers;
    gboolean is_confirmed;
} DeletedOp;

static void deleted_act(Batch *batch, Op *op)
{
    DeletedOp *self = (DeletedOp *)op;

    for (guint i = 0; i < self->numbers->len; i++) {
        const PopRow *row =
            pop_model_get(batch->spool->model, g_array_index(self->numbers, guint32, i));

        if (row)
            set_presence(batch, op, row, self->is_confirmed ? POP_ABSENT : POP_UNSURE);
    }
}

static void deleted_free(Op *op)
{
    g_array_unref(((DeletedOp *)op)->numbers);
}

static const OpKind deleted_op = {.is_alone = TRUE, .act = deleted_act, .free = deleted_free};

void pop_spool_note_deleted(PopSpool *spool, const guint32 *numbers, guint n, gboolean is_confirmed,
                            PopDone done, gpointer data)
{
    DeletedOp *self = (DeletedOp *)op_new(sizeof *self, &deleted_op, 0, done, data);

    self->numbers = g_array_new(FALSE, FALSE, sizeof(guint32));
    g_array_append_vals(self->numbers, numbers, n);
    self->is_confirmed = is_confirmed;
    spool_push(spool, &self->op);
}

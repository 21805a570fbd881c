/* SPDX-License-Identifier: MIT */
/* pop/spool-batch.c - operations: their queue, and batches of them, done by a helper thread. */
#include <gio/gio.h>
#include <string.h>

#include "pop/spool-private.h"

#define BATCH_MAX 256 /* operations; as many files may be open */

/* --- operations --- */

Op *op_new(gsize size, const OpKind *kind, guint32 number, PopDone done, gpointer data)
{
    Op *op = g_malloc0(size);

    op->kind = kind;
    op->number = number;
    op->done = done;
    op->data = data;
    op->put = g_ptr_array_new_with_free_func(pop_row_free);
    op->shown = g_ptr_array_new_with_free_func(pop_row_free);
    op->removed = g_array_new(FALSE, FALSE, sizeof(guint32));
    return op;
}

static void op_free(gpointer data)
{
    Op *op = data;

    if (op->kind->free)
        op->kind->free(op);
    g_clear_error(&op->error);
    g_ptr_array_unref(op->put);
    g_ptr_array_unref(op->shown);
    g_array_unref(op->removed);
    g_free(op->stopped);
    g_clear_pointer(&op->header, g_bytes_unref);
    g_free(op);
}

void spool_answer(GPtrArray *ops)
{
    for (guint i = 0; i < ops->len; i++) {
        Op *op = ops->pdata[i];

        if (op->kind->answer)
            op->kind->answer(op);
        else if (op->done)
            op->done(op->number, op->error, op->data);
    }
    g_ptr_array_unref(ops);
}

void op_put(const Batch *batch, Op *op, PopRow *row)
{
    PopMessage *message = &row->message;
    gboolean is_over = message->place == POP_PLACE_GONE && message->presence == POP_ABSENT;

    message->left = is_over ? batch->now : 0;
    g_ptr_array_add(op->put, row);
}

void op_show(Op *op, PopRow *row)
{
    g_ptr_array_add(op->shown, row);
}

void op_remove(Op *op, guint32 number)
{
    g_array_append_val(op->removed, number);
}

void op_put_gone(const Batch *batch, Op *op, const PopRow *row)
{
    PopRow *gone = pop_row_copy(row);

    pop_file_clear(&gone->file);
    gone->message.place = POP_PLACE_GONE;
    gone->message.flags = 0;
    op_put(batch, op, gone);
}

void op_touch(Batch *batch, Op *op, const PopFile *file)
{
    op->has_moved = TRUE;
    batch->dirty[file->place][file->sub] = TRUE;
}

guint32 op_new_number(Batch *batch, Op *op)
{
    if (batch->next < POP_NUMBER_MAX)
        return batch->next++;
    g_set_error(&op->error, MAIL_ERROR, MAIL_ERROR_LOCAL, "the spool has no numbers left");
    return 0;
}

const PopRow *op_stored_row(const Batch *batch, Op *op)
{
    const PopRow *row = pop_model_get(batch->spool->model, op->number);

    if (row && pop_message_is_stored(&row->message))
        return row;
    g_set_error(&op->error, MAIL_ERROR, MAIL_ERROR_NOT_FOUND, "message %u is not here", op->number);
    return NULL;
}

/* --- the helper's part of a batch --- */

static void fail_op(Batch *batch, Op *op, const GError *error)
{
    if (!op->error)
        op->error = g_error_copy(error);
    if (op->has_moved && op->kind->undo)
        op->kind->undo(batch, op);
}

static void sync_directories(Batch *batch)
{
    g_autoptr(GError) error = NULL;

    for (int place = 0; place < POP_N_PLACES && !error; place++)
        for (int sub = 0; sub < POP_TMP && !error; sub++)
            if (batch->dirty[place][sub] &&
                !pop_maildir_sync(batch->spool->maildir, (PopPlace)place, (PopSub)sub, &error))
                break;
    for (guint i = 0; error && i < batch->ops->len; i++)
        if (((Op *)batch->ops->pdata[i])->has_moved)
            fail_op(batch, batch->ops->pdata[i], error);
}

static PopIndexChange change_of(const Op *op)
{
    return (PopIndexChange){
        /* A row begins with its message. */
        .put = op->put,         .removed = op->removed,
        .stopped = op->stopped, .header_of = op->header ? op->number : 0,
        .header = op->header,
    };
}

static gboolean has_change(const Op *op)
{
    return !op->error && (op->put->len || op->removed->len || op->stopped || op->header);
}

static void write_index(Batch *batch)
{
    g_autoptr(GArray) changes = g_array_new(FALSE, TRUE, sizeof(PopIndexChange));
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < batch->ops->len; i++)
        if (has_change(batch->ops->pdata[i])) {
            PopIndexChange change = change_of(batch->ops->pdata[i]);

            change.next = changes->len ? 0 : batch->next;
            g_array_append_val(changes, change);
        }
    if (!changes->len ||
        pop_index_write(batch->spool->index, (PopIndexChange *)changes->data, changes->len, &error))
        return;
    /* What was not taken may come to light at the next start, so the files stay. */
    for (guint i = 0; i < batch->ops->len; i++)
        if (has_change(batch->ops->pdata[i]))
            ((Op *)batch->ops->pdata[i])->error = g_error_copy(error);
}

static void do_batch(Batch *batch)
{
    for (guint i = 0; i < batch->ops->len; i++) {
        Op *op = batch->ops->pdata[i];

        if (op->kind->prepare)
            op->kind->prepare(batch, op);
    }
    for (guint i = 0; i < batch->ops->len; i++) {
        Op *op = batch->ops->pdata[i];

        if (!op->error)
            op->kind->act(batch, op);
    }
    sync_directories(batch);
    write_index(batch);
    for (guint i = 0; i < batch->ops->len; i++) {
        const Op *op = batch->ops->pdata[i];

        batch->is_behind |= op->error && op->has_moved;
    }
}

static void batch_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    Batch *batch = data;

    do_batch(batch);
    g_mutex_lock(&batch->mutex);
    batch->is_done = TRUE;
    g_cond_signal(&batch->cond);
    g_mutex_unlock(&batch->mutex);
    g_task_return_boolean(task, TRUE);
}

/* --- the engine's part --- */

static Batch *batch_new(PopSpool *spool)
{
    Batch *batch = g_new0(Batch, 1);

    batch->spool = spool;
    batch->ops = g_ptr_array_new_with_free_func(op_free);
    batch->now = g_get_real_time() / G_USEC_PER_SEC;
    batch->next = spool->next;
    batch->stamp = spool->stamp;
    g_mutex_init(&batch->mutex);
    g_cond_init(&batch->cond);
    return batch;
}

static void batch_free(gpointer data)
{
    Batch *batch = data;

    g_clear_pointer(&batch->ops, g_ptr_array_unref);
    g_mutex_clear(&batch->mutex);
    g_cond_clear(&batch->cond);
    g_free(batch);
}

static void take_rows(PopSpool *spool, GPtrArray *rows)
{
    while (rows->len)
        pop_model_put(spool->model, g_ptr_array_steal_index(rows, rows->len - 1));
}

static void take_op(PopSpool *spool, Op *op)
{
    if (op->kind->end)
        op->kind->end(op);
    if (op->error)
        return;
    for (guint i = 0; i < op->removed->len; i++)
        pop_model_remove(spool->model, g_array_index(op->removed, guint32, i));
    take_rows(spool, op->put);
    take_rows(spool, op->shown);
    if (op->stopped) {
        g_free(spool->stopped);
        spool->stopped = g_steal_pointer(&op->stopped);
    }
}

/* What a look of our own has found is told to the next who asks for one. */
static void take_look(PopSpool *spool, Op *op, const Batch *batch)
{
    if (op->error)
        return;
    spool->stamp = batch->stamp;
    spool->is_behind = FALSE;
    spool->has_news |= op->number != 0;
    if (!op->done)
        return;
    op->number = spool->has_news;
    spool->has_news = FALSE;
}

static void note_failure(PopSpool *spool, const GError *error)
{
    if (!g_error_matches(error, MAIL_ERROR, MAIL_ERROR_LOCAL) &&
        !g_error_matches(error, MAIL_ERROR, MAIL_ERROR_NO_SPACE))
        return;
    g_free(spool->failure);
    spool->failure = g_strdup(error->message);
}

/* Without a look at the files nothing can be done to them. */
static void fail_queue(PopSpool *spool, const GError *error, GPtrArray *ops)
{
    Op *op;

    while ((op = g_queue_pop_head(&spool->queue))) {
        op->error = g_error_copy(error);
        take_op(spool, op);
        g_ptr_array_add(ops, op);
    }
}

/* Its operations, to be answered; they are yours. */
static GPtrArray *take_batch(PopSpool *spool, Batch *batch)
{
    GPtrArray *ops = g_steal_pointer(&batch->ops);
    Op *first = ops->pdata[0];

    batch->spool = NULL;
    spool->batch = NULL;
    spool->next = batch->next;
    g_clear_pointer(&spool->failure, g_free);
    for (guint i = 0; i < ops->len; i++) {
        Op *op = ops->pdata[i];

        if (op->error)
            note_failure(spool, op->error);
        take_op(spool, op);
    }
    if (first->kind == &refresh_op)
        take_look(spool, first, batch);
    spool->is_behind |= batch->is_behind;
    spool->has_looked = first->kind == &refresh_op && !first->error;
    if (first->kind == &refresh_op && first->error && spool->is_behind)
        fail_queue(spool, first->error, ops);
    return ops;
}

static void start_later(PopSpool *spool);

static void on_batch_done(GObject *source, GAsyncResult *result, gpointer data)
{
    Batch *batch = g_task_get_task_data(G_TASK(result));
    PopSpool *spool = batch->spool;
    GPtrArray *ops;

    if (!spool)
        return;
    ops = take_batch(spool, batch);
    start_later(spool);
    spool_answer(ops);
}

/* --- the queue --- */

static gsize key_of_hash(const guint8 *hash)
{
    gsize key;

    memcpy(&key, hash, sizeof key);
    /* Apart from numbers; two contents of one key only wait for each other. */
    return key | ~(G_MAXSIZE >> 1);
}

static void add_key(GArray *keys, gsize key)
{
    g_array_append_val(keys, key);
}

/* What an operation may touch. */
static GArray *keys_of(const PopSpool *spool, const Op *op)
{
    GArray *keys = g_array_new(FALSE, FALSE, sizeof(gsize));
    const guint8 *hash = op->kind == &receive_op ? receive_op_hash(op) : NULL;

    if (op->number)
        add_key(keys, op->number);
    if (!hash)
        return keys;
    add_key(keys, key_of_hash(hash));
    for (const GSList *link = pop_model_get_hash(spool->model, hash); link; link = link->next)
        add_key(keys, ((const PopRow *)link->data)->message.number);
    return keys;
}

/* Whether @op has nothing to do with those in the batch; then it counts as one of them. */
static gboolean can_join(const PopSpool *spool, const Op *op, GHashTable *taken)
{
    g_autoptr(GArray) keys = keys_of(spool, op);

    for (guint i = 0; i < keys->len; i++)
        if (g_hash_table_contains(taken, GSIZE_TO_POINTER(g_array_index(keys, gsize, i))))
            return FALSE;
    for (guint i = 0; i < keys->len; i++)
        g_hash_table_add(taken, GSIZE_TO_POINTER(g_array_index(keys, gsize, i)));
    return TRUE;
}

static void fill_batch(PopSpool *spool, Batch *batch)
{
    g_autoptr(GHashTable) taken = g_hash_table_new(NULL, NULL);
    const Op *op;

    while (batch->ops->len < BATCH_MAX && (op = g_queue_peek_head(&spool->queue))) {
        if ((op->kind->is_alone && batch->ops->len) || !can_join(spool, op, taken))
            return;
        g_ptr_array_add(batch->ops, g_queue_pop_head(&spool->queue));
        if (op->kind->is_alone)
            return;
    }
}

static gboolean on_start(gpointer data)
{
    PopSpool *spool = data;
    g_autoptr(GTask) task = NULL;

    spool->start_source = 0;
    if (spool->is_behind && !spool->has_looked)
        g_queue_push_head(&spool->queue, op_new(sizeof(Op), &refresh_op, 0, NULL, NULL));
    spool->batch = batch_new(spool);
    fill_batch(spool, spool->batch);
    task = g_task_new(NULL, NULL, on_batch_done, NULL);
    g_task_set_task_data(task, spool->batch, batch_free);
    g_task_run_in_thread(task, batch_thread);
    return G_SOURCE_REMOVE;
}

/* All that comes in this turn is in one batch. */
static void start_later(PopSpool *spool)
{
    if (!spool->batch && !spool->start_source && !g_queue_is_empty(&spool->queue))
        spool->start_source = g_idle_add_full(G_PRIORITY_DEFAULT, on_start, spool, NULL);
}

void spool_push(PopSpool *spool, Op *op)
{
    g_queue_push_tail(&spool->queue, op);
    start_later(spool);
}

/* --- without the queue --- */

gboolean spool_do_now(PopSpool *spool, Op *op, GError **error)
{
    Batch *batch = batch_new(spool);
    g_autoptr(GPtrArray) ops = NULL;

    g_ptr_array_add(batch->ops, op);
    do_batch(batch);
    ops = take_batch(spool, batch);
    batch_free(batch);
    if (!op->error)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&op->error));
    return FALSE;
}

static GPtrArray *end_batch(PopSpool *spool)
{
    Batch *batch = spool->batch;

    if (!batch)
        return g_ptr_array_new_with_free_func(op_free);
    g_mutex_lock(&batch->mutex);
    while (!batch->is_done)
        g_cond_wait(&batch->cond, &batch->mutex);
    g_mutex_unlock(&batch->mutex);
    return take_batch(spool, batch);
}

GPtrArray *spool_end(PopSpool *spool, const GError *error)
{
    GPtrArray *ops;

    g_clear_handle_id(&spool->start_source, g_source_remove);
    ops = end_batch(spool);
    fail_queue(spool, error, ops);
    return ops;
}

/* SPDX-License-Identifier: MIT */
/* pop/spool-receive.c - storing a message: its file, and which message it is. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "pop/spool-private.h"

#define BUFFER_MAX 65536 /* a message of less is written by the helper thread only */

struct PopWriter {
    PopSpool *spool;
    guint32 number;
    char *stem; /* of its file */
    int fd;     /* -1: nothing is written yet */
    GByteArray *buffer;
    PopHash *hash;
    guint64 size;
    GError *error;
};

typedef struct {
    Op op;
    PopWriter *writer;
    guint8 hash[POP_HASH_LEN];
    PopFile file; /* where it was delivered to */
} ReceiveOp;

/* --- writing --- */

PopWriter *pop_spool_receive(PopSpool *spool, guint32 number)
{
    const PopMessage *message = pop_spool_get(spool, number);
    gint64 date = message ? message->date : g_get_real_time() / G_USEC_PER_SEC;
    PopWriter *writer = g_new0(PopWriter, 1);

    writer->spool = spool;
    writer->number = number;
    writer->stem = pop_maildir_stem(pop_spool_validity(spool), date);
    writer->fd = -1;
    writer->buffer = g_byte_array_new();
    writer->hash = pop_hash_new();
    return writer;
}

static gboolean write_all(PopWriter *writer, const guint8 *bytes, gsize len, GError **error)
{
    if (writer->fd < 0)
        writer->fd = pop_maildir_create(writer->spool->maildir, writer->stem, error);
    if (writer->fd < 0)
        return FALSE;
    while (len > 0) {
        ssize_t n = write(writer->fd, bytes, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            pop_maildir_fail(error, errno, "write", writer->stem);
            return FALSE;
        }
        bytes += n;
        len -= (gsize)n;
    }
    return TRUE;
}

static void flush(PopWriter *writer)
{
    if (!writer->error &&
        write_all(writer, writer->buffer->data, writer->buffer->len, &writer->error))
        g_byte_array_set_size(writer->buffer, 0);
}

gboolean pop_writer_append(PopWriter *writer, const void *bytes, gsize len, GError **error)
{
    if (writer->buffer->len + len > BUFFER_MAX)
        flush(writer);
    if (!writer->error && len > BUFFER_MAX)
        write_all(writer, bytes, len, &writer->error);
    else if (!writer->error)
        g_byte_array_append(writer->buffer, bytes, (guint)len);
    if (writer->error) {
        g_propagate_error(error, g_error_copy(writer->error));
        return FALSE;
    }
    pop_hash_add(writer->hash, bytes, len);
    writer->size += len;
    return TRUE;
}

static void drop_file(PopWriter *writer)
{
    if (writer->fd < 0)
        return;
    close(writer->fd);
    writer->fd = -1;
    pop_maildir_discard(writer->spool->maildir, writer->stem);
}

void pop_writer_free(PopWriter *writer)
{
    if (!writer)
        return;
    drop_file(writer);
    g_free(writer->stem);
    g_byte_array_unref(writer->buffer);
    pop_hash_free(writer->hash);
    g_clear_error(&writer->error);
    g_free(writer);
}

/* --- which message it is --- */

/* Another message of the same content which this one is: one whose UIDL is not known, or has left
 * the server, for servers change all of them at times.  When nothing but its content is known of
 * it, any. */
static const PopRow *find_twin(const PopModel *model, const PopRow *row, const guint8 *hash)
{
    const PopRow *twin = NULL;

    for (const GSList *link = pop_model_get_hash(model, hash); link; link = link->next) {
        const PopRow *other = link->data;
        gboolean is_twin = !row || !other->message.uidl || other->message.presence == POP_ABSENT;

        /* One that is here rather than one that is gone. */
        if (is_twin && (!twin || twin->message.place == POP_PLACE_GONE))
            twin = other;
    }
    return twin;
}

/* The message is @twin, and its UIDL is known now, unless it is NULL. */
static void adopt(Batch *batch, Op *op, const PopRow *twin, const char *uidl)
{
    PopRow *adopted = pop_row_copy(twin);

    if (uidl) {
        pop_row_set_uidl(adopted, uidl);
        adopted->message.presence = POP_LISTED;
    }
    op->number = twin->message.number;
    op_put(batch, op, adopted);
}

static void prove(Batch *batch, Op *op, const PopRow *row)
{
    PopRow *proved;

    if (row->message.presence == POP_LISTED)
        return;
    proved = pop_row_copy(row);
    proved->message.presence = POP_LISTED;
    op_put(batch, op, proved);
}

/* A file that could not be read when the files were looked at: the server still has its message. */
static void remove_unreadable(const Batch *batch, guint32 number)
{
    const PopSpool *spool = batch->spool;
    g_autoptr(GArray) files = spool->is_behind ? pop_maildir_scan(spool->maildir, NULL) : NULL;

    for (guint i = 0; files && i < files->len; i++) {
        const PopFile *file = &g_array_index(files, PopFile, i);

        if (spool_is_own(spool, file) && file->number == number &&
            !pop_maildir_remove(spool->maildir, file, NULL))
            g_message("message %u: a file that cannot be read stays", number);
    }
}

/* Its data is on the disk before its name is. */
static gboolean deliver(Batch *batch, ReceiveOp *self, guint32 number)
{
    Op *op = &self->op;
    PopWriter *writer = self->writer;
    PopFile file;

    if (fsync(writer->fd) < 0) {
        pop_maildir_fail(&op->error, errno, "sync", writer->stem);
        return FALSE;
    }
    remove_unreadable(batch, number);
    file = pop_maildir_name(writer->stem, number, POP_PLACE_INBOX, POP_NEW, 0);
    if (!pop_maildir_deliver(batch->spool->maildir, writer->stem, &file, &op->error)) {
        pop_file_clear(&file);
        return FALSE;
    }
    close(writer->fd);
    writer->fd = -1;
    self->file = file;
    op_touch(batch, op, &file);
    return TRUE;
}

static void store(Batch *batch, ReceiveOp *self, guint32 number, const char *uidl)
{
    PopMessage message = {
        .number = number,
        .presence = uidl ? POP_LISTED : POP_ABSENT,
        .size = self->writer->size,
        .date = g_ascii_strtoll(self->writer->stem, NULL, 10),
        .retrieved = batch->now,
        .uidl = uidl,
        .has_hash = TRUE,
    };
    PopRow *row;

    if (!number || !deliver(batch, self, number))
        return;
    memcpy(message.hash, self->hash, POP_HASH_LEN);
    row = pop_row_new(&message);
    pop_row_take_file(row, pop_file_copy(&self->file));
    self->op.number = number;
    op_put(batch, &self->op, row);
}

/* Another message came under the UIDL of one that is here.  The UIDL is that of the new one, and
 * none of this server's is trusted to be one message's any more. */
static void store_beside(Batch *batch, ReceiveOp *self, const PopRow *row)
{
    Op *op = &self->op;
    guint32 old = row->message.number;
    PopRow *other = pop_row_copy(row);
    const PopRow *twin = find_twin(batch->spool->model, row, self->hash);

    pop_row_set_uidl(other, NULL);
    other->message.presence = POP_ABSENT;
    op_put(batch, op, other);
    if (twin)
        adopt(batch, op, twin, row->message.uidl);
    else
        store(batch, self, op_new_number(batch, op), row->message.uidl);
    op->stopped =
        g_strdup_printf("the server gave messages %u and %u the same unique id", old, op->number);
}

static gboolean is_same(const PopRow *row, const guint8 *hash)
{
    return memcmp(row->message.hash, hash, POP_HASH_LEN) == 0;
}

static void receive_act(Batch *batch, Op *op)
{
    ReceiveOp *self = (ReceiveOp *)op;
    const PopModel *model = batch->spool->model;
    const PopRow *row = pop_model_get(model, op->number), *twin;

    if (op->number && !row) {
        g_set_error(&op->error, MAIL_ERROR, MAIL_ERROR_GONE,
                    "store message %u: it is not listed any more", op->number);
    } else if (row && row->message.has_hash) {
        if (is_same(row, self->hash))
            prove(batch, op, row);
        else
            store_beside(batch, self, row);
    } else if ((twin = find_twin(model, row, self->hash))) {
        adopt(batch, op, twin, row ? row->message.uidl : NULL);
        if (row)
            op_remove(op, row->message.number);
    } else {
        store(batch, self, row ? row->message.number : op_new_number(batch, op),
              row ? row->message.uidl : NULL);
    }
    drop_file(self->writer);
}

/* --- the operation --- */

/* The disk has something to do while the other messages of the batch are written. */
static void receive_prepare(Batch *batch, Op *op)
{
    PopWriter *writer = ((ReceiveOp *)op)->writer;

    flush(writer);
    if (writer->error)
        op->error = g_error_copy(writer->error);
    else
        sync_file_range(writer->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

static void receive_undo(Batch *batch, Op *op)
{
    ReceiveOp *self = (ReceiveOp *)op;

    if (pop_maildir_remove(batch->spool->maildir, &self->file, NULL))
        op->has_moved = FALSE;
}

static void receive_end(Op *op)
{
    ReceiveOp *self = (ReceiveOp *)op;

    self->writer->spool->backlog -= self->writer->size;
    g_clear_pointer(&self->writer, pop_writer_free);
}

static void receive_free(Op *op)
{
    pop_file_clear(&((ReceiveOp *)op)->file);
}

const OpKind receive_op = {
    .prepare = receive_prepare,
    .act = receive_act,
    .undo = receive_undo,
    .end = receive_end,
    .free = receive_free,
};

const guint8 *receive_op_hash(const Op *op)
{
    return ((const ReceiveOp *)op)->hash;
}

void pop_writer_finish(PopWriter *writer, PopDone done, gpointer data)
{
    ReceiveOp *self = (ReceiveOp *)op_new(sizeof *self, &receive_op, writer->number, done, data);

    self->writer = writer;
    pop_hash_end(writer->hash, self->hash);
    writer->spool->backlog += writer->size;
    spool_push(writer->spool, &self->op);
}

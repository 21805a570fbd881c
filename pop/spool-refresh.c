/* SPDX-License-Identifier: MIT */
/* pop/spool-refresh.c - what other programs did to the Maildirs, and what a crash left undone. */
#include <string.h>

#include "pop/spool-private.h"

/* A look at all files. */
typedef struct {
    Batch *batch;
    Op *op;
    const PopSpool *spool;
    GArray *files;         /* PopFile */
    GHashTable *by_number; /* the files that are a message's: number: index in files + 1 */
    GHashTable *missing;   /* PopRow: messages that should have a file */
} Look;

/* --- which file is which message's --- */

/* Whether the file is where the message was last, and under the same name if that is known. */
static gboolean is_where_it_was(const PopFile *file, const PopRow *row)
{
    return row && row->message.place == file->place &&
           (!row->file.name || g_str_equal(row->file.name, file->name));
}

static gboolean has_base(const PopFile *file, const char *base)
{
    g_autofree char *other = pop_file_dup_base(file);

    return g_strcmp0(base, other) == 0;
}

/* Anybody may bring a file that has a number of ours in its name. */
static gboolean is_ours(const Look *look, const PopFile *file, const PopRow *row)
{
    if (!file->number)
        return FALSE;
    if (!row)
        return look->spool->is_rebuilding;
    if (row->message.place == POP_PLACE_WAITING)
        return spool_is_own(look->spool, file);
    return pop_message_is_stored(&row->message) && has_base(file, row->message.base);
}

/* Of two files of one number the one that did not change is the message; the other is a copy. */
static void claim_numbers(Look *look, gboolean also_moved)
{
    for (guint i = 0; i < look->files->len; i++) {
        const PopFile *file = &g_array_index(look->files, PopFile, i);
        gpointer number = GUINT_TO_POINTER(file->number);
        const PopRow *row = file->number ? pop_model_get(look->spool->model, file->number) : NULL;

        if (is_ours(look, file, row) && (also_moved || is_where_it_was(file, row)) &&
            !g_hash_table_contains(look->by_number, number))
            g_hash_table_insert(look->by_number, number, GUINT_TO_POINTER(i + 1));
    }
}

static void find_missing(Look *look)
{
    const PopModel *model = look->spool->model;

    for (const PopRow *row = pop_model_next(model, 0); row;
         row = pop_model_next(model, row->message.number))
        if (pop_message_is_stored(&row->message) &&
            !g_hash_table_contains(look->by_number, GUINT_TO_POINTER(row->message.number)))
            g_hash_table_add(look->missing, (gpointer)row);
}

static gboolean look_at_files(Look *look)
{
    g_clear_pointer(&look->files, g_array_unref);
    g_hash_table_remove_all(look->by_number);
    g_hash_table_remove_all(look->missing);
    look->files = pop_maildir_scan(look->spool->maildir, &look->op->error);
    if (!look->files)
        return FALSE;
    claim_numbers(look, FALSE);
    claim_numbers(look, TRUE);
    find_missing(look);
    return TRUE;
}

/* A file that is renamed while its directory is read may not be seen: what seems to be missing is
 * looked for twice. */
static gboolean look_twice(Look *look)
{
    return look_at_files(look) && (g_hash_table_size(look->missing) == 0 || look_at_files(look));
}

/* --- messages --- */

static gboolean prove(const Look *look, const PopFile *file, PopProof *ret_proof)
{
    g_autoptr(GError) error = NULL;

    if (pop_maildir_prove(look->spool->maildir, file, ret_proof, &error))
        return TRUE;
    /* Another program may have taken it away; else it is looked at again. */
    look->batch->stamp.is_settled = FALSE;
    if (!g_error_matches(error, MAIL_ERROR, MAIL_ERROR_NOT_FOUND))
        g_message("a file of the spool is left out: %s", error->message);
    return FALSE;
}

static void set_proof(PopRow *row, const PopProof *proof, gint64 now)
{
    memcpy(row->message.hash, proof->hash, POP_HASH_LEN);
    row->message.has_hash = TRUE;
    row->message.size = proof->size;
    row->message.retrieved = now;
}

static void set_trashed(PopRow *row, gint64 now)
{
    if (row->message.place != POP_PLACE_TRASH)
        row->message.trashed = 0;
    else if (!row->message.trashed)
        row->message.trashed = now;
}

/* A file that came to a message which had none: we died before the index was told. */
static void take_found(const Look *look, const PopFile *file, const PopRow *row)
{
    PopMessage fresh = {.number = file->number};
    PopProof proof;
    PopRow *found;

    if (!prove(look, file, &proof)) {
        /* Nothing is to come beside it. */
        look->batch->is_behind = TRUE;
        return;
    }
    found = row ? pop_row_copy(row) : pop_row_new(&fresh);
    found->message.date = file->date;
    pop_row_take_file(found, pop_file_copy(file));
    set_proof(found, &proof, look->batch->now);
    set_trashed(found, look->batch->now);
    op_put(look->batch, look->op, found);
}

static void take_known(const Look *look, const PopFile *file, const PopRow *row)
{
    PopRow *known;

    if (file->sub == row->file.sub && is_where_it_was(file, row) && row->file.name)
        return;
    known = pop_row_copy(row);
    pop_row_take_file(known, pop_file_copy(file));
    set_trashed(known, look->batch->now);
    if (file->place == row->message.place)
        op_show(look->op, known);
    else
        op_put(look->batch, look->op, known);
}

static void take_numbered(const Look *look)
{
    GHashTableIter iter;
    gpointer number, index;

    g_hash_table_iter_init(&iter, look->by_number);
    while (g_hash_table_iter_next(&iter, &number, &index)) {
        const PopFile *file = &g_array_index(look->files, PopFile, GPOINTER_TO_UINT(index) - 1);
        const PopRow *row = pop_model_get(look->spool->model, GPOINTER_TO_UINT(number));

        if (row && row->message.has_hash)
            take_known(look, file, row);
        else
            take_found(look, file, row);
    }
}

/* --- files of others --- */

/* A message that lost its file, and has this content: it was moved by a program that gives files
 * names of its own. */
static const PopRow *find_moved(const Look *look, const guint8 *hash)
{
    for (const GSList *link = pop_model_get_hash(look->spool->model, hash); link; link = link->next)
        if (g_hash_table_contains(look->missing, link->data))
            return link->data;
    return NULL;
}

static void take_foreign(const Look *look, const PopFile *file)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *stem = NULL;
    const PopRow *moved;
    PopMessage fresh = {0};
    PopProof proof;
    PopFile to;
    PopRow *row;

    if (!prove(look, file, &proof))
        return;
    moved = find_moved(look, proof.hash);
    fresh.number = moved ? moved->message.number : op_new_number(look->batch, look->op);
    fresh.date = moved ? moved->message.date : proof.modified;
    if (!fresh.number)
        return;
    stem = pop_maildir_stem(pop_index_validity(look->spool->index), fresh.date);
    to = pop_maildir_name(stem, fresh.number, file->place, file->sub, file->flags);
    if (!pop_maildir_move(look->spool->maildir, file, &to, &error)) {
        pop_file_clear(&to);
        return;
    }
    op_touch(look->batch, look->op, &to);
    row = moved ? pop_row_copy(moved) : pop_row_new(&fresh);
    pop_row_take_file(row, to);
    if (!moved)
        set_proof(row, &proof, look->batch->now);
    else
        g_hash_table_remove(look->missing, moved);
    set_trashed(row, look->batch->now);
    op_put(look->batch, look->op, row);
}

static void take_all_foreign(const Look *look)
{
    for (guint i = 0; i < look->files->len && !look->op->error; i++) {
        const PopFile *file = &g_array_index(look->files, PopFile, i);
        gpointer number = GUINT_TO_POINTER(file->number);

        if (GPOINTER_TO_UINT(g_hash_table_lookup(look->by_number, number)) != i + 1)
            take_foreign(look, file);
    }
}

static void forget_missing(const Look *look)
{
    GHashTableIter iter;
    gpointer row;

    g_hash_table_iter_init(&iter, look->missing);
    while (g_hash_table_iter_next(&iter, &row, NULL))
        op_put_gone(look->batch, look->op, row);
}

/* --- the operation --- */

/* Numbers of files are not given again, whatever becomes of the files. */
static void note_numbers(const Look *look)
{
    for (guint i = 0; i < look->files->len && look->spool->is_rebuilding; i++)
        look->batch->next =
            MAX(look->batch->next, g_array_index(look->files, PopFile, i).number + 1);
}

/* What is found was not known to be on the disk. */
static void sync_all(const Look *look)
{
    for (PopPlace place = POP_PLACE_INBOX; place <= POP_PLACE_TRASH; place++)
        for (PopSub sub = POP_NEW; sub < POP_TMP; sub++)
            look->batch->dirty[place][sub] = TRUE;
    look->op->has_moved = TRUE;
}

static void reconcile(Look *look)
{
    if (!look_twice(look))
        return;
    note_numbers(look);
    take_numbered(look);
    take_all_foreign(look);
    forget_missing(look);
    if (look->op->put->len)
        sync_all(look);
    look->op->number = look->op->put->len || look->op->shown->len;
}

static void refresh_act(Batch *batch, Op *op)
{
    const PopSpool *spool = batch->spool;
    Look look = {.batch = batch, .op = op, .spool = spool};

    if (!pop_maildir_stamp(spool->maildir, &batch->stamp, &op->error) ||
        (!spool->is_behind && pop_stamp_equal(&spool->stamp, &batch->stamp)))
        return;
    look.by_number = g_hash_table_new(NULL, NULL);
    look.missing = g_hash_table_new(NULL, NULL);
    reconcile(&look);
    g_hash_table_unref(look.by_number);
    g_hash_table_unref(look.missing);
    g_clear_pointer(&look.files, g_array_unref);
}

const OpKind refresh_op = {.is_alone = TRUE, .act = refresh_act};

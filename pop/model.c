/* SPDX-License-Identifier: MIT */
/* pop/model.c - the messages of a spool in memory. */
#include "pop/model.h"

#include <string.h>

struct PopModel {
    GTree *rows;         /* by number; owned */
    GHashTable *by_uidl; /* UIDL of the row: row */
    GHashTable *by_hash; /* a copy of the hash: GSList of rows */
};

/* --- rows --- */

PopRow *pop_row_new(const PopMessage *message)
{
    PopRow *row = g_new0(PopRow, 1);

    row->message = *message;
    row->message.uidl = g_strdup(message->uidl);
    row->message.base = g_strdup(message->base);
    return row;
}

PopRow *pop_row_copy(const PopRow *row)
{
    PopRow *copy = pop_row_new(&row->message);

    copy->file = pop_file_copy(&row->file);
    return copy;
}

void pop_row_free(gpointer data)
{
    PopRow *row = data;

    g_free((char *)row->message.uidl);
    g_free((char *)row->message.base);
    pop_file_clear(&row->file);
    g_free(row);
}

void pop_row_set_uidl(PopRow *row, const char *uidl)
{
    char *copy = g_strdup(uidl);

    g_free((char *)row->message.uidl);
    row->message.uidl = copy;
}

void pop_row_take_file(PopRow *row, PopFile file)
{
    pop_file_clear(&row->file);
    row->file = file;
    g_free((char *)row->message.base);
    row->message.base = pop_file_dup_base(&file);
    row->message.flags = file.flags;
    row->message.place = file.place;
    row->message.has_header = FALSE;
}

/* --- life --- */

static int compare(gconstpointer a, gconstpointer b, gpointer data)
{
    guint32 left = GPOINTER_TO_UINT(a), right = GPOINTER_TO_UINT(b);

    return left < right ? -1 : left > right;
}

static guint hash_of_hash(gconstpointer hash)
{
    guint value;

    memcpy(&value, hash, sizeof value);
    return value;
}

static gboolean equal_hash(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, POP_HASH_LEN) == 0;
}

PopModel *pop_model_new(void)
{
    PopModel *model = g_new0(PopModel, 1);

    model->rows = g_tree_new_full(compare, NULL, NULL, pop_row_free);
    model->by_uidl = g_hash_table_new(g_str_hash, g_str_equal);
    model->by_hash = g_hash_table_new_full(hash_of_hash, equal_hash, g_free, NULL);
    return model;
}

static gboolean free_list(gpointer hash, gpointer list, gpointer data)
{
    g_slist_free(list);
    return TRUE;
}

void pop_model_free(PopModel *model)
{
    if (!model)
        return;
    g_hash_table_foreach_remove(model->by_hash, free_list, NULL);
    g_hash_table_unref(model->by_hash);
    g_hash_table_unref(model->by_uidl);
    g_tree_unref(model->rows);
    g_free(model);
}

/* --- changing --- */

static void set_list(PopModel *model, const guint8 *hash, GSList *list)
{
    if (list)
        g_hash_table_insert(model->by_hash, g_memdup2(hash, POP_HASH_LEN), list);
    else
        g_hash_table_remove(model->by_hash, hash);
}

void pop_model_remove(PopModel *model, guint32 number)
{
    PopRow *row = g_tree_lookup(model->rows, GUINT_TO_POINTER(number));

    if (!row)
        return;
    if (row->message.uidl && g_hash_table_lookup(model->by_uidl, row->message.uidl) == row)
        g_hash_table_remove(model->by_uidl, row->message.uidl);
    if (row->message.has_hash)
        set_list(model, row->message.hash,
                 g_slist_remove(g_hash_table_lookup(model->by_hash, row->message.hash), row));
    g_tree_remove(model->rows, GUINT_TO_POINTER(number));
}

void pop_model_put(PopModel *model, PopRow *row)
{
    pop_model_remove(model, row->message.number);
    g_tree_insert(model->rows, GUINT_TO_POINTER(row->message.number), row);
    if (row->message.uidl)
        g_hash_table_replace(model->by_uidl, (char *)row->message.uidl, row);
    if (row->message.has_hash)
        set_list(model, row->message.hash,
                 g_slist_prepend(g_hash_table_lookup(model->by_hash, row->message.hash), row));
}

/* --- finding --- */

const PopRow *pop_model_get(const PopModel *model, guint32 number)
{
    return g_tree_lookup(model->rows, GUINT_TO_POINTER(number));
}

const PopRow *pop_model_get_uidl(const PopModel *model, const char *uidl)
{
    return g_hash_table_lookup(model->by_uidl, uidl);
}

const GSList *pop_model_get_hash(const PopModel *model, const guint8 hash[POP_HASH_LEN])
{
    return g_hash_table_lookup(model->by_hash, hash);
}

const PopRow *pop_model_next(const PopModel *model, guint32 after)
{
    GTreeNode *node = g_tree_upper_bound(model->rows, GUINT_TO_POINTER(after));

    return node ? g_tree_node_value(node) : NULL;
}

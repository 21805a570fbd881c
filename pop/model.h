/* SPDX-License-Identifier: MIT */
/* pop/model.h - the messages of a spool in memory, found by number, UIDL and content.
 *
 * Thread: the engine; another may read it while nothing changes it.
 */
#pragma once

#include "pop/maildir.h"

typedef struct {
    PopMessage message; /* first; its texts are owned */
    PopFile file;       /* without a name when it has none */
} PopRow;

typedef struct PopModel PopModel;

PopModel *pop_model_new(void);
void pop_model_free(PopModel *model);

PopRow *pop_row_new(const PopMessage *message);
PopRow *pop_row_copy(const PopRow *row);
void pop_row_free(gpointer row);
void pop_row_set_uidl(PopRow *row, const char *uidl);
/* Takes @file: it is there now, with these flags. */
void pop_row_take_file(PopRow *row, PopFile file);

/* Takes @row, instead of the one of its number. */
void pop_model_put(PopModel *model, PopRow *row);
void pop_model_remove(PopModel *model, guint32 number);

/* Borrowed, valid until the model changes; NULL when there is none. */
const PopRow *pop_model_get(const PopModel *model, guint32 number);
const PopRow *pop_model_get_uidl(const PopModel *model, const char *uidl);
/* PopRow: all of this content. */
const GSList *pop_model_get_hash(const PopModel *model, const guint8 hash[POP_HASH_LEN]);
/* The one with the lowest number above @after. */
const PopRow *pop_model_next(const PopModel *model, guint32 after);

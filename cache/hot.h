/* SPDX-License-Identifier: MIT */
/* cache/hot.h - blocks in memory: those that were written or read last, verified. */
#pragma once

#include "cache/private.h"

typedef struct Hot Hot;

typedef struct {
    BodyKey body;
    guint32 number;
} HotKey;

typedef struct {
    HotKey key; /* first: a HotBlock is its own key */
    Block block;
    GList link;
    gint64 touched_us; /* when the index was told last that it is in use */
} HotBlock;

Hot *hot_new(void);
void hot_free(Hot *hot);
/* Borrowed until the next hot_put() or hot_drop_of(); or NULL. */
HotBlock *hot_get(Hot *hot, const BodyKey *key, guint32 number);
/* In the place of what there was; others may have to go for it. */
Block hot_put(Hot *hot, const BodyKey *key, guint32 number, GBytes *bytes, gboolean is_end);
/* Of one message or, with 0, of all; of one section or, with NULL, of all. */
void hot_drop_of(Hot *hot, guint32 generation, guint32 uid, const char *section);

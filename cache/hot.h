/* SPDX-License-Identifier: MIT */
/* cache/hot.h - blocks in memory: those that were written or read last, verified. */
#pragma once

#include "cache/private.h"

typedef struct Hot Hot;

Hot *hot_new(void);
void hot_free(Hot *hot);
/* Borrowed until the next hot_put() or hot_drop_of(); or NULL. */
const Block *hot_get(Hot *hot, const BodyKey *key, guint32 number);
/* Whether it is time to tell the index that this block, which is here, is in use. */
gboolean hot_is_due(Hot *hot, const BodyKey *key, guint32 number);
/* In the place of what there was; others may have to go for it. */
Block hot_put(Hot *hot, const BodyKey *key, guint32 number, GBytes *bytes, gboolean is_end);
/* Of one message or, with 0, of all; of one section or, with NULL, of all. */
void hot_drop_of(Hot *hot, guint32 generation, guint32 uid, const char *section);

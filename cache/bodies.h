/* SPDX-License-Identifier: MIT */
/* cache/bodies.h - how much each body takes on disk and when it was last used; eviction. */
#pragma once

#include "cache/private.h"

typedef struct Bodies Bodies;

/* Told of each body that must go; its row is gone already. */
typedef void (*BodiesEvictFunc)(guint32 generation, guint32 uid, const char *section, gpointer data);

Bodies *bodies_new(Cache *cache);
void bodies_free(Bodies *bodies);
/* @bytes more were written to a body. */
void bodies_add(Bodies *bodies, const BodyKey *key, gsize bytes);
/* A body was read. */
void bodies_touch(Bodies *bodies, const BodyKey *key);
/* Writes what was gathered to the index; evicts the least recently used when over the limit. */
void bodies_flush(Bodies *bodies, BodiesEvictFunc evict, gpointer data);
void bodies_forget_message(Bodies *bodies, guint32 generation, guint32 uid, BodiesEvictFunc evict,
                           gpointer data);
void bodies_forget_generation(Bodies *bodies, guint32 generation);
guint64 bodies_total(const Bodies *bodies);

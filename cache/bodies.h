/* SPDX-License-Identifier: MIT */
/* cache/bodies.h - how much each body takes on disk and when it was last used; eviction. */
#pragma once

#include "cache/private.h"

typedef struct Bodies Bodies;

/* Told of each body that must go; its row is gone already. */
typedef void (*BodiesEvictFunc)(guint32 generation, guint32 uid, const char *section,
                                gpointer data);

Bodies *bodies_new(Cache *cache);
void bodies_free(Bodies *bodies);
/* Where a body had @before bytes it has @now. */
void bodies_add(Bodies *bodies, const BodyKey *key, gsize before, gsize now);
/* A body was read. */
void bodies_touch(Bodies *bodies, const BodyKey *key);
/* Writes what was gathered to the index, mere uses only when they are many or @also_uses; evicts
 * the least recently used when over the limit, but not the last that was made here. */
void bodies_flush(Bodies *bodies, gboolean also_uses, BodiesEvictFunc evict, gpointer data);
void bodies_forget_message(Bodies *bodies, guint32 generation, guint32 uid, BodiesEvictFunc evict,
                           gpointer data);
void bodies_forget_generation(Bodies *bodies, guint32 generation);
/* To make the rows agree with the files: first begin, then tell of each body, then end. */
void bodies_begin_count(Bodies *bodies);
void bodies_count(Bodies *bodies, guint32 generation, guint32 uid, const char *section,
                  guint64 bytes);
void bodies_end_count(Bodies *bodies);
/* The index is another one now. */
void bodies_reload(Bodies *bodies);
guint64 bodies_total(const Bodies *bodies);

/* SPDX-License-Identifier: MIT */
/* pop/index.h - what is known of the messages of a spool besides their files: a SQLite database.
 *
 * Thread: one at a time for writing; headers are read through a connection of their own, in the
 * engine.
 */
#pragma once

#include "pop/message.h"

typedef struct PopIndex PopIndex;

/* What is written at once.  All of it is borrowed. */
typedef struct {
    const GPtrArray *put;  /* const PopMessage *: new, or instead of what is there */
    const GArray *removed; /* guint32 */
    guint32 next;          /* number, or 0: as it is */
    const char *stopped;   /* why nothing may be deleted at the server, or NULL: as it is */
    guint32 header_of;     /* a number, or 0 */
    GBytes *header;
} PopIndexChange;

/* Opens DIR/pop.sqlite, made when there is none.  One that is damaged, or @is_damaged, as
 * pop_index_load() has found out, is moved aside and begun anew.  Waits for the disk.  NO_SPACE,
 * LOCAL. */
PopIndex *pop_index_open(const char *dir, gboolean is_damaged,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Waits for the disk. */
void pop_index_close(PopIndex *index);

/* Each message, in no order; borrowed.  FALSE when it is damaged. */
gboolean pop_index_load(PopIndex *index, void (*each)(const PopMessage *message, gpointer data),
                        gpointer data);
/* The first number that no message had; 1 in one that was never written. */
guint32 pop_index_next(PopIndex *index);
/* Differs from that of an index that was lost: numbers mean something else under another one. */
guint32 pop_index_validity(const PopIndex *index);
/* Newly allocated, or NULL. */
char *pop_index_dup_stopped(PopIndex *index);
/* The header of a message that is waiting; new, or NULL when there is none. */
GBytes *pop_index_dup_header(PopIndex *index, guint32 number);

/* Writes all @changes or none, on the disk when it returns.  NO_SPACE, LOCAL: they may still come
 * to light at the next start. */
gboolean pop_index_write(PopIndex *index, const PopIndexChange *changes, guint n_changes,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* SPDX-License-Identifier: MIT */
/* pop/poison.h - messages at which connections end.
 *
 * The one whose answer was due when a connection was lost may be what the server, or something on
 * the way, stumbles over.  After the second time it is asked for only when somebody wants it, and
 * when nothing else is under way, so that it does not stop the others.  Thread: engine.
 */
#pragma once

#include <glib.h>

typedef enum {
    POP_POISON_TOP,
    POP_POISON_RETR,
    POP_N_POISONS,
} PopPoisonKind;

typedef struct PopPoison PopPoison;

PopPoison *pop_poison_new(void);
/* Accepts NULL. */
void pop_poison_free(PopPoison *poison);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PopPoison, pop_poison_free)

/* A connection ended when the answer to this was due, for message @number of the spool. */
void pop_poison_note(PopPoison *poison, PopPoisonKind kind, guint32 number);
gboolean pop_poison_has(const PopPoison *poison, PopPoisonKind kind, guint32 number);
/* It came. */
void pop_poison_forget(PopPoison *poison, PopPoisonKind kind, guint32 number);

/* SPDX-License-Identifier: MIT */
/* pop/suspects.h - messages at which connections end.
 *
 * The one whose answer was due when a connection was lost may be what the server, or something on
 * the way, stumbles over.  For an hour after the second time it is asked for only when somebody
 * wants it, and when nothing else is under way, so that it does not stop the others.  Thread:
 * engine.
 */
#pragma once

#include <glib.h>

typedef enum {
    POP_SUSPECT_TOP,
    POP_SUSPECT_RETR,
    POP_N_SUSPECTS,
} PopSuspectKind;

typedef struct PopSuspects PopSuspects;

PopSuspects *pop_suspects_new(void);
/* Accepts NULL. */
void pop_suspects_free(PopSuspects *suspects);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PopSuspects, pop_suspects_free)

/* A connection ended when the answer to this was due, for message @number of the spool. */
void pop_suspects_note(PopSuspects *suspects, PopSuspectKind kind, guint32 number);
gboolean pop_suspects_has(const PopSuspects *suspects, PopSuspectKind kind, guint32 number);
/* The same, and the last of these connections ended after @since_us (monotonic). */
gboolean pop_suspects_has_since(const PopSuspects *suspects, PopSuspectKind kind, guint32 number,
                                gint64 since_us);
/* It came. */
void pop_suspects_forget(PopSuspects *suspects, PopSuspectKind kind, guint32 number);

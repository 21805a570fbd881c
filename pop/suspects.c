/* SPDX-License-Identifier: MIT */
/* pop/suspects.c - messages at which connections end. */
#include "pop/suspects.h"

#define LOSSES_MAX 2 /* by accident */

struct PopSuspects {
    GHashTable *n_losses[POP_N_SUSPECTS]; /* number -> connections */
};

PopSuspects *pop_suspects_new(void)
{
    PopSuspects *suspects = g_new0(PopSuspects, 1);

    for (guint kind = 0; kind < POP_N_SUSPECTS; kind++)
        suspects->n_losses[kind] = g_hash_table_new(NULL, NULL);
    return suspects;
}

void pop_suspects_free(PopSuspects *suspects)
{
    if (!suspects)
        return;
    for (guint kind = 0; kind < POP_N_SUSPECTS; kind++)
        g_hash_table_unref(suspects->n_losses[kind]);
    g_free(suspects);
}

static guint n_losses(const PopSuspects *suspects, PopSuspectKind kind, guint32 number)
{
    return GPOINTER_TO_UINT(
        g_hash_table_lookup(suspects->n_losses[kind], GUINT_TO_POINTER(number)));
}

void pop_suspects_note(PopSuspects *suspects, PopSuspectKind kind, guint32 number)
{
    static const char *const commands[] = {"its header", "the message"};
    guint n = n_losses(suspects, kind, number) + 1;

    g_hash_table_insert(suspects->n_losses[kind], GUINT_TO_POINTER(number), GUINT_TO_POINTER(n));
    if (n == LOSSES_MAX)
        g_message("message %u: %u connections ended when %s was due; it is asked for when "
                  "somebody reads it",
                  number, n, commands[kind]);
}

gboolean pop_suspects_has(const PopSuspects *suspects, PopSuspectKind kind, guint32 number)
{
    return n_losses(suspects, kind, number) >= LOSSES_MAX;
}

void pop_suspects_forget(PopSuspects *suspects, PopSuspectKind kind, guint32 number)
{
    g_hash_table_remove(suspects->n_losses[kind], GUINT_TO_POINTER(number));
}

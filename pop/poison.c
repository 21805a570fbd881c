/* SPDX-License-Identifier: MIT */
/* pop/poison.c - messages at which connections end. */
#include "pop/poison.h"

#define LOSSES_MAX 2 /* by accident */

struct PopPoison {
    GHashTable *n_losses[POP_N_POISONS]; /* number -> connections */
};

PopPoison *pop_poison_new(void)
{
    PopPoison *poison = g_new0(PopPoison, 1);

    for (guint kind = 0; kind < POP_N_POISONS; kind++)
        poison->n_losses[kind] = g_hash_table_new(NULL, NULL);
    return poison;
}

void pop_poison_free(PopPoison *poison)
{
    if (!poison)
        return;
    for (guint kind = 0; kind < POP_N_POISONS; kind++)
        g_hash_table_unref(poison->n_losses[kind]);
    g_free(poison);
}

static guint n_losses(const PopPoison *poison, PopPoisonKind kind, guint32 number)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(poison->n_losses[kind], GUINT_TO_POINTER(number)));
}

void pop_poison_note(PopPoison *poison, PopPoisonKind kind, guint32 number)
{
    static const char *const commands[] = {"its header", "the message"};
    guint n = n_losses(poison, kind, number) + 1;

    g_hash_table_insert(poison->n_losses[kind], GUINT_TO_POINTER(number), GUINT_TO_POINTER(n));
    if (n == LOSSES_MAX)
        g_message("message %u: %u connections ended when %s was due; it is asked for when "
                  "somebody reads it",
                  number, n, commands[kind]);
}

gboolean pop_poison_has(const PopPoison *poison, PopPoisonKind kind, guint32 number)
{
    return n_losses(poison, kind, number) >= LOSSES_MAX;
}

void pop_poison_forget(PopPoison *poison, PopPoisonKind kind, guint32 number)
{
    g_hash_table_remove(poison->n_losses[kind], GUINT_TO_POINTER(number));
}

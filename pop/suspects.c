/* SPDX-License-Identifier: MIT */
/* pop/suspects.c - messages at which connections end. */
#include "pop/suspects.h"

#define LOSSES_MAX  2 /* by accident */
#define REMEMBER_US (3600 * (gint64)G_USEC_PER_SEC)

typedef struct {
    guint n;
    gint64 last_us;
} Losses;

struct PopSuspects {
    GHashTable *losses[POP_N_SUSPECTS]; /* number -> Losses */
};

PopSuspects *pop_suspects_new(void)
{
    PopSuspects *suspects = g_new0(PopSuspects, 1);

    for (guint kind = 0; kind < POP_N_SUSPECTS; kind++)
        suspects->losses[kind] = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    return suspects;
}

void pop_suspects_free(PopSuspects *suspects)
{
    if (!suspects)
        return;
    for (guint kind = 0; kind < POP_N_SUSPECTS; kind++)
        g_hash_table_unref(suspects->losses[kind]);
    g_free(suspects);
}

static Losses *get(const PopSuspects *suspects, PopSuspectKind kind, guint32 number)
{
    return g_hash_table_lookup(suspects->losses[kind], GUINT_TO_POINTER(number));
}

void pop_suspects_note(PopSuspects *suspects, PopSuspectKind kind, guint32 number)
{
    static const char *const due[] = {"its header", "it"};
    Losses *losses = get(suspects, kind, number);

    if (!losses) {
        losses = g_new0(Losses, 1);
        g_hash_table_insert(suspects->losses[kind], GUINT_TO_POINTER(number), losses);
    }
    losses->last_us = g_get_monotonic_time();
    if (++losses->n == LOSSES_MAX)
        g_message("message %u: %u connections ended when %s was due: for some time it is asked "
                  "for only when somebody reads it",
                  number, losses->n, due[kind]);
}

gboolean pop_suspects_has(const PopSuspects *suspects, PopSuspectKind kind, guint32 number)
{
    const Losses *losses = get(suspects, kind, number);

    return losses && losses->n >= LOSSES_MAX &&
           g_get_monotonic_time() - losses->last_us < REMEMBER_US;
}

gboolean pop_suspects_has_since(const PopSuspects *suspects, PopSuspectKind kind, guint32 number,
                                gint64 since_us)
{
    return pop_suspects_has(suspects, kind, number) &&
           get(suspects, kind, number)->last_us >= since_us;
}

void pop_suspects_forget(PopSuspects *suspects, PopSuspectKind kind, guint32 number)
{
    g_hash_table_remove(suspects->losses[kind], GUINT_TO_POINTER(number));
}

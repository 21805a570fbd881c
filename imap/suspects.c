/* SPDX-License-Identifier: MIT */
/* imap/suspects.c - a set of messages, which is begun anew when it is full. */
#include "imap/suspects.h"

#define SUSPECTS_MAX 10000
#define GUILTY_MAX   8

struct ImapSuspects {
    GHashTable *set; /* generation << 32 | uid */
    guint n_guilty;  /* ever */
};

ImapSuspects *imap_suspects_new(void)
{
    ImapSuspects *suspects = g_new0(ImapSuspects, 1);

    suspects->set = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    return suspects;
}

void imap_suspects_free(ImapSuspects *suspects)
{
    g_hash_table_unref(suspects->set);
    g_free(suspects);
}

static guint64 make_key(guint32 generation, guint32 uid)
{
    return (guint64)generation << 32 | uid;
}

void imap_suspects_add(ImapSuspects *suspects, guint32 generation, guint32 uid)
{
    guint64 key = make_key(generation, uid);

    if (g_hash_table_size(suspects->set) >= SUSPECTS_MAX)
        g_hash_table_remove_all(suspects->set);
    g_hash_table_add(suspects->set, g_memdup2(&key, sizeof key));
}

gboolean imap_suspects_has(const ImapSuspects *suspects, guint32 generation, guint32 uid)
{
    guint64 key = make_key(generation, uid);

    return g_hash_table_contains(suspects->set, &key);
}

void imap_suspects_remove(ImapSuspects *suspects, guint32 generation, guint32 uid)
{
    guint64 key = make_key(generation, uid);

    g_hash_table_remove(suspects->set, &key);
}

gboolean imap_suspects_convict(ImapSuspects *suspects, guint32 generation, guint32 uid,
                               gboolean is_sure)
{
    if (!is_sure && !suspects->n_guilty && !imap_suspects_has(suspects, generation, uid)) {
        imap_suspects_add(suspects, generation, uid);
        return FALSE;
    }
    suspects->n_guilty++;
    return TRUE;
}

gboolean imap_suspects_were_right(const ImapSuspects *suspects)
{
    return suspects->n_guilty > 0;
}

gboolean imap_suspects_were_many(const ImapSuspects *suspects)
{
    return suspects->n_guilty >= GUILTY_MAX;
}

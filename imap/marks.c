/* SPDX-License-Identifier: MIT */
/* imap/lengths.c - a table of lengths, which is begun anew when it is full. */
#include "imap/lengths.h"

#define LENGTHS_MAX 10000

struct ImapLengths {
    GHashTable *table; /* generation << 32 | uid -> length */
};

ImapLengths *imap_lengths_new(void)
{
    ImapLengths *lengths = g_new0(ImapLengths, 1);

    lengths->table = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
    return lengths;
}

void imap_lengths_free(ImapLengths *lengths)
{
    g_hash_table_unref(lengths->table);
    g_free(lengths);
}

static guint64 make_key(guint32 generation, guint32 uid)
{
    return (guint64)generation << 32 | uid;
}

gboolean imap_lengths_get(const ImapLengths *lengths, guint32 generation, guint32 uid,
                          guint64 *ret_length)
{
    guint64 key = make_key(generation, uid);
    const guint64 *length = g_hash_table_lookup(lengths->table, &key);

    *ret_length = length ? *length : 0;
    return length != NULL;
}

void imap_lengths_set(ImapLengths *lengths, guint32 generation, guint32 uid, guint64 length)
{
    guint64 key = make_key(generation, uid);

    if (g_hash_table_size(lengths->table) >= LENGTHS_MAX)
        g_hash_table_remove_all(lengths->table);
    g_hash_table_insert(lengths->table, g_memdup2(&key, sizeof key),
                        g_memdup2(&length, sizeof length));
}

/* SPDX-License-Identifier: MIT */
/* imap/marks.c - a table of numbers, which is begun anew when it is full. */
#include "imap/marks.h"

#define MARKS_MAX 10000

struct ImapMarks {
    GHashTable *table; /* generation << 32 | uid -> number */
};

ImapMarks *imap_marks_new(void)
{
    ImapMarks *marks = g_new0(ImapMarks, 1);

    marks->table = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
    return marks;
}

void imap_marks_free(ImapMarks *marks)
{
    g_hash_table_unref(marks->table);
    g_free(marks);
}

static guint64 make_key(guint32 generation, guint32 uid)
{
    return (guint64)generation << 32 | uid;
}

gboolean imap_marks_get(const ImapMarks *marks, guint32 generation, guint32 uid,
                        guint64 *ret_number)
{
    guint64 key = make_key(generation, uid);
    const guint64 *number = g_hash_table_lookup(marks->table, &key);

    *ret_number = number ? *number : 0;
    return number != NULL;
}

void imap_marks_set(ImapMarks *marks, guint32 generation, guint32 uid, guint64 number)
{
    guint64 key = make_key(generation, uid);

    if (g_hash_table_size(marks->table) >= MARKS_MAX)
        g_hash_table_remove_all(marks->table);
    g_hash_table_insert(marks->table, g_memdup2(&key, sizeof key),
                        g_memdup2(&number, sizeof number));
}

void imap_marks_remove(ImapMarks *marks, guint32 generation, guint32 uid)
{
    guint64 key = make_key(generation, uid);

    g_hash_table_remove(marks->table, &key);
}

/* SPDX-License-Identifier: MIT */
/* imap/suspects.c - messages under suspicion, and how many were at fault. */
#include "imap/suspects.h"

#include "imap/marks.h"

#define GUILTY_MAX  8
#define REMEMBER_US (3600 * (gint64)G_USEC_PER_SEC)

struct ImapSuspects {
    ImapMarks *marks; /* their numbers mean nothing */
    guint n_guilty;
    gint64 last_us; /* when the last of them was found so */
};

/* A bad network makes messages guilty that are not. */
static guint n_guilty(const ImapSuspects *suspects)
{
    return g_get_monotonic_time() - suspects->last_us < REMEMBER_US ? suspects->n_guilty : 0;
}

ImapSuspects *imap_suspects_new(void)
{
    ImapSuspects *suspects = g_new0(ImapSuspects, 1);

    suspects->marks = imap_marks_new();
    return suspects;
}

void imap_suspects_free(ImapSuspects *suspects)
{
    imap_marks_free(suspects->marks);
    g_free(suspects);
}

void imap_suspects_add(ImapSuspects *suspects, guint32 generation, guint32 uid)
{
    imap_marks_set(suspects->marks, generation, uid, 0);
}

gboolean imap_suspects_has(const ImapSuspects *suspects, guint32 generation, guint32 uid)
{
    guint64 number;

    return imap_marks_get(suspects->marks, generation, uid, &number);
}

void imap_suspects_remove(ImapSuspects *suspects, guint32 generation, guint32 uid)
{
    imap_marks_remove(suspects->marks, generation, uid);
}

gboolean imap_suspects_convict(ImapSuspects *suspects, guint32 generation, guint32 uid,
                               gboolean is_sure)
{
    if (!is_sure && !imap_suspects_were_right(suspects) &&
        !imap_suspects_has(suspects, generation, uid)) {
        imap_suspects_add(suspects, generation, uid);
        return FALSE;
    }
    suspects->n_guilty = n_guilty(suspects) + 1;
    suspects->last_us = g_get_monotonic_time();
    return TRUE;
}

gboolean imap_suspects_were_right(const ImapSuspects *suspects)
{
    return n_guilty(suspects) > 0;
}

gboolean imap_suspects_were_many(const ImapSuspects *suspects)
{
    return n_guilty(suspects) >= GUILTY_MAX;
}

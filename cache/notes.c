/* SPDX-License-Identifier: MIT */
/* cache/notes.c - what may be done only when the journal is on the disk. */
#include "cache/changes.h"

typedef struct {
    guint64 n_written; /* the commit that must be on the disk */
    void (*noted)(const GError *error, gpointer data);
    gpointer data;
    GError *error;
} Note;

static void note_free(gpointer data)
{
    Note *note = data;

    g_clear_error(&note->error);
    g_free(note);
}

void notes_free(Cache *cache)
{
    g_autoptr(GError) error = g_error_new(MAIL_ERROR, MAIL_ERROR_CANCELLED, "the cache is closed");
    Note *note;

    g_clear_handle_id(&cache->changes->note_source, g_source_remove);
    while ((note = g_queue_pop_head(&cache->changes->notes))) {
        note->noted(error, note->data);
        note_free(note);
    }
}

/* Whether it is time to call, with note->error. */
static gboolean is_due(Cache *cache, Note *note)
{
    return note->error || !journal_check(cache->changes->journal, &note->error) ||
           note->n_written <= journal_n_synced(cache->changes->journal);
}

static gboolean on_notes(gpointer data)
{
    Cache *cache = data;
    GQueue *notes = &cache->changes->notes;

    cache->changes->note_source = 0;
    /* Those that come meanwhile are for another turn. */
    for (guint n = notes->length; n > 0 && notes->length; n--) {
        Note *note = g_queue_pop_head(notes);

        if (is_due(cache, note)) {
            note->noted(note->error, note->data);
            note_free(note);
        } else {
            g_queue_push_tail(notes, note);
        }
    }
    if (notes->length)
        journal_sync(cache->changes->journal);
    return G_SOURCE_REMOVE;
}

static void call_later(Cache *cache)
{
    if (!cache->changes->note_source && cache->changes->notes.length)
        cache->changes->note_source = g_idle_add_full(G_PRIORITY_DEFAULT, on_notes, cache, NULL);
}

static void on_synced(gpointer data)
{
    Cache *cache = data;

    call_later(cache);
    changes_drop_stale(cache, FALSE);
    wants_end_own(cache, CACHE_WANT_SYNCED, 0, NULL);
}

void notes_init(Cache *cache)
{
    journal_set_synced(cache->changes->journal, on_synced, cache);
}

void cache_changes_note_sent(Cache *cache, const GArray *ids, guint32 uidvalidity, guint32 uidnext,
                             void (*noted)(const GError *error, gpointer data), gpointer data)
{
    Note *note = g_new0(Note, 1);

    note->noted = noted;
    note->data = data;
    changes_put_sent(cache, ids, uidvalidity, uidnext, &note->error);
    note->n_written = journal_n_written(cache->changes->journal);
    /* That something was not sent need not be on the disk: to look for it again does no harm. */
    if (!uidnext)
        note->n_written = 0;
    g_queue_push_tail(&cache->changes->notes, note);
    journal_sync(cache->changes->journal);
    call_later(cache);
}

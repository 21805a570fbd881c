/* SPDX-License-Identifier: MIT */
/* pop/visit-delete.c - the end of a visit: DELE of what was read or removed, and QUIT. */
#include "pop/visit-private.h"

#define LOOKS_MAX 256 /* at files, in one turn */
#define AT_ONCE   128

/* --- the end --- */

static void note(PopVisit *visit, gboolean is_confirmed, PopDone done)
{
    g_autoptr(GArray) numbers = g_array_new(FALSE, FALSE, sizeof(guint32));

    for (guint i = 0; i < visit->picked->len; i++)
        g_array_append_val(numbers, g_array_index(visit->picked, PopEntry, i).number);
    pop_spool_note_deleted(visit->spool, (const guint32 *)numbers->data, numbers->len, is_confirmed,
                           done, pop_visit_hold(visit));
}

/* When it is not known to be durable, the next list tells. */
static void on_confirmed(guint32 number, const GError *error, gpointer data)
{
    if (pop_visit_drop(data))
        pop_visit_is_over(data);
}

static void on_quit(const GError *error, gpointer data)
{
    PopVisit *visit = data;

    if (error)
        pop_visit_fail(visit, error);
    else
        note(visit, TRUE, on_confirmed);
}

static void quit(PopVisit *visit)
{
    static const PopAnswer answer = {.done = on_quit};

    visit->phase = POP_VISIT_QUITS;
    pop_session_quit(visit->session, &answer, visit);
}

/* --- telling the server --- */

static void on_deleted(const GError *error, gpointer data)
{
    PopVisit *visit = data;

    visit->n_deleted++;
    if (error)
        pop_visit_fail(visit, error);
    pop_visit_step_later(visit);
}

static void tell(PopVisit *visit)
{
    static const PopAnswer answer = {.done = on_deleted};
    guint n = visit->picked->len;

    while (visit->n_told < n && visit->n_told - visit->n_deleted < AT_ONCE) {
        const PopEntry *entry = &g_array_index(visit->picked, PopEntry, visit->n_told++);

        pop_visit_send(visit, "DELE", entry->nth, "", POP_SHAPE_STATUS, &answer);
    }
    if (visit->n_deleted == n)
        quit(visit);
}

/* Whoever reads the index after a crash knows that they may be gone. */
static void on_noted(guint32 number, const GError *error, gpointer data)
{
    PopVisit *visit = data;

    if (!pop_visit_drop(visit))
        return;
    if (error)
        pop_visit_fail(visit, error);
    else
        visit->phase = POP_VISIT_DELETES;
    pop_visit_step_later(visit);
}

/* --- which --- */

static gboolean may_delete(const PopVisit *visit, const PopEntry *entry)
{
    const PopMessage *message = pop_spool_get(visit->spool, entry->number);

    return message && message->place != POP_PLACE_WAITING && message->place != POP_PLACE_INBOX &&
           pop_spool_may_delete(visit->spool, entry->number, visit->options->keep_days,
                                g_get_real_time() / G_USEC_PER_SEC);
}

static gboolean deletes_none(const PopVisit *visit)
{
    return visit->has_refusals || visit->options->is_read_only ||
           visit->options->keep_days == POP_KEEP_FOREVER;
}

static void go_on(PopVisit *visit)
{
    if (!visit->picked->len) {
        quit(visit);
        return;
    }
    visit->phase = POP_VISIT_NOTES;
    note(visit, FALSE, on_noted);
}

static void pick(PopVisit *visit)
{
    guint n = deletes_none(visit) ? 0 : visit->entries->len;

    for (guint i = 0; i < LOOKS_MAX && visit->n_picked < n; i++) {
        const PopEntry *entry = pop_visit_entry(visit, visit->n_picked++);

        if (may_delete(visit, entry))
            g_array_append_vals(visit->picked, entry, 1);
    }
    if (visit->n_picked >= n)
        go_on(visit);
    else
        pop_visit_step_later(visit);
}

void pop_visit_delete_step(PopVisit *visit)
{
    if (visit->phase == POP_VISIT_PICKS)
        pick(visit);
    else if (visit->phase == POP_VISIT_DELETES)
        tell(visit);
}

/* SPDX-License-Identifier: MIT */
/* pop/visit.c - a visit's life: its connection, what follows what, and its end. */
#include "pop/visit-private.h"

/* --- the end --- */

static void drop_connection(PopVisit *visit)
{
    if (visit->session)
        visit->login_delay = pop_session_login_delay(visit->session);
    g_clear_pointer(&visit->session, pop_session_free);
    g_queue_clear(&visit->tops);
    pop_visit_retrieve_drop(visit);
}

static void end(PopVisit *visit, const GError *error)
{
    g_autoptr(GError) late =
        g_error_new(MAIL_ERROR, MAIL_ERROR_CANCELLED, "the visit of the maildrop is over");

    visit->phase = POP_VISIT_IS_OVER;
    drop_connection(visit);
    pop_visit_retrieve_fail(visit, error ? error : late);
    visit->events->ended(visit, error, visit->owner);
}

/* When it is not known to be durable, it is as if we had been killed. */
static void on_doubted(guint32 number, const GError *error, gpointer data)
{
    PopVisit *visit = data;

    if (pop_visit_drop(visit))
        end(visit, visit->failure);
}

/* Who said too much, or another message than before, may have done so long since: what came is
 * proved by the next visit.  Who is killed before that has to trust it. */
static void doubt(PopVisit *visit)
{
    visit->phase = POP_VISIT_DOUBTS;
    pop_spool_note_doubt(visit->spool, (const guint32 *)visit->touched->data, visit->touched->len,
                         on_doubted, pop_visit_hold(visit));
}

/* When what it has is stored. */
static void end_failed(PopVisit *visit)
{
    if (visit->n_storing || visit->n_headers_stored || visit->phase == POP_VISIT_DOUBTS)
        return;
    if (visit->touched->len && g_error_matches(visit->failure, MAIL_ERROR, MAIL_ERROR_PROTOCOL))
        doubt(visit);
    else
        end(visit, visit->failure);
}

void pop_visit_is_over(PopVisit *visit)
{
    end(visit, NULL);
}

void pop_visit_fail(PopVisit *visit, const GError *error)
{
    if (visit->failure || visit->phase == POP_VISIT_IS_OVER)
        return;
    visit->failure = g_error_copy(error);
    drop_connection(visit);
    pop_visit_step_later(visit);
}

void pop_visit_fail_with(PopVisit *visit, MailError code, const char *format, ...)
{
    g_autoptr(GError) error = NULL;
    va_list args;

    va_start(args, format);
    error = g_error_new_valist(MAIL_ERROR, (int)code, format, args);
    va_end(args);
    pop_visit_fail(visit, error);
}

/* --- what follows what --- */

static void fetch(PopVisit *visit)
{
    /* What is wanted goes ahead of headers, and the rest behind them. */
    pop_visit_retrieve_step(visit);
    pop_visit_top_step(visit);
    pop_visit_retrieve_step(visit);
    if (!visit->has_told_list && pop_visit_top_is_done(visit) && !visit->n_needed) {
        visit->has_told_list = TRUE;
        visit->events->listed(visit, visit->owner);
        pop_visit_step_later(visit);
    } else if (visit->has_told_list && visit->is_ending && pop_visit_retrieve_is_done(visit)) {
        visit->phase = POP_VISIT_PICKS;
        pop_visit_step_later(visit);
    }
}

static gboolean on_step(gpointer data)
{
    PopVisit *visit = pop_visit_hold(data);

    visit->step_source = 0;
    if (visit->failure)
        end_failed(visit);
    else if (visit->phase == POP_VISIT_FETCHES)
        fetch(visit);
    else
        pop_visit_delete_step(visit);
    pop_visit_drop(visit);
    return G_SOURCE_REMOVE;
}

void pop_visit_step_later(PopVisit *visit)
{
    if (!visit->step_source && !visit->is_freed && visit->phase != POP_VISIT_IS_OVER)
        visit->step_source = g_idle_add_full(G_PRIORITY_DEFAULT, on_step, visit, NULL);
}

void pop_visit_comes(PopVisit *visit)
{
    gint64 now = g_get_monotonic_time();

    if (visit->told_us && now - visit->told_us < G_USEC_PER_SEC)
        return;
    visit->told_us = now;
    visit->events->comes(visit, 0, visit->owner);
}

void pop_visit_touch(PopVisit *visit, guint32 number)
{
    g_array_append_val(visit->touched, number);
}

void pop_visit_note_loss(PopVisit *visit, PopSuspectKind kind, guint32 number)
{
    if (visit->has_lost || !pop_session_is_closed(visit->session))
        return;
    visit->has_lost = TRUE;
    if (number != POP_NUMBER_OF_CONTENT)
        pop_suspects_note(visit->suspects, kind, number);
}

/* --- commands --- */

guint pop_visit_window(const PopVisit *visit, guint max)
{
    return pop_session_has(visit->session, "PIPELINING") ? max : 1;
}

void pop_visit_send(PopVisit *visit, const char *verb, guint32 nth, const char *more,
                    PopShape shape, const PopAnswer *answer)
{
    g_autofree char *command = g_strdup_printf("%s %u%s", verb, nth, more);

    pop_session_send(visit->session, command, shape, answer, visit);
}

PopEntry *pop_visit_entry(const PopVisit *visit, guint index)
{
    return &g_array_index(visit->entries, PopEntry, index);
}

/* --- life --- */

PopVisit *pop_visit_hold(PopVisit *visit)
{
    visit->n_refs++;
    return visit;
}

gboolean pop_visit_drop(PopVisit *visit)
{
    gboolean is_there = !visit->is_freed;

    if (--visit->n_refs)
        return is_there;
    pop_visit_list_free(visit->list);
    g_array_unref(visit->touched);
    g_array_unref(visit->entries);
    g_hash_table_unref(visit->by_number);
    g_array_unref(visit->refused_tops);
    g_byte_array_unref(visit->header);
    g_hash_table_unref(visit->asked);
    g_queue_clear(&visit->wanted);
    g_queue_clear(&visit->risky);
    g_array_unref(visit->due);
    g_array_unref(visit->picked);
    g_clear_error(&visit->failure);
    g_free(visit);
    return FALSE;
}

static void on_ready(PopSession *session, gpointer owner)
{
    pop_visit_list(owner);
}

static void on_closed(PopSession *session, const GError *error, gpointer owner)
{
    if (error)
        pop_visit_fail(owner, error);
    else
        drop_connection(owner);
}

PopVisit *pop_visit_new(const PopOptions *options, PopSpool *spool, PopSuspects *suspects,
                        const PopVisitEvents *events, gpointer owner)
{
    static const PopSessionEvents session_events = {on_ready, on_closed};
    PopVisit *visit = g_new0(PopVisit, 1);

    visit->options = options;
    visit->spool = spool;
    visit->suspects = suspects;
    visit->events = events;
    visit->owner = owner;
    visit->n_refs = 1;
    visit->touched = g_array_new(FALSE, FALSE, sizeof(guint32));
    visit->entries = g_array_new(FALSE, TRUE, sizeof(PopEntry));
    visit->by_number = g_hash_table_new(NULL, NULL);
    visit->refused_tops = g_array_new(FALSE, FALSE, sizeof(guint));
    visit->header = g_byte_array_new();
    visit->asked = g_hash_table_new(NULL, NULL);
    visit->due = g_array_new(FALSE, FALSE, sizeof(guint));
    visit->picked = g_array_new(FALSE, FALSE, sizeof(PopEntry));
    visit->session = pop_session_new(options, &session_events, visit);
    return visit;
}

void pop_visit_free(PopVisit *visit)
{
    if (!visit)
        return;
    visit->is_freed = TRUE;
    g_clear_handle_id(&visit->step_source, g_source_remove);
    drop_connection(visit);
    pop_visit_drop(visit);
}

gboolean pop_visit_is_open(const PopVisit *visit)
{
    return !visit->failure && visit->phase < POP_VISIT_PICKS;
}

gboolean pop_visit_has_list(const PopVisit *visit)
{
    return visit->has_list;
}

void pop_visit_end(PopVisit *visit)
{
    visit->is_ending = TRUE;
    pop_visit_step_later(visit);
}

guint pop_visit_login_delay(const PopVisit *visit)
{
    return visit->session ? pop_session_login_delay(visit->session) : visit->login_delay;
}

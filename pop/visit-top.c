/* SPDX-License-Identifier: MIT */
/* pop/visit-top.c - headers of messages that are not here yet (TOP), newest first. */
#include "pop/visit-header.h"
#include "pop/visit-private.h"

#define HEADER_MAX ((gsize)256 * 1024) /* octets that are kept */
#define AT_ONCE    128                 /* in flight, or on their way to the disk */
#define LOOKS_MAX  256                 /* in the spool, in one turn */

static void on_stored(guint32 number, const GError *error, gpointer data)
{
    PopVisit *visit = data;

    if (!pop_visit_drop(visit))
        return;
    visit->n_headers_stored--;
    /* It was retrieved meanwhile. */
    if (error && !g_error_matches(error, MAIL_ERROR, MAIL_ERROR_NOT_FOUND))
        pop_visit_fail(visit, error);
    pop_visit_step_later(visit);
}

static void store(PopVisit *visit, guint32 number)
{
    const char *bytes = (const char *)visit->header->data;
    gsize len = pop_header_len(bytes, visit->header->len);
    gint64 date = pop_header_date(bytes, len, g_get_real_time() / G_USEC_PER_SEC);
    g_autoptr(GBytes) header = g_bytes_new(bytes, len);

    visit->n_headers_stored++;
    pop_spool_put_header(visit->spool, number, date, header, on_stored, pop_visit_hold(visit));
}

static void on_piece(const guint8 *bytes, gsize len, gpointer data)
{
    GByteArray *header = ((PopVisit *)data)->header;

    g_byte_array_append(header, bytes, (guint)MIN(len, HEADER_MAX - header->len));
}

static void on_done(const GError *error, gpointer data)
{
    PopVisit *visit = data;
    guint index = GPOINTER_TO_UINT(g_queue_pop_head(&visit->tops)) - 1;

    visit->has_top |= !error;
    /* Where it is the connection that has ended, nothing comes of this. */
    if (error)
        g_array_append_val(visit->refused_tops, index);
    else
        store(visit, pop_visit_entry(visit, index)->number);
    g_byte_array_set_size(visit->header, 0);
    pop_visit_step_later(visit);
}

/* --- what is asked for --- */

/* A server that does not tell whether it has TOP is asked once, and then believed. */
static gboolean is_sure(const PopVisit *visit)
{
    return visit->has_top || visit->has_no_top || pop_session_has(visit->session, "TOP");
}

static void take_refusals(PopVisit *visit)
{
    if (visit->refused_tops->len && !is_sure(visit))
        visit->has_no_top = TRUE;
    for (guint i = 0; i < visit->refused_tops->len; i++)
        pop_visit_require(visit, g_array_index(visit->refused_tops, guint, i), TRUE);
    g_array_set_size(visit->refused_tops, 0);
}

static gboolean has_header(const PopVisit *visit, guint32 number)
{
    g_autoptr(GBytes) header = pop_spool_dup_header(visit->spool, number);

    return header != NULL;
}

static void ask(PopVisit *visit, guint index)
{
    static const PopAnswer answer = {.piece = on_piece, .done = on_done};

    if (visit->has_no_top) {
        pop_visit_require(visit, index, TRUE);
        return;
    }
    g_queue_push_tail(&visit->tops, GUINT_TO_POINTER(index + 1));
    pop_visit_send(visit, "TOP", pop_visit_entry(visit, index)->nth, " 0", POP_SHAPE_STREAM,
                   &answer);
}

static gboolean has_room(const PopVisit *visit)
{
    guint max = is_sure(visit) ? AT_ONCE : 1;

    return visit->tops.length < pop_visit_window(visit, max) &&
           visit->tops.length + visit->n_headers_stored < AT_ONCE;
}

void pop_visit_top_step(PopVisit *visit)
{
    guint n_looks = 0;

    take_refusals(visit);
    while (visit->n_unlooked && has_room(visit) && n_looks < LOOKS_MAX) {
        guint index = --visit->n_unlooked;
        const PopEntry *entry = pop_visit_entry(visit, index);

        if (entry->state != POP_ENTRY_THERE)
            continue;
        if (entry->kind == POP_MATCH_WAITING)
            n_looks++;
        if (entry->kind == POP_MATCH_NEW ||
            (entry->kind == POP_MATCH_WAITING && !has_header(visit, entry->number)))
            ask(visit, index);
    }
    if (n_looks == LOOKS_MAX)
        pop_visit_step_later(visit);
}

gboolean pop_visit_top_is_done(const PopVisit *visit)
{
    return !visit->n_unlooked && !visit->tops.length && !visit->refused_tops->len &&
           !visit->n_headers_stored;
}

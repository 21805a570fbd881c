/* SPDX-License-Identifier: MIT */
/* pop/visit-top.c - headers of messages that are not here yet (TOP), newest first. */
#include "pop/header.h"
#include "pop/visit-private.h"

#define HEADER_MAX ((gsize)256 * 1024)      /* octets that are kept */
#define AT_ONCE    512                      /* in flight */
#define OCTETS_MAX ((gsize)8 * 1024 * 1024) /* on their way to the disk */
#define LOOKS_MAX  4096                     /* at entries, in one turn */

typedef struct {
    PopVisit *visit;
    gsize len;
} Header;

static void on_stored(guint32 number, const GError *error, gpointer data)
{
    g_autofree Header *stored = data;
    PopVisit *visit = stored->visit;

    if (!pop_visit_drop(visit))
        return;
    visit->n_headers_stored--;
    visit->n_header_octets -= stored->len;
    if (!error)
        pop_visit_touch(visit, number);
    /* Else it was retrieved meanwhile. */
    else if (!g_error_matches(error, MAIL_ERROR, MAIL_ERROR_NOT_FOUND))
        pop_visit_fail(visit, error);
    pop_visit_step_later(visit);
}

static void store(PopVisit *visit, PopEntry *entry)
{
    const char *bytes = (const char *)visit->header->data;
    gsize len = pop_header_len(bytes, visit->header->len);
    gint64 date = pop_header_date(bytes, len, g_get_real_time() / G_USEC_PER_SEC);
    g_autoptr(GBytes) header = g_bytes_new(bytes, len);
    Header *stored = g_new(Header, 1);

    entry->id = pop_header_id(bytes, len);
    *stored = (Header){pop_visit_hold(visit), len};
    visit->n_headers_stored++;
    visit->n_header_octets += len;
    pop_spool_put_header(visit->spool, entry->number, date, header, on_stored, stored);
}

static void on_piece(const guint8 *bytes, gsize len, gpointer data)
{
    PopVisit *visit = data;

    g_byte_array_append(visit->header, bytes, (guint)MIN(len, HEADER_MAX - visit->header->len));
    pop_visit_comes(visit);
}

static void on_done(const GError *error, gpointer data)
{
    PopVisit *visit = data;
    guint index = GPOINTER_TO_UINT(g_queue_pop_head(&visit->tops)) - 1;
    PopEntry *entry = pop_visit_entry(visit, index);

    visit->has_top |= !error;
    /* Where it is the connection that has ended, nothing comes of this. */
    if (error) {
        pop_visit_note_loss(visit, POP_SUSPECT_TOP, entry->number);
        g_array_append_val(visit->refused_tops, index);
    } else {
        pop_suspects_forget(visit->suspects, POP_SUSPECT_TOP, entry->number);
        store(visit, entry);
    }
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

static gboolean lacks_header(const PopVisit *visit, const PopEntry *entry)
{
    const PopMessage *message = entry->state == POP_ENTRY_THERE && !entry->is_needed
                                    ? pop_spool_get(visit->spool, entry->number)
                                    : NULL;

    return message && message->place == POP_PLACE_WAITING && !message->has_header;
}

static void ask(PopVisit *visit, guint index)
{
    static const PopAnswer answer = {.piece = on_piece, .done = on_done};
    const PopEntry *entry = pop_visit_entry(visit, index);

    if (visit->has_no_top || pop_suspects_has(visit->suspects, POP_SUSPECT_TOP, entry->number)) {
        pop_visit_require(visit, index, TRUE);
        return;
    }
    g_queue_push_tail(&visit->tops, GUINT_TO_POINTER(index + 1));
    pop_visit_send(visit, "TOP", entry->nth, " 0", POP_SHAPE_STREAM, &answer);
}

/* Many at once, when few are left: each command by itself would cost a packet. */
void pop_visit_top_step(PopVisit *visit)
{
    guint max, n_looks = 0;

    take_refusals(visit);
    max = pop_visit_window(visit, is_sure(visit) ? AT_ONCE : 1);
    if (visit->tops.length > max / 2)
        return;
    while (visit->n_unlooked && visit->tops.length < max && visit->n_header_octets < OCTETS_MAX &&
           n_looks++ < LOOKS_MAX) {
        guint index = --visit->n_unlooked;

        if (lacks_header(visit, pop_visit_entry(visit, index)))
            ask(visit, index);
    }
    if (n_looks > LOOKS_MAX)
        pop_visit_step_later(visit);
}

gboolean pop_visit_top_is_done(const PopVisit *visit)
{
    return !visit->n_unlooked && !visit->tops.length && !visit->refused_tops->len &&
           !visit->n_headers_stored;
}

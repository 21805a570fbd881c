/* SPDX-License-Identifier: MIT */
/* pop/visit-retrieve.c - messages: asked for ahead (RETR), and stored as they come. */
#include "pop/header.h"
#include "pop/visit-private.h"

#define MIB            ((guint64)1024 * 1024)
#define IN_FLIGHT_MAX  128
#define OCTETS_MAX     (16 * MIB) /* announced, in flight; one alone may be more */
#define STORING_MAX    1000
#define BACKLOG_ASK    (16 * MIB) /* more on its way to the disk: nothing is asked for */
#define BACKLOG_LISTEN (32 * MIB) /* more: nothing is read */

typedef struct {
    PopVisit *visit;
    guint index;
    guint32 number; /* that it was asked for by */
    PopWriter *writer;
    guint id;         /* pop_header_id() of what was listed; 0: it tells nothing */
    GByteArray *head; /* where it is looked for, or NULL */
    GError *error;
} PopFetch;

static PopEntry *entry_of(const PopFetch *fetch)
{
    return pop_visit_entry(fetch->visit, fetch->index);
}

static void fetch_free(PopFetch *fetch)
{
    pop_writer_free(fetch->writer);
    g_clear_pointer(&fetch->head, g_byte_array_unref);
    g_clear_error(&fetch->error);
    g_free(fetch);
}

void pop_visit_retrieve_drop(PopVisit *visit)
{
    PopFetch *fetch;

    while ((fetch = g_queue_pop_head(&visit->coming)) ||
           (fetch = g_queue_pop_head(&visit->refused)))
        fetch_free(fetch);
}

/* --- what became of it --- */

static void tell(PopVisit *visit, guint32 number, guint32 stored, const GError *error)
{
    g_hash_table_remove(visit->asked, GUINT_TO_POINTER(number));
    visit->events->retrieved(visit, number, stored, error, visit->owner);
}

/* It is the last of @fetch. */
static void settle(PopFetch *fetch, guint32 stored, const GError *error)
{
    PopVisit *visit = fetch->visit;
    PopEntry *entry = entry_of(fetch);
    guint32 number = fetch->number;

    entry->state = error ? POP_ENTRY_THERE : POP_ENTRY_HERE;
    entry->is_refused = error != NULL;
    /* What only its content tells is not known by its number at the server. */
    if (!error && entry->kind != POP_MATCH_AMBIGUOUS)
        entry->number = stored;
    if (entry->is_needed)
        visit->n_needed--;
    entry->is_needed = FALSE;
    fetch_free(fetch);
    tell(visit, number, error ? 0 : stored, error);
    pop_visit_step_later(visit);
}

void pop_visit_retrieve_fail(PopVisit *visit, const GError *error)
{
    g_autofree gpointer *numbers = g_hash_table_get_keys_as_array(visit->asked, NULL);
    guint n = g_hash_table_size(visit->asked);

    g_hash_table_remove_all(visit->asked);
    for (guint i = 0; i < n; i++)
        visit->events->retrieved(visit, GPOINTER_TO_UINT(numbers[i]), 0, error, visit->owner);
}

/* --- whether it is what was listed --- */

/* As TOP told, by this visit or an earlier one. */
static guint listed_id(const PopFetch *fetch)
{
    const PopMessage *message = pop_spool_get(fetch->visit->spool, fetch->number);
    g_autoptr(GBytes) header = NULL;
    gsize len;
    const char *bytes;

    if (entry_of(fetch)->id || !message || !message->has_header)
        return entry_of(fetch)->id;
    header = pop_spool_dup_header(fetch->visit->spool, fetch->number);
    bytes = header ? g_bytes_get_data(header, &len) : NULL;
    return bytes ? pop_header_id(bytes, len) : 0;
}

static void look(PopFetch *fetch, const guint8 *bytes, gsize len)
{
    if (fetch->head)
        g_byte_array_append(fetch->head, bytes, (guint)MIN(len, POP_ID_LOOK - fetch->head->len));
}

/* Of the header the Message-ID only: servers change other fields between TOP and RETR. */
static gboolean is_another(const PopFetch *fetch)
{
    guint id = fetch->head ? pop_header_id((const char *)fetch->head->data, fetch->head->len) : 0;

    return id && id != fetch->id;
}

static void refuse_another(PopFetch *fetch)
{
    PopVisit *visit = fetch->visit;

    /* So that the next visit asks for its header again. */
    pop_visit_touch(visit, fetch->number);
    pop_visit_fail_with(visit, MAIL_ERROR_PROTOCOL,
                        "retr %u: %s sends another message than it showed before",
                        entry_of(fetch)->nth, visit->options->account->host);
    fetch_free(fetch);
}

/* --- storing --- */

/* While something of ours is on its way, for only that tells when there is less. */
static gboolean has_backlog(const PopVisit *visit, guint64 max)
{
    return visit->n_storing && pop_spool_backlog(visit->spool) > max;
}

static void listen_or_pause(PopVisit *visit)
{
    if (visit->session)
        pop_session_set_paused(visit->session, has_backlog(visit, BACKLOG_LISTEN));
}

/* It is the message's own, and the others need not suffer. */
static gboolean is_of_message(const GError *error)
{
    return g_error_matches(error, MAIL_ERROR, MAIL_ERROR_GONE) ||
           g_error_matches(error, MAIL_ERROR, MAIL_ERROR_NOT_FOUND);
}

static void on_stored(guint32 number, const GError *error, gpointer data)
{
    PopFetch *fetch = data;
    PopVisit *visit = fetch->visit;

    if (!pop_visit_drop(visit)) {
        fetch_free(fetch);
        return;
    }
    visit->n_storing--;
    listen_or_pause(visit);
    visit->has_refusals |= error != NULL;
    if (!error)
        pop_visit_touch(visit, number);
    else if (!is_of_message(error))
        pop_visit_fail(visit, error);
    settle(fetch, number, error);
}

static void begin(PopFetch *fetch)
{
    if (fetch->writer)
        return;
    fetch->writer = pop_spool_receive(fetch->visit->spool, fetch->number);
    fetch->id = listed_id(fetch);
    fetch->head = fetch->id ? g_byte_array_new() : NULL;
}

static void on_piece(const guint8 *bytes, gsize len, gpointer data)
{
    PopVisit *visit = data;
    PopFetch *fetch = g_queue_peek_head(&visit->coming);
    g_autoptr(GError) error = NULL;

    begin(fetch);
    look(fetch, bytes, len);
    if (!pop_writer_append(fetch->writer, bytes, len, &error))
        pop_visit_fail(visit, error);
    else
        visit->events->comes(visit, fetch->number, visit->owner);
}

static void on_done(const GError *error, gpointer data)
{
    PopVisit *visit = data;
    PopFetch *fetch = g_queue_pop_head(&visit->coming);

    visit->n_coming -= entry_of(fetch)->size;
    if (error) {
        pop_visit_note_loss(visit, POP_SUSPECT_RETR, fetch->number);
        g_clear_pointer(&fetch->writer, pop_writer_free);
        fetch->error = g_error_copy(error);
        g_queue_push_tail(&visit->refused, fetch);
        pop_visit_step_later(visit);
        return;
    }
    begin(fetch);
    if (is_another(fetch)) {
        refuse_another(fetch);
        return;
    }
    pop_suspects_forget(visit->suspects, POP_SUSPECT_RETR, fetch->number);
    g_clear_pointer(&fetch->head, g_byte_array_unref);
    visit->n_storing++;
    pop_visit_hold(visit);
    pop_writer_finish(g_steal_pointer(&fetch->writer), on_stored, fetch);
    listen_or_pause(visit);
    pop_visit_step_later(visit);
}

/* Of the messages only: the connection is there still. */
static void settle_refused(PopVisit *visit)
{
    PopFetch *fetch;

    while ((fetch = g_queue_pop_head(&visit->refused))) {
        g_autoptr(GError) error = g_steal_pointer(&fetch->error);

        visit->has_refusals = TRUE;
        settle(fetch, 0, error);
    }
}

/* --- what is next --- */

static gboolean can_come(const PopEntry *entry)
{
    return entry->state == POP_ENTRY_THERE && entry->size <= pop_limits_default.data_max;
}

static void refuse(PopVisit *visit, guint32 number, const PopEntry *entry)
{
    g_autoptr(GError) error = NULL;

    if (entry)
        error = g_error_new(MAIL_ERROR, MAIL_ERROR_TOO_BIG,
                            "retrieve message %u: its %" G_GUINT64_FORMAT " octets are too many",
                            number, entry->size);
    else
        error = g_error_new(MAIL_ERROR, MAIL_ERROR_NOT_FOUND,
                            "retrieve message %u: %s does not have it", number,
                            visit->options->account->host);
    tell(visit, number, 0, error);
}

/* Index + 1 of the first of @numbers that can come; tells of those that cannot. */
static guint next_wanted(PopVisit *visit, GQueue *numbers)
{
    guint32 number;

    while ((number = GPOINTER_TO_UINT(g_queue_peek_head(numbers)))) {
        guint place =
            GPOINTER_TO_UINT(g_hash_table_lookup(visit->by_number, GUINT_TO_POINTER(number)));
        const PopEntry *entry = place ? pop_visit_entry(visit, place - 1) : NULL;
        gboolean is_asked = g_hash_table_contains(visit->asked, GUINT_TO_POINTER(number));

        if (is_asked && entry && can_come(entry))
            return place;
        g_queue_pop_head(numbers);
        if (!is_asked)
            continue;
        if (entry && entry->state == POP_ENTRY_HERE)
            tell(visit, number, entry->number, NULL);
        else if (!entry || entry->state == POP_ENTRY_THERE)
            refuse(visit, number, entry);
    }
    return 0;
}

static guint next_due(PopVisit *visit)
{
    for (; visit->n_due < visit->due->len; visit->n_due++) {
        guint index = g_array_index(visit->due, guint, visit->n_due);
        PopEntry *entry = pop_visit_entry(visit, index);

        if (can_come(entry) && !entry->is_refused)
            return index + 1;
        if (entry->is_needed && entry->state == POP_ENTRY_THERE) {
            entry->is_needed = FALSE;
            visit->n_needed--;
        }
    }
    return 0;
}

static guint next_of_all(PopVisit *visit)
{
    for (; visit->n_all < visit->entries->len; visit->n_all++) {
        const PopEntry *entry = pop_visit_entry(visit, visit->n_all);

        if (can_come(entry) && !entry->is_refused)
            return visit->n_all + 1;
    }
    return 0;
}

static gboolean is_quiet(const PopVisit *visit)
{
    return visit->has_told_list && !visit->coming.length && !visit->refused.length &&
           !visit->n_storing;
}

/* What is wanted, then what must be, then the rest, behind the headers: a listing need not wait for
 * it.  At last what may end the connection. */
static guint next(PopVisit *visit)
{
    guint place = next_wanted(visit, &visit->wanted);

    if (!place && !visit->n_unlooked)
        place = next_due(visit);
    if (!place && !visit->n_unlooked && visit->options->retrieves_all)
        place = next_of_all(visit);
    if (!place && is_quiet(visit))
        place = next_wanted(visit, &visit->risky);
    return place;
}

static gboolean has_room(const PopVisit *visit, const PopEntry *entry)
{
    guint n = visit->coming.length;

    if (has_backlog(visit, BACKLOG_ASK) || visit->n_storing >= STORING_MAX)
        return FALSE;
    return n == 0 || (n < pop_visit_window(visit, IN_FLIGHT_MAX) &&
                      visit->n_coming + entry->size <= OCTETS_MAX);
}

static void ask(PopVisit *visit, guint index)
{
    static const PopAnswer answer = {.piece = on_piece, .done = on_done};
    PopEntry *entry = pop_visit_entry(visit, index);
    PopFetch *fetch = g_new0(PopFetch, 1);

    fetch->visit = visit;
    fetch->index = index;
    fetch->number = entry->number;
    entry->state = POP_ENTRY_COMING;
    visit->n_coming += entry->size;
    g_queue_push_tail(&visit->coming, fetch);
    pop_visit_send(visit, "RETR", entry->nth, "", POP_SHAPE_STREAM, &answer);
}

/* Many are asked for at once, when few are left: each command by itself would cost a packet. */
static gboolean has_few(const PopVisit *visit)
{
    return visit->coming.length <= pop_visit_window(visit, IN_FLIGHT_MAX) / 8 &&
           visit->n_coming <= OCTETS_MAX / 8;
}

void pop_visit_retrieve_step(PopVisit *visit)
{
    guint place;

    settle_refused(visit);
    if (!has_few(visit))
        return;
    while ((place = next(visit)) && has_room(visit, pop_visit_entry(visit, place - 1)))
        ask(visit, place - 1);
}

gboolean pop_visit_retrieve_is_done(PopVisit *visit)
{
    return !visit->coming.length && !visit->refused.length && !visit->n_storing && !next(visit);
}

/* --- what is asked for --- */

void pop_visit_require(PopVisit *visit, guint index, gboolean is_needed)
{
    PopEntry *entry = pop_visit_entry(visit, index);

    if (is_needed && !entry->is_needed && entry->state != POP_ENTRY_HERE) {
        entry->is_needed = TRUE;
        visit->n_needed++;
    }
    g_array_append_val(visit->due, index);
}

void pop_visit_retrieve(PopVisit *visit, guint32 number)
{
    g_return_if_fail(pop_visit_is_open(visit) && number);

    if (!g_hash_table_add(visit->asked, GUINT_TO_POINTER(number)))
        return;
    g_queue_push_tail(pop_suspects_has(visit->suspects, POP_SUSPECT_RETR, number) ? &visit->risky
                                                                                  : &visit->wanted,
                      GUINT_TO_POINTER(number));
    pop_visit_step_later(visit);
}

guint pop_visit_n_pending(const PopVisit *visit)
{
    return g_hash_table_size(visit->asked);
}

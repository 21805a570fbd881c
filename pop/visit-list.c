/* SPDX-License-Identifier: MIT */
/* pop/visit-list.c - what the server has (UIDL, LIST), and which messages of ours that is. */
#include <string.h>

#include "pop/visit-private.h"

#define MESSAGES_MAX 1000000
/* An id that is longer is none (pop/spool.h); so much of it is enough to see that. */
#define ID_KEEP (POP_UIDL_MAX + 1)

typedef struct {
    const char *id;
    guint64 size;
    gboolean has_size;
} Item;

struct PopVisitList {
    GArray *items; /* Item: of the server's number, less 1 */
    GStringChunk *ids;
    guint n_ids, n_sizes; /* lines */
    gboolean has_no_ids;  /* of its messages the server has none */
};

void pop_visit_list_free(PopVisitList *list)
{
    if (!list)
        return;
    g_array_unref(list->items);
    g_string_chunk_free(list->ids);
    g_free(list);
}

/* --- the match --- */

static void take_match(PopVisit *visit, guint index, const PopMatch *match)
{
    PopEntry *entry = pop_visit_entry(visit, index);
    gboolean is_stored = match->kind == POP_MATCH_STORED;

    entry->kind = match->kind;
    entry->number = match->number;
    entry->state = is_stored ? POP_ENTRY_HERE : POP_ENTRY_THERE;
    entry->is_refused = pop_suspects_has(visit->suspects, POP_SUSPECT_RETR, match->number);
    if (match->number)
        g_hash_table_insert(visit->by_number, GUINT_TO_POINTER(match->number),
                            GUINT_TO_POINTER(index + 1));
    if (match->kind == POP_MATCH_AMBIGUOUS || match->may_be_stored)
        pop_visit_require(visit, index, TRUE);
    else if (match->kind == POP_MATCH_DOUBTFUL)
        pop_visit_require(visit, index, FALSE);
}

static void on_matched(const PopMatch *matches, guint n, const GError *error, gpointer data)
{
    PopVisit *visit = data;

    if (!pop_visit_drop(visit))
        return;
    if (error) {
        pop_visit_fail(visit, error);
        return;
    }
    for (guint i = 0; i < n; i++)
        take_match(visit, i, &matches[i]);
    visit->has_list = TRUE;
    visit->n_unlooked = n;
    visit->phase = POP_VISIT_FETCHES;
    pop_visit_step_later(visit);
}

static void match(PopVisit *visit)
{
    const PopVisitList *list = visit->list;
    g_autoptr(GArray) listed = g_array_new(FALSE, FALSE, sizeof(PopListed));

    for (guint i = 0; i < list->items->len; i++) {
        const Item *item = &g_array_index(list->items, Item, i);
        PopEntry entry = {.nth = i + 1, .size = item->size};
        PopListed told = {item->id, item->size};

        if (!item->has_size)
            continue;
        g_array_append_val(visit->entries, entry);
        g_array_append_val(listed, told);
    }
    pop_spool_match(visit->spool, (const PopListed *)listed->data, listed->len, on_matched,
                    pop_visit_hold(visit));
    g_clear_pointer(&visit->list, pop_visit_list_free);
}

/* --- lines --- */

static const char *host(const PopVisit *visit)
{
    return visit->options->account->host;
}

/* The item of a line "5 more", and what stands behind its number; NULL: the visit has failed. */
static Item *take_item(PopVisit *visit, const char *doing, const char *form, guint nth_line,
                       const char *line, gsize len, const char **ret_more)
{
    GArray *items = visit->list->items;
    char *end = NULL;
    guint64 n = g_ascii_isdigit(*line) ? g_ascii_strtoull(line, &end, 10) : 0;

    if (n == 0 || (*end != ' ' && *end != '\t') || strlen(line) != len) {
        pop_visit_fail_with(visit, MAIL_ERROR_PROTOCOL, "%s: line %u of %s is not %s", doing,
                            nth_line, host(visit), form);
        return NULL;
    }
    if (n > MESSAGES_MAX) {
        pop_visit_fail_with(visit, MAIL_ERROR_TOO_BIG,
                            "%s: %s has a message %" G_GUINT64_FORMAT ", and %d are too many",
                            doing, host(visit), n, MESSAGES_MAX);
        return NULL;
    }
    if (n > items->len)
        g_array_set_size(items, (guint)n);
    *ret_more = end + strspn(end, " \t");
    return &g_array_index(items, Item, n - 1);
}

static void fail_twice(PopVisit *visit, const char *doing, guint nth_line)
{
    pop_visit_fail_with(visit, MAIL_ERROR_PROTOCOL,
                        "%s: line %u of %s is of a message that was listed before", doing, nth_line,
                        host(visit));
}

static void on_id(const char *line, gsize len, gboolean is_cut, gpointer data)
{
    PopVisit *visit = data;
    PopVisitList *list = visit->list;
    const char *id = NULL;
    Item *item = take_item(visit, "uidl", "a number and an id", ++list->n_ids, line, len, &id);
    gsize n_id = item ? strlen(id) : 0;

    pop_visit_comes(visit);
    while (n_id > 0 && (id[n_id - 1] == ' ' || id[n_id - 1] == '\t'))
        n_id--;
    if (item && item->id)
        fail_twice(visit, "uidl", list->n_ids);
    else if (item)
        item->id = g_string_chunk_insert_len(list->ids, id, (gssize)MIN(n_id, ID_KEEP));
}

/* What stands behind the size is not for us (RFC 1939 5). */
static void on_size(const char *line, gsize len, gboolean is_cut, gpointer data)
{
    static const char form[] = "a number and a size";
    PopVisit *visit = data;
    PopVisitList *list = visit->list;
    const char *text;
    Item *item = take_item(visit, "list", form, ++list->n_sizes, line, len, &text);
    char *end;

    pop_visit_comes(visit);
    if (!item)
        return;
    if (item->has_size) {
        fail_twice(visit, "list", list->n_sizes);
        return;
    }
    item->size = g_ascii_strtoull(text, &end, 10);
    item->has_size = g_ascii_isdigit(*text) && (!*end || *end == ' ' || *end == '\t') &&
                     item->size <= G_MAXINT64;
    if (!item->has_size)
        pop_visit_fail_with(visit, MAIL_ERROR_PROTOCOL, "list: line %u of %s is not %s",
                            list->n_sizes, host(visit), form);
}

/* --- answers --- */

/* A server without UIDL; but when it is out of order for the moment, or said that it has it, its
 * messages must not be taken for others. */
static gboolean is_without_ids(const PopVisit *visit, const GError *error)
{
    return g_error_matches(error, MAIL_ERROR, MAIL_ERROR_SERVER) &&
           !pop_session_has(visit->session, "UIDL");
}

static void on_ids_done(const GError *error, gpointer data)
{
    PopVisit *visit = data;

    if (error && !is_without_ids(visit, error))
        pop_visit_fail(visit, error);
    visit->list->has_no_ids = error != NULL;
}

static gboolean is_consistent(PopVisit *visit)
{
    const PopVisitList *list = visit->list;

    for (guint i = 0; i < list->items->len && !list->has_no_ids; i++) {
        const Item *item = &g_array_index(list->items, Item, i);

        if ((item->id != NULL) == item->has_size)
            continue;
        pop_visit_fail_with(visit, MAIL_ERROR_PROTOCOL, "list: %s has message %u in %s only",
                            host(visit), i + 1, item->id ? "UIDL" : "LIST");
        return FALSE;
    }
    return TRUE;
}

static void on_sizes_done(const GError *error, gpointer data)
{
    PopVisit *visit = data;

    if (error)
        pop_visit_fail(visit, error);
    else if (is_consistent(visit))
        match(visit);
}

static gboolean is_disabled(const PopVisit *visit, const char *capability)
{
    const char *const *disabled = visit->options->disabled;

    while (disabled && *disabled && g_ascii_strcasecmp(*disabled, capability) != 0)
        disabled++;
    return disabled && *disabled;
}

void pop_visit_list(PopVisit *visit)
{
    static const PopAnswer ids = {.line = on_id, .done = on_ids_done};
    static const PopAnswer sizes = {.line = on_size, .done = on_sizes_done};

    visit->list = g_new0(PopVisitList, 1);
    visit->list->items = g_array_new(FALSE, TRUE, sizeof(Item));
    visit->list->ids = g_string_chunk_new(4096);
    visit->list->has_no_ids = is_disabled(visit, "UIDL");
    visit->has_no_top = is_disabled(visit, "TOP");
    if (!visit->list->has_no_ids)
        pop_session_send(visit->session, "UIDL", POP_SHAPE_LINES, &ids, visit);
    pop_session_send(visit->session, "LIST", POP_SHAPE_LINES, &sizes, visit);
}

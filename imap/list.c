/* SPDX-License-Identifier: MIT */
/* imap/list.c - the mailboxes of an account (RFC 9051 6.3.9, 6.3.10, RFC 6154). */
#include <string.h>

#include "imap/errors.h"
#include "imap/hierarchy.h"
#include "imap/utf7.h"
#include "imap/worker.h"

#define BOXES_MAX    100000
#define DEPTH_MAX    100
#define BOX_NAME_MAX 4096
#define NAMES_MAX    ((gsize)4 * 1024 * 1024) /* octets of all names */
#define PREFIXES_MAX 16
#define SKIPS_SHOWN  10

typedef struct {
    char *wire;
    char **names;
    gboolean *are_raw;
    guint n_names;
    guint attributes;
} Entry;

/* One listing: it may take several LISTs. */
typedef struct {
    ImapWorker *worker;
    GPtrArray *entries;  /* Entry */
    GHashTable *seen;    /* the wire names of entries */
    GHashTable *places;  /* where entries are in the tree */
    GPtrArray *prefixes; /* of our own namespaces */
    gsize names_len;     /* octets of the names in entries */
    guint n_skipped;     /* mailboxes that are left out */
    guint n_jobs;        /* not answered */
    guint n_alive;       /* not freed: the last one frees the listing */
    gboolean is_simple;  /* the server does not take LIST with RETURN */
    gboolean has_asked_prefixes;
    GError *error;
    void (*done)(ImapWorker *worker, const GError *error);
} Listing;

typedef struct {
    ImapJob job;
    Listing *listing;
    char *pattern;        /* of a LIST */
    gboolean is_extended; /* with RETURN */
} ListJob;

static void send_list(Listing *listing, const char *pattern);

static void entry_free(gpointer data)
{
    Entry *entry = data;

    g_free(entry->wire);
    g_strfreev(entry->names);
    g_free(entry->are_raw);
    g_free(entry);
}

static void listing_free(Listing *listing)
{
    g_hash_table_unref(listing->seen);
    g_ptr_array_unref(listing->entries);
    g_hash_table_unref(listing->places);
    g_ptr_array_unref(listing->prefixes);
    g_clear_error(&listing->error);
    g_free(listing);
}

/* --- one LIST response --- */

/* Decodes a component; where that is not one to one, it stays as the server wrote it. */
static char *decode(const ImapWorker *worker, const char *component, gboolean *ret_is_raw)
{
    char *decoded = NULL;

    if (imap_session_has_enabled(worker->session, "UTF8=ACCEPT"))
        decoded = g_utf8_validate(component, -1, NULL) ? g_strdup(component) : NULL;
    else
        decoded = imap_utf7_decode(component);
    *ret_is_raw = decoded == NULL;
    return decoded ? decoded : g_strdup(component);
}

static Entry *entry_new(const ImapWorker *worker, const char *wire, const char *delimiter)
{
    Entry *entry = g_new0(Entry, 1);
    g_auto(GStrv) components =
        *delimiter ? g_strsplit(wire, delimiter, -1) : g_strdupv((char *[]){(char *)wire, NULL});

    entry->n_names = g_strv_length(components);
    entry->names = g_new0(char *, entry->n_names + 1);
    entry->are_raw = g_new0(gboolean, entry->n_names + 1);
    for (guint i = 0; i < entry->n_names; i++)
        entry->names[i] = decode(worker, components[i], &entry->are_raw[i]);
    /* INBOX in any case is one mailbox (RFC 9051 5.1), also as the parent of others. */
    if (entry->n_names && imap_is_inbox(entry->names[0])) {
        g_free(entry->names[0]);
        entry->names[0] = g_strdup("INBOX");
    }
    entry->wire = g_strdup(imap_is_inbox(wire) ? "INBOX" : wire);
    return entry;
}

static char *place(const Entry *entry)
{
    g_autoptr(GString) out = g_string_new(NULL);

    for (guint i = 0; i < entry->n_names; i++)
        g_string_append_printf(out, "/%d%zu:%s", entry->are_raw[i], strlen(entry->names[i]),
                               entry->names[i]);
    return g_string_free(g_steal_pointer(&out), FALSE);
}

/* Two mailboxes whose names come out the same: the later keeps the name that the server gave it. */
static gboolean settle_place(Listing *listing, Entry *entry)
{
    g_autofree char *first = place(entry), *second = NULL;

    if (g_hash_table_add(listing->places, g_strdup(first)))
        return TRUE;
    if (!entry->n_names || entry->are_raw[entry->n_names - 1])
        return FALSE;
    entry->are_raw[entry->n_names - 1] = TRUE;
    second = place(entry);
    return g_hash_table_add(listing->places, g_strdup(second));
}

static void skip(Listing *listing, const char *wire, const char *why)
{
    g_autofree char *name = imap_clean_text(wire ? wire : "");

    if (++listing->n_skipped <= SKIPS_SHOWN)
        g_message("the mailbox \"%s\" is left out: %s", name, why);
}

static void add_entry(Listing *listing, const ImapResponse *response)
{
    ImapListed listed;
    gboolean is_usable = imap_listed_parse(response->values, &listed);
    const char *wire = listed.wire;
    Entry *entry;

    if (!is_usable || strlen(wire) > BOX_NAME_MAX) {
        skip(listing, wire, "its name or delimiter cannot be used");
        return;
    }
    if (!*wire || g_hash_table_contains(listing->seen, imap_is_inbox(wire) ? "INBOX" : wire))
        return;
    if (listing->entries->len >= BOXES_MAX || strlen(wire) > NAMES_MAX - listing->names_len) {
        skip(listing, wire, "there are too many");
        return;
    }
    entry = entry_new(listing->worker, wire, listed.delimiter);
    entry->attributes = listed.attributes;
    if (entry->n_names > DEPTH_MAX || !settle_place(listing, entry)) {
        skip(listing, wire, "it lies too deep, or another has its name");
        entry_free(entry);
        return;
    }
    listing->names_len += strlen(wire);
    g_hash_table_add(listing->seen, entry->wire);
    g_ptr_array_add(listing->entries, entry);
}

/* --- the end --- */

static void tell_cache(Listing *listing)
{
    g_autofree CacheBoxNews *news = g_new(CacheBoxNews, listing->entries->len + 1);

    for (guint i = 0; i < listing->entries->len; i++) {
        const Entry *entry = listing->entries->pdata[i];

        news[i] = (CacheBoxNews){entry->wire, (const char *const *)entry->names, entry->are_raw,
                                 entry->attributes};
    }
    cache_put_boxes(imap_worker_cache(listing->worker), news, listing->entries->len);
}

static gboolean is_covered(Listing *listing, const char *prefix)
{
    for (guint i = 0; i < listing->entries->len; i++)
        if (g_str_has_prefix(((Entry *)listing->entries->pdata[i])->wire, prefix))
            return TRUE;
    return FALSE;
}

/* A namespace of our own that "*" did not reach is asked for by its prefix. */
static gboolean ask_prefixes(Listing *listing)
{
    if (listing->has_asked_prefixes)
        return FALSE;
    listing->has_asked_prefixes = TRUE;
    for (guint i = 0; i < listing->prefixes->len; i++) {
        g_autofree char *pattern = g_strconcat(listing->prefixes->pdata[i], "*", NULL);

        if (!is_covered(listing, listing->prefixes->pdata[i]))
            send_list(listing, pattern);
    }
    return listing->n_jobs > 0;
}

static void job_done(Listing *listing)
{
    if (--listing->n_jobs > 0 || (!listing->error && ask_prefixes(listing)))
        return;
    if (listing->n_skipped > SKIPS_SHOWN)
        g_message("%u mailboxes in all are left out", listing->n_skipped);
    if (!listing->error)
        tell_cache(listing);
    listing->done(listing->worker, listing->error);
}

/* --- LIST and NAMESPACE --- */

static gboolean on_list(ImapJob *job, const ImapResponse *response)
{
    if (!g_str_equal(response->name, "LIST"))
        return FALSE;
    add_entry(((ListJob *)job)->listing, response);
    return TRUE;
}

static void finish_list(ImapJob *job, const ImapResponse *response, const GError *error)
{
    ListJob *list = (ListJob *)job;
    Listing *listing = list->listing;

    if (error && list->is_extended && !imap_session_is_closed(job->worker->session)) {
        /* Some advertise LIST-EXTENDED and do not take it. */
        listing->is_simple = TRUE;
        send_list(listing, list->pattern);
    } else if (error && !listing->error) {
        listing->error = g_error_copy(error);
    }
    job_done(listing);
}

static void clear_list(ImapJob *job)
{
    Listing *listing = ((ListJob *)job)->listing;

    g_free(((ListJob *)job)->pattern);
    if (--listing->n_alive == 0)
        listing_free(listing);
}

static ListJob *list_job_new(Listing *listing)
{
    ListJob *list = imap_job_new(listing->worker, sizeof *list, 0);

    list->job.clear = clear_list;
    list->listing = listing;
    listing->n_jobs++;
    listing->n_alive++;
    return list;
}

static void send_list(Listing *listing, const char *pattern)
{
    ListJob *list = list_job_new(listing);
    ImapCommand *command = imap_worker_command(listing->worker, "LIST");

    list->job.untagged = on_list;
    list->job.finish = finish_list;
    list->pattern = g_strdup(pattern);
    list->is_extended = !listing->is_simple;
    imap_command_add(command, "\"\"");
    if (!imap_command_add_string(command, pattern, strlen(pattern), NULL))
        g_assert_not_reached(); /* only a NUL cannot be sent */
    if (list->is_extended)
        imap_command_add(command, "RETURN (SPECIAL-USE)");
    imap_job_send(list, command);
}

/* "* NAMESPACE (("INBOX." ".")) NIL NIL" (RFC 2342): the first is our own. */
static gboolean on_namespace(ImapJob *job, const ImapResponse *response)
{
    const ImapValue *own = response->values;
    GPtrArray *prefixes = ((ListJob *)job)->listing->prefixes;

    if (!g_str_equal(response->name, "NAMESPACE"))
        return FALSE;
    for (own = own ? own->first : NULL; own; own = own->next) {
        const char *prefix = imap_value_text(imap_value_nth(own, 0));

        if (prefix && *prefix && strlen(prefix) <= BOX_NAME_MAX && prefixes->len < PREFIXES_MAX)
            g_ptr_array_add(prefixes, g_strdup(prefix));
    }
    return TRUE;
}

/* Without it the account is no poorer: errors are nothing. */
static void finish_namespace(ImapJob *job, const ImapResponse *response, const GError *error)
{
    job_done(((ListJob *)job)->listing);
}

static void send_namespace(Listing *listing)
{
    ListJob *list;

    if (!imap_worker_has(listing->worker, "NAMESPACE"))
        return;
    list = list_job_new(listing);
    list->job.untagged = on_namespace;
    list->job.finish = finish_namespace;
    imap_job_send(list, imap_worker_command(listing->worker, "NAMESPACE"));
}

void imap_list_start(ImapWorker *worker, void (*done)(ImapWorker *worker, const GError *error))
{
    Listing *listing = g_new0(Listing, 1);

    listing->worker = worker;
    listing->entries = g_ptr_array_new_with_free_func(entry_free);
    listing->seen = g_hash_table_new(g_str_hash, g_str_equal);
    listing->places = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    listing->prefixes = g_ptr_array_new_with_free_func(g_free);
    listing->done = done;
    listing->is_simple =
        !imap_worker_has(worker, "SPECIAL-USE") || !imap_worker_has(worker, "LIST-EXTENDED");
    send_namespace(listing);
    send_list(listing, "*");
}

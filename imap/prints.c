/* SPDX-License-Identifier: MIT */
/* imap/prints.c - finding sent messages by what they say and how long they are. */
#include "imap/prints.h"

#include <string.h>

#include "mime/mime.h"

/* Some servers end a message with CRLF that did not. */
#define SIZE_SLACK 2
#define TOLD_MAX   100000 /* that may be one of those that are sought */

typedef struct {
    ImapPrint print;
    guint32 uidnext;  /* of one that is sought */
    guint32 replaced; /* the same, or 0 */
    guint32 uid;      /* that it has; of one that is sought: that was found, or 0 */
    gboolean is_claimed;
} Entry;

struct ImapPrints {
    GPtrArray *sought;   /* Entry */
    GPtrArray *told;     /* Entry */
    GHashTable *buckets; /* Message-ID -> GPtrArray of those in told, by UID */
    GHashTable *uids;    /* of those in told */
};

ImapPrint imap_print_new(const MailEnvelope *envelope, gint64 internal_date, guint64 size)
{
    return (ImapPrint){g_strdup(mail_envelope_get(envelope, MAIL_ENVELOPE_MESSAGE_ID)),
                       g_strdup(mail_envelope_get(envelope, MAIL_ENVELOPE_DATE)), internal_date,
                       size};
}

ImapPrint imap_print_of_bytes(GBytes *bytes, gint64 internal_date)
{
    gsize len;
    const guint8 *data = g_bytes_get_data(bytes, &len);
    g_autoptr(MailEnvelope) envelope = mime_envelope_parse(data, len);

    return imap_print_new(envelope, internal_date, len);
}

void imap_print_clear(ImapPrint *print)
{
    g_clear_pointer(&print->message_id, g_free);
    g_clear_pointer(&print->date_header, g_free);
}

gboolean imap_print_is_like(const ImapPrint *print, const ImapPrint *other)
{
    guint64 small = MIN(print->size, other->size), large = MAX(print->size, other->size);

    if (*print->message_id || *other->message_id)
        return g_str_equal(print->message_id, other->message_id);
    return g_str_equal(print->date_header, other->date_header) && large - small <= SIZE_SLACK;
}

static gboolean fits_size(const ImapPrint *sought, const ImapPrint *told)
{
    return told->size >= sought->size && told->size - sought->size <= SIZE_SLACK;
}

/* Whether what was sent as @sought can have become @told, with nothing changed by the server. */
static gboolean fits(const ImapPrint *sought, const ImapPrint *told)
{
    if (!fits_size(sought, told))
        return FALSE;
    if (sought->internal_date != G_MININT64 && told->internal_date != G_MININT64 &&
        sought->internal_date != told->internal_date)
        return FALSE;
    return *sought->message_id || g_str_equal(sought->date_header, told->date_header);
}

/* --- collecting --- */

static Entry *entry_new(ImapPrint print, guint32 uid)
{
    Entry *entry = g_new0(Entry, 1);

    *entry = (Entry){.print = print, .uid = uid};
    return entry;
}

static void entry_free(gpointer data)
{
    imap_print_clear(&((Entry *)data)->print);
    g_free(data);
}

static void bucket_free(gpointer data)
{
    g_ptr_array_unref(data);
}

ImapPrints *imap_prints_new(void)
{
    ImapPrints *prints = g_new0(ImapPrints, 1);

    prints->sought = g_ptr_array_new_with_free_func(entry_free);
    prints->told = g_ptr_array_new_with_free_func(entry_free);
    prints->buckets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, bucket_free);
    prints->uids = g_hash_table_new(NULL, NULL);
    return prints;
}

void imap_prints_free(ImapPrints *prints)
{
    if (!prints)
        return;
    g_hash_table_unref(prints->buckets);
    g_hash_table_unref(prints->uids);
    g_ptr_array_unref(prints->sought);
    g_ptr_array_unref(prints->told);
    g_free(prints);
}

void imap_prints_seek(ImapPrints *prints, guint32 uidnext, guint32 replaced, ImapPrint print)
{
    Entry *entry = entry_new(print, 0);

    entry->uidnext = uidnext;
    entry->replaced = replaced;
    if (!g_hash_table_contains(prints->buckets, print.message_id))
        g_hash_table_insert(prints->buckets, g_strdup(print.message_id), g_ptr_array_new());
    g_ptr_array_add(prints->sought, entry);
}

void imap_prints_tell(ImapPrints *prints, guint32 uid, ImapPrint print)
{
    GPtrArray *bucket = g_hash_table_lookup(prints->buckets, print.message_id);
    Entry *entry;

    if (!bucket || prints->told->len >= TOLD_MAX ||
        !g_hash_table_add(prints->uids, GUINT_TO_POINTER(uid))) {
        imap_print_clear(&print);
        return;
    }
    entry = entry_new(print, uid);
    g_ptr_array_add(prints->told, entry);
    g_ptr_array_add(bucket, entry);
}

/* --- finding --- */

static void claim(Entry *sought, Entry *told)
{
    sought->uid = told->uid;
    told->is_claimed = TRUE;
}

static gboolean is_free_for(const Entry *sought, const Entry *told)
{
    return !told->is_claimed && told->uid >= sought->uidnext && told->uid != sought->replaced;
}

static void find_exact(ImapPrints *prints, Entry *sought)
{
    GPtrArray *bucket = g_hash_table_lookup(prints->buckets, sought->print.message_id);

    for (guint i = 0; i < bucket->len && !sought->uid; i++) {
        Entry *told = bucket->pdata[i];

        if (is_free_for(sought, told) && fits(&sought->print, &told->print))
            claim(sought, told);
    }
}

/* The only one that is left in the bucket for @sought, or NULL. */
static Entry *only_left(const GPtrArray *bucket, const Entry *sought)
{
    Entry *only = NULL;

    for (guint i = 0; i < bucket->len; i++) {
        Entry *told = bucket->pdata[i];

        if (!is_free_for(sought, told))
            continue;
        if (only)
            return NULL;
        only = told;
    }
    return only;
}

/* How many are still sought with each Message-ID. */
static GHashTable *count_missing(const ImapPrints *prints)
{
    GHashTable *counts = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < prints->sought->len; i++) {
        const Entry *entry = prints->sought->pdata[i];
        char *id = entry->print.message_id;

        if (!entry->uid)
            g_hash_table_insert(
                counts, id,
                GUINT_TO_POINTER(1 + GPOINTER_TO_UINT(g_hash_table_lookup(counts, id))));
    }
    return counts;
}

/* Whether what was sent as @sought can have become @told, with something changed by the server. */
static gboolean fits_changed(const Entry *sought, const Entry *told)
{
    const ImapPrint *one = &sought->print, *other = &told->print;

    return fits_size(one, other) || (!sought->replaced && one->internal_date != G_MININT64 &&
                                     one->internal_date == other->internal_date);
}

static void find_changed(ImapPrints *prints, Entry *sought, GHashTable *counts)
{
    const char *id = sought->print.message_id;
    Entry *told;

    if (sought->uid || !*id || GPOINTER_TO_UINT(g_hash_table_lookup(counts, id)) != 1)
        return;
    told = only_left(g_hash_table_lookup(prints->buckets, id), sought);
    if (told && fits_changed(sought, told))
        claim(sought, told);
}

static int compare_uids(gconstpointer a, gconstpointer b)
{
    const Entry *one = *(Entry *const *)a, *other = *(Entry *const *)b;

    return (one->uid > other->uid) - (one->uid < other->uid);
}

GArray *imap_prints_find(ImapPrints *prints)
{
    GArray *uids = g_array_new(FALSE, FALSE, sizeof(guint32));
    g_autoptr(GHashTable) counts = NULL;
    GHashTableIter buckets;
    gpointer bucket;

    g_hash_table_iter_init(&buckets, prints->buckets);
    while (g_hash_table_iter_next(&buckets, NULL, &bucket))
        g_ptr_array_sort(bucket, compare_uids);
    for (guint i = 0; i < prints->sought->len; i++)
        find_exact(prints, prints->sought->pdata[i]);
    counts = count_missing(prints);
    for (guint i = 0; i < prints->sought->len; i++) {
        find_changed(prints, prints->sought->pdata[i], counts);
        g_array_append_val(uids, ((Entry *)prints->sought->pdata[i])->uid);
    }
    return uids;
}

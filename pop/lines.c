/* SPDX-License-Identifier: MIT */
/* pop/lines.c - listing the messages of the spool: a bounded piece of its header, and some in each
 * turn of the main loop. */
#include <unistd.h>

#include "mime/mime.h"
#include "pop/backend.h"
#include "pop/header.h"

#define HEADER_MAX  65536 /* octets of one that are looked at */
#define HEADER_STEP 8192
#define LIST_STEP   32   /* messages listed in a turn */
#define LIST_WINDOW 1024 /* and the numbers among which they are sought */

/* --- lines --- */

static gboolean has_whole_header(const GByteArray *bytes)
{
    return g_strstr_len((const char *)bytes->data, bytes->len, "\r\n\r\n") ||
           g_strstr_len((const char *)bytes->data, bytes->len, "\n\n");
}

/* What cannot be read is shown all the same, for whoever reads it to hear why; NULL when it is not
 * there. */
static GBytes *dup_stored_header(const PopBackend *backend, guint32 number)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GByteArray) bytes = g_byte_array_sized_new(HEADER_STEP);
    int fd = pop_spool_open_file(backend->spool, number, &error);
    ssize_t n = 1;

    if (fd < 0 && g_error_matches(error, MAIL_ERROR, MAIL_ERROR_NOT_FOUND))
        return NULL;
    while (fd >= 0 && n > 0 && bytes->len < HEADER_MAX && !has_whole_header(bytes)) {
        guint len = bytes->len;

        g_byte_array_set_size(bytes, len + HEADER_STEP);
        n = read(fd, bytes->data + len, HEADER_STEP);
        g_byte_array_set_size(bytes, len + (guint)MAX(n, 0));
    }
    if (fd >= 0)
        close(fd);
    return g_byte_array_free_to_bytes(g_steal_pointer(&bytes));
}

static gboolean is_listed(const PopBackend *backend, guint32 box, guint32 number)
{
    guint32 generation = cache_box(backend->cache, box)->generation;
    CacheMessage message;

    return cache_get_message(backend->cache, generation, number, &message);
}

/* What is known of it besides its header; servers announce what they like. */
static CacheMessage line_of(const PopMessage *message)
{
    return (CacheMessage){
        .uid = message->number,
        .flags = message->flags,
        .size = MIN(message->size, CACHE_SIZE_MAX),
        .is_size_proved = pop_message_is_stored(message),
        .date = message->date,
    };
}

/* @header may go on with the message.  It tells the same wherever it is from, so that the message
 * keeps its name when it is retrieved. */
static void put_line(PopBackend *backend, guint32 box, const PopMessage *message, GBytes *header)
{
    const char *bytes = g_bytes_get_data(header, NULL);
    gsize len = pop_header_len(bytes, MIN(g_bytes_get_size(header), HEADER_MAX));
    g_autoptr(MailEnvelope) envelope = mime_envelope_parse((const guint8 *)bytes, len);
    CacheMessage line = line_of(message);

    line.date = pop_header_date(bytes, len, message->date);
    cache_put_line(backend->cache, box, &line, envelope);
}

static void put_gone(PopBackend *backend, guint32 box, guint32 number)
{
    g_autoptr(MailSet) gone = mail_set_new();

    mail_set_add(gone, number, number);
    cache_put_gone(backend->cache, box, gone);
}

/* As @box has it, where it is not listed.  One whose header is not known yet is not shown. */
static void list(PopBackend *backend, guint32 box, guint32 number)
{
    const PopMessage *message = pop_spool_get(backend->spool, number);
    g_autoptr(GBytes) header = NULL;

    if (message && pop_backend_box(backend, message->place) == box)
        header = pop_message_is_stored(message) ? dup_stored_header(backend, number)
                                                : pop_spool_dup_header(backend->spool, number);
    if (header)
        put_line(backend, box, message, header);
    else
        put_gone(backend, box, number);
}

gboolean pop_lines_correct(PopBackend *backend, const PopMessage *message)
{
    guint32 box = pop_backend_box(backend, message->place);
    CacheMessage line = line_of(message);

    if (!box || !is_listed(backend, box, message->number))
        return FALSE;
    cache_put_line(backend->cache, box, &line, NULL);
    return TRUE;
}

void pop_lines_put(PopBackend *backend, guint32 number)
{
    const PopMessage *message = pop_spool_get(backend->spool, number);
    guint32 box = message ? pop_backend_box(backend, message->place) : 0;

    if (box && !pop_lines_correct(backend, message))
        list(backend, box, number);
}

/* --- lists of messages, some in each turn of the main loop --- */

/* The newest that are not listed, up to LIST_STEP.  FALSE when there are none any more. */
static gboolean list_some(PopBackend *backend, PopListing *listing)
{
    guint32 low = MAX(listing->low, listing->high - MIN(listing->high, LIST_WINDOW));
    g_autoptr(MailSet) missing =
        cache_dup_unlisted(backend->cache, listing->box, low, listing->high);

    for (guint n = 0; n < LIST_STEP && missing->len; n++) {
        guint32 number = mail_set_range(missing, missing->len - 1)->last;

        list(backend, listing->box, number);
        mail_set_remove(missing, number, number);
        listing->high = number - 1;
    }
    if (!missing->len)
        listing->high = low - 1;
    return listing->high >= listing->low;
}

static gboolean list_wanted(PopBackend *backend)
{
    PopListing *listing = g_queue_peek_head(&backend->listings);

    if (!listing)
        return FALSE;
    if (!list_some(backend, listing)) {
        cache_want_done(backend->cache, listing->want, NULL);
        g_free(g_queue_pop_head(&backend->listings));
    }
    return TRUE;
}

/* What nobody asks for yet: what is not listed cannot be shown while the server is out of reach. */
static gboolean list_rest(PopBackend *backend)
{
    for (guint i = 0; i < G_N_ELEMENTS(backend->rest); i++)
        if (backend->rest[i].high >= backend->rest[i].low) {
            list_some(backend, &backend->rest[i]);
            return TRUE;
        }
    return FALSE;
}

static gboolean on_list(gpointer data)
{
    PopBackend *backend = data;

    if (list_wanted(backend) || list_rest(backend))
        return G_SOURCE_CONTINUE;
    backend->list_source = 0;
    return G_SOURCE_REMOVE;
}

void pop_lines_later(PopBackend *backend)
{
    if (!backend->list_source)
        backend->list_source = g_idle_add_full(G_PRIORITY_DEFAULT + 10, on_list, backend, NULL);
}

void pop_lines_want(PopBackend *backend, const CacheWant *want)
{
    PopListing *listing = g_new0(PopListing, 1);

    *listing = (PopListing){
        .want = want->id,
        .box = want->box,
        .low = want->kind == CACHE_WANT_LINE ? want->uid : MAX(want->low, 1),
        .high = want->uid,
    };
    g_queue_push_tail(&backend->listings, listing);
    cache_want_take(backend->cache, want->id);
    pop_lines_later(backend);
}

void pop_lines_clear(PopBackend *backend)
{
    g_clear_handle_id(&backend->list_source, g_source_remove);
    g_queue_clear_full(&backend->listings, g_free);
}

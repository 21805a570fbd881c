/* SPDX-License-Identifier: MIT */
/* pop/answers.c - what is wanted and can be told from the spool. */
#include "pop/backend.h"

/* --- telling what there is --- */

static void tell_uids(PopBackend *backend, guint32 box, const MailSet *numbers, PopListing *rest)
{
    guint32 validity = pop_spool_validity(backend->spool);
    CacheSync known;

    if (!cache_sync(backend->cache, box, &known) || known.uidvalidity != validity)
        cache_box_replace(backend->cache, box, validity, NULL);
    cache_put_uids(backend->cache, box, numbers);
    *rest = (PopListing){.box = box, .low = 1, .high = pop_spool_next_number(backend->spool) - 1};
}

static void tell_known(PopBackend *backend)
{
    for (const PopMessage *message = pop_spool_next(backend->spool, 0); message;
         message = pop_spool_next(backend->spool, message->number))
        (void)pop_lines_correct(backend, message);
}

void pop_answers_tell(PopBackend *backend)
{
    g_autoptr(MailSet) inbox = mail_set_new(), read = mail_set_new();

    for (const PopMessage *message = pop_spool_next(backend->spool, 0); message;
         message = pop_spool_next(backend->spool, message->number)) {
        guint32 box = pop_backend_box(backend, message->place);

        if (box)
            mail_set_add(box == backend->read ? read : inbox, message->number, message->number);
    }
    tell_uids(backend, backend->inbox, inbox, &backend->rest[0]);
    tell_uids(backend, backend->read, read, &backend->rest[1]);
    tell_known(backend);
    backend->is_behind = FALSE;
    pop_lines_later(backend);
}

/* The cache may have lost its index. */
static gboolean is_told(const PopBackend *backend, guint32 box)
{
    CacheSync known;

    return cache_sync(backend->cache, box, &known) && known.is_complete;
}

static void put_synced(PopBackend *backend, guint32 box)
{
    cache_put_synced(backend->cache, box, pop_spool_next_number(backend->spool), 0, TRUE,
                     pop_calls_told_us(backend));
}

static void tell_news(PopBackend *backend)
{
    if (backend->is_behind || !is_told(backend, backend->inbox) || !is_told(backend, backend->read))
        pop_answers_tell(backend);
    put_synced(backend, backend->inbox);
    put_synced(backend, backend->read);
}

/* --- who wants to know --- */

static gboolean is_of_listing(const CacheWant *want)
{
    return want->kind == CACHE_WANT_SYNC || want->kind == CACHE_WANT_UIDS;
}

static void end_listings(PopBackend *backend)
{
    for (guint i = 0; i < backend->taken->len; i++)
        cache_want_done(backend->cache, g_array_index(backend->taken, guint64, i), NULL);
    g_array_set_size(backend->taken, 0);
}

static void on_looked(guint32 n, const GError *error, gpointer data)
{
    PopBackend *backend = data;

    if (!backend->spool)
        return;
    backend->is_looking = FALSE;
    if (error && !backend->has_failed_to_look)
        g_message("%s", error->message);
    backend->has_failed_to_look = error != NULL;
    backend->is_behind |= n > 0;
    tell_news(backend);
    end_listings(backend);
}

/* Those that need no visit, or all. */
static void take_listings(PopBackend *backend, gboolean all)
{
    for (GList *link = cache_wants(backend->cache)->head, *next; link; link = next) {
        const CacheWant *want = link->data;

        next = link->next;
        if (!all)
            backend->is_stale |= want->is_urgent;
        if (!is_of_listing(want) || !(all || pop_calls_is_fresh(backend, want->is_urgent)))
            continue;
        g_array_append_val(backend->taken, want->id);
        cache_want_take(backend->cache, want->id);
    }
}

static void look(PopBackend *backend)
{
    if (backend->is_looking)
        return;
    backend->is_looking = TRUE;
    pop_spool_refresh(backend->spool, on_looked, backend);
}

void pop_answers_end_listings(PopBackend *backend)
{
    take_listings(backend, TRUE);
    look(backend);
}

/* --- the rest --- */

static void answer(PopBackend *backend, const CacheWant *want)
{
    static const CacheQuota no_quota = {.is_known = TRUE};

    switch (want->kind) {
    case CACHE_WANT_LINES:
    case CACHE_WANT_LINE: pop_lines_want(backend, want); return;
    case CACHE_WANT_QUOTA: cache_put_quota(backend->cache, &no_quota); break;
    case CACHE_WANT_TREE: cache_put_tree(backend->cache, want->generation, want->uid, NULL); break;
    case CACHE_WANT_MEASURE: cache_put_measured(backend->cache, want->generation, want->uid); break;
    case CACHE_WANT_RIGHTS: pop_backend_tell_rights(backend, want->box); break;
    case CACHE_WANT_READY: break;
    default: return;
    }
    cache_want_done(backend->cache, want->id, NULL);
}

void pop_answers_run(PopBackend *backend)
{
    gboolean needs_visit = FALSE;

    take_listings(backend, FALSE);
    if (backend->taken->len)
        look(backend);
    for (GList *link = cache_wants(backend->cache)->head, *next; link; link = next) {
        const CacheWant *want = link->data;

        next = link->next;
        needs_visit |= is_of_listing(want);
        answer(backend, want);
    }
    if (needs_visit)
        pop_calls_look_again(backend);
}

void pop_answers_init(PopBackend *backend)
{
    backend->taken = g_array_new(FALSE, FALSE, sizeof(guint64));
}

void pop_answers_clear(PopBackend *backend)
{
    g_array_unref(backend->taken);
}

/* SPDX-License-Identifier: MIT */
/* cache/listing.c - walking a mailbox from the newest message down, with envelopes.
 *
 * Envelopes are read from the index in runs, and a few runs are held: a listing asks for one
 * message after the other.
 */
#include "cache/changes.h"

#define RUN_LEN 256
#define N_RUNS  4

typedef struct {
    guint32 generation, first, last; /* UIDs that the run covers; generation 0: unused */
    guint n;
    guint32 uids[RUN_LEN]; /* descending */
    MailEnvelope *envelopes[RUN_LEN];
} Run;

struct Listing {
    Run runs[N_RUNS];
    guint next; /* the one to be replaced next */
};

static void run_clear(Run *run)
{
    for (guint i = 0; i < run->n; i++)
        g_clear_pointer(&run->envelopes[i], mail_envelope_unref);
    run->n = 0;
    run->generation = 0;
}

void listing_init(Cache *cache)
{
    cache->listing = g_new0(struct Listing, 1);
}

void listing_free(Cache *cache)
{
    listing_forget(cache, 0);
    g_free(cache->listing);
}

void listing_forget(Cache *cache, guint32 generation)
{
    for (guint i = 0; i < N_RUNS; i++)
        if (!generation || cache->listing->runs[i].generation == generation)
            run_clear(&cache->listing->runs[i]);
}

static MailEnvelope *column_envelope(sqlite3_stmt *row, int nth)
{
    return mail_envelope_from_bytes(sqlite3_column_blob(row, nth), sqlite3_column_bytes(row, nth));
}

/* Reads the run that begins at @uid and goes down. */
static Run *run_load(Cache *cache, guint32 generation, guint32 uid)
{
    Run *run = &cache->listing->runs[cache->listing->next++ % N_RUNS];
    sqlite3_stmt *select = index_get(cache->index, SQL_ENVELOPES_DOWN);

    run_clear(run);
    sqlite3_bind_int64(select, 1, message_key(generation, uid));
    sqlite3_bind_int64(select, 2, message_key(generation, 0));
    sqlite3_bind_int(select, 3, RUN_LEN);
    while (run->n < RUN_LEN && index_step(cache->index, select)) {
        run->uids[run->n] = (guint32)sqlite3_column_int64(select, 0);
        run->envelopes[run->n] = column_envelope(select, 1);
        if (run->envelopes[run->n])
            run->n++;
    }
    sqlite3_reset(select);
    run->generation = generation;
    run->last = uid;
    run->first = run->n == RUN_LEN ? run->uids[run->n - 1] : 0;
    return run;
}

static MailEnvelope *run_find(const Run *run, guint32 uid)
{
    guint low = 0, high = run->n;

    while (low < high) {
        guint middle = (low + high) / 2;

        if (run->uids[middle] > uid)
            low = middle + 1;
        else
            high = middle;
    }
    return low < run->n && run->uids[low] == uid ? run->envelopes[low] : NULL;
}

static MailEnvelope *envelope_in_run(Cache *cache, guint32 generation, guint32 uid)
{
    MailEnvelope *found = NULL;

    for (guint i = 0; i < N_RUNS && !found; i++) {
        const Run *run = &cache->listing->runs[i];

        if (run->generation == generation && run->first <= uid && uid <= run->last)
            found = run_find(run, uid);
    }
    return found ? mail_envelope_ref(found) : NULL;
}

MailEnvelope *cache_dup_envelope(Cache *cache, guint32 generation, guint32 uid)
{
    MailEnvelope *envelope = envelope_in_run(cache, generation, uid);
    sqlite3_stmt *select;

    if (envelope)
        return envelope;
    select = index_get(cache->index, SQL_ENVELOPE);
    sqlite3_bind_int64(select, 1, message_key(generation, uid));
    if (index_step(cache->index, select))
        envelope = column_envelope(select, 0);
    sqlite3_reset(select);
    return envelope;
}

static MailEnvelope *dup_envelope_in_order(Cache *cache, guint32 generation, guint32 uid)
{
    MailEnvelope *envelope = envelope_in_run(cache, generation, uid);
    MailEnvelope *found;

    if (envelope)
        return envelope;
    found = run_find(run_load(cache, generation, uid), uid);
    return found ? mail_envelope_ref(found) : NULL;
}

/* Without a server, where all that is known was told: who copies it must not take it for all. */
static CacheAnswer end_offline(Cache *cache, Box *box, guint64 *ret_want, GError **error)
{
    if (!box->n_unlisted && box->is_complete)
        return CACHE_ABSENT;
    box->is_told_short = TRUE;
    return wants_answer(cache, &(CacheWant){.kind = CACHE_WANT_UIDS, .box = box->pub.id}, ret_want,
                        error);
}

CacheAnswer cache_next_message(Cache *cache, guint32 id, guint32 before, CacheMessage *ret_message,
                               MailEnvelope **ret_envelope, guint64 *ret_want, GError **error)
{
    CacheAnswer fresh = cache_box_is_fresh(cache, id, G_MAXINT64, ret_want, error);
    Box *box = boxes_get(cache, id);
    gboolean is_online = cache->state != CACHE_OFFLINE;
    const GArray *rows;
    guint i;

    if (fresh != CACHE_FOUND)
        return fresh;
    if (box->pub.attributes & CACHE_BOX_NOSELECT)
        return CACHE_ABSENT;
    if (!box->is_complete && is_online)
        return wants_answer(cache, &(CacheWant){.kind = CACHE_WANT_UIDS, .box = id}, ret_want,
                            error);
    rows = box_rows(cache, box);
    for (i = before ? rows_lower_bound(rows, before) : rows->len; i-- > 0;) {
        CacheMessage *row = &g_array_index(rows, CacheMessage, i);
        MailEnvelope *envelope;

        if (shades_hide(cache, box->pub.generation, row->uid))
            continue;
        if (!row->is_listed && !is_online) {
            box->is_told_short = TRUE;
            continue;
        }
        if (!row->is_listed)
            return ahead_list(cache, box, row->uid, ret_want, error);
        ahead_listed(cache, box, row->uid);
        envelope = dup_envelope_in_order(cache, box->pub.generation, row->uid);
        if (!envelope) {
            /* The index has lost it. */
            row->is_listed = FALSE;
            box->n_unlisted++;
            i++;
            continue;
        }
        box->hint = i;
        *ret_message = *row;
        shades_apply(cache, box->pub.generation, ret_message);
        *ret_envelope = envelope;
        return CACHE_FOUND;
    }
    return is_online ? CACHE_ABSENT : end_offline(cache, box, ret_want, error);
}

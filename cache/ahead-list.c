/* SPDX-License-Identifier: MIT */
/* cache/ahead-list.c - read-ahead of lines: a first listing goes from the newest message down in
 * windows that grow, and the next window is wanted when the listing enters the last one. */
#include "cache/private.h"

#define N_LISTINGS   4
#define WINDOW_FIRST 128
#define WINDOW_MAX   4096
#define LOOKUPS_MAX  3    /* of one message each */
#define AROUND       1024 /* unlisted messages to either side of one that is looked up after that */
#define N_ABSENT     64
#define ABSENT_US    G_USEC_PER_SEC /* for which it is believed */

typedef struct {
    guint32 box;
    guint32 window;
    guint32 enter; /* the highest UID of the last window; 0: none */
    guint32 next;  /* the highest unlisted UID that no window holds; 0: none left */
} List;

typedef struct {
    guint32 box, uid;
    gint64 told_us; /* monotonic */
} Absent;

struct AheadList {
    List lists[N_LISTINGS];
    guint next;
    Absent absent[N_ABSENT]; /* what was looked for last and not found */
    guint next_absent;
};

void ahead_list_init(Cache *cache)
{
    cache->ahead_list = g_new0(struct AheadList, 1);
}

void ahead_list_free(Cache *cache)
{
    g_free(cache->ahead_list);
}

static List *list_find(Cache *cache, guint32 box)
{
    for (guint i = 0; i < N_LISTINGS; i++)
        if (cache->ahead_list->lists[i].box == box)
            return &cache->ahead_list->lists[i];
    return NULL;
}

static List *list_get_or_make(Cache *cache, guint32 box)
{
    List *list = list_find(cache, box);

    if (!list) {
        list = &cache->ahead_list->lists[cache->ahead_list->next++ % N_LISTINGS];
        *list = (List){.box = box};
    }
    return list;
}

/* The window of @list->window unlisted messages from @uid downwards; sets what comes after it. */
static CacheWant cut_window(Cache *cache, Box *box, List *list, guint32 uid)
{
    const GArray *rows = box_rows(cache, box);
    CacheWant want = {.kind = CACHE_WANT_LINES, .box = box->pub.id, .uid = uid, .low = uid};
    guint n = 0;

    list->next = 0;
    for (guint i = rows_lower_bound(rows, uid + 1); i-- > 0;) {
        const CacheMessage *row = &g_array_index(rows, CacheMessage, i);

        if (row->is_listed)
            continue;
        if (n++ == list->window) {
            list->next = row->uid;
            break;
        }
        want.low = row->uid;
    }
    list->enter = uid;
    return want;
}

static void suggest_next(Cache *cache, Box *box, List *list)
{
    CacheWant want;

    if (!list->next)
        return;
    list->window = MIN(list->window * 4, WINDOW_MAX);
    want = cut_window(cache, box, list, list->next);
    wants_suggest(cache, &want);
}

CacheAnswer ahead_list(Cache *cache, Box *box, guint32 uid, guint64 *ret_want, GError **error)
{
    List *list = list_get_or_make(cache, box->pub.id);
    CacheWant want = {.kind = CACHE_WANT_LINES, .box = box->pub.id, .uid = uid, .low = uid};
    CacheAnswer answer;

    /* A window in flight holds it already, mostly; the rows of that come one by one, so what is
     * unlisted now says nothing of where it ends. */
    if (!wants_has(cache, &want)) {
        list->window = list->enter == uid ? list->window : WINDOW_FIRST;
        want = cut_window(cache, box, list, uid);
    }
    answer = wants_answer(cache, &want, ret_want, error);
    if (answer == CACHE_WAIT && list->enter == uid)
        suggest_next(cache, box, list);
    return answer;
}

/* The unlisted messages around @uid. */
static CacheWant cut_around(Cache *cache, Box *box, guint32 uid)
{
    const GArray *rows = box_rows(cache, box);
    CacheWant want = {.kind = CACHE_WANT_LINES, .box = box->pub.id, .uid = uid, .low = uid};
    guint at = rows_lower_bound(rows, uid), n = 0;

    for (guint i = at; i < rows->len && n < AROUND; i++)
        if (!g_array_index(rows, CacheMessage, i).is_listed) {
            want.uid = g_array_index(rows, CacheMessage, i).uid;
            n++;
        }
    n = 0;
    for (guint i = at; i-- > 0 && n < AROUND;)
        if (!g_array_index(rows, CacheMessage, i).is_listed) {
            want.low = g_array_index(rows, CacheMessage, i).uid;
            n++;
        }
    return want;
}

CacheAnswer ahead_lookup(Cache *cache, Box *box, guint32 uid, guint64 *ret_want, GError **error)
{
    CacheWant want = {.kind = CACHE_WANT_LINE, .box = box->pub.id, .uid = uid, .low = uid};

    if (wants_has(cache, &want))
        return wants_answer(cache, &want, ret_want, error);
    /* What moves many files into a mailbox looks first whether each is there. */
    if (++box->n_lookups > LOOKUPS_MAX) {
        want.kind = box->is_complete ? CACHE_WANT_LINES : CACHE_WANT_UIDS;
        want.uid = box->is_complete ? uid : 0;
    }
    if (want.kind == CACHE_WANT_LINES && !wants_has(cache, &want))
        want = cut_around(cache, box, uid);
    return wants_answer(cache, &want, ret_want, error);
}

void ahead_note_absent(Cache *cache, guint32 box, guint32 uid)
{
    struct AheadList *ahead = cache->ahead_list;

    ahead->absent[ahead->next_absent++ % N_ABSENT] = (Absent){box, uid, g_get_monotonic_time()};
}

gboolean ahead_is_absent(Cache *cache, guint32 box, guint32 uid)
{
    gint64 since_us = g_get_monotonic_time() - ABSENT_US;

    for (guint i = 0; i < N_ABSENT; i++) {
        const Absent *absent = &cache->ahead_list->absent[i];

        if (absent->box == box && absent->uid == uid && absent->told_us >= since_us)
            return TRUE;
    }
    return FALSE;
}

void ahead_listed(Cache *cache, Box *box, guint32 uid)
{
    List *list = box->n_unlisted ? list_find(cache, box->pub.id) : NULL;

    if (list && list->enter && uid <= list->enter)
        suggest_next(cache, box, list);
}

/* SPDX-License-Identifier: MIT */
/* cache/ahead-list.c - read-ahead of lines: a first listing goes from the newest message down in
 * windows that grow, and the next window is wanted when the listing enters the last one. */
#include "cache/private.h"

#define N_LISTINGS   4
#define WINDOW_FIRST 128
#define WINDOW_MAX   4096

typedef struct {
    guint32 box;
    guint32 window;
    guint32 enter; /* the highest UID of the last window; 0: none */
    guint32 next;  /* the highest unlisted UID that no window holds; 0: none left */
} List;

struct AheadList {
    List lists[N_LISTINGS];
    guint next;
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

void ahead_listed(Cache *cache, Box *box, guint32 uid)
{
    List *list = box->n_unlisted ? list_find(cache, box->pub.id) : NULL;

    if (list && list->enter && uid <= list->enter)
        suggest_next(cache, box, list);
}

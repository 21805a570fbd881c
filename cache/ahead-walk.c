/* SPDX-License-Identifier: MIT */
/* cache/ahead-walk.c - read-ahead over the messages of a mailbox that are read one after the other.
 *
 * What is read is the whole message, or a section that is made here: then the trees of the messages
 * are wanted first, far ahead, the sections that it is made of as the trees come, and it itself
 * shortly before it is read.
 */
#include "cache/private.h"

#define N_WALKERS      4
#define WALK_AFTER     2 /* steps */
#define TEXTS_AFTER    1 /* of texts of whole messages */
#define WALK_FIRST     8
#define TEXTS_FIRST    64 /* they are small, and each step takes two round trips */
#define WALK_MAX       512
#define TEXTS_MAX      2048
#define MADE_MAX       16
#define EXPECTED_MAX   512
#define EXPECTED_STEP  64 /* fewer are not worth a command */
#define LISTED_US      G_USEC_PER_SEC
#define WALK_BYTES_MAX ((guint64)8 * 1024 * 1024)
#define MESSAGE_MAX    ((guint64)1024 * 1024) /* of one message */
#define STEP_MAX       3                      /* a walk may leave out a few */

typedef struct {
    guint32 generation;
    const char *section; /* interned */
    guint32 last;        /* UID of the message that was read last */
    int direction;       /* +1 to newer ones, -1 to older ones, 0 not known yet */
    guint n_in_order;
    guint window;
    guint32 wanted;       /* UID up to which messages were wanted; 0: none */
    guint32 wanted_trees; /* the same for trees */
    guint32 wanted_made;  /* and for what is made of them */
    gint64 listed_us;     /* when the mailbox was listed last by who will read that; 0: never */
    guint n_expected;     /* trees that were wanted for that reason, of the newest messages */
} Walker;

struct AheadWalk {
    Walker walkers[N_WALKERS];
    guint next;
};

void ahead_walk_init(Cache *cache)
{
    cache->ahead_walk = g_new0(struct AheadWalk, 1);
}

void ahead_walk_free(Cache *cache)
{
    g_free(cache->ahead_walk);
}

/* --- steps --- */

/* The oldest that does not walk, or else the oldest. */
static guint next_walker(struct AheadWalk *ahead)
{
    for (guint i = 0; i < N_WALKERS; i++) {
        guint next = ahead->next++ % N_WALKERS;

        if (!ahead->walkers[next].window)
            return next;
    }
    return ahead->next++ % N_WALKERS;
}

static Walker *walker_of(struct AheadWalk *ahead, guint32 generation, const char *section)
{
    Walker *walker;

    for (guint i = 0; i < N_WALKERS; i++)
        if (ahead->walkers[i].generation == generation && ahead->walkers[i].section == section)
            return &ahead->walkers[i];
    walker = &ahead->walkers[next_walker(ahead)];
    *walker = (Walker){.generation = generation, .section = section};
    return walker;
}

/* Whether going from @last to @now is a step of a walk, and which way. */
static int step(guint last, guint now)
{
    if (now > last && now - last <= STEP_MAX)
        return 1;
    if (last > now && last - now <= STEP_MAX)
        return -1;
    return 0;
}

/* Who has just listed the mailbox begins with the message that came first. */
static gboolean is_expected(const Walker *walker, const GArray *rows, guint at)
{
    return walker->listed_us && at + 1 == rows->len &&
           g_get_monotonic_time() - walker->listed_us < LISTED_US;
}

static void restart(Walker *walker, int direction, guint n_in_order, guint window)
{
    walker->direction = direction;
    walker->n_in_order = n_in_order;
    walker->window = window;
    walker->wanted = walker->wanted_trees = walker->wanted_made = 0;
}

/* Takes down a step; whether it is one of a walk, which begins with the step @after. */
static gboolean note_step(Walker *walker, const GArray *rows, guint at, guint32 uid, guint after)
{
    int direction = walker->last ? step(rows_lower_bound(rows, walker->last), at) : 0;

    if (uid == walker->last)
        return FALSE;
    walker->last = uid;
    if (direction && (direction == walker->direction || !walker->n_in_order)) {
        walker->direction = direction;
        walker->n_in_order++;
    } else if (is_expected(walker, rows, at)) {
        restart(walker, -1, after, 1);
    } else {
        restart(walker, direction, 0, 0);
    }
    return walker->n_in_order >= after;
}

/* How many messages there are from @at to that of @uid in the walk's direction. */
static guint n_ahead(const Walker *walker, const GArray *rows, guint at, guint32 uid)
{
    guint to = uid ? rows_lower_bound(rows, uid) : at;
    gint64 n = ((gint64)to - (gint64)at) * walker->direction;

    return n > 0 ? (guint)n : 0;
}

/* The @nth message from @at on that may be read ahead, or NULL. */
static const CacheMessage *row_ahead(const Walker *walker, const GArray *rows, guint at, guint nth)
{
    gint64 to = (gint64)at + (gint64)nth * walker->direction;
    const CacheMessage *row;

    if (to < 0 || to >= rows->len)
        return NULL;
    row = &g_array_index(rows, CacheMessage, to);
    return row->is_listed ? row : NULL;
}

/* --- whole messages --- */

/* Whether half of what may be was wanted already: the next messages can wait until they are many,
 * for a spool asks for each by a command of its own. */
static gboolean has_enough(Cache *cache, const Walker *walker, const GArray *rows, guint at,
                           guint n_wanted)
{
    const CacheMessage *row;
    guint64 bytes = 0;

    if (!cache_is_spool(cache))
        return FALSE;
    for (guint n = 1; n <= n_wanted && (row = row_ahead(walker, rows, at, n)); n++)
        bytes += MIN(row->size, MESSAGE_MAX);
    return bytes >= WALK_BYTES_MAX / 2;
}

static void suggest_messages(Cache *cache, const Box *box, Walker *walker, const GArray *rows,
                             guint at, guint n_wanted)
{
    const CacheMessage *row;
    guint64 bytes = 0;

    if (has_enough(cache, walker, rows, at, n_wanted))
        return;
    /* What was wanted already counts. */
    for (guint n = 1; n <= walker->window && bytes < WALK_BYTES_MAX; n++) {
        row = row_ahead(walker, rows, at, n);
        if (!row)
            return;
        bytes += MIN(row->size, MESSAGE_MAX);
        if (n <= n_wanted)
            continue;
        wants_suggest_blocks(cache, &(BodyKey){box->pub.generation, row->uid, walker->section}, 0,
                             MAX(1, MIN(row->size, MESSAGE_MAX)));
        walker->wanted = row->uid;
    }
}

/* --- sections that are made --- */

/* Whether the server need not be asked of what the message is made. */
static gboolean is_here_whole(Cache *cache, const Box *box, guint32 uid)
{
    return sections_has_whole(cache, box->pub.generation, uid);
}

/* FALSE when it has to be asked for and cannot. */
static gboolean suggest_tree(Cache *cache, const Box *box, guint32 uid)
{
    return trees_get(cache, box->pub.generation, uid) ||
           trees_is_useless(cache, box->pub.generation, uid) || is_here_whole(cache, box, uid) ||
           wants_suggest_tree(cache, box->pub.generation, uid);
}

static void suggest_trees(Cache *cache, const Box *box, Walker *walker, const GArray *rows,
                          guint at)
{
    guint n = n_ahead(walker, rows, at, walker->wanted_trees);
    const CacheMessage *row;

    if (n > walker->window)
        return;
    while (++n <= 2 * walker->window && (row = row_ahead(walker, rows, at, n)) &&
           suggest_tree(cache, box, row->uid))
        walker->wanted_trees = row->uid;
}

typedef struct {
    Cache *cache;
    const Box *box;
    guint32 uid;
    guint64 bytes;
} Sources;

static void suggest_source(const char *section, gpointer data)
{
    Sources *sources = data;
    BodyKey key = {sources->box->pub.generation, sources->uid, g_intern_string(section)};
    guint64 length = MIN(sections_length(sources->cache, &key), MESSAGE_MAX);

    wants_suggest_blocks(sources->cache, &key, 0, MAX(1, length));
    sources->bytes += length;
}

static void suggest_sources_of(Sources *sources, MailPart *root, const char *section)
{
    if (cache_is_spool(sources->cache))
        suggest_source("", sources);
    else if (root)
        sources->cache->maker->sources(root, section, suggest_source, sources);
}

/* Up to the first message whose tree has not come yet. */
static void suggest_sources(Cache *cache, const Box *box, Walker *walker, const GArray *rows,
                            guint at, guint n_wanted)
{
    Sources sources = {cache, box, 0, 0};

    for (guint n = n_wanted + 1; n <= walker->window && sources.bytes < WALK_BYTES_MAX; n++) {
        const CacheMessage *row = row_ahead(walker, rows, at, n);
        BodyKey made = {box->pub.generation, row ? row->uid : 0, walker->section};
        gboolean is_here = row && is_here_whole(cache, box, row->uid);
        MailPart *root = row ? trees_get(cache, box->pub.generation, row->uid) : NULL;

        if (!row || (!root && !is_here && !trees_is_useless(cache, box->pub.generation, row->uid)))
            return;
        sources.uid = row->uid;
        if (!is_here && !blocks_has(cache->blocks, &made, 0))
            suggest_sources_of(&sources, root, walker->section);
        walker->wanted = row->uid;
    }
}

typedef struct {
    Cache *cache;
    const BodyKey *made;
    gboolean is_missing;
    gboolean is_lost; /* and not wanted either */
} Check;

static void check_source(const char *section, gpointer data)
{
    Check *check = data;
    BodyKey key = {check->made->generation, check->made->uid, g_intern_string(section)};

    if (blocks_has(check->cache->blocks, &key, 0))
        return;
    check->is_missing = TRUE;
    check->is_lost |= !wants_has_block(check->cache, &key, 0);
}

/* Whether what should have been wanted long ago is not: with a connection, wants are lost. */
static gboolean is_lost(Cache *cache, const BodyKey *made)
{
    MailPart *root = trees_get(cache, made->generation, made->uid);
    Check check = {cache, made, FALSE, FALSE};

    if (sections_has_whole(cache, made->generation, made->uid))
        return FALSE;
    if (cache_is_spool(cache))
        return !wants_has_block(cache, made, 0);
    if (!root)
        return !wants_has_tree(cache, made->generation, made->uid);
    cache->maker->sources(root, made->section, check_source, &check);
    return check.is_lost;
}

/* FALSE when what it is made of has not come yet, or too much is suggested already. */
static gboolean suggest_one(Cache *cache, const BodyKey *made)
{
    MailPart *root = trees_get(cache, made->generation, made->uid);
    Check check = {cache, made, FALSE, FALSE};

    if (!root || blocks_has(cache->blocks, made, 0))
        return TRUE;
    if (!sections_has_whole(cache, made->generation, made->uid))
        cache->maker->sources(root, made->section, check_source, &check);
    return !check.is_missing && wants_suggest_made(cache, made);
}

static void suggest_made(Cache *cache, const Box *box, Walker *walker, const GArray *rows, guint at)
{
    guint limit = MIN(MADE_MAX, n_ahead(walker, rows, at, walker->wanted));
    guint n = n_ahead(walker, rows, at, walker->wanted_made);
    const CacheMessage *row;

    while (++n <= limit && (row = row_ahead(walker, rows, at, n))) {
        if (!suggest_one(cache, &(BodyKey){box->pub.generation, row->uid, walker->section}))
            return;
        walker->wanted_made = row->uid;
    }
}

/* --- reading --- */

void ahead_walk(Cache *cache, Box *box, guint32 uid)
{
    const char *section = g_intern_static_string("");
    Walker *walker = walker_of(cache->ahead_walk, box->pub.generation, section);
    const GArray *rows = box_rows(cache, box);
    guint at = rows_lower_bound(rows, uid), n_wanted;

    if (!note_step(walker, rows, at, uid, WALK_AFTER))
        return;
    n_wanted = n_ahead(walker, rows, at, walker->wanted);
    if (n_wanted > walker->window / 2)
        return;
    walker->window = CLAMP(walker->window * 2, WALK_FIRST, WALK_MAX);
    suggest_messages(cache, box, walker, rows, at, n_wanted);
}

void ahead_walk_made(Cache *cache, Box *box, const BodyKey *made, gboolean is_here)
{
    Walker *walker = walker_of(cache->ahead_walk, made->generation, made->section);
    const GArray *rows = box_rows(cache, box);
    guint at = rows_lower_bound(rows, made->uid), n_wanted;
    gboolean is_of_part = g_ascii_isdigit(*made->section);

    /* Who walks over what is here needs no help. */
    if (!note_step(walker, rows, at, made->uid, is_of_part ? WALK_AFTER : TEXTS_AFTER) ||
        !cache->maker || (is_here && !walker->window))
        return;
    if (!is_here && is_lost(cache, made))
        walker->wanted = walker->wanted_trees = walker->wanted_made = 0;
    n_wanted = n_ahead(walker, rows, at, walker->wanted);
    if (n_wanted <= walker->window / 2) {
        walker->window = CLAMP(walker->window * 4, TEXTS_FIRST, TEXTS_MAX);
        suggest_trees(cache, box, walker, rows, at);
        suggest_sources(cache, box, walker, rows, at, n_wanted);
    }
    suggest_made(cache, box, walker, rows, at);
}

void ahead_expect_made(Cache *cache, Box *box, const char *section)
{
    Walker *walker = walker_of(cache->ahead_walk, box->pub.generation, section);
    const GArray *rows = box_rows(cache, box);
    guint limit = MIN(EXPECTED_MAX, rows->len), end = walker->n_expected;

    walker->listed_us = g_get_monotonic_time();
    while (end < limit && g_array_index(rows, CacheMessage, rows->len - 1 - end).is_listed)
        end++;
    if (end < limit && end - walker->n_expected < EXPECTED_STEP)
        return;
    while (walker->n_expected < end &&
           suggest_tree(cache, box,
                        g_array_index(rows, CacheMessage, rows->len - 1 - walker->n_expected).uid))
        walker->n_expected++;
}

/* SPDX-License-Identifier: MIT */
/* cache/ahead.c - read-ahead of bytes: inside a file that is read in order, and over the messages
 * of a mailbox that are read one after the other.
 *
 * A small first read, as of `head` or of a file manager that sniffs, is evidence of nothing: one
 * block. A first read of all that the kernel reads at once is `cat` or `cp`.
 */
#include "cache/private.h"

#define N_READERS      16
#define N_WALKERS      4
#define WHOLE_READ     ((gsize)128 * 1024) /* the kernel's largest read-ahead */
#define LARGE_READ     ((gsize)64 * 1024)
#define FILE_FIRST     ((guint64)64 * 1024)
#define FILE_MAX       ((guint64)16 * 1024 * 1024)
#define REORDER_SLACK  ((guint64)256 * 1024) /* the kernel sends reads in parallel */
#define WALK_AFTER     2
#define WALK_FIRST     8
#define WALK_MAX       512
#define WALK_BYTES_MAX ((guint64)8 * 1024 * 1024)
#define MESSAGE_MAX    ((guint64)1024 * 1024) /* of one message, when walking */
#define STEP_MAX       3                      /* a walk may leave out a few */

typedef struct {
    guint32 generation, uid;
    const char *section;
    guint64 next;   /* where the next read is expected */
    guint64 wanted; /* up to where blocks were wanted */
    guint64 window;
} Reader;

typedef struct {
    guint32 generation;
    guint32 last;  /* UID of the message that was read last */
    int direction; /* +1 to newer ones, -1 to older ones, 0 not known yet */
    guint n_in_order;
    guint window;
    guint32 wanted; /* UID up to which messages were wanted; 0: none */
} Walker;

struct Ahead {
    Reader readers[N_READERS];
    Walker walkers[N_WALKERS];
    guint next_reader, next_walker;
};

void ahead_init(Cache *cache)
{
    cache->ahead = g_new0(struct Ahead, 1);
}

void ahead_free(Cache *cache)
{
    g_free(cache->ahead);
}

/* Suggests the blocks of [from, to) that are missing. */
static void suggest_blocks(Cache *cache, const Box *box, guint32 uid, const char *section,
                           guint64 from, guint64 to)
{
    BodyKey key = {box->pub.generation, uid, section};

    to = MIN(to, CACHE_SIZE_MAX);
    for (guint64 block = from / CACHE_BLOCK_SIZE; block * CACHE_BLOCK_SIZE < to; block++)
        wants_suggest_block(cache, &key, (guint32)block);
}

/* --- inside a file --- */

static Reader *reader_of(struct Ahead *ahead, guint32 generation, guint32 uid, const char *section)
{
    Reader *reader;

    for (guint i = 0; i < N_READERS; i++) {
        reader = &ahead->readers[i];
        if (reader->generation == generation && reader->uid == uid && reader->section == section)
            return reader;
    }
    reader = &ahead->readers[ahead->next_reader++ % N_READERS];
    *reader =
        (Reader){.generation = generation, .uid = uid, .section = section, .next = G_MAXUINT64};
    return reader;
}

static gboolean is_in_order(const Reader *reader, guint64 offset)
{
    return reader->next != G_MAXUINT64 && offset <= reader->next + REORDER_SLACK &&
           offset + REORDER_SLACK >= reader->next;
}

/* Takes down a read, and sets the window from what it shows. */
static void note_read(Reader *reader, guint64 offset, gsize size)
{
    guint64 end = offset + size;

    if (is_in_order(reader, offset)) {
        /* The same again, after a wait, is evidence of nothing. */
        if (end > reader->next)
            reader->window = size >= LARGE_READ ? FILE_MAX : MAX(reader->window, FILE_FIRST);
        reader->next = MAX(reader->next, end);
        return;
    }
    /* The kernel reads ahead, too: what it comes to next was wanted with the window. */
    if (reader->window && offset > reader->next && end <= reader->wanted) {
        reader->next = end;
        return;
    }
    reader->next = end;
    reader->wanted = end;
    reader->window = size >= WHOLE_READ && offset < REORDER_SLACK ? FILE_MAX : 0;
}

static void read_in_file(Cache *cache, const Box *box, guint32 uid, const char *section,
                         guint64 offset, gsize size, guint64 length)
{
    Reader *reader = reader_of(cache->ahead, box->pub.generation, uid, section);
    guint64 to;

    note_read(reader, offset, size);
    reader->wanted = MAX(reader->wanted, reader->next);
    if (!reader->window || reader->wanted - reader->next > reader->window / 2)
        return;
    to = MIN(reader->next + reader->window, length);
    if (to <= reader->wanted)
        return;
    suggest_blocks(cache, box, uid, section, reader->wanted, to);
    reader->wanted = to;
    reader->window = MIN(reader->window * 4, FILE_MAX);
}

/* --- over the messages --- */

static Walker *walker_of(struct Ahead *ahead, guint32 generation)
{
    Walker *walker;

    for (guint i = 0; i < N_WALKERS; i++)
        if (ahead->walkers[i].generation == generation)
            return &ahead->walkers[i];
    walker = &ahead->walkers[ahead->next_walker++ % N_WALKERS];
    *walker = (Walker){.generation = generation};
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

/* Takes down a step; whether it is one of a walk. */
static gboolean note_step(Walker *walker, const GArray *rows, guint at, guint32 uid)
{
    int direction = walker->last ? step(rows_lower_bound(rows, walker->last), at) : 0;

    if (uid == walker->last)
        return FALSE;
    walker->last = uid;
    if (direction && (direction == walker->direction || !walker->n_in_order)) {
        walker->direction = direction;
        walker->n_in_order++;
        return walker->n_in_order >= WALK_AFTER;
    }
    walker->direction = direction;
    walker->n_in_order = 0;
    walker->window = 0;
    walker->wanted = 0;
    return FALSE;
}

/* How many messages, from @at in the walk's direction, were wanted already. */
static guint n_wanted_ahead(const Walker *walker, const GArray *rows, guint at)
{
    guint wanted = walker->wanted ? rows_lower_bound(rows, walker->wanted) : at;
    gint64 ahead = ((gint64)wanted - (gint64)at) * walker->direction;

    return ahead > 0 ? (guint)ahead : 0;
}

static void suggest_messages(Cache *cache, const Box *box, Walker *walker, const GArray *rows,
                             guint at, guint n_ahead)
{
    guint64 bytes = 0;

    /* What was wanted already counts. */
    for (guint n = 1; n <= walker->window && bytes < WALK_BYTES_MAX; n++) {
        gint64 to = (gint64)at + (gint64)n * walker->direction;
        const CacheMessage *row;

        if (to < 0 || to >= rows->len)
            return;
        row = &g_array_index(rows, CacheMessage, to);
        if (!row->is_listed)
            return;
        bytes += MIN(row->size, MESSAGE_MAX);
        if (n <= n_ahead)
            continue;
        suggest_blocks(cache, box, row->uid, g_intern_static_string(""), 0,
                       MAX(1, MIN(row->size, MESSAGE_MAX)));
        walker->wanted = row->uid;
    }
}

static void read_next_message(Cache *cache, Box *box, guint32 uid)
{
    Walker *walker = walker_of(cache->ahead, box->pub.generation);
    const GArray *rows = box_rows(cache, box);
    guint at = rows_lower_bound(rows, uid), n_ahead;

    if (!note_step(walker, rows, at, uid))
        return;
    n_ahead = n_wanted_ahead(walker, rows, at);
    if (n_ahead > walker->window / 2)
        return;
    walker->window = CLAMP(walker->window * 2, WALK_FIRST, WALK_MAX);
    suggest_messages(cache, box, walker, rows, at, n_ahead);
}

void ahead_read(Cache *cache, Box *box, const CacheMessage *message, const char *section,
                guint64 offset, gsize size, guint64 length)
{
    if (cache->state != CACHE_ONLINE)
        return;
    if (offset == 0 && !*section)
        read_next_message(cache, box, message->uid);
    read_in_file(cache, box, message->uid, section, offset, size, length);
}

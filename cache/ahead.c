/* SPDX-License-Identifier: MIT */
/* cache/ahead.c - read-ahead of bytes inside a file that is read in order.
 *
 * A small first read, as of `head` or of a file manager that sniffs, is evidence of nothing: one
 * block. A first read of all that the kernel reads at once is `cat` or `cp`.
 */
#include "cache/private.h"

#define N_READERS     16
#define WHOLE_READ    ((gsize)128 * 1024) /* the kernel's largest read-ahead */
#define LARGE_READ    ((gsize)64 * 1024)
#define FILE_FIRST    ((guint64)64 * 1024)
#define FILE_MAX      ((guint64)16 * 1024 * 1024)
#define REORDER_SLACK ((guint64)256 * 1024) /* the kernel sends reads in parallel */

typedef struct {
    guint32 generation, uid;
    const char *section;
    guint64 next;   /* where the next read is expected */
    guint64 wanted; /* up to where blocks were wanted */
    guint64 window;
} Reader;

struct Ahead {
    Reader readers[N_READERS];
    guint next_reader;
};

void ahead_init(Cache *cache)
{
    cache->ahead = g_new0(struct Ahead, 1);
}

void ahead_free(Cache *cache)
{
    g_free(cache->ahead);
}

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
    wants_suggest_blocks(cache, &(BodyKey){box->pub.generation, uid, section}, reader->wanted, to);
    reader->wanted = to;
    reader->window = MIN(reader->window * 4, FILE_MAX);
}

void ahead_read(Cache *cache, Box *box, const CacheMessage *message, const char *section,
                guint64 offset, gsize size, guint64 length)
{
    if (cache->state != CACHE_ONLINE)
        return;
    if (offset == 0 && !*section)
        ahead_walk(cache, box, message->uid);
    read_in_file(cache, box, message->uid, section, offset, size, length);
}

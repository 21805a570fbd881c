/* SPDX-License-Identifier: MIT */
/* mime/source.c - octets that somebody else holds, line by line. */
#include "mime/source.h"

#include <string.h>

#define HELD ((gsize)64 * 1024)
#define KEPT ((gsize)16 * 1024) /* of a line that is longer than what is held */

struct MimeSource {
    MimeReadFunc read;
    gpointer data;
    guint64 size;
    guint64 off; /* of the octet behind those that are held */
    gsize from, to;
    char held[HELD];
};

MimeSource *mime_source_new(guint64 size, MimeReadFunc read, gpointer data)
{
    MimeSource *source = g_new(MimeSource, 1);

    source->read = read;
    source->data = data;
    source->size = size;
    source->off = source->from = source->to = 0;
    return source;
}

void mime_source_free(MimeSource *source)
{
    g_free(source);
}

guint64 mime_source_tell(const MimeSource *source)
{
    return source->off - (source->to - source->from);
}

/* Of a line that fills all, the head stays, and the last octet, which may be the CR of its end. */
static void make_room(MimeSource *source)
{
    if (source->from > 0) {
        memmove(source->held, source->held + source->from, source->to - source->from);
        source->to -= source->from;
        source->from = 0;
    } else if (source->to == HELD) {
        source->held[KEPT] = source->held[HELD - 1];
        source->to = KEPT + 1;
    }
}

static gboolean read_more(MimeSource *source)
{
    gsize room;
    gssize n;

    make_room(source);
    room = (gsize)MIN(HELD - source->to, source->size - MIN(source->off, source->size));
    n = room ? source->read(source->data, source->off, (guint8 *)source->held + source->to, room)
             : 0;
    if (n <= 0)
        return FALSE;
    source->off += (guint64)n;
    source->to += (gsize)n;
    return TRUE;
}

/* The LF that ends the line; NULL where the octets end without one. */
static const char *find_line_feed(MimeSource *source)
{
    gsize n_new = source->to - source->from;
    const char *found;

    while (!(found = memchr(source->held + source->to - n_new, '\n', n_new))) {
        guint64 off = source->off;

        if (!read_more(source))
            return NULL;
        n_new = (gsize)(source->off - off);
    }
    return found;
}

gboolean mime_source_next(MimeSource *source, MimeLine *ret_line)
{
    guint64 off = mime_source_tell(source);
    const char *feed = find_line_feed(source), *first = source->held + source->from;
    gsize end = feed ? (gsize)(feed + 1 - source->held) : source->to;
    guint eol_len = !feed ? 0 : feed > first && feed[-1] == '\r' ? 2 : 1;

    if (end == source->from)
        return FALSE;
    *ret_line = (MimeLine){.bytes = first, .len = end - source->from - eol_len, .off = off};
    source->from = end;
    ret_line->end = mime_source_tell(source);
    ret_line->eol_len = eol_len;
    if (ret_line->end - off >= HELD)
        ret_line->len = MIN(ret_line->len, KEPT);
    return TRUE;
}

/* SPDX-License-Identifier: MIT */
/* mime/source.c - octets that somebody else holds, as a GMimeStream: it has no copy of them.
 *
 * GMime makes an object of each part and keeps all headers, however many there are: so lines that
 * may be boundaries are counted as they pass, and the octets behind them up to an empty line.
 */
#include "mime/source.h"

/* Two for each part, and some that are none. */
#define DASHES_MAX (4 * MAIL_PARTS_MAX)

typedef struct {
    guint64 seen;   /* octets that were looked at */
    guint n_dashes; /* lines that begin with "--" */
    guint64 header; /* octets since the last of them, or the beginning; reset by an empty line */
    gboolean is_in_header;
    guint column; /* of the line, up to 2 */
    gboolean is_dashed;
} Measure;

typedef struct {
    GMimeStream parent;
    MimeReadFunc read;
    gpointer data;
    Measure *measure; /* NULL: not looked at */
} Source;

typedef struct {
    GMimeStreamClass parent;
} SourceClass;

static GType source_get_type(void);

G_DEFINE_TYPE(Source, source, GMIME_TYPE_STREAM)

static void measure_octet(Measure *measure, char c)
{
    measure->header += measure->is_in_header;
    if (c == '\n') {
        if (measure->column == 0)
            measure->is_in_header = FALSE;
        measure->column = 0;
        return;
    }
    if (c == '\r')
        return;
    if (measure->column == 1 && c == '-' && measure->is_dashed) {
        measure->n_dashes++;
        measure->is_in_header = TRUE;
        measure->header = 0;
    }
    measure->is_dashed = measure->column == 0 && c == '-';
    measure->column = MIN(measure->column + 1, 2);
}

/* How many of the octets may be passed on. */
static gssize within_limits(Measure *measure, guint64 offset, const char *bytes, gssize n)
{
    for (gssize i = 0; i < n; i++) {
        if (offset + (guint64)i < measure->seen)
            continue;
        if (measure->n_dashes > DASHES_MAX || measure->header > MIME_HEADER_MAX)
            return i;
        measure_octet(measure, bytes[i]);
        measure->seen++;
    }
    return n;
}

static ssize_t source_read(GMimeStream *stream, char *bytes, size_t len)
{
    const Source *source = (Source *)stream;
    gint64 left = stream->bound_end - stream->position;
    gssize n;

    if (left <= 0)
        return 0;
    n = source->read(source->data, (guint64)stream->position, (guint8 *)bytes,
                     MIN(len, (gsize)left));
    if (n > 0 && source->measure)
        n = within_limits(source->measure, (guint64)stream->position, bytes, n);
    if (n > 0)
        stream->position += n;
    return n;
}

static ssize_t source_write(GMimeStream *stream, const char *bytes, size_t len)
{
    return -1;
}

static int source_flush(GMimeStream *stream)
{
    return 0;
}

static int source_reset(GMimeStream *stream)
{
    stream->position = stream->bound_start;
    return 0;
}

static gboolean source_eos(GMimeStream *stream)
{
    return stream->position >= stream->bound_end;
}

static gint64 source_seek(GMimeStream *stream, gint64 offset, GMimeSeekWhence whence)
{
    gint64 from = stream->bound_start;

    if (whence == GMIME_STREAM_SEEK_SET)
        from = 0;
    else if (whence == GMIME_STREAM_SEEK_CUR)
        from = stream->position;
    else
        from = stream->bound_end;
    if (from + offset < stream->bound_start || from + offset > stream->bound_end)
        return -1;
    return stream->position = from + offset;
}

static gint64 source_tell(GMimeStream *stream)
{
    return stream->position;
}

static gint64 source_length(GMimeStream *stream)
{
    return stream->bound_end - stream->bound_start;
}

static GMimeStream *make(MimeReadFunc read, gpointer data, gint64 start, gint64 end)
{
    Source *source = g_object_new(source_get_type(), NULL);

    g_mime_stream_construct(&source->parent, start, end);
    source->read = read;
    source->data = data;
    return &source->parent;
}

static GMimeStream *source_substream(GMimeStream *stream, gint64 start, gint64 end)
{
    const Source *source = (Source *)stream;

    return make(source->read, source->data, start, end < 0 ? stream->bound_end : end);
}

static void source_init(Source *source)
{
}

static void source_finalize(GObject *object)
{
    g_free(((Source *)object)->measure);
    G_OBJECT_CLASS(source_parent_class)->finalize(object);
}

static void source_class_init(SourceClass *class)
{
    GMimeStreamClass *stream = &class->parent;

    G_OBJECT_CLASS(class)->finalize = source_finalize;
    stream->read = source_read;
    stream->write = source_write;
    stream->flush = source_flush;
    stream->close = source_flush;
    stream->reset = source_reset;
    stream->eos = source_eos;
    stream->seek = source_seek;
    stream->tell = source_tell;
    stream->length = source_length;
    stream->substream = source_substream;
}

GMimeStream *mime_source_new(guint64 size, MimeReadFunc read, gpointer data)
{
    GMimeStream *stream = make(read, data, 0, (gint64)size);

    ((Source *)stream)->measure = g_new0(Measure, 1);
    ((Source *)stream)->measure->is_in_header = TRUE;
    return stream;
}

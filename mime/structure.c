/* SPDX-License-Identifier: MIT */
/* mime/structure.c - a message to the tree of its parts, and where they lie in it. */
#include <string.h>

#include "mime/source.h"

#define READ_LEN     ((gsize)16 * 1024)
#define BOUNDARY_MAX 200

typedef struct {
    MimeReadFunc read;
    gpointer data;
    guint64 size;
    guint n_parts;
    guint64 seen; /* the end of the last content that was found */
} Walk;

static MailPart *read_object(Walk *walk, GMimeObject *object, const char *boundary, guint depth);

/* --- where a whole message in a part ends: GMime does not tell --- */

/* The offset of the first line that begins with "--" and @boundary, at @from or behind it; that of
 * the end where there is none. */
static guint64 find_delimiter(const Walk *walk, guint64 from, const char *boundary)
{
    g_autofree char *wanted = g_strconcat("--", boundary, NULL);
    g_autofree guint8 *bytes = g_malloc(READ_LEN);
    gsize len = strlen(wanted), n_equal = 0;
    guint64 line = from;
    gssize n;

    for (guint64 at = from; at < walk->size; at += (guint64)n) {
        n = walk->read(walk->data, at, bytes, READ_LEN);
        if (n <= 0)
            break;
        for (gssize i = 0; i < n; i++) {
            if (bytes[i] == '\n') {
                line = at + (guint64)i + 1;
                n_equal = 0;
            } else if (line + n_equal == at + (guint64)i && n_equal < len &&
                       bytes[i] == (guint8)wanted[n_equal] && ++n_equal == len) {
                return line;
            }
        }
    }
    return walk->size;
}

/* Without the line end that belongs to the delimiter at @off. */
static guint64 without_line_end(const Walk *walk, guint64 off)
{
    guint8 bytes[2];

    if (off >= walk->size || off < 2 || walk->read(walk->data, off - 1, bytes + 1, 1) != 1 ||
        bytes[1] != '\n' || walk->read(walk->data, off - 2, bytes, 1) != 1)
        return off;
    return off - (bytes[0] == '\r' ? 2 : 1);
}

static guint64 find_end(const Walk *walk, const char *boundary)
{
    return boundary && strlen(boundary) <= BOUNDARY_MAX
               ? without_line_end(walk, find_delimiter(walk, walk->seen, boundary))
               : walk->size;
}

/* --- parts --- */

static char *dup_lower(const char *text)
{
    return text ? g_ascii_strdown(text, -1) : NULL;
}

/* Where the header begins, or G_MAXINT64 when there is none. */
static gint64 find_header(GMimeObject *object)
{
    GMimeHeaderList *headers = object ? g_mime_object_get_header_list(object) : NULL;
    gint64 off = -1;

    if (headers && g_mime_header_list_get_count(headers) > 0)
        off = g_mime_header_get_offset(g_mime_header_list_get_header_at(headers, 0));
    return off < 0 ? G_MAXINT64 : off;
}

static char *dup_encoding(GMimeObject *object)
{
    const char *header = g_mime_object_get_header(object, "Content-Transfer-Encoding");
    g_autofree char *text = g_strstrip(g_strdup(header ? header : ""));

    return g_ascii_strdown(*text ? text : "7bit", -1);
}

static MailPart *describe(GMimeObject *object)
{
    GMimeContentType *type = g_mime_object_get_content_type(object);
    MailPart *part = mail_part_new();
    const char *name = g_mime_object_get_content_disposition_parameter(object, "filename");

    part->type = dup_lower(type ? g_mime_content_type_get_media_type(type) : "text");
    part->subtype = dup_lower(type ? g_mime_content_type_get_media_subtype(type) : "plain");
    part->disposition = dup_lower(g_mime_object_get_disposition(object));
    part->encoding = dup_encoding(object);
    if (!name)
        name = g_mime_object_get_content_type_parameter(object, "name");
    part->name = g_strdup(name);
    if (g_strcmp0(part->type, "text") == 0)
        part->charset = g_strdup(g_mime_object_get_content_type_parameter(object, "charset"));
    return part;
}

static void place(Walk *walk, MailPart *part, guint64 start, guint64 end)
{
    part->has_offsets = TRUE;
    part->body_off = start;
    part->size = end - start;
    walk->seen = MAX(walk->seen, end);
}

static void read_leaf(Walk *walk, GMimePart *leaf, MailPart *part)
{
    GMimeDataWrapper *content = g_mime_part_get_content(leaf);
    GMimeStream *stream = content ? g_mime_data_wrapper_get_stream(content) : NULL;

    if (stream && stream->bound_end >= stream->bound_start)
        place(walk, part, (guint64)stream->bound_start, (guint64)stream->bound_end);
}

static void add_child(Walk *walk, MailPart *part, GMimeObject *object, const char *boundary,
                      guint depth)
{
    MailPart *child = object ? read_object(walk, object, boundary, depth + 1) : NULL;

    if (child)
        g_ptr_array_add(part->parts, child);
}

static void read_multipart(Walk *walk, GMimeMultipart *multipart, MailPart *part, guint depth)
{
    const char *boundary = g_mime_multipart_get_boundary(multipart);
    int n = g_mime_multipart_get_count(multipart);

    part->parts = mail_parts_new();
    for (int i = 0; i < n; i++)
        add_child(walk, part, g_mime_multipart_get_part(multipart, i), boundary, depth);
}

static void read_message(Walk *walk, GMimeMessagePart *holder, MailPart *part, const char *boundary,
                         guint depth)
{
    GMimeMessage *message = g_mime_message_part_get_message(holder);
    GMimeObject *root = message ? g_mime_message_get_mime_part(message) : NULL;
    gint64 start;

    part->parts = mail_parts_new();
    if (!message)
        return;
    add_child(walk, part, root, boundary, depth);
    /* The header of a message is shared between it and its root. */
    start = MIN(find_header(GMIME_OBJECT(message)), find_header(root));
    if (start == G_MAXINT64)
        return;
    if (part->parts->len)
        ((MailPart *)part->parts->pdata[0])->header_off = (guint64)start;
    walk->seen = MAX(walk->seen, (guint64)start);
    place(walk, part, (guint64)start, find_end(walk, boundary));
}

/* @boundary: of the multipart that the object is in, or NULL. */
static MailPart *read_object(Walk *walk, GMimeObject *object, const char *boundary, guint depth)
{
    gint64 header = find_header(object);
    MailPart *part;

    if (depth >= MAIL_PART_DEPTH_MAX || walk->n_parts >= MAIL_PARTS_MAX)
        return NULL;
    walk->n_parts++;
    part = describe(object);
    part->header_off = header == G_MAXINT64 ? 0 : (guint64)header;
    if (GMIME_IS_MULTIPART(object))
        read_multipart(walk, GMIME_MULTIPART(object), part, depth);
    else if (GMIME_IS_MESSAGE_PART(object))
        read_message(walk, GMIME_MESSAGE_PART(object), part, boundary, depth);
    else if (GMIME_IS_PART(object))
        read_leaf(walk, GMIME_PART(object), part);
    return part;
}

MailPart *mime_structure_parse(guint64 size, MimeReadFunc read, gpointer data)
{
    Walk walk = {.read = read, .data = data, .size = size};
    GMimeStream *stream = mime_source_new(size, read, data);
    GMimeParser *parser = g_mime_parser_new_with_stream(stream);
    GMimeMessage *message;
    MailPart *part = NULL;

    g_mime_parser_set_persist_stream(parser, TRUE);
    message = g_mime_parser_construct_message(parser, NULL);
    if (message && g_mime_message_get_mime_part(message))
        part = read_object(&walk, g_mime_message_get_mime_part(message), NULL, 0);
    if (part)
        part->header_off = 0;
    if (message)
        g_object_unref(message);
    g_object_unref(parser);
    g_object_unref(stream);
    return part;
}

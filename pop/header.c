/* SPDX-License-Identifier: MIT */
/* pop/header.c - where a header ends, and the date in it. */
#include "pop/header.h"

#include <string.h>

#include "mime/mime.h"

#define VALUE_MAX 8192

/* --- lines --- */

static gsize line_len(const char *at, const char *end)
{
    const char *lf = memchr(at, '\n', (gsize)(end - at));

    return (gsize)(lf ? lf + 1 - at : end - at);
}

static gboolean is_empty_line(const char *at, gsize len)
{
    return (len == 1 && at[0] == '\n') || (len == 2 && at[0] == '\r' && at[1] == '\n');
}

/* Octets of the field: its line and those that are folded behind it. */
static gsize field_len(const char *at, const char *end)
{
    gsize len = line_len(at, end);

    while (at + len < end && (at[len] == ' ' || at[len] == '\t'))
        len += line_len(at + len, end);
    return len;
}

gsize pop_header_len(const char *bytes, gsize len)
{
    const char *end = bytes + len;

    for (gsize off = 0, n; off < len; off += n) {
        n = line_len(bytes + off, end);
        if (is_empty_line(bytes + off, n))
            return off + n;
    }
    return len;
}

/* --- fields --- */

/* Of the first field of that name; new, or NULL. */
static char *dup_value(const char *header, gsize len, const char *name)
{
    const char *end = header + len;
    gsize n_name = strlen(name);

    for (gsize n; header < end; header += n) {
        n = field_len(header, end);
        if (n > n_name && header[n_name] == ':' && g_ascii_strncasecmp(header, name, n_name) == 0)
            return g_strndup(header + n_name + 1, MIN(n - n_name - 1, VALUE_MAX));
    }
    return NULL;
}

static gboolean has_end(const char *header, gsize len)
{
    return (len >= 2 && memcmp(header + len - 2, "\n\n", 2) == 0) ||
           (len >= 3 && memcmp(header + len - 3, "\n\r\n", 3) == 0);
}

guint pop_header_id(const char *bytes, gsize len)
{
    gsize n = pop_header_len(bytes, MIN(len, POP_ID_LOOK));
    g_autofree char *id = has_end(bytes, n) ? dup_value(bytes, n, "Message-ID") : NULL;

    return id && *g_strstrip(id) ? MAX(g_str_hash(id), 1) : 0;
}

gint64 pop_header_date(const char *header, gsize len, gint64 otherwise)
{
    g_autofree char *received = dup_value(header, len, "Received");
    g_autofree char *written = dup_value(header, len, "Date");
    const char *semicolon = received ? strrchr(received, ';') : NULL;
    gint64 date;

    if (semicolon && mime_date_parse(semicolon + 1, &date))
        return date;
    return written && mime_date_parse(written, &date) ? date : otherwise;
}

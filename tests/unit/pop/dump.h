/* SPDX-License-Identifier: MIT */
/* tests/unit/pop/dump.h - what a reader reads, as text, for tests and fuzz targets. */
#pragma once

#include <string.h>

#include "pop/reader.h"

static inline void dump_bytes(GString *out, const char *bytes, gsize len)
{
    for (gsize i = 0; i < len; i++) {
        if (g_ascii_isprint(bytes[i]))
            g_string_append_c(out, bytes[i]);
        else
            g_string_append_printf(out, "<%02x>", (guchar)bytes[i]);
    }
}

static inline void dump_status(GString *out, const PopStatus *status)
{
    g_assert_null(strchr(status->text, '\n'));
    g_string_append(out, status->is_ok ? "+OK" : "-ERR");
    if (status->code) {
        g_string_append(out, " [");
        dump_bytes(out, status->code, strlen(status->code));
        g_string_append_c(out, ']');
    }
    g_string_append(out, " {");
    dump_bytes(out, status->text, strlen(status->text));
    g_string_append(out, "}\n");
}

/* What a +OK is followed by, from its text: a list behind "l", a message behind "m". */
static inline void dump_follow(PopReader *reader, const PopStatus *status)
{
    if (status->is_ok && *status->text == 'l')
        pop_reader_follow(reader, POP_SHAPE_LINES);
    else if (status->is_ok && *status->text == 'm')
        pop_reader_follow(reader, POP_SHAPE_STREAM);
}

/* Each answer and line of a list on a line, messages as they come; FALSE after an error. */
static inline gboolean dump_feed(GString *out, PopReader *reader, const guint8 *bytes, gsize len)
{
    gsize used;

    for (gsize off = 0; off < len; off += used) {
        PopEvent event;
        g_autoptr(GError) error = NULL;

        switch (pop_reader_next(reader, bytes + off, len - off, &used, &event, &error)) {
        case POP_READ_MORE: g_assert_cmpuint(used, ==, len - off); break;
        case POP_READ_STATUS:
            dump_status(out, &event.status);
            dump_follow(reader, &event.status);
            break;
        case POP_READ_CHALLENGE: g_string_append_printf(out, "+ {%s}\n", event.status.text); break;
        case POP_READ_LINE:
            dump_bytes(out, (const char *)event.bytes, event.len);
            g_string_append(out, event.is_cut ? "...\n" : "\n");
            break;
        case POP_READ_PIECE: dump_bytes(out, (const char *)event.bytes, event.len); break;
        case POP_READ_END: g_string_append(out, "END\n"); break;
        case POP_READ_ERROR:
            g_assert_error(error, MAIL_ERROR, MAIL_ERROR_PROTOCOL);
            g_string_append_printf(out, "ERROR %s\n", error->message);
            return FALSE;
        }
    }
    return TRUE;
}

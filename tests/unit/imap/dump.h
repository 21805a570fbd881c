/* SPDX-License-Identifier: MIT */
/* tests/unit/imap/dump.h - responses as text, and values from text, for tests and fuzz targets. */
#pragma once

#include <string.h>

#include "imap/reader.h"

static inline void dump_bytes(GString *out, const char *bytes, gsize len)
{
    for (gsize i = 0; i < len; i++) {
        if (g_ascii_isprint(bytes[i]))
            g_string_append_c(out, bytes[i]);
        else
            g_string_append_printf(out, "<%02x>", (guchar)bytes[i]);
    }
}

static inline void dump_values(GString *out, const ImapValue *value)
{
    for (; value; value = value->next) {
        switch (value->type) {
        case IMAP_VALUE_NIL: g_string_append(out, "NIL"); break;
        case IMAP_VALUE_ATOM: dump_bytes(out, value->bytes, value->len); break;
        case IMAP_VALUE_STRING:
            g_string_append_c(out, '"');
            dump_bytes(out, value->bytes, value->len);
            g_string_append_c(out, '"');
            break;
        case IMAP_VALUE_LIST:
            g_string_append_c(out, '(');
            dump_values(out, value->first);
            g_string_append_c(out, ')');
            break;
        }
        if (value->full_len != value->len)
            g_string_append_printf(out, "/%" G_GUINT64_FORMAT, value->full_len);
        if (value->bytes)
            g_assert_cmpint(value->bytes[value->len], ==, '\0');
        if (value->next)
            g_string_append_c(out, ' ');
    }
}

static inline void dump_status(GString *out, const ImapResponse *response)
{
    if (response->code) {
        g_string_append(out, " [");
        dump_bytes(out, response->code, strlen(response->code));
        if (response->code_args)
            g_string_append_c(out, ' ');
        dump_values(out, response->code_args);
        g_string_append_c(out, ']');
    }
    g_assert_null(strpbrk(response->text, "\r\n"));
    g_string_append(out, " {");
    dump_bytes(out, response->text, strlen(response->text));
    g_string_append_c(out, '}');
}

/* "* 5 FETCH (UID 5 X "s")", "A1 OK [CODE args] {text}"; a line each. */
static inline void dump_response(GString *out, const ImapResponse *response)
{
    static const char *const kinds[] = {"+", "*", NULL};
    const char *kind = kinds[response->kind] ? kinds[response->kind] : response->tag;

    dump_bytes(out, kind, strlen(kind));
    if (response->has_number)
        g_string_append_printf(out, " %" G_GUINT64_FORMAT, response->number);
    if (*response->name)
        g_string_append_c(out, ' ');
    dump_bytes(out, response->name, strlen(response->name));
    if (response->is_status)
        dump_status(out, response);
    if (response->values)
        g_string_append_c(out, ' ');
    dump_values(out, response->values);
    g_string_append(out, response->is_cut ? " CUT" : "");
    g_string_append(out, response->is_malformed ? " MALFORMED" : "");
    g_string_append(out, response->has_nul ? " NUL" : "");
    g_string_append_c(out, '\n');
}

/* What is announced stands behind a '?'.  A FETCH is streamed, others are kept. */
static inline void dump_announced(GString *out, ImapReader *reader, const ImapResponse *response)
{
    g_string_append(out, "? ");
    dump_response(out, response);
    if (g_str_equal(response->name, "FETCH"))
        imap_reader_stream(reader);
}

/* Feeds @reader and dumps what comes out; the error ends it. */
static inline gboolean dump_feed(GString *out, ImapReader *reader, const guint8 *bytes, gsize len)
{
    gsize used;

    for (gsize off = 0; off < len; off += used) {
        const ImapResponse *response;
        g_autoptr(GError) error = NULL;
        ImapReadResult result =
            imap_reader_next(reader, bytes + off, len - off, &used, &response, &error);

        if (result == IMAP_READ_ERROR) {
            g_assert_error(error, MAIL_ERROR, MAIL_ERROR_PROTOCOL);
            g_string_append_printf(out, "ERROR %s\n", error->message);
            return FALSE;
        }
        g_assert_cmpuint(used, <=, len - off);
        switch (result) {
        case IMAP_READ_RESPONSE: dump_response(out, response); break;
        case IMAP_READ_LITERAL: dump_announced(out, reader, response); break;
        case IMAP_READ_PIECE: dump_bytes(out, (const char *)bytes + off, used); break;
        default: g_assert_cmpuint(used, ==, len - off);
        }
    }
    return TRUE;
}

/* The value that @text is in a response; borrowed from @reader. */
static inline const ImapValue *value_from_text(ImapReader *reader, const char *text)
{
    g_autofree char *line = g_strconcat("* X ", text, "\r\n", NULL);
    const ImapResponse *response;
    gsize used;

    g_assert_cmpint(
        imap_reader_next(reader, (const guint8 *)line, strlen(line), &used, &response, NULL), ==,
        IMAP_READ_RESPONSE);
    g_assert_false(response->is_malformed);
    return response->values;
}

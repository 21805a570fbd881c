/* SPDX-License-Identifier: MIT */
/* imap/command.c - building a command: its bytes, and what the log may show of them. */
#include "imap/command.h"

#include <stdarg.h>
#include <string.h>

/* Longer strings go as literals: some servers take only short lines. */
#define QUOTED_MAX 1000
/* LITERAL- (RFC 7888 5). */
#define LITERAL_MINUS_MAX 4096
/* 1 January of the year 1, 00:00:00; 31 December 9999, 23:59:59. */
#define DATE_TIME_MIN_S G_GINT64_CONSTANT(-62135596800)
#define DATE_TIME_MAX_S G_GINT64_CONSTANT(253402300799)

/* Text that may be secret, so that whatever memory it leaves is wiped; or a literal of somebody
 * else's bytes. */
typedef struct {
    char *bytes;
    gsize len, size;
    GBytes *literal;
    gboolean waits;
} Piece;

struct ImapCommand {
    char *name;
    ImapLiteralMode mode;
    GArray *pieces; /* Piece */
    GString *log;
    gboolean is_finished, is_idle;
};

static void wipe(char *bytes, gsize size)
{
    if (bytes)
        explicit_bzero(bytes, size);
    g_free(bytes);
}

static void piece_clear(gpointer data)
{
    Piece *piece = data;

    wipe(piece->bytes, piece->size);
    g_clear_pointer(&piece->literal, g_bytes_unref);
}

static void piece_insert(Piece *piece, gsize off, const char *bytes, gsize len)
{
    Piece old = *piece;

    if (len == 0)
        return;
    if (len > piece->size - piece->len) {
        piece->size = MAX(2 * old.size, old.len + len);
        piece->bytes = g_malloc(piece->size);
        if (old.bytes)
            memcpy(piece->bytes, old.bytes, old.len);
        wipe(old.bytes, old.size);
    }
    memmove(piece->bytes + off + len, piece->bytes + off, piece->len - off);
    memcpy(piece->bytes + off, bytes, len);
    piece->len += len;
}

static Piece *last_piece(ImapCommand *self)
{
    return &g_array_index(self->pieces, Piece, self->pieces->len - 1);
}

static void append(ImapCommand *self, const char *bytes, gsize len)
{
    Piece *piece = last_piece(self);

    piece_insert(piece, piece->len, bytes, len);
}

static void append_text(ImapCommand *self, const char *text)
{
    append(self, text, strlen(text));
}

/* @literal (taken) or, with NULL, text that begins here. */
static void begin_piece(ImapCommand *self, GBytes *literal, gboolean waits)
{
    Piece piece = {.literal = literal, .waits = waits};

    g_array_append_val(self->pieces, piece);
}

ImapCommand *imap_command_new(const char *name, ImapLiteralMode mode)
{
    ImapCommand *self = g_new0(ImapCommand, 1);

    self->name = g_strdup(name);
    self->mode = mode;
    self->pieces = g_array_new(FALSE, FALSE, sizeof(Piece));
    g_array_set_clear_func(self->pieces, piece_clear);
    self->log = g_string_new(name);
    begin_piece(self, NULL, FALSE);
    append_text(self, name);
    return self;
}

ImapCommand *imap_command_new_idle(void)
{
    ImapCommand *self = imap_command_new("IDLE", IMAP_LITERAL_SYNC);

    self->is_idle = TRUE;
    append_text(self, "\r\n");
    begin_piece(self, NULL, TRUE);
    append_text(self, "DONE");
    return self;
}

gboolean imap_command_is_idle(const ImapCommand *self)
{
    return self->is_idle;
}

void imap_command_free(ImapCommand *self)
{
    if (!self)
        return;
    g_array_unref(self->pieces);
    g_string_free(self->log, TRUE);
    g_free(self->name);
    g_free(self);
}

const char *imap_command_name(const ImapCommand *self)
{
    return self->name;
}

gboolean imap_command_may_take_long(const ImapCommand *self)
{
    static const char *const names[] = {"APPEND",    "UID REPLACE", "UID COPY", "UID MOVE",
                                        "UID STORE", "UID EXPUNGE", NULL};

    return g_strv_contains(names, self->name);
}

void imap_command_add(ImapCommand *self, const char *text)
{
    g_return_if_fail(!self->is_finished);
    g_return_if_fail(!strpbrk(text, "\r\n"));
    append_text(self, " ");
    append_text(self, text);
    g_string_append_c(self->log, ' ');
    g_string_append(self->log, text);
}

void imap_command_addf(ImapCommand *self, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    imap_command_add(self, text);
}

static gboolean is_printable(guchar c)
{
    return c >= 0x20 && c <= 0x7e;
}

/* An astring without quotes (RFC 9051 9, ASTRING-CHAR); NIL could be taken for nothing. */
static gboolean is_atom(const char *bytes, gsize len)
{
    for (gsize i = 0; i < len; i++)
        if (!is_printable((guchar)bytes[i]) || strchr(" (){%*\"\\", bytes[i]))
            return FALSE;
    return len > 0 && len <= QUOTED_MAX && !(len == 3 && g_ascii_strncasecmp(bytes, "NIL", 3) == 0);
}

static gboolean is_quotable(const char *bytes, gsize len)
{
    for (gsize i = 0; i < len; i++)
        if (!is_printable((guchar)bytes[i]))
            return FALSE;
    return len <= QUOTED_MAX;
}

static void append_quoted(ImapCommand *self, const char *bytes, gsize len)
{
    append_text(self, "\"");
    for (gsize i = 0; i < len; i++) {
        if (bytes[i] == '"' || bytes[i] == '\\')
            append_text(self, "\\");
        append(self, bytes + i, 1);
    }
    append_text(self, "\"");
}

static gboolean is_synchronizing(const ImapCommand *self, gsize len)
{
    switch (self->mode) {
    case IMAP_LITERAL_SYNC: return TRUE;
    case IMAP_LITERAL_MINUS: return len > LITERAL_MINUS_MAX;
    case IMAP_LITERAL_PLUS: return FALSE;
    }
    return TRUE;
}

static void append_marker(ImapCommand *self, gsize len, gboolean waits)
{
    g_autofree char *marker = g_strdup_printf("{%" G_GSIZE_FORMAT "%s}\r\n", len, waits ? "" : "+");

    append_text(self, marker);
}

static void append_literal(ImapCommand *self, const char *bytes, gsize len)
{
    gboolean waits = is_synchronizing(self, len);

    append_marker(self, len, waits);
    if (waits)
        begin_piece(self, NULL, TRUE);
    append(self, bytes, len);
}

static void log_literal(ImapCommand *self, gsize len)
{
    g_string_append_printf(self->log, "(%" G_GSIZE_FORMAT " bytes)", len);
}

static gboolean check_nul(const ImapCommand *self, const char *bytes, gsize len, GError **error)
{
    if (len == 0 || !memchr(bytes, '\0', len))
        return TRUE;
    g_set_error(error, MAIL_ERROR, MAIL_ERROR_INVALID, "%s: an argument has a NUL", self->name);
    return FALSE;
}

static gboolean add_string(ImapCommand *self, const char *bytes, gsize len, const char *mask,
                           GError **error)
{
    gboolean is_literal = !is_quotable(bytes, len);
    gsize off;

    g_return_val_if_fail(!self->is_finished, FALSE);
    if (!check_nul(self, bytes, len, error))
        return FALSE;
    append_text(self, " ");
    off = last_piece(self)->len;
    if (is_literal)
        append_literal(self, bytes, len);
    else if (is_atom(bytes, len))
        append(self, bytes, len);
    else
        append_quoted(self, bytes, len);
    g_string_append_c(self->log, ' ');
    if (mask)
        g_string_append(self->log, mask);
    else if (is_literal)
        log_literal(self, len);
    else
        g_string_append_len(self->log, last_piece(self)->bytes + off,
                            (gssize)(last_piece(self)->len - off));
    return TRUE;
}

gboolean imap_command_add_string(ImapCommand *self, const char *bytes, gsize len, GError **error)
{
    return add_string(self, bytes, len, NULL, error);
}

gboolean imap_command_add_secret(ImapCommand *self, const char *bytes, gsize len, GError **error)
{
    return add_string(self, bytes, len, "<secret>", error);
}

static gboolean add_literal(ImapCommand *self, const char *before, GBytes *bytes,
                            gboolean must_wait, GError **error)
{
    gsize len;
    const char *data = g_bytes_get_data(bytes, &len);
    gboolean waits = must_wait || is_synchronizing(self, len);

    g_return_val_if_fail(!self->is_finished, FALSE);
    if (!check_nul(self, data, len, error))
        return FALSE;
    append_text(self, before);
    append_marker(self, len, waits);
    begin_piece(self, g_bytes_ref(bytes), waits);
    begin_piece(self, NULL, FALSE);
    g_string_append(self->log, before);
    log_literal(self, len);
    return TRUE;
}

gboolean imap_command_add_literal(ImapCommand *self, GBytes *bytes, gboolean must_wait,
                                  GError **error)
{
    return add_literal(self, " ", bytes, must_wait, error);
}

gboolean imap_command_add_utf8(ImapCommand *self, GBytes *bytes, gboolean must_wait, GError **error)
{
    if (!add_literal(self, " UTF8 (~", bytes, must_wait, error))
        return FALSE;
    append_text(self, ")");
    g_string_append_c(self->log, ')');
    return TRUE;
}

void imap_command_add_date_time(ImapCommand *self, gint64 unix_s)
{
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    g_autoptr(GDateTime) time =
        g_date_time_new_from_unix_utc(CLAMP(unix_s, DATE_TIME_MIN_S, DATE_TIME_MAX_S));

    imap_command_addf(self, "\"%02d-%s-%04d %02d:%02d:%02d +0000\"",
                      g_date_time_get_day_of_month(time), months[g_date_time_get_month(time) - 1],
                      g_date_time_get_year(time), g_date_time_get_hour(time),
                      g_date_time_get_minute(time), g_date_time_get_second(time));
}

void imap_command_finish(ImapCommand *self, const char *tag)
{
    g_autofree char *front = g_strconcat(tag, " ", NULL);

    g_return_if_fail(!self->is_finished);
    append_text(self, "\r\n");
    piece_insert(&g_array_index(self->pieces, Piece, 0), 0, front, strlen(front));
    g_string_prepend(self->log, front);
    self->is_finished = TRUE;
}

guint imap_command_n_pieces(const ImapCommand *self)
{
    return self->pieces->len;
}

const char *imap_command_piece(const ImapCommand *self, guint nth, gsize *ret_len)
{
    const Piece *piece = &g_array_index(self->pieces, Piece, nth);

    if (piece->literal)
        return g_bytes_get_data(piece->literal, ret_len);
    *ret_len = piece->len;
    return piece->bytes;
}

guint imap_command_next_pause(const ImapCommand *self, guint nth)
{
    do
        nth++;
    while (nth < self->pieces->len && !g_array_index(self->pieces, Piece, nth).waits);
    return nth;
}

const char *imap_command_log_text(const ImapCommand *self)
{
    return self->log->str;
}

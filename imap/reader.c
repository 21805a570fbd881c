/* SPDX-License-Identifier: MIT */
/* imap/reader.c - where a response ends: lines, and the literals that lines announce. */
#include "imap/reader.h"

#include <string.h>

#include "imap/response.h"

#define TEXT_HOLD_MIN 64
/* Longer than "~{18446744073709551615+}" and the CR after it. */
#define TAIL_MAX 32
/* Buffers that grew beyond this are given back after the response. */
#define BUFFER_KEEP   ((gsize)256 * 1024)
#define LITERALS_KEEP 1024
/* Literals behind more text than this are not announced: the text is copied for it. */
#define HEAD_MAX 4096

const ImapLimits imap_limits_default = {
    .text_hold = 1024 * 1024,
    .text_max = 128 * 1024 * 1024,
    .literal_hold = 1024 * 1024,
    .literals_hold = 4 * 1024 * 1024,
    .literals_max = 20000,
    .literal_max = G_MAXUINT32,
    .depth_max = 210,
    .values_max = 4000000,
};

struct ImapReader {
    ImapLimits limits;
    ImapParser *parser;
    ImapResponse response;
    guint64 n_stream;     /* octets taken so far */
    guint64 response_off; /* where the response begins in the stream */
    gboolean is_done;     /* the response was given away: the next byte begins another */
    gboolean has_failed;
    char *head; /* a copy of the text, while a literal is announced */

    /* Of one response: */
    GString *text;  /* what is kept of the text, LF for each literal; when cut, a tail beyond it */
    gsize line_off; /* where its last line begins */
    gsize tail_off; /* when cut: the end of what is kept */
    guint64 n_text; /* octets of text so far, line ends and all */
    gboolean is_cut;
    gboolean has_nul;       /* outside literals */
    GString *literal_bytes; /* of all literals, a NUL between */
    GArray *literals;       /* ImapLiteral */
    guint64 literal_left;   /* octets of the last literal that have not come yet */
    gboolean is_streamed;   /* the last literal */
};

static GArray *new_literals(void)
{
    return g_array_new(FALSE, FALSE, sizeof(ImapLiteral));
}

ImapReader *imap_reader_new(const ImapLimits *limits)
{
    ImapReader *self = g_new0(ImapReader, 1);

    self->limits = *limits;
    self->limits.text_hold = MAX(limits->text_hold, TEXT_HOLD_MIN);
    self->parser = imap_parser_new(limits);
    self->text = g_string_new(NULL);
    self->literal_bytes = g_string_new(NULL);
    self->literals = new_literals();
    return self;
}

void imap_reader_set_limits(ImapReader *self, const ImapLimits *limits)
{
    self->limits = *limits;
    self->limits.text_hold = MAX(limits->text_hold, TEXT_HOLD_MIN);
    imap_parser_set_values_max(self->parser, limits->values_max);
}

void imap_reader_free(ImapReader *self)
{
    if (!self)
        return;
    imap_parser_free(self->parser);
    g_string_free(self->text, TRUE);
    g_string_free(self->literal_bytes, TRUE);
    g_array_unref(self->literals);
    g_free(self->head);
    g_free(self);
}

gboolean imap_reader_is_inside(const ImapReader *self)
{
    return !self->is_done && self->n_text > 0;
}

static void empty_buffer(GString **buffer)
{
    if ((*buffer)->allocated_len > BUFFER_KEEP) {
        g_string_free(*buffer, TRUE);
        *buffer = g_string_new(NULL);
    }
    g_string_truncate(*buffer, 0);
}

static void begin_response(ImapReader *self)
{
    empty_buffer(&self->text);
    empty_buffer(&self->literal_bytes);
    if (self->literals->len > LITERALS_KEEP) {
        g_array_unref(self->literals);
        self->literals = new_literals();
    }
    g_array_set_size(self->literals, 0);
    imap_parser_reset(self->parser);
    self->response_off = self->n_stream;
    self->line_off = 0;
    self->n_text = 0;
    self->is_cut = FALSE;
    self->has_nul = FALSE;
    self->is_done = FALSE;
}

static gboolean fail(ImapReader *self, GError **error, const char *what)
{
    self->has_failed = TRUE;
    g_set_error(error, MAIL_ERROR, MAIL_ERROR_PROTOCOL,
                "read response at octet %" G_GUINT64_FORMAT " of the connection: %s",
                self->response_off, what);
    return FALSE;
}

static void append_text(ImapReader *self, const char *bytes, gsize len)
{
    gsize from = self->text->len;

    g_string_append_len(self->text, bytes, (gssize)len);
    if (!memchr(bytes, '\0', len))
        return;
    self->has_nul = TRUE;
    for (; from < self->text->len; from++)
        if (!self->text->str[from])
            self->text->str[from] = '?';
}

/* What comes from here on is dropped, but for a tail. */
static void cut(ImapReader *self)
{
    if (!self->is_cut)
        self->tail_off = self->text->len;
    self->is_cut = TRUE;
}

/* Keeps only the last TAIL_MAX octets of a line: enough to see whether it announces a literal. */
static void keep_tail(ImapReader *self, const char *bytes, gsize len)
{
    gsize n_tail;

    cut(self);
    if (len > TAIL_MAX) {
        bytes += len - TAIL_MAX;
        len = TAIL_MAX;
    }
    n_tail = self->text->len - self->tail_off;
    if (n_tail + len > TAIL_MAX)
        g_string_erase(self->text, (gssize)self->tail_off, (gssize)(n_tail + len - TAIL_MAX));
    append_text(self, bytes, len);
}

/* Text up to a line end or the end of what has come. */
static gboolean take_text(ImapReader *self, const char *bytes, gsize len, GError **error)
{
    gsize room =
        self->n_text < self->limits.text_hold ? (gsize)(self->limits.text_hold - self->n_text) : 0;
    gsize n_kept = self->is_cut ? 0 : MIN(len, room);

    if (self->n_text + len > self->limits.text_max)
        return fail(self, error, "it is too long");
    self->n_text += len;
    self->n_stream += len;
    append_text(self, bytes, n_kept);
    if (n_kept < len)
        keep_tail(self, bytes + n_kept, len - n_kept);
    return TRUE;
}

/* The '{' of what stands at the end of the last line like "{5}", or NULL. */
static const char *find_marker(const ImapReader *self)
{
    const char *end = self->text->str + self->text->len;
    gsize len = MIN(self->text->len - self->line_off, TAIL_MAX);

    if (len == 0 || end[-1] != '}')
        return NULL;
    for (const char *at = end - 1; at > end - len; at--) {
        if (at[-1] == '{')
            return at - 1;
        if (strchr("\"()", at[-1]))
            return NULL;
    }
    return NULL;
}

static void begin_literal(ImapReader *self, gsize marker_off, guint64 size)
{
    ImapLiteral literal = {.full_len = size};

    self->literal_left = size;
    self->is_streamed = FALSE;
    if (self->literals->len >= self->limits.literals_max && !self->is_cut) {
        g_string_truncate(self->text, marker_off);
        cut(self);
    }
    if (self->is_cut) {
        g_string_truncate(self->text, self->tail_off);
        self->tail_off = self->text->len;
    } else {
        if (self->literals->len > 0)
            g_string_append_c(self->literal_bytes, '\0');
        literal.off = self->literal_bytes->len;
        g_array_append_val(self->literals, literal);
        g_string_truncate(self->text, marker_off);
        g_string_append_c(self->text, '\n');
    }
    self->line_off = self->text->len;
}

static ImapRaw raw_of(ImapReader *self, char *text, gboolean is_cut)
{
    return (ImapRaw){
        .text = text,
        .is_cut = is_cut,
        .literal_bytes = self->literal_bytes->str,
        .literals = (const ImapLiteral *)(gpointer)self->literals->data,
        .n_literals = self->literals->len,
    };
}

/* The parser works in place, and the text is still needed. */
static void announce_literal(ImapReader *self)
{
    ImapRaw raw;

    if (!self->limits.literal_ask || self->literal_left <= self->limits.literal_ask ||
        self->is_cut || self->text->len > HEAD_MAX)
        return;
    self->head = g_strndup(self->text->str, self->text->len);
    raw = raw_of(self, self->head, TRUE);
    self->response = imap_response_parse(self->parser, &raw);
    self->response.has_nul = self->has_nul;
}

static void end_announcement(ImapReader *self)
{
    if (!self->head)
        return;
    g_clear_pointer(&self->head, g_free);
    imap_parser_reset(self->parser);
}

void imap_reader_stream(ImapReader *self)
{
    g_return_if_fail(self->head);

    self->is_streamed = TRUE;
}

/* "{5}", "{5+}" or "~{5}" at the end of the line (RFC 9051 4.3, RFC 3516). */
static gboolean take_marker(ImapReader *self, const char *marker, GError **error)
{
    const char *digits = marker + 1, *end = self->text->str + self->text->len - 1;
    gsize off = (gsize)(marker - self->text->str);
    guint64 size;

    if (end > digits && end[-1] == '+')
        end--;
    if (!imap_number_parse(digits, (gsize)(end - digits), G_MAXUINT64, &size))
        return fail(self, error, "the size of a literal is no number");
    if (size > self->limits.literal_max)
        return fail(self, error, "a literal is too big");
    if (off > self->line_off && marker[-1] == '~')
        off--;
    begin_literal(self, off, size);
    announce_literal(self);
    return TRUE;
}

static gsize take_literal(ImapReader *self, const char *bytes, gsize len)
{
    gsize n_taken = (gsize)MIN((guint64)len, self->literal_left), n_kept;
    ImapLiteral *literal;

    self->literal_left -= n_taken;
    self->n_stream += n_taken;
    if (!self->is_cut && !self->is_streamed) {
        literal = &g_array_index(self->literals, ImapLiteral, self->literals->len - 1);
        n_kept = MIN(n_taken, self->limits.literal_hold - literal->len);
        n_kept = MIN(n_kept, self->limits.literals_hold -
                                 MIN(self->limits.literals_hold, self->literal_bytes->len));
        g_string_append_len(self->literal_bytes, bytes, (gssize)n_kept);
        literal->len += n_kept;
    }
    return n_taken;
}

static void end_response(ImapReader *self)
{
    ImapRaw raw = raw_of(self, self->text->str, self->is_cut);

    if (self->is_cut)
        g_string_truncate(self->text, self->tail_off);
    self->response = imap_response_parse(self->parser, &raw);
    self->response.has_nul = self->has_nul;
    self->is_done = TRUE;
}

static gboolean is_first_line(const ImapReader *self)
{
    return self->line_off == 0;
}

/* After an LF: the response is at its end, or a literal follows, or the line was empty. */
static gboolean end_line(ImapReader *self, GError **error)
{
    GString *text = self->text;
    const char *marker;

    self->n_text++;
    self->n_stream++;
    while (text->len > self->line_off && text->str[text->len - 1] == '\r')
        g_string_truncate(text, text->len - 1);
    if (is_first_line(self) && text->str[strspn(text->str, " \t\r")] == '\0') {
        begin_response(self);
        return TRUE;
    }
    marker = find_marker(self);
    if (marker && (!is_first_line(self) || imap_response_can_have_literals(text->str)))
        return take_marker(self, marker, error);
    end_response(self);
    return TRUE;
}

ImapReadResult imap_reader_next(ImapReader *self, const guint8 *bytes, gsize len, gsize *ret_used,
                                const ImapResponse **ret_response, GError **error)
{
    const char *at = (const char *)bytes, *end = at + len;

    if (self->has_failed) {
        fail(self, error, "the stream was broken before");
        return IMAP_READ_ERROR;
    }
    if (self->is_done)
        begin_response(self);
    end_announcement(self);
    if (self->is_streamed && self->literal_left > 0) {
        *ret_used = take_literal(self, at, len);
        return *ret_used > 0 ? IMAP_READ_PIECE : IMAP_READ_MORE;
    }
    while (at < end && !self->is_done && !self->head) {
        gsize left = (gsize)(end - at), n;
        const char *lf;

        if (self->literal_left > 0) {
            at += take_literal(self, at, left);
            continue;
        }
        lf = memchr(at, '\n', left);
        n = lf ? (gsize)(lf - at) : left;
        if (!take_text(self, at, n, error) || (lf && !end_line(self, error)))
            return IMAP_READ_ERROR;
        at += n + (lf ? 1 : 0);
    }
    *ret_used = len - (gsize)(end - at);
    if (!self->is_done && !self->head)
        return IMAP_READ_MORE;
    *ret_response = &self->response;
    return self->is_done ? IMAP_READ_RESPONSE : IMAP_READ_LITERAL;
}

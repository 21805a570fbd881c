/* SPDX-License-Identifier: MIT */
/* pop/reader.c - where a status, a line and a message end. */
#include "pop/reader.h"

#include <string.h>

const PopLimits pop_limits_default = {
    .status_max = (gsize)8 * 1024,
    .line_hold = 1024,
    .lines_max = 1000001,
    .data_max = G_MAXUINT32,
};

typedef enum {
    AT_STATUS,
    AT_LINE_BEGIN, /* of data, as are all that follow */
    AT_DOT,        /* behind a "." that began a line */
    AT_DOT_CR,     /* behind such a ".", and a CR that may be data */
    IN_LINE,
} State;

struct PopReader {
    PopLimits limits;
    State state;
    PopShape shape;
    gboolean has_failed;
    guint64 n_stream;     /* octets taken so far */
    guint64 answer_off;   /* where the answer begins in the stream */
    GString *text;        /* a status, or what is kept of a line, as far as it has come */
    gboolean is_text_due; /* it was given away: the next one begins */

    /* Of the data behind one status: */
    gboolean ends_bare; /* a bare LF ends a line */
    gboolean is_cr;     /* the last octet was a CR */
    guint64 n_data;
    guint n_lines;
    guint64 n_line; /* octets of this line */
};

PopReader *pop_reader_new(const PopLimits *limits)
{
    PopReader *self = g_new0(PopReader, 1);

    self->limits = *limits;
    self->text = g_string_new(NULL);
    return self;
}

void pop_reader_free(PopReader *self)
{
    if (!self)
        return;
    g_string_free(self->text, TRUE);
    g_free(self);
}

static PopReadResult fail(PopReader *self, GError **error, const char *what)
{
    self->has_failed = TRUE;
    g_set_error(error, MAIL_ERROR, MAIL_ERROR_PROTOCOL,
                "%s (it begins at octet %" G_GUINT64_FORMAT " of the connection)", what,
                self->answer_off);
    return POP_READ_ERROR;
}

/* --- a status --- */

/* "[IN-USE] text": returns the text; the code is NUL-ended in its place. */
static char *split_code(char *text, const char **ret_code)
{
    char *end = *text == '[' ? strchr(text, ']') : NULL;

    if (!end || end == text + 1)
        return text;
    *end = '\0';
    *ret_code = text + 1;
    return end + 1 + strspn(end + 1, " \t");
}

static gboolean begins_with(const char *line, const char *word)
{
    gsize len = strlen(word);

    return g_ascii_strncasecmp(line, word, len) == 0 && !g_ascii_isalnum(line[len]);
}

static PopReadResult parse_status(PopReader *self, PopEvent *ret_event, GError **error)
{
    char *line = self->text->str;
    PopStatus *status = &ret_event->status;

    if (strlen(line) < self->text->len)
        return fail(self, error, "an answer has a NUL in it");
    if (line[0] == '+' && (!line[1] || line[1] == ' ')) {
        status->text = line + (line[1] ? 2 : 1);
        return POP_READ_CHALLENGE;
    }
    status->is_ok = begins_with(line, "+OK");
    if (!status->is_ok && !begins_with(line, "-ERR"))
        return fail(self, error, "an answer that is neither +OK nor -ERR");
    line += strlen(status->is_ok ? "+OK" : "-ERR");
    line += strspn(line, " \t");
    status->text = split_code(line, &status->code);
    return POP_READ_STATUS;
}

static gboolean ends_in_cr(const GString *text)
{
    return text->len > 0 && text->str[text->len - 1] == '\r';
}

static PopReadResult take_status(PopReader *self, const guint8 *bytes, gsize len, gsize *ret_used,
                                 PopEvent *ret_event, GError **error)
{
    const guint8 *lf = memchr(bytes, '\n', len);
    gsize n = lf ? (gsize)(lf - bytes) : len;

    if (self->text->len == 0)
        self->answer_off = self->n_stream;
    if (self->text->len + n > self->limits.status_max)
        return fail(self, error, "an answer is too long");
    g_string_append_len(self->text, (const char *)bytes, (gssize)n);
    *ret_used = n + (lf != NULL);
    if (!lf)
        return POP_READ_MORE;
    self->ends_bare = !ends_in_cr(self->text);
    while (ends_in_cr(self->text))
        g_string_truncate(self->text, self->text->len - 1);
    self->is_text_due = TRUE;
    return parse_status(self, ret_event, error);
}

void pop_reader_follow(PopReader *self, PopShape shape)
{
    g_return_if_fail(self->state == AT_STATUS && self->is_text_due);

    if (shape == POP_SHAPE_STATUS)
        return;
    self->shape = shape;
    self->state = AT_LINE_BEGIN;
    self->n_data = 0;
    self->n_lines = 0;
    self->n_line = 0;
}

/* --- data --- */

static void begin_line(PopReader *self)
{
    self->state = IN_LINE;
    self->is_cr = FALSE;
}

/* Octets of the line as far as they have come, its end included. */
static gsize take_line(PopReader *self, const guint8 *bytes, gsize len)
{
    for (gsize n = 0; n < len;) {
        const guint8 *lf = memchr(bytes + n, '\n', len - n);
        gboolean is_cr;

        if (!lf)
            break;
        is_cr = lf > bytes ? lf[-1] == '\r' : self->is_cr;
        n = (gsize)(lf - bytes) + 1;
        if (!is_cr && !self->ends_bare)
            continue;
        self->is_cr = is_cr;
        self->state = AT_LINE_BEGIN;
        return n;
    }
    self->is_cr = bytes[len - 1] == '\r';
    return len;
}

/* Octets that stand in the message as they stand here: up to a line that begins with a dot. */
static gsize take_lines(PopReader *self, const guint8 *bytes, gsize len)
{
    gsize n = 0;

    while (n < len && self->state == IN_LINE) {
        n += take_line(self, bytes + n, len - n);
        if (self->state == AT_LINE_BEGIN && n < len && bytes[n] != '.')
            begin_line(self);
    }
    return n;
}

/* Keeps one octet more than a line may have: it may be the CR of its end. */
static void keep(PopReader *self, const guint8 *bytes, gsize len)
{
    gsize room = self->limits.line_hold + 1 - self->text->len;

    self->n_line += len;
    g_string_append_len(self->text, (const char *)bytes, (gssize)MIN(len, room));
}

static PopReadResult end_line(PopReader *self, PopEvent *ret_event, GError **error)
{
    guint64 len = self->n_line - (self->is_cr ? 1 : 0);

    if (self->n_lines++ == self->limits.lines_max)
        return fail(self, error, "a list has too many lines");
    g_string_truncate(self->text, (gsize)MIN(len, self->limits.line_hold));
    ret_event->bytes = (const guint8 *)self->text->str;
    ret_event->len = self->text->len;
    ret_event->is_cut = len > self->text->len;
    self->is_text_due = TRUE;
    self->n_line = 0;
    return POP_READ_LINE;
}

static PopReadResult take_data(PopReader *self, const guint8 *bytes, gsize len, gsize *ret_used,
                               PopEvent *ret_event, GError **error)
{
    gboolean is_list = self->shape == POP_SHAPE_LINES;
    gsize n;

    len = (gsize)MIN((guint64)len, self->limits.data_max - self->n_data);
    if (len == 0)
        return fail(self, error, "an answer has too much data");
    n = is_list ? take_line(self, bytes, len) : take_lines(self, bytes, len);
    self->n_data += n;
    *ret_used = n;
    if (!is_list) {
        ret_event->bytes = bytes;
        ret_event->len = n;
        return POP_READ_PIECE;
    }
    if (self->state == IN_LINE) {
        keep(self, bytes, n);
        return POP_READ_MORE;
    }
    keep(self, bytes, n - 1);
    return end_line(self, ret_event, error);
}

/* The CR in ".\rx" is no part of an end, but data. */
static PopReadResult take_held_cr(PopReader *self, PopEvent *ret_event, GError **error)
{
    static const guint8 cr = '\r';
    gsize used;

    begin_line(self);
    return take_data(self, &cr, 1, &used, ret_event, error);
}

/* An octet that may be one of the end: at a line's begin, or behind its dot.  If it is data it is
 * left for the next step. */
static PopReadResult take_mark(PopReader *self, guint8 octet, gsize *ret_used, PopEvent *ret_event,
                               GError **error)
{
    *ret_used = 1;
    if (self->state == AT_LINE_BEGIN && octet == '.') {
        self->state = AT_DOT;
        return POP_READ_MORE;
    }
    if (self->state == AT_DOT && octet == '\r') {
        self->state = AT_DOT_CR;
        return POP_READ_MORE;
    }
    if (self->state != AT_LINE_BEGIN && octet == '\n') {
        self->state = AT_STATUS;
        return POP_READ_END;
    }
    *ret_used = 0;
    if (self->state == AT_DOT_CR)
        return take_held_cr(self, ret_event, error);
    begin_line(self);
    return POP_READ_MORE;
}

static PopReadResult take(PopReader *self, const guint8 *bytes, gsize len, gsize *ret_used,
                          PopEvent *ret_event, GError **error)
{
    switch (self->state) {
    case AT_STATUS: return take_status(self, bytes, len, ret_used, ret_event, error);
    case IN_LINE: return take_data(self, bytes, len, ret_used, ret_event, error);
    case AT_LINE_BEGIN:
    case AT_DOT:
    case AT_DOT_CR: return take_mark(self, *bytes, ret_used, ret_event, error);
    }
    g_return_val_if_reached(POP_READ_ERROR);
}

PopReadResult pop_reader_next(PopReader *self, const guint8 *bytes, gsize len, gsize *ret_used,
                              PopEvent *ret_event, GError **error)
{
    PopReadResult result = POP_READ_MORE;

    if (self->has_failed)
        return fail(self, error, "an answer on a stream that was broken before");
    if (self->is_text_due)
        g_string_truncate(self->text, 0);
    self->is_text_due = FALSE;
    *ret_event = (PopEvent){.status.text = ""};
    *ret_used = 0;
    while (result == POP_READ_MORE && *ret_used < len) {
        gsize n = 0;

        result = take(self, bytes + *ret_used, len - *ret_used, &n, ret_event, error);
        *ret_used += n;
        self->n_stream += n;
    }
    return result;
}

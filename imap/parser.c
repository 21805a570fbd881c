/* SPDX-License-Identifier: MIT */
/* imap/parser.c - text and literals to values: one pass, an arena, an explicit stack. */
#include "imap/parser.h"

#include <string.h>

#define BLOCK_VALUES 512

/* What a byte does outside quoted strings.  Up to QUOTE it goes on with an atom that has begun. */
typedef enum {
    KIND_ATOM,
    KIND_QUOTE,
    KIND_BRACKET,
    KIND_BLANK,
    KIND_OPEN,
    KIND_CLOSE,
    KIND_LITERAL,
    KIND_END,
} Kind;

static const guint8 kinds[256] = {
    ['"'] = KIND_QUOTE,  ['['] = KIND_BRACKET,  [' '] = KIND_BLANK,
    ['\t'] = KIND_BLANK, ['\r'] = KIND_BLANK,   ['('] = KIND_OPEN,
    [')'] = KIND_CLOSE,  ['\n'] = KIND_LITERAL, ['\0'] = KIND_END,
};

typedef struct Block Block;

struct Block {
    Block *next;
    ImapValue values[BLOCK_VALUES];
};

/* Where the next value goes. */
typedef const ImapValue **Link;

struct ImapParser {
    gsize values_max;
    guint depth_max;

    Block *blocks; /* the newest first */
    guint n_used;  /* in the newest */
    gsize n_values;

    const ImapRaw *raw;
    guint n_literals; /* so many are used up */
    char *at;
    char *seal; /* the delimiter after the last atom: becomes its NUL once it has been looked at */
    char *no_bracket_before; /* below this no '[' has its ']' */
    Link link;
    Link *links;       /* where to go on after each open list */
    guint depth;       /* open lists */
    gsize n_skipped;   /* open lists beyond depth_max */
    ImapValue scratch; /* stands in for values that are not kept */
    gboolean is_cut, is_malformed, is_over;
};

ImapParser *imap_parser_new(const ImapLimits *limits)
{
    ImapParser *self = g_new0(ImapParser, 1);

    self->values_max = limits->values_max;
    self->depth_max = limits->depth_max;
    self->links = g_new(Link, limits->depth_max);
    self->blocks = g_new(Block, 1);
    self->blocks->next = NULL;
    return self;
}

void imap_parser_set_values_max(ImapParser *self, gsize values_max)
{
    self->values_max = values_max;
}

void imap_parser_reset(ImapParser *self)
{
    while (self->blocks->next) {
        Block *block = self->blocks;

        self->blocks = block->next;
        g_free(block);
    }
    self->n_used = 0;
    self->n_values = 0;
}

void imap_parser_free(ImapParser *self)
{
    if (!self)
        return;
    imap_parser_reset(self);
    g_free(self->blocks);
    g_free(self->links);
    g_free(self);
}

static ImapValue *new_value(ImapParser *self)
{
    if (self->n_used == BLOCK_VALUES) {
        Block *block = g_new(Block, 1);

        block->next = self->blocks;
        self->blocks = block;
        self->n_used = 0;
    }
    self->n_values++;
    return &self->blocks->values[self->n_used++];
}

static ImapValue *add_value(ImapParser *self, ImapValueType type, const char *bytes, gsize len)
{
    ImapValue *value = &self->scratch;

    if (self->n_skipped == 0 && self->n_values == self->values_max) {
        self->is_cut = self->is_over = TRUE;
    } else if (self->n_skipped == 0) {
        value = new_value(self);
        *self->link = value;
        self->link = &value->next;
    }
    *value = (ImapValue){.type = type, .bytes = bytes, .len = len, .full_len = len};
    return value;
}

static void fail(ImapParser *self)
{
    self->is_malformed = self->is_over = TRUE;
}

static void open_list(ImapParser *self)
{
    ImapValue *list;

    self->at++;
    if (self->n_skipped > 0) {
        self->n_skipped++;
    } else if (self->depth == self->depth_max) {
        add_value(self, IMAP_VALUE_NIL, NULL, 0);
        self->n_skipped = 1;
    } else {
        list = add_value(self, IMAP_VALUE_LIST, NULL, 0);
        self->links[self->depth++] = self->link;
        self->link = &list->first;
    }
}

static void close_list(ImapParser *self)
{
    self->at++;
    if (self->n_skipped > 0)
        self->n_skipped--;
    else if (self->depth > 0)
        self->link = self->links[--self->depth];
    else
        fail(self);
}

static void take_literal(ImapParser *self)
{
    const ImapLiteral *literal = &self->raw->literals[self->n_literals];
    ImapValue *value;

    g_assert(self->n_literals < self->raw->n_literals);
    self->n_literals++;
    self->at++;
    value =
        add_value(self, IMAP_VALUE_STRING, self->raw->literal_bytes + literal->off, literal->len);
    value->full_len = literal->full_len;
}

/* Takes the backslashes out of what follows @from up to a quote, which is returned; or NULL. */
static char *unescape(char *from, char **ret_end)
{
    char *to = from;

    for (; *from != '"'; from++) {
        if (*from == '\\')
            from++;
        if (*from == '\0' || *from == '\n')
            return NULL;
        *to++ = *from;
    }
    *ret_end = to;
    return from;
}

static void take_quoted(ImapParser *self)
{
    char *start = self->at + 1;
    char *quote = strchr(start, '"'), *end = quote, *odd;

    if (quote) {
        *quote = '\0';
        odd = strpbrk(start, "\\\n");
        *quote = '"';
        if (odd)
            quote = unescape(odd, &end);
    }
    if (!quote) {
        self->is_over = TRUE;
        self->is_malformed = !self->raw->is_cut;
        return;
    }
    *end = '\0';
    self->at = quote + 1;
    add_value(self, IMAP_VALUE_STRING, start, (gsize)(end - start));
}

/* From a quote to the next one, or to the LF or NUL that comes first. */
static char *skip_quoted(char *quote)
{
    char *at = quote + 1;

    for (; *at != '"' && *at != '\0' && *at != '\n'; at++)
        if (*at == '\\' && at[1] != '\0' && at[1] != '\n')
            at++;
    return at;
}

char *imap_parser_find_bracket(char *text, char **ret_stop)
{
    gsize depth = 0;
    char *at = text;

    for (; *at != '\0' && *at != '\n'; at++) {
        if (*at == ']' && depth == 0)
            return at;
        if (*at == ')' && depth-- == 0)
            break;
        if (*at == '(')
            depth++;
        if (*at == '"' && *(at = skip_quoted(at)) != '"')
            break;
    }
    *ret_stop = at;
    return NULL;
}

/* Beyond the section in brackets, or beyond the '[' alone where none closes it.  What a search in
 * vain has seen is not searched again: many '[' cost no more than one. */
static char *skip_section(ImapParser *self, char *bracket)
{
    char *close;

    if (bracket < self->no_bracket_before)
        return bracket + 1;
    close = imap_parser_find_bracket(bracket + 1, &self->no_bracket_before);
    return close ? close + 1 : bracket + 1;
}

static gboolean is_nil(const char *bytes, gsize len)
{
    return len == 3 && g_ascii_strncasecmp(bytes, "NIL", 3) == 0;
}

static void take_atom(ImapParser *self)
{
    char *start = self->at, *at = start;
    gsize len;

    for (;;) {
        while (kinds[(guchar)*at] <= KIND_QUOTE)
            at++;
        if (*at != '[')
            break;
        at = skip_section(self, at);
    }
    self->at = self->seal = at;
    len = (gsize)(at - start);
    if (*at == '\0' && self->raw->is_cut)
        return; /* its end is missing */
    if (is_nil(start, len))
        add_value(self, IMAP_VALUE_NIL, NULL, 0);
    else
        add_value(self, IMAP_VALUE_ATOM, start, len);
}

static void take_values(ImapParser *self)
{
    while (!self->is_over) {
        Kind kind = kinds[(guchar)*self->at];

        *self->seal = '\0';
        switch (kind) {
        case KIND_BLANK: self->at++; break;
        case KIND_OPEN: open_list(self); break;
        case KIND_CLOSE: close_list(self); break;
        case KIND_LITERAL: take_literal(self); break;
        case KIND_QUOTE: take_quoted(self); break;
        case KIND_ATOM:
        case KIND_BRACKET: take_atom(self); break;
        case KIND_END: return;
        }
    }
}

ImapParsed imap_parser_run(ImapParser *self, const ImapRaw *raw, char *text)
{
    ImapParsed parsed = {0};

    self->raw = raw;
    self->n_literals = 0;
    self->at = self->seal = self->no_bracket_before = text;
    self->link = &parsed.values;
    self->depth = 0;
    self->n_skipped = 0;
    self->is_malformed = self->is_over = FALSE;
    self->is_cut = raw->is_cut;
    take_values(self);
    if (!self->is_cut && (self->depth > 0 || self->n_skipped > 0))
        self->is_malformed = TRUE;
    parsed.is_cut = self->is_cut;
    parsed.is_malformed = self->is_malformed;
    return parsed;
}

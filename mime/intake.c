/* SPDX-License-Identifier: MIT */
/* mime/intake.c - whether what somebody wrote is a message, octet by octet. */
#include <string.h>

#include "mime/mime.h"

#define MBOX_BEGIN "From "

typedef enum {
    AT_LINE,     /* before the first octet of a line of the header */
    AT_FEED,     /* behind a CR that begins a line */
    IN_NAME,     /* of a field */
    BEHIND_NAME, /* in blanks before the colon */
    IN_VALUE,
    IN_BODY,
    NOWHERE, /* this is no header */
} Place;

struct MimeIntake {
    Place place;
    guint64 line;                   /* the one at hand, from 1 */
    guint64 n_header;               /* octets of the header as they were appended */
    guint8 last;                    /* the octet before */
    char begin[sizeof(MBOX_BEGIN)]; /* the first octets of all */
};

MimeIntake *mime_intake_new(void)
{
    MimeIntake *intake = g_new0(MimeIntake, 1);

    intake->line = 1;
    return intake;
}

void mime_intake_free(MimeIntake *intake)
{
    g_free(intake);
}

static gboolean refuse(const MimeIntake *intake, const char *what, GError **error)
{
    g_set_error(error, MAIL_ERROR, MAIL_ERROR_INVALID, "line %" G_GUINT64_FORMAT " %s",
                intake->line, what);
    return FALSE;
}

static void append(MimeIntake *intake, const guint8 *bytes, gsize len, GByteArray *out)
{
    g_byte_array_append(out, bytes, (guint)len);
    if (len > 0)
        intake->last = bytes[len - 1];
}

/* Appends the octets with a CR before each LF. */
static void put(MimeIntake *intake, const guint8 *bytes, gsize len, GByteArray *out)
{
    const guint8 *end = bytes + len, *feed;

    for (; (feed = memchr(bytes, '\n', (gsize)(end - bytes))); bytes = feed + 1) {
        append(intake, bytes, (gsize)(feed - bytes), out);
        if (intake->last != '\r')
            append(intake, (const guint8 *)"\r", 1, out);
        append(intake, feed, 1, out);
        intake->line++;
    }
    append(intake, bytes, (gsize)(end - bytes), out);
}

/* Where an octet of the header leads (RFC 5322 2.2). */
static Place next_place(Place place, guint8 c)
{
    gboolean is_blank = c == ' ' || c == '\t', is_name = c > ' ' && c < 0x7f && c != ':';

    switch (place) {
    case AT_LINE:
        if (c == '\n' || c == '\r')
            return c == '\n' ? IN_BODY : AT_FEED;
        return is_name ? IN_NAME : is_blank ? IN_VALUE : NOWHERE;
    case AT_FEED: return c == '\n' ? IN_BODY : NOWHERE;
    case IN_NAME:
        if (is_name)
            return IN_NAME;
        G_GNUC_FALLTHROUGH;
    case BEHIND_NAME: return c == ':' ? IN_VALUE : is_blank ? BEHIND_NAME : NOWHERE;
    case IN_VALUE: return c == '\n' ? AT_LINE : IN_VALUE;
    default: return NOWHERE;
    }
}

/* What is wrong with an octet of the header that leads to @next and becomes @width ones; NULL when
 * nothing is. */
static const char *find_fault(const MimeIntake *intake, guint8 c, gsize width, Place next)
{
    if (c == '\0')
        return "holds a NUL";
    if (intake->n_header + width > MIME_HEADER_MAX)
        return "is beyond the 1 MiB that a header may have";
    if (intake->line == 1) {
        if (next == IN_BODY)
            return "is empty: there is no header";
        if (intake->place == AT_LINE && next == IN_VALUE)
            return "begins with a blank, and there is no header field before it";
        if (next == NOWHERE && g_str_equal(intake->begin, MBOX_BEGIN))
            return "begins with \"From \": this is an mbox, not one message";
    }
    return next == NOWHERE ? "is neither a header field nor a continuation of one nor empty" : NULL;
}

static gboolean take_header(MimeIntake *intake, guint8 c, GByteArray *out, GError **error)
{
    Place next = next_place(intake->place, c);
    gsize width = c == '\n' && intake->last != '\r' ? 2 : 1;
    const char *fault = find_fault(intake, c, width, next);

    if (fault)
        return refuse(intake, fault, error);
    if (intake->n_header < strlen(MBOX_BEGIN))
        intake->begin[intake->n_header] = (char)c;
    put(intake, &c, 1, out);
    intake->n_header += width;
    intake->place = next;
    return TRUE;
}

static gboolean take_body(MimeIntake *intake, const guint8 *bytes, gsize len, GByteArray *out,
                          GError **error)
{
    const guint8 *nul = memchr(bytes, '\0', len);

    put(intake, bytes, nul ? (gsize)(nul - bytes) : len, out);
    return !nul || refuse(intake, "holds a NUL", error);
}

gboolean mime_intake_feed(MimeIntake *intake, const guint8 *bytes, gsize len, GByteArray *out,
                          GError **error)
{
    guint before = out->len;
    gboolean is_fine = TRUE;
    gsize i = 0;

    while (is_fine && i < len && intake->place != IN_BODY)
        is_fine = take_header(intake, bytes[i++], out, error);
    if (is_fine && i < len)
        is_fine = take_body(intake, bytes + i, len - i, out, error);
    if (!is_fine)
        g_byte_array_set_size(out, before);
    return is_fine;
}

gboolean mime_intake_end(MimeIntake *intake, GByteArray *out, GError **error)
{
    guint before = out->len;

    if (intake->n_header == 0) {
        g_set_error_literal(error, MAIL_ERROR, MAIL_ERROR_INVALID, "the file is empty");
        return FALSE;
    }
    while (intake->place != IN_BODY)
        if (!mime_intake_feed(intake, (const guint8 *)"\n", 1, out, error)) {
            g_byte_array_set_size(out, before);
            return FALSE;
        }
    return TRUE;
}

/* SPDX-License-Identifier: MIT */
/* pop/header.c - where a header ends, and the date in it. */
#include "pop/header.h"

#include <stdio.h>
#include <string.h>

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

/* --- dates --- */

/* "+0130" in seconds; names of zones are all but unknown (RFC 5322 4.3). */
static int zone_of(const char *text)
{
    int hours, minutes, used = 0;
    char sign;

    if (sscanf(text, " %c%2d%2d%n", &sign, &hours, &minutes, &used) < 3 || !used)
        return 0;
    if ((sign != '+' && sign != '-') || hours < 0 || minutes < 0 || minutes > 59)
        return 0;
    return (hours * 60 + minutes) * (sign == '+' ? 60 : -60);
}

/* Of two or three digits (RFC 5322 4.3). */
static int whole_year(int year)
{
    return year < 50 ? year + 2000 : year < 1000 ? year + 1900 : year;
}

static int month_of(const char *name)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";
    g_autofree char *lower = g_ascii_strdown(name, -1);
    const char *at = strlen(lower) == 3 ? strstr(names, lower) : NULL;

    return at && (at - names) % 3 == 0 ? (int)(at - names) / 3 + 1 : 0;
}

gboolean pop_date_parse(const char *text, gint64 *ret_date)
{
    const char *digit = strpbrk(text, "0123456789");
    int day, year, hour, minute, second = 0, used = 0;
    char month[4];
    g_autoptr(GDateTime) date = NULL;

    if (!digit || sscanf(digit, "%2d%*[ \t\r\n-]%3[A-Za-z]%*[ \t\r\n-]%4d %2d:%2d%n", &day, month,
                         &year, &hour, &minute, &used) < 5)
        return FALSE;
    digit += used;
    if (sscanf(digit, ":%2d%n", &second, &used) == 1)
        digit += used;
    date = g_date_time_new_utc(whole_year(year), month_of(month), day, hour, minute,
                               CLAMP(second, 0, 59));
    if (!date)
        return FALSE;
    *ret_date = g_date_time_to_unix(date) - zone_of(digit);
    return *ret_date >= 0;
}

gint64 pop_header_date(const char *header, gsize len, gint64 otherwise)
{
    g_autofree char *received = dup_value(header, len, "Received");
    g_autofree char *written = dup_value(header, len, "Date");
    const char *semicolon = received ? strrchr(received, ';') : NULL;
    gint64 date;

    if (semicolon && pop_date_parse(semicolon + 1, &date))
        return date;
    return written && pop_date_parse(written, &date) ? date : otherwise;
}

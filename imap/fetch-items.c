/* SPDX-License-Identifier: MIT */
/* imap/fetch-items.c - the pairs of a FETCH response, its section names and dates. */
#include "imap/fetch-items.h"

#include <string.h>

#include "cache/cache.h"

/* Blocks have numbers of 32 bits. */
#define SIZE_LIMIT ((guint64)G_MAXUINT32 * CACHE_BLOCK_SIZE)
#define ANY_BODY   (IMAP_ITEM_BODY | IMAP_ITEM_BODY_NIL)

/* An output of limited size that remembers whether all went in. */
typedef struct {
    char *text;
    gsize len, size;
    gboolean is_wrong;
} Canon;

static void put(Canon *canon, char c)
{
    if (canon->len + 1 < canon->size)
        canon->text[canon->len++] = g_ascii_toupper(c);
    else
        canon->is_wrong = TRUE;
}

/* A blank between words, and before '(' but not after it. */
static void put_blank(Canon *canon, char next)
{
    if (canon->len > 0 && canon->text[canon->len - 1] != '(' && next != ')')
        put(canon, ' ');
}

/* "SUBJECT" in quotes, which must be what could stand without them. */
static const char *put_quoted(Canon *canon, const char *at, const char *end)
{
    const char *quote = memchr(at, '"', (gsize)(end - at));

    if (!quote || quote == at) {
        canon->is_wrong = TRUE;
        return end;
    }
    for (; at < quote; at++) {
        if (strchr(" \t\r()\\", *at))
            canon->is_wrong = TRUE;
        put(canon, *at);
    }
    return quote + 1;
}

static const char *put_word(Canon *canon, const char *at, const char *end)
{
    while (at < end && !strchr(" \t\r()\"", *at))
        put(canon, *at++);
    return at;
}

/* The same section is always the same text, however a server spells it. */
static gboolean read_section(const char *at, const char *end, char section[IMAP_SECTION_SIZE])
{
    Canon canon = {.text = section, .size = IMAP_SECTION_SIZE};

    while (at < end && !canon.is_wrong) {
        if (strchr(" \t\r", *at)) {
            at++;
            continue;
        }
        put_blank(&canon, *at);
        if (*at == '(' || *at == ')')
            put(&canon, *at++);
        else if (*at == '"')
            at = put_quoted(&canon, at + 1, end);
        else
            at = put_word(&canon, at, end);
    }
    section[canon.len] = '\0';
    return !canon.is_wrong;
}

/* "<4096>", or nothing, after the section. */
static gboolean read_origin(const char *at, ImapItems *items)
{
    gsize len = strlen(at);

    items->has_origin = len > 0;
    items->origin = 0;
    if (len == 0)
        return TRUE;
    return len > 2 && at[0] == '<' && at[len - 1] == '>' &&
           imap_number_parse(at + 1, len - 2, G_MAXINT64, &items->origin);
}

/* "BODY[section]<origin>"; the first of those that are left counts. */
static void take_body(const char *name, const ImapValue *value, ImapItems *items)
{
    ImapItems found = *items;
    const char *close = strrchr(name, ']');

    if (items->present & ANY_BODY || g_ascii_strncasecmp(name, "BODY[", strlen("BODY[")) != 0)
        return;
    if (!close || !read_section(name + strlen("BODY["), close, found.section) ||
        !read_origin(close + 1, &found))
        return;
    if (value->type == IMAP_VALUE_STRING) {
        found.body = value;
        found.present |= IMAP_ITEM_BODY;
    } else if (value->type == IMAP_VALUE_NIL) {
        found.present |= IMAP_ITEM_BODY_NIL;
    } else {
        return;
    }
    found.rest = value->next;
    *items = found;
}

static gboolean take_list(const ImapValue *value, const ImapValue **ret_list)
{
    if (value->type != IMAP_VALUE_LIST)
        return FALSE;
    *ret_list = value;
    return TRUE;
}

static gboolean take_uid(const ImapValue *value, ImapItems *items)
{
    guint64 uid;

    if (!imap_value_number(value, &uid) || uid == 0 || uid > G_MAXUINT32)
        return FALSE;
    items->uid = (guint32)uid;
    return TRUE;
}

static gboolean take_flags(const ImapValue *value, ImapItems *items)
{
    return take_list(value, &items->flags);
}

static gboolean take_size(const ImapValue *value, ImapItems *items)
{
    guint64 size;

    if (!imap_value_number(value, &size) || size > SIZE_LIMIT)
        return FALSE;
    items->size = size;
    return TRUE;
}

static gboolean take_date(const ImapValue *value, ImapItems *items)
{
    const char *text = imap_value_text(value);

    return text && imap_date_parse(text, &items->date);
}

static gboolean take_envelope(const ImapValue *value, ImapItems *items)
{
    return take_list(value, &items->envelope);
}

static gboolean take_bodystructure(const ImapValue *value, ImapItems *items)
{
    return take_list(value, &items->bodystructure);
}

static const struct {
    const char *name;
    ImapItem item;
    gboolean (*take)(const ImapValue *value, ImapItems *items);
} takers[] = {
    {"UID", IMAP_ITEM_UID, take_uid},
    {"FLAGS", IMAP_ITEM_FLAGS, take_flags},
    {"RFC822.SIZE", IMAP_ITEM_SIZE, take_size},
    {"INTERNALDATE", IMAP_ITEM_DATE, take_date},
    {"ENVELOPE", IMAP_ITEM_ENVELOPE, take_envelope},
    {"BODYSTRUCTURE", IMAP_ITEM_BODYSTRUCTURE, take_bodystructure},
    {"BODY", IMAP_ITEM_BODYSTRUCTURE, take_bodystructure},
};

static void take_pair(const ImapValue *name, const ImapValue *value, ImapItems *items)
{
    for (gsize i = 0; i < G_N_ELEMENTS(takers); i++) {
        if (!imap_value_is(name, takers[i].name))
            continue;
        if (!(items->present & takers[i].item) && takers[i].take(value, items))
            items->present |= takers[i].item;
        return;
    }
    take_body(name->bytes, value, items);
}

gboolean imap_items_parse(const ImapValue *list, ImapItems *ret_items)
{
    ImapItems items = {0};
    const ImapValue *name, *value;

    if (!list || list->type != IMAP_VALUE_LIST)
        return FALSE;
    for (name = list->first; name; name = value->next) {
        value = name->next;
        if (name->type != IMAP_VALUE_ATOM || !value)
            return FALSE;
        take_pair(name, value, &items);
    }
    *ret_items = items;
    return TRUE;
}

gboolean imap_items_next_body(ImapItems *items)
{
    const ImapValue *name = items->rest;

    items->present &= ~(guint)ANY_BODY;
    items->rest = NULL;
    items->body = NULL;
    for (; name && !(items->present & ANY_BODY); name = name->next->next)
        take_body(name->bytes, name->next, items);
    return (items->present & ANY_BODY) != 0;
}

typedef struct {
    int year, month, day, hour, minute, second, zone; /* zone in minutes east */
} Date;

static gboolean skip(const char **text, char c)
{
    if (**text != c)
        return FALSE;
    (*text)++;
    return TRUE;
}

/* @n_digits digits that make at most @max. */
static gboolean take_number(const char **text, int n_digits, int max, int *ret_number)
{
    int number = 0;

    for (int i = 0; i < n_digits; i++) {
        if (!g_ascii_isdigit((*text)[i]))
            return FALSE;
        number = number * 10 + (*text)[i] - '0';
    }
    *text += n_digits;
    *ret_number = number;
    return number <= max;
}

static gboolean take_day(const char **text, int *ret_day)
{
    *text += strspn(*text, " ");
    return take_number(text, g_ascii_isdigit(**text) && g_ascii_isdigit((*text)[1]) ? 2 : 1, 31,
                       ret_day) &&
           *ret_day > 0;
}

static gboolean take_month(const char **text, int *ret_month)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    for (int i = 0; i < 12; i++) {
        if (g_ascii_strncasecmp(*text, months + 3 * i, 3) == 0) {
            *text += 3;
            *ret_month = i + 1;
            return TRUE;
        }
    }
    return FALSE;
}

static gboolean take_zone(const char **text, int *ret_zone)
{
    char sign = **text;
    int hours, minutes;

    if (sign != '+' && sign != '-')
        return FALSE;
    (*text)++;
    if (!take_number(text, 2, 23, &hours) || !take_number(text, 2, 59, &minutes))
        return FALSE;
    *ret_zone = (sign == '-' ? -1 : 1) * (hours * 60 + minutes);
    return TRUE;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    gboolean is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return month == 2 && is_leap ? 29 : days[month - 1];
}

/* Days since 1970 began.  Years begin in March here, so that the leap day is a year's last. */
static gint64 count_days(int year, int month, int day)
{
    int y = year + 400 - (month <= 2 ? 1 : 0), m = (month + 9) % 12;

    return 365 * (gint64)y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468 -
           146097;
}

gboolean imap_date_parse(const char *text, gint64 *ret_date)
{
    Date date;

    if (!take_day(&text, &date.day) || !skip(&text, '-') || !take_month(&text, &date.month) ||
        !skip(&text, '-') || !take_number(&text, 4, 9999, &date.year) || !skip(&text, ' ') ||
        !take_number(&text, 2, 23, &date.hour) || !skip(&text, ':') ||
        !take_number(&text, 2, 59, &date.minute) || !skip(&text, ':') ||
        !take_number(&text, 2, 60, &date.second) || !skip(&text, ' ') ||
        !take_zone(&text, &date.zone) || *text != '\0')
        return FALSE;
    if (date.day > days_in_month(date.year, date.month))
        return FALSE;
    *ret_date = count_days(date.year, date.month, date.day) * 86400 + date.hour * 3600 +
                (date.minute - date.zone) * 60 + date.second;
    return TRUE;
}

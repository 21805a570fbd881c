/* SPDX-License-Identifier: MIT */
/* mail/set.c - sets of UIDs: sorted ranges, found by halving. */
#include "mail/set.h"

#include <string.h>

static MailRange *range_at(MailSet *set, guint nth)
{
    return &g_array_index(set, MailRange, nth);
}

MailSet *mail_set_new(void)
{
    return g_array_new(FALSE, FALSE, sizeof(MailRange));
}

/* The first range that ends at or after @uid, or set->len. */
static guint find(const MailSet *set, guint32 uid)
{
    guint low = 0, high = set->len;

    if (high > 0 && mail_set_range(set, high - 1)->last < uid)
        return high;
    while (low < high) {
        guint middle = low + (high - low) / 2;

        if (mail_set_range(set, middle)->last < uid)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void mail_set_add(MailSet *set, guint32 first, guint32 last)
{
    guint from, to;
    MailRange range = {first, last};

    g_return_if_fail(first <= last);
    from = to = find(set, first > 0 ? first - 1 : 0);
    while (to < set->len && (last == G_MAXUINT32 || range_at(set, to)->first <= last + 1)) {
        range.first = MIN(range.first, range_at(set, to)->first);
        range.last = MAX(range.last, range_at(set, to)->last);
        to++;
    }
    if (from == to) {
        g_array_insert_val(set, from, range);
        return;
    }
    *range_at(set, from) = range;
    if (to - from > 1)
        g_array_remove_range(set, from + 1, to - from - 1);
}

void mail_set_remove(MailSet *set, guint32 first, guint32 last)
{
    guint from, to;
    MailRange left, right;

    g_return_if_fail(first <= last);
    from = to = find(set, first);
    while (to < set->len && range_at(set, to)->first <= last)
        to++;
    if (from == to)
        return;
    left = *range_at(set, from);
    right = *range_at(set, to - 1);
    g_array_remove_range(set, from, to - from);
    if (right.last > last) {
        right.first = last + 1;
        g_array_insert_val(set, from, right);
    }
    if (left.first < first) {
        left.last = first - 1;
        g_array_insert_val(set, from, left);
    }
}

gboolean mail_set_contains(const MailSet *set, guint32 uid)
{
    guint nth = find(set, uid);

    return nth < set->len && mail_set_range(set, nth)->first <= uid;
}

guint64 mail_set_count(const MailSet *set)
{
    guint64 count = 0;

    for (guint i = 0; i < set->len; i++)
        count += (guint64)mail_set_range(set, i)->last - mail_set_range(set, i)->first + 1;
    return count;
}

static gboolean parse_uid(const char *digits, gsize len, guint32 *ret_uid)
{
    guint64 uid = 0;

    if (len == 0 || len > strlen("4294967295") || digits[0] == '0')
        return FALSE;
    for (gsize i = 0; i < len; i++) {
        if (!g_ascii_isdigit(digits[i]))
            return FALSE;
        uid = uid * 10 + (guint64)(digits[i] - '0');
    }
    if (uid > G_MAXUINT32)
        return FALSE;
    *ret_uid = (guint32)uid;
    return TRUE;
}

/* "7" or "7:9" or "9:7" at the front of *text, which goes on to what follows. */
static gboolean parse_range(const char **text, MailRange *ret_range)
{
    gsize len = strcspn(*text, ":,");
    guint32 a, b;

    if (!parse_uid(*text, len, &a))
        return FALSE;
    b = a;
    *text += len;
    if (**text == ':') {
        (*text)++;
        len = strcspn(*text, ",");
        if (!parse_uid(*text, len, &b))
            return FALSE;
        *text += len;
    }
    *ret_range = (MailRange){MIN(a, b), MAX(a, b)};
    return TRUE;
}

static int compare_ranges(gconstpointer a, gconstpointer b)
{
    const MailRange *left = a, *right = b;

    return (left->first > right->first) - (left->first < right->first);
}

/* Sorted first, so that no order is slow. */
MailSet *mail_set_join(GArray *ranges)
{
    MailSet *set = mail_set_new();

    g_array_sort(ranges, compare_ranges);
    for (guint i = 0; i < ranges->len; i++)
        mail_set_add(set, range_at(ranges, i)->first, range_at(ranges, i)->last);
    return set;
}

/* Goes on from the *nth range of @other, which it leaves at the first that may matter later. */
static void add_without(MailSet *rest, MailRange range, const MailSet *other, guint *nth)
{
    for (; *nth < other->len; (*nth)++) {
        const MailRange *hole = mail_set_range(other, *nth);

        if (hole->last < range.first)
            continue;
        if (hole->first > range.last)
            break;
        if (hole->first > range.first)
            mail_set_add(rest, range.first, hole->first - 1);
        if (hole->last >= range.last)
            return;
        range.first = hole->last + 1;
    }
    mail_set_add(rest, range.first, range.last);
}

MailSet *mail_set_minus(const MailSet *set, const MailSet *other)
{
    MailSet *rest = mail_set_new();
    guint nth = 0;

    for (guint i = 0; i < set->len; i++)
        add_without(rest, *mail_set_range(set, i), other, &nth);
    return rest;
}

MailSet *mail_set_parse(const char *text, gsize ranges_max)
{
    g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(MailRange));
    MailRange range;

    for (;;) {
        if (ranges->len >= ranges_max || !parse_range(&text, &range))
            return NULL;
        g_array_append_val(ranges, range);
        if (*text == '\0')
            return mail_set_join(ranges);
        text++; /* the comma */
    }
}

static void append_number(GString *text, guint32 number)
{
    char digits[10], *at = digits + sizeof digits;

    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    g_string_append_len(text, at, digits + sizeof digits - at);
}

char *mail_set_format(const MailSet *set)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < set->len; i++) {
        const MailRange *range = mail_set_range(set, i);

        if (i > 0)
            g_string_append_c(text, ',');
        append_number(text, range->first);
        if (range->last > range->first) {
            g_string_append_c(text, ':');
            append_number(text, range->last);
        }
    }
    return g_string_free(text, FALSE);
}

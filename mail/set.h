/* SPDX-License-Identifier: MIT */
/* mail/set.h - sets of UIDs as ranges ("1:5,9", RFC 9051 sequence-set).  Ranges stay ranges. */
#pragma once

#include <glib.h>

typedef struct {
    guint32 first, last; /* first <= last */
} MailRange;

/* A GArray of MailRange, ascending, not touching each other. */
typedef GArray MailSet;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MailSet, g_array_unref)

MailSet *mail_set_new(void);
/* NULL when @text is no set: "", "0", "1,", "1:4294967296", "*", or more than @ranges_max ranges.
 * Order does not matter, overlaps merge. */
MailSet *mail_set_parse(const char *text, gsize ranges_max);
/* @ranges, MailRange in any order, which may overlap, as a set; sorts them. */
MailSet *mail_set_join(GArray *ranges);
/* What is in @set and not in @other; new. */
MailSet *mail_set_minus(const MailSet *set, const MailSet *other);
/* Joins neighbours; cheapest when @first is at or beyond the end. */
void mail_set_add(MailSet *set, guint32 first, guint32 last);
void mail_set_remove(MailSet *set, guint32 first, guint32 last);
gboolean mail_set_contains(const MailSet *set, guint32 uid);
guint64 mail_set_count(const MailSet *set);
/* The text form; newly allocated; "" for the empty set. */
char *mail_set_format(const MailSet *set);
static inline const MailRange *mail_set_range(const MailSet *set, guint nth)
{
    return &g_array_index(set, MailRange, nth);
}

/* SPDX-License-Identifier: MIT */
/* imap/groups.c - changes of messages by what is done, and sets of UIDs that fit in a line. */
#include "imap/groups.h"

/* --- groups --- */

static const ImapMessageChange *change_at(const GArray *group, guint nth)
{
    return &g_array_index(group, ImapMessageChange, nth);
}

static int compare_numbers(guint64 a, guint64 b)
{
    return a < b ? -1 : a > b;
}

/* 0 for those that make one command. */
static int compare_deeds(const ImapMessageChange *a, const ImapMessageChange *b)
{
    int result = compare_numbers(a->kind, b->kind);

    if (!result)
        result = compare_numbers(a->target, b->target);
    if (!result)
        result = compare_numbers(a->add, b->add);
    return result ? result : compare_numbers(a->remove, b->remove);
}

static int compare_changes(gconstpointer a, gconstpointer b)
{
    const ImapMessageChange *left = a, *right = b;
    int result = compare_deeds(left, right);

    return result ? result : compare_numbers(left->uid, right->uid);
}

static GPtrArray *groups_new(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)g_array_unref);
}

static GArray *add_group(GPtrArray *groups)
{
    GArray *group = g_array_new(FALSE, FALSE, sizeof(ImapMessageChange));

    g_ptr_array_add(groups, group);
    return group;
}

GPtrArray *imap_groups_new(const GArray *changes)
{
    GPtrArray *groups = groups_new();
    g_autoptr(GArray) sorted = g_array_copy((GArray *)changes);
    GArray *group = NULL;

    g_array_sort(sorted, compare_changes);
    for (guint i = 0; i < sorted->len; i++) {
        if (!group || compare_deeds(change_at(group, 0), change_at(sorted, i)) != 0)
            group = add_group(groups);
        g_array_append_val(group, *change_at(sorted, i));
    }
    return groups;
}

static gsize n_digits(guint32 number)
{
    gsize n = 1;

    while (number /= 10)
        n++;
    return n;
}

/* What a set has grown to: ranges that are complete, with their commas, and the last. */
typedef struct {
    gsize len;
    guint32 first, last;
} SetText;

static gsize text_len(const SetText *text)
{
    gsize len = text->len + n_digits(text->first);

    return text->first == text->last ? len : len + 1 + n_digits(text->last);
}

static SetText text_with(const SetText *text, guint32 uid)
{
    if (text->last == uid - 1)
        return (SetText){text->len, text->first, uid};
    return (SetText){text_len(text) + 1, uid, uid};
}

GPtrArray *imap_group_cut(const GArray *group, guint max, gsize len_max)
{
    GPtrArray *pieces = groups_new();
    GArray *piece = NULL;
    SetText text;

    for (guint i = 0; i < group->len; i++) {
        guint32 uid = change_at(group, i)->uid;
        SetText more;

        if (piece)
            more = text_with(&text, uid);
        if (!piece || piece->len >= max || text_len(&more) > len_max) {
            piece = add_group(pieces);
            more = (SetText){0, uid, uid};
        }
        text = more;
        g_array_append_val(piece, *change_at(group, i));
    }
    return pieces;
}

char **imap_set_cut(const MailSet *set, gsize len_max)
{
    g_autoptr(GPtrArray) texts = g_ptr_array_new();
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < set->len; i++) {
        const MailRange *range = mail_set_range(set, i);
        SetText one = {0, range->first, range->last};

        if (text->len && text->len + 1 + text_len(&one) > len_max) {
            g_ptr_array_add(texts, g_strdup(text->str));
            g_string_truncate(text, 0);
        }
        g_string_append_printf(text, text->len ? ",%u" : "%u", range->first);
        if (range->first != range->last)
            g_string_append_printf(text, ":%u", range->last);
    }
    if (text->len)
        g_ptr_array_add(texts, g_strdup(text->str));
    g_ptr_array_add(texts, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&texts), FALSE);
}

GPtrArray *imap_group_halve(const GArray *group)
{
    GPtrArray *halves = groups_new();
    guint middle = group->len / 2;

    g_array_append_vals(add_group(halves), change_at(group, 0), middle);
    g_array_append_vals(add_group(halves), change_at(group, middle), group->len - middle);
    return halves;
}

MailSet *imap_group_dup_uids(const GArray *group)
{
    MailSet *uids = mail_set_new();

    for (guint i = 0; i < group->len; i++)
        mail_set_add(uids, change_at(group, i)->uid, change_at(group, i)->uid);
    return uids;
}

GArray *imap_group_dup_ids(const GArray *group)
{
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(guint32));

    for (guint i = 0; i < group->len; i++)
        g_array_append_val(ids, change_at(group, i)->id);
    return ids;
}

/* --- COPYUID --- */

static gboolean take_uid(const char **text, guint32 *ret_uid)
{
    char *end;
    guint64 number;

    if (!g_ascii_isdigit(**text))
        return FALSE;
    number = g_ascii_strtoull(*text, &end, 10);
    if (!number || number > G_MAXUINT32)
        return FALSE;
    *text = end;
    *ret_uid = (guint32)number;
    return TRUE;
}

/* "5:7" and "7:5" are the same (RFC 9051 9). */
static gboolean take_range(const char **text, MailRange *ret_range)
{
    guint32 first, last;

    if (!take_uid(text, &first))
        return FALSE;
    last = first;
    if (**text == ':' && (++*text, !take_uid(text, &last)))
        return FALSE;
    *ret_range = (MailRange){MIN(first, last), MAX(first, last)};
    return TRUE;
}

/* guint32, in the order of @text. */
static GArray *parse_uids(const char *text, gsize max)
{
    g_autoptr(GArray) uids = g_array_new(FALSE, FALSE, sizeof(guint32));
    MailRange range;

    do {
        if (!take_range(&text, &range) || range.last - range.first >= max - uids->len)
            return NULL;
        for (guint64 uid = range.first; uid <= range.last; uid++) {
            guint32 next = (guint32)uid;

            g_array_append_val(uids, next);
        }
    } while (*text == ',' && text++);
    return *text ? NULL : g_steal_pointer(&uids);
}

GArray *imap_copyuid_parse(const char *from, const char *to, gsize max)
{
    g_autoptr(GArray) left = parse_uids(from, max), right = parse_uids(to, max);
    GArray *pairs;

    if (!left || !right || left->len != right->len)
        return NULL;
    pairs = g_array_new(FALSE, FALSE, sizeof(ImapUidPair));
    for (guint i = 0; i < left->len; i++) {
        ImapUidPair pair = {g_array_index(left, guint32, i), g_array_index(right, guint32, i)};

        g_array_append_val(pairs, pair);
    }
    return pairs;
}

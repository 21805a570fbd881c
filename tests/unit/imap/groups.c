/* SPDX-License-Identifier: MIT */
/* tests/unit/imap/groups.c - what makes one command, and the pairs of a COPYUID. */
#include "imap/groups.h"

#include <string.h>

static void add(GArray *changes, guint32 uid, CacheChangeKind kind, guint32 target, MailFlags flags,
                MailFlags removed)
{
    ImapMessageChange change = {changes->len + 1, uid, kind, target, flags, removed};

    g_array_append_val(changes, change);
}

static GArray *changes_new(void)
{
    return g_array_new(FALSE, FALSE, sizeof(ImapMessageChange));
}

static char *describe(const GPtrArray *groups)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < groups->len; i++) {
        g_autoptr(MailSet) uids = imap_group_dup_uids(groups->pdata[i]);
        g_autofree char *set = mail_set_format(uids);

        g_string_append_printf(text, "%s%s", i ? " " : "", set);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static void test_groups(void)
{
    g_autoptr(GArray) changes = changes_new(), ids = NULL;
    g_autoptr(GPtrArray) groups = NULL;
    g_autofree char *text = NULL;

    add(changes, 9, CACHE_CHANGE_MOVE, 2, 0, 0);
    add(changes, 1, CACHE_CHANGE_FLAGS, 0, MAIL_FLAG_SEEN, 0);
    add(changes, 2, CACHE_CHANGE_FLAGS, 0, 0, MAIL_FLAG_SEEN);
    add(changes, 3, CACHE_CHANGE_FLAGS, 0, MAIL_FLAG_SEEN, 0);
    add(changes, 4, CACHE_CHANGE_FLAGS, 0, MAIL_FLAG_SEEN, MAIL_FLAG_DRAFT);
    add(changes, 8, CACHE_CHANGE_MOVE, 2, 0, 0);
    add(changes, 7, CACHE_CHANGE_MOVE, 3, 0, 0);
    add(changes, 6, CACHE_CHANGE_COPY, 2, 0, 0);
    add(changes, 5, CACHE_CHANGE_EXPUNGE, 0, 0, 0);
    groups = imap_groups_new(changes);
    text = describe(groups);
    g_assert_cmpstr(text, ==, "2 1,3 4 8:9 7 6 5");
    ids = imap_group_dup_ids(groups->pdata[3]);
    g_assert_cmpuint(ids->len, ==, 2);
    g_assert_cmpuint(g_array_index(ids, guint32, 0), ==, 6);
    g_assert_cmpuint(g_array_index(ids, guint32, 1), ==, 1);
}

static void test_no_groups(void)
{
    g_autoptr(GArray) changes = changes_new();
    g_autoptr(GPtrArray) groups = imap_groups_new(changes), pieces = imap_group_cut(changes, 9, 10);

    g_assert_cmpuint(groups->len, ==, 0);
    g_assert_cmpuint(pieces->len, ==, 0);
}

static const struct {
    const char *uids;
    guint max;
    gsize len_max;
    const char *pieces;
} cuts[] = {
    {"1,3,5", 9, 5, "1,3,5"},
    {"1,3,5", 9, 4, "1,3 5"},
    {"1,3,5", 9, 1, "1 3 5"},
    {"1,3,5", 9, 0, "1 3 5"},
    {"1:3", 9, 3, "1:3"},
    {"1:2", 9, 2, "1 2"},
    {"8:12", 9, 4, "8:12"},
    {"8:12", 9, 3, "8:9 10 11 12"},
    {"9,99,999", 9, 8, "9,99,999"},
    {"9,99,999", 9, 7, "9,99 999"},
    {"1:5,7:9,11", 9, 10, "1:5,7:9,11"},
    {"1:5,7:9,11", 9, 9, "1:5,7:9 11"},
    {"1:5,7:9,11", 9, 6, "1:5,7 8:9,11"},
    {"4294967290:4294967295", 9, 21, "4294967290:4294967295"},
    {"4294967290,4294967295", 9, 20, "4294967290 4294967295"},
    {"1:5", 5, 9, "1:5"},
    {"1:5", 2, 9, "1:2 3:4 5"},
    {"1,3,5", 2, 9, "1,3 5"},
};

static void test_cut(gconstpointer data)
{
    const guint nth = GPOINTER_TO_UINT(data);
    g_autoptr(MailSet) uids = mail_set_parse(cuts[nth].uids, 100);
    g_autoptr(GArray) group = changes_new();
    g_autoptr(GPtrArray) pieces = NULL;
    g_autofree char *text = NULL;

    for (guint i = 0; i < uids->len; i++)
        for (guint64 uid = mail_set_range(uids, i)->first; uid <= mail_set_range(uids, i)->last;
             uid++)
            add(group, (guint32)uid, CACHE_CHANGE_EXPUNGE, 0, 0, 0);
    pieces = imap_group_cut(group, cuts[nth].max, cuts[nth].len_max);
    text = describe(pieces);
    g_assert_cmpstr(text, ==, cuts[nth].pieces);
}

static void test_cut_set(void)
{
    g_autoptr(MailSet) set = mail_set_parse("1:5,7:9,11,4294967295", 10), none = mail_set_new();
    g_auto(GStrv) whole = imap_set_cut(set, 21), parts = imap_set_cut(set, 10);
    g_auto(GStrv) nothing = imap_set_cut(none, 10), tight = imap_set_cut(set, 0);

    g_assert_cmpstrv(whole, ((const char *const[]){"1:5,7:9,11,4294967295", NULL}));
    g_assert_cmpstrv(parts, ((const char *const[]){"1:5,7:9,11", "4294967295", NULL}));
    g_assert_cmpstrv(tight, ((const char *const[]){"1:5", "7:9", "11", "4294967295", NULL}));
    g_assert_null(nothing[0]);
}

static void test_halves(void)
{
    g_autoptr(GArray) group = changes_new();
    g_autoptr(GPtrArray) halves = NULL;
    g_autofree char *text = NULL;

    for (guint32 uid = 1; uid <= 5; uid++)
        add(group, uid, CACHE_CHANGE_EXPUNGE, 0, 0, 0);
    halves = imap_group_halve(group);
    text = describe(halves);
    g_assert_cmpstr(text, ==, "1:2 3:5");
}

/* The pairs as "1>5 2>6"; NULL for nonsense. */
static const struct {
    const char *name, *from, *to, *pairs;
} copyuids[] = {
    {"single", "7", "1", "7>1"},
    {"rfc4315", "304,319:320", "3956:3958", "304>3956 319>3957 320>3958"},
    {"unordered", "9,1:2", "5:6,4", "9>5 1>6 2>4"},
    {"backwards", "3:1", "7:9", "1>7 2>8 3>9"},
    {"greatest", "4294967295", "4294967294:4294967294", "4294967295>4294967294"},
    {"at-max", "1:8", "11:18", "1>11 2>12 3>13 4>14 5>15 6>16 7>17 8>18"},
    {"over-max", "1:9", "11:19", NULL},
    {"over-max-in-parts", "1:8,9", "11:19", NULL},
    {"endless", "1:4294967295", "1:4294967295", NULL},
    {"fewer", "1:3", "5:6", NULL},
    {"more", "1", "5:6", NULL},
    {"empty", "", "", NULL},
    {"zero", "0", "5", NULL},
    {"too-great", "4294967296", "5", NULL},
    {"star", "1:*", "5", NULL},
    {"comma", "1,", "5", NULL},
    {"colon", "1:", "5", NULL},
    {"blank", " 1", "5", NULL},
    {"sign", "+1", "5", NULL},
    {"rest", "1x", "5", NULL},
};

static void test_copyuid(gconstpointer data)
{
    const guint nth = GPOINTER_TO_UINT(data);
    g_autoptr(GArray) pairs = imap_copyuid_parse(copyuids[nth].from, copyuids[nth].to, 8);
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; pairs && i < pairs->len; i++) {
        const ImapUidPair *pair = &g_array_index(pairs, ImapUidPair, i);

        g_string_append_printf(text, "%s%u>%u", i ? " " : "", pair->from, pair->to);
    }
    g_assert_cmpstr(pairs ? text->str : NULL, ==, copyuids[nth].pairs);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/imap/groups/kinds", test_groups);
    g_test_add_func("/imap/groups/none", test_no_groups);
    g_test_add_func("/imap/groups/cut-set", test_cut_set);
    g_test_add_func("/imap/groups/halves", test_halves);
    for (guint i = 0; i < G_N_ELEMENTS(cuts); i++) {
        g_autofree char *path = g_strdup_printf("/imap/groups/cut/%u-of-%s-at-%zu", cuts[i].max,
                                                cuts[i].uids, cuts[i].len_max);

        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_cut);
    }
    for (guint i = 0; i < G_N_ELEMENTS(copyuids); i++) {
        g_autofree char *path = g_strconcat("/imap/groups/copyuid/", copyuids[i].name, NULL);

        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_copyuid);
    }
    return g_test_run();
}

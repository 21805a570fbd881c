/* SPDX-License-Identifier: MIT */
/* tests/unit/mail/set.c - sets of UIDs against a plain bitmap, and their text form. */
#include "mail/set.h"

#include <string.h>

typedef struct {
    const char *text;
    const char *expected; /* NULL: refused */
} Row;

static const Row rows[] = {
    {"1", "1"},
    {"4294967295", "4294967295"},
    {"1:5,9", "1:5,9"},
    {"9,1:5", "1:5,9"},
    {"5:1", "1:5"},
    {"3:3", "3"},
    {"1,2,3", "1:3"},
    {"3,1,2", "1:3"},
    {"1:5,3:9", "1:9"},
    {"1:9,3:5", "1:9"},
    {"7:9,1:3,4:6", "1:9"},
    {"1:4294967295", "1:4294967295"},
    {"4294967295,4294967294,1", "1,4294967294:4294967295"},
    {"1:4294967295,4294967295:5", "1:4294967295"},
    {"", NULL},
    {"0", NULL},
    {"0:5", NULL},
    {"1,", NULL},
    {",1", NULL},
    {"1,,2", NULL},
    {"1:", NULL},
    {":1", NULL},
    {"1:2:3", NULL},
    {"*", NULL},
    {"1:*", NULL},
    {"*:1", NULL},
    {"01", NULL},
    {"+1", NULL},
    {"-1", NULL},
    {" 1", NULL},
    {"1 ", NULL},
    {"1:4294967296", NULL},
    {"99999999999999999999", NULL},
    {"18446744073709551617", NULL},
    {"x", NULL},
    {"1;2", NULL},
};

static void test_row(gconstpointer data)
{
    const Row *row = data;
    g_autoptr(MailSet) set = mail_set_parse(row->text, 100);
    g_autofree char *text = set ? mail_set_format(set) : NULL;

    g_assert_cmpstr(text, ==, row->expected);
}

static void test_ranges_max(void)
{
    g_autoptr(MailSet) fits = mail_set_parse("1,3,5", 3);
    g_autoptr(MailSet) over = mail_set_parse("1,3,5,7", 3);

    g_assert_nonnull(fits);
    g_assert_null(over);
    g_assert_null(mail_set_parse("1", 0));
}

static void test_edges(void)
{
    g_autoptr(MailSet) set = mail_set_new();
    g_autofree char *empty = mail_set_format(set), *text = NULL;

    g_assert_cmpstr(empty, ==, "");
    g_assert_cmpuint(mail_set_count(set), ==, 0);
    g_assert_false(mail_set_contains(set, 1));
    mail_set_remove(set, 0, G_MAXUINT32);
    mail_set_add(set, 0, G_MAXUINT32);
    g_assert_cmpuint(mail_set_count(set), ==, (guint64)G_MAXUINT32 + 1);
    mail_set_add(set, G_MAXUINT32, G_MAXUINT32);
    mail_set_remove(set, 0, 0);
    mail_set_remove(set, G_MAXUINT32, G_MAXUINT32);
    mail_set_remove(set, 100, 199);
    mail_set_add(set, G_MAXUINT32, G_MAXUINT32);
    text = mail_set_format(set);
    g_assert_cmpstr(text, ==, "1:99,200:4294967295");
}

/* Millions of ranges in the worst order: sorting, not shifting. */
static void test_descending(void)
{
    enum {
        N = 200000
    };
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(MailSet) set = NULL;

    for (guint i = N; i > 0; i--)
        g_string_append_printf(text, "%s%u", text->len > 0 ? "," : "", 2 * i);
    set = mail_set_parse(text->str, N);
    g_assert_nonnull(set);
    g_assert_cmpuint(set->len, ==, N);
    g_assert_cmpuint(mail_set_count(set), ==, N);
}

enum {
    UIDS = 200
};

/* The set holds what the bitmap holds, in ascending ranges that do not touch. */
static void check_against(const MailSet *set, const gboolean bitmap[UIDS])
{
    g_autofree char *text = mail_set_format(set);
    guint64 count = 0;

    for (guint32 uid = 1; uid < UIDS; uid++) {
        g_assert_cmpint(mail_set_contains(set, uid), ==, bitmap[uid]);
        count += bitmap[uid] ? 1 : 0;
    }
    g_assert_cmpuint(mail_set_count(set), ==, count);
    for (guint i = 0; i < set->len; i++) {
        g_assert_cmpuint(mail_set_range(set, i)->first, <=, mail_set_range(set, i)->last);
        if (i > 0)
            g_assert_cmpuint(mail_set_range(set, i - 1)->last + 1, <,
                             mail_set_range(set, i)->first);
    }
    if (count > 0) {
        g_autoptr(MailSet) parsed = mail_set_parse(text, UIDS);
        g_autofree char *again = mail_set_format(parsed);

        g_assert_cmpstr(again, ==, text);
    }
}

static void test_random(void)
{
    for (int run = 0; run < 50; run++) {
        g_autoptr(MailSet) set = mail_set_new();
        gboolean bitmap[UIDS] = {FALSE};

        for (int step = 0; step < 100; step++) {
            guint32 first = (guint32)g_test_rand_int_range(1, UIDS);
            guint32 last = (guint32)g_test_rand_int_range((gint32)first, MIN(UIDS, first + 20));
            gboolean adds = g_test_rand_bit();

            if (adds)
                mail_set_add(set, first, last);
            else
                mail_set_remove(set, first, last);
            for (guint32 uid = first; uid <= last; uid++)
                bitmap[uid] = adds;
            check_against(set, bitmap);
        }
    }
}

/* Against bitmaps: sets made of ranges in any order, and one without another. */
static void test_join_and_minus(void)
{
    for (int run = 0; run < 50; run++) {
        gboolean bitmaps[2][UIDS] = {{FALSE}}, rest[UIDS] = {FALSE};
        MailSet *sets[2];
        g_autoptr(MailSet) minus = NULL;

        for (int which = 0; which < 2; which++) {
            g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(MailRange));

            for (int n = g_test_rand_int_range(0, 30); n > 0; n--) {
                guint32 first = (guint32)g_test_rand_int_range(1, UIDS);
                MailRange range = {first, MIN(UIDS - 1, first + run / 10)};

                g_array_append_val(ranges, range);
                for (guint32 uid = range.first; uid <= range.last; uid++)
                    bitmaps[which][uid] = TRUE;
            }
            sets[which] = mail_set_join(ranges);
            check_against(sets[which], bitmaps[which]);
        }
        minus = mail_set_minus(sets[0], sets[1]);
        for (int uid = 0; uid < UIDS; uid++)
            rest[uid] = bitmaps[0][uid] && !bitmaps[1][uid];
        check_against(minus, rest);
        g_array_unref(sets[0]);
        g_array_unref(sets[1]);
    }
}

static void test_minus_edges(void)
{
    g_autoptr(MailSet) all = mail_set_parse("1:4294967295", 1);
    g_autoptr(MailSet) ends = mail_set_parse("1,4294967295", 2);
    g_autoptr(MailSet) middle = mail_set_minus(all, ends);
    g_autoptr(MailSet) none = mail_set_minus(ends, all);
    g_autofree char *text = mail_set_format(middle);

    g_assert_cmpstr(text, ==, "2:4294967294");
    g_assert_cmpuint(none->len, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strdup_printf("/mail/set/parse/%" G_GSIZE_FORMAT, i);

        g_test_add_data_func(path, &rows[i], test_row);
    }
    g_test_add_func("/mail/set/ranges-max", test_ranges_max);
    g_test_add_func("/mail/set/edges", test_edges);
    g_test_add_func("/mail/set/descending", test_descending);
    g_test_add_func("/mail/set/random", test_random);
    g_test_add_func("/mail/set/join-and-minus", test_join_and_minus);
    g_test_add_func("/mail/set/minus-edges", test_minus_edges);
    return g_test_run();
}

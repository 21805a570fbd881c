/* SPDX-License-Identifier: MIT */
/* tests/unit/imap/prints.c - which of a mailbox's messages are those that were sent. */
#include "imap/prints.h"

#include <string.h>

#include "mime/mime.h"

#define NO_DATE G_MININT64

/* "id date-header internal-date size", "-" for none. */
static ImapPrint print_from_text(const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    const char *fields[MAIL_ENVELOPE_N_FIELDS] = {NULL};
    g_autoptr(MailEnvelope) envelope = NULL;

    g_assert_cmpuint(g_strv_length(words), ==, 4);
    fields[MAIL_ENVELOPE_MESSAGE_ID] = g_str_equal(words[0], "-") ? NULL : words[0];
    fields[MAIL_ENVELOPE_DATE] = g_str_equal(words[1], "-") ? NULL : words[1];
    envelope = mail_envelope_new(fields);
    return imap_print_new(
        envelope, g_str_equal(words[2], "-") ? NO_DATE : g_ascii_strtoll(words[2], NULL, 10),
        g_ascii_strtoull(words[3], NULL, 10));
}

typedef struct {
    const char *name;
    const char *sought; /* "uidnext[-replaced] print", a line each */
    const char *told;   /* "uid print", a line each */
    const char *found;  /* UIDs */
} Row;

static const Row rows[] = {
    {"exact", "5 <a> d 100 50", "5 <a> d 100 50", "5"},
    {"not-there", "5 <a> d 100 50", "5 <b> d 100 50", "0"},
    {"nothing-there", "5 <a> d 100 50", "", "0"},
    {"final-crlf-added", "5 <a> d 100 50", "5 <a> d 100 52", "5"},
    {"server's-date", "5 <a> d - 50", "5 <a> d 100 50", "5"},
    {"date-not-told", "5 <a> d 100 50", "5 <a> d - 50", "5"},
    {"came-before", "5 <a> d 100 50", "4 <a> d 100 50", "0"},
    {"whole-mailbox", "1 <a> d 100 50", "3 <b> d 1 1\n4 <a> d 100 50", "4"},
    {"each-once", "5 <a> d 100 50\n5 <a> d 100 50", "6 <a> d 100 50\n7 <a> d 100 50", "6 7"},
    {"in-order-of-uids", "5 <a> d 100 50\n5 <a> d 100 50", "7 <a> d 100 50\n6 <a> d 100 50", "6 7"},
    {"only-one-came", "5 <a> d 100 50\n5 <a> d 100 50", "6 <a> d 100 50", "6 0"},
    {"told-twice", "5 <a> d 100 50\n5 <a> d 100 50", "6 <a> d 100 50\n6 <a> d 100 50", "6 0"},
    {"later-one-does-not-take-earlier", "5 <a> d 100 50\n7 <a> d 100 50",
     "8 <a> d 100 50\n6 <a> d 100 50", "6 8"},
    {"content-changed", "5 <a> d 100 50", "6 <a> d 100 77", "6"},
    {"date-ignored", "5 <a> d 100 50", "6 <a> d 999 50", "6"},
    {"content-changed-but-two", "5 <a> d 100 50", "6 <a> d 100 77\n7 <a> d 100 78", "0"},
    {"content-and-date-changed", "5 <a> d 100 50", "6 <a> d 999 77", "0"},
    {"content-changed-date-not-sent", "5 <a> d - 50", "6 <a> d 100 77", "0"},
    {"other-version", "8-7 <a> d 100 50", "9 <a> d 100 77", "0"},
    {"replacing-date-ignored", "8-7 <a> d 100 50", "9 <a> d 999 50", "9"},
    {"not-what-it-replaces", "1-7 <a> d 100 50", "7 <a> d 100 50", "0"},
    {"beside-what-it-replaces", "1-7 <a> d 100 50", "7 <a> d 100 50\n8 <a> d 999 52", "8"},
    {"two-changed", "5 <a> d 100 50\n5 <a> d 100 60", "6 <a> d 100 77", "0 0"},
    {"exact-before-changed", "5 <a> d 100 50\n5 <a> d 100 90", "6 <a> d 100 90\n7 <a> d 100 77",
     "7 6"},
    {"shorter", "5 <a> d 100 50", "6 <a> d 100 49\n7 <a> d 100 48", "0"},
    {"no-id", "5 - d 100 50", "6 - d 100 50", "6"},
    {"no-id-other-date", "5 - d 100 50", "6 - e 100 50", "0"},
    {"no-id-other-internal-date", "5 - d 100 50", "6 - d 101 50", "0"},
    {"no-id-content-changed", "5 - d 100 50", "6 - d 100 77", "0"},
};

static void seek(ImapPrints *prints, const char *line)
{
    const char *print = strchr(line, ' ') + 1, *replaced = memchr(line, '-', print - line);

    imap_prints_seek(prints, (guint32)atoi(line), replaced ? (guint32)atoi(replaced + 1) : 0,
                     print_from_text(print));
}

static void check(gconstpointer data)
{
    const Row *row = data;
    g_autoptr(ImapPrints) prints = imap_prints_new();
    g_auto(GStrv) sought = g_strsplit(row->sought, "\n", -1);
    g_auto(GStrv) told = g_strsplit(row->told, "\n", -1);
    g_autoptr(GArray) uids = NULL;
    g_autoptr(GString) found = g_string_new(NULL);

    for (char **line = sought; *line; line++)
        seek(prints, *line);
    for (char **line = told; *line && **line; line++)
        imap_prints_tell(prints, (guint32)atoi(*line), print_from_text(strchr(*line, ' ') + 1));
    uids = imap_prints_find(prints);
    for (guint i = 0; i < uids->len; i++)
        g_string_append_printf(found, "%s%u", i ? " " : "", g_array_index(uids, guint32, i));
    g_assert_cmpstr(found->str, ==, row->found);
}

static void check_like(const char *one, const char *other, gboolean expected)
{
    g_auto(ImapPrint) a = print_from_text(one), b = print_from_text(other);

    g_assert_cmpint(imap_print_is_like(&a, &b), ==, expected);
    g_assert_cmpint(imap_print_is_like(&b, &a), ==, expected);
}

static void test_like(void)
{
    check_like("<a> d 1 50", "<a> e 2 99", TRUE);
    check_like("<a> d 1 50", "<b> d 1 50", FALSE);
    check_like("<a> d 1 50", "- d 1 50", FALSE);
    check_like("- d 1 50", "- d 2 52", TRUE);
    check_like("- d 1 50", "- d 1 53", FALSE);
    check_like("- d 1 50", "- e 1 50", FALSE);
}

static void test_bytes(void)
{
    static const char text[] =
        "date: Thu, 1 Jan 1970 00:00:00 +0000\r\nMESSAGE-ID:\r\n <a@b>\r\n\r\nx";
    g_autoptr(GBytes) bytes = g_bytes_new_static(text, strlen(text));
    g_auto(ImapPrint) print = imap_print_of_bytes(bytes, 7);

    g_assert_cmpstr(print.message_id, ==, "<a@b>");
    g_assert_cmpstr(print.date_header, ==, "Thu, 1 Jan 1970 00:00:00 +0000");
    g_assert_cmpuint(print.size, ==, strlen(text));
    g_assert_cmpint(print.internal_date, ==, 7);
}

static guint32 found_behind(guint32 n)
{
    g_autoptr(ImapPrints) prints = imap_prints_new();
    g_autoptr(GArray) uids = NULL;

    imap_prints_seek(prints, 1, 0, print_from_text("<a> d 1 50"));
    for (guint32 uid = 1; uid <= n; uid++)
        imap_prints_tell(prints, uid, print_from_text("<a> d 1 10"));
    imap_prints_tell(prints, n + 1, print_from_text("<a> d 1 50"));
    uids = imap_prints_find(prints);
    return g_array_index(uids, guint32, 0);
}

static void test_limit(void)
{
    g_assert_cmpuint(found_behind(99999), ==, 100000);
    g_assert_cmpuint(found_behind(100000), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mime_init();
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strconcat("/imap/prints/", rows[i].name, NULL);

        g_test_add_data_func(path, &rows[i], check);
    }
    g_test_add_func("/imap/prints/like", test_like);
    g_test_add_func("/imap/prints/bytes", test_bytes);
    g_test_add_func("/imap/prints/limit", test_limit);
    return g_test_run();
}

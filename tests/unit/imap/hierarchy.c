/* SPDX-License-Identifier: MIT */
/* tests/unit/imap/hierarchy.c - what LIST tells, and the names of new mailboxes. */
#include "imap/hierarchy.h"

#include "cache/cache.h"
#include "tests/unit/imap/dump.h"

typedef struct {
    const char *values; /* behind "* LIST" */
    const char *wire;   /* NULL: of no use */
    const char *delimiter;
    guint attributes;
} ListRow;

static const ListRow lists[] = {
    {"(\\HasNoChildren) \"/\" Work", "Work", "/", 0},
    {"(\\noselect \\Sent) \".\" \"INBOX.x y\"", "INBOX.x y", ".",
     CACHE_BOX_NOSELECT | CACHE_BOX_SENT},
    {"(\\NonExistent) NIL INBOX", "INBOX", "", CACHE_BOX_NOSELECT},
    {"() \"\" NIL", "NIL", "", 0},
    {"(\\Noselect) \"/\" \"\"", "", "/", CACHE_BOX_NOSELECT},
    {"() \"//\" Work", NULL, NULL, 0},
    {"() \"/\"", NULL, NULL, 0},
    {"() \"/\" (Work)", NULL, NULL, 0},
};

static void test_listed(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(lists); i++) {
        g_autoptr(ImapReader) reader = imap_reader_new(&imap_limits_default);
        ImapListed listed;
        gboolean is_usable = imap_listed_parse(value_from_text(reader, lists[i].values), &listed);

        g_test_message("%s", lists[i].values);
        g_assert_cmpint(is_usable, ==, lists[i].wire != NULL);
        if (!is_usable)
            continue;
        g_assert_cmpstr(listed.wire, ==, lists[i].wire);
        g_assert_cmpstr(listed.delimiter, ==, lists[i].delimiter);
        g_assert_cmpuint(listed.attributes, ==, lists[i].attributes);
    }
}

typedef struct {
    const char *place, *delimiter, *component;
    const char *utf7, *utf8; /* NULL: INVALID */
} WireRow;

static const WireRow wires[] = {
    {"", "/", "Work", "Work", "Work"},
    {"INBOX.", ".", "Work", "INBOX.Work", "INBOX.Work"},
    {"a/", "/", "f\303\274r & wider", "a/f&APw-r &- wider", "a/f\303\274r & wider"},
    {"", "", "a/b", "a/b", "a/b"},
    {"", "/", "", NULL, NULL},
    {"", ".", "a.b", NULL, NULL},
    {"", "/", "a\rb", NULL, NULL},
    {"", "/", "a\nb", NULL, NULL},
    {"", "/", "\377", NULL, NULL},
    {"", "&", "\303\274", NULL, "\303\274"},
};

static void check_wire(const WireRow *row, gboolean is_utf8, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *wire =
        imap_wire_new(row->place, row->delimiter, row->component, is_utf8, &error);

    g_assert_cmpstr(wire, ==, expected);
    if (expected)
        g_assert_no_error(error);
    else
        g_assert_error(error, MAIL_ERROR, MAIL_ERROR_INVALID);
}

static void test_wire(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(wires); i++) {
        check_wire(&wires[i], FALSE, wires[i].utf7);
        check_wire(&wires[i], TRUE, wires[i].utf8);
    }
}

static void check_place(const char *wire, const char *delimiter, guint n, const char *expected)
{
    g_autofree char *place = imap_wire_dup_place(wire, delimiter, n);

    g_assert_cmpstr(place, ==, expected);
}

static void test_place(void)
{
    check_place("Work", "/", 0, "Work/");
    check_place("a.b.c", ".", 1, "a.b.");
    check_place("a.b.c", ".", 2, "a.");
    check_place("a.b.c", ".", 3, NULL);
    check_place("INBOX", "", 0, NULL);
}

static void test_same(void)
{
    g_assert_true(imap_is_same_box("Inbox", "INBOX"));
    g_assert_true(imap_is_same_box("Work", "Work"));
    g_assert_false(imap_is_same_box("Work", "work"));
    g_assert_false(imap_is_same_box("INBOX", "INBOX.x"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/imap/hierarchy/listed", test_listed);
    g_test_add_func("/imap/hierarchy/wire", test_wire);
    g_test_add_func("/imap/hierarchy/place", test_place);
    g_test_add_func("/imap/hierarchy/same", test_same);
    return g_test_run();
}

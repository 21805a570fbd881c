/* SPDX-License-Identifier: MIT */
/* tests/unit/imap/append.c - the UIDs that APPENDUID tells. */
#include "imap/append.h"

#include "tests/unit/imap/dump.h"

typedef struct {
    const char *args; /* behind "[APPENDUID" */
    guint32 uidvalidity;
    guint n;
    const char *expected; /* NULL: not to be trusted */
} Row;

static const Row rows[] = {
    {"38505 3955", 38505, 1, "3955"},
    {"38505 3955:3957", 38505, 3, "3955 3956 3957"},
    {"38505 3955,3957:3958", 38505, 3, "3955 3957 3958"},
    {"38505 4294967295", 38505, 1, "4294967295"},
    {"38505 4294967294:4294967295", 38505, 2, "4294967294 4294967295"},
    {"38506 3955", 38505, 1, NULL},
    {"0 3955", 0, 1, NULL},
    {"38505 3955", 38505, 2, NULL},
    {"38505 3955:3957", 38505, 2, NULL},
    {"38505 1:4294967295", 38505, 2, NULL},
    {"38505 3955,3955", 38505, 2, NULL},
    {"38505 0", 38505, 1, NULL},
    {"38505 *", 38505, 1, NULL},
    {"38505", 38505, 1, NULL},
    {"38505 (3955)", 38505, 1, NULL},
    {"x 3955", 38505, 1, NULL},
};

static void test_appenduid(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(ImapReader) reader = imap_reader_new(&imap_limits_default);
        g_autoptr(GArray) uids = imap_appenduid_parse(value_from_text(reader, rows[i].args),
                                                      rows[i].uidvalidity, rows[i].n);
        g_autoptr(GString) text = g_string_new(NULL);

        for (guint k = 0; uids && k < uids->len; k++)
            g_string_append_printf(text, "%s%u", k ? " " : "", g_array_index(uids, guint32, k));
        g_test_message("%s", rows[i].args);
        g_assert_cmpstr(uids ? text->str : NULL, ==, rows[i].expected);
    }
    g_assert_null(imap_appenduid_parse(NULL, 1, 1));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/imap/append/appenduid", test_appenduid);
    return g_test_run();
}

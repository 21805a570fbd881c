/* SPDX-License-Identifier: MIT */
/* tests/unit/imap/fetch-items.c - the items of FETCH responses, and their dates. */
#include "imap/fetch-items.h"

#include "tests/unit/imap/dump.h"

typedef struct {
    const char *name;
    const char *list;
    const char *expected; /* NULL: no list of pairs */
} Row;

static void dump_list(GString *out, const char *name, const ImapValue *list)
{
    g_string_append_printf(out, " %s=(", name);
    dump_values(out, list->first);
    g_string_append_c(out, ')');
}

static void dump_body(GString *out, const ImapItems *items)
{
    g_string_append_printf(out, " body[%s]", items->section);
    if (items->has_origin)
        g_string_append_printf(out, "<%" G_GUINT64_FORMAT ">", items->origin);
    g_string_append_printf(out, "=%s",
                           items->present & IMAP_ITEM_BODY ? items->body->bytes : "NIL");
}

static char *dump_items(ImapItems *items)
{
    GString *out = g_string_new(NULL);

    if (items->present & IMAP_ITEM_UID)
        g_string_append_printf(out, " uid=%u", items->uid);
    if (items->present & IMAP_ITEM_FLAGS)
        dump_list(out, "flags", items->flags);
    if (items->present & IMAP_ITEM_SIZE)
        g_string_append_printf(out, " size=%" G_GUINT64_FORMAT, items->size);
    if (items->present & IMAP_ITEM_DATE)
        g_string_append_printf(out, " date=%" G_GINT64_FORMAT, items->date);
    if (items->present & IMAP_ITEM_ENVELOPE)
        dump_list(out, "envelope", items->envelope);
    if (items->present & IMAP_ITEM_BODYSTRUCTURE)
        dump_list(out, "structure", items->bodystructure);
    if (items->present & (IMAP_ITEM_BODY | IMAP_ITEM_BODY_NIL))
        do
            dump_body(out, items);
        while (imap_items_next_body(items));
    g_assert_false(imap_items_next_body(items) || items->body);
    return g_string_free(out, FALSE);
}

static const Row rows[] = {
    {"empty", "()", ""},
    {"listing",
     "(UID 5 FLAGS (\\Seen x) INTERNALDATE \"01-Jan-1970 00:00:01 +0000\" RFC822.SIZE 4096 "
     "MODSEQ (77) ENVELOPE (a NIL) BODYSTRUCTURE (b))",
     " uid=5 flags=(\\Seen x) size=4096 date=1 envelope=(a NIL) structure=(b)"},
    {"case-and-order", "(rfc822.size 1 flags () uid 2)", " uid=2 flags=() size=1"},
    {"unknown", "(X-GM-MSGID 5 X (a (b)) UID 5 Y NIL Z \"\")", " uid=5"},
    {"no-list", "5", NULL},
    {"nil", "NIL", NULL},
    {"odd", "(UID)", NULL},
    {"odd-after-pair", "(UID 5 FLAGS)", NULL},
    {"name-is-list", "(UID 5 () 6)", NULL},
    {"name-is-string", "(\"UID\" 5)", NULL},
    {"name-is-nil", "(NIL 5)", NULL},
    {"uid-zero", "(UID 0 RFC822.SIZE 1)", " size=1"},
    {"uid-max", "(UID 4294967295)", " uid=4294967295"},
    {"uid-over", "(UID 4294967296)", ""},
    {"uid-quoted", "(UID \"5\")", ""},
    {"uid-wrong", "(UID +5 UID 05 UID 5x UID (5) UID NIL UID 7 UID 8)", " uid=7"},
    {"size-wrong", "(RFC822.SIZE -1)", ""},
    {"size-float", "(UID 1 RFC822.SIZE 9.3736e+06)", " uid=1"},
    {"size-48-bits", "(RFC822.SIZE 281474976645120)", " size=281474976645120"},
    {"size-over", "(RFC822.SIZE 281474976645121)", ""},
    {"flags-wrong", "(FLAGS NIL FLAGS \\Seen)", ""},
    {"envelope-wrong", "(ENVELOPE NIL BODYSTRUCTURE \"x\")", ""},
    {"structure-basic", "(BODY (\"text\" \"plain\"))", " structure=(\"text\" \"plain\")"},
    {"date-wrong", "(INTERNALDATE \"yesterday\" UID 1)", " uid=1"},
    {"body", "(BODY[] \"x\")", " body[]=x"},
    {"body-nil", "(BODY[1.2.mime] NIL UID 3)", " uid=3 body[1.2.MIME]=NIL"},
    {"body-list", "(BODY[] () BODY[1] \"x\")", " body[1]=x"},
    {"body-atom", "(BODY[] x)", ""},
    {"bodies", "(BODY[1] \"a\" UID 5 BODY[2] \"b\" FLAGS ())",
     " uid=5 flags=() body[1]=a body[2]=b"},
    {"bodies-of-one-section", "(BODY[1]<0> \"a\" BODY[1]<9> \"b\" BODY[1]<9> \"c\")",
     " body[1]<0>=a body[1]<9>=b body[1]<9>=c"},
    {"bodies-and-nil", "(BODY[1] NIL BODY[2] \"b\" BODY[3] NIL)",
     " body[1]=NIL body[2]=b body[3]=NIL"},
    {"bodies-among-wrong-ones",
     "(BODY[1] \"a\" BODY[2] x BODY[3]<x> \"c\" BODY[4]<4> \"d\" BODY[5] ())",
     " body[1]=a body[4]<4>=d"},
    {"body-wrong-then-right", "(BODY[1]<x> \"a\" BODY[2]<7> \"b\")", " body[2]<7>=b"},
    {"body-origin", "(BODY[]<4096> \"x\")", " body[]<4096>=x"},
    {"body-origin-zero", "(body[text]<0> \"x\")", " body[TEXT]<0>=x"},
    {"body-origin-big", "(BODY[]<9223372036854775808> \"x\")", ""},
    {"body-origin-range", "(BODY[]<0.5> \"x\")", ""},
    {"body-origin-empty", "(BODY[]<> \"x\" BODY[]< \"y\" BODY[]x \"z\")", ""},
    {"body-unclosed", "(BODY[ \"x\" BODY \"y\")", ""},
    {"body-peek", "(BODY.PEEK[] \"x\")", ""},
    {"binary", "(BINARY[1.2]<5> \"x\" UID 7)", " uid=7"},
    {"rfc822", "(RFC822 \"x\" RFC822.HEADER \"y\")", ""},
    {"fields-dovecot", "(BODY[HEADER.FIELDS (SUBJECT TO)] \"x\")",
     " body[HEADER.FIELDS (SUBJECT TO)]=x"},
    {"fields-courier", "(BODY[HEADER.FIELDS (\"SUBJECT\" \"To\")] \"x\")",
     " body[HEADER.FIELDS (SUBJECT TO)]=x"},
    {"fields-blanks", "(BODY[ 1.header.fields.not(  subject   \"to\"from ) ]<1> \"x\")",
     " body[1.HEADER.FIELDS.NOT (SUBJECT TO FROM)]<1>=x"},
    {"fields-odd-name", "(BODY[HEADER.FIELDS (\"A B\")] \"x\" BODY[HEADER.FIELDS (\"A)\")] \"y\")",
     ""},
    {"fields-empty-name", "(BODY[HEADER.FIELDS (\"\")] \"x\")", ""},
    {"fields-escaped-name", "(BODY[HEADER.FIELDS (\"A\\\"B\")] \"x\")", ""},
};

static void test_row(gconstpointer data)
{
    const Row *row = data;
    g_autoptr(ImapReader) reader = imap_reader_new(&imap_limits_default);
    const ImapValue *list = value_from_text(reader, row->list);
    ImapItems items = {.uid = 99};
    g_autofree char *text = NULL;

    if (!imap_items_parse(list, &items)) {
        g_assert_cmpuint(items.uid, ==, 99);
        g_assert_null(row->expected);
        return;
    }
    text = dump_items(&items);
    g_assert_cmpstr(text, ==, row->expected);
}

static void test_missing(void)
{
    ImapItems items;

    g_assert_false(imap_items_parse(NULL, &items));
}

static void test_section_len(void)
{
    for (gsize len = MAIL_SECTION_MAX; len < IMAP_SECTION_SIZE + 2; len++) {
        g_autoptr(ImapReader) reader = imap_reader_new(&imap_limits_default);
        g_autofree char *section = g_strnfill(len, '1');
        g_autofree char *text = g_strdup_printf("(BODY[%s] \"x\" UID 1)", section);
        ImapItems items;

        g_assert_true(imap_items_parse(value_from_text(reader, text), &items));
        g_assert_cmpint((items.present & IMAP_ITEM_BODY) != 0, ==, len < IMAP_SECTION_SIZE);
        if (items.present & IMAP_ITEM_BODY)
            g_assert_cmpuint(strlen(items.section), ==, len);
        else
            g_assert_cmpstr(items.section, ==, "");
    }
}

static const struct {
    const char *text;
    gint64 date;
} dates[] = {
    {"17-Jul-1996 02:44:25 -0700", 837596665},    {"01-Jan-2024 00:00:00 +0000", 1704067200},
    {" 1-Jan-2024 00:00:00 +0000", 1704067200},   {"1-jan-2024 00:00:00 -0000", 1704067200},
    {"01-JAN-2024 05:30:00 +0530", 1704067200},   {"01-Jan-1970 00:00:00 +0000", 0},
    {"31-Dec-1969 23:59:59 +0000", -1},           {"29-Feb-2000 12:00:00 +0000", 951825600},
    {"29-Feb-2024 00:00:00 +0000", 1709164800},   {"31-Dec-2016 23:59:60 +0000", 1483228800},
    {"01-Mar-1900 00:00:00 +0000", -2203891200},  {"19-Jan-2038 03:14:08 +0000", 2147483648},
    {"31-Dec-9999 23:59:59 -2359", 253402387139}, {"01-Jan-0000 00:00:00 +0000", -62167219200},
    {"01-Mar-0000 00:00:00 +0000", -62162035200},
};

static void test_dates(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(dates); i++) {
        gint64 date = 7;

        g_assert_true(imap_date_parse(dates[i].text, &date));
        g_assert_cmpint(date, ==, dates[i].date);
    }
}

static void test_wrong_dates(void)
{
    static const char *const texts[] = {
        "",
        " ",
        "17",
        "17-Jul-1996",
        "17-Jul-1996 02:44:25",
        "17-Jul-1996 02:44:25 ",
        "17-Jul-1996 02:44:25 0700",
        "17-Jul-1996 02:44:25 GMT",
        "17-Jul-1996 02:44:25 -070",
        "17-Jul-1996 02:44:25 -07000",
        "17-Jul-1996 02:44:25 -0760",
        "17-Jul-1996 02:44:25 -2400",
        "17-Jul-1996 02:44:61 -0700",
        "17-Jul-1996 02:60:25 -0700",
        "17-Jul-1996 24:44:25 -0700",
        "17-Jul-1996 2:44:25 -0700",
        "17-Jul-96 02:44:25 -0700",
        "17-Jul-19960 02:44:25 -0700",
        "17-Xyz-1996 02:44:25 -0700",
        "17 Jul 1996 02:44:25 -0700",
        "0-Jul-1996 02:44:25 -0700",
        "00-Jul-1996 02:44:25 -0700",
        "32-Jul-1996 02:44:25 -0700",
        "31-Jun-1996 02:44:25 -0700",
        "30-Feb-2024 02:44:25 -0700",
        "29-Feb-2023 02:44:25 -0700",
        "29-Feb-1900 02:44:25 -0700",
        "017-Jul-1996 02:44:25 -0700",
        "-1-Jul-1996 02:44:25 -0700",
        "17-Jul-1996  02:44:25 -0700",
        "99999999999999999999999999999999999999999999999999999999999999999999999999",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        gint64 date = 7;

        g_assert_false(imap_date_parse(texts[i], &date));
        g_assert_cmpint(date, ==, 7);
    }
}

/* Days from our count and from GLib's are the same over all years it knows. */
static void test_every_day(void)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    g_autoptr(GDateTime) day = g_date_time_new_utc(1, 1, 1, 0, 0, 0);

    while (day) {
        g_autoptr(GDateTime) next = g_date_time_add_days(day, 37);
        g_autofree char *text =
            g_strdup_printf("%2d-%s-%04d 00:00:00 +0000", g_date_time_get_day_of_month(day),
                            months[g_date_time_get_month(day) - 1], g_date_time_get_year(day));
        gint64 date;

        g_assert_true(imap_date_parse(text, &date));
        g_assert_cmpint(date, ==, g_date_time_to_unix(day));
        g_date_time_unref(day);
        day = g_steal_pointer(&next);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strconcat("/imap/items/", rows[i].name, NULL);

        g_test_add_data_func(path, &rows[i], test_row);
    }
    g_test_add_func("/imap/items/missing", test_missing);
    g_test_add_func("/imap/items/section-len", test_section_len);
    g_test_add_func("/imap/date/right", test_dates);
    g_test_add_func("/imap/date/wrong", test_wrong_dates);
    g_test_add_func("/imap/date/every-day", test_every_day);
    return g_test_run();
}

/* SPDX-License-Identifier: MIT */
/* tests/unit/pop/header.c - where a header ends, and the date in it. */
#include "pop/header.h"

#include <string.h>

static void test_len(void)
{
    static const struct {
        const char *text;
        gsize len;
    } rows[] = {
        {"", 0},
        {"A: b\r\n\r\nbody\r\n", 8},
        {"A: b\n\nbody", 6},
        {"\r\nbody", 2},
        {"A: b\r\n", 6},
        {"A: b", 4},
        {"A: b\r\n\r", 7},
        {"A: b\r\n \r\n\r\nx", 11},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        g_assert_cmpuint(pop_header_len(rows[i].text, strlen(rows[i].text)), ==, rows[i].len);
}

static const struct {
    const char *text;
    gint64 date; /* -1: it is none */
} dates[] = {
    {"Thu, 01 Jan 1970 00:00:00 +0000", 0},
    {"Fri, 13 Feb 2009 23:31:30 +0000", 1234567890},
    {"Fri, 13 Feb 2009 18:31:30 -0500 (EST)", 1234567890},
    {"Sat, 14 Feb 2009 05:01:30 +0530", 1234567890},
    {"13 Feb 2009 23:31:30 GMT", 1234567890},
    {"  13 feb 09 23:31:30", 1234567890},
    {"13-FEB-2009 23:31:30 +0000", 1234567890},
    {"Fri,\r\n\t13 Feb\r\n 2009 23:31:30\r\n +0000", 1234567890},
    {"1 Jan 1970 00:01 +0000", 60},
    {"1 Jan 70 00:01", 60},
    {"31 Dec 1998 23:59:60 +0000", 915148799},
    {"1 Mar 2100 00:00:00 +0000", 4107542400},
    {"", -1},
    {"today", -1},
    {"0 Jan 1970 00:00:00 +0000", -1},
    {"30 Feb 2009 00:00:00 +0000", -1},
    {"13 Anf 2009 23:31:30 +0000", -1},
    {"13 Fe 2009 23:31:30 +0000", -1},
    {"13 Feb 2009 24:00:00 +0000", -1},
    {"13 Feb 2009 23:60:00 +0000", -1},
    {"13 Feb 2009", -1},
    {"31 Dec 1969 23:59:59 +0000", -1},
    {"99999999999999999999", -1},
};

static void test_date(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(dates); i++) {
        gint64 date = -1;
        gboolean is_ok = pop_date_parse(dates[i].text, &date);

        if (is_ok != (dates[i].date >= 0) || (is_ok && date != dates[i].date))
            g_error("\"%s\": %" G_GINT64_FORMAT, dates[i].text, date);
    }
}

static void test_header_date(void)
{
    static const struct {
        const char *header;
        gint64 date;
    } rows[] = {
        {"Received: by a; with b;\r\n 1 Jan 1970 00:00:01 +0000\r\n"
         "Received: by c; 1 Jan 1970 00:00:02 +0000\r\nDate: 1 Jan 1970 00:00:03 +0000\r\n\r\n",
         1},
        {"Received: by nobody\r\ndate: 1 Jan 1970 00:00:03 +0000\r\n\r\n", 3},
        {"Received: by a; yesterday\nDate: 1 Jan 1970 00:00:03 +0000\n\n", 3},
        {"Dates: 1 Jan 1970 00:00:03 +0000\r\n\r\n", 99},
        {"Date: 1 Jan 1970 00:00:03 +00", 3},
        {"Date:", 99},
        {"", 99},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        gsize len = strlen(rows[i].header);
        g_autofree char *exact = g_memdup2(rows[i].header, len);

        g_assert_cmpint(pop_header_date(exact, len, 99), ==, rows[i].date);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pop/header/len", test_len);
    g_test_add_func("/pop/header/date", test_date);
    g_test_add_func("/pop/header/header-date", test_header_date);
    return g_test_run();
}

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
    g_test_add_func("/pop/header/header-date", test_header_date);
    return g_test_run();
}

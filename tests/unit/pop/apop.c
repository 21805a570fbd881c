/* SPDX-License-Identifier: MIT */
/* tests/unit/pop/apop.c - timestamps that may be trusted, and digests. */
#include "pop/apop.h"

/* RFC 1939 7 */
#define EXAMPLE "<1896.697170952@dbc.mtview.ca.us>"

static const struct {
    const char *greeting;
    const char *timestamp; /* or NULL */
} rows[] = {
    {"POP3 server ready " EXAMPLE, EXAMPLE},
    {EXAMPLE, EXAMPLE},
    {"hello <a@b> there <c@d>", "<a@b>"},
    {"ready", NULL},
    {"", NULL},
    {"<a@b", NULL},
    {"a@b>", NULL},
    {"<>", NULL},
    {"<@>", NULL},
    {"<a@>", NULL},
    {"<@b>", NULL},
    {"<ab>", NULL},
    {"<a@b@c>", NULL},
    {"<a<b@c>", NULL},
    {"<a b@c>", NULL},
    {"<a@b\tc>", NULL},
    {"<a@b\x01>", NULL},
    {"<a\x7f@b>", NULL},
    {"<\xc3\xbc@b>", NULL},
};

static void test_timestamp(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *timestamp = pop_apop_dup_timestamp(rows[i].greeting);

        g_assert_cmpstr(timestamp, ==, rows[i].timestamp);
    }
}

static void test_long_timestamp(void)
{
    g_autofree char *word = g_strnfill(250, 'x');
    g_autofree char *greeting = g_strdup_printf("<%s@b>", word);

    g_assert_null(pop_apop_dup_timestamp(greeting));
}

static void test_digest(void)
{
    g_autoptr(NetSecret) secret = net_secret_new("tanstaaf", 8, "test", NULL);
    g_autofree char *digest = pop_apop_dup_digest(EXAMPLE, secret);

    g_assert_cmpstr(digest, ==, "c4c9334bac560ecc979e58001b3e22fb");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pop/apop/timestamp", test_timestamp);
    g_test_add_func("/pop/apop/long-timestamp", test_long_timestamp);
    g_test_add_func("/pop/apop/digest", test_digest);
    return g_test_run();
}

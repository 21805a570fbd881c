/* SPDX-License-Identifier: MIT */
/* tests/unit/cache/listing.c - a mailbox from the newest message down, also without a server. */
#include "fixture.h"

/* Lists @box to its end: the UIDs that came, as text, and the last answer. */
static char *list(Fixture *fixture, guint32 box, CacheAnswer *ret_answer, GError **error)
{
    GString *uids = g_string_new(NULL);
    CacheMessage message = {0};

    for (;;) {
        g_autoptr(MailEnvelope) envelope = NULL;
        guint64 want;

        *ret_answer =
            cache_next_message(fixture->cache, box, message.uid, &message, &envelope, &want, error);
        if (*ret_answer != CACHE_FOUND)
            return g_string_free(uids, FALSE);
        g_string_append_printf(uids, "%u ", message.uid);
    }
}

/* Without a server there are @uids, and that is not all when @is_short. */
static void expect_offline(Fixture *fixture, guint32 box, const char *uids, gboolean is_short)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *listed = NULL;
    CacheAnswer answer;

    fixture_offline(fixture);
    listed = list(fixture, box, &answer, &error);
    g_assert_cmpstr(listed, ==, uids);
    g_assert_cmpint(answer, ==, is_short ? CACHE_FAILED : CACHE_ABSENT);
    g_assert_cmpstr(error ? error->message : NULL, ==, is_short ? "the cable is cut" : NULL);
}

static void test_whole(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 3, 100);

    expect_offline(fixture, box, "3 2 1 ", FALSE);
    cache_set_state(fixture->cache, CACHE_ONLINE, NULL);
    fixture_expect_news(fixture, "");
}

/* Who copies it must not think that it is all; who lists it again must get the rest. */
static void test_without_unlisted(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 3, 100);

    fixture_put_range(fixture, box, 2, 5);
    fixture_put_line(fixture, box, 5, 100);
    fixture_expect_news(fixture, "going-1 listing listing ");
    expect_offline(fixture, box, "5 3 2 ", TRUE);
    fixture_expect_news(fixture, "");
    cache_set_state(fixture->cache, CACHE_ONLINE, NULL);
    fixture_expect_news(fixture, "listing ");
    cache_set_state(fixture->cache, CACHE_ONLINE, NULL);
    fixture_expect_news(fixture, "");
}

/* It is known of some messages that they are there, but not whether they are all. */
static void test_incomplete(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 3, 100);

    cache_put_synced(fixture->cache, box, 9, 9, FALSE, g_get_monotonic_time());
    expect_offline(fixture, box, "3 2 1 ", TRUE);
    cache_set_state(fixture->cache, CACHE_ONLINE, NULL);
    fixture_expect_news(fixture, "listing ");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    FIXTURE_TEST("/cache/listing/whole", test_whole);
    FIXTURE_TEST("/cache/listing/without-unlisted", test_without_unlisted);
    FIXTURE_TEST("/cache/listing/incomplete", test_incomplete);
    return g_test_run();
}

/* SPDX-License-Identifier: MIT */
/* tests/unit/imap/box-changes.c - changes of mailboxes that were done, and no answer came. */
#include "tests/unit/cache/changing.h"
#include "tests/unit/imap/play.h"
#include "tests/unit/imap/writer.h"
#include "tests/unit/net/client.h"

static void play_gone(int fd, gconstpointer data)
{
    static const char *const script[] = {
        "C: $ LIST \"\" A",     "S: $ OK none",         "C: $ UNSUBSCRIBE A",
        "S: $ OK done",         "C: $ LIST \"\" \"*\"", "S: * LIST () \"/\" INBOX",
        "S: * LIST () \"/\" B", "S: $ OK done",         NULL,
    };

    play_script(fd, script);
}

/* The mailboxes were listed again before. */
static void test_deleted(void)
{
    g_autoptr(Writer) writer = writer_new("IMAP4rev1", play_gone, NULL);
    Cache *cache = writer->fixture.cache;
    guint32 id = 0;

    g_assert_cmpint(cache_change_delete(cache, writer->a, &id, NULL), ==, CACHE_FOUND);
    note_sent(&writer->fixture, id, 0, 1);
    fixture_put_boxes(&writer->fixture, "INBOX", "B", NULL);
    writer_dispatch(writer);
    client_await(cache_change(cache, id)->is_done);
    g_assert_false(cache_change(cache, id)->is_refused);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/imap/box-changes/deleted", test_deleted);
    return g_test_run();
}

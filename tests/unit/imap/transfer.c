/* SPDX-License-Identifier: MIT */
/* tests/unit/imap/transfer.c - what a server tells of several transfers at once. */
#include "tests/unit/imap/play.h"
#include "tests/unit/imap/writer.h"
#include "tests/unit/net/client.h"

/* As servers do that compare the mailbox once for all commands that they have: both are told of
 * before either has ended. */
static void play_together(int fd, gconstpointer data)
{
    static const char *const script[] = {
        "C: $ SELECT INBOX",
        "S: * 3 EXISTS",
        "S: * OK [UIDVALIDITY 7] valid",
        "S: $ OK [READ-WRITE] done",
        "C: $ UID SEARCH UID 1:2",
        "S: * SEARCH 1 2",
        "S: $ OK done",
        "C: $ UID FETCH 1:2 (INTERNALDATE RFC822.SIZE)",
        "S: $ OK done",
        "C: $ STATUS A (MESSAGES UIDNEXT UIDVALIDITY)",
        "S: * STATUS A (UIDNEXT 10 UIDVALIDITY 1)",
        "S: $ OK done",
        "C: $ STATUS B (MESSAGES UIDNEXT UIDVALIDITY)",
        "S: * STATUS B (UIDNEXT 20 UIDVALIDITY 2)",
        "S: $ OK done",
        NULL,
    };
    g_autofree char *a = NULL, *b = NULL;

    play_script(fd, script);
    b = play_expect(fd, "UID MOVE 2 B");
    a = play_expect(fd, "UID MOVE 1 A");
    play_say(fd, "* OK [COPYUID 2 2 20] moved");
    play_say(fd, "* OK [COPYUID 1 1 10] moved");
    play_say(fd, "* VANISHED 1:2");
    play_say(fd, "%s OK done", b);
    play_say(fd, "%s OK done", a);
}

static guint32 move(Writer *writer, guint32 uid, guint32 target)
{
    guint32 generation = fixture_generation(&writer->fixture, writer->inbox), id = 0;
    guint64 want;

    g_assert_cmpint(cache_change_move(writer->fixture.cache, generation, uid, target, "a.eml", &id,
                                      &want, NULL),
                    ==, CACHE_FOUND);
    return id;
}

static void test_told_together(void)
{
    g_autoptr(Writer) writer = writer_new("IMAP4rev1 UIDPLUS MOVE", play_together, NULL);
    Cache *cache = writer->fixture.cache;
    guint32 first = move(writer, 1, writer->a), second = move(writer, 2, writer->b);

    writer_dispatch(writer);
    client_await(cache_change(cache, first)->is_done && cache_change(cache, second)->is_done);
    g_assert_cmpuint(cache_change(cache, first)->new_uid, ==, 10);
    g_assert_cmpuint(cache_change(cache, second)->new_uid, ==, 20);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/imap/transfer/told-together", test_told_together);
    return g_test_run();
}

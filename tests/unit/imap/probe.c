/* SPDX-License-Identifier: MIT */
/* tests/unit/imap/probe.c - what is told before messages are changed: of several targets at once,
 * of messages that are others; and what becomes of changes of which nothing is told. */
#include <unistd.h>

#include "imap/batch.h"
#include "tests/unit/imap/play.h"
#include "tests/unit/imap/writer.h"
#include "tests/unit/net/client.h"

static void play_inbox(int fd)
{
    g_autofree char *select = play_expect(fd, "SELECT INBOX"), *search = NULL;

    play_say(fd, "* 3 EXISTS");
    play_say(fd, "* OK [UIDVALIDITY 7] valid");
    play_say(fd, "%s OK [READ-WRITE] done", select);
    search = play_expect(fd, "UID SEARCH UID 1:2");
    play_say(fd, "* SEARCH 1 2");
    play_say(fd, "%s OK done", search);
    play_accept(fd, "UID FETCH 1:2 (INTERNALDATE RFC822.SIZE)");
}

/* Answers the last question first; @data: what the server calls A and B. */
static void play_backwards(int fd, gconstpointer data)
{
    const char *const *names = data;
    g_autofree char *a = NULL, *b = NULL;

    play_inbox(fd);
    a = play_expect(fd, "STATUS A (MESSAGES UIDNEXT UIDVALIDITY)");
    b = play_expect(fd, "STATUS B (MESSAGES UIDNEXT UIDVALIDITY)");
    play_say(fd, "* STATUS %s (UIDNEXT 20 UIDVALIDITY 2)", names[1]);
    play_say(fd, "%s OK done", b);
    play_say(fd, "* STATUS %s (UIDNEXT 10 UIDVALIDITY 1)", names[0]);
    play_say(fd, "%s OK done", a);
}

static const char *const same_names[] = {"A", "B"}, *const other_names[] = {"X.A", "X.B"};

static void copy(Writer *writer, guint32 uid, guint32 target)
{
    Cache *cache = writer->fixture.cache;
    guint32 generation = fixture_generation(&writer->fixture, writer->inbox), id = 0;
    guint64 want;

    close(cache_draft_new(cache, &id, NULL));
    g_assert_cmpint(cache_change_copy(cache, generation, uid, target, "copy.eml", id, &want, NULL),
                    ==, CACHE_FOUND);
}

/* Copies one message to A and one to B, as far as the questions. */
static ImapBatch *begin(Writer *writer)
{
    copy(writer, 1, writer->a);
    copy(writer, 2, writer->b);
    writer_dispatch(writer);
    client_await(writer->worker->task);
    return (ImapBatch *)writer->worker->task;
}

/* As far as the answers. */
static ImapBatch *ask(Writer *writer)
{
    ImapBatch *batch = begin(writer);

    client_await(batch->is_sent);
    return batch;
}

static void assert_target(ImapBatch *batch, guint32 box, guint32 uidvalidity, guint32 uidnext)
{
    const ImapTarget *target = imap_batch_target(batch, box);

    g_assert_no_error(target->error);
    g_assert_cmpuint(target->uidvalidity, ==, uidvalidity);
    g_assert_cmpuint(target->uidnext, ==, uidnext);
}

static void test_answers_out_of_order(void)
{
    g_autoptr(Writer) writer = writer_new("IMAP4rev1", play_backwards, same_names);
    ImapBatch *batch = ask(writer);

    assert_target(batch, writer->a, 1, 10);
    assert_target(batch, writer->b, 2, 20);
}

/* Which of the two the first answer was for is not to be guessed. */
static void test_answers_with_other_names(void)
{
    g_autoptr(Writer) writer = writer_new("IMAP4rev1", play_backwards, other_names);
    ImapBatch *batch = ask(writer);

    assert_target(batch, writer->a, 1, 10);
    assert_target(batch, writer->b, 0, 1);
}

static void test_target_that_goes_meanwhile(void)
{
    g_autoptr(Writer) writer = writer_new("IMAP4rev1", play_backwards, same_names);
    ImapBatch *batch = begin(writer);

    g_assert_cmpuint(batch->targets->len, ==, 2);
    fixture_put_boxes(&writer->fixture, "INBOX", "A", NULL);
    client_await(batch->is_sent);
    assert_target(batch, writer->a, 1, 10);
}

/* --- of other messages --- */

#define SELECT                                                                                     \
    "C: $ SELECT INBOX", "S: * 3 EXISTS", "S: * OK [UIDVALIDITY 7] valid",                         \
        "S: $ OK [READ-WRITE] done"
#define SEARCH "C: $ UID SEARCH UID 1"
#define FETCH  "C: $ UID FETCH 1 (INTERNALDATE RFC822.SIZE)"
#define OTHER  "S: * 1 FETCH (UID 1 INTERNALDATE \"13-Jan-1970 00:00:00 +0000\" RFC822.SIZE 100)"

static const char *const stranger[] = {
    SELECT, SEARCH, "S: * SEARCH 1", "S: $ OK done", FETCH, OTHER, "S: $ OK done", NULL,
};

static void play_lines(int fd, gconstpointer lines)
{
    play_script(fd, lines);
}

static guint32 flag(Writer *writer, guint32 uid)
{
    guint32 generation = fixture_generation(&writer->fixture, writer->inbox), id = 0;
    guint64 want;

    g_assert_cmpint(cache_change_flags(writer->fixture.cache, generation, uid, MAIL_FLAG_ANSWERED,
                                       0, &id, &want, NULL),
                    ==, CACHE_FOUND);
    return id;
}

static gboolean is_refused(Writer *writer, guint32 id)
{
    const CacheChange *change = cache_change(writer->fixture.cache, id);

    return change && change->is_refused;
}

static void test_flags_of_a_stranger(void)
{
    g_autoptr(Writer) writer = writer_new("IMAP4rev1", play_lines, stranger);
    guint32 id = flag(writer, 1);

    writer_dispatch(writer);
    client_await(is_refused(writer, id));
}

/* --- nothing --- */

#define REFUSED SEARCH, "S: $ NO not now", FETCH, "S: $ OK done"

static const char *const refused_twice[] = {SELECT, REFUSED, REFUSED, NULL};

/* What the server would not tell for minutes is not asked for ever. */
static void test_refused_for_long(void)
{
    g_autoptr(Writer) writer = writer_new("IMAP4rev1", play_lines, refused_twice);
    guint32 id = flag(writer, 1);
    ImapRow *row;

    writer_dispatch(writer);
    client_await((row = writer_refused(writer, writer->inbox)));
    g_assert_false(is_refused(writer, id));
    row->first_us -= 600 * (gint64)G_USEC_PER_SEC;
    client_await(is_refused(writer, id));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/imap/probe/answers-out-of-order", test_answers_out_of_order);
    g_test_add_func("/imap/probe/answers-with-other-names", test_answers_with_other_names);
    g_test_add_func("/imap/probe/target-that-goes-meanwhile", test_target_that_goes_meanwhile);
    g_test_add_func("/imap/probe/flags-of-a-stranger", test_flags_of_a_stranger);
    g_test_add_func("/imap/probe/refused-for-long", test_refused_for_long);
    return g_test_run();
}

/* SPDX-License-Identifier: MIT */
/* tests/unit/pop/spool.c - what the server lists is known again, what is retrieved is here once,
 * and only what is here may be deleted there. */
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool-fixture.h"

#define DAY_S 86400

static gint64 now(void)
{
    return g_get_real_time() / G_USEC_PER_SEC;
}

/* --- the directory --- */

static mode_t mode_of(const Fixture *fixture, const char *name)
{
    g_autofree char *path = fixture_path(fixture, name);
    struct stat st;

    g_assert_cmpint(stat(path, &st), ==, 0);
    return st.st_mode & 07777;
}

static void test_modes(Fixture *fixture, gconstpointer data)
{
    static const char *const folders[] = {"spool",           "spool/cur",        "spool/new",
                                          "spool/tmp",       "spool/.Read/cur",  "spool/.Read/new",
                                          "spool/.Read/tmp", "spool/.Trash/cur", "spool/.Trash/new",
                                          "spool/.Trash/tmp"};
    g_autofree char *file = NULL;
    struct stat st;

    for (gsize i = 0; i < G_N_ELEMENTS(folders); i++)
        g_assert_cmpuint(mode_of(fixture, folders[i]), ==, 0700);
    g_assert_cmpuint(mode_of(fixture, "pop.sqlite"), ==, 0600);
    fixture_deliver(fixture, "a", "text");
    file = fixture_only_file(fixture, "spool/new");
    g_assert_cmpint(stat(file, &st), ==, 0);
    g_assert_cmpuint(st.st_mode & 07777, ==, 0600);
}

static void test_lock(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(pop_spool_open(fixture->dir, &error));
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_LOCAL);
    g_assert_nonnull(strstr(error->message, "another mailfs"));
    fixture_reopen(fixture);
}

static void test_no_directory(Fixture *fixture, gconstpointer data)
{
    g_autofree char *dir = fixture_path(fixture, "not/there");
    g_autoptr(GError) error = NULL;

    g_assert_null(pop_spool_open(dir, &error));
    g_assert_nonnull(error);
}

/* --- octets --- */

static void check_octets(Fixture *fixture, const void *octets, gsize len, gsize step)
{
    PopWriter *writer = pop_spool_receive(fixture->spool, POP_NUMBER_OF_CONTENT);
    g_autoptr(GBytes) read = NULL, expected = g_bytes_new(octets, len);
    Answer answer = {0};

    for (gsize at = 0; at < len; at += step)
        g_assert_true(
            pop_writer_append(writer, (const char *)octets + at, MIN(step, len - at), NULL));
    g_assert_cmpuint(pop_spool_backlog(fixture->spool), ==, 0);
    pop_writer_finish(writer, answer_done, &answer);
    g_assert_cmpuint(pop_spool_backlog(fixture->spool), ==, len);
    read = fixture_read(fixture, answer_number(&answer));
    g_assert_cmpuint(pop_spool_backlog(fixture->spool), ==, 0);
    g_assert_true(g_bytes_equal(read, expected));
}

static void test_octets(Fixture *fixture, gconstpointer data)
{
    static const char odd[] = "A: 1\r\n\r\n.\r\nbare\nlone\rnul\0 8bit\xff no end";
    g_autofree guint8 *big = g_malloc(300000);

    for (gsize i = 0; i < 300000; i++)
        big[i] = (guint8)(i * 7 + i / 251);
    check_octets(fixture, odd, sizeof odd - 1, 1);
    check_octets(fixture, "", 0, 1);
    check_octets(fixture, big, 65536, 65536);
    check_octets(fixture, big, 65537, 65537);
    check_octets(fixture, big, 200000, 1000);
    check_octets(fixture, big, 300000, 100000);
    check_octets(fixture, big, 299999, 65535);
    g_assert_cmpuint(fixture_count_files(fixture, "spool/new"), ==, 7);
    g_assert_cmpuint(fixture_count_files(fixture, "spool/tmp"), ==, 0);
}

static void test_given_up(Fixture *fixture, gconstpointer data)
{
    g_autofree char *big = g_strnfill(200000, 'x');
    PopWriter *writer = pop_spool_receive(fixture->spool, POP_NUMBER_OF_CONTENT);

    g_assert_true(pop_writer_append(writer, big, 200000, NULL));
    g_assert_cmpuint(fixture_count_files(fixture, "spool/tmp"), ==, 1);
    pop_writer_free(writer);
    g_assert_cmpuint(fixture_count_files(fixture, "spool/tmp"), ==, 0);
    fixture_expect_list(fixture, "");
}

static void test_changed_file(Fixture *fixture, gconstpointer data)
{
    guint32 number = fixture_deliver(fixture, "a", "text");
    g_autofree char *file = fixture_only_file(fixture, "spool/new");
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(truncate(file, 2), ==, 0);
    g_assert_cmpint(pop_spool_open_file(fixture->spool, number, &error), ==, -1);
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_LOCAL);
    g_assert_false(pop_spool_may_delete(fixture->spool, number, 0, now()));
}

/* --- the server's list --- */

static void expect_match(const Answer *answer, guint nth, PopMatchKind kind, guint32 number)
{
    g_assert_cmpint(answer->matches[nth].kind, ==, kind);
    g_assert_cmpuint(answer->matches[nth].number, ==, number);
}

static void test_match(Fixture *fixture, gconstpointer data)
{
    Answer answer = MATCH(fixture, "a", "b", "c");
    const PopMessage *message;

    expect_match(&answer, 0, POP_MATCH_NEW, 1);
    expect_match(&answer, 2, POP_MATCH_NEW, 3);
    fixture_store(fixture, 2, "b text");
    fixture_reopen(fixture);
    fixture_expect_list(fixture, "1 waiting, 2 inbox, 3 waiting");
    message = pop_spool_get(fixture->spool, 1);
    g_assert_cmpstr(message->uidl, ==, "a");
    g_assert_cmpuint(message->size, ==, 1000);
    g_assert_cmpint(message->presence, ==, POP_LISTED);
    g_assert_cmpint(message->retrieved, ==, 0);
    answer = MATCH(fixture, "c", "b", "d");
    expect_match(&answer, 0, POP_MATCH_WAITING, 3);
    expect_match(&answer, 1, POP_MATCH_STORED, 2);
    expect_match(&answer, 2, POP_MATCH_NEW, 4);
    fixture_expect_list(fixture, "2 inbox, 3 waiting, 4 waiting");
}

static void test_numbers_are_never_used_again(Fixture *fixture, gconstpointer data)
{
    Answer answer = MATCH(fixture, "a", "b");

    fixture_match_none(fixture);
    fixture_expect_list(fixture, "");
    fixture_reopen(fixture);
    g_assert_cmpuint(pop_spool_next_number(fixture->spool), ==, 3);
    answer = MATCH(fixture, "a");
    expect_match(&answer, 0, POP_MATCH_NEW, 3);
}

static void test_ambiguous(Fixture *fixture, gconstpointer data)
{
    g_autofree char *longest = g_strnfill(70, 'u'), *too_long = g_strnfill(71, 'u');
    Answer answer = MATCH(fixture, NULL, "", "has blank", "ctl\001", "\xc3\xa4", too_long, longest,
                          "twice", "../x", "twice");

    for (guint i = 0; i < 10; i++)
        if (i != 6 && i != 8)
            expect_match(&answer, i, POP_MATCH_AMBIGUOUS, 0);
    expect_match(&answer, 6, POP_MATCH_NEW, 1);
    expect_match(&answer, 8, POP_MATCH_NEW, 2);
    fixture_expect_list(fixture, "1 waiting, 2 waiting");
}

static void test_content_tells(Fixture *fixture, gconstpointer data)
{
    guint32 number = fixture_store(fixture, POP_NUMBER_OF_CONTENT, "one");

    g_assert_cmpuint(fixture_store(fixture, POP_NUMBER_OF_CONTENT, "two"), ==, number + 1);
    g_assert_cmpuint(fixture_store(fixture, POP_NUMBER_OF_CONTENT, "one"), ==, number);
    fixture_reopen(fixture);
    g_assert_cmpuint(fixture_store(fixture, POP_NUMBER_OF_CONTENT, "one"), ==, number);
    g_assert_cmpuint(fixture_count_files(fixture, "spool/new"), ==, 2);
    g_assert_false(pop_spool_may_delete(fixture->spool, number, 0, now()));
}

/* The second waits until it is known what became of the first. */
static void test_content_tells_at_once(Fixture *fixture, gconstpointer data)
{
    Answer first = {0}, second = {0}, other = {0};

    fixture_receive(fixture, POP_NUMBER_OF_CONTENT, "one", 3, &first);
    fixture_receive(fixture, POP_NUMBER_OF_CONTENT, "one", 3, &second);
    fixture_receive(fixture, POP_NUMBER_OF_CONTENT, "two", 3, &other);
    g_assert_cmpuint(answer_number(&first), ==, 1);
    g_assert_cmpuint(answer_number(&second), ==, 1);
    g_assert_cmpuint(answer_number(&other), ==, 2);
    fixture_expect_list(fixture, "1 inbox, 2 inbox");
}

static void test_waiting_becomes_ambiguous(Fixture *fixture, gconstpointer data)
{
    guint32 number = fixture_deliver(fixture, "a", "text");

    MATCH(fixture, "a", "b");
    MATCH(fixture, "a", "a", "b", "b");
    fixture_expect_list(fixture, "1 inbox");
    g_assert_cmpint(pop_spool_get(fixture->spool, number)->presence, ==, POP_DOUBTFUL);
    g_assert_false(pop_spool_may_delete(fixture->spool, number, 0, now()));
    /* Which of the two is it? */
    g_assert_cmpint(MATCH(fixture, "a").matches[0].kind, ==, POP_MATCH_DOUBTFUL);
    g_assert_false(pop_spool_may_delete(fixture->spool, number, 0, now()));
}

static void test_header(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GBytes) header = g_bytes_new_static("Subject: \0\r\n", 12);
    g_autoptr(GBytes) read = NULL;
    Answer answer = {0}, late = {0};

    MATCH(fixture, "a");
    pop_spool_put_header(fixture->spool, 1, 4711, header, answer_done, &answer);
    g_assert_cmpuint(answer_number(&answer), ==, 1);
    fixture_reopen(fixture);
    read = pop_spool_dup_header(fixture->spool, 1);
    g_assert_true(g_bytes_equal(read, header));
    g_assert_cmpint(pop_spool_get(fixture->spool, 1)->date, ==, 4711);
    fixture_store(fixture, 1, "text");
    g_assert_null(pop_spool_dup_header(fixture->spool, 1));
    fixture_reopen(fixture);
    g_assert_cmpint(pop_spool_get(fixture->spool, 1)->date, ==, 4711);
    pop_spool_put_header(fixture->spool, 1, 1, header, answer_done, &late);
    answer_error(&late, MAIL_ERROR_NOT_FOUND);
}

static void test_date_before_time(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GBytes) header = g_bytes_new_static("", 0);
    Answer answer = {0};

    MATCH(fixture, "a");
    pop_spool_put_header(fixture->spool, 1, G_MININT64, header, answer_done, &answer);
    answer_number(&answer);
    fixture_store(fixture, 1, "text");
    fixture_reopen(fixture);
    fixture_expect_list(fixture, "1 inbox");
    g_assert_cmpint(pop_spool_get(fixture->spool, 1)->date, ==, 0);
    g_assert_false(fixture_refresh(fixture));
}

/* --- which message it is --- */

static void test_all_uidls_changed(Fixture *fixture, gconstpointer data)
{
    MATCH(fixture, "a", "b");
    fixture_store(fixture, 1, "one");
    fixture_store(fixture, 2, "two");
    fixture_move(fixture, 2, POP_PLACE_READ);
    MATCH(fixture, "x", "y");
    g_assert_cmpuint(fixture_store(fixture, 3, "one"), ==, 1);
    g_assert_cmpuint(fixture_store(fixture, 4, "two"), ==, 2);
    fixture_reopen(fixture);
    fixture_expect_list(fixture, "1 inbox, 2 read");
    g_assert_cmpint(MATCH(fixture, "x", "y").matches[1].kind, ==, POP_MATCH_STORED);
    g_assert_true(pop_spool_may_delete(fixture->spool, 2, 0, now()));
}

/* A new one may be one of those that the server has under no UIDL that is known. */
static void test_new_may_be_stored(Fixture *fixture, gconstpointer data)
{
    MATCH(fixture, "a", "b");
    fixture_store(fixture, 1, "one");
    g_assert_false(MATCH(fixture, "a", "b", "c").matches[2].may_be_stored);
    g_assert_true(MATCH(fixture, "x", "b").matches[0].may_be_stored);
    /* It is only gone. */
    g_assert_false(MATCH(fixture, "x", "y").matches[1].may_be_stored);
    fixture_store(fixture, POP_NUMBER_OF_CONTENT, "of nobody");
    g_assert_true(MATCH(fixture, "x", "z").matches[1].may_be_stored);
    g_assert_false(MATCH(fixture, "x", "z").matches[1].may_be_stored);
}

static void test_same_content_twice(Fixture *fixture, gconstpointer data)
{
    MATCH(fixture, "a", "b");
    g_assert_cmpuint(fixture_store(fixture, 1, "same"), ==, 1);
    g_assert_cmpuint(fixture_store(fixture, 2, "same"), ==, 2);
    fixture_expect_list(fixture, "1 inbox, 2 inbox");
}

static const char *stopped(const Fixture *fixture)
{
    PopFigures figures;

    pop_spool_figures(fixture->spool, &figures);
    return figures.stopped;
}

static void test_uidl_of_another_message(Fixture *fixture, gconstpointer data)
{
    fixture_deliver(fixture, "a", "one");
    g_assert_true(pop_spool_may_delete(fixture->spool, 1, 0, now()));
    g_assert_null(stopped(fixture));
    g_assert_cmpuint(fixture_store(fixture, 1, "another"), ==, 2);
    fixture_expect(fixture, 1, POP_PLACE_INBOX, "one");
    fixture_expect(fixture, 2, POP_PLACE_INBOX, "another");
    fixture_reopen(fixture);
    g_assert_nonnull(strstr(stopped(fixture), "messages 1 and 2 the same unique id"));
    g_assert_null(pop_spool_get(fixture->spool, 1)->uidl);
    g_assert_cmpuint(MATCH(fixture, "a").matches[0].number, ==, 2);
    g_assert_false(pop_spool_may_delete(fixture->spool, 1, 0, now()));
    g_assert_false(pop_spool_may_delete(fixture->spool, 2, 0, now()));
}

static void test_comes_back(Fixture *fixture, gconstpointer data)
{
    Answer answer;

    fixture_deliver(fixture, "a", "one");
    fixture_match_none(fixture);
    g_assert_cmpint(pop_spool_get(fixture->spool, 1)->presence, ==, POP_ABSENT);
    fixture_reopen(fixture);
    answer = MATCH(fixture, "a");
    expect_match(&answer, 0, POP_MATCH_DOUBTFUL, 1);
    g_assert_false(pop_spool_may_delete(fixture->spool, 1, 0, now()));
    g_assert_cmpuint(fixture_store(fixture, 1, "one"), ==, 1);
    g_assert_true(pop_spool_may_delete(fixture->spool, 1, 0, now()));
    g_assert_cmpint(MATCH(fixture, "a").matches[0].kind, ==, POP_MATCH_STORED);
    g_assert_cmpuint(fixture_count_files(fixture, "spool/new"), ==, 1);
}

static void test_not_listed_any_more(Fixture *fixture, gconstpointer data)
{
    Answer answer = {0};

    MATCH(fixture, "a");
    fixture_match_none(fixture);
    fixture_receive(fixture, 1, "text", 4, &answer);
    answer_error(&answer, MAIL_ERROR_GONE);
    g_assert_cmpuint(fixture_count_files(fixture, "spool/new"), ==, 0);
    g_assert_cmpuint(fixture_count_files(fixture, "spool/tmp"), ==, 0);
}

/* --- what users do --- */

static void test_moves(Fixture *fixture, gconstpointer data)
{
    static const PopPlace way[] = {POP_PLACE_READ, POP_PLACE_INBOX, POP_PLACE_TRASH,
                                   POP_PLACE_READ, POP_PLACE_TRASH, POP_PLACE_INBOX};

    fixture_deliver(fixture, "a", "text");
    for (gsize i = 0; i < G_N_ELEMENTS(way); i++) {
        fixture_move(fixture, 1, way[i]);
        fixture_expect(fixture, 1, way[i], "text");
        g_assert_true((pop_spool_get(fixture->spool, 1)->trashed > 0) ==
                      (way[i] == POP_PLACE_TRASH));
        fixture_reopen(fixture);
        fixture_expect(fixture, 1, way[i], "text");
        g_assert_true((pop_spool_get(fixture->spool, 1)->trashed > 0) ==
                      (way[i] == POP_PLACE_TRASH));
    }
}

static void test_flags(Fixture *fixture, gconstpointer data)
{
    MailFlags flags = MAIL_FLAG_SEEN | MAIL_FLAG_FLAGGED | mail_flag_keyword(2);
    g_autofree char *file = NULL;
    Answer first = {0}, second = {0}, third = {0};

    fixture_deliver(fixture, "a", "text");
    pop_spool_set_flags(fixture->spool, 1, MAIL_FLAG_DRAFT, answer_done, &first);
    pop_spool_set_flags(fixture->spool, 1, flags, answer_done, &second);
    pop_spool_move(fixture->spool, 1, POP_PLACE_READ, answer_done, &third);
    answer_number(&third);
    g_assert_cmpuint(first.n, ==, 1);
    g_assert_cmpuint(second.n, ==, 1);
    file = fixture_only_file(fixture, "spool/.Read/cur");
    g_assert_true(g_str_has_suffix(file, "U1.mailfs:2,FSc"));
    fixture_reopen(fixture);
    g_assert_cmpuint(pop_spool_get(fixture->spool, 1)->flags, ==, flags);
}

static void test_move_nothing(Fixture *fixture, gconstpointer data)
{
    Answer waiting = {0}, unknown = {0};

    MATCH(fixture, "a");
    pop_spool_move(fixture->spool, 1, POP_PLACE_TRASH, answer_done, &waiting);
    pop_spool_move(fixture->spool, 7, POP_PLACE_TRASH, answer_done, &unknown);
    answer_error(&waiting, MAIL_ERROR_NOT_FOUND);
    answer_error(&unknown, MAIL_ERROR_NOT_FOUND);
}

static void clean(Fixture *fixture, gint64 when)
{
    Answer answer = {0};

    pop_spool_clean(fixture->spool, when, answer_done, &answer);
    answer_number(&answer);
}

static void test_clean(Fixture *fixture, gconstpointer data)
{
    gint64 start = now();

    MATCH(fixture, "a", "b");
    fixture_store(fixture, 1, "one");
    fixture_store(fixture, 2, "two");
    fixture_move(fixture, 1, POP_PLACE_TRASH);
    clean(fixture, start + 30 * DAY_S - 1);
    fixture_expect(fixture, 1, POP_PLACE_TRASH, "one");
    clean(fixture, now() + 30 * DAY_S);
    fixture_expect_list(fixture, "2 inbox");
    g_assert_cmpuint(fixture_count_files(fixture, "spool/.Trash/cur"), ==, 0);
    fixture_reopen(fixture);
    fixture_expect_list(fixture, "2 inbox");
    g_assert_cmpint(MATCH(fixture, "a", "b").matches[0].kind, ==, POP_MATCH_STORED);
    /* It does not come back while the server has it, nor for a while. */
    clean(fixture, now() + 900 * DAY_S);
    g_assert_nonnull(pop_spool_get(fixture->spool, 1));
    MATCH(fixture, "b");
    clean(fixture, now() + 89 * DAY_S);
    g_assert_nonnull(pop_spool_get(fixture->spool, 1));
    clean(fixture, now() + 90 * DAY_S);
    g_assert_null(pop_spool_get(fixture->spool, 1));
}

static void test_removed_does_not_come_back(Fixture *fixture, gconstpointer data)
{
    fixture_deliver(fixture, "a", "one");
    fixture_move(fixture, 1, POP_PLACE_TRASH);
    clean(fixture, now() + 30 * DAY_S);
    MATCH(fixture, "other");
    g_assert_cmpuint(fixture_store(fixture, 2, "one"), ==, 1);
    fixture_expect_list(fixture, "");
}

/* --- deleting at the server --- */

static void test_policies(Fixture *fixture, gconstpointer data)
{
    gint64 start = now();

    MATCH(fixture, "a", "b", "c", "d");
    fixture_store(fixture, 1, "one");
    fixture_store(fixture, 2, "two");
    fixture_store(fixture, 3, "three");
    fixture_move(fixture, 2, POP_PLACE_READ);
    fixture_move(fixture, 3, POP_PLACE_TRASH);
    for (guint32 number = 1; number <= 3; number++) {
        g_assert_true(pop_spool_may_delete(fixture->spool, number, 0, now()));
        g_assert_false(pop_spool_may_delete(fixture->spool, number, 7, start + 7 * DAY_S - 1));
        g_assert_true(pop_spool_may_delete(fixture->spool, number, 7, now() + 7 * DAY_S));
        g_assert_false(pop_spool_may_delete(fixture->spool, number, POP_KEEP_FOREVER, G_MAXINT64));
    }
    g_assert_false(pop_spool_may_delete(fixture->spool, 4, 0, now()));
    g_assert_false(pop_spool_may_delete(fixture->spool, 5, 0, now()));
}

static void test_file_is_not_there(Fixture *fixture, gconstpointer data)
{
    g_autofree char *file = NULL;

    fixture_deliver(fixture, "a", "one");
    file = fixture_only_file(fixture, "spool/new");
    g_assert_cmpint(g_unlink(file), ==, 0);
    g_assert_false(pop_spool_may_delete(fixture->spool, 1, 0, now()));
}

/* As it was in the trash for long enough; what was lost may be wanted back. */
static void test_policy_of_what_is_gone(Fixture *fixture, gconstpointer data)
{
    g_autofree char *file = NULL;
    gint64 later;

    MATCH(fixture, "a", "b");
    fixture_store(fixture, 1, "one");
    fixture_store(fixture, 2, "two");
    fixture_move(fixture, 1, POP_PLACE_TRASH);
    file = fixture_only_file(fixture, "spool/new");
    g_assert_cmpint(g_unlink(file), ==, 0);
    g_assert_true(fixture_refresh(fixture));
    later = now() + 30 * DAY_S;
    clean(fixture, later);
    for (guint32 number = 1; number <= 2; number++)
        g_assert_cmpint(pop_spool_get(fixture->spool, number)->place, ==, POP_PLACE_GONE);
    g_assert_true(pop_spool_may_delete(fixture->spool, 1, 30, later));
    g_assert_false(pop_spool_may_delete(fixture->spool, 1, 31, later));
    g_assert_false(pop_spool_may_delete(fixture->spool, 1, 0, now()));
    g_assert_false(pop_spool_may_delete(fixture->spool, 2, 30, later));
    MATCH(fixture, "b");
    MATCH(fixture, "a", "b");
    g_assert_false(pop_spool_may_delete(fixture->spool, 1, 30, later));
}

static void note_deleted(Fixture *fixture, guint32 number, gboolean is_confirmed)
{
    Answer answer = {0};

    pop_spool_note_deleted(fixture->spool, &number, 1, is_confirmed, answer_done, &answer);
    answer_number(&answer);
}

static void test_deleted(Fixture *fixture, gconstpointer data)
{
    MATCH(fixture, "a", "b", "c");
    fixture_store(fixture, 1, "one");
    fixture_store(fixture, 2, "two");
    fixture_store(fixture, 3, "three");
    note_deleted(fixture, 1, TRUE);
    note_deleted(fixture, 2, FALSE);
    note_deleted(fixture, 3, FALSE);
    fixture_reopen(fixture);
    g_assert_cmpint(pop_spool_get(fixture->spool, 1)->presence, ==, POP_ABSENT);
    g_assert_cmpint(pop_spool_get(fixture->spool, 2)->presence, ==, POP_UNSURE);
    g_assert_false(pop_spool_may_delete(fixture->spool, 1, 0, now()));
    g_assert_false(pop_spool_may_delete(fixture->spool, 2, 0, now()));
    /* The server may have deleted it, and given its UIDL to another message. */
    g_assert_cmpint(MATCH(fixture, "b").matches[0].kind, ==, POP_MATCH_DOUBTFUL);
    g_assert_false(pop_spool_may_delete(fixture->spool, 2, 0, now()));
    g_assert_cmpint(pop_spool_get(fixture->spool, 3)->presence, ==, POP_ABSENT);
    g_assert_cmpuint(fixture_store(fixture, 2, "two"), ==, 2);
    g_assert_true(pop_spool_may_delete(fixture->spool, 2, 0, now()));
    fixture_expect_list(fixture, "1 inbox, 2 inbox, 3 inbox");
}

/* What came under a doubtful number is proved, or comes again. */
static void test_doubt(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GBytes) header = g_bytes_new_static("S: x\r\n", 6);
    const guint32 numbers[] = {1, 2, 3, 77};
    Answer answer = {0};

    MATCH(fixture, "a", "b");
    fixture_store(fixture, 1, "one");
    pop_spool_put_header(fixture->spool, 2, 1, header, answer_done, &answer);
    answer_number(&answer);
    fixture_store(fixture, POP_NUMBER_OF_CONTENT, "of nobody");
    fixture_reopen(fixture);
    g_assert_true(pop_spool_get(fixture->spool, 2)->has_header);
    answer = (Answer){0};
    pop_spool_note_doubt(fixture->spool, numbers, G_N_ELEMENTS(numbers), answer_done, &answer);
    answer_wait(&answer);
    g_assert_false(pop_spool_get(fixture->spool, 2)->has_header);
    fixture_reopen(fixture);
    g_assert_false(pop_spool_get(fixture->spool, 2)->has_header);
    g_assert_null(pop_spool_dup_header(fixture->spool, 2));
    g_assert_cmpint(pop_spool_get(fixture->spool, 3)->presence, ==, POP_ABSENT);
    answer = MATCH(fixture, "a", "b");
    expect_match(&answer, 0, POP_MATCH_DOUBTFUL, 1);
    expect_match(&answer, 1, POP_MATCH_WAITING, 2);
    g_assert_false(pop_spool_may_delete(fixture->spool, 1, 0, now()));
}

/* --- figures, and the end --- */

static void test_figures(Fixture *fixture, gconstpointer data)
{
    PopFigures figures;

    MATCH(fixture, "a", "b", "c");
    fixture_store(fixture, 1, "12345");
    fixture_store(fixture, 2, "1234567");
    fixture_move(fixture, 2, POP_PLACE_READ);
    pop_spool_figures(fixture->spool, &figures);
    g_assert_cmpuint(figures.n[POP_PLACE_WAITING], ==, 1);
    g_assert_cmpuint(figures.bytes[POP_PLACE_WAITING], ==, 1000);
    g_assert_cmpuint(figures.n[POP_PLACE_INBOX], ==, 1);
    g_assert_cmpuint(figures.bytes[POP_PLACE_INBOX], ==, 5);
    g_assert_cmpuint(figures.n[POP_PLACE_READ], ==, 1);
    g_assert_cmpuint(figures.bytes[POP_PLACE_READ], ==, 7);
    g_assert_null(figures.failure);
}

static void test_close_with_work(Fixture *fixture, gconstpointer data)
{
    Answer move = {0}, receive = {0};

    fixture_deliver(fixture, "a", "one");
    pop_spool_move(fixture->spool, 1, POP_PLACE_READ, answer_done, &move);
    fixture_receive(fixture, POP_NUMBER_OF_CONTENT, "two", 3, &receive);
    fixture_close(fixture);
    answer_error(&move, MAIL_ERROR_CANCELLED);
    answer_error(&receive, MAIL_ERROR_CANCELLED);
    fixture_open(fixture);
    fixture_expect_list(fixture, "1 inbox");
    g_assert_cmpuint(fixture_count_files(fixture, "spool/tmp"), ==, 0);
}

/* What is at work ends. */
static void test_close_at_work(Fixture *fixture, gconstpointer data)
{
    Answer first = {0}, second = {0};

    fixture_deliver(fixture, "a", "one");
    pop_spool_move(fixture->spool, 1, POP_PLACE_READ, answer_done, &first);
    g_main_context_iteration(NULL, FALSE);
    pop_spool_move(fixture->spool, 1, POP_PLACE_TRASH, answer_done, &second);
    fixture_close(fixture);
    g_assert_cmpuint(answer_number(&first), ==, 1);
    answer_error(&second, MAIL_ERROR_CANCELLED);
    while (g_main_context_iteration(NULL, FALSE))
        continue;
    g_assert_cmpuint(first.n, ==, 1);
    fixture_open(fixture);
    fixture_expect_list(fixture, "1 read");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    FIXTURE_TEST("/pop/spool/modes", test_modes);
    FIXTURE_TEST("/pop/spool/lock", test_lock);
    FIXTURE_TEST("/pop/spool/no-directory", test_no_directory);
    FIXTURE_TEST("/pop/spool/octets", test_octets);
    FIXTURE_TEST("/pop/spool/given-up", test_given_up);
    FIXTURE_TEST("/pop/spool/changed-file", test_changed_file);
    FIXTURE_TEST("/pop/spool/match", test_match);
    FIXTURE_TEST("/pop/spool/numbers-are-never-used-again", test_numbers_are_never_used_again);
    FIXTURE_TEST("/pop/spool/ambiguous", test_ambiguous);
    FIXTURE_TEST("/pop/spool/content-tells", test_content_tells);
    FIXTURE_TEST("/pop/spool/content-tells-at-once", test_content_tells_at_once);
    FIXTURE_TEST("/pop/spool/waiting-becomes-ambiguous", test_waiting_becomes_ambiguous);
    FIXTURE_TEST("/pop/spool/header", test_header);
    FIXTURE_TEST("/pop/spool/date-before-time", test_date_before_time);
    FIXTURE_TEST("/pop/spool/all-uidls-changed", test_all_uidls_changed);
    FIXTURE_TEST("/pop/spool/new-may-be-stored", test_new_may_be_stored);
    FIXTURE_TEST("/pop/spool/same-content-twice", test_same_content_twice);
    FIXTURE_TEST("/pop/spool/uidl-of-another-message", test_uidl_of_another_message);
    FIXTURE_TEST("/pop/spool/comes-back", test_comes_back);
    FIXTURE_TEST("/pop/spool/not-listed-any-more", test_not_listed_any_more);
    FIXTURE_TEST("/pop/spool/moves", test_moves);
    FIXTURE_TEST("/pop/spool/flags", test_flags);
    FIXTURE_TEST("/pop/spool/move-nothing", test_move_nothing);
    FIXTURE_TEST("/pop/spool/clean", test_clean);
    FIXTURE_TEST("/pop/spool/removed-does-not-come-back", test_removed_does_not_come_back);
    FIXTURE_TEST("/pop/spool/policies", test_policies);
    FIXTURE_TEST("/pop/spool/file-is-not-there", test_file_is_not_there);
    FIXTURE_TEST("/pop/spool/policy-of-what-is-gone", test_policy_of_what_is_gone);
    FIXTURE_TEST("/pop/spool/deleted", test_deleted);
    FIXTURE_TEST("/pop/spool/doubt", test_doubt);
    FIXTURE_TEST("/pop/spool/figures", test_figures);
    FIXTURE_TEST("/pop/spool/close-with-work", test_close_with_work);
    FIXTURE_TEST("/pop/spool/close-at-work", test_close_at_work);
    return g_test_run();
}

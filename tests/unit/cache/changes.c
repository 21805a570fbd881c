/* SPDX-License-Identifier: MIT */
/* tests/unit/cache/changes.c - what users do: shown at once, kept in the journal, done once. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

#define TEXT "Subject: hello\r\n\r\nworld\r\n"

/* Two mailboxes, in which all is allowed: INBOX with @n messages, and Archive without. */
typedef struct {
    guint32 inbox, archive, generation;
} Boxes;

static const CacheRights all_rights = {
    .may_insert = TRUE,
    .may_remove = TRUE,
    .permanent = ~(MailFlags)0,
    .may_invent = TRUE,
};

/* As after a look at both. */
static void set_rights(Fixture *fixture, const Boxes *boxes)
{
    cache_put_synced(fixture->cache, boxes->inbox, 4, 100, TRUE, 0);
    cache_put_synced(fixture->cache, boxes->archive, 1, 1, TRUE, 0);
    cache_put_rights(fixture->cache, boxes->inbox, &all_rights);
    cache_put_rights(fixture->cache, boxes->archive, &all_rights);
    fixture_settle();
    g_string_truncate(fixture->news, 0);
}

static Boxes put_boxes(Fixture *fixture, guint32 n)
{
    Boxes boxes = {.inbox = fixture_put_inbox(fixture, n, 100)};

    fixture_put_boxes(fixture, "INBOX", "Archive", NULL);
    boxes.archive = fixture_find_box(fixture, "Archive");
    boxes.generation = fixture_generation(fixture, boxes.inbox);
    cache_box_replace(fixture->cache, boxes.archive, 9, NULL);
    set_rights(fixture, &boxes);
    return boxes;
}

/* --- what is shown --- */

static MailFlags shown_flags(Fixture *fixture, guint32 generation, guint32 uid)
{
    CacheMessage message;

    g_assert_true(cache_get_message(fixture->cache, generation, uid, &message));
    return message.flags;
}

/* The UIDs that a listing of @box shows, from the newest down: "3 1 ". */
static char *list(Fixture *fixture, guint32 box)
{
    GString *out = g_string_new(NULL);
    guint32 before = 0;
    guint64 want;
    CacheMessage message;
    MailEnvelope *envelope;

    while (cache_next_message(fixture->cache, box, before, &message, &envelope, &want, NULL) ==
           CACHE_FOUND) {
        g_string_append_printf(out, "%u ", message.uid);
        mail_envelope_unref(envelope);
        before = message.uid;
        if (before == 1)
            break;
    }
    return g_string_free(out, FALSE);
}

static void assert_listed(Fixture *fixture, guint32 box, const char *expected)
{
    g_autofree char *listed = list(fixture, box);

    g_assert_cmpstr(listed, ==, expected);
}

static const CacheChange *first_change(Fixture *fixture)
{
    return g_queue_peek_head((GQueue *)cache_changes(fixture->cache));
}

/* --- flags --- */

static guint32 flag(Fixture *fixture, guint32 generation, guint32 uid, MailFlags add,
                    MailFlags remove)
{
    g_autoptr(GError) error = NULL;
    guint32 id = 0;
    guint64 want;

    g_assert_cmpint(
        cache_change_flags(fixture->cache, generation, uid, add, remove, &id, &want, &error), ==,
        CACHE_FOUND);
    g_assert_no_error(error);
    return id;
}

static void test_flags(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    guint32 id;

    /* Message 1 has \Flagged. */
    id = flag(fixture, boxes.generation, 1, MAIL_FLAG_SEEN, MAIL_FLAG_FLAGGED);
    g_assert_cmpuint(shown_flags(fixture, boxes.generation, 1), ==, MAIL_FLAG_SEEN);
    fixture_expect_news(fixture, "flags-1 listing ");
    /* One that was not sent is changed. */
    g_assert_cmpuint(flag(fixture, boxes.generation, 1, MAIL_FLAG_ANSWERED, MAIL_FLAG_SEEN), ==,
                     id);
    g_assert_cmpuint(cache_changes(fixture->cache)->length, ==, 1);
    g_assert_cmpuint(first_change(fixture)->add, ==, MAIL_FLAG_ANSWERED);
    g_assert_cmpuint(first_change(fixture)->remove, ==, MAIL_FLAG_FLAGGED | MAIL_FLAG_SEEN);
    /* What is so already is no change. */
    g_assert_cmpuint(flag(fixture, boxes.generation, 1, MAIL_FLAG_ANSWERED, MAIL_FLAG_DRAFT), ==,
                     0);
    cache_change_take(fixture->cache, id);
    g_assert_cmpuint(flag(fixture, boxes.generation, 1, MAIL_FLAG_SEEN, 0), !=, id);
    cache_change_done(fixture->cache, id, 0);
    g_assert_cmpuint(cache_changes(fixture->cache)->length, ==, 1);
    g_assert_cmpuint(shown_flags(fixture, boxes.generation, 1), ==,
                     MAIL_FLAG_ANSWERED | MAIL_FLAG_SEEN);
}

static void test_flags_are_refused(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    g_autoptr(GError) error = g_error_new(MAIL_ERROR, MAIL_ERROR_SERVER, "no"), told = NULL;
    guint32 id = flag(fixture, boxes.generation, 2, MAIL_FLAG_SEEN, 0);
    guint64 want;

    g_assert_cmpint(cache_change_settled(fixture->cache, id, &want, NULL), ==, CACHE_WAIT);
    cache_change_refused(fixture->cache, id, error);
    g_assert_cmpuint(shown_flags(fixture, boxes.generation, 2), ==, fixture_flags(2));
    fixture_expect_news(fixture, "flags-2 listing flags-2 refused-2 listing ");
    told = cache_box_take_refusal(fixture->cache, boxes.inbox);
    g_assert_error(told, MAIL_ERROR, MAIL_ERROR_SERVER);
    g_assert_null(cache_box_take_refusal(fixture->cache, boxes.inbox));
}

/* A comparison that began before the server took it may tell what was. */
static void test_late_flags(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    guint32 id = flag(fixture, boxes.generation, 1, MAIL_FLAG_SEEN, 0);
    gint64 began_us = g_get_monotonic_time();

    cache_change_done(fixture->cache, id, 0);
    cache_put_flags(fixture->cache, boxes.inbox, 1, 0);
    g_assert_cmpuint(shown_flags(fixture, boxes.generation, 1), ==, MAIL_FLAG_SEEN);
    cache_put_synced(fixture->cache, boxes.inbox, 4, 101, TRUE, began_us);
    g_assert_cmpuint(shown_flags(fixture, boxes.generation, 1), ==, MAIL_FLAG_SEEN);
    cache_put_synced(fixture->cache, boxes.inbox, 4, 102, TRUE, g_get_monotonic_time());
    g_assert_cmpuint(shown_flags(fixture, boxes.generation, 1), ==, 0);
}

/* --- rights --- */

static void expect_refusal(Fixture *fixture, const Boxes *boxes, MailFlags add, MailError expected)
{
    g_autoptr(GError) error = NULL;
    guint64 want;

    g_assert_cmpint(
        cache_change_flags(fixture->cache, boxes->generation, 1, add, 0, NULL, &want, &error), ==,
        CACHE_FAILED);
    g_assert_error(error, MAIL_ERROR, (int)expected);
    g_assert_cmpuint(cache_changes(fixture->cache)->length, ==, 0);
}

static void test_rights(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    MailFlags known = cache_keyword_flag(fixture->cache, "known"),
              other = cache_keyword_flag(fixture->cache, "other");
    CacheRights rights = all_rights;
    g_autoptr(GError) error = NULL;
    guint64 want;

    rights.permanent = MAIL_FLAG_SEEN | known;
    rights.may_invent = FALSE;
    cache_put_rights(fixture->cache, boxes.inbox, &rights);
    expect_refusal(fixture, &boxes, MAIL_FLAG_DELETED, MAIL_ERROR_UNSUPPORTED);
    expect_refusal(fixture, &boxes, other, MAIL_ERROR_UNSUPPORTED);
    flag(fixture, boxes.generation, 2, MAIL_FLAG_SEEN | known, 0);
    cache_change_done(fixture->cache, first_change(fixture)->id, 0);
    rights.is_read_only = TRUE;
    cache_put_rights(fixture->cache, boxes.inbox, &rights);
    expect_refusal(fixture, &boxes, MAIL_FLAG_SEEN, MAIL_ERROR_READ_ONLY);
    rights = all_rights;
    rights.may_remove = FALSE;
    cache_put_rights(fixture->cache, boxes.inbox, &rights);
    g_assert_cmpint(cache_change_expunge(fixture->cache, boxes.generation, 1, NULL, &want, &error),
                    ==, CACHE_FAILED);
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_PERMISSION);
}

static void test_rights_are_asked(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 1, 100);
    g_autofree char *wants = NULL;
    guint64 want;

    g_assert_cmpint(cache_change_flags(fixture->cache, fixture_generation(fixture, box), 1,
                                       MAIL_FLAG_SEEN, 0, NULL, &want, NULL),
                    ==, CACHE_WAIT);
    wants = fixture_wants(fixture);
    g_assert_cmpstr(wants, ==, "rights ");
}

/* --- moving --- */

static guint32 move(Fixture *fixture, const Boxes *boxes, guint32 uid)
{
    g_autofree char *name = g_strdup_printf("given-%u.eml", uid);
    g_autoptr(GError) error = NULL;
    guint32 id = 0;
    guint64 want;

    g_assert_cmpint(cache_change_move(fixture->cache, boxes->generation, uid, boxes->archive, name,
                                      &id, &want, &error),
                    ==, CACHE_FOUND);
    g_assert_no_error(error);
    return id;
}

static void note_sent(Fixture *fixture, guint32 id, guint32 uidvalidity, guint32 uidnext);

static void test_move(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    guint32 id = move(fixture, &boxes, 2), generation = boxes.generation, uid = 2, forward = 0;
    CacheMessage message;
    guint64 want;

    fixture_expect_news(fixture, "going-2 listing listing ");
    assert_listed(fixture, boxes.inbox, "3 1 ");
    g_assert_cmpint(cache_find_message(fixture->cache, boxes.inbox, 2, &message, &want, NULL), ==,
                    CACHE_ABSENT);
    /* Whoever has it open reads on. */
    g_assert_true(cache_get_message(fixture->cache, boxes.generation, 2, &message));
    g_assert_cmpuint(cache_arrival_find(fixture->cache, boxes.archive, "given-2.eml"), ==, id);
    g_assert_cmpuint(cache_arrival_next(fixture->cache, boxes.archive, 0)->id, ==, id);
    g_assert_null(cache_arrival_next(fixture->cache, boxes.archive, id));
    note_sent(fixture, id, 9, 5);
    cache_change_done(fixture->cache, id, 5);
    assert_listed(fixture, boxes.archive, "5 ");
    assert_listed(fixture, boxes.inbox, "3 1 ");
    g_assert_null(cache_arrival_next(fixture->cache, boxes.archive, 0));
    g_assert_cmpuint(cache_arrival_find(fixture->cache, boxes.archive, "given-2.eml"), ==, id);
    g_assert_true(cache_forward(fixture->cache, &generation, &uid, &forward));
    g_assert_cmpuint(forward, ==, id);
    g_assert_cmpuint(generation, ==, fixture_generation(fixture, boxes.archive));
    g_assert_cmpuint(uid, ==, 5);
}

/* The listing connection may not have heard of it: the message does not come back, nor go. */
static void test_move_and_late_lists(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    guint32 id = move(fixture, &boxes, 2);
    gint64 began_us = g_get_monotonic_time();
    g_autoptr(MailSet) none = mail_set_new();

    note_sent(fixture, id, 9, 5);
    cache_change_done(fixture->cache, id, 5);
    fixture_put_range(fixture, boxes.inbox, 1, 3);
    cache_put_synced(fixture->cache, boxes.inbox, 4, 101, TRUE, began_us);
    cache_put_uids(fixture->cache, boxes.archive, none);
    cache_put_synced(fixture->cache, boxes.archive, 5, 101, TRUE, began_us);
    assert_listed(fixture, boxes.inbox, "3 1 ");
    assert_listed(fixture, boxes.archive, "5 ");
    cache_put_synced(fixture->cache, boxes.archive, 5, 101, TRUE, g_get_monotonic_time());
    cache_put_uids(fixture->cache, boxes.archive, none);
    assert_listed(fixture, boxes.archive, "");
}

static void test_move_is_refused(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    guint32 id = move(fixture, &boxes, 2), generation = boxes.generation, uid = 2;
    g_autoptr(GError) error = g_error_new(MAIL_ERROR, MAIL_ERROR_QUOTA, "full");

    cache_change_refused(fixture->cache, id, error);
    assert_listed(fixture, boxes.inbox, "3 2 1 ");
    g_assert_cmpuint(cache_arrival_find(fixture->cache, boxes.archive, "given-2.eml"), ==, 0);
    g_assert_false(cache_forward(fixture->cache, &generation, &uid, &id));
}

static void gather(guint32 box, const char *name, gpointer names)
{
    g_string_append_printf(names, "%s ", name);
}

static void test_given_names_end(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    g_autoptr(GString) names = g_string_new(NULL);
    guint32 id = move(fixture, &boxes, 2);

    cache_arrivals_settle(fixture->cache, boxes.archive, gather, names);
    g_assert_cmpstr(names->str, ==, "");
    note_sent(fixture, id, 9, 5);
    cache_change_done(fixture->cache, id, 5);
    cache_arrivals_settle(fixture->cache, boxes.archive, gather, names);
    g_assert_cmpstr(names->str, ==, "given-2.eml ");
    g_assert_cmpuint(cache_arrival_find(fixture->cache, boxes.archive, "given-2.eml"), ==, 0);
}

/* A message that went on and on is found from where it was first. */
static void test_forward_twice(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    guint32 first = move(fixture, &boxes, 2), second = 0, generation = boxes.generation, uid = 2;
    guint32 archive = fixture_generation(fixture, boxes.archive);
    guint64 want;

    note_sent(fixture, first, 9, 5);
    cache_change_done(fixture->cache, first, 5);
    g_assert_cmpint(cache_change_move(fixture->cache, generation, uid, boxes.inbox, "back.eml",
                                      &second, &want, NULL),
                    ==, CACHE_FOUND);
    note_sent(fixture, second, 7, 4);
    cache_change_done(fixture->cache, second, 4);
    assert_listed(fixture, boxes.inbox, "4 3 1 ");
    g_assert_true(cache_forward(fixture->cache, &generation, &uid, &second));
    g_assert_cmpuint(generation, ==, boxes.generation);
    g_assert_cmpuint(uid, ==, 4);
    generation = archive;
    uid = 5;
    g_assert_true(cache_forward(fixture->cache, &generation, &uid, &second));
    g_assert_cmpuint(uid, ==, 4);
}

/* --- the journal --- */

typedef struct {
    guint n;
    GError *error;
} Noted;

static void on_noted(const GError *error, gpointer data)
{
    ((Noted *)data)->n++;
    ((Noted *)data)->error = error ? g_error_copy(error) : NULL;
}

static void note_sent(Fixture *fixture, guint32 id, guint32 uidvalidity, guint32 uidnext)
{
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof id);
    Noted noted = {0};

    g_array_append_val(ids, id);
    cache_changes_note_sent(fixture->cache, ids, uidvalidity, uidnext, on_noted, &noted);
    g_assert_cmpuint(noted.n, ==, 0);
    while (!noted.n)
        g_main_context_iteration(NULL, TRUE);
    g_assert_no_error(noted.error);
}

static void test_survives(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    MailFlags keyword = cache_keyword_flag(fixture->cache, "work");
    guint32 first = flag(fixture, boxes.generation, 1, keyword, 0), second, later;

    second = move(fixture, &boxes, 2);
    note_sent(fixture, second, 9, 77);
    fixture_reopen(fixture);
    set_rights(fixture, &boxes);
    g_assert_cmpuint(cache_changes(fixture->cache)->length, ==, 2);
    g_assert_cmpuint(first_change(fixture)->id, ==, first);
    g_assert_true(shown_flags(fixture, boxes.generation, 1) & keyword);
    g_assert_cmpuint(cache_change(fixture->cache, second)->sent_uidnext, ==, 77);
    g_assert_cmpuint(cache_change(fixture->cache, second)->sent_uidvalidity, ==, 9);
    g_assert_false(cache_change(fixture->cache, second)->is_taken);
    assert_listed(fixture, boxes.inbox, "3 1 ");
    g_assert_cmpuint(cache_arrival_find(fixture->cache, boxes.archive, "given-2.eml"), ==, second);
    later = flag(fixture, boxes.generation, 3, MAIL_FLAG_DRAFT, 0);
    g_assert_cmpuint(later, >, second);
    cache_change_done(fixture->cache, first, 0);
    cache_change_done(fixture->cache, second, 0);
    cache_change_done(fixture->cache, later, 0);
    fixture_reopen(fixture);
    g_assert_cmpuint(cache_changes(fixture->cache)->length, ==, 0);
}

static void remove_file(Fixture *fixture, const char *name)
{
    g_autofree char *path = fixture_path(fixture, name);

    g_assert_true(unlink(path) == 0 || errno == ENOENT);
}

/* The index is thrown away: the changes find their mailboxes and messages again. */
static void test_survives_the_index(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    g_autofree char *wants = NULL;
    MailFlags keyword;
    guint32 id, box;

    cache_keyword_flag(fixture->cache, "first");
    keyword = cache_keyword_flag(fixture->cache, "work");
    id = flag(fixture, boxes.generation, 1, keyword, 0);
    fixture_close(fixture);
    remove_file(fixture, "index.sqlite");
    remove_file(fixture, "index.sqlite-wal");
    fixture_open(fixture);
    cache_set_state(fixture->cache, CACHE_STALLED, NULL);
    fixture_put_boxes(fixture, "INBOX", "Archive", NULL);
    g_assert_true(cache_change(fixture->cache, id)->is_taken);
    /* Its mailbox is looked at as soon as that can be. */
    cache_set_state(fixture->cache, CACHE_ONLINE, NULL);
    wants = fixture_wants(fixture);
    g_assert_cmpstr(wants, ==, "sync ");
    box = fixture_put_inbox(fixture, 3, 100);
    g_assert_cmpuint(cache_change(fixture->cache, id)->box, ==, box);
    g_assert_false(cache_change(fixture->cache, id)->is_taken);
    keyword = cache_keyword_flag(fixture->cache, "work");
    g_assert_true(shown_flags(fixture, fixture_generation(fixture, box), 1) & keyword);
}

static void test_mailbox_is_replaced(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    guint32 id = move(fixture, &boxes, 2);

    cache_box_replace(fixture->cache, boxes.inbox, 8, NULL);
    g_assert_cmpuint(cache_changes(fixture->cache)->length, ==, 0);
    g_assert_true(cache_change(fixture->cache, id)->is_done);
    g_assert_cmpuint(cache_change(fixture->cache, id)->new_uid, ==, 0);
}

/* --- new data --- */

#define spawn(...) run_program((const char *[]){__VA_ARGS__, NULL})

static void run_program(const char **words)
{
    g_autoptr(GError) error = NULL;
    int status = -1;

    g_spawn_sync(NULL, (char **)words, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status,
                 &error);
    g_assert_no_error(error);
    g_assert_cmpint(status, ==, 0);
}

static guint32 append(Fixture *fixture, const Boxes *boxes, const char *name)
{
    g_autoptr(GError) error = NULL;
    guint32 id = 0;
    guint64 want;
    int draft = cache_draft_new(fixture->cache, &id, &error), out;

    g_assert_no_error(error);
    close(draft);
    out = cache_draft_open_data(fixture->cache, id, &error);
    g_assert_no_error(error);
    g_assert_cmpint(write(out, TEXT, strlen(TEXT)), ==, strlen(TEXT));
    close(out);
    g_assert_cmpint(cache_change_append(fixture->cache, id, boxes->archive, name, MAIL_FLAG_SEEN,
                                        G_MININT64, 0, 0, &want, &error),
                    ==, CACHE_FOUND);
    g_assert_no_error(error);
    cache_draft_free(fixture->cache, id);
    return id;
}

static char *state_path(const Fixture *fixture, const char *name)
{
    return g_build_filename(fixture->options.state_dir, "imap.me@example.org.993", name, NULL);
}

static void test_append(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    guint32 id = append(fixture, &boxes, "new.eml");
    g_autoptr(GPtrArray) slices = cache_slices_new();
    g_autoptr(GBytes) bytes = NULL, read = NULL;
    guint64 want;

    while (cache_change_is_synced(fixture->cache, id, &want, NULL) == CACHE_WAIT)
        g_main_context_iteration(NULL, TRUE);
    fixture_reopen(fixture);
    set_rights(fixture, &boxes);
    g_assert_cmpuint(cache_arrival_find(fixture->cache, boxes.archive, "new.eml"), ==, id);
    g_assert_cmpuint(cache_change(fixture->cache, id)->size, ==, strlen(TEXT));
    bytes = cache_change_data(fixture->cache, id, NULL);
    g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), TEXT, strlen(TEXT));
    g_assert_true(cache_arrival_read(fixture->cache, id, 9, 5, slices, NULL));
    read = fixture_join(slices);
    g_assert_cmpmem(g_bytes_get_data(read, NULL), g_bytes_get_size(read), "hello", 5);
    note_sent(fixture, id, 9, 3);
    cache_change_done(fixture->cache, id, 3);
    fixture_reopen(fixture);
    g_assert_null(cache_change_data(fixture->cache, id, NULL));
    g_assert_null(cache_lost_next(fixture->cache, 0));
}

static void assert_dated(Fixture *fixture, guint32 id, gint64 date, gint64 expected)
{
    g_assert_true(cache_arrival_date(fixture->cache, id, date, NULL));
    g_assert_cmpint(cache_change(fixture->cache, id)->date, ==, expected);
}

/* Until it is on its way; and what was sent is looked for by the date that it was sent with. */
static void test_append_date(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    guint32 id = append(fixture, &boxes, "new.eml");

    assert_dated(fixture, id, 1000000, 1000000);
    fixture_reopen(fixture);
    set_rights(fixture, &boxes);
    g_assert_cmpint(cache_change(fixture->cache, id)->date, ==, 1000000);
    cache_change_take(fixture->cache, id);
    assert_dated(fixture, id, 2000000, 1000000);
    cache_change_put_back(fixture->cache, id);
    assert_dated(fixture, id, 3000000, 3000000);
    cache_change_take(fixture->cache, id);
    note_sent(fixture, id, 9, 3);
    cache_change_put_back(fixture->cache, id);
    assert_dated(fixture, id, 4000000, 3000000);
    cache_change_done(fixture->cache, id, 3);
    assert_dated(fixture, id, 5000000, 3000000);
}

/* Only what is appended has a date of its own. */
static void test_move_date(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);

    assert_dated(fixture, move(fixture, &boxes, 2), 1000000, G_MININT64);
    g_assert_true(cache_arrival_date(fixture->cache, 4711, 1000000, NULL));
}

/* Numbers of another index are given out again: what counts is the name. */
static void test_survives_the_numbers(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    guint32 id = append(fixture, &boxes, "new.eml"), archive;

    fixture_close(fixture);
    remove_file(fixture, "index.sqlite");
    remove_file(fixture, "index.sqlite-wal");
    remove_file(fixture, "numbers");
    fixture_open(fixture);
    fixture_put_boxes(fixture, "Work", "Drafts", "Sent", "INBOX", "Archive", NULL);
    archive = fixture_find_box(fixture, "Archive");
    g_assert_cmpuint(archive, !=, boxes.archive);
    g_assert_nonnull(cache_box(fixture->cache, boxes.archive));
    g_assert_cmpuint(cache_change(fixture->cache, id)->target, ==, archive);
    g_assert_cmpuint(cache_arrival_find(fixture->cache, archive, "new.eml"), ==, id);
    g_assert_cmpuint(cache_arrival_find(fixture->cache, boxes.archive, "new.eml"), ==, 0);
    /* Where there is none of that name any more, nothing is lost. */
    fixture_put_boxes(fixture, "Work", "Drafts", "Sent", "INBOX", NULL);
    g_assert_cmpuint(cache_lost_next(fixture->cache, 0)->id, ==, id);
}

/* What cannot be put there stays in the journal. */
static void test_lost_and_found_is_closed(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    g_autoptr(GError) error = g_error_new(MAIL_ERROR, MAIL_ERROR_QUOTA, "full");
    g_autofree char *folder = state_path(fixture, "lost+found");
    g_autoptr(GBytes) bytes = NULL;
    guint32 id = append(fixture, &boxes, "new.eml");

    g_assert_cmpint(rmdir(folder), ==, 0);
    cache_change_refused(fixture->cache, id, error);
    g_assert_null(cache_lost_next(fixture->cache, 0));
    fixture_reopen(fixture);
    bytes = cache_change_data(fixture->cache, id, NULL);
    g_assert_nonnull(bytes);
    g_assert_false(cache_change(fixture->cache, id)->is_done);
}

/* Whoever copies and removes has one message left. */
static void test_copy_is_refused(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    g_autoptr(GError) error = g_error_new(MAIL_ERROR, MAIL_ERROR_QUOTA, "full");
    guint32 id = 0, removal = 0;
    guint64 want;

    close(cache_draft_new(fixture->cache, &id, NULL));
    g_assert_cmpint(cache_change_copy(fixture->cache, boxes.generation, 2, boxes.archive, "a.eml",
                                      id, &want, NULL),
                    ==, CACHE_FOUND);
    g_assert_cmpint(
        cache_change_expunge(fixture->cache, boxes.generation, 2, &removal, &want, NULL), ==,
        CACHE_FOUND);
    flag(fixture, boxes.generation, 1, MAIL_FLAG_DELETED, 0);
    cache_change_take(fixture->cache, id);
    cache_change_refused(fixture->cache, id, error);
    g_assert_true(cache_change(fixture->cache, removal)->is_refused);
    g_assert_cmpuint(cache_changes(fixture->cache)->length, ==, 1);
    assert_listed(fixture, boxes.inbox, "3 2 1 ");
}

static void test_append_is_refused(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    g_autoptr(GError) error = g_error_new(MAIL_ERROR, MAIL_ERROR_QUOTA, "full");
    g_autoptr(GPtrArray) slices = cache_slices_new();
    guint32 id = append(fixture, &boxes, "new.eml"), other;
    Waker waker = {0};
    guint64 want;

    cache_change_refused(fixture->cache, id, error);
    fixture_reopen(fixture);
    set_rights(fixture, &boxes);
    g_assert_cmpuint(cache_lost_next(fixture->cache, 0)->id, ==, id);
    g_assert_cmpstr(cache_lost_next(fixture->cache, 0)->name, ==, "new.eml");
    g_assert_cmpstr(cache_lost_next(fixture->cache, 0)->reason, ==, "full");
    g_assert_cmpuint(cache_lost_next(fixture->cache, 0)->size, ==, strlen(TEXT));
    g_assert_true(cache_lost_read(fixture->cache, id, 0, 100, slices, NULL));
    cache_lost_remove(fixture->cache, id);
    g_assert_null(cache_lost_next(fixture->cache, 0));
    /* Who waits is told. */
    other = append(fixture, &boxes, "other.eml");
    g_assert_cmpint(cache_change_settled(fixture->cache, other, &want, NULL), ==, CACHE_WAIT);
    cache_wait(fixture->cache, want, waker_wake, &waker);
    cache_change_refused(fixture->cache, other, error);
    fixture_settle();
    g_assert_error(waker.error, MAIL_ERROR, MAIL_ERROR_QUOTA);
    g_clear_error(&waker.error);
    g_assert_cmpuint(cache_lost_next(fixture->cache, 0)->id, ==, other);
}

/* What would be there if we had been killed just now. */
static void go_back_to(Fixture *fixture, const char *copy)
{
    g_autofree char *dir = state_path(fixture, "");

    fixture_close(fixture);
    spawn("rm", "-r", dir);
    spawn("cp", "-a", copy, dir);
    fixture_open(fixture);
}

static char *copy_state(Fixture *fixture)
{
    g_autofree char *dir = state_path(fixture, "");
    char *copy = g_build_filename(fixture->root, "copy", NULL);

    spawn("cp", "-a", dir, copy);
    return copy;
}

/* There is never a record without its data. */
static void test_killed_when_done(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    guint32 id = append(fixture, &boxes, "new.eml");
    g_autofree char *copy = NULL;
    g_autoptr(GBytes) bytes = NULL;

    note_sent(fixture, id, 9, 3);
    cache_change_done(fixture->cache, id, 3);
    copy = copy_state(fixture);
    go_back_to(fixture, copy);
    if (cache_change(fixture->cache, id)) {
        bytes = cache_change_data(fixture->cache, id, NULL);
        g_assert_nonnull(bytes);
    }
    g_assert_null(cache_lost_next(fixture->cache, 0));
}

static void test_killed_when_refused(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    guint32 id = append(fixture, &boxes, "new.eml");
    g_autofree char *from = g_strdup_printf("data/%u", id),
                    *to = g_strdup_printf("lost+found/%u", id), *old = state_path(fixture, from),
                    *new = state_path(fixture, to);
    g_autoptr(GBytes) bytes = NULL;

    fixture_close(fixture);
    g_assert_cmpint(rename(old, new), ==, 0);
    fixture_open(fixture);
    bytes = cache_change_data(fixture->cache, id, NULL);
    g_assert_nonnull(bytes);
    g_assert_null(cache_lost_next(fixture->cache, 0));
}

static void put_limits(Fixture *fixture, const Boxes *boxes, guint64 of_account, guint64 of_box)
{
    CacheRights rights = all_rights;

    rights.append_limit = of_box;
    cache_put_rights(fixture->cache, boxes->archive, &rights);
    cache_put_append_limit(fixture->cache, of_account);
}

/* The smaller one of the account's and the mailbox's holds, 0 being none. */
static void test_append_limit(Fixture *fixture, gconstpointer data)
{
    const guint64 len = strlen(TEXT);
    const guint64 narrow[][2] = {{len - 1, 0}, {0, len - 1}, {len - 1, len}, {len, len - 1}};
    const guint64 wide[][2] = {{0, 0}, {len, 0}, {0, len}, {len, G_MAXUINT64}};
    Boxes boxes = put_boxes(fixture, 3);
    guint32 id = append(fixture, &boxes, "first.eml");
    guint64 want;

    for (gsize i = 0; i < G_N_ELEMENTS(narrow); i++) {
        g_autoptr(GError) error = NULL;

        put_limits(fixture, &boxes, narrow[i][0], narrow[i][1]);
        g_assert_cmpint(cache_change_append(fixture->cache, id, boxes.archive, "over.eml", 0,
                                            G_MININT64, 0, 0, &want, &error),
                        ==, CACHE_FAILED);
        g_assert_error(error, MAIL_ERROR, MAIL_ERROR_TOO_BIG);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(wide); i++) {
        put_limits(fixture, &boxes, wide[i][0], wide[i][1]);
        append(fixture, &boxes, "fits.eml");
    }
}

/* A message in place of another, which the server must have before the other goes. */
static void test_replace(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    guint32 id = 0, generation = boxes.generation, uid = 2, forward;
    g_autofree char *wants = NULL;
    CacheMessage message;
    guint64 want;
    int fd = cache_draft_new(fixture->cache, &id, NULL);

    close(fd);
    fd = cache_draft_open_data(fixture->cache, id, NULL);
    g_assert_cmpint(write(fd, TEXT, strlen(TEXT)), ==, strlen(TEXT));
    close(fd);
    g_assert_cmpint(cache_change_append(fixture->cache, id, boxes.inbox, "draft.eml", 0, 5,
                                        generation, uid, &want, NULL),
                    ==, CACHE_FOUND);
    assert_listed(fixture, boxes.inbox, "3 1 ");
    g_assert_true(cache_forward(fixture->cache, &generation, &uid, &forward));
    g_assert_cmpuint(forward, ==, id);
    note_sent(fixture, id, 7, 4);
    cache_change_done(fixture->cache, id, 4);
    /* Its line is got when the connection that lists has heard of it. */
    g_assert_cmpint(cache_find_message(fixture->cache, boxes.inbox, 4, &message, &want, NULL), ==,
                    CACHE_WAIT);
    wants = fixture_wants(fixture);
    g_assert_cmpstr(wants, ==, "sync ");
    fixture_put_line(fixture, boxes.inbox, 4, strlen(TEXT));
    assert_listed(fixture, boxes.inbox, "4 3 1 ");
    g_assert_true(cache_forward(fixture->cache, &generation, &uid, &forward));
    g_assert_cmpuint(uid, ==, 4);
}

/* --- damage --- */

static void overwrite(const char *path, gsize off)
{
    FILE *file = fopen(path, "r+");

    g_assert_nonnull(file);
    fseek(file, (long)off, SEEK_SET);
    fwrite("garbage!", 1, 8, file);
    fclose(file);
}

/* A journal that cannot be read is kept, and so is the data that it told of. */
static void test_damaged(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    g_autofree char *path = g_build_filename(fixture->options.state_dir, "imap.me@example.org.993",
                                             "journal.sqlite", NULL);
    guint32 id = append(fixture, &boxes, "new.eml");

    fixture_close(fixture);
    overwrite(path, 0);
    fixture_open(fixture);
    g_assert_cmpuint(cache_changes(fixture->cache)->length, ==, 0);
    g_assert_cmpuint(cache_lost_next(fixture->cache, 0)->id, ==, id);
    set_rights(fixture, &boxes);
    g_assert_cmpuint(append(fixture, &boxes, "next.eml"), >, id);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    FIXTURE_TEST("/changes/flags", test_flags);
    FIXTURE_TEST("/changes/flags-are-refused", test_flags_are_refused);
    FIXTURE_TEST("/changes/late-flags", test_late_flags);
    FIXTURE_TEST("/changes/rights", test_rights);
    FIXTURE_TEST("/changes/rights-are-asked", test_rights_are_asked);
    FIXTURE_TEST("/changes/move", test_move);
    FIXTURE_TEST("/changes/move-and-late-lists", test_move_and_late_lists);
    FIXTURE_TEST("/changes/move-is-refused", test_move_is_refused);
    FIXTURE_TEST("/changes/given-names-end", test_given_names_end);
    FIXTURE_TEST("/changes/forward-twice", test_forward_twice);
    FIXTURE_TEST("/changes/survives", test_survives);
    FIXTURE_TEST("/changes/survives-the-index", test_survives_the_index);
    FIXTURE_TEST("/changes/mailbox-is-replaced", test_mailbox_is_replaced);
    FIXTURE_TEST("/changes/append", test_append);
    FIXTURE_TEST("/changes/append-date", test_append_date);
    FIXTURE_TEST("/changes/move-date", test_move_date);
    FIXTURE_TEST("/changes/append-is-refused", test_append_is_refused);
    FIXTURE_TEST("/changes/killed-when-done", test_killed_when_done);
    FIXTURE_TEST("/changes/killed-when-refused", test_killed_when_refused);
    FIXTURE_TEST("/changes/survives-the-numbers", test_survives_the_numbers);
    FIXTURE_TEST("/changes/lost-and-found-is-closed", test_lost_and_found_is_closed);
    FIXTURE_TEST("/changes/copy-is-refused", test_copy_is_refused);
    FIXTURE_TEST("/changes/append-limit", test_append_limit);
    FIXTURE_TEST("/changes/replace", test_replace);
    FIXTURE_TEST("/changes/damaged", test_damaged);
    return g_test_run();
}

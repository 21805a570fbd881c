/* SPDX-License-Identifier: MIT */
/* tests/unit/cache/reload.c - what an earlier run has left: changes find their mailboxes again,
 * whatever has become of these, of the index and of the journal; and nothing is lost. */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

#include "changing.h"

/* --- the journal --- */

static void do_sql(const Fixture *fixture, const char *sql)
{
    g_autofree char *path = state_path(fixture, "journal.sqlite");
    sqlite3 *db;

    g_assert_cmpint(sqlite3_open(path, &db), ==, SQLITE_OK);
    g_assert_cmpint(sqlite3_exec(db, sql, NULL, NULL, NULL), ==, SQLITE_OK);
    sqlite3_close(db);
}

static void overwrite_journal(const Fixture *fixture)
{
    g_autofree char *path = state_path(fixture, "journal.sqlite");
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    g_assert_cmpint(pwrite(fd, "garbage!", 8, 0), ==, 8);
    close(fd);
}

static gboolean has_data(Fixture *fixture, guint32 id)
{
    g_autoptr(GBytes) bytes = cache_change_data(fixture->cache, id, NULL);

    return bytes && g_bytes_get_size(bytes) == strlen(TEXT);
}

static void expect_no_cache(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(cache_open(fixture->account, &fixture->options, &error));
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_LOCAL);
    g_test_message("%s", error->message);
}

/* That SQLite cannot make its log says nothing of the journal. */
static void test_journal_cannot_be_opened(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    guint32 id = append(fixture, &boxes, "new.eml"), other = move(fixture, &boxes, 2);
    g_autofree char *log = state_path(fixture, "journal.sqlite-wal");

    fixture_close(fixture);
    g_assert_cmpint(g_mkdir(log, 0700), ==, 0);
    expect_no_cache(fixture);
    g_assert_cmpint(g_rmdir(log), ==, 0);
    fixture_open(fixture);
    g_assert_true(has_data(fixture, id));
    g_assert_nonnull(cache_change(fixture->cache, id));
    g_assert_nonnull(cache_change(fixture->cache, other));
}

/* What a later program wrote is for that to read. */
static void test_journal_is_of_later_version(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    guint32 id = append(fixture, &boxes, "new.eml");

    fixture_close(fixture);
    do_sql(fixture, "PRAGMA user_version = 2");
    expect_no_cache(fixture);
    do_sql(fixture, "PRAGMA user_version = 1");
    fixture_open(fixture);
    g_assert_true(has_data(fixture, id));
    g_assert_nonnull(cache_change(fixture->cache, id));
}

/* A journal that cannot be read is kept, and so is the data that it told of. */
static void test_journal_is_damaged(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    guint32 id = append(fixture, &boxes, "new.eml");

    fixture_close(fixture);
    overwrite_journal(fixture);
    fixture_open(fixture);
    g_assert_cmpuint(cache_changes(fixture->cache)->length, ==, 0);
    g_assert_cmpuint(cache_lost_next(fixture->cache, 0)->id, ==, id);
    set_rights(fixture, &boxes);
    g_assert_cmpuint(append(fixture, &boxes, "next.eml"), >, id);
}

/* What a damaged journal told of is looked for until all of it is found. */
static void test_found_at_last(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    guint32 id = append(fixture, &boxes, "new.eml");
    g_autofree char *folder = state_path(fixture, "lost+found");

    fixture_close(fixture);
    overwrite_journal(fixture);
    g_assert_cmpint(g_rmdir(folder), ==, 0);
    g_assert_true(g_file_set_contents(folder, "", 0, NULL));
    fixture_open(fixture);
    g_assert_null(cache_lost_next(fixture->cache, 0));
    fixture_close(fixture);
    g_assert_cmpint(g_unlink(folder), ==, 0);
    fixture_open(fixture);
    g_assert_cmpuint(cache_lost_next(fixture->cache, 0)->id, ==, id);
    g_assert_cmpuint(cache_lost_next(fixture->cache, 0)->size, ==, strlen(TEXT));
}

/* The same for what was in lost+found. */
static void test_lost_is_found_at_last(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    g_autoptr(GError) error = g_error_new(MAIL_ERROR, MAIL_ERROR_QUOTA, "full");
    g_autoptr(GPtrArray) slices = cache_slices_new();
    guint32 id = append(fixture, &boxes, "new.eml");

    cache_change_refused(fixture->cache, id, error);
    fixture_close(fixture);
    do_sql(fixture, "DELETE FROM lost; CREATE TRIGGER full BEFORE INSERT ON lost BEGIN"
                    " SELECT RAISE(ABORT, 'full'); END");
    fixture_reopen(fixture);
    g_assert_null(cache_lost_next(fixture->cache, 0));
    fixture_close(fixture);
    do_sql(fixture, "DROP TRIGGER full");
    fixture_open(fixture);
    g_assert_cmpuint(cache_lost_next(fixture->cache, 0)->id, ==, id);
    g_assert_true(cache_lost_read(fixture->cache, id, 0, 100, slices, NULL));
}

/* Of a write that was not answered, where no journal was damaged. */
static void test_data_of_nobody(Fixture *fixture, gconstpointer data)
{
    g_autofree char *path = state_path(fixture, "data/4711");

    g_assert_true(g_file_set_contents(path, TEXT, -1, NULL));
    fixture_reopen(fixture);
    g_assert_cmpint(g_access(path, F_OK), !=, 0);
    g_assert_null(cache_lost_next(fixture->cache, 0));
}

/* --- another index --- */

static void lose_index(Fixture *fixture)
{
    fixture_close(fixture);
    remove_file(fixture, "index.sqlite");
    remove_file(fixture, "index.sqlite-wal");
    fixture_open(fixture);
}

/* Numbers of another index are given out again: what counts is the name. */
static void test_numbers_are_lost(Fixture *fixture, gconstpointer data)
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

/* What a change is of, by a number of an index that is lost, is not told of. */
static void test_refused_without_mailbox(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);

    flag(fixture, boxes.generation, 1, MAIL_FLAG_SEEN, 0);
    lose_index(fixture);
    g_string_truncate(fixture->news, 0);
    fixture_put_boxes(fixture, "Archive", NULL);
    fixture_settle();
    fixture_expect_news(fixture, "listing boxes refused-1 ");
    g_assert_null(cache_box_take_refusal(fixture->cache, boxes.inbox));
}

/* It is told of the mailbox that has the name. */
static void test_refused_in_another_mailbox(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    g_autoptr(GError) refusal = NULL;
    guint32 inbox;

    flag(fixture, boxes.generation, 1, MAIL_FLAG_SEEN, 0);
    lose_index(fixture);
    fixture_put_boxes(fixture, "Work", "INBOX", NULL);
    inbox = fixture_find_box(fixture, "INBOX");
    cache_box_replace(fixture->cache, inbox, 8, NULL);
    g_assert_cmpuint(cache_changes(fixture->cache)->length, ==, 0);
    g_assert_null(cache_box_take_refusal(fixture->cache, boxes.inbox));
    refusal = cache_box_take_refusal(fixture->cache, inbox);
    g_assert_error(refusal, MAIL_ERROR, MAIL_ERROR_NOT_FOUND);
}

static guint32 copy(Fixture *fixture, const Boxes *boxes, guint32 uid)
{
    g_autoptr(GError) error = NULL;
    guint32 id = 0;
    guint64 want;

    close(cache_draft_new(fixture->cache, &id, NULL));
    g_assert_cmpint(cache_change_copy(fixture->cache, boxes->generation, uid, boxes->archive,
                                      "copy.eml", id, &want, &error),
                    ==, CACHE_FOUND);
    g_assert_no_error(error);
    return id;
}

/* The server has INBOX and Trash, and no others. */
static guint32 put_trash(Fixture *fixture, gboolean has_archive)
{
    const CacheBoxNews boxes[] = {
        {"INBOX", (const char *const[]){"INBOX", NULL}, (const gboolean[]){FALSE}, 0},
        {"Trash", (const char *const[]){"Trash", NULL}, (const gboolean[]){FALSE}, CACHE_BOX_TRASH},
        {"Archive", (const char *const[]){"Archive", NULL}, (const gboolean[]){FALSE}, 0},
    };

    cache_put_boxes(fixture->cache, boxes, has_archive ? 3 : 2);
    return fixture_find_box(fixture, "Trash");
}

/* Where the copies cannot be made the originals stay, whatever way they were to go. */
static void test_copy_is_lost(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3), trash = boxes;
    guint32 flagged, expunged = 0, moved;
    guint64 want;

    trash.archive = put_trash(fixture, TRUE);
    set_rights(fixture, &trash);
    for (guint32 uid = 1; uid <= 3; uid++)
        copy(fixture, &boxes, uid);
    flagged = flag(fixture, boxes.generation, 1, MAIL_FLAG_DELETED, 0);
    g_assert_cmpint(
        cache_change_expunge(fixture->cache, boxes.generation, 2, &expunged, &want, NULL), ==,
        CACHE_FOUND);
    moved = move(fixture, &trash, 3);
    lose_index(fixture);
    put_trash(fixture, FALSE);
    g_assert_true(cache_change(fixture->cache, flagged)->is_refused);
    g_assert_true(cache_change(fixture->cache, expunged)->is_refused);
    g_assert_true(cache_change(fixture->cache, moved)->is_refused);
}

/* --- mailboxes that were renamed --- */

static Boxes put_tree(Fixture *fixture)
{
    Boxes boxes = put_boxes(fixture, 3);

    fixture_put_boxes(fixture, "INBOX", "old", "old/below", NULL);
    boxes.archive = fixture_find_box(fixture, "old/below");
    cache_box_replace(fixture->cache, boxes.archive, 9, NULL);
    fixture_put_line(fixture, boxes.archive, 1, 100);
    set_rights(fixture, &boxes);
    return boxes;
}

static void rename_tree(Fixture *fixture)
{
    guint32 box = fixture_find_box(fixture, "old");

    cache_box_renamed(fixture->cache, box, CACHE_ROOT, "new", "new");
}

/* Also where another has taken the old name. */
static void test_renamed(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_tree(fixture);
    guint32 id = append(fixture, &boxes, "new.eml"),
            other = flag(fixture, fixture_generation(fixture, boxes.archive), 1, MAIL_FLAG_SEEN, 0),
            box;

    rename_tree(fixture);
    lose_index(fixture);
    fixture_put_boxes(fixture, "INBOX", "old", "old/below", "new", "new/below", NULL);
    box = fixture_find_box(fixture, "new/below");
    cache_box_replace(fixture->cache, box, 9, NULL);
    g_assert_cmpuint(cache_change(fixture->cache, id)->target, ==, box);
    g_assert_cmpuint(cache_change(fixture->cache, other)->box, ==, box);
}

/* A change need not have found its mailbox again when that is renamed. */
static void test_renamed_before_found(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_tree(fixture);
    guint32 id = flag(fixture, fixture_generation(fixture, boxes.archive), 1, MAIL_FLAG_SEEN, 0),
            box;

    lose_index(fixture);
    fixture_put_boxes(fixture, "INBOX", "old", "old/below", NULL);
    rename_tree(fixture);
    box = fixture_find_box(fixture, "new/below");
    cache_box_replace(fixture->cache, box, 9, NULL);
    g_assert_cmpuint(cache_change(fixture->cache, id)->box, ==, box);
    g_assert_false(cache_change(fixture->cache, id)->is_refused);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    FIXTURE_TEST("/reload/journal-cannot-be-opened", test_journal_cannot_be_opened);
    FIXTURE_TEST("/reload/journal-is-of-later-version", test_journal_is_of_later_version);
    FIXTURE_TEST("/reload/journal-is-damaged", test_journal_is_damaged);
    FIXTURE_TEST("/reload/found-at-last", test_found_at_last);
    FIXTURE_TEST("/reload/lost-is-found-at-last", test_lost_is_found_at_last);
    FIXTURE_TEST("/reload/data-of-nobody", test_data_of_nobody);
    FIXTURE_TEST("/reload/numbers-are-lost", test_numbers_are_lost);
    FIXTURE_TEST("/reload/refused-without-mailbox", test_refused_without_mailbox);
    FIXTURE_TEST("/reload/refused-in-another-mailbox", test_refused_in_another_mailbox);
    FIXTURE_TEST("/reload/copy-is-lost", test_copy_is_lost);
    FIXTURE_TEST("/reload/renamed", test_renamed);
    FIXTURE_TEST("/reload/renamed-before-found", test_renamed_before_found);
    return g_test_run();
}

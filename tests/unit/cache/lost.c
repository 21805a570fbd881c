/* SPDX-License-Identifier: MIT */
/* tests/unit/cache/lost.c - what the server refused when nobody waited goes to lost+found; whenever
 * we are killed, data is there or not to be sent. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "changing.h"
#include "file-limit.h"

/* --- refused --- */

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

static void test_lost_and_found_is_full(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    g_autoptr(GError) error = g_error_new(MAIL_ERROR, MAIL_ERROR_QUOTA, "full");
    g_autoptr(GBytes) bytes = NULL;
    guint32 id = append(fixture, &boxes, "new.eml");

    limit_files(0);
    cache_change_refused(fixture->cache, id, error);
    limit_files(RLIM_INFINITY);
    g_assert_null(cache_lost_next(fixture->cache, 0));
    bytes = cache_change_data(fixture->cache, id, NULL);
    g_assert_nonnull(bytes);
    fixture_reopen(fixture);
    g_assert_false(cache_change(fixture->cache, id)->is_done);
}

/* Somebody has removed it: it is not tried again and again. */
static void test_data_is_gone(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    g_autoptr(GError) error = g_error_new(MAIL_ERROR, MAIL_ERROR_LOCAL, "not there");
    guint32 id = append(fixture, &boxes, "new.eml");
    g_autofree char *name = g_strdup_printf("data/%u", id), *path = state_path(fixture, name);

    g_assert_cmpint(unlink(path), ==, 0);
    cache_change_refused(fixture->cache, id, error);
    fixture_reopen(fixture);
    g_assert_cmpuint(cache_changes(fixture->cache)->length, ==, 0);
    g_assert_null(cache_lost_next(fixture->cache, 0));
}

/* --- killed --- */

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

/* It is either in lost+found or to be sent. */
static void test_killed_after_refusal(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    g_autoptr(GError) error = g_error_new(MAIL_ERROR, MAIL_ERROR_QUOTA, "full");
    guint32 id = append(fixture, &boxes, "new.eml");
    g_autofree char *copy = NULL;

    cache_change_refused(fixture->cache, id, error);
    copy = copy_state(fixture);
    go_back_to(fixture, copy);
    g_assert_cmpuint(cache_lost_next(fixture->cache, 0)->id, ==, id);
    g_assert_null(cache_change(fixture->cache, id));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    FIXTURE_TEST("/lost/append-is-refused", test_append_is_refused);
    FIXTURE_TEST("/lost/lost-and-found-is-closed", test_lost_and_found_is_closed);
    FIXTURE_TEST("/lost/lost-and-found-is-full", test_lost_and_found_is_full);
    FIXTURE_TEST("/lost/data-is-gone", test_data_is_gone);
    FIXTURE_TEST("/lost/killed-when-done", test_killed_when_done);
    FIXTURE_TEST("/lost/killed-when-refused", test_killed_when_refused);
    FIXTURE_TEST("/lost/killed-after-refusal", test_killed_after_refusal);
    return g_test_run();
}

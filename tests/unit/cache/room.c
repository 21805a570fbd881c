/* SPDX-License-Identifier: MIT */
/* tests/unit/cache/room.c - what the quota has no room for is refused, if that was told just now.
 */
#include <unistd.h>

#include "fixture.h"

#define SIZE 100 /* of each message */

/* INBOX with messages 1 to 3, and Archive without; all is allowed. */
typedef struct {
    Fixture *fixture;
    guint32 inbox, archive, generation;
    CacheRights rights; /* that the server will tell of both */
    guint n_asked;
} Place;

static void tell(Place *place)
{
    cache_put_rights(place->fixture->cache, place->inbox, &place->rights);
    cache_put_rights(place->fixture->cache, place->archive, &place->rights);
    fixture_end_wants(place->fixture);
}

static Place place_new(Fixture *fixture, CacheResource storage, CacheResource messages)
{
    Place place = {
        .fixture = fixture,
        .inbox = fixture_put_inbox(fixture, 3, SIZE),
        .rights = {.may_insert = TRUE, .may_remove = TRUE, .permanent = ~(MailFlags)0},
    };

    fixture_put_boxes(fixture, "INBOX", "Archive", NULL);
    place.archive = fixture_find_box(fixture, "Archive");
    place.generation = fixture_generation(fixture, place.inbox);
    cache_box_replace(fixture->cache, place.archive, 9, NULL);
    place.rights.storage = storage;
    place.rights.messages = messages;
    tell(&place);
    return place;
}

/* --- what is tried --- */

/* Of a message of INBOX, or (@uid 0) of one that is new, @size octets of it in place of @replaced,
 * unless that is 0. */
typedef struct {
    guint32 uid;
    gsize size;
    guint32 replaced;
} Arrival;

static void write_data(Fixture *fixture, guint32 id, gsize size)
{
    int fd = cache_draft_open_data(fixture->cache, id, NULL);

    g_assert_cmpint(ftruncate(fd, (off_t)size), ==, 0);
    close(fd);
}

static CacheAnswer try_once(Place *place, const Arrival *arrival, guint32 *ret_id, GError **error)
{
    Cache *cache = place->fixture->cache;
    guint32 target = arrival->replaced ? place->inbox : place->archive;
    guint64 want;

    close(cache_draft_new(cache, ret_id, NULL));
    if (arrival->uid)
        return cache_change_copy(cache, place->generation, arrival->uid, target, "new.eml", *ret_id,
                                 &want, error);
    write_data(place->fixture, *ret_id, arrival->size);
    return cache_change_append(cache, *ret_id, target, "new.eml", 0, G_MININT64, place->generation,
                               arrival->replaced, &want, error);
}

/* Tells what is wanted for it; the id of the change, or 0 and why it was refused. */
static guint32 try(Place *place, Arrival arrival, GError **error)
{
    CacheAnswer answer;
    guint32 id;

    while ((answer = try_once(place, &arrival, &id, error)) == CACHE_WAIT) {
        g_autofree char *wants = fixture_wants(place->fixture);

        g_assert_cmpstr(wants, ==, "rights ");
        place->n_asked++;
        tell(place);
    }
    return answer == CACHE_FOUND ? id : 0;
}

static guint32 expect_room(Place *place, Arrival arrival)
{
    g_autoptr(GError) error = NULL;
    guint32 id = try(place, arrival, &error);

    g_assert_no_error(error);
    return id;
}

static void expect_none(Place *place, Arrival arrival, const char *why)
{
    g_autoptr(GError) error = NULL;

    g_assert_cmpuint(try(place, arrival, &error), ==, 0);
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_QUOTA);
    g_assert_cmpstr(error->message, ==, why);
}

static const Arrival copied = {.uid = 1}, made = {.size = SIZE};

/* --- tests --- */

typedef struct {
    const char *name;
    CacheResource storage, messages;
    const char *why; /* NULL: there is room */
} Row;

static const Row rows[] = {
    {"no-quota", {0, 0}, {0, 0}, NULL},
    {"no-limit", {G_MAXUINT64, 0}, {G_MAXUINT64, 0}, NULL},
    {"exact", {900, 1000}, {9, 10}, NULL},
    {"huge", {0, G_MAXUINT64}, {0, G_MAXUINT64}, NULL},
    {"octets", {901, 1000}, {9, 10}, "the quota of 1000 bytes leaves 99, and this needs 100"},
    {"full", {1000, 1000}, {0, 0}, "the quota of 1000 bytes leaves 0, and this needs 100"},
    {"more-than-full",
     {G_MAXUINT64, 1000},
     {0, 0},
     "the quota of 1000 bytes leaves 0, and this needs 100"},
    {"messages", {900, 1000}, {10, 10}, "the quota of 10 messages leaves 0, and this needs 1"},
    {"both", {1000, 1000}, {11, 10}, "the quota of 1000 bytes leaves 0, and this needs 100"},
};

static void test_row(Fixture *fixture, gconstpointer data)
{
    const Row *row = data;
    const Arrival *const arrivals[] = {&copied, &made};
    Place place = place_new(fixture, row->storage, row->messages);

    for (gsize i = 0; i < G_N_ELEMENTS(arrivals); i++) {
        if (row->why)
            expect_none(&place, *arrivals[i], row->why);
        else
            cache_change_done(fixture->cache, expect_room(&place, *arrivals[i]), 0);
        tell(&place);
    }
    g_assert_cmpuint(cache_changes(fixture->cache)->length, ==, 0);
}

/* Somebody else may have made room meanwhile. */
static void test_asks_anew(Fixture *fixture, gconstpointer data)
{
    Place place = place_new(fixture, (CacheResource){1000, 1000}, (CacheResource){0});
    gint64 began_us = g_get_monotonic_time();

    place.rights.storage.used = 0;
    while (!place.n_asked) {
        g_autoptr(GError) error = NULL;
        guint32 id = try(&place, copied, &error);

        g_assert_true(place.n_asked ? id != 0 : id == 0);
        g_assert_cmpint(g_get_monotonic_time() - began_us, <, 10 * G_USEC_PER_SEC);
    }
}

/* Many at once do not each fit, be they asked for anew or not. */
static void test_counts_what_is_on_its_way(Fixture *fixture, gconstpointer data)
{
    Place place = place_new(fixture, (CacheResource){800, 1000}, (CacheResource){0});
    guint32 first = expect_room(&place, copied);

    expect_room(&place, made);
    expect_none(&place, made, "the quota of 1000 bytes leaves 0, and this needs 100");
    tell(&place);
    expect_none(&place, copied, "the quota of 1000 bytes leaves 0, and this needs 100");
    cache_change_done(fixture->cache, first, 0);
    tell(&place);
    expect_room(&place, copied);
}

static void on_noted(const GError *error, gpointer is_noted)
{
    *(gboolean *)is_noted = TRUE;
}

/* What was sent, and not answered, may be among what the server counts. */
static void test_counts_nothing_twice(Fixture *fixture, gconstpointer data)
{
    Place place = place_new(fixture, (CacheResource){800, 1000}, (CacheResource){0});
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(guint32));
    guint32 first = expect_room(&place, made);
    gboolean is_noted = FALSE;

    g_array_append_val(ids, first);
    cache_changes_note_sent(fixture->cache, ids, 9, 5, on_noted, &is_noted);
    while (!is_noted)
        g_main_context_iteration(NULL, TRUE);
    place.rights.storage.used = 900;
    tell(&place);
    expect_room(&place, made);
}

/* The server is told of a removal first. */
static void test_removal_is_on_its_way(Fixture *fixture, gconstpointer data)
{
    Place place = place_new(fixture, (CacheResource){1000, 1000}, (CacheResource){0});
    guint32 id;
    guint64 want;

    g_assert_cmpint(cache_change_expunge(fixture->cache, place.generation, 2, &id, &want, NULL), ==,
                    CACHE_FOUND);
    expect_room(&place, copied);
    cache_change_done(fixture->cache, id, 0);
    expect_none(&place, copied, "the quota of 1000 bytes leaves 0, and this needs 100");
}

static void test_moves_need_none(Fixture *fixture, gconstpointer data)
{
    Place place = place_new(fixture, (CacheResource){1000, 1000}, (CacheResource){10, 10});
    guint64 want;

    g_assert_cmpint(cache_change_move(fixture->cache, place.generation, 2, place.archive, "a.eml",
                                      NULL, &want, NULL),
                    ==, CACHE_FOUND);
}

/* What is longer than before needs the difference. */
static void test_replacing(Fixture *fixture, gconstpointer data)
{
    Place place = place_new(fixture, (CacheResource){990, 1000}, (CacheResource){10, 10});

    expect_room(&place, (Arrival){.size = 1, .replaced = 1});
    expect_room(&place, (Arrival){.size = SIZE + 10, .replaced = 2});
    expect_none(&place, (Arrival){.size = SIZE + 11, .replaced = 3},
                "the quota of 1000 bytes leaves 0, and this needs 11");
}

static void test_offline(Fixture *fixture, gconstpointer data)
{
    Place place = place_new(fixture, (CacheResource){1000, 1000}, (CacheResource){10, 10});

    fixture_offline(fixture);
    expect_room(&place, copied);
    expect_room(&place, made);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strconcat("/room/quota/", rows[i].name, NULL);

        g_test_add(path, Fixture, &rows[i], fixture_set_up, test_row, fixture_tear_down);
    }
    FIXTURE_TEST("/room/asks-anew", test_asks_anew);
    FIXTURE_TEST("/room/counts-what-is-on-its-way", test_counts_what_is_on_its_way);
    FIXTURE_TEST("/room/counts-nothing-twice", test_counts_nothing_twice);
    FIXTURE_TEST("/room/removal-is-on-its-way", test_removal_is_on_its_way);
    FIXTURE_TEST("/room/moves-need-none", test_moves_need_none);
    FIXTURE_TEST("/room/replacing", test_replacing);
    FIXTURE_TEST("/room/offline", test_offline);
    return g_test_run();
}

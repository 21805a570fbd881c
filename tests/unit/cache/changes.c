/* SPDX-License-Identifier: MIT */
/* tests/unit/cache/changes.c - what users do: shown at once, kept in the journal, done once. */
#include <string.h>
#include <unistd.h>

#include "changing.h"

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

/* What has settled is remembered for some time only. */
static void test_settled_are_forgotten(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    guint32 first = 0, last = 0;

    for (guint i = 0; i <= 10000; i++) {
        MailFlags seen = i % 2 ? 0 : MAIL_FLAG_SEEN;

        last = flag(fixture, boxes.generation, 1, seen, MAIL_FLAG_SEEN & ~seen);
        first = first ? first : last;
        cache_change_done(fixture->cache, last, 0);
    }
    g_assert_null(cache_change(fixture->cache, first));
    g_assert_nonnull(cache_change(fixture->cache, first + 1));
    g_assert_nonnull(cache_change(fixture->cache, last));
}

/* --- moving --- */

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

/* --- another mailbox in place of the one that messages went to --- */

/* It has a UID 5, too. */
static void replace_archive(Fixture *fixture, const Boxes *boxes, guint32 uidvalidity)
{
    cache_box_replace(fixture->cache, boxes->archive, uidvalidity, NULL);
    fixture_put_line(fixture, boxes->archive, 5, 100);
    cache_put_synced(fixture->cache, boxes->archive, 6, 1, TRUE, 0);
}

static void assert_leads_nowhere(Fixture *fixture, const Boxes *boxes, guint32 id)
{
    guint32 generation = boxes->generation, uid = 2, forward;
    guint64 want;

    g_assert_cmpint(cache_arrival_message(fixture->cache, id, &generation, &uid, &want, NULL), ==,
                    CACHE_ABSENT);
    (void)cache_forward(fixture->cache, &generation, &uid, &forward);
    g_assert_cmpuint(generation, ==, boxes->generation);
    g_assert_cmpuint(uid, ==, 2);
    g_assert_cmpint(cache_change_expunge(fixture->cache, generation, uid, NULL, &want, NULL), ==,
                    CACHE_ABSENT);
}

static void assert_leads_to(Fixture *fixture, guint32 id, guint32 box, guint32 uid)
{
    guint32 there, its_uid;
    guint64 want;

    g_assert_cmpint(cache_arrival_message(fixture->cache, id, &there, &its_uid, &want, NULL), ==,
                    CACHE_FOUND);
    g_assert_cmpuint(there, ==, fixture_generation(fixture, box));
    g_assert_cmpuint(its_uid, ==, uid);
}

/* Neither the name that a message was given there nor its old place leads to a stranger. */
static void check_replaced(Fixture *fixture, guint32 uidvalidity)
{
    Boxes boxes = put_boxes(fixture, 3);
    guint32 id = move(fixture, &boxes, 2);

    note_sent(fixture, id, 9, 5);
    cache_change_done(fixture->cache, id, 5);
    assert_leads_to(fixture, id, boxes.archive, 5);
    replace_archive(fixture, &boxes, uidvalidity);
    g_assert_cmpuint(cache_arrival_find(fixture->cache, boxes.archive, "given-2.eml"), ==, 0);
    assert_leads_nowhere(fixture, &boxes, id);
}

static void test_target_is_replaced(Fixture *fixture, gconstpointer data)
{
    check_replaced(fixture, 10);
}

/* As when two mailboxes change their names. */
static void test_target_is_swapped(Fixture *fixture, gconstpointer data)
{
    check_replaced(fixture, 9);
}

/* What went on before that is found where it is. */
static void test_left_before(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    guint32 id = move(fixture, &boxes, 2), back = 0, generation = boxes.generation, uid = 2;
    guint64 want;

    note_sent(fixture, id, 9, 5);
    cache_change_done(fixture->cache, id, 5);
    g_assert_cmpint(cache_change_move(fixture->cache, generation, uid, boxes.inbox, "back.eml",
                                      &back, &want, NULL),
                    ==, CACHE_FOUND);
    note_sent(fixture, back, 7, 4);
    cache_change_done(fixture->cache, back, 4);
    replace_archive(fixture, &boxes, 10);
    assert_leads_to(fixture, id, boxes.inbox, 4);
}

/* The server has replaced the mailbox before the message came, and we do not know yet. */
static void test_target_was_replaced(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    guint32 id = move(fixture, &boxes, 2);

    replace_archive(fixture, &boxes, 9);
    note_sent(fixture, id, 10, 5);
    cache_change_done(fixture->cache, id, 5);
    assert_leads_nowhere(fixture, &boxes, id);
    replace_archive(fixture, &boxes, 10);
    assert_leads_to(fixture, id, boxes.archive, 5);
}

/* A mailbox in which nobody has looked is the one it was sent to, or another by now. */
static void test_target_is_unknown(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    guint32 ids[2], generation, uid;
    guint64 want;

    fixture_put_boxes(fixture, "INBOX", "New", NULL);
    boxes.archive = fixture_find_box(fixture, "New");
    cache_put_rights(fixture->cache, boxes.archive, &all_rights);
    for (gsize i = 0; i < G_N_ELEMENTS(ids); i++) {
        ids[i] = move(fixture, &boxes, 2 + (guint32)i);
        note_sent(fixture, ids[i], 10 - (guint32)i, 5);
        cache_change_done(fixture->cache, ids[i], 5);
        g_assert_cmpint(
            cache_arrival_message(fixture->cache, ids[i], &generation, &uid, &want, NULL), ==,
            CACHE_WAIT);
    }
    replace_archive(fixture, &boxes, 9);
    assert_leads_nowhere(fixture, &boxes, ids[0]);
    assert_leads_to(fixture, ids[1], boxes.archive, 5);
}

/* --- new data --- */

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

static guint32 copy(Fixture *fixture, const Boxes *boxes, guint32 uid)
{
    guint32 id = 0;
    guint64 want;

    close(cache_draft_new(fixture->cache, &id, NULL));
    g_assert_cmpint(cache_change_copy(fixture->cache, boxes->generation, uid, boxes->archive,
                                      "a.eml", id, &want, NULL),
                    ==, CACHE_FOUND);
    return id;
}

/* Whoever copies and removes has one message left. */
static void test_copy_is_refused(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    g_autoptr(GError) error = g_error_new(MAIL_ERROR, MAIL_ERROR_QUOTA, "full");
    guint32 id = copy(fixture, &boxes, 2), removal = 0;
    guint64 want;

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

/* What is set after a copy was made is the original's only. */
static void test_flags_around_copy(Fixture *fixture, gconstpointer data)
{
    Boxes boxes = put_boxes(fixture, 3);
    g_autoptr(GError) error = g_error_new(MAIL_ERROR, MAIL_ERROR_QUOTA, "full");
    guint32 before = flag(fixture, boxes.generation, 2, MAIL_FLAG_SEEN, 0);
    guint32 id = copy(fixture, &boxes, 2);
    guint32 after = flag(fixture, boxes.generation, 2, MAIL_FLAG_DELETED, 0);

    g_assert_cmpuint(after, >, id);
    g_assert_cmpuint(cache_change(fixture->cache, before)->add, ==, MAIL_FLAG_SEEN);
    g_assert_cmpuint(flag(fixture, boxes.generation, 2, MAIL_FLAG_ANSWERED, 0), ==, after);
    /* Without the copy the original is not to go. */
    cache_change_done(fixture->cache, before, 0);
    cache_change_take(fixture->cache, id);
    cache_change_refused(fixture->cache, id, error);
    g_assert_true(cache_change(fixture->cache, after)->is_refused);
    g_assert_cmpuint(shown_flags(fixture, boxes.generation, 2), ==,
                     fixture_flags(2) | MAIL_FLAG_SEEN);
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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    FIXTURE_TEST("/changes/flags", test_flags);
    FIXTURE_TEST("/changes/flags-are-refused", test_flags_are_refused);
    FIXTURE_TEST("/changes/late-flags", test_late_flags);
    FIXTURE_TEST("/changes/settled-are-forgotten", test_settled_are_forgotten);
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
    FIXTURE_TEST("/changes/target-is-replaced", test_target_is_replaced);
    FIXTURE_TEST("/changes/target-is-swapped", test_target_is_swapped);
    FIXTURE_TEST("/changes/left-before", test_left_before);
    FIXTURE_TEST("/changes/target-was-replaced", test_target_was_replaced);
    FIXTURE_TEST("/changes/target-is-unknown", test_target_is_unknown);
    FIXTURE_TEST("/changes/append", test_append);
    FIXTURE_TEST("/changes/append-date", test_append_date);
    FIXTURE_TEST("/changes/move-date", test_move_date);
    FIXTURE_TEST("/changes/copy-is-refused", test_copy_is_refused);
    FIXTURE_TEST("/changes/flags-around-copy", test_flags_around_copy);
    FIXTURE_TEST("/changes/append-limit", test_append_limit);
    FIXTURE_TEST("/changes/replace", test_replace);
    return g_test_run();
}

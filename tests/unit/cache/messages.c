/* SPDX-License-Identifier: MIT */
/* tests/unit/cache/messages.c - the messages of a mailbox against a plain table, and what is told
 * of them. */
#include "fixture.h"

/* --- against a model --- */

enum {
    UIDS = 120
};

typedef enum {
    NONE,
    UNLISTED,
    LISTED
} Known;

typedef struct {
    Known known;
    MailFlags flags;
} Cell;

typedef struct {
    Fixture *fixture;
    guint32 box;
    Cell cells[UIDS];
} Model;

static MailSet *random_set(void)
{
    MailSet *set = mail_set_new();

    for (int n = g_test_rand_int_range(0, 5); n > 0; n--) {
        guint32 first = (guint32)g_test_rand_int_range(1, UIDS);

        mail_set_add(set, first,
                     (guint32)g_test_rand_int_range((gint32)first, MIN(UIDS, (gint32)first + 30)));
    }
    return set;
}

static void do_put_uids(Model *model)
{
    g_autoptr(MailSet) set = random_set();

    cache_put_uids(model->fixture->cache, model->box, set);
    for (guint32 uid = 1; uid < UIDS; uid++) {
        Cell *cell = &model->cells[uid];

        if (!mail_set_contains(set, uid))
            *cell = (Cell){NONE, 0};
        else if (cell->known == NONE)
            cell->known = UNLISTED;
    }
}

static void do_add_uids(Model *model)
{
    g_autoptr(MailSet) set = random_set();

    cache_add_uids(model->fixture->cache, model->box, set);
    for (guint32 uid = 1; uid < UIDS; uid++)
        if (mail_set_contains(set, uid) && model->cells[uid].known == NONE)
            model->cells[uid].known = UNLISTED;
}

static void do_put_gone(Model *model)
{
    g_autoptr(MailSet) set = random_set();

    cache_put_gone(model->fixture->cache, model->box, set);
    for (guint32 uid = 1; uid < UIDS; uid++)
        if (mail_set_contains(set, uid))
            model->cells[uid] = (Cell){NONE, 0};
}

static void do_put_line(Model *model)
{
    guint32 uid = (guint32)g_test_rand_int_range(1, UIDS);

    fixture_put_line(model->fixture, model->box, uid, 100);
    model->cells[uid] = (Cell){LISTED, fixture_flags(uid)};
}

static void do_put_flags(Model *model)
{
    guint32 uid = (guint32)g_test_rand_int_range(1, UIDS);
    MailFlags flags = (MailFlags)g_test_rand_int_range(0, 64);

    cache_put_flags(model->fixture->cache, model->box, uid, flags);
    if (model->cells[uid].known == LISTED)
        model->cells[uid].flags = flags;
}

static void do_settle(Model *model)
{
    fixture_settle();
}

static void do_reopen(Model *model)
{
    if (g_test_rand_int_range(0, 4) == 0)
        fixture_reopen(model->fixture);
}

/* Some attribute changes while no row is loaded. */
static void do_touch_box(Model *model)
{
    static guint32 uidnext;

    fixture_reopen(model->fixture);
    cache_put_synced(model->fixture->cache, model->box, ++uidnext, 1, TRUE, g_get_monotonic_time());
    fixture_reopen(model->fixture);
}

static void check_uid(const Model *model, guint32 uid)
{
    const Cell *cell = &model->cells[uid];
    guint32 generation = fixture_generation(model->fixture, model->box);
    CacheMessage message;

    g_assert_cmpint(cache_get_message(model->fixture->cache, generation, uid, &message), ==,
                    cell->known == LISTED);
    if (cell->known != LISTED)
        return;
    g_assert_cmpuint(message.uid, ==, uid);
    g_assert_cmpuint(message.flags, ==, cell->flags);
    g_assert_cmpuint(message.size, ==, 100);
}

static gboolean has_unlisted(const Model *model)
{
    for (guint32 uid = 1; uid < UIDS; uid++)
        if (model->cells[uid].known == UNLISTED)
            return TRUE;
    return FALSE;
}

/* Offline a walk meets the listed ones, newest first. */
static void check_walk(const Model *model)
{
    CacheAnswer end = has_unlisted(model) ? CACHE_FAILED : CACHE_ABSENT;
    guint32 expected = UIDS;
    guint32 before = 0;

    fixture_offline(model->fixture);
    for (;;) {
        g_autoptr(MailEnvelope) envelope = NULL;
        g_autofree char *subject = NULL;
        CacheMessage message;
        guint64 want;
        CacheAnswer answer;

        do
            expected--;
        while (expected && model->cells[expected].known != LISTED);
        answer = cache_next_message(model->fixture->cache, model->box, before, &message, &envelope,
                                    &want, NULL);
        g_assert_cmpint(answer, ==, expected ? CACHE_FOUND : end);
        if (!expected)
            break;
        subject = g_strdup_printf("subject %u", expected);
        g_assert_cmpuint(message.uid, ==, expected);
        g_assert_cmpstr(mail_envelope_get(envelope, MAIL_ENVELOPE_SUBJECT), ==, subject);
        before = expected;
    }
    cache_set_state(model->fixture->cache, CACHE_ONLINE, NULL);
}

static void check_model(const Model *model)
{
    g_autoptr(MailSet) all = mail_set_new(), unlisted = mail_set_new();
    g_autoptr(MailSet) told = cache_dup_unlisted(model->fixture->cache, model->box, 1, G_MAXUINT32);
    g_autofree char *expected = NULL, *uids = fixture_uids(model->fixture, model->box);
    g_autofree char *expected_unlisted = NULL, *unlisted_text = mail_set_format(told);

    for (guint32 uid = 1; uid < UIDS; uid++) {
        check_uid(model, uid);
        if (model->cells[uid].known != NONE)
            mail_set_add(all, uid, uid);
        if (model->cells[uid].known == UNLISTED)
            mail_set_add(unlisted, uid, uid);
    }
    expected = mail_set_format(all);
    expected_unlisted = mail_set_format(unlisted);
    g_assert_cmpstr(uids, ==, expected);
    g_assert_cmpstr(unlisted_text, ==, expected_unlisted);
    g_assert_cmpuint(cache_box_n_messages(model->fixture->cache, model->box), ==,
                     mail_set_count(all));
    g_assert_cmpuint(cache_newest_uid(model->fixture->cache, model->box), ==,
                     all->len ? mail_set_range(all, all->len - 1)->last : 0);
    check_walk(model);
}

static void test_model(Fixture *fixture, gconstpointer data)
{
    static void (*const operations[])(Model *) = {
        do_put_uids, do_add_uids, do_add_uids,  do_put_gone, do_put_line, do_put_line,
        do_put_line, do_put_line, do_put_flags, do_settle,   do_reopen,   do_touch_box,
    };
    Model model = {fixture, fixture_put_inbox(fixture, 0, 0), {{NONE, 0}}};

    for (int step = 0; step < 400; step++) {
        operations[g_test_rand_int_range(0, G_N_ELEMENTS(operations))](&model);
        check_model(&model);
    }
}

/* --- asking --- */

static CacheAnswer find(Fixture *fixture, guint32 box, guint32 uid)
{
    CacheMessage message;
    guint64 want;

    return cache_find_message(fixture->cache, box, uid, &message, &want, NULL);
}

/* What is answered for a listed, an unlisted and an unknown UID. */
static void expect_answers(Fixture *fixture, guint32 box, CacheAnswer listed, CacheAnswer unlisted,
                           CacheAnswer unknown)
{
    g_assert_cmpint(find(fixture, box, 1), ==, listed);
    g_assert_cmpint(find(fixture, box, 2), ==, unlisted);
    g_assert_cmpint(find(fixture, box, 3), ==, unknown);
}

static void test_find(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 1, 100);

    fixture_put_range(fixture, box, 1, 2);
    expect_answers(fixture, box, CACHE_FOUND, CACHE_WAIT, CACHE_ABSENT);
    cache_set_state(fixture->cache, CACHE_STALLED, NULL);
    expect_answers(fixture, box, CACHE_FOUND, CACHE_WAIT, CACHE_ABSENT);
    fixture_offline(fixture);
    expect_answers(fixture, box, CACHE_FOUND, CACHE_FAILED, CACHE_ABSENT);
    /* Not compared since the start. */
    fixture_reopen(fixture);
    expect_answers(fixture, box, CACHE_WAIT, CACHE_WAIT, CACHE_WAIT);
    cache_set_state(fixture->cache, CACHE_STALLED, NULL);
    expect_answers(fixture, box, CACHE_FOUND, CACHE_WAIT, CACHE_ABSENT);
    fixture_offline(fixture);
    expect_answers(fixture, box, CACHE_FOUND, CACHE_FAILED, CACHE_ABSENT);
    /* Compared, but the UIDs are not known. */
    cache_set_state(fixture->cache, CACHE_ONLINE, NULL);
    cache_put_synced(fixture->cache, box, 9, 9, FALSE, g_get_monotonic_time());
    expect_answers(fixture, box, CACHE_FOUND, CACHE_WAIT, CACHE_WAIT);
    cache_box_suspect(fixture->cache, box);
    expect_answers(fixture, box, CACHE_WAIT, CACHE_WAIT, CACHE_WAIT);
}

static void test_never_seen(Fixture *fixture, gconstpointer data)
{
    guint32 box;

    fixture_put_boxes(fixture, "a/b", NULL);
    box = fixture_find_box(fixture, "a/b");
    g_assert_cmpint(find(fixture, box, 1), ==, CACHE_WAIT);
    g_assert_cmpint(find(fixture, fixture_find_box(fixture, "a"), 1), ==, CACHE_ABSENT);
    g_assert_cmpint(find(fixture, CACHE_ROOT, 1), ==, CACHE_ABSENT);
    g_assert_cmpint(find(fixture, 999, 1), ==, CACHE_ABSENT);
    cache_set_state(fixture->cache, CACHE_STALLED, NULL);
    g_assert_cmpint(find(fixture, box, 1), ==, CACHE_WAIT);
    fixture_offline(fixture);
    g_assert_cmpint(find(fixture, box, 1), ==, CACHE_FAILED);
}

/* What the server tells before a mailbox is entered has no place. */
static void test_nothing_without_generation(Fixture *fixture, gconstpointer data)
{
    guint32 box;

    fixture_put_boxes(fixture, "a", NULL);
    box = fixture_find_box(fixture, "a");
    fixture_put_line(fixture, box, 1, 100);
    fixture_put_range(fixture, box, 1, 9);
    cache_put_synced(fixture->cache, box, 1, 1, TRUE, g_get_monotonic_time());
    g_assert_cmpuint(cache_box_n_messages(fixture->cache, box), ==, 0);
    g_assert_cmpint(find(fixture, box, 1), ==, CACHE_WAIT);
}

static void test_sample(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 101, 100);
    g_autoptr(MailSet) three = cache_dup_sample(fixture->cache, box, 3);
    g_autoptr(MailSet) none = cache_dup_sample(fixture->cache, box, 0);
    g_autofree char *text = mail_set_format(three);

    g_assert_cmpstr(text, ==, "1,51,101");
    g_assert_cmpuint(none->len, ==, 0);
}

static void test_highest_uids(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 0, 0);
    g_autofree char *uids = NULL;

    fixture_put_range(fixture, box, G_MAXUINT32 - 1, G_MAXUINT32);
    fixture_put_line(fixture, box, G_MAXUINT32 - 1, 5);
    fixture_reopen(fixture);
    uids = fixture_uids(fixture, box);
    g_assert_cmpstr(uids, ==, "4294967294:4294967295");
    g_assert_cmpuint(cache_newest_uid(fixture->cache, box), ==, G_MAXUINT32);
}

/* --- news --- */

static void test_news(Fixture *fixture, gconstpointer data)
{
    guint32 box = fixture_put_inbox(fixture, 3, 100);
    g_autoptr(MailSet) gone = mail_set_parse("2:3,9", 9);

    cache_put_flags(fixture->cache, box, 1, fixture_flags(1));
    fixture_expect_news(fixture, "");
    cache_put_flags(fixture->cache, box, 1, MAIL_FLAG_DELETED);
    fixture_expect_news(fixture, "flags-1 listing ");
    cache_put_gone(fixture->cache, box, gone);
    fixture_expect_news(fixture, "going-2 going-3 listing ");
    cache_put_gone(fixture->cache, box, gone);
    fixture_expect_news(fixture, "");
    fixture_put_range(fixture, box, 1, 2);
    fixture_expect_news(fixture, "listing ");
    fixture_put_range(fixture, box, 1, 1); /* an unlisted one has no name that could go */
    fixture_expect_news(fixture, "listing ");
    cache_box_replace(fixture->cache, box, 8, NULL);
    fixture_expect_news(fixture, "listing replaced ");
}

typedef struct {
    Fixture *fixture;
    guint32 generation;
    MailFlags flags; /* that were still to be seen */
    gboolean has_message, has_envelope;
} Before;

static void look(guint32 box, guint32 uid, gpointer data)
{
    Before *before = data;
    g_autoptr(MailEnvelope) envelope =
        cache_dup_envelope(before->fixture->cache, before->generation, uid);
    CacheMessage message;

    before->has_message =
        cache_get_message(before->fixture->cache, before->generation, uid, &message);
    before->has_envelope = envelope != NULL;
    before->flags = before->has_message ? message.flags : 0;
}

static void ignore_box(guint32 box, gpointer data)
{
}

static void test_old_state_can_be_asked_for(Fixture *fixture, gconstpointer data)
{
    static const CacheNews news = {
        .message_going = look,
        .flags_changing = look,
        .listing_changed = ignore_box,
    };
    guint32 box = fixture_put_inbox(fixture, 9, 100);
    g_autoptr(MailSet) gone = mail_set_parse("1:4,7", 9);
    Before before = {fixture, fixture_generation(fixture, box), 0, FALSE, FALSE};

    cache_set_news(fixture->cache, &news, &before);
    cache_put_flags(fixture->cache, box, 7, MAIL_FLAG_DELETED);
    g_assert_cmpuint(before.flags, ==, fixture_flags(7));
    before.has_message = FALSE;
    cache_put_gone(fixture->cache, box, gone);
    g_assert_true(before.has_message && before.has_envelope);
    g_assert_cmpuint(before.flags, ==, MAIL_FLAG_DELETED);
}

/* --- a hundred thousand --- */

static void test_many(Fixture *fixture, gconstpointer data)
{
    enum {
        N = 100000
    };
    guint32 box = fixture_put_inbox(fixture, 0, 0);
    gint64 start = g_get_monotonic_time();

    fixture_put_range(fixture, box, 1, N);
    for (guint32 uid = N; uid > 0; uid--)
        fixture_put_line(fixture, box, uid, 100);
    fixture_settle();
    for (guint32 uid = N; uid > N / 2; uid--) {
        g_autoptr(MailSet) one = mail_set_new();

        mail_set_add(one, uid, uid);
        cache_put_gone(fixture->cache, box, one);
    }
    g_assert_cmpuint(cache_box_n_messages(fixture->cache, box), ==, N / 2);
    g_assert_cmpint(g_get_monotonic_time() - start, <, 60 * G_USEC_PER_SEC);
}

/* Asked for @uid, the cache wants @expected, which comes to nothing. */
static void expect_lookup(Fixture *fixture, guint32 box, guint32 uid, const char *expected)
{
    g_autofree char *wants = NULL;
    CacheMessage message;
    guint64 want;

    g_assert_cmpint(cache_find_message(fixture->cache, box, uid, &message, &want, NULL), ==,
                    CACHE_WAIT);
    wants = fixture_wants(fixture);
    g_assert_cmpstr(wants, ==, expected);
    fixture_end_wants(fixture);
}

/* Who looks for one message gets that one; who looks for many does not wait for each. */
static void test_lookups(Fixture *fixture, gconstpointer data)
{
    guint32 box;

    fixture_put_boxes(fixture, "INBOX", NULL);
    box = fixture_find_box(fixture, "INBOX");
    cache_box_replace(fixture->cache, box, 7, NULL);
    cache_put_synced(fixture->cache, box, 0, 1, FALSE, g_get_monotonic_time());
    expect_lookup(fixture, box, 11, "line-11 ");
    expect_lookup(fixture, box, 12, "line-12 ");
    expect_lookup(fixture, box, 13, "line-13 ");
    expect_lookup(fixture, box, 14, "uids ");
    fixture_put_range(fixture, box, 1, 3000);
    cache_put_synced(fixture->cache, box, 3001, 1, TRUE, g_get_monotonic_time());
    expect_lookup(fixture, box, 15, "lines-1038:1 ");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    FIXTURE_TEST("/cache/messages/model", test_model);
    FIXTURE_TEST("/cache/messages/find", test_find);
    FIXTURE_TEST("/cache/messages/never-seen", test_never_seen);
    FIXTURE_TEST("/cache/messages/nothing-without-generation", test_nothing_without_generation);
    FIXTURE_TEST("/cache/messages/sample", test_sample);
    FIXTURE_TEST("/cache/messages/highest-uids", test_highest_uids);
    FIXTURE_TEST("/cache/messages/news", test_news);
    FIXTURE_TEST("/cache/messages/old-state-can-be-asked-for", test_old_state_can_be_asked_for);
    FIXTURE_TEST("/cache/messages/many", test_many);
    FIXTURE_TEST("/cache/messages/lookups", test_lookups);
    return g_test_run();
}

/* SPDX-License-Identifier: MIT */
/* tests/unit/cache/spool.c - an account whose messages the backend has itself. */
#include "changing.h"

#define SIZE      100000
#define SIZES_MAX 300

/* What the backend has: messages of these sizes, by UID; 0: it does not have it. */
typedef struct {
    guint64 sizes[SIZES_MAX];
    gboolean is_broken;
    guint64 broken_at; /* octets beyond it cannot be read; 0: all can */
    guint n_reads;
} Spool;

static CacheAnswer read_here(guint32 box, guint32 uid, guint64 offset, gsize size,
                             GPtrArray *ret_slices, GError **error, gpointer data)
{
    Spool *spool = data;
    guint64 end;

    g_assert_cmpuint(uid, <, SIZES_MAX);
    spool->n_reads++;
    if (!spool->sizes[uid])
        return CACHE_ABSENT;
    if (spool->is_broken || (spool->broken_at && offset + size > spool->broken_at)) {
        g_set_error(error, MAIL_ERROR, MAIL_ERROR_LOCAL, "the disk is broken");
        return CACHE_FAILED;
    }
    end = MIN(offset + size, spool->sizes[uid]);
    if (offset < end) {
        guint8 *bytes = g_malloc(end - offset);

        for (guint64 at = offset; at < end; at++)
            bytes[at - offset] = fixture_byte(uid, at);
        g_ptr_array_add(ret_slices, g_bytes_new_take(bytes, end - offset));
    }
    return CACHE_FOUND;
}

/* INBOX with messages 1 to 3, told to be of SIZE, of which none is here. */
static guint32 set_up(Fixture *fixture, Spool *spool)
{
    cache_set_spool(fixture->cache, read_here, spool);
    return fixture_put_inbox(fixture, 3, SIZE);
}

static void expect_wants(Fixture *fixture, const char *expected)
{
    g_autofree char *wants = fixture_wants(fixture);

    g_assert_cmpstr(wants, ==, expected);
    fixture_end_wants(fixture);
}

static CacheAnswer read_section(Fixture *fixture, guint32 box, guint32 uid, const char *section,
                                gsize *ret_len, GError **error)
{
    g_autoptr(GPtrArray) slices = cache_slices_new();
    g_autoptr(GBytes) bytes = NULL;
    guint64 want;
    CacheAnswer answer = cache_read(fixture->cache, fixture_generation(fixture, box), uid, section,
                                    0, 4096, slices, &want, error);

    bytes = fixture_join(slices);
    *ret_len = g_bytes_get_size(bytes);
    return answer;
}

static CacheAnswer size_of(Fixture *fixture, guint32 box, guint32 uid, guint64 *ret_size)
{
    guint64 want;

    return cache_message_size(fixture->cache, fixture_generation(fixture, box), uid, ret_size,
                              &want, NULL);
}

/* --- bytes --- */

static void test_bytes(Fixture *fixture, gconstpointer data)
{
    Spool spool = {.sizes = {[1] = SIZE}};
    guint32 box = set_up(fixture, &spool);
    guint32 generation = fixture_generation(fixture, box);
    guint64 want;
    gsize len;

    g_assert_cmpint(fixture_read(fixture, box, 1, 65000, 4096, &len, &want), ==, CACHE_FOUND);
    g_assert_cmpuint(len, ==, 4096);
    fixture_offline(fixture);
    g_assert_cmpint(fixture_read(fixture, box, 1, SIZE - 10, 4096, &len, &want), ==, CACHE_FOUND);
    g_assert_cmpuint(len, ==, 10);
    g_assert_true(cache_has(fixture->cache, generation, 1, "", 0, SIZE));
    g_assert_false(cache_has(fixture->cache, generation, 2, "", 0, 1));
    g_assert_cmpint(fixture_read(fixture, box, 2, 0, 4096, &len, &want), ==, CACHE_FAILED);
    expect_wants(fixture, "");
}

/* Whatever is read of it, and wherever: one want, for all of it. */
static void test_waiting(Fixture *fixture, gconstpointer data)
{
    Spool spool = {0};
    guint32 box = set_up(fixture, &spool);
    guint64 want;
    gsize len;

    g_assert_cmpint(fixture_read(fixture, box, 2, 70000, 131072, &len, &want), ==, CACHE_WAIT);
    g_assert_cmpint(fixture_read(fixture, box, 2, 0, 131072, &len, &want), ==, CACHE_WAIT);
    g_assert_cmpint(read_section(fixture, box, 2, "HEADER", &len, NULL), ==, CACHE_WAIT);
    expect_wants(fixture, "block-2/0 ");
    spool.sizes[2] = SIZE;
    g_assert_cmpint(fixture_read(fixture, box, 2, 70000, 4096, &len, &want), ==, CACHE_FOUND);
}

static void test_failure(Fixture *fixture, gconstpointer data)
{
    Spool spool = {.sizes = {[1] = SIZE}, .is_broken = TRUE};
    guint32 box = set_up(fixture, &spool);
    g_autoptr(GError) error = NULL;
    gsize len;

    g_assert_cmpint(read_section(fixture, box, 1, "", &len, &error), ==, CACHE_FAILED);
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_LOCAL);
    g_assert_cmpstr(error->message, ==, "the disk is broken");
    expect_wants(fixture, "");
}

/* Who reads a file to its end reads it once. */
static void test_reads_are_few(Fixture *fixture, gconstpointer data)
{
    const guint64 size = 4 << 20;
    const gsize step = 128 << 10;
    Spool spool = {.sizes = {[4] = size}};
    guint32 box = set_up(fixture, &spool);
    guint64 want;
    gsize len;

    fixture_put_line(fixture, box, 4, size);
    for (guint64 offset = 0; offset < size; offset += step)
        g_assert_cmpint(fixture_read(fixture, box, 4, offset, step, &len, &want), ==, CACHE_FOUND);
    g_assert_cmpuint(spool.n_reads, <, size / step + 10);
}

/* What is made of a message is, for that takes time. */
static void test_nothing_is_kept_twice(Fixture *fixture, gconstpointer data)
{
    Spool spool = {0};
    guint32 box = set_up(fixture, &spool);
    g_autoptr(GBytes) text = g_bytes_new_static("hello", 5);
    guint64 want;
    gsize len;

    fixture_put_body(fixture, box, 1, SIZE);
    g_assert_cmpint(fixture_read(fixture, box, 1, 0, 10, &len, &want), ==, CACHE_WAIT);
    cache_put_block(fixture->cache, fixture_generation(fixture, box), 1, "text", 0, text, TRUE);
    g_assert_cmpint(read_section(fixture, box, 1, "text", &len, NULL), ==, CACHE_FOUND);
    g_assert_cmpuint(len, ==, 5);
}

/* --- sizes --- */

static void test_size_is_told(Fixture *fixture, gconstpointer data)
{
    Spool spool = {0};
    guint32 box = set_up(fixture, &spool);
    CacheMessage line = {.uid = 1, .size = SIZE + 7, .flags = fixture_flags(1)};
    guint64 size;

    cache_put_line(fixture->cache, box, &line, NULL);
    fixture_expect_news(fixture, "size-1 ");
    g_assert_false(cache_sizes_lie(fixture->cache));
    line.size = SIZE - 7;
    line.is_size_proved = TRUE;
    cache_put_line(fixture->cache, box, &line, NULL);
    fixture_expect_news(fixture, "size-1 ");
    line.is_size_proved = FALSE;
    line.size = SIZE;
    cache_put_line(fixture->cache, box, &line, NULL);
    fixture_expect_news(fixture, "");
    g_assert_cmpint(size_of(fixture, box, 1, &size), ==, CACHE_FOUND);
    g_assert_cmpuint(size, ==, SIZE - 7);
    g_assert_true(cache_sizes_lie(fixture->cache));
    g_assert_cmpint(size_of(fixture, box, 2, &size), ==, CACHE_WAIT);
    expect_wants(fixture, "block-2/0 ");
}

static void test_size_is_proved_by_the_line(Fixture *fixture, gconstpointer data)
{
    Spool spool = {.sizes = {[4] = SIZE}};
    guint32 box = set_up(fixture, &spool);
    CacheMessage line = {.uid = 4, .size = SIZE, .is_size_proved = TRUE};
    const char *fields[MAIL_ENVELOPE_N_FIELDS] = {0};
    g_autoptr(MailEnvelope) envelope = mail_envelope_new(fields);
    guint64 size;

    cache_put_line(fixture->cache, box, &line, envelope);
    g_assert_cmpint(size_of(fixture, box, 4, &size), ==, CACHE_FOUND);
    g_assert_cmpuint(size, ==, SIZE);
    g_assert_cmpuint(spool.n_reads, ==, 0);
}

/* The backend was stopped before it could tell. */
static void test_size_is_found(Fixture *fixture, gconstpointer data)
{
    static const guint64 sizes[] = {1,     2,     3,     4095,   65535,  65536,
                                    65537, 99998, 99999, 100000, 100001, 1234567};
    Spool spool = {0};
    guint32 box = set_up(fixture, &spool);

    fixture_offline(fixture);
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        guint64 size, want;
        gsize len;

        cache_box_replace(fixture->cache, box, (guint32)i + 10, NULL);
        fixture_put_line(fixture, box, 1, SIZE);
        spool.sizes[1] = sizes[i];
        g_assert_cmpint(fixture_read(fixture, box, 1, 0, 2000000, &len, &want), ==, CACHE_FOUND);
        g_assert_cmpuint(len, ==, sizes[i]);
        g_assert_cmpint(size_of(fixture, box, 1, &size), ==, CACHE_FOUND);
        g_assert_cmpuint(size, ==, sizes[i]);
    }
}

static void test_size_is_not_guessed(Fixture *fixture, gconstpointer data)
{
    Spool spool = {.sizes = {[1] = SIZE / 2}, .broken_at = SIZE / 4};
    guint32 box = set_up(fixture, &spool);
    guint64 size;

    g_assert_cmpint(size_of(fixture, box, 1, &size), ==, CACHE_FOUND);
    g_assert_cmpuint(size, ==, SIZE);
    spool.broken_at = 0;
    g_assert_cmpint(size_of(fixture, box, 1, &size), ==, CACHE_FOUND);
    g_assert_cmpuint(size, ==, SIZE / 2);
}

/* Nothing that the backend could do would help. */
static void test_size_cannot_be_found(Fixture *fixture, gconstpointer data)
{
    Spool spool = {.sizes = {[4] = SIZE}, .is_broken = TRUE};
    guint32 box = set_up(fixture, &spool);
    g_autoptr(GError) error = NULL;
    guint64 size, want;

    fixture_put_line(fixture, box, 4, 0);
    g_assert_cmpint(cache_message_size(fixture->cache, fixture_generation(fixture, box), 4, &size,
                                       &want, &error),
                    ==, CACHE_FAILED);
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_LOCAL);
    expect_wants(fixture, "");
}

/* --- parts --- */

/* One part, of what follows a header of 10 octets. */
static MailPart *parsed(void)
{
    MailPart *part = mail_part_new();

    part->type = g_strdup("text");
    part->subtype = g_strdup("plain");
    part->encoding = g_strdup("7bit");
    part->size = SIZE - 10;
    part->has_offsets = TRUE;
    part->body_off = 10;
    return part;
}

/* All that the message can answer, without a server. */
static void test_parts_offline(Fixture *fixture, gconstpointer data)
{
    Spool spool = {.sizes = {[1] = SIZE}};
    guint32 box = set_up(fixture, &spool), generation = fixture_generation(fixture, box);
    guint64 size, want;
    MailPart *tree;
    gsize len;

    fixture_offline(fixture);
    g_assert_cmpint(cache_tree(fixture->cache, generation, 1, &tree, &want, NULL), ==, CACHE_WAIT);
    g_assert_cmpint(read_section(fixture, box, 1, "HEADER", &len, NULL), ==, CACHE_WAIT);
    expect_wants(fixture, "parse-1 ");
    cache_put_parsed(fixture->cache, generation, 1, parsed());
    g_assert_cmpint(read_section(fixture, box, 1, "HEADER", &len, NULL), ==, CACHE_FOUND);
    g_assert_cmpuint(len, ==, 10);
    g_assert_cmpint(cache_section_size(fixture->cache, generation, 1, "1", &size, &want, NULL), ==,
                    CACHE_FOUND);
    g_assert_cmpuint(size, ==, SIZE - 10);
    g_assert_cmpint(cache_section_size(fixture->cache, generation, 1, "text", &size, &want, NULL),
                    ==, CACHE_WAIT);
    expect_wants(fixture, "made-1/text ");
}

/* The message need not be asked for what it does not have. */
static void test_no_such_section(Fixture *fixture, gconstpointer data)
{
    Spool spool = {.sizes = {[1] = SIZE}};
    guint32 box = set_up(fixture, &spool), generation = fixture_generation(fixture, box);
    guint64 size, want;
    gsize len;

    cache_put_parsed(fixture->cache, generation, 1, parsed());
    g_assert_cmpint(read_section(fixture, box, 1, "7", &len, NULL), ==, CACHE_ABSENT);
    g_assert_cmpint(cache_section_size(fixture->cache, generation, 1, "7", &size, &want, NULL), ==,
                    CACHE_ABSENT);
    expect_wants(fixture, "");
}

/* The backend is never asked for parts. */
static void test_tree_of_what_is_not_here(Fixture *fixture, gconstpointer data)
{
    Spool spool = {0};
    guint32 box = set_up(fixture, &spool);
    guint64 want;
    MailPart *tree;

    g_assert_cmpint(
        cache_tree(fixture->cache, fixture_generation(fixture, box), 1, &tree, &want, NULL), ==,
        CACHE_WAIT);
    expect_wants(fixture, "parse-1 ");
}

static void on_wants_changed(gpointer data)
{
}

static void no_sources(MailPart *tree, const char *section,
                       void (*each)(const char *section, gpointer each_data), gpointer each_data)
{
}

/* As grep goes over texts: the messages are retrieved ahead. */
static void test_texts_ahead(Fixture *fixture, gconstpointer data)
{
    static const CacheMaker maker = {on_wants_changed, no_sources};
    Spool spool = {0};
    guint32 box = set_up(fixture, &spool);
    guint64 size, want;

    fixture_put_line(fixture, box, 4, SIZE);
    cache_set_maker(fixture->cache, &maker, NULL);
    for (guint32 uid = 4; uid > 2; uid--)
        (void)cache_section_size(fixture->cache, fixture_generation(fixture, box), uid, "text",
                                 &size, &want, NULL);
    expect_wants(fixture, "block-2/0 block-1/0 made-4/text made-3/text ");
}

/* What is on the way already is not looked for with each step. */
static void test_texts_are_cheap(Fixture *fixture, gconstpointer data)
{
    static const CacheMaker maker = {on_wants_changed, no_sources};
    Spool spool = {0};
    guint32 box = set_up(fixture, &spool);
    guint64 size, want;

    for (guint32 uid = 4; uid < SIZES_MAX; uid++)
        fixture_put_line(fixture, box, uid, SIZE);
    cache_set_maker(fixture->cache, &maker, NULL);
    for (guint32 uid = SIZES_MAX - 1; uid > 0; uid--)
        (void)cache_section_size(fixture->cache, fixture_generation(fixture, box), uid, "text",
                                 &size, &want, NULL);
    g_assert_cmpuint(spool.n_reads, <, 20 * SIZES_MAX);
}

/* --- changes --- */

static void expect_read_only(gboolean is_refused, GError **error)
{
    g_assert_true(is_refused);
    g_assert_error(*error, MAIL_ERROR, MAIL_ERROR_READ_ONLY);
    g_clear_error(error);
}

static void test_takes_nothing_in(Fixture *fixture, gconstpointer data)
{
    Spool spool = {.sizes = {[1] = SIZE}};
    Boxes boxes = put_boxes(fixture, 3);
    Cache *cache = fixture->cache;
    g_autoptr(GError) error = NULL;
    guint64 want;
    guint32 id;

    cache_set_spool(cache, read_here, &spool);
    g_assert_true(cache_is_spool(cache));
    expect_read_only(cache_draft_new(cache, &id, &error) < 0, &error);
    expect_read_only(cache_change_append(cache, 1, boxes.inbox, "a", 0, G_MININT64, 0, 0, &want,
                                         &error) == CACHE_FAILED,
                     &error);
    expect_read_only(cache_change_copy(cache, boxes.generation, 1, boxes.archive, "a", 1, &want,
                                       &error) == CACHE_FAILED,
                     &error);
    expect_read_only(cache_change_create(cache, 0, "a", &id, &error) == CACHE_FAILED, &error);
    expect_read_only(cache_change_delete(cache, boxes.archive, &id, &error) == CACHE_FAILED,
                     &error);
    expect_read_only(cache_change_rename(cache, boxes.archive, 0, "a", &id, &error) == CACHE_FAILED,
                     &error);
    fixture_offline(fixture);
    expect_read_only(cache_change_create(cache, 0, "a", &id, &error) == CACHE_FAILED, &error);
    g_assert_cmpuint(cache_changes(cache)->length, ==, 0);
}

/* Moves message 1: it is known where it is, at once, and by where it was; with @flags. */
static void move_and_check(Fixture *fixture, guint32 from, guint32 to, MailFlags flags)
{
    Cache *cache = fixture->cache;
    guint32 old = fixture_generation(fixture, from), new = fixture_generation(fixture, to);
    guint32 generation = old, uid = 1, id, last;
    g_autoptr(MailEnvelope) envelope = NULL;
    g_autoptr(GError) error = NULL;
    CacheMessage message;
    CacheSync sync;
    guint64 want;

    g_assert_cmpint(cache_change_move(cache, old, 1, to, "1.eml", &id, &want, &error), ==,
                    CACHE_FOUND);
    g_assert_no_error(error);
    g_assert_cmpint(cache_find_message(cache, to, 1, &message, &want, NULL), ==, CACHE_ABSENT);
    g_assert_true(cache_sync(cache, to, &sync));
    note_sent(fixture, id, sync.uidvalidity, 0);
    cache_change_done(cache, id, 1);
    g_assert_cmpint(cache_find_message(cache, from, 1, &message, &want, NULL), ==, CACHE_ABSENT);
    g_assert_cmpint(cache_find_message(cache, to, 1, &message, &want, NULL), ==, CACHE_FOUND);
    g_assert_cmphex(message.flags, ==, flags);
    envelope = cache_dup_envelope(cache, new, 1);
    g_assert_nonnull(envelope);
    g_assert_true(cache_forward(cache, &generation, &uid, &last));
    g_assert_cmpuint(last, ==, id);
    g_assert_cmpuint(generation, ==, new);
    g_assert_cmpuint(uid, ==, 1);
    g_assert_false(cache_forward(cache, &generation, &uid, &last));
    expect_wants(fixture, "");
}

static void set_flags(Fixture *fixture, guint32 box, MailFlags flags)
{
    guint32 id = flag(fixture, fixture_generation(fixture, box), 1, flags, ~flags);

    cache_change_done(fixture->cache, id, 0);
}

/* Its UID is the same in both, and what was known of it in one is not of what comes back. */
static void test_move_there_and_back(Fixture *fixture, gconstpointer data)
{
    Spool spool = {.sizes = {[1] = 100}};
    Boxes boxes = put_boxes(fixture, 3);
    guint64 want;
    gsize len;

    cache_set_spool(fixture->cache, read_here, &spool);
    for (guint n = 0; n < 2; n++) {
        set_flags(fixture, boxes.inbox, MAIL_FLAG_FLAGGED);
        move_and_check(fixture, boxes.inbox, boxes.archive, MAIL_FLAG_FLAGGED);
        g_assert_cmpint(fixture_read(fixture, boxes.archive, 1, 0, 200, &len, &want), ==,
                        CACHE_FOUND);
        set_flags(fixture, boxes.archive, MAIL_FLAG_DRAFT);
        move_and_check(fixture, boxes.archive, boxes.inbox, MAIL_FLAG_DRAFT);
        g_assert_cmpint(fixture_read(fixture, boxes.inbox, 1, 0, 200, &len, &want), ==,
                        CACHE_FOUND);
    }
}

static void put_back_by_others(Fixture *fixture, const Boxes *boxes)
{
    g_autoptr(MailSet) all = mail_set_new(), none = mail_set_new();

    mail_set_add(all, 1, 3);
    cache_put_uids(fixture->cache, boxes->inbox, all);
    cache_put_uids(fixture->cache, boxes->archive, none);
    fixture_put_line(fixture, boxes->inbox, 1, 100);
    cache_put_flags(fixture->cache, boxes->inbox, 1, MAIL_FLAG_FLAGGED);
}

/* At once, or when it is forgotten where it was. */
static void test_put_back_by_others(Fixture *fixture, gconstpointer data)
{
    Spool spool = {.sizes = {[1] = 100}};
    Boxes boxes = put_boxes(fixture, 3);
    CacheMessage message;
    guint64 want;

    cache_set_spool(fixture->cache, read_here, &spool);
    set_flags(fixture, boxes.inbox, MAIL_FLAG_FLAGGED);
    for (guint n = 0; n < 3; n++) {
        guint32 generation = boxes.generation, uid = 1, id;

        move_and_check(fixture, boxes.inbox, boxes.archive, MAIL_FLAG_FLAGGED);
        if (n > 0)
            fixture_settle();
        if (n > 1)
            set_rights(fixture, &boxes);
        put_back_by_others(fixture, &boxes);
        fixture_settle();
        g_assert_cmpint(cache_find_message(fixture->cache, boxes.inbox, 1, &message, &want, NULL),
                        ==, CACHE_FOUND);
        g_assert_cmpint(cache_find_message(fixture->cache, boxes.archive, 1, &message, &want, NULL),
                        ==, CACHE_ABSENT);
        g_assert_false(cache_forward(fixture->cache, &generation, &uid, &id));
    }
}

/* Who waits for what needs no server. */
static void test_settles_offline(Fixture *fixture, gconstpointer data)
{
    Spool spool = {.sizes = {[1] = 100}};
    Boxes boxes = put_boxes(fixture, 3);
    g_autoptr(GError) error = NULL;
    guint32 here, elsewhere;
    guint64 want;

    cache_set_spool(fixture->cache, read_here, &spool);
    here = move(fixture, &boxes, 1);
    elsewhere = move(fixture, &boxes, 2);
    fixture_offline(fixture);
    g_assert_cmpint(cache_change_settled(fixture->cache, here, &want, &error), ==, CACHE_WAIT);
    g_assert_cmpint(cache_change_settled(fixture->cache, elsewhere, &want, &error), ==,
                    CACHE_FAILED);
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_OFFLINE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    FIXTURE_TEST("/cache/spool/bytes", test_bytes);
    FIXTURE_TEST("/cache/spool/waiting", test_waiting);
    FIXTURE_TEST("/cache/spool/failure", test_failure);
    FIXTURE_TEST("/cache/spool/reads-are-few", test_reads_are_few);
    FIXTURE_TEST("/cache/spool/nothing-is-kept-twice", test_nothing_is_kept_twice);
    FIXTURE_TEST("/cache/spool/size-is-told", test_size_is_told);
    FIXTURE_TEST("/cache/spool/size-is-proved-by-the-line", test_size_is_proved_by_the_line);
    FIXTURE_TEST("/cache/spool/size-is-found", test_size_is_found);
    FIXTURE_TEST("/cache/spool/size-is-not-guessed", test_size_is_not_guessed);
    FIXTURE_TEST("/cache/spool/size-cannot-be-found", test_size_cannot_be_found);
    FIXTURE_TEST("/cache/spool/parts-offline", test_parts_offline);
    FIXTURE_TEST("/cache/spool/no-such-section", test_no_such_section);
    FIXTURE_TEST("/cache/spool/tree-of-what-is-not-here", test_tree_of_what_is_not_here);
    FIXTURE_TEST("/cache/spool/texts-ahead", test_texts_ahead);
    FIXTURE_TEST("/cache/spool/texts-are-cheap", test_texts_are_cheap);
    FIXTURE_TEST("/cache/spool/takes-nothing-in", test_takes_nothing_in);
    FIXTURE_TEST("/cache/spool/move-there-and-back", test_move_there_and_back);
    FIXTURE_TEST("/cache/spool/put-back-by-others", test_put_back_by_others);
    FIXTURE_TEST("/cache/spool/settles-offline", test_settles_offline);
    return g_test_run();
}

/* SPDX-License-Identifier: MIT */
/* tests/unit/cache/fixture.c - a cache in a directory of its own, and a server that puts things. */
#include "fixture.h"

#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* --- news --- */

static void on_boxes_changed(gpointer news)
{
    g_string_append(news, "boxes ");
}

static void on_message_going(guint32 box, guint32 uid, gpointer news)
{
    g_string_append_printf(news, "going-%u ", uid);
}

static void on_flags_changing(guint32 box, guint32 uid, gpointer news)
{
    g_string_append_printf(news, "flags-%u ", uid);
}

static void on_listing_changed(guint32 box, gpointer news)
{
    g_string_append(news, "listing ");
}

static void on_size_corrected(guint32 box, guint32 uid, gpointer news)
{
    g_string_append_printf(news, "size-%u ", uid);
}

static void on_part_corrected(guint32 box, guint32 uid, const MailPart *part, gpointer news)
{
    g_string_append_printf(news, "part-%u/%s ", uid, part->section);
}

static void on_change_settling(const CacheChange *change, gpointer news)
{
    g_string_append_printf(news, "settling-%u ", change->uid);
}

static void on_change_refused(const CacheChange *change, const GError *error, gpointer news)
{
    g_string_append_printf(news, "refused-%u ", change->uid);
}

static void on_rights_changed(guint32 box, gpointer news)
{
    g_string_append(news, "rights ");
}

static void on_box_replaced(guint32 box, guint32 old_generation, gpointer news)
{
    g_string_append(news, "replaced ");
}

static const CacheNews recorder = {
    .boxes_changed = on_boxes_changed,
    .message_going = on_message_going,
    .flags_changing = on_flags_changing,
    .listing_changed = on_listing_changed,
    .size_corrected = on_size_corrected,
    .part_corrected = on_part_corrected,
    .change_settling = on_change_settling,
    .change_refused = on_change_refused,
    .rights_changed = on_rights_changed,
    .box_replaced = on_box_replaced,
};

void fixture_expect_news(Fixture *fixture, const char *expected)
{
    g_assert_cmpstr(fixture->news->str, ==, expected);
    g_string_truncate(fixture->news, 0);
}

/* --- life --- */

void fixture_open(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;

    fixture->cache = cache_open(fixture->account, &fixture->options, &error);
    g_assert_no_error(error);
    cache_set_state(fixture->cache, CACHE_ONLINE, NULL);
    cache_set_news(fixture->cache, &recorder, fixture->news);
}

void fixture_close(Fixture *fixture)
{
    g_clear_pointer(&fixture->cache, cache_close);
    fixture_settle();
}

void fixture_reopen(Fixture *fixture)
{
    fixture_close(fixture);
    fixture_open(fixture);
}

void fixture_offline(Fixture *fixture)
{
    g_autoptr(GError) error = g_error_new(MAIL_ERROR, MAIL_ERROR_OFFLINE, "the cable is cut");

    cache_set_state(fixture->cache, CACHE_OFFLINE, error);
}

void fixture_settle(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        continue;
}

char *fixture_path(const Fixture *fixture, const char *name)
{
    return g_build_filename(fixture->dir, name, NULL);
}

void fixture_set_up(Fixture *fixture, gconstpointer data)
{
    fixture->root = g_dir_make_tmp("mailfs-test-XXXXXX", NULL);
    fixture->dir = g_build_filename(fixture->root, "cache", "imap.me@example.org.993", NULL);
    fixture->account = mail_account_parse("imaps://me@example.org", NULL);
    fixture->options = (CacheOptions){
        .dir = g_build_filename(fixture->root, "cache", NULL),
        .state_dir = g_build_filename(fixture->root, "state", NULL),
        .size_max = 1 << 30,
        .timeout_s = 10,
    };
    fixture->news = g_string_new(NULL);
    fixture_open(fixture);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *where)
{
    return remove(path);
}

void fixture_tear_down(Fixture *fixture, gconstpointer data)
{
    fixture_close(fixture);
    nftw(fixture->root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    mail_account_free(fixture->account);
    g_string_free(fixture->news, TRUE);
    g_free((char *)fixture->options.dir);
    g_free((char *)fixture->options.state_dir);
    g_free(fixture->dir);
    g_free(fixture->root);
}

/* --- mailboxes --- */

void fixture_put_boxes(Fixture *fixture, const char *first, ...)
{
    static const gboolean none_raw[16];
    g_autoptr(GPtrArray) split = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
    g_autoptr(GArray) boxes = g_array_new(FALSE, TRUE, sizeof(CacheBoxNews));
    va_list paths;

    va_start(paths, first);
    for (const char *path = first; path; path = va_arg(paths, const char *)) {
        char **names = g_strsplit(path, "/", -1);
        CacheBoxNews news = {path, (const char *const *)names, none_raw, 0};

        g_ptr_array_add(split, names);
        g_array_append_val(boxes, news);
    }
    va_end(paths);
    cache_put_boxes(fixture->cache, (const CacheBoxNews *)(gpointer)boxes->data, boxes->len);
}

guint32 fixture_find_box(const Fixture *fixture, const char *path)
{
    g_auto(GStrv) names = g_strsplit(path, "/", -1);
    guint32 id = CACHE_ROOT;

    for (char **name = names; *name; name++) {
        const CacheBox *child = cache_box_next_child(fixture->cache, id, 0);

        while (child && !g_str_equal(child->name, *name))
            child = cache_box_next_child(fixture->cache, id, child->id);
        if (!child)
            return CACHE_ROOT;
        id = child->id;
    }
    return id;
}

guint32 fixture_generation(const Fixture *fixture, guint32 box)
{
    return cache_box(fixture->cache, box)->generation;
}

/* --- messages --- */

MailFlags fixture_flags(guint32 uid)
{
    return (MailFlags)1 << (uid % MAIL_FLAG_FIRST_KEYWORD);
}

void fixture_put_line(Fixture *fixture, guint32 box, guint32 uid, guint64 size)
{
    g_autofree char *subject = g_strdup_printf("subject %u", uid);
    const char *fields[MAIL_ENVELOPE_N_FIELDS] = {[MAIL_ENVELOPE_SUBJECT] = subject};
    g_autoptr(MailEnvelope) envelope = mail_envelope_new(fields);
    CacheMessage message = {
        .uid = uid,
        .size = size,
        .date = 1000000 + uid,
        .flags = fixture_flags(uid),
    };

    cache_put_line(fixture->cache, box, &message, envelope);
}

void fixture_put_range(Fixture *fixture, guint32 box, guint32 first, guint32 last)
{
    g_autoptr(MailSet) uids = mail_set_new();

    mail_set_add(uids, first, last);
    cache_put_uids(fixture->cache, box, uids);
}

guint32 fixture_put_inbox(Fixture *fixture, guint32 n, guint64 size)
{
    guint32 box;

    fixture_put_boxes(fixture, "INBOX", NULL);
    box = fixture_find_box(fixture, "INBOX");
    cache_box_replace(fixture->cache, box, 7, NULL);
    for (guint32 uid = 1; uid <= n; uid++)
        fixture_put_line(fixture, box, uid, size);
    cache_put_synced(fixture->cache, box, n + 1, 100, TRUE, g_get_monotonic_time());
    fixture_settle();
    g_string_truncate(fixture->news, 0);
    return box;
}

char *fixture_uids(const Fixture *fixture, guint32 box)
{
    g_autoptr(MailSet) uids = cache_dup_uids(fixture->cache, box);

    return mail_set_format(uids);
}

/* --- bytes --- */

guint8 fixture_byte(guint32 uid, guint64 offset)
{
    return (guint8)(uid * 131 + offset + offset / 251 * 7);
}

void fixture_put_block(Fixture *fixture, guint32 box, guint32 uid, guint32 block, guint64 size)
{
    guint64 start = (guint64)block * CACHE_BLOCK_SIZE;
    gsize len = size > start ? MIN(size - start, CACHE_BLOCK_SIZE) : 0;
    guint8 *data = g_malloc(CACHE_BLOCK_SIZE);
    g_autoptr(GBytes) bytes = g_bytes_new_take(data, len);

    for (gsize i = 0; i < len; i++)
        data[i] = fixture_byte(uid, start + i);
    cache_put_block(fixture->cache, fixture_generation(fixture, box), uid, "", block, bytes,
                    len < CACHE_BLOCK_SIZE);
}

void fixture_put_body(Fixture *fixture, guint32 box, guint32 uid, guint64 size)
{
    for (guint32 block = 0; (guint64)block * CACHE_BLOCK_SIZE < size; block++)
        fixture_put_block(fixture, box, uid, block, size);
}

GBytes *fixture_join(const GPtrArray *slices)
{
    GByteArray *bytes = g_byte_array_new();

    for (guint i = 0; i < slices->len; i++) {
        gsize len;
        const guint8 *data = g_bytes_get_data(slices->pdata[i], &len);

        g_byte_array_append(bytes, data, (guint)len);
    }
    return g_byte_array_free_to_bytes(bytes);
}

CacheAnswer fixture_read(Fixture *fixture, guint32 box, guint32 uid, guint64 offset, gsize size,
                         gsize *ret_len, guint64 *ret_want)
{
    g_autoptr(GPtrArray) slices = cache_slices_new();
    g_autoptr(GBytes) bytes = NULL;
    CacheAnswer answer = cache_read(fixture->cache, fixture_generation(fixture, box), uid, "",
                                    offset, size, slices, ret_want, NULL);
    const guint8 *data;

    if (answer != CACHE_FOUND)
        return answer;
    bytes = fixture_join(slices);
    data = g_bytes_get_data(bytes, ret_len);
    g_assert_cmpuint(*ret_len, <=, size);
    for (gsize i = 0; i < *ret_len; i++)
        if (data[i] != fixture_byte(uid, offset + i))
            g_error("a wrong byte at %" G_GUINT64_FORMAT " of message %u", offset + i, uid);
    return CACHE_FOUND;
}

/* --- wants --- */

static void append_want(GString *text, const CacheWant *want)
{
    switch (want->kind) {
    case CACHE_WANT_QUOTA: g_string_append(text, "quota "); break;
    case CACHE_WANT_SYNC: g_string_append(text, "sync "); break;
    case CACHE_WANT_UIDS: g_string_append(text, "uids "); break;
    case CACHE_WANT_READY: g_string_append(text, "ready "); break;
    case CACHE_WANT_LINES:
        g_string_append_printf(text, "lines-%u:%u ", want->uid, want->low);
        break;
    case CACHE_WANT_LINE: g_string_append_printf(text, "line-%u ", want->uid); break;
    case CACHE_WANT_BLOCK:
        g_string_append_printf(text, "block-%u/%s%s%u ", want->uid, want->section,
                               *want->section ? "/" : "", want->block);
        break;
    case CACHE_WANT_TREE: g_string_append_printf(text, "tree-%u ", want->uid); break;
    case CACHE_WANT_MEASURE: g_string_append_printf(text, "measure-%u ", want->uid); break;
    case CACHE_WANT_RIGHTS: g_string_append(text, "rights "); break;
    case CACHE_WANT_SETTLED: g_string_append_printf(text, "settled-%u ", want->uid); break;
    case CACHE_WANT_SYNCED: g_string_append_printf(text, "synced-%u ", want->uid); break;
    case CACHE_WANT_PARSE: g_string_append_printf(text, "parse-%u ", want->uid); break;
    case CACHE_WANT_MADE:
        g_string_append_printf(text, "made-%u/%s ", want->uid, want->section);
        break;
    }
}

char *fixture_wants(const Fixture *fixture)
{
    GString *text = g_string_new(NULL);

    for (const GList *link = cache_wants(fixture->cache)->head; link; link = link->next)
        append_want(text, link->data);
    for (const GList *link = cache_maker_wants(fixture->cache)->head; link; link = link->next)
        append_want(text, link->data);
    return g_string_free(text, FALSE);
}

void fixture_end_wants(Fixture *fixture)
{
    const CacheWant *want;

    while ((want = g_queue_peek_head((GQueue *)cache_wants(fixture->cache))) ||
           (want = g_queue_peek_head((GQueue *)cache_maker_wants(fixture->cache))))
        cache_want_done(fixture->cache, want->id, NULL);
}

void waker_wake(const GError *error, gpointer data)
{
    Waker *waker = data;

    waker->n++;
    g_clear_error(&waker->error);
    waker->error = error ? g_error_copy(error) : NULL;
}

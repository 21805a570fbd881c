/* SPDX-License-Identifier: MIT */
/* tests/unit/cache/changing.c - two mailboxes in which all is allowed, and what users do there. */
#include "changing.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

const CacheRights all_rights = {
    .may_insert = TRUE,
    .may_remove = TRUE,
    .permanent = ~(MailFlags)0,
    .may_invent = TRUE,
};

void set_rights(Fixture *fixture, const Boxes *boxes)
{
    cache_put_synced(fixture->cache, boxes->inbox, 4, 100, TRUE, 0);
    cache_put_synced(fixture->cache, boxes->archive, 1, 1, TRUE, 0);
    cache_put_rights(fixture->cache, boxes->inbox, &all_rights);
    cache_put_rights(fixture->cache, boxes->archive, &all_rights);
    fixture_settle();
    g_string_truncate(fixture->news, 0);
}

Boxes put_boxes(Fixture *fixture, guint32 n)
{
    Boxes boxes = {.inbox = fixture_put_inbox(fixture, n, 100)};

    fixture_put_boxes(fixture, "INBOX", "Archive", NULL);
    boxes.archive = fixture_find_box(fixture, "Archive");
    boxes.generation = fixture_generation(fixture, boxes.inbox);
    cache_box_replace(fixture->cache, boxes.archive, 9, NULL);
    set_rights(fixture, &boxes);
    return boxes;
}

guint32 flag(Fixture *fixture, guint32 generation, guint32 uid, MailFlags add, MailFlags remove)
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

guint32 move(Fixture *fixture, const Boxes *boxes, guint32 uid)
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

guint32 append(Fixture *fixture, const Boxes *boxes, const char *name)
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

typedef struct {
    guint n;
    GError *error;
} Noted;

static void on_noted(const GError *error, gpointer data)
{
    ((Noted *)data)->n++;
    ((Noted *)data)->error = error ? g_error_copy(error) : NULL;
}

void note_sent(Fixture *fixture, guint32 id, guint32 uidvalidity, guint32 uidnext)
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

char *state_path(const Fixture *fixture, const char *name)
{
    return g_build_filename(fixture->options.state_dir, "imap.me@example.org.993", name, NULL);
}

void remove_file(Fixture *fixture, const char *name)
{
    g_autofree char *path = fixture_path(fixture, name);

    g_assert_true(unlink(path) == 0 || errno == ENOENT);
}

/* SPDX-License-Identifier: MIT */
/* tests/unit/cache/renames.c - a list that tells what became of a RENAME. */
#include "changing.h"

typedef struct {
    Boxes boxes;
    guint32 old, below, generation, renaming, flagging;
} Tree;

/* "old" and what is below it, renamed to "Archive/new", with a change of a message below it. */
static Tree set_up(Fixture *fixture)
{
    Tree tree = {.boxes = put_boxes(fixture, 3)};

    fixture_put_boxes(fixture, "INBOX", "Archive", "old", "old/below", NULL);
    tree.old = fixture_find_box(fixture, "old");
    tree.below = fixture_find_box(fixture, "old/below");
    cache_box_replace(fixture->cache, tree.below, 9, NULL);
    cache_put_rights(fixture->cache, tree.below, &all_rights);
    fixture_put_line(fixture, tree.below, 1, 100);
    tree.generation = fixture_generation(fixture, tree.below);
    tree.flagging = flag(fixture, tree.generation, 1, MAIL_FLAG_SEEN, 0);
    g_assert_cmpint(cache_change_rename(fixture->cache, tree.old, tree.boxes.archive, "new",
                                        &tree.renaming, NULL),
                    ==, CACHE_FOUND);
    return tree;
}

static void test_sent(Fixture *fixture, gconstpointer data)
{
    Tree tree = set_up(fixture);

    note_sent(fixture, tree.renaming, 0, 1);
    fixture_put_boxes(fixture, "INBOX", "Archive", "Archive/new", "Archive/new/below", NULL);
    g_assert_cmpuint(fixture_find_box(fixture, "Archive/new"), ==, tree.old);
    g_assert_cmpuint(fixture_find_box(fixture, "Archive/new/below"), ==, tree.below);
    g_assert_cmpuint(fixture_generation(fixture, tree.below), ==, tree.generation);
    g_assert_false(cache_change(fixture->cache, tree.flagging)->is_refused);
    g_assert_false(cache_change(fixture->cache, tree.renaming)->is_refused);
    g_assert_cmpstr(cache_change(fixture->cache, tree.renaming)->wire, ==, "Archive/new");
}

/* Then others did what was done. */
static void test_not_sent(Fixture *fixture, gconstpointer data)
{
    Tree tree = set_up(fixture);

    fixture_put_boxes(fixture, "INBOX", "Archive", "Archive/new", "Archive/new/below", NULL);
    g_assert_cmpuint(fixture_find_box(fixture, "Archive/new"), !=, tree.old);
    g_assert_true(cache_change(fixture->cache, tree.renaming)->is_refused);
    g_assert_true(cache_change(fixture->cache, tree.flagging)->is_refused);
}

static void test_not_done(Fixture *fixture, gconstpointer data)
{
    Tree tree = set_up(fixture);

    note_sent(fixture, tree.renaming, 0, 1);
    fixture_put_boxes(fixture, "INBOX", "Archive", "old", "old/below", NULL);
    g_assert_cmpuint(fixture_find_box(fixture, "old"), ==, tree.old);
    fixture_put_boxes(fixture, "INBOX", "Archive", "old", "old/below", "Archive/new", NULL);
    g_assert_cmpuint(fixture_find_box(fixture, "old"), ==, tree.old);
    g_assert_cmpuint(fixture_find_box(fixture, "Archive/new"), !=, tree.old);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    FIXTURE_TEST("/renames/sent", test_sent);
    FIXTURE_TEST("/renames/not-sent", test_not_sent);
    FIXTURE_TEST("/renames/not-done", test_not_done);
    return g_test_run();
}

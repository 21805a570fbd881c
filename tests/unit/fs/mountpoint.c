/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/mountpoint.c - what may be mounted on, as far as that shows without mounting. */
#include "fs/mountpoint.h"

#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    char *dir; /* without links */
} Fixture;

static char *path_of(const Fixture *fixture, const char *name)
{
    return g_build_filename(fixture->dir, name, NULL);
}

static void set_up(Fixture *fixture, gconstpointer data)
{
    g_autofree char *tmp = g_dir_make_tmp("mailfs-test-XXXXXX", NULL), *dir = NULL, *file = NULL;
    g_autofree char *link = NULL, *dangling = NULL;
    char *real = realpath(tmp, NULL);

    fixture->dir = g_strdup(real);
    free(real);
    dir = path_of(fixture, "dir with blank");
    file = path_of(fixture, "file");
    link = path_of(fixture, "link");
    dangling = path_of(fixture, "dangling");
    g_assert_no_errno(g_mkdir(dir, 0700));
    g_assert_true(g_file_set_contents(file, "", 0, NULL));
    g_assert_no_errno(symlink("dir with blank", link));
    g_assert_no_errno(symlink("nowhere", dangling));
    g_assert_no_errno(g_chdir(fixture->dir));
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    static const char *const names[] = {"dangling", "link", "file", "dir with blank", ""};

    g_assert_no_errno(g_chdir("/"));
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = path_of(fixture, names[i]);

        g_assert_no_errno(g_remove(path));
    }
    g_free(fixture->dir);
}

static void check_prepared(const Fixture *fixture, const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *expected = path_of(fixture, "dir with blank");
    g_autofree char *absolute = mountpoint_prepare(path, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(absolute, ==, expected);
}

static void test_directory(Fixture *fixture, gconstpointer data)
{
    static const char *const names[] = {
        "dir with blank", "./dir with blank/", "link", "link/.", "dir with blank/../link",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *absolute = path_of(fixture, names[i]);

        check_prepared(fixture, names[i]);
        check_prepared(fixture, absolute);
    }
}

static void test_refused(Fixture *fixture, gconstpointer data)
{
    static const struct {
        const char *path, *why;
    } rows[] = {
        {"file", "it is no directory"},
        {"nowhere", "there is no such directory"},
        {"dangling", "there is no such directory"},
        {"nowhere/below", "there is no such directory"},
        {"file/below", "Not a directory"},
        {"", "there is no such directory"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *absolute = mountpoint_prepare(rows[i].path, &error);

        g_assert_null(absolute);
        g_assert_error(error, MAIL_ERROR, MAIL_ERROR_INVALID);
        g_assert_true(g_str_has_prefix(error->message, "mount on "));
        g_assert_true(g_str_has_suffix(error->message, rows[i].why));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define mountpoint_test(path, func) g_test_add(path, Fixture, NULL, set_up, func, tear_down)
    mountpoint_test("/mountpoint/directory", test_directory);
    mountpoint_test("/mountpoint/refused", test_refused);
    return g_test_run();
}

/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/writer.c - whether a process has a file open for writing. */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/drafts.h"

typedef struct {
    char *path;
    guint64 inos[2]; /* another one, and the file's */
} File;

static void set_up(File *file, gconstpointer data)
{
    struct stat attr;
    int fd = g_file_open_tmp("mailfs-test-XXXXXX", &file->path, NULL);

    g_assert_no_errno(fd);
    g_assert_no_errno(fstat(fd, &attr));
    close(fd);
    file->inos[0] = G_MAXUINT64;
    file->inos[1] = attr.st_ino;
}

static void tear_down(File *file, gconstpointer data)
{
    g_assert_no_errno(g_unlink(file->path));
    g_free(file->path);
}

static void test_open(File *file, gconstpointer data)
{
    static const struct {
        int flags;
        gboolean is_writing;
    } rows[] = {{O_WRONLY, TRUE}, {O_RDWR, TRUE}, {O_RDONLY, FALSE}};

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        int fd = open(file->path, rows[i].flags | O_CLOEXEC);

        g_assert_no_errno(fd);
        g_assert_true(fs_writer_has_open(getpid(), file->inos, 2) == rows[i].is_writing);
        g_assert_false(fs_writer_has_open(getpid(), file->inos, 1));
        close(fd);
        g_assert_false(fs_writer_has_open(getpid(), file->inos, 2));
    }
    g_assert_false(fs_writer_has_open(0, file->inos, 2));
}

static gpointer thread_id(gpointer data)
{
    return GINT_TO_POINTER(fs_writer_of_thread(gettid()));
}

static void test_thread(File *file, gconstpointer data)
{
    GThread *thread = g_thread_new("writer", thread_id, NULL);

    g_assert_cmpint(GPOINTER_TO_INT(g_thread_join(thread)), ==, getpid());
    g_assert_cmpint(fs_writer_of_thread(G_MAXINT), ==, 0);
}

/* By what it is called, whatever it is. */
static void test_stream_editor(File *file, gconstpointer data)
{
    static const struct {
        const char *name;
        gboolean is_one;
    } rows[] = {{"sed", TRUE}, {"perl", TRUE}, {"sedan", FALSE}, {"cp", FALSE}};

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_assert_no_errno(prctl(PR_SET_NAME, rows[i].name));
        g_assert_true(fs_writer_is_stream_editor(getpid()) == rows[i].is_one);
    }
    g_assert_false(fs_writer_is_stream_editor(0));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/writer/open", File, NULL, set_up, test_open, tear_down);
    g_test_add("/writer/stream-editor", File, NULL, set_up, test_stream_editor, tear_down);
    g_test_add("/writer/thread", File, NULL, set_up, test_thread, tear_down);
    return g_test_run();
}

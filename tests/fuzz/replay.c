/* SPDX-License-Identifier: MIT */
/* tests/fuzz/replay.c - gives a fuzz target every file of a directory. */
#include <glib.h>
#include <stdio.h>

#include "tests/fuzz/fuzz.h"

/* In a block of exactly its size, so that a sanitizer sees every read beyond it. */
static gboolean replay_file(const char *path)
{
    g_autofree char *contents = NULL;
    g_autofree guint8 *data = NULL;
    g_autoptr(GError) error = NULL;
    gsize size;

    if (!g_file_get_contents(path, &contents, &size, &error)) {
        fprintf(stderr, "%s\n", error->message);
        return FALSE;
    }
    data = g_memdup2(contents, size);
    LLVMFuzzerTestOneInput(data, size);
    return TRUE;
}

int main(int argc, char **argv)
{
    g_autoptr(GDir) dir = argc == 2 ? g_dir_open(argv[1], 0, NULL) : NULL;
    const char *name;
    guint n_files = 0;

    if (!dir) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(argv[1], name, NULL);

        printf("%s\n", name);
        fflush(stdout);
        if (!replay_file(path))
            return 1;
        n_files++;
    }
    return n_files > 0 ? 0 : 1;
}

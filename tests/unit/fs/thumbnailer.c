/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/thumbnailer.c - a process that is called like one that makes thumbnails. */
#include "thumbnailer.h"

#include <glib/gstdio.h>

void thumbnailer_start(Thumbnailer *thumbnailer, Mount *mount, const char *name, const char *task)
{
    g_autoptr(GFile) cat = g_file_new_for_path("/bin/cat");
    g_autoptr(GFile) copy = NULL;

    thumbnailer->path = g_build_filename(mount->dir, name, NULL);
    copy = g_file_new_for_path(thumbnailer->path);
    g_assert_true(g_file_copy(cat, copy, G_FILE_COPY_NONE, NULL, NULL, NULL, NULL));
    thumbnailer->process =
        g_subprocess_new(G_SUBPROCESS_FLAGS_STDIN_PIPE, NULL, thumbnailer->path, "-", task, NULL);
    g_assert_nonnull(thumbnailer->process);
    mount->kernel->pid = atoi(g_subprocess_get_identifier(thumbnailer->process));
}

void thumbnailer_stop(Thumbnailer *thumbnailer)
{
    g_subprocess_force_exit(thumbnailer->process);
    g_subprocess_wait(thumbnailer->process, NULL, NULL);
    g_object_unref(thumbnailer->process);
    (void)g_unlink(thumbnailer->path);
    g_free(thumbnailer->path);
}

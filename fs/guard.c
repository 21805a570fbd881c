/* SPDX-License-Identifier: MIT */
/* fs/guard.c - programs that read whatever they see, to make thumbnails or an index: they get what
 * is cached and nothing that would have to be fetched. */
#include <string.h>
#include <unistd.h>

#include "fs/private.h"

#define DELETED " (deleted)" /* what the kernel appends */

static const char *const refused[] = {
    "tumblerd",           "gdk-pixbuf-thumbnailer",
    "ffmpegthumbnailer",  "totem-video-thumbnailer",
    "evince-thumbnailer", "kioslave5",
    "kioworker",          "baloo_file_extractor",
    "tracker-extract-3",  "localsearch-extractor-3",
    "updatedb.plocate",   "recollindex",
};

gboolean fs_guard_refuses(pid_t pid)
{
    char link[64], path[512];
    const char *name;
    ssize_t len;

    /* The kernel tells a thread, whose own name says little: the file that it runs says more. */
    g_snprintf(link, sizeof link, "/proc/%d/exe", (int)pid);
    len = readlink(link, path, sizeof path - 1);
    if (len < 0)
        return FALSE;
    path[len] = '\0';
    /* An update has replaced the file. */
    if (g_str_has_suffix(path, DELETED))
        path[(gsize)len - strlen(DELETED)] = '\0';
    name = strrchr(path, '/');
    name = name ? name + 1 : path;
    for (gsize i = 0; i < G_N_ELEMENTS(refused); i++)
        if (g_str_equal(refused[i], name))
            return TRUE;
    return FALSE;
}

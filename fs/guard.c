/* SPDX-License-Identifier: MIT */
/* fs/guard.c - programs that read whatever they see, to make thumbnails or an index: they get what
 * is cached and nothing that would have to be fetched. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fs/private.h"

#define DELETED " (deleted)" /* what the kernel appends */

static const char *const refused[] = {
    "tumblerd",
    "gdk-pixbuf-thumbnailer",
    "ffmpegthumbnailer",
    "totem-video-thumbnailer",
    "evince-thumbnailer",
    "baloo_file_extractor",
    "tracker-extract-3",
    "localsearch-extractor-3",
    "updatedb.plocate",
    "recollindex",
    NULL,
};

/* KDE's, which copy files, too; what they are at is in their arguments. */
static const char *const refused_for_thumbnails[] = {"kioslave5", "kioworker", NULL};

/* Of its arguments, only what fits is looked at. */
static gboolean is_making_thumbnails(pid_t pid)
{
    static const char word[] = "thumbnail";
    char path[64], arguments[4096];
    ssize_t len = -1;
    int fd;

    g_snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        len = read(fd, arguments, sizeof arguments);
        close(fd);
    }
    return len > 0 && memmem(arguments, (gsize)len, word, strlen(word));
}

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
    return g_strv_contains(refused, name) ||
           (g_strv_contains(refused_for_thumbnails, name) && is_making_thumbnails(pid));
}

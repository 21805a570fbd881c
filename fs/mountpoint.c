/* SPDX-License-Identifier: MIT */
/* fs/mountpoint.c - the directory to mount on, and what a mailfs that was killed left there. */
#include "fs/mountpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define TYPE "fuse.mailfs"

static char *fail(GError **error, const char *path, const char *why)
{
    g_set_error(error, MAIL_ERROR, MAIL_ERROR_INVALID, "mount on %s: %s", path, why);
    return NULL;
}

static const char *why_not(int code)
{
    return code == ENOENT ? "there is no such directory" : g_strerror(code);
}

/* A slash at the end would have a dead mount asked for its root. */
static char *without_slashes(const char *path)
{
    gsize len = strlen(path);

    while (len > 1 && path[len - 1] == '/')
        len--;
    return g_strndup(path, len);
}

/* The path without links; what lies at its end need not answer. */
static char *make_absolute(const char *path)
{
    g_autofree char *bare = without_slashes(path);
    g_autofree char *parent = g_path_get_dirname(bare), *name = g_path_get_basename(bare);
    char *whole = realpath(bare, NULL), *real;
    char *result;

    if (whole) {
        result = g_strdup(whole);
        free(whole);
        return result;
    }
    real = realpath(parent, NULL);
    result = real ? g_build_filename(real, name, NULL) : NULL;
    free(real);
    return result;
}

/* Undoes the octal escapes of mountinfo. */
static gboolean is_mount_line_of(const char *line, const char *path)
{
    g_auto(GStrv) fields = g_strsplit(line, " ", -1);
    g_autofree char *where = NULL;

    if (g_strv_length(fields) < 5)
        return FALSE;
    where = g_strcompress(fields[4]);
    return g_str_equal(where, path);
}

/* The device of a mount if it is one of ours, or 0. */
static guint device_in(const char *line)
{
    guint device;

    return strstr(line, " - " TYPE " ") && sscanf(line, "%*u %*u 0:%u ", &device) == 1 ? device : 0;
}

/* Of the mounts on @path, the last is what one sees. */
guint mountpoint_device(const char *path)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    guint device = 0;

    if (!g_file_get_contents("/proc/self/mountinfo", &text, NULL, NULL))
        return 0;
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++)
        if (is_mount_line_of(*line, path))
            device = device_in(*line);
    return device;
}

static gboolean take_away(const char *path)
{
    const char *const argv[] = {"fusermount3", "-u", "-z", "-q", "--", path, NULL};
    int status = -1;

    if (umount2(path, MNT_DETACH) == 0)
        return TRUE;
    return g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL,
                        NULL, NULL, NULL, NULL, &status, NULL) &&
           status == 0;
}

gboolean mountpoint_check_others(GError **error)
{
    g_autofree char *conf = NULL;

    if (geteuid() == 0 || (g_file_get_contents("/etc/fuse.conf", &conf, NULL, NULL) &&
                           g_regex_match_simple("^\\s*user_allow_other\\s*(#.*)?$", conf,
                                                G_REGEX_MULTILINE | G_REGEX_RAW, 0)))
        return TRUE;
    g_set_error(error, MAIL_ERROR, MAIL_ERROR_INVALID,
                "allow_other needs the line user_allow_other in /etc/fuse.conf");
    return FALSE;
}

char *mountpoint_prepare(const char *path, GError **error)
{
    g_autofree char *absolute = NULL;
    struct stat st;

    if (!*path)
        return fail(error, path, "there is no such directory");
    absolute = make_absolute(path);
    if (!absolute)
        return fail(error, path, why_not(errno));
    if (stat(absolute, &st) < 0 && errno == ENOTCONN) {
        if (mountpoint_device(absolute) == 0)
            return fail(error, absolute, "another filesystem died there (fusermount3 -u it first)");
        if (!take_away(absolute))
            return fail(error, absolute, "a mailfs died there and its mount cannot be taken away");
    }
    if (stat(absolute, &st) < 0)
        return fail(error, absolute, why_not(errno));
    if (!S_ISDIR(st.st_mode))
        return fail(error, absolute, "it is no directory");
    if (mountpoint_device(absolute) != 0)
        return fail(error, absolute, "a mailfs is mounted there already");
    if (geteuid() != 0 && access(absolute, W_OK) < 0)
        return fail(error, absolute, "you may not write there, so you may not mount there");
    return g_steal_pointer(&absolute);
}

void mountpoint_abort(const char *path, guint device)
{
    g_autofree char *name = g_strdup_printf("/sys/fs/fuse/connections/%u/abort", device);
    int fd;

    /* The number may be that of another mount by now. */
    if (device == 0 || mountpoint_device(path) != device)
        return;
    fd = open(name, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (write(fd, "1", 1) != 1)
        g_debug("abort the mount on %s: %s", path, g_strerror(errno));
    close(fd);
}

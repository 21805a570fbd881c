/* SPDX-License-Identifier: MIT */
/* fs/writer.c - whether a process still writes a file of ours: asked of /proc, which tells it
 * without a look at the file. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/drafts.h"

/* A process that has more of them open is not asked. */
#define FDS_MAX 1024

/* Reads the beginning of a file of /proc; FALSE when it cannot be read. */
static gboolean read_proc(const char *path, char *text, gsize size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len;

    if (fd < 0)
        return FALSE;
    len = read(fd, text, size - 1);
    close(fd);
    if (len < 0)
        return FALSE;
    text[len] = '\0';
    return TRUE;
}

/* The number behind @label at the beginning of a line; FALSE when there is no such line. */
static gboolean read_field(const char *text, const char *label, int base, guint64 *ret_value)
{
    const char *line = text;

    while (line && !g_str_has_prefix(line, label)) {
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    if (!line)
        return FALSE;
    *ret_value = g_ascii_strtoull(line + strlen(label), NULL, (guint)base);
    return TRUE;
}

pid_t fs_writer_of_thread(pid_t thread)
{
    char path[64], text[1024];
    guint64 pid;

    g_snprintf(path, sizeof path, "/proc/%d/status", (int)thread);
    return read_proc(path, text, sizeof text) && read_field(text, "Tgid:", 10, &pid) ? (pid_t)pid
                                                                                     : 0;
}

gboolean fs_writer_is_stream_editor(pid_t pid)
{
    char path[64], text[64];

    g_snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    return pid && read_proc(path, text, sizeof text) &&
           (g_str_equal(text, "sed\n") || g_str_equal(text, "perl\n"));
}

static gboolean is_among(guint64 ino, const guint64 *inos, gsize n_inos)
{
    for (gsize i = 0; i < n_inos; i++)
        if (inos[i] == ino)
            return TRUE;
    return FALSE;
}

/* Whether that descriptor is one of the files, open for writing. */
static gboolean is_writing(pid_t pid, const char *fd, const guint64 *inos, gsize n_inos)
{
    char path[64], text[512];
    guint64 flags, ino;

    g_snprintf(path, sizeof path, "/proc/%d/fdinfo/%s", (int)pid, fd);
    return read_proc(path, text, sizeof text) && read_field(text, "flags:", 8, &flags) &&
           read_field(text, "ino:", 10, &ino) && (flags & O_ACCMODE) != O_RDONLY &&
           is_among(ino, inos, n_inos);
}

gboolean fs_writer_has_open(pid_t pid, const guint64 *inos, gsize n_inos)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fdinfo", (int)pid);
    g_autoptr(GDir) dir = pid ? g_dir_open(path, 0, NULL) : NULL;
    const char *fd;

    for (guint i = 0; dir && i < FDS_MAX && (fd = g_dir_read_name(dir)); i++)
        if (is_writing(pid, fd, inos, n_inos))
            return TRUE;
    return FALSE;
}

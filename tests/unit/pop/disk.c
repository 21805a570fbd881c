/* SPDX-License-Identifier: MIT */
/* tests/unit/pop/disk.c - the calls that change the disk. */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static GMutex mutex;
static GThread *engine;
static GString *history;
static guint n_calls, n_opens, n_engine_syncs, dies_at, fails_from, fails_to;
static int failure;
static gboolean lazy;

void disk_reset(void)
{
    engine = g_thread_self();
    n_calls = n_opens = n_engine_syncs = dies_at = fails_from = fails_to = 0;
    g_free(disk_take_log());
}

void disk_die_at(guint nth)
{
    dies_at = nth;
}

void disk_fail(guint first, guint last, int errsv)
{
    fails_from = first;
    fails_to = last;
    failure = errsv;
}

void disk_set_lazy(gboolean is_lazy)
{
    lazy = is_lazy;
}

guint disk_n_calls(void)
{
    return n_calls;
}

guint disk_n_opens(void)
{
    return n_opens;
}

guint disk_n_engine_syncs(void)
{
    return n_engine_syncs;
}

char *disk_take_log(void)
{
    char *taken;

    g_mutex_lock(&mutex);
    taken = history ? g_string_free(history, FALSE) : g_strdup("");
    history = g_string_new(NULL);
    g_mutex_unlock(&mutex);
    return taken;
}

guint disk_count(const char *log, const char *word)
{
    guint n = 0;

    for (const char *at = log; (at = strstr(at, word)); at++)
        n++;
    return n;
}

/* Whether the call may be made; else errno says why not. */
static gboolean enter(const char *word)
{
    gboolean is_ok;

    g_mutex_lock(&mutex);
    n_calls++;
    if (n_calls == dies_at)
        _exit(0);
    is_ok = n_calls < fails_from || n_calls > fails_to;
    if (word && history)
        g_string_append_printf(history, "%s ", word);
    g_mutex_unlock(&mutex);
    if (!is_ok)
        errno = failure;
    return is_ok;
}

/* --- the calls --- */

static gboolean is_file(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static const char *sync_word(int fd)
{
    g_autofree char *link = g_strdup_printf("/proc/self/fd/%d", fd);
    char path[4096] = "";

    if (!is_file(fd))
        return "sync-dir";
    if (readlink(link, path, sizeof path - 1) > 0 && strstr(path, "pop.sqlite"))
        return "sync-index";
    return "sync-file";
}

static int do_sync(long call, int fd)
{
    if (g_thread_self() == engine)
        n_engine_syncs++;
    if (!enter(sync_word(fd)))
        return -1;
    return lazy ? 0 : (int)syscall(call, fd);
}

int fsync(int fd)
{
    return do_sync(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return do_sync(SYS_fdatasync, fd);
}

int renameat2(int from, const char *old, int to, const char *new, unsigned int flags)
{
    return enter("move") ? (int)syscall(SYS_renameat2, from, old, to, new, flags) : -1;
}

int unlinkat(int fd, const char *name, int flags)
{
    return enter("remove") ? (int)syscall(SYS_unlinkat, fd, name, flags) : -1;
}

/* The main loop writes too, but not to files. */
ssize_t write(int fd, const void *bytes, size_t len)
{
    return !is_file(fd) || enter(NULL) ? syscall(SYS_write, fd, bytes, len) : -1;
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    return enter(NULL) ? syscall(SYS_pwrite64, fd, bytes, len, offset) : -1;
}

int openat(int fd, const char *name, int flags, ...)
{
    va_list rest;
    mode_t mode;

    va_start(rest, flags);
    mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    g_atomic_int_inc((gint *)&n_opens);
    if (flags & O_CREAT && !enter(NULL))
        return -1;
    return (int)syscall(SYS_openat, fd, name, flags, mode);
}

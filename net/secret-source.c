/* SPDX-License-Identifier: MIT */
/* net/secret-source.c - passwords from a file and from a command. */
#include "net/net.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/secret-private.h"

NetScratch *net_scratch_new(void)
{
    return g_new0(NetScratch, 1);
}

void net_scratch_free(NetScratch *scratch)
{
    explicit_bzero(scratch, sizeof *scratch);
    g_free(scratch);
}

NetSecret *net_scratch_first_line(const NetScratch *scratch, const char *what, GError **error)
{
    const char *end = memchr(scratch->bytes, '\n', scratch->len);
    gsize len = end ? (gsize)(end - scratch->bytes) : scratch->len;

    if (!end && scratch->len > NET_SCRATCH_MAX) {
        g_set_error(error, MAIL_ERROR, MAIL_ERROR_INVALID, "%s: the first line is too long", what);
        return NULL;
    }
    while (len > 0 && scratch->bytes[len - 1] == '\r')
        len--;
    if (len == 0) {
        g_set_error(error, MAIL_ERROR, MAIL_ERROR_INVALID, "%s: the first line is empty", what);
        return NULL;
    }
    return net_secret_new(scratch->bytes, len, what, error);
}

gboolean net_scratch_fail(const char *what, int errnum, GError **error)
{
    g_set_error(error, MAIL_ERROR, MAIL_ERROR_LOCAL, "%s: %s", what, g_strerror(errnum));
    return FALSE;
}

/* --- a file --- */

static gboolean file_check(int fd, const char *what, GError **error)
{
    struct stat status;
    const char *why = NULL;

    if (fstat(fd, &status) < 0)
        return net_scratch_fail(what, errno, error);
    if (!S_ISREG(status.st_mode))
        why = "it is not a regular file";
    else if (status.st_uid != geteuid() && status.st_uid != 0)
        why = "it belongs to another user";
    else if (status.st_mode & (S_IRWXG | S_IRWXO))
        why = "others have access to it; run chmod 600 on it";
    else if (status.st_size > NET_SCRATCH_MAX)
        why = "it is larger than 64 KiB";
    if (!why)
        return TRUE;
    g_set_error(error, MAIL_ERROR, MAIL_ERROR_INVALID, "%s: %s", what, why);
    return FALSE;
}

static gboolean file_read(int fd, NetScratch *scratch, const char *what, GError **error)
{
    while (scratch->len < sizeof scratch->bytes) {
        gssize n = read(fd, scratch->bytes + scratch->len, sizeof scratch->bytes - scratch->len);

        if (n == 0)
            return TRUE;
        if (n < 0 && errno != EINTR)
            return net_scratch_fail(what, errno, error);
        if (n > 0)
            scratch->len += (gsize)n;
    }
    return TRUE;
}

NetSecret *net_secret_from_file(const char *path, GError **error)
{
    g_autofree char *what = g_strdup_printf("read the password file %s", path);
    g_autoptr(NetScratch) scratch = net_scratch_new();
    gboolean ok;
    int fd;

    /* O_NONBLOCK: opening a FIFO must not wait for a writer. */
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        net_scratch_fail(what, errno, error);
        return NULL;
    }
    ok = file_check(fd, what, error) && file_read(fd, scratch, what, error);
    close(fd);
    return ok ? net_scratch_first_line(scratch, what, error) : NULL;
}

/* --- a command --- */

typedef struct {
    GPid pid;   /* leads a process group */
    int exited; /* pidfd: readable when the process has ended */
    int out;    /* its stdout, or -1 after the end */
} Child;

static void on_child_setup(gpointer data)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
}

static void child_kill(const Child *child)
{
    kill(-child->pid, SIGKILL);
}

static int child_reap(Child *child)
{
    int status = -1;

    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (child->exited >= 0)
        close(child->exited);
    if (child->out >= 0)
        close(child->out);
    return status;
}

static gboolean child_start(Child *child, const char *command, const char *what, GError **error)
{
    const char *const argv[] = {"/bin/sh", "-c", command, NULL};
    g_autoptr(GError) why = NULL;

    if (!g_spawn_async_with_pipes_and_fds(
            NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_CLOEXEC_PIPES, on_child_setup,
            NULL, -1, -1, -1, NULL, NULL, 0, &child->pid, NULL, &child->out, NULL, &why)) {
        g_set_error(error, MAIL_ERROR, MAIL_ERROR_LOCAL, "%s: %s", what, why->message);
        return FALSE;
    }
    fcntl(child->out, F_SETFL, O_NONBLOCK);
    child->exited = pidfd_open(child->pid, 0);
    if (child->exited >= 0)
        return TRUE;
    net_scratch_fail(what, errno, error);
    child_kill(child);
    child_reap(child);
    return FALSE;
}

/* Takes some of what is there, if anything; what does not fit is thrown away, lest the child wait
 * for us.  Returns whether there may be more. */
static gboolean child_read(Child *child, NetScratch *scratch)
{
    char surplus[4096];
    gsize room = sizeof scratch->bytes - scratch->len;
    gssize n = room > 0 ? read(child->out, scratch->bytes + scratch->len, room)
                        : read(child->out, surplus, sizeof surplus);

    if (n < 0)
        return errno == EINTR;
    if (n == 0) {
        close(child->out);
        child->out = -1;
        return FALSE;
    }
    if (room > 0)
        scratch->len += (gsize)n;
    return room > 0;
}

/* Whether it ended before the deadline. */
static gboolean child_wait(Child *child, NetScratch *scratch, gint64 deadline_us)
{
    for (;;) {
        struct pollfd fds[] = {{child->exited, POLLIN, 0}, {child->out, POLLIN, 0}};
        gint64 left_us = deadline_us - g_get_monotonic_time();

        if (left_us <= 0)
            return FALSE;
        if (poll(fds, G_N_ELEMENTS(fds), (int)MIN(left_us / 1000 + 1, G_MAXINT)) <= 0)
            continue;
        if (fds[0].revents)
            break;
        child_read(child, scratch);
    }
    while (child->out >= 0 && child_read(child, scratch))
        continue;
    return TRUE;
}

static gboolean status_check(int status, const char *what, GError **error)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return TRUE;
    if (WIFEXITED(status))
        g_set_error(error, MAIL_ERROR, MAIL_ERROR_LOCAL, "%s: it failed with exit status %d", what,
                    WEXITSTATUS(status));
    else
        g_set_error(error, MAIL_ERROR, MAIL_ERROR_LOCAL, "%s: it was killed by signal %d", what,
                    WTERMSIG(status));
    return FALSE;
}

NetSecret *net_secret_from_command(const char *command, guint timeout_s, GError **error)
{
    const char *what = "run the password command";
    gint64 deadline_us = g_get_monotonic_time() + (gint64)timeout_s * G_USEC_PER_SEC;
    g_autoptr(NetScratch) scratch = net_scratch_new();
    Child child;
    gboolean in_time;
    int status;

    if (!child_start(&child, command, what, error))
        return NULL;
    in_time = child_wait(&child, scratch, deadline_us);
    if (!in_time)
        child_kill(&child);
    status = child_reap(&child);
    if (!in_time) {
        g_set_error(error, MAIL_ERROR, MAIL_ERROR_TIMEOUT, "%s: no answer within %u s", what,
                    timeout_s);
        return NULL;
    }
    return status_check(status, what, error) ? net_scratch_first_line(scratch, what, error) : NULL;
}

/* SPDX-License-Identifier: MIT */
/* fs/deadman.c - a dead man's switch. */
#include "fs/deadman.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/mountpoint.h"
#include "mail/mail.h"

#define NAME         "fuse-deadman" /* not ours: who kills all that is called mailfs means the daemon */
#define DEATH_SIGNAL SIGUSR1
#define LOOKS        10
#define LOOK_US      20000

struct Deadman {
    pid_t child;
    int fd; /* of a pipe to the child */
};

/* What the child is told, in one piece. */
typedef struct {
    guint device;
    char path[PIPE_BUF - sizeof(guint)];
} Target;

/* --- in the child --- */

static void wait_for_death(pid_t parent)
{
    siginfo_t info = {0};
    sigset_t death;

    sigemptyset(&death);
    sigaddset(&death, DEATH_SIGNAL);
    prctl(PR_SET_PDEATHSIG, DEATH_SIGNAL);
    /* As long as any of its threads is left, it stays our parent: its signal says more. */
    while (getppid() == parent && !(sigwaitinfo(&death, &info) >= 0 && info.si_pid == parent))
        ;
}

/* Whether threads of it are left that do not end.  Without any the kernel has cut the connection,
 * and the mount may be the next one's already. */
static gboolean hangs(pid_t parent)
{
    for (int i = 0; i < LOOKS; i++) {
        if (getppid() != parent)
            return FALSE;
        usleep(LOOK_US);
    }
    return getppid() == parent;
}

static _Noreturn void watch(pid_t parent, int fd)
{
    Target target;

    prctl(PR_SET_NAME, NAME);
    dup2(fd, STDIN_FILENO);
    close_range(STDIN_FILENO + 1, ~0U, 0);
    wait_for_death(parent);
    /* Its other end may still be open. */
    if (fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK) == 0 &&
        read(STDIN_FILENO, &target, sizeof target) == (ssize_t)sizeof target && hangs(parent))
        mountpoint_abort(target.path, target.device);
    _exit(EXIT_SUCCESS);
}

/* --- in the daemon --- */

/* With all signals blocked from its first moment: a terminal sends them to us all. */
static pid_t fork_blocked(void)
{
    sigset_t all, before;
    pid_t child;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    child = fork();
    if (child != 0)
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    return child;
}

Deadman *deadman_new(GError **error)
{
    pid_t us = getpid(), child = -1;
    Deadman *deadman;
    int fds[2] = {-1, -1};

    if (pipe2(fds, O_CLOEXEC) < 0 || (child = fork_blocked()) < 0) {
        g_set_error(error, MAIL_ERROR, MAIL_ERROR_LOCAL, "start a process that outlives us: %s",
                    g_strerror(errno));
        if (fds[0] >= 0) {
            close(fds[0]);
            close(fds[1]);
        }
        return NULL;
    }
    if (child == 0)
        watch(us, fds[0]);
    close(fds[0]);
    deadman = g_new0(Deadman, 1);
    deadman->child = child;
    deadman->fd = fds[1];
    return deadman;
}

void deadman_set_mount(Deadman *deadman, const char *mountpoint)
{
    Target target = {.device = mountpoint_device(mountpoint)};

    if (g_strlcpy(target.path, mountpoint, sizeof target.path) >= sizeof target.path ||
        write(deadman->fd, &target, sizeof target) != (ssize_t)sizeof target)
        g_warning("if mailfs is killed, %s may hang until it is aborted", mountpoint);
}

void deadman_free(Deadman *deadman)
{
    if (!deadman)
        return;
    close(deadman->fd);
    kill(deadman->child, SIGKILL);
    while (waitpid(deadman->child, NULL, 0) < 0 && errno == EINTR)
        ;
    g_free(deadman);
}

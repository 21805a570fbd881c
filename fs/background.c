/* SPDX-License-Identifier: MIT */
/* fs/background.c - going to the background only when all is well. */
#include "fs/background.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* The end of a pipe at which the parent listens; -1 in the foreground. */
static int parent_fd = -1;

/* The child says one byte, or dies and closes the pipe. */
static void wait_for_child(pid_t child, int fd)
{
    char byte;
    ssize_t n;
    int status = 0;

    do
        n = read(fd, &byte, 1);
    while (n < 0 && errno == EINTR);
    if (n == 1)
        _exit(EXIT_SUCCESS);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    _exit(WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : EXIT_FAILURE);
}

void background_fork(void)
{
    int fds[2];
    pid_t parent = getpid(), child;

    if (pipe2(fds, O_CLOEXEC) < 0 || (child = fork()) < 0) {
        perror("mailfs: go to the background");
        exit(EXIT_FAILURE);
    }
    if (child) {
        close(fds[1]);
        wait_for_child(child, fds[0]);
    }
    close(fds[0]);
    parent_fd = fds[1];
    /* Until the mount is there, whoever ends the parent means us. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(EXIT_FAILURE);
}

void background_succeeded(void)
{
    int null;

    if (parent_fd < 0)
        return;
    prctl(PR_SET_PDEATHSIG, 0);
    setsid();
    if (chdir("/") < 0)
        g_debug("cannot leave the directory");
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        close(null);
    }
    if (write(parent_fd, "", 1) != 1)
        g_debug("the parent is gone");
    close(parent_fd);
    parent_fd = -1;
}

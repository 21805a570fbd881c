/* SPDX-License-Identifier: MIT */
/* net/secret-tty.c - a password from the terminal. */
#include "net/net.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "net/secret-private.h"

/* The terminal without echo.  Signals that would end or stop us wait meanwhile; they take
 * effect when tty_close() has put everything back. */
typedef struct {
    int fd;
    int signalled; /* readable when such a signal waits */
    sigset_t mask_before;
    struct termios before;
} Tty;

static const int held_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGALRM};

static void signals_hold(Tty *tty)
{
    sigset_t held;

    sigemptyset(&held);
    for (gsize i = 0; i < G_N_ELEMENTS(held_signals); i++)
        sigaddset(&held, held_signals[i]);
    pthread_sigmask(SIG_BLOCK, &held, &tty->mask_before);
    tty->signalled = signalfd(-1, &held, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void signals_release(Tty *tty)
{
    if (tty->signalled >= 0)
        close(tty->signalled);
    pthread_sigmask(SIG_SETMASK, &tty->mask_before, NULL);
}

static gboolean tty_silence(Tty *tty)
{
    struct termios silent;

    if (tcgetattr(tty->fd, &tty->before) < 0)
        return FALSE;
    silent = tty->before;
    silent.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
    silent.c_lflag |= ICANON | ISIG;
    return tcsetattr(tty->fd, TCSAFLUSH, &silent) == 0;
}

static gboolean tty_open(Tty *tty, const char *what, GError **error)
{
    int errnum;

    tty->fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (tty->fd < 0)
        return net_scratch_fail(what, errno, error);
    signals_hold(tty);
    if (tty_silence(tty))
        return TRUE;
    errnum = errno;
    signals_release(tty);
    close(tty->fd);
    return net_scratch_fail(what, errnum, error);
}

static void tty_close(Tty *tty)
{
    tcsetattr(tty->fd, TCSAFLUSH, &tty->before);
    close(tty->fd);
    signals_release(tty);
}

static void tty_print(Tty *tty, const char *text)
{
    gsize len = strlen(text);

    while (len > 0) {
        gssize n = write(tty->fd, text, len);

        if (n < 0 && errno != EINTR)
            return;
        if (n > 0) {
            text += n;
            len -= (gsize)n;
        }
    }
}

/* Reads until the end of a line, or until a signal waits. */
static gboolean tty_read_line(Tty *tty, NetScratch *scratch, const char *what, GError **error)
{
    while (scratch->len < sizeof scratch->bytes) {
        struct pollfd fds[] = {{tty->signalled, POLLIN, 0}, {tty->fd, POLLIN, 0}};
        gssize n;

        if (poll(fds, G_N_ELEMENTS(fds), -1) < 0 && errno != EINTR)
            return net_scratch_fail(what, errno, error);
        if (fds[0].revents) {
            g_set_error(error, MAIL_ERROR, MAIL_ERROR_CANCELLED, "%s: interrupted", what);
            return FALSE;
        }
        if (!fds[1].revents)
            continue;
        n = read(tty->fd, scratch->bytes + scratch->len, sizeof scratch->bytes - scratch->len);
        if (n < 0 && errno != EINTR)
            return net_scratch_fail(what, errno, error);
        if (n > 0)
            scratch->len += (gsize)n;
        if (n == 0 || memchr(scratch->bytes, '\n', scratch->len))
            return TRUE;
    }
    return TRUE;
}

NetSecret *net_secret_from_tty(const char *prompt, GError **error)
{
    const char *what = "ask for the password on the terminal";
    g_autoptr(NetScratch) scratch = net_scratch_new();
    gboolean ok;
    Tty tty;

    if (!tty_open(&tty, what, error))
        return NULL;
    tty_print(&tty, prompt);
    ok = tty_read_line(&tty, scratch, what, error);
    tty_print(&tty, "\n");
    tty_close(&tty);
    return ok ? net_scratch_first_line(scratch, what, error) : NULL;
}

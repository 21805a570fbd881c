/* SPDX-License-Identifier: MIT */
/* net/socket.c - socket reads and writes that neither block nor raise SIGPIPE. */
#include "net/socket-private.h"

#include <errno.h>
#include <sys/socket.h>

#include "mail/mail.h"

static char *errnum_text(int errnum)
{
    char *text;

    if (errnum == EPIPE)
        return g_strdup("connection closed by server");
    text = g_strdup(g_strerror(errnum));
    text[0] = g_ascii_tolower(text[0]);
    return text;
}

void net_socket_set_error(GError **error, int errnum)
{
    g_autofree char *text = errnum_text(errnum);
    MailError code = errnum == ETIMEDOUT ? MAIL_ERROR_TIMEOUT : MAIL_ERROR_OFFLINE;

    g_set_error_literal(error, MAIL_ERROR, code, text);
}

static NetIo socket_result(gssize n, int errnum, NetIo wanted, gsize *ret_n, GError **error)
{
    if (n > 0) {
        *ret_n = (gsize)n;
        return NET_IO_DONE;
    }
    if (n == 0)
        return NET_IO_END;
    if (errnum == EAGAIN || errnum == EWOULDBLOCK)
        return wanted;
    net_socket_set_error(error, errnum);
    return NET_IO_FAILED;
}

NetIo net_socket_read(int fd, gpointer bytes, gsize size, gsize *ret_n, GError **error)
{
    gssize n;

    do
        n = recv(fd, bytes, size, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return socket_result(n, errno, NET_IO_WANT_READ, ret_n, error);
}

NetIo net_socket_write(int fd, gconstpointer bytes, gsize len, gsize *ret_n, GError **error)
{
    gssize n;

    do
        n = send(fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return socket_result(n, errno, NET_IO_WANT_WRITE, ret_n, error);
}

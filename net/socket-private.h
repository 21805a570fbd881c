/* SPDX-License-Identifier: MIT */
/* net/socket-private.h - socket reads and writes that neither block nor raise SIGPIPE. */
#pragma once

#include <glib.h>

/* What became of an attempt to move bytes. */
typedef enum {
    NET_IO_DONE,
    NET_IO_WANT_READ,  /* try again when the socket is readable */
    NET_IO_WANT_WRITE, /* try again when it is writable */
    NET_IO_END,        /* the peer has ended the connection in the proper way */
    NET_IO_FAILED,     /* the only one that sets an error */
} NetIo;

/* Both set @ret_n, to more than 0, only with NET_IO_DONE.  Errors are those of
 * net_socket_set_error(). */
NetIo net_socket_read(int fd, gpointer bytes, gsize size, gsize *ret_n, GError **error);
NetIo net_socket_write(int fd, gconstpointer bytes, gsize len, gsize *ret_n, GError **error);

/* OFFLINE, or TIMEOUT for ETIMEDOUT, with the text of @errnum beginning in lower case. */
void net_socket_set_error(GError **error, int errnum);

/* SPDX-License-Identifier: MIT */
/* tests/unit/net/server.h - a server for one connection, in a thread, with blocking calls. */
#pragma once

#include <gio/gio.h>
#include <openssl/ssl.h>

#include "certs.h"

typedef struct Server Server;

/* Serves one connection; @fd is closed afterwards. */
typedef void (*ServerFunc)(int fd, gpointer data);

/* Listens on 127.0.0.1, or on ::1. */
Server *server_start(ServerFunc serve, gpointer data);
Server *server_start_ipv6(ServerFunc serve, gpointer data);
guint16 server_port(const Server *server);
/* Waits until the connection, if there is one, has been served. */
void server_stop(Server *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Server, server_stop)

/* A port of 127.0.0.1 where nobody listens, held by the socket in @ret_fd. */
guint16 server_port_refusing(int *ret_fd);
/* A port of 127.0.0.2 that answers no SYN, held by the sockets in @ret_fds; @port as wanted. */
void server_make_dead(guint16 port, int ret_fds[8]);
void server_free_dead(int fds[8]);

typedef struct {
    const Cert *cert;
    int max_version;       /* or 0 */
    const char *ciphers;   /* of TLS 1.2, or NULL */
    const char *groups;    /* or NULL */
    char server_name[256]; /* the SNI of the client, or "" */
} ServerTls;

/* Shakes hands; NULL when that failed. */
SSL *server_tls_accept(int fd, ServerTls *tls);
void server_tls_free(SSL *ssl);

/* These give up the test when the connection does not do it. */
void server_send(int fd, gconstpointer bytes, gsize len);
void server_receive(int fd, gpointer bytes, gsize len);
/* Waits for the end of the connection, or for its reset. */
void server_await_end(int fd);

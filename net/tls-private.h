/* SPDX-License-Identifier: MIT */
/* net/tls-private.h - the client's side of TLS on a connected socket. */
#pragma once

#include <openssl/sha.h>
#include <openssl/ssl.h>

#include "net/net.h"
#include "net/socket-private.h"

struct NetTrust {
    SSL_CTX *context;
    gboolean is_pinned;
    guint8 pin[SHA256_DIGEST_LENGTH]; /* of the certificate in DER */
};

typedef struct NetTls NetTls;

/* Verifies certificates for all connections of a context (SSL_CTX_set_cert_verify_callback(3)). */
int net_tls_on_certificate(X509_STORE_CTX *store, void *data);

/* On @fd, which stays the caller's and must outlive the result.  @host: a name in ASCII without
 * final dot, or an address; fails with INVALID when nothing can be verified against it. */
NetTls *net_tls_new(NetTrust *trust, const char *host, int fd, GError **error);
void net_tls_free(NetTls *tls);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetTls, net_tls_free)

/* To be repeated until it is NET_IO_DONE; then the server's certificate has been verified.
 * Fails with TLS or OFFLINE. */
NetIo net_tls_handshake(NetTls *tls, GError **error);

/* As net_socket_read() and net_socket_write().  NET_IO_END stands for a close_notify; an end
 * without one is OFFLINE. */
NetIo net_tls_read(NetTls *tls, gpointer bytes, gsize size, gsize *ret_n, GError **error);
NetIo net_tls_write(NetTls *tls, gconstpointer bytes, gsize len, gsize *ret_n, GError **error);

/* Sends close_notify if that goes without waiting. */
void net_tls_shutdown(NetTls *tls);

/* SPDX-License-Identifier: MIT */
/* tests/unit/net/server.c - a server for one connection, in a thread, with blocking calls. */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

struct Server {
    int listener;
    int stop; /* eventfd */
    guint16 port;
    ServerFunc serve;
    gpointer data;
    GThread *thread;
};

typedef union {
    struct sockaddr any;
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
} Address;

static int open_socket(const Address *address, socklen_t len)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;

    g_assert_cmpint(fd, >=, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    g_assert_no_errno(bind(fd, &address->any, len));
    return fd;
}

static guint16 socket_port(int fd)
{
    Address address;
    socklen_t len = sizeof address;

    g_assert_no_errno(getsockname(fd, &address.any, &len));
    return g_ntohs(address.ipv4.sin_port);
}

/* A connection that is there already is served even if we shall stop.  -1 without any. */
static int await_connection(const Server *server)
{
    struct pollfd fds[] = {{server->listener, POLLIN, 0}, {server->stop, POLLIN, 0}};

    while (poll(fds, G_N_ELEMENTS(fds), -1) < 0)
        g_assert_cmpint(errno, ==, EINTR);
    return fds[0].revents ? accept4(server->listener, NULL, NULL, SOCK_CLOEXEC) : -1;
}

static gpointer on_thread(gpointer data)
{
    Server *server = data;
    sigset_t pipe;
    int fd;

    /* SIGPIPE is for the writing thread: what the client does must not hide behind this. */
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, NULL);
    fd = await_connection(server);
    if (fd < 0)
        return NULL;
    server->serve(fd, server->data);
    close(fd);
    return NULL;
}

static Server *start_at(const Address *address, socklen_t len, ServerFunc serve, gpointer data)
{
    Server *server = g_new0(Server, 1);

    server->listener = open_socket(address, len);
    g_assert_no_errno(listen(server->listener, 8));
    server->port = socket_port(server->listener);
    server->stop = eventfd(0, EFD_CLOEXEC);
    server->serve = serve;
    server->data = data;
    server->thread = g_thread_new("server", on_thread, server);
    return server;
}

Server *server_start(ServerFunc serve, gpointer data)
{
    const Address address = {
        .ipv4 = {.sin_family = AF_INET, .sin_addr.s_addr = g_htonl(0x7f000001)}};

    return start_at(&address, sizeof address.ipv4, serve, data);
}

Server *server_start_ipv6(ServerFunc serve, gpointer data)
{
    const Address address = {.ipv6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT}};

    return start_at(&address, sizeof address.ipv6, serve, data);
}

guint16 server_port(const Server *server)
{
    return server->port;
}

void server_stop(Server *server)
{
    if (!server)
        return;
    eventfd_write(server->stop, 1);
    g_thread_join(server->thread);
    close(server->listener);
    close(server->stop);
    g_free(server);
}

/* --- ports that do not serve --- */

guint16 server_port_refusing(int *ret_fd)
{
    const Address address = {
        .ipv4 = {.sin_family = AF_INET, .sin_addr.s_addr = g_htonl(0x7f000001)}};

    *ret_fd = open_socket(&address, sizeof address.ipv4);
    return socket_port(*ret_fd);
}

/* A listener with a full backlog drops what knocks. */
void server_make_dead(guint16 port, int ret_fds[8])
{
    const Address address = {.ipv4 = {.sin_family = AF_INET,
                                      .sin_port = g_htons(port),
                                      .sin_addr.s_addr = g_htonl(0x7f000002)}};

    ret_fds[0] = open_socket(&address, sizeof address.ipv4);
    g_assert_no_errno(listen(ret_fds[0], 0));
    for (guint i = 1; i < 8; i++) {
        ret_fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(ret_fds[i], &address.any, sizeof address.ipv4);
    }
}

void server_free_dead(int fds[8])
{
    for (guint i = 0; i < 8; i++)
        close(fds[i]);
}

/* --- TLS --- */

static int on_server_name(SSL *ssl, int *alert, void *data)
{
    ServerTls *tls = data;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    g_strlcpy(tls->server_name, name ? name : "", sizeof tls->server_name);
    return SSL_TLSEXT_ERR_OK;
}

SSL *server_tls_accept(int fd, ServerTls *tls)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    SSL *ssl;

    /* So weak that whatever is refused is refused by the client. */
    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_keylog_callback(context, NULL);
    SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context, tls->max_version);
    if (tls->ciphers)
        g_assert_cmpint(SSL_CTX_set_cipher_list(context, tls->ciphers), ==, 1);
    if (tls->cert) {
        g_assert_cmpint(SSL_CTX_use_certificate(context, tls->cert->x509), ==, 1);
        g_assert_cmpint(SSL_CTX_use_PrivateKey(context, tls->cert->key), ==, 1);
    }
    SSL_CTX_set_tlsext_servername_callback(context, on_server_name);
    SSL_CTX_set_tlsext_servername_arg(context, tls);
    ssl = SSL_new(context);
    SSL_CTX_free(context);
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1)
        return ssl;
    SSL_free(ssl);
    return NULL;
}

void server_tls_free(SSL *ssl)
{
    SSL_free(ssl);
}

/* --- bytes --- */

void server_send(int fd, gconstpointer bytes, gsize len)
{
    while (len > 0) {
        gssize n = send(fd, bytes, len, MSG_NOSIGNAL);

        g_assert_cmpint(n, >, 0);
        bytes = (const guint8 *)bytes + n;
        len -= (gsize)n;
    }
}

void server_receive(int fd, gpointer bytes, gsize len)
{
    while (len > 0) {
        gssize n = recv(fd, bytes, len, 0);

        g_assert_cmpint(n, >, 0);
        bytes = (guint8 *)bytes + n;
        len -= (gsize)n;
    }
}

void server_await_end(int fd)
{
    char bytes[4096];

    while (recv(fd, bytes, sizeof bytes, 0) > 0)
        continue;
}

/* SPDX-License-Identifier: MIT */
/* net/connect.c - a TCP connection to whichever address answers first (RFC 8305). */
#include "net/connect-private.h"

#include <errno.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mail/mail.h"
#include "net/socket-private.h"

#define ADDRESSES_MAX 20
#define STAGGER_MS    250

struct NetConnect {
    guint16 port;
    NetConnectFunc done; /* NULL when freed */
    gpointer data;
    GCancellable *lookup; /* NULL when there is none */
    GPtrArray *addresses; /* GInetAddress */
    guint n_tried;
    GPtrArray *attempts; /* Attempt, those under way */
    GSource *stagger;    /* until the next attempt, or NULL */
    GError *error;       /* of the attempts that failed, the one that says most */
};

typedef struct {
    NetConnect *connect;
    int fd;
    GSource *watch;
} Attempt;

static void connect_next(NetConnect *connect);

static void attempt_free(gpointer data)
{
    Attempt *attempt = data;

    if (attempt->watch) {
        g_source_destroy(attempt->watch);
        g_source_unref(attempt->watch);
    }
    if (attempt->fd >= 0)
        close(attempt->fd);
    g_free(attempt);
}

static void stagger_clear(NetConnect *connect)
{
    if (!connect->stagger)
        return;
    g_source_destroy(connect->stagger);
    g_clear_pointer(&connect->stagger, g_source_unref);
}

/* --- the end of it --- */

static void connect_stop(NetConnect *connect)
{
    connect->done = NULL;
    stagger_clear(connect);
    g_ptr_array_set_size(connect->attempts, 0);
    if (connect->lookup)
        g_cancellable_cancel(connect->lookup);
}

static void connect_clear(gpointer memory)
{
    NetConnect *connect = memory;

    g_clear_object(&connect->lookup);
    g_clear_pointer(&connect->addresses, g_ptr_array_unref);
    g_ptr_array_unref(connect->attempts);
    g_clear_error(&connect->error);
}

/* Hands out the result; afterwards @connect may be gone. */
static void connect_finish(NetConnect *connect, int fd, const GError *error)
{
    NetConnect *held = g_rc_box_acquire(connect);
    NetConnectFunc done = connect->done;

    connect_stop(connect);
    done(fd, error, held->data);
    g_rc_box_release_full(held, connect_clear);
}

void net_connect_free(NetConnect *connect)
{
    if (!connect)
        return;
    connect_stop(connect);
    g_rc_box_release_full(connect, connect_clear);
}

/* --- attempts --- */

/* That this machine has no IPv6 says less than what a server answered. */
static gboolean is_no_route(int errnum)
{
    return errnum == ENETUNREACH || errnum == EADDRNOTAVAIL || errnum == EAFNOSUPPORT;
}

static void note_failure(NetConnect *connect, int errnum)
{
    if (connect->error && is_no_route(errnum))
        return;
    g_clear_error(&connect->error);
    net_socket_set_error(&connect->error, errnum);
}

static int socket_error(int fd)
{
    int errnum = 0;
    socklen_t len = sizeof errnum;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &len) < 0)
        return errno;
    return errnum;
}

/* A server may be silent for minutes: the kernel asks its host whether the link is there. */
static void socket_tune(int fd)
{
    const int on = 1, idle_s = 120, interval_s = 20, n_unanswered = 3;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &n_unanswered, sizeof n_unanswered);
}

static gboolean on_attempt(gint fd, GIOCondition condition, gpointer data)
{
    Attempt *attempt = data;
    NetConnect *connect = attempt->connect;
    int errnum = socket_error(fd);

    if (errnum == 0) {
        attempt->fd = -1;
        connect_finish(connect, fd, NULL);
        return G_SOURCE_REMOVE;
    }
    note_failure(connect, errnum);
    g_ptr_array_remove_fast(connect->attempts, attempt);
    connect_next(connect);
    return G_SOURCE_REMOVE;
}

/* A socket on its way to @address, or -1 and errno. */
static int socket_connect(GInetAddress *address, guint16 port)
{
    g_autoptr(GSocketAddress) to = g_inet_socket_address_new(address, port);
    struct sockaddr_storage native;
    gssize len = g_socket_address_get_native_size(to);
    int fd, errnum;

    if (!g_socket_address_to_native(to, &native, sizeof native, NULL)) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    fd = socket(native.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    socket_tune(fd);
    if (connect(fd, (struct sockaddr *)&native, (socklen_t)len) == 0 || errno == EINPROGRESS)
        return fd;
    errnum = errno;
    close(fd);
    errno = errnum;
    return -1;
}

static gboolean attempt_begin(NetConnect *connect, GInetAddress *address)
{
    int fd = socket_connect(address, connect->port);
    Attempt *attempt;

    if (fd < 0) {
        note_failure(connect, errno);
        return FALSE;
    }
    attempt = g_new0(Attempt, 1);
    attempt->connect = connect;
    attempt->fd = fd;
    attempt->watch = g_unix_fd_source_new(fd, G_IO_OUT);
    g_source_set_callback(attempt->watch, G_SOURCE_FUNC(on_attempt), attempt, NULL);
    g_source_attach(attempt->watch, g_main_context_get_thread_default());
    g_ptr_array_add(connect->attempts, attempt);
    return TRUE;
}

static gboolean on_stagger(gpointer data)
{
    NetConnect *connect = data;

    stagger_clear(connect);
    connect_next(connect);
    return G_SOURCE_REMOVE;
}

static void stagger_begin(NetConnect *connect, guint ms)
{
    connect->stagger = g_timeout_source_new(ms);
    g_source_set_callback(connect->stagger, on_stagger, connect, NULL);
    g_source_attach(connect->stagger, g_main_context_get_thread_default());
}

/* Tries the next address that can be tried.  Without any, and with none under way, that is the
 * end. */
static void connect_next(NetConnect *connect)
{
    stagger_clear(connect);
    while (connect->n_tried < connect->addresses->len) {
        GInetAddress *address = g_ptr_array_index(connect->addresses, connect->n_tried++);

        if (!attempt_begin(connect, address))
            continue;
        if (connect->n_tried < connect->addresses->len)
            stagger_begin(connect, STAGGER_MS);
        return;
    }
    if (connect->attempts->len == 0)
        connect_finish(connect, -1, connect->error);
}

/* --- addresses --- */

static GInetAddress *take_family(GList **addresses, GSocketFamily family)
{
    for (GList *l = *addresses; l; l = l->next) {
        GInetAddress *address = l->data;

        if (g_inet_address_get_family(address) != family)
            continue;
        *addresses = g_list_delete_link(*addresses, l);
        return address;
    }
    return NULL;
}

GPtrArray *net_connect_order(GList *addresses)
{
    GPtrArray *order = g_ptr_array_new_with_free_func(g_object_unref);
    g_autoptr(GList) left = g_list_copy(addresses);
    GSocketFamily family = left ? g_inet_address_get_family(left->data) : G_SOCKET_FAMILY_INVALID;

    while (left && order->len < ADDRESSES_MAX) {
        GInetAddress *address = take_family(&left, family);

        family = family == G_SOCKET_FAMILY_IPV6 ? G_SOCKET_FAMILY_IPV4 : G_SOCKET_FAMILY_IPV6;
        if (address)
            g_ptr_array_add(order, g_object_ref(address));
    }
    return order;
}

char *net_connect_ascii_host(const char *host, GError **error)
{
    g_autofree char *ascii = g_hostname_to_ascii(host);
    gsize len = ascii ? strlen(ascii) : 0;
    gboolean ok;

    if (len > 0 && ascii[len - 1] == '.')
        ascii[--len] = '\0';
    ok = len > 0 && ascii[0] != '.';
    for (gsize i = 0; i < len; i++)
        ok = ok && (g_ascii_isalnum(ascii[i]) || strchr("-._:%", ascii[i]));
    if (ok)
        return g_steal_pointer(&ascii);
    g_set_error_literal(error, MAIL_ERROR, MAIL_ERROR_INVALID, "this is no host name");
    return NULL;
}

static void note_lookup_failure(NetConnect *connect, const GError *why)
{
    if (g_error_matches(why, G_RESOLVER_ERROR, G_RESOLVER_ERROR_NOT_FOUND))
        g_set_error_literal(&connect->error, MAIL_ERROR, MAIL_ERROR_OFFLINE, "name not found");
    else if (g_error_matches(why, G_RESOLVER_ERROR, G_RESOLVER_ERROR_TEMPORARY_FAILURE))
        g_set_error_literal(&connect->error, MAIL_ERROR, MAIL_ERROR_OFFLINE,
                            "no name server answers");
    else
        g_set_error(&connect->error, MAIL_ERROR, MAIL_ERROR_OFFLINE, "look up its address: %s",
                    why->message);
}

/* Owns a reference: it is called even after net_connect_free(). */
static void on_looked_up(GObject *resolver, GAsyncResult *result, gpointer data)
{
    NetConnect *connect = data;
    g_autoptr(GError) why = NULL;
    GList *found = g_resolver_lookup_by_name_finish(G_RESOLVER(resolver), result, &why);

    if (connect->done) {
        g_clear_object(&connect->lookup);
        connect->addresses = net_connect_order(found);
        if (!found)
            note_lookup_failure(connect, why);
        connect_next(connect);
    }
    g_resolver_free_addresses(found);
    g_rc_box_release_full(connect, connect_clear);
}

/* --- the beginning --- */

static NetConnect *connect_alloc(guint16 port, NetConnectFunc done, gpointer data)
{
    NetConnect *connect = g_rc_box_new0(NetConnect);

    connect->port = port;
    connect->done = done;
    connect->data = data;
    connect->attempts = g_ptr_array_new_with_free_func(attempt_free);
    return connect;
}

NetConnect *net_connect_new_to(GList *addresses, guint16 port, NetConnectFunc done, gpointer data)
{
    NetConnect *connect;

    g_return_val_if_fail(addresses, NULL);

    connect = connect_alloc(port, done, data);
    connect->addresses = net_connect_order(addresses);
    stagger_begin(connect, 0);
    return connect;
}

NetConnect *net_connect_new(const char *host, guint16 port, NetConnectFunc done, gpointer data)
{
    NetConnect *connect = connect_alloc(port, done, data);
    g_autoptr(GResolver) resolver = g_resolver_get_default();

    connect->lookup = g_cancellable_new();
    g_resolver_lookup_by_name_async(resolver, host, connect->lookup, on_looked_up,
                                    g_rc_box_acquire(connect));
    return connect;
}

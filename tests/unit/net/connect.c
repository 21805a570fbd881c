/* SPDX-License-Identifier: MIT */
/* tests/unit/net/connect.c - which address is connected to, and what is said when none is. */
#include "net/connect-private.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "server.h"

/* --- names and addresses --- */

static void test_ascii_host(void)
{
    static const struct {
        const char *host, *ascii;
    } cases[] = {
        {"imap.example.org", "imap.example.org"},
        {"imap.example.org.", "imap.example.org"},
        {"b\xc3\xbc"
         "cher.example",
         "xn--bcher-kva.example"},
        {"127.0.0.1", "127.0.0.1"},
        {"::1", "::1"},
        {"localhost", "localhost"},
        {"", NULL},
        {".", NULL},
        {".example.org", NULL},
        {"a b.example", NULL},
        {"*.example.org", NULL},
        {"a/b.example", NULL},
        {"a\n.example", NULL},
        {"\xff.example", NULL},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *ascii = net_connect_ascii_host(cases[i].host, &error);

        g_assert_cmpstr(ascii, ==, cases[i].ascii);
        if (!ascii)
            g_assert_error(error, MAIL_ERROR, MAIL_ERROR_INVALID);
    }
}

static GList *addresses_new(const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    GList *list = NULL;

    for (char **word = words; *word; word++)
        list = g_list_append(list, g_inet_address_new_from_string(*word));
    return list;
}

static void test_order(void)
{
    static const struct {
        const char *given, *tried;
    } cases[] = {
        {"::1 ::2 ::3 10.0.0.1 10.0.0.2", "::1 10.0.0.1 ::2 10.0.0.2 ::3"},
        {"10.0.0.1 ::1 10.0.0.2 ::2", "10.0.0.1 ::1 10.0.0.2 ::2"},
        {"10.0.0.1 10.0.0.2", "10.0.0.1 10.0.0.2"},
        {"10.0.0.1 10.0.0.2 10.0.0.3 ::1", "10.0.0.1 ::1 10.0.0.2 10.0.0.3"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autolist(GInetAddress) given = addresses_new(cases[i].given);
        g_autoptr(GPtrArray) order = net_connect_order(given);
        g_autoptr(GString) tried = g_string_new(NULL);

        for (guint k = 0; k < order->len; k++) {
            g_autofree char *text = g_inet_address_to_string(g_ptr_array_index(order, k));

            g_string_append_printf(tried, "%s%s", k > 0 ? " " : "", text);
        }
        g_assert_cmpstr(tried->str, ==, cases[i].tried);
    }
}

static void test_order_is_bounded(void)
{
    g_autolist(GInetAddress) given = NULL;
    g_autoptr(GPtrArray) order = NULL;

    for (guint i = 0; i < 1000; i++)
        given = g_list_prepend(given, g_inet_address_new_from_string("10.0.0.1"));
    order = net_connect_order(given);
    g_assert_cmpuint(order->len, ==, 20);
}

/* --- connecting to given addresses --- */

typedef struct {
    NetConnect *connect;
    gboolean is_done;
    int fd;
    GError *error;
} Outcome;

static void on_connected(int fd, const GError *error, gpointer data)
{
    Outcome *outcome = data;

    g_assert_false(outcome->is_done);
    outcome->is_done = TRUE;
    outcome->fd = fd;
    outcome->error = error ? g_error_copy(error) : NULL;
}

static void connect_to(Outcome *outcome, const char *addresses, guint16 port)
{
    g_autolist(GInetAddress) list = addresses_new(addresses);

    *outcome = (Outcome){.fd = -1};
    outcome->connect = net_connect_new_to(list, port, on_connected, outcome);
    g_assert_false(outcome->is_done);
}

static void outcome_clear(Outcome *outcome)
{
    net_connect_free(outcome->connect);
    g_clear_error(&outcome->error);
    if (outcome->fd >= 0)
        close(outcome->fd);
}

static guint count_fds(void)
{
    g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
    guint n = 0;

    while (g_dir_read_name(dir))
        n++;
    return n;
}

static char *peer_address(int fd)
{
    struct sockaddr_in address;
    socklen_t len = sizeof address;

    g_assert_no_errno(getpeername(fd, (struct sockaddr *)&address, &len));
    return g_strdup_printf("%08x", g_ntohl(address.sin_addr.s_addr));
}

/* @data: set when the server has its own descriptor, or NULL. */
static void serve_until_end(int fd, gpointer data)
{
    gint *is_accepted = data;

    if (is_accepted)
        g_atomic_int_set(is_accepted, TRUE);
    server_await_end(fd);
}

static int socket_option(int fd, int level, int name)
{
    int value = 0;
    socklen_t len = sizeof value;

    g_assert_no_errno(getsockopt(fd, level, name, &value, &len));
    return value;
}

static void test_socket_options(void)
{
    g_autoptr(Server) server = server_start(serve_until_end, NULL);
    Outcome outcome;

    connect_to(&outcome, "127.0.0.1", server_port(server));
    client_await(outcome.is_done);
    g_assert_cmpint(outcome.fd, >=, 0);
    g_assert_cmpint(fcntl(outcome.fd, F_GETFL) & O_NONBLOCK, !=, 0);
    g_assert_cmpint(fcntl(outcome.fd, F_GETFD) & FD_CLOEXEC, !=, 0);
    g_assert_cmpint(socket_option(outcome.fd, IPPROTO_TCP, TCP_NODELAY), !=, 0);
    g_assert_cmpint(socket_option(outcome.fd, SOL_SOCKET, SO_KEEPALIVE), !=, 0);
    g_assert_cmpint(socket_option(outcome.fd, IPPROTO_TCP, TCP_KEEPIDLE), <=, 120);
    g_assert_cmpint(socket_option(outcome.fd, IPPROTO_TCP, TCP_KEEPCNT), <=, 3);
    outcome_clear(&outcome);
}

static void test_dead_address_first(void)
{
    gint is_accepted = FALSE;
    g_autoptr(Server) server = server_start(serve_until_end, &is_accepted);
    gint64 start_us = g_get_monotonic_time();
    g_autofree char *peer = NULL;
    guint n_fds;
    int dead[8];
    Outcome outcome;

    server_make_dead(server_port(server), dead);
    n_fds = count_fds();
    connect_to(&outcome, "127.0.0.2 127.0.0.1", server_port(server));
    client_await(outcome.is_done);
    g_assert_no_error(outcome.error);
    g_assert_cmpint(g_get_monotonic_time() - start_us, >=, 250 * 1000);
    peer = peer_address(outcome.fd);
    g_assert_cmpstr(peer, ==, "7f000001");
    client_await(g_atomic_int_get(&is_accepted));
    g_assert_cmpuint(count_fds(), ==, n_fds + 2);
    outcome_clear(&outcome);
    server_free_dead(dead);
}

/* After a failure the next address does not wait for the 250 ms. */
static void test_refusing_address_first(void)
{
    g_autoptr(Server) server = server_start(serve_until_end, NULL);
    gint64 start_us = g_get_monotonic_time();
    Outcome outcome;

    connect_to(&outcome, "127.0.0.3 127.0.0.4 127.0.0.5 127.0.0.6 127.0.0.1", server_port(server));
    client_await(outcome.is_done);
    g_assert_no_error(outcome.error);
    g_assert_cmpint(g_get_monotonic_time() - start_us, <, 4 * 250 * 1000);
    outcome_clear(&outcome);
}

/* Multicast cannot be connected to; that says less than that somebody refused. */
static void test_most_telling_error(void)
{
    static const char *const orders[] = {"127.0.0.1 224.0.0.1", "224.0.0.1 127.0.0.1"};
    int fd;
    guint16 port = server_port_refusing(&fd);

    for (gsize i = 0; i < G_N_ELEMENTS(orders); i++) {
        Outcome outcome;

        connect_to(&outcome, orders[i], port);
        client_await(outcome.is_done);
        g_assert_error(outcome.error, MAIL_ERROR, MAIL_ERROR_OFFLINE);
        g_assert_cmpstr(outcome.error->message, ==, "connection refused");
        outcome_clear(&outcome);
    }
    close(fd);
}

static void test_free_while_connecting(void)
{
    g_autoptr(Server) server = server_start(serve_until_end, NULL);
    guint n_fds;
    int dead[8];
    Outcome outcome;

    server_make_dead(server_port(server), dead);
    n_fds = count_fds();
    connect_to(&outcome, "127.0.0.2 127.0.0.2", server_port(server));
    client_run_ms(20);
    g_assert_cmpuint(count_fds(), ==, n_fds + 1);
    outcome_clear(&outcome);
    client_run_ms(300);
    g_assert_false(outcome.is_done);
    g_assert_cmpuint(count_fds(), ==, n_fds);
    server_free_dead(dead);
}

/* --- the same through a stream --- */

static void test_by_name(void)
{
    g_autoptr(Server) server = server_start(serve_until_end, NULL);
    g_autoptr(Client) client = client_new_to("imap.example.org", server_port(server), NULL);

    client_await_ready(client, 1);
    g_assert_false(net_stream_is_tls(client->stream));
    client_free_stream(client);
}

static void test_by_ipv6_address(void)
{
    g_autoptr(Server) server = NULL;
    g_autoptr(Client) client = NULL;

    if (!g_file_test("/proc/net/if_inet6", G_FILE_TEST_EXISTS)) {
        g_test_skip("no IPv6");
        return;
    }
    server = server_start_ipv6(serve_until_end, NULL);
    client = client_new_to("::1", server_port(server), NULL);
    client_await_ready(client, 1);
    client_free_stream(client);
}

static void test_refused(void)
{
    int fd;
    guint16 port = server_port_refusing(&fd);
    g_autofree char *text = g_strdup_printf("connect to localhost:%u: connection refused", port);
    g_autoptr(Client) client = client_new_to("localhost", port, NULL);

    client_assert_closed(client, MAIL_ERROR_OFFLINE, text);
    g_assert_cmpstr(client->error->message, ==, text);
    close(fd);
}

static void test_name_not_found(void)
{
    g_autoptr(Client) client = client_new_to("nowhere.example", 993, NULL);

    client_assert_closed(client, MAIL_ERROR_OFFLINE,
                         "connect to nowhere.example:993: name not found");
}

static void test_bad_host(void)
{
    g_autoptr(Client) client = client_new_to("", 993, NULL);

    client_assert_closed(client, MAIL_ERROR_INVALID, "connect to :993: this is no host name");
}

static void test_look_up_deadline(void)
{
    const NetEndpoint endpoint = {"silent.example", 993, FALSE, NULL, 1};
    g_autoptr(Client) client = client_new(&endpoint);

    client_assert_closed(client, MAIL_ERROR_TIMEOUT, "connect to silent.example:993: timed out");
}

static void test_free_while_looking_up(void)
{
    g_autoptr(Client) client = client_new_to("silent.example", 993, NULL);

    client_run_ms(10);
    client_free_stream(client);
    client_run_ms(10);
    g_assert_cmpuint(client->n_closed, ==, 0);
}

static void test_connect_deadline(void)
{
    g_autoptr(Client) client = NULL;
    NetEndpoint endpoint = {"127.0.0.2", 0, FALSE, NULL, 1};
    int dead[8], fd;

    endpoint.port = server_port_refusing(&fd);
    server_make_dead(endpoint.port, dead);
    client = client_new(&endpoint);
    client_assert_closed(client, MAIL_ERROR_TIMEOUT, ": timed out");
    server_free_dead(dead);
    close(fd);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    client_fake_resolver();
    g_test_add_func("/net/connect/ascii-host", test_ascii_host);
    g_test_add_func("/net/connect/order", test_order);
    g_test_add_func("/net/connect/order-is-bounded", test_order_is_bounded);
    g_test_add_func("/net/connect/socket-options", test_socket_options);
    g_test_add_func("/net/connect/dead-address-first", test_dead_address_first);
    g_test_add_func("/net/connect/refusing-address-first", test_refusing_address_first);
    g_test_add_func("/net/connect/most-telling-error", test_most_telling_error);
    g_test_add_func("/net/connect/free-while-connecting", test_free_while_connecting);
    g_test_add_func("/net/connect/by-name", test_by_name);
    g_test_add_func("/net/connect/by-ipv6-address", test_by_ipv6_address);
    g_test_add_func("/net/connect/refused", test_refused);
    g_test_add_func("/net/connect/name-not-found", test_name_not_found);
    g_test_add_func("/net/connect/bad-host", test_bad_host);
    g_test_add_func("/net/connect/look-up-deadline", test_look_up_deadline);
    g_test_add_func("/net/connect/free-while-looking-up", test_free_while_looking_up);
    g_test_add_func("/net/connect/connect-deadline", test_connect_deadline);
    return g_test_run();
}

/* SPDX-License-Identifier: MIT */
/* tests/unit/net/stream.c - streams in clear: order of events, pausing, ends, freeing. */
#include "net/socket-private.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "server.h"

#define BIG (8 * 1024 * 1024)

static void serve_echo(int fd, gpointer data)
{
    char bytes[64 * 1024];
    gssize n;

    while ((n = recv(fd, bytes, sizeof bytes, 0)) > 0)
        server_send(fd, bytes, (gsize)n);
}

static void serve_until_end(int fd, gpointer data)
{
    server_await_end(fd);
}

/* --- the socket --- */

/* An error, and no SIGPIPE. */
static void test_socket_without_peer(void)
{
    g_autoptr(GError) error = NULL;
    gsize n = 0;
    int fds[2];

    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    close(fds[1]);
    g_assert_cmpint(net_socket_write(fds[0], "x", 1, &n, &error), ==, NET_IO_FAILED);
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_OFFLINE);
    g_assert_cmpuint(n, ==, 0);
    close(fds[0]);
}

static void test_socket_errors(void)
{
    static const struct {
        int errnum;
        MailError code;
        const char *text;
    } cases[] = {
        {ECONNREFUSED, MAIL_ERROR_OFFLINE, "connection refused"},
        {EHOSTUNREACH, MAIL_ERROR_OFFLINE, "no route to host"},
        {ETIMEDOUT, MAIL_ERROR_TIMEOUT, "connection timed out"},
        {EPIPE, MAIL_ERROR_OFFLINE, "connection closed by server"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        net_socket_set_error(&error, cases[i].errnum);
        g_assert_error(error, MAIL_ERROR, (int)cases[i].code);
        g_assert_cmpstr(error->message, ==, cases[i].text);
    }
}

/* --- events --- */

/* What is written before the connection is up waits for it. */
static void test_echo(void)
{
    g_autoptr(Server) server = server_start(serve_echo, NULL);
    g_autoptr(Client) client = client_new_to("localhost", server_port(server), NULL);

    client_write(client, "one ", 4);
    client_write(client, "", 0);
    g_assert_cmpuint(net_stream_unsent(client->stream), ==, 4);
    client_await_ready(client, 1);
    client_write(client, "two", 3);
    client_await_bytes(client, 7);
    g_assert_cmpmem(client->received->data, client->received->len, "one two", 7);
    g_assert_cmpuint(net_stream_unsent(client->stream), ==, 0);
    client_free_stream(client);
}

static void serve_and_close(int fd, gpointer data)
{
    server_send(fd, data, strlen(data));
}

/* All that came before the end is handed out before it. */
static void test_closed_by_server(void)
{
    g_autoptr(Server) server = server_start(serve_and_close, (gpointer) "* BYE");
    g_autoptr(Client) client = client_new_to("localhost", server_port(server), NULL);

    client_assert_closed(client, MAIL_ERROR_OFFLINE, ": connection closed by server");
    g_assert_true(g_str_has_prefix(client->error->message, "talk to localhost:"));
    g_assert_cmpuint(client->n_ready, ==, 1);
    g_assert_cmpmem(client->received->data, client->received->len, "* BYE", 5);
    client_write(client, "more", 4);
    net_stream_set_paused(client->stream, TRUE);
    net_stream_set_paused(client->stream, FALSE);
    client_run_ms(10);
    g_assert_cmpuint(client->n_closed, ==, 1);
}

typedef struct {
    const guint8 *bytes;
    gsize len;
    gboolean is_as_sent;
} Load;

/* Sends everything and ends its direction, then takes everything. */
static void serve_half_close(int fd, gpointer data)
{
    Load *load = data;

    server_send(fd, load->bytes, load->len);
    shutdown(fd, SHUT_WR);
    server_await_end(fd);
}

static void test_half_closed_by_server(void)
{
    g_autofree guint8 *bytes = client_sample(BIG);
    Load load = {bytes, BIG, FALSE};
    g_autoptr(Server) server = server_start(serve_half_close, &load);
    g_autoptr(Client) client = client_new_to("localhost", server_port(server), NULL);

    client_assert_closed(client, MAIL_ERROR_OFFLINE, "closed by server");
    g_assert_cmpmem(client->received->data, client->received->len, bytes, BIG);
}

static void serve_reset(int fd, gpointer data)
{
    const struct linger at_once = {1, 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

/* Writing to a dead connection is an error, and no SIGPIPE. */
static void test_reset_by_server(void)
{
    Server *server = server_start(serve_reset, NULL);
    g_autoptr(Client) client = client_new_to("localhost", server_port(server), NULL);
    g_autofree guint8 *bytes = client_sample(BIG);

    client_await(client->n_ready > 0 || client->n_closed > 0);
    server_stop(server);
    if (client->n_closed == 0)
        client_write(client, bytes, BIG);
    client_assert_closed(client, MAIL_ERROR_OFFLINE, "");
}

static void write_while_paused(Client *client)
{
    net_stream_set_paused(client->stream, TRUE);
}

static void test_write_after_end(void)
{
    Server *server = server_start(serve_reset, NULL);
    g_autoptr(Client) client = client_new_to("localhost", server_port(server), NULL);

    client->on_ready = write_while_paused;
    client_await(client->n_ready > 0 || client->n_closed > 0);
    server_stop(server);
    for (guint i = 0; i < 100 && client->n_closed == 0; i++) {
        client_write(client, "x", 1);
        client_turn();
    }
    client_assert_closed(client, MAIL_ERROR_OFFLINE, "");
}

/* --- much --- */

static void serve_load(int fd, gpointer data)
{
    Load *load = data;
    g_autofree guint8 *bytes = g_malloc(load->len);

    server_receive(fd, bytes, load->len);
    load->is_as_sent = memcmp(bytes, load->bytes, load->len) == 0;
    server_send(fd, bytes, load->len);
}

static void test_big(void)
{
    g_autofree guint8 *bytes = client_sample(BIG);
    Load load = {bytes, BIG, FALSE};
    Server *server = server_start(serve_load, &load);
    g_autoptr(Client) client = client_new_to("localhost", server_port(server), NULL);

    for (gsize off = 0; off < BIG; off += BIG / 8)
        client_write(client, bytes + off, BIG / 8);
    client_await_bytes(client, BIG);
    server_stop(server);
    g_assert_true(load.is_as_sent);
    g_assert_cmpmem(client->received->data, client->received->len, bytes, BIG);
}

/* However much there is to read, others have their turn. */
static void test_yields(void)
{
    g_autofree guint8 *bytes = client_sample(BIG);
    Load load = {bytes, BIG, FALSE};
    g_autoptr(Server) server = server_start(serve_half_close, &load);
    g_autoptr(Client) client = client_new_to("localhost", server_port(server), NULL);

    while (client->received->len < BIG) {
        guint before = client->received->len;

        g_main_context_iteration(NULL, TRUE);
        g_assert_cmpuint(client->received->len - before, <=, (256 + 64) * 1024);
    }
}

typedef struct {
    gint may_read;
} Gate;

static void serve_late(int fd, gpointer data)
{
    Gate *gate = data;

    while (!g_atomic_int_get(&gate->may_read))
        g_usleep(1000);
    server_await_end(fd);
}

static void test_unsent(void)
{
    Gate gate = {FALSE};
    g_autofree guint8 *bytes = client_sample(2 * BIG);
    Server *server = server_start(serve_late, &gate);
    g_autoptr(Client) client = client_new_to("localhost", server_port(server), NULL);
    gsize unsent;

    client_await_ready(client, 1);
    client_write(client, bytes, 2 * BIG);
    g_assert_cmpuint(net_stream_unsent(client->stream), ==, 2 * BIG);
    client_run_ms(50);
    unsent = net_stream_unsent(client->stream);
    g_assert_cmpuint(unsent, >, 0);
    g_assert_cmpuint(unsent, <, 2 * BIG);
    g_atomic_int_set(&gate.may_read, TRUE);
    client_await(net_stream_unsent(client->stream) == 0);
    client_free_stream(client);
    server_stop(server);
}

static gboolean is_delivered(const Client *client, gsize len)
{
    guint64 n_delivered;

    return net_stream_undelivered(client->stream, &n_delivered) == 0 && n_delivered == len;
}

/* Bytes that the socket has taken and that found no room at the server are not delivered. */
static void test_undelivered(void)
{
    Gate gate = {FALSE};
    g_autofree guint8 *bytes = client_sample(2 * BIG);
    Server *server = server_start(serve_late, &gate);
    g_autoptr(Client) client = client_new_to("localhost", server_port(server), NULL);
    guint64 n_delivered;
    gsize n;

    g_assert_true(is_delivered(client, 0));
    client_await_ready(client, 1);
    client_write(client, bytes, 2 * BIG);
    g_assert_cmpuint(net_stream_undelivered(client->stream, &n_delivered), ==, 2 * BIG);
    client_run_ms(50);
    n = net_stream_undelivered(client->stream, &n_delivered);
    g_assert_cmpuint(n, >, net_stream_unsent(client->stream));
    g_assert_cmpuint(n_delivered, ==, 2 * BIG - n);
    g_atomic_int_set(&gate.may_read, TRUE);
    client_await(is_delivered(client, 2 * BIG));
    client_free_stream(client);
    server_stop(server);
}

#define SIP (128 * 1024)

static guint8 *sips;
static gsize n_sipped;

static void write_sip(Client *client)
{
    if (net_stream_unsent(client->stream) >= SIP || n_sipped == BIG)
        return;
    client_write(client, sips + n_sipped, SIP);
    n_sipped += SIP;
}

/* Who writes as the stream drains gets rid of everything, and the stream holds little of it. */
static void test_write_in_sent(void)
{
    g_autofree guint8 *bytes = client_sample(BIG);
    Load load = {bytes, BIG, FALSE};
    Server *server = server_start(serve_load, &load);
    g_autoptr(Client) client = client_new_to("localhost", server_port(server), NULL);

    sips = bytes;
    n_sipped = 0;
    client->on_sent = write_sip;
    write_sip(client);
    while (n_sipped < BIG) {
        client_turn();
        g_assert_cmpuint(net_stream_unsent(client->stream), <, 2 * SIP);
        g_assert_null(client->error);
    }
    client_await_bytes(client, BIG);
    server_stop(server);
    g_assert_true(load.is_as_sent);
}

/* --- pausing --- */

static void pause_stream(Client *client)
{
    net_stream_set_paused(client->stream, TRUE);
}

static void test_pause(void)
{
    g_autofree guint8 *bytes = client_sample(BIG);
    Load load = {bytes, BIG, FALSE};
    g_autoptr(Server) server = server_start(serve_half_close, &load);
    g_autoptr(Client) client = client_new_to("localhost", server_port(server), NULL);
    guint len;

    client->on_received = pause_stream;
    client_await(client->received->len > 0);
    len = client->received->len;
    g_assert_cmpuint(len, <=, 64 * 1024);
    client_run_ms(30);
    g_assert_cmpuint(client->received->len, ==, len);
    client->on_received = NULL;
    net_stream_set_paused(client->stream, FALSE);
    client_assert_closed(client, MAIL_ERROR_OFFLINE, "closed by server");
    g_assert_cmpmem(client->received->data, client->received->len, bytes, BIG);
}

static void serve_reset_when_told(int fd, gpointer data)
{
    char byte;

    server_receive(fd, &byte, 1);
    serve_reset(fd, NULL);
}

/* The hang-up of a connection that is not being read does not make the main loop spin. */
static void test_pause_does_not_spin(void)
{
    Server *server = server_start(serve_reset_when_told, NULL);
    g_autoptr(Client) client = client_new_to("localhost", server_port(server), NULL);

    client_await_ready(client, 1);
    client_run_ms(5);
    net_stream_set_paused(client->stream, TRUE);
    client_write(client, "x", 1);
    client_await(net_stream_unsent(client->stream) == 0);
    server_stop(server);
    g_assert_cmpuint(client_run_ms(50), <, 20);
    net_stream_set_paused(client->stream, FALSE);
    client_assert_closed(client, MAIL_ERROR_OFFLINE, "");
}

/* --- freeing --- */

static void test_free_in_ready(void)
{
    g_autoptr(Server) server = server_start(serve_until_end, NULL);
    g_autoptr(Client) client = client_new_to("localhost", server_port(server), NULL);

    client->on_ready = client_free_stream;
    client_await(client->n_ready > 0);
    client_run_ms(10);
    g_assert_cmpuint(client->n_closed, ==, 0);
}

static void test_free_in_received(void)
{
    g_autoptr(Server) server = server_start(serve_and_close, (gpointer) "bytes");
    g_autoptr(Client) client = client_new_to("localhost", server_port(server), NULL);

    client->on_received = client_free_stream;
    client_await(client->received->len > 0);
    client_run_ms(10);
    g_assert_cmpuint(client->n_closed, ==, 0);
}

static void test_free_in_closed(void)
{
    g_autoptr(Server) server = server_start(serve_and_close, (gpointer) "bytes");
    g_autoptr(Client) client = client_new_to("localhost", server_port(server), NULL);

    client->on_closed = client_free_stream;
    client_assert_closed(client, MAIL_ERROR_OFFLINE, "closed by server");
}

static void test_free_in_sent(void)
{
    g_autoptr(Server) server = server_start(serve_until_end, NULL);
    g_autoptr(Client) client = client_new_to("localhost", server_port(server), NULL);

    client->on_sent = client_free_stream;
    client_write(client, "x", 1);
    client_await(!client->stream);
    client_run_ms(10);
    g_assert_cmpuint(client->n_closed, ==, 0);
}

static void test_free_at_once(void)
{
    g_autoptr(Server) server = server_start(serve_until_end, NULL);
    g_autoptr(Client) client = client_new_to("localhost", server_port(server), NULL);

    client_free_stream(client);
    client_run_ms(10);
    net_stream_free(NULL);
}

static void serve_last_words(int fd, gpointer data)
{
    Load *load = data;
    char bytes[64];
    gssize n, len = 0;

    while ((n = recv(fd, bytes + len, sizeof bytes - (gsize)len, 0)) > 0)
        len += n;
    load->is_as_sent = (gsize)len == load->len && memcmp(bytes, load->bytes, load->len) == 0;
}

/* What was queued goes out before the connection is closed. */
static void test_free_sends_the_rest(void)
{
    Load load = {(const guint8 *)"a LOGOUT\r\n", 10, FALSE};
    Server *server = server_start(serve_last_words, &load);
    g_autoptr(Client) client = client_new_to("localhost", server_port(server), NULL);

    client_await_ready(client, 1);
    client_write(client, load.bytes, load.len);
    client_free_stream(client);
    server_stop(server);
    g_assert_true(load.is_as_sent);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    client_fake_resolver();
    g_test_add_func("/net/stream/socket-without-peer", test_socket_without_peer);
    g_test_add_func("/net/stream/socket-errors", test_socket_errors);
    g_test_add_func("/net/stream/echo", test_echo);
    g_test_add_func("/net/stream/closed-by-server", test_closed_by_server);
    g_test_add_func("/net/stream/half-closed-by-server", test_half_closed_by_server);
    g_test_add_func("/net/stream/reset-by-server", test_reset_by_server);
    g_test_add_func("/net/stream/write-after-end", test_write_after_end);
    g_test_add_func("/net/stream/big", test_big);
    g_test_add_func("/net/stream/yields", test_yields);
    g_test_add_func("/net/stream/unsent", test_unsent);
    g_test_add_func("/net/stream/undelivered", test_undelivered);
    g_test_add_func("/net/stream/write-in-sent", test_write_in_sent);
    g_test_add_func("/net/stream/pause", test_pause);
    g_test_add_func("/net/stream/pause-does-not-spin", test_pause_does_not_spin);
    g_test_add_func("/net/stream/free-in-ready", test_free_in_ready);
    g_test_add_func("/net/stream/free-in-received", test_free_in_received);
    g_test_add_func("/net/stream/free-in-closed", test_free_in_closed);
    g_test_add_func("/net/stream/free-in-sent", test_free_in_sent);
    g_test_add_func("/net/stream/free-at-once", test_free_at_once);
    g_test_add_func("/net/stream/free-sends-the-rest", test_free_sends_the_rest);
    return g_test_run();
}

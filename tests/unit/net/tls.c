/* SPDX-License-Identifier: MIT */
/* tests/unit/net/tls.c - how TLS begins, moves bytes, and ends. */
#include <string.h>
#include <sys/socket.h>

#include "client.h"
#include "fixture.h"

#define BIG (8 * 1024 * 1024)

/* --- handshakes --- */

static void serve_greeting(int fd, gpointer data)
{
    server_send(fd, data, strlen(data));
    server_await_end(fd);
}

static void test_server_without_tls(Fixture *fixture, gconstpointer data)
{
    g_autoptr(Server) server = server_start(serve_greeting, (gpointer) "* OK ready\r\n");
    g_autoptr(Client) client = client_new_to("localhost", server_port(server), fixture->trust);

    client_assert_closed(client, MAIL_ERROR_TLS, "the server does not speak TLS on this port");
    g_assert_cmpuint(client->received->len, ==, 0);
}

static void serve_nothing(int fd, gpointer data)
{
}

static void test_cut_in_handshake(Fixture *fixture, gconstpointer data)
{
    g_autoptr(Server) server = server_start(serve_nothing, NULL);
    g_autoptr(Client) client = client_new_to("localhost", server_port(server), fixture->trust);

    client_assert_closed(client, MAIL_ERROR_OFFLINE, "");
}

static void serve_silence(int fd, gpointer data)
{
    server_await_end(fd);
}

static void test_handshake_deadline(Fixture *fixture, gconstpointer data)
{
    Server *server = server_start(serve_silence, NULL);
    const NetEndpoint endpoint = {"localhost", server_port(server), TRUE, fixture->trust, 1};
    g_autoptr(Client) client = client_new(&endpoint);

    client_assert_closed(client, MAIL_ERROR_TIMEOUT, ": timed out");
    server_stop(server);
}

static void test_without_trust(Fixture *fixture, gconstpointer data)
{
    g_autoptr(Server) server = server_start(serve_silence, NULL);
    const NetEndpoint endpoint = {"localhost", server_port(server), TRUE, NULL, 60};
    g_autoptr(Client) client = client_new(&endpoint);

    client_assert_closed(client, MAIL_ERROR_INVALID, "TLS without trust");
    client_free_stream(client);
}

/* --- STARTTLS --- */

static const char go_ahead[] = "a OK begin TLS\r\n";

typedef struct {
    Service service;
    const char *injected; /* sent in clear when the client's first TLS record is here; or NULL */
} Upgrade;

static void serve_upgrade(int fd, gpointer data)
{
    Upgrade *upgrade = data;
    char command[12];

    server_receive(fd, command, strlen("a STARTTLS\r\n"));
    server_send(fd, go_ahead, strlen(go_ahead));
    if (upgrade->injected) {
        g_assert_cmpint(recv(fd, command, 1, MSG_PEEK), ==, 1);
        server_send(fd, upgrade->injected, strlen(upgrade->injected));
    }
    service_run(fd, &upgrade->service);
}

static void upgrade_at_go_ahead(Client *client)
{
    if (client->received->len < strlen(go_ahead))
        return;
    client->on_received = NULL;
    g_assert_false(net_stream_is_tls(client->stream));
    client->is_busy = TRUE;
    net_stream_start_tls(client->stream);
    client->is_busy = FALSE;
    g_assert_false(net_stream_is_tls(client->stream));
    client_write(client, "in TLS", 6);
}

static void echo(SSL *ssl, gpointer data)
{
    char bytes[64];
    int n;

    while ((n = SSL_read(ssl, bytes, sizeof bytes)) > 0)
        SSL_write(ssl, bytes, n);
}

static Client *begin_upgrade(Fixture *fixture, guint16 port)
{
    const NetEndpoint endpoint = {"imap.example.org", port, FALSE, fixture->trust, 60};
    Client *client = client_new(&endpoint);

    client->on_received = upgrade_at_go_ahead;
    client_await_ready(client, 1);
    client_write(client, "a STARTTLS\r\n", 12);
    return client;
}

static void test_start_tls(Fixture *fixture, gconstpointer data)
{
    g_autoptr(Cert) cert = fixture_cert(fixture->authority);
    Upgrade upgrade = {.service = {.tls.cert = cert, .serve = echo}};
    g_autoptr(Server) server = server_start(serve_upgrade, &upgrade);
    g_autoptr(Client) client = begin_upgrade(fixture, server_port(server));

    client_await_ready(client, 2);
    g_assert_true(net_stream_is_tls(client->stream));
    client_await_bytes(client, strlen(go_ahead) + 6);
    g_assert_cmpmem(client->received->data + strlen(go_ahead), 6, "in TLS", 6);
    client_free_stream(client);
}

static void test_start_tls_refuses(Fixture *fixture, gconstpointer data)
{
    const CertSpec spec = {"x", "DNS:other.example", 0, 0, FALSE};
    g_autoptr(Cert) cert = cert_new(&spec, fixture->authority);
    Upgrade upgrade = {.service = {.tls.cert = cert, .serve = echo}};
    g_autoptr(Server) server = server_start(serve_upgrade, &upgrade);
    g_autoptr(Client) client = begin_upgrade(fixture, server_port(server));

    client_assert_closed(client, MAIL_ERROR_TLS, "is for other.example, not for imap.example.org");
    g_assert_cmpuint(client->n_ready, ==, 1);
}

/* T2: nothing that came in clear after the go-ahead is ever handed out. */
static void test_start_tls_injection(Fixture *fixture, gconstpointer data)
{
    static const char *const injections[] = {"*", "* CAPABILITY IMAP4rev1\r\n"};
    g_autoptr(Cert) cert = fixture_cert(fixture->authority);

    for (gsize i = 0; i < G_N_ELEMENTS(injections); i++) {
        Upgrade upgrade = {.service = {.tls.cert = cert}, .injected = injections[i]};
        Server *server = server_start(serve_upgrade, &upgrade);
        g_autoptr(Client) client = begin_upgrade(fixture, server_port(server));

        client_assert_closed(client, MAIL_ERROR_TLS, "the server does not speak TLS on this port");
        g_assert_cmpuint(client->n_ready, ==, 1);
        g_assert_cmpuint(client->received->len, ==, strlen(go_ahead));
        client_free_stream(client);
        server_stop(server);
    }
}

/* --- T17: how it ends --- */

static void say_and_cut(SSL *ssl, gpointer data)
{
    SSL_write(ssl, "half a rep", 10);
}

static void say_and_close(SSL *ssl, gpointer data)
{
    SSL_write(ssl, "half a rep", 10);
    SSL_shutdown(ssl);
}

static void check_end(Fixture *fixture, void (*serve)(SSL *, gpointer), const char *text)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    g_autoptr(Cert) cert = fixture_cert(fixture->authority);

    for (gsize i = 0; i < G_N_ELEMENTS(versions); i++) {
        Service service = {.tls = {.cert = cert, .max_version = versions[i]}, .serve = serve};
        g_autoptr(Server) server = server_start(service_run, &service);
        g_autoptr(Client) client =
            client_new_to("imap.example.org", server_port(server), fixture->trust);

        client_assert_closed(client, MAIL_ERROR_OFFLINE, text);
        g_assert_cmpmem(client->received->data, client->received->len, "half a rep", 10);
    }
}

static void test_end_with_close_notify(Fixture *fixture, gconstpointer data)
{
    check_end(fixture, say_and_close, "connection closed by server");
}

static void test_end_without_close_notify(Fixture *fixture, gconstpointer data)
{
    check_end(fixture, say_and_cut, "the connection was cut");
}

static void await_close_notify(SSL *ssl, gpointer data)
{
    gboolean *was_told = data;
    char bytes[64];
    int n = SSL_read(ssl, bytes, sizeof bytes);

    *was_told = n == 10 && memcmp(bytes, "a LOGOUT\r\n", 10) == 0 &&
                SSL_get_error(ssl, SSL_read(ssl, bytes, sizeof bytes)) == SSL_ERROR_ZERO_RETURN;
}

static void test_free_sends_close_notify(Fixture *fixture, gconstpointer data)
{
    g_autoptr(Cert) cert = fixture_cert(fixture->authority);
    gboolean was_told = FALSE;
    Service service = {.tls.cert = cert, .serve = await_close_notify, .data = &was_told};
    Server *server = server_start(service_run, &service);
    g_autoptr(Client) client =
        client_new_to("imap.example.org", server_port(server), fixture->trust);

    client_await_ready(client, 1);
    client_write(client, "a LOGOUT\r\n", 10);
    client_free_stream(client);
    server_stop(server);
    g_assert_true(was_told);
}

/* --- bytes --- */

static void take_and_give_back(SSL *ssl, gpointer data)
{
    g_autofree guint8 *bytes = g_malloc(BIG);

    for (gsize off = 0; off < BIG;) {
        int n = SSL_read(ssl, bytes + off, (int)(BIG - off));

        g_assert_cmpint(n, >, 0);
        off += (gsize)n;
    }
    g_assert_cmpint(SSL_write(ssl, bytes, BIG), ==, BIG);
    service_await_end(ssl, NULL);
}

static void test_big(Fixture *fixture, gconstpointer data)
{
    g_autoptr(Cert) cert = fixture_cert(fixture->authority);
    g_autofree guint8 *bytes = client_sample(BIG);
    Service service = {.tls.cert = cert, .serve = take_and_give_back};
    g_autoptr(Server) server = server_start(service_run, &service);
    g_autoptr(Client) client =
        client_new_to("imap.example.org", server_port(server), fixture->trust);

    client_write(client, bytes, BIG);
    client_await_bytes(client, BIG);
    g_assert_cmpmem(client->received->data, client->received->len, bytes, BIG);
    client_free_stream(client);
}

/* TLS 1.3: the server wants fresh keys in the middle, for both directions. */
static void echo_with_new_keys(SSL *ssl, gpointer data)
{
    char bytes[64];
    int n;

    while ((n = SSL_read(ssl, bytes, sizeof bytes)) > 0) {
        SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED);
        SSL_write(ssl, bytes, n);
    }
}

static void test_new_keys(Fixture *fixture, gconstpointer data)
{
    g_autoptr(Cert) cert = fixture_cert(fixture->authority);
    Service service = {.tls.cert = cert, .serve = echo_with_new_keys};
    g_autoptr(Server) server = server_start(service_run, &service);
    g_autoptr(Client) client =
        client_new_to("imap.example.org", server_port(server), fixture->trust);

    for (guint i = 1; i <= 5; i++) {
        client_write(client, "again", 5);
        client_await_bytes(client, i * 5);
    }
    client_free_stream(client);
}

/* Many records that are here already, in one piece. */
static void send_records(SSL *ssl, gpointer data)
{
    for (guint i = 0; i < 20; i++)
        SSL_write(ssl, "record", 6);
    service_await_end(ssl, NULL);
}

static void pause_stream(Client *client)
{
    net_stream_set_paused(client->stream, TRUE);
}

/* After a pause the bytes that OpenSSL has already taken from the socket are not forgotten. */
static void test_pause(Fixture *fixture, gconstpointer data)
{
    g_autoptr(Cert) cert = fixture_cert(fixture->authority);
    Service service = {.tls.cert = cert, .serve = send_records};
    g_autoptr(Server) server = server_start(service_run, &service);
    g_autoptr(Client) client =
        client_new_to("imap.example.org", server_port(server), fixture->trust);

    client->on_received = pause_stream;
    client_await(client->received->len > 0);
    client_run_ms(30);
    g_assert_cmpuint(client->received->len, ==, 6);
    while (client->received->len < 20 * 6) {
        net_stream_set_paused(client->stream, FALSE);
        client_turn();
    }
    client_free_stream(client);
}

static void test_free_in_events(Fixture *fixture, gconstpointer data)
{
    g_autoptr(Cert) cert = fixture_cert(fixture->authority);

    for (guint i = 0; i < 3; i++) {
        Service service = {.tls.cert = cert, .serve = say_and_close};
        g_autoptr(Server) server = server_start(service_run, &service);
        g_autoptr(Client) client =
            client_new_to("imap.example.org", server_port(server), fixture->trust);

        client->on_ready = i == 0 ? client_free_stream : NULL;
        client->on_received = i == 1 ? client_free_stream : NULL;
        client->on_closed = i == 2 ? client_free_stream : NULL;
        client_await(client->stream == NULL);
        client_run_ms(10);
        g_assert_cmpuint(client->n_closed, ==, i == 2);
    }
}

static void test_free_in_handshake(Fixture *fixture, gconstpointer data)
{
    g_autoptr(Server) server = server_start(serve_silence, NULL);
    g_autoptr(Client) client = client_new_to("localhost", server_port(server), fixture->trust);

    client_run_ms(30);
    client_free_stream(client);
}

#define ADD(name, function)                                                                        \
    g_test_add("/net/tls/" name, Fixture, NULL, fixture_set_up, function, fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    client_fake_resolver();
    ADD("server-without-tls", test_server_without_tls);
    ADD("cut-in-handshake", test_cut_in_handshake);
    ADD("handshake-deadline", test_handshake_deadline);
    ADD("without-trust", test_without_trust);
    ADD("start-tls", test_start_tls);
    ADD("start-tls-refuses", test_start_tls_refuses);
    ADD("start-tls-injection", test_start_tls_injection);
    ADD("end-with-close-notify", test_end_with_close_notify);
    ADD("end-without-close-notify", test_end_without_close_notify);
    ADD("free-sends-close-notify", test_free_sends_close_notify);
    ADD("big", test_big);
    ADD("new-keys", test_new_keys);
    ADD("pause", test_pause);
    ADD("free-in-events", test_free_in_events);
    ADD("free-in-handshake", test_free_in_handshake);
    return g_test_run();
}

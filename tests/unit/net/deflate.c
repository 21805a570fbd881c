/* SPDX-License-Identifier: MIT */
/* tests/unit/net/deflate.c - compressed streams: whole, in pieces, damaged, and bombs. */
#include "net/deflate-private.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <zlib.h>

#include "client.h"
#include "server.h"
#include "tests/unit/trickle.h"

#define BIG   (8 * 1024 * 1024)
#define MUCH  (3 * 1024 * 1024)
#define CHUNK (64 * 1024)

/* @bytes as a peer would send them: raw deflate, ended by @flush. */
static GByteArray *compress_with(gconstpointer bytes, gsize len, int flush)
{
    GByteArray *out = g_byte_array_new();
    z_stream z = {0};

    g_assert_cmpint(deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), ==, Z_OK);
    g_byte_array_set_size(out, (guint)(deflateBound(&z, len) + 64));
    z.next_in = (guint8 *)bytes;
    z.avail_in = (guint)len;
    z.next_out = out->data;
    z.avail_out = out->len;
    deflate(&z, flush);
    g_byte_array_set_size(out, out->len - z.avail_out);
    deflateEnd(&z);
    return out;
}

/* All that comes out, or NULL with an error. */
static GByteArray *inflate_all(NetDeflate *codec, GError **error)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autofree guint8 *chunk = g_malloc(CHUNK);
    gsize n;

    do {
        if (!net_deflate_next(codec, chunk, CHUNK, &n, error))
            return NULL;
        g_byte_array_append(out, chunk, (guint)n);
    } while (n > 0);
    return g_steal_pointer(&out);
}

/* --- the codec --- */

static void test_round_trip(void)
{
    g_autoptr(NetDeflate) here = net_deflate_new(), there = net_deflate_new();
    g_autoptr(NetQueue) queue = net_queue_new();
    g_autofree guint8 *bytes = client_sample(MUCH);
    static const gsize lengths[] = {1, 10, 16 * 1024, CHUNK, 3 * CHUNK + 1, MUCH};

    for (gsize i = 0; i < G_N_ELEMENTS(lengths); i++) {
        g_autoptr(GByteArray) out = NULL;

        net_deflate_compress(here, bytes, lengths[i], queue);
        net_deflate_put(there, net_queue_peek(queue), net_queue_len(queue));
        net_queue_drop(queue, net_queue_len(queue));
        out = inflate_all(there, NULL);
        g_assert_cmpmem(out->data, out->len, bytes, lengths[i]);
    }
}

typedef struct {
    NetDeflate *codec;
    GString *text;
    gboolean is_bad;
} Inflater;

static gpointer inflater_begin(void)
{
    Inflater *inflater = g_new0(Inflater, 1);

    inflater->codec = net_deflate_new();
    inflater->text = g_string_new(NULL);
    return inflater;
}

static void inflater_feed(gpointer data, const guint8 *bytes, gsize len)
{
    Inflater *inflater = data;
    g_autoptr(GByteArray) out = NULL;

    if (inflater->is_bad)
        return;
    net_deflate_put(inflater->codec, bytes, len);
    out = inflate_all(inflater->codec, NULL);
    inflater->is_bad = !out;
    if (out)
        g_string_append_len(inflater->text, (char *)out->data, out->len);
}

static char *inflater_finish(gpointer data)
{
    g_autofree Inflater *inflater = data;

    net_deflate_free(inflater->codec);
    return g_string_free(inflater->text, FALSE);
}

static void test_pieces(void)
{
    static const Trickle trickle = {inflater_begin, inflater_feed, inflater_finish};
    static const char text[] = "* OK one\r\n* OK two\r\n* OK one\r\n";
    g_autoptr(GByteArray) packed = compress_with(text, strlen(text), Z_SYNC_FLUSH);
    g_autofree char *result = trickle_run(&trickle, packed->data, packed->len, 1000);

    g_assert_cmpstr(result, ==, text);
}

/* A server may finish its stream when it says good-bye; nothing may follow. */
static void test_finished(void)
{
    g_autoptr(NetDeflate) codec = net_deflate_new();
    g_autoptr(GByteArray) packed = compress_with("bye", 3, Z_FINISH), out = NULL;
    g_autoptr(GError) error = NULL;

    net_deflate_put(codec, packed->data, packed->len);
    out = inflate_all(codec, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(out->data, out->len, "bye", 3);
    net_deflate_put(codec, packed->data, packed->len);
    g_assert_null(inflate_all(codec, &error));
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_PROTOCOL);
}

static void test_empty_blocks(void)
{
    g_autoptr(NetDeflate) codec = net_deflate_new();
    static const guint8 empty[] = {0x00, 0x00, 0x00, 0xff, 0xff};
    g_autoptr(GByteArray) out = NULL;

    for (guint i = 0; i < 1000; i++)
        net_deflate_put(codec, empty, sizeof empty);
    out = inflate_all(codec, NULL);
    g_assert_nonnull(out);
    g_assert_cmpuint(out->len, ==, 0);
}

static void test_damaged(void)
{
    static const guint8 reserved_block[] = {0x07, 0x00};
    static const guint8 wrong_length[] = {0x00, 0x05, 0x00, 0x00, 0x00};
    g_autoptr(GByteArray) packed = compress_with("bye", 3, Z_SYNC_FLUSH);
    const struct {
        const guint8 *bytes;
        gsize len;
    } cases[] = {{reserved_block, sizeof reserved_block}, {wrong_length, sizeof wrong_length}};

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(NetDeflate) codec = net_deflate_new();
        g_autoptr(GError) error = NULL;

        net_deflate_put(codec, packed->data, packed->len);
        net_deflate_put(codec, cases[i].bytes, cases[i].len);
        g_assert_null(inflate_all(codec, &error));
        g_assert_error(error, MAIL_ERROR, MAIL_ERROR_PROTOCOL);
        g_assert_cmpstr(error->message, ==, "the compressed stream is damaged");
    }
}

/* The ratio is judged where it is bad, however well-behaved the stream was before. */
static void test_bomb(void)
{
    g_autofree guint8 *zeros = g_malloc0(MUCH), *bytes = client_sample(MUCH);
    g_autoptr(GByteArray) honest = compress_with(bytes, MUCH, Z_SYNC_FLUSH);
    g_autoptr(GByteArray) bomb = compress_with(zeros, MUCH, Z_SYNC_FLUSH);

    for (guint n_honest = 0; n_honest < 2; n_honest++) {
        g_autoptr(NetDeflate) codec = net_deflate_new();
        g_autoptr(GByteArray) out = NULL;
        g_autoptr(GError) error = NULL;

        if (n_honest > 0) {
            net_deflate_put(codec, honest->data, honest->len);
            out = inflate_all(codec, &error);
            g_assert_no_error(error);
            g_assert_cmpuint(out->len, ==, MUCH);
        }
        net_deflate_put(codec, bomb->data, bomb->len);
        g_assert_null(inflate_all(codec, &error));
        g_assert_error(error, MAIL_ERROR, MAIL_ERROR_PROTOCOL);
        g_assert_cmpstr(error->message, ==, "the compressed stream inflates too much");
    }
}

/* Mail that compresses very well is no bomb: base64 of nothing but zeros. */
static void test_dull_mail(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(NetDeflate) codec = net_deflate_new();
    g_autoptr(GByteArray) packed = NULL, out = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *line = g_strnfill(76, 'A');

    while (text->len < MUCH)
        g_string_append_printf(text, "%s\r\n", line);
    packed = compress_with(text->str, text->len, Z_SYNC_FLUSH);
    net_deflate_put(codec, packed->data, packed->len);
    out = inflate_all(codec, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(out->len, ==, text->len);
}

/* --- in a stream --- */

static const char go_ahead[] = "a OK\r\n";

typedef struct {
    const guint8 *bytes; /* already compressed */
    gsize len;
} Payload;

/* The go-ahead and what follows it, in one piece. */
static void serve_payload(int fd, gpointer data)
{
    Payload *payload = data;
    g_autoptr(GByteArray) all = g_byte_array_new();

    g_byte_array_append(all, (const guint8 *)go_ahead, (guint)strlen(go_ahead));
    g_byte_array_append(all, payload->bytes, (guint)payload->len);
    send(fd, all->data, all->len, MSG_NOSIGNAL);
    server_await_end(fd);
}

/* Does what a session would do: what is behind the go-ahead is surplus. */
static void deflate_at_go_ahead(Client *client)
{
    g_autofree guint8 *surplus = NULL;
    gsize len;

    if (client->received->len < strlen(go_ahead))
        return;
    client->on_received = client->next_on_received;
    len = client->received->len - strlen(go_ahead);
    surplus = g_memdup2(client->received->data + strlen(go_ahead), len);
    g_byte_array_set_size(client->received, 0);
    client->is_busy = TRUE;
    net_stream_start_deflate(client->stream, surplus, len);
    client->is_busy = FALSE;
}

static Client *connect_and_deflate(guint16 port, NetTrust *trust, void (*on_received)(Client *))
{
    Client *client = client_new_to("imap.example.org", port, trust);

    client->on_received = deflate_at_go_ahead;
    client->next_on_received = on_received;
    client_await(client->on_received != deflate_at_go_ahead);
    return client;
}

static void test_surplus(void)
{
    g_autoptr(GByteArray) packed = compress_with("* OK compressed\r\n", 17, Z_SYNC_FLUSH);
    Payload payload = {packed->data, packed->len};
    g_autoptr(Server) server = server_start(serve_payload, &payload);
    g_autoptr(Client) client = connect_and_deflate(server_port(server), NULL, NULL);

    client_await_bytes(client, 17);
    g_assert_cmpmem(client->received->data, client->received->len, "* OK compressed\r\n", 17);
    client_free_stream(client);
}

/* A surplus that inflates to many chunks comes in chunks, and pausing holds between them. */
static void pause_stream(Client *client)
{
    net_stream_set_paused(client->stream, TRUE);
}

static void test_surplus_in_chunks(void)
{
    g_autofree guint8 *bytes = client_sample(MUCH);
    g_autoptr(GByteArray) packed = NULL;
    Payload payload;
    g_autoptr(Server) server = NULL;
    g_autoptr(Client) client = NULL;

    memset(bytes, 'x', 4 * CHUNK);
    packed = compress_with(bytes, 4 * CHUNK, Z_SYNC_FLUSH);
    payload = (Payload){packed->data, packed->len};
    server = server_start(serve_payload, &payload);
    client = connect_and_deflate(server_port(server), NULL, pause_stream);
    for (guint i = 1; i <= 4; i++) {
        client_await(client->received->len >= i * CHUNK);
        client_run_ms(5);
        g_assert_cmpuint(client->received->len, ==, i * CHUNK);
        net_stream_set_paused(client->stream, FALSE);
    }
    client_free_stream(client);
}

static void test_free_with_surplus(void)
{
    g_autoptr(GByteArray) packed = compress_with("* OK\r\n", 6, Z_SYNC_FLUSH);
    Payload payload = {packed->data, packed->len};
    g_autoptr(Server) server = server_start(serve_payload, &payload);
    g_autoptr(Client) client = connect_and_deflate(server_port(server), NULL, client_free_stream);

    client_await(!client->stream);
    client_run_ms(5);
}

static void test_stream_damaged(void)
{
    static const guint8 reserved_block[] = {0x07, 0x00};
    Payload payload = {reserved_block, sizeof reserved_block};
    g_autoptr(Server) server = server_start(serve_payload, &payload);
    g_autoptr(Client) client = connect_and_deflate(server_port(server), NULL, NULL);

    client_assert_closed(client, MAIL_ERROR_PROTOCOL, ": the compressed stream is damaged");
    client_free_stream(client);
}

static void test_stream_bomb(void)
{
    g_autofree guint8 *zeros = g_malloc0(MUCH);
    g_autoptr(GByteArray) packed = compress_with(zeros, MUCH, Z_SYNC_FLUSH);
    Payload payload = {packed->data, packed->len};
    g_autoptr(Server) server = server_start(serve_payload, &payload);
    g_autoptr(Client) client = connect_and_deflate(server_port(server), NULL, NULL);

    client_assert_closed(client, MAIL_ERROR_PROTOCOL, ": the compressed stream inflates too much");
    g_assert_cmpuint(client->received->len, <=, 1024 * 1024 + CHUNK);
    client_free_stream(client);
}

/* --- over TLS --- */

/* Takes BIG bytes, gives them back; both compressed. */
static void serve_compressed(SSL *ssl)
{
    g_autoptr(NetDeflate) codec = net_deflate_new();
    g_autoptr(NetQueue) queue = net_queue_new();
    g_autoptr(GByteArray) all = g_byte_array_new();
    g_autofree guint8 *bytes = g_malloc(CHUNK);

    g_assert_cmpint(SSL_write(ssl, go_ahead, (int)strlen(go_ahead)), >, 0);
    while (all->len < BIG) {
        int n = SSL_read(ssl, bytes, CHUNK);
        g_autoptr(GByteArray) out = NULL;

        g_assert_cmpint(n, >, 0);
        net_deflate_put(codec, bytes, (gsize)n);
        out = inflate_all(codec, NULL);
        g_byte_array_append(all, out->data, out->len);
    }
    net_deflate_compress(codec, all->data, all->len, queue);
    g_assert_cmpint(SSL_write(ssl, net_queue_peek(queue), (int)net_queue_len(queue)), >, 0);
    while (SSL_read(ssl, bytes, CHUNK) > 0)
        continue;
}

static void serve_tls(int fd, gpointer data)
{
    ServerTls tls = {.cert = data};
    SSL *ssl = server_tls_accept(fd, &tls);

    g_assert_nonnull(ssl);
    serve_compressed(ssl);
    server_tls_free(ssl);
}

static void test_big_over_tls(void)
{
    const CertSpec spec = {"imap.example.org", NULL, 0, 0, FALSE};
    g_autoptr(Cert) cert = cert_new(&spec, NULL);
    g_autofree char *pin = cert_fingerprint(cert);
    g_autoptr(NetTrust) trust = net_trust_new(NULL, pin, NULL);
    g_autofree guint8 *bytes = client_sample(BIG);
    g_autoptr(Server) server = server_start(serve_tls, cert);
    g_autoptr(Client) client = connect_and_deflate(server_port(server), trust, NULL);

    for (gsize off = 0; off < BIG; off += BIG / 8)
        client_write(client, bytes + off, BIG / 8);
    g_assert_cmpuint(net_stream_unsent(client->stream), <, BIG * 3 / 4);
    client_await_bytes(client, BIG);
    g_assert_cmpmem(client->received->data, client->received->len, bytes, BIG);
    client_free_stream(client);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    client_fake_resolver();
    g_test_add_func("/net/deflate/round-trip", test_round_trip);
    g_test_add_func("/net/deflate/pieces", test_pieces);
    g_test_add_func("/net/deflate/finished", test_finished);
    g_test_add_func("/net/deflate/empty-blocks", test_empty_blocks);
    g_test_add_func("/net/deflate/damaged", test_damaged);
    g_test_add_func("/net/deflate/bomb", test_bomb);
    g_test_add_func("/net/deflate/dull-mail", test_dull_mail);
    g_test_add_func("/net/deflate/surplus", test_surplus);
    g_test_add_func("/net/deflate/surplus-in-chunks", test_surplus_in_chunks);
    g_test_add_func("/net/deflate/free-with-surplus", test_free_with_surplus);
    g_test_add_func("/net/deflate/stream-damaged", test_stream_damaged);
    g_test_add_func("/net/deflate/stream-bomb", test_stream_bomb);
    g_test_add_func("/net/deflate/big-over-tls", test_big_over_tls);
    return g_test_run();
}

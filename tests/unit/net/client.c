/* SPDX-License-Identifier: MIT */
/* tests/unit/net/client.c - the owner of a stream: keeps what the stream tells. */
#include "client.h"

#include <gio/gio.h>
#include <string.h>

#define TIMEOUT_S 60

/* --- events --- */

static void on_ready(NetStream *stream, gpointer owner)
{
    Client *client = owner;

    g_assert_false(client->is_busy);
    g_assert_true(stream == client->stream);
    g_assert_cmpuint(client->n_closed, ==, 0);
    client->n_ready++;
    if (client->on_ready)
        client->on_ready(client);
}

static void on_received(NetStream *stream, const guint8 *bytes, gsize len, gpointer owner)
{
    Client *client = owner;

    g_assert_false(client->is_busy);
    g_assert_true(stream == client->stream);
    g_assert_cmpuint(client->n_ready, >, 0);
    g_assert_cmpuint(client->n_closed, ==, 0);
    g_assert_cmpuint(len, >, 0);
    g_assert_cmpuint(len, <=, 64 * 1024);
    g_byte_array_append(client->received, bytes, (guint)len);
    if (client->on_received)
        client->on_received(client);
}

static void on_closed(NetStream *stream, const GError *error, gpointer owner)
{
    Client *client = owner;

    g_assert_false(client->is_busy);
    g_assert_true(stream == client->stream);
    g_assert_cmpuint(client->n_closed, ==, 0);
    g_assert_true(error->domain == MAIL_ERROR);
    client->n_closed++;
    client->error = g_error_copy(error);
    if (client->on_closed)
        client->on_closed(client);
}

static void on_sent(NetStream *stream, gpointer owner)
{
    Client *client = owner;

    g_assert_false(client->is_busy);
    g_assert_true(stream == client->stream);
    g_assert_cmpuint(client->n_ready, >, 0);
    g_assert_cmpuint(client->n_closed, ==, 0);
    if (client->on_sent)
        client->on_sent(client);
}

static const NetStreamEvents events = {on_ready, on_received, on_closed, on_sent};

Client *client_new(const NetEndpoint *endpoint)
{
    Client *client = g_new0(Client, 1);

    client->received = g_byte_array_new();
    client->is_busy = TRUE;
    client->stream = net_stream_new(endpoint, &events, client);
    client->is_busy = FALSE;
    return client;
}

Client *client_new_to(const char *host, guint16 port, NetTrust *trust)
{
    const NetEndpoint endpoint = {host, port, trust != NULL, trust, TIMEOUT_S};

    return client_new(&endpoint);
}

void client_free(Client *client)
{
    if (!client)
        return;
    client_free_stream(client);
    g_byte_array_unref(client->received);
    g_clear_error(&client->error);
    g_free(client);
}

void client_free_stream(Client *client)
{
    client->is_busy = TRUE;
    g_clear_pointer(&client->stream, net_stream_free);
    client->is_busy = FALSE;
}

void client_write(Client *client, gconstpointer bytes, gsize len)
{
    client->is_busy = TRUE;
    net_stream_write(client->stream, bytes, len);
    client->is_busy = FALSE;
}

/* --- waiting --- */

static gboolean on_timer(gpointer data)
{
    *(gboolean *)data = TRUE;
    return G_SOURCE_REMOVE;
}

void client_turn(void)
{
    gboolean is_over = FALSE;
    guint timer = g_timeout_add(100, on_timer, &is_over);

    g_main_context_iteration(NULL, TRUE);
    if (!is_over)
        g_source_remove(timer);
}

guint client_run_ms(guint ms)
{
    gboolean is_over = FALSE;
    guint n = 0;

    g_timeout_add(ms, on_timer, &is_over);
    while (!is_over) {
        g_main_context_iteration(NULL, TRUE);
        n++;
    }
    return n;
}

void client_await_ready(Client *client, guint n)
{
    client_await(client->n_ready >= n || client->n_closed > 0);
    if (client->error)
        g_error("%s", client->error->message);
    g_assert_cmpuint(client->n_ready, ==, n);
}

void client_await_bytes(Client *client, gsize len)
{
    client_await(client->received->len >= len || client->n_closed > 0);
    g_assert_cmpuint(client->received->len, ==, len);
}

void client_await_closed(Client *client)
{
    client_await(client->n_closed > 0);
}

void client_assert_closed(Client *client, MailError code, const char *text)
{
    client_await_closed(client);
    g_test_message("%s", client->error->message);
    g_assert_cmpint(client->error->code, ==, code);
    if (!strstr(client->error->message, text))
        g_error("\"%s\" does not hold \"%s\"", client->error->message, text);
    client_run_ms(10);
    g_assert_cmpuint(client->n_closed, ==, 1);
}

guint8 *client_sample(gsize len)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    guint8 *bytes = g_malloc(len);

    for (gsize i = 0; i < len; i += 4) {
        guint32 nibbles = g_rand_int(rand) & 0x0f0f0f0f;

        memcpy(bytes + i, &nibbles, MIN(len - i, 4));
    }
    return bytes;
}

/* --- names --- */

typedef GResolver FakeResolver;
typedef GResolverClass FakeResolverClass;

static GType fake_resolver_get_type(void);
G_DEFINE_TYPE(FakeResolver, fake_resolver, G_TYPE_RESOLVER)

static void fake_resolver_init(FakeResolver *resolver)
{
}

static GList *add_address(GList *list, const char *text)
{
    return g_list_append(list, g_inet_address_new_from_string(text));
}

static void on_lookup_cancelled(GCancellable *cancellable, gpointer data)
{
    g_task_return_error_if_cancelled(data);
}

static void free_addresses(gpointer list)
{
    g_resolver_free_addresses(list);
}

static void look_up(GResolver *resolver, const char *name, GCancellable *cancellable,
                    GAsyncReadyCallback done, gpointer data)
{
    g_autoptr(GTask) task = g_task_new(resolver, cancellable, done, data);
    GList *list = NULL;

    if (strcmp(name, "silent.example") == 0) {
        g_signal_connect_data(cancellable, "cancelled", G_CALLBACK(on_lookup_cancelled),
                              g_object_ref(task), (GClosureNotify)(void (*)(void))g_object_unref,
                              0);
        return;
    }
    if (strcmp(name, "nowhere.example") == 0) {
        g_task_return_new_error(task, G_RESOLVER_ERROR, G_RESOLVER_ERROR_NOT_FOUND, "not found");
        return;
    }
    if (strcmp(name, "dead.example") == 0)
        list = add_address(list, "127.0.0.2");
    list = add_address(list, "127.0.0.1");
    g_task_return_pointer(task, list, free_addresses);
}

static GList *look_up_finish(GResolver *resolver, GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

static void fake_resolver_class_init(FakeResolverClass *class)
{
    class->lookup_by_name_async = look_up;
    class->lookup_by_name_finish = look_up_finish;
}

void client_fake_resolver(void)
{
    g_autoptr(GResolver) resolver = g_object_new(fake_resolver_get_type(), NULL);

    g_resolver_set_default(resolver);
}

/* SPDX-License-Identifier: MIT */
/* net/stream.c - a connection to a server: turns what the socket can do into events.
 *
 * A stream acts only in its turn, which the main loop gives it when its socket is ready or when
 * it was kicked.  The functions that others call change its state and kick it.
 *
 *      bytes out:  net_stream_write -> [deflate] -> queue -> [TLS] -> socket
 *      bytes in:   socket -> [TLS] -> [inflate] -> chunk -> received()
 */
#include "net/net.h"

#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "net/connect-private.h"
#include "net/deflate-private.h"
#include "net/queue-private.h"
#include "net/tls-private.h"

#define CHUNK_LEN     (64 * 1024)
#define TURN_MAX      (256 * 1024) /* bytes each way, then others have their turn */
#define TIMEOUT_MAX_S (24 * 60 * 60)

typedef enum {
    PHASE_CONNECT,
    PHASE_HANDSHAKE,
    PHASE_OPEN,
    PHASE_CLOSED, /* closed() was told, or the owner has freed us */
} Phase;

struct NetStream {
    const NetStreamEvents *events;
    gpointer owner;
    char *peer; /* "host:port" for error texts */
    char *host; /* in ASCII */
    gboolean wants_tls;
    NetTrust *trust;
    guint timeout_s;

    Phase phase;
    gboolean is_ready_due; /* ready() is still to be told */
    gboolean is_paused;
    GError *error; /* why it is to be closed */

    GSource *source; /* gives the turns */
    GSource *deadline;
    NetConnect *connect;
    int fd;
    gpointer watch; /* of fd in source; NULL while nothing is waited for */
    GIOCondition read_needs, write_needs;

    NetTls *tls;
    NetDeflate *deflate;
    NetQueue *queue;
    guint64 n_sent; /* of what was in it */
    guint8 chunk[CHUNK_LEN];
};

/* --- the source --- */

typedef struct {
    GSource base;
    NetStream *stream;
} StreamSource;

static void stream_turn(NetStream *stream);
static void stream_clear(gpointer memory);

static gboolean on_source(GSource *source, GSourceFunc callback, gpointer data)
{
    NetStream *stream = g_rc_box_acquire(((StreamSource *)source)->stream);

    g_source_set_ready_time(source, -1);
    stream_turn(stream);
    g_rc_box_release_full(stream, stream_clear);
    return G_SOURCE_CONTINUE;
}

static GSource *source_new(NetStream *stream)
{
    static GSourceFuncs functions = {.dispatch = on_source};
    GSource *source = g_source_new(&functions, sizeof(StreamSource));

    ((StreamSource *)source)->stream = stream;
    g_source_set_static_name(source, "net stream");
    g_source_attach(source, g_main_context_get_thread_default());
    return source;
}

static void stream_kick(NetStream *stream)
{
    if (stream->phase != PHASE_CLOSED)
        g_source_set_ready_time(stream->source, 0);
}

/* Asks the main loop for what the stream waits for now.  A socket that nothing is wanted of must
 * be left out, for poll() would report its hang-up again and again. */
static void stream_watch(NetStream *stream)
{
    GIOCondition condition = 0;

    if (stream->phase == PHASE_HANDSHAKE || (stream->phase == PHASE_OPEN && !stream->is_paused))
        condition |= stream->read_needs;
    if (stream->phase == PHASE_OPEN && net_queue_len(stream->queue) > 0)
        condition |= stream->write_needs;

    if (condition && stream->watch)
        g_source_modify_unix_fd(stream->source, stream->watch, condition);
    else if (condition)
        stream->watch = g_source_add_unix_fd(stream->source, stream->fd, condition);
    else if (stream->watch)
        g_source_remove_unix_fd(stream->source, g_steal_pointer(&stream->watch));
}

/* --- failures and deadlines --- */

static void deadline_clear(NetStream *stream)
{
    if (!stream->deadline)
        return;
    g_source_destroy(stream->deadline);
    g_clear_pointer(&stream->deadline, g_source_unref);
}

/* Takes @error.  The first failure counts; closed() is told in the next turn. */
static void stream_fail(NetStream *stream, GError *error)
{
    const char *act = stream->phase == PHASE_OPEN ? "talk" : "connect";

    if (stream->error) {
        g_error_free(error);
        return;
    }
    g_prefix_error(&error, "%s to %s: ", act, stream->peer);
    stream->error = error;
    deadline_clear(stream);
    stream_kick(stream);
}

static gboolean on_deadline(gpointer data)
{
    stream_fail(data, g_error_new_literal(MAIL_ERROR, MAIL_ERROR_TIMEOUT, "timed out"));
    return G_SOURCE_REMOVE;
}

static void deadline_begin(NetStream *stream)
{
    deadline_clear(stream);
    stream->deadline = g_timeout_source_new(MIN(stream->timeout_s, TIMEOUT_MAX_S) * 1000);
    g_source_set_callback(stream->deadline, on_deadline, stream, NULL);
    g_source_attach(stream->deadline, g_main_context_get_thread_default());
}

/* Takes the result of reading or shaking hands; returns whether there is anything to go on with. */
static gboolean stream_came(NetStream *stream, NetIo io, GError *error)
{
    switch (io) {
    case NET_IO_DONE: return TRUE;
    case NET_IO_WANT_READ: stream->read_needs = G_IO_IN; break;
    case NET_IO_WANT_WRITE: stream->read_needs = G_IO_OUT; break;
    case NET_IO_END:
        stream_fail(stream, g_error_new_literal(MAIL_ERROR, MAIL_ERROR_OFFLINE,
                                                "connection closed by server"));
        break;
    case NET_IO_FAILED: stream_fail(stream, error); break;
    }
    return FALSE;
}

/* --- a turn --- */

static gboolean stream_is_open(const NetStream *stream)
{
    return stream->phase == PHASE_OPEN && !stream->error;
}

static void stream_open(NetStream *stream)
{
    stream->phase = PHASE_OPEN;
    stream->is_ready_due = TRUE;
    stream->read_needs = G_IO_IN;
    stream->write_needs = G_IO_OUT;
    deadline_clear(stream);
    stream_kick(stream);
}

static void stream_shake_hands(NetStream *stream)
{
    GError *error = NULL;
    NetIo io = net_tls_handshake(stream->tls, &error);

    if (stream_came(stream, io, error))
        stream_open(stream);
}

static NetIo socket_read(NetStream *stream, gsize *ret_n, GError **error)
{
    if (stream->tls)
        return net_tls_read(stream->tls, stream->chunk, CHUNK_LEN, ret_n, error);
    return net_socket_read(stream->fd, stream->chunk, CHUNK_LEN, ret_n, error);
}

static NetIo socket_write(NetStream *stream, gsize *ret_n, GError **error)
{
    const guint8 *bytes = net_queue_peek(stream->queue);
    gsize len = MIN(net_queue_len(stream->queue), CHUNK_LEN);

    if (stream->tls)
        return net_tls_write(stream->tls, bytes, len, ret_n, error);
    return net_socket_write(stream->fd, bytes, len, ret_n, error);
}

/* Moves one chunk inwards: from the socket to the inflater, or to the owner.  Returns its length,
 * 0 when there is nothing to be had now. */
static gsize stream_read_chunk(NetStream *stream)
{
    GError *error = NULL;
    gsize n = 0;

    if (stream->deflate &&
        !net_deflate_next(stream->deflate, stream->chunk, CHUNK_LEN, &n, &error)) {
        stream_fail(stream, error);
        return 0;
    }
    if (n == 0) {
        NetIo io = socket_read(stream, &n, &error);

        if (!stream_came(stream, io, error))
            return 0;
        if (stream->deflate) {
            net_deflate_put(stream->deflate, stream->chunk, n);
            return n;
        }
    }
    stream->events->received(stream, stream->chunk, n, stream->owner);
    return n;
}

static void stream_read(NetStream *stream)
{
    gsize total = 0;

    while (stream_is_open(stream) && !stream->is_paused) {
        gsize n = stream_read_chunk(stream);

        if (n == 0)
            return;
        total += n;
        if (total >= TURN_MAX) {
            stream_kick(stream);
            return;
        }
    }
}

/* Returns FALSE when there is nothing more to be done now. */
static gboolean stream_write_chunk(NetStream *stream)
{
    GError *error = NULL;
    gsize n = 0;

    switch (socket_write(stream, &n, &error)) {
    case NET_IO_DONE:
        net_queue_drop(stream->queue, n);
        stream->n_sent += n;
        return TRUE;
    case NET_IO_WANT_READ: stream->write_needs = G_IO_IN; return FALSE;
    case NET_IO_WANT_WRITE: stream->write_needs = G_IO_OUT; return FALSE;
    case NET_IO_END: return FALSE;
    case NET_IO_FAILED: stream_fail(stream, error); return FALSE;
    }
    g_return_val_if_reached(FALSE);
}

static void stream_write(NetStream *stream, gsize max)
{
    gsize before = net_queue_len(stream->queue);

    while (net_queue_len(stream->queue) > 0) {
        if (before - net_queue_len(stream->queue) >= max) {
            stream_kick(stream);
            return;
        }
        if (!stream_write_chunk(stream))
            return;
    }
}

static void stream_send(NetStream *stream)
{
    gsize before = net_queue_len(stream->queue);

    stream_write(stream, TURN_MAX);
    if (stream_is_open(stream) && net_queue_len(stream->queue) < before)
        stream->events->sent(stream, stream->owner);
}

static void stream_disconnect(NetStream *stream)
{
    stream->phase = PHASE_CLOSED;
    deadline_clear(stream);
    g_source_destroy(stream->source);
    g_clear_pointer(&stream->connect, net_connect_free);
    g_clear_pointer(&stream->tls, net_tls_free);
    if (stream->fd >= 0)
        close(stream->fd);
    stream->fd = -1;
}

static void stream_turn(NetStream *stream)
{
    if (stream->phase == PHASE_HANDSHAKE && !stream->error)
        stream_shake_hands(stream);
    if (stream_is_open(stream) && stream->is_ready_due) {
        stream->is_ready_due = FALSE;
        stream->events->ready(stream, stream->owner);
    }
    if (stream_is_open(stream))
        stream_read(stream);
    if (stream_is_open(stream))
        stream_send(stream);
    if (stream->phase == PHASE_CLOSED)
        return;
    if (!stream->error) {
        stream_watch(stream);
        return;
    }
    stream_disconnect(stream);
    stream->events->closed(stream, stream->error, stream->owner);
}

/* --- the beginning --- */

static void begin_handshake(NetStream *stream)
{
    GError *error = NULL;

    stream->phase = PHASE_HANDSHAKE;
    if (stream->trust)
        stream->tls = net_tls_new(stream->trust, stream->host, stream->fd, &error);
    else
        g_set_error_literal(&error, MAIL_ERROR, MAIL_ERROR_INVALID, "TLS without trust in anybody");
    if (!stream->tls) {
        stream_fail(stream, error);
        return;
    }
    deadline_begin(stream);
    stream_kick(stream);
}

static void on_connected(int fd, const GError *error, gpointer data)
{
    NetStream *stream = data;

    stream->fd = fd;
    if (error)
        stream_fail(stream, g_error_copy(error));
    else if (stream->wants_tls)
        begin_handshake(stream);
    else
        stream_open(stream);
    g_clear_pointer(&stream->connect, net_connect_free);
}

static char *peer_text(const NetEndpoint *endpoint)
{
    gboolean is_ipv6 = strchr(endpoint->host, ':') != NULL;

    return g_strdup_printf(is_ipv6 ? "[%s]:%u" : "%s:%u", endpoint->host, endpoint->port);
}

NetStream *net_stream_new(const NetEndpoint *endpoint, const NetStreamEvents *events,
                          gpointer owner)
{
    NetStream *stream = g_rc_box_new0(NetStream);
    GError *error = NULL;

    stream->events = events;
    stream->owner = owner;
    stream->peer = peer_text(endpoint);
    stream->wants_tls = endpoint->tls;
    stream->trust = endpoint->trust ? net_trust_ref(endpoint->trust) : NULL;
    stream->timeout_s = endpoint->timeout_s;
    stream->fd = -1;
    stream->queue = net_queue_new();
    stream->source = source_new(stream);
    stream->host = net_connect_ascii_host(endpoint->host, &error);
    if (!stream->host) {
        stream_fail(stream, error);
        return stream;
    }
    stream->connect = net_connect_new(stream->host, endpoint->port, on_connected, stream);
    deadline_begin(stream);
    return stream;
}

/* --- the end --- */

static void stream_clear(gpointer memory)
{
    NetStream *stream = memory;

    g_source_unref(stream->source);
    g_clear_pointer(&stream->trust, net_trust_unref);
    net_deflate_free(stream->deflate);
    net_queue_free(stream->queue);
    g_clear_error(&stream->error);
    g_free(stream->peer);
    g_free(stream->host);
}

/* What is queued, as far as that goes now; and a good-bye, but only after the last byte, so that
 * nobody takes half a command for a whole one. */
static void stream_say_goodbye(NetStream *stream)
{
    stream_write(stream, G_MAXSIZE);
    if (stream->tls && !stream->error && net_queue_len(stream->queue) == 0)
        net_tls_shutdown(stream->tls);
}

void net_stream_free(NetStream *stream)
{
    if (!stream)
        return;
    if (stream_is_open(stream))
        stream_say_goodbye(stream);
    if (stream->phase != PHASE_CLOSED)
        stream_disconnect(stream);
    g_rc_box_release_full(stream, stream_clear);
}

/* --- what the owner does with it --- */

void net_stream_write(NetStream *stream, gconstpointer bytes, gsize len)
{
    if (stream->phase == PHASE_CLOSED || len == 0)
        return;
    if (stream->deflate)
        net_deflate_compress(stream->deflate, bytes, len, stream->queue);
    else
        net_queue_append(stream->queue, bytes, len);
    stream_kick(stream);
}

gsize net_stream_unsent(const NetStream *stream)
{
    return net_queue_len(stream->queue);
}

gsize net_stream_undelivered(const NetStream *stream, guint64 *ret_n_delivered)
{
    int n = 0;

    if (stream->fd < 0 || ioctl(stream->fd, SIOCOUTQ, &n) != 0)
        n = 0;
    /* What TLS adds is in the socket, and not in what was sent. */
    *ret_n_delivered = stream->n_sent - MIN((guint64)n, stream->n_sent);
    return net_queue_len(stream->queue) + (gsize)n;
}

void net_stream_start_tls(NetStream *stream)
{
    g_return_if_fail(stream->phase != PHASE_CONNECT && stream->phase != PHASE_HANDSHAKE);
    g_return_if_fail(!stream->tls && !stream->deflate);

    if (stream_is_open(stream))
        begin_handshake(stream);
}

gboolean net_stream_is_tls(const NetStream *stream)
{
    return stream->phase == PHASE_OPEN && stream->tls != NULL;
}

void net_stream_start_deflate(NetStream *stream, const guint8 *surplus, gsize len)
{
    g_return_if_fail(!stream->deflate);

    stream->deflate = net_deflate_new();
    net_deflate_put(stream->deflate, surplus, len);
    stream_kick(stream);
}

void net_stream_set_paused(NetStream *stream, gboolean paused)
{
    stream->is_paused = paused;
    stream_kick(stream);
}

/* SPDX-License-Identifier: MIT */
/* net/queue.c - bytes on their way out; wiped as they leave. */
#include "net/queue-private.h"

#include <string.h>

#define BEGIN_LEN 1024
/* An empty queue keeps at most so much memory. */
#define KEEP_MAX (256 * 1024)

struct NetQueue {
    GByteArray *bytes;
    gsize off; /* what lies before has been sent */
};

NetQueue *net_queue_new(void)
{
    NetQueue *queue = g_new0(NetQueue, 1);

    queue->bytes = g_byte_array_sized_new(BEGIN_LEN);
    return queue;
}

void net_queue_free(NetQueue *queue)
{
    if (!queue)
        return;
    net_queue_drop(queue, net_queue_len(queue));
    g_byte_array_unref(queue->bytes);
    g_free(queue);
}

/* Moves the unsent bytes to the front, but only when that makes much room at little cost. */
static void queue_compact(NetQueue *queue)
{
    gsize len = net_queue_len(queue);

    if (queue->off < len)
        return;
    memcpy(queue->bytes->data, queue->bytes->data + queue->off, len);
    explicit_bzero(queue->bytes->data + queue->off, len);
    g_byte_array_set_size(queue->bytes, (guint)len);
    queue->off = 0;
}

void net_queue_append(NetQueue *queue, gconstpointer bytes, gsize len)
{
    g_return_if_fail(len <= G_MAXUINT - queue->bytes->len);

    if (queue->off > 0)
        queue_compact(queue);
    g_byte_array_append(queue->bytes, bytes, (guint)len);
}

gsize net_queue_len(const NetQueue *queue)
{
    return queue->bytes->len - queue->off;
}

const guint8 *net_queue_peek(const NetQueue *queue)
{
    return queue->bytes->data + queue->off;
}

void net_queue_drop(NetQueue *queue, gsize n)
{
    g_return_if_fail(n <= net_queue_len(queue));

    if (n == 0)
        return;
    explicit_bzero(queue->bytes->data + queue->off, n);
    queue->off += n;
    if (queue->off < queue->bytes->len)
        return;
    if (queue->bytes->len > KEEP_MAX) {
        g_byte_array_unref(queue->bytes);
        queue->bytes = g_byte_array_sized_new(BEGIN_LEN);
    }
    g_byte_array_set_size(queue->bytes, 0);
    queue->off = 0;
}

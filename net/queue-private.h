/* SPDX-License-Identifier: MIT */
/* net/queue-private.h - bytes on their way out; wiped as they leave, for a password may be
 * among them. */
#pragma once

#include <glib.h>

typedef struct NetQueue NetQueue;

NetQueue *net_queue_new(void);
void net_queue_free(NetQueue *queue);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetQueue, net_queue_free)

void net_queue_append(NetQueue *queue, gconstpointer bytes, gsize len);
gsize net_queue_len(const NetQueue *queue);
/* The first of the queued bytes, net_queue_len() of them; borrowed until the next change. */
const guint8 *net_queue_peek(const NetQueue *queue);
/* The first @n bytes have been sent. */
void net_queue_drop(NetQueue *queue, gsize n);

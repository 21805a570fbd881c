/* SPDX-License-Identifier: MIT */
/* net/deflate-private.h - raw deflate in both directions (RFC 4978). */
#pragma once

#include <glib.h>

#include "net/queue-private.h"

typedef struct NetDeflate NetDeflate;

NetDeflate *net_deflate_new(void);
void net_deflate_free(NetDeflate *codec);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetDeflate, net_deflate_free)

/* Appends @bytes to @queue, compressed and flushed, so that the peer can read all of them. */
void net_deflate_compress(NetDeflate *codec, gconstpointer bytes, gsize len, NetQueue *queue);

/* Adds compressed bytes from the peer (copied), for net_deflate_next(). */
void net_deflate_put(NetDeflate *codec, const guint8 *bytes, gsize len);

/* Inflates up to @size bytes; @ret_n becomes 0 when it takes more input first.  Fails with
 * PROTOCOL when the input is damaged, or when more than 1 MiB came out of less than a thousandth
 * of that. */
gboolean net_deflate_next(NetDeflate *codec, guint8 *bytes, gsize size, gsize *ret_n,
                          GError **error);

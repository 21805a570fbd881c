/* SPDX-License-Identifier: MIT */
/* net/connect-private.h - a TCP connection to whichever address answers first (RFC 8305). */
#pragma once

#include <gio/gio.h>

typedef struct NetConnect NetConnect;

/* @fd: connected, non-blocking, the receiver's; or -1 and a borrowed error, OFFLINE or TIMEOUT.
 * May free the connect, which has no more to do. */
typedef void (*NetConnectFunc)(int fd, const GError *error, gpointer data);

/* Looks up @host, a name in ASCII or an address, and connects.  @done is called once, never from
 * inside this call.  There is no deadline but that of freeing it. */
NetConnect *net_connect_new(const char *host, guint16 port, NetConnectFunc done, gpointer data);

/* The same for @addresses (GInetAddress), in the order of preference. */
NetConnect *net_connect_new_to(GList *addresses, guint16 port, NetConnectFunc done, gpointer data);

/* Gives up; @done is not called any more.  Accepts NULL. */
void net_connect_free(NetConnect *connect);

/* At most 20 of @addresses (referenced), the families taking turns, beginning with the first's
 * (RFC 8305 section 4). */
GPtrArray *net_connect_order(GList *addresses);

/* @host as DNS and certificates spell it: ASCII, without the final dot; newly allocated.  Fails
 * with INVALID when it is no host name and no address. */
char *net_connect_ascii_host(const char *host, GError **error);

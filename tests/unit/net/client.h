/* SPDX-License-Identifier: MIT */
/* tests/unit/net/client.h - the owner of a stream: keeps what the stream tells. */
#pragma once

#include "net/net.h"

typedef struct Client Client;

struct Client {
    NetStream *stream; /* NULL when it was freed inside an event */
    gboolean is_busy;  /* inside a call of ours; no event may come */
    guint n_ready, n_closed;
    GByteArray *received;
    GError *error;
    /* Called inside the event, or NULL. */
    void (*on_ready)(Client *client);
    void (*on_received)(Client *client);
    void (*on_closed)(Client *client);
    void (*on_sent)(Client *client);
    void (*next_on_received)(Client *client); /* what on_received makes way for, or NULL */
};

Client *client_new(const NetEndpoint *endpoint);
/* With deadlines that are not reached.  With @trust: TLS from the beginning. */
Client *client_new_to(const char *host, guint16 port, NetTrust *trust);
void client_free(Client *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Client, client_free)

void client_free_stream(Client *client);
void client_write(Client *client, gconstpointer bytes, gsize len);

void client_await_ready(Client *client, guint n);
void client_await_bytes(Client *client, gsize len);
void client_await_closed(Client *client);
/* Closed with this error. */
void client_assert_closed(Client *client, MailError code, const char *text);

/* Runs the main loop so long; returns how often it turned. */
guint client_run_ms(guint ms);
/* @len bytes that compress somewhat. */
guint8 *client_sample(gsize len);

#define client_await(condition)                                                                    \
    G_STMT_START                                                                                   \
    {                                                                                              \
        gint64 give_up_us = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;                          \
        while (!(condition)) {                                                                     \
            client_turn();                                                                         \
            g_assert_cmpint(g_get_monotonic_time(), <, give_up_us);                                \
        }                                                                                          \
    }                                                                                              \
    G_STMT_END
/* One turn of the main loop, of 100 ms at most. */
void client_turn(void);

/* Names are looked up in a table: silent.example never ends, nowhere.example does not exist,
 * dead.example is 127.0.0.2 and then 127.0.0.1, all else is 127.0.0.1. */
void client_fake_resolver(void);

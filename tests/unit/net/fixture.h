/* SPDX-License-Identifier: MIT */
/* tests/unit/net/fixture.h - an authority, and a server that speaks TLS. */
#pragma once

#include "certs.h"
#include "net/net.h"
#include "server.h"

typedef struct {
    char *dir;
    Cert *authority, *stranger;
    char *authority_file;
    NetTrust *trust; /* in authority */
} Fixture;

void fixture_set_up(Fixture *fixture, gconstpointer data);
void fixture_tear_down(Fixture *fixture, gconstpointer data);

/* For the host imap.example.org; @issuer as for cert_new(). */
Cert *fixture_cert(const Cert *issuer);

/* The data of service_run(), a ServerFunc. */
typedef struct {
    ServerTls tls;
    gboolean is_accepted; /* the handshake succeeded */
    /* What the server does then, or NULL. */
    void (*serve)(SSL *ssl, gpointer data);
    gpointer data;
} Service;

void service_run(int fd, gpointer service);
/* Reads until the end. */
void service_await_end(SSL *ssl, gpointer data);

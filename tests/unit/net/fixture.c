/* SPDX-License-Identifier: MIT */
/* tests/unit/net/fixture.c - an authority, and a server that speaks TLS. */
#include "fixture.h"

#include <glib/gstdio.h>

Cert *fixture_cert(const Cert *issuer)
{
    const CertSpec spec = {"x", "DNS:imap.example.org", 0, 0, FALSE};

    return cert_new(&spec, issuer);
}

void fixture_set_up(Fixture *fixture, gconstpointer data)
{
    const CertSpec authority = {"Test Authority", NULL, 0, 0, TRUE};
    const CertSpec stranger = {"Strange\x1b Authority", NULL, 0, 0, TRUE};

    fixture->dir = g_dir_make_tmp("mailfs-test-XXXXXX", NULL);
    fixture->authority = cert_new(&authority, NULL);
    fixture->stranger = cert_new(&stranger, NULL);
    fixture->authority_file = cert_write(fixture->authority, fixture->dir);
    fixture->trust = net_trust_new(fixture->authority_file, NULL, NULL);
    g_assert_nonnull(fixture->trust);
}

void fixture_tear_down(Fixture *fixture, gconstpointer data)
{
    g_unlink(fixture->authority_file);
    g_rmdir(fixture->dir);
    net_trust_unref(fixture->trust);
    cert_free(fixture->authority);
    cert_free(fixture->stranger);
    g_free(fixture->authority_file);
    g_free(fixture->dir);
}

void service_run(int fd, gpointer data)
{
    Service *service = data;
    SSL *ssl = server_tls_accept(fd, &service->tls);

    service->is_accepted = ssl != NULL;
    if (!ssl)
        return;
    if (service->serve)
        service->serve(ssl, service->data);
    server_tls_free(ssl);
}

void service_await_end(SSL *ssl, gpointer data)
{
    char bytes[4096];

    while (SSL_read(ssl, bytes, sizeof bytes) > 0)
        continue;
}

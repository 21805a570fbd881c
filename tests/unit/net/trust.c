/* SPDX-License-Identifier: MIT */
/* tests/unit/net/trust.c - which servers are believed. */
#include <glib/gstdio.h>
#include <string.h>

#include "client.h"
#include "fixture.h"

/* --- which certificates are accepted --- */

typedef struct {
    const char *host, *name, *alternatives;
    int from_days, until_days;
    enum {
        BY_AUTHORITY,
        BY_STRANGER,
        BY_ITSELF
    } signer;
    const char *refusal; /* NULL: accepted */
} CertCase;

static const CertCase cert_cases[] = {
    {"imap.example.org", "x", "DNS:imap.example.org", 0, 0, BY_AUTHORITY, NULL},
    {"IMAP.Example.ORG", "x", "DNS:imap.example.org", 0, 0, BY_AUTHORITY, NULL},
    {"imap.example.org.", "x", "DNS:imap.example.org", 0, 0, BY_AUTHORITY, NULL},
    {"b\xc3\xbc"
     "cher.example",
     "x", "DNS:xn--bcher-kva.example", 0, 0, BY_AUTHORITY, NULL},
    {"imap.example.org", "x", "DNS:*.example.org", 0, 0, BY_AUTHORITY, NULL},
    /* T9 */
    {"imap.example.org", "x", "DNS:imap.example.org", 0, 0, BY_ITSELF,
     "certificate is self-signed and not trusted; -o tls_fingerprint="},
    {"imap.example.org", "x", "DNS:imap.example.org", 0, 0, BY_STRANGER,
     "certificate comes from an unknown authority, \"CN = Strange\\1B Authority\"; -o "
     "tls_fingerprint="},
    {"imap.example.org", "x", "DNS:imap.example.org", -9, -2, BY_AUTHORITY,
     "certificate expired on 20"},
    {"imap.example.org", "x", "DNS:imap.example.org", 2, 9, BY_AUTHORITY,
     "certificate is not valid before 20"},
    /* T10 */
    {"imap.example.org", "x", "DNS:other.example", 0, 0, BY_AUTHORITY,
     "certificate is for other.example, not for imap.example.org; -o tls_fingerprint="},
    {"imap.example.org", "imap.example.org", "DNS:other.example", 0, 0, BY_AUTHORITY,
     "certificate is for other.example, not for imap.example.org"},
    /* The common name is no host's (RFC 9525 2). */
    {"imap.example.org", "imap.example.org", NULL, 0, 0, BY_AUTHORITY,
     "certificate names no host (it has no DNS name in subjectAltName); -o tls_fingerprint="},
    {"imap.example.org", "imap.example.org", "IP:127.0.0.1", 0, 0, BY_AUTHORITY,
     "certificate names no host"},
    {"imap.example.org", "imap.example.org", "email:x@example.org", 0, 0, BY_AUTHORITY,
     "certificate names no host"},
    {"imap.example.org", "x", "DNS:a.example,DNS:b.example,DNS:c.example,DNS:d.example,IP:10.0.0.1",
     0, 0, BY_AUTHORITY, "certificate is for a.example, b.example, c.example and 2 others, not"},
    /* T11 */
    {"a.b.example.org", "x", "DNS:*.example.org", 0, 0, BY_AUTHORITY, "is for *.example.org, not"},
    {"example.org", "x", "DNS:*.example.org", 0, 0, BY_AUTHORITY, "is for *.example.org, not"},
    {"foo.example.org", "x", "DNS:f*o.example.org", 0, 0, BY_AUTHORITY,
     "is for f*o.example.org, not"},
    {"foo.example.org", "x", "DNS:f*.example.org", 0, 0, BY_AUTHORITY,
     "is for f*.example.org, not"},
    /* T12 */
    {"127.0.0.1", "x", "IP:127.0.0.1", 0, 0, BY_AUTHORITY, NULL},
    {"127.0.0.1", "127.0.0.1", "DNS:127.0.0.1", 0, 0, BY_AUTHORITY,
     "is for 127.0.0.1, not for the address 127.0.0.1"},
    {"127.0.0.1", "x", "DNS:imap.example.org", 0, 0, BY_AUTHORITY, "is for imap.example.org, not"},
    {"127.0.0.1", "x", "IP:10.0.0.1", 0, 0, BY_AUTHORITY,
     "is for 10.0.0.1, not for the address 127.0.0.1"},
};

static void check_certificate(Fixture *fixture, const CertCase *c)
{
    const CertSpec spec = {c->name, c->alternatives, c->from_days, c->until_days, FALSE};
    g_autoptr(Cert) cert = cert_new(&spec, c->signer == BY_ITSELF     ? NULL
                                           : c->signer == BY_STRANGER ? fixture->stranger
                                                                      : fixture->authority);
    Service service = {.tls.cert = cert, .serve = service_await_end};
    Server *server = server_start(service_run, &service);
    g_autoptr(Client) client = client_new_to(c->host, server_port(server), fixture->trust);

    if (c->refusal) {
        client_assert_closed(client, MAIL_ERROR_TLS, c->refusal);
        g_assert_true(g_str_has_prefix(client->error->message, "connect to "));
        g_assert_cmpuint(client->n_ready, ==, 0);
    } else {
        client_await_ready(client, 1);
        g_assert_true(net_stream_is_tls(client->stream));
    }
    client_free_stream(client);
    server_stop(server);
    if (g_hostname_is_ip_address(c->host))
        g_assert_cmpstr(service.tls.server_name, ==, "");
    else
        g_assert_cmpstr(service.tls.server_name, !=, "");
}

static void test_certificates(Fixture *fixture, gconstpointer data)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cert_cases); i++) {
        g_test_message("%s as %s, %s", cert_cases[i].host, cert_cases[i].name,
                       cert_cases[i].alternatives);
        check_certificate(fixture, &cert_cases[i]);
    }
}

/* T13: no certificate may be taken for one of such a host. */
static void test_bad_hosts(Fixture *fixture, gconstpointer data)
{
    static const char *const hosts[] = {"", ".", ".example.org", "imap example.org"};

    for (gsize i = 0; i < G_N_ELEMENTS(hosts); i++) {
        g_autoptr(Client) client = client_new_to(hosts[i], 993, fixture->trust);

        client_assert_closed(client, MAIL_ERROR_INVALID, "this is no host name");
    }
}

/* The system's authorities do not know our certificates. */
static void test_system_authorities(Fixture *fixture, gconstpointer data)
{
    g_autoptr(Cert) cert = fixture_cert(fixture->authority);
    g_autoptr(NetTrust) trust = net_trust_new(NULL, NULL, NULL);
    Service service = {.tls.cert = cert};
    g_autoptr(Server) server = server_start(service_run, &service);
    g_autoptr(Client) client = client_new_to("imap.example.org", server_port(server), trust);

    client_assert_closed(client, MAIL_ERROR_TLS, "unknown authority, \"CN = Test Authority\"");
}

/* Who names the server's own certificate as authority means that one. */
static void test_certificate_as_authority(Fixture *fixture, gconstpointer data)
{
    g_autoptr(Cert) cert = fixture_cert(fixture->stranger);
    g_autofree char *file = cert_write(cert, fixture->dir);
    g_autoptr(NetTrust) trust = net_trust_new(file, NULL, NULL);
    Service service = {.tls.cert = cert, .serve = service_await_end};
    g_autoptr(Server) server = server_start(service_run, &service);
    g_autoptr(Client) client = client_new_to("imap.example.org", server_port(server), trust);

    client_await_ready(client, 1);
    client_free_stream(client);
    g_unlink(file);
}

/* --- T15: pinning --- */

typedef struct {
    const char *alternatives;
    int from_days, until_days;
    gboolean is_signed;
} PinCase;

/* The pin alone decides: neither name nor time nor authority. */
static void test_pin(Fixture *fixture, gconstpointer data)
{
    static const PinCase cases[] = {
        {"DNS:imap.example.org", 0, 0, TRUE},
        {"DNS:imap.example.org", 0, 0, FALSE},
        {"DNS:imap.example.org", -9, -2, FALSE},
        {"DNS:other.example", 0, 0, TRUE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const CertSpec spec = {"x", cases[i].alternatives, cases[i].from_days, cases[i].until_days,
                               FALSE};
        g_autoptr(Cert) cert = cert_new(&spec, cases[i].is_signed ? fixture->authority : NULL);
        g_autofree char *pin = cert_fingerprint(cert);
        g_autoptr(NetTrust) trust = net_trust_new(NULL, pin, NULL);
        Service service = {.tls.cert = cert, .serve = service_await_end};
        g_autoptr(Server) server = server_start(service_run, &service);
        g_autoptr(Client) client = client_new_to("imap.example.org", server_port(server), trust);

        client_await_ready(client, 1);
        client_free_stream(client);
    }
}

static void test_pin_mismatch(Fixture *fixture, gconstpointer data)
{
    g_autoptr(Cert) right = fixture_cert(fixture->authority);
    g_autoptr(Cert) renewed = fixture_cert(fixture->authority);
    g_autofree char *pin = cert_fingerprint(right);
    g_autoptr(NetTrust) trust = net_trust_new(fixture->authority_file, pin, NULL);
    Service service = {.tls.cert = renewed};
    g_autoptr(Server) server = server_start(service_run, &service);
    g_autoptr(Client) client = client_new_to("imap.example.org", server_port(server), trust);

    client_assert_closed(client, MAIL_ERROR_TLS,
                         "certificate is not the one that tls_fingerprint names; it has the "
                         "SHA-256 fingerprint ");
}

/* The fingerprint that a refusal names is the one to pin. */
static void test_refusal_names_the_pin(Fixture *fixture, gconstpointer data)
{
    g_autoptr(Cert) cert = fixture_cert(NULL);
    g_autofree char *expected = cert_fingerprint(cert);
    g_autofree char *hex = NULL;
    g_auto(GStrv) pieces = NULL;
    Service service = {.tls.cert = cert};
    g_autoptr(Server) server = server_start(service_run, &service);
    g_autoptr(Client) client =
        client_new_to("imap.example.org", server_port(server), fixture->trust);
    const char *pin;

    client_assert_closed(client, MAIL_ERROR_TLS, "tls_fingerprint=");
    pin = strstr(client->error->message, "tls_fingerprint=") + strlen("tls_fingerprint=");
    pieces = g_strsplit_set(pin, ": ", 33);
    g_clear_pointer(&pieces[32], g_free);
    hex = g_strjoinv("", pieces);
    g_assert_cmpint(g_ascii_strcasecmp(hex, expected), ==, 0);
}

static void test_trust_errors(Fixture *fixture, gconstpointer data)
{
    static const char *const pins[] = {"", "zz", "AB:CD", "not hex", "AB:"};
    g_autofree char *missing = g_build_filename(fixture->dir, "missing.pem", NULL);
    g_autofree char *wrong = g_build_filename(fixture->dir, "wrong.pem", NULL);
    g_autofree char *long_pin = g_strnfill(66, 'a');
    g_autoptr(GError) error = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(pins); i++) {
        g_assert_null(net_trust_new(NULL, pins[i], &error));
        g_assert_error(error, MAIL_ERROR, MAIL_ERROR_INVALID);
        g_clear_error(&error);
    }
    g_assert_null(net_trust_new(NULL, long_pin, &error));
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_INVALID);
    g_clear_error(&error);
    g_assert_null(net_trust_new(missing, NULL, &error));
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_LOCAL);
    g_clear_error(&error);
    g_assert_true(g_file_set_contents(wrong, "no PEM", -1, NULL));
    g_assert_null(net_trust_new(wrong, NULL, &error));
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_INVALID);
    g_unlink(wrong);
}

/* --- T16: how well it is protected --- */

static void check_weak_server(Fixture *fixture, ServerTls tls, const char *text)
{
    g_autoptr(Cert) cert = fixture_cert(fixture->authority);
    Service service = {.tls = tls, .serve = service_await_end};
    Server *server;
    g_autoptr(Client) client = NULL;

    if (!tls.ciphers || !g_str_has_prefix(tls.ciphers, "AECDH"))
        service.tls.cert = cert;
    server = server_start(service_run, &service);
    client = client_new_to("imap.example.org", server_port(server), fixture->trust);
    client_assert_closed(client, MAIL_ERROR_TLS, text);
    client_free_stream(client);
    server_stop(server);
    g_assert_false(service.is_accepted);
}

static void test_weak_servers(Fixture *fixture, gconstpointer data)
{
    const ServerTls old = {.max_version = TLS1_1_VERSION};
    const ServerTls older = {.max_version = TLS1_VERSION};
    const ServerTls anonymous = {.max_version = TLS1_2_VERSION, .ciphers = "AECDH"};
    const ServerTls open = {.max_version = TLS1_2_VERSION, .ciphers = "eNULL"};

    check_weak_server(fixture, old, "the server speaks no TLS 1.2 or later");
    check_weak_server(fixture, older, "the server speaks no TLS 1.2 or later");
    check_weak_server(fixture, anonymous, "the server accepts none of our ciphers");
    check_weak_server(fixture, open, "the server accepts none of our ciphers");
}

static void renegotiate(SSL *ssl, gpointer data)
{
    gboolean *is_done = data;

    SSL_renegotiate(ssl);
    SSL_do_handshake(ssl);
    service_await_end(ssl, NULL);
    *is_done = !SSL_renegotiate_pending(ssl);
}

static void test_renegotiation(Fixture *fixture, gconstpointer data)
{
    g_autoptr(Cert) cert = fixture_cert(fixture->authority);
    gboolean is_done = FALSE;
    Service service = {.tls = {.cert = cert, .max_version = TLS1_2_VERSION},
                       .serve = renegotiate,
                       .data = &is_done};
    Server *server = server_start(service_run, &service);
    g_autoptr(Client) client =
        client_new_to("imap.example.org", server_port(server), fixture->trust);

    client_await_closed(client);
    client_free_stream(client);
    server_stop(server);
    g_assert_true(service.is_accepted);
    g_assert_false(is_done);
}

/* Session keys are not written down, whoever sets $SSLKEYLOGFILE. */
static void test_no_key_log(Fixture *fixture, gconstpointer data)
{
    g_autoptr(Cert) cert = fixture_cert(fixture->authority);
    Service service = {.tls.cert = cert, .serve = service_await_end};
    g_autoptr(Server) server = server_start(service_run, &service);
    g_autoptr(Client) client =
        client_new_to("imap.example.org", server_port(server), fixture->trust);

    client_await_ready(client, 1);
    client_free_stream(client);
    g_assert_false(g_file_test(g_getenv("SSLKEYLOGFILE"), G_FILE_TEST_EXISTS));
}

#define ADD(name, function)                                                                        \
    g_test_add("/net/trust/" name, Fixture, NULL, fixture_set_up, function, fixture_tear_down)

int main(int argc, char **argv)
{
    g_autofree char *dir = g_dir_make_tmp("mailfs-test-XXXXXX", NULL);
    g_autofree char *key_log = g_build_filename(dir, "keys", NULL);
    int result;

    g_setenv("SSLKEYLOGFILE", key_log, TRUE);
    g_test_init(&argc, &argv, NULL);
    client_fake_resolver();
    ADD("certificates", test_certificates);
    ADD("bad-hosts", test_bad_hosts);
    ADD("system-authorities", test_system_authorities);
    ADD("certificate-as-authority", test_certificate_as_authority);
    ADD("pin", test_pin);
    ADD("pin-mismatch", test_pin_mismatch);
    ADD("refusal-names-the-pin", test_refusal_names_the_pin);
    ADD("trust-errors", test_trust_errors);
    ADD("weak-servers", test_weak_servers);
    ADD("renegotiation", test_renegotiation);
    ADD("no-key-log", test_no_key_log);
    result = g_test_run();
    g_unlink(key_log);
    g_rmdir(dir);
    return result;
}

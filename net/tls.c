/* SPDX-License-Identifier: MIT */
/* net/tls.c - the client's side of TLS on a connected socket. */
#include "net/tls-private.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "net/certificate-private.h"

struct NetTls {
    NetTrust *trust;
    char *host;
    int fd;
    SSL *ssl;
    BIO_METHOD *method;
    gboolean is_trusted; /* the certificate of this very connection was accepted */
    gboolean is_cut;     /* the socket ended */
    GError *error;       /* why one of our callbacks made OpenSSL fail */
};

/* --- the socket, as OpenSSL sees it; its own socket BIO would raise SIGPIPE --- */

static int bio_result(BIO *bio, NetIo io)
{
    NetTls *tls = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    if (io == NET_IO_WANT_READ)
        BIO_set_retry_read(bio);
    if (io == NET_IO_WANT_WRITE)
        BIO_set_retry_write(bio);
    if (io == NET_IO_END)
        tls->is_cut = TRUE;
    return io == NET_IO_DONE;
}

static int on_bio_read(BIO *bio, char *bytes, gsize size, gsize *ret_n)
{
    NetTls *tls = BIO_get_data(bio);

    return bio_result(
        bio, net_socket_read(tls->fd, bytes, size, ret_n, tls->error ? NULL : &tls->error));
}

static int on_bio_write(BIO *bio, const char *bytes, gsize len, gsize *ret_n)
{
    NetTls *tls = BIO_get_data(bio);

    return bio_result(
        bio, net_socket_write(tls->fd, bytes, len, ret_n, tls->error ? NULL : &tls->error));
}

static long on_bio_control(BIO *bio, int command, long number, void *pointer)
{
    NetTls *tls = BIO_get_data(bio);

    if (command == BIO_CTRL_EOF)
        return tls->is_cut;
    return command == BIO_CTRL_FLUSH;
}

static BIO *tls_bio_new(NetTls *tls)
{
    BIO *bio;

    tls->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "mailfs socket");
    BIO_meth_set_read_ex(tls->method, on_bio_read);
    BIO_meth_set_write_ex(tls->method, on_bio_write);
    BIO_meth_set_ctrl(tls->method, on_bio_control);
    bio = BIO_new(tls->method);
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    return bio;
}

/* --- the certificate --- */

static gboolean is_pinned_certificate(const NetTrust *trust, const X509 *certificate)
{
    guint8 digest[SHA256_DIGEST_LENGTH];

    net_certificate_digest(certificate, digest);
    return CRYPTO_memcmp(digest, trust->pin, sizeof digest) == 0;
}

static void tls_refuse(NetTls *tls, X509_STORE_CTX *store)
{
    g_autofree char *fingerprint = net_certificate_fingerprint(X509_STORE_CTX_get0_cert(store));
    g_autofree char *why = NULL;

    g_clear_error(&tls->error);
    if (tls->trust->is_pinned) {
        g_set_error(&tls->error, MAIL_ERROR, MAIL_ERROR_TLS,
                    "certificate is not the one that tls_fingerprint names; it has the SHA-256 "
                    "fingerprint %s",
                    fingerprint);
        return;
    }
    why = net_certificate_why(store, tls->host);
    g_set_error(&tls->error, MAIL_ERROR, MAIL_ERROR_TLS,
                "%s; -o tls_fingerprint=%s (its SHA-256 fingerprint) would pin it", why,
                fingerprint);
}

int net_tls_on_certificate(X509_STORE_CTX *store, void *data)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    NetTls *tls = SSL_get_app_data(ssl);

    if (tls->trust->is_pinned) {
        tls->is_trusted = is_pinned_certificate(tls->trust, X509_STORE_CTX_get0_cert(store));
        X509_STORE_CTX_set_error(store,
                                 tls->is_trusted ? X509_V_OK : X509_V_ERR_APPLICATION_VERIFICATION);
    } else {
        tls->is_trusted = X509_verify_cert(store) == 1;
    }
    if (!tls->is_trusted)
        tls_refuse(tls, store);
    return tls->is_trusted;
}

/* An empty name, and one that begins with a dot, would fit any certificate (X509_check_host(3)). */
static gboolean tls_expect_host(NetTls *tls)
{
    if (!*tls->host || *tls->host == '.')
        return FALSE;
    if (g_hostname_is_ip_address(tls->host))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls->ssl), tls->host) == 1;
    SSL_set_hostflags(tls->ssl,
                      X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return SSL_set1_host(tls->ssl, tls->host) == 1 &&
           SSL_set_tlsext_host_name(tls->ssl, tls->host) == 1;
}

NetTls *net_tls_new(NetTrust *trust, const char *host, int fd, GError **error)
{
    g_autoptr(NetTls) tls = g_new0(NetTls, 1);
    BIO *bio;

    tls->trust = net_trust_ref(trust);
    tls->host = g_strdup(host);
    tls->fd = fd;
    tls->ssl = SSL_new(trust->context);
    if (!tls->ssl)
        g_error("no memory for TLS");
    bio = tls_bio_new(tls);
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_app_data(tls->ssl, tls);
    SSL_set_connect_state(tls->ssl);
    if (tls_expect_host(tls))
        return g_steal_pointer(&tls);
    g_set_error(error, MAIL_ERROR, MAIL_ERROR_INVALID,
                "no certificate can be verified for the host \"%s\"", host);
    return NULL;
}

void net_tls_free(NetTls *tls)
{
    if (!tls)
        return;
    SSL_free(tls->ssl);
    BIO_meth_free(tls->method);
    net_trust_unref(tls->trust);
    g_clear_error(&tls->error);
    g_free(tls->host);
    g_free(tls);
}

/* --- moving bytes --- */

static const struct {
    int reason;
    const char *text;
} reasons[] = {
    {SSL_R_WRONG_VERSION_NUMBER, "the server does not speak TLS on this port"},
    {SSL_R_PACKET_LENGTH_TOO_LONG, "the server does not speak TLS on this port"},
    {SSL_R_UNSUPPORTED_PROTOCOL, "the server speaks no TLS 1.2 or later"},
    {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "the server speaks no TLS 1.2 or later"},
    {SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, "the server accepts none of our ciphers"},
    {SSL_R_DH_KEY_TOO_SMALL, "the server's keys are too weak"},
};

static const char *reason_text(gulong code)
{
    const char *text = ERR_reason_error_string(code);

    for (gsize i = 0; i < G_N_ELEMENTS(reasons); i++)
        if (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == reasons[i].reason)
            return reasons[i].text;
    return text ? text : "no reason given";
}

static NetIo tls_fail(NetTls *tls, GError **error)
{
    gulong code = ERR_peek_error();

    if (tls->error)
        g_propagate_error(error, g_steal_pointer(&tls->error));
    else if (tls->is_cut)
        g_set_error_literal(error, MAIL_ERROR, MAIL_ERROR_OFFLINE, "the connection was cut");
    else
        g_set_error(error, MAIL_ERROR, MAIL_ERROR_TLS, "TLS failed: %s", reason_text(code));
    ERR_clear_error();
    return NET_IO_FAILED;
}

static NetIo tls_result(NetTls *tls, int result, GError **error)
{
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_NONE: return NET_IO_DONE;
    case SSL_ERROR_WANT_READ: return NET_IO_WANT_READ;
    case SSL_ERROR_WANT_WRITE: return NET_IO_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN: return NET_IO_END;
    default: return tls_fail(tls, error);
    }
}

NetIo net_tls_handshake(NetTls *tls, GError **error)
{
    NetIo io;

    ERR_clear_error();
    io = tls_result(tls, SSL_do_handshake(tls->ssl), error);
    if (io != NET_IO_DONE)
        return io;
    if (tls->is_trusted && SSL_get0_peer_certificate(tls->ssl) &&
        SSL_get_verify_result(tls->ssl) == X509_V_OK)
        return NET_IO_DONE;
    g_set_error_literal(error, MAIL_ERROR, MAIL_ERROR_TLS,
                        "TLS failed: the server showed no certificate");
    return NET_IO_FAILED;
}

NetIo net_tls_read(NetTls *tls, gpointer bytes, gsize size, gsize *ret_n, GError **error)
{
    ERR_clear_error();
    return tls_result(tls, SSL_read_ex(tls->ssl, bytes, size, ret_n), error);
}

NetIo net_tls_write(NetTls *tls, gconstpointer bytes, gsize len, gsize *ret_n, GError **error)
{
    ERR_clear_error();
    return tls_result(tls, SSL_write_ex(tls->ssl, bytes, len, ret_n), error);
}

void net_tls_shutdown(NetTls *tls)
{
    SSL_shutdown(tls->ssl);
    ERR_clear_error();
}

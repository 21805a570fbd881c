/* SPDX-License-Identifier: MIT */
/* net/trust.c - whom to believe, and with which versions of TLS. */
#include "net/tls-private.h"

#include <errno.h>
#include <openssl/err.h>

#include "net/certificate-private.h"

/* As much as a record and a half, so that most records cost one system call. */
#define READ_BUFFER_LEN (32 * 1024)

static void trust_clear(gpointer memory)
{
    NetTrust *trust = memory;

    SSL_CTX_free(trust->context);
}

NetTrust *net_trust_ref(NetTrust *trust)
{
    return g_atomic_rc_box_acquire(trust);
}

void net_trust_unref(NetTrust *trust)
{
    if (trust)
        g_atomic_rc_box_release_full(trust, trust_clear);
}

static gboolean load_authorities(SSL_CTX *context, const char *ca_file, GError **error)
{
    const char *where = ca_file ? ca_file : "the system's store";
    gulong code;

    ERR_clear_error();
    if (ca_file ? SSL_CTX_load_verify_file(context, ca_file)
                : SSL_CTX_set_default_verify_paths(context))
        return TRUE;
    code = ERR_peek_error();
    if (ERR_SYSTEM_ERROR(code))
        g_set_error(error, MAIL_ERROR, MAIL_ERROR_LOCAL, "read the authorities in %s: %s", where,
                    g_strerror(ERR_GET_REASON(code)));
    else
        g_set_error(error, MAIL_ERROR, MAIL_ERROR_INVALID,
                    "read the authorities in %s: it holds no certificate in PEM", where);
    ERR_clear_error();
    return FALSE;
}

static gboolean context_configure(SSL_CTX *context)
{
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(context, net_tls_on_certificate, NULL);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, READ_BUFFER_LEN);
    /* Some builds of OpenSSL write session keys to the file in $SSLKEYLOGFILE; never here. */
    SSL_CTX_set_keylog_callback(context, NULL);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1;
}

NetTrust *net_trust_new(const char *ca_file, const char *fingerprint, GError **error)
{
    g_autoptr(NetTrust) trust = g_atomic_rc_box_new0(NetTrust);

    if (fingerprint && !net_certificate_parse_fingerprint(fingerprint, trust->pin)) {
        g_set_error(error, MAIL_ERROR, MAIL_ERROR_INVALID,
                    "read the fingerprint \"%s\": a SHA-256 in hex was expected", fingerprint);
        return NULL;
    }
    trust->is_pinned = fingerprint != NULL;
    trust->context = SSL_CTX_new(TLS_client_method());
    if (!trust->context || !context_configure(trust->context)) {
        g_set_error_literal(error, MAIL_ERROR, MAIL_ERROR_LOCAL,
                            "prepare TLS: OpenSSL refuses our settings");
        return NULL;
    }
    /* Who names authorities means them, be they intermediate ones or a server's own. */
    if (ca_file)
        X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(trust->context), X509_V_FLAG_PARTIAL_CHAIN);
    if (!load_authorities(trust->context, ca_file, error))
        return NULL;
    return g_steal_pointer(&trust);
}

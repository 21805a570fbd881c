/* SPDX-License-Identifier: MIT */
/* tests/unit/net/certs.h - certificates made for one test run. */
#pragma once

#include <glib.h>
#include <openssl/x509.h>

typedef struct {
    EVP_PKEY *key;
    X509 *x509;
} Cert;

typedef struct {
    const char *name;          /* common name */
    const char *alternatives;  /* "DNS:a.example,IP:127.0.0.1", or NULL */
    int from_days, until_days; /* of its validity, from now; both 0: valid */
    gboolean is_authority;
} CertSpec;

/* Signed by @issuer, or by itself when that is NULL. */
Cert *cert_new(const CertSpec *spec, const Cert *issuer);
void cert_free(Cert *cert);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Cert, cert_free)

/* SHA-256 in lower-case hex without colons, as `openssl` does not print it. */
char *cert_fingerprint(const Cert *cert);
/* A new PEM file in @dir; returns its path. */
char *cert_write(const Cert *cert, const char *dir);

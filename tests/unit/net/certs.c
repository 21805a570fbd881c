/* SPDX-License-Identifier: MIT */
/* tests/unit/net/certs.c - certificates made for one test run. */
#include "certs.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#define DAY_S (24 * 60 * 60)

static void add_extension(X509 *x509, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, NULL, nid, value);

    g_assert_nonnull(extension);
    g_assert_cmpint(X509_add_ext(x509, extension, -1), ==, 1);
    X509_EXTENSION_free(extension);
}

static void set_validity(X509 *x509, const CertSpec *spec)
{
    gboolean is_default = spec->from_days == 0 && spec->until_days == 0;

    X509_gmtime_adj(X509_getm_notBefore(x509), (is_default ? -1 : spec->from_days) * DAY_S);
    X509_gmtime_adj(X509_getm_notAfter(x509), (is_default ? 1 : spec->until_days) * DAY_S);
}

Cert *cert_new(const CertSpec *spec, const Cert *issuer)
{
    Cert *cert = g_new0(Cert, 1);
    X509 *x509 = X509_new();
    X509_NAME *name = X509_get_subject_name(x509);

    cert->key = EVP_EC_gen("P-256");
    cert->x509 = x509;
    X509_set_version(x509, X509_VERSION_3);
    ASN1_INTEGER_set_int64(X509_get_serialNumber(x509), g_random_int());
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const guint8 *)spec->name, -1, -1, 0);
    X509_set_issuer_name(x509, issuer ? X509_get_subject_name(issuer->x509) : name);
    X509_set_pubkey(x509, cert->key);
    set_validity(x509, spec);
    add_extension(x509, NID_basic_constraints,
                  spec->is_authority ? "critical,CA:TRUE" : "CA:FALSE");
    if (spec->alternatives)
        add_extension(x509, NID_subject_alt_name, spec->alternatives);
    g_assert_cmpint(X509_sign(x509, issuer ? issuer->key : cert->key, EVP_sha256()), >, 0);
    return cert;
}

void cert_free(Cert *cert)
{
    if (!cert)
        return;
    EVP_PKEY_free(cert->key);
    X509_free(cert->x509);
    g_free(cert);
}

char *cert_fingerprint(const Cert *cert)
{
    guint8 *der = NULL;
    int len = i2d_X509(cert->x509, &der);
    char *hex = g_compute_checksum_for_data(G_CHECKSUM_SHA256, der, (gsize)len);

    OPENSSL_free(der);
    return hex;
}

char *cert_write(const Cert *cert, const char *dir)
{
    char *path = g_strdup_printf("%s/%08x.pem", dir, g_random_int());
    FILE *file = fopen(path, "w");

    g_assert_nonnull(file);
    g_assert_cmpint(PEM_write_X509(file, cert->x509), ==, 1);
    g_assert_cmpint(fclose(file), ==, 0);
    return path;
}

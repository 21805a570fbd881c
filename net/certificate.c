/* SPDX-License-Identifier: MIT */
/* net/certificate.c - what a server's certificate says, as text for people. */
#include "net/certificate-private.h"

#include <gio/gio.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#define NAMES_SHOWN  3
#define NAME_LEN_MAX 100

void net_certificate_digest(const X509 *certificate, guint8 ret_digest[SHA256_DIGEST_LENGTH])
{
    if (!X509_digest(certificate, EVP_sha256(), ret_digest, NULL))
        g_error("cannot compute a SHA-256");
}

char *net_certificate_fingerprint(const X509 *certificate)
{
    guint8 digest[SHA256_DIGEST_LENGTH];
    GString *text = g_string_new(NULL);

    net_certificate_digest(certificate, digest);
    for (gsize i = 0; i < sizeof digest; i++)
        g_string_append_printf(text, "%s%02X", i > 0 ? ":" : "", digest[i]);
    return g_string_free(text, FALSE);
}

gboolean net_certificate_parse_fingerprint(const char *text,
                                           guint8 ret_digest[SHA256_DIGEST_LENGTH])
{
    guint8 digest[SHA256_DIGEST_LENGTH];
    gsize n = 0;

    for (const char *s = text; *s; s += 2) {
        if (n > 0 && *s == ':')
            s++;
        if (n == sizeof digest || !g_ascii_isxdigit(s[0]) || !g_ascii_isxdigit(s[1]))
            return FALSE;
        digest[n++] = (guint8)(g_ascii_xdigit_value(s[0]) << 4 | g_ascii_xdigit_value(s[1]));
    }
    if (n < sizeof digest)
        return FALSE;
    memcpy(ret_digest, digest, sizeof digest);
    return TRUE;
}

/* A certificate's author chooses these bytes; they must not reach a terminal as they are. */
static char *printable(const guint8 *bytes, gsize len)
{
    char *text = g_strndup((const char *)bytes, MIN(len, NAME_LEN_MAX));

    for (gsize i = 0; i < MIN(len, NAME_LEN_MAX); i++)
        if (!g_ascii_isprint(text[i]))
            text[i] = '?';
    return text;
}

static char *address_text(const ASN1_OCTET_STRING *address)
{
    g_autoptr(GInetAddress) inet = NULL;
    const guint8 *bytes = ASN1_STRING_get0_data(address);
    int len = ASN1_STRING_length(address);

    if (len != 4 && len != 16)
        return g_strdup("?");
    inet = g_inet_address_new_from_bytes(bytes,
                                         len == 4 ? G_SOCKET_FAMILY_IPV4 : G_SOCKET_FAMILY_IPV6);
    return g_inet_address_to_string(inet);
}

static char *general_name_text(const GENERAL_NAME *name)
{
    if (name->type == GEN_IPADD)
        return address_text(name->d.iPAddress);
    if (name->type == GEN_DNS)
        return printable(ASN1_STRING_get0_data(name->d.dNSName),
                         (gsize)ASN1_STRING_length(name->d.dNSName));
    return NULL;
}

static GPtrArray *alternative_names(const X509 *certificate)
{
    GPtrArray *texts = g_ptr_array_new_with_free_func(g_free);
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        char *text = general_name_text(sk_GENERAL_NAME_value(names, i));

        if (text)
            g_ptr_array_add(texts, text);
    }
    GENERAL_NAMES_free(names);
    return texts;
}

static gboolean has_dns_name(const X509 *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    gboolean has_one = FALSE;

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
        has_one |= sk_GENERAL_NAME_value(names, i)->type == GEN_DNS;
    GENERAL_NAMES_free(names);
    return has_one;
}

static char *common_name(const X509 *certificate)
{
    const X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    const ASN1_STRING *value;

    if (at < 0)
        return g_strdup("nobody");
    value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
    return printable(ASN1_STRING_get0_data(value), (gsize)ASN1_STRING_length(value));
}

/* "a.example, b.example, c.example and 9 others" */
static char *holder_text(const X509 *certificate)
{
    g_autoptr(GPtrArray) names = alternative_names(certificate);
    GString *text;

    if (names->len == 0)
        return common_name(certificate);
    text = g_string_new(NULL);
    for (guint i = 0; i < MIN(names->len, NAMES_SHOWN); i++)
        g_string_append_printf(text, "%s%s", i > 0 ? ", " : "",
                               (const char *)g_ptr_array_index(names, i));
    if (names->len > NAMES_SHOWN)
        g_string_append_printf(text, " and %u others", names->len - NAMES_SHOWN);
    return g_string_free(text, FALSE);
}

static char *issuer_text(const X509 *certificate)
{
    BIO *memory = BIO_new(BIO_s_mem());
    char *bytes, *text;
    long len;

    X509_NAME_print_ex(memory, X509_get_issuer_name(certificate), 0,
                       XN_FLAG_ONELINE & ~(gulong)ASN1_STRFLGS_SHOW_TYPE);
    len = BIO_get_mem_data(memory, &bytes);
    text = printable((const guint8 *)bytes, (gsize)MAX(len, 0));
    BIO_free(memory);
    return text;
}

static char *day_text(const ASN1_TIME *when)
{
    struct tm tm;

    if (!ASN1_TIME_to_tm(when, &tm))
        return g_strdup("an unknown day");
    return g_strdup_printf("%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
}

static char *period_text(const X509 *certificate, int depth, gboolean is_over)
{
    g_autofree char *day =
        day_text(is_over ? X509_get0_notAfter(certificate) : X509_get0_notBefore(certificate));

    return g_strdup_printf("%s %s %s", depth > 0 ? "certificate of an authority" : "certificate",
                           is_over ? "expired on" : "is not valid before", day);
}

char *net_certificate_why(X509_STORE_CTX *store, const char *host)
{
    const X509 *leaf = X509_STORE_CTX_get0_cert(store);
    const X509 *culprit = X509_STORE_CTX_get_current_cert(store);
    int depth = X509_STORE_CTX_get_error_depth(store);
    int code = X509_STORE_CTX_get_error(store);
    g_autofree char *holder = holder_text(leaf), *issuer = issuer_text(leaf);

    switch (code) {
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return g_strdup("certificate is self-signed and not trusted");
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return g_strdup_printf("certificate comes from an unknown authority, \"%s\"", issuer);
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return period_text(culprit ? culprit : leaf, depth, code == X509_V_ERR_CERT_HAS_EXPIRED);
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return g_strdup_printf("certificate is for %s, not for the address %s", holder, host);
    case X509_V_ERR_HOSTNAME_MISMATCH:
        if (!has_dns_name(leaf))
            return g_strdup("certificate names no host (it has no DNS name in subjectAltName)");
        return g_strdup_printf("certificate is for %s, not for %s", holder, host);
    default:
        return g_strdup_printf("certificate is not trusted (%s)",
                               X509_verify_cert_error_string(code));
    }
}

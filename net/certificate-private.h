/* SPDX-License-Identifier: MIT */
/* net/certificate-private.h - what a server's certificate says, as text for people. */
#pragma once

#include <glib.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

/* The SHA-256 of @certificate in DER. */
void net_certificate_digest(const X509 *certificate, guint8 ret_digest[SHA256_DIGEST_LENGTH]);

/* The same as "AB:CD:..."; newly allocated. */
char *net_certificate_fingerprint(const X509 *certificate);

/* Reads a fingerprint in hex, with or without colons; FALSE when it is none. */
gboolean net_certificate_parse_fingerprint(const char *text,
                                           guint8 ret_digest[SHA256_DIGEST_LENGTH]);

/* Why the verification that ended in @store refused the certificate of @host: "certificate
 * expired on 2024-05-01".  Printable ASCII whatever the certificate holds; newly allocated. */
char *net_certificate_why(X509_STORE_CTX *store, const char *host);

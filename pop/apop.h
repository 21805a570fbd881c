/* SPDX-License-Identifier: MIT */
/* pop/apop.h - the digest of APOP (RFC 1939 7). */
#pragma once

#include "net/net.h"

/* The timestamp "<...@...>" in the text of a greeting, newly allocated; NULL where there is none,
 * or it is not what a message identifier may be: with octets of his choice in it, who sits between
 * us and the server finds out passwords (CVE-2007-1558). */
char *pop_apop_dup_timestamp(const char *greeting);

/* MD5 of both in hex, newly allocated. */
char *pop_apop_dup_digest(const char *timestamp, const NetSecret *secret);

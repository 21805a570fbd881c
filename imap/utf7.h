/* SPDX-License-Identifier: MIT */
/* imap/utf7.h - mailbox names in modified UTF-7 (RFC 3501 5.1.3). */
#pragma once

#include <glib.h>

/* UTF-8, or NULL unless @name is exactly what imap_utf7_encode() makes of the result: so the two
 * are inverse, and what is 8-bit, unfinished or needlessly encoded is refused. */
char *imap_utf7_decode(const char *name);
/* @name is valid UTF-8. */
char *imap_utf7_encode(const char *name);

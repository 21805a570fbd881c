/* SPDX-License-Identifier: MIT */
/* imap/errors.h - what a server's NO, BAD or BYE means. */
#pragma once

#include "imap/value.h"

/* The error for a status that is no OK, from its response code (RFC 5530); @doing says what failed,
 * "examine INBOX".  The server's text is cleaned and cut. */
GError *imap_error_new(const ImapResponse *response, const char *doing);
/* Printable text of at most 200 bytes; newly allocated. */
char *imap_clean_text(const char *text);

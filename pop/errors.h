/* SPDX-License-Identifier: MIT */
/* pop/errors.h - what a server's -ERR means. */
#pragma once

#include "pop/reader.h"

/* The error for a -ERR, from its response code (RFC 2449 8.1, RFC 3206); @plain where it has none
 * that we know.  @doing says what failed, "retr 5".  The server's text is cleaned and cut. */
GError *pop_error_new(const PopStatus *status, const char *doing, MailError plain);

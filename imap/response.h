/* SPDX-License-Identifier: MIT */
/* imap/response.h - a response that is framed, to an ImapResponse; used by imap/reader.c alone. */
#pragma once

#include "imap/parser.h"

/* Whether the response that begins with @line, NUL-ended, can have literals.  In continuations,
 * tagged and untagged status responses "{5}" is text for people (RFC 9051 9, resp-text). */
gboolean imap_response_can_have_literals(const char *line);

/* What @raw says; borrows from @raw and @parser.  Never fails: see is_malformed. */
ImapResponse imap_response_parse(ImapParser *parser, const ImapRaw *raw);

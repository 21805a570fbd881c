/* SPDX-License-Identifier: MIT */
/* pop/header.h - what the header of a message tells: where it ends, when it came, what it is. */
#pragma once

#include <glib.h>

#define POP_ID_LOOK ((gsize)64 * 1024)

/* Octets of the header at the beginning of @bytes, with the empty line behind it. */
gsize pop_header_len(const char *bytes, gsize len);
/* When it was delivered, in seconds since 1970: as the topmost Received field says, else the Date
 * field, else @otherwise. */
gint64 pop_header_date(const char *header, gsize len, gint64 otherwise);
/* A hash of its Message-ID; 0: it has none, or is not whole within the first POP_ID_LOOK octets. */
guint pop_header_id(const char *bytes, gsize len);

/* SPDX-License-Identifier: MIT */
/* mime/mime.h - taking messages apart: a thin layer over GMime.  Pure: bytes in, values out.
 *
 * Call mime_init() once, before anything else here.
 */
#pragma once

#include "mail/mail.h"

void mime_init(void);

/* A header's value as people read it: encoded words decoded (RFC 2047), folds taken out, control
 * characters made blanks.  Unknown charsets and wrong bytes degrade to U+FFFD; never fails, and the
 * result is valid UTF-8 without NUL.  Looks at the first 64 KiB only. */
char *mime_header_decode(const char *bytes, gsize len);

/* SPDX-License-Identifier: MIT */
/* mime/source.h - octets that somebody else holds, for GMime. */
#pragma once

#include <gmime/gmime.h>

#include "mime/mime.h"

/* A stream of @size octets, which @read gives.  It ends early, as if the message were cut there,
 * where a parser would be given more parts or longer headers than MAIL_PARTS_MAX and
 * MIME_HEADER_MAX allow. */
GMimeStream *mime_source_new(guint64 size, MimeReadFunc read, gpointer data);

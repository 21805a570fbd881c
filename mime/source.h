/* SPDX-License-Identifier: MIT */
/* mime/source.h - octets that somebody else holds, line by line. */
#pragma once

#include "mime/mime.h"

typedef struct {
    const char *bytes; /* without the line end; of a long line the first 16 KiB */
    gsize len;
    guint64 off, end; /* where it begins in the message, and what follows its line end */
    guint eol_len;    /* octets of the line end: 0 to 2 */
} MimeLine;

typedef struct MimeSource MimeSource;

/* Holds 64 KiB, whatever the lines are like. */
MimeSource *mime_source_new(guint64 size, MimeReadFunc read, gpointer data);
void mime_source_free(MimeSource *source);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MimeSource, mime_source_free)

/* The next line, which is valid until the next call.  FALSE at the end, and where @read fails. */
gboolean mime_source_next(MimeSource *source, MimeLine *ret_line);
/* The offset of what was not given yet. */
guint64 mime_source_tell(const MimeSource *source);

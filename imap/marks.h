/* SPDX-License-Identifier: MIT */
/* imap/lengths.h - how long messages really are whose size turned out to be a lie. */
#pragma once

#include <glib.h>

typedef struct ImapLengths ImapLengths;

ImapLengths *imap_lengths_new(void);
void imap_lengths_free(ImapLengths *lengths);

/* Whether the size of the message is not to be believed; *ret_length: what it is really, or 0 when
 * that is not known yet. */
gboolean imap_lengths_get(const ImapLengths *lengths, guint32 generation, guint32 uid,
                          guint64 *ret_length);
/* @length 0: it is in doubt from now on. */
void imap_lengths_set(ImapLengths *lengths, guint32 generation, guint32 uid, guint64 length);

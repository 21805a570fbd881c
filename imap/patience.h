/* SPDX-License-Identifier: MIT */
/* imap/patience.h - how soon to connect again after connections that were of no use. */
#pragma once

#include <glib.h>

/* Connections in a row that ended soon.  All zero in the beginning. */
typedef struct {
    guint n_at_once; /* made again without waiting */
    guint retry_ms;  /* what was waited last */
} ImapPatience;

/* Whether one may be made again at once after one that began at @since_us (monotonic). */
gboolean imap_patience_allows_at_once(ImapPatience *patience, gint64 since_us);
/* How long to wait before the next: longer each time. */
guint imap_patience_wait_ms(ImapPatience *patience);
/* @wait_ms or somewhat longer, so that not all clients of a server come back at once. */
guint imap_patience_jitter(guint wait_ms);

/* SPDX-License-Identifier: MIT */
/* imap/patience.c - a few times at once, then after 1 second, 2, 4 … 60. */
#include "imap/patience.h"

#define AT_ONCE_MAX    3
#define LASTED_US      ((gint64)10 * G_USEC_PER_SEC) /* so long ends a row */
#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS   60000

gboolean imap_patience_allows_at_once(ImapPatience *patience, gint64 since_us)
{
    if (g_get_monotonic_time() - since_us > LASTED_US)
        *patience = (ImapPatience){0};
    return patience->n_at_once++ < AT_ONCE_MAX;
}

guint imap_patience_wait_ms(ImapPatience *patience)
{
    patience->retry_ms = CLAMP(patience->retry_ms * 2, RETRY_FIRST_MS, RETRY_MAX_MS);
    return imap_patience_jitter(patience->retry_ms);
}

guint imap_patience_jitter(guint wait_ms)
{
    return wait_ms + (guint)g_random_int_range(0, (gint32)wait_ms / 2 + 1);
}

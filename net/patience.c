/* SPDX-License-Identifier: MIT */
/* net/patience.c - a few times at once, then after 1 second, 2, 4 … 60. */
#include "net/net.h"

#define AT_ONCE_MAX    3
#define LASTED_US      ((gint64)10 * G_USEC_PER_SEC) /* so long ends a row */
#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS   60000

gboolean net_patience_allows_at_once(NetPatience *patience, gint64 since_us)
{
    if (g_get_monotonic_time() - since_us > LASTED_US)
        *patience = (NetPatience){0};
    return patience->n_at_once++ < AT_ONCE_MAX;
}

guint net_patience_wait_ms(NetPatience *patience)
{
    patience->retry_ms = CLAMP(patience->retry_ms * 2, RETRY_FIRST_MS, RETRY_MAX_MS);
    return net_patience_jitter(patience->retry_ms);
}

guint net_patience_jitter(guint wait_ms)
{
    return wait_ms + (guint)g_random_int_range(0, (gint32)wait_ms / 2 + 1);
}

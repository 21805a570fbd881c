/* SPDX-License-Identifier: MIT */
/* pop/apop.c - the digest of APOP. */
#include "pop/apop.h"

#include <string.h>

#define TIMESTAMP_MAX 250

static gboolean is_word(const char *text, gsize len)
{
    for (gsize i = 0; i < len; i++)
        if (!g_ascii_isgraph(text[i]) || strchr("<>@", text[i]))
            return FALSE;
    return len > 0;
}

char *pop_apop_dup_timestamp(const char *greeting)
{
    const char *begin = strchr(greeting, '<');
    const char *end = begin ? strchr(begin, '>') : NULL;
    const char *at = end ? memchr(begin, '@', (gsize)(end - begin)) : NULL;

    if (!at || end - begin > TIMESTAMP_MAX || !is_word(begin + 1, (gsize)(at - begin - 1)) ||
        !is_word(at + 1, (gsize)(end - at - 1)))
        return NULL;
    return g_strndup(begin, (gsize)(end + 1 - begin));
}

char *pop_apop_dup_digest(const char *timestamp, const NetSecret *secret)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_MD5);

    g_checksum_update(sum, (const guchar *)timestamp, -1);
    g_checksum_update(sum, (const guchar *)net_secret_peek(secret), -1);
    return g_strdup(g_checksum_get_string(sum));
}

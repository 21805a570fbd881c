/* SPDX-License-Identifier: MIT */
/* cache/keywords.c - which keyword has which bit, for ever, in this account. */
#include <string.h>

#include "cache/private.h"

#define KEYWORD_MAX 255

void keywords_load(Cache *cache)
{
    sqlite3_stmt *all = index_get(cache->index, SQL_ALL_KEYWORDS);

    while (index_step(cache->index, all)) {
        gint64 nth = sqlite3_column_int64(all, 0);
        const char *name = (const char *)sqlite3_column_text(all, 1);

        if (nth < cache->keywords->len || nth >= MAIL_FLAG_N_KEYWORDS)
            continue;
        /* The bits of those that are lost stay taken. */
        while (cache->keywords->len < nth)
            g_ptr_array_add(cache->keywords, g_strdup(""));
        g_ptr_array_add(cache->keywords, g_strdup(name ? name : ""));
    }
}

static void put_keyword(Cache *cache, guint nth, const char *keyword)
{
    sqlite3_stmt *put = index_get(cache->index, SQL_PUT_KEYWORD);

    sqlite3_bind_int64(put, 1, nth);
    sqlite3_bind_text(put, 2, keyword, -1, SQLITE_TRANSIENT);
    index_run(cache->index, put);
}

void keywords_save(Cache *cache)
{
    for (guint i = 0; i < cache->keywords->len; i++)
        put_keyword(cache, i, cache->keywords->pdata[i]);
}

MailFlags cache_keyword_flag(Cache *cache, const char *keyword)
{
    guint n = cache->keywords->len;

    for (guint i = 0; i < n; i++)
        if (g_ascii_strcasecmp(cache->keywords->pdata[i], keyword) == 0)
            return mail_flag_keyword(i);
    if (n == MAIL_FLAG_N_KEYWORDS || !*keyword || strlen(keyword) > KEYWORD_MAX ||
        !g_utf8_validate(keyword, -1, NULL))
        return 0;
    g_ptr_array_add(cache->keywords, g_strdup(keyword));
    put_keyword(cache, n, keyword);
    return mail_flag_keyword(n);
}

const char *cache_keyword(Cache *cache, MailFlags flag)
{
    for (guint i = 0; i < cache->keywords->len; i++)
        if (mail_flag_keyword(i) == flag)
            return *(const char *)cache->keywords->pdata[i] ? cache->keywords->pdata[i] : NULL;
    return NULL;
}

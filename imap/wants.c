/* SPDX-License-Identifier: MIT */
/* imap/wants.c - the kinds of wants, as to who may fulfil them. */
#include "imap/worker.h"

gboolean imap_want_is_list(const CacheWant *want)
{
    return want->kind == CACHE_WANT_SYNC || want->kind == CACHE_WANT_UIDS ||
           want->kind == CACHE_WANT_LINES || want->kind == CACHE_WANT_LINE;
}

gboolean imap_want_is_change(const CacheWant *want)
{
    return want->kind == CACHE_WANT_RIGHTS;
}

gboolean imap_want_is_body(const CacheWant *want)
{
    return want->kind == CACHE_WANT_BLOCK || want->kind == CACHE_WANT_TREE ||
           want->kind == CACHE_WANT_MEASURE;
}

gboolean imap_want_is_open(const CacheWant *want, CacheWantKind kind, const CacheBox *box)
{
    return want->kind == kind && want->box == box->id && want->generation == box->generation &&
           !want->is_taken;
}

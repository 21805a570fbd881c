/* SPDX-License-Identifier: MIT */
/* tests/unit/trickle.h - feeds a parser the same bytes whole, byte by byte and at every split.
 *
 * Each piece is handed over in a heap block of exactly its size, so that a sanitizer sees every
 * read beyond it.  The results, as text, must be the same each time.
 */
#pragma once

#include <glib.h>
#include <string.h>

typedef struct {
    /* A fresh parser. */
    gpointer (*begin)(void);
    void (*feed)(gpointer parser, const guint8 *bytes, gsize len);
    /* Frees the parser; returns what it made of the bytes, newly allocated. */
    char *(*finish)(gpointer parser);
} Trickle;

static inline void trickle_feed(const Trickle *trickle, gpointer parser, const guint8 *bytes,
                                gsize len)
{
    g_autofree guint8 *piece = g_memdup2(bytes, len);

    trickle->feed(parser, piece, len);
}

/* Splits after each byte where @len is at most @all_splits_max, else only whole and by bytes. */
static inline char *trickle_run(const Trickle *trickle, gconstpointer input, gsize len,
                                gsize all_splits_max)
{
    const guint8 *bytes = input;
    gpointer parser = trickle->begin();
    g_autofree char *whole = NULL, *single = NULL;

    trickle_feed(trickle, parser, bytes, len);
    whole = trickle->finish(parser);

    parser = trickle->begin();
    for (gsize i = 0; i < len; i++)
        trickle_feed(trickle, parser, bytes + i, 1);
    single = trickle->finish(parser);
    g_assert_cmpstr(single, ==, whole);

    for (gsize cut = 1; len <= all_splits_max && cut < len; cut++) {
        g_autofree char *split = NULL;

        parser = trickle->begin();
        trickle_feed(trickle, parser, bytes, cut);
        trickle_feed(trickle, parser, bytes + cut, len - cut);
        split = trickle->finish(parser);
        g_assert_cmpstr(split, ==, whole);
    }
    return g_steal_pointer(&whole);
}

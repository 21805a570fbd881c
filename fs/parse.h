/* SPDX-License-Identifier: MIT */
/* fs/parse.h - the part tree of a message from the message itself.
 *
 * GMime asks for octets and waits for them, so it does that in a thread; the engine reads them from
 * the cache, a block at a time.
 */
#pragma once

#include "cache/cache.h"

typedef struct FsParse FsParse;

/* Begins.  @renews is called when something has come; @done once, from the main loop: the tree is
 * the callee's, or NULL with the reason.  Neither before this returns. */
FsParse *fs_parse_new(Cache *cache, guint32 generation, guint32 uid, void (*renews)(gpointer data),
                      void (*done)(MailPart *root, const GError *error, gpointer data),
                      gpointer data);
/* Ends it if need be. */
void fs_parse_free(FsParse *parse);

/* SPDX-License-Identifier: MIT */
/* fs/parse.h - the part tree of a message from the message itself.
 *
 * mime_structure_parse() asks for octets and waits for them, so it does that in a thread; the
 * engine reads them from the cache, a block at a time.
 */
#pragma once

#include "cache/cache.h"

/* The priority in the main loop of what is parsed and made here: the network and those who wait for
 * it go first. */
#define FS_MAKING (G_PRIORITY_DEFAULT + 10)

typedef struct FsParse FsParse;

/* Begins.  @done is called once, from the main loop and not before this returns: the tree is the
 * callee's, or NULL with the reason. */
FsParse *fs_parse_new(Cache *cache, guint32 generation, guint32 uid,
                      void (*done)(MailPart *root, const GError *error, gpointer data),
                      gpointer data);
/* Ends it if need be. */
void fs_parse_free(FsParse *parse);

/* SPDX-License-Identifier: MIT */
/* fs/maker.h - makes what the cache wants made of messages: the part trees of those that the server
 * does not describe, decoded parts, and texts.
 *
 * A text is what people wrote: the header's main lines, then the text of the message, decoded, then
 * a line for each attachment.
 */
#pragma once

#include "cache/cache.h"

typedef struct FsMaker FsMaker;

#define FS_SECTION_TEXT "text"

/* The section of a part decoded, as parts/ shows it; new. */
char *fs_section_file(const MailPart *part);

/* Is at once the maker of @cache, which is borrowed. */
FsMaker *fs_maker_new(Cache *cache);
void fs_maker_free(FsMaker *maker);

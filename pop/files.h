/* SPDX-License-Identifier: MIT */
/* pop/files.h - reading the messages of a spool; those that are read stay open for a while. */
#pragma once

#include "pop/spool.h"

typedef struct PopFiles PopFiles;

/* @spool is borrowed. */
PopFiles *pop_files_new(const PopSpool *spool);
void pop_files_free(PopFiles *files);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PopFiles, pop_files_free)

/* Appends GBytes with up to @size octets of the message from @offset: fewer only at its end.
 * NOT_FOUND when it is not here; LOCAL. */
gboolean pop_files_read(PopFiles *files, guint32 number, guint64 offset, gsize size,
                        GPtrArray *ret_slices, GError **error) G_GNUC_WARN_UNUSED_RESULT;

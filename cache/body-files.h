/* SPDX-License-Identifier: MIT */
/* cache/body-files.h - the files blocks/<generation>/<uid>[.<section>]; cache/blocks.c alone knows
 * what is in them. */
#pragma once

#include "cache/private.h"

typedef struct BodyFiles BodyFiles;

/* blocks/ in the directory @cache_fd, made where it is missing; or NULL and errno. */
BodyFiles *body_files_open(int cache_fd);
void body_files_close(BodyFiles *files);

/* The file of a body, to read and write, borrowed until the next call of any function here; or -1
 * and errno.  It is a plain file of ours alone, or there is none. */
int body_files_get(BodyFiles *files, const BodyKey *key, gboolean make);
/* Whether body_files_get() would open nothing for it. */
gboolean body_files_is_open(const BodyFiles *files, const BodyKey *key);
void body_files_remove(BodyFiles *files, guint32 generation, guint32 uid, const char *section);
/* The directory is out of the way at once; what is in it goes little by little, if need be after
 * the next body_files_open(). */
void body_files_remove_generation(BodyFiles *files, guint32 generation);
/* Calls @func for the number of each generation that has a directory. */
void body_files_foreach_generation(BodyFiles *files, GFunc func, gpointer data);

/* Calls @func for each body; removes what is none. */
void body_files_foreach(BodyFiles *files, BodyFunc func, gpointer data);

/* SPDX-License-Identifier: MIT */
/* tests/unit/pop/disk.h - the calls that change the disk: counted, noted, made to fail, or to be
 * the last of the process. */
#pragma once

#include <glib.h>

/* As if no call had been; nothing fails. */
void disk_reset(void);
/* The process ends before the @nth call, from 1. */
void disk_die_at(guint nth);
/* The calls from the @first to the @last fail. */
void disk_fail(guint first, guint last, int errsv);
/* Syncs do nothing, and say that they did. */
void disk_set_lazy(gboolean is_lazy);

guint disk_n_calls(void);
/* openat(), not counted as a call. */
guint disk_n_opens(void);
/* By the thread that has reset it. */
guint disk_n_engine_syncs(void);
/* What was done since the last time: "sync-file ", "sync-dir ", "sync-index ", "move ", "remove ";
 * writes are not told.  Newly allocated. */
char *disk_take_log(void);
guint disk_count(const char *log, const char *word);

/* SPDX-License-Identifier: MIT */
/* cache/index.h - what the files of the index share. */
#pragma once

#include "cache/private.h"

#define INDEX_SCHEMA_VERSION 5
/* One process, which holds the lock of the directory: the index of the log stays in memory, where
 * nobody can truncate it under us. */
#define INDEX_VFS "unix-excl"

struct Index {
    sqlite3 *db;
    char *path;
    sqlite3_stmt *statements[SQL_N];
    struct Index **checkpoint_hold; /* while a checkpoint runs */
    int n_wal_pages;                /* in the log */
    int n_copied;                   /* of them, by the last checkpoint */
    gboolean is_damaged;
    gboolean is_temporary;
    gboolean has_complained;
    gboolean was_unclean, was_behind; /* when it was opened */
    gboolean is_behind;               /* changes were lost since */
    gboolean has_loss;                /* of which nobody was told yet */
    gint64 committed_us;              /* monotonic; the last commit */
    gint64 delay_us;                  /* from one to the next */
    guint turn_source, late_source, damaged_source;
    void (*damaged)(gpointer data);
    gpointer damaged_data;
    void (*before_commit)(gpointer data);
    gpointer before_commit_data;
};

gboolean index_exec(sqlite3 *db, const char *text);
/* The first column of the first row of @text, or -1. */
int index_query_int(sqlite3 *db, const char *text);
void index_watch_log(Index *index);
/* No commit is due any more. */
void index_untouch(Index *index);

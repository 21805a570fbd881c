/* SPDX-License-Identifier: MIT */
/* cache/index.c - the SQLite database: statements, transactions, checkpoints.
 *
 * Changes gather in one transaction that ends with the turn of the main loop.  Nothing in the index
 * is the only copy of anything, so commits are not synced (WAL, synchronous=OFF); the syncs of a
 * checkpoint happen on a helper thread with a connection of its own.
 */
#include <gio/gio.h>

#include "cache/index.h"

#define WAL_PAGES_MAX  2000 /* 8 MiB */
#define REST_PAGES_MAX 256  /* that are copied by the engine */
#define COMMIT_MS      100  /* at most, until changes are committed */

gboolean index_exec(sqlite3 *db, const char *text)
{
    return sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK;
}

int index_query_int(sqlite3 *db, const char *text)
{
    sqlite3_stmt *statement = NULL;
    int value = -1;

    if (sqlite3_prepare_v2(db, text, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        value = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

/* --- failures --- */

gboolean index_is_damage(sqlite3 *db)
{
    switch (sqlite3_extended_errcode(db)) {
    case SQLITE_NOTADB:
    case SQLITE_IOERR_READ:
    case SQLITE_IOERR_SHORT_READ: return TRUE;
    default: return sqlite3_errcode(db) == SQLITE_CORRUPT;
    }
}

/* The files are not moved under a checkpoint: its end comes here again. */
static gboolean on_damaged(gpointer data)
{
    Index *index = data;

    index->damaged_source = 0;
    if (index->damaged && !index->checkpoint_hold)
        index->damaged(index->damaged_data);
    return G_SOURCE_REMOVE;
}

static void complain(Index *index)
{
    index->is_behind = index->has_loss = TRUE;
    if (!index->has_complained)
        g_message("the index %s fails: %s", index->path, sqlite3_errmsg(index->db));
    index->has_complained = TRUE;
    if (index->is_damaged || !index_is_damage(index->db))
        return;
    index->is_damaged = TRUE;
    index->damaged_source = g_idle_add_full(G_PRIORITY_HIGH, on_damaged, index, NULL);
}

void index_set_delay(Index *index, gint64 delay_us)
{
    index->delay_us = delay_us;
}

void index_set_damaged(Index *index, void (*func)(gpointer data), gpointer data)
{
    index->damaged = func;
    index->damaged_data = data;
}

gboolean index_take_loss(Index *index)
{
    gboolean has_loss = index->has_loss;

    index->has_loss = FALSE;
    return has_loss;
}

/* --- statements --- */

gboolean index_step(Index *index, sqlite3_stmt *statement)
{
    int result = sqlite3_step(statement);

    if (result == SQLITE_ROW)
        return TRUE;
    if (result != SQLITE_DONE)
        complain(index);
    sqlite3_reset(statement);
    return FALSE;
}

static gboolean on_due(gpointer data)
{
    index_commit(data);
    return G_SOURCE_REMOVE;
}

void index_touch(Index *index)
{
    if (index->late_source)
        return;
    index->late_source = g_timeout_add(COMMIT_MS, on_due, index);
    if (g_get_monotonic_time() - index->committed_us >= index->delay_us)
        index->turn_source = g_idle_add_full(G_PRIORITY_LOW, on_due, index, NULL);
}

void index_untouch(Index *index)
{
    g_clear_handle_id(&index->turn_source, g_source_remove);
    g_clear_handle_id(&index->late_source, g_source_remove);
}

/* SQLite itself may have rolled back what was begun. */
static void begin(Index *index)
{
    if (sqlite3_get_autocommit(index->db))
        index_exec(index->db, "BEGIN");
    index_touch(index);
}

sqlite3_stmt *index_get(Index *index, IndexStatement which)
{
    sqlite3_stmt *statement = index->statements[which];

    if (!sqlite3_stmt_readonly(statement))
        begin(index);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return statement;
}

void index_run(Index *index, sqlite3_stmt *statement)
{
    while (index_step(index, statement))
        ;
}

/* --- checkpoints --- */

static int on_committed(void *data, sqlite3 *db, const char *name, int n_wal_pages)
{
    Index *index = data;

    if (n_wal_pages < index->n_wal_pages)
        index->n_copied = 0;
    index->n_wal_pages = n_wal_pages;
    return SQLITE_OK;
}

void index_watch_log(Index *index)
{
    sqlite3_wal_hook(index->db, on_committed, index);
}

static void checkpoint_thread(GTask *task, gpointer source, gpointer path,
                              GCancellable *cancellable)
{
    sqlite3 *db = NULL;

    /* A connection that has read nothing knows of no log. */
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, INDEX_VFS) ==
            SQLITE_OK &&
        index_query_int(db, "PRAGMA user_version") == INDEX_SCHEMA_VERSION)
        sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    sqlite3_close(db);
    g_task_return_boolean(task, TRUE);
}

static void checkpoint(Index *index);

/* The log begins anew only when all of it was copied: what came meanwhile is copied here when it is
 * little. */
static void copy_rest(Index *index)
{
    index_commit(index);
    if (index->n_wal_pages - index->n_copied > REST_PAGES_MAX) {
        checkpoint(index);
        return;
    }
    sqlite3_wal_checkpoint_v2(index->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    index->n_copied = index->n_wal_pages;
}

static void checkpoint_done(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autofree Index **hold = data;
    Index *index = *hold;

    if (!index)
        return;
    index->checkpoint_hold = NULL;
    if (!index->is_damaged)
        copy_rest(index);
    else if (!index->damaged_source)
        on_damaged(index);
}

static void checkpoint(Index *index)
{
    g_autoptr(GTask) task = NULL;

    if (index->checkpoint_hold || index->is_damaged)
        return;
    index->n_copied = index->n_wal_pages;
    /* The index may be closed before the thread is done: it leaves NULL here then. */
    index->checkpoint_hold = g_new(Index *, 1);
    *index->checkpoint_hold = index;
    task = g_task_new(NULL, NULL, checkpoint_done, index->checkpoint_hold);
    g_task_set_task_data(task, g_strdup(index->path), g_free);
    g_task_run_in_thread(task, checkpoint_thread);
}

/* --- transactions --- */

void index_set_before_commit(Index *index, void (*func)(gpointer data), gpointer data)
{
    index->before_commit = func;
    index->before_commit_data = data;
}

static void end_transaction(Index *index)
{
    /* With the first change that is not lost comes the word that others were. */
    if (index->is_behind)
        index_exec(index->db, "INSERT OR REPLACE INTO meta VALUES ('behind', 1)");
    if (index_exec(index->db, "COMMIT")) {
        index->has_complained = FALSE;
    } else {
        complain(index);
        index_exec(index->db, "ROLLBACK");
    }
}

void index_commit(Index *index)
{
    if (index->before_commit)
        index->before_commit(index->before_commit_data);
    index_untouch(index);
    index->committed_us = g_get_monotonic_time();
    if (!sqlite3_get_autocommit(index->db))
        end_transaction(index);
    if (index->n_wal_pages > index->n_copied + WAL_PAGES_MAX)
        checkpoint(index);
}

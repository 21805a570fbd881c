/* SPDX-License-Identifier: MIT */
/* cache/index.c - the SQLite database: schema, statements, transactions, checkpoints.
 *
 * Changes gather in one transaction that ends with the turn of the main loop.  Nothing in the index
 * is the only copy of anything, so commits are not synced (WAL, synchronous=NORMAL); the one fsync,
 * that of a checkpoint, happens on a helper thread with a connection of its own.
 */
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/private.h"

#define SCHEMA_VERSION 2
/* One process, which holds the lock of the directory: the index of the log stays in memory, where
 * nobody can truncate it under us. */
#define VFS           "unix-excl"
#define WAL_PAGES_MAX 2000 /* 8 MiB */
#define INDEX_FILE    "index.sqlite"

struct Index {
    sqlite3 *db;
    char *path;
    sqlite3_stmt *statements[SQL_N];
    gboolean in_transaction;
    struct Index **checkpoint_hold; /* while a checkpoint runs */
    int n_wal_pages, checkpoint_at;
    gboolean is_damaged;
    gboolean is_temporary;
    gboolean has_complained;
    gboolean was_behind; /* when it was opened */
    gboolean is_behind;  /* changes were lost since */
    guint commit_source, damaged_source;
    void (*damaged)(gpointer data);
    gpointer damaged_data;
    void (*before_commit)(gpointer data);
    gpointer before_commit_data;
};

/* WITHOUT ROWID tables keep to their primary key; message.id is generation << 32 | uid. */
static const char schema[] =
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE box (id INTEGER PRIMARY KEY, parent INTEGER, name BLOB, raw INTEGER, wire BLOB,"
    " attributes INTEGER, generation INTEGER, changed INTEGER, uidvalidity INTEGER,"
    " uidnext INTEGER, modseq INTEGER, mailboxid TEXT, complete INTEGER, unlisted TEXT,"
    " messages INTEGER, sum INTEGER);"
    "CREATE TABLE keyword (nth INTEGER PRIMARY KEY, name TEXT);"
    "CREATE TABLE message (id INTEGER PRIMARY KEY, flags INTEGER, size INTEGER, date INTEGER,"
    " proved INTEGER, envelope BLOB, sum INTEGER);"
    "CREATE TABLE body (id INTEGER, section TEXT, bytes INTEGER, used INTEGER,"
    " PRIMARY KEY (id, section)) WITHOUT ROWID;"
    "CREATE INDEX body_used ON body (used);";

static const char *const sql[SQL_N] = {
    [SQL_SET_META] = "INSERT OR REPLACE INTO meta VALUES (?1, ?2)",
    [SQL_GET_META] = "SELECT value FROM meta WHERE key = ?1",
    [SQL_ALL_BOXES] = "SELECT id, parent, name, raw, wire, attributes, generation, changed,"
                      " uidvalidity, uidnext, modseq, mailboxid, complete, unlisted, messages, sum"
                      " FROM box ORDER BY id",
    [SQL_PUT_BOX] = "INSERT OR REPLACE INTO box VALUES"
                    " (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    [SQL_DELETE_BOX] = "DELETE FROM box WHERE id = ?1",
    [SQL_ALL_KEYWORDS] = "SELECT nth, name FROM keyword ORDER BY nth",
    [SQL_PUT_KEYWORD] = "INSERT OR REPLACE INTO keyword VALUES (?1, ?2)",
    [SQL_MESSAGES] = "SELECT id, flags, size, date, proved, envelope, sum FROM message"
                     " WHERE id > ?1 AND id < ?2 ORDER BY id",
    [SQL_ENVELOPE] = "SELECT envelope FROM message WHERE id = ?1",
    [SQL_ENVELOPES_DOWN] = "SELECT id, envelope FROM message"
                           " WHERE id <= ?1 AND id > ?2 ORDER BY id DESC LIMIT ?3",
    [SQL_PUT_MESSAGE] = "INSERT OR REPLACE INTO message VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    /* The upper half of the sum is the flags'. */
    [SQL_SET_FLAGS] = "UPDATE message SET flags = ?2, sum = sum & 0xffffffff | ?3 WHERE id = ?1",
    [SQL_DELETE_MESSAGE] = "DELETE FROM message WHERE id = ?1",
    [SQL_NEXT_MESSAGE] = "SELECT id FROM message WHERE id > ?1 ORDER BY id LIMIT 1",
    [SQL_DELETE_GENERATION] = "DELETE FROM message WHERE id > ?1 AND id < ?2",
    [SQL_PUT_BODY] = "INSERT INTO body VALUES (?1, ?2, ?4, ?3) ON CONFLICT DO UPDATE SET"
                     " bytes = bytes + excluded.bytes, used = excluded.used",
    [SQL_TOUCH_BODY] = "UPDATE body SET used = ?3 WHERE id = ?1 AND section = ?2 AND used < ?4",
    [SQL_DELETE_BODY] = "DELETE FROM body WHERE id = ?1 AND section = ?2 RETURNING bytes",
    [SQL_DELETE_BODIES_OF] = "DELETE FROM body WHERE id = ?1 RETURNING section, bytes",
    [SQL_DELETE_BODIES_OF_GENERATION] =
        "DELETE FROM body WHERE id > ?1 AND id < ?2 RETURNING bytes",
    [SQL_OLDEST_BODIES] = "SELECT id, section FROM body ORDER BY used LIMIT ?1",
    [SQL_SUM_BODIES] = "SELECT TOTAL(bytes) FROM body",
};

static gboolean exec(sqlite3 *db, const char *text)
{
    return sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK;
}

static int user_version(sqlite3 *db)
{
    sqlite3_stmt *statement = NULL;
    int version = -1;

    if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        version = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return version;
}

static gboolean is_sound(sqlite3 *db)
{
    sqlite3_stmt *statement = NULL;
    gboolean is_ok = FALSE;

    /* Every page is read, but no index entry compared: a second for a gigabyte. */
    if (sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        is_ok = g_strcmp0((const char *)sqlite3_column_text(statement, 0), "ok") == 0;
    sqlite3_finalize(statement);
    return is_ok;
}

static int meta(sqlite3 *db, const char *key)
{
    sqlite3_stmt *statement = NULL;
    int value = 0;

    if (sqlite3_prepare_v2(db, "SELECT value FROM meta WHERE key = ?1", -1, &statement, NULL) ==
            SQLITE_OK &&
        sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        value = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

static gboolean prepare_schema(Index *index)
{
    int version = user_version(index->db);

    if (version == 0)
        return exec(index->db, "BEGIN") && exec(index->db, schema) &&
               exec(index->db, "PRAGMA user_version = " G_STRINGIFY(SCHEMA_VERSION)) &&
               exec(index->db, "COMMIT");
    if (version != SCHEMA_VERSION || (meta(index->db, "clean") != 1 && !is_sound(index->db)))
        return FALSE;
    index->was_behind = meta(index->db, "behind") != 0;
    return exec(index->db, "INSERT OR REPLACE INTO meta VALUES ('clean', 0)");
}

static gboolean prepare_statements(Index *index)
{
    for (int i = 0; i < SQL_N; i++)
        if (sqlite3_prepare_v3(index->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &index->statements[i], NULL) != SQLITE_OK)
            return FALSE;
    return TRUE;
}

static int on_committed(void *data, sqlite3 *db, const char *name, int n_wal_pages)
{
    Index *index = data;

    if (n_wal_pages < index->n_wal_pages)
        index->checkpoint_at = WAL_PAGES_MAX;
    index->n_wal_pages = n_wal_pages;
    return SQLITE_OK;
}

static gboolean try_open(Index *index)
{
    return sqlite3_open_v2(index->path, &index->db,
                           SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                           VFS) == SQLITE_OK &&
           exec(index->db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
                           "PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -4096;"
                           "PRAGMA busy_timeout = 0; PRAGMA temp_store = MEMORY") &&
           prepare_schema(index) && prepare_statements(index) &&
           sqlite3_wal_hook(index->db, on_committed, index) == NULL;
}

static void release(Index *index)
{
    for (int i = 0; i < SQL_N; i++)
        g_clear_pointer(&index->statements[i], sqlite3_finalize);
    g_clear_pointer(&index->db, sqlite3_close);
}

static const char *const tails[] = {"", "-wal", "-shm"};

static void move_aside(const char *path)
{
    for (gsize i = 0; i < G_N_ELEMENTS(tails); i++) {
        g_autofree char *from = g_strconcat(path, tails[i], NULL);
        g_autofree char *to = g_strconcat(path, ".damaged", tails[i], NULL);

        /* One of another kind may be in the way. */
        if (g_rename(from, to) < 0 && g_remove(to) == 0)
            g_rename(from, to);
    }
}

/* Whether all that SQLite would open is plain files of ours alone, or not there. */
static gboolean is_plain(const char *path)
{
    for (gsize i = 0; i < G_N_ELEMENTS(tails); i++) {
        g_autofree char *name = g_strconcat(path, tails[i], NULL);
        GStatBuf st;

        if (g_lstat(name, &st) == 0 &&
            (!S_ISREG(st.st_mode) || st.st_nlink != 1 || st.st_uid != geteuid()))
            return FALSE;
    }
    return TRUE;
}

/* Whether the last failure says that the disk is full or cannot be written, and nothing of the
 * file. */
static gboolean is_disk_at_fault(const Index *index)
{
    int code = index->db ? sqlite3_extended_errcode(index->db) : SQLITE_CANTOPEN;

    switch (code & 0xff) {
    case SQLITE_FULL:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return TRUE;
    default: return code == SQLITE_IOERR_SHMSIZE || code == SQLITE_IOERR_SHMMAP;
    }
}

static gboolean try_memory(Index *index)
{
    g_message("the index %s cannot be written (%s): going on in memory", index->path,
              index->db ? sqlite3_errmsg(index->db) : "out of memory");
    release(index);
    g_free(index->path);
    index->path = g_strdup(":memory:");
    index->is_temporary = TRUE;
    return try_open(index);
}

static gboolean try_anew(Index *index)
{
    g_message("the index %s is damaged or of another version: moved aside, begun anew",
              index->path);
    release(index);
    move_aside(index->path);
    return try_open(index);
}

Index *index_open(const char *dir, gboolean is_damaged, GError **error)
{
    Index *index = g_new0(Index, 1);

    index->path = g_build_filename(dir, INDEX_FILE, NULL);
    is_damaged |= !is_plain(index->path);
    if (!is_damaged && try_open(index))
        return index;
    if ((is_damaged || !is_disk_at_fault(index)) && try_anew(index))
        return index;
    if (try_memory(index))
        return index;
    g_set_error(error, MAIL_ERROR, MAIL_ERROR_LOCAL, "open the index %s: %s", index->path,
                sqlite3_errmsg(index->db));
    index_close(index);
    return NULL;
}

void index_close(Index *index)
{
    if (!index)
        return;
    if (index->db && !index->is_damaged) {
        index_commit(index);
        exec(index->db, "INSERT OR REPLACE INTO meta VALUES ('clean', 1)");
    }
    g_clear_handle_id(&index->commit_source, g_source_remove);
    g_clear_handle_id(&index->damaged_source, g_source_remove);
    if (index->checkpoint_hold)
        *index->checkpoint_hold = NULL;
    release(index);
    g_free(index->path);
    g_free(index);
}

gboolean index_is_temporary(const Index *index)
{
    return index->is_temporary;
}

gboolean index_was_behind(const Index *index)
{
    return index->was_behind;
}

static gboolean on_damaged(gpointer data)
{
    Index *index = data;

    index->damaged_source = 0;
    if (index->damaged)
        index->damaged(index->damaged_data);
    return G_SOURCE_REMOVE;
}

static void complain(Index *index)
{
    int code = sqlite3_errcode(index->db);

    index->is_behind = TRUE;
    if (!index->has_complained)
        g_message("the index %s fails: %s", index->path, sqlite3_errmsg(index->db));
    index->has_complained = TRUE;
    if (index->is_damaged || is_disk_at_fault(index))
        return;
    if (code != SQLITE_CORRUPT && code != SQLITE_NOTADB && code != SQLITE_IOERR)
        return;
    index->is_damaged = TRUE;
    index->damaged_source = g_idle_add_full(G_PRIORITY_HIGH, on_damaged, index, NULL);
}

void index_set_damaged(Index *index, void (*func)(gpointer data), gpointer data)
{
    index->damaged = func;
    index->damaged_data = data;
}

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

static gboolean on_turn_end(gpointer data)
{
    Index *index = data;

    index->commit_source = 0;
    index_commit(index);
    return G_SOURCE_REMOVE;
}

void index_touch(Index *index)
{
    if (!index->commit_source)
        index->commit_source = g_idle_add_full(G_PRIORITY_LOW, on_turn_end, index, NULL);
}

static void begin(Index *index)
{
    if (!index->in_transaction)
        index->in_transaction = exec(index->db, "BEGIN");
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

void index_set_before_commit(Index *index, void (*func)(gpointer data), gpointer data)
{
    index->before_commit = func;
    index->before_commit_data = data;
}

static void checkpoint_thread(GTask *task, gpointer source, gpointer path,
                              GCancellable *cancellable)
{
    sqlite3 *db = NULL;

    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, VFS) == SQLITE_OK)
        sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    sqlite3_close(db);
    g_task_return_boolean(task, TRUE);
}

static void checkpoint_done(GObject *source, GAsyncResult *result, gpointer data)
{
    Index **hold = data;

    if (*hold)
        g_clear_pointer(&(*hold)->checkpoint_hold, g_free);
    else
        g_free(hold);
}

static void checkpoint(Index *index)
{
    g_autoptr(GTask) task = NULL;

    if (index->checkpoint_hold)
        return;
    /* The log begins anew some time after the end of a checkpoint: not at once the next. */
    index->checkpoint_at = index->n_wal_pages + WAL_PAGES_MAX;
    /* The index may be closed before the thread is done: it leaves NULL here then. */
    index->checkpoint_hold = g_new(Index *, 1);
    *index->checkpoint_hold = index;
    task = g_task_new(NULL, NULL, checkpoint_done, index->checkpoint_hold);
    g_task_set_task_data(task, g_strdup(index->path), g_free);
    g_task_run_in_thread(task, checkpoint_thread);
}

void index_commit(Index *index)
{
    if (index->before_commit)
        index->before_commit(index->before_commit_data);
    if (!index->in_transaction)
        return;
    /* With the first change that is not lost comes the word that others were. */
    if (index->is_behind)
        exec(index->db, "INSERT OR REPLACE INTO meta VALUES ('behind', 1)");
    if (exec(index->db, "COMMIT")) {
        index->has_complained = FALSE;
    } else {
        complain(index);
        exec(index->db, "ROLLBACK");
    }
    index->in_transaction = FALSE;
    if (index->n_wal_pages > MAX(index->checkpoint_at, WAL_PAGES_MAX))
        checkpoint(index);
}

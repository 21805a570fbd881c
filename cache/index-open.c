/* SPDX-License-Identifier: MIT */
/* cache/index-open.c - the SQLite database: its schema, opening it, and what becomes of one that
 * cannot be used. */
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/index.h"

#define INDEX_FILE "index.sqlite"

/* WITHOUT ROWID tables keep to their primary key; message.id and tree.id are
 * generation << 32 | uid. */
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
    "CREATE INDEX body_used ON body (used);"
    "CREATE TABLE tree (id INTEGER PRIMARY KEY, parts BLOB, sum INTEGER);"
    "CREATE TABLE small (id INTEGER, section TEXT, bytes BLOB, sum INTEGER);"
    "CREATE UNIQUE INDEX small_key ON small (id, section);";

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
    [SQL_NEXT_MESSAGE] = "SELECT id FROM message WHERE id > ?1 ORDER BY id LIMIT 1",
    [SQL_DELETE_GENERATION] = "DELETE FROM message WHERE id > ?1 AND id < ?2",
    [SQL_PUT_BODY] = "INSERT INTO body VALUES (?1, ?2, ?4, ?3) ON CONFLICT DO UPDATE SET"
                     " bytes = bytes + excluded.bytes, used = excluded.used",
    [SQL_TOUCH_BODY] = "UPDATE body SET used = ?3 WHERE id = ?1 AND section = ?2 AND used < ?4",
    [SQL_DELETE_BODY] = "DELETE FROM body WHERE id = ?1 AND section = ?2 RETURNING bytes",
    [SQL_DELETE_BODIES_OF] = "DELETE FROM body WHERE id = ?1 RETURNING bytes, section",
    [SQL_DELETE_BODIES_OF_GENERATION] =
        "DELETE FROM body WHERE id > ?1 AND id < ?2 RETURNING bytes",
    [SQL_OLDEST_BODIES] = "SELECT id, section FROM body ORDER BY used LIMIT ?1",
    [SQL_SUM_BODIES] = "SELECT TOTAL(bytes) FROM body",
    [SQL_UNCOUNT_BODIES] = "UPDATE body SET bytes = 0",
    [SQL_COUNT_BODY] = "INSERT INTO body VALUES (?1, ?2, ?3, 0) ON CONFLICT DO UPDATE SET"
                       " bytes = excluded.bytes",
    [SQL_DELETE_UNCOUNTED] = "DELETE FROM body WHERE bytes = 0",
    [SQL_PUT_TREE] = "INSERT OR REPLACE INTO tree VALUES (?1, ?2, ?3)",
    [SQL_GET_TREE] = "SELECT parts, sum FROM tree WHERE id = ?1",
    [SQL_DELETE_TREES] = "DELETE FROM tree WHERE id > ?1 AND id < ?2",
    [SQL_PUT_SMALL] = "INSERT OR REPLACE INTO small VALUES (?1, ?2, ?3, ?4)",
    [SQL_GET_SMALL] = "SELECT bytes, sum FROM small WHERE id = ?1 AND section = ?2",
    [SQL_HAS_SMALL] = "SELECT 1 FROM small WHERE id = ?1 AND section = ?2",
    [SQL_DELETE_SMALL] = "DELETE FROM small WHERE id = ?1 AND section = ?2",
    [SQL_DELETE_SMALL_OF_GENERATION] = "DELETE FROM small WHERE id > ?1 AND id < ?2",
    [SQL_ALL_SMALL] = "SELECT id, section, LENGTH(bytes) FROM small",
};

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

static gboolean make_schema(sqlite3 *db)
{
    return index_exec(db, "BEGIN") && index_exec(db, schema) &&
           index_exec(db, "PRAGMA user_version = " G_STRINGIFY(INDEX_SCHEMA_VERSION)) &&
           index_exec(db, "COMMIT");
}

/* What is not synced survives a kill, and a crash of the system only in part: then a later word may
 * be on the disk without an earlier one. */
static gboolean is_same_boot(sqlite3 *db, const char *boot)
{
    char *text = sqlite3_mprintf("SELECT value = %Q FROM meta WHERE key = 'boot'", boot);
    gboolean is_same = index_query_int(db, text) == 1;

    sqlite3_free(text);
    return is_same;
}

static gboolean put_boot(sqlite3 *db, const char *boot)
{
    char *text = sqlite3_mprintf("INSERT OR REPLACE INTO meta VALUES ('boot', %Q)", boot);
    gboolean is_put = index_exec(db, text);

    sqlite3_free(text);
    return is_put;
}

static gboolean prepare_schema(Index *index)
{
    int version = index_query_int(index->db, "PRAGMA user_version");
    g_autofree char *boot = NULL;

    g_file_get_contents("/proc/sys/kernel/random/boot_id", &boot, NULL, NULL);
    if (version == 0)
        return make_schema(index->db) && put_boot(index->db, boot);
    if (version != INDEX_SCHEMA_VERSION)
        return FALSE;
    index->was_unclean =
        index_query_int(index->db, "SELECT value FROM meta WHERE key = 'clean'") != 1;
    if (index->was_unclean && !is_sound(index->db))
        return FALSE;
    index->was_behind =
        index_query_int(index->db, "SELECT value FROM meta WHERE key = 'behind'") > 0 ||
        (index->was_unclean && !is_same_boot(index->db, boot));
    return put_boot(index->db, boot) &&
           index_exec(index->db, "INSERT OR REPLACE INTO meta VALUES ('clean', 0)");
}

static gboolean prepare_statements(Index *index)
{
    for (int i = 0; i < SQL_N; i++)
        if (sqlite3_prepare_v3(index->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &index->statements[i], NULL) != SQLITE_OK)
            return FALSE;
    return TRUE;
}

static gboolean try_open(Index *index)
{
    if (sqlite3_open_v2(index->path, &index->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        INDEX_VFS) != SQLITE_OK ||
        !index_exec(index->db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;"
                               "PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -4096;"
                               "PRAGMA busy_timeout = 0; PRAGMA temp_store = MEMORY") ||
        !prepare_schema(index) || !prepare_statements(index))
        return FALSE;
    index_watch_log(index);
    return TRUE;
}

static void release(Index *index)
{
    for (int i = 0; i < SQL_N; i++)
        g_clear_pointer(&index->statements[i], sqlite3_finalize);
    g_clear_pointer(&index->db, sqlite3_close);
    index->was_unclean = index->was_behind = FALSE;
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

static void remove_what_was_moved(const char *path)
{
    for (gsize i = 0; i < G_N_ELEMENTS(tails); i++) {
        g_autofree char *name = g_strconcat(path, ".damaged", tails[i], NULL);

        g_remove(name);
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
    switch (index->db ? sqlite3_errcode(index->db) : SQLITE_CANTOPEN) {
    case SQLITE_FULL:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return TRUE;
    case SQLITE_IOERR: return !index_is_damage(index->db);
    default: return FALSE;
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

static void end_cleanly(Index *index)
{
    /* The one sync of the engine: a clean end is not checked at the next start. */
    index_exec(index->db, "PRAGMA synchronous = NORMAL");
    if (index->is_behind &&
        !index_exec(index->db, "INSERT OR REPLACE INTO meta VALUES ('behind', 1)"))
        return;
    if (index_exec(index->db, "INSERT OR REPLACE INTO meta VALUES ('clean', 1)") &&
        !index->is_temporary)
        remove_what_was_moved(index->path);
}

void index_close(Index *index)
{
    if (!index)
        return;
    if (index->db && !index->is_damaged) {
        index_commit(index);
        end_cleanly(index);
    }
    index_untouch(index);
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

gboolean index_was_unclean(const Index *index)
{
    return index->was_unclean || index->was_behind;
}

gboolean index_was_behind(const Index *index)
{
    return index->was_behind;
}

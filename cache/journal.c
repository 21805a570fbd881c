/* SPDX-License-Identifier: MIT */
/* cache/journal.c - the changes that the server has not taken, on disk.
 *
 * A database of its own beside nothing that may be thrown away.  A record is written before the
 * call that made it is answered, so it survives our death; a helper thread syncs the log, so it
 * survives the system's, before anything relies on that.
 */
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "cache/changes.h"

#define JOURNAL_FILE    "journal.sqlite"
#define JOURNAL_VERSION 1
#define JOURNAL_VFS     "unix-excl"
#define ID_STEP         256  /* ids that are taken at once */
#define LOG_PAGES_MAX   1000 /* 4 MiB */

typedef enum {
    PUT_CHANGE,
    DELETE_CHANGE,
    ALL_CHANGES,
    PUT_LOST,
    DELETE_LOST,
    ALL_LOST,
    PUT_NEXT,
    GET_NEXT,
    GET_ORPHANS,
    DELETE_ORPHANS,
    N_STATEMENTS
} Statement;

static const char schema[] =
    "BEGIN;"
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE change (id INTEGER PRIMARY KEY, kind INTEGER, box INTEGER, wire BLOB,"
    " uidvalidity INTEGER, generation INTEGER, uid INTEGER, target INTEGER, target_wire BLOB,"
    " name TEXT, added TEXT, removed TEXT, date INTEGER, size INTEGER, sent_uidvalidity INTEGER,"
    " sent_uidnext INTEGER, sum INTEGER);"
    "CREATE TABLE lost (id INTEGER PRIMARY KEY, name TEXT, reason TEXT, size INTEGER, time "
    "INTEGER);"
    "INSERT INTO meta VALUES ('orphans', 1);"
    "PRAGMA user_version = " G_STRINGIFY(JOURNAL_VERSION) ";"
                                                          "COMMIT;";

static const char *const sql[N_STATEMENTS] = {
    [PUT_CHANGE] = "INSERT OR REPLACE INTO change VALUES"
                   " (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
    [DELETE_CHANGE] = "DELETE FROM change WHERE id = ?1",
    [ALL_CHANGES] = "SELECT id, kind, box, wire, uidvalidity, generation, uid, target, target_wire,"
                    " name, added, removed, date, size, sent_uidvalidity, sent_uidnext, sum"
                    " FROM change ORDER BY id",
    [PUT_LOST] = "INSERT OR REPLACE INTO lost VALUES (?1, ?2, ?3, ?4, ?5)",
    [DELETE_LOST] = "DELETE FROM lost WHERE id = ?1",
    [ALL_LOST] = "SELECT id, name, reason, size, time FROM lost ORDER BY id",
    [PUT_NEXT] = "INSERT OR REPLACE INTO meta VALUES ('next', ?1)",
    [GET_NEXT] = "SELECT value FROM meta WHERE key = 'next'",
    [GET_ORPHANS] = "SELECT value FROM meta WHERE key = 'orphans'",
    [DELETE_ORPHANS] = "DELETE FROM meta WHERE key = 'orphans'",
};

/* What a sync tells when it ends; outlives the journal if need be. */
typedef struct {
    Journal *journal; /* NULL once that is closed */
    char *dir, *path;
    guint64 n_written; /* when it began */
    gboolean checkpoints;
    int error;
} Sync;

struct Journal {
    char *path;
    sqlite3 *db;
    sqlite3_stmt *statements[N_STATEMENTS];
    guint32 next_id, reserved_id; /* those below the latter count as given */
    guint64 n_written, n_synced;  /* commits */
    guint n_log_pages;
    Sync *sync; /* at work */
    int error;  /* of a sync that failed: nothing can be promised any more */
    guint commit_source;
    GArray *deleted; /* guint32: since the last commit that succeeded */
    void (*synced)(gpointer data);
    gpointer data;
};

/* --- errors --- */

static void set_error(const Journal *journal, int errsv, GError **error)
{
    g_set_error(error, MAIL_ERROR, mail_error_of_disk(errsv), "write the journal %s: %s",
                journal->path, g_strerror(errsv));
}

static void set_sql_error(const Journal *journal, GError **error)
{
    if (sqlite3_errcode(journal->db) == SQLITE_FULL)
        set_error(journal, ENOSPC, error);
    else
        g_set_error(error, MAIL_ERROR, MAIL_ERROR_LOCAL, "write the journal %s: %s", journal->path,
                    sqlite3_errmsg(journal->db));
}

/* --- transactions --- */

static sqlite3_stmt *get(Journal *journal, Statement which)
{
    sqlite3_reset(journal->statements[which]);
    sqlite3_clear_bindings(journal->statements[which]);
    return journal->statements[which];
}

static gboolean exec(Journal *journal, const char *text)
{
    return sqlite3_exec(journal->db, text, NULL, NULL, NULL) == SQLITE_OK;
}

static gboolean run(Journal *journal, sqlite3_stmt *statement, GError **error)
{
    int result = sqlite3_step(statement);

    sqlite3_reset(statement);
    if (result == SQLITE_DONE)
        return TRUE;
    set_sql_error(journal, error);
    return FALSE;
}

static gboolean run_of(Journal *journal, Statement which, guint32 id, GError **error)
{
    sqlite3_stmt *statement = get(journal, which);

    sqlite3_bind_int64(statement, 1, id);
    return run(journal, statement, error);
}

static void delete_again(Journal *journal)
{
    for (guint i = 0; i < journal->deleted->len; i++)
        run_of(journal, DELETE_CHANGE, g_array_index(journal->deleted, guint32, i), NULL);
}

/* A transaction that failed, or that SQLite itself has rolled back, takes with it what nobody would
 * do again: what was settled would come back at the next start. */
static void begin(Journal *journal)
{
    if (!sqlite3_get_autocommit(journal->db))
        return;
    exec(journal, "BEGIN");
    delete_again(journal);
}

gboolean journal_commit(Journal *journal, GError **error)
{
    g_clear_handle_id(&journal->commit_source, g_source_remove);
    if (journal->deleted->len)
        begin(journal);
    if (sqlite3_get_autocommit(journal->db))
        return TRUE;
    journal->n_written++;
    if (exec(journal, "COMMIT")) {
        g_array_set_size(journal->deleted, 0);
        return TRUE;
    }
    set_sql_error(journal, error);
    exec(journal, "ROLLBACK");
    return FALSE;
}

static gboolean on_commit(gpointer data)
{
    Journal *journal = data;
    g_autoptr(GError) error = NULL;

    journal->commit_source = 0;
    if (!journal_commit(journal, &error))
        g_message("%s", error->message);
    return G_SOURCE_REMOVE;
}

/* What need not be on record before we go on is so at the end of the turn. */
static void commit_later(Journal *journal)
{
    if (!journal->commit_source)
        journal->commit_source = g_idle_add_full(G_PRIORITY_HIGH_IDLE, on_commit, journal, NULL);
}

/* --- records --- */

static void bind_text(sqlite3_stmt *statement, int nth, const char *text)
{
    sqlite3_bind_text(statement, nth, text, -1, SQLITE_TRANSIENT);
}

static void bind_bytes(sqlite3_stmt *statement, int nth, const char *text)
{
    if (text)
        sqlite3_bind_blob(statement, nth, text, (int)strlen(text), SQLITE_TRANSIENT);
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

/* What guards a record against damage. */
static gint64 record_sum(const JournalRecord *record)
{
    const CacheChange *change = &record->change;
    g_autofree char *text = g_strdup_printf(
        "%u %d %u %u %u %u %u %" G_GINT64_FORMAT " %" G_GUINT64_FORMAT " %u %u\n%s\n%s\n%s\n%s\n%s",
        change->id, change->kind, change->box, record->uidvalidity, change->generation, change->uid,
        change->target, change->date, change->size, change->sent_uidvalidity, change->sent_uidnext,
        or_empty(change->wire), or_empty(record->target_wire), or_empty(change->name),
        or_empty(record->added), or_empty(record->removed));

    return (gint64)crc32(0, (const Bytef *)text, (uInt)strlen(text));
}

gboolean journal_put(Journal *journal, const JournalRecord *record, GError **error)
{
    const CacheChange *change = &record->change;
    sqlite3_stmt *put = get(journal, PUT_CHANGE);

    if (journal->error) {
        set_error(journal, journal->error, error);
        return FALSE;
    }
    begin(journal);
    sqlite3_bind_int64(put, 1, change->id);
    sqlite3_bind_int64(put, 2, change->kind);
    sqlite3_bind_int64(put, 3, change->box);
    bind_bytes(put, 4, change->wire);
    sqlite3_bind_int64(put, 5, record->uidvalidity);
    sqlite3_bind_int64(put, 6, change->generation);
    sqlite3_bind_int64(put, 7, change->uid);
    sqlite3_bind_int64(put, 8, change->target);
    bind_bytes(put, 9, record->target_wire);
    bind_text(put, 10, change->name);
    bind_text(put, 11, record->added);
    bind_text(put, 12, record->removed);
    sqlite3_bind_int64(put, 13, change->date);
    sqlite3_bind_int64(put, 14, (gint64)change->size);
    sqlite3_bind_int64(put, 15, change->sent_uidvalidity);
    sqlite3_bind_int64(put, 16, change->sent_uidnext);
    sqlite3_bind_int64(put, 17, record_sum(record));
    return run(journal, put, error);
}

void journal_delete(Journal *journal, guint32 id)
{
    g_autoptr(GError) error = NULL;

    begin(journal);
    g_array_append_val(journal->deleted, id);
    if (!run_of(journal, DELETE_CHANGE, id, &error))
        g_message("%s", error->message);
    commit_later(journal);
}

static char *column_bytes(sqlite3_stmt *row, int nth)
{
    const char *bytes = sqlite3_column_blob(row, nth);

    return bytes ? g_strndup(bytes, (gsize)sqlite3_column_bytes(row, nth)) : NULL;
}

/* Its texts are borrowed from @row. */
static JournalRecord load_record(sqlite3_stmt *row)
{
    return (JournalRecord){
        .change =
            {
                .id = (guint32)sqlite3_column_int64(row, 0),
                .kind = (CacheChangeKind)sqlite3_column_int64(row, 1),
                .box = (guint32)sqlite3_column_int64(row, 2),
                .generation = (guint32)sqlite3_column_int64(row, 5),
                .uid = (guint32)sqlite3_column_int64(row, 6),
                .target = (guint32)sqlite3_column_int64(row, 7),
                .name = (const char *)sqlite3_column_text(row, 9),
                .date = sqlite3_column_int64(row, 12),
                .size = (guint64)sqlite3_column_int64(row, 13),
                .sent_uidvalidity = (guint32)sqlite3_column_int64(row, 14),
                .sent_uidnext = (guint32)sqlite3_column_int64(row, 15),
            },
        .uidvalidity = (guint32)sqlite3_column_int64(row, 4),
        .added = (const char *)sqlite3_column_text(row, 10),
        .removed = (const char *)sqlite3_column_text(row, 11),
    };
}

gboolean journal_load(Journal *journal, void (*each)(const JournalRecord *record, gpointer data),
                      gpointer data)
{
    sqlite3_stmt *all = get(journal, ALL_CHANGES);
    gboolean is_sound = TRUE;
    int result;

    while ((result = sqlite3_step(all)) == SQLITE_ROW) {
        g_autofree char *wire = column_bytes(all, 3), *target_wire = column_bytes(all, 8);
        JournalRecord record = load_record(all);

        record.change.wire = wire;
        record.target_wire = target_wire;
        if (record_sum(&record) == sqlite3_column_int64(all, 16) &&
            (guint)record.change.kind <= CACHE_CHANGE_RENAME)
            each(&record, data);
        else
            is_sound = FALSE;
    }
    sqlite3_reset(all);
    return is_sound && result == SQLITE_DONE;
}

/* --- lost+found --- */

gboolean journal_put_lost(Journal *journal, const CacheLost *lost, GError **error)
{
    sqlite3_stmt *put = get(journal, PUT_LOST);

    begin(journal);
    sqlite3_bind_int64(put, 1, lost->id);
    bind_text(put, 2, lost->name);
    bind_text(put, 3, lost->reason);
    sqlite3_bind_int64(put, 4, (gint64)lost->size);
    sqlite3_bind_int64(put, 5, lost->time);
    return run(journal, put, error) && run_of(journal, DELETE_CHANGE, lost->id, error) &&
           journal_commit(journal, error);
}

void journal_delete_lost(Journal *journal, guint32 id)
{
    begin(journal);
    run_of(journal, DELETE_LOST, id, NULL);
    commit_later(journal);
}

void journal_load_lost(Journal *journal, void (*each)(const CacheLost *lost, gpointer data),
                       gpointer data)
{
    sqlite3_stmt *all = get(journal, ALL_LOST);

    while (sqlite3_step(all) == SQLITE_ROW) {
        CacheLost lost = {
            .id = (guint32)sqlite3_column_int64(all, 0),
            .name = or_empty((const char *)sqlite3_column_text(all, 1)),
            .reason = or_empty((const char *)sqlite3_column_text(all, 2)),
            .size = (guint64)sqlite3_column_int64(all, 3),
            .time = sqlite3_column_int64(all, 4),
        };

        each(&lost, data);
    }
    sqlite3_reset(all);
}

/* --- ids --- */

guint32 journal_new_id(Journal *journal, GError **error)
{
    sqlite3_stmt *put = get(journal, PUT_NEXT);

    if (journal->next_id < journal->reserved_id)
        return journal->next_id++;
    if (journal->next_id > G_MAXUINT32 - ID_STEP) {
        g_set_error(error, MAIL_ERROR, MAIL_ERROR_LOCAL, "the journal has no numbers left");
        return 0;
    }
    begin(journal);
    sqlite3_bind_int64(put, 1, journal->next_id + ID_STEP);
    if (!run(journal, put, error) || !journal_commit(journal, error))
        return 0;
    journal->reserved_id = journal->next_id + ID_STEP;
    return journal->next_id++;
}

void journal_note_id(Journal *journal, guint32 id)
{
    journal->next_id = MAX(journal->next_id, id + 1);
    journal->reserved_id = MAX(journal->reserved_id, journal->next_id);
}

/* --- on the disk --- */

guint64 journal_n_written(const Journal *journal)
{
    return journal->n_written;
}

guint64 journal_n_synced(const Journal *journal)
{
    return journal->n_synced;
}

gboolean journal_check(const Journal *journal, GError **error)
{
    if (!journal->error)
        return TRUE;
    set_error(journal, journal->error, error);
    return FALSE;
}

static int sync_file(const char *dir, const char *name)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), errsv = 0;

    if (fd < 0)
        return errno;
    if (fsync(fd) < 0)
        errsv = errno;
    close(fd);
    return errsv;
}

/* Copies the log into the database; synced itself, as it is another connection. */
static void copy_log(const char *path)
{
    sqlite3 *db = NULL;

    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, JOURNAL_VFS) ==
            SQLITE_OK &&
        sqlite3_exec(db, "PRAGMA synchronous = FULL; SELECT COUNT(*) FROM meta", NULL, NULL,
                     NULL) == SQLITE_OK)
        sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    sqlite3_close(db);
}

static void sync_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    Sync *sync = data;

    /* The data that a record tells of is there before the record is. */
    sync->error = sync_file(sync->dir, DATA_FOLDER);
    if (!sync->error)
        sync->error = sync_file(sync->dir, JOURNAL_FILE "-wal");
    if (!sync->error && sync->checkpoints)
        copy_log(sync->path);
    g_task_return_boolean(task, TRUE);
}

static void sync_free(gpointer data)
{
    Sync *sync = data;

    g_free(sync->dir);
    g_free(sync->path);
    g_free(sync);
}

static void on_synced(GObject *source, GAsyncResult *result, gpointer data)
{
    Sync *sync = g_task_get_task_data(G_TASK(result));
    Journal *journal = sync->journal;

    if (!journal)
        return;
    journal->sync = NULL;
    if (sync->error) {
        journal->error = sync->error;
        g_message("the journal %s cannot be synced: %s; nothing is changed any more", journal->path,
                  g_strerror(sync->error));
    } else {
        journal->n_synced = sync->n_written;
    }
    journal->synced(journal->data);
}

void journal_sync(Journal *journal)
{
    g_autoptr(GTask) task = NULL;

    journal_commit(journal, NULL);
    if (journal->sync || journal->error || journal->n_synced >= journal->n_written)
        return;
    journal->sync = g_new0(Sync, 1);
    journal->sync->journal = journal;
    journal->sync->dir = g_path_get_dirname(journal->path);
    journal->sync->path = g_strdup(journal->path);
    journal->sync->n_written = journal->n_written;
    journal->sync->checkpoints = journal->n_log_pages > LOG_PAGES_MAX;
    task = g_task_new(NULL, NULL, on_synced, NULL);
    g_task_set_task_data(task, journal->sync, sync_free);
    g_task_run_in_thread(task, sync_thread);
}

void journal_set_synced(Journal *journal, void (*synced)(gpointer data), gpointer data)
{
    journal->synced = synced;
    journal->data = data;
}

static int on_committed(void *data, sqlite3 *db, const char *name, int n_pages)
{
    ((Journal *)data)->n_log_pages = (guint)n_pages;
    return SQLITE_OK;
}

/* --- opening --- */

static int query_int(Journal *journal, const char *text)
{
    sqlite3_stmt *statement = NULL;
    int value = -1;

    if (sqlite3_prepare_v2(journal->db, text, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        value = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

static gboolean prepare(Journal *journal)
{
    for (int i = 0; i < N_STATEMENTS; i++)
        if (sqlite3_prepare_v3(journal->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &journal->statements[i], NULL) != SQLITE_OK)
            return FALSE;
    return TRUE;
}

static gboolean connect_to(Journal *journal)
{
    return sqlite3_open_v2(journal->path, &journal->db,
                           SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                           JOURNAL_VFS) == SQLITE_OK &&
           exec(journal, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                         "PRAGMA wal_autocheckpoint = 0; PRAGMA busy_timeout = 0");
}

static gboolean fail_to_open(const Journal *journal, const char *why, int errsv, GError **error)
{
    g_set_error(error, MAIL_ERROR, MAIL_ERROR_LOCAL, "open the journal %s: %s%s%s", journal->path,
                why, errsv ? ": " : "", errsv ? g_strerror(errsv) : "");
    return FALSE;
}

/* What is made anew is on the disk before anything is promised. */
static gboolean try_open(Journal *journal, const char *dir, GError **error)
{
    int version = connect_to(journal) ? query_int(journal, "PRAGMA user_version") : -1;
    int errsv;

    if (version > JOURNAL_VERSION)
        return fail_to_open(journal, "a later version of mailfs wrote it", 0, error);
    if (version < 0 || (version == 0 && !exec(journal, schema)) ||
        !exec(journal, "PRAGMA synchronous = OFF") || !prepare(journal))
        return fail_to_open(journal, sqlite3_errmsg(journal->db), sqlite3_system_errno(journal->db),
                            error);
    errsv = sync_file(dir, ".");
    if (errsv)
        return fail_to_open(journal, "sync its directory", errsv, error);
    sqlite3_wal_hook(journal->db, on_committed, journal);
    journal->next_id = 1;
    if (sqlite3_step(get(journal, GET_NEXT)) == SQLITE_ROW)
        journal->next_id = (guint32)sqlite3_column_int64(journal->statements[GET_NEXT], 0);
    sqlite3_reset(journal->statements[GET_NEXT]);
    journal->reserved_id = journal->next_id;
    return TRUE;
}

static void release(Journal *journal)
{
    for (int i = 0; i < N_STATEMENTS; i++)
        g_clear_pointer(&journal->statements[i], sqlite3_finalize);
    g_clear_pointer(&journal->db, sqlite3_close);
}

static void journal_free(Journal *journal)
{
    release(journal);
    g_array_unref(journal->deleted);
    g_free(journal->path);
    g_free(journal);
}

Journal *journal_open(const char *dir, GError **error)
{
    Journal *journal = g_new0(Journal, 1);
    g_autoptr(GError) failure = NULL;
    gboolean is_open;

    journal->deleted = g_array_new(FALSE, FALSE, sizeof(guint32));
    journal->path = g_build_filename(dir, JOURNAL_FILE, NULL);
    is_open = try_open(journal, dir, &failure);
    if (!is_open && index_is_damage(journal->db)) {
        release(journal);
        g_clear_error(&failure);
        is_open = journal_move_aside(dir, &failure) && try_open(journal, dir, &failure);
    }
    if (is_open)
        return journal;
    g_propagate_error(error, g_steal_pointer(&failure));
    journal_free(journal);
    return NULL;
}

gboolean journal_has_orphans(Journal *journal)
{
    gboolean has_none = sqlite3_step(get(journal, GET_ORPHANS)) == SQLITE_DONE;

    sqlite3_reset(journal->statements[GET_ORPHANS]);
    return !has_none;
}

void journal_forget_orphans(Journal *journal)
{
    begin(journal);
    run(journal, get(journal, DELETE_ORPHANS), NULL);
    journal_commit(journal, NULL);
}

gboolean journal_move_aside(const char *dir, GError **error)
{
    static const char *const tails[] = {"", "-wal", "-shm"};
    g_autofree char *path = g_build_filename(dir, JOURNAL_FILE, NULL);
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;

    for (gsize i = 0; i < G_N_ELEMENTS(tails); i++) {
        g_autofree char *from = g_strconcat(path, tails[i], NULL);
        g_autofree char *to =
            g_strdup_printf("%s.damaged-%" G_GINT64_FORMAT "%s", path, now, tails[i]);

        if (g_rename(from, to) < 0 && errno != ENOENT) {
            g_set_error(error, MAIL_ERROR, MAIL_ERROR_LOCAL, "move the damaged %s aside: %s", from,
                        g_strerror(errno));
            return FALSE;
        }
    }
    g_message(
        "the journal %s is damaged: what could be read of it goes on, the rest is kept beside "
        "it",
        path);
    return TRUE;
}

void journal_close(Journal *journal)
{
    if (!journal)
        return;
    journal_commit(journal, NULL);
    if (journal->sync)
        journal->sync->journal = NULL;
    /* The last connection copies the log as it closes. */
    exec(journal, "PRAGMA synchronous = FULL");
    journal_free(journal);
}

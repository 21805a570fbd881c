/* SPDX-License-Identifier: MIT */
/* pop/index.c - what is known of the messages of a spool besides their files: a SQLite database. */
#include "pop/index.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

#define INDEX_FILE    "pop.sqlite"
#define INDEX_VERSION 1
/* One process, which holds the lock of the spool: the index of the log stays in memory. */
#define INDEX_VFS "unix-excl"

typedef enum {
    ALL_MESSAGES,
    PUT_MESSAGE,
    DELETE_MESSAGE,
    PUT_HEADER,
    DELETE_HEADER,
    PUT_META,
    GET_META,
    N_STATEMENTS
} Statement;

static const char schema[] =
    "BEGIN;"
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE message (number INTEGER PRIMARY KEY, place INTEGER, presence INTEGER,"
    " size INTEGER, date INTEGER, retrieved INTEGER, trashed INTEGER, since INTEGER, uidl TEXT,"
    " hash BLOB, base TEXT);"
    "CREATE TABLE header (number INTEGER PRIMARY KEY, bytes BLOB);"
    "PRAGMA user_version = " G_STRINGIFY(INDEX_VERSION) ";"
                                                        "COMMIT;";

static const char *const sql[N_STATEMENTS] = {
    [ALL_MESSAGES] = "SELECT number, place, presence, size, date, retrieved, trashed, since, uidl,"
                     " hash, base, number IN (SELECT number FROM header) FROM message",
    [PUT_MESSAGE] = "INSERT OR REPLACE INTO message VALUES"
                    " (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [DELETE_MESSAGE] = "DELETE FROM message WHERE number = ?1",
    [PUT_HEADER] = "INSERT OR REPLACE INTO header VALUES (?1, ?2)",
    [DELETE_HEADER] = "DELETE FROM header WHERE number = ?1",
    [PUT_META] = "INSERT OR REPLACE INTO meta VALUES (?1, ?2)",
    [GET_META] = "SELECT value FROM meta WHERE key = ?1",
};

struct PopIndex {
    char *path;
    sqlite3 *db;
    sqlite3_stmt *statements[N_STATEMENTS];
    sqlite3 *reader;
    sqlite3_stmt *get_header;
    guint32 validity;
};

/* --- statements --- */

static gboolean exec(PopIndex *index, const char *text)
{
    return sqlite3_exec(index->db, text, NULL, NULL, NULL) == SQLITE_OK;
}

static sqlite3_stmt *get(PopIndex *index, Statement which)
{
    sqlite3_reset(index->statements[which]);
    sqlite3_clear_bindings(index->statements[which]);
    return index->statements[which];
}

static gboolean run(sqlite3_stmt *statement)
{
    gboolean is_done = sqlite3_step(statement) == SQLITE_DONE;

    sqlite3_reset(statement);
    return is_done;
}

static void set_error(const PopIndex *index, const char *doing, GError **error)
{
    gboolean is_full = index->db && sqlite3_errcode(index->db) == SQLITE_FULL;

    g_set_error(error, MAIL_ERROR, is_full ? MAIL_ERROR_NO_SPACE : MAIL_ERROR_LOCAL, "%s %s: %s",
                doing, index->path, index->db ? sqlite3_errmsg(index->db) : "out of memory");
}

static char *dup_meta(PopIndex *index, const char *key)
{
    sqlite3_stmt *meta = get(index, GET_META);
    char *value = NULL;

    sqlite3_bind_text(meta, 1, key, -1, SQLITE_STATIC);
    if (sqlite3_step(meta) == SQLITE_ROW)
        value = g_strdup((const char *)sqlite3_column_text(meta, 0));
    sqlite3_reset(meta);
    return value;
}

static guint32 get_number(PopIndex *index, const char *key)
{
    g_autofree char *value = dup_meta(index, key);

    return value ? (guint32)g_ascii_strtoull(value, NULL, 10) : 0;
}

static gboolean put_meta(PopIndex *index, const char *key, const char *value)
{
    sqlite3_stmt *put = get(index, PUT_META);

    sqlite3_bind_text(put, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_text(put, 2, value, -1, SQLITE_STATIC);
    return run(put);
}

static gboolean put_number(PopIndex *index, const char *key, guint32 number)
{
    g_autofree char *value = g_strdup_printf("%u", number);

    return put_meta(index, key, value);
}

/* --- opening --- */

static gboolean query_is(PopIndex *index, const char *text, const char *expected)
{
    sqlite3_stmt *statement = NULL;
    gboolean is_equal = FALSE;

    if (sqlite3_prepare_v2(index->db, text, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        is_equal = g_strcmp0((const char *)sqlite3_column_text(statement, 0), expected) == 0;
    sqlite3_finalize(statement);
    return is_equal;
}

static gboolean prepare(PopIndex *index)
{
    for (int i = 0; i < N_STATEMENTS; i++)
        if (sqlite3_prepare_v3(index->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &index->statements[i], NULL) != SQLITE_OK)
            return FALSE;
    return TRUE;
}

static gboolean open_reader(PopIndex *index)
{
    return sqlite3_open_v2(index->path, &index->reader, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                           INDEX_VFS) == SQLITE_OK &&
           sqlite3_prepare_v3(index->reader, "SELECT bytes FROM header WHERE number = ?1", -1,
                              SQLITE_PREPARE_PERSISTENT, &index->get_header, NULL) == SQLITE_OK;
}

/* One that was not closed is looked through. */
static gboolean is_sound(PopIndex *index)
{
    g_autofree char *is_clean = dup_meta(index, "clean");

    return g_strcmp0(is_clean, "1") == 0 || query_is(index, "PRAGMA quick_check(1)", "ok");
}

static gboolean prepare_meta(PopIndex *index)
{
    index->validity = get_number(index, "validity");
    if (!index->validity)
        index->validity = g_random_int() | 1;
    return put_number(index, "validity", index->validity) && put_meta(index, "clean", "0");
}

/* SQLite would let others read it. */
static void create(const PopIndex *index)
{
    int fd = open(index->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd >= 0)
        close(fd);
}

static gboolean try_open(PopIndex *index)
{
    create(index);
    if (sqlite3_open_v2(index->path, &index->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        INDEX_VFS) != SQLITE_OK ||
        !exec(index, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                     "PRAGMA busy_timeout = 0; PRAGMA temp_store = MEMORY"))
        return FALSE;
    if (query_is(index, "PRAGMA user_version", "0") && !exec(index, schema))
        return FALSE;
    return query_is(index, "PRAGMA user_version", G_STRINGIFY(INDEX_VERSION)) && prepare(index) &&
           is_sound(index) && prepare_meta(index) && open_reader(index);
}

static void release(PopIndex *index)
{
    for (int i = 0; i < N_STATEMENTS; i++)
        g_clear_pointer(&index->statements[i], sqlite3_finalize);
    g_clear_pointer(&index->get_header, sqlite3_finalize);
    g_clear_pointer(&index->reader, sqlite3_close);
    g_clear_pointer(&index->db, sqlite3_close);
}

/* Whether the last failure says that the disk is full or cannot be written, and nothing of what is
 * in the file. */
static gboolean is_disk_at_fault(const PopIndex *index)
{
    switch (index->db ? sqlite3_errcode(index->db) : SQLITE_NOMEM) {
    case SQLITE_FULL:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_NOMEM: return TRUE;
    case SQLITE_IOERR:
        return sqlite3_extended_errcode(index->db) != SQLITE_IOERR_READ &&
               sqlite3_extended_errcode(index->db) != SQLITE_IOERR_SHORT_READ;
    default: return FALSE;
    }
}

static gboolean move_aside(const PopIndex *index)
{
    static const char *const tails[] = {"", "-wal", "-shm"};
    gint64 now = g_get_real_time();

    g_message("the index %s is damaged or of another version: moved aside, made anew from the "
              "messages",
              index->path);
    for (gsize i = 0; i < G_N_ELEMENTS(tails); i++) {
        g_autofree char *from = g_strconcat(index->path, tails[i], NULL);
        g_autofree char *to =
            g_strdup_printf("%s.damaged-%" G_GINT64_FORMAT "%s", index->path, now, tails[i]);

        if (g_rename(from, to) < 0 && errno != ENOENT)
            return FALSE;
    }
    return TRUE;
}

static gboolean open_anew(PopIndex *index)
{
    if (is_disk_at_fault(index))
        return FALSE;
    release(index);
    return move_aside(index) && try_open(index);
}

PopIndex *pop_index_open(const char *dir, gboolean is_damaged, GError **error)
{
    PopIndex *index = g_new0(PopIndex, 1);

    index->path = g_build_filename(dir, INDEX_FILE, NULL);
    if (is_damaged && move_aside(index) && try_open(index))
        return index;
    if (!is_damaged && (try_open(index) || open_anew(index)))
        return index;
    set_error(index, "open the index", error);
    release(index);
    g_free(index->path);
    g_free(index);
    return NULL;
}

void pop_index_close(PopIndex *index)
{
    if (!index)
        return;
    put_meta(index, "clean", "1");
    release(index);
    g_free(index->path);
    g_free(index);
}

/* --- reading --- */

static gboolean read_message(sqlite3_stmt *row, PopMessage *ret_message)
{
    const void *hash = sqlite3_column_blob(row, 9);
    PopMessage message = {
        .number = (guint32)sqlite3_column_int64(row, 0),
        .place = (PopPlace)sqlite3_column_int(row, 1),
        .presence = (PopPresence)sqlite3_column_int(row, 2),
        .size = (guint64)sqlite3_column_int64(row, 3),
        .date = sqlite3_column_int64(row, 4),
        .retrieved = sqlite3_column_int64(row, 5),
        .trashed = sqlite3_column_int64(row, 6),
        .left = sqlite3_column_int64(row, 7),
        .uidl = (const char *)sqlite3_column_text(row, 8),
        .base = (const char *)sqlite3_column_text(row, 10),
        .has_header = sqlite3_column_int(row, 11) != 0,
        .has_hash = hash && sqlite3_column_bytes(row, 9) == POP_HASH_LEN,
    };

    if (message.has_hash)
        memcpy(message.hash, hash, POP_HASH_LEN);
    if (message.number == 0 || (guint)message.place > POP_PLACE_GONE ||
        (guint)message.presence > POP_DOUBTFUL ||
        (message.place != POP_PLACE_WAITING && !message.has_hash) ||
        (pop_message_is_stored(&message) && !message.base))
        return FALSE;
    *ret_message = message;
    return TRUE;
}

gboolean pop_index_load(PopIndex *index, void (*each)(const PopMessage *message, gpointer data),
                        gpointer data)
{
    sqlite3_stmt *all = get(index, ALL_MESSAGES);
    PopMessage message;
    int result;

    while ((result = sqlite3_step(all)) == SQLITE_ROW && read_message(all, &message))
        each(&message, data);
    sqlite3_reset(all);
    return result == SQLITE_DONE;
}

guint32 pop_index_next(PopIndex *index)
{
    return MAX(get_number(index, "next"), 1);
}

guint32 pop_index_validity(const PopIndex *index)
{
    return index->validity;
}

char *pop_index_dup_stopped(PopIndex *index)
{
    return dup_meta(index, "stopped");
}

GBytes *pop_index_dup_header(PopIndex *index, guint32 number)
{
    GBytes *bytes = NULL;

    sqlite3_bind_int64(index->get_header, 1, number);
    if (sqlite3_step(index->get_header) == SQLITE_ROW)
        bytes = g_bytes_new(sqlite3_column_blob(index->get_header, 0),
                            (gsize)sqlite3_column_bytes(index->get_header, 0));
    sqlite3_reset(index->get_header);
    return bytes;
}

/* --- writing --- */

static gboolean delete_row(PopIndex *index, Statement which, guint32 number)
{
    sqlite3_stmt *delete = get(index, which);

    sqlite3_bind_int64(delete, 1, number);
    return run(delete);
}

static gboolean put_message(PopIndex *index, const PopMessage *message)
{
    sqlite3_stmt *put = get(index, PUT_MESSAGE);

    sqlite3_bind_int64(put, 1, message->number);
    sqlite3_bind_int(put, 2, (int)message->place);
    sqlite3_bind_int(put, 3, (int)message->presence);
    sqlite3_bind_int64(put, 4, (gint64)message->size);
    sqlite3_bind_int64(put, 5, message->date);
    sqlite3_bind_int64(put, 6, message->retrieved);
    sqlite3_bind_int64(put, 7, message->trashed);
    sqlite3_bind_int64(put, 8, message->left);
    sqlite3_bind_text(put, 9, message->uidl, -1, SQLITE_STATIC);
    sqlite3_bind_text(put, 11, message->base, -1, SQLITE_STATIC);
    if (message->has_hash)
        sqlite3_bind_blob(put, 10, message->hash, POP_HASH_LEN, SQLITE_STATIC);
    return run(put) && (message->place == POP_PLACE_WAITING ||
                        delete_row(index, DELETE_HEADER, message->number));
}

static gboolean put_header(PopIndex *index, guint32 number, GBytes *header)
{
    sqlite3_stmt *put = get(index, PUT_HEADER);
    gsize len;
    const void *bytes = g_bytes_get_data(header, &len);

    sqlite3_bind_int64(put, 1, number);
    sqlite3_bind_blob64(put, 2, bytes ? bytes : "", len, SQLITE_STATIC);
    return run(put);
}

static gboolean write_change(PopIndex *index, const PopIndexChange *change)
{
    for (guint i = 0; change->removed && i < change->removed->len; i++) {
        guint32 number = g_array_index(change->removed, guint32, i);

        if (!delete_row(index, DELETE_MESSAGE, number) || !delete_row(index, DELETE_HEADER, number))
            return FALSE;
    }
    for (guint i = 0; change->put && i < change->put->len; i++)
        if (!put_message(index, change->put->pdata[i]))
            return FALSE;
    return (!change->header_of || put_header(index, change->header_of, change->header)) &&
           (!change->next || put_number(index, "next", change->next)) &&
           (!change->stopped || put_meta(index, "stopped", change->stopped));
}

static gboolean write_all(PopIndex *index, const PopIndexChange *changes, guint n_changes)
{
    if (!exec(index, "BEGIN"))
        return FALSE;
    for (guint i = 0; i < n_changes; i++)
        if (!write_change(index, &changes[i]))
            return FALSE;
    return exec(index, "COMMIT");
}

gboolean pop_index_write(PopIndex *index, const PopIndexChange *changes, guint n_changes,
                         GError **error)
{
    if (write_all(index, changes, n_changes))
        return TRUE;
    set_error(index, "write the index", error);
    if (!sqlite3_get_autocommit(index->db))
        exec(index, "ROLLBACK");
    return FALSE;
}

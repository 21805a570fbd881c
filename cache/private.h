/* SPDX-License-Identifier: MIT */
/* cache/private.h - what the files of cache/ share. */
#pragma once

#include <sqlite3.h>

#include "cache/cache.h"

/* The index: an SQLite database and its prepared statements (cache/index.c, index-open.c). */
typedef struct Index Index;
/* The block files (cache/blocks.c). */
typedef struct Blocks Blocks;

/* One mailbox, as kept in memory. */
typedef struct {
    CacheBox pub;     /* first: a CacheBox is a Box */
    GArray *children; /* guint32 ids, ascending */
    guint32 uidvalidity, uidnext;
    guint64 modseq;
    char *mailboxid;
    gboolean is_complete;
    gboolean is_proved;
    gint64 synced_us;       /* monotonic; 0: not since the start */
    gint64 compared_us;     /* when the comparison began that ended then, or one since */
    GArray *rows;           /* CacheMessage ascending by UID; NULL until asked for */
    guint n_unlisted;       /* among rows */
    guint hint;             /* where in rows the last one was found */
    guint n_stored;         /* how many rows the index ought to hold, until they are loaded */
    char *unlisted;         /* the unlisted of them as a set, until then */
    gboolean is_dirty;      /* its row in the index is behind */
    gboolean is_older;      /* the same, but only by the time of its last change */
    gboolean is_told_short; /* a listing had to do without messages that there are */
    guint n_lookups;        /* of messages that were not listed */
    gboolean knows_rights;
    gboolean has_hint; /* before that: whether the box is read-only is known */
    gboolean is_read_only;
    gint64 rights_us; /* monotonic; when they were told */
    CacheRights rights;
} Box;

struct Cache {
    char *dir;
    int dir_fd; /* also the lock */
    guint64 size_max;
    gint64 delay_us, timeout_us;

    Index *index;
    Blocks *blocks;

    GHashTable *boxes;       /* id -> Box, owned */
    GHashTable *generations; /* generation -> Box */
    guint32 next_number;     /* for box ids and generations, which share one series */
    guint32 reserved;        /* numbers below it count as given, whatever happens */
    gboolean has_run_out;    /* of numbers; that was said */
    GPtrArray *keywords;     /* interned names, in the order of their bits */

    CacheState state;
    GError *state_error;
    gboolean sizes_lie;
    CacheQuota quota;

    struct Wants *wants;
    struct Ahead *ahead;
    struct AheadWalk *ahead_walk;
    struct AheadList *ahead_list;
    struct Listing *listing;
    struct Trees *trees;
    struct Changes *changes;

    const CacheNews *news;
    gpointer news_data;
    const CacheBackend *backend;
    gpointer backend_data;
    const CacheMaker *maker;
    gpointer maker_data;
    CacheReadHere read_here; /* NULL: no spool */
    gpointer read_here_data;
};

/* --- dir.c --- */

/* Opens (making it, 0700, with its parents) the directory @path and locks it.  It must be ours and
 * closed to others. */
int cache_dir_open(const char *path, GError **error);
/* A safe file name for @account. */
char *cache_dir_name(const MailAccount *account);

/* --- index.c, index-open.c --- */

typedef enum {
    SQL_SET_META,
    SQL_GET_META,
    SQL_ALL_BOXES,
    SQL_PUT_BOX,
    SQL_DELETE_BOX,
    SQL_ALL_KEYWORDS,
    SQL_PUT_KEYWORD,
    SQL_MESSAGES,
    SQL_ENVELOPE,
    SQL_ENVELOPES_DOWN,
    SQL_PUT_MESSAGE,
    SQL_SET_FLAGS,
    SQL_DELETE_GENERATION,
    SQL_NEXT_MESSAGE,
    SQL_PUT_BODY,
    SQL_TOUCH_BODY,
    SQL_DELETE_BODY,
    SQL_DELETE_BODIES_OF,
    SQL_DELETE_BODIES_OF_GENERATION,
    SQL_OLDEST_BODIES,
    SQL_SUM_BODIES,
    SQL_UNCOUNT_BODIES,
    SQL_COUNT_BODY,
    SQL_DELETE_UNCOUNTED,
    SQL_PUT_TREE,
    SQL_GET_TREE,
    SQL_DELETE_TREES,
    SQL_PUT_SMALL,
    SQL_GET_SMALL,
    SQL_HAS_SMALL,
    SQL_DELETE_SMALL,
    SQL_DELETE_SMALL_OF_GENERATION,
    SQL_ALL_SMALL,
    SQL_N
} IndexStatement;

/* Opens the index in @dir; one that is_damaged, seems so or is of another version is moved aside.
 * Where none can be written it is in memory. */
Index *index_open(const char *dir, gboolean is_damaged, GError **error);
void index_close(Index *index);

/* The statement, reset, to be bound and stepped.  What it changes becomes part of the transaction
 * that ends with this turn of the main loop, or soon when many turns change something. */
sqlite3_stmt *index_get(Index *index, IndexStatement which);
/* SQLITE_ROW while there are rows; every failure is logged once and ends them. */
gboolean index_step(Index *index, sqlite3_stmt *statement);
/* Steps to the end. */
void index_run(Index *index, sqlite3_stmt *statement);
/* Ends the transaction; a damaged index, or a disk that is full, loses it. */
void index_commit(Index *index);
/* Whether the last failure of a database says that its file is not what we wrote. */
gboolean index_is_damage(sqlite3 *db);
/* Whether the index is in memory only. */
gboolean index_is_temporary(const Index *index);
/* Whether the last end was none, or changes were lost: what it says of body files may be wrong. */
gboolean index_was_unclean(const Index *index);
/* Whether changes were lost before it was closed: what it says of the server may be wrong. */
gboolean index_was_behind(const Index *index);
/* Whether changes were lost since this was asked last. */
gboolean index_take_loss(Index *index);
/* Called before each commit, for who gathers changes. */
void index_set_before_commit(Index *index, void (*func)(gpointer data), gpointer data);
/* Commits that are less than @delay_us apart are one; 0 is the default. */
void index_set_delay(Index *index, gint64 delay_us);
/* @func is called from the main loop when the file turns out to be damaged. */
void index_set_damaged(Index *index, void (*func)(gpointer data), gpointer data);
/* Asks for a commit at the end of this turn, or soon. */
void index_touch(Index *index);

static inline gint64 message_key(guint32 generation, guint32 uid)
{
    return (gint64)((guint64)generation << 32 | uid);
}

/* --- cache.c --- */

gint64 cache_get_meta(Cache *cache, const char *key);
void cache_put_meta(Cache *cache, const char *key, gint64 value);

/* --- numbers.c --- */

#define NUMBER_MAX ((1u << 24) - 1)

/* Sets the next number, once mailboxes and blocks are loaded. */
void numbers_load(Cache *cache);
/* Writes it into an index that is new. */
void numbers_save(Cache *cache);
/* Gives back what was reserved. */
void numbers_close(Cache *cache);
/* 0 when there are no more. */
guint32 cache_new_number(Cache *cache);

/* --- boxes.c --- */

void boxes_load(Cache *cache);
Box *boxes_get(Cache *cache, guint32 id);
void box_free(gpointer box);

void box_dirty(Cache *cache, Box *box);
void boxes_flush(Cache *cache);
/* Writes also what is not worth a write alone. */
void boxes_flush_all(Cache *cache);
/* Some of what the index had of @box is lost: all is to be compared with the server. */
void box_distrust(Cache *cache, Box *box);
void boxes_distrust(Cache *cache);
void box_set_generation(Cache *cache, Box *box, guint32 generation);
/* Notes that the listing of @box changed just now. */
void box_changed(Cache *cache, Box *box);
/* The same for its messages: but what is learned of a mailbox that was not known is no change of
 * it. */
void box_messages_changed(Cache *cache, Box *box);
/* A server is there: who listed a mailbox without all its messages may get the rest. */
void boxes_tell_rest(Cache *cache);

/* --- rows.c --- */

/* The rows of @box, loaded. */
GArray *box_rows(Cache *cache, Box *box);
/* The row of @uid, or NULL. */
CacheMessage *box_row(Cache *cache, Box *box, guint32 uid);
/* The index of the first row with a UID of at least @uid. */
guint rows_lower_bound(const GArray *rows, guint32 uid);
/* Forgets all messages of the present generation, in memory and on disk. */
void box_forget_messages(Cache *cache, Box *box);
/* Removes messages from the index. */
void messages_delete(Cache *cache, guint32 generation, guint32 first, guint32 last);
void messages_delete_generation(Cache *cache, guint32 generation);
/* Writes it into the index. */
void message_store(Cache *cache, const Box *box, const CacheMessage *row,
                   const MailEnvelope *envelope);
/* The same when only the flags changed. */
void message_store_flags(Cache *cache, const Box *box, const CacheMessage *row);
/* Tells it where it is another one. */
void message_set_size(Cache *cache, Box *box, CacheMessage *row, guint64 size, gboolean is_proved);

/* --- told.c --- */

/* The messages of @box go and a new generation begins; which of the server's mailboxes it is stays
 * known. */
void box_begin_anew(Cache *cache, Box *box);
/* The server has changed the flags of a message as it was asked to. */
void told_flags(Cache *cache, guint32 generation, guint32 uid, MailFlags add, MailFlags remove);
/* There is nothing in @box any more, until it is replaced. */
void box_forget_incarnation(Cache *cache, Box *box);

/* --- listing.c --- */

void listing_init(Cache *cache);
void listing_free(Cache *cache);
/* Drops what is held of @generation (0: of all). */
void listing_forget(Cache *cache, guint32 generation);

/* --- keywords.c --- */

void keywords_load(Cache *cache);
/* Writes all into an index that is new. */
void keywords_save(Cache *cache);

/* --- blocks.c --- */

typedef struct {
    guint32 generation, uid;
    const char *section; /* interned */
} BodyKey;

guint body_key_hash(gconstpointer key);
gboolean body_key_equal(gconstpointer a, gconstpointer b);

typedef struct {
    GBytes *bytes;
    gboolean is_end;
} Block;

Blocks *blocks_open(Cache *cache, GError **error);
void blocks_close(Blocks *blocks);
/* The verified block; bytes is NULL when it is not here. Borrowed until the next call. */
Block blocks_get(Blocks *blocks, const BodyKey *key, guint32 number);
/* Whether it seems to be here, at the cost of a look at its head. */
gboolean blocks_has(Blocks *blocks, const BodyKey *key, guint32 number);
/* How long the body is, where its last block is here. */
gboolean blocks_end(Blocks *blocks, const BodyKey *key, guint64 *ret_length);
void blocks_put(Blocks *blocks, const BodyKey *key, guint32 number, GBytes *bytes, gboolean is_end);
void blocks_forget_message(Blocks *blocks, guint32 generation, guint32 uid);
void blocks_forget_generation(Blocks *blocks, guint32 generation);
/* Removes the files of all generations that are no keys of @generations. */
void blocks_sweep(Blocks *blocks, GHashTable *generations);
/* Makes the index know what files there are; removes those that are no bodies. */
void blocks_recount(Blocks *blocks);
/* Another index is there. */
void blocks_reload(Blocks *blocks);
/* Brings the index up to date with what was written and (@also_uses) read, and evicts. */
void blocks_flush(Blocks *blocks, gboolean also_uses);
guint64 blocks_total(const Blocks *blocks);
guint blocks_n_damaged(const Blocks *blocks);
/* The highest generation that has files. */
guint32 blocks_highest_generation(Blocks *blocks);

/* --- small.c --- */

#define SMALL_MAX ((gsize)16 * 1024)

/* Told of a body and of how much room it takes. */
typedef void (*BodyFunc)(guint32 generation, guint32 uid, const char *section, guint64 bytes,
                         gpointer data);

/* Stores a body of one block of at most SMALL_MAX octets, which is its end. */
void small_put(Cache *cache, const BodyKey *key, GBytes *bytes);
/* New, verified; or NULL. */
GBytes *small_get(Cache *cache, const BodyKey *key, gboolean *ret_is_damaged);
gboolean small_has(Cache *cache, const BodyKey *key);
void small_delete(Cache *cache, guint32 generation, guint32 uid, const char *section);
void small_delete_generation(Cache *cache, guint32 generation);
void small_foreach(Cache *cache, BodyFunc func, gpointer data);

/* --- wants.c --- */

void wants_init(Cache *cache);
void wants_free(Cache *cache);
guint wants_count(Cache *cache);
/* Whether somebody has just waited in vain for this message of @box, or (0) for what it holds: it
 * need not be waited for again. */
gboolean wants_are_in_vain(Cache *cache, guint32 box, guint32 uid);
/* CACHE_WAIT with the id of the want that @wanted describes, made if need be; CACHE_FAILED when
 * offline. */
CacheAnswer wants_answer(Cache *cache, const CacheWant *wanted, guint64 *ret_want, GError **error);
/* Whether there is such a want already; for lines, one that holds the UID. */
gboolean wants_has(Cache *cache, const CacheWant *wanted);
/* The same as wants_answer() for read-ahead: nobody waits, nothing fails.  FALSE when too much is
 * suggested already. */
gboolean wants_suggest(Cache *cache, const CacheWant *wanted);
/* The same two for a block of a generation that is there; one that is here is not suggested. */
CacheAnswer wants_answer_block(Cache *cache, const BodyKey *key, guint32 block, guint64 *ret_want,
                               GError **error);
void wants_suggest_block(Cache *cache, const BodyKey *key, guint32 block);
/* Suggests those of [from, to). */
void wants_suggest_blocks(Cache *cache, const BodyKey *key, guint64 from, guint64 to);
/* The same two for what is wanted of a message as such; @section may be NULL. */
CacheAnswer wants_answer_message(Cache *cache, CacheWantKind kind, guint32 generation, guint32 uid,
                                 const char *section, guint64 *ret_want, GError **error);
gboolean wants_has_block(Cache *cache, const BodyKey *key, guint32 block);
gboolean wants_has_tree(Cache *cache, guint32 generation, guint32 uid);
gboolean wants_suggest_tree(Cache *cache, guint32 generation, guint32 uid);
gboolean wants_suggest_made(Cache *cache, const BodyKey *made);
/* Ends the wants of @kind for @uid (0: for all) that are of no mailbox. */
void wants_end_own(Cache *cache, CacheWantKind kind, guint32 uid, const GError *error);
/* The time of all wants of @kind begins anew. */
void wants_renew(Cache *cache, CacheWantKind kind);
/* There are new changes for the backend. */
void wants_tell_backend(Cache *cache);
/* Fails the wants for messages of @generation with GONE. */
void wants_fail_generation(Cache *cache, guint32 generation);
/* Ends the wants for the mailbox @id: who waits asks again, or fails with @error. */
void wants_end_box(Cache *cache, guint32 id, const GError *error);

/* --- reads.c --- */

/* A message of which the server told another size has @size: its sizes are not believed any more.
 */
void reads_note_lie(Cache *cache, const Box *box, const CacheMessage *row, guint64 size);

/* --- spool.c --- */

/* TRUE, with READ_ONLY, where nothing but the server adds anything. */
gboolean spool_refuses(const Cache *cache, GError **error);
/* Bytes [offset, end) of a whole message that is in the spool; ABSENT when it is not, or @key is
 * not of the whole. */
CacheAnswer spool_read(Cache *cache, const BodyKey *key, guint64 offset, guint64 end,
                       GPtrArray *ret_slices, GError **error);
/* Whether it is there: FOUND, ABSENT, or FAILED. */
CacheAnswer spool_find(Cache *cache, guint32 generation, guint32 uid, GError **error);
gboolean spool_has(Cache *cache, guint32 generation, guint32 uid);
/* The size of a message that is in the spool is found there, unless it is proved. */
void spool_prove_size(Cache *cache, Box *box, CacheMessage *row);
/* The backend tells a size, which does not count where one is proved. */
void spool_put_size(Cache *cache, Box *box, CacheMessage *row, guint64 size, gboolean is_proved);

/* --- trees.c --- */

void trees_init(Cache *cache);
void trees_free(Cache *cache);
/* The tree that is known of a message, or NULL; borrowed until the return to the main loop. */
MailPart *trees_get(Cache *cache, guint32 generation, guint32 uid);
/* Whether the server's is of no use. */
gboolean trees_is_useless(Cache *cache, guint32 generation, guint32 uid);
/* Whether the message turned out to have other parts than the server says: then only the server
 * knows where they are. */
gboolean trees_is_unplaceable(Cache *cache, guint32 generation, guint32 uid);
/* Whether the server sends other parts than there are: they are to be had from the whole message,
 * where they have offsets. */
gboolean trees_is_doubted(Cache *cache, guint32 generation, guint32 uid);
/* Forgets those of messages from @first to @last. */
void trees_delete(Cache *cache, guint32 generation, guint32 first, guint32 last);

/* --- sections.c --- */

/* Octets of the section as far as is known, or 0. */
guint64 sections_length(Cache *cache, const BodyKey *key);
/* Whether all blocks of a message are here. */
gboolean sections_has_whole(Cache *cache, guint32 generation, guint32 uid);
/* Whether [offset, end) of a section lies in blocks of the whole message that are here, and where:
 * the section is *ret_len octets from *ret_off on. */
gboolean sections_find(Cache *cache, const BodyKey *key, guint64 offset, guint64 end,
                       guint64 *ret_off, guint64 *ret_len);
/* Whether the section is to be read from the whole message, here or not, and where. */
gboolean sections_is_elsewhere(Cache *cache, const BodyKey *key, guint64 *ret_off,
                               guint64 *ret_len);
/* Whether it can, once the message has been parsed. */
gboolean sections_can_be_found(Cache *cache, const BodyKey *key);
/* A block of a section came that ends at @block_end. */
void sections_note_block(Cache *cache, const BodyKey *key, guint64 block_end, gboolean is_end);

/* --- ahead.c, ahead-list.c, ahead-walk.c --- */

void ahead_init(Cache *cache);
void ahead_free(Cache *cache);
void ahead_walk_init(Cache *cache);
void ahead_walk_free(Cache *cache);
void ahead_list_init(Cache *cache);
void ahead_list_free(Cache *cache);
/* A reader asked for [offset, offset + size) of a section of @length octets: may suggest more. */
void ahead_read(Cache *cache, Box *box, const CacheMessage *message, const char *section,
                guint64 offset, gsize size, guint64 length);
/* A listing of @box stops at the unlisted @uid: wants a window of lines, and suggests the next. */
CacheAnswer ahead_list(Cache *cache, Box *box, guint32 uid, guint64 *ret_want, GError **error);
/* Somebody asks for the unlisted @uid, or one that is not there: wants its line, or if that happens
 * again and again, all UIDs and windows of lines. */
CacheAnswer ahead_lookup(Cache *cache, Box *box, guint32 uid, guint64 *ret_want, GError **error);
/* The server was just asked for @uid, and has no such message. */
void ahead_note_absent(Cache *cache, guint32 box, guint32 uid);
gboolean ahead_is_absent(Cache *cache, guint32 box, guint32 uid);
/* A listing of @box passes the listed @uid. */
void ahead_listed(Cache *cache, Box *box, guint32 uid);
/* The message @uid is read, from its beginning: may suggest others of the mailbox. */
void ahead_walk(Cache *cache, Box *box, guint32 uid);
/* The mailbox is listed by somebody who will very likely read @section, made here, of each message,
 * beginning with the newest: may suggest what that takes. */
void ahead_expect_made(Cache *cache, Box *box, const char *section);
/* A section that is made here is about to be read, and is here or not: the same for such. */
void ahead_walk_made(Cache *cache, Box *box, const BodyKey *made, gboolean is_here);

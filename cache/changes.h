/* SPDX-License-Identifier: MIT */
/* cache/changes.h - what the files about changes share. */
#pragma once

#include "cache/private.h"

/* --- journal.c --- */

typedef struct Journal Journal;

/* A change as it is on disk: mailboxes also by the server's names and keywords by theirs, for the
 * index may be lost meanwhile. */
typedef struct {
    CacheChange change;
    const char *target_wire;
    guint32 uidvalidity;         /* of the message's mailbox */
    const char *added, *removed; /* flags, by their names */
} JournalRecord;

/* One that is damaged is moved aside.  Fails with LOCAL, also where a later version wrote it: then
 * nothing is touched. */
Journal *journal_open(const char *dir, GError **error);
void journal_close(Journal *journal);
/* Keeps the files of a damaged one under another name. */
gboolean journal_move_aside(const char *dir, GError **error);
/* Whether there may be data that another journal told of, in whose place this one was made; until
 * journal_forget_orphans(). */
gboolean journal_has_orphans(Journal *journal);
void journal_forget_orphans(Journal *journal);
/* Calls @each for all records, in order, borrowed.  FALSE when some are damaged. */
gboolean journal_load(Journal *journal, void (*each)(const JournalRecord *record, gpointer data),
                      gpointer data);
/* Becomes part of the transaction that ends with the next journal_commit(). */
gboolean journal_put(Journal *journal, const JournalRecord *record, GError **error);
gboolean journal_commit(Journal *journal, GError **error);
/* Is committed soon. */
void journal_delete(Journal *journal, guint32 id);
/* In place of the change of that id.  Commits. */
gboolean journal_put_lost(Journal *journal, const CacheLost *lost, GError **error);
void journal_delete_lost(Journal *journal, guint32 id);
void journal_load_lost(Journal *journal, void (*each)(const CacheLost *lost, gpointer data),
                       gpointer data);
/* 0 when it cannot be recorded. */
guint32 journal_new_id(Journal *journal, GError **error);
/* @id was given out. */
void journal_note_id(Journal *journal, guint32 id);
/* Commits so far, and those of them that are on the disk. */
guint64 journal_n_written(const Journal *journal);
guint64 journal_n_synced(const Journal *journal);
/* Begins to write to the disk what is not, unless that is under way; synced() is called after. */
void journal_sync(Journal *journal);
void journal_set_synced(Journal *journal, void (*synced)(gpointer data), gpointer data);
/* FALSE when the disk failed: then nothing can be promised. */
gboolean journal_check(const Journal *journal, GError **error);

/* --- changes.c --- */

typedef struct {
    CacheChange pub;         /* first: a CacheChange is a Change */
    const char *target_wire; /* see JournalRecord */
    guint32 uidvalidity;
    guint64 n_written; /* the commit that has its record */
    GError *refusal;   /* why the server will not take it */
    gboolean is_bound; /* its numbers are those of this index */
    GList link;        /* in changes->queue, until it is settled */
} Change;

struct Changes {
    Journal *journal;
    char *dir;            /* of the state */
    int dir_fd;           /* also the lock; -1 where it is the cache's */
    GHashTable *by_id;    /* id -> Change, owned; also those that are settled, for some time */
    GQueue queue;         /* Change that are not settled */
    GQueue settled;       /* Change, the oldest first */
    GHashTable *refusals; /* box -> GError, owned */
    GQueue notes;         /* Note: who waits until something is on the disk */
    guint note_source;
    GArray *dropped;  /* guint32, ids of what an earlier run has left and nobody wants any more */
    GArray *stale;    /* ChangeStale: whose data is not needed any more */
    GHashTable *gone; /* generation -> MailSet that is to be removed at the end of the turn */
    guint gone_source;
    gint64 renewed_us; /* when who waits was last given more time */
    guint64 append_limit;
    struct Shades *shades;
    struct Arrivals *arrivals;
    struct Lost *lost;
};

void changes_init(Cache *cache);
void changes_free(Cache *cache);
Change *changes_get(Cache *cache, guint32 id);
/* Writes down what cache_changes_note_sent() is told. */
gboolean changes_put_sent(Cache *cache, const GArray *ids, guint32 uidvalidity, guint32 uidnext,
                          GError **error);
/* A new change of that kind, numbered but not recorded; NULL when there are no numbers. */
Change *change_new(Cache *cache, CacheChangeKind kind, guint32 id, GError **error);
/* Puts its record into the transaction at hand. */
gboolean change_put(Cache *cache, Change *change, GError **error);
/* It is shown from now on, and waits to be sent. */
void change_count(Cache *cache, Change *change);
/* Flags by the names that they have in the journal. */
MailFlags change_parse_flags(Cache *cache, const char *names);
/* Tells that @box (0: none) does not show what it did, or the message not the flags. */
void changes_tell_listing(Cache *cache, guint32 box);
void changes_tell_flags(Cache *cache, guint32 box, guint32 uid);
/* Writes it down; frees it when that fails.  Then it counts. */
gboolean change_record(Cache *cache, Change *change, GError **error);
/* Writes it down again. */
gboolean change_update(Cache *cache, Change *change, GError **error);
/* Writes the names down that mailboxes have now; @renamed: CacheBox by the server's name for it
 * until now. */
void changes_boxes_renamed(Cache *cache, GHashTable *renamed);

/* --- settling.c --- */

/* The messages of @generation are no more. */
void changes_generation_gone(Cache *cache, guint32 generation);
/* The mailbox @id is no more. */
void changes_box_gone(Cache *cache, guint32 id);
/* Of an entry in changes->stale. */
typedef struct {
    guint32 id;
    guint64 n_written; /* the commit that forgot its record */
} ChangeStale;
/* Removes data of changes that were done, as far as that is safe; @is_closed: the journal is. */
void changes_drop_stale(Cache *cache, gboolean is_closed);
/* Removes the messages that are gone. */
void changes_flush_gone(Cache *cache);

/* --- reload.c --- */

/* Opens the journal in @dir and shows what it has. */
gboolean changes_open(Cache *cache, const char *dir, GError **error);
/* Mailboxes may have become known that changes of an earlier run are of, if the index was lost
 * meanwhile.  @are_all_known: those that are not there are gone, and the changes refused. */
void changes_bind(Cache *cache, gboolean are_all_known);
/* The mailbox that the server calls @wire, whose number was @id once; 0: it is not known. */
guint32 changes_find_box(Cache *cache, guint32 id, const char *wire);
/* Gives a change that is not bound the numbers that its mailboxes have now; 0 where it is not known
 * what has become of them. */
void changes_renumber(Cache *cache, Change *change);

/* --- renames.c --- */

/* Mailboxes whose RENAME was sent, with no answer, and that are in @boxes by their new names only:
 * they were renamed. */
void changes_follow_renames(Cache *cache, const CacheBoxNews *boxes, gsize n_boxes);

/* --- shades.c: what changes make of messages --- */

void shades_init(Cache *cache);
void shades_free(Cache *cache);
/* Counts @change (@by 1), or no more (-1). */
void shades_add(Cache *cache, const Change *change, int by);
/* Applies what is pending to the flags. */
void shades_apply(Cache *cache, guint32 generation, CacheMessage *message);
/* Whether the message is not to be listed. */
gboolean shades_hide(Cache *cache, guint32 generation, guint32 uid);
/* Whether the server, when it was last heard, may not have known that the message is gone. */
gboolean shades_is_gone(Cache *cache, guint32 generation, guint32 uid);
/* The server took a change: until the mailbox was compared anew, the message is @is_gone or has
 * come, or has these flags whatever is told. */
void shades_settle_gone(Cache *cache, guint32 generation, guint32 uid);
void shades_settle_came(Cache *cache, guint32 generation, guint32 uid);
void shades_settle_flags(Cache *cache, guint32 generation, guint32 uid, MailFlags add,
                         MailFlags remove);
/* Whether the server, when it was last heard, may not have known that the message has come. */
gboolean shades_has_come(Cache *cache, guint32 generation, guint32 uid);
/* Takes out of @gone what has come, though the server does not seem to know. */
void shades_keep(Cache *cache, guint32 generation, MailSet *gone);
/* The mailbox was compared with the server; that began at @began_us. */
void shades_synced(Cache *cache, guint32 generation, gint64 began_us);
/* Forgets what was settled of a message. */
void shades_forget_settled(Cache *cache, guint32 generation, guint32 uid);
void shades_forget_generation(Cache *cache, guint32 generation);
/* The changes of the message that are not settled, in order: Change *, borrowed; or NULL. */
const GPtrArray *shades_pending(Cache *cache, guint32 generation, guint32 uid);
/* The last change of the message that is neither taken nor sent, if it is a FLAGS; or NULL. */
Change *shades_find_flags(Cache *cache, guint32 generation, guint32 uid);

/* --- arrivals.c --- */

void arrivals_init(Cache *cache);
void arrivals_free(Cache *cache);
/* It is shown in its target, and where it comes from leads to it. */
void arrivals_add(Cache *cache, Change *change);
/* It is pending no more: @is_there, it still has its name. */
void arrivals_settle(Cache *cache, Change *change, gboolean is_there);
/* All traces of it go. */
void arrivals_forget(Cache *cache, Change *change);

/* --- drafts.c, lost.c --- */

gboolean drafts_open(Cache *cache, GError **error);
/* Removes drafts, and data that belongs to no change; @has_orphans: that goes to lost+found, and
 * FALSE is returned where it cannot. */
gboolean drafts_sweep(Cache *cache, gboolean has_orphans);
/* The file of @id in @folder, relative to the state directory. */
#define DRAFT_FOLDER "drafts"
#define DATA_FOLDER  "data"
#define LOST_FOLDER  "lost+found"
int draft_open_file(Cache *cache, const char *folder, guint32 id, int flags, GError **error);
void draft_remove_file(Cache *cache, const char *folder, guint32 id);
gboolean draft_read_file(Cache *cache, const char *folder, guint32 id, guint64 offset, gsize size,
                         GPtrArray *ret_slices, GError **error);

gboolean draft_move_file(Cache *cache, const char *from, const char *to, guint32 id,
                         GError **error);
/* Whether there is no data of @id any more. */
gboolean draft_is_gone(Cache *cache, guint32 id);
/* Of the data of @id. */
gboolean draft_size(Cache *cache, guint32 id, guint64 *ret_size, GError **error);

void lost_init(Cache *cache);
void lost_free(Cache *cache);
void lost_load(Cache *cache);
gboolean lost_has(Cache *cache, guint32 id);
/* Records what is there already, in place of its change; FALSE when that cannot be. */
gboolean lost_note(Cache *cache, guint32 id, const char *name, const char *reason, guint64 size);
/* The same for data that has yet to be moved there; FALSE when it stays. */
gboolean lost_add(Cache *cache, guint32 id, const char *name, const char *reason, guint64 size);

/* --- notes.c --- */

void notes_init(Cache *cache);
void notes_free(Cache *cache);

/* --- rights.c --- */

/* FAILED unless messages may come to @box, or go, or those flags may be changed. */
CacheAnswer rights_check_insert(Cache *cache, guint32 box, guint64 *ret_want, GError **error);
CacheAnswer rights_check_remove(Cache *cache, guint32 box, guint64 *ret_want, GError **error);
CacheAnswer rights_check_flags(Cache *cache, guint32 box, MailFlags changed, guint64 *ret_want,
                               GError **error);
/* FAILED with QUOTA when the server has just told that its target has no room for what @change
 * brings there.  Offline all has room. */
CacheAnswer rights_check_room(Cache *cache, const CacheChange *change, guint64 *ret_want,
                              GError **error);
/* It is on its way there. */
void rights_take_room(Cache *cache, const CacheChange *change);

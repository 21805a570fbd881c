/* SPDX-License-Identifier: MIT */
/* cache/cache.h - the hub: what is known of an account, and what is wanted.
 *
 * Readers (fs/) ask for what they need.  What is here is answered; what is missing becomes a want,
 * and the answer is CACHE_WAIT with the want's id: park with cache_wait(), and ask again from the
 * top when it wakes.  The backend (imap/) takes wants in batches, puts what the server told, and
 * reports each want done or failed.  Whatever changes is told as news.
 *
 * Thread: engine.  Pointers into the cache are borrowed and good until the next call that puts
 * something or the return to the main loop; hold ids across a wait.
 */
#pragma once

#include "mail/mail.h"

typedef struct Cache Cache;

#define CACHE_BLOCK_SIZE 65536
/* Nothing is read beyond it. */
#define CACHE_SIZE_MAX ((guint64)G_MAXUINT32 * CACHE_BLOCK_SIZE)

/* --- life (cache/cache.c) --- */

typedef struct {
    const char *dir;       /* holds one directory an account; created 0700 */
    const char *state_dir; /* the same, for what must not be lost: changes that are not sent */
    guint64 size_max; /* octets of blocks on disk, but for one larger section that is made here;
                         the index is not counted */
    guint delay_ms;   /* up to 100, for which changes may wait to be committed together */
    guint timeout_s;  /* a want is fulfilled or fails within this time; one that the maker has taken
                         ends with what it waits for */
} CacheOptions;

/* Opens or creates the cache of @account, and its journal.  A damaged index is moved aside and
 * begun anew; so is a damaged journal, without what could be read of it being lost.  Fails with
 * LOCAL, also when another process has it open. */
Cache *cache_open(const MailAccount *account, const CacheOptions *options, GError **error);
void cache_close(Cache *cache);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Cache, cache_close)

/* How the backend stands to the server. */
typedef enum {
    CACHE_OFFLINE, /* wants fail at once with the error that cache_set_state() was given */
    CACHE_ONLINE,
    CACHE_STALLED, /* connected, but silent for seconds: nobody waits for freshness */
} CacheState;

/* @error (copied) says why we are offline. */
void cache_set_state(Cache *cache, CacheState state, const GError *error);
CacheState cache_state(const Cache *cache);
/* Why we are offline, or NULL; borrowed. */
const GError *cache_state_error(const Cache *cache);

typedef struct {
    guint64 block_bytes, block_bytes_max;
    guint n_boxes;
    guint n_wants;
    guint n_changes; /* that the server has not taken */
    guint n_damaged; /* blocks whose checksum failed since the start */
} CacheFigures;

void cache_figures(Cache *cache, CacheFigures *ret_figures);

/* --- mailboxes (cache/boxes.c) --- */

typedef enum {
    CACHE_BOX_NOSELECT = 1 << 0, /* only a parent of others */
    CACHE_BOX_SENT = 1 << 1,     /* special uses (RFC 6154) */
    CACHE_BOX_DRAFTS = 1 << 2,
    CACHE_BOX_TRASH = 1 << 3,
    CACHE_BOX_JUNK = 1 << 4,
    CACHE_BOX_ARCHIVE = 1 << 5,
    CACHE_BOX_ALL = 1 << 6,
    CACHE_BOX_FLAGGED = 1 << 7,
    CACHE_BOX_READ_ONCE = 1 << 8, /* what was read to its end leaves it, */
    CACHE_BOX_READ = 1 << 9,      /* for the one that has this */
} CacheBoxAttributes;

#define CACHE_ROOT 0 /* the id of the root, which is no mailbox */

typedef struct {
    guint32 id; /* its directory's number; never used again for another */
    guint32 parent;
    const char *name;   /* one component of the mailbox's name */
    gboolean is_raw;    /* name is the server's bytes, which do not decode to UTF-8 and back */
    const char *wire;   /* the whole name as the server has it; NULL when it is only a parent */
    guint attributes;   /* CacheBoxAttributes */
    guint32 generation; /* the number of its messages' present incarnation; 0: none known yet */
    gint64 changed;     /* Unix time, in microseconds, of the last change that we noticed */
} CacheBox;

/* NULL when there is no such box (any more). */
const CacheBox *cache_box(Cache *cache, guint32 id);
const CacheBox *cache_box_of_generation(Cache *cache, guint32 generation);
/* The children of @id in ascending id: the first one beyond @after_id, or NULL. */
const CacheBox *cache_box_next_child(Cache *cache, guint32 id, guint32 after_id);
guint cache_box_n_children(Cache *cache, guint32 id);

typedef struct {
    const char *wire;
    const char *const *names; /* its components, NULL-ended */
    const gboolean *are_raw;  /* one a component */
    guint attributes;
} CacheBoxNews;

/* The mailboxes that the server has now.  Parents that it does not list are made up; what is not
 * among them any more goes, with all that is cached of it.  Two boxes with the same components are
 * told apart by the caller: one of them is_raw. */
void cache_put_boxes(Cache *cache, const CacheBoxNews *boxes, gsize n_boxes);

/* --- messages (cache/messages.c) --- */

typedef struct {
    guint32 uid;
    gboolean is_listed : 1;      /* the rest is known */
    gboolean is_size_proved : 1; /* the end of the message was here once, and told this size */
    gboolean is_end_asked : 1;   /* while that is sought: where the told size ends was looked at */
    guint n_full : 29;           /* so many blocks from its start are known to be full */
    MailFlags flags;
    guint64 size;
    gint64 date; /* INTERNALDATE, Unix seconds */
} CacheMessage;

typedef enum {
    CACHE_FOUND,
    CACHE_ABSENT, /* there is no such thing */
    CACHE_WAIT,   /* *ret_want says what for */
    CACHE_FAILED, /* *error says why */
} CacheAnswer;

/* Whether @box was compared with the server less than @max_age_us ago, for a listing, or cannot be
 * now; with G_MAXINT64: at any time since the start. */
CacheAnswer cache_box_is_fresh(Cache *cache, guint32 box, gint64 max_age_us, guint64 *ret_want,
                               GError **error);

/* Whether @box was compared with the server since @since_us (monotonic), for who asks to look for
 * news: WAIT until it is; FAILED with why it cannot be now. */
CacheAnswer cache_box_check(Cache *cache, guint32 box, gint64 since_us, guint64 *ret_want,
                            GError **error);

/* @box is listed by somebody who will very likely read @section, made here, of each message: may
 * suggest to be ready for that, unless all of the mailbox is listed. */
void cache_expect_made(Cache *cache, guint32 box, const char *section);

CacheAnswer cache_find_message(Cache *cache, guint32 box, guint32 uid, CacheMessage *ret_message,
                               guint64 *ret_want, GError **error);
/* The same by generation, from memory alone; FALSE when it is gone. */
gboolean cache_get_message(Cache *cache, guint32 generation, guint32 uid,
                           CacheMessage *ret_message);

/* The newest message with a UID below @before (0: of all), with its envelope. */
CacheAnswer cache_next_message(Cache *cache, guint32 box, guint32 before, CacheMessage *ret_message,
                               MailEnvelope **ret_envelope, guint64 *ret_want, GError **error);

/* A new reference, or NULL when the message is gone or not listed. */
MailEnvelope *cache_dup_envelope(Cache *cache, guint32 generation, guint32 uid);

/* How many messages of @box are known, and the highest UID among them, or 0. */
guint cache_box_n_messages(Cache *cache, guint32 box);
guint32 cache_newest_uid(Cache *cache, guint32 box);

/* --- bytes (cache/reads.c) --- */

/* The size to show.  Waits until the message is here where the server's sizes are not to be
 * trusted. */
CacheAnswer cache_message_size(Cache *cache, guint32 generation, guint32 uid, guint64 *ret_size,
                               guint64 *ret_want, GError **error);

/* Whether cache_message_size() would not wait. */
gboolean cache_size_is_known(Cache *cache, guint32 generation, guint32 uid);
/* Whether a size that the server told turned out wrong, in this account. */
gboolean cache_sizes_lie(const Cache *cache);

/* A section of a message is named as IMAP does it, with keywords in upper case; "" is the whole.
 * With a word in lower case it is one that is made here of others. */
gboolean cache_section_is_made(const char *section);

/* An array that owns its GBytes. */
GPtrArray *cache_slices_new(void);
/* Up to @size bytes of a message's section from @offset, as GBytes one after the other; fewer only
 * at its end. */
CacheAnswer cache_read(Cache *cache, guint32 generation, guint32 uid, const char *section,
                       guint64 offset, gsize size, GPtrArray *ret_slices, guint64 *ret_want,
                       GError **error);
/* Whether cache_read() would answer without the network. */
gboolean cache_has(Cache *cache, guint32 generation, guint32 uid, const char *section,
                   guint64 offset, gsize size);

/* @section, one that is told, will soon be read from its beginning: may suggest that. */
void cache_expect_read(Cache *cache, guint32 generation, guint32 uid, const char *section);

/* How long a section is, other than the whole message: by what came of it, not by what was told.
 */
CacheAnswer cache_section_size(Cache *cache, guint32 generation, guint32 uid, const char *section,
                               guint64 *ret_size, guint64 *ret_want, GError **error);

/* --- part trees (cache/trees.c) --- */

/* The numbered tree of a message's parts, as the server tells it; where it tells none that is of
 * use, or the whole message is here already, as it is made here. */
CacheAnswer cache_tree(Cache *cache, guint32 generation, guint32 uid, MailPart **ret_tree,
                       guint64 *ret_want, GError **error);
/* What is known of it already, or NULL. */
MailPart *cache_known_tree(Cache *cache, guint32 generation, guint32 uid);
/* The tree when those of its parts that can be measured are. */
CacheAnswer cache_measured_tree(Cache *cache, guint32 generation, guint32 uid, MailPart **ret_tree,
                                guint64 *ret_want, GError **error);

/* --- rights (cache/rights.c) --- */

/* How much there may be of something, and is.  @limit is 0 where none is known. */
typedef struct {
    guint64 used, limit;
} CacheResource;

/* What may be done in a mailbox: SELECT, PERMANENTFLAGS (RFC 9051 6.3.2, 7.1), ACL (RFC 4314),
 * APPENDLIMIT (RFC 7889), quota (RFC 9208). */
typedef struct {
    gboolean is_read_only; /* nothing at all */
    gboolean may_insert;   /* messages may come: by COPY, MOVE or APPEND */
    gboolean may_remove;   /* messages may go: \Deleted, EXPUNGE or MOVE */
    gboolean may_create;   /* mailboxes below it */
    gboolean may_rename;   /* or delete it */
    MailFlags permanent;   /* that may be changed, with the keywords that are known */
    gboolean may_invent;   /* keywords that the mailbox does not have yet */
    guint64 append_limit;  /* octets of a message that comes by APPEND; 0: none is known */
    CacheResource storage, messages; /* of the quota: octets and messages; @used is also what is on
                                        its way there */
} CacheRights;

/* As far as is known; all is allowed where nothing is. */
void cache_known_rights(Cache *cache, guint32 box, CacheRights *ret_rights);
/* Asks the server where it was not asked since the start; offline, the same as the last. */
CacheAnswer cache_rights(Cache *cache, guint32 box, CacheRights *ret_rights, guint64 *ret_want,
                         GError **error);

/* --- changes (cache/changes.c, making.c) ---
 *
 * What a user does to mail is a change.  It is recorded in the journal and shown from then on, as
 * if the server had done it; the backend does it when it can, each once.  One that the server
 * refuses is undone, and told with news->change_refused(); the data of an APPEND goes to
 * lost+found, from where whoever tells its writer may remove it.
 */

typedef enum {
    CACHE_CHANGE_FLAGS,   /* of a message */
    CACHE_CHANGE_MOVE,    /* of a message to @target */
    CACHE_CHANGE_COPY,    /* the same */
    CACHE_CHANGE_EXPUNGE, /* of a message: for good */
    CACHE_CHANGE_APPEND,  /* of data to @target; in place of a message, if it names one */
    CACHE_CHANGE_CREATE,  /* of a mailbox below @target */
    CACHE_CHANGE_DELETE,  /* of the mailbox @box, while it is empty */
    CACHE_CHANGE_RENAME,  /* of @box, with all below it; it will be below @target */
} CacheChangeKind;

typedef struct {
    guint32 id; /* ascending in the order in which they were made, never used again */
    CacheChangeKind kind;
    guint32 box;             /* of the message; or that is changed; or 0 */
    guint32 generation, uid; /* the message, or 0 */
    guint32 target;          /* where it will be; 0: nowhere (a mailbox: the root) */
    const char *wire;        /* the server's name of @box, also when that is gone; or NULL */
    const char *name;        /* that it was given there; of a mailbox: its component, in UTF-8 */
    MailFlags add, remove;   /* APPEND: the flags it has, all in @add */
    gint64 date;             /* of APPEND: INTERNALDATE, Unix seconds; G_MININT64: the server's */
    guint64 size;            /* of APPEND: octets */
    gboolean is_taken;       /* the backend is at it */
    gboolean is_done;        /* the server has it, or */
    gboolean is_refused;     /* will not take it */
    guint32 new_uid;         /* then: its UID in @target, or 0 where that is not known */
    guint32 new_generation;  /* in which that is, once it is known; see cache/arrivals.c */
    guint32 sent_uidvalidity, sent_uidnext; /* of @target before it was sent; 0: it was not */
} CacheChange;

/* Borrowed until the return to the main loop; NULL when there was no such change, or it was long
 * ago. */
const CacheChange *cache_change(Cache *cache, guint32 id);

/* Each records a change of a message: FOUND, and it is shown.  WAIT: something must be known
 * before, or an earlier change of it must end.  ABSENT: there is no such message.  FAILED: it
 * cannot be: READ_ONLY, PERMISSION, UNSUPPORTED (PERMANENTFLAGS), QUOTA, OFFLINE, LOCAL, NO_SPACE.
 * @generation and @uid may be those from before a change; *ret_id (or NULL) is the change's. */
CacheAnswer cache_change_flags(Cache *cache, guint32 generation, guint32 uid, MailFlags add,
                               MailFlags remove, guint32 *ret_id, guint64 *ret_want,
                               GError **error);
CacheAnswer cache_change_move(Cache *cache, guint32 generation, guint32 uid, guint32 target,
                              const char *name, guint32 *ret_id, guint64 *ret_want, GError **error);
/* @id: from cache_draft_new(). */
CacheAnswer cache_change_copy(Cache *cache, guint32 generation, guint32 uid, guint32 target,
                              const char *name, guint32 id, guint64 *ret_want, GError **error);
CacheAnswer cache_change_expunge(Cache *cache, guint32 generation, guint32 uid, guint32 *ret_id,
                                 guint64 *ret_want, GError **error);

/* Mailboxes.  INVALID for a name that cannot be one.  The name's place in the tree is not changed
 * before the server has done it. */
CacheAnswer cache_change_create(Cache *cache, guint32 parent, const char *name, guint32 *ret_id,
                                GError **error);
CacheAnswer cache_change_delete(Cache *cache, guint32 box, guint32 *ret_id, GError **error);
CacheAnswer cache_change_rename(Cache *cache, guint32 box, guint32 parent, const char *name,
                                guint32 *ret_id, GError **error);

/* Whoever asked for @id hears that it failed: if it is of a mailbox, and the backend is not at it
 * nor was, it is not done. */
void cache_change_withdraw(Cache *cache, guint32 id);

/* Whether the server has taken @id: FOUND; WAIT; FAILED with why it was refused (is_refused), or
 * that we are offline: then it stays in the journal. */
CacheAnswer cache_change_settled(Cache *cache, guint32 id, guint64 *ret_want, GError **error);
/* The newest change up to @until (0: of all) that is of @box, or moves something there, and is not
 * settled; 0 when there is none. */
guint32 cache_box_unsettled(Cache *cache, guint32 box, guint32 until);
/* Why changes of @box were refused, if some were since this was asked last; yours, or NULL. */
GError *cache_box_take_refusal(Cache *cache, guint32 box);
/* Whether the record of change @id, and of those before it, is on the disk; else WAIT, or FAILED
 * with LOCAL or NO_SPACE. */
CacheAnswer cache_change_is_synced(Cache *cache, guint32 id, guint64 *ret_want, GError **error);

/* --- drafts (cache/drafts.c): files that are being written --- */

/* A file of its own below the state directory, empty, and the id of the change it may become; -1
 * and LOCAL or NO_SPACE when that fails.  The descriptor is the caller's.  Drafts that did not
 * become changes are removed at the next start. */
int cache_draft_new(Cache *cache, guint32 *ret_id, GError **error);
/* What is in it for the network: opened anew, empty, to be filled on any thread and synced; the
 * caller's. */
int cache_draft_open_data(Cache *cache, guint32 id, GError **error);
/* Removes the draft itself; not its data, if that became a change. */
void cache_draft_free(Cache *cache, guint32 id);
/* Records that the data of @id, which is on the disk, is to be appended to @target, in place of the
 * message if one is named. The rest as cache_change_move(); TOO_BIG over the server's limit. */
CacheAnswer cache_change_append(Cache *cache, guint32 id, guint32 target, const char *name,
                                MailFlags flags, gint64 date, guint32 generation, guint32 uid,
                                guint64 *ret_want, GError **error);

/* --- where changes are shown (cache/arrivals.c) --- */

/* The change by which a file in @box is called @name: pending, or done and the file is still called
 * so.  0: none. */
guint32 cache_arrival_find(Cache *cache, guint32 box, const char *name);
/* It is called @name there from now on.  LOCAL or NO_SPACE. */
gboolean cache_arrival_rename(Cache *cache, guint32 id, const char *name, GError **error);
/* What it led to is appended with @date (Unix seconds).  Nothing where that cannot be: it is no
 * APPEND, or the backend is at it or was.  LOCAL or NO_SPACE. */
gboolean cache_arrival_date(Cache *cache, guint32 id, gint64 date, GError **error);
/* The first pending change beyond @after that shows a file in @box, or NULL; in a spool also those
 * that have ended since @box was listed. */
const CacheChange *cache_arrival_next(Cache *cache, guint32 box, guint32 after);
/* @box is listed: from now on what has arrived there has its own name only.  Calls @gone for each
 * name that is no more. */
void cache_arrivals_settle(Cache *cache, guint32 box,
                           void (*gone)(guint32 box, const char *name, gpointer data),
                           gpointer data);
/* The message that a change has led to or (pending) is of: FOUND with what the cache knows it by.
 * WAIT where its mailbox must be looked at first.  ABSENT: it is only here, as the data of an
 * APPEND; or nowhere. */
CacheAnswer cache_arrival_message(Cache *cache, guint32 id, guint32 *ret_generation,
                                  guint32 *ret_uid, guint64 *ret_want, GError **error);
/* Where a message is after the changes that are known of it: FALSE, and nothing changed, when it is
 * where it was. */
gboolean cache_forward(Cache *cache, guint32 *generation, guint32 *uid, guint32 *ret_id);
/* Bytes of the data of a pending APPEND. */
gboolean cache_arrival_read(Cache *cache, guint32 id, guint64 offset, gsize size,
                            GPtrArray *ret_slices, GError **error);

/* --- lost+found (cache/lost.c) --- */

typedef struct {
    guint32 id;
    const char *name;   /* that it was given */
    const char *reason; /* one line */
    guint64 size;
    gint64 time; /* Unix seconds, when it was refused */
} CacheLost;

/* In ascending id: the first beyond @after, or NULL; borrowed until the return to the main loop. */
const CacheLost *cache_lost_next(Cache *cache, guint32 after);
gboolean cache_lost_read(Cache *cache, guint32 id, guint64 offset, gsize size,
                         GPtrArray *ret_slices, GError **error);
void cache_lost_remove(Cache *cache, guint32 id);

/* --- keywords (cache/keywords.c) --- */

/* The bit of @keyword, given out at its first appearance; 0 when all are taken. */
MailFlags cache_keyword_flag(Cache *cache, const char *keyword);
/* The keyword of the one bit in @flag, or NULL. */
const char *cache_keyword(Cache *cache, MailFlags flag);

/* --- quota (cache/cache.c) --- */

typedef struct {
    gboolean is_known;
    guint64 used, limit; /* octets */
} CacheQuota;

CacheAnswer cache_quota(Cache *cache, CacheQuota *ret_quota, guint64 *ret_want, GError **error);
/* What is known of it already. */
void cache_quota_known(Cache *cache, CacheQuota *ret_quota);
void cache_put_quota(Cache *cache, const CacheQuota *quota);

/* --- waiting (cache/wants.c) --- */

/* Called once, from the main loop: @error is NULL when the want was fulfilled (ask again). */
typedef void (*CacheWakeFunc)(const GError *error, gpointer data);

/* Parks on @want.  Returns a ticket for cache_wait_cancel(). */
guint64 cache_wait(Cache *cache, guint64 want, CacheWakeFunc wake, gpointer data);
/* Gives up; wake is not called any more.  A want that nobody waits for and nobody took is dropped.
 */
void cache_wait_cancel(Cache *cache, guint64 ticket);

/* --- news (for fs/) --- */

typedef struct {
    void (*boxes_changed)(gpointer data);
    /* Before the change: the old state can still be asked for. */
    void (*message_going)(guint32 box, guint32 uid, gpointer data);
    void (*flags_changing)(guint32 box, guint32 uid, gpointer data);
    /* After the change. */
    void (*listing_changed)(guint32 box, gpointer data); /* messages or flags or children */
    void (*size_corrected)(guint32 box, guint32 uid, gpointer data);
    /* A part decodes to something else than was said. */
    void (*part_corrected)(guint32 box, guint32 uid, const MailPart *part, gpointer data);
    /* Before it is shown no more, or as something else: the server has taken it, or refused. */
    void (*change_settling)(const CacheChange *change, gpointer data);
    void (*change_refused)(const CacheChange *change, const GError *error, gpointer data);
    /* What may be done in the box is another thing now. */
    void (*rights_changed)(guint32 box, gpointer data);
    /* All messages of the box are other ones now. */
    void (*box_replaced)(guint32 box, guint32 old_generation, gpointer data);
} CacheNews;

void cache_set_news(Cache *cache, const CacheNews *news, gpointer data);

/* --- spools (cache/spool.c) ---
 *
 * The backend may have the messages themselves.  Then no bytes of theirs are kept here, and what it
 * has is served in any state; all wants of BLOCKs of a message that it does not have are one, of
 * block 0 of section "", which is done when it has the message; and there are no wants of TREEs.
 * In such an account the mailboxes are what they are, and nothing comes but from the server: what
 * would add something, or change a mailbox, fails with READ_ONLY.  A message that moves keeps its
 * UID, and may come back.
 */

/* Up to @size octets from @offset of the message that the cache knows as @uid in @box: FOUND with
 * them in @ret_slices, fewer only at its end; ABSENT when it is not here (yet); FAILED.  Must not
 * call the cache. */
typedef CacheAnswer (*CacheReadHere)(guint32 box, guint32 uid, guint64 offset, gsize size,
                                     GPtrArray *ret_slices, GError **error, gpointer data);

/* To be called before anything else. */
void cache_set_spool(Cache *cache, CacheReadHere read_here, gpointer data);
gboolean cache_is_spool(const Cache *cache);
/* Where the account's changes are, and what else must not be lost. */
const char *cache_state_dir(const Cache *cache);

/* --- for backends: wants (cache/wants.c) --- */

typedef enum {
    CACHE_WANT_QUOTA,
    CACHE_WANT_SYNC,    /* compare @box with the server */
    CACHE_WANT_UIDS,    /* the same, and all its UIDs */
    CACHE_WANT_LINES,   /* list the unlisted messages of @box from @uid down to @low */
    CACHE_WANT_LINE,    /* list the one message @uid */
    CACHE_WANT_READY,   /* be ready to fetch; nobody waits for it */
    CACHE_WANT_BLOCK,   /* @block of @section of @uid */
    CACHE_WANT_TREE,    /* the parts of @uid */
    CACHE_WANT_MEASURE, /* what its parts decode to, where that can be told */
    CACHE_WANT_RIGHTS,  /* what may be done in @box */
    CACHE_WANT_SETTLED, /* ours: that the change @uid ends */
    CACHE_WANT_SYNCED,  /* ours: that the journal is on the disk */
    CACHE_WANT_PARSE,   /* the maker's: the same two from the message itself */
    CACHE_WANT_MADE,    /* the maker's: @section of @uid, whole */
} CacheWantKind;

typedef struct {
    guint64 id;
    CacheWantKind kind;
    guint32 box, generation, uid, block;
    guint32 low;         /* of LINES: the lowest UID */
    const char *section; /* interned */
    guint64 length;      /* octets of the section as far as is known, or 0 */
    guint n_waiting;     /* 0: read-ahead */
    gboolean is_urgent;  /* of SYNC: only a comparison that begins now will do */
    gboolean is_taken;
    gint64 deadline_us; /* monotonic */
} CacheWant;

typedef struct {
    /* There are new wants, or waiters for old ones, or new changes.  Called from the main loop,
     * once for many. */
    void (*wants_changed)(gpointer data);
} CacheBackend;

void cache_set_backend(Cache *cache, const CacheBackend *backend, gpointer data);

/* Who makes sections of others, and trees of messages, without a server. */
typedef struct {
    void (*wants_changed)(gpointer data);
    /* Calls @each for every section of which @section is made. */
    void (*sources)(MailPart *tree, const char *section,
                    void (*each)(const char *section, gpointer each_data), gpointer each_data);
} CacheMaker;

void cache_set_maker(Cache *cache, const CacheMaker *maker, gpointer data);

/* The wants for the backend that it has not taken, and all for the maker, in order of age:
 * CacheWant *; borrowed. */
const GQueue *cache_wants(Cache *cache);
const GQueue *cache_maker_wants(Cache *cache);
/* Marks that a command for it is on the way, or that it is not any more (connection lost). */
void cache_want_take(Cache *cache, guint64 id);
void cache_want_put_back(Cache *cache, guint64 id);
/* The answer is on the way: the time in which it must come begins anew. */
void cache_want_renew(Cache *cache, guint64 id);
/* Ends the want.  With @error all that wait fail.  An unknown @id is nothing. */
void cache_want_done(Cache *cache, guint64 id, const GError *error);
/* Fails all wants that are not taken. */
void cache_wants_fail(Cache *cache, const GError *error);

/* --- for backends: what the server told (cache/told.c; asking for it: cache/messages.c) --- */

typedef struct {
    guint32 uidvalidity;   /* 0: the server tells none, nothing is kept beyond this mount */
    guint32 uidnext;       /* 0: unknown */
    guint64 modseq;        /* 0: unknown */
    const char *mailboxid; /* OBJECTID (RFC 8474), or NULL */
    gboolean is_complete;  /* all UIDs below uidnext are known */
    gboolean is_proved;    /* compared at least once since the start */
} CacheSync;

/* What the index knows of @box.  FALSE when the box is gone. */
gboolean cache_sync(Cache *cache, guint32 box, CacheSync *ret_sync);
/* The UIDs known of @box; new. */
MailSet *cache_dup_uids(Cache *cache, guint32 box);
/* Up to @n listed messages of @box, the newest, the oldest and some between: to prove by them that
 * it is the same box; new. */
MailSet *cache_dup_sample(Cache *cache, guint32 box, guint n);
/* The UIDs of the unlisted messages of @box from @low to @high; new. */
MailSet *cache_dup_unlisted(Cache *cache, guint32 box, guint32 low, guint32 high);

/* The server's mailbox is another one than the index knows: all its messages go, and a new
 * generation begins.  Also the first time that a box is seen. */
void cache_box_replace(Cache *cache, guint32 box, guint32 uidvalidity, const char *mailboxid);
/* @uids is all there is: others go, new ones come, unlisted. */
void cache_put_uids(Cache *cache, guint32 box, const MailSet *uids);
/* @uids are there; new ones come unlisted. */
void cache_add_uids(Cache *cache, guint32 box, const MailSet *uids);
/* The box does not seem to be the one that we know: compare it before it is used again. */
void cache_box_suspect(Cache *cache, guint32 box);
/* A message's line.  Its UID may be new; of one that is listed only the flags count, and in a spool
 * the size, with is_size_proved when it has the message: any other is corrected then. */
void cache_put_line(Cache *cache, guint32 box, const CacheMessage *message, MailEnvelope *envelope);
void cache_put_flags(Cache *cache, guint32 box, guint32 uid, MailFlags flags);
void cache_put_gone(Cache *cache, guint32 box, const MailSet *uids);
/* The box is as the server has it, up to @uidnext and @modseq (0: unknown); @is_complete as above.
 * What the server took after @began_us (monotonic), when the comparison began, may not be in it. */
void cache_put_synced(Cache *cache, guint32 box, guint32 uidnext, guint64 modseq,
                      gboolean is_complete, gint64 began_us);

/* --- for backends: changes (cache/changes.c, notes.c, settling.c) --- */

/* Those that the server has not taken, in order: CacheChange *, borrowed. */
const GQueue *cache_changes(Cache *cache);
void cache_change_take(Cache *cache, guint32 id);
/* The connection was lost before it was known what became of it, or it must wait. */
void cache_change_put_back(Cache *cache, guint32 id);
/* Notes that the changes @ids (guint32) are about to be sent, and what their target has (@uidnext:
 * 0 where that does not matter).  @noted is called once, from the main loop, when that is on the
 * disk: @error when it cannot be, and then nothing may be sent. */
void cache_changes_note_sent(Cache *cache, const GArray *ids, guint32 uidvalidity, guint32 uidnext,
                             void (*noted)(const GError *error, gpointer data), gpointer data);
/* The server has done it; @new_uid in the target, 0: not known.  What the cache knows of the
 * message follows it. */
void cache_change_done(Cache *cache, guint32 id, guint32 new_uid);
/* The server will not do it. */
void cache_change_refused(Cache *cache, guint32 id, const GError *error);
/* The data of an APPEND, mapped; new.  LOCAL. */
GBytes *cache_change_data(Cache *cache, guint32 id, GError **error);
/* Whether somebody waits for one of them: then no more are gathered first. */
gboolean cache_changes_are_awaited(Cache *cache);
/* Something is done about changes: who waits for them does not wait in vain. */
void cache_changes_renew(Cache *cache);

void cache_put_rights(Cache *cache, guint32 box, const CacheRights *rights);
/* For as long as the rights are not known: whether @box can be changed at all. */
void cache_put_read_only(Cache *cache, guint32 box, gboolean is_read_only);
/* Whether either was told since the start. */
gboolean cache_has_rights(Cache *cache, guint32 box);
/* The largest message that may be appended to any mailbox (RFC 7889), in octets; 0: none is known.
 */
void cache_put_append_limit(Cache *cache, guint64 limit);
/* The server calls a mailbox by another name now, @wire, and has it below @parent as @name; what is
 * below it went with it.  The next cache_put_boxes() will confirm it. */
void cache_box_renamed(Cache *cache, guint32 box, guint32 parent, const char *name,
                       const char *wire);

/* --- for backends: blocks (cache/reads.c) --- */

/* Stores a block.  @bytes are CACHE_BLOCK_SIZE, or fewer with @is_end.  The caller has checked that
 * UID, section, origin and length agree with what was asked. */
void cache_put_block(Cache *cache, guint32 generation, guint32 uid, const char *section,
                     guint32 block, GBytes *bytes, gboolean is_end);

/* --- for backends and the maker: parts (cache/trees.c) --- */

/* What the server told of the parts, unless they are known; @tree is taken, NULL when it is of no
 * use. */
void cache_put_tree(Cache *cache, guint32 generation, guint32 uid, MailPart *tree);
/* What the server sends of the parts is not what it told of them: the message itself is asked. */
void cache_doubt_tree(Cache *cache, guint32 generation, guint32 uid);
/* What the message itself told of them, with offsets and measures; @tree is taken.  Where the
 * server's tree is another one, that stays. */
void cache_put_parsed(Cache *cache, guint32 generation, guint32 uid, MailPart *tree);
/* What part @section decodes to; @base64 may be NULL where the measure has none.  One that differs
 * from what was said before is a correction. */
void cache_put_measure(Cache *cache, guint32 generation, guint32 uid, const char *section,
                       MailPartMeasure measure, const MailBase64 *base64);
/* All of them were told; nothing can be of the rest. */
void cache_put_measured(Cache *cache, guint32 generation, guint32 uid);

/* SPDX-License-Identifier: MIT */
/* imap/worker.h - a connection at work for the cache: which mailbox it is in, and the jobs in
 * flight.
 *
 * A job is one command with what its answer is for.  Servers answer commands roughly in their
 * order: what comes untagged belongs to the oldest job that takes it, and the mailbox is the one of
 * the last EXAMINE that is no longer ahead.
 */
#pragma once

#include "imap/fetch-items.h"
#include "imap/marks.h"
#include "imap/session.h"
#include "imap/suspects.h"

typedef struct ImapWorker ImapWorker;
typedef struct ImapJob ImapJob;

struct ImapJob {
    ImapWorker *worker;
    guint32 box;   /* cache id; 0 when it concerns none */
    GArray *wants; /* guint64, taken; what is left at the end is put back or fails */
    /* The job becomes the oldest; may be NULL. */
    void (*begin)(ImapJob *job);
    /* TRUE when the response was the job's; may be NULL. */
    gboolean (*untagged)(ImapJob *job, const ImapResponse *response);
    gboolean (*fetched)(ImapJob *job, const ImapItems *items);
    /* A long body begins, and this is what its answer tells before it: TRUE when the job wants it
     * streamed.  Then its octets come, and fetched() at the end, with an empty body; may be NULL.
     */
    gboolean (*announced)(ImapJob *job, const ImapItems *items);
    void (*streamed)(ImapJob *job, const guint8 *bytes, gsize len);
    /* Once; may free the worker's session by failing.  @error as for ImapDoneFunc. */
    void (*finish)(ImapJob *job, const ImapResponse *response, const GError *error);
    void (*clear)(ImapJob *job); /* frees what the extended struct owns; may be NULL */
    gint64 renewed_us;           /* when the wants' time was last begun anew */
    gboolean is_culprit;         /* in finish(): the session ended when its answer was due */
};

/* What the server told of the mailbox that was entered. */
typedef struct {
    guint64 exists;
    guint32 uidvalidity, uidnext;
    guint64 modseq;
    char *mailboxid;
    gboolean is_read_only;
    gboolean has_permanent; /* else all flags are permanent */
    MailFlags flags, permanent;
    gboolean may_invent; /* keywords */
} ImapTold;

/* Of refusals, one after the other; monotonic. */
typedef struct {
    gint64 first_us, last_us;
} ImapRow;

/* What all workers of an account share; borrowed, outlives them. */
typedef struct {
    Cache *cache;
    const ImapOptions *options;
    ImapMarks *lengths;     /* of messages whose sizes are not believed; 0: not known yet */
    ImapSuspects *suspects; /* as to trees and measures */
    /* As imap/changes.c counts them: */
    GHashTable *setbacks;   /* by change: connections lost over it */
    GHashTable *lost_looks; /* by change: connections lost over looking for it */
    GHashTable *untold;     /* by mailbox: ImapRow, for as long as the server would not tell */
    guint *n_idle_losses;   /* connections that ended soon after IDLE was sent */
} ImapAccount;

/* @cache and @options are borrowed; clear() frees the rest. */
void imap_account_init(ImapAccount *account, Cache *cache, const ImapOptions *options);
void imap_account_clear(ImapAccount *account);

/* The worker must not be freed in any of these. */
typedef struct {
    void (*ready)(ImapWorker *worker, gpointer owner);
    void (*stalled)(ImapWorker *worker, gboolean is_stalled, gpointer owner);
    /* More can be sent than a moment ago. */
    void (*has_room)(ImapWorker *worker, gpointer owner);
    void (*closed)(ImapWorker *worker, const GError *error, gpointer owner);
} ImapWorkerEvents;

struct ImapWorker {
    const ImapAccount *account;
    const ImapWorkerEvents *events;
    gpointer owner;
    ImapSession *session;
    gboolean does_lists; /* listings, syncs and short commands */
    gboolean does_bodies;
    gboolean does_changes; /* and so enters mailboxes by SELECT */
    GQueue jobs;

    guint32 box;           /* the mailbox that answers concern; 0: none */
    gboolean was_ready;    /* let in, once */
    guint32 entered;       /* the generation that box had then */
    gboolean has_selected; /* it was entered by SELECT */
    gboolean has_listed;   /* the mailboxes, and so all that is sent before them was answered */
    gboolean is_in_box; /* the EXAMINE of box succeeded, and it is the one that the cache knows */
    gboolean is_synced; /* the cache has what the server told since */
    gboolean is_dirty;  /* messages went by sequence number: only a new list of UIDs tells which */
    gboolean is_simple; /* EXAMINE is refused with parameters, and taken without */
    guint64 n_untold;   /* messages of box that are counted and that no FETCH tells of */
    gboolean has_new_flags; /* told by sequence number: which messages they are of is to be asked */
    gboolean is_idling, lacks_idle;
    guint quiet_source, news_source; /* imap/idle.c */
    ImapTold told;
    struct ImapSync *sync;       /* at work */
    struct ImapChanges *changes; /* at work on them: imap/changes.c */
    struct ImapTask *task;       /* of these, under way: imap/task.h */
    struct ImapRights *rights;   /* being asked for */
    ImapJob *streaming;          /* whose body comes now */
    gboolean has_culprit;        /* the session ended over a job */
    gboolean has_convict;        /* and that over a message that will not be asked for so again */
    gboolean tells_ahead;        /* what is needed to stream a body; FALSE once it did not */
    guint64 n_asked;             /* octets of bodies asked for and not yet answered */
    gint64 used_us;              /* when a job was last sent */
    gint64 born_us;
};

/* @size of the extended struct, whose first member is the ImapJob. */
gpointer imap_job_new(ImapWorker *worker, gsize size, guint32 box);
/* Takes the want for the job. */
void imap_job_take(ImapJob *job, const CacheWant *want);
/* The want is fulfilled, or failed. */
void imap_job_want_done(ImapJob *job, guint64 want, const GError *error);
void imap_job_wants_done(ImapJob *job, const GError *error);
/* The want is free for another job again. */
void imap_job_put_back(ImapJob *job, guint64 want);
void imap_job_put_all_back(ImapJob *job);
/* The want is @to's from now on. */
void imap_job_hand_on(ImapJob *job, guint64 want, ImapJob *to);
/* Something comes: what waits for more of it does not wait in vain. */
void imap_job_renew_wants(ImapJob *job);
/* The culprit asked of this message alone, and the session ended with @error.  TRUE when the
 * message is not to be asked for so again. */
gboolean imap_job_convicts(ImapJob *job, guint32 generation, guint32 uid, const GError *error);
/* Sends @command (taken) as the job (taken). */
void imap_job_send(gpointer job, ImapCommand *command);

typedef enum {
    IMAP_LISTER, /* one connection */
    IMAP_WRITER, /* one, while there are changes */
    IMAP_BODIES, /* some */
} ImapRole;

ImapWorker *imap_worker_new(const ImapAccount *account, ImapRole role,
                            const ImapWorkerEvents *events, gpointer owner);
void imap_worker_free(ImapWorker *worker);
gboolean imap_worker_is_ready(const ImapWorker *worker);
Cache *imap_worker_cache(const ImapWorker *worker);
ImapCommand *imap_worker_command(const ImapWorker *worker, const char *name);
gboolean imap_worker_has(const ImapWorker *worker, const char *capability);
/* The number behind @prefix among the capabilities ("APPENDLIMIT="); 0: none. */
guint64 imap_worker_capability_number(const ImapWorker *worker, const char *prefix);
/* Whether what answers concern is @box, and the one that the cache knows. */
gboolean imap_worker_is_inside(const ImapWorker *worker, guint32 box);
/* The same, and changes can be made there. */
gboolean imap_worker_has_selected(const ImapWorker *worker, guint32 box);
/* What was entered and is not what the cache knows counts as not entered. */
void imap_worker_check_box(ImapWorker *worker);
/* Whether what was entered is by UIDVALIDITY and MAILBOXID what the cache knows, if it knows it. */
gboolean imap_worker_knows_box(const ImapWorker *worker);
/* Whether what is sent now will be answered in @box: no EXAMINE of another one is ahead of it. */
gboolean imap_worker_stays_in(const ImapWorker *worker, guint32 box);

/* Translates a FLAGS list. */
MailFlags imap_flags_parse(Cache *cache, const ImapValue *list);
/* The same without what the cache has not seen yet on any message. */
MailFlags imap_flags_parse_known(Cache *cache, const ImapValue *list);

/* Whether @items tell the date and the size of @message, as far as they tell them and sizes are to
 * be believed. */
gboolean imap_is_same_message(const Cache *cache, const CacheMessage *message,
                              const ImapItems *items);
/* Why an answer is not about the message that the index has under its UID, or NULL. */
const char *imap_worker_find_stranger(const ImapWorker *worker, guint32 generation,
                                      const ImapItems *items, CacheMessage *ret_message);
#define IMAP_NOT_THERE "the server does not have the message any more"
/* The error for a message of @box that is another one, or none, for that reason: so the mailbox may
 * be, too. */
GError *imap_worker_gone(const ImapWorker *worker, guint32 box, const char *why);

/* --- wants.c --- */

/* What a want is for: the connection that lists, the one that writes, or those that get bodies. */
gboolean imap_want_is_list(const CacheWant *want);
gboolean imap_want_is_change(const CacheWant *want);
gboolean imap_want_is_body(const CacheWant *want);
/* Whether it is of @kind, of the messages that are in @box now, and nobody's yet. */
gboolean imap_want_is_open(const CacheWant *want, CacheWantKind kind, const CacheBox *box);

/* --- dispatch.c --- */

/* Sends what the connections are to do next; @bodies (ImapWorker) are those that get bodies. */
void imap_dispatch_lister(ImapWorker *worker, const GPtrArray *bodies);
void imap_dispatch_body(ImapWorker *worker, const GPtrArray *bodies);
/* Whether there is work for one more of them. */
gboolean imap_dispatch_wants_body(Cache *cache, const GPtrArray *bodies);
/* Whatever could be done to be ready for bodies was done. */
void imap_dispatch_end_ready(Cache *cache);

/* --- examine.c --- */

/* Enters @box: EXAMINE, or SELECT where the worker does changes, with QRESYNC or CONDSTORE where
 * @known and the server allow.  @done gets the result once; worker->told is filled.  FALSE when
 * there is no such box to enter. */
gboolean imap_examine(ImapWorker *worker, guint32 box, const CacheSync *known,
                      void (*done)(ImapWorker *worker, const GError *error));

/* --- sync.c --- */

/* Compares @box with the server, entering it if need be, and ends the SYNC and, if @with_uids, UIDS
 * wants for it. */
void imap_sync_start(ImapWorker *worker, guint32 box, gboolean with_uids);
void imap_sync_free(struct ImapSync *sync);
/* TRUE when a sync is at work that takes the flags; they are put when it is known what mailbox it
 * is. */
gboolean imap_sync_fetched(ImapWorker *worker, const ImapItems *items);
void imap_sync_vanished(ImapWorker *worker, const ImapResponse *response);

/* --- idle.c --- */

/* There is nothing to do: if it stays so for a second, the server is asked to tell what happens. */
void imap_idle_later(ImapWorker *worker);
/* It told something by which it is to be asked what that was: it soon is, if it came unasked. */
void imap_idle_heard(ImapWorker *worker);
void imap_idle_clear(ImapWorker *worker);

/* --- uids.c --- */

#define IMAP_MESSAGES_MAX 4000000 /* in one mailbox */

/* Asks for the UIDs in @box, entered before, that fit @criteria.  @done gets them once (borrowed),
 * or why not: TOO_BIG, PROTOCOL, or as for ImapDoneFunc. */
void imap_uids_search(ImapWorker *worker, guint32 box, const char *criteria,
                      void (*done)(ImapWorker *worker, MailSet *uids, const GError *error));

/* --- list.c --- */

/* The mailboxes; @job_done gets the result. */
void imap_list_start(ImapWorker *worker, void (*done)(ImapWorker *worker, const GError *error));

/* --- quota.c --- */

/* Wants for the quota of the account. */
void imap_quota_start(ImapWorker *worker, const CacheWant *want);

/* --- lines.c --- */

/* Sends what is wanted of lines in the worker's box. */
void imap_lines_send(ImapWorker *worker);

/* --- fetch.c --- */

/* Whether so much is asked for that no more is sent before some of it has come. */
gboolean imap_fetch_is_full(const ImapWorker *worker);
/* Sends what is wanted of blocks in @box. */
void imap_fetch_send(ImapWorker *worker, guint32 box);

/* --- trees.c --- */

/* Sends what is wanted of trees in @box; @is_short: no more than what somebody waits for. */
void imap_trees_send(ImapWorker *worker, guint32 box, gboolean is_short);

/* --- measure.c --- */

/* Sends what is wanted of measures in @box; @is_short: no more than what one round trip tells. */
void imap_measure_send(ImapWorker *worker, guint32 box, gboolean is_short);

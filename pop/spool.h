/* SPDX-License-Identifier: MIT */
/* pop/spool.h - the durable local home of the messages of a maildrop.
 *
 * A Maildir with .Read and .Trash in it, and an index of what was seen at the server.  The files
 * are the truth: the index follows them, and can be made anew from them.  Knows nothing of the
 * network.
 *
 * What changes something is put in order and done by a helper thread, many at a time: files and
 * directories are synced, then the index, then the callback comes.  What is told of messages is
 * what is durable.
 *
 *      server lists it          is retrieved             is read              is removed
 *          ---> WAITING ------------> INBOX <----------> READ ---------> TRASH --(30 days)--> GONE
 *                  \_ (not listed any more) forgotten                    (also: others removed it)
 *
 * Thread: engine.  Errors: NO_SPACE, LOCAL, and as told; CANCELLED when the spool was closed first.
 * Callbacks come once each, and never from inside the call that they were given to.
 */
#pragma once

#include "pop/message.h"
#include "pop/pop.h"

typedef struct PopSpool PopSpool;
typedef struct PopWriter PopWriter;

#define POP_UIDL_MAX          70 /* octets, RFC 1939 */
#define POP_TRASH_DAYS        30
#define POP_NUMBER_OF_CONTENT 0 /* the number is found out by what is in the message */

/* @error: nothing of it was done, or it is not known to be durable; borrowed. */
typedef void (*PopDone)(guint32 number, const GError *error, gpointer data);

/* --- life --- */

/* Opens DIR/spool and DIR/pop.sqlite, making what is missing, and takes in what other programs did
 * to the Maildirs.  Reads the directories only, unless there are messages that are not known: those
 * are read and synced.  Waits for the disk.  LOCAL: also when another process has it open. */
PopSpool *pop_spool_open(const char *dir, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Ends what is at work, waiting for the disk; gives up what is not, with CANCELLED.  Calls back
 * when nothing of the spool is left.  Writers are freed before. */
void pop_spool_close(PopSpool *spool);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PopSpool, pop_spool_close)

/* Looks for what other programs did meanwhile.  Cheap when they did nothing.  @done is told number
 * 1 if something has changed, else 0. */
void pop_spool_refresh(PopSpool *spool, PopDone done, gpointer data);

/* --- messages --- */

/* The message with the lowest number above @after, but none that is GONE; NULL at the end.
 * Borrowed until the main loop runs. */
const PopMessage *pop_spool_next(const PopSpool *spool, guint32 after);
/* Also one that is GONE; NULL when there is none. */
const PopMessage *pop_spool_get(const PopSpool *spool, guint32 number);
/* Above all numbers there were. */
guint32 pop_spool_next_number(const PopSpool *spool);
/* As a UIDVALIDITY: numbers under another one are of other messages. */
guint32 pop_spool_validity(const PopSpool *spool);

/* --- the server's list --- */

typedef struct {
    const char *uidl; /* NULL: the server has none */
    guint64 size;     /* as announced */
} PopListed;

typedef enum {
    POP_MATCH_NEW,       /* has a number now, and is WAITING */
    POP_MATCH_WAITING,   /* known, not retrieved yet */
    POP_MATCH_STORED,    /* was retrieved: INBOX, READ, TRASH or GONE */
    POP_MATCH_DOUBTFUL,  /* as before, but may be another message, of the same UIDL: retrieve it
                            again with its number to find out; is never deleted before */
    POP_MATCH_AMBIGUOUS, /* its UIDL means nothing: retrieve it with POP_NUMBER_OF_CONTENT */
} PopMatchKind;

typedef struct {
    PopMatchKind kind;
    guint32 number;         /* 0 when ambiguous */
    gboolean may_be_stored; /* it is new, and UIDLs of others are lost: only its content tells */
} PopMatch;

/* @matches: @n as listed; NULL on error.  Borrowed. */
typedef void (*PopMatched)(const PopMatch *matches, guint n, const GError *error, gpointer data);

/* Takes the whole list of the server: what is not in it is not there any more.  Messages that were
 * WAITING and are not listed, or ambiguous, are forgotten. */
void pop_spool_match(PopSpool *spool, const PopListed *listed, guint n, PopMatched matched,
                     gpointer data);

/* Keeps the header of a message that is WAITING, and its date: NOT_FOUND when it is not. */
void pop_spool_put_header(PopSpool *spool, guint32 number, gint64 date, GBytes *header,
                          PopDone done, gpointer data);
/* New; NULL when none was put, or the message was retrieved since.  Reads from the disk. */
GBytes *pop_spool_dup_header(const PopSpool *spool, guint32 number);

/* --- storing --- */

/* Begins to store a message that is being retrieved.  Several can be under way.  The writer is
 * yours. */
PopWriter *pop_spool_receive(PopSpool *spool, guint32 number);
/* FALSE, for good, when the disk refuses it. */
gboolean pop_writer_append(PopWriter *writer, const void *bytes, gsize len,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Takes the writer.  When @done comes, the message is durable.  It is told the number that the
 * message has: another than was asked for when the same content is here already (the one that was
 * WAITING is forgotten then), or when something else was here under its UIDL (both are kept, and
 * deletion is stopped).  On an error nothing is there, and it may be retrieved again. */
void pop_writer_finish(PopWriter *writer, PopDone done, gpointer data);
/* Gives up: nothing is left. */
void pop_writer_free(PopWriter *writer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PopWriter, pop_writer_free)

/* Octets that are received and not durable yet: who reads faster than the disk writes waits. */
guint64 pop_spool_backlog(const PopSpool *spool);

/* --- reading --- */

/* A descriptor of the message, to be read; yours.  The octets are those of the wire.  NOT_FOUND
 * when it is not here (any more); LOCAL when it is not of the size that it was stored with. */
int pop_spool_open_file(const PopSpool *spool, guint32 number,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* --- what users do --- */

/* Moves a message that is stored: to INBOX, READ or TRASH.  NOT_FOUND when it is not here. */
void pop_spool_move(PopSpool *spool, guint32 number, PopPlace place, PopDone done, gpointer data);
/* Only flags that have a letter are kept.  NOT_FOUND. */
void pop_spool_set_flags(PopSpool *spool, guint32 number, MailFlags flags, PopDone done,
                         gpointer data);
/* Removes what has been in the trash for POP_TRASH_DAYS, and forgets what has long been gone. */
void pop_spool_clean(PopSpool *spool, gint64 now, PopDone done, gpointer data);

/* --- deleting at the server --- */

/* Whether the server may be told to delete it now: the last list had it, it is proved to be the
 * message that is durable here, and its file is where it was left, or it was in the trash for
 * POP_TRASH_DAYS.  @keep_days: since it was retrieved;
 * 0 none, POP_KEEP_FOREVER.  Looks at the disk. */
gboolean pop_spool_may_delete(const PopSpool *spool, guint32 number, guint keep_days, gint64 now);
/* The server was told to delete these, and with @is_confirmed has said that it did; else the next
 * list tells. */
void pop_spool_note_deleted(PopSpool *spool, const guint32 *numbers, guint n, gboolean is_confirmed,
                            PopDone done, gpointer data);
/* What came for these may have been of other messages: those that are stored are DOUBTFUL, and the
 * headers of those that are WAITING are forgotten. */
void pop_spool_note_doubt(PopSpool *spool, const guint32 *numbers, guint n, PopDone done,
                          gpointer data);

/* --- figures --- */

typedef struct {
    guint n[POP_N_PLACES];
    guint64 bytes[POP_N_PLACES];
    const char *stopped; /* why nothing is deleted at the server any more, or NULL; borrowed */
    const char *failure; /* the last, or NULL when all went well since; borrowed */
} PopFigures;

void pop_spool_figures(const PopSpool *spool, PopFigures *ret_figures);

/* SPDX-License-Identifier: MIT */
/* pop/backend.h - what the files of the backend share. */
#pragma once

#include "pop/files.h"
#include "pop/visit.h"

/* Messages of a mailbox that are to be listed, from @high down to @low. */
typedef struct {
    guint64 want; /* 0: nobody waits */
    guint32 box, low, high;
} PopListing;

struct PopBackend {
    Cache *cache;
    PopOptions options;
    PopSpool *spool; /* NULL when it could not be opened */
    PopFiles *files;
    PopSuspects *suspects;
    guint32 inbox, read; /* the mailboxes */
    guint dispatch_source, clean_source;

    /* answers.c */
    gboolean is_behind;  /* the cache was not told all that the spool has */
    gboolean is_looking; /* at what other programs did to the spool */
    gboolean has_failed_to_look;
    GArray *taken; /* guint64: wants that end when that is known */

    /* lines.c */
    GQueue listings;    /* PopListing, owned */
    PopListing rest[2]; /* INBOX and Read */
    guint list_source;

    /* calls.c */
    PopVisit *visit;
    gboolean has_listed; /* it has told what the server has */
    gint64 tried_us;     /* when it began, or the last one did */
    gint64 listed_us;    /* when the last one began that has told; 0: none */
    gboolean is_stale;   /* what it told: somebody has asked for news since */
    gboolean has_started;
    gboolean has_failed;    /* to start: nothing is tried any more */
    gboolean is_refused;    /* by the server, or by us for its certificate */
    gboolean is_barred;     /* for so long that nobody waits for it */
    gboolean is_long;       /* the visit: listings do not wait for what it retrieves */
    gint64 rests_until_us;  /* as the server wants it */
    gint64 logged_in_us;    /* the visit, or the last one: not later than this */
    gboolean has_told_stop; /* of deletion */
    NetPatience patience;
    guint busy_s; /* what was waited last for a server that was busy */
    guint retry_source, rest_source, linger_source, long_source, start_source;
    GError *start_error;

    /* retrieval.c */
    GHashTable *retrievals; /* number -> GArray of wants (guint64), owned: asked for by the visit */
    gint64 renewed_us;

    /* drain.c */
    guint32 seen_change; /* the newest that is in the next two, or was */
    GArray *due;         /* guint32: changes to be made */
    GHashTable *held;    /* number -> GArray of changes (guint32), owned: it is not here yet */
    GQueue unasked;      /* numbers of these that no visit was asked for */
    GQueue put_off;      /* those that the server refused for the present: the next visit is asked,
                            but none is begun for them */
    struct PopBatch *batch; /* that is not begun yet */
    guint n_draining;       /* changes of it, or of the one that is at work */
    gint64 drained_us;      /* when one was begun last */
    guint gather_source;
};

/* --- backend.c --- */

/* Looks at wants and changes again, from the main loop. */
void pop_backend_dispatch_later(PopBackend *backend);
/* The mailbox that shows messages of @place; 0: none does. */
guint32 pop_backend_box(const PopBackend *backend, PopPlace place);
void pop_backend_tell_rights(PopBackend *backend, guint32 box);

/* --- answers.c: what the spool can tell --- */

void pop_answers_init(PopBackend *backend);
void pop_answers_clear(PopBackend *backend);
/* Answers wants, but for listings that wait for a visit, and for bytes. */
void pop_answers_run(PopBackend *backend);
/* Tells the cache which messages there are, and what is known of them. */
void pop_answers_tell(PopBackend *backend);
/* All listings that wait are answered, and the cache told, when it is known what other programs did
 * to the spool. */
void pop_answers_end_listings(PopBackend *backend);

/* --- lines.c: listing messages --- */

void pop_lines_clear(PopBackend *backend);
/* Takes the want: it ends when its messages are listed. */
void pop_lines_want(PopBackend *backend, const CacheWant *want);
/* Lists what is left of both mailboxes: what is not listed could not be while the server is out of
 * reach. */
void pop_lines_later(PopBackend *backend);
/* Lists @number now, or tells what is known of it meanwhile. */
void pop_lines_put(PopBackend *backend, guint32 number);
/* FALSE when it is not listed. */
gboolean pop_lines_correct(PopBackend *backend, const PopMessage *message);

/* --- calls.c: visits of the maildrop, and how we stand to the server --- */

/* The first visit, whose outcome is that of the start. */
void pop_calls_start(PopBackend *backend);
void pop_calls_tell_start(PopBackend *backend, const GError *error);
void pop_calls_clear(PopBackend *backend);
/* The visit, if it takes more; NULL: one that does will come, or the server is out of reach. */
PopVisit *pop_calls_need(PopBackend *backend);
/* Whether a listing may do with what the server had when it last told. */
gboolean pop_calls_is_fresh(const PopBackend *backend, gboolean is_urgent);
/* As of when (monotonic) is what the server last told. */
gint64 pop_calls_told_us(const PopBackend *backend);
/* A listing may not: the server is asked anew. */
void pop_calls_look_again(PopBackend *backend);
/* Somebody asked, while the server was out of reach: it is tried, if it was not just now. */
void pop_calls_try_again(PopBackend *backend);
/* Ends the visit if nothing is wanted for some time. */
void pop_calls_settle(PopBackend *backend);

/* --- retrieval.c: messages that are wanted --- */

void pop_retrieval_init(PopBackend *backend);
void pop_retrieval_clear(PopBackend *backend);
/* What is wanted of messages is retrieved, or here already. */
void pop_retrieval_run(PopBackend *backend);
/* Who waits for what comes does not wait in vain. */
void pop_retrieval_renew(PopBackend *backend);
void pop_retrieval_done(PopBackend *backend, guint32 number, guint32 stored, const GError *error);
/* Nobody who waits is served for the present. */
void pop_retrieval_fail(PopBackend *backend, const GError *error);

/* --- drain.c: changes --- */

void pop_drain_init(PopBackend *backend);
void pop_drain_clear(PopBackend *backend);
void pop_drain_run(PopBackend *backend);
/* A visit begins: what was put off is asked for. */
void pop_drain_visit(PopBackend *backend);
/* Changes may be held for @number: it is here, or is not to be had; */
void pop_drain_release(PopBackend *backend, guint32 number);
/* it cannot be retrieved; */
void pop_drain_fail(PopBackend *backend, guint32 number, const GError *error);
/* or not by this visit: another is begun for it, unless it @is_put_off. */
void pop_drain_keep(PopBackend *backend, guint32 number, gboolean is_put_off);

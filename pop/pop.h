/* SPDX-License-Identifier: MIT */
/* pop/pop.h - a POP3 account (RFC 1939) as the backend of a cache.
 *
 * The messages are in a spool of our own, from which all is answered; now and then the maildrop is
 * visited, for as short as can be, to see what has come, to retrieve what is read, and to delete
 * what the user has done with.  Thread: engine.
 */
#pragma once

#include "cache/cache.h"
#include "net/net.h"

#define POP_KEEP_FOREVER G_MAXUINT

typedef struct PopBackend PopBackend;

typedef struct {
    const MailAccount *account;
    NetSecret *secret;
    NetTrust *trust;             /* not needed for MAIL_SECURITY_NONE */
    const char *const *disabled; /* capabilities that the server shall be taken to lack; or NULL */
    gboolean is_read_only;       /* nothing that was changed here is done, and nothing deleted */
    guint timeout_s;             /* of each step of a connection, and of a silent command */
    guint poll_s;                /* a listing looks at the server when the last look is older */
    guint keep_days;        /* what was read stays at the server so long after it was retrieved;
                               0: until the end of the visit; or POP_KEEP_FOREVER */
    gboolean retrieves_all; /* at every visit, not only what is wanted */
    /* Called once: with NULL when the server has told what it has, or is too busy for that and what
     * is here must do, else with why not; then nothing more is tried. */
    void (*started)(const GError *error, gpointer data);
    gpointer data;
} PopOptions;

/* What @options points to must live as long as the backend; @cache is borrowed, and nothing was
 * asked of it yet. */
PopBackend *pop_backend_new(Cache *cache, const PopOptions *options);
/* Drops the connection; waits for the disk. */
void pop_backend_free(PopBackend *backend);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PopBackend, pop_backend_free)

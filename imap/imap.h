/* SPDX-License-Identifier: MIT */
/* imap/imap.h - an IMAP account as the backend of a cache.
 *
 * Connects, logs in, lists the mailboxes, and from then on fulfils the cache's wants and tells it
 * the news, reconnecting as needed.  Thread: engine.
 */
#pragma once

#include "cache/cache.h"
#include "net/net.h"

typedef struct ImapBackend ImapBackend;

typedef struct {
    const MailAccount *account;
    NetSecret *secret;
    NetTrust *trust;             /* not needed for MAIL_SECURITY_NONE */
    const char *const *disabled; /* capabilities that the server shall be taken to lack; or NULL */
    gboolean is_read_only;       /* what earlier runs left in the journal is not sent either */
    guint timeout_s;             /* of each step of a connection, and of a silent command */
    /* Called once: with NULL when the first login and list have succeeded, else with why not; then
     * nothing more is tried. */
    void (*started)(const GError *error, gpointer data);
    gpointer data;
} ImapOptions;

/* @options and what it points to must live as long as the backend; @cache is borrowed. */
ImapBackend *imap_backend_new(Cache *cache, const ImapOptions *options);
/* Says goodbye to the server as far as that goes without waiting. */
void imap_backend_free(ImapBackend *backend);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapBackend, imap_backend_free)

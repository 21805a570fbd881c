/* SPDX-License-Identifier: MIT */
/* imap/backend.h - what the workers of an account ask of it. */
#pragma once

#include "imap/worker.h"

Cache *imap_backend_cache(const ImapBackend *backend);
const ImapOptions *imap_backend_options(const ImapBackend *backend);
/* Looks at the wants again, from the main loop. */
void imap_backend_dispatch_later(ImapBackend *backend);

void imap_backend_worker_ready(ImapBackend *backend, ImapWorker *worker);
void imap_backend_worker_stalled(ImapBackend *backend, ImapWorker *worker, gboolean is_stalled);
/* Frees the worker, later. */
void imap_backend_worker_closed(ImapBackend *backend, ImapWorker *worker, const GError *error);

/* TRUE the second time that it is asked for this message and section: a literal was shorter than its
 * size told, and is so again (imap/fetch.c). */
gboolean imap_backend_is_short_again(ImapBackend *backend, guint32 generation, guint32 uid,
                                     const char *section);

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

/* Whether the size of a message has turned out to be a lie; *ret_length: what it is really, or 0
 * when that is not known yet (imap/fetch.c). */
gboolean imap_backend_is_in_doubt(ImapBackend *backend, guint32 generation, guint32 uid,
                                  guint64 *ret_length);
void imap_backend_set_length(ImapBackend *backend, guint32 generation, guint32 uid, guint64 length);

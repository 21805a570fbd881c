/* SPDX-License-Identifier: MIT */
/* imap/letters.h - what an access control list lets us do (RFC 4314). */
#pragma once

#include "imap/worker.h"

/* Takes from @rights what the @letters of MYRIGHTS do not give. */
void imap_letters_apply(const char *letters, CacheRights *rights);
/* Asks, where the cache does not know, whether anything may be done in @box, and tells it: so that
 * a listing shows it.  @then is called when that has ended, whichever way.  FALSE when there is
 * nothing to ask. */
gboolean imap_letters_ask(ImapWorker *worker, guint32 box, void (*then)(ImapWorker *worker));

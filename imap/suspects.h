/* SPDX-License-Identifier: MIT */
/* imap/suspects.h - messages whose structure a server may not survive to tell: connections ended
 * when an answer about it was due. */
#pragma once

#include <glib.h>

typedef struct ImapSuspects ImapSuspects;

ImapSuspects *imap_suspects_new(void);
void imap_suspects_free(ImapSuspects *suspects);

/* A connection ended over one of several messages, of which this is one. */
void imap_suspects_add(ImapSuspects *suspects, guint32 generation, guint32 uid);
gboolean imap_suspects_has(const ImapSuspects *suspects, guint32 generation, guint32 uid);
/* What was asked of the message has ended. */
void imap_suspects_remove(ImapSuspects *suspects, guint32 generation, guint32 uid);

/* A connection ended over this message alone.  TRUE when it is the message's fault: @is_sure, or it
 * is no accident any more; else it is suspected from now on. */
gboolean imap_suspects_convict(ImapSuspects *suspects, guint32 generation, guint32 uid,
                               gboolean is_sure);
/* How many messages were at fault of late: some, so this server is not to be asked over a
 * connection that is needed; and too many, so it is not to be asked at all. */
gboolean imap_suspects_were_right(const ImapSuspects *suspects);
gboolean imap_suspects_were_many(const ImapSuspects *suspects);

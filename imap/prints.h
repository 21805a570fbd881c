/* SPDX-License-Identifier: MIT */
/* imap/prints.h - by what messages are told apart that were sent and have no known UID: finding
 * them among those that a mailbox has.
 */
#pragma once

#include "mail/mail.h"

typedef struct {
    char *message_id;     /* as an ENVELOPE tells it; "" where there is none */
    char *date_header;    /* the same */
    gint64 internal_date; /* G_MININT64: not known, or not kept */
    guint64 size;
} ImapPrint;

ImapPrint imap_print_new(const MailEnvelope *envelope, gint64 internal_date, guint64 size);
/* Of the bytes of a message with CRLF. */
ImapPrint imap_print_of_bytes(GBytes *bytes, gint64 internal_date);
void imap_print_clear(ImapPrint *print);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImapPrint, imap_print_clear)

/* Whether one of them could be taken for the other when the answer to both is lost. */
gboolean imap_print_is_like(const ImapPrint *print, const ImapPrint *other);

/* Messages that are sought, in the order in which they were sent, and those that a mailbox has. */
typedef struct ImapPrints ImapPrints;

ImapPrints *imap_prints_new(void);
void imap_prints_free(ImapPrints *prints);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapPrints, imap_prints_free)
/* @print (taken) is sought among UIDs from @uidnext on.  @replaced: the UID of the message that it
 * takes the place of, an earlier version perhaps, or 0. */
void imap_prints_seek(ImapPrints *prints, guint32 uidnext, guint32 replaced, ImapPrint print);
/* @print (taken) is there as @uid; in any order, after all that is sought.  Kept only if it may be
 * one of them, and of those the first 100,000. */
void imap_prints_tell(ImapPrints *prints, guint32 uid, ImapPrint print);
/* The UID of each that is sought, in that order, or 0; nothing is found twice.  A message is found
 * by its Message-ID, size and date; where a server changed one of those, by the Message-ID and the
 * other if one is left that has it and one that is sought with it; without a Message-ID by the Date
 * header, size and date.  What replaces another is not found by its date, as another version of it
 * may have come from elsewhere.  New; guint32. */
GArray *imap_prints_find(ImapPrints *prints);

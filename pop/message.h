/* SPDX-License-Identifier: MIT */
/* pop/message.h - what is known of a message of a maildrop. */
#pragma once

#include "mail/mail.h"
#include "pop/hash.h"

typedef enum {
    POP_PLACE_WAITING, /* not retrieved yet: it is at the server only */
    POP_PLACE_INBOX,   /* a file of that Maildir, and the same for the next two */
    POP_PLACE_READ,
    POP_PLACE_TRASH,
    POP_PLACE_GONE, /* it was retrieved, and removed here: known, so that it does not come back */
} PopPlace;
#define POP_N_PLACES 5

typedef enum {
    POP_ABSENT,   /* the server has it no more, or its UIDL is not known */
    POP_LISTED,   /* the server has it */
    POP_UNSURE,   /* it was told to delete it and did not say that it has */
    POP_DOUBTFUL, /* what the server has under its UIDL may be another message */
} PopPresence;

/* Times are seconds since 1970. */
typedef struct {
    guint32 number; /* from 1; never of another message */
    PopPlace place;
    PopPresence presence;
    MailFlags flags;
    guint64 size; /* octets of its file; as the server announced it while it is waiting */
    gint64 date;
    gint64 retrieved;    /* 0 while it is waiting */
    gint64 trashed;      /* when it came into the trash, else 0 */
    gint64 left;         /* when it was last heard of, if it is both gone and absent; else 0 */
    const char *uidl;    /* NULL when not known */
    const char *base;    /* of its file's name, without flags; NULL while it is waiting */
    gboolean has_header; /* it is waiting, and its header is here */
    gboolean has_hash;
    guint8 hash[POP_HASH_LEN]; /* of the octets as stored */
} PopMessage;

/* Whether it has a file here. */
static inline gboolean pop_message_is_stored(const PopMessage *message)
{
    return message->place != POP_PLACE_WAITING && message->place != POP_PLACE_GONE;
}

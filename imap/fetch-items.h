/* SPDX-License-Identifier: MIT */
/* imap/fetch-items.h - what one FETCH response says (RFC 9051 7.5.2).
 *
 * Tolerant: items may come in any order, unknown ones are skipped, wrong ones are as if absent.
 */
#pragma once

#include "imap/value.h"

typedef enum {
    IMAP_ITEM_UID = 1 << 0,
    IMAP_ITEM_FLAGS = 1 << 1,
    IMAP_ITEM_SIZE = 1 << 2,
    IMAP_ITEM_DATE = 1 << 3,
    IMAP_ITEM_ENVELOPE = 1 << 4,
    IMAP_ITEM_BODYSTRUCTURE = 1 << 5,
    IMAP_ITEM_BODY = 1 << 6,     /* a BODY[section] with a string */
    IMAP_ITEM_BODY_NIL = 1 << 7, /* a BODY[section] that was NIL */
} ImapItem;

/* Holds a number of MAIL_SECTION_MAX octets with its keyword, and a NUL. */
#define IMAP_SECTION_SIZE (MAIL_SECTION_MAX + 128)

typedef struct {
    guint present; /* ImapItem bits */
    guint32 uid;   /* never 0 when present */
    guint64 size;
    gint64 date;                     /* INTERNALDATE, Unix seconds */
    const ImapValue *flags;          /* a list */
    const ImapValue *envelope;       /* a list */
    const ImapValue *bodystructure;  /* a list */
    char section[IMAP_SECTION_SIZE]; /* of the first BODY[]: canonical, upper case, ""
                                        for the whole, "1.2.MIME", "HEADER.FIELDS (SUBJECT TO)";
                                        header names unquoted */
    gboolean has_origin;
    guint64 origin;        /* "<4096>" */
    const ImapValue *body; /* the string */
    const ImapValue *rest; /* the pairs behind that BODY[] */
} ImapItems;

/* @list is the parenthesized list of a FETCH response.  FALSE when it is no list of pairs. */
gboolean imap_items_parse(const ImapValue *list, ImapItems *ret_items);

/* Puts the next BODY[] of the response in the place of the one that @items has.  FALSE when there
 * is no other: then @items has none. */
gboolean imap_items_next_body(ImapItems *items);

/* "17-Jul-1996 02:44:25 -0700" to Unix seconds; years 0000 to 9999; any blank-padded day. */
gboolean imap_date_parse(const char *text, gint64 *ret_date);

/* The ENVELOPE, decoded; addresses beyond the first 1,000 of a field are left out.  Absent or wrong
 * fields are "".  Group syntax (RFC 9051 7.5.2) shows as nothing. */
MailEnvelope *imap_envelope_parse(const ImapValue *list);

/* The part tree, or NULL when it is missing, wrong or over MAIL_PART_DEPTH_MAX or MAIL_PARTS_MAX:
 * then the message is parsed here instead. */
MailPart *imap_bodystructure_parse(const ImapValue *list);

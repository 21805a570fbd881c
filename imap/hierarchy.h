/* SPDX-License-Identifier: MIT */
/* imap/hierarchy.h - names of mailboxes as the server writes them, and what LIST tells of them
 * (RFC 9051 7.3.1).
 */
#pragma once

#include "imap/value.h"

typedef struct {
    const char *wire;      /* its name; "" for the root */
    const char *delimiter; /* between levels; "" where there are none */
    guint attributes;      /* CacheBoxAttributes */
} ImapListed;

/* What follows "* LIST", borrowed.  FALSE when its name or delimiter cannot be used; then wire is
 * the name as far as there is one, or NULL. */
gboolean imap_listed_parse(const ImapValue *values, ImapListed *ret_listed);

/* INBOX in any case is one mailbox (RFC 9051 5.1). */
gboolean imap_is_inbox(const char *wire);
gboolean imap_is_same_box(const char *wire, const char *other);

/* The name of the mailbox @component (UTF-8) below what begins with @place, "Work/"; in UTF-8 or in
 * modified UTF-7.  New; INVALID when no level can have that name. */
char *imap_wire_new(const char *place, const char *delimiter, const char *component,
                    gboolean is_utf8, GError **error);
/* With what all names begin that are below the mailbox which is @n levels above @wire: "a/" for
 * "a/b/c" and 2.  New; NULL when there is none. */
char *imap_wire_dup_place(const char *wire, const char *delimiter, guint n);

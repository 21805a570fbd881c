/* SPDX-License-Identifier: MIT */
/* imap/groups.h - which changes of messages make one command, and which new UIDs its answer tells
 * (RFC 4315 3).
 */
#pragma once

#include "cache/cache.h"

typedef struct {
    guint32 id, uid;
    CacheChangeKind kind;
    guint32 target;
    MailFlags add, remove;
} ImapMessageChange;

/* @changes by what is done, to one target: GArrays of ImapMessageChange, each in ascending UID; of
 * one message there is only one change.  New. */
GPtrArray *imap_groups_new(const GArray *changes);
/* @group in pieces of at most @max, whose UIDs take at most @len_max octets as a set, but one UID
 * at least.  New. */
GPtrArray *imap_group_cut(const GArray *group, guint max, gsize len_max);
/* In two halves; @group has more than one.  New. */
GPtrArray *imap_group_halve(const GArray *group);
MailSet *imap_group_dup_uids(const GArray *group);
/* @set as texts of at most @len_max octets, but one range at least; NULL-ended. */
char **imap_set_cut(const MailSet *set, gsize len_max);
/* The changes' ids; new. */
GArray *imap_group_dup_ids(const GArray *group);

typedef struct {
    guint32 from, to;
} ImapUidPair;

/* The sets of a COPYUID: the first UID of one became the first of the other, and so on, in the
 * order in which they stand there.  New; NULL when they are no sets, of different size, or of more
 * than
 * @max UIDs. */
GArray *imap_copyuid_parse(const char *from, const char *to, gsize max);

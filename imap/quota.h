/* SPDX-License-Identifier: MIT */
/* imap/quota.h - what a server tells of quota (RFC 9208 4.2, 5, and RFC 2087 before it). */
#pragma once

#include "cache/cache.h"
#include "imap/value.h"

/* The answer to one GETQUOTAROOT. */
typedef struct ImapQuota ImapQuota;

ImapQuota *imap_quota_new(void);
/* Accepts NULL. */
void imap_quota_free(ImapQuota *quota);
/* TRUE when @response is one about quota. */
gboolean imap_quota_take(ImapQuota *quota, const ImapResponse *response);
/* Of the roots that the mailbox was said to have, the one that leaves the least of each; storage in
 * octets, a multiple of 1,024. */
void imap_quota_tell(const ImapQuota *quota, CacheResource *ret_storage,
                     CacheResource *ret_messages);

/* SPDX-License-Identifier: MIT */
/* net/secret-private.h - a buffer in which a password is read, wiped when freed. */
#pragma once

#include "net/net.h"

#define NET_SCRATCH_MAX (64 * 1024)

typedef struct {
    gsize len;
    char bytes[NET_SCRATCH_MAX + 1]; /* one more, to see that there was more */
} NetScratch;

NetScratch *net_scratch_new(void);
void net_scratch_free(NetScratch *scratch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetScratch, net_scratch_free)

/* The first line without CR and LF.  INVALID, beginning with @what, when it is empty or longer
 * than NET_SCRATCH_MAX. */
NetSecret *net_scratch_first_line(const NetScratch *scratch, const char *what, GError **error);

/* Sets LOCAL "@what: text of @errnum"; returns FALSE. */
gboolean net_scratch_fail(const char *what, int errnum, GError **error);

/* SPDX-License-Identifier: MIT */
/* pop/pop.h - a POP3 account (RFC 1939). */
#pragma once

#include "net/net.h"

#define POP_KEEP_FOREVER G_MAXUINT

typedef struct {
    const MailAccount *account;
    NetSecret *secret;
    NetTrust *trust;             /* not needed for MAIL_SECURITY_NONE */
    const char *const *disabled; /* capabilities that the server shall be taken to lack; or NULL */
    guint timeout_s;             /* of each step of a connection, and of a silent command */
    guint keep_days;        /* what was read stays at the server so long after it was retrieved;
                               0: until the end of the visit; or POP_KEEP_FOREVER */
    gboolean retrieves_all; /* at every visit, not only what is wanted */
} PopOptions;

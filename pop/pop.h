/* SPDX-License-Identifier: MIT */
/* pop/pop.h - a POP3 account (RFC 1939). */
#pragma once

#include "net/net.h"

typedef struct {
    const MailAccount *account;
    NetSecret *secret;
    NetTrust *trust;             /* not needed for MAIL_SECURITY_NONE */
    const char *const *disabled; /* capabilities that the server shall be taken to lack; or NULL */
    guint timeout_s;             /* of each step of a connection, and of a silent command */
} PopOptions;

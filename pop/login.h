/* SPDX-License-Identifier: MIT */
/* pop/login.h - from the greeting to a session that is logged in. */
#pragma once

#include "pop/session-private.h"

void pop_login_greeted(PopSession *session, const PopStatus *greeting);
/* The stream is ready again: after STLS. */
void pop_login_tls_is_up(PopSession *session);

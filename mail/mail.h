/* SPDX-License-Identifier: MIT */
/* mail/mail.h - the words that every folder uses. */
#pragma once

#include "mail/account.h"
#include "mail/envelope.h"
#include "mail/error.h"
#include "mail/flags.h"
#include "mail/part.h"
#include "mail/set.h"

/* SPDX-License-Identifier: MIT */
/* mail/error.c - the error domain. */
#include "mail/error.h"

G_DEFINE_QUARK(mail - error - quark, mail_error)

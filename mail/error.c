/* SPDX-License-Identifier: MIT */
/* mail/error.c - the error domain. */
#include "mail/error.h"

#include <errno.h>

G_DEFINE_QUARK(mail - error - quark, mail_error)

MailError mail_error_of_disk(int errsv)
{
    return errsv == ENOSPC || errsv == EDQUOT ? MAIL_ERROR_NO_SPACE : MAIL_ERROR_LOCAL;
}

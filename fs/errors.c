/* SPDX-License-Identifier: MIT */
/* fs/errors.c - what the kernel is told of an error: the one table. */
#include <errno.h>

#include "fs/private.h"

static const int codes[] = {
    [MAIL_ERROR_CANCELLED] = EINTR,
    [MAIL_ERROR_OFFLINE] = EHOSTUNREACH,
    [MAIL_ERROR_TIMEOUT] = ETIMEDOUT,
    [MAIL_ERROR_TLS] = EACCES,
    [MAIL_ERROR_AUTH] = EACCES,
    [MAIL_ERROR_PERMISSION] = EACCES,
    [MAIL_ERROR_READ_ONLY] = EROFS,
    [MAIL_ERROR_NOT_FOUND] = ENOENT,
    [MAIL_ERROR_GONE] = ESTALE,
    [MAIL_ERROR_EXISTS] = EEXIST,
    [MAIL_ERROR_BUSY] = EBUSY,
    [MAIL_ERROR_QUOTA] = EDQUOT,
    [MAIL_ERROR_TOO_BIG] = EFBIG,
    [MAIL_ERROR_INVALID] = EINVAL,
    [MAIL_ERROR_UNSUPPORTED] = EOPNOTSUPP,
    [MAIL_ERROR_PROTOCOL] = EIO,
    [MAIL_ERROR_SERVER] = EIO,
    [MAIL_ERROR_NO_SPACE] = ENOSPC,
    [MAIL_ERROR_LOCAL] = EIO,
};

int fs_errno(const GError *error)
{
    if (error->domain != MAIL_ERROR || error->code < 0 || error->code >= (int)G_N_ELEMENTS(codes))
        return EIO;
    return codes[error->code];
}

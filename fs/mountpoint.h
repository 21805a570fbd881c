/* SPDX-License-Identifier: MIT */
/* fs/mountpoint.h - the directory to mount on. */
#pragma once

#include "mail/mail.h"

/* The absolute path of @path; a mount of ours that died there is taken away.  Fails with INVALID
 * when it is no directory, or one that somebody else's mount holds. */
char *mountpoint_prepare(const char *path, GError **error);

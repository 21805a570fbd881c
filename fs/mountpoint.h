/* SPDX-License-Identifier: MIT */
/* fs/mountpoint.h - the directory to mount on. */
#pragma once

#include "mail/mail.h"

/* The absolute path of @path; a mount of ours that died there is taken away.  Fails with INVALID
 * when it is no directory, or one that is not the caller's to mount on. */
char *mountpoint_prepare(const char *path, GError **error);
/* Whether the caller may let other users in; fusermount3 would say it only after the login. */
gboolean mountpoint_check_others(GError **error);

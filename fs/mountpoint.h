/* SPDX-License-Identifier: MIT */
/* fs/mountpoint.h - the directory to mount on. */
#pragma once

#include "mail/mail.h"

/* The absolute path of @path; a mount of ours that died there is taken away.  Fails with INVALID
 * when it is no directory, or one that is not the caller's to mount on. */
char *mountpoint_prepare(const char *path, GError **error);
/* Whether the caller may let other users in; fusermount3 would say it only after the login. */
gboolean mountpoint_check_others(GError **error);
/* The number by which the kernel knows the mailfs on the absolute @path; 0 when there is none. */
guint mountpoint_device(const char *path);
/* Has the kernel end all calls in the mailfs on @path with an error, now and ever after, if it is
 * still that of @device.  Does not ask it.  Nothing happens where /sys/fs/fuse/connections, which
 * the kernel keeps for that, is not mounted. */
void mountpoint_abort(const char *path, guint device);

/* SPDX-License-Identifier: MIT */
/* fs/deadman.h - a dead man's switch: who calls us is let go even if we are killed.
 *
 * The kernel waits for our answers as long as one of our threads lives, and the notifier's may wait
 * in the kernel for a lock that a caller of ours holds, where it cannot be killed: then none of the
 * three would ever go on.  A child that is no part of that aborts the mount when we have died.
 */
#pragma once

#include <glib.h>

typedef struct Deadman Deadman;

/* Starts the child.  Call in the thread that lives longest, before there are others and before
 * there are secrets, for the child keeps the memory as it is.  NULL with LOCAL if it cannot. */
Deadman *deadman_new(GError **error);
/* The mount that the child is to abort; from now on. */
void deadman_set_mount(Deadman *deadman, const char *mountpoint);
/* Ends the child; NULL is fine. */
void deadman_free(Deadman *deadman);

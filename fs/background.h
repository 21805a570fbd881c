/* SPDX-License-Identifier: MIT */
/* fs/background.h - going to the background only when all is well. */
#pragma once

#include <glib.h>

/* Forks; returns in the child alone.  The parent waits for what the child says and exits with it: 0
 * after background_succeeded(), else with the child's own status; until then the child gets SIGTERM
 * when the parent ends.  Call before there are threads. */
void background_fork(void);
/* Lets the parent go, and lets go of the session and its terminal.  Without background_fork():
 * nothing. */
void background_succeeded(void);

/* SPDX-License-Identifier: MIT */
/* fs/log.h - where the log goes. */
#pragma once

#include <glib.h>

/* Lines to stderr: messages and worse; with @is_verbose also infos; with @is_debug all. */
void log_start(gboolean is_verbose, gboolean is_debug);
/* From here on to syslog. */
void log_to_syslog(void);

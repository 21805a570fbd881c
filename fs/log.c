/* SPDX-License-Identifier: MIT */
/* fs/log.c - where the log goes: stderr in the foreground, syslog in the background. */
#include "fs/log.h"

#include <stdio.h>
#include <syslog.h>

static GLogLevelFlags shown =
    G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING | G_LOG_LEVEL_MESSAGE;
static gboolean is_syslog;

static int priority(GLogLevelFlags level)
{
    if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
        return LOG_ERR;
    if (level & G_LOG_LEVEL_WARNING)
        return LOG_WARNING;
    return level & G_LOG_LEVEL_MESSAGE ? LOG_NOTICE : LOG_DEBUG;
}

static const char *field(const GLogField *fields, gsize n_fields, const char *key)
{
    for (gsize i = 0; i < n_fields; i++)
        if (g_str_equal(fields[i].key, key))
            return fields[i].value;
    return "";
}

static const char *level_name(GLogLevelFlags level)
{
    if (level & G_LOG_LEVEL_CRITICAL)
        return "CRITICAL: ";
    return level & G_LOG_LEVEL_WARNING ? "warning: " : "";
}

static GLogWriterOutput write_line(GLogLevelFlags level, const GLogField *fields, gsize n_fields,
                                   gpointer data)
{
    const char *message = field(fields, n_fields, "MESSAGE");

    if (!(level & shown))
        return G_LOG_WRITER_HANDLED;
    if (is_syslog)
        syslog(priority(level), "%s%s", level_name(level), message);
    else
        fprintf(stderr, "mailfs: %s%s\n", level_name(level), message);
    return G_LOG_WRITER_HANDLED;
}

void log_start(gboolean is_verbose, gboolean is_debug)
{
    if (is_verbose || is_debug)
        shown |= G_LOG_LEVEL_INFO;
    if (is_debug)
        shown |= G_LOG_LEVEL_DEBUG;
    g_log_set_writer_func(write_line, NULL, NULL);
}

void log_to_syslog(void)
{
    openlog("mailfs", LOG_PID, LOG_USER);
    is_syslog = TRUE;
}

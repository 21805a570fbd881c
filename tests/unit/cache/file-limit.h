/* SPDX-License-Identifier: MIT */
/* tests/unit/cache/file-limit.h - writes that fail. */
#pragma once

#include <glib.h>
#include <signal.h>
#include <sys/resource.h>

/* No file may grow beyond @size; RLIM_INFINITY lifts it. */
static inline void limit_files(rlim_t size)
{
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN);
    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &limit), ==, 0);
    limit.rlim_cur = MIN(size, limit.rlim_max);
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
}

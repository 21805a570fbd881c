/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/thumbnailer.h - a process that is called like one that makes thumbnails. */
#pragma once

#include <gio/gio.h>

#include "mount.h"

typedef struct {
    char *path;
    GSubprocess *process;
} Thumbnailer;

/* It waits, with an argument that says what it is at, and is who calls from now on. */
void thumbnailer_start(Thumbnailer *thumbnailer, Mount *mount, const char *name, const char *task);
void thumbnailer_stop(Thumbnailer *thumbnailer);

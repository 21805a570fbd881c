/* SPDX-License-Identifier: MIT */
/* fs/options.h - the command line. */
#pragma once

#include "cache/cache.h"
#include "fs/fs.h"

typedef struct {
    gboolean is_foreground; /* -f, implied by -d */
    gboolean is_debug;      /* -d: each call and each command, secrets masked */
    gboolean is_verbose;    /* -v: each failed call */
    gboolean wants_help, wants_version;
    char *source, *mountpoint;
    char *password_command, *password_file;
    char *ca_file, *tls_fingerprint;
    char *cache_dir, *state_dir;
    guint64 cache_size;
    guint timeout_s;
    FsKind view; /* that the mount shows: a kind of mailbox directory */
    FsNameStyle names;
    GPtrArray *disabled; /* capabilities, NULL-ended */
    FsDelete deletes;
    FsWaits waits;
    gboolean allow_other, is_read_only, has_guard, may_change_special;
} Options;

/* Reads the command line; fails with INVALID, and a text that names the option. */
Options *options_parse(int argc, char **argv, GError **error);
void options_free(Options *options);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Options, options_free)

extern const char options_usage[];

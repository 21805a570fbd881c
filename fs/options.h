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
    guint keep_days; /* what was read stays at the server so long; 0: not at all;
                        G_MAXUINT: for ever */
    gboolean has_prefetch;
    guint poll_s;
    const char *pop_option; /* the name of one that was given and is for POP3 only; NULL: none */
} Options;

/* Reads the command line; fails with INVALID, and a text that names the option. */
Options *options_parse(int argc, char **argv, GError **error);
void options_free(Options *options);
/* Whether they go with @account; else INVALID. */
gboolean options_check_account(const Options *options, const MailAccount *account, GError **error);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Options, options_free)

extern const char options_usage[];

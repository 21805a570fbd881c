/* SPDX-License-Identifier: MIT */
/* fs/main.c - puts everything together: options, cache, backend, mount. */
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "fs/background.h"
#include "fs/deadman.h"
#include "fs/fs.h"
#include "fs/log.h"
#include "fs/mountpoint.h"
#include "fs/options.h"
#include "imap/imap.h"
#include "mime/mime.h"
#include "net/net.h"
#include "pop/pop.h"

#define EXIT_USAGE         2
#define PASSWORD_TIMEOUT_S 60
#define COMMIT_MS          100

typedef struct {
    Options *options;
    MailAccount *account;
    char *url;
    char *mountpoint;
    NetSecret *secret;
    NetTrust *trust;
    Deadman *deadman;
    Cache *cache;
    ImapBackend *imap; /* one of these two */
    PopBackend *pop;
    Fs *fs;
    GMainLoop *loop;
    int status;
} Program;

static void program_free(Program *program)
{
    fs_free(program->fs);
    imap_backend_free(program->imap);
    pop_backend_free(program->pop);
    cache_close(program->cache);
    deadman_free(program->deadman);
    net_trust_unref(program->trust);
    net_secret_unref(program->secret);
    mail_account_free(program->account);
    g_free(program->url);
    g_free(program->mountpoint);
    options_free(program->options);
    g_clear_pointer(&program->loop, g_main_loop_unref);
}

static int complain(const GError *error, int status)
{
    fprintf(stderr, "mailfs: %s\n", error->message);
    return status;
}

static void stop(Program *program, const GError *error)
{
    if (error)
        program->status = complain(error, EXIT_FAILURE);
    g_main_loop_quit(program->loop);
}

/* --- what is needed before anything runs --- */

static NetSecret *get_secret(const Options *options, const char *url, GError **error)
{
    g_autofree char *prompt = g_strdup_printf("Password for %s: ", url);
    NetSecret *secret;

    if (options->password_command)
        return net_secret_from_command(options->password_command, PASSWORD_TIMEOUT_S, error);
    if (options->password_file)
        return net_secret_from_file(options->password_file, error);
    secret = net_secret_from_tty(prompt, error);
    if (!secret)
        g_prefix_error(error, "without -o password_command= or -o password_file=: ");
    return secret;
}

/* @given, or else what is ours in @usual; new. */
static char *find_dir(const char *given, const char *usual)
{
    return given ? g_canonicalize_filename(given, NULL) : g_build_filename(usual, "mailfs", NULL);
}

static Cache *open_cache(const Program *program, GError **error)
{
    g_autofree char *dir = find_dir(program->options->cache_dir, g_get_user_cache_dir()),
                    *state_dir = find_dir(program->options->state_dir, g_get_user_state_dir());
    CacheOptions options = {
        .dir = dir,
        .state_dir = state_dir,
        .size_max = program->options->cache_size,
        .delay_ms = COMMIT_MS,
        .timeout_s = program->options->timeout_s,
    };

    return cache_open(program->account, &options, error);
}

/* What can fail without the network, and what may ask the user. */
static gboolean prepare(Program *program, GError **error)
{
    const Options *options = program->options;

    program->account = mail_account_parse(options->source, error);
    if (!program->account || !options_check_account(options, program->account, error))
        return FALSE;
    program->url = mail_account_dup_url(program->account);
    program->mountpoint = mountpoint_prepare(options->mountpoint, error);
    if (!program->mountpoint || (options->allow_other && !mountpoint_check_others(error)))
        return FALSE;
    if (program->account->security != MAIL_SECURITY_NONE) {
        program->trust = net_trust_new(options->ca_file, options->tls_fingerprint, error);
        if (!program->trust)
            return FALSE;
    }
    program->secret = get_secret(options, program->url, error);
    return program->secret != NULL;
}

/* --- the course of a mount --- */

static void on_unmounted(gpointer data)
{
    stop(data, NULL);
}

static void on_started(const GError *error, gpointer data)
{
    Program *program = data;
    g_autoptr(GError) failure = NULL;
    FsOptions options = {
        .source = program->url,
        .root = program->options->view,
        .names = program->options->names,
        .is_read_only = program->options->is_read_only,
        .deletes = program->options->deletes,
        .waits = program->options->waits,
        .may_change_special = program->options->may_change_special,
        .allow_other = program->options->allow_other,
        .has_guard = program->options->has_guard,
        .is_debug = program->options->is_debug,
        .ended = on_unmounted,
        .data = program,
    };

    if (error) {
        stop(program, error);
        return;
    }
    program->fs = fs_new(program->cache, &options, &failure);
    if (!program->fs || !fs_mount(program->fs, program->mountpoint, &failure)) {
        stop(program, failure);
        return;
    }
    deadman_set_mount(program->deadman, program->mountpoint);
    if (!program->options->is_foreground) {
        background_succeeded();
        log_to_syslog();
    }
    g_message("mounted %s on %s", program->url, program->mountpoint);
}

static gboolean on_signal(gpointer data)
{
    Program *program = data;
    g_autoptr(GError) error = NULL;

    if (!program->fs)
        g_set_error(&error, MAIL_ERROR, MAIL_ERROR_CANCELLED,
                    "stopped before anything was mounted");
    /* Ctrl-C brings two signals: one from the terminal, one because the parent has ended. */
    if (g_main_loop_is_running(program->loop))
        stop(program, error);
    return G_SOURCE_CONTINUE;
}

static ImapBackend *start_imap(Program *program)
{
    ImapOptions options = {
        .account = program->account,
        .secret = program->secret,
        .trust = program->trust,
        .is_read_only = program->options->is_read_only,
        .disabled = (const char *const *)program->options->disabled->pdata,
        .timeout_s = program->options->timeout_s,
        .started = on_started,
        .data = program,
    };

    return imap_backend_new(program->cache, &options);
}

static PopBackend *start_pop(Program *program)
{
    PopOptions options = {
        .account = program->account,
        .secret = program->secret,
        .trust = program->trust,
        .is_read_only = program->options->is_read_only,
        .disabled = (const char *const *)program->options->disabled->pdata,
        .timeout_s = program->options->timeout_s,
        .poll_s = program->options->poll_s,
        .keep_days = program->options->keep_days,
        .retrieves_all = program->options->has_prefetch,
        .started = on_started,
        .data = program,
    };

    return pop_backend_new(program->cache, &options);
}

static void run(Program *program)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    g_unix_signal_add(SIGTERM, on_signal, program);
    g_unix_signal_add(SIGINT, on_signal, program);
    g_unix_signal_add(SIGHUP, on_signal, program);
    program->loop = g_main_loop_new(NULL, FALSE);
    if (program->account->protocol == MAIL_PROTOCOL_POP3)
        program->pop = start_pop(program);
    else
        program->imap = start_imap(program);
    g_main_loop_run(program->loop);
}

static int mount_account(Program *program)
{
    g_autoptr(GError) error = NULL;

    net_secret_harden_process();
    log_start(program->options->is_verbose, program->options->is_debug);
    mime_init();
    /* Before all that a child does not inherit (locked memory, SQLite's locks) or should not. */
    if (!program->options->is_foreground)
        background_fork();
    program->deadman = deadman_new(&error);
    if (!program->deadman || !prepare(program, &error))
        return complain(error, g_error_matches(error, MAIL_ERROR, MAIL_ERROR_INVALID)
                                   ? EXIT_USAGE
                                   : EXIT_FAILURE);
    program->cache = open_cache(program, &error);
    if (!program->cache)
        return complain(error, EXIT_FAILURE);
    run(program);
    return program->status;
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    Program program = {0};
    int status;

    program.options = options_parse(argc, argv, &error);
    if (!program.options)
        return complain(error, EXIT_USAGE);
    if (program.options->wants_help) {
        fputs(options_usage, stdout);
        status = EXIT_SUCCESS;
    } else if (program.options->wants_version) {
        printf("mailfs %s\n", MAILFS_VERSION);
        status = EXIT_SUCCESS;
    } else {
        status = mount_account(&program);
    }
    program_free(&program);
    return status;
}

/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/options.c - command lines, and what is said of wrong ones. */
#include "fs/options.h"

#define ACCOUNT "imaps://al@mail.example.org"
#define POP     "pop3s://al@mail.example.org"

/* As a shell would split it: at blanks; '' is an empty word. */
static Options *parse(const char *line, GError **error)
{
    g_autofree char *whole = g_strconcat("mailfs ", line, NULL);
    g_auto(GStrv) argv = NULL;
    int argc;

    g_assert_true(g_shell_parse_argv(whole, &argc, &argv, NULL));
    return options_parse(argc, argv, error);
}

static Options *parse_with(const char *option)
{
    g_autofree char *line = g_strconcat(option, " " ACCOUNT " /mnt", NULL);
    g_autoptr(GError) error = NULL;
    Options *options = parse(line, &error);

    g_assert_no_error(error);
    return options;
}

static void test_defaults(void)
{
    g_autoptr(Options) options = parse_with("");

    g_assert_cmpstr(options->source, ==, ACCOUNT);
    g_assert_cmpstr(options->mountpoint, ==, "/mnt");
    g_assert_cmpuint(options->cache_size, ==, (guint64)2 << 30);
    g_assert_cmpuint(options->timeout_s, ==, 60);
    g_assert_cmpint(options->names, ==, FS_NAMES_DASHED);
    g_assert_true(options->has_guard);
    g_assert_false(options->is_foreground || options->is_debug || options->is_verbose ||
                   options->allow_other || options->is_read_only);
    g_assert_null(options->password_command);
    g_assert_null(options->cache_dir);
    g_assert_null(options->state_dir);
    g_assert_cmpint(options->deletes, ==, FS_DELETE_TRASH);
    g_assert_cmpint(options->waits, ==, FS_WAITS_USUAL);
    g_assert_false(options->may_change_special);
    g_assert_cmpuint(options->disabled->len, ==, 1);
    g_assert_cmpuint(options->keep_days, ==, G_MAXUINT);
    g_assert_false(options->has_prefetch);
    g_assert_cmpuint(options->poll_s, ==, 300);
}

static void test_all_options(void)
{
    g_autoptr(Options) options = parse_with("-f -v -o 'password_command=echo a\\,b=c "
                                            "\\\\x,ca_file=/ca,tls_fingerprint=ab:cd,cache_dir=/c' "
                                            "-ocache_size=5m,timeout=7,names=spaced,disable=IDLE,"
                                            "guard=off -o allow_other,ro,disable=QRESYNC "
                                            "-ostate_dir=/s,delete=expunge,special_use=change");

    g_assert_cmpstr(options->password_command, ==, "echo a,b=c \\x");
    g_assert_cmpstr(options->ca_file, ==, "/ca");
    g_assert_cmpstr(options->tls_fingerprint, ==, "ab:cd");
    g_assert_cmpstr(options->cache_dir, ==, "/c");
    g_assert_cmpstr(options->state_dir, ==, "/s");
    g_assert_cmpint(options->deletes, ==, FS_DELETE_EXPUNGE);
    g_assert_true(options->may_change_special);
    g_assert_cmpuint(options->cache_size, ==, 5 << 20);
    g_assert_cmpuint(options->timeout_s, ==, 7);
    g_assert_cmpint(options->names, ==, FS_NAMES_SPACED);
    g_assert_cmpstr(options->disabled->pdata[0], ==, "IDLE");
    g_assert_cmpstr(options->disabled->pdata[1], ==, "QRESYNC");
    g_assert_null(options->disabled->pdata[2]);
    g_assert_true(options->is_foreground && options->is_verbose && options->allow_other &&
                  options->is_read_only);
    g_assert_false(options->has_guard || options->is_debug);
}

static void test_changes(void)
{
    static const struct {
        const char *option;
        FsDelete deletes;
        FsWaits waits;
    } rows[] = {
        {"-odelete=expunge,delete=trash", FS_DELETE_TRASH, FS_WAITS_USUAL},
        {"-odelete=mark,sync", FS_DELETE_MARK, FS_WAITS_ALWAYS},
        {"-osync,async", FS_DELETE_TRASH, FS_WAITS_FOR_DISK}, /* the last one, as for mount(8) */
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Options) options = parse_with(rows[i].option);

        g_assert_cmpint(options->deletes, ==, rows[i].deletes);
        g_assert_cmpint(options->waits, ==, rows[i].waits);
    }
}

static void test_cache_size(void)
{
    static const struct {
        const char *option;
        guint64 size;
    } rows[] = {
        {"-ocache_size=1048576", 1 << 20},     {"-ocache_size=1024k", 1 << 20},
        {"-ocache_size=1M", 1 << 20},          {"-ocache_size=500M", (guint64)500 << 20},
        {"-ocache_size=3g", (guint64)3 << 30}, {"-ocache_size=8388607T", (guint64)8388607 << 40},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Options) options = parse_with(rows[i].option);

        g_assert_cmpuint(options->cache_size, ==, rows[i].size);
    }
}

static void test_last_one_counts(void)
{
    g_autoptr(Options) options = parse_with("-o ca_file=a,timeout=1 -o timeout=2,ca_file=b");

    g_assert_cmpstr(options->ca_file, ==, "b");
    g_assert_cmpuint(options->timeout_s, ==, 2);
}

static void test_pop(void)
{
    static const struct {
        const char *option;
        guint keep_days;
        gboolean has_prefetch;
        guint poll_s;
    } rows[] = {
        {"-okeep=server,prefetch=none,poll=0", G_MAXUINT, FALSE, 0},
        {"-okeep=days:1,prefetch=all,poll=86400", 1, TRUE, 86400},
        {"-okeep=days:36500", 36500, FALSE, 300},
        {"-okeep=days:7,keep=none", 0, FALSE, 300},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Options) options = parse_with(rows[i].option);

        g_assert_cmpuint(options->keep_days, ==, rows[i].keep_days);
        g_assert_cmpint(options->has_prefetch, ==, rows[i].has_prefetch);
        g_assert_cmpuint(options->poll_s, ==, rows[i].poll_s);
    }
}

/* What is for the other protocol is refused, if it would be something else than what was asked for.
 */
static void test_accounts(void)
{
    static const struct {
        const char *option, *url, *text; /* NULL: they go together */
    } rows[] = {
        {"-okeep=server", ACCOUNT, "the option \"keep\" is for POP3 accounts"},
        {"-oprefetch=none", ACCOUNT, "the option \"prefetch\" is for POP3 accounts"},
        {"-opoll=300", ACCOUNT, "the option \"poll\" is for POP3 accounts"},
        {"-odelete=mark", POP, "the option \"delete=mark\" is for IMAP accounts"},
        {"-odelete=mark", ACCOUNT, NULL},
        {"-okeep=none,poll=1", POP, NULL},
        {"-odelete=expunge,special_use=change", POP, NULL},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Options) options = parse_with(rows[i].option);
        g_autoptr(MailAccount) account = mail_account_parse(rows[i].url, NULL);
        g_autoptr(GError) error = NULL;

        g_assert_cmpint(options_check_account(options, account, &error), ==, !rows[i].text);
        g_assert_cmpstr(error ? error->message : NULL, ==, rows[i].text);
        if (error)
            g_assert_error(error, MAIL_ERROR, MAIL_ERROR_INVALID);
    }
}

static void test_letters(void)
{
    g_autoptr(Options) together = parse_with("-fvs"), joined = parse_with("-foro,names=spaced");
    g_autoptr(Options) debug = parse_with("-d");

    g_assert_true(together->is_foreground && together->is_verbose);
    g_assert_true(joined->is_foreground && joined->is_read_only);
    g_assert_cmpint(joined->names, ==, FS_NAMES_SPACED);
    g_assert_true(debug->is_foreground && debug->is_debug);
}

/* fstab's words, and those that mount.fuse3(8) adds to them. */
static void test_words_of_mount(void)
{
    g_autoptr(Options) options = parse_with(
        "-o rw,defaults,_netdev,auto,noauto,nofail,user,users,nouser,exec,noexec,suid,nosuid,dev,"
        "nodev,noatime,x-systemd.automount,x-gvfs-show,comment=a,,");

    g_assert_false(options->is_read_only);
}

/* mount(8) puts the options last. */
static void test_any_order(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Options) last = parse(ACCOUNT " /mnt -o ro,dev,suid", &error);
    g_autoptr(Options) dashes = parse("-- " ACCOUNT " -mnt", NULL);

    g_assert_no_error(error);
    g_assert_true(last->is_read_only);
    g_assert_cmpstr(dashes->mountpoint, ==, "-mnt");
}

static void test_help_needs_nothing_else(void)
{
    static const char *const help[] = {"-h", "--help", "--help a", "-fh"};
    static const char *const version[] = {"-V", "--version"};

    for (gsize i = 0; i < G_N_ELEMENTS(help); i++) {
        g_autoptr(Options) options = parse(help[i], NULL);

        g_assert_true(options && options->wants_help);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(version); i++) {
        g_autoptr(Options) options = parse(version[i], NULL);

        g_assert_true(options && options->wants_version);
    }
}

static void test_errors(void)
{
    static const struct {
        const char *line, *text;
    } rows[] = {
        {"", "the account is missing (mailfs --help says more)"},
        {ACCOUNT, "the mount point is missing (mailfs --help says more)"},
        {"a b c", "one argument too many: \"c\""},
        {"-x a b", "unknown option \"-x\" (mailfs --help lists them)"},
        {"--foo a b", "unknown option \"--foo\" (mailfs --help lists them)"},
        {"a b -o", "-o needs options after it"},
        {"-o nmaes=spaced a b", "unknown option \"nmaes\": did you mean \"names\"?"},
        {"-o cachedir=/x a b", "unknown option \"cachedir\": did you mean \"cache_dir\"?"},
        {"-o RO a b", "unknown option \"RO\": did you mean \"ro\"?"},
        {"-o time=3 a b", "unknown option \"time\" (mailfs --help lists them)"},
        {"-o a a b", "unknown option \"a\" (mailfs --help lists them)"},
        {"-o uid=0 a b", "unknown option \"uid\" (mailfs --help lists them)"},
        {"-o whatever a b", "unknown option \"whatever\" (mailfs --help lists them)"},
        {"-o ro=1 a b", "the option \"ro\" takes no value"},
        {"-o names a b", "the option \"names\" needs a value: dashed or spaced"},
        {"-o names=x a b", "the option \"names\" needs dashed or spaced, not \"x\""},
        {"-o delete=x a b", "the option \"delete\" needs trash, expunge or mark, not \"x\""},
        {"-o special_use=yes a b", "the option \"special_use\" needs keep or change, not \"yes\""},
        {"-o sync=1 a b", "the option \"sync\" takes no value"},
        {"-o keep=x a b", "the option \"keep\" needs server, days:N or none, not \"x\""},
        {"-o keep=days:0 a b", "the option \"keep\" needs server, days:N or none, not \"days:0\""},
        {"-o keep=days:36501 a b",
         "the option \"keep\" needs server, days:N or none, not \"days:36501\""},
        {"-o prefetch=yes a b", "the option \"prefetch\" needs none or all, not \"yes\""},
        {"-o poll=86401 a b",
         "the option \"poll\" needs a number of seconds from 0 to 86400, not \"86401\""},
        {"-o guard=yes a b", "the option \"guard\" needs on or off, not \"yes\""},
        {"-o timeout=0 a b",
         "the option \"timeout\" needs a number of seconds from 1 to 3600, not \"0\""},
        {"-o timeout=3601 a b",
         "the option \"timeout\" needs a number of seconds from 1 to 3600, not \"3601\""},
        {"-o timeout=5s a b",
         "the option \"timeout\" needs a number of seconds from 1 to 3600, not \"5s\""},
        {"-o cache_size=1K a b",
         "the option \"cache_size\" needs a size of at least 1M, such as 500M or 2G, not \"1K\""},
        {"-o cache_size=G a b",
         "the option \"cache_size\" needs a size of at least 1M, such as 500M or 2G, not \"G\""},
        {"-o cache_size=-5M a b",
         "the option \"cache_size\" needs a size of at least 1M, such as 500M or 2G, not \"-5M\""},
        {"-o cache_size=2GB a b",
         "the option \"cache_size\" needs a size of at least 1M, such as 500M or 2G, not \"2GB\""},
        {"-o cache_size=8388608T a b", "the option \"cache_size\" needs a size of at least 1M, "
                                       "such as 500M or 2G, not \"8388608T\""},
        {"-o cache_size=18446744073709551616 a b",
         "the option \"cache_size\" needs a size of at least 1M, such as 500M or 2G, not "
         "\"18446744073709551616\""},
        {"-o ca_file= a b", "the option \"ca_file\" needs a file, not \"\""},
        {"-o disable= a b", "the option \"disable\" needs a capability, not \"\""},
        {"-o password_command=x,password_file=y a b",
         "password_command and password_file do not go together"},
        {"'' b", "the account is missing (mailfs --help says more)"},
        {"a ''", "the mount point is missing (mailfs --help says more)"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Options) options = parse(rows[i].line, &error);

        g_assert_null(options);
        g_assert_error(error, MAIL_ERROR, MAIL_ERROR_INVALID);
        g_assert_cmpstr(error->message, ==, rows[i].text);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/options/defaults", test_defaults);
    g_test_add_func("/options/all", test_all_options);
    g_test_add_func("/options/changes", test_changes);
    g_test_add_func("/options/cache-size", test_cache_size);
    g_test_add_func("/options/last-one-counts", test_last_one_counts);
    g_test_add_func("/options/pop", test_pop);
    g_test_add_func("/options/accounts", test_accounts);
    g_test_add_func("/options/letters", test_letters);
    g_test_add_func("/options/words-of-mount", test_words_of_mount);
    g_test_add_func("/options/any-order", test_any_order);
    g_test_add_func("/options/help", test_help_needs_nothing_else);
    g_test_add_func("/options/errors", test_errors);
    return g_test_run();
}

/* SPDX-License-Identifier: MIT */
/* fs/options.c - the command line, in the manner of sshfs and mount(8). */
#include "fs/options.h"

#include <stddef.h>
#include <string.h>

#define CACHE_SIZE_DEFAULT ((guint64)2 * 1024 * 1024 * 1024)
#define CACHE_SIZE_MIN     ((guint64)1024 * 1024)
#define TIMEOUT_DEFAULT_S  60
#define TIMEOUT_MAX_S      3600
#define KEEP_DAYS_MAX      36500
#define POLL_DEFAULT_S     300
#define POLL_MAX_S         86400

const char options_usage[] =
    "Usage: mailfs [-f] [-d] [-v] [-o OPTION,...] SOURCE MOUNTPOINT\n"
    "Mounts the mail of an IMAP or POP3 account as a folder.\n"
    "\n"
    "SOURCE is one of\n"
    "  imaps://user@host[:port]/          TLS (port 993)\n"
    "  imap://user@host[:port]/           STARTTLS, required (port 143)\n"
    "  imap+insecure://user@host[:port]/  plain text\n"
    "  pop3s://user@host[:port]/          TLS (port 995)\n"
    "  pop3://user@host[:port]/           STLS, required (port 110)\n"
    "  pop3+insecure://user@host[:port]/  plain text\n"
    "\n"
    "  -f             stay in the foreground\n"
    "  -d             like -f, and log every call and command (secrets masked)\n"
    "  -v             log every failed call\n"
    "  -h, --help     this text\n"
    "  -V, --version  the version\n"
    "\n"
    "Options for -o:\n"
    "  password_command=CMD  a shell command that prints the password\n"
    "  password_file=FILE    a file whose first line is the password; only you may read it\n"
    "                        (without either, mailfs asks on the terminal)\n"
    "  ca_file=FILE          trust the authorities in FILE instead of the system's\n"
    "  tls_fingerprint=HEX   trust the certificate with this SHA-256 sum, and no other\n"
    "  cache_dir=DIR         in place of $XDG_CACHE_HOME/mailfs\n"
    "  cache_size=SIZE       of cached messages on disk (2G)\n"
    "  state_dir=DIR         in place of $XDG_STATE_HOME/mailfs\n"
    "  timeout=SECONDS       after which a call fails that the server does not answer (60)\n"
    "  names=dashed|spaced   how messages are called (dashed)\n"
    "  view=mail|text|parts|uid\n"
    "                        what the mount shows (mail); the others are in .mailfs\n"
    "  disable=CAPABILITY    do as if the server had it not; may be repeated\n"
    "  guard=on|off          keep thumbnailers and indexers from fetching all mail (on)\n"
    "  delete=trash|expunge|mark\n"
    "                        what rm does to a message (trash, where there is one, else mark)\n"
    "  sync                  every call waits until the server has taken what it changed\n"
    "  async                 no call waits for the server, but those for mailboxes\n"
    "  special_use=keep|change\n"
    "                        whether Sent, Trash and the like may be removed or renamed (keep)\n"
    "  allow_other           let root in as well; files stay readable for you alone\n"
    "  ro                    read-only\n"
    "\n"
    "For POP3 only:\n"
    "  keep=server|days:N|none\n"
    "                        how long the server keeps what was read or removed here (server)\n"
    "  prefetch=none|all     what is retrieved before it is read (none)\n"
    "  poll=SECONDS          a listing asks for new mail when the last time is longer ago (300)\n"
    "\n"
    "Unmount with: fusermount3 -u MOUNTPOINT\n";

typedef gboolean (*SetFunc)(Options *options, const char *value);

static gboolean replace(char **field, const char *value)
{
    g_free(*field);
    *field = g_strdup(value);
    return *value != '\0';
}

/* A number with K, M, G or T. */
static gboolean set_cache_size(Options *options, const char *value)
{
    static const char units[] = "KMGT";
    g_autofree char *digits = g_strndup(value, strspn(value, "0123456789"));
    const char *unit = value + strlen(digits);
    const char *known = *unit ? strchr(units, g_ascii_toupper(*unit)) : NULL;
    guint shift = known ? 10 * (guint)(known - units + 1) : 0;
    guint64 size;

    if ((*unit && !known) || (*unit && unit[1]) ||
        !g_ascii_string_to_unsigned(digits, 10, 0, G_MAXINT64 >> shift, &size, NULL))
        return FALSE;
    options->cache_size = size << shift;
    return options->cache_size >= CACHE_SIZE_MIN;
}

static gboolean set_timeout(Options *options, const char *value)
{
    guint64 seconds;

    if (!g_ascii_string_to_unsigned(value, 10, 1, TIMEOUT_MAX_S, &seconds, NULL))
        return FALSE;
    options->timeout_s = (guint)seconds;
    return TRUE;
}

static gboolean set_names(Options *options, const char *value)
{
    options->names = g_str_equal(value, "spaced") ? FS_NAMES_SPACED : FS_NAMES_DASHED;
    return g_str_equal(value, "spaced") || g_str_equal(value, "dashed");
}

static gboolean set_view(Options *options, const char *value)
{
    static const struct {
        const char *name;
        FsKind kind;
    } views[] = {
        {"mail", FS_KIND_BOX},
        {"text", FS_KIND_TEXT_BOX},
        {"parts", FS_KIND_PARTS_BOX},
        {"uid", FS_KIND_UID_BOX},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(views); i++)
        if (g_str_equal(views[i].name, value)) {
            options->view = views[i].kind;
            return TRUE;
        }
    return FALSE;
}

static gboolean set_disable(Options *options, const char *value)
{
    g_ptr_array_insert(options->disabled, (int)options->disabled->len - 1, g_strdup(value));
    return *value != '\0';
}

static gboolean set_guard(Options *options, const char *value)
{
    options->has_guard = g_str_equal(value, "on");
    return g_str_equal(value, "on") || g_str_equal(value, "off");
}

static gboolean set_delete(Options *options, const char *value)
{
    static const char *const words[] = {
        [FS_DELETE_TRASH] = "trash",
        [FS_DELETE_EXPUNGE] = "expunge",
        [FS_DELETE_MARK] = "mark",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(words); i++)
        if (g_str_equal(words[i], value)) {
            options->deletes = (FsDelete)i;
            return TRUE;
        }
    return FALSE;
}

static gboolean set_sync(Options *options, const char *value)
{
    options->waits = FS_WAITS_ALWAYS;
    return TRUE;
}

static gboolean set_async(Options *options, const char *value)
{
    options->waits = FS_WAITS_FOR_DISK;
    return TRUE;
}

static gboolean set_special_use(Options *options, const char *value)
{
    options->may_change_special = g_str_equal(value, "change");
    return g_str_equal(value, "change") || g_str_equal(value, "keep");
}

static gboolean set_keep(Options *options, const char *value)
{
    guint64 days;

    options->pop_option = "keep";
    if (g_str_equal(value, "server")) {
        options->keep_days = G_MAXUINT;
    } else if (g_str_equal(value, "none")) {
        options->keep_days = 0;
    } else {
        if (!g_str_has_prefix(value, "days:") ||
            !g_ascii_string_to_unsigned(value + strlen("days:"), 10, 1, KEEP_DAYS_MAX, &days, NULL))
            return FALSE;
        options->keep_days = (guint)days;
    }
    return TRUE;
}

static gboolean set_prefetch(Options *options, const char *value)
{
    options->pop_option = "prefetch";
    options->has_prefetch = g_str_equal(value, "all");
    return g_str_equal(value, "all") || g_str_equal(value, "none");
}

static gboolean set_poll(Options *options, const char *value)
{
    guint64 seconds;

    options->pop_option = "poll";
    if (!g_ascii_string_to_unsigned(value, 10, 0, POLL_MAX_S, &seconds, NULL))
        return FALSE;
    options->poll_s = (guint)seconds;
    return TRUE;
}

static gboolean set_allow_other(Options *options, const char *value)
{
    return options->allow_other = TRUE;
}

static gboolean set_read_only(Options *options, const char *value)
{
    return options->is_read_only = TRUE;
}

static gboolean ignore(Options *options, const char *value)
{
    return TRUE;
}

typedef struct {
    const char *name;
    const char *expects; /* the value; NULL: it takes none */
    SetFunc set;         /* NULL: the value is kept as it is, */
    gsize text;          /* in this field of Options */
} Known;

#define TEXT(field) NULL, offsetof(Options, field)

static const Known known[] = {
    {"password_command", "a command", TEXT(password_command)},
    {"password_file", "a file", TEXT(password_file)},
    {"ca_file", "a file", TEXT(ca_file)},
    {"tls_fingerprint", "a SHA-256 sum in hex", TEXT(tls_fingerprint)},
    {"cache_dir", "a directory", TEXT(cache_dir)},
    {"state_dir", "a directory", TEXT(state_dir)},
    {"cache_size", "a size of at least 1M, such as 500M or 2G", set_cache_size, 0},
    {"timeout", "a number of seconds from 1 to 3600", set_timeout, 0},
    {"names", "dashed or spaced", set_names, 0},
    {"view", "mail, text, parts or uid", set_view, 0},
    {"disable", "a capability", set_disable, 0},
    {"guard", "on or off", set_guard, 0},
    {"delete", "trash, expunge or mark", set_delete, 0},
    {"sync", NULL, set_sync, 0},
    {"async", NULL, set_async, 0},
    {"special_use", "keep or change", set_special_use, 0},
    {"allow_other", NULL, set_allow_other, 0},
    {"ro", NULL, set_read_only, 0},
    {"keep", "server, days:N or none", set_keep, 0},
    {"prefetch", "none or all", set_prefetch, 0},
    {"poll", "a number of seconds from 0 to 86400", set_poll, 0},
    /* what mount(8) passes on from fstab, and mount.fuse3(8) adds */
    {"rw", NULL, ignore, 0},
    {"defaults", NULL, ignore, 0},
    {"_netdev", NULL, ignore, 0},
    {"auto", NULL, ignore, 0},
    {"noauto", NULL, ignore, 0},
    {"nofail", NULL, ignore, 0},
    {"user", NULL, ignore, 0},
    {"users", NULL, ignore, 0},
    {"nouser", NULL, ignore, 0},
    {"exec", NULL, ignore, 0},
    {"noexec", NULL, ignore, 0},
    {"suid", NULL, ignore, 0},
    {"nosuid", NULL, ignore, 0},
    {"dev", NULL, ignore, 0},
    {"nodev", NULL, ignore, 0},
    {"noatime", NULL, ignore, 0},
};

G_GNUC_PRINTF(2, 3) static gboolean invalid(GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_clear_error(error);
    if (error)
        *error = g_error_new_valist(MAIL_ERROR, MAIL_ERROR_INVALID, format, args);
    va_end(args);
    return FALSE;
}

/* The number of letters to change, to add or to leave out to come from @a to @b, in any case. */
static guint distance(const char *a, const char *b)
{
    guint row[64];
    gsize n = strlen(b);

    if (n >= G_N_ELEMENTS(row))
        return G_MAXUINT;
    for (gsize j = 0; j <= n; j++)
        row[j] = (guint)j;
    for (gsize i = 0; a[i]; i++) {
        guint diagonal = row[0];

        row[0] = (guint)i + 1;
        for (gsize j = 0; j < n; j++) {
            guint above = row[j + 1];

            row[j + 1] = MIN(MIN(above, row[j]) + 1, diagonal + (g_ascii_tolower(a[i]) != b[j]));
            diagonal = above;
        }
    }
    return row[n];
}

static gboolean unknown_option(const char *name, GError **error)
{
    const char *nearest = NULL;
    /* Of a short word most letters could be others, and it would resemble everything. */
    guint least = MIN(3, (guint)strlen(name) / 2 + 1);

    for (gsize i = 0; i < G_N_ELEMENTS(known); i++)
        if (known[i].set != ignore && distance(name, known[i].name) < least) {
            nearest = known[i].name;
            least = distance(name, nearest);
        }
    if (nearest)
        return invalid(error, "unknown option \"%s\": did you mean \"%s\"?", name, nearest);
    return invalid(error, "unknown option \"%s\" (mailfs --help lists them)", name);
}

static gboolean set_value(Options *options, const Known *option, const char *value)
{
    if (option->set)
        return option->set(options, value);
    return replace(&G_STRUCT_MEMBER(char *, options, option->text), value);
}

static gboolean set_option(Options *options, const char *text, GError **error)
{
    const char *value = strchr(text, '=');
    g_autofree char *name = value ? g_strndup(text, value - text) : g_strdup(text);

    if (g_str_has_prefix(text, "x-") || !*text || g_str_has_prefix(text, "comment="))
        return TRUE;
    for (gsize i = 0; i < G_N_ELEMENTS(known); i++) {
        if (!g_str_equal(known[i].name, name))
            continue;
        if (known[i].expects && !value)
            return invalid(error, "the option \"%s\" needs a value: %s", name, known[i].expects);
        if (!known[i].expects && value)
            return invalid(error, "the option \"%s\" takes no value", name);
        if (!set_value(options, &known[i], value ? value + 1 : NULL))
            return invalid(error, "the option \"%s\" needs %s, not \"%s\"", name, known[i].expects,
                           value + 1);
        return TRUE;
    }
    return unknown_option(name, error);
}

/* "a=1,b=x\,y": a backslash takes the meaning off a comma, as in fuse_opt_parse(). */
static gboolean set_options(Options *options, const char *text, GError **error)
{
    g_autoptr(GString) one = g_string_new(NULL);

    for (const char *p = text;; p++) {
        if (*p == '\\' && (p[1] == ',' || p[1] == '\\')) {
            g_string_append_c(one, *++p);
        } else if (*p == ',' || !*p) {
            if (!set_option(options, one->str, error))
                return FALSE;
            g_string_truncate(one, 0);
            if (!*p)
                return TRUE;
        } else {
            g_string_append_c(one, *p);
        }
    }
}

static gboolean set_positional(Options *options, const char *text, GError **error)
{
    char **field = options->source ? &options->mountpoint : &options->source;

    if (*field)
        return invalid(error, "one argument too many: \"%s\"", text);
    *field = g_strdup(text);
    return TRUE;
}

/* One word of letters, "-fv" or "-oro"; *ret_value points at what "-o" is followed by, or at "". */
static gboolean set_letters(Options *options, const char *letters, const char **ret_value,
                            GError **error)
{
    *ret_value = NULL;
    for (const char *p = letters; *p; p++)
        switch (*p) {
        case 'f': options->is_foreground = TRUE; break;
        case 'd': options->is_foreground = options->is_debug = TRUE; break;
        case 'v': options->is_verbose = TRUE; break;
        case 's': break; /* sshfs's single thread: that is what we have */
        case 'h': options->wants_help = TRUE; break;
        case 'V': options->wants_version = TRUE; break;
        case 'o': *ret_value = p + 1; return TRUE;
        default: return invalid(error, "unknown option \"-%c\" (mailfs --help lists them)", *p);
        }
    return TRUE;
}

static gboolean set_long(Options *options, const char *word, GError **error)
{
    if (g_str_equal(word, "--help"))
        options->wants_help = TRUE;
    else if (g_str_equal(word, "--version"))
        options->wants_version = TRUE;
    else
        return invalid(error, "unknown option \"%s\" (mailfs --help lists them)", word);
    return TRUE;
}

/* The word at *i, which begins with a dash; "-o" takes the next one, too. */
static gboolean parse_dashed(Options *options, char **argv, int *i, GError **error)
{
    const char *value;

    if (argv[*i][1] == '-')
        return set_long(options, argv[*i], error);
    if (!set_letters(options, argv[*i] + 1, &value, error))
        return FALSE;
    if (!value)
        return TRUE;
    if (!*value)
        value = argv[++*i];
    if (!value)
        return invalid(error, "-o needs options after it");
    return set_options(options, value, error);
}

static gboolean parse_words(Options *options, int argc, char **argv, GError **error)
{
    gboolean only_positional = FALSE;

    for (int i = 1; i < argc; i++) {
        gboolean is_positional = only_positional || argv[i][0] != '-' || !argv[i][1];

        if (!is_positional && g_str_equal(argv[i], "--"))
            only_positional = TRUE;
        else if (is_positional ? !set_positional(options, argv[i], error)
                               : !parse_dashed(options, argv, &i, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean is_missing(const char *text)
{
    return !text || !*text;
}

static gboolean check(const Options *options, GError **error)
{
    if (options->wants_help || options->wants_version)
        return TRUE;
    if (is_missing(options->source) || is_missing(options->mountpoint))
        return invalid(error, "%s is missing (mailfs --help says more)",
                       is_missing(options->source) ? "the account" : "the mount point");
    if (options->password_command && options->password_file)
        return invalid(error, "password_command and password_file do not go together");
    return TRUE;
}

Options *options_parse(int argc, char **argv, GError **error)
{
    g_autoptr(Options) options = g_new0(Options, 1);

    options->cache_size = CACHE_SIZE_DEFAULT;
    options->timeout_s = TIMEOUT_DEFAULT_S;
    options->keep_days = G_MAXUINT;
    options->poll_s = POLL_DEFAULT_S;
    options->has_guard = TRUE;
    options->view = FS_KIND_BOX;
    options->disabled = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(options->disabled, NULL);
    if (!parse_words(options, argc, argv, error) || !check(options, error))
        return NULL;
    return g_steal_pointer(&options);
}

gboolean options_check_account(const Options *options, const MailAccount *account, GError **error)
{
    gboolean is_pop = account->protocol == MAIL_PROTOCOL_POP3;

    if (!is_pop && options->pop_option)
        return invalid(error, "the option \"%s\" is for POP3 accounts", options->pop_option);
    if (is_pop && options->deletes == FS_DELETE_MARK)
        return invalid(error, "the option \"delete=mark\" is for IMAP accounts");
    return TRUE;
}

void options_free(Options *options)
{
    if (!options)
        return;
    g_free(options->source);
    g_free(options->mountpoint);
    g_free(options->password_command);
    g_free(options->password_file);
    g_free(options->ca_file);
    g_free(options->tls_fingerprint);
    g_free(options->cache_dir);
    g_free(options->state_dir);
    g_ptr_array_unref(options->disabled);
    g_free(options);
}

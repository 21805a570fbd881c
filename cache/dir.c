/* SPDX-License-Identifier: MIT */
/* cache/dir.c - the directory of one account's cache: private, and locked by one process. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/changes.h"

static gboolean fail(GError **error, const char *path, const char *why)
{
    g_set_error(error, MAIL_ERROR, MAIL_ERROR_LOCAL, "open the cache %s: %s", path, why);
    return FALSE;
}

char *cache_dir_name(const MailAccount *account)
{
    /* What came in plain text may be anybody's: it is not served to who asks for TLS. */
    g_autoptr(GString) name =
        g_string_new(account->protocol == MAIL_PROTOCOL_POP3 ? "pop3" : "imap");
    g_autofree char *who = g_strdup_printf("%s@%s.%u", account->user, account->host, account->port);

    g_string_append(name, account->security == MAIL_SECURITY_NONE ? "+insecure." : ".");
    for (const char *p = who; *p; p++)
        if (g_ascii_isalnum(*p) || strchr("@._-+", *p))
            g_string_append_c(name, *p);
        else
            g_string_append_printf(name, "%%%02X", (guchar)*p);
    if (name->len > 200) {
        g_autofree char *hash = g_compute_checksum_for_string(G_CHECKSUM_SHA256, who, -1);

        g_string_truncate(name, 180);
        g_string_append_printf(name, "~%.16s", hash);
    }
    return g_string_free(g_steal_pointer(&name), FALSE);
}

static gboolean check_private(int fd, const char *path, GError **error)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return fail(error, path, g_strerror(errno));
    if (st.st_uid != geteuid())
        return fail(error, path, "it belongs to somebody else");
    if (st.st_mode & 077)
        return fail(error, path, "others can look into it (chmod 700 it, or name another)");
    return TRUE;
}

static gboolean lock(int fd, const char *path, GError **error)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return TRUE;
    return fail(error, path,
                errno == EWOULDBLOCK
                    ? "another mailfs has it open (mount with another -o cache_dir= and state_dir=)"
                    : g_strerror(errno));
}

int cache_dir_open(const char *path, GError **error)
{
    int fd = -1;

    if (g_mkdir_with_parents(path, 0700) == 0)
        fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        fail(error, path, g_strerror(errno));
        return -1;
    }
    if (!check_private(fd, path, error) || !lock(fd, path, error)) {
        close(fd);
        return -1;
    }
    return fd;
}

const char *cache_state_dir(const Cache *cache)
{
    return cache->changes->dir;
}

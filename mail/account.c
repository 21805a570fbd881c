/* SPDX-License-Identifier: MIT */
/* mail/account.c - account URLs. */
#include "mail/account.h"

#include <string.h>

#include "mail/error.h"

typedef struct {
    const char *scheme;
    MailProtocol protocol;
    MailSecurity security;
    guint16 port;
} Scheme;

static const Scheme schemes[] = {
    {"imaps", MAIL_PROTOCOL_IMAP, MAIL_SECURITY_TLS, 993},
    {"imap", MAIL_PROTOCOL_IMAP, MAIL_SECURITY_STARTTLS, 143},
    {"imap+insecure", MAIL_PROTOCOL_IMAP, MAIL_SECURITY_NONE, 143},
    {"pop3s", MAIL_PROTOCOL_POP3, MAIL_SECURITY_TLS, 995},
    {"pop3", MAIL_PROTOCOL_POP3, MAIL_SECURITY_STARTTLS, 110},
    {"pop3+insecure", MAIL_PROTOCOL_POP3, MAIL_SECURITY_NONE, 110},
};

static gboolean invalid(GError **error, const char *url, const char *why)
{
    g_set_error(error, MAIL_ERROR, MAIL_ERROR_INVALID, "read the account \"%s\": %s", url, why);
    return FALSE;
}

static const Scheme *scheme_find(const char *name, gsize len)
{
    for (gsize i = 0; i < G_N_ELEMENTS(schemes); i++)
        if (strlen(schemes[i].scheme) == len &&
            g_ascii_strncasecmp(schemes[i].scheme, name, len) == 0)
            return &schemes[i];
    return NULL;
}

static gboolean has_control(const char *s)
{
    for (; *s; s++)
        if (g_ascii_iscntrl(*s))
            return TRUE;
    return FALSE;
}

static gboolean parse_port(MailAccount *account, const char *text)
{
    guint64 port;

    if (!g_ascii_string_to_unsigned(text, 10, 1, G_MAXUINT16, &port, NULL))
        return FALSE;
    account->port = (guint16)port;
    return TRUE;
}

static gboolean parse_host(MailAccount *account, const char *text, const char *url, GError **error)
{
    const char *end, *colon;

    if (*text == '[') {
        end = strchr(text, ']');
        if (!end || (end[1] && end[1] != ':'))
            return invalid(error, url, "the address in brackets does not end");
        account->host = g_strndup(text + 1, end - text - 1);
        colon = end[1] ? end + 1 : NULL;
    } else {
        colon = strchr(text, ':');
        account->host = colon ? g_strndup(text, colon - text) : g_strdup(text);
    }
    if (!*account->host)
        return invalid(error, url, "it names no host");
    if (has_control(account->host) || strpbrk(account->host, " %\\\"<>"))
        return invalid(error, url, "the host name is not valid");
    if (colon && !parse_port(account, colon + 1))
        return invalid(error, url, "the port is not a number from 1 to 65535");
    return TRUE;
}

static gboolean parse_user(MailAccount *account, const char *text, gsize len, const char *url,
                           GError **error)
{
    if (memchr(text, ':', len)) {
        g_set_error(
            error, MAIL_ERROR, MAIL_ERROR_INVALID,
            "read the account URL: it seems to hold a password, which everybody could read; "
            "use -o password_command= or -o password_file= (a colon in the user name is "
            "written %%3A)");
        return FALSE;
    }
    account->user = g_uri_unescape_segment(text, text + len, NULL);
    if (!account->user || !*account->user)
        return invalid(error, url, "the user name is not valid");
    if (has_control(account->user))
        return invalid(error, url, "the user name has a control character");
    return TRUE;
}

MailAccount *mail_account_parse(const char *url, GError **error)
{
    g_autoptr(MailAccount) account = g_new0(MailAccount, 1);
    const char *mark = strstr(url, "://");
    const Scheme *scheme = mark ? scheme_find(url, mark - url) : NULL;
    g_autofree char *authority = NULL;
    const char *rest;
    char *at;

    if (!scheme) {
        invalid(error, url,
                "it must begin with imaps://, imap://, imap+insecure://, pop3s://, pop3:// or "
                "pop3+insecure://");
        return NULL;
    }
    account->protocol = scheme->protocol;
    account->security = scheme->security;
    account->port = scheme->port;
    rest = mark + 3;
    authority = g_strndup(rest, strcspn(rest, "/"));
    rest += strlen(authority);
    at = strrchr(authority, '@');
    if (!at) {
        invalid(error, url, "it names no user (user@host)");
        return NULL;
    }
    if (!parse_user(account, authority, at - authority, url, error) ||
        !parse_host(account, at + 1, url, error))
        return NULL;
    if (*rest && strcmp(rest, "/") != 0) {
        invalid(error, url, "nothing may follow the host");
        return NULL;
    }
    return g_steal_pointer(&account);
}

void mail_account_free(MailAccount *account)
{
    if (!account)
        return;
    g_free(account->user);
    g_free(account->host);
    g_free(account);
}

char *mail_account_dup_url(const MailAccount *account)
{
    g_autofree char *user = g_uri_escape_string(account->user, "@", TRUE);
    const char *open = strchr(account->host, ':') ? "[" : "", *close = *open ? "]" : "";
    const Scheme *scheme = schemes;

    while (scheme->protocol != account->protocol || scheme->security != account->security)
        scheme++;
    if (account->port == scheme->port)
        return g_strdup_printf("%s://%s@%s%s%s", scheme->scheme, user, open, account->host, close);
    return g_strdup_printf("%s://%s@%s%s%s:%u", scheme->scheme, user, open, account->host, close,
                           account->port);
}

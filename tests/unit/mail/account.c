/* SPDX-License-Identifier: MIT */
/* tests/unit/mail/account.c - account URLs, there and back, and those that are refused. */
#include "mail/account.h"

#include <string.h>

#include "mail/error.h"

typedef struct {
    const char *url;
    MailProtocol protocol;
    MailSecurity security;
    const char *user, *host;
    guint16 port;
    const char *again; /* NULL: as url */
} Row;

static const Row rows[] = {
    {"imaps://me@example.org", MAIL_PROTOCOL_IMAP, MAIL_SECURITY_TLS, "me", "example.org", 993,
     NULL},
    {"imaps://me@example.org/", MAIL_PROTOCOL_IMAP, MAIL_SECURITY_TLS, "me", "example.org", 993,
     "imaps://me@example.org"},
    {"imap://me@example.org", MAIL_PROTOCOL_IMAP, MAIL_SECURITY_STARTTLS, "me", "example.org", 143,
     NULL},
    {"imap+insecure://me@localhost", MAIL_PROTOCOL_IMAP, MAIL_SECURITY_NONE, "me", "localhost", 143,
     NULL},
    {"IMAPS://me@example.org:993", MAIL_PROTOCOL_IMAP, MAIL_SECURITY_TLS, "me", "example.org", 993,
     "imaps://me@example.org"},
    {"imaps://me@example.org:143", MAIL_PROTOCOL_IMAP, MAIL_SECURITY_TLS, "me", "example.org", 143,
     NULL},
    {"imap://me@example.org:1", MAIL_PROTOCOL_IMAP, MAIL_SECURITY_STARTTLS, "me", "example.org", 1,
     NULL},
    {"imap://me@example.org:65535", MAIL_PROTOCOL_IMAP, MAIL_SECURITY_STARTTLS, "me", "example.org",
     65535, NULL},
    {"imaps://me@work.example@example.org", MAIL_PROTOCOL_IMAP, MAIL_SECURITY_TLS,
     "me@work.example", "example.org", 993, NULL},
    {"imaps://me%40work.example@example.org", MAIL_PROTOCOL_IMAP, MAIL_SECURITY_TLS,
     "me@work.example", "example.org", 993, "imaps://me@work.example@example.org"},
    {"imaps://a%3Ab@example.org", MAIL_PROTOCOL_IMAP, MAIL_SECURITY_TLS, "a:b", "example.org", 993,
     NULL},
    {"imaps://a%2Fb@example.org", MAIL_PROTOCOL_IMAP, MAIL_SECURITY_TLS, "a/b", "example.org", 993,
     NULL},
    {"imaps://100%25@example.org", MAIL_PROTOCOL_IMAP, MAIL_SECURITY_TLS, "100%", "example.org",
     993, NULL},
    {"imaps://M%C3%B6ller@example.org", MAIL_PROTOCOL_IMAP, MAIL_SECURITY_TLS, "M\303\266ller",
     "example.org", 993, "imaps://M\303\266ller@example.org"},
    {"imaps://me@[::1]", MAIL_PROTOCOL_IMAP, MAIL_SECURITY_TLS, "me", "::1", 993, NULL},
    {"imaps://me@[2001:db8::1]:9930/", MAIL_PROTOCOL_IMAP, MAIL_SECURITY_TLS, "me", "2001:db8::1",
     9930, "imaps://me@[2001:db8::1]:9930"},
    {"imaps://me@192.0.2.1", MAIL_PROTOCOL_IMAP, MAIL_SECURITY_TLS, "me", "192.0.2.1", 993, NULL},
    {"pop3s://me@example.org", MAIL_PROTOCOL_POP3, MAIL_SECURITY_TLS, "me", "example.org", 995,
     NULL},
    {"POP3S://me@example.org:995/", MAIL_PROTOCOL_POP3, MAIL_SECURITY_TLS, "me", "example.org", 995,
     "pop3s://me@example.org"},
    {"pop3s://me@example.org:993", MAIL_PROTOCOL_POP3, MAIL_SECURITY_TLS, "me", "example.org", 993,
     NULL},
    {"pop3://me@example.org", MAIL_PROTOCOL_POP3, MAIL_SECURITY_STARTTLS, "me", "example.org", 110,
     NULL},
    {"pop3+insecure://me@localhost", MAIL_PROTOCOL_POP3, MAIL_SECURITY_NONE, "me", "localhost", 110,
     NULL},
};

static void test_row(gconstpointer data)
{
    const Row *row = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(MailAccount) account = mail_account_parse(row->url, &error);
    g_autofree char *url = NULL;

    g_assert_no_error(error);
    g_assert_cmpint(account->protocol, ==, row->protocol);
    g_assert_cmpint(account->security, ==, row->security);
    g_assert_cmpstr(account->user, ==, row->user);
    g_assert_cmpstr(account->host, ==, row->host);
    g_assert_cmpuint(account->port, ==, row->port);
    url = mail_account_dup_url(account);
    g_assert_cmpstr(url, ==, row->again ? row->again : row->url);
}

static const struct {
    const char *url, *why;
} refused[] = {
    {"", "must begin with"},
    {"me@example.org", "must begin with"},
    {"http://me@example.org", "must begin with"},
    {"imaps:/me@example.org", "must begin with"},
    {"imap+insecur://me@example.org", "must begin with"},
    {"imaps+insecure://me@example.org", "must begin with"},
    {"pop://me@example.org", "pop3s://, pop3:// or pop3+insecure://"},
    {"pop3s+insecure://me@example.org", "must begin with"},
    {"imaps://example.org", "names no user"},
    {"imaps://", "names no user"},
    {"imaps:///me@example.org", "names no user"},
    {"imaps://@example.org", "user name is not valid"},
    {"imaps://a%00b@example.org", "user name is not valid"},
    {"imaps://a%2@example.org", "user name is not valid"},
    {"imaps://a%zz@example.org", "user name is not valid"},
    {"imaps://a%0D%0Ab@example.org", "control character"},
    {"imaps://a%7F@example.org", "control character"},
    {"imaps://me@", "names no host"},
    {"imaps://me@:993", "names no host"},
    {"imaps://me@[]", "names no host"},
    {"imaps://me@[::1", "does not end"},
    {"imaps://me@[::1]x", "does not end"},
    {"imaps://me@exa mple.org", "host name is not valid"},
    {"imaps://me@exa%20mple.org", "host name is not valid"},
    {"imaps://me@example.org\r\n", "host name is not valid"},
    {"imaps://me@[::1\n]", "host name is not valid"},
    {"imaps://me@example.org:", "port"},
    {"imaps://me@example.org:0", "port"},
    {"imaps://me@example.org:65536", "port"},
    {"imaps://me@example.org:+1", "port"},
    {"imaps://me@example.org: 1", "port"},
    {"imaps://me@example.org:99x", "port"},
    {"imaps://me@::1", "names no host"},
    {"imaps://me@2001:db8::1", "port"},
    {"imaps://me@example.org/INBOX", "nothing may follow"},
    {"imaps://me@example.org//", "nothing may follow"},
    {"pop3s://example.org", "names no user"},
    {"pop3s://me:secret@example.org", "password"},
    {"pop3s://me@example.org/INBOX", "nothing may follow"},
};

static void test_refused(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autoptr(GError) error = NULL;

        g_test_message("%s", refused[i].url);
        g_assert_null(mail_account_parse(refused[i].url, &error));
        g_assert_error(error, MAIL_ERROR, MAIL_ERROR_INVALID);
        if (!strstr(error->message, refused[i].why))
            g_error("\"%s\" does not tell \"%s\"", error->message, refused[i].why);
    }
}

/* Nor is it repeated where others may read it. */
static void test_password(void)
{
    static const char *const urls[] = {
        "imaps://me:hunter2@example.org",       "imaps://:hunter2@example.org",
        "imaps://me@work:hunter2@example.org",  "imaps://me:hunter2@",
        "imaps://me:hunter2@example.org:99999",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(urls); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(mail_account_parse(urls[i], &error));
        g_assert_error(error, MAIL_ERROR, MAIL_ERROR_INVALID);
        g_assert_nonnull(strstr(error->message, "password"));
        g_assert_null(strstr(error->message, "hunter2"));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strdup_printf("/mail/account/parse/%" G_GSIZE_FORMAT, i);

        g_test_add_data_func(path, &rows[i], test_row);
    }
    g_test_add_func("/mail/account/refused", test_refused);
    g_test_add_func("/mail/account/password", test_password);
    return g_test_run();
}

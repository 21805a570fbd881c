/* SPDX-License-Identifier: MIT */
/* imap/errors.c - what a server's NO, BAD or BYE means. */
#include "imap/errors.h"

#include <string.h>

#define TEXT_MAX 200

static const struct {
    const char *code;
    MailError error;
} codes[] = {
    {"AUTHENTICATIONFAILED", MAIL_ERROR_AUTH},
    {"AUTHORIZATIONFAILED", MAIL_ERROR_AUTH},
    {"EXPIRED", MAIL_ERROR_AUTH},
    {"PRIVACYREQUIRED", MAIL_ERROR_TLS},
    {"NOPERM", MAIL_ERROR_PERMISSION},
    {"CONTACTADMIN", MAIL_ERROR_PERMISSION},
    {"READ-ONLY", MAIL_ERROR_READ_ONLY},
    {"NONEXISTENT", MAIL_ERROR_NOT_FOUND},
    {"TRYCREATE", MAIL_ERROR_NOT_FOUND},
    {"EXPUNGEISSUED", MAIL_ERROR_GONE},
    {"ALREADYEXISTS", MAIL_ERROR_EXISTS},
    {"INUSE", MAIL_ERROR_BUSY},
    {"UNAVAILABLE", MAIL_ERROR_BUSY},
    {"LIMIT", MAIL_ERROR_BUSY},
    {"THROTTLED", MAIL_ERROR_BUSY},
    {"OVERQUOTA", MAIL_ERROR_QUOTA},
    {"TOOBIG", MAIL_ERROR_TOO_BIG},
    {"CANNOT", MAIL_ERROR_UNSUPPORTED},
    {"CLIENTBUG", MAIL_ERROR_PROTOCOL},
};

char *imap_clean_text(const char *text)
{
    char *clean = g_utf8_make_valid(text, (gssize)strnlen(text, TEXT_MAX));

    for (char *p = clean; *p; p = g_utf8_next_char(p))
        if (!g_unichar_isprint(g_utf8_get_char(p)))
            memset(p, '?', (gsize)(g_utf8_next_char(p) - p));
    return clean;
}

GError *imap_error_new(const ImapResponse *response, const char *doing)
{
    g_autofree char *text = imap_clean_text(response->text);
    MailError error = g_str_equal(response->name, "BYE") ? MAIL_ERROR_OFFLINE : MAIL_ERROR_SERVER;

    for (gsize i = 0; response->code && i < G_N_ELEMENTS(codes); i++)
        if (g_str_equal(codes[i].code, response->code))
            error = codes[i].error;
    return g_error_new(MAIL_ERROR, error, "%s: the server says %s%s%s%s%s", doing, response->name,
                       response->code ? " [" : "", response->code ? response->code : "",
                       response->code ? "] " : " ", text);
}

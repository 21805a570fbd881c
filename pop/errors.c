/* SPDX-License-Identifier: MIT */
/* pop/errors.c - what a server's -ERR means. */
#include "pop/errors.h"

#include <string.h>

#define TEXT_MAX 200

static const struct {
    const char *code;
    MailError error;
} codes[] = {
    {"AUTH", MAIL_ERROR_AUTH},        {"IN-USE", MAIL_ERROR_BUSY},
    {"LOGIN-DELAY", MAIL_ERROR_BUSY}, {"SYS/TEMP", MAIL_ERROR_BUSY},
    {"SYS/PERM", MAIL_ERROR_SERVER},
};

/* Codes have levels, "SYS/TEMP/DISK": the first of them may be enough (RFC 2449 8). */
static gboolean is_within(const char *code, const char *known)
{
    gsize len = strlen(known);

    return g_ascii_strncasecmp(code, known, len) == 0 && (!code[len] || code[len] == '/');
}

static char *dup_clean(const char *text)
{
    char *clean = g_utf8_make_valid(text, (gssize)strnlen(text, TEXT_MAX));

    for (char *p = clean; *p; p = g_utf8_next_char(p))
        if (!g_unichar_isprint(g_utf8_get_char(p)))
            memset(p, '?', (gsize)(g_utf8_next_char(p) - p));
    return clean;
}

GError *pop_error_new(const PopStatus *status, const char *doing, MailError plain)
{
    g_autofree char *code = status->code ? dup_clean(status->code) : NULL;
    g_autofree char *text = dup_clean(status->text);
    MailError error = plain;

    for (gsize i = 0; code && i < G_N_ELEMENTS(codes); i++)
        if (is_within(code, codes[i].code))
            error = codes[i].error;
    return g_error_new(MAIL_ERROR, error, "%s: the server says -ERR%s%s%s %s", doing,
                       code ? " [" : "", code ? code : "", code ? "]" : "", text);
}

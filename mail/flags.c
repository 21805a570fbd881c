/* SPDX-License-Identifier: MIT */
/* mail/flags.c - letters and names of flags. */
#include "mail/flags.h"

#include <string.h>

static const struct {
    MailFlags flag;
    char letter;
    const char *imap;
} fixed[] = {
    /* in ASCII order of the letters */
    {MAIL_FLAG_DRAFT, 'D', "\\Draft"},        {MAIL_FLAG_FLAGGED, 'F', "\\Flagged"},
    {MAIL_FLAG_FORWARDED, 'P', "$Forwarded"}, {MAIL_FLAG_ANSWERED, 'R', "\\Answered"},
    {MAIL_FLAG_SEEN, 'S', "\\Seen"},          {MAIL_FLAG_DELETED, 'T', "\\Deleted"},
};

void mail_flags_letters(MailFlags flags, char letters[MAIL_FLAGS_LETTERS_MAX])
{
    char *p = letters;

    for (gsize i = 0; i < G_N_ELEMENTS(fixed); i++)
        if (flags & fixed[i].flag)
            *p++ = fixed[i].letter;
    for (guint nth = 0; nth < 26; nth++)
        if (flags & mail_flag_keyword(nth))
            *p++ = (char)('a' + nth);
    *p = '\0';
}

static MailFlags flag_of_letter(char letter)
{
    for (gsize i = 0; i < G_N_ELEMENTS(fixed); i++)
        if (fixed[i].letter == letter)
            return fixed[i].flag;
    return g_ascii_islower(letter) ? mail_flag_keyword((guint)(letter - 'a')) : 0;
}

gboolean mail_flags_from_letters(const char *letters, gsize len, MailFlags *ret_flags)
{
    MailFlags flags = 0;

    for (gsize i = 0; i < len; i++) {
        MailFlags flag = flag_of_letter(letters[i]);

        if (!flag)
            return FALSE;
        flags |= flag;
    }
    *ret_flags = flags;
    return TRUE;
}

MailFlags mail_flag_from_imap(const char *name, gsize len)
{
    for (gsize i = 0; i < G_N_ELEMENTS(fixed); i++)
        if (strlen(fixed[i].imap) == len && g_ascii_strncasecmp(fixed[i].imap, name, len) == 0)
            return fixed[i].flag;
    return 0;
}

const char *mail_flag_to_imap(MailFlags flag)
{
    for (gsize i = 0; i < G_N_ELEMENTS(fixed); i++)
        if (fixed[i].flag == flag)
            return fixed[i].imap;
    return NULL;
}

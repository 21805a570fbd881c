/* SPDX-License-Identifier: MIT */
/* imap/value.c - looking at values without trusting them. */
#include "imap/value.h"

#include <string.h>

gboolean imap_number_parse(const char *digits, gsize len, guint64 max, guint64 *ret_number)
{
    guint64 number = 0;

    if (len == 0 || (len > 1 && digits[0] == '0'))
        return FALSE;
    for (gsize i = 0; i < len; i++) {
        guint digit = (guchar)digits[i] - (guint)'0';

        if (digit > 9 || number > max / 10 || digit > max - number * 10)
            return FALSE;
        number = number * 10 + digit;
    }
    *ret_number = number;
    return TRUE;
}

const ImapValue *imap_value_nth(const ImapValue *list, guint nth)
{
    const ImapValue *value = list && list->type == IMAP_VALUE_LIST ? list->first : NULL;

    while (value && nth-- > 0)
        value = value->next;
    return value;
}

gboolean imap_value_number(const ImapValue *value, guint64 *ret_number)
{
    return value && value->type == IMAP_VALUE_ATOM &&
           imap_number_parse(value->bytes, value->len, G_MAXUINT64, ret_number);
}

const char *imap_value_text(const ImapValue *value)
{
    if (!value || (value->type != IMAP_VALUE_ATOM && value->type != IMAP_VALUE_STRING))
        return NULL;
    return memchr(value->bytes, '\0', value->len) ? NULL : value->bytes;
}

gboolean imap_value_is(const ImapValue *value, const char *word)
{
    return value && value->type == IMAP_VALUE_ATOM && strlen(word) == value->len &&
           g_ascii_strncasecmp(value->bytes, word, value->len) == 0;
}

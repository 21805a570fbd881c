/* SPDX-License-Identifier: MIT */
/* mime/header.c - decoding header values. */
#include "mime/mime.h"

#include <gmime/gmime.h>
#include <string.h>

#include "mime/text.h"

#define HEADER_MAX ((gsize)64 * 1024)

void mime_init(void)
{
    /* For raw 8-bit headers: UTF-8 if it is that, else what most such mail is. */
    static const char *const charsets[] = {"utf-8", "windows-1252", NULL};
    GMimeParserOptions *options;

    g_mime_init();
    options = g_mime_parser_options_get_default();
    g_mime_parser_options_set_fallback_charsets(options, (const char **)charsets);
}

/* Plain ASCII without encoded words is most of all mail, and needs no decoder. */
static gboolean is_plain(const char *s)
{
    for (; *s; s++)
        if ((guchar)*s >= 0x7f || (s[0] == '=' && s[1] == '?'))
            return FALSE;
    return TRUE;
}

/* A NUL would end the text for everybody else: a blank instead. */
static char *dup_without_nul(const char *bytes, gsize len)
{
    char *text = g_malloc(len + 1);

    for (gsize i = 0; i < len; i++)
        text[i] = bytes[i] ? bytes[i] : ' ';
    text[len] = '\0';
    return text;
}

char *mime_header_decode(const char *bytes, gsize len)
{
    g_autofree char *raw = dup_without_nul(bytes, MIN(len, HEADER_MAX));
    g_autofree char *unfolded = NULL, *decoded = NULL;
    char *valid;

    if (strchr(raw, '\n'))
        unfolded = g_mime_utils_header_unfold(raw);
    else
        unfolded = g_steal_pointer(&raw);
    if (is_plain(unfolded)) {
        mime_blank_controls(unfolded, strlen(unfolded));
        return g_steal_pointer(&unfolded);
    }
    decoded = g_mime_utils_header_decode_text(NULL, unfolded);
    valid = g_utf8_make_valid(decoded, -1);
    mime_blank_controls(valid, strlen(valid));
    return valid;
}

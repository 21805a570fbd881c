/* SPDX-License-Identifier: MIT */
/* mime/header.c - decoding header values. */
#include "mime/mime.h"

#include <gmime/gmime.h>
#include <string.h>

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

/* In place: each run of blanks and control characters around a fold becomes one blank. */
static void blank_controls(char *s)
{
    for (; *s; s++)
        if ((guchar)*s < 0x20 || *s == 0x7f)
            *s = ' ';
}

char *mime_header_decode(const char *bytes, gsize len)
{
    /* A NUL would end the text for everybody else: a blank instead. */
    g_autofree char *raw = g_strndup(bytes, MIN(len, HEADER_MAX));
    g_autofree char *unfolded = NULL, *decoded = NULL;
    char *valid;

    for (gsize i = 0; i < MIN(len, HEADER_MAX); i++)
        if (bytes[i] == '\0')
            raw[i] = ' ';
        else
            raw[i] = bytes[i];
    if (is_plain(raw)) {
        blank_controls(raw);
        return g_steal_pointer(&raw);
    }
    unfolded = g_mime_utils_header_unfold(raw);
    decoded = g_mime_utils_header_decode_text(NULL, unfolded);
    valid = g_utf8_make_valid(decoded, -1);
    blank_controls(valid);
    return valid;
}

/* SPDX-License-Identifier: MIT */
/* mime/text.h - what text must not bring to a terminal. */
#pragma once

#include <glib.h>

/* Octets of the control character (C0, DEL or C1) that the UTF-8 @text begins with; 0 where it
 * begins with none. */
static inline gsize mime_control_len(const char *text, gsize len)
{
    guchar c = (guchar)text[0];

    if (c < 0x20 || c == 0x7f)
        return 1;
    return c == 0xc2 && len > 1 && (guchar)text[1] < 0xa0 ? 2 : 0;
}

/* Makes a blank of each octet of a control character of the UTF-8 @text, in place. */
static inline void mime_blank_controls(char *text, gsize len)
{
    for (gsize i = 0, n; i < len; i += MAX(n, 1)) {
        n = mime_control_len(text + i, len - i);
        for (gsize k = 0; k < n; k++)
            text[i + k] = ' ';
    }
}

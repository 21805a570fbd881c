/* SPDX-License-Identifier: MIT */
/* mail/part.c - the MIME tree. */
#include "mail/part.h"

MailPart *mail_part_new(void)
{
    return g_new0(MailPart, 1);
}

void mail_part_free(MailPart *part)
{
    if (!part)
        return;
    g_free(part->type);
    g_free(part->subtype);
    g_free(part->charset);
    g_free(part->name);
    g_free(part->encoding);
    g_free(part->disposition);
    if (part->parts)
        g_ptr_array_unref(part->parts);
    g_free(part);
}

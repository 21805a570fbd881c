/* SPDX-License-Identifier: MIT */
/* imap/store.c - flags, as what is added and what is taken away (RFC 9051 6.4.6). */
#include <string.h>

#include "imap/batch.h"

/* Keywords are a server's or a user's words. */
static gboolean is_atom(const char *word)
{
    for (const char *p = word; *p; p++)
        if (*p <= ' ' || *p == 0x7f || strchr("(){%*\"\\]", *p))
            return FALSE;
    return *word != '\0';
}

static const char *name_of(Cache *cache, MailFlags flag)
{
    const char *name = mail_flag_to_imap(flag);

    if (name)
        return name;
    name = cache_keyword(cache, flag);
    return name && is_atom(name) ? name : NULL;
}

/* "(\Seen $Junk)"; new, or NULL when one of @flags cannot be said. */
static char *format_flags(Cache *cache, MailFlags flags)
{
    g_autoptr(GString) text = g_string_new("(");

    for (guint bit = 0; bit < 64; bit++) {
        MailFlags flag = flags & (MailFlags)1 << bit;
        const char *name = flag ? name_of(cache, flag) : NULL;

        if (flag && !name)
            return NULL;
        if (flag)
            g_string_append_printf(text, "%s%s", text->len > 1 ? " " : "", name);
    }
    g_string_append_c(text, ')');
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static void send(ImapUnit *unit, const char *item, MailFlags flags, const char *names)
{
    ImapCommand *command;

    if (!flags)
        return;
    command = imap_unit_command(unit, "UID STORE");
    imap_command_addf(command, "%s %s", item, names);
    imap_unit_send(unit, command, NULL);
}

void imap_store_send(ImapUnit *unit)
{
    const ImapMessageChange *change = &g_array_index(unit->changes, ImapMessageChange, 0);
    Cache *cache = imap_worker_cache(unit->batch->task.worker);
    g_autofree char *added = format_flags(cache, change->add);
    g_autofree char *removed = format_flags(cache, change->remove);

    if (!added || !removed)
        unit->error = g_error_new(MAIL_ERROR, MAIL_ERROR_UNSUPPORTED,
                                  "store: a keyword cannot be said in IMAP");
    if (unit->error || (!change->add && !change->remove)) {
        imap_unit_end(unit);
        return;
    }
    send(unit, "+FLAGS.SILENT", change->add, added);
    send(unit, "-FLAGS.SILENT", change->remove, removed);
}

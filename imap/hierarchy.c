/* SPDX-License-Identifier: MIT */
/* imap/hierarchy.c - names of mailboxes as the server writes them. */
#include "imap/hierarchy.h"

#include <string.h>

#include "cache/cache.h"
#include "imap/utf7.h"

static guint parse_attributes(const ImapValue *list)
{
    static const struct {
        const char *name;
        guint attribute;
    } known[] = {
        {"\\Noselect", CACHE_BOX_NOSELECT}, {"\\NonExistent", CACHE_BOX_NOSELECT},
        {"\\Sent", CACHE_BOX_SENT},         {"\\Drafts", CACHE_BOX_DRAFTS},
        {"\\Trash", CACHE_BOX_TRASH},       {"\\Junk", CACHE_BOX_JUNK},
        {"\\Archive", CACHE_BOX_ARCHIVE},   {"\\All", CACHE_BOX_ALL},
        {"\\Flagged", CACHE_BOX_FLAGGED},
    };
    guint attributes = 0;

    for (const ImapValue *value = list ? list->first : NULL; value; value = value->next)
        for (gsize i = 0; i < G_N_ELEMENTS(known); i++)
            if (imap_value_is(value, known[i].name))
                attributes |= known[i].attribute;
    return attributes;
}

/* The one character that divides levels; "" where there are none.  NULL for what cannot be one. */
static const char *parse_delimiter(const ImapValue *value)
{
    const char *text = imap_value_text(value);

    if (!value)
        return NULL;
    if (value->type == IMAP_VALUE_NIL)
        return "";
    return text && strlen(text) <= 1 && (guchar)text[0] < 0x80 ? text : NULL;
}

gboolean imap_listed_parse(const ImapValue *values, ImapListed *ret_listed)
{
    const ImapValue *second = values ? values->next : NULL;
    const ImapValue *third = second ? second->next : NULL;

    *ret_listed = (ImapListed){
        .wire = third && third->type == IMAP_VALUE_NIL ? "NIL" : imap_value_text(third),
        .delimiter = parse_delimiter(second),
        .attributes = parse_attributes(values),
    };
    return ret_listed->wire && ret_listed->delimiter;
}

gboolean imap_is_inbox(const char *wire)
{
    return g_ascii_strcasecmp(wire, "INBOX") == 0;
}

gboolean imap_is_same_box(const char *wire, const char *other)
{
    return g_str_equal(wire, other) || (imap_is_inbox(wire) && imap_is_inbox(other));
}

char *imap_wire_new(const char *place, const char *delimiter, const char *component,
                    gboolean is_utf8, GError **error)
{
    g_autofree char *encoded = NULL;

    if (!*component || !g_utf8_validate(component, -1, NULL) || strpbrk(component, "\r\n") ||
        (*delimiter && strstr(component, delimiter))) {
        g_set_error(error, MAIL_ERROR, MAIL_ERROR_INVALID,
                    "the server cannot have a mailbox of that name");
        return NULL;
    }
    encoded = is_utf8 ? g_strdup(component) : imap_utf7_encode(component);
    if (*delimiter && strstr(encoded, delimiter)) {
        g_set_error(error, MAIL_ERROR, MAIL_ERROR_INVALID,
                    "the server takes a part of that name for a delimiter");
        return NULL;
    }
    return g_strconcat(place, encoded, NULL);
}

char *imap_wire_dup_place(const char *wire, const char *delimiter, guint n)
{
    g_autofree char *place = g_strconcat(wire, delimiter, NULL);

    if (!*delimiter)
        return NULL;
    while (n-- > 0) {
        char *last;

        place[strlen(place) - 1] = '\0';
        last = strrchr(place, delimiter[0]);
        if (!last)
            return NULL;
        last[1] = '\0';
    }
    return g_steal_pointer(&place);
}

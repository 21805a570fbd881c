/* SPDX-License-Identifier: MIT */
/* imap/bodystructure.c - a BODYSTRUCTURE to a tree of parts (RFC 9051 7.5.2, body).
 *
 * Strict where a wrong reading would show wrong data: the caller has the message itself to go by.
 */
#include "imap/fetch-items.h"

#include <string.h>

#include "mime/mime.h"

/* What becomes a file name or a type is kept up to here. */
#define STRING_MAX ((gsize)64 * 1024)

static MailPart *read_part(const ImapValue *list, guint depth, guint *n_parts);

static gboolean is_list(const ImapValue *value)
{
    return value && value->type == IMAP_VALUE_LIST;
}

/* The text of a quoted string or literal that came whole; or NULL. */
static const char *get_string(const ImapValue *value)
{
    return value && value->len == value->full_len && value->len <= STRING_MAX
               ? imap_value_text(value)
               : NULL;
}

static gboolean is_string_or_nil(const ImapValue *value)
{
    return value && (value->type == IMAP_VALUE_NIL || imap_value_text(value));
}

static char *dup_lower(const ImapValue *value)
{
    const char *text = get_string(value);

    return text ? mime_token_dup(text) : NULL;
}

/* Takes the value at *at, which goes on to the next one. */
static const ImapValue *take(const ImapValue **at)
{
    const ImapValue *value = *at;

    if (value)
        *at = value->next;
    return value;
}

/* NIL or a list of names and strings.  Absent counts as NIL. */
static gboolean are_params(const ImapValue *params)
{
    if (!params || params->type == IMAP_VALUE_NIL)
        return TRUE;
    if (!is_list(params))
        return FALSE;
    for (const ImapValue *name = params->first; name; name = name->next->next)
        if (!imap_value_text(name) || !name->next || !imap_value_text(name->next))
            return FALSE;
    return TRUE;
}

static MimeParams *gather(const ImapValue *params)
{
    MimeParams *gathered = mime_params_new();

    for (const ImapValue *at = imap_value_nth(params, 0); at; at = at->next->next)
        if (get_string(at->next))
            mime_params_add(gathered, imap_value_text(at), get_string(at->next));
    return gathered;
}

static char *dup_param(const ImapValue *params, const char *name)
{
    g_autoptr(MimeParams) gathered = gather(params);

    return mime_params_dup_text(gathered, name);
}

static char *dup_charset(const ImapValue *params)
{
    g_autoptr(MimeParams) gathered = gather(params);

    return mime_params_dup_charset(gathered);
}

/* NIL, ("inline" (params)), or the word alone. */
static gboolean read_disposition(MailPart *part, const ImapValue *value)
{
    const ImapValue *params;

    if (!value || value->type == IMAP_VALUE_NIL)
        return TRUE;
    params = imap_value_nth(value, 1);
    part->disposition = dup_lower(is_list(value) ? value->first : value);
    if (!part->disposition || !are_params(params))
        return FALSE;
    part->name = dup_param(params, "filename");
    return TRUE;
}

/* The disposition's is the better one. */
static void read_name(MailPart *part, const ImapValue *params)
{
    if (!part->name)
        part->name = dup_param(params, "name");
}

/* What may follow the fields of a single part: MD5, disposition, language, location. */
static gboolean read_extension(MailPart *part, const ImapValue *at)
{
    const ImapValue *md5 = take(&at);

    return (!md5 || is_string_or_nil(md5)) && read_disposition(part, at);
}

static gboolean add_part(MailPart *part, const ImapValue *list, guint depth, guint *n_parts)
{
    MailPart *child = read_part(list, depth, n_parts);

    if (!child)
        return FALSE;
    if (!part->parts)
        part->parts = mail_parts_new();
    g_ptr_array_add(part->parts, child);
    return TRUE;
}

/* (part part ... "mixed" params disposition language location) */
static gboolean read_multipart(MailPart *part, const ImapValue *at, guint depth, guint *n_parts)
{
    const ImapValue *params;

    for (; is_list(at); at = at->next)
        if (!add_part(part, at, depth + 1, n_parts))
            return FALSE;
    part->type = g_strdup("multipart");
    part->encoding = g_strdup("7bit"); /* of its own: that of its parts is told there */
    part->subtype = dup_lower(take(&at));
    params = take(&at);
    if (!part->subtype || !are_params(params) || !read_disposition(part, at))
        return FALSE;
    read_name(part, params);
    return TRUE;
}

static gboolean is_number(const ImapValue *value)
{
    guint64 number;

    return imap_value_number(value, &number);
}

static gboolean read_message(MailPart *part, const ImapValue **at, guint depth, guint *n_parts)
{
    gboolean is_encoded = !mime_encoding_is_identity(part->encoding);

    if (is_encoded && !is_list(*at) && !is_number(*at))
        return TRUE;
    if (!is_list(take(at)) || !is_list(*at) || !add_part(part, take(at), depth + 1, n_parts) ||
        !is_number(take(at)))
        return FALSE;
    if (is_encoded) /* its parts are of what it is before it is decoded */
        g_clear_pointer(&part->parts, g_ptr_array_unref);
    return TRUE;
}

/* What text and whole messages have between their size and the extension. */
static gboolean read_details(MailPart *part, const ImapValue **at, guint depth, guint *n_parts)
{
    if (g_str_equal(part->type, "text"))
        return is_number(take(at));
    if (!g_str_equal(part->type, "message") ||
        (!g_str_equal(part->subtype, "rfc822") && !g_str_equal(part->subtype, "global")))
        return TRUE;
    return read_message(part, at, depth, n_parts);
}

/* Servers tell a wrong Content-Type as empty strings: then it is as if there were none (RFC 2045
 * 5.2). */
static void replace_empty_type(MailPart *part)
{
    if (*part->type && *part->subtype)
        return;
    g_free(part->type);
    g_free(part->subtype);
    part->type = g_strdup("text");
    part->subtype = g_strdup("plain");
}

/* ("text" "plain" params id description encoding octets ...) */
static gboolean read_single(MailPart *part, const ImapValue *at, guint depth, guint *n_parts)
{
    const ImapValue *params;

    part->type = dup_lower(take(&at));
    part->subtype = dup_lower(take(&at));
    params = take(&at);
    if (!part->type || !part->subtype || !params || !are_params(params) ||
        !is_string_or_nil(take(&at)) || !is_string_or_nil(take(&at)))
        return FALSE;
    part->encoding = dup_lower(take(&at));
    if (!part->encoding || !imap_value_number(take(&at), &part->size) || part->size > G_MAXINT64 ||
        !read_details(part, &at, depth, n_parts) || !read_extension(part, at))
        return FALSE;
    if (g_str_equal(part->type, "text"))
        part->charset = dup_charset(params);
    replace_empty_type(part);
    read_name(part, params);
    return TRUE;
}

static MailPart *read_part(const ImapValue *list, guint depth, guint *n_parts)
{
    g_autoptr(MailPart) part = NULL;
    gboolean is_right;

    if (!is_list(list) || depth >= MAIL_PART_DEPTH_MAX || *n_parts >= MAIL_PARTS_MAX)
        return NULL;
    (*n_parts)++;
    part = mail_part_new();
    is_right = is_list(list->first) ? read_multipart(part, list->first, depth, n_parts)
                                    : read_single(part, list->first, depth, n_parts);
    return is_right ? g_steal_pointer(&part) : NULL;
}

MailPart *imap_bodystructure_parse(const ImapValue *list)
{
    guint n_parts = 0;

    return read_part(list, 0, &n_parts);
}

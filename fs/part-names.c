/* SPDX-License-Identifier: MIT */
/* fs/part-names.c - how the parts of a message are called in the mount. */
#include <string.h>

#include "fs/names.h"

#define EXTENSION_MAX 16   /* bytes, with its dot */
#define COMPOSE_MAX   1024 /* bytes to normalise, which takes the square of their number */

/* --- safe --- */

static gboolean is_unsafe(gunichar c)
{
    switch (g_unichar_type(c)) {
    case G_UNICODE_CONTROL:
    case G_UNICODE_FORMAT:
    case G_UNICODE_UNASSIGNED:
    case G_UNICODE_PRIVATE_USE:
    case G_UNICODE_SURROGATE:
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR: return TRUE;
    default: return c < 0x80 && strchr("<>:\"|?*", (int)c);
    }
}

static gboolean is_blank(gunichar c)
{
    return g_unichar_type(c) == G_UNICODE_SPACE_SEPARATOR;
}

/* Whether no name ends with @c; nor does one begin with it, or with a mark. */
static gboolean is_trimmed(gunichar c)
{
    return c == '.' || is_blank(c) || is_unsafe(c);
}

static const char *trimmed_begin(const char *text)
{
    while (*text && (is_trimmed(g_utf8_get_char(text)) || g_unichar_ismark(g_utf8_get_char(text))))
        text = g_utf8_next_char(text);
    return text;
}

static const char *trimmed_end(const char *begin, const char *end)
{
    while (end > begin && is_trimmed(g_utf8_get_char(g_utf8_prev_char(end))))
        end = g_utf8_prev_char(end);
    return end;
}

static void trim_end(GString *name)
{
    g_string_truncate(name, trimmed_end(name->str, name->str + name->len) - name->str);
}

/* --- short --- */

/* Where the extension of @name begins: a dot, letters and digits; at its end when it has none. */
static const char *find_extension(const char *name)
{
    const char *end = name + strlen(name), *dot = strrchr(name, '.');
    gboolean has_letter = FALSE;

    if (!dot || end - dot > EXTENSION_MAX)
        return end;
    for (const char *p = dot + 1; *p; p++) {
        if (!g_ascii_isalnum(*p))
            return end;
        has_letter |= g_ascii_isalpha(*p);
    }
    return has_letter ? dot : end;
}

/* The last place at @at or before it where @name can be cut: at a character, and not below its
 * marks unless it has nothing else. */
static gsize find_cut(const char *name, gsize at)
{
    const char *character = g_utf8_find_prev_char(name, name + at + 1), *base = character;

    while (base > name && g_unichar_ismark(g_utf8_get_char(base)))
        base = g_utf8_prev_char(base);
    return (gsize)((base > name ? base : character) - name);
}

/* To @max bytes, the extension kept. */
static void shorten(GString *name, gsize max)
{
    g_autofree char *extension = g_strdup(find_extension(name->str));

    if (name->len <= max)
        return;
    g_string_truncate(name, find_cut(name->str, max - strlen(extension)));
    trim_end(name);
    g_string_append(name, extension);
}

/* --- both --- */

static const char *last_component(const char *path)
{
    gsize len = strlen(path);

    while (len > 0 && path[len - 1] != '/' && path[len - 1] != '\\')
        len--;
    return path + len;
}

/* @text without what is not to be in a name. */
static GString *clean(const char *text, const char *end)
{
    GString *cleaned = g_string_new(NULL);
    char gap = '\0';

    for (const char *p = text; p < end; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);
        char new_gap = is_unsafe(c) ? '-' : is_blank(c) ? ' ' : '\0';

        if (!new_gap)
            g_string_append_unichar(cleaned, c);
        else if (new_gap != gap)
            g_string_append_c(cleaned, new_gap);
        gap = new_gap;
    }
    return cleaned;
}

/* What is left of @text, perhaps nothing. */
static GString *make_safe(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1), *composed = NULL;
    const char *begin = trimmed_begin(last_component(valid));
    GString *safe = clean(begin, trimmed_end(begin, begin + strlen(begin)));

    shorten(safe, COMPOSE_MAX);
    composed = g_utf8_normalize(safe->str, -1, G_NORMALIZE_NFC);
    return g_string_assign(safe, composed);
}

/* --- types --- */

/* The extension of the part's media type; NULL when the table has none. */
static const char *known_extension(const MailPart *part)
{
    static const struct {
        const char *type, *subtype, *extension;
    } rows[] = {
        {"text", "plain", "txt"},
        {"text", "html", "html"},
        {"text", "calendar", "ics"},
        {"text", "csv", "csv"},
        {"text", "directory", "vcf"},
        {"text", "markdown", "md"},
        {"text", "rfc822-headers", "txt"},
        {"text", "rtf", "rtf"},
        {"text", "vcard", "vcf"},
        {"text", "x-amp-html", "html"},
        {"text", "x-diff", "diff"},
        {"text", "x-patch", "patch"},
        {"text", "x-vcard", "vcf"},
        {"text", "xml", "xml"},
        {"image", "bmp", "bmp"},
        {"image", "gif", "gif"},
        {"image", "heic", "heic"},
        {"image", "jpeg", "jpg"},
        {"image", "jpg", "jpg"},
        {"image", "pjpeg", "jpg"},
        {"image", "png", "png"},
        {"image", "svg+xml", "svg"},
        {"image", "tiff", "tif"},
        {"image", "webp", "webp"},
        {"audio", "mp4", "m4a"},
        {"audio", "mpeg", "mp3"},
        {"audio", "ogg", "ogg"},
        {"audio", "wav", "wav"},
        {"audio", "x-wav", "wav"},
        {"video", "3gpp", "3gp"},
        {"video", "mp4", "mp4"},
        {"video", "mpeg", "mpg"},
        {"video", "quicktime", "mov"},
        {"application", "epub+zip", "epub"},
        {"application", "gzip", "gz"},
        {"application", "ics", "ics"},
        {"application", "json", "json"},
        {"application", "ms-tnef", "dat"},
        {"application", "msword", "doc"},
        {"application", "pdf", "pdf"},
        {"application", "pgp-encrypted", "asc"},
        {"application", "pgp-keys", "asc"},
        {"application", "pgp-signature", "asc"},
        {"application", "pkcs7-mime", "p7m"},
        {"application", "pkcs7-signature", "p7s"},
        {"application", "rtf", "rtf"},
        {"application", "vnd.ms-excel", "xls"},
        {"application", "vnd.ms-powerpoint", "ppt"},
        {"application", "vnd.oasis.opendocument.presentation", "odp"},
        {"application", "vnd.oasis.opendocument.spreadsheet", "ods"},
        {"application", "vnd.oasis.opendocument.text", "odt"},
        {"application", "vnd.openxmlformats-officedocument.presentationml.presentation", "pptx"},
        {"application", "vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"},
        {"application", "vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"},
        {"application", "x-7z-compressed", "7z"},
        {"application", "x-gzip", "gz"},
        {"application", "x-pkcs7-mime", "p7m"},
        {"application", "x-pkcs7-signature", "p7s"},
        {"application", "x-zip-compressed", "zip"},
        {"application", "xml", "xml"},
        {"application", "zip", "zip"},
        {"message", "delivery-status", "txt"},
        {"message", "disposition-notification", "txt"},
        {"message", "feedback-report", "txt"},
        {"message", "global", "eml"},
        {"message", "rfc822", "eml"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        if (g_str_equal(part->type, rows[i].type) && g_str_equal(part->subtype, rows[i].subtype))
            return rows[i].extension;
    return NULL;
}

/* For a type that the table has not. */
static const char *likely_extension(const MailPart *part)
{
    gsize len = strlen(part->subtype), n_good = 0;

    if (g_str_equal(part->type, "message"))
        return "eml";
    while (n_good < len && g_ascii_isalnum(part->subtype[n_good]))
        n_good++;
    return len >= 1 && len <= 8 && n_good == len ? part->subtype : "bin";
}

/* --- names --- */

static GString *file_name(const MailPart *part)
{
    g_autoptr(GString) name = make_safe(part->name ? part->name : "");
    const char *known = known_extension(part);
    g_autofree char *typed = NULL;

    if (name->len) {
        if (known && !*find_extension(name->str))
            g_string_append_printf(name, ".%s", known);
        return g_steal_pointer(&name);
    }
    typed = g_strdup_printf("%s.%s", part->type, known ? known : likely_extension(part));
    return make_safe(typed);
}

static GString *directory_name(const MailPart *part)
{
    GString *name = make_safe(part->name ? part->name : "");

    if (name->len >= 4 && g_ascii_strcasecmp(name->str + name->len - 4, ".eml") == 0)
        g_string_truncate(name, name->len - 4);
    trim_end(name);
    if (!name->len)
        g_string_assign(name, "message");
    return name;
}

char *fs_part_name(const MailPart *part)
{
    GString *name = mail_part_is_message(part) ? directory_name(part) : file_name(part);

    shorten(name, FS_NAME_MAX - strlen(part->section) - 1);
    g_string_prepend_c(name, '-');
    g_string_prepend(name, part->section);
    return g_string_free(name, FALSE);
}

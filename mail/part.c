/* SPDX-License-Identifier: MIT */
/* mail/part.c - the MIME tree, in memory and as octets: a row a part, each before its children, so
 * that no nesting of theirs is one of the format. */
#include "mail/part.h"

#include <string.h>

#define ROW  "(msmsmsmsmsmstbttitutti)"
#define ROWS G_VARIANT_TYPE("a" ROW)

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
    g_free(part->section);
    if (part->parts)
        g_ptr_array_unref(part->parts);
    g_free(part);
}

static void free_part(gpointer part)
{
    mail_part_free(part);
}

GPtrArray *mail_parts_new(void)
{
    return g_ptr_array_new_with_free_func(free_part);
}

/* --- kinds --- */

gboolean mail_part_is_multipart(const MailPart *part)
{
    return g_str_equal(part->type, "multipart");
}

gboolean mail_part_is_message(const MailPart *part)
{
    return part->parts && part->parts->len > 0 && !mail_part_is_multipart(part);
}

gboolean mail_part_is_converted(const MailPart *part)
{
    return g_str_equal(part->type, "text") && g_strcmp0(part->disposition, "attachment") != 0;
}

gboolean mail_part_can_be_measured(const MailPart *part)
{
    return !part->parts && !mail_part_is_multipart(part) && !mail_part_is_converted(part) &&
           (g_strcmp0(part->encoding, "base64") == 0 ||
            g_strcmp0(part->encoding, "quoted-printable") == 0);
}

/* --- numbers --- */

static void number(MailPart *part, const char *section, guint *n_parts);

/* Those of a multipart whose section is @prefix. */
static void number_children(MailPart *part, const char *prefix, guint *n_parts)
{
    for (guint i = 0; i < part->parts->len; i++) {
        g_autofree char *section =
            *prefix ? g_strdup_printf("%s.%u", prefix, i + 1) : g_strdup_printf("%u", i + 1);

        if (strlen(section) > MAIL_SECTION_MAX) {
            g_ptr_array_set_size(part->parts, (gint)i);
            return;
        }
        number(part->parts->pdata[i], section, n_parts);
    }
}

/* The root of a message that is in the part @prefix, or in none. */
static void number_root(MailPart *root, const char *prefix, guint *n_parts)
{
    g_autofree char *section = mail_part_is_multipart(root) ? g_strdup(prefix)
                               : *prefix                    ? g_strconcat(prefix, ".1", NULL)
                                                            : g_strdup("1");

    number(root, section, n_parts);
}

static void number(MailPart *part, const char *section, guint *n_parts)
{
    g_free(part->section);
    part->section = g_strdup(section);
    part->nth = (*n_parts)++;
    if (mail_part_is_multipart(part) && part->parts)
        number_children(part, section, n_parts);
    else if (mail_part_is_message(part) && strlen(section) + 2 <= MAIL_SECTION_MAX)
        number_root(part->parts->pdata[0], section, n_parts);
    else
        g_clear_pointer(&part->parts, g_ptr_array_unref);
}

void mail_part_number(MailPart *root)
{
    guint n_parts = 0;

    number_root(root, "", &n_parts);
}

static MailPart *find(MailPart *part, gboolean (*is_it)(const MailPart *part, gconstpointer data),
                      gconstpointer data)
{
    MailPart *found = is_it(part, data) ? part : NULL;

    for (guint i = 0; !found && part->parts && i < part->parts->len; i++)
        found = find(part->parts->pdata[i], is_it, data);
    return found;
}

/* The child of @part that is the @nth part, or above it: they are numbered in their order. */
static MailPart *towards(const MailPart *part, guint nth)
{
    guint i = 0;

    while (i + 1 < part->parts->len && ((MailPart *)part->parts->pdata[i + 1])->nth <= nth)
        i++;
    return part->parts->pdata[i];
}

MailPart *mail_part_nth(MailPart *root, guint nth)
{
    MailPart *part = root;

    while (part && part->nth != nth)
        part = part->parts && part->parts->len && part->nth < nth ? towards(part, nth) : NULL;
    return part;
}

/* A multipart that is the root of a message in a part has that part's section, too. */
static gboolean is_of_section(const MailPart *part, gconstpointer data)
{
    return g_str_equal(part->section, data);
}

MailPart *mail_part_of_section(MailPart *root, const char *section)
{
    return find(root, is_of_section, section);
}

static gboolean is_holder(const MailPart *part, gconstpointer data)
{
    return mail_part_is_message(part) && part->parts->pdata[0] == data;
}

MailPart *mail_part_holder(MailPart *root, const MailPart *part)
{
    return find(root, is_holder, part);
}

MailPart *mail_part_around(MailPart *root, const MailPart *part)
{
    MailPart *holder = NULL;

    for (MailPart *at = root; at != part; at = towards(at, part->nth))
        if (mail_part_is_message(at))
            holder = at;
    return holder;
}

/* --- octets --- */

static GVariant *pack_text(const char *text)
{
    GVariant *packed = text ? g_variant_new_take_string(g_utf8_make_valid(text, -1)) : NULL;

    return g_variant_new_maybe(G_VARIANT_TYPE_STRING, packed);
}

static void pack(GVariantBuilder *rows, const MailPart *part)
{
    g_variant_builder_open(rows, G_VARIANT_TYPE(ROW));
    g_variant_builder_add_value(rows, pack_text(part->type));
    g_variant_builder_add_value(rows, pack_text(part->subtype));
    g_variant_builder_add_value(rows, pack_text(part->charset));
    g_variant_builder_add_value(rows, pack_text(part->name));
    g_variant_builder_add_value(rows, pack_text(part->encoding));
    g_variant_builder_add_value(rows, pack_text(part->disposition));
    g_variant_builder_add(rows, "t", part->size);
    g_variant_builder_add(rows, "b", part->has_offsets);
    g_variant_builder_add(rows, "t", part->header_off);
    g_variant_builder_add(rows, "t", part->body_off);
    g_variant_builder_add(rows, "i", (gint32)part->measure);
    g_variant_builder_add(rows, "t", part->base64.line_len);
    g_variant_builder_add(rows, "u", part->base64.eol_len);
    g_variant_builder_add(rows, "t", part->base64.n_chars);
    g_variant_builder_add(rows, "t", part->base64.size);
    g_variant_builder_add(rows, "i", part->parts ? (gint32)part->parts->len : -1);
    g_variant_builder_close(rows);
    for (guint i = 0; part->parts && i < part->parts->len; i++)
        pack(rows, part->parts->pdata[i]);
}

GBytes *mail_part_to_bytes(const MailPart *part)
{
    GVariantBuilder rows;
    g_autoptr(GVariant) packed = NULL;

    g_variant_builder_init(&rows, ROWS);
    pack(&rows, part);
    packed = g_variant_ref_sink(g_variant_builder_end(&rows));
    return g_variant_get_data_as_bytes(packed);
}

static gboolean is_measure(const MailPart *part)
{
    const MailBase64 *base64 = &part->base64;

    return part->measure >= MAIL_PART_UNMEASURED && part->measure <= MAIL_PART_IRREGULAR &&
           (part->measure != MAIL_PART_REGULAR ||
            (base64->line_len > 0 && base64->line_len % 4 == 0 && base64->eol_len <= 2 &&
             base64->size <= base64->n_chars));
}

/* The part of row *@nth and of those behind it that belong to it; *@nth is then the next one. */
static MailPart *unpack(GVariant *rows, gsize *nth, guint depth)
{
    g_autoptr(MailPart) part = mail_part_new();
    gint32 n_parts, measure;

    if (depth >= MAIL_PART_DEPTH_MAX || *nth >= g_variant_n_children(rows))
        return NULL;
    g_variant_get_child(rows, (*nth)++, ROW, &part->type, &part->subtype, &part->charset,
                        &part->name, &part->encoding, &part->disposition, &part->size,
                        &part->has_offsets, &part->header_off, &part->body_off, &measure,
                        &part->base64.line_len, &part->base64.eol_len, &part->base64.n_chars,
                        &part->base64.size, &n_parts);
    part->measure = (MailPartMeasure)measure;
    if (!part->type || !part->subtype || !is_measure(part))
        return NULL;
    if (n_parts >= 0)
        part->parts = mail_parts_new();
    for (gint32 i = 0; i < n_parts; i++) {
        MailPart *child = unpack(rows, nth, depth + 1);

        if (!child)
            return NULL;
        g_ptr_array_add(part->parts, child);
    }
    return g_steal_pointer(&part);
}

MailPart *mail_part_from_bytes(GBytes *bytes)
{
    g_autoptr(GVariant) rows = g_variant_ref_sink(g_variant_new_from_bytes(ROWS, bytes, FALSE));
    g_autoptr(MailPart) part = NULL;
    gsize nth = 0;

    if (!g_variant_is_normal_form(rows) || g_variant_n_children(rows) > MAIL_PARTS_MAX)
        return NULL;
    part = unpack(rows, &nth, 0);
    if (!part || nth != g_variant_n_children(rows))
        return NULL;
    mail_part_number(part);
    return g_steal_pointer(&part);
}

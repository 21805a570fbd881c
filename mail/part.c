/* SPDX-License-Identifier: MIT */
/* mail/part.c - the MIME tree, in memory and as octets: a row a part, each before its children, so
 * that no nesting of theirs is one of the format. */
#include "mail/part.h"

#define ROW  "(msmsmsmsmsmstbtti)"
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

/* The part of row *@nth and of those behind it that belong to it; *@nth is then the next one. */
static MailPart *unpack(GVariant *rows, gsize *nth, guint depth)
{
    g_autoptr(MailPart) part = mail_part_new();
    gint32 n_parts;

    if (depth >= MAIL_PART_DEPTH_MAX || *nth >= g_variant_n_children(rows))
        return NULL;
    g_variant_get_child(rows, (*nth)++, ROW, &part->type, &part->subtype, &part->charset,
                        &part->name, &part->encoding, &part->disposition, &part->size,
                        &part->has_offsets, &part->header_off, &part->body_off, &n_parts);
    if (!part->type || !part->subtype)
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
    return nth == g_variant_n_children(rows) ? g_steal_pointer(&part) : NULL;
}

/* SPDX-License-Identifier: MIT */
/* tests/fuzz/fuzz-imap-bodystructure.c - one value of a server, read as each thing it could be. */
#include "imap/fetch-items.h"
#include "mime/mime.h"

#include "tests/fuzz/fuzz.h"
#include "tests/unit/imap/dump.h"

static void check_lower(const char *text)
{
    for (; *text; text++)
        g_assert_false(g_ascii_isupper(*text));
}

static guint check_part(const MailPart *part, guint depth)
{
    guint n_parts = 1;

    g_assert_cmpuint(depth, <, MAIL_PART_DEPTH_MAX);
    g_assert_nonnull(part->type);
    g_assert_nonnull(part->subtype);
    g_assert_true(part->encoding || g_str_equal(part->type, "multipart"));
    g_assert_cmpuint(part->size, <=, G_MAXINT64);
    check_lower(part->type);
    check_lower(part->subtype);
    for (guint i = 0; part->parts && i < part->parts->len; i++)
        n_parts += check_part(g_ptr_array_index(part->parts, i), depth + 1);
    return n_parts;
}

static void check_structure(const ImapValue *value)
{
    g_autoptr(MailPart) part = imap_bodystructure_parse(value);

    if (part)
        g_assert_cmpuint(check_part(part, 0), <=, MAIL_PARTS_MAX);
}

static void check_envelope(const ImapValue *value)
{
    g_autoptr(MailEnvelope) envelope = imap_envelope_parse(value);

    for (int i = 0; i < MAIL_ENVELOPE_N_FIELDS; i++) {
        const char *field = mail_envelope_get(envelope, i);

        g_assert_true(g_utf8_validate(field, -1, NULL));
        g_assert_cmpuint(strlen(field), <=, MAIL_ENVELOPE_FIELD_MAX);
        g_assert_null(strpbrk(field, "\r\n\033"));
    }
}

static void check_items(const ImapValue *value)
{
    ImapItems items;

    if (!imap_items_parse(value, &items))
        return;
    g_assert_cmpuint(strlen(items.section), <, sizeof items.section);
    g_assert_true(!(items.present & IMAP_ITEM_UID) || items.uid > 0);
    if (items.present & IMAP_ITEM_ENVELOPE)
        check_envelope(items.envelope);
    if (items.present & IMAP_ITEM_BODYSTRUCTURE)
        check_structure(items.bodystructure);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(ImapReader) reader = imap_reader_new(&imap_limits_default);
    g_autoptr(GString) line = g_string_new("* X ");
    const ImapResponse *response;
    gsize used;

    mime_init();
    g_string_append_len(line, (const char *)data, (gssize)size);
    g_string_append(line, "\r\n");
    if (imap_reader_next(reader, (const guint8 *)line->str, line->len, &used, &response, NULL) !=
        IMAP_READ_RESPONSE)
        return 0;
    check_structure(response->values);
    check_envelope(response->values);
    check_items(response->values);
    return 0;
}

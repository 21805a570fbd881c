/* SPDX-License-Identifier: MIT */
/* mail/envelope.c - the fields of an envelope in one block: NUL-ended, in order. */
#include "mail/envelope.h"

#include <string.h>

struct MailEnvelope {
    guint16 at[MAIL_ENVELOPE_N_FIELDS]; /* where each field begins in text */
    guint len;
    char text[];
};

G_STATIC_ASSERT(MAIL_ENVELOPE_N_FIELDS *(MAIL_ENVELOPE_FIELD_MAX + 1) < G_MAXUINT16);

/* How many bytes of valid UTF-8 @s make at most MAIL_ENVELOPE_FIELD_MAX bytes. */
static gsize cut(const char *s)
{
    gsize len = strlen(s);

    if (len <= MAIL_ENVELOPE_FIELD_MAX)
        return len;
    return g_utf8_find_prev_char(s, s + MAIL_ENVELOPE_FIELD_MAX + 1) - s;
}

/* Most of all mail is ASCII, which is seen many octets at a time. */
static gboolean is_utf8(const char *text, gsize len)
{
    guchar all = 0;

    for (gsize i = 0; i < len; i++)
        all |= (guchar)text[i];
    return all < 0x80 || g_utf8_validate_len(text, len, NULL);
}

MailEnvelope *mail_envelope_new(const char *const fields[MAIL_ENVELOPE_N_FIELDS])
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (int i = 0; i < MAIL_ENVELOPE_N_FIELDS; i++) {
        const char *field = fields[i] ? fields[i] : "";
        g_autofree char *valid = NULL;

        if (!is_utf8(field, strlen(field)))
            field = valid = g_utf8_make_valid(field, -1);
        g_string_append_len(text, field, cut(field));
        g_string_append_c(text, '\0');
    }
    return mail_envelope_from_bytes(text->str, text->len);
}

MailEnvelope *mail_envelope_from_bytes(gconstpointer bytes, gsize len)
{
    const char *text = bytes, *end, *p = text;
    MailEnvelope *envelope;
    guint16 at[MAIL_ENVELOPE_N_FIELDS];

    if (!bytes || len >= G_MAXUINT16)
        return NULL;
    end = text + len;
    for (int i = 0; i < MAIL_ENVELOPE_N_FIELDS; i++) {
        const char *nul = p < end ? memchr(p, '\0', end - p) : NULL;

        if (!nul || nul - p > MAIL_ENVELOPE_FIELD_MAX || !is_utf8(p, (gsize)(nul - p)))
            return NULL;
        at[i] = (guint16)(p - text);
        p = nul + 1;
    }
    if (p != end)
        return NULL;
    envelope = g_rc_box_alloc(sizeof *envelope + len);
    memcpy(envelope->at, at, sizeof at);
    envelope->len = (guint)len;
    memcpy(envelope->text, text, len);
    return envelope;
}

MailEnvelope *mail_envelope_ref(MailEnvelope *envelope)
{
    return g_rc_box_acquire(envelope);
}

void mail_envelope_unref(MailEnvelope *envelope)
{
    if (envelope)
        g_rc_box_release(envelope);
}

const char *mail_envelope_get(const MailEnvelope *envelope, MailEnvelopeField field)
{
    return envelope->text + envelope->at[field];
}

gconstpointer mail_envelope_peek_bytes(const MailEnvelope *envelope, gsize *ret_len)
{
    *ret_len = envelope->len;
    return envelope->text;
}

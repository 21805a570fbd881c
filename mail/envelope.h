/* SPDX-License-Identifier: MIT */
/* mail/envelope.h - what a message says of itself, decoded.
 *
 * All strings are valid UTF-8 without NUL, cut to MAIL_ENVELOPE_FIELD_MAX bytes at
 * a character; what is absent is "".  Immutable and reference-counted.
 */
#pragma once

#include <glib.h>

#define MAIL_ENVELOPE_FIELD_MAX 1000

typedef enum {
    MAIL_ENVELOPE_FROM_NAME,    /* display name of the first author */
    MAIL_ENVELOPE_FROM_ADDRESS, /* local@domain of the first author */
    MAIL_ENVELOPE_TO_NAME,      /* display name of the first recipient */
    MAIL_ENVELOPE_TO_ADDRESS,
    MAIL_ENVELOPE_FROM, /* all authors, as the header shows them */
    MAIL_ENVELOPE_TO,   /* all recipients */
    MAIL_ENVELOPE_CC,
    MAIL_ENVELOPE_SUBJECT,
    MAIL_ENVELOPE_MESSAGE_ID,
    MAIL_ENVELOPE_DATE, /* the Date header, as it stands */
    MAIL_ENVELOPE_N_FIELDS
} MailEnvelopeField;

typedef struct MailEnvelope MailEnvelope;

/* Copies @fields; NULL stands for "".  Bytes that are no UTF-8 become U+FFFD. */
MailEnvelope *mail_envelope_new(const char *const fields[MAIL_ENVELOPE_N_FIELDS]);

MailEnvelope *mail_envelope_ref(MailEnvelope *envelope);
void mail_envelope_unref(MailEnvelope *envelope);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MailEnvelope, mail_envelope_unref)

const char *mail_envelope_get(const MailEnvelope *envelope, MailEnvelopeField field);

/* The envelope as bytes that mail_envelope_from_bytes() reads again; borrowed. */
gconstpointer mail_envelope_peek_bytes(const MailEnvelope *envelope, gsize *ret_len);

/* NULL when @bytes are not what mail_envelope_peek_bytes() gave. */
MailEnvelope *mail_envelope_from_bytes(gconstpointer bytes, gsize len);

/* SPDX-License-Identifier: MIT */
/* tests/unit/mail/dump.h - envelopes as text. */
#pragma once

#include <string.h>

#include "mail/envelope.h"

/* The fields that are not empty: "from-name=Al subject=Hi"; new. */
static inline char *dump_envelope(const MailEnvelope *envelope)
{
    static const char *const names[MAIL_ENVELOPE_N_FIELDS] = {
        [MAIL_ENVELOPE_FROM_NAME] = "from-name",
        [MAIL_ENVELOPE_FROM_ADDRESS] = "from-address",
        [MAIL_ENVELOPE_TO_NAME] = "to-name",
        [MAIL_ENVELOPE_TO_ADDRESS] = "to-address",
        [MAIL_ENVELOPE_FROM] = "from",
        [MAIL_ENVELOPE_TO] = "to",
        [MAIL_ENVELOPE_CC] = "cc",
        [MAIL_ENVELOPE_SUBJECT] = "subject",
        [MAIL_ENVELOPE_MESSAGE_ID] = "id",
        [MAIL_ENVELOPE_DATE] = "date",
    };
    GString *out = g_string_new(NULL);

    for (int i = 0; i < MAIL_ENVELOPE_N_FIELDS; i++) {
        const char *field = mail_envelope_get(envelope, i);

        g_assert_true(g_utf8_validate(field, -1, NULL));
        g_assert_cmpuint(strlen(field), <=, MAIL_ENVELOPE_FIELD_MAX);
        if (*field)
            g_string_append_printf(out, "%s%s=%s", out->len > 0 ? " " : "", names[i], field);
    }
    return g_string_free(out, FALSE);
}

/* SPDX-License-Identifier: MIT */
/* tests/unit/mail/envelope.c - envelopes from fields and from bytes. */
#include "mail/envelope.h"

#include <string.h>

static MailEnvelope *of_subject(const char *subject)
{
    const char *fields[MAIL_ENVELOPE_N_FIELDS] = {[MAIL_ENVELOPE_SUBJECT] = subject};

    return mail_envelope_new(fields);
}

static void test_fields(void)
{
    static const char *const fields[MAIL_ENVELOPE_N_FIELDS] = {
        "Alice M\303\266ller", "alice@example.org", NULL, "", "a", "b", "c", "d", "<e@f>", "today"};
    g_autoptr(MailEnvelope) envelope = mail_envelope_new(fields);
    g_autoptr(MailEnvelope) again = mail_envelope_ref(envelope);

    for (int i = 0; i < MAIL_ENVELOPE_N_FIELDS; i++)
        g_assert_cmpstr(mail_envelope_get(again, i), ==, fields[i] ? fields[i] : "");
}

static void test_bytes(void)
{
    static const char *const fields[MAIL_ENVELOPE_N_FIELDS] = {"x",  NULL, "y",  NULL, NULL,
                                                               NULL, "z",  NULL, NULL, "0"};
    g_autoptr(MailEnvelope) envelope = mail_envelope_new(fields), again = NULL;
    gsize len;
    const char *bytes = mail_envelope_peek_bytes(envelope, &len);

    again = mail_envelope_from_bytes(bytes, len);
    for (int i = 0; i < MAIL_ENVELOPE_N_FIELDS; i++)
        g_assert_cmpstr(mail_envelope_get(again, i), ==, mail_envelope_get(envelope, i));
    for (gsize cut = 0; cut < len; cut++) {
        g_autofree char *exact = g_memdup2(bytes, cut); /* so that a read beyond is seen */

        g_assert_null(mail_envelope_from_bytes(exact, cut));
    }
}

static void test_damaged_bytes(void)
{
    char nuls[MAIL_ENVELOPE_N_FIELDS + 1] = "";
    g_autofree char *huge = g_malloc0(1 << 20);
    g_autoptr(MailEnvelope) empty = mail_envelope_from_bytes(nuls, MAIL_ENVELOPE_N_FIELDS);

    g_assert_nonnull(empty);
    g_assert_null(mail_envelope_from_bytes(nuls, MAIL_ENVELOPE_N_FIELDS + 1)); /* one field more */
    g_assert_null(mail_envelope_from_bytes(NULL, 0));
    nuls[0] = '\377';
    nuls[1] = '\0';
    g_assert_null(mail_envelope_from_bytes(nuls, MAIL_ENVELOPE_N_FIELDS + 1)); /* no UTF-8 */
    memset(huge, 'x', 70000);
    g_assert_null(mail_envelope_from_bytes(huge, 70000 + MAIL_ENVELOPE_N_FIELDS));
}

/* A field that is longer than what an envelope may hold did not come from one. */
static void test_oversized_bytes(void)
{
    g_autofree char *bytes = g_malloc0(2000 + MAIL_ENVELOPE_N_FIELDS);

    memset(bytes, 'x', 2000);
    g_assert_null(mail_envelope_from_bytes(bytes, 2000 + MAIL_ENVELOPE_N_FIELDS));
}

static void test_wrong_bytes_are_replaced(void)
{
    g_autoptr(MailEnvelope) envelope = of_subject("a\377b\300\257");

    g_assert_cmpstr(mail_envelope_get(envelope, MAIL_ENVELOPE_SUBJECT), ==,
                    "a\357\277\275b\357\277\275\357\277\275");
}

/* @n times @piece after a shift of one byte or none: cut at a character, and no more than needed.
 */
static void check_cut(const char *piece, gsize shift)
{
    g_autoptr(GString) text = g_string_new(shift ? "x" : "");
    g_autoptr(MailEnvelope) envelope = NULL;
    const char *subject;

    while (text->len < 3 * MAIL_ENVELOPE_FIELD_MAX)
        g_string_append(text, piece);
    envelope = of_subject(text->str);
    subject = mail_envelope_get(envelope, MAIL_ENVELOPE_SUBJECT);
    g_assert_true(g_utf8_validate(subject, -1, NULL));
    g_assert_true(g_str_has_prefix(text->str, subject));
    g_assert_cmpuint(strlen(subject), <=, MAIL_ENVELOPE_FIELD_MAX);
    g_assert_cmpuint(strlen(subject) + strlen(piece), >, MAIL_ENVELOPE_FIELD_MAX);
}

static void test_cut(void)
{
    static const char *const pieces[] = {"a", "\303\266", "\342\202\254", "\360\237\223\254"};

    for (gsize i = 0; i < G_N_ELEMENTS(pieces); i++) {
        check_cut(pieces[i], 0);
        check_cut(pieces[i], 1);
    }
}

/* Nothing is cut from what just fits. */
static void test_fits(void)
{
    g_autofree char *text = g_strnfill(MAIL_ENVELOPE_FIELD_MAX, 'a');
    const char *fields[MAIL_ENVELOPE_N_FIELDS];
    g_autoptr(MailEnvelope) envelope = NULL;

    for (int i = 0; i < MAIL_ENVELOPE_N_FIELDS; i++)
        fields[i] = text;
    envelope = mail_envelope_new(fields);
    for (int i = 0; i < MAIL_ENVELOPE_N_FIELDS; i++)
        g_assert_cmpstr(mail_envelope_get(envelope, i), ==, text);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mail/envelope/fields", test_fields);
    g_test_add_func("/mail/envelope/bytes", test_bytes);
    g_test_add_func("/mail/envelope/damaged-bytes", test_damaged_bytes);
    g_test_add_func("/mail/envelope/oversized-bytes", test_oversized_bytes);
    g_test_add_func("/mail/envelope/wrong-bytes-are-replaced", test_wrong_bytes_are_replaced);
    g_test_add_func("/mail/envelope/cut", test_cut);
    g_test_add_func("/mail/envelope/fits", test_fits);
    return g_test_run();
}

/* SPDX-License-Identifier: MIT */
/* tests/unit/mime/plan.c - what of a message is read, and what is only named. */
#include <string.h>

#include "mime/mime.h"

typedef struct {
    const char *name;
    const char *tree; /* "multipart/mixed(text/plain image/png!)"; "!": attachment, "0": empty */
    const char *plan; /* "text 1, header 2, attachment 2.1" */
} Row;

static const Row rows[] = {
    {"plain", "text/plain", "text 1"},
    {"html", "text/html", "text 1"},
    {"image", "image/png", "attachment 1"},
    {"attached-text", "text/plain!", "attachment 1"},
    {"mixed", "multipart/mixed(text/plain image/png text/html text/plain! text/enriched)",
     "text 1, attachment 2, text 3, attachment 4, text 5"},
    {"unknown-multipart", "multipart/x-made-up(text/plain image/png)", "text 1, attachment 2"},
    {"empty-multipart", "multipart/mixed()", ""},
    {"data",
     "multipart/mixed(text/calendar text/vcard text/x-patch text/rtf text/css text/csv "
     "text/markdown)",
     "attachment 1, attachment 2, attachment 3, attachment 4, attachment 5, attachment 6, text 7"},
    {"alternative", "multipart/alternative(text/plain text/html)", "text 1"},
    {"alternative-reversed", "multipart/alternative(text/html text/plain)", "text 2"},
    {"alternative-twice", "multipart/alternative(text/plain text/plain)", "text 1"},
    {"alternative-html", "multipart/alternative(text/enriched text/html text/html)", "text 2"},
    {"alternative-others", "multipart/alternative(image/png text/enriched text/markdown)",
     "attachment 1, text 2"},
    {"alternative-empty-plain", "multipart/alternative(text/plain0 text/html)", "text 2"},
    {"alternative-all-empty", "multipart/alternative(text/plain0)", "text 1"},
    {"invitation", "multipart/alternative(text/plain text/html text/calendar)",
     "text 1, attachment 3"},
    {"alternative-related",
     "multipart/alternative(multipart/related(text/html image/png) text/plain)",
     "attachment 1.2, text 2"},
    {"alternative-mixed",
     "multipart/alternative(text/html multipart/mixed(text/html text/plain image/png))",
     "text 2.1, text 2.2, attachment 2.3"},
    {"alternative-losers",
     "multipart/alternative(multipart/mixed(text/enriched a/a) multipart/mixed(text/html b/b) "
     "multipart/mixed(text/plain c/c) multipart/mixed(text/plain d/d))",
     "attachment 1.2, attachment 2.2, text 3.1, attachment 3.2, attachment 4.2"},
    {"alternative-attached-plain", "multipart/alternative(text/plain! text/html)",
     "attachment 1, text 2"},
    {"alternative-nested",
     "multipart/alternative(text/html multipart/alternative(text/html text/plain))", "text 2.2"},
    {"alternative-message", "multipart/alternative(message/rfc822(text/plain a/a) text/html)",
     "attachment 1, attachment 1.2, text 2"},
    {"alternative-message-last", "multipart/alternative(text/plain message/rfc822(text/plain))",
     "text 1, attachment 2"},
    {"related", "multipart/related(text/html image/png text/plain)",
     "text 1, attachment 2, attachment 3"},
    {"related-alternative",
     "multipart/related(multipart/alternative(text/plain text/html) image/png)",
     "text 1.1, attachment 2"},
    {"related-others",
     "multipart/related(text/html multipart/mixed(text/plain a/a) message/rfc822(text/plain))",
     "text 1, attachment 2.1, attachment 2.2, attachment 3"},
    {"message", "multipart/mixed(text/plain message/rfc822(text/plain))",
     "text 1, header 2, text 2.1"},
    {"message-multipart", "message/rfc822(multipart/mixed(text/html a/a))",
     "header 1, text 1.1, attachment 1.2"},
    {"message-attached", "multipart/mixed(text/plain message/rfc822!(text/plain))",
     "text 1, header 2, text 2.1"},
    {"message-unknown", "multipart/mixed(message/rfc822)", "attachment 1"},
    {"digest", "multipart/digest(message/rfc822(text/plain) message/rfc822(text/plain))",
     "header 1, text 1.1, header 2, text 2.1"},
    {"report", "multipart/report(text/plain message/delivery-status text/rfc822-headers)",
     "text 1, text 2, text 3"},
    {"signed", "multipart/signed(text/plain application/pgp-signature)", "text 1, attachment 2"},
    {"encrypted", "multipart/encrypted(application/pgp-encrypted application/octet-stream)",
     "attachment 1, attachment 2"},
};

/* Reads a part of @at, and goes behind it. */
static MailPart *read_part(const char **at)
{
    MailPart *part = mail_part_new();
    gsize n_type = strcspn(*at, "/"), n_subtype = strcspn(*at + n_type + 1, "!0() ");

    part->type = g_strndup(*at, n_type);
    part->subtype = g_strndup(*at + n_type + 1, n_subtype);
    part->encoding = g_strdup("7bit");
    part->size = 100;
    *at += n_type + 1 + n_subtype;
    for (; **at == '!' || **at == '0'; (*at)++) {
        if (**at == '!')
            part->disposition = g_strdup("attachment");
        else
            part->size = 2;
    }
    if (**at != '(')
        return part;
    part->parts = mail_parts_new();
    for ((*at)++; **at != ')'; *at += **at == ' ')
        g_ptr_array_add(part->parts, read_part(at));
    (*at)++;
    return part;
}

/* A message may say more in its brackets than the one part that it has. */
static void wrap_messages(MailPart *part)
{
    for (guint i = 0; part->parts && i < part->parts->len; i++)
        wrap_messages(part->parts->pdata[i]);
    if (mail_part_is_message(part) && part->parts->len > 1) {
        MailPart *mixed = mail_part_new();

        mixed->type = g_strdup("multipart");
        mixed->subtype = g_strdup("mixed");
        mixed->parts = g_steal_pointer(&part->parts);
        part->parts = mail_parts_new();
        g_ptr_array_add(part->parts, mixed);
    }
}

static char *dump(const GArray *plan)
{
    static const char *const shows[] = {"text", "header", "attachment"};
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < plan->len; i++) {
        const MimePiece *piece = &g_array_index(plan, MimePiece, i);

        g_string_append_printf(text, "%s%s %s", i ? ", " : "", shows[piece->show],
                               piece->part->section);
    }
    return g_string_free(text, FALSE);
}

static void test_row(gconstpointer data)
{
    const Row *row = data;
    const char *at = row->tree;
    g_autoptr(MailPart) root = read_part(&at);
    g_autoptr(GArray) plan = NULL;
    g_autofree char *text = NULL;

    wrap_messages(root);
    mail_part_number(root);
    plan = mime_plan(root);
    text = dump(plan);
    g_assert_cmpstr(text, ==, row->plan);
}

static MailPart *add_child(MailPart *parent, const char *type, const char *subtype)
{
    MailPart *part = mail_part_new();

    part->type = g_strdup(type);
    part->subtype = g_strdup(subtype);
    part->size = 100;
    if (mail_part_is_multipart(part))
        part->parts = mail_parts_new();
    g_ptr_array_add(parent->parts, part);
    return part;
}

/* Alternatives in alternatives, as deep and as many as there may be. */
static void test_limits(void)
{
    g_autoptr(MailPart) root = mail_part_new();
    g_autoptr(GArray) plan = NULL;
    MailPart *last = root;

    root->type = g_strdup("multipart");
    root->subtype = g_strdup("alternative");
    root->parts = mail_parts_new();
    for (guint depth = 2; depth < MAIL_PART_DEPTH_MAX; depth++) {
        for (guint i = 0; i < MAIL_PARTS_MAX / MAIL_PART_DEPTH_MAX - 2; i++)
            add_child(last, i % 2 ? "image" : "text", i % 2 ? "png" : "html");
        last = add_child(last, "multipart", "alternative");
    }
    add_child(last, "text", "plain");
    plan = mime_plan(root);
    g_assert_cmpuint(plan->len, ==, 98 * 49 + 1);
    g_assert_cmpint(g_array_index(plan, MimePiece, plan->len - 1).show, ==, MIME_SHOW_TEXT);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strconcat("/mime/plan/", rows[i].name, NULL);

        g_test_add_data_func(path, &rows[i], test_row);
    }
    g_test_add_func("/mime/plan/limits", test_limits);
    return g_test_run();
}

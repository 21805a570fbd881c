/* SPDX-License-Identifier: MIT */
/* tests/unit/mail/part.c - part trees as octets and back. */
#include <string.h>

#include "mail/mail.h"

static MailPart *part_new(const char *type, const char *name, guint64 size)
{
    MailPart *part = mail_part_new();

    part->type = g_strdup(type);
    part->subtype = g_strdup("x");
    part->encoding = g_strdup("base64");
    part->name = g_strdup(name);
    part->size = size;
    return part;
}

static MailPart *add(MailPart *part, MailPart *child)
{
    if (!part->parts)
        part->parts = mail_parts_new();
    g_ptr_array_add(part->parts, child);
    return child;
}

static void dump(GString *out, const MailPart *part)
{
    g_string_append_printf(out, "%s/%s %s %s %s %s %" G_GUINT64_FORMAT, part->type, part->subtype,
                           part->encoding, part->name ? part->name : "-",
                           part->charset ? part->charset : "-",
                           part->disposition ? part->disposition : "-", part->size);
    if (part->has_offsets)
        g_string_append_printf(out, " @%" G_GUINT64_FORMAT "+%" G_GUINT64_FORMAT, part->header_off,
                               part->body_off);
    if (part->measure == MAIL_PART_REGULAR)
        g_string_append_printf(out, " %" G_GUINT64_FORMAT "+%u*%" G_GUINT64_FORMAT,
                               part->base64.line_len, part->base64.eol_len, part->base64.size);
    for (guint i = 0; part->parts && i <= part->parts->len; i++) {
        g_string_append(out, i == 0 ? "[" : i == part->parts->len ? "]" : ",");
        if (i < part->parts->len)
            dump(out, part->parts->pdata[i]);
    }
}

static char *dumped(const MailPart *part)
{
    GString *out = g_string_new(NULL);

    dump(out, part);
    return g_string_free(out, FALSE);
}

static MailPart *sample(void)
{
    MailPart *root = part_new("multipart", NULL, 0), *middle;

    add(root, part_new("text", "Gr\303\274\303\237e.txt", 5))->charset = g_strdup("utf-8");
    middle = add(root, part_new("message", NULL, G_MAXUINT64));
    middle->has_offsets = TRUE;
    middle->header_off = 7;
    middle->body_off = G_MAXUINT64;
    add(middle, part_new("multipart", "a", 1))->parts = mail_parts_new();
    add(root, part_new("image", "b", 2))->disposition = g_strdup("inline");
    middle = add(root, part_new("application", "c", 102));
    middle->measure = MAIL_PART_REGULAR;
    middle->base64 = (MailBase64){76, 2, 100, 74};
    return root;
}

static void test_there_and_back(void)
{
    g_autoptr(MailPart) part = sample(), back = NULL;
    g_autoptr(GBytes) bytes = mail_part_to_bytes(part);
    g_autofree char *before = dumped(part), *after = NULL;

    back = mail_part_from_bytes(bytes);
    g_assert_nonnull(back);
    after = dumped(back);
    g_assert_cmpstr(after, ==, before);
    g_assert_nonnull(strstr(before, "Gr\303\274\303\237e.txt"));
}

static void put_section(GString *out, const MailPart *part)
{
    g_string_append_printf(out, "%u:%s ", part->nth, part->section);
    for (guint i = 0; part->parts && i < part->parts->len; i++)
        put_section(out, part->parts->pdata[i]);
}

static MailPart *typed(const char *type)
{
    MailPart *part = mail_part_new();

    part->type = g_strdup(type);
    part->subtype = g_strdup("x");
    return part;
}

/* The tree of RFC 9051 6.4.5.1, and others. */
static void test_numbers(void)
{
    g_autoptr(MailPart) root = typed("multipart"), leaf = typed("text"), holder = typed("message");
    g_autoptr(GString) all = g_string_new(NULL), of_leaf = g_string_new(NULL),
                       of_holder = g_string_new(NULL);
    MailPart *third, *fourth, *inner;

    add(root, typed("text"));
    add(root, typed("application"));
    third = add(add(root, typed("message")), typed("multipart"));
    add(third, typed("text"));
    add(third, typed("application"));
    fourth = add(root, typed("multipart"));
    add(fourth, typed("image"));
    inner = add(add(fourth, typed("message")), typed("multipart"));
    add(inner, typed("text"));
    add(add(inner, typed("multipart")), typed("text"));
    mail_part_number(root);
    put_section(all, root);
    g_assert_cmpstr(all->str, ==,
                    "0: 1:1 2:2 3:3 4:3 5:3.1 6:3.2 7:4 8:4.1 9:4.2 10:4.2 11:4.2.1 12:4.2.2 "
                    "13:4.2.2.1 ");
    g_assert_cmpuint(mail_part_of_section(root, "4.2")->nth, ==, 9);
    g_assert_true(mail_part_nth(root, 13) == mail_part_of_section(root, "4.2.2.1"));
    g_assert_null(mail_part_nth(root, 14));
    g_assert_null(mail_part_of_section(root, "4.3"));
    g_assert_null(mail_part_of_section(root, "40"));
    g_assert_null(mail_part_of_section(root, "4.2.2.1.1"));
    g_assert_null(mail_part_of_section(root, "4.2.x"));
    g_assert_null(mail_part_of_section(root, "HEADER"));
    for (guint nth = 0; nth < 14; nth++)
        g_assert_cmpuint(mail_part_nth(root, nth)->nth, ==, nth);

    mail_part_number(leaf);
    put_section(of_leaf, leaf);
    g_assert_cmpstr(of_leaf->str, ==, "0:1 ");
    add(holder, typed("text"));
    mail_part_number(holder);
    put_section(of_holder, holder);
    g_assert_cmpstr(of_holder->str, ==, "0:1 1:1.1 ");
}

/* Parts whose section no command can name are left out, and what is above them stays. */
static void test_long_sections(void)
{
    g_autoptr(MailPart) root = typed("multipart");
    MailPart *at = root, *last;

    for (guint i = 0; i < 80; i++) {
        for (guint n = 0; n < 9; n++)
            add(at, typed("text"));
        at = add(at, typed("multipart"));
    }
    mail_part_number(root);
    last = root;
    while (last->parts && last->parts->len == 10)
        last = last->parts->pdata[9];
    g_assert_cmpuint(strlen(last->section), <=, MAIL_SECTION_MAX);
    g_assert_cmpuint(strlen(last->section), >, MAIL_SECTION_MAX - 6);
    g_assert_cmpuint(last->parts->len, <, 10);
}

static void test_wrong_text(void)
{
    g_autoptr(MailPart) part = part_new("a", "b\374c", 1), back = NULL;
    g_autoptr(GBytes) bytes = mail_part_to_bytes(part);

    back = mail_part_from_bytes(bytes);
    g_assert_cmpstr(back->name, ==, "b\357\277\275c");
}

static void test_limits(void)
{
    g_autoptr(MailPart) deep = part_new("a", NULL, 0), wide = part_new("a", NULL, 0);
    g_autoptr(GBytes) deep_bytes = NULL, wide_bytes = NULL, more_bytes = NULL;
    g_autoptr(MailPart) back = NULL;
    MailPart *at = deep;

    for (guint i = 1; i < MAIL_PART_DEPTH_MAX; i++)
        at = add(at, part_new("a", NULL, 0));
    deep_bytes = mail_part_to_bytes(deep);
    back = mail_part_from_bytes(deep_bytes);
    g_assert_nonnull(back);
    add(at, part_new("a", NULL, 0));
    more_bytes = mail_part_to_bytes(deep);
    g_assert_null(mail_part_from_bytes(more_bytes));
    for (guint i = 0; i < MAIL_PARTS_MAX; i++)
        add(wide, part_new("a", NULL, 0));
    wide_bytes = mail_part_to_bytes(wide);
    g_assert_null(mail_part_from_bytes(wide_bytes));
}

/* Each octet changed, and each length: a tree or none. */
static void test_damage(void)
{
    g_autoptr(MailPart) part = sample();
    g_autoptr(GBytes) bytes = mail_part_to_bytes(part);
    gsize len;
    const guint8 *data = g_bytes_get_data(bytes, &len);

    for (gsize i = 0; i < len; i++) {
        g_autofree guint8 *changed = g_memdup2(data, len);
        g_autoptr(GBytes) other = NULL, shorter = g_bytes_new(data, i);
        g_autoptr(MailPart) back = NULL, less = mail_part_from_bytes(shorter);

        changed[i] ^= 0x41;
        other = g_bytes_new(changed, len);
        back = mail_part_from_bytes(other);
        if (back)
            g_free(dumped(back));
        g_assert_null(less);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mail/part/there-and-back", test_there_and_back);
    g_test_add_func("/mail/part/numbers", test_numbers);
    g_test_add_func("/mail/part/long-sections", test_long_sections);
    g_test_add_func("/mail/part/wrong-text", test_wrong_text);
    g_test_add_func("/mail/part/limits", test_limits);
    g_test_add_func("/mail/part/damage", test_damage);
    return g_test_run();
}

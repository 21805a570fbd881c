/* SPDX-License-Identifier: MIT */
/* tests/fuzz/fuzz-mime-structure.c - a message to its tree, that to octets and back, and its plan.
 */
#include <string.h>

#include "mime/mime.h"

#include "tests/fuzz/fuzz.h"

typedef struct {
    const uint8_t *data;
    size_t size;
} Input;

static gssize read_input(gpointer data, guint64 offset, guint8 *bytes, gsize len)
{
    const Input *input = data;
    gsize n = offset < input->size ? MIN(len, input->size - (gsize)offset) : 0;

    if (n > 0)
        memcpy(bytes, input->data + offset, n);
    return (gssize)n;
}

/* Returns how many parts there are.  Each is found by its numbers; a multipart that is the root of
 * a message in a part has the section of that part. */
static guint check_numbers(MailPart *root, const MailPart *part, guint depth)
{
    guint n_parts = 1;

    g_assert_cmpuint(depth, <, MAIL_PART_DEPTH_MAX);
    g_assert_cmpuint(strlen(part->section), <=, MAIL_SECTION_MAX);
    g_assert_true(mail_part_nth(root, part->nth) == part);
    g_assert_true(mail_part_of_section(root, part->section) == part ||
                  (depth > 0 && mail_part_is_multipart(part)));
    for (guint i = 0; part->parts && i < part->parts->len; i++)
        n_parts += check_numbers(root, part->parts->pdata[i], depth + 1);
    return n_parts;
}

static void check_offsets(const MailPart *part, guint64 size)
{
    if (part->has_offsets) {
        g_assert_cmpuint(part->header_off, <=, part->body_off);
        g_assert_cmpuint(part->body_off, <=, size);
        g_assert_cmpuint(part->size, <=, size - part->body_off);
    }
    for (guint i = 0; part->parts && i < part->parts->len; i++)
        check_offsets(part->parts->pdata[i], size);
}

/* Nothing is shown twice. */
static void check_plan(const MailPart *root, guint n_parts)
{
    g_autoptr(GArray) plan = mime_plan(root);
    g_autoptr(GHashTable) shown = g_hash_table_new(NULL, NULL);

    g_assert_cmpuint(plan->len, <=, n_parts);
    for (guint i = 0; i < plan->len; i++) {
        const MimePiece *piece = &g_array_index(plan, MimePiece, i);

        g_assert_true(g_hash_table_add(shown, (gpointer)piece->part));
        g_assert_true((piece->show == MIME_SHOW_HEADER) <= mail_part_is_message(piece->part));
        g_assert_false(mail_part_is_multipart(piece->part));
    }
}

/* Of a numbered tree. */
static void check_tree(MailPart *root)
{
    guint n_parts = check_numbers(root, root, 0);
    g_autoptr(GBytes) bytes = mail_part_to_bytes(root), again = NULL;
    g_autoptr(MailPart) read = mail_part_from_bytes(bytes);

    g_assert_cmpuint(n_parts, <=, MAIL_PARTS_MAX);
    g_assert_nonnull(read);
    again = mail_part_to_bytes(read);
    g_assert_true(g_bytes_equal(bytes, again));
    check_plan(root, n_parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Input input = {data, size};
    g_autoptr(GBytes) bytes = g_bytes_new(data, size);
    g_autoptr(MailPart) kept = mail_part_from_bytes(bytes), parsed = NULL;

    mime_init();
    if (kept)
        check_tree(kept);
    parsed = mime_structure_parse(size, read_input, &input);
    if (!parsed)
        return 0;
    check_offsets(parsed, size);
    mail_part_number(parsed);
    check_tree(parsed);
    return 0;
}

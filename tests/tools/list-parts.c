/* SPDX-License-Identifier: MIT */
/* tests/tools/list-parts.c - the parts of messages, as a server tells them and as we read them, for
 * tests/system/test_part_trees.py.
 *
 * A line of the input is a path: of a message, path.eml, and of the FETCH response with its
 * BODYSTRUCTURE, path.fetch.  A line of the output is a part: path, "server" or "own", section,
 * type, charset, encoding, disposition, name, size and offsets, separated by TABs; "none" stands
 * for a tree that there is not.
 */
#include <stdio.h>
#include <string.h>

#include "imap/fetch-items.h"
#include "imap/reader.h"
#include "mime/mime.h"

static gssize give(gpointer data, guint64 offset, guint8 *bytes, gsize len)
{
    gsize size, n;
    const guint8 *message = g_bytes_get_data(data, &size);

    n = offset < size ? MIN(len, size - (gsize)offset) : 0;
    memcpy(bytes, message + offset, n);
    return (gssize)n;
}

static GBytes *load(const char *path, const char *suffix)
{
    g_autofree char *file = g_strconcat(path, suffix, NULL);
    g_autoptr(GError) error = NULL;
    char *bytes;
    gsize len;

    if (!g_file_get_contents(file, &bytes, &len, &error))
        g_error("%s", error->message);
    return g_bytes_new_take(bytes, len);
}

static void print_text(const char *text)
{
    g_autofree char *escaped = g_strescape(text ? text : "", NULL);

    printf("\t%s", escaped);
}

static void print_root_of(const MailPart *parent)
{
    if (!parent)
        printf("\t.\n");
    else
        printf("\t%s\n", mail_part_is_multipart(parent) ? "" : parent->section);
}

static void print_part(const char *path, const char *source, const MailPart *part,
                       const MailPart *parent)
{
    printf("%s\t%s\t%s\t%s/%s", path, source, part->section, part->type, part->subtype);
    print_text(part->charset);
    print_text(part->encoding);
    print_text(part->disposition);
    print_text(part->name);
    printf("\t%" G_GUINT64_FORMAT "\t%" G_GUINT64_FORMAT "\t%" G_GUINT64_FORMAT, part->size,
           part->header_off, part->body_off);
    print_root_of(parent);
    for (guint i = 0; part->parts && i < part->parts->len; i++)
        print_part(path, source, part->parts->pdata[i], part);
}

static void print_tree(const char *path, const char *source, MailPart *root)
{
    if (root) {
        mail_part_number(root);
        print_part(path, source, root, NULL);
    } else {
        printf("%s\t%s\tnone\n", path, source);
    }
}

static MailPart *read_response(GBytes *bytes)
{
    g_autoptr(ImapReader) reader = imap_reader_new(&imap_limits_default);
    const ImapResponse *response;
    ImapItems items;
    gsize used, len;
    const guint8 *text = g_bytes_get_data(bytes, &len);

    if (imap_reader_next(reader, text, len, &used, &response, NULL) != IMAP_READ_RESPONSE ||
        !imap_items_parse(response->values, &items) || !(items.present & IMAP_ITEM_BODYSTRUCTURE))
        return NULL;
    return imap_bodystructure_parse(items.bodystructure);
}

int main(void)
{
    char path[4096];

    mime_init();
    while (fgets(path, sizeof path, stdin)) {
        g_autoptr(GBytes) message = NULL, response = NULL;
        g_autoptr(MailPart) own = NULL, told = NULL;

        g_strchomp(path);
        message = load(path, ".eml");
        response = load(path, ".fetch");
        told = read_response(response);
        own = mime_structure_parse(g_bytes_get_size(message), give, message);
        print_tree(path, "server", told);
        print_tree(path, "own", own);
    }
    return 0;
}

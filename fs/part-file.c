/* SPDX-License-Identifier: MIT */
/* fs/part-file.c - a part of a message as a file, its decoded octets at any offset; and headers. */
#include <string.h>

#include "fs/maker.h"
#include "fs/views.h"
#include "mime/mime.h"

/* Parts whose sizes are wanted before they are asked for: of a directory, and of all. */
#define EXPECTED_MAX 64
/* Octets of each: to get more takes longer than who asks would wait for the first of them. */
#define EXPECTED_SIZE_MAX ((guint64)64 * 1024)

/* How the octets of a part's file come about. */
typedef enum {
    AS_IT_IS,  /* they are the section's */
    BY_BASE64, /* each can be found in the section */
    UNMEASURED,
    MADE,
} Way;

static Way way_of(const MailPart *part)
{
    if (part->measure == MAIL_PART_IRREGULAR)
        return MADE;
    if (mime_is_identity(part, mime_form_of_file(part)))
        return AS_IT_IS;
    if (!mail_part_can_be_measured(part))
        return MADE;
    return part->measure == MAIL_PART_REGULAR ? BY_BASE64 : UNMEASURED;
}

CacheAnswer fs_part(FsRequest *request, FsNode node, MailPart **ret_root, MailPart **ret_part)
{
    CacheAnswer answer = cache_tree(request->fs->cache, node.number, node.uid, ret_root,
                                    &request->want, &request->error);

    if (answer != CACHE_FOUND)
        return answer;
    *ret_part = mail_part_nth(*ret_root, node.part);
    return *ret_part ? CACHE_FOUND : CACHE_ABSENT;
}

/* --- size --- */

static CacheAnswer made_size(FsRequest *request, FsNode node, const MailPart *part,
                             guint64 *ret_size)
{
    g_autofree char *section = fs_section_file(part);

    return cache_section_size(request->fs->cache, node.number, node.uid, section, ret_size,
                              &request->want, &request->error);
}

/* @part is measured where it can be. */
static CacheAnswer size_of(FsRequest *request, FsNode node, const MailPart *part, guint64 *ret_size)
{
    switch (way_of(part)) {
    case AS_IT_IS: *ret_size = part->size; return CACHE_FOUND;
    case BY_BASE64: *ret_size = part->base64.size; return CACHE_FOUND;
    default: return made_size(request, node, part, ret_size);
    }
}

static CacheAnswer find_measured(FsRequest *request, FsNode node, MailPart **ret_part)
{
    MailPart *root;
    CacheAnswer answer = fs_part(request, node, &root, ret_part);

    if (answer != CACHE_FOUND || way_of(*ret_part) != UNMEASURED)
        return answer;
    answer = cache_measured_tree(request->fs->cache, node.number, node.uid, &root, &request->want,
                                 &request->error);
    if (answer == CACHE_FOUND)
        *ret_part = mail_part_nth(root, node.part);
    return answer;
}

static CacheAnswer part_attr(FsRequest *request, FsNode node, struct stat *attr)
{
    CacheAnswer answer;
    MailPart *part;
    guint64 size;

    if (!fs_message_times(request->fs, node, attr))
        return CACHE_ABSENT;
    answer = find_measured(request, node, &part);
    if (answer == CACHE_FOUND)
        answer = size_of(request, node, part, &size);
    if (answer == CACHE_FOUND)
        attr->st_size = (off_t)size;
    return answer;
}

/* The part, if its tree is here. */
static MailPart *peek(Fs *fs, FsNode node)
{
    MailPart *root = cache_known_tree(fs->cache, node.number, node.uid);

    return root ? mail_part_nth(root, node.part) : NULL;
}

static gboolean has_made(Fs *fs, FsNode node, const MailPart *part)
{
    g_autofree char *section = fs_section_file(part);

    return cache_has(fs->cache, node.number, node.uid, section, 0, 1);
}

static gboolean part_knows_attr(Fs *fs, FsNode node)
{
    const MailPart *part = peek(fs, node);
    Way way = part ? way_of(part) : UNMEASURED;

    return way == MADE ? has_made(fs, node, part) : way != UNMEASURED;
}

static guint64 part_size_told(Fs *fs, FsNode node)
{
    const MailPart *part = peek(fs, node);
    Way way = part ? way_of(part) : UNMEASURED;

    if (way == UNMEASURED || way == MADE)
        return G_MAXUINT64;
    return way == AS_IT_IS ? part->size : part->base64.size;
}

static gboolean is_expected(const MailPart *part)
{
    return !part->parts && part->size <= EXPECTED_SIZE_MAX && way_of(part) == MADE;
}

void fs_parts_expect(Fs *fs, FsNode dir, const GPtrArray *parts)
{
    guint64 want, size;
    MailPart *root;

    cache_measured_tree(fs->cache, dir.number, dir.uid, &root, &want, NULL);
    for (guint i = 0; i < MIN(parts->len, EXPECTED_MAX); i++) {
        const MailPart *part = parts->pdata[i];
        g_autofree char *section = fs_section_file(part);

        if (cache_maker_wants(fs->cache)->length >= EXPECTED_MAX)
            return;
        if (is_expected(part))
            cache_section_size(fs->cache, dir.number, dir.uid, section, &size, &want, NULL);
    }
}

/* --- octets --- */

static CacheAnswer read_section(FsRequest *request, FsNode node, const char *section,
                                guint64 offset, gsize size, GPtrArray *slices)
{
    return cache_read(request->fs->cache, node.number, node.uid, section, offset, size, slices,
                      &request->want, &request->error);
}

/* What of the section holds the decoded octets [offset, end). */
static void find_encoded(const MailBase64 *base64, guint64 offset, guint64 end, guint64 *ret_start,
                         gsize *ret_len)
{
    *ret_start = mime_base64_offset(base64, offset);
    /* The group after the last octet begins where that octet's ends, line ends aside. */
    *ret_len = (gsize)(mime_base64_offset(base64, end - 1) + 4 - *ret_start);
}

/* FALSE when the octets are not where they should be. */
static gboolean decode(const MailBase64 *base64, guint64 start, const GPtrArray *encoded,
                       GByteArray *out)
{
    g_autoptr(MimeDecoder) decoder = mime_decoder_new("base64");

    for (guint i = 0; i < encoded->len; i++) {
        gsize len;
        const guint8 *bytes = g_bytes_get_data(encoded->pdata[i], &len);

        if (!mime_base64_fits(base64, start, bytes, len))
            return FALSE;
        mime_decoder_take(decoder, bytes, len, out);
        start += len;
    }
    return TRUE;
}

static CacheAnswer fail_irregular(FsRequest *request, FsNode node, const MailPart *part)
{
    cache_put_measure(request->fs->cache, node.number, node.uid, part->section, MAIL_PART_IRREGULAR,
                      NULL);
    g_set_error(&request->error, MAIL_ERROR, MAIL_ERROR_SERVER,
                "the part is not as its beginning and its end promise; read it again");
    return CACHE_FAILED;
}

static CacheAnswer read_base64(FsRequest *request, FsNode node, const MailPart *part,
                               guint64 offset, gsize size, GPtrArray *slices)
{
    const MailBase64 *base64 = &part->base64;
    guint64 end = MIN(offset + size, base64->size), start;
    g_autoptr(GPtrArray) encoded = cache_slices_new();
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autoptr(GBytes) decoded = NULL;
    CacheAnswer answer;
    gsize len, skip = offset % 3;

    if (offset >= end)
        return CACHE_FOUND;
    find_encoded(base64, offset, end, &start, &len);
    answer = read_section(request, node, part->section, start, len, encoded);
    if (answer != CACHE_FOUND)
        return answer;
    if (!decode(base64, start, encoded, out) || out->len < skip + (end - offset))
        return fail_irregular(request, node, part);
    decoded = g_byte_array_free_to_bytes(g_steal_pointer(&out));
    g_ptr_array_add(slices, g_bytes_new_from_bytes(decoded, skip, (gsize)(end - offset)));
    return CACHE_FOUND;
}

static CacheAnswer part_read(FsRequest *request, FsNode node, guint64 offset, gsize size,
                             GPtrArray *ret_slices)
{
    g_autofree char *section = NULL;
    CacheAnswer answer;
    MailPart *part;

    answer = find_measured(request, node, &part);
    if (answer != CACHE_FOUND)
        return answer;
    switch (way_of(part)) {
    case AS_IT_IS: return read_section(request, node, part->section, offset, size, ret_slices);
    case BY_BASE64: return read_base64(request, node, part, offset, size, ret_slices);
    default:
        section = fs_section_file(part);
        return read_section(request, node, section, offset, size, ret_slices);
    }
}

static gboolean is_part_here(Fs *fs, FsNode node, const MailPart *part, guint64 offset, gsize size)
{
    switch (way_of(part)) {
    case AS_IT_IS: return cache_has(fs->cache, node.number, node.uid, part->section, offset, size);
    case BY_BASE64:
        if (size && offset < part->base64.size)
            find_encoded(&part->base64, offset, MIN(offset + size, part->base64.size), &offset,
                         &size);
        return cache_has(fs->cache, node.number, node.uid, part->section, offset, size);
    case UNMEASURED: return FALSE;
    default:
        /* Of all of it. */
        return has_made(fs, node, part) ||
               cache_has(fs->cache, node.number, node.uid, part->section, 0, G_MAXSIZE);
    }
}

static gboolean part_is_here(Fs *fs, FsNode node, guint64 offset, gsize size)
{
    const MailPart *part = peek(fs, node);

    return (part && is_part_here(fs, node, part, offset, size)) || fs_has_message(fs, node);
}

const FsView fs_view_part = {
    .mode = S_IFREG | 0400,
    .timeout = FS_LONG,
    .attr = part_attr,
    .knows_attr = part_knows_attr,
    .size_told = part_size_told,
    .open = fs_open_kept,
    .read = part_read,
    .is_here = part_is_here,
};

/* --- headers --- */

/* The section of the header of the message whose root @node names. */
static char *header_section(MailPart *root, const MailPart *part)
{
    const MailPart *holder = mail_part_holder(root, part);

    return holder ? g_strconcat(holder->section, ".HEADER", NULL) : g_strdup("HEADER");
}

static CacheAnswer find_header(FsRequest *request, FsNode node, char **ret_section)
{
    MailPart *root, *part;
    CacheAnswer answer = fs_part(request, node, &root, &part);

    if (answer == CACHE_FOUND)
        *ret_section = header_section(root, part);
    return answer;
}

static CacheAnswer header_attr(FsRequest *request, FsNode node, struct stat *attr)
{
    g_autofree char *section = NULL;
    CacheAnswer answer;
    guint64 size;

    if (!fs_message_times(request->fs, node, attr))
        return CACHE_ABSENT;
    answer = find_header(request, node, &section);
    if (answer == CACHE_FOUND)
        answer = cache_section_size(request->fs->cache, node.number, node.uid, section, &size,
                                    &request->want, &request->error);
    if (answer == CACHE_FOUND)
        attr->st_size = (off_t)size;
    return answer;
}

static gboolean has_header(Fs *fs, FsNode node, guint64 offset, gsize size)
{
    MailPart *root = cache_known_tree(fs->cache, node.number, node.uid);
    const MailPart *part = root ? mail_part_nth(root, node.part) : NULL;
    g_autofree char *section = part ? header_section(root, part) : NULL;

    return section && cache_has(fs->cache, node.number, node.uid, section, offset, size);
}

static gboolean header_is_here(Fs *fs, FsNode node, guint64 offset, gsize size)
{
    return has_header(fs, node, offset, size) || fs_has_message(fs, node);
}

static gboolean header_knows_attr(Fs *fs, FsNode node)
{
    return has_header(fs, node, 0, 1);
}

static CacheAnswer header_read(FsRequest *request, FsNode node, guint64 offset, gsize size,
                               GPtrArray *ret_slices)
{
    g_autofree char *section = NULL;
    CacheAnswer answer = find_header(request, node, &section);

    return answer == CACHE_FOUND ? read_section(request, node, section, offset, size, ret_slices)
                                 : answer;
}

const FsView fs_view_part_header = {
    .mode = S_IFREG | 0400,
    .timeout = FS_LONG,
    .attr = header_attr,
    .knows_attr = header_knows_attr,
    .open = fs_open_kept,
    .read = header_read,
    .is_here = header_is_here,
};

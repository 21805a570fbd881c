/* SPDX-License-Identifier: MIT */
/* fs/view-lost.c - .mailfs/lost+found: what the server refused for good, and why. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/changing.h"

#define STEM_MAX 200 /* bytes of the name that it was given */

/* The number of a file's node. */
typedef enum {
    LOST_DATA,
    LOST_REASON,
    LOST_N_FILES
} LostFile;

static const char *const suffixes[LOST_N_FILES] = {".eml", ".reason.txt"};

static const CacheLost *get_lost(Fs *fs, guint32 id)
{
    const CacheLost *lost = id ? cache_lost_next(fs->cache, id - 1) : NULL;

    return lost && lost->id == id ? lost : NULL;
}

static FsNode file_of(const CacheLost *lost, LostFile file)
{
    return (FsNode){.kind = FS_KIND_LOST_FILE, .number = file, .uid = lost->id};
}

/* "17-Re-Budget.eml": what programs choose as names may be anything but a slash. */
static void make_name(const CacheLost *lost, LostFile file, char name[FS_NAME_MAX + 1])
{
    gsize len = strlen(lost->name);
    g_autofree char *whole = g_utf8_make_valid(
        lost->name, (gssize)(len - (g_str_has_suffix(lost->name, ".eml") ? strlen(".eml") : 0)));
    g_autofree char *stem = fs_one_line(whole);

    while (strlen(stem) > STEM_MAX)
        *g_utf8_prev_char(stem + strlen(stem)) = '\0';
    g_snprintf(name, FS_NAME_MAX + 1, "%u-%s%s", lost->id, stem, suffixes[file]);
}

/* --- the directory --- */

static CacheAnswer lost_lookup(FsRequest *request, FsNode dir, const char *name, FsNode *ret_child)
{
    guint64 id = g_ascii_isdigit(name[0]) ? g_ascii_strtoull(name, NULL, 10) : 0;
    const CacheLost *lost = id <= G_MAXUINT32 ? get_lost(request->fs, (guint32)id) : NULL;
    char there[FS_NAME_MAX + 1];

    for (LostFile file = 0; lost && file < LOST_N_FILES; file++) {
        make_name(lost, file, there);
        if (g_str_equal(there, name)) {
            *ret_child = file_of(lost, file);
            return CACHE_FOUND;
        }
    }
    return CACHE_ABSENT;
}

/* Beyond those of "." and "..". */
static guint64 cookie_of(guint32 id, LostFile file)
{
    return ((guint64)id + 1) * LOST_N_FILES + file;
}

static CacheAnswer lost_next(FsRequest *request, FsNode dir, guint64 cookie, FsEntry *ret_entry)
{
    guint32 id = cookie ? (guint32)(cookie / LOST_N_FILES - 1) : 0;
    const CacheLost *lost = cookie == cookie_of(id, LOST_DATA) ? get_lost(request->fs, id) : NULL;
    LostFile file = lost ? LOST_REASON : LOST_DATA;

    if (!lost)
        lost = cache_lost_next(request->fs->cache, id);
    if (!lost)
        return CACHE_ABSENT;
    ret_entry->node = file_of(lost, file);
    ret_entry->cookie = cookie_of(lost->id, file);
    make_name(lost, file, ret_entry->name);
    return CACHE_FOUND;
}

static FsNode lost_parent(Fs *fs, FsNode node)
{
    return (FsNode){.kind = FS_KIND_CONTROL};
}

static CacheAnswer lost_attr(FsRequest *request, FsNode node, struct stat *attr)
{
    const CacheLost *lost = NULL;

    attr->st_nlink = 2;
    while ((lost = cache_lost_next(request->fs->cache, lost ? lost->id : 0)))
        attr->st_mtime = MAX(attr->st_mtime, lost->time);
    attr->st_ctime = attr->st_atime = attr->st_mtime;
    return CACHE_FOUND;
}

const FsView fs_view_lost = {
    .mode = S_IFDIR | 0500,
    .lookup = lost_lookup,
    .next = lost_next,
    .parent = lost_parent,
    .attr = lost_attr,
};

/* --- the files --- */

static FsNode file_parent(Fs *fs, FsNode node)
{
    return (FsNode){.kind = FS_KIND_LOST};
}

static CacheAnswer file_attr(FsRequest *request, FsNode node, struct stat *attr)
{
    const CacheLost *lost = get_lost(request->fs, node.uid);

    if (!lost)
        return CACHE_ABSENT;
    attr->st_nlink = 1;
    attr->st_size =
        node.number == LOST_DATA ? (off_t)lost->size : (off_t)(strlen(lost->reason) + strlen("\n"));
    attr->st_mtime = attr->st_ctime = attr->st_atime = lost->time;
    return CACHE_FOUND;
}

static CacheAnswer read_reason(const CacheLost *lost, guint64 offset, gsize size,
                               GPtrArray *ret_slices)
{
    g_autofree char *line = g_strconcat(lost->reason, "\n", NULL);
    gsize len = strlen(line);

    if (offset < len)
        g_ptr_array_add(ret_slices, g_bytes_new(line + offset, MIN(size, len - (gsize)offset)));
    return CACHE_FOUND;
}

static CacheAnswer file_read(FsRequest *request, FsNode node, guint64 offset, gsize size,
                             GPtrArray *ret_slices)
{
    const CacheLost *lost = get_lost(request->fs, node.uid);

    if (!lost)
        return CACHE_ABSENT;
    if (node.number != LOST_DATA)
        return read_reason(lost, offset, size, ret_slices);
    return cache_lost_read(request->fs->cache, lost->id, offset, size, ret_slices, &request->error)
               ? CACHE_FOUND
               : CACHE_FAILED;
}

void fs_run_unlink_lost(FsRequest *request, FsNode node)
{
    if (node.number == LOST_DATA)
        cache_lost_remove(request->fs->cache, node.uid);
    fs_answer_error(request, node.number == LOST_DATA ? 0 : EPERM);
}

const FsView fs_view_lost_file = {
    .mode = S_IFREG | 0400,
    .parent = file_parent,
    .attr = file_attr,
    .open = fs_open_kept,
    .read = file_read,
};

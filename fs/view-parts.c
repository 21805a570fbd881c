/* SPDX-License-Identifier: MIT */
/* fs/view-parts.c - a message, or a message in it, as the directory of its parts: its header, its
 * leaves, and messages as directories. */
#include <errno.h>
#include <string.h>

#include "fs/views.h"

#define HEADER_NAME "header"
#define WHOLE_NAME  "message.eml"

/* Cookies; parts follow in their order.  "." and ".." have 1 and 2. */
#define COOKIE_HEADER 3
#define COOKIE_WHOLE  4
#define COOKIE_PARTS  5

/* --- what is in it --- */

/* Adds the leaves of a message, and the messages in it, but not theirs. */
static void add_level(MailPart *part, GPtrArray *level)
{
    if (!mail_part_is_multipart(part)) {
        g_ptr_array_add(level, part);
        return;
    }
    for (guint i = 0; part->parts && i < part->parts->len; i++)
        add_level(part->parts->pdata[i], level);
}

/* New; the parts (MailPart) are borrowed. */
static GPtrArray *new_level(MailPart *root)
{
    GPtrArray *level = g_ptr_array_new();

    add_level(root, level);
    return level;
}

/* The first of the level that is part @nth or a later one, found without looking at those before
 * it; or NULL. */
static MailPart *find_from(MailPart *part, guint nth)
{
    MailPart *found = NULL;

    if (!mail_part_is_multipart(part))
        return part->nth >= nth ? part : NULL;
    if (!part->parts)
        return NULL;
    for (guint i = mail_part_child(part, nth); !found && i < part->parts->len; i++)
        found = find_from(part->parts->pdata[i], nth);
    return found;
}

/* The root of the message that @dir is. */
static CacheAnswer find_root(FsRequest *request, FsNode dir, MailPart **ret_root)
{
    MailPart *tree, *part;
    CacheAnswer answer = fs_part(request, dir, &tree, &part);

    if (answer != CACHE_FOUND)
        return answer;
    if (dir.kind == FS_KIND_PART_DIR && !mail_part_is_message(part))
        return CACHE_ABSENT;
    *ret_root = dir.kind == FS_KIND_PART_DIR ? part->parts->pdata[0] : tree;
    return CACHE_FOUND;
}

static FsNode child(FsNode dir, FsKind kind, guint nth)
{
    return (FsNode){.kind = kind, .number = dir.number, .uid = dir.uid, .part = nth};
}

static FsNode part_node(FsNode dir, const MailPart *part)
{
    return child(dir, mail_part_is_message(part) ? FS_KIND_PART_DIR : FS_KIND_PART, part->nth);
}

/* An inode number that cannot be made is one that cannot be told of. */
static CacheAnswer found(FsRequest *request, FsNode node)
{
    if (fs_node_pack(node))
        return CACHE_FOUND;
    g_set_error(&request->error, MAIL_ERROR, MAIL_ERROR_TOO_BIG,
                "there are too many mailboxes and messages to number the parts of this one");
    return CACHE_FAILED;
}

static CacheAnswer parts_lookup(FsRequest *request, FsNode dir, const char *name, FsNode *ret_child)
{
    g_autoptr(GPtrArray) level = NULL;
    MailPart *root;
    CacheAnswer answer;

    if (name[0] == '.')
        return CACHE_ABSENT;
    answer = find_root(request, dir, &root);
    if (answer != CACHE_FOUND)
        return answer;
    if (g_str_equal(name, HEADER_NAME)) {
        *ret_child = child(dir, FS_KIND_PART_HEADER, root->nth);
        return found(request, *ret_child);
    }
    if (dir.kind == FS_KIND_PART_DIR && g_str_equal(name, WHOLE_NAME)) {
        *ret_child = child(dir, FS_KIND_PART_WHOLE, dir.part);
        return found(request, *ret_child);
    }
    level = new_level(root);
    for (guint i = 0; i < level->len; i++) {
        const MailPart *part = level->pdata[i];
        g_autofree char *there = g_str_has_prefix(name, part->section) ? fs_part_name(part) : NULL;

        if (g_strcmp0(there, name) != 0)
            continue;
        *ret_child = part_node(dir, part);
        return found(request, *ret_child);
    }
    return CACHE_ABSENT;
}

/* --- listing --- */

static CacheAnswer tell_part(FsRequest *request, FsNode dir, const MailPart *part,
                             FsEntry *ret_entry)
{
    g_autofree char *name = fs_part_name(part);

    ret_entry->node = part_node(dir, part);
    ret_entry->cookie = COOKIE_PARTS + part->nth;
    g_strlcpy(ret_entry->name, name, sizeof ret_entry->name);
    return found(request, ret_entry->node);
}

static CacheAnswer tell(FsRequest *request, FsNode node, guint64 cookie, const char *name,
                        FsEntry *ret_entry)
{
    ret_entry->node = node;
    ret_entry->cookie = cookie;
    g_strlcpy(ret_entry->name, name, sizeof ret_entry->name);
    return found(request, node);
}

static CacheAnswer parts_next(FsRequest *request, FsNode dir, guint64 cookie, FsEntry *ret_entry)
{
    MailPart *root, *part;
    CacheAnswer answer = find_root(request, dir, &root);

    if (answer != CACHE_FOUND)
        return answer;
    if (cookie < COOKIE_HEADER) {
        g_autoptr(GPtrArray) level = new_level(root);

        fs_parts_expect(request->fs, dir, level);
        return tell(request, child(dir, FS_KIND_PART_HEADER, root->nth), COOKIE_HEADER, HEADER_NAME,
                    ret_entry);
    }
    if (cookie < COOKIE_WHOLE && dir.kind == FS_KIND_PART_DIR)
        return tell(request, child(dir, FS_KIND_PART_WHOLE, dir.part), COOKIE_WHOLE, WHOLE_NAME,
                    ret_entry);
    cookie = MIN(cookie, COOKIE_PARTS + MAIL_PARTS_MAX);
    part = find_from(root, cookie < COOKIE_PARTS ? 0 : (guint)(cookie - COOKIE_PARTS) + 1);
    return part ? tell_part(request, dir, part, ret_entry) : CACHE_ABSENT;
}

/* --- the directory itself --- */

/* That of the message which the part @node is in. */
static FsNode part_dir_parent(Fs *fs, FsNode node)
{
    MailPart *root = cache_known_tree(fs->cache, node.number, node.uid);
    const MailPart *part = root ? mail_part_nth(root, node.part) : NULL;
    const MailPart *holder = part ? mail_part_around(root, part) : NULL;

    return holder ? child(node, FS_KIND_PART_DIR, holder->nth) : child(node, FS_KIND_PARTS, 0);
}

static CacheAnswer parts_attr(FsRequest *request, FsNode node, struct stat *attr)
{
    /* With one link, nobody counts on knowing how many directories are in it. */
    return fs_message_times(request->fs, node, attr) ? CACHE_FOUND : CACHE_ABSENT;
}

const FsView fs_view_parts = {
    .mode = S_IFDIR | 0500,
    .timeout = FS_LONG,
    .lookup = parts_lookup,
    .next = parts_next,
    .parent = fs_message_parent,
    .attr = parts_attr,
};

const FsView fs_view_part_dir = {
    .mode = S_IFDIR | 0500,
    .timeout = FS_LONG,
    .lookup = parts_lookup,
    .next = parts_next,
    .parent = part_dir_parent,
    .attr = parts_attr,
};

/* --- 4711 --- */

static CacheAnswer link_readlink(FsRequest *request, FsNode node, char **ret_target)
{
    const CacheBox *box = fs_node_box(request->fs, node);
    char name[FS_MESSAGE_NAME];

    if (!box || !fs_message_name(request->fs, fs_box_view(FS_KIND_PARTS), box->id, node.uid, name))
        return CACHE_ABSENT;
    *ret_target = g_strdup(name);
    return CACHE_FOUND;
}

static CacheAnswer link_attr(FsRequest *request, FsNode node, struct stat *attr)
{
    g_autofree char *target = NULL;
    CacheAnswer answer = link_readlink(request, node, &target);

    if (answer != CACHE_FOUND || !fs_message_times(request->fs, node, attr))
        return CACHE_ABSENT;
    attr->st_size = (off_t)strlen(target);
    return CACHE_FOUND;
}

const FsView fs_view_parts_link = {
    .mode = S_IFLNK | 0777,
    .timeout = FS_LONG,
    .parent = fs_message_parent,
    .attr = link_attr,
    .readlink = link_readlink,
};

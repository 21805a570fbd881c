/* SPDX-License-Identifier: MIT */
/* fs/views.c - what is in the mount: a row a kind of node, and the functions that the rows name. */
#include <string.h>
#include <sys/stat.h>

#include "fs/private.h"

#define CONTROL_NAME ".mailfs"
#define STATUS_NAME  "status"
#define UID_NAME     "uid"
/* Invalidation by the notifier makes the kernel forget what changed; until then it may keep all. */
#define LONG 86400.0

/* Cookies of a mailbox's entries: its children by id, then its messages from the newest down. */
#define COOKIE_BOXES    ((guint64)1 << 32)
#define COOKIE_MESSAGES ((guint64)2 << 32)

/* --- nodes --- */

gboolean fs_node_is_message(FsNode node)
{
    return node.uid != 0;
}

const CacheBox *fs_node_box(Fs *fs, FsNode node)
{
    if (fs_node_is_message(node))
        return cache_box_of_generation(fs->cache, node.number);
    if (node.kind == FS_KIND_BOX || node.kind == FS_KIND_UID_BOX)
        return cache_box(fs->cache, node.number);
    return NULL;
}

gboolean fs_node_message(Fs *fs, FsNode node, CacheMessage *ret_message)
{
    return fs_node_is_message(node) &&
           cache_get_message(fs->cache, node.number, node.uid, ret_message);
}

char *fs_node_path(Fs *fs, FsNode node)
{
    g_autoptr(GString) path = g_string_new(NULL);
    const CacheBox *box = fs_node_box(fs, node);

    if (fs_node_is_message(node))
        g_string_append_printf(path, "/u%u.eml", node.uid);
    for (; box && box->id != CACHE_ROOT; box = cache_box(fs->cache, box->parent)) {
        const char *name = fs_tree_name(fs->tree, box->id);

        g_string_prepend(path, name ? name : "?");
        g_string_prepend_c(path, '/');
    }
    if (node.kind == FS_KIND_UID_BOX || node.kind == FS_KIND_UID_MESSAGE)
        g_string_prepend(path, CONTROL_NAME "/" UID_NAME);
    else if (node.kind == FS_KIND_CONTROL || node.kind == FS_KIND_STATUS)
        g_string_prepend(path, node.kind == FS_KIND_CONTROL ? CONTROL_NAME
                                                            : CONTROL_NAME "/" STATUS_NAME);
    if (path->str[0] == '/')
        g_string_erase(path, 0, 1);
    if (!path->len)
        g_string_append_c(path, '.');
    return g_string_free(g_steal_pointer(&path), FALSE);
}

static gboolean is_by_recipient(const CacheBox *box)
{
    return box->attributes & (CACHE_BOX_SENT | CACHE_BOX_DRAFTS);
}

gboolean fs_message_name(Fs *fs, guint32 id, guint32 uid, char name[FS_MESSAGE_NAME])
{
    const CacheBox *box = cache_box(fs->cache, id);
    g_autoptr(MailEnvelope) envelope = NULL;
    CacheMessage message;

    if (!box || !cache_get_message(fs->cache, box->generation, uid, &message))
        return FALSE;
    envelope = cache_dup_envelope(fs->cache, box->generation, uid);
    if (!envelope)
        return FALSE;
    fs_names_message(fs->options.names, &message, envelope, is_by_recipient(box), name);
    return TRUE;
}

/* --- mailboxes --- */

/* The child mailbox called @name, as a node of @kind. */
static gboolean lookup_child_box(FsRequest *request, FsNode dir, const char *name,
                                 FsNode *ret_child)
{
    guint32 child = fs_tree_child(request->fs->tree, dir.number, name);

    if (!child)
        return FALSE;
    *ret_child = (FsNode){dir.kind, child, 0};
    return TRUE;
}

/* The node of a message of which the kernel is going to know a name. */
static FsNode show_message(Fs *fs, FsKind kind, guint32 generation, guint32 uid)
{
    g_hash_table_add(fs->shown, GUINT_TO_POINTER(generation));
    return (FsNode){kind, generation, uid};
}

static CacheAnswer lookup_message(FsRequest *request, FsNode dir, FsKind kind, guint32 uid,
                                  FsNode *ret_child)
{
    CacheMessage message;
    CacheAnswer answer = cache_find_message(request->fs->cache, dir.number, uid, &message,
                                            &request->want, &request->error);

    if (answer == CACHE_FOUND)
        *ret_child = show_message(request->fs, kind,
                                  cache_box(request->fs->cache, dir.number)->generation, uid);
    return answer;
}

static CacheAnswer box_lookup(FsRequest *request, FsNode dir, const char *name, FsNode *ret_child)
{
    char real[FS_MESSAGE_NAME];
    CacheAnswer answer;
    FsNameForm form;
    guint32 uid;

    if (dir.number == CACHE_ROOT && g_str_equal(name, CONTROL_NAME)) {
        *ret_child = (FsNode){FS_KIND_CONTROL, 0, 0};
        return CACHE_FOUND;
    }
    if (name[0] == '.')
        return CACHE_ABSENT;
    if (lookup_child_box(request, dir, name, ret_child))
        return CACHE_FOUND;
    form = fs_names_parse(name, &uid);
    if (form == FS_NAME_SHORT)
        return lookup_message(request, dir, FS_KIND_ALIAS, uid, ret_child);
    if (form != FS_NAME_FULL)
        return CACHE_ABSENT;
    answer = lookup_message(request, dir, FS_KIND_MESSAGE, uid, ret_child);
    if (answer == CACHE_FOUND &&
        !(fs_message_name(request->fs, dir.number, uid, real) && g_str_equal(real, name)))
        return CACHE_ABSENT;
    return answer;
}

static CacheAnswer uid_box_lookup(FsRequest *request, FsNode dir, const char *name,
                                  FsNode *ret_child)
{
    guint32 uid;

    if (lookup_child_box(request, dir, name, ret_child))
        return CACHE_FOUND;
    if (fs_names_parse(name, &uid) != FS_NAME_UID)
        return CACHE_ABSENT;
    return lookup_message(request, dir, FS_KIND_UID_MESSAGE, uid, ret_child);
}

static gboolean next_child_box(FsRequest *request, FsNode dir, guint64 cookie, FsEntry *ret_entry)
{
    guint32 after = cookie >= COOKIE_BOXES ? (guint32)cookie : 0;
    const CacheBox *child = cookie < COOKIE_MESSAGES
                                ? cache_box_next_child(request->fs->cache, dir.number, after)
                                : NULL;
    const char *name = child ? fs_tree_name(request->fs->tree, child->id) : NULL;

    if (!name)
        return FALSE;
    ret_entry->node = (FsNode){dir.kind, child->id, 0};
    ret_entry->cookie = COOKIE_BOXES | child->id;
    g_strlcpy(ret_entry->name, name, sizeof ret_entry->name);
    return TRUE;
}

/* The message after @cookie. */
static CacheAnswer next_message(FsRequest *request, FsNode dir, guint64 cookie, FsEntry *ret_entry)
{
    guint32 before = cookie >= COOKIE_MESSAGES ? (guint32)(0 - cookie) : 0;
    gboolean is_by_uid = dir.kind == FS_KIND_UID_BOX;
    g_autoptr(MailEnvelope) envelope = NULL;
    CacheAnswer answer = CACHE_ABSENT;
    CacheMessage message;
    const CacheBox *box;

    /* After UID 1 there is none; and "before 0" would mean: from the newest. */
    if (before != 1)
        answer = cache_next_message(request->fs->cache, dir.number, before, &message, &envelope,
                                    &request->want, &request->error);
    if (answer != CACHE_FOUND)
        return answer;
    box = cache_box(request->fs->cache, dir.number);
    ret_entry->node = show_message(request->fs, is_by_uid ? FS_KIND_UID_MESSAGE : FS_KIND_MESSAGE,
                                   box->generation, message.uid);
    ret_entry->cookie = COOKIE_MESSAGES | (guint32)(0 - message.uid);
    if (is_by_uid)
        g_snprintf(ret_entry->name, sizeof ret_entry->name, "%u.eml", message.uid);
    else
        fs_names_message(request->fs->options.names, &message, envelope, is_by_recipient(box),
                         ret_entry->name);
    return CACHE_FOUND;
}

static CacheAnswer box_next(FsRequest *request, FsNode dir, guint64 cookie, FsEntry *ret_entry)
{
    if (next_child_box(request, dir, cookie, ret_entry))
        return CACHE_FOUND;
    return next_message(request, dir, cookie, ret_entry);
}

static FsNode box_parent(Fs *fs, FsNode node)
{
    const CacheBox *box = fs_node_box(fs, node);

    if (node.kind == FS_KIND_UID_BOX && node.number == CACHE_ROOT)
        return (FsNode){FS_KIND_CONTROL, 0, 0};
    return (FsNode){node.kind, box ? box->parent : CACHE_ROOT, 0};
}

static CacheAnswer box_attr(FsRequest *request, FsNode node, struct stat *attr)
{
    const CacheBox *box = fs_node_box(request->fs, node);

    if (!box)
        return CACHE_ABSENT;
    attr->st_nlink = 2 + cache_box_n_children(request->fs->cache, box->id);
    attr->st_mtim =
        (struct timespec){box->changed / G_USEC_PER_SEC, (box->changed % G_USEC_PER_SEC) * 1000};
    attr->st_ctim = attr->st_atim = attr->st_mtim;
    return CACHE_FOUND;
}

/* --- messages --- */

static FsNode message_parent(Fs *fs, FsNode node)
{
    const CacheBox *box = fs_node_box(fs, node);

    return (FsNode){node.kind == FS_KIND_UID_MESSAGE ? FS_KIND_UID_BOX : FS_KIND_BOX,
                    box ? box->id : CACHE_ROOT, 0};
}

static CacheAnswer message_attr(FsRequest *request, FsNode node, struct stat *attr)
{
    CacheMessage message;
    guint64 size;
    CacheAnswer answer;

    if (!fs_node_message(request->fs, node, &message))
        return CACHE_ABSENT;
    answer = cache_message_size(request->fs->cache, node.number, node.uid, &size, &request->want,
                                &request->error);
    if (answer != CACHE_FOUND)
        return answer;
    attr->st_nlink = 1;
    attr->st_size = (off_t)size;
    attr->st_mtime = attr->st_ctime = attr->st_atime = message.date;
    return CACHE_FOUND;
}

static void message_open(FsRequest *request, struct fuse_file_info *fi)
{
    fi->keep_cache = 1;
}

static CacheAnswer message_read(FsRequest *request, FsNode node, guint64 offset, gsize size,
                                GPtrArray *ret_slices)
{
    return cache_read(request->fs->cache, node.number, node.uid, "", offset, size, ret_slices,
                      &request->want, &request->error);
}

/* --- .mailfs --- */

static const struct {
    const char *name;
    FsKind kind;
} controls[] = {
    {STATUS_NAME, FS_KIND_STATUS},
    {UID_NAME, FS_KIND_UID_BOX},
};

static CacheAnswer control_lookup(FsRequest *request, FsNode dir, const char *name,
                                  FsNode *ret_child)
{
    for (gsize i = 0; i < G_N_ELEMENTS(controls); i++)
        if (g_str_equal(controls[i].name, name)) {
            *ret_child = (FsNode){controls[i].kind, 0, 0};
            return CACHE_FOUND;
        }
    return CACHE_ABSENT;
}

static CacheAnswer control_next(FsRequest *request, FsNode dir, guint64 cookie, FsEntry *ret_entry)
{
    guint64 nth = cookie ? cookie - COOKIE_BOXES + 1 : 0;

    if (nth >= G_N_ELEMENTS(controls))
        return CACHE_ABSENT;
    ret_entry->node = (FsNode){controls[nth].kind, 0, 0};
    ret_entry->cookie = COOKIE_BOXES + nth;
    g_strlcpy(ret_entry->name, controls[nth].name, sizeof ret_entry->name);
    return CACHE_FOUND;
}

static FsNode control_parent(Fs *fs, FsNode node)
{
    return (FsNode){node.kind == FS_KIND_STATUS ? FS_KIND_CONTROL : FS_KIND_BOX, 0, 0};
}

static CacheAnswer control_attr(FsRequest *request, FsNode node, struct stat *attr)
{
    attr->st_nlink = 3;
    attr->st_mtime = attr->st_ctime = attr->st_atime = g_get_real_time() / G_USEC_PER_SEC;
    return CACHE_FOUND;
}

static CacheAnswer status_attr(FsRequest *request, FsNode node, struct stat *attr)
{
    Fs *fs = request->fs;
    gint64 now = g_get_real_time();

    g_clear_pointer(&fs->status, g_bytes_unref);
    fs->status = fs_status_text(fs);
    attr->st_nlink = 1;
    attr->st_size = (off_t)g_bytes_get_size(fs->status);
    /* A new time each time, so that the kernel drops the pages of the last look. */
    attr->st_mtim = (struct timespec){now / G_USEC_PER_SEC, (now % G_USEC_PER_SEC) * 1000};
    attr->st_ctim = attr->st_atim = attr->st_mtim;
    return CACHE_FOUND;
}

/* Each reader gets one text from beginning to end, whatever size was told meanwhile. */
static void status_open(FsRequest *request, struct fuse_file_info *fi)
{
    Fs *fs = request->fs;

    fi->fh = ++fs->last_handle;
    fi->direct_io = 1;
    g_hash_table_insert(fs->opened, GSIZE_TO_POINTER(fi->fh), fs_status_text(fs));
}

static CacheAnswer status_read(FsRequest *request, FsNode node, guint64 offset, gsize size,
                               GPtrArray *ret_slices)
{
    GBytes *text = g_hash_table_lookup(request->fs->opened, GSIZE_TO_POINTER(request->fi.fh));
    gsize len;

    /* Under -o ro nobody opens. */
    if (!text)
        text = request->fs->status;
    len = text ? g_bytes_get_size(text) : 0;
    if (offset < len)
        g_ptr_array_add(ret_slices, g_bytes_new_from_bytes(text, offset, MIN(size, len - offset)));
    return CACHE_FOUND;
}

/* --- the table --- */

#define DIR           (S_IFDIR | 0500)
#define FILE          (S_IFREG | 0400)
#define MESSAGE_FUNCS message_parent, message_attr, message_open, message_read

static const FsView views[FS_N_KINDS] = {
    [FS_KIND_BOX] = {DIR, LONG, box_lookup, box_next, box_parent, box_attr, NULL, NULL},
    [FS_KIND_MESSAGE] = {FILE, LONG, NULL, NULL, MESSAGE_FUNCS},
    [FS_KIND_ALIAS] = {FILE, LONG, NULL, NULL, MESSAGE_FUNCS},
    [FS_KIND_CONTROL] = {DIR, 0, control_lookup, control_next, control_parent, control_attr, NULL,
                         NULL},
    [FS_KIND_STATUS] = {FILE, 0, NULL, NULL, control_parent, status_attr, status_open, status_read},
    [FS_KIND_UID_BOX] = {DIR, LONG, uid_box_lookup, box_next, box_parent, box_attr, NULL, NULL},
    [FS_KIND_UID_MESSAGE] = {FILE, LONG, NULL, NULL, MESSAGE_FUNCS},
};

const FsView *fs_view(FsKind kind)
{
    return &views[kind];
}

CacheAnswer fs_attr(FsRequest *request, FsNode node, struct stat *attr)
{
    const FsView *view = fs_view(node.kind);
    CacheAnswer answer;

    memset(attr, 0, sizeof *attr);
    answer = view->attr(request, node, attr);
    if (answer != CACHE_FOUND)
        return answer;
    attr->st_ino = fs_node_pack(node);
    attr->st_mode = view->mode;
    attr->st_uid = request->fs->uid;
    attr->st_gid = request->fs->gid;
    attr->st_blksize = 4096;
    /* Fewer blocks than the size takes would say: sparse (cp looks). */
    attr->st_blocks = (attr->st_size + 511) / 512;
    return CACHE_FOUND;
}

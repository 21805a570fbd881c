/* SPDX-License-Identifier: MIT */
/* fs/view-boxes.c - mailboxes as directories, in each of the views. */
#include <string.h>

#include "fs/changing.h"
#include "fs/writing.h"

/* Cookies of a mailbox's entries: its children by id, then what is written and what arrives, by
 * number, then its messages from the newest down.  A draft becomes an arrival and that a message:
 * in this order none is missed that does so between two pages.  Above all that a message's cookie
 * has the number of the last arrival before it, so that none comes twice under one name. */
#define COOKIE_BOXES    ((guint64)1 << 32)
#define COOKIE_DRAFTS   ((guint64)2 << 32)
#define COOKIE_ARRIVALS ((guint64)3 << 32)
#define COOKIE_MESSAGES ((guint64)4 << 32)
#define ARRIVAL_SHIFT   35
#define ARRIVAL_MASK    ((guint32)0x0fffffff)

/* --- names --- */

static gboolean is_by_recipient(const CacheBox *box)
{
    return box->attributes & (CACHE_BOX_SENT | CACHE_BOX_DRAFTS);
}

static void make_name(Fs *fs, const FsBoxView *view, const CacheBox *box,
                      const CacheMessage *message, const MailEnvelope *envelope,
                      char name[FS_MESSAGE_NAME])
{
    if (view->form == FS_NAME_UID)
        g_snprintf(name, FS_MESSAGE_NAME, "%u.eml", message->uid);
    else
        fs_names_message(fs->options.names, view->form, message, envelope, is_by_recipient(box),
                         name);
}

gboolean fs_message_name(Fs *fs, const FsBoxView *view, guint32 id, guint32 uid,
                         char name[FS_MESSAGE_NAME])
{
    const CacheBox *box = cache_box(fs->cache, id);
    g_autoptr(MailEnvelope) envelope = NULL;
    CacheMessage message;

    if (!box || !cache_get_message(fs->cache, box->generation, uid, &message))
        return FALSE;
    envelope = cache_dup_envelope(fs->cache, box->generation, uid);
    if (!envelope)
        return FALSE;
    make_name(fs, view, box, &message, envelope, name);
    return TRUE;
}

/* --- looking up --- */

FsNode fs_show_message(Fs *fs, FsKind kind, guint32 generation, guint32 uid)
{
    g_hash_table_add(fs->shown, GUINT_TO_POINTER(generation));
    return (FsNode){.kind = kind, .number = generation, .uid = uid};
}

static CacheAnswer lookup_message(FsRequest *request, FsNode dir, FsKind kind, guint32 uid,
                                  FsNode *ret_child)
{
    CacheMessage message;
    CacheAnswer answer = cache_find_message(request->fs->cache, dir.number, uid, &message,
                                            &request->want, &request->error);
    guint32 generation;

    if (answer != CACHE_FOUND)
        return answer;
    generation = cache_box(request->fs->cache, dir.number)->generation;
    if (dir.kind == FS_KIND_BOX && fs_aside_name(request->fs, generation, uid, NULL))
        return CACHE_ABSENT;
    *ret_child = fs_show_message(request->fs, kind, generation, uid);
    return CACHE_FOUND;
}

static CacheAnswer lookup_named(FsRequest *request, FsNode dir, const char *name, guint32 uid,
                                FsNode *ret_child)
{
    const FsBoxView *view = fs_box_view(dir.kind);
    CacheAnswer answer = lookup_message(request, dir, view->message, uid, ret_child);
    char real[FS_MESSAGE_NAME];

    if (answer == CACHE_FOUND &&
        !(fs_message_name(request->fs, view, dir.number, uid, real) && g_str_equal(real, name)))
        return CACHE_ABSENT;
    return answer;
}

/* By what the server told. */
static CacheAnswer lookup_told(FsRequest *request, FsNode dir, const char *name, FsNode *ret_child)
{
    const FsBoxView *view = fs_box_view(dir.kind);
    guint32 child = fs_tree_child(request->fs->tree, dir.number, name), uid;

    if (child) {
        *ret_child = (FsNode){.kind = dir.kind, .number = child};
        return CACHE_FOUND;
    }
    if (view->alias && fs_names_parse(name, view->alias_form, &uid))
        return lookup_message(request, dir, view->alias, uid, ret_child);
    if (fs_names_parse(name, view->form, &uid))
        return lookup_named(request, dir, name, uid, ret_child);
    return CACHE_ABSENT;
}

/* Whether what arrived in @box as @name has been set aside since. */
static gboolean is_set_aside(Fs *fs, guint32 box, const char *name, guint32 id)
{
    guint32 aside_generation, aside_uid, generation, uid;
    guint64 want;

    return fs_aside_find(fs, box, name, &aside_generation, &aside_uid) &&
           cache_arrival_message(fs->cache, id, &generation, &uid, &want, NULL) == CACHE_FOUND &&
           generation == aside_generation && uid == aside_uid;
}

/* By what was done here. */
static CacheAnswer lookup_given(FsRequest *request, FsNode dir, const char *name, FsNode *ret_child)
{
    Fs *fs = request->fs;
    guint32 generation, uid, id;

    if (fs_aside_lookup(fs, dir.number, name, &generation, &uid)) {
        *ret_child = fs_show_message(fs, FS_KIND_MESSAGE, generation, uid);
        return CACHE_FOUND;
    }
    if (fs_draft_find(fs, dir.number, name, ret_child))
        return CACHE_FOUND;
    id = cache_arrival_find(fs->cache, dir.number, name);
    if (!id || is_set_aside(fs, dir.number, name, id))
        return CACHE_ABSENT;
    *ret_child = (FsNode){.kind = FS_KIND_NEW, .number = 1, .uid = id};
    return CACHE_FOUND;
}

static CacheAnswer boxes_lookup(FsRequest *request, FsNode dir, const char *name, FsNode *ret_child)
{
    CacheAnswer answer = CACHE_ABSENT;

    if (fs_ino(request->fs, dir) == FUSE_ROOT_ID && g_str_equal(name, FS_CONTROL_NAME)) {
        *ret_child = (FsNode){.kind = FS_KIND_CONTROL};
        return CACHE_FOUND;
    }
    if (name[0] != '.')
        answer = lookup_told(request, dir, name, ret_child);
    if (answer == CACHE_ABSENT && dir.kind == FS_KIND_BOX)
        answer = lookup_given(request, dir, name, ret_child);
    return answer;
}

/* --- listing --- */

static gboolean next_child(FsRequest *request, FsNode dir, guint64 cookie, FsEntry *ret_entry)
{
    guint32 after = cookie >= COOKIE_BOXES ? (guint32)cookie : 0;
    const CacheBox *child =
        cookie < COOKIE_DRAFTS ? cache_box_next_child(request->fs->cache, dir.number, after) : NULL;
    const char *name = child ? fs_tree_name(request->fs->tree, child->id) : NULL;

    if (!name)
        return FALSE;
    ret_entry->node = (FsNode){.kind = dir.kind, .number = child->id};
    ret_entry->cookie = COOKIE_BOXES | child->id;
    g_strlcpy(ret_entry->name, name, sizeof ret_entry->name);
    return TRUE;
}

/* The arrival that was listed last before @cookie, or 0. */
static guint32 arrival_before(guint64 cookie)
{
    if (cookie >= COOKIE_MESSAGES)
        return (guint32)(cookie >> ARRIVAL_SHIFT) & ARRIVAL_MASK;
    return cookie >= COOKIE_ARRIVALS ? (guint32)cookie & ARRIVAL_MASK : 0;
}

/* Whether the message was listed as what arrives, under the same name. */
static gboolean was_listed(Fs *fs, FsNode dir, guint64 cookie, const char *name)
{
    guint32 last = arrival_before(cookie),
            id = last && dir.kind == FS_KIND_BOX ? cache_arrival_find(fs->cache, dir.number, name)
                                                 : 0;

    return id && ((last - id) & ARRIVAL_MASK) <= ARRIVAL_MASK / 2;
}

/* The message after @cookie. */
static CacheAnswer next_message(FsRequest *request, FsNode dir, guint64 cookie, FsEntry *ret_entry)
{
    guint32 before = cookie >= COOKIE_MESSAGES ? (guint32)(0 - cookie) : 0;
    const FsBoxView *view = fs_box_view(dir.kind);
    g_autoptr(MailEnvelope) envelope = NULL;
    CacheAnswer answer = CACHE_ABSENT;
    CacheMessage message;
    const CacheBox *box;
    const char *backup;

    /* After UID 1 there is none; and "before 0" would mean: from the newest. */
    if (before != 1)
        answer = cache_next_message(request->fs->cache, dir.number, before, &message, &envelope,
                                    &request->want, &request->error);
    if (answer != CACHE_FOUND)
        return answer;
    box = cache_box(request->fs->cache, dir.number);
    ret_entry->node = fs_show_message(request->fs, view->message, box->generation, message.uid);
    ret_entry->cookie = (guint64)arrival_before(cookie) << ARRIVAL_SHIFT | COOKIE_MESSAGES |
                        (guint32)(0 - message.uid);
    backup = dir.kind == FS_KIND_BOX
                 ? fs_aside_name(request->fs, box->generation, message.uid, NULL)
                 : NULL;
    if (backup)
        g_strlcpy(ret_entry->name, backup, sizeof ret_entry->name);
    else
        make_name(request->fs, view, box, &message, envelope, ret_entry->name);
    return CACHE_FOUND;
}

static void set_new(FsEntry *entry, guint32 id, const char *name, guint64 cookie)
{
    entry->node = (FsNode){.kind = FS_KIND_NEW, .number = 1, .uid = id};
    entry->cookie = cookie | id;
    g_strlcpy(entry->name, name, sizeof entry->name);
}

static gboolean next_arrival(FsRequest *request, FsNode dir, guint64 cookie, FsEntry *ret_entry)
{
    guint32 after = cookie >= COOKIE_ARRIVALS ? (guint32)cookie : 0;
    const CacheChange *change =
        cookie < COOKIE_MESSAGES ? cache_arrival_next(request->fs->cache, dir.number, after) : NULL;

    if (change)
        set_new(ret_entry, change->id, change->name, COOKIE_ARRIVALS);
    return change != NULL;
}

static gboolean next_draft(FsRequest *request, FsNode dir, guint64 cookie, FsEntry *ret_entry)
{
    guint32 after = cookie >= COOKIE_DRAFTS ? (guint32)cookie : 0, number;
    const char *name;

    if (cookie >= COOKIE_ARRIVALS || !fs_draft_next(request->fs, dir.number, after, &number, &name))
        return FALSE;
    set_new(ret_entry, number, name, COOKIE_DRAFTS);
    return TRUE;
}

static CacheAnswer boxes_next(FsRequest *request, FsNode dir, guint64 cookie, FsEntry *ret_entry)
{
    CacheAnswer answer;

    if (next_child(request, dir, cookie, ret_entry))
        return CACHE_FOUND;
    if (dir.kind == FS_KIND_BOX && (next_draft(request, dir, cookie, ret_entry) ||
                                    next_arrival(request, dir, cookie, ret_entry)))
        return CACHE_FOUND;
    do {
        answer = next_message(request, dir, cookie, ret_entry);
        cookie = ret_entry->cookie;
    } while (answer == CACHE_FOUND && was_listed(request->fs, dir, cookie, ret_entry->name));
    return answer;
}

/* --- the directory itself --- */

static FsNode boxes_parent(Fs *fs, FsNode node)
{
    const CacheBox *box = fs_node_box(fs, node);

    if (node.number == CACHE_ROOT && fs_ino(fs, node) != FUSE_ROOT_ID)
        return (FsNode){.kind = FS_KIND_CONTROL};
    return (FsNode){.kind = node.kind, .number = box ? box->parent : CACHE_ROOT};
}

FsNode fs_message_parent(Fs *fs, FsNode node)
{
    const CacheBox *box = fs_node_box(fs, node);

    return (FsNode){.kind = fs_box_view(node.kind)->box, .number = box ? box->id : CACHE_ROOT};
}

static CacheAnswer boxes_attr(FsRequest *request, FsNode node, struct stat *attr)
{
    const CacheBox *box = fs_node_box(request->fs, node);

    if (!box)
        return CACHE_ABSENT;
    attr->st_nlink = 2 + cache_box_n_children(request->fs->cache, box->id);
    if (node.kind == FS_KIND_PARTS_BOX)
        attr->st_nlink += cache_box_n_messages(request->fs->cache, box->id);
    attr->st_mtim =
        (struct timespec){box->changed / G_USEC_PER_SEC, (box->changed % G_USEC_PER_SEC) * 1000};
    attr->st_ctim = attr->st_atim = attr->st_mtim;
    return CACHE_FOUND;
}

const FsView fs_view_boxes = {
    .mode = S_IFDIR | 0500,
    .timeout = FS_LONG,
    .lookup = boxes_lookup,
    .next = boxes_next,
    .parent = boxes_parent,
    .attr = boxes_attr,
};

/* SPDX-License-Identifier: MIT */
/* fs/news.c - what the cache tells, translated into what the kernel must forget. */
#include "fs/changing.h"

/* The files that a message is as a whole. */
static const FsKind whole_kinds[] = {FS_KIND_MESSAGE, FS_KIND_ALIAS, FS_KIND_UID_MESSAGE};

static guint64 dir_ino(Fs *fs, const FsBoxView *view, guint32 box)
{
    return fs_ino(fs, (FsNode){.kind = view->box, .number = box});
}

static gboolean is_shown(Fs *fs, guint32 generation)
{
    return g_hash_table_contains(fs->shown, GUINT_TO_POINTER(generation));
}

/* --- mailboxes --- */

static void forget_dir(Fs *fs, guint32 parent, const char *name)
{
    for (gsize i = 0; i < FS_N_BOX_VIEWS; i++)
        fs_notify_entry(fs->notifier, dir_ino(fs, &fs_box_views[i], parent), name);
}

static void on_dir_gone(guint32 parent, guint32 box, const char *name, gpointer data)
{
    forget_dir(data, parent, name);
}

static void on_boxes_changed(gpointer data)
{
    Fs *fs = data;

    fs_tree_refresh(fs->tree, on_dir_gone, fs);
}

static void on_listing_changed(guint32 id, gpointer data)
{
    Fs *fs = data;

    for (gsize i = 0; i < FS_N_BOX_VIEWS; i++)
        fs_notify_inode(fs->notifier, dir_ino(fs, &fs_box_views[i], id));
}

static void on_box_replaced(guint32 id, guint32 old_generation, gpointer data)
{
    Fs *fs = data;
    const CacheBox *box = cache_box(fs->cache, id);
    const char *name = fs_tree_name(fs->tree, id);

    /* With the directory's own entry go all that are below it. */
    if (is_shown(fs, old_generation) && name)
        forget_dir(fs, box->parent, name);
    g_hash_table_remove(fs->shown, GUINT_TO_POINTER(old_generation));
    on_listing_changed(id, fs);
}

void fs_forget_name(Fs *fs, guint32 box, const char *name)
{
    fs_notify_entry(fs->notifier, dir_ino(fs, fs_box_view(FS_KIND_BOX), box), name);
}

/* --- messages --- */

static void forget_name(Fs *fs, const FsBoxView *view, guint32 box, guint32 generation, guint32 uid)
{
    FsNode node = {.kind = view->message, .number = generation, .uid = uid};
    char name[FS_MESSAGE_NAME];

    if (fs_message_name(fs, view, box, uid, name))
        fs_notify_gone(fs->notifier, dir_ino(fs, view, box), fs_ino(fs, node), name);
}

static void forget_alias(Fs *fs, const FsBoxView *view, guint32 box, guint32 uid)
{
    gboolean is_short = view->alias_form == FS_NAME_SHORT;
    char name[32];

    g_snprintf(name, sizeof name, is_short ? "u%u.eml" : "%u", uid);
    if (view->alias)
        fs_notify_entry(fs->notifier, dir_ino(fs, view, box), name);
}

static void on_message_going(guint32 id, guint32 uid, gpointer data)
{
    Fs *fs = data;
    guint32 generation = cache_box(fs->cache, id)->generation;
    const char *backup = fs_aside_name(fs, generation, uid, NULL);

    if (!is_shown(fs, generation))
        return;
    if (backup)
        fs_forget_name(fs, id, backup);
    for (gsize i = 0; i < FS_N_BOX_VIEWS; i++) {
        forget_name(fs, &fs_box_views[i], id, generation, uid);
        forget_alias(fs, &fs_box_views[i], id, uid);
    }
}

/* Only where they are in the names. */
static void on_flags_changing(guint32 id, guint32 uid, gpointer data)
{
    Fs *fs = data;
    const FsBoxView *view = fs_box_view(FS_KIND_BOX);
    char name[FS_MESSAGE_NAME];

    if (is_shown(fs, cache_box(fs->cache, id)->generation) &&
        fs_message_name(fs, view, id, uid, name))
        fs_notify_entry(fs->notifier, dir_ino(fs, view, id), name);
}

/* --- sizes --- */

static void resize(Fs *fs, FsNode node)
{
    guint64 ino = fs_ino(fs, node);

    fs_notify_inode(fs->notifier, ino);
    g_hash_table_insert(fs->resized, g_memdup2(&ino, sizeof ino),
                        GUINT_TO_POINTER(fs_notifier_mark(fs->notifier)));
}

static void on_size_corrected(guint32 id, guint32 uid, gpointer data)
{
    Fs *fs = data;
    guint32 generation = cache_box(fs->cache, id)->generation;

    for (gsize i = 0; i < G_N_ELEMENTS(whole_kinds); i++)
        resize(fs, (FsNode){.kind = whole_kinds[i], .number = generation, .uid = uid});
}

static void on_part_corrected(guint32 id, guint32 uid, const MailPart *part, gpointer data)
{
    Fs *fs = data;
    FsNode node = {
        .kind = mail_part_is_message(part) ? FS_KIND_PART_WHOLE : FS_KIND_PART,
        .number = cache_box(fs->cache, id)->generation,
        .uid = uid,
        .part = part->nth,
    };

    if (is_shown(fs, node.number) && fs_ino(fs, node))
        resize(fs, node);
}

gboolean fs_is_resizing(Fs *fs, FsNode node)
{
    guint64 ino = fs_ino(fs, node);
    gpointer mark;

    if (!g_hash_table_lookup_extended(fs->resized, &ino, NULL, &mark))
        return FALSE;
    if (!fs_notifier_has_told(fs->notifier, GPOINTER_TO_UINT(mark)))
        return TRUE;
    g_hash_table_remove(fs->resized, &ino);
    return FALSE;
}

/* --- changes --- */

/* The name that it was given is looked up anew: it leads to something else now, or nowhere. */
static void forget_given(Fs *fs, const CacheChange *change)
{
    if (change->name && change->kind < CACHE_CHANGE_CREATE)
        fs_forget_name(fs, change->target, change->name);
}

static void on_change_settling(const CacheChange *change, gpointer data)
{
    forget_given(data, change);
}

/* Whether a caller waits for it, who will hear of it. */
static gboolean is_waited_for(Fs *fs, guint32 change)
{
    for (const GList *link = fs->parked.head; link; link = link->next)
        if (((const FsRequest *)link->data)->change == change)
            return TRUE;
    return FALSE;
}

static const char *const verbs[] = {
    [CACHE_CHANGE_FLAGS] = "flag",   [CACHE_CHANGE_MOVE] = "move",
    [CACHE_CHANGE_COPY] = "copy",    [CACHE_CHANGE_EXPUNGE] = "remove",
    [CACHE_CHANGE_APPEND] = "write", [CACHE_CHANGE_CREATE] = "mkdir",
    [CACHE_CHANGE_DELETE] = "rmdir", [CACHE_CHANGE_RENAME] = "rename",
};

/* "INBOX/u5.eml", or where it was to be. */
static char *path_of(Fs *fs, const CacheChange *change)
{
    FsNode node = {.kind = FS_KIND_BOX, .number = change->box};
    g_autofree char *dir = NULL;

    if (change->uid)
        node = (FsNode){FS_KIND_MESSAGE, change->generation, change->uid, 0};
    if (change->uid || change->box)
        return fs_node_path(fs, node);
    node.number = change->target;
    dir = fs_node_path(fs, node);
    return g_strconcat(dir, "/", change->name, NULL);
}

static void on_change_refused(const CacheChange *change, const GError *error, gpointer data)
{
    Fs *fs = data;
    g_autofree char *path = NULL, *text = NULL, *line = NULL;

    forget_given(fs, change);
    if (is_waited_for(fs, change->id))
        return;
    path = path_of(fs, change);
    text = g_strdup_printf("%s %s: refused: %s", verbs[change->kind], path, error->message);
    line = fs_one_line(text);
    fs_failures_add(fs->failures, line);
}

/* Mode bits say what may be done: of all that the kernel may know. */
static void on_rights_changed(guint32 id, gpointer data)
{
    Fs *fs = data;
    const CacheBox *box = cache_box(fs->cache, id);
    g_autoptr(MailSet) uids = is_shown(fs, box->generation) ? cache_dup_uids(fs->cache, id) : NULL;

    fs_notify_inode(fs->notifier, dir_ino(fs, fs_box_view(FS_KIND_BOX), id));
    fs_notify_inode(fs->notifier, dir_ino(fs, fs_box_view(FS_KIND_UID_BOX), id));
    for (guint i = 0; uids && i < uids->len; i++)
        for (guint64 uid = mail_set_range(uids, i)->first; uid <= mail_set_range(uids, i)->last;
             uid++)
            for (gsize k = 0; k < G_N_ELEMENTS(whole_kinds); k++)
                fs_notify_inode(fs->notifier, fs_ino(fs, (FsNode){whole_kinds[k], box->generation,
                                                                  (guint32)uid, 0}));
}

const CacheNews fs_news = {
    .boxes_changed = on_boxes_changed,
    .message_going = on_message_going,
    .flags_changing = on_flags_changing,
    .listing_changed = on_listing_changed,
    .size_corrected = on_size_corrected,
    .part_corrected = on_part_corrected,
    .change_settling = on_change_settling,
    .change_refused = on_change_refused,
    .rights_changed = on_rights_changed,
    .box_replaced = on_box_replaced,
};

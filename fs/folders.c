/* SPDX-License-Identifier: MIT */
/* fs/folders.c - mkdir(), rmdir() and rename() of mailboxes, which wait for the server. */
#include <errno.h>

#include "fs/changing.h"
#include "fs/writing.h"

/* RFC 6154 */
#define SPECIAL                                                                                    \
    (CACHE_BOX_SENT | CACHE_BOX_DRAFTS | CACHE_BOX_TRASH | CACHE_BOX_JUNK | CACHE_BOX_ARCHIVE |    \
     CACHE_BOX_ALL | CACHE_BOX_FLAGGED)

static gboolean is_inbox(const CacheBox *box)
{
    return box->parent == CACHE_ROOT && g_ascii_strcasecmp(box->name, "INBOX") == 0;
}

/* Whether something at @box or below it is not to be renamed or removed. */
static gboolean is_protected(Fs *fs, const CacheBox *box)
{
    const CacheBox *child = NULL;

    if (is_inbox(box) || (box->attributes & SPECIAL && !fs->options.may_change_special))
        return TRUE;
    while ((child = cache_box_next_child(fs->cache, box->id, child ? child->id : 0)))
        if (is_protected(fs, child))
            return TRUE;
    return FALSE;
}

/* Whether there may be other mailboxes in @dir than there are. */
static gboolean may_change_in(Fs *fs, FsNode dir)
{
    return fs_is_changeable(dir) && fs_is_writable(fs, dir) && !cache_is_spool(fs->cache);
}

/* An errno, or 0 where the mailbox may be renamed or removed. */
static int check_change(Fs *fs, guint32 id)
{
    const CacheBox *box = cache_box(fs->cache, id);
    CacheRights rights;

    if (cache_is_spool(fs->cache))
        return EROFS;
    if (id == CACHE_ROOT || !box || is_protected(fs, box))
        return EPERM;
    cache_known_rights(fs->cache, id, &rights);
    return rights.may_rename ? 0 : EACCES;
}

/* The component that a directory name means, which must be shown as that name; NULL, and an errno.
 */
static char *decode(const char *name, int *ret_code)
{
    g_autofree char *component = name[0] == '.' ? NULL : fs_names_box_decode(name, NULL);
    g_autofree char *shown = component ? fs_names_box(component, FALSE, component) : NULL;

    if (shown && g_str_equal(shown, name))
        return g_steal_pointer(&component);
    *ret_code = name[0] == '.' ? EPERM : EINVAL;
    return NULL;
}

/* The same of the request's new mailbox below @parent. */
static char *decode_new(Fs *fs, const char *name, guint32 parent, int *ret_code)
{
    CacheRights rights = {.may_create = TRUE};

    if (parent != CACHE_ROOT)
        cache_known_rights(fs->cache, parent, &rights);
    if (!rights.may_create) {
        *ret_code = EACCES;
        return NULL;
    }
    return decode(name, ret_code);
}

/* --- mkdir() --- */

/* The child with the highest id that @parent has, or 0. */
static guint32 newest_child(Fs *fs, guint32 parent)
{
    const CacheBox *child = NULL, *next;

    while ((next = cache_box_next_child(fs->cache, parent, child ? child->id : 0)))
        child = next;
    return child ? child->id : 0;
}

static gboolean is_same_folded(const char *a, const char *b)
{
    g_autofree char *a_normal = g_utf8_normalize(a, -1, G_NORMALIZE_ALL),
                    *b_normal = g_utf8_normalize(b, -1, G_NORMALIZE_ALL);
    g_autofree char *a_folded = a_normal ? g_utf8_casefold(a_normal, -1) : NULL,
                    *b_folded = b_normal ? g_utf8_casefold(b_normal, -1) : NULL;

    return a_folded && b_folded && g_str_equal(a_folded, b_folded);
}

/* The mailbox that the server has made of @name, which it may write in its own way, after @newest;
 * or 0. */
static guint32 find_made(Fs *fs, guint32 parent, const char *name, guint32 newest)
{
    guint32 made = fs_tree_child(fs->tree, parent, name);
    const CacheBox *child = NULL;

    while (!made && (child = cache_box_next_child(fs->cache, parent, child ? child->id : newest))) {
        const char *shown = fs_tree_name(fs->tree, child->id);

        made = shown && is_same_folded(shown, name) ? child->id : 0;
    }
    return made;
}

/* Records it; FALSE when it has answered. */
static gboolean begin_mkdir(FsRequest *request)
{
    int code = 0;
    g_autofree char *component =
        decode_new(request->fs, request->name, request->node.number, &code);
    CacheAnswer answer;
    FsNode there;

    if (!component) {
        fs_answer_error(request, code);
        return FALSE;
    }
    answer = fs_find(request, request->node, request->name, &there);
    if (answer == CACHE_FOUND) {
        fs_answer_error(request, EEXIST);
        return FALSE;
    }
    request->until = newest_child(request->fs, request->node.number);
    if (answer == CACHE_ABSENT)
        answer = cache_change_create(request->fs->cache, request->node.number, component,
                                     &request->change, &request->error);
    if (answer != CACHE_FOUND)
        fs_conclude(request, answer, EIO);
    return answer == CACHE_FOUND;
}

/* The server has made it: it will be among the mailboxes, if it is not yet; if it is never, then
 * under another name. */
static void end_mkdir(FsRequest *request)
{
    Fs *fs = request->fs;
    guint32 parent = request->node.number, newest = request->until;
    FsNode node = {
        .kind = request->node.kind,
        .number = find_made(fs, parent, request->name, newest),
    };
    struct fuse_entry_param entry;
    const CacheBox *other;

    if (!node.number && fs_run_again(request))
        return;
    if (!node.number && (other = cache_box_next_child(fs->cache, parent, newest)))
        node.number = other->id;
    if (node.number && fs_fill_entry(request, node, &entry) == CACHE_FOUND)
        fs_answer_entry(request, &entry);
    else
        fs_answer_error(request, EIO);
}

void fs_run_mkdir(FsRequest *request)
{
    CacheAnswer answer;

    if (!may_change_in(request->fs, request->node)) {
        fs_answer_error(request, EROFS);
        return;
    }
    if (!request->change && !begin_mkdir(request))
        return;
    answer = fs_settle(request, request->change);
    if (answer == CACHE_FOUND)
        end_mkdir(request);
    else
        fs_conclude(request, answer, EIO);
}

/* --- rmdir() and rename() --- */

/* Answers when the server has removed it. */
static void end_rmdir(FsRequest *request)
{
    CacheAnswer answer = fs_settle(request, request->change);

    if (answer == CACHE_FOUND)
        fs_answer_error(request, 0);
    else if (answer == CACHE_FAILED &&
             g_error_matches(request->error, MAIL_ERROR, MAIL_ERROR_EXISTS))
        fs_answer_error(request, ENOTEMPTY);
    else
        fs_conclude(request, answer, EIO);
}

/* FOUND when all that was changed in the mailbox has reached the server, or was refused. */
static CacheAnswer settle_all(FsRequest *request, guint32 box)
{
    Cache *cache = request->fs->cache;
    const CacheChange *last = cache_change(cache, request->until);
    CacheAnswer answer = CACHE_FOUND;

    if (last && last->is_done)
        g_clear_error(&request->missed);
    request->until = cache_box_unsettled(cache, box, 0);
    if (request->until)
        answer = fs_settle(request, request->until);
    return answer;
}

/* FOUND when the mailbox shows nothing, ABSENT when it does. */
static CacheAnswer is_empty(FsRequest *request, const CacheBox *box)
{
    Cache *cache = request->fs->cache;
    g_autoptr(MailEnvelope) envelope = NULL;
    CacheMessage message;
    CacheAnswer answer;
    const char *name;
    guint32 number;

    if (cache_box_n_children(cache, box->id) ||
        fs_draft_next(request->fs, box->id, 0, &number, &name))
        return CACHE_ABSENT;
    answer = settle_all(request, box->id);
    if (answer != CACHE_FOUND || box->attributes & CACHE_BOX_NOSELECT)
        return answer;
    answer =
        cache_next_message(cache, box->id, 0, &message, &envelope, &request->want, &request->error);
    if (answer == CACHE_FOUND || answer == CACHE_ABSENT)
        return answer == CACHE_FOUND ? CACHE_ABSENT : CACHE_FOUND;
    return answer;
}

static void rmdir_box(FsRequest *request, guint32 id)
{
    int code = check_change(request->fs, id);
    CacheAnswer answer;

    if (code) {
        fs_answer_error(request, code);
        return;
    }
    answer = is_empty(request, cache_box(request->fs->cache, id));
    if (answer == CACHE_FOUND)
        answer = cache_change_delete(request->fs->cache, id, &request->change, &request->error);
    if (answer == CACHE_FOUND)
        end_rmdir(request);
    else
        fs_conclude(request, answer, ENOTEMPTY);
}

void fs_run_rmdir(FsRequest *request)
{
    CacheAnswer answer;
    FsNode node;

    if (request->change) {
        end_rmdir(request);
        return;
    }
    if (!may_change_in(request->fs, request->node)) {
        fs_answer_error(request, EROFS);
        return;
    }
    answer = fs_find(request, request->node, request->name, &node);
    if (answer != CACHE_FOUND)
        fs_conclude(request, answer, ENOENT);
    else if (!fs_is_directory(node))
        fs_answer_error(request, ENOTDIR);
    else
        rmdir_box(request, node.kind == request->node.kind ? node.number : CACHE_ROOT);
}

static gboolean is_within(Fs *fs, guint32 id, guint32 top)
{
    const CacheBox *box;

    while (id != top && id != CACHE_ROOT && (box = cache_box(fs->cache, id)))
        id = box->parent;
    return id == top;
}

void fs_run_rename_folder(FsRequest *request, guint32 box)
{
    Fs *fs = request->fs;
    int code = check_change(fs, box);
    g_autofree char *component =
        code ? NULL : decode_new(fs, request->new_name, request->to.number, &code);
    CacheAnswer answer;

    if (!code && is_within(fs, request->to.number, box))
        code = EINVAL;
    if (code) {
        fs_answer_error(request, code);
        return;
    }
    answer = cache_change_rename(fs->cache, box, request->to.number, component, &request->change,
                                 &request->error);
    if (answer == CACHE_FOUND)
        fs_answer_changed(request);
    else
        fs_conclude(request, answer, ENOENT);
}

/* SPDX-License-Identifier: MIT */
/* fs/rename.c - rename() of messages: other flags, another mailbox, or set aside as a backup. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/changing.h"
#include "fs/writing.h"

/* --- flags --- */

typedef struct {
    MailFlags add, remove;
} Delta;

/* The name that @name is an alias of, or else itself; new. */
static char *full_name(Fs *fs, const char *name, guint32 box, guint32 uid)
{
    char real[FS_MESSAGE_NAME];
    FsGivenName given;

    fs_names_given(name, &given);
    if (!given.has_uid && fs_message_name(fs, fs_box_view(FS_KIND_BOX), box, uid, real))
        return g_strdup(real);
    return g_strdup(name);
}

static gboolean are_known(Fs *fs, MailFlags flags)
{
    for (guint nth = 0; nth < MAIL_FLAG_N_KEYWORDS; nth++)
        if (flags & mail_flag_keyword(nth) && !cache_keyword(fs->cache, mail_flag_keyword(nth)))
            return FALSE;
    return TRUE;
}

/* What the caller has changed of the name that it saw; an errno, or 0. */
static int compare_flags(Fs *fs, const FsGivenName *old, const FsGivenName *new, Delta *ret_delta)
{
    if (!new->has_flags || !are_known(fs, new->flags & ~old->flags))
        return EINVAL;
    *ret_delta = (Delta){new->flags & ~old->flags, old->flags & ~new->flags};
    return 0;
}

static gboolean have_same_stem(const char *old_name, const FsGivenName *old, const char *new_name,
                               const FsGivenName *new)
{
    return old->has_uid && new->has_uid &&
           old->stem_len == new->stem_len &&strncmp(old_name, new_name, old->stem_len) == 0;
}

/* The same for names in one mailbox, where nothing else may change. */
static int compare_names(Fs *fs, const char *old_name, const char *new_name, Delta *ret_delta)
{
    FsGivenName old, new;

    fs_names_given(old_name, &old);
    fs_names_given(new_name, &new);
    if (have_same_stem(old_name, &old, new_name, &new) && g_str_has_suffix(new_name, ".eml"))
        return compare_flags(fs, &old, &new, ret_delta);
    return old.has_uid && new.has_uid &&old.uid != new.uid ? EINVAL : EPERM;
}

static CacheAnswer change_flags(FsRequest *request, guint32 generation, guint32 uid, Delta delta)
{
    if (!delta.add && !delta.remove)
        return CACHE_FOUND;
    return cache_change_flags(request->fs->cache, generation, uid, delta.add, delta.remove,
                              &request->change, &request->want, &request->error);
}

/* --- within a mailbox --- */

/* Other flags than those that were asked for: the kernel is not to keep the name. */
static void forget_if_other(FsRequest *request, guint32 generation, guint32 uid)
{
    const CacheBox *box = cache_box_of_generation(request->fs->cache, generation);
    char real[FS_MESSAGE_NAME];

    if (box && fs_message_name(request->fs, fs_box_view(FS_KIND_BOX), box->id, uid, real) &&
        !g_str_equal(real, request->new_name))
        fs_forget_name(request->fs, box->id, request->new_name);
}

/* What has only the name that a program gave it may be given another one. */
static void rename_arrival(FsRequest *request, guint32 id)
{
    if (cache_arrival_rename(request->fs->cache, id, request->new_name, &request->error))
        fs_answer_error(request, 0);
    else
        fs_conclude(request, CACHE_FAILED, EIO);
}

static void rename_within(FsRequest *request, FsNode node, guint32 generation, guint32 uid)
{
    Fs *fs = request->fs;
    const char *before = request->name;
    gboolean is_aside = fs_aside_name(fs, generation, uid, &before) != NULL;
    g_autofree char *old_name = full_name(fs, before, request->node.number, uid);
    Delta delta;
    int code = compare_names(fs, old_name, request->new_name, &delta);
    CacheAnswer answer;

    if (code && cache_is_spool(fs->cache)) {
        fs_answer_error(request, EROFS);
        return;
    }
    if (code && is_aside && g_str_equal(before, request->new_name)) {
        fs_aside_remove(fs, generation, uid);
        fs_answer_error(request, 0);
        return;
    }
    if (code && node.kind == FS_KIND_NEW && !fs_is_backup_name(request->new_name)) {
        rename_arrival(request, node.uid);
        return;
    }
    if (code && fs_is_backup_name(request->new_name)) {
        fs_aside_add(fs, request->to.number, before, request->new_name, generation, uid);
        fs_answer_error(request, 0);
        return;
    }
    if (code) {
        fs_answer_error(request, code);
        return;
    }
    answer = change_flags(request, generation, uid, delta);
    if (answer != CACHE_FOUND) {
        fs_conclude(request, answer, ENOENT);
        return;
    }
    if (is_aside)
        fs_aside_remove(fs, generation, uid);
    /* An arrival keeps the name that it is given. */
    if (node.kind != FS_KIND_NEW)
        forget_if_other(request, generation, uid);
    fs_answer_changed(request);
}

/* --- to another mailbox --- */

/* Whether the message may go where it is to go.  Found out before its flags are changed, for then
 * it has another name here. */
static CacheAnswer find_rights(FsRequest *request, gboolean *ret_may_move)
{
    Cache *cache = request->fs->cache;
    CacheRights from, to;
    CacheAnswer answer =
        cache_rights(cache, request->node.number, &from, &request->want, &request->error);

    if (answer == CACHE_FOUND)
        answer = cache_rights(cache, request->to.number, &to, &request->want, &request->error);
    if (answer == CACHE_FOUND)
        *ret_may_move = from.may_remove && to.may_insert;
    return answer;
}

static void rename_to(FsRequest *request, guint32 generation, guint32 uid)
{
    Fs *fs = request->fs;
    const char *before = request->name;
    gboolean is_aside = fs_aside_name(fs, generation, uid, &before) != NULL;
    g_autofree char *old_name = full_name(fs, before, request->node.number, uid);
    FsGivenName old, new;
    gboolean may_move;
    Delta delta = {0};
    CacheAnswer answer;
    int code = 0;

    fs_names_given(old_name, &old);
    fs_names_given(request->new_name, &new);
    if (new.has_flags)
        code = compare_flags(fs, &old, &new, &delta);
    if (code) {
        fs_answer_error(request, code);
        return;
    }
    answer = find_rights(request, &may_move);
    if (answer == CACHE_FOUND && may_move)
        answer = change_flags(request, generation, uid, delta);
    if (answer == CACHE_FOUND)
        answer =
            cache_change_move(fs->cache, generation, uid, request->to.number, request->new_name,
                              &request->change, &request->want, &request->error);
    if (answer != CACHE_FOUND) {
        request->change = 0;
        fs_conclude(request, answer, ENOENT);
        return;
    }
    if (is_aside)
        fs_aside_remove(fs, generation, uid);
    fs_answer_changed(request);
}

/* --- the call --- */

static gboolean holds_messages(Fs *fs, FsNode dir)
{
    const CacheBox *box = dir.kind == FS_KIND_BOX ? cache_box(fs->cache, dir.number) : NULL;

    return box && box->wire && !(box->attributes & CACHE_BOX_NOSELECT);
}

static void rename_message(FsRequest *request, FsNode node)
{
    guint32 generation, uid;
    CacheAnswer answer;

    if (!holds_messages(request->fs, request->to)) {
        fs_answer_error(request, cache_is_spool(request->fs->cache) ? EROFS : EPERM);
        return;
    }
    answer = fs_find_message(request, node, &generation, &uid);
    if (answer != CACHE_FOUND)
        fs_conclude(request, answer, ENOENT);
    else if (request->to.number == request->node.number)
        rename_within(request, node, generation, uid);
    else
        rename_to(request, generation, uid);
}

/* A file that was written under another name takes the place of @there, as programs do that want
 * readers to see the old one or the new: with its name and its flags. */
static void replace(FsRequest *request, FsNode node, FsNode there)
{
    Cache *cache = request->fs->cache;
    guint32 generation, uid, old_generation, old_uid;
    CacheMessage old;
    CacheAnswer answer = fs_find_message(request, node, &generation, &uid);

    if (answer == CACHE_FOUND)
        answer = fs_find_message(request, there, &old_generation, &old_uid);
    /* Two names of one message, too. */
    if (answer == CACHE_FOUND && generation == old_generation && uid == old_uid) {
        fs_answer_error(request, 0);
        return;
    }
    if (answer == CACHE_FOUND && !cache_get_message(cache, old_generation, old_uid, &old))
        answer = CACHE_ABSENT;
    if (answer == CACHE_FOUND)
        answer = cache_change_flags(cache, generation, uid, old.flags, 0, NULL, &request->want,
                                    &request->error);
    if (answer == CACHE_FOUND &&
        !cache_arrival_rename(cache, node.uid, request->new_name, &request->error))
        answer = CACHE_FAILED;
    if (answer == CACHE_FOUND) {
        answer = cache_change_expunge(cache, old_generation, old_uid, &request->change,
                                      &request->want, &request->error);
        if (answer != CACHE_FOUND)
            (void)cache_arrival_rename(cache, node.uid, request->name, NULL);
    }
    if (answer == CACHE_FOUND) {
        fs_drafts_unname(request->fs, old_generation, old_uid);
        fs_answer_changed(request);
    } else {
        fs_conclude(request, answer, ENOENT);
    }
}

/* Whether @there, which has the new name, is to make room for @node. */
static gboolean is_replaced(const FsRequest *request, FsNode node, FsNode there)
{
    return node.kind == FS_KIND_NEW && !cache_is_spool(request->fs->cache) && fs_is_mail(there) &&
           there.kind != FS_KIND_ALIAS && request->node.number == request->to.number &&
           request->node.kind == FS_KIND_BOX && !(request->flags & RENAME_NOREPLACE);
}

/* Whether both are names of one file: then POSIX has rename() do nothing. */
static gboolean are_same(FsNode a, FsNode b)
{
    return a.number == b.number && a.uid == b.uid &&
           (a.kind == b.kind || (fs_node_is_message(a) && fs_node_is_message(b)));
}

/* Whether the new name is free, or that does not matter; else answers. */
static gboolean has_room(FsRequest *request, FsNode node, gboolean is_draft)
{
    FsNode there;
    CacheAnswer answer = fs_find(request, request->to, request->new_name, &there);

    if (answer == CACHE_ABSENT)
        return TRUE;
    if (answer != CACHE_FOUND)
        fs_conclude(request, answer, ENOENT);
    else if (are_same(node, there))
        fs_answer_error(request, 0);
    else if (request->flags & RENAME_NOREPLACE)
        fs_answer_error(request, EEXIST);
    else if (fs_is_directory(there) != fs_is_directory(node))
        fs_answer_error(request, fs_is_directory(there) ? EISDIR : ENOTDIR);
    else if (!is_draft && is_replaced(request, node, there))
        replace(request, node, there);
    else if (!is_draft || there.kind == FS_KIND_ALIAS)
        fs_answer_error(request, EEXIST);
    else
        return TRUE;
    return FALSE;
}

static void rename_node(FsRequest *request, FsNode node)
{
    gboolean is_draft = node.kind == FS_KIND_NEW &&
                        fs_draft_find(request->fs, request->node.number, request->name, &node);

    if (!fs_is_mail(node) && !fs_is_directory(node))
        fs_answer_error(request, EROFS);
    else if (!has_room(request, node, is_draft))
        return;
    else if (is_draft)
        fs_run_rename_draft(request, node.uid);
    else if (fs_is_directory(node))
        fs_run_rename_folder(request, node.kind == request->node.kind ? node.number : CACHE_ROOT);
    else
        rename_message(request, node);
}

void fs_run_rename(FsRequest *request)
{
    CacheAnswer answer;
    FsNode node;

    if (request->change) {
        fs_answer_changed(request);
        return;
    }
    if (request->flags & ~(unsigned)RENAME_NOREPLACE) {
        fs_answer_error(request, EINVAL);
        return;
    }
    if (!fs_is_changeable(request->node) || !fs_is_changeable(request->to) ||
        !fs_is_writable(request->fs, request->node) || !fs_is_writable(request->fs, request->to)) {
        fs_answer_error(request, EROFS);
        return;
    }
    answer = fs_find(request, request->node, request->name, &node);
    if (answer == CACHE_FOUND)
        rename_node(request, node);
    else
        fs_conclude(request, answer, ENOENT);
}

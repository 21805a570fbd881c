/* SPDX-License-Identifier: MIT */
/* fs/drafts.c - the table of drafts, and what they hold. */
#include "fs/drafts.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "fs/changing.h"

/* Told from those of other files, which count from 1. */
#define HANDLE_DRAFT ((guint64)1 << 32)
#define LOAD_LEN     ((gsize)16 * CACHE_BLOCK_SIZE) /* in one turn */

struct FsDrafts {
    GHashTable *by_number; /* FsDraft, owned */
    GHashTable *leads;     /* number of a node -> of the draft or arrival that it stands for */
};

/* What was not made a change of it is gone. */
static void draft_free(gpointer data)
{
    FsDraft *draft = data;

    if (draft->outgoing)
        fs_outgoing_detach(draft->outgoing);
    for (FsRequest *request; (request = g_queue_pop_head(&draft->waiting));)
        fs_answer_error(request, ENODEV);
    close(draft->fd);
    cache_draft_free(draft->fs->cache, draft->number);
    if (draft->next && draft->next != draft->number)
        cache_draft_free(draft->fs->cache, draft->next);
    g_clear_error(&draft->error);
    g_free(draft->name);
    g_free(draft);
}

FsDrafts *fs_drafts_new(Fs *fs)
{
    FsDrafts *drafts = g_new0(FsDrafts, 1);

    drafts->by_number = g_hash_table_new_full(NULL, NULL, NULL, draft_free);
    drafts->leads = g_hash_table_new(NULL, NULL);
    return drafts;
}

void fs_drafts_free(FsDrafts *drafts)
{
    if (!drafts)
        return;
    g_hash_table_unref(drafts->by_number);
    g_hash_table_unref(drafts->leads);
    g_free(drafts);
}

FsDraft *fs_draft_new(Fs *fs, GError **error)
{
    guint32 number;
    int fd = cache_draft_new(fs->cache, &number, error);
    FsDraft *draft;

    if (fd < 0)
        return NULL;
    draft = g_new0(FsDraft, 1);
    draft->fs = fs;
    draft->fd = fd;
    draft->number = draft->next = number;
    g_hash_table_insert(fs->drafts->by_number, GUINT_TO_POINTER(number), draft);
    return draft;
}

gboolean fs_drafts_are_full(const Fs *fs)
{
    return g_hash_table_size(fs->drafts->by_number) >= FS_DRAFTS_MAX;
}

/* --- finding them --- */

guint32 fs_draft_led(const Fs *fs, guint32 number)
{
    gpointer next;

    /* Each leads to a later one. */
    while ((next = g_hash_table_lookup(fs->drafts->leads, GUINT_TO_POINTER(number))))
        number = GPOINTER_TO_UINT(next);
    return number;
}

void fs_draft_lead(FsDraft *draft, guint32 number)
{
    if (number != draft->number)
        g_hash_table_insert(draft->fs->drafts->leads, GUINT_TO_POINTER(number),
                            GUINT_TO_POINTER(draft->number));
}

FsDraft *fs_draft_of_number(Fs *fs, guint32 number)
{
    return g_hash_table_lookup(fs->drafts->by_number, GUINT_TO_POINTER(fs_draft_led(fs, number)));
}

static gboolean is_to_replace(const FsDraft *draft, guint32 generation, guint32 uid)
{
    return draft->is_rewrite && draft->uid == uid && draft->generation == generation;
}

static gboolean became(const FsDraft *draft, guint32 generation, guint32 uid)
{
    const CacheChange *change = cache_change(draft->fs->cache, draft->change);

    return change && change->new_generation == generation && change->new_uid == uid;
}

/* Whether it is shown as that message: the one it replaces or, when it is written again, the one
 * that it became. */
static gboolean is_of(const FsDraft *draft, guint32 generation, guint32 uid)
{
    return is_to_replace(draft, generation, uid) ||
           (draft->is_dirty && became(draft, generation, uid));
}

FsDraft *fs_draft_of_message(Fs *fs, guint32 generation, guint32 uid)
{
    GHashTableIter iter;
    FsDraft *draft;

    g_hash_table_iter_init(&iter, fs->drafts->by_number);
    while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&draft))
        if (is_of(draft, generation, uid))
            return draft;
    return NULL;
}

void fs_drafts_unname(Fs *fs, guint32 generation, guint32 uid)
{
    GHashTableIter iter;
    FsDraft *draft;

    g_hash_table_iter_init(&iter, fs->drafts->by_number);
    while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&draft))
        if (is_to_replace(draft, generation, uid) || became(draft, generation, uid))
            g_clear_pointer(&draft->name, g_free);
}

FsDraft *fs_draft_of_node(Fs *fs, FsNode node)
{
    if (node.kind == FS_KIND_NEW)
        return fs_draft_of_number(fs, node.uid);
    return fs_node_is_message(node) ? fs_draft_of_message(fs, node.number, node.uid) : NULL;
}

guint64 fs_draft_handle(const FsDraft *draft)
{
    return HANDLE_DRAFT | draft->number;
}

FsDraft *fs_draft_of_handle(Fs *fs, guint64 handle)
{
    return handle & HANDLE_DRAFT
               ? g_hash_table_lookup(fs->drafts->by_number, GUINT_TO_POINTER((guint32)handle))
               : NULL;
}

/* Whether it is a file of @box: what became a change is shown as that, and what is written in place
 * of a message as the message. */
static gboolean is_shown(const FsDraft *draft, guint32 box)
{
    return draft->name && draft->box == box && !draft->change && !draft->is_rewrite;
}

gboolean fs_draft_find(Fs *fs, guint32 box, const char *name, FsNode *ret_node)
{
    GHashTableIter iter;
    FsDraft *draft;

    g_hash_table_iter_init(&iter, fs->drafts->by_number);
    while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&draft))
        if (is_shown(draft, box) && g_str_equal(draft->name, name)) {
            *ret_node = (FsNode){.kind = FS_KIND_NEW, .number = 1, .uid = draft->number};
            return TRUE;
        }
    return FALSE;
}

gboolean fs_draft_next(Fs *fs, guint32 box, guint32 after, guint32 *ret_number,
                       const char **ret_name)
{
    const FsDraft *draft, *next = NULL;
    GHashTableIter iter;

    g_hash_table_iter_init(&iter, fs->drafts->by_number);
    while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&draft))
        if (is_shown(draft, box) && draft->number > after &&
            (!next || draft->number < next->number))
            next = draft;
    if (!next)
        return FALSE;
    *ret_number = next->number;
    *ret_name = next->name;
    return TRUE;
}

/* --- what they are --- */

void fs_draft_rename(FsDraft *draft, guint32 box, const char *name)
{
    draft->box = box;
    g_free(draft->name);
    draft->name = g_strdup(name);
}

gboolean fs_draft_is_scratch(const char *name)
{
    return name[0] == '.';
}

void fs_draft_touch(FsDraft *draft)
{
    draft->is_dirty = TRUE;
    draft->is_ready = FALSE;
    g_clear_error(&draft->error);
}

guint64 fs_draft_size(const FsDraft *draft)
{
    struct stat attr;

    if (draft->source_uid)
        return draft->source_size;
    return fstat(draft->fd, &attr) == 0 ? (guint64)attr.st_size : 0;
}

gboolean fs_draft_is_blank(const FsDraft *draft)
{
    return !draft->is_rewrite && fs_draft_size(draft) == 0;
}

static gboolean write_all(int fd, const guint8 *bytes, gsize len, guint64 offset)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, bytes, len, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return FALSE;
        bytes += n;
        offset += (guint64)n;
        len -= (gsize)n;
    }
    return TRUE;
}

/* FALSE when the disk would not. */
static gboolean take_slices(FsDraft *draft, const GPtrArray *slices, gsize *ret_len)
{
    gsize all = 0;

    for (guint i = 0; i < slices->len; i++) {
        gsize len;
        const guint8 *bytes = g_bytes_get_data(slices->pdata[i], &len);

        if (!write_all(draft->fd, bytes, len, draft->n_loaded + all))
            return FALSE;
        all += len;
    }
    *ret_len = all;
    return TRUE;
}

CacheAnswer fs_draft_load(FsRequest *request, FsDraft *draft)
{
    g_autoptr(GPtrArray) slices = cache_slices_new();
    CacheAnswer answer;
    gsize len;

    if (!draft->source_uid)
        return CACHE_FOUND;
    answer = cache_read(draft->fs->cache, draft->source_generation, draft->source_uid, "",
                        draft->n_loaded, LOAD_LEN, slices, &request->want, &request->error);
    if (answer != CACHE_FOUND)
        return answer;
    if (!take_slices(draft, slices, &len)) {
        fs_set_disk_error(&request->error, "copy what is to be changed", errno);
        return CACHE_FAILED;
    }
    draft->n_loaded += len;
    if (len < LOAD_LEN) {
        draft->source_generation = draft->source_uid = 0;
        return CACHE_FOUND;
    }
    /* It gets on, however often it runs. */
    request->n_runs = 0;
    (void)fs_run_again(request);
    return CACHE_WAIT;
}

gboolean fs_draft_number_next(FsDraft *draft, GError **error)
{
    int fd;

    if (draft->next)
        return TRUE;
    fd = cache_draft_new(draft->fs->cache, &draft->next, error);
    if (fd < 0)
        return FALSE;
    /* What was written stays where it is. */
    close(fd);
    return TRUE;
}

void fs_draft_became(FsDraft *draft)
{
    if (draft->next != draft->number)
        cache_draft_free(draft->fs->cache, draft->next);
    draft->former = draft->change;
    draft->change = draft->next;
    draft->next = 0;
    draft->is_dirty = draft->is_ready = FALSE;
}

void fs_draft_came_back(FsDraft *draft, guint32 change)
{
    if (draft->change == change)
        draft->change = draft->former;
}

/* --- the end of one --- */

/* Whether there is something to be kept of a draft that nobody has open. */
static gboolean is_kept(const FsDraft *draft)
{
    if (!draft->name || draft->error)
        return FALSE;
    return draft->is_dirty || (!draft->change && !draft->is_rewrite);
}

static gboolean leads_to(gpointer number, gpointer next, gpointer draft)
{
    return GPOINTER_TO_UINT(next) == ((const FsDraft *)draft)->number;
}

/* Nodes that stood for it stand for what became of it, or for what they were before. */
static void lead_on(FsDraft *draft)
{
    GHashTable *leads = draft->fs->drafts->leads;

    if (!draft->change)
        g_hash_table_foreach_remove(leads, leads_to, draft);
    else if (draft->change != draft->number)
        g_hash_table_insert(leads, GUINT_TO_POINTER(draft->number),
                            GUINT_TO_POINTER(draft->change));
}

/* The kernel may have the size of what was written in place of the message. */
static void forget_size(const FsDraft *draft)
{
    const CacheBox *box = cache_box_of_generation(draft->fs->cache, draft->generation);

    fs_notify_inode(draft->fs->notifier, draft->ino);
    if (box)
        fs_news.size_corrected(box->id, draft->uid, draft->fs);
}

void fs_draft_drop_if_over(FsDraft *draft)
{
    gboolean was_shown = is_shown(draft, draft->box);

    if (draft->n_open || draft->outgoing || is_kept(draft))
        return;
    if (was_shown)
        fs_forget_name(draft->fs, draft->box, draft->name);
    if (draft->is_rewrite)
        forget_size(draft);
    lead_on(draft);
    g_hash_table_remove(draft->fs->drafts->by_number, GUINT_TO_POINTER(draft->number));
}

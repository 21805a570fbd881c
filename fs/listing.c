/* SPDX-License-Identifier: MIT */
/* fs/listing.c - directories: opening them, and what is in them, page by page. */
#include <errno.h>
#include <string.h>

#include "fs/maker.h"
#include "fs/views.h"

#define FRESH_US    (2 * G_USEC_PER_SEC)
#define LISTING_MAX (1024 * 1024) /* bytes of one page of a directory */
#define SET_TIMES                                                                                  \
    (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_ATIME_NOW | FUSE_SET_ATTR_MTIME_NOW)

/* Answers unless there is a directory to look into. */
static gboolean is_no_dir(FsRequest *request)
{
    if (!fs_view(request->node.kind)->next)
        fs_answer_error(request, ENOTDIR);
    else if (fs_node_is_gone(request->fs, request->node))
        fs_answer_error(request, ESTALE);
    else
        return FALSE;
    return TRUE;
}

/* Files of text have no size before they are made: who lists them asks for that, at least. */
static void expect_reads(const FsRequest *request)
{
    if (request->node.kind == FS_KIND_TEXT_BOX)
        cache_expect_made(request->fs->cache, request->node.number, FS_SECTION_TEXT);
}

static void on_given_gone(guint32 box, const char *name, gpointer data)
{
    fs_forget_name(data, box, name);
}

void fs_run_opendir(FsRequest *request)
{
    struct fuse_file_info fi = request->fi;
    const CacheBox *box = fs_node_box(request->fs, request->node);
    CacheAnswer answer = CACHE_FOUND;

    if (is_no_dir(request))
        return;
    if (box && !fs_node_is_message(request->node) && request->n_runs == 0)
        answer = cache_box_is_fresh(request->fs->cache, box->id, FRESH_US, &request->want,
                                    &request->error);
    expect_reads(request);
    if (answer != CACHE_FOUND) {
        fs_conclude(request, answer, ESTALE);
        return;
    }
    /* What changes in a mailbox, the notifier tells. */
    fi.cache_readdir = fi.keep_cache = box != NULL;
    fs_answer_open(request, &fi);
}

/* Programs that copy files set times, too: it is no error when there is nobody to ask. */
gboolean fs_touch(FsRequest *request)
{
    const CacheBox *box = fs_node_box(request->fs, request->node);

    if (!box || !box->wire || !(request->flags & SET_TIMES) || request->missed)
        return TRUE;
    if (!request->began_us)
        request->began_us = g_get_monotonic_time();
    request->may_fail = TRUE;
    if (cache_box_check(request->fs->cache, box->id, request->began_us, &request->want,
                        &request->error) == CACHE_WAIT) {
        fs_conclude(request, CACHE_WAIT, 0);
        return FALSE;
    }
    g_clear_error(&request->error);
    return TRUE;
}

typedef struct {
    FsRequest *request;
    gboolean plus;
    char *bytes;
    gsize len;
} Listing;

/* FALSE when the entry does not fit any more. */
static gboolean add_entry(Listing *listing, const char *name, FsNode node, off_t next,
                          gboolean is_child)
{
    FsRequest *request = listing->request;
    struct fuse_entry_param entry = {0};
    char *at = listing->bytes + listing->len;
    gsize room = request->size - listing->len, taken;

    /* Without a nodeid the kernel keeps only the name. */
    if (listing->plus && is_child && !fs_fill_listed(request, node, &entry))
        memset(&entry, 0, sizeof entry);
    if (!entry.ino) {
        entry.attr.st_ino = fs_ino(request->fs, node);
        entry.attr.st_mode = fs_view(node.kind)->mode;
    }
    taken = listing->plus ? fuse_add_direntry_plus(request->req, at, room, name, &entry, next)
                          : fuse_add_direntry(request->req, at, room, name, &entry.attr, next);
    if (taken > room)
        return FALSE;
    listing->len += taken;
    return TRUE;
}

/* "." and "..", whose cookies are 1 and 2. */
static gboolean add_dots(Listing *listing)
{
    FsRequest *request = listing->request;
    const FsView *view = fs_view(request->node.kind);

    if (request->offset < 1 && !add_entry(listing, ".", request->node, 1, FALSE))
        return FALSE;
    return request->offset >= 2 ||
           add_entry(listing, "..", view->parent(request->fs, request->node), 2, FALSE);
}

static CacheAnswer add_children(Listing *listing)
{
    FsRequest *request = listing->request;
    const FsView *view = fs_view(request->node.kind);
    guint64 cookie = request->offset > 2 ? (guint64)request->offset : 0;
    FsEntry entry;
    CacheAnswer answer;

    for (;; cookie = entry.cookie) {
        answer = view->next(request, request->node, cookie, &entry);
        if (answer != CACHE_FOUND)
            return answer;
        if (!add_entry(listing, entry.name, entry.node, (off_t)entry.cookie, TRUE))
            return CACHE_FOUND;
    }
}

/* One page. */
static CacheAnswer fill(Listing *listing)
{
    return add_dots(listing) ? add_children(listing) : CACHE_FOUND;
}

static void list(FsRequest *request, gboolean plus)
{
    g_autofree char *bytes = NULL;
    Listing listing = {.request = request, .plus = plus};
    CacheAnswer answer;

    if (is_no_dir(request))
        return;
    expect_reads(request);
    /* Who looks again finds what came here under its own name. */
    if (request->node.kind == FS_KIND_BOX && request->offset == 0)
        cache_arrivals_settle(request->fs->cache, request->node.number, on_given_gone, request->fs);
    request->size = MIN(request->size, LISTING_MAX);
    listing.bytes = bytes = g_malloc(request->size);
    answer = fill(&listing);
    /* What is here is told before the rest is waited for. */
    if (listing.len || answer == CACHE_FOUND || answer == CACHE_ABSENT) {
        g_clear_error(&request->error);
        fs_answer_bytes(request, bytes, listing.len);
    } else {
        fs_conclude(request, answer, ESTALE);
    }
}

void fs_run_readdir(FsRequest *request)
{
    list(request, FALSE);
}

void fs_run_readdirplus(FsRequest *request)
{
    list(request, TRUE);
}

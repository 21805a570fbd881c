/* SPDX-License-Identifier: MIT */
/* fs/read-once.c - files that leave their mailbox when they were read to their end. */
#include <errno.h>

#include "fs/changing.h"

#define TRIES_MAX 3 /* its name may change while it is being renamed */
#define WAITS_MAX 100
#define FLUSH_MS  1000

/* An open file. */
typedef struct {
    guint32 generation, uid;
    guint64 n_read;    /* octets from its beginning that were handed out */
    gboolean is_exact; /* the last of them came as many as were asked for */
    gboolean is_over;  /* after them there was nothing */
} Reading;

/* A file that is on its way. */
typedef struct {
    Fs *fs;
    gint64 message; /* key_of() */
    guint32 generation, uid;
    guint n_tries, n_waits;
    guint64 ticket; /* while it waits for what the cache has to learn first */
    GQueue waiting; /* FsRequest: who has closed it */
    guint hurry_source;
} Leaving;

struct FsOnce {
    GHashTable *readings; /* handle -> Reading, owned */
    GHashTable *leaving;  /* &message -> Leaving, owned */
};

static gint64 key_of(guint32 generation, guint32 uid)
{
    return (gint64)((guint64)generation << 32 | uid);
}

static void let_go(Leaving *leaving)
{
    g_clear_handle_id(&leaving->hurry_source, g_source_remove);
    for (FsRequest *request; (request = g_queue_pop_head(&leaving->waiting));)
        fs_answer_error(request, 0);
}

static void leaving_free(gpointer data)
{
    Leaving *leaving = data;

    let_go(leaving);
    if (leaving->ticket)
        cache_wait_cancel(leaving->fs->cache, leaving->ticket);
    g_free(leaving);
}

FsOnce *fs_once_new(void)
{
    FsOnce *once = g_new(FsOnce, 1);

    once->readings = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    once->leaving = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, leaving_free);
    return once;
}

void fs_once_free(FsOnce *once)
{
    if (!once)
        return;
    g_hash_table_unref(once->leaving);
    g_hash_table_unref(once->readings);
    g_free(once);
}

/* --- reading --- */

static Reading *get_reading(const Fs *fs, guint64 handle)
{
    return g_hash_table_lookup(fs->once->readings, GSIZE_TO_POINTER(handle));
}

/* The mailbox in which the message is shown: it may have gone on, or be on its way there by
 * *ret_change, which is 0 otherwise. */
static const CacheBox *follow(Fs *fs, guint32 *generation, guint32 *uid, guint32 *ret_change)
{
    guint32 id;
    const CacheChange *change =
        cache_forward(fs->cache, generation, uid, &id) ? cache_change(fs->cache, id) : NULL;
    gboolean is_going = change && change->kind == CACHE_CHANGE_MOVE && !change->is_done;

    *ret_change = is_going ? id : 0;
    return is_going ? cache_box(fs->cache, change->target)
                    : cache_box_of_generation(fs->cache, *generation);
}

static gboolean is_once_box(const CacheBox *box)
{
    return box && box->attributes & CACHE_BOX_READ_ONCE;
}

static gboolean is_read_once(Fs *fs, FsNode node)
{
    guint32 change;

    return (node.kind == FS_KIND_MESSAGE || node.kind == FS_KIND_ALIAS) &&
           is_once_box(follow(fs, &node.number, &node.uid, &change));
}

gboolean fs_once_open(FsRequest *request, struct fuse_file_info *fi)
{
    Fs *fs = request->fs;
    Reading *reading;

    if (!is_read_once(fs, request->node) ||
        (fs->options.has_guard && fs_guard_refuses(fuse_req_ctx(request->req)->pid)))
        return FALSE;
    reading = g_new0(Reading, 1);
    reading->generation = request->node.number;
    reading->uid = request->node.uid;
    fi->fh = ++fs->last_handle;
    /* Every read is to be seen here, and every close. */
    fi->direct_io = 1;
    fi->noflush = 0;
    g_hash_table_insert(fs->once->readings, GSIZE_TO_POINTER(fi->fh), reading);
    return TRUE;
}

void fs_once_read(const FsRequest *request, guint64 offset, gsize size, const GPtrArray *slices)
{
    Reading *reading = get_reading(request->fs, request->fi.fh);
    guint64 end = offset;

    if (!reading || offset > reading->n_read || !size)
        return;
    for (guint i = 0; i < slices->len; i++)
        end += g_bytes_get_size(slices->pdata[i]);
    if (end > reading->n_read) {
        reading->n_read = end;
        reading->is_exact = end - offset == size;
        reading->is_over = FALSE;
    } else if (offset == reading->n_read) {
        reading->is_over = TRUE;
    }
}

/* Whether it ends behind what was read: not by what was told of its size. */
static gboolean is_at_end(Fs *fs, const Reading *reading)
{
    g_autoptr(GPtrArray) slices = cache_slices_new();
    guint64 want;

    return cache_read(fs->cache, reading->generation, reading->uid, "", reading->n_read, 1, slices,
                      &want, NULL) == CACHE_FOUND &&
           slices->len == 0;
}

static gboolean was_read(Fs *fs, const Reading *reading)
{
    return reading->is_over || (reading->is_exact && is_at_end(fs, reading));
}

/* --- leaving --- */

static void go_on(Leaving *leaving);

static void end(Leaving *leaving)
{
    g_hash_table_remove(leaving->fs->once->leaving, &leaving->message);
}

static void end_in_vain(Leaving *leaving, const GError *error)
{
    FsNode node = {FS_KIND_MESSAGE, leaving->generation, leaving->uid, 0};
    g_autofree char *path = fs_node_path(leaving->fs, node),
                    *line = g_strdup_printf("move %s, which was read: %s", path, error->message);

    fs_failures_add(leaving->fs->failures, line);
    end(leaving);
}

static void on_wake(const GError *error, gpointer data)
{
    Leaving *leaving = data;

    leaving->ticket = 0;
    if (error)
        end_in_vain(leaving, error);
    else
        go_on(leaving);
}

/* Whether the message is shown in @box.  WAIT until all is known that a rename asks of that
 * mailbox: the notifier is not to wait for the network. */
static CacheAnswer look(const Leaving *leaving, guint32 box, gboolean *ret_is_there,
                        guint64 *ret_want, GError **error)
{
    Cache *cache = leaving->fs->cache;
    CacheMessage message;
    CacheRights rights;
    CacheAnswer answer = cache_find_message(cache, box, leaving->uid, &message, ret_want, error);

    *ret_is_there = answer == CACHE_FOUND;
    if (answer == CACHE_FOUND || answer == CACHE_ABSENT)
        answer = cache_rights(cache, box, &rights, ret_want, error);
    return answer;
}

typedef struct {
    guint32 generation; /* of the first */
    guint32 from, to;   /* boxes */
    char name[FS_MESSAGE_NAME];
} Way;

/* ABSENT when it is not there any more: it has gone, by whatever way. */
static CacheAnswer find_way(const Leaving *leaving, Way *ret_way, guint64 *ret_want, GError **error)
{
    Fs *fs = leaving->fs;
    guint32 generation = leaving->generation, uid = leaving->uid, change;
    const CacheBox *from = follow(fs, &generation, &uid, &change),
                   *to = fs_box_with(fs, CACHE_BOX_READ);
    gboolean is_here, is_there;
    CacheAnswer answer;

    if (!is_once_box(from) || !to)
        return CACHE_ABSENT;
    if (change)
        return cache_change_settled(fs->cache, change, ret_want, error);
    *ret_way = (Way){.generation = generation, .from = from->id, .to = to->id};
    answer = look(leaving, ret_way->from, &is_here, ret_want, error);
    if (answer == CACHE_FOUND && is_here)
        answer = look(leaving, ret_way->to, &is_there, ret_want, error);
    if (answer == CACHE_FOUND &&
        (!is_here || !fs_message_name(fs, fs_box_view(FS_KIND_BOX), ret_way->from, leaving->uid,
                                      ret_way->name)))
        answer = CACHE_ABSENT;
    return answer;
}

/* The engine does it itself, and who watches the mailboxes hears less of it. */
static CacheAnswer move(const Leaving *leaving, const Way *way, guint64 *ret_want, GError **error)
{
    return cache_change_move(leaving->fs->cache, way->generation, leaving->uid, way->to, way->name,
                             NULL, ret_want, error);
}

static void on_renamed(int code, gpointer data)
{
    Leaving *leaving = data;

    /* It may have another name by now; else it has gone, or there is no other way. */
    if (code != ENOENT)
        leaving->n_tries = TRIES_MAX;
    go_on(leaving);
}

static char *path_in(Fs *fs, guint32 box, const char *name)
{
    g_autofree char *dir = fs_node_path(fs, (FsNode){.kind = FS_KIND_BOX, .number = box});

    return g_build_filename(dir, name, NULL);
}

static void rename_through_mount(Leaving *leaving, const Way *way)
{
    Fs *fs = leaving->fs;
    g_autofree char *from = path_in(fs, way->from, way->name),
                    *to = path_in(fs, way->to, way->name);

    leaving->n_tries++;
    fs_notify_rename(fs->notifier, from, to, on_renamed, leaving);
}

static void go_on(Leaving *leaving)
{
    g_autoptr(GError) error = NULL;
    guint64 want;
    Way way;
    CacheAnswer answer = find_way(leaving, &way, &want, &error);

    if (answer == CACHE_FOUND && leaving->n_tries < TRIES_MAX) {
        rename_through_mount(leaving, &way);
        return;
    }
    if (answer == CACHE_FOUND)
        answer = move(leaving, &way, &want, &error);
    if (answer == CACHE_WAIT && leaving->n_waits++ < WAITS_MAX)
        leaving->ticket = cache_wait(leaving->fs->cache, want, on_wake, leaving);
    else if (answer == CACHE_FAILED)
        end_in_vain(leaving, error);
    else
        end(leaving);
}

static gboolean on_hurry(gpointer data)
{
    Leaving *leaving = data;

    leaving->hurry_source = 0;
    let_go(leaving);
    return G_SOURCE_REMOVE;
}

/* What @reading has read goes; NULL when it has gone already. */
static Leaving *leave(Fs *fs, Reading *reading)
{
    gint64 key = key_of(reading->generation, reading->uid);
    Leaving *leaving = g_hash_table_lookup(fs->once->leaving, &key);

    /* Who goes on reading it has not read it again. */
    reading->n_read = 0;
    reading->is_exact = reading->is_over = FALSE;
    if (leaving)
        return leaving;
    leaving = g_new0(Leaving, 1);
    leaving->fs = fs;
    leaving->message = key;
    leaving->generation = reading->generation;
    leaving->uid = reading->uid;
    g_hash_table_insert(fs->once->leaving, &leaving->message, leaving);
    go_on(leaving);
    return g_hash_table_lookup(fs->once->leaving, &key);
}

/* --- closing --- */

gboolean fs_once_flush(FsRequest *request)
{
    Fs *fs = request->fs;
    Reading *reading = get_reading(fs, request->fi.fh);
    Leaving *leaving;

    if (!reading)
        return FALSE;
    leaving = was_read(fs, reading) ? leave(fs, reading) : NULL;
    if (!leaving) {
        fs_answer_error(request, 0);
        return TRUE;
    }
    g_queue_push_tail(&leaving->waiting, request);
    if (!leaving->hurry_source)
        leaving->hurry_source = g_timeout_add(FLUSH_MS, on_hurry, leaving);
    return TRUE;
}

void fs_once_release(Fs *fs, guint64 handle)
{
    Reading *reading = get_reading(fs, handle);

    if (reading && was_read(fs, reading))
        (void)leave(fs, reading);
    g_hash_table_remove(fs->once->readings, GSIZE_TO_POINTER(handle));
}

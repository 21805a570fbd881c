/* SPDX-License-Identifier: MIT */
/* cache/drafts.c - files of the state directory: what is being written, and the data of changes. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/changes.h"

#define FILE_NAME 64 /* room for "drafts/4294967295" */

static void fail(GError **error, const char *doing, const char *path)
{
    int errsv = errno;

    g_set_error(error, MAIL_ERROR, mail_error_of_disk(errsv), "%s %s: %s", doing, path,
                g_strerror(errsv));
}

static int state_fd(const Cache *cache)
{
    return cache->changes->dir_fd >= 0 ? cache->changes->dir_fd : cache->dir_fd;
}

gboolean drafts_open(Cache *cache, GError **error)
{
    static const char *const folders[] = {DRAFT_FOLDER, DATA_FOLDER, LOST_FOLDER};

    for (gsize i = 0; i < G_N_ELEMENTS(folders); i++)
        if (mkdirat(state_fd(cache), folders[i], 0700) < 0 && errno != EEXIST) {
            fail(error, "make the directory", folders[i]);
            return FALSE;
        }
    return TRUE;
}

static void file_name(char name[FILE_NAME], const char *folder, guint32 id)
{
    g_snprintf(name, FILE_NAME, "%s/%u", folder, id);
}

int draft_open_file(Cache *cache, const char *folder, guint32 id, int flags, GError **error)
{
    char name[FILE_NAME];
    struct stat st;
    int fd;

    file_name(name, folder, id);
    fd = openat(state_fd(cache), name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid())
        return fd;
    if (fd >= 0) {
        close(fd);
        errno = EPERM;
    }
    fail(error, "open", name);
    return -1;
}

void draft_remove_file(Cache *cache, const char *folder, guint32 id)
{
    char name[FILE_NAME];

    file_name(name, folder, id);
    if (unlinkat(state_fd(cache), name, 0) < 0 && errno != ENOENT)
        g_message("remove %s: %s", name, g_strerror(errno));
}

gboolean draft_move_file(Cache *cache, const char *from, const char *to, guint32 id, GError **error)
{
    char old[FILE_NAME], new[FILE_NAME];

    file_name(old, from, id);
    file_name(new, to, id);
    if (renameat(state_fd(cache), old, state_fd(cache), new) == 0)
        return TRUE;
    fail(error, "move", old);
    return FALSE;
}

gboolean draft_read_file(Cache *cache, const char *folder, guint32 id, guint64 offset, gsize size,
                         GPtrArray *ret_slices, GError **error)
{
    int fd = draft_open_file(cache, folder, id, O_RDONLY, error);
    g_autofree guint8 *bytes = NULL;
    struct stat st;
    ssize_t n;

    if (fd < 0)
        return FALSE;
    if (fstat(fd, &st) == 0)
        size = (guint64)st.st_size > offset ? MIN(size, (guint64)st.st_size - offset) : 0;
    bytes = g_malloc(size);
    n = pread(fd, bytes, size, (off_t)offset);
    if (n < 0)
        fail(error, "read", folder);
    else if (n > 0)
        g_ptr_array_add(ret_slices, g_bytes_new_take(g_steal_pointer(&bytes), (gsize)n));
    close(fd);
    return n >= 0;
}

gboolean draft_is_gone(Cache *cache, guint32 id)
{
    char name[FILE_NAME];

    file_name(name, DATA_FOLDER, id);
    return faccessat(state_fd(cache), name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

static gboolean find_size(Cache *cache, const char *folder, guint32 id, guint64 *ret_size,
                          GError **error)
{
    int fd = draft_open_file(cache, folder, id, O_RDONLY, error);
    gboolean is_known;
    struct stat st;

    if (fd < 0)
        return FALSE;
    is_known = fstat(fd, &st) == 0;
    if (is_known)
        *ret_size = (guint64)st.st_size;
    else
        fail(error, "look at", folder);
    close(fd);
    return is_known;
}

gboolean draft_size(Cache *cache, guint32 id, guint64 *ret_size, GError **error)
{
    return find_size(cache, DATA_FOLDER, id, ret_size, error);
}

int cache_draft_new(Cache *cache, guint32 *ret_id, GError **error)
{
    guint32 id = spool_refuses(cache, error) ? 0 : journal_new_id(cache->changes->journal, error);
    int fd = id ? draft_open_file(cache, DRAFT_FOLDER, id, O_RDWR | O_CREAT | O_EXCL, error) : -1;

    if (fd >= 0)
        *ret_id = id;
    return fd;
}

int cache_draft_open_data(Cache *cache, guint32 id, GError **error)
{
    return draft_open_file(cache, DATA_FOLDER, id, O_RDWR | O_CREAT | O_TRUNC, error);
}

void cache_draft_free(Cache *cache, guint32 id)
{
    draft_remove_file(cache, DRAFT_FOLDER, id);
    if (!cache_change(cache, id))
        draft_remove_file(cache, DATA_FOLDER, id);
}

GBytes *cache_change_data(Cache *cache, guint32 id, GError **error)
{
    int fd = draft_open_file(cache, DATA_FOLDER, id, O_RDONLY, error);
    g_autoptr(GMappedFile) mapped = NULL;
    g_autoptr(GError) failure = NULL;

    if (fd < 0)
        return NULL;
    mapped = g_mapped_file_new_from_fd(fd, FALSE, &failure);
    close(fd);
    if (mapped)
        return g_mapped_file_get_bytes(mapped);
    g_set_error(error, MAIL_ERROR, MAIL_ERROR_LOCAL, "read the data of a change: %s",
                failure->message);
    return NULL;
}

/* --- what an earlier run has left --- */

/* FALSE where @each has failed with one. */
static gboolean sweep(Cache *cache, const char *folder, gboolean (*each)(Cache *cache, guint32 id))
{
    int fd = openat(state_fd(cache), folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    gboolean is_swept = dir != NULL;
    const struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        guint64 id;

        if (g_ascii_string_to_unsigned(entry->d_name, 10, 1, G_MAXUINT32, &id, NULL))
            is_swept &= each(cache, (guint32)id);
    }
    if (dir)
        closedir(dir);
    else if (fd >= 0)
        close(fd);
    return is_swept;
}

static gboolean remove_draft(Cache *cache, guint32 id)
{
    draft_remove_file(cache, DRAFT_FOLDER, id);
    return TRUE;
}

/* Without a record whoever wrote it was not told yet that it is safe, or the server has it; or the
 * system ended before it was seen to be in lost+found. */
static gboolean remove_data(Cache *cache, guint32 id)
{
    if (lost_has(cache, id))
        return draft_move_file(cache, DATA_FOLDER, LOST_FOLDER, id, NULL);
    if (!cache_change(cache, id))
        draft_remove_file(cache, DATA_FOLDER, id);
    return TRUE;
}

static gboolean find_data(Cache *cache, guint32 id)
{
    guint64 size;

    if (lost_has(cache, id) || cache_change(cache, id))
        return remove_data(cache, id);
    journal_note_id(cache->changes->journal, id);
    return find_size(cache, DATA_FOLDER, id, &size, NULL) &&
           lost_add(cache, id, "found", "found without its record, which was damaged", size);
}

/* One whose record is lost. */
static gboolean find_lost(Cache *cache, guint32 id)
{
    guint64 size;

    if (lost_has(cache, id))
        return TRUE;
    if (cache_change(cache, id))
        return draft_move_file(cache, LOST_FOLDER, DATA_FOLDER, id, NULL);
    journal_note_id(cache->changes->journal, id);
    return find_size(cache, LOST_FOLDER, id, &size, NULL) &&
           lost_note(cache, id, "found", "found without its record", size);
}

gboolean drafts_sweep(Cache *cache, gboolean has_orphans)
{
    gboolean is_swept = sweep(cache, LOST_FOLDER, find_lost);

    sweep(cache, DRAFT_FOLDER, remove_draft);
    return sweep(cache, DATA_FOLDER, has_orphans ? find_data : remove_data) && is_swept;
}

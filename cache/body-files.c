/* SPDX-License-Identifier: MIT */
/* cache/body-files.c - opening and removing body files.  What was opened last stays open: bodies
 * are read and written many blocks at a time, and many bodies of a mailbox one after the other. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/body-files.h"

#define NAME_SIZE 256
#define GONE      "gone."
#define GONE_STEP 16 /* files that are removed in one turn */

struct BodyFiles {
    int fd;     /* of blocks/ */
    int dir_fd; /* of a generation, or -1 */
    guint32 dir_generation;
    guint32 absent_generation; /* one that has no directory, as was seen; 0: none */
    int body_fd;               /* of a body, or -1 */
    BodyKey body;
    GQueue gone;    /* numbers n of the directories gone.<n>, which are to be removed */
    DIR *gone_list; /* of the first of them */
    guint gone_source;
};

static void close_body(BodyFiles *files)
{
    if (files->body_fd >= 0)
        close(files->body_fd);
    files->body_fd = -1;
}

static void close_dir(BodyFiles *files)
{
    if (files->dir_fd >= 0)
        close(files->dir_fd);
    files->dir_fd = -1;
}

static void dir_name(char name[NAME_SIZE], guint32 generation)
{
    g_snprintf(name, NAME_SIZE, "%u", generation);
}

/* FALSE and errno when there is none. */
static gboolean open_dir(BodyFiles *files, guint32 generation, gboolean make)
{
    char name[NAME_SIZE];

    if (files->dir_fd >= 0 && files->dir_generation == generation)
        return TRUE;
    errno = ENOENT;
    if (!make && files->absent_generation == generation)
        return FALSE;
    close_dir(files);
    dir_name(name, generation);
    if (make && mkdirat(files->fd, name, 0700) < 0 && errno != EEXIST)
        return FALSE;
    files->dir_fd = openat(files->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    files->dir_generation = generation;
    files->absent_generation = files->dir_fd < 0 && errno == ENOENT ? generation : 0;
    return files->dir_fd >= 0;
}

static void gone_name(char name[NAME_SIZE], guint32 generation)
{
    g_snprintf(name, NAME_SIZE, GONE "%u", generation);
}

/* FALSE and errno when it is too long. */
static gboolean body_name(char name[NAME_SIZE], guint32 uid, const char *section)
{
    int len = g_snprintf(name, NAME_SIZE, "%u%s%s", uid, *section ? "." : "", section);

    errno = ENAMETOOLONG;
    return len < NAME_SIZE;
}

/* FALSE when it is the name of no body. */
static gboolean parse_body_name(const char *name, guint32 *ret_uid, const char **ret_section)
{
    const char *dot = strchrnul(name, '.');
    g_autofree char *number = g_strndup(name, (gsize)(dot - name));
    const char *section = *dot ? dot + 1 : "";
    char again[NAME_SIZE];
    guint64 uid;

    if (!g_ascii_string_to_unsigned(number, 10, 1, G_MAXUINT32, &uid, NULL) ||
        !body_name(again, (guint32)uid, section) || !g_str_equal(again, name))
        return FALSE;
    *ret_uid = (guint32)uid;
    *ret_section = section;
    return TRUE;
}

static DIR *list_dir(int fd, const char *name)
{
    int list_fd = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *list = list_fd >= 0 ? fdopendir(list_fd) : NULL;

    if (!list && list_fd >= 0)
        close(list_fd);
    return list;
}

static int open_body(BodyFiles *files, const BodyKey *key, gboolean make)
{
    char name[NAME_SIZE];
    int flags = O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | (make ? O_CREAT : 0), fd;

    if (!body_name(name, key->uid, key->section) || !open_dir(files, key->generation, make))
        return -1;
    fd = openat(files->dir_fd, name, flags, 0600);
    if (fd >= 0 || !make || errno != ENOENT)
        return fd;
    /* Somebody has removed the directory. */
    close_dir(files);
    return open_dir(files, key->generation, TRUE) ? openat(files->dir_fd, name, flags, 0600) : -1;
}

gboolean body_files_is_open(const BodyFiles *files, const BodyKey *key)
{
    return files->body_fd >= 0 && body_key_equal(&files->body, key);
}

int body_files_get(BodyFiles *files, const BodyKey *key, gboolean make)
{
    struct stat st;
    int fd;

    if (body_files_is_open(files, key))
        return files->body_fd;
    fd = open_body(files, key, make);
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1 || st.st_uid != geteuid()) {
        close(fd);
        errno = EPERM;
        return -1;
    }
    close_body(files);
    files->body_fd = fd;
    files->body = *key;
    return fd;
}

void body_files_remove(BodyFiles *files, guint32 generation, guint32 uid, const char *section)
{
    char name[NAME_SIZE];

    close_body(files);
    if (body_name(name, uid, section) && open_dir(files, generation, FALSE))
        unlinkat(files->dir_fd, name, 0);
}

/* TRUE when nothing is left in the directory @name, or nothing can be done. */
static gboolean empty_some(BodyFiles *files, const char *name)
{
    const struct dirent *entry;

    if (!files->gone_list)
        files->gone_list = list_dir(files->fd, name);
    for (int i = 0; files->gone_list && i < GONE_STEP; i++) {
        entry = readdir(files->gone_list);
        if (entry)
            unlinkat(dirfd(files->gone_list), entry->d_name, 0);
        else
            g_clear_pointer(&files->gone_list, closedir);
    }
    return !files->gone_list;
}

static gboolean on_gone(gpointer data)
{
    BodyFiles *files = data;
    char name[NAME_SIZE];

    gone_name(name, GPOINTER_TO_UINT(g_queue_peek_head(&files->gone)));
    if (!empty_some(files, name))
        return G_SOURCE_CONTINUE;
    unlinkat(files->fd, name, AT_REMOVEDIR);
    g_queue_pop_head(&files->gone);
    if (!g_queue_is_empty(&files->gone))
        return G_SOURCE_CONTINUE;
    files->gone_source = 0;
    return G_SOURCE_REMOVE;
}

static void note_gone(gpointer generation, gpointer data)
{
    BodyFiles *files = data;

    g_queue_push_tail(&files->gone, generation);
    if (!files->gone_source)
        files->gone_source = g_idle_add_full(G_PRIORITY_LOW, on_gone, files, NULL);
}

void body_files_remove_generation(BodyFiles *files, guint32 generation)
{
    char name[NAME_SIZE], gone[NAME_SIZE];

    close_body(files);
    if (files->dir_generation == generation)
        close_dir(files);
    dir_name(name, generation);
    gone_name(gone, generation);
    if (renameat(files->fd, name, files->fd, gone) == 0)
        note_gone(GUINT_TO_POINTER(generation), files);
}

/* Calls @func for the number of each directory whose name is @prefix and a number. */
static void foreach_number(BodyFiles *files, const char *prefix, GFunc func, gpointer data)
{
    DIR *list = list_dir(files->fd, ".");
    const struct dirent *entry;
    guint64 number;

    while (list && (entry = readdir(list)))
        if (g_str_has_prefix(entry->d_name, prefix) &&
            g_ascii_string_to_unsigned(entry->d_name + strlen(prefix), 10, 1, G_MAXUINT32, &number,
                                       NULL))
            func(GUINT_TO_POINTER((guint)number), data);
    if (list)
        closedir(list);
}

void body_files_foreach_generation(BodyFiles *files, GFunc func, gpointer data)
{
    foreach_number(files, "", func, data);
}

typedef struct {
    BodyFiles *files;
    BodyFunc func;
    gpointer data;
} Walk;

static void walk_entry(const Walk *walk, guint32 generation, int dir_fd, const char *name)
{
    const char *section;
    guint32 uid;
    struct stat st;

    if (parse_body_name(name, &uid, &section) &&
        fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
        st.st_size > 0)
        walk->func(generation, uid, section, (guint64)MAX(st.st_blocks, 1) * 512, walk->data);
    else
        unlinkat(dir_fd, name, 0);
}

static void walk_generation(gpointer generation, gpointer data)
{
    const Walk *walk = data;
    char name[NAME_SIZE];
    const struct dirent *entry;
    DIR *list;

    dir_name(name, GPOINTER_TO_UINT(generation));
    list = list_dir(walk->files->fd, name);
    while (list && (entry = readdir(list)))
        walk_entry(walk, GPOINTER_TO_UINT(generation), dirfd(list), entry->d_name);
    if (list)
        closedir(list);
}

void body_files_foreach(BodyFiles *files, BodyFunc func, gpointer data)
{
    Walk walk = {files, func, data};

    foreach_number(files, "", walk_generation, &walk);
}

BodyFiles *body_files_open(int cache_fd)
{
    BodyFiles *files;
    int fd;

    if (mkdirat(cache_fd, "blocks", 0700) < 0 && errno != EEXIST)
        return NULL;
    fd = openat(cache_fd, "blocks", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    files = g_new0(BodyFiles, 1);
    files->fd = fd;
    files->dir_fd = files->body_fd = -1;
    foreach_number(files, GONE, note_gone, files);
    return files;
}

void body_files_close(BodyFiles *files)
{
    close_body(files);
    close_dir(files);
    g_clear_handle_id(&files->gone_source, g_source_remove);
    g_clear_pointer(&files->gone_list, closedir);
    g_queue_clear(&files->gone);
    close(files->fd);
    g_free(files);
}

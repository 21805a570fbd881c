/* SPDX-License-Identifier: MIT */
/* cache/body-files.c - opening and removing body files.  What was opened last stays open: bodies
 * are read and written many blocks at a time, and many bodies of a mailbox one after the other. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/body-files.h"

#define NAME_SIZE 160

struct BodyFiles {
    int fd;     /* of blocks/ */
    int dir_fd; /* of a generation, or -1 */
    guint32 dir_generation;
    int body_fd; /* of a body, or -1 */
    BodyKey body;
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
    close_dir(files);
    dir_name(name, generation);
    if (make && mkdirat(files->fd, name, 0700) < 0 && errno != EEXIST)
        return FALSE;
    files->dir_fd = openat(files->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    files->dir_generation = generation;
    return files->dir_fd >= 0;
}

static void body_name(char name[NAME_SIZE], guint32 uid, const char *section)
{
    g_snprintf(name, NAME_SIZE, "%u%s%s", uid, *section ? "." : "", section);
}

static int open_body(BodyFiles *files, const BodyKey *key, gboolean make)
{
    char name[NAME_SIZE];
    int flags = O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | (make ? O_CREAT : 0), fd;

    if (!open_dir(files, key->generation, make))
        return -1;
    body_name(name, key->uid, key->section);
    fd = openat(files->dir_fd, name, flags, 0600);
    if (fd >= 0 || !make || errno != ENOENT)
        return fd;
    /* Somebody has removed the directory. */
    close_dir(files);
    return open_dir(files, key->generation, TRUE) ? openat(files->dir_fd, name, flags, 0600) : -1;
}

int body_files_get(BodyFiles *files, const BodyKey *key, gboolean make)
{
    struct stat st;
    int fd;

    if (files->body_fd >= 0 && files->body.generation == key->generation &&
        files->body.uid == key->uid && files->body.section == key->section)
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
    body_name(name, uid, section);
    if (open_dir(files, generation, FALSE))
        unlinkat(files->dir_fd, name, 0);
}

void body_files_remove_generation(BodyFiles *files, guint32 generation)
{
    DIR *list = NULL;
    const struct dirent *entry;
    char name[NAME_SIZE];

    close_body(files);
    if (open_dir(files, generation, FALSE))
        list = fdopendir(g_steal_fd(&files->dir_fd));
    while (list && (entry = readdir(list)))
        unlinkat(dirfd(list), entry->d_name, 0);
    if (list)
        closedir(list);
    dir_name(name, generation);
    unlinkat(files->fd, name, AT_REMOVEDIR);
}

void body_files_foreach_generation(BodyFiles *files, GFunc func, gpointer data)
{
    int fd = openat(files->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;
    guint64 number;

    while (list && (entry = readdir(list)))
        if (g_ascii_string_to_unsigned(entry->d_name, 10, 1, G_MAXUINT32, &number, NULL))
            func(GUINT_TO_POINTER((guint)number), data);
    if (list)
        closedir(list);
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
    return files;
}

void body_files_close(BodyFiles *files)
{
    close_body(files);
    close_dir(files);
    close(files->fd);
    g_free(files);
}

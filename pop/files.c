/* SPDX-License-Identifier: MIT */
/* pop/files.c - reading the messages of a spool. */
#include "pop/files.h"

#include <errno.h>
#include <unistd.h>

#define N_OPEN 8

typedef struct {
    guint32 number; /* 0: none */
    int fd;
    guint64 size;
} File;

struct PopFiles {
    const PopSpool *spool;
    File open[N_OPEN]; /* the one that was read last comes first */
};

PopFiles *pop_files_new(const PopSpool *spool)
{
    PopFiles *files = g_new0(PopFiles, 1);

    files->spool = spool;
    return files;
}

static void close_file(File *file)
{
    if (file->number)
        close(file->fd);
    file->number = 0;
}

void pop_files_free(PopFiles *files)
{
    for (guint i = 0; files && i < N_OPEN; i++)
        close_file(&files->open[i]);
    g_free(files);
}

static void move_to_front(PopFiles *files, guint nth, File file)
{
    for (; nth > 0; nth--)
        files->open[nth] = files->open[nth - 1];
    files->open[0] = file;
}

/* Borrowed; NULL when it cannot be opened. */
static const File *get(PopFiles *files, guint32 number, GError **error)
{
    File fresh = {.number = number};
    guint nth = 0;

    while (nth < N_OPEN && files->open[nth].number != number)
        nth++;
    if (nth < N_OPEN) {
        move_to_front(files, nth, files->open[nth]);
        return &files->open[0];
    }
    fresh.fd = pop_spool_open_file(files->spool, number, error);
    if (fresh.fd < 0)
        return NULL;
    fresh.size = pop_spool_get(files->spool, number)->size;
    close_file(&files->open[N_OPEN - 1]);
    move_to_front(files, N_OPEN - 1, fresh);
    return &files->open[0];
}

/* All of it: the size was right when the file was opened. */
static gboolean read_all(const File *file, guint64 offset, guint8 *bytes, gsize len, GError **error)
{
    for (gsize done = 0; done < len;) {
        ssize_t n = pread(file->fd, bytes + done, len - done, (off_t)(offset + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            g_set_error(error, MAIL_ERROR, MAIL_ERROR_LOCAL, "read message %u: %s", file->number,
                        n < 0 ? g_strerror(errno) : "its file has become shorter");
            return FALSE;
        }
        done += (gsize)n;
    }
    return TRUE;
}

gboolean pop_files_read(PopFiles *files, guint32 number, guint64 offset, gsize size,
                        GPtrArray *ret_slices, GError **error)
{
    const File *file = get(files, number, error);
    gsize len = file && offset < file->size ? (gsize)MIN(size, file->size - offset) : 0;
    g_autofree guint8 *bytes = g_malloc(len);

    if (!file || !read_all(file, offset, bytes, len, error))
        return FALSE;
    if (len)
        g_ptr_array_add(ret_slices, g_bytes_new_take(g_steal_pointer(&bytes), len));
    return TRUE;
}

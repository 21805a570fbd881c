/* SPDX-License-Identifier: MIT */
/* pop/spool.c - the spool: its life, and what can be asked of it. */
#include "pop/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pop/spool-private.h"

#define SPOOL_FOLDER "spool"
#define DAY_S        86400

/* --- life --- */

static void load(const PopMessage *message, gpointer data)
{
    PopSpool *spool = data;

    spool->next = MAX(spool->next, message->number + 1);
    pop_model_put(spool->model, pop_row_new(message));
}

static gboolean open_index(PopSpool *spool, const char *dir, gboolean is_damaged, GError **error)
{
    spool->index = pop_index_open(dir, is_damaged, error);
    if (!spool->index)
        return FALSE;
    spool->model = pop_model_new();
    spool->next = pop_index_next(spool->index);
    spool->is_rebuilding = spool->next == 1;
    spool->stopped = pop_index_dup_stopped(spool->index);
    if (is_damaged || pop_index_load(spool->index, load, spool))
        return TRUE;
    g_clear_pointer(&spool->index, pop_index_close);
    g_clear_pointer(&spool->model, pop_model_free);
    g_clear_pointer(&spool->stopped, g_free);
    return open_index(spool, dir, TRUE, error);
}

static gboolean refresh(PopSpool *spool, GError **error)
{
    spool->is_behind = TRUE;
    return spool_do_now(spool, op_new(sizeof(Op), &refresh_op, 0, NULL, NULL), error);
}

/* The entries of the directory are there after a crash. */
static gboolean sync_dir(const char *dir, GError **error)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    gboolean is_ok = fd >= 0 && fsync(fd) == 0;

    if (!is_ok)
        pop_maildir_fail(error, errno, "sync", dir);
    if (fd >= 0)
        close(fd);
    return is_ok;
}

static void spool_free(PopSpool *spool)
{
    pop_index_close(spool->index);
    pop_model_free(spool->model);
    pop_maildir_close(spool->maildir);
    g_free(spool->stopped);
    g_free(spool->failure);
    g_free(spool);
}

PopSpool *pop_spool_open(const char *dir, GError **error)
{
    PopSpool *spool = g_new0(PopSpool, 1);
    g_autofree char *path = g_build_filename(dir, SPOOL_FOLDER, NULL);

    spool->maildir = pop_maildir_open(path, error);
    if (spool->maildir)
        pop_maildir_sweep(spool->maildir);
    if (spool->maildir && open_index(spool, dir, FALSE, error) && refresh(spool, error) &&
        sync_dir(dir, error)) {
        spool->is_rebuilding = spool->has_news = FALSE;
        return spool;
    }
    spool_free(spool);
    return NULL;
}

void pop_spool_close(PopSpool *spool)
{
    g_autoptr(GError) error = g_error_new(MAIL_ERROR, MAIL_ERROR_CANCELLED, "the spool is closed");
    GPtrArray *ops;

    if (!spool)
        return;
    ops = spool_end(spool, error);
    spool_free(spool);
    spool_answer(ops);
}

void pop_spool_refresh(PopSpool *spool, PopDone done, gpointer data)
{
    spool_push(spool, op_new(sizeof(Op), &refresh_op, 0, done, data));
}

/* --- questions --- */

const PopMessage *pop_spool_next(const PopSpool *spool, guint32 after)
{
    const PopRow *row = pop_model_next(spool->model, after);

    while (row && row->message.place == POP_PLACE_GONE)
        row = pop_model_next(spool->model, row->message.number);
    return row ? &row->message : NULL;
}

const PopMessage *pop_spool_get(const PopSpool *spool, guint32 number)
{
    const PopRow *row = pop_model_get(spool->model, number);

    return row ? &row->message : NULL;
}

guint32 pop_spool_next_number(const PopSpool *spool)
{
    return spool->next;
}

guint32 pop_spool_validity(const PopSpool *spool)
{
    return pop_index_validity(spool->index);
}

guint64 pop_spool_backlog(const PopSpool *spool)
{
    return spool->backlog;
}

GBytes *pop_spool_dup_header(const PopSpool *spool, guint32 number)
{
    return pop_index_dup_header(spool->index, number);
}

static gboolean check_size(int fd, const PopMessage *message, GError **error)
{
    struct stat st;

    if (fstat(fd, &st) == 0 && (guint64)st.st_size == message->size)
        return TRUE;
    g_set_error(error, MAIL_ERROR, MAIL_ERROR_LOCAL,
                "open message %u: its file is not of the size that was stored", message->number);
    return FALSE;
}

int pop_spool_open_file(const PopSpool *spool, guint32 number, GError **error)
{
    const PopRow *row = pop_model_get(spool->model, number);
    int fd;

    if (!row || !pop_message_is_stored(&row->message)) {
        g_set_error(error, MAIL_ERROR, MAIL_ERROR_NOT_FOUND, "message %u is not here", number);
        return -1;
    }
    fd = pop_maildir_open_file(spool->maildir, &row->file, error);
    if (fd >= 0 && !check_size(fd, &row->message, error)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* What is gone was durable here until it had been in the trash for long enough: what was lost in
 * another way may be wanted back. */
static gboolean was_removed(const PopMessage *message, gint64 now)
{
    return message->place == POP_PLACE_GONE && message->trashed &&
           now - message->trashed >= (gint64)POP_TRASH_DAYS * DAY_S;
}

static gboolean is_here(const PopSpool *spool, const PopRow *row)
{
    return pop_message_is_stored(&row->message) && row->file.name &&
           pop_maildir_has_file(spool->maildir, &row->file, row->message.size);
}

gboolean pop_spool_may_delete(const PopSpool *spool, guint32 number, guint keep_days, gint64 now)
{
    const PopRow *row = pop_model_get(spool->model, number);

    return row && !spool->stopped && row->message.uidl && row->message.presence == POP_LISTED &&
           keep_days != POP_KEEP_FOREVER &&
           now - row->message.retrieved >= (gint64)keep_days * DAY_S &&
           (was_removed(&row->message, now) || is_here(spool, row));
}

void pop_spool_figures(const PopSpool *spool, PopFigures *ret_figures)
{
    PopFigures figures = {.stopped = spool->stopped, .failure = spool->failure};

    for (const PopRow *row = pop_model_next(spool->model, 0); row;
         row = pop_model_next(spool->model, row->message.number)) {
        figures.n[row->message.place]++;
        figures.bytes[row->message.place] += row->message.size;
    }
    *ret_figures = figures;
}

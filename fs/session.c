/* SPDX-License-Identifier: MIT */
/* fs/session.c - the FUSE session as a source of the main loop. */
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fs/changing.h"
#include "fs/maker.h"
#include "fs/writing.h"

/* Requests taken in one turn; other sources get their turn after that. */
#define TURN_MAX 64

static gboolean on_ended(gpointer data)
{
    Fs *fs = data;

    fs->ended_source = 0;
    fs->options.ended(fs->options.data);
    return G_SOURCE_REMOVE;
}

static gboolean on_readable(int fd, GIOCondition condition, gpointer data)
{
    Fs *fs = data;

    for (int i = 0; i < TURN_MAX && !fuse_session_exited(fs->session); i++) {
        int result = fuse_session_receive_buf(fs->session, &fs->buffer);

        if (result == -EINTR)
            continue;
        if (result == -EAGAIN)
            return G_SOURCE_CONTINUE;
        if (result <= 0)
            fuse_session_exit(fs->session);
        else
            fuse_session_process_buf(fs->session, &fs->buffer);
    }
    if (!fuse_session_exited(fs->session))
        return G_SOURCE_CONTINUE;
    fs->fd_source = 0;
    fs->ended_source = g_idle_add(on_ended, fs);
    return G_SOURCE_REMOVE;
}

static struct fuse_session *make_session(Fs *fs)
{
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    g_autofree char *fsname = g_strconcat("fsname=", fs->options.source, NULL);
    const char *others = fs->options.allow_other ? ",allow_other,default_permissions" : "";
    g_autofree char *options = NULL;
    struct fuse_session *session = NULL;
    char *escaped = NULL;

    /* A comma in the user's name would begin another option. */
    if (fuse_opt_add_opt_escaped(&escaped, fsname) != 0)
        return NULL;
    options = g_strconcat("subtype=mailfs,nosuid,nodev,noatime", others, ",", escaped, NULL);
    free(escaped);
    if (fuse_opt_add_arg(&args, "mailfs") == 0 && fuse_opt_add_arg(&args, "-o") == 0 &&
        fuse_opt_add_arg(&args, options) == 0)
        session = fuse_session_new(&args, &fs_ops, sizeof fs_ops, fs);
    fuse_opt_free_args(&args);
    return session;
}

Fs *fs_new(Cache *cache, const FsOptions *options, GError **error)
{
    g_autoptr(Fs) fs = g_new0(Fs, 1);

    fs->cache = cache;
    fs->options = *options;
    if (!fs->options.root)
        fs->options.root = FS_KIND_BOX;
    fs->options.source = g_intern_string(options->source);
    fs->uid = getuid();
    fs->gid = getgid();
    fs->failures = fs_failures_new();
    fs->shown = g_hash_table_new(NULL, NULL);
    fs->sized = g_hash_table_new(NULL, NULL);
    fs->opened = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)g_bytes_unref);
    fs->resized = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    fs->session = make_session(fs);
    if (!fs->session) {
        g_set_error(error, MAIL_ERROR, MAIL_ERROR_LOCAL, "make the FUSE session: libfuse refused");
        return NULL;
    }
    fs->tree = fs_tree_new(cache);
    fs->maker = fs_maker_new(cache);
    fs->drafts = fs_drafts_new(fs);
    fs->asides = fs_asides_new();
    fs->once = fs_once_new();
    return g_steal_pointer(&fs);
}

static void attach_to_loop(Fs *fs, int fd)
{
    g_unix_set_fd_nonblocking(fd, TRUE, NULL);
    fs->fd_source = g_unix_fd_add(fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable, fs);
    fs->notifier = fs_notifier_new(fs->session);
    cache_set_news(fs->cache, &fs_news, fs);
}

gboolean fs_mount(Fs *fs, const char *mountpoint, GError **error)
{
    if (fuse_session_mount(fs->session, mountpoint) != 0) {
        g_set_error(error, MAIL_ERROR, MAIL_ERROR_LOCAL, "mount on %s: refused (see above)",
                    mountpoint);
        return FALSE;
    }
    fs->is_mounted = TRUE;
    attach_to_loop(fs, fuse_session_fd(fs->session));
    fs_notifier_set_mount(fs->notifier, mountpoint);
    return TRUE;
}

static ssize_t read_message(int fd, void *bytes, size_t size, void *data)
{
    return read(fd, bytes, size);
}

static ssize_t write_message(int fd, struct iovec *pieces, int n, void *data)
{
    return writev(fd, pieces, n);
}

gboolean fs_attach(Fs *fs, int fd, GError **error)
{
    static const struct fuse_custom_io io = {.read = read_message, .writev = write_message};

    if (fuse_session_custom_io(fs->session, &io, fd) != 0) {
        g_set_error(error, MAIL_ERROR, MAIL_ERROR_LOCAL, "attach to a file descriptor: refused");
        close(fd);
        return FALSE;
    }
    attach_to_loop(fs, fd);
    return TRUE;
}

void fs_free(Fs *fs)
{
    if (!fs)
        return;
    if (fs->notifier)
        cache_set_news(fs->cache, NULL, NULL);
    g_clear_handle_id(&fs->fd_source, g_source_remove);
    g_clear_handle_id(&fs->ended_source, g_source_remove);
    fs_requests_end(fs, ENODEV);
    g_clear_pointer(&fs->drafts, fs_drafts_free);
    fs_once_free(fs->once);
    if (fs->notifier)
        fs_notifier_stop(fs->notifier);
    if (fs->is_mounted)
        fuse_session_unmount(fs->session);
    fs_notifier_free(fs->notifier);
    if (fs->session)
        fuse_session_destroy(fs->session);
    fs_asides_free(fs->asides);
    fs_maker_free(fs->maker);
    fs_tree_free(fs->tree);
    fs_failures_free(fs->failures);
    g_hash_table_unref(fs->shown);
    g_hash_table_unref(fs->sized);
    g_hash_table_unref(fs->resized);
    free(fs->buffer.mem);
    g_hash_table_unref(fs->opened);
    g_clear_pointer(&fs->status, g_bytes_unref);
    g_free(fs);
}

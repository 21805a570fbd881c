/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/mount.c - a mount without a kernel. */
#include "mount.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>

/* An inode number that is never given: after its note there are no older ones. */
#define INO_MARK G_MAXUINT64

static void on_ended(gpointer data)
{
    ((Mount *)data)->n_ended++;
}

static void open_cache(Mount *mount)
{
    MailAccount account = {.security = MAIL_SECURITY_TLS,
                           .user = (char *)"alice",
                           .host = (char *)"imap.example.org",
                           .port = 993};
    g_autofree char *state_dir = g_build_filename(mount->dir, "state", NULL);
    CacheOptions options = {
        .dir = mount->dir, .state_dir = state_dir, .size_max = 64 << 20, .timeout_s = 60};

    mount->cache = cache_open(&account, &options, NULL);
    g_assert_nonnull(mount->cache);
}

static void fill(Mount *mount)
{
    fakebackend_set_boxes(mount->backend, "INBOX", "Archive", "Archive/2024", "Sent", NULL);
    mount->inbox = fakebackend_box(mount->backend, "INBOX");
    mount->sent = fakebackend_box(mount->backend, "Sent");
    for (guint32 uid = 1; uid <= 3; uid++)
        fakebackend_add(mount->backend, mount->inbox, uid);
    fakebackend_add(mount->backend, mount->sent, 7);
}

static void fill_spool(Mount *mount)
{
    fakebackend_be_spool(mount->backend);
    fakebackend_set_boxes(mount->backend, "INBOX", "Read", NULL);
    mount->inbox = fakebackend_box(mount->backend, "INBOX");
    mount->read = fakebackend_box(mount->backend, "Read");
    for (guint32 uid = 1; uid <= 3; uid++)
        fakebackend_add(mount->backend, mount->inbox, uid);
    fakebackend_add(mount->backend, mount->read, 7);
}

static void set_up(Mount *mount, void (*fill_it)(Mount *mount), gconstpointer data)
{
    FsOptions options = data ? *(const FsOptions *)data : (FsOptions){0};
    int fd;

    options.source = "imaps://alice@imap.example.org/";
    options.ended = on_ended;
    options.data = mount;
    mount->dir = g_dir_make_tmp("mailfs-test-XXXXXX", NULL);
    open_cache(mount);
    mount->backend = fakebackend_new(mount->cache);
    fill_it(mount);
    mount->kernel = fakekernel_new(&fd);
    mount->fs = fs_new(mount->cache, &options, NULL);
    g_assert_nonnull(mount->fs);
    g_assert_true(fs_attach(mount->fs, fd, NULL));
    fakekernel_init(mount->kernel);
}

void mount_set_up(Mount *mount, gconstpointer data)
{
    set_up(mount, fill, data);
}

void mount_set_up_spool(Mount *mount, gconstpointer data)
{
    set_up(mount, fill_spool, data);
}

void mount_set_up_usual(Mount *mount, gconstpointer data)
{
    mount_set_up(mount, NULL);
}

void mount_set_up_usual_spool(Mount *mount, gconstpointer data)
{
    mount_set_up_spool(mount, NULL);
}

static void remove_tree(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);

    for (const char *name; dir && (name = g_dir_read_name(dir));) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        remove_tree(child);
    }
    g_assert_no_errno(g_remove(path));
}

void mount_end(Mount *mount)
{
    g_clear_pointer(&mount->fs, fs_free);
}

void mount_tear_down(Mount *mount, gconstpointer data)
{
    mount_end(mount);
    fakekernel_free(mount->kernel);
    fakebackend_free(mount->backend);
    cache_close(mount->cache);
    remove_tree(mount->dir);
    g_free(mount->dir);
}

/* --- calls --- */

const FakeAnswer *mount_call(Mount *mount, guint32 opcode, guint64 ino, gconstpointer arg,
                             gsize len, const char *name)
{
    return fakekernel_wait(mount->kernel,
                           fakekernel_send(mount->kernel, opcode, ino, arg, len, name));
}

guint64 mount_send_lookup(Mount *mount, guint64 dir, const char *name)
{
    return fakekernel_send(mount->kernel, FUSE_LOOKUP, dir, NULL, 0, name);
}

const struct fuse_entry_out *mount_lookup(Mount *mount, guint64 dir, const char *name)
{
    const FakeAnswer *answer = mount_call(mount, FUSE_LOOKUP, dir, NULL, 0, name);

    assert_code(answer, 0);
    g_assert_cmpuint(answer->len, ==, sizeof(struct fuse_entry_out));
    return (const struct fuse_entry_out *)(gconstpointer)answer->bytes;
}

int mount_lookup_code(Mount *mount, guint64 dir, const char *name)
{
    return mount_call(mount, FUSE_LOOKUP, dir, NULL, 0, name)->code;
}

guint64 mount_ino(Mount *mount, const char *path)
{
    g_auto(GStrv) names = g_strsplit(path, "/", -1);
    guint64 ino = INO_ROOT;

    for (char **name = names; *name; name++)
        ino = mount_lookup(mount, ino, *name)->nodeid;
    g_assert_cmpuint(ino, !=, 0);
    return ino;
}

guint64 mount_send_getattr(Mount *mount, guint64 ino)
{
    const struct fuse_getattr_in arg = {0};

    return fakekernel_send(mount->kernel, FUSE_GETATTR, ino, &arg, sizeof arg, NULL);
}

static const FakeAnswer *call_getattr(Mount *mount, guint64 ino)
{
    return fakekernel_wait(mount->kernel, mount_send_getattr(mount, ino));
}

const struct fuse_attr *mount_getattr(Mount *mount, guint64 ino)
{
    const FakeAnswer *answer = call_getattr(mount, ino);

    assert_code(answer, 0);
    return &((const struct fuse_attr_out *)(gconstpointer)answer->bytes)->attr;
}

int mount_getattr_code(Mount *mount, guint64 ino)
{
    return call_getattr(mount, ino)->code;
}

guint64 mount_send_read(Mount *mount, guint64 ino, guint64 offset, guint32 size)
{
    const struct fuse_read_in arg = {.offset = offset, .size = size};

    return fakekernel_send(mount->kernel, FUSE_READ, ino, &arg, sizeof arg, NULL);
}

const FakeAnswer *mount_read(Mount *mount, guint64 ino, guint64 offset, guint32 size)
{
    return fakekernel_wait(mount->kernel, mount_send_read(mount, ino, offset, size));
}

void mount_read_all(Mount *mount, guint64 ino)
{
    const guint32 size = 128 * 1024;
    const FakeAnswer *answer;
    guint64 offset = 0;

    do {
        answer = mount_read(mount, ino, offset, size);
        assert_code(answer, 0);
        offset += answer->len;
    } while (answer->len == size);
}

typedef struct {
    Cache *cache;
    CacheWantKind kind;
    guint n;
} Wanted;

static gboolean are_wanted(gpointer data)
{
    const Wanted *wanted = data;
    guint n = 0;

    for (const GList *link = cache_wants(wanted->cache)->head; link; link = link->next)
        n += ((const CacheWant *)link->data)->kind == wanted->kind;
    return n >= wanted->n;
}

void mount_wait_for_wants(Mount *mount, CacheWantKind kind, guint n)
{
    Wanted wanted = {mount->cache, kind, n};

    fakekernel_run_until(mount->kernel, are_wanted, &wanted);
}

char *mount_read_text(Mount *mount, const char *path)
{
    guint64 ino = mount_ino(mount, path);
    const FakeAnswer *answer = mount_read(mount, ino, 0, 128 * 1024);

    assert_code(answer, 0);
    g_assert_cmpuint(answer->len, ==, mount_getattr(mount, ino)->size);
    return g_strndup((const char *)answer->bytes, answer->len);
}

guint64 mount_send_open(Mount *mount, guint32 opcode, guint64 ino, guint32 flags)
{
    const struct fuse_open_in arg = {.flags = flags};

    return fakekernel_send(mount->kernel, opcode, ino, &arg, sizeof arg, NULL);
}

const FakeAnswer *mount_open(Mount *mount, guint32 opcode, guint64 ino, guint32 flags)
{
    return fakekernel_wait(mount->kernel, mount_send_open(mount, opcode, ino, flags));
}

static guint64 dir_ino(Mount *mount, const char *path)
{
    return *path ? mount_ino(mount, path) : INO_ROOT;
}

guint64 mount_send_rename(Mount *mount, const char *dir, const char *name, const char *to,
                          const char *new_name, guint32 flags)
{
    const struct fuse_rename2_in in = {.newdir = dir_ino(mount, to), .flags = flags};
    g_autoptr(GByteArray) arg = g_byte_array_new();

    g_byte_array_append(arg, (const guint8 *)&in, sizeof in);
    g_byte_array_append(arg, (const guint8 *)name, (guint)strlen(name) + 1);
    return fakekernel_send(mount->kernel, FUSE_RENAME2, dir_ino(mount, dir), arg->data, arg->len,
                           new_name);
}

int mount_rename(Mount *mount, const char *dir, const char *name, const char *to,
                 const char *new_name)
{
    return fakekernel_wait(mount->kernel, mount_send_rename(mount, dir, name, to, new_name, 0))
        ->code;
}

int mount_unlink(Mount *mount, const char *dir, const char *name)
{
    return mount_call(mount, FUSE_UNLINK, dir_ino(mount, dir), NULL, 0, name)->code;
}

guint64 mount_send_rmdir(Mount *mount, const char *dir, const char *name)
{
    return fakekernel_send(mount->kernel, FUSE_RMDIR, dir_ino(mount, dir), NULL, 0, name);
}

guint64 mount_send_mkdir(Mount *mount, const char *dir, const char *name)
{
    const struct fuse_mkdir_in arg = {.mode = 0700};

    return fakekernel_send(mount->kernel, FUSE_MKDIR, dir_ino(mount, dir), &arg, sizeof arg, name);
}

/* --- directories --- */

DirReader *dirreader_new(guint64 dir, guint32 opcode, guint32 size)
{
    DirReader *reader = g_new0(DirReader, 1);

    reader->dir = dir;
    reader->opcode = opcode;
    reader->size = size;
    reader->names = g_ptr_array_new_with_free_func(g_free);
    return reader;
}

void dirreader_free(DirReader *reader)
{
    g_ptr_array_unref(reader->names);
    g_free(reader);
}

guint64 dirreader_send(Mount *mount, const DirReader *reader)
{
    const struct fuse_read_in arg = {.offset = reader->cookie, .size = reader->size};

    return fakekernel_send(mount->kernel, reader->opcode, reader->dir, &arg, sizeof arg, NULL);
}

void dirreader_take(DirReader *reader, const FakeAnswer *answer)
{
    gsize before =
        reader->opcode == FUSE_READDIRPLUS ? FUSE_NAME_OFFSET_DIRENTPLUS - FUSE_NAME_OFFSET : 0;

    assert_code(answer, 0);
    g_assert_cmpuint(answer->len, <=, reader->size);
    reader->is_at_end = answer->len == 0;
    for (gsize at = 0; at < answer->len;) {
        const struct fuse_dirent *entry = (gconstpointer)(answer->bytes + at + before);
        gsize len = before + FUSE_NAME_OFFSET + entry->namelen;

        g_assert_cmpuint(at + len, <=, answer->len);
        g_ptr_array_add(reader->names, g_strndup(entry->name, entry->namelen));
        reader->cookie = entry->off;
        at += FUSE_DIRENT_ALIGN(len);
    }
}

gboolean dirreader_next(Mount *mount, DirReader *reader)
{
    dirreader_take(reader, fakekernel_wait(mount->kernel, dirreader_send(mount, reader)));
    return !reader->is_at_end;
}

char *mount_list(Mount *mount, guint64 dir)
{
    g_autoptr(DirReader) reader = dirreader_new(dir, FUSE_READDIR, 4096);
    GString *all = g_string_new(NULL);

    assert_code(mount_open(mount, FUSE_OPENDIR, dir, O_RDONLY), 0);
    while (dirreader_next(mount, reader))
        ;
    for (guint i = 0; i < reader->names->len; i++)
        g_string_append_printf(all, "%s ", (const char *)reader->names->pdata[i]);
    return g_string_free(all, FALSE);
}

/* --- notes --- */

static const char *note_verb(const FakeNote *note)
{
    switch (note->code) {
    case FUSE_NOTIFY_INVAL_INODE: return "inode";
    case FUSE_NOTIFY_INVAL_ENTRY: return "entry";
    case FUSE_NOTIFY_DELETE: return "gone";
    default: g_assert_not_reached();
    }
}

static void append_note(const Mount *mount, const FakeNote *note, GString *out)
{
    g_autofree char *path = NULL;
    FsNode node;

    g_assert_true(fs_node(mount->fs, note->ino, &node));
    path = fs_node_path(mount->fs, node);
    g_string_append_printf(out, "%s %s%s%s\n", note_verb(note), path, note->name ? " " : "",
                           note->name ? note->name : "");
}

char *mount_take_notes(Mount *mount)
{
    GString *out = g_string_new(NULL);

    fakekernel_settle(mount->kernel);
    fs_notify_inode(mount->fs->notifier, INO_MARK);
    for (;;) {
        g_autoptr(FakeNote) note = fakekernel_wait_note(mount->kernel);

        if (note->ino == INO_MARK)
            return g_string_free(out, FALSE);
        append_note(mount, note, out);
    }
}

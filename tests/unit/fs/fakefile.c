/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/fakefile.c - a program's open file. */
#include "fakefile.h"

#include <fcntl.h>
#include <string.h>

typedef struct {
    struct fuse_entry_out entry;
    struct fuse_open_out open;
} Created;

static const FakeAnswer *create(Mount *mount, const char *dir, const char *name)
{
    const struct fuse_create_in arg = {.flags = O_RDWR | O_CREAT | O_EXCL, .mode = 0600};

    return mount_call(mount, FUSE_CREATE, *dir ? mount_ino(mount, dir) : INO_ROOT, &arg, sizeof arg,
                      name);
}

FakeFile fakefile_new(Mount *mount, const char *dir, const char *name)
{
    const FakeAnswer *answer = create(mount, dir, name);
    const Created *created = (gconstpointer)answer->bytes;

    assert_code(answer, 0);
    g_assert_cmpuint(answer->len, ==, sizeof *created);
    g_assert_true(created->open.open_flags & FOPEN_DIRECT_IO);
    g_assert_false(created->open.open_flags & FOPEN_KEEP_CACHE);
    g_assert_cmpuint(created->entry.attr_valid, ==, 0);
    return (FakeFile){mount, created->entry.nodeid, created->open.fh};
}

int fakefile_create_code(Mount *mount, const char *dir, const char *name)
{
    return create(mount, dir, name)->code;
}

void fakefile_open(FakeFile *file, guint32 flags)
{
    const FakeAnswer *answer = mount_open(file->mount, FUSE_OPEN, file->ino, flags);

    assert_code(answer, 0);
    file->handle = ((const struct fuse_open_out *)(gconstpointer)answer->bytes)->fh;
}

FakeFile fakefile_open_path(Mount *mount, const char *path, guint32 flags)
{
    FakeFile file = {mount, mount_ino(mount, path), 0};

    fakefile_open(&file, flags);
    return file;
}

guint64 fakefile_send_write(FakeFile *file, guint64 offset, const char *text)
{
    const struct fuse_write_in in = {
        .fh = file->handle, .offset = offset, .size = (guint32)strlen(text)};
    g_autoptr(GByteArray) arg = g_byte_array_new();

    g_byte_array_append(arg, (const guint8 *)&in, sizeof in);
    g_byte_array_append(arg, (const guint8 *)text, in.size);
    return fakekernel_send(file->mount->kernel, FUSE_WRITE, file->ino, arg->data, arg->len, NULL);
}

static guint32 written(const FakeAnswer *answer)
{
    assert_code(answer, 0);
    return ((const struct fuse_write_out *)(gconstpointer)answer->bytes)->size;
}

void fakefile_write(FakeFile *file, guint64 offset, const char *text)
{
    guint64 unique = fakefile_send_write(file, offset, text);

    g_assert_cmpuint(written(fakekernel_wait(file->mount->kernel, unique)), ==, strlen(text));
}

void fakefile_check(FakeFile *file, const char *expected)
{
    const struct fuse_read_in arg = {.fh = file->handle, .size = 128 * 1024};
    const FakeAnswer *answer =
        mount_call(file->mount, FUSE_READ, file->ino, &arg, sizeof arg, NULL);

    assert_code(answer, 0);
    g_assert_cmpmem(answer->bytes, answer->len, expected, strlen(expected));
}

int fakefile_set_attr(FakeFile *file, guint32 valid, guint64 value)
{
    const struct fuse_setattr_in arg = {
        .valid = valid | FATTR_FH, .fh = file->handle, .size = value, .mtime = value};

    return mount_call(file->mount, FUSE_SETATTR, file->ino, &arg, sizeof arg, NULL)->code;
}

gssize fakefile_copy(FakeFile *file, const char *from, guint64 len)
{
    const struct fuse_copy_file_range_in arg = {
        .nodeid_out = file->ino, .fh_out = file->handle, .len = len};
    const FakeAnswer *answer = mount_call(file->mount, FUSE_COPY_FILE_RANGE,
                                          mount_ino(file->mount, from), &arg, sizeof arg, NULL);

    return answer->code ? -answer->code : (gssize)written(answer);
}

guint64 fakefile_send_flush(FakeFile *file)
{
    const struct fuse_flush_in arg = {.fh = file->handle};

    return fakekernel_send(file->mount->kernel, FUSE_FLUSH, file->ino, &arg, sizeof arg, NULL);
}

int fakefile_flush(FakeFile *file)
{
    return fakekernel_wait(file->mount->kernel, fakefile_send_flush(file))->code;
}

int fakefile_flush_done(FakeFile *file)
{
    guint64 unique = fakefile_send_flush(file);

    fakefile_wait_for_change(file);
    fakebackend_do_all(file->mount->backend);
    return fakekernel_wait(file->mount->kernel, unique)->code;
}

guint64 fakefile_send_fsync(FakeFile *file)
{
    const struct fuse_fsync_in arg = {.fh = file->handle};

    return fakekernel_send(file->mount->kernel, FUSE_FSYNC, file->ino, &arg, sizeof arg, NULL);
}

int fakefile_release(FakeFile *file)
{
    const struct fuse_release_in arg = {.fh = file->handle};

    return mount_call(file->mount, FUSE_RELEASE, file->ino, &arg, sizeof arg, NULL)->code;
}

static gboolean has_change(gpointer backend)
{
    return fakebackend_n_changes(backend) > 0;
}

void fakefile_wait_for_change(FakeFile *file)
{
    fakekernel_run_until(file->mount->kernel, has_change, file->mount->backend);
}

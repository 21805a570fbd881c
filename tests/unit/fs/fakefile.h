/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/fakefile.h - a program's open file: the calls of the kernel that write it. */
#pragma once

#include "mount.h"

typedef struct {
    Mount *mount;
    guint64 ino, handle;
} FakeFile;

/* Makes it. */
FakeFile fakefile_new(Mount *mount, const char *dir, const char *name);
int fakefile_create_code(Mount *mount, const char *dir, const char *name);
/* Opens another one of the same. */
void fakefile_open(FakeFile *file, guint32 flags);
FakeFile fakefile_open_path(Mount *mount, const char *path, guint32 flags);

guint64 fakefile_send_write(FakeFile *file, guint64 offset, const char *text);
/* All of it is taken. */
void fakefile_write(FakeFile *file, guint64 offset, const char *text);
/* Checks what is read through the handle. */
void fakefile_check(FakeFile *file, const char *expected);
/* @valid: FATTR_...; @value: the size or the time. */
int fakefile_set_attr(FakeFile *file, guint32 valid, guint64 value);
/* Copies @from, as a whole, into it; the number of bytes that were taken, or -errno. */
gssize fakefile_copy(FakeFile *file, const char *from, guint64 len);

guint64 fakefile_send_flush(FakeFile *file);
int fakefile_flush(FakeFile *file);
/* The same, and then the server does it. */
int fakefile_flush_done(FakeFile *file);
guint64 fakefile_send_fsync(FakeFile *file);
int fakefile_release(FakeFile *file);
/* Runs the main loop until there is a change for the server. */
void fakefile_wait_for_change(FakeFile *file);

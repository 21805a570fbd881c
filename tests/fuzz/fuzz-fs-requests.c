/* SPDX-License-Identifier: MIT */
/* tests/fuzz/fuzz-fs-requests.c - requests that no kernel sends: a mount survives them, or ends. */
#include <stdlib.h>
#include <string.h>

#include "mime/mime.h"
#include "tests/unit/fs/letter.h"
#include "tests/unit/fs/mount.h"

#include "tests/fuzz/fuzz.h"

/* Each request is four bytes (opcode, kind, number, and UID and part of the node), one of the
 * length of its body, and the body. */
#define HEAD_LEN 5

static Mount mount;
static gboolean is_set_up;

static gboolean is_left_out(guint32 opcode)
{
    /* libfuse leaks the last two where they belong to nothing. */
    return opcode == FUSE_DESTROY || opcode == FUSE_INIT || opcode == FUSE_NOTIFY_REPLY ||
           opcode == FUSE_INTERRUPT;
}

static void end_mount(void)
{
    mount_tear_down(&mount, NULL);
    mount = (Mount){0};
}

/* One for all inputs, while it lasts. */
static void ensure_mount(void)
{
    if (is_set_up && !mount.n_ended)
        return;
    if (is_set_up)
        end_mount();
    else
        atexit(end_mount);
    mime_init();
    mount_set_up(&mount, NULL);
    fakebackend_add_raw(mount.backend, mount.inbox, 4, letter_of_all_kinds());
    fakebackend_add_raw(mount.backend, mount.inbox, 5, letter_of_all_kinds())->tells_no_tree = TRUE;
    (void)mount_ino(&mount, "INBOX/u2.eml");
    mount.kernel->is_hostile = TRUE;
    is_set_up = TRUE;
}

static void send_request(const uint8_t *head, const uint8_t *body, gsize len)
{
    const FsNode node = {(FsKind)head[1], head[2], head[3] & 15, head[3] >> 4};
    guint8 message[sizeof(struct fuse_in_header) + G_MAXUINT8] = {0};
    const struct fuse_in_header in = {
        .len = (guint32)(sizeof in + len),
        .opcode = head[0],
        .unique = 2,
        .nodeid = fs_node_pack(node),
    };

    memcpy(message, &in, sizeof in);
    memcpy(message + sizeof in, body, len);
    if (!is_left_out(in.opcode))
        fakekernel_send_bytes(mount.kernel, message, in.len);
    fakekernel_settle(mount.kernel);
}

/* Threads that parse may still be at work. */
static gboolean is_idle(gpointer data)
{
    return mount.fs->parked.length == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ensure_mount();
    while (size > HEAD_LEN) {
        gsize len = MIN(data[4], size - HEAD_LEN);

        send_request(data, data + HEAD_LEN, len);
        data += HEAD_LEN + len;
        size -= HEAD_LEN + len;
    }
    fakekernel_run_until(mount.kernel, is_idle, NULL);
    return 0;
}

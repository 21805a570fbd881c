/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/fakekernel.c - the kernel's side of a FUSE session, over a socket. */
#include "fakekernel.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE_MAX (1024 * 1024)
#define GIVE_UP_MS  20000

typedef struct {
    guint64 unique;
    guint32 opcode;
    guint n_answers;
    FakeAnswer answer;
    guint8 *message; /* that the answer points into */
} Request;

static void request_free(gpointer data)
{
    Request *request = data;

    g_free(request->message);
    g_free(request);
}

FakeKernel *fakekernel_new(int *ret_fd)
{
    FakeKernel *kernel = g_new0(FakeKernel, 1);
    int fds[2];

    g_assert_no_errno(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds));
    kernel->fd = fds[0];
    kernel->pid = getpid();
    kernel->requests = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, request_free);
    *ret_fd = fds[1];
    return kernel;
}

/* --- what comes back --- */

static void add_note(FakeKernel *kernel, const struct fuse_out_header *head, const guint8 *body)
{
    FakeNote *note = g_new0(FakeNote, 1);

    note->code = head->error;
    memcpy(&note->ino, body, sizeof note->ino);
    if (head->error == FUSE_NOTIFY_INVAL_ENTRY)
        note->name = g_strdup((const char *)body + sizeof(struct fuse_notify_inval_entry_out));
    else if (head->error == FUSE_NOTIFY_DELETE)
        note->name = g_strdup((const char *)body + sizeof(struct fuse_notify_delete_out));
    g_queue_push_tail(&kernel->notes, note);
}

static void add_answer(FakeKernel *kernel, const struct fuse_out_header *head, guint8 *message)
{
    Request *request = g_hash_table_lookup(kernel->requests, &head->unique);

    if (kernel->is_hostile) {
        g_free(message);
        return;
    }
    g_assert_nonnull(request);
    g_assert_cmpuint(++request->n_answers, ==, 1);
    request->message = message;
    request->answer = (FakeAnswer){
        .code = -head->error,
        .bytes = message + sizeof *head,
        .len = head->len - sizeof *head,
    };
}

/* FALSE when there is nothing to be taken. */
static gboolean take_message(FakeKernel *kernel)
{
    g_autofree guint8 *message = g_malloc(MESSAGE_MAX);
    ssize_t len = recv(kernel->fd, message, MESSAGE_MAX, MSG_DONTWAIT | MSG_TRUNC);
    struct fuse_out_header head;

    if (len <= 0)
        return FALSE;
    g_assert_cmpint(len, >=, sizeof head);
    memcpy(&head, message, sizeof head);
    g_assert_cmpint(len, ==, head.len);
    message = g_realloc(message, len);
    if (head.unique)
        add_answer(kernel, &head, g_steal_pointer(&message));
    else
        add_note(kernel, &head, message + sizeof head);
    return TRUE;
}

static void take_messages(FakeKernel *kernel)
{
    while (take_message(kernel))
        ;
}

void fakekernel_settle(FakeKernel *kernel)
{
    do
        take_messages(kernel);
    while (g_main_context_iteration(NULL, FALSE));
    take_messages(kernel);
}

/* --- what is sent --- */

void fakekernel_send_bytes(FakeKernel *kernel, gconstpointer bytes, gsize len)
{
    while (send(kernel->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        if (errno == EPIPE && kernel->is_hostile)
            return;
        g_assert_cmpint(errno, ==, EAGAIN);
        take_messages(kernel);
        g_main_context_iteration(NULL, FALSE);
    }
}

static void send_request(FakeKernel *kernel, guint64 unique, guint32 opcode, guint64 ino,
                         gconstpointer arg, gsize len, const char *name)
{
    g_autoptr(GByteArray) message = g_byte_array_new();
    Request *request = g_new0(Request, 1);
    struct fuse_in_header head = {
        .len = (guint32)(sizeof head + len + (name ? strlen(name) + 1 : 0)),
        .opcode = opcode,
        .unique = unique,
        .nodeid = ino,
        .uid = getuid(),
        .gid = getgid(),
        .pid = (guint32)kernel->pid,
    };

    request->unique = unique;
    request->opcode = opcode;
    g_hash_table_replace(kernel->requests, &request->unique, request);
    g_byte_array_append(message, (const guint8 *)&head, sizeof head);
    g_byte_array_append(message, arg, (guint)len);
    if (name)
        g_byte_array_append(message, (const guint8 *)name, (guint)strlen(name) + 1);
    fakekernel_send_bytes(kernel, message->data, message->len);
}

guint64 fakekernel_send(FakeKernel *kernel, guint32 opcode, guint64 ino, gconstpointer arg,
                        gsize len, const char *name)
{
    kernel->last_unique += 2; /* the odd ones are for interrupts */
    send_request(kernel, kernel->last_unique, opcode, ino, arg, len, name);
    return kernel->last_unique;
}

void fakekernel_interrupt(FakeKernel *kernel, guint64 unique)
{
    const struct fuse_interrupt_in arg = {.unique = unique};

    send_request(kernel, unique | 1, FUSE_INTERRUPT, 0, &arg, sizeof arg, NULL);
}

void fakekernel_init(FakeKernel *kernel)
{
    const struct fuse_init_in arg = {
        .major = FUSE_KERNEL_VERSION,
        .minor = FUSE_KERNEL_MINOR_VERSION,
        .max_readahead = 128 * 1024,
        .flags = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_AUTO_INVAL_DATA | FUSE_DO_READDIRPLUS |
                 FUSE_READDIRPLUS_AUTO | FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES,
    };
    guint64 unique = fakekernel_send(kernel, FUSE_INIT, 0, &arg, sizeof arg, NULL);

    g_assert_cmpint(fakekernel_wait(kernel, unique)->code, ==, 0);
}

/* --- waiting --- */

static gboolean on_give_up(gpointer data)
{
    g_error("what is waited for does not happen");
    return G_SOURCE_REMOVE;
}

void fakekernel_run_until(FakeKernel *kernel, gboolean (*is_so)(gpointer data), gpointer data)
{
    guint give_up = g_timeout_add(GIVE_UP_MS, on_give_up, NULL);

    take_messages(kernel);
    while (!is_so(data)) {
        g_main_context_iteration(NULL, TRUE);
        take_messages(kernel);
    }
    g_source_remove(give_up);
}

static gboolean is_answered(gpointer request)
{
    return ((const Request *)request)->n_answers > 0;
}

gboolean fakekernel_is_answered(FakeKernel *kernel, guint64 unique)
{
    take_messages(kernel);
    return is_answered(g_hash_table_lookup(kernel->requests, &unique));
}

const FakeAnswer *fakekernel_peek(FakeKernel *kernel, guint64 unique)
{
    const Request *request = g_hash_table_lookup(kernel->requests, &unique);

    fakekernel_settle(kernel);
    return request->n_answers ? &request->answer : NULL;
}

const FakeAnswer *fakekernel_wait(FakeKernel *kernel, guint64 unique)
{
    Request *request = g_hash_table_lookup(kernel->requests, &unique);

    fakekernel_settle(kernel);
    fakekernel_run_until(kernel, is_answered, request);
    return &request->answer;
}

FakeNote *fakekernel_wait_note(FakeKernel *kernel)
{
    struct pollfd readable = {.fd = kernel->fd, .events = POLLIN};

    while (!kernel->notes.length) {
        g_assert_cmpint(poll(&readable, 1, GIVE_UP_MS), ==, 1);
        take_messages(kernel);
    }
    return g_queue_pop_head(&kernel->notes);
}

void fakenote_free(FakeNote *note)
{
    g_free(note->name);
    g_free(note);
}

/* --- the end --- */

static void check_answered(gpointer key, gpointer value, gpointer data)
{
    const Request *request = value;

    /* To these three there is none; libfuse refuses an interrupt that came too early (EAGAIN). */
    if (request->opcode == FUSE_FORGET || request->opcode == FUSE_BATCH_FORGET)
        g_assert_cmpuint(request->n_answers, ==, 0);
    else if (request->opcode != FUSE_INTERRUPT)
        g_assert_cmpuint(request->n_answers, ==, 1);
}

static void free_note(gpointer note)
{
    fakenote_free(note);
}

void fakekernel_free(FakeKernel *kernel)
{
    fakekernel_settle(kernel);
    if (!kernel->is_hostile)
        g_hash_table_foreach(kernel->requests, check_answered, NULL);
    g_queue_clear_full(&kernel->notes, free_note);
    g_hash_table_unref(kernel->requests);
    close(kernel->fd);
    g_free(kernel);
}

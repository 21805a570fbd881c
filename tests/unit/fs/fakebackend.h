/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/fakebackend.h - a server and its backend in one: knows what mail there is, and
 * fulfils the wants of a real cache and does its changes when, in which order and as well as the
 * test says. */
#pragma once

#include "cache/cache.h"

typedef struct {
    guint32 uid;
    MailFlags flags;
    gint64 date;
    guint64 size;      /* of what it is; 1000 + UID at first */
    guint64 size_told; /* in its line; the same at first */
    const char *from, *subject, *to;
    GBytes *raw;            /* or NULL: see fakebackend_check_bytes() */
    gboolean is_here;       /* in the spool */
    gboolean tells_no_tree; /* that is of use */
} FakeMessage;

typedef struct {
    Cache *cache;
    gboolean is_held;  /* wants are left until the test fulfils them; else they are at once */
    gboolean is_spool; /* it has what was asked for once, and UIDs are the same everywhere */
    gboolean is_lazy;  /* a comparison of a mailbox does not tell the UIDs that are there */
    CacheQuota quota;
    CacheRights rights;   /* in each mailbox; all at first */
    GPtrArray *paths;     /* of the mailboxes */
    GHashTable *messages; /* box -> GPtrArray of FakeMessage, ascending */
} FakeBackend;

/* Is at once the backend of @cache, which is online. */
FakeBackend *fakebackend_new(Cache *cache);
void fakebackend_free(FakeBackend *backend);
/* Before anything else. */
void fakebackend_be_spool(FakeBackend *backend);

/* The mailboxes there are now: "INBOX", "Archive/2024", up to NULL.  One called Sent is \Sent, and
 * Trash is \Trash; in a spool, what is read in INBOX belongs to Read. */
void fakebackend_set_boxes(FakeBackend *backend, const char *first, ...) G_GNUC_NULL_TERMINATED;
/* Its id. */
guint32 fakebackend_box(FakeBackend *backend, const char *path);

/* What is there before anybody asks.  UIDs ascend. */
FakeMessage *fakebackend_add(FakeBackend *backend, guint32 box, guint32 uid);
/* One that is @raw (taken): the server finds sections and parts in it. */
FakeMessage *fakebackend_add_raw(FakeBackend *backend, guint32 box, guint32 uid, GBytes *raw);
/* NULL when there is none. */
FakeMessage *fakebackend_message(FakeBackend *backend, guint32 box, guint32 uid);
/* What happens while we look. */
void fakebackend_deliver(FakeBackend *backend, guint32 box, guint32 uid);
void fakebackend_set_flags(FakeBackend *backend, guint32 box, guint32 uid, MailFlags flags);
void fakebackend_expunge(FakeBackend *backend, guint32 box, guint32 uid);
/* Another mailbox of that name, with the same UIDs. */
void fakebackend_replace(FakeBackend *backend, guint32 box);

/* The oldest want of @kind, or NULL. */
const CacheWant *fakebackend_find(FakeBackend *backend, CacheWantKind kind);
void fakebackend_fulfil(FakeBackend *backend, const CacheWant *want);
void fakebackend_fulfil_all(FakeBackend *backend);
void fakebackend_fail_all(FakeBackend *backend, MailError code, const char *text);
/* The connection is lost for that reason. */
void fakebackend_go_offline(FakeBackend *backend, MailError code, const char *text);

/* --- changes: each is left until the test says what becomes of it --- */

/* How many are left. */
guint fakebackend_n_changes(FakeBackend *backend);
/* The oldest, of that kind; or NULL. */
const CacheChange *fakebackend_change(FakeBackend *backend, CacheChangeKind kind);
void fakebackend_do(FakeBackend *backend, const CacheChange *change);
void fakebackend_do_all(FakeBackend *backend);
/* The oldest. */
void fakebackend_refuse(FakeBackend *backend, MailError code, const char *text);

/* That @bytes are those of message @uid from @offset. */
void fakebackend_check_bytes(guint32 uid, guint64 offset, const guint8 *bytes, gsize len);

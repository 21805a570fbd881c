/* SPDX-License-Identifier: MIT */
/* tests/unit/cache/fixture.h - a cache in a directory of its own, and a server that puts things. */
#pragma once

#include "cache/cache.h"

typedef struct {
    char *root; /* temporary */
    char *dir;  /* of the account, in root */
    MailAccount *account;
    CacheOptions options;
    Cache *cache;
    GString *news; /* a word for each that was told, with a blank after it */
} Fixture;

/* The cache is open and online; @data is not used. */
void fixture_set_up(Fixture *fixture, gconstpointer data);
void fixture_tear_down(Fixture *fixture, gconstpointer data);
#define FIXTURE_TEST(path, func)                                                                   \
    g_test_add(path, Fixture, NULL, fixture_set_up, func, fixture_tear_down)

void fixture_open(Fixture *fixture);
void fixture_close(Fixture *fixture);
void fixture_reopen(Fixture *fixture);
void fixture_offline(Fixture *fixture);
/* Runs the main loop until nothing is left to do; commits. */
void fixture_settle(void);
/* Below the account's directory; newly allocated. */
char *fixture_path(const Fixture *fixture, const char *name);
/* Takes the news that came. */
void fixture_expect_news(Fixture *fixture, const char *expected);

/* The server has these mailboxes ("a/b"), NULL-ended, and no others. */
void fixture_put_boxes(Fixture *fixture, const char *first, ...) G_GNUC_NULL_TERMINATED;
/* CACHE_ROOT when there is none. */
guint32 fixture_find_box(const Fixture *fixture, const char *path);
/* Mailbox "INBOX" that has UIDs 1 to @n, each of @size octets, all listed and in step; its id. */
guint32 fixture_put_inbox(Fixture *fixture, guint32 n, guint64 size);
guint32 fixture_generation(const Fixture *fixture, guint32 box);
/* Listed, with a subject and a date that tell its UID, and fixture_flags(). */
void fixture_put_line(Fixture *fixture, guint32 box, guint32 uid, guint64 size);
MailFlags fixture_flags(guint32 uid);
/* The mailbox has these UIDs, and no others. */
void fixture_put_range(Fixture *fixture, guint32 box, guint32 first, guint32 last);
/* As the server has it, which tells the end by sending less: each message differs. */
void fixture_put_block(Fixture *fixture, guint32 box, guint32 uid, guint32 block, guint64 size);
void fixture_put_body(Fixture *fixture, guint32 box, guint32 uid, guint64 size);
guint8 fixture_byte(guint32 uid, guint64 offset);
/* The bytes of all @slices; new. */
GBytes *fixture_join(const GPtrArray *slices);
/* cache_read() of the whole message; asserts that bytes that come are the right ones. */
CacheAnswer fixture_read(Fixture *fixture, guint32 box, guint32 uid, guint64 offset, gsize size,
                         gsize *ret_len, guint64 *ret_want);
/* The set of all UIDs, as text. */
char *fixture_uids(const Fixture *fixture, guint32 box);
/* All wants, oldest first: "lines 128:1 block 5/0 ". */
char *fixture_wants(const Fixture *fixture);
void fixture_end_wants(Fixture *fixture);

/* What a wake function was told. */
typedef struct {
    guint n;
    GError *error;
} Waker;

void waker_wake(const GError *error, gpointer waker);

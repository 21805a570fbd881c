/* SPDX-License-Identifier: MIT */
/* tests/unit/imap/writer.h - a connection that makes changes, to a server that a test plays. */
#pragma once

#include "imap/changes.h"
#include "tests/unit/cache/fixture.h"
#include "tests/unit/net/server.h"

/* What the server does once the client is logged in; in a thread. */
typedef void (*WriterPlay)(int fd, gconstpointer data);

typedef struct {
    Fixture fixture; /* the cache: INBOX with messages 1 to 3, A and B, where all is allowed */
    guint32 inbox, a, b;
    const char *capabilities;
    WriterPlay play;
    gconstpointer data; /* for the play */
    Server *server;
    MailAccount *account;
    NetSecret *secret;
    ImapOptions options;
    ImapAccount shared;
    ImapWorker *worker; /* logged in */
    guint dispatch_source;
} Writer;

Writer *writer_new(const char *capabilities, WriterPlay play, gconstpointer data);
/* Ends when the play has come to its end. */
void writer_free(Writer *writer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Writer, writer_free)

/* Since when the server would not tell what changes that concern @box need first, or NULL. */
ImapRow *writer_refused(Writer *writer, guint32 box);
/* Begins what is wanted, or recorded as changes; goes on with the rest of it. */
void writer_dispatch(Writer *writer);

/* SPDX-License-Identifier: MIT */
/* tests/unit/cache/changing.h - two mailboxes in which all is allowed, and what users do there.
 */
#pragma once

#include "fixture.h"

#define TEXT "Subject: hello\r\n\r\nworld\r\n"

/* Two mailboxes, in which all is allowed: INBOX with @n messages, and Archive without. */
typedef struct {
    guint32 inbox, archive, generation;
} Boxes;

extern const CacheRights all_rights;

Boxes put_boxes(Fixture *fixture, guint32 n);
/* As after a look at both. */
void set_rights(Fixture *fixture, const Boxes *boxes);

/* These are done at once; the id of the change, if one is needed. */
guint32 flag(Fixture *fixture, guint32 generation, guint32 uid, MailFlags add, MailFlags remove);
/* To Archive, as "given-UID.eml". */
guint32 move(Fixture *fixture, const Boxes *boxes, guint32 uid);
/* TEXT, to Archive. */
guint32 append(Fixture *fixture, const Boxes *boxes, const char *name);

/* Waits until it is on the disk that the change @id was sent. */
void note_sent(Fixture *fixture, guint32 id, guint32 uidvalidity, guint32 uidnext);

/* In the directory of the state; newly allocated. */
char *state_path(const Fixture *fixture, const char *name);
/* From that of the account in the cache. */
void remove_file(Fixture *fixture, const char *name);

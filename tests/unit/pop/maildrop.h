/* SPDX-License-Identifier: MIT */
/* tests/unit/pop/maildrop.h - a POP3 server with a few messages, for one connection after the
 * other; what it is told is noted. */
#pragma once

#include <glib.h>

typedef struct Maildrop Maildrop;

Maildrop *maildrop_new(void);
/* Accepts NULL. */
void maildrop_free(Maildrop *drop);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Maildrop, maildrop_free)

guint16 maildrop_port(const Maildrop *drop);
/* A message of its own UIDL, with these octets: the next connection sees it. */
void maildrop_add(Maildrop *drop, const char *text);
/* The next that is added has the UIDL of the @nth that ever was. */
void maildrop_repeat(Maildrop *drop, guint nth);
/* The server lists it still, and cannot find it. */
void maildrop_lose(Maildrop *drop, guint nth);
/* Somebody else has deleted it. */
void maildrop_remove(Maildrop *drop, guint nth);
/* All messages have other UIDLs. */
void maildrop_renumber(Maildrop *drop);
/* Messages that are there. */
guint maildrop_n(Maildrop *drop);
/* What answers each PASS from now on, "-ERR [IN-USE] locked"; NULL: a login. */
void maildrop_refuse(Maildrop *drop, const char *answer);
/* What answers each RETR from now on, "-ERR [SYS/TEMP] later"; NULL: the message. */
void maildrop_refuse_messages(Maildrop *drop, const char *answer);
/* What begins with @command is not answered until this is called anew; NULL: all is. */
void maildrop_hold(Maildrop *drop, const char *command);
/* The connection ends when so many messages were retrieved from now on; 0: it does not. */
void maildrop_cut_after(Maildrop *drop, guint n);
/* LIST tells this size for all. */
void maildrop_announce(Maildrop *drop, guint64 size);
/* One more capability, "LOGIN-DELAY 9". */
void maildrop_tell(Maildrop *drop, const char *capability);
/* The commands since the last time but for CAPA and USER, "PASS UIDL LIST RETR:1 "; new. */
char *maildrop_take_log(Maildrop *drop);
/* How often @command came since then. */
guint maildrop_count(Maildrop *drop, const char *command);

/* SPDX-License-Identifier: MIT */
/* tests/unit/imap/play.h - the server's side of a connection, line by line, for a thread of
 * tests/unit/net/server.h. */
#pragma once

#include <glib.h>

/* A line; the CRLF is added. */
void play_say(int fd, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Takes one line, which must be this one. */
void play_expect_line(int fd, const char *expected);
/* Takes one line, which must be this one behind its tag; the tag, new. */
char *play_expect(int fd, const char *expected);
/* Takes that command, and says OK to it. */
void play_accept(int fd, const char *expected);
/* A dialogue: "C: $ NOOP" is a command that must come, and the tag that $ stands for from then on;
 * "C: text" a line that must; "S: $ OK done" a line that is said.  NULL-ended. */
void play_script(int fd, const char *const *lines);
/* The greeting, and the login of alice with "secret"; tells @capabilities. */
void play_login(int fd, const char *capabilities);

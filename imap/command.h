/* SPDX-License-Identifier: MIT */
/* imap/command.h - one command to a server, as bytes, with pauses where a synchronizing literal
 * must wait for the server's "+" (RFC 9051 4.3, 7.6).
 *
 * Strings go as atom, quoted or literal, whichever is enough; CR, LF and NUL never get out unless
 * inside a literal, and NUL never.
 */
#pragma once

#include "mail/mail.h"

typedef enum {
    IMAP_LITERAL_SYNC,  /* the server has neither extension */
    IMAP_LITERAL_MINUS, /* LITERAL-: not synchronizing up to 4096 octets (RFC 7888) */
    IMAP_LITERAL_PLUS,  /* LITERAL+ */
} ImapLiteralMode;

typedef struct ImapCommand ImapCommand;

/* "A1 EXAMINE" is imap_command_new("EXAMINE", ...); the tag comes with imap_command_finish(). */
ImapCommand *imap_command_new(const char *name, ImapLiteralMode mode);
/* IDLE (RFC 2177): a "+" says that it has begun, and the piece behind that, DONE, ends it. */
ImapCommand *imap_command_new_idle(void);
void imap_command_free(ImapCommand *command);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapCommand, imap_command_free)

const char *imap_command_name(const ImapCommand *command);
gboolean imap_command_is_idle(const ImapCommand *command);
/* Whether it changes messages: servers may be at that for minutes before they say a word. */
gboolean imap_command_may_take_long(const ImapCommand *command);

/* A blank and @text as it stands: ours, never a server's or user's. */
void imap_command_add(ImapCommand *command, const char *text);
void imap_command_addf(ImapCommand *command, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* A blank and an astring.  Fails with INVALID on NUL. */
gboolean imap_command_add_string(ImapCommand *command, const char *bytes, gsize len,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The same, shown as <secret> in imap_command_log_text(); wiped when freed. */
gboolean imap_command_add_secret(ImapCommand *command, const char *bytes, gsize len,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* A blank and @bytes as a literal, referenced and not copied: they must stay what they are until
 * the command is freed, which may be after its answer.  It waits for a "+" where the mode
 * says so, and always if it @must_wait: then a server that refuses does so before it is sent.
 * Fails with INVALID on NUL. */
gboolean imap_command_add_literal(ImapCommand *command, GBytes *bytes, gboolean must_wait,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The same as the data item of APPEND for headers in UTF-8 (RFC 6855 4): UTF8 (~{5}...). */
gboolean imap_command_add_utf8(ImapCommand *command, GBytes *bytes, gboolean must_wait,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* A blank and @unix_s as date-time in UTC, which knows the years 1 to 9999 here: what lies outside
 * becomes the first or the last second of them. */
void imap_command_add_date_time(ImapCommand *command, gint64 unix_s);

/* Puts @tag before and CRLF after; nothing can be added any more. */
void imap_command_finish(ImapCommand *command, const char *tag);
/* The pieces to send, one behind the other.  Borrowed; one of no bytes may be NULL. */
guint imap_command_n_pieces(const ImapCommand *command);
const char *imap_command_piece(const ImapCommand *command, guint nth, gsize *ret_len);
/* The first piece behind the @nth that waits for a "+"; the number of pieces where none does. */
guint imap_command_next_pause(const ImapCommand *command, guint nth);
/* One line for the log, secrets masked, literals as "(5 bytes)", without CRLF. */
const char *imap_command_log_text(const ImapCommand *command);

/* SPDX-License-Identifier: MIT */
/* mail/flags.h - the flags and keywords of a message in one word.
 *
 * The system flags and $Forwarded have fixed bits; keywords get theirs from a
 * map that each account keeps (cache/).  The first 26 keywords have a letter,
 * a to z, in file names.
 */
#pragma once

#include <glib.h>

typedef guint64 MailFlags;

#define MAIL_FLAG_DRAFT         ((MailFlags)1 << 0) /* D */
#define MAIL_FLAG_FLAGGED       ((MailFlags)1 << 1) /* F */
#define MAIL_FLAG_FORWARDED     ((MailFlags)1 << 2) /* P, the keyword $Forwarded */
#define MAIL_FLAG_ANSWERED      ((MailFlags)1 << 3) /* R */
#define MAIL_FLAG_SEEN          ((MailFlags)1 << 4) /* S */
#define MAIL_FLAG_DELETED       ((MailFlags)1 << 5) /* T */
#define MAIL_FLAG_FIRST_KEYWORD 6
#define MAIL_FLAG_N_KEYWORDS    58

/* Room for every letter and the final NUL. */
#define MAIL_FLAGS_LETTERS_MAX 33

static inline MailFlags mail_flag_keyword(guint nth)
{
    return (MailFlags)1 << (MAIL_FLAG_FIRST_KEYWORD + nth);
}

/* Writes the letters of @flags in ASCII order and a NUL. */
void mail_flags_letters(MailFlags flags, char letters[MAIL_FLAGS_LETTERS_MAX]);

/* The flags of @len letters, in any order and repeated or not; FALSE when one of them is of no
 * flag. */
gboolean mail_flags_from_letters(const char *letters, gsize len, MailFlags *ret_flags);

/* The bit of a system flag's IMAP name ("\Seen", "$Forwarded"), or 0.  Case does
 * not matter (RFC 9051 2.3.2). */
MailFlags mail_flag_from_imap(const char *name, gsize len);

/* The IMAP name of the one fixed bit in @flag, or NULL. */
const char *mail_flag_to_imap(MailFlags flag);

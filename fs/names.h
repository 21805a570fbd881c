/* SPDX-License-Identifier: MIT */
/* fs/names.h - how messages, their parts and mailboxes are called in the mount.  Pure. */
#pragma once

#include "cache/cache.h"

typedef enum {
    FS_NAMES_DASHED, /* 2026-02-15_1430_Alice-Möller_Re-Budget.u4711,FS.eml */
    FS_NAMES_SPACED, /* 2026-02-15 1430 Alice Möller - Re Budget.u4711,FS.eml */
} FsNameStyle;

#define FS_NAME_MAX     255
#define FS_MESSAGE_NAME 201 /* a message's name and its NUL */

typedef enum {
    FS_NAME_FULL,     /* a message's name: "….u4711,FS.eml" */
    FS_NAME_TEXT,     /* of its text: "….u4711.txt" */
    FS_NAME_PARTS,    /* of the directory of its parts: "….u4711" */
    FS_NAME_SHORT,    /* "u4711.eml" */
    FS_NAME_UID,      /* "4711.eml" */
    FS_NAME_UID_ONLY, /* "4711" */
} FsNameForm;

/* The name of @message in @form: FS_NAME_FULL, _TEXT or _PARTS.  They differ in their tails alone,
 * unless the subject had to be cut.  @by_recipient: as in \Sent and \Drafts. */
void fs_names_message(FsNameStyle style, FsNameForm form, const CacheMessage *message,
                      const MailEnvelope *envelope, gboolean by_recipient,
                      char name[FS_MESSAGE_NAME]);

/* Whether @name may be one of @form, and the UID that it tells.  Read from the end; no name has two
 * forms. */
gboolean fs_names_parse(const char *name, FsNameForm form, guint32 *ret_uid);

/* What a name says that a user gives to a message. */
typedef struct {
    gboolean has_uid;
    guint32 uid; /* 0 without one */
    gboolean has_flags;
    MailFlags flags; /* 0 without them */
    gsize stem_len;  /* names of one message differ only behind it: in their flags and ".eml" */
} FsGivenName;

/* Reads @name from its end, with or without ".eml": "….u4711,FS" has both, and the stem "….u4711,";
 * "…:2,FS" as in a Maildir has flags, and the stem "…", as it has without them.  Where one of the
 * letters is of no flag, there are no flags.  Any other name has neither, and is all stem. */
void fs_names_given(const char *name, FsGivenName *ret_given);

/* The name of a leaf's file in the directory of its message's parts, or of the directory that a
 * message in the message is: "2.1-Budget 2026.xlsx", "1-text.txt", "3-message".  @part is numbered.
 * At most FS_NAME_MAX bytes of NFC, without slash, backslash, control, format (as bidi) character
 * and what Windows forbids.  As the section leads, no two parts of a message share a name and none
 * begins with '.' or '-'.  New. */
char *fs_part_name(const MailPart *part);

/* The directory name of a mailbox's component: reversible, at most FS_NAME_MAX bytes, distinct for
 * distinct (@name, @is_raw).  Blank-free it need not be, but it has no slash, control or bidi
 * character, no invalid UTF-8, no leading dot, and is no message's name.  @wire is the mailbox's
 * whole name as the server has it, by which a name that cannot be shown in full is told from
 * others. */
char *fs_names_box(const char *name, gboolean is_raw, const char *wire);

/* The mailbox's component, in UTF-8, that a user means by the name of a directory: each %XX undone;
 * a '%' without two digits behind it stands for itself.  A whole name of fs_names_box() gives what
 * it was made of; "%" gives "%".  INVALID: empty, with NUL, CR or LF or no UTF-8 when undone, and
 * what fs_names_box() would have to cut.  New. */
char *fs_names_box_decode(const char *name, GError **error);

/* SPDX-License-Identifier: MIT */
/* fs/names.h - how messages and mailboxes are called in the mount.  Pure. */
#pragma once

#include "cache/cache.h"

typedef enum {
    FS_NAMES_DASHED, /* 2026-02-15_1430_Alice-Möller_Re-Budget.u4711,FS.eml */
    FS_NAMES_SPACED, /* 2026-02-15 1430 Alice Möller - Re Budget.u4711,FS.eml */
} FsNameStyle;

#define FS_NAME_MAX     255
#define FS_MESSAGE_NAME 201 /* a message's name and its NUL */

/* The name of @message.  @by_recipient: as in \Sent and \Drafts. */
void fs_names_message(FsNameStyle style, const CacheMessage *message, const MailEnvelope *envelope,
                      gboolean by_recipient, char name[FS_MESSAGE_NAME]);

typedef enum {
    FS_NAME_OTHER,
    FS_NAME_FULL,  /* may be a message's name: "….u4711,FS.eml" */
    FS_NAME_SHORT, /* "u4711.eml" */
    FS_NAME_UID,   /* "4711.eml" */
} FsNameForm;

/* Reads from the end what UID a name tells. */
FsNameForm fs_names_parse(const char *name, guint32 *ret_uid);

/* The directory name of a mailbox's component: reversible, at most FS_NAME_MAX bytes, distinct for
 * distinct (@name, @is_raw).  Blank-free it need not be, but it has no slash, control or bidi
 * character, no invalid UTF-8, no leading dot, and is no message's name.  @wire is the mailbox's
 * whole name as the server has it, by which a name that cannot be shown in full is told from
 * others. */
char *fs_names_box(const char *name, gboolean is_raw, const char *wire);

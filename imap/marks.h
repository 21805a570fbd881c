/* SPDX-License-Identifier: MIT */
/* imap/marks.h - a number for each of some messages. */
#pragma once

#include <glib.h>

typedef struct ImapMarks ImapMarks;

ImapMarks *imap_marks_new(void);
void imap_marks_free(ImapMarks *marks);

/* Whether the message has one; *ret_number is 0 when it has none. */
gboolean imap_marks_get(const ImapMarks *marks, guint32 generation, guint32 uid,
                        guint64 *ret_number);
/* Where there are too many, all others are forgotten. */
void imap_marks_set(ImapMarks *marks, guint32 generation, guint32 uid, guint64 number);
void imap_marks_remove(ImapMarks *marks, guint32 generation, guint32 uid);

/* SPDX-License-Identifier: MIT */
/* mime/plan.c - what of a message is read as text, and what is only named. */
#include <string.h>

#include "mime/mime.h"

/* How well a part is read; of alternatives the first of the best is. */
typedef enum {
    RANK_NOTHING,
    RANK_OTHER,
    RANK_HTML,
    RANK_PLAIN,
} Rank;

static gboolean is_type(const MailPart *part, const char *type, const char *subtype)
{
    return g_strcmp0(part->type, type) == 0 && (!subtype || g_strcmp0(part->subtype, subtype) == 0);
}

/* Text that programs read. */
static gboolean is_data(const MailPart *part)
{
    static const char *const subtypes[] = {"calendar", "css", "csv", "rtf", "vcard"};

    for (gsize i = 0; i < G_N_ELEMENTS(subtypes); i++)
        if (is_type(part, "text", subtypes[i]))
            return TRUE;
    return part->subtype && g_str_has_prefix(part->subtype, "x-");
}

static gboolean is_read(const MailPart *part)
{
    if (g_strcmp0(part->disposition, "attachment") == 0)
        return FALSE;
    return is_type(part, "message", "delivery-status") ||
           (is_type(part, "text", NULL) && !is_data(part));
}

/* Some send an empty text/plain, a line end at most, beside what they have to say. */
static Rank rank_of(const MailPart *part)
{
    if (is_type(part, "text", "plain") && part->size > 2)
        return RANK_PLAIN;
    return is_type(part, "text", "html") ? RANK_HTML : RANK_OTHER;
}

static void add(GArray *plan, MimeShow show, const MailPart *part)
{
    MimePiece piece = {show, part};

    g_array_append_val(plan, piece);
}

/* Takes out of @plan, between two places, all but the attachments; returns how much that was. */
static guint drop_text(GArray *plan, guint begin, guint end)
{
    guint kept = begin;

    for (guint i = begin; i < end; i++) {
        MimePiece piece = g_array_index(plan, MimePiece, i);

        /* A message that is not read is named. */
        if (piece.show == MIME_SHOW_HEADER)
            piece.show = MIME_SHOW_ATTACHMENT;
        if (piece.show == MIME_SHOW_ATTACHMENT)
            g_array_index(plan, MimePiece, kept++) = piece;
    }
    g_array_remove_range(plan, kept, end - kept);
    return end - kept;
}

static Rank add_part(GArray *plan, const MailPart *part);

static Rank add_alternatives(GArray *plan, const MailPart *part)
{
    guint begin = plan->len, end = plan->len; /* of the best */
    Rank best = RANK_NOTHING;

    for (guint i = 0; i < part->parts->len; i++) {
        guint before = plan->len;
        Rank rank = add_part(plan, part->parts->pdata[i]);

        if (rank <= best) {
            drop_text(plan, before, plan->len);
            continue;
        }
        begin = before - drop_text(plan, begin, end);
        end = plan->len;
        best = rank;
    }
    return best;
}

static void name_leaves(GArray *plan, const MailPart *part)
{
    if (!mail_part_is_multipart(part))
        add(plan, MIME_SHOW_ATTACHMENT, part);
    for (guint i = 0; mail_part_is_multipart(part) && part->parts && i < part->parts->len; i++)
        name_leaves(plan, part->parts->pdata[i]);
}

/* What is related is there for the root, which is the first (RFC 2387). */
static Rank add_related(GArray *plan, const MailPart *part)
{
    Rank rank = RANK_NOTHING;

    for (guint i = 0; i < part->parts->len; i++) {
        if (i == 0)
            rank = add_part(plan, part->parts->pdata[i]);
        else
            name_leaves(plan, part->parts->pdata[i]);
    }
    return rank;
}

static Rank add_multipart(GArray *plan, const MailPart *part)
{
    Rank best = RANK_NOTHING;

    if (is_type(part, "multipart", "alternative"))
        return add_alternatives(plan, part);
    if (is_type(part, "multipart", "related"))
        return add_related(plan, part);
    for (guint i = 0; i < part->parts->len; i++) {
        Rank rank = add_part(plan, part->parts->pdata[i]);

        best = MAX(best, rank);
    }
    return best;
}

/* Returns how well it is read; what a message in it says does not count. */
static Rank add_part(GArray *plan, const MailPart *part)
{
    if (mail_part_is_multipart(part))
        return part->parts ? add_multipart(plan, part) : RANK_NOTHING;
    if (mail_part_is_message(part)) {
        add(plan, MIME_SHOW_HEADER, part);
        add_part(plan, part->parts->pdata[0]);
        return RANK_NOTHING;
    }
    if (!is_read(part)) {
        add(plan, MIME_SHOW_ATTACHMENT, part);
        return RANK_NOTHING;
    }
    add(plan, MIME_SHOW_TEXT, part);
    return rank_of(part);
}

GArray *mime_plan(const MailPart *root)
{
    GArray *plan = g_array_new(FALSE, FALSE, sizeof(MimePiece));

    add_part(plan, root);
    return plan;
}

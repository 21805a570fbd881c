/* SPDX-License-Identifier: MIT */
/* imap/transfer.c - messages to another mailbox: COPY, and MOVE (RFC 6851) or what stands for it.
 */
#include <string.h>

#include "imap/batch.h"

static gboolean is_of(const ImapUnit *unit, guint32 uid)
{
    for (guint i = 0; i < unit->changes->len; i++)
        if (g_array_index(unit->changes, ImapMessageChange, i).uid == uid)
            return TRUE;
    return FALSE;
}

static void take_pairs(ImapUnit *unit, const GArray *pairs)
{
    if (!unit->new_uids)
        unit->new_uids = g_hash_table_new(NULL, NULL);
    for (guint i = 0; i < pairs->len; i++) {
        const ImapUidPair *pair = &g_array_index(pairs, ImapUidPair, i);

        g_hash_table_insert(unit->new_uids, GUINT_TO_POINTER(pair->from),
                            GUINT_TO_POINTER(pair->to));
    }
}

/* "[COPYUID 38505 304,319:320 3956:3958]" (RFC 4315 3), of the mailbox that the target was. */
gboolean imap_transfer_told(ImapUnit *unit, const ImapResponse *response)
{
    const ImapValue *value = response->code_args;
    const char *from = value ? imap_value_text(value->next) : NULL;
    const char *to = from ? imap_value_text(value->next->next) : NULL;
    g_autoptr(GArray) pairs = NULL;
    const ImapTarget *target;
    guint64 uidvalidity;

    if (!response->code || !g_str_equal(response->code, "COPYUID") || !to ||
        !imap_value_number(value, &uidvalidity))
        return FALSE;
    pairs = imap_copyuid_parse(from, to, unit->changes->len);
    if (!pairs || !is_of(unit, g_array_index(pairs, ImapUidPair, 0).from))
        return FALSE;
    target =
        imap_batch_target(unit->batch, g_array_index(unit->changes, ImapMessageChange, 0).target);
    if (uidvalidity && uidvalidity == target->uidvalidity)
        take_pairs(unit, pairs);
    return TRUE;
}

/* COPYUID comes in an untagged OK where EXPUNGEs follow (RFC 6851 4.3).  Some servers tell it of
 * several commands before they end the first. */
static gboolean on_untagged(ImapJob *job, const ImapResponse *response)
{
    return response->is_status && imap_transfer_told(imap_unit_of(job), response);
}

/* What was not copied must not be removed. */
static void keep_uncopied(ImapUnit *unit)
{
    g_autoptr(GError) gone = g_error_new(MAIL_ERROR, MAIL_ERROR_GONE, IMAP_NOT_THERE);

    for (guint i = unit->changes->len; unit->new_uids && i-- > 0;) {
        const ImapMessageChange change = g_array_index(unit->changes, ImapMessageChange, i);

        if (g_hash_table_contains(unit->new_uids, GUINT_TO_POINTER(change.uid)))
            continue;
        g_array_remove_index(unit->changes, i);
        cache_change_refused(imap_worker_cache(unit->batch->task.worker), change.id, gone);
    }
}

/* The second half of a move. */
static void on_copied(ImapUnit *unit)
{
    unit->end = imap_unit_end;
    unit->is_copied = !unit->error;
    if (unit->is_copied)
        keep_uncopied(unit);
    if (unit->is_copied && unit->changes->len)
        imap_removal_send(unit);
    else
        imap_unit_end(unit);
}

static gboolean has_move(const ImapWorker *worker)
{
    return imap_worker_has(worker, "MOVE") || imap_worker_has(worker, "IMAP4REV2");
}

void imap_transfer_send(ImapUnit *unit)
{
    const ImapMessageChange *change = &g_array_index(unit->changes, ImapMessageChange, 0);
    ImapWorker *worker = unit->batch->task.worker;
    gboolean is_move = change->kind == CACHE_CHANGE_MOVE && has_move(worker);
    const CacheBox *target = cache_box(imap_worker_cache(worker), change->target);
    g_autoptr(ImapCommand) command = imap_unit_command(unit, is_move ? "UID MOVE" : "UID COPY");

    if (!target || !target->wire ||
        !imap_command_add_string(command, target->wire, strlen(target->wire), NULL)) {
        unit->error = g_error_new(MAIL_ERROR, MAIL_ERROR_NOT_FOUND, "there is no such mailbox");
        imap_unit_end(unit);
        return;
    }
    if (change->kind == CACHE_CHANGE_MOVE && !is_move)
        unit->end = on_copied;
    imap_unit_send(unit, g_steal_pointer(&command), on_untagged);
}

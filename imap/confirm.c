/* SPDX-License-Identifier: MIT */
/* imap/confirm.c - whether messages are there that are to be removed, and the same that were meant.
 */
#include "imap/append.h"

struct ImapConfirm {
    guint32 box, generation;
    MailSet *asked, *same, *strangers;
    void (*then)(ImapWorker *worker, const MailSet *same, const MailSet *strangers,
                 const GError *error);
};

void imap_confirm_free(struct ImapConfirm *confirm)
{
    if (!confirm)
        return;
    g_array_unref(confirm->asked);
    g_array_unref(confirm->same);
    g_array_unref(confirm->strangers);
    g_free(confirm);
}

static void end(ImapWorker *worker, const GError *error)
{
    struct ImapConfirm *confirm = g_steal_pointer(&worker->task->confirm);

    confirm->then(worker, confirm->same, confirm->strangers, error);
    imap_confirm_free(confirm);
}

/* Some servers answer about another message than the one that was asked for. */
static gboolean fetched(ImapJob *job, const ImapItems *items)
{
    const ImapWorker *worker = job->worker;
    struct ImapConfirm *confirm = worker->task->confirm;
    CacheMessage message;

    if (!(items->present & IMAP_ITEM_SIZE) || !mail_set_contains(confirm->asked, items->uid))
        return FALSE;
    if (imap_worker_find_stranger(worker, confirm->generation, items, &message))
        mail_set_add(confirm->strangers, items->uid, items->uid);
    else
        mail_set_add(confirm->same, items->uid, items->uid);
    return TRUE;
}

static void on_fetched(ImapWorker *worker, const GError *error)
{
    struct ImapConfirm *confirm = worker->task->confirm;
    g_autoptr(GError) some = NULL;

    if (confirm->strangers->len)
        cache_box_suspect(imap_worker_cache(worker), confirm->box);
    /* Of one of the messages, not of the mailbox: "NO [EXPUNGEISSUED]" (RFC 5530 3). */
    if (g_error_matches(error, MAIL_ERROR, MAIL_ERROR_GONE))
        some = g_error_new_literal(MAIL_ERROR, MAIL_ERROR_SERVER, error->message);
    end(worker, some ? some : error);
}

static void ask(ImapWorker *worker)
{
    const struct ImapConfirm *confirm = worker->task->confirm;
    g_autofree char *set = mail_set_format(confirm->asked);
    ImapCommand *command = imap_worker_command(worker, "UID FETCH");
    ImapJob *step = imap_step_new(worker, confirm->box, on_fetched);

    step->fetched = fetched;
    imap_command_addf(command, "%s (INTERNALDATE RFC822.SIZE)", set);
    imap_job_send(step, command);
}

static void on_refreshed(ImapWorker *worker, const GError *error)
{
    if (error)
        end(worker, error);
    else
        ask(worker);
}

/* A session may not see what has come since its last command, nor in the one behind it as long as
 * that is not answered. */
static void refresh(ImapWorker *worker)
{
    imap_job_send(imap_step_new(worker, worker->task->confirm->box, on_refreshed),
                  imap_worker_command(worker, "NOOP"));
}

static void on_entered(ImapWorker *worker, const GError *error)
{
    const struct ImapConfirm *confirm = worker->task->confirm;
    const CacheBox *box = cache_box(imap_worker_cache(worker), confirm->box);
    g_autoptr(GError) gone = NULL;

    if (!error &&
        (!box || box->generation != confirm->generation || !imap_worker_knows_box(worker)))
        gone = imap_worker_gone(worker, confirm->box, "the mailbox was replaced by another one");
    imap_worker_check_box(worker);
    if (error || gone)
        end(worker, error ? error : gone);
    else
        ask(worker);
}

void imap_confirm_start(ImapWorker *worker, guint32 box, guint32 generation, const MailSet *uids,
                        void (*then)(ImapWorker *worker, const MailSet *same,
                                     const MailSet *strangers, const GError *error))
{
    struct ImapConfirm *confirm = g_new0(struct ImapConfirm, 1);
    g_autoptr(GError) error = NULL;

    confirm->box = box;
    confirm->generation = generation;
    confirm->asked = g_array_copy((MailSet *)uids);
    confirm->same = mail_set_new();
    confirm->strangers = mail_set_new();
    confirm->then = then;
    worker->task->confirm = confirm;
    if (imap_worker_has_selected(worker, box) && worker->entered == generation) {
        refresh(worker);
    } else if (!imap_examine(worker, box, NULL, on_entered)) {
        error = g_error_new(MAIL_ERROR, MAIL_ERROR_NOT_FOUND, "there is no such mailbox");
        end(worker, error);
    }
}

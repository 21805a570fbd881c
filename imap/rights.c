/* SPDX-License-Identifier: MIT */
/* imap/rights.c - what may be done in a mailbox: what SELECT tells (RFC 9051 6.3.2, 7.1), and
 * MYRIGHTS (RFC 4314). */
#include <string.h>

#include "imap/changes.h"

struct ImapRights {
    guint32 box;
    guint n_steps;
    char *letters; /* NULL: the server told none */
    GError *error;
    ImapChangesDone done;
};

void imap_rights_free(struct ImapRights *rights)
{
    if (!rights)
        return;
    g_free(rights->letters);
    g_clear_error(&rights->error);
    g_free(rights);
}

/* --- the end --- */

/* The rights of before RFC 4314 stand for the new ones where a server has none of these. */
static gboolean has_right(const char *letters, char letter)
{
    if (strchr(letters, letter))
        return TRUE;
    if (strpbrk(letters, "ktex"))
        return FALSE;
    return (strchr("kx", letter) && strchr(letters, 'c')) ||
           (strchr("te", letter) && strchr(letters, 'd'));
}

static MailFlags allowed_flags(const char *letters)
{
    MailFlags flags = has_right(letters, 'w') ? ~(MAIL_FLAG_SEEN | MAIL_FLAG_DELETED) : 0;

    if (has_right(letters, 's'))
        flags |= MAIL_FLAG_SEEN;
    if (has_right(letters, 't'))
        flags |= MAIL_FLAG_DELETED;
    return flags;
}

static void apply_letters(const char *letters, CacheRights *rights)
{
    rights->may_insert = has_right(letters, 'i');
    rights->may_remove &= has_right(letters, 't') && has_right(letters, 'e');
    rights->may_create = has_right(letters, 'k');
    rights->may_rename = has_right(letters, 'x');
    rights->permanent &= allowed_flags(letters);
    rights->may_invent &= has_right(letters, 'w');
    rights->is_read_only &= !rights->may_insert;
    rights->is_read_only |= !rights->may_insert && !rights->may_remove && !rights->permanent;
}

static CacheRights tell_rights(const ImapTold *told, const char *letters)
{
    CacheRights rights = {.is_read_only = told->is_read_only,
                          .may_insert = !told->is_read_only,
                          .may_remove = !told->is_read_only,
                          .may_create = TRUE,
                          .may_rename = TRUE};

    if (!told->is_read_only) {
        rights.permanent = told->has_permanent ? told->permanent : told->flags;
        rights.may_invent = told->may_invent;
    }
    if (rights.may_invent)
        rights.permanent |= MAIL_FLAG_FORWARDED; /* a keyword, too */
    if (letters)
        apply_letters(letters, &rights);
    return rights;
}

static void end_wants(Cache *cache, guint32 box, const GError *error)
{
    for (GList *link = cache_wants(cache)->head, *next; link; link = next) {
        const CacheWant *want = link->data;

        next = link->next;
        if (want->kind == CACHE_WANT_RIGHTS && want->box == box)
            cache_want_done(cache, want->id, error);
    }
}

/* After the loss of the connection another one is asked. */
static void end_step(ImapWorker *worker)
{
    struct ImapRights *rights = worker->rights;
    Cache *cache = imap_worker_cache(worker);
    ImapChangesDone done = rights->done;
    CacheRights told;

    if (--rights->n_steps)
        return;
    if (!imap_session_is_closed(worker->session)) {
        told = tell_rights(&worker->told, rights->letters);
        if (!rights->error)
            cache_put_rights(cache, rights->box, &told);
        end_wants(cache, rights->box, rights->error);
    }
    imap_rights_free(g_steal_pointer(&worker->rights));
    done(worker);
}

/* --- SELECT --- */

static void on_entered(ImapWorker *worker, const GError *error)
{
    if (error)
        worker->rights->error = g_error_copy(error);
    else
        imap_worker_check_box(worker);
    end_step(worker);
}

static void enter(ImapWorker *worker, guint32 box)
{
    if (imap_worker_has_selected(worker, box))
        return;
    worker->rights->n_steps++;
    if (imap_examine(worker, box, NULL, on_entered))
        return;
    worker->rights->error =
        g_error_new(MAIL_ERROR, MAIL_ERROR_NOT_FOUND, "there is no such mailbox");
    end_step(worker);
}

/* --- MYRIGHTS --- */

/* "* MYRIGHTS INBOX lrsw" */
static gboolean on_myrights(ImapJob *job, const ImapResponse *response)
{
    struct ImapRights *rights = job->worker->rights;
    const char *letters = response->values ? imap_value_text(response->values->next) : NULL;

    if (!g_str_equal(response->name, "MYRIGHTS"))
        return FALSE;
    g_free(rights->letters);
    rights->letters = g_strdup(letters);
    return TRUE;
}

/* A server that does not tell them still decides. */
static void finish_myrights(ImapJob *job, const ImapResponse *response, const GError *error)
{
    end_step(job->worker);
}

static void ask_letters(ImapWorker *worker, guint32 box)
{
    const char *wire = cache_box(imap_worker_cache(worker), box)->wire;
    g_autoptr(ImapCommand) command = imap_worker_command(worker, "MYRIGHTS");
    ImapJob *job;

    if (!imap_worker_has(worker, "ACL") ||
        !imap_command_add_string(command, wire, strlen(wire), NULL))
        return;
    job = imap_job_new(worker, sizeof *job, 0);
    job->untagged = on_myrights;
    job->finish = finish_myrights;
    worker->rights->n_steps++;
    imap_job_send(job, g_steal_pointer(&command));
}

void imap_rights_start(ImapWorker *worker, guint32 box, ImapChangesDone done)
{
    worker->rights = g_new0(struct ImapRights, 1);
    worker->rights->box = box;
    worker->rights->done = done;
    worker->rights->n_steps = 1;
    enter(worker, box);
    if (!worker->rights->error)
        ask_letters(worker, box);
    end_step(worker);
}

void imap_rights_tell_limit(ImapWorker *worker)
{
    cache_put_append_limit(imap_worker_cache(worker),
                           imap_worker_capability_number(worker, "APPENDLIMIT="));
}

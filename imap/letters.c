/* SPDX-License-Identifier: MIT */
/* imap/letters.c - what an access control list lets us do (RFC 4314). */
#include "imap/letters.h"

#include <string.h>

typedef struct {
    ImapJob job;
    char *letters; /* or NULL */
    void (*then)(ImapWorker *worker);
} Asking;

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

void imap_letters_apply(const char *letters, CacheRights *rights)
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

/* --- asking for a listing --- */

/* "* MYRIGHTS INBOX lrsw" */
static gboolean on_myrights(ImapJob *job, const ImapResponse *response)
{
    Asking *asking = (Asking *)job;

    if (!g_str_equal(response->name, "MYRIGHTS"))
        return FALSE;
    g_free(asking->letters);
    asking->letters = g_strdup(response->values ? imap_value_text(response->values->next) : NULL);
    return TRUE;
}

static void finish(ImapJob *job, const ImapResponse *response, const GError *error)
{
    const Asking *asking = (Asking *)job;
    CacheRights rights = {.may_remove = TRUE, .permanent = ~(MailFlags)0};

    if (!error && asking->letters) {
        imap_letters_apply(asking->letters, &rights);
        cache_put_read_only(imap_worker_cache(job->worker), job->box, rights.is_read_only);
    }
    asking->then(job->worker);
}

static void clear(ImapJob *job)
{
    g_free(((Asking *)job)->letters);
}

gboolean imap_letters_ask(ImapWorker *worker, guint32 box, void (*then)(ImapWorker *worker))
{
    Cache *cache = imap_worker_cache(worker);
    const char *wire = cache_box(cache, box)->wire;
    g_autoptr(ImapCommand) command = NULL;
    Asking *asking;

    if (!imap_worker_has(worker, "ACL") || cache_has_rights(cache, box))
        return FALSE;
    command = imap_worker_command(worker, "MYRIGHTS");
    if (!imap_command_add_string(command, wire, strlen(wire), NULL))
        return FALSE;
    asking = imap_job_new(worker, sizeof *asking, box);
    asking->job.untagged = on_myrights;
    asking->job.finish = finish;
    asking->job.clear = clear;
    asking->then = then;
    imap_job_send(asking, g_steal_pointer(&command));
    return TRUE;
}

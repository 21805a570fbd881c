/* SPDX-License-Identifier: MIT */
/* imap/quota.c - quota roots and their resources (RFC 9208), of a mailbox and of the account. */
#include "imap/quota.h"

#include "imap/worker.h"

#define ROOTS_MAX 100                 /* of a mailbox; others are not looked at */
#define TOLD_MAX  (G_MAXINT64 / 1024) /* numbers beyond it are none */

typedef struct {
    char *name;
    gboolean is_named; /* by QUOTAROOT */
    CacheResource storage, messages;
} Root;

struct ImapQuota {
    GPtrArray *roots;
};

static void root_free(gpointer data)
{
    Root *root = data;

    g_free(root->name);
    g_free(root);
}

ImapQuota *imap_quota_new(void)
{
    ImapQuota *quota = g_new(ImapQuota, 1);

    quota->roots = g_ptr_array_new_with_free_func(root_free);
    return quota;
}

void imap_quota_free(ImapQuota *quota)
{
    if (!quota)
        return;
    g_ptr_array_unref(quota->roots);
    g_free(quota);
}

/* --- what is told --- */

/* NULL for what is no name, and when there are too many. */
static Root *find_or_add(ImapQuota *quota, const ImapValue *value)
{
    const char *name = imap_value_text(value);
    Root *root;

    for (guint i = 0; name && i < quota->roots->len; i++) {
        root = quota->roots->pdata[i];
        if (g_str_equal(root->name, name))
            return root;
    }
    if (!name || quota->roots->len >= ROOTS_MAX)
        return NULL;
    root = g_new0(Root, 1);
    root->name = g_strdup(name);
    g_ptr_array_add(quota->roots, root);
    return root;
}

/* "QUOTAROOT INBOX "" Shared": the mailbox and its roots. */
static void take_names(ImapQuota *quota, const ImapValue *box)
{
    for (const ImapValue *name = box ? box->next : NULL; name; name = name->next) {
        Root *root = find_or_add(quota, name);

        if (root)
            root->is_named = TRUE;
    }
}

static void take_resource(Root *root, const ImapValue *name, const ImapValue *used,
                          const ImapValue *limit)
{
    CacheResource told;

    if (!imap_value_number(used, &told.used) || !imap_value_number(limit, &told.limit) ||
        told.used > TOLD_MAX || told.limit > TOLD_MAX)
        return;
    if (imap_value_is(name, "STORAGE"))
        root->storage = (CacheResource){told.used * 1024, told.limit * 1024};
    else if (imap_value_is(name, "MESSAGE"))
        root->messages = told;
}

/* "QUOTA "" (STORAGE 10 512 MESSAGE 3 100)", storage in units of 1,024 octets. */
static void take_resources(ImapQuota *quota, const ImapValue *name)
{
    Root *root = find_or_add(quota, name);
    const ImapValue *word = root ? imap_value_nth(name->next, 0) : NULL;

    while (word && word->next && word->next->next) {
        take_resource(root, word, word->next, word->next->next);
        word = word->next->next->next;
    }
}

gboolean imap_quota_take(ImapQuota *quota, const ImapResponse *response)
{
    if (g_str_equal(response->name, "QUOTAROOT"))
        take_names(quota, response->values);
    else if (g_str_equal(response->name, "QUOTA"))
        take_resources(quota, response->values);
    else
        return FALSE;
    return TRUE;
}

static guint64 left(const CacheResource *resource)
{
    return resource->limit > resource->used ? resource->limit - resource->used : 0;
}

static void restrict_to(CacheResource *least, const CacheResource *told)
{
    if (told->limit && (!least->limit || left(told) < left(least)))
        *least = *told;
}

void imap_quota_tell(const ImapQuota *quota, CacheResource *ret_storage,
                     CacheResource *ret_messages)
{
    *ret_storage = *ret_messages = (CacheResource){0};
    for (guint i = 0; i < quota->roots->len; i++) {
        const Root *root = quota->roots->pdata[i];

        if (!root->is_named)
            continue;
        restrict_to(ret_storage, &root->storage);
        restrict_to(ret_messages, &root->messages);
    }
}

/* --- of the account: what INBOX has --- */

typedef struct {
    ImapJob job;
    ImapQuota *quota;
} QuotaJob;

static gboolean on_quota(ImapJob *job, const ImapResponse *response)
{
    return imap_quota_take(((QuotaJob *)job)->quota, response);
}

static void finish(ImapJob *job, const ImapResponse *response, const GError *error)
{
    CacheResource storage, messages;

    if (error)
        return;
    imap_quota_tell(((QuotaJob *)job)->quota, &storage, &messages);
    cache_put_quota(imap_worker_cache(job->worker),
                    &(CacheQuota){TRUE, storage.used, storage.limit});
}

static void clear(ImapJob *job)
{
    imap_quota_free(((QuotaJob *)job)->quota);
}

void imap_quota_start(ImapWorker *worker, const CacheWant *want)
{
    Cache *cache = imap_worker_cache(worker);
    const CacheQuota none = {.is_known = TRUE};
    QuotaJob *asking;
    ImapCommand *command;

    /* Until told otherwise there is none. */
    cache_put_quota(cache, &none);
    if (!imap_worker_has(worker, "QUOTA")) {
        cache_want_done(cache, want->id, NULL);
        return;
    }
    asking = imap_job_new(worker, sizeof *asking, 0);
    asking->quota = imap_quota_new();
    asking->job.untagged = on_quota;
    asking->job.finish = finish;
    asking->job.clear = clear;
    imap_job_take(&asking->job, want);
    command = imap_worker_command(worker, "GETQUOTAROOT");
    imap_command_add(command, "INBOX");
    imap_job_send(asking, command);
}

/* SPDX-License-Identifier: MIT */
/* imap/box-changes.c - CREATE, DELETE and RENAME of mailboxes (RFC 9051 6.3.4 to 6.3.6).
 *
 *      [leave] -> [place] -> look -> [note -> [count] -> change] -> subscribe, list anew -> settle
 *
 * What LIST says of the names before decides: a change that was done already, by us when its answer
 * was lost, is done; what is in the way is EXISTS.
 */
#include <string.h>

#include "imap/hierarchy.h"
#include "imap/task.h"

#define SUBSCRIBE_MAX 1000
#define LISTED_MAX    1000
#define BOX_NAME_MAX  4096

/* A mailbox that LIST told of. */
typedef struct {
    char *wire, *delimiter;
    guint attributes;
} Listed;

typedef struct {
    ImapTask task;
    guint32 id;
    CacheChangeKind kind;
    guint32 box, parent; /* what is changed; below which it will be */
    char *name;          /* that it will have */
    gboolean was_sent;
    char *old, *wire;      /* the server's names of it: as it is, and as it will be */
    char *place;           /* with what the names of its neighbours begin */
    char *delimiter;       /* of its neighbours */
    char *anchor;          /* a mailbox that tells those */
    guint n_above;         /* so many levels above that they begin */
    GPtrArray *listed;     /* Listed, told of this step */
    guint n_steps;         /* in flight */
    gboolean has_messages; /* or could have */
    guint64 n_messages;
    GError *error; /* why it is not done */
} BoxChange;

static BoxChange *change_of(const ImapWorker *worker)
{
    return (BoxChange *)worker->task;
}

static void listed_free(gpointer data)
{
    Listed *listed = data;

    g_free(listed->wire);
    g_free(listed->delimiter);
    g_free(listed);
}

static void clear(ImapTask *task)
{
    BoxChange *change = (BoxChange *)task;

    g_free(change->name);
    g_free(change->old);
    g_free(change->wire);
    g_free(change->place);
    g_free(change->delimiter);
    g_free(change->anchor);
    g_ptr_array_unref(change->listed);
    g_clear_error(&change->error);
}

/* --- the end --- */

static void on_listed_anew(ImapWorker *worker, const GError *error)
{
    const BoxChange *change = change_of(worker);
    Cache *cache = imap_worker_cache(worker);

    /* Also when it could be done later: who waits for it is told, and does not expect it then. */
    if (change->error && !imap_session_is_closed(worker->session))
        cache_change_refused(cache, change->id, change->error);
    else if (!change->error)
        cache_change_done(cache, change->id, 0);
    imap_task_end(worker);
}

/* @error (taken): why it is not done, or NULL.  Servers do not always do what they say, and give
 * other names than they were told: so their mailboxes are listed anew. */
static void conclude(ImapWorker *worker, GError *error)
{
    change_of(worker)->error = error;
    if (imap_session_is_closed(worker->session))
        on_listed_anew(worker, NULL);
    else
        imap_list_start(worker, on_listed_anew);
}

static void refuse(ImapWorker *worker, MailError code, const char *why)
{
    conclude(worker, g_error_new_literal(MAIL_ERROR, code, why));
}

/* --- subscriptions: other clients show what is subscribed --- */

static void ignore(ImapWorker *worker, const GError *error)
{
}

static void subscribe(ImapWorker *worker, const char *command, const char *wire)
{
    imap_step_send(imap_step_new(worker, 0, ignore), command, wire);
}

/* The server's names of @id and all that is below it. */
static void collect(Cache *cache, guint32 id, GPtrArray *wires)
{
    const CacheBox *box = cache_box(cache, id);

    if (box && box->wire && wires->len < SUBSCRIBE_MAX)
        g_ptr_array_add(wires, g_strdup(box->wire));
    for (box = cache_box_next_child(cache, id, 0); box;
         box = cache_box_next_child(cache, id, box->id))
        collect(cache, box->id, wires);
}

static void subscribe_renamed(ImapWorker *worker)
{
    const BoxChange *change = change_of(worker);
    g_autoptr(GPtrArray) wires = g_ptr_array_new_with_free_func(g_free);

    collect(imap_worker_cache(worker), change->box, wires);
    for (guint i = 0; i < wires->len; i++) {
        const char *old = wires->pdata[i];
        g_autofree char *wire = NULL;

        if (!g_str_has_prefix(old, change->old))
            continue;
        wire = g_strconcat(change->wire, old + strlen(change->old), NULL);
        subscribe(worker, "UNSUBSCRIBE", old);
        subscribe(worker, "SUBSCRIBE", wire);
    }
}

/* --- done --- */

/* Where the cache will have it: at the root, names begin with those of the namespace. */
static guint32 parent_of(ImapWorker *worker)
{
    const BoxChange *change = change_of(worker);
    Cache *cache = imap_worker_cache(worker);
    gsize len = strlen(change->place);

    if (change->parent != CACHE_ROOT || !len)
        return change->parent;
    for (const CacheBox *box = cache_box_next_child(cache, CACHE_ROOT, 0); box;
         box = cache_box_next_child(cache, CACHE_ROOT, box->id))
        if (strlen(box->name) + 1 == len && g_str_has_prefix(change->place, box->name))
            return box->id;
    return CACHE_ROOT;
}

static void follow(ImapWorker *worker)
{
    const BoxChange *change = change_of(worker);

    switch (change->kind) {
    case CACHE_CHANGE_CREATE: subscribe(worker, "SUBSCRIBE", change->wire); break;
    case CACHE_CHANGE_DELETE: subscribe(worker, "UNSUBSCRIBE", change->old); break;
    default:
        subscribe_renamed(worker);
        cache_box_renamed(imap_worker_cache(worker), change->box, parent_of(worker), change->name,
                          change->wire);
    }
    conclude(worker, NULL);
}

static void on_changed(ImapWorker *worker, const GError *error)
{
    if (error)
        conclude(worker, g_error_copy(error));
    else
        follow(worker);
}

static void send_rename(ImapWorker *worker)
{
    const BoxChange *change = change_of(worker);
    ImapCommand *command = imap_worker_command(worker, "RENAME");

    if (!imap_command_add_string(command, change->old, strlen(change->old), NULL) ||
        !imap_command_add_string(command, change->wire, strlen(change->wire), NULL))
        g_assert_not_reached(); /* only a NUL cannot be sent */
    imap_job_send(imap_step_new(worker, 0, on_changed), command);
}

static void count(ImapWorker *worker);

static void on_noted(ImapWorker *worker, const GError *error)
{
    const BoxChange *change = change_of(worker);

    if (error) {
        conclude(worker, g_error_copy(error));
        return;
    }
    switch (change->kind) {
    case CACHE_CHANGE_CREATE:
        imap_step_send(imap_step_new(worker, 0, on_changed), "CREATE", change->wire);
        break;
    case CACHE_CHANGE_DELETE: count(worker); break;
    default: send_rename(worker);
    }
}

static void note(ImapWorker *worker)
{
    imap_task_note(worker, worker->task->ids, 0, 1, on_noted);
}

/* --- what there is --- */

static gboolean on_list(ImapJob *job, const ImapResponse *response)
{
    ImapListed told;
    Listed *listed;

    if (!g_str_equal(response->name, "LIST"))
        return FALSE;
    if (!imap_listed_parse(response->values, &told) || strlen(told.wire) > BOX_NAME_MAX ||
        change_of(job->worker)->listed->len >= LISTED_MAX)
        return TRUE;
    listed = g_new0(Listed, 1);
    *listed = (Listed){g_strdup(told.wire), g_strdup(told.delimiter), told.attributes};
    g_ptr_array_add(change_of(job->worker)->listed, listed);
    return TRUE;
}

static void send_list(ImapWorker *worker, const char *pattern,
                      void (*then)(ImapWorker *worker, const GError *error))
{
    ImapJob *step = imap_step_new(worker, 0, then);
    ImapCommand *command = imap_worker_command(worker, "LIST");

    step->untagged = on_list;
    imap_command_add(command, "\"\"");
    if (!imap_command_add_string(command, pattern, strlen(pattern), NULL))
        g_assert_not_reached(); /* only a NUL cannot be sent */
    change_of(worker)->n_steps++;
    imap_job_send(step, command);
}

/* Names may have what are wildcards: others are told of then, too. */
static const Listed *find(ImapWorker *worker, const char *wire)
{
    const GPtrArray *listed = change_of(worker)->listed;

    for (guint i = 0; i < listed->len; i++)
        if (imap_is_same_box(((const Listed *)listed->pdata[i])->wire, wire))
            return listed->pdata[i];
    return NULL;
}

/* One of several steps was answered: whether all were, and without an error. */
static gboolean is_ready(ImapWorker *worker, const GError *error)
{
    BoxChange *change = change_of(worker);

    if (error && !change->error)
        change->error = g_error_copy(error);
    if (--change->n_steps > 0)
        return FALSE;
    if (!change->error)
        return TRUE;
    conclude(worker, g_steal_pointer(&change->error));
    return FALSE;
}

/* --- CREATE --- */

static void on_create_looked(ImapWorker *worker, const GError *error)
{
    const BoxChange *change = change_of(worker);
    const Listed *there;

    if (!is_ready(worker, error))
        return;
    there = find(worker, change->wire);
    if (!there || there->attributes & CACHE_BOX_NOSELECT)
        note(worker);
    else if (change->was_sent)
        follow(worker);
    else
        refuse(worker, MAIL_ERROR_EXISTS, "there is a mailbox of that name");
}

/* --- RENAME --- */

static void on_rename_looked(ImapWorker *worker, const GError *error)
{
    const BoxChange *change = change_of(worker);
    const Listed *old, *new;

    if (!is_ready(worker, error))
        return;
    old = find(worker, change->old);
    new = find(worker, change->wire);
    if (change->was_sent && new &&
        (!old || (old->attributes & ~new->attributes &CACHE_BOX_NOSELECT)))
        follow(worker);
    else if (!old)
        refuse(worker, MAIL_ERROR_NOT_FOUND, "the mailbox is not there any more");
    else if (new)
        refuse(worker, MAIL_ERROR_EXISTS, "there is a mailbox of that name");
    else
        note(worker);
}

static void look_for_rename(ImapWorker *worker)
{
    const BoxChange *change = change_of(worker);
    g_autofree char *below = g_strconcat(change->old, change->delimiter, NULL);

    if (imap_is_same_box(change->old, change->wire)) {
        conclude(worker, NULL);
    } else if (*change->delimiter && g_str_has_prefix(change->wire, below)) {
        refuse(worker, MAIL_ERROR_INVALID, "a mailbox cannot go below itself");
    } else {
        send_list(worker, change->old, on_rename_looked);
        send_list(worker, change->wire, on_rename_looked);
    }
}

/* --- DELETE --- */

static gboolean has_children(ImapWorker *worker)
{
    const BoxChange *change = change_of(worker);
    g_autofree char *below = g_strconcat(change->old, change->delimiter, NULL);

    for (guint i = 0; i < change->listed->len; i++)
        if (g_str_has_prefix(((const Listed *)change->listed->pdata[i])->wire, below))
            return TRUE;
    return FALSE;
}

static void on_delete_counted(ImapWorker *worker, const GError *error)
{
    const BoxChange *change = change_of(worker);

    if (!is_ready(worker, error))
        return;
    if (change->n_messages)
        refuse(worker, MAIL_ERROR_EXISTS, "the mailbox has messages");
    else if (*change->delimiter && has_children(worker))
        refuse(worker, MAIL_ERROR_EXISTS, "the mailbox has others below it");
    else
        imap_step_send(imap_step_new(worker, 0, on_changed), "DELETE", change->old);
}

/* What does not tell how many are in it is not believed to be empty. */
static void on_status(ImapWorker *worker, const ImapStatus *status, const GError *error)
{
    change_of(worker)->n_messages = status->has_messages ? status->messages : 1;
    on_delete_counted(worker, error);
}

/* Last of all, for what comes between this and DELETE is lost. */
static void count(ImapWorker *worker)
{
    BoxChange *change = change_of(worker);
    g_autofree char *children = g_strconcat(change->old, change->delimiter, "%", NULL);

    g_ptr_array_set_size(change->listed, 0);
    send_list(worker, children, on_delete_counted);
    if (change->has_messages) {
        change->n_steps++;
        imap_status_send(worker, change->old, on_status);
    }
}

static void on_delete_looked(ImapWorker *worker, const GError *error)
{
    BoxChange *change = change_of(worker);
    const Listed *there;

    if (!is_ready(worker, error))
        return;
    there = find(worker, change->old);
    if (!there) {
        follow(worker);
        return;
    }
    change->delimiter = g_strdup(there->delimiter);
    change->has_messages = !(there->attributes & CACHE_BOX_NOSELECT);
    note(worker);
}

/* --- the place of what is created or renamed --- */

static void take_place(ImapWorker *worker, const char *place, const char *delimiter)
{
    BoxChange *change = change_of(worker);
    gboolean is_utf8 = imap_session_has_enabled(worker->session, "UTF8=ACCEPT");
    GError *error = NULL;

    change->place = g_strdup(place);
    change->delimiter = g_strdup(delimiter);
    change->wire = imap_wire_new(place, delimiter, change->name, is_utf8, &error);
    g_ptr_array_set_size(change->listed, 0);
    if (!change->wire)
        conclude(worker, error);
    else if (change->kind == CACHE_CHANGE_RENAME)
        look_for_rename(worker);
    else
        send_list(worker, change->wire, on_create_looked);
}

static void on_anchor(ImapWorker *worker, const GError *error)
{
    const BoxChange *change = change_of(worker);
    const Listed *anchor;
    g_autofree char *place = NULL;

    if (!is_ready(worker, error))
        return;
    anchor = find(worker, change->anchor);
    if (anchor)
        place = imap_wire_dup_place(anchor->wire, anchor->delimiter, change->n_above);
    if (place)
        take_place(worker, place, anchor->delimiter);
    else if (anchor)
        refuse(worker, MAIL_ERROR_UNSUPPORTED, "the mailbox cannot have others below it");
    else
        refuse(worker, MAIL_ERROR_NOT_FOUND, "the mailbox above it is not there any more");
}

/* The first mailbox at or below @id that has a name of its own, and how far below. */
static const CacheBox *find_anchor(Cache *cache, guint32 id, guint *ret_depth)
{
    const CacheBox *box = cache_box(cache, id);

    *ret_depth = 0;
    while (box && !box->wire) {
        box = cache_box_next_child(cache, box->id, 0);
        (*ret_depth)++;
    }
    return box;
}

/* "LIST "" """ tells the delimiter of the root (RFC 9051 6.3.9.1). */
static void on_root(ImapWorker *worker, const GError *error)
{
    const BoxChange *change = change_of(worker);
    const Listed *root = change->listed->len ? change->listed->pdata[0] : NULL;
    g_autofree char *delimiter = g_strdup(root ? root->delimiter : "");

    if (is_ready(worker, error))
        take_place(worker, "", delimiter);
}

/* "* NAMESPACE (("INBOX." ".")) NIL NIL" (RFC 2342): the first is our own. */
static gboolean on_namespace(ImapJob *job, const ImapResponse *response)
{
    BoxChange *change = change_of(job->worker);
    const ImapValue *own = imap_value_nth(response->values, 0);
    const char *prefix = imap_value_text(imap_value_nth(own, 0));
    const char *delimiter = imap_value_text(imap_value_nth(own, 1));

    if (!g_str_equal(response->name, "NAMESPACE"))
        return FALSE;
    if (prefix && strlen(prefix) <= BOX_NAME_MAX && !change->anchor)
        change->anchor = g_strdup(prefix);
    if (delimiter && strlen(delimiter) <= 1 && !change->delimiter)
        change->delimiter = g_strdup(delimiter);
    return TRUE;
}

static void on_namespace_told(ImapWorker *worker, const GError *error)
{
    BoxChange *change = change_of(worker);
    g_autofree char *prefix = g_steal_pointer(&change->anchor);
    g_autofree char *delimiter = g_steal_pointer(&change->delimiter);

    if (error && imap_task_must_wait(worker, error))
        conclude(worker, g_error_copy(error));
    else if (prefix && delimiter)
        take_place(worker, prefix, delimiter);
    else
        send_list(worker, "", on_root);
}

static void find_root_place(ImapWorker *worker)
{
    ImapJob *step;

    if (!imap_worker_has(worker, "NAMESPACE")) {
        send_list(worker, "", on_root);
        return;
    }
    step = imap_step_new(worker, 0, on_namespace_told);
    step->untagged = on_namespace;
    imap_job_send(step, imap_worker_command(worker, "NAMESPACE"));
}

static void find_place(ImapWorker *worker)
{
    BoxChange *change = change_of(worker);
    const CacheBox *anchor;

    if (change->parent == CACHE_ROOT) {
        find_root_place(worker);
        return;
    }
    anchor = find_anchor(imap_worker_cache(worker), change->parent, &change->n_above);
    if (!anchor) {
        refuse(worker, MAIL_ERROR_NOT_FOUND, "the mailbox above it is not there any more");
        return;
    }
    change->anchor = g_strdup(anchor->wire);
    send_list(worker, change->anchor, on_anchor);
}

/* --- the start --- */

static void begin(ImapWorker *worker)
{
    const BoxChange *change = change_of(worker);

    if (change->kind == CACHE_CHANGE_DELETE)
        send_list(worker, change->old, on_delete_looked);
    else
        find_place(worker);
}

static void on_left(ImapWorker *worker, const GError *error)
{
    if (imap_session_is_closed(worker->session))
        conclude(worker, g_error_copy(error));
    else
        begin(worker);
}

static guint32 find_inbox(Cache *cache)
{
    for (const CacheBox *box = cache_box_next_child(cache, CACHE_ROOT, 0); box;
         box = cache_box_next_child(cache, CACHE_ROOT, box->id))
        if (box->wire && imap_is_inbox(box->wire))
            return box->id;
    return 0;
}

/* A mailbox that is entered cannot be removed everywhere; INBOX never is. */
static void leave(ImapWorker *worker)
{
    guint32 inbox = find_inbox(imap_worker_cache(worker));

    if (!worker->box || worker->box == inbox || !imap_examine(worker, inbox, NULL, on_left))
        begin(worker);
}

/* Takes what is to be done; FALSE, and why, when it cannot be. */
static gboolean take_change(ImapWorker *worker, const CacheChange *told, GError **error)
{
    BoxChange *change = change_of(worker);
    const CacheBox *box = cache_box(imap_worker_cache(worker), told->box);

    change->kind = told->kind;
    change->box = told->box;
    change->parent = told->target;
    change->name = g_strdup(told->name ? told->name : "");
    change->was_sent = told->sent_uidnext != 0;
    if (told->kind == CACHE_CHANGE_CREATE)
        return TRUE;
    if (!told->wire) {
        g_set_error(error, MAIL_ERROR, box ? MAIL_ERROR_UNSUPPORTED : MAIL_ERROR_NOT_FOUND,
                    "the server has no mailbox of that name");
        return FALSE;
    }
    if (imap_is_inbox(told->wire)) {
        g_set_error(error, MAIL_ERROR, MAIL_ERROR_PERMISSION,
                    "INBOX can be neither removed nor renamed");
        return FALSE;
    }
    change->old = g_strdup(told->wire);
    return TRUE;
}

void imap_box_change_start(ImapWorker *worker, guint32 id, ImapChangesDone done)
{
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(guint32));
    const CacheChange *told = cache_change(imap_worker_cache(worker), id);
    g_autoptr(GError) error = NULL;
    BoxChange *change;

    g_array_append_val(ids, id);
    change = imap_task_new(worker, sizeof *change, ids, done, clear);
    change->id = id;
    change->listed = g_ptr_array_new_with_free_func(listed_free);
    if (!told) {
        imap_task_end(worker);
    } else if (!take_change(worker, told, &error)) {
        cache_change_refused(imap_worker_cache(worker), id, error);
        imap_task_end(worker);
    } else if (told->kind == CACHE_CHANGE_CREATE) {
        begin(worker);
    } else {
        leave(worker);
    }
}

/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/fakebackend.c - a server and its backend in one. */
#include "fakebackend.h"

#include <string.h>

#include "mime/mime.h"

#define DATE 1771165800 /* 2026-02-15 14:30 */

static const CacheRights all_rights = {
    .may_insert = TRUE,
    .may_remove = TRUE,
    .may_create = TRUE,
    .may_rename = TRUE,
    .permanent = ~(MailFlags)0,
    .may_invent = TRUE,
};

static void on_wants_changed(gpointer data)
{
    FakeBackend *backend = data;

    if (!backend->is_held)
        fakebackend_fulfil_all(backend);
}

static const CacheBackend callbacks = {.wants_changed = on_wants_changed};

static void messages_free(gpointer messages)
{
    g_ptr_array_unref(messages);
}

FakeBackend *fakebackend_new(Cache *cache)
{
    FakeBackend *backend = g_new0(FakeBackend, 1);

    backend->cache = cache;
    backend->rights = all_rights;
    backend->paths = g_ptr_array_new_with_free_func(g_free);
    backend->messages = g_hash_table_new_full(NULL, NULL, NULL, messages_free);
    cache_set_backend(cache, &callbacks, backend);
    cache_set_state(cache, CACHE_ONLINE, NULL);
    return backend;
}

void fakebackend_free(FakeBackend *backend)
{
    cache_set_backend(backend->cache, NULL, NULL);
    g_hash_table_unref(backend->messages);
    g_ptr_array_unref(backend->paths);
    g_free(backend);
}

/* --- mailboxes --- */

static guint attributes_of(const FakeBackend *backend, const char *path)
{
    if (backend->is_spool)
        return g_str_equal(path, "Read") ? CACHE_BOX_READ : CACHE_BOX_READ_ONCE;
    if (g_str_equal(path, "Trash"))
        return CACHE_BOX_TRASH;
    return g_str_equal(path, "Sent") ? CACHE_BOX_SENT : 0;
}

static void put_boxes(FakeBackend *backend)
{
    static const gboolean none_raw[16];
    g_autoptr(GPtrArray) split = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
    g_autoptr(GArray) boxes = g_array_new(FALSE, FALSE, sizeof(CacheBoxNews));

    for (guint i = 0; i < backend->paths->len; i++) {
        const char *path = backend->paths->pdata[i];
        char **names = g_strsplit(path, "/", -1);
        CacheBoxNews box = {path, (const char *const *)names, none_raw,
                            attributes_of(backend, path)};

        g_ptr_array_add(split, names);
        g_array_append_val(boxes, box);
    }
    cache_put_boxes(backend->cache, (const CacheBoxNews *)(gpointer)boxes->data, boxes->len);
}

void fakebackend_set_boxes(FakeBackend *backend, const char *first, ...)
{
    va_list paths;

    g_ptr_array_set_size(backend->paths, 0);
    va_start(paths, first);
    for (const char *path = first; path; path = va_arg(paths, const char *))
        g_ptr_array_add(backend->paths, g_strdup(path));
    va_end(paths);
    put_boxes(backend);
}

static guint32 child_called(FakeBackend *backend, guint32 parent, const char *name)
{
    const CacheBox *box = NULL;

    while ((box = cache_box_next_child(backend->cache, parent, box ? box->id : 0)))
        if (g_str_equal(box->name, name))
            return box->id;
    g_assert_not_reached();
}

guint32 fakebackend_box(FakeBackend *backend, const char *path)
{
    g_auto(GStrv) names = g_strsplit(path, "/", -1);
    guint32 box = CACHE_ROOT;

    for (char **name = names; *name; name++)
        box = child_called(backend, box, *name);
    return box;
}

/* --- messages --- */

static void message_free(gpointer data)
{
    FakeMessage *message = data;

    g_clear_pointer(&message->raw, g_bytes_unref);
    g_free(message);
}

static GPtrArray *messages_of(FakeBackend *backend, guint32 box)
{
    GPtrArray *messages = g_hash_table_lookup(backend->messages, GUINT_TO_POINTER(box));

    if (!messages) {
        messages = g_ptr_array_new_with_free_func(message_free);
        g_hash_table_insert(backend->messages, GUINT_TO_POINTER(box), messages);
    }
    return messages;
}

FakeMessage *fakebackend_message(FakeBackend *backend, guint32 box, guint32 uid)
{
    const GPtrArray *messages = messages_of(backend, box);

    for (guint i = 0; i < messages->len; i++) {
        FakeMessage *message = messages->pdata[i];

        if (message->uid == uid)
            return message;
    }
    return NULL;
}

FakeMessage *fakebackend_add(FakeBackend *backend, guint32 box, guint32 uid)
{
    FakeMessage *message = g_new(FakeMessage, 1);

    *message = (FakeMessage){
        .uid = uid,
        .date = DATE,
        .size = 1000 + uid,
        .size_told = 1000 + uid,
        .from = "Alice Möller",
        .subject = "Re: Budget",
        .to = "Bob",
    };
    g_ptr_array_add(messages_of(backend, box), message);
    return message;
}

FakeMessage *fakebackend_add_raw(FakeBackend *backend, guint32 box, guint32 uid, GBytes *raw)
{
    FakeMessage *message = fakebackend_add(backend, box, uid);

    message->raw = raw;
    message->size = message->size_told = g_bytes_get_size(raw);
    return message;
}

static guint8 byte_at(guint32 uid, guint64 offset)
{
    return (guint8)(offset * 7 + (offset >> 8) * 13 + (offset >> 16) * 31 + uid);
}

static GBytes *made_up(const FakeMessage *message)
{
    guint8 *data = g_malloc(MAX(message->size, 1));

    for (guint64 i = 0; i < message->size; i++)
        data[i] = byte_at(message->uid, i);
    return g_bytes_new_take(data, message->size);
}

static MailSet *set_of(guint32 uid)
{
    MailSet *set = mail_set_new();

    mail_set_add(set, uid, uid);
    return set;
}

/* A spool answers by itself, for the messages that it has. */
static CacheAnswer read_here(guint32 box, guint32 uid, guint64 offset, gsize size,
                             GPtrArray *ret_slices, GError **error, gpointer data)
{
    const FakeMessage *message = fakebackend_message(data, box, uid);
    g_autoptr(GBytes) all = message && message->is_here ? made_up(message) : NULL;
    gsize len = all ? g_bytes_get_size(all) : 0;

    if (!all)
        return CACHE_ABSENT;
    if (size && offset < len)
        g_ptr_array_add(ret_slices, g_bytes_new_from_bytes(all, offset, MIN(size, len - offset)));
    return CACHE_FOUND;
}

void fakebackend_be_spool(FakeBackend *backend)
{
    backend->is_spool = TRUE;
    cache_set_spool(backend->cache, read_here, backend);
}

void fakebackend_deliver(FakeBackend *backend, guint32 box, guint32 uid)
{
    g_autoptr(MailSet) uids = set_of(uid);

    fakebackend_add(backend, box, uid);
    cache_add_uids(backend->cache, box, uids);
}

void fakebackend_set_flags(FakeBackend *backend, guint32 box, guint32 uid, MailFlags flags)
{
    fakebackend_message(backend, box, uid)->flags = flags;
    cache_put_flags(backend->cache, box, uid, flags);
}

void fakebackend_expunge(FakeBackend *backend, guint32 box, guint32 uid)
{
    g_autoptr(MailSet) uids = set_of(uid);

    g_assert_true(
        g_ptr_array_remove(messages_of(backend, box), fakebackend_message(backend, box, uid)));
    cache_put_gone(backend->cache, box, uids);
}

void fakebackend_replace(FakeBackend *backend, guint32 box)
{
    cache_box_replace(backend->cache, box, 2, NULL);
    cache_box_suspect(backend->cache, box);
}

/* --- wants --- */

static void put_sync(FakeBackend *backend, const CacheWant *want)
{
    gboolean is_complete = want->kind == CACHE_WANT_UIDS || !backend->is_lazy;
    const GPtrArray *messages = messages_of(backend, want->box);
    g_autoptr(MailSet) uids = mail_set_new();

    if (!cache_box(backend->cache, want->box)->generation)
        cache_box_replace(backend->cache, want->box, 1, NULL);
    for (guint i = 0; i < messages->len; i++) {
        const FakeMessage *message = messages->pdata[i];

        mail_set_add(uids, message->uid, message->uid);
    }
    if (is_complete)
        cache_put_uids(backend->cache, want->box, uids);
    cache_put_synced(backend->cache, want->box, 0, 0, is_complete, g_get_monotonic_time());
}

static void put_lines(FakeBackend *backend, const CacheWant *want)
{
    const GPtrArray *messages = messages_of(backend, want->box);
    guint32 low = want->kind == CACHE_WANT_LINES ? want->low : want->uid;

    for (guint i = 0; i < messages->len; i++) {
        const FakeMessage *message = messages->pdata[i];
        const char *const fields[MAIL_ENVELOPE_N_FIELDS] = {
            [MAIL_ENVELOPE_FROM_NAME] = message->from,  [MAIL_ENVELOPE_FROM] = message->from,
            [MAIL_ENVELOPE_TO_NAME] = message->to,      [MAIL_ENVELOPE_TO] = message->to,
            [MAIL_ENVELOPE_SUBJECT] = message->subject,
        };
        g_autoptr(MailEnvelope) envelope = mail_envelope_new(fields);
        CacheMessage line = {
            .uid = message->uid,
            .flags = message->flags,
            .size = message->size_told,
            .date = message->date,
        };

        if (low <= message->uid && message->uid <= want->uid)
            cache_put_line(backend->cache, want->box, &line, envelope);
    }
}

void fakebackend_check_bytes(guint32 uid, guint64 offset, const guint8 *bytes, gsize len)
{
    for (gsize i = 0; i < len; i++)
        if (bytes[i] != byte_at(uid, offset + i))
            g_error("message %u has a wrong byte at %" G_GUINT64_FORMAT, uid, offset + i);
}

static gssize read_raw(gpointer raw, guint64 offset, guint8 *bytes, gsize len)
{
    gsize size;
    const guint8 *data = g_bytes_get_data(raw, &size);

    len = offset < size ? MIN(len, size - (gsize)offset) : 0;
    if (len)
        memcpy(bytes, data + offset, len);
    return (gssize)len;
}

static MailPart *parse(const FakeMessage *message)
{
    MailPart *root = mime_structure_parse(g_bytes_get_size(message->raw), read_raw, message->raw);

    g_assert_nonnull(root);
    mail_part_number(root);
    return root;
}

/* The part that @section, without @word at its end, is. */
static MailPart *part_of(MailPart *root, const char *section, const char *word)
{
    g_autofree char *number = g_strndup(section, strlen(section) - strlen(word));

    return mail_part_of_section(root, number);
}

/* Where in the message @section lies; FALSE when there is no such section. */
static gboolean find_section(MailPart *root, const char *section, guint64 *ret_off,
                             guint64 *ret_len)
{
    const MailPart *part = root;
    gboolean is_header = g_str_has_suffix(section, "HEADER");

    if (!is_header)
        part = mail_part_of_section(root, section);
    else if (!g_str_equal(section, "HEADER"))
        part = part_of(root, section, ".HEADER")->parts->pdata[0];
    if (!part)
        return FALSE;
    *ret_off = is_header ? part->header_off : part->body_off;
    *ret_len = is_header ? part->body_off - part->header_off : part->size;
    return TRUE;
}

/* The octets of @section, or NULL; new. */
static GBytes *section_of(const FakeMessage *message, const char *section)
{
    g_autoptr(MailPart) root = *section ? parse(message) : NULL;
    guint64 off, len;

    if (!root)
        return g_bytes_ref(message->raw);
    if (!find_section(root, section, &off, &len))
        return NULL;
    return g_bytes_new_from_bytes(message->raw, (gsize)off, (gsize)len);
}

static void put_block(FakeBackend *backend, const CacheWant *want)
{
    FakeMessage *message = fakebackend_message(backend, want->box, want->uid);
    guint64 start = (guint64)want->block * CACHE_BLOCK_SIZE, size;
    g_autoptr(GBytes) all = NULL, bytes = NULL;

    if (message && backend->is_spool) {
        message->is_here = TRUE;
        return;
    }
    if (message)
        all = message->raw ? section_of(message, want->section) : made_up(message);
    size = all ? g_bytes_get_size(all) : 0;
    if (!all || start > size)
        return;
    bytes = g_bytes_new_from_bytes(all, start, MIN(size - start, CACHE_BLOCK_SIZE));
    cache_put_block(backend->cache, want->generation, want->uid, want->section, want->block, bytes,
                    size - start <= CACHE_BLOCK_SIZE);
}

/* --- parts --- */

static void forget_places(MailPart *part)
{
    part->has_offsets = FALSE;
    part->header_off = part->body_off = 0;
    for (guint i = 0; part->parts && i < part->parts->len; i++)
        forget_places(part->parts->pdata[i]);
}

static void put_tree(FakeBackend *backend, const CacheWant *want)
{
    const FakeMessage *message = fakebackend_message(backend, want->box, want->uid);
    MailPart *root = message && message->raw && !message->tells_no_tree ? parse(message) : NULL;

    if (root)
        forget_places(root);
    cache_put_tree(backend->cache, want->generation, want->uid, root);
}

/* As far as its ends show. */
static gboolean is_regular(const MailPart *part, const guint8 *bytes, MailBase64 *ret_layout)
{
    gsize edge = MIN(part->size, MIME_BASE64_EDGE);
    const guint8 *tail = bytes + part->size - edge;

    return g_str_equal(part->encoding, "base64") &&
           mime_base64_measure(bytes, edge, tail, edge, part->size, ret_layout) &&
           mime_base64_fits(ret_layout, 0, bytes, edge) &&
           mime_base64_fits(ret_layout, part->size - edge, tail, edge);
}

static void measure(FakeBackend *backend, const CacheWant *want, const FakeMessage *message,
                    const MailPart *part)
{
    const guint8 *bytes = (const guint8 *)g_bytes_get_data(message->raw, NULL) + part->body_off;
    MailBase64 base64 = {0};

    for (guint i = 0; part->parts && i < part->parts->len; i++)
        measure(backend, want, message, part->parts->pdata[i]);
    if (!mail_part_can_be_measured(part))
        return;
    if (is_regular(part, bytes, &base64))
        cache_put_measure(backend->cache, want->generation, want->uid, part->section,
                          MAIL_PART_REGULAR, &base64);
}

static void put_measures(FakeBackend *backend, const CacheWant *want)
{
    const FakeMessage *message = fakebackend_message(backend, want->box, want->uid);
    g_autoptr(MailPart) root = message && message->raw ? parse(message) : NULL;

    if (root)
        measure(backend, want, message, root);
    cache_put_measured(backend->cache, want->generation, want->uid);
}

void fakebackend_fulfil(FakeBackend *backend, const CacheWant *want)
{
    guint64 id = want->id;

    switch (want->kind) {
    case CACHE_WANT_QUOTA: cache_put_quota(backend->cache, &backend->quota); break;
    case CACHE_WANT_SYNC:
    case CACHE_WANT_UIDS: put_sync(backend, want); break;
    case CACHE_WANT_LINES:
    case CACHE_WANT_LINE: put_lines(backend, want); break;
    case CACHE_WANT_READY: break;
    case CACHE_WANT_BLOCK: put_block(backend, want); break;
    case CACHE_WANT_TREE: put_tree(backend, want); break;
    case CACHE_WANT_MEASURE: put_measures(backend, want); break;
    case CACHE_WANT_RIGHTS: cache_put_rights(backend->cache, want->box, &backend->rights); break;
    case CACHE_WANT_SETTLED:
    case CACHE_WANT_SYNCED: /* the cache's own */
    case CACHE_WANT_PARSE:
    case CACHE_WANT_MADE: g_assert_not_reached(); /* the maker's */
    }
    if (want->kind == CACHE_WANT_LINE && !fakebackend_message(backend, want->box, want->uid)) {
        g_autoptr(GError) error =
            g_error_new(MAIL_ERROR, MAIL_ERROR_NOT_FOUND, "there is no such message");

        cache_want_done(backend->cache, id, error);
        return;
    }
    cache_want_done(backend->cache, id, NULL);
}

/* The oldest that is for a backend, or NULL. */
static const CacheWant *next_want(FakeBackend *backend)
{
    for (const GList *link = cache_wants(backend->cache)->head; link; link = link->next) {
        const CacheWant *want = link->data;

        if (want->kind != CACHE_WANT_SETTLED && want->kind != CACHE_WANT_SYNCED)
            return want;
    }
    return NULL;
}

void fakebackend_fulfil_all(FakeBackend *backend)
{
    const CacheWant *want;

    while ((want = next_want(backend)))
        fakebackend_fulfil(backend, want);
}

void fakebackend_fail_all(FakeBackend *backend, MailError code, const char *text)
{
    g_autoptr(GError) error = g_error_new_literal(MAIL_ERROR, code, text);

    cache_wants_fail(backend->cache, error);
}

void fakebackend_go_offline(FakeBackend *backend, MailError code, const char *text)
{
    g_autoptr(GError) error = g_error_new_literal(MAIL_ERROR, code, text);

    cache_set_state(backend->cache, CACHE_OFFLINE, error);
    cache_wants_fail(backend->cache, error);
}

const CacheWant *fakebackend_find(FakeBackend *backend, CacheWantKind kind)
{
    for (const GList *link = cache_wants(backend->cache)->head; link; link = link->next) {
        const CacheWant *want = link->data;

        if (want->kind == kind)
            return want;
    }
    return NULL;
}

/* --- changes --- */

guint fakebackend_n_changes(FakeBackend *backend)
{
    return cache_changes(backend->cache)->length;
}

const CacheChange *fakebackend_change(FakeBackend *backend, CacheChangeKind kind)
{
    for (const GList *link = cache_changes(backend->cache)->head; link; link = link->next) {
        const CacheChange *change = link->data;

        if (change->kind == kind)
            return change;
    }
    return NULL;
}

static guint32 next_uid(FakeBackend *backend, guint32 box)
{
    const GPtrArray *messages = messages_of(backend, box);

    return messages->len ? ((const FakeMessage *)messages->pdata[messages->len - 1])->uid + 1 : 1;
}

/* One like @message (or, if NULL, any) comes to the target; its UID. */
static guint32 bring(FakeBackend *backend, const CacheChange *change, const FakeMessage *message)
{
    guint32 uid = backend->is_spool ? change->uid : next_uid(backend, change->target);
    FakeMessage *copy = fakebackend_add(backend, change->target, uid);
    g_autoptr(MailSet) uids = set_of(uid);

    if (message) {
        *copy = *message;
        copy->uid = uid;
        if (copy->raw)
            g_bytes_ref(copy->raw);
    } else {
        copy->raw = cache_change_data(backend->cache, change->id, NULL);
        g_assert_nonnull(copy->raw);
        copy->size = copy->size_told = g_bytes_get_size(copy->raw);
        copy->flags = change->add;
    }
    if (cache_box(backend->cache, change->target)->generation)
        cache_add_uids(backend->cache, change->target, uids);
    return uid;
}

static void take_away(FakeBackend *backend, const CacheChange *change)
{
    FakeMessage *message =
        change->uid ? fakebackend_message(backend, change->box, change->uid) : NULL;

    if (message)
        g_ptr_array_remove(messages_of(backend, change->box), message);
}

static char *path_below(FakeBackend *backend, guint32 parent, const char *name)
{
    const char *wire = cache_box(backend->cache, parent)->wire;

    return parent == CACHE_ROOT ? g_strdup(name) : g_strconcat(wire, "/", name, NULL);
}

static void make_box(FakeBackend *backend, const CacheChange *change)
{
    g_ptr_array_add(backend->paths, path_below(backend, change->target, change->name));
    put_boxes(backend);
}

static void rename_box(FakeBackend *backend, const CacheChange *change)
{
    g_autofree char *old = g_strdup(cache_box(backend->cache, change->box)->wire);
    g_autofree char *path = path_below(backend, change->target, change->name);

    for (guint i = 0; i < backend->paths->len; i++) {
        char **at = (char **)&backend->paths->pdata[i];
        gsize len = strlen(old);

        if (g_str_has_prefix(*at, old) && (!(*at)[len] || (*at)[len] == '/')) {
            g_autofree char *before = *at;

            *at = g_strconcat(path, before + len, NULL);
        }
    }
    cache_box_renamed(backend->cache, change->box, change->target, change->name, path);
    put_boxes(backend);
}

static void remove_box(FakeBackend *backend, const CacheChange *change)
{
    const char *wire = cache_box(backend->cache, change->box)->wire;
    guint nth;

    g_assert_true(g_ptr_array_find_with_equal_func(backend->paths, wire, g_str_equal, &nth));
    g_ptr_array_remove_index(backend->paths, nth);
    put_boxes(backend);
}

/* On the server; the UID in the target. */
static guint32 apply(FakeBackend *backend, const CacheChange *change)
{
    FakeMessage *message =
        change->uid ? fakebackend_message(backend, change->box, change->uid) : NULL;
    guint32 uid = 0;

    switch (change->kind) {
    case CACHE_CHANGE_FLAGS:
        message->flags = (message->flags | change->add) & ~change->remove;
        break;
    case CACHE_CHANGE_COPY:
    case CACHE_CHANGE_MOVE: uid = bring(backend, change, message); break;
    case CACHE_CHANGE_APPEND: uid = bring(backend, change, NULL); break;
    case CACHE_CHANGE_EXPUNGE: break;
    case CACHE_CHANGE_CREATE: make_box(backend, change); break;
    case CACHE_CHANGE_DELETE: remove_box(backend, change); break;
    case CACHE_CHANGE_RENAME: rename_box(backend, change); break;
    }
    if (change->kind != CACHE_CHANGE_FLAGS && change->kind != CACHE_CHANGE_COPY)
        take_away(backend, change);
    return uid;
}

static void on_noted(const GError *error, gpointer data)
{
    *(gboolean *)data = TRUE;
}

/* As a backend must before it sends what brings a message. */
static void note_sent(FakeBackend *backend, const CacheChange *change)
{
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(guint32));
    gboolean is_noted = FALSE;

    g_array_append_val(ids, change->id);
    cache_changes_note_sent(backend->cache, ids, 1, next_uid(backend, change->target), on_noted,
                            &is_noted);
    while (!is_noted)
        g_main_context_iteration(NULL, TRUE);
}

void fakebackend_do(FakeBackend *backend, const CacheChange *change)
{
    guint32 id = change->id;

    cache_change_take(backend->cache, id);
    if (change->target && change->kind < CACHE_CHANGE_CREATE)
        note_sent(backend, change);
    cache_change_done(backend->cache, id, apply(backend, cache_change(backend->cache, id)));
}

void fakebackend_do_all(FakeBackend *backend)
{
    const GQueue *changes = cache_changes(backend->cache);

    while (changes->head)
        fakebackend_do(backend, changes->head->data);
}

void fakebackend_refuse(FakeBackend *backend, MailError code, const char *text)
{
    const CacheChange *change = g_queue_peek_head((GQueue *)cache_changes(backend->cache));
    g_autoptr(GError) error = g_error_new_literal(MAIL_ERROR, code, text);

    g_assert_nonnull(change);
    cache_change_take(backend->cache, change->id);
    cache_change_refused(backend->cache, change->id, error);
}

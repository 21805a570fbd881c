/* SPDX-License-Identifier: MIT */
/* cache/trees.c - the parts of messages: their trees in the index, those in use in memory too, and
 * what their parts decode to. */
#include <string.h>
#include <zlib.h>

#include "cache/private.h"

#define PARTS_MAX  40000 /* in memory */
#define TREES_MAX  4096
#define ABSENT_MAX 8192

typedef struct {
    gint64 key;              /* of the message; first: a Tree is its own key */
    MailPart *root;          /* NULL: none that is of use is told */
    gboolean is_unplaceable; /* the message has other parts than the server says */
    gboolean is_doubted; /* the server sends other parts than there are: only the whole is true */
    guint n_parts;
    GList link;
} Tree;

struct Trees {
    GHashTable *by_key; /* Tree */
    GQueue order;       /* the last used at the head */
    GHashTable *absent; /* keys, owned: some that the index was asked for in vain */
    guint n_parts;
    guint trim_source;
};

/* --- memory --- */

void trees_init(Cache *cache)
{
    cache->trees = g_new0(struct Trees, 1);
    cache->trees->by_key = g_hash_table_new(g_int64_hash, g_int64_equal);
    cache->trees->absent = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
}

static void tree_free(struct Trees *trees, Tree *tree)
{
    trees->n_parts -= tree->n_parts;
    g_queue_unlink(&trees->order, &tree->link);
    g_hash_table_remove(trees->by_key, &tree->key);
    mail_part_free(tree->root);
    g_free(tree);
}

static void trim(struct Trees *trees, guint n_parts_max, guint n_trees_max)
{
    while (trees->order.length > n_trees_max ||
           (trees->n_parts > n_parts_max && trees->order.length))
        tree_free(trees, trees->order.tail->data);
}

void trees_free(Cache *cache)
{
    trim(cache->trees, 0, 0);
    g_clear_handle_id(&cache->trees->trim_source, g_source_remove);
    g_hash_table_unref(cache->trees->by_key);
    g_hash_table_unref(cache->trees->absent);
    g_free(cache->trees);
}

static gboolean on_trim(gpointer data)
{
    struct Trees *trees = data;

    trees->trim_source = 0;
    trim(trees, PARTS_MAX, TREES_MAX);
    return G_SOURCE_REMOVE;
}

static guint count(const MailPart *part)
{
    guint n = 1;

    for (guint i = 0; part->parts && i < part->parts->len; i++)
        n += count(part->parts->pdata[i]);
    return n;
}

static Tree *find(struct Trees *trees, gint64 key)
{
    Tree *tree = g_hash_table_lookup(trees->by_key, &key);

    if (tree) {
        g_queue_unlink(&trees->order, &tree->link);
        g_queue_push_head_link(&trees->order, &tree->link);
    }
    return tree;
}

/* Puts @root (taken, may be NULL) in the place of what there was. */
static Tree *hold(struct Trees *trees, gint64 key, MailPart *root)
{
    Tree *tree = find(trees, key);

    if (tree)
        tree_free(trees, tree);
    tree = g_new0(Tree, 1);
    tree->key = key;
    tree->root = root;
    tree->n_parts = root ? count(root) : 1;
    tree->link.data = tree;
    g_hash_table_add(trees->by_key, tree);
    g_hash_table_remove(trees->absent, &key);
    g_queue_push_head_link(&trees->order, &tree->link);
    trees->n_parts += tree->n_parts;
    /* Not at once: somebody may have borrowed another one. */
    if (!trees->trim_source)
        trees->trim_source = g_idle_add(on_trim, trees);
    return tree;
}

static void forget_range(struct Trees *trees, gint64 first, gint64 last)
{
    for (GList *link = trees->order.head, *next; link; link = next) {
        Tree *tree = link->data;

        next = link->next;
        if (tree->key >= first && tree->key <= last)
            tree_free(trees, tree);
    }
}

/* --- the index --- */

static gint64 blob_sum(gint64 key, gconstpointer bytes, gsize len)
{
    return (gint64)crc32(crc32(0, (const Bytef *)&key, sizeof key), bytes, (uInt)len);
}

static void store(Cache *cache, const Tree *tree)
{
    g_autoptr(GBytes) bytes = mail_part_to_bytes(tree->root);
    sqlite3_stmt *put = index_get(cache->index, SQL_PUT_TREE);
    gsize len;
    gconstpointer data = g_bytes_get_data(bytes, &len);

    sqlite3_bind_int64(put, 1, tree->key);
    sqlite3_bind_blob(put, 2, data, (int)len, SQLITE_STATIC);
    sqlite3_bind_int64(put, 3, blob_sum(tree->key, data, len));
    index_run(cache->index, put);
}

/* NULL when there is none, or it is damaged. */
static MailPart *load(Cache *cache, gint64 key)
{
    sqlite3_stmt *get = index_get(cache->index, SQL_GET_TREE);
    MailPart *root = NULL;

    sqlite3_bind_int64(get, 1, key);
    if (index_step(cache->index, get)) {
        gconstpointer data = sqlite3_column_blob(get, 0);
        gsize len = (gsize)sqlite3_column_bytes(get, 0);
        g_autoptr(GBytes) bytes = g_bytes_new(data, len);

        if (blob_sum(key, data, len) == sqlite3_column_int64(get, 1))
            root = mail_part_from_bytes(bytes);
    }
    sqlite3_reset(get);
    return root;
}

void trees_delete(Cache *cache, guint32 generation, guint32 first, guint32 last)
{
    sqlite3_stmt *delete = index_get(cache->index, SQL_DELETE_TREES);

    sqlite3_bind_int64(delete, 1, message_key(generation, first) - 1);
    sqlite3_bind_int64(delete, 2, message_key(generation, last) + 1);
    index_run(cache->index, delete);
    forget_range(cache->trees, message_key(generation, first), message_key(generation, last));
}

/* --- asking --- */

static void note_absent(struct Trees *trees, gint64 key)
{
    if (g_hash_table_size(trees->absent) >= ABSENT_MAX)
        g_hash_table_remove_all(trees->absent);
    g_hash_table_add(trees->absent, g_memdup2(&key, sizeof key));
}

static Tree *get(Cache *cache, gint64 key)
{
    Tree *tree = find(cache->trees, key);
    MailPart *root;

    if (tree || g_hash_table_contains(cache->trees->absent, &key))
        return tree;
    root = load(cache, key);
    if (root)
        return hold(cache->trees, key, root);
    note_absent(cache->trees, key);
    return NULL;
}

MailPart *trees_get(Cache *cache, guint32 generation, guint32 uid)
{
    const Tree *tree = get(cache, message_key(generation, uid));

    return tree ? tree->root : NULL;
}

gboolean trees_is_useless(Cache *cache, guint32 generation, guint32 uid)
{
    const Tree *tree = get(cache, message_key(generation, uid));

    return tree ? !tree->root : cache_is_spool(cache);
}

gboolean trees_is_unplaceable(Cache *cache, guint32 generation, guint32 uid)
{
    const Tree *tree = get(cache, message_key(generation, uid));

    return tree && tree->is_unplaceable;
}

gboolean trees_is_doubted(Cache *cache, guint32 generation, guint32 uid)
{
    const Tree *tree = get(cache, message_key(generation, uid));

    return tree && tree->is_doubted;
}

MailPart *cache_known_tree(Cache *cache, guint32 generation, guint32 uid)
{
    return trees_get(cache, generation, uid);
}

CacheAnswer cache_tree(Cache *cache, guint32 generation, guint32 uid, MailPart **ret_tree,
                       guint64 *ret_want, GError **error)
{
    CacheMessage message;
    MailPart *root;

    if (!cache_get_message(cache, generation, uid, &message))
        return CACHE_ABSENT;
    root = trees_get(cache, generation, uid);
    if (root) {
        *ret_tree = root;
        return CACHE_FOUND;
    }
    return wants_answer_message(cache,
                                trees_is_useless(cache, generation, uid) ||
                                        sections_has_whole(cache, generation, uid)
                                    ? CACHE_WANT_PARSE
                                    : CACHE_WANT_TREE,
                                generation, uid, NULL, ret_want, error);
}

static gboolean wants_measure(const MailPart *part)
{
    gboolean wants = part->measure == MAIL_PART_UNMEASURED && mail_part_can_be_measured(part);

    for (guint i = 0; !wants && part->parts && i < part->parts->len; i++)
        wants = wants_measure(part->parts->pdata[i]);
    return wants;
}

CacheAnswer cache_measured_tree(Cache *cache, guint32 generation, guint32 uid, MailPart **ret_tree,
                                guint64 *ret_want, GError **error)
{
    CacheAnswer answer = cache_tree(cache, generation, uid, ret_tree, ret_want, error);

    if (answer != CACHE_FOUND || !wants_measure(*ret_tree))
        return answer;
    return wants_answer_message(cache,
                                sections_has_whole(cache, generation, uid) &&
                                        !trees_is_unplaceable(cache, generation, uid)
                                    ? CACHE_WANT_PARSE
                                    : CACHE_WANT_MEASURE,
                                generation, uid, NULL, ret_want, error);
}

/* --- being told --- */

static gboolean is_message(Cache *cache, guint32 generation, guint32 uid)
{
    CacheMessage message;

    return cache_get_message(cache, generation, uid, &message);
}

void cache_put_tree(Cache *cache, guint32 generation, guint32 uid, MailPart *root)
{
    g_autoptr(MailPart) told = root;
    const Tree *tree;

    /* What is known by now was measured, or is the message's own. */
    if (!is_message(cache, generation, uid) || trees_get(cache, generation, uid))
        return;
    if (told)
        mail_part_number(told);
    tree = hold(cache->trees, message_key(generation, uid), g_steal_pointer(&told));
    if (tree->root)
        store(cache, tree);
}

static void tell_all(Cache *cache, const CacheBox *box, guint32 uid, const MailPart *part)
{
    if (!mail_part_is_multipart(part) && cache->news)
        cache->news->part_corrected(box->id, uid, part, cache->news_data);
    for (guint i = 0; part->parts && i < part->parts->len; i++)
        tell_all(cache, box, uid, part->parts->pdata[i]);
}

void cache_doubt_tree(Cache *cache, guint32 generation, guint32 uid)
{
    Tree *tree = get(cache, message_key(generation, uid));
    const CacheBox *box = cache_box_of_generation(cache, generation);

    if (!box || !tree || !tree->root)
        return;
    if (tree->root->has_offsets) {
        tree->is_doubted = TRUE;
        return;
    }
    tell_all(cache, box, uid, tree->root);
    trees_delete(cache, generation, uid, uid);
    hold(cache->trees, message_key(generation, uid), NULL);
}

/* Whether both have the same parts under the same sections. */
static gboolean is_same_shape(const MailPart *a, const MailPart *b)
{
    guint n_a = a->parts ? a->parts->len : 0, n_b = b->parts ? b->parts->len : 0;

    if (n_a != n_b || !g_str_equal(a->section, b->section) || !g_str_equal(a->type, b->type))
        return FALSE;
    for (guint i = 0; i < n_a; i++)
        if (!is_same_shape(a->parts->pdata[i], b->parts->pdata[i]))
            return FALSE;
    return TRUE;
}

/* The server was not asked for them, and what it said of sizes does not count any more. */
static void set_irregular(MailPart *part)
{
    if (part->measure == MAIL_PART_UNMEASURED && mail_part_can_be_measured(part))
        part->measure = MAIL_PART_IRREGULAR;
    for (guint i = 0; part->parts && i < part->parts->len; i++)
        set_irregular(part->parts->pdata[i]);
}

static gboolean was_told(const MailPart *part)
{
    return part->measure != MAIL_PART_UNMEASURED || !mail_part_can_be_measured(part);
}

static gboolean decodes_alike(const MailPart *a, const MailPart *b)
{
    return a->size == b->size && a->base64.size == b->base64.size;
}

/* Tells of the parts of @now that are not as @before, of the same shape, has them. */
static void tell_corrections(Cache *cache, const CacheBox *box, guint32 uid, const MailPart *before,
                             const MailPart *now)
{
    if (!mail_part_is_multipart(now) && was_told(before) && !decodes_alike(before, now) &&
        cache->news)
        cache->news->part_corrected(box->id, uid, now, cache->news_data);
    for (guint i = 0; now->parts && i < now->parts->len; i++)
        tell_corrections(cache, box, uid, before->parts->pdata[i], now->parts->pdata[i]);
}

void cache_put_parsed(Cache *cache, guint32 generation, guint32 uid, MailPart *root)
{
    g_autoptr(MailPart) parsed = root;
    Tree *tree = get(cache, message_key(generation, uid));

    if (!is_message(cache, generation, uid))
        return;
    mail_part_number(parsed);
    set_irregular(parsed);
    if (tree && tree->root && !is_same_shape(tree->root, parsed)) {
        tree->is_unplaceable = TRUE;
        return;
    }
    if (tree && tree->root)
        tell_corrections(cache, cache_box_of_generation(cache, generation), uid, tree->root,
                         parsed);
    store(cache, hold(cache->trees, message_key(generation, uid), g_steal_pointer(&parsed)));
}

static gboolean is_same_measure(const MailPart *part, MailPartMeasure measure,
                                const MailBase64 *base64)
{
    return part->measure == measure && (!base64 || part->base64.size == base64->size);
}

void cache_put_measure(Cache *cache, guint32 generation, guint32 uid, const char *section,
                       MailPartMeasure measure, const MailBase64 *base64)
{
    Tree *tree = get(cache, message_key(generation, uid));
    MailPart *part = tree && tree->root ? mail_part_of_section(tree->root, section) : NULL;
    const CacheBox *box = cache_box_of_generation(cache, generation);
    gboolean is_correction;

    if (!part || !box || is_same_measure(part, measure, base64))
        return;
    is_correction = was_told(part);
    part->measure = measure;
    part->base64 = base64 ? *base64 : (MailBase64){0};
    if (!is_correction)
        return;
    store(cache, tree);
    if (cache->news)
        cache->news->part_corrected(box->id, uid, part, cache->news_data);
}

void cache_put_measured(Cache *cache, guint32 generation, guint32 uid)
{
    Tree *tree = get(cache, message_key(generation, uid));

    if (!tree || !tree->root)
        return;
    set_irregular(tree->root);
    store(cache, tree);
}

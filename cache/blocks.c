/* SPDX-License-Identifier: MIT */
/* cache/blocks.c - blocks: in memory, in the index where they are small, and else in the files of
 * bodies, one record a block.
 *
 * A record has a head and then the bytes, at a fixed distance from the next, so that a file with
 * gaps is sparse.  The head's sum covers the account, the key, the number, the length and the
 * bytes: a record that was cut, swapped, moved or damaged is as if absent.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "cache/bodies.h"
#include "cache/body-files.h"
#include "cache/hot.h"
#include "cache/private.h"

#define MAGIC       "mailfsB1"
#define MAGIC_SIZE  8
#define HEAD_SIZE   64
#define N_WORDS     7
#define RECORD_SIZE (HEAD_SIZE + CACHE_BLOCK_SIZE)
#define FLAG_END    1
#define NOWHERE_MAX 8192

struct Blocks {
    Cache *cache;
    guint32 account_sum;
    BodyFiles *files;
    Bodies *bodies;
    Hot *hot;
    GHashTable *nowhere; /* BodyKey, owned: some of which nothing is on the disk, as was seen */
    guint n_damaged;
    gboolean has_complained;
    guint8 record[RECORD_SIZE]; /* one that is being read */
};

/* --- where bodies are --- */

guint body_key_hash(gconstpointer data)
{
    const BodyKey *key = data;

    return key->uid * 2654435761u ^ key->generation * 40503u ^ g_direct_hash(key->section);
}

gboolean body_key_equal(gconstpointer a, gconstpointer b)
{
    const BodyKey *left = a, *right = b;

    return left->uid == right->uid && left->generation == right->generation &&
           left->section == right->section;
}

typedef enum {
    NOWHERE,
    IN_INDEX,
    IN_FILE
} Place;

static void note_nowhere(Blocks *blocks, const BodyKey *key)
{
    if (g_hash_table_size(blocks->nowhere) >= NOWHERE_MAX)
        g_hash_table_remove_all(blocks->nowhere);
    g_hash_table_add(blocks->nowhere, g_memdup2(key, sizeof *key));
}

/* Where on the disk the body is; the file is borrowed until another is asked for. */
static Place find(Blocks *blocks, const BodyKey *key, int *ret_fd)
{
    gboolean is_open = body_files_is_open(blocks->files, key);

    *ret_fd = -1;
    if (g_hash_table_contains(blocks->nowhere, key))
        return NOWHERE;
    if (!is_open && small_has(blocks->cache, key))
        return IN_INDEX;
    *ret_fd = body_files_get(blocks->files, key, FALSE);
    if (*ret_fd >= 0)
        return IN_FILE;
    if (errno == ENOENT)
        note_nowhere(blocks, key);
    return NOWHERE;
}

/* --- records --- */

static off_t record_offset(guint32 number)
{
    return (off_t)number * RECORD_SIZE;
}

static guint32 text_sum(const char *text)
{
    return (guint32)crc32(0, (const Bytef *)text, (uInt)strlen(text));
}

static void make_head(Blocks *blocks, const BodyKey *key, guint32 number, const guint8 *bytes,
                      gsize len, gboolean is_end, guint8 head[HEAD_SIZE])
{
    const guint32 words[N_WORDS] = {
        GUINT32_TO_LE((guint32)len),
        GUINT32_TO_LE(is_end ? FLAG_END : 0),
        GUINT32_TO_LE(key->generation),
        GUINT32_TO_LE(key->uid),
        GUINT32_TO_LE(number),
        GUINT32_TO_LE(text_sum(key->section)),
        GUINT32_TO_LE(blocks->account_sum),
    };
    guint32 sum;

    memset(head, 0, HEAD_SIZE);
    memcpy(head, MAGIC, MAGIC_SIZE);
    memcpy(head + MAGIC_SIZE, words, sizeof words);
    sum = (guint32)crc32(0, head, HEAD_SIZE - sizeof sum);
    /* Of nothing, zlib's sum would begin anew. */
    sum = GUINT32_TO_LE(len ? (guint32)crc32(sum, bytes, (uInt)len) : sum);
    memcpy(head + HEAD_SIZE - sizeof sum, &sum, sizeof sum);
}

/* The length that a head tells, or -1 when it is none. */
static gssize parse_head(const guint8 head[HEAD_SIZE], gboolean *ret_is_end)
{
    guint32 words[2];

    memcpy(words, head + MAGIC_SIZE, sizeof words);
    if (memcmp(head, MAGIC, MAGIC_SIZE) != 0 || GUINT32_FROM_LE(words[0]) > CACHE_BLOCK_SIZE)
        return -1;
    *ret_is_end = GUINT32_FROM_LE(words[1]) & FLAG_END;
    return GUINT32_FROM_LE(words[0]);
}

static void note_damage(Blocks *blocks, const BodyKey *key, guint32 number)
{
    blocks->n_damaged++;
    g_message("a cached block is damaged (message %u/%u, block %u): it will be fetched again",
              key->generation, key->uid, number);
}

/* NULL when there is none or it is damaged. */
static GBytes *read_record(Blocks *blocks, int fd, const BodyKey *key, guint32 number,
                           gboolean *ret_is_end)
{
    guint8 *record = blocks->record;
    guint8 head[HEAD_SIZE];
    ssize_t n = pread(fd, record, RECORD_SIZE, record_offset(number));
    gssize len = n >= HEAD_SIZE ? parse_head(record, ret_is_end) : -1;

    if (n < HEAD_SIZE || memcmp(record, (guint8[8]){0}, 8) == 0)
        return NULL; /* a gap */
    if (len >= 0 && n >= HEAD_SIZE + len) {
        make_head(blocks, key, number, record + HEAD_SIZE, len, *ret_is_end, head);
        if (memcmp(head, record, HEAD_SIZE) == 0)
            return g_bytes_new(record + HEAD_SIZE, len);
    }
    note_damage(blocks, key, number);
    return NULL;
}

static gboolean write_record(int fd, guint32 number, const guint8 head[HEAD_SIZE], GBytes *bytes)
{
    gsize len;
    const guint8 *data = g_bytes_get_data(bytes, &len);
    off_t offset = record_offset(number);

    /* The head last: a record without one is a gap. */
    return pwrite(fd, data, len, offset + HEAD_SIZE) == (ssize_t)len &&
           pwrite(fd, head, HEAD_SIZE, offset) == HEAD_SIZE;
}

static void complain(Blocks *blocks, int code)
{
    if (!blocks->has_complained)
        g_message("write to the block cache: %s; going on without", g_strerror(code));
    blocks->has_complained = TRUE;
}

/* The octets that the record has, or 0: what is written again takes no more room. */
static gsize record_size(int fd, guint32 number)
{
    guint8 head[HEAD_SIZE];
    gboolean is_end;
    gssize len = pread(fd, head, HEAD_SIZE, record_offset(number)) == HEAD_SIZE
                     ? parse_head(head, &is_end)
                     : -1;

    return len < 0 ? 0 : HEAD_SIZE + (gsize)len;
}

/* Whether the block is all of a body that is better kept without a file. */
static gboolean is_small(guint32 number, GBytes *bytes, gboolean is_end)
{
    return number == 0 && is_end && g_bytes_get_size(bytes) <= SMALL_MAX;
}

static void write_small(Blocks *blocks, const BodyKey *key, GBytes *bytes)
{
    gsize now = HEAD_SIZE + g_bytes_get_size(bytes);
    int fd;
    gboolean is_known = find(blocks, key, &fd) == IN_INDEX;

    g_hash_table_remove(blocks->nowhere, key);
    small_put(blocks->cache, key, bytes);
    bodies_add(blocks->bodies, key, is_known ? now : 0, now);
}

static void write_block(Blocks *blocks, const BodyKey *key, guint32 number, GBytes *bytes,
                        gboolean is_end)
{
    int fd = body_files_get(blocks->files, key, TRUE);
    gsize len = g_bytes_get_size(bytes), before;
    guint8 head[HEAD_SIZE];

    if (fd < 0) {
        complain(blocks, errno);
        return;
    }
    g_hash_table_remove(blocks->nowhere, key);
    before = record_size(fd, number);
    make_head(blocks, key, number, g_bytes_get_data(bytes, NULL), len, is_end, head);
    if (write_record(fd, number, head, bytes)) {
        blocks->has_complained = FALSE;
        bodies_add(blocks->bodies, key, before, HEAD_SIZE + len);
    } else {
        complain(blocks, errno);
    }
}

/* --- what others call --- */

/* All of a body that is in the index, verified; new. */
static GBytes *load_small(Blocks *blocks, const BodyKey *key)
{
    gboolean is_damaged;
    GBytes *bytes = small_get(blocks->cache, key, &is_damaged);

    if (is_damaged) {
        note_damage(blocks, key, 0);
        small_delete(blocks->cache, key->generation, key->uid, key->section);
    }
    return bytes;
}

/* What is on the disk, verified; new. */
static GBytes *load(Blocks *blocks, const BodyKey *key, guint32 number, gboolean *ret_is_end)
{
    int fd;
    Place place = find(blocks, key, &fd);

    *ret_is_end = place == IN_INDEX;
    if (place == IN_INDEX)
        return number == 0 ? load_small(blocks, key) : NULL;
    return place == IN_FILE ? read_record(blocks, fd, key, number, ret_is_end) : NULL;
}

Block blocks_get(Blocks *blocks, const BodyKey *key, guint32 number)
{
    const Block *hot = hot_get(blocks->hot, key, number);
    g_autoptr(GBytes) bytes = NULL;
    gboolean is_end;

    /* What is only read from memory is in use as well; the index need not hear of each time. */
    if (hot && hot_is_due(blocks->hot, key, number))
        bodies_touch(blocks->bodies, key);
    if (hot)
        return *hot;
    bytes = load(blocks, key, number, &is_end);
    if (!bytes)
        return (Block){NULL, FALSE};
    bodies_touch(blocks->bodies, key);
    return hot_put(blocks->hot, key, number, bytes, is_end);
}

gboolean blocks_has(Blocks *blocks, const BodyKey *key, guint32 number)
{
    guint8 head[HEAD_SIZE];
    gboolean is_end;
    Place place;
    int fd;

    if (hot_get(blocks->hot, key, number))
        return TRUE;
    place = find(blocks, key, &fd);
    if (place == IN_INDEX)
        return number == 0;
    return place == IN_FILE && pread(fd, head, HEAD_SIZE, record_offset(number)) == HEAD_SIZE &&
           parse_head(head, &is_end) >= 0;
}

/* The number of the block with which its file ends, or 0. */
static guint32 last_on_disk(Blocks *blocks, const BodyKey *key)
{
    struct stat st;
    int fd;

    if (find(blocks, key, &fd) != IN_FILE || fstat(fd, &st) < 0 || st.st_size == 0)
        return 0;
    return (guint32)((st.st_size - 1) / RECORD_SIZE);
}

/* The last block that is here of those that follow each other. */
static guint32 last_here(Blocks *blocks, const BodyKey *key)
{
    guint32 last = last_on_disk(blocks, key);

    /* What could not be written is in memory alone. */
    while (hot_get(blocks->hot, key, last + 1))
        last++;
    return last;
}

gboolean blocks_end(Blocks *blocks, const BodyKey *key, guint64 *ret_length)
{
    Block block = blocks_get(blocks, key, 0);
    guint32 last = block.is_end ? 0 : last_here(blocks, key);

    if (last > 0)
        block = blocks_get(blocks, key, last);
    /* What was asked for beyond the end came empty. */
    while (last > 0 && block.bytes && g_bytes_get_size(block.bytes) == 0 &&
           blocks_get(blocks, key, last - 1).is_end)
        block = blocks_get(blocks, key, --last);
    if (!block.bytes || !block.is_end)
        return FALSE;
    *ret_length = (guint64)last * CACHE_BLOCK_SIZE + g_bytes_get_size(block.bytes);
    return TRUE;
}

void blocks_put(Blocks *blocks, const BodyKey *key, guint32 number, GBytes *bytes, gboolean is_end)
{
    /* No index would know of the file. */
    if (index_is_temporary(blocks->cache->index))
        ;
    else if (is_small(number, bytes, is_end))
        write_small(blocks, key, bytes);
    else
        write_block(blocks, key, number, bytes, is_end);
    hot_put(blocks->hot, key, number, bytes, is_end);
}

static void on_evicted(guint32 generation, guint32 uid, const char *section, gpointer data)
{
    Blocks *blocks = data;

    hot_drop_of(blocks->hot, generation, uid, section);
    small_delete(blocks->cache, generation, uid, section);
    body_files_remove(blocks->files, generation, uid, section);
}

void blocks_forget_message(Blocks *blocks, guint32 generation, guint32 uid)
{
    hot_drop_of(blocks->hot, generation, uid, NULL);
    bodies_forget_message(blocks->bodies, generation, uid, on_evicted, blocks);
}

void blocks_forget_generation(Blocks *blocks, guint32 generation)
{
    hot_drop_of(blocks->hot, generation, 0, NULL);
    small_delete_generation(blocks->cache, generation);
    bodies_forget_generation(blocks->bodies, generation);
    body_files_remove_generation(blocks->files, generation);
}

static void note_highest(gpointer generation, gpointer data)
{
    guint32 *highest = data;

    *highest = MAX(*highest, GPOINTER_TO_UINT(generation));
}

guint32 blocks_highest_generation(Blocks *blocks)
{
    guint32 highest = 0;

    body_files_foreach_generation(blocks->files, note_highest, &highest);
    return highest;
}

typedef struct {
    Blocks *blocks;
    GHashTable *known;
} Sweep;

static void remove_unknown(gpointer generation, gpointer data)
{
    Sweep *sweep = data;

    if (!g_hash_table_contains(sweep->known, generation))
        blocks_forget_generation(sweep->blocks, GPOINTER_TO_UINT(generation));
}

void blocks_sweep(Blocks *blocks, GHashTable *generations)
{
    Sweep sweep = {blocks, generations};

    body_files_foreach_generation(blocks->files, remove_unknown, &sweep);
}

static void count_body(guint32 generation, guint32 uid, const char *section, guint64 bytes,
                       gpointer data)
{
    bodies_count(data, generation, uid, section, bytes);
}

void blocks_recount(Blocks *blocks)
{
    bodies_begin_count(blocks->bodies);
    body_files_foreach(blocks->files, count_body, blocks->bodies);
    small_foreach(blocks->cache, count_body, blocks->bodies);
    bodies_end_count(blocks->bodies);
}

void blocks_reload(Blocks *blocks)
{
    bodies_reload(blocks->bodies);
}

void blocks_flush(Blocks *blocks, gboolean also_uses)
{
    bodies_flush(blocks->bodies, also_uses, on_evicted, blocks);
}

guint64 blocks_total(const Blocks *blocks)
{
    return bodies_total(blocks->bodies);
}

guint blocks_n_damaged(const Blocks *blocks)
{
    return blocks->n_damaged;
}

Blocks *blocks_open(Cache *cache, GError **error)
{
    g_autofree char *account = NULL;
    BodyFiles *files = body_files_open(cache->dir_fd);
    Blocks *blocks;

    if (!files) {
        g_set_error(error, MAIL_ERROR, MAIL_ERROR_LOCAL, "open the cache %s/blocks: %s", cache->dir,
                    g_strerror(errno));
        return NULL;
    }
    blocks = g_new0(Blocks, 1);
    blocks->cache = cache;
    blocks->files = files;
    account = g_path_get_basename(cache->dir);
    blocks->account_sum = text_sum(account);
    blocks->bodies = bodies_new(cache);
    blocks->hot = hot_new();
    blocks->nowhere = g_hash_table_new_full(body_key_hash, body_key_equal, g_free, NULL);
    return blocks;
}

void blocks_close(Blocks *blocks)
{
    if (!blocks)
        return;
    hot_free(blocks->hot);
    g_hash_table_unref(blocks->nowhere);
    bodies_free(blocks->bodies);
    body_files_close(blocks->files);
    g_free(blocks);
}

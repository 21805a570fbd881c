/* SPDX-License-Identifier: MIT */
/* cache/reads.c - bytes of messages: from the blocks that are here, wanting those that are not; and
 * what a size is worth. */
#include "cache/private.h"

#define N_FULL_MAX ((1u << 29) - 1) /* what CacheMessage.n_full holds */

static gboolean lookup(Cache *cache, guint32 generation, guint32 uid, Box **ret_box,
                       CacheMessage **ret_row)
{
    *ret_box = g_hash_table_lookup(cache->generations, GUINT_TO_POINTER(generation));
    *ret_row = *ret_box ? box_row(cache, *ret_box, uid) : NULL;
    if (!*ret_row || !(*ret_row)->is_listed)
        return FALSE;
    spool_prove_size(cache, *ret_box, *ret_row);
    return TRUE;
}

/* Whether what the server told of the size holds.  No message is empty. */
static gboolean is_size_believed(const Cache *cache, const CacheMessage *row)
{
    return row->is_size_proved || (!cache->sizes_lie && row->size > 0);
}

gboolean cache_size_is_known(Cache *cache, guint32 generation, guint32 uid)
{
    Box *box;
    CacheMessage *row;

    return lookup(cache, generation, uid, &box, &row) && is_size_believed(cache, row);
}

gboolean cache_sizes_lie(const Cache *cache)
{
    return cache->sizes_lie;
}

/* Whether @block, which ends the message of @row after @len octets, ends it there and does not only
 * lie beyond. */
static gboolean is_true_end(const CacheMessage *row, guint64 block, gsize len)
{
    return len > 0 || block == row->n_full;
}

/* The block by which to find the end of a message: first that in which it should be, which proves
 * it alone; then one after the other, for no other can be asked for without being beyond the end.
 */
static guint32 block_to_find_end(const CacheMessage *row)
{
    guint64 told = row->size / CACHE_BLOCK_SIZE;

    return row->is_end_asked || told >= N_FULL_MAX ? row->n_full : (guint32)told;
}

/* Looks for the end among the blocks that are here.  FALSE when *ret_missing is needed first. */
static gboolean find_end(Cache *cache, const BodyKey *key, CacheMessage *row, guint64 *ret_size,
                         guint32 *ret_missing)
{
    while (row->n_full < N_FULL_MAX) {
        guint32 number = block_to_find_end(row);
        Block block = blocks_get(cache->blocks, key, number);
        gsize len = block.bytes ? g_bytes_get_size(block.bytes) : 0;

        *ret_missing = number;
        *ret_size = (guint64)number * CACHE_BLOCK_SIZE + len;
        if (!block.bytes || (block.is_end && is_true_end(row, number, len)))
            return block.bytes != NULL;
        if (!block.is_end)
            row->n_full = number + 1;
        row->is_end_asked = TRUE;
    }
    return FALSE;
}

CacheAnswer cache_message_size(Cache *cache, guint32 generation, guint32 uid, guint64 *ret_size,
                               guint64 *ret_want, GError **error)
{
    BodyKey key = {generation, uid, g_intern_static_string("")};
    guint32 missing = 0;
    CacheAnswer answer;
    CacheMessage *row;
    guint64 size;
    Box *box;

    if (!lookup(cache, generation, uid, &box, &row))
        return CACHE_ABSENT;
    if (!is_size_believed(cache, row)) {
        if (!find_end(cache, &key, row, &size, &missing)) {
            ahead_read(cache, box, row, key.section, (guint64)missing * CACHE_BLOCK_SIZE,
                       CACHE_BLOCK_SIZE, row->size);
            answer = wants_answer_block(cache, &key, missing, ret_want, error);
            row->is_end_asked |= answer == CACHE_WAIT;
            return answer;
        }
        message_set_size(cache, box, row, size, TRUE);
    }
    *ret_size = row->size;
    return CACHE_FOUND;
}

static void unref_bytes(gpointer bytes)
{
    g_bytes_unref(bytes);
}

GPtrArray *cache_slices_new(void)
{
    return g_ptr_array_new_with_free_func(unref_bytes);
}

/* A read on its way. */
typedef struct {
    Cache *cache;
    Box *box;
    const CacheMessage *row;
    BodyKey key;
    guint64 offset, end;
    GPtrArray *slices;
    guint64 *ret_want;
    GError **error;
} Reading;

/* Appends what [offset, end) takes from @block, which is @number; FALSE at the end of the section.
 */
static gboolean take(const Reading *reading, const Block *block, guint32 number)
{
    guint64 start = (guint64)number * CACHE_BLOCK_SIZE, len = g_bytes_get_size(block->bytes);
    guint64 from = MAX(reading->offset, start), to = MIN(reading->end, start + len);

    if (from < to)
        g_ptr_array_add(reading->slices, g_bytes_new_from_bytes(block->bytes, (gsize)(from - start),
                                                                (gsize)(to - from)));
    return !block->is_end && start + len < reading->end;
}

/* How long a section is as far as is known, for what is not asked for beyond it. */
static guint64 known_end(Cache *cache, const BodyKey *key, const CacheMessage *row)
{
    guint64 length = 0;

    if (!*key->section)
        return is_size_believed(cache, row) ? row->size : CACHE_SIZE_MAX;
    if (!cache_section_is_made(key->section))
        length = sections_length(cache, key);
    return length || blocks_end(cache->blocks, key, &length) ? length : CACHE_SIZE_MAX;
}

static CacheAnswer want_missing(const Reading *reading, guint32 number)
{
    Cache *cache = reading->cache;
    guint64 known = known_end(cache, &reading->key, reading->row);
    guint64 end = known < CACHE_SIZE_MAX || !*reading->key.section ? MIN(reading->end, known) : 0;
    CacheAnswer answer =
        wants_answer_block(cache, &reading->key, number, reading->ret_want, reading->error);

    for (guint64 n = (guint64)number + 1; answer == CACHE_WAIT && n * CACHE_BLOCK_SIZE < end; n++)
        wants_suggest_block(cache, &reading->key, (guint32)n);
    return answer;
}

/* A section that is made here is made whole. */
static CacheAnswer want_made(const Reading *reading)
{
    return wants_answer_message(reading->cache, CACHE_WANT_MADE, reading->key.generation,
                                reading->key.uid, reading->key.section, reading->ret_want,
                                reading->error);
}

static CacheAnswer want_block_or_made(const Reading *reading, guint32 number)
{
    return cache_section_is_made(reading->key.section) ? want_made(reading)
                                                       : want_missing(reading, number);
}

/* Whether the section is known to end before @block: who asks for that need not wait. */
static gboolean is_beyond_end(const Reading *reading, guint32 block)
{
    guint64 length;

    return *reading->key.section && blocks_end(reading->cache->blocks, &reading->key, &length) &&
           (guint64)block * CACHE_BLOCK_SIZE >= length;
}

static CacheAnswer read_blocks(const Reading *reading)
{
    CacheAnswer answer = spool_read(reading->cache, &reading->key, reading->offset, reading->end,
                                    reading->slices, reading->error);

    if (answer != CACHE_ABSENT)
        return answer;
    if (reading->end > CACHE_SIZE_MAX) {
        g_set_error(reading->error, MAIL_ERROR, MAIL_ERROR_TOO_BIG,
                    "what lies beyond %" G_GUINT64_FORMAT " octets cannot be read", CACHE_SIZE_MAX);
        return CACHE_FAILED;
    }
    for (guint32 number = (guint32)(reading->offset / CACHE_BLOCK_SIZE);; number++) {
        Block block = blocks_get(reading->cache->blocks, &reading->key, number);

        if (!block.bytes && is_beyond_end(reading, number))
            return CACHE_FOUND;
        if (!block.bytes) {
            g_ptr_array_set_size(reading->slices, 0);
            return want_block_or_made(reading, number);
        }
        if (!take(reading, &block, number))
            return CACHE_FOUND;
    }
}

/* Whether the blocks of the section that hold [offset, end) are here. */
static gboolean has_blocks(Cache *cache, const BodyKey *key, guint64 offset, guint64 end)
{
    if (cache_is_spool(cache) && !*key->section)
        return spool_has(cache, key->generation, key->uid);
    for (guint64 n = offset / CACHE_BLOCK_SIZE; n * CACHE_BLOCK_SIZE < end; n++)
        if (!blocks_has(cache->blocks, key, (guint32)n))
            return FALSE;
    return TRUE;
}

/* A section of a message of which all that is asked for is here; CACHE_ABSENT when it is not. */
static CacheAnswer read_in_whole(const Reading *reading)
{
    guint64 end = MIN(reading->end, known_end(reading->cache, &reading->key, reading->row));
    Reading whole = *reading;
    guint64 start, length;

    if (reading->offset < end &&
        has_blocks(reading->cache, &reading->key, reading->offset, MIN(end, CACHE_SIZE_MAX)))
        return CACHE_ABSENT;
    if (sections_find(reading->cache, &reading->key, reading->offset, reading->end, &start,
                      &length) ||
        sections_is_elsewhere(reading->cache, &reading->key, &start, &length)) {
        whole.key.section = g_intern_static_string("");
        whole.offset = start + reading->offset;
        whole.end = start + MIN(reading->end, length);
        return reading->offset < length ? read_blocks(&whole) : CACHE_FOUND;
    }
    if (sections_can_be_found(reading->cache, &reading->key))
        return wants_answer_message(reading->cache, CACHE_WANT_PARSE, reading->key.generation,
                                    reading->key.uid, NULL, reading->ret_want, reading->error);
    return CACHE_ABSENT;
}

CacheAnswer cache_read(Cache *cache, guint32 generation, guint32 uid, const char *section,
                       guint64 offset, gsize size, GPtrArray *ret_slices, guint64 *ret_want,
                       GError **error)
{
    Reading reading = {.cache = cache,
                       .key = {generation, uid, g_intern_string(section)},
                       .offset = offset,
                       .end = offset + size,
                       .slices = ret_slices,
                       .ret_want = ret_want,
                       .error = error};
    gboolean is_told = !cache_section_is_made(section);
    CacheAnswer answer = CACHE_ABSENT;
    CacheMessage *row;

    if (!lookup(cache, generation, uid, &reading.box, &row))
        return CACHE_ABSENT;
    reading.row = row;
    if (!*section && is_size_believed(cache, row))
        reading.end = MIN(reading.end, row->size);
    if (offset >= reading.end)
        return CACHE_FOUND;
    if (*section && is_told)
        answer = read_in_whole(&reading);
    if (answer != CACHE_ABSENT)
        return answer;
    answer = read_blocks(&reading);
    /* Afterwards, so that what is read now is wanted before what may be read then. */
    if (answer != CACHE_FAILED && is_told)
        ahead_read(cache, reading.box, row, reading.key.section, offset, size,
                   MIN(known_end(cache, &reading.key, row), row->size));
    return answer;
}

gboolean cache_has(Cache *cache, guint32 generation, guint32 uid, const char *section,
                   guint64 offset, gsize size)
{
    BodyKey key = {generation, uid, g_intern_string(section)};
    guint64 end, start, length;
    Box *box;
    CacheMessage *row;

    if (!lookup(cache, generation, uid, &box, &row))
        return TRUE;
    /* One that is made here is worth nothing until it is whole. */
    if (cache_section_is_made(section) && !blocks_end(cache->blocks, &key, &length))
        return FALSE;
    end = MIN(MIN(offset + size, known_end(cache, &key, row)), CACHE_SIZE_MAX);
    if (*section && !cache_section_is_made(section) &&
        sections_find(cache, &key, offset, end, &start, &length))
        return TRUE;
    return has_blocks(cache, &key, offset, end);
}

void reads_note_lie(Cache *cache, const Box *box, const CacheMessage *row, guint64 size)
{
    if (cache->sizes_lie)
        return;
    g_message("the server told %" G_GUINT64_FORMAT " octets for a message that has %s (mailbox %s, "
              "UID %u): its sizes are not believed any more",
              row->size, size > row->size ? "more" : "less", box->pub.name, row->uid);
    cache->sizes_lie = TRUE;
    cache_put_meta(cache, "sizes_lie", 1);
}

/* What a block of the whole message tells of its size. */
static void note_size(Cache *cache, Box *box, CacheMessage *row, guint32 block, gsize len,
                      gboolean is_end)
{
    guint64 end = (guint64)block * CACHE_BLOCK_SIZE + len;

    if (!is_end)
        row->n_full = MAX(row->n_full, MIN(block + 1, N_FULL_MAX));
    if (row->is_size_proved && row->size == end)
        return;
    if (end > row->size || (is_end && end < row->size))
        reads_note_lie(cache, box, row, end);
    if (is_end && is_true_end(row, block, len)) {
        message_set_size(cache, box, row, end, TRUE);
    } else if (end > row->size) {
        /* At least that; who reads it must not take what was told for the whole. */
        row->size = end;
        row->is_size_proved = FALSE;
        if (cache->news)
            cache->news->size_corrected(box->pub.id, row->uid, cache->news_data);
    }
}

void cache_put_block(Cache *cache, guint32 generation, guint32 uid, const char *section,
                     guint32 block, GBytes *bytes, gboolean is_end)
{
    BodyKey key = {generation, uid, g_intern_string(section)};
    gsize len = g_bytes_get_size(bytes);
    Box *box;
    CacheMessage *row;

    if (!lookup(cache, generation, uid, &box, &row) || (cache_is_spool(cache) && !*section))
        return;
    g_return_if_fail(len == CACHE_BLOCK_SIZE || (len < CACHE_BLOCK_SIZE && is_end));
    blocks_put(cache->blocks, &key, block, bytes, is_end);
    if (!*section)
        note_size(cache, box, row, block, len, is_end);
    else if (!cache_section_is_made(section))
        sections_note_block(cache, &key, (guint64)block * CACHE_BLOCK_SIZE + len, is_end);
}

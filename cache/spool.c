/* SPDX-License-Identifier: MIT */
/* cache/spool.c - what a backend tells that has the messages itself. */
#include "cache/private.h"

void cache_set_spool(Cache *cache, CacheReadHere read_here, gpointer data)
{
    cache->read_here = read_here;
    cache->read_here_data = data;
}

gboolean cache_is_spool(const Cache *cache)
{
    return cache->read_here != NULL;
}

gboolean spool_refuses(const Cache *cache, GError **error)
{
    if (!cache->read_here)
        return FALSE;
    g_set_error_literal(error, MAIL_ERROR, MAIL_ERROR_READ_ONLY,
                        "with POP3 nothing can be added, and the mailboxes are fixed");
    return TRUE;
}

/* --- bytes --- */

CacheAnswer spool_read(Cache *cache, const BodyKey *key, guint64 offset, guint64 end,
                       GPtrArray *ret_slices, GError **error)
{
    const CacheBox *box = cache_box_of_generation(cache, key->generation);

    if (!cache->read_here || *key->section || !box)
        return CACHE_ABSENT;
    return cache->read_here(box->id, key->uid, offset, (gsize)(end - offset), ret_slices, error,
                            cache->read_here_data);
}

CacheAnswer spool_find(Cache *cache, guint32 generation, guint32 uid, GError **error)
{
    g_autoptr(GPtrArray) slices = cache_slices_new();

    return spool_read(cache, &(BodyKey){generation, uid, ""}, 0, 1, slices, error);
}

gboolean spool_has(Cache *cache, guint32 generation, guint32 uid)
{
    return spool_find(cache, generation, uid, NULL) == CACHE_FOUND;
}

/* --- sizes --- */

/* A message whose size is looked for. */
typedef struct {
    Cache *cache;
    BodyKey key;
    gboolean has_failed;
} Probe;

static gboolean has_octet(Probe *probe, guint64 offset)
{
    g_autoptr(GPtrArray) slices = cache_slices_new();
    CacheAnswer answer = spool_read(probe->cache, &probe->key, offset, offset + 1, slices, NULL);

    probe->has_failed |= answer != CACHE_FOUND;
    return answer == CACHE_FOUND && slices->len > 0;
}

/* Tries first what was @told, which mostly holds. */
static guint64 find_size(Probe *probe, guint64 told)
{
    guint64 low = 0, beyond = 1;

    if (told && has_octet(probe, told - 1) && !has_octet(probe, told))
        return told;
    while (beyond < CACHE_SIZE_MAX && has_octet(probe, beyond - 1)) {
        low = beyond;
        beyond *= 2;
    }
    while (beyond - low > 1) {
        guint64 middle = low + (beyond - low) / 2;

        if (has_octet(probe, middle - 1))
            low = middle;
        else
            beyond = middle;
    }
    return low;
}

void spool_prove_size(Cache *cache, Box *box, CacheMessage *row)
{
    Probe probe = {cache, {box->pub.generation, row->uid, ""}, FALSE};
    guint64 size;

    if (!cache->read_here || row->is_size_proved ||
        !spool_has(cache, box->pub.generation, row->uid))
        return;
    size = find_size(&probe, row->size);
    if (!probe.has_failed)
        spool_put_size(cache, box, row, size, TRUE);
}

void spool_put_size(Cache *cache, Box *box, CacheMessage *row, guint64 size, gboolean is_proved)
{
    if (row->is_size_proved || (size == row->size && !is_proved))
        return;
    if (is_proved && row->size && size != row->size)
        reads_note_lie(cache, box, row, size);
    message_set_size(cache, box, row, size, is_proved);
}

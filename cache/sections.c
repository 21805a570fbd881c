/* SPDX-License-Identifier: MIT */
/* cache/sections.c - sections of messages: where in the message they lie, and those that are made
 * here. */
#include <string.h>

#include "cache/private.h"

gboolean cache_section_is_made(const char *section)
{
    for (; *section; section++)
        if (g_ascii_islower(*section))
            return TRUE;
    return FALSE;
}

/* --- where they lie --- */

static void place(guint64 start, guint64 end, guint64 *ret_off, guint64 *ret_len)
{
    *ret_off = start;
    *ret_len = end > start ? end - start : 0;
}

/* The part that @section is of, when it ends with @word. */
static MailPart *part_of(MailPart *root, const char *section, const char *word)
{
    g_autofree char *number = NULL;

    if (!g_str_has_suffix(section, word))
        return NULL;
    number = g_strndup(section, strlen(section) - strlen(word));
    return mail_part_of_section(root, number);
}

/* Where in the message @section lies; FALSE when that is not known. */
static gboolean find_place(MailPart *root, const char *section, guint64 *ret_off, guint64 *ret_len)
{
    MailPart *part;

    if (g_str_equal(section, "HEADER")) {
        place(0, root->body_off, ret_off, ret_len);
        return root->has_offsets;
    }
    part = part_of(root, section, ".HEADER");
    if (part && mail_part_is_message(part)) {
        part = part->parts->pdata[0];
        place(part->header_off, part->body_off, ret_off, ret_len);
        return part->has_offsets;
    }
    part = part_of(root, section, ".MIME");
    if (part) {
        place(part->header_off, part->body_off, ret_off, ret_len);
        return part->has_offsets;
    }
    part = mail_part_of_section(root, section);
    if (!part)
        return FALSE;
    place(part->body_off, part->body_off + part->size, ret_off, ret_len);
    return part->has_offsets;
}

guint64 sections_length(Cache *cache, const BodyKey *key)
{
    CacheMessage message;
    MailPart *root;
    const MailPart *part;

    if (!cache_get_message(cache, key->generation, key->uid, &message))
        return 0;
    if (!*key->section)
        return message.size;
    root = trees_get(cache, key->generation, key->uid);
    part = root ? mail_part_of_section(root, key->section) : NULL;
    return part ? part->size : 0;
}

gboolean sections_has_whole(Cache *cache, guint32 generation, guint32 uid)
{
    CacheMessage message;

    return cache_get_message(cache, generation, uid, &message) &&
           cache_size_is_known(cache, generation, uid) &&
           cache_has(cache, generation, uid, "", 0, message.size);
}

gboolean sections_find(Cache *cache, const BodyKey *key, guint64 offset, guint64 end,
                       guint64 *ret_off, guint64 *ret_len)
{
    MailPart *root = trees_get(cache, key->generation, key->uid);

    if (!root || !find_place(root, key->section, ret_off, ret_len))
        return FALSE;
    end = MIN(end, *ret_len);
    return offset >= end || cache_has(cache, key->generation, key->uid, "", *ret_off + offset,
                                      (gsize)(end - offset));
}

gboolean sections_is_elsewhere(Cache *cache, const BodyKey *key, guint64 *ret_off, guint64 *ret_len)
{
    MailPart *root = trees_get(cache, key->generation, key->uid);

    return root && trees_is_doubted(cache, key->generation, key->uid) &&
           find_place(root, key->section, ret_off, ret_len);
}

gboolean sections_can_be_found(Cache *cache, const BodyKey *key)
{
    const MailPart *root = trees_get(cache, key->generation, key->uid);

    return (!root || !root->has_offsets) &&
           !trees_is_unplaceable(cache, key->generation, key->uid) &&
           sections_has_whole(cache, key->generation, key->uid);
}

void cache_expect_read(Cache *cache, guint32 generation, guint32 uid, const char *section)
{
    BodyKey key = {generation, uid, g_intern_string(section)};

    if (!cache_has(cache, generation, uid, section, 0, CACHE_BLOCK_SIZE) &&
        !sections_can_be_found(cache, &key))
        wants_suggest_block(cache, &key, 0);
}

/* What the server sent of a part ends elsewhere than it said. */
void sections_note_block(Cache *cache, const BodyKey *key, guint64 block_end, gboolean is_end)
{
    MailPart *root = trees_get(cache, key->generation, key->uid);
    const MailPart *part = root ? mail_part_of_section(root, key->section) : NULL;

    if (part && (is_end ? block_end != part->size : block_end >= part->size))
        cache_put_measure(cache, key->generation, key->uid, key->section, MAIL_PART_IRREGULAR,
                          NULL);
}

/* --- how long they are --- */

/* The first block that is missing. */
static guint32 find_missing(Cache *cache, const BodyKey *key)
{
    guint32 n = 0;

    while (blocks_get(cache->blocks, key, n).bytes)
        n++;
    return n;
}

static CacheAnswer told_size(Cache *cache, const BodyKey *key, guint64 *ret_size, guint64 *ret_want,
                             GError **error)
{
    guint64 offset;

    if (sections_find(cache, key, 0, 0, &offset, ret_size) ||
        blocks_end(cache->blocks, key, ret_size))
        return CACHE_FOUND;
    if (sections_can_be_found(cache, key))
        return wants_answer_message(cache, CACHE_WANT_PARSE, key->generation, key->uid, NULL,
                                    ret_want, error);
    return wants_answer_block(cache, key, find_missing(cache, key), ret_want, error);
}

static CacheAnswer made_size(Cache *cache, const BodyKey *key, guint64 *ret_size, guint64 *ret_want,
                             GError **error)
{
    Box *box = g_hash_table_lookup(cache->generations, GUINT_TO_POINTER(key->generation));
    gboolean is_here = blocks_end(cache->blocks, key, ret_size);
    CacheAnswer answer = CACHE_FOUND;

    if (!is_here)
        answer = wants_answer_message(cache, CACHE_WANT_MADE, key->generation, key->uid,
                                      key->section, ret_want, error);
    if (cache->state == CACHE_ONLINE)
        ahead_walk_made(cache, box, key, is_here);
    return answer;
}

CacheAnswer cache_section_size(Cache *cache, guint32 generation, guint32 uid, const char *section,
                               guint64 *ret_size, guint64 *ret_want, GError **error)
{
    BodyKey key = {generation, uid, g_intern_string(section)};
    CacheMessage message;

    if (!cache_get_message(cache, generation, uid, &message))
        return CACHE_ABSENT;
    return cache_section_is_made(section) ? made_size(cache, &key, ret_size, ret_want, error)
                                          : told_size(cache, &key, ret_size, ret_want, error);
}

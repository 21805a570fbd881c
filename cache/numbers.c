/* SPDX-License-Identifier: MIT */
/* cache/numbers.c - the numbers of mailboxes and generations: none is given out twice.
 *
 * The index may be lost, so the mark below which all numbers count as given is in a file of its
 * own. It is kept some way ahead, to be written rarely, and is exact again after a clean end.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "cache/private.h"

#define NUMBERS_FILE "numbers"
#define RESERVED     64

static char *mark_text(guint32 mark)
{
    uLong sum = crc32(0, (const Bytef *)&mark, sizeof mark);

    return g_strdup_printf("%010u %08lx\n", mark, sum);
}

/* 0 when there is none, or a damaged one. */
static guint32 read_mark(Cache *cache)
{
    int fd = openat(cache->dir_fd, NUMBERS_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    char text[32] = "";
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    guint32 mark = n > 0 ? (guint32)g_ascii_strtoull(text, NULL, 10) : 0;
    g_autofree char *expected = mark_text(mark);

    if (fd >= 0)
        close(fd);
    return mark <= NUMBER_MAX + 1 && g_str_equal(text, expected) ? mark : 0;
}

static void write_mark(Cache *cache, guint32 mark)
{
    g_autofree char *text = mark_text(mark);
    int fd = openat(cache->dir_fd, NUMBERS_FILE,
                    O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

    if (fd < 0 || pwrite(fd, text, strlen(text), 0) != (ssize_t)strlen(text))
        g_message("the numbers of the cache %s cannot be written", cache->dir);
    else
        cache->reserved = mark;
    if (fd >= 0)
        close(fd);
}

static void put_next(Cache *cache)
{
    cache_put_meta(cache, "next", cache->next_number);
}

void numbers_load(Cache *cache)
{
    gint64 stored = cache_get_meta(cache, "next");
    guint32 mark = read_mark(cache);

    if (stored > 0 && stored <= NUMBER_MAX + 1)
        mark = MAX(mark, (guint32)stored);
    cache->next_number =
        MAX(MAX(cache->next_number, mark), blocks_highest_generation(cache->blocks) + 1);
    if (stored != cache->next_number)
        put_next(cache);
}

void numbers_save(Cache *cache)
{
    put_next(cache);
}

void numbers_close(Cache *cache)
{
    if (cache->reserved > cache->next_number)
        write_mark(cache, cache->next_number);
}

guint32 cache_new_number(Cache *cache)
{
    guint32 number = cache->next_number;

    if (number > NUMBER_MAX)
        return 0;
    if (number >= cache->reserved)
        write_mark(cache, MIN(number + RESERVED, NUMBER_MAX + 1));
    cache->next_number++;
    put_next(cache);
    return number;
}

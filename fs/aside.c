/* SPDX-License-Identifier: MIT */
/* fs/aside.c - messages that an editor has set aside under the name of a backup. */
#include <string.h>

#include "fs/changing.h"

typedef struct {
    gint64 message; /* message_key() */
    guint32 generation, uid;
    char *name, *backup;         /* that it had, that it has */
    char *name_key, *backup_key; /* the same with their mailbox */
    gboolean has_successor;
} Aside;

struct FsAsides {
    GHashTable *by_message; /* &message -> Aside, owned */
    GHashTable *by_name;    /* name_key -> Aside */
    GHashTable *by_backup;  /* backup_key -> Aside */
};

static gint64 message_key(guint32 generation, guint32 uid)
{
    return (gint64)((guint64)generation << 32 | uid);
}

static char *box_key(guint32 box, const char *name)
{
    return g_strdup_printf("%u/%s", box, name);
}

static void aside_free(gpointer data)
{
    Aside *aside = data;

    g_free(aside->name);
    g_free(aside->backup);
    g_free(aside->name_key);
    g_free(aside->backup_key);
    g_free(aside);
}

FsAsides *fs_asides_new(void)
{
    FsAsides *asides = g_new(FsAsides, 1);

    asides->by_message = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, aside_free);
    asides->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    asides->by_backup = g_hash_table_new(g_str_hash, g_str_equal);
    return asides;
}

void fs_asides_free(FsAsides *asides)
{
    if (!asides)
        return;
    g_hash_table_unref(asides->by_name);
    g_hash_table_unref(asides->by_backup);
    g_hash_table_unref(asides->by_message);
    g_free(asides);
}

gboolean fs_is_backup_name(const char *name)
{
    return name[0] == '.' || g_str_has_suffix(name, "~");
}

/* --- changing the table --- */

static Aside *get(Fs *fs, guint32 generation, guint32 uid)
{
    gint64 key = message_key(generation, uid);

    return g_hash_table_lookup(fs->asides->by_message, &key);
}

static void forget_key(GHashTable *table, const char *key, const Aside *aside)
{
    if (g_hash_table_lookup(table, key) == aside)
        g_hash_table_remove(table, key);
}

void fs_aside_remove(Fs *fs, guint32 generation, guint32 uid)
{
    const Aside *aside = get(fs, generation, uid);

    if (!aside)
        return;
    forget_key(fs->asides->by_name, aside->name_key, aside);
    forget_key(fs->asides->by_backup, aside->backup_key, aside);
    g_hash_table_remove(fs->asides->by_message, &aside->message);
}

void fs_aside_add(Fs *fs, guint32 box, const char *name, const char *backup, guint32 generation,
                  guint32 uid)
{
    Aside *aside = g_new(Aside, 1);

    *aside = (Aside){
        .message = message_key(generation, uid),
        .generation = generation,
        .uid = uid,
        .name = g_strdup(name),
        .backup = g_strdup(backup),
        .name_key = box_key(box, name),
        .backup_key = box_key(box, backup),
    };
    fs_aside_remove(fs, generation, uid);
    g_hash_table_insert(fs->asides->by_message, &aside->message, aside);
    g_hash_table_replace(fs->asides->by_name, aside->name_key, aside);
    g_hash_table_replace(fs->asides->by_backup, aside->backup_key, aside);
}

/* --- looking --- */

static gboolean find(GHashTable *table, guint32 box, const char *name, guint32 *ret_generation,
                     guint32 *ret_uid)
{
    g_autofree char *key = g_hash_table_size(table) ? box_key(box, name) : NULL;
    const Aside *aside = key ? g_hash_table_lookup(table, key) : NULL;

    if (!aside)
        return FALSE;
    *ret_generation = aside->generation;
    *ret_uid = aside->uid;
    return TRUE;
}

gboolean fs_aside_find(Fs *fs, guint32 box, const char *name, guint32 *ret_generation,
                       guint32 *ret_uid)
{
    return find(fs->asides->by_name, box, name, ret_generation, ret_uid);
}

/* Whether the message is there, or what it became. */
static gboolean is_there(Fs *fs, guint32 generation, guint32 uid)
{
    CacheMessage message;
    guint32 id;

    return cache_get_message(fs->cache, generation, uid, &message) ||
           cache_forward(fs->cache, &generation, &uid, &id);
}

gboolean fs_aside_lookup(Fs *fs, guint32 box, const char *backup, guint32 *ret_generation,
                         guint32 *ret_uid)
{
    guint32 generation, uid;

    if (!find(fs->asides->by_backup, box, backup, &generation, &uid))
        return FALSE;
    if (!is_there(fs, generation, uid)) {
        fs_aside_remove(fs, generation, uid);
        return FALSE;
    }
    *ret_generation = generation;
    *ret_uid = uid;
    return TRUE;
}

const char *fs_aside_name(Fs *fs, guint32 generation, guint32 uid, const char **ret_before)
{
    const Aside *aside = get(fs, generation, uid);

    if (aside && ret_before)
        *ret_before = aside->name;
    return aside ? aside->backup : NULL;
}

void fs_aside_succeed(Fs *fs, guint32 generation, guint32 uid)
{
    Aside *aside = get(fs, generation, uid);

    if (aside)
        aside->has_successor = TRUE;
}

gboolean fs_aside_has_successor(Fs *fs, guint32 generation, guint32 uid)
{
    const Aside *aside = get(fs, generation, uid);

    return aside && aside->has_successor;
}

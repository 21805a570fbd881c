/* SPDX-License-Identifier: MIT */
/* net/secret.c - a password in memory that is locked, not dumped, and wiped when freed. */
#include "net/net.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAS_LEAK_CHECKER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_LEAK_CHECKER 1
#endif
#endif

/* Lives in pages of its own. */
struct NetSecret {
    gatomicrefcount refs;
    gsize size; /* of the mapping */
    char text[];
};

/* Locking may be forbidden (RLIMIT_MEMLOCK); the secret is usable without. */
static gpointer pages_new(gsize size)
{
    gpointer pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (pages == MAP_FAILED)
        g_error("no memory for a password");
    (void)mlock(pages, size);
    (void)madvise(pages, size, MADV_DONTDUMP);
    return pages;
}

NetSecret *net_secret_new(const char *bytes, gsize len, const char *what, GError **error)
{
    gsize size = sizeof(NetSecret) + len + 1;
    NetSecret *secret;

    for (gsize i = 0; i < len; i++) {
        if (bytes[i] != '\0' && bytes[i] != '\r' && bytes[i] != '\n')
            continue;
        g_set_error(error, MAIL_ERROR, MAIL_ERROR_INVALID,
                    "%s: a password cannot hold NUL or the end of a line", what);
        return NULL;
    }
    secret = pages_new(size);
    g_atomic_ref_count_init(&secret->refs);
    secret->size = size;
    if (len > 0)
        memcpy(secret->text, bytes, len);
    return secret;
}

NetSecret *net_secret_ref(NetSecret *secret)
{
    g_atomic_ref_count_inc(&secret->refs);
    return secret;
}

void net_secret_unref(NetSecret *secret)
{
    gsize size;

    if (!secret || !g_atomic_ref_count_dec(&secret->refs))
        return;
    size = secret->size;
    explicit_bzero(secret, size);
    munmap(secret, size);
}

const char *net_secret_peek(const NetSecret *secret)
{
    return secret->text;
}

/* --- in what others say --- */

static void wipe_and_free(char *text)
{
    explicit_bzero(text, strlen(text));
    g_free(text);
}

/* @text without the backslashes that quoting may have put there; for wipe_and_free(). */
static char *dup_unquoted(const char *text)
{
    char *out = g_malloc(strlen(text) + 1), *end = out;

    for (; *text; text++)
        if (*text != '\\')
            *end++ = *text;
    *end = '\0';
    return out;
}

/* The end of what PLAIN and LOGIN send of @password when @n_before bytes come before it: without
 * the first digits of base64, in which those bytes still have a part; for wipe_and_free(). */
static char *dup_base64(const char *password, gsize n_before)
{
    gsize len = strlen(password), skipped = MIN(len, (3 - n_before % 3) % 3);

    return g_base64_encode((const guchar *)password + skipped, len - skipped);
}

gboolean net_secret_is_in(const NetSecret *secret, const char *user, const char *text)
{
    char *told = dup_unquoted(text), *plain = dup_unquoted(secret->text);
    gboolean is_in = *plain && strstr(told, plain) != NULL;
    const gsize n_before[] = {0, strlen(user) + 2};

    for (gsize i = 0; i < G_N_ELEMENTS(n_before) && !is_in; i++) {
        char *encoded = dup_base64(secret->text, n_before[i]);

        is_in = *encoded && strstr(told, encoded) != NULL;
        wipe_and_free(encoded);
    }
    wipe_and_free(told);
    wipe_and_free(plain);
    return is_in;
}

void net_secret_harden_process(void)
{
    const struct rlimit none = {0, 0};

    (void)setrlimit(RLIMIT_CORE, &none);
#ifndef HAS_LEAK_CHECKER
    /* The leak checker traces its own process. */
    (void)prctl(PR_SET_DUMPABLE, 0);
#endif
}

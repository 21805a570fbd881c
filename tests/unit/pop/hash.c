/* SPDX-License-Identifier: MIT */
/* tests/unit/pop/hash.c - the SHA-256 of FIPS 180-2 B.1 and B.2, whole and octet by octet. */
#include "pop/hash.h"

#include <string.h>

static const struct {
    const char *text, *hash;
} rows[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

static void expect(const char *text, gsize step, const char *expected)
{
    g_autoptr(PopHash) hash = pop_hash_new();
    g_autoptr(GString) told = g_string_new(NULL);
    guint8 bytes[POP_HASH_LEN];

    for (gsize off = 0, len = strlen(text); off < len; off += step)
        pop_hash_add(hash, text + off, MIN(step, len - off));
    pop_hash_end(hash, bytes);
    for (guint i = 0; i < POP_HASH_LEN; i++)
        g_string_append_printf(told, "%02x", bytes[i]);
    g_assert_cmpstr(told->str, ==, expected);
}

static void test_hash(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        expect(rows[i].text, 100, rows[i].hash);
        expect(rows[i].text, 1, rows[i].hash);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pop/hash", test_hash);
    return g_test_run();
}

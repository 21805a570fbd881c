/* SPDX-License-Identifier: MIT */
/* pop/hash.h - the SHA-256 of a message, octet by octet. */
#pragma once

#include <glib.h>

#define POP_HASH_LEN 32 /* octets */

typedef struct evp_md_ctx_st PopHash;

PopHash *pop_hash_new(void);
void pop_hash_add(PopHash *hash, const void *bytes, gsize len);
/* Nothing can be added after it. */
void pop_hash_end(PopHash *hash, guint8 ret_hash[POP_HASH_LEN]);
/* Accepts NULL. */
void pop_hash_free(PopHash *hash);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PopHash, pop_hash_free)

/* SPDX-License-Identifier: MIT */
/* imap/capability.c - capabilities that say more than that they are there: "APPENDLIMIT=1000". */
#include <string.h>

#include "imap/session-private.h"
#include "imap/worker.h"

guint64 imap_worker_capability_number(const ImapWorker *worker, const char *prefix)
{
    GHashTableIter iter;
    gpointer word;
    guint64 number;

    g_hash_table_iter_init(&iter, worker->session->capabilities);
    while (g_hash_table_iter_next(&iter, &word, NULL)) {
        const char *rest = (const char *)word + strlen(prefix);

        if (g_str_has_prefix(word, prefix) &&
            imap_number_parse(rest, strlen(rest), G_MAXUINT64, &number))
            return number;
    }
    return 0;
}

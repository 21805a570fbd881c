/* SPDX-License-Identifier: MIT */
/* fs/status.c - the text of .mailfs/status. */
#include "fs/private.h"

static const char *state_name(CacheState state)
{
    switch (state) {
    case CACHE_ONLINE: return "online";
    case CACHE_STALLED: return "stalled";
    case CACHE_OFFLINE: return "offline";
    }
    return "unknown";
}

GBytes *fs_status_text(Fs *fs)
{
    g_autoptr(GString) out = g_string_new(NULL);
    const GError *error = cache_state_error(fs->cache);
    CacheFigures figures;

    cache_figures(fs->cache, &figures);
    g_string_append_printf(out, "account: %s\n", fs->options.source);
    g_string_append_printf(out, "state: %s%s%s\n", state_name(cache_state(fs->cache)),
                           error ? ": " : "", error ? error->message : "");
    g_string_append_printf(out, "mailboxes: %u\n", figures.n_boxes);
    g_string_append_printf(
        out, "cache: %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " bytes, %u damaged blocks\n",
        figures.block_bytes, figures.block_bytes_max, figures.n_damaged);
    g_string_append_printf(out, "wanted from the server: %u\n", figures.n_wants);
    g_string_append_printf(out, "changes not sent: %u\n", figures.n_changes);
    g_string_append_printf(out, "waiting calls: %u\n", fs->parked.length);
    g_string_append_printf(out, "refused by the guard: %u\n", fs->n_refused);
    g_string_append(out, "last failures:\n");
    fs_failures_print(fs->failures, out);
    return g_string_free_to_bytes(g_steal_pointer(&out));
}

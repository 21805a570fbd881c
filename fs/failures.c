/* SPDX-License-Identifier: MIT */
/* fs/failures.c - the last failed calls, one line each, for the log and for .mailfs/status. */
#include "fs/private.h"

#define LINES_MAX 100
#define REPEAT_S  60

typedef struct {
    gint64 first_s, last_s; /* Unix seconds */
    guint n;
    char *text;
} Failure;

struct FsFailures {
    GQueue lines; /* Failure, the newest at the tail */
};

FsFailures *fs_failures_new(void)
{
    return g_new0(FsFailures, 1);
}

static void failure_free(gpointer data)
{
    Failure *failure = data;

    g_free(failure->text);
    g_free(failure);
}

void fs_failures_free(FsFailures *failures)
{
    if (!failures)
        return;
    g_queue_clear_full(&failures->lines, failure_free);
    g_free(failures);
}

/* The same within the last minute, or NULL. */
static Failure *repeated(FsFailures *failures, const char *text, gint64 now)
{
    for (GList *link = failures->lines.tail; link; link = link->prev) {
        Failure *failure = link->data;

        if (now - failure->last_s > REPEAT_S)
            return NULL;
        if (g_str_equal(failure->text, text))
            return failure;
    }
    return NULL;
}

char *fs_one_line(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *line = g_string_new(NULL);

    for (const char *p = valid; *p; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);

        g_string_append_unichar(line, g_unichar_iscntrl(c) ? '?' : c);
    }
    return g_string_free(line, FALSE);
}

void fs_failures_add(FsFailures *failures, const char *text)
{
    g_autofree char *line = fs_one_line(text);
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    Failure *failure = repeated(failures, line, now);

    if (failure) {
        failure->n++;
        failure->last_s = now;
        return;
    }
    g_info("%s", line);
    failure = g_new0(Failure, 1);
    *failure = (Failure){now, now, 1, g_steal_pointer(&line)};
    g_queue_push_tail(&failures->lines, failure);
    if (failures->lines.length > LINES_MAX)
        failure_free(g_queue_pop_head(&failures->lines));
}

void fs_failures_print(const FsFailures *failures, GString *out)
{
    for (GList *link = failures->lines.head; link; link = link->next) {
        const Failure *failure = link->data;
        g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(failure->last_s);
        g_autofree char *stamp = g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ");

        g_string_append_printf(out, "%s %s", stamp, failure->text);
        if (failure->n > 1)
            g_string_append_printf(out, " (%u times)", failure->n);
        g_string_append_c(out, '\n');
    }
}

/* SPDX-License-Identifier: MIT */
/* pop/capabilities.c - what the server can do (CAPA, RFC 2449 5). */
#include <string.h>

#include "pop/session-private.h"

#define CAPABILITIES_MAX 1000

gboolean pop_session_has(const PopSession *session, const char *capability)
{
    return g_hash_table_contains(session->capabilities, capability);
}

const char *pop_capabilities_arguments(const PopSession *session, const char *capability)
{
    return g_hash_table_lookup(session->capabilities, capability);
}

guint pop_session_login_delay(const PopSession *session)
{
    const char *arguments = pop_capabilities_arguments(session, "LOGIN-DELAY");
    g_autofree char *digits = NULL;
    guint64 delay;

    if (!arguments)
        return 0;
    /* Behind the number may be "USER": not the same for all. */
    digits = g_strndup(arguments, strcspn(arguments, " "));
    return g_ascii_string_to_unsigned(digits, 10, 0, G_MAXUINT, &delay, NULL) ? (guint)delay : 0;
}

static void on_line(const char *line, gsize len, gboolean is_cut, gpointer data)
{
    PopSession *session = data;
    gsize n = strcspn(line, " \t");

    if (g_hash_table_size(session->capabilities) < CAPABILITIES_MAX)
        g_hash_table_replace(session->capabilities, g_ascii_strup(line, (gssize)n),
                             g_strdup(line + n + strspn(line + n, " \t")));
}

static void disable(PopSession *session)
{
    const char *const *disabled = session->options->disabled;

    for (; disabled && *disabled; disabled++) {
        g_autofree char *word = g_ascii_strup(*disabled, -1);

        g_hash_table_remove(session->capabilities, word);
    }
}

static void on_done(const GError *error, gpointer data)
{
    PopSession *session = data;

    if (session->is_closed)
        return;
    session->knows_capabilities = !error;
    disable(session);
    session->next_step(session, NULL);
}

void pop_capabilities_ask(PopSession *session, PopStepFunc next)
{
    static const PopAnswer answer = {.line = on_line, .done = on_done};
    PopFlight *flight = pop_flight_new("CAPA", NULL, MAIL_ERROR_SERVER);

    g_hash_table_remove_all(session->capabilities);
    session->knows_capabilities = FALSE;
    flight->shape = POP_SHAPE_LINES;
    flight->answer = &answer;
    pop_session_step(session, flight, next);
}

/* SPDX-License-Identifier: MIT */
/* tests/unit/imap/play.c - what a server hears and says, line by line. */
#include "tests/unit/imap/play.h"

#include <string.h>

#include "tests/unit/net/server.h"

void play_say(int fd, const char *format, ...)
{
    g_autofree char *text = NULL;
    g_autofree char *line = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    line = g_strconcat(text, "\r\n", NULL);
    server_send(fd, line, strlen(line));
}

static char *take_line(int fd)
{
    g_autoptr(GString) line = g_string_new(NULL);
    char c;

    while (!g_str_has_suffix(line->str, "\r\n")) {
        server_receive(fd, &c, 1);
        g_string_append_c(line, c);
    }
    return g_strndup(line->str, line->len - 2);
}

void play_expect_line(int fd, const char *expected)
{
    g_autofree char *line = take_line(fd);

    g_assert_cmpstr(line, ==, expected);
}

char *play_expect(int fd, const char *expected)
{
    g_autofree char *line = take_line(fd);
    char *end = strchr(line, ' ');

    g_assert_nonnull(end);
    g_assert_cmpstr(end + 1, ==, expected);
    return g_strndup(line, (gsize)(end - line));
}

void play_accept(int fd, const char *expected)
{
    g_autofree char *tag = play_expect(fd, expected);

    play_say(fd, "%s OK done", tag);
}

void play_script(int fd, const char *const *lines)
{
    g_autofree char *tag = NULL;

    for (; *lines; lines++) {
        const char *line = *lines + strlen("C: ");
        gboolean is_tagged = g_str_has_prefix(line, "$ ");

        if (**lines == 'S') {
            play_say(fd, "%s%s", is_tagged ? tag : "", line + is_tagged);
        } else if (is_tagged) {
            g_free(tag);
            tag = play_expect(fd, line + strlen("$ "));
        } else {
            play_expect_line(fd, line);
        }
    }
}

void play_login(int fd, const char *capabilities)
{
    g_autofree char *tag = NULL;

    play_say(fd, "* OK [CAPABILITY %s] hello", capabilities);
    tag = play_expect(fd, "LOGIN alice secret");
    play_say(fd, "%s OK [CAPABILITY %s] welcome", tag, capabilities);
}

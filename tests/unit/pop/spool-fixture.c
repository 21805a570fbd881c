/* SPDX-License-Identifier: MIT */
/* tests/unit/pop/spool-fixture.c - a spool in a directory of its own. */
#include "spool-fixture.h"

#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- life --- */

void fixture_open(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;

    fixture->spool = pop_spool_open(fixture->dir, &error);
    g_assert_no_error(error);
    g_assert_nonnull(fixture->spool);
}

void fixture_close(Fixture *fixture)
{
    g_clear_pointer(&fixture->spool, pop_spool_close);
}

void fixture_reopen(Fixture *fixture)
{
    fixture_close(fixture);
    fixture_open(fixture);
}

void fixture_set_up(Fixture *fixture, gconstpointer data)
{
    fixture->dir = g_dir_make_tmp("mailfs-test-XXXXXX", NULL);
    fixture_open(fixture);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *where)
{
    return remove(path);
}

void fixture_tear_down(Fixture *fixture, gconstpointer data)
{
    fixture_close(fixture);
    nftw(fixture->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    g_free(fixture->dir);
}

/* --- answers --- */

void answer_done(guint32 number, const GError *error, gpointer data)
{
    Answer *answer = data;

    answer->n++;
    answer->number = number;
    g_clear_error(&answer->error);
    answer->error = error ? g_error_copy(error) : NULL;
}

void answer_matched(const PopMatch *matches, guint n, const GError *error, gpointer data)
{
    Answer *answer = data;

    answer_done(0, error, answer);
    for (guint i = 0; i < MIN(n, G_N_ELEMENTS(answer->matches)); i++)
        answer->matches[i] = matches[i];
}

void answer_wait(Answer *answer)
{
    while (!answer->n)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpuint(answer->n, ==, 1);
}

guint32 answer_number(Answer *answer)
{
    answer_wait(answer);
    g_assert_no_error(answer->error);
    return answer->number;
}

void answer_error(Answer *answer, MailError code)
{
    answer_wait(answer);
    g_assert_error(answer->error, MAIL_ERROR, (int)code);
    g_clear_error(&answer->error);
}

/* --- what the backend does --- */

Answer fixture_match(Fixture *fixture, const char *const *uidls, guint n)
{
    g_autofree PopListed *listed = g_new0(PopListed, n);
    Answer answer = {0};

    for (guint i = 0; i < n; i++)
        listed[i] = (PopListed){uidls[i], 1000};
    pop_spool_match(fixture->spool, listed, n, answer_matched, &answer);
    answer_number(&answer);
    return answer;
}

void fixture_match_none(Fixture *fixture)
{
    fixture_match(fixture, NULL, 0);
}

void fixture_receive(Fixture *fixture, guint32 number, const void *bytes, gsize len, Answer *answer)
{
    PopWriter *writer = pop_spool_receive(fixture->spool, number);
    g_autoptr(GError) error = NULL;

    g_assert_true(pop_writer_append(writer, bytes, len, &error));
    g_assert_no_error(error);
    pop_writer_finish(writer, answer_done, answer);
}

guint32 fixture_store(Fixture *fixture, guint32 number, const char *text)
{
    Answer answer = {0};

    fixture_receive(fixture, number, text, strlen(text), &answer);
    return answer_number(&answer);
}

guint32 fixture_deliver(Fixture *fixture, const char *uidl, const char *text)
{
    Answer answer = fixture_match(fixture, &uidl, 1);

    return fixture_store(fixture, answer.matches[0].number, text);
}

void fixture_move(Fixture *fixture, guint32 number, PopPlace place)
{
    Answer answer = {0};

    pop_spool_move(fixture->spool, number, place, answer_done, &answer);
    g_assert_cmpuint(answer_number(&answer), ==, number);
}

gboolean fixture_refresh(Fixture *fixture)
{
    Answer answer = {0};

    pop_spool_refresh(fixture->spool, answer_done, &answer);
    return answer_number(&answer) == 1;
}

/* --- what is there --- */

GBytes *fixture_read(const Fixture *fixture, guint32 number)
{
    g_autoptr(GError) error = NULL;
    int fd = pop_spool_open_file(fixture->spool, number, &error);
    g_autoptr(GMappedFile) file = NULL;

    g_assert_no_error(error);
    file = g_mapped_file_new_from_fd(fd, FALSE, &error);
    g_assert_no_error(error);
    close(fd);
    return g_mapped_file_get_bytes(file);
}

void fixture_expect(const Fixture *fixture, guint32 number, PopPlace place, const char *text)
{
    const PopMessage *message = pop_spool_get(fixture->spool, number);
    g_autoptr(GBytes) bytes = NULL;
    gsize len;
    const char *data;

    g_assert_nonnull(message);
    g_assert_cmpint(message->place, ==, place);
    if (!pop_message_is_stored(message))
        return;
    bytes = fixture_read(fixture, number);
    data = g_bytes_get_data(bytes, &len);
    g_assert_cmpmem(data, len, text, strlen(text));
    g_assert_cmpuint(message->size, ==, strlen(text));
}

char *fixture_list(const Fixture *fixture)
{
    static const char *const names[] = {"waiting", "inbox", "read", "trash"};
    GString *list = g_string_new(NULL);

    for (const PopMessage *message = pop_spool_next(fixture->spool, 0); message;
         message = pop_spool_next(fixture->spool, message->number))
        g_string_append_printf(list, "%s%u %s", list->len ? ", " : "", message->number,
                               names[message->place]);
    return g_string_free(list, FALSE);
}

void fixture_expect_list(const Fixture *fixture, const char *expected)
{
    g_autofree char *list = fixture_list(fixture);

    g_assert_cmpstr(list, ==, expected);
}

/* --- files --- */

char *fixture_path(const Fixture *fixture, const char *name)
{
    return g_build_filename(fixture->dir, name, NULL);
}

guint fixture_count_files(const Fixture *fixture, const char *folder)
{
    g_autofree char *path = fixture_path(fixture, folder);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    guint n = 0;

    g_assert_nonnull(dir);
    while (g_dir_read_name(dir))
        n++;
    return n;
}

char *fixture_only_file(const Fixture *fixture, const char *folder)
{
    g_autofree char *path = fixture_path(fixture, folder);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);

    g_assert_cmpuint(fixture_count_files(fixture, folder), ==, 1);
    return g_build_filename(path, g_dir_read_name(dir), NULL);
}

void fixture_write(const Fixture *fixture, const char *name, const char *text)
{
    g_autofree char *path = fixture_path(fixture, name);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

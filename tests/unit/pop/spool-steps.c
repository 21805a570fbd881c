/* SPDX-License-Identifier: MIT */
/* tests/unit/pop/spool-steps.c - the process dies, or the disk refuses, at each step of what a
 * spool does: what was promised holds, nothing is there twice or in part, and it goes on. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "disk.h"
#include "spool-fixture.h"

#define N_MESSAGES 3
#define BIG        150000 /* octets; of the first message */

/* The engine of this process starts no threads, so that it can fork: children do it all. */

typedef struct {
    PopPlace places[N_MESSAGES]; /* of the messages a, b, c, as they were promised */
    gboolean is_stopped;
    gboolean is_done;
} Promise;

static Promise *promise; /* shared with the children */

static const char *const uidls[] = {"a", "b", "c"};

/* Of the message with that UIDL, and of the one that has it later. */
static char *make_text(const char *uidl)
{
    g_autofree char *filling = g_strnfill(g_str_equal(uidl, "a") ? BIG : 10, *uidl);

    return g_strconcat("Subject: ", uidl, "\r\n\r\n", filling, NULL);
}

/* Which of them a message is; all of it is here, or nothing. */
static char letter_of(Fixture *fixture, const PopMessage *message)
{
    g_autoptr(GBytes) bytes = NULL;
    g_autofree char *text = NULL;
    char uidl[2] = "";

    if (!pop_message_is_stored(message))
        return *message->uidl;
    bytes = fixture_read(fixture, message->number);
    g_assert_cmpuint(g_bytes_get_size(bytes), >, 9);
    *uidl = ((const char *)g_bytes_get_data(bytes, NULL))[9];
    text = make_text(uidl);
    fixture_expect(fixture, message->number, message->place, text);
    return *uidl;
}

static const PopMessage *find(Fixture *fixture, char letter)
{
    const PopMessage *found = NULL;

    for (const PopMessage *message = pop_spool_next(fixture->spool, 0); message;
         message = pop_spool_next(fixture->spool, message->number))
        if (letter_of(fixture, message) == letter) {
            g_assert_null(found);
            found = message;
        }
    return found;
}

/* --- a life --- */

static PopMatch matches[N_MESSAGES];

static gboolean wait_for(Answer *answer)
{
    gboolean is_ok;

    answer_wait(answer);
    is_ok = !answer->error;
    g_clear_error(&answer->error);
    return is_ok;
}

static gboolean match_all(Fixture *fixture)
{
    PopListed listed[N_MESSAGES];
    Answer answer = {0};

    for (guint i = 0; i < N_MESSAGES; i++)
        listed[i] = (PopListed){uidls[i], 10};
    pop_spool_match(fixture->spool, listed, N_MESSAGES, answer_matched, &answer);
    if (!wait_for(&answer))
        return FALSE;
    memcpy(matches, answer.matches, sizeof matches);
    return TRUE;
}

static gboolean receive(Fixture *fixture, guint32 number, const char *uidl)
{
    PopWriter *writer = pop_spool_receive(fixture->spool, number);
    g_autofree char *text = make_text(uidl);
    Answer answer = {0};

    if (!pop_writer_append(writer, text, strlen(text), NULL)) {
        pop_writer_free(writer);
        return FALSE;
    }
    pop_writer_finish(writer, answer_done, &answer);
    return wait_for(&answer);
}

static gboolean receive_all(Fixture *fixture)
{
    gboolean is_ok = TRUE;

    for (guint i = 0; i < N_MESSAGES; i++)
        if (matches[i].kind == POP_MATCH_STORED)
            continue;
        else if (receive(fixture, matches[i].number, uidls[i]))
            promise->places[i] = POP_PLACE_INBOX;
        else
            is_ok = FALSE;
    return is_ok;
}

static gboolean move(Fixture *fixture, guint nth, PopPlace place)
{
    Answer answer = {0};

    if (pop_spool_get(fixture->spool, matches[nth].number)->place == place)
        return TRUE;
    /* Until the answer comes it may be in either. */
    promise->places[nth] = POP_PLACE_WAITING;
    pop_spool_move(fixture->spool, matches[nth].number, place, answer_done, &answer);
    if (!wait_for(&answer))
        return FALSE;
    promise->places[nth] = place;
    return TRUE;
}

static gboolean mark(Fixture *fixture, guint nth)
{
    Answer answer = {0};

    pop_spool_set_flags(fixture->spool, matches[nth].number, MAIL_FLAG_SEEN, answer_done, &answer);
    return wait_for(&answer);
}

static gboolean retrieve_and_move(Fixture *fixture)
{
    return match_all(fixture) && receive_all(fixture) && move(fixture, 0, POP_PLACE_READ) &&
           mark(fixture, 1) && move(fixture, 2, POP_PLACE_TRASH);
}

static void expect_retrieved_and_moved(Fixture *fixture)
{
    g_assert_cmpint(find(fixture, 'a')->place, ==, POP_PLACE_READ);
    g_assert_cmpint(find(fixture, 'b')->place, ==, POP_PLACE_INBOX);
    g_assert_cmpuint(find(fixture, 'b')->flags, ==, MAIL_FLAG_SEEN);
    g_assert_cmpint(find(fixture, 'c')->place, ==, POP_PLACE_TRASH);
    g_assert_cmpint(find(fixture, 'c')->trashed, >, 0);
}

static const char *stopped(const Fixture *fixture)
{
    PopFigures figures;

    pop_spool_figures(fixture->spool, &figures);
    return figures.stopped;
}

/* The server gives the UIDL of the first message to another one, "d". */
static gboolean get_another(Fixture *fixture)
{
    if (stopped(fixture))
        return TRUE;
    if (!match_all(fixture) || !receive(fixture, matches[0].number, "a") ||
        !receive(fixture, matches[0].number, "d"))
        return FALSE;
    promise->is_stopped = TRUE;
    return TRUE;
}

static void expect_another(Fixture *fixture)
{
    g_assert_nonnull(stopped(fixture));
    g_assert_cmpint(find(fixture, 'a')->place, ==, POP_PLACE_INBOX);
    g_assert_null(find(fixture, 'a')->uidl);
    g_assert_cmpint(find(fixture, 'd')->place, ==, POP_PLACE_INBOX);
    g_assert_cmpstr(find(fixture, 'd')->uidl, ==, "a");
}

/* Goes on where it was; TRUE when all of it is done. */
typedef gboolean (*Live)(Fixture *fixture);

typedef struct {
    const char *name;
    Live live;
    void (*expect)(Fixture *fixture);
} Life;

static const Life lives[] = {
    {"retrieve-and-move", retrieve_and_move, expect_retrieved_and_moved},
    {"get-another", get_another, expect_another},
};

/* --- what holds at any time --- */

static guint count_all_files(const Fixture *fixture)
{
    return fixture_count_files(fixture, "spool/new") + fixture_count_files(fixture, "spool/cur") +
           fixture_count_files(fixture, "spool/.Read/new") +
           fixture_count_files(fixture, "spool/.Read/cur") +
           fixture_count_files(fixture, "spool/.Trash/new") +
           fixture_count_files(fixture, "spool/.Trash/cur");
}

/* Each message is there once, and whole, or not at all. */
static void expect_truth(Fixture *fixture)
{
    guint n = 0;

    for (char letter = 'a'; letter <= 'd'; letter++) {
        const PopMessage *message = find(fixture, letter);

        n += message && pop_message_is_stored(message);
    }
    g_assert_cmpuint(count_all_files(fixture), ==, n);
}

static void expect_promise(Fixture *fixture)
{
    for (guint i = 0; i < N_MESSAGES; i++)
        if (promise->places[i] != POP_PLACE_WAITING)
            g_assert_cmpint(find(fixture, *uidls[i])->place, ==, promise->places[i]);
    if (promise->is_stopped)
        g_assert_nonnull(stopped(fixture));
}

/* It was just opened. */
static void end_life(Fixture *fixture, const Life *life)
{
    g_assert_cmpuint(fixture_count_files(fixture, "spool/tmp"), ==, 0);
    expect_truth(fixture);
    expect_promise(fixture);
    g_assert_true(life->live(fixture));
    fixture_reopen(fixture);
    expect_truth(fixture);
    life->expect(fixture);
    fixture_close(fixture);
}

/* --- children --- */

static void run_child(void (*func)(const char *dir, const Life *life, guint n), const char *dir,
                      const Life *life, guint n)
{
    pid_t child = fork();
    int status;

    g_assert_cmpint(child, >=, 0);
    if (child == 0) {
        disk_set_lazy(TRUE);
        func(dir, life, n);
        _exit(0);
    }
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    if (status != 0)
        g_test_message("%s, step %u: status %x", life->name, n, status);
    g_assert_cmpint(status, ==, 0);
}

static void live_and_die(const char *dir, const Life *life, guint n)
{
    Fixture fixture = {.dir = (char *)dir};

    disk_reset();
    disk_die_at(n);
    fixture_open(&fixture);
    g_assert_true(life->live(&fixture));
    fixture_close(&fixture);
    promise->is_done = TRUE;
}

static void look_and_go_on(const char *dir, const Life *life, guint n)
{
    Fixture fixture = {.dir = (char *)dir};

    fixture_open(&fixture);
    end_life(&fixture, life);
}

/* What fails is told, and is not there; then the disk is in order again. */
static void live_with_failures(const char *dir, const Life *life, guint n, guint n_failures,
                               int errsv)
{
    Fixture fixture = {.dir = (char *)dir};

    disk_reset();
    disk_fail(n, n + n_failures - 1, errsv);
    fixture.spool = pop_spool_open(dir, NULL);
    if (fixture.spool) {
        life->live(&fixture);
        promise->is_done = disk_n_calls() < n;
    }
    disk_reset();
    if (!fixture.spool)
        fixture_open(&fixture);
    fixture_refresh(&fixture);
    expect_truth(&fixture);
    expect_promise(&fixture);
    g_assert_true(life->live(&fixture));
    fixture_reopen(&fixture);
    end_life(&fixture, life);
}

static void live_with_full_disk(const char *dir, const Life *life, guint n)
{
    live_with_failures(dir, life, n, 1000000, ENOSPC);
}

static void live_with_bad_disk(const char *dir, const Life *life, guint n)
{
    live_with_failures(dir, life, n, 1, EIO);
}

/* --- tests --- */

typedef struct {
    const Life *life;
    void (*first)(const char *dir, const Life *life, guint n);
    void (*second)(const char *dir, const Life *life, guint n); /* or NULL */
} Trial;

static void test_each_step(gconstpointer data)
{
    const Trial *trial = data;
    guint n = 0;

    promise =
        mmap(NULL, sizeof *promise, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    do {
        Fixture fixture = {.dir = g_dir_make_tmp("mailfs-test-XXXXXX", NULL)};

        memset(promise, 0, sizeof *promise);
        run_child(trial->first, fixture.dir, trial->life, ++n);
        if (trial->second)
            run_child(trial->second, fixture.dir, trial->life, n);
        fixture_tear_down(&fixture, NULL);
    } while (!promise->is_done);
    g_assert_cmpuint(n, >, 20);
    munmap(promise, sizeof *promise);
}

static void add(const char *name, Trial trial)
{
    for (gsize i = 0; i < G_N_ELEMENTS(lives); i++) {
        g_autofree char *path = g_strdup_printf("/pop/spool-steps/%s/%s", lives[i].name, name);

        trial.life = &lives[i];
        g_test_add_data_func_full(path, g_memdup2(&trial, sizeof trial), test_each_step, g_free);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("die", (Trial){.first = live_and_die, .second = look_and_go_on});
    add("full", (Trial){.first = live_with_full_disk});
    add("bad", (Trial){.first = live_with_bad_disk});
    return g_test_run();
}

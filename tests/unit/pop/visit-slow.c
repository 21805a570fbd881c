/* SPDX-License-Identifier: MIT */
/* tests/unit/pop/visit-slow.c - a visit whose messages come faster than the disk takes them. */
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pop/session-private.h"
#include "pop/visit-private.h"
#include "visit-drop.h"

#define MIB ((guint64)1024 * 1024)

/* --- a disk that waits --- */

static GMutex mutex;
static GCond cond;
static gboolean is_stuck;

static void set_stuck(gboolean stuck)
{
    g_mutex_lock(&mutex);
    is_stuck = stuck;
    g_cond_broadcast(&cond);
    g_mutex_unlock(&mutex);
}

int fsync(int fd)
{
    g_mutex_lock(&mutex);
    while (is_stuck)
        g_cond_wait(&cond, &mutex);
    g_mutex_unlock(&mutex);
    return (int)syscall(SYS_fsync, fd);
}

/* --- visits --- */

static void add(Caller *caller, guint n, gsize len, guint64 told)
{
    static const char *const uidls[] = {"a", "b", "c", "d", "e", "f"};

    for (guint i = 0; i < n; i++) {
        char *text = g_strnfill(len, (char)('a' + i));

        memcpy(text + len - 2, "\r\n", 2);
        caller_add(caller, uidls[i], text);
        caller->drop.messages[i].told = told;
        caller->drop.messages[i].refuses_top = TRUE;
    }
    set_stuck(FALSE);
}

static void end(Caller *caller)
{
    set_stuck(FALSE);
    caller_settle(caller);
    caller_end(caller);
    g_assert_no_error(caller->error);
    caller_expect_all(caller, POP_PLACE_INBOX);
    for (guint i = 0; i < caller->drop.n; i++)
        g_free((char *)caller->drop.messages[i].text);
}

/* Nothing is asked for while 16 MiB are on their way. */
static void test_asks_less(Caller *caller, gconstpointer data)
{
    add(caller, 4, 9 * MIB, 0);
    caller_start(caller);
    client_await(caller->visit->coming.length);
    set_stuck(TRUE);
    client_await(caller->visit->n_storing == 2 && !caller->visit->coming.length &&
                 !caller->visit->step_source);
    g_assert_cmpuint(pop_spool_backlog(caller->spool.spool), ==, 18 * MIB);
    end(caller);
}

/* What was asked for is larger than it was said to be: then nothing is read for a while. */
static void test_listens_less(Caller *caller, gconstpointer data)
{
    add(caller, 6, 9 * MIB, 1);
    caller_start(caller);
    client_await(caller->visit->coming.length);
    set_stuck(TRUE);
    client_await(caller->visit->session->is_paused);
    g_assert_cmpuint(pop_spool_backlog(caller->spool.spool), ==, 36 * MIB);
    g_assert_cmpuint(caller->visit->coming.length, ==, 2);
    end(caller);
}

/* What was received whole is stored and told of before the end, though the connection is lost. */
static void test_ends_later(Caller *caller, gconstpointer data)
{
    add(caller, 2, MIB, 0);
    caller->drop.cut_after = (guint)(MIB + MIB / 2);
    caller_start(caller);
    client_await(caller->visit->coming.length);
    set_stuck(TRUE);
    client_await(caller->visit->failure && !caller->visit->step_source);
    g_assert_false(caller->has_ended);
    g_assert_false(pop_visit_is_open(caller->visit));
    set_stuck(FALSE);
    caller_end(caller);
    g_assert_error(caller->error, MAIL_ERROR, MAIL_ERROR_OFFLINE);
    g_assert_cmpstr(caller->told->str, ==, "2=2 ");
    caller->drop.cut_after = 0;
    caller->options.retrieves_all = TRUE;
    caller_start(caller);
    end(caller);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    CALLER_TEST("/pop/visit/asks-less", test_asks_less);
    CALLER_TEST("/pop/visit/listens-less", test_listens_less);
    CALLER_TEST("/pop/visit/ends-later", test_ends_later);
    return g_test_run();
}

/* SPDX-License-Identifier: MIT */
/* tests/unit/net/secret.c - where passwords come from, and when they are refused. */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "net/net.h"

/* --- from bytes --- */

static void test_bytes(void)
{
    g_autoptr(NetSecret) secret = net_secret_new("p\xc3\xa4ss word", 10, "test", NULL);
    g_autoptr(NetSecret) again = net_secret_ref(secret);
    g_autoptr(NetSecret) empty = net_secret_new("", 0, "test", NULL);

    g_assert_cmpstr(net_secret_peek(again), ==, "p\xc3\xa4ss word");
    g_assert_cmpstr(net_secret_peek(empty), ==, "");
}

static void test_forbidden_bytes(void)
{
    static const char *const forbidden = "\0\r\n";

    for (gsize i = 0; i < 3; i++) {
        char bytes[] = "secret";
        g_autoptr(GError) error = NULL;

        bytes[3] = forbidden[i];
        g_assert_null(net_secret_new(bytes, 6, "read the test", &error));
        g_assert_error(error, MAIL_ERROR, MAIL_ERROR_INVALID);
        g_assert_true(g_str_has_prefix(error->message, "read the test: "));
        g_assert_null(strstr(error->message, "sec"));
    }
}

static void test_long(void)
{
    g_autofree char *bytes = g_strnfill(100 * 1000, 'x');
    g_autoptr(NetSecret) secret = net_secret_new(bytes, 100 * 1000, "test", NULL);

    g_assert_cmpstr(net_secret_peek(secret), ==, bytes);
}

/* --- from a file --- */

typedef struct {
    char *dir, *path, *link;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data)
{
    fixture->dir = g_dir_make_tmp("mailfs-test-XXXXXX", NULL);
    fixture->path = g_build_filename(fixture->dir, "password", NULL);
    fixture->link = g_build_filename(fixture->dir, "link", NULL);
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    g_unlink(fixture->path);
    g_unlink(fixture->link);
    g_rmdir(fixture->dir);
    g_free(fixture->dir);
    g_free(fixture->path);
    g_free(fixture->link);
}

static void write_file(const char *path, const char *text, gsize len, mode_t mode)
{
    g_assert_true(g_file_set_contents(path, text, (gssize)len, NULL));
    g_assert_no_errno(chmod(path, mode));
}

static void check_file(const Fixture *fixture, const char *text, gsize len, const char *expected)
{
    g_autoptr(NetSecret) secret = NULL;
    g_autoptr(GError) error = NULL;

    write_file(fixture->path, text, len, 0600);
    secret = net_secret_from_file(fixture->path, &error);
    if (expected) {
        g_assert_no_error(error);
        g_assert_cmpstr(net_secret_peek(secret), ==, expected);
    } else {
        g_assert_error(error, MAIL_ERROR, MAIL_ERROR_INVALID);
    }
}

static void test_file(Fixture *fixture, gconstpointer data)
{
    g_autofree char *big = g_strnfill(64 * 1024 + 1, 'x');

    check_file(fixture, "secret", 6, "secret");
    check_file(fixture, "secret\n", 7, "secret");
    check_file(fixture, "secret\r\n", 8, "secret");
    check_file(fixture, " two words \nlogin: alice\n", 25, " two words ");
    check_file(fixture, "", 0, NULL);
    check_file(fixture, "\nsecret\n", 8, NULL);
    check_file(fixture, "\r\n", 2, NULL);
    check_file(fixture, "sec\0ret\n", 8, NULL);
    check_file(fixture, "sec\rret\n", 8, NULL);
    check_file(fixture, big, 64 * 1024 + 1, NULL);
    big[64 * 1024] = '\0';
    check_file(fixture, big, 64 * 1024, big);
}

static void test_open_file(Fixture *fixture, gconstpointer data)
{
    static const mode_t modes[] = {0604, 0640, 0602, 0620, 0601, 0610, 0644, 0666};

    for (gsize i = 0; i < G_N_ELEMENTS(modes); i++) {
        g_autoptr(GError) error = NULL;

        write_file(fixture->path, "secret\n", 7, modes[i]);
        g_assert_null(net_secret_from_file(fixture->path, &error));
        g_assert_error(error, MAIL_ERROR, MAIL_ERROR_INVALID);
        g_assert_nonnull(strstr(error->message, fixture->path));
        g_assert_nonnull(strstr(error->message, "chmod 600"));
    }
}

/* A link is followed; what counts is the file behind it. */
static void test_linked_file(Fixture *fixture, gconstpointer data)
{
    g_autoptr(NetSecret) secret = NULL;
    g_autoptr(GError) error = NULL;

    write_file(fixture->path, "secret\n", 7, 0400);
    g_assert_no_errno(symlink(fixture->path, fixture->link));
    secret = net_secret_from_file(fixture->link, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(net_secret_peek(secret), ==, "secret");
    g_assert_no_errno(chmod(fixture->path, 0644));
    g_assert_null(net_secret_from_file(fixture->link, &error));
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_INVALID);
}

static void test_foreign_file(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    if (geteuid() != 0) {
        g_test_skip("only root can give files away");
        return;
    }
    write_file(fixture->path, "secret\n", 7, 0600);
    g_assert_no_errno(chown(fixture->path, 12345, 12345));
    g_assert_null(net_secret_from_file(fixture->path, &error));
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_INVALID);
    g_assert_nonnull(strstr(error->message, "belongs to another user"));
}

static void test_no_file(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(net_secret_from_file(fixture->path, &error));
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_LOCAL);
    g_clear_error(&error);
    g_assert_no_errno(mkfifo(fixture->path, 0600));
    g_assert_null(net_secret_from_file(fixture->path, &error));
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_INVALID);
    g_clear_error(&error);
    g_assert_null(net_secret_from_file(fixture->dir, &error));
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_INVALID);
}

/* --- from a command --- */

static void check_command(const char *command, const char *expected, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(NetSecret) secret = net_secret_from_command(command, 60, &error);

    if (expected) {
        g_assert_no_error(error);
        g_assert_cmpstr(net_secret_peek(secret), ==, expected);
        return;
    }
    g_assert_null(secret);
    g_assert_cmpstr(error->message, ==, text);
}

static void test_command(void)
{
    check_command("echo secret", "secret", NULL);
    check_command("printf secret", "secret", NULL);
    check_command("printf 'secret\\r\\nlogin: alice\\n'", "secret", NULL);
    check_command("printf sec; sleep 0.1; echo ret", "secret", NULL);
    check_command("echo secret; yes | head -c 1000000", "secret", NULL);
    check_command("cat; echo secret", "secret", NULL);
    check_command("echo secret; exec >&-; sleep 0.1", "secret", NULL);
}

static void test_command_fails(void)
{
    check_command("echo secret; exit 3", NULL,
                  "run the password command: it failed with exit status 3");
    check_command("no-such-command-of-ours 2>/dev/null", NULL,
                  "run the password command: it failed with exit status 127");
    check_command("echo secret; kill -9 $$", NULL,
                  "run the password command: it was killed by signal 9");
    check_command("true", NULL, "run the password command: the first line is empty");
    check_command("echo; echo secret", NULL, "run the password command: the first line is empty");
    check_command("yes | tr -d '\\n' | head -c 100000", NULL,
                  "run the password command: the first line is too long");
}

/* What the command has left behind, with its stdout open, does not hold us up. */
static void test_command_leaves_a_daemon(void)
{
    gint64 start_us = g_get_monotonic_time();

    check_command("sleep 20 2>/dev/null & echo secret", "secret", NULL);
    check_command("echo secret; yes 2>/dev/null &", "secret", NULL);
    g_assert_cmpint(g_get_monotonic_time() - start_us, <, 10 * G_USEC_PER_SEC);
}

static void test_command_descriptors(void)
{
    int fd = open("/dev/null", O_RDONLY); /* on purpose not close-on-exec */
    g_autofree char *command = g_strdup_printf("test -e /proc/self/fd/%d || echo closed", fd);

    check_command(command, "closed", NULL);
    close(fd);
}

static gboolean is_running(const char *pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", atoi(pid));
    g_autofree char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) && !strstr(text, ") Z ");
}

static void test_command_does_not_end(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(net_secret_from_command("yes", 1, &error));
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_TIMEOUT);
}

/* Its children die with it. */
static void test_command_timeout(void)
{
    g_autofree char *dir = g_dir_make_tmp("mailfs-test-XXXXXX", NULL);
    g_autofree char *file = g_build_filename(dir, "pid", NULL);
    g_autofree char *command = g_strdup_printf("sleep 20 & echo $! >%s; echo secret; wait", file);
    g_autofree char *pid = NULL;
    g_autoptr(GError) error = NULL;
    gint64 start_us = g_get_monotonic_time();

    g_assert_null(net_secret_from_command(command, 1, &error));
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_TIMEOUT);
    g_assert_true(g_file_get_contents(file, &pid, NULL, NULL));
    while (is_running(pid))
        g_usleep(1000);
    g_assert_cmpint(g_get_monotonic_time() - start_us, <, 10 * G_USEC_PER_SEC);
    g_unlink(file);
    g_rmdir(dir);
}

/* --- from the terminal --- */

/* In a child of its own that has @ret_master's other side as terminal: asks, and exits with 0
 * when the password was "secret". */
static pid_t ask_in_child(int *ret_master)
{
    pid_t pid = forkpty(ret_master, NULL, NULL, NULL);

    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
        g_autoptr(NetSecret) secret = NULL;

        signal(SIGINT, SIG_DFL); /* which is ignored where the tests run in the background */
        signal(SIGQUIT, SIG_DFL);
        secret = net_secret_from_tty("Password: ", NULL);
        _exit(secret && strcmp(net_secret_peek(secret), "secret") == 0 ? 0 : 1);
    }
    return pid;
}

static gboolean does_echo(int master)
{
    struct termios settings;

    g_assert_no_errno(tcgetattr(master, &settings));
    return (settings.c_lflag & ECHO) != 0;
}

/* Reads what the terminal shows until @text is among it; returns all. */
static char *await_text(int master, const char *text)
{
    GString *shown = g_string_new(NULL);
    char byte;

    while (!strstr(shown->str, text) && read(master, &byte, 1) == 1)
        g_string_append_c(shown, byte);
    return g_string_free(shown, FALSE);
}

static int child_status(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        g_assert_cmpint(errno, ==, EINTR);
    return status;
}

static void test_terminal(void)
{
    g_autofree char *before = NULL, *after = NULL;
    int master, status;
    pid_t pid = ask_in_child(&master);

    before = await_text(master, "Password: ");
    g_assert_false(does_echo(master));
    g_assert_cmpint(write(master, "secret\n", 7), ==, 7);
    status = child_status(pid);
    g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    g_assert_true(does_echo(master));
    after = await_text(master, "\n");
    g_assert_null(strstr(after, "secret"));
    close(master);
}

static void check_interrupt(char key, int signal)
{
    g_autofree char *shown = NULL;
    int master, status;
    pid_t pid = ask_in_child(&master);

    shown = await_text(master, "Password: ");
    if (key)
        g_assert_cmpint(write(master, &key, 1), ==, 1);
    else
        g_assert_no_errno(kill(pid, signal));
    status = child_status(pid);
    g_assert_true(WIFSIGNALED(status));
    g_assert_cmpint(WTERMSIG(status), ==, signal);
    g_assert_true(does_echo(master));
    close(master);
}

static void test_terminal_interrupted(void)
{
    check_interrupt('\003', SIGINT);
    check_interrupt(0, SIGTERM);
    check_interrupt(0, SIGHUP);
}

static void test_terminal_ends(void)
{
    g_autofree char *shown = NULL;
    int master, status;
    pid_t pid = ask_in_child(&master);

    shown = await_text(master, "Password: ");
    g_assert_cmpint(write(master, "\004", 1), ==, 1);
    status = child_status(pid);
    g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    g_assert_true(does_echo(master));
    close(master);
}

/* --- the process --- */

static void test_harden(void)
{
    pid_t pid = fork();
    struct rlimit limit;
    int status;

    if (pid == 0) {
        net_secret_harden_process();
        _exit(getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur == 0 && limit.rlim_max == 0
                  ? 0
                  : 1);
    }
    status = child_status(pid);
    g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#define ADD(name, function)                                                                        \
    g_test_add("/net/secret/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/net/secret/bytes", test_bytes);
    g_test_add_func("/net/secret/forbidden-bytes", test_forbidden_bytes);
    g_test_add_func("/net/secret/long", test_long);
    ADD("file", test_file);
    ADD("open-file", test_open_file);
    ADD("linked-file", test_linked_file);
    ADD("foreign-file", test_foreign_file);
    ADD("no-file", test_no_file);
    g_test_add_func("/net/secret/command", test_command);
    g_test_add_func("/net/secret/command-fails", test_command_fails);
    g_test_add_func("/net/secret/command-leaves-a-daemon", test_command_leaves_a_daemon);
    g_test_add_func("/net/secret/command-descriptors", test_command_descriptors);
    g_test_add_func("/net/secret/command-does-not-end", test_command_does_not_end);
    g_test_add_func("/net/secret/command-timeout", test_command_timeout);
    g_test_add_func("/net/secret/terminal", test_terminal);
    g_test_add_func("/net/secret/terminal-interrupted", test_terminal_interrupted);
    g_test_add_func("/net/secret/terminal-ends", test_terminal_ends);
    g_test_add_func("/net/secret/harden", test_harden);
    return g_test_run();
}

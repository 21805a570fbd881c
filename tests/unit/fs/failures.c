/* SPDX-License-Identifier: MIT */
/* tests/unit/fs/failures.c - the list of failed calls, and what errors are called by the kernel. */
#include "fs/private.h"

#include <errno.h>
#include <gio/gio.h>
#include <string.h>

static FsFailures *failures_of(const char *first, ...)
{
    FsFailures *failures = fs_failures_new();
    va_list texts;

    va_start(texts, first);
    for (const char *text = first; text; text = va_arg(texts, const char *))
        fs_failures_add(failures, text);
    va_end(texts);
    return failures;
}

/* The list without its times; frees it. */
static char *print(FsFailures *failures)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GRegex) time =
        g_regex_new("^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ ", G_REGEX_MULTILINE, 0, NULL);

    fs_failures_print(failures, out);
    fs_failures_free(failures);
    return g_regex_replace_literal(time, out->str, -1, 0, "", 0, NULL);
}

static void test_list(void)
{
    g_autofree char *none = print(failures_of(NULL));
    g_autofree char *two = print(failures_of("a: x", "b: y", NULL));

    g_assert_cmpstr(none, ==, "");
    g_assert_cmpstr(two, ==, "a: x\nb: y\n");
}

static void test_repeats_are_counted(void)
{
    g_autofree char *text = print(failures_of("a", "b", "a", "a", NULL));

    g_assert_cmpstr(text, ==, "a (3 times)\nb\n");
}

static void test_the_last_hundred(void)
{
    FsFailures *failures = fs_failures_new();
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    for (guint i = 1; i <= 1000; i++) {
        g_autofree char *line = g_strdup_printf("failure %u", i);

        fs_failures_add(failures, line);
    }
    text = print(failures);
    lines = g_strsplit(text, "\n", -1);
    g_assert_cmpuint(g_strv_length(lines), ==, 101);
    g_assert_cmpstr(lines[0], ==, "failure 901");
    g_assert_cmpstr(lines[99], ==, "failure 1000");
}

static void test_one_line_each(void)
{
    g_autofree char *text =
        print(failures_of("a\nb\r\x1b[2J\x7f", "\xc2\x9b\xff", "a\nb\r\x1b[2J\x7f", NULL));

    g_assert_cmpstr(text, ==, "a?b??[2J? (2 times)\n?\uFFFD\n");
}

/* --- errors --- */

static void test_errno(void)
{
    static const struct {
        MailError error;
        int code;
    } rows[] = {
        {MAIL_ERROR_CANCELLED, EINTR},
        {MAIL_ERROR_OFFLINE, EHOSTUNREACH},
        {MAIL_ERROR_TIMEOUT, ETIMEDOUT},
        {MAIL_ERROR_TLS, EACCES},
        {MAIL_ERROR_AUTH, EACCES},
        {MAIL_ERROR_PERMISSION, EACCES},
        {MAIL_ERROR_READ_ONLY, EROFS},
        {MAIL_ERROR_NOT_FOUND, ENOENT},
        {MAIL_ERROR_GONE, ESTALE},
        {MAIL_ERROR_EXISTS, EEXIST},
        {MAIL_ERROR_BUSY, EBUSY},
        {MAIL_ERROR_QUOTA, EDQUOT},
        {MAIL_ERROR_TOO_BIG, EFBIG},
        {MAIL_ERROR_INVALID, EINVAL},
        {MAIL_ERROR_PROTOCOL, EIO},
        {MAIL_ERROR_SERVER, EIO},
        {MAIL_ERROR_LOCAL, EIO},
        {MAIL_ERROR_UNSUPPORTED, EOPNOTSUPP},
        {(MailError)(MAIL_ERROR_LOCAL + 1), EIO},
        {(MailError)-1, EIO},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        const GError error = {MAIL_ERROR, (int)rows[i].error, NULL};

        g_assert_cmpint(fs_errno(&error), ==, rows[i].code);
    }
}

/* Else a call would seem to have succeeded. */
static void test_every_error_has_one(void)
{
    for (int code = 0; code <= MAIL_ERROR_LOCAL; code++) {
        const GError error = {MAIL_ERROR, code, NULL};

        g_assert_cmpint(fs_errno(&error), >, 0);
    }
}

static void test_errors_of_others(void)
{
    const GError error = {G_IO_ERROR, G_IO_ERROR_NOT_FOUND, NULL};

    g_assert_cmpint(fs_errno(&error), ==, EIO);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/failures/list", test_list);
    g_test_add_func("/failures/repeats", test_repeats_are_counted);
    g_test_add_func("/failures/last-hundred", test_the_last_hundred);
    g_test_add_func("/failures/one-line-each", test_one_line_each);
    g_test_add_func("/errno/table", test_errno);
    g_test_add_func("/errno/every-error", test_every_error_has_one);
    g_test_add_func("/errno/others", test_errors_of_others);
    return g_test_run();
}

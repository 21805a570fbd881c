/* SPDX-License-Identifier: MIT */
/* tests/unit/cache/dir.c - the directory is ours alone, and so is its lock. */
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

static void expect_refused(Fixture *fixture, const char *why)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(cache_open(fixture->account, &fixture->options, &error));
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_LOCAL);
    if (!strstr(error->message, why) || !strstr(error->message, fixture->dir))
        g_error("\"%s\" does not tell \"%s\"", error->message, why);
}

static void test_made_private(Fixture *fixture, gconstpointer data)
{
    static const char *const made[] = {"", "blocks"};
    g_autofree char *deep = g_build_filename(fixture->root, "a", "b", NULL);
    mode_t mask = umask(0);

    fixture_close(fixture);
    g_free((char *)fixture->options.dir);
    fixture->options.dir = g_strdup(deep);
    g_free(fixture->dir);
    fixture->dir = g_build_filename(deep, "imap.me@example.org.993", NULL);
    fixture_open(fixture);
    fixture_put_inbox(fixture, 1, 10);
    umask(mask);
    for (gsize i = 0; i < G_N_ELEMENTS(made); i++) {
        g_autofree char *path = fixture_path(fixture, made[i]);
        struct stat st;

        g_assert_cmpint(stat(path, &st), ==, 0);
        g_assert_cmpint(st.st_mode & 0777, ==, 0700);
    }
}

static void test_open_to_others(Fixture *fixture, gconstpointer data)
{
    static const mode_t modes[] = {0777, 0701, 0710, 0740};

    fixture_close(fixture);
    for (gsize i = 0; i < G_N_ELEMENTS(modes); i++) {
        g_assert_cmpint(g_chmod(fixture->dir, (int)modes[i]), ==, 0);
        expect_refused(fixture, "others can look into it");
    }
    g_assert_cmpint(g_chmod(fixture->dir, 0700), ==, 0);
    fixture_open(fixture);
}

static void test_of_somebody_else(Fixture *fixture, gconstpointer data)
{
    fixture_close(fixture);
    if (geteuid() != 0) {
        g_test_skip("only root can give a directory away");
        return;
    }
    g_assert_cmpint(chown(fixture->dir, 1, 1), ==, 0);
    expect_refused(fixture, "it belongs to somebody else");
}

static void test_symlink(Fixture *fixture, gconstpointer data)
{
    g_autofree char *away = g_strconcat(fixture->dir, ".away", NULL);

    fixture_close(fixture);
    g_assert_cmpint(g_rename(fixture->dir, away), ==, 0);
    g_assert_cmpint(symlink(away, fixture->dir), ==, 0);
    expect_refused(fixture, "open the cache");
}

static void test_file(Fixture *fixture, gconstpointer data)
{
    g_autofree char *away = g_strconcat(fixture->dir, ".away", NULL);

    fixture_close(fixture);
    g_assert_cmpint(g_rename(fixture->dir, away), ==, 0);
    g_assert_true(g_file_set_contents(fixture->dir, "x", 1, NULL));
    expect_refused(fixture, "open the cache");
}

static void test_second_opener(Fixture *fixture, gconstpointer data)
{
    expect_refused(fixture, "another mailfs has it open");
    fixture_put_inbox(fixture, 3, 10); /* the first one goes on */
    fixture_reopen(fixture);
    g_assert_cmpuint(cache_box_n_messages(fixture->cache, fixture_find_box(fixture, "INBOX")), ==,
                     3);
}

/* Accounts that a careless name would put into one directory, or outside. */
static void test_accounts_are_apart(Fixture *fixture, gconstpointer data)
{
    static const char *const urls[] = {
        "imaps://..%2F..%2Fme@example.org",
        "imaps://me@example.org:994",
        "imaps://ME@example.org",
        "imaps://me%40x@example.org",
        "imaps://.@example.org",
        "imaps://me%252F@example.org",
        "imaps://me%2F@example.org",
        "imaps://me%3A@[::1]",
        "imaps://me@x@example.org.",
    };
    Cache *caches[G_N_ELEMENTS(urls)];
    g_autoptr(GDir) dir = NULL;
    guint n = 0;

    for (gsize i = 0; i < G_N_ELEMENTS(urls); i++) {
        g_autoptr(MailAccount) account = mail_account_parse(urls[i], NULL);
        g_autoptr(GError) error = NULL;

        caches[i] = cache_open(account, &fixture->options, &error);
        g_assert_no_error(error);
    }
    dir = g_dir_open(fixture->options.dir, 0, NULL);
    while (g_dir_read_name(dir))
        n++;
    g_assert_cmpuint(n, ==, G_N_ELEMENTS(urls) + 1);
    for (gsize i = 0; i < G_N_ELEMENTS(urls); i++)
        cache_close(caches[i]);
}

/* What somebody on the way put into plain text is not served to who asks for TLS. */
static void test_plain_text_is_apart(Fixture *fixture, gconstpointer data)
{
    MailAccount account = {.security = MAIL_SECURITY_NONE,
                           .user = fixture->account->user,
                           .host = fixture->account->host,
                           .port = fixture->account->port};
    g_autoptr(GError) error = NULL;
    g_autoptr(Cache) cache = cache_open(&account, &fixture->options, &error);

    g_assert_no_error(error);
    g_assert_nonnull(cache);
}

static void test_protocols_are_apart(Fixture *fixture, gconstpointer data)
{
    static const struct {
        const char *url, *name;
    } rows[] = {
        {"imap://me@example.org", "imap.me@example.org.143"},
        {"imap+insecure://me@example.org:99", "imap+insecure.me@example.org.99"},
        {"pop3s://me@example.org", "pop3.me@example.org.995"},
        {"pop3://me@example.org", "pop3.me@example.org.110"},
        {"pop3+insecure://me@example.org:99", "pop3+insecure.me@example.org.99"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(MailAccount) account = mail_account_parse(rows[i].url, NULL);
        g_autoptr(Cache) cache = cache_open(account, &fixture->options, NULL);
        g_autofree char *dir = g_build_filename(fixture->options.dir, rows[i].name, NULL);

        g_assert_nonnull(cache);
        g_assert_true(g_file_test(dir, G_FILE_TEST_IS_DIR));
    }
}

/* A number is not given out again when only the file that tells of it is an old one. */
static void test_old_numbers(Fixture *fixture, gconstpointer data)
{
    g_autofree char *path = fixture_path(fixture, "numbers"), *old = NULL;
    guint32 highest;
    gsize len;

    fixture_put_boxes(fixture, "a", NULL);
    fixture_close(fixture);
    g_assert_true(g_file_get_contents(path, &old, &len, NULL));
    fixture_open(fixture);
    fixture_put_boxes(fixture, "a", "b", NULL);
    highest = fixture_find_box(fixture, "b");
    fixture_put_boxes(fixture, "a", NULL);
    fixture_close(fixture);
    g_assert_true(g_file_set_contents(path, old, (gssize)len, NULL));
    fixture_open(fixture);
    fixture_put_boxes(fixture, "a", "c", NULL);
    g_assert_cmpuint(fixture_find_box(fixture, "c"), >, highest);
}

static void test_long_account(Fixture *fixture, gconstpointer data)
{
    g_autofree char *user = g_strnfill(1000, 'u');
    MailAccount first = {.user = user, .host = (char *)"a", .port = 1};
    MailAccount second = {.user = user, .host = (char *)"b", .port = 1};
    g_autoptr(Cache) a = cache_open(&first, &fixture->options, NULL);
    g_autoptr(Cache) b = cache_open(&second, &fixture->options, NULL);

    g_assert_nonnull(a);
    g_assert_nonnull(b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    FIXTURE_TEST("/cache/dir/made-private", test_made_private);
    FIXTURE_TEST("/cache/dir/open-to-others", test_open_to_others);
    FIXTURE_TEST("/cache/dir/of-somebody-else", test_of_somebody_else);
    FIXTURE_TEST("/cache/dir/symlink", test_symlink);
    FIXTURE_TEST("/cache/dir/file", test_file);
    FIXTURE_TEST("/cache/dir/second-opener", test_second_opener);
    FIXTURE_TEST("/cache/dir/accounts-are-apart", test_accounts_are_apart);
    FIXTURE_TEST("/cache/dir/plain-text-is-apart", test_plain_text_is_apart);
    FIXTURE_TEST("/cache/dir/protocols-are-apart", test_protocols_are_apart);
    FIXTURE_TEST("/cache/dir/old-numbers", test_old_numbers);
    FIXTURE_TEST("/cache/dir/long-account", test_long_account);
    return g_test_run();
}

/* SPDX-License-Identifier: MIT */
/* tests/unit/mime/structure.c - messages to part trees; where each part lies is checked by what
 * lies there. */
#include <string.h>

#include "mime/mime.h"

typedef struct {
    const char *bytes;
    gsize len;
    gsize step; /* octets that are given at a time */
} Octets;

static gssize give(gpointer data, guint64 offset, guint8 *bytes, gsize len)
{
    const Octets *octets = data;
    gsize n = offset < octets->len ? MIN(len, octets->len - (gsize)offset) : 0;

    n = MIN(n, octets->step);
    memcpy(bytes, octets->bytes + offset, n);
    return (gssize)n;
}

/* "text/plain utf-8 quoted-printable a.txt attachment {the first octets...} [children]" */
static void dump(GString *out, const MailPart *part, const char *message)
{
    g_string_append_printf(out, "%s/%s", part->type, part->subtype);
    if (part->charset)
        g_string_append_printf(out, " %s", part->charset);
    if (!g_str_equal(part->encoding, "7bit"))
        g_string_append_printf(out, " %s", part->encoding);
    if (part->name)
        g_string_append_printf(out, " %s", part->name);
    if (part->disposition)
        g_string_append_printf(out, " %s", part->disposition);
    if (part->has_offsets) {
        g_autofree char *body = g_strndup(message + part->body_off, part->size);

        g_string_append_printf(out, " {%s}", body);
    }
    if (!part->parts)
        return;
    g_string_append(out, " [");
    for (guint i = 0; i < part->parts->len; i++) {
        g_string_append(out, i ? ", " : "");
        dump(out, part->parts->pdata[i], message);
    }
    g_string_append_c(out, ']');
}

static char *parse(const char *message, gsize len, gsize step)
{
    g_autofree char *exact = g_memdup2(message, len + 1);
    Octets octets = {exact, len, step};
    g_autoptr(MailPart) part = mime_structure_parse(len, give, &octets);
    GString *out = g_string_new(NULL);

    if (part)
        dump(out, part, message);
    return g_string_free(out, FALSE);
}

#define HEAD "Subject: x\r\nMIME-Version: 1.0\r\n"

typedef struct {
    const char *name, *message, *tree;
} Row;

static const Row rows[] = {
    {"plain", HEAD "\r\nHello\r\n", "text/plain {Hello\r\n}"},
    {"empty-body", HEAD "\r\n", "text/plain {}"},
    {"bare-lf", "Subject: x\n\nHello\n", "text/plain {Hello\n}"},
    {"type",
     HEAD "Content-Type: TEXT/HTML; charset=\"UTF-8\"\r\n"
          "Content-Transfer-Encoding: Quoted-Printable\r\n\r\n<p>\r\n",
     "text/html UTF-8 quoted-printable {<p>\r\n}"},
    {"attachment",
     HEAD "Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n"
          "Content-Disposition: ATTACHMENT; filename=b.pdf\r\n\r\nAAAA\r\n",
     "application/pdf base64 b.pdf attachment {AAAA\r\n}"},
    {"name-2231", HEAD "Content-Type: a/b; name*0*=utf-8''%e2%82; name*1*=%ac.x\r\n\r\n.",
     "a/b \342\202\254.x {.}"},
    {"name-2047", HEAD "Content-Type: a/b; name=\"=?utf-8?q?=C3=BC?=\"\r\n\r\n.",
     "a/b \303\274 {.}"},
    {"multipart",
     HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\nbefore\r\n--b\r\n\r\none\r\n--b\r\n"
          "Content-Type: text/html\r\n\r\ntwo\r\n\r\n--b--\r\nafter\r\n",
     "multipart/mixed [text/plain {one}, text/html {two\r\n}]"},
    {"nested",
     HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
          "Content-Type: multipart/alternative; boundary=bb\r\n\r\n--bb\r\n\r\none\r\n--bb\r\n"
          "Content-Type: text/html\r\n\r\ntwo\r\n--bb--\r\n--b\r\n\r\nthree\r\n--b--\r\n",
     "multipart/mixed [multipart/alternative [text/plain {one}, text/html {two}], "
     "text/plain {three}]"},
    {"no-end",
     HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n",
     "multipart/mixed [text/plain {one}, text/plain {two\r\n}]"},
    {"no-parts", HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\nnothing\r\n",
     "multipart/mixed []"},
    {"message",
     HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n"
          "\r\nSubject: in\r\n\r\nwords\r\n\r\n--b\r\n\r\none\r\n--b--\r\n",
     "multipart/mixed [message/rfc822 {Subject: in\r\n\r\nwords\r\n} [text/plain {words\r\n}], "
     "text/plain {one}]"},
    {"message-with-parts",
     HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n"
          "\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\none\r\n--c--\r\nlast\r\n"
          "--b--\r\n",
     "multipart/mixed [message/rfc822 {Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\n"
     "one\r\n--c--\r\nlast} [multipart/mixed [text/plain {one}]]]"},
    {"message-alone", HEAD "Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nwords\r\n",
     "message/rfc822 {Subject: in\r\n\r\nwords\r\n} [text/plain {words\r\n}]"},
    {"wrong-type", HEAD "Content-Type: nonsense\r\n\r\n.", "application/octet-stream {.}"},
    {"no-header", "\r\nwords\r\n", "text/plain {words\r\n}"},
};

static void test_row(gconstpointer data)
{
    static const gsize steps[] = {1, 2, 7, 100000};
    const Row *row = data;

    for (gsize i = 0; i < G_N_ELEMENTS(steps); i++) {
        g_autofree char *tree = parse(row->message, strlen(row->message), steps[i]);

        g_assert_cmpstr(tree, ==, row->tree);
    }
}

static guint count(const MailPart *part, guint depth, guint *ret_depth)
{
    guint n = 1;

    *ret_depth = MAX(*ret_depth, depth);
    for (guint i = 0; part->parts && i < part->parts->len; i++)
        n += count(part->parts->pdata[i], depth + 1, ret_depth);
    return n;
}

static guint count_parts(const GString *message, guint *ret_depth)
{
    Octets octets = {message->str, message->len, message->len};
    g_autoptr(MailPart) part = mime_structure_parse(message->len, give, &octets);

    *ret_depth = 0;
    return part ? count(part, 1, ret_depth) : 0;
}

static void test_many_parts(void)
{
    g_autoptr(GString) message =
        g_string_new(HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
    guint depth;

    for (guint i = 0; i < 300000; i++)
        g_string_append(message, "--b\r\n\r\n.\r\n");
    g_assert_cmpuint(count_parts(message, &depth), ==, MAIL_PARTS_MAX);
}

static void test_deep(void)
{
    g_autoptr(GString) message = g_string_new(HEAD);
    guint depth;

    for (guint i = 0; i < 5000; i++)
        g_string_append_printf(
            message, "Content-Type: multipart/mixed; boundary=b%u\r\n\r\n--b%u\r\n", i, i);
    g_string_append(message, "\r\n.\r\n");
    g_assert_cmpuint(count_parts(message, &depth), >, 0);
    g_assert_cmpuint(depth, <=, MAIL_PART_DEPTH_MAX);
}

static void test_deep_messages(void)
{
    g_autoptr(GString) message = g_string_new(HEAD);
    guint depth;

    for (guint i = 0; i < 5000; i++)
        g_string_append(message, "Content-Type: message/rfc822\r\n\r\n");
    g_string_append(message, "Subject: x\r\n\r\n.\r\n");
    g_assert_cmpuint(count_parts(message, &depth), >, 0);
    g_assert_cmpuint(depth, <=, MAIL_PART_DEPTH_MAX);
}

/* A header beyond measure is where the message ends. */
static void test_long_header(void)
{
    g_autofree char *much = g_strnfill(30 * 1024 * 1024, 'x');
    g_autofree char *head = g_strconcat("X: ", much, "\r\n\r\nwords", NULL);
    g_autofree char *part = g_strconcat(
        HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\nX: ", much,
        "\r\n\r\ntwo\r\n--b\r\n\r\nthree\r\n--b--\r\n", NULL);
    const char *const messages[] = {head, part};

    for (gsize i = 0; i < G_N_ELEMENTS(messages); i++) {
        Octets octets = {messages[i], strlen(messages[i]), strlen(messages[i])};
        g_autoptr(MailPart) root = mime_structure_parse(octets.len, give, &octets);
        guint depth = 0;

        g_assert_true(!root || count(root, 1, &depth) <= 3);
    }
}

/* A source that fails is a message that ends there. */
static void test_source_fails(void)
{
    Octets octets = {HEAD "\r\nHello", strlen(HEAD "\r\nHello"), 100};
    g_autoptr(MailPart) part = mime_structure_parse(1000000, give, &octets);

    g_assert_nonnull(part);
    g_assert_cmpuint(part->body_off + part->size, <=, 1000000);
    g_assert_null(mime_structure_parse(0, give, &octets));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mime_init();
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strconcat("/mime/structure/", rows[i].name, NULL);

        g_test_add_data_func(path, &rows[i], test_row);
    }
    g_test_add_func("/mime/structure/many-parts", test_many_parts);
    g_test_add_func("/mime/structure/deep", test_deep);
    g_test_add_func("/mime/structure/deep-messages", test_deep_messages);
    g_test_add_func("/mime/structure/long-header", test_long_header);
    g_test_add_func("/mime/structure/source-fails", test_source_fails);
    return g_test_run();
}

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

/* "text/plain utf-8 quoted-printable a.txt attachment {body of a leaf} [children]" */
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
    g_assert_true(part->has_offsets);
    if (!mail_part_is_multipart(part)) {
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
     "multipart/mixed [text/plain {}]"},
    {"no-parts-digest", HEAD "Content-Type: multipart/digest; boundary=b\r\n\r\n--b--\r\n",
     "multipart/digest [text/plain {}]"},
    {"no-boundary", HEAD "Content-Type: multipart/mixed\r\n\r\n--\r\n\r\none\r\n----\r\n",
     "multipart/mixed [text/plain {}]"},
    {"blanks-behind",
     HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b \t\r\n\r\none\r\n--b-- \r\n",
     "multipart/mixed [text/plain {one}]"},
    {"equal-boundaries",
     HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
          "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b--\r\n"
          "--b\r\n\r\ntwo\r\n--b--\r\n",
     "multipart/mixed [multipart/alternative [text/plain {one}], text/plain {two}]"},
    {"longer-boundary",
     HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
          "Content-Type: multipart/alternative; boundary=b2\r\n\r\n--b2\r\n\r\none\r\n--b2--\r\n"
          "--b--\r\n",
     "multipart/mixed [multipart/alternative [text/plain {one}]]"},
    {"end-of-outer",
     HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
          "Content-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\n\r\none\r\n"
          "--b\r\n\r\ntwo\r\n--c\r\nthree\r\n--b--\r\n",
     "multipart/mixed [multipart/alternative [text/plain {one}], text/plain "
     "{two\r\n--c\r\nthree}]"},
    {"delimiter-without-line-end",
     HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b",
     "multipart/mixed [text/plain {one}]"},
    {"digest",
     HEAD "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: in\r\n\r\none"
          "\r\n--b--\r\n",
     "multipart/digest [message/rfc822 {Subject: in\r\n\r\none} [text/plain {one}]]"},
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
    {"message-encoded",
     HEAD "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: BASE64\r\n\r\n"
          "Content-Type: text/html\r\n\r\nx",
     "message/rfc822 base64 {Content-Type: text/html\r\n\r\nx}"},
    {"message-global", HEAD "Content-Type: message/global\r\n\r\nSubject: in\r\n\r\nwords",
     "message/global {Subject: in\r\n\r\nwords} [text/plain {words}]"},
    {"message-other", HEAD "Content-Type: message/delivery-status\r\n\r\nA: b\r\n",
     "message/delivery-status {A: b\r\n}"},
    {"wrong-type", HEAD "Content-Type: nonsense; charset=x\r\n\r\n.", "text/plain {.}"},
    {"wrong-type-end", HEAD "Content-Type: text/html>; charset=x\r\n\r\n.", "text/plain {.}"},
    {"empty-type", HEAD "Content-Type:\r\n\r\n.", "text/plain {.}"},
    {"first-type-counts", HEAD "Content-Type: a/b\r\nContent-Type: c/d\r\n\r\n.", "a/b {.}"},
    {"folded-type", HEAD "content-type :\r\n\ta/b;\r\n name=\"c\r\n d\"\r\n\r\n.", "a/b c d {.}"},
    {"charset-ascii", HEAD "Content-Type: text/plain; charset=US-ASCII\r\n\r\n.", "text/plain {.}"},
    {"wrong-encoding", HEAD "Content-Transfer-Encoding: quoted printable\r\n\r\n.",
     "text/plain {.}"},
    {"disposition-with-params",
     HEAD "Content-Disposition: inline\r\nContent-Disposition: attachment; filename=a\r\n"
          "Content-Disposition: inline; filename=b\r\n\r\n.",
     "text/plain a attachment {.}"},
    {"no-mime", "Content-Transfer-Encoding: base64\r\nContent-Disposition: inline\r\n\r\n.",
     "text/plain {.}"},
    {"no-mime-but-type", "Content-Transfer-Encoding: base64\r\nContent-Type: a/b\r\n\r\n.",
     "a/b base64 {.}"},
    {"no-header", "\r\nwords\r\n", "text/plain {words\r\n}"},
    {"only-header", "Subject: x\r\n", "text/plain {}"},
    {"nothing", "", "text/plain {}"},
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

#define MIXED HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n"

/* Where a part lies, as IMAP tells it: BODY[n.MIME], or HEADER of what is the root of a message,
 * and BODY[n], or TEXT. */
static const struct {
    const char *message;
    guint nth;
    const char *header, *body;
} places[] = {
    {MIXED "before\r\n--b\r\n\r\none\r\n--b--\r\nafter", 0, MIXED,
     "before\r\n--b\r\n\r\none\r\n--b--\r\nafter"},
    {MIXED "--b\r\n\r\none\r\n--b--\r\n", 1, "\r\n", "one"},
    {MIXED "--b\r\nX: y\r\n\r\n\r\n--b--\r\n", 1, "X: y\r\n\r\n", ""},
    {MIXED "--b\r\nX: y\r\n\r\n--b--\r\n", 1, "X: y\r\n", ""},
    {MIXED "--b\r\nX: y\r\n--b--\r\n", 1, "X: y", ""},
    {MIXED "--b\r\n\r\n--b--\r\n", 1, "", ""},
    {MIXED "--b\r\n--b--\r\n", 1, "", ""},
    {MIXED, 1, "", ""},
    {MIXED "--b\r\nContent-Type: multipart/x; boundary=c\r\n\r\n1\r\n--c\r\n\r\none\r\n--c--\r\n2"
           "\r\n--b--\r\n",
     1, "Content-Type: multipart/x; boundary=c\r\n\r\n", "1\r\n--c\r\n\r\none\r\n--c--\r\n2"},
    {MIXED "--b\r\nContent-Type: message/rfc822\r\n\r\nX: y\r\n\r\none\r\n\r\n--b--\r\n", 1,
     "Content-Type: message/rfc822\r\n\r\n", "X: y\r\n\r\none\r\n"},
    {MIXED "--b\r\nContent-Type: message/rfc822\r\n\r\nX: y\r\n\r\none\r\n\r\n--b--\r\n", 2,
     "X: y\r\n\r\n", "one\r\n"},
    {MIXED "--b\r\nContent-Type: message/rfc822\r\n\r\n--b--\r\n", 1,
     "Content-Type: message/rfc822\r\n", ""},
    {MIXED "--b\r\nContent-Type: message/rfc822\r\n\r\n--b--\r\n", 2, "", ""},
    {MIXED "--b\r\nContent-Type: message/rfc822\r\n\r\nX: y\r\n--b--\r\n", 1,
     "Content-Type: message/rfc822\r\n\r\n", "X: y\r\n"},
    {MIXED "--b\r\nContent-Type: message/rfc822\r\n\r\nX: y\r\n--b--\r\n", 2, "X: y", ""},
};

static char *with_bare_line_feeds(const char *message)
{
    g_auto(GStrv) lines = g_strsplit(message, "\r\n", -1);

    return g_strjoinv("\n", lines);
}

static void assert_place(const char *message, guint nth, const char *header, const char *body)
{
    Octets octets = {message, strlen(message), 100};
    g_autoptr(MailPart) root = mime_structure_parse(octets.len, give, &octets);
    const MailPart *part;
    g_autofree char *found_header = NULL, *found_body = NULL;

    mail_part_number(root);
    part = mail_part_nth(root, nth);
    g_assert_cmpuint(part->header_off, <=, part->body_off);
    g_assert_cmpuint(part->body_off + part->size, <=, octets.len);
    found_header = g_strndup(message + part->header_off, part->body_off - part->header_off);
    found_body = g_strndup(message + part->body_off, part->size);
    g_assert_cmpstr(found_header, ==, header);
    g_assert_cmpstr(found_body, ==, body);
}

static void test_places(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
        g_autofree char *message = with_bare_line_feeds(places[i].message);
        g_autofree char *header = with_bare_line_feeds(places[i].header);
        g_autofree char *body = with_bare_line_feeds(places[i].body);

        assert_place(places[i].message, places[i].nth, places[i].header, places[i].body);
        assert_place(message, places[i].nth, header, body);
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
    return count(part, 1, ret_depth);
}

static void test_nul(void)
{
    static const char message[] =
        HEAD "Content-Type: application/x\r\n"
             "Content-Disposition: inline; filename=\"a\0b.exe\"\r\n\r\n.";
    g_autofree char *tree = parse(message, sizeof message - 1, 1000);

    g_assert_cmpstr(tree, ==, "application/x a b.exe inline {.}");
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

/* Of multiparts without parts, which get one each. */
static void test_many_empty_multiparts(void)
{
    g_autoptr(GString) message = g_string_new(MIXED "--b\r\n\r\n.\r\n");
    guint depth;

    for (guint i = 0; i < 20000; i++)
        g_string_append(message, "--b\r\nContent-Type: multipart/x; boundary=c\r\n\r\n.\r\n");
    g_assert_cmpuint(count_parts(message, &depth), ==, MAIL_PARTS_MAX);
}

static void test_deep(void)
{
    g_autoptr(GString) message = g_string_new(HEAD);
    guint depth;

    for (guint i = 0; i < 5000; i++)
        g_string_append_printf(
            message, "Content-Type: multipart/mixed; boundary=b%04u\r\n\r\n--b%04u\r\n", i, i);
    g_string_append(message, "\r\n.\r\n");
    g_assert_cmpuint(count_parts(message, &depth), ==, MAIL_PART_DEPTH_MAX);
    g_assert_cmpuint(depth, ==, MAIL_PART_DEPTH_MAX);
}

static void test_deep_messages(void)
{
    g_autoptr(GString) message = g_string_new(HEAD);
    guint depth;

    for (guint i = 0; i < 5000; i++)
        g_string_append(message, "Content-Type: message/rfc822\r\n\r\n");
    g_string_append(message, "Subject: x\r\n\r\n.\r\n");
    g_assert_cmpuint(count_parts(message, &depth), ==, MAIL_PART_DEPTH_MAX);
    g_assert_cmpuint(depth, ==, MAIL_PART_DEPTH_MAX);
}

/* Lines of any length, and of those that are as long as what is held of a message or nearly so. */
static void test_long_lines(void)
{
    static const gsize lens[] = {16 * 1024, 65533, 65534, 65535, 65536, 65537, 131072, 900000};

    for (gsize i = 0; i < G_N_ELEMENTS(lens); i++) {
        g_autofree char *line = g_strnfill(lens[i], 'x');
        g_autofree char *body = g_strconcat("--", line, "\r\n", line, NULL);
        g_autofree char *message = g_strconcat(MIXED "--b\r\nX: ", line,
                                               "\r\nContent-Type: a/b\r\n"
                                               "\r\n",
                                               body, "\r\n--b--\r\n", NULL);
        Octets octets = {message, strlen(message), strlen(message)};
        g_autoptr(MailPart) root = mime_structure_parse(octets.len, give, &octets);
        const MailPart *part = root->parts->pdata[0];

        g_assert_cmpuint(root->parts->len, ==, 1);
        g_assert_cmpstr(part->type, ==, "a");
        g_assert_cmpmem(message + part->body_off, part->size, body, strlen(body));
    }
}

/* What stands beyond measure in a header says nothing; its end is found all the same. */
static void test_long_header(void)
{
    g_autofree char *much = g_strnfill(MIME_HEADER_MAX + 1, 'x');
    g_autofree char *line = g_strconcat("X: ", much, "\r\nContent-Type: a/b\r\n\r\n.", NULL);
    g_autoptr(GString) lines = g_string_new(NULL);
    g_autofree char *folded = NULL;

    while (lines->len < MIME_HEADER_MAX)
        g_string_append(lines, " folded\r\n");
    folded = g_strconcat("Content-Type: a/b;\r\n", lines->str, "Content-Type: c/d\r\n\r\n.", NULL);
    for (gsize i = 0; i < 2; i++) {
        g_autofree char *tree = parse(i ? folded : line, strlen(i ? folded : line), 100000);

        g_assert_cmpstr(tree, ==, i ? "a/b {.}" : "text/plain {.}");
    }
}

/* By number, for the others are measured by them. */
static void test_limits(void)
{
    g_assert_cmpuint(MAIL_PART_DEPTH_MAX, ==, 100);
    g_assert_cmpuint(MAIL_PARTS_MAX, ==, 10000);
    g_assert_cmpuint(MIME_HEADER_MAX, ==, 1 << 20);
}

/* A source that fails is a message that ends there. */
static void test_source_fails(void)
{
    Octets octets = {HEAD "\r\nHello", strlen(HEAD "\r\nHello"), 100};
    g_autoptr(MailPart) part = mime_structure_parse(1000000, give, &octets);

    g_assert_cmpuint(part->size, ==, strlen("Hello"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mime_init();
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strconcat("/mime/structure/", rows[i].name, NULL);

        g_test_add_data_func(path, &rows[i], test_row);
    }
    g_test_add_func("/mime/structure/places", test_places);
    g_test_add_func("/mime/structure/long-lines", test_long_lines);
    g_test_add_func("/mime/structure/many-parts", test_many_parts);
    g_test_add_func("/mime/structure/many-empty-multiparts", test_many_empty_multiparts);
    g_test_add_func("/mime/structure/deep", test_deep);
    g_test_add_func("/mime/structure/nul", test_nul);
    g_test_add_func("/mime/structure/deep-messages", test_deep_messages);
    g_test_add_func("/mime/structure/long-header", test_long_header);
    g_test_add_func("/mime/structure/limits", test_limits);
    g_test_add_func("/mime/structure/source-fails", test_source_fails);
    return g_test_run();
}

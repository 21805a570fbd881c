/* SPDX-License-Identifier: MIT */
/* tests/unit/pop/visit-drop.c - a maildrop and its server, and visits of it. */
#include "visit-drop.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "pop/visit-private.h"

/* --- the server's side --- */

typedef struct {
    Drop *drop;
    int fd;
    gboolean is_cut;
    GQueue lines; /* taken, not answered */
    guint n_retrs;
} Line;

/* Up to where the script cuts it, or the client has gone. */
static void say_octets(Line *line, const char *octets, gsize len)
{
    Drop *drop = line->drop;
    gsize left = drop->cut_after ? drop->cut_after - drop->n_sent : G_MAXSIZE;
    gsize end = MIN(len, left), off = 0;

    while (off < end && !line->is_cut) {
        ssize_t n = send(line->fd, octets + off, end - off, MSG_NOSIGNAL);

        line->is_cut = n <= 0;
        off += (gsize)MAX(n, 0);
    }
    drop->n_sent += (guint)off;
    line->is_cut |= len >= left;
    if (line->is_cut)
        shutdown(line->fd, SHUT_WR);
}

static void say(Line *line, const char *text)
{
    g_autofree char *whole = g_strconcat(text, "\r\n", NULL);

    say_octets(line, whole, strlen(whole));
}

/* NULL at the end of the connection. */
static char *take_line(int fd)
{
    g_autoptr(GString) text = g_string_new(NULL);
    char octet;

    while (recv(fd, &octet, 1, 0) == 1) {
        g_string_append_c(text, octet);
        if (octet == '\n')
            return g_strndup(text->str, text->len - 2);
    }
    return NULL;
}

static gboolean take_more(Line *line)
{
    char *text = take_line(line->fd);

    if (!text)
        return FALSE;
    line->n_retrs += g_str_has_prefix(text, "RETR ");
    g_queue_push_tail(&line->lines, text);
    return TRUE;
}

char *drop_dup_text(const DropMessage *message)
{
    gboolean is_whole = !*message->text || g_str_has_suffix(message->text, "\r\n");

    return g_strconcat(message->text, is_whole ? "" : "\r\n", NULL);
}

static void say_message(Line *line, const DropMessage *message, gboolean is_header)
{
    g_autofree char *text = drop_dup_text(message);
    const char *end = strstr(text, "\r\n\r\n");
    g_autoptr(GString) stuffed = g_string_new(NULL);

    if (is_header && end)
        text[end + 4 - text] = '\0';
    for (const char *p = text; *p; p++) {
        if (*p == '.' && (p == text || (p - text >= 2 && p[-2] == '\r' && p[-1] == '\n')))
            g_string_append_c(stuffed, '.');
        g_string_append_c(stuffed, *p);
    }
    say(line, "+OK");
    g_string_append(stuffed, ".\r\n");
    say_octets(line, stuffed->str, stuffed->len);
}

static void say_list(Line *line, const char *lines)
{
    say(line, "+OK");
    say_octets(line, lines, strlen(lines));
    say(line, ".");
}

static DropMessage *nth_message(Drop *drop, guint nth)
{
    for (guint i = 0; i < drop->n; i++)
        if (!drop->messages[i].is_gone && --nth == 0)
            return &drop->messages[i];
    return NULL;
}

static void list(Line *line, gboolean is_uidl)
{
    const char *instead = is_uidl ? line->drop->uidl_lines : line->drop->list_lines;
    g_autoptr(GString) lines = g_string_new(NULL);
    const DropMessage *message;

    for (guint i = 1; (message = nth_message(line->drop, i)); i++) {
        g_autofree char *text = drop_dup_text(message);
        guint64 size = message->told ? message->told : strlen(text);

        if (is_uidl)
            g_string_append_printf(lines, "%u %s\r\n", i, message->uidl);
        else
            g_string_append_printf(lines, "%u %" G_GUINT64_FORMAT "\r\n", i, size);
    }
    say_list(line, instead ? instead : lines->str);
}

static void quit(Line *line)
{
    for (guint i = 0; i < line->drop->n; i++)
        line->drop->messages[i].is_gone |= line->drop->messages[i].is_marked;
    say(line, line->drop->refuses_quit ? "-ERR some are left" : "+OK");
}

static void hang_up(Line *line)
{
    line->is_cut = TRUE;
    shutdown(line->fd, SHUT_WR);
}

static void retrieve(Line *line, const DropMessage *message)
{
    DropMessage other = {.text = message->retr_text};

    while (line->n_retrs < line->drop->hold && take_more(line))
        continue;
    if (message->refuses_retr)
        say(line, "-ERR no such message");
    else if (message->retr_text)
        say_message(line, &other, FALSE);
    else
        say_message(line, message, FALSE);
}

static void answer_message(Line *line, const char *text)
{
    DropMessage *message = nth_message(line->drop, (guint)strtoul(strchr(text, ' '), NULL, 10));

    if (!message) {
        say(line, "-ERR no such number");
    } else if (*text == 'T' ? message->ends_top : *text == 'R' && message->ends_retr) {
        hang_up(line);
    } else if (g_str_has_prefix(text, "RETR ")) {
        retrieve(line, message);
    } else if (line->drop->has_no_top || (*text == 'T' && message->refuses_top)) {
        say(line, "-ERR no TOP");
    } else if (*text == 'T') {
        while (line->drop->tops_wait && !line->n_retrs && take_more(line))
            continue;
        say_message(line, message, TRUE);
    } else {
        message->is_marked = !message->refuses_dele;
        say(line, message->is_marked ? "+OK" : "-ERR no");
    }
}

static void answer_line(Line *line, const char *text)
{
    const Drop *drop = line->drop;

    if (g_strcmp0(text, drop->surplus) == 0)
        say_list(line, "S: surplus\r\n\r\n");
    if (g_str_equal(text, "CAPA") && drop->capa)
        say_list(line, drop->capa);
    else if (g_str_equal(text, "CAPA"))
        say(line, "-ERR what");
    else if (g_str_equal(text, "UIDL") && drop->has_no_uidl)
        say(line, drop->uidl_error ? drop->uidl_error : "-ERR what");
    else if (g_str_equal(text, "UIDL") || g_str_equal(text, "LIST"))
        list(line, *text == 'U');
    else if (g_str_equal(text, "QUIT"))
        quit(line);
    else if (strchr("RTD", *text))
        answer_message(line, text);
    else
        say(line, "+OK");
}

static void note(Drop *drop, const char *text)
{
    g_autofree char *word = g_strdelimit(g_strdup(text), " ", ':');

    if (!g_str_equal(text, "CAPA") && !g_str_has_prefix(text, "USER ") &&
        !g_str_has_prefix(text, "PASS "))
        g_string_append_printf(drop->log, "%s ", word);
}

static void serve(int fd, gpointer data)
{
    Line line = {.drop = data, .fd = fd};
    const int on = 1;
    char *text;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    for (guint i = 0; i < line.drop->n; i++)
        line.drop->messages[i].is_marked = FALSE;
    line.drop->n_sent = 0;
    say(&line, "+OK hi");
    while (!line.is_cut && (line.lines.length || take_more(&line))) {
        text = g_queue_pop_head(&line.lines);
        note(line.drop, text);
        answer_line(&line, text);
        g_free(text);
    }
    while ((text = take_line(fd)))
        g_free(text);
    g_queue_clear_full(&line.lines, g_free);
}

/* --- the visitor's side --- */

static void on_listed(PopVisit *visit, gpointer owner)
{
    Caller *caller = owner;

    g_assert_false(caller->has_listed || caller->has_ended);
    caller->has_listed = TRUE;
    for (const PopMessage *message = pop_spool_next(caller->spool.spool, 0);
         message && caller->wants_all;
         message = pop_spool_next(caller->spool.spool, message->number))
        if (message->place == POP_PLACE_WAITING)
            pop_visit_retrieve(visit, message->number);
}

static void on_comes(PopVisit *visit, guint32 number, gpointer owner)
{
    Caller *caller = owner;

    g_assert_false(caller->has_ended);
    caller->n_comes++;
    caller->n_comes_of_list += number == 0;
    if (visit->coming.length > caller->max_coming)
        caller->n_full = caller->last_coming = 0;
    caller->max_coming = MAX(caller->max_coming, visit->coming.length);
    caller->n_full += visit->coming.length == caller->max_coming && number != caller->last_coming;
    caller->last_coming = number;
    caller->max_octets = MAX(caller->max_octets, visit->n_coming);
}

static void on_moved(guint32 number, const GError *error, gpointer data)
{
    ((Caller *)data)->n_moving--;
}

static void on_retrieved(PopVisit *visit, guint32 number, guint32 stored, const GError *error,
                         gpointer owner)
{
    Caller *caller = owner;

    g_assert_false(caller->has_ended);
    if (error)
        g_string_append_printf(caller->told, "%u! ", number);
    else
        g_string_append_printf(caller->told, "%u=%u ", number, stored);
    if (error || !caller->reads)
        return;
    g_assert_cmpint(pop_spool_get(caller->spool.spool, stored)->place, !=, POP_PLACE_WAITING);
    caller->n_moving++;
    pop_spool_move(caller->spool.spool, stored, POP_PLACE_READ, on_moved, caller);
}

static void on_ended(PopVisit *visit, const GError *error, gpointer owner)
{
    Caller *caller = owner;

    g_assert_false(caller->has_ended);
    g_assert_false(pop_visit_is_open(visit));
    g_assert_cmpuint(pop_visit_n_pending(visit), ==, 0);
    caller->has_ended = TRUE;
    caller->error = error ? g_error_copy(error) : NULL;
    g_clear_pointer(&caller->visit, pop_visit_free);
}

static const PopVisitEvents events = {on_listed, on_comes, on_retrieved, on_ended};

void caller_set_up(Caller *caller, gconstpointer data)
{
    static const char secret[] = "secret";

    fixture_set_up(&caller->spool, NULL);
    caller->drop.log = g_string_new(NULL);
    caller->drop.capa = "USER\r\nTOP\r\nUIDL\r\nPIPELINING\r\n";
    caller->told = g_string_new(NULL);
    caller->suspects = pop_suspects_new();
    caller->options = (PopOptions){
        .secret = net_secret_new(secret, strlen(secret), "test", NULL),
        .timeout_s = 60,
    };
}

static void forget(Caller *caller)
{
    g_assert_null(caller->visit);
    g_clear_error(&caller->error);
    g_string_truncate(caller->told, 0);
    mail_account_free((MailAccount *)caller->options.account);
    caller->options.account = NULL;
    caller->has_listed = caller->has_ended = FALSE;
    caller->n_comes = caller->max_coming = caller->n_comes_of_list = 0;
    caller->n_full = caller->last_coming = 0;
    caller->max_octets = 0;
}

void caller_tear_down(Caller *caller, gconstpointer data)
{
    forget(caller);
    fixture_tear_down(&caller->spool, NULL);
    pop_suspects_free(caller->suspects);
    net_secret_unref(caller->options.secret);
    g_string_free(caller->drop.log, TRUE);
    g_string_free(caller->told, TRUE);
}

void caller_add(Caller *caller, const char *uidl, const char *text)
{
    g_assert_cmpuint(caller->drop.n, <, DROP_MAX);
    caller->drop.messages[caller->drop.n++] = (DropMessage){.uidl = uidl, .text = text};
}

void caller_add_some(Caller *caller, guint n)
{
    static const char *const uidls[] = {"a", "b", "c", "d"};
    static const char *const texts[] = {"S: a\r\n\r\none\r\n", "S: b\r\n\r\ntwo\r\n",
                                        "S: c\r\n\r\nthree\r\n", "S: d\r\n\r\nfour\r\n"};

    g_assert_cmpuint(n, <=, G_N_ELEMENTS(uidls));
    for (guint i = 0; i < n; i++)
        caller_add(caller, uidls[i], texts[i]);
}

void caller_add_many(Caller *caller, guint n, gsize n_octets)
{
    g_autofree char *body = g_strnfill(n_octets, 'x');

    for (guint i = 0; i < n; i++)
        caller_add(caller, g_strdup_printf("u%u", i), g_strdup_printf("S: %u\r\n\r\n%s", i, body));
}

void caller_free_many(Caller *caller)
{
    for (guint i = 0; i < caller->drop.n; i++) {
        g_free((char *)caller->drop.messages[i].uidl);
        g_free((char *)caller->drop.messages[i].text);
    }
}

void caller_start(Caller *caller)
{
    g_autofree char *url = NULL;

    forget(caller);
    caller->server = server_start(serve, &caller->drop);
    url = g_strdup_printf("pop3+insecure://alice@localhost:%u", server_port(caller->server));
    caller->options.account = mail_account_parse(url, NULL);
    caller->visit =
        pop_visit_new(&caller->options, caller->spool.spool, caller->suspects, &events, caller);
}

void caller_settle(Caller *caller)
{
    client_await(caller->has_ended ||
                 (caller->has_listed && !caller->n_moving && !pop_visit_n_pending(caller->visit)));
}

void caller_end(Caller *caller)
{
    if (!caller->has_ended)
        pop_visit_end(caller->visit);
    client_await(caller->has_ended && !caller->n_moving);
    g_clear_pointer(&caller->server, server_stop);
}

void caller_visit(Caller *caller)
{
    caller_start(caller);
    caller_settle(caller);
    caller_end(caller);
}

void caller_visit_well(Caller *caller)
{
    caller_visit(caller);
    g_assert_no_error(caller->error);
    g_assert_true(caller->has_listed);
}

void caller_expect_failure(const Caller *caller, MailError code, const char *text)
{
    g_assert_true(caller->has_ended);
    g_assert_error(caller->error, MAIL_ERROR, (int)code);
    if (!strstr(caller->error->message, text))
        g_error("\"%s\" is not in \"%s\"", text, caller->error->message);
}

void caller_expect_log(Caller *caller, const char *expected)
{
    g_assert_cmpstr(caller->drop.log->str, ==, expected);
    g_string_truncate(caller->drop.log, 0);
}

void caller_expect_not_sent(const Caller *caller, const char *word)
{
    if (strstr(caller->drop.log->str, word))
        g_error("%s in %s", word, caller->drop.log->str);
}

void caller_expect_header(const Caller *caller, guint32 number, const char *text)
{
    g_autoptr(GBytes) header = pop_spool_dup_header(caller->spool.spool, number);
    gsize len;
    const char *bytes;

    g_assert_nonnull(header);
    bytes = g_bytes_get_data(header, &len);
    g_assert_cmpmem(bytes, len, text, strlen(text));
}

void caller_expect_all(const Caller *caller, PopPlace place)
{
    guint n = 0;

    for (guint i = 0; i < caller->drop.n; i++) {
        g_autofree char *text = drop_dup_text(&caller->drop.messages[i]);
        guint n_found = 0;

        for (const PopMessage *message = pop_spool_next(caller->spool.spool, 0); message;
             message = pop_spool_next(caller->spool.spool, message->number)) {
            g_autoptr(GBytes) bytes = fixture_read(&caller->spool, message->number);

            g_assert_cmpint(message->place, ==, place);
            n_found += g_bytes_get_size(bytes) == strlen(text) &&
                       (!*text || !memcmp(g_bytes_get_data(bytes, NULL), text, strlen(text)));
        }
        g_assert_cmpuint(n_found, ==, 1);
    }
    for (const PopMessage *message = pop_spool_next(caller->spool.spool, 0); message;
         message = pop_spool_next(caller->spool.spool, message->number))
        n++;
    g_assert_cmpuint(n, ==, caller->drop.n);
}

guint drop_n_gone(const Drop *drop)
{
    guint n = 0;

    for (guint i = 0; i < drop->n; i++)
        n += drop->messages[i].is_gone;
    return n;
}

/* SPDX-License-Identifier: MIT */
/* tests/unit/pop/maildrop.c - a POP3 server with a few messages. */
#include "maildrop.h"

#include <gio/gio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    char *text;
    guint id;
    gboolean is_marked; /* for deletion, by the connection at hand */
    gboolean is_lost;
} Mail;

struct Maildrop {
    GSocketService *service;
    guint16 port;
    GMutex mutex;
    GCond cond;
    guint n_open;     /* connections */
    const char *held; /* commands, or NULL */
    GPtrArray *mails; /* Mail */
    guint last_id;
    const char *refusal, *refusal_of_messages, *capability; /* or NULL */
    guint64 announced;                                      /* or 0 */
    guint n_before_cut;                                     /* RETR, and 1; 0: no cut */
    GString *log;
};

/* --- a connection, in a thread --- */

static void mail_free(gpointer data)
{
    Mail *mail = data;

    g_free(mail->text);
    g_free(mail);
}

static void add_list(const Maildrop *drop, gboolean is_uidl, GString *answer)
{
    g_string_append(answer, "+OK\r\n");
    for (guint i = 0; i < drop->mails->len; i++) {
        const Mail *mail = drop->mails->pdata[i];

        if (is_uidl)
            g_string_append_printf(answer, "%u id%u\r\n", i + 1, mail->id);
        else
            g_string_append_printf(answer, "%u %" G_GUINT64_FORMAT "\r\n", i + 1,
                                   drop->announced ? drop->announced : strlen(mail->text));
    }
    g_string_append(answer, ".\r\n");
}

static void add_header(const Mail *mail, GString *answer)
{
    const char *end = strstr(mail->text, "\r\n\r\n");

    g_string_append_printf(answer, "+OK\r\n%.*s.\r\n", (int)(end + 4 - mail->text), mail->text);
}

static void add_of_message(Maildrop *drop, const char *command, GString *answer)
{
    guint nth = (guint)strtoul(command + strcspn(command, " "), NULL, 10);
    Mail *mail = nth && nth <= drop->mails->len ? drop->mails->pdata[nth - 1] : NULL;

    if (!mail || mail->is_lost) {
        g_string_append(answer, "-ERR no such message\r\n");
    } else if (*command == 'R' && drop->refusal_of_messages) {
        g_string_append_printf(answer, "%s\r\n", drop->refusal_of_messages);
    } else if (*command == 'T') {
        add_header(mail, answer);
    } else if (*command == 'R') {
        g_string_append_printf(answer, "+OK\r\n%s.\r\n", mail->text);
    } else {
        mail->is_marked = TRUE;
        g_string_append(answer, "+OK\r\n");
    }
}

static void end_transaction(Maildrop *drop, gboolean deletes)
{
    for (guint i = drop->mails->len; i-- > 0;) {
        Mail *mail = drop->mails->pdata[i];

        if (deletes && mail->is_marked)
            g_ptr_array_remove_index(drop->mails, i);
        else
            mail->is_marked = FALSE;
    }
}

static char *answer_to(Maildrop *drop, const char *command)
{
    GString *answer = g_string_new(NULL);

    if (g_str_equal(command, "CAPA"))
        g_string_append_printf(answer, "+OK\r\nUSER\r\nTOP\r\nUIDL\r\nPIPELINING\r\n%s%s.\r\n",
                               drop->capability ? drop->capability : "",
                               drop->capability ? "\r\n" : "");
    else if (g_str_has_prefix(command, "PASS ") && drop->refusal)
        g_string_append_printf(answer, "%s\r\n", drop->refusal);
    else if (g_str_equal(command, "UIDL") || g_str_equal(command, "LIST"))
        add_list(drop, *command == 'U', answer);
    else if (strchr("TRD", *command))
        add_of_message(drop, command, answer);
    else
        g_string_append(answer, "+OK\r\n");
    if (g_str_equal(command, "QUIT"))
        end_transaction(drop, TRUE);
    return g_string_free(answer, FALSE);
}

static void note(Maildrop *drop, const char *command)
{
    g_autofree char *word = g_strdup(command);

    if (g_str_has_prefix(word, "PASS "))
        word[strlen("PASS")] = '\0';
    if (!g_str_equal(word, "CAPA") && !g_str_has_prefix(word, "USER "))
        g_string_append_printf(drop->log, "%s ", g_strdelimit(word, " ", ':'));
}

/* Whether the connection ends instead of an answer. */
static gboolean is_cut(Maildrop *drop, const char *command)
{
    return drop->n_before_cut && g_str_has_prefix(command, "RETR ") && --drop->n_before_cut == 0;
}

/* NULL: the connection ends. */
static char *take(Maildrop *drop, const char *command)
{
    char *answer = NULL;

    g_mutex_lock(&drop->mutex);
    note(drop, command);
    while (drop->held && g_str_has_prefix(command, drop->held))
        g_cond_wait(&drop->cond, &drop->mutex);
    if (!is_cut(drop, command))
        answer = answer_to(drop, command);
    g_mutex_unlock(&drop->mutex);
    return answer;
}

static gboolean say(GIOStream *connection, const char *text)
{
    return text && g_output_stream_write_all(g_io_stream_get_output_stream(connection), text,
                                             strlen(text), NULL, NULL, NULL);
}

static gboolean on_run(GThreadedSocketService *service, GSocketConnection *connection,
                       GObject *source, gpointer data)
{
    GIOStream *io = G_IO_STREAM(connection);
    g_autoptr(GDataInputStream) in = g_data_input_stream_new(g_io_stream_get_input_stream(io));
    Maildrop *drop = data;
    gboolean is_open = say(io, "+OK hello\r\n");

    g_data_input_stream_set_newline_type(in, G_DATA_STREAM_NEWLINE_TYPE_CR_LF);
    while (is_open) {
        g_autofree char *command = g_data_input_stream_read_line(in, NULL, NULL, NULL);
        g_autofree char *answer = command ? take(drop, command) : NULL;

        is_open = say(io, answer);
    }
    g_mutex_lock(&drop->mutex);
    end_transaction(drop, FALSE);
    drop->n_open--;
    g_cond_broadcast(&drop->cond);
    g_mutex_unlock(&drop->mutex);
    return TRUE;
}

/* In the main loop, before a thread is found for it. */
static gboolean on_incoming(GSocketService *service, GSocketConnection *connection, GObject *source,
                            gpointer data)
{
    Maildrop *drop = data;

    g_mutex_lock(&drop->mutex);
    drop->n_open++;
    g_mutex_unlock(&drop->mutex);
    return FALSE;
}

/* --- life --- */

Maildrop *maildrop_new(void)
{
    Maildrop *drop = g_new0(Maildrop, 1);
    g_autoptr(GError) error = NULL;

    g_mutex_init(&drop->mutex);
    g_cond_init(&drop->cond);
    drop->mails = g_ptr_array_new_with_free_func(mail_free);
    drop->log = g_string_new(NULL);
    drop->service = g_threaded_socket_service_new(4);
    drop->port =
        g_socket_listener_add_any_inet_port(G_SOCKET_LISTENER(drop->service), NULL, &error);
    g_assert_no_error(error);
    g_signal_connect(drop->service, "incoming", G_CALLBACK(on_incoming), drop);
    g_signal_connect(drop->service, "run", G_CALLBACK(on_run), drop);
    return drop;
}

void maildrop_free(Maildrop *drop)
{
    if (!drop)
        return;
    g_socket_service_stop(drop->service);
    g_socket_listener_close(G_SOCKET_LISTENER(drop->service));
    g_object_unref(drop->service);
    g_mutex_lock(&drop->mutex);
    drop->held = NULL;
    g_cond_broadcast(&drop->cond);
    while (drop->n_open)
        g_cond_wait(&drop->cond, &drop->mutex);
    g_mutex_unlock(&drop->mutex);
    g_ptr_array_unref(drop->mails);
    g_string_free(drop->log, TRUE);
    g_cond_clear(&drop->cond);
    g_mutex_clear(&drop->mutex);
    g_free(drop);
}

guint16 maildrop_port(const Maildrop *drop)
{
    return drop->port;
}

/* --- what tests do --- */

void maildrop_add(Maildrop *drop, const char *text)
{
    Mail *mail = g_new0(Mail, 1);

    mail->text = g_strdup(text);
    g_mutex_lock(&drop->mutex);
    mail->id = ++drop->last_id;
    g_ptr_array_add(drop->mails, mail);
    g_mutex_unlock(&drop->mutex);
}

void maildrop_lose(Maildrop *drop, guint nth)
{
    g_mutex_lock(&drop->mutex);
    ((Mail *)drop->mails->pdata[nth - 1])->is_lost = TRUE;
    g_mutex_unlock(&drop->mutex);
}

void maildrop_repeat(Maildrop *drop, guint nth)
{
    g_mutex_lock(&drop->mutex);
    drop->last_id = nth - 1;
    g_mutex_unlock(&drop->mutex);
}

void maildrop_remove(Maildrop *drop, guint nth)
{
    g_mutex_lock(&drop->mutex);
    g_ptr_array_remove_index(drop->mails, nth - 1);
    g_mutex_unlock(&drop->mutex);
}

void maildrop_renumber(Maildrop *drop)
{
    g_mutex_lock(&drop->mutex);
    for (guint i = 0; i < drop->mails->len; i++)
        ((Mail *)drop->mails->pdata[i])->id = ++drop->last_id;
    g_mutex_unlock(&drop->mutex);
}

guint maildrop_n(Maildrop *drop)
{
    guint n;

    g_mutex_lock(&drop->mutex);
    n = drop->mails->len;
    g_mutex_unlock(&drop->mutex);
    return n;
}

void maildrop_refuse(Maildrop *drop, const char *answer)
{
    g_mutex_lock(&drop->mutex);
    drop->refusal = answer;
    g_mutex_unlock(&drop->mutex);
}

void maildrop_refuse_messages(Maildrop *drop, const char *answer)
{
    g_mutex_lock(&drop->mutex);
    drop->refusal_of_messages = answer;
    g_mutex_unlock(&drop->mutex);
}

void maildrop_hold(Maildrop *drop, const char *command)
{
    g_mutex_lock(&drop->mutex);
    drop->held = command;
    g_cond_broadcast(&drop->cond);
    g_mutex_unlock(&drop->mutex);
}

void maildrop_cut_after(Maildrop *drop, guint n)
{
    g_mutex_lock(&drop->mutex);
    drop->n_before_cut = n ? n + 1 : 0;
    g_mutex_unlock(&drop->mutex);
}

void maildrop_announce(Maildrop *drop, guint64 size)
{
    g_mutex_lock(&drop->mutex);
    drop->announced = size;
    g_mutex_unlock(&drop->mutex);
}

void maildrop_tell(Maildrop *drop, const char *capability)
{
    g_mutex_lock(&drop->mutex);
    drop->capability = capability;
    g_mutex_unlock(&drop->mutex);
}

char *maildrop_take_log(Maildrop *drop)
{
    char *log;

    g_mutex_lock(&drop->mutex);
    log = g_strdup(drop->log->str);
    g_string_truncate(drop->log, 0);
    g_mutex_unlock(&drop->mutex);
    return log;
}

guint maildrop_count(Maildrop *drop, const char *command)
{
    g_auto(GStrv) words = NULL;
    guint n = 0;

    g_mutex_lock(&drop->mutex);
    words = g_strsplit(drop->log->str, " ", -1);
    g_mutex_unlock(&drop->mutex);
    for (guint i = 0; words[i]; i++)
        n += g_str_equal(words[i], command);
    return n;
}

/* SPDX-License-Identifier: MIT */
/* tests/unit/imap/writer.c - a connection that makes changes, alone with its server. */
#include "tests/unit/imap/writer.h"

#include "tests/unit/imap/play.h"
#include "tests/unit/net/client.h"

static void serve(int fd, gpointer data)
{
    const Writer *writer = data;

    play_login(fd, writer->capabilities);
    writer->play(fd, writer->data);
    server_await_end(fd);
}

static void on_ready(ImapWorker *worker, gpointer owner)
{
}

static gboolean on_dispatch(gpointer data)
{
    Writer *writer = data;

    writer->dispatch_source = 0;
    imap_dispatch_changes(writer->worker);
    return G_SOURCE_REMOVE;
}

void writer_dispatch(Writer *writer)
{
    if (!writer->dispatch_source)
        writer->dispatch_source = g_idle_add(on_dispatch, writer);
}

ImapRow *writer_refused(Writer *writer, guint32 box)
{
    return g_hash_table_lookup(writer->shared.untold, GUINT_TO_POINTER(box));
}

static void on_room(ImapWorker *worker, gpointer owner)
{
    writer_dispatch(owner);
}

static void on_stalled(ImapWorker *worker, gboolean is_stalled, gpointer owner)
{
}

static void on_closed(ImapWorker *worker, const GError *error, gpointer owner)
{
    g_error("the connection is closed: %s", error->message);
}

static guint32 put_box(Writer *writer, const char *name)
{
    guint32 box = fixture_find_box(&writer->fixture, name);

    cache_box_replace(writer->fixture.cache, box, 7, NULL);
    return box;
}

static void allow_all(Writer *writer, guint32 box)
{
    const CacheRights all = {.may_insert = TRUE, .may_remove = TRUE, .permanent = ~(MailFlags)0};

    cache_put_rights(writer->fixture.cache, box, &all);
}

static void put_boxes(Writer *writer)
{
    writer->inbox = fixture_put_inbox(&writer->fixture, 3, 100);
    fixture_put_boxes(&writer->fixture, "INBOX", "A", "B", NULL);
    writer->a = put_box(writer, "A");
    writer->b = put_box(writer, "B");
    allow_all(writer, writer->inbox);
    allow_all(writer, writer->a);
    allow_all(writer, writer->b);
}

static void connect_worker(Writer *writer)
{
    static const ImapWorkerEvents events = {on_ready, on_stalled, on_room, on_closed};
    g_autofree char *url =
        g_strdup_printf("imap+insecure://alice@localhost:%u/", server_port(writer->server));

    writer->account = mail_account_parse(url, NULL);
    writer->secret = net_secret_new("secret", 6, "test", NULL);
    writer->options = (ImapOptions){
        .account = writer->account,
        .secret = writer->secret,
        .timeout_s = 60,
    };
    imap_account_init(&writer->shared, writer->fixture.cache, &writer->options);
    writer->worker = imap_worker_new(&writer->shared, IMAP_WRITER, &events, writer);
    client_await(imap_worker_is_ready(writer->worker));
}

Writer *writer_new(const char *capabilities, WriterPlay play, gconstpointer data)
{
    Writer *writer = g_new0(Writer, 1);

    fixture_set_up(&writer->fixture, NULL);
    put_boxes(writer);
    writer->capabilities = capabilities;
    writer->play = play;
    writer->data = data;
    writer->server = server_start(serve, writer);
    connect_worker(writer);
    return writer;
}

void writer_free(Writer *writer)
{
    g_clear_handle_id(&writer->dispatch_source, g_source_remove);
    imap_worker_free(writer->worker);
    server_stop(writer->server);
    imap_account_clear(&writer->shared);
    net_secret_unref(writer->secret);
    mail_account_free(writer->account);
    fixture_tear_down(&writer->fixture, NULL);
    g_free(writer);
}

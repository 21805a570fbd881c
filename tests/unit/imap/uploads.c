/* SPDX-License-Identifier: MIT */
/* tests/unit/imap/uploads.c - messages with headers in UTF-8, on their way to a server that knows
 * UTF8=ACCEPT. */
#include <string.h>
#include <unistd.h>

#include "mime/mime.h"
#include "tests/unit/imap/play.h"
#include "tests/unit/imap/writer.h"
#include "tests/unit/net/client.h"

#define OFFERED "IMAP4rev1 UIDPLUS REPLACE ENABLE UTF8=ACCEPT"
#define PLUS    OFFERED " LITERAL+ MULTIAPPEND"

#define ENABLED     "C: $ ENABLE UTF8=ACCEPT", "S: * ENABLED UTF8=ACCEPT", "S: $ OK done"
#define NOT_ENABLED "C: $ ENABLE UTF8=ACCEPT", "S: $ NO not now"
#define STATUS                                                                                     \
    "C: $ STATUS A (MESSAGES UIDNEXT UIDVALIDITY)", "S: * STATUS A (UIDNEXT 1 UIDVALIDITY 7)",     \
        "S: $ OK done"
#define NO_STATUS "C: $ STATUS A (MESSAGES UIDNEXT UIDVALIDITY)", "S: $ NO [SERVERBUG] not now"
#define INBOX                                                                                      \
    "C: $ SELECT INBOX", "S: * 3 EXISTS", "S: * OK [UIDVALIDITY 7] valid",                         \
        "S: $ OK [READ-WRITE] done", "C: $ UID FETCH 1 (INTERNALDATE RFC822.SIZE)",                \
        "S: * 1 FETCH (UID 1 INTERNALDATE \"12-Jan-1970 13:46:41 +0000\" RFC822.SIZE 100)",        \
        "S: $ OK done", "C: $ STATUS INBOX (MESSAGES UIDNEXT UIDVALIDITY)",                        \
        "S: * STATUS INBOX (UIDNEXT 4 UIDVALIDITY 7)", "S: $ OK done"

#define MARKS "(\\Seen) \"01-Jan-1970 00:00:05 +0000\""

/* Messages, each in its lines; no two could be taken for each other. */
#define UMLAUT       "S: \303\274\r\n\r\n\303\244\r\n"
#define UMLAUT_LINES "C: S: \303\274", "C: ", "C: \303\244"
#define ACUTE        "S: \303\251t\303\251\r\n\r\nabc\r\n"
#define ACUTE_LINES  "C: S: \303\251t\303\251", "C: ", "C: abc"
#define ASCII        "S: ue\r\n\r\n12345678\303\244\r\n"
#define ASCII_LINES  "C: S: ue", "C: ", "C: 12345678\303\244"
#define LATIN        "S: \374\r\n\r\n1234567890123456\r\n"
#define LATIN_LINES  "C: S: \374", "C: ", "C: 1234567890123456"

typedef struct {
    const char *name;
    const char *capabilities;
    guint32 replaced; /* UID in INBOX; 0: they come to A */
    const char *messages[4];
    const char *lines[40];
} Row;

static const Row rows[] = {
    {"utf8",
     OFFERED,
     0,
     {UMLAUT},
     {ENABLED, STATUS, "C: $ APPEND A " MARKS " UTF8 (~{13}", "S: + go on", UMLAUT_LINES, "C: )",
      "S: $ OK [APPENDUID 7 1] done"}},
    {"ascii",
     PLUS,
     0,
     {ASCII},
     {ENABLED, STATUS, "C: $ APPEND A " MARKS " {21+}", ASCII_LINES,
      "C: ", "S: $ OK [APPENDUID 7 1] done"}},
    {"latin-1",
     PLUS,
     0,
     {LATIN},
     {ENABLED, STATUS, "C: $ APPEND A " MARKS " {26+}", LATIN_LINES,
      "C: ", "S: $ OK [APPENDUID 7 1] done"}},
    {"not-enabled",
     PLUS,
     0,
     {UMLAUT},
     {NOT_ENABLED, STATUS, "C: $ APPEND A " MARKS " {13+}", UMLAUT_LINES,
      "C: ", "S: $ OK [APPENDUID 7 1] done"}},
    {"many",
     PLUS,
     0,
     {UMLAUT, ACUTE, ASCII},
     {ENABLED, STATUS, "C: $ APPEND A " MARKS " UTF8 (~{13}", "S: + go on", UMLAUT_LINES, "C: )",
      "S: $ OK [APPENDUID 7 1] done", STATUS, "C: $ APPEND A " MARKS " UTF8 (~{17+}", ACUTE_LINES,
      "C: ) " MARKS " {21+}", ASCII_LINES, "C: ", "S: $ OK [APPENDUID 7 2:3] done"}},
    {"item-is-refused",
     PLUS,
     0,
     {UMLAUT, ACUTE, ASCII},
     {ENABLED, STATUS, "C: $ APPEND A " MARKS " UTF8 (~{13}", "S: $ BAD what?",
      "C: $ APPEND A " MARKS " {13+}", UMLAUT_LINES, "C: ", "S: $ OK [APPENDUID 7 1] done", STATUS,
      "C: $ APPEND A " MARKS " {17+}", ACUTE_LINES, "C:  " MARKS " {21+}", ASCII_LINES,
      "C: ", "S: $ OK [APPENDUID 7 2:3] done"}},
    {"message-is-refused",
     PLUS,
     0,
     {UMLAUT, ACUTE},
     {ENABLED, STATUS, "C: $ APPEND A " MARKS " UTF8 (~{13}", "S: $ NO not that one",
      "C: $ APPEND A " MARKS " {13+}", UMLAUT_LINES, "C: ", "S: $ NO not that one", STATUS,
      "C: $ APPEND A " MARKS " UTF8 (~{17}", "S: + go on", ACUTE_LINES, "C: )",
      "S: $ OK [APPENDUID 7 1] done"}},
    {"replace",
     OFFERED,
     1,
     {UMLAUT},
     {ENABLED, INBOX, "C: $ UID REPLACE 1 INBOX " MARKS " UTF8 (~{13}", "S: + go on", UMLAUT_LINES,
      "C: )", "S: * OK [APPENDUID 7 4] there", "S: * 1 EXPUNGE", "S: $ OK done"}},
    {"status-is-refused",
     PLUS,
     0,
     {ASCII},
     {ENABLED, NO_STATUS, STATUS, "C: $ APPEND A " MARKS " {21+}", ASCII_LINES,
      "C: ", "S: $ OK [APPENDUID 7 1] done"}},
};

/* Two that look alike do not go together. */
static const Row status_is_refused_for_long = {"",
                                               PLUS,
                                               0,
                                               {ASCII, ASCII},
                                               {ENABLED, NO_STATUS, NO_STATUS, STATUS,
                                                "C: $ APPEND A " MARKS " {21+}", ASCII_LINES,
                                                "C: ", "S: $ OK [APPENDUID 7 1] done"}};

static void play_row(int fd, gconstpointer data)
{
    play_script(fd, ((const Row *)data)->lines);
}

static void enable_utf8(Writer *writer)
{
    ImapWorker *worker = writer->worker;

    imap_job_send(imap_job_new(worker, sizeof(ImapJob), 0),
                  imap_worker_command(worker, "ENABLE UTF8=ACCEPT"));
}

static void append(Writer *writer, const char *text, guint32 replaced)
{
    Cache *cache = writer->fixture.cache;
    guint32 generation = fixture_generation(&writer->fixture, writer->inbox), id = 0;
    guint64 want;
    int data;

    close(cache_draft_new(cache, &id, NULL));
    data = cache_draft_open_data(cache, id, NULL);
    g_assert_cmpint(write(data, text, strlen(text)), ==, strlen(text));
    close(data);
    g_assert_cmpint(cache_change_append(cache, id, replaced ? writer->inbox : writer->a, "new.eml",
                                        MAIL_FLAG_SEEN, 5, generation, replaced, &want, NULL),
                    ==, CACHE_FOUND);
}

static Writer *begin(const Row *row)
{
    Writer *writer = writer_new(row->capabilities, play_row, row);

    enable_utf8(writer);
    for (const char *const *text = row->messages; *text; text++)
        append(writer, *text, row->replaced);
    writer_dispatch(writer);
    return writer;
}

static void test_row(gconstpointer data)
{
    g_autoptr(Writer) writer = begin(data);

    client_await(!cache_changes(writer->fixture.cache)->length);
}

/* What was to be sent is given up after minutes; what would have come next is not. */
static void test_status_is_refused_for_long(void)
{
    g_autoptr(Writer) writer = begin(&status_is_refused_for_long);
    const GQueue *changes = cache_changes(writer->fixture.cache);
    ImapRow *row;

    client_await((row = writer_refused(writer, writer->a)));
    g_assert_cmpuint(changes->length, ==, 2);
    row->first_us -= 600 * (gint64)G_USEC_PER_SEC;
    client_await(changes->length == 1);
    client_await(!changes->length);
    g_assert_null(writer_refused(writer, writer->a));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mime_init();
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strconcat("/imap/uploads/", rows[i].name, NULL);

        g_test_add_data_func(path, &rows[i], test_row);
    }
    g_test_add_func("/imap/uploads/status-is-refused-for-long", test_status_is_refused_for_long);
    return g_test_run();
}

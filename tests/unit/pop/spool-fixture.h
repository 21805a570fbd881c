/* SPDX-License-Identifier: MIT */
/* tests/unit/pop/spool-fixture.h - a spool in a directory of its own. */
#pragma once

#include "pop/spool.h"

typedef struct {
    char *dir;
    PopSpool *spool;
} Fixture;

/* The spool is open; @data is not used. */
void fixture_set_up(Fixture *fixture, gconstpointer data);
void fixture_tear_down(Fixture *fixture, gconstpointer data);
#define FIXTURE_TEST(path, func)                                                                   \
    g_test_add(path, Fixture, NULL, fixture_set_up, func, fixture_tear_down)

void fixture_open(Fixture *fixture);
void fixture_close(Fixture *fixture);
void fixture_reopen(Fixture *fixture);

/* What a callback was told. */
typedef struct {
    guint n; /* how often it came */
    guint32 number;
    GError *error;
    PopMatch matches[16];
} Answer;

void answer_done(guint32 number, const GError *error, gpointer answer);
void answer_matched(const PopMatch *matches, guint n, const GError *error, gpointer answer);
/* Runs the main loop until it came. */
void answer_wait(Answer *answer);
/* Waits; the number, and there was no error. */
guint32 answer_number(Answer *answer);
/* Waits; there was this error. */
void answer_error(Answer *answer, MailError code);

/* The server lists these, and no others; what is known of the first 16. */
Answer fixture_match(Fixture *fixture, const char *const *uidls, guint n);
#define MATCH(fixture, ...)                                                                        \
    fixture_match(fixture, (const char *const[]){__VA_ARGS__},                                     \
                  G_N_ELEMENTS(((const char *const[]){__VA_ARGS__})))
void fixture_match_none(Fixture *fixture);
/* Retrieves it; the number that it got. */
guint32 fixture_store(Fixture *fixture, guint32 number, const char *text);
void fixture_receive(Fixture *fixture, guint32 number, const void *bytes, gsize len,
                     Answer *answer);
/* The server lists it alone, and it is retrieved. */
guint32 fixture_deliver(Fixture *fixture, const char *uidl, const char *text);
void fixture_move(Fixture *fixture, guint32 number, PopPlace place);
/* Whether it has found something. */
gboolean fixture_refresh(Fixture *fixture);

/* All of the octets; new. */
GBytes *fixture_read(const Fixture *fixture, guint32 number);
void fixture_expect(const Fixture *fixture, guint32 number, PopPlace place, const char *text);
/* "1 waiting, 2 read", of those that are shown. */
char *fixture_list(const Fixture *fixture);
void fixture_expect_list(const Fixture *fixture, const char *expected);

/* Below the directory; newly allocated. */
char *fixture_path(const Fixture *fixture, const char *name);
/* The only file in a directory, with that; newly allocated. */
char *fixture_only_file(const Fixture *fixture, const char *folder);
guint fixture_count_files(const Fixture *fixture, const char *folder);
void fixture_write(const Fixture *fixture, const char *name, const char *text);

/* SPDX-License-Identifier: MIT */
/* tests/unit/net/sasl.c - logging in to libgsasl's own server, and to servers that lie. */
#include <gsasl.h>
#include <string.h>

#include "client.h"

#define PASSWORD "p\xc3\xa4ss,word=1"

static NetSasl *sasl_new(const char *mechanisms, gboolean tls, const char *password, GError **error)
{
    g_auto(GStrv) words = g_strsplit(mechanisms, " ", -1);
    g_autoptr(NetSecret) secret = net_secret_new(password, strlen(password), "test", NULL);

    return net_sasl_new((const char *const *)words, tls, "imap", "imap.example.org", "alice",
                        secret, error);
}

/* --- one answer --- */

typedef struct {
    gboolean is_inside, is_answered;
    char *response;
    GError *error;
} Answer;

static void on_answer(NetSasl *sasl, const char *response, const GError *error, gpointer data)
{
    Answer *answer = data;

    g_assert_false(answer->is_inside);
    g_assert_false(answer->is_answered);
    g_assert_true((response == NULL) == (error != NULL));
    answer->is_answered = TRUE;
    answer->response = g_strdup(response);
    answer->error = error ? g_error_copy(error) : NULL;
}

/* The response, or NULL and an error. */
static char *respond(NetSasl *sasl, const char *challenge, GError **error)
{
    Answer answer = {.is_inside = TRUE};

    net_sasl_step(sasl, challenge, on_answer, &answer);
    answer.is_inside = FALSE;
    client_await(answer.is_answered);
    if (answer.error)
        g_propagate_error(error, answer.error);
    return answer.response;
}

/* --- libgsasl's server --- */

typedef struct {
    const char *iterations;
    gboolean does_lie; /* spoils the server's signature */
} Server;

static int on_property(Gsasl *context, Gsasl_session *session, Gsasl_property property)
{
    const Server *server = gsasl_callback_hook_get(context);

    switch (property) {
    case GSASL_PASSWORD: return gsasl_property_set(session, property, PASSWORD);
    case GSASL_SCRAM_ITER: return gsasl_property_set(session, property, server->iterations);
    case GSASL_VALIDATE_SIMPLE:
        return strcmp(gsasl_property_fast(session, GSASL_AUTHID), "alice") == 0 &&
                       strcmp(gsasl_property_fast(session, GSASL_PASSWORD), PASSWORD) == 0
                   ? GSASL_OK
                   : GSASL_AUTHENTICATION_ERROR;
    default: return GSASL_NO_CALLBACK;
    }
}

/* Changes the first character of the signature in "v=...". */
static char *spoil(const char *challenge)
{
    gsize len;
    g_autofree guchar *text = g_base64_decode(challenge, &len);

    if (len > 2 && memcmp(text, "v=", 2) == 0)
        text[2] = text[2] == 'A' ? 'B' : 'A';
    return g_base64_encode(text, len);
}

/* Lets @sasl log in; returns what the server thinks at last, in @error what the client does. */
static int log_in(NetSasl *sasl, const Server *server, GError **error)
{
    Gsasl *context;
    Gsasl_session *session;
    g_autofree char *response = NULL;
    int result;

    g_assert_cmpint(gsasl_init(&context), ==, GSASL_OK);
    gsasl_callback_hook_set(context, (gpointer)server);
    gsasl_callback_set(context, on_property);
    g_assert_cmpint(gsasl_server_start(context, net_sasl_mechanism(sasl), &session), ==, GSASL_OK);
    response = net_sasl_client_first(sasl) ? respond(sasl, "", error) : g_strdup("");
    for (result = GSASL_NEEDS_MORE; response && result == GSASL_NEEDS_MORE;) {
        char *challenge = NULL;
        g_autofree char *sent = NULL;

        result = gsasl_step64(session, response, &challenge);
        g_clear_pointer(&response, g_free);
        if (result == GSASL_NEEDS_MORE || (result == GSASL_OK && *challenge)) {
            sent = server->does_lie ? spoil(challenge) : g_strdup(challenge);
            response = respond(sasl, sent, error);
        }
        gsasl_free(challenge);
    }
    gsasl_finish(session);
    gsasl_done(context);
    return result;
}

static void test_mechanisms(void)
{
    static const char *const names[] = {"SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN",
                                        "LOGIN"};
    const Server server = {"4096", FALSE};

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(NetSasl) sasl = sasl_new(names[i], TRUE, PASSWORD, &error);

        g_assert_no_error(error);
        g_assert_cmpstr(net_sasl_mechanism(sasl), ==, names[i]);
        g_assert_cmpint(net_sasl_client_first(sasl), ==,
                        !g_str_equal(names[i], "CRAM-MD5") && !g_str_equal(names[i], "LOGIN"));
        g_assert_false(net_sasl_done(sasl));
        g_assert_cmpint(log_in(sasl, &server, &error), ==, GSASL_OK);
        g_assert_no_error(error);
        g_assert_true(net_sasl_done(sasl));
    }
}

static void test_wrong_password(void)
{
    static const char *const names[] = {"SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN",
                                        "LOGIN"};
    const Server server = {"4096", FALSE};

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(NetSasl) sasl = sasl_new(names[i], TRUE, "wrong", NULL);
        gboolean is_scram = g_str_has_prefix(names[i], "SCRAM");

        g_assert_cmpint(log_in(sasl, &server, NULL), ==, GSASL_AUTHENTICATION_ERROR);
        g_assert_cmpint(net_sasl_done(sasl), ==, !is_scram);
    }
}

static gboolean on_tick(gpointer data)
{
    (*(guint *)data)++;
    return G_SOURCE_CONTINUE;
}

/* So many that a thread computes, and the main loop goes on. */
static void test_many_iterations(void)
{
    const Server server = {"200000", FALSE};
    g_autoptr(NetSasl) sasl = sasl_new("SCRAM-SHA-256", TRUE, PASSWORD, NULL);
    g_autoptr(GError) error = NULL;
    guint n_ticks = 0, ticker = g_timeout_add(1, on_tick, &n_ticks);

    g_assert_cmpint(log_in(sasl, &server, &error), ==, GSASL_OK);
    g_assert_no_error(error);
    g_assert_true(net_sasl_done(sasl));
    g_assert_cmpuint(n_ticks, >, 10);
    g_source_remove(ticker);
}

static void test_wrong_server_signature(void)
{
    static const char *const names[] = {"SCRAM-SHA-256", "SCRAM-SHA-1"};
    const Server server = {"4096", TRUE};

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(NetSasl) sasl = sasl_new(names[i], TRUE, PASSWORD, NULL);
        g_autoptr(GError) error = NULL;

        log_in(sasl, &server, &error);
        g_assert_error(error, MAIL_ERROR, MAIL_ERROR_AUTH);
        g_assert_nonnull(strstr(error->message, "could not prove that it knows the password"));
        g_assert_false(net_sasl_done(sasl));
    }
}

/* --- which mechanism --- */

static void test_choice(void)
{
    static const struct {
        const char *offers;
        gboolean tls;
        const char *chosen;
    } cases[] = {
        {"PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256", TRUE, "SCRAM-SHA-256"},
        {"PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256", FALSE, "SCRAM-SHA-256"},
        {"login plain cram-md5 scram-sha-1", TRUE, "SCRAM-SHA-1"},
        {"LOGIN PLAIN CRAM-MD5 SCRAM-SHA-256-PLUS", TRUE, "PLAIN"},
        {"CRAM-MD5 LOGIN", TRUE, "LOGIN"},
        {"GSSAPI CRAM-MD5", TRUE, "CRAM-MD5"},
        {"LOGIN PLAIN CRAM-MD5", FALSE, "CRAM-MD5"},
        {"LOGIN PLAIN", FALSE, "PLAIN"},
        {"LOGIN", FALSE, "LOGIN"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(NetSasl) sasl = sasl_new(cases[i].offers, cases[i].tls, "secret", NULL);

        g_assert_cmpstr(net_sasl_mechanism(sasl), ==, cases[i].chosen);
    }
}

static void test_no_choice(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(sasl_new("GSSAPI xoauth2 EV\x1b[IL", TRUE, "secret", &error));
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_AUTH);
    g_assert_nonnull(strstr(error->message, "it offers GSSAPI, XOAUTH2"));
    g_assert_null(strchr(error->message, '\x1b'));
    g_clear_error(&error);
    g_assert_null(sasl_new("", TRUE, "secret", &error));
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_AUTH);
    g_assert_nonnull(strstr(error->message, "it offers nothing"));
}

static void test_empty_password(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(sasl_new("PLAIN", TRUE, "", &error));
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_AUTH);
}

/* --- servers that lie --- */

static void test_not_base64(void)
{
    static const char *const challenges[] = {
        "#", "abc", "YQ", "YQ=", "YR==", "YQ==YQ==", "YQ== ", "\nYQ==", "YW Jj", "YWJj\xff"};

    for (gsize i = 0; i < G_N_ELEMENTS(challenges); i++) {
        g_autoptr(NetSasl) sasl = sasl_new("CRAM-MD5", TRUE, "secret", NULL);
        g_autoptr(GError) error = NULL;

        g_assert_null(respond(sasl, challenges[i], &error));
        g_assert_error(error, MAIL_ERROR, MAIL_ERROR_PROTOCOL);
        g_assert_nonnull(strstr(error->message, "is no base64"));
        g_assert_false(net_sasl_done(sasl));
    }
}

static void test_long_challenge(void)
{
    g_autofree char *longest = g_strnfill(64 * 1024, 'A'), *longer = g_strnfill(64 * 1024 + 4, 'A');
    g_autoptr(NetSasl) sasl = sasl_new("CRAM-MD5", TRUE, "secret", NULL);
    g_autofree char *response = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_null(respond(sasl, longer, &error));
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_PROTOCOL);
    g_clear_error(&error);
    response = respond(sasl, longest, &error);
    g_assert_no_error(error);
}

static void test_goes_on_after_the_end(void)
{
    g_autoptr(NetSasl) sasl = sasl_new("PLAIN", TRUE, "secret", NULL);
    g_autofree char *response = respond(sasl, "", NULL);
    g_autoptr(GError) error = NULL;

    g_assert_nonnull(response);
    g_assert_true(net_sasl_done(sasl));
    g_assert_null(respond(sasl, "YQ==", &error));
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_PROTOCOL);
    g_assert_false(net_sasl_done(sasl));
}

/* A SCRAM client that has spoken first; @ret_nonce is what it chose. */
static NetSasl *begin_scram(char **ret_nonce)
{
    NetSasl *sasl = sasl_new("SCRAM-SHA-256", TRUE, PASSWORD, NULL);
    g_autofree char *response = respond(sasl, "", NULL);
    gsize len;
    g_autofree guchar *bytes = g_base64_decode(response, &len);
    g_autofree char *text = g_strndup((char *)bytes, len);

    g_assert_true(g_str_has_prefix(text, "n,,n=alice,r="));
    *ret_nonce = g_strdup(text + strlen("n,,n=alice,r="));
    return sasl;
}

/* Answers a server that, after our nonce, goes on with @rest; '@' in it stands for NUL. */
static void check_server_first(const char *rest, MailError code, const char *text)
{
    g_autofree char *nonce = NULL, *message = NULL, *challenge = NULL;
    g_autoptr(NetSasl) sasl = begin_scram(&nonce);
    g_autoptr(GError) error = NULL;
    gsize len;

    message = g_strdup_printf("r=%s%s", nonce, rest);
    len = strlen(message);
    g_strdelimit(message, "@", '\0');
    challenge = g_base64_encode((guchar *)message, len);
    g_assert_null(respond(sasl, challenge, &error));
    g_test_message("%s", error->message);
    g_assert_error(error, MAIL_ERROR, (int)code);
    g_assert_nonnull(strstr(error->message, text));
    g_assert_null(strstr(error->message, "word"));
}

static void test_hostile_scram(void)
{
    check_server_first("x,s=c2FsdA==,i=1000001", MAIL_ERROR_PROTOCOL, "is not from 1 to 1,000,000");
    check_server_first("x,s=c2FsdA==,i=4294967296", MAIL_ERROR_PROTOCOL,
                       "is not from 1 to 1,000,000");
    check_server_first("x,s=c2FsdA==,i=99999999999999999999999", MAIL_ERROR_PROTOCOL,
                       "is not from 1 to");
    check_server_first("x,s=c2FsdA==,i=4096,i=2000000", MAIL_ERROR_PROTOCOL, "is not from 1 to");
    check_server_first("x,s=c2FsdA==,i=2000000,i=4096", MAIL_ERROR_PROTOCOL, "is not from 1 to");
    check_server_first("x,s=c2FsdA==,i= 2000000", MAIL_ERROR_PROTOCOL, "is not from 1 to");
    check_server_first("x,s=c2FsdA==,i=+2000000", MAIL_ERROR_PROTOCOL, "is not from 1 to");
    check_server_first("x,s=c2FsdA==,i=0", MAIL_ERROR_PROTOCOL, "is not from 1 to");
    check_server_first("x,s=c2FsdA==,i=-1", MAIL_ERROR_PROTOCOL, "is not from 1 to");
    check_server_first("x,s=c2FsdA==,i=", MAIL_ERROR_PROTOCOL, "is not from 1 to");
    check_server_first("x,s=c2FsdA==@,i=2000000", MAIL_ERROR_PROTOCOL, "holds a NUL");
    check_server_first("x,s=c2FsdA==", MAIL_ERROR_AUTH, "log in as alice with SCRAM-SHA-256: ");
    check_server_first("x,s=!!!,i=4096", MAIL_ERROR_AUTH, "log in as alice with SCRAM-SHA-256: ");
}

static void test_foreign_nonce(void)
{
    g_autofree char *nonce = NULL, *challenge = NULL, *response = NULL;
    static const char message[] = "r=foreign,s=c2FsdA==,i=4096";
    g_autoptr(NetSasl) sasl = begin_scram(&nonce);
    g_autoptr(GError) error = NULL;

    challenge = g_base64_encode((const guchar *)message, strlen(message));
    response = respond(sasl, challenge, &error);
    g_assert_null(response);
    g_assert_error(error, MAIL_ERROR, MAIL_ERROR_AUTH);
}

/* --- freeing --- */

static void on_no_answer(NetSasl *sasl, const char *response, const GError *error, gpointer data)
{
    g_assert_not_reached();
}

static void test_free_before_answer(void)
{
    NetSasl *sasl = sasl_new("PLAIN", TRUE, "secret", NULL);

    net_sasl_step(sasl, "", on_no_answer, NULL);
    net_sasl_free(sasl);
    client_run_ms(10);
    net_sasl_free(NULL);
}

static void on_answer_busy(NetSasl *sasl, const char *response, const GError *error, gpointer data)
{
    *(gboolean *)data = net_sasl_is_busy(sasl);
}

static void test_busy(void)
{
    g_autoptr(NetSasl) sasl = sasl_new("PLAIN", TRUE, "secret", NULL);
    gboolean is_busy = TRUE;

    g_assert_false(net_sasl_is_busy(sasl));
    net_sasl_step(sasl, "", on_answer_busy, &is_busy);
    g_assert_true(net_sasl_is_busy(sasl));
    client_await(!is_busy);
}

static void test_free_while_computing(void)
{
    g_autofree char *nonce = NULL, *message = NULL, *challenge = NULL;
    NetSasl *sasl = begin_scram(&nonce);

    message = g_strdup_printf("r=%sx,s=c2FsdA==,i=100000", nonce);
    challenge = g_base64_encode((guchar *)message, strlen(message));
    net_sasl_step(sasl, challenge, on_no_answer, NULL);
    net_sasl_free(sasl);
    client_run_ms(500);
}

static void on_answer_free(NetSasl *sasl, const char *response, const GError *error, gpointer data)
{
    gboolean *is_answered = data;

    net_sasl_free(sasl);
    g_assert_cmpstr(response, ==, "AGFsaWNlAHNlY3JldA==");
    *is_answered = TRUE;
}

static void test_free_in_answer(void)
{
    NetSasl *sasl = sasl_new("PLAIN", TRUE, "secret", NULL);
    gboolean is_answered = FALSE;

    net_sasl_step(sasl, "", on_answer_free, &is_answered);
    client_await(is_answered);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/net/sasl/mechanisms", test_mechanisms);
    g_test_add_func("/net/sasl/wrong-password", test_wrong_password);
    g_test_add_func("/net/sasl/many-iterations", test_many_iterations);
    g_test_add_func("/net/sasl/wrong-server-signature", test_wrong_server_signature);
    g_test_add_func("/net/sasl/choice", test_choice);
    g_test_add_func("/net/sasl/no-choice", test_no_choice);
    g_test_add_func("/net/sasl/empty-password", test_empty_password);
    g_test_add_func("/net/sasl/not-base64", test_not_base64);
    g_test_add_func("/net/sasl/long-challenge", test_long_challenge);
    g_test_add_func("/net/sasl/goes-on-after-the-end", test_goes_on_after_the_end);
    g_test_add_func("/net/sasl/hostile-scram", test_hostile_scram);
    g_test_add_func("/net/sasl/foreign-nonce", test_foreign_nonce);
    g_test_add_func("/net/sasl/free-before-answer", test_free_before_answer);
    g_test_add_func("/net/sasl/busy", test_busy);
    g_test_add_func("/net/sasl/free-while-computing", test_free_while_computing);
    g_test_add_func("/net/sasl/free-in-answer", test_free_in_answer);
    return g_test_run();
}

/* SPDX-License-Identifier: MIT */
/* tests/unit/pop/login.c - from the greeting to ready, and all that can be wrong on the way. */
#include <string.h>

#include "tests/unit/net/fixture.h"
#include "tests/unit/pop/trial.h"

#define LINES_MAX 24

#define INSECURE "pop3+insecure://alice@localhost"

/* Who logs in, and with which password. */
#define ALICE INSECURE, "secret"
#define MROSE "pop3+insecure://mrose@localhost", "tanstaaf"
#define TIM   "pop3+insecure://tim@localhost", "tanstaaftanstaaf"
#define BLANK "pop3+insecure://al%20ice@localhost", "secret"

/* RFC 1939 7, RFC 2195 2 */
#define TIMESTAMP   "<1896.697170952@dbc.mtview.ca.us>"
#define APOP        "APOP mrose c4c9334bac560ecc979e58001b3e22fb"
#define CHALLENGE   "PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+"
#define CRAM_ANSWER "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw"

#define PLAIN "AGFsaWNlAHNlY3JldA==" /* of alice and "secret" */

/* --- in clear --- */

typedef struct {
    const char *name, *url, *secret;
    const char *script[LINES_MAX];
} Row;

#define NO_CAPA "C: CAPA", "S: -ERR what"
#define IS_IN   "S: +OK in", NO_CAPA

static const Row rows[] = {
    {"user", ALICE, {"S: +OK hi", NO_CAPA, "C: USER alice", "S: +OK", "C: PASS secret", IS_IN}},
    {"user-offered",
     ALICE,
     {"S: +OK hi", "C: CAPA", "S: +OK", "S: TOP", "S: user", "S: .", "C: USER alice", "S: +OK",
      "C: PASS secret", IS_IN}},
    {"bare-lf",
     ALICE,
     {"s: +OK hi\\n", "C: CAPA", "s: +OK\\nUSER\\n.\\n", "C: USER alice", "s: +OK\\n",
      "C: PASS secret", "s: +OK\\n", NO_CAPA}},
    {"plain",
     ALICE,
     {"S: +OK hi", "C: CAPA", "S: +OK", "S: USER", "S: SASL LOGIN PLAIN", "S: .",
      "C: AUTH PLAIN " PLAIN, IS_IN}},
    {"plain-case",
     ALICE,
     {"S: +OK hi", "C: CAPA", "S: +OK", "S: sasl\t plain", "S: .", "C: AUTH PLAIN " PLAIN, IS_IN}},
    {"login",
     ALICE,
     {"S: +OK hi", "C: CAPA", "S: +OK", "S: SASL LOGIN", "S: .", "C: AUTH LOGIN",
      "S: + VXNlcm5hbWU6", "C: YWxpY2U=", "S: + UGFzc3dvcmQ6", "C: c2VjcmV0", IS_IN}},
    {"cram-md5",
     TIM,
     {"S: +OK hi", "C: CAPA", "S: +OK", "S: SASL PLAIN CRAM-MD5", "S: .", "C: AUTH CRAM-MD5",
      "S: + " CHALLENGE, "C: " CRAM_ANSWER, IS_IN}},
    {"scram",
     ALICE,
     {"S: +OK hi " TIMESTAMP, "C: CAPA", "S: +OK", "S: SASL PLAIN SCRAM-SHA-256", "S: .", "SCRAM",
      IS_IN}},
    {"sasl-unknown",
     ALICE,
     {"S: +OK hi", "C: CAPA", "S: +OK", "S: SASL GSSAPI", "S: USER", "S: .", "C: USER alice",
      "S: +OK", "C: PASS secret", IS_IN}},
    {"apop", MROSE, {"S: +OK hi " TIMESTAMP, NO_CAPA, "C: " APOP, IS_IN}},
    {"apop-before-clear-text",
     MROSE,
     {"S: +OK hi " TIMESTAMP, "C: CAPA", "S: +OK", "S: SASL PLAIN LOGIN", "S: USER", "S: .",
      "C: " APOP, IS_IN}},
    {"apop-behind-cram-md5",
     TIM,
     {"S: +OK hi " TIMESTAMP, "C: CAPA", "S: +OK", "S: SASL CRAM-MD5", "S: .", "C: AUTH CRAM-MD5",
      "S: + " CHALLENGE, "C: " CRAM_ANSWER, IS_IN}},
    {"apop-malformed",
     ALICE,
     {"S: +OK hi <a\377@b>", NO_CAPA, "C: USER alice", "S: +OK", "C: PASS secret", IS_IN}},
    {"apop-blank",
     BLANK,
     {"S: +OK hi " TIMESTAMP, NO_CAPA, "C: USER al ice", "S: +OK", "C: PASS secret", IS_IN}},
    {"utf8",
     ALICE,
     {"S: +OK hi", "C: CAPA", "S: +OK", "S: UTF8 USER", "S: USER", "S: .", "C: UTF8", "S: +OK",
      "C: USER alice", "S: +OK", "C: PASS secret", IS_IN}},
    {"utf8-refused",
     ALICE,
     {"S: +OK hi", "C: CAPA", "S: +OK", "S: UTF8", "S: USER", "S: .", "C: UTF8", "S: -ERR no",
      "C: USER alice", "S: +OK", "C: PASS secret", IS_IN}},
    {"by-octets",
     ALICE,
     {"s: +OK hi\\r\\n", "C: CAPA", "s: +OK\\r\\nUSER\\r\\nSASL PLAIN\\r\\n.\\r\\n",
      "C: AUTH PLAIN " PLAIN, "s: +OK\\r\\n", "C: CAPA", "s: +OK\\r\\nTOP\\r\\n.\\r\\n"}},
};

static void test_row(gconstpointer data)
{
    const Row *row = data;
    const TrialOptions options = {
        .script = row->script, .url = row->url ? row->url : INSECURE, .secret = row->secret};
    g_autoptr(Trial) trial = trial_new(&options);

    trial_await_ready(trial);
}

/* --- refused --- */

typedef struct {
    const char *name, *url, *secret;
    const char *script[LINES_MAX];
    MailError code;
    const char *text;
} Refusal;

#define UNTIL_PASS "S: +OK hi", NO_CAPA, "C: USER alice", "S: +OK", "C: PASS secret"
#define UNTIL_AUTH "S: +OK hi", "C: CAPA", "S: +OK", "S: SASL PLAIN", "S: .", "C: AUTH PLAIN " PLAIN

static const Refusal refusals[] = {
    {"greeting-no-pop",
     ALICE,
     {"S: * OK ready"},
     MAIL_ERROR_PROTOCOL,
     "greeting: an answer that is neither +OK nor -ERR (it begins at octet 0 of the connection)"},
    {"greeting-err",
     ALICE,
     {"S: -ERR go away"},
     MAIL_ERROR_OFFLINE,
     "greeting: the server says -ERR go away"},
    {"greeting-in-use",
     ALICE,
     {"S: -ERR [IN-USE] locked"},
     MAIL_ERROR_BUSY,
     "greeting: the server says -ERR [IN-USE] locked"},
    {"greeting-temp",
     ALICE,
     {"S: -ERR [sys/temp] later"},
     MAIL_ERROR_BUSY,
     "greeting: the server says -ERR [sys/temp] later"},
    {"greeting-challenge",
     ALICE,
     {"S: + abc"},
     MAIL_ERROR_PROTOCOL,
     "greeting: a \"+\" that nothing asked for"},
    {"greeting-and-more",
     ALICE,
     {"S: +OK hi\r\n+OK"},
     MAIL_ERROR_PROTOCOL,
     "greeting: the server says more than its greeting"},
    {"greeting-err-and-more",
     ALICE,
     {"S: -ERR [IN-USE] locked\r\n-ERR bye"},
     MAIL_ERROR_BUSY,
     "greeting: the server says -ERR [IN-USE] locked"},
    {"capa-neither",
     ALICE,
     {"S: +OK hi", "C: CAPA", "S: hello"},
     MAIL_ERROR_PROTOCOL,
     "capa: an answer that is neither +OK nor -ERR (it begins at octet 8 of the connection)"},
    {"capa-challenge",
     ALICE,
     {"S: +OK hi", "C: CAPA", "S: + "},
     MAIL_ERROR_PROTOCOL,
     "capa: a \"+\" that nothing asked for"},
    {"no-user",
     ALICE,
     {"S: +OK hi", "C: CAPA", "S: +OK", "S: TOP", "S: ."},
     MAIL_ERROR_AUTH,
     "log in as alice: the server offers no way that we know; it offers nothing"},
    {"no-way",
     ALICE,
     {"S: +OK hi", "C: CAPA", "S: +OK", "S: SASL GSSAPI", "S: ."},
     MAIL_ERROR_AUTH,
     "log in as alice: the server offers no way that we know; it offers GSSAPI"},
    {"user",
     ALICE,
     {"S: +OK hi", NO_CAPA, "C: USER alice", "S: -ERR who"},
     MAIL_ERROR_AUTH,
     "log in as alice: user alice: the server says -ERR who"},
    {"pass",
     ALICE,
     {UNTIL_PASS, "S: -ERR wrong"},
     MAIL_ERROR_AUTH,
     "log in as alice: pass: the server says -ERR wrong"},
    {"pass-auth",
     ALICE,
     {UNTIL_PASS, "S: -ERR [AUTH] wrong"},
     MAIL_ERROR_AUTH,
     "log in as alice: pass: the server says -ERR [AUTH] wrong"},
    {"pass-in-use",
     ALICE,
     {UNTIL_PASS, "S: -ERR [IN-USE] locked"},
     MAIL_ERROR_BUSY,
     "log in as alice: pass: the server says -ERR [IN-USE] locked"},
    {"pass-login-delay",
     ALICE,
     {UNTIL_PASS, "S: -ERR [LOGIN-DELAY] wait"},
     MAIL_ERROR_BUSY,
     "log in as alice: pass: the server says -ERR [LOGIN-DELAY] wait"},
    {"pass-temp",
     ALICE,
     {UNTIL_PASS, "S: -ERR [SYS/TEMP] wait"},
     MAIL_ERROR_BUSY,
     "log in as alice: pass: the server says -ERR [SYS/TEMP] wait"},
    {"pass-temp-level",
     ALICE,
     {UNTIL_PASS, "S: -ERR [SYS/TEMP/DISK] wait"},
     MAIL_ERROR_BUSY,
     "log in as alice: pass: the server says -ERR [SYS/TEMP/DISK] wait"},
    {"pass-perm",
     ALICE,
     {UNTIL_PASS, "S: -ERR [SYS/PERM] broken"},
     MAIL_ERROR_SERVER,
     "log in as alice: pass: the server says -ERR [SYS/PERM] broken"},
    {"pass-unknown-code",
     ALICE,
     {UNTIL_PASS, "S: -ERR [SYS/TEMPO] x"},
     MAIL_ERROR_AUTH,
     "log in as alice: pass: the server says -ERR [SYS/TEMPO] x"},
    {"pass-dirty",
     ALICE,
     {UNTIL_PASS, "S: -ERR \033[2J\377"},
     MAIL_ERROR_AUTH,
     "log in as alice: pass: the server says -ERR ?[2J\357\277\275"},
    {"pass-repeated",
     ALICE,
     {UNTIL_PASS, "S: -ERR PASS secret is wrong"},
     MAIL_ERROR_AUTH,
     "log in as alice: pass: the server says -ERR (words that hold the password)"},
    {"pass-repeated-in-code",
     ALICE,
     {UNTIL_PASS, "S: -ERR [PASS secret] is wrong"},
     MAIL_ERROR_AUTH,
     "log in as alice: pass: the server says -ERR (words that hold the password)"},
    {"auth",
     ALICE,
     {UNTIL_AUTH, "S: -ERR wrong"},
     MAIL_ERROR_AUTH,
     "log in as alice: auth PLAIN: the server says -ERR wrong"},
    {"auth-in-use",
     ALICE,
     {UNTIL_AUTH, "S: -ERR [IN-USE] x"},
     MAIL_ERROR_BUSY,
     "log in as alice: auth PLAIN: the server says -ERR [IN-USE] x"},
    {"auth-repeated",
     ALICE,
     {UNTIL_AUTH, "S: -ERR what is " PLAIN},
     MAIL_ERROR_AUTH,
     "log in as alice: auth PLAIN: the server says -ERR (words that hold the password)"},
    {"auth-challenge-behind",
     ALICE,
     {UNTIL_AUTH, "S: + abcd"},
     MAIL_ERROR_PROTOCOL,
     "log in as alice with PLAIN: the server asks for more than the mechanism has"},
    {"auth-no-base64",
     ALICE,
     {"S: +OK hi", "C: CAPA", "S: +OK", "S: SASL CRAM-MD5", "S: .", "C: AUTH CRAM-MD5", "S: + !"},
     MAIL_ERROR_PROTOCOL,
     "log in as alice with CRAM-MD5: the server's challenge is no base64"},
    /* Who does not know the password cannot say that it was right. */
    {"auth-unproved",
     ALICE,
     {"S: +OK hi", "C: CAPA", "S: +OK", "S: SASL PLAIN SCRAM-SHA-256", "S: .",
      "c: AUTH SCRAM-SHA-256 ", "S: +OK in"},
     MAIL_ERROR_AUTH,
     "the server has not proved that it knows us"},
    {"apop",
     MROSE,
     {"S: +OK " TIMESTAMP, NO_CAPA, "C: " APOP, "S: -ERR wrong"},
     MAIL_ERROR_AUTH,
     "log in as mrose: apop mrose: the server says -ERR wrong"},
};

static void test_refusal(gconstpointer data)
{
    const Refusal *row = data;
    const TrialOptions options = {.script = row->script, .url = row->url, .secret = row->secret};
    g_autoptr(Trial) trial = trial_new(&options);

    trial_await_failure(trial, row->code, row->text);
    g_assert_false(trial->is_ready);
}

/* --- initial responses --- */

static char *dup_plain(const char *secret)
{
    g_autoptr(GString) text = g_string_new(NULL);

    g_string_append_len(text, "\0alice\0", 7);
    g_string_append(text, secret);
    return g_base64_encode((const guchar *)text->str, text->len);
}

/* A line of 253 octets, and CRLF. */
static void test_longest_initial_response(void)
{
    g_autofree char *secret = g_strnfill(173, 'x'), *response = dup_plain(secret);
    g_autofree char *auth = g_strconcat("C: AUTH PLAIN ", response, NULL);
    const char *const script[] = {"S: +OK hi", "C: CAPA", "S: +OK", "S: SASL PLAIN",
                                  "S: .",      auth,      IS_IN,    NULL};
    const TrialOptions options = {.script = script, .url = INSECURE, .secret = secret};
    g_autoptr(Trial) trial = trial_new(&options);

    g_assert_cmpuint(strlen(auth) - strlen("C: "), ==, 251);
    trial_await_ready(trial);
}

static void test_longer_initial_response(void)
{
    g_autofree char *secret = g_strnfill(174, 'x'), *response = dup_plain(secret);
    g_autofree char *line = g_strconcat("C: ", response, NULL);
    const char *const script[] = {"S: +OK hi",     "C: CAPA", "S: +OK", "S: SASL PLAIN", "S: .",
                                  "C: AUTH PLAIN", "S: + ",   line,     IS_IN,           NULL};
    const TrialOptions options = {.script = script, .url = INSECURE, .secret = secret};
    g_autoptr(Trial) trial = trial_new(&options);

    trial_await_ready(trial);
}

/* --- capabilities --- */

/* What was told before the login is forgotten. */
static void test_capabilities(void)
{
    static const char *const script[] = {"S: +OK hi",
                                         "C: CAPA",
                                         "S: +OK",
                                         "S: USER",
                                         "S: PIPELINING",
                                         "S: LOGIN-DELAY 10 USER",
                                         "S: .",
                                         "C: USER alice",
                                         "S: +OK",
                                         "C: PASS secret",
                                         "S: +OK",
                                         "C: CAPA",
                                         "S: +OK",
                                         "S: TOP",
                                         "S: uidl",
                                         "S: LOGIN-DELAY 900",
                                         "S: EXPIRE NEVER",
                                         "S: IMPLEMENTATION x",
                                         "S: .",
                                         NULL};
    const TrialOptions options = {.script = script, .url = INSECURE};
    g_autoptr(Trial) trial = trial_new(&options);

    trial_await_ready(trial);
    g_assert_true(pop_session_has(trial->session, "TOP"));
    g_assert_true(pop_session_has(trial->session, "UIDL"));
    g_assert_true(pop_session_has(trial->session, "EXPIRE"));
    g_assert_false(pop_session_has(trial->session, "PIPELINING"));
    g_assert_cmpuint(pop_session_login_delay(trial->session), ==, 900);
}

static void test_disabled(void)
{
    static const char *const script[] = {
        "S: +OK hi", "C: CAPA",       "S: +OK", "S: USER",        "S: SASL PLAIN",
        "S: .",      "C: USER alice", "S: +OK", "C: PASS secret", "S: +OK",
        "C: CAPA",   "S: +OK",        "S: TOP", "S: .",           NULL};
    static const char *const disabled[] = {"sasl", "TOP", NULL};
    const TrialOptions options = {.script = script, .url = INSECURE, .disabled = disabled};
    g_autoptr(Trial) trial = trial_new(&options);

    trial_await_ready(trial);
    g_assert_false(pop_session_has(trial->session, "TOP"));
}

/* Known although the login failed. */
static void test_login_delay(void)
{
    static const char *const script[] = {
        "S: +OK hi", "C: CAPA",       "S: +OK", "S: USER",        "S: LOGIN-DELAY 10 USER",
        "S: .",      "C: USER alice", "S: +OK", "C: PASS secret", "S: -ERR [LOGIN-DELAY] x",
        NULL};
    const TrialOptions options = {.script = script, .url = INSECURE};
    g_autoptr(Trial) trial = trial_new(&options);

    trial_await_failure(trial, MAIL_ERROR_BUSY,
                        "log in as alice: pass: the server says -ERR [LOGIN-DELAY] x");
    g_assert_cmpuint(pop_session_login_delay(trial->session), ==, 10);
}

static void test_silence(void)
{
    static const char *const script[] = {"S: +OK hi", "C: CAPA", "S: +OK", "S: USER", "WAIT", NULL};
    const TrialOptions options = {.script = script, .url = INSECURE, .timeout_s = 1};
    g_autoptr(Trial) trial = trial_new(&options);

    trial_await_failure(trial, MAIL_ERROR_TIMEOUT, "capa: no answer for 1 seconds");
}

static void test_no_greeting(void)
{
    static const char *const script[] = {"s: +OK", "WAIT", NULL};
    const TrialOptions options = {.script = script, .url = INSECURE, .timeout_s = 1};
    g_autoptr(Trial) trial = trial_new(&options);

    trial_await_failure(trial, MAIL_ERROR_TIMEOUT, "greeting: no answer for 1 seconds");
}

/* --- TLS --- */

#define OVER_TLS "pop3s://alice@imap.example.org"
#define BY_STLS  "pop3://alice@imap.example.org"

typedef struct {
    Fixture base;
    Cert *cert;
} Secure;

static void secure_set_up(Secure *secure, gconstpointer data)
{
    fixture_set_up(&secure->base, NULL);
    secure->cert = fixture_cert(secure->base.authority);
}

static void secure_tear_down(Secure *secure, gconstpointer data)
{
    cert_free(secure->cert);
    fixture_tear_down(&secure->base, NULL);
}

static Trial *secure_trial(const Secure *secure, const char *url, Script script)
{
    const TrialOptions options = {
        .script = script, .url = url, .trust = secure->base.trust, .cert = secure->cert};

    return trial_new(&options);
}

static void secure_fails(const Secure *secure, Script script, MailError code, const char *text)
{
    g_autoptr(Trial) trial = secure_trial(secure, BY_STLS, script);

    trial_await_failure(trial, code, text);
    g_assert_false(trial->is_ready);
}

/* Over TLS the password itself is better than APOP. */
static void test_over_tls(Secure *secure, gconstpointer data)
{
    static const char *const script[] = {"TLS",    "S: +OK " TIMESTAMP, NO_CAPA, "C: USER alice",
                                         "S: +OK", "C: PASS secret",    IS_IN,   NULL};
    g_autoptr(Trial) trial = secure_trial(secure, OVER_TLS, script);

    trial_await_ready(trial);
}

static void test_stls(Secure *secure, gconstpointer data)
{
    static const char *const script[] = {"S: +OK " TIMESTAMP,
                                         "C: CAPA",
                                         "S: +OK",
                                         "S: STLS",
                                         "S: .",
                                         "C: STLS",
                                         "S: +OK begin",
                                         "TLS",
                                         "C: CAPA",
                                         "S: +OK",
                                         "S: SASL PLAIN CRAM-MD5",
                                         "S: .",
                                         "C: AUTH PLAIN " PLAIN,
                                         IS_IN,
                                         NULL};
    g_autoptr(Trial) trial = secure_trial(secure, BY_STLS, script);

    trial_await_ready(trial);
}

/* What was told in clear counts no more. */
static void test_stls_forgets(Secure *secure, gconstpointer data)
{
    static const char *const script[] = {
        "S: +OK hi", "C: CAPA", "S: +OK", "S: STLS", "S: USER", "S: UTF8", "S: SASL PLAIN", "S: .",
        "C: STLS",   "S: +OK",  "TLS",    "C: CAPA", "S: +OK",  "S: TOP",  "S: .",          NULL};

    secure_fails(secure, script, MAIL_ERROR_AUTH,
                 "log in as alice: the server offers no way that we know; it offers nothing");
}

#define NO_STLS "the server offers no STLS on this port (pop3s:// is the other way to TLS)"

static void test_stls_not_offered(Secure *secure, gconstpointer data)
{
    static const char *const script[] = {"S: +OK hi", "C: CAPA", "S: +OK", "S: USER", "S: .", NULL};

    secure_fails(secure, script, MAIL_ERROR_TLS, NO_STLS);
}

static void test_stls_capa_refused(Secure *secure, gconstpointer data)
{
    static const char *const script[] = {"S: +OK hi", NO_CAPA, NULL};

    secure_fails(secure, script, MAIL_ERROR_TLS, NO_STLS);
}

#define UNTIL_STLS "S: +OK hi", "C: CAPA", "S: +OK", "S: STLS", "S: .", "C: STLS"

static void test_stls_refused(Secure *secure, gconstpointer data)
{
    static const char *const script[] = {UNTIL_STLS, "S: -ERR no", NULL};

    secure_fails(secure, script, MAIL_ERROR_TLS, "stls: the server says -ERR no");
}

static void test_stls_neither(Secure *secure, gconstpointer data)
{
    static const char *const script[] = {UNTIL_STLS, "S: OK", NULL};

    secure_fails(
        secure, script, MAIL_ERROR_PROTOCOL,
        "stls: an answer that is neither +OK nor -ERR (it begins at octet 22 of the connection)");
}

#define MEDDLED "stls: the server says more than was asked: somebody meddles, or it is confused"

/* In one segment with its go-ahead, what is to be taken for the answer to our next CAPA. */
static void test_stls_injected(Secure *secure, gconstpointer data)
{
    static const char *const script[] = {UNTIL_STLS, "S: +OK begin\r\n+OK\r\nSASL PLAIN\r\n.",
                                         NULL};

    secure_fails(secure, script, MAIL_ERROR_PROTOCOL, MEDDLED);
}

static void test_stls_injected_refusal(Secure *secure, gconstpointer data)
{
    static const char *const script[] = {UNTIL_STLS, "S: +OK begin\r\n-ERR no", NULL};

    secure_fails(secure, script, MAIL_ERROR_PROTOCOL, MEDDLED);
}

static void test_stls_one_octet(Secure *secure, gconstpointer data)
{
    static const char *const script[] = {UNTIL_STLS, "S: +OK begin\r\n", NULL};

    secure_fails(secure, script, MAIL_ERROR_PROTOCOL, MEDDLED);
}

/* Said before we asked. */
static void test_stls_predicted(Secure *secure, gconstpointer data)
{
    static const char *const script[] = {"S: +OK hi\r\n+OK\r\nSTLS\r\n.\r\n+OK begin", NULL};

    secure_fails(secure, script, MAIL_ERROR_PROTOCOL,
                 "greeting: the server says more than its greeting");
}

static void test_stls_silence(Secure *secure, gconstpointer data)
{
    static const char *const script[] = {UNTIL_STLS, "WAIT", NULL};
    const TrialOptions options = {
        .script = script, .url = BY_STLS, .trust = secure->base.trust, .timeout_s = 1};
    g_autoptr(Trial) trial = trial_new(&options);

    trial_await_failure(trial, MAIL_ERROR_TIMEOUT, "stls: no answer for 1 seconds");
}

/* --- the log --- */

static GString *logged;

static GLogWriterOutput on_log(GLogLevelFlags level, const GLogField *fields, gsize n_fields,
                               gpointer data)
{
    for (gsize i = 0; i < n_fields; i++)
        if (g_str_equal(fields[i].key, "MESSAGE"))
            g_string_append_printf(logged, "%s\n", (const char *)fields[i].value);
    return G_LOG_WRITER_HANDLED;
}

static void log_of(const char *name)
{
    g_string_append_printf(logged, "%s:\n", name);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        if (g_str_equal(rows[i].name, name))
            test_row(&rows[i]);
}

/* In a process of its own, for a log writer can be set but once. */
static void test_log(void)
{
    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
        g_test_trap_assert_passed();
        return;
    }
    logged = g_string_new(NULL);
    g_log_set_writer_func(on_log, NULL, NULL);
    log_of("user");
    log_of("plain");
    log_of("login");
    log_of("apop");
    g_assert_cmpstr(logged->str, ==,
                    "user:\n> CAPA\n> USER alice\n> PASS <secret>\n> CAPA\n"
                    "plain:\n> CAPA\n> AUTH PLAIN <secret>\n> CAPA\n"
                    "login:\n> CAPA\n> AUTH LOGIN\n> CAPA\n"
                    "apop:\n> CAPA\n> APOP mrose <secret>\n> CAPA\n");
    g_string_free(logged, TRUE);
}

#define ADD_SECURE(name, test)                                                                     \
    g_test_add("/pop/login/" name, Secure, NULL, secure_set_up, test, secure_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    client_fake_resolver();
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strconcat("/pop/login/ready/", rows[i].name, NULL);

        g_test_add_data_func(path, &rows[i], test_row);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(refusals); i++) {
        g_autofree char *path = g_strconcat("/pop/login/refused/", refusals[i].name, NULL);

        g_test_add_data_func(path, &refusals[i], test_refusal);
    }
    g_test_add_func("/pop/login/longest-initial-response", test_longest_initial_response);
    g_test_add_func("/pop/login/longer-initial-response", test_longer_initial_response);
    g_test_add_func("/pop/login/capabilities", test_capabilities);
    g_test_add_func("/pop/login/disabled", test_disabled);
    g_test_add_func("/pop/login/login-delay", test_login_delay);
    g_test_add_func("/pop/login/silence", test_silence);
    g_test_add_func("/pop/login/no-greeting", test_no_greeting);
    ADD_SECURE("over-tls", test_over_tls);
    ADD_SECURE("stls", test_stls);
    ADD_SECURE("stls-forgets", test_stls_forgets);
    ADD_SECURE("stls-not-offered", test_stls_not_offered);
    ADD_SECURE("stls-capa-refused", test_stls_capa_refused);
    ADD_SECURE("stls-refused", test_stls_refused);
    ADD_SECURE("stls-neither", test_stls_neither);
    ADD_SECURE("stls-injected", test_stls_injected);
    ADD_SECURE("stls-injected-refusal", test_stls_injected_refusal);
    ADD_SECURE("stls-one-octet", test_stls_one_octet);
    ADD_SECURE("stls-predicted", test_stls_predicted);
    ADD_SECURE("stls-silence", test_stls_silence);
    g_test_add_func("/pop/login/log", test_log);
    return g_test_run();
}

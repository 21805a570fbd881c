/* SPDX-License-Identifier: MIT */
/* net/sasl.c - logging in by SASL (RFC 4422), over libgsasl. */
#include "net/net.h"

#include <gio/gio.h>
#include <gsasl.h>
#include <string.h>

#define CHALLENGE_MAX     (64 * 1024)
#define ITERATIONS_MAX    1000000
#define ITERATIONS_INLINE 20000 /* more take so long that a thread has to do them */
#define OFFERS_SHOWN      10

typedef struct {
    const char *name;
    gboolean is_client_first;
    gboolean is_scram;
} Mechanism;

static const Mechanism scram_sha256 = {"SCRAM-SHA-256", TRUE, TRUE};
static const Mechanism scram_sha1 = {"SCRAM-SHA-1", TRUE, TRUE};
static const Mechanism cram_md5 = {"CRAM-MD5", FALSE, FALSE};
static const Mechanism plain = {"PLAIN", TRUE, FALSE};
static const Mechanism login = {"LOGIN", FALSE, FALSE};

/* Best first. */
static const Mechanism *const over_tls[] = {&scram_sha256, &scram_sha1, &plain,
                                            &login,        &cram_md5,   NULL};
static const Mechanism *const in_clear[] = {&scram_sha256, &scram_sha1, &cram_md5,
                                            &plain,        &login,      NULL};

/* What a step needs; one step at a time works on it, perhaps in another thread. */
typedef struct {
    Gsasl *context;
    Gsasl_session *session;
} Exchange;

typedef struct {
    NetSasl *sasl; /* NULL when it was freed */
    Exchange *exchange;
    guchar *challenge;
    gsize challenge_len;
    NetSaslFunc done;
    gpointer data;

    int result; /* of gsasl_step() */
    char *response;
    GError *error;
} Step;

struct NetSasl {
    const Mechanism *mechanism;
    char *act; /* "log in as alice with PLAIN" */
    Exchange *exchange;
    Step *step; /* under way, or NULL */
    gboolean is_done;
};

/* --- the exchange --- */

/* gsasl frees its copies without wiping them. */
static void wipe_property(Gsasl_session *session, Gsasl_property property)
{
    char *value = (char *)gsasl_property_fast(session, property);

    if (value)
        explicit_bzero(value, strlen(value));
}

static void exchange_clear(gpointer memory)
{
    Exchange *exchange = memory;

    if (exchange->session) {
        wipe_property(exchange->session, GSASL_PASSWORD);
        wipe_property(exchange->session, GSASL_SCRAM_SALTED_PASSWORD);
        gsasl_finish(exchange->session);
    }
    if (exchange->context)
        gsasl_done(exchange->context);
}

static void exchange_unref(Exchange *exchange)
{
    g_atomic_rc_box_release_full(exchange, exchange_clear);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Exchange, exchange_unref)

static Exchange *exchange_new(const Mechanism *mechanism, GError **error)
{
    g_autoptr(Exchange) exchange = g_atomic_rc_box_new0(Exchange);
    int result = gsasl_init(&exchange->context);

    if (result == GSASL_OK)
        result = gsasl_client_start(exchange->context, mechanism->name, &exchange->session);
    if (result == GSASL_OK)
        return g_steal_pointer(&exchange);
    g_set_error(error, MAIL_ERROR, MAIL_ERROR_LOCAL, "begin %s: %s", mechanism->name,
                gsasl_strerror(result));
    return NULL;
}

/* --- which mechanism --- */

static gboolean is_offered(const Mechanism *mechanism, const char *const *offers)
{
    for (; *offers; offers++)
        if (g_ascii_strcasecmp(*offers, mechanism->name) == 0)
            return TRUE;
    return FALSE;
}

static const Mechanism *choose(const Mechanism *const *order, const char *const *offers)
{
    for (; *order; order++)
        if (is_offered(*order, offers))
            return *order;
    return NULL;
}

/* The server's words; only what is a mechanism's name (RFC 4422 3.1) may come into a message. */
static char *offers_text(const char *const *offers)
{
    GString *text = g_string_new(NULL);

    for (guint n = 0; *offers && n < OFFERS_SHOWN; offers++) {
        g_autofree char *name = g_ascii_strup(*offers, -1);

        if (gsasl_mechanism_name_p(name))
            g_string_append_printf(text, "%s%s", n++ > 0 ? ", " : "", name);
    }
    if (text->len == 0)
        g_string_append(text, "nothing");
    return g_string_free(text, FALSE);
}

static void exchange_prepare(Exchange *exchange, const char *service, const char *host,
                             const char *user, const NetSecret *secret)
{
    gsasl_property_set(exchange->session, GSASL_SERVICE, service);
    gsasl_property_set(exchange->session, GSASL_HOSTNAME, host);
    gsasl_property_set(exchange->session, GSASL_AUTHID, user);
    gsasl_property_set(exchange->session, GSASL_PASSWORD, net_secret_peek(secret));
}

NetSasl *net_sasl_new(const char *const *mechanisms, gboolean tls, const char *service,
                      const char *host, const char *user, NetSecret *secret, GError **error)
{
    const Mechanism *mechanism = choose(tls ? over_tls : in_clear, mechanisms);
    g_autoptr(Exchange) exchange = NULL;
    NetSasl *sasl;

    if (!mechanism) {
        g_autofree char *offers = offers_text(mechanisms);

        g_set_error(error, MAIL_ERROR, MAIL_ERROR_AUTH,
                    "log in as %s: the server offers no way that we know; it offers %s", user,
                    offers);
        return NULL;
    }
    if (!*net_secret_peek(secret)) {
        g_set_error(error, MAIL_ERROR, MAIL_ERROR_AUTH, "log in as %s: the password is empty",
                    user);
        return NULL;
    }
    exchange = exchange_new(mechanism, error);
    if (!exchange)
        return NULL;
    exchange_prepare(exchange, service, host, user, secret);
    sasl = g_new0(NetSasl, 1);
    sasl->mechanism = mechanism;
    sasl->act = g_strdup_printf("log in as %s with %s", user, mechanism->name);
    sasl->exchange = g_steal_pointer(&exchange);
    return sasl;
}

void net_sasl_free(NetSasl *sasl)
{
    if (!sasl)
        return;
    if (sasl->step)
        sasl->step->sasl = NULL;
    exchange_unref(sasl->exchange);
    g_free(sasl->act);
    g_free(sasl);
}

const char *net_sasl_mechanism(const NetSasl *sasl)
{
    return sasl->mechanism->name;
}

gboolean net_sasl_client_first(const NetSasl *sasl)
{
    return sasl->mechanism->is_client_first;
}

gboolean net_sasl_done(const NetSasl *sasl)
{
    return sasl->is_done;
}

gboolean net_sasl_is_busy(const NetSasl *sasl)
{
    return sasl->step != NULL;
}

/* --- a step --- */

static void wipe_free(gpointer bytes, gsize len)
{
    if (bytes)
        explicit_bzero(bytes, len);
    g_free(bytes);
}

static void step_free(Step *step)
{
    exchange_unref(step->exchange);
    wipe_free(step->challenge, step->challenge_len);
    wipe_free(step->response, step->response ? strlen(step->response) : 0);
    g_clear_error(&step->error);
    g_free(step);
}

static gboolean step_refuse(Step *step, const char *why)
{
    g_set_error(&step->error, MAIL_ERROR, MAIL_ERROR_PROTOCOL, "%s: %s", step->sasl->act, why);
    return FALSE;
}

/* GLib's decoder skips what is not base64, so we see whether encoding gives the same again. */
static gboolean step_decode(Step *step, const char *challenge)
{
    g_autofree char *again = NULL;

    if (strnlen(challenge, CHALLENGE_MAX + 1) > CHALLENGE_MAX)
        return step_refuse(step, "the server's challenge is too long");
    step->challenge = g_base64_decode(challenge, &step->challenge_len);
    again = g_base64_encode(step->challenge, step->challenge_len);
    if (strcmp(again, challenge) != 0)
        return step_refuse(step, "the server's challenge is no base64");
    return TRUE;
}

/* Finds out what work a SCRAM server asks for (RFC 5802 5.1, "i="); 0 when it does not.  Of
 * several numbers the greatest counts, whichever gsasl may take. */
static gboolean step_iterations(Step *step, guint64 *ret_iterations)
{
    g_autofree char *text = g_strndup((const char *)step->challenge, step->challenge_len);
    g_auto(GStrv) attributes = g_strsplit(text, ",", -1);
    guint64 iterations = 0;

    if (strlen(text) != step->challenge_len)
        return step_refuse(step, "the server's challenge holds a NUL");
    for (char **attribute = attributes; *attribute; attribute++) {
        guint64 n;

        if (!g_str_has_prefix(*attribute, "i="))
            continue;
        if (!g_ascii_string_to_unsigned(*attribute + 2, 10, 1, ITERATIONS_MAX, &n, NULL))
            return step_refuse(step,
                               "the server's number of iterations is not from 1 to 1,000,000");
        iterations = MAX(iterations, n);
    }
    *ret_iterations = iterations;
    return TRUE;
}

/* In whatever thread. */
static void step_compute(Step *step)
{
    char *output = NULL;
    gsize len = 0;

    step->result = gsasl_step(step->exchange->session, (const char *)step->challenge,
                              step->challenge_len, &output, &len);
    if (step->result == GSASL_OK || step->result == GSASL_NEEDS_MORE)
        step->response = g_base64_encode((const guchar *)output, len);
    if (output)
        explicit_bzero(output, len);
    gsasl_free(output);
}

static void on_step_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
    step_compute(data);
    g_task_return_boolean(task, TRUE);
}

static void step_judge(Step *step)
{
    NetSasl *sasl = step->sasl;

    sasl->is_done = !step->error && step->result == GSASL_OK;
    if (step->error || step->response)
        return;
    if (sasl->mechanism->is_scram && step->result == GSASL_AUTHENTICATION_ERROR)
        g_set_error(&step->error, MAIL_ERROR, MAIL_ERROR_AUTH,
                    "%s: the server could not prove that it knows the password", sasl->act);
    else
        g_set_error(&step->error, MAIL_ERROR, MAIL_ERROR_AUTH, "%s: %s", sasl->act,
                    gsasl_strerror(step->result));
}

static void on_step_done(GObject *source, GAsyncResult *result, gpointer data)
{
    Step *step = data;
    NetSasl *sasl = step->sasl;

    if (sasl) {
        sasl->step = NULL;
        step_judge(step);
        step->done(sasl, step->response, step->error, step->data);
    }
    step_free(step);
}

static gboolean step_prepare(Step *step, const char *challenge, guint64 *ret_iterations)
{
    if (step->sasl->is_done)
        return step_refuse(step, "the server asks for more than the mechanism has");
    if (!step_decode(step, challenge))
        return FALSE;
    return !step->sasl->mechanism->is_scram || step_iterations(step, ret_iterations);
}

void net_sasl_step(NetSasl *sasl, const char *challenge, NetSaslFunc done, gpointer data)
{
    g_autoptr(GTask) task = NULL;
    guint64 iterations = 0;
    Step *step;

    g_return_if_fail(!sasl->step);

    step = sasl->step = g_new0(Step, 1);
    step->sasl = sasl;
    step->exchange = g_atomic_rc_box_acquire(sasl->exchange);
    step->done = done;
    step->data = data;
    task = g_task_new(NULL, NULL, on_step_done, step);
    g_task_set_task_data(task, step, NULL);
    if (step_prepare(step, challenge, &iterations) && iterations > ITERATIONS_INLINE) {
        g_task_run_in_thread(task, on_step_thread);
        return;
    }
    if (!step->error)
        step_compute(step);
    g_task_return_boolean(task, TRUE);
}

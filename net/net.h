/* SPDX-License-Identifier: MIT */
/* net/net.h - moving bytes between us and a mail server: connect, TLS, deflate,
 * SASL, secrets.
 *
 * Knows nothing of IMAP or POP3.  Thread: engine; nothing here blocks but
 * net_secret_from_tty(), _file() and _command(), which are for before the mount.
 */
#pragma once

#include "mail/mail.h"

/* --- secrets (net/secret*.c) --- */

/* A password.  Its memory is locked where that is allowed, and wiped when freed. */
typedef struct NetSecret NetSecret;

/* Copies @len bytes; refuses NUL, CR and LF with INVALID.  @what names the source in
 * errors. */
NetSecret *net_secret_new(const char *bytes, gsize len, const char *what, GError **error);
/* The first line of @path.  Refused with INVALID unless it is a regular file of ours or root's,
 * at most 64 KiB, to which others have no access at all; links are followed.  LOCAL when it
 * cannot be read. */
NetSecret *net_secret_from_file(const char *path, GError **error);
/* The first line that `sh -c command` prints; its stdin is /dev/null, its stderr ours.  LOCAL
 * when it fails, TIMEOUT when it has not ended within @timeout_s seconds: then it is killed with
 * all its children. */
NetSecret *net_secret_from_command(const char *command, guint timeout_s, GError **error);
/* Asks on /dev/tty without echo.  A signal such as that of Ctrl-C takes effect when the terminal
 * is as it was; CANCELLED when we survive it. */
NetSecret *net_secret_from_tty(const char *prompt, GError **error);
NetSecret *net_secret_ref(NetSecret *secret);
void net_secret_unref(NetSecret *secret);
/* Borrowed; NUL-ended. */
const char *net_secret_peek(const NetSecret *secret);
/* Whether @text, which a server said, repeats the password: as it is, quoted, or as SASL sends it
 * for @user in base64. */
gboolean net_secret_is_in(const NetSecret *secret, const char *user, const char *text);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetSecret, net_secret_unref)

/* No core dumps and no ptrace by our equals, for the rest of the process's life. */
void net_secret_harden_process(void);

/* --- trust (net/trust.c, certificate.c) --- */

/* Whom to believe: made once, shared by all connections of an account. */
typedef struct NetTrust NetTrust;

/* @ca_file: PEM, in place of the system's authorities, or NULL.  @fingerprint: the SHA-256 of
 * the server's certificate in hex, with or without colons, or NULL; a pinned certificate is
 * accepted by its fingerprint alone, every other is refused.  TLS 1.2 at least, no
 * compression, no renegotiation.  Fails with INVALID or LOCAL. */
NetTrust *net_trust_new(const char *ca_file, const char *fingerprint, GError **error);
NetTrust *net_trust_ref(NetTrust *trust);
void net_trust_unref(NetTrust *trust);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetTrust, net_trust_unref)

/* --- streams (net/stream.c, connect.c, tls.c, deflate.c) --- */

typedef struct NetStream NetStream;

typedef struct {
    const char *host;
    guint16 port;
    gboolean tls;    /* a TLS handshake right after the connect */
    NetTrust *trust; /* needed for TLS, now or later */
    guint timeout_s; /* for name look-up and connect; and again for each handshake */
} NetEndpoint;

/* What a stream tells its owner.  Any of these may free the stream.  None is called from inside
 * a call of ours. */
typedef struct {
    /* Connected, and TLS is up where @tls was set; called again after net_stream_start_tls(). */
    void (*ready)(NetStream *stream, gpointer owner);
    /* Bytes came; all of them are taken. */
    void (*received)(NetStream *stream, const guint8 *bytes, gsize len, gpointer owner);
    /* The stream is dead, once: OFFLINE (also an end without close_notify, and "closed by
     * server"), TIMEOUT, TLS, PROTOCOL (the compressed stream is damaged), INVALID (the endpoint
     * makes no sense).  @error says what was being done; borrowed. */
    void (*closed)(NetStream *stream, const GError *error, gpointer owner);
    /* The socket took some of what was written. */
    void (*sent)(NetStream *stream, gpointer owner);
} NetStreamEvents;

/* Begins to connect: all addresses of the host, RFC 8305 (happy eyeballs).  The endpoint is
 * copied; @events must live as long as the stream. */
NetStream *net_stream_new(const NetEndpoint *endpoint, const NetStreamEvents *events,
                          gpointer owner);
/* Closes (with close_notify where TLS is up) and frees.  Accepts NULL.  Allowed inside events. */
void net_stream_free(NetStream *stream);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetStream, net_stream_free)

/* Queues @bytes (copied).  A failure comes as closed(). */
void net_stream_write(NetStream *stream, gconstpointer bytes, gsize len);
/* Bytes queued and not yet taken by the socket; compressed ones where that is on. */
gsize net_stream_unsent(const NetStream *stream);
/* The same, and those that the socket took and the server's host has not acknowledged.
 * @ret_n_delivered: how many it has; over TLS some KB are missing until all are. */
gsize net_stream_undelivered(const NetStream *stream, guint64 *ret_n_delivered);

/* Begins a TLS handshake on a plain stream; ready() follows.  The caller has made sure that not
 * one byte after the server's go-ahead was received in clear (NO STARTTLS, RFC 3501 6.2.1). */
void net_stream_start_tls(NetStream *stream);
gboolean net_stream_is_tls(const NetStream *stream);

/* From here on both directions are raw deflate (RFC 4978).  @surplus: bytes that were received
 * after the server's go-ahead and so are already compressed; they come back through received(),
 * not from inside this call.  More than 1 MiB that comes from less than a thousandth of it closes
 * the stream. */
void net_stream_start_deflate(NetStream *stream, const guint8 *surplus, gsize len);

/* Stops and resumes reading, for a receiver that has too much in hand. */
void net_stream_set_paused(NetStream *stream, gboolean paused);

/* --- SASL (net/sasl.c, over libgsasl) --- */

typedef struct NetSasl NetSasl;

/* The best of the server's @mechanisms (NULL-ended): SCRAM-SHA-256, SCRAM-SHA-1, then over TLS
 * PLAIN, LOGIN, CRAM-MD5, in clear CRAM-MD5, PLAIN, LOGIN.  @host is for the service name
 * "@service/@host".  Fails with AUTH when none fits, naming what the server offers. */
NetSasl *net_sasl_new(const char *const *mechanisms, gboolean tls, const char *service,
                      const char *host, const char *user, NetSecret *secret, GError **error);
void net_sasl_free(NetSasl *sasl);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NetSasl, net_sasl_free)

const char *net_sasl_mechanism(const NetSasl *sasl);
/* Whether the client speaks first, so that an initial response (SASL-IR) can be sent. */
gboolean net_sasl_client_first(const NetSasl *sasl);
/* Whether the exchange has proved the server to us as far as the mechanism does: SCRAM's server
 * signature was verified; TRUE at the end for mechanisms without one. */
gboolean net_sasl_done(const NetSasl *sasl);

/* @done gets the next response in base64 (borrowed, wiped afterwards) or an error: AUTH when
 * the challenge is wrong, PROTOCOL when it is no base64, asks for more than 1,000,000 SCRAM
 * iterations, or comes after the end.  Never called from inside net_sasl_step(); not called when
 * @sasl was freed. */
typedef void (*NetSaslFunc)(NetSasl *sasl, const char *response, const GError *error,
                            gpointer data);
/* Whether a step is under way. */
gboolean net_sasl_is_busy(const NetSasl *sasl);
/* Answers @challenge (base64, "" at the start), one at a time.  Long computations run on a helper
 * thread. */
void net_sasl_step(NetSasl *sasl, const char *challenge, NetSaslFunc done, gpointer data);

/* --- how soon to connect again after connections that were of no use (net/patience.c) --- */

/* Connections in a row that ended soon.  All zero in the beginning. */
typedef struct {
    guint n_at_once; /* made again without waiting */
    guint retry_ms;  /* what was waited last */
} NetPatience;

/* Whether one may be made again at once after one that began at @since_us (monotonic). */
gboolean net_patience_allows_at_once(NetPatience *patience, gint64 since_us);
/* How long to wait before the next: longer each time. */
guint net_patience_wait_ms(NetPatience *patience);
/* @wait_ms or somewhat longer, so that not all clients of a server come back at once. */
guint net_patience_jitter(guint wait_ms);

/* io/tls.c -- see tls.h. OpenSSL over one BIO of our own, whose two sides are two bounded buffers.
 *
 * A memory BIO would grow with the peer's zeal and outside our rcpt_mem; ours also is the place
 * where a peer is cut short in the middle of an SSL_read(). It never says "end of file": the
 * carrier sees the end of a connection, so SSL_OP_IGNORE_UNEXPECTED_EOF has nothing to decide
 * here. */
/* SPDX-License-Identifier: MIT */
#include "io/tls.h"

#include <assert.h>
#include <openssl/err.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/span.h"
#include "io/tls_context.h"

#define HEARD_MAX  32           /* handshake messages; TLS 1.2 has 8, 1.3 has 7 and a few tickets */
#define KEPT       1024         /* bytes of an empty buffer */
#define RECORDS    8192         /* more than what TLS adds to RCPT_TLS_HELD_MAX / 2 bytes */

struct rcpt_tls {
    rcpt_tls_context *context;         /* borrowed */
    SSL  *ssl;
    struct rcpt_buf in, out;
    size_t   in_at;                    /* read so far of `in` */
    unsigned heard;                    /* handshake messages of the peer's */
    bool     has_name, has_spoken;     /* given to verify; the peer, anything */
    bool     is_done, is_starved;
    rcpt_err err;                      /* not OK: failed for good */
    char     why[160];
};

/* ---- the BIO ---- */

static bool is_overheard(const rcpt_tls *t)
{
    return t->heard > HEARD_MAX;
}

static int bio_read(BIO *b, char *p, int size)
{
    rcpt_tls *t = BIO_get_data(b);
    size_t n = t->in.len - t->in_at;
    BIO_clear_retry_flags(b);
    if (is_overheard(t))
        return -1;
    if (n == 0) {
        BIO_set_retry_read(b);
        return -1;
    }
    n = n < (size_t)size ? n : (size_t)size;
    memcpy(p, t->in.data + t->in_at, n);
    t->in_at += n;
    return (int)n;
}

static int bio_write(BIO *b, const char *p, int size)
{
    rcpt_tls *t = BIO_get_data(b);
    size_t room = t->out.max - t->out.len, n = room < (size_t)size ? room : (size_t)size;
    BIO_clear_retry_flags(b);
    if (is_overheard(t))
        return -1;
    if (n == 0) {
        BIO_set_retry_write(b);
        return -1;
    }
    if (rcpt_buf_add(&t->out, p, n) != RCPT_OK) {
        t->is_starved = true;
        return -1;
    }
    return (int)n;
}

static long bio_ctrl(BIO *b, int what, long n, void *p)
{
    (void)b;
    (void)n;
    (void)p;
    return what == BIO_CTRL_FLUSH;
}

/* OpenSSL ignores a HelloRequest in a handshake, answers each after it, and takes tickets and key
 * updates without end; so they are counted. */
static void count_message(int is_ours, int version, int type, const void *p, size_t n, SSL *ssl,
                          void *ud)
{
    rcpt_tls *t = ud;
    (void)version;
    (void)p;
    (void)n;
    (void)ssl;
    if (!is_ours && type == SSL3_RT_HANDSHAKE)
        t->heard++;
}

/* ---- opening and closing ---- */

/* One for all of a context's; OpenSSL only borrows it. */
static bool make_method(BIO_METHOD **method)
{
    if (*method == NULL)
        *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "rcpt");
    return *method != NULL && BIO_meth_set_read(*method, bio_read) &&
           BIO_meth_set_write(*method, bio_write) && BIO_meth_set_ctrl(*method, bio_ctrl);
}

/* Letters, digits, hyphens, underscores (they exist) and dots; 0: no name. */
static size_t name_length(const char *name)
{
    size_t n = strlen(name);
    n -= n > 0 && name[n - 1] == '.';
    for (size_t i = 0; i < n; i++)
        if (!rcpt_is_alnum(name[i]) && strchr("-_.", name[i]) == NULL)
            return 0;
    return n <= RCPT_DOMAIN_MAX && name[0] != '.' ? n : 0;
}

/* Whom we ask, for SNI and the check of the certificate. RFC 6066 3: no address, no dot at the
 * end. */
static rcpt_err set_name(rcpt_tls *t, const char *name)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);
    char host[RCPT_DOMAIN_MAX + 1] = "";
    t->has_name = true;
    if (X509_VERIFY_PARAM_set1_ip_asc(param, name))
        return RCPT_OK;
    size_t n = name_length(name);
    if (n == 0)
        return RCPT_BADARG;
    memcpy(host, name, n);
    return X509_VERIFY_PARAM_set1_host(param, host, n) && SSL_set_tlsext_host_name(t->ssl, host) ?
           RCPT_OK : RCPT_NOMEM;
}

static rcpt_err connect(rcpt_tls *t, const char *name)
{
    rcpt_tls_context *x = t->context;
    rcpt_err e = rcpt_tls_context_start(x);
    if (e != RCPT_OK)
        return e;
    BIO *b = make_method(&x->method) ? BIO_new(x->method) : NULL;
    t->ssl = b != NULL ? SSL_new(x->ssl) : NULL;
    if (t->ssl == NULL) {
        BIO_free(b);
        return rcpt_tls_refusal();
    }
    BIO_set_data(b, t);
    BIO_set_init(b, 1);
    SSL_set_bio(t->ssl, b, b);                       /* owns it now */
    SSL_set_msg_callback(t->ssl, count_message);
    SSL_set_msg_callback_arg(t->ssl, t);
    SSL_set_connect_state(t->ssl);
    return name != NULL ? set_name(t, name) : RCPT_OK;
}

rcpt_err rcpt_tls_open(rcpt_tls **t, rcpt_tls_context *x, const char *name)
{
    rcpt_tls *made = rcpt_mem_alloc(x->mem, sizeof *made);
    if (made == NULL)
        return RCPT_NOMEM;
    made->context = x;
    x->n++;
    rcpt_buf_init(&made->in, x->mem, RCPT_TLS_HELD_MAX);
    rcpt_buf_init(&made->out, x->mem, RCPT_TLS_HELD_MAX);
    ERR_clear_error();
    rcpt_err e = connect(made, name);
    ERR_clear_error();
    if (e == RCPT_OK)
        *t = made;
    else
        rcpt_tls_close(made);
    return e;
}

void rcpt_tls_close(rcpt_tls *t)
{
    if (t == NULL)
        return;
    rcpt_tls_context *x = t->context;
    SSL_free(t->ssl);
    ERR_clear_error();
    rcpt_buf_done(&t->in);
    rcpt_buf_done(&t->out);
    x->n--;
    rcpt_mem_free(x->mem, t, sizeof *t);
}

/* ---- failing ---- */

/* What the peer said instead of TLS: its first line, as far as it can be shown. */
static void quote_peer(rcpt_tls *t)
{
    char line[80];
    size_t n = 0;
    while (n < t->in.len && n < sizeof line - 1 && t->in.data[n] != '\r' && t->in.data[n] != '\n') {
        char c = t->in.data[n];
        line[n++] = rcpt_is_ctl(c) || !rcpt_is_ascii(c) ? '?' : c;
    }
    line[n] = '\0';
    (void)snprintf(t->why, sizeof t->why, "the peer does not answer with TLS but \"%s\"", line);
}

/* "sslv3 alert handshake failure", "tlsv1 unrecognized name": the alert without whose it once was.
 */
static const char *alert_name(const char *reason)
{
    const char *word = reason != NULL ? strstr(reason, "alert ") : NULL;
    if (word == NULL && reason != NULL)
        word = strchr(reason, ' ');
    return word == NULL ? "unknown" : *word == ' ' ? word + 1 : word + strlen("alert ");
}

static void put_reason(rcpt_tls *t, unsigned long code)
{
    int alert = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) - SSL_AD_REASON_OFFSET : -1;
    const char *reason = ERR_reason_error_string(code);
    if (is_overheard(t))
        (void)snprintf(t->why, sizeof t->why, "more handshake messages than any handshake has");
    else if (alert >= 0 && alert < 256)
        (void)snprintf(t->why, sizeof t->why, "the peer's alert %d: %s", alert, alert_name(reason));
    else
        (void)snprintf(t->why, sizeof t->why, "%s",
                       reason != NULL ? reason : "the TLS library gave up");
}

/* The earliest error of libssl's is the cause: those before it are libcrypto's way to say it,
 * those after it are who passed it on. */
static unsigned long cause(void)
{
    unsigned long first = ERR_get_error(), code = first;
    while (code != 0 && ERR_GET_LIB(code) != ERR_LIB_SSL &&
           ERR_GET_REASON(code) != ERR_R_MALLOC_FAILURE)
        code = ERR_get_error();
    return code != 0 ? code : first;
}

static rcpt_err fail(rcpt_tls *t)
{
    unsigned long code = cause();
    t->err = t->is_starved || ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE ? RCPT_NOMEM : RCPT_TLS;
    if (t->err == RCPT_TLS)
        put_reason(t, code);
    rcpt_buf_done(&t->in);
    t->in_at = 0;
    return t->err;
}

/* After a call of OpenSSL's that did not succeed. */
static rcpt_err outcome(rcpt_tls *t, int result)
{
    switch (SSL_get_error(t->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:                        /* `out` is full: the carrier empties it */
        return RCPT_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return RCPT_EOF;
    default:
        return fail(t);
    }
}

/* ---- bytes in, bytes out ---- */

rcpt_err rcpt_tls_feed(rcpt_tls *t, const void *p, size_t n)
{
    if (t->err != RCPT_OK || (SSL_get_shutdown(t->ssl) & SSL_RECEIVED_SHUTDOWN) != 0)
        return RCPT_OK;                               /* RFC 8446 6.1: ignored after a closure */
    rcpt_buf_drop(&t->in, t->in_at);
    t->in_at = 0;
    return rcpt_buf_add(&t->in, p, n);
}

/* A kept session is idle most of its life: it need not keep the room its certificates took. */
static void slim(rcpt_tls *t)
{
    if (t->in_at == t->in.len && t->in.cap > KEPT) {
        rcpt_buf_done(&t->in);
        t->in_at = 0;
    }
    if (t->out.len == 0 && t->out.cap > KEPT)
        rcpt_buf_done(&t->out);
}

/* Every first word of a server's is a handshake or an alert; told here, OpenSSL does not talk back
 * to what may be a mail server waiting for a command. */
static bool is_tls(rcpt_tls *t)
{
    if (t->has_spoken || t->in.len == 0)
        return true;
    t->has_spoken = true;
    return t->in.data[0] == SSL3_RT_HANDSHAKE || t->in.data[0] == SSL3_RT_ALERT;
}

rcpt_err rcpt_tls_shake(rcpt_tls *t)
{
    if (t->err != RCPT_OK || t->is_done)
        return t->err;
    if (!is_tls(t)) {
        quote_peer(t);
        t->err = RCPT_TLS;
        return t->err;
    }
    ERR_clear_error();
    int result = SSL_do_handshake(t->ssl);
    rcpt_err e = result == 1 ? RCPT_OK : outcome(t, result);
    ERR_clear_error();
    if (e == RCPT_EOF) {
        (void)snprintf(t->why, sizeof t->why, "the peer closed in the handshake");
        e = t->err = RCPT_TLS;
    }
    t->is_done = e == RCPT_OK;
    slim(t);
    return e;
}

rcpt_err rcpt_tls_read(rcpt_tls *t, void *p, size_t size, size_t *n)
{
    size_t got = 0;
    assert(size > 0 && (t->is_done || t->err != RCPT_OK));
    if (t->err != RCPT_OK)
        return t->err;
    ERR_clear_error();
    int result = SSL_read_ex(t->ssl, p, size, &got);
    rcpt_err e = result == 1 ? RCPT_OK : outcome(t, result);
    ERR_clear_error();
    slim(t);
    if (e == RCPT_OK)
        *n = got;
    return e;
}

rcpt_err rcpt_tls_write(rcpt_tls *t, const void *p, size_t n)
{
    size_t written;
    assert(t->is_done || t->err != RCPT_OK);
    if (t->err != RCPT_OK || n == 0)
        return t->err;
    if (n > RCPT_TLS_HELD_MAX / 2 || t->out.len + n + RECORDS > RCPT_TLS_HELD_MAX)
        return RCPT_FULL;
    ERR_clear_error();
    rcpt_err e = SSL_write_ex(t->ssl, p, n, &written) == 1 ? RCPT_OK : fail(t);
    ERR_clear_error();
    return e;
}

void rcpt_tls_shut(rcpt_tls *t)
{
    if (t->err != RCPT_OK || !t->is_done)
        return;
    ERR_clear_error();
    (void)SSL_shutdown(t->ssl);
    ERR_clear_error();
}

const char *rcpt_tls_out(const rcpt_tls *t, size_t *n)
{
    *n = t->out.len;
    return t->out.data;
}

void rcpt_tls_sent(rcpt_tls *t, size_t n)
{
    rcpt_buf_drop(&t->out, n);
    slim(t);
}

/* ---- what was found ---- */

void rcpt_tls_facts(const rcpt_tls *t, struct rcpt_tls_facts *f)
{
    long found = SSL_get_verify_result(t->ssl);
    assert(t->is_done);
    *f = (struct rcpt_tls_facts){ .version = SSL_get_version(t->ssl),
                                  .cipher = SSL_get_cipher_name(t->ssl) };
    if (found != X509_V_OK)
        f->why = X509_verify_cert_error_string(found);
    else if (!t->has_name)
        f->why = "no name to verify";
    else
        f->verified = true;
}

const char *rcpt_tls_why(const rcpt_tls *t)
{
    if (t->err == RCPT_OK)
        return "nothing failed";
    return t->err == RCPT_TLS ? t->why : rcpt_err_text(t->err);
}

/* io/tls.h -- the client's side of TLS over bytes, without a socket.
 *
 * OpenSSL on memory BIOs: what the peer sent goes in by rcpt_tls_feed(), what is to be sent comes out
 * by rcpt_tls_out(); the carrier moves bytes and keeps the time, nothing here can
 * block. A context (the CA store, loaded once) belongs to one engine; OpenSSL's error queue,
 * which a host such as nginx reads too, is cleared around every call.
 *
 * Verification never ends a handshake: mail servers' certificates are what they are (RFC 7435), the facts
 * say what was found. Bounded: renegotiation is refused, a certificate chain is read up to
 * RCPT_TLS_CHAIN_MAX bytes, at most RCPT_TLS_HELD_MAX bytes are held in either direction. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_IO_TLS_H
#define RCPT_IO_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"

typedef struct rcpt_tls_context rcpt_tls_context;
typedef struct rcpt_tls rcpt_tls;

struct rcpt_tls_facts {                /* strings are borrowed from the rcpt_tls */
    const char *version;               /* "TLSv1.3" */
    const char *cipher;                /* IANA or OpenSSL name, as SSL_get_cipher_name gives */
    bool        verified;              /* chain to a CA of the store, and the name matches */
    const char *why;                   /* when not: X509_verify_cert_error_string; else NULL */
};

/* RCPT_NOMEM; RCPT_SYSTEM: OpenSSL cannot be used here (another version of it is in the process), why
 * in rcpt_tls_context_why. The CA store is the system's; `ca_file` (may be NULL) is added to it. */
rcpt_err rcpt_tls_context_open(rcpt_tls_context **x, const struct rcpt_mem *mem, const char *ca_file);
void     rcpt_tls_context_close(rcpt_tls_context *x);

/* `name` is the host asked (SNI and the name to verify; an IP address is not sent as SNI). */
rcpt_err rcpt_tls_open(rcpt_tls **t, rcpt_tls_context *x, const char *name);
void     rcpt_tls_close(rcpt_tls *t);

/* Give what the peer sent; all of it is taken. RCPT_FULL: more than may be held (read first). */
rcpt_err rcpt_tls_feed(rcpt_tls *t, const void *p, size_t n);
/* Go on with the handshake. RCPT_OK: done; RCPT_AGAIN: needs the peer (send what is out first);
 * RCPT_TLS: failed for good, see rcpt_tls_why. */
rcpt_err rcpt_tls_shake(rcpt_tls *t);
/* Plain bytes. RCPT_AGAIN; RCPT_EOF after the peer's close_notify; RCPT_TLS. */
rcpt_err rcpt_tls_read(rcpt_tls *t, void *p, size_t size, size_t *n);
/* Takes all or nothing: RCPT_FULL while too much waits to be sent. */
rcpt_err rcpt_tls_write(rcpt_tls *t, const void *p, size_t n);
/* Queue close_notify; needs no answer. */
void     rcpt_tls_shut(rcpt_tls *t);
/* What is to be sent: borrowed until the next call; *n may be 0. Then say how much has gone. */
const char *rcpt_tls_out(rcpt_tls *t, size_t *n);
void     rcpt_tls_sent(rcpt_tls *t, size_t n);

void     rcpt_tls_facts(const rcpt_tls *t, struct rcpt_tls_facts *f);   /* after a done handshake */
const char *rcpt_tls_why(const rcpt_tls *t);      /* why it failed, for people; never NULL */

#endif

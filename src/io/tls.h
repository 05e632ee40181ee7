/* io/tls.h -- the client's side of TLS over bytes, without a socket.
 *
 * What the peer sent goes in by rcpt_tls_feed(), what is to be sent comes out by rcpt_tls_out();
 * the carrier moves bytes and keeps the time, nothing here can block. A context (the settings, the
 * CA store) belongs to one engine; OpenSSL's error queue, which a host such as nginx reads too, is
 * cleared around every call that reaches OpenSSL.
 *
 * Opportunistic (RFC 7435): nothing secret is ever sent, and the other way is in the clear, so any
 * TLS from 1.0 on will do and verification never ends a handshake; the facts say what was found.
 *
 * Bounded: at most RCPT_TLS_HELD_MAX bytes are held in either direction; a certificate chain is
 * read up to RCPT_TLS_CHAIN_MAX bytes; renegotiation is refused, and a peer that sends more
 * handshake messages than any handshake has is broken off. Our buffers are of the context's
 * rcpt_mem, OpenSSL's own memory (some 40 KiB a connection) is of its malloc. */
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
    const char *cipher;                /* OpenSSL's name, "TLS_AES_256_GCM_SHA384" */
    bool        verified;              /* chain to a CA of the store, and the name matches */
    const char *why;                   /* why not, as OpenSSL words it; NULL: verified */
};

/* Why OpenSSL cannot be used in this process (another version of it is in the way), static; NULL:
 * it can. */
const char *rcpt_tls_trouble(void);

/* RCPT_NOMEM; RCPT_SYSTEM: see rcpt_tls_trouble(), or OpenSSL would not start; RCPT_BADARG: no
 * certificate can be read from `ca_file`. The CA store is the system's and `ca_file` (may be NULL)
 * beside it. Without a ca_file nothing is loaded before the first rcpt_tls_open(), so that who
 * never meets TLS does not pay. The context outlives its rcpt_tls; `mem` is borrowed and outlives
 * both. */
rcpt_err rcpt_tls_context_open(rcpt_tls_context **x, const struct rcpt_mem *mem,
                               const char *ca_file);
void     rcpt_tls_context_close(rcpt_tls_context *x);

/* `name` is the host asked: the name to verify and, but for an IP address, SNI; a dot at the end
 * is nothing. NULL: no SNI, never verified. RCPT_BADARG: a name no host can have; RCPT_NOMEM;
 * RCPT_SYSTEM. Forget whatever the peer sent before: only what comes after our STARTTLS was
 * answered may be fed. */
rcpt_err rcpt_tls_open(rcpt_tls **t, rcpt_tls_context *x, const char *name);
/* Nothing is sent; see rcpt_tls_shut(). */
void     rcpt_tls_close(rcpt_tls *t);

/* Give what the peer sent: all of it is taken, or none. RCPT_FULL: more than may be held (shake or
 * read first); RCPT_NOMEM. What comes after the peer's close_notify or our failure is dropped. */
rcpt_err rcpt_tls_feed(rcpt_tls *t, const void *p, size_t n);
/* Go on with the handshake. RCPT_OK: done; RCPT_AGAIN: needs the peer (send what is out first);
 * RCPT_TLS, RCPT_NOMEM: failed for good, see rcpt_tls_why(); what is out, an alert at most, may be
 * sent. */
rcpt_err rcpt_tls_shake(rcpt_tls *t);
/* Plain bytes, after the handshake; RCPT_OK: *n > 0, and there may be more: no descriptor will
 * tell, so read until another answer. RCPT_AGAIN: feed more (send what is out first); RCPT_EOF
 * after the peer's close_notify; RCPT_TLS, RCPT_NOMEM: for good. Where the peer hangs up without a
 * close_notify the carrier sees it, not we: SMTP knows by itself whether a reply is whole. */
rcpt_err rcpt_tls_read(rcpt_tls *t, void *p, size_t size, size_t *n);
/* Takes all or nothing, after the handshake: RCPT_FULL while too much waits to be sent (n over 32
 * KiB always is); RCPT_TLS, RCPT_NOMEM: for good. */
rcpt_err rcpt_tls_write(rcpt_tls *t, const void *p, size_t n);
/* Queue close_notify; needs no answer. Nothing where there is no handshake to close. */
void     rcpt_tls_shut(rcpt_tls *t);
/* What is to be sent: borrowed until the next call; *n may be 0. Then say how much has gone. */
const char *rcpt_tls_out(const rcpt_tls *t, size_t *n);
void     rcpt_tls_sent(rcpt_tls *t, size_t n);

void     rcpt_tls_facts(const rcpt_tls *t, struct rcpt_tls_facts *f);   /* after a done handshake */
/* Why it failed, for people: one line of printable ASCII, never NULL; borrowed. */
const char *rcpt_tls_why(const rcpt_tls *t);

#endif

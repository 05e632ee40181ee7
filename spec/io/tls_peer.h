/* spec/io/tls_peer.h -- a TLS server over memory BIOs, and certificates made on the spot: the
 * other side of io/tls.c for its specs. Whatever fails here stops the program. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_SPEC_TLS_PEER_H
#define RCPT_SPEC_TLS_PEER_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#define DEMAND(cond) ((cond) ? (void)0 : demand_failed(#cond, __FILE__, __LINE__))
_Noreturn void demand_failed(const char *what, const char *file, int line);

struct cert {
    X509     *x509;
    EVP_PKEY *key;
};

struct cert_want {
    const char *name;            /* subject; "" for none */
    const char *san;             /* "DNS:mx.example" or "IP:192.0.2.1"; NULL: none */
    const struct cert *by;       /* whose signature; NULL: its own */
    long from_s, to_s;           /* valid, seconds from now; 0, 0: a day around now */
    int  rsa_bits;               /* 0: ECDSA P-256 */
    size_t padding;              /* bytes of an extension that says nothing */
};

void cert_make(struct cert *c, const struct cert_want *want);
void cert_done(struct cert *c);
void cert_write(const struct cert *c, const char *path);       /* PEM, without the key */

struct peer_want {
    const struct cert *cert;
    const struct cert *more;     /* repeated `n_more` times in the chain */
    int  n_more;
    int  version;                /* TLS1_2_VERSION; 0: any */
    const char *ciphers;         /* below TLS 1.3; NULL: any */
    bool asks_certificate;       /* and fails where there is none */
};

#define WANT(...) (&(struct peer_want){ __VA_ARGS__ })

struct peer {
    SSL_CTX *context;
    SSL     *ssl;
    BIO     *in, *out;           /* the SSL's */
    bool     is_done;
    char     sni[256];           /* what was asked for; "" */
};

void peer_open(struct peer *p, const struct peer_want *want);
void peer_close(struct peer *p);
/* Take bytes of the client's and go on with the handshake. */
void peer_feed(struct peer *p, const void *bytes, size_t n);
/* Bytes for the client, at most `size`; 0: none. */
size_t peer_out(struct peer *p, void *bytes, size_t size);
void peer_write(struct peer *p, const void *bytes, size_t n);
/* Plain bytes of the client's that have come; 0: none. */
size_t peer_read(struct peer *p, void *bytes, size_t size);

#endif

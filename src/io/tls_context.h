/* io/tls_context.h -- what tls.c shares with tls_context.c; nobody else includes it. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_IO_TLS_CONTEXT_H
#define RCPT_IO_TLS_CONTEXT_H

#include <openssl/ssl.h>

#include "io/tls.h"

struct rcpt_tls_context {
    const struct rcpt_mem *mem;        /* borrowed */
    SSL_CTX    *ssl;                   /* NULL: nobody has met TLS yet */
    BIO_METHOD *method;                /* tls.c's; NULL: not made yet */
    size_t      n;                     /* of rcpt_tls that are open */
};

/* Bring up OpenSSL, once. RCPT_NOMEM, RCPT_SYSTEM. Leaves OpenSSL's error queue to the caller. */
rcpt_err rcpt_tls_context_start(rcpt_tls_context *x);
/* What a call of OpenSSL's that failed means when there is no peer to blame: NOMEM or SYSTEM. */
rcpt_err rcpt_tls_refusal(void);

#endif

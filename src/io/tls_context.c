/* io/tls_context.c -- the settings of TLS, the CA store, and whether this OpenSSL can be used: see
 * tls.h. */
/* SPDX-License-Identifier: MIT */
#include "io/tls_context.h"

#include <assert.h>
#include <dlfcn.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/limits.h"

/* Postfix' and Exim's view of opportunistic TLS: weak is better than none. Level 0, for OpenSSL 3
 * has TLS 1.0 and 1.1 there alone. Without kDHE and ffdhe groups: a server names the group, and
 * one of 10,000 bits stops the process for more than half a second; who has DHE has RSA or ECDHE
 * too. */
#define CIPHERS    "DEFAULT:!kDHE:@SECLEVEL=0"
#define GROUPS     "X25519:P-256:P-384:P-521"
#define AUTH_LEVEL 2            /* for a chain we call verified: 112 bits, as Debian has it */
#define DEPTH      9            /* certificates between the host's and the CA's */

/* ---- is this OpenSSL the one we were built for? ---- */

typedef void (*function)(void);
#define F(f) ((function)(f))

/* The loader binds each name by itself: where the host carries an OpenSSL linked into it and
 * exports part of it, some of ours come from there and some from the shared library. */
static bool is_of_one_file(const function *f, size_t n)
{
    Dl_info first, other;
    if (dladdr((void *)f[0], &first) == 0)
        return true;                   /* a static program: nothing to bind */
    for (size_t i = 1; i < n; i++)
        if (dladdr((void *)f[i], &other) == 0 || other.dli_fbase != first.dli_fbase)
            return false;
    return true;
}

const char *rcpt_tls_trouble(void)
{
    static const function ssl[] = {
        F(SSL_new), F(SSL_CTX_new), F(SSL_read_ex), F(SSL_write_ex), F(SSL_do_handshake),
        F(SSL_shutdown), F(SSL_CTX_set_options), F(TLS_client_method),
    };
    static const function crypto[] = {
        F(BIO_new), F(BIO_meth_new), F(ERR_clear_error), F(X509_VERIFY_PARAM_set1_ip_asc),
        F(X509_verify_cert_error_string), F(OPENSSL_init_crypto),
    };
    unsigned long here = OpenSSL_version_num(), built = OPENSSL_VERSION_NUMBER;   /* 0xMNN00PPSL */
    if (here >> 28 != built >> 28)
        return "the OpenSSL in this process is of another major version than rcpt was built with";
    if (here >> 20 < built >> 20)
        return "the OpenSSL in this process is older than rcpt was built with";
    if (!is_of_one_file(ssl, sizeof ssl / sizeof *ssl) ||
        !is_of_one_file(crypto, sizeof crypto / sizeof *crypto))
        return "two OpenSSLs are mixed in this process";
    return NULL;
}

/* ---- the context ---- */

rcpt_err rcpt_tls_refusal(void)
{
    return ERR_GET_REASON(ERR_peek_error()) == ERR_R_MALLOC_FAILURE ? RCPT_NOMEM : RCPT_SYSTEM;
}

/* SSL_CTX_set_default_verify_paths() less OpenSSL 3's third way, which reads the whole directory
 * for each issuer it does not find. Where there is neither file nor directory nothing verifies,
 * and the facts say so. */
static void set_system_store(SSL_CTX *c)
{
    (void)SSL_CTX_set_default_verify_file(c);
    (void)SSL_CTX_set_default_verify_dir(c);
}

static bool set_up(SSL_CTX *c)
{
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(c);
    SSL_CTX_set_options(c, SSL_OP_ALL | SSL_OP_NO_RENEGOTIATION | SSL_OP_LEGACY_SERVER_CONNECT |
                           SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_cert_list(c, RCPT_TLS_CHAIN_MAX);
    SSL_CTX_set_verify(c, SSL_VERIFY_NONE, NULL);
    X509_VERIFY_PARAM_set_auth_level(param, AUTH_LEVEL);
    X509_VERIFY_PARAM_set_depth(param, DEPTH);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    set_system_store(c);
    return SSL_CTX_set_min_proto_version(c, TLS1_VERSION) && SSL_CTX_set_max_proto_version(c, 0) &&
           SSL_CTX_set_cipher_list(c, CIPHERS) && SSL_CTX_set1_groups_list(c, GROUPS);
}

static void stop(rcpt_tls_context *x)
{
    SSL_CTX_free(x->ssl);
    BIO_meth_free(x->method);
    x->ssl = NULL;
    x->method = NULL;
}

rcpt_err rcpt_tls_context_start(rcpt_tls_context *x)
{
    if (x->ssl != NULL)
        return RCPT_OK;
    x->ssl = SSL_CTX_new(TLS_client_method());
    if (x->ssl != NULL && set_up(x->ssl))
        return RCPT_OK;
    rcpt_err e = rcpt_tls_refusal();
    stop(x);
    return e;
}

static rcpt_err start_with(rcpt_tls_context *x, const char *ca_file)
{
    rcpt_err e = rcpt_tls_context_start(x);
    if (e == RCPT_OK && !SSL_CTX_load_verify_file(x->ssl, ca_file)) {
        e = rcpt_tls_refusal() == RCPT_NOMEM ? RCPT_NOMEM : RCPT_BADARG;
        stop(x);
    }
    return e;
}

rcpt_err rcpt_tls_context_open(rcpt_tls_context **x, const struct rcpt_mem *mem,
                               const char *ca_file)
{
    if (rcpt_tls_trouble() != NULL)
        return RCPT_SYSTEM;
    rcpt_tls_context *made = rcpt_mem_alloc(mem, sizeof *made);
    if (made == NULL)
        return RCPT_NOMEM;
    made->mem = mem;
    if (ca_file != NULL) {
        ERR_clear_error();
        rcpt_err e = start_with(made, ca_file);
        ERR_clear_error();
        if (e != RCPT_OK) {
            rcpt_mem_free(mem, made, sizeof *made);
            return e;
        }
    }
    *x = made;
    return RCPT_OK;
}

void rcpt_tls_context_close(rcpt_tls_context *x)
{
    if (x == NULL)
        return;
    assert(x->n == 0);
    if (x->ssl != NULL) {
        stop(x);
        ERR_clear_error();
    }
    rcpt_mem_free(x->mem, x, sizeof *x);
}

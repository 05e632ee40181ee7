/* spec/io/tls_peer.c -- see tls_peer.h. */
/* SPDX-License-Identifier: MIT */
#include "spec/io/tls_peer.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void demand_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

/* ---- certificates ---- */

static void add_extension(X509 *x, X509 *by, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, by, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    DEMAND(e != NULL && X509_add_ext(x, e, -1));
    X509_EXTENSION_free(e);
}

static void add_padding(X509 *x, size_t n)
{
    ASN1_OCTET_STRING *s = ASN1_OCTET_STRING_new();
    ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.4.1.32473.1", 1);        /* RFC 5612: for documents */
    char *p = calloc(1, n);
    DEMAND(s != NULL && oid != NULL && p != NULL);
    DEMAND(ASN1_OCTET_STRING_set(s, (unsigned char *)p, (int)n));
    X509_EXTENSION *e = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, s);
    DEMAND(e != NULL && X509_add_ext(x, e, -1));
    X509_EXTENSION_free(e);
    ASN1_OBJECT_free(oid);
    ASN1_OCTET_STRING_free(s);
    free(p);
}

void cert_make(struct cert *c, const struct cert_want *want)
{
    static long serial = 1;
    long from_s = want->from_s, to_s = want->to_s;
    if (from_s == 0 && to_s == 0)
        from_s = -43200, to_s = 43200;
    c->key = want->rsa_bits != 0 ? EVP_RSA_gen((unsigned)want->rsa_bits) : EVP_EC_gen("P-256");
    c->x509 = X509_new();
    DEMAND(c->key != NULL && c->x509 != NULL && X509_set_version(c->x509, X509_VERSION_3));
    DEMAND(ASN1_INTEGER_set(X509_get_serialNumber(c->x509), serial++));
    DEMAND(X509_gmtime_adj(X509_getm_notBefore(c->x509), from_s) != NULL);
    DEMAND(X509_gmtime_adj(X509_getm_notAfter(c->x509), to_s) != NULL);
    DEMAND(X509_set_pubkey(c->x509, c->key));
    X509_NAME *name = X509_get_subject_name(c->x509);
    DEMAND(want->name[0] == '\0' ||
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                      (const unsigned char *)want->name, -1, -1, 0));
    X509 *by = want->by != NULL ? want->by->x509 : c->x509;
    DEMAND(X509_set_issuer_name(c->x509, X509_get_subject_name(by)));
    if (want->san != NULL)
        add_extension(c->x509, by, NID_subject_alt_name, want->san);
    else
        add_extension(c->x509, by, NID_basic_constraints, "critical,CA:TRUE");
    if (want->padding != 0)
        add_padding(c->x509, want->padding);
    DEMAND(X509_sign(c->x509, want->by != NULL ? want->by->key : c->key, EVP_sha256()));
}

void cert_done(struct cert *c)
{
    X509_free(c->x509);
    EVP_PKEY_free(c->key);
}

void cert_write(const struct cert *c, const char *path)
{
    FILE *f = fopen(path, "w");
    DEMAND(f != NULL && PEM_write_X509(f, c->x509) && fclose(f) == 0);
}

/* ---- the server ---- */

void peer_open(struct peer *p, const struct peer_want *want)
{
    *p = (struct peer){ .context = SSL_CTX_new(TLS_server_method()), .in = BIO_new(BIO_s_mem()),
                        .out = BIO_new(BIO_s_mem()) };
    SSL_CTX *c = p->context;
    DEMAND(c != NULL && p->in != NULL && p->out != NULL);
    DEMAND(SSL_CTX_set_min_proto_version(c, want->version != 0 ? want->version : TLS1_VERSION));
    DEMAND(SSL_CTX_set_max_proto_version(c, want->version));
    SSL_CTX_set_security_level(c, 0);
    DEMAND(SSL_CTX_set_dh_auto(c, 1));
    DEMAND(SSL_CTX_set_cipher_list(c, want->ciphers != NULL ? want->ciphers : "ALL"));
    DEMAND(SSL_CTX_use_certificate(c, want->cert->x509));
    DEMAND(SSL_CTX_use_PrivateKey(c, want->cert->key));
    for (int i = 0; i < want->n_more; i++)
        DEMAND(SSL_CTX_add1_chain_cert(c, want->more->x509));
    if (want->asks_certificate)
        SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    p->ssl = SSL_new(c);
    DEMAND(p->ssl != NULL);
    SSL_set_bio(p->ssl, p->in, p->out);
    SSL_set_accept_state(p->ssl);
}

void peer_close(struct peer *p)
{
    SSL_free(p->ssl);
    SSL_CTX_free(p->context);
    ERR_clear_error();
}

void peer_feed(struct peer *p, const void *bytes, size_t n)
{
    DEMAND(n == 0 || BIO_write(p->in, bytes, (int)n) == (int)n);
    if (p->is_done)
        return;
    p->is_done = SSL_do_handshake(p->ssl) == 1;
    const char *name = SSL_get_servername(p->ssl, TLSEXT_NAMETYPE_host_name);
    if (name != NULL)
        (void)snprintf(p->sni, sizeof p->sni, "%s", name);
    ERR_clear_error();
}

size_t peer_out(struct peer *p, void *bytes, size_t size)
{
    int n = BIO_read(p->out, bytes, (int)size);
    return n > 0 ? (size_t)n : 0;
}

void peer_write(struct peer *p, const void *bytes, size_t n)
{
    size_t written;
    DEMAND(SSL_write_ex(p->ssl, bytes, n, &written) == 1 && written == n);
}

size_t peer_read(struct peer *p, void *bytes, size_t size)
{
    size_t n = 0;
    if (SSL_read_ex(p->ssl, bytes, size, &n) != 1)
        n = 0;
    ERR_clear_error();
    return n;
}

/* spec/io/tls_test.c -- handshakes, what they find out, and bytes both ways; tls_spec.lua runs it.
 * What a hostile server does is in tls_hostile_test.c. Writes a CA's certificate beside itself. */
/* SPDX-License-Identifier: MIT */
#include <openssl/err.h>

#include "io/tls_context.h"
#include "spec/io/tls_pair.h"
#include "spec/support/check.h"

static rcpt_tls_context *context;           /* knows our CA */
static struct cert ca, good;
static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

/* ---- which OpenSSL this is: ours is asked before the library's ---- */

static unsigned long pretended;
unsigned long OpenSSL_version_num(void);

unsigned long OpenSSL_version_num(void)
{
    return pretended != 0 ? pretended : OPENSSL_VERSION_NUMBER;
}

static void test_version(void)
{
    rcpt_tls_context *x = NULL;
    CHECK(rcpt_tls_trouble() == NULL);
    pretended = 0x1010117fUL;                                   /* 1.1.1w */
    CHECK(strstr(rcpt_tls_trouble(), "major") != NULL);
    CHECK(rcpt_tls_context_open(&x, &mem, NULL) == RCPT_SYSTEM && x == NULL);
    pretended = OPENSSL_VERSION_NUMBER + 0x10000000UL;
    CHECK(rcpt_tls_trouble() != NULL);
    pretended = OPENSSL_VERSION_NUMBER + 0x00100000UL;    /* a later minor one keeps its word */
    CHECK(rcpt_tls_trouble() == NULL);
    pretended = 0;
    told("refuses an OpenSSL of another major version");
}

static void test_ca_file(void)
{
    rcpt_tls_context *x = NULL;
    CHECK(rcpt_tls_context_open(&x, &mem, "/nonexistent/ca.pem") == RCPT_BADARG && x == NULL);
    CHECK(rcpt_tls_context_open(&x, &mem, "/dev/null") == RCPT_BADARG && x == NULL);
    CHECK(ERR_peek_error() == 0);
    rcpt_tls_context_close(NULL);
    told("says so when a ca_file holds no certificate");
}

/* ---- handshakes ---- */

static void start(struct pair *p, int version)
{
    DEMAND(pair_start(p, context, NAME, WANT(.cert = &good, .version = version)) == RCPT_OK);
}

static void test_handshake(void)
{
    static const char *const names[] = { "TLSv1.2", "TLSv1.3" };
    for (int i = 0; i < 2; i++) {
        struct rcpt_tls_facts f;
        struct pair p;
        start(&p, versions[i]);
        CHECK(p.peer.is_done && rcpt_tls_shake(p.tls) == RCPT_OK);
        rcpt_tls_facts(p.tls, &f);
        CHECK(strcmp(f.version, names[i]) == 0);
        CHECK(strcmp(f.cipher, SSL_get_cipher_name(p.peer.ssl)) == 0);
        CHECK(f.verified && f.why == NULL && strcmp(rcpt_tls_why(p.tls), "nothing failed") == 0);
        CHECK(pair_says(&p, "EHLO a\r\n") && pair_hears(&p, "250 b\r\n"));
        CHECK(pair_says(&p, "QUIT\r\n"));
        pair_close(&p);
    }
    told("shakes hands over TLS 1.2 and 1.3, and carries bytes both ways");
}

static void test_old_versions(void)
{
    static const struct { int version; const char *name; } old[] = {
        { TLS1_VERSION, "TLSv1" }, { TLS1_1_VERSION, "TLSv1.1" },
    };
    struct cert rsa;
    cert_make(&rsa, &(struct cert_want){ .name = NAME, .san = "DNS:" NAME, .by = &ca,
                                         .rsa_bits = 1024 });
    for (int i = 0; i < 2; i++) {
        struct rcpt_tls_facts f;
        struct pair p;
        struct peer_want want = { .cert = &rsa, .version = old[i].version,
                                  .ciphers = "ECDHE-RSA-AES128-SHA" };
        CHECK(pair_start(&p, context, NAME, &want) == RCPT_OK);
        rcpt_tls_facts(p.tls, &f);
        CHECK(strcmp(f.version, old[i].name) == 0);
        CHECK(!f.verified && strstr(f.why, "too weak") != NULL);
        CHECK(pair_says(&p, "EHLO a\r\n") && pair_hears(&p, "250 b\r\n"));
        pair_close(&p);
    }
    cert_done(&rsa);
    told("takes TLS 1.0 and 1.1 where there is no better, and calls no weak key verified");
}

static void test_bytewise(void)
{
    for (int i = 0; i < 2; i++) {
        struct pair p;
        pair_open(&p, context, NAME, WANT(.cert = &good, .version = versions[i]));
        CHECK(pair_shake(&p, 1) == RCPT_OK);
        peer_write(&p.peer, "250 ok\r\n", 8);
        char got[16];
        size_t n = 0, all = 0;
        while (from_peer(&p, 1) == 1)
            if (rcpt_tls_read(p.tls, got + all, sizeof got - all, &n) == RCPT_OK)
                all += n;
        CHECK(all == 8 && memcmp(got, "250 ok\r\n", 8) == 0);
        pair_close(&p);
    }
    told("does not mind being fed a byte at a time");
}

static void test_glued(void)
{
    static char bytes[RCPT_TLS_HELD_MAX];
    struct pair p;
    char got[16];
    size_t n = 0;
    pair_open(&p, context, NAME, WANT(.cert = &good, .version = TLS1_2_VERSION));
    CHECK(rcpt_tls_shake(p.tls) == RCPT_AGAIN);
    to_peer(&p);
    CHECK(from_peer(&p, sizeof bytes) > 0 && rcpt_tls_shake(p.tls) == RCPT_AGAIN);
    to_peer(&p);
    CHECK(p.peer.is_done);
    peer_write(&p.peer, "250 ok\r\n", 8);                       /* behind the server's Finished */
    CHECK(from_peer(&p, sizeof bytes) > 0);
    CHECK(rcpt_tls_shake(p.tls) == RCPT_OK);
    CHECK(rcpt_tls_read(p.tls, got, sizeof got, &n) == RCPT_OK);
    CHECK(n == 8 && memcmp(got, "250 ok\r\n", 8) == 0);
    pair_close(&p);
    told("keeps what comes with the end of the handshake");
}

static void test_cut(void)
{
    int stride = getenv("RCPT_VALGRIND") != NULL ? 67 : 1;
    for (int i = 0; i < 2; i++)
        for (size_t cut = 0;; cut += (size_t)stride) {
            struct pair p;
            pair_open(&p, context, NAME, WANT(.cert = &good, .version = versions[i]));
            rcpt_err e = rcpt_tls_shake(p.tls);
            size_t left = cut, n = 1;
            while (e == RCPT_AGAIN && n > 0) {
                to_peer(&p);
                n = from_peer(&p, left);
                left -= n;
                e = rcpt_tls_shake(p.tls);
            }
            CHECK(e == RCPT_AGAIN || e == RCPT_OK);
            rcpt_tls_shut(p.tls);
            pair_close(&p);
            if (e == RCPT_OK) {
                CHECK(cut > 400);
                break;
            }
        }
    told("may be left at any byte of the handshake");
}

static void test_client_certificate(void)
{
    for (int i = 0; i < 2; i++) {
        struct pair p;
        char got[16];
        size_t n;
        struct peer_want want = { .cert = &good, .version = versions[i], .asks_certificate = true };
        rcpt_err e = pair_start(&p, context, NAME, &want);
        if (e == RCPT_OK)                                       /* TLS 1.3: we were done first */
            e = pair_read(&p, got, sizeof got, &n);
        CHECK(e == RCPT_TLS && rcpt_tls_shake(p.tls) == RCPT_TLS);
        CHECK(strcmp(rcpt_tls_why(p.tls), i ? "the peer's alert 116: certificate required"
                                            : "the peer's alert 40: handshake failure") == 0);
        CHECK(rcpt_tls_write(p.tls, "x", 1) == RCPT_TLS && ERR_peek_error() == 0);
        pair_close(&p);
    }
    told("has no certificate of its own, and names the alert that follows");
}

/* ---- facts ---- */

/* NULL when verified. */
static const char *found(rcpt_tls_context *x, const char *name, const struct cert *c,
                         const char *sni)
{
    struct rcpt_tls_facts f = { .why = "no handshake" };
    struct pair p;
    if (pair_start(&p, x, name, WANT(.cert = c)) == RCPT_OK)
        rcpt_tls_facts(p.tls, &f);
    CHECK(f.verified == (f.why == NULL));
    CHECK(strcmp(p.peer.sni, sni) == 0);
    pair_close(&p);
    return f.why;
}

static bool is_found(const struct cert_want *want, const char *name, const char *sni,
                     const char *why)
{
    struct cert c;
    cert_make(&c, want);
    const char *got = found(context, name, &c, sni);
    cert_done(&c);
    return why == NULL ? got == NULL : got != NULL && strcmp(got, why) == 0;
}

static void test_names(void)
{
    struct cert_want want = { .name = "", .san = "DNS:" NAME, .by = &ca };
    CHECK(is_found(&want, NAME, NAME, NULL));
    CHECK(is_found(&want, "MX.Example.", "MX.Example", NULL));
    CHECK(is_found(&want, "mx2.example", "mx2.example", "hostname mismatch"));
    CHECK(is_found(&want, NULL, "", "no name to verify"));
    want.san = "DNS:*.mx.example";
    CHECK(is_found(&want, "a.mx.example", "a.mx.example", NULL));
    CHECK(is_found(&want, "b.a.mx.example", "b.a.mx.example", "hostname mismatch"));
    want.san = "DNS:m*.mx.example";                 /* RFC 6125 6.4.3 lets us leave it */
    CHECK(is_found(&want, "mail.mx.example", "mail.mx.example", "hostname mismatch"));
    want.san = "IP:192.0.2.1,IP:2001:db8::1,DNS:192.0.2.3";
    CHECK(is_found(&want, "192.0.2.1", "", NULL));
    CHECK(is_found(&want, "2001:DB8:0::1", "", NULL));
    CHECK(is_found(&want, "192.0.2.2", "", "IP address mismatch"));
    CHECK(is_found(&want, "192.0.2.3", "", "IP address mismatch"));
    told("verifies names and IP addresses, and sends names alone as SNI (RFC 6066 3)");
}

static void test_not_verified(void)
{
    struct cert_want want = { .name = NAME, .san = "DNS:" NAME };
    struct cert other;
    CHECK(is_found(&want, NAME, NAME, "self-signed certificate"));
    cert_make(&other, &(struct cert_want){ .name = "Other CA" });
    want.by = &other;
    CHECK(is_found(&want, NAME, NAME, "unable to get local issuer certificate"));
    cert_done(&other);
    want.by = &ca;
    want.from_s = -7200, want.to_s = -3600;
    CHECK(is_found(&want, NAME, NAME, "certificate has expired"));
    want.from_s = 3600, want.to_s = 7200;
    CHECK(is_found(&want, NAME, NAME, "certificate is not yet valid"));
    told("says why a certificate is not verified, and goes on");
}

static void test_without_ca(void)
{
    rcpt_tls_context *x;
    CHECK(rcpt_tls_context_open(&x, &mem, NULL) == RCPT_OK);
    CHECK(x->ssl == NULL);
    const char *why = found(x, NAME, &good, NAME);
    CHECK(x->ssl != NULL && why != NULL);
    CHECK(strcmp(why, "unable to get local issuer certificate") == 0);
    CHECK(found(context, NAME, &good, NAME) == NULL);
    rcpt_tls_context_close(x);
    told("knows a ca_file's CA in that context alone, and loads nothing before it is needed");
}

static void test_bad_names(void)
{
    static const char *const bad[] = {
        "", ".", ".example", "a b", "a\r\nb", "a/b", "m\xc3\xbcller.example", "[192.0.2.1]",
    };
    char longest[RCPT_DOMAIN_MAX + 3];
    rcpt_tls *t = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(rcpt_tls_open(&t, context, bad[i]) == RCPT_BADARG && t == NULL);
    memset(longest, 'a', sizeof longest);
    longest[RCPT_DOMAIN_MAX + 1] = '\0';
    CHECK(rcpt_tls_open(&t, context, longest) == RCPT_BADARG && t == NULL);
    longest[RCPT_DOMAIN_MAX] = '.';                             /* the longest name, and a dot */
    CHECK(rcpt_tls_open(&t, context, longest) == RCPT_OK);
    rcpt_tls_close(t);
    CHECK(ERR_peek_error() == 0);
    told("refuses a name no host can have");
}

/* ---- bytes ---- */

static void test_closing(void)
{
    for (int i = 0; i < 2; i++) {
        struct pair p;
        char got[64];
        size_t n;
        start(&p, versions[i]);
        peer_write(&p.peer, "221 bye\r\n", 9);
        (void)SSL_shutdown(p.peer.ssl);
        CHECK(pair_read(&p, got, sizeof got, &n) == RCPT_EOF && n == 9);
        CHECK(rcpt_tls_read(p.tls, got, sizeof got, &n) == RCPT_EOF);
        for (int k = 0; k < 2000; k++)                          /* ignored, and not kept */
            CHECK(rcpt_tls_feed(p.tls, got, sizeof got) == RCPT_OK);
        CHECK(rcpt_tls_read(p.tls, got, sizeof got, &n) == RCPT_EOF);
        rcpt_tls_shut(p.tls);
        rcpt_tls_shut(p.tls);
        to_peer(&p);
        CHECK(SSL_shutdown(p.peer.ssl) == 1);                   /* it has heard ours */
        pair_close(&p);
    }
    told("closes by close_notify, and ends reading at the peer's");
}

static void test_truncated(void)
{
    struct pair p;
    char got[64];
    size_t n;
    start(&p, 0);
    peer_write(&p.peer, "250-a\r\n", 7);
    peer_write(&p.peer, "250 b\r\n", 7);
    CHECK(rcpt_tls_read(p.tls, got, sizeof got, &n) == RCPT_AGAIN);
    CHECK(from_peer(&p, BIO_ctrl_pending(p.peer.out) - 1) > 0);
    n = 0;
    CHECK(rcpt_tls_read(p.tls, got, sizeof got, &n) == RCPT_OK && n == 7);
    CHECK(rcpt_tls_read(p.tls, got, sizeof got, &n) == RCPT_AGAIN);
    pair_close(&p);
    told("gives whole records only, and waits for the rest of one");
}

static void test_ceilings(void)
{
    static char bytes[RCPT_TLS_HELD_MAX], got[RCPT_TLS_HELD_MAX];
    struct pair p;
    size_t n, sent = 0, come = 0;
    memset(bytes, 'x', sizeof bytes);
    start(&p, 0);
    CHECK(rcpt_tls_write(p.tls, bytes, RCPT_TLS_HELD_MAX / 2 + 1) == RCPT_FULL);
    CHECK(rcpt_tls_write(p.tls, "", 0) == RCPT_OK);
    while (rcpt_tls_write(p.tls, bytes, 1000) == RCPT_OK)
        sent += 1000;
    CHECK(sent > RCPT_TLS_HELD_MAX / 2 && rcpt_tls_write(p.tls, bytes, 1000) == RCPT_FULL);
    to_peer(&p);
    while ((n = peer_read(&p.peer, got, sizeof got)) > 0)
        come += n;
    CHECK(come == sent);
    CHECK(rcpt_tls_write(p.tls, bytes, RCPT_TLS_HELD_MAX / 2) == RCPT_OK);

    CHECK(pair_read(&p, got, sizeof got, &n) == RCPT_AGAIN);    /* the tickets */
    sent = come = 0;
    for (int k = 0; k < 20; k++, sent += 10000)
        peer_write(&p.peer, bytes, 10000);
    n = peer_out(&p.peer, bytes, sizeof bytes);
    CHECK(rcpt_tls_feed(p.tls, bytes, n) == RCPT_OK && n == RCPT_TLS_HELD_MAX);
    CHECK(rcpt_tls_feed(p.tls, bytes, 1) == RCPT_FULL);
    do {
        CHECK(rcpt_tls_read(p.tls, got, 7, &n) == RCPT_OK);
        come += n;
    } while (come < 20000);
    do {
        while (rcpt_tls_read(p.tls, got, sizeof got, &n) == RCPT_OK)
            come += n;
    } while (from_peer(&p, 5000) > 0);
    CHECK(come == sent);
    pair_close(&p);
    told("holds so many bytes in each direction and no more");
}

/* ---- the process around us ---- */

static void test_stale_errors(void)
{
    struct pair p;
    ERR_raise(ERR_LIB_SSL, SSL_R_BAD_LENGTH);                   /* as a careless host leaves them */
    CHECK(pair_start(&p, context, NAME, WANT(.cert = &good)) == RCPT_OK);
    ERR_raise(ERR_LIB_SSL, SSL_R_BAD_LENGTH);
    CHECK(rcpt_tls_write(p.tls, "x", 1) == RCPT_OK);
    char got[8];
    size_t n;
    (void)pair_read(&p, got, sizeof got, &n);
    ERR_raise(ERR_LIB_SSL, SSL_R_BAD_LENGTH);
    CHECK(rcpt_tls_read(p.tls, got, sizeof got, &n) == RCPT_AGAIN && ERR_peek_error() == 0);
    pair_close(&p);
    told("is not misled by errors of others in OpenSSL's queue, and leaves none there");
}

static rcpt_err live(const char *file)
{
    rcpt_tls_context *x = NULL;
    struct pair p = { 0 };
    char got[64];
    size_t n;
    rcpt_err e = rcpt_tls_context_open(&x, &mem, file);
    if (e != RCPT_OK)
        return e;
    peer_open(&p.peer, WANT(.cert = &good));
    e = rcpt_tls_open(&p.tls, x, NAME);
    while (e == RCPT_OK && (e = rcpt_tls_shake(p.tls)) == RCPT_AGAIN) {
        to_peer(&p);
        n = peer_out(&p.peer, got, sizeof got);
        e = rcpt_tls_feed(p.tls, got, n);
    }
    if (e == RCPT_OK)
        e = rcpt_tls_write(p.tls, "QUIT\r\n", 6);
    CHECK(e == RCPT_OK || p.tls == NULL || rcpt_tls_shake(p.tls) != RCPT_AGAIN || e == RCPT_NOMEM);
    rcpt_tls_close(p.tls);
    peer_close(&p.peer);
    rcpt_tls_context_close(x);
    return e;
}

static void test_no_memory(const char *file)
{
    long before = ledger.out;
    int n = 0;
    rcpt_err e;
    do {
        ledger.until = n++;
        e = live(file);
        ledger.until = -1;
        CHECK(e == RCPT_NOMEM || e == RCPT_OK);
        CHECK(ledger.out == before);
    } while (e == RCPT_NOMEM && n < 100);
    CHECK(e == RCPT_OK && n > 4);
    told("survives each of its allocations failing");
}

int main(int argc, char **argv)
{
    char file[4096];
    DEMAND(argc == 1 && snprintf(file, sizeof file, "%s.ca.pem", argv[0]) < (int)sizeof file);
    cert_make(&ca, &(struct cert_want){ .name = "Test CA" });
    cert_make(&good, &(struct cert_want){ .name = NAME, .san = "DNS:" NAME, .by = &ca });
    cert_write(&ca, file);
    test_version();
    test_ca_file();
    DEMAND(rcpt_tls_context_open(&context, &mem, file) == RCPT_OK);
    test_handshake();
    test_old_versions();
    test_bytewise();
    test_glued();
    test_cut();
    test_client_certificate();
    test_names();
    test_not_verified();
    test_without_ca();
    test_bad_names();
    test_closing();
    test_truncated();
    test_ceilings();
    test_stale_errors();
    test_no_memory(file);
    rcpt_tls_context_close(context);
    CHECK(ledger.out == 0);
    told("gives all memory back");
    cert_done(&ca);
    cert_done(&good);
    return 0;
}

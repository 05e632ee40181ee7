/* spec/io/tls_hostile_test.c -- what io/tls.c does about servers that are no TLS servers, or no
 * friends; tls_spec.lua runs it. */
/* SPDX-License-Identifier: MIT */
#include <openssl/err.h>

#include "spec/io/tls_pair.h"
#include "spec/support/check.h"

static rcpt_tls_context *context;
static struct cert good;
static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

static bool is_why(const rcpt_tls *t, const char *why)
{
    return strcmp(rcpt_tls_why(t), why) == 0;
}

static void start(struct pair *p, int version)
{
    struct peer_want want = { .cert = &good, .version = version };
    DEMAND(pair_start(p, context, NAME, &want) == RCPT_OK);
}

/* ---- no TLS ---- */

static rcpt_tls *greet(const void *answer, size_t n, size_t piece, rcpt_err *e)
{
    rcpt_tls *t;
    size_t out;
    DEMAND(rcpt_tls_open(&t, context, NAME) == RCPT_OK);
    CHECK(rcpt_tls_shake(t) == RCPT_AGAIN);
    (void)rcpt_tls_out(t, &out);
    rcpt_tls_sent(t, out);
    *e = RCPT_AGAIN;
    for (size_t at = 0; at < n; at += piece) {
        size_t len = n - at < piece ? n - at : piece;
        DEMAND(rcpt_tls_feed(t, (const char *)answer + at, len) == RCPT_OK);
        *e = rcpt_tls_shake(t);
    }
    return t;
}

static void test_plain_text(void)
{
    static const char text[] = "554 5.7.1 \xE9\x07 not here\r\n250 ok\r\n";
    for (size_t piece = 1; piece < sizeof text; piece++) {
        rcpt_err e;
        size_t n;
        rcpt_tls *t = greet(text, sizeof text - 1, piece, &e);
        CHECK(e == RCPT_TLS);
        CHECK(strncmp(rcpt_tls_why(t), "the peer does not answer with TLS but \"5", 40) == 0);
        (void)rcpt_tls_out(t, &n);
        CHECK(n == 0);                   /* no alert for a mail server to read as a command */
        if (piece == sizeof text - 1)
            CHECK(is_why(t, "the peer does not answer with TLS but \"554 5.7.1 ?? not here\""));
        rcpt_tls_close(t);
    }
    told("knows a mail server's reply from TLS, and quotes it");
}

static void test_long_text(void)
{
    char text[5000];
    rcpt_err e;
    memset(text, 'x', sizeof text);
    rcpt_tls *t = greet(text, sizeof text, sizeof text, &e);
    CHECK(e == RCPT_TLS && strlen(rcpt_tls_why(t)) < 160);
    for (int i = 0; i < 100; i++)
        CHECK(rcpt_tls_feed(t, text, sizeof text) == RCPT_OK);   /* dropped */
    CHECK(rcpt_tls_shake(t) == RCPT_TLS);
    rcpt_tls_close(t);
    told("quotes a line's beginning only, and keeps nothing of what follows");
}

static void test_alerts(void)
{
    static const struct { unsigned char alert; const char *why; } alerts[] = {
        { 40, "the peer's alert 40: handshake failure" },
        { 70, "the peer's alert 70: protocol version" },
        { 80, "the peer's alert 80: internal error" },
        { 112, "the peer's alert 112: unrecognized name" },
        { 77, "the peer's alert 77: unknown" },
    };
    for (size_t i = 0; i < sizeof alerts / sizeof *alerts; i++) {
        const unsigned char record[] = { 21, 3, 1, 0, 2, 2, alerts[i].alert };
        rcpt_err e;
        rcpt_tls *t = greet(record, sizeof record, 1, &e);
        CHECK(e == RCPT_TLS && is_why(t, alerts[i].why));
        rcpt_tls_close(t);
    }
    const unsigned char bye[] = { 21, 3, 1, 0, 2, 1, 0 };         /* close_notify for an answer */
    rcpt_err e;
    rcpt_tls *t = greet(bye, sizeof bye, sizeof bye, &e);
    CHECK(e == RCPT_TLS && ERR_peek_error() == 0);
    CHECK(is_why(t, "the peer closed in the handshake"));
    rcpt_tls_close(t);
    told("names the peer's alert");
}

static void test_no_common_cipher(void)
{
    struct cert rsa;
    struct pair p;
    cert_make(&rsa, &(struct cert_want){ .name = NAME, .rsa_bits = 2048 });
    struct peer_want want = { .cert = &rsa, .version = TLS1_2_VERSION, .ciphers = "kDHE" };
    CHECK(pair_start(&p, context, NAME, &want) == RCPT_TLS);
    CHECK(is_why(p.tls, "the peer's alert 40: handshake failure"));
    pair_close(&p);
    cert_done(&rsa);
    told("lets no server choose a Diffie-Hellman group of its own");
}

/* ---- broken TLS ---- */

static void test_random(void)
{
    unsigned seed = 77;
    int rounds = getenv("RCPT_VALGRIND") != NULL ? 20 : 400;
    for (int i = 0; i < rounds; i++) {
        static char bytes[RCPT_TLS_HELD_MAX];
        struct pair p;
        rcpt_err e;
        pair_open(&p, context, NAME, WANT(.cert = &good, .version = versions[i & 1]));
        size_t n = 1;
        while ((e = rcpt_tls_shake(p.tls)) == RCPT_AGAIN && n > 0) {
            to_peer(&p);
            n = peer_out(&p.peer, bytes, sizeof bytes);
            for (int k = 0; n > 0 && k < 1 + i % 3; k++) {
                seed = seed * 1664525u + 1013904223u;
                bytes[(seed >> 8) % n] ^= (char)(1 << (seed >> 29));
            }
            DEMAND(rcpt_tls_feed(p.tls, bytes, n) == RCPT_OK);
        }
        CHECK(e == RCPT_TLS || e == RCPT_AGAIN || e == RCPT_OK);
        CHECK(e != RCPT_TLS || rcpt_tls_why(p.tls)[0] != '\0');
        CHECK(ERR_peek_error() == 0);
        pair_close(&p);
    }
    told("survives a server's bytes with bits turned over");
}

static void test_tampered(void)
{
    for (int i = 0; i < 2; i++) {
        struct pair p;
        char bytes[512], got[64];
        size_t n;
        start(&p, versions[i]);
        CHECK(pair_read(&p, got, sizeof got, &n) == RCPT_AGAIN);
        peer_write(&p.peer, "250 ok\r\n", 8);
        n = peer_out(&p.peer, bytes, sizeof bytes);
        bytes[n - 1] ^= 1;
        CHECK(rcpt_tls_feed(p.tls, bytes, n) == RCPT_OK);
        CHECK(rcpt_tls_read(p.tls, got, sizeof got, &n) == RCPT_TLS);
        CHECK(is_why(p.tls, "decryption failed or bad record mac"));
        CHECK(rcpt_tls_read(p.tls, got, sizeof got, &n) == RCPT_TLS);
        rcpt_tls_shut(p.tls);
        pair_close(&p);
    }
    told("takes no record that was changed on its way");
}

static void test_injected(void)
{
    struct pair p;
    char got[64];
    size_t n;
    start(&p, TLS1_3_VERSION);
    CHECK(pair_read(&p, got, sizeof got, &n) == RCPT_AGAIN);
    CHECK(rcpt_tls_feed(p.tls, "250 clear\r\n", 11) == RCPT_OK);
    CHECK(rcpt_tls_read(p.tls, got, sizeof got, &n) == RCPT_TLS);
    pair_close(&p);
    told("takes no clear text after the handshake");
}

/* ---- too much ---- */

static rcpt_err meet_chain(size_t padding, int n_more, int version, char *why)
{
    struct cert more;
    struct pair p;
    cert_make(&more, &(struct cert_want){ .name = "padding", .padding = padding });
    struct peer_want want = { .cert = &good, .version = version, .more = &more, .n_more = n_more };
    rcpt_err e = pair_start(&p, context, NAME, &want);
    (void)snprintf(why, 160, "%s", rcpt_tls_why(p.tls));
    pair_close(&p);
    cert_done(&more);
    return e;
}

static void test_chain(void)
{
    char why[160];
    for (int i = 0; i < 2; i++) {
        CHECK(meet_chain(90000, 1, versions[i], why) == RCPT_OK);
        CHECK(meet_chain(110000, 1, versions[i], why) == RCPT_TLS);
        CHECK(strcmp(why, "excessive message size") == 0);
        CHECK(meet_chain(1000000, 10, versions[i], why) == RCPT_TLS);
        CHECK(strcmp(why, "excessive message size") == 0);
        CHECK(meet_chain(10, 200, versions[i], why) == RCPT_OK); /* many, but few bytes */
    }
    told("reads a chain of 90 KB, and gives one of 10 MB up");
}

/* Ask the server for `n` of something, and read what comes. */
static rcpt_err flood(struct pair *p, void (*one)(SSL *ssl), int n)
{
    char got[64];
    size_t had;
    rcpt_err e = RCPT_AGAIN;
    for (int i = 0; i < n; i++) {
        one(p->peer.ssl);
        ERR_clear_error();
    }
    while (e == RCPT_AGAIN && from_peer(p, 4096) > 0) {
        e = rcpt_tls_read(p->tls, got, sizeof got, &had);
        (void)rcpt_tls_out(p->tls, &had);
        CHECK(had <= RCPT_TLS_HELD_MAX);
    }
    return e;
}

static void hello_request(SSL *ssl)
{
    (void)SSL_renegotiate(ssl);
    (void)SSL_do_handshake(ssl);
}

static void key_update(SSL *ssl)
{
    (void)SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED);
    (void)SSL_do_handshake(ssl);
}

static void ticket(SSL *ssl)
{
    (void)SSL_new_session_ticket(ssl);
    (void)SSL_do_handshake(ssl);
}

static void test_renegotiation(void)
{
    struct pair p;
    char got[64];
    size_t n;
    start(&p, TLS1_2_VERSION);
    CHECK(flood(&p, hello_request, 1) == RCPT_AGAIN);
    (void)rcpt_tls_out(p.tls, &n);
    CHECK(n > 0 && n < 64);                                      /* an alert, no ClientHello */
    CHECK(pair_hears(&p, "250 ok\r\n"));
    CHECK(peer_read(&p.peer, got, sizeof got) == 0);
    pair_close(&p);
    told("says no to renegotiation, and goes on");
}

static void test_floods(void)
{
    static const struct { void (*one)(SSL *ssl); int version; } floods[] = {
        { hello_request, TLS1_2_VERSION },
        { key_update, TLS1_3_VERSION },
        { ticket, TLS1_3_VERSION },
    };
    for (size_t i = 0; i < sizeof floods / sizeof *floods; i++) {
        struct pair p;
        start(&p, floods[i].version);
        CHECK(flood(&p, floods[i].one, 10) == RCPT_AGAIN);
        CHECK(pair_hears(&p, "250 ok\r\n"));
        CHECK(i == 0 || pair_says(&p, "QUIT\r\n"));      /* OpenSSL's server ends at our no */
        pair_close(&p);
        start(&p, floods[i].version);
        CHECK(flood(&p, floods[i].one, 1000) == RCPT_TLS);
        CHECK(is_why(p.tls, "more handshake messages than any handshake has"));
        pair_close(&p);
    }
    told("bears some HelloRequests, key updates and tickets, and no flood of them");
}

static void test_packed(void)
{
    unsigned char record[5 + 80] = { 22, 3, 3, 0, 80 };      /* 20 HelloRequests in the clear */
    rcpt_err e;
    rcpt_tls *t = greet(record, sizeof record, sizeof record, &e);
    CHECK(e == RCPT_AGAIN);
    CHECK(rcpt_tls_feed(t, record, sizeof record) == RCPT_OK);
    CHECK(rcpt_tls_shake(t) == RCPT_TLS);
    CHECK(is_why(t, "more handshake messages than any handshake has"));
    rcpt_tls_close(t);
    told("counts handshake messages within the handshake too");
}

static void test_empty_records(void)
{
    struct pair p;
    char got[64];
    size_t n = 0;
    rcpt_err e = RCPT_AGAIN;
    start(&p, TLS1_2_VERSION);
    for (int i = 0; i < 100000 && e == RCPT_AGAIN; i++) {
        CHECK(rcpt_tls_feed(p.tls, "\x17\3\3\0\0", 5) == RCPT_OK);
        e = rcpt_tls_read(p.tls, got, sizeof got, &n);
    }
    CHECK(e == RCPT_TLS);
    pair_close(&p);
    told("gives up on records of nothing");
}

int main(void)
{
    cert_make(&good, &(struct cert_want){ .name = NAME, .san = "DNS:" NAME });
    DEMAND(rcpt_tls_context_open(&context, &mem, NULL) == RCPT_OK);
    test_plain_text();
    test_long_text();
    test_alerts();
    test_no_common_cipher();
    test_random();
    test_tampered();
    test_injected();
    test_chain();
    test_renegotiation();
    test_floods();
    test_packed();
    test_empty_records();
    rcpt_tls_context_close(context);
    CHECK(ledger.out == 0);
    told("gives all memory back, whoever was met");
    cert_done(&good);
    return 0;
}

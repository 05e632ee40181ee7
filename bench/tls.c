/* bench/tls.c -- handshakes over io/tls.c beside bare ones of OpenSSL's, no socket in either.
 *
 * Each side's time is of the client alone, against the same server in the same process (ECDSA
 * P-256, TLS 1.3, self-signed); bare: OpenSSL's defaults on memory BIOs and no verification of any
 * kind. */
/* SPDX-License-Identifier: MIT */
#include <malloc.h>
#include <stdio.h>
#include <time.h>

#include "spec/io/tls_pair.h"

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double ours(rcpt_tls_context *x, const struct peer_want *want)
{
    struct pair p;
    double spent = 0, t = now_us();
    rcpt_err e = RCPT_AGAIN;
    peer_open(&p.peer, want);
    spent -= now_us() - t;
    DEMAND(rcpt_tls_open(&p.tls, x, NAME) == RCPT_OK);
    while (e == RCPT_AGAIN) {
        e = rcpt_tls_shake(p.tls);
        spent += now_us() - t;
        to_peer(&p);
        t = now_us();
        (void)from_peer(&p, RCPT_TLS_HELD_MAX);
    }
    DEMAND(e == RCPT_OK);
    t = now_us();
    rcpt_tls_close(p.tls);
    spent += now_us() - t;
    peer_close(&p.peer);
    return spent;
}

static double bare(SSL_CTX *context, const struct peer_want *want)
{
    static char bytes[RCPT_TLS_HELD_MAX];
    struct peer p;
    double spent = 0;
    peer_open(&p, want);
    double t = now_us();
    SSL *ssl = SSL_new(context);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    for (bool is_done = false; !is_done;) {
        is_done = SSL_do_handshake(ssl) == 1;
        int n = BIO_read(out, bytes, sizeof bytes);
        spent += now_us() - t;
        if (n > 0)
            peer_feed(&p, bytes, (size_t)n);
        t = now_us();
        size_t got = peer_out(&p, bytes, sizeof bytes);
        DEMAND(BIO_write(in, bytes, (int)got) == (int)got || is_done);
    }
    t = now_us();
    SSL_free(ssl);
    spent += now_us() - t;
    peer_close(&p);
    return spent;
}

/* Bytes of heap one idle connection of ours has, our buffers and OpenSSL's. */
static size_t weigh(rcpt_tls_context *x, const struct peer_want *want)
{
    enum { N = 50 };
    static struct pair p[N];
    char got[64];
    for (int i = 0; i < N; i++) {
        size_t n;
        peer_open(&p[i].peer, want);
        DEMAND(rcpt_tls_open(&p[i].tls, x, NAME) == RCPT_OK);
        DEMAND(pair_shake(&p[i], RCPT_TLS_HELD_MAX) == RCPT_OK);
        DEMAND(pair_read(&p[i], got, sizeof got, &n) == RCPT_AGAIN);
        peer_close(&p[i].peer);
    }
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < N; i++)
        rcpt_tls_close(p[i].tls);
    return (before - mallinfo2().uordblks) / N;
}

static int by_size(const void *a, const void *b)
{
    double d = *(const double *)a - *(const double *)b;
    return (d > 0) - (d < 0);
}

int main(void)
{
    enum { N = 301 };
    static double mine[N], floor_us[N];
    struct cert cert;
    rcpt_tls_context *x;
    cert_make(&cert, &(struct cert_want){ .name = NAME, .san = "DNS:" NAME });
    struct peer_want want = { .cert = &cert, .version = TLS1_3_VERSION };
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    DEMAND(rcpt_tls_context_open(&x, &mem, NULL) == RCPT_OK);
    double t = now_us();
    (void)ours(x, &want);
    double first = now_us() - t;
    for (int i = 0; i < N; i++) {
        mine[i] = ours(x, &want);
        floor_us[i] = bare(context, &want);
    }
    qsort(mine, N, sizeof *mine, by_size);
    qsort(floor_us, N, sizeof *floor_us, by_size);
    printf("tls: handshakes of a client, medians of %d, turn about\n", N);
    printf("  ours, its certificate looked up %6.0f us\n", mine[N / 2]);
    printf("  OpenSSL, bare                   %6.0f us\n", floor_us[N / 2]);
    printf("  the first of a process, with the system's CA store %.1f ms\n", first / 1000);
    printf("  memory of an idle connection %zu bytes\n", weigh(x, &want));
    rcpt_tls_context_close(x);
    SSL_CTX_free(context);
    cert_done(&cert);
    return 0;
}

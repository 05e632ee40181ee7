/* spec/io/tls_pair.h -- a client of ours and a server of OpenSSL's, and bytes carried between
 * them. */
/* SPDX-License-Identifier: MIT */
#ifndef RCPT_SPEC_TLS_PAIR_H
#define RCPT_SPEC_TLS_PAIR_H

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "io/tls.h"
#include "spec/io/tls_peer.h"

#define NAME "mx.example"

/* ---- memory that is counted, and fails when told to ---- */

struct ledger {
    long out;                    /* bytes */
    int  until;                  /* so many allocations go well; -1: all */
};

static struct ledger ledger = { .until = -1 };

static void *ledger_resize(void *ud, void *p, size_t old_size, size_t new_size)
{
    struct ledger *l = ud;
    if (new_size > old_size && l->until >= 0 && l->until-- <= 0) {
        l->until = 0;
        return NULL;
    }
    l->out += (long)new_size - (long)old_size;
    if (new_size > 0)
        return realloc(p, new_size);
    free(p);
    return NULL;
}

static const struct rcpt_mem mem = { ledger_resize, &ledger };

/* ---- the pair ---- */

struct pair {
    rcpt_tls   *tls;
    struct peer peer;
};

static inline void pair_open(struct pair *p, rcpt_tls_context *x, const char *name,
                             const struct peer_want *want)
{
    peer_open(&p->peer, want);
    DEMAND(rcpt_tls_open(&p->tls, x, name) == RCPT_OK);
}

static inline void pair_close(struct pair *p)
{
    rcpt_tls_close(p->tls);
    peer_close(&p->peer);
}

static inline void to_peer(struct pair *p)
{
    size_t n;
    const char *out = rcpt_tls_out(p->tls, &n);
    DEMAND(n <= RCPT_TLS_HELD_MAX);
    if (n == 0)
        return;
    peer_feed(&p->peer, out, n);
    rcpt_tls_sent(p->tls, n);
}

/* Carry up to `size` of the server's bytes; how many there were. */
static inline size_t from_peer(struct pair *p, size_t size)
{
    static char bytes[RCPT_TLS_HELD_MAX];
    size_t n = peer_out(&p->peer, bytes, size < sizeof bytes ? size : sizeof bytes);
    DEMAND(n == 0 || rcpt_tls_feed(p->tls, bytes, n) == RCPT_OK);
    return n;
}

/* Shake hands, by pieces of `size` bytes of the server's; AGAIN: both wait. */
static inline rcpt_err pair_shake(struct pair *p, size_t size)
{
    for (;;) {
        rcpt_err e = rcpt_tls_shake(p->tls);
        to_peer(p);
        if (e != RCPT_AGAIN || from_peer(p, size) == 0)
            return e;
    }
}

static inline rcpt_err pair_start(struct pair *p, rcpt_tls_context *x, const char *name,
                                  const struct peer_want *want)
{
    pair_open(p, x, name, want);
    return pair_shake(p, 4096);
}

/* What the server wrote, read whole; the first error but AGAIN, then AGAIN. */
static inline rcpt_err pair_read(struct pair *p, char *text, size_t size, size_t *n)
{
    *n = 0;
    for (;;) {
        size_t got = 0;
        rcpt_err e = rcpt_tls_read(p->tls, text + *n, size - *n, &got);
        *n += got;
        to_peer(p);
        if (e != RCPT_OK && (e != RCPT_AGAIN || from_peer(p, 4096) == 0))
            return e;
    }
}

/* Does the server's word reach us? */
static inline bool pair_hears(struct pair *p, const char *text)
{
    char got[256];
    size_t n;
    peer_write(&p->peer, text, strlen(text));
    return pair_read(p, got, sizeof got, &n) == RCPT_AGAIN && n == strlen(text) &&
           memcmp(got, text, n) == 0;
}

/* And ours the server? */
static inline bool pair_says(struct pair *p, const char *text)
{
    char got[256];
    if (rcpt_tls_write(p->tls, text, strlen(text)) != RCPT_OK)
        return false;
    to_peer(p);
    return peer_read(&p->peer, got, sizeof got) == strlen(text) &&
           memcmp(got, text, strlen(text)) == 0;
}

#endif
